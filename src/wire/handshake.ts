/**
 * The handshake of a link: before any other byte both sides prove that they know the cluster's secret, over everything that says which link
 * this is. States, in order: `greeting` (our hello is out), `proving` (theirs came, our proof is out), `done`.
 *
 *     hello   kind | lowest and highest protocol version | role | node id, 16 bytes | nonce, 32 bytes | largest frame taken | cluster
 *     proof   kind | HMAC-SHA256(K, label, role of the sender, initiator's hello, responder's hello, initiator's and responder's fingerprint)
 *     refuse  kind | one byte that says why
 *
 * K comes from the secret by HKDF-SHA256, salted with the cluster's name. The fresh nonces make an old proof worthless, the role makes a
 * proof that is sent back worthless, and the fingerprints of both DTLS certificates make the proof of one connection worthless on another,
 * so that a server which puts itself between the two is refused (a proof over less than that can be passed on: libp2p's WebRTC notes).
 * The version range stands first in the hello and is judged before the rest, so that builds of any age can tell each other that they differ.
 *
 * It says who knows the secret, not which member speaks: a member can claim another's id. A refusal is believed before the link is up and
 * never after; anybody on the way can forge one, which only denies what cutting the wire denies too.
 */

import { equalBytes } from "@noble/ciphers/utils.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { assert, unreachable } from "../base/assert.ts";
import { fromHex, toHex, utf8Decode, utf8Encode } from "../base/bytes.ts";
import {
  MalformedMessageError,
  OversizedError,
  ProtocolVersionError,
  TabringError,
  WrongSecretError,
} from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { ProtocolRange } from "../core/versions.ts";
import {
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  FRAME_KIND,
  FrameReader,
  malformedFrame,
  oversized,
  uintBytes,
  writeUint,
} from "./frame.ts";

export const CLUSTER_BYTES_MAX = 256;
export const SECRET_BYTES = 32;
export const NONCE_BYTES = 32;
export const FINGERPRINT_BYTES = 32;
/** No frame of the handshake is larger. */
export const HANDSHAKE_BYTES_MAX = 1_024;
const ID_BYTES = 16;
const PROOF_BYTES = 32;

export type Role = "initiator" | "responder";

/** The other side is this node itself, or not the node that was dialled. No data was exchanged. */
export class WrongPeerError extends TabringError {
  override readonly name: string = "WrongPeerError";
  constructor(message: string) {
    super("wrong-peer", message);
  }
}

export interface HandshakeOptions {
  readonly self: NodeId;
  readonly peer: NodeId | undefined;
  readonly cluster: string;
  readonly secret: Uint8Array;
  readonly role: Role;
  readonly nonce: Uint8Array;
  readonly binding: { readonly local: Uint8Array; readonly remote: Uint8Array } | undefined;
  readonly frameBytesMax: number;
  readonly protocol: ProtocolRange;
}

export type HandshakeStep =
  | /** Their hello is good: send this proof. */ { readonly kind: "proving"; readonly proof: Uint8Array }
  | /** Their proof is good. */ {
      readonly kind: "done";
      readonly peer: NodeId;
      /** What the other side reads; it overlaps with what this side reads. */
      readonly protocol: ProtocolRange;
      readonly frameBytesMax: number;
      /** 32 bytes per direction, for a channel without a binding. */
      readonly keys: { readonly send: Uint8Array; readonly receive: Uint8Array } | undefined;
    }
  | /** They refused. */ { readonly kind: "refused"; readonly error: TabringError };

interface Hello {
  readonly role: Role;
  readonly id: NodeId;
  readonly nonce: Uint8Array;
  readonly frameBytesMax: number;
  readonly cluster: string;
}

/** The other side's hello, once it is known, and what the proofs of both sides cover. */
interface Greeted {
  readonly hello: Hello;
  readonly protocol: ProtocolRange;
  readonly transcript: Uint8Array;
}

/** Why a handshake is refused, in the order of their numbers on the wire. */
const REFUSALS = ["protocol-version", "wrong-secret", "wrong-peer", "malformed-message", "oversized"] as const;
type Refusal = (typeof REFUSALS)[number];

export class Handshake {
  readonly #options: HandshakeOptions;
  /** Our first frame. */
  readonly hello: Uint8Array;
  #theirs: Greeted | undefined;
  #theirVersions: ProtocolRange | undefined;

