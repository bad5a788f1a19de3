/**
 * One get, coordinated (paper, section 5, and read repair there). States of each get, in order:
 *
 *   collecting  the first N healthy nodes were asked, this one among them if it counts; replies are merged as they come
 *   hedged      the 99th percentile of recent replies is over and R have not come: a stand-in was asked beside the slow ones, in reserve
 *   answered    R of them came, the caller has all causally unrelated versions and the context
 *   repairing   everybody answered or `readRepairMs` are over: whoever counted and is behind, or could not read its own, gets the merged record
 *   done
 *
 * Stand-ins alone cannot say that a key does not exist: "missing" is an answer only when somebody who counts is among those who gave it.
 *
 * A counted node that is down is replaced at once by the next on the walk, one that does not answer after `slowReplyMs`; beside one that is known to be
 * slow the next is asked at once, in reserve. A stand-in answers from its hints
 * too. An owner that does not hold the partition yet is asked when nobody else is left: it has at least the writes since it joined. A disk that did not answer is no reply: it is never taken for "missing". Repair merges at the receiver; it never overwrites.
 *
 * What a reserve knows is merged in as it comes, but it counts only when somebody for whom it stands in is given up: down, failed, or silent for
 * `slowReplyMs`. If it counted at once, a hiccup of two owners would let a read miss what both had acknowledged, though both are up. So a hedge
 * here makes the end of patience quicker by a round trip, and never the quorum smaller. Any stand-in that turns out to count is asked anew, as one who
 * does: only then it says "moved" when it does not answer reads yet.
 * What brings the tail down is the hedge of who has handed the whole get to one coordinator (`forwarding.ts`).
 *
 * PR is asked for besides R: so many must be owners that hold the partition, by what they see themselves. When these are too few the get fails at
 * once, because nobody can stand in for them; after "moved" it waits to hear who they are.
 *
 * Limits: `requestsMax` gets under way; each ends after its time bound.
 */

