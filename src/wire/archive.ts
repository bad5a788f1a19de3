/**
 * An archive of a cluster's data as bytes: `magic chunk*`, a stream that is written and read with one chunk in memory.
 *
 *   magic      "TABRING ARCHIVE\n"
 *   chunk      length (4 bytes, lowest first) check (16 bytes) body
 *   check      MD5 over the check of the chunk before (of the first: over the magic) and the body. So it speaks for all that came before it: a chunk
 *              that is damaged, missing, repeated, moved or of another archive is noticed, and so is the first one after it
 *   body       kind number content; numbers go up from 0 without a hole
 *   head       kind 0, the first chunk: format protocol archive-id cluster parameters exporter began-at prefix
 *   records    kind 1: partition (key set)*, records as they travel between nodes, each value with its checksum. A key may stand in several entries:
 *              they merge
 *   manifest   kind 2, the last chunk: archive-id ended-at chunks bytes (all before it) part*
 *   part       partition records bytes digest began-at ended-at covers-w attempts members* unread*
 *
 * Read is all or nothing: what does not end with its manifest, or does not add up to it, is refused by a named error. A newer format says so in its
 * first chunk and is refused with both numbers. The checks are against accidents, not against somebody who makes up an archive on purpose.
 *
 * Limits: a chunk holds about CHUNK_BYTES, or one larger record; CHUNK_BYTES_MAX in any case.
 */

import { assert } from "../base/assert.ts";
import { bytesEqual, toHex, utf8Encode } from "../base/bytes.ts";
import { HASH52_END } from "../base/hash52.ts";
import { md5Of } from "../base/md5.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { DvvSet } from "../core/dvvset.ts";
import {
  DamagedArchiveError,
  MalformedMessageError,
  NewerArchiveError,
  NotAnArchiveError,
  TruncatedArchiveError,
} from "../core/errors.ts";
import { type Key, KEY_BYTES_MAX, MEMBERS_MAX, type Millis, type NodeId, type Partition } from "../core/identifiers.ts";
import { type Digest, addDigests, recordDigest } from "../core/merkle-forest.ts";
import { MESSAGE_BYTES_MAX } from "./frame.ts";
import {
  type Decoder,
  type Encoder,
  finishDecoding,
  finishEncoding,
  lengthOf,
  malformed,
  readByte,
  readCount,
  readHex,
  readMillis,
  readText,
  readUint,
  startDecoding,
  startEncoding,
  writeByte,
  writeCount,
  writeHex,
  writeMillis,
  writeText,
  writeUint,
} from "./primitives.ts";
import {
  readDvvSet,
  readKey,
  readNodeId,
  readNodeIds,
  readParameters,
  readPartition,
  writeDvvSet,
  writeKey,
  writeNodeId,
  writeNodeIds,
  writeParameters,
} from "./values.ts";

/** What this build writes, and the newest that it reads. */
export const ARCHIVE_FORMAT = 1;
const MAGIC = utf8Encode("TABRING ARCHIVE\n");
const CHECK_BYTES = 16;
const HEADER_BYTES = 4 + CHECK_BYTES;
/** Entries go into one chunk up to about this size. */
const CHUNK_BYTES = 65_536;
export const CHUNK_BYTES_MAX = 4 * MESSAGE_BYTES_MAX;
const ID_BYTES = 16;
const CLUSTER_BYTES_MAX = 256;
const PARTS_MAX = 65_536;
const PART_BYTES_MIN = 10;

const KIND = { head: 0, records: 1, manifest: 2 } as const;

export interface ArchiveHead {
  readonly format: number;
  /** The newest protocol that its writer spoke. */
  readonly protocol: number;
  /** 32 hexadecimal digits, drawn for each archive. */
  readonly id: string;
  readonly cluster: string;
  readonly parameters: ClusterParameters;
  readonly exporter: NodeId;
  /** Wall clock of the exporter. */
  readonly beganAt: Millis;
  /** Only keys that begin so are in it. */
  readonly prefix: string;
}

export interface ArchiveRecord {
  readonly key: Key;
  readonly set: DvvSet;
}

