/** What the trace says of each thing that can happen at a node, the same in both worlds: its line for people and its facts. */

import { utf8Decode } from "../base/bytes.ts";
import { keyOfRecord, parseHintAddress } from "../core/address.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { Note } from "../core/effect.ts";
import type { Key, NodeId, RequestId } from "../core/identifiers.ts";
import type { ClientResult, Message } from "../core/message.ts";
import type { PreferenceList } from "../core/ring.ts";
import { type Names, formatNote, formatResult, formatSet } from "../sim/transcript.ts";
import { answerTo, questionOf } from "./request-threads.ts";
import type { Telling } from "./trace-recorder.ts";
import type { Flight, Role, TraceEvent } from "./world.ts";

type Asked = Extract<TraceEvent, { what: "asked" }>;

export function tellingOfAsked(
  key: Key,
  request: RequestId,
  operation: Asked["operation"],
  write: Asked["write"],
): Telling {
  const value = write === undefined ? "" : ` ${write.value ?? "(delete)"}`;
  return { label: `${operation} ${key}${value}`, key, request, event: { what: "asked", operation, write } };
}

/** `result`: undefined when there will be none, for the reason `why`. */
export function tellingOfAnswer(
  key: Key,
  request: RequestId,
  result: ClientResult | undefined,
  names: Names,
  why = "the node has ended",
): Telling {
  const outcome = result === undefined ? "none" : result.outcome === "failed" ? result.failure.code : "ok";
  return {
    label: `= ${result === undefined ? `no answer: ${why}` : formatResult(result, names)}`,
    key,
    request,
    event: {
      what: "answered",
      outcome,
      values: result?.outcome === "got" ? valuesOf(result.set) : [],
      report: result?.report,
    },
  };
}

export interface Sending {
  readonly to: NodeId;
  readonly flight: number;
  readonly message: Message;
  readonly request: RequestId | undefined;
  readonly role: Role | undefined;
  /** Of the message. */
  readonly label: string;
}

export function tellingOfSent({ to, flight, message, request, role, label }: Sending, names: Names): Telling {
  return {
    label: `> ${names.node(to)}: ${label}`,
    key: "key" in message ? message.key : undefined,
    request,
    event: { what: "sent", kind: message.kind, peer: to, flight, ...factsOf(message), role },
  };
}

export function tellingOfReceived(from: NodeId, message: Message, flight: Flight, names: Names): Telling {
  return {
    label: `< ${names.node(from)}: ${flight.label}`,
    key: flight.key,
    request: flight.request,
    event: {
      what: "received",
      kind: message.kind,
      peer: from,
      flight: flight.id,
      ...factsOf(message),
      role: flight.role,
      sentRecord: flight.sentRecord,
    },
  };
}

/** Everyday merges would push out what is worth reading. */
export function isTold(note: Note): boolean {
  return note.what !== "merged";
}

export function tellingOfNote(note: Note, request: RequestId | undefined, names: Names): Telling {
  return {
    label: `* ${formatNote(note, names)}`,
    key: "key" in note ? note.key : undefined,
    request,
    event: { what: "note", note: note.what, peer: peerOf(note) },
  };
}

/** A record or a hint on a disk is now `set`. */
export function tellingOfStored(
  store: "records" | "hints",
  address: string,
  set: DvvSet | undefined,
  request: RequestId | undefined,
  names: Names,
): Telling {
  const { key, target } =
    store === "records" ? { key: keyOfRecord(address), target: undefined } : parseHintAddress(address);
  const what = target === undefined ? "" : ` as a hint for ${names.node(target)}`;
  return {
    label: `stored ${key}${what} ${set === undefined ? "no more" : formatSet(set, names)}`,
    key,
    request,
    event: { what: "stored", store, target, set },
  };
}

/** Of a message in the course of a request. `listOf`: as its sender sees the ring. */
export function roleOf(message: Message, to: NodeId, listOf: (key: Key) => PreferenceList | undefined): Role {
  switch (message.kind) {
    case "coordinate-get":
    case "coordinate-put":
      return "coordinator";
    case "replica-get":
      return message.counts ? "counted" : "fallback";
    case "replica-put":
      if (message.purpose !== "write") return message.purpose === "repair" ? "repair" : "handoff";
      if (message.hintFor !== undefined) return "hint";
      return listOf(message.key)?.joining.includes(to) === true ? "joining" : "counted";
    default:
      return "reply";
  }
}

/** What siblings say; undefined is a tombstone. */
function valuesOf(set: DvvSet): (string | undefined)[] {
  return set.siblings.map(({ value }) => textOf(value));
}

/** Undefined of a tombstone. */
export function textOf(value: Uint8Array | null): string | undefined {
  return value === null ? undefined : (utf8Decode(value) ?? `${value.length} bytes`);
}

function peerOf(note: Note): NodeId | undefined {
  if ("to" in note) return note.to;
  if ("target" in note) return note.target;
  if ("peer" in note) return note.peer;
  return undefined;
}

/** What the trace keeps of a message besides its label. */
function factsOf(message: Message): {
  readonly hintFor: NodeId | undefined;
  readonly exchange: RequestId | undefined;
  readonly outcome: string | undefined;
} {
  return {
    hintFor: message.kind === "replica-put" ? message.hintFor : undefined,
    exchange: questionOf(message) ?? answerTo(message),
    outcome:
      message.kind === "coordinate-reply"
        ? message.result.outcome
        : message.kind === "replica-put-reply" || message.kind === "replica-get-reply"
          ? message.outcome
          : undefined,
  };
}
