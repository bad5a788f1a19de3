/**
 * A transport within one process, for tests and for clusters that live in one page. Frames, handshake, lanes and heartbeat are the real
 * ones: both ends run a `Link` without a binding, so every frame is sealed too. Only the channel between them is a queue in memory.
 *
 * A session with a peer goes through: dialled or accepted, up, ended. A dial that reaches a node which holds an older session, or dials
 * itself, replaces that: the peer would not dial if it had a link, and of two that dial at once the first to arrive takes the other back.
 *
 * Limits: {@link LINKS_MAX} links per transport; a channel holds what the link's high-water mark lets through.
 */

import { assert, unreachable } from "../base/assert.ts";
import type { Lane } from "../core/effect.ts";
import { OversizedError } from "../core/errors.ts";
import { MEMBERS_MAX, type Millis, type NodeId } from "../core/identifiers.ts";
import type { ProtocolRange } from "../core/versions.ts";
import { FRAME_BYTES_MAX, MESSAGE_BYTES_MAX } from "../wire/frame.ts";
import { NONCE_BYTES, type Role } from "../wire/handshake.ts";
import { Link, type LinkEvent, LOW_WATER_BYTES } from "../wire/link.ts";
import type { Clock, Transport, TransportHandlers } from "./ports.ts";

/** Most links of one transport; more are not dialled and not accepted. */
export const LINKS_MAX = MEMBERS_MAX;

/** What happens to one end of a channel. */
interface ChannelHandlers {
  frame(bytes: Uint8Array): void;
  /** The buffer fell to the low-water mark. */
  drained(): void;
  /** The other end closed, or was never there. */
  closed(): void;
}

type Parcel =
  { readonly kind: "open" } | { readonly kind: "frame"; readonly bytes: Uint8Array } | { readonly kind: "closed" };

/** One end of an ordered channel, and what is on its way from it to the other end. */
class ChannelEnd {
  readonly #hub: MemoryHub;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly #way: Parcel[] = [];
  other: ChannelEnd | undefined;
  handlers: ChannelHandlers | undefined;
  closed = false;
  bufferedBytes = 0;

  constructor(hub: MemoryHub, from: NodeId, to: NodeId) {
    this.#hub = hub;
    this.from = from;
    this.to = to;
  }

  get waiting(): number {
    return this.#way.length;
  }

  put(parcel: Parcel): void {
    if (this.closed) return;
    if (parcel.kind === "frame") this.bufferedBytes += parcel.bytes.length;
    if (parcel.kind === "closed") {
      this.closed = true;
      // A dial that is given up while it waits behind a cut never arrives, nor does what followed it.
      if (this.#way[0]?.kind === "open") this.#way.length = 0;
    }
    this.#way.push(parcel);
    this.#hub.carry(this);
  }

  /** The next parcel arrives. */
  arrive(): void {
    const parcel = this.#way.shift();
    const other = this.other;
    if (parcel === undefined || other === undefined) return;
    switch (parcel.kind) {
      case "open":
        this.#hub.accept(other);
        return;
      case "frame": {
        const before = this.bufferedBytes;
        this.bufferedBytes -= parcel.bytes.length;
        if (!other.closed) other.handlers?.frame(parcel.bytes);
        if (!this.closed && before > LOW_WATER_BYTES && this.bufferedBytes <= LOW_WATER_BYTES) this.handlers?.drained();
        return;
      }
      case "closed":
        if (other.closed) return;
        other.closed = true;
        other.handlers?.closed();
        return;
      default:
        unreachable(parcel);
    }
  }
}

/** What memory transports are plugged into. Ids are unique on one hub; clusters are kept apart by the handshake alone. */
export class MemoryHub {
  readonly #schedule: (task: () => void) => void;
  readonly #transports = new Map<NodeId, MemoryTransport>();
  readonly #cuts = new Set<string>();
  /** Ends whose parcels wait behind a cut. */
  readonly #stuck = new Set<ChannelEnd>();

  /**
   * `schedule` runs each delivery, and the end of each turn, later and in order. Microtasks by default; a test gives its own queue, or
   * `(task) => clock.after(delayMs, task)` for a network that takes time.
   */
  constructor(schedule: (task: () => void) => void = (task) => queueMicrotask(task)) {
    this.#schedule = schedule;
  }

