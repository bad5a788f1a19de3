/** Stores on memory links and disks: previews of membership changes, leaving, removing, and why an operator is refused. */

import { afterEach, expect, test } from "vitest";
import { MemoryCluster, nodeId as id } from "./memory-cluster.ts";
import { NEWCOMER } from "./core/membership-plan.ts";
import { DepartedError, MembershipChangeError } from "./operator.ts";
import type { TabringStore } from "./store.ts";

const bytes = (n: number) => new Uint8Array([n & 255, n >> 8]);
const KEYS = 60;
const worlds: MemoryCluster[] = [];
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.close()));
});

/** So many nodes, which hold KEYS keys. */
async function filled(size: number, config: { readonly removeAfterMs?: number } = {}): Promise<MemoryCluster> {
  const world = await MemoryCluster.of(size, "test", {}, config);
  worlds.push(world);
  for (let n = 0; n < KEYS; n++) await world.clock.during(world.stores[n % size]!.put(`keys/${n}`, bytes(n)));
  await world.clock.pass(10_000);
  return world;
}

async function readsAll(world: MemoryCluster, store: TabringStore): Promise<boolean> {
  for (let n = 0; n < KEYS; n++) {
    const { values } = await world.clock.during(store.get(`keys/${n}`));
    if (values.length !== 1 || values[0]!.join() !== bytes(n).join()) return false;
  }
  return true;
}

test("a plan says what will move, and then that moves", async () => {
  const world = await filled(4);
  const [a, b, c] = world.stores;
  const plan = await world.clock.during(a!.plan({ kind: "leave" }));
  expect(plan).toMatchObject({ change: { kind: "leave" }, refusal: undefined, untold: 0 });
  // Of four nodes three are left: each must hold everything, and each lacks a quarter of it.
  expect(plan.partitions).toBe(a!.status.partitionsHeld);
  expect(new Set(plan.moves.map(({ to }) => to))).toEqual(new Set([id(2), id(3), id(4)]));
  expect(plan.tokens).toContainEqual({ node: id(1), before: 4, after: 0 });
  const owned = Array.from({ length: KEYS }, (_, n) => a!.preferenceList(`keys/${n}`)).filter((list) =>
    list.some(({ node, role }) => node === id(1) && role === "owner"),
  );
  expect(plan.keys).toBe(owned.length);
  expect(plan.bytes).toBeGreaterThanOrEqual(plan.keys * 8);

  const departed: unknown[] = [];
  a!.on("departed", (event) => departed.push(event));
  await world.clock.during(a!.commit(plan));
  expect(departed).toEqual([{ standing: "left", by: id(1) }]);
  expect(world.discarded).toEqual([1]);
  expect(a!.status).toMatchObject({
    state: "closed",
    reason: expect.stringContaining("it has left the cluster") as string,
  });
  await expect(a!.get("keys/1")).rejects.toThrow(DepartedError);
  await world.clock.pass(20_000);
  for (const store of [b!, c!]) {
    expect(store.nodes().map(({ node }) => node)).toEqual([id(2), id(3), id(4)]);
    expect(store.status).toMatchObject({ state: "online", members: 3, partitionsHeld: 16 });
    expect(await readsAll(world, store)).toBe(true);
  }
});

test("a plan for a newcomer, which is not committed but done by joining", async () => {
  const world = await filled(3);
  const [a] = world.stores;
  const plan = await world.clock.during(a!.plan({ kind: "join" }));
  expect(plan.moves.every(({ to }) => to === NEWCOMER)).toBe(true);
  expect(plan.partitions).toBe(12);
  await expect(a!.commit(plan)).rejects.toThrow(MembershipChangeError);
  const newcomer = await world.open(4);
  await world.clock.pass(15_000);
  expect(newcomer.status.partitionsHeld).toBe(12);
  expect(await readsAll(world, newcomer)).toBe(true);
});

test("who is away can be removed; who comes back then gives what it has, and goes", async () => {
  const world = await filled(4);
  const [a, b, c, d] = world.stores;
  await expect(world.clock.during(a!.remove(id(4)))).rejects.toMatchObject({ reason: "still-reachable" });
  await d!.close();
  await world.clock.pass(10_000);
  expect(a!.status).toMatchObject({ state: "degraded", members: 4 });
  const plan = await world.clock.during(a!.plan({ kind: "remove", node: id(4) }));
  await a!.commit(plan);
  await world.clock.pass(20_000);
  for (const store of [a!, b!, c!]) expect(store.status).toMatchObject({ state: "online", members: 3 });
  expect(await readsAll(world, b!)).toBe(true);
  const back = await world.open(4);
  await world.clock.pass(15_000);
  await world.clock.pass(20_000);
  expect(back.status.reason).toContain("it was removed from the cluster by 000000");
  expect(world.discarded).toEqual([4]);
});

