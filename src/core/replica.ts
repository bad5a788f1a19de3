/**
 * The replica: this node's own records and the hints that it keeps for others. Everything that reads or changes them passes through here, one key
 * at a time (paper, section 4.3 to 4.6: "its local store").
 *
 * A key's life in memory: loading (asked of the disk, work waits) -> ready (work is done at once; each change is a store effect) -> forgotten
 * (least recently used first, never while a write is under way). Changes show in memory at once and are acknowledged when their store is durable;
 * an operation that finds nothing to change waits for the stores under way before it, because what it relies on may not be durable yet.
 *
 * **Actors.** A clock entry (actor, n) claims all of that actor's first n dots of the key. An actor must therefore never outlive an unbroken
 * memory of the key (basho/riak_kv issue 679: reuse makes new writes look old, and replicas delete them). So a dot is minted under a fresh actor,
 * kept with the record, unless this record already has one that was made since the start of this node, no store failed since, and neither the
 * context nor anything known of the key claims more of it than the record itself.
 *
 * **Durability.** A write is kept strictly, relaxed or in the write buffer (`write-buffer.ts`), as it asks for and the host says; and it is acknowledged as
 * what it is by then. The disk has one order: a strict store flushes all that were emitted before it. So what was loaded is flushed, because the
 * start of the node was written down strictly. What comes from other nodes to be kept in their place is always kept strictly. A write of the buffer whose
 * store fails is merged once more; when that fails too it is lost here, and said to be ("buffer-lost").
 *
 * Records change only while the node owns the key or counts for it, asked when the work is done and not when it came: once it is about to let go, what it
 * has stays as it was when the owners were given all of it. Hints change until it has left.
 *
 * What a node knows of a key is its record joined with its hints for it. A read that failed is never "missing". A damaged record is no record any
 * more: reads of it fail until another replica's is merged in, and it never keeps an actor. A damaged hint is let go.
 *
 * Limits: `cachedRecordsMax` and `cachedBytesMax` in memory, `hintsMax` hints, SIBLINGS_MAX siblings after a client write.
 * From SIBLINGS_WARN siblings and CLOCK_ENTRIES_WARN clock entries on each client write is noted; clocks are never cut (vector-clock.ts says why).
 */

import { assert } from "../base/assert.ts";
import { hintAddress, positionOf, recordAddress } from "./address.ts";
import { durabilityOf } from "./config.ts";
import {
  type Clock,
  type DvvSet,
  EMPTY,
  counterOf,
  covers,
  equal,
  isDeleted,
  joinClocks,
  sync,
  update,
} from "./dvvset.ts";
import type { ReadRecord, RecordRead, StoredRecord, Write } from "./effect.ts";
import type { HintIndex } from "./hint-index.ts";
import { HistoryLedger, NO_PAST, type Past } from "./history-ledger.ts";
import {
  type Digest,
  type Leaf,
  type MerkleForest,
  leafOf,
  partitionOfLeaf,
  recordDigest,
  subtractDigests,
} from "./merkle-forest.ts";
import {
  type Actor,
  CLOCK_ENTRIES_WARN,
  type Durability,
  type Key,
  type Millis,
  type NodeId,
  type Position,
  SIBLINGS_MAX,
  SIBLINGS_WARN,
  type Ticket,
} from "./identifiers.ts";
import { isGone, memberOf } from "./membership.ts";
import type { ClientWrite, PutPurpose } from "./message.ts";
import type { Origin, Refusal, Surroundings } from "./surroundings.ts";
import { BUFFER_MS, WriteBuffer } from "./write-buffer.ts";
import { WriteLog } from "./write-log.ts";

/** Where a write goes: into the record, or into the hint for a node. */
type Place = "record" | NodeId;

type Work =
  | { readonly kind: "read"; readonly origin: Origin }
  | { readonly kind: "read-record"; readonly origin: Origin }
  | { readonly kind: "read-hint"; readonly target: NodeId; readonly origin: Origin }
  | {
      readonly kind: "merge";
      readonly place: Place;
      readonly set: DvvSet;
      readonly purpose: PutPurpose;
      readonly origin: Origin;
      readonly durability: Durability;
    }
  | {
      readonly kind: "mint";
      readonly place: Place;
      readonly write: ClientWrite;
      readonly checksum: number;
      readonly origin: Origin;
      readonly durability: Durability;
    }
  | { readonly kind: "drop"; readonly place: Place; readonly set: DvvSet }
  | { readonly kind: "reap"; readonly digest: Digest }
  | { readonly kind: "drop-damaged" };

