/**
 * Failure detection: this node's own opinion of who answers, fed by traffic and pings (paper, section 4.8.3; SWIM; Lifeguard). It decides whom
 * requests go to, never who belongs. States of a peer, in order:
 *
 *   down      no link, or a link that has not greeted yet
 *   up        linked, greeted, and nothing that was asked of it is overdue
 *   suspect   a ping is unanswered for `suspectAfterMs`: it is left out of new requests, and up to `indirectProbes` others are asked about it
 *   down      still nothing after `downAfterMs`: the link is given up and dialled anew. If others hear it, the failure is gray: only our link is
 *             bad, and it is dialled anew at once
 *
 * **Epochs.** Each end of a link says, in its pings, to which epoch of its own it wants to be addressed. Whatever else is addressed to an earlier
 * one is dropped: a healed partition or a thawed tab replays messages many seconds old (TRAPS T25, T27). A node takes a new epoch for a peer when
 * it makes or gives up the link, for all peers when its own clock jumped, and when it has to know that nothing older is on its way (`reaping.ts`).
 *
 * **Local health.** A node whose own timers run late, or whom nobody answers, is probably the sick one: it stretches its own time bounds, up to
 * three times, before it blames others.
 *
 * Limits: one state for each member or linked peer; pings go to all of up to `PINGED_ALL` linked peers, beyond that to that many at random and
 * to whoever is overdue, so that the cost of being idle stays small.
 */

import type { Epoch, Millis, NodeId } from "./identifiers.ts";
import type { Ping, Pong, Probe, ProbeReply } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const PINGED_ALL = 8;
/** Epochs of one incarnation lie within this many of its start. */
const EPOCHS_PER_INCARNATION = 2 ** 20;
const HEALTH_MAX = 4;

export type Reachability = "up" | "suspect" | "down";

interface Peer {
  readonly node: NodeId;
  linked: boolean;
  state: Reachability;
  /** The epoch that the peer wants to be addressed by; 0 until it greeted. */
  theirEpoch: Epoch;
  ourEpoch: Epoch;
  /** What is addressed to an earlier one is dropped. */
  oldestEpoch: Epoch;
  heardAt: Millis;
  /** When the oldest ping without a sign of life since was sent. */
  overdueSince: Millis | undefined;
  /** Somebody else hears it. */
  gray: boolean;
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

  /** Peers that answer. */
  up(): NodeId[] {
    return [...this.#peers.values()].filter((peer) => peer.state === "up").map((peer) => peer.node);
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

  onConnected(node: NodeId): void {
    const peer = this.#peer(node);
    if (peer.linked) this.#lose(peer);
    peer.linked = true;
    peer.theirEpoch = 0;
    peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
    peer.overdueSince = undefined;
    peer.gray = false;
    this.#ping(peer);
  }

  onLost(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer?.linked !== true) return;
    this.#lose(peer);
    peer.redialAt = this.#in.now + peer.redialWaitMs;
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
    peer.overdueSince = undefined;
    peer.gray = false;
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
    if (peer?.state !== "suspect" || !message.alive || peer.gray) return;
    peer.gray = true;
    this.#in.note({ what: "peer-gray", peer: peer.node });
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
      peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
      peer.overdueSince = undefined;
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
    if (this.#tickDueAt !== undefined && now - this.#tickDueAt > config.pingMs)
      this.#health = Math.min(HEALTH_MAX, this.#health + 1);
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

  #judge(): void {
    const { now, config } = this.#in;
    for (const peer of this.#peers.values()) {
      if (!peer.linked || peer.overdueSince === undefined) continue;
      const silentMs = now - peer.overdueSince;
      if (silentMs >= config.downAfterMs * this.patience) {
        this.#giveUp(peer);
      } else if (silentMs >= config.suspectAfterMs * this.patience && peer.state === "up") {
        peer.state = "suspect";
        this.#in.note({ what: "peer-suspect", peer: peer.node });
        this.#do.down(peer.node);
        this.#askOthers(peer);
      }
    }
  }

  #askOthers(suspect: Peer): void {
    const others = this.#in.random.shuffled(this.up()).slice(0, this.#in.config.indirectProbes);
    for (const node of others)
      this.#in.send(node, { kind: "probe", sequence: ++this.#sequence, target: suspect.node }, "foreground");
    if (others.length === 0) this.#health = Math.min(HEALTH_MAX, this.#health + 1);
  }

  #giveUp(peer: Peer): void {
    const { gray } = peer;
    this.#lose(peer);
    this.#in.emit({ kind: "disconnect", peer: peer.node });
    peer.redialAt = this.#in.now + (gray ? 0 : peer.redialWaitMs);
  }

  #lose(peer: Peer): void {
    const before = peer.state;
    peer.linked = false;
    peer.state = "down";
    peer.theirEpoch = 0;
    peer.ourEpoch = peer.oldestEpoch = this.#nextEpoch();
    peer.overdueSince = undefined;
    peer.gray = false;
    this.#judgeRenewal();
    if (before === "down") return;
    this.#in.note({ what: "peer-down", peer: peer.node });
    if (before === "up") this.#do.down(peer.node);
  }

  #pingSome(): void {
    const linked = [...this.#peers.values()].filter((peer) => peer.linked);
    const chosen = linked.length <= PINGED_ALL ? linked : this.#in.random.shuffled(linked).slice(0, PINGED_ALL);
    for (const peer of linked) {
      const due = this.#in.now - peer.heardAt >= this.#in.config.pingMs;
      if ((due && chosen.includes(peer)) || peer.overdueSince !== undefined || peer.theirEpoch === 0) this.#ping(peer);
    }
  }

  #redial(): void {
    const { now, config } = this.#in;
    let links = [...this.#peers.values()].filter((peer) => peer.linked).length;
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
        state: "down",
        theirEpoch: 0,
        ourEpoch: 0,
        oldestEpoch: 0,
        heardAt: this.#in.now,
        overdueSince: undefined,
        gray: false,
        redialAt: 0,
        redialWaitMs: this.#in.config.redialMs,
      };
      this.#peers.set(node, peer);
    }
    return peer;
  }
}
