import { expect, test } from "vitest";
import { watchPage } from "./page-lifecycle.ts";

class FakeDocument extends EventTarget {
  visibilityState = "visible";
  show(state: "visible" | "hidden"): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

function watched(visibilityState = "visible") {
  const document = new FakeDocument();
  document.visibilityState = visibilityState;
  const window = new EventTarget();
  const told: string[] = [];
  const stop = watchPage(
    {
      onHidden: (hidden) => told.push(hidden ? "hidden" : "visible"),
      onLeaving: () => told.push("leaving"),
      onResumed: (from) => told.push(from),
    },
    { window, document },
  );
  const pageshow = (persisted: boolean) => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));
  return { document, window, told, stop, pageshow };
}

test("a page that is hidden and shown again says each change once", () => {
  const { document, told } = watched();
  document.show("visible");
  document.show("hidden");
  document.show("hidden");
  document.show("visible");
  expect(told).toEqual(["hidden", "visible"]);
});

test("a page that was opened in the background says so at once", () => {
  expect(watched("hidden").told).toEqual(["hidden"]);
});

test("a frozen page is hidden, and says when it goes on", () => {
  const { document, told } = watched();
  document.show("hidden");
  document.dispatchEvent(new Event("freeze"));
  document.dispatchEvent(new Event("resume"));
  document.show("visible");
  expect(told).toEqual(["hidden", "unfrozen", "visible"]);
});

test("a page in front that is frozen is hidden until it goes on", () => {
  const { document, told } = watched();
  document.dispatchEvent(new Event("freeze"));
  document.dispatchEvent(new Event("resume"));
  expect(told).toEqual(["hidden", "unfrozen", "visible"]);
});

test("leaving, and being restored from the back-forward cache; a first showing is neither", () => {
  const { window, told, pageshow } = watched();
  pageshow(false);
  window.dispatchEvent(new Event("pagehide"));
  pageshow(true);
  expect(told).toEqual(["leaving", "restored"]);
});

test("nothing is told after the unsubscribe", () => {
  const { document, window, told, stop, pageshow } = watched();
  stop();
  document.show("hidden");
  document.dispatchEvent(new Event("freeze"));
  window.dispatchEvent(new Event("pagehide"));
  pageshow(true);
  expect(told).toEqual([]);
});
