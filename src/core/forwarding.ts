/**
 * A caller's request at a node that does not count for the key: handed to one that does (paper, section 4.2 and 5: any node takes any request).
 * States of each request, in order:
 *
 *   forwarded   the best counted node that answers was asked to coordinate: one that is prompt and visible, if there is any
 *   hedged      a get only: the coordinator takes longer than 99 in 100 of late, and the next one is asked beside it. Each makes a quorum of its own,
 *               so the first answer is as good as any. A put is not hedged: two coordinators would mint two dots and write everything twice
 *   retried     it was lost, slow or refused: the next one is asked, under the same operation id, so that no retry makes a false sibling
 *   relayed     a get only, when nobody who counts can be reached from here: one other member is asked once, who may reach them. A newcomer
 *               has links to few at first. A light client relays its puts as well, to one member after the other
 *   waiting     a light client only: all that it reaches have refused, or it reaches nobody. It begins anew when a member comes up, or soon
 *   answered    by whichever coordinator came first
 *
 * When nobody who counts can be reached, the node coordinates as a stand-in ("always writable"); that is the owner's decision, told by
 * `exhausted`. A light client cannot: it has no disk, and so no memory under which it could mint a dot.
 *
 * **The write coordinator of the context** (paper, section 5): the node that answered the preceding read first is asked first, if it counts, even by
 * one that counts as well. That one coordinates itself when the other is lost, slow or refuses.
 *
 * **Handing on** (a node is asked for a key that it does not own, or owns no more): it asks the owner that it knows, HOPS_MAX times at most from the
 * caller on. So two nodes that take each other for the owner end their quarrel: the last one asked coordinates, whatever it thinks.
 *
 * Limits: `requestsMax`; each ends after its time bound.
 */

import type { ForwardedRequest, Handing } from "./handing.ts";
import { HEDGE_AFTER_MS_MIN, type Hedging } from "./hedging.ts";
import type { Millis, NodeId, RequestId } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import type { ClientResult } from "./message.ts";
import { putQuorum } from "./request-defaults.ts";
import type { Surroundings } from "./surroundings.ts";

/** A light client whose members have all refused asks them again after this. */
const ASK_AGAIN_MS = 250;

export interface ForwardingActions {
  answer(request: RequestId, result: ClientResult): void;
  /** Nobody who counts can be asked any more: coordinate here, within what is left of the time. Never told to a light client. */
  exhausted(request: RequestId, what: ForwardedRequest, timeoutMs: Millis): void;
}

interface Forwarded {
  readonly request: RequestId;
  readonly what: ForwardedRequest;
  readonly deadline: Millis;
  readonly tried: Set<NodeId>;
  readonly sent: Map<RequestId, { readonly node: NodeId; readonly at: Millis }>;
  /** From then on the one asked last is given up, budget or not. */
  slowAt: Millis;
  hedged: boolean;
  readonly countsHere: boolean;
  readonly hops: number;
  relayed: boolean;
  /** A light client only: why the last one refused. */
  refusal: ClientResult | undefined;
}

export class Forwarding {
  readonly #in: Surroundings;
  readonly #do: ForwardingActions;
  readonly #hedging: Hedging;
  readonly #isLight: boolean;
  readonly #requests = new Map<RequestId, Forwarded>();
  readonly #bySent = new Map<RequestId, Forwarded>();

  constructor(surroundings: Surroundings, hedging: Hedging, actions: ForwardingActions, isLight = false) {
    this.#in = surroundings;
    this.#do = actions;
    this.#hedging = hedging;
    this.#isLight = isLight;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#requests;
  }

