/**
 * The words of every binary format here: whole numbers, bytes, text and hexadecimal names, on lib0's primitives.
 *
 * A writer trusts its caller (a breach is our own bug: AssertionError). A reader trusts nobody: each length is checked against what is left and
 * against its limit before anything is allocated, each number has one accepted form, and all that can be thrown is MalformedMessageError or
 * its subclass OversizedError. What a reader returns never shares memory with its input, so that a small value does not keep a large frame alive.
 */

import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { assert } from "../base/assert.ts";
import { utf8Decode, utf8Encode, utf8Length } from "../base/bytes.ts";
import { MalformedMessageError, OversizedError } from "../core/errors.ts";
import type { Millis } from "../core/identifiers.ts";

export type Encoder = encoding.Encoder;
export type Decoder = decoding.Decoder;

/** From this length on, bytes are not copied into the encoder's buffer but once, straight into the result. */
const REFERENCED_BYTES_MIN = 4_096;

/** `fault` says in words what is wrong with the bytes. */
export function malformed(fault: string): MalformedMessageError {
  return new MalformedMessageError(`These bytes do not parse: ${fault}. They were dropped and changed nothing.`);
}

/** The bytes parse, but a checksum says that they are not what was once put. */
export function damaged(fault: string): MalformedMessageError {
  return new MalformedMessageError(
    `These bytes are damaged: ${fault}. They were dropped and changed nothing; other replicas still have the original.`,
    "damaged",
  );
}

export function oversized(what: string, given: number, max: number): OversizedError {
  return new OversizedError(
    `${what} has ${given}, over the protocol's limit of ${max}. It was dropped and changed nothing.`,
  );
}

/** The encoder's own buffer; what does not fit goes to further ones. Allocating it anew would cost more than filling it. */
const SCRATCH_BYTES = 16_384;
let idle: Encoder | undefined;

/** Lends out the one encoder; whoever takes it gives it back by {@link finishEncoding}, or loses it by throwing, and the next gets a new one. */
export function startEncoding(): Encoder {
  const encoder = idle ?? encoding.createEncoder();
  idle = undefined;
  if (encoder.cbuf.length !== SCRATCH_BYTES) encoder.cbuf = new Uint8Array(SCRATCH_BYTES);
  return encoder;
}

/** Bytes written so far. */
export function lengthOf(encoder: Encoder): number {
  return encoding.length(encoder);
}

/** The bytes written, in a buffer of exactly their length (a view of a larger one would be stored whole by IndexedDB). Ends the encoder's use. */
export function finishEncoding(encoder: Encoder): Uint8Array<ArrayBuffer> {
  const bytes = encoder.bufs.length === 0 ? encoder.cbuf.slice(0, encoder.cpos) : encoding.toUint8Array(encoder);
  encoder.bufs = [];
  encoder.cpos = 0;
  idle = encoder;
  return bytes;
}

export function startDecoding(bytes: Uint8Array): Decoder {
  return decoding.createDecoder(bytes);
}

/** Learns which bytes readers read, and as what: for whoever shows bytes to people. Every byte that is read is told of once, in order. */
export interface ReadObserver {
  /** The bytes from `start` to before `end` are `what`, and say `value`. Of no bytes, nothing is told. */
  read(what: string, start: number, end: number, value: unknown): void;
  /** What was told of last stands for this. */
  means(value: unknown): void;
  /** What is read from here to its `leave` makes up one thing. */
  enter(what: string): void;
  leave(): void;
}
/** Of all readers, because it is hardly ever there and a decoder has no room for it: without one a read pays for one comparison. */
let observer: ReadObserver | undefined;

/** What `read` returns; whatever it reads, it reads before `by`. */
export function observeReads<T>(by: ReadObserver, read: () => T): T {
  assert(observer === undefined, "one observes at a time");
  observer = by;
  try {
    return read();
  } finally {
    observer = undefined;
  }
}

/** Around what makes up one thing, for the observer; a reader that throws need not leave. */
export function enter(what: string): void {
  observer?.enter(what);
}
export function leave(): void {
  observer?.leave();
}

/** Refuses what is left over. */
export function finishDecoding(decoder: Decoder): void {
  const left = bytesLeft(decoder);
  if (left > 0) throw malformed(`${left} bytes are left over`);
}

/** Bytes not read yet. */
export function bytesLeft(decoder: Decoder): number {
  return decoder.arr.length - decoder.pos;
}

function demand(decoder: Decoder, bytes: number, what: string): void {
  if (bytes > bytesLeft(decoder)) throw malformed(`they end within ${what}`);
}

