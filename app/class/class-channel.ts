/**
 * Between two pages of one browser: the lab, where an assignment is answered, and the shop, which is in the cluster and can keep the answer. What comes is
 * checked. Where a browser has no such channel, or no page of a class is open, nothing is told, and nothing fails.
 */

import { type Answer, answerIn } from "./class-record.ts";

const NAME = "tabring-class";
type Told = Pick<Answer, "assignment" | "seed" | "answer">;

function sameAs(data: unknown, { assignment, seed }: Told): boolean {
  const kept: unknown = typeof data === "object" && data !== null && "kept" in data ? data.kept : undefined;
  return kept === `${assignment} ${seed}`;
}

/** Tells the pages of a class; `onKept` is called when one has kept it. Stops listening when the signal is aborted. */
export function tellClass(told: Told, onKept: () => void, signal: AbortSignal): void {
  const channel = new BroadcastChannel(NAME);
  signal.addEventListener("abort", () => channel.close());
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (sameAs(data, told)) onKept();
  };
  channel.postMessage(told);
}

/** `keep` says whether it did. Until the signal is aborted. */
export function listenForAnswers(keep: (told: Told) => Promise<boolean>, signal: AbortSignal): void {
  const channel = new BroadcastChannel(NAME);
  signal.addEventListener("abort", () => channel.close());
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    const told = answerIn(data);
    if (told === undefined) return;
    void keep(told).then((kept) => {
      if (kept && !signal.aborted) channel.postMessage({ kept: `${told.assignment} ${told.seed}` });
    });
  };
}
