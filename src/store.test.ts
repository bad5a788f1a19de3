/** Stores on memory links and disks: what a store says of itself and of its cluster. The rest is tested in real tabs. */

import { afterEach, expect, test } from "vitest";
import { Prng } from "./base/prng.ts";
import { defaultParameters } from "./core/config.ts";
import { InvalidKeyError, NotReadyError, TooManySiblingsError, WrongSecretError } from "./core/errors.ts";
import type { NodeId } from "./core/identifiers.ts";
import { LeapingClock } from "./driver/leaping-clock.ts";
import { MemoryDisk, MemoryStorage } from "./driver/memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./driver/memory-transport.ts";
import { InvalidClusterOptionsError, newCluster, openStore, type StoreTransport, TabringStore } from "./store.ts";

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const bytes = (n: number) => new Uint8Array([n]);
const stores: TabringStore[] = [];

class World {
  readonly clock = new LeapingClock();
  readonly hub = new MemoryHub();
  readonly stores: TabringStore[] = [];

  async open(n: number, light = false, secret = new Uint8Array(32)): Promise<TabringStore> {
    const prng = Prng.fromNumber(n);
    const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
    const options = { self: id(n), cluster: "test", secret, clock: this.clock, random };
    const memory = new MemoryTransport(this.hub, options);
    const transport: StoreTransport = Object.assign(memory, {
      setCut: () => undefined,
      setServerCut: () => undefined,
      seedState: "none" as const,
    });
    const store = new TabringStore({
      node: id(n),
      cluster: "test",
      storage: new MemoryStorage({ disk: new MemoryDisk() }),
      transport,
      clock: this.clock,
      random,
      zone: `zone-${n}`,
      light,
    });
    stores.push(store);
    await store.open(n === 1 ? { ...defaultParameters, partitions: 16 } : undefined);
    if (n > 1) memory.connect(id(1));
    await this.clock.pass(5_000);
    return store;
  }

  async cluster(size: number): Promise<TabringStore[]> {
    for (let n = 1; n <= size; n++) this.stores.push(await this.open(n));
    await this.clock.pass(20_000);
    return this.stores;
  }
}

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

test("a store tells what its callers saw, and what those of the whole cluster saw", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(3);
  const { clock } = world;
  await clock.pass(60_000);
  for (let n = 0; n < 10; n++) {
    await clock.during(a!.put(`carts/${n}`, bytes(n)));
    await clock.during(b!.get(`carts/${n}`));
  }
  await clock.during(c!.put("carts/0", bytes(99)));
  await clock.during(c!.get("carts/0"));
  expect(a!.statistics()).toMatchObject({ puts: { requests: 10, answered: 10 }, gets: { requests: 0 } });
  expect(b!.statistics()).toMatchObject({ versionsSeen: [0, 10, 0, 0, 0], answeredShare: 1, inTimeShare: 1 });
  expect(b!.statistics().gets.latency.count).toBe(10);

  await clock.pass(60_000);
  const all = await clock.during(a!.clusterStatistics());
  expect(all.members.map(({ node }) => node)).toEqual([id(1), id(2), id(3)]);
  expect(all.silent).toEqual([]);
  expect(all.merged).toMatchObject({
    puts: { requests: 11, answered: 11, timedOut: 0 },
    gets: { requests: 11 },
    versionsSeen: [0, 10, 1, 0, 0],
  });
  // Three nodes hold everything three times: each serves all.
  expect(all.balance.outOfBalance).toEqual([]);
  expect(all.balance.nodes.map(({ perMinute, minutes }) => perMinute * minutes)).toEqual([22, 22, 22]);
});