  constructor(options: HandshakeOptions) {
    assert(options.secret.length === SECRET_BYTES, "a secret has 32 bytes");
    assert(options.nonce.length === NONCE_BYTES, "a nonce has 32 bytes");
    assert(
      options.frameBytesMax >= FRAME_BYTES_MIN && options.frameBytesMax <= FRAME_BYTES_MAX,
      "frames are 16 KiB to 64 KiB",
    );
    for (const fingerprint of options.binding === undefined ? [] : [options.binding.local, options.binding.remote])
      assert(fingerprint.length === FINGERPRINT_BYTES, "a fingerprint has 32 bytes");
    this.#options = options;
    this.hello = encodeHello(options);
  }

  /** One frame from the other side. Throws a {@link TabringError} when the handshake has failed here; send {@link refuseFrame} then. */
  receive(frame: Uint8Array): HandshakeStep {
    if (frame.length > HANDSHAKE_BYTES_MAX) throw oversized(`${frame.length} bytes before the handshake was done`);
    const reader = new FrameReader(frame);
    const kind = reader.byte();
    if (kind === FRAME_KIND.refuse) return { kind: "refused", error: this.#refusal(reader) };
    if (kind === FRAME_KIND.hello && this.#theirs === undefined) return this.#onHello(frame, reader);
    if (kind === FRAME_KIND.proof && this.#theirs !== undefined) return this.#onProof(this.#theirs, reader);
    throw malformedFrame(`kind ${kind} has no place at this point of a handshake`);
  }

  #onHello(frame: Uint8Array, reader: FrameReader): HandshakeStep {
    const { self, peer, cluster, nonce, role, protocol } = this.#options;
    this.#theirVersions = { min: reader.uint(), max: reader.uint() };
    if (this.#theirVersions.max < protocol.min || this.#theirVersions.min > protocol.max)
      throw new ProtocolVersionError(rangeText(protocol), rangeText(this.#theirVersions));
    const hello = readHello(reader);
    if (hello.id === self || equalBytes(hello.nonce, nonce))
      throw new WrongPeerError(
        "The other side is this node itself. The link was refused and nothing was exchanged. Nothing needs to be done.",
      );
    if (hello.cluster !== cluster)
      throw new WrongSecretError(
        "The other side belongs to another cluster. The link was refused and nothing was exchanged. Open both tabs by the same invite link.",
      );
    if (peer !== undefined && hello.id !== peer)
      throw new WrongPeerError(
        `Node ${hello.id.slice(0, 6)} answered where ${peer.slice(0, 6)} was dialled. The link was refused and nothing was exchanged. Nothing needs to be done: the link is dialled again when it is needed.`,
      );
    if (hello.role === role) throw malformedFrame(`both sides claim to be the ${role}`);
    this.#theirs = { hello, protocol: this.#theirVersions, transcript: this.#transcript(frame) };
    const proof = new Uint8Array(1 + PROOF_BYTES);
    proof[0] = FRAME_KIND.proof;
    proof.set(this.#proofOf(role, this.#theirs.transcript), 1);
    return { kind: "proving", proof };
  }

  #onProof(theirs: Greeted, reader: FrameReader): HandshakeStep {
    const proof = reader.view(PROOF_BYTES);
    reader.end();
    if (!equalBytes(proof, this.#proofOf(theirs.hello.role, theirs.transcript)))
      throw new WrongSecretError(
        "The other side could not prove that it knows this cluster's secret on this very link. The link was refused and no data was exchanged. Open both tabs by the same invite link; if they were, somebody between them interferes.",
      );
    const key = (role: Role): Uint8Array =>
      hkdf(sha256, this.#options.secret, sha256(theirs.transcript), utf8Encode(`tabring frames 1 ${role}`), 32);
    return {
      kind: "done",
      peer: theirs.hello.id,
      protocol: theirs.protocol,
      frameBytesMax: Math.min(this.#options.frameBytesMax, theirs.hello.frameBytesMax),
      keys:
        this.#options.binding === undefined
          ? { send: key(this.#options.role), receive: key(theirs.hello.role) }
          : undefined,
    };
  }

  /** What both sides must agree on, in one form for both: each piece with its length before it, so that none can pass for another. */
  #transcript(theirHello: Uint8Array): Uint8Array {
    const { role, binding } = this.#options;
    const nothing = new Uint8Array();
    const ours = [this.hello, binding?.local ?? nothing] as const;
    const theirs = [theirHello, binding?.remote ?? nothing] as const;
    const [initiator, responder] = role === "initiator" ? [ours, theirs] : [theirs, ours];
    return joined([utf8Encode("tabring proof 1"), initiator[0], responder[0], initiator[1], responder[1]]);
  }

  #proofOf(role: Role, transcript: Uint8Array): Uint8Array {
    const { secret, cluster } = this.#options;
    const key = hkdf(sha256, secret, utf8Encode(cluster), utf8Encode("tabring handshake 1"), 32);
    return hmac(sha256, key, joined([utf8Encode(role), transcript]));
  }

  #refusal(reader: FrameReader): TabringError {
    const refusal = REFUSALS[reader.byte()];
    if (refusal === undefined) throw malformedFrame("a refusal without a known reason");
    reader.end();
    const text = `The other side refused this link: ${refusal}. No data was exchanged.`;
    switch (refusal) {
      case "protocol-version":
        return new ProtocolVersionError(
          rangeText(this.#options.protocol),
          this.#theirVersions === undefined ? "of another version" : rangeText(this.#theirVersions),
        );
      case "wrong-secret":
        return new WrongSecretError(`${text} Open both tabs by the same invite link.`);
      case "wrong-peer":
        return new WrongPeerError(`${text} Nothing needs to be done: the link is dialled again when it is needed.`);
      case "malformed-message":
        return new MalformedMessageError(`${text} Reload both tabs to get the same build.`);
      case "oversized":
        return new OversizedError(`${text} Reload both tabs to get the same build.`);
      default:
        return unreachable(refusal);
    }
  }
}

/** What tells the other side why this one refused. Of an error only its code travels. */
export function refuseFrame(error: TabringError): Uint8Array {
  const place = REFUSALS.indexOf(error.code as Refusal);
  assert(place >= 0, `${error.code} is no refusal of a handshake`);
  return new Uint8Array([FRAME_KIND.refuse, place]);
}

function encodeHello(options: HandshakeOptions): Uint8Array {
  const id = fromHex(options.self);
  assert(id?.length === ID_BYTES, "a node id has 32 hexadecimal digits");
  const cluster = utf8Encode(options.cluster);
  assert(cluster.length > 0 && cluster.length <= CLUSTER_BYTES_MAX, "a cluster's name has 1 to 256 bytes");
  const { min, max } = options.protocol;
  const frame = new Uint8Array(
    2 +
      uintBytes(min) +
      uintBytes(max) +
      ID_BYTES +
      NONCE_BYTES +
      uintBytes(options.frameBytesMax) +
      uintBytes(cluster.length) +
      cluster.length,
  );
  frame[0] = FRAME_KIND.hello;
  let at = writeUint(frame, writeUint(frame, 1, min), max);
  frame[at++] = options.role === "initiator" ? 0 : 1;
  frame.set(id, at);
  frame.set(options.nonce, at + ID_BYTES);
  at = writeUint(frame, at + ID_BYTES + NONCE_BYTES, options.frameBytesMax);
  frame.set(cluster, writeUint(frame, at, cluster.length));
  return frame;
}

/** The rest of a hello, after the versions. */
function readHello(reader: FrameReader): Hello {
  const role = reader.byte();
  if (role > 1) throw malformedFrame("a hello without a role");
  const id = toHex(reader.view(ID_BYTES)) as NodeId;
  const nonce = reader.view(NONCE_BYTES).slice();
  const frameBytesMax = reader.uint();
  if (frameBytesMax < FRAME_BYTES_MIN) throw malformedFrame("a hello whose frames are too small");
  const clusterBytes = reader.uint();
  const cluster = clusterBytes <= CLUSTER_BYTES_MAX ? utf8Decode(reader.view(clusterBytes)) : undefined;
  if (cluster === undefined || cluster === "") throw malformedFrame("a hello without a cluster");
  reader.end();
  return { role: role === 0 ? "initiator" : "responder", id, nonce, frameBytesMax, cluster };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + uintBytes(piece.length) + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    at = writeUint(bytes, at, piece.length);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function rangeText({ min, max }: ProtocolRange): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}
