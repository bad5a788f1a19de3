import fc from "fast-check";
import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import { parametersFault } from "../core/config.ts";
import type { Key, NodeId } from "../core/identifiers.ts";
import type { View } from "../core/membership.ts";
import { NEWCOMER, planOf } from "../core/membership-plan.ts";
import { TOKEN_PLACES } from "../core/placement.ts";
import { efficiencyOf } from "../sim/paper-balance.ts";
import { defaultLabOptions } from "./options.ts";
import {
  type ComparedPlacement,
  PLACEMENTS,
  comparePlacements,
  evenKeys,
  keysOf,
  parametersWith,
} from "./placement-comparison.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { standingView } from "./standing-start.ts";

const newcomer = { capacity: 1, zone: "new" };

/** A cluster that stands: of so many nodes, each its own zone unless `zones` says how many there are. */
function viewOf(nodes: number, placement: 1 | 2 | 3 = 3, partitions = 64, zones = nodes, tokensPerNode = 4): View {
  const members = Array.from({ length: nodes }, (_, i) => ({
    node: (i + 1).toString(16).padEnd(32, "0") as NodeId,
    capacity: i % 4 === 3 ? 2 : 1,
    zone: `z${i % zones}`,
  }));
  const parameters = { n: 3, r: 2, w: 2, partitions, placement, tokensPerNode: placement === 3 ? 0 : tokensPerNode };
  return standingView(parameters, members, Prng.fromNumber(nodes));
}
const views = fc
  .record({
    nodes: fc.integer({ min: 1, max: 14 }),
    placement: fc.constantFrom(...PLACEMENTS),
    partitions: fc.constantFrom(16, 64),
    zones: fc.integer({ min: 1, max: 14 }),
  })
  .map(({ nodes, placement, partitions, zones }) => viewOf(nodes, placement, partitions, zones));

test("shares add up to one, the present placement is the view as it is, and each can be begun as a cluster", () => {
  fc.assert(
    fc.property(views, fc.nat(), (view, seed) => {
      const all = comparePlacements({ view, keys: [], newcomer, seed });
      expect(all.map(({ placement }) => placement)).toEqual([1, 2, 3]);
      for (const { placement, shares, isPresent, parameters, firsts, worst, efficiency } of all) {
        const sum = (what: "first" | "held" | "fair"): number => shares.reduce((all, share) => all + share[what], 0);
        for (const what of ["first", "held", "fair"] as const) expect(sum(what)).toBeCloseTo(1, 9);
        expect(isPresent).toBe(placement === view.parameters.placement);
        if (isPresent) expect(parameters).toBe(view.parameters);
        expect(parametersFault(parameters)).toBeUndefined();
        expect(parameters).toEqual(parametersWith(view, placement));
        expect(firsts).toHaveLength(parameters.partitions);
        expect(efficiency).toBeCloseTo(1 / (1 + worst), 12);
        expect(efficiency).toBeLessThanOrEqual(1 + 1e-9);
      }
    }),
    { numRuns: 40 },
  );
});

/** The naive walk: from the partition's place, over all tokens in their order, without any zone twice while another is left. */
function naiveOwners(view: View, partition: number): NodeId[] {
  const { placement, partitions, n } = view.parameters;
  const members = new Map(view.members.map((member) => [member.node, member]));
  const tokens =
    placement === 3
      ? view.claims.map(({ owner }, place) => ({ place, owner }))
      : view.members.flatMap(({ node, tokens }) => tokens.map((place) => ({ place, owner: node })));
  tokens.sort((a, b) => a.place - b.place || (a.owner < b.owner ? -1 : 1));
  const from = placement === 2 ? (((partition + 1) % partitions) * TOKEN_PLACES) / partitions : partition;
  const turned = [...tokens.filter(({ place }) => place >= from), ...tokens.filter(({ place }) => place < from)];
  const met = [...new Set(turned.map(({ owner }) => owner))];
  const owners: NodeId[] = [];
  for (const node of met)
    if (owners.length < n && !owners.some((other) => members.get(other)!.zone === members.get(node)!.zone))
      owners.push(node);
  for (const node of met) if (owners.length < n && !owners.includes(node)) owners.push(node);
  return owners;
}

