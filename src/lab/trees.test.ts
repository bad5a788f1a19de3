import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { positionOf, recordAddress } from "../core/address.ts";
import { type DvvSet, EMPTY, equal, less, update } from "../core/dvvset.ts";
import type { Actor, Key, OperationId } from "../core/identifiers.ts";
import { type Digest, type Leaf, addDigests, leafOf, recordDigest } from "../core/merkle-forest.ts";
import { encodeMessage } from "../wire/codec.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import {
  type Branch,
  DEPTH,
  FANOUT,
  compareTrees,
  costsOf,
  keysIn,
  lonelyWrites,
  partitionOfKey,
  talksBetween,
} from "./trees.ts";
import type { PartitionTree } from "./world.ts";

const PARTITIONS = 8;
const PARTITION = 3;
const KEYS = keysIn(PARTITION, PARTITIONS, "key ", 24);
const ACTORS = ["a", "b", "c"].map((letter) => letter.repeat(48) as Actor);

let operations = 0;
function written(set: DvvSet, actor: number, value: string, knows: boolean): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  const bytes = utf8Encode(value);
  const version = { operation, at: operations, value: bytes, checksum: crc32(bytes) };
  return update(set, knows ? set.clock : [], ACTORS[actor]!, version).set;
}

/** As a disk has it that counts what it keeps. */
function treeOf(records: ReadonlyMap<Key, DvvSet | undefined>): PartitionTree {
  const sums = new Map<Leaf, Digest>();
  for (const [key, set] of records) {
    const leaf = leafOf(positionOf(key), PARTITIONS);
    if (set !== undefined) sums.set(leaf, addDigests(sums.get(leaf) ?? 0, recordDigest(key, set)));
  }
  const address = (key: Key): string => recordAddress(key, positionOf(key));
  return {
    partition: PARTITION,
    partitions: PARTITIONS,
    leaves: [...sums].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf),
    records: [...records]
      .map(([key, set]) => ({ key, set }))
      .sort((a, b) => (address(a.key) < address(b.key) ? -1 : 1)),
  };
}

/** Writes that reach both, or one of the two. */
const histories = fc.array(
  fc.record({
    key: fc.constantFrom(...KEYS),
    actor: fc.nat(2),
    value: fc.string({ maxLength: 200 }),
    knows: fc.boolean(),
    reaches: fc.constantFrom("both", "both", "both", "left", "right"),
  }),
  { maxLength: 60 },
);
type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

function disksAfter(history: History): [Map<Key, DvvSet>, Map<Key, DvvSet>] {
  const [left, right] = [new Map<Key, DvvSet>(), new Map<Key, DvvSet>()];
  for (const { key, actor, value, knows, reaches } of history) {
    if (reaches !== "right") left.set(key, written(left.get(key) ?? EMPTY, actor, value, knows));
    if (reaches === "right") right.set(key, written(right.get(key) ?? EMPTY, actor, value, knows));
    // As a copy of it, on the other side.
    else if (reaches === "both") right.set(key, left.get(key)!);
  }
  return [left, right];
}

/** Whatever is not the same record, found by looking at everything. */
function fullDiff(left: ReadonlyMap<Key, DvvSet>, right: ReadonlyMap<Key, DvvSet>): Key[] {
  return KEYS.filter((key) => {
    const [own, other] = [left.get(key), right.get(key)];
    return own === undefined || other === undefined ? own !== other : !equal(own, other);
  });
}

function everyBranch(branch: Branch): Branch[] {
  return [branch, ...branch.children.flatMap(everyBranch)];
}

