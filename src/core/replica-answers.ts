/**
 * What peers ask of this node's replica: to keep a record or a hint, and to say what it has. States of a request, in order: received, under way at the
 * replica (which answers when it is durable or read), answered; after its time to live nobody waits for it any more.
 *
 * Who asks goes by the ring that it sees. Where that is another one, the answer names who counts by this node's own, so that every coordinator hears of
 * all; a write that does not belong here is kept as hints for all those whose it is, and acknowledged when all of them are durable; and a write by somebody
 * who does not know of those who are joining is passed on to them.
 *
 * **Where tombstones are reaped** (`reaping.ts`), records go only to members that this node will not have forgotten after a crash, and come from nobody who
 * is gone: whoever is not asked for the proof must have nothing that it could bring back.
 *
 * Limits: nothing is kept here; what is under way is the replica's.
 */

import { partitionOf, positionOf } from "./address.ts";
import { type DvvSet, EMPTY } from "./dvvset.ts";
import type { Durability, Epoch, Key, NodeId, Partition, RequestId } from "./identifiers.ts";
import { isGone, memberOf } from "./membership.ts";
import type { Message, ReplicaGet, ReplicaGetReply, ReplicaPut, ReplicaPutReply } from "./message.ts";
import type { Completion, Origin, Surroundings } from "./surroundings.ts";

type PeerOrigin = Origin & { readonly kind: "peer" };

export interface ReplicaAnswersActions {
  /** Completes towards the origin. */
  merge(key: Key, set: DvvSet, purpose: ReplicaPut["purpose"], origin: Origin, durability: Durability): void;
  /** Completes towards the origin. */
  keepHint(key: Key, target: NodeId, set: DvvSet, origin: Origin, durability: Durability): void;
  /** Completes towards the origin. */
  read(key: Key, origin: Origin): void;
  /** Whether hints of the key are kept. */
  hasHints(key: Key): boolean;
  /** Held, and not answered for yet. */
  isUnopened(partition: Partition): boolean;
  /** Whether this node will know of that one after a crash, too. */
  remembers(node: NodeId): boolean;
  /** Somebody waits for it, who asked by this epoch. */
  answer(to: NodeId, message: Message, asked: Epoch): void;
}

export class ReplicaAnswers {
  readonly #in: Surroundings;
  readonly #do: ReplicaAnswersActions;

