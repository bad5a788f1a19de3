/**
 * Frames: how messages share one ordered channel. A frame is what one turn has to say in one lane; small messages are packed into it, a
 * message larger than a frame is cut and put together again at the other side.
 *
 *     data frame     kind (foreground, background) | notes | sequence number in its lane | records to the end, at least one
 *     record         length * 4 + 0: a whole message | length * 4 + 1, total: the first part of one | length * 4 + 2: a next part; then the bytes
 *     control frame  kind | notes
 *     notes          one byte of flags (ping, pong, two grants), then the granted totals
 *
 * All numbers are canonical variable-length integers, low seven bits first. Credit: per lane, a sender may have sent so many bytes of data
 * frames in total as the receiver granted; it starts a frame only when its credit covers a largest one. The receiver grants again as soon as
 * a quarter of the window is used up, so that a channel without back-pressure never holds more than a window for a tab that does not read.
 *
 * Limits: a message 16 MiB; a frame 64 KiB, in the background lane 16 KiB, so that a request never waits behind more; windows 1 MiB and
 * 256 KiB; queues 32 MiB and 8 MiB; one message under reassembly per lane, whose memory grows with what came and not with what was declared.
 */

import { utf8Decode, utf8Encode } from "../base/bytes.ts";
import type { Lane } from "../core/effect.ts";
import { MalformedMessageError, OversizedError } from "../core/errors.ts";
import type { Millis } from "../core/identifiers.ts";

/** Largest message: a record with many siblings of the largest value does not fit and is refused by name. */
export const MESSAGE_BYTES_MAX = 16 * 1_048_576;
/** Every side takes frames of this size; no background frame is larger. */
export const FRAME_BYTES_MIN = 16_384;
export const FRAME_BYTES_MAX = 65_536;
/** How much may be on its way, sent and not yet taken. */
export const WINDOW_BYTES: Readonly<Record<Lane, number>> = { foreground: 1_048_576, background: 262_144 };
/** How much may wait to be sent; one message alone may always wait. */
export const QUEUE_BYTES_MAX: Readonly<Record<Lane, number>> = {
  foreground: 32 * 1_048_576,
  background: 8 * 1_048_576,
};
/** What an entry of a queue counts beyond its bytes, so that empty messages are bounded too. */
export const QUEUE_ENTRY_BYTES = 64;
/** A part shorter than this is not worth cutting a message for. */
const PART_BYTES_MIN = 256;
const GOODBYE_BYTES_MAX = 100;

export const FRAME_KIND = {
  hello: 1,
  proof: 2,
  refuse: 3,
  foreground: 4,
  background: 5,
  control: 6,
  goodbye: 7,
} as const;

const RECORD_WHOLE = 0;
const RECORD_FIRST = 1;
const RECORD_NEXT = 2;

const NOTE_PING = 1;
const NOTE_PONG = 2;
const NOTE_FOREGROUND = 4;
const NOTE_BACKGROUND = 8;

/** The error for bytes that are no frame of this protocol. */
export function malformedFrame(what: string): MalformedMessageError {
  return new MalformedMessageError(
    `The other side sent a malformed frame: ${what}. The link was closed and nothing of the frame was taken. If it happens again, reload both tabs to get the same build.`,
  );
}

/** The error for what goes beyond a limit of this protocol. */
export function oversized(what: string): OversizedError {
  return new OversizedError(
    `The other side went beyond a limit: ${what}. The link was closed and nothing of the frame was taken. If it happens again, reload both tabs to get the same build.`,
  );
}

/** Reads bytes from outside; throws {@link MalformedMessageError} instead of reading past the end. */
export class FrameReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformedFrame("it ends too early");
    this.#at++;
    return byte;
  }

  /** 0 to 2^53 - 1, in its shortest form only. */
  uint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if ((byte === 0 && scale > 1) || !Number.isSafeInteger(value)) break;
      return value;
    }
    throw malformedFrame("a number is not in its shortest form, or too large");
  }

  /** A view, not a copy. */
  view(length: number): Uint8Array {
    if (length > this.left) throw malformedFrame("it ends too early");
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  end(): void {
    if (this.left > 0) throw malformedFrame("bytes are left over");
  }
}

