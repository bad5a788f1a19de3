/** Faults that a store is given on purpose: what they do, that they end, and that the status tells of them. */

import { afterEach, expect, test } from "vitest";
import type { Context } from "./api.ts";
import type { NodeId } from "./core/identifiers.ts";
import { MemoryCluster, nodeId } from "./memory-cluster.ts";
import { InvalidFaultError } from "./store-faults.ts";
import type { TabringStore } from "./store.ts";

let cluster: MemoryCluster | undefined;
afterEach(() => cluster?.close());

async function clusterOf(size: number): Promise<MemoryCluster> {
  return (cluster = await MemoryCluster.of(size));
}

const text = (value: string) => new TextEncoder().encode(value);

/** A key that this node owns, and one of the others stands in for. */
function keyOwnedBy(store: TabringStore, node: NodeId): string {
  const keys = Array.from({ length: 200 }, (_, i) => `carts/${i}`);
  const found = keys.find((key) =>
    store.preferenceList(key).some((entry) => entry.role === "owner" && entry.node === node),
  );
  if (found === undefined) throw new Error(`no key has ${node} for an owner`);
  return found;
}

async function contextOf(store: TabringStore, key: string): Promise<Context> {
  return (await cluster!.clock.during(store.get(key))).context;
}

/** What is on a node's own disk. */
async function valuesAt(store: TabringStore, key: string): Promise<readonly (string | undefined)[]> {
  const { record } = await store.inspector.recordsOf(key);
  return record?.set.siblings.map(({ value }) => (value === null ? undefined : new TextDecoder().decode(value))) ?? [];
}

/** How long it takes, by the clock of the cluster, to within its steps. */
async function tookMs({ clock }: MemoryCluster, promise: Promise<unknown>): Promise<number> {
  const began = clock.now();
  await clock.during(promise);
  return clock.now() - began;
}

test("added latency makes each way longer, at both ends; it is told, and ends", async () => {
  const { clock, stores } = await clusterOf(3);
  const [slow, other] = stores as [TabringStore, TabringStore];
  slow.faults.addLatency(300);
  expect([slow.faults.addedLatencyMs, slow.faults.on, slow.status.faults]).toEqual([300, ["latency"], ["latency"]]);
  expect(other.status.faults).toEqual([]);
  expect(await tookMs(cluster!, slow.get("carts/ada", { r: 3 }))).toBeGreaterThanOrEqual(600);
  other.faults.addLatency(200);
  expect(await tookMs(cluster!, slow.get("carts/ada", { r: 3 }))).toBeGreaterThanOrEqual(1_000);
  // It is a fault of the node's messages, which a heal of cuts does not end.
  slow.faults.heal();
  expect(slow.faults.on).toEqual(["latency"]);
  slow.faults.addLatency(0);
  other.faults.addLatency(0);
  await clock.pass(10_000);
  expect(await tookMs(cluster!, slow.get("carts/ada", { r: 3 }))).toBeLessThanOrEqual(100);
});

test("all faults end at once, and a number that is none changes nothing", async () => {
  const { stores } = await clusterOf(1);
  const { faults } = stores[0]!;
  faults.cutOff();
  faults.cutServer(true);
  faults.mute([nodeId(2)]);
  faults.lose(20);
  faults.addLatency(20);
  const caught = { to: nodeId(2), kind: "ping", how: "delay", byMs: 5 } as const;
  faults.catchNext(caught);
  expect(faults.toCatch).toEqual([caught]);
  faults.freeze();
  faults.fillDisk(true);
  faults.skewClock(-5);
  expect(faults.on).toEqual(["cut", "server", "muted", "loss", "latency", "message", "frozen", "disk-full", "clock"]);
  for (const wrong of [-1, 1.5, NaN, 1_001]) expect(() => faults.lose(wrong)).toThrow(InvalidFaultError);
  for (const wrong of [-1, 1.5, NaN, 60_001]) expect(() => faults.addLatency(wrong)).toThrow("from 0 to 60000");
  expect([faults.perMilleLost, faults.addedLatencyMs]).toEqual([20, 20]);
  expect(() => faults.catchNext({ ...caught, byMs: 60_001 })).toThrow("The delay is 60001");
  faults.heal();
  expect(faults.on).toEqual(["server", "loss", "latency", "frozen", "disk-full", "clock"]);
  for (let i = 0; i < 64; i++) faults.catchNext(caught);
  expect(() => faults.catchNext(caught)).toThrow("must be a whole number from 1 to 64");
  faults.endAll();
  expect(faults.on).toEqual([]);
});

/** What the others take the first node for. */
function seenByOthers({ stores }: MemoryCluster): (string | undefined)[] {
  return stores.slice(1).map((store) => store.nodes().find(({ node }) => node === nodeId(1))?.reachability);
}

test("a frozen node answers nobody and is taken for down; thawed it does at once what it was asked, and is up again", async () => {
  const { clock, stores } = await clusterOf(4);
  const [frozen, other] = stores as [TabringStore, TabringStore];
  const owned = keyOwnedBy(frozen, nodeId(1));
  await clock.during(other.put(owned, text("before"), { w: 3 }));
  const events: string[] = [];
  frozen.inspector.observe({ stepped: ({ kind }) => void events.push(kind), stored: () => undefined });
  frozen.faults.freeze();
  expect([frozen.faults.frozen, frozen.status.faults]).toEqual([true, ["frozen"]]);
  const asked = frozen.get(owned);
  await clock.pass(30_000);
  expect(events).toEqual([]);
  expect(seenByOthers(cluster!)).toEqual(["down", "down", "down"]);
  // The others go on without it, and keep a hint for it.
  await clock.during(other.put(owned, text("meanwhile"), { w: 2, context: await contextOf(other, owned) }));
  await clock.pass(1_000);
  expect(stores.reduce((sum, store) => sum + store.status.hintsOwed, 0)).toBe(1);
  frozen.faults.thaw();
  expect(events.length).toBeGreaterThan(0);
  expect(events).toContain("client-get");
  const outcome = await clock.during(asked.then(({ values }) => values.length)).catch((error: unknown) => error);
  expect([1, 2, "QuorumError"]).toContain(outcome instanceof Error ? outcome.name : outcome);
  await clock.pass(60_000);
  expect(seenByOthers(cluster!)).toEqual(["up", "up", "up"]);
  expect(await valuesAt(frozen, owned)).toEqual(["meanwhile"]);
});

