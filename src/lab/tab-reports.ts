/**
 * What tabs and labs of one browser say to each other, as it goes over a channel: a lab tells that it listens, asks what a disk has of a key, and asks a tab to
 * do something; a tab tells what its node did since it told last. Messages, records and views go as the bytes that links and disks carry, so that their own
 * decoders check them; the rest is plain data of this very format. Who speaks on the channel is a page of this origin, of this build or of another one: another
 * format is not read, and told to the reader, and what does not parse is nothing.
 *
 * Times are of the clock that all pages of a computer share: `performance.timeOrigin + performance.now()`.
 *
 * Limits: HAPPENINGS_MAX and HAPPENINGS_BYTES_MAX from one report to the next; what is more is not told, and counted in `untold`.
 */

import { crc32 } from "../base/crc32.ts";
import type { BucketPolicy } from "../core/buckets.ts";
import type { Clock, DvvSet } from "../core/dvvset.ts";
import type { Effect, Note, StoredRecord } from "../core/effect.ts";
import { OversizedError, TabringError } from "../core/errors.ts";
import type { NodeEvent } from "../core/event.ts";
import { isNodeId, MEMBERS_MAX, type Key, type Millis, type NodeId, type OperationId } from "../core/identifiers.ts";
import type { View } from "../core/membership.ts";
import type { ClientResult, Message } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "../wire/record.ts";
import { CATCHABLE_KINDS, CATCHES, type Catch, type CatchableKind, type PutContext } from "./acts.ts";
import { isTold } from "./tellings.ts";

export const REPORT_FORMAT = 2;
export const HAPPENINGS_MAX = 4_000;
export const HAPPENINGS_BYTES_MAX = 8 * 1_048_576;
const TEXT_LENGTH_MAX = 4_096;
const CAUGHT_MAX = 64;

// ---------------------------------------------------------------------------------------------------------------- what a lab says

/** What one tab is asked to do. */
export type TabAct =
  | {
      readonly do: "put";
      readonly key: string;
      readonly value: string;
      readonly context: PutContext;
      readonly w: number | undefined;
    }
  | { readonly do: "delete"; readonly key: string; readonly context: PutContext; readonly w: number | undefined }
  | { readonly do: "get"; readonly key: string; readonly r: number | undefined }
  | {
      readonly do: "bucket";
      readonly bucket: string;
      readonly policy: BucketPolicy;
      readonly r: number | undefined;
      readonly w: number | undefined;
    }
  | { readonly do: "leave"; readonly planned: number | undefined }
  | { readonly do: "remove"; readonly target: NodeId; readonly force: boolean; readonly planned: number | undefined }
  | { readonly do: "close" | "restart" | "heal" }
  | /** Both ways, and beside what is cut already. */ { readonly do: "cut"; readonly nodes: readonly NodeId[] }
  | /** What it says to these is lost, as what it says to those before. */ {
      readonly do: "mute";
      readonly nodes: readonly NodeId[];
    }
  | { readonly do: "lose"; readonly perMille: number }
  | { readonly do: "latency" | "skew"; readonly byMs: Millis }
  | { readonly do: "freeze"; readonly forMs: Millis }
  | { readonly do: "thaw" }
  | { readonly do: "disk-full"; readonly full: boolean }
  | { readonly do: "server"; readonly down: boolean }
  | ({ readonly do: "catch" } & CaughtMessage);

/** What is to become of the next message of a kind to a node; see `FaultControls.catchNext`. */
export interface CaughtMessage {
  readonly to: NodeId;
  readonly kind: CatchableKind;
  readonly how: Catch;
  readonly byMs: Millis;
}

export type LabCall =
  | { readonly kind: "listening"; readonly lab: string }
  | { readonly kind: "look"; readonly lab: string; readonly key: string }
  | { readonly kind: "do"; readonly lab: string; readonly number: number; readonly node: NodeId; readonly act: TabAct };

export function sealCall(call: LabCall): unknown {
  return { format: REPORT_FORMAT, ...call };
}

