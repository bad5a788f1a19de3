/** Changes that were asked for and are on their way: how the cart looks with them. */

import type { Quantities } from "../../src/reconcile/quantities.ts";

/** A change of one book's copies, from whatever there are by then. */
export interface Edit {
  readonly book: string;
  readonly change: (copies: number) => number;
}

export function withEdits(items: Quantities, edits: readonly Edit[]): Quantities {
  const changed = new Map(items);
  for (const { book, change } of edits) {
    const copies = change(changed.get(book) ?? 0);
    if (copies > 0) changed.set(book, copies);
    else changed.delete(book);
  }
  return changed;
}
