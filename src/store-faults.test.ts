/** Faults that a store is given on purpose: what they do, that they end, and that the status tells of them. */

import { afterEach, expect, test } from "vitest";
import { MemoryCluster, nodeId } from "./memory-cluster.ts";
import { InvalidFaultError } from "./store-faults.ts";
import type { TabringStore } from "./store.ts";

let cluster: MemoryCluster | undefined;
afterEach(() => cluster?.close());

async function clusterOf(size: number): Promise<MemoryCluster> {
  return (cluster = await MemoryCluster.of(size));
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
  faults.mute([nodeId(2)]);
  faults.lose(20);
  faults.addLatency(20);
  expect(faults.on).toEqual(["cut", "muted", "loss", "latency"]);
  for (const wrong of [-1, 1.5, NaN, 1_001]) expect(() => faults.lose(wrong)).toThrow(InvalidFaultError);
  for (const wrong of [-1, 1.5, NaN, 60_001]) expect(() => faults.addLatency(wrong)).toThrow("from 0 to 60000");
  expect([faults.perMilleLost, faults.addedLatencyMs]).toEqual([20, 20]);
  faults.endAll();
  expect(faults.on).toEqual([]);
});
