/** Faults of real tabs, made from the lab: each is set there, its effect is seen in the tabs, and it ends. */

import { type Page, expect, test } from "@playwright/test";
import type { Key } from "../src/core/identifiers.ts";
import type { FaultName } from "../src/api.ts";
import { type Cluster, type Tab, waitUntil } from "./cluster.ts";
import { TabsLab, act, held } from "./tabs-lab.ts";

const CART = "carts/faulty";

// Each goes through what failure detection and hinted handoff take.
test.describe.configure({ timeout: 180_000 });

let tabsLab: TabsLab;
let cluster: Cluster;
let lab: Page;

test.beforeEach(async () => {
  tabsLab = await TabsLab.open(4);
  ({ cluster, lab } = tabsLab);
});
test.afterEach(() => tabsLab.close());

const faultsOf = (tab: Tab): Promise<readonly FaultName[]> =>
  tab.page.evaluate(() => window.tabring!.store.status.faults);

/** Two owners of the key with their names in the lab. */
async function ownersOf(key: string): Promise<readonly { readonly tab: Tab; readonly name: string }[]> {
  const list = await cluster.tabs[0]!.preferenceList(key);
  const owners = list.filter(({ role }) => role === "owner");
  return Promise.all(
    owners.map(async ({ node }) => {
      const tab = await cluster.tabOf(node);
      return { tab, name: await tabsLab.nameOf(tab) };
    }),
  );
}

async function choose(name: string): Promise<void> {
  await lab.locator(`[data-node="${name}"]`).click();
  await tabsLab.look("Node");
}

async function press(name: string): Promise<void> {
  await lab.locator(`[data-act="${name}"]`).click();
}

/** Asked and answered, of the last request of this key that was answered. */
function lastAnswer(key: string): Promise<{ readonly tookMs: number; readonly outcome: string } | undefined> {
  return lab.evaluate((key) => {
    const { trace } = window.tabringLab!.scene.world;
    const answered = trace.findLast((record) => record.key === key && record.event.what === "answered");
    const asked = trace.find(({ request, event }) => request === answered?.request && event.what === "asked");
    if (answered?.event.what !== "answered" || asked === undefined) return undefined;
    return { tookMs: answered.at - asked.at, outcome: answered.event.outcome };
  }, key);
}

test("added latency shows in the waterfall, and its end too; the line at the top tells of it and ends it", async () => {
  const [writer] = await ownersOf(CART);
  await choose(writer!.name);
  await press("latency");
  await expect.poll(() => faultsOf(writer!.tab)).toEqual(["latency"]);
  await expect(lab.getByTestId("lab-faults-on")).toContainText("300 ms of added latency");
  await expect(writer!.tab.page.getByTestId("status-faults")).toContainText("slow messages");
  await tabsLab.look("Key");
  await lab.getByTestId("lab-key").fill(CART);
  await lab.getByTestId("lab-value").fill("late");
  await lab.getByTestId("lab-put").click();
  await tabsLab.look("Request");
  await expect(lab.getByTestId("lab-outcome")).toContainText(`put ${CART}`);
  await expect(lab.getByTestId("lab-outcome")).toHaveAttribute("data-outcome", "ok");
  // There and back, at one end.
  expect((await lastAnswer(CART))?.tookMs).toBeGreaterThanOrEqual(590);
  const stored = async (): Promise<number[]> =>
    [...(await lab.getByTestId("lab-waterfall").innerText()).matchAll(/stored after (\d+) ms/g)].map(([, ms]) =>
      Number(ms),
    );
  await expect.poll(async () => Math.max(...(await stored()))).toBeGreaterThanOrEqual(590);

  await lab.getByTestId("lab-end-faults").click();
  await expect.poll(() => faultsOf(writer!.tab)).toEqual([]);
  await expect(lab.getByTestId("lab-faults-on")).toHaveCount(0);
  await act(lab, { do: "put", node: writer!.name, key: "carts/prompt", value: "prompt", context: "none" });
  await expect.poll(async () => (await lastAnswer("carts/prompt"))?.outcome).toBe("ok");
});

