/**
 * What the trees count of a replica's records: whatever is merged, dropped, lost, damaged or read again, in memory and on the disk each leaf counts what lies
 * there, or is in doubt. Stores and scans keep their order; reads of single records come back when they like.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { positionOf } from "./address.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { Effect, ReadRecord, StoredRecord } from "./effect.ts";
import { PairDisk } from "./exchange-pair.ts";
import { HintIndex } from "./hint-index.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import { DEPTH, type Digest, type Leaf, MerkleForest, addDigests, leafOf, recordDigest } from "./merkle-forest.ts";
import { Replica } from "./replica.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const actors = ["a", "b"].map((letter) => letter.repeat(48) as Actor);
let operations = 0;
function record(before: DvvSet = EMPTY, actor = 0): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  const version = { operation, at: operations, value: new Uint8Array(1), checksum: operations };
  return update(before, before.clock, actors[actor]!, version).set;
}
const leafOfKey = (key: Key): Leaf => leafOf(positionOf(key), 1);
/** Three of one leaf, and one of another. */
const keys = ((): readonly Key[] => {
  const all = Array.from({ length: 3_000 }, (_, i) => `carts/${i}` as Key);
  const together = all.filter((key) => leafOfKey(key) === leafOfKey(all[0]!)).slice(0, 3);
  return [...together, all.find((key) => leafOfKey(key) !== leafOfKey(all[0]!))!];
})();
const leaves = [...new Set(keys.map(leafOfKey))];
const other = nodeNamed(2);

type Scan = Extract<Effect, { kind: "scan" }>;

class Fixture {
  readonly surroundings: StubSurroundings;
  readonly forest = new MerkleForest();
  readonly disk = new PairDisk();
  readonly hints = new Map<string, StoredRecord>();
  readonly replica: Replica;
  readonly corrected: Leaf[] = [];
  readonly #looks = new Map<
    number,
    { readonly leaf: Leaf; readonly observation: ReturnType<MerkleForest["observe"]> }
  >();

  constructor(records: Iterable<readonly [Key, DvvSet]>, cachedRecordsMax = 1_000) {
    this.surroundings = new StubSurroundings(nodeNamed(1), viewOf({ nodes: 2, n: 2, r: 1, w: 1, partitions: 1 }), {
      cachedRecordsMax,
    });
    this.disk.fill(records);
    for (const leaf of leaves) {
      this.forest.set(leaf, this.actual(leaf));
      this.disk.leaves.set(leaf, this.actual(leaf));
    }
    this.replica = new Replica(this.surroundings, new HintIndex(), this.forest);
  }

  /** What the sound records of the leaf on the disk add up to. */
  actual(leaf: Leaf): Digest {
    let sum = 0;
    for (const { key, record } of this.disk.all())
      if (leafOfKey(key) === leaf && typeof record !== "string") sum = addDigests(sum, recordDigest(key, record.set));
    return sum;
  }

