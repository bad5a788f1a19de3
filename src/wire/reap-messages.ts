/** The messages by which tombstones are reaped, as bytes: a write and a read function each, its grammar above; see codec.ts. */

import { HASH52_END } from "../base/hash52.ts";
import type { Key } from "../core/identifiers.ts";
import type {
  ReapDrop,
  ReapProofReply,
  ReapProofRequest,
  ReapWatchReply,
  ReapWatchRequest,
  ReapedRecord,
} from "../core/message.ts";
import {
  type Decoder,
  type Encoder,
  malformed,
  readCount,
  readText,
  readUint,
  writeCount,
  writeText,
  writeUint,
} from "./primitives.ts";
import { readKey, writeKey } from "./values.ts";

/** Records in one round. */
export const REAPED_MAX = 64;
const RECORD_BYTES_MIN = 3;
const WATCH_CHARACTERS = 16;

/** reap-watch-request: request members (key digest)* */
export function writeReapWatchRequest(encoder: Encoder, message: ReapWatchRequest): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.members);
  writeRecords(encoder, message.records);
}
export function readReapWatchRequest(decoder: Decoder): ReapWatchRequest {
  const request = readUint(decoder, "a request id");
  const members = readUint(decoder, "a digest of members", 0, HASH52_END - 1);
  return { kind: "reap-watch-request", request, members, records: readRecords(decoder) };
}

/** reap-watch-reply: request watch place*, places ascending */
export function writeReapWatchReply(encoder: Encoder, message: ReapWatchReply): void {
  writeUint(encoder, message.request);
  writeText(encoder, message.watch);
  writePlaces(encoder, message.quiet);
}
export function readReapWatchReply(decoder: Decoder): ReapWatchReply {
  const request = readUint(decoder, "a request id");
  const watch = readWatch(decoder);
  return { kind: "reap-watch-reply", request, watch, quiet: readPlaces(decoder) };
}

/** reap-proof-request: request watch */
export function writeReapProofRequest(encoder: Encoder, message: ReapProofRequest): void {
  writeUint(encoder, message.request);
  writeText(encoder, message.watch);
}
export function readReapProofRequest(decoder: Decoder): ReapProofRequest {
  const request = readUint(decoder, "a request id");
  return { kind: "reap-proof-request", request, watch: readWatch(decoder) };
}

/** reap-proof-reply: request place*, ascending */
export function writeReapProofReply(encoder: Encoder, message: ReapProofReply): void {
  writeUint(encoder, message.request);
  writePlaces(encoder, message.quiet);
}
export function readReapProofReply(decoder: Decoder): ReapProofReply {
  const request = readUint(decoder, "a request id");
  return { kind: "reap-proof-reply", request, quiet: readPlaces(decoder) };
}

/** reap-drop: watch (key digest)* */
export function writeReapDrop(encoder: Encoder, message: ReapDrop): void {
  writeText(encoder, message.watch);
  writeRecords(encoder, message.records);
}
export function readReapDrop(decoder: Decoder): ReapDrop {
  const watch = readWatch(decoder);
  return { kind: "reap-drop", watch, records: readRecords(decoder) };
}

function writeRecords(encoder: Encoder, records: readonly ReapedRecord[]): void {
  writeCount(encoder, records.length);
  for (const { key, digest } of records) {
    writeKey(encoder, key);
    writeUint(encoder, digest);
  }
}
function readRecords(decoder: Decoder): ReapedRecord[] {
  const count = readCount(decoder, "records to be reaped", REAPED_MAX, RECORD_BYTES_MIN);
  const records: { key: Key; digest: number }[] = [];
  for (let i = 0; i < count; i++)
    records.push({ key: readKey(decoder), digest: readUint(decoder, "a digest", 0, HASH52_END - 1) });
  return records;
}

function writePlaces(encoder: Encoder, places: readonly number[]): void {
  writeCount(encoder, places.length);
  for (const place of places) writeUint(encoder, place);
}
function readPlaces(decoder: Decoder): number[] {
  const count = readCount(decoder, "places of records", REAPED_MAX, 1);
  const places: number[] = [];
  for (let i = 0; i < count; i++) {
    const place = readUint(decoder, "the place of a record", 0, REAPED_MAX - 1);
    if (place <= (places.at(-1) ?? -1)) throw malformed("the places of records are not in order");
    places.push(place);
  }
  return places;
}

function readWatch(decoder: Decoder): string {
  const watch = readText(decoder, "the name of a watch", 0, WATCH_CHARACTERS);
  if (!/^(?:[0-9a-f]{16})?$/.test(watch)) throw malformed("that is not the name of a watch");
  return watch;
}
