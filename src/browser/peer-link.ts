/**
 * One try at a link to a peer, and the link that it becomes: a {@link LinkRunner} on a data channel or on relay envelopes.
 *
 * States: opening (the channel is being made), greeting (the link's handshake), up, ended. Whoever owns it hears `up` at most once and `ended`
 * at most once, and nothing after it ended the link itself. While its peer is cut off (a fault for demonstrations) frames vanish in both
 * directions, silently; a link that lost frames so is of no more use and is `gapped`.
 */

import type { Lane } from "../core/effect.ts";
import type { TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { PROTOCOL, type ProtocolRange } from "../core/versions.ts";
import { type FrameChannel, LinkRunner, type TurnFlusher } from "../driver/link-runner.ts";
import type { Clock, LinkInfo } from "../driver/ports.ts";
import { FRAME_BYTES_MAX } from "../wire/frame.ts";
import { NONCE_BYTES, type Role } from "../wire/handshake.ts";
import { NO_FRAME, RELAYED_FRAME_BYTES_MAX, type RelayPayload, type Session } from "../wire/link-payload.ts";
import type { Binding, RtcConnection, RtcFactory } from "./rtc-connection.ts";
import type { RtcSignal } from "./signal-payload.ts";

/** What all links of one transport share. */
export interface LinkSurroundings {
  readonly self: NodeId;
  readonly cluster: string;
  readonly secret: Uint8Array;
  readonly random: (count: number) => Uint8Array;
  readonly clock: Clock;
  readonly flusher: TurnFlusher;
  isCut(peer: NodeId): boolean;
  /** Runs `close` once this peer is cut off no more: in a dead network nobody would hear that a connection was closed. */
  closeAfterCut(peer: NodeId, close: () => void): void;
  up(link: PeerLink): void;
  message(link: PeerLink, bytes: Uint8Array): void;
  ended(link: PeerLink, reason: string, error: TabringError | undefined): void;
}

export interface PeerLinkOptions {
  readonly kind: LinkInfo["kind"];
  readonly peer: NodeId;
  readonly session: Session;
  readonly role: Role;
}

export class PeerLink {
  readonly kind: LinkInfo["kind"];
  readonly peer: NodeId;
  readonly session: Session;
  readonly #role: Role;
  readonly #surroundings: LinkSurroundings;
  #connection: RtcConnection | undefined;
  #runner: LinkRunner | undefined;
  #ended = false;
  /** When it came up, by the clock. */
  upAtMs = 0;
  /** What the other side reads; known when it is up. */
  protocol: ProtocolRange = PROTOCOL;
  /** It lost frames to a cut. */
  gapped = false;

  private constructor(options: PeerLinkOptions, surroundings: LinkSurroundings) {
    this.kind = options.kind;
    this.peer = options.peer;
    this.session = options.session;
    this.#role = options.role;
    this.#surroundings = surroundings;
  }

  /** Throws what the factory throws. `signal`: what is to be passed to the other side. */
  static overRtc(
    options: Omit<PeerLinkOptions, "kind">,
    surroundings: LinkSurroundings,
    makeConnection: RtcFactory,
    signal: (data: RtcSignal) => void,
  ): PeerLink {
    const link = new PeerLink({ ...options, kind: "webrtc" }, surroundings);
    const connection = makeConnection(options.role === "initiator", {
      signal,
      open: (binding) => link.#start(channel, binding, FRAME_BYTES_MAX),
      frame: (bytes) => link.receive(bytes),
      drained: () => link.drained(),
      closed: (reason) => link.channelLost(reason),
    });
    const channel: FrameChannel = {
      put: (frame) => link.#passes() && connection.send(frame),
      get bufferedBytes() {
        return connection.bufferedBytes;
      },
      close: () => link.#closeConnection(),
    };
    link.#connection = connection;
    return link;
  }

  /** `relay`: puts a payload into an envelope to the peer. */
  static overRelay(
    options: PeerLinkOptions,
    surroundings: LinkSurroundings,
    relay: { put(payload: RelayPayload): void; readonly bufferedBytes: number },
  ): PeerLink {
    const link = new PeerLink(options, surroundings);
    const { session } = options;
    let opened = options.role === "responder";
    const channel: FrameChannel = {
      put: (frame) => {
        if (link.#passes()) relay.put({ kind: opened ? "frame" : "open", session, frame });
        opened = true;
      },
      get bufferedBytes() {
        return relay.bufferedBytes;
      },
      close: () => link.#passes() && relay.put({ kind: "closed", session, frame: NO_FRAME }),
    };
    link.#start(channel, undefined, RELAYED_FRAME_BYTES_MAX);
    return link;
  }

  /** From the other side's negotiation; for a data channel only. */
  signal(data: RtcSignal): void {
    if (!this.#ended) this.#connection?.signal(data);
  }

  receive(frame: Uint8Array): void {
    if (!this.#ended && this.#passes()) this.#runner?.receive(frame);
  }

  send(bytes: Uint8Array, lane: Lane): boolean {
    return !this.#ended && this.#runner?.send(bytes, lane) === true;
  }

  drained(): void {
    if (!this.#ended) this.#runner?.drained();
  }

  /** The channel died by itself, or the other side closed it. */
  channelLost(reason: string): void {
    if (this.#ended || !this.#passes()) return;
    this.abandon();
    this.#surroundings.ended(this, reason, undefined);
  }

  /** Ends it with a goodbye, without a call back. */
  close(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#runner?.close(reason);
    this.#closeConnection();
  }

  /** Ends it without a word, without a call back. */
  abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#runner?.abandon();
    this.#closeConnection();
  }

  /** As `close`, for a page that is about to go: nothing is waited for. */
  destroy(reason: string): void {
    this.close(reason);
    this.#connection?.destroy();
  }

  #closeConnection(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#surroundings.isCut(this.peer)) this.#surroundings.closeAfterCut(this.peer, () => connection.close());
    else connection.close();
  }

  #passes(): boolean {
    if (!this.#surroundings.isCut(this.peer)) return true;
    this.gapped = true;
    return false;
  }

  #start(channel: FrameChannel, binding: Binding | undefined, frameBytesMax: number): void {
    if (this.#ended) return;
    const { self, cluster, secret, random, clock, flusher } = this.#surroundings;
    const options = {
      self,
      peer: this.peer,
      cluster,
      secret,
      role: this.#role,
      nonce: random(NONCE_BYTES),
      binding,
      frameBytesMax,
    };
    this.#runner = new LinkRunner(options, channel, clock, flusher, {
      up: (_, protocol) => {
        this.upAtMs = clock.now();
        this.protocol = protocol;
        this.#surroundings.up(this);
      },
      message: (bytes) => this.#surroundings.message(this, bytes),
      closed: (reason, error) => {
        this.#ended = true;
        this.#surroundings.ended(this, reason, error);
      },
    });
  }
}
