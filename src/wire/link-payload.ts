/**
 * What a transport itself says, below the messages of a node.
 *
 * Over a link that is up, the first byte of each message tells for whom it is:
 *
 *     node message   0 | the bytes that the node gave to `send`
 *     route          1 | hops | to, 16 bytes | from, 16 bytes | session | sequence | payload
 *
 * A route carries one signal between two nodes that have no link yet, by way of members that have: so new links can be made when the server is
 * gone. Whoever gets one passes it on to its target if it is linked with it, else once further to its neighbours while hops are left.
 *
 * In a relay envelope, so that frames of a former attempt never reach a later one:
 *
 *     relay payload  open, frame, closed or ask | session | a frame of the link (open and frame only)
 *
 * A session is a number that the dialing node gives to each of its attempts; it grows from attempt to attempt.
 */

import { OversizedError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { MESSAGE_BYTES_MAX } from "./frame.ts";
import {
  finishDecoding,
  finishEncoding,
  malformed,
  readByte,
  readChoice,
  readRest,
  readText,
  readUint,
  startDecoding,
  startEncoding,
  writeByte,
  writeChoice,
  writeRaw,
  writeText,
  writeUint,
} from "./primitives.ts";
import { RELAY_BYTES_MAX } from "./signaling.ts";
import { readNodeId, writeNodeId } from "./values.ts";

/** A dialing node's number for one attempt; 0 where none is under way. */
export type Session = number;

/** How many members a signal may pass through. */
export const HOPS_MAX = 2;
/** Largest payload of a routed signal, in bytes: an offer has about 1,500. */
export const ROUTE_PAYLOAD_BYTES_MAX = 16_384;
/** Largest frame of a relayed link: a relay envelope carries 64 KiB, the head of a relay payload included. */
export const RELAYED_FRAME_BYTES_MAX = RELAY_BYTES_MAX - 16;

export interface Route {
  readonly to: NodeId;
  readonly from: NodeId;
  readonly session: Session;
  /** Different for every signal of `from`: with it a member knows copies. */
  readonly sequence: number;
  readonly hops: number;
  readonly payload: string;
}

export type LinkPayload =
  { readonly kind: "node"; readonly bytes: Uint8Array } | { readonly kind: "route"; readonly route: Route };

const NODE_MESSAGE = 0;
const ROUTE = 1;

/** A node's message as it goes over the link. @throws OversizedError when it does not fit into one link message. */
export function wrapNodeMessage(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= MESSAGE_BYTES_MAX)
    throw new OversizedError(
      `A message of ${bytes.length} bytes is over the limit of ${MESSAGE_BYTES_MAX - 1}. It was not sent; the link and what is stored are untouched. Reconcile siblings, or split the value.`,
    );
  const wrapped = new Uint8Array(bytes.length + 1);
  wrapped[0] = NODE_MESSAGE;
  wrapped.set(bytes, 1);
  return wrapped;
}

export function encodeRoute(route: Route): Uint8Array {
  const encoder = startEncoding();
  writeByte(encoder, ROUTE);
  writeByte(encoder, route.hops);
  writeNodeId(encoder, route.to);
  writeNodeId(encoder, route.from);
  writeUint(encoder, route.session);
  writeUint(encoder, route.sequence);
  writeText(encoder, route.payload);
  return finishEncoding(encoder);
}

/** The bytes of a node's message are a view of `message`. @throws MalformedMessageError, OversizedError */
export function decodeLinkPayload(message: Uint8Array): LinkPayload {
  if (message[0] === NODE_MESSAGE) return { kind: "node", bytes: message.subarray(1) };
  const decoder = startDecoding(message);
  const kind = readByte(decoder, "the kind of a link message");
  if (kind !== ROUTE) throw malformed(`kind ${kind} of a link message is unknown`);
  const hops = readUint(decoder, "the hops", 0, HOPS_MAX);
  const route: Route = {
    hops,
    to: readNodeId(decoder),
    from: readNodeId(decoder),
    session: readUint(decoder, "the session"),
    sequence: readUint(decoder, "the sequence number"),
    payload: readText(decoder, "the signal", 1, ROUTE_PAYLOAD_BYTES_MAX),
  };
  finishDecoding(decoder);
  return { kind: "route", route };
}

const relayKinds = ["open", "frame", "closed", "ask"] as const;

/** open: the first frame of a new attempt. frame: a later one. closed: the sender has no such link (any more). ask: please dial me. */
export interface RelayPayload {
  readonly kind: (typeof relayKinds)[number];
  readonly session: Session;
  readonly frame: Uint8Array;
}

export const NO_FRAME = new Uint8Array();

export function encodeRelayPayload({ kind, session, frame }: RelayPayload): Uint8Array {
  const encoder = startEncoding();
  writeChoice(encoder, relayKinds, kind);
  writeUint(encoder, session);
  writeRaw(encoder, frame);
  return finishEncoding(encoder);
}

/** The frame is a view of `bytes`. @throws MalformedMessageError */
export function decodeRelayPayload(bytes: Uint8Array): RelayPayload {
  const decoder = startDecoding(bytes);
  const kind = readChoice(decoder, "the kind of a relay payload", relayKinds);
  const session = readUint(decoder, "the session");
  return { kind, session, frame: readRest(decoder) };
}
