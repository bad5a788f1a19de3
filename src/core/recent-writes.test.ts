import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { type DvvSet, EMPTY, equal, sync, update } from "./dvvset.ts";
import type { Note } from "./effect.ts";
import { ExchangePair, PairDisk, type Side, type StoreFate } from "./exchange-pair.ts";
import type { Actor, Key, OperationId, Partition } from "./identifiers.ts";
import type { Message } from "./message.ts";
import { PAGE_KEYS_MAX } from "./recent-writes.ts";

const PARTITIONS = 4;
const everything: readonly Partition[] = [0, 1, 2, 3];
const keyNamed = (n: number): Key => `carts/${n}` as Key;

let operations = 0;
function put(set: DvvSet, by: string): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  return update(set, set.clock, by.padStart(48, "0") as Actor, {
    operation,
    at: operations,
    value: new Uint8Array([1]),
    checksum: 1,
  }).set;
}

function setOf(disk: PairDisk, key: Key): DvvSet {
  const record = disk.get(key);
  return typeof record === "object" ? record.set : EMPTY;
}
const has = (all: DvvSet, some: DvvSet): boolean => equal(sync(all, some), all);

interface World {
  readonly pair: ExchangePair;
  /** Messages that arrived, by kind. */
  readonly arrived: Message["kind"][];
}

function world(config: Partial<Side["surroundings"]["config"]> = {}, prng?: Prng): World {
  const arrived: Message["kind"][] = [];
  const pair = new ExchangePair({
    partitions: PARTITIONS,
    here: new PairDisk(),
    there: new PairDisk(),
    config,
    ...(prng === undefined ? {} : { prng }),
    passes: (_, { kind }) => {
      arrived.push(kind);
      return true;
    },
  });
  return { pair, arrived };
}

function write(side: Side, n: number): void {
  side.merge(keyNamed(n), put(setOf(side.disk, keyNamed(n)), side.id.slice(-1)));
}

/** Asks for the position of the other side's log, then compares all trees. */
function compare(pair: ExchangePair): void {
  pair.here.recent.start(pair.there.id, everything, false);
  pair.run();
  pair.here.exchange.start(pair.there.id, everything, "both", { kind: "anti-entropy" });
  pair.run();
}

function catchUp(pair: ExchangePair): void {
  expect(pair.here.recent.start(pair.there.id, everything, true)).toBe(true);
  pair.run();
}

const notesOf = (side: Side): Note[] =>
  side.surroundings.notes.filter(({ what }) => what === "caught-up" || what === "log-gap");

