/**
 * What nodes say to each other. `README.md` beside this file has the same as a grammar; `wire/codec.ts` has the bytes.
 *
 * Requests carry a request id, the digest of the sender's ring and the milliseconds that they have left; replies repeat the id. There is one
 * write verb: client writes, read repair, hints and transfers all send `replica-put`, because merging is idempotent.
 */

import type { BucketEntry } from "./buckets.ts";
import type { Clock, DvvSet } from "./dvvset.ts";
import type { Claim, Member } from "./membership.ts";
import type { ClusterParameters } from "./config.ts";
import type { LoadEntry } from "./load.ts";
import type { Digest, Leaf } from "./merkle-forest.ts";
import type {
  Durability,
  Epoch,
  Key,
  Millis,
  NodeId,
  OperationId,
  Partition,
  RequestId,
  RingDigest,
} from "./identifiers.ts";
import type { StatisticsSnapshot } from "./statistics.ts";
import type { LogPosition, LoggedChange } from "./write-log.ts";

/** "Are you there?" Also the greeting of a new link: from now on, send to this epoch of mine. */
export interface Ping {
  readonly kind: "ping";
  readonly sequence: number;
  /** The sender drops what is addressed to an earlier epoch of it. */
  readonly epoch: Epoch;
}
export interface Pong {
  readonly kind: "pong";
  readonly sequence: number;
  readonly epoch: Epoch;
}
/** "I hear nothing of `target`; do you?" (Q: gray failures; SWIM's ping-req.) */
export interface Probe {
  readonly kind: "probe";
  readonly sequence: number;
  readonly target: NodeId;
}
export interface ProbeReply {
  readonly kind: "probe-reply";
  readonly sequence: number;
  readonly target: NodeId;
  /** True when the asked node heard from the target within its own `suspectAfterMs`. */
  readonly alive: boolean;
}

/** Opens a gossip round: nothing follows when both see the same. `view` is undefined from a node that has met nobody yet. */
export interface GossipDigest {
  readonly kind: "gossip-digest";
  readonly ring: RingDigest | undefined;
}
/** First of the three messages: the versions that the sender has. */
export interface GossipVersions {
  readonly kind: "gossip-versions";
  readonly members: readonly { readonly node: NodeId; readonly incarnation: number; readonly version: number }[];
  /** Digest of all claims; undefined from a node that has no view. */
  readonly claims: number | undefined;
  /** Digest of all bucket entries; undefined from a node that has no view. */
  readonly buckets: number | undefined;
}
/** How busy members are, by their own word: a rumour, which nobody answers. */
export interface LoadNews {
  readonly kind: "load-news";
  /** By node, ascending. */
  readonly entries: readonly LoadEntry[];
}
/** Second and third: what is newer at the sender, and what it wants in return. */
export interface GossipNews {
  readonly kind: "gossip-news";
  readonly parameters: ClusterParameters;
  readonly members: readonly Member[];
  readonly claims: readonly Claim[] | undefined;
  /** All of them, sorted by name; undefined when both have the same. */
  readonly buckets: readonly BucketEntry[] | undefined;
  readonly wanted: readonly NodeId[];
  readonly wantsClaims: boolean;
  readonly wantsBuckets: boolean;
}

/** "I am a light client of your cluster: no member, not to be told of changes." Said when a link comes up, and again to whoever gossips. */
export interface LightHello {
  readonly kind: "light-hello";
}
/** A light client asks a member for its view: "is yours another than mine?", and if it was: "what have you that I have not?" */
export interface ViewRequest {
  readonly kind: "view-request";
  readonly request: RequestId;
  /** Of the view that the asker has; undefined when it has none. */
  readonly digest: RingDigest | undefined;
  /** The versions that it has; undefined while it asks only whether there is a difference. */
  readonly known: Omit<GossipVersions, "kind"> | undefined;
}
export interface ViewReply {
  readonly kind: "view-reply";
  readonly request: RequestId;
  /** Of the sender's view; 0 when it has none. */
  readonly digest: RingDigest;
  /** "differs": ask with your versions. "busy": ask somebody else. "unknown": the sender has met no member itself. */
  readonly outcome: "same" | "differs" | "news" | "busy" | "unknown";
  /** With "news": what is newer at the sender. */
  readonly news: Pick<GossipNews, "parameters" | "members" | "claims" | "buckets"> | undefined;
}

