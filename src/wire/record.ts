/**
 * A record and the node's own state as they lie on disk: `format checksum body`.
 *
 * format: one byte; a reader takes older ones, too, and refuses newer ones by name, before anything is touched: when the format of records is raised,
 * that of the node's own state is raised as well, and that is read first. checksum: CRC-32 of the body, because disks and their drivers damage what they keep; a damaged record is fetched again from
 * the other replicas and is never taken for a missing one. The body is canonical (values.ts), so equal records have equal bytes.
 */

import { crc32 } from "../base/crc32.ts";
import type { NodeMeta, StoredRecord } from "../core/effect.ts";
import { MalformedMessageError, NewerFormatError } from "../core/errors.ts";
import {
  bytesLeft,
  type Decoder,
  type Encoder,
  finishDecoding,
  finishEncoding,
  readBoolean,
  readByte,
  readOptional,
  readText,
  readUint,
  readUint32,
  startDecoding,
  startEncoding,
  writeBoolean,
  writeByte,
  writeOptional,
  writeText,
  writeUint,
  writeUint32,
} from "./primitives.ts";
import { readCaughtUp, writeCaughtUp } from "./recent-messages.ts";
import {
  readActor,
  readDvvSet,
  readPartitions,
  readView,
  writeActor,
  writeDvvSet,
  writePartitions,
  writeView,
} from "./values.ts";

const FORMAT = 1;
/**
 * Format 1 had a view without buckets; format 3 says how far the node has caught up with the logs of others, and what is acknowledged from memory. Where
 * there is nothing of that to say, format 2 is written, which version 1 of the protocol reads as well: so the way back stays open while not all have
 * gone on (core/versions.ts).
 */
const META_FORMAT = 3;
const META_FORMAT_BEFORE = 2;
const CHECKSUM_AT = 1;
const BODY_AT = 5;
const START_CHARACTERS_MAX = 64;

/** `record` in a buffer of its own. */
export function encodeRecord(record: StoredRecord): Uint8Array {
  return encodeGuarded(record, writeRecord);
}

/** @throws MalformedMessageError with code "damaged", whatever is wrong. */
export function decodeRecord(bytes: Uint8Array): StoredRecord {
  return decodeGuarded(bytes, "record", readRecord);
}

/** `meta` in a buffer of its own. */
export function encodeMeta(meta: NodeMeta): Uint8Array {
  const isNew =
    meta.caughtUp !== undefined ||
    meta.buffering === true ||
    meta.view?.buckets.some(({ properties }) => properties.buffered === true) === true;
  const format = isNew ? META_FORMAT : META_FORMAT_BEFORE;
  return encodeGuarded(meta, (encoder) => writeMeta(encoder, meta, format), format);
}

/** @throws NewerFormatError, or MalformedMessageError with code "damaged", whatever else is wrong. */
export function decodeMeta(bytes: Uint8Array): NodeMeta {
  const [format = 0] = bytes;
  if (format > META_FORMAT) throw new NewerFormatError("state of this node", format, META_FORMAT);
  return decodeGuarded(bytes, "state of this node", (decoder) => readMeta(decoder, format), Math.max(1, format));
}

/** record: set minted? */
function writeRecord(encoder: Encoder, record: StoredRecord): void {
  writeDvvSet(encoder, record.set);
  writeOptional(encoder, record.minted, writeMinted);
}
function readRecord(decoder: Decoder): StoredRecord {
  const set = readDvvSet(decoder);
  return { set, minted: readOptional(decoder, "whether a dot was minted", readMinted) };
}

/** minted: actor start */
type Minted = NonNullable<StoredRecord["minted"]>;
function writeMinted(encoder: Encoder, minted: Minted): void {
  writeActor(encoder, minted.actor);
  writeText(encoder, minted.start);
}
function readMinted(decoder: Decoder): Minted {
  return { actor: readActor(decoder), start: readText(decoder, "the start of the node", 0, 3 * START_CHARACTERS_MAX) };
}

/** meta: incarnation view? unopened-partition*, and in format 3 caught-up buffering */
function writeMeta(encoder: Encoder, meta: NodeMeta, format: number): void {
  writeUint(encoder, meta.incarnation);
  writeOptional(encoder, meta.view, (own, view) => writeView(own, view, format >= 3 ? 2 : 1));
  writePartitions(encoder, meta.unopened);
  if (format < 3) return;
  writeCaughtUp(encoder, meta.caughtUp ?? []);
  writeBoolean(encoder, meta.buffering === true);
}
function readMeta(decoder: Decoder, format: number): NodeMeta {
  const incarnation = readUint(decoder, "the incarnation", 1);
  const view = readOptional(decoder, "whether there is a view", () => readView(decoder, format - 1));
  const unopened = readPartitions(decoder);
  // Builds on the way to version 2 wrote the logs under format 2.
  const hasLogs = format >= 3 || (format === 2 && bytesLeft(decoder) > 0);
  const caughtUp = hasLogs ? readCaughtUp(decoder) : [];
  const isBuffering = format >= 3 && readBoolean(decoder, "whether writes are acknowledged from memory");
  const buffering = isBuffering ? true : undefined;
  return { incarnation, view, unopened, buffering, ...(caughtUp.length === 0 ? {} : { caughtUp }) };
}

/** The checksum is known only when the body is written; its place is kept free. */
export function encodeGuarded<T>(
  content: T,
  write: (encoder: Encoder, content: T) => void,
  format: number = FORMAT,
): Uint8Array {
  const encoder = startEncoding();
  writeByte(encoder, format);
  writeUint32(encoder, 0);
  write(encoder, content);
  const bytes = finishEncoding(encoder);
  new DataView(bytes.buffer).setUint32(CHECKSUM_AT, crc32(bytes.subarray(BODY_AT)), true);
  return bytes;
}

export function decodeGuarded<T>(
  bytes: Uint8Array,
  what: string,
  read: (decoder: Decoder) => T,
  expected: number = FORMAT,
): T {
  try {
    const decoder = startDecoding(bytes);
    const format = readByte(decoder, "the format");
    if (format !== expected)
      throw new MalformedMessageError(`its format is ${format}, but this build reads ${expected}`);
    const checksum = readUint32(decoder, "the checksum");
    if (crc32(bytes.subarray(BODY_AT)) !== checksum) throw new MalformedMessageError("its checksum does not match");
    const content = read(decoder);
    finishDecoding(decoder);
    return content;
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw new MalformedMessageError(
      `A stored ${what} is damaged: ${error.message}. Other replicas and members still have what they acknowledged.`,
      "damaged",
    );
  }
}
