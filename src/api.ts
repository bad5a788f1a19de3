/** The public surface of a store: what `openStore` gives. Types only, so that the shop, adapters and tests can be written against it. */

import type { BucketEntry, BucketPolicy } from "./core/buckets.ts";
import type { ClusterParameters } from "./core/config.ts";
import type { Clock, Sibling } from "./core/dvvset.ts";
import type { NodeId, Partition } from "./core/identifiers.ts";
import type { TokenSwap } from "./core/load-plan.ts";
import type { Message, RequestReport } from "./core/message.ts";
import type { NodeView } from "./core/node.ts";
import type { AdmissionReason, Note } from "./core/effect.ts";
import type { ArchivePart } from "./wire/archive.ts";
import type { Balance, LatencySummary, StatisticsFigures, StatisticsSnapshot } from "./core/statistics.ts";
import type { BackgroundWork } from "./core/surroundings.ts";
import type { DiskRecords, NodeObserver } from "./driver/driver.ts";
import type { MessageFault } from "./driver/faulty-transport.ts";

export type { BucketEntry, BucketPolicy } from "./core/buckets.ts";
export type { DiskRecords, NodeObserver } from "./driver/driver.ts";

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
  /** Its tab is in the background, by its own word: others wait longer before they blame it, and let others coordinate first. */
  readonly hidden: boolean;
  /** The newest version of the protocol that its build reads, by its own word. */
  readonly protocol: number;
  /** This node's own opinion of it. */
  readonly reachability: "up" | "suspect" | "down";
  /** It goes for good, and counts as long as it holds something. */
  readonly leaving: boolean;
  /** It answers this node's pings, but not its requests in time: it is asked, and not waited for. */
  readonly slow: boolean;
  /** At least half of the others see it so. */
  readonly slowByMost: boolean;
  /** Requests a second that it serves, by its own word: at least so many, and less than twice as many; 0 below 16. */
  readonly servedPerSecond: number;
  /** How it is linked, if it is. */
  readonly link: "webrtc" | "websocket" | "relayed" | "memory" | undefined;
  /** Its tokens, and partitions that it holds completely, by the gossiped view. */
  readonly tokens: number;
  readonly partitionsHeld: number;
  /** Hints that this node keeps for it. */
  readonly hintsOwed: number;
}

/** How a light client stands with its view of the members; counts are since it was opened. */
export interface LightStatus {
  /** Milliseconds since a member last confirmed or renewed the view; undefined before the first time. */
  readonly viewAgeMs: number | undefined;
  /** Views confirmed or renewed. */
  readonly refreshes: number;
  /** Of those: something had changed. */
  readonly changes: number;
  /** Answers by another view, after which it asked at once. */
  readonly toldStale: number;
}

export interface StoreStatus {
  /** light: opened with `light`. It is no member: it is in nobody's `nodes()`, its own included, and keeps no data. */
  readonly role: "member" | "light";
  /** Undefined for a member. */
  readonly light: LightStatus | undefined;
  /**
   * starting: opening its storage. waiting: has met no member of its cluster yet and does not answer for it. joining: a member, but does not
   * hold all of its partitions yet. leaving: gives what it has to others before it goes for good. online: all members are reachable. degraded: some are not. alone: none is (not said of a cluster of one). closed.
   */
  readonly state: "starting" | "waiting" | "joining" | "leaving" | "online" | "degraded" | "alone" | "closed";
  /** The same in a sentence for people. */
  readonly reason: string;
  readonly node: NodeId;
  readonly cluster: string;
  readonly parameters: ClusterParameters | undefined;
  readonly members: number;
  /** Members that answer, this one included if it is a member. */
  readonly reachable: number;
  /** Hints kept for others. */
  readonly hintsOwed: number;
  /** Keys of which nothing is left but that they were deleted, as far as this node has read its disk; each key is told by one of its nodes. Up to 4,096. */
  readonly tombstones: number;
  /** Who kept tombstones from being reaped when it was last tried, and why; empty where they are kept for good. */
  readonly tombstonesKeptBy: readonly {
    readonly node: NodeId;
    readonly why: "unreachable" | "silent" | "not-quiet" | "older" | "unknown";
  }[];
  /** The newest version of the protocol that all members read, and this one may write: what needs everybody goes by it. See `OpenStoreOptions.writesProtocol`. */
  readonly protocol: number;
  readonly partitionsOwned: number;
  readonly partitionsHeld: number;
  /** Partitions still being copied to this node. */
  readonly partitionsJoining: number;
  /** How background work (hints, transfers, comparisons, scrub) gives way to callers. */
  readonly background: {
    /** Of its full speed while callers are served, 0 to 1; never 0. */
    readonly share: number;
    /** What decided the share last; "idle" while there are no callers, and then there is no limit. */
    readonly why: AdmissionReason;
    /** What waits for its turn now. */
    readonly waiting: readonly BackgroundWork[];
  };
  /** How many times longer than usual this node waits before it blames others, 1 to 3: more than 1 when it is late or unheard itself. */
  readonly patience: number;
  /**
   * connected: in its cluster's room at a server. connecting: looks for one. same-browser: there is none, by its own choice; it meets the tabs of this
   * browser alone. none: it was given no seeds.
   */
  readonly seed: "connected" | "connecting" | "same-browser" | "none";
  /** True when all members with data are in one zone: several tabs of one browser are one failure domain. */
  readonly oneZone: boolean;
  /** In how many zones the first n nodes of a key lie, of the keys that are worst off: so many failures of a whole zone take all copies. */
  readonly zonesOfKeys: number;
  /** Faults that somebody has given this node on purpose and not ended yet. */
  readonly faults: readonly FaultName[];
}

