/**
 * A disk in memory: for nodes without one (a seed of capacity 0), for tests, and the index under the seed's log file.
 *
 * `MemoryDisk` is what survives, `MemoryStorage` one opening of it: a test that restarts a node opens a second storage over the same disk.
 * Commits are applied in the order of their calls, each in a later microtask, so that nothing is seen before it is acknowledged as on a real
 * disk. Tests can hold commits back, fail them (applied or not: the caller cannot know), and fail reads.
 *
 * Limits: `bytesMax` over all values and keys (256 MiB by default), refused by a `StorageError` like a quota; 65,536 commits held back.
 */

import { StorageError } from "../core/errors.ts";
import type { Durability, Storage, StorageWrite, StoreName } from "./ports.ts";

export const STORE_NAMES: readonly StoreName[] = ["records", "hints", "meta", "leaves", "history"];

const DISK_BYTES_MAX = 256 * 1_048_576;
const HELD_COMMITS_MAX = 65_536;

export interface ScanRange {
  readonly after: string;
  readonly before: string;
  readonly countMax: number;
  readonly bytesMax: number;
}
export interface ScanPage {
  readonly entries: readonly (readonly [string, Uint8Array])[];
  readonly done: boolean;
}

/**
 * A map from string to bytes that is scanned in order of UTF-16 code units. New keys wait unsorted until the next scan merges them in, so that
 * neither filling a store nor paging through it while writes go on moves the whole order for each key.
 */
