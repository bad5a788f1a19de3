/**
 * What each strategy would lose or bring back, computed from the siblings themselves. The measure is the observed-remove set, the only one of the
 * three that knows for every single copy whether a version took it out or never saw it.
 */

import { cartStrategies, type CartStrategy } from "./cart-names.ts";
import { reconciledQuantities, type Cart } from "./cart.ts";
import { allCopies, countCopies, seenCopies, unseenCopies, type CopyRange } from "./observed-remove-cart.ts";
import { compareText, type Quantities } from "./quantities.ts";

export interface Difference {
  readonly item: string;
  readonly copies: number;
  /** The siblings that did it, by index: took copies out (brought back, removed), or put them in (lost). */
  readonly versions: readonly number[];
}

export interface Outcome {
  readonly strategy: CartStrategy;
  readonly quantities: Quantities;
  /** Copies in the result although a version that had seen them took them out. */
  readonly broughtBack: readonly Difference[];
  /** Copies that a version put in and nobody took out, missing in the result. */
  readonly lost: readonly Difference[];
}

export interface Comparison {
  /** In the order of `cartStrategies`. */
  readonly outcomes: readonly Outcome[];
  /** Copies that one version took out and another still has. */
  readonly removed: readonly Difference[];
}

const copiesOf = (cart: Cart, item: string): readonly CopyRange[] => cart.observed.copies.get(item) ?? [];

function takenOutBy(carts: readonly Cart[], item: string): number[] {
  const all = allCopies(carts.map((cart) => copiesOf(cart, item)));
  return carts.flatMap((cart, i) =>
    countCopies(seenCopies(all, cart.observed.seen)) > countCopies(copiesOf(cart, item)) ? [i] : [],
  );
}

function putInBy(carts: readonly Cart[], item: string): number[] {
  return carts.flatMap((cart, i) =>
    carts.some((other) => unseenCopies(copiesOf(cart, item), other.observed.seen).length > 0) ? [i] : [],
  );
}

function itemsOf(carts: readonly Cart[]): readonly string[] {
  return [...new Set(carts.flatMap((cart) => [...cart.items.keys()]))].sort(compareText);
}

/** What these quantities have too much and too little, whoever made them of the siblings. */
export function differences(
  carts: readonly Cart[],
  quantities: Quantities,
): Pick<Outcome, "quantities" | "broughtBack" | "lost"> {
  const faithful = reconciledQuantities(carts, "observed-remove");
  const items = itemsOf(carts);
  const surplus = (item: string): number => (quantities.get(item) ?? 0) - (faithful.get(item) ?? 0);
  return {
    quantities,
    broughtBack: items
      .filter((item) => surplus(item) > 0)
      .map((item) => ({ item, copies: surplus(item), versions: takenOutBy(carts, item) })),
    lost: items
      .filter((item) => surplus(item) < 0)
      .map((item) => ({ item, copies: -surplus(item), versions: putInBy(carts, item) })),
  };
}

/** The three strategies side by side, for one or more siblings. */
export function compareStrategies(carts: readonly Cart[]): Comparison {
  const faithful = reconciledQuantities(carts, "observed-remove");
  const removed = itemsOf(carts).flatMap((item) => {
    const all = countCopies(allCopies(carts.map((cart) => copiesOf(cart, item))));
    const copies = all - (faithful.get(item) ?? 0);
    return copies > 0 ? [{ item, copies, versions: takenOutBy(carts, item) }] : [];
  });
  const outcomes = cartStrategies.map((strategy) => ({
    strategy,
    ...differences(carts, reconciledQuantities(carts, strategy)),
  }));
  return { outcomes, removed };
}