test("a frozen tab is taken for down and its writes go elsewhere; thawed it takes what it missed", async () => {
  const [writer, frozen] = await ownersOf(CART);
  const node = await frozen!.tab.node();
  const seen = async (): Promise<string | undefined> =>
    (await writer!.tab.nodes()).find((each) => each.node === node)?.reachability;
  await choose(frozen!.name);
  await press("freeze");
  await expect(lab.locator(`[data-node="${frozen!.name}"]`)).toHaveAttribute("data-state", "frozen");
  await expect(frozen!.tab.page.getByTestId("status-faults")).toContainText("frozen");
  await waitUntil(async () => (await seen()) === "down", { what: "the others take it for down" });
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "meanwhile", context: "none" });
  await waitUntil(async () => (await lastAnswer(CART))?.outcome === "ok", { what: "the put is answered" });
  await waitUntil(async () => (await cluster.hints()) > 0, { what: "another tab keeps a hint for it" });
  expect(await held(lab, [frozen!.name], CART)).toEqual([undefined]);
  await press("thaw");
  await expect(lab.locator(`[data-node="${frozen!.name}"]`)).toHaveAttribute("data-state", "running");
  await waitUntil(async () => (await seen()) === "up", { what: "the others see it again" });
  await waitUntil(async () => (await held(lab, [frozen!.name], CART))[0]?.join() === "meanwhile", {
    what: "the hint has come home",
    timeoutMs: 60_000,
  });
});

test("a full disk refuses, others keep the put, reads go on; a wrong clock loses where the last write wins", async () => {
  const [writer, sick] = await ownersOf(CART);
  await choose(sick!.name);
  await press("disk-full");
  await expect.poll(() => faultsOf(sick!.tab)).toEqual(["disk-full"]);
  // The same button ends it, once the lab has heard of it.
  await expect(lab.getByTestId("lab-faults-on")).toContainText("has a full disk");
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "elsewhere", context: "none" });
  await waitUntil(async () => (await lastAnswer(CART))?.outcome === "ok", { what: "the put is answered" });
  const refused = (id: string): Promise<boolean> =>
    lab.evaluate(
      (id) =>
        window.tabringLab!.scene.world.trace.some(
          ({ node, event }) => node === id && event.what === "note" && event.note === "storage-failed",
        ),
      id,
    );
  const sickId = await sick!.tab.node();
  await waitUntil(() => refused(sickId), { what: "the trace tells that its disk refused" });
  expect((await sick!.tab.get(CART)).values).toEqual(["elsewhere"]);
  expect(await held(lab, [sick!.name], CART)).toEqual([undefined]);
  await press("disk-full");
  await waitUntil(async () => (await held(lab, [sick!.name], CART))[0]?.join() === "elsewhere", {
    what: "it gets what it missed",
    timeoutMs: 60_000,
  });

  // An hour back.
  await press("skew");
  await expect.poll(() => faultsOf(sick!.tab)).toEqual(["clock"]);
  await act(lab, { do: "bucket", node: writer!.name, bucket: "last", policy: "last-write-wins" });
  await waitUntil(
    () => sick!.tab.page.evaluate(() => window.tabring!.store.buckets().some(({ name }) => name === "last")),
    {
      what: "it has heard of the bucket",
    },
  );
  await writer!.tab.put("last/x", "first", { w: 3 });
  await act(lab, {
    do: "put",
    node: sick!.name,
    key: "last/x",
    value: "second, by a clock that is behind",
    context: "none",
  });
  await waitUntil(async () => (await lastAnswer("last/x"))?.outcome === "ok", { what: "the put is answered" });
  expect((await writer!.tab.get("last/x")).values).toEqual(["first"]);
});

