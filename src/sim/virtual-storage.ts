/**
 * One node's disk in virtual time. It outlives crashes of its node; a wiped one is replaced by a new one under a new node id.
 *
 * States of a commit, in order: waiting (not on disk), applied and acknowledged at the same moment, after every earlier commit. A crash of the
 * node meets the waiting ones in their order: each is kept with a drawn probability, never acknowledged, and with the first that vanishes all
 * later ones vanish too. A read answers with what is on disk at the moment when it completes: whatever was acknowledged before it was asked for,
 * and perhaps more. A scan waits for all commits before it, as hosts make it wait.
 *
 * **Durability.** A strict commit is flushed when it is acknowledged, and with it all that were applied before it: the disk has one log. A relaxed one
 * survives a crash of the tab, but the power may fail before it is flushed, which happens by itself after FLUSHED_AFTER_MS: then any number of the latest
 * that are not flushed vanish, the last one first.
 *
 * By profile, commits fail, applied or not, and reads fail. Besides, for as long as somebody says so: a full disk refuses every commit that would
 * put something on it, and a closed one answers nothing but failures. And a disk may lie: lose a record or flip a bit in it (it reads as damaged
 * from then on, until it is written anew), or go back to an earlier picture of itself.
 *
 * Limits: COMMITS_WAITING_MAX; a node that lets more pile up has no bound of its own.
 */

import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { NodeMeta, ReadRecord, RecordRead, RecordStore, StoredRecord, Write } from "../core/effect.ts";
import type { Millis, Ticket } from "../core/identifiers.ts";
import { type Digest, type Leaf, addDigests } from "../core/merkle-forest.ts";
import { type Span, draw } from "./virtual-network.ts";

export const COMMITS_WAITING_MAX = 100_000;
/** After so long the operating system has written down what was committed. */
export const FLUSHED_AFTER_MS: Millis = 5_000;

export interface StorageProfile {
  readonly commitMs: Span;
  /** Instead of `commitMs`, where strict commits take longer than relaxed ones. */
  readonly commitDelay?: (prng: Prng, strict: boolean) => Millis;
  readonly readMs: Span;
  /**
   * One arm: whatever the disk is asked for takes a turn of so long, which begins when all that was asked for before is done. Commits that wait together share
   * one turn, as hosts make them do. Instead of the other times, with which everything goes on side by side.
   */
  readonly armMs?: (prng: Prng) => Millis;
  readonly commitFailureProbability: number;
  /** Share of the failed commits that are on disk nevertheless. */
  readonly failedButAppliedProbability: number;
  readonly readFailureProbability: number;
  /** For each unfinished commit at a crash, in order. */
  readonly vanishProbability: number;
}

export const calmStorage: StorageProfile = {
  commitMs: { min: 2, max: 2 },
  readMs: { min: 1, max: 1 },
  commitFailureProbability: 0,
  failedButAppliedProbability: 0,
  readFailureProbability: 0,
  vanishProbability: 1,
};

export type StorageAnswer =
  | {
      readonly kind: "loaded";
      readonly ticket: Ticket;
      readonly records: readonly (ReadRecord | undefined)[];
    }
  | { readonly kind: "stored"; readonly ticket: Ticket }
  | {
      readonly kind: "leaves-loaded";
      readonly ticket: Ticket;
      readonly leaves: readonly { readonly leaf: Leaf; readonly digest: Digest }[];
    }
  | { readonly kind: "storage-failed"; readonly ticket: Ticket; readonly reason: string }
  | {
      readonly kind: "scanned";
      readonly ticket: Ticket;
      readonly entries: readonly { readonly address: string; readonly record: ReadRecord }[];
      readonly done: boolean;
    };

/** Records and meta as bytes on their way to the disk, so that their encoding is run as well. */
export interface StorageCodec {
  roundTrip(record: StoredRecord): StoredRecord;
  roundTripMeta(meta: NodeMeta): NodeMeta;
}

export interface StorageHost {
  readonly now: Millis;
  schedule(delayMs: Millis, run: () => void): void;
  answer(answer: StorageAnswer): void;
  /** A record on disk changes now; null is none. */
  applied(store: RecordStore, address: string, before: StoredRecord | null, after: StoredRecord | null): void;
}