test("a tab that stays closed is removed after the time of grace, where one is set; if it comes back it gives what only it had", async () => {
  const removeAfterMs = 60_000;
  const world = await filled(4, { removeAfterMs });
  const [a, b, c, d] = world.stores;
  // It was cut off when it took a last write by itself, before it was closed.
  for (const n of [1, 2, 3]) world.hub.cut(id(n), id(4));
  await world.clock.pass(10_000);
  await world.clock.during(d!.put("keys/late", bytes(7), { w: 1 }));
  await d!.close();
  await world.clock.pass(removeAfterMs - 20_000);
  expect(a!.nodes().length).toBe(4);
  await world.clock.pass(60_000);
  for (const store of [a!, b!, c!]) {
    expect(store.status).toMatchObject({ state: "online", members: 3 });
    expect(await readsAll(world, store)).toBe(true);
  }
  world.hub.heal();
  const back = await world.open(4);
  await world.clock.pass(40_000);
  expect(back.status.reason).toContain("it was removed from the cluster");
  expect(world.discarded).toEqual([4]);
  expect((await world.clock.during(b!.get("keys/late"))).values).toEqual([bytes(7)]);
});

test("tokens move off a hot node by plan and commit; nobody gets more or fewer, and nothing is lost", async () => {
  const world = await filled(6);
  const [a, b] = world.stores;
  // Long after the last request nobody has anything to do.
  await world.clock.pass(120_000);
  const even = await world.clock.during(b!.plan({ kind: "move" }));
  expect(even).toMatchObject({ change: { kind: "move" }, refusal: undefined, partitions: 0, swaps: [] });

  // Somebody asks for nothing but what node 4 has.
  const owned = Array.from({ length: KEYS }, (_, n) => `keys/${n}`).filter((key) =>
    a!.preferenceList(key).some(({ node, role }) => node === id(4) && role === "owner"),
  );
  for (let round = 0; round < 60; round++) {
    for (const key of owned) void a!.get(key);
    await world.clock.pass(1_000);
  }
  const busy = b!.nodes().map(({ node, servedPerSecond }) => [node, servedPerSecond] as const);
  expect(new Map(busy).get(id(4))).toBeGreaterThan(0);
  const plan = await world.clock.during(b!.plan({ kind: "move" }));
  expect(plan.refusal).toBeUndefined();
  expect(plan.swaps.length).toBeGreaterThan(0);
  const hot = plan.load.find(({ node }) => node === id(4))!;
  expect(hot.before).toBe(Math.max(...plan.load.map(({ before }) => before)));
  expect(Math.max(...plan.load.map(({ after }) => after))).toBeLessThan(hot.before);
  for (const { before, after } of plan.tokens) expect(after).toBe(before);
  expect(plan.partitions).toBeGreaterThan(0);
  expect(plan.keys).toBeGreaterThan(0);
  expect(plan.bytes).toBeGreaterThan(0);

  const tokens = a!.nodes().map((node) => node.tokens);
  await world.clock.during(b!.commit(plan));
  await expect(world.clock.during(b!.commit(plan))).rejects.toMatchObject({ reason: "outdated" });
  await world.clock.pass(30_000);
  expect(a!.nodes().map((node) => node.tokens)).toEqual(tokens);
  for (const store of world.stores) {
    expect(store.status).toMatchObject({ state: "online", members: 6 });
    expect(await readsAll(world, store)).toBe(true);
  }
  const held = world.stores.reduce((sum, store) => sum + store.status.partitionsHeld, 0);
  expect(held).toBe(3 * 16);
});

test("an operator's slips are refused with the reason, and change nothing", async () => {
  const world = await filled(3);
  const [a, b, c] = world.stores;
  const before = a!.nodes();
  await expect(a!.remove("f00".padEnd(32, "0"))).rejects.toMatchObject({
    code: "membership-change",
    reason: "unknown-node",
    message: expect.stringContaining("There is no member f00000") as string,
  });
  const stale = await world.clock.during(a!.plan({ kind: "remove", node: id(3) }));
  expect(stale.refusal).toMatchObject({ reason: "still-reachable" });
  const d = await world.open(4);
  await world.clock.pass(15_000);
  await c!.close();
  await world.clock.pass(10_000);
  await expect(a!.commit(stale)).rejects.toMatchObject({ reason: "outdated" });
  expect(a!.nodes().length).toBe(before.length + 1);

  // Two of three copies gone for good are more than W allows, until the others have copied what they owe.
  await d.close();
  await world.clock.pass(10_000);
  await a!.remove(id(3));
  await expect(a!.remove(id(4))).rejects.toMatchObject({ reason: "too-few-copies" });
  await a!.remove(id(4), { force: true });
  await world.clock.pass(10_000);
  await expect(a!.remove(id(4))).rejects.toMatchObject({ reason: "already-departed" });
  expect(a!.nodes().map(({ node }) => node)).toEqual([id(1), id(2)]);
  await world.clock.during(b!.leave());
  await expect(a!.leave()).rejects.toMatchObject({ reason: "last-member" });
  expect(await readsAll(world, a!)).toBe(true);
});
