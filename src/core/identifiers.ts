/** The words of the node: what names what. All are plain strings and numbers at run time; the brands keep them apart at compile time. */

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A node: the first 128 bits of the SHA-256 of its public key, 32 lower-case hexadecimal digits. */
export type NodeId = Branded<string, "NodeId">;
/** A key: 1 to {@link KEY_BYTES_MAX} bytes of UTF-8; what stands before the first `/` names its bucket. */
export type Key = Branded<string, "Key">;
/** A place on the ring: the MD5 of the key, 32 lower-case hexadecimal digits, read clockwise (paper, section 4.2). */
export type Position = Branded<string, "Position">;
/** One of the Q equal parts of the ring, 0 to Q-1: the top bits of a position (paper, section 6.2). */
export type Partition = number;
/** Who minted a dot: a node id and 64 random bits, 48 lower-case hexadecimal digits. See `replica.ts` for when a fresh one is due. */
export type Actor = Branded<string, "Actor">;
/** One caller's put, through all its forwards and retries: 128 random bits, 32 lower-case hexadecimal digits. */
export type OperationId = Branded<string, "OperationId">;
/** Pairs a reply with its request, within one start of the node that asked. */
export type RequestId = number;
/** Pairs a storage completion with its effect, within one start of the node. */
export type Ticket = number;
/** A moment or a span in milliseconds. Moments inside the node come from `event.at` and never go back. */
export type Millis = number;
/** Orders what two nodes say to each other: a receiver drops what was sent to an earlier epoch of its own. Grows over restarts. */
export type Epoch = number;
/** 32 bits that differ (but for chance) when two nodes see different members, holders, tokens or buckets. */
export type RingDigest = number;

export const KEY_BYTES_MAX = 1_024;
export const VALUE_BYTES_MAX = 1_048_576;
/** From here on a write warns of a key's siblings. */
export const SIBLINGS_WARN = 25;
/** Client writes that would go beyond are refused; repair never is. */
export const SIBLINGS_MAX = 100;
/** What a decoder accepts of one record: repair may join more siblings than a client may write. */
export const SIBLINGS_DECODED_MAX = 4_096;
/** From here on a write warns of a key's clock. */
export const CLOCK_ENTRIES_WARN = 64;
export const CLOCK_ENTRIES_MAX = 65_536;
/** Largest cluster that the membership and its decoders take. */
export const MEMBERS_MAX = 1_024;
/** Of these, so many may be gone: the latest to go. */
export const DEPARTED_MAX = 512;
export const PARTITIONS_MAX = 4_096;
/** Tokens of one node in placements 1 and 2. */
export const TOKENS_MAX = 1_024;

export function isNodeId(text: string): text is NodeId {
  return /^[0-9a-f]{32}$/.test(text);
}
export function isActor(text: string): text is Actor {
  return /^[0-9a-f]{48}$/.test(text);
}
export function isOperationId(text: string): text is OperationId {
  return /^[0-9a-f]{32}$/.test(text);
}

/**
 * How a write is kept. buffered: in the memory of the node, and on its disk a little later; a crash of the tab may take it. relaxed: on its disk, which
 * survives the tab and the browser, but not always a power failure. strict: flushed, which survives the machine.
 */
export type Durability = "buffered" | "relaxed" | "strict";
