/**
 * Hinted handoff: what this node keeps for others goes to them when they are back (paper, section 4.6). States of each hint, in order:
 *
 *   kept        in the hint store (`replica.ts` writes it, `hint-index.ts` knows it)
 *   reading     its target answers again: the hint is read
 *   delivering  a `replica-put` is on its way
 *   passing on  only when its target owns the key no more: hints for those owners who did not get it are on their way to the disk
 *   entrusting  only when this node is about to go for good and the target does not answer: another one who has no copy of the key takes the hint over
 *   let go      acknowledged as durable, and unchanged since it was sent: removed; else it stays kept
 *
 * What fails on the way ends a delivery, and it stays kept; but one whose own disk has not answered yet is over only when it has: its late answer would be
 * taken for one to the next delivery.
 *
 * Looked through when a peer comes up and every `hintScanMs`. A target that is no owner of the key any more gets nothing: the hint goes to all
 * present owners, and is let go only when W of them hold it durably (one acknowledgement and one lost disk would lose the write) and the others have a
 * hint here instead: a put may have been promised more copies than W.
 *
 * Each delivery takes a slice of background work and waits for it where it is (kept).
 *
 * Limits: `hintsInFlightMax` under way for each target; `hintsMax` kept; a delivery without an answer ends after `transferTimeoutMs` and is
 * tried again with the next scan. Deliveries travel in the background lane.
 */

import type { DvvSet } from "./dvvset.ts";
import type { HintIndex } from "./hint-index.ts";
import { parseHintAddress } from "./address.ts";
import type { Key, Millis, NodeId, RequestId, Ticket } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import { Tally } from "./quorum.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

export interface HandoffActions {
  readHint(key: Key, target: NodeId): void;
  dropHint(key: Key, target: NodeId, set: DvvSet): void;
  /** Keeps a hint of the same for another. Completes towards "handoff". */
  keepHint(key: Key, target: NodeId, set: DvvSet, owner: NodeId): void;
  /** This node is itself one of those who should have it. Completes towards "handoff". */
  mergeHere(key: Key, target: NodeId, set: DvvSet): void;
}

interface Delivery {
  readonly key: Key;
  readonly target: NodeId;
  /** When it was sent; before that, when its hint began to be read. */
  startedAt: Millis;
  set: DvvSet | undefined;
  tally: Tally | undefined;
  recipients: readonly NodeId[];
  readonly sent: Map<RequestId, NodeId>;
  /** What this node's own disk was asked for, and has not answered yet. */
  waiting: number;
  /** These are hints for others. */
  passing: boolean;
  /** It came to nothing. */
  over: boolean;
}

/** Who should have a hint. */
interface Recipients {
  readonly nodes: readonly NodeId[];
  readonly needed: number;
  /** They are to keep it as a hint. */
  readonly entrusted: boolean;
}

/** Hints looked at in one read of the disk at the start. */
const HINTS_PER_SCAN = 512;
const HINT_BYTES_PER_SCAN = 1_048_576;
const SCAN_AGAIN_MS = 1_000;
/** One record, not a page of them. */
const SLICES_PER_HINT = 0.25;

export class HintedHandoff {
  readonly #in: Surroundings;
  readonly #index: HintIndex;
  readonly #do: HandoffActions;
  /** By target, then key. */
  readonly #underWay = new Map<NodeId, Map<Key, Delivery>>();
  readonly #bySent = new Map<RequestId, Delivery>();
  #scanning: Ticket | undefined;

  constructor(surroundings: Surroundings, index: HintIndex, actions: HandoffActions) {
    this.#in = surroundings;
    this.#index = index;
    this.#do = actions;
  }

  get size(): number {
    return this.#bySent.size;
  }

  /** True when a hint of the key is under way. */
  concerns(key: Key): boolean {
    return [...this.#underWay.values()].some((deliveries) => deliveries.has(key));
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    const underWay = [...this.#underWay.values()].flatMap((deliveries) => [...deliveries.values()]);
    return {
      scanning: this.#scanning,
      underWay: underWay.map((delivery) => ({ ...delivery, tally: delivery.tally?.memory })),
    };
  }

  /** True when all hints that an earlier start left are known. */
  get started(): boolean {
    return this.#scanning === undefined;
  }

  /** Looks through the hint store: before that, the node does not know what it knows. */
  start(after = ""): void {
    this.#scanning = this.#in.nextTicket();
    this.#in.emit({
      kind: "scan",
      ticket: this.#scanning,
      store: "hints",
      after,
      before: "g",
      countMax: HINTS_PER_SCAN,
      bytesMax: HINT_BYTES_PER_SCAN,
    });
  }

