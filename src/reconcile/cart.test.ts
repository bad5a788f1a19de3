import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { utf8Decode, utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import {
  CART_BYTES_MAX,
  CartTooLargeError,
  CartWriter,
  decodeCart,
  EMPTY_CART,
  emptied,
  encodeCart,
  MalformedCartError,
  reconcileCarts,
  reconciledQuantities,
  setCopies,
  type Cart,
} from "./cart.ts";
import { cartStrategies } from "./cart-names.ts";
import { observedQuantities } from "./observed-remove-cart.ts";
import { yjsQuantities } from "./yjs-cart.ts";

function cartWriters(count: number, seed = 1): CartWriter[] {
  const prng = Prng.fromNumber(seed);
  return Array.from({ length: count }, () => new CartWriter(() => prng.hex(8)));
}

const edits = fc.array(
  fc.record({ who: fc.nat(1), item: fc.constantFrom("emma", "faust", "walden"), copies: fc.nat(3) }),
  { maxLength: 10 },
);

/** A common beginning, then two shoppers apart. */
function apart(common: readonly { who: number; item: string; copies: number }[], rest: typeof common): Cart[] {
  const hands = cartWriters(2);
  const change = (cart: Cart, step: (typeof common)[number]) =>
    setCopies(cart, step.item, step.copies, hands[step.who]!, step.who === 0 ? "ada" : "bob");
  const base = common.reduce(change, EMPTY_CART);
  return [0, 1].map((who) => rest.filter((step) => step.who === who).reduce(change, base));
}

test("the three forms stay in step through edits, reconciling and emptying; the encoding is read back the same", () => {
  fc.assert(
    fc.property(edits, edits, fc.constantFrom(...cartStrategies), (common, rest, strategy) => {
      const siblings = apart(common, rest);
      const writer = cartWriters(1, 7)[0]!;
      const merged = reconcileCarts(siblings, strategy, writer, "eva");
      expect([...merged.items]).toEqual([...reconciledQuantities(siblings, strategy)]);
      for (const cart of [...siblings, merged, emptied(merged, writer, "eva")]) {
        expect([...observedQuantities(cart.observed)]).toEqual([...cart.items]);
        expect([...(yjsQuantities(cart.yjs) ?? [])]).toEqual([...cart.items]);
        const bytes = encodeCart(cart);
        expect(encodeCart(decodeCart(bytes))).toEqual(bytes);
      }
    }),
    { numRuns: 150 },
  );
});

test("the default gives the same bytes whatever the order of the siblings, and merging again changes no quantity", () => {
  fc.assert(
    fc.property(edits, edits, (common, rest) => {
      const [a, b] = apart(common, rest) as [Cart, Cart];
      const one = reconcileCarts([a, b], "observed-remove", cartWriters(1, 7)[0]!, "eva");
      const other = reconcileCarts([b, a], "observed-remove", cartWriters(1, 8)[0]!, "eva");
      expect(one.observed).toEqual(other.observed);
      const again = reconcileCarts([one, a, other], "observed-remove", cartWriters(1, 9)[0]!, "eva");
      expect([...again.items]).toEqual([...one.items]);
    }),
    { numRuns: 150 },
  );
});

test("a checked-out cart stays empty beside an older version of it", () => {
  const [ada] = cartWriters(1) as [CartWriter];
  const full = setCopies(EMPTY_CART, "walden", 2, ada, "ada");
  const paid = emptied(full, ada, "ada");
  expect(reconciledQuantities([full, paid], "observed-remove").size).toBe(0);
  expect(reconciledQuantities([full, paid], "yjs").size).toBe(0);
  expect(reconciledQuantities([full, paid], "union").get("walden")).toBe(2);
});

describe("bytes that are no cart", () => {
  const [ada] = cartWriters(1) as [CartWriter];
  const good = encodeCart(setCopies(setCopies(EMPTY_CART, "walden", 2, ada, "ada"), "emma", 1, ada, "ada"));

  test("any change of one byte is either refused by name or a cart in step", () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const bytes = good.slice();
        bytes[at] = byte;
        try {
          const cart = decodeCart(bytes);
          expect([...observedQuantities(cart.observed)]).toEqual([...cart.items]);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedCartError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("each fault is refused by name", () => {
    const text = utf8Decode(good)!;
    const faults: Record<string, Uint8Array> = {
      nothing: new Uint8Array(),
      "not text": new Uint8Array([0xff, 0xfe]),
      "not JSON": utf8Encode("[1,"),
      "another version": utf8Encode(text.replace("[1,", "[2,")),
      "an item too many": utf8Encode(text.replace('["emma",1]', '["emma",7]')),
      "unsorted items": utf8Encode(text.replace('[["emma",1],["walden",2]]', '[["walden",2],["emma",1]]')),
      "white space": utf8Encode(`${text} `),
      "a lone surrogate": utf8Encode(text.replace('"ada"', '"\\ud800"')),
      "a name that is none": utf8Encode(text.replace('"ada"', '"<b>"')),
      "too long": new Uint8Array(CART_BYTES_MAX + 1),
    };
    for (const [what, bytes] of Object.entries(faults))
      expect(() => decodeCart(bytes), what).toThrow(MalformedCartError);
    expect([...decodeCart(good).items]).toEqual([
      ["emma", 1],
      ["walden", 2],
    ]);
  });

  test("a cart over its limit is not encoded", () => {
    const seen = new Map(Array.from({ length: 12_000 }, (_, i) => [i.toString(16).padStart(16, "0"), 1]));
    const cart: Cart = { ...EMPTY_CART, observed: { seen, copies: new Map() } };
    expect(() => encodeCart(cart)).toThrow(CartTooLargeError);
  });
});
