/** Exchanges between two holders, over disks and links whose pace the test draws: what is where afterwards, what went over the link, and what ends one. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { positionOf } from "./address.ts";
import type { Config } from "./config.ts";
import { type DvvSet, EMPTY, equal, sync, update } from "./dvvset.ts";
import { ExchangePair, PairDisk, type PairOptions, type Side } from "./exchange-pair.ts";
import type { Actor, Key, OperationId, Partition } from "./identifiers.ts";
import { LEAVES_PER_PARTITION, leafOf } from "./merkle-forest.ts";
import type { Message } from "./message.ts";
import { nodeNamed } from "./stub-surroundings.ts";
import { type Direction, EXCHANGES_MAX } from "./tree-exchange.ts";

const PARTITIONS = 4;
const EVERYTHING: readonly Partition[] = [0, 1, 2, 3];
const DIRECTIONS = ["both", "pull", "push"] as const;
const REPAIR = { kind: "anti-entropy" } as const;

const actors = ["a", "b", "c", "d"].map((letter) => letter.repeat(48) as Actor);
let operations = 0;
function put(set: DvvSet, actor: number, value = new Uint8Array([actor])): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  return update(set, set.clock, actors[actor]!, { operation, at: operations, value, checksum: operations }).set;
}

/** Six keys of each of three leaves, two of them next to each other, and twenty that lie anywhere. */
const keys = ((): readonly Key[] => {
  const byLeaf = new Map<number, Key[]>();
  for (let i = 0; i < 24_000; i++) {
    const key = `carts/${i}` as Key;
    const leaf = leafOf(positionOf(key), PARTITIONS);
    (byLeaf.get(leaf) ?? byLeaf.set(leaf, []).get(leaf)!).push(key);
  }
  const together = [8, 9, 2 * LEAVES_PER_PARTITION + 77].flatMap((leaf) => byLeaf.get(leaf)!.slice(0, 6));
  const anywhere = Array.from({ length: 20 }, (_, i) => `sessions/${i}` as Key);
  return [...together, ...anywhere];
})();
const [first, second, third] = keys as [Key, Key, Key];
const partitionOfKey = (key: Key): Partition => Math.floor(leafOf(positionOf(key), PARTITIONS) / LEAVES_PER_PARTITION);

/** What the two sides have of a key. "damaged": both had the same, and one of them cannot read it any more. */
const relations = [
  "nowhere",
  "here",
  "there",
  "same",
  "older here",
  "older there",
  "diverged",
  "damaged here",
  "damaged there",
  "damaged",
] as const;
type Relation = (typeof relations)[number];
type Had = DvvSet | "damaged" | undefined;
function related(relation: Relation): readonly [here: Had, there: Had] {
  const base = put(EMPTY, 0);
  switch (relation) {
    case "nowhere":
      return [undefined, undefined];
    case "here":
      return [base, undefined];
    case "there":
      return [undefined, base];
    case "same":
      return [base, { ...base }];
    case "older here":
      return [base, put(base, 1)];
    case "older there":
      return [put(base, 1), base];
    case "diverged":
      return [put(base, 1), put(base, 2)];
    case "damaged here":
      return ["damaged", base];
    case "damaged there":
      return [base, "damaged"];
    case "damaged":
      return ["damaged", "damaged"];
  }
}
const join = (a: Had, b: Had): Had => {
  if (a === undefined || a === "damaged") return b === "damaged" ? (a ?? b) : (b ?? a);
  return b === undefined || b === "damaged" ? a : sync(a, b);
};