/** Kinds of faults that a store can be given on purpose; see `FaultControls`. */
export type FaultName = "cut" | "server" | "muted" | "loss" | "latency" | "message" | "frozen" | "disk-full" | "clock";

/** What is to become of the next message of a kind that a node sends to another one. */
export type { MessageFault } from "./driver/faulty-transport.ts";

/**
 * Faults on purpose, for demonstrations and tests, within this tab alone: nothing else is touched, and `StoreStatus.faults` says which are on. A cut link loses
 * everything, silently, both ways, until it heals. A node that is muted towards another still hears it, and keeps its link: only its messages are lost.
 * Numbers that are none are refused with `InvalidFaultError`.
 */
export interface FaultControls {
  /** Cuts this node off from everybody, the server included. */
  cutOff(): void;
  /** Cuts this node off from these nodes. */
  cut(nodes: readonly NodeId[]): void;
  /**
   * As if the server were down: this node closes its socket to it and opens none, until it is told to. What is linked stays linked, new links are made through
   * members. The server itself runs on, and serves others.
   */
  cutServer(cut: boolean): void;
  /** What this node sends to these nodes is lost. Replaces those before. */
  mute(towards: readonly NodeId[]): void;
  /** Of so many in a thousand messages that this node sends; 0 ends it. */
  lose(perMille: number): void;
  /**
   * Each message that this node sends, and each that comes to it, takes so many milliseconds longer, 60,000 at most; 0 ends it, and what waits already is not
   * hurried. Between two nodes with it both count. In a hidden tab timers fire once a second, and so do these.
   */
  addLatency(byMs: number): void;
  /**
   * The next message of this kind that this node sends to that one is dropped, comes `byMs` later, when others may have overtaken it, or comes twice. It is
   * caught once; several of a kind are caught one after the other, 64 at most wait. The event `caught` tells of it.
   */
  catchNext(fault: MessageFault): void;
  /**
   * The node gets no time, for so many milliseconds or until it thaws: it answers nobody, its timers do not fire, its callers wait. What comes meanwhile waits in
   * its order, up to 20,000 messages or 64 MiB, and is all taken at once then, as by a tab that a browser has frozen. Unlike in such a tab the page goes on, and
   * the links go on: they answer heartbeats, so that the others miss the node's own answers and not its links.
   */
  freeze(forMs?: number): void;
  thaw(): void;
  /**
   * Whatever would put a record, a hint or history on this node's disk fails, as with a browser's quota used up, until there is room again. Reading goes on, and
   * so does removing.
   */
  fillDisk(full: boolean): void;
  /** This node's wall clock is wrong by so many milliseconds, a day at most: ahead, or behind when it is negative. 0 sets it right. Timers do not go by it. */
  skewClock(byMs: number): void;
  /** Undoes every cut and every muting of this node, and lets the next messages pass; the server, what has a number, and what ails the node itself, stay as they are. */
  heal(): void;
  /** Ends every fault of this node. */
  endAll(): void;
  /** Which are on. */
  readonly on: readonly FaultName[];
  /** What is cut now; "all" when cut off. */
  readonly current: "none" | "all" | readonly NodeId[];
  readonly serverCut: boolean;
  readonly muted: readonly NodeId[];
  readonly perMilleLost: number;
  readonly addedLatencyMs: number;
  /** Messages that have not come yet. */
  readonly toCatch: readonly MessageFault[];
  readonly frozen: boolean;
  readonly diskFull: boolean;
  readonly clockSkewMs: number;
}

