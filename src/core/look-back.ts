/** What a key had at a moment, from records of it that were kept; see `history-ledger.ts`. */

import { type DvvSet, EMPTY, sync } from "./dvvset.ts";
import type { Millis } from "./identifiers.ts";

/** The join of all records of a key whose versions had all been written by `moment` (wall clock of their writers). Empty when there was nothing. */
export function stateAt(sets: Iterable<DvvSet>, moment: Millis): DvvSet {
  let state = EMPTY;
  for (const set of sets)
    if (set.siblings.every(({ at }) => at <= moment)) state = state === EMPTY ? set : sync(state, set);
  return state;
}