/** The bytes that {@link writeUint} takes for `value`. */
export function uintBytes(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Writes `value` (0 to 2^53 - 1) at `at`; gives the place after it. */
export function writeUint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** What rides along with any frame. A grant is the total of data-frame bytes that the other side may ever have sent in that lane. */
export interface Notes {
  readonly ping: boolean;
  readonly pong: boolean;
  readonly foreground: number | undefined;
  readonly background: number | undefined;
}

export const NO_NOTES: Notes = { ping: false, pong: false, foreground: undefined, background: undefined };

function notesBytes(notes: Notes): number {
  return (
    1 +
    (notes.foreground === undefined ? 0 : uintBytes(notes.foreground)) +
    (notes.background === undefined ? 0 : uintBytes(notes.background))
  );
}

function writeNotes(bytes: Uint8Array, at: number, notes: Notes): number {
  bytes[at++] =
    (notes.ping ? NOTE_PING : 0) |
    (notes.pong ? NOTE_PONG : 0) |
    (notes.foreground === undefined ? 0 : NOTE_FOREGROUND) |
    (notes.background === undefined ? 0 : NOTE_BACKGROUND);
  if (notes.foreground !== undefined) at = writeUint(bytes, at, notes.foreground);
  if (notes.background !== undefined) at = writeUint(bytes, at, notes.background);
  return at;
}

export function readNotes(reader: FrameReader): Notes {
  const flags = reader.byte();
  if (flags >= 16) throw malformedFrame("a flag is unknown");
  return {
    ping: (flags & NOTE_PING) !== 0,
    pong: (flags & NOTE_PONG) !== 0,
    foreground: flags & NOTE_FOREGROUND ? reader.uint() : undefined,
    background: flags & NOTE_BACKGROUND ? reader.uint() : undefined,
  };
}

export function controlFrame(notes: Notes): Uint8Array {
  const frame = new Uint8Array(1 + notesBytes(notes));
  frame[0] = FRAME_KIND.control;
  writeNotes(frame, 1, notes);
  return frame;
}

/** The last frame of a link that was up. Of `reason` only printable ASCII travels, at most 100 characters. */
export function goodbyeFrame(reason: string): Uint8Array {
  const text = utf8Encode(reason.slice(0, GOODBYE_BYTES_MAX).replace(/[^\x20-\x7e]/g, "?"));
  const frame = new Uint8Array(1 + text.length);
  frame[0] = FRAME_KIND.goodbye;
  frame.set(text, 1);
  return frame;
}

export function readGoodbye(reader: FrameReader): string {
  const reason = reader.left <= GOODBYE_BYTES_MAX ? utf8Decode(reader.view(reader.left)) : undefined;
  if (reason === undefined || /[^\x20-\x7e]/.test(reason)) throw malformedFrame("a goodbye is not a short text");
  return reason;
}

/** Messages of one lane on their way out: a queue, a sequence number and the credit. */
export class LaneSender {
  readonly #lane: Lane;
  #queue: Uint8Array[] = [];
  /** Place of the first message in the queue; what is before it is gone. */
  #first = 0;
  /** Bytes of the first message that are sent already. */
  #cut = 0;
  #queuedBytes = 0;
  #sequence = 0;
  #sentBytes = 0;
  #grantedBytes: number;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#grantedBytes = WINDOW_BYTES[lane];
  }

  /** False when the queue is full or the message is too large. */
  enqueue(message: Uint8Array): boolean {
    if (message.length > MESSAGE_BYTES_MAX) return false;
    const bytes = message.length + QUEUE_ENTRY_BYTES;
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > QUEUE_BYTES_MAX[this.#lane]) return false;
    this.#queue.push(message);
    this.#queuedBytes += bytes;
    return true;
  }

  clear(): void {
    this.#queue = [];
    this.#first = 0;
    this.#cut = 0;
    this.#queuedBytes = 0;
  }

  /** The other side's grant: never less than before, never more than a window beyond what it can have taken. */
  grant(totalBytes: number): void {
    if (totalBytes < this.#grantedBytes || totalBytes > this.#sentBytes + WINDOW_BYTES[this.#lane])
      throw malformedFrame(`a grant of ${totalBytes} bytes in the ${this.#lane} lane makes no sense`);
    this.#grantedBytes = totalBytes;
  }

  /** Something waits, and the credit covers a largest frame. */
  get ready(): boolean {
    return this.#first < this.#queue.length && this.#grantedBytes - this.#sentBytes >= FRAME_BYTES_MAX;
  }

  /** The next frame, of at most `frameBytesMax`; only when {@link ready}. */
  frame(notes: Notes, frameBytesMax: number): Uint8Array {
    const headerBytes = 1 + notesBytes(notes) + uintBytes(this.#sequence);
    const records: { readonly tag: number; readonly total: number; readonly bytes: Uint8Array }[] = [];
    let size = headerBytes;
    while (this.#first < this.#queue.length) {
      const message = this.#queue[this.#first]!;
      if (this.#cut === 0) {
        const wholeBytes = uintBytes(message.length * 4) + message.length;
        if (size + wholeBytes <= frameBytesMax) {
          records.push({ tag: RECORD_WHOLE, total: 0, bytes: message });
          size += wholeBytes;
          this.#shift();
          continue;
        }
        // What fits into a frame of its own is not cut.
        if (records.length > 0 && headerBytes + wholeBytes <= frameBytesMax) break;
      }
      const totalBytes = this.#cut === 0 ? uintBytes(message.length) : 0;
      const room = frameBytesMax - size - uintBytes(frameBytesMax * 4) - totalBytes;
      if (room < PART_BYTES_MIN) break;
      const part = message.subarray(this.#cut, this.#cut + room);
      records.push({ tag: this.#cut === 0 ? RECORD_FIRST : RECORD_NEXT, total: message.length, bytes: part });
      size += uintBytes(part.length * 4) + totalBytes + part.length;
      this.#cut += part.length;
      if (this.#cut < message.length) break;
      this.#shift();
    }

    const frame = new Uint8Array(size);
    frame[0] = FRAME_KIND[this.#lane];
    let at = writeUint(frame, writeNotes(frame, 1, notes), this.#sequence);
    for (const { tag, total, bytes } of records) {
      at = writeUint(frame, at, bytes.length * 4 + tag);
      if (tag === RECORD_FIRST) at = writeUint(frame, at, total);
      frame.set(bytes, at);
      at += bytes.length;
    }
    this.#sequence++;
    this.#sentBytes += frame.length;
    return frame;
  }

  #shift(): void {
    this.#queuedBytes -= this.#queue[this.#first]!.length + QUEUE_ENTRY_BYTES;
    this.#first++;
    this.#cut = 0;
    // Forget what was sent, in one go when it is half of the queue, so that a long queue is not moved for each message.
    if (this.#first * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** A message that was begun and is not whole yet. */
interface PartialMessage {
  bytes: Uint8Array;
  length: number;
  readonly total: number;
}

/** Messages of one lane on their way in: checks sequence and credit, puts cut messages together. */
export class LaneReceiver {
  readonly #lane: Lane;
  #sequence = 0;
  #takenBytes = 0;
  #grantedBytes: number;
  #partial: PartialMessage | undefined;
  #progressAt: Millis = 0;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#grantedBytes = WINDOW_BYTES[lane];
  }

  /** The messages that a data frame completes; `reader` stands after the notes. Throws, and then nothing of the frame counts. */
  take(reader: FrameReader, frameBytes: number, now: Millis): Uint8Array[] {
    this.#takenBytes += frameBytes;
    if (this.#takenBytes > this.#grantedBytes) throw oversized(`it sent beyond its credit in the ${this.#lane} lane`);
    const sequence = reader.uint();
    if (sequence !== this.#sequence)
      throw malformedFrame(`number ${sequence} of the ${this.#lane} lane came where ${this.#sequence} was due`);
    this.#sequence++;
    this.#progressAt = now;
    if (reader.left === 0) throw malformedFrame("a data frame without data");
    const messages: Uint8Array[] = [];
    while (reader.left > 0) {
      const message = this.#record(reader);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  /** When the last frame came, while a message is unfinished; then it must not stand still for long. */
  get waitsSince(): Millis | undefined {
    return this.#partial === undefined ? undefined : this.#progressAt;
  }

  /** Time passed that is not the other side's fault, or the other lane had the channel. */
  excuse(now: Millis): void {
    this.#progressAt = now;
  }

  /** The total to grant now, when enough was taken to be worth saying. */
  get grantDue(): number | undefined {
    const total = this.#takenBytes + WINDOW_BYTES[this.#lane];
    return total - this.#grantedBytes >= WINDOW_BYTES[this.#lane] / 4 ? total : undefined;
  }

  /** The grant was put into a frame. */
  granted(totalBytes: number): void {
    this.#grantedBytes = totalBytes;
  }

  clear(): void {
    this.#partial = undefined;
  }

  #record(reader: FrameReader): Uint8Array | undefined {
    const head = reader.uint();
    const tag = head % 4;
    const length = Math.floor(head / 4);
    switch (tag) {
      case RECORD_WHOLE:
        if (this.#partial !== undefined) throw malformedFrame("a message begins inside another");
        return reader.view(length).slice();
      case RECORD_FIRST: {
        if (this.#partial !== undefined) throw malformedFrame("a message begins inside another");
        const total = reader.uint();
        if (total > MESSAGE_BYTES_MAX) throw oversized(`a message of ${total} bytes was announced`);
        if (length === 0 || length >= total) throw malformedFrame("the first part of a message is empty or all of it");
        const part = reader.view(length);
        this.#partial = { bytes: new Uint8Array(Math.min(total, length * 2)), length: 0, total };
        return this.#append(this.#partial, part);
      }
      case RECORD_NEXT:
        if (this.#partial === undefined) throw malformedFrame("a part of no message");
        if (length === 0 || this.#partial.length + length > this.#partial.total)
          throw malformedFrame("a part of a message is empty or too long");
        return this.#append(this.#partial, reader.view(length));
      default:
        throw malformedFrame("a record of no known kind");
    }
  }

  #append(partial: PartialMessage, part: Uint8Array): Uint8Array | undefined {
    const length = partial.length + part.length;
    if (length > partial.bytes.length) {
      const larger = new Uint8Array(Math.min(partial.total, length * 2));
      larger.set(partial.bytes.subarray(0, partial.length));
      partial.bytes = larger;
    }
    partial.bytes.set(part, partial.length);
    partial.length = length;
    if (length < partial.total) return undefined;
    this.#partial = undefined;
    return partial.bytes;
  }
}
