/** What a shopper sees of a cart: how many copies of which item. Shared by the three cart strategies. */

/** Copies by item id; only positive whole numbers, sorted by item. */
export type Quantities = ReadonlyMap<string, number>;

export const NO_QUANTITIES: Quantities = new Map();

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The same entries in the order of their keys, so that equal maps are equal in every byte. */
export function sortedMap<T>(entries: Iterable<readonly [string, T]>): Map<string, T> {
  return new Map([...entries].sort((a, b) => compareText(a[0], b[0])));
}

export function quantitiesEqual(a: Quantities, b: Quantities): boolean {
  return a.size === b.size && [...a].every(([item, copies]) => b.get(item) === copies);
}
