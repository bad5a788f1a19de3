/**
 * What a browser does to a page, as the node's host needs to know it: visible, hidden, frozen, leaving, back from the dead. Browsers promise
 * none of these events, so each is a courtesy to the peers and nothing safe may depend on one.
 *
 * - hidden: timers slow down to once a second or less; the node says so in its gossip. A frozen page is hidden too.
 * - leaving: the page is going away (`pagehide`), perhaps into the back-forward cache. Say goodbye, close the links, free the lock: now,
 *   synchronously, for there may be no later.
 * - resumed: "restored" from that cache: links, locks and perhaps the database are gone, only a full restart is right. Or "unfrozen": the
 *   page stood still for a while, and what it hears now may be old.
 */

export interface PageWatcher {
  /** Called when it changes, and once at the start if the page is hidden then. */
  onHidden(hidden: boolean): void;
  onLeaving(): void;
  onResumed(from: "restored" | "unfrozen"): void;
}

/** Calls back until the returned function is called. The targets are the page's own unless a test gives others. */
export function watchPage(
  watcher: PageWatcher,
  page: { readonly window: EventTarget; readonly document: EventTarget & { readonly visibilityState: string } } = {
    window,
    document,
  },
): () => void {
  const stop = new AbortController();
  const on = (target: EventTarget, type: string, listener: (event: Event) => void): void =>
    target.addEventListener(type, listener, { signal: stop.signal });

  let hidden = false;
  const tellHidden = (now: boolean): void => {
    if (now === hidden) return;
    hidden = now;
    watcher.onHidden(now);
  };
  const isHidden = (): boolean => page.document.visibilityState === "hidden";

  on(page.document, "visibilitychange", () => tellHidden(isHidden()));
  on(page.document, "freeze", () => tellHidden(true));
  on(page.document, "resume", () => {
    watcher.onResumed("unfrozen");
    tellHidden(isHidden());
  });
  on(page.window, "pagehide", () => watcher.onLeaving());
  on(page.window, "pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) watcher.onResumed("restored");
  });
  tellHidden(isHidden());
  return () => stop.abort();
}
