/** What leaves a node. The host performs effects in their order; each storage effect is answered by one event with its ticket. */

import type { Clock, DvvSet } from "./dvvset.ts";
import type { Gathered } from "./gathering.ts";
import type { Actor, Epoch, Key, Millis, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import type { ChangeRefusal } from "./membership-change.ts";
import type { View } from "./membership.ts";
import type { Digest, Leaf } from "./merkle-forest.ts";
import type { ClientResult, Message, PartitionSize, PutPurpose } from "./message.ts";
import type { StatisticsSnapshot } from "./statistics.ts";
import type { LogPosition } from "./write-log.ts";

/** Foreground: somebody waits for it. Background: repair, hints, transfers; may be held back. */
export type Lane = "foreground" | "background";

/** A record as it lies on disk. */
export interface StoredRecord {
  readonly set: DvvSet;
  /** The actor under which this node last minted a dot in this record, and the start of the node in which it did; see `replica.ts`. */
  readonly minted: { readonly actor: Actor; readonly start: string } | undefined;
}

/**
 * What a read of the disk found. "failed": the disk did not answer; the record may be sound. "damaged": it answered with something whose checksum
 * is wrong; this copy is gone, others have it. Neither is ever "not there".
 */
export type ReadRecord = StoredRecord | "failed" | "damaged";

/** "history": records that were replaced, where a bucket keeps them; see `history-ledger.ts`. */
export type RecordStore = "records" | "hints" | "history";

export interface RecordRead {
  readonly store: RecordStore;
  /** See `address.ts`: ordered by ring position, so that a partition is one range. */
  readonly address: string;
}

export type Write =
  | /** null removes. */ { readonly store: RecordStore; readonly address: string; readonly record: StoredRecord | null }
  | /** Replaces what the node must know at its next start. */ { readonly store: "meta"; readonly meta: NodeMeta }
  | /** Changes the sum of a leaf: adds to it, modulo 2^52, or sets it; see `merkle-forest.ts`. A leaf that was never written is 0. */ {
      readonly store: "leaves";
      readonly leaf: Leaf;
      readonly change: "add" | "set";
      readonly digest: Digest;
    };

/** What a node keeps of itself between starts. The host reads it before it makes the node. */
export interface NodeMeta {
  readonly incarnation: number;
  /** Undefined until the cluster was met or founded. */
  readonly view: View | undefined;
  /** Partitions that it holds and does not answer for yet; see `opening.ts`. Ascending. */
  readonly unopened: readonly Partition[];
  /** True while there may be writes that were acknowledged from memory: what starts from this may have lost some. */
  readonly buffering?: boolean | undefined;
  /** How far it has caught up with the logs of others; see `recent-writes.ts`. Ascending by peer, never empty. */
  readonly caughtUp?: readonly CaughtUp[];
}

/** Of these partitions this node has durably what was durable at the peer when its log was here. */
export interface CaughtUp {
  readonly peer: NodeId;
  readonly log: string;
  /** Ascending, no two alike, and the partitions to which each applies, ascending; no partition twice. */
  readonly since: readonly { readonly position: LogPosition; readonly partitions: readonly Partition[] }[];
}

export type Effect =
  | {
      readonly kind: "send";
      readonly to: NodeId;
      readonly epoch: Epoch;
      readonly lane: Lane;
      readonly message: Message;
      /** The newest version of the protocol that the peer reads, where that is older than this build's. */
      readonly protocol?: number;
    }
  | /** A link to this member is wanted; answered by `peer-connected`, or not at all. Idempotent. */ {
      readonly kind: "connect";
      readonly peer: NodeId;
    }
  | /** The link to this peer is dead or useless: drop it. */ { readonly kind: "disconnect"; readonly peer: NodeId }
  | { readonly kind: "load"; readonly ticket: Ticket; readonly reads: readonly RecordRead[] }
  | /** All or nothing, in the order of the effects. */ {
      readonly kind: "store";
      readonly ticket: Ticket;
      readonly writes: readonly Write[];
      /** strict: flushed, and everything before it with it. */
      readonly durability: "relaxed" | "strict";
    } /** Entries behind `after`, up to but without `before`, in order; at least one if there is one, then until a bound is met. Sees every store that was emitted before it. */
  | {
      readonly kind: "scan";
      readonly ticket: Ticket;
      readonly store: RecordStore;
      readonly after: string;
      readonly before: string;
      readonly countMax: number;
      readonly bytesMax: number;
    }
  | /** All sums of leaves that are not 0, as durable now; answered by `leaves-loaded` or `storage-failed`. */ {
      readonly kind: "load-leaves";
      readonly ticket: Ticket;
    }
  | /** Answers `client-get` or `client-put`; exactly one for each, unless abandoned. */ {
      readonly kind: "reply";
      readonly request: RequestId;
      readonly result: ClientResult;
    }
  | /** Answers `client-sizes`: what was told in time. */ {
      readonly kind: "report-sizes";
      readonly request: RequestId;
      readonly sizes: readonly PartitionSize[];
    }
  | /** Answers `change-membership`, unless the node ends before: what speaks against it; undefined when it is durable here, and about to be told. */ {
      readonly kind: "report-change";
      readonly request: RequestId;
      readonly refusal: ChangeRefusal | undefined;
    }
  | /** This node belongs to the cluster no more, and everything that it had is with others: what is on its disk may be thrown away. */ {
      readonly kind: "departed";
      readonly standing: "left" | "removed";
      readonly by: NodeId;
    }
  | /** Answers `client-gather` and each `client-gather-more`, unless abandoned; the last one is "done" or "failed". */ {
      readonly kind: "gathered";
      readonly request: RequestId;
      readonly what: Gathered;
    }
  | /** Answers `set-bucket`: with what speaks against it, or when it is durable here. Unless the node ends before, exactly one for each. */ {
      readonly kind: "bucket-set";
      readonly request: RequestId;
      readonly refusal: BucketRefusal | undefined;
    }
  | /** Answers `client-statistics`; exactly one for each, unless abandoned. Both lists by node. */ {
      readonly kind: "report-statistics";
      readonly request: RequestId;
      /** Those that answered, this node included. */
      readonly members: readonly { readonly node: NodeId; readonly statistics: StatisticsSnapshot }[];
      readonly silent: readonly NodeId[];
    }
  | /** Something worth telling; changes nothing. */ { readonly kind: "note"; readonly note: Note };

/** Why a bucket was not set. Nothing was changed. */
export type BucketRefusal =
  | { readonly code: "not-ready" }
  | { readonly code: "overloaded" }
  | /** In words. */ { readonly code: "invalid"; readonly fault: string };

/** The trace: what the lab draws, transcripts print and `sometimes` points count. */
export type Note =
  | { readonly what: "phase"; readonly phase: NodePhase }
  | { readonly what: "view"; readonly members: number }
  | /** An operator's change was made here. */ {
      readonly what: "membership-changed";
      readonly change: "leave" | "remove";
      readonly node: NodeId;
    }
  | /** A member was not reached for so long that it is removed. */ {
      readonly what: "grace-over";
      readonly node: NodeId;
      readonly silentMs: Millis;
    }
  | { readonly what: "hint-entrusted"; readonly key: Key; readonly target: NodeId; readonly to: NodeId }
  | {
      readonly what: "minted";
      readonly key: Key;
      readonly actor: Actor;
      readonly counter: number;
      readonly fresh: boolean;
    }
  | {
      readonly what: "merged";
      readonly key: Key;
      readonly purpose: PutPurpose;
      readonly siblings: number;
      readonly changed: boolean;
    }
  | { readonly what: "read-repair"; readonly key: Key; readonly to: NodeId }
  | { readonly what: "hint-kept"; readonly key: Key; readonly target: NodeId }
  | { readonly what: "hint-delivered"; readonly key: Key; readonly target: NodeId }
  | { readonly what: "hint-refused"; readonly key: Key; readonly target: NodeId }
  | { readonly what: "forwarded"; readonly key: Key; readonly to: NodeId }
  | /** The node that answered the preceding read first coordinates the write (paper, section 5), where another one would have. */ {
      readonly what: "coordinator-preferred";
      readonly key: Key;
      readonly node: NodeId;
    }
  | /** Asked by a peer for a key that is not this node's, or not any more: it goes on to one who owns it. */ {
      readonly what: "handed-on";
      readonly key: Key;
      readonly from: NodeId;
    }
  | /** Asked beside one who is slower than usual. */ {
      readonly what: "hedged";
      readonly key: Key;
      readonly to: NodeId;
    }
  | /** Too few owners that hold the partition can be reached for pr or pw. */ {
      readonly what: "owners-unreachable";
      readonly key: Key;
    }
  | /** This node sees an entry of a bucket that it did not see before. */ {
      readonly what: "bucket";
      readonly bucket: string;
      readonly version: number;
      readonly setBy: NodeId;
    }
  | { readonly what: "stand-in"; readonly key: Key }
  | /** A write for the buffer waits for the disk instead: the buffer is full. */ {
      readonly what: "buffer-full";
      readonly key: Key;
    }
  | /** Writes that were acknowledged from memory may be gone from this node: it crashed (no key), or its disk refused one of this key. */ {
      readonly what: "buffer-lost";
      readonly key: Key | undefined;
    }
  | { readonly what: "many-siblings"; readonly key: Key; readonly siblings: number }
  | { readonly what: "long-clock"; readonly key: Key; readonly entries: number }
  /** How much of the full speed background work has while callers are served, 0 to 1, and why it changed. */
  | { readonly what: "admission"; readonly share: number; readonly why: AdmissionReason }
  | { readonly what: "peer-up"; readonly peer: NodeId }
  | { readonly what: "peer-suspect"; readonly peer: NodeId }
  | /** How busy this node is by its own word, and whom it sees answer late; see `load.ts`. */ {
      readonly what: "load";
      readonly level: number;
      readonly slow: readonly NodeId[];
    }
  | /** By an operator's plan, so many tokens have changed owners for the sake of load. */ {
      readonly what: "tokens-swapped";
      readonly tokens: number;
    }
  | { readonly what: "peer-gray"; readonly peer: NodeId }
  | { readonly what: "peer-down"; readonly peer: NodeId }
  /** Answers pings, and leaves requests unanswered; or answers them again. */
  | { readonly what: "peer-slow"; readonly peer: NodeId }
  | { readonly what: "peer-prompt"; readonly peer: NodeId }
  | { readonly what: "late-dropped"; readonly from: NodeId; readonly message: Message["kind"] }
  | { readonly what: "peer-limited"; readonly peer: NodeId; readonly message: Message["kind"] }
  | { readonly what: "clock-jump"; readonly gapMs: number }
  | { readonly what: "rings-differ"; readonly peer: NodeId }
  | /** The peer has said that it is a light client. */ { readonly what: "light-client"; readonly peer: NodeId }
  | /** A light client only: a member answered by another view. */ {
      readonly what: "view-stale";
      readonly peer: NodeId;
    }
  | /** A light client only: a member has confirmed its view, or brought news of it. */ {
      readonly what: "view-refreshed";
      readonly peer: NodeId;
      readonly news: boolean;
    }
    /** The newest version of the protocol that all members read, and this node may write, is another than before. */
  | { readonly what: "protocol-shared"; readonly version: number }
  /** The peer runs an older build, and something is done without what it does not read: trees compared without the log of recent writes, say. */
  | { readonly what: "older-peer"; readonly peer: NodeId; readonly message: Message["kind"] }
  /** Nothing was sent, because the peer does not read such messages: whoever wanted to send should have looked. */
  | { readonly what: "not-read"; readonly by: NodeId; readonly message: Message["kind"] }
  /** A member of a cluster with other parameters. Nothing of it was taken in. */
  | { readonly what: "parameters-differ"; readonly peer: NodeId; readonly difference: string }
  | { readonly what: "partition-held"; readonly partition: number }
  | { readonly what: "partition-opened"; readonly partition: number }
  | { readonly what: "partition-dropped"; readonly partition: number }
  /** New epochs are asked for on all links; the present ones are over when the peers use them. */
  | { readonly what: "epochs-renewed" }
  /** A record that was nothing but tombstones goes, because nothing older of the key is left anywhere. */
  | { readonly what: "tombstone-reaped"; readonly key: Key; readonly clock: Clock }
  /** A round of reaping came to nothing, because of this member. */
  | {
      readonly what: "reap-blocked";
      readonly by: NodeId;
      readonly why: "unreachable" | "silent" | "not-quiet" | "older" | "unknown";
    }
  | { readonly what: "storage-failed"; readonly reason: string }
  | { readonly what: "damaged"; readonly key: Key }
  | /** An attempt at gathering what the cluster knows of a partition begins. */ {
      readonly what: "gather-began";
      readonly partition: number;
      readonly attempt: number;
    }
  | /** Merkle trees differed, and these many records were not the same. */ {
      readonly what: "exchanged";
      readonly peer: NodeId;
      readonly records: number;
    }
  | /** The peer's log of recent writes told so many keys, of which so many records were fetched; no tree was walked for them. */ {
      readonly what: "caught-up";
      readonly peer: NodeId;
      readonly keys: number;
      readonly records: number;
    }
  | /** The peer's log did not reach back far enough for so many partitions: their trees are compared. */ {
      readonly what: "log-gap";
      readonly peer: NodeId;
      readonly partitions: number;
    }
  | /** The sum of a leaf was not that of its records on disk. */ {
      readonly what: "leaf-corrected";
      readonly leaf: Leaf;
    };

/**
 * What decided the share of background work last. requests, disk, queue: 99 of 100 took longer than the target; queue: timers came late, so that whatever
 * comes to this node waits. failures: the disk failed. steady: none of these. idle: no callers, so that there is nobody to give way to.
 */
export type AdmissionReason = "requests" | "disk" | "queue" | "failures" | "steady" | "idle";

/**
 * starting: looks through its hints. waiting: has met no member yet. member: answers. leaving: gives what it has to others. gone: belongs to the cluster no
 * more. light: a light client that knows the members.
 */
export type NodePhase = "starting" | "waiting" | "joining" | "member" | "leaving" | "gone" | "light";