/** Undefined when it is nothing that a lab of this build says. */
export function parseCall(data: unknown): LabCall | undefined {
  if (!isObject(data) || data["format"] !== REPORT_FORMAT || !isText(data["lab"])) return undefined;
  const { kind, lab } = data;
  if (kind === "listening") return { kind, lab };
  if (kind === "look") return isText(data["key"]) ? { kind, lab, key: data["key"] } : undefined;
  if (kind !== "do" || !isCount(data["number"]) || !isNode(data["node"])) return undefined;
  const act = parseAct(data["act"]);
  return act === undefined ? undefined : { kind, lab, number: data["number"], node: data["node"], act };
}

function parseAct(data: unknown): TabAct | undefined {
  if (!isObject(data)) return undefined;
  const {
    do: what,
    key,
    value,
    context,
    w,
    r,
    bucket,
    policy,
    planned,
    target,
    force,
    nodes,
    perMille,
    byMs,
    forMs,
    full,
    down,
  } = data;
  const isQuorum = (number: unknown): number is number | undefined => number === undefined || isCount(number);
  const isContext = context === "seen" || context === "own" || context === "none";
  switch (what) {
    case "put":
      return isText(key) && isText(value) && isContext && isQuorum(w)
        ? { do: what, key, value, context, w }
        : undefined;
    case "delete":
      return isText(key) && isContext && isQuorum(w) ? { do: what, key, context, w } : undefined;
    case "get":
      return isText(key) && isQuorum(r) ? { do: what, key, r } : undefined;
    case "bucket":
      return isText(bucket) && isText(policy) && isQuorum(r) && isQuorum(w)
        ? { do: what, bucket, policy: policy as BucketPolicy, r, w }
        : undefined;
    case "leave":
      return isQuorum(planned) ? { do: what, planned } : undefined;
    case "remove":
      return isNode(target) && typeof force === "boolean" && isQuorum(planned)
        ? { do: what, target, force, planned }
        : undefined;
    case "close":
    case "restart":
    case "heal":
    case "thaw":
      return { do: what };
    case "cut":
    case "mute":
      return areNodes(nodes) ? { do: what, nodes } : undefined;
    case "lose":
      return isCount(perMille) && perMille <= 1_000 ? { do: what, perMille } : undefined;
    case "latency":
      return isCount(byMs) ? { do: what, byMs } : undefined;
    case "catch":
      return isCaught(data) ? { do: what, to: data.to, kind: data.kind, how: data.how, byMs: data.byMs } : undefined;
    case "skew":
      return isSkew(byMs) ? { do: what, byMs } : undefined;
    case "freeze":
      return isCount(forMs) ? { do: what, forMs } : undefined;
    case "server":
      return typeof down === "boolean" ? { do: what, down } : undefined;
    case "disk-full":
      return typeof full === "boolean" ? { do: what, full } : undefined;
    default:
      return undefined;
  }
}

// ---------------------------------------------------------------------------------------------------------------- what a tab says

/** opening: its disk is not open yet. gone: left, or removed; its data is thrown away. away: its page goes. */
export type TabPhase = "opening" | "open" | "closed" | "gone" | "away";

/** Faults that a tab has on purpose; see `FaultControls`. */
export interface TabFaults {
  readonly cut: "none" | "all" | readonly NodeId[];
  readonly muted: readonly NodeId[];
  readonly perMilleLost: number;
  readonly addedLatencyMs: Millis;
  /** Messages that have not come yet. */
  readonly toCatch: readonly CaughtMessage[];
  readonly frozen: boolean;
  readonly diskFull: boolean;
  readonly clockSkewMs: Millis;
  /** It stays away from the server. */
  readonly serverCut: boolean;
}

export const NO_FAULTS: TabFaults = {
  cut: "none",
  muted: [],
  perMilleLost: 0,
  addedLatencyMs: 0,
  toCatch: [],
  frozen: false,
  diskFull: false,
  clockSkewMs: 0,
  serverCut: false,
};