test("frozen for a while it thaws by itself; frozen anew meanwhile, by the later one; and closing thaws it", async () => {
  const { clock, stores } = await clusterOf(2);
  const { faults } = stores[0]!;
  faults.freeze(1_000);
  await clock.pass(900);
  faults.freeze(1_000);
  await clock.pass(900);
  expect(faults.frozen).toBe(true);
  await clock.pass(200);
  expect(faults.frozen).toBe(false);
  expect(() => faults.freeze(0)).toThrow(InvalidFaultError);
  faults.freeze(1_000);
  faults.freeze();
  await clock.pass(5_000);
  expect(faults.frozen).toBe(true);
  const asked = stores[0]!.get("carts/ada");
  const closing = stores[0]!.close();
  await expect(clock.during(asked)).rejects.toMatchObject({ code: "not-ready" });
  await clock.during(closing);
});

test("with a full disk a put is kept by others and says so, reading goes on, and with room again it gets what it missed", async () => {
  const { clock, stores } = await clusterOf(4);
  const [full, other] = stores as [TabringStore, TabringStore];
  const owned = keyOwnedBy(full, nodeId(1));
  await clock.during(other.put(owned, text("before"), { w: 3 }));
  full.faults.fillDisk(true);
  expect([full.faults.diskFull, full.status.faults]).toEqual([true, ["disk-full"]]);
  const context = await contextOf(other, owned);
  const put = await clock.during(other.put(owned, text("after"), { w: 2, context }));
  expect(put.report.answered).not.toContain(nodeId(1));
  await clock.pass(2_000);
  expect(await valuesAt(full, owned)).toEqual(["before"]);
  expect((await clock.during(full.get(owned, { r: 2 }))).values).toEqual([text("after")]);
  full.faults.fillDisk(false);
  await clock.pass(90_000);
  expect(await valuesAt(full, owned)).toEqual(["after"]);
});

test("a clock that is ahead wins where the last write wins, and none of the node's timers goes by it", async () => {
  const { clock, stores } = await clusterOf(3);
  const [ahead, right] = stores as [TabringStore, TabringStore];
  ahead.faults.skewClock(3_600_000);
  expect([ahead.faults.clockSkewMs, ahead.status.faults]).toEqual([3_600_000, ["clock"]]);
  const policy = "last-write-wins" as const;
  await clock.during(ahead.put("carts/ada", text("first, and ahead"), { w: 3, policy }));
  await clock.pass(1_000);
  await clock.during(right.put("carts/ada", text("second"), { w: 3, policy }));
  expect((await clock.during(right.get("carts/ada"))).values).toEqual([text("first, and ahead")]);
  await clock.pass(10_000);
  expect(seenByOthers(cluster!)).toEqual(["up", "up"]);
  ahead.faults.skewClock(0);
  await clock.during(ahead.put("carts/ben", text("first"), { w: 3, policy }));
  await clock.pass(1_000);
  await clock.during(right.put("carts/ben", text("second"), { w: 3, policy }));
  expect((await clock.during(right.get("carts/ben"))).values).toEqual([text("second")]);
  expect(() => ahead.faults.skewClock(86_400_001)).toThrow(InvalidFaultError);
});

test("the next write to a replica is dropped: the put is answered by the others, and a read repairs the one that missed it", async () => {
  const { clock, stores } = await clusterOf(3);
  const [writer, missed] = stores as [TabringStore, TabringStore];
  const caught: string[] = [];
  writer.on("caught", ({ fault, message }) => void caught.push(`${fault.how} ${message.kind}`));
  writer.faults.catchNext({ to: nodeId(2), kind: "replica-put", how: "drop", byMs: 0 });
  expect(writer.status.faults).toEqual(["message"]);
  const put = await clock.during(writer.put("carts/ada", text("one"), { w: 2 }));
  expect(put.report.answered).not.toContain(nodeId(2));
  expect([caught, writer.faults.toCatch]).toEqual([["drop replica-put"], []]);
  expect(await valuesAt(missed, "carts/ada")).toEqual([]);
  await clock.during(writer.get("carts/ada", { r: 3 }));
  await clock.pass(2_000);
  expect(await valuesAt(missed, "carts/ada")).toEqual(["one"]);
});

test("a write that comes twice is one write, and one that comes after the next one changes nothing", async () => {
  const { clock, stores } = await clusterOf(3);
  const writer = stores[0]!;
  for (const [n, how] of [
    [2, "duplicate"],
    [3, "delay"],
  ] as const)
    writer.faults.catchNext({ to: nodeId(n), kind: "replica-put", how, byMs: how === "delay" ? 3_000 : 0 });
  const first = await clock.during(writer.put("carts/ada", text("one"), { w: 2 }));
  await clock.during(writer.put("carts/ada", text("two"), { w: 3, context: first.context }));
  await clock.pass(10_000);
  expect(writer.faults.on).toEqual([]);
  for (const store of stores) expect(await valuesAt(store, "carts/ada")).toEqual(["two"]);
});
