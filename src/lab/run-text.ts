/**
 * A run as text, for the fragment of a link: what it is made of, what was done in it when, and where to stand. A version, a dot, and base64url of bytes with a
 * checksum over all of them. Each run has one text, and each text that is read gives back itself: whatever was changed on the way is refused by `LabError`
 * with the code bad-run, and nothing of it is taken.
 *
 * Times are ticks since the act before. Limits: TEXT_LENGTH_MAX, and those of `options.ts`, `acts.ts` and `timeline.ts`.
 */

import { crc32 } from "../base/crc32.ts";
import { parametersFrom } from "../core/config.ts";
import { MalformedMessageError } from "../core/errors.ts";
import type { Millis } from "../core/identifiers.ts";
import type { TokenSwap } from "../core/load-plan.ts";
import {
  type Decoder,
  type Encoder,
  finishDecoding,
  finishEncoding,
  readBoolean,
  readByte,
  readChoice,
  readCount,
  readOptional,
  readText,
  readUint,
  readUint32,
  startDecoding,
  startEncoding,
  writeBoolean,
  writeByte,
  writeChoice,
  writeCount,
  writeOptional,
  writeText,
  writeUint,
  writeUint32,
} from "../wire/primitives.ts";
import { type LabAct, SWAPS_MAX, actFault } from "./acts.ts";
import { type LabOptions, optionsFault } from "./options.ts";
import { ACTS_MAX, type DoneAct, RUN_MS_MAX, type Run, TICKS_PER_MS, tickAt } from "./timeline.ts";
import { LabError } from "./world.ts";

const VERSION = "1";
export const TEXT_LENGTH_MAX = 200_000;
const TEXT_BYTES_MAX = 8_192;
const NAMES_MAX = 512;

/** A run, and the moment to open it at. */
export interface RunLink {
  readonly run: Run;
  readonly position: Millis;
}

/** How one field of an act is written. */
interface Field {
  write(encoder: Encoder, value: unknown): void;
  read(decoder: Decoder): unknown;
}

const text: Field = {
  write: (encoder, value) => writeText(encoder, value as string),
  read: (decoder) => readText(decoder, "a text", 0, TEXT_BYTES_MAX),
};
const whole: Field = {
  write: (encoder, value) => writeUint(encoder, value as number),
  read: (decoder) => readUint(decoder, "a number"),
};
/** Sign first. */
const signed: Field = {
  write: (encoder, value) => {
    writeBoolean(encoder, (value as number) < 0);
    writeUint(encoder, Math.abs(value as number));
  },
  read: (decoder) => {
    const isNegative = readBoolean(decoder, "a sign");
    const size = readUint(decoder, "a number", isNegative ? 1 : 0);
    return isNegative ? -size : size;
  },
};
const flag: Field = {
  write: (encoder, value) => writeBoolean(encoder, value as boolean),
  read: (decoder) => readBoolean(decoder, "a flag"),
};
const context: Field = {
  write: (encoder, value) => writeChoice(encoder, CONTEXTS, value),
  read: (decoder) => readChoice(decoder, "a context", CONTEXTS),
};
const CONTEXTS: readonly unknown[] = ["seen", "own", "none"];
const names: Field = {
  write: (encoder, value) => {
    writeCount(encoder, (value as readonly string[]).length);
    for (const name of value as readonly string[]) writeText(encoder, name);
  },
  read: (decoder) =>
    Array.from({ length: readCount(decoder, "nodes", NAMES_MAX, 1) }, () => readText(decoder, "a name", 1, 64)),
};
const swaps: Field = {
  write: (encoder, value) => {
    writeCount(encoder, (value as readonly TokenSwap[]).length);
    for (const [a, b] of value as readonly TokenSwap[]) {
      writeUint(encoder, a);
      writeUint(encoder, b);
    }
  },
  read: (decoder): readonly TokenSwap[] =>
    Array.from(
      { length: readCount(decoder, "swaps", SWAPS_MAX, 2) },
      () => [readUint(decoder, "a token"), readUint(decoder, "a token")] as const,
    ),
};

function optional(field: Field): Field {
  return {
    write: (encoder, value) => writeOptional(encoder, value, (_, given) => field.write(encoder, given)),
    read: (decoder) => readOptional(decoder, "a field", () => field.read(decoder)),
  };
}

type Fields<Act> = { readonly [Name in Exclude<keyof Act, "do">]-?: Field };

