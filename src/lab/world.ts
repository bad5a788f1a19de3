/**
 * What every view of the lab draws from: nodes, messages on their way, and a trace of all that happened, in one of two worlds. In the simulated world time is
 * virtual and everything is known exactly; in the world of tabs the nodes are real ones and some acts are beyond anybody's reach, so `abilities` says what can
 * be done. Plain data only: a view may keep what it got and compare.
 *
 * Moments are milliseconds since the world began. Nodes have ids; acts name them by their short names, which are the same in every replay.
 *
 * Limits: at least TRACE_RECORDS_MAX records, a tenth more at most, and FLIGHTS_ENDED_MAX ended flights are kept, the latest; a record's number and a flight's id stay what they are.
 */

import type { Clock, DvvSet } from "../core/dvvset.ts";
import type { StoredRecord } from "../core/effect.ts";
import { TabringError } from "../core/errors.ts";
import type { Epoch, Key, Millis, NodeId, OperationId, Partition, RequestId } from "../core/identifiers.ts";
import type { Plan, PlannedChange } from "../core/membership-plan.ts";
import type { Digest, Leaf } from "../core/merkle-forest.ts";
import type { Message, RequestReport } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import type { PreferenceList } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { LabAct } from "./acts.ts";
import type { CausalClock } from "./causal-clock.ts";

export const TRACE_RECORDS_MAX = 50_000;
export const FLIGHTS_ENDED_MAX = 2_000;
export const LABEL_LENGTH_MAX = 160;

export interface LabWorld {
  readonly kind: "simulated" | "tabs";
  readonly now: Millis;
  readonly abilities: ReadonlySet<LabAct["do"]>;
  /** All there ever were, in the order in which they came. */
  readonly nodes: readonly LabNode[];
  readonly cuts: readonly { readonly from: NodeId; readonly to: NodeId }[];
  /** Whether the server is down, or the tabs behave as if it were; undefined where there is none. */
  readonly serverDown: boolean | undefined;
  /** Those that ended lately, in the order in which they did, then those under way. */
  readonly flights: readonly Flight[];
  /** Those that have not ended: what is drawn at each frame. */
  readonly flightsUnderWay: readonly Flight[];
  /** The latest, by number; the first is not number 1 when earlier ones were let go. */
  readonly trace: readonly TraceRecord[];
  /** What a running node believes, owes and is busy with; undefined when it does not run. */
  viewOf(node: NodeId): NodeView | undefined;
  /** What it has counted since it started. */
  statisticsOf(node: NodeId): StatisticsSnapshot | undefined;
  /** What is on its disk of a key. */
  recordsOf(node: NodeId, key: Key): RecordsOfKey;
  /** Keys on its disk, where the world can know; hints are none of them. */
  storedAt?(node: NodeId): readonly StoredKey[];
  /** The load that runs now. */
  readonly load?: LoadStatus | undefined;
  /** As this node sees the ring; undefined when it does not run, or has met nobody. */
  preferenceListAt(node: NodeId, key: Key): PreferenceList | undefined;
  /** The same for each partition, in their order; empty when it sees no ring. */
  listsAt(node: NodeId): readonly PreferenceList[];
  /** What a membership change would move, as this node sees the ring; undefined when it sees none. */
  planAt(node: NodeId, change: PlannedChange): Plan | undefined;
  /** What its disk has of a partition; undefined when nobody can look. */
  treeOf(node: NodeId, partition: Partition): PartitionTree | undefined;
  /** What a flight carries; undefined when that is not known, or not any more. */
  letterOf(flight: number): Letter | undefined;
  /** Does it now; what comes of it is in the trace. Throws `LabError`, and then nothing was done. */
  act(act: LabAct): void;
}

/** frozen: gets no time. down: ended, disk intact. wiped: ended, with its disk. gone: left or was removed, and threw its data away. */
export type NodeState = "running" | "frozen" | "down" | "wiped" | "gone";

export interface LabNode {
  readonly id: NodeId;
  readonly name: string;
  readonly state: NodeState;
  readonly zone: string;
  readonly capacity: number;
  /** Its tab is in the background. */
  readonly hidden: boolean;
  /** By how much its wall clock is wrong. */
  readonly clockSkewMs: Millis;
  readonly isLight: boolean;
  /** A member without data: it introduces nodes to each other. */
  readonly isServer: boolean;
  readonly diskFull: boolean;
  /** How many times longer its disk, and messages to and from it, take; 1 as usual. */
  readonly diskSlowness: number;
  readonly networkSlowness: number;
  /** So much longer messages to and from it take. */
  readonly addedLatencyMs: Millis;
  /** By how much its answers to requests of its replica are late; Infinity: they never come. */
  readonly grayMs: Millis;
}

export interface RecordsOfKey {
  readonly record: DvvSet | undefined;
  /** The checksum of its record is wrong. */
  readonly damaged: boolean;
  readonly hints: readonly { readonly target: NodeId; readonly set: DvvSet }[];
  /** What else stands in its record: the latest dot that this node itself minted. */
  readonly minted?: StoredRecord["minted"] | undefined;
}

/** A message as it is handed to the network: with what is needed to write its bytes. */
export interface Letter {
  readonly message: Message;
  /** The addressee's. */
  readonly epoch: Epoch;
  /** The newest version of the protocol that the addressee reads, where that is older than ours. */
  readonly protocol: number | undefined;
}

