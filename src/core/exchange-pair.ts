/**
 * For the tests of exchanges: two holders with their trees, replicas and disks, and what goes between them. Everything waits in a queue until the test
 * lets it go on: in the order in which it came, or, with a generator, from any queue next. Within a queue order is kept, as on a link and on a disk;
 * reads of single records have a queue of their own, because a disk may answer them sooner or later than a scan.
 */

import { assert, unreachable } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import { keyOfRecord, positionOf, recordAddress } from "./address.ts";
import type { Config } from "./config.ts";
import type { DvvSet } from "./dvvset.ts";
import type { CaughtUp, Effect, ReadRecord, StoredRecord, Write } from "./effect.ts";
import { HintIndex } from "./hint-index.ts";
import type { Key, Millis, NodeId, Partition, Ticket } from "./identifiers.ts";
import type { LeafActions } from "./leaf-reading.ts";
import {
  type Digest,
  type Leaf,
  MerkleForest,
  addDigests,
  leafOf,
  partitionOfLeaf,
  recordDigest,
} from "./merkle-forest.ts";
import type { Message, PutPurpose } from "./message.ts";
import { type CatchUpOutcome, RecentWrites } from "./recent-writes.ts";
import { Replica } from "./replica.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import type { Completion, Origin } from "./surroundings.ts";
import { type ExchangeEnd, TreeExchange } from "./tree-exchange.ts";
import { TreeSource } from "./tree-source.ts";
import { WriteLog } from "./write-log.ts";

type Scan = Extract<Effect, { kind: "scan" }>;
type Load = Extract<Effect, { kind: "load" }>;
type Store = Extract<Effect, { kind: "store" }>;

const CLUSTER = { nodes: 2, n: 2, r: 1, w: 1 };

/** "lost": failed, and nothing of it is on the disk; "kept": failed, and it is. */
export type StoreFate = "stored" | "lost" | "kept";

/** Records in the order of their addresses, and the sums of the leaves. */
export class PairDisk {
  /** Undefined for what is gone: its address stays in its place. */
  readonly #records = new Map<string, StoredRecord | undefined>();
  readonly #damaged = new Set<string>();
  /** Of all that is in the map, sorted. */
  #addresses: string[] = [];
  readonly leaves = new Map<Leaf, Digest>();

  get(key: Key): ReadRecord | undefined {
    return this.#read(recordAddress(key, positionOf(key)));
  }

