/** Bucket entries: a join, whatever the order; names and numbers within their bounds; a key finds its bucket. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BUCKETS_MAX,
  type BucketEntry,
  type BucketPolicy,
  type BucketProperties,
  bucketFault,
  bucketNameOf,
  bucketNamed,
  bucketOf,
  bucketsDigest,
  mergeBuckets,
  mergeNameOf,
} from "./buckets.ts";
import type { Key, NodeId } from "./identifiers.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const properties = (changes: Partial<BucketProperties> = {}): BucketProperties => ({
  r: undefined,
  w: undefined,
  pr: undefined,
  pw: undefined,
  dw: undefined,
  policy: "siblings",
  ...changes,
});
const entry = (name: string, version = 1, by = 1, changes: Partial<BucketProperties> = {}): BucketEntry => ({
  name,
  version,
  setBy: node(by),
  properties: properties(changes),
});
const lists = fc
  .array(
    fc
      .tuple(
        fc.constantFrom("a", "b", "c"),
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 2 }),
        fc.constantFrom<BucketPolicy[]>("siblings", "last-write-wins", "merge:x"),
      )
      .map(([name, version, by, policy]) => entry(name, version, by, { policy })),
    { maxLength: 6 },
  )
  .map((entries) => mergeBuckets([], entries));

describe("merging", () => {
  test("is commutative, associative and idempotent; equal lists have equal digests, and different ones different ones", () => {
    fc.assert(
      fc.property(lists, lists, lists, (a, b, c) => {
        const ab = mergeBuckets(a, b);
        expect(ab).toEqual(mergeBuckets(b, a));
        expect(mergeBuckets(ab, c)).toEqual(mergeBuckets(a, mergeBuckets(b, c)));
        expect(mergeBuckets(ab, a)).toBe(ab);
        expect(bucketsDigest(ab)).toBe(bucketsDigest(mergeBuckets(b, a)));
        expect(bucketsDigest(ab) === bucketsDigest(c)).toBe(JSON.stringify(ab) === JSON.stringify(c));
      }),
    );
  });

  test("the higher version wins, then the node that set it, then the content", () => {
    const winner = (...entries: BucketEntry[]) => mergeBuckets([], entries)[0];
    expect(winner(entry("a", 2, 1), entry("a", 1, 9))).toEqual(entry("a", 2, 1));
    expect(winner(entry("a", 2, 1), entry("a", 2, 9))).toEqual(entry("a", 2, 9));
    const [one, other] = [entry("a", 2, 1, { w: 1 }), entry("a", 2, 1, { w: 2 })];
    expect(winner(one, other)).toBe(winner(other, one));
  });

  test("keeps the first BUCKETS_MAX by name, in whatever order they come", () => {
    const many = Array.from({ length: BUCKETS_MAX + 40 }, (_, i) => entry(`b${String(i).padStart(4, "0")}`));
    const [low, high] = [many.slice(0, 200), many.slice(100)];
    const kept = many.slice(0, BUCKETS_MAX);
    expect(mergeBuckets(mergeBuckets([], low), high)).toEqual(kept);
    expect(mergeBuckets(mergeBuckets([], high), low)).toEqual(kept);
    expect(mergeBuckets(kept, many)).toBe(kept);
  });
});

describe("a key's bucket", () => {
  test("is what stands before the first slash", () => {
    expect(bucketNameOf("carts/ada/2" as Key)).toBe("carts");
    expect(bucketNameOf("ada" as Key)).toBeUndefined();
    expect(bucketNameOf("/ada" as Key)).toBeUndefined();
  });

  test("is found by name, and nothing else is", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-d]{1,3}$/)),
        fc.stringMatching(/^[a-d]{1,3}$/),
        (names, name) => {
          const list = mergeBuckets(
            [],
            names.map((one) => entry(one)),
          );
          expect(bucketNamed(list, name)?.name).toBe(names.includes(name) ? name : undefined);
          expect(bucketOf(list, `${name}/k` as Key)).toBe(bucketNamed(list, name));
        },
      ),
    );
  });
});

describe("what is refused", () => {
  test.each([
    ["", {}, /0 characters/],
    ["x".repeat(65), {}, /65 characters/],
    ["a/b", {}, /"\/" in it/],
    ["\ud800", {}, /surrogate/],
    ["a", { r: 0 }, /r is 0, but must be a whole number from 1 to n = 3/],
    ["a", { w: 4 }, /w is 4/],
    ["a", { pr: -1 }, /pr is -1, but must be a whole number from 0/],
    ["a", { pw: 1.5 }, /pw is 1.5/],
    ["a", { dw: 4 }, /dw is 4/],
    ["a", { policy: "newest" as BucketPolicy }, /policy is "newest"/],
    ["a", { policy: "merge:" }, /policy/],
    ["a", { policy: "merge:Cart" }, /policy/],
    ["a", { policy: `merge:${"x".repeat(33)}` }, /policy/],
  ] satisfies [string, Partial<BucketProperties>, RegExp][])("%j with %j", (name, changes, why) => {
    expect(bucketFault(name, properties(changes), 3)).toMatch(why);
  });

  test("and what is taken", () => {
    expect(
      bucketFault("x".repeat(64), properties({ r: 3, w: 1, pr: 0, pw: 3, dw: 0, policy: "merge:cart-2" }), 3),
    ).toBe(undefined);
    expect(mergeNameOf("merge:cart-2")).toBe("cart-2");
    expect(mergeNameOf("siblings")).toBeUndefined();
  });
});
