/** The messages by which a node gathers what others keep of a partition, as bytes: a write and a read function each, its grammar above; see codec.ts. */

import { HASH52_END } from "../base/hash52.ts";
import type { DvvSet } from "../core/dvvset.ts";
import { type Key, KEY_BYTES_MAX } from "../core/identifiers.ts";
import type { ArchivePage, ArchiveRequest, ArchiveStore } from "../core/message.ts";
import { MESSAGE_BYTES_MAX } from "./frame.ts";
import {
  type Decoder,
  type Encoder,
  readChoice,
  readCount,
  readMillis,
  readOptional,
  readText,
  readUint,
  readUint32,
  writeChoice,
  writeCount,
  writeMillis,
  writeOptional,
  writeText,
  writeUint,
  writeUint32,
} from "./primitives.ts";
import { readDvvSet, readKey, readNodeIds, readPartition, writeDvvSet, writeKey, writeNodeIds } from "./values.ts";

/** Records in one page, and in what is known already. */
export const ARCHIVE_RECORDS_MAX = 65_536;
/** The longest storage address: position, key, and what a hint or a record of the history has behind it. */
const ADDRESS_BYTES_MAX = 8 + KEY_BYTES_MAX + 32;
const RECORD_BYTES_MIN = 4;
const KNOWN_BYTES_MIN = 3;

const STORES: readonly ArchiveStore[] = ["hints", "records", "history"];
const OUTCOMES: readonly ArchivePage["outcome"][] = ["page", "refused"];

/** archive-request: request ring partition store prefix moment after through? bytesMax (key digest)* */
export function writeArchiveRequest(encoder: Encoder, message: ArchiveRequest): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeUint(encoder, message.partition);
  writeChoice(encoder, STORES, message.store);
  writeText(encoder, message.prefix);
  writeMillis(encoder, message.moment);
  writeText(encoder, message.after);
  writeOptional(encoder, message.through, writeText);
  writeUint(encoder, message.bytesMax);
  writeCount(encoder, message.known.length);
  for (const { key, digest } of message.known) {
    writeKey(encoder, key);
    writeUint(encoder, digest);
  }
}
export function readArchiveRequest(decoder: Decoder): ArchiveRequest {
  const request = readUint(decoder, "a request id");
  const ring = readUint32(decoder, "a ring digest");
  const partition = readPartition(decoder);
  const store = readChoice(decoder, "the store that is wanted", STORES);
  const prefix = readText(decoder, "the start of keys", 0, KEY_BYTES_MAX);
  const moment = readMillis(decoder, "a moment");
  const after = readAddress(decoder);
  const through = readOptional(decoder, "whether there is a last address", readAddress);
  const bytesMax = readUint(decoder, "the size of a page", 1, MESSAGE_BYTES_MAX);
  const count = readCount(decoder, "known records", ARCHIVE_RECORDS_MAX, KNOWN_BYTES_MIN);
  const known: { key: Key; digest: number }[] = [];
  for (let i = 0; i < count; i++)
    known.push({ key: readKey(decoder), digest: readUint(decoder, "a digest", 0, HASH52_END - 1) });
  return { kind: "archive-request", request, ring, partition, store, prefix, moment, after, through, bytesMax, known };
}

/** archive-page: request ring outcome counted* (key set)* damaged next? coveredFrom */
export function writeArchivePage(encoder: Encoder, message: ArchivePage): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeChoice(encoder, OUTCOMES, message.outcome);
  writeNodeIds(encoder, message.counted);
  writeCount(encoder, message.records.length);
  for (const { key, set } of message.records) {
    writeKey(encoder, key);
    writeDvvSet(encoder, set);
  }
  writeUint(encoder, message.damaged);
  writeOptional(encoder, message.next, writeText);
  writeMillis(encoder, message.coveredFrom);
}
export function readArchivePage(decoder: Decoder): ArchivePage {
  const request = readUint(decoder, "a request id");
  const ring = readUint32(decoder, "a ring digest");
  const outcome = readChoice(decoder, "the outcome of a page", OUTCOMES);
  const counted = readNodeIds(decoder, "nodes that count");
  const count = readCount(decoder, "records", ARCHIVE_RECORDS_MAX, RECORD_BYTES_MIN);
  const records: { key: Key; set: DvvSet }[] = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  const damaged = readUint(decoder, "a number of records", 0, ARCHIVE_RECORDS_MAX);
  const next = readOptional(decoder, "whether there is a next page", readAddress);
  const coveredFrom = readMillis(decoder, "a moment");
  return { kind: "archive-page", request, ring, outcome, counted, records, damaged, next, coveredFrom };
}

function readAddress(decoder: Decoder): string {
  return readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX);
}
