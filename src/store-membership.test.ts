/** Stores on memory links and disks: previews of membership changes, leaving, removing, and why an operator is refused. */

import { afterEach, expect, test } from "vitest";
import { Prng } from "./base/prng.ts";
import { parametersFrom } from "./core/config.ts";
import type { NodeId } from "./core/identifiers.ts";
import { NEWCOMER } from "./core/membership-plan.ts";
import { MemoryDisk, MemoryStorage } from "./driver/memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./driver/memory-transport.ts";
import type { Clock } from "./driver/ports.ts";
import { DepartedError, MembershipChangeError } from "./operator.ts";
import { type StoreTransport, TabringStore } from "./store.ts";

/** Rings its alarms in order, as fast as the process lets it. */
class TestClock implements Clock {
  #time = 1_000;
  #alarms: { readonly at: number; readonly callback: () => void }[] = [];
  now = () => this.#time;
  wall = () => 1_700_000_000_000 + this.#time;
  after = (delayMs: number, callback: () => void) => {
    const alarm = { at: this.#time + delayMs, callback };
    this.#alarms.push(alarm);
    return () => void (this.#alarms = this.#alarms.filter((other) => other !== alarm));
  };
  async pass(ms: number): Promise<void> {
    const until = this.#time + ms;
    for (;;) {
      for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
      const next = this.#alarms.reduce((a, b) => (b.at < a.at ? b : a), { at: Infinity, callback: () => {} });
      if (next.at > until) break;
      this.#alarms = this.#alarms.filter((alarm) => alarm !== next);
      this.#time = Math.max(this.#time, next.at);
      next.callback();
    }
    this.#time = until;
  }
  /** Lets time pass until the promise has settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const done = promise.finally(() => (over = true));
    done.catch(() => undefined);
    for (let i = 0; i < 600 && !over; i++) await this.pass(100);
    return done;
  }
}

class TestTransport extends MemoryTransport implements StoreTransport {
  readonly seedState = "none";
  setCut(): void {
    throw new Error("nothing is cut here");
  }
}

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const bytes = (n: number) => new Uint8Array([n & 255, n >> 8]);
const KEYS = 60;
const open: TabringStore[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
});

class World {
  readonly clock = new TestClock();
  readonly hub = new MemoryHub();
  readonly disks = new Map<number, MemoryDisk>();
  readonly discarded: number[] = [];

  async open(n: number): Promise<TabringStore> {
    const prng = Prng.fromNumber(n);
    const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
    const { hub, clock } = this;
    const transport = new TestTransport(hub, { self: id(n), cluster: "c", secret: new Uint8Array(32), clock, random });
    const disk = this.disks.get(n) ?? new MemoryDisk();
    this.disks.set(n, disk);
    const store = new TabringStore({
      node: id(n),
      cluster: "c",
      storage: new MemoryStorage({ disk }),
      transport,
      clock,
      random,
      zone: `zone-${n}`,
      discard: () => {
        this.discarded.push(n);
        return Promise.resolve();
      },
    });
    open.push(store);
    await store.open(n === 1 ? parametersFrom({ partitions: 16 }) : undefined);
    if (n > 1) transport.connect(id(1));
    await clock.pass(20_000);
    return store;
  }

  async cluster(size: number): Promise<TabringStore[]> {
    const stores: TabringStore[] = [];
    for (let n = 1; n <= size; n++) stores.push(await this.open(n));
    for (let n = 0; n < KEYS; n++) await this.clock.during(stores[n % size]!.put(`keys/${n}`, bytes(n)));
    await this.clock.pass(10_000);
    return stores;
  }
}

async function readsAll(world: World, store: TabringStore): Promise<boolean> {
  for (let n = 0; n < KEYS; n++) {
    const { values } = await world.clock.during(store.get(`keys/${n}`));
    if (values.length !== 1 || values[0]!.join() !== bytes(n).join()) return false;
  }
  return true;
}

test("a plan says what will move, and then that moves", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(4);
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
  const world = new World();
  const [a] = await world.cluster(3);
  const plan = await world.clock.during(a!.plan({ kind: "join" }));
  expect(plan.moves.every(({ to }) => to === NEWCOMER)).toBe(true);
  expect(plan.partitions).toBe(12);
  await expect(a!.commit(plan)).rejects.toThrow(MembershipChangeError);
  const newcomer = await world.open(4);
  expect(newcomer.status.partitionsHeld).toBe(12);
  expect(await readsAll(world, newcomer)).toBe(true);
});

test("who is away can be removed; who comes back then gives what it has, and goes", async () => {
  const world = new World();
  const [a, b, c, d] = await world.cluster(4);
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
  await world.clock.pass(20_000);
  expect(back.status.reason).toContain("it was removed from the cluster by 000000");
  expect(world.discarded).toEqual([4]);
});

test("an operator's slips are refused with the reason, and change nothing", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(3);
  const before = a!.nodes();
  await expect(a!.remove("f00".padEnd(32, "0"))).rejects.toMatchObject({
    code: "membership-change",
    reason: "unknown-node",
    message: expect.stringContaining("There is no member f00000") as string,
  });
  const stale = await world.clock.during(a!.plan({ kind: "remove", node: id(3) }));
  expect(stale.refusal).toMatchObject({ reason: "still-reachable" });
  const d = await world.open(4);
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