/** Records in the order of their addresses. */
class Shelf {
  readonly #records = new Map<string, StoredRecord>();
  readonly #addresses: string[] = [];

  get size(): number {
    return this.#addresses.length;
  }

  get(address: string): StoredRecord | undefined {
    return this.#records.get(address);
  }

  set(address: string, record: StoredRecord): void {
    if (!this.#records.has(address)) this.#addresses.splice(this.#firstFrom(address), 0, address);
    this.#records.set(address, record);
  }

  delete(address: string): void {
    if (this.#records.delete(address)) this.#addresses.splice(this.#firstFrom(address), 1);
  }

  /** Addresses behind `after` and before `before`, in order. */
  *between(after: string, before: string): Generator<string> {
    for (let i = this.#firstFrom(after); i < this.#addresses.length; i++) {
      const address = this.#addresses[i]!;
      if (address >= before) return;
      if (address > after) yield address;
    }
  }

  all(): Iterable<readonly [string, StoredRecord]> {
    return this.#records;
  }

  #firstFrom(address: string): number {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#addresses[middle]! < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What a disk held at some time. */
export interface DiskPicture {
  readonly meta: NodeMeta | undefined;
  readonly shelves: Record<RecordStore, readonly (readonly [string, StoredRecord])[]>;
  readonly leaves: readonly (readonly [Leaf, Digest])[];
}

interface Commit {
  readonly ticket: Ticket;
  readonly writes: readonly Write[];
  readonly strict: boolean;
  /** At the usual speed of the disk. */
  readonly takesMs: Millis;
  dueAt: Millis;
  /** Scans that have waited for it. */
  readonly afterwards: (() => void)[];
}

/** How to take back one commit that is not flushed, the last change first. */
interface Unflushed {
  readonly at: Millis;
  readonly undo: (() => void)[];
  /** What was there before, by store and address; undefined for nothing. */
  readonly before: Map<string, StoredRecord | undefined>;
}

export class VirtualStorage {
  profile: StorageProfile;
  #meta: NodeMeta | undefined;
  readonly #prng: Prng;
  readonly #host: StorageHost;
  readonly #codec: StorageCodec | undefined;
  readonly #shelves: Record<RecordStore, Shelf> = { records: new Shelf(), hints: new Shelf(), history: new Shelf() };
  /** Sums of leaves that are not 0. */
  readonly #leaves = new Map<Leaf, Digest>();
  readonly #waiting: Commit[] = [];
  /** Applied and not flushed, the earliest first. */
  readonly #unflushed: Unflushed[] = [];
  /** Addresses in either store whose record is damaged. */
  readonly #damaged: Record<RecordStore, Set<string>> = { records: new Set(), hints: new Set(), history: new Set() };
  /** Refuses whatever would put something on it. */
  full = false;
  /** Closed under the node: every operation fails. */
  closed = false;
  #lastCommitAt: Millis = 0;
  /** When the arm, where there is one, has done all that it was asked for. */
  #armFreeAt: Millis = 0;
  /** When its latest turn for commits begins; whoever comes before shares it. */
  #commitTurnAt: Millis = 0;
  /** Counts crashes: what was asked for before one is never answered. */
  #start = 0;
  #slowness = 1;
  /** What fails next, whatever the profile says; for scenarios. */
  #commitsToFail: { count: number; readonly store: Write["store"] | undefined; readonly applied: boolean } | undefined;
  #readsToFail = 0;

  constructor(prng: Prng, profile: StorageProfile, host: StorageHost, codec?: StorageCodec) {
    this.#prng = prng;
    this.profile = profile;
    this.#host = host;
    this.#codec = codec;
  }

  /** What the node must know at its next start, as durable now. */
  get meta(): NodeMeta | undefined {
    return this.#meta;
  }

  get commitsWaiting(): number {
    return this.#waiting.length;
  }

  /** What is durable and sound now. */
  get(store: RecordStore, address: string): StoredRecord | undefined {
    return this.#damaged[store].has(address) ? undefined : this.#shelves[store].get(address);
  }

  /** The same, were the power to fail now at its worst. */
  flushed(store: RecordStore, address: string): StoredRecord | undefined {
    this.#flushOld();
    if (this.#damaged[store].has(address)) return undefined;
    const name = `${store} ${address}`;
    const first = this.#unflushed.find(({ before }) => before.has(name));
    return first === undefined ? this.get(store, address) : first.before.get(name);
  }

  /** The power fails: of what is not flushed at most this share is kept. Only while its node is down. Returns how many commits are gone. */
  losePower(share: number): number {
    assert(this.#waiting.length === 0, "the power fails under a node that has ended");
    this.#flushOld();
    const gone = this.#unflushed.splice(Math.floor(this.#unflushed.length * share));
    for (const { undo } of gone.reverse()) for (const back of undo.reverse()) back();
    this.#unflushed.length = 0;
    return gone.length;
  }

  #flushOld(): void {
    const old = this.#unflushed.findIndex(({ at }) => at > this.#host.now - FLUSHED_AFTER_MS);
    this.#unflushed.splice(0, old < 0 ? this.#unflushed.length : old);
  }

  /** Everything that is durable now, in no order. */
  all(store: RecordStore): Iterable<readonly [string, StoredRecord]> {
    return this.#shelves[store].all();
  }

  count(store: RecordStore): number {
    return this.#shelves[store].size;
  }

  /** Addresses that are durable now, behind `after` and before `before`, in order. */
  addresses(store: RecordStore, after: string, before: string): Iterable<string> {
    return this.#shelves[store].between(after, before);
  }

  slow(factor: number): void {
    this.#slowness = factor;
  }

  get slowness(): number {
    return this.#slowness;
  }

  /** At its usual speed again, what waits included: one commit of a slow disk may take minutes, and all others come behind it. */
  recover(): void {
    const { now } = this.#host;
    this.#lastCommitAt = 0;
    this.#freeArm();
    for (const commit of this.#waiting) {
      this.#lastCommitAt = Math.max(this.#lastCommitAt, Math.min(commit.dueAt, now + commit.takesMs));
      if (this.#lastCommitAt === commit.dueAt) continue;
      commit.dueAt = this.#lastCommitAt;
      this.#scheduleCommit(commit);
    }
    this.#slowness = 1;
  }

  /** A bit of the record flips: from now on it reads as damaged. */
  damage(store: RecordStore, address: string): void {
    this.#unflushed.length = 0;
    if (this.#shelves[store].get(address) !== undefined) this.#damaged[store].add(address);
  }

  isDamaged(store: RecordStore, address: string): boolean {
    return this.#damaged[store].has(address);
  }

  /** The record is gone, and the disk does not know that there was one. */
  lose(store: RecordStore, address: string): void {
    this.#unflushed.length = 0;
    this.#shelves[store].delete(address);
    this.#damaged[store].delete(address);
  }

  /** All sums of leaves are gone. */
  loseLeaves(): void {
    this.#leaves.clear();
  }

  /** The sum of a leaf as durable now. */
  leaf(leaf: Leaf): Digest {
    return this.#leaves.get(leaf) ?? 0;
  }

  /** What is durable now, to go back to later. */
  picture(): DiskPicture {
    return {
      meta: this.#meta,
      shelves: {
        records: [...this.#shelves.records.all()],
        hints: [...this.#shelves.hints.all()],
        history: [...this.#shelves.history.all()],
      },
      leaves: [...this.#leaves],
    };
  }

  /** The disk is again what it was then. Only while its node is down. */
  goBackTo(picture: DiskPicture): void {
    assert(this.#waiting.length === 0, "a disk goes back only while nobody writes to it");
    this.#unflushed.length = 0;
    this.#meta = picture.meta;
    this.#leaves.clear();
    for (const [leaf, digest] of picture.leaves) this.#leaves.set(leaf, digest);
    for (const store of ["records", "hints", "history"] as const) {
      this.#damaged[store].clear();
      for (const [address] of [...this.#shelves[store].all()]) this.#shelves[store].delete(address);
      for (const [address, record] of picture.shelves[store]) this.#shelves[store].set(address, record);
    }
  }

  /** The next `count` commits fail that write to `store`, or to anything when it is undefined; they are on disk nevertheless if `applied`. */
  failCommits(count: number, store: Write["store"] | undefined, applied: boolean): void {
    this.#commitsToFail = { count, store, applied };
  }

  /** The next `count` reads of single records, or of ranges, fail. */
  failReads(count: number): void {
    this.#readsToFail = count;
  }

  load(ticket: Ticket, reads: readonly RecordRead[]): void {
    this.#later(this.profile.readMs, () => {
      const records = reads.map(({ store, address }) => this.#read(store, address));
      this.#host.answer({ kind: "loaded", ticket, records });
    });
  }

  scan(
    ticket: Ticket,
    request: {
      readonly store: RecordStore;
      readonly after: string;
      readonly before: string;
      readonly countMax: number;
      readonly bytesMax: number;
    },
  ): void {
    this.#afterCommits(() => {
      if (this.#failsRead()) {
        this.#host.answer({ kind: "storage-failed", ticket, reason: "the scan failed" });
        return;
      }
      const entries: { address: string; record: ReadRecord }[] = [];
      let bytes = 0;
      let done = true;
      for (const address of this.#shelves[request.store].between(request.after, request.before)) {
        if (entries.length > 0 && (entries.length >= request.countMax || bytes >= request.bytesMax)) {
          done = false;
          break;
        }
        const record = this.#read(request.store, address);
        if (record === undefined) continue;
        entries.push({ address, record });
        bytes += typeof record === "string" ? 0 : roughBytes(record);
      }
      this.#host.answer({ kind: "scanned", ticket, entries, done });
    });
  }

  loadLeaves(ticket: Ticket): void {
    this.#later(this.profile.readMs, () => {
      if (this.#failsRead())
        this.#host.answer({ kind: "storage-failed", ticket, reason: "the sums of leaves could not be read" });
      else {
        const leaves = [...this.#leaves].map(([leaf, digest]) => ({ leaf, digest }));
        this.#host.answer({ kind: "leaves-loaded", ticket, leaves });
      }
    });
  }

  commit(ticket: Ticket, writes: readonly Write[], durability: "relaxed" | "strict" = "relaxed"): void {
    assert(this.#waiting.length < COMMITS_WAITING_MAX, `more than ${COMMITS_WAITING_MAX} commits wait for one disk`);
    const { now } = this.#host;
    const { commitMs, commitDelay, armMs } = this.profile;
    const strict = durability === "strict";
    const takesMs = armMs?.(this.#prng) ?? commitDelay?.(this.#prng, strict) ?? draw(this.#prng, commitMs);
    if (armMs === undefined || now >= this.#commitTurnAt) {
      this.#commitTurnAt = Math.max(now, this.#armFreeAt);
      this.#lastCommitAt = Math.max(this.#lastCommitAt, now + this.#doneAfter(takesMs));
    }
    const commit: Commit = { ticket, writes, strict, takesMs, dueAt: this.#lastCommitAt, afterwards: [] };
    this.#waiting.push(commit);
    this.#scheduleCommit(commit);
  }

  #scheduleCommit(commit: Commit): void {
    const start = this.#start;
    const { dueAt } = commit;
    this.#host.schedule(dueAt - this.#host.now, () => {
      if (start !== this.#start || commit.dueAt !== dueAt) return;
      this.#complete(commit);
      for (const scan of commit.afterwards) scan();
    });
  }

  /** The node is gone: what was under way is cut off. */
  crash(): void {
    this.#start++;
    this.#lastCommitAt = 0;
    this.#freeArm();
    for (const commit of this.#waiting) {
      if (this.#prng.chance(this.profile.vanishProbability)) break;
      this.#apply(commit);
    }
    this.#waiting.length = 0;
  }

  #complete(commit: Commit): void {
    assert(this.#waiting[0] === commit, "commits complete in their order");
    this.#waiting.shift();
    const { ticket } = commit;
    const failing = this.#commitsToFail;
    if (
      failing !== undefined &&
      failing.count > 0 &&
      (failing.store === undefined || commit.writes.some((write) => write.store === failing.store))
    ) {
      failing.count--;
      if (failing.applied) this.#apply(commit);
      this.#host.answer({ kind: "storage-failed", ticket, reason: "the transaction failed" });
      return;
    }
    const refused = this.#refusal(commit);
    if (refused !== undefined) {
      this.#host.answer({ kind: "storage-failed", ticket, reason: refused });
      return;
    }
    const { commitFailureProbability, failedButAppliedProbability } = this.profile;
    if (commitFailureProbability > 0 && this.#prng.chance(commitFailureProbability)) {
      if (this.#prng.chance(failedButAppliedProbability)) this.#apply(commit);
      this.#host.answer({ kind: "storage-failed", ticket, reason: "the transaction failed" });
      return;
    }
    this.#apply(commit);
    if (commit.strict) this.#unflushed.length = 0;
    this.#host.answer({ kind: "stored", ticket });
  }

  #refusal(commit: Commit): string | undefined {
    if (this.closed) return "the database is closed";
    if (this.full && commit.writes.some((write) => "record" in write && write.record !== null))
      return "the disk is full";
    return undefined;
  }

  #apply(commit: Commit): void {
    const { now } = this.#host;
    const unflushed: Unflushed = { at: now, undo: [], before: new Map() };
    this.#flushOld();
    this.#unflushed.push(unflushed);
    for (const write of commit.writes) {
      if (write.store === "meta") {
        const last = this.#meta;
        unflushed.undo.push(() => (this.#meta = last));
        this.#meta = this.#codec?.roundTripMeta(write.meta) ?? write.meta;
        continue;
      }
      if (write.store === "leaves") {
        const { leaf, change, digest } = write;
        const last = this.leaf(leaf);
        unflushed.undo.push(() => {
          if (last === 0) this.#leaves.delete(leaf);
          else this.#leaves.set(leaf, last);
        });
        const sum = change === "set" ? digest : addDigests(last, digest);
        if (sum === 0) this.#leaves.delete(leaf);
        else this.#leaves.set(leaf, sum);
        continue;
      }
      const shelf = this.#shelves[write.store];
      const before = shelf.get(write.address) ?? null;
      const after = write.record === null ? null : (this.#codec?.roundTrip(write.record) ?? write.record);
      const damaged = this.#damaged[write.store].delete(write.address);
      const { store, address } = write;
      unflushed.before.set(`${store} ${address}`, damaged ? undefined : (before ?? undefined));
      unflushed.undo.push(() => {
        if (before === null || damaged) shelf.delete(address);
        else shelf.set(address, before);
      });
      if (after === null) shelf.delete(write.address);
      else shelf.set(write.address, after);
      this.#host.applied(write.store, write.address, damaged ? null : before, after);
    }
  }

  #read(store: RecordStore, address: string): ReadRecord | undefined {
    if (this.#failsRead()) return "failed";
    return this.#damaged[store].has(address) ? "damaged" : this.#shelves[store].get(address);
  }

  #failsRead(): boolean {
    if (this.#readsToFail > 0) {
      this.#readsToFail--;
      return true;
    }
    const { readFailureProbability } = this.profile;
    return this.closed || (readFailureProbability > 0 && this.#prng.chance(readFailureProbability));
  }

  /** Once the last of the commits that wait now has been answered. */
  #afterCommits(run: () => void): void {
    const last = this.#waiting.at(-1);
    this.#later(this.profile.readMs, () => {
      if (last !== undefined && this.#waiting.includes(last)) last.afterwards.push(run);
      else run();
    });
  }

  #later(span: Span, run: () => void): void {
    const start = this.#start;
    const takesMs = this.profile.armMs?.(this.#prng) ?? draw(this.#prng, span);
    this.#host.schedule(this.#doneAfter(takesMs), () => {
      if (start === this.#start) run();
    });
  }

  #freeArm(): void {
    this.#armFreeAt = 0;
    this.#commitTurnAt = 0;
  }

  /** From now on until the disk has done what takes so long at its usual speed. */
  #doneAfter(takesMs: Millis): Millis {
    const { now } = this.#host;
    if (this.profile.armMs === undefined) return takesMs * this.#slowness;
    this.#armFreeAt = Math.max(now, this.#armFreeAt) + takesMs * this.#slowness;
    return this.#armFreeAt - now;
  }
}

function roughBytes(record: StoredRecord): number {
  let bytes = 64 + record.set.clock.length * 32;
  for (const sibling of record.set.siblings) bytes += 96 + (sibling.value?.length ?? 0);
  return bytes;
}
