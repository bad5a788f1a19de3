/**
 * A key's record: its siblings and its causal past, as a dotted version vector set.
 *
 * One version vector (`clock`) says which dots were ever seen here; each sibling carries the dots under which it was written. A dot that the
 * clock covers and no sibling carries was overwritten by somebody who had seen it. Merging two records keeps a dot when both have it, or when
 * the other side has never seen it. That is the whole rule; it is commutative, associative and idempotent.
 *
 * Why not the paper's plain vector clocks (section 4.4): two concurrent clients that write through one coordinator would get ordered clocks and
 * lose a write, or false siblings without any failure (basho/riak_kv issue 746). Dots: Preguiça, Baquero et al. 2010; Almeida et al. 2014.
 *
 * An operation that reached two coordinators (a retry) has a dot from each; both sit on one sibling, so a retry makes no false sibling.
 *
 * Limits: identifiers.ts (SIBLINGS_MAX for client writes; merges are not limited). Clocks are never truncated (paper, section 4.4, does; it loses
 * ancestry and made Riak repair for ever).
 *
 * All values here are immutable; the arrays are sorted, so equal records are equal in every byte.
 */

import type { Actor, Millis, OperationId } from "./identifiers.ts";

/** The first `counter` dots of `actor`, for one key. In a clock: all of them are known. As a dot: exactly the last of them. */
export interface Dot {
  readonly actor: Actor;
  /** From 1. */
  readonly counter: number;
}

/** A version vector: one entry per actor, sorted by actor. */
export type Clock = readonly Dot[];

/** One version of a value, maximal among those known. */
export interface Sibling {
  /** Where it was minted; sorted by actor then counter; more than one after a retry through another coordinator. Never empty. */
  readonly dots: readonly Dot[];
  readonly operation: OperationId;
  /** Wall-clock time at the caller's node, milliseconds since 1970. Advisory: orders nothing but last-write-wins buckets. */
  readonly at: Millis;
  /** The value; null is a tombstone (a delete). */
  readonly value: Uint8Array | null;
  /** CRC-32 over the value (0 for a tombstone), made where the value was put and checked wherever it is read or received. */
  readonly checksum: number;
}

export interface DvvSet {
  readonly clock: Clock;
  /** Sorted by operation. Empty only when nothing was ever written. */
  readonly siblings: readonly Sibling[];
}

export const EMPTY: DvvSet = { clock: [], siblings: [] };

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareDots(a: Dot, b: Dot): number {
  return compareText(a.actor, b.actor) || a.counter - b.counter;
}

/** How many dots of `actor` the clock covers; 0 when none. */
export function counterOf(clock: Clock, actor: Actor): number {
  for (const entry of clock) if (entry.actor === actor) return entry.counter;
  return 0;
}

/** True when the clock covers the dot. */
export function covers(clock: Clock, dot: Dot): boolean {
  return counterOf(clock, dot.actor) >= dot.counter;
}

/** True when every dot that `a` covers is covered by `b`. */
export function descends(b: Clock, a: Clock): boolean {
  return a.every((dot) => covers(b, dot));
}

/** The least clock that covers what either covers. */
export function joinClocks(a: Clock, b: Clock): Clock {
  if (a === b || b.length === 0) return a;
  if (a.length === 0) return b;
  const joined: Dot[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left.actor < right.actor)) {
      joined.push(left as Dot);
      i++;
    } else if (left === undefined || right.actor < left.actor) {
      joined.push(right);
      j++;
    } else {
      joined.push(left.counter >= right.counter ? left : right);
      i++;
      j++;
    }
  }
  return joined;
}

export function clocksEqual(a: Clock, b: Clock): boolean {
  return (
    a === b ||
    (a.length === b.length && a.every((dot, i) => dot.actor === b[i]!.actor && dot.counter === b[i]!.counter))
  );
}

/** The causal past that a read hands to its caller: everything that the record has seen. */
export function join(set: DvvSet): Clock {
  return set.clock;
}

