/**
 * Hand-over: how a former owner lets go of a partition (DESIGN section 3: only after every owner holds it and a last exchange with them). States of
 * each partition, in order:
 *
 *   asking        this node owns it no more, and by the view all owners hold it: they are asked whether that is so, and whether they answer for it: until
 *                 then they may need this node to compare with. An answer counts only while both sides see the same tokens, or two former owners
 *                 could let go in favour of each other
 *   closing       it still counts for others, but answers as one who does not: so nothing is acknowledged here any more that the owners do not have
 *                 after the last exchange. Trees are compared with every owner, and what one lacks is sent
 *   counted out   its entry says, durably, that it does not hold it, so that nobody counts on it, not even itself after a crash
 *                 From closing on no record of the partition changes here (`replica.ts`), but by what follows
 *   clearing      trees are compared with every owner once more: what is left here may be from a transfer that was broken off
 *   dropped       page by page its records are removed
 *
 * If an owner falls silent, or if the ring changes, closing ends and the node answers again: it has missed writes meanwhile, as one that was away.
 * A node that was removed holds nothing by any view: it begins with clearing, for all that it may have. Nor does one that lost a partition before it had
 * all of it: it begins there, too, unless it says after all that it holds it.
 *
 * A write that still reaches this node becomes a hint for the owners (`node.ts`). If the node comes to own the partition again, it stops.
 *
 * Limits: one round of questions at a time; one round of exchanges, with each owner once; one page of `RECORDS_PER_PAGE` at a time. Travels in the
 * background lane.
 */