/** Why a record travels. Changes nothing in how it is merged; the trace and the statistics want it. */
export type PutPurpose = "write" | "repair" | "hint" | "transfer";

/** "Merge this into what you have, and say when it is durable." */
export interface ReplicaPut {
  readonly kind: "replica-put";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly ttlMs: Millis;
  readonly purpose: PutPurpose;
  readonly key: Key;
  readonly set: DvvSet;
  /** Keep it as a hint for this node, in its place. */
  readonly hintFor: NodeId | undefined;
  /** How a client's write is to be kept at least. What comes for another purpose is kept strictly: somebody may let go of its own copy because of it. */
  readonly durability: Durability;
}
export interface ReplicaPutReply {
  readonly kind: "replica-put-reply";
  readonly request: RequestId;
  readonly ring: RingDigest;
  /** Sent only once it is durable. "stored": merged. "early": merged, by one who does not answer reads yet. "hinted": the sender does not count for the key, and keeps it for those who own it. */
  readonly outcome: "stored" | "early" | "hinted" | "refused";
  /** True when the sender is an owner of the key that holds its partition, by what it sees itself: only then it counts for pw. */
  readonly owner: boolean;
  /** How it is kept now, where it was not refused. */
  readonly durability: Durability;
  /** Who counts for the key, where the sender sees another ring than the request; else empty. */
  readonly counted: readonly NodeId[];
}

export interface ReplicaGet {
  readonly kind: "replica-get";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly ttlMs: Millis;
  readonly key: Key;
  /** The asker takes the receiver for one who counts. */
  readonly counts: boolean;
}
export interface ReplicaGetReply {
  readonly kind: "replica-get-reply";
  readonly request: RequestId;
  readonly ring: RingDigest;
  /** "failed": the disk did not answer. "moved": asked as one who counts, which the sender does not, or not yet. Never to be taken for "missing". */
  readonly outcome: "found" | "missing" | "failed" | "moved";
  /** As in {@link ReplicaPutReply}, for pr; and it answers reads by now. */
  readonly owner: boolean;
  readonly set: DvvSet | undefined;
  /** As in `replica-put-reply`. */
  readonly counted: readonly NodeId[];
}

/** A node that is no owner hands a caller's request to one that is. */
export interface CoordinateGet {
  readonly kind: "coordinate-get";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly ttlMs: Millis;
  readonly key: Key;
  readonly r: number | undefined;
  /** How many nodes have handed it on: 0 from a light client, 1 from the caller's own node; see `forwarding.ts`. */
  readonly hops: number;
  readonly pr?: number | undefined;
}
export interface CoordinatePut {
  readonly kind: "coordinate-put";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly ttlMs: Millis;
  readonly key: Key;
  readonly write: ClientWrite;
  readonly hops: number;
}
export interface CoordinateReply {
  readonly kind: "coordinate-reply";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly result: ClientResult;
}

/** "Give me the next page of this partition, from behind the cursor on." */
export interface TransferRequest {
  readonly kind: "transfer-request";
  readonly request: RequestId;
  readonly partition: Partition;
  /** The storage address after which to go on; empty at the start. */
  readonly after: string;
  readonly bytesMax: number;
}
export interface TransferPage {
  readonly kind: "transfer-page";
  readonly request: RequestId;
  readonly partition: Partition;
  /** "refused": the sender does not hold this partition, or could not read it. */
  readonly outcome: "page" | "refused";
  readonly records: readonly { readonly key: Key; readonly set: DvvSet }[];
  /** Where the next page starts; undefined when this was the last. */
  readonly next: string | undefined;
}

/**
 * "I own these partitions no more: do you, and do you hold them? May I let go?" Valid only while both see the same tokens: two former owners that
 * see different ones could else let go in favour of each other.
 */
