/**
 * What each strategy makes of the carts that a read found, and what it loses or brings back. The measure is the observed-remove set, the only one that knows
 * for each single copy whether a version took it out or never saw it: what the shoppers wanted, as far as anybody can tell.
 *
 * Brings Yjs with it, so it is loaded with its panel.
 */

import {
  compareStrategies,
  differences,
  type Comparison,
  type Outcome,
} from "../../../src/reconcile/cart-comparison.ts";
import { cartStrategies, type CartStrategy } from "../../../src/reconcile/cart-names.ts";
import {
  type Cart,
  type CartWriter,
  EMPTY_CART,
  MalformedCartError,
  decodeCart,
  encodeCart,
  reconcileCarts,
  reconciledQuantities,
  setCopies,
} from "../../../src/reconcile/cart.ts";
import { lastWriteWins } from "../../../src/reconcile/last-write-wins.ts";
import type { Quantities } from "../../../src/reconcile/quantities.ts";
import type { Written } from "./shoppers.ts";

export const strategies = ["last-write-wins", ...cartStrategies] as const;
export type Strategy = (typeof strategies)[number];

export interface ReadCart extends Written {
  readonly text: string;
  readonly cart: Cart;
}

export interface Board {
  readonly outcomes: readonly (Omit<Outcome, "strategy"> & { readonly strategy: Strategy })[];
  readonly comparison: Comparison;
}

/** The cart that this value is; undefined when it is none. */
export function cartOf(text: string): Cart | undefined {
  try {
    return decodeCart(new TextEncoder().encode(text));
  } catch (error) {
    if (error instanceof MalformedCartError) return undefined;
    throw error;
  }
}

export function textOf(cart: Cart): string {
  return new TextDecoder().decode(encodeCart(cart));
}

/** Those of the values that are carts, with when they were written. */
export function readCarts(texts: readonly string[], writes: ReadonlyMap<string, Written>): readonly ReadCart[] {
  return texts.flatMap((text) => {
    const cart = cartOf(text);
    const write = writes.get(text);
    return cart === undefined || write === undefined ? [] : [{ text, cart, ...write }];
  });
}

const latest = lastWriteWins<ReadCart>(
  ({ at }) => at,
  ({ operation }) => operation,
);

/** For one cart or more. */
export function boardOf(read: readonly ReadCart[]): Board {
  const carts = read.map(({ cart }) => cart);
  const comparison = compareStrategies(carts);
  const last = { strategy: "last-write-wins" as const, ...differences(carts, latest(read).cart.items) };
  return { outcomes: [last, ...comparison.outcomes], comparison };
}

/** What a shopper by this strategy writes in the place of all that was read. */
export function reconciled(read: readonly ReadCart[], strategy: Strategy, writer: CartWriter, by: string): string {
  if (strategy === "last-write-wins") return textOf({ ...latest(read).cart, by });
  return textOf(merged(read, strategy, writer, by));
}

/** What a shopper writes who was asked, and chose so many copies of each. */
export function chosen(read: readonly ReadCart[], quantities: Quantities, writer: CartWriter, by: string): string {
  let cart = merged(read, "observed-remove", writer, by);
  for (const item of new Set([...cart.items.keys(), ...quantities.keys()]))
    cart = setCopies(cart, item, quantities.get(item) ?? 0, writer, by);
  return textOf(cart);
}

/** The cart in hand with so many copies of a book; several versions in hand are merged, as the shop does it. */
export function edited(texts: readonly string[], item: string, copies: number, writer: CartWriter, by: string): string {
  return textOf(setCopies(inHand(texts, writer, by), item, copies, writer, by));
}

/** What a shopper sees who has read these. */
export function shown(texts: readonly string[]): Quantities {
  const carts = texts.flatMap((text) => cartOf(text) ?? []);
  return carts.length === 0 ? EMPTY_CART.items : reconciledQuantities(carts, "observed-remove");
}

function inHand(texts: readonly string[], writer: CartWriter, by: string): Cart {
  const carts = texts.flatMap((text) => cartOf(text) ?? []);
  const [first] = carts;
  if (first === undefined) return { ...EMPTY_CART, by };
  return carts.length === 1 ? first : reconcileCarts(carts, "observed-remove", writer, by);
}

function merged(read: readonly ReadCart[], strategy: CartStrategy, writer: CartWriter, by: string): Cart {
  return reconcileCarts(
    read.map(({ cart }) => cart),
    strategy,
    writer,
    by,
  );
}
