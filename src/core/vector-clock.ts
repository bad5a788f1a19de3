/**
 * The plain vector clock of the paper (section 4.4): a list of (node, counter) pairs, one clock for each version of a value, and with each pair the
 * time at which that node last wrote, by which long clocks are cut. A value for lessons; no node lives by it. `dvvset.ts` is what nodes keep.
 *
 * **Why it is not used.** A clock says which writes are behind a version, but not which of them the version itself is. Two clients that write
 * through one coordinator without having seen each other therefore get equal clocks (one write is lost), or ordered ones (the earlier is overwritten
 * unseen), or, if a whole record has one clock, siblings that never go (basho/riak_kv pull request 746). `sim/clock-schedules.ts` shows each.
 *
 * **Why nodes never truncate, not even as an option.** The paper cuts the oldest pair beyond about ten and never saw harm; Riak did: siblings without
 * end in hand-off (basho/riak_core issue 613), full synchronisation that never ends (riak_kv issue 1864). In a dotted version vector set it is worse.
 * The clock there is what tells an overwritten version from an unknown one, so a cut entry brings back what was overwritten or deleted (invariants 2
 * and 4) as soon as one replica still has it, and a deleted value that comes back is nothing that a note in a log makes good. If the entry is that of
 * an actor that still mints, its next dots repeat old ones, and replicas that remember those throw acknowledged writes away (invariant 1).
 * `sim/clock-lesson.test.ts` shows both. So entries are kept; an alarm comes at CLOCK_ENTRIES_WARN, and truncation is a lesson only.
 *
 * All values here are immutable and sorted by node. Limits: none of its own; a lesson's schedule bounds it.
 */

import type { Millis } from "./identifiers.ts";

/** The first `counter` writes of `node`; `at` is when it made the last of them. */
export interface ClockEntry {
  /** Any name; a client's where clients count. */
  readonly node: string;
  /** From 1. */
  readonly counter: number;
  readonly at: Millis;
}

/** One entry for each node, sorted by node. */
export type VectorClock = readonly ClockEntry[];

/** The entries that a clock has by default at most (paper, section 4.4: "say 10"). */
export const ENTRIES_USUAL = 10;

export type Order = "equal" | "before" | "after" | "concurrent";

/** The counter of `node`; 0 when the clock has none. */
export function counterIn(clock: VectorClock, node: string): number {
  return clock.find((entry) => entry.node === node)?.counter ?? 0;
}

/** True when each counter of `a` is at most that of `b`: `a` is an ancestor of `b`, or the same. */
export function isAncestor(a: VectorClock, b: VectorClock): boolean {
  return a.every(({ node, counter }) => counter <= counterIn(b, node));
}

/** How `a` stands to `b`. Times are no part of it. */
export function orderOf(a: VectorClock, b: VectorClock): Order {
  const upwards = isAncestor(a, b);
  const downwards = isAncestor(b, a);
  if (upwards) return downwards ? "equal" : "before";
  return downwards ? "after" : "concurrent";
}

/** The least clock that both are ancestors of. Of equal counters the later time is kept. */
export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  const nodes = [...new Set([...a, ...b].map((entry) => entry.node))].sort();
  return nodes.map((node) => {
    const [first, second] = [a, b].map((clock) => clock.find((entry) => entry.node === node));
    if (first === undefined || second === undefined) return (first ?? second)!;
    if (first.counter !== second.counter) return first.counter > second.counter ? first : second;
    return first.at >= second.at ? first : second;
  });
}

/** The clock with the counter of `node` at `counter`, one up by default, written at `at`. */
export function increment(
  clock: VectorClock,
  node: string,
  at: Millis,
  counter = counterIn(clock, node) + 1,
): VectorClock {
  const others = clock.filter((entry) => entry.node !== node);
  return [...others, { node, counter, at }].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** Cuts the oldest entries beyond `entriesMax`, by time and then by node. `cut` has what is gone, oldest first. */
export function truncate(
  clock: VectorClock,
  entriesMax: number,
): { readonly clock: VectorClock; readonly cut: readonly ClockEntry[] } {
  const byAge = clock.slice().sort((a, b) => a.at - b.at || (a.node < b.node ? -1 : 1));
  const cut = byAge.slice(0, Math.max(0, clock.length - entriesMax));
  return { clock: clock.filter((entry) => !cut.includes(entry)), cut };
}
