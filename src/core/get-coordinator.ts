/**
 * One get, coordinated (paper, section 5, and read repair there). States of each get, in order:
 *
 *   collecting  the first N healthy nodes were asked, this one among them if it counts; replies are merged as they come
 *   answered    R of them came, the caller has all causally unrelated versions and the context
 *   repairing   everybody answered or `readRepairMs` are over: whoever counted and is behind, or could not read its own, gets the merged record
 *   done
 *
 * Stand-ins alone cannot say that a key does not exist: "missing" is an answer only when somebody who counts is among those who gave it.
 *
 * A counted node that is down is replaced at once by the next on the walk, one that is slow after `slowReplyMs`; a stand-in answers from its hints
 * too. An owner that does not hold the partition yet is asked when nobody else is left: it has at least the writes since it joined. A disk that did not answer is no reply: it is never taken for "missing". Repair merges at the receiver; it never overwrites.
 *
 * Limits: `requestsMax` gets under way; each ends after its time bound.
 */

import { type DvvSet, EMPTY, equal, sync } from "./dvvset.ts";
import type { Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import type { ReplicaGetReply, ClientResult, RequestFailure, RequestReport } from "./message.ts";
import { type Outcome, Tally, quorumOf } from "./quorum.ts";
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
  readonly asked: Set<NodeId>;
  readonly sent: Map<RequestId, NodeId>;
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
  readonly #gets = new Map<RequestId, Get>();
  readonly #bySent = new Map<RequestId, Get>();

  constructor(surroundings: Surroundings, actions: GetActions) {
    this.#in = surroundings;
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
    return [...this.#gets.values()].map((get) => ({ ...get, tally: get.tally.memory }));
  }

  /** Starts to coordinate. `request` is one of this node's own; the answer comes through the actions, once. */
  start(request: RequestId, key: Key, r: number, n: number, list: PreferenceList, timeoutMs: Millis): void {
    const { self, now } = this.#in;
    const get: Get = {
      request,
      key,
      startedAt: now,
      deadline: now + timeoutMs,
      r,
      n,
      tally: new Tally(quorumOf(r, n, list.counted.length)),
      counted: new Set(list.counted),
      asked: new Set(),
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
    this.#in.timers.set(`get-slow:${request}`, now + this.#in.config.slowReplyMs);
    for (const node of list.counted) if (!this.#ask(get, node)) this.#askFallback(get, list);
    // A stand-in that none of the walk led to still knows what its hints say.
    if (!list.owners.includes(self) && !get.asked.has(self) && get.tally.outcome() === "unreachable")
      this.#ask(get, self);
    this.#judge(get);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const get = origin.kind === "get" ? this.#gets.get(origin.request) : undefined;
    if (get === undefined || completion.kind !== "read") return;
    this.#take(get, this.#in.self, completion.outcome, completion.set);
  }

  onReply(from: NodeId, { request, outcome, set, counted }: ReplicaGetReply): void {
    const get = this.#bySent.get(request);
    if (get?.sent.get(request) !== from) return;
    get.sent.delete(request);
    this.#bySent.delete(request);
    // Somebody counts of whom this node does not know.
    if (!get.answered) this.#extend(get, counted);
    this.#take(get, from, outcome, set ?? EMPTY);
  }

  onPeerDown(peer: NodeId): void {
    for (const get of [...this.#gets.values()]) {
      if (get.tally.was(peer) !== "waiting") continue;
      get.tally.refuse(peer);
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
    for (const node of counted) get.counted.add(node);
    get.tally.raise(quorumOf(get.r, get.n, get.counted.size));
    for (const node of counted)
      if (!get.asked.has(node) && !this.#ask(get, node)) this.#askFallback(get, this.#in.listOf(get.key));
  }

  onSlow(request: RequestId): void {
    const get = this.#gets.get(request);
    if (get === undefined || get.answered) return;
    get.moved = false;
    for (const node of get.tally.in("waiting"))
      if (get.counted.has(node)) this.#askFallback(get, this.#in.listOf(get.key));
    this.#judge(get);
  }

  onTimeout(request: RequestId): void {
    const get = this.#gets.get(request);
    if (get === undefined) return;
    if (!get.answered) this.#fail(get, { code: "quorum" });
    else this.#repair(get);
  }

  #ask(get: Get, node: NodeId): boolean {
    if (get.asked.has(node)) return false;
    if (node === this.#in.self) {
      get.asked.add(node);
      get.tally.ask(node);
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
    get.tally.ask(node);
    get.sent.set(request, node);
    this.#bySent.set(request, get);
    return true;
  }

  /** False when nobody is left who could be asked. */
  #askFallback(get: Get, list: PreferenceList | undefined): boolean {
    return [...(list?.fallbacks ?? []), ...(list?.joining ?? [])].some((node) => this.#ask(get, node));
  }

  #take(get: Get, node: NodeId, outcome: ReplicaGetReply["outcome"], set: DvvSet): void {
    if (outcome === "moved") {
      // Its place is taken by one who counts, of whom this node will hear; a stand-in is asked only when it does not, after `slowReplyMs`.
      get.tally.refuse(node);
      get.moved = true;
    } else if (outcome === "failed") {
      get.tally.refuse(node);
      get.replies.set(node, EMPTY);
      this.#askFallback(get, this.#in.listOf(get.key));
    } else {
      get.first ??= node;
      get.heard ||= get.counted.has(node) || this.#in.listOf(get.key)?.counted.includes(node) === true;
      get.tally.answer(node);
      get.replies.set(node, set);
      get.merged = sync(get.merged, set);
    }
    this.#judge(get);
  }

  #judge(get: Get): void {
    if (this.#gets.get(get.request) !== get) return;
    if (!get.answered && !get.moved && get.tally.outcome() === "unreachable") {
      const more = this.#askFallback(get, this.#in.listOf(get.key));
      if (!more) get.tally.lower(Math.min(get.r, get.counted.size));
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
      } else if (outcome === "unreachable" && !get.moved && !this.#askFallback(get, this.#in.listOf(get.key))) {
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
      needed: get.tally.needed,
      counted: get.counted.size,
      answered: get.tally.in("answered"),
      silent: [...get.counted].filter((node) => get.tally.was(node) !== "answered"),
      hintedFor: [],
      elapsedMs: this.#in.now - get.startedAt,
    };
  }
}

function outcomeOf({ tally, merged, heard }: Get): Outcome {
  const outcome = tally.outcome();
  if (outcome !== "met" || heard || merged !== EMPTY) return outcome;
  return tally.complete() ? "unreachable" : "pending";
}