describe("a short absence", () => {
  test("is caught up with from the log, in a question and an answer for keys and one for records", () => {
    const { pair, arrived } = world();
    for (let n = 0; n < 20; n++) write(pair.there, n);
    pair.run();
    compare(pair);
    for (const n of [3, 4, 30]) write(pair.there, n);
    pair.run();
    arrived.length = 0;
    catchUp(pair);
    expect(arrived).toEqual(["recent-request", "recent-reply", "fetch-request", "fetch-reply"]);
    expect(pair.here.caughtUp).toEqual(["uncovered", "covered"]);
    expect(notesOf(pair.here)).toMatchObject([{ what: "caught-up", keys: 3, records: 3 }]);
    for (const n of [3, 4, 30]) expect(pair.here.disk.get(keyNamed(n))).toEqual(pair.there.disk.get(keyNamed(n)));
    for (const partition of everything)
      expect(pair.here.forest.root(partition)).toBe(pair.there.forest.root(partition));
  });

  test("survives a reload: what was remembered is on disk", () => {
    const { pair } = world();
    write(pair.there, 1);
    pair.run();
    compare(pair);
    const { caughtUp = [] } = pair.here.recent;
    write(pair.there, 2);
    pair.run();
    pair.restart("here", caughtUp);
    catchUp(pair);
    expect(pair.here.caughtUp).toEqual(["covered"]);
    expect(setOf(pair.here.disk, keyNamed(2))).toEqual(setOf(pair.there.disk, keyNamed(2)));
  });

  test("is not caught up with when the other side was restarted, and nothing is fetched", () => {
    const { pair, arrived } = world();
    write(pair.there, 1);
    pair.run();
    compare(pair);
    pair.restart("there");
    for (let n = 2; n < 8; n++) write(pair.there, n);
    pair.run();
    arrived.length = 0;
    catchUp(pair);
    expect(arrived).toEqual(["recent-request", "recent-reply"]);
    expect(pair.here.caughtUp.at(-1)).toBe("uncovered");
    expect(notesOf(pair.here)).toMatchObject([{ what: "log-gap", partitions: PARTITIONS }]);
    compare(pair);
    write(pair.there, 9);
    pair.run();
    catchUp(pair);
    expect(pair.here.caughtUp.at(-1)).toBe("covered");
  });

  test("with what hints have brought already, nothing is fetched", () => {
    const { pair, arrived } = world();
    compare(pair);
    const set = put(EMPTY, "1");
    for (const side of [pair.here, pair.there]) side.merge(keyNamed(1), set);
    pair.run();
    arrived.length = 0;
    catchUp(pair);
    expect(arrived).toEqual(["recent-request", "recent-reply"]);
    expect(notesOf(pair.here)).toMatchObject([{ keys: 1, records: 0 }]);
  });

  test("in which both sides wrote is evened out on both: what was fetched is merged, and sent back", () => {
    const { pair } = world();
    write(pair.there, 1);
    pair.run();
    compare(pair);
    write(pair.here, 1);
    write(pair.there, 1);
    pair.run();
    catchUp(pair);
    expect(setOf(pair.here.disk, keyNamed(1)).siblings).toHaveLength(2);
    expect(setOf(pair.there.disk, keyNamed(1))).toEqual(setOf(pair.here.disk, keyNamed(1)));
  });

  test("of many changes is told in pages, and each page that is here moves the position", () => {
    const { pair, arrived } = world();
    compare(pair);
    for (let n = 0; n < 2 * PAGE_KEYS_MAX + 1; n++) write(pair.there, n);
    pair.run();
    arrived.length = 0;
    const before = pair.here.advanced;
    catchUp(pair);
    expect(arrived.filter((kind) => kind === "recent-reply")).toHaveLength(3);
    expect(pair.here.advanced - before).toBe(3);
    expect(notesOf(pair.here)).toMatchObject([{ keys: 2 * PAGE_KEYS_MAX + 1 }]);
  });
});

describe("what is remembered", () => {
  test("is nothing of a partition that is not held, and nothing of one whose records were wrong", () => {
    const { pair } = world();
    write(pair.there, 1);
    pair.run();
    compare(pair);
    expect(pair.here.recent.size).toBe(PARTITIONS);
    pair.here.recent.forget(2);
    expect(pair.here.recent.caughtUp).toMatchObject([{ since: [{ partitions: [0, 1, 3] }] }]);
    pair.here.holdAll(false);
    pair.here.recent.onRing();
    expect(pair.here.recent.caughtUp).toBeUndefined();
  });

  test("does not move by a comparison during which a store failed", () => {
    const { pair } = world();
    write(pair.there, 1);
    pair.run();
    compare(pair);
    const before = pair.here.recent.caughtUp;
    write(pair.there, 2);
    pair.run();
    pair.here.recent.start(pair.there.id, everything, false);
    pair.run();
    pair.here.fateOf = () => "lost";
    pair.here.exchange.start(pair.there.id, everything, "both", { kind: "anti-entropy" });
    pair.run();
    expect(pair.here.recent.caughtUp).toEqual(before);
  });

  test("does not move while what is the same is on its way to the disk", () => {
    const { pair, arrived } = world();
    compare(pair);
    const before = pair.here.recent.caughtUp;
    const set = put(EMPTY, "1");
    pair.there.merge(keyNamed(1), set);
    pair.run();
    pair.held.add("here's disk");
    pair.here.merge(keyNamed(1), set);
    pair.run();
    pair.here.recent.start(pair.there.id, everything, true);
    pair.run();
    expect(arrived.at(-1)).toBe("fetch-reply");
    expect(pair.here.recent.caughtUp).toEqual(before);
    pair.held.clear();
    pair.run();
    expect(pair.here.caughtUp.at(-1)).toBe("covered");
    expect(pair.here.recent.caughtUp).not.toEqual(before);
  });
});