  /** Asks for all records of a leaf, as the scrub and the exchanges do. */
  look(leaf: Leaf): void {
    const ticket = this.surroundings.nextTicket();
    this.#looks.set(ticket, { leaf, observation: this.forest.observe() });
    this.surroundings.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: "",
      before: "g",
      countMax: 1_000,
      bytesMax: 1e9,
    });
  }

  asks(): (Scan | Extract<Effect, { kind: "load" | "store" }>)[] {
    return this.surroundings.effects.filter(
      (effect) => effect.kind === "scan" || effect.kind === "load" || effect.kind === "store",
    );
  }

  /** The oldest store or scan, or the oldest read. */
  answer(what: "disk" | "reads", how: "stored" | "lost" | "kept" = "stored"): boolean {
    const ask = this.asks().find(({ kind }) => (kind === "load") === (what === "reads"));
    if (ask === undefined) return false;
    this.surroundings.effects.splice(this.surroundings.effects.indexOf(ask), 1);
    const { ticket } = ask;
    if (ask.kind === "load") {
      const found = this.disk.load(ask);
      const records = ask.reads.map(({ store, address }, i): ReadRecord | undefined =>
        store === "hints" ? this.hints.get(address) : found[i],
      );
      this.replica.onLoaded(ticket, how === "stored" ? records : records.map(() => "failed"));
    } else if (ask.kind === "scan") {
      const { leaf, observation } = this.#looks.get(ticket)!;
      this.#looks.delete(ticket);
      this.forest.close(observation);
      const sum = this.actual(leaf);
      if (this.forest.verify(leaf, sum, observation) !== "wrong") return true;
      this.corrected.push(leaf);
      this.surroundings.store(
        this.surroundings.nextTicket(),
        [{ store: "leaves", leaf, change: "set", digest: sum }],
        "relaxed",
      );
      this.replica.reread(leaf);
    } else {
      const ofRecords = ask.writes.some(({ store }) => store !== "leaves");
      const fate = ofRecords ? how : "stored";
      if (fate !== "lost") {
        this.disk.write(ask.writes);
        for (const write of ask.writes)
          if (write.store === "hints" && write.record === null) this.hints.delete(write.address);
          else if (write.store === "hints" && write.record !== null) this.hints.set(write.address, write.record);
      }
      if (fate === "stored") this.replica.onStored(ticket);
      else this.replica.onStorageFailed(ticket);
    }
    return true;
  }

  settle(): void {
    while (this.answer("disk") || this.answer("reads"));
  }

  merge(key: Key, set: DvvSet): void {
    this.replica.merge(key, set, "write", { kind: "nobody" });
  }

  read(key: Key): void {
    this.replica.read(key, { kind: "nobody" });
  }

  /** Nothing is under way: what is not in doubt is right. */
  expectCounted(): void {
    const { doubtful } = this.forest.memory as { readonly doubtful: ReadonlySet<Leaf> };
    for (const leaf of leaves.filter((one) => !doubtful.has(one)))
      expect([this.forest.digest(DEPTH, leaf), this.disk.leaves.get(leaf)]).toEqual([
        this.actual(leaf),
        this.actual(leaf),
      ]);
  }

  /** Somebody has looked at every leaf. */
  expectRight(): void {
    for (const leaf of leaves) this.look(leaf);
    this.settle();
    expect(this.forest.doubts).toBe(0);
    this.expectCounted();
  }
}

const [key, second] = keys as [Key, Key];
const leaf = leafOfKey(key);

describe("a record", () => {
  test("is counted when it is merged, on the disk in the same transaction", () => {
    const fixture = new Fixture([]);
    fixture.merge(key, record());
    fixture.answer("reads");
    expect(fixture.forest.isSettled(DEPTH, leaf)).toBe(false);
    const [store] = fixture.asks();
    expect(store).toMatchObject({
      kind: "store",
      writes: [{ store: "records" }, { store: "leaves", leaf, change: "add" }],
    });
    fixture.settle();
    expect(fixture.forest.isSettled(DEPTH, leaf)).toBe(true);
    fixture.expectCounted();
    expect(fixture.corrected).toEqual([]);
  });

  test("that changes is counted instead of what it was, and one that is dropped no more", () => {
    const first = record();
    const fixture = new Fixture([
      [key, first],
      [second, record()],
    ]);
    fixture.merge(key, record(first, 1));
    fixture.settle();
    fixture.expectCounted();
    const now = fixture.disk.get(key);
    fixture.replica.dropRecord(key, (now as StoredRecord).set);
    fixture.settle();
    expect(fixture.disk.get(key)).toBeUndefined();
    fixture.expectCounted();
    expect(fixture.forest.doubts).toBe(0);
  });

  test("that is merged again and changes nothing is not counted again", () => {
    const first = record();
    const fixture = new Fixture([[key, first]]);
    for (let i = 0; i < 3; i++) fixture.merge(key, first);
    fixture.settle();
    fixture.expectCounted();
  });

  test("whose store failed puts its leaf in doubt, whatever is on the disk", () => {
    for (const how of ["lost", "kept"] as const) {
      const fixture = new Fixture([[second, record()]]);
      fixture.merge(key, record());
      fixture.answer("reads");
      fixture.answer("disk", how);
      expect(fixture.forest.isDoubtful(0)).toBe(true);
      expect(fixture.forest.failuresIn(0)).toBe(1);
      fixture.settle();
      fixture.expectRight();
    }
  });

  test("that was found damaged counts as none, and the next one in its place is counted whole", () => {
    const first = record();
    const fixture = new Fixture([[key, first]]);
    fixture.disk.replace(key, "damaged");
    fixture.read(key);
    fixture.settle();
    expect(fixture.forest.isDoubtful(0)).toBe(true);
    fixture.look(leaf);
    fixture.settle();
    expect(fixture.forest.digest(DEPTH, leaf)).toBe(0);
    fixture.merge(key, first);
    fixture.settle();
    expect(fixture.forest.digest(DEPTH, leaf)).toBe(recordDigest(key, first));
    fixture.expectRight();
  });

  test("that the disk lost under the memory of it is forgotten when somebody has looked", () => {
    const fixture = new Fixture([[key, record()]]);
    fixture.read(key);
    fixture.settle();
    fixture.disk.replace(key, undefined);
    fixture.look(leaf);
    fixture.settle();
    fixture.surroundings.completions.length = 0;
    fixture.read(key);
    fixture.settle();
    expect(fixture.surroundings.completions).toMatchObject([{ kind: "read", outcome: "missing" }]);
    fixture.expectRight();
  });

  test("that the disk lost is forgotten also while a hint of its key is on its way there", () => {
    const first = record();
    const fixture = new Fixture([[key, first]]);
    fixture.read(key);
    fixture.settle();
    fixture.disk.replace(key, undefined);
    fixture.look(leaf);
    fixture.replica.keepHint(key, other, record(), { kind: "nobody" });
    fixture.settle();
    fixture.merge(key, first);
    fixture.settle();
    // Said to be stored, it is.
    expect(fixture.disk.get(key)).toMatchObject({ set: first });
    fixture.expectCounted();
  });

  test("that is read again after a failed store is not counted twice when somebody has looked meanwhile", () => {
    const fixture = new Fixture([[second, record()]]);
    fixture.merge(key, record());
    fixture.answer("reads");
    fixture.replica.keepHint(key, other, record(), { kind: "nobody" });
    // The record is lost; what is asked of the key waits for the hint, and then for the disk.
    fixture.answer("disk", "lost");
    fixture.read(key);
    fixture.answer("disk");
    expect(fixture.asks().map(({ kind }) => kind)).toEqual(["load"]);
    fixture.look(leaf);
    fixture.answer("disk");
    fixture.settle();
    fixture.expectCounted();
  });
});

