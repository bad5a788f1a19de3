/**
 * Links between nodes in virtual time, and everything that can go wrong with them.
 *
 * A link has two ends, and they need not agree. `connect` leads to a new generation of the link, up at both ends at once, if by then both nodes
 * are awake and no cut lies between them; otherwise to nothing. An end goes down by `disconnect`, when the far node crashes, or when a cut is
 * noticed: after a drawn delay, or never, and then the node's own pings must notice. A message reaches the far end only if that end is up and of
 * the generation that the message was sent to. Exactly one `lost` follows each `connected`, unless the node itself is gone.
 *
 * Worse than the transport port promises, by profile: loss, duplication, reordering, and late frames, which come out of whatever link is up
 * between the two many seconds later (seen in browsers after a healed partition).
 *
 * Somebody may watch: then each message gets a number when it is sent, is told of until it has arrived or is lost, and may be dropped, put off or
 * doubled on its way by that number. Watching draws nothing and changes no order; who does not watch pays nothing for it.
 *
 * Limits: STALLED_MAX messages wait behind a cut; what comes beyond is lost.
 */

import type { Prng } from "../base/prng.ts";
import type { Lane } from "../core/effect.ts";
import type { Epoch, Millis, NodeId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { PROTOCOL_VERSION, formOf } from "../core/versions.ts";

export const STALLED_MAX = 50_000;
/** A message doubled by hand comes a second time so much later. */
const DUPLICATE_AFTER_MS: Millis = 1;

/** Both inclusive. */
export interface Span {
  readonly min: Millis;
  readonly max: Millis;
}

export interface NetworkProfile {
  /** One way. Drawn once for each direction of each pair of nodes. */
  readonly latencyMs: Span;
  /** Added to each message, drawn each time. */
  readonly jitterMs: Millis;
  /** Draws the whole way of each message, in place of the latency and what is added to it. */
  readonly drawMs?: (prng: Prng) => Millis;
  /** Messages overtake each other within a lane. */
  readonly reordering: boolean;
  readonly lossProbability: number;
  readonly duplicationProbability: number;
  /** Share of the messages that come out up to `lateMsMax` later, on whatever link is up then. */
  readonly lateProbability: number;
  readonly lateMsMax: Millis;
  /** From `connect` to a link. */
  readonly connectMs: Span;
  /** From the death of a link to `lost` at an end that notices. */
  readonly noticeMs: Span;
  /** Share of the ends that never notice. */
  readonly unnoticedProbability: number;
  /** Share of the messages sent against a cut that wait for its end instead of being lost. */
  readonly stallProbability: number;
}

export const calmNetwork: NetworkProfile = {
  latencyMs: { min: 5, max: 5 },
  jitterMs: 0,
  reordering: false,
  lossProbability: 0,
  duplicationProbability: 0,
  lateProbability: 0,
  lateMsMax: 0,
  connectMs: { min: 20, max: 20 },
  noticeMs: { min: 1_000, max: 1_000 },
  unnoticedProbability: 0,
  stallProbability: 0,
};

/** Messages as bytes on their way, so that the codec is run as well. */
export interface MessageCodec {
  /** `protocol`: the newest version that the receiver reads, where that is older than the build's own. */
  encode(message: Message, epoch: Epoch, protocol: number | undefined, from: NodeId): Uint8Array;
  decode(bytes: Uint8Array, to: NodeId): { readonly message: Message; readonly epoch: Epoch };
}

/** What the network needs of the simulator. */
export interface NetworkHost {
  schedule(delayMs: Millis, run: () => void): void;
  /** Runs and is not frozen: takes part in making a link. */
  isAwake(node: NodeId): boolean;
  connected(node: NodeId, peer: NodeId): void;
  lost(node: NodeId, peer: NodeId): void;
  received(node: NodeId, from: NodeId, epoch: Epoch, message: Message): void;
  /** The newest version of the protocol that this node reads. */
  readsUpTo(node: NodeId): number;
  /** A message has arrived in a form that is not read there: it is dropped. */
  unread(node: NodeId, from: NodeId, kind: Message["kind"]): void;
}

/** Numbers a message on its way, and each copy of it, from 1. */
export type FlightId = number;

/**
 * Why a message never arrived. loss: by chance. cut: nothing passes. dead-link: there is no link, or another one than it was sent on. never: what gray
 * nodes answer. unread: the receiver's build does not read it. full: too many wait already. dropped: by somebody's hand, or by a scenario.
 */
export type LossReason = "loss" | "cut" | "dead-link" | "never" | "unread" | "full" | "dropped";

/** Each flight is told of by `sent`, then any number of `waits` and `goesOn`, then by one of `arrives` and `lost`, if the run goes on for so long. */
export interface NetworkWatcher {
  /** `arrivesAt`: if nothing comes between. `copyOf`: what it doubles. `epoch` and `protocol`: what its bytes would be written with. */
  sent(
    flight: FlightId,
    from: NodeId,
    to: NodeId,
    message: Message,
    arrivesAt: Millis,
    copyOf: FlightId | undefined,
    epoch: Epoch,
    protocol: number | undefined,
  ): void;
  /** It is kept back until somebody lets it out, or a cut ends. */
  waits(flight: FlightId): void;
  goesOn(flight: FlightId, arrivesAt: Millis): void;
  /** Right before the far node gets it. `late`: later than it should have, on whatever link is up now. */
  arrives(flight: FlightId, late: boolean): void;
  lost(flight: FlightId, reason: LossReason): void;
}

interface End {
  readonly generation: number;
  /** Relative order within a lane: nothing sent later arrives before this. */
  readonly arrival: Record<Lane, Millis>;
}

interface Parcel {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly generation: number;
  readonly late: boolean;
  readonly message: Message;
  /** What is read on its arrival instead of the message, where there is a codec. */
  readonly bytes: Uint8Array | undefined;
  /** The version of its form. */
  readonly form: number;
  readonly epoch: Epoch;
  readonly protocol: number | undefined;
  /** 0 when nobody watched as it was sent. */
  readonly flight: FlightId;
}

interface Watched {
  readonly watcher: NetworkWatcher;
  /** What has neither arrived nor been lost, and when it is due; undefined while it is kept back. */
  readonly underWay: Map<FlightId, { readonly parcel: Parcel; dueAt: Millis | undefined }>;
}

/** Drawn in quarters of a millisecond: exact in binary, and no node may rely on whole ones. */
export function draw(prng: Prng, span: Span): Millis {
  return span.max <= span.min ? span.min : span.min + Math.floor(prng.below((span.max - span.min) * 4 + 1)) / 4;
}

export class VirtualNetwork {
  profile: NetworkProfile;
  readonly #prng: Prng;
  readonly #host: NetworkHost;
  readonly #now: () => Millis;
  readonly #codec: MessageCodec | undefined;
  readonly #ends = new Map<NodeId, Map<NodeId, End>>();
  readonly #latency = new Map<string, Millis>();
  readonly #dialling = new Set<string>();
  /** Multiplies the latency to and from a slow node. */
  readonly #slowness = new Map<NodeId, number>();
  /** Added to it, to and from a node that is far away. */
  readonly #distance = new Map<NodeId, Millis>();
  /** By how much what gray nodes reply to requests comes later. */
  readonly #grayness = new Map<NodeId, Millis>();
  readonly #cuts = new Map<NodeId, Set<NodeId>>();
  /** Directions whose messages, all or those of some kinds, are kept back until released; for scenarios. */
  readonly #held = new Map<string, { readonly kinds: Set<Message["kind"]> | undefined; readonly parcels: Parcel[] }>();
  /** How many of the next messages of a kind are lost in a direction; for scenarios. */
  readonly #doomed = new Map<string, number>();
  #stalled: Parcel[] = [];
  #generation = 0;
  #watched: Watched | undefined;
  #flights: FlightId = 0;

  constructor(
    prng: Prng,
    profile: NetworkProfile,
    now: () => Millis,
    host: NetworkHost,
    codec: MessageCodec | undefined,
  ) {
    this.#prng = prng;
    this.profile = profile;
    this.#now = now;
    this.#host = host;
    this.#codec = codec;
  }

  /** From now on every message that is sent is told of. Once. */
  watch(watcher: NetworkWatcher): void {
    this.#watched = { watcher, underWay: new Map() };
  }

  /** Directions in which nothing passes. */
  get cuts(): readonly { readonly from: NodeId; readonly to: NodeId }[] {
    return [...this.#cuts].flatMap(([from, cut]) => [...cut].map((to) => ({ from, to })));
  }

  isLinked(node: NodeId, peer: NodeId): boolean {
    return this.#ends.get(node)?.has(peer) ?? false;
  }

  /** True when what `from` sends cannot reach `to` because of a cut. */
  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.get(from)?.has(to) ?? false;
  }

  connect(node: NodeId, peer: NodeId): void {
    const pair = node < peer ? `${node} ${peer}` : `${peer} ${node}`;
    if (node === peer || this.isLinked(node, peer) || this.#dialling.has(pair)) return;
    this.#dialling.add(pair);
    this.#host.schedule(draw(this.#prng, this.profile.connectMs), () => {
      this.#dialling.delete(pair);
      if (!this.#host.isAwake(node) || !this.#host.isAwake(peer)) return;
      if (this.isCut(node, peer) || this.isCut(peer, node)) return;
      if (
        this.isLinked(node, peer) &&
        this.isLinked(peer, node) &&
        this.#generationOf(node, peer) === this.#generationOf(peer, node)
      )
        return;
      const generation = ++this.#generation;
      for (const [near, far] of [
        [node, peer],
        [peer, node],
      ] as const) {
        if (this.isLinked(near, far)) this.#lose(near, far);
        let ends = this.#ends.get(near);
        if (ends === undefined) this.#ends.set(near, (ends = new Map<NodeId, End>()));
        ends.set(far, { generation, arrival: { foreground: 0, background: 0 } });
      }
      this.#host.connected(node, peer);
      this.#host.connected(peer, node);
    });
  }

  /** This end goes down at once; the far end notices later, or never. */
  disconnect(node: NodeId, peer: NodeId): void {
    if (!this.isLinked(node, peer)) return;
    this.#lose(node, peer);
    this.#noticeLater(peer, node);
  }

  /** `protocol`: see the effect `send`. */
  send(from: NodeId, to: NodeId, epoch: Epoch, lane: Lane, message: Message, protocol?: number): void {
    const end = this.#ends.get(from)?.get(to);
    if (end === undefined) {
      this.#tellLost(from, to, message, "dead-link", epoch, protocol);
      return;
    }
    const { profile } = this;
    const prng = this.#prng;
    if (profile.lossProbability > 0 && prng.chance(profile.lossProbability)) {
      this.#tellLost(from, to, message, "loss", epoch, protocol);
      return;
    }
    const bytes = this.#codec?.encode(message, epoch, protocol, from);
    const form = formOf(message.kind, protocol ?? PROTOCOL_VERSION) ?? PROTOCOL_VERSION;
    const copies = profile.duplicationProbability > 0 && prng.chance(profile.duplicationProbability) ? 2 : 1;
    let original: FlightId | undefined;
    for (let copy = 0; copy < copies; copy++) {
      const late = profile.lateProbability > 0 && prng.chance(profile.lateProbability);
      const flight = this.#watched === undefined ? 0 : ++this.#flights;
      const { generation } = end;
      const parcel: Parcel = { from, to, generation, late, message, bytes, form, epoch, protocol, flight };
      let delay =
        profile.drawMs?.(prng) ??
        this.#latencyOf(from, to) + (profile.jitterMs > 0 ? prng.below(profile.jitterMs * 4) / 4 : 0);
      delay += (this.#distance.get(from) ?? 0) + (this.#distance.get(to) ?? 0);
      if (isReplicaReply(message)) delay += this.#grayness.get(from) ?? 0;
      if (delay === Infinity) {
        this.#watched?.watcher.sent(flight, from, to, message, Infinity, original, epoch, protocol);
        this.#watched?.watcher.lost(flight, "never");
        return;
      }
      if (late) delay += prng.below(profile.lateMsMax);
      else if (!profile.reordering && copy === 0 && !(this.#grayness.has(from) && isReplicaReply(message))) {
        const arrival = Math.max(end.arrival[lane], this.#now() + delay);
        end.arrival[lane] = arrival;
        delay = arrival - this.#now();
      }
      if (this.#watched !== undefined) {
        const dueAt = this.#now() + delay;
        this.#watched.underWay.set(flight, { parcel, dueAt });
        this.#watched.watcher.sent(flight, from, to, message, dueAt, original, epoch, protocol);
        original ??= flight;
      }
      this.#host.schedule(delay, () => this.#arrive(parcel));
    }
  }

  /** It never arrives. False when it is not under way. */
  dropFlight(flight: FlightId): boolean {
    if (this.#watched?.underWay.has(flight) !== true) return false;
    this.#landed(flight, "dropped");
    return true;
  }

  /** It arrives so much later than it would, on whatever link is up then. False when it is not under way, or kept back. */
  delayFlight(flight: FlightId, byMs: Millis): boolean {
    const underWay = this.#watched?.underWay.get(flight);
    if (this.#watched === undefined || underWay?.dueAt === undefined) return false;
    const parcel = { ...underWay.parcel, late: true };
    const dueAt = underWay.dueAt + byMs;
    this.#watched.underWay.set(flight, { parcel, dueAt });
    this.#watched.watcher.goesOn(flight, dueAt);
    this.#host.schedule(dueAt - this.#now(), () => this.#arrive(parcel));
    return true;
  }

  /** It arrives twice, the second time a little later. False when it is not under way, or kept back. */
  duplicateFlight(flight: FlightId): boolean {
    const underWay = this.#watched?.underWay.get(flight);
    if (this.#watched === undefined || underWay?.dueAt === undefined) return false;
    const parcel = { ...underWay.parcel, flight: ++this.#flights };
    const dueAt = underWay.dueAt + DUPLICATE_AFTER_MS;
    this.#watched.underWay.set(parcel.flight, { parcel, dueAt });
    const { from, to, message, epoch, protocol } = parcel;
    this.#watched.watcher.sent(parcel.flight, from, to, message, dueAt, flight, epoch, protocol);
    this.#host.schedule(dueAt - this.#now(), () => this.#arrive(parcel));
    return true;
  }

  /** A node is gone without a word; the far ends of its links notice later, or never. */
  nodeCrashed(node: NodeId): void {
    const peers = [...(this.#ends.get(node)?.keys() ?? [])];
    this.#ends.delete(node);
    for (const peer of peers) this.#noticeLater(peer, node);
  }

  /** A node says goodbye: the far ends of its links know at once. */
  nodeLeft(node: NodeId): void {
    const peers = [...(this.#ends.get(node)?.keys() ?? [])];
    this.#ends.delete(node);
    for (const peer of peers) if (this.isLinked(peer, node)) this.#lose(peer, node);
  }

  /** The link breaks; both ends notice later, or never. */
  breakLink(a: NodeId, b: NodeId): void {
    const generation = ++this.#generation;
    for (const [near, far] of [
      [a, b],
      [b, a],
    ] as const) {
      const end = this.#ends.get(near)?.get(far);
      if (end === undefined) continue;
      // A generation of its own: nothing that either side sends arrives any more.
      this.#ends.get(near)!.set(far, { generation: near === a ? generation : -generation, arrival: end.arrival });
      this.#noticeLater(near, far);
    }
  }

  /** Only nodes of one group reach each other; those in no group are a group of their own. Replaces earlier cuts. */
  partition(groups: readonly (readonly NodeId[])[], nodes: readonly NodeId[]): void {
    const groupOf = new Map<NodeId, number>();
    groups.forEach((group, index) => group.forEach((node) => groupOf.set(node, index)));
    this.#cut(nodes, (from, to) => (groupOf.get(from) ?? -1) !== (groupOf.get(to) ?? -1));
  }

  /** What these nodes send to the others is lost; what the others send arrives. Replaces earlier cuts. */
  mute(muted: readonly NodeId[], nodes: readonly NodeId[]): void {
    this.#cut(nodes, (from, to) => muted.includes(from) && !muted.includes(to));
  }

  /** Cuts exactly the directions for which `isCut` says so. Replaces earlier cuts. */
  cutWhere(nodes: readonly NodeId[], isCut: (from: NodeId, to: NodeId) => boolean): void {
    this.#cut(nodes, isCut);
  }

  /** Ends all cuts. Messages that waited behind them come out. */
  heal(): void {
    this.#cuts.clear();
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const parcel of stalled) {
      const delay = draw(this.#prng, { min: 1, max: 200 });
      this.#goesOn(parcel, delay);
      this.#host.schedule(delay, () => this.#arrive(parcel));
    }
  }

  /** Latency to and from this node times `factor`; 1 ends it. */
  slow(node: NodeId, factor: number): void {
    if (factor === 1) this.#slowness.delete(node);
    else this.#slowness.set(node, factor);
  }

  slownessOf(node: NodeId): number {
    return this.#slowness.get(node) ?? 1;
  }

  /** What goes to or from this node takes so much longer than it would. 0 ends it. */
  moveAway(node: NodeId, delayMs: Millis): void {
    if (delayMs === 0) this.#distance.delete(node);
    else this.#distance.set(node, delayMs);
  }

  distanceOf(node: NodeId): Millis {
    return this.#distance.get(node) ?? 0;
  }

  /** This node's answers to requests of its replica come so much later, or never when it is Infinity; all else as usual. 0 ends it. */
  makeGray(node: NodeId, delayMs: Millis): void {
    if (delayMs === 0) this.#grayness.delete(node);
    else this.#grayness.set(node, delayMs);
  }

  grayMsOf(node: NodeId): Millis {
    return this.#grayness.get(node) ?? 0;
  }

  /** Nothing passes between these two any more; cuts that were there stay. */
  cut(a: NodeId, b: NodeId): void {
    this.#cutOne(a, b);
    this.#cutOne(b, a);
  }

  /** What `from` sends to `to` does not arrive any more; cuts that were there stay. */
  cutOneWay(from: NodeId, to: NodeId): void {
    this.#cutOne(from, to);
  }

  /** Keeps back what `from` sends to `to`, or what of it is of this kind, besides those kept back already, until `release`. */
  hold(from: NodeId, to: NodeId, kind?: Message["kind"]): void {
    const before = this.#held.get(`${from} ${to}`);
    const kinds = kind === undefined ? undefined : new Set([...(before?.kinds ?? []), kind]);
    this.#held.set(`${from} ${to}`, { kinds, parcels: before?.parcels ?? [] });
  }

  /** The next `count` messages of this kind that `from` sends to `to` are lost. */
  drop(from: NodeId, to: NodeId, kind: Message["kind"], count: number): void {
    this.#doomed.set(`${from} ${to} ${kind}`, count);
  }

  /** Lets out what was kept back, on whatever link is up now. */
  release(from: NodeId, to: NodeId): void {
    const parcels = this.#held.get(`${from} ${to}`)?.parcels ?? [];
    this.#held.delete(`${from} ${to}`);
    for (const parcel of parcels) {
      const released = { ...parcel, late: true };
      this.#goesOn(released, 1);
      this.#host.schedule(1, () => this.#arrive(released));
    }
  }

  /** A message that has not even begun its way. */
  #tellLost(
    from: NodeId,
    to: NodeId,
    message: Message,
    reason: LossReason,
    epoch: Epoch,
    protocol: number | undefined,
  ): void {
    if (this.#watched === undefined) return;
    const flight = ++this.#flights;
    this.#watched.watcher.sent(flight, from, to, message, Infinity, undefined, epoch, protocol);
    this.#watched.watcher.lost(flight, reason);
  }

  #goesOn(parcel: Parcel, delayMs: Millis): void {
    const underWay = this.#watched?.underWay.get(parcel.flight);
    if (this.#watched === undefined || underWay === undefined) return;
    const dueAt = this.#now() + delayMs;
    this.#watched.underWay.set(parcel.flight, { parcel, dueAt });
    this.#watched.watcher.goesOn(parcel.flight, dueAt);
  }

  #waits({ flight }: Parcel): void {
    const underWay = this.#watched?.underWay.get(flight);
    if (this.#watched === undefined || underWay === undefined) return;
    underWay.dueAt = undefined;
    this.#watched.watcher.waits(flight);
  }

  /** Its way has ended. */
  #landed(flight: FlightId, how: LossReason | "arrived" | "arrived late"): void {
    if (this.#watched?.underWay.delete(flight) !== true) return;
    if (how === "arrived" || how === "arrived late") this.#watched.watcher.arrives(flight, how === "arrived late");
    else this.#watched.watcher.lost(flight, how);
  }

  #cut(nodes: readonly NodeId[], isCut: (from: NodeId, to: NodeId) => boolean): void {
    this.#cuts.clear();
    for (const from of nodes) {
      for (const to of nodes) {
        if (from !== to && isCut(from, to)) this.#cutOne(from, to);
      }
    }
  }

  #cutOne(from: NodeId, to: NodeId): void {
    let cut = this.#cuts.get(from);
    if (cut === undefined) this.#cuts.set(from, (cut = new Set<NodeId>()));
    cut.add(to);
    if (this.isLinked(from, to)) this.#noticeLater(from, to);
    if (this.isLinked(to, from)) this.#noticeLater(to, from);
  }

  #arrive(parcel: Parcel): void {
    const { from, to, flight } = parcel;
    // Dropped meanwhile, perhaps where it was kept back, or put off: then another parcel has its number.
    if (flight > 0 && this.#watched?.underWay.get(flight)?.parcel !== parcel) return;
    const { kind } = parcel.message;
    const held = this.#held.size === 0 ? undefined : this.#held.get(`${from} ${to}`);
    if (held !== undefined && (held.kinds === undefined || held.kinds.has(kind))) {
      if (held.parcels.length < STALLED_MAX) {
        held.parcels.push(parcel);
        this.#waits(parcel);
      } else this.#landed(flight, "full");
      return;
    }
    if (this.#doomed.size > 0) {
      const direction = `${from} ${to} ${kind}`;
      const doomed = this.#doomed.get(direction) ?? 0;
      if (doomed > 0) {
        this.#doomed.set(direction, doomed - 1);
        this.#landed(flight, "dropped");
        return;
      }
    }
    if (this.isCut(from, to)) {
      if (this.#stalled.length < STALLED_MAX && this.#prng.chance(this.profile.stallProbability)) {
        this.#stalled.push(parcel);
        this.#waits(parcel);
      } else this.#landed(flight, "cut");
      return;
    }
    const end = this.#ends.get(to)?.get(from);
    if (end === undefined || (!parcel.late && end.generation !== parcel.generation)) {
      this.#landed(flight, "dead-link");
      return;
    }
    if (parcel.form > this.#host.readsUpTo(to)) {
      this.#landed(flight, "unread");
      // A late one may have been meant for a newer build that ran there before.
      if (!parcel.late) this.#host.unread(to, from, kind);
      return;
    }
    this.#landed(flight, parcel.late ? "arrived late" : "arrived");
    const { bytes, epoch, message } = parcel;
    const parsed = bytes === undefined ? undefined : this.#codec?.decode(bytes, to);
    this.#host.received(to, from, parsed?.epoch ?? epoch, parsed?.message ?? message);
  }

  #noticeLater(near: NodeId, far: NodeId): void {
    const generation = this.#generationOf(near, far);
    if (generation === undefined || this.#prng.chance(this.profile.unnoticedProbability)) return;
    this.#host.schedule(draw(this.#prng, this.profile.noticeMs), () => {
      if (this.#generationOf(near, far) !== generation) return;
      // A cut that ended in time was none, if the far end held on as well.
      const alive = this.#generationOf(far, near) === generation && !this.isCut(near, far) && !this.isCut(far, near);
      if (!alive) this.#lose(near, far);
    });
  }

  #generationOf(node: NodeId, peer: NodeId): number | undefined {
    return this.#ends.get(node)?.get(peer)?.generation;
  }

  #lose(node: NodeId, peer: NodeId): void {
    this.#ends.get(node)?.delete(peer);
    this.#host.lost(node, peer);
  }

  #latencyOf(from: NodeId, to: NodeId): Millis {
    const direction = `${from} ${to}`;
    let latency = this.#latency.get(direction);
    if (latency === undefined) this.#latency.set(direction, (latency = draw(this.#prng, this.profile.latencyMs)));
    if (this.#slowness.size === 0) return latency;
    return latency * (this.#slowness.get(from) ?? 1) * (this.#slowness.get(to) ?? 1);
  }
}

function isReplicaReply({ kind }: Message): boolean {
  return kind === "replica-put-reply" || kind === "replica-get-reply";
}
