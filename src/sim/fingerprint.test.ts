import { expect, test } from "vitest";
import fc from "fast-check";
import { Numbering, fingerprintOf } from "./fingerprint.ts";

test("equal data has equal fingerprints, whatever order its properties were written in", () => {
  expect(fingerprintOf({ a: 1, b: [new Map([["k", new Set([1])]])] })).toBe(
    fingerprintOf({ b: [new Map([["k", new Set([1])]])], a: 1 }),
  );
  expect(fingerprintOf({ a: 1, b: undefined })).toBe(fingerprintOf({ a: 1 }));
});

test("what looks alike and is not the same has different ones", () => {
  const data: readonly unknown[] = [
    ...[undefined, null, false, true, 0, -0, 1, 1.5, 2 ** 40, "", "0", "1", "ab", "ba", "a\u0000"],
    ...[[], [[]], [0], [0, 0], [[0], 0], [0, [0]], ["a", "b"], ["ab"], ["", "ab"]],
    ...[{}, { a: 0 }, { b: 0 }, { a: { b: 0 } }, { a: {}, b: 0 }, [{ a: 0 }, { b: 0 }], [{ a: 0, b: 0 }]],
    ...[new Map(), new Set(), new Uint8Array(), new Uint8Array([0]), new Set([0]), new Map([[0, 0]])],
  ];
  expect(new Set(data.map(fingerprintOf)).size).toBe(data.length);
});

test("the order of a map and of a set counts: a mechanism may go through them", () => {
  expect(fingerprintOf(new Set([1, 2]))).not.toBe(fingerprintOf(new Set([2, 1])));
  const pairs: [string, number][] = [
    ["a", 1],
    ["b", 2],
  ];
  expect(fingerprintOf(new Map(pairs))).not.toBe(fingerprintOf(new Map(pairs.reverse())));
});

test("two that differ by a word hardly ever meet", () => {
  const seen = new Map<string, string>();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 8 }), (list) => {
      const name = fingerprintOf(list);
      const text = JSON.stringify(list);
      expect(seen.get(name) ?? text).toBe(text);
      seen.set(name, text);
    }),
    { numRuns: 2_000 },
  );
});

test("functions are no plain data", () => {
  expect(() => fingerprintOf({ run: () => 1 })).toThrow(TypeError);
});

test("a numbering gives equal data one number", () => {
  const numbering = new Numbering();
  expect([{ a: 1 }, { a: 2 }, { a: 1 }].map((data) => numbering.of(data))).toEqual([0, 1, 0]);
  expect(numbering.ofText("a")).toBe(2);
  expect(numbering.size).toBe(3);
});
