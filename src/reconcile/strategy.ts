/**
 * Reconciliation: what an application does with siblings (paper, section 4.4: semantic reconciliation). The store hands over versions of which
 * none has seen the others; a strategy makes one value of them, and the next put, with the context of that read, supersedes them all.
 *
 * A strategy worth having gives the same result whatever the order of the siblings (commutative, associative) and however often one of them
 * comes again (idempotent): two nodes that reconcile apart then end in the same value. Strategies differ in what they lose and what they bring
 * back; the tests beside each say so for one canonical conflict.
 */

import { assert } from "../base/assert.ts";

/** One value from the siblings of a key: one or more, in any order. */
export type Reconcile<T> = (siblings: readonly T[]) => T;

/** The strategy that merges siblings two at a time. */
export function pairwise<T>(merge: (a: T, b: T) => T): Reconcile<T> {
  return (siblings) => {
    const [first, ...rest] = siblings;
    assert(first !== undefined, "there is nothing to reconcile");
    return rest.reduce(merge, first);
  };
}