describe("two trees", () => {
  test("the keys behind their differences are those of a full diff, with who lacks what", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const [left, right] = disksAfter(history);
        const { keys, leaves, root } = compareTrees(treeOf(left), treeOf(right));
        expect(keys.map(({ key }) => key).sort()).toEqual(fullDiff(left, right).sort());
        for (const difference of keys) {
          const { key } = difference;
          const [own, other] = [left.get(key), right.get(key)];
          expect(difference.left === "lacks").toBe(own === undefined);
          expect(difference.right === "lacks").toBe(other === undefined);
          expect(difference.left === "older").toBe(own !== undefined && other !== undefined && less(own, other));
          expect(difference.right === "older").toBe(own !== undefined && other !== undefined && less(other, own));
          expect(difference.leaf).toBe(leafOf(positionOf(key), PARTITIONS));
        }
        expect(leaves).toEqual([...new Set(keys.map(({ leaf }) => leaf))].sort((a, b) => a - b));
        // Only what differs is open, and all of it.
        for (const branch of everyBranch(root)) {
          const isOpen = branch.left !== branch.right && branch.level < DEPTH;
          expect(branch.children.length).toBe(isOpen ? FANOUT : 0);
          if (isOpen) expect(branch.children.some(({ left: own, right: other }) => own !== other)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("an exchange of them evens both out, and its messages cost what they cost", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const [left, right] = disksAfter(history);
        const costs = costsOf(treeOf(left), treeOf(right));
        expect([costs.outcome, costs.evened]).toEqual(["settled", true]);
        const differing = fullDiff(left, right).length;
        if (differing === 0) {
          expect([costs.walking.messages, costs.listing.messages, costs.moving.messages]).toEqual([2, 0, 0]);
        } else {
          expect(costs.walking.messages).toBe(2 * DEPTH);
          const { leaves } = compareTrees(treeOf(left), treeOf(right));
          expect(costs.listing.messages).toBe(2 * leaves.length);
          expect(costs.moving.messages).toBeGreaterThan(0);
        }
        expect(costs.listingAll.bytes).toBeGreaterThanOrEqual(costs.listing.bytes);
      }),
      { numRuns: 200 },
    );
  });

  test("with many records of which one differs the walk costs a small part of what else could be done", () => {
    const keys = keysIn(PARTITION, PARTITIONS, "many ", 1_000);
    const left = new Map(keys.map((key) => [key, written(EMPTY, 0, "x".repeat(100), true)] as const));
    const right = new Map(left);
    right.delete(keys[7]!);
    const costs = costsOf(treeOf(left), treeOf(right));
    const spent = costs.walking.bytes + costs.listing.bytes + costs.moving.bytes;
    expect(costs).toMatchObject({ outcome: "settled", evened: true });
    expect(spent * 20).toBeLessThan(costs.listingAll.bytes);
    expect(spent * 100).toBeLessThan(costs.sendingAll.bytes);
    // All records of both, and not much around them.
    const records = [...left].map(([key, set]) => ({ key, set }));
    const once = encodeMessage({ kind: "fetch-reply", request: 1, records, answered: 1 }, 1).length;
    expect(Math.abs(costs.sendingAll.bytes / (2 * once) - 1)).toBeLessThan(0.02);
  });

  test("a damaged record is said to be one, and is fetched from who has it", () => {
    const [key] = KEYS;
    const set = written(EMPTY, 0, "x", true);
    const damaged: PartitionTree = { ...treeOf(new Map([[key!, undefined]])), leaves: [] };
    const sound = treeOf(new Map([[key!, set]]));
    expect(compareTrees(damaged, sound).keys).toEqual([
      { key, leaf: leafOf(positionOf(key!), PARTITIONS), left: "damaged", right: "has" },
    ]);
    expect(costsOf(damaged, sound)).toMatchObject({ outcome: "settled", evened: true });
  });
});

