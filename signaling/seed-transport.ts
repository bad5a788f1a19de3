/**
 * The links of the server's own node: every tab in its cluster's room may open one, over the WebSocket that it has anyway. Frames travel as
 * relay envelopes to and from the seed's id, and every link is sealed, as if the server were a stranger: it is the same protocol as for two
 * tabs that the server relays.
 *
 * A tab dials, never the seed; `connect` asks the tab to. A link's states: opened (handshake under way), up, gone. A tab that opens anew
 * (it lost its link, or was reloaded) replaces what it had. Limits: one link under way and one up for each node in the room.
 */

import { unreachable } from "../src/base/assert.ts";
import type { Lane } from "../src/core/effect.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import type { ProtocolRange } from "../src/core/versions.ts";
import { type FrameChannel, LinkRunner, TurnFlusher } from "../src/driver/link-runner.ts";
import type { Clock, Transport, TransportHandlers } from "../src/driver/ports.ts";
import { NONCE_BYTES } from "../src/wire/handshake.ts";
import {
  decodeLinkPayload,
  decodeRelayPayload,
  encodeRelayPayload,
  NO_FRAME,
  RELAYED_FRAME_BYTES_MAX,
  type RelayPayload,
  type Session,
  wrapNodeMessage,
} from "../src/wire/link-payload.ts";
import { OversizedError, TabringError } from "../src/core/errors.ts";
import type { SeedRoom } from "./server.ts";

export interface SeedTransportOptions {
  readonly self: NodeId;
  readonly cluster: string;
  /** 32 bytes, from the invite link. */
  readonly secret: Uint8Array;
  /** From `attachSeed(cluster, self)`. */
  readonly room: SeedRoom;
  readonly clock: Clock;
  /** So many bytes that nobody can guess. */
  readonly random: (count: number) => Uint8Array;
}

interface SeedLink {
  readonly session: Session;
  readonly runner: LinkRunner;
}

export class SeedTransport implements Transport {
  readonly #options: SeedTransportOptions;
  readonly #flusher = new TurnFlusher(queueMicrotask);
  readonly #up = new Map<NodeId, SeedLink>();
  readonly #opened = new Map<NodeId, SeedLink>();
  #handlers: TransportHandlers | undefined;

  constructor(options: SeedTransportOptions) {
    this.#options = options;
  }

