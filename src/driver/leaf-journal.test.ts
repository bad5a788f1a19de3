/** The sums of leaves on disk against a plain table: whatever is committed, fails, is folded, damaged or read after a restart. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../core/errors.ts";
import { type Digest, LEAVES_MAX, type Leaf } from "../core/merkle-forest.ts";
import { type LeafChange, encodeLeafRow } from "../wire/leaf-row.ts";
import { LeafJournal } from "./leaf-journal.ts";
import { MemoryDisk, MemoryStorage } from "./memory-storage.ts";
import type { Storage, StorageWrite } from "./ports.ts";

const END = 2n ** 52n;
/** Within one stretch of 4,096, at its borders, in other ones, the last of all. */
const LEAVES: readonly Leaf[] = [0, 1, 4_095, 4_096, 9_000, LEAVES_MAX - 1];
const change: fc.Arbitrary<LeafChange> = fc.record({
  leaf: fc.constantFrom(...LEAVES),
  change: fc.constantFrom("add", "add", "set"),
  digest: fc.oneof(
    fc.constantFrom(0, 1, 2 ** 52 - 1),
    fc.maxSafeNat().map((n) => n % 2 ** 52),
  ),
});
const changes = fc.array(change, { maxLength: 4 });

/** What the changes add up to, in their order; without what is 0. */
function sumsOf(rows: Iterable<readonly LeafChange[]>): [Leaf, Digest][] {
  const sums = new Map<Leaf, bigint>();
  for (const row of rows)
    for (const { leaf, change, digest } of row)
      sums.set(leaf, ((change === "set" ? 0n : (sums.get(leaf) ?? 0n)) + BigInt(digest)) % END);
  return [...sums].flatMap(([leaf, sum]): [Leaf, Digest][] => (sum === 0n ? [] : [[leaf, Number(sum)]])).sort(byLeaf);
}
const byLeaf = ([a]: readonly [Leaf, Digest], [b]: readonly [Leaf, Digest]): number => a - b;

type Fate = "stored" | "lost" | "kept";

/** A disk whose commits and scans fail as the test wants. */
class Fixture {
  readonly disk = new MemoryDisk();
  readonly #memory = new MemoryStorage({ disk: this.disk });
  readonly #foldAfter: number;
  /** What becomes of the next commits. */
  readonly fates: Fate[] = [];
  scansToFail = 0;
  scans = 0;
  journal: LeafJournal;

  constructor(foldAfter: number) {
    this.#foldAfter = foldAfter;
    this.journal = this.#make();
  }

  #make(): LeafJournal {
    return new LeafJournal(this.#storage, this.#foldAfter);
  }