test("at random: each leaf counts what lies on the disk, or is in doubt", () => {
  type Step =
    | {
        readonly what: "merge" | "read" | "hint" | "drop hint" | "drop" | "mend";
        readonly key: number;
        readonly actor: number;
      }
    | { readonly what: "look"; readonly leaf: number }
    | { readonly what: "disk" | "reads"; readonly how: "stored" | "lost" | "kept" };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        what: fc.constantFrom("merge", "merge", "read", "hint", "drop hint", "drop", "mend"),
        key: fc.nat(keys.length - 1),
        actor: fc.nat(1),
      }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("look"), leaf: fc.nat(leaves.length - 1) }) },
    {
      weight: 9,
      arbitrary: fc.record({
        what: fc.constantFrom("disk", "disk", "reads"),
        how: fc.constantFrom("stored", "stored", "stored", "lost", "kept"),
      }),
    },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60, size: "max" }),
      fc.constantFrom(0, 1, 1_000),
      fc.integer(),
      (steps, cachedRecordsMax, seed) => {
        const prng = Prng.fromNumber(seed);
        const fixture = new Fixture(
          keys.filter(() => prng.chance(0.5)).map((one) => [one, record()] as const),
          cachedRecordsMax,
        );
        const kept = new Map<Key, DvvSet>();
        for (const todo of steps)
          switch (todo.what) {
            case "merge":
              fixture.merge(keys[todo.key]!, record(EMPTY, todo.actor));
              break;
            case "read":
              fixture.read(keys[todo.key]!);
              break;
            case "hint": {
              const set = record(EMPTY, todo.actor);
              kept.set(keys[todo.key]!, set);
              fixture.replica.keepHint(keys[todo.key]!, other, set, { kind: "nobody" });
              break;
            }
            case "drop hint":
              fixture.replica.dropHint(keys[todo.key]!, other, kept.get(keys[todo.key]!) ?? EMPTY);
              break;
            case "drop": {
              const found = fixture.disk.get(keys[todo.key]!);
              if (typeof found === "object") fixture.replica.dropRecord(keys[todo.key]!, found.set);
              break;
            }
            case "mend":
              fixture.replica.mendDamaged(keys[todo.key]!);
              break;
            case "look":
              fixture.look(leaves[todo.leaf]!);
              break;
            default:
              fixture.answer(todo.what, todo.how);
          }
        fixture.settle();
        fixture.expectCounted();
        fixture.expectRight();
      },
    ),
    { numRuns: 300 },
  );
});
