/** The scrub over a disk that lies: what it finds, what it leaves alone, and what it costs. With the real forest and the real replica. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { positionOf } from "./address.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { Effect, Note, Write } from "./effect.ts";
import { PairDisk } from "./exchange-pair.ts";
import { HintIndex } from "./hint-index.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import {
  DEPTH,
  type Leaf,
  LEAVES_PER_PARTITION,
  MerkleForest,
  addDigests,
  leafOf,
  recordDigest,
} from "./merkle-forest.ts";
import { Replica } from "./replica.ts";
import { Scrub } from "./scrub.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

/** One partition: 512 leaves over the whole ring. */
const PARTITIONS = 1;
const SCRUB_MS = 10_000;
const RECORDS_PER_PAGE = 256;

const actor = "a".repeat(48) as Actor;
let operations = 0;
function record(value = new Uint8Array(1)): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  return update(EMPTY, [], actor, { operation, at: operations, value, checksum: operations }).set;
}
const leafOfKey = (key: Key): Leaf => leafOf(positionOf(key), PARTITIONS);
const keysIn = (keys: Iterable<Key>, leaf: Leaf): Key[] => [...keys].filter((key) => leafOfKey(key) === leaf);
/** About six in each leaf, twelve pages. */
const keys = Array.from({ length: 3_000 }, (_, i) => `carts/${i}` as Key);

type Ask = Extract<Effect, { kind: "scan" | "load" | "store" | "load-leaves" }>;

class Fixture {
  readonly surroundings = new StubSurroundings(
    nodeNamed(1),
    viewOf({ nodes: 1, n: 1, r: 1, w: 1, partitions: PARTITIONS }),
    {
      scrubMs: SCRUB_MS,
    },
  );
  readonly forest = new MerkleForest();
  readonly disk = new PairDisk();
  readonly scrub: Scrub;
  readonly replica: Replica;
  readonly scans: Extract<Effect, { kind: "scan" }>[] = [];
  readonly mended: Key[] = [];

  constructor(records: Iterable<readonly [Key, DvvSet]>) {
    this.disk.fill(records);
    for (const { leaf, digest } of this.sums()) {
      this.forest.set(leaf, digest);
      this.disk.leaves.set(leaf, digest);
    }
    this.replica = new Replica(this.surroundings, new HintIndex(), this.forest);
    this.scrub = new Scrub(this.surroundings, this.forest, {
      corrected: (leaf, digest) => {
        this.scrub.correct(leaf, digest);
        this.replica.reread(leaf);
      },
      mendDamaged: (key) => {
        this.mended.push(key);
        this.replica.mendDamaged(key);
      },
    });
    this.surroundings.timers.set("scrub", SCRUB_MS);
  }

