/**
 * One WebRTC data channel, as the transport sees it, and simple-peer behind it. Everything that only a browser can do is in this file, so that
 * the rest of the transport runs in Node against a fake.
 *
 * simple-peer negotiates (offers, answers, candidates as they are found). The data channel is negotiated by number, so that both sides have it
 * from the start: frames, back-pressure and its end are taken from the channel itself, because simple-peer's stream side has no limit on
 * what it buffers and dies of a large `write`.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import SimplePeer from "simple-peer/simplepeer.min.js";
import { fromHex } from "../base/bytes.ts";
import { LOW_WATER_BYTES } from "../wire/link.ts";
import { parseRtcSignal, type RtcSignal } from "./signal-payload.ts";

/** SHA-256 over each side's DTLS certificate, 32 bytes each: the same two at both ends, the other way round. */
export interface Binding {
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

export interface RtcHandlers {
  /** To be passed to the other side. */
  signal(data: RtcSignal): void;
  /** Once. */
  open(binding: Binding): void;
  frame(bytes: Uint8Array): void;
  /** The buffer fell to LOW_WATER_BYTES. */
  drained(): void;
  /** Once and last; never after `close` or `destroy`. */
  closed(reason: string): void;
}

/** None of its methods throws. */
export interface RtcConnection {
  signal(data: RtcSignal): void;
  send(frame: Uint8Array): void;
  readonly bufferedBytes: number;
  /** What was sent still goes out. */
  close(): void;
  /** At once, for a page that is about to go. */
  destroy(): void;
}

/** Throws where there is no WebRTC, or no more connection to be had. */
export type RtcFactory = (initiator: boolean, handlers: RtcHandlers) => RtcConnection;

/** After `close`, what is on its way has so long to go out. */
const LINGER_MS = 1_000;
const CHANNEL_NAME = "tabring";

/** Connections by simple-peer. Without ICE servers only host candidates are used, which is all that tabs of one network need. */
export function simplePeerFactory(iceServers: readonly RTCIceServer[] = []): RtcFactory {
  return (initiator, handlers) => new SimplePeerConnection(initiator, handlers, iceServers);
}

class SimplePeerConnection implements RtcConnection {
  readonly #peer: SimplePeer;
  readonly #handlers: RtcHandlers;
  #connection: RTCPeerConnection | undefined;
  #channel: RTCDataChannel | undefined;
  #ended = false;
  #reason = "the connection was closed";

  constructor(initiator: boolean, handlers: RtcHandlers, iceServers: readonly RTCIceServer[]) {
    this.#handlers = handlers;
    const capture = (connection: RTCPeerConnection, channel: RTCDataChannel): void => {
      this.#connection = connection;
      this.#channel = channel;
    };
    class CapturedConnection extends RTCPeerConnection {
      override createDataChannel(label: string, init?: RTCDataChannelInit): RTCDataChannel {
        const channel = super.createDataChannel(label, init);
        capture(this, channel);
        return channel;
      }
    }
    this.#peer = new SimplePeer({
      initiator,
      trickle: true,
      objectMode: true,
      config: { iceServers: [...iceServers] },
      channelName: CHANNEL_NAME,
      channelConfig: { negotiated: true, id: 0 },
      wrtc: { RTCPeerConnection: CapturedConnection, RTCSessionDescription, RTCIceCandidate },
    });
    // Before the first await: an early offer that nobody hears would never come again.
    this.#peer.on("signal", (data) => this.#onSignal(data));
    this.#peer.on("error", (error) => (this.#reason = reasonOf(error)));
    this.#peer.on("close", () => this.#onClosed());
    this.#peer.resume();
    const channel = this.#channel;
    if (channel === undefined) return;
    channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
    channel.addEventListener("open", () => this.#onOpen());
    channel.addEventListener("message", (event: MessageEvent<unknown>) => this.#onMessage(event.data));
    channel.addEventListener("bufferedamountlow", () => {
      if (!this.#ended) this.#handlers.drained();
    });
  }

  get bufferedBytes(): number {
    return this.#channel?.bufferedAmount ?? 0;
  }

  signal(data: RtcSignal): void {
    if (this.#ended) return;
    try {
      this.#peer.signal(data);
    } catch {
      this.#fail("a signal from the other side was refused");
    }
  }

  send(frame: Uint8Array): void {
    if (this.#ended) return;
    try {
      this.#peer.send(frame);
    } catch {
      this.#fail("the data channel takes nothing more");
    }
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    // The channel closes behind what it still has to send, and simple-peer ends with it.
    this.#channel?.close();
    setTimeout(() => this.#peer.destroy(), LINGER_MS);
  }

  destroy(): void {
    this.#ended = true;
    this.#peer.destroy();
  }

  #onSignal(data: unknown): void {
    const signal = parseRtcSignal(data);
    // What is no offer, answer or candidate concerns media, of which there is none.
    if (signal !== undefined && !this.#ended) this.#handlers.signal(signal);
  }

  #onOpen(): void {
    if (this.#ended || this.#connection === undefined) return;
    const binding = bindingOf(this.#connection);
    if (binding === undefined) this.#fail("the certificates of the connection are not known");
    else this.#handlers.open(binding);
  }

  #onMessage(data: unknown): void {
    if (this.#ended) return;
    if (data instanceof ArrayBuffer) this.#handlers.frame(new Uint8Array(data));
    else this.#fail("the other side sent text");
  }

  #onClosed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.closed(this.#reason);
  }

  #fail(reason: string): void {
    this.#reason = reason;
    // simple-peer answers with `close`, not from within this call.
    this.#peer.destroy();
  }
}

/** simple-peer's errors in words of ours: what a node's log shows must not depend on a library. */
function reasonOf(error: Error & { readonly code?: string }): string {
  switch (error.code) {
    case "ERR_ICE_CONNECTION_FAILURE":
    case "ERR_CONNECTION_FAILURE":
      return "no way to the other side was found, or it was lost";
    case "ERR_PC_CONSTRUCTOR":
      return "the browser gives no more connections";
    case "ERR_DATA_CHANNEL":
      return "the data channel broke";
    default:
      return "the negotiation failed";
  }
}

/**
 * Local: from our own description. Remote: the certificate that DTLS really met; where the browser does not show it, the one fingerprint
 * of the remote description, which DTLS has checked the certificate against.
 */
function bindingOf(connection: RTCPeerConnection): Binding | undefined {
  const local = fingerprintOf(connection.localDescription?.sdp);
  const remote = remoteCertificateHash(connection) ?? fingerprintOf(connection.remoteDescription?.sdp);
  return local === undefined || remote === undefined ? undefined : { local, remote };
}

function remoteCertificateHash(connection: RTCPeerConnection): Uint8Array | undefined {
  const dtls: RTCDtlsTransport | undefined = connection.sctp?.transport;
  // Firefox has no such method.
  const certificate = typeof dtls?.getRemoteCertificates === "function" ? dtls.getRemoteCertificates()[0] : undefined;
  return certificate === undefined ? undefined : sha256(new Uint8Array(certificate));
}

/** The SHA-256 fingerprint of a description that has exactly one. */
export function fingerprintOf(sdp: string | undefined): Uint8Array | undefined {
  const found = new Set(
    [...(sdp ?? "").matchAll(/^a=fingerprint:sha-256 ([0-9A-Fa-f:]{95})\s*$/gm)].map(([, digits]) =>
      (digits ?? "").replaceAll(":", "").toLowerCase(),
    ),
  );
  const [only] = found;
  return found.size === 1 && only !== undefined ? fromHex(only) : undefined;
}