test("a member that is gone is named, and a caller may give up", async () => {
  const world = new World();
  const [a, , c] = await world.cluster(3);
  const given = new AbortController();
  world.hub.cut(id(1), id(2));
  const waiting = a!.clusterStatistics({ signal: given.signal });
  given.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(a!.clusterStatistics({ signal: given.signal })).rejects.toThrow("enough");
  const cut = await world.clock.during(a!.clusterStatistics({ timeoutMs: 300 }));
  expect(cut.silent).toEqual([id(2)]);
  world.hub.heal();
  await c!.close();
  await world.clock.pass(10_000);
  expect((await world.clock.during(a!.clusterStatistics())).silent).toEqual([id(3)]);
  await expect(c!.clusterStatistics()).rejects.toThrow(NotReadyError);
});

test("a canary sees the store as a caller does, in a bucket that callers are refused", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(3);
  const canary = a!.startCanary({ intervalMs: 1_000 });
  expect(a!.startCanary()).toBe(canary);
  await world.clock.pass(9_500);
  expect(canary.report).toMatchObject({ rounds: 10, succeeded: 10, stale: 0, availability: 1 });
  expect(a!.statistics()).toMatchObject({ puts: { answered: 10 }, gets: { answered: 11 } });

  await Promise.all([b!.close(), c!.close()]);
  await world.clock.pass(30_000);
  expect(canary.report.availability).toBeLessThan(1);
  expect(canary.report.recent[0]).toMatchObject({ error: "quorum" });

  canary.stop();
  const { rounds } = canary.report;
  await world.clock.pass(30_000);
  expect(canary.report.rounds).toBe(rounds);
  expect(a!.startCanary()).not.toBe(canary);

  const key = `$canary/${id(1)}`;
  await expect(a!.get(key)).rejects.toThrow(InvalidKeyError);
  await expect(a!.put(key, bytes(1))).rejects.toThrow(InvalidKeyError);
  await expect(a!.delete(key)).rejects.toThrow(InvalidKeyError);
  for (const intervalMs of [999, 3_600_001, Number.NaN])
    expect(() => a!.startCanary({ intervalMs })).toThrow(InvalidClusterOptionsError);
});

test("a closed store's canary is still", async () => {
  const world = new World();
  const [a] = await world.cluster(1);
  const canary = a!.startCanary({ intervalMs: 1_000 });
  await world.clock.pass(3_500);
  await a!.close();
  const { rounds } = canary.report;
  expect(rounds).toBe(4);
  await world.clock.pass(10_000);
  expect(canary.report.rounds).toBe(rounds);
  expect(() => a!.startCanary()).toThrow(NotReadyError);
});

test("a key with 25 siblings is warned of, at 100 a put is refused, and one that has read them is not", async () => {
  const world = new World();
  const store = await world.open(1);
  const warnings: [string, string, number][] = [];
  store.on("warning", ({ kind, key, count }) => warnings.push([kind, key, count]));
  const put = () => world.clock.during(store.put("carts/ada", bytes(1)));
  for (let i = 1; i <= 24; i++) await put();
  expect(warnings).toEqual([]);
  await put();
  expect(warnings).toEqual([["many-siblings", "carts/ada", 25]]);
  for (let i = 26; i <= 100; i++) await put();
  await expect(put()).rejects.toBeInstanceOf(TooManySiblingsError);
  const { context, values } = await world.clock.during(store.get("carts/ada"));
  expect(values).toHaveLength(100);
  await expect(world.clock.during(store.put("carts/ada", bytes(2), { context }))).resolves.toMatchObject({
    siblings: 1,
  });
});

test("a store says how background work gives way, who is slow and who is hidden", async () => {
  const world = new World();
  const [first, second] = [await world.open(1), await world.open(2)];
  await world.clock.pass(10_000);
  expect(first.status).toMatchObject({ background: { share: 1, why: "idle", waiting: [] }, patience: 1 });
  second.setHidden(true);
  await world.clock.pass(3_000);
  expect(first.nodes().map(({ hidden, slow }) => [hidden, slow])).toEqual([
    [false, false],
    [true, false],
  ]);
  await world.clock.during(first.get("carts/ada"));
  expect(first.status.background.why).toBe("steady");
});

