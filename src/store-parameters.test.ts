/** Stores on memory links and memory disks: what the status says of the cluster, and what a newcomer asks of it. */

import { afterEach, expect, test } from "vitest";
import { Prng } from "./base/prng.ts";
import { type ClusterParameters, parametersFrom } from "./core/config.ts";
import { ParametersDifferError } from "./core/errors.ts";
import type { NodeId } from "./core/identifiers.ts";
import { PROTOCOL_VERSION } from "./core/versions.ts";
import { LeapingClock } from "./driver/leaping-clock.ts";
import { MemoryStorage } from "./driver/memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./driver/memory-transport.ts";
import { type StoreTransport, TabringStore } from "./store.ts";

class TestTransport extends MemoryTransport implements StoreTransport {
  readonly seedState = "none";
  setCut(): void {
    throw new Error("nothing is cut here");
  }
  setServerCut(): void {
    throw new Error("there is no server here");
  }
}

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const clock = new LeapingClock();
let hub = new MemoryHub();
const open: TabringStore[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
  hub = new MemoryHub();
});

async function openNode(
  n: number,
  options: {
    zone?: string;
    found?: ClusterParameters;
    expects?: Partial<ClusterParameters>;
    writesProtocol?: number;
  } = {},
): Promise<TabringStore> {
  const prng = Prng.fromNumber(n);
  const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
  const transport = new TestTransport(hub, { self: id(n), cluster: "c", secret: new Uint8Array(32), clock, random });
  const { zone = "z", found, expects, writesProtocol } = options;
  const store = new TabringStore({
    node: id(n),
    cluster: "c",
    storage: new MemoryStorage(),
    transport,
    clock,
    random,
    zone,
    expects,
    writesProtocol,
  });
  open.push(store);
  await store.open(found);
  if (found === undefined) transport.connect(id(1));
  await clock.pass(10_000);
  return store;
}

test("the status tells in how many zones a key lies", async () => {
  const first = await openNode(1, { zone: "east", found: parametersFrom({ partitions: 16 }) });
  expect(first.status).toMatchObject({ zonesOfKeys: 1, oneZone: true });
  await openNode(2, { zone: "east" });
  expect(first.status).toMatchObject({ members: 2, zonesOfKeys: 1, oneZone: true });
  await openNode(3, { zone: "west" });
  await openNode(4, { zone: "west" });
  expect(first.status).toMatchObject({ members: 4, zonesOfKeys: 2, oneZone: false });
  await openNode(5, { zone: "south" });
  expect(first.status).toMatchObject({ members: 5, zonesOfKeys: 3, oneZone: false });
});

test.each([1, 2, 3] as const)("in placement %i tokens and first owners are there to look at", async (placement) => {
  const first = await openNode(1, { found: parametersFrom({ partitions: 32, placement }) });
  const second = await openNode(2);
  expect(first.nodes().map((node) => node.tokens)).toEqual(placement === 3 ? [16, 16] : [8, 8]);
  const { owners } = first.ring();
  expect(owners).toHaveLength(32);
  expect(new Set(owners)).toEqual(new Set([id(1), id(2)]));
  expect(second.ring().owners).toEqual(owners);
  expect(second.status).toMatchObject({ state: "online", partitionsOwned: 32, partitionsHeld: 32 });
});

test("the status tells which version of the protocol all go by, and nodes which one each reads", async () => {
  const first = await openNode(1, { found: parametersFrom({ partitions: 16 }) });
  const held = await openNode(2, { writesProtocol: 1 });
  expect(first.status.protocol).toBe(PROTOCOL_VERSION);
  expect(held.status.protocol).toBe(1);
  expect(first.nodes().map((node) => node.protocol)).toEqual([PROTOCOL_VERSION, PROTOCOL_VERSION]);
});

test("a newcomer joins no cluster with other parameters than it asks for, and says so", async () => {
  await openNode(1, { found: parametersFrom({ n: 3, partitions: 16 }) });
  const wary = await openNode(2, { expects: { n: 5, placement: 1 } });
  expect(wary.status.state).toBe("waiting");
  expect(wary.status.reason).toMatch(/n is 5 here and 3 there, placement is 1 here and 3 there/);
  const refused = expect(wary.ready()).rejects.toBeInstanceOf(ParametersDifferError);
  await clock.pass(10_000);
  await refused;
  const content = await openNode(3, { expects: { n: 3 } });
  expect(content.status).toMatchObject({ state: "online", members: 2 });
});