interface KeyState {
  readonly key: Key;
  readonly position: Position;
  /** Work that waits for the disk; undefined once it has answered. */
  waiting: Work[] | undefined;
  record: StoredRecord | undefined;
  /** There was a record, but what is on the disk is not it any more. */
  damaged: boolean;
  /** What the forest counts for the record. */
  digest: Digest;
  readonly hints: Map<NodeId, StoredRecord>;
  storesUnderWay: number;
  /** What was loaded may be of a store up to here. */
  loadedAfter: Ticket;
  /** The latest store of each place, under way or done. */
  readonly lastStores: Map<Place, Ticket>;
  /** A store failed and none after it replaced the place whole: memory and disk may differ. Work waits, then the disk is asked anew. */
  doubtful: boolean;
  bytes: number;
}

interface StoreUnderWay {
  readonly state: KeyState;
  readonly place: Place;
  /** The forest's number for it; undefined for a hint. */
  readonly counted: number | undefined;
  readonly durability: Durability;
  /** What a write of the buffer must not lose. */
  readonly record: StoredRecord | undefined;
  /** Of the record that is stored; 0 when it is removed, or for a hint. */
  readonly digest: Digest;
  /** Until when that stood which is kept along with it; 0 when nothing is. */
  readonly pastUntil: Millis;
  readonly waiters: { readonly origin: Origin }[];
}

/** What acknowledging from memory takes: that it is written down that it may be going on, so that a crash does not lose anything silently. */
export interface Buffering {
  /** True when it is; else it will be soon. */
  begin(): boolean;
  /** Nothing is in the buffer any more. */
  ended(): void;
}
const NEVER: Buffering = { begin: () => false, ended: () => {} };

function bytesOf(record: StoredRecord | undefined): number {
  return record === undefined
    ? 0
    : record.set.siblings.reduce((sum, sibling) => sum + (sibling.value?.length ?? 0), 200);
}

export class Replica {
  readonly #in: Surroundings;
  readonly #hints: HintIndex;
  readonly #forest: MerkleForest;
  readonly #buffering: Buffering;
  readonly #buffer = new WriteBuffer();
  /** Acknowledged from memory, refused by the disk once, on their way again. */
  readonly #retries: { readonly key: Key; readonly set: DvvSet }[] = [];
  /** Stores up to here are flushed. */
  #flushedTo: Ticket = 0;
  /** The latest store that is not strict, or failed. */
  #softTo: Ticket = 0;
  readonly #log: WriteLog;
  readonly #touched: (key: Key) => void;
  readonly #history: HistoryLedger;
  /** Least recently used first. */
  readonly #keys = new Map<Key, KeyState>();
  readonly #loads = new Map<Ticket, { readonly state: KeyState; readonly reads: readonly ("record" | NodeId)[] }>();
  readonly #stores = new Map<Ticket, StoreUnderWay>();
  #bytes = 0;
  /** Names this unbroken stretch of memory: drawn anew at each start and after each failed store. */
  #start: string;

  /** `touched` hears of each record that somebody brings, before anything is done with it. */
  constructor(
    surroundings: Surroundings,
    hints: HintIndex,
    forest: MerkleForest,
    log = new WriteLog("", 0, 0),
    touched: (key: Key) => void = () => undefined,
    history = new HistoryLedger(surroundings.config),
    buffering = NEVER,
  ) {
    this.#buffering = buffering;
    this.#in = surroundings;
    this.#history = history;
    this.#hints = hints;
    this.#forest = forest;
    this.#log = log;
    this.#touched = touched;
    this.#start = surroundings.random.hex(8);
  }

  /** Completes with "read": record and hints of the key, joined. */
  read(key: Key, origin: Origin): void {
    this.#enter(key, { kind: "read", origin });
  }

  /** Completes with "read": the record alone, without what hints know. */
  readRecord(key: Key, origin: Origin): void {
    this.#enter(key, { kind: "read-record", origin });
  }

  /** Completes with "read": only the hint kept for `target`. */
  readHint(key: Key, target: NodeId, origin: Origin): void {
    this.#enter(key, { kind: "read-hint", target, origin });
  }

