/** The forest against a naive model: what was done is kept as it came, and everything that the forest says is worked out from that anew. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { partitionOf, partitionRange, positionOf, recordAddress } from "./address.ts";
import { type DvvSet, EMPTY, equal, sync, update } from "./dvvset.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import {
  DEPTH,
  type Digest,
  FANOUT,
  LEAVES_MAX,
  LEAVES_PER_PARTITION,
  type Leaf,
  MerkleForest,
  type Observation,
  addDigests,
  leafOf,
  partitionOfLeaf,
  recordDigest,
  subtractDigests,
} from "./merkle-forest.ts";

const END = 2n ** 52n;
const actors = ["a", "b", "c"].map((letter) => letter.repeat(48) as Actor);
const operation = (n: number) => n.toString(16).padStart(32, "0") as OperationId;
const version = (n: number) => ({
  operation: operation(n),
  at: n,
  value: n % 5 === 0 ? null : new Uint8Array([n]),
  checksum: n % 5 === 0 ? 0 : n,
});
const key = (n: number) => `carts/${n}` as Key;
/** Any, and some that cancel each other. */
const digest = fc.oneof(
  fc.constantFrom(0, 1, 7, 2 ** 52 - 1),
  fc.maxSafeNat().map((n) => n % 2 ** 52),
);

/** Neighbours below one parent and below different ones, in three partitions; the first and the last of all. */
const LEAVES: readonly Leaf[] = [0, 1, 7, 8, 63, 64, 511, 512, 513, 1_023, LEAVES_MAX - 1];
const above = (leaf: Leaf, level: number): number => Math.floor(leaf / FANOUT ** (DEPTH - level));
const ALL_NODES = LEAVES.flatMap((leaf) =>
  [0, 1, 2, 3].flatMap((level) => [
    { level, index: above(leaf, level) },
    { level, index: above(leaf, level) ^ 2 },
  ]),
);
/** The leaves, all nodes above them, and nodes beside them under which nothing is; each once. */
const NODES = [...new Map(ALL_NODES.map((node) => [`${node.level} ${node.index}`, node])).values()];

