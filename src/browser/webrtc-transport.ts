/**
 * Links between tabs: WebRTC data channels, made through the signaling server (or a room of this browser alone) or through members; relayed by the server where no data channel
 * can be made; and the link to the seed, over the WebSocket to the server.
 *
 * For each peer there is at most one attempt under way ({@link LinkAttempt}) and at most one link up ({@link PeerLink}). A newer link to the
 * same peer replaces the older one: `lost`, then `connected`. A transport that joins a room greets by itself: the seed if there is one, else, as
 * long as it has no link at all, up to three random nodes of the room; whom else to link is the node's business.
 *
 * When the server dies, WebRTC links stay; relayed ones and the seed's are lost; new ones are negotiated through members.
 *
 * Limits: 64 links and attempts together; signals from strangers make at most 32 attempts at a time. What a message costs is bounded by the
 * links themselves. For demonstrations a node can be cut off ({@link WebRtcTransport.setCut}): then everything to and from those peers
 * vanishes without a word, as in a dead network, and links die of silence.
 */

import { unreachable } from "../base/assert.ts";
import type { Lane } from "../core/effect.ts";
import { OversizedError, TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { TurnFlusher, type TurnScheduler } from "../driver/link-runner.ts";
import type { Clock, LinkInfo, Transport, TransportHandlers } from "../driver/ports.ts";
import {
  decodeLinkPayload,
  decodeRelayPayload,
  encodeRelayPayload,
  NO_FRAME,
  type RelayPayload,
  type Route,
  type Session,
  wrapNodeMessage,
} from "../wire/link-payload.ts";
import { type AttemptHost, LinkAttempt, type SignalPath } from "./link-attempt.ts";
import { MemberSignaling } from "./member-signaling.ts";
import { type LinkSurroundings, PeerLink } from "./peer-link.ts";
import { type RtcFactory, simplePeerFactory } from "./rtc-connection.ts";
import { SAME_BROWSER, SameBrowserRoom } from "./same-browser-room.ts";
import { formatSignalPayload, parseSignalPayload, type RtcSignal } from "./signal-payload.ts";
import { type Signaling, SignalingClient, type SocketConstructor } from "./signaling-client.ts";

export const LINKS_MAX = 64;
const ANSWERS_MAX = 32;
const GREETED_MAX = 3;
const GREET_MS = 5_000;
const SEEDS_MAX = 64;
/** A link so young cannot be known to its peer yet: a `want` that crossed it means nothing. */
const FRESH_LINK_MS = 2_000;

export interface WebRtcTransportOptions {
  readonly self: NodeId;
  readonly cluster: string;
  /** 32 bytes, from the invite link. */
  readonly secret: Uint8Array;
  /** WebSocket addresses of seeds, or `SAME_BROWSER` alone. */
  readonly seeds: readonly string[];
  /** So many bytes that nobody can guess (`crypto.getRandomValues`). */
  readonly random: (count: number) => Uint8Array;
  readonly clock: Clock;
  /** For NAT traversal; none by default. */
  readonly iceServers?: readonly RTCIceServer[];
  /** False: makes no link that nobody asked for. True by default. */
  readonly greet?: boolean;

  // What tests put in the place of a browser's parts.
  readonly makeConnection?: RtcFactory;
  readonly socket?: SocketConstructor;
  readonly signaling?: Signaling;
  readonly scheduleTurn?: TurnScheduler;
}

/** What happened since the transport was made. */
export interface TransportCounters {
  readonly connectionsMade: number;
  readonly attempts: number;
  readonly links: Readonly<Record<LinkInfo["kind"], number>>;
  readonly signalsByServer: number;
  readonly signalsByMembers: number;
  readonly signalsPassedOn: number;
  readonly signalsDropped: number;
}

/** See `StoreStatus.seed`. */
export type SeedState = "connected" | "connecting" | "same-browser" | "none";
export type Cut = "none" | "all" | readonly NodeId[];

export class WebRtcTransport implements Transport {
  readonly #options: WebRtcTransportOptions;
  readonly #signaling: Signaling | undefined;
  readonly #makeConnection: RtcFactory;
  readonly #turns: { schedule: TurnScheduler; stop(): void };
  readonly #surroundings: LinkSurroundings;
  readonly #attemptHost: AttemptHost;
  readonly #byMembers: MemberSignaling;

  #handlers: TransportHandlers | undefined;
  #closed = false;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #attempts = new Map<NodeId, LinkAttempt>();
  #joined = false;
  readonly #present = new Set<NodeId>();
  #seed: NodeId | undefined;
  /** Seeds met so far: they can be reached by their server only. At most 64. */
  readonly #seedsMet = new Set<NodeId>();
  /** Who refused this node, or was refused, since it joined: not greeted again. */
  readonly #unwelcome = new Set<NodeId>();
  #cut: Cut = "none";
  #serverCut = false;
  /** Connections that ended during a cut and are closed after it. Bounded by the links there were when it began. */
  #toClose: { readonly peer: NodeId; readonly close: () => void }[] = [];
  #lastNumber = 0;
  #stopGreeting: () => void = () => {};
  #onPresent: (node: NodeId) => void = () => {};
  readonly #counters = {
    connectionsMade: 0,
    attempts: 0,
    links: { webrtc: 0, websocket: 0, relayed: 0, memory: 0 },
    signalsByServer: 0,
    signalsByMembers: 0,
  };

  constructor(options: WebRtcTransportOptions) {
    this.#options = options;
    const { self, cluster, secret, random, clock } = options;
    this.#signaling = options.signaling ?? signalingOf(options);
    this.#makeConnection = options.makeConnection ?? simplePeerFactory(options.iceServers);
    this.#turns =
      options.scheduleTurn === undefined ? messageChannelTurns() : { schedule: options.scheduleTurn, stop: () => {} };
    this.#surroundings = {
      self,
      cluster,
      secret,
      random,
      clock,
      flusher: new TurnFlusher(this.#turns.schedule),
      isCut: (peer) => this.#isCut(peer),
      closeAfterCut: (peer, close) => this.#toClose.push({ peer, close }),
      up: (link) => this.#onUp(link),
      message: (link, bytes) => this.#onMessage(link, bytes),
      ended: (link, reason, error) => this.#onEnded(link, reason, error),
    };
    this.#attemptHost = {
      clock,
      nextSession: () => this.#nextNumber(),
      serverKnows: (peer) => this.#joined && this.#present.has(peer),
      signal: (peer, session, signal, path) => this.#sendSignal(peer, session, signal, path),
      overRtc: (peer, session, dialing, signal) => this.#overRtc(peer, session, dialing, signal),
      overRelay: (peer, session, dialing) => this.#overRelay(peer, session, dialing),
      attemptEnded: (attempt) => this.#forgetAttempt(attempt),
    };
    this.#byMembers = new MemberSignaling({
      self,
      clock,
      random,
      neighbours: () => [...this.#links.values()].filter(({ kind }) => kind !== "websocket").map(({ peer }) => peer),
      send: (neighbour, message) => this.#put(neighbour, message, "foreground"),
      arrived: (route, via) => this.#onRoute(route, via),
    });
  }

  open(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#signaling?.start({
      joined: (members, seed) => this.#onJoined(members, seed),
      present: (node) => this.#onNodePresent(node),
      absent: (node) => this.#onNodeAbsent(node),
      signal: (from, session, payload) => this.#onServerSignal(from, session, payload),
      undeliverable: (to, session) => this.#onUndeliverable(to, session),
      relay: (from, payload) => this.#onRelay(from, payload),
      drained: () => {
        for (const link of this.#relayedLinks()) link.drained();
      },
      refused: (error) => this.#handlers?.refused(error, undefined),
      down: () => this.#onDown(),
    });
    return Promise.resolve();
  }

  connect(peer: NodeId): void {
    if (this.#handlers === undefined || peer === this.#options.self || this.#isCut(peer)) return;
    if (this.#links.has(peer) || this.#attempts.has(peer) || this.#isFull()) return;
    if (this.#seedsMet.has(peer) && peer !== this.#seed) return;
    this.#attempt(peer).start();
  }

  disconnect(peer: NodeId): void {
    this.#dropAttempt(peer);
    this.#dropLink(peer, "disconnected");
  }

  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    if (!this.#links.has(peer)) return;
    try {
      this.#put(peer, wrapNodeMessage(bytes), lane);
    } catch (error) {
      if (!(error instanceof OversizedError)) throw error;
      queueMicrotask(() => this.#handlers?.refused(error, peer));
    }
  }

  /** All of it happens before the first await: fit for `pagehide`. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    const handlers = this.#handlers;
    this.#handlers = undefined;
    this.#stopGreeting();
    for (const peer of [...this.#attempts.keys()]) this.#dropAttempt(peer);
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) link.destroy("closed");
    for (const { close } of this.#toClose.splice(0)) close();
    this.#signaling?.close();
    this.#turns.stop();
    for (const { peer } of links) handlers?.lost(peer, "closed");
    return Promise.resolve();
  }

  /** How this peer is linked; undefined when it is not. */
  linkOf(peer: NodeId): LinkInfo["kind"] | undefined {
    return this.#links.get(peer)?.kind;
  }

  /** connected: this node is in its cluster's room at the server. same-browser, none: there is no server to connect to. */
  get seedState(): SeedState {
    if (this.#signaling === undefined) return "none";
    if (this.#signaling.place === "same-browser") return "same-browser";
    return this.#joined && this.#cut !== "all" ? "connected" : "connecting";
  }

  /** The server's own node in this cluster, when it has one and is there. */
  get seedNode(): NodeId | undefined {
    return this.#seed;
  }

  /** Nodes in the room at the server, this one and the seed left out. */
  get present(): readonly NodeId[] {
    return [...this.#present];
  }

  get counters(): TransportCounters {
    return {
      ...this.#counters,
      links: { ...this.#counters.links },
      signalsPassedOn: this.#byMembers.passedOn,
      signalsDropped: this.#byMembers.dropped,
    };
  }

  /** Called for each node that is in the room or comes into it, the seed included: whom a newcomer may contact. One listener. */
  onPresent(listener: (node: NodeId) => void): void {
    this.#onPresent = listener;
    for (const node of this.#reachable()) listener(node);
  }

  get cut(): Cut {
    return this.#cut;
  }

  /** Replaces the present cut. "all" includes the server. Links that lost frames to a cut are lost when it ends, if not before. */
  setCut(cut: Cut): void {
    const before = this.#cut;
    this.#cut = cut;
    for (const peer of [...this.#attempts.keys()]) if (this.#isCut(peer)) this.#dropAttempt(peer);
    for (const link of [...this.#links.values()])
      if (link.gapped && !this.#isCut(link.peer)) this.#loseLink(link, "frames were lost in a cut");
    const ended = this.#toClose;
    this.#toClose = ended.filter(({ peer }) => this.#isCut(peer));
    for (const { peer, close } of ended) if (!this.#isCut(peer)) close();
    if (before === "all" && cut !== "all") this.#meetServer();
    else if (before !== "none") for (const node of this.#reachable()) this.#onPresent(node);
  }

  /** As if the server were down: its socket is closed, and none is opened, until this is undone. Data channels stay; new ones are made through members. */
  setServerCut(cut: boolean): void {
    if (cut === this.#serverCut) return;
    this.#serverCut = cut;
    if (cut) this.#signaling?.suspend();
    else this.#meetServer();
  }

  // The room at the server.

  #meetServer(): void {
    if (!this.#serverCut) this.#signaling?.restart();
  }

  #onJoined(members: readonly NodeId[], seed: NodeId | undefined): void {
    if (this.#cut === "all") return;
    // It was not known to be the seed, and dialled as a tab.
    if (seed !== undefined && seed !== this.#seed) this.#dropAttempt(seed);
    this.#joined = true;
    this.#seed = seed;
    if (seed !== undefined && this.#seedsMet.size < SEEDS_MAX) this.#seedsMet.add(seed);
    this.#present.clear();
    this.#unwelcome.clear();
    for (const node of members) if (node !== this.#options.self) this.#present.add(node);
    for (const node of this.#reachable()) this.#onPresent(node);
    for (const attempt of [...this.#attempts.values()]) attempt.onNewWay();
    this.#greet();
  }

  #onNodePresent(node: NodeId): void {
    if (this.#cut === "all" || node === this.#options.self) return;
    this.#present.add(node);
    if (this.#isCut(node)) return;
    this.#onPresent(node);
    this.#greet();
  }

  #onNodeAbsent(node: NodeId): void {
    if (this.#cut === "all") return;
    this.#present.delete(node);
    for (const link of this.#relayedLinks()) if (link.peer === node) link.channelLost("it left the server");
  }

  #onUndeliverable(to: NodeId, _session: string): void {
    if (this.#isCut(to)) return;
    this.#onNodeAbsent(to);
    this.#attempts.get(to)?.onUndeliverable();
  }

  #onDown(): void {
    this.#joined = false;
    this.#seed = undefined;
    this.#present.clear();
    for (const link of this.#relayedLinks()) link.channelLost("the server is gone");
  }

  /** Links that nobody asked for, so that a node meets its cluster at all; looked at again as long as the transport is open. */
  #greet(): void {
    this.#stopGreeting();
    if (this.#handlers === undefined || this.#options.greet === false) return;
    this.#stopGreeting = this.#options.clock.after(GREET_MS, () => this.#greet());
    const welcome = (node: NodeId): boolean => !this.#unwelcome.has(node);
    if (this.#seed !== undefined) {
      if (welcome(this.#seed)) this.connect(this.#seed);
    } else if (this.#links.size === 0 && this.#attempts.size === 0) {
      const rest = [...this.#present].filter(welcome);
      for (const chance of this.#options.random(Math.min(GREETED_MAX, rest.length)))
        for (const node of rest.splice(chance % rest.length, 1)) this.connect(node);
    }
  }

  // Signals.

  #sendSignal(
    peer: NodeId,
    session: Session,
    signal: RtcSignal | { readonly type: "knock" | "want" },
    path: SignalPath,
  ): void {
    if (this.#handlers === undefined || this.#isCut(peer)) return;
    const sequence = this.#nextNumber();
    const payload = formatSignalPayload({ sequence, signal });
    if (path.kind === "server" && this.#signaling?.signal(peer, `${session}`, payload) === true) {
      this.#counters.signalsByServer++;
      return;
    }
    this.#counters.signalsByMembers++;
    this.#byMembers.send(peer, session, sequence, payload, path.kind === "members" ? path.via : undefined);
  }

  #onServerSignal(from: NodeId, session: string, payload: string): void {
    if (/^\d{1,16}$/.test(session)) this.#onSignal(from, Number(session), payload, { kind: "server" });
  }

  #onRoute(route: Route, via: NodeId): void {
    this.#onSignal(route.from, route.session, route.payload, { kind: "members", via });
  }

  #onSignal(from: NodeId, session: Session, text: string, path: SignalPath): void {
    if (this.#handlers === undefined || from === this.#options.self || this.#isCut(from)) return;
    const payload = parseSignalPayload(text);
    if (payload === undefined) return;
    const { signal } = payload;
    const link = this.#links.get(from);
    const isFresh = link !== undefined && this.#options.clock.now() - link.upAtMs < FRESH_LINK_MS;
    switch (signal.type) {
      case "knock":
        if (!isFresh && from < this.#options.self) this.#answering(from)?.onKnock(path);
        return;
      case "want":
        if (!isFresh && from > this.#options.self) this.#answering(from)?.onWant(path);
        return;
      case "offer":
      case "candidate":
        // What belongs to a link that is up, or to one before it, is late.
        if (link !== undefined && session <= link.session) return;
        if (from < this.#options.self) this.#answering(from)?.onRtcSignal(session, signal, path);
        else this.#attempts.get(from)?.onRtcSignal(session, signal, path);
        return;
      case "answer":
        this.#attempts.get(from)?.onRtcSignal(session, signal, path);
        return;
      default:
        unreachable(signal);
    }
  }

  /** The attempt with this peer, begun by it if there was none. */
  #answering(peer: NodeId): LinkAttempt | undefined {
    const attempt = this.#attempts.get(peer);
    if (attempt !== undefined) return attempt;
    if (this.#attempts.size >= ANSWERS_MAX || this.#isFull()) return undefined;
    return this.#attempt(peer);
  }

  // Attempts.

  #attempt(peer: NodeId): LinkAttempt {
    this.#counters.attempts++;
    const isSeed = peer === this.#seed;
    const attempt = new LinkAttempt(this.#attemptHost, peer, isSeed || this.#options.self < peer, isSeed);
    this.#attempts.set(peer, attempt);
    return attempt;
  }

  #overRtc(peer: NodeId, session: Session, dialing: boolean, signal: (data: RtcSignal) => void): PeerLink | undefined {
    try {
      const role = dialing ? "initiator" : "responder";
      const link = PeerLink.overRtc({ peer, session, role }, this.#surroundings, this.#makeConnection, signal);
      this.#counters.connectionsMade++;
      return link;
    } catch {
      // No WebRTC here, or no more connections to be had: the attempt goes on to a relayed link.
      return undefined;
    }
  }

  #overRelay(peer: NodeId, session: Session, dialing: boolean): PeerLink {
    const signaling = this.#signaling;
    return PeerLink.overRelay(
      { kind: peer === this.#seed ? "websocket" : "relayed", peer, session, role: dialing ? "initiator" : "responder" },
      this.#surroundings,
      {
        put: (payload) => this.#relay(peer, payload),
        get bufferedBytes() {
          return signaling?.bufferedBytes ?? 0;
        },
      },
    );
  }

  #dropAttempt(peer: NodeId): void {
    const attempt = this.#attempts.get(peer);
    this.#attempts.delete(peer);
    attempt?.link?.abandon();
    attempt?.stop();
  }

  #forgetAttempt(attempt: LinkAttempt): void {
    if (this.#attempts.get(attempt.peer) === attempt) this.#attempts.delete(attempt.peer);
  }

  // Relay envelopes.

  #relay(peer: NodeId, payload: RelayPayload): void {
    this.#signaling?.relay(peer, encodeRelayPayload(payload));
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
    const link = [this.#links.get(from), this.#attempts.get(from)?.link].find(
      (each) => each?.session === session && each.kind !== "webrtc",
    );
    // A link under a cut takes note of what it loses.
    if (this.#isCut(from)) return link?.receive(frame);
    switch (kind) {
      case "open":
        if (from < this.#options.self && session > (this.#links.get(from)?.session ?? 0))
          this.#answering(from)?.onRelayOpened(session, frame);
        return;
      case "frame":
        if (link !== undefined) link.receive(frame);
        else this.#relay(from, { kind: "closed", session, frame: NO_FRAME });
        return;
      case "closed":
        link?.channelLost("closed by the other side");
        return;
      case "ask":
        if (from === this.#seed) this.connect(from);
        return;
      default:
        unreachable(kind);
    }
  }

  #relayedLinks(): PeerLink[] {
    const links = [...this.#links.values(), ...[...this.#attempts.values()].map(({ link }) => link)];
    return links.filter((link) => link !== undefined).filter(({ kind }) => kind !== "webrtc");
  }

  // Links.

  #onUp(link: PeerLink): void {
    const attempt = this.#attempts.get(link.peer);
    if (attempt?.link !== link) return link.abandon();
    attempt.stop();
    this.#attempts.delete(link.peer);
    const older = this.#links.get(link.peer);
    if (older !== undefined) this.#loseLink(older, "replaced by a newer link");
    this.#links.set(link.peer, link);
    this.#counters.links[link.kind]++;
    this.#handlers?.connected(link.peer, { kind: link.kind, protocol: link.protocol });
    for (const other of [...this.#attempts.values()]) other.onNewWay();
  }

  #onMessage(link: PeerLink, bytes: Uint8Array): void {
    if (this.#links.get(link.peer) !== link) return;
    try {
      const payload = decodeLinkPayload(bytes);
      if (payload.kind === "node") this.#handlers?.received(link.peer, payload.bytes);
      else this.#byMembers.receive(payload.route, link.peer);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      link.close(error.code);
      this.#onEnded(link, error.code, error);
    }
  }

  #onEnded(link: PeerLink, reason: string, error: TabringError | undefined): void {
    const { peer } = link;
    if (error !== undefined) {
      this.#unwelcome.add(peer);
      this.#handlers?.refused(error, peer);
    }
    const attempt = this.#attempts.get(peer);
    if (attempt?.link === link) attempt.onLinkEnded(error);
    if (this.#links.get(peer) !== link) return;
    this.#forgetLink(peer);
    // A socket that carries nothing any more, though it claims to be open, is left.
    if (link.kind === "websocket" && reason === "silent" && this.#cut === "none") this.#meetServer();
    this.#handlers?.lost(peer, reason);
  }

  #put(peer: NodeId, message: Uint8Array, lane: Lane): void {
    const link = this.#links.get(peer);
    if (link !== undefined && !link.send(message, lane)) this.#dropLink(peer, "the other side takes nothing more");
  }

  /** Ends a link with a goodbye. Its loss is told after the caller's turn: it may be in the middle of a step. */
  #dropLink(peer: NodeId, reason: string): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    this.#forgetLink(peer);
    link.close(reason);
    queueMicrotask(() => this.#handlers?.lost(peer, reason));
  }

  /** Ends a link without a word. */
  #loseLink(link: PeerLink, reason: string): void {
    this.#forgetLink(link.peer);
    link.abandon();
    this.#handlers?.lost(link.peer, reason);
  }

  #forgetLink(peer: NodeId): void {
    this.#links.delete(peer);
    this.#byMembers.forget(peer);
  }

  #isCut(peer: NodeId): boolean {
    return this.#cut === "all" || (this.#cut !== "none" && this.#cut.includes(peer));
  }

  #isFull(): boolean {
    return this.#links.size + this.#attempts.size >= LINKS_MAX;
  }

  #reachable(): NodeId[] {
    const nodes = this.#seed === undefined ? [...this.#present] : [this.#seed, ...this.#present];
    return nodes.filter((node) => !this.#isCut(node));
  }

  /** Grows with every call, and (but for a clock that was set back) over reloads of this node too. */
  #nextNumber(): number {
    this.#lastNumber = Math.max(this.#lastNumber + 1, Math.floor(this.#options.clock.wall()) * 1_000);
    return this.#lastNumber;
  }
}

function signalingOf(options: WebRtcTransportOptions): Signaling | undefined {
  if (options.seeds.length === 0) return undefined;
  return options.seeds.includes(SAME_BROWSER) ? new SameBrowserRoom(options) : new SignalingClient(options);
}

/** The end of the present turn, by a message to ourselves: unlike a timer it is never late, in a hidden tab neither. */
function messageChannelTurns(): { schedule: TurnScheduler; stop(): void } {
  if (typeof MessageChannel === "undefined") return { schedule: queueMicrotask, stop: () => {} };
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => {
    for (const callback of waiting.splice(0)) callback();
  };
  return {
    schedule: (callback) => {
      waiting.push(callback);
      port2.postMessage(null);
    },
    stop: () => {
      port1.close();
      port2.close();
    },
  };
}