test("shares are those of a naive walk over the tokens", () => {
  fc.assert(
    fc.property(views, (view) => {
      const { shares, firsts } = comparePlacements({ view, keys: [], newcomer, seed: 1 }).find(
        ({ isPresent }) => isPresent,
      )!;
      const lists = view.claims.map((_, partition) => naiveOwners(view, partition));
      expect(firsts).toEqual(lists.map(([first]) => first));
      const copies = lists.flat().length;
      for (const { node, held } of shares)
        expect(held).toBeCloseTo(lists.flat().filter((owner) => owner === node).length / copies, 9);
    }),
    { numRuns: 40 },
  );
});

test("what a newcomer moves is the plan of the nodes, and its keys and bytes are those of the partitions that move", () => {
  fc.assert(
    fc.property(views, fc.integer({ min: 0, max: 300 }), (view, count) => {
      const keys = evenKeys(count, 7);
      for (const { isPresent, newcomer: moves, parameters } of comparePlacements({ view, keys, newcomer, seed: 1 })) {
        if (isPresent) expect(moves.plan).toEqual(planOf(view, { kind: "join", ...newcomer }, Prng.fromNumber(1)));
        const naive = moves.plan.moves.flatMap(({ partition }) =>
          keys.filter(({ key }) => partitionOf(positionOf(key), parameters.partitions) === partition),
        );
        expect([moves.copies, moves.keys, moves.bytes]).toEqual([
          moves.plan.moves.length,
          naive.length,
          7 * naive.length,
        ]);
        expect(moves.forOthers).toBe(moves.plan.moves.filter(({ to }) => to !== NEWCOMER).length);
      }
    }),
    { numRuns: 30 },
  );
});

test("efficiency is the paper's where capacities are equal and every node is a zone of its own", () => {
  const members = Array.from({ length: 30 }, (_, i) => ({
    node: (i + 16).toString(16).padEnd(32, "0") as NodeId,
    capacity: 1,
    zone: `z${i}`,
  }));
  for (const placement of PLACEMENTS) {
    const parameters = { n: 3, r: 2, w: 2, partitions: 256, placement, tokensPerNode: placement === 3 ? 0 : 8 };
    const view = standingView(parameters, members, Prng.fromNumber(placement));
    const { efficiency } = comparePlacements({ view, keys: [], newcomer, seed: 1 }).find(({ isPresent }) => isPresent)!;
    expect(efficiency).toBeCloseTo(efficiencyOf(view), 12);
  }
});

test("figure 8 in small: of 30 nodes placement 3 is more even than 1 and 2", () => {
  const of = (all: readonly ComparedPlacement[], placement: number) =>
    all.find((each) => each.placement === placement)!;
  const all = comparePlacements({ view: viewOf(30, 3, 256), keys: [], newcomer, seed: 3 });
  expect(of(all, 3).worst).toBeLessThan(of(all, 1).worst);
  expect(of(all, 3).worst).toBeLessThan(of(all, 2).worst);
  expect(of(all, 3).outOfBalance).toBeLessThan(of(all, 1).outOfBalance);
});

test("of a world: what would move is what its nodes say, with what is on their disks", () => {
  const world = new SimulatedWorld(defaultLabOptions);
  for (let i = 0; i < 20; i++) {
    world.act({ do: "put", node: "a", key: `carts/${i}`, value: "milk", context: "none" });
    world.runUntil(world.now + 200);
  }
  const node = world.idOf("a");
  const keys = keysOf(world.nodes.map(({ id }) => world.storedAt(id)));
  expect(keys.map(({ key }) => key).sort()).toEqual(Array.from({ length: 20 }, (_, i) => `carts/${i}`).sort());
  expect(keys[0]!.bytes).toBe(keys[0]!.key.length + "milk".length);
  const [, , third] = comparePlacements({ view: world.viewOf(node)!.view!, keys, newcomer, seed: 1 });
  const plan = world.planAt(node, { kind: "join", ...newcomer })!;
  expect(third!.newcomer.plan).toEqual(plan);
  expect(third!.firsts).toEqual(world.listsAt(node).map(({ owners }) => owners[0]));
  const counts = plan.moves.map(
    ({ partition }) => keys.filter(({ key }) => partitionOf(positionOf(key), 16) === partition).length,
  );
  expect(third!.newcomer.keys).toBe(counts.reduce((sum, each) => sum + each, 0));
});

test("keys of several disks are counted once, with the most bytes", () => {
  const stored = (key: string, bytes: number) => ({ key: key as Key, bytes });
  expect(keysOf([[stored("a", 3), stored("b", 1)], [stored("a", 5)], []])).toEqual([stored("a", 5), stored("b", 1)]);
});
