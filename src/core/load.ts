/**
 * How busy nodes are (notes on the paper, section 6.2: hot ranges, and nodes that are slower than others). Counts of requests by partition, over about a
 * minute; and what each member says of itself in a few bytes: its level, and whom it sees answer late. A higher stamp wins, so that news may come in any order.
 *
 * Limits: SLICES counts for each partition that was asked for; SLOW_NAMED_MAX nodes named by each.
 */

import { RollingWindow } from "../base/rolling-window.ts";
import type { Millis, NodeId, Partition } from "./identifiers.ts";

const SLICE_MS = 10_000;
/** A minute, and the slice under way. */
const SLICES = 7;
/** A node names no more than so many others as slow. */
export const SLOW_NAMED_MAX = 8;
/** Levels go from 0 to this. */
export const LOAD_LEVEL_MAX = 40;
/** A level is left downwards when the rate is well below it, so that a rate at its edge makes no news. */
const FALLS_BELOW = 0.7;

/** What a member says of itself. */
export interface LoadEntry {
  readonly node: NodeId;
  /** Grows with each change, over restarts, too. */
  readonly stamp: number;
  /** 0: hardly anything to do; each further one stands for twice as many requests a second. See `levelOf`. */
  readonly level: number;
  /** Members that answer its pings and leave its requests unanswered; ascending. */
  readonly slow: readonly NodeId[];
}

/** The level of so many requests a second, for one who said `before` last: 0 below `from`, 1 below twice as many, and so on. */
export function levelOf(perSecond: number, from: number, before = 0): number {
  let level = 0;
  for (let edge = from; perSecond >= edge && level < LOAD_LEVEL_MAX; edge *= 2) level++;
  return level < before && perSecond >= FALLS_BELOW * perSecondOf(before, from) ? before : level;
}

/** The least requests a second of a level. */
export function perSecondOf(level: number, from: number): number {
  return level === 0 ? 0 : from * 2 ** (level - 1);
}

/** Requests that were served lately, by partition. */
export class LoadMeter {
  readonly #slices = new RollingWindow(SLICE_MS, SLICES, () => new Map<Partition, number>());
  #since: Millis | undefined;

  count(partition: Partition, now: Millis): void {
    this.#since ??= now;
    const slice = this.#slices.at(now);
    slice.set(partition, (slice.get(partition) ?? 0) + 1);
  }

  /** Requests of the partition in a minute, by those of the last one. */
  perMinute(partition: Partition, now: Millis): number {
    const counts = this.#slices.recent(now).map(({ slice }) => slice.get(partition) ?? 0);
    return this.#rate(counts, now) * 60;
  }

  /** Requests of all partitions in a second. */
  perSecond(now: Millis): number {
    return this.#rate(
      this.#slices.recent(now).flatMap(({ slice }) => [...slice.values()]),
      now,
    );
  }

  /** A second. What was counted within less than a slice is taken for that of a whole one: one request makes no crowd. */
  #rate(counts: readonly number[], now: Millis): number {
    if (this.#since === undefined || counts.length === 0) return 0;
    const sum = counts.reduce((all, count) => all + count, 0);
    return (1_000 * sum) / Math.max(SLICE_MS, this.#slices.coveredMs(now, this.#since));
  }
}
