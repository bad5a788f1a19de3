/**
 * The messages by which two holders compare their Merkle trees and exchange what differs, as bytes: a write and a read function each, its grammar
 * above; see codec.ts.
 */

import { assert } from "../base/assert.ts";
import { HASH52_END } from "../base/hash52.ts";
import { type Key, KEY_BYTES_MAX, PARTITIONS_MAX } from "../core/identifiers.ts";
import { DEPTH, FANOUT, LEAVES_MAX } from "../core/merkle-forest.ts";
import type { FetchReply, FetchRequest, LeafReply, LeafRequest, TreeReply, TreeRequest } from "../core/message.ts";
import {
  type Decoder,
  type Encoder,
  malformed,
  readChoice,
  readCount,
  readOptional,
  readText,
  readUint,
  writeChoice,
  writeCount,
  writeOptional,
  writeText,
  writeUint,
} from "./primitives.ts";
import { readDvvSet, readKey, readPartitions, writeDvvSet, writeKey, writePartitions } from "./values.ts";

/** Nodes in one question or answer. */
export const TREE_NODES_MAX = PARTITIONS_MAX;
/** Records in one answer about a leaf, and keys in one request for records. */
export const LISTED_RECORDS_MAX = 4_096;
/** A storage address: eight digits of the position and the key. */
const ADDRESS_BYTES_MAX = 8 + KEY_BYTES_MAX;
const NODE_BYTES_MIN = 2;
const DIFFERING_BYTES_MIN = 1 + FANOUT;
const LISTED_BYTES_MIN = 3;
const FETCHED_BYTES_MIN = 4;
const KEY_SPACE_MIN = 2;

const LISTED: readonly LeafReply["outcome"][] = ["listed", "refused"];

/** tree-request: request level (index digest)*, indexes ascending */
export function writeTreeRequest(encoder: Encoder, message: TreeRequest): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.level);
  writeCount(encoder, message.nodes.length);
  for (const { index, digest } of message.nodes) {
    writeUint(encoder, index);
    writeUint(encoder, digest);
  }
}
export function readTreeRequest(decoder: Decoder): TreeRequest {
  const request = readUint(decoder, "a request id");
  const level = readLevel(decoder);
  const count = readCount(decoder, "tree nodes", TREE_NODES_MAX, NODE_BYTES_MIN);
  const nodes: { index: number; digest: number }[] = [];
  for (let i = 0; i < count; i++) nodes.push({ index: readIndex(decoder, level), digest: readDigest(decoder) });
  demandIndexOrder(nodes);
  return { kind: "tree-request", request, level, nodes };
}

/** tree-reply: request level refused-partition* (index child[8])*, indexes ascending; a child is 0 when it is unsettled, else its digest + 1 */
export function writeTreeReply(encoder: Encoder, message: TreeReply): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.level);
  writePartitions(encoder, message.refused);
  writeCount(encoder, message.differing.length);
  for (const { index, children } of message.differing) {
    assert(children.length === FANOUT, "a tree node has as many children as any other");
    writeUint(encoder, index);
    for (const digest of children) writeUint(encoder, digest === undefined ? 0 : digest + 1);
  }
}
export function readTreeReply(decoder: Decoder): TreeReply {
  const request = readUint(decoder, "a request id");
  const level = readLevel(decoder);
  const refused = readPartitions(decoder);
  const count = readCount(decoder, "tree nodes", TREE_NODES_MAX, DIFFERING_BYTES_MIN);
  const differing: { index: number; children: (number | undefined)[] }[] = [];
  for (let i = 0; i < count; i++) {
    const index = readIndex(decoder, level);
    const children: (number | undefined)[] = [];
    for (let child = 0; child < FANOUT; child++) {
      const next = readUint(decoder, "a digest", 0, HASH52_END);
      children.push(next === 0 ? undefined : next - 1);
    }
    differing.push({ index, children });
  }
  demandIndexOrder(differing);
  return { kind: "tree-reply", request, level, refused, differing };
}