export interface Snapshot {
  readonly view: NodeView;
  readonly statistics: StatisticsSnapshot | undefined;
}

/** A message beside its own bytes' sum, by which its sending is found when it is received. */
interface Carried {
  readonly message: Message;
  readonly sum: string;
}

export type Happening =
  | {
      readonly what: "step";
      readonly at: Millis;
      /** A request of a caller, or a message; a wake stands for all else. */
      readonly event: NodeEvent;
      /** Of the message that was received. */
      readonly sum: string | undefined;
      readonly sent: readonly (Carried & { readonly to: NodeId })[];
      /** Replies, notes and the departure. */
      readonly effects: readonly Effect[];
    }
  | /** A message that it has just sent was caught. */ {
      readonly what: "caught";
      readonly at: Millis;
      readonly fault: CaughtMessage;
      readonly sum: string;
    }
  | {
      readonly what: "stored";
      readonly at: Millis;
      readonly store: "records" | "hints";
      readonly address: string;
      readonly set: DvvSet | undefined;
    };

/** What a disk has of a key. */
export interface KeyAnswer {
  readonly key: Key;
  readonly record: DvvSet | undefined;
  readonly damaged: boolean;
  readonly hints: readonly { readonly target: NodeId; readonly set: DvvSet }[];
}

export type TabSpeech =
  | {
      readonly kind: "report";
      readonly node: NodeId;
      /** Everything before this was told. */
      readonly at: Millis;
      readonly phase: TabPhase;
      readonly isLight: boolean;
      readonly faults: TabFaults;
      readonly happenings: readonly Happening[];
      /** Happenings that were too many to be told. */
      readonly untold: number;
      /** Undefined: as before. */
      readonly snapshot: Snapshot | undefined;
    }
  | { readonly kind: "has"; readonly node: NodeId; readonly at: Millis; readonly answer: KeyAnswer }
  | {
      readonly kind: "done";
      readonly node: NodeId;
      readonly lab: string;
      readonly number: number;
      /** Undefined when it was done. */
      readonly fault: { readonly code: string; readonly message: string } | undefined;
    };

/** Of another format, or damaged. */
export interface StrangeSpeech {
  readonly kind: "strange";
}

/** Collects what a node does between two reports, in the form that goes over the channel. */
export class HappeningWriter {
  readonly #now: () => Millis;
  #happenings: unknown[] = [];
  #bytes = 0;
  #untold = 0;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  stepped(event: NodeEvent, effects: readonly Effect[]): void {
    const told = effects.filter(
      (effect) =>
        effect.kind === "reply" || effect.kind === "departed" || (effect.kind === "note" && isTold(effect.note)),
    );
    const sends = effects.filter((effect) => effect.kind === "send");
    const isCause = event.kind === "client-get" || event.kind === "client-put" || event.kind === "message-received";
    if (!isCause && told.length === 0 && sends.length === 0) return;
    this.#add(() => ({
      what: "step",
      at: this.#now(),
      cause: isCause ? causeOf(event) : undefined,
      sent: sends.map(({ to, message }) => ({ to, message: this.#counted(encodeMessage(message, 0)) })),
      replies: told.flatMap((effect) =>
        effect.kind === "reply" ? [{ request: effect.request, result: effect.result }] : [],
      ),
      notes: told.flatMap((effect) => (effect.kind === "note" ? [effect.note] : [])),
      departed: told.flatMap((effect) =>
        effect.kind === "departed" ? [{ standing: effect.standing, by: effect.by }] : [],
      )[0],
    }));
  }

  stored(store: "records" | "hints", address: string, record: StoredRecord | null): void {
    this.#add(() => ({
      what: "stored",
      at: this.#now(),
      store,
      address,
      record: record === null ? null : this.#counted(encodeRecord(record)),
    }));
  }

  caught({ to, kind, how, byMs }: CaughtMessage, message: Message): void {
    this.#add(() => ({
      what: "caught",
      at: this.#now(),
      fault: { to, kind, how, byMs },
      message: this.#counted(encodeMessage(message, 0)),
    }));
  }

  /** All since it was asked last. */
  take(): { readonly happenings: readonly unknown[]; readonly untold: number } {
    const taken = { happenings: this.#happenings, untold: this.#untold };
    this.#happenings = [];
    this.#bytes = 0;
    this.#untold = 0;
    return taken;
  }

  #add(make: () => unknown): void {
    if (this.#happenings.length >= HAPPENINGS_MAX || this.#bytes >= HAPPENINGS_BYTES_MAX) {
      this.#untold++;
      return;
    }
    try {
      this.#happenings.push(make());
    } catch (error) {
      // What is too large for a message was not sent either.
      if (!(error instanceof OversizedError)) throw error;
      this.#untold++;
    }
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#bytes += bytes.length;
    return bytes;
  }
}

