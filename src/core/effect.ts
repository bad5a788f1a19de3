/** What leaves a node. The host performs effects in their order; each storage effect is answered by one event with its ticket. */

import type { DvvSet } from "./dvvset.ts";
import type { Actor, Epoch, Key, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import type { View } from "./membership.ts";
import type { Digest, Leaf } from "./merkle-forest.ts";
import type { ClientResult, Message, PutPurpose } from "./message.ts";
import type { StatisticsSnapshot } from "./statistics.ts";

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

export type RecordStore = "records" | "hints";

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
}

export type Effect =
  | {
      readonly kind: "send";
      readonly to: NodeId;
      readonly epoch: Epoch;
      readonly lane: Lane;
      readonly message: Message;
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
  | { readonly what: "peer-up"; readonly peer: NodeId }
  | { readonly what: "peer-suspect"; readonly peer: NodeId }
  | { readonly what: "peer-gray"; readonly peer: NodeId }
  | { readonly what: "peer-down"; readonly peer: NodeId }
  | { readonly what: "late-dropped"; readonly from: NodeId; readonly message: Message["kind"] }
  | { readonly what: "peer-limited"; readonly peer: NodeId; readonly message: Message["kind"] }
  | { readonly what: "clock-jump"; readonly gapMs: number }
  | { readonly what: "rings-differ"; readonly peer: NodeId }
  /** A member of a cluster with other parameters. Nothing of it was taken in. */
  | { readonly what: "parameters-differ"; readonly peer: NodeId; readonly difference: string }
  | { readonly what: "partition-held"; readonly partition: number }
  | { readonly what: "partition-opened"; readonly partition: number }
  | { readonly what: "partition-dropped"; readonly partition: number }
  | { readonly what: "storage-failed"; readonly reason: string }
  | { readonly what: "damaged"; readonly key: Key }
  | /** Merkle trees differed, and these many records were not the same. */ {
      readonly what: "exchanged";
      readonly peer: NodeId;
      readonly records: number;
    }
  | /** The sum of a leaf was not that of its records on disk. */ {
      readonly what: "leaf-corrected";
      readonly leaf: Leaf;
    };

/** starting: looks through its hints. waiting: has met no member yet. member: answers. */
export type NodePhase = "starting" | "waiting" | "joining" | "member";
