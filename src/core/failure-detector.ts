/**
 * Failure detection: this node's own opinion of who answers, fed by traffic and pings (paper, section 4.8.3; SWIM; Lifeguard). It decides whom
 * requests go to, never who belongs. States of a peer, in order:
 *
 *   down      no link, or a link that has not greeted yet
 *   up        linked, greeted, and nothing that was asked of it is overdue
 *   doubted   a ping is unanswered for three quarters of `suspectAfterMs`: up to `indirectProbes` others are asked whether they hear it. Still as good as up
 *   suspect   still nothing after `suspectAfterMs`, and those asked have said what they know, or had ANSWER_MS to: it is left out of new requests
 *   down      still nothing after `downAfterMs`: the link is given up and dialled anew. If others hear it, the failure is gray: only our link is
 *             bad, and it is dialled anew at once
 *
 * So nobody is accused before others were asked, unless there is nobody to ask (DynamoDB, ATC 2022, section 5.3).
 *
 * **Epochs.** Each end of a link says, in its pings, to which epoch of its own it wants to be addressed. Whatever else is addressed to an earlier
 * one is dropped: a healed partition or a thawed tab replays messages many seconds old (TRAPS T25, T27). A node takes a new epoch for a peer when
 * it makes or gives up the link, for all peers when its own clock jumped, and when it has to know that nothing older is on its way (`reaping.ts`).
 *
 * **Local health** (Lifeguard). A node whose own timers run late, or whom nobody answers, neither the one in doubt nor those asked about it, is probably
 * the sick one: it stretches its own time bounds, up to three times, before it blames others. Each pong makes it better.
 *
 * **Hidden tabs** say so in their entry: what they do by timers is late, and the browser may stop them altogether. For them all bounds are HIDDEN_PATIENCE times
 * as long. A node that is itself woken but once a minute takes each wake for a jump of its clock and blames nobody then; one who stays
 * silent over JUMPS_MAX such wakes is gone.
 *
 * **Light clients** are peers, but nobody's members: they are not gossiped with, not asked about others and not dialled, they do not count as
 * links that this node wanted, and their silence is noticed late, for nothing waits for them. One that is gone is forgotten, because it comes back
 * under another id.
 *
 * Limits: one state for each member or linked peer, `lightPeersMax` light clients; pings go to all of up to `PINGED_ALL` linked peers, beyond that to that many at random and
 * to whoever is overdue, so that the cost of being idle stays small.
 */

import type { Epoch, Millis, NodeId } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import type { Ping, Pong, Probe, ProbeReply } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";
import { PROTOCOL, type ProtocolRange } from "./versions.ts";

const PINGED_ALL = 8;
/** Epochs of one incarnation lie within this many of its start. */
const EPOCHS_PER_INCARNATION = 2 ** 20;
const HEALTH_MAX = 4;
/** How long those who were asked about a peer may take. */
const ANSWER_MS = 1_000;
/** Others are asked when this much of `suspectAfterMs` has passed, so that their answers are here in time. */
const DOUBTED = 0.75;
const HIDDEN_PATIENCE = 2;
const JUMPS_MAX = 3;
/** A light client that says nothing for so long is asked whether it is there. */
const LIGHT_SILENCE_MS = 15_000;
/** A light client too many has so long to hear of the members, and of whom else it may ask. */
const TOO_MANY_MS = 1_000;

/** True when both are epochs of one start of a node. */
export function ofOneStart(a: Epoch, b: Epoch): boolean {
  return Math.floor(a / EPOCHS_PER_INCARNATION) === Math.floor(b / EPOCHS_PER_INCARNATION);
}

export type Reachability = "up" | "suspect" | "down";

interface Peer {
  readonly node: NodeId;
  linked: boolean;
  /** The newest version of the protocol that it reads, by the greeting of this link. */
  reads: number;
  /** It has said that it is a light client. */
  light: boolean;
  /** When it came as one light client too many. */
  tooManySince: Millis | undefined;
  state: Reachability;
  /** The epoch that the peer wants to be addressed by; 0 until it greeted. */
  theirEpoch: Epoch;
  ourEpoch: Epoch;
  /** What is addressed to an earlier one is dropped. */
  oldestEpoch: Epoch;
  heardAt: Millis;
  /** When the oldest ping without a sign of life since was sent. */
  overdueSince: Millis | undefined;
  /** How many were asked about it since it fell silent, when first, and how many have answered. */
  asked: number;
  askedAt: Millis;
  answers: number;
  /** Somebody else hears it. */
  gray: boolean;
  /** Jumps of our own clock since it was last heard. */
  jumps: number;
  redialAt: Millis;
  redialWaitMs: Millis;
}

