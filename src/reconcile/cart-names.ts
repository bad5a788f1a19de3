/** What may stand in a cart and how carts can be reconciled: for pages that need the words before they load the rest. */

const ITEM = /^[a-z0-9-]{1,64}$/;
const SHOPPER = /^[\p{L}\p{N}_-]{1,24}$/u;

/** Copies of one item that can be set by hand. Reconciling may add up to more. */
export const QUANTITY_MAX = 99;

/** 1 to 64 of a-z, 0-9 and `-`. */
export function isItemId(text: string): boolean {
  return ITEM.test(text);
}

/** 1 to 24 letters, digits, `_` and `-`. */
export function isShopperName(text: string): boolean {
  return SHOPPER.test(text);
}

/** The three ways to make one cart of several: `cart-union.ts`, `observed-remove-cart.ts`, `yjs-cart.ts`. */
export const cartStrategies = ["union", "observed-remove", "yjs"] as const;
export type CartStrategy = (typeof cartStrategies)[number];
export const defaultCartStrategy: CartStrategy = "observed-remove";
