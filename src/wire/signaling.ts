/**
 * What a tab and the signaling server say to each other, over one WebSocket: text messages (JSON) to meet, binary ones to relay.
 *
 * A tab joins one cluster's room, learns who is there, and passes signals (offers, answers, candidates; sealed, so opaque here) to others by
 * way of the server, which stamps `from`. Where no WebRTC link can be made, frames between two nodes go through the server as relay envelopes,
 * sealed end to end.
 *
 * The tabs of one browser can do without the server: then they say all of it to each other, each to all, where the browser lets them (`RoomMessage`).
 *
 * Every message is checked against a strict schema and rebuilt from its known fields: nothing of a parsed object is passed on, so `__proto__`
 * and other strangers end here. Limits: TEXT_BYTES_MAX for a whole text, the fields as their schemas say, RELAY_BYTES_MAX for a relayed payload.
 */

import * as v from "valibot";
import { LoneSurrogateError, utf8Length } from "../base/bytes.ts";
import { OversizedError, ProtocolVersionError } from "../core/errors.ts";
import { isNodeId, type NodeId } from "../core/identifiers.ts";
import {
  finishEncoding,
  malformed,
  oversized,
  readByte,
  readRest,
  startDecoding,
  startEncoding,
  writeByte,
  writeRaw,
} from "./primitives.ts";
import { NODE_BYTES, readNodeId, writeNodeId } from "./values.ts";

/** The version of these messages and envelopes; both ends must speak the same. */
export const SIGNALING_PROTOCOL = 1;
/** Largest text message, in bytes of UTF-8. */
export const TEXT_BYTES_MAX = 65_536;
/** Largest payload of a signal, in characters. Quotes and the like double in JSON: the whole must still fit {@link TEXT_BYTES_MAX}. */
export const PAYLOAD_CHARACTERS_MAX = 49_152;
/** Nodes in one room. */
export const ROOM_MEMBERS_MAX = 64;
/** Largest payload of a relay envelope. */
export const RELAY_BYTES_MAX = 65_536;
const RELAY_HEADER_BYTES = 1 + NODE_BYTES;

export const signalingErrorCodes = [
  "malformed",
  "oversized",
  "protocol-version",
  "room-full",
  "too-many-rooms",
  "rate-limited",
  "duplicate-node",
  "not-joined",
] as const;
export type SignalingErrorCode = (typeof signalingErrorCodes)[number];

const node = v.custom<NodeId>((input) => typeof input === "string" && isNodeId(input), "no node id");
const session = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const payload = v.pipe(v.string(), v.maxLength(PAYLOAD_CHARACTERS_MAX));

const join = v.strictObject({
  type: v.literal("join"),
  protocol: v.literal(SIGNALING_PROTOCOL),
  cluster: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/, "no cluster name")),
  node,
});
/** A greeting of another protocol may have other fields, so its version is looked at before them. */
const anyGreeting = v.object({
  type: v.picklist(["join", "here"]),
  protocol: v.pipe(v.number(), v.safeInteger()),
});
const clientMessage = v.variant("type", [
  join,
  v.strictObject({ type: v.literal("signal"), to: node, session, payload }),
  v.strictObject({ type: v.literal("leave") }),
]);

const serverMessage = v.variant("type", [
  v.strictObject({
    type: v.literal("joined"),
    node,
    /** Those present in the room. */
    members: v.pipe(v.array(node), v.maxLength(ROOM_MEMBERS_MAX)),
    /** The server's own node in this cluster, if it has one. */
    seed: v.nullable(node),
  }),
  v.strictObject({ type: v.literal("present"), node }),
  v.strictObject({ type: v.literal("absent"), node }),
  v.strictObject({ type: v.literal("signal"), from: node, session, payload }),
  v.strictObject({ type: v.literal("undeliverable"), to: node, session }),
  v.strictObject({
    type: v.literal("error"),
    code: v.picklist(signalingErrorCodes),
    message: v.pipe(v.string(), v.maxLength(1_024)),
  }),
]);