  /** What the sound records on the disk add up to. */
  sums(): { leaf: Leaf; digest: number }[] {
    const sums = new Map<Leaf, number>();
    for (const { key, record } of this.disk.all())
      if (typeof record !== "string")
        sums.set(leafOfKey(key), addDigests(sums.get(leafOfKey(key)) ?? 0, recordDigest(key, record.set)));
    return [...sums].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf);
  }

  /** Time passes; the node arms a look at what is in doubt at the end of each of its steps. */
  pass(spanMs: number): void {
    const { timers } = this.surroundings;
    const until = this.surroundings.now + spanMs;
    for (;;) {
      if (this.forest.doubts > 0) this.scrub.arm();
      const due = timers.earliest();
      if (due === undefined || due > until) break;
      for (const name of this.surroundings.pass(due - this.surroundings.now)) {
        if (name === "scrub") this.scrub.onTimer();
        if (name === "scrub-doubt") this.scrub.onDoubtTimer();
      }
      this.answer();
    }
    this.surroundings.now = until;
  }

  /** What the disk is asked and has not answered. */
  asked(): Ask[] {
    return this.surroundings.effects.filter((effect): effect is Ask => effect.kind !== "send");
  }

  /** The disk answers everything, in order. */
  answer(): void {
    for (let ask = this.asked()[0]; ask !== undefined; ask = this.asked()[0]) this.answerOne();
  }

  /** The disk answers the oldest question. */
  answerOne(how: "well" | "failed" = "well"): void {
    const [ask] = this.asked();
    if (ask === undefined) throw new Error("nothing to answer");
    this.surroundings.effects.splice(this.surroundings.effects.indexOf(ask), 1);
    const { ticket } = ask;
    if (ask.kind === "scan") this.scans.push(ask);
    if (how === "failed") {
      if (!this.scrub.onFailed(ticket)) this.replica.onStorageFailed(ticket);
    } else if (ask.kind === "scan") {
      const { entries, done } = this.disk.scan(ask);
      expect(this.scrub.onScanned(ticket, entries, done)).toBe(true);
    } else if (ask.kind === "load") this.replica.onLoaded(ticket, this.disk.load(ask));
    else if (ask.kind === "store") {
      this.disk.write(ask.writes);
      this.replica.onStored(ticket);
      this.scrub.onStored(ticket);
    } else
      this.scrub.onLeavesLoaded(
        ticket,
        [...this.disk.leaves].map(([leaf, digest]) => ({ leaf, digest })),
      );
  }

  /** Lets a whole round go by, and gives back the leaves that were corrected. */
  round(): Leaf[] {
    const { rounds } = this.scrub;
    for (let ticks = 0; this.scrub.rounds === rounds; ticks++) {
      expect(ticks).toBeLessThan(100);
      this.pass(SCRUB_MS);
    }
    return this.corrected();
  }

  corrected(): Leaf[] {
    const notes = this.surroundings.notes.splice(0);
    return notes
      .filter((note): note is Extract<Note, { what: "leaf-corrected" }> => note.what === "leaf-corrected")
      .map(({ leaf }) => leaf)
      .sort((a, b) => a - b);
  }

  /** Memory and disk count what lies on the disk, and nobody doubts it. */
  expectRight(): void {
    const sums = this.sums();
    expect(this.forest.leavesOf(0)).toEqual(sums);
    const onDisk = [...this.disk.leaves].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf);
    expect(onDisk.filter(({ digest }) => digest !== 0)).toEqual(sums);
    expect(this.forest.memory).toMatchObject({ doubtful: new Set(), observations: new Set(), stores: [] });
    expect(this.scrub.size).toBe(0);
  }
}

const all = keys.map((key) => [key, record()] as const);