test("a peer that is silent is waited for no longer than for any other answer", () => {
  const { pair } = world();
  compare(pair);
  pair.held.add("to there");
  expect(pair.here.recent.start(pair.there.id, everything, true)).toBe(true);
  expect(pair.here.recent.start(pair.there.id, everything, true)).toBe(false);
  pair.pass(2 * pair.here.surroundings.config.transferTimeoutMs);
  expect(pair.here.caughtUp.at(-1)).toBe("failed");
  pair.held.clear();
  pair.run();
  expect(pair.here.caughtUp.at(-1)).toBe("failed");
});

test("a peer that goes away ends it, and nothing was caught up with", () => {
  const { pair } = world();
  compare(pair);
  const before = pair.here.recent.caughtUp;
  write(pair.there, 1);
  pair.run();
  pair.held.add("to here");
  pair.here.recent.start(pair.there.id, everything, true);
  pair.run();
  pair.here.recent.onPeerDown(pair.there.id);
  pair.held.clear();
  pair.run();
  expect([pair.here.caughtUp.at(-1), pair.here.recent.caughtUp]).toEqual(["failed", before]);
});

test("who keeps no log asks for none, and covers nothing", () => {
  const { pair } = world({ recentWritesMax: 0 });
  expect(pair.here.recent.start(pair.there.id, everything, true)).toBe(false);
});

/**
 * Against a naive model: whenever a position is remembered, all that was durable at the other side when it told that position is durable here. Orders,
 * restarts, stores that fail, and the size of the log are drawn. Returns how often the log was all that was needed.
 */
function live(seed: number): number {
  const prng = Prng.fromNumber(seed);
  /** What was on the other side's disk when it first told a position. */
  const told = new Map<string, ReadonlyMap<Key, DvvSet>>();
  const pair = new ExchangePair({
    partitions: PARTITIONS,
    here: new PairDisk(),
    there: new PairDisk(),
    prng: prng.fork(),
    config: { recentWritesMax: prng.pick([2, 12, 1_000])!, cachedRecordsMax: prng.pick([1, 100])! },
    passes: () => true,
  });
  const fate = (): StoreFate => (prng.chance(0.1) ? prng.pick(["lost", "kept"] as const)! : "stored");
  /** Looked at already. */
  const judged: { side: Side | undefined; advanced: number } = { side: undefined, advanced: 0 };
  const look = (): void => {
    const name = `${pair.there.log.id} ${pair.there.log.head}`;
    if (!told.has(name))
      told.set(name, new Map(pair.there.disk.all().map(({ key }) => [key, setOf(pair.there.disk, key)] as const)));
    if (judged.side === pair.here && judged.advanced === pair.here.advanced) return;
    judged.side = pair.here;
    judged.advanced = pair.here.advanced;
    for (const { log, since } of pair.here.recent.caughtUp ?? [])
      for (const { position, partitions } of since)
        for (const [key, set] of told.get(`${log} ${position}`) ?? [])
          if (partitions.includes(pair.here.partitionOfKey(key)))
            expect(has(setOf(pair.here.disk, key), set), `${key} at ${position}`).toBe(true);
  };
  const some = (steps: number): void => {
    for (let i = 0; i < steps && pair.step(); i++) look();
  };
  let covered = 0;
  for (let round = 0; round < 25; round++) {
    for (const side of [pair.here, pair.there]) side.fateOf = fate;
    for (let i = prng.below(6); i > 0; i--) write(prng.chance(0.8) ? pair.there : pair.here, prng.below(16));
    some(prng.below(20));
    if (prng.chance(0.15)) pair.restart("here", pair.here.recent.caughtUp);
    if (prng.chance(0.1)) pair.restart("there");
    look();
    if (pair.here.recent.start(pair.there.id, everything, prng.chance(0.7))) some(prng.below(60));
    some(prng.chance(0.7) ? 10_000 : prng.below(40));
    if (prng.chance(0.6)) {
      pair.here.exchange.start(pair.there.id, everything, "both", { kind: "anti-entropy" });
      some(10_000);
    }
    covered += pair.here.caughtUp.splice(0).filter((outcome) => outcome === "covered").length;
    pair.pass(5_000);
    some(10_000);
  }
  return covered;
}

test("whatever happens, a position says what is so", () => {
  let covered = 0;
  for (let seed = 1; seed <= 20; seed++) covered += live(seed);
  expect(covered).toBeGreaterThan(20);
});
