/**
 * One node's disk in virtual time. It outlives crashes of its node; a wiped one is replaced by a new one under a new node id.
 *
 * States of a commit, in order: waiting (not on disk), applied and acknowledged at the same moment, after every earlier commit. A crash of the
 * node meets the waiting ones in their order: each is kept with a drawn probability, never acknowledged, and with the first that vanishes all
 * later ones vanish too. A read answers with what is on disk at the moment when it completes: whatever was acknowledged before it was asked for,
 * and perhaps more.
 *
 * By profile, commits fail, applied or not, and reads fail. Two deliberate faults for mutants: acknowledging before the write is durable, and
 * calling a failed read "missing".
 *
 * Limits: COMMITS_WAITING_MAX; a node that lets more pile up has no bound of its own.
 */

import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { NodeMeta, RecordRead, RecordStore, StoredRecord, Write } from "../core/effect.ts";
import type { Millis, Ticket } from "../core/identifiers.ts";
import { type Span, draw } from "./virtual-network.ts";

export const COMMITS_WAITING_MAX = 100_000;

export interface StorageProfile {
  readonly commitMs: Span;
  readonly readMs: Span;
  readonly commitFailureProbability: number;
  /** Share of the failed commits that are on disk nevertheless. */
  readonly failedButAppliedProbability: number;
  readonly readFailureProbability: number;
  /** For each unfinished commit at a crash, in order. */
  readonly vanishProbability: number;
  /** Mutants only. */
  readonly acknowledgesEarly: boolean;
  readonly callsFailedReadsMissing: boolean;
}

export const calmStorage: StorageProfile = {
  commitMs: { min: 2, max: 2 },
  readMs: { min: 1, max: 1 },
  commitFailureProbability: 0,
  failedButAppliedProbability: 0,
  readFailureProbability: 0,
  vanishProbability: 1,
  acknowledgesEarly: false,
  callsFailedReadsMissing: false,
};

export type StorageAnswer =
  | {
      readonly kind: "loaded";
      readonly ticket: Ticket;
      readonly records: readonly (StoredRecord | undefined | "failed")[];
    }
  | { readonly kind: "stored"; readonly ticket: Ticket }
  | { readonly kind: "storage-failed"; readonly ticket: Ticket; readonly reason: string }
  | {
      readonly kind: "scanned";
      readonly ticket: Ticket;
      readonly entries: readonly { readonly address: string; readonly record: StoredRecord | "failed" }[];
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

interface Commit {
  readonly ticket: Ticket;
  readonly writes: readonly Write[];
}

export class VirtualStorage {
  profile: StorageProfile;
  #meta: NodeMeta | undefined;
  readonly #prng: Prng;
  readonly #host: StorageHost;
  readonly #codec: StorageCodec | undefined;
  readonly #shelves: Record<RecordStore, Shelf> = { records: new Shelf(), hints: new Shelf() };
  readonly #waiting: Commit[] = [];
  #lastCommitAt: Millis = 0;
  /** Counts crashes: what was asked for before one is never answered. */
  #start = 0;
  #slowness = 1;

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

  /** What is durable now. */
  get(store: RecordStore, address: string): StoredRecord | undefined {
    return this.#shelves[store].get(address);
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
    this.#later(this.profile.readMs, () => {
      if (this.#failsRead()) {
        this.#host.answer({ kind: "storage-failed", ticket, reason: "the scan failed" });
        return;
      }
      const entries: { address: string; record: StoredRecord | "failed" }[] = [];
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
        bytes += record === "failed" ? 0 : roughBytes(record);
      }
      this.#host.answer({ kind: "scanned", ticket, entries, done });
    });
  }

  commit(ticket: Ticket, writes: readonly Write[]): void {
    assert(this.#waiting.length < COMMITS_WAITING_MAX, `more than ${COMMITS_WAITING_MAX} commits wait for one disk`);
    const commit: Commit = { ticket, writes };
    this.#waiting.push(commit);
    const { now } = this.#host;
    this.#lastCommitAt = Math.max(this.#lastCommitAt, now + draw(this.#prng, this.profile.commitMs) * this.#slowness);
    const start = this.#start;
    this.#host.schedule(this.#lastCommitAt - now, () => {
      if (start === this.#start) this.#complete(commit);
    });
    if (this.profile.acknowledgesEarly) this.#host.schedule(0, () => this.#ifSame(start, { kind: "stored", ticket }));
  }

  /** The node is gone: what was under way is cut off. */
  crash(): void {
    this.#start++;
    this.#lastCommitAt = 0;
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
    const early = this.profile.acknowledgesEarly;
    if (
      !early &&
      this.profile.commitFailureProbability > 0 &&
      this.#prng.chance(this.profile.commitFailureProbability)
    ) {
      if (this.#prng.chance(this.profile.failedButAppliedProbability)) this.#apply(commit);
      this.#host.answer({ kind: "storage-failed", ticket, reason: "the transaction failed" });
      return;
    }
    this.#apply(commit);
    if (!early) this.#host.answer({ kind: "stored", ticket });
  }

  #apply(commit: Commit): void {
    for (const write of commit.writes) {
      if (write.store === "meta") {
        this.#meta = this.#codec?.roundTripMeta(write.meta) ?? write.meta;
        continue;
      }
      const shelf = this.#shelves[write.store];
      const before = shelf.get(write.address) ?? null;
      const after = write.record === null ? null : (this.#codec?.roundTrip(write.record) ?? write.record);
      if (after === null) shelf.delete(write.address);
      else shelf.set(write.address, after);
      this.#host.applied(write.store, write.address, before, after);
    }
  }

  #read(store: RecordStore, address: string): StoredRecord | undefined | "failed" {
    if (this.#failsRead()) return this.profile.callsFailedReadsMissing ? undefined : "failed";
    return this.#shelves[store].get(address);
  }

  #failsRead(): boolean {
    return this.profile.readFailureProbability > 0 && this.#prng.chance(this.profile.readFailureProbability);
  }

  #later(span: Span, run: () => void): void {
    const start = this.#start;
    this.#host.schedule(draw(this.#prng, span) * this.#slowness, () => {
      if (start === this.#start) run();
    });
  }

  #ifSame(start: number, answer: StorageAnswer): void {
    if (start === this.#start) this.#host.answer(answer);
  }
}

function roughBytes(record: StoredRecord): number {
  let bytes = 64 + record.set.clock.length * 32;
  for (const sibling of record.set.siblings) bytes += 96 + (sibling.value?.length ?? 0);
  return bytes;
}
