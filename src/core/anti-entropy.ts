/**
 * Anti-entropy: two holders of the same partitions compare their Merkle trees now and then and even out what differs (paper, section 4.7), so that a
 * write which no hint and no read has carried arrives all the same. This file decides when and with whom; `tree-exchange.ts` does it. States:
 *
 *   waiting     the next comparison is due in `antiEntropyMs`, or sooner: a peer whose link came up is compared with first
 *   comparing   one exchange over all partitions that both hold is under way; the next one waits for its end
 *
 * With nothing to do a comparison costs one question with a digest for each partition in common, whatever the number of keys.
 *
 * Limits: one exchange at a time; each peer in turn.
 */

import type { Millis, NodeId, Partition } from "./identifiers.ts";
import { holds, memberOf } from "./membership.ts";
import type { Surroundings } from "./surroundings.ts";

/** Hints go first: a peer that is back is compared with after this long. */
const AFTER_LINK_UP_MS = 2_000;

export interface AntiEntropyActions {
  /** False when it cannot begin now. */
  exchange(peer: NodeId, partitions: readonly Partition[]): boolean;
}

export class AntiEntropy {
  readonly #in: Surroundings;
  readonly #do: AntiEntropyActions;
  /** Peers to compare with, the next one first; those without a turn yet are behind all others. */
  readonly #turns = new Set<NodeId>();
  #comparing: NodeId | undefined;
  #dueAt: Millis = Infinity;

  constructor(surroundings: Surroundings, actions: AntiEntropyActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { turns: this.#turns, comparing: this.#comparing, dueAt: this.#dueAt };
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
    const soon = this.#in.now + AFTER_LINK_UP_MS;
    if (this.#dueAt > soon) this.#arm(soon);
  }

  onPeerDown(peer: NodeId): void {
    this.#turns.delete(peer);
  }

  onTimer(): void {
    this.#arm(this.#in.now + this.#in.config.antiEntropyMs);
    if (this.#comparing !== undefined) return;
    for (const peer of this.#inTurn()) {
      const partitions = this.#inCommon(peer);
      if (partitions.length === 0) continue;
      this.#comparing = peer;
      if (this.#do.exchange(peer, partitions)) return;
      this.#comparing = undefined;
    }
  }

  onEnded(peer: NodeId): void {
    if (this.#comparing === peer) this.#comparing = undefined;
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
