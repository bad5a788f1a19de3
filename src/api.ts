/** The public surface of a store: what `openStore` gives. Types only, so that the shop, adapters and tests can be written against it. */

import type { BucketEntry, BucketPolicy } from "./core/buckets.ts";
import type { ClusterParameters } from "./core/config.ts";
import type { Clock, Sibling } from "./core/dvvset.ts";
import type { NodeId, Partition } from "./core/identifiers.ts";
import type { RequestReport } from "./core/message.ts";
import type { Note } from "./core/effect.ts";
import type { Balance, LatencySummary, StatisticsFigures } from "./core/statistics.ts";

export type { BucketEntry, BucketPolicy } from "./core/buckets.ts";

/** Opaque bytes that a read gives and the write that answers it takes: what had been seen. Bound to its key. */
export type Context = Uint8Array;

export interface GetOptions {
  /** Replies to wait for, 1 to n. By default what the key's bucket says, else the cluster's. */
  readonly r?: number;
  /**
   * How many of them must come from owners of the key that hold its partition, 0 to n (Riak's primaries). 0, the default unless the bucket says
   * otherwise: stand-ins count like owners (sloppy quorum). With pr + pw > n a read shows what was acknowledged before, whatever was down meanwhile, as
   * long as the owners are the same; the price is a QuorumError, at once, when too few owners can be reached, and while too many of them are still joining.
   */
  readonly pr?: number;
  /** Milliseconds, 5,000 by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface PutOptions {
  /** From the read that this write answers. Without it the write is blind: it overwrites nothing and may become a sibling. */
  readonly context?: Context | undefined;
  /** Durable acknowledgements to wait for, 1 to n. By default what the key's bucket says, else the cluster's. */
  readonly w?: number;
  /** How many of them must come from owners that hold the partition, 0 to n; a stand-in's hint does not count. See `GetOptions.pr`. */
  readonly pw?: number;
  /**
   * How many of them must be strict commits, 0 to n: flushed by the operating system, so that they survive a power failure and not only the tab and
   * the browser. All replicas then commit strictly. 0 by default: one of them does so nevertheless, and nobody waits for it (paper, section 6.1).
   */
  readonly dw?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** 32 hexadecimal digits. Retry with the same one, and the retry makes no sibling. Drawn at random by default. */
  readonly operation?: string;
  /** By default what the key's bucket says, else "siblings". */
  readonly policy?: "siblings" | "last-write-wins";
}

export interface GetResult {
  /** All values that nobody has overwritten; more than one when writes were concurrent. Deleted ones are left out. Empty: not found. */
  readonly values: readonly Uint8Array[];
  /** The same with their dots, times and tombstones. */
  readonly siblings: readonly Sibling[];
  /** The record's version vector: all dots ever seen of this key. What it covers and no sibling carries was overwritten. */
  readonly clock: Clock;
  readonly context: Context;
  readonly report: RequestReport;
}

export interface PutResult {
  /**
   * For a following write without a read in between. When this write stands alone (`siblings` is 1) it replaces this one. When others wrote
   * meanwhile it covers no more than the read before did, because nobody may overwrite what he has not seen: read again instead.
   */
  readonly context: Context;
  /** How many siblings the key has now, at the coordinator. */
  readonly siblings: number;
  readonly report: RequestReport;
}

export interface PreferenceEntry {
  readonly node: NodeId;
  /** owner: one of the first N. joining: an owner that does not hold the partition yet: written to, not counted. holder: a former owner that counts in its place. fallback: stands in when others are down. */
  readonly role: "owner" | "joining" | "holder" | "fallback";
  /** Whether this node thinks that it answers. */
  readonly reachable: boolean;
}

