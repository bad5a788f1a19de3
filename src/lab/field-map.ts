/**
 * The bytes of a message or a record, and what each of them is. The bytes are written by the real encoder, and the fields are what the real decoder reads
 * (`observeReads` of wire/primitives.ts): there is no second parser here that could say something else.
 *
 * Limits: those of a message and of a record. Values are shown up to VALUE_LENGTH_MAX characters.
 */

import { assert } from "../base/assert.ts";
import { utf8Decode } from "../base/bytes.ts";
import type { StoredRecord } from "../core/effect.ts";
import type { Epoch } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { observeReads } from "../wire/primitives.ts";
import { decodeRecord, encodeRecord } from "../wire/record.ts";
import type { Letter } from "./world.ts";

const VALUE_LENGTH_MAX = 120;

/** Some bytes that are read as one. */
export interface Field {
  readonly start: number;
  /** 1 or more. */
  readonly length: number;
  /** As the decoder calls it. */
  readonly name: string;
  /** What the bytes stand for. */
  readonly value: string;
  /** What it is part of, the largest first: "set", "sibling 2", ... */
  readonly within: readonly string[];
}

export interface FieldMap<Content> {
  readonly bytes: Uint8Array;
  /** In the order of the bytes, all of them, and each once. */
  readonly fields: readonly Field[];
  /** What the decoder made of the bytes. */
  readonly content: Content;
}

export function mapOfLetter(letter: Letter): FieldMap<{ readonly epoch: Epoch; readonly message: Message }> {
  return mapOfMessage(bytesOfLetter(letter));
}

export function bytesOfLetter({ message, epoch, protocol }: Letter): Uint8Array {
  return encodeMessage(message, epoch, protocol);
}

/** Throws what `decodeMessage` throws. */
export function mapOfMessage(bytes: Uint8Array): FieldMap<{ readonly epoch: Epoch; readonly message: Message }> {
  const { fields, content } = observed(() => decodeMessage(bytes));
  const kind = content.message.kind;
  return {
    bytes,
    fields: fields.map((field) => (field.start === KIND_AT ? { ...field, value: `${field.value}: ${kind}` } : field)),
    content,
  };
}
/** Behind the version. */
const KIND_AT = 1;

export function mapOfRecord(record: StoredRecord): FieldMap<StoredRecord> {
  const bytes = encodeRecord(record);
  return { bytes, ...observed(() => decodeRecord(bytes)) };
}

const sizes = new WeakMap<Letter, number>();

/** Bytes of the message on its way, without what the link puts around it. */
export function sizeOf(letter: Letter): number {
  let size = sizes.get(letter);
  if (size === undefined) sizes.set(letter, (size = bytesOfLetter(letter).length));
  return size;
}

interface Group {
  readonly name: string;
  /** How many of each name it has had. */
  readonly parts: Map<string, number>;
}

function observed<Content>(read: () => Content): { readonly fields: Field[]; readonly content: Content } {
  const fields: Field[] = [];
  const groups: Group[] = [{ name: "", parts: new Map() }];
  // Undefined behind something of no bytes: what it means is nobody's.
  let last: Field | undefined;
  const content = observeReads(
    {
      read: (name, start, end, value) => {
        last = undefined;
        if (end === start) return;
        const within = groups.slice(1).map((group) => group.name);
        last = { start, length: end - start, name, value: shown(value), within };
        fields.push(last);
      },
      means: (value) => {
        if (last === undefined) return;
        last = { ...last, value: shown(value) };
        fields[fields.length - 1] = last;
      },
      enter: (name) => {
        const { parts } = groups.at(-1)!;
        const count = (parts.get(name) ?? 0) + 1;
        parts.set(name, count);
        groups.push({ name: REPEATED.has(name) ? `${name} ${count}` : name, parts: new Map() });
      },
      leave: () => {
        groups.pop();
        assert(groups.length > 0, "what was entered is left");
      },
    },
    read,
  );
  return { fields, content };
}
/** Those of which there may be several in one thing. */
const REPEATED = new Set(["sibling", "member"]);

function shown(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return shortened(value);
  if (value instanceof Uint8Array) {
    const text = utf8Decode(value);
    return text === undefined || /\p{Cc}/u.test(text) ? `${value.length} bytes` : shortened(`“${text}”`);
  }
  return "";
}

function shortened(text: string): string {
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX - 1)}…` : text;
}