test("the next write is dropped and a read repairs it; others are doubled and delayed, and the recording says so", async () => {
  // While a new shop puts its books on the shelves any of them may be the next write.
  for (const { page } of cluster.tabs)
    await expect(page.getByTestId("catalogue")).toHaveAttribute("data-phase", "ready", { timeout: 60_000 });
  await waitUntil(async () => (await cluster.hints()) === 0, { what: "no hint is left", timeoutMs: 60_000 });
  const [writer, reader] = await ownersOf(CART);
  const [from, to] = [await writer!.tab.node(), await reader!.tab.node()];
  const fatesOf = (key: string): Promise<readonly string[]> =>
    lab.evaluate(
      ({ from, to, key }) =>
        window
          .tabringLab!.scene.world.flights.filter(
            (flight) => flight.kind === "replica-put" && flight.from === from && flight.to === to && flight.key === key,
          )
          .sort((a, b) => a.id - b.id)
          .map(({ fate }) => fate),
      { from, to, key: key as Key },
    );
  await tabsLab.look("Messages");
  await lab.getByTestId("lab-catch-from").selectOption(writer!.name);
  await lab.getByTestId("lab-catch-to").selectOption(reader!.name);
  await lab.getByTestId("lab-catch-kind").selectOption("replica-put");
  await press("catch-drop");
  await expect(lab.getByTestId("lab-catch-waiting")).toHaveAttribute("data-count", "1");
  await expect.poll(() => faultsOf(writer!.tab)).toEqual(["message"]);
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "dropped once", context: "none", w: 2 });
  await waitUntil(async () => (await fatesOf(CART))[0] === "dropped", {
    what: "the recording tells of the dropped one",
  });
  await expect(lab.getByTestId("lab-catch-waiting")).toHaveAttribute("data-count", "0");
  await act(lab, { do: "get", node: writer!.name, key: CART, r: 3 });
  await waitUntil(async () => (await held(lab, [reader!.name], CART))[0]?.join() === "dropped once", {
    what: "it was sent again, or repaired by the read",
  });

  await press("catch-duplicate");
  await expect(lab.getByTestId("lab-catch-waiting")).toContainText("doubles its next replica-put");
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "twice", context: "none", w: 3 });
  await waitUntil(async () => (await fatesOf(CART)).length >= 3, { what: "both are drawn" });
  await press("catch-delay");
  await expect(lab.getByTestId("lab-catch-waiting")).toContainText("delays by 1000 ms its next");
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "late", context: "none", w: 1 });
  await waitUntil(async () => (await fatesOf(CART)).includes("late"), { what: "one is late" });
  await expect.poll(async () => (await reader!.tab.get(CART)).values).toEqual(["dropped once", "late", "twice"]);
});

test("as if the server were down nothing stops; back, all have it again; and all faults end together", async () => {
  const seeds = (): Promise<(string | undefined)[]> =>
    Promise.all(cluster.tabs.map(async (tab) => (await tab.status())?.seed));
  await tabsLab.look("World");
  await lab.getByTestId("lab-server").click();
  await waitUntil(async () => (await seeds()).every((seed) => seed === "connecting"), {
    what: "all have left the server",
  });
  await expect(lab.getByTestId("lab-server")).toHaveAttribute("data-down", "true");
  const [writer] = await ownersOf(CART);
  await act(lab, { do: "put", node: writer!.name, key: CART, value: "without it", context: "none", w: 3 });
  await waitUntil(async () => (await lastAnswer(CART))?.outcome === "ok", { what: "the put is answered" });
  await lab.getByTestId("lab-server").click();
  await waitUntil(async () => (await seeds()).every((seed) => seed === "connected"), { what: "all have it again" });

  const [a = "", b = "", c = "", d = ""] = await tabsLab.names();
  await act(lab, { do: "freeze", node: a, forMs: 3_600_000 });
  await act(lab, { do: "latency", nodes: [a, b], byMs: 50 });
  await act(lab, { do: "disk-full", node: b, full: true });
  await act(lab, { do: "skew", node: c, byMs: 1_000 });
  // A frozen node asks for no comparison, so that nobody answers one.
  await act(lab, { do: "catch", from: d, to: a, kind: "tree-reply", how: "drop", byMs: 0 });
  await act(lab, { do: "cut", side: [d], other: [c] });
  await act(lab, { do: "loss", perMille: 10 });
  await act(lab, { do: "server", down: true });
  await expect(lab.getByTestId("lab-faults-on")).toHaveAttribute("data-count", "4");
  const all = (): Promise<number[]> => Promise.all(cluster.tabs.map(async (tab) => (await faultsOf(tab)).length));
  await expect.poll(all).toEqual([4, 4, 4, 4]);
  await waitUntil(
    async () => {
      if ((await lab.getByTestId("lab-end-faults").count()) > 0) await lab.getByTestId("lab-end-faults").click();
      return (await all()).every((count) => count === 0);
    },
    { what: "all faults have ended" },
  );
  await cluster.settled();
});
