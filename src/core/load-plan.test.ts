/** Tokens that change places even out what nodes have to do, and nothing else: held against the ring itself. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import { type TokenSwap, claimsAfterSwaps, planForLoad } from "./load-plan.ts";
import { type View, mergeView } from "./membership.ts";
import { Ring, tokenCounts } from "./ring.ts";
import { nodeNamed, viewOf } from "./stub-surroundings.ts";
import { claimsAfterGiving, claimsAfterJoin } from "./token-claims.ts";
import { crowds } from "./token-spacing.ts";

const NOBODY_SLOW: ReadonlySet<NodeId> = new Set();

/** A cluster that grew node by node, so that tokens lie as they do. */
function grown(nodes: number, n: number, partitions: number, zones = nodes, capacityOf = (_: number) => 1): View {
  const fresh = viewOf({ nodes, n, r: 1, w: 1, partitions });
  let view: View = { ...fresh, members: [], claims: fresh.claims.map(() => ({ owner: nodeNamed(1), version: 1 })) };
  fresh.members.forEach((member, i) => {
    const joined = { ...member, zone: `zone-${i % zones}`, capacity: capacityOf(i) };
    view = mergeView(view, [joined], undefined);
    view = { ...view, claims: claimsAfterJoin(view, member.node) };
  });
  return view;
}

function moved(view: View, swaps: readonly TokenSwap[]): View {
  return { ...view, claims: claimsAfterSwaps(view.claims, swaps) };
}

/** By the ring: what each node has to do. */
function loadsOf(view: View, demand: readonly number[]): Map<NodeId, number> {
  const ring = new Ring(view);
  const loads = new Map(view.members.map(({ node }) => [node, 0]));
  demand.forEach((asked, partition) => {
    for (const node of ring.preferenceList(partition).owners) loads.set(node, loads.get(node)! + asked);
  });
  return loads;
}

function ratios(view: View, demand: readonly number[]): number[] {
  const loads = loadsOf(view, demand);
  return view.members.filter(({ capacity }) => capacity > 0).map(({ node, capacity }) => loads.get(node)! / capacity);
}

const worlds = fc
  .record({
    nodes: fc.integer({ min: 1, max: 9 }),
    n: fc.integer({ min: 1, max: 4 }),
    partitions: fc.constantFrom(16, 32, 64),
    zones: fc.integer({ min: 1, max: 9 }),
    capacities: fc.array(fc.constantFrom(1, 1, 1, 2, 3), { minLength: 9, maxLength: 9 }),
    demand: fc.array(fc.oneof(fc.nat(20), fc.constantFrom(0, 300, 2_000)), { minLength: 64, maxLength: 64 }),
  })
  .map(({ nodes, n, partitions, zones, capacities, demand }) => ({
    view: grown(nodes, n, partitions, zones, (i) => capacities[i]!),
    demand: demand.slice(0, partitions),
  }));

describe("a plan for load", () => {
  test("is what the ring says of it; nobody becomes busier than the busiest was, and the counts, the owners' number and zones stay", () => {
    let swapped = 0;
    fc.assert(
      fc.property(worlds, ({ view, demand }) => {
        const plan = planForLoad(view, demand, NOBODY_SLOW);
        const after = moved(view, plan.swaps);
        const [before, now] = [loadsOf(view, demand), loadsOf(after, demand)];
        for (const one of plan.load) {
          expect(one.before).toBe(before.get(one.node));
          expect(one.after).toBe(now.get(one.node));
        }
        expect(Math.max(...ratios(after, demand))).toBeLessThanOrEqual(Math.max(...ratios(view, demand)));
        expect(tokenCounts(after)).toEqual(tokenCounts(view));
        const owners = (of: View) => of.claims.map(({ owner }) => owner);
        expect(crowds(owners(after), view.parameters.n)).toBeLessThanOrEqual(crowds(owners(view), view.parameters.n));
        // Nothing else has changed hands.
        const touched = new Set(plan.swaps.flat());
        after.claims.forEach((claim, i) => {
          if (!touched.has(i)) expect(claim).toBe(view.claims[i]);
        });
        const [ringBefore, ringAfter] = [new Ring(view), new Ring(after)];
        const zoneOf = new Map(view.members.map(({ node, zone }) => [node, zone]));
        const zonesOf = (nodes: readonly NodeId[]) => new Set(nodes.map((node) => zoneOf.get(node))).size;
        for (let p = 0; p < demand.length; p++) {
          const [was, is] = [ringBefore.preferenceList(p).owners, ringAfter.preferenceList(p).owners];
          expect(is.length).toBe(was.length);
          expect(new Set(is).size).toBe(is.length);
          expect(zonesOf(is)).toBe(zonesOf(was));
        }
        // Nobody gives back what it got.
        for (const { node } of view.members)
          if (view.members.every((member) => claimsAfterGiving(view, member.node) === view.claims))
            expect(claimsAfterGiving(after, node)).toBe(after.claims);
        swapped += plan.swaps.length;
      }),
    );
    expect(swapped).toBeGreaterThan(10);
  });

  test("is empty where nobody has more than 15 percent too much", () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: 0, max: 50 }), ({ view, demand }, same) => {
        const even = demand.map(() => same);
        const loads = ratios(view, even);
        const total = [...loadsOf(view, even).values()].reduce((a, b) => a + b, 0);
        const fair = total / view.members.reduce((all, { capacity }) => all + capacity, 0);
        const plan = planForLoad(view, even, NOBODY_SLOW);
        if (Math.max(...loads) <= 1.15 * fair) expect(plan.swaps).toEqual([]);
      }),
    );
    const view = grown(6, 3, 64);
    expect(
      planForLoad(
        view,
        view.claims.map(() => 5),
        NOBODY_SLOW,
      ).swaps,
    ).toEqual([]);
    expect(planForLoad(view, [], NOBODY_SLOW).swaps).toEqual([]);
  });

  test("takes hot partitions apart that one node has together", () => {
    const view = grown(8, 3, 64);
    const hot = nodeNamed(2);
    const ring = new Ring(view);
    const demand = view.claims.map((_, p) => (ring.owns(hot, p) ? 100 : 10));
    const { swaps, load } = planForLoad(view, demand, NOBODY_SLOW);
    const of = load.find(({ node }) => node === hot)!;
    const fair = load.reduce((sum, { before }) => sum + before, 0) / load.length;
    expect(swaps.length).toBeGreaterThan(0);
    expect(of.before).toBeGreaterThan(1.5 * fair);
    expect(of.after).toBeLessThan(1.15 * fair);
    expect(Math.max(...load.map(({ after }) => after))).toBeLessThan(1.2 * fair);
  });

  test("takes load off a node that others wait for", () => {
    const view = grown(8, 3, 64);
    const demand = view.claims.map((_, p) => 10 + (p % 7) * 10);
    const slow = nodeNamed(3);
    const { load } = planForLoad(view, demand, new Set([slow]));
    const of = load.find(({ node }) => node === slow)!;
    expect(of.after).toBeLessThan(0.8 * of.before);
  });

  test("can do nothing where all hold everything, nor where tokens are drawn", () => {
    const view = grown(3, 3, 16);
    const demand = view.claims.map((_, p) => (p === 0 ? 1_000 : 1));
    expect(planForLoad(view, demand, NOBODY_SLOW).swaps).toEqual([]);
    const drawn = { ...grown(5, 3, 16), parameters: { ...view.parameters, placement: 2 as const } };
    expect(planForLoad(drawn, demand, NOBODY_SLOW).swaps).toEqual([]);
  });
});