export interface ReleaseRequest {
  readonly kind: "release-request";
  readonly request: RequestId;
  /** `placementDigest` of the sender's view. */
  readonly claims: number;
  /** Ascending. */
  readonly partitions: readonly Partition[];
}
export interface ReleaseReply {
  readonly kind: "release-reply";
  readonly request: RequestId;
  /** Those that the sender owns and holds, seen by the same tokens; ascending. */
  readonly partitions: readonly Partition[];
}

/** "Do you know, durably, what I say of myself up to here?" */
export interface KnownRequest {
  readonly kind: "known-request";
  readonly request: RequestId;
  /** Of the sender's own entry. */
  readonly incarnation: number;
  readonly version: number;
}
export interface KnownReply {
  readonly kind: "known-reply";
  readonly request: RequestId;
  readonly known: boolean;
  /** Partitions that the sender holds and does not answer for yet; ascending. */
  readonly unopened: readonly Partition[];
}

/** "My trees have these digests; where do yours differ, and what do you have under it?" All nodes on one level; see `merkle-forest.ts`. */
export interface TreeRequest {
  readonly kind: "tree-request";
  readonly request: RequestId;
  /** 0 to DEPTH - 1. */
  readonly level: number;
  /** Ascending by index. */
  readonly nodes: readonly { readonly index: number; readonly digest: Digest }[];
}
export interface TreeReply {
  readonly kind: "tree-reply";
  readonly request: RequestId;
  readonly level: number;
  /** Partitions of the nodes asked that the sender does not hold; ascending. */
  readonly refused: readonly Partition[];
  /**
   * Nodes asked whose digest differs at the sender, with its digests of their children, in order; undefined where something under it is not durable yet.
   * What is in neither list is equal, and durable.
   */
  readonly differing: readonly { readonly index: number; readonly children: readonly (Digest | undefined)[] }[];
}

/** "What do you have in this leaf?" */
export interface LeafRequest {
  readonly kind: "leaf-request";
  readonly request: RequestId;
  readonly leaf: Leaf;
  /** The storage address after which to go on; empty at the start. */
  readonly after: string;
}
export interface LeafReply {
  readonly kind: "leaf-reply";
  readonly request: RequestId;
  /** "refused": the sender does not hold the partition, or could not read it all. */
  readonly outcome: "listed" | "refused";
  /** 0 for a record that is damaged there. */
  readonly records: readonly { readonly key: Key; readonly digest: Digest }[];
  readonly next: string | undefined;
}

/** "Send me what you have of these keys." */
export interface FetchRequest {
  readonly kind: "fetch-request";
  readonly request: RequestId;
  readonly keys: readonly Key[];
}
export interface FetchReply {
  readonly kind: "fetch-reply";
  readonly request: RequestId;
  /** Records by key, in the order asked; those that are not here or cannot be read now are left out, and so are those behind the size of a page. */
  readonly records: readonly { readonly key: Key; readonly set: DvvSet }[];
  /** Keys asked, from the first on, to which this is the whole answer; the others have to be asked again. */
  readonly answered: number;
}

/** "How much is in these partitions?" For the preview of a membership change; nothing rests on the answer. */
export interface SizesRequest {
  readonly kind: "sizes-request";
  readonly request: RequestId;
  /** Ascending. */
  readonly partitions: readonly Partition[];
}
export interface SizesReply {
  readonly kind: "sizes-reply";
  readonly request: RequestId;
  /** Ascending; those that could not be read are left out. */
  readonly sizes: readonly PartitionSize[];
}
export interface PartitionSize {
  readonly partition: Partition;
  /** Records, tombstones included. */
  readonly keys: number;
  /** Of keys and values, without what the record adds to them. */
  readonly bytes: number;
  /** Requests of it that the teller has served in about a minute. */
  readonly servedPerMinute: number;
}