describe("digests", () => {
  test("are added and subtracted modulo 2^52", () => {
    fc.assert(
      fc.property(digest, digest, (a, b) => {
        expect(BigInt(addDigests(a, b))).toBe((BigInt(a) + BigInt(b)) % END);
        expect(BigInt(subtractDigests(a, b))).toBe((END + BigInt(a) - BigInt(b)) % END);
        expect(addDigests(subtractDigests(a, b), b)).toBe(a);
      }),
    );
  });

  /** Three replicas of one key that put and merge at random; every record that any of them ever had. */
  const histories = fc
    .array(fc.record({ merge: fc.boolean(), at: fc.nat(2), other: fc.nat(2), blind: fc.boolean() }), { maxLength: 8 })
    .map((steps) => {
      const replicas: DvvSet[] = [EMPTY, EMPTY, EMPTY];
      const all: DvvSet[] = [EMPTY];
      steps.forEach(({ merge, at, other, blind }, i) => {
        const mine = replicas[at]!;
        replicas[at] = merge
          ? sync(mine, replicas[other]!)
          : update(mine, blind ? [] : mine.clock, actors[at]!, version(i)).set;
        all.push(replicas[at]);
      });
      return all;
    });
  /** The same record, and yet another object: nothing that was worked out for the one is known for the other. */
  const copyOf = (set: DvvSet): DvvSet => ({
    clock: set.clock.map((dot) => ({ ...dot })),
    siblings: set.siblings.map((sibling) => ({ ...sibling, dots: sibling.dots.map((dot) => ({ ...dot })) })),
  });

  test("of records are equal when the records are, and only then", () => {
    fc.assert(
      fc.property(histories, (records) => {
        for (const a of records)
          for (const b of records) {
            const same = recordDigest(key(1), a) === recordDigest(key(1), b);
            expect(same).toBe(equal(a, b));
            expect(recordDigest(key(1), copyOf(a)) === recordDigest(key(1), copyOf(b))).toBe(same);
          }
      }),
    );
  });

  test("of records are never 0, and depend on the key", () => {
    fc.assert(
      fc.property(histories, (records) => {
        for (const record of records) {
          const first = recordDigest(key(1), record);
          expect(first).toBeGreaterThan(0);
          expect(recordDigest(key(2), record)).not.toBe(first);
          expect(recordDigest(key(1), record)).toBe(first);
        }
      }),
    );
  });

  test("of records tell what stands in the siblings and what stands in the clock alone", () => {
    const { set } = update(EMPTY, [], actors[0]!, version(1));
    const [sibling] = set.siblings;
    const variants: DvvSet[] = [
      set,
      { ...set, siblings: [] },
      { clock: [{ actor: actors[0]!, counter: 2 }], siblings: set.siblings },
      { clock: [...set.clock, { actor: actors[1]!, counter: 1 }], siblings: set.siblings },
      { ...set, siblings: [{ ...sibling!, operation: operation(2) }] },
      { ...set, siblings: [{ ...sibling!, dots: [...sibling!.dots, { actor: actors[1]!, counter: 1 }] }] },
    ];
    expect(new Set(variants.map((variant) => recordDigest(key(1), variant))).size).toBe(variants.length);
    for (const a of variants)
      for (const b of variants) expect(recordDigest(key(1), a) === recordDigest(key(1), b)).toBe(equal(a, b));
    // What an exchange could not make equal does not differ: the operation names its value and its time.
    const retold: DvvSet = { ...set, siblings: [{ ...sibling!, at: 2 }] };
    expect(recordDigest(key(1), retold)).toBe(recordDigest(key(1), set));
    expect(equal(retold, set)).toBe(true);
  });
});

describe("leaves", () => {
  test("are equal stretches of the ring, each a range on disk, within their partition", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(12), (n, log) => {
        const partitions = 2 ** log;
        const position = positionOf(key(n));
        const leaf = leafOf(position, partitions);
        const { after, before } = partitionRange(leaf, partitions * LEAVES_PER_PARTITION);
        const address = recordAddress(key(n), position);
        expect(after < address && address < before).toBe(true);
        expect(leafOf(address, partitions)).toBe(leaf);
        expect(partitionOfLeaf(leaf)).toBe(partitionOf(position, partitions));
      }),
    );
    expect(leafOf("0".repeat(32), 4_096)).toBe(0);
    expect(leafOf("f".repeat(32), 4_096)).toBe(LEAVES_MAX - 1);
  });
});

