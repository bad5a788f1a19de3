/**
 * The sums of a node's Merkle leaves on disk (see `core/merkle-forest.ts`): what a restart reads instead of all records.
 *
 * Each transaction that changes records gets one row more, with all that it adds to the sums: so the sums change with the records or not at all,
 * and a write costs no row of its own. When FOLD_AFTER such rows have come together they are folded: their changes go into the rows of the stretches
 * of leaves that they concern, in one commit with their removal. Rows are numbered; a stretch holds what all folded rows have said.
 *
 * A damaged row is left out: the sums are wrong then, until the scrub has read the records.
 *
 * Limits: FOLD_AFTER rows, and some more while a fold is under way; a fold that fails is tried again after as many rows more.
 */

import { addDigests, type Digest, type Leaf } from "../core/merkle-forest.ts";
import { TabringError } from "../core/errors.ts";
import { type LeafChange, decodeLeafRow, encodeLeafRow } from "../wire/leaf-row.ts";
import type { Storage, StorageWrite } from "./ports.ts";

const FOLD_AFTER = 1_024;
/** Leaves in one stretch: those of eight partitions. */
const STRETCH = 4_096;
const ROWS_PER_SCAN = 512;
const BYTES_PER_SCAN = 4_194_304;
const NUMBER_DIGITS = 14;

export class LeafJournal {
  readonly #storage: Pick<Storage, "scan" | "commit">;
  readonly #foldAfter: number;
  #next = 1;
  #rows = 0;
  #folding: Promise<void> | undefined;

  constructor(storage: Pick<Storage, "scan" | "commit">, foldAfter = FOLD_AFTER) {
    this.#storage = storage;
    this.#foldAfter = foldAfter;
  }

  /** All sums that are not 0. Rejects like the storage does. */
  async load(): Promise<{ leaf: Leaf; digest: Digest }[]> {
    const sums = new Map<Leaf, Digest>();
    const { rows, stretches } = await this.#read();
    for (const { changes } of [...stretches, ...rows]) apply(sums, changes);
    const last = rows.at(-1);
    if (last !== undefined) this.#next = Math.max(this.#next, numberOf(last.key) + 1);
    this.#rows = rows.length;
    return [...sums].flatMap(([leaf, digest]) => (digest === 0 ? [] : [{ leaf, digest }]));
  }

  /** The row for a transaction that changes these. */
  row(changes: readonly LeafChange[]): StorageWrite {
    this.#rows++;
    return { store: "leaves", key: rowKey(this.#next++), value: encodeLeafRow(changes) };
  }

  /** Folds when it is time; call it after transactions. */
  tidy(): void {
    if (this.#folding !== undefined || this.#rows < this.#foldAfter) return;
    this.#rows = 0;
    this.#folding = this.#fold()
      .catch(() => undefined)
      .finally(() => {
        this.#folding = undefined;
      });
  }

  /** Resolves when no fold is under way. */
  async idle(): Promise<void> {
    await this.#folding;
  }

  async #fold(): Promise<void> {
    const { rows, stretches } = await this.#read();
    const before = new Map<number, Map<Leaf, Digest>>();
    for (const { key, changes } of stretches) {
      const sums = new Map<Leaf, Digest>();
      apply(sums, changes);
      before.set(numberOf(key), sums);
    }
    const touched = new Set<number>();
    for (const { changes } of rows)
      for (const change of changes) {
        const stretch = Math.floor(change.leaf / STRETCH);
        touched.add(stretch);
        apply(before.get(stretch) ?? before.set(stretch, new Map()).get(stretch)!, [change]);
      }
    const writes: StorageWrite[] = [...touched].map((stretch) => {
      const changes = [...before.get(stretch)!].flatMap(([leaf, digest]): LeafChange[] =>
        digest === 0 ? [] : [{ leaf, change: "set", digest }],
      );
      return { store: "leaves", key: stretchKey(stretch), value: changes.length === 0 ? null : encodeLeafRow(changes) };
    });
    for (const { key } of rows) writes.push({ store: "leaves", key, value: null });
    await this.#storage.commit(writes, "relaxed");
  }

  /** Rows in the order of their numbers, and stretches. */
  async #read(): Promise<{ rows: Row[]; stretches: Row[] }> {
    const rows: Row[] = [];
    const stretches: Row[] = [];
    for (let after = ""; ;) {
      const page = await this.#storage.scan("leaves", {
        after,
        before: "~",
        countMax: ROWS_PER_SCAN,
        bytesMax: BYTES_PER_SCAN,
      });
      for (const [key, bytes] of page.entries)
        (key.startsWith("row") ? rows : stretches).push({ key, changes: decoded(bytes) });
      const last = page.entries.at(-1);
      if (page.done || last === undefined) return { rows, stretches };
      after = last[0];
    }
  }
}

interface Row {
  readonly key: string;
  readonly changes: readonly LeafChange[];
}

function decoded(bytes: Uint8Array): LeafChange[] {
  try {
    return decodeLeafRow(bytes);
  } catch (error) {
    if (error instanceof TabringError) return [];
    throw error;
  }
}

function apply(sums: Map<Leaf, Digest>, changes: readonly LeafChange[]): void {
  for (const { leaf, change, digest } of changes)
    sums.set(leaf, change === "set" ? digest : addDigests(sums.get(leaf) ?? 0, digest));
}

function rowKey(number: number): string {
  return `row ${String(number).padStart(NUMBER_DIGITS, "0")}`;
}
function stretchKey(number: number): string {
  return `stretch ${String(number).padStart(NUMBER_DIGITS, "0")}`;
}
function numberOf(key: string): number {
  return Number(key.slice(key.indexOf(" ") + 1));
}