/** Each kind of act: its byte, which never changes, and its fields in their order. */
const FORMS: { readonly [Kind in LabAct["do"]]: readonly [byte: number, Fields<Extract<LabAct, { do: Kind }>>] } = {
  put: [1, { node: text, key: text, value: text, context, w: optional(whole) }],
  delete: [2, { node: text, key: text, context, w: optional(whole) }],
  get: [3, { node: text, key: text, r: optional(whole) }],
  bucket: [4, { node: text, bucket: text, policy: text, r: optional(whole), w: optional(whole) }],
  join: [5, { name: text, capacity: whole, zone: text, via: text, light: flag }],
  leave: [6, { node: text, planned: optional(whole) }],
  remove: [7, { node: text, target: text, force: flag, planned: optional(whole) }],
  crash: [8, { node: text }],
  close: [9, { node: text }],
  restart: [10, { node: text }],
  freeze: [11, { node: text, forMs: whole }],
  thaw: [12, { node: text }],
  wipe: [13, { node: text, successor: text }],
  cut: [14, { side: names, other: names }],
  "cut-one-way": [15, { from: names, to: names }],
  heal: [16, {}],
  slow: [17, { node: text, factor: whole }],
  gray: [18, { node: text, byMs: optional(whole) }],
  loss: [19, { perMille: whole }],
  skew: [20, { node: text, byMs: signed }],
  "disk-full": [21, { node: text, full: flag }],
  "flip-bit": [22, { node: text, key: text }],
  "disk-slow": [23, { node: text, factor: whole }],
  hide: [24, { node: text, throttleMs: whole }],
  unhide: [25, { node: text }],
  drop: [26, { flight: whole }],
  delay: [27, { flight: whole, byMs: whole }],
  duplicate: [28, { flight: whole }],
  load: [
    29,
    { bucket: text, perSecond: whole, readsPercent: whole, keys: whole, zipf: flag, seed: whole, forMs: whole },
  ],
  latency: [30, { nodes: names, byMs: whole }],
  catch: [31, { from: text, to: text, kind: text, how: text, byMs: whole }],
  move: [32, { node: text, swaps, planned: whole }],
  server: [33, { down: flag }],
};
const KINDS = new Map(Object.entries(FORMS).map(([kind, [byte]]) => [byte, kind as LabAct["do"]]));

/** Throws `LabError` (bad-run) when the run is none, or too long for a link. */
export function encodeRun({ run, position }: RunLink): string {
  const fault = runFault(run, position);
  if (fault !== undefined) throw badRun(fault);
  const encoder = startEncoding();
  writeOptions(encoder, run.options);
  writeCount(encoder, run.acts.length);
  let before = 0;
  for (const { at, act } of run.acts) {
    const ticks = at * TICKS_PER_MS;
    writeUint(encoder, ticks - before);
    before = ticks;
    writeAct(encoder, act);
  }
  writeUint(encoder, Math.floor(position * TICKS_PER_MS));
  const body = finishEncoding(encoder);
  const sealed = startEncoding();
  for (const byte of body) writeByte(sealed, byte);
  writeUint32(sealed, crc32(body));
  const link = `${VERSION}.${toBase64Url(finishEncoding(sealed))}`;
  if (link.length > TEXT_LENGTH_MAX) throw badRun("it is too long for a link");
  return link;
}

/** Throws `LabError` (bad-run) for whatever `encodeRun` has not made. */
export function decodeRun(link: string): RunLink {
  if (link.length > TEXT_LENGTH_MAX) throw badRun("it is too long");
  const [, version, base64 = ""] = /^(\d{1,6})\.([A-Za-z0-9_-]*)$/.exec(link) ?? [];
  if (version === undefined) throw badRun("it does not look like one");
  if (version !== VERSION) throw badRun(`it has version ${version}, and this build reads version ${VERSION}`);
  const bytes = fromBase64Url(base64);
  if (bytes === undefined || bytes.length < 4) throw badRun("it is cut short, or was changed");
  try {
    const body = bytes.subarray(0, bytes.length - 4);
    if (readUint32(startDecoding(bytes.subarray(bytes.length - 4)), "the checksum") !== crc32(body))
      throw badRun("its checksum is wrong: it was cut short, or changed");
    return readLink(startDecoding(body));
  } catch (error) {
    if (error instanceof MalformedMessageError) throw badRun(error.message);
    throw error;
  }
}