/** One byte, 0 to 255. */
export function writeByte(encoder: Encoder, byte: number): void {
  assert((byte & 0xff) === byte, `no byte: ${byte}`);
  encoding.write(encoder, byte);
}
export function readByte(decoder: Decoder, what: string): number {
  demand(decoder, 1, what);
  const byte = decoding.readUint8(decoder);
  observer?.read(what, decoder.pos - 1, decoder.pos, byte);
  return byte;
}

/** A whole number from 0 to 2^53 - 1, seven bits a byte, lowest first; only the shortest form is read. */
export function writeUint(encoder: Encoder, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `no unsigned integer: ${value}`);
  encoding.writeVarUint(encoder, value);
}
export function readUint(decoder: Decoder, what: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const start = decoder.pos;
  let value: number;
  try {
    value = decoding.readVarUint(decoder);
  } catch {
    throw malformed(`${what} is cut short or too large for a number`);
  }
  if (decoder.pos - start > 1 && decoder.arr[decoder.pos - 1] === 0)
    throw malformed(`${what} is not in its shortest form`);
  if (!(value >= min && value <= max)) throw malformed(`${what} is ${value}, but must be from ${min} to ${max}`);
  observer?.read(what, start, decoder.pos, value);
  return value;
}

/** Four bytes, lowest first: for checksums and digests, whose bits are spread evenly. */
export function writeUint32(encoder: Encoder, value: number): void {
  assert(value >>> 0 === value, `no unsigned 32-bit integer: ${value}`);
  encoding.writeUint32(encoder, value);
}
export function readUint32(decoder: Decoder, what: string): number {
  demand(decoder, 4, what);
  const value = decoding.readUint32(decoder);
  observer?.read(what, decoder.pos - 4, decoder.pos, value);
  return value;
}

/** Whole milliseconds, as a `uint`. Fractions are cut off and negative spans are 0: nobody gets more time than the sender had. */
export function writeMillis(encoder: Encoder, millis: Millis): void {
  writeUint(encoder, Math.max(0, Math.floor(millis)));
}
export function readMillis(decoder: Decoder, what: string): Millis {
  const millis = readUint(decoder, what);
  observer?.means(`${millis} ms`);
  return millis;
}

/** One byte, 0 or 1. */
export function writeBoolean(encoder: Encoder, value: boolean): void {
  writeByte(encoder, value ? 1 : 0);
}
export function readBoolean(decoder: Decoder, what: string): boolean {
  const byte = readByte(decoder, what);
  if (byte > 1) throw malformed(`${what} is ${byte}, but must be 0 or 1`);
  observer?.means(byte === 1);
  return byte === 1;
}

/** One byte: the place of the value among `choices`. */
export function writeChoice<T>(encoder: Encoder, choices: readonly T[], value: T): void {
  const place = choices.indexOf(value);
  assert(place >= 0, `not among the choices: ${String(value)}`);
  writeByte(encoder, place);
}
export function readChoice<T>(decoder: Decoder, what: string, choices: readonly T[]): T {
  const place = readByte(decoder, what);
  if (place >= choices.length) throw malformed(`${what} is ${place}, but must be below ${choices.length}`);
  observer?.means(choices[place]);
  return choices[place] as T;
}

/** A presence byte, then the value if there is one. */
export function writeOptional<T>(
  encoder: Encoder,
  value: T | undefined,
  write: (encoder: Encoder, value: T) => void,
): void {
  writeBoolean(encoder, value !== undefined);
  if (value !== undefined) write(encoder, value);
}
export function readOptional<T>(decoder: Decoder, what: string, read: (decoder: Decoder) => T): T | undefined {
  return readBoolean(decoder, what) ? read(decoder) : undefined;
}

/** How many items follow. Read: at most `countMax`, and no more than what is left can hold at `bytesEach` or more an item. */
export function writeCount(encoder: Encoder, count: number): void {
  writeUint(encoder, count);
}
export function readCount(decoder: Decoder, what: string, countMax: number, bytesEach: number): number {
  const count = readUint(decoder, `the number of ${what}`);
  if (count > countMax) throw oversized(`The list of ${what}`, count, countMax);
  demand(decoder, count * bytesEach, `the list of ${what}`);
  return count;
}

/** A length, then the bytes. The reader copies them. */
export function writeBytes(encoder: Encoder, bytes: Uint8Array): void {
  writeUint(encoder, bytes.length);
  writeRaw(encoder, bytes);
}
export function readBytes(decoder: Decoder, what: string, bytesMax: number): Uint8Array {
  return readView(decoder, what, readLength(decoder, what, bytesMax)).slice();
}