/** What a gathering says of a part of its own; the writer adds what it counted. */
export interface ArchivePartFacts {
  readonly partition: Partition;
  /** Wall clock of the exporter: every write that was acknowledged before by `coversW` nodes is in the part, or what replaced it. */
  readonly beganAt: Millis;
  readonly endedAt: Millis;
  readonly coversW: number;
  readonly attempts: number;
  readonly members: readonly NodeId[];
  /** Members that could not be read in full. */
  readonly unread: readonly NodeId[];
}

export interface ArchivePart extends ArchivePartFacts {
  /** Entries, which is keys if none of them stands in two. */
  readonly records: number;
  readonly bytes: number;
  /** The sum of the digests of all entries: the root of the partition's Merkle tree, if no key stands in two entries. */
  readonly digest: Digest;
}

export interface ArchiveManifest {
  readonly id: string;
  readonly endedAt: Millis;
  readonly chunks: number;
  readonly bytes: number;
  /** Ascending by partition. */
  readonly parts: readonly ArchivePart[];
}

/** What a reader finds, in order. */
export type ArchivePiece =
  | { readonly kind: "head"; readonly head: ArchiveHead }
  | { readonly kind: "records"; readonly partition: Partition; readonly records: readonly ArchiveRecord[] }
  | { readonly kind: "manifest"; readonly manifest: ArchiveManifest };

/** What was counted of a part. */
class PartCount {
  records = 0;
  bytes = 0;
  digest: Digest = 0;

  add(records: readonly ArchiveRecord[], bytes: number): void {
    this.records += records.length;
    this.bytes += bytes;
    for (const { key, set } of records) this.digest = addDigests(this.digest, recordDigest(key, set));
  }
}

/** Writes one archive: `head`, then `records` and `part` in any order, then `manifest`. Each returns the bytes that come next. */
export class ArchiveWriter {
  readonly #id: string;
  #check: Uint8Array = md5Of(MAGIC);
  #chunks = 0;
  #bytes = 0;
  readonly #counts = new Map<Partition, PartCount>();
  readonly #parts: ArchivePart[] = [];

  constructor(id: string) {
    this.#id = id;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return [...this.#counts.values()].reduce((sum, { records }) => sum + records, 0);
  }

