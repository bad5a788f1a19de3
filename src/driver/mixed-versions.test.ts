/** Drivers on memory links: what a link's greeting says of a build reaches the node, decides what goes out, and refuses builds with nothing in common. */

import { afterEach, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Lane } from "../core/effect.ts";
import { NewerFormatError, ProtocolVersionError } from "../core/errors.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { PROTOCOL, PROTOCOL_VERSION, type ProtocolRange } from "../core/versions.ts";
import { encodeMeta } from "../wire/record.ts";
import { Driver } from "./driver.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { MemoryDisk, MemoryStorage } from "./memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./memory-transport.ts";

/** Keeps the version of each message that it sends: its first byte. */
class WatchedTransport extends MemoryTransport {
  readonly sent: { readonly to: NodeId; readonly version: number }[] = [];
  override send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    this.sent.push({ to: peer, version: bytes[0]! });
    super.send(peer, bytes, lane);
  }
}

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const clock = new LeapingClock();
let hub = new MemoryHub();
const drivers: Driver[] = [];
const refused: Error[] = [];
afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.close()));
  refused.length = 0;
  hub = new MemoryHub();
});

/** Node 1 founds, all others join by it. */
async function open(n: number, protocol: ProtocolRange, config: Partial<Config> = {}, disk = new MemoryDisk()) {
  const prng = Prng.fromNumber(n);
  const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
  const secret = new Uint8Array(32);
  const transport = new WatchedTransport(hub, { self: id(n), cluster: "c", secret, clock, random, protocol });
  const driver = new Driver({
    id: id(n),
    config: { ...defaultConfig, protocolMax: protocol.max, zone: `zone-${n}`, ...config },
    storage: new MemoryStorage({ disk }),
    transport,
    clock,
    random,
    onRefused: (error) => refused.push(error),
  });
  drivers.push(driver);
  await driver.open();
  if (n === 1) driver.found(parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 }));
  else transport.connect(id(1));
  await clock.pass(20_000);
  return { driver, transport };
}

async function during<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const settled = promise.finally(() => (over = true));
  settled.catch(() => {});
  for (let i = 0; i < 200 && !over; i++) await clock.pass(50);
  return settled;
}

const write = (n: number) => ({
  value: new Uint8Array([n]),
  context: [],
  operation: n.toString(16).padStart(32, "0") as OperationId,
  at: n,
  w: undefined,
});

test("an older build is sent forms that it reads, the others the newest, over real links", async () => {
  const first = await open(1, PROTOCOL);
  const second = await open(2, PROTOCOL);
  const older = await open(3, { min: 1, max: 1 });
  expect(first.driver.inspect()?.protocol).toBe(1);
  for (let n = 1; n <= 20; n++) {
    const [writer, reader] = n % 2 === 0 ? [older, first] : [second, older];
    const key = `carts/${n}` as Key;
    await during(writer.driver.put(key, write(n), id(1 + (n % 3)), undefined));
    const { set } = await during(reader.driver.get(key));
    expect(set.siblings.map(({ value }) => value)).toEqual([new Uint8Array([n])]);
  }
  await clock.pass(60_000);
  for (const { transport } of [first, second])
    expect(transport.sent.filter(({ to, version }) => to === id(3) && version > 1)).toEqual([]);
  expect(older.transport.sent.filter(({ version }) => version > 1)).toEqual([]);
  expect(second.transport.sent.some(({ to, version }) => to === id(1) && version === PROTOCOL_VERSION)).toBe(true);
  expect(refused).toEqual([]);
});

test("builds without a version in common refuse each other, and each names both", async () => {
  const first = await open(1, PROTOCOL);
  const later = await open(2, { min: PROTOCOL_VERSION + 1, max: PROTOCOL_VERSION + 2 });
  expect(first.driver.view?.members).toHaveLength(1);
  expect(later.driver.view).toBeUndefined();
  const told = new Set(refused.map(({ message }) => /speaks protocol [^.]*/.exec(message)?.[0]));
  for (const error of refused) expect(error).toBeInstanceOf(ProtocolVersionError);
  expect(told).toEqual(
    new Set(["speaks protocol 3 to 4, this build 1 to 2", "speaks protocol 1 to 2, this build 3 to 4"]),
  );
});

test("what an operator holds back is not used, though all read it", async () => {
  const first = await open(1, PROTOCOL, { writesProtocol: 1 });
  const second = await open(2, PROTOCOL);
  expect(first.driver.inspect()?.protocol).toBe(1);
  expect(second.driver.inspect()?.protocol).toBe(2);
});

test("a state that a newer build wrote is refused by name, and the disk is left as it is", async () => {
  const disk = new MemoryDisk();
  const value = encodeMeta({ incarnation: 7, view: undefined, unopened: [] });
  value[0] = 99;
  disk.apply([{ store: "meta", key: "node", value }]);
  const before = { value: value.slice(), bytes: disk.bytes };
  await expect(open(1, PROTOCOL, {}, disk)).rejects.toBeInstanceOf(NewerFormatError);
  expect({ value: disk.stores.meta.get("node"), bytes: disk.bytes }).toEqual(before);
});