/** "What has changed on your disk since then?" Without `log` it asks for the head alone. See `recent-writes.ts`. */
export interface RecentRequest {
  readonly kind: "recent-request";
  readonly request: RequestId;
  readonly log: string | undefined;
  /** Positions in the log, ascending, no two alike, and the partitions to which each applies, ascending; no partition twice. Empty without `log`. */
  readonly since: readonly { readonly position: LogPosition; readonly partitions: readonly Partition[] }[];
}
export interface RecentReply {
  readonly kind: "recent-reply";
  readonly request: RequestId;
  /** The sender's. */
  readonly log: string;
  /** Partitions asked of that the log does not cover since the position given, or that the sender does not hold; ascending. */
  readonly uncovered: readonly Partition[];
  /** Keys of the others whose records changed, with the digests that they had then. */
  readonly changes: readonly LoggedChange[];
  /** These are all up to here; with `more`, others are behind. */
  readonly upTo: LogPosition;
  readonly more: boolean;
}

/** A key whose record was nothing but tombstones when it was asked about. */
export interface ReapedRecord {
  readonly key: Key;
  /** `recordDigest` of that record: its dots, operations and clock. */
  readonly digest: Digest;
}
/** "Watch these keys from now on. Have you this record of each, or none, and nothing else of it, and nothing under way?" See `reaping.ts`. */
export interface ReapWatchRequest {
  readonly kind: "reap-watch-request";
  readonly request: RequestId;
  /** `membersDigest` of the sender's view: all of them are asked, and no others may be known. */
  readonly members: number;
  readonly records: readonly ReapedRecord[];
}
export interface ReapWatchReply {
  readonly kind: "reap-watch-reply";
  readonly request: RequestId;
  /** Names this watch of this start of the node; empty when it watches nothing. 0 to 16 hexadecimal digits. */
  readonly watch: string;
  /** Which of the records it said yes to, by their places; ascending. */
  readonly quiet: readonly number[];
}
/** "All members watch. Believe nothing any more that was sent before now; and which of the keys has nothing touched since you began?" */
export interface ReapProofRequest {
  readonly kind: "reap-proof-request";
  readonly request: RequestId;
  readonly watch: string;
}
export interface ReapProofReply {
  readonly kind: "reap-proof-reply";
  readonly request: RequestId;
  readonly quiet: readonly number[];
}
/** "It is proved: drop these records, if they still are what they were." Not answered. */
export interface ReapDrop {
  readonly kind: "reap-drop";
  readonly watch: string;
  readonly records: readonly ReapedRecord[];
}

/** What a node keeps of a partition: hints for others, its records, records that were replaced. */
export type ArchiveStore = "hints" | "records" | "history";

/** "What do you have of this partition?" For an archive, or a look back; see `archive-gather.ts`. */
export interface ArchiveRequest {
  readonly kind: "archive-request";
  readonly request: RequestId;
  readonly ring: RingDigest;
  readonly partition: Partition;
  readonly store: ArchiveStore;
  /** Only keys that begin so. */
  readonly prefix: string;
  /** Of the history: only what may have been the state at this wall-clock time. */
  readonly moment: Millis;
  /** The storage address after which to go on; empty at the start. */
  readonly after: string;
  /** The last address that is wanted; undefined: to the end of the partition. */
  readonly through: string | undefined;
  readonly bytesMax: number;
  /** What the asker has already: records with these digests need not be sent. */
  readonly known: readonly { readonly key: Key; readonly digest: Digest }[];
}
export interface ArchivePage {
  readonly kind: "archive-page";
  readonly request: RequestId;
  readonly ring: RingDigest;
  /** "refused": the sender does not answer for the partition, or could not read it. */
  readonly outcome: "page" | "refused";
  /** Who counts for the partition, where the sender sees another ring than the request; else empty. */
  readonly counted: readonly NodeId[];
  readonly records: readonly { readonly key: Key; readonly set: DvvSet }[];
  /** Records in the range of this page that are damaged there. */
  readonly damaged: number;
  readonly next: string | undefined;
  /** Of the history: the earliest wall-clock time from which on nothing is missing in it. */
  readonly coveredFrom: Millis;
}

