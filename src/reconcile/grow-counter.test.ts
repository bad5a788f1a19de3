import { expect, test } from "vitest";
import fc from "fast-check";
import { utf8Encode } from "../base/bytes.ts";
import {
  decodeCounter,
  encodeCounter,
  increment,
  MalformedCounterError,
  mergeGrowCounters,
  total,
  ZERO,
  type GrowCounter,
} from "./grow-counter.ts";
import { sortedMap } from "./quantities.ts";
import { Writer } from "./writer.ts";

function writers(count: number): Writer[] {
  let drawn = 0;
  return Array.from({ length: count }, () => new Writer(() => `w${++drawn}`));
}
const counter = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 1, max: 9 })), { maxLength: 4 })
  .map((entries): GrowCounter => sortedMap(new Map(entries)));

test("commutative, associative, idempotent, and encoded the same", () => {
  fc.assert(
    fc.property(counter, counter, counter, (a, b, c) => {
      const merge = (x: GrowCounter, y: GrowCounter) => mergeGrowCounters([x, y]);
      expect(encodeCounter(merge(a, b))).toEqual(encodeCounter(merge(b, a)));
      expect(encodeCounter(merge(merge(a, b), c))).toEqual(encodeCounter(merge(a, merge(b, c))));
      expect(encodeCounter(merge(a, a))).toEqual(encodeCounter(a));
      expect([...decodeCounter(encodeCounter(a))]).toEqual([...a]);
    }),
  );
});

test("concurrent sales add up, and a sale that arrives twice counts once", () => {
  const [ada, bob] = writers(2) as [Writer, Writer];
  const base = increment(ZERO, 5, ada);
  const a = increment(base, 2, ada);
  const b = increment(base, 3, bob);
  expect(total(mergeGrowCounters([a, b, a]))).toBe(10);
});

test("a sale of unknown outcome is not hidden by the next one over an older count", () => {
  const [ada] = writers(1) as [Writer];
  const uncertain = increment(ZERO, 1, ada);
  const next = increment(ZERO, 1, ada);
  expect(total(mergeGrowCounters([uncertain, next]))).toBe(2);
});

test("what is no counter is a named error", () => {
  const bad = [
    "",
    "[]",
    "{}",
    "[2,[]]",
    '[1,[["a",0]]]',
    '[1,[["a",1.5]]]',
    '[1,[["b",1],["a",1]]]',
    '[1,[["a",1]]] ',
    "[1,[[1,1]]]",
  ];
  for (const text of bad) expect(() => decodeCounter(utf8Encode(text)), text).toThrow(MalformedCounterError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeCounter(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedCounterError);
      }
    }),
  );
});
