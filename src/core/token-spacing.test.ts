/** Deals without crowds, and how they are made of others. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import { copiesForOthers, crowds, dealSpaced, listsOf, mendSpacing, spaced } from "./token-spacing.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const nodes = (text: string) => [...text].map((letter) => node(letter.charCodeAt(0)));
const text = (owners: readonly NodeId[]) => owners.map((id) => String.fromCharCode(parseInt(id, 16))).join("");

test("a crowd is a pair of one node nearer than N, round the ring too", () => {
  expect(crowds(nodes("abcabc"), 3)).toBe(0);
  expect(crowds(nodes("abcab"), 3)).toBe(2);
  expect(crowds(nodes("aab"), 2)).toBe(1);
  expect(crowds(nodes("aab"), 1)).toBe(0);
  expect(spaced(nodes("abcd"), node(97), 2, 2)).toBe(true);
  expect(spaced(nodes("abcd"), node(97), 2, 3)).toBe(false);
});

test("lists skip whom they have met", () => {
  expect(listsOf(nodes("aabc"), 2).map(text)).toEqual(["ab", "ab", "bc", "ca"]);
  expect(listsOf(nodes("aaaa"), 2).map(text)).toEqual(["a", "a", "a", "a"]);
});

test("copies are counted where a node comes into a list, but for the newcomer", () => {
  const before = listsOf(nodes("abcabc"), 2);
  expect(copiesForOthers(before, listsOf(nodes("dbcabc"), 2), node(100))).toBe(0);
  expect(copiesForOthers(before, listsOf(nodes("acbabc"), 2), node(100))).toBe(2);
});

test("any counts of which none is over one N-th are dealt without a crowd; others are not dealt", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
      (n, counts) => {
        const targets = new Map(counts.map((count, i) => [node(i + 1), count]));
        const total = counts.reduce((sum, count) => sum + count, 0);
        const dealt = dealSpaced(targets, total, n);
        if (Math.max(...counts) > Math.floor(total / n)) expect(dealt).toBeUndefined();
        else {
          for (const [id, count] of targets) expect(dealt!.filter((owner) => owner === id)).toHaveLength(count);
          expect(dealt).toHaveLength(total);
          expect(crowds(dealt!, n)).toBe(0);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("mending keeps everybody's count, crowds no more, and makes others copy no more than it may", () => {
  const deal = fc
    .integer({ min: 4, max: 9 })
    .chain((size) => fc.array(fc.integer({ min: 1, max: size }), { minLength: 24, maxLength: 48 }));
  fc.assert(
    fc.property(deal, fc.integer({ min: 2, max: 3 }), fc.nat(30), (numbers, n, copiesMax) => {
      const before = numbers.map((number) => node(number));
      const dealt = before.map((id, i) => (i % 6 === 0 ? node(99) : id));
      const mended = mendSpacing(before, dealt, node(99), n, copiesMax);
      expect([...mended].sort()).toEqual([...dealt].sort());
      expect(crowds(mended, n)).toBeLessThanOrEqual(crowds(dealt, n));
      const copies = (owners: readonly NodeId[]) => copiesForOthers(listsOf(before, n), listsOf(owners, n), node(99));
      expect(copies(mended)).toBeLessThanOrEqual(Math.max(copiesMax, copies(dealt)));
    }),
    { numRuns: 100 },
  );
});

test("two neighbours of one node are taken apart by one swap", () => {
  const before = nodes("abcdabcabcddabcd");
  expect(crowds(before, 3)).toBe(1);
  const mended = mendSpacing(before, before, node(122), 3, 8);
  expect(crowds(mended, 3)).toBe(0);
  expect(mended.filter((id, i) => id !== before[i])).toHaveLength(2);
});