export interface NodeInfo {
  readonly node: NodeId;
  readonly self: boolean;
  readonly capacity: number;
  readonly zone: string;
  readonly hidden: boolean;
  /** This node's own opinion of it. */
  readonly reachability: "up" | "suspect" | "down";
  /** How it is linked, if it is. */
  readonly link: "webrtc" | "websocket" | "relayed" | "memory" | undefined;
  /** Its tokens, and partitions that it holds completely, by the gossiped view. */
  readonly tokens: number;
  readonly partitionsHeld: number;
  /** Hints that this node keeps for it. */
  readonly hintsOwed: number;
}

export interface StoreStatus {
  /**
   * starting: opening its storage. waiting: has met no member of its cluster yet and does not answer for it. joining: a member, but does not
   * hold all of its partitions yet. online: all members are reachable. degraded: some are not. alone: none is (not said of a cluster of one). closed.
   */
  readonly state: "starting" | "waiting" | "joining" | "online" | "degraded" | "alone" | "closed";
  /** The same in a sentence for people. */
  readonly reason: string;
  readonly node: NodeId;
  readonly cluster: string;
  readonly parameters: ClusterParameters | undefined;
  readonly members: number;
  /** Members that answer, this one included. */
  readonly reachable: number;
  /** Hints kept for others. */
  readonly hintsOwed: number;
  readonly partitionsOwned: number;
  readonly partitionsHeld: number;
  /** Partitions still being copied to this node. */
  readonly partitionsJoining: number;
  readonly seed: "connected" | "connecting" | "none";
  /** True when all members with data are in one zone: several tabs of one browser are one failure domain. */
  readonly oneZone: boolean;
  /** In how many zones the first n nodes of a key lie, of the keys that are worst off: so many failures of a whole zone take all copies. */
  readonly zonesOfKeys: number;
}

/** Cuts inside our own transport, for demonstrations and tests. A cut link loses everything, silently, both ways, until it heals. */
export interface FaultControls {
  /** Cuts this node off from everybody, the server included. */
  cutOff(): void;
  /** Cuts this node off from these nodes. */
  cut(nodes: readonly NodeId[]): void;
  /** Undoes every cut of this node. */
  heal(): void;
  /** What is cut now; "all" when cut off. */
  readonly current: "none" | "all" | readonly NodeId[];
}

export interface Codec<Value> {
  encode(value: Value): Uint8Array;
  /** Throws on bytes that are not a value. */
  decode(bytes: Uint8Array): Value;
}

export interface BucketOptions<Value> {
  readonly codec: Codec<Value>;
  /**
   * One value from several siblings (two or more). Left out: as the bucket's policy says, by what `setBucket` has set and this node has heard: the
   * latest by wall clock, or what the store's merge of that name makes of them.
   */
  readonly reconcile?: (siblings: readonly Value[]) => Value;
  /** Defaults of this view of the bucket; they stand before those that `setBucket` has set for everybody. */
  readonly r?: number;
  readonly w?: number;
  readonly pr?: number;
  readonly pw?: number;
  readonly dw?: number;
  readonly policy?: "siblings" | "last-write-wins";
}

/** One value from the bytes of several siblings (two or more). All stores must come to the same one, in whatever order the siblings stand. */
export type Merge = (siblings: readonly Uint8Array[]) => Uint8Array;

/** What `setBucket` sets. What is left out is the cluster's default; for pr, pw and dw it is 0, and there is no buffer. */
export interface BucketSettings {
  /** 1 to n. */
  readonly r?: number;
  readonly w?: number;
  /** 0 to n. */
  readonly pr?: number;
  readonly pw?: number;
  /** See `PutOptions.dw`. */
  readonly dw?: number;
  /**
   * Puts that ask for no strict commit are acknowledged from the memory of all replicas but one, and are on their disks a tenth of a second later: shorter
   * tails of latency, less safety. A crash of a tab takes what its buffer had; when W tabs crash at that moment, and the one strict commit was not done
   * yet, an acknowledged put is gone. `report.inMemory` says how many answers came from memory, and the next start of a tab that may have lost some
   * counts it (`buffer-lost`). False by default.
   */
  readonly buffered?: boolean;
  /**
   * siblings (the default): concurrent writes are kept side by side. last-write-wins: the later one by wall clock stands. `merge:NAME`: kept side by
   * side, and read as one value by stores that were opened with a merge of this name (1 to 32 characters of a-z, 0-9 and "-").
   */
  readonly policy?: BucketPolicy;
}