/** Bytes whose number both ends know. The reader copies them. */
export function writeRaw(encoder: Encoder, bytes: Uint8Array): void {
  if (bytes.length < REFERENCED_BYTES_MIN) return encoding.writeUint8Array(encoder, bytes);
  encoder.bufs.push(encoder.cbuf.subarray(0, encoder.cpos), bytes);
  encoder.cbuf = new Uint8Array(256);
  encoder.cpos = 0;
}
export function readRaw(decoder: Decoder, what: string, length: number): Uint8Array {
  return readView(decoder, what, length).slice();
}

/** Everything that is left. The reader does not copy it. */
export function readRest(decoder: Decoder): Uint8Array {
  return readView(decoder, "the rest", bytesLeft(decoder));
}

function readLength(decoder: Decoder, what: string, bytesMax: number): number {
  const length = readUint(decoder, `the length of ${what}`);
  if (length > bytesMax) throw oversized(`The length of ${what}`, length, bytesMax);
  return length;
}

function readView(decoder: Decoder, what: string, length: number): Uint8Array {
  demand(decoder, length, what);
  const view = decoding.readUint8Array(decoder, length);
  observer?.read(what, decoder.pos - length, decoder.pos, view);
  return view;
}

/** A length in bytes, then strict UTF-8. */
export function writeText(encoder: Encoder, text: string): void {
  const length = utf8Length(text);
  writeUint(encoder, length);
  if (length > text.length) return writeRaw(encoder, utf8Encode(text));
  encoding.verifyLen(encoder, length);
  for (let i = 0; i < length; i++) encoder.cbuf[encoder.cpos++] = text.charCodeAt(i);
}
export function readText(decoder: Decoder, what: string, bytesMin: number, bytesMax: number): string {
  const length = readLength(decoder, what, bytesMax);
  if (length < bytesMin) throw malformed(`${what} is empty`);
  const text = utf8Decode(readView(decoder, what, length));
  if (text === undefined) throw malformed(`${what} is no valid UTF-8`);
  observer?.means(text);
  return text;
}

/** For each character code, the value of the hexadecimal digit; 255 for what is none (upper case included). */
const DIGIT_VALUES = new Uint8Array(128).fill(255);
const DIGITS = "0123456789abcdef";
for (let value = 0; value < 16; value++) DIGIT_VALUES[DIGITS.charCodeAt(value)] = value;

/** A name of `length` bytes that is lower-case hexadecimal in memory and travels as raw bytes. */
export function writeHex(encoder: Encoder, text: string, length: number): void {
  assert(text.length === 2 * length, `no name of ${length} bytes: ${text}`);
  encoding.verifyLen(encoder, length);
  const { cbuf } = encoder;
  let faults = 0;
  for (let i = 0; i < text.length; i += 2) {
    const high = DIGIT_VALUES[text.charCodeAt(i)] ?? 255;
    const low = DIGIT_VALUES[text.charCodeAt(i + 1)] ?? 255;
    faults |= high | low;
    cbuf[encoder.cpos++] = (high << 4) | low;
  }
  assert(faults < 16, `no lower-case hexadecimal: ${text}`);
}
export function readHex(decoder: Decoder, what: string, length: number): string {
  demand(decoder, length, what);
  const codes: number[] = [];
  for (let i = 0; i < length; i++) {
    const byte = decoding.readUint8(decoder);
    codes.push(DIGITS.charCodeAt(byte >> 4), DIGITS.charCodeAt(byte & 15));
  }
  const text = String.fromCharCode(...codes);
  observer?.read(what, decoder.pos - length, decoder.pos, text);
  return text;
}

/**
 * As {@link readHex}, for names that come again and again (nodes, actors): reading a known one costs a comparison and no new string, which
 * saves a third of the time of decoding a small message. A table with one place for each hash; a newcomer takes the place of whoever had it.
 */
export function readRecurringHex(decoder: Decoder, what: string, length: number): string {
  demand(decoder, length, what);
  const { arr, pos } = decoder;
  const slot = (arr[pos + length - 1]! | (arr[pos + length - 2]! << 8)) % RECURRING_MAX;
  const known = recurringTexts[slot]!;
  const knownAt = slot * RECURRING_BYTES_MAX;
  let same = known.length === 2 * length;
  for (let i = 0; same && i < length; i++) same = recurringBytes[knownAt + i] === arr[pos + i];
  if (same) {
    decoder.pos = pos + length;
    observer?.read(what, pos, decoder.pos, known);
    return known;
  }
  for (let i = 0; i < length; i++) recurringBytes[knownAt + i] = arr[pos + i]!;
  return (recurringTexts[slot] = readHex(decoder, what, length));
}
const RECURRING_MAX = 1_024;
const RECURRING_BYTES_MAX = 24;
const recurringTexts = new Array<string>(RECURRING_MAX).fill("");
const recurringBytes = new Uint8Array(RECURRING_MAX * RECURRING_BYTES_MAX);