function causeOf(event: NodeEvent & { kind: "client-get" | "client-put" | "message-received" }): unknown {
  if (event.kind === "message-received")
    return { kind: event.kind, from: event.from, message: encodeMessage(event.message, 0) };
  if (event.kind === "client-get") return { kind: event.kind, request: event.request, key: event.key };
  const { value, context, operation } = event.write;
  return { kind: event.kind, request: event.request, key: event.key, value, context, operation };
}

/** The members as bytes; equal bytes, equal views. */
export function viewBytes(view: View): Uint8Array {
  return encodeMeta({ incarnation: 1, view, unopened: [] });
}

/** What is told of a node's view: `bytes` of what it sees of the members, or undefined when those are as they were told before. */
export function snapshotForm(
  { view: _, ...rest }: NodeView,
  bytes: Uint8Array | undefined,
  statistics: StatisticsSnapshot | undefined,
): unknown {
  return { view: bytes, rest, statistics };
}

export function sealReport(report: {
  readonly node: NodeId;
  readonly at: Millis;
  readonly phase: TabPhase;
  readonly isLight: boolean;
  readonly faults: TabFaults;
  readonly happenings: readonly unknown[];
  readonly untold: number;
  readonly snapshot: unknown;
}): unknown {
  return { format: REPORT_FORMAT, kind: "report", ...report };
}

export function sealAnswer(
  node: NodeId,
  at: Millis,
  key: string,
  disk: {
    readonly record: StoredRecord | undefined;
    readonly damaged: boolean;
    readonly hints: readonly { readonly target: NodeId; readonly record: StoredRecord }[];
  },
): unknown {
  const record = disk.record === undefined ? null : encodeRecord(disk.record);
  const hints = disk.hints.map((hint) => ({ target: hint.target, record: encodeRecord(hint.record) }));
  return { format: REPORT_FORMAT, kind: "has", node, at, key, record, damaged: disk.damaged, hints };
}

export function sealDone(
  node: NodeId,
  lab: string,
  number: number,
  fault: { readonly code: string; readonly message: string } | undefined,
): unknown {
  return { format: REPORT_FORMAT, kind: "done", node, lab, number, fault };
}

/** Reads what tabs say; keeps what each has told of the members, because that is told once. */
export class SpeechReader {
  readonly #views = new Map<NodeId, View | undefined>();

  /** Undefined when it is nothing that a tab says. */
  read(data: unknown): TabSpeech | StrangeSpeech | undefined {
    if (!isObject(data) || !isNode(data["node"])) return undefined;
    if (data["format"] !== REPORT_FORMAT) return { kind: "strange" };
    try {
      if (data["kind"] === "report") return this.#report(data, data["node"]);
      if (data["kind"] === "has") return answerIn(data, data["node"]);
      if (data["kind"] === "done") return doneIn(data, data["node"]);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      return { kind: "strange" };
    }
    return undefined;
  }

