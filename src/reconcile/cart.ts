/**
 * One cart as it lies in the store, readable by three strategies, so that the same siblings can be reconciled three ways side by side: plain
 * quantities (for the union of the paper), the observed-remove set, and a Yjs document. Every edit changes all three; they always show the same
 * quantities. A cart made by reconciling shows what the chosen strategy gave; the other two are brought in step by an edit.
 *
 * States: none. Limits: {@link QUANTITY_MAX} copies set by hand, {@link CART_BYTES_MAX} bytes encoded (each page that adds to a cart leaves about 60
 * bytes in it for good: see `writer.ts`), shoppers' names and item ids by their patterns. Versioned: the first element of the encoding.
 */

import { fromHex, toHex } from "../base/bytes.ts";
import { assert, unreachable } from "../base/assert.ts";
import { TabringError } from "../core/errors.ts";
import { decodeJson, encodeJson, isCanonical, pairsOf, positiveOf, type Json } from "./canonical-json.ts";
import { isItemId, isShopperName, QUANTITY_MAX, type CartStrategy } from "./cart-names.ts";
import { unionCart } from "./cart-union.ts";
import {
  EMPTY_OBSERVED,
  observedQuantities,
  observedRemoveCart,
  setObservedQuantity,
  type CopyRange,
  type ObservedCart,
} from "./observed-remove-cart.ts";
import { NO_QUANTITIES, quantitiesEqual, sortedMap, type Quantities } from "./quantities.ts";
import { Writer } from "./writer.ts";
import { EMPTY_YJS, mergeYjsCarts, setYjsQuantities, yjsQuantities } from "./yjs-cart.ts";

export const CART_BYTES_MAX = 262_144;
const VERSION = 1;
const WRITER = /^[0-9a-f]{16}$/;

export interface Cart {
  /** Who made this version: the shopper's name. */
  readonly by: string;
  readonly items: Quantities;
  readonly observed: ObservedCart;
  /** A Yjs update: the whole document. */
  readonly yjs: Uint8Array;
}

export const EMPTY_CART: Cart = { by: "nobody", items: NO_QUANTITIES, observed: EMPTY_OBSERVED, yjs: EMPTY_YJS };

/** Bytes that are no cart of this version. */
export class MalformedCartError extends TabringError {
  override readonly name: string = "MalformedCartError";
  constructor(reason: string) {
    super(
      "malformed-cart",
      `This version of the cart cannot be read: ${reason}. It was left as it is and the other versions are safe; reconcile without it, or look who wrote it.`,
    );
  }
}

/** A cart that has grown over its limit. */
export class CartTooLargeError extends TabringError {
  override readonly name: string = "CartTooLargeError";
  constructor(bytes: number) {
    super(
      "cart-too-large",
      `The cart has ${bytes} bytes, over the limit of ${CART_BYTES_MAX}. The change was not kept; what was kept before is safe. Go on with a new cart id.`,
    );
  }
}

/** What one page writes a cart as. One for each cart. */
export class CartWriter {
  readonly observed: Writer;
  readonly yjs: Writer;

  /** @param draw gives 16 random lower-case hexadecimal digits */
  constructor(draw: () => string) {
    this.observed = new Writer(draw);
    this.yjs = new Writer(draw);
  }
}

/** Brings all three to the target. */
function inStep(cart: Omit<Cart, "items">, target: Quantities, writer: CartWriter): Cart {
  let observed = cart.observed;
  for (const item of new Set([...observed.copies.keys(), ...target.keys()]))
    observed = setObservedQuantity(observed, item, target.get(item) ?? 0, writer.observed);
  const same = quantitiesEqual(yjsQuantities(cart.yjs) ?? NO_QUANTITIES, target);
  const yjs = same ? cart.yjs : setYjsQuantities(cart.yjs, target, writer.yjs);
  return { by: cart.by, items: target, observed, yjs };
}

/** The cart with `copies` of the item, 0 to {@link QUANTITY_MAX}; 0 removes it. */
export function setCopies(cart: Cart, item: string, copies: number, writer: CartWriter, by: string): Cart {
  assert(isItemId(item) && isShopperName(by), "an item or shopper that no cart can hold");
  assert(Number.isInteger(copies) && copies >= 0 && copies <= QUANTITY_MAX, "copies outside 0 to the maximum");
  const target = new Map(cart.items);
  if (copies === 0) target.delete(item);
  else target.set(item, copies);
  return inStep({ ...cart, by }, sortedMap(target), writer);
}

