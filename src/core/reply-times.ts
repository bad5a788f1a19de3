/**
 * How long replies of one kind took of late: a histogram with four buckets for each doubling, from 1 ms to about a minute, so that a percentile is
 * at most a fifth too high and the memory is the same for ever. When it has WEIGHT_MAX samples all counts are halved: what is older weighs less
 * and less, and a node that was slow yesterday is not thought slow today.
 *
 * One histogram for each kind of request, and none for each peer: the question that it answers is how long this kind of thing usually takes. A
 * peer that is always slow would raise its own percentile and so never be hedged against.
 *
 * Limits: BUCKETS numbers; percentiles are known from SAMPLES_MIN samples on.
 */

import type { Millis } from "./identifiers.ts";

const BUCKETS = 64;
export const SAMPLES_MIN = 64;
export const WEIGHT_MAX = 1_024;

/** Upper bounds in milliseconds. Powers of the fourth root of 2, made by doubling alone, so that they are the same on every machine. */
const BOUNDS: readonly Millis[] = ((): Millis[] => {
  const bounds = [1, 1.189, 1.414, 1.682];
  while (bounds.length < BUCKETS) bounds.push(2 * bounds[bounds.length - 4]!);
  return bounds;
})();

export class ReplyTimes {
  readonly #counts = new Array<number>(BUCKETS).fill(0);
  #weight = 0;

  /** Samples, those that have been halved away left out. */
  get weight(): number {
    return this.#weight;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#counts;
  }

  record(elapsedMs: Millis): void {
    const at = BOUNDS.findIndex((bound) => elapsedMs <= bound);
    this.#counts[at < 0 ? BUCKETS - 1 : at]!++;
    if (++this.#weight < WEIGHT_MAX) return;
    this.#weight = 0;
    this.#counts.forEach((count, i) => {
      this.#counts[i] = count >> 1;
      this.#weight += count >> 1;
    });
  }

  /** The time within which this share of the replies came, rounded up to a bucket's bound; undefined as long as too few are known. */
  percentile(share: number): Millis | undefined {
    if (this.#weight < SAMPLES_MIN) return undefined;
    let left = Math.ceil(share * this.#weight);
    const at = this.#counts.findIndex((count) => (left -= count) <= 0);
    return BOUNDS[at < 0 ? BUCKETS - 1 : at];
  }
}