  /** Merges into the record. Completes with "stored" or "refused". */
  merge(key: Key, set: DvvSet, purpose: PutPurpose, origin: Origin, asked: Durability = "strict"): void {
    const durability = purpose === "write" ? this.#kept(asked) : "strict";
    this.#enter(key, { kind: "merge", place: "record", set, purpose, origin, durability });
  }

  /** Merges into the hint for `target`. Completes with "stored" or "refused". */
  keepHint(key: Key, target: NodeId, set: DvvSet, origin: Origin, asked: Durability = "strict"): void {
    const durability = this.#kept(asked);
    this.#enter(key, { kind: "merge", place: target, set, purpose: "write", origin, durability });
  }

  /**
   * Coordinates a client's write: mints its dot into the record, or, for a stand-in, into the hint for `place`. Completes with "minted" and then
   * with "stored" or "refused"; or with "refused" alone. `checksum` is the CRC-32 of the value.
   */
  mint(
    key: Key,
    write: ClientWrite,
    checksum: number,
    place: Place,
    origin: Origin,
    asked: Durability = "strict",
  ): void {
    this.#enter(key, { kind: "mint", place, write, checksum, origin, durability: this.#kept(asked) });
  }

  /** Gives what is in the buffer to the disk, before anything else goes there. */
  flush(): void {
    this.#in.timers.clear("buffer");
    for (const [ticket, writes] of this.#buffer.take()) this.#in.store(ticket, writes, "relaxed");
  }

  /** What was acknowledged from memory and is not on the disk yet, for those who judge. */
  *buffered(): Generator<readonly [Key, DvvSet]> {
    for (const { state, durability, record } of this.#stores.values())
      if (durability === "buffered" && record !== undefined) yield [state.key, record.set];
    for (const { key, set } of this.#retries) yield [key, set];
  }

  /** The further attempt with a write of the buffer has ended, well or not. */
  onRetried(key: Key): void {
    const at = this.#retries.findIndex((retry) => retry.key === key);
    if (at >= 0) this.#retries.splice(at, 1);
  }

  /** Lets go of the hint for `target` if it is still the very record given. Completes with nothing. */
  dropHint(key: Key, target: NodeId, set: DvvSet): void {
    this.#enter(key, { kind: "drop", place: target, set });
  }

  /** Lets go of the record if it is still the very record given. Completes with nothing. */
  dropRecord(key: Key, set: DvvSet): void {
    this.#enter(key, { kind: "drop", place: "record", set });
  }

  /** The disk was found to have a damaged record: writes it anew if a sound one is in memory. Completes with nothing. */
  mendDamaged(key: Key): void {
    const state = this.#keys.get(key);
    if (state?.waiting === undefined && state?.record !== undefined)
      this.#write(state, "record", state.record, undefined, "relaxed");
  }

  /**
   * The disk was found to have a damaged record that this node does not need any more: lets go of it, or writes it anew if a sound one is in memory.
   * Completes with nothing.
   */
  dropDamaged(key: Key): void {
    this.#enter(key, { kind: "drop-damaged" });
  }

  /** Lets go of the record if it is nothing but tombstones and its digest is this one. Completes with nothing. */
  reap(key: Key, digest: Digest): void {
    this.#enter(key, { kind: "reap", digest });
  }

  /** Nothing of the key waits, is being read or written, or is in doubt, and no hint of it is kept. */
  isIdle(key: Key): boolean {
    if (this.#hints.targetsOf(key).size > 0) return false;
    const state = this.#keys.get(key);
    return state === undefined || (state.waiting === undefined && state.storesUnderWay === 0 && !state.doubtful);
  }

  /**
   * What is in memory of this leaf may not be what is on the disk: it is read again when it is asked for. The forest counts what is on the disk, and no
   * store of a record is under way there.
   */
  reread(leaf: Leaf): void {
    for (const state of [...this.#keys.values()]) {
      if (this.#leaf(state) !== leaf) continue;
      if (state.waiting === undefined && state.storesUnderWay === 0) {
        this.#forget(state);
        continue;
      }
      // It is being read, or will be when its hints are on the disk: what was counted for it before is not counted any more.
      state.digest = UNKNOWN;
      if (state.waiting !== undefined) continue;
      state.doubtful = true;
      state.waiting = [];
    }
  }

  onLoaded(ticket: Ticket, records: readonly (ReadRecord | undefined)[]): void {
    const load = this.#loads.get(ticket);
    if (load === undefined) return;
    this.#loads.delete(ticket);
    const { state } = load;
    const work = state.waiting ?? [];
    if (records.length !== load.reads.length || records.includes("failed")) {
      this.#forget(state);
      for (const item of work) this.#failed(state, item);
      return;
    }
    load.reads.forEach((place, i) => {
      const found = records[i];
      const record = typeof found === "string" ? undefined : found;
      if (found === "damaged") this.#in.note({ what: "damaged", key: state.key });
      if (place === "record") {
        state.record = record;
        state.damaged = found === "damaged";
        this.#recount(state);
      } else if (record !== undefined) state.hints.set(place, record);
      else if (found === undefined) this.#hints.remove(state.key, place);
      else this.#write(state, place, null, undefined, "relaxed");
    });
    state.waiting = undefined;
    this.#weigh(state);
    for (const item of work) this.#perform(state, item);
    this.#shrink();
  }

  onStored(ticket: Ticket): void {
    const store = this.#stores.get(ticket);
    if (store === undefined) return;
    this.#stores.delete(ticket);
    const { state, place, counted, durability } = store;
    state.storesUnderWay--;
    if (durability === "strict") this.#flushedTo = Math.max(this.#flushedTo, ticket);
    if (this.#buffer.settle(ticket) && this.#buffer.size === 0) this.#buffering.ended();
    if (counted !== undefined) this.#forest.end(counted, "stored");
    if (place === "record") this.#logChange(state, store.digest);
    // An earlier store of a hint whose removal is still under way is no removal: that one may fail yet.
    const latest = state.lastStores.get(place) === ticket;
    if (place !== "record" && latest && state.waiting === undefined && !state.hints.has(place))
      this.#hints.remove(state.key, place);
    const kept = durability === "strict" ? "strict" : "relaxed";
    for (const { origin } of store.waiters)
      this.#in.complete({ kind: "stored", origin, key: state.key, durability: kept });
    this.#settle(store.state);
    this.#shrink();
  }

  /** Nobody knows what of the store is on disk: actors end, and the memory of the key is given up unless a later store replaces the place whole. */
  onStorageFailed(ticket: Ticket): void {
    const store = this.#stores.get(ticket);
    if (store === undefined) {
      const load = this.#loads.get(ticket);
      if (load !== undefined) this.onLoaded(ticket, ["failed"]);
      return;
    }
    this.#stores.delete(ticket);
    this.#start = this.#in.random.hex(8);
    // A strict one that failed may be there nevertheless, and is not flushed.
    this.#softTo = Math.max(this.#softTo, ticket);
    const { state, place, counted, pastUntil } = store;
    state.storesUnderWay--;
    if (pastUntil > 0) this.#history.failed(pastUntil);
    if (counted !== undefined) this.#forest.end(counted, "failed");
    const leaf = place === "record" ? this.#leaf(state) : undefined;
    if (leaf !== undefined) this.#log.breakOff(partitionOfLeaf(leaf));
    // A removal that failed: the hint is probably still there, and must be looked at again.
    if (place !== "record" && this.#hints.has(state.key, place)) this.#hints.add(state.key, place);
    if (state.lastStores.get(store.place) === ticket) {
      state.doubtful = true;
      state.waiting ??= [];
    }
    for (const { origin } of store.waiters) this.#refuse(state.key, origin, "storage");
    if (this.#buffer.settle(ticket) && store.record !== undefined) this.#mergeAgain(state, store.record.set);
    this.#settle(state);
  }

  /** It was acknowledged from memory: one more attempt, unless what came later holds it as well. */
  #mergeAgain(state: KeyState, set: DvvSet): void {
    const work: Work = {
      kind: "merge",
      place: "record",
      set,
      purpose: "write",
      origin: { kind: "buffer" },
      durability: "relaxed",
    };
    this.#retries.push({ key: state.key, set });
    if (state.waiting === undefined) this.#perform(state, work);
    else state.waiting.push(work);
    if (this.#buffer.size === 0) this.#buffering.ended();
  }

  /** How much is under way and kept, for `inspect` and the bounds test. */
  get sizes(): { readonly keys: number; readonly loads: number; readonly stores: number; readonly bytes: number } {
    return { keys: this.#keys.size, loads: this.#loads.size, stores: this.#stores.size, bytes: this.#bytes };
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      start: this.#start,
      keys: this.#keys,
      flushedTo: this.#flushedTo,
      softTo: this.#softTo,
      buffer: this.#buffer.memory,
      retries: this.#retries,
      loads: [...this.#loads].map(([ticket, { state, reads }]) => ({ ticket, key: state.key, reads })),
      stores: [...this.#stores].map(([ticket, { state, place, durability, waiters }]) => ({
        ticket,
        key: state.key,
        place,
        durability,
        waiters,
      })),
    };
  }

  #enter(key: Key, work: Work): void {
    if (work.kind === "merge" || work.kind === "mint") this.#touched(key);
    let state = this.#keys.get(key);
    if (state === undefined) {
      state = {
        key,
        position: positionOf(key),
        waiting: [],
        record: undefined,
        damaged: false,
        digest: UNKNOWN,
        hints: new Map(),
        storesUnderWay: 0,
        loadedAfter: 0,
        lastStores: new Map(),
        doubtful: false,
        bytes: 0,
      };
      this.#keys.set(key, state);
      this.#load(state);
    } else {
      this.#keys.delete(key);
      this.#keys.set(key, state);
    }
    if (state.waiting !== undefined) state.waiting.push(work);
    else this.#perform(state, work);
  }

  /** The disk is asked anew only when no write of the key is under way, so that it cannot answer with what is about to change. */
  #settle(state: KeyState): void {
    if (!state.doubtful || state.storesUnderWay > 0) return;
    if (state.waiting?.length === 0) {
      this.#forget(state);
      return;
    }
    state.doubtful = false;
    state.record = undefined;
    state.damaged = false;
    state.hints.clear();
    state.lastStores.clear();
    this.#load(state);
  }

  #load(state: KeyState): void {
    const ticket = this.#in.nextTicket();
    const targets = [...this.#hints.targetsOf(state.key)];
    const reads: RecordRead[] = [
      { store: "records", address: recordAddress(state.key, state.position) },
      ...targets.map((target) => ({
        store: "hints" as const,
        address: hintAddress(state.key, state.position, target),
      })),
    ];
    this.#loads.set(ticket, { state, reads: ["record", ...targets] });
    state.loadedAfter = this.#softTo;
    this.#in.emit({ kind: "load", ticket, reads });
  }

  #perform(state: KeyState, work: Work): void {
    switch (work.kind) {
      case "read": {
        const set = state.damaged ? EMPTY : known(state);
        const outcome = state.damaged ? "failed" : set === EMPTY ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set });
        break;
      }
      case "read-record": {
        const set = state.record?.set ?? EMPTY;
        const outcome = state.damaged ? "failed" : state.record === undefined ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set });
        break;
      }
      case "read-hint": {
        const set = state.hints.get(work.target)?.set;
        const outcome = set === undefined ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set: set ?? EMPTY });
        break;
      }
      case "merge":
        this.#merge(state, work);
        break;
      case "mint":
        this.#mint(state, work);
        break;
      case "drop":
        if (sameRecord(at(state, work.place), work.set)) this.#write(state, work.place, null, undefined, "relaxed");
        break;
      case "reap": {
        const set = state.record?.set;
        if (set === undefined || !isDeleted(set) || recordDigest(state.key, set) !== work.digest) break;
        this.#in.note({ what: "tombstone-reaped", key: state.key, clock: set.clock });
        this.#write(state, "record", null, undefined, "strict");
        break;
      }
      case "drop-damaged":
        if (state.damaged) this.#write(state, "record", null, undefined, "relaxed");
        else if (state.record !== undefined) this.#write(state, "record", state.record, undefined, "relaxed");
        break;
    }
  }

  #merge(state: KeyState, work: Work & { kind: "merge" }): void {
    const { place, set, origin, purpose, durability } = work;
    if (!this.#mayKeep(state.key, place)) {
      this.#refuse(state.key, origin, "moved");
      return;
    }
    const before = at(state, place);
    if (before === undefined && !this.#roomFor(state.key, place, origin)) return;
    const merged = before === undefined ? set : sync(before.set, set);
    const changed = before === undefined || !equal(merged, before.set);
    this.#in.note({ what: "merged", key: state.key, purpose, siblings: merged.siblings.length, changed });
    // What arrives when it is replaced already was the state elsewhere, and whoever sent it may let go of it.
    const came = before === undefined || equal(merged, set) ? undefined : { was: set, now: merged };
    const past = this.#pastOf(state, came);
    if (!changed && past.writes.length === 0) this.#whenDurable(state, place, origin, durability);
    else this.#write(state, place, { set: merged, minted: before?.minted }, origin, durability, past);
  }

  #mint(state: KeyState, work: Work & { kind: "mint" }): void {
    const { place, write, checksum, origin, durability } = work;
    if (!this.#mayKeep(state.key, place)) {
      this.#refuse(state.key, origin, "moved");
      return;
    }
    const before = at(state, place);
    const all = known(state);
    if (all.siblings.some((sibling) => sibling.operation === write.operation)) {
      this.#in.complete({ kind: "minted", origin, key: state.key, set: all, dot: undefined });
      if (before !== undefined && equal(before.set, all)) this.#whenDurable(state, place, origin, durability);
      else if (before !== undefined || this.#roomFor(state.key, place, origin))
        this.#write(state, place, { set: all, minted: before?.minted }, origin, durability);
      return;
    }
    const context = write.policy === "last-write-wins" ? joinClocks(all.clock, write.context) : write.context;
    const { actor, fresh } = this.#actorFor(before, all, context);
    const version = { operation: write.operation, at: timeOf(write, all), value: write.value, checksum };
    const { set: updated, dot } = update(all, context, actor, version);
    const set = write.policy === "last-write-wins" ? latest(all, updated, write) : updated;
    const siblings = set.siblings.length;
    if (siblings > SIBLINGS_MAX) {
      this.#refuse(state.key, origin, "too-many-siblings", all.siblings.length);
      return;
    }
    if (before === undefined && !this.#roomFor(state.key, place, origin)) return;
    if (siblings >= SIBLINGS_WARN) this.#in.note({ what: "many-siblings", key: state.key, siblings });
    const entries = set.clock.length;
    if (entries >= CLOCK_ENTRIES_WARN) this.#in.note({ what: "long-clock", key: state.key, entries });
    this.#in.note({ what: "minted", key: state.key, actor, counter: dot.counter, fresh });
    this.#in.complete({ kind: "minted", origin, key: state.key, set, dot });
    this.#write(state, place, { set, minted: { actor, start: this.#start } }, origin, durability);
  }

  #actorFor(before: StoredRecord | undefined, all: DvvSet, context: Clock): { actor: Actor; fresh: boolean } {
    const minted = before?.minted;
    if (before !== undefined && minted?.start === this.#start) {
      const own = counterOf(before.set.clock, minted.actor);
      if (counterOf(all.clock, minted.actor) === own && counterOf(context, minted.actor) <= own)
        return { actor: minted.actor, fresh: false };
    }
    return { actor: (this.#in.self + this.#in.random.hex(8)) as Actor, fresh: true };
  }

  /** Who has left, or was removed, keeps nothing more for anybody: nobody looks for it there, and tombstones are reaped without asking it. */
  #mayKeep(key: Key, place: Place): boolean {
    if (place === "record") return this.#in.mayStore(key);
    const own = this.#in.ring === undefined ? undefined : memberOf(this.#in.ring.view, this.#in.self);
    return own === undefined || !isGone(own);
  }

  #roomFor(key: Key, place: Place, origin: Origin): boolean {
    if (place === "record" || this.#hints.has(key, place) || this.#hints.size < this.#in.config.hintsMax) return true;
    this.#in.note({ what: "hint-refused", key, target: place });
    this.#refuse(key, origin, "hints-full");
    return false;
  }

  /** How a write of a caller is kept here. */
  #kept(asked: Durability): Durability {
    const durability = durabilityOf(this.#in.config);
    if (durability === "strict") return "strict";
    return durability === "buffered" && asked === "relaxed" ? "buffered" : asked;
  }

  /** What is kept of a record that was replaced, where its bucket keeps such. */
  #pastOf(state: KeyState, change: { readonly was: DvvSet; readonly now: DvvSet | undefined } | undefined): Past {
    return change === undefined
      ? NO_PAST
      : this.#history.replaced(state.key, state.position, change.was, change.now, this.#in.now);
  }

  #write(
    state: KeyState,
    place: Place,
    record: StoredRecord | null,
    origin: Origin | undefined,
    asked: Durability,
    alongside = NO_PAST,
  ): void {
    const before = at(state, place)?.set;
    // A hint that is let go is where it belongs; a record that is let go may have been replaced there before it came.
    const replaced = before !== undefined && before !== record?.set && (record !== null || place === "record");
    const past = this.#pastOf(state, replaced ? { was: before, now: record?.set } : undefined);
    const kept = [...past.writes, ...alongside.writes];
    const pastUntil = Math.max(past.until, alongside.until);
    if (place === "record") {
      state.record = record ?? undefined;
      state.damaged = false;
    } else if (record === null) {
      // The index lets go of it only when its removal is durable: until then it may still be on the disk, and counts.
      state.hints.delete(place);
      this.#hints.leave(state.key, place);
    } else {
      if (!state.hints.has(place)) this.#in.note({ what: "hint-kept", key: state.key, target: place });
      state.hints.set(place, record);
      this.#hints.add(state.key, place);
    }
    this.#weigh(state);
    const ticket = this.#in.nextTicket();
    state.storesUnderWay++;
    state.lastStores.set(place, ticket);
    const waiters = origin === undefined ? [] : [{ origin }];
    if (place !== "record") {
      const durability = asked === "strict" ? "strict" : "relaxed";
      if (durability === "relaxed") this.#softTo = ticket;
      const under = { durability, record: undefined, digest: 0, pastUntil } as const;
      this.#stores.set(ticket, { state, place, counted: undefined, ...under, waiters });
      const address = hintAddress(state.key, state.position, place);
      this.flush();
      this.#in.store(ticket, [{ store: "hints", address, record }, ...kept], durability);
      return;
    }
    const leaf = this.#leaf(state);
    const counted = leaf === undefined ? undefined : this.#forest.begin(leaf);
    const digest = record === null ? 0 : recordDigest(state.key, record.set);
    const address = recordAddress(state.key, state.position);
    const writes: Write[] = [{ store: "records", address, record }, ...this.#count(state, leaf), ...kept];
    const under = { state, place, counted, digest, pastUntil } as const;
    if (asked === "buffered" && record !== null && origin !== undefined && this.#mayBuffer(state.key, record)) {
      this.#softTo = ticket;
      this.#stores.set(ticket, { ...under, durability: "buffered", record, waiters: [] });
      this.#buffer.add(ticket, writes, bytesOf(record));
      this.#in.complete({ kind: "stored", origin, key: state.key, durability: "buffered" });
      if (this.#buffer.pressing) this.flush();
      else if (!this.#in.timers.has("buffer")) this.#in.timers.set("buffer", this.#in.now + BUFFER_MS);
      return;
    }
    const durability = asked === "strict" ? "strict" : "relaxed";
    if (durability === "relaxed") this.#softTo = ticket;
    this.#stores.set(ticket, { ...under, durability, record: undefined, waiters });
    this.flush();
    this.#in.store(ticket, writes, durability);
  }

  #mayBuffer(key: Key, record: StoredRecord): boolean {
    if (!this.#buffering.begin()) return false;
    if (this.#buffer.hasRoomFor(bytesOf(record))) return true;
    this.#in.note({ what: "buffer-full", key });
    return false;
  }

  #leaf(state: KeyState): Leaf | undefined {
    const partitions = this.#in.ring?.view.claims.length;
    return partitions === undefined ? undefined : leafOf(state.position, partitions);
  }

  /** The record is durable as it was when its store began. */
  #logChange(state: KeyState, digest: Digest): void {
    const leaf = this.#leaf(state);
    const partitions = this.#in.ring?.view.claims.length;
    if (leaf === undefined || partitions === undefined) return;
    if (digest === 0) this.#log.remove(partitionOfLeaf(leaf), state.key);
    else this.#log.append(partitionOfLeaf(leaf), partitions, state.key, digest);
  }

  /** The forest counts the record as it is now; the disk's sum changes with it, in one transaction. */
  #count(state: KeyState, leaf: Leaf | undefined): Write[] {
    if (leaf === undefined) return [];
    const digest = state.record === undefined ? 0 : recordDigest(state.key, state.record.set);
    const delta = subtractDigests(digest, state.digest);
    state.digest = digest;
    this.#forest.add(leaf, delta);
    return delta === 0 ? [] : [{ store: "leaves", leaf, change: "add", digest: delta }];
  }

  /** The disk was read: the forest counts what is there. What was thought before is known only if the record has been here since. */
  #recount(state: KeyState): void {
    const leaf = this.#leaf(state);
    const actual = state.record === undefined ? 0 : recordDigest(state.key, state.record.set);
    if (leaf !== undefined && state.digest !== UNKNOWN) this.#forest.recount(leaf, state.digest, actual);
    // The digest of what was there before the damage is not known here.
    if (leaf !== undefined && state.damaged) this.#forest.doubt(leaf);
    state.digest = actual;
  }

  /** Nothing to change, but what is in memory may still be on its way to the disk. */
  #whenDurable(state: KeyState, place: Place, origin: Origin, asked: Durability): void {
    const ticket = state.lastStores.get(place);
    const store = ticket === undefined ? undefined : this.#stores.get(ticket);
    const flushed = store === undefined && (ticket ?? state.loadedAfter) <= this.#flushedTo;
    if (flushed) this.#in.complete({ kind: "stored", origin, key: state.key, durability: "strict" });
    else if (asked === "strict" && store?.durability !== "strict")
      this.#write(state, place, at(state, place) ?? null, origin, "strict");
    else if (store === undefined) this.#in.complete({ kind: "stored", origin, key: state.key, durability: "relaxed" });
    else if (store.durability === "buffered" && asked === "buffered")
      this.#in.complete({ kind: "stored", origin, key: state.key, durability: "buffered" });
    else store.waiters.push({ origin });
  }

  #failed(state: KeyState, work: Work): void {
    if (work.kind === "drop" || work.kind === "drop-damaged" || work.kind === "reap") return;
    if (work.kind === "read" || work.kind === "read-record" || work.kind === "read-hint")
      this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome: "failed", set: EMPTY });
    else this.#refuse(state.key, work.origin, "storage");
  }

  #refuse(key: Key, origin: Origin, refusal: Refusal, siblings = 0): void {
    this.#in.complete({ kind: "refused", origin, key, refusal, siblings });
  }

  #weigh(state: KeyState): void {
    let bytes = bytesOf(state.record);
    for (const hint of state.hints.values()) bytes += bytesOf(hint);
    this.#bytes += bytes - state.bytes;
    state.bytes = bytes;
  }

  #forget(state: KeyState): void {
    if (this.#keys.get(state.key) !== state) return;
    this.#keys.delete(state.key);
    this.#bytes -= state.bytes;
  }

  #shrink(): void {
    const { cachedRecordsMax, cachedBytesMax } = this.#in.config;
    if (this.#keys.size <= cachedRecordsMax && this.#bytes <= cachedBytesMax) return;
    for (const state of this.#keys.values()) {
      if (this.#keys.size <= cachedRecordsMax && this.#bytes <= cachedBytesMax) return;
      if (state.waiting === undefined && state.storesUnderWay === 0) this.#forget(state);
    }
  }
}