  #report(data: Plain, node: NodeId): TabSpeech | undefined {
    const { at, phase, isLight, faults, happenings, untold, snapshot } = data;
    if (!isTime(at) || !isPhase(phase) || typeof isLight !== "boolean" || !areFaults(faults) || !isCount(untold))
      return undefined;
    if (!Array.isArray(happenings) || happenings.length > HAPPENINGS_MAX) return undefined;
    const read = (happenings as unknown[]).flatMap((happening) => readable(happening) ?? []);
    return {
      kind: "report",
      node,
      at,
      phase,
      isLight,
      faults,
      happenings: read,
      untold: untold + happenings.length - read.length,
      snapshot: this.#snapshot(node, snapshot),
    };
  }

  #snapshot(node: NodeId, data: unknown): Snapshot | undefined {
    if (!isObject(data)) return undefined;
    const { view: bytes, rest, statistics } = data;
    if (!isObject(rest) || !Array.isArray(rest["peers"]) || !Array.isArray(rest["hints"])) return undefined;
    if (bytes instanceof Uint8Array) this.#views.set(node, decodeMeta(bytes).view);
    const view = { ...(rest as unknown as Omit<NodeView, "view">), view: this.#views.get(node) };
    return { view, statistics: isObject(statistics) ? (statistics as unknown as StatisticsSnapshot) : undefined };
  }
}

/** One that a newer or older build wrote does not take the others with it. */
function readable(data: unknown): Happening | undefined {
  try {
    return happeningIn(data);
  } catch (error) {
    if (error instanceof TabringError) return undefined;
    throw error;
  }
}

function happeningIn(data: unknown): Happening | undefined {
  if (!isObject(data) || !isTime(data["at"])) return undefined;
  const { at, what } = data;
  if (what === "stored") {
    const { store, address, record } = data;
    if ((store !== "records" && store !== "hints") || !isText(address)) return undefined;
    return { what, at, store, address, set: setIn(record) };
  }
  if (what === "caught") {
    const { fault, message } = data;
    return isCaught(fault) && message instanceof Uint8Array ? { what, at, fault, sum: sumOf(message) } : undefined;
  }
  const { cause, sent, replies, notes, departed } = data;
  if (what !== "step" || !Array.isArray(sent) || !Array.isArray(replies) || !Array.isArray(notes)) return undefined;
  const event = eventIn(cause, at);
  const sends = (sent as unknown[]).map(sendIn);
  if (event === undefined || !sends.every((each) => each !== undefined)) return undefined;
  const effects: Effect[] = [
    ...(replies as unknown[]).flatMap((reply): Effect[] =>
      isObject(reply) && isCount(reply["request"]) && isObject(reply["result"])
        ? [{ kind: "reply", request: reply["request"], result: reply["result"] as unknown as ClientResult }]
        : [],
    ),
    ...(notes as unknown[]).flatMap((note): Effect[] =>
      isObject(note) && isText(note["what"]) ? [{ kind: "note", note: note as unknown as Note }] : [],
    ),
    ...(isObject(departed) && isNode(departed["by"])
      ? [
          {
            kind: "departed" as const,
            standing: departed["standing"] === "left" ? ("left" as const) : ("removed" as const),
            by: departed["by"],
          },
        ]
      : []),
  ];
  return { what, at, event: event.event, sum: event.sum, sent: sends, effects };
}

function eventIn(
  cause: unknown,
  at: Millis,
): { readonly event: NodeEvent; readonly sum: string | undefined } | undefined {
  if (cause === undefined) return { event: { kind: "wake", at }, sum: undefined };
  if (!isObject(cause)) return undefined;
  const { kind, from, message, request, key, value, context, operation } = cause;
  if (kind === "message-received") {
    if (!isNode(from) || !(message instanceof Uint8Array)) return undefined;
    return { event: { kind, at, from, ...decodeMessage(message) }, sum: sumOf(message) };
  }
  if (!isCount(request) || !isText(key)) return undefined;
  const asked = { at, request: request, key: key as Key, timeoutMs: undefined };
  if (kind === "client-get") return { event: { ...asked, kind, r: undefined }, sum: undefined };
  if (kind !== "client-put" || !(value === null || value instanceof Uint8Array)) return undefined;
  if (!Array.isArray(context) || !isText(operation)) return undefined;
  const write = { value, context: context as Clock, operation: operation as OperationId, at: 0, w: undefined };
  return { event: { ...asked, kind, write, prefer: undefined }, sum: undefined };
}