export interface DetectorActions {
  up(peer: NodeId): void;
  /** Suspected or lost: what it was asked will probably not be answered. */
  down(peer: NodeId): void;
  /** All peers use the epochs that were new when it was asked for; what was sent before is not believed any more. */
  renewed(): void;
  /** Members to which a link is wanted. */
  wanted(): readonly NodeId[];
}

export class FailureDetector {
  readonly #in: Surroundings;
  readonly #do: DetectorActions;
  readonly #peers = new Map<NodeId, Peer>();
  #lastEpoch: Epoch;
  #sequence = 0;
  #health = 0;
  #renewing = false;
  #tickDueAt: Millis | undefined;

  constructor(surroundings: Surroundings, incarnation: number, actions: DetectorActions) {
    this.#in = surroundings;
    this.#do = actions;
    // From a random place: should the disk ever go back in time, and the incarnation with it, then no epoch comes again.
    this.#lastEpoch = incarnation * EPOCHS_PER_INCARNATION + surroundings.random.below(EPOCHS_PER_INCARNATION / 2);
  }

  reachable(node: NodeId): boolean {
    return node === this.#in.self || this.#peers.get(node)?.state === "up";
  }

  /** The epoch to address a peer by; undefined when nothing can be sent to it. A suspect still gets pings and what is sent to it. */
  epochOf(node: NodeId): Epoch | undefined {
    const peer = this.#peers.get(node);
    return peer?.linked === true && peer.theirEpoch > 0 ? peer.theirEpoch : undefined;
  }

  peers(): readonly { readonly node: NodeId; readonly reachability: Reachability; readonly linked: boolean }[] {
    return [...this.#peers.values()].map(({ node, state, linked }) => ({ node, reachability: state, linked }));
  }

  /** The newest version of the protocol that a linked peer reads. */
  readsOf(node: NodeId): number | undefined {
    const peer = this.#peers.get(node);
    return peer?.linked === true ? peer.reads : undefined;
  }

  /** Peers that answer, light clients left out. */
  up(): NodeId[] {
    return [...this.#peers.values()].filter((peer) => peer.state === "up" && !peer.light).map((peer) => peer.node);
  }

  isLight(node: NodeId): boolean {
    return this.#peers.get(node)?.light === true;
  }

  /** Linked light clients. */
  get lights(): number {
    return [...this.#peers.values()].filter((peer) => peer.light && peer.linked).length;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      peers: this.#peers,
      lastEpoch: this.#lastEpoch,
      sequence: this.#sequence,
      health: this.#health,
      renewing: this.#renewing,
      tickDueAt: this.#tickDueAt,
    };
  }

  /** `protocol`: what the greeting of the link said. */
  onConnected(node: NodeId, protocol: ProtocolRange = PROTOCOL): void {
    const peer = this.#peer(node);
    if (peer.linked) this.#lose(peer);
    peer.linked = true;
    peer.reads = protocol.max;
    peer.light = false;
    peer.tooManySince = undefined;
    peer.theirEpoch = 0;
    peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
    trust(peer);
    this.#ping(peer);
  }

  onLost(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer?.linked !== true) return;
    this.#lose(peer);
    peer.redialAt = this.#in.now + peer.redialWaitMs;
    if (peer.light) this.#peers.delete(node);
  }

  /** The peer says that it is a light client. One too many is turned away soon. */
  onLightHello(from: NodeId): void {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true || peer.light) return;
    if (this.lights >= this.#in.config.lightPeersMax) peer.tooManySince = this.#in.now;
    peer.light = true;
    this.#in.note({ what: "light-client", peer: from });
  }

  /** Gives up the link to one that is not wanted, at least for so long. */
  turnAway(node: NodeId, forMs: Millis = 0): void {
    const peer = this.#peers.get(node);
    if (peer?.linked !== true) return;
    this.#giveUp(peer);
    peer.redialAt = Math.max(peer.redialAt, this.#in.now + forMs);
  }

  /** True when a message may be believed: it is addressed to the present epoch. Pings and pongs are always welcome. */
  accepts(from: NodeId, epoch: Epoch): boolean {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true || epoch < peer.oldestEpoch || epoch > peer.ourEpoch) return false;
    this.#used(peer, epoch);
    return true;
  }

  /** Any believed message is a sign of life. */
  heard(from: NodeId): void {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    peer.heardAt = this.#in.now;
    trust(peer);
    if (peer.theirEpoch > 0 && peer.state !== "up") {
      peer.state = "up";
      peer.redialWaitMs = this.#in.config.redialMs;
      this.#in.note({ what: "peer-up", peer: from });
      this.#do.up(from);
    }
  }

  onPing(from: NodeId, epoch: Epoch, message: Ping): void {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    this.#used(peer, epoch);
    this.#adopt(peer, message.epoch);
    this.#emit(peer, { kind: "pong", sequence: message.sequence, epoch: peer.ourEpoch });
    this.heard(from);
  }

  onPong(from: NodeId, epoch: Epoch, message: Pong): void {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    this.#used(peer, epoch);
    this.#adopt(peer, message.epoch);
    if (this.#health > 0) this.#health--;
    this.heard(from);
  }

  onProbe(from: NodeId, message: Probe): void {
    const target = this.#peers.get(message.target);
    const alive =
      message.target === this.#in.self ||
      (target?.state === "up" && this.#in.now - target.heardAt < this.#in.config.suspectAfterMs);
    this.#in.send(
      from,
      { kind: "probe-reply", sequence: message.sequence, target: message.target, alive },
      "foreground",
    );
  }

  onProbeReply(message: ProbeReply): void {
    const peer = this.#peers.get(message.target);
    if (peer === undefined || peer.asked === 0) return;
    peer.answers++;
    if (!message.alive || peer.gray) return;
    peer.gray = true;
    if (peer.state === "suspect") this.#in.note({ what: "peer-gray", peer: peer.node });
  }

  /** A request to this peer is overdue: do not wait for the next round of pings. */
  onOverdue(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer?.linked === true && peer.overdueSince === undefined) this.#ping(peer);
  }

  /** Our own time jumped: everything that was sent to us meanwhile is late. Nobody is blamed for the silence. */
  onClockJump(): void {
    this.#health = HEALTH_MAX;
    for (const peer of this.#peers.values()) {
      if (!peer.linked) continue;
      const silent = peer.overdueSince !== undefined;
      const jumps = silent ? peer.jumps + 1 : 0;
      if (jumps > JUMPS_MAX) {
        this.#giveUp(peer);
        continue;
      }
      trust(peer);
      peer.jumps = jumps;
      peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
      this.#ping(peer);
    }
  }

  /**
   * Soon nothing is believed any more that was sent before now. Nothing that comes in order is lost by it: the epochs before are over when the peer uses
   * the new one. When all do, `renewed` says so.
   */
  renewEpochs(): void {
    this.#renewing = true;
    this.#in.note({ what: "epochs-renewed" });
    for (const peer of this.#peers.values()) {
      if (!peer.linked) continue;
      peer.ourEpoch = this.#nextEpoch();
      this.#ping(peer);
    }
    this.#judgeRenewal();
  }

  /** The peer has used this epoch: earlier ones are over. */
  #used(peer: Peer, epoch: Epoch): void {
    if (epoch !== peer.ourEpoch || peer.oldestEpoch === epoch) return;
    peer.oldestEpoch = epoch;
    this.#judgeRenewal();
  }