describe("in a world", () => {
  const { partitions } = defaultLabOptions.parameters;
  const partition = partitionOfKey("carts/ada" as Key, partitions);
  const keys = keysIn(partition, partitions, "carts/", 4);

  /** The first owner has written what the others do not know of. */
  function parted(): { world: SimulatedWorld; names: string[]; owners: ReturnType<SimulatedWorld["idOf"]>[] } {
    const world = new SimulatedWorld(defaultLabOptions);
    const nameOf = new Map(world.nodes.map(({ id, name }) => [id, name]));
    const owners = [...world.listsAt(world.nodes[0]!.id)[partition]!.owners];
    const names = owners.map((id) => nameOf.get(id)!);
    const others = world.nodes.map(({ name }) => name).filter((name) => name !== names[0]);
    world.act({ do: "put", node: names[0]!, key: keys[0]!, value: "before", context: "none" });
    world.runUntil(2_000);
    for (const move of lonelyWrites(names[0]!, others, keys, "after"))
      if (move.do === "wait") world.runUntil(world.now + move.forMs);
      else world.act(move);
    return { world, names, owners };
  }

  test("who was cut off has what the others lack; healed, their trees find it, and what they said is told", () => {
    const { world, owners } = parted();
    const trees = () => [world.treeOf(owners[0]!, partition)!, world.treeOf(owners[1]!, partition)!] as const;
    const differing = compareTrees(...trees()).keys;
    expect(differing.map(({ key }) => key).sort()).toEqual([...keys].sort());
    for (const { key, left, right } of differing) {
      expect(left).not.toBe("lacks");
      expect(right).toBe(key === keys[0] ? "older" : "lacks");
    }
    expect(costsOf(...trees())).toMatchObject({ outcome: "settled", evened: true });
    for (const [i, tree] of trees().entries())
      for (const { key, set } of tree.records) expect(set).toBe(world.recordsOf(owners[i]!, key).record);

    world.act({ do: "heal" });
    world.runUntil(world.now + 30_000);
    expect(compareTrees(...trees()).root).toMatchObject({ children: [] });
    expect(trees()[0].leaves).toEqual(trees()[1].leaves);

    const talks = talksBetween(world, owners[0]!, owners[1]!);
    expect(talks.length).toBeGreaterThan(0);
    // Here nobody owes a hint: what serves no caller's request is of an exchange.
    const said = world.flights.filter(
      ({ from, to, kind, request }) =>
        request === undefined &&
        [from, to].every((node) => node === owners[0] || node === owners[1]) &&
        /^(tree|leaf|fetch|recent|replica)-/.test(kind),
    );
    expect(talks.reduce((sum, { messages }) => sum + messages, 0)).toBe(said.length);
    for (const talk of talks) {
      const bytes = said
        .filter(({ sentAt }) => sentAt >= talk.from && sentAt <= talk.to)
        .map(({ id }) => {
          const { message, epoch, protocol } = world.letterOf(id)!;
          return encodeMessage(message, epoch, protocol).length;
        });
      expect([talk.messages, talk.bytes]).toEqual([bytes.length, bytes.reduce((sum, one) => sum + one, 0)]);
    }
    expect(talks.reduce((sum, { records }) => sum + records, 0)).toBeGreaterThanOrEqual(keys.length);
    expect(talks.some((talk) => talk.kinds.some(({ kind }) => kind === "leaf-reply"))).toBe(true);
  });

  test("a disk that is gone has no tree, one whose node is down still has", () => {
    const { world, names, owners } = parted();
    world.act({ do: "crash", node: names[0]! });
    expect(world.treeOf(owners[0]!, partition)?.records.length).toBe(4);
    world.act({ do: "wipe", node: names[0]!, successor: "s" });
    expect(world.treeOf(owners[0]!, partition)).toBeUndefined();
    expect(world.treeOf(owners[1]!, partitions)).toBeUndefined();
  });

  test("the letter of a flight is there as long as the flight is, and that of a copy is the original's", () => {
    const { world, names } = parted();
    world.act({ do: "put", node: names[1]!, key: keys[0]!, value: "more", context: "none" });
    for (const { id, kind, key } of world.flights) {
      const letter = world.letterOf(id)!;
      expect(letter.message.kind).toBe(kind);
      if (key !== undefined) expect(letter.message).toMatchObject({ key });
    }
    const moving = world.flightsUnderWay.find(({ fate }) => fate === "under-way")!;
    world.act({ do: "duplicate", flight: moving.id });
    const copy = world.flights.find(({ copyOf }) => copyOf === moving.id)!;
    expect(world.letterOf(copy.id)).toBe(world.letterOf(moving.id));
    expect(world.letterOf(1e9)).toBeUndefined();
  });
});
