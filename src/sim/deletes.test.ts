/**
 * Deletes, whole: three nodes on virtual time, and callers who delete with and without having read, what is there, what is not, and what is in
 * two versions. And one who was away.
 */

import { expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../base/bytes.ts";
import { positionOf, recordAddress } from "../core/address.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Clock, DvvSet } from "../core/dvvset.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const KEY = "carts/ada" as Key;

class World {
  readonly simulator = new Simulator(5, {
    makeNode: (options) => new DynamoNode(options),
    network: calmNetwork,
    storage: calmStorage,
  });
  readonly nodes: NodeId[] = [];
  #operations = 0;

  constructor(more: Partial<Config> = {}) {
    const config = { ...defaultConfig, scrubMs: 1_000, ...more };
    const found = parametersFrom({ n: 3, r: 2, w: 2, partitions: 8 });
    for (const name of ["a", "b", "c"])
      this.nodes.push(
        this.simulator.add({
          name,
          config: { ...config, zone: name },
          found: name === "a" ? found : undefined,
          seeds: this.nodes.slice(0, 1),
        }),
      );
    this.pass(30_000);
  }

  pass(ms: number): void {
    this.simulator.runUntil(this.simulator.now + ms);
  }

  #answer(ask: (answer: (result: ClientResult | undefined) => void) => unknown): ClientResult {
    let got: ClientResult | undefined;
    ask((result) => (got = result));
    this.pass(1_000);
    if (got === undefined) throw new Error("no answer");
    return got;
  }

  put(at: number, value: string | null, context: Clock = []): ClientResult & { outcome: "put" } {
    const operation = (++this.#operations).toString(16).padStart(32, "0") as OperationId;
    const write = {
      value: value === null ? null : utf8Encode(value),
      context,
      operation,
      at: this.#operations,
      w: undefined,
      policy: undefined,
    };
    const result = this.#answer((answer) => this.simulator.put(this.nodes[at]!, KEY, write, {}, answer));
    if (result.outcome !== "put") throw new Error(JSON.stringify(result));
    return result;
  }

  get(at: number): { set: DvvSet; values: string[]; tombstones: number } {
    const result = this.#answer((answer) => this.simulator.get(this.nodes[at]!, KEY, {}, answer));
    if (result.outcome !== "got") throw new Error(JSON.stringify(result));
    const { set } = result;
    const values = set.siblings.flatMap(({ value }) => (value === null ? [] : [utf8Decode(value) ?? "not text"]));
    return { set, values: values.sort(), tombstones: set.siblings.length - values.length };
  }

  onDisk(at: number): DvvSet | undefined {
    return this.simulator.diskOf(this.nodes[at]!).get("records", recordAddress(KEY, positionOf(KEY)))?.set;
  }
}

test("a delete with the context of a read: no value is left, and the read says so with a context", () => {
  const world = new World();
  world.put(0, "one");
  world.put(1, null, world.get(1).set.clock);
  for (const at of [0, 1, 2]) expect(world.get(at)).toMatchObject({ values: [], tombstones: 1 });
  expect(world.get(2).set.clock).not.toEqual([]);
});

test("a delete without a context deletes what it has not seen as little as a put would", () => {
  const world = new World();
  world.put(0, "one");
  world.put(1, null);
  expect(world.get(2)).toMatchObject({ values: ["one"], tombstones: 1 });
});

test("a delete of a key with siblings takes all that its caller had read, and leaves what came meanwhile", () => {
  const world = new World();
  world.put(0, "one");
  world.put(1, "two");
  const read = world.get(2);
  expect(read.values).toEqual(["one", "two"]);
  world.put(2, "three");
  world.put(0, null, read.set.clock);
  expect(world.get(1)).toMatchObject({ values: ["three"], tombstones: 1 });
  world.put(1, null, world.get(1).set.clock);
  expect(world.get(0)).toMatchObject({ values: [], tombstones: 1 });
});

test("a delete of a key that is not there leaves a tombstone, and two blind ones leave two", () => {
  const world = new World();
  world.put(0, null);
  expect(world.get(1)).toMatchObject({ values: [], tombstones: 1 });
  world.put(2, null);
  expect(world.get(1)).toMatchObject({ values: [], tombstones: 2 });
});

test("a put after a delete, with its context, stands alone", () => {
  const world = new World();
  world.put(0, "one");
  const { clock } = world.put(0, null, world.get(0).set.clock);
  world.put(2, "again", clock);
  expect(world.get(1)).toMatchObject({ values: ["again"], tombstones: 0 });
});

test("one who was away hears of the delete by hint, and one who has lost its hint by comparison", () => {
  const world = new World();
  world.put(0, "one");
  world.simulator.crash(world.nodes[2]!);
  world.pass(10_000);
  world.put(0, null, world.get(0).set.clock);
  world.simulator.restart(world.nodes[2]!);
  expect(world.onDisk(2)?.siblings.map(({ value }) => value === null)).toEqual([false]);
  world.pass(60_000);
  expect(world.onDisk(2)?.siblings.map(({ value }) => value)).toEqual([null]);
});

test("a tombstone is reaped when all are there to be asked, and not before", () => {
  const world = new World({ reapAfterMs: 2_000 });
  world.put(0, "one");
  world.simulator.crash(world.nodes[2]!);
  world.pass(10_000);
  const { clock } = world.put(0, null, world.get(0).set.clock);
  world.pass(120_000);
  expect(world.onDisk(0)?.siblings.map(({ value }) => value)).toEqual([null]);
  const kept = world.nodes.slice(0, 2).map((node) => world.simulator.inspect(node)!.reaping);
  expect(kept.flatMap(({ blockedBy }) => blockedBy)).toEqual([{ node: world.nodes[2], why: "unreachable" }]);
  world.simulator.restart(world.nodes[2]!);
  world.pass(120_000);
  for (const at of [0, 1, 2]) expect(world.onDisk(at)).toBeUndefined();
  const reaped = world.nodes.map((node) => world.simulator.statisticsOf(node)!.counts["tombstones-reaped"]);
  expect(reaped).toEqual([1, 1, 1]);
  expect(world.get(1)).toMatchObject({ values: [], tombstones: 0 });
  // Who has the context still may use it.
  world.put(1, "again", clock);
  world.put(2, "and again");
  expect(world.get(0)).toMatchObject({ values: ["again", "and again"], tombstones: 0 });
});

test("by default a tombstone stays, and is counted", () => {
  const world = new World();
  world.put(0, null);
  world.pass(600_000);
  for (const at of [0, 1, 2]) expect(world.onDisk(at)).toBeDefined();
  const counted = world.nodes.map((node) => world.simulator.inspect(node)!.reaping.tombstones);
  expect(counted.sort()).toEqual([0, 0, 1]);
});