export class SortedBytes {
  readonly #values = new Map<string, Uint8Array>();
  /** Sorted; may name keys that are gone. */
  #sorted: string[] = [];
  /** Keys set since the last merge; some may be in `#sorted` too, when they were deleted in between. */
  #fresh: string[] = [];
  #stale = false;

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Uint8Array): void {
    if (!this.#values.has(key)) {
      this.#fresh.push(key);
      this.#stale = true;
      // A key that comes and goes would be listed each time.
      if (this.#fresh.length > 1_024 + 2 * this.#values.size) this.keys();
    }
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#stale = true;
  }

  /** All keys in order. */
  keys(): readonly string[] {
    if (!this.#stale) return this.#sorted;
    // Without a comparison function, `sort` orders by UTF-16 code units.
    const fresh = this.#fresh.sort();
    const old = this.#sorted;
    const merged: string[] = [];
    for (let i = 0, j = 0; i < old.length || j < fresh.length;) {
      const key = j >= fresh.length || (i < old.length && old[i]! <= fresh[j]!) ? old[i++]! : fresh[j++]!;
      if (key !== merged[merged.length - 1] && this.#values.has(key)) merged.push(key);
    }
    this.#sorted = merged;
    this.#fresh = [];
    this.#stale = false;
    return merged;
  }

  /** As {@link Storage.scan}, but the values are the stored ones, not copies. `bytesMax` is over the values; only a first entry may exceed it. */
  scan(range: ScanRange): ScanPage {
    const keys = this.keys();
    const entries: (readonly [string, Uint8Array])[] = [];
    let bytes = 0;
    let at = firstBehind(keys, range.after);
    for (; at < keys.length && keys[at]! < range.before; at++) {
      const value = this.#values.get(keys[at]!)!;
      const full = entries.length >= Math.max(1, range.countMax) || bytes + value.length > range.bytesMax;
      if (entries.length > 0 && full) return { entries, done: false };
      entries.push([keys[at]!, value]);
      bytes += value.length;
    }
    return { entries, done: true };
  }
}

/** The place of the first key that is greater than `after` in sorted `keys`. */
function firstBehind(keys: readonly string[], after: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a write adds to the size of a store: two bytes for each UTF-16 unit of its key, and its value. */
export function storedBytes(key: string, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : 2 * key.length + value.length;
}

/** The contents of a disk; outlives the storages that are opened over it. */
export class MemoryDisk {
  readonly stores: Readonly<Record<StoreName, SortedBytes>> = {
    records: new SortedBytes(),
    hints: new SortedBytes(),
    meta: new SortedBytes(),
    leaves: new SortedBytes(),
    history: new SortedBytes(),
  };
  /** Bytes of all keys and values. */
  bytes = 0;

  apply(writes: readonly StorageWrite[]): void {
    for (const { store, key, value } of writes) {
      const map = this.stores[store];
      this.bytes += storedBytes(key, value ?? undefined) - storedBytes(key, map.get(key));
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
  }

  /** How many bytes the disk would hold at most after `writes`: what they replace is counted as long as it is there. */
  bytesAfter(writes: readonly StorageWrite[]): number {
    let bytes = this.bytes;
    for (const { key, value } of writes) bytes += storedBytes(key, value ?? undefined);
    return bytes;
  }
}

interface PendingCommit {
  readonly writes: readonly StorageWrite[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export class MemoryStorage implements Storage {
  readonly disk: MemoryDisk;
  readonly #bytesMax: number;
  #state: "new" | "open" | "closed" = "new";
  readonly #pending: PendingCommit[] = [];
  #draining = false;
  #held = false;
  #commitFaults: { reason: string; applied: boolean }[] = [];
  #readFaults: string[] = [];
  /** How many commits were durable, and how many of them were asked to be flushed. */
  readonly counts = { commits: 0, strict: 0, reads: 0, scans: 0 };

  constructor(options: { readonly disk?: MemoryDisk; readonly bytesMax?: number } = {}) {
    this.disk = options.disk ?? new MemoryDisk();
    this.#bytesMax = options.bytesMax ?? DISK_BYTES_MAX;
  }

  /** The next commit that would be applied rejects. With `applied` its writes are on the disk all the same: the caller cannot tell. */
  failNextCommit(reason = "a fault that a test asked for", applied = false): void {
    this.#commitFaults.push({ reason, applied });
  }

  /** The next read or scan rejects. */
  failNextRead(reason = "a fault that a test asked for"): void {
    this.#readFaults.push(reason);
  }

  /** From now on commits wait: neither applied nor acknowledged, until {@link releaseCommits}. Closing loses them, as a crash would. */
  holdCommits(): void {
    this.#held = true;
  }

  releaseCommits(): void {
    this.#held = false;
    this.#drain();
  }

  /** Commits that were called and are not settled. */
  get commitsWaiting(): number {
    return this.#pending.length;
  }

  async open(): Promise<void> {
    if (this.#state === "closed") throw closedError();
    this.#state = "open";
  }

  async read(
    reads: readonly { readonly store: StoreName; readonly key: string }[],
  ): Promise<(Uint8Array | undefined)[]> {
    this.#refuseUnlessReadable();
    this.counts.reads++;
    return reads.map(({ store, key }) => this.disk.stores[store].get(key)?.slice());
  }

  commit(writes: readonly StorageWrite[], durability: Durability): Promise<void> {
    if (this.#state !== "open") return Promise.reject(closedError());
    if (this.#pending.length >= HELD_COMMITS_MAX)
      return Promise.reject(
        new StorageError(
          `${HELD_COMMITS_MAX} commits already wait. This one was not written. Wait for some of them to end.`,
        ),
      );
    const copies = writes.map((write) => ({
      ...write,
      value: write.value === null ? null : new Uint8Array(write.value),
    }));
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.counts.commits++;
        if (durability === "strict") this.counts.strict++;
        resolve();
      };
      this.#pending.push({ writes: copies, resolve: done, reject });
      this.#drain();
    });
  }

  async scan(store: StoreName, range: ScanRange): Promise<ScanPage> {
    this.#refuseUnlessReadable();
    this.counts.scans++;
    const page = this.disk.stores[store].scan(range);
    return { entries: page.entries.map(([key, value]) => [key, value.slice()] as const), done: page.done };
  }

  async close(): Promise<void> {
    if (this.#held) for (const commit of this.#pending.splice(0)) commit.reject(closedError());
    else while (this.#pending.length > 0) this.#applyNext();
    this.#state = "closed";
  }

  #refuseUnlessReadable(): void {
    if (this.#state !== "open") throw closedError();
    const fault = this.#readFaults.shift();
    if (fault !== undefined)
      throw new StorageError(`The read failed: ${fault}. Nothing was changed; what is stored is safe.`);
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    queueMicrotask(() => {
      this.#draining = false;
      while (!this.#held && this.#pending.length > 0) this.#applyNext();
    });
  }

  #applyNext(): void {
    const { writes, resolve, reject } = this.#pending.shift()!;
    const fault = this.#commitFaults.shift();
    if (fault !== undefined) {
      if (fault.applied) this.disk.apply(writes);
      reject(
        new StorageError(
          `The commit failed: ${fault.reason}. What was acknowledged before is safe; whether this write is stored is not known.`,
        ),
      );
    } else if (this.disk.bytesAfter(writes) > this.#bytesMax) {
      reject(
        new StorageError(
          `The memory store is full: the limit is ${this.#bytesMax} bytes. This commit was not written; what was acknowledged before is safe. Remove something, or give the store more room.`,
        ),
      );
    } else {
      this.disk.apply(writes);
      resolve();
    }
  }
}

function closedError(): StorageError {
  return new StorageError("The memory store is not open. Nothing was written. Open a new storage over the same disk.");
}