/**
 * A look into this node, for tools that draw or record what it does. What it shows is the node's own data and changes from build to build with it: no
 * application should need it. Nothing is computed while nobody asks.
 */
export interface StoreInspector {
  /** Every step of the node, and every change of a record or a hint on its disk, until the returned function is called. The time of an event is `performance.now()`. */
  observe(observer: NodeObserver): () => void;
  /** What the node believes, owes and is busy with; undefined before its disk is open. */
  readonly view: NodeView | undefined;
  /** What it has counted since it was opened. */
  readonly statistics: StatisticsSnapshot | undefined;
  /** What its own disk has of a key, whoever owns that. Rejects with a `StorageError` when the disk does not answer, or the store is closed. */
  recordsOf(key: string | Uint8Array): Promise<DiskRecords>;
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

/** What an operator may do to who belongs. "join" is for plans alone: a newcomer joins by opening a store. */
export type OperatorChange =
  | /** This node goes for good. */ { readonly kind: "leave" }
  | /** Tokens change places, so that nodes with too many requests, or that are slow, have fewer. Nobody gets more or fewer tokens. */ {
      readonly kind: "move";
    }
  | /** Another one goes for good; it does not answer any more. */ { readonly kind: "remove"; readonly node: string }
  | /** A newcomer comes, of this capacity (1) and zone (a new one). */ {
      readonly kind: "join";
      readonly capacity?: number;
      readonly zone?: string;
    };

/** What a membership change will do, by what is known now. Nothing is changed by making one. */
export interface MembershipPlan {
  readonly change: OperatorChange;
  /** Stands for the ring that it was made for; `commit` refuses when that is another by then. */
  readonly planned: number;
  /** Copies of partitions that nodes will have to make. A newcomer is called `"f" * 32`. `keys` and `bytes` are undefined where nobody told in time. */
  readonly moves: readonly {
    readonly partition: Partition;
    readonly to: NodeId;
    readonly keys: number | undefined;
    readonly bytes: number | undefined;
  }[];
  /** By node: tokens before and after. */
  readonly tokens: readonly { readonly node: NodeId; readonly before: number; readonly after: number }[];
  /** For "move": tokens that change owners, two and two; and what each node serves by now and then, in requests a second. Empty for other changes. */
  readonly swaps: readonly TokenSwap[];
  readonly load: readonly { readonly node: NodeId; readonly before: number; readonly after: number }[];
  /** Of all moves together; keys and bytes of keys and values without those that nobody told of, which are counted in `untold`. */
  readonly partitions: number;
  readonly keys: number;
  readonly bytes: number;
  readonly untold: number;
  /** Why `commit` would refuse it, as things are. */
  readonly refusal: Error | undefined;
}

export interface ExportOptions {
  /** Only the keys of this bucket; all by default. */
  readonly bucket?: string;
  /** Writes acknowledged by so many nodes must not be missing; the cluster's w by default. 1 asks for every member. */
  readonly w?: number;
  /** What to do about a partition of which too few members answer: refuse by name (default), or write what there is and tell it in the manifest. */
  readonly incomplete?: "refuse" | "tell";
  /** How long a partition may be tried, 30,000 by default. */
  readonly partTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly partitions: number;
    readonly of: number;
    readonly records: number;
    readonly bytes: number;
  }) => void;
}

/** Where an archive is read from, twice: once to verify it, once to restore it. */
export type ArchiveSource = Blob | Uint8Array | (() => AsyncIterable<Uint8Array>);

/** What an archive says of itself. Times are the wall clock of the node that exported. */
export interface ArchiveManifestInfo {
  readonly format: number;
  readonly protocol: number;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly cluster: string;
  readonly parameters: ClusterParameters;
  readonly exporter: NodeId;
  readonly beganAt: number;
  readonly endedAt: number;
  /** Only keys that begin so are in it. */
  readonly prefix: string;
  readonly chunks: number;
  readonly bytes: number;
  /** Entries; a key may stand in several, which merge. */
  readonly records: number;
  readonly parts: readonly ArchivePart[];
}