/** The live values: tombstones left out. */
export function values(set: DvvSet): Uint8Array[] {
  return set.siblings.flatMap((sibling) => (sibling.value === null ? [] : [sibling.value]));
}

/** True when nothing is left of the key but deletes. */
export function isDeleted(set: DvvSet): boolean {
  return set.siblings.length > 0 && set.siblings.every((sibling) => sibling.value === null);
}

function hasDot(sibling: Sibling, dot: Dot): boolean {
  return sibling.dots.some((own) => own.actor === dot.actor && own.counter === dot.counter);
}

/** The same operation from two records, with the dots given. Ties between unequal copies (never seen from honest nodes) break the same way everywhere. */
function withDots(a: Sibling, b: Sibling | undefined, dots: readonly Dot[]): Sibling {
  const chosen = b !== undefined && (b.checksum - a.checksum || b.at - a.at) < 0 ? b : a;
  return chosen.dots.length === dots.length && chosen.dots.every((dot, i) => compareDots(dot, dots[i]!) === 0)
    ? chosen
    : { ...chosen, dots };
}

/** Merges two records of one key: keeps every version that neither side has overwritten. */
export function sync(a: DvvSet, b: DvvSet): DvvSet {
  if (a === b || equal(a, b)) return a;
  const clock = joinClocks(a.clock, b.clock);
  const siblings: Sibling[] = [];
  let i = 0;
  let j = 0;
  while (i < a.siblings.length || j < b.siblings.length) {
    const left = a.siblings[i];
    const right = b.siblings[j];
    const order = left === undefined ? 1 : right === undefined ? -1 : compareText(left.operation, right.operation);
    const mine = order <= 0 ? left : undefined;
    const theirs = order >= 0 ? right : undefined;
    if (mine !== undefined) i++;
    if (theirs !== undefined) j++;
    const dots = [
      ...(mine?.dots ?? []).filter((dot) => (theirs !== undefined && hasDot(theirs, dot)) || !covers(b.clock, dot)),
      ...(theirs?.dots ?? []).filter((dot) => !(mine !== undefined && hasDot(mine, dot)) && !covers(a.clock, dot)),
    ].sort(compareDots);
    if (dots.length > 0) siblings.push(withDots((mine ?? theirs) as Sibling, mine && theirs, dots));
  }
  return { clock, siblings };
}

/** What a write adds: everything of a sibling but its dot. */
export type NewVersion = Omit<Sibling, "dots">;

/**
 * A put: the new version replaces what `context` covers and stands beside the rest. Its dot is the next one of `actor`; the caller sees to it
 * that this actor has an unbroken memory of the key (`replica.ts`).
 */
export function update(set: DvvSet, context: Clock, actor: Actor, version: NewVersion): { set: DvvSet; dot: Dot } {
  const seen = joinClocks(set.clock, context);
  const dot: Dot = { actor, counter: counterOf(seen, actor) + 1 };
  const kept = set.siblings.flatMap((sibling) => {
    const dots = sibling.dots.filter((own) => !covers(context, own));
    return dots.length === 0 ? [] : [dots.length === sibling.dots.length ? sibling : { ...sibling, dots }];
  });
  const siblings = [...kept, { ...version, dots: [dot] }].sort((a, b) => compareText(a.operation, b.operation));
  return { set: { clock: joinClocks(seen, [dot]), siblings }, dot };
}

/** True when `b` knows all that `a` knows and something more: `a` can be thrown away. */
export function less(a: DvvSet, b: DvvSet): boolean {
  return !equal(a, b) && equal(sync(a, b), b);
}

/** True when both are the same record. */
export function equal(a: DvvSet, b: DvvSet): boolean {
  if (a === b) return true;
  return (
    a.siblings.length === b.siblings.length &&
    clocksEqual(a.clock, b.clock) &&
    a.siblings.every((sibling, i) => {
      const other = b.siblings[i]!;
      return (
        sibling.operation === other.operation &&
        sibling.dots.length === other.dots.length &&
        sibling.dots.every((dot, k) => compareDots(dot, other.dots[k]!) === 0)
      );
    })
  );
}
