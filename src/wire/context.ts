/**
 * A context as its caller sees it: opaque bytes that say what a read had seen, to be handed to the write that answers it (paper, section 4.4).
 *
 * `version keyDigest first clock checksum`. keyDigest: the first 8 bytes of the key's MD5, because the context of one key says nothing of
 * another, and taken for it would overwrite what nobody read. first: the node that answered the read first; it coordinates the write (paper,
 * section 5). checksum: CRC-32 of all before it; against accidents, not against a caller who forges contexts: it could as well write lies.
 */

import { bytesEqual, utf8Encode } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { md5Of } from "../base/md5.ts";
import type { Clock } from "../core/dvvset.ts";
import { InvalidContextError, MalformedMessageError, OversizedError } from "../core/errors.ts";
import type { Key, NodeId } from "../core/identifiers.ts";
import {
  type Decoder,
  finishDecoding,
  finishEncoding,
  lengthOf,
  readByte,
  readRaw,
  readUint32,
  startDecoding,
  startEncoding,
  writeByte,
  writeRaw,
  writeUint32,
} from "./primitives.ts";
import { readClock, readNodeId, writeClock, writeNodeId } from "./values.ts";

/** Over 41,000 actors of one key; the warning comes at CLOCK_ENTRIES_WARN. */
export const CONTEXT_BYTES_MAX = 1_048_576;
const FORMAT = 1;
const KEY_DIGEST_BYTES = 8;
const CHECKSUM_BYTES = 4;

export interface ReadContext {
  readonly clock: Clock;
  /** The node that answered the read first. */
  readonly first: NodeId;
}

/** @throws OversizedError over {@link CONTEXT_BYTES_MAX}. */
export function encodeContext({ key, clock, first }: ReadContext & { readonly key: Key }): Uint8Array {
  const encoder = startEncoding();
  writeByte(encoder, FORMAT);
  writeRaw(encoder, keyDigest(key));
  writeNodeId(encoder, first);
  writeClock(encoder, clock);
  writeUint32(encoder, 0);
  const length = lengthOf(encoder);
  if (length > CONTEXT_BYTES_MAX) {
    throw new OversizedError(
      `The context of this key would have ${length} bytes, over the limit of ${CONTEXT_BYTES_MAX}: too many nodes have written the key. ` +
        "What is stored is safe. Copy the value to a new key and go on there.",
    );
  }
  const bytes = finishEncoding(encoder);
  const checksumAt = length - CHECKSUM_BYTES;
  new DataView(bytes.buffer).setUint32(checksumAt, crc32(bytes.subarray(0, checksumAt)), true);
  return bytes;
}

/** @throws InvalidContextError when `bytes` are no context, or one of another key. */
export function decodeContext(key: Key, bytes: Uint8Array): ReadContext {
  if (!(bytes instanceof Uint8Array)) throw invalid("it is not a Uint8Array");
  if (bytes.length > CONTEXT_BYTES_MAX) throw invalid(`it has ${bytes.length} bytes, over ${CONTEXT_BYTES_MAX}`);
  try {
    return readContext(key, startDecoding(bytes));
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw invalid("it does not parse");
  }
}

function readContext(key: Key, decoder: Decoder): ReadContext {
  const format = readByte(decoder, "the format");
  if (format !== FORMAT) throw invalid(`its format is ${format}, but this build reads ${FORMAT}`);
  const digest = readRaw(decoder, "the digest of the key", KEY_DIGEST_BYTES);
  const first = readNodeId(decoder);
  const clock = readClock(decoder);
  const covered = decoder.arr.subarray(0, decoder.pos);
  if (readUint32(decoder, "the checksum") !== crc32(covered)) throw invalid("its checksum does not match");
  finishDecoding(decoder);
  if (!bytesEqual(digest, keyDigest(key))) {
    throw new InvalidContextError(
      "The context belongs to another key. Nothing was sent. Pass the context that came with the read of this very key, or none for a blind write.",
    );
  }
  return { clock, first };
}

function keyDigest(key: Key): Uint8Array {
  return md5Of(utf8Encode(key)).subarray(0, KEY_DIGEST_BYTES);
}

function invalid(fault: string): InvalidContextError {
  return new InvalidContextError(
    `The context is none that a read returned: ${fault}. Nothing was sent. Read the key again and pass the context as it came, or none for a blind write.`,
  );
}
