/**
 * A disk that never changes: each operation gives another one. So the explorer can keep thousands of them, and two states of the world share what
 * they have in common.
 *
 * Commits, scans and the reading of the leaves' sums wait in one line and complete in its order, as transactions of IndexedDB do whose stores overlap: a scan sees every store that
 * was emitted before it. Loads wait beside it and complete at any time.
 */

import { assert } from "../base/assert.ts";
import type { Effect, NodeMeta, RecordStore, StoredRecord, Write } from "../core/effect.ts";
import { type Digest, type Leaf, addDigests } from "../core/merkle-forest.ts";
import type { WatchedDisk } from "./checkers.ts";
import type { Fingerprint, Numbering } from "./fingerprint.ts";

export const WAITING_MAX = 1_024;

export type Store = Effect & { readonly kind: "store" };
export type Scan = Effect & { readonly kind: "scan" };
export type LoadLeaves = Effect & { readonly kind: "load-leaves" };
export type Load = Effect & { readonly kind: "load" };

interface Shelved {
  readonly store: RecordStore;
  readonly address: string;
  readonly record: StoredRecord;
}

function before(a: Shelved, store: RecordStore, address: string): boolean {
  return a.store < store || (a.store === store && a.address < address);
}

export class SmallDisk implements WatchedDisk {
  readonly meta: NodeMeta | undefined;
  /** Commits, scans and readings of all sums, in their order. */
  readonly line: readonly (Store | Scan | LoadLeaves)[];
  readonly loads: readonly Load[];
  /** By store, then address. */
  readonly #shelf: readonly Shelved[];
  /** Sums of leaves that are not 0, by leaf. */
  readonly leaves: readonly { readonly leaf: Leaf; readonly digest: Digest }[];
  #print: readonly number[] | undefined;

  constructor(
    meta: NodeMeta | undefined,
    shelf: readonly Shelved[],
    leaves: SmallDisk["leaves"],
    line: readonly (Store | Scan | LoadLeaves)[],
    loads: readonly Load[],
  ) {
    assert(line.length + loads.length <= WAITING_MAX, `more than ${WAITING_MAX} operations wait for one disk`);
    this.meta = meta;
    this.#shelf = shelf;
    this.leaves = leaves;
    this.line = line;
    this.loads = loads;
  }

  /** A disk with nothing on it but what its node must know. */
  static fresh(meta: NodeMeta | undefined): SmallDisk {
    return new SmallDisk(meta, [], [], [], []);
  }

  get commitsWaiting(): number {
    return this.line.reduce((count, waiting) => count + (waiting.kind === "store" ? 1 : 0), 0);
  }

  get(store: RecordStore, address: string): StoredRecord | undefined {
    return this.#shelf.find((shelved) => shelved.store === store && shelved.address === address)?.record;
  }

  count(store: RecordStore): number {
    return this.#shelf.reduce((count, shelved) => count + (shelved.store === store ? 1 : 0), 0);
  }

  addresses(store: RecordStore, after: string, upTo: string): string[] {
    return this.#shelf.flatMap((shelved) =>
      shelved.store === store && shelved.address > after && shelved.address < upTo ? [shelved.address] : [],
    );
  }

  /** One more operation waits. */
  asked(operation: Store | Scan | LoadLeaves | Load): SmallDisk {
    return operation.kind === "load"
      ? new SmallDisk(this.meta, this.#shelf, this.leaves, this.line, [...this.loads, operation])
      : new SmallDisk(this.meta, this.#shelf, this.leaves, [...this.line, operation], this.loads);
  }

  /** The first in the line waits no more. */
  advanced(): SmallDisk {
    return new SmallDisk(this.meta, this.#shelf, this.leaves, this.line.slice(1), this.loads);
  }

  /** This load waits no more. */
  loaded(load: Load): SmallDisk {
    return new SmallDisk(
      this.meta,
      this.#shelf,
      this.leaves,
      this.line,
      this.loads.filter((other) => other !== load),
    );
  }

  /** Its node is gone: nothing waits any more. */
  dropped(): SmallDisk {
    return new SmallDisk(this.meta, this.#shelf, this.leaves, [], []);
  }

  /** With this write on it. */
  written(write: Write): SmallDisk {
    if (write.store === "meta") return new SmallDisk(write.meta, this.#shelf, this.leaves, this.line, this.loads);
    if (write.store === "leaves") {
      const { leaf, change } = write;
      const before = this.leaves.find((one) => one.leaf === leaf)?.digest ?? 0;
      const digest = change === "set" ? write.digest : addDigests(before, write.digest);
      const others = this.leaves.filter((one) => one.leaf !== leaf);
      const leaves = digest === 0 ? others : [...others, { leaf, digest }].sort((a, b) => a.leaf - b.leaf);
      return new SmallDisk(this.meta, this.#shelf, leaves, this.line, this.loads);
    }
    const { store, address, record } = write;
    const lower = this.#shelf.filter((shelved) => before(shelved, store, address));
    const higher = this.#shelf.slice(lower.length);
    if (higher[0]?.store === store && higher[0].address === address) higher.shift();
    const shelf = record === null ? [...lower, ...higher] : [...lower, { store, address, record }, ...higher];
    return new SmallDisk(this.meta, shelf, this.leaves, this.line, this.loads);
  }

  mark(into: Fingerprint, numbering: Numbering): void {
    if (this.#print === undefined) {
      const shelf = this.#shelf.flatMap(({ store, address, record }) => [
        numbering.ofText(`${store} ${address}`),
        numbering.of(record),
      ]);
      const line = this.line.map((waiting) => numbering.of(waiting));
      const loads = this.loads.map((load) => numbering.of(load));
      const meta = this.meta === undefined ? -1 : numbering.of(this.meta);
      const leaves = numbering.of(this.leaves);
      this.#print = [meta, shelf.length, ...shelf, leaves, line.length, ...line, ...loads];
    }
    into.word(this.#print.length);
    for (const word of this.#print) into.word(word);
  }
}
