/** The gossiped view is a join-semilattice: any order of news ends in the same view. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { BucketEntry } from "./buckets.ts";
import { parametersFrom } from "./config.ts";
import { DEPARTED_MAX, type NodeId } from "./identifiers.ts";
import {
  type Claim,
  type Member,
  type View,
  allHolders,
  goneEntry,
  holds,
  isGone,
  memberOf,
  mergeView,
  noHolders,
  withHolder,
} from "./membership.ts";
import { digestOf } from "./ring.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
// Entries are written by one node alone, so incarnation and version determine the content.
const entry = (n: number, incarnation: number, version: number): Member => ({
  node: node(n),
  incarnation,
  version,
  capacity: (incarnation * 7 + version) % 5,
  zone: `zone ${version}`,
  holders: noHolders(8),
  tokens: [],
  protocolMin: 1,
  protocolMax: 1,
  hidden: version % 2 === 0,
});
const entries = fc
  .record({ n: fc.nat(4), i: fc.integer({ min: 1, max: 3 }), v: fc.integer({ min: 1, max: 3 }), gone: fc.nat(6) })
  // Two who remove at the same millisecond say the same but for their names, which are for people alone.
  .map(({ n, i, v, gone }) =>
    gone > 1 ? entry(n, i, v) : goneEntry(entry(n, 1, 1), gone === 0 ? "left" : "removed", node(v), v),
  );
const members = fc.array(entries, { maxLength: 8 });
const claims = fc.array(fc.record({ owner: fc.nat(4).map(node), version: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 8,
  maxLength: 8,
}) as fc.Arbitrary<Claim[]>;
// The same version of the same node with other content: set anew after a crash that came before it was durable.
const buckets: fc.Arbitrary<BucketEntry[]> = fc.array(
  fc
    .record({
      name: fc.constantFrom("a", "b", "c"),
      version: fc.integer({ min: 1, max: 2 }),
      by: fc.nat(1),
      w: fc.nat(2),
    })
    .map(({ name, version, by, w }) => ({
      name,
      version,
      setBy: node(by),
      properties: { r: undefined, w: w + 1, pr: undefined, pw: undefined, dw: undefined, policy: "siblings" },
    })),
  { maxLength: 5 },
);
const views: fc.Arbitrary<View> = fc
  .tuple(members, claims, buckets)
  .map(([entries, tokens, set]) =>
    mergeView(
      { parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: 8 }), members: [], claims: tokens, buckets: [] },
      entries,
      undefined,
      set,
    ),
  );
const merge = (a: View, b: View) => mergeView(a, b.members, b.claims, b.buckets);

test("merging is commutative, associative and idempotent, and equal views have equal digests", () => {
  fc.assert(
    fc.property(views, views, views, (a, b, c) => {
      expect(merge(a, b)).toEqual(merge(b, a));
      expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
      expect(merge(a, a)).toBe(a);
      expect(digestOf(merge(a, b))).toBe(digestOf(merge(b, a)));
    }),
  );
});

test("nothing new leaves the very same view", () => {
  fc.assert(
    fc.property(views, views, (a, b) => {
      const merged = merge(a, b);
      expect(merge(merged, a)).toBe(merged);
      expect(merge(merged, b)).toBe(merged);
    }),
  );
});

test("members are found by id, and by nothing else", () => {
  fc.assert(
    fc.property(views, fc.nat(6), (view, n) => {
      expect(memberOf(view, node(n))).toBe(view.members.find((member) => member.node === node(n)));
    }),
  );
});

test("who is gone stays gone, whatever it or others say of it; who was removed was not merely leaving", () => {
  fc.assert(
    fc.property(views, fc.array(entries, { maxLength: 6 }), (view, said) => {
      const rank = (n: number, seen: View) => {
        const { departure } = memberOf(seen, node(n)) ?? {};
        return departure === undefined ? 0 : departure.standing === "left" ? 1 : 2;
      };
      const after = mergeView(view, said, undefined);
      for (let n = 0; n < 5; n++) expect(rank(n, after)).toBeGreaterThanOrEqual(rank(n, view));
      for (const member of after.members.filter(isGone)) {
        expect([...Array(8).keys()].some((p) => holds(member, p))).toBe(false);
        expect(member.tokens).toEqual([]);
      }
    }),
  );
});

test("only the latest departures are remembered, by whatever way they came", () => {
  const gone = Array.from({ length: DEPARTED_MAX + 40 }, (_, i) =>
    goneEntry(entry(i + 10, 1, 1), i % 2 === 0 ? "left" : "removed", node(1), 1_000 + i),
  );
  const empty: View = {
    parameters: parametersFrom({ partitions: 8 }),
    members: [entry(1, 1, 1)],
    claims: [],
    buckets: [],
  };
  const all = mergeView(empty, gone, undefined);
  expect(all.members.filter(isGone)).toHaveLength(DEPARTED_MAX);
  expect(memberOf(all, gone[39]!.node)).toBeUndefined();
  expect(memberOf(all, gone[40]!.node)).toBeDefined();
  expect(memberOf(all, node(1))).toBeDefined();
  const half = mergeView(empty, gone.slice(0, 300), undefined);
  expect(mergeView(mergeView(empty, gone.slice(250), undefined), half.members, undefined)).toEqual(all);
  expect(mergeView(all, gone, undefined)).toEqual(all);
});

test("holder bits", () => {
  const member = entry(1, 1, 1);
  const some = { ...member, holders: withHolder(withHolder(noHolders(16), 3, true), 9, true) };
  expect([...Array(16).keys()].filter((p) => holds(some, p))).toEqual([3, 9]);
  expect(holds({ ...member, holders: withHolder(some.holders, 3, false) }, 3)).toBe(false);
  expect([...Array(16).keys()].every((p) => holds({ ...member, holders: allHolders(16) }, p))).toBe(true);
});
