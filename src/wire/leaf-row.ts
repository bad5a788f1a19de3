/**
 * Changes of the sums of Merkle leaves as they lie on disk: `(leaf set digest)*`, guarded by a checksum like a record. One row for each
 * transaction that changed records, and, folded together from time to time, rows that set the sums of a stretch of leaves.
 */

import { HASH52_END } from "../base/hash52.ts";
import { type Digest, type Leaf, LEAVES_MAX } from "../core/merkle-forest.ts";
import {
  type Decoder,
  type Encoder,
  readBoolean,
  readCount,
  readUint,
  writeBoolean,
  writeCount,
  writeUint,
} from "./primitives.ts";
import { decodeGuarded, encodeGuarded } from "./record.ts";

export interface LeafChange {
  readonly leaf: Leaf;
  readonly change: "add" | "set";
  readonly digest: Digest;
}

const CHANGES_MAX = LEAVES_MAX;
const CHANGE_BYTES_MIN = 3;

/** `changes`, in their order, in a buffer of its own. */
export function encodeLeafRow(changes: readonly LeafChange[]): Uint8Array {
  return encodeGuarded(changes, writeChanges);
}

/** @throws MalformedMessageError with code "damaged", whatever is wrong. */
export function decodeLeafRow(bytes: Uint8Array): LeafChange[] {
  return decodeGuarded(bytes, "row of leaf sums", readChanges);
}

/** (leaf set digest)* */
function writeChanges(encoder: Encoder, changes: readonly LeafChange[]): void {
  writeCount(encoder, changes.length);
  for (const { leaf, change, digest } of changes) {
    writeUint(encoder, leaf);
    writeBoolean(encoder, change === "set");
    writeUint(encoder, digest);
  }
}
function readChanges(decoder: Decoder): LeafChange[] {
  const count = readCount(decoder, "changes of leaves", CHANGES_MAX, CHANGE_BYTES_MIN);
  const changes: LeafChange[] = [];
  for (let i = 0; i < count; i++) {
    const leaf = readUint(decoder, "a leaf", 0, LEAVES_MAX - 1);
    const set = readBoolean(decoder, "whether a sum is set");
    changes.push({ leaf, change: set ? "set" : "add", digest: readUint(decoder, "a digest", 0, HASH52_END - 1) });
  }
  return changes;
}
