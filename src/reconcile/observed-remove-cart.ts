/**
 * An observed-remove cart: every copy in the cart is an element of a set, with a tag of its own, (writer, number). Adding makes new tags; removing
 * takes out the tags that the remover saw, and no others. So concurrent additions of one item add up, an addition that the remover did not see
 * survives, and what was removed stays removed.
 *
 * Without tombstones: `seen` says how many tags of each writer this version ever knew. A tag that one side has and the other lacks is new if the
 * other had not seen it, and removed if it had. That is the rule of the store's own records (`core/dvvset.ts`), one floor up: Bieniusa et al.,
 * "An optimized conflict-free replicated set", 2012.
 *
 * Limits: one entry in `seen` per writer that ever added (`writer.ts`); the encoded size is bounded in `cart.ts`. Values are immutable and
 * canonical: maps sorted, ranges sorted, disjoint and never adjacent.
 */

import { assert } from "../base/assert.ts";
import { compareText, sortedMap, type Quantities } from "./quantities.ts";
import { pairwise, type Reconcile } from "./strategy.ts";
import type { Writer } from "./writer.ts";

/** The tags (writer, from) to (writer, to), both included: copies that one writer put in. */
export interface CopyRange {
  readonly writer: string;
  readonly from: number;
  readonly to: number;
}

export interface ObservedCart {
  /** How many tags of each writer this version has seen; sorted by writer. */
  readonly seen: ReadonlyMap<string, number>;
  /** The copies present, by item; sorted by item, no empty lists. */
  readonly copies: ReadonlyMap<string, readonly CopyRange[]>;
}

export const EMPTY_OBSERVED: ObservedCart = { seen: new Map(), copies: new Map() };

export function countCopies(ranges: readonly CopyRange[]): number {
  return ranges.reduce((sum, range) => sum + range.to - range.from + 1, 0);
}

export function observedQuantities(cart: ObservedCart): Quantities {
  return new Map([...cart.copies].map(([item, ranges]) => [item, countCopies(ranges)]));
}

/** Sorted, overlapping and adjacent ranges made one. */
function canonical(ranges: readonly CopyRange[]): readonly CopyRange[] {
  const result: CopyRange[] = [];
  for (const range of [...ranges].sort((a, b) => compareText(a.writer, b.writer) || a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && last.writer === range.writer && range.from <= last.to + 1)
      result[result.length - 1] = { ...last, to: Math.max(last.to, range.to) };
    else result.push(range);
  }
  return result;
}

/** What of `ranges` is in `others`, too. */
function common(ranges: readonly CopyRange[], others: readonly CopyRange[]): CopyRange[] {
  return ranges.flatMap((range) =>
    others.flatMap((other) => {
      const from = Math.max(range.from, other.from);
      const to = Math.min(range.to, other.to);
      return range.writer === other.writer && from <= to ? [{ writer: range.writer, from, to }] : [];
    }),
  );
}

/** The copies that any of the lists has. */
export function allCopies(lists: readonly (readonly CopyRange[])[]): readonly CopyRange[] {
  return canonical(lists.flat());
}

/** What of `ranges` a version with this `seen` had not seen. */
export function unseenCopies(ranges: readonly CopyRange[], seen: ReadonlyMap<string, number>): readonly CopyRange[] {
  return ranges.flatMap((range) => {
    const from = Math.max(range.from, (seen.get(range.writer) ?? 0) + 1);
    return from <= range.to ? [{ ...range, from }] : [];
  });
}

/** What of `ranges` a version with this `seen` had seen. */
export function seenCopies(ranges: readonly CopyRange[], seen: ReadonlyMap<string, number>): readonly CopyRange[] {
  return ranges.flatMap((range) => {
    const to = Math.min(range.to, seen.get(range.writer) ?? 0);
    return range.from <= to ? [{ ...range, to }] : [];
  });
}

/** Takes out the last `count` copies. The last in order, so that two who take one copy each of the same item take the same one. */
function withoutLast(ranges: readonly CopyRange[], count: number): CopyRange[] {
  const kept = ranges.slice();
  while (count > 0) {
    const last = kept.pop();
    assert(last !== undefined, "more copies taken out than there are");
    const size = last.to - last.from + 1;
    if (size > count) kept.push({ ...last, to: last.to - count });
    count -= Math.min(size, count);
  }
  return kept;
}

/** The cart with `copies` of the item (0 removes it): adds new copies, or takes out observed ones. */
export function setObservedQuantity(cart: ObservedCart, item: string, copies: number, writer: Writer): ObservedCart {
  const present = cart.copies.get(item) ?? [];
  const missing = copies - countCopies(present);
  if (missing === 0) return cart;
  let seen = cart.seen;
  let ranges: readonly CopyRange[];
  if (missing < 0) ranges = withoutLast(present, -missing);
  else {
    const id = writer.idOver((known) => cart.seen.get(known) ?? 0);
    const from = (cart.seen.get(id) ?? 0) + 1;
    const to = from + missing - 1;
    writer.wrote(to);
    ranges = canonical([...present, { writer: id, from, to }]);
    seen = sortedMap(new Map(cart.seen).set(id, to));
  }
  const changed = new Map(cart.copies);
  if (ranges.length === 0) changed.delete(item);
  else changed.set(item, ranges);
  return { seen, copies: sortedMap(changed) };
}

export const observedRemoveCart: Reconcile<ObservedCart> = pairwise((a, b) => {
  const seen = new Map(a.seen);
  for (const [writer, count] of b.seen) seen.set(writer, Math.max(count, seen.get(writer) ?? 0));
  const copies = new Map<string, readonly CopyRange[]>();
  for (const item of new Set([...a.copies.keys(), ...b.copies.keys()])) {
    const left = a.copies.get(item) ?? [];
    const right = b.copies.get(item) ?? [];
    const kept = canonical([...common(left, right), ...unseenCopies(left, b.seen), ...unseenCopies(right, a.seen)]);
    if (kept.length > 0) copies.set(item, kept);
  }
  return { seen: sortedMap(seen), copies: sortedMap(copies) };
});