  #judgeRenewal(): void {
    if (!this.#renewing) return;
    for (const { linked, ourEpoch, oldestEpoch } of this.#peers.values())
      if (linked && ourEpoch !== oldestEpoch) return;
    this.#renewing = false;
    this.#do.renewed();
  }

  onTimer(): void {
    const { now, config } = this.#in;
    if (this.#tickDueAt !== undefined && now - this.#tickDueAt > config.pingMs) this.#worsen();
    this.#judge();
    this.#pingSome();
    this.#redial();
    const tickMs = config.pingMs / 2;
    this.#tickDueAt = now + tickMs;
    this.#in.timers.set("detector", this.#tickDueAt);
  }

  /** How much longer than configured this node waits before it blames others: 1 to 3. */
  get patience(): number {
    return 1 + this.#health / 2;
  }

  /** The same for one peer: hidden tabs are slow without being sick. */
  patienceWith(node: NodeId): number {
    const { ring } = this.#in;
    const hidden = ring !== undefined && memberOf(ring.view, node)?.hidden === true;
    return hidden ? this.patience * HIDDEN_PATIENCE : this.patience;
  }

  #judge(): void {
    const { now, config } = this.#in;
    for (const peer of this.#peers.values()) {
      if (peer.tooManySince !== undefined && now - peer.tooManySince >= TOO_MANY_MS) this.turnAway(peer.node);
      if (!peer.linked || peer.overdueSince === undefined) continue;
      const silentMs = (now - peer.overdueSince) / this.patienceWith(peer.node);
      if (peer.state === "up") {
        if (peer.asked === 0 && silentMs >= config.suspectAfterMs * DOUBTED) this.#askOthers(peer);
        if (silentMs >= config.suspectAfterMs && this.#haveAnswered(peer)) this.#suspect(peer);
      } else if (silentMs >= config.downAfterMs) this.#giveUp(peer);
    }
  }

  #suspect(peer: Peer): void {
    peer.state = "suspect";
    if (peer.answers === 0 && !this.#hearsSomebody(peer.askedAt)) this.#worsen();
    this.#in.note({ what: "peer-suspect", peer: peer.node });
    if (peer.gray) this.#in.note({ what: "peer-gray", peer: peer.node });
    this.#do.down(peer.node);
  }

  #askOthers(doubted: Peer): void {
    const others = this.up().filter((node) => node !== doubted.node);
    for (const node of this.#in.random.shuffled(others).slice(0, this.#in.config.indirectProbes)) {
      this.#in.send(node, { kind: "probe", sequence: ++this.#sequence, target: doubted.node }, "foreground");
      doubted.asked++;
    }
    doubted.askedAt = this.#in.now;
  }

  /** All that were asked have answered, or had the time for it; or there was nobody to ask. */
  #haveAnswered({ asked, askedAt, answers }: Peer): boolean {
    return answers >= asked || this.#in.now - askedAt >= ANSWER_MS;
  }