  /** All keys with what a read of them finds, in the order of the disk. */
  all(): { readonly address: string; readonly key: Key; readonly record: ReadRecord }[] {
    return this.#addresses.flatMap((address) => {
      const record = this.#read(address);
      return record === undefined ? [] : [{ address, key: keyOfRecord(address), record }];
    });
  }

  /** Puts many records on an empty disk at once. */
  fill(records: Iterable<readonly [Key, DvvSet]>): void {
    assert(this.#records.size === 0, "only an empty disk is filled");
    for (const [key, set] of records)
      this.#records.set(recordAddress(key, positionOf(key)), { set, minted: undefined });
    this.#addresses = [...this.#records.keys()].sort();
  }

  /** As a disk does that lies: no sum changes. */
  replace(key: Key, set: DvvSet | "damaged" | undefined): void {
    const address = recordAddress(key, positionOf(key));
    if (set === "damaged") this.#damaged.add(address);
    else this.#set(address, set === undefined ? null : { set, minted: undefined });
  }

  write(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.store === "records") this.#set(write.address, write.record);
      if (write.store !== "leaves") continue;
      const { leaf, change, digest } = write;
      this.leaves.set(leaf, change === "set" ? digest : addDigests(this.leaves.get(leaf) ?? 0, digest));
    }
  }

  load({ reads }: Load): (ReadRecord | undefined)[] {
    return reads.map(({ store, address }) => (store === "records" ? this.#read(address) : undefined));
  }

  scan({ after, before, countMax, bytesMax }: Scan): {
    entries: { address: string; record: ReadRecord }[];
    done: boolean;
  } {
    const entries: { address: string; record: ReadRecord }[] = [];
    let bytes = 0;
    for (let i = this.#firstFrom(after); i < this.#addresses.length; i++) {
      const address = this.#addresses[i]!;
      if (address >= before) break;
      if (address === after) continue;
      const record = this.#read(address);
      if (record === undefined) continue;
      if (entries.length > 0 && (entries.length >= countMax || bytes >= bytesMax)) return { entries, done: false };
      entries.push({ address, record });
      if (typeof record !== "string")
        for (const { value } of record.set.siblings) bytes += value === null ? 0 : value.length;
    }
    return { entries, done: true };
  }

  #read(address: string): ReadRecord | undefined {
    return this.#damaged.has(address) ? "damaged" : this.#records.get(address);
  }

  #set(address: string, record: StoredRecord | null): void {
    this.#damaged.delete(address);
    if (record !== null && !this.#records.has(address)) this.#addresses.splice(this.#firstFrom(address), 0, address);
    if (record !== null || this.#records.has(address)) this.#records.set(address, record ?? undefined);
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

export class Side {
  readonly surroundings: StubSurroundings;
  readonly disk: PairDisk;
  readonly forest = new MerkleForest();
  readonly replica: Replica;
  readonly exchange: TreeExchange;
  readonly source: TreeSource;
  readonly log: WriteLog;
  readonly recent: RecentWrites;
  /** How catching up from the other side's log ended. */
  readonly caughtUp: CatchUpOutcome[] = [];
  /** How often it was to be written down how far this side has caught up. */
  advanced = 0;
  /** Exchanges of trees that this side asked for. */
  readonly ended: ExchangeEnd[] = [];
  /** What becomes of the next store. */
  fateOf: (store: Store) => StoreFate = () => "stored";
  /** Whether the next read is not answered by the disk. */
  failsRead: (read: Load | Scan) => boolean = () => false;
  /** What the test itself merged, that is durable, and that was refused. */
  readonly done = { stored: [] as Key[], refused: [] as Key[] };
  readonly #corrections = new Map<Ticket, Leaf>();

  constructor(
    self: NodeId,
    disk: PairDisk,
    partitions: number,
    config: Partial<Config>,
    start = 1,
    caughtUp: readonly CaughtUp[] = [],
  ) {
    this.disk = disk;
    this.surroundings = new StubSurroundings(self, viewOf({ ...CLUSTER, partitions }), config);
    const { recentWritesMax, recentWriteBytesMax } = this.surroundings.config;
    const logId = self.slice(-8) + start.toString(16).padStart(8, "0");
    this.log = new WriteLog(logId, recentWritesMax, recentWriteBytesMax);
    this.replica = new Replica(this.surroundings, new HintIndex(), this.forest, this.log);
    const ofLeaves: LeafActions = {
      corrected: (leaf, digest) => {
        const ticket = this.surroundings.nextTicket();
        this.#corrections.set(ticket, leaf);
        this.surroundings.store(ticket, [{ store: "leaves", leaf, change: "set", digest }], "relaxed");
        this.replica.reread(leaf);
      },
      mendDamaged: (key) => this.replica.mendDamaged(key),
    };
    this.exchange = new TreeExchange(this.surroundings, this.forest, {
      readRecord: (key, session) => this.replica.readRecord(key, { kind: "exchange", session, key }),
      merge: (key, set, purpose, session) => this.replica.merge(key, set, purpose, { kind: "exchange", session, key }),
      ...ofLeaves,
      ended: (end) => this.#onEnded(end),
    });
    this.recent = new RecentWrites(this.surroundings, this.forest, this.log, caughtUp, {
      readRecord: (key) => this.replica.readRecord(key, { kind: "recent", key }),
      exchange: (peer, keys) => this.exchange.startWith(peer, keys, { kind: "recent-writes" }),
      advanced: () => this.advanced++,
      served: () => undefined,
      ended: (_, outcome) => this.caughtUp.push(outcome),
    });
    this.source = new TreeSource(this.surroundings, this.forest, {
      readRecord: (key, ticket) => this.replica.readRecord(key, { kind: "fetch", ticket, key }),
      ...ofLeaves,
    });
    for (const { leaf, digest } of this.sums()) {
      this.forest.set(leaf, digest);
      disk.leaves.set(leaf, digest);
    }
  }

  get id(): NodeId {
    return this.surroundings.self;
  }

  get #partitions(): number {
    return this.surroundings.ring!.view.claims.length;
  }

  /** What the sound records on the disk add up to, leaf by leaf; those that are not 0, in order. */
  sums(): { readonly leaf: Leaf; readonly digest: Digest }[] {
    const sums = new Map<Leaf, Digest>();
    for (const { address, key, record } of this.disk.all()) {
      const leaf = leafOf(address, this.#partitions);
      if (typeof record !== "string") sums.set(leaf, addDigests(sums.get(leaf) ?? 0, recordDigest(key, record.set)));
    }
    return [...sums].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf);
  }

  /** What the forest counts, leaf by leaf. */
  counted(): { readonly leaf: Leaf; readonly digest: Digest }[] {
    return Array.from({ length: this.#partitions }, (_, partition) => this.forest.leavesOf(partition)).flat();
  }

  leafOfKey(key: Key): Leaf {
    return leafOf(positionOf(key), this.#partitions);
  }
  partitionOfKey(key: Key): Partition {
    return partitionOfLeaf(this.leafOfKey(key));
  }

  #onEnded(end: ExchangeEnd): void {
    const { peer, purpose, partitions, outcome } = end;
    if (purpose.kind === "recent-writes") {
      this.recent.onExchanged(peer, outcome === "settled");
      return;
    }
    if (purpose.kind === "anti-entropy") this.recent.onCompared(peer, partitions, outcome === "settled");
    this.ended.push(end);
  }

  /** A write of somebody else's; `done` says what became of it. */
  merge(key: Key, set: DvvSet, purpose: PutPurpose = "write"): void {
    this.replica.merge(key, set, purpose, { kind: "handoff", target: this.id, key });
  }

  /** Whether this side says that it holds everything, or nothing. */
  holdAll(held: boolean): void {
    const holds = (node: number): boolean => nodeNamed(node) !== this.id || held;
    this.surroundings.ring = new Ring(viewOf({ ...CLUSTER, partitions: this.#partitions, holds }));
  }

  receive(from: NodeId, message: Message): void {
    switch (message.kind) {
      case "tree-request":
        return this.source.onTreeRequest(from, message);
      case "leaf-request":
        return this.source.onLeafRequest(from, message);
      case "fetch-request":
        return this.source.onFetchRequest(from, message);
      case "tree-reply":
        return this.exchange.onTreeReply(from, message);
      case "leaf-reply":
        return this.exchange.onLeafReply(from, message);
      case "fetch-reply":
        return this.exchange.onFetchReply(from, message);
      case "recent-request":
        return this.recent.onRequest(from, message);
      case "recent-reply":
        return this.recent.onReply(from, message);
      case "replica-put": {
        const { request, key, set, purpose, ring } = message;
        const origin: Origin = { kind: "peer", from, epoch: 1, request, until: Infinity, ring, hints: undefined };
        return this.replica.merge(key, set, purpose, origin);
      }
      case "replica-put-reply":
        return this.exchange.onReply(from, message.request, message.outcome === "stored" ? "stored" : "refused");
      default:
        assert(false, `nobody here answers a ${message.kind}`);
    }
  }

  perform(effect: Load | Scan | Store): void {
    const { ticket } = effect;
    switch (effect.kind) {
      case "load":
        this.replica.onLoaded(
          ticket,
          this.failsRead(effect) ? effect.reads.map(() => "failed") : this.disk.load(effect),
        );
        return;
      case "scan": {
        if (this.failsRead(effect)) this.#failed(ticket);
        else {
          const { entries, done } = this.disk.scan(effect);
          if (!this.exchange.onScanned(ticket, entries, done)) this.source.onScanned(ticket, entries, done);
        }
        return;
      }
      case "store": {
        const fate = this.fateOf(effect);
        if (fate !== "lost") this.disk.write(effect.writes);
        if (fate !== "stored") this.#failed(ticket);
        else if (!this.#corrections.delete(ticket)) this.replica.onStored(ticket);
        return;
      }
      default:
        unreachable(effect);
    }
  }

  #failed(ticket: Ticket): void {
    const corrected = this.#corrections.get(ticket);
    if (corrected !== undefined) {
      this.#corrections.delete(ticket);
      this.forest.doubt(corrected);
    } else if (!this.exchange.onFailed(ticket) && !this.source.onFailed(ticket)) this.replica.onStorageFailed(ticket);
  }

  /** Carries completions to those who wait for them. */
  settle(): void {
    const { completions } = this.surroundings;
    for (let next = completions.shift(); next !== undefined; next = completions.shift()) this.#carry(next);
  }

  #carry(completion: Completion): void {
    const { origin, kind, key } = completion;
    if (origin.kind === "exchange") this.exchange.onCompletion(completion);
    else if (origin.kind === "fetch") this.source.onCompletion(completion);
    else if (origin.kind === "recent") this.recent.onCompletion(completion);
    else if (origin.kind === "handoff" && (kind === "stored" || kind === "refused")) this.done[kind].push(key);
    else if (origin.kind === "peer" && (kind === "stored" || kind === "refused")) {
      const { from, request } = origin;
      const reply = {
        kind: "replica-put-reply",
        owner: false,
        durability: "strict",
        request,
        ring: 0,
        outcome: kind,
        counted: [],
      } as const;
      this.surroundings.send(from, reply, "background");
    }
  }
}

interface Waiting {
  readonly order: number;
  readonly run: () => void;
}

export interface PairOptions {
  readonly partitions: number;
  readonly here: PairDisk;
  readonly there: PairDisk;
  /** Draws what goes on next; in order of arrival when there is none. */
  readonly prng?: Prng;
  readonly config?: Partial<Config>;
  /** Sees every message when it arrives, and may keep it from arriving. */
  readonly passes?: (from: Side, message: Message) => boolean;
}

const QUEUES = ["here's disk", "here's reads", "there's disk", "there's reads", "to here", "to there"] as const;
type Queue = (typeof QUEUES)[number];

/** `here` asks for exchanges, `there` answers. */
export class ExchangePair {
  here: Side;
  there: Side;
  /** What does not go on for now. */
  readonly held = new Set<Queue>();
  readonly #queues = new Map<Queue, Waiting[]>(QUEUES.map((name) => [name, []]));
  readonly #prng: Prng | undefined;
  readonly #passes: (from: Side, message: Message) => boolean;
  readonly #options: { readonly partitions: number; readonly config: Partial<Config> };
  #order = 0;
  #starts = 1;

  constructor({ partitions, here, there, prng, config = {}, passes = () => true }: PairOptions) {
    this.#options = { partitions, config };
    this.here = new Side(nodeNamed(1), here, partitions, config);
    this.there = new Side(nodeNamed(2), there, partitions, config);
    this.#prng = prng;
    this.#passes = passes;
  }

  /** Lets one thing go on; false when nothing can. */
  step(): boolean {
    this.#gather();
    const ready = QUEUES.filter((name) => this.#queue(name).length > 0 && !this.held.has(name));
    const first = (name: Queue): number => this.#queue(name)[0]!.order;
    const next = this.#prng === undefined ? ready.sort((a, b) => first(a) - first(b))[0] : this.#prng.pick(ready);
    if (next === undefined) return false;
    this.#queue(next).shift()!.run();
    this.#gather();
    return true;
  }

  /** Until nothing can go on. */
  run(): void {
    while (this.step());
  }

  /** The side ends without a word, and starts again on its disk: what is under way is lost, and the log is another. */
  restart(which: "here" | "there", caughtUp: readonly CaughtUp[] = []): void {
    for (const queue of this.#queues.values()) queue.length = 0;
    const { partitions, config } = this.#options;
    const { id, disk } = this[which];
    this[which] = new Side(id, disk, partitions, config, ++this.#starts, caughtUp);
  }

  /** Time passes on both sides, and the exchanges look at their clocks. */
  pass(spanMs: Millis): void {
    for (const side of [this.here, this.there]) {
      const due = side.surroundings.pass(spanMs);
      if (due.includes("exchange")) side.exchange.onTimer();
      if (due.includes("catch-up")) side.recent.onTimer();
    }
  }

  #queue(name: Queue): Waiting[] {
    return this.#queues.get(name)!;
  }

  #gather(): void {
    for (const side of [this.here, this.there]) {
      side.settle();
      const [disk, reads, link, other] =
        side === this.here
          ? (["here's disk", "here's reads", "to there", this.there] as const)
          : (["there's disk", "there's reads", "to here", this.here] as const);
      for (const effect of side.surroundings.effects.splice(0)) {
        const order = ++this.#order;
        if (effect.kind === "load" || effect.kind === "scan" || effect.kind === "store")
          this.#queue(effect.kind === "load" ? reads : disk).push({ order, run: () => side.perform(effect) });
        else if (effect.kind === "send") {
          const { message } = effect;
          this.#queue(link).push({
            order,
            run: () => {
              if (this.#passes(side, message)) other.receive(side.id, message);
            },
          });
        }
      }
    }
  }
}