  /** True when the scan was one of this mechanism's. */
  onScanned(ticket: Ticket, entries: readonly { readonly address: string }[], done: boolean): boolean {
    if (ticket !== this.#scanning) return false;
    for (const { address } of entries) {
      const { key, target } = parseHintAddress(address);
      this.#index.add(key, target);
    }
    const last = entries.at(-1);
    if (!done && last !== undefined) this.start(last.address);
    else this.#scanning = undefined;
    return true;
  }

  onScanFailed(ticket: Ticket): boolean {
    if (ticket !== this.#scanning) return false;
    this.#in.timers.set("start", this.#in.now + SCAN_AGAIN_MS);
    return true;
  }

  onPeerUp(peer: NodeId): void {
    this.#scan(peer);
  }

  /** The link is gone and with it the answers; the next scan starts anew. */
  onPeerDown(peer: NodeId): void {
    for (const [sent, delivery] of [...this.#bySent]) {
      if (delivery.sent.get(sent) !== peer) continue;
      this.#refused(delivery, sent, peer);
    }
  }

  /** A slice of background work is there for a delivery. */
  onSlice(): void {
    for (const target of this.#index.targets()) this.#scan(target);
  }

  onScanTimer(): void {
    const { now, config } = this.#in;
    for (const deliveries of this.#underWay.values())
      for (const delivery of deliveries.values())
        if (delivery.sent.size > 0 && now - delivery.startedAt > config.transferTimeoutMs) this.#end(delivery);
    for (const target of this.#index.targets()) this.#scan(target);
  }

  /** Hints are kept: see to it that they are looked at. */
  arm(): void {
    if (!this.#in.timers.has("hint-scan")) this.#in.timers.set("hint-scan", this.#in.now + this.#in.config.hintScanMs);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    if (origin.kind !== "handoff") return;
    const delivery = this.#underWay.get(origin.target)?.get(origin.key);
    if (delivery === undefined) return;
    delivery.waiting--;
    if (delivery.over) this.#end(delivery);
    else if (completion.kind === "read") {
      if (completion.outcome === "found") this.#deliver(delivery, completion.set);
      else this.#end(delivery);
    } else if (delivery.passing) this.#passed(delivery, completion.kind === "stored");
    else if (completion.kind === "stored") this.#answered(delivery, this.#in.self);
    else if (completion.kind === "refused") {
      delivery.tally?.refuse(this.#in.self);
      this.#judge(delivery);
    }
  }

  onReply(from: NodeId, request: RequestId, outcome: "stored" | "refused"): void {
    const delivery = this.#bySent.get(request);
    if (delivery?.sent.get(request) !== from) return;
    if (outcome === "refused") {
      this.#refused(delivery, request, from);
      return;
    }
    delivery.sent.delete(request);
    this.#bySent.delete(request);
    this.#answered(delivery, from);
  }

  /** Those who should have the hint: its target, or, when it owns the key no more, all who do. */
  #recipients(key: Key, target: NodeId): Recipients {
    const { ring, self } = this.#in;
    const list = this.#in.listOf(key);
    if (ring === undefined || list === undefined) return { nodes: [target], needed: 1, entrusted: false };
    if (!list.owners.includes(target) && !list.counted.includes(target))
      return { nodes: list.owners, needed: Math.min(ring.view.parameters.w, list.owners.length), entrusted: false };
    const going = memberOf(ring.view, self)?.departure !== undefined;
    if (!going || this.#in.reachable(target)) return { nodes: [target], needed: 1, entrusted: false };
    // Those who count have a copy already, and one node is one copy. Who has a hint of this key refuses: then it is the next one's turn.
    const others = list.fallbacks.filter((node) => node !== self && node !== target && this.#in.reachable(node));
    const keeper = this.#in.random.pick(others);
    return { nodes: keeper === undefined ? [target] : [keeper], needed: 1, entrusted: keeper !== undefined };
  }

  #scan(target: NodeId): void {
    const underWay = this.#underWay.get(target);
    for (const key of this.#index.keysFor(target)) {
      if ((this.#underWay.get(target)?.size ?? 0) >= this.#in.config.hintsInFlightMax) return;
      if (underWay?.has(key) === true) continue;
      const { nodes, needed } = this.#recipients(key, target);
      if (nodes.filter((node) => this.#in.reachable(node)).length < needed) continue;
      if (!this.#in.mayWork("hints", SLICES_PER_HINT)) return;
      const delivery: Delivery = {
        key,
        target,
        startedAt: this.#in.now,
        set: undefined,
        tally: undefined,
        recipients: [],
        sent: new Map(),
        waiting: 1,
        passing: false,
        over: false,
      };
      (this.#underWay.get(target) ?? this.#underWay.set(target, new Map()).get(target)!).set(key, delivery);
      this.#do.readHint(key, target);
    }
  }

  #deliver(delivery: Delivery, set: DvvSet): void {
    const { ring, config, now } = this.#in;
    const { key, target } = delivery;
    delivery.startedAt = now;
    const { nodes, needed, entrusted } = this.#recipients(key, target);
    delivery.set = set;
    delivery.recipients = nodes;
    delivery.tally = new Tally(needed);
    for (const node of nodes) {
      if (node === this.#in.self) {
        delivery.tally.ask(node);
        delivery.waiting++;
        this.#do.mergeHere(key, target, set);
        continue;
      }
      if (ring === undefined) continue;
      const request = this.#in.nextRequest();
      const ttlMs = config.transferTimeoutMs;
      const message = {
        kind: "replica-put",
        request,
        ring: ring.digest,
        ttlMs,
        purpose: "hint",
        key,
        set,
        hintFor: entrusted ? target : undefined,
        durability: "strict",
      } as const;
      if (!this.#in.send(node, message, "background")) continue;
      if (entrusted) this.#in.note({ what: "hint-entrusted", key, target, to: node });
      delivery.tally.ask(node);
      delivery.sent.set(request, node);
      this.#bySent.set(request, delivery);
    }
    this.#judge(delivery);
  }

  #answered(delivery: Delivery, node: NodeId): void {
    delivery.tally?.answer(node);
    this.#judge(delivery);
  }

  #refused(delivery: Delivery, request: RequestId, node: NodeId): void {
    delivery.sent.delete(request);
    this.#bySent.delete(request);
    delivery.tally?.refuse(node);
    this.#judge(delivery);
  }

  #judge(delivery: Delivery): void {
    const outcome = delivery.tally?.outcome();
    const { set, tally, passing } = delivery;
    if (set === undefined || tally === undefined || passing || outcome === "pending") return;
    if (outcome !== "met") {
      this.#end(delivery);
      return;
    }
    // Where it went to several, wait for all of them to answer; enough is enough only for letting go.
    if (!tally.complete()) return;
    const without = delivery.recipients.filter((node) => tally.was(node) !== "answered");
    if (without.length === 0) {
      this.#letGo(delivery, set);
      return;
    }
    delivery.passing = true;
    delivery.waiting += without.length;
    for (const node of without) this.#do.keepHint(delivery.key, delivery.target, set, node);
  }

  #passed(delivery: Delivery, stored: boolean): void {
    if (!stored) this.#end(delivery);
    else if (delivery.waiting === 0 && delivery.set !== undefined) this.#letGo(delivery, delivery.set);
  }

  #letGo(delivery: Delivery, set: DvvSet): void {
    this.#end(delivery);
    this.#in.note({ what: "hint-delivered", key: delivery.key, target: delivery.target });
    this.#do.dropHint(delivery.key, delivery.target, set);
    this.#scan(delivery.target);
  }

  #end(delivery: Delivery): void {
    for (const sent of delivery.sent.keys()) this.#bySent.delete(sent);
    delivery.sent.clear();
    delivery.over = true;
    if (delivery.waiting > 0) return;
    const deliveries = this.#underWay.get(delivery.target);
    if (deliveries?.get(delivery.key) !== delivery) return;
    deliveries.delete(delivery.key);
    if (deliveries.size === 0) this.#underWay.delete(delivery.target);
  }
}