/** leaf-request: request leaf after */
export function writeLeafRequest(encoder: Encoder, message: LeafRequest): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.leaf);
  writeText(encoder, message.after);
}
export function readLeafRequest(decoder: Decoder): LeafRequest {
  const request = readUint(decoder, "a request id");
  const leaf = readUint(decoder, "a leaf", 0, LEAVES_MAX - 1);
  return { kind: "leaf-request", request, leaf, after: readAddress(decoder) };
}

/** leaf-reply: request outcome, and for "listed" (key digest)* next? */
export function writeLeafReply(encoder: Encoder, message: LeafReply): void {
  writeUint(encoder, message.request);
  writeChoice(encoder, LISTED, message.outcome);
  if (message.outcome === "refused")
    return assert(message.records.length === 0 && message.next === undefined, "what is refused is empty");
  assert(message.records.length <= LISTED_RECORDS_MAX, "a leaf is listed in pages");
  writeCount(encoder, message.records.length);
  for (const { key, digest } of message.records) {
    writeKey(encoder, key);
    writeUint(encoder, digest);
  }
  writeOptional(encoder, message.next, writeText);
}
export function readLeafReply(decoder: Decoder): LeafReply {
  const request = readUint(decoder, "a request id");
  const outcome = readChoice(decoder, "the outcome of a listing", LISTED);
  if (outcome === "refused") return { kind: "leaf-reply", request, outcome, records: [], next: undefined };
  const count = readCount(decoder, "listed records", LISTED_RECORDS_MAX, LISTED_BYTES_MIN);
  const records: { key: Key; digest: number }[] = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), digest: readDigest(decoder) });
  const next = readOptional(decoder, "whether there is a next page", readAddress);
  return { kind: "leaf-reply", request, outcome, records, next };
}

/** fetch-request: request key* */
export function writeFetchRequest(encoder: Encoder, message: FetchRequest): void {
  writeUint(encoder, message.request);
  writeCount(encoder, message.keys.length);
  for (const key of message.keys) writeKey(encoder, key);
}
export function readFetchRequest(decoder: Decoder): FetchRequest {
  const request = readUint(decoder, "a request id");
  const count = readCount(decoder, "keys", LISTED_RECORDS_MAX, KEY_SPACE_MIN);
  const keys: Key[] = [];
  for (let i = 0; i < count; i++) keys.push(readKey(decoder));
  return { kind: "fetch-request", request, keys };
}

/** fetch-reply: request (key set)* answered */
export function writeFetchReply(encoder: Encoder, message: FetchReply): void {
  writeUint(encoder, message.request);
  writeCount(encoder, message.records.length);
  for (const { key, set } of message.records) {
    writeKey(encoder, key);
    writeDvvSet(encoder, set);
  }
  writeUint(encoder, message.answered);
}
export function readFetchReply(decoder: Decoder): FetchReply {
  const request = readUint(decoder, "a request id");
  const count = readCount(decoder, "records", LISTED_RECORDS_MAX, FETCHED_BYTES_MIN);
  const records: { key: Key; set: ReturnType<typeof readDvvSet> }[] = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  return {
    kind: "fetch-reply",
    request,
    records,
    answered: readUint(decoder, "the keys answered", 0, LISTED_RECORDS_MAX),
  };
}

function readLevel(decoder: Decoder): number {
  return readUint(decoder, "a level of a tree", 0, DEPTH - 1);
}
function readIndex(decoder: Decoder, level: number): number {
  return readUint(decoder, "the index of a tree node", 0, PARTITIONS_MAX * FANOUT ** level - 1);
}
function readDigest(decoder: Decoder): number {
  return readUint(decoder, "a digest", 0, HASH52_END - 1);
}
function readAddress(decoder: Decoder): string {
  return readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX);
}
function demandIndexOrder(nodes: readonly { readonly index: number }[]): void {
  for (let i = 1; i < nodes.length; i++)
    if (nodes[i]!.index <= nodes[i - 1]!.index) throw malformed("the tree nodes are not in order");
}