/** "What have you counted since you started?" Nothing rests on the answer. */
export interface StatisticsRequest {
  readonly kind: "statistics-request";
  readonly request: RequestId;
}
export interface StatisticsReply {
  readonly kind: "statistics-reply";
  readonly request: RequestId;
  readonly statistics: StatisticsSnapshot;
}

export type Message =
  | Ping
  | Pong
  | Probe
  | ProbeReply
  | GossipDigest
  | GossipVersions
  | GossipNews
  | LoadNews
  | LightHello
  | ViewRequest
  | ViewReply
  | ReplicaPut
  | ReplicaPutReply
  | ReplicaGet
  | ReplicaGetReply
  | CoordinateGet
  | CoordinatePut
  | CoordinateReply
  | TransferRequest
  | TransferPage
  | ReleaseRequest
  | ReleaseReply
  | KnownRequest
  | KnownReply
  | TreeRequest
  | TreeReply
  | LeafRequest
  | LeafReply
  | FetchRequest
  | FetchReply
  | SizesRequest
  | SizesReply
  | RecentRequest
  | RecentReply
  | ReapWatchRequest
  | ReapWatchReply
  | ReapProofRequest
  | ReapProofReply
  | ReapDrop
  | ArchiveRequest
  | ArchivePage
  | StatisticsRequest
  | StatisticsReply;

/** What a caller writes. */
export interface ClientWrite {
  /** null deletes. */
  readonly value: Uint8Array | null;
  /** The clock of the read that this write answers; empty for a blind write. */
  readonly context: Clock;
  readonly operation: OperationId;
  /** Wall-clock time at the caller's node. */
  readonly at: Millis;
  /** Durable acknowledgements to wait for; undefined for the default of the bucket, or of the cluster. */
  readonly w: number | undefined;
  /** How many of them from owners that hold the partition; 0 for none, undefined for the default. */
  readonly pw?: number | undefined;
  /** How many of them of strict commits, which survive a power failure; 0 for none, undefined for the default. */
  readonly dw?: number | undefined;
  /**
   * "last-write-wins": replaces whatever the coordinator knows, unless that is newer by wall clock (P 6, session store). Undefined: as the key's
   * bucket says, by what the coordinator has heard of it.
   */
  readonly policy?: "siblings" | "last-write-wins" | undefined;
}

/** How a request went, for status lines, lessons and error texts. Node lists are in the order of the preference list. */
export interface RequestReport {
  readonly coordinator: NodeId;
  /** Replies that were waited for, after capping by the nodes that count. */
  readonly needed: number;
  /** How many nodes counted for this key. */
  readonly counted: number;
  /** Of the answers, how many had to come from owners that hold the partition (pr or pw); 0 when that was not asked for. */
  readonly ownersNeeded: number;
  /** How many did. */
  readonly ownersAnswered: number;
  /** Of the acknowledgements of a put, how many had to be of strict commits (dw). */
  readonly strictNeeded: number;
  /** How many were when the caller was answered; and how many came from memory alone, and may be gone after a crash of that tab. */
  readonly strictAnswered: number;
  readonly inMemory: number;
  /** Who had answered when the caller was answered, the coordinator included. */
  readonly answered: readonly NodeId[];
  /** Those asked that had not. */
  readonly silent: readonly NodeId[];
  /** Owners for whom somebody else keeps a hint. */
  readonly hintedFor: readonly NodeId[];
  /** From the coordinator's start to its answer. */
  readonly elapsedMs: Millis;
}

export type ClientResult =
  | { readonly outcome: "got"; readonly set: DvvSet; readonly first: NodeId; readonly report: RequestReport }
  /** `clock`: what the caller may overwrite now: its own write, if it stands alone; else only what it had read before. */
  | { readonly outcome: "put"; readonly clock: Clock; readonly siblings: number; readonly report: RequestReport }
  | { readonly outcome: "failed"; readonly failure: RequestFailure; readonly report: RequestReport | undefined };

export type RequestFailure =
  | { readonly code: "quorum" }
  | { readonly code: "too-many-siblings"; readonly siblings: number }
  | { readonly code: "not-ready" }
  | { readonly code: "overloaded" }
  | { readonly code: "storage" };