/** The cart without its items; it remembers what it has seen, so that they do not come back. */
export function emptied(cart: Cart, writer: CartWriter, by: string): Cart {
  return inStep({ ...cart, by }, NO_QUANTITIES, writer);
}

/** What a strategy makes of the siblings, as quantities. */
export function reconciledQuantities(carts: readonly Cart[], strategy: CartStrategy): Quantities {
  switch (strategy) {
    case "union":
      return unionCart(carts.map((cart) => cart.items));
    case "observed-remove":
      return observedQuantities(observedRemoveCart(carts.map((cart) => cart.observed)));
    case "yjs":
      return yjsQuantities(mergeYjsCarts(carts.map((cart) => cart.yjs))) ?? NO_QUANTITIES;
    default:
      return unreachable(strategy);
  }
}

/** One cart from the siblings by the strategy, to be put with the context of the read that gave them. */
export function reconcileCarts(carts: readonly Cart[], strategy: CartStrategy, writer: CartWriter, by: string): Cart {
  const observed = observedRemoveCart(carts.map((cart) => cart.observed));
  const yjs = mergeYjsCarts(carts.map((cart) => cart.yjs));
  return inStep({ by, observed, yjs }, reconciledQuantities(carts, strategy), writer);
}

function toJson(cart: Cart): Json {
  return [
    VERSION,
    cart.by,
    [...cart.items],
    [...cart.observed.seen],
    [...cart.observed.copies].map(([item, ranges]) => [item, ranges.map((r) => [r.writer, r.from, r.to])]),
    toHex(cart.yjs),
  ];
}

/** Deterministic: equal carts give equal bytes. Throws {@link CartTooLargeError}. */
export function encodeCart(cart: Cart): Uint8Array {
  const bytes = encodeJson(toJson(cart));
  if (bytes.length > CART_BYTES_MAX) throw new CartTooLargeError(bytes.length);
  return bytes;
}

function rangesOf(list: unknown): readonly CopyRange[] | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const ranges: CopyRange[] = [];
  for (const entry of list as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 3) return undefined;
    const [writer, from, to] = entry as [unknown, unknown, unknown];
    const first = positiveOf(from);
    const last = positiveOf(to);
    if (typeof writer !== "string" || first === undefined || last === undefined || last < first) return undefined;
    const before = ranges.at(-1);
    const ordered =
      before === undefined || before.writer < writer || (before.writer === writer && before.to + 1 < first);
    if (!ordered) return undefined;
    ranges.push({ writer, from: first, to: last });
  }
  return ranges;
}

function wellFormed(cart: Cart): boolean {
  const { seen, copies } = cart.observed;
  for (const ranges of copies.values())
    for (const range of ranges) if (range.to > (seen.get(range.writer) ?? 0)) return false;
  return (
    isShopperName(cart.by) &&
    [...seen.keys()].every((writer) => WRITER.test(writer)) &&
    [...cart.items.keys()].every(isItemId)
  );
}

/** Throws {@link MalformedCartError} on anything that `encodeCart` does not make of a cart whose three forms are in step. */
export function decodeCart(bytes: Uint8Array): Cart {
  if (bytes.length > CART_BYTES_MAX) throw new MalformedCartError(`it is longer than ${CART_BYTES_MAX} bytes`);
  const json = decodeJson(bytes, CART_BYTES_MAX);
  if (!Array.isArray(json)) throw new MalformedCartError("it is not in the format of a cart");
  const [version, by, itemList, seenList, copyList, hex] = json as unknown[];
  if (version !== VERSION) throw new MalformedCartError(`it is not in version ${VERSION} of the format`);
  const items = pairsOf(itemList, positiveOf);
  const seen = pairsOf(seenList, positiveOf);
  const copies = pairsOf(copyList, rangesOf);
  const yjs = typeof hex === "string" ? fromHex(hex) : undefined;
  if (typeof by !== "string" || !items || !seen || !copies || !yjs)
    throw new MalformedCartError("a part of it is missing or has the wrong shape");
  const observed: ObservedCart = { seen: sortedMap(seen), copies: sortedMap(copies) };
  const cart: Cart = { by, items: sortedMap(items), observed, yjs };
  if (!wellFormed(cart) || !isCanonical(toJson(cart), bytes))
    throw new MalformedCartError("a part of it holds something that no cart can hold");
  const inYjs = yjsQuantities(yjs);
  if (!quantitiesEqual(observedQuantities(observed), cart.items) || !inYjs || !quantitiesEqual(inYjs, cart.items))
    throw new MalformedCartError("its three forms do not agree");
  return cart;
}
