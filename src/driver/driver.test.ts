/** Whole nodes on memory links and memory disks, through the real codec, links and group commit: the driver's own duties. */

import { afterEach, describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { defaultConfig, defaultParameters, parametersFrom } from "../core/config.ts";
import { InvalidBucketError, NotReadyError, QuorumError, StorageError, type TabringError } from "../core/errors.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { Driver } from "./driver.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { MemoryDisk, MemoryStorage } from "./memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./memory-transport.ts";

/** Lets everything that is under way in this process run to its end. */
async function idle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const key = (text: string) => text as Key;
const bytes = (n: number) => new Uint8Array([n]);
let operations = 0;
const write = (n: number, w?: number) => ({
  value: bytes(n),
  context: [],
  operation: (++operations).toString(16).padStart(32, "0") as OperationId,
  at: n,
  w,
  policy: "siblings" as const,
});

class World {
  readonly clock = new LeapingClock();
  readonly hub = new MemoryHub();
  readonly refused: Error[] = [];
  readonly transports = new Map<NodeId, MemoryTransport>();
  readonly drivers: Driver[] = [];
  #seed = 1;

  async open(n: number, disk = new MemoryDisk(), storage = new MemoryStorage({ disk })): Promise<Driver> {
    const prng = Prng.fromNumber(this.#seed++);
    const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
    const transport = new MemoryTransport(this.hub, {
      self: id(n),
      cluster: "test",
      secret: new Uint8Array(32),
      clock: this.clock,
      random,
    });
    this.transports.set(id(n), transport);
    const driver = new Driver({
      id: id(n),
      config: defaultConfig,
      storage,
      transport,
      clock: this.clock,
      random,
      onRefused: (error) => this.refused.push(error),
    });
    this.drivers.push(driver);
    await driver.open();
    await this.clock.pass(10);
    return driver;
  }

  async cluster(size: number): Promise<Driver[]> {
    const drivers: Driver[] = [];
    for (let n = 1; n <= size; n++) {
      const driver = await this.open(n);
      if (n === 1) driver.found({ ...defaultParameters, partitions: 16 });
      else this.transports.get(id(n))!.connect(id(1));
      await this.clock.pass(5_000);
      drivers.push(driver);
    }
    await this.clock.pass(20_000);
    return drivers;
  }

  /** Awaits a result while time passes. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const settled = promise.finally(() => (over = true));
    settled.catch(() => {});
    for (let i = 0; i < 200 && !over; i++) await this.clock.pass(50);
    return settled;
  }
}

let world = new World();
afterEach(async () => {
  await Promise.all(world.drivers.map((driver) => driver.close()));
  world = new World();
});

describe("driver", () => {
  test("a cluster with other parameters is refused once, with both values named", async () => {
    const first = await world.open(1);
    first.found({ ...defaultParameters, partitions: 16 });
    const second = await world.open(2);
    second.found(parametersFrom({ partitions: 16, placement: 1, tokensPerNode: 4 }));
    world.transports.get(id(2))!.connect(id(1));
    await world.clock.pass(10_000);
    const messages = world.refused.map((error) => (error as TabringError).code + ": " + error.message);
    expect(messages).toHaveLength(2);
    for (const message of messages)
      expect(message).toMatch(/^parameters-differ: .*placement is [13] here and [13] there/);
    expect(first.view!.members).toHaveLength(1);
    expect(second.view!.members).toHaveLength(1);
  });

  test("three nodes: what one puts the others get, and a restart finds it on the disk", async () => {
    const disk = new MemoryDisk();
    const first = await world.open(1, disk);
    first.found({ ...defaultParameters, partitions: 16 });
    for (const n of [2, 3]) {
      await world.open(n);
      world.transports.get(id(n))!.connect(id(1));
      await world.clock.pass(10_000);
    }
    await world.during(world.drivers[1]!.put(key("a"), write(7), undefined, undefined));
    expect((await world.during(world.drivers[2]!.get(key("a"), undefined, undefined))).set.siblings[0]!.value).toEqual(
      bytes(7),
    );
    await first.close();
    const again = await world.open(1, disk);
    await world.clock.pass(5_000);
    expect(again.view?.members).toHaveLength(3);
    expect((await world.during(again.get(key("a"), { r: 1 }, undefined))).set.siblings[0]!.value).toEqual(bytes(7));
  });

  test("a put is answered only when the disk has it", async () => {
    const storage = new MemoryStorage();
    const driver = await world.open(1, undefined, storage);
    driver.found({ ...defaultParameters, partitions: 16 });
    await world.clock.pass(1_000);
    storage.holdCommits();
    let answered = false;
    const put = driver.put(key("a"), write(1), undefined, undefined).then(() => (answered = true));
    await world.clock.pass(1_000);
    expect(answered).toBe(false);
    storage.releaseCommits();
    await world.during(put);
    expect(answered).toBe(true);
  });

  test("a disk that refuses is a StorageError, and nothing is taken for missing", async () => {
    const storage = new MemoryStorage();
    const driver = await world.open(1, undefined, storage);
    driver.found({ ...defaultParameters, partitions: 16 });
    await world.clock.pass(1_000);
    storage.failNextRead();
    await expect(world.during(driver.get(key("a"), undefined, undefined))).rejects.toBeInstanceOf(QuorumError);
    // Twice: a put whose own disk refused before anything was sent is tried once more.
    storage.failNextRead();
    storage.failNextRead();
    await expect(world.during(driver.put(key("a"), write(1), undefined, undefined))).rejects.toBeInstanceOf(
      StorageError,
    );
    await world.during(driver.put(key("a"), write(2), undefined, undefined));
    expect((await world.during(driver.get(key("a"), undefined, undefined))).set.siblings).toHaveLength(1);
  });

  test("a quorum that cannot be had is a QuorumError that names who was silent", async () => {
    const drivers = await world.cluster(3);
    await drivers[1]!.close();
    await drivers[2]!.close();
    await world.clock.pass(10_000);
    const failure = await world
      .during(drivers[0]!.put(key("a"), write(1), undefined, undefined))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(QuorumError);
    expect((failure as QuorumError).silent).toEqual(expect.arrayContaining([id(2), id(3)]));
    await expect(world.during(drivers[0]!.put(key("a"), write(2, 1), undefined, undefined))).resolves.toMatchObject({
      outcome: "put",
    });
  });

  test("a record whose bytes are damaged on the disk is not served, whichever bit it is, by a read or after a new start", async () => {
    const disk = new MemoryDisk();
    const first = await world.open(1, disk);
    first.found({ ...defaultParameters, partitions: 16 });
    await world.clock.pass(1_000);
    await world.during(first.put(key("a"), write(7), undefined, undefined));
    await first.close();
    const [address] = disk.stores.records.keys();
    const sound = disk.stores.records.get(address!)!;
    for (let bit = 0; bit < 8 * sound.length; bit += 5) {
      const value = sound.slice();
      value[bit >> 3]! ^= 1 << (bit & 7);
      disk.apply([{ store: "records", key: address!, value }]);
      const again = await world.open(1, disk);
      await world.clock.pass(1_000);
      const answer = await world.during(again.get(key("a"), undefined, undefined)).catch((error: unknown) => error);
      expect([bit, answer]).toEqual([bit, expect.any(QuorumError)]);
      await again.close();
    }
  });

  test("owners that cannot be had are named as such, for a get and for a put", async () => {
    const [first] = await world.cluster(3);
    const nobody = { r: undefined, pr: 0 };
    expect((await world.during(first!.get(key("a"), nobody))).report.ownersNeeded).toBe(0);
    await Promise.all(world.drivers.slice(1).map((driver) => driver.close()));
    await world.clock.pass(10_000);
    const refusal = async (promise: Promise<unknown>) => {
      const error: unknown = await world.during(promise).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(QuorumError);
      return error as QuorumError;
    };
    const put = await refusal(first!.put(key("a"), { ...write(1, 1), pw: 2 }, undefined, undefined));
    expect(put).toMatchObject({ needed: 2, ownersNeeded: 2, ownersAnswered: 0 });
    expect(put.message).toMatch(
      /2 of them owners that hold the partition \(pw\).*0 of them such an owner.*lower w or pw/,
    );
    const get = await refusal(first!.get(key("a"), { r: 1, pr: 2 }));
    expect(get.message).toMatch(/\(pr\).*Nothing was changed. Lower r or pr/);
    expect((await refusal(first!.get(key("a"), { r: 2 }))).message).not.toMatch(/owner/);
  });

  test("writes reach the disk as they are to be kept: one of N strictly, all with dw, from memory when the node closes", async () => {
    const storages = [new MemoryStorage(), new MemoryStorage()];
    const first = await world.open(1, undefined, storages[0]);
    first.found({ ...defaultParameters, n: 2, r: 1, w: 1, partitions: 16 });
    await world.clock.pass(5_000);
    const second = await world.open(2, undefined, storages[1]);
    world.transports.get(id(2))!.connect(id(1));
    await world.clock.pass(20_000);
    const strictBy = async (act: () => Promise<unknown>) => {
      const before = storages.map((storage) => storage.counts.strict);
      await world.during(act());
      await world.clock.pass(20);
      return storages.map((storage, i) => storage.counts.strict - before[i]!);
    };
    expect(await strictBy(() => first.put(key("a"), write(1), undefined, undefined))).toEqual([0, 1]);
    expect(await strictBy(() => second.put(key("b"), write(1), undefined, undefined))).toEqual([1, 0]);
    expect(await strictBy(() => first.put(key("c"), { ...write(1), dw: 2 }, undefined, undefined))).toEqual([1, 1]);

    const bucket = { r: undefined, w: undefined, pr: undefined, pw: undefined, dw: undefined, buffered: true };
    await world.during(first.setBucket("views", { ...bucket, policy: "siblings" }));
    await world.during(first.put(key("views/a"), write(1), undefined, undefined));
    await world.clock.pass(1_000);
    const commits = storages[0]!.counts.commits;
    const put = await world.during(first.put(key("views/b"), write(1), undefined, undefined));
    expect([put.report.inMemory, storages[0]!.counts.commits]).toEqual([1, commits]);
    await first.close();
    expect(storages[0]!.counts.commits).toBe(commits + 1);

    await world.clock.pass(10_000);
    const failure: unknown = await world
      .during(second.put(key("d"), { ...write(1), dw: 2 }, undefined, undefined))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(QuorumError);
    expect((failure as QuorumError).message).toMatch(/2 of them with strict commits \(dw\).*lower w or dw/);
  });

  test("a bucket is set when it is on the disk here, and heard of by the others; what cannot be is refused by name", async () => {
    const none = { r: undefined, w: undefined, pr: undefined, pw: undefined, dw: undefined };
    const alone = await world.open(9);
    await expect(alone.setBucket("carts", { ...none, policy: "siblings" })).rejects.toBeInstanceOf(NotReadyError);
    await alone.close();
    await expect(alone.setBucket("carts", { ...none, policy: "siblings" })).rejects.toBeInstanceOf(NotReadyError);
    const [first, second, third] = await world.cluster(3);
    await world.during(first!.setBucket("sessions", { ...none, w: 3, policy: "last-write-wins" }));
    await world.clock.pass(2_000);
    for (const driver of [second, third]) expect(driver!.view?.buckets).toEqual(first!.view?.buckets);
    const blind = async () =>
      world.during(second!.put(key("sessions/a"), { ...write(++operations), policy: undefined }, undefined, undefined));
    await blind();
    expect(await blind()).toMatchObject({ siblings: 1, report: { needed: 3 } });
    await expect(world.during(first!.setBucket("a/b", { ...none, policy: "siblings" }))).rejects.toThrow(
      InvalidBucketError,
    );
    await expect(world.during(first!.setBucket("a", { ...none, r: 9, policy: "siblings" }))).rejects.toThrow(
      /r is 9.*Nothing was changed/,
    );
  });

  test("a change of the membership is told when it is on the disk; closing rejects whoever waits for it, or for sizes", async () => {
    const storages = [new MemoryStorage(), new MemoryStorage()];
    const first = await world.open(1, undefined, storages[0]);
    first.found({ ...defaultParameters, n: 1, r: 1, w: 1, partitions: 16 });
    const second = await world.open(2, undefined, storages[1]);
    world.transports.get(id(2))!.connect(id(1));
    await world.clock.pass(20_000);
    const leave = { kind: "leave", planned: undefined } as const;
    storages[1]!.holdCommits();
    let told = false;
    const left = second.changeMembership(leave).then((refusal) => ((told = true), refusal));
    await world.clock.pass(1_000);
    expect(told).toBe(false);
    storages[1]!.releaseCommits();
    await expect(world.during(left)).resolves.toBeUndefined();

    await second.close();
    await world.clock.pass(20_000);
    storages[0]!.holdCommits();
    const removal = first.changeMembership({ kind: "remove", node: id(2), force: true, planned: undefined });
    const sizes = first.sizes([0], 60_000);
    const outcomes = Promise.allSettled([removal, sizes]);
    await idle();
    const closing = first.close();
    const [changed, sized] = await outcomes;
    expect(String((changed as PromiseRejectedResult).reason)).toMatch(/look at the members/);
    expect(sized.status).toBe("rejected");
    storages[0]!.releaseCommits();
    await closing;
  });

  test("bytes that do not parse end the link, are named, and change nothing", async () => {
    const drivers = await world.cluster(2);
    world.transports.get(id(2))!.send(id(1), new Uint8Array([1, 2, 3]), "foreground");
    await world.clock.pass(100);
    expect(world.refused[0]).toMatchObject({ name: "MalformedMessageError" });
    expect(drivers[0]!.linkOf(id(2))).toBeUndefined();
    await world.clock.pass(10_000);
    expect(drivers[0]!.linkOf(id(2))).toBe("memory");
  });

  test("an aborted request rejects with the signal's reason, and closing rejects what is under way", async () => {
    const storage = new MemoryStorage();
    const driver = await world.open(1, undefined, storage);
    driver.found({ ...defaultParameters, partitions: 16 });
    await world.clock.pass(1_000);
    storage.holdCommits();
    const controller = new AbortController();
    const aborted = driver.put(key("a"), write(1), undefined, undefined, controller.signal);
    const closed = driver.put(key("b"), write(1), undefined, undefined);
    await idle();
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    storage.releaseCommits();
    storage.holdCommits();
    const closing = driver.close();
    await expect(closed.catch((error: unknown) => error)).resolves.toBeDefined();
    storage.releaseCommits();
    await closing;
    await expect(driver.get(key("a"), undefined, undefined)).rejects.toBeInstanceOf(NotReadyError);
  });
});