export interface RestoreOptions {
  /** Only the keys of this bucket; all by default. */
  readonly bucket?: string;
  /** With `bucket`: the bucket that its keys go to. */
  readonly into?: string;
  /**
   * What to do with a key that has something already. keep (default): leave it. beside: write what it has not seen, as siblings. replace: put the archived
   * state in its place; what it replaces goes where any replaced version goes. What this archive has restored before counts as nothing.
   */
  readonly existing?: "keep" | "beside" | "replace";
  /** Durable acknowledgements to wait for, for each write. */
  readonly w?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RestoreCounts & { readonly of: number }) => void;
}

export interface RestoreCounts {
  /** Keys looked at. */
  readonly keys: number;
  /** Of those: something was written; all was there already; it had something else and was left as it is. */
  readonly written: number;
  readonly unchanged: number;
  readonly kept: number;
  /** Versions written. */
  readonly versions: number;
}
export interface RestoreReport extends RestoreCounts {
  readonly archive: ArchiveManifestInfo;
}

export interface RewindPreview {
  /** Keys of the bucket that have, or had, anything. */
  readonly keys: number;
  /** Of those: they would get another value; they had none, and would be deleted; they were deleted, and would come back; nothing would change. */
  readonly changed: number;
  readonly deleted: number;
  readonly broughtBack: number;
  readonly unchanged: number;
  /** The earliest moment that this bucket can be rewound to, wall clock in milliseconds since 1970; 0: to its beginning. */
  readonly coveredFrom: number;
}
export interface RewindReport extends RewindPreview {
  /** Keys rewound so far; all that were to change, at the end. */
  readonly written: number;
}
export interface RewindOptions {
  /** Writes acknowledged by so many nodes must not be missing in the past; the cluster's w by default. */
  readonly w?: number;
  /** How long a partition may be tried, 30,000 by default. */
  readonly partTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly keys: number; readonly written: number }) => void;
}