  constructor(surroundings: Surroundings, actions: ReplicaAnswersActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  onPut(from: NodeId, message: ReplicaPut): void {
    const { key, set, hintFor, durability, purpose } = message;
    const { self, ring } = this.#in;
    const origin = this.#originOf(from, message);
    const list = this.#in.listOf(key);
    if (ring === undefined || list === undefined || this.#isBeyondProof(from)) {
      this.#replyPut(origin, "refused", "relaxed", key);
      return;
    }
    if (hintFor !== undefined && hintFor !== self) {
      // From one who goes for good. Who has a copy, as a record or as a hint for another, would only make two into one.
      if (purpose === "hint" && (this.#in.mayStore(key) || this.#do.hasHints(key)))
        this.#replyPut(origin, "refused", "relaxed", key);
      else this.#do.keepHint(key, hintFor, set, origin, durability);
      return;
    }
    if (!this.#in.mayStore(key)) {
      // Sent by somebody who sees another ring. Whoever wants to let go of its copy must give it to an owner, or two nodes that take each other
      // for one would both let go; a client's write is kept for those whose it is now.
      if (purpose !== "write") this.#replyPut(origin, "refused", "relaxed", key);
      else {
        // All of them, or it is no copy: a single one would end when its target has the write, which may have acknowledged it, too.
        const hints = { left: list.owners.length };
        for (const owner of list.owners) this.#do.keepHint(key, owner, set, { ...origin, hints }, durability);
      }
      return;
    }
    this.#do.merge(key, set, purpose, origin, durability);
    // A writer that does not know of those who are joining would leave them out, and the page that they copied may be older than this write.
    if (purpose === "write" && message.ring !== ring.digest)
      for (const node of list.joining) if (node !== from && node !== self) this.#pass(node, message);
  }

  onGet(from: NodeId, message: ReplicaGet): void {
    const { key, counts } = message;
    const origin = this.#originOf(from, message);
    const mayNot = counts && !this.#in.mayAnswer(key);
    if (mayNot || this.isStranger(from) || this.#isBeyondProof(from)) this.#moved(key, origin);
    else this.#do.read(key, origin);
  }

  /** A get that is coordinated here asks this node as it would another. */
  readOwn(key: Key, request: RequestId): void {
    const origin = { kind: "get", request } as const;
    if (this.#in.listOf(key)?.counted.includes(this.#in.self) === true && !this.#in.mayAnswer(key))
      this.#moved(key, origin);
    else this.#do.read(key, origin);
  }

  onCompletion(origin: PeerOrigin, completion: Completion): void {
    // Past its time to live nobody waits for the answer any more.
    if (this.#in.now > origin.until) return;
    const { key } = completion;
    if (completion.kind === "stored") {
      if (origin.hints !== undefined && --origin.hints.left !== 0) return;
      const outcome = origin.hints !== undefined ? "hinted" : this.#isEarly(key) ? "early" : "stored";
      this.#replyPut(origin, outcome, completion.durability, key);
    } else if (completion.kind === "refused") {
      // Once is enough: the others are kept all the same, and nobody counts them.
      if (origin.hints !== undefined && origin.hints.left < 0) return;
      if (origin.hints !== undefined) origin.hints.left = -1;
      this.#replyPut(origin, "refused", "relaxed", key);
    } else if (completion.kind === "read") this.#replyGet(origin, completion.outcome, completion.set, key);
  }

  /**
   * One of whom this node has not heard that it is a member, or might have forgotten it after a crash, is not asked when tombstones are reaped: it gets
   * no record that it could give back.
   */
  isStranger(node: NodeId): boolean {
    return this.#in.config.reapAfterMs < Number.POSITIVE_INFINITY && !this.#do.remembers(node);
  }

  /** Who is gone was not asked when tombstones were reaped: what it still has may be older than that. */
  #isBeyondProof(node: NodeId): boolean {
    const { ring, config } = this.#in;
    const member = ring === undefined ? undefined : memberOf(ring.view, node);
    return config.reapAfterMs < Number.POSITIVE_INFINITY && member !== undefined && isGone(member);
  }

  #originOf(from: NodeId, { request, ring, ttlMs }: ReplicaPut | ReplicaGet): PeerOrigin {
    const epoch = this.#in.epochOf(from);
    return { kind: "peer", from, epoch, request, until: this.#in.now + ttlMs, ring, hints: undefined };
  }

  #moved(key: Key, origin: Origin): void {
    this.#in.complete({ kind: "read", origin, key, outcome: "moved", set: EMPTY });
  }

  #pass(to: NodeId, message: ReplicaPut): void {
    const request = this.#in.nextRequest();
    const ring = this.#in.ring?.digest ?? 0;
    const passed = { request, ring, purpose: "transfer", hintFor: undefined, durability: "strict" } as const;
    this.#in.send(to, { ...message, ...passed }, "foreground");
  }

  #replyPut(origin: PeerOrigin, outcome: ReplicaPutReply["outcome"], durability: Durability, key: Key): void {
    const { from, epoch, request } = origin;
    const ring = this.#in.ring?.digest ?? 0;
    const owner = this.#ownsAndHolds(key);
    const counted = this.#countedUnknownTo(origin, key);
    this.#do.answer(from, { kind: "replica-put-reply", request, ring, outcome, owner, durability, counted }, epoch);
  }

  #replyGet(origin: PeerOrigin, outcome: ReplicaGetReply["outcome"], found: DvvSet, key: Key): void {
    const { from, epoch, request } = origin;
    const ring = this.#in.ring?.digest ?? 0;
    const set = outcome === "found" ? found : undefined;
    const owner = this.#ownsAndHolds(key) && this.#in.mayAnswer(key);
    const counted = this.#countedUnknownTo(origin, key);
    this.#do.answer(from, { kind: "replica-get-reply", request, ring, outcome, owner, counted, set }, epoch);
  }

  /** Whom the asker, who saw another ring, may not know to count. */
  #countedUnknownTo(origin: PeerOrigin, key: Key): readonly NodeId[] {
    return origin.ring === this.#in.ring?.digest ? [] : (this.#in.listOf(key)?.counted ?? []);
  }

  /** Holds the key's partition, and is not open yet. */
  #isEarly(key: Key): boolean {
    return this.#do.isUnopened(partitionOf(positionOf(key), this.#in.ring?.view.claims.length ?? 1));
  }

  /** Whether it counts for pw. */
  #ownsAndHolds(key: Key): boolean {
    const { self } = this.#in;
    const list = this.#in.listOf(key);
    return list !== undefined && list.owners.includes(self) && list.counted.includes(self);
  }
}
