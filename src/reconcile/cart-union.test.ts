import { expect, test } from "vitest";
import fc from "fast-check";
import { unionCart } from "./cart-union.ts";
import { sortedMap } from "./quantities.ts";

const quantities = fc
  .array(fc.tuple(fc.constantFrom("emma", "faust", "walden"), fc.integer({ min: 1, max: 9 })), { maxLength: 4 })
  .map((entries) => sortedMap(new Map(entries)));
const entriesOf = (map: ReadonlyMap<string, number>) => [...map];

test("commutative, associative, idempotent, to the order of the entries", () => {
  fc.assert(
    fc.property(quantities, quantities, quantities, (a, b, c) => {
      expect(entriesOf(unionCart([a, b]))).toEqual(entriesOf(unionCart([b, a])));
      expect(entriesOf(unionCart([unionCart([a, b]), c]))).toEqual(entriesOf(unionCart([a, unionCart([b, c])])));
      expect(entriesOf(unionCart([a, a]))).toEqual(entriesOf(a));
    }),
  );
});

test("no addition of an item is lost", () => {
  expect(entriesOf(unionCart([new Map([["emma", 1]]), new Map([["walden", 2]])]))).toEqual([
    ["emma", 1],
    ["walden", 2],
  ]);
});

test("a removed item comes back", () => {
  const before = new Map([["walden", 1]]);
  const removed = new Map<string, number>();
  expect(unionCart([before, removed]).has("walden")).toBe(true);
});

test("of two concurrent additions of one item only the larger counts", () => {
  // Both started from one copy; one side added one, the other two: four were wanted.
  expect(unionCart([new Map([["emma", 2]]), new Map([["emma", 3]])]).get("emma")).toBe(3);
});
