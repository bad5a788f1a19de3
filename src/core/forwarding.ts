/**
 * A caller's request at a node that does not count for the key: handed to one that does (paper, section 4.2 and 5: any node takes any request).
 * States of each request, in order:
 *
 *   forwarded   the best counted node that answers was asked to coordinate
 *   hedged      a get only: the coordinator takes longer than 99 in 100 of late, and the next one is asked beside it. Each makes a quorum of its own,
 *               so the first answer is as good as any. A put is not hedged: two coordinators would mint two dots and write everything twice
 *   retried     it was lost, slow or refused: the next one is asked, under the same operation id, so that no retry makes a false sibling
 *   relayed     a get only, when nobody who counts can be reached from here: one other member is asked once, who may reach them. A newcomer
 *               has links to few at first
 *   answered    by whichever coordinator came first
 *
 * When nobody who counts can be reached, the node coordinates as a stand-in ("always writable"); that is the owner's decision, told by
 * `exhausted`. Limits: `requestsMax`; each ends after its time bound.
 */

import { HEDGE_AFTER_MS_MIN, type Hedging } from "./hedging.ts";
import type { Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import type { ClientResult, ClientWrite } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

export type ForwardedRequest =
  | {
      readonly kind: "get";
      readonly key: Key;
      readonly r: number | undefined;
      readonly pr: number | undefined;
    }
  | { readonly kind: "put"; readonly key: Key; readonly write: ClientWrite };

export interface ForwardingActions {
  answer(request: RequestId, result: ClientResult): void;
  /** Nobody who counts can be asked any more: stand in, within what is left of the time. */
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
  relayed: boolean;
}

export class Forwarding {
  readonly #in: Surroundings;
  readonly #do: ForwardingActions;
  readonly #hedging: Hedging;
  readonly #requests = new Map<RequestId, Forwarded>();
  readonly #bySent = new Map<RequestId, Forwarded>();

  constructor(surroundings: Surroundings, hedging: Hedging, actions: ForwardingActions) {
    this.#in = surroundings;
    this.#do = actions;
    this.#hedging = hedging;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#requests;
  }

  /** `prefer` is asked first, if it counts. `tried` are not asked again. */
  start(
    request: RequestId,
    what: ForwardedRequest,
    prefer: NodeId | undefined,
    tried: readonly NodeId[],
    timeoutMs: Millis,
  ): void {
    const forwarded: Forwarded = {
      request,
      what,
      deadline: this.#in.now + timeoutMs,
      tried: new Set([this.#in.self, ...tried]),
      sent: new Map(),
      slowAt: Infinity,
      hedged: false,
      relayed: false,
    };
    this.#requests.set(request, forwarded);
    if (what.kind === "get") this.#hedging.earn();
    this.#in.timers.set(`forward-timeout:${request}`, forwarded.deadline);
    this.#next(forwarded, prefer);
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
    if (retry) this.#next(forwarded, undefined);
    else {
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
        if (forwarded.sent.size === 0) this.#next(forwarded, undefined);
      }
  }

  /** The one asked last is slow: ask another beside it. */
  onSlow(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded === undefined) return;
    const hedges = this.#in.now < forwarded.slowAt;
    if (!hedges) this.#next(forwarded, undefined);
    else {
      this.#in.timers.set(`forward-slow:${request}`, forwarded.slowAt);
      if (this.#hedging.open) this.#hedge(forwarded);
    }
  }

  onTimeout(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded === undefined) return;
    this.#end(forwarded);
    this.#do.answer(request, { outcome: "failed", failure: { code: "quorum" }, report: undefined });
  }

  #next(forwarded: Forwarded, prefer: NodeId | undefined): void {
    const counted = this.#in.listOf(forwarded.what.key)?.counted ?? [];
    const inOrder = prefer !== undefined && counted.includes(prefer) ? [prefer, ...counted] : counted;
    for (const node of inOrder) if (this.#ask(forwarded, node)) return;
    if (forwarded.sent.size > 0) return;
    if (forwarded.what.kind === "get" && !forwarded.relayed) {
      forwarded.relayed = true;
      for (const { node } of this.#in.ring?.view.members ?? []) if (this.#ask(forwarded, node)) return;
    }
    this.#end(forwarded);
    this.#do.exhausted(forwarded.request, forwarded.what, Math.max(1, forwarded.deadline - this.#in.now));
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
    const { what, tried, deadline } = forwarded;
    if (ring === undefined || tried.has(node) || !this.#in.reachable(node)) return false;
    tried.add(node);
    const request = this.#in.nextRequest();
    const addressed = { request, ring: ring.digest, ttlMs: Math.max(1, deadline - now), key: what.key };
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
