/**
 * One put, coordinated (paper, sections 4.5, 4.6 and 5). States of each put, in order:
 *
 *   minting     the replica loads the key, mints the dot and starts the local write
 *   collecting  the whole sibling set is on its way to the other counted nodes; durable acknowledgements come in
 *   answered    W of them came, the caller has its answer; the rest settle, and hints are kept for those who stay silent
 *   done        everybody answered or the time is over
 *
 * An owner that is known to be down or slow is replaced at once by the next node on the walk, one that does not answer after `slowReplyMs`: the stand-in keeps the
 * record as a hint for it (sloppy quorum). When no other node is left, the coordinator keeps the hint itself, which is no further replica and is
 * not counted. An owner and its stand-in are one replica between them and count once, because the hint ends when it is delivered. When too few are
 * left to ever reach W the put fails at once; it may still take effect.
 *
 * While the set of those who count changes, an answer tells of those whom its sender counts and the coordinator may not know: they are asked as well
 * and the quorum grows with them. It never shrinks within one put.
 *
 * PW is asked for besides W: so many must be owners that hold the partition, by what they see themselves, each with its own record. A hint does not
 * count for it. One who does not answer reads yet does, because its record is durable, and W is still a quorum of those who do.
 * When fewer than PW of them can be reached the put fails before anything is written; when they become too few, at once.
 *
 * Of the copies of each put one is written strictly, and the caller does not wait for it (paper, section 6.1: "the coordinator choose one out of the N
 * replicas to perform a durable write"): that of the last owner on the list that can be reached, or its stand-in's. With DW all of them are, and so
 * many strict commits must be among the acknowledgements that count. In a bucket with a buffer the copies that need not be strict are acknowledged from
 * memory.
 *
 * A put is never hedged as a get is. A stand-in that takes a hint writes it to disk, delivers it and removes it again, three times the work; and
 * what it acknowledges in an owner's place a read of R owners may miss. So a put waits for `slowReplyMs` at least; and longer, up to twice as long,
 * when the 99th percentile of recent acknowledgements is: where all disks are slow, hints would only make them slower.
 *
 * Limits: `requestsMax` puts under way; each ends after its time bound.
 */