const roomMessage = v.variant("type", [
  v.strictObject({ type: v.literal("here"), protocol: v.literal(SIGNALING_PROTOCOL), node }),
  v.strictObject({ type: v.literal("signal"), from: node, to: node, session, payload }),
]);

/** From a tab to the server. */
export type ClientMessage = v.InferOutput<typeof clientMessage>;
/** From the server to a tab. */
export type ServerMessage = v.InferOutput<typeof serverMessage>;
/** From a tab to all tabs of its browser that are in the same room. */
export type RoomMessage = v.InferOutput<typeof roomMessage>;

/** @throws MalformedMessageError, OversizedError, or ProtocolVersionError for a `join` of another protocol. */
export function parseClientMessage(text: string): ClientMessage {
  return validate(clientMessage, greeted(text));
}

/** @throws MalformedMessageError or OversizedError. */
export function parseServerMessage(text: string): ServerMessage {
  return validate(serverMessage, parseJson(text));
}

/** @throws MalformedMessageError, OversizedError, or ProtocolVersionError for a `here` of another protocol. */
export function parseRoomMessage(text: string): RoomMessage {
  return validate(roomMessage, greeted(text));
}

/** @throws OversizedError when the text would have over {@link TEXT_BYTES_MAX} bytes. */
export function formatMessage(message: ClientMessage | ServerMessage | RoomMessage): string {
  const text = JSON.stringify(message);
  demandTextLength(text);
  return text;
}

/** A binary WebSocket message: `version node payload`. `node` is the destination when it is sent and the source when it is received. */
export function encodeRelay(node: NodeId, bytes: Uint8Array): Uint8Array {
  if (bytes.length > RELAY_BYTES_MAX) throw oversized("A relayed frame", bytes.length, RELAY_BYTES_MAX);
  const encoder = startEncoding();
  writeByte(encoder, SIGNALING_PROTOCOL);
  writeNodeId(encoder, node);
  writeRaw(encoder, bytes);
  return finishEncoding(encoder);
}

/**
 * The returned `bytes` are a view of `envelope`, not a copy: a frame is passed on or opened at once.
 * @throws MalformedMessageError, OversizedError, ProtocolVersionError.
 */
export function decodeRelay(envelope: Uint8Array): { node: NodeId; bytes: Uint8Array } {
  if (envelope.length > RELAY_BYTES_MAX + RELAY_HEADER_BYTES) {
    throw oversized("A relay envelope", envelope.length, RELAY_BYTES_MAX + RELAY_HEADER_BYTES);
  }
  const decoder = startDecoding(envelope);
  const version = readByte(decoder, "the version");
  demandProtocol(version);
  return { node: readNodeId(decoder), bytes: readRest(decoder) };
}

function greeted(text: string): unknown {
  const parsed = parseJson(text);
  const greeting = v.safeParse(anyGreeting, parsed);
  if (greeting.success) demandProtocol(greeting.output.protocol);
  return parsed;
}

function parseJson(text: string): unknown {
  demandTextLength(text);
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("they are no JSON");
  }
}

function demandTextLength(text: string): void {
  let length = text.length;
  try {
    if (length <= TEXT_BYTES_MAX) length = utf8Length(text);
  } catch (error) {
    if (error instanceof LoneSurrogateError) throw malformed("they hold half a character");
    throw error;
  }
  if (length > TEXT_BYTES_MAX) throw oversized("A signaling message", length, TEXT_BYTES_MAX);
}

function demandProtocol(theirs: number): void {
  if (theirs !== SIGNALING_PROTOCOL) throw new ProtocolVersionError(`${SIGNALING_PROTOCOL}`, `${theirs}`);
}

function validate<Schema extends v.GenericSchema>(schema: Schema, parsed: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, parsed, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  if (issue.type === "max_length" && place !== null)
    throw new OversizedError(`The field ${place} is too long. The message was dropped and changed nothing.`);
  throw malformed(place === null ? "no such message" : `the field ${place.slice(0, 64)} is missing, wrong or unknown`);
}