  open(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#options.room.listen({
      present: () => {},
      absent: (node) => this.#onAbsent(node),
      relay: (from, payload) => this.#onRelay(from, payload),
      drained: (node) => {
        this.#up.get(node)?.runner.drained();
        this.#opened.get(node)?.runner.drained();
      },
    });
    return Promise.resolve();
  }

  connect(peer: NodeId): void {
    if (this.#handlers === undefined || this.#up.has(peer) || this.#opened.has(peer)) return;
    this.#tell(peer, { kind: "ask", session: 0, frame: NO_FRAME });
  }

  disconnect(peer: NodeId): void {
    this.#drop(this.#opened, peer);
    const link = this.#drop(this.#up, peer);
    // Not from within the caller's own turn: it may be in the middle of a step.
    if (link !== undefined) queueMicrotask(() => this.#handlers?.lost(peer, "disconnected"));
  }

  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    const link = this.#up.get(peer);
    if (link === undefined) return;
    try {
      if (link.runner.send(wrapNodeMessage(bytes), lane)) return;
      this.#drop(this.#up, peer);
      queueMicrotask(() => this.#handlers?.lost(peer, "the other side takes nothing more"));
    } catch (error) {
      if (!(error instanceof OversizedError)) throw error;
      queueMicrotask(() => this.#handlers?.refused(error, peer));
    }
  }

  close(): Promise<void> {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    const peers = [...this.#up.keys()];
    for (const links of [this.#opened, this.#up]) for (const { runner } of links.values()) runner.close("closed");
    this.#opened.clear();
    this.#up.clear();
    this.#options.room.detach();
    for (const peer of peers) handlers?.lost(peer, "closed");
    return Promise.resolve();
  }

  #onAbsent(node: NodeId): void {
    this.#abandon(this.#opened, node);
    if (this.#abandon(this.#up, node)) this.#handlers?.lost(node, "left the server");
  }

  #onRelay(from: NodeId, bytes: Uint8Array): void {
    if (this.#handlers === undefined) return;
    let payload: RelayPayload;
    try {
      payload = decodeRelayPayload(bytes);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      this.#handlers.refused(error, from);
      return;
    }
    const { kind, session, frame } = payload;
    switch (kind) {
      case "open":
        this.#accept(from, session);
        this.#opened.get(from)?.runner.receive(frame);
        return;
      case "frame": {
        const link = this.#linkOf(from, session);
        if (link !== undefined) link.runner.receive(frame);
        else this.#tell(from, { kind: "closed", session, frame: NO_FRAME });
        return;
      }
      case "closed":
        if (this.#opened.get(from)?.session === session) this.#abandon(this.#opened, from);
        if (this.#up.get(from)?.session === session && this.#abandon(this.#up, from))
          this.#handlers.lost(from, "closed by the other side");
        return;
      case "ask":
        return;
      default:
        unreachable(kind);
    }
  }

  #accept(peer: NodeId, session: Session): void {
    this.#abandon(this.#opened, peer);
    const { self, cluster, secret, random, clock, room } = this.#options;
    const channel: FrameChannel = {
      put: (frame) => this.#tell(peer, { kind: "frame", session, frame }),
      get bufferedBytes() {
        return room.bufferedBytes(peer);
      },
      close: () => this.#tell(peer, { kind: "closed", session, frame: NO_FRAME }),
    };
    const runner = new LinkRunner(
      {
        self,
        peer,
        cluster,
        secret,
        role: "responder",
        nonce: random(NONCE_BYTES),
        binding: undefined,
        frameBytesMax: RELAYED_FRAME_BYTES_MAX,
      },
      channel,
      clock,
      this.#flusher,
      {
        up: (_, protocol) => this.#onUp(peer, link, protocol),
        message: (bytes) => this.#onMessage(peer, bytes),
        closed: (reason, error) => this.#onClosed(peer, link, reason, error),
      },
    );
    const link: SeedLink = { session, runner };
    this.#opened.set(peer, link);
  }

  #onUp(peer: NodeId, link: SeedLink, protocol: ProtocolRange): void {
    this.#opened.delete(peer);
    if (this.#abandon(this.#up, peer)) this.#handlers?.lost(peer, "replaced");
    this.#up.set(peer, link);
    this.#handlers?.connected(peer, { kind: "websocket", protocol });
  }

  #onMessage(peer: NodeId, bytes: Uint8Array): void {
    try {
      const payload = decodeLinkPayload(bytes);
      // Tabs introduce each other by the server itself while it is there, so a seed passes no signals on.
      if (payload.kind === "node") this.#handlers?.received(peer, payload.bytes);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      this.#drop(this.#up, peer);
      this.#handlers?.refused(error, peer);
      this.#handlers?.lost(peer, error.code);
    }
  }

  #onClosed(peer: NodeId, link: SeedLink, reason: string, error: TabringError | undefined): void {
    if (this.#opened.get(peer) === link) this.#opened.delete(peer);
    if (error !== undefined) this.#handlers?.refused(error, peer);
    if (this.#up.get(peer) !== link) return;
    this.#up.delete(peer);
    this.#handlers?.lost(peer, reason);
  }

  #linkOf(peer: NodeId, session: Session): SeedLink | undefined {
    return [this.#opened.get(peer), this.#up.get(peer)].find((link) => link?.session === session);
  }

  /** Ends with a goodbye. */
  #drop(links: Map<NodeId, SeedLink>, peer: NodeId): SeedLink | undefined {
    const link = links.get(peer);
    links.delete(peer);
    link?.runner.close("disconnected");
    return link;
  }

  /** Ends without a word. */
  #abandon(links: Map<NodeId, SeedLink>, peer: NodeId): boolean {
    const link = links.get(peer);
    links.delete(peer);
    link?.runner.abandon();
    return link !== undefined;
  }

  #tell(peer: NodeId, payload: RelayPayload): void {
    this.#options.room.send(peer, encodeRelayPayload(payload));
  }
}