function sendIn(data: unknown): (Carried & { readonly to: NodeId }) | undefined {
  if (!isObject(data) || !isNode(data["to"]) || !(data["message"] instanceof Uint8Array)) return undefined;
  return { to: data["to"], message: decodeMessage(data["message"]).message, sum: sumOf(data["message"]) };
}

function answerIn(data: Plain, node: NodeId): TabSpeech | undefined {
  const { at, key, record, damaged, hints } = data;
  if (!isTime(at) || !isText(key) || typeof damaged !== "boolean" || !Array.isArray(hints)) return undefined;
  const kept = (hints as unknown[]).flatMap((hint) => {
    const set = isObject(hint) ? setIn(hint["record"]) : undefined;
    return isObject(hint) && isNode(hint["target"]) && set !== undefined ? [{ target: hint["target"], set }] : [];
  });
  return { kind: "has", node, at, answer: { key: key as Key, record: setIn(record), damaged, hints: kept } };
}

function doneIn(data: Plain, node: NodeId): TabSpeech | undefined {
  const { lab, number, fault } = data;
  if (!isText(lab) || !isCount(number)) return undefined;
  const { code, message } = isObject(fault) ? fault : {};
  return {
    kind: "done",
    node,
    lab,
    number,
    fault: isText(code) && isText(message) ? { code, message } : undefined,
  };
}

function setIn(record: unknown): DvvSet | undefined {
  return record instanceof Uint8Array ? decodeRecord(record).set : undefined;
}

function sumOf(bytes: Uint8Array): string {
  return `${crc32(bytes)} ${bytes.length}`;
}

type Plain = Readonly<Record<string, unknown>>;

function isObject(data: unknown): data is Plain {
  return typeof data === "object" && data !== null;
}
function isText(data: unknown): data is string {
  return typeof data === "string" && data.length <= TEXT_LENGTH_MAX;
}
function isCount(data: unknown): data is number {
  return typeof data === "number" && Number.isSafeInteger(data) && data >= 0;
}
function isTime(data: unknown): data is Millis {
  return typeof data === "number" && Number.isFinite(data);
}
function isSkew(data: unknown): data is Millis {
  return typeof data === "number" && Number.isSafeInteger(data);
}
function isCaught(data: unknown): data is CaughtMessage {
  return (
    isObject(data) &&
    isNode(data["to"]) &&
    CATCHABLE_KINDS.some((kind) => kind === data["kind"]) &&
    CATCHES.some((how) => how === data["how"]) &&
    isCount(data["byMs"])
  );
}
function isNode(data: unknown): data is NodeId {
  return typeof data === "string" && isNodeId(data);
}
function areNodes(data: unknown): data is readonly NodeId[] {
  return Array.isArray(data) && data.length <= MEMBERS_MAX && (data as unknown[]).every(isNode);
}
function isPhase(data: unknown): data is TabPhase {
  return data === "opening" || data === "open" || data === "closed" || data === "gone" || data === "away";
}
function areFaults(data: unknown): data is TabFaults {
  return (
    isObject(data) &&
    (data["cut"] === "none" || data["cut"] === "all" || areNodes(data["cut"])) &&
    areNodes(data["muted"]) &&
    isCount(data["perMilleLost"]) &&
    isCount(data["addedLatencyMs"]) &&
    Array.isArray(data["toCatch"]) &&
    data["toCatch"].length <= CAUGHT_MAX &&
    data["toCatch"].every(isCaught) &&
    typeof data["frozen"] === "boolean" &&
    typeof data["diskFull"] === "boolean" &&
    isSkew(data["clockSkewMs"]) &&
    typeof data["serverCut"] === "boolean"
  );
}