export interface BucketGetResult<Value> extends Omit<GetResult, "values"> {
  /** All siblings, decoded. */
  readonly values: readonly Value[];
  /** The one value, reconciled if there were several; undefined when there is none. */
  readonly value: Value | undefined;
}

/** Keys under one name with one type, one way to reconcile and one set of defaults. */
export interface Bucket<Value> {
  get(key: string, options?: GetOptions): Promise<BucketGetResult<Value>>;
  put(key: string, value: Value, options?: PutOptions): Promise<PutResult>;
  delete(key: string, options?: PutOptions): Promise<PutResult>;
  /** Reads, reconciles, changes, writes with the context of the read. */
  update(
    key: string,
    change: (value: Value | undefined) => Value,
    options?: PutOptions & GetOptions,
  ): Promise<{ value: Value; result: PutResult }>;
  /** The present state and then each change, found by reading again every `intervalMs` (1,000). Ends with the signal. */
  watch(key: string, options?: GetOptions & { intervalMs?: number }): AsyncIterable<BucketGetResult<Value>>;
}

export interface ClusterStatistics {
  /** What each member that answered has counted, this node included, by node. */
  readonly members: readonly { readonly node: NodeId; readonly figures: StatisticsFigures }[];
  /** Members that gave no answer in time. */
  readonly silent: readonly NodeId[];
  /** All that answered, as if they were one node. */
  readonly merged: StatisticsFigures;
  /** Who carries more or less than its share (paper, section 6.2: out of balance beyond 15 percent). */
  readonly balance: Balance;
}

/** What a canary has seen since it was started: how the store looks to a caller who asks again and again. */
export interface CanaryReport {
  /** Rounds that ended: a put, and a get of it. */
  readonly rounds: number;
  /** Of those: both were answered. */
  readonly succeeded: number;
  /** Of those that succeeded: the get did not show what had just been put. */
  readonly stale: number;
  /** `succeeded` of `rounds`, 0 to 1; undefined before the first round has ended. */
  readonly availability: number | undefined;
  readonly put: LatencySummary;
  readonly get: LatencySummary;
  /** The last rounds, newest first, at most 60. `error` is the code of a failure, "unexpected" for one without. */
  readonly recent: readonly { readonly atMs: number; readonly error: string | undefined; readonly stale: boolean }[];
}

export interface Canary {
  readonly report: CanaryReport;
  /** Ends it; what it wrote stays, one small key of this node. Idempotent. */
  stop(): void;
}

export interface StoreEvents {
  status: StoreStatus;
  membership: readonly NodeInfo[];
  /** A get returned more than one sibling. */
  siblings: { readonly key: string; readonly siblings: number };
  /** A refusal at the edge: wrong secret, wrong protocol version, malformed frames from a peer. */
  refused: { readonly error: Error; readonly peer: NodeId | undefined };
  trace: { readonly atMs: number; readonly note: Note };
}

