/**
 * Last write wins: the sibling with the latest wall-clock time stays, the others go (paper, section 4.4, "timestamp based reconciliation", used
 * for the shoppers' session data). Simple, and it loses every concurrent write but one; whose clock runs ahead wins. Fit for values that are
 * replaced as a whole.
 */

import { pairwise, type Reconcile } from "./strategy.ts";

/**
 * @param atOf wall-clock time of a value, milliseconds since 1970
 * @param tieOf text that differs for different values: orders values of one time the same way everywhere
 */
export function lastWriteWins<T>(atOf: (value: T) => number, tieOf: (value: T) => string): Reconcile<T> {
  return pairwise((a, b) => {
    if (atOf(a) !== atOf(b)) return atOf(a) > atOf(b) ? a : b;
    return tieOf(a) >= tieOf(b) ? a : b;
  });
}