type Contents = ReadonlyMap<Key, Had>;
function diskWith(contents: Contents): PairDisk {
  const disk = new PairDisk();
  const entries = [...contents].flatMap(([key, had]) => (had === undefined ? [] : [[key, had] as const]));
  disk.fill(entries.map(([key, had]) => [key, had === "damaged" ? EMPTY : had] as const));
  for (const [key, had] of entries) if (had === "damaged") disk.replace(key, had);
  return disk;
}
function contentsOf(side: Side): Contents {
  return new Map(
    side.disk.all().map(({ key, record }) => {
      if (record === "failed") throw new Error("a disk of the test reads everything");
      return [key, record === "damaged" ? record : record.set];
    }),
  );
}
/** As plain data, so that a difference reads well. */
const plain = (contents: Contents): unknown =>
  Object.fromEntries(
    [...contents]
      .filter(([, had]) => had !== undefined)
      .map(
        ([key, had]) => [key, had === "damaged" ? had : { clock: had!.clock, siblings: had!.siblings.length }] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

/** Two sides with these contents, and every message that went between them. */
function pairWith(here: Contents, there: Contents, options: Partial<PairOptions> = {}) {
  const messages: { readonly from: "here" | "there"; readonly message: Message }[] = [];
  const pair: ExchangePair = new ExchangePair({
    partitions: PARTITIONS,
    here: diskWith(here),
    there: diskWith(there),
    ...options,
    passes: (from, message) => {
      messages.push({ from: from === pair.here ? "here" : "there", message });
      return options.passes?.(from, message) ?? true;
    },
  });
  return { pair, messages, here: pair.here, there: pair.there };
}

/** Nothing is left of any exchange, and what is counted is what lies on the disk. */
function expectTidy(side: Side): void {
  const { surroundings, forest, exchange, source } = side;
  expect({ exchanges: exchange.size, listings: source.size, effects: surroundings.effects }).toEqual({
    exchanges: 0,
    listings: 0,
    effects: [],
  });
  const memory = forest.memory as { readonly observations: ReadonlySet<unknown>; readonly stores: readonly unknown[] };
  expect([memory.observations.size, memory.stores.length]).toEqual([0, 0]);
  expect(side.counted()).toEqual(side.sums());
  const onDisk = [...side.disk.leaves].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf);
  expect(onDisk.filter(({ digest }) => digest !== 0)).toEqual(side.sums());
}

/** Nothing is under way: each leaf counts what lies on the disk, in memory and on the disk, unless it is in doubt. */
function expectCountedRight(side: Side): void {
  const doubtful = (side.forest.memory as { readonly doubtful: ReadonlySet<number> }).doubtful;
  const certain = (sums: readonly { readonly leaf: number; readonly digest: number }[]): unknown =>
    sums.filter(({ leaf, digest }) => digest !== 0 && !doubtful.has(leaf)).sort((a, b) => a.leaf - b.leaf);
  const onDisk = [...side.disk.leaves].map(([leaf, digest]) => ({ leaf, digest }));
  expect({ memory: certain(side.counted()), disk: certain(onDisk) }).toEqual({
    memory: certain(side.sums()),
    disk: certain(side.sums()),
  });
}

/** The bounds that the mechanism promises, seen in what it sends. */
function expectBounded(messages: readonly { readonly message: Message }[]): void {
  const open = new Map<string, Set<number>>();
  const asked = (kind: string, request: number): number =>
    (open.get(kind) ?? open.set(kind, new Set()).get(kind)!).add(request).size;
  for (const { message } of messages)
    switch (message.kind) {
      case "tree-request":
        expect(asked("tree", message.request)).toBe(1);
        expect(message.nodes.length).toBeLessThanOrEqual(256);
        expect(message.nodes.length).toBeGreaterThan(0);
        break;
      case "leaf-request":
        expect(asked("leaf", message.request)).toBeLessThanOrEqual(4);
        break;
      case "fetch-request":
        expect(asked("fetch", message.request)).toBe(1);
        expect(message.keys.length).toBeLessThanOrEqual(64);
        break;
      case "replica-put":
        expect(asked("put", message.request)).toBeLessThanOrEqual(16);
        break;
      case "tree-reply":
        open.get("tree")?.delete(message.request);
        break;
      case "leaf-reply":
        expect(message.records.length).toBeLessThanOrEqual(256);
        open.get("leaf")?.delete(message.request);
        break;
      case "fetch-reply":
        open.get("fetch")?.delete(message.request);
        break;
      case "replica-put-reply":
        open.get("put")?.delete(message.request);
        break;
      default:
        expect.unreachable(message.kind);
    }
}

/** For each key a relation; "same" and "nowhere" come oftener. */
const scripts = fc.array(fc.constantFrom(...relations, "same", "nowhere", "nowhere"), {
  minLength: keys.length,
  maxLength: keys.length,
});
/** Undefined: one thing after the other. */
const paces = fc.option(fc.integer(), { nil: undefined });
const prngOf = (seed: number | undefined): Partial<PairOptions> =>
  seed === undefined ? {} : { prng: Prng.fromNumber(seed) };
/** With the records in memory, and with none. */
const memories: fc.Arbitrary<Partial<Config>> = fc.constantFrom({}, { cachedRecordsMax: 0 });
function contentsFor(script: readonly Relation[]): { here: Map<Key, Had>; there: Map<Key, Had> } {
  const here = new Map<Key, Had>();
  const there = new Map<Key, Had>();
  script.forEach((relation, i) => {
    const [mine, theirs] = related(relation);
    if (mine !== undefined) here.set(keys[i]!, mine);
    if (theirs !== undefined) there.set(keys[i]!, theirs);
  });
  return { here, there };
}

describe("an exchange", () => {
  test("gives each side what its direction says, and changes nothing else", () => {
    fc.assert(
      fc.property(
        scripts,
        fc.constantFrom(...DIRECTIONS),
        fc.subarray([...EVERYTHING], { minLength: 1 }),
        paces,
        memories,
        (script, direction, partitions, pace, config) => {
          const before = contentsFor(script);
          const { pair, messages, here, there } = pairWith(before.here, before.there, { ...prngOf(pace), config });
          expect(here.exchange.start(there.id, partitions, direction, REPAIR)).toBe(true);
          pair.run();

          const mine = new Map(before.here);
          const theirs = new Map(before.there);
          // What lies in a leaf that is the same on both sides is not looked at: a record that neither can read is not noticed there.
          const sound = (had: Had): DvvSet | undefined => (had === "damaged" ? undefined : had);
          const alike = (a?: DvvSet, b?: DvvSet): boolean =>
            a === b || (a !== undefined && b !== undefined && equal(a, b));
          const asked = keys.filter((key) => partitions.includes(partitionOfKey(key)));
          const differs = (key: Key): boolean => !alike(sound(before.here.get(key)), sound(before.there.get(key)));
          // Leaves with nothing to fetch in them, or nothing to send, are not listed.
          const idle = (key: Key): boolean => {
            const ofLeaf = asked.filter((other) => here.leafOfKey(other) === here.leafOfKey(key));
            const nothingIn = (had: ReadonlyMap<Key, Had>): boolean =>
              ofLeaf.every((other) => sound(had.get(other)) === undefined);
            return (
              (direction === "pull" && nothingIn(before.there)) || (direction === "push" && nothingIn(before.here))
            );
          };
          const listed = new Set(asked.filter((key) => differs(key) && !idle(key)).map((key) => here.leafOfKey(key)));
          const unreadable = (key: Key): boolean =>
            before.here.get(key) === "damaged" && listed.has(here.leafOfKey(key));
          const differing = asked.filter((key) => (differs(key) && !idle(key)) || unreadable(key)).length;
          for (const key of asked) {
            const [a, b] = [before.here.get(key), before.there.get(key)];
            if (direction !== "push") mine.set(key, join(a, b));
            if (direction !== "pull") theirs.set(key, join(b, a));
          }
          expect(here.ended).toEqual([{ peer: there.id, purpose: REPAIR, partitions, outcome: "settled", differing }]);
          expect(plain(contentsOf(here))).toEqual(plain(mine));
          expect(plain(contentsOf(there))).toEqual(plain(theirs));
          expectTidy(here);
          expectTidy(there);
          expectBounded(messages);
          // What the other side has and is not the same here is fetched once; what it lacks then is sent once, and nothing else.
          const carried = (kind: "fetch" | "put"): Key[] =>
            messages.flatMap(({ message }) => {
              if (kind === "fetch") return message.kind === "fetch-request" ? message.keys : [];
              return message.kind === "replica-put" ? [message.key] : [];
            });
          const fetched = asked.filter((key) => differs(key) && sound(before.there.get(key)) !== undefined);
          const lacking = asked.filter((key) => {
            const [a, b] = [sound(before.here.get(key)), sound(before.there.get(key))];
            if (direction === "push") return differs(key) && a !== undefined;
            return differs(key) && !alike(sound(join(a, b)), b);
          });
          expect(carried("fetch").sort()).toEqual(direction === "push" ? [] : fetched.sort());
          expect(carried("put").sort()).toEqual(direction === "pull" ? [] : lacking.sort());
        },
      ),
      { numRuns: 150 },
    );
  });

  test("between sides that are alike is one question, and its answer names nobody", () => {
    fc.assert(
      fc.property(scripts, fc.constantFrom(...DIRECTIONS), (script, direction) => {
        const sound = script.map((relation) => (relation.startsWith("damaged") ? "same" : relation));
        const before = contentsFor(sound);
        const { pair, messages, here, there } = pairWith(before.here, before.there);
        here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
        pair.run();
        messages.length = 0;
        here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
        pair.run();
        expect(messages.map(({ from, message }) => [from, message.kind])).toEqual([
          ["here", "tree-request"],
          ["there", "tree-reply"],
        ]);
        expect(messages[1]!.message).toMatchObject({ refused: [], differing: [] });
        expect(here.ended[1]).toMatchObject({ outcome: "settled", differing: 0 });
      }),
      { numRuns: 30 },
    );
  });

  test("of 300 partitions asks about 256 roots at a time", () => {
    const messages: Message[] = [];
    const pair = new ExchangePair({
      partitions: 512,
      here: new PairDisk(),
      there: new PairDisk(),
      passes: (_, message) => messages.push(message) > 0,
    });
    const partitions = Array.from({ length: 300 }, (_, p) => p);
    pair.here.exchange.start(pair.there.id, partitions, "both", REPAIR);
    pair.run();
    const asked = messages.flatMap((message) => (message.kind === "tree-request" ? [message.nodes] : []));
    expect(asked.map((nodes) => nodes.length).sort((a, b) => a - b)).toEqual([44, 256]);
    expect(asked.flatMap((nodes) => nodes.map(({ index }) => index)).sort((a, b) => a - b)).toEqual(partitions);
    expect(pair.here.ended).toMatchObject([{ outcome: "settled" }]);
  });

  test("of nothing is over at once", () => {
    const { here, there, messages } = pairWith(new Map(), new Map());
    expect(here.exchange.start(there.id, [], "both", REPAIR)).toBe(true);
    expect(here.ended).toMatchObject([{ outcome: "settled", partitions: [] }]);
    expect(messages).toEqual([]);
  });

  test("may run beside others, and one too many is not begun", () => {
    const here = new Map<Key, Had>(keys.map((key) => [key, put(EMPTY, 0)]));
    const { pair, here: side, there } = pairWith(here, new Map(), prngOf(3));
    for (let i = 0; i < EXCHANGES_MAX; i++)
      expect(side.exchange.start(there.id, [i % PARTITIONS], DIRECTIONS[i % 3]!, { kind: "opening", serial: i })).toBe(
        true,
      );
    expect(side.exchange.start(there.id, [0], "both", REPAIR)).toBe(false);
    pair.run();
    expect(side.ended.map(({ outcome }) => outcome)).toEqual(new Array(EXCHANGES_MAX).fill("settled"));
    expect(
      side.ended.map(({ purpose }) => (purpose.kind === "opening" ? purpose.serial : -1)).sort((a, b) => a - b),
    ).toEqual(Array.from({ length: EXCHANGES_MAX }, (_, i) => i));
    expect(plain(contentsOf(there))).toEqual(plain(here));
    expectTidy(side);
    expectTidy(there);
  });

  test("of one leaf with many records keeps to its bounds, and uses them", () => {
    const crowd: Key[] = [];
    for (let i = 0; crowd.length < 100; i++)
      if (leafOf(positionOf(`crowd/${i}` as Key), 1) === 7) crowd.push(`crowd/${i}` as Key);
    const records = new Map<Key, Had>(crowd.map((key) => [key, put(EMPTY, 0)]));
    for (const direction of ["pull", "push"] as const) {
      const [mine, theirs] = direction === "pull" ? [new Map<Key, Had>(), records] : [records, new Map<Key, Had>()];
      const { pair, messages, here, there } = pairWith(mine, theirs, { partitions: 1 });
      here.exchange.start(there.id, [0], direction, REPAIR);
      pair.run();
      for (const side of [here, there]) expect(plain(contentsOf(side))).toEqual(plain(records));
      expectBounded(messages);
      const fetches = messages.flatMap(({ message }) =>
        message.kind === "fetch-request" ? [message.keys.length] : [],
      );
      expect(fetches).toEqual(direction === "pull" ? [64, 36] : []);
      let underWay = 0;
      let most = 0;
      for (const { message } of messages) {
        if (message.kind === "replica-put") most = Math.max(most, ++underWay);
        if (message.kind === "replica-put-reply") underWay--;
      }
      expect(most).toBe(direction === "pull" ? 0 : 16);
    }
  });

  test("lists a leaf in pages and fetches in pages when its records are large", () => {
    // Each value is more than a page of a fetch, three are more than a page of a listing.
    const large = (): Uint8Array<ArrayBuffer> => new Uint8Array(400_000);
    const cluster = keys.slice(0, 6);
    for (const direction of DIRECTIONS) {
      const here = new Map<Key, Had>(cluster.slice(0, 4).map((key) => [key, put(EMPTY, 0, large())]));
      const there = new Map<Key, Had>(cluster.slice(2, 6).map((key) => [key, put(EMPTY, 1, large())]));
      const { pair, messages, here: side, there: other } = pairWith(here, there);
      side.exchange.start(other.id, EVERYTHING, direction, REPAIR);
      pair.run();
      const union = new Map(cluster.map((key) => [key, join(here.get(key), there.get(key))]));
      expect(plain(contentsOf(side))).toEqual(plain(direction === "push" ? here : union));
      expect(plain(contentsOf(other))).toEqual(plain(direction === "pull" ? there : union));
      const count = (kind: Message["kind"]): number => messages.filter(({ message }) => message.kind === kind).length;
      expect(count("leaf-request")).toBe(2);
      if (direction !== "push") expect(count("fetch-reply")).toBe(4);
      expectTidy(side);
      expectTidy(other);
    }
  });
});

describe("damage", () => {
  test("that was found is mended from the other side, on either", () => {
    for (const [mine, theirs] of [
      ["damaged", "sound"],
      ["sound", "damaged"],
    ]) {
      const record = put(EMPTY, 0);
      const had = (state: string | undefined): Had => (state === "sound" ? record : "damaged");
      const { pair, here, there } = pairWith(new Map([[first, had(mine)]]), new Map([[first, had(theirs)]]));
      here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
      pair.run();
      expect(here.ended).toMatchObject([{ outcome: "settled", differing: 1 }]);
      for (const side of [here, there]) expect(side.disk.get(first)).toMatchObject({ set: record });
    }
  });

  test.each(["here", "there"] as const)(
    "that nobody has found yet (%s) is, when its leaf is listed for another record",
    (where) => {
      const record = put(EMPTY, 0);
      const { pair, here, there } = pairWith(new Map([[first, record]]), new Map([[first, record]]));
      const damaged = where === "here" ? here : there;
      damaged.disk.replace(first, "damaged");
      here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
      pair.run();
      expect(here.ended).toMatchObject([{ outcome: "settled", differing: 0 }]);
      here.merge(second, put(EMPTY, 1));
      pair.run();
      here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
      pair.run();
      expect(here.ended[1]).toMatchObject({ outcome: "settled", differing: 2 });
      for (const side of [here, there]) {
        expect(side.disk.get(first)).toMatchObject({ set: record });
        expectTidy(side);
      }
    },
  );

  test("on both sides is nobody's to mend, and the exchange ends all the same", () => {
    const unreadable = new Map<Key, Had>([[first, "damaged"]]);
    const { pair, here, there } = pairWith(unreadable, new Map([...unreadable, [second, put(EMPTY, 0)]]));
    here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "settled", differing: 2 }]);
    expect(here.disk.get(first)).toBe("damaged");
  });

  test("is never sent: what cannot be read here fails a push", () => {
    const { pair, here, there } = pairWith(new Map([[first, put(EMPTY, 0)]]), new Map());
    here.exchange.start(there.id, EVERYTHING, "push", REPAIR);
    here.failsRead = (read) => read.kind === "load";
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "failed" }]);
    expect(there.disk.all()).toEqual([]);
  });
});

