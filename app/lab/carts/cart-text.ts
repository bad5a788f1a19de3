/**
 * A cart of the bookshop as the text of a value, as far as it can be read without Yjs: who saved it, how many copies of which book, and the observed-remove
 * set. The text is the shop's own encoding (`reconcile/cart.ts`), so the nodes of the lab hold the real thing. What is not read here is not checked here.
 */

import { pairsOf, positiveOf } from "../../../src/reconcile/canonical-json.ts";
import {
  type CopyRange,
  type ObservedCart,
  observedQuantities,
  observedRemoveCart,
} from "../../../src/reconcile/observed-remove-cart.ts";
import { unionCart } from "../../../src/reconcile/cart-union.ts";
import { NO_QUANTITIES, type Quantities, sortedMap } from "../../../src/reconcile/quantities.ts";

export interface PlainCart {
  readonly by: string;
  readonly items: Quantities;
  readonly observed: ObservedCart;
}

export const BOOKS: readonly { readonly id: string; readonly title: string }[] = [
  { id: "dune", title: "Dune" },
  { id: "emma", title: "Emma" },
  { id: "ulysses", title: "Ulysses" },
  { id: "walden", title: "Walden" },
];

export function titleOf(id: string): string {
  return BOOKS.find((book) => book.id === id)?.title ?? id;
}

/** Undefined when it is no cart. */
export function plainCart(text: string): PlainCart | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined; // any text may be a value
  }
  if (!Array.isArray(json) || json[0] !== 1 || typeof json[1] !== "string") return undefined;
  const items = pairsOf(json[2], positiveOf);
  const seen = pairsOf(json[3], positiveOf);
  const copies = pairsOf(json[4], rangesOf);
  if (items === undefined || seen === undefined || copies === undefined) return undefined;
  return { by: json[1], items: sortedMap(items), observed: { seen: sortedMap(seen), copies: sortedMap(copies) } };
}

function rangesOf(list: unknown): readonly CopyRange[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const ranges: CopyRange[] = [];
  for (const entry of list as unknown[]) {
    const [writer, from, to] = Array.isArray(entry) ? (entry as unknown[]) : [];
    const [first, last] = [positiveOf(from), positiveOf(to)];
    if (typeof writer !== "string" || first === undefined || last === undefined) return undefined;
    ranges.push({ writer, from: first, to: last });
  }
  return ranges;
}

/** The paper's merge of these values; what is no cart is left out. */
export function unionOf(texts: readonly string[]): Quantities {
  const carts = texts.flatMap((text) => plainCart(text) ?? []);
  return carts.length === 0 ? NO_QUANTITIES : unionCart(carts.map(({ items }) => items));
}

/** The observed-remove merge of these values; what is no cart is left out. */
export function observedOf(texts: readonly string[]): Quantities {
  const carts = texts.flatMap((text) => plainCart(text) ?? []);
  return carts.length === 0
    ? NO_QUANTITIES
    : observedQuantities(observedRemoveCart(carts.map((cart) => cart.observed)));
}

/** "Dune, 2 of Emma", or "nothing". */
export function quantitiesWords(quantities: Quantities): string {
  const books = [...quantities].map(([id, copies]) => (copies === 1 ? titleOf(id) : `${copies} of ${titleOf(id)}`));
  return books.join(", ") || "nothing";
}
