/**
 * When it is worth asking somebody else beside the one who was asked: after the 99th percentile of recent reply times (Dean and Barroso, "The Tail
 * at Scale", 2013: hedged requests), so that no more than about one request in a hundred is doubled in ordinary times.
 *
 * When everybody is slow that percentile is no protection, because it follows late: so there is a budget on top. Each get earns a part of a
 * hedge, and at most one in HEDGED_ONE_IN is ever spent: an overloaded cluster gets a twentieth more to do, not twice as much. What was earned and
 * not spent is kept up to SAVED_MAX hedges, for a bad moment after a good hour.
 *
 * Limits: three histograms and a number.
 */

import type { Millis } from "./identifiers.ts";
import { ReplyTimes } from "./reply-times.ts";

const SHARE = 0.99;
/** Sooner than this a hedge saves nothing that a person would see. */
export const HEDGE_AFTER_MS_MIN: Millis = 10;
export const HEDGED_ONE_IN = 20;
export const SAVED_MAX = 8;

export type TimedKind = "replica-get" | "replica-put" | "coordinate-get";

export class Hedging {
  readonly #times: Readonly<Record<TimedKind, ReplyTimes>> = {
    "replica-get": new ReplyTimes(),
    "replica-put": new ReplyTimes(),
    "coordinate-get": new ReplyTimes(),
  };
  readonly #on: boolean;
  /** Gets that have not been spent on a hedge. */
  #saved = 0;

  /** Off: nothing is kept, no hedge is ever open, and patience is what it is while nothing is known. */
  constructor(on: boolean) {
    this.#on = on;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { saved: this.#saved, times: Object.values(this.#times).map((times) => times.memory) };
  }

  /** A reply came. What never comes is not recorded: it is what hedges are for, and the budget looks after the rest. */
  record(kind: TimedKind, elapsedMs: Millis): void {
    if (this.#on) this.#times[kind].record(elapsedMs);
  }

  /** How long to wait for a reply before something is done: the 99th percentile within these bounds; `unknownMs` as long as too few are known. */
  patienceMs(kind: TimedKind, leastMs: Millis, mostMs: Millis, unknownMs: Millis): Millis {
    const usualMs = this.#times[kind].percentile(SHARE);
    return usualMs === undefined ? unknownMs : Math.min(mostMs, Math.max(leastMs, usualMs));
  }

  /** A get began here. */
  earn(): void {
    if (this.#on) this.#saved = Math.min(HEDGED_ONE_IN * SAVED_MAX, this.#saved + 1);
  }

  /** True when a hedge is left. */
  get open(): boolean {
    return this.#saved >= HEDGED_ONE_IN;
  }

  spend(): void {
    this.#saved -= HEDGED_ONE_IN;
  }
}