export interface StoreEvents {
  status: StoreStatus;
  membership: readonly NodeInfo[];
  /** A get returned more than one sibling. */
  siblings: { readonly key: string; readonly siblings: number };
  /**
   * A put that this node coordinated left a key with 25 siblings or more (read it and write with the context of the read: at 100 puts are refused with
   * `TooManySiblingsError`), or with 64 writers or more in its clock. Repair is never refused.
   */
  warning: { readonly kind: "many-siblings" | "long-clock"; readonly key: string; readonly count: number };
  /** A refusal at the edge: wrong secret, wrong protocol version, malformed frames from a peer. */
  refused: { readonly error: Error; readonly peer: NodeId | undefined };
  trace: { readonly atMs: number; readonly note: Note };
  /** A message that this node sends has met what `faults.catchNext` has set for it. */
  caught: { readonly fault: MessageFault; readonly message: Message };
  /** This node has left, or was removed by another; others have all that it had. It is closed and its data is thrown away. */
  departed: { readonly standing: "left" | "removed"; readonly by: NodeId };
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
   * gives the canary that is running. Not at a light client, which has another name at each opening: it would leave a key behind each time.
   */
  startCanary(options?: { intervalMs?: number }): Canary;
  /**
   * A preview: what a membership change would move. Waits for the holders to count what they have, 10 seconds at most by default. Rejects with `NotReadyError`
   * before the cluster is met.
   */
  plan(change: OperatorChange, options?: { timeoutMs?: number }): Promise<MembershipPlan>;
  /**
   * Makes the change that was planned, if the ring is still the one of the plan. Rejects with `MembershipChangeError`, which says why, and with nothing changed.
   * `force` removes a node though it answers, or though it holds what too few others do: that is given up, unless the node comes back.
   */
  commit(plan: MembershipPlan, options?: { force?: boolean }): Promise<void>;
  /**
   * This node goes for good: it gives all that it has to others first, then throws its data away and is closed. Resolves then; the status tells how far it is. While
   * an owner of its data cannot be reached it waits. Rejects with `MembershipChangeError` when nobody could take over.
   */
  leave(options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Removes a member that will not come back, so that others take over its tokens. If it does come back, it gives what it has to the owners and goes; it can join
   * again as a new node. Rejects with `MembershipChangeError`: unknown node, a node that answers, too few copies elsewhere. `force` as in `commit`.
   */
  remove(node: string, options?: { force?: boolean }): Promise<void>;
  /**
   * The cluster's data as a stream of bytes, taken while everybody goes on: for each partition every write that was acknowledged before its part began, or
   * what replaced it. Keeps a few pages in memory; whoever reads slowly holds it up. Throws `IncompleteGatheringError` when too few members answer,
   * `NotReadyError`, `OverloadedError`; then the stream has no end, and restores nothing.
   */
  export(options?: ExportOptions): AsyncIterable<Uint8Array>;
  /** Reads a whole archive and says what is in it. Throws an `ArchiveError` that says what is wrong with it. */
  verifyArchive(source: ArchiveSource, options?: { signal?: AbortSignal }): Promise<ArchiveManifestInfo>;
  /**
   * Verifies the whole archive and then writes what is in it, as ordinary puts: into this cluster or another, under the same keys or in another bucket. Siblings
   * come back as siblings, with the times of their writes; deletes are not written where nothing is. Run twice it leaves the same as once. Throws an
   * `ArchiveError` before anything was written, or what a put throws: then run it again.
   */
  restore(source: ArchiveSource, options?: RestoreOptions): Promise<RestoreReport>;
  /**
   * What `rewind` would do, and nothing is written. `at`: wall clock, milliseconds since 1970. Throws `MomentNotCoveredError` when the bucket keeps no history,
   * or not that far back (it says how far), `IncompleteGatheringError` when too few members answer.
   */
  previewRewind(bucket: string, at: number, options?: RewindOptions): Promise<RewindPreview>;
  /**
   * Puts the values that the bucket's keys had at a moment in place of those that they have, by ordinary puts with the context of a read: so nothing is lost, a
   * write that comes meanwhile stays as a sibling, and the rewinding can be rewound. Keys that are younger get tombstones. It goes by the clocks of those who
   * wrote: one that was wrong by a minute is found a minute from its place. Looks at everything first, and then writes. Throws as the preview does, and what a
   * put throws: then run it again.
   */
  rewind(bucket: string, at: number, options?: RewindOptions): Promise<RewindReport>;
  readonly faults: FaultControls;
  readonly inspector: StoreInspector;
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
  /**
   * WebSocket addresses of seeds, tried in turn. Or `["same-browser"]`: no server at all. Then the tabs of this browser (of one profile, at one origin) that open the
   * cluster so find each other by themselves and nobody else can; links are WebRTC all the same, and prove the secret. `status.seed` says so. It needs
   * Web Locks, for a light client, too.
   */
  readonly seeds: readonly string[];
  /**
   * True for the one explicit act that makes the cluster. Ignored when this identity already belongs to it; with "same-browser" also when another node of this
   * browser does, or is making it at this moment: so of tabs that open at once only one does.
   */
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
  /**
   * Opens a light client (paper, section 6.4): a tab that is no member, holds no data and has no database. It knows the members, asks one of them every 10
   * seconds what has changed, and hands each request to an owner of its key. For tabs that come and go, and for readers of a large cluster. It
   * must know the secret like any other, cannot found a cluster, and knows nothing of an earlier opening; `capacity`, `zone` and
   * `durability` mean nothing to it. False by default.
   */
  readonly light?: boolean;
  /**
   * Forget, by proof, that a key was deleted, when nothing else has come of it for so long, in milliseconds. All members must say so, or nobody does. It rests on
   * disks that never go back in time: every write is strict then, and a profile must not be restored from an older copy. By default tombstones are kept.
   */
  readonly reapAfterMs?: number;
  /**
   * Removes a closed tab from the cluster when this one and most others have not reached it for so long, in milliseconds, 5,000 or more; better minutes
   * than seconds. It is a removal like an operator's: its copies are made anew elsewhere, and if it comes back it gives what it has and starts as a new
   * node. Give it to all members alike. By default a closed tab stays a member. Not together with `reapAfterMs`.
   */
  readonly removeAfterMs?: number;
  /**
   * Buckets that keep what is replaced, and for how many milliseconds, so that `rewind` can bring it back. All nodes of a cluster must be given the same. None by
   * default.
   */
  readonly history?: Readonly<Record<string, { readonly keepMs: number }>>;
  /**
   * Holds back what an older build could not follow, though all members read it: nothing is reaped, and nothing is kept on the disk that such a build could not
   * read. Give it the older version before an upgrade and leave it out when no node will have to go back; see `StoreStatus.protocol` and `NodeInfo.protocol`.
   * By default what all read is used as soon as all read it.
   */
  readonly writesProtocol?: number;
  /** Merges by name, for buckets whose policy is `merge:NAME`; `mergeOf` makes one from a codec and a reconciler. */
  readonly merges?: Readonly<Record<string, Merge>>;
  /** Starts a canary at once, with this interval; see `Store.startCanary`. None by default. */
  readonly canaryMs?: number;
}
