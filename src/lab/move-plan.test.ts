import { expect, test } from "vitest";
import { claimsAfterSwaps } from "../core/load-plan.ts";
import type { NodeId } from "../core/identifiers.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import { movePlanAt } from "./move-plan.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";

const options = {
  ...defaultLabOptions,
  nodes: Array.from({ length: 8 }, (_, i) => ({ name: `n${i}`, capacity: 1, zone: `z${i}` })),
  parameters: { ...defaultLabOptions.parameters, partitions: 64 },
};
const load = {
  do: "load",
  bucket: "load",
  perSecond: 50,
  readsPercent: 80,
  keys: 40,
  zipf: true,
  seed: 5,
  forMs: 600_000,
} as const;

function loaded(): SimulatedWorld {
  const world = new SimulatedWorld(options);
  world.act(load);
  world.runUntil(10_000);
  return world;
}

test("without requests there is nothing to move", () => {
  const world = new SimulatedWorld(options);
  expect(movePlanAt(world, world.idOf("n0"))).toMatchObject({ swaps: [], requests: 0 });
});

test("the load before is what callers asked for, at every owner; after the swaps the hottest has less", () => {
  const world = loaded();
  const plan = movePlanAt(world, world.idOf("n0"))!;
  expect(plan.swaps.length).toBeGreaterThan(0);
  // The naive way: each request counts once at each owner of its key.
  const naive = new Map<NodeId, number>();
  let requests = 0;
  for (const { event, key } of world.trace) {
    if (event.what !== "asked") continue;
    requests++;
    for (const node of world.preferenceListAt(world.idOf("n0"), key!)!.owners)
      naive.set(node, (naive.get(node) ?? 0) + 1);
  }
  expect(plan.requests).toBe(requests);
  for (const { node, before } of plan.load) expect((before * plan.spanMs) / 1_000).toBeCloseTo(naive.get(node) ?? 0, 6);
  const most = (when: "before" | "after"): number => Math.max(...plan.load.map((each) => each[when]));
  expect(most("after")).toBeLessThan(most("before"));
  for (const { before, after } of plan.plan.tokens) expect(after).toBe(before);
});

test("the act moves what the plan said, and a plan for another ring is refused", () => {
  const world = loaded();
  const node = world.idOf("n0");
  const { swaps, plan } = movePlanAt(world, node)!;
  const claimsOf = () => world.viewOf(node)!.view!.claims;
  const expected = claimsAfterSwaps(claimsOf(), swaps).map(({ owner }) => owner);
  const owners = () => world.listsAt(node).map((list) => [...list.owners]);
  const before = owners();
  world.act({ do: "move", node: "n0", swaps, planned: plan.planned });
  world.runUntil(world.now + 1_000);
  expect(world.trace.some(({ label }) => label === "tokens change owners")).toBe(true);
  world.act({ do: "move", node: "n1", swaps, planned: plan.planned });
  world.runUntil(world.now + 60_000);
  expect(world.trace.some(({ label }) => label === "tokens stay where they are: outdated")).toBe(true);
  expect(claimsOf().map(({ owner }) => owner)).toEqual(expected);
  const moved = owners().flatMap((list, partition) =>
    list.filter((owner) => !before[partition]!.includes(owner)).map((to) => `${partition} ${to}`),
  );
  expect(moved.sort()).toEqual(plan.moves.map(({ partition, to }) => `${partition} ${to}`).sort());
  // Nobody owes anything any more, and the keys are still there.
  for (const { id } of world.nodes) expect(world.viewOf(id)!.owed).toBe(0);
  const key = world.trace.find(({ event }) => event.what === "stored")!.key!;
  for (const owner of world.preferenceListAt(node, key)!.owners)
    expect(world.recordsOf(owner, key).record, `${partitionOf(positionOf(key), 64)}`).toBeDefined();
});

test("drawn tokens stay where they are", () => {
  const parameters = { ...options.parameters, placement: 1 as const, tokensPerNode: 4 };
  const world = new SimulatedWorld({ ...options, parameters });
  world.act(load);
  world.runUntil(3_000);
  expect(movePlanAt(world, world.idOf("n0"))?.swaps).toEqual([]);
});