describe("sums", () => {
  /** Each of a few keys has a leaf; a change gives a key one of a few records, or none. */
  const changes = fc.array(fc.record({ key: fc.nat(19), record: fc.option(fc.nat(4), { freq: 3 }) }), {
    maxLength: 60,
  });
  const leafOfKey = (n: number): Leaf => LEAVES[n % LEAVES.length]!;
  const records = Array.from({ length: 20 }, (_, n) =>
    [1, 2, 3, 4, 5].map((v) => update(EMPTY, [], actors[v % 3]!, version(5 * n + v)).set),
  );
  const digestOf = (n: number, record: number | null): Digest =>
    record === null ? 0 : recordDigest(key(n), records[n]![record]!);

  /** The sum of all records under a node. */
  function sum(model: ReadonlyMap<number, number>, level: number, index: number): Digest {
    let total = 0n;
    for (const [n, record] of model)
      if (above(leafOfKey(n), level) === index) total = (total + BigInt(digestOf(n, record))) % END;
    return Number(total);
  }

  function expectSums(forest: MerkleForest, model: ReadonlyMap<number, number>): void {
    for (const { level, index } of NODES) {
      expect(forest.digest(level, index)).toBe(sum(model, level, index));
      if (level < DEPTH) {
        const below = Array.from({ length: FANOUT }, (_, i) => sum(model, level + 1, FANOUT * index + i));
        expect(forest.children(level, index)).toEqual(below);
      }
    }
    for (const partition of new Set(LEAVES.map(partitionOfLeaf))) {
      expect(forest.root(partition)).toBe(sum(model, 0, partition));
      const leaves = LEAVES.filter((leaf) => partitionOfLeaf(leaf) === partition);
      expect(forest.leavesOf(partition)).toEqual(
        leaves.map((leaf) => ({ leaf, digest: sum(model, DEPTH, leaf) })).filter((entry) => entry.digest !== 0),
      );
    }
  }

  test("are those of the records, on every level, after every change", () => {
    fc.assert(
      fc.property(changes, (list) => {
        const forest = new MerkleForest();
        const model = new Map<number, number>();
        for (const { key: n, record } of list) {
          forest.add(leafOfKey(n), subtractDigests(digestOf(n, record), digestOf(n, model.get(n) ?? null)));
          if (record === null) model.delete(n);
          else model.set(n, record);
          expectSums(forest, model);
        }
        // Nothing is kept for a partition without records.
        const partitions = new Set([...model.keys()].map((n) => partitionOfLeaf(leafOfKey(n))));
        expect(forest.size).toBe(partitions.size);
      }),
      { numRuns: 60 },
    );
  });

  test("do not depend on the order of the changes, nor on whether leaves were added to or set", () => {
    fc.assert(
      fc.property(changes, fc.integer(), (list, seed) => {
        const prng = Prng.fromNumber(seed);
        const model = new Map<number, number>();
        const deltas = list.map(({ key: n, record }) => {
          const delta = subtractDigests(digestOf(n, record), digestOf(n, model.get(n) ?? null));
          if (record === null) model.delete(n);
          else model.set(n, record);
          return { leaf: leafOfKey(n), delta };
        });
        const forest = new MerkleForest();
        for (const { leaf, delta } of prng.shuffled(deltas)) forest.add(leaf, delta);
        expectSums(forest, model);
        const other = new MerkleForest();
        for (const leaf of prng.shuffled(LEAVES)) {
          other.set(leaf, prng.below(1_000));
          other.set(leaf, sum(model, DEPTH, leaf));
        }
        expect(other.memory).toEqual(forest.memory);
      }),
      { numRuns: 60 },
    );
  });

  test("that cancel at the root are still there below it", () => {
    const forest = new MerkleForest();
    forest.add(0, 5);
    forest.add(511, 2 ** 52 - 5);
    expect([forest.root(0), forest.size]).toEqual([0, 1]);
    expect(forest.leavesOf(0)).toEqual([
      { leaf: 0, digest: 5 },
      { leaf: 511, digest: 2 ** 52 - 5 },
    ]);
  });
});

