/**
 * Hand-over: how a former owner lets go of a partition (DESIGN section 3: only after every owner holds it and a last exchange with them). States of
 * each partition, in order:
 *
 *   asking        this node owns it no more, and by the view all owners hold it: they are asked whether that is so. An answer counts only while both
 *                 sides see the same tokens, or two former owners could let go in favour of each other
 *   counted out   its entry says first, durably, that it does not hold it, so that nobody counts on it, not even itself after a crash
 *   handing over  a page of its records is read; every record goes to every owner
 *   dropped       a record that all owners have acknowledged as durable, and that has not changed since, is removed; then the next page
 *   done          nothing is left
 *
 * A write that still reaches this node meanwhile becomes a hint for the owners (`node.ts`). If the node comes to own the partition again, it
 * stops and takes part in a transfer as if it had nothing.
 *
 * Limits: one round of questions at a time; one partition handed over at a time, one page of `RECORDS_PER_PAGE`; an owner that is down is waited
 * for. Travels in the background lane.
 */

import { keyOfRecord, partitionRange } from "./address.ts";
import type { DvvSet } from "./dvvset.ts";
import type { ReadRecord } from "./effect.ts";
import type { Key, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import { holds, memberOf } from "./membership.ts";
import type { ReleaseReply, ReleaseRequest } from "./message.ts";
import { type Ring, placementDigest } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";

const RECORDS_PER_PAGE = 64;
/** How often what could not be done is tried again. */
const RETRY_MS = 2_000;
/** Let the view settle before the owners are asked. */
const ASK_AFTER_MS = 300;

export interface HandOverActions {
  /** This node is not to be counted for these partitions any more. */
  countOut(partitions: readonly Partition[]): void;
  dropRecord(key: Key, set: DvvSet): void;
  dropDamaged(key: Key): void;
}

interface Question {
  readonly claims: number;
  readonly requests: Map<RequestId, NodeId>;
  readonly missing: Map<Partition, Set<NodeId>>;
}

interface Page {
  readonly partition: Partition;
  readonly ticket: Ticket;
  readonly records: Map<Key, { readonly set: DvvSet; readonly missing: Set<NodeId> }>;
  startedAt: number;
}

export class HandOver {
  readonly #in: Surroundings;
  readonly #do: HandOverActions;
  /** Partitions that may still have records here. */
  readonly #toClear = new Set<Partition>();
  /** Owned when the ring was last looked at: a transfer that was broken off leaves records, too. */
  #owned = new Set<Partition>();
  #question: Question | undefined;
  #page: Page | undefined;
  readonly #bySent = new Map<RequestId, { readonly key: Key; readonly to: NodeId }>();

  constructor(surroundings: Surroundings, actions: HandOverActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#bySent.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      toClear: this.#toClear,
      owned: this.#owned,
      question: this.#question,
      page: this.#page,
      sent: this.#bySent,
    };
  }

  onRing(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return;
    const owned = new Set<Partition>();
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (ring.owns(self, p)) owned.add(p);
      else if (this.#owned.has(p) && !holds(own, p)) this.#toClear.add(p);
    }
    this.#owned = owned;
    for (const p of this.#toClear) if (owned.has(p)) this.#toClear.delete(p);
    if (this.#page !== undefined && owned.has(this.#page.partition)) this.#stop();
    if (this.#releasable(ring).length > 0) this.#in.timers.set("hand-over", this.#in.now + ASK_AFTER_MS);
    this.#arm();
  }

  /** Somebody asks whether it may let go in favour of this node, among others. */
  onRequest(from: NodeId, message: ReleaseRequest): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    const same = ring !== undefined && own !== undefined && placementDigest(ring.view) === message.claims;
    const partitions = same
      ? message.partitions.filter((p) => p < ring.view.claims.length && holds(own, p) && ring.owns(self, p))
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
    const out: Partition[] = [];
    for (const partition of message.partitions) {
      const missing = question.missing.get(partition);
      if (missing?.delete(from) !== true || missing.size > 0) continue;
      question.missing.delete(partition);
      out.push(partition);
    }
    if (question.requests.size === 0) this.#question = undefined;
    if (out.length > 0) this.#do.countOut(out);
  }

  /** It is durable that this node does not hold these. */
  onCountedOut(partitions: readonly Partition[]): void {
    const { ring, self } = this.#in;
    for (const p of partitions) if (ring?.owns(self, p) === false) this.#toClear.add(p);
    this.#arm();
  }

  /** At the start: partitions not held may have records left from before. */
  onStarted(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return;
    for (let p = 0; p < ring.view.claims.length; p++) if (!holds(own, p) && !ring.owns(self, p)) this.#toClear.add(p);
    this.#arm();
  }

  onTimer(): void {
    if (this.#page !== undefined && this.#in.now - this.#page.startedAt > this.#in.config.transferTimeoutMs)
      this.#stop();
    if (this.#page === undefined) this.#next();
    this.#ask();
    this.#arm();
  }

  /** Held, not owned, and by the view held by all owners. */
  #releasable(ring: Ring): Partition[] {
    const { self } = this.#in;
    const own = memberOf(ring.view, self);
    const found: Partition[] = [];
    if (own === undefined) return found;
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (!holds(own, p) || ring.owns(self, p)) continue;
      if (ring.preferenceList(p).owners.every((node) => heldBy(ring, node, p))) found.push(p);
    }
    return found;
  }

  /** A new round replaces one whose answers did not all come. */
  #ask(): void {
    const { ring } = this.#in;
    this.#question = undefined;
    const partitions = ring === undefined ? [] : this.#releasable(ring);
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

  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const page = this.#page;
    if (page?.ticket !== ticket) return false;
    const { ring } = this.#in;
    if (ring === undefined || (done && entries.length === 0)) {
      this.#page = undefined;
      this.#toClear.delete(page.partition);
      this.#in.note({ what: "partition-dropped", partition: page.partition });
      this.#next();
      return true;
    }
    const { owners } = ring.preferenceList(page.partition);
    for (const { address, record } of entries) {
      const key = keyOfRecord(address);
      // What is damaged cannot be handed over: the owners have it, this node has not.
      if (record === "damaged") this.#do.dropDamaged(key);
      if (typeof record === "string") continue;
      page.records.set(key, { set: record.set, missing: new Set(owners) });
      for (const owner of owners) {
        const request = this.#in.nextRequest();
        const ttlMs = this.#in.config.transferTimeoutMs;
        const message = {
          kind: "replica-put",
          request,
          ring: ring.digest,
          ttlMs,
          purpose: "transfer",
          key,
          set: record.set,
          hintFor: undefined,
        } as const;
        if (this.#in.send(owner, message, "background")) this.#bySent.set(request, { key, to: owner });
      }
    }
    if (page.records.size === 0) this.#stop();
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    if (this.#page?.ticket !== ticket) return false;
    this.#stop();
    return true;
  }

  onReply(from: NodeId, request: RequestId, outcome: "stored" | "refused"): void {
    const sent = this.#bySent.get(request);
    if (sent?.to !== from) return;
    this.#bySent.delete(request);
    const page = this.#page;
    const record = page?.records.get(sent.key);
    if (page === undefined || record === undefined || outcome === "refused") return;
    record.missing.delete(from);
    if (record.missing.size > 0) return;
    page.records.delete(sent.key);
    this.#do.dropRecord(sent.key, record.set);
    if (page.records.size > 0) return;
    this.#stop();
    this.#next();
  }

  #next(): void {
    const { ring, self } = this.#in;
    if (this.#page !== undefined || ring === undefined) return;
    for (const partition of this.#toClear) {
      const { owners } = ring.preferenceList(partition);
      if (owners.includes(self)) continue;
      const ready = owners.every((node) => this.#in.reachable(node) && heldBy(ring, node, partition));
      if (!ready) continue;
      const ticket = this.#in.nextTicket();
      this.#page = { partition, ticket, records: new Map(), startedAt: this.#in.now };
      const { after, before } = partitionRange(partition, ring.view.claims.length);
      const bytesMax = this.#in.config.transferPageBytesMax;
      this.#in.emit({ kind: "scan", ticket, store: "records", after, before, countMax: RECORDS_PER_PAGE, bytesMax });
      return;
    }
  }

  /** What is not acknowledged stays here and is tried again. */
  #stop(): void {
    this.#page = undefined;
    this.#bySent.clear();
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
