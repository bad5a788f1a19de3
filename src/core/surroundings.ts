/**
 * What every mechanism of a node has in common: who it is, what time it is, where effects go, and what finished. Mechanisms do not know each
 * other; they leave effects and completions here, and `node.ts` carries each completion to the mechanism that its origin names.
 */

import type { Prng } from "../base/prng.ts";
import type { Config } from "./config.ts";
import type { Dot, DvvSet } from "./dvvset.ts";
import type { Effect, Lane, Note, Write } from "./effect.ts";
import type { Durability, Epoch, Key, Millis, NodeId, RequestId, RingDigest, Ticket } from "./identifiers.ts";
import type { Message } from "./message.ts";
import type { PreferenceList, Ring } from "./ring.ts";
import type { TimerTable } from "./timers.ts";

/** Who asked the replica for something, so that its completion finds the way back. */
export type Origin =
  | { readonly kind: "put"; readonly request: RequestId }
  | { readonly kind: "get"; readonly request: RequestId }
  | /** A `replica-put` or `replica-get` of a peer, which gives up at `until`, or when the link on which it asked is gone. */ {
      readonly kind: "peer";
      readonly from: NodeId;
      readonly epoch: Epoch;
      readonly request: RequestId;
      readonly until: Millis;
      /** By which ring it asked. */
      readonly ring: RingDigest;
      /** What it sent as a copy is kept as hints for others: how many of them are not durable yet. */
      readonly hints: { left: number } | undefined;
    }
  | { readonly kind: "handoff"; readonly target: NodeId; readonly key: Key }
  | { readonly kind: "transfer"; readonly request: RequestId }
  | /** A record that a peer fetches. */ { readonly kind: "fetch"; readonly ticket: Ticket; readonly key: Key }
  | /** A record that this node exchanges with a peer. */ {
      readonly kind: "exchange";
      readonly session: number;
      readonly key: Key;
    }
  | /** It was acknowledged from memory, and its store failed. */ { readonly kind: "buffer" }
  | /** A record that a peer's log says has changed there. */ { readonly kind: "recent"; readonly key: Key }
  | /** What somebody asked to be watched; see `reap-watch.ts`. */ {
      readonly kind: "reap-watch";
      readonly watch: string;
      readonly key: Key;
    }
  | /** Nobody waits for it. */ { readonly kind: "nobody" };

/** "moved": the key's partition is this node's no more. */
export type Refusal = "storage" | "too-many-siblings" | "hints-full" | "moved";

/** What the replica has done. */
export type Completion =
  | {
      readonly kind: "read";
      readonly origin: Origin;
      readonly key: Key;
      readonly outcome: "found" | "missing" | "failed" | "moved";
      readonly set: DvvSet;
    } /** The dot is minted, the write to the local disk is under way. `dot` is undefined when the operation was here already. */
  | {
      readonly kind: "minted";
      readonly origin: Origin;
      readonly key: Key;
      readonly set: DvvSet;
      readonly dot: Dot | undefined;
    }
  | /** Durable here, as it says; "buffered" is in memory alone. */ {
      readonly kind: "stored";
      readonly origin: Origin;
      readonly key: Key;
      readonly durability: Durability;
    }
  | {
      readonly kind: "refused";
      readonly origin: Origin;
      readonly key: Key;
      readonly refusal: Refusal;
      readonly siblings: number;
    };

/** Work that nobody waits for, by the mechanism that does it. "pages" and "listings" are read for peers that do such work. */
export type BackgroundWork = "hints" | "transfer" | "exchange" | "hand-over" | "scrub" | "pages" | "listings";

export interface Surroundings {
  readonly self: NodeId;
  readonly config: Config;
  readonly random: Prng;
  readonly timers: TimerTable;
  /** The time of the event that is being worked on. */
  readonly now: Millis;
  /** Undefined until the cluster was met. */
  readonly ring: Ring | undefined;
  /** Whether this node thinks that it can reach the peer now. Always true for itself. */
  reachable(node: NodeId): boolean;
  /** Whether the peer answers pings and leaves requests unanswered: it is to be asked, but not waited for. See `slow-peers.ts`. */
  slow(node: NodeId): boolean;
  /** Whether the peer reads messages of this kind: as its greeting said or, where there is no link, as it gossips. To be asked before a question to it. */
  reads(node: NodeId, kind: Message["kind"]): boolean;
  /** The newest version of the protocol that all who belong read, and that this node may write; see `versions.ts`. */
  readonly protocol: number;
  /**
   * To be asked before each piece of background work. `slices`: its cost; 1 is a page, or a question that the peer answers by reading one. When it says no the
   * mechanism leaves the piece until its `onSlice` is called, which comes for sure. See `admission.ts`.
   */
  mayWork(work: BackgroundWork, slices?: number): boolean;
  /** Whether records of the key may change here: this node owns it or counts for it, and is not about to let go of it. */
  mayStore(key: Key): boolean;
  /** Whether what this node has of the key counts for a reader: it counts, is open and not closing. */
  mayAnswer(key: Key): boolean;
  /** The key's preference list; undefined without a ring. */
  listOf(key: Key): PreferenceList | undefined;
  nextRequest(): RequestId;
  nextTicket(): Ticket;
  /** By which epoch the peer wants to be addressed now; 0 when there is no link to it. */
  epochOf(peer: NodeId): Epoch;
  /**
   * Sends to a peer that is linked and has greeted; otherwise drops it and returns false. `asked`, for an answer: the peer's epoch when it asked. One
   * that has another by now may have started anew and counts its requests anew: it would take the answer for one to another question.
   */
  send(to: NodeId, message: Message, lane: Lane, asked?: Epoch): boolean;
  emit(effect: Effect): void;
  store(ticket: Ticket, writes: readonly Write[], durability: "relaxed" | "strict"): void;
  complete(completion: Completion): void;
  note(note: Note): void;
}
