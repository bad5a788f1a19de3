/** Token claims under random joins: balance, spacing, and the repair of concurrent joins. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { parametersFrom } from "./config.ts";
import type { NodeId } from "./identifiers.ts";
import { type Member, type View, goneEntry, memberOf, mergeView, noHolders } from "./membership.ts";
import { Ring, tokenCounts } from "./ring.ts";
import {
  claimsAfterDepartures,
  claimsAfterGiving,
  claimsAfterJoin,
  tokenShares,
  tokenTargets,
} from "./token-claims.ts";
import { copiesForOthers, crowds, listsOf } from "./token-spacing.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const member = (n: number, capacity = 1): Member => ({
  node: node(n),
  incarnation: 1,
  version: 1,
  capacity,
  zone: "z",
  holders: noHolders(256),
  tokens: [],
  protocolMin: 1,
  protocolMax: 1,
  hidden: false,
});
const founded = (n: number, capacity = 1): View => ({
  parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: 256 }),
  members: [member(n, capacity)],
  claims: Array.from({ length: 256 }, () => ({ owner: node(n), version: 1 })),
  buckets: [],
});
const joined = (view: View, n: number, capacity = 1): View => {
  const with_ = mergeView(view, [member(n, capacity)], undefined);
  return { ...with_, claims: claimsAfterJoin(with_, node(n)) };
};

test("targets add up, and differ from the exact share by less than one", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 12 }), (capacities) => {
      fc.pre(capacities.some((capacity) => capacity > 0));
      const members = capacities.map((capacity, i) => member(i + 1, capacity));
      const targets = tokenTargets(members, 256);
      const sum = capacities.reduce((a, b) => a + b);
      expect([...targets.values()].reduce((a, b) => a + b)).toBe(256);
      for (const { node: id, capacity } of members)
        expect(Math.abs((targets.get(id) ?? 0) - (256 * capacity) / sum)).toBeLessThan(1);
    }),
  );
});

/** What a sequence of joins did, join by join. */
function history(capacities: readonly number[], partitions: number, n = 3) {
  const parameters = parametersFrom({ n, r: 1, w: 1, partitions });
  let view: View = {
    parameters,
    members: [member(1, capacities[0])],
    claims: Array.from({ length: partitions }, () => ({ owner: node(1), version: 1 })),
    buckets: [],
  };
  const listsBefore = () => listsOf(ownersOf(view), n);
  return capacities.slice(1).map((capacity, i) => {
    const before = listsBefore();
    view = joined(view, i + 2, capacity);
    const after = listsBefore();
    const shares = tokenShares(view.members, partitions, n);
    const counts = tokenCounts(view);
    return {
      nodes: i + 2,
      /** How far counts are from the shares, at most. */
      off: Math.max(...[...counts].map(([id, count]) => Math.abs(count - (shares.get(id) ?? 0)))),
      share: Math.max(...shares.values()) / partitions,
      crowds: crowds(ownersOf(view), n),
      /** Copies that the newcomer needs, and that all others need. */
      own: after.filter((list) => list.includes(node(i + 2))).length,
      others: copiesForOthers(before, after, node(i + 2)),
    };
  });
}
const ownersOf = (view: View) => view.claims.map((claim) => claim.owner);

test("any N consecutive tokens are on distinct nodes once there are more than N, whatever the order of ids", () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...Array(40).keys()], { minLength: 5, maxLength: 40 }),
      fc.constantFrom(2, 3, 4, 5),
      (order, n) => {
        let view = { ...founded(order[0]! + 1), parameters: parametersFrom({ n, r: 1, w: 1 }) };
        order.slice(1).forEach((id, i) => {
          view = joined(view, id + 1);
          if (i + 2 > n) expect(crowds(ownersOf(view), n)).toBe(0);
        });
      },
    ),
    { numRuns: 20 },
  );
});

test("joins of any capacity: counts within one of the share, tokens spaced, and at most a quarter more moved than the newcomer takes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 40 }),
      fc.constantFrom(256, 512),
      (capacities, partitions) => {
        for (const { nodes, off, share, crowds: left, own, others } of history(capacities, partitions)) {
          expect(off).toBeLessThan(1);
          if (nodes <= 3) continue;
          expect(others).toBeLessThanOrEqual(0.25 * own);
          // Where somebody has nearly all that one can have there may be no room for the last.
          expect(left).toBeLessThanOrEqual(share > 7 / 24 ? 1 : 0);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("where shares are a handful of tokens a join moves one more at most", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(1, 8), { minLength: 8, maxLength: 24 }), (capacities) => {
      for (const { nodes, off, own, others } of history(capacities, 64)) {
        expect(off).toBeLessThan(1.5);
        if (nodes > 3) expect(others).toBeLessThanOrEqual(0.25 * own + 3);
      }
    }),
    { numRuns: 40 },
  );
});

test("what would cost too much is left as it is", () => {
  // Taking every crowd out of these would make others copy nearly twice what the newcomer takes.
  for (const { nodes, own, others } of history([5, 6, 5, 5, 6, 1, 7, 1], 64, 5))
    if (nodes > 5) expect(others).toBeLessThanOrEqual(0.25 * own + 5);
});