describe("writes meanwhile", () => {
  /** Merges into either side while the exchange goes on, and stores that fail. */
  interface Disturbance {
    readonly after: number;
    readonly key: number;
    readonly there: boolean;
    readonly actor: number;
  }
  const disturbances = fc.array(
    fc.record<Disturbance>({ after: fc.nat(40), key: fc.nat(keys.length - 1), there: fc.boolean(), actor: fc.nat(3) }),
    { maxLength: 8 },
  );
  const covers = (side: Side, before: Contents, partitions: readonly Partition[]): Key[] =>
    [...before].flatMap(([key, had]) => {
      if (had === undefined || had === "damaged" || !partitions.includes(partitionOfKey(key))) return [];
      const found = side.disk.get(key);
      const fits = found !== undefined && typeof found !== "string" && equal(sync(found.set, had), found.set);
      return fits ? [] : [key];
    });

  test("a settled exchange has brought across what was durable when it began, whatever is written or fails meanwhile", () => {
    let settled = 0;
    let failed = 0;
    fc.assert(
      fc.property(
        scripts,
        fc.constantFrom(...DIRECTIONS),
        fc.integer(),
        disturbances,
        fc.constantFrom(0, 0.1, 0.3),
        memories,
        (script, direction, seed, list, failing, config) => {
          const before = contentsFor(script);
          const prng = Prng.fromNumber(seed);
          const { pair, messages, here, there } = pairWith(before.here, before.there, { prng, config });
          for (const side of [here, there])
            side.fateOf = () => (prng.chance(failing) ? (prng.chance(0.5) ? "lost" : "kept") : "stored");
          const failures = EVERYTHING.map((partition) => here.forest.failuresIn(partition));
          here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
          let begun: number | undefined;
          for (let step = 0; ; step++) {
            for (const { after, key, there: at, actor } of list)
              if (after === step) (at ? there : here).merge(keys[key]!, put(EMPTY, actor));
            if (here.ended.length > 0) begun ??= here.forest.begun;
            if (!pair.step() && step > 40) break;
          }
          // What is refused is sent again after a while.
          for (let tries = 0; here.ended.length === 0 && tries < 40; tries++) {
            pair.pass(300);
            pair.run();
          }
          begun ??= here.forest.begun;
          expectBounded(messages);
          expect(here.ended).toHaveLength(1);
          if (here.ended[0]!.outcome === "failed") failed++;
          else {
            settled++;
            // What is sent is durable at the other side when it says so.
            if (direction !== "pull") expect(covers(there, before.here, EVERYTHING)).toEqual([]);
            // What is fetched is durable here, unless a store that was counted in the trees has failed since.
            const sound = EVERYTHING.filter(
              (p) => here.forest.failuresIn(p) === failures[p] && !here.forest.isDoubtful(p),
            );
            expect(here.forest.settledUpTo(begun)).toBe(true);
            if (direction !== "push") expect(covers(here, before.there, sound)).toEqual([]);
          }
          expect([here.exchange.size, there.source.size]).toEqual([0, 0]);
          for (const side of [here, there]) expectCountedRight(side);
        },
      ),
      { numRuns: 300 },
    );
    // The draws reach both ends often.
    expect(settled).toBeGreaterThan(50);
    expect(failed).toBeGreaterThan(10);
  });

  test("that are under way on the other side are not taken for equal: the leaf is listed when they are durable", () => {
    for (const fate of ["stored", "lost"] as const) {
      const record = put(EMPTY, 0);
      const { pair, messages, here, there } = pairWith(new Map([[first, record]]), new Map());
      there.fateOf = () => fate;
      there.merge(first, record);
      pair.held.add("there's disk");
      // It has read that it has none, and counts the one that is on its way to the disk.
      pair.step();
      expect(there.forest.root(partitionOfKey(first))).toBe(here.forest.root(partitionOfKey(first)));
      here.exchange.start(there.id, EVERYTHING, "push", REPAIR);
      pair.run();
      expect(here.ended).toEqual([]);
      const [answer] = messages.flatMap(({ message }) => (message.kind === "tree-reply" ? [message] : []));
      expect(answer!.differing.map(({ children }) => children.filter((child) => child === undefined).length)).toEqual([
        1,
      ]);
      pair.held.clear();
      pair.step();
      there.fateOf = () => "stored";
      pair.run();
      expect(here.ended).toMatchObject([{ outcome: "settled" }]);
      expect(there.disk.get(first)).toMatchObject({ set: record });
      const sent = messages.filter(({ message }) => message.kind === "replica-put").length;
      expect(sent).toBe(fate === "stored" ? 0 : 1);
    }
  });

  test("whose fate is unknown on the other side keep its leaf from being taken for equal", () => {
    const record = put(EMPTY, 0);
    const { pair, messages, here, there } = pairWith(new Map([[first, record]]), new Map([[first, record]]));
    there.forest.doubt(there.leafOfKey(first));
    here.exchange.start(there.id, EVERYTHING, "push", REPAIR);
    pair.run();
    expect(messages.filter(({ message }) => message.kind === "leaf-request")).toHaveLength(1);
    expect(there.forest.doubts).toBe(0);
    expect(here.ended).toMatchObject([{ outcome: "settled", differing: 0 }]);
  });

  test("do not make a listing set a sum that would then be wrong", () => {
    const { pair, here, there } = pairWith(new Map([[first, put(EMPTY, 0)]]), new Map([[second, put(EMPTY, 0)]]));
    here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
    // The leaf is being listed on both sides, and a store begins on each before the disk has answered.
    while (!there.source.size) pair.step();
    for (const side of [here, there]) side.merge(third, put(EMPTY, 2));
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "settled" }]);
    expectTidy(here);
    expectTidy(there);
  });

  test("that go before a damaged sum is set right are counted once", () => {
    const { pair, here, there } = pairWith(new Map([[first, put(EMPTY, 0)]]), new Map([[second, put(EMPTY, 0)]]));
    for (const side of [here, there]) {
      side.forest.add(side.leafOfKey(first), 12_345);
      side.disk.leaves.set(side.leafOfKey(first), 999);
    }
    here.exchange.start(there.id, EVERYTHING, "both", REPAIR);
    pair.run();
    expectTidy(here);
    expectTidy(there);
  });
});