  head(head: Omit<ArchiveHead, "format" | "id">): Uint8Array {
    assert(this.#chunks === 0, "the head comes first");
    this.#bytes = MAGIC.length;
    const chunk = this.#chunk(KIND.head, (encoder) =>
      writeHead(encoder, { ...head, id: this.#id, format: ARCHIVE_FORMAT }),
    );
    const bytes = new Uint8Array(MAGIC.length + chunk.length);
    bytes.set(MAGIC);
    bytes.set(chunk, MAGIC.length);
    return bytes;
  }

  /** Entries of one partition, in as many chunks as it takes. */
  *recordsOf(partition: Partition, records: readonly ArchiveRecord[]): Generator<Uint8Array> {
    for (let first = 0; first < records.length;) {
      let bytes = 0;
      let count = 0;
      while (first + count < records.length && (count === 0 || bytes < CHUNK_BYTES))
        bytes += roughBytes(records[first + count++]!);
      const some = records.slice(first, first + count);
      first += count;
      const chunk = this.#chunk(KIND.records, (encoder) => writeRecords(encoder, partition, some));
      this.#countOf(partition).add(some, chunk.length);
      yield chunk;
    }
  }

  /** A partition is done. */
  part(facts: ArchivePartFacts): ArchivePart {
    const { records, bytes, digest } = this.#countOf(facts.partition);
    const part = { ...facts, records, bytes, digest };
    this.#parts.push(part);
    return part;
  }

  /** The end. */
  manifest(endedAt: Millis): { readonly bytes: Uint8Array; readonly manifest: ArchiveManifest } {
    const parts = this.#parts.sort((a, b) => a.partition - b.partition);
    const manifest = { id: this.#id, endedAt, chunks: this.#chunks, bytes: this.#bytes, parts };
    return { bytes: this.#chunk(KIND.manifest, (encoder) => writeManifest(encoder, manifest)), manifest };
  }

  #countOf(partition: Partition): PartCount {
    const count = this.#counts.get(partition) ?? new PartCount();
    this.#counts.set(partition, count);
    return count;
  }

  #chunk(kind: number, write: (encoder: Encoder) => void): Uint8Array {
    const encoder = startEncoding();
    writeByte(encoder, kind);
    writeUint(encoder, this.#chunks++);
    write(encoder);
    assert(lengthOf(encoder) <= CHUNK_BYTES_MAX, "a chunk is within its limit");
    const body = finishEncoding(encoder);
    this.#check = checkOf(this.#check, body);
    const chunk = new Uint8Array(HEADER_BYTES + body.length);
    new DataView(chunk.buffer).setUint32(0, body.length, true);
    chunk.set(this.#check, 4);
    chunk.set(body, HEADER_BYTES);
    this.#bytes += chunk.length;
    return chunk;
  }
}

/**
 * Reads one archive, however it is cut. Each chunk is checked before anything of it is given out; `end` says whether that was all.
 * @throws NotAnArchiveError, NewerArchiveError, DamagedArchiveError, TruncatedArchiveError, and nothing else.
 */
export class ArchiveReader {
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #check: Uint8Array = md5Of(MAGIC);
  /** What has to be there before the next thing can be read. */
  #wanted = MAGIC.length;
  #state: "magic" | "length" | "chunk" | "over" = "magic";
  #chunks = 0;
  #bytes = 0;
  #head: ArchiveHead | undefined;
  #manifest: ArchiveManifest | undefined;
  readonly #counts = new Map<Partition, PartCount>();

  push(bytes: Uint8Array): ArchivePiece[] {
    const pieces: ArchivePiece[] = [];
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    while (this.#state !== "over" && this.#pendingBytes >= this.#wanted) {
      if (this.#state === "magic") {
        if (!bytesEqual(this.#take(MAGIC.length), MAGIC)) throw new NotAnArchiveError();
        this.#expect("length", HEADER_BYTES);
      } else if (this.#state === "length") {
        const header = this.#peek(HEADER_BYTES);
        const length = new DataView(header.buffer, header.byteOffset).getUint32(0, true);
        if (length > CHUNK_BYTES_MAX) throw this.#damaged(`says that it has ${length} bytes`);
        this.#expect("chunk", HEADER_BYTES + length);
      } else pieces.push(this.#chunk(this.#take(this.#wanted)));
    }
    if (this.#state === "over" && this.#pendingBytes > 0)
      throw new DamagedArchiveError(`${this.#pendingBytes} bytes follow its manifest`);
    return pieces;
  }

  /** There is no more: the whole archive, or an error. */
  end(): { readonly head: ArchiveHead; readonly manifest: ArchiveManifest } {
    if (this.#state === "magic") throw new NotAnArchiveError();
    if (this.#head === undefined || this.#manifest === undefined) throw new TruncatedArchiveError(this.#chunks);
    return { head: this.#head, manifest: this.#manifest };
  }

  #expect(state: "length" | "chunk" | "over", wanted: number): void {
    this.#state = state;
    this.#wanted = wanted;
  }

  #peek(length: number): Uint8Array {
    const bytes = this.#take(length);
    this.#pending.unshift(bytes);
    this.#pendingBytes += length;
    return bytes;
  }

  #take(length: number): Uint8Array {
    const [first] = this.#pending;
    let taken: Uint8Array;
    if (first !== undefined && first.length >= length) {
      taken = first.subarray(0, length);
      this.#pending[0] = first.subarray(length);
    } else {
      taken = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const next = this.#pending[0]!;
        const part = next.subarray(0, length - at);
        taken.set(part, at);
        at += part.length;
        if (part.length === next.length) this.#pending.shift();
        else this.#pending[0] = next.subarray(part.length);
      }
    }
    while (this.#pending[0]?.length === 0) this.#pending.shift();
    this.#pendingBytes -= length;
    return taken;
  }

  #chunk(chunk: Uint8Array): ArchivePiece {
    const body = chunk.subarray(HEADER_BYTES);
    const check = checkOf(this.#check, body);
    if (!bytesEqual(check, chunk.subarray(4, HEADER_BYTES))) throw this.#damaged("does not match its check");
    this.#check = check;
    try {
      const decoder = startDecoding(body);
      const kind = readByte(decoder, "the kind of a chunk");
      const number = readUint(decoder, "the number of a chunk");
      if (number !== this.#chunks) throw malformed(`it is number ${number}`);
      const piece = this.#read(decoder, kind, chunk.length);
      finishDecoding(decoder);
      this.#chunks++;
      if (kind !== KIND.manifest) this.#bytes += chunk.length + (kind === KIND.head ? MAGIC.length : 0);
      return piece;
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      throw this.#damaged(error.message);
    }
  }

  #read(decoder: Decoder, kind: number, chunkBytes: number): ArchivePiece {
    if ((this.#chunks === 0) !== (kind === KIND.head)) throw malformed("the head is not the first chunk");
    switch (kind) {
      case KIND.head: {
        const head = readHead(decoder);
        this.#head = head;
        this.#expect("length", HEADER_BYTES);
        return { kind: "head", head };
      }
      case KIND.records: {
        const piece = readRecords(decoder);
        const count = this.#counts.get(piece.partition) ?? new PartCount();
        this.#counts.set(piece.partition, count);
        count.add(piece.records, chunkBytes);
        this.#expect("length", HEADER_BYTES);
        return { kind: "records", ...piece };
      }
      case KIND.manifest: {
        const manifest = readManifest(decoder);
        this.#judge(manifest);
        this.#manifest = manifest;
        this.#expect("over", 0);
        return { kind: "manifest", manifest };
      }
      default:
        throw malformed(`a chunk of kind ${kind}`);
    }
  }

  /** The manifest says what was there. */
  #judge(manifest: ArchiveManifest): void {
    if (manifest.id !== this.#head?.id) throw malformed("its manifest is another archive's");
    if (manifest.chunks !== this.#chunks || manifest.bytes !== this.#bytes)
      throw malformed(
        `its manifest speaks of ${manifest.chunks} chunks with ${manifest.bytes} bytes, but it has ${this.#chunks} with ${this.#bytes}`,
      );
    const left = new Map(this.#counts);
    for (const { partition, records, bytes, digest } of manifest.parts) {
      const count = left.get(partition) ?? new PartCount();
      left.delete(partition);
      if (count.records !== records || count.bytes !== bytes || count.digest !== digest)
        throw malformed(`what it has of partition ${partition} is not what its manifest says`);
    }
    if (left.size > 0) throw malformed(`it has partitions that its manifest does not name`);
  }

  #damaged(what: string): DamagedArchiveError {
    return new DamagedArchiveError(`chunk ${this.#chunks} ${what}`);
  }
}

function checkOf(before: Uint8Array, body: Uint8Array): Uint8Array {
  const all = new Uint8Array(before.length + body.length);
  all.set(before);
  all.set(body, before.length);
  return md5Of(all);
}

function roughBytes({ key, set }: ArchiveRecord): number {
  let bytes = 8 + key.length + set.clock.length * 26;
  for (const sibling of set.siblings) bytes += 64 + 26 * sibling.dots.length + (sibling.value?.length ?? 0);
  return bytes;
}

/** head: format protocol archive-id cluster parameters exporter began-at prefix */
function writeHead(encoder: Encoder, head: ArchiveHead): void {
  writeUint(encoder, head.format);
  writeUint(encoder, head.protocol);
  writeHex(encoder, head.id, ID_BYTES);
  writeText(encoder, head.cluster);
  writeParameters(encoder, head.parameters);
  writeNodeId(encoder, head.exporter);
  writeMillis(encoder, head.beganAt);
  writeText(encoder, head.prefix);
}
function readHead(decoder: Decoder): ArchiveHead {
  const format = readUint(decoder, "the format", 1);
  if (format > ARCHIVE_FORMAT) throw new NewerArchiveError(format, ARCHIVE_FORMAT);
  const protocol = readUint(decoder, "the protocol", 1);
  const id = readHex(decoder, "the archive's id", ID_BYTES);
  const cluster = readText(decoder, "the cluster", 0, CLUSTER_BYTES_MAX);
  const parameters = readParameters(decoder);
  const exporter = readNodeId(decoder);
  const beganAt = readMillis(decoder, "when it began");
  const prefix = readText(decoder, "the start of keys", 0, KEY_BYTES_MAX);
  return { format, protocol, id, cluster, parameters, exporter, beganAt, prefix };
}

/** records: partition (key set)* */
function writeRecords(encoder: Encoder, partition: Partition, records: readonly ArchiveRecord[]): void {
  writeUint(encoder, partition);
  writeCount(encoder, records.length);
  for (const { key, set } of records) {
    writeKey(encoder, key);
    writeDvvSet(encoder, set);
  }
}
function readRecords(decoder: Decoder): { partition: Partition; records: ArchiveRecord[] } {
  const partition = readPartition(decoder);
  const count = readCount(decoder, "records", CHUNK_BYTES_MAX, 4);
  const records: ArchiveRecord[] = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  return { partition, records };
}

/** manifest: archive-id ended-at chunks bytes part*, partitions ascending */
function writeManifest(encoder: Encoder, { id, endedAt, chunks, bytes, parts }: ArchiveManifest): void {
  writeHex(encoder, id, ID_BYTES);
  writeMillis(encoder, endedAt);
  writeUint(encoder, chunks);
  writeUint(encoder, bytes);
  writeCount(encoder, parts.length);
  for (const part of parts) writePart(encoder, part);
}
function readManifest(decoder: Decoder): ArchiveManifest {
  const id = readHex(decoder, "the archive's id", ID_BYTES);
  const endedAt = readMillis(decoder, "when it ended");
  const chunks = readUint(decoder, "the number of chunks");
  const bytes = readUint(decoder, "the number of bytes");
  const count = readCount(decoder, "parts", PARTS_MAX, PART_BYTES_MIN);
  const parts: ArchivePart[] = [];
  for (let i = 0; i < count; i++) {
    const part = readPart(decoder);
    if (i > 0 && part.partition <= parts[i - 1]!.partition) throw malformed("its parts are not in order");
    parts.push(part);
  }
  return { id, endedAt, chunks, bytes, parts };
}

/** part: partition records bytes digest began-at ended-at covers-w attempts members* unread* */
function writePart(encoder: Encoder, part: ArchivePart): void {
  writeUint(encoder, part.partition);
  writeUint(encoder, part.records);
  writeUint(encoder, part.bytes);
  writeUint(encoder, part.digest);
  writeMillis(encoder, part.beganAt);
  writeMillis(encoder, part.endedAt);
  writeUint(encoder, part.coversW);
  writeUint(encoder, part.attempts);
  writeNodeIds(encoder, part.members);
  writeNodeIds(encoder, part.unread);
}
function readPart(decoder: Decoder): ArchivePart {
  const partition = readPartition(decoder);
  const records = readUint(decoder, "a number of records");
  const bytes = readUint(decoder, "a number of bytes");
  const digest = readUint(decoder, "a digest", 0, HASH52_END - 1);
  const beganAt = readMillis(decoder, "when a part began");
  const endedAt = readMillis(decoder, "when a part ended");
  const coversW = readUint(decoder, "a quorum", 1, MEMBERS_MAX + 1);
  const attempts = readUint(decoder, "a number of attempts", 1);
  const members = readNodeIds(decoder, "members");
  return {
    partition,
    records,
    bytes,
    digest,
    beganAt,
    endedAt,
    coversW,
    attempts,
    members,
    unread: readNodeIds(decoder, "members"),
  };
}

/** 32 hexadecimal digits of these bytes: the operation of what is restored, the same each time. */
export function restoredOperation(...parts: readonly string[]): string {
  return toHex(md5Of(utf8Encode(parts.join("\n"))));
}