test("a node cannot have more than one N-th, since it can be in every list but once", () => {
  const shares = tokenShares([member(1, 100), member(2), member(3), member(4), member(5, 0)], 256, 3);
  expect([...shares]).toEqual([
    [node(1), 80],
    [node(2), 176 / 3],
    [node(3), 176 / 3],
    [node(4), 176 / 3],
  ]);
  // As long as everybody holds everything, only capacity counts.
  expect(tokenShares([member(1, 100), member(2), member(3)], 256, 3).get(node(1))).toBeCloseTo((256 * 100) / 102);
});

test("a founder of capacity 0 gives everything to the first who has some", () => {
  const view = joined(founded(9, 0), 1);
  expect(tokenCounts(view).get(node(1))).toBe(256);
  expect(new Ring(view).preferenceList(0).owners).toEqual([node(1)]);
});

test("concurrent joins are evened out by those who have too many, each giving only its own", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 5 }), (size, newcomers) => {
      let base = founded(1);
      for (let n = 2; n <= size; n++) base = joined(base, n);
      let view = base;
      for (let k = 1; k <= newcomers; k++) {
        const alone = joined(base, size + k);
        view = mergeView(view, alone.members, alone.claims);
      }
      for (let round = 0; round < 50; round++) {
        let still = true;
        for (const { node: id } of view.members) {
          const claims = claimsAfterGiving(view, id);
          if (claims === view.claims) continue;
          claims.forEach((claim, p) => {
            if (claim !== view.claims[p]) expect(view.claims[p]!.owner).toBe(id);
          });
          view = { ...view, claims };
          still = false;
        }
        if (still) break;
      }
      const share = 256 / (size + newcomers);
      for (const count of tokenCounts(view).values()) {
        expect(count).toBeGreaterThanOrEqual(Math.floor(share));
        expect(count).toBeLessThanOrEqual(Math.ceil(share));
      }
    }),
  );
});

/** The same cluster without some of its nodes. */
function without(view: View, ...gone: number[]): View {
  const entries = gone.map((n) => goneEntry(memberOf(view, node(n))!, "removed", node(1), 5));
  const departed = mergeView(view, entries, undefined);
  return { ...departed, claims: claimsAfterDepartures(departed) };
}

test("the tokens of those who are gone go to those who have least, and no others move", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
      (nodes, chosen) => {
        let view = founded(1);
        for (let n = 2; n <= nodes; n++) view = joined(view, n);
        const gone = [...new Set(chosen)].filter((n) => n <= nodes);
        fc.pre(gone.length < nodes);
        const after = without(view, ...gone);
        const names = gone.map(node);
        const staying = nodes - gone.length;
        const counts = tokenCounts(after);
        const share = 256 / staying;
        expect(after.claims.some(({ owner }) => names.includes(owner))).toBe(false);
        for (const [id, count] of counts) {
          if (names.includes(id)) expect(count).toBe(0);
          else expect(Math.abs(count - share)).toBeLessThan(2);
        }
        if (staying > 3)
          view.claims.forEach((claim, p) => {
            const now = after.claims[p]!;
            if (names.includes(claim.owner)) expect(now.version).toBe(claim.version + 1);
            else expect(now).toBe(claim);
          });
        // Whoever sees the same deals the same, and once is enough.
        expect(claimsAfterDepartures(after)).toBe(after.claims);
        expect(without(view, ...gone).claims).toEqual(after.claims);
      },
    ),
    { numRuns: 60 },
  );
});

test("a departure copies little more than what the one who goes had", () => {
  for (let nodes = 5; nodes <= 16; nodes++) {
    let view = founded(1);
    for (let n = 2; n <= nodes; n++) view = joined(view, n);
    const lists = (v: View) => {
      const ring = new Ring(v);
      return v.claims.map((_, p) => ring.preferenceList(p).owners);
    };
    const before = lists(view);
    const leaver = node(nodes);
    const own = before.filter((owners) => owners.includes(leaver)).length;
    const copies = lists(without(view, nodes)).reduce(
      (sum, owners, p) => sum + owners.filter((owner) => !before[p]!.includes(owner)).length,
      0,
    );
    expect(copies).toBeLessThanOrEqual(1.25 * own);
  }
});

test("a token that was given to somebody who is gone by now is dealt again", () => {
  let view = founded(1);
  for (let n = 2; n <= 6; n++) view = joined(view, n);
  const after = without(view, 6);
  const late = mergeView(
    after,
    [],
    after.claims.map((claim, p) => (p === 9 ? { owner: node(6), version: 99 } : claim)),
  );
  expect(late.claims[9]!.owner).toBe(node(6));
  expect(new Ring(late).preferenceList(9).owners).not.toContain(node(6));
  expect(claimsAfterDepartures(late)[9]!.owner).not.toBe(node(6));
  expect(claimsAfterDepartures(late)[9]!.version).toBe(100);
});