describe("a round", () => {
  test("over a disk that tells the truth reads every record and corrects nothing", () => {
    const fixture = new Fixture(all);
    expect(fixture.round()).toEqual([]);
    fixture.expectRight();
    // A page ends within a leaf, and the next one begins with that leaf.
    expect(fixture.scans.length).toBeGreaterThanOrEqual(Math.ceil(keys.length / RECORDS_PER_PAGE));
    expect(fixture.scans.length).toBeLessThanOrEqual(Math.ceil(keys.length / (RECORDS_PER_PAGE - 20)));
    const read = new Set(
      fixture.scans.flatMap((scan) => fixture.disk.scan(scan).entries.map(({ address }) => address)),
    );
    expect(read.size).toBe(keys.length);
    expect(fixture.mended).toEqual([]);
  });

  test("finds what was lost or damaged, sums that are wrong, and leaves that are counted and empty", () => {
    const lie = fc.record({ what: fc.constantFrom("lost", "damaged", "memory", "disk", "empty"), at: fc.nat() });
    fc.assert(
      fc.property(fc.array(lie, { maxLength: 30 }), fc.integer({ min: 20, max: 1_000 }), (lies, count) => {
        const some = all.slice(0, count);
        const fixture = new Fixture(some);
        const inMemory = new Set<Leaf>();
        for (const { what, at } of lies) {
          const [key] = some[at % count]!;
          const leaf = what === "empty" ? at % LEAVES_PER_PARTITION : leafOfKey(key);
          if (what === "lost") fixture.disk.replace(key, undefined);
          else if (what === "damaged") fixture.disk.replace(key, "damaged");
          else if (what === "disk") fixture.disk.leaves.set(leaf, at);
          else fixture.forest.add(leaf, 1 + at);
        }
        const sums = new Map(fixture.sums().map(({ leaf, digest }) => [leaf, digest]));
        for (let leaf = 0; leaf < LEAVES_PER_PARTITION; leaf++)
          if (fixture.forest.digest(DEPTH, leaf) !== (sums.get(leaf) ?? 0)) inMemory.add(leaf);
        const failures = fixture.forest.failuresIn(0);
        expect(fixture.round()).toEqual([...inMemory].sort((a, b) => a - b));
        expect(fixture.forest.leavesOf(0)).toEqual(fixture.sums());
        // The disk's sum is set with the forest's. One that is wrong alone shows at the next start.
        for (const leaf of inMemory) expect(fixture.disk.leaves.get(leaf)).toBe(sums.get(leaf) ?? 0);
        expect(fixture.forest.failuresIn(0) - failures).toBe(inMemory.size);
        expect(fixture.round()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test("reads a leaf that is larger than a page as a whole, whatever lies around it", () => {
    const large = (): DvvSet => record(new Uint8Array(150_000));
    for (const place of ["first", "middle", "last"] as const) {
      const sorted = keys.slice(0, 600).sort((a, b) => leafOfKey(a) - leafOfKey(b));
      const leaf = leafOfKey(sorted[{ first: 0, middle: 300, last: 599 }[place]]!);
      const crowd = keysIn(keys, leaf);
      expect(crowd.length).toBeGreaterThan(2);
      const records = new Map([
        ...sorted.map((key) => [key, record()] as const),
        ...crowd.map((key) => [key, large()] as const),
      ]);
      const fixture = new Fixture(records);
      expect(fixture.round()).toEqual([]);
      fixture.disk.replace(crowd[1]!, undefined);
      fixture.forest.add(leafOfKey(sorted[100]!), 5);
      expect(fixture.round()).toEqual([...new Set([leaf, leafOfKey(sorted[100]!)])].sort((a, b) => a - b));
      fixture.expectRight();
      expect(fixture.scans.some(({ countMax }) => countMax > RECORDS_PER_PAGE)).toBe(true);
      expect(fixture.round()).toEqual([]);
    }
  });

  test("over an empty disk clears what is counted", () => {
    const fixture = new Fixture([]);
    fixture.forest.add(0, 5);
    fixture.forest.add(LEAVES_PER_PARTITION - 1, 6);
    expect(fixture.round()).toEqual([0, LEAVES_PER_PARTITION - 1]);
    fixture.expectRight();
    expect(fixture.forest.size).toBe(0);
  });

  test("leaves a leaf alone that was written meanwhile, and comes back to it", () => {
    const fixture = new Fixture(all.slice(0, 200));
    const [written, other] = [all[0]![0], all.find(([key]) => leafOfKey(key) !== leafOfKey(all[0]![0]))![0]];
    for (const key of [written, other]) fixture.forest.add(leafOfKey(key), 7);
    // The page is asked for, and before the disk answers a write begins.
    fixture.scrub.onTimer();
    fixture.replica.merge(written, record(), "write", { kind: "nobody" });
    const [scan, load] = fixture.asked();
    expect([scan?.kind, load?.kind]).toEqual(["scan", "load"]);
    fixture.surroundings.effects.reverse();
    fixture.answerOne();
    expect(fixture.asked().map(({ kind }) => kind)).toEqual(["scan", "store"]);
    fixture.answer();
    expect(fixture.corrected()).toEqual([leafOfKey(other)]);
    expect(fixture.round()).toEqual([leafOfKey(written)]);
    fixture.expectRight();
  });

  test("does not judge a leaf of which a record could not be read, and judges the others of the page", () => {
    const fixture = new Fixture(all.slice(0, 100));
    const [unread, sound] = [all[0]![0], all.find(([key]) => leafOfKey(key) !== leafOfKey(all[0]![0]))![0]];
    for (const key of [unread, sound]) fixture.forest.add(leafOfKey(key), 7);
    const { disk } = fixture;
    const scan = disk.scan.bind(disk);
    disk.scan = (asked) => {
      const { entries, done } = scan(asked);
      return {
        entries: entries.map((entry) => (entry.address.endsWith(unread) ? { ...entry, record: "failed" } : entry)),
        done,
      };
    };
    expect(fixture.round()).toEqual([leafOfKey(sound)]);
    disk.scan = scan;
    expect(fixture.round()).toEqual([leafOfKey(unread)]);
    fixture.expectRight();
  });

  test("asks for the same page again when the disk did not answer", () => {
    const fixture = new Fixture(all);
    fixture.forest.add(leafOfKey(keys[0]!), 3);
    for (let tick = 0; tick < 3; tick++) {
      fixture.surroundings.now += SCRUB_MS;
      fixture.scrub.onTimer();
      fixture.answerOne("failed");
    }
    expect(new Set(fixture.scans.map(({ after, before }) => after + before)).size).toBe(1);
    expect(fixture.round()).toEqual([leafOfKey(keys[0]!)]);
    fixture.expectRight();
  });
});

describe("a damaged record", () => {
  const [key, set] = all[0]!;
  const readIntoMemory = (fixture: Fixture, one: Key): void => {
    fixture.replica.read(one, { kind: "nobody" });
    fixture.answer();
  };

  test("that is in memory is written anew, and the sums stay right", () => {
    const fixture = new Fixture(all.slice(0, 50));
    readIntoMemory(fixture, key);
    fixture.disk.replace(key, "damaged");
    fixture.round();
    expect(fixture.mended).toEqual([key]);
    expect(fixture.disk.get(key)).toMatchObject({ set });
    fixture.expectRight();
    expect(fixture.round()).toEqual([]);
  });

  test("that is nowhere else here counts as none, so that the tree says what is truly there", () => {
    const fixture = new Fixture(all.slice(0, 50));
    fixture.disk.replace(key, "damaged");
    expect(fixture.round()).toEqual([leafOfKey(key)]);
    fixture.expectRight();
    expect(fixture.disk.get(key)).toBe("damaged");
    expect(fixture.round()).toEqual([]);
  });

  test("that another node's then replaces is counted again", () => {
    const fixture = new Fixture(all.slice(0, 50));
    fixture.disk.replace(key, "damaged");
    fixture.round();
    fixture.replica.merge(key, set, "repair", { kind: "nobody" });
    fixture.answer();
    expect(fixture.disk.get(key)).toMatchObject({ set });
    // The replica could not know what was counted for what it found damaged.
    fixture.pass(1_000);
    fixture.expectRight();
  });

  test("a record that is lost under the memory of it is not answered for any more", () => {
    const fixture = new Fixture(all.slice(0, 50));
    readIntoMemory(fixture, key);
    fixture.disk.replace(key, undefined);
    expect(fixture.round()).toEqual([leafOfKey(key)]);
    fixture.replica.read(key, { kind: "nobody" });
    fixture.answer();
    expect(fixture.surroundings.completions.at(-1)).toMatchObject({ kind: "read", outcome: "missing" });
  });
});

describe("a leaf in doubt", () => {
  test("is looked at soon and by itself, and the round goes on where it was", () => {
    const fixture = new Fixture(all);
    fixture.pass(3 * SCRUB_MS);
    const before = fixture.scans.length;
    const leaf = leafOfKey(keys[7]!);
    fixture.forest.doubt(leaf);
    fixture.pass(1_000);
    expect(fixture.scans.length).toBe(before + 1);
    const aside = fixture.scans.at(-1)!;
    expect(fixture.disk.scan(aside).entries.every(({ address }) => leafOf(address, PARTITIONS) === leaf)).toBe(true);
    expect(fixture.corrected()).toEqual([leaf]);
    expect(fixture.forest.doubts).toBe(0);
    fixture.pass(SCRUB_MS);
    expect(fixture.scans.at(-1)!.after > fixture.scans[before - 1]!.after).toBe(true);
    fixture.expectRight();
  });

  test("all of them are, one after the other", () => {
    const fixture = new Fixture(all);
    const leaves = [...new Set(keys.slice(0, 5).map(leafOfKey))].sort((a, b) => a - b);
    for (const leaf of leaves) {
      fixture.forest.add(leaf, 9);
      fixture.forest.doubt(leaf);
    }
    fixture.pass(leaves.length * 500);
    expect(fixture.corrected()).toEqual(leaves);
    fixture.expectRight();
  });

  test("after a failed store: what is truly on the disk is counted", () => {
    for (const kept of [true, false]) {
      const fixture = new Fixture(all.slice(0, 20));
      const key = keys[0]!;
      fixture.replica.merge(key, record(), "write", { kind: "nobody" });
      fixture.answerOne();
      const [store] = fixture.asked();
      expect(store?.kind).toBe("store");
      if (kept) fixture.disk.write((store as { readonly writes: readonly Write[] }).writes);
      fixture.answerOne("failed");
      expect(fixture.forest.isDoubtful(0)).toBe(true);
      fixture.pass(1_000);
      expect(fixture.corrected()).toEqual([leafOfKey(key)]);
      fixture.expectRight();
    }
  });

  test("stays so while a store is under way there, and is looked at when that has ended", () => {
    const fixture = new Fixture(all.slice(0, 20));
    const key = keys[0]!;
    const store = fixture.forest.begin(leafOfKey(key));
    fixture.forest.doubt(leafOfKey(key));
    const before = fixture.scans.length;
    fixture.pass(2_000);
    expect(fixture.scans.length).toBe(before);
    fixture.forest.end(store, "stored");
    fixture.pass(500);
    expect(fixture.scans.length).toBe(before + 1);
    expect(fixture.forest.doubts).toBe(0);
  });

  test("is one again when its sum could not be written", () => {
    const fixture = new Fixture(all.slice(0, 20));
    const leaf = leafOfKey(keys[0]!);
    fixture.forest.add(leaf, 11);
    fixture.scrub.onTimer();
    fixture.answerOne();
    expect(fixture.asked()).toMatchObject([{ kind: "store", writes: [{ store: "leaves", leaf, change: "set" }] }]);
    expect(fixture.scrub.size).toBe(1);
    fixture.answerOne("failed");
    expect([fixture.scrub.size, fixture.forest.doubts]).toEqual([0, 1]);
    fixture.disk.leaves.set(leaf, 123);
    fixture.pass(1_000);
    fixture.expectRight();
  });

  test("that cannot be read keeps neither the others waiting nor the round", () => {
    const fixture = new Fixture(all);
    const [unread, sound] = [
      leafOfKey(keys[0]!),
      leafOfKey(keys.find((key) => leafOfKey(key) !== leafOfKey(keys[0]!))!),
    ];
    const { disk } = fixture;
    const scan = disk.scan.bind(disk);
    disk.scan = (asked) => {
      const { entries, done } = scan(asked);
      return {
        entries: entries.map((entry) => (entry.address.endsWith(keys[0]!) ? { ...entry, record: "failed" } : entry)),
        done,
      };
    };
    for (const leaf of [unread, sound]) fixture.forest.doubt(leaf);
    fixture.pass(5_000);
    expect([...(fixture.forest.memory as { readonly doubtful: ReadonlySet<Leaf> }).doubtful]).toEqual([unread]);
    fixture.round();
  });
});

describe("at the start", () => {
  test("the sums that an earlier start left are read, and nothing is known before", () => {
    const fixture = new Fixture([]);
    fixture.disk.leaves.set(5, 50).set(6, 60);
    expect(fixture.scrub.started).toBe(true);
    fixture.scrub.start();
    expect(fixture.scrub.started).toBe(false);
    fixture.scrub.onLeavesLoaded(99, [{ leaf: 1, digest: 1 }]);
    expect([fixture.scrub.started, fixture.forest.size]).toEqual([false, 0]);
    fixture.answer();
    expect(fixture.scrub.started).toBe(true);
    expect(fixture.forest.leavesOf(0)).toEqual([
      { leaf: 5, digest: 50 },
      { leaf: 6, digest: 60 },
    ]);
  });

  test("when they cannot be read, the start is tried again", () => {
    const fixture = new Fixture([]);
    fixture.scrub.start();
    fixture.answerOne("failed");
    expect(fixture.scrub.started).toBe(false);
    fixture.surroundings.timers.clear("scrub");
    expect(fixture.surroundings.pass(999)).toEqual([]);
    expect(fixture.surroundings.pass(1)).toEqual(["start"]);
    fixture.scrub.start();
    fixture.answer();
    expect(fixture.scrub.started).toBe(true);
  });
});

describe("the cost", () => {
  test.each([0, 30, 3_000])("with %i records is one page each scrubMs", (count) => {
    const fixture = new Fixture(all.slice(0, count));
    for (let tick = 1; tick <= 50; tick++) {
      fixture.pass(SCRUB_MS);
      expect(fixture.scans.length).toBe(tick);
    }
    for (const scan of fixture.scans) {
      expect(fixture.disk.scan(scan).entries.length).toBeLessThanOrEqual(RECORDS_PER_PAGE);
      expect(scan.bytesMax).toBe(262_144);
    }
    expect(fixture.surroundings.takeSent()).toEqual([]);
  });

  test("is not doubled while the disk is slow: the next page waits for the last", () => {
    const fixture = new Fixture(all);
    for (let tick = 0; tick < 5; tick++) {
      fixture.surroundings.now += SCRUB_MS;
      fixture.scrub.onTimer();
      fixture.forest.doubt(1);
      fixture.scrub.onDoubtTimer();
    }
    expect(fixture.asked()).toHaveLength(1);
  });

  test("is none before the cluster was met", () => {
    const fixture = new Fixture(all);
    fixture.surroundings.ring = undefined;
    fixture.forest.doubt(1);
    fixture.pass(5 * SCRUB_MS);
    expect(fixture.scans).toEqual([]);
  });
});