  start(request: RequestId, what: ForwardedRequest, handing: Handing, timeoutMs: Millis): void {
    const { prefer, tried = [], countsHere = false, hops } = handing;
    const forwarded: Forwarded = {
      request,
      what,
      deadline: this.#in.now + timeoutMs,
      tried: new Set([this.#in.self, ...tried]),
      sent: new Map(),
      countsHere,
      hops,
      slowAt: Infinity,
      hedged: false,
      relayed: false,
      refusal: undefined,
    };
    this.#requests.set(request, forwarded);
    if (what.kind === "get") this.#hedging.earn();
    this.#in.timers.set(`forward-timeout:${request}`, forwarded.deadline);
    const counted = this.#in.listOf(what.key)?.counted ?? [];
    const usual = countsHere ? this.#in.self : counted.find((node) => this.#in.reachable(node));
    if (prefer !== undefined && counted.includes(prefer) && this.#ask(forwarded, prefer)) {
      if (prefer !== usual) this.#in.note({ what: "coordinator-preferred", key: what.key, node: prefer });
    } else this.#next(forwarded);
  }

  onReply(from: NodeId, sent: RequestId, result: ClientResult): void {
    const forwarded = this.#bySent.get(sent);
    const asked = forwarded?.sent.get(sent);
    if (forwarded === undefined || asked?.node !== from) return;
    if (result.outcome === "got") this.#hedging.record("coordinate-get", this.#in.now - asked.at);
    forwarded.sent.delete(sent);
    this.#bySent.delete(sent);
    const retry =
      result.outcome === "failed" &&
      (result.failure.code === "not-ready" ||
        result.failure.code === "storage" ||
        result.failure.code === "overloaded");
    if (retry) {
      forwarded.refusal = result;
      this.#next(forwarded);
    } else {
      this.#end(forwarded);
      this.#do.answer(forwarded.request, result);
    }
  }

  onPeerDown(peer: NodeId): void {
    for (const forwarded of [...this.#requests.values()])
      for (const [sent, { node }] of forwarded.sent) {
        if (node !== peer) continue;
        forwarded.sent.delete(sent);
        this.#bySent.delete(sent);
        if (forwarded.sent.size === 0) this.#next(forwarded);
      }
  }

  /** For a light client: requests that nobody took, or that this one lost with its link, are put to it. */
  onPeerUp(peer: NodeId): void {
    for (const forwarded of [...this.#requests.values()]) {
      forwarded.tried.delete(peer);
      if (forwarded.sent.size === 0) this.#next(forwarded);
    }
  }

  /** The one asked last is slow: ask another beside it. */
  onSlow(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded === undefined) return;
    if (this.#isLight && forwarded.sent.size === 0) {
      forwarded.tried.clear();
      forwarded.refusal = undefined;
    }
    const hedges = forwarded.sent.size > 0 && this.#in.now < forwarded.slowAt;
    if (!hedges) this.#next(forwarded);
    else {
      this.#in.timers.set(`forward-slow:${request}`, forwarded.slowAt);
      if (this.#hedging.open) this.#hedge(forwarded);
    }
  }

  /** The caller is no longer interested. */
  drop(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded !== undefined) this.#end(forwarded);
  }

  onTimeout(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded === undefined) return;
    this.#end(forwarded);
    this.#do.answer(request, { outcome: "failed", failure: { code: "quorum" }, report: undefined });
  }

  #next(forwarded: Forwarded): void {
    if (forwarded.countsHere) {
      this.#exhaust(forwarded);
      return;
    }
    const counted = this.#in.listOf(forwarded.what.key)?.counted ?? [];
    // A coordinator is waited for: those that are slow or hidden are the last to be one.
    const inOrder = [...counted.filter((node) => !this.#isSluggish(node)), ...counted];
    for (const node of inOrder) if (this.#ask(forwarded, node)) return;
    if (this.#isLight) {
      this.#relay(forwarded);
      return;
    }
    if (forwarded.sent.size > 0) return;
    if (forwarded.what.kind === "get" && !forwarded.relayed) {
      forwarded.relayed = true;
      for (const { node } of this.#in.ring?.view.members ?? []) if (this.#ask(forwarded, node)) return;
    }
    this.#exhaust(forwarded);
  }

  #exhaust(forwarded: Forwarded): void {
    this.#end(forwarded);
    this.#do.exhausted(forwarded.request, forwarded.what, Math.max(1, forwarded.deadline - this.#in.now));
  }

  #isSluggish(node: NodeId): boolean {
    const { ring } = this.#in;
    return this.#in.slow(node) || (ring !== undefined && memberOf(ring.view, node)?.hidden === true);
  }

  /** A light client turns to whoever it reaches, who hands the request on or stands in. */
  #relay(forwarded: Forwarded): void {
    const { ring, timers, now } = this.#in;
    for (const { node } of ring?.view.members ?? []) if (this.#ask(forwarded, node)) return;
    if (forwarded.sent.size > 0) return;
    const { refusal } = forwarded;
    if (refusal?.outcome === "failed" && refusal.failure.code === "overloaded") {
      // To ask again would make it worse.
      this.#end(forwarded);
      this.#do.answer(forwarded.request, refusal);
    } else timers.set(`forward-slow:${forwarded.request}`, now + ASK_AGAIN_MS);
  }

  #hedge(forwarded: Forwarded): void {
    forwarded.hedged = true;
    const { key } = forwarded.what;
    const to = (this.#in.listOf(key)?.counted ?? []).find((node) => this.#ask(forwarded, node));
    if (to === undefined) return;
    this.#hedging.spend();
    this.#in.note({ what: "hedged", key, to });
  }

  #ask(forwarded: Forwarded, node: NodeId): boolean {
    const { ring, now, config } = this.#in;
    const { what, tried, deadline, hops } = forwarded;
    if (ring === undefined || tried.has(node) || !this.#in.reachable(node)) return false;
    tried.add(node);
    // A build without strict commits on demand would not hear of dw, and acknowledge without them.
    const strict = what.kind === "put" ? (putQuorum(ring.view, what.key, what.write).strict ?? 0) : 0;
    if (strict > 0 && !this.#in.reads(node, "recent-request")) return false;
    const request = this.#in.nextRequest();
    const addressed = { request, ring: ring.digest, ttlMs: Math.max(1, deadline - now), key: what.key, hops };
    const sent = this.#in.send(
      node,
      what.kind === "get"
        ? { kind: "coordinate-get", ...addressed, r: what.r, pr: what.pr }
        : { kind: "coordinate-put", ...addressed, write: what.write },
      "foreground",
    );
    if (!sent) return false;
    this.#in.note({ what: "forwarded", key: what.key, to: node });
    forwarded.sent.set(request, { node, at: now });
    this.#bySent.set(request, forwarded);
    // Later than the coordinator's own patience with a slow replica, so that one slow replica does not double the work.
    const slowMs = 3 * config.slowReplyMs;
    forwarded.slowAt = now + slowMs;
    const patienceMs =
      what.kind === "put" || forwarded.hedged
        ? slowMs
        : this.#hedging.patienceMs("coordinate-get", HEDGE_AFTER_MS_MIN, slowMs, slowMs);
    this.#in.timers.set(`forward-slow:${forwarded.request}`, now + patienceMs);
    return true;
  }

  #end(forwarded: Forwarded): void {
    for (const sent of forwarded.sent.keys()) this.#bySent.delete(sent);
    this.#requests.delete(forwarded.request);
    this.#in.timers.clear(`forward-timeout:${forwarded.request}`);
    this.#in.timers.clear(`forward-slow:${forwarded.request}`);
  }
}