export interface Store extends AsyncDisposable {
  readonly status: StoreStatus;
  get(key: string | Uint8Array, options?: GetOptions): Promise<GetResult>;
  put(key: string | Uint8Array, value: Uint8Array, options?: PutOptions): Promise<PutResult>;
  /** Writes a tombstone. */
  delete(key: string | Uint8Array, options?: PutOptions): Promise<PutResult>;
  bucket<Value>(name: string, options: BucketOptions<Value>): Bucket<Value>;
  /**
   * Sets what the requests of a bucket (the keys that begin with `name/`) default to, for the whole cluster. It replaces what was set before, resolves
   * when it is durable here, and reaches the others by gossip; of two that are set at the same time one wins everywhere. A node coordinates by what it
   * has heard. There is no n of a bucket's own: how many replicas a key has is the cluster's business.
   *
   * Rejects with InvalidBucketError: a name of more than 64 characters or with a "/", a number out of range, an unknown policy, over 256 buckets. With
   * NotReadyError when this node is no member yet.
   */
  setBucket(name: string, settings: BucketSettings): Promise<void>;
  /** What this node has heard of all buckets that were set, by name. */
  buckets(): readonly BucketEntry[];
  nodes(): readonly NodeInfo[];
  /** Who is asked for a key, in order; empty before the cluster is met. */
  preferenceList(key: string | Uint8Array): readonly PreferenceEntry[];
  /** Whom the walk of each partition meets first, and which partitions a node holds: for the ring picture. */
  ring(): { readonly owners: readonly NodeId[]; holds(node: NodeId, partition: Partition): boolean };
  /**
   * What callers of this node saw since it was opened: latencies to the 99.9th percentile, failures, versions seen by gets, requests by the minute. Not
   * kept over a restart.
   */
  statistics(): StatisticsFigures;
  /**
   * The same of all members, and of all together. Waits for those that can be reached, 5 seconds at most by default; never fails because of a silent
   * one. Rejects with `NotReadyError` when the store is closed.
   */
  clusterStatistics(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<ClusterStatistics>;
  /**
   * Puts and gets a small key of this node's own, in the bucket `$canary`, which callers are refused, every so often, one round at a time: the store as a client sees it
   * (DynamoDB's canaries). 1,000 to 3,600,000 ms, 10,000 by default. The rounds count in this node's statistics like any requests. A second start
   * gives the canary that is running.
   */
  startCanary(options?: { intervalMs?: number }): Canary;
  readonly faults: FaultControls;
  on<Name extends keyof StoreEvents>(
    name: Name,
    listener: (event: StoreEvents[Name]) => void,
    options?: { signal?: AbortSignal },
  ): () => void;
  /**
   * Resolves when the node is a member and another answers it, or, some seconds later, if none does. Rejects with the refusal if the cluster
   * refuses it (wrong secret) and nobody takes it in meanwhile.
   */
  ready(options?: { signal?: AbortSignal }): Promise<void>;
  /** Stops this node. It stays a member, keeps its data and its identity, and is taken up again by the next `openStore` of this cluster. Idempotent. */
  close(): Promise<void>;
}

export interface OpenStoreOptions {
  /** The cluster's id, 1 to 64 characters of a-z, A-Z, 0-9, `-` and `_`: the name of its room at the seed, not a secret. */
  readonly cluster: string;
  /** The cluster's secret: 32 bytes in base64url, from the invite link. Never sent. */
  readonly secret: string;
  /** WebSocket addresses of seeds. */
  readonly seeds: readonly string[];
  /** True for the one explicit act that makes the cluster. Ignored when this identity already belongs to it. */
  readonly found?: boolean;
  /**
   * With `found`, the cluster's parameters, fixed from then on: n, r, w, partitions, the placement of tokens and, for placements 1 and 2, tokensPerNode.
   * Without it, what this node asks of the cluster: it does not join one where these are others, and says so (`ParametersDifferError`). Ignored
   * when this identity already belongs to it.
   */
  readonly quorum?: Partial<ClusterParameters>;
  readonly capacity?: number;
  /** Failure domain; by default one browser profile. */
  readonly zone?: string;
  /**
   * How writes of callers are kept on this node's disk that ask for nothing else. relaxed (the default): they survive the tab and the browser. strict:
   * each survives the machine. buffered: from its memory first, see `BucketSettings.buffered`; never for a put that asks for `dw`.
   */
  readonly durability?: "relaxed" | "strict" | "buffered";
  /** Merges by name, for buckets whose policy is `merge:NAME`; `mergeOf` makes one from a codec and a reconciler. */
  readonly merges?: Readonly<Record<string, Merge>>;
  /** Starts a canary at once, with this interval; see `Store.startCanary`. None by default. */
  readonly canaryMs?: number;
}