  /** Nothing passes between the two any more, either way, without a word to either: what is on its way, or sent now, waits. */
  cut(a: NodeId, b: NodeId): void {
    this.#cuts.add(pairOf(a, b));
  }

  /** Takes all cuts away; what waited arrives where its link still lives. */
  heal(): void {
    this.#cuts.clear();
    const stuck = [...this.#stuck];
    this.#stuck.clear();
    for (const end of stuck) for (let i = end.waiting; i > 0; i--) this.carry(end);
  }

  /** For transports: runs something later, in order with the deliveries. */
  schedule(task: () => void): void {
    this.#schedule(task);
  }

  /** For transports: answers dials from now on. */
  attach(id: NodeId, transport: MemoryTransport): void {
    assert(!this.#transports.has(id), `node ${id} is on this hub already`);
    this.#transports.set(id, transport);
  }

  /** For transports. */
  detach(id: NodeId): void {
    this.#transports.delete(id);
  }

  /** For transports: a channel to `to`, whether or not somebody answers there. */
  dial(from: NodeId, to: NodeId): ChannelEnd {
    const near = new ChannelEnd(this, from, to);
    const far = new ChannelEnd(this, to, from);
    near.other = far;
    far.other = near;
    near.put({ kind: "open" });
    return near;
  }

  /** For channels: a dial arrived at its far end. */
  accept(far: ChannelEnd): void {
    const transport = this.#transports.get(far.from);
    if (transport === undefined) far.put({ kind: "closed" });
    else transport.accept(far);
  }

  /** For channels: one parcel more is on its way from this end. */
  carry(end: ChannelEnd): void {
    this.#schedule(() => {
      if (this.#cuts.has(pairOf(end.from, end.to))) this.#stuck.add(end);
      else end.arrive();
    });
  }
}

function pairOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

export interface MemoryTransportOptions {
  readonly self: NodeId;
  /** 1 to 256 bytes of UTF-8. */
  readonly cluster: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  readonly clock: Clock;
  /** So many random bytes; from a seeded generator in tests. */
  readonly random: (bytes: number) => Uint8Array;
  /** What this build reads; only tests give another. */
  readonly protocol?: ProtocolRange;
}

/** What one transport keeps of one link. */
interface Session {
  readonly peer: NodeId;
  readonly link: Link;
  readonly end: ChannelEnd;
  /** `connected` was reported, `lost` was not yet. */
  up: boolean;
  ended: boolean;
  flushDue: boolean;
  alarm: { readonly at: Millis; readonly cancel: () => void } | undefined;
}

export class MemoryTransport implements Transport {
  readonly #hub: MemoryHub;
  readonly #options: MemoryTransportOptions;
  readonly #sessions = new Map<NodeId, Session>();
  #handlers: TransportHandlers | undefined;

  constructor(hub: MemoryHub, options: MemoryTransportOptions) {
    this.#hub = hub;
    this.#options = options;
  }

  async open(handlers: TransportHandlers): Promise<void> {
    this.#hub.attach(this.#options.self, this);
    this.#handlers = handlers;
  }

  connect(peer: NodeId): void {
    const { self } = this.#options;
    if (this.#handlers === undefined || peer === self) return;
    if (this.#sessions.has(peer) || this.#sessions.size >= LINKS_MAX) return;
    this.#begin(peer, "initiator", this.#hub.dial(self, peer));
  }

  disconnect(peer: NodeId): void {
    const session = this.#sessions.get(peer);
    if (session === undefined) return;
    const wasUp = this.#end(session, "disconnected");
    // Later, because a host may be in the middle of a step when it drops a link.
    if (wasUp) this.#hub.schedule(() => this.#handlers?.lost(peer, "disconnected"));
  }

  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    const session = this.#sessions.get(peer);
    if (session === undefined || !session.up) return;
    if (bytes.length > MESSAGE_BYTES_MAX) {
      const error = new OversizedError(
        `A message of ${bytes.length} bytes is over the limit of ${MESSAGE_BYTES_MAX}. It was not sent; the link and what is stored are untouched. Reconcile siblings, or split the value.`,
      );
      this.#hub.schedule(() => this.#handlers?.refused(error, peer));
    } else if (!session.link.send(bytes, lane)) {
      // All that is sent arrives or the link is lost: a peer that leaves so much unread is lost.
      const reason = `the ${lane} queue is full`;
      if (this.#end(session, reason)) this.#hub.schedule(() => this.#handlers?.lost(peer, reason));
    } else if (!session.flushDue) {
      session.flushDue = true;
      this.#hub.schedule(() => {
        session.flushDue = false;
        this.#flush(session);
      });
    }
  }