/** Not read yet. */
const UNKNOWN: Digest = -1;

function at(state: KeyState, place: Place): StoredRecord | undefined {
  return place === "record" ? state.record : state.hints.get(place);
}

function known(state: KeyState): DvvSet {
  assert(state.waiting === undefined, "a key is used before it is loaded");
  let set = state.record?.set ?? EMPTY;
  for (const hint of state.hints.values()) set = set === EMPTY ? hint.set : sync(set, hint.set);
  return set;
}

function sameRecord(record: StoredRecord | undefined, set: DvvSet): boolean {
  return record !== undefined && equal(record.set, set);
}

/** Where the last write wins, a write is later than whatever it has seen, whoever's clock is wrong. */
function timeOf({ policy, at: own, context }: ClientWrite, all: DvvSet): Millis {
  if (policy !== "last-write-wins") return own;
  const seen = all.siblings.filter(({ dots }) => dots.every((dot) => covers(context, dot)));
  return Math.max(own, ...seen.map((sibling) => sibling.at + 1));
}

/** Last write wins by wall clock: the new version stands unless one that was known is later. Its dot is known either way. */
function latest(before: DvvSet, updated: DvvSet, write: ClientWrite): DvvSet {
  let newest = updated.siblings.find((sibling) => sibling.operation === write.operation)!;
  for (const sibling of before.siblings)
    if (sibling.at > newest.at || (sibling.at === newest.at && sibling.operation > newest.operation)) newest = sibling;
  return { clock: updated.clock, siblings: [newest] };
}
