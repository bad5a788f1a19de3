/**
 * What a driver needs of the world: links to peers, a disk, a clock. Each method states its guarantee; `transport-contract.ts` and
 * `storage-contract.ts` hold every adapter to them.
 */

import type { Lane } from "../core/effect.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { ProtocolRange } from "../core/versions.ts";

/** Largest message: a record with many siblings of the largest value may not fit and is refused by name. */
export { MESSAGE_BYTES_MAX } from "../wire/frame.ts";

export type StoreName = "records" | "hints" | "meta" | "leaves" | "history";

export interface StorageWrite {
  readonly store: StoreName;
  /** 1 to 2,048 UTF-16 units. */
  readonly key: string;
  /** null removes; removing what is not there is no error. */
  readonly value: Uint8Array | null;
}

/** relaxed: survives the tab and the browser. strict: survives the machine too, flushed to the disk. */
export type Durability = "relaxed" | "strict";

/** Ordered byte storage of one node. Keys sort by UTF-16 code units. */
export interface Storage {
  /** Must resolve before anything else. Rejects with a `StorageError` that says what to do, and never hangs on another tab. */
  open(): Promise<void>;
  /** One value for each read, in order; undefined for what is not there. A read sees all commits that were resolved before it was called. */
  read(reads: readonly { readonly store: StoreName; readonly key: string }[]): Promise<(Uint8Array | undefined)[]>;
  /**
   * Applies all writes, in order, or none; resolves only when they are durable as asked (a transaction's `complete`, never a request's
   * `success`). Commits take effect in the order of the calls. Rejects with a `StorageError`; then it is unknown whether they were applied.
   */
  commit(writes: readonly StorageWrite[], durability: Durability): Promise<void>;
  /** Entries with `after` < key < `before` in order, at least one if there is one, until `countMax` or `bytesMax` is met; `done` when none is left. */
  scan(
    store: StoreName,
    range: { readonly after: string; readonly before: string; readonly countMax: number; readonly bytesMax: number },
  ): Promise<{ readonly entries: readonly (readonly [string, Uint8Array])[]; readonly done: boolean }>;
  /** Idempotent. What was committed stays. */
  close(): Promise<void>;
}

export interface TransportHandlers {
  /** A link is up and both ends have proved that they know the cluster's secret. Exactly one `lost` follows each `connected`. */
  connected(peer: NodeId, link: LinkInfo): void;
  lost(peer: NodeId, reason: string): void;
  /** One whole message, as it was given to `send`. Never before `connected` nor after `lost`; in order within a lane. */
  received(peer: NodeId, bytes: Uint8Array): void;
  /** A refusal that somebody should see: wrong secret, wrong version, malformed frames. Nothing crashes and nothing was stored. */
  refused(error: Error, peer: NodeId | undefined): void;
}

export interface LinkInfo {
  /** webrtc: direct. websocket: to the seed. relayed: through the seed, sealed end to end. memory: in one process. */
  readonly kind: "webrtc" | "websocket" | "relayed" | "memory";
  /** Versions of the protocol that the other side reads, as its greeting said. */
  readonly protocol: ProtocolRange;
}

/** Links to peers. What is sent arrives whole and in order within its lane, or the link is lost. */
export interface Transport {
  open(handlers: TransportHandlers): Promise<void>;
  /** Makes a link if there is none and none is being made; the outcome comes through the handlers, or not at all. */
  connect(peer: NodeId): void;
  /** Drops the link; `lost` follows if it was up. Nothing that was on its way through it is delivered afterwards. */
  disconnect(peer: NodeId): void;
  /** Queues one message of at most `MESSAGE_BYTES_MAX`; dropped silently when there is no link. Goes out with the turn. */
  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void;
  /** Idempotent; peers see `lost` soon. */
  close(): Promise<void>;
}

/** The host's clock. */
export interface Clock {
  /** Milliseconds, monotonic, any origin (`performance.now()`). */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls back once, not before `delayMs`. The returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}