  async close(): Promise<void> {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    this.#hub.detach(this.#options.self);
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) if (this.#end(session, "closed")) handlers.lost(session.peer, "closed");
    this.#handlers = undefined;
  }

  /** For the hub: somebody dialled this node. */
  accept(end: ChannelEnd): void {
    const peer = end.to;
    const session = this.#sessions.get(peer);
    if (session === undefined && this.#sessions.size >= LINKS_MAX) {
      end.put({ kind: "closed" });
      return;
    }
    if (session !== undefined) this.#lose(session, "replaced by a new link");
    this.#begin(peer, "responder", end);
  }

  #begin(peer: NodeId, role: Role, end: ChannelEnd): void {
    const { self, cluster, secret, clock, random, protocol } = this.#options;
    const session: Session = {
      peer,
      end,
      link: new Link({
        self,
        peer,
        cluster,
        secret,
        role,
        nonce: random(NONCE_BYTES),
        binding: undefined,
        frameBytesMax: FRAME_BYTES_MAX,
        now: clock.now(),
        ...(protocol === undefined ? {} : { protocol }),
      }),
      up: false,
      ended: false,
      flushDue: false,
      alarm: undefined,
    };
    this.#sessions.set(peer, session);
    end.handlers = {
      frame: (bytes) => this.#act(session, session.link.receive(bytes, clock.now())),
      drained: () => {
        if (session.link.heldBack) this.#flush(session);
      },
      closed: () => this.#lose(session, "channel closed"),
    };
    this.#flush(session);
  }

  #act(session: Session, events: readonly LinkEvent[]): void {
    for (const event of events) {
      // A handler may have dropped the link: then the rest was never received.
      if (session.ended) return;
      switch (event.kind) {
        case "up":
          session.up = true;
          this.#handlers?.connected(session.peer, { kind: "memory", protocol: event.protocol });
          break;
        case "message":
          this.#handlers?.received(session.peer, event.bytes);
          break;
        case "closed":
          this.#lose(session, event.reason);
          if (event.error !== undefined) this.#handlers?.refused(event.error, session.peer);
          break;
        default:
          unreachable(event);
      }
    }
    this.#flush(session);
  }

  /** Puts on the channel what is due, and arms the alarm. */
  #flush(session: Session): void {
    if (session.ended) return;
    const { clock } = this.#options;
    for (const bytes of session.link.poll(clock.now(), session.end.bufferedBytes))
      session.end.put({ kind: "frame", bytes });
    const at = session.link.wakeAt();
    // An alarm that comes too early looks again: so most messages need no new one.
    if (at === undefined || (session.alarm !== undefined && session.alarm.at <= at)) return;
    session.alarm?.cancel();
    const cancel = clock.after(Math.max(0, at - clock.now()), () => {
      session.alarm = undefined;
      if (!session.ended) this.#act(session, session.link.wake(clock.now()));
    });
    session.alarm = { at, cancel };
  }

  #lose(session: Session, reason: string): void {
    if (this.#end(session, reason)) this.#handlers?.lost(session.peer, reason);
  }

  /** Last words, then the channel closes. True when the host must hear `lost`. */
  #end(session: Session, reason: string): boolean {
    if (session.ended) return false;
    const { link, end } = session;
    const lastWords = link.state === "closed" ? link.poll(this.#options.clock.now(), 0) : link.close(reason);
    for (const bytes of lastWords) end.put({ kind: "frame", bytes });
    end.put({ kind: "closed" });
    session.alarm?.cancel();
    session.ended = true;
    this.#sessions.delete(session.peer);
    const wasUp = session.up;
    session.up = false;
    return wasUp;
  }
}