describe("what ends an exchange as failed", () => {
  const some = (): { here: Map<Key, Had>; there: Map<Key, Had> } => ({
    here: new Map(keys.map((key) => [key, put(EMPTY, 0)])),
    there: new Map(keys.map((key) => [key, put(EMPTY, 1)])),
  });
  const REPLIES = ["tree-reply", "leaf-reply", "fetch-reply", "replica-put-reply"] as const;

  /** Runs until the first answer of a kind would come, and gives back what arrived late, for later. */
  function withoutAnswer(kind: Message["kind"]) {
    const late: Message[] = [];
    const { here, there } = some();
    const world = pairWith(here, there, {
      passes: (_, message) => {
        if (message.kind !== kind) return true;
        late.push(message);
        return false;
      },
    });
    world.here.exchange.start(world.there.id, EVERYTHING, "both", REPAIR);
    world.pair.run();
    return { ...world, late };
  }

  test.each(REPLIES)(
    "a peer that falls silent instead of a %s, after some time, and its late answer changes nothing",
    (kind) => {
      const { pair, here, there, late } = withoutAnswer(kind);
      expect(here.ended).toEqual([]);
      pair.pass(here.surroundings.config.transferTimeoutMs / 2);
      pair.run();
      expect(here.ended).toEqual([]);
      pair.pass(here.surroundings.config.transferTimeoutMs / 2);
      pair.run();
      expect(here.ended).toMatchObject([{ outcome: "failed" }]);
      const before = plain(contentsOf(here));
      for (const message of late) here.receive(there.id, message);
      pair.run();
      expect(plain(contentsOf(here))).toEqual(before);
      expect(here.ended).toHaveLength(1);
      expectTidy(here);
      expectTidy(there);
    },
  );

  test("a peer that is slow does not: each answer gives it the time anew", () => {
    for (const direction of DIRECTIONS) {
      const { here, there } = some();
      const { pair, here: side } = pairWith(here, there);
      side.exchange.start(nodeNamed(2), EVERYTHING, direction, REPAIR);
      while (pair.step()) pair.pass(50);
      expect(side.surroundings.now).toBeGreaterThan(2 * side.surroundings.config.transferTimeoutMs);
      expect(side.ended).toMatchObject([{ outcome: "settled" }]);
    }
  });

  test("waiting for slices of its own does not: the time of the peer begins when it is asked", () => {
    const { here, there } = some();
    const { pair, here: side } = pairWith(here, there);
    const { config } = side.surroundings;
    side.surroundings.slices = 0;
    side.exchange.start(nodeNamed(2), EVERYTHING, "both", REPAIR);
    for (let i = 0; i < 10; i++) pair.pass(config.transferTimeoutMs / 2);
    expect(side.ended).toEqual([]);
    side.surroundings.slices = Number.POSITIVE_INFINITY;
    side.exchange.onSlice();
    pair.pass(config.transferTimeoutMs / 2);
    expect(side.ended).toEqual([]);
    pair.run();
    expect(side.ended).toMatchObject([{ outcome: "settled" }]);
  });

  test.each(REPLIES)("a peer that goes down before its %s", (kind) => {
    const { pair, here, there } = withoutAnswer(kind);
    here.exchange.onPeerDown(nodeNamed(3));
    expect(here.ended).toEqual([]);
    here.surroundings.down.add(there.id);
    here.exchange.onPeerDown(there.id);
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "failed" }]);
    expectTidy(here);
  });

  test("a peer that cannot be reached when something is to be asked", () => {
    const { here, there } = some();
    const { pair, here: side, there: other } = pairWith(here, there);
    side.surroundings.down.add(other.id);
    side.exchange.start(other.id, EVERYTHING, "both", REPAIR);
    expect(side.ended).toMatchObject([{ outcome: "failed" }]);
    side.surroundings.down.clear();
    for (const steps of [1, 3, 6, 12, 20]) {
      side.exchange.start(other.id, EVERYTHING, "both", REPAIR);
      for (let i = 0; i < steps; i++) pair.step();
      side.surroundings.down.add(other.id);
      pair.run();
      expect(side.ended.at(-1)).toMatchObject({ outcome: "failed" });
      side.surroundings.down.clear();
      pair.run();
      expectTidy(side);
    }
  });

  test("an answer from somebody else is none", () => {
    const { here, there } = some();
    const world = pairWith(here, there);
    world.here.exchange.start(world.there.id, EVERYTHING, "both", REPAIR);
    for (const request of [1, 2, 3]) {
      world.here.receive(nodeNamed(3), { kind: "tree-reply", request, level: 0, refused: EVERYTHING, differing: [] });
      world.here.receive(nodeNamed(3), {
        kind: "leaf-reply",
        request,
        outcome: "refused",
        records: [],
        next: undefined,
      });
    }
    world.pair.run();
    expect(world.here.ended).toMatchObject([{ outcome: "settled" }]);
  });

  test("a peer that holds one of the partitions no more, at each of its answers", () => {
    for (const kind of ["tree-request", "leaf-request"] as const) {
      const { here, there } = some();
      const world = pairWith(here, there, {
        passes: (_, message) => {
          if (message.kind === kind) world.there.holdAll(false);
          return true;
        },
      });
      world.here.exchange.start(world.there.id, EVERYTHING, "both", REPAIR);
      world.pair.run();
      expect(world.here.ended).toMatchObject([{ outcome: "failed" }]);
      expect(plain(contentsOf(world.there))).toEqual(plain(there));
      expectTidy(world.here);
      expectTidy(world.there);
    }
  });

  test("a peer that holds it no more when records are fetched: it stays silent", () => {
    const world = pairWith(new Map(), new Map([[first, put(EMPTY, 0)]]), {
      passes: (_, message) => {
        if (message.kind === "fetch-request") world.there.holdAll(false);
        return true;
      },
    });
    world.here.exchange.start(world.there.id, EVERYTHING, "both", REPAIR);
    world.pair.run();
    expect(world.here.ended).toEqual([]);
    for (let i = 0; i < 2; i++) world.pair.pass(world.here.surroundings.config.transferTimeoutMs / 2);
    expect(world.here.ended).toMatchObject([{ outcome: "failed" }]);
  });

  test("a record that was listed and is gone, or cannot be read, when it is fetched", () => {
    for (const gone of ["lost", "damaged", "failed"] as const) {
      const { here, there } = some();
      const world = pairWith(here, there, {
        passes: (_, message) => {
          if (message.kind !== "fetch-request") return true;
          if (gone === "failed") world.there.failsRead = () => true;
          else for (const key of message.keys) world.there.disk.replace(key, gone === "lost" ? undefined : gone);
          return true;
        },
      });
      world.here.exchange.start(world.there.id, EVERYTHING, "pull", REPAIR);
      world.pair.run();
      expect(world.here.ended, gone).toMatchObject([{ outcome: "failed" }]);
      expect(plain(contentsOf(world.here))).toEqual(plain(here));
      expectTidy(world.here);
    }
  });

  test("a disk that cannot list a leaf, on either side, or in part", () => {
    for (const where of ["here", "there"] as const)
      for (const how of ["whole", "one record"] as const) {
        const { here, there } = some();
        const { pair, ...sides } = pairWith(here, there);
        const side = sides[where];
        if (how === "whole") side.failsRead = (read) => read.kind === "scan";
        else {
          const { disk } = side;
          const scan = disk.scan.bind(disk);
          disk.scan = (asked) => {
            const { entries, done } = scan(asked);
            return { entries: entries.map((entry) => ({ ...entry, record: "failed" })), done };
          };
        }
        sides.here.exchange.start(sides.there.id, EVERYTHING, "both", REPAIR);
        pair.run();
        expect(sides.here.ended).toMatchObject([{ outcome: "failed" }]);
        expectTidy(sides.here);
        expectTidy(sides.there);
      }
  });

  test("a store that fails, on either side", () => {
    for (const [where, direction] of [
      ["here", "pull"],
      ["there", "push"],
    ] as const) {
      const { here, there } = some();
      const { pair, ...sides } = pairWith(here, there);
      sides[where].fateOf = ({ writes }) => (writes.some(({ store }) => store === "records") ? "lost" : "stored");
      sides.here.exchange.start(sides.there.id, EVERYTHING, direction, REPAIR);
      pair.run();
      // What the other side refuses is sent again, one record at a time, before it is given up.
      let passed = 0;
      for (; sides.here.ended.length === 0 && passed < 40; passed++) {
        pair.pass(300);
        pair.run();
      }
      expect(passed > 0).toBe(where === "there");
      expect(sides.here.ended).toMatchObject([{ outcome: "failed" }]);
      expect(sides.here.exchange.size).toBe(0);
    }
  });
});