import { keyOfRecord, partitionRange } from "./address.ts";
import type { DvvSet } from "./dvvset.ts";
import type { ReadRecord } from "./effect.ts";
import type { Key, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import { holds, isGone, memberOf } from "./membership.ts";
import type { ReleaseReply, ReleaseRequest } from "./message.ts";
import { type Ring, placementDigest } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";

const RECORDS_PER_PAGE = 64;
/** How often what could not be done is tried again. */
const RETRY_MS = 2_000;
/** A page that is still there is looked at again so soon, then after twice as long, up to `RETRY_MS`. */
const AGAIN_MS = 25;
/** Let the view settle before the owners are asked. */
const ASK_AFTER_MS = 300;
/** Partitions in one round of exchanges. */
const ROUND_MAX = 64;

export interface HandOverActions {
  /** Whether this node answers for the partition, of which it says that it holds it. */
  isOpen(partition: Partition): boolean;
  /** This node is not to be counted for these partitions any more. */
  countOut(partitions: readonly Partition[]): void;
  /** Sends an owner what it lacks. False when it cannot begin now. */
  exchange(owner: NodeId, partitions: readonly Partition[], round: number): boolean;
  dropRecord(key: Key, set: DvvSet): void;
  dropDamaged(key: Key): void;
}

interface Question {
  readonly claims: number;
  readonly requests: Map<RequestId, NodeId>;
  readonly missing: Map<Partition, Set<NodeId>>;
}

/** Exchanges with all owners of some partitions. */
interface Round {
  readonly number: number;
  readonly what: "closing" | "clearing";
  /** The owners of each, when the round began. */
  readonly owners: ReadonlyMap<Partition, readonly NodeId[]>;
  /** Owners with whom no exchange has settled yet. */
  readonly missing: Map<Partition, Set<NodeId>>;
}

export class HandOver {
  readonly #in: Surroundings;
  readonly #do: HandOverActions;
  /** Partitions that may still have records here. */
  readonly #toClear = new Set<Partition>();
  /** Of these the owners, who are named, have all that is here. */
  readonly #clear = new Map<Partition, readonly NodeId[]>();
  /** Owned when the ring was last looked at: a transfer that was broken off leaves records, too. */
  #owned = new Set<Partition>();
  #question: Question | undefined;
  /** What the owners have said they hold: next to be closed. */
  readonly #released = new Set<Partition>();
  /** Until this node is counted out, or the round has failed. */
  readonly #closing = new Set<Partition>();
  #round: Round | undefined;
  #rounds = 0;
  #beginning = false;
  /** This node was removed: seen, and acted upon. */
  #gone = false;
  #page: { readonly partition: Partition; readonly ticket: Ticket } | undefined;
  /** The first record of the last page: one that is there again could not be removed. */
  #lastFirst = "";
  #againMs = AGAIN_MS;

  constructor(surroundings: Surroundings, actions: HandOverActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Partitions that are being closed, and those that can be cleared now. */
  get size(): number {
    return this.#closing.size + [...this.#toClear].filter((partition) => this.#isReady(partition)).length;
  }

  /** Partitions that this node holds, or of which something may be left here. */
  get remaining(): number {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    let held = 0;
    for (let p = 0; own !== undefined && p < (ring?.view.claims.length ?? 0); p++) if (holds(own, p)) held++;
    return held + this.#toClear.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      toClear: this.#toClear,
      clear: this.#clear,
      owned: this.#owned,
      question: this.#question,
      released: this.#released,
      closing: this.#closing,
      round: this.#round,
      rounds: this.#rounds,
      lastFirst: this.#lastFirst,
      againMs: this.#againMs,
      gone: this.#gone,
      page: this.#page,
    };
  }

  /** True while this node answers as one who does not count, though others still count on it. */
  isClosing(partition: Partition): boolean {
    return this.#closing.has(partition);
  }

  onRing(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return;
    const owned = new Set<Partition>();
    if (isGone(own) && !this.#gone) this.onStarted();
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (ring.owns(self, p)) owned.add(p);
      else if (holds(own, p)) {
        // Its transfer came to its end after all: others count on this node, which must be counted out first.
        if (this.#toClear.has(p)) this.#keep(p);
      } else if (this.#owned.has(p)) this.#toClear.add(p);
    }
    this.#owned = owned;
    for (const p of owned) this.#keep(p);
    this.#dropChanged(ring);
    if (this.#releasable(ring).length > 0) this.#in.timers.set("hand-over", this.#in.now + ASK_AFTER_MS);
    this.#arm();
  }

  /** Somebody asks whether it may let go in favour of this node, among others. */
  onRequest(from: NodeId, message: ReleaseRequest): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    const same = ring !== undefined && own !== undefined && placementDigest(ring.view) === message.claims;
    const partitions = same
      ? message.partitions.filter(
          (p) => p < ring.view.claims.length && holds(own, p) && ring.owns(self, p) && this.#do.isOpen(p),
        )
      : [];
    this.#in.send(from, { kind: "release-reply", request: message.request, partitions }, "background");
  }

  onReleaseReply(from: NodeId, message: ReleaseReply): void {
    const { ring } = this.#in;
    const question = this.#question;
    if (ring === undefined || question?.requests.get(message.request) !== from) return;
    question.requests.delete(message.request);
    if (question.claims !== placementDigest(ring.view)) {
      this.#question = undefined;
      return;
    }
    for (const partition of message.partitions) {
      const missing = question.missing.get(partition);
      if (missing?.delete(from) !== true || missing.size > 0) continue;
      question.missing.delete(partition);
      this.#released.add(partition);
    }
    if (question.requests.size === 0) this.#question = undefined;
    this.#nextRound();
  }

  /** An owner has all that was here, or the exchange failed. */
  onExchanged(owner: NodeId, partitions: readonly Partition[], number: number, settled: boolean): void {
    const round = this.#round;
    if (round?.number !== number) return;
    const done: Partition[] = [];
    for (const partition of partitions) {
      const missing = round.missing.get(partition);
      if (missing?.has(owner) !== true) continue;
      if (!settled) {
        this.#leaveRound(partition);
        continue;
      }
      missing.delete(owner);
      if (missing.size > 0) continue;
      round.missing.delete(partition);
      done.push(partition);
    }
    if (round.what === "closing" && done.length > 0) this.#do.countOut(done);
    else for (const partition of done) this.#clear.set(partition, round.owners.get(partition) ?? []);
    this.#endRound();
    this.#nextPage();
    if (done.length > 0) this.#nextRound();
  }

  /** It is durable that this node does not hold these. */
  onCountedOut(partitions: readonly Partition[]): void {
    const { ring, self } = this.#in;
    for (const p of partitions) {
      this.#closing.delete(p);
      if (ring?.owns(self, p) === false) this.#toClear.add(p);
    }
    this.#nextRound();
    this.#arm();
  }

  /** At the start: partitions not held may have records left from before. */
  onStarted(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return;
    this.#gone = isGone(own);
    for (let p = 0; p < ring.view.claims.length; p++) if (!holds(own, p) && !ring.owns(self, p)) this.#toClear.add(p);
    this.#arm();
  }

  onTimer(): void {
    this.#ask();
    this.#nextRound();
    this.#nextPage();
    this.#arm();
  }

  /** A slice of background work is there for a page. */
  onSlice(): void {
    this.#nextPage();
  }

  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const page = this.#page;
    if (page?.ticket !== ticket) return false;
    this.#page = undefined;
    // The ring may have changed meanwhile.
    if (!this.#clear.has(page.partition)) return true;
    if (done && entries.length === 0) {
      this.#toClear.delete(page.partition);
      this.#clear.delete(page.partition);
      this.#in.note({ what: "partition-dropped", partition: page.partition });
      this.#nextPage();
      return true;
    }
    for (const { address, record } of entries) {
      const key = keyOfRecord(address);
      // What is damaged cannot be handed over: the owners have it, this node has not.
      if (record === "damaged") this.#do.dropDamaged(key);
      else if (typeof record !== "string") this.#do.dropRecord(key, record.set);
    }
    const first = entries[0]?.address ?? "";
    if (first !== this.#lastFirst) {
      this.#againMs = AGAIN_MS;
      this.#nextPage();
    } else {
      // Its removal is still to come, because the record had to be read first; or the disk refuses it.
      this.#in.timers.set("hand-over", this.#in.now + this.#againMs);
      this.#againMs = Math.min(2 * this.#againMs, RETRY_MS);
    }
    this.#lastFirst = first;
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    if (this.#page?.ticket !== ticket) return false;
    this.#page = undefined;
    return true;
  }

  /** Held, not owned, and by the view held by all owners. */
  #releasable(ring: Ring): Partition[] {
    const { self } = this.#in;
    const own = memberOf(ring.view, self);
    const found: Partition[] = [];
    if (own === undefined) return found;
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (!holds(own, p) || ring.owns(self, p) || this.#closing.has(p)) continue;
      if (ring.preferenceList(p).owners.every((node) => heldBy(ring, node, p))) found.push(p);
    }
    return found;
  }

  /** A new round of questions replaces one whose answers did not all come. */
  #ask(): void {
    const { ring } = this.#in;
    this.#question = undefined;
    const partitions = ring === undefined ? [] : this.#releasable(ring).filter((p) => !this.#released.has(p));
    if (ring === undefined || partitions.length === 0) return;
    const claims = placementDigest(ring.view);
    const question: Question = { claims, requests: new Map(), missing: new Map() };
    const byOwner = new Map<NodeId, Partition[]>();
    for (const partition of partitions) {
      const { owners } = ring.preferenceList(partition);
      if (!owners.every((owner) => this.#in.reachable(owner))) continue;
      question.missing.set(partition, new Set(owners));
      for (const owner of owners) (byOwner.get(owner) ?? byOwner.set(owner, []).get(owner)!).push(partition);
    }
    for (const [owner, asked] of byOwner) {
      const request = this.#in.nextRequest();
      if (this.#in.send(owner, { kind: "release-request", request, claims, partitions: asked }, "background"))
        question.requests.set(request, owner);
    }
    if (question.requests.size > 0) this.#question = question;
  }

  /** Begins exchanges for what was released, or, if there is nothing, for what is to be cleared. */
  #nextRound(): void {
    const { ring } = this.#in;
    if (this.#round !== undefined || ring === undefined) return;
    const what = this.#released.size > 0 ? "closing" : "clearing";
    const open = what === "closing" ? this.#released : [...this.#toClear].filter((p) => !this.#clear.has(p));
    const owners = new Map<Partition, readonly NodeId[]>();
    const byOwner = new Map<NodeId, Partition[]>();
    for (const partition of open) {
      if (owners.size >= ROUND_MAX) break;
      if (!this.#isReady(partition)) continue;
      const list = ring.preferenceList(partition).owners;
      owners.set(partition, list);
      for (const owner of list) (byOwner.get(owner) ?? byOwner.set(owner, []).get(owner)!).push(partition);
    }
    if (what === "closing") this.#released.clear();
    if (owners.size === 0) return;
    const missing = new Map([...owners].map(([partition, list]) => [partition, new Set(list)]));
    const number = ++this.#rounds;
    this.#round = { number, what, owners, missing };
    if (what === "closing") for (const partition of owners.keys()) this.#closing.add(partition);
    // Where there is nothing to give, exchanges end at once.
    this.#beginning = true;
    for (const [owner, partitions] of byOwner)
      if (!this.#do.exchange(owner, partitions, number))
        for (const partition of partitions) this.#leaveRound(partition);
    this.#beginning = false;
    this.#endRound();
  }

  /** All owners answer and hold it. */
  #isReady(partition: Partition): boolean {
    const { ring } = this.#in;
    const owners = ring?.preferenceList(partition).owners ?? [];
    return ring !== undefined && owners.every((node) => this.#in.reachable(node) && heldBy(ring, node, partition));
  }

  #leaveRound(partition: Partition): void {
    if (this.#round?.missing.delete(partition) === true && this.#round.what === "closing")
      this.#closing.delete(partition);
  }

  #endRound(): void {
    if (this.#beginning || this.#round?.missing.size !== 0) return;
    this.#round = undefined;
    this.#arm();
  }

  /** The partition is this node's own, again, or others count on it. */
  #keep(partition: Partition): void {
    this.#toClear.delete(partition);
    this.#clear.delete(partition);
    this.#released.delete(partition);
    this.#leaveRound(partition);
    this.#closing.delete(partition);
    if (this.#page?.partition === partition) this.#page = undefined;
    this.#endRound();
  }

  /** What was said or exchanged was said by owners who are not all of them any more. */
  #dropChanged(ring: Ring): void {
    for (const [partition, owners] of this.#round?.owners ?? [])
      if (ring.preferenceList(partition).owners.some((owner) => !owners.includes(owner))) this.#leaveRound(partition);
    for (const partition of this.#released)
      if (!this.#releasable(ring).includes(partition)) this.#released.delete(partition);
    for (const [partition, owners] of this.#clear)
      if (ring.preferenceList(partition).owners.some((owner) => !owners.includes(owner))) this.#clear.delete(partition);
    this.#endRound();
  }

  #nextPage(): void {
    const { ring } = this.#in;
    if (this.#page !== undefined || ring === undefined) return;
    for (const partition of this.#clear.keys()) {
      if (!this.#in.mayWork("hand-over")) return;
      const ticket = this.#in.nextTicket();
      this.#page = { partition, ticket };
      const { after, before } = partitionRange(partition, ring.view.claims.length);
      const bytesMax = this.#in.config.transferPageBytesMax;
      this.#in.emit({ kind: "scan", ticket, store: "records", after, before, countMax: RECORDS_PER_PAGE, bytesMax });
      return;
    }
  }

  #arm(): void {
    const { ring, timers, now } = this.#in;
    if (timers.has("hand-over")) return;
    if (this.#toClear.size > 0 || (ring !== undefined && this.#releasable(ring).length > 0))
      timers.set("hand-over", now + RETRY_MS);
  }
}

/** By the view, which may know a claim before it knows the claimant. */
function heldBy(ring: Ring, node: NodeId, partition: Partition): boolean {
  const member = memberOf(ring.view, node);
  return member !== undefined && holds(member, partition);
}
