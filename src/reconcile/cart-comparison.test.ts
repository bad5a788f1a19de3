import { expect, test } from "vitest";
import fc from "fast-check";
import { Prng } from "../base/prng.ts";
import { compareStrategies, type Outcome } from "./cart-comparison.ts";
import type { CartStrategy } from "./cart-names.ts";
import { CartWriter, EMPTY_CART, setCopies, type Cart } from "./cart.ts";

function hands(): { ada: CartWriter; bob: CartWriter } {
  const prng = Prng.fromNumber(3);
  const draw = () => prng.hex(8);
  return { ada: new CartWriter(draw), bob: new CartWriter(draw) };
}
function outcome(carts: readonly Cart[], strategy: CartStrategy): Outcome {
  return compareStrategies(carts).outcomes.find((candidate) => candidate.strategy === strategy)!;
}

test("the union brings back what one version removed, and says which", () => {
  const { ada, bob } = hands();
  const base = setCopies(EMPTY_CART, "walden", 1, ada, "ada");
  const a = setCopies(base, "emma", 1, ada, "ada");
  const b = setCopies(base, "walden", 0, bob, "bob");
  expect(outcome([a, b], "union").broughtBack).toEqual([{ item: "walden", copies: 1, versions: [1] }]);
  expect(outcome([a, b], "yjs").broughtBack).toEqual([]);
  expect(outcome([a, b], "observed-remove")).toMatchObject({ broughtBack: [], lost: [] });
  expect(compareStrategies([a, b]).removed).toEqual([{ item: "walden", copies: 1, versions: [1] }]);
});

test("union and Yjs lose copies that both versions added", () => {
  const { ada, bob } = hands();
  const base = setCopies(EMPTY_CART, "emma", 1, ada, "ada");
  const a = setCopies(base, "emma", 2, ada, "ada");
  const b = setCopies(base, "emma", 3, bob, "bob");
  expect(outcome([a, b], "observed-remove").quantities.get("emma")).toBe(4);
  expect(outcome([a, b], "union").lost).toEqual([{ item: "emma", copies: 1, versions: [0, 1] }]);
  expect(outcome([a, b], "yjs").lost[0]).toMatchObject({ item: "emma", versions: [0, 1] });
});

test("Yjs brings back copies when the quantity changed on the other side", () => {
  const { ada, bob } = hands();
  const base = setCopies(EMPTY_CART, "emma", 2, ada, "ada");
  const a = setCopies(base, "emma", 3, ada, "ada");
  const b = setCopies(base, "emma", 0, bob, "bob");
  expect(outcome([a, b], "observed-remove").quantities.get("emma")).toBe(1);
  expect(outcome([a, b], "yjs").broughtBack).toEqual([{ item: "emma", copies: 2, versions: [1] }]);
});

test("whatever the edits, results and differences add up and each difference names a version", () => {
  const step = fc.record({ who: fc.nat(1), item: fc.constantFrom("emma", "faust", "walden"), copies: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), fc.array(step, { maxLength: 8 }), (common, rest) => {
      const { ada, bob } = hands();
      const change = (cart: Cart, { who, item, copies }: { who: number; item: string; copies: number }) =>
        setCopies(cart, item, copies, who === 0 ? ada : bob, who === 0 ? "ada" : "bob");
      const base = common.reduce(change, EMPTY_CART);
      const carts = [0, 1].map((who) => rest.filter((s) => s.who === who).reduce(change, base));
      const { outcomes } = compareStrategies(carts);
      const faithful = outcomes.find((candidate) => candidate.strategy === "observed-remove")!.quantities;
      for (const { quantities, broughtBack, lost } of outcomes) {
        const expected = new Map(faithful);
        for (const { item, copies, versions } of broughtBack) {
          expect(versions.length).toBeGreaterThan(0);
          expected.set(item, (expected.get(item) ?? 0) + copies);
        }
        for (const { item, copies, versions } of lost) {
          expect(versions.length).toBeGreaterThan(0);
          expected.set(item, (expected.get(item) ?? 0) - copies);
        }
        for (const [item, copies] of expected) expect(quantities.get(item) ?? 0).toBe(copies);
      }
    }),
    { numRuns: 200 },
  );
});