  #hearsSomebody(since: Millis): boolean {
    return [...this.#peers.values()].some((peer) => peer.linked && peer.heardAt > since);
  }

  #worsen(): void {
    this.#health = Math.min(HEALTH_MAX, this.#health + 1);
  }

  #giveUp(peer: Peer): void {
    const { gray } = peer;
    this.#lose(peer);
    this.#in.emit({ kind: "disconnect", peer: peer.node });
    peer.redialAt = this.#in.now + (gray ? 0 : peer.redialWaitMs);
    if (peer.light) this.#peers.delete(peer.node);
  }

  #lose(peer: Peer): void {
    const before = peer.state;
    peer.linked = false;
    peer.state = "down";
    peer.theirEpoch = 0;
    peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
    trust(peer);
    this.#judgeRenewal();
    if (before === "down") return;
    this.#in.note({ what: "peer-down", peer: peer.node });
    if (before === "up") this.#do.down(peer.node);
  }

  #pingSome(): void {
    const linked = [...this.#peers.values()].filter((peer) => peer.linked);
    const others = linked.filter((peer) => !peer.light);
    const chosen = others.length <= PINGED_ALL ? others : this.#in.random.shuffled(others).slice(0, PINGED_ALL);
    for (const peer of linked) {
      const due = this.#in.now - peer.heardAt >= (peer.light ? LIGHT_SILENCE_MS : this.#in.config.pingMs);
      if ((due && (peer.light || chosen.includes(peer))) || peer.overdueSince !== undefined || peer.theirEpoch === 0)
        this.#ping(peer);
    }
  }

  #redial(): void {
    const { now, config } = this.#in;
    let links = [...this.#peers.values()].filter((peer) => peer.linked && !peer.light).length;
    for (const node of this.#do.wanted()) {
      if (links >= config.linksMax) return;
      const peer = this.#peer(node);
      if (peer.linked || now < peer.redialAt) continue;
      links++;
      peer.redialAt = now + peer.redialWaitMs + this.#in.random.below(peer.redialWaitMs);
      peer.redialWaitMs = Math.min(2 * peer.redialWaitMs, config.redialMaxMs);
      this.#in.emit({ kind: "connect", peer: node });
    }
  }

  #ping(peer: Peer): void {
    peer.overdueSince ??= this.#in.now;
    this.#emit(peer, { kind: "ping", sequence: ++this.#sequence, epoch: peer.ourEpoch });
  }

  /** Greetings go out before the peer has greeted, too. */
  #emit(peer: Peer, message: Ping | Pong): void {
    this.#in.emit({ kind: "send", to: peer.node, epoch: peer.theirEpoch, lane: "foreground", message });
  }

  #adopt(peer: Peer, epoch: Epoch): void {
    if (epoch > peer.theirEpoch) peer.theirEpoch = epoch;
  }

  #nextEpoch(): Epoch {
    return ++this.#lastEpoch;
  }

  #peer(node: NodeId): Peer {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      peer = {
        node,
        linked: false,
        reads: 0,
        light: false,
        tooManySince: undefined,
        state: "down",
        theirEpoch: 0,
        ourEpoch: 0,
        oldestEpoch: 0,
        heardAt: this.#in.now,
        overdueSince: undefined,
        asked: 0,
        askedAt: 0,
        answers: 0,
        gray: false,
        jumps: 0,
        redialAt: 0,
        redialWaitMs: this.#in.config.redialMs,
      };
      this.#peers.set(node, peer);
    }
    return peer;
  }
}

/** Nothing is held against the peer. */
function trust(peer: Peer): void {
  peer.overdueSince = undefined;
  peer.asked = 0;
  peer.answers = 0;
  peer.gray = false;
  peer.jumps = 0;
}