  get #storage(): Pick<Storage, "scan" | "commit"> {
    return {
      scan: (store, range) => {
        this.scans++;
        return this.scansToFail-- > 0 ? Promise.reject(new StorageError("asked for")) : this.#memory.scan(store, range);
      },
      commit: (writes) => this.commit(writes),
    };
  }

  async open(): Promise<this> {
    await this.#memory.open();
    return this;
  }

  async commit(writes: readonly StorageWrite[]): Promise<void> {
    const fate = this.fates.shift() ?? "stored";
    if (fate !== "lost") await this.#memory.commit(writes, "relaxed");
    if (fate !== "stored") throw new StorageError("asked for");
  }

  /** As group commit does. */
  async write(row: readonly LeafChange[]): Promise<void> {
    try {
      await this.commit([this.journal.row(row)]);
      this.journal.tidy();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  async restart(): Promise<void> {
    await this.journal.idle();
    this.journal = this.#make();
    await this.journal.load();
  }

  /** What a start now would read. */
  async read(): Promise<[Leaf, Digest][]> {
    const sums = await new LeafJournal(this.#memory).load();
    return sums.map(({ leaf, digest }): [Leaf, Digest] => [leaf, digest]).sort(byLeaf);
  }

  keys(kind: "row" | "stretch"): string[] {
    return this.disk.stores.leaves.keys().filter((key) => key.startsWith(kind));
  }

  damage(key: string, at = 7): void {
    const bytes = this.disk.stores.leaves.get(key)!.slice();
    bytes[at % bytes.length]! ^= 1;
    this.disk.stores.leaves.set(key, bytes);
  }
}

describe("LeafJournal", () => {
  test("on an empty disk has nothing", async () => {
    const fixture = await new Fixture(4).open();
    expect(await fixture.journal.load()).toEqual([]);
  });

  test("the sums are those of what was committed, whatever fails, is folded, or restarts", async () => {
    type Step =
      | { readonly kind: "write"; readonly row: readonly LeafChange[]; readonly fate: Fate; readonly waits: boolean }
      | { readonly kind: "fold fails"; readonly fate: Fate }
      | { readonly kind: "restart" | "scan fails" | "wait" };
    const fate = fc.constantFrom<Fate>("stored", "stored", "stored", "lost", "kept");
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant("write"), row: changes, fate, waits: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("fold fails"), fate }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("restart", "scan fails", "wait") }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 50, size: "max" }),
        fc.integer({ min: 1, max: 6 }),
        async (steps, foldAfter) => {
          const fixture = await new Fixture(foldAfter).open();
          const applied: (readonly LeafChange[])[] = [];
          let written: Promise<unknown> = Promise.resolve();
          const settled = async (): Promise<void> => {
            await written;
            await fixture.journal.idle();
          };
          for (const todo of steps)
            switch (todo.kind) {
              case "write": {
                // Commits take effect in the order of the calls: a row's fate is drawn when it is called.
                fixture.fates.push(todo.fate);
                if (todo.fate !== "lost") applied.push(todo.row);
                const write = fixture.write(todo.row);
                written = Promise.all([written, write]);
                if (todo.waits) await write;
                else break;
                // A fold may be under way, or not; what it has done by now must not show.
                expect(await fixture.read()).toEqual(sumsOf(applied));
                break;
              }
              case "fold fails":
                await settled();
                fixture.fates.push("stored", todo.fate);
                applied.push([]);
                await fixture.write([]);
                await settled();
                fixture.fates.length = 0;
                expect(await fixture.read()).toEqual(sumsOf(applied));
                break;
              case "scan fails":
                await settled();
                fixture.scansToFail = 1;
                fixture.journal.tidy();
                await settled();
                fixture.scansToFail = 0;
                break;
              case "restart":
                await settled();
                await fixture.restart();
                expect(await fixture.read()).toEqual(sumsOf(applied));
                break;
              case "wait":
                await settled();
                expect(await fixture.read()).toEqual(sumsOf(applied));
                break;
            }
          await settled();
          expect(await fixture.read()).toEqual(sumsOf(applied));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a transaction has one row, of any number of changes, and no row takes the place of another", async () => {
    const fixture = await new Fixture(1_000).open();
    const row = (n: number): LeafChange[] =>
      Array.from({ length: n }, (_, leaf) => ({ leaf, change: "add", digest: n }) as const);
    for (let n = 1; n <= 20; n++) {
      if (n % 7 === 0) await fixture.restart();
      await fixture.write(row(n));
      expect(fixture.keys("row")).toHaveLength(n);
    }
    expect(await fixture.read()).toEqual(sumsOf(Array.from({ length: 20 }, (_, i) => row(i + 1))));
  });

  test("rows are read in the order of their numbers, page by page, and there may be many", async () => {
    const fixture = await new Fixture(100_000).open();
    const rows = Array.from({ length: 1_300 }, (_, i): LeafChange[] => [
      { leaf: i % 7, change: i % 100 === 99 ? "set" : "add", digest: i },
    ]);
    for (const row of rows) await fixture.write(row);
    expect(fixture.keys("row")).toHaveLength(1_300);
    expect(await fixture.read()).toEqual(sumsOf(rows));
  });

  test("folds when so many rows have come together, and keeps one row for each stretch then", async () => {
    const fixture = await new Fixture(5).open();
    const rows = Array.from({ length: 23 }, (_, i): LeafChange[] => [
      { leaf: LEAVES[i % LEAVES.length]!, change: "add", digest: i + 1 },
    ]);
    for (const row of rows) {
      await fixture.write(row);
      await fixture.journal.idle();
      expect(fixture.keys("row").length).toBeLessThan(5);
    }
    // Leaves 0, 1 and 4,095; 4,096; 9,000; the last.
    expect(fixture.keys("stretch")).toHaveLength(4);
    expect(await fixture.read()).toEqual(sumsOf(rows));
  });

  test("a stretch of which nothing is left is removed", async () => {
    const fixture = await new Fixture(2).open();
    await fixture.write([{ leaf: 3, change: "add", digest: 10 }]);
    await fixture.write([{ leaf: 4, change: "set", digest: 10 }]);
    await fixture.journal.idle();
    expect(fixture.keys("stretch")).toHaveLength(1);
    await fixture.write([{ leaf: 3, change: "add", digest: 2 ** 52 - 10 }]);
    await fixture.write([{ leaf: 4, change: "set", digest: 0 }]);
    await fixture.journal.idle();
    expect(fixture.disk.stores.leaves.size).toBe(0);
    expect(await fixture.read()).toEqual([]);
  });

  test("no fold begins while one is under way: it would count rows that are in their stretch already", async () => {
    const fixture = await new Fixture(2).open();
    const rows = [1, 2, 3, 4].map((digest): LeafChange[] => [{ leaf: 1, change: "add", digest }]);
    for (const row of rows) await fixture.commit([fixture.journal.row(row)]);
    fixture.journal.tidy();
    for (const row of rows) fixture.journal.row(row);
    fixture.journal.tidy();
    await fixture.journal.idle();
    expect(fixture.scans).toBe(1);
    expect(await fixture.read()).toEqual([[1, 10]]);
  });

  test("a fold that fails is tried again after as many rows more", async () => {
    const fixture = await new Fixture(3).open();
    const row: LeafChange[] = [{ leaf: 1, change: "add", digest: 1 }];
    fixture.fates.push("stored", "stored", "stored", "lost");
    for (let i = 0; i < 3; i++) await fixture.write(row);
    await fixture.journal.idle();
    expect(fixture.keys("row")).toHaveLength(3);
    await fixture.write(row);
    await fixture.write(row);
    await fixture.journal.idle();
    expect(fixture.keys("row")).toHaveLength(5);
    await fixture.write(row);
    await fixture.journal.idle();
    expect(fixture.keys("row")).toHaveLength(0);
    expect(await fixture.read()).toEqual([[1, 6]]);
  });

  test("rows that an earlier start left are folded with those of this one", async () => {
    const fixture = await new Fixture(4).open();
    for (let i = 0; i < 3; i++) await fixture.write([{ leaf: 1, change: "add", digest: 1 }]);
    await fixture.restart();
    await fixture.write([{ leaf: 1, change: "add", digest: 1 }]);
    await fixture.journal.idle();
    expect([fixture.keys("row").length, fixture.keys("stretch").length]).toEqual([0, 1]);
    expect(await fixture.read()).toEqual([[1, 4]]);
  });

  test("a scan that fails is told to whoever loads", async () => {
    const fixture = await new Fixture(4).open();
    fixture.scansToFail = 1;
    await expect(fixture.journal.load()).rejects.toBeInstanceOf(StorageError);
    expect(await fixture.journal.load()).toEqual([]);
  });
});

