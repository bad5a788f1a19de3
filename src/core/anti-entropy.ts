/**
 * Anti-entropy: two holders of the same partitions compare their Merkle trees now and then and even out what differs (paper, section 4.7), so that a
 * write which no hint and no read has carried arrives all the same. This file decides when and with whom; `tree-exchange.ts` does it, and
 * `recent-writes.ts` beforehand what can be had cheaper. States:
 *
 *   waiting      the next turn is due in `antiEntropyMs`, or sooner: a peer whose link came up has its turn first
 *   catching up  a peer that is back is asked what has changed there since it was last caught up with, and that is fetched; any other is asked for the
 *                position of its log alone
 *   resting      only with a peer that is back: it is catching up as well, and trees that are compared meanwhile would differ by what is on its way
 *   comparing    one exchange over all partitions that both hold is under way; the next one waits for its end
 *
 * When the log of a peer that is back did not reach far enough, but it has just caught up from ours, it is the one that was away (a reloaded tab has a new
 * log): it compares with us when it is done, and we leave that to it until its turn comes.
 *
 * With nothing to do a turn costs a question for a position and one with a digest for each partition in common, whatever the number of keys.
 *
 * Limits: one turn at a time; each peer in turn.
 */

import type { Millis, NodeId, Partition } from "./identifiers.ts";
import { holds, memberOf } from "./membership.ts";
import type { Surroundings } from "./surroundings.ts";

/** Hints go first: a peer that is back is compared with after this long. */
const AFTER_LINK_UP_MS = 2_000;
/** How long a catch-up over a live link takes at most, as a rule; with anything longer only work is done twice. */
const REST_MS = 1_000;
/** The next peer that is back, when the last one's log was all that was needed. */
const NEXT_BACK_MS = 100;
/** So long after it was told all, a peer that is back is left to compare with us. */
const LEFT_TO_PEER_MS = 10_000;

export interface AntiEntropyActions {
  /** Asks for the position of a peer's log; with `changes`, catches up from it first. False when it cannot begin now. */
  catchUp(peer: NodeId, partitions: readonly Partition[], changes: boolean): boolean;
  /** False when it cannot begin now. */
  exchange(peer: NodeId, partitions: readonly Partition[]): boolean;
}

interface Turn {
  readonly peer: NodeId;
  /** Its link came up since its last turn. */
  readonly back: boolean;
  state: "catching up" | "resting" | "comparing";
  /** The peer's log was all that was needed. */
  covered: boolean;
}

export class AntiEntropy {
  readonly #in: Surroundings;
  readonly #do: AntiEntropyActions;
  /** Peers to compare with, the next one first; those without a turn yet are behind all others. */
  readonly #turns = new Set<NodeId>();
  /** Those whose link came up since their last turn. */
  readonly #back = new Set<NodeId>();
  /** When a peer was last told all that it asked of our log. */
  readonly #servedAt = new Map<NodeId, Millis>();
  #turn: Turn | undefined;
  #dueAt: Millis = Infinity;

  constructor(surroundings: Surroundings, actions: AntiEntropyActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { turns: this.#turns, back: this.#back, servedAt: this.#servedAt, turn: this.#turn, dueAt: this.#dueAt };
  }

  get size(): number {
    return this.#turns.size;
  }

  /** The node is about to answer. */
  start(): void {
    this.#arm(this.#in.now + this.#in.random.below(this.#in.config.antiEntropyMs));
  }

  onPeerUp(peer: NodeId): void {
    const others = [...this.#turns].filter((other) => other !== peer);
    this.#turns.clear();
    for (const node of [peer, ...others]) this.#turns.add(node);
    this.#back.add(peer);
    const soon = this.#in.now + AFTER_LINK_UP_MS;
    if (this.#dueAt > soon) this.#arm(soon);
  }

  onPeerDown(peer: NodeId): void {
    this.#turns.delete(peer);
    this.#back.delete(peer);
    this.#servedAt.delete(peer);
    if (this.#turn?.peer === peer && this.#turn.state === "resting") this.#turn = undefined;
  }

  onTimer(): void {
    this.#arm(this.#in.now + this.#in.config.antiEntropyMs);
    if (this.#turn?.state === "resting") {
      this.#compare(this.#turn);
      return;
    }
    if (this.#turn !== undefined) return;
    for (const peer of this.#inTurn()) {
      const partitions = this.#inCommon(peer);
      if (partitions.length === 0) continue;
      const turn: Turn = { peer, back: this.#back.delete(peer), state: "catching up", covered: false };
      this.#turn = turn;
      if (!this.#do.catchUp(peer, partitions, turn.back)) this.#compare(turn);
      // What ended at once has left the turn to the next.
      if (this.#turn !== undefined) return;
    }
  }

  /** The log of the peer whose turn it is has said what it could. `covered`: it was all that was needed. */
  onCaughtUp(peer: NodeId, covered: boolean): void {
    const turn = this.#turn;
    if (turn?.peer !== peer || turn.state !== "catching up") return;
    turn.covered = covered;
    if (!turn.back) this.#compare(turn);
    else {
      turn.state = "resting";
      this.#arm(this.#in.now + REST_MS);
    }
  }

  /** A peer was told all that has changed here since it last asked: it catches up and compares with us then. */
  onServed(peer: NodeId): void {
    this.#servedAt.set(peer, this.#in.now);
  }

  onEnded(peer: NodeId): void {
    const turn = this.#turn;
    if (turn?.peer !== peer) return;
    this.#turn = undefined;
    const soon = this.#in.now + NEXT_BACK_MS;
    if (turn.covered && this.#back.size > 0 && this.#dueAt > soon) this.#arm(soon);
  }

  #compare(turn: Turn): void {
    const { peer, back, covered } = turn;
    const left = back && !covered && this.#in.now - (this.#servedAt.get(peer) ?? -Infinity) < LEFT_TO_PEER_MS;
    const partitions = this.#inCommon(peer);
    turn.state = "comparing";
    const begun = !left && this.#in.reachable(peer) && partitions.length > 0 && this.#do.exchange(peer, partitions);
    if (!begun && this.#turn === turn) this.onEnded(peer);
  }

  #arm(at: Millis): void {
    this.#dueAt = at;
    this.#in.timers.set("anti-entropy", at);
  }

  /** Other holders that answer, each in turn: the one chosen goes behind. */
  *#inTurn(): Generator<NodeId> {
    for (const { node } of this.#in.ring?.view.members ?? [])
      if (node !== this.#in.self && this.#in.reachable(node)) this.#turns.add(node);
    for (const node of [...this.#turns]) {
      this.#turns.delete(node);
      if (!this.#in.reachable(node)) continue;
      this.#turns.add(node);
      yield node;
    }
  }

  #inCommon(peer: NodeId): Partition[] {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    const theirs = ring === undefined ? undefined : memberOf(ring.view, peer);
    if (ring === undefined || own === undefined || theirs === undefined) return [];
    const common: Partition[] = [];
    for (let p = 0; p < ring.view.claims.length; p++) if (holds(own, p) && holds(theirs, p)) common.push(p);
    return common;
  }
}