function readLink(decoder: Decoder): RunLink {
  const options = readOptions(decoder);
  const count = readCount(decoder, "acts", ACTS_MAX, 2);
  const acts: DoneAct[] = [];
  let ticks = 0;
  for (let i = 0; i < count; i++) {
    ticks += readUint(decoder, "a time", 0, RUN_MS_MAX * TICKS_PER_MS);
    acts.push({ at: ticks / TICKS_PER_MS, act: readAct(decoder) });
  }
  const position = readUint(decoder, "the position") / TICKS_PER_MS;
  finishDecoding(decoder);
  const run = { options, acts };
  const fault = runFault(run, position);
  if (fault !== undefined) throw badRun(fault);
  return { run, position };
}

function runFault({ options, acts }: Run, position: Millis): string | undefined {
  if (acts.length > ACTS_MAX) return `it has more than ${ACTS_MAX} acts`;
  if (!(position >= 0 && position <= RUN_MS_MAX)) return "its position is no moment of it";
  let before = 0;
  for (const { at, act } of acts) {
    if (!(at >= before && at <= RUN_MS_MAX && tickAt(at) === at)) return "its acts are in no order";
    before = at;
    const fault = actFault(act);
    if (fault !== undefined) return fault;
  }
  return optionsFault(options);
}

function writeAct(encoder: Encoder, act: LabAct): void {
  const [byte, fields] = FORMS[act.do];
  writeByte(encoder, byte);
  for (const [name, field] of Object.entries<Field>(fields))
    field.write(encoder, (act as unknown as Readonly<Record<string, unknown>>)[name]);
}

function readAct(decoder: Decoder): LabAct {
  const byte = readByte(decoder, "a kind of act");
  const kind = KINDS.get(byte);
  if (kind === undefined) throw badRun(`it has an act of kind ${byte}, which this build does not know`);
  const act: Record<string, unknown> = { do: kind };
  for (const [name, field] of Object.entries<Field>(FORMS[kind][1])) {
    const value = field.read(decoder);
    if (value !== undefined) act[name] = value;
  }
  // "gray" has a field that may be undefined and must be there.
  if (kind === "gray") act["byMs"] ??= undefined;
  return act as unknown as LabAct;
}

function writeOptions(encoder: Encoder, options: LabOptions): void {
  const { seed, nodes, parameters, latencyMs, jitterMs, removeAfterMs, reapAfterMs } = options;
  writeUint(encoder, seed);
  writeCount(encoder, nodes.length);
  for (const { name, capacity, zone } of nodes) {
    writeText(encoder, name);
    writeUint(encoder, capacity);
    // Mostly each is a zone of its own.
    writeText(encoder, zone === name ? "" : zone);
  }
  const { n, r, w, partitions, placement, tokensPerNode } = parameters;
  for (const number of [n, r, w, partitions, placement, tokensPerNode, latencyMs.min, latencyMs.max, jitterMs])
    writeUint(encoder, number);
  for (const afterMs of [removeAfterMs, reapAfterMs]) writeOptional(encoder, afterMs, writeUint);
}

function readOptions(decoder: Decoder): LabOptions {
  const number = (): number => readUint(decoder, "a number");
  const seed = number();
  const nodes = Array.from({ length: readCount(decoder, "nodes", NAMES_MAX, 3) }, () => {
    const name = readText(decoder, "a name", 1, 64);
    const capacity = number();
    const zone = readText(decoder, "a zone", 0, 256);
    if (zone === name) throw badRun("it is not in its shortest form");
    return { name, capacity, zone: zone === "" ? name : zone };
  });
  const [n, r, w, partitions] = [number(), number(), number(), number()];
  const placement = readUint(decoder, "the placement", 1, 3) as 1 | 2 | 3;
  const parameters = parametersFrom({ n, r, w, partitions, placement, tokensPerNode: number() });
  const latencyMs = { min: number(), max: number() };
  const jitterMs = number();
  const removeAfterMs = readOptional(decoder, "a time", number);
  const reapAfterMs = readOptional(decoder, "a time", number);
  return { seed, nodes, parameters, latencyMs, jitterMs, removeAfterMs, reapAfterMs };
}

function badRun(fault: string): LabError {
  return new LabError("bad-run", `This link cannot be opened: ${fault}. Nothing was changed. Ask for the link again.`);
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

function toBase64Url(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = Math.min(3, bytes.length - i);
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let k = 0; k <= left; k++) out += DIGITS[(word >> (18 - 6 * k)) & 63]!;
  }
  return out;
}

/** Undefined when it is none, or has bits that belong to no byte. */
function fromBase64Url(base64: string): Uint8Array | undefined {
  if (base64.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((base64.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const digit of base64) {
    word = ((word << 6) | (VALUES.get(digit) ?? 0)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (word >> bits) & 0xff;
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
