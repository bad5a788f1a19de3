/** Preference lists over views that change and views that are incomplete. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { parametersFrom } from "./config.ts";
import type { NodeId } from "./identifiers.ts";
import { type Claim, type Member, type View, mergeView, noHolders, unclaimed, withHolder } from "./membership.ts";
import { Ring } from "./ring.ts";

const Q = 8;
const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const members = fc.array(
  fc
    .record({
      n: fc.nat(5),
      version: fc.integer({ min: 1, max: 9 }),
      zone: fc.nat(2),
      capacity: fc.constantFrom(0, 1, 1, 1),
      held: fc.array(fc.nat(Q - 1)),
      tokens: fc.uniqueArray(fc.nat(Q - 1), { maxLength: 3 }),
    })
    .map(({ n, version, zone, capacity, held, tokens }): Member => ({
      node: node(n),
      incarnation: 1,
      version,
      capacity,
      zone: `zone ${version > 5 ? zone : n % 3}`,
      holders: held.reduce((bits, p) => withHolder(bits, p, true), noHolders(Q)),
      // Only an explicit act may change them, so they rarely do.
      tokens: version > 7 ? tokens.sort((a, b) => a - b) : [n],
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
  parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: Q }),
  members: [],
  claims: tokens,
  buckets: [],
}));
const anyPlacement = fc.tuple(start, fc.constantFrom(1, 2, 3)).map(([view, placement]): View => {
  const parameters = parametersFrom({ ...view.parameters, placement, tokensPerNode: placement === 3 ? 0 : 3 });
  return { ...view, parameters, claims: placement === 3 ? view.claims : unclaimed(Q) };
});

test("a ring that follows another has the same lists as one made from the view alone", () => {
  fc.assert(
    fc.property(
      anyPlacement,
      fc.array(fc.tuple(members, fc.option(claims, { nil: undefined }), fc.array(fc.nat(Q - 1))), { maxLength: 12 }),
      (first, changes) => {
        let ring = new Ring(first);
        for (const [entries, tokens, looked] of changes) {
          for (const p of looked) ring.preferenceList(p);
          const claimed = first.parameters.placement === 3 ? tokens : undefined;
          ring = new Ring(mergeView(ring.view, entries, claimed), ring);
          const fresh = new Ring(ring.view);
          for (let p = 0; p < Q; p++) expect(ring.preferenceList(p)).toEqual(fresh.preferenceList(p));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("every list has somebody to count on, counts all who hold the partition if anybody does, and names nobody twice", () => {
  fc.assert(
    fc.property(start, members, (first, entries) => {
      const view = mergeView(first, entries, undefined);
      const ring = new Ring(view);
      for (let p = 0; p < Q; p++) {
        const { owners, counted, joining, fallbacks } = ring.preferenceList(p);
        const everybody = [...counted, ...joining, ...fallbacks];
        expect(new Set(everybody).size).toBe(everybody.length);
        expect(counted.length).toBeGreaterThan(0);
        expect(owners).toContain(view.claims[p]!.owner);
        const holding = view.members
          .filter((member) => (member.holders[p >> 3]! & (1 << (p & 7))) !== 0)
          .map((member) => member.node);
        if (holding.length > 0) expect([...counted].sort()).toEqual(holding.sort());
        else expect(counted).toEqual(owners);
      }
    }),
    { numRuns: 500 },
  );
});

test("a claim that arrives before its claimant's entry names an owner all the same", () => {
  const view: View = {
    parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: Q }),
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