describe("damage", () => {
  test("of any byte of any rows leaves those rows out, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ row: changes, damaged: fc.boolean(), at: fc.nat(), bit: fc.nat(7), cut: fc.boolean() }), {
          maxLength: 20,
          size: "max",
        }),
        async (rows) => {
          const fixture = await new Fixture(1_000).open();
          for (const { row } of rows) await fixture.write(row);
          for (const [i, { damaged, at, bit, cut }] of rows.entries()) {
            if (!damaged) continue;
            const key = fixture.keys("row")[i]!;
            const bytes = fixture.disk.stores.leaves.get(key)!.slice();
            bytes[at % bytes.length]! ^= 1 << bit;
            fixture.disk.stores.leaves.set(key, cut ? bytes.slice(0, at % bytes.length) : bytes);
          }
          expect(await fixture.read()).toEqual(sumsOf(rows.map(({ row, damaged }) => (damaged ? [] : row))));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("of a stretch costs its leaves alone, and the next fold puts a sound one in its place", async () => {
    const fixture = await new Fixture(2).open();
    for (const leaf of [0, 4_096]) await fixture.write([{ leaf, change: "add", digest: 5 }]);
    await fixture.journal.idle();
    const [first, second] = fixture.keys("stretch");
    fixture.damage(first!);
    expect(await fixture.read()).toEqual([[4_096, 5]]);
    for (const leaf of [1, 4_097]) await fixture.write([{ leaf, change: "add", digest: 6 }]);
    await fixture.journal.idle();
    expect(fixture.keys("stretch")).toEqual([first, second]);
    expect(await fixture.read()).toEqual([
      [1, 6],
      [4_096, 5],
      [4_097, 6],
    ]);
  });

  test("a damaged row goes with the next fold", async () => {
    const fixture = await new Fixture(3).open();
    for (let i = 0; i < 2; i++) await fixture.write([{ leaf: 0, change: "add", digest: 5 }]);
    fixture.damage(fixture.keys("row")[0]!);
    await fixture.write([{ leaf: 0, change: "add", digest: 7 }]);
    await fixture.journal.idle();
    expect(fixture.keys("row")).toEqual([]);
    expect(await fixture.read()).toEqual([[0, 12]]);
  });

  test("what stands in the place of a row and is none is left out", async () => {
    const fixture = await new Fixture(100).open();
    await fixture.write([{ leaf: 2, change: "set", digest: 9 }]);
    const sound = encodeLeafRow([{ leaf: 3, change: "set", digest: 9 }]);
    for (const [i, bytes] of [
      new Uint8Array(),
      new Uint8Array(3),
      sound.slice(1),
      Uint8Array.of(...sound, 0),
    ].entries())
      fixture.disk.stores.leaves.set(`row 9999999999999${i}`, bytes);
    expect(await fixture.read()).toEqual([[2, 9]]);
  });
});