describe("what is under way, in doubt and looked at", () => {
  type Command =
    | { readonly kind: "add" | "set" | "recount"; readonly leaf: Leaf; readonly digest: Digest }
    | { readonly kind: "begin" | "doubt"; readonly leaf: Leaf }
    | { readonly kind: "end"; readonly which: number; readonly outcome: "stored" | "failed" }
    | { readonly kind: "observe" }
    | { readonly kind: "close"; readonly which: number }
    | { readonly kind: "verify"; readonly which: number; readonly leaf: Leaf; readonly off: Digest };

  const leaf = fc.constantFrom(...LEAVES.slice(0, 4), 512, LEAVES_MAX - 1);
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.record({ kind: fc.constantFrom("add", "set", "recount"), leaf, digest }),
    fc.record({ kind: fc.constantFrom("begin", "begin", "doubt"), leaf }),
    fc.record({ kind: fc.constant("end"), which: fc.nat(9), outcome: fc.constantFrom("stored", "failed") }),
    fc.record({ kind: fc.constant("observe") }),
    fc.record({ kind: fc.constant("close"), which: fc.nat(9) }),
    fc.record({ kind: fc.constant("verify"), which: fc.nat(9), leaf, off: fc.constantFrom(0, 0, 1, 2 ** 52 - 1) }),
  );

  /** Everything that was ever done, with the time at which it was. */
  interface Model {
    readonly sums: Map<Leaf, Digest>;
    readonly stores: { readonly leaf: Leaf; readonly begun: number; ended: number }[];
    readonly failures: Map<number, number>;
    readonly doubts: Set<Leaf>;
    readonly looks: { readonly observation: Observation; readonly from: number; to: number }[];
  }
  const sumOf = (model: Model, one: Leaf): Digest => model.sums.get(one) ?? 0;
  const isPending = (model: Model, one: Leaf): boolean =>
    model.stores.some((store) => store.leaf === one && store.ended === Infinity);
  function fail(model: Model, one: Leaf): void {
    const partition = partitionOfLeaf(one);
    model.failures.set(partition, (model.failures.get(partition) ?? 0) + 1);
  }

  function perform(forest: MerkleForest, model: Model, now: number, todo: Command): void {
    switch (todo.kind) {
      case "add":
        forest.add(todo.leaf, todo.digest);
        model.sums.set(todo.leaf, addDigests(sumOf(model, todo.leaf), todo.digest));
        return;
      case "set":
        forest.set(todo.leaf, todo.digest);
        model.sums.set(todo.leaf, todo.digest);
        return;
      case "recount":
        forest.recount(todo.leaf, 7, todo.digest);
        if (todo.digest !== 7) fail(model, todo.leaf);
        model.sums.set(todo.leaf, subtractDigests(addDigests(sumOf(model, todo.leaf), todo.digest), 7));
        return;
      case "begin":
        model.stores.push({ leaf: todo.leaf, begun: now, ended: Infinity });
        expect(forest.begin(todo.leaf)).toBe(model.stores.length);
        return;
      case "doubt":
        forest.doubt(todo.leaf);
        model.doubts.add(todo.leaf);
        return;
      case "end": {
        // Any store, one that has ended, or one that never was.
        const which = todo.which % (model.stores.length + 1);
        const store = model.stores[which];
        forest.end(which + 1, todo.outcome);
        if (store?.ended !== Infinity) return;
        store.ended = now;
        if (todo.outcome === "stored") return;
        fail(model, store.leaf);
        model.doubts.add(store.leaf);
        return;
      }
      case "observe":
        model.looks.push({ observation: forest.observe(), from: now, to: Infinity });
        return;
      case "close": {
        const look = model.looks[todo.which % model.looks.length];
        if (look === undefined) return;
        forest.close(look.observation);
        look.to = Math.min(look.to, now);
        return;
      }
      case "verify": {
        const look = model.looks[todo.which % model.looks.length];
        if (look === undefined) return;
        const before = sumOf(model, todo.leaf);
        const actual = addDigests(before, todo.off);
        const disturbed = model.stores.some(
          (store) => store.leaf === todo.leaf && store.begun < look.to && store.ended > look.from,
        );
        const right = actual === before && !model.doubts.has(todo.leaf);
        const verdict = forest.verify(todo.leaf, actual, look.observation);
        expect(verdict).toBe(disturbed ? "disturbed" : right ? "right" : "wrong");
        if (disturbed) return;
        model.doubts.delete(todo.leaf);
        model.sums.set(todo.leaf, actual);
        if (actual !== before) fail(model, todo.leaf);
      }
    }
  }

  function expectAlike(forest: MerkleForest, model: Model): void {
    const settled = ({ level, index }: { readonly level: number; readonly index: number }): boolean =>
      LEAVES.every((one) => above(one, level) !== index || !(isPending(model, one) || model.doubts.has(one)));
    const below = (level: number, index: number) =>
      Array.from({ length: FANOUT }, (_, i) => [level + 1, FANOUT * index + i]);
    expect(
      NODES.map(({ level, index }) => [
        forest.isSettled(level, index),
        level === DEPTH ? forest.digest(level, index) : forest.children(level, index),
      ]),
    ).toEqual(
      NODES.map(({ level, index }) => [
        settled({ level, index }),
        level === DEPTH
          ? sumOf(model, index)
          : below(level, index).map(([l, i]) =>
              settled({ level: l!, index: i! }) ? forest.digest(l!, i!) : undefined,
            ),
      ]),
    );
    expect(forest.begun).toBe(model.stores.length);
    for (let store = 0; store <= model.stores.length; store++)
      expect(forest.settledUpTo(store)).toBe(model.stores.slice(0, store).every(({ ended }) => ended < Infinity));
    for (const partition of new Set(LEAVES.map(partitionOfLeaf))) {
      expect(forest.failuresIn(partition)).toBe(model.failures.get(partition) ?? 0);
      expect(forest.isDoubtful(partition)).toBe([...model.doubts].some((one) => partitionOfLeaf(one) === partition));
    }
    const looked = [...model.doubts].filter((one) => !isPending(model, one));
    expect(forest.doubts).toBe(model.doubts.size);
    if (looked.length === 0) expect(forest.doubtful).toBeUndefined();
    else expect(looked).toContain(forest.doubtful);
    const trees = new Set([...model.sums].filter(([, sum]) => sum !== 0).map(([one]) => partitionOfLeaf(one)));
    const open = model.looks.filter(({ to }) => to === Infinity).length;
    const pending = model.stores.filter(({ ended }) => ended === Infinity).length;
    expect(forest.size).toBe(trees.size + open + pending + model.doubts.size);
  }

  test("is as the model says after every step", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
        const forest = new MerkleForest();
        const model: Model = { sums: new Map(), stores: [], failures: new Map(), doubts: new Set(), looks: [] };
        commands.forEach((todo, now) => {
          perform(forest, model, now, todo);
          expectAlike(forest, model);
        });
      }),
      { numRuns: 100 },
    );
  });

  test("a look is disturbed by a store that was under way when it began, and by one that began meanwhile, in that leaf alone", () => {
    const forest = new MerkleForest();
    const before = forest.begin(1);
    const look = forest.observe();
    forest.end(before, "stored");
    forest.end(forest.begin(2), "stored");
    forest.close(look);
    const after = forest.begin(3);
    expect([1, 2, 3, 4].map((one) => forest.verify(one, 5, look))).toEqual([
      "disturbed",
      "disturbed",
      "wrong",
      "wrong",
    ]);
    expect([1, 2, 3, 4].map((one) => forest.digest(DEPTH, one))).toEqual([0, 0, 5, 5]);
    forest.end(after, "stored");
    const next = forest.observe();
    expect([1, 2, 3, 4].map((one) => forest.verify(one, 5, next))).toEqual(["wrong", "wrong", "right", "right"]);
  });

  test("a doubt stays until somebody has looked, and is nobody's business while a store is under way there", () => {
    const forest = new MerkleForest();
    forest.set(9, 100);
    const failing = forest.begin(9);
    const later = forest.begin(9);
    forest.end(failing, "failed");
    expect([forest.doubts, forest.doubtful, forest.isDoubtful(0), forest.failuresIn(0)]).toEqual([
      1,
      undefined,
      true,
      1,
    ]);
    forest.end(later, "stored");
    expect(forest.doubtful).toBe(9);
    expect(forest.children(2, 1)[1]).toBeUndefined();
    // What is counted is right by luck: the disk's sum may be wrong all the same, and has to be set.
    expect(forest.verify(9, 100, forest.observe())).toBe("wrong");
    expect([forest.doubts, forest.doubtful, forest.isDoubtful(0), forest.failuresIn(0)]).toEqual([
      0,
      undefined,
      false,
      1,
    ]);
    expect(forest.children(2, 1)[1]).toBe(100);
  });
});