describe("the answering side", () => {
  const direction: Direction = "both";

  test("answers members only, about partitions that it holds", () => {
    const { here, there } = pairWith(new Map([[first, put(EMPTY, 0)]]), new Map([[first, put(EMPTY, 1)]]));
    const stranger = nodeNamed(9);
    const leaf = there.leafOfKey(first);
    const answers = (from: Side["id"]): unknown[] => {
      there.source.onTreeRequest(from, {
        kind: "tree-request",
        request: 1,
        level: 0,
        nodes: [{ index: 9, digest: 0 }],
      });
      there.source.onTreeRequest(from, {
        kind: "tree-request",
        request: 2,
        level: 0,
        nodes: [{ index: 0, digest: 0 }],
      });
      there.source.onLeafRequest(from, { kind: "leaf-request", request: 3, leaf: 9 * LEAVES_PER_PARTITION, after: "" });
      there.source.onLeafRequest(from, { kind: "leaf-request", request: 4, leaf, after: "" });
      there.source.onFetchRequest(from, { kind: "fetch-request", request: 5, keys: [first] });
      return there.surroundings.effects
        .splice(0)
        .map((effect) => (effect.kind === "send" ? effect.message : effect.kind));
    };
    expect(answers(stranger)).toMatchObject([
      { request: 1, refused: [9], differing: [] },
      { request: 2, refused: [0], differing: [] },
      { request: 3, outcome: "refused" },
      { request: 4, outcome: "refused" },
    ]);
    expect(answers(here.id)).toMatchObject([
      { request: 1, refused: [9], differing: [] },
      { request: 2, refused: [], differing: [{ index: 0 }] },
      { request: 3, outcome: "refused" },
      "scan",
      "load",
    ]);
  });

  test("refuses what would be more than it takes at once, and goes on when it has room", () => {
    const { pair, here, there } = pairWith(new Map(), new Map([[first, put(EMPTY, 1)]]));
    const leaf = there.leafOfKey(first);
    for (let request = 1; request <= 70; request++) {
      there.source.onLeafRequest(here.id, { kind: "leaf-request", request, leaf, after: "" });
      there.source.onFetchRequest(here.id, { kind: "fetch-request", request: 100 + request, keys: [first] });
    }
    expect(there.source.size).toBe(128);
    const refused = there.surroundings.takeSent().map(({ message }) => message);
    expect(refused.map((message) => message.kind === "leaf-reply" && message.outcome)).toEqual(
      new Array(6).fill("refused"),
    );
    pair.run();
    expect(there.source.size).toBe(0);
    here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "settled" }]);
  });

  test("keeps nothing of an asker that is gone: a listing that ends is dropped with its look at the forest", () => {
    const { pair, here, there } = pairWith(new Map([[first, put(EMPTY, 0)]]), new Map([[first, put(EMPTY, 1)]]));
    here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
    while (there.source.size === 0) pair.step();
    there.surroundings.down.add(here.id);
    here.exchange.onPeerDown(there.id);
    pair.run();
    expectTidy(there);
    expectTidy(here);
  });
});