test("a light client reads and writes beside the members, is none of them, and says what it is", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(3);
  const light = await world.open(9, true);
  await world.clock.during(light.ready());
  expect(light.status).toMatchObject({
    role: "light",
    state: "online",
    members: 3,
    reachable: 3,
    partitionsOwned: 0,
    partitionsHeld: 0,
    hintsOwed: 0,
  });
  expect(a!.status).toMatchObject({ role: "member", light: undefined });

  const { context, report } = await world.clock.during(light.put("carts/ada", bytes(1)));
  expect(report.coordinator).not.toBe(id(9));
  expect((await world.clock.during(c!.get("carts/ada"))).values).toEqual([bytes(1)]);
  await world.clock.during(b!.put("carts/ada", bytes(2), { context }));
  expect((await world.clock.during(light.get("carts/ada"))).values).toEqual([bytes(2)]);

  for (const store of [a!, b!, c!, light]) {
    expect(store.nodes().map(({ node }) => node)).toEqual([id(1), id(2), id(3)]);
    expect(store.preferenceList("carts/ada").map(({ node }) => node)).not.toContain(id(9));
  }
  // Its view grows older until the next turn.
  await world.clock.pass(30_000);
  expect(light.status.light!.refreshes).toBeGreaterThanOrEqual(3);
  expect(light.status.light!.viewAgeMs).toBeLessThanOrEqual(12_500);
  expect(() => light.startCanary()).toThrow(InvalidClusterOptionsError);
});

test("a light client goes on without a member that is gone, says when nobody answers, and finds one that is back", async () => {
  const world = new World();
  const [a, b, c] = await world.cluster(3);
  const light = await world.open(9, true);
  await world.clock.during(light.ready());
  await b!.close();
  for (let n = 0; n < 10; n++) await world.clock.during(light.put(`carts/${n}`, bytes(n)));
  for (let n = 0; n < 10; n++) expect((await world.clock.during(light.get(`carts/${n}`))).values).toEqual([bytes(n)]);
  await world.clock.pass(10_000);
  expect(light.status).toMatchObject({ state: "degraded", members: 3, reachable: 2 });

  world.hub.cut(id(9), id(1));
  world.hub.cut(id(9), id(3));
  await world.clock.pass(30_000);
  expect(light.status).toMatchObject({ state: "alone", reachable: 0 });
  expect(light.status.reason).toMatch(/None of 3 nodes/);
  await expect(world.clock.during(light.get("carts/1"))).rejects.toThrow(/in time/);
  world.hub.heal();
  await world.clock.pass(60_000);
  expect((await world.clock.during(light.get("carts/1"))).values).toEqual([bytes(1)]);
  expect([a!.status.members, c!.status.members]).toEqual([3, 3]);
});

test("a light client without the cluster's secret is let in by nobody", async () => {
  const world = new World();
  await world.cluster(2);
  const stranger = await world.open(9, true, new Uint8Array(32).fill(7));
  await expect(world.clock.during(stranger.ready())).rejects.toThrow(WrongSecretError);
  expect(stranger.status).toMatchObject({ role: "light", state: "waiting", members: 0 });
  expect(stranger.nodes()).toEqual([]);
  await expect(stranger.get("carts/ada")).rejects.toThrow(NotReadyError);
});

test("a light client cannot found a cluster or keep a canary, and says so before anything is opened", async () => {
  const options = { ...newCluster(), seeds: [], light: true };
  await expect(openStore({ ...options, found: true })).rejects.toThrow(/cannot found a cluster/);
  await expect(openStore({ ...options, canaryMs: 5_000 })).rejects.toThrow(/no canary/);
  await expect(openStore({ ...options, cluster: "a b" })).rejects.toThrow(/cannot be a cluster's id/);
});

test("without a server: no address beside it, and no room where the browser has no locks", async () => {
  const near = { ...newCluster(), seeds: ["same-browser"] };
  await expect(openStore({ ...near, seeds: ["same-browser", "ws://localhost/signal"] })).rejects.toThrow(
    /stands for no server at all.*Nothing was opened/s,
  );
  await expect(openStore({ ...near, light: true })).rejects.toMatchObject({ code: "insecure-context" });
});
