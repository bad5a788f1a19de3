/** Preference lists over views that change and views that are incomplete. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import { type Claim, type Member, type View, mergeView, noHolders, withHolder } from "./membership.ts";
import { Ring } from "./ring.ts";

const Q = 8;
const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const members = fc.array(
  fc
    .record({ n: fc.nat(5), version: fc.integer({ min: 1, max: 9 }), zone: fc.nat(2), held: fc.array(fc.nat(Q - 1)) })
    .map(({ n, version, zone, held }): Member => ({
      node: node(n),
      incarnation: 1,
      version,
      capacity: 1,
      zone: `zone ${version > 5 ? zone : n % 3}`,
      holders: held.reduce((bits, p) => withHolder(bits, p, true), noHolders(Q)),
      protocolMin: 1,
      protocolMax: 1,
      hidden: false,
    })),
  { minLength: 1, maxLength: 4 },
);
const claims = fc.array(fc.record({ owner: fc.nat(5).map(node), version: fc.integer({ min: 1, max: 5 }) }), {
  minLength: Q,
  maxLength: Q,
}) as fc.Arbitrary<Claim[]>;
const start = claims.map((tokens): View => ({
  parameters: { n: 3, r: 2, w: 2, partitions: Q },
  members: [],
  claims: tokens,
  buckets: [],
}));

test("a ring that follows another has the same lists as one made from the view alone", () => {
  fc.assert(
    fc.property(
      start,
      fc.array(fc.tuple(members, fc.option(claims, { nil: undefined }), fc.array(fc.nat(Q - 1))), { maxLength: 12 }),
      (first, changes) => {
        let ring = new Ring(first);
        for (const [entries, tokens, looked] of changes) {
          for (const p of looked) ring.preferenceList(p);
          ring = new Ring(mergeView(ring.view, entries, tokens), ring);
          const fresh = new Ring(ring.view);
          for (let p = 0; p < Q; p++) expect(ring.preferenceList(p)).toEqual(fresh.preferenceList(p));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("every list has somebody to count on, counts only who holds the partition if anybody does, and names nobody twice", () => {
  fc.assert(
    fc.property(start, members, (first, entries) => {
      const view = mergeView(first, entries, undefined);
      const ring = new Ring(view);
      for (let p = 0; p < Q; p++) {
        const { owners, counted, joining, fallbacks } = ring.preferenceList(p);
        const everybody = [...counted, ...joining, ...fallbacks];
        expect(new Set(everybody).size).toBe(everybody.length);
        expect(counted.length).toBeGreaterThan(0);
        expect(counted.length).toBeLessThanOrEqual(3);
        expect(owners).toContain(view.claims[p]!.owner);
        const holding = view.members
          .filter((member) => (member.holders[p >> 3]! & (1 << (p & 7))) !== 0)
          .map((member) => member.node);
        if (holding.length > 0) for (const one of counted) expect(holding).toContain(one);
        else expect(counted).toEqual(owners);
      }
    }),
    { numRuns: 500 },
  );
});

test("a claim that arrives before its claimant's entry names an owner all the same", () => {
  const view: View = {
    parameters: { n: 3, r: 2, w: 2, partitions: Q },
    members: [],
    claims: Array.from({ length: Q }, () => ({ owner: node(7), version: 1 })),
    buckets: [],
  };
  expect(new Ring(view).preferenceList(3)).toEqual({
    owners: [node(7)],
    counted: [node(7)],
    joining: [],
    fallbacks: [],
  });
});