import { type DvvSet, EMPTY, equal, sync } from "./dvvset.ts";
import { HEDGE_AFTER_MS_MIN, type Hedging } from "./hedging.ts";
import type { Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import type { ReplicaGetReply, ClientResult, RequestFailure, RequestReport } from "./message.ts";
import { type Outcome, Tally, bothOf, quorumOf } from "./quorum.ts";
import type { Quorum } from "./request-defaults.ts";
import type { PreferenceList, Ring } from "./ring.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

/** What the coordinator asks of the node that it runs in. */
export interface GetActions {
  read(key: Key, request: RequestId): void;
  /** Read repair of this node's own record. */
  repair(key: Key, set: DvvSet): void;
  answer(request: RequestId, result: ClientResult): void;
}

interface Get {
  readonly request: RequestId;
  readonly key: Key;
  readonly startedAt: Millis;
  readonly deadline: Millis;
  readonly r: number;
  readonly n: number;
  readonly tally: Tally;
  readonly counted: Set<NodeId>;
  /** Counts owners that hold the partition. */
  readonly owners: Tally;
  readonly asked: Set<NodeId>;
  /** Reads of this node's own disk under way. */
  ownReads: number;
  /** Stand-ins that were asked early and do not count yet; true when one has answered. */
  readonly reserve: Map<NodeId, boolean>;
  readonly sent: Map<RequestId, { readonly node: NodeId; readonly at: Millis }>;
  /** What each had; nothing for one whose disk failed or whose record is damaged. */
  readonly replies: Map<NodeId, DvvSet>;
  merged: DvvSet;
  first: NodeId | undefined;
  /** One who counts has answered. */
  heard: boolean;
  /** Somebody was asked who counts no more: this node will soon hear who does. */
  moved: boolean;
  answered: boolean;
}

export class GetCoordinator {
  readonly #in: Surroundings;
  readonly #do: GetActions;
  readonly #hedging: Hedging;
  readonly #gets = new Map<RequestId, Get>();
  readonly #bySent = new Map<RequestId, Get>();

  constructor(surroundings: Surroundings, hedging: Hedging, actions: GetActions) {
    this.#in = surroundings;
    this.#hedging = hedging;
    this.#do = actions;
  }

  get size(): number {
    return this.#gets.size;
  }

  /** True when a get of the key is under way. */
  concerns(key: Key): boolean {
    return [...this.#gets.values()].some((get) => get.key === key);
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return [...this.#gets.values()].map((get) => ({ ...get, tally: get.tally.memory, owners: get.owners.memory }));
  }

  /** Starts to coordinate. `request` is one of this node's own; the answer comes through the actions, once. */
  start(request: RequestId, key: Key, quorum: Quorum, list: PreferenceList, timeoutMs: Millis): void {
    const { self, now } = this.#in;
    const { slowReplyMs } = this.#in.config;
    const { n, replicas: r } = quorum;
    const get: Get = {
      request,
      key,
      startedAt: now,
      deadline: now + timeoutMs,
      r,
      n,
      tally: new Tally(quorumOf(r, n, list.counted.length)),
      counted: new Set(list.counted),
      owners: new Tally(Math.min(quorum.owners, list.owners.length)),
      asked: new Set(),
      ownReads: 0,
      reserve: new Map(),
      sent: new Map(),
      replies: new Map(),
      merged: EMPTY,
      first: undefined,
      heard: false,
      moved: false,
      answered: false,
    };
    this.#gets.set(request, get);
    this.#in.timers.set(`get-timeout:${request}`, get.deadline);
    const patienceMs = this.#hedging.patienceMs("replica-get", HEDGE_AFTER_MS_MIN, slowReplyMs, slowReplyMs);
    this.#in.timers.set(`get-slow:${request}`, now + patienceMs);
    this.#hedging.earn();
    for (const node of list.counted) {
      if (!this.#ask(get, node)) {
        this.#askFallback(get, list);
        continue;
      }
      if (list.owners.includes(node)) get.owners.ask(node);
      if (this.#in.slow(node)) this.#askReserve(get, list);
    }
    // A stand-in that none of the walk led to still knows what its hints say.
    if (!list.owners.includes(self) && !get.asked.has(self) && get.tally.outcome() === "unreachable")
      this.#ask(get, self);
    this.#judge(get);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const get = origin.kind === "get" ? this.#gets.get(origin.request) : undefined;
    if (get === undefined || completion.kind !== "read") return;
    // Read once more since, as one who counts.
    if (--get.ownReads > 0) return;
    const { self } = this.#in;
    const isOwner = this.#in.listOf(get.key)?.owners.includes(self) === true;
    this.#take(get, self, completion.outcome, isOwner, completion.set);
  }

  onReply(from: NodeId, { request, outcome, owner, set, counted }: ReplicaGetReply): void {
    const get = this.#bySent.get(request);
    const sent = get?.sent.get(request);
    if (get === undefined || sent?.node !== from) return;
    this.#hedging.record("replica-get", this.#in.now - sent.at);
    get.sent.delete(request);
    this.#bySent.delete(request);
    // Somebody counts of whom this node does not know.
    if (!get.answered) this.#extend(get, counted);
    this.#take(get, from, outcome, owner, set ?? EMPTY);
  }

  onPeerDown(peer: NodeId): void {
    for (const get of [...this.#gets.values()]) {
      if (get.reserve.get(peer) === false) get.reserve.delete(peer);
      if (get.tally.was(peer) !== "waiting") continue;
      get.tally.refuse(peer);
      get.owners.withdraw(peer);
      this.#askFallback(get, this.#in.listOf(get.key));
      this.#judge(get);
    }
  }

  /** The ring changed under way: ask those who count now, too. */
  onRing(ring: Ring, partitionOfKey: (key: Key) => number): void {
    for (const get of this.#gets.values()) {
      if (get.answered) continue;
      this.#extend(get, ring.preferenceList(partitionOfKey(get.key)).counted);
    }
  }

  /** These count as well. */
  #extend(get: Get, counted: readonly NodeId[]): void {
    for (const node of counted) {
      if (get.counted.has(node)) continue;
      get.counted.add(node);
      if (get.asked.has(node)) this.#forget(get, node);
    }
    get.tally.raise(quorumOf(get.r, get.n, get.counted.size));
    for (const node of counted) {
      if (get.asked.has(node)) continue;
      if (this.#ask(get, node)) get.owners.ask(node);
      else this.#askFallback(get, this.#in.listOf(get.key));
    }
  }

  /**
   * It was asked as a stand-in, and answers as such whether it has compared with the others or not. That does not count for one who counts: it is asked
   * anew, as such. What it knew stays merged.
   */
  #forget(get: Get, node: NodeId): void {
    get.tally.forget(node);
    get.owners.forget(node);
    get.reserve.delete(node);
    get.asked.delete(node);
    for (const [request, sent] of get.sent) {
      if (sent.node !== node) continue;
      get.sent.delete(request);
      this.#bySent.delete(request);
    }
  }

  onSlow(request: RequestId): void {
    const get = this.#gets.get(request);
    if (get === undefined || get.answered) return;
    const slowAt = get.startedAt + this.#in.config.slowReplyMs;
    if (this.#in.now < slowAt) {
      this.#hedge(get);
      this.#in.timers.set(`get-slow:${request}`, slowAt);
      return;
    }
    get.moved = false;
    for (const node of get.tally.in("waiting"))
      if (get.counted.has(node) && get.tally.outcome() !== "met") this.#askFallback(get, this.#in.listOf(get.key));
    this.#judge(get);
  }

  onTimeout(request: RequestId): void {
    const get = this.#gets.get(request);
    if (get === undefined) return;
    if (!get.answered) this.#fail(get, { code: "quorum" });
    else this.#repair(get);
  }

  #ask(get: Get, node: NodeId): boolean {
    if (!this.#askQuietly(get, node)) return false;
    get.tally.ask(node);
    return true;
  }

  /** Asks a node whose answer does not count yet. */
  #askQuietly(get: Get, node: NodeId): boolean {
    if (get.asked.has(node)) return false;
    if (node === this.#in.self) {
      get.asked.add(node);
      get.ownReads++;
      this.#do.read(get.key, get.request);
      return true;
    }
    const { ring, now } = this.#in;
    if (ring === undefined) return false;
    const request = this.#in.nextRequest();
    const ttlMs = Math.max(1, get.deadline - now);
    if (
      !this.#in.send(
        node,
        { kind: "replica-get", request, ring: ring.digest, ttlMs, key: get.key, counts: get.counted.has(node) },
        "foreground",
      )
    )
      return false;
    get.asked.add(node);
    get.sent.set(request, { node, at: now });
    this.#bySent.set(request, get);
    return true;
  }

  /** Has somebody stand in: one in reserve, else the next who can be asked. False when nobody is left. */
  #askFallback(get: Get, list: PreferenceList | undefined): boolean {
    const [reserve] = get.reserve;
    if (reserve === undefined) return standInsOf(list).some((node) => this.#ask(get, node));
    const [node, answered] = reserve;
    get.reserve.delete(node);
    get.tally.ask(node);
    if (answered) {
      get.first ??= node;
      get.tally.answer(node);
    }
    return true;
  }

  /** Asks one more, for when a slow one stays silent. */
  #askReserve(get: Get, list: PreferenceList): void {
    const node = standInsOf(list).find((each) => !get.counted.has(each) && this.#askQuietly(get, each));
    if (node !== undefined) get.reserve.set(node, false);
  }

  /** Asks as many stand-ins as answers are missing, as far as the budget goes. */
  #hedge(get: Get): void {
    let missing = get.tally.needed - get.tally.in("answered").length;
    for (const node of standInsOf(this.#in.listOf(get.key))) {
      if (missing <= 0 || !this.#hedging.open) return;
      if (get.counted.has(node) || !this.#askQuietly(get, node)) continue;
      this.#hedging.spend();
      get.reserve.set(node, false);
      this.#in.note({ what: "hedged", key: get.key, to: node });
      missing--;
    }
  }

  #take(get: Get, node: NodeId, outcome: ReplicaGetReply["outcome"], isOwner: boolean, set: DvvSet): void {
    const inReserve = get.reserve.has(node);
    if (inReserve && (outcome === "moved" || outcome === "failed")) get.reserve.delete(node);
    else if (outcome === "moved") {
      // Its place is taken by one who counts, of whom this node will hear; a stand-in is asked only when it does not, after `slowReplyMs`.
      get.tally.refuse(node);
      get.owners.withdraw(node);
      get.moved = true;
    } else if (outcome === "failed") {
      get.tally.refuse(node);
      get.owners.withdraw(node);
      get.replies.set(node, EMPTY);
      this.#askFallback(get, this.#in.listOf(get.key));
    } else {
      if (inReserve) get.reserve.set(node, true);
      else get.first ??= node;
      get.heard ||= get.counted.has(node) || this.#in.listOf(get.key)?.counted.includes(node) === true;
      get.tally.answer(node);
      if (isOwner) get.owners.answer(node);
      else get.owners.withdraw(node);
      get.replies.set(node, set);
      get.merged = sync(get.merged, set);
    }
    this.#judge(get);
  }

  #judge(get: Get): void {
    if (this.#gets.get(get.request) !== get) return;
    const ownersLost = get.owners.outcome() === "unreachable";
    if (!get.answered && !get.moved && !ownersLost) {
      while (get.tally.outcome() === "unreachable")
        if (!this.#askFallback(get, this.#in.listOf(get.key))) {
          get.tally.lower(Math.min(get.r, get.counted.size));
          break;
        }
      while (outcomeOf(get) === "unreachable" && this.#askFallback(get, this.#in.listOf(get.key)));
    }
    const outcome = outcomeOf(get);
    if (!get.answered) {
      if (outcome === "met") {
        get.answered = true;
        this.#do.answer(get.request, {
          outcome: "got",
          set: get.merged,
          first: get.first ?? this.#in.self,
          report: this.#report(get),
        });
        this.#in.timers.set(
          `get-timeout:${get.request}`,
          Math.min(get.deadline, this.#in.now + this.#in.config.readRepairMs),
        );
      } else if (outcome === "unreachable" && !get.moved) {
        if (ownersLost) this.#in.note({ what: "owners-unreachable", key: get.key });
        this.#fail(get, { code: "quorum" });
        return;
      }
    }
    if (get.answered && get.tally.complete()) this.#repair(get);
  }

  #repair(get: Get): void {
    for (const [node, set] of get.replies) {
      if (!get.counted.has(node) || equal(set, get.merged)) continue;
      this.#in.note({ what: "read-repair", key: get.key, to: node });
      if (node === this.#in.self) this.#do.repair(get.key, get.merged);
      else if (this.#in.ring !== undefined) {
        const request = this.#in.nextRequest();
        const { digest } = this.#in.ring;
        const ttlMs = this.#in.config.requestTimeoutMs;
        this.#in.send(
          node,
          {
            kind: "replica-put",
            request,
            ring: digest,
            ttlMs,
            purpose: "repair",
            key: get.key,
            set: get.merged,
            hintFor: undefined,
            durability: "strict",
          },
          "background",
        );
      }
    }
    this.#end(get);
  }

  /** Ends before it answers: the answer may start the same request anew elsewhere. */
  #fail(get: Get, failure: RequestFailure): void {
    const report = this.#report(get);
    get.answered = true;
    // Too few could read theirs: what the others had mends them, or the next get would fail as well.
    this.#repair(get);
    this.#do.answer(get.request, { outcome: "failed", failure, report });
  }

  #end(get: Get): void {
    for (const request of get.sent.keys()) this.#bySent.delete(request);
    this.#gets.delete(get.request);
    this.#in.timers.clear(`get-timeout:${get.request}`);
    this.#in.timers.clear(`get-slow:${get.request}`);
  }

  #report(get: Get): RequestReport {
    return {
      coordinator: this.#in.self,
      needed: Math.max(get.tally.needed, get.owners.needed),
      counted: get.counted.size,
      ownersNeeded: get.owners.needed,
      ownersAnswered: get.owners.in("answered").length,
      strictNeeded: 0,
      strictAnswered: 0,
      inMemory: 0,
      answered: get.tally.in("answered"),
      silent: [...get.counted].filter((node) => get.tally.was(node) !== "answered"),
      hintedFor: [],
      elapsedMs: this.#in.now - get.startedAt,
    };
  }
}

/** Who may stand in, in this order. */
function standInsOf(list: PreferenceList | undefined): readonly NodeId[] {
  return [...(list?.fallbacks ?? []), ...(list?.joining ?? [])];
}

function outcomeOf({ tally, owners, merged, heard }: Get): Outcome {
  const outcome = bothOf(tally.outcome(), owners.outcome());
  if (outcome !== "met" || heard || merged !== EMPTY) return outcome;
  return tally.complete() ? "unreachable" : "pending";
}