/** Of one partition: the sums of the leaves of its Merkle tree as the disk keeps them, and its records. */
export interface PartitionTree {
  readonly partition: Partition;
  /** Of the whole ring. */
  readonly partitions: number;
  /** Those that are not 0, in order. */
  readonly leaves: readonly { readonly leaf: Leaf; readonly digest: Digest }[];
  /** In the order of the disk. `set` is undefined where the record is damaged. */
  readonly records: readonly { readonly key: Key; readonly set: DvvSet | undefined }[];
}

export interface StoredKey {
  readonly key: Key;
  /** Of the key and its values, as a preview of a membership change counts them. */
  readonly bytes: number;
}

export interface LoadStatus {
  readonly act: Extract<LabAct, { do: "load" }>;
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
}

/** What records of requests of a load begin with. */
export const LOAD_LABEL = "load: ";

/** held: kept back behind a cut, or at a frozen node. late: it arrived, later than it should have. unseen: nobody tells what became of it. */
export type Fate = "under-way" | "held" | "arrived" | "late" | "lost" | "dropped" | "unseen";

export interface Flight {
  readonly id: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly kind: Message["kind"];
  readonly key: Key | undefined;
  readonly label: string;
  readonly sentAt: Millis;
  /** Undefined where nobody can know. */
  readonly arrivesAt: Millis | undefined;
  readonly fate: Fate;
  readonly endedAt: Millis | undefined;
  /** Why it was lost, in a word. */
  readonly lostBy: string | undefined;
  /** What it doubles. */
  readonly copyOf: number | undefined;
  /** The caller's request that it serves. */
  readonly request: RequestId | undefined;
  readonly role: Role | undefined;
  /** The number of the record of its sending; 0 when that was before the trace began. */
  readonly sentRecord: number;
}

/** Why a node is asked for something in the course of a request. hint: in place of an owner, for whom it keeps the write. handoff: such a hint
 * comes to its owner. reply: an answer. */
export type Role = "coordinator" | "counted" | "joining" | "fallback" | "hint" | "repair" | "handoff" | "reply";

/** One thing that happened at one node, or, when there is no node, to the world. */
export interface TraceRecord {
  /** From 1, without gaps. */
  readonly number: number;
  readonly at: Millis;
  readonly node: NodeId | undefined;
  /** One line for people. */
  readonly label: string;
  /** What was known here then: of each node, how many of its records; by the order of `nodes`. Empty for the world's. */
  readonly clock: CausalClock;
  readonly key: Key | undefined;
  /** The caller's request in whose course it happened. */
  readonly request: RequestId | undefined;
  readonly event: TraceEvent;
}

interface MessageTold {
  readonly kind: Message["kind"];
  readonly peer: NodeId;
  readonly flight: number;
  readonly role: Role | undefined;
  /** Whom the receiver is to keep a hint for. */
  readonly hintFor: NodeId | undefined;
  /** Pairs an answer with what it answers, between these two nodes. */
  readonly exchange: RequestId | undefined;
  /** Of an answer: "stored", "found", ... */
  readonly outcome: string | undefined;
}

export type TraceEvent =
  | (MessageTold & { readonly what: "sent" })
  | (MessageTold & {
      readonly what: "received";
      /** The number of the record of its sending; 0 when that was before the trace began. */
      readonly sentRecord: number;
    })
  | /** On its way, so that neither end knows: the record is the world's. */ {
      readonly what: "lost";
      readonly kind: Message["kind"];
      readonly from: NodeId;
      readonly peer: NodeId;
      readonly flight: number;
      readonly why: string;
    }
  | { readonly what: "note"; readonly note: string; readonly peer: NodeId | undefined }
  | {
      readonly what: "asked";
      readonly operation: "get" | "put";
      readonly write:
        | {
            readonly value: string | undefined;
            readonly context: Clock;
            readonly operation: OperationId;
          }
        | undefined;
    }
  | {
      readonly what: "answered";
      /** ok, none when the node ended first, or the code of the failure. */
      readonly outcome: string;
      /** Of a get: what it found; `undefined` is a tombstone. */
      readonly values: readonly (string | undefined)[];
      readonly report: RequestReport | undefined;
    }
  | /** A record or a hint on its disk is now this one; undefined: none. */ {
      readonly what: "stored";
      readonly store: "records" | "hints";
      readonly target: NodeId | undefined;
      readonly set: DvvSet | undefined;
    }
  | /** A fault or an act. */ { readonly what: "world" };

/**
 * Why something cannot be done here. unknown-node, unknown-flight: there is none. not-able: this world cannot do it. not-so: the node is in no state for it.
 * invalid: a number or a name is none that can be used. too-many: a limit is reached. bad-run: a text is no run, or one of a newer build.
 */
export type LabErrorCode =
  "unknown-node" | "unknown-flight" | "not-able" | "not-so" | "invalid" | "too-many" | "bad-run";

/** Nothing was done, and the world is what it was. */
export class LabError extends TabringError {
  override readonly name: string = "LabError";
  override readonly code: LabErrorCode;
  constructor(code: LabErrorCode, message: string) {
    super(code, message);
    this.code = code;
  }
}