import { assert } from "../base/assert.ts";
import { type Clock, type Dot, type DvvSet, counterOf, joinClocks } from "./dvvset.ts";
import type { Hedging } from "./hedging.ts";
import type { Durability, Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import type { ClientResult, ClientWrite, ReplicaPutReply, RequestFailure, RequestReport } from "./message.ts";
import { type Outcome, Tally, bothOf, quorumOf } from "./quorum.ts";
import type { Quorum } from "./request-defaults.ts";
import type { PreferenceList, Ring } from "./ring.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

/** What the coordinator asks of the node that it runs in. */
export interface PutActions {
  mint(key: Key, write: ClientWrite, place: "record" | NodeId, request: RequestId, durability: Durability): void;
  /** Keeps a hint here, beside the coordinator's own copy. */
  keepHint(key: Key, target: NodeId, set: DvvSet, durability: Durability): void;
  answer(request: RequestId, result: ClientResult): void;
}

interface Put {
  readonly request: RequestId;
  readonly key: Key;
  readonly write: ClientWrite;
  readonly startedAt: Millis;
  readonly deadline: Millis;
  /** Counts owners: each has answered when it or its stand-in has. */
  readonly tally: Tally;
  /** Answers that make a quorum when so many count, and those that have to do when no more can come. */
  readonly neededOf: (holders: number) => number;
  readonly w: number;
  /** Counts owners that hold the partition, and only what they acknowledge themselves. */
  readonly owners: Tally;
  /** Counts what `tally` counts where the commit was strict. */
  readonly strict: Tally;
  /** Whose copy is strict, at least. */
  readonly strictFor: NodeId;
  readonly buffered: boolean;
  /** Who has acknowledged from memory alone. */
  readonly inMemory: Set<NodeId>;
  /** Of those who have answered, who does not answer reads yet. */
  readonly early: Set<NodeId>;
  /** Who counts, by this node's view or by that of somebody who answered. */
  readonly counted: Set<NodeId>;
  /** Where it is durable as a record, whoever counts. */
  readonly storedBy: Map<NodeId, Durability>;
  /** Requests sent: who answers them, whose replica that would be, and since when. */
  readonly sent: Map<RequestId, { readonly node: NodeId; readonly owner: NodeId; readonly at: Millis }>;
  /** Whose replica the coordinator's own copy is; undefined when it does not count. */
  ownCopyFor: NodeId | undefined;
  /** The owner that the coordinator's own copy may count for when it does not answer itself. */
  spareFor: NodeId | undefined;
  /** It is on its way to the disk. */
  ownUnderWay: boolean;
  /** How it is kept, once it is. */
  ownDurability: Durability | undefined;
  /** Owners for whom somebody keeps a hint, and who that is; the coordinator itself may stand for several. */
  readonly hintedFor: Map<NodeId, NodeId>;
  readonly answeredBy: Set<NodeId>;
  /** Whom the write was sent to, in whatever role. */
  readonly asked: Set<NodeId>;
  set: DvvSet | undefined;
  /** Undefined until it is minted, and when the operation was here already. */
  dot: Dot | undefined;
  answered: boolean;
}

export class PutCoordinator {
  readonly #in: Surroundings;
  readonly #do: PutActions;
  readonly #hedging: Hedging;
  readonly #puts = new Map<RequestId, Put>();
  /** Which put a request to a replica belongs to. */
  readonly #bySent = new Map<RequestId, Put>();

  constructor(surroundings: Surroundings, hedging: Hedging, actions: PutActions) {
    this.#in = surroundings;
    this.#hedging = hedging;
    this.#do = actions;
  }

  get size(): number {
    return this.#puts.size;
  }

  /** True when a put of the key is under way. */
  concerns(key: Key): boolean {
    return [...this.#puts.values()].some((put) => put.key === key);
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return [...this.#puts.values()].map(({ neededOf: _, ...put }) => ({
      ...put,
      tally: put.tally.memory,
      owners: put.owners.memory,
      strict: put.strict.memory,
    }));
  }

  /** Starts to coordinate. `request` is one of this node's own; the answer comes through the actions, once. */
  start(
    request: RequestId,
    key: Key,
    write: ClientWrite,
    list: PreferenceList,
    { n, replicas: w, owners: pw, strict: dw = 0, buffered = false }: Quorum,
    timeoutMs: Millis,
  ): void {
    const { self, now } = this.#in;
    const needed = quorumOf(w, n, list.counted.length);
    const owners = Math.min(pw, list.owners.length);
    const others = list.counted.filter((node) => node !== self);
    const last = others.filter((node) => this.#in.reachable(node)).at(-1) ?? others.at(-1) ?? self;
    const put: Put = {
      request,
      key,
      write,
      startedAt: now,
      deadline: now + timeoutMs,
      tally: new Tally(needed),
      counted: new Set(list.counted),
      storedBy: new Map(),
      neededOf: (holders) => quorumOf(w, n, holders),
      w,
      owners: new Tally(owners),
      strict: new Tally(Math.min(dw, list.counted.length)),
      strictFor: last,
      buffered,
      inMemory: new Set(),
      early: new Set(),
      sent: new Map(),
      ownCopyFor: undefined,
      spareFor: undefined,
      ownUnderWay: true,
      ownDurability: undefined,
      hintedFor: new Map(),
      answeredBy: new Set(),
      asked: new Set([self]),
      set: undefined,
      dot: undefined,
      answered: false,
    };
    this.#puts.set(request, put);
    this.#in.timers.set(`put-timeout:${request}`, put.deadline);
    // A write that is sure to fail would only leave a version behind that its caller does not know of.
    if (list.counted.filter((node) => list.owners.includes(node) && this.#in.reachable(node)).length < owners) {
      this.#in.note({ what: "owners-unreachable", key });
      this.#fail(put, { code: "quorum" });
      return;
    }
    // The coordinator's own copy: its record where it belongs, else a hint for the first owner that is down, or for the first owner: then it counts
    // only when that one does not answer, for whoever asks it next would miss the put.
    let place: "record" | NodeId = "record";
    const stores = this.#in.mayStore(key);
    if (list.counted.includes(self) && stores) {
      put.ownCopyFor = self;
      if (list.owners.includes(self)) put.owners.ask(self);
    } else if (!list.owners.includes(self)) {
      const first = others[0];
      assert(first !== undefined, "a preference list counts on nobody");
      const down = others.find((node) => !this.#in.reachable(node));
      place = down ?? first;
      if (down === undefined) put.spareFor = first;
      else put.ownCopyFor = down;
      put.hintedFor.set(place, self);
      this.#in.note({ what: "stand-in", key });
    }
    if (put.ownCopyFor !== undefined) this.#asked(put, put.ownCopyFor);
    this.#do.mint(key, write, place, request, this.#durabilityOf(put, put.ownCopyFor ?? put.spareFor ?? self));
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const put = origin.kind === "put" ? this.#puts.get(origin.request) : undefined;
    if (put === undefined) return;
    switch (completion.kind) {
      case "minted":
        put.set = completion.set;
        put.dot = completion.dot;
        this.#replicate(put);
        break;
      case "stored":
        put.ownUnderWay = false;
        put.ownDurability = completion.durability;
        if (this.#in.listOf(put.key)?.owners.includes(this.#in.self) === true) put.owners.answer(this.#in.self);
        else put.owners.withdraw(this.#in.self);
        if (put.ownCopyFor === this.#in.self && !this.#in.mayAnswer(put.key)) put.early.add(this.#in.self);
        this.#answered(put, this.#in.self, put.ownCopyFor, completion.durability);
        break;
      case "refused":
        put.ownUnderWay = false;
        put.spareFor = undefined;
        put.owners.withdraw(this.#in.self);
        if (put.ownCopyFor !== undefined && !this.#asksFor(put, put.ownCopyFor)) this.#refuse(put, put.ownCopyFor);
        if (put.set === undefined) {
          const failure: RequestFailure =
            completion.refusal === "too-many-siblings"
              ? { code: "too-many-siblings", siblings: completion.siblings }
              : { code: completion.refusal === "moved" ? "not-ready" : "storage" };
          this.#fail(put, failure);
        } else this.#judge(put);
        break;
      case "read":
        break;
    }
  }

  onReply(from: NodeId, { request, outcome, owner, durability, counted }: ReplicaPutReply): void {
    const put = this.#bySent.get(request);
    const sent = put?.sent.get(request);
    if (put === undefined || sent?.node !== from) return;
    this.#hedging.record("replica-put", this.#in.now - sent.at);
    // Somebody counts of whom this node does not know: then it needs a copy as well before the caller is told.
    this.#extend(put, counted);
    if (outcome !== "refused") {
      this.#forgetSent(put, request);
      if (outcome !== "hinted" && sent.owner === from) put.storedBy.set(from, durability);
      if (outcome === "early") put.early.add(from);
      if (outcome === "hinted") put.hintedFor.set(sent.owner, from);
      if (owner && put.storedBy.has(from)) put.owners.answer(from);
      else if (sent.owner === from) put.owners.withdraw(from);
      this.#answered(put, from, sent.owner, durability);
    } else this.#refused(put, request);
  }

  /** The link to a peer is gone: what it was asked will not be answered. */
  onPeerDown(peer: NodeId): void {
    for (const put of [...this.#puts.values()])
      for (const [request, { node }] of [...put.sent]) if (node === peer) this.#refused(put, request);
  }

  /** The ring changed under way: serve by the union of both lists. */
  onRing(ring: Ring, partitionOfKey: (key: Key) => number): void {
    for (const put of this.#puts.values()) {
      if (put.set === undefined) continue;
      const list = ring.preferenceList(partitionOfKey(put.key));
      this.#extend(put, list.counted);
      for (const node of list.joining)
        if (!put.asked.has(node) && this.#in.reachable(node)) this.#send(put, node, node, undefined);
    }
  }

  onSlow(request: RequestId): void {
    const put = this.#puts.get(request);
    if (put === undefined) return;
    for (const owner of put.tally.in("waiting")) this.#standIn(put, owner);
    this.#judge(put);
  }

  onTimeout(request: RequestId): void {
    const put = this.#puts.get(request);
    if (put === undefined) return;
    if (!put.answered) this.#fail(put, { code: "quorum" });
    else this.#end(put);
  }

  #replicate(put: Put): void {
    const list = this.#in.listOf(put.key);
    if (list === undefined) return;
    for (const node of list.counted) {
      if (node === this.#in.self) continue;
      if (this.#send(put, node, node, undefined)) {
        this.#asked(put, node);
        if (list.owners.includes(node)) put.owners.ask(node);
        if (this.#in.slow(node)) this.#standIn(put, node);
      } else this.#standIn(put, node);
    }
    for (const node of list.joining) if (node !== this.#in.self) this.#send(put, node, node, undefined);
    const { slowReplyMs } = this.#in.config;
    const patienceMs = this.#hedging.patienceMs("replica-put", slowReplyMs, 2 * slowReplyMs, slowReplyMs);
    this.#in.timers.set(`put-slow:${put.request}`, this.#in.now + patienceMs);
    this.#judge(put);
  }

  /** These count as well. */
  #extend(put: Put, counted: readonly NodeId[]): void {
    const more = counted.filter((node) => node !== this.#in.self && !put.counted.has(node));
    for (const node of more) put.counted.add(node);
    put.tally.raise(put.neededOf(put.counted.size));
    for (const node of more) {
      this.#asked(put, node);
      const stored = put.storedBy.get(node);
      if (stored !== undefined) this.#count(put, node, node, stored);
      else if (this.#asksFor(put, node) || this.#send(put, node, node, undefined)) put.owners.ask(node);
      else {
        this.#refuse(put, node);
        this.#standIn(put, node);
      }
    }
  }

  /** Finds somebody to keep a hint for `owner`: the next fallback that answers, else this node. */
  #standIn(put: Put, owner: NodeId): void {
    if (put.spareFor === owner) {
      put.spareFor = undefined;
      put.ownCopyFor = owner;
      this.#asked(put, owner);
      if (put.ownDurability !== undefined) this.#count(put, this.#in.self, owner, put.ownDurability);
    }
    if (put.set === undefined || !put.counted.has(owner) || put.hintedFor.has(owner)) return;
    for (const node of this.#in.listOf(put.key)?.fallbacks ?? []) {
      if (put.asked.has(node) || !this.#in.reachable(node)) continue;
      if (!this.#send(put, node, owner, owner)) continue;
      this.#asked(put, owner);
      put.hintedFor.set(owner, node);
      return;
    }
    put.hintedFor.set(owner, this.#in.self);
    this.#do.keepHint(put.key, owner, put.set, this.#durabilityOf(put, owner));
  }

  /** How the copy of an owner is to be kept, whoever keeps it. */
  #durabilityOf(put: Put, owner: NodeId): Durability {
    if (put.strict.needed > 0 || owner === put.strictFor) return "strict";
    return put.buffered ? "buffered" : "relaxed";
  }

  #asked(put: Put, owner: NodeId): void {
    put.tally.ask(owner);
    put.strict.ask(owner);
  }

  #refuse(put: Put, owner: NodeId): void {
    put.tally.refuse(owner);
    put.strict.refuse(owner);
  }

  #answered(put: Put, node: NodeId, owner: NodeId | undefined, durability: Durability): void {
    if (owner !== undefined && put.counted.has(owner)) this.#count(put, node, owner, durability);
    this.#judge(put);
  }

  /** One node is one copy, whomever it stands for besides. */
  #count(put: Put, node: NodeId, owner: NodeId, durability: Durability): void {
    if (!put.answeredBy.has(node)) {
      put.answeredBy.add(node);
      put.tally.answer(owner);
      if (durability === "strict") put.strict.answer(owner);
      else if (!this.#asksFor(put, owner)) put.strict.refuse(owner);
      if (durability === "buffered") put.inMemory.add(node);
    } else if (!this.#asksFor(put, owner)) this.#refuse(put, owner);
  }

  #refused(put: Put, request: RequestId): void {
    const sent = put.sent.get(request);
    if (sent === undefined) return;
    this.#forgetSent(put, request);
    const { node, owner } = sent;
    if (!this.#asksFor(put, owner)) this.#refuse(put, owner);
    if (node === owner) put.owners.withdraw(owner);
    if (put.hintedFor.get(owner) === node) put.hintedFor.delete(owner);
    this.#standIn(put, owner);
    this.#judge(put);
  }

  /** True while somebody may still answer for an owner. */
  #asksFor(put: Put, owner: NodeId): boolean {
    for (const sent of put.sent.values()) if (sent.owner === owner) return true;
    return put.ownUnderWay && put.ownCopyFor === owner;
  }

  #send(put: Put, node: NodeId, owner: NodeId, hintFor: NodeId | undefined): boolean {
    const { now, ring } = this.#in;
    if (put.set === undefined || ring === undefined) return false;
    const request = this.#in.nextRequest();
    const ttlMs = Math.max(1, put.deadline - now);
    const durability = this.#durabilityOf(put, owner);
    const sent = this.#in.send(
      node,
      {
        kind: "replica-put",
        request,
        ring: ring.digest,
        ttlMs,
        purpose: "write",
        key: put.key,
        set: put.set,
        hintFor,
        durability,
      },
      "foreground",
    );
    if (!sent) return false;
    put.asked.add(node);
    put.sent.set(request, { node, owner, at: now });
    this.#bySent.set(request, put);
    return true;
  }

  #judge(put: Put): void {
    if (put.set === undefined || this.#puts.get(put.request) !== put) return;
    if (!put.answered && put.tally.outcome() === "unreachable") put.tally.lower(Math.min(put.w, put.counted.size));
    const outcome = bothOf(bothOf(this.#outcomeOf(put), put.owners.outcome()), put.strict.outcome());
    if (!put.answered) {
      if (outcome === "met") {
        put.answered = true;
        const siblings = put.set.siblings.length;
        this.#do.answer(put.request, {
          outcome: "put",
          clock: contextAfter(put.write.context, put.set, put.dot),
          siblings,
          report: this.#report(put),
        });
      } else if (outcome === "unreachable") {
        if (put.owners.outcome() === "unreachable") this.#in.note({ what: "owners-unreachable", key: put.key });
        this.#fail(put, { code: "quorum" });
        return;
      }
    }
    if (put.answered && put.tally.complete()) this.#end(put);
  }

  /** A quorum must also be one of those who answer reads: until all know of a newcomer, readers ask the others alone. */
  #outcomeOf({ tally, counted, answeredBy, early, neededOf }: Put): Outcome {
    const outcome = tally.outcome();
    if (outcome !== "met" || early.size === 0 || tally.complete()) return outcome;
    const answered = [...answeredBy].filter((node) => !early.has(node)).length;
    return answered >= neededOf(counted.size - early.size) ? "met" : "pending";
  }

  /** Ends before it answers: the answer may start the same request anew elsewhere. */
  #fail(put: Put, failure: RequestFailure): void {
    const report = this.#report(put);
    const { answered } = put;
    put.answered = true;
    this.#end(put);
    if (!answered) this.#do.answer(put.request, { outcome: "failed", failure, report });
  }

  /** Whoever is still silent gets a hint, so that it hears of the write even if no read ever comes. */
  #end(put: Put): void {
    if (put.set !== undefined)
      for (const node of put.counted) {
        if (node === this.#in.self || put.answeredBy.has(node) || put.hintedFor.has(node)) continue;
        put.hintedFor.set(node, this.#in.self);
        this.#do.keepHint(put.key, node, put.set, this.#durabilityOf(put, node));
      }
    for (const request of [...put.sent.keys()]) this.#forgetSent(put, request);
    this.#puts.delete(put.request);
    this.#in.timers.clear(`put-timeout:${put.request}`);
    this.#in.timers.clear(`put-slow:${put.request}`);
  }

  #forgetSent(put: Put, request: RequestId): void {
    put.sent.delete(request);
    this.#bySent.delete(request);
  }

  #report(put: Put): RequestReport {
    return {
      coordinator: this.#in.self,
      needed: Math.max(put.tally.needed, put.owners.needed, put.strict.needed),
      counted: put.counted.size,
      ownersNeeded: put.owners.needed,
      ownersAnswered: put.owners.in("answered").length,
      strictNeeded: put.strict.needed,
      strictAnswered: put.strict.in("answered").length,
      inMemory: put.inMemory.size,
      answered: [...put.answeredBy],
      silent: [...put.counted].filter((node) => !put.answeredBy.has(node)),
      hintedFor: [...put.hintedFor.keys()],
      elapsedMs: this.#in.now - put.startedAt,
    };
  }
}

/**
 * What the caller has seen after its put: what it had seen before, and its own write. The record's clock also covers siblings that it has never
 * seen: it may have that clock only when its write stands alone. Otherwise its own dot is added, if a clock can say so: covering a dot means
 * covering all earlier ones of that actor.
 */
function contextAfter(before: Clock, set: DvvSet, dot: Dot | undefined): Clock {
  if (set.siblings.length === 1) return set.clock;
  if (dot === undefined || dot.counter - 1 > counterOf(before, dot.actor)) return before;
  return joinClocks(before, [dot]);
}
