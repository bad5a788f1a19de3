/**
 * A caller's request at a node that does not count for the key: handed to one that does (paper, section 4.2 and 5: any node takes any request).
 * States of each request, in order:
 *
 *   forwarded   the best counted node that answers was asked to coordinate: one that is prompt and visible, if there is any
 *   retried     it was lost, slow or refused: the next one is asked, under the same operation id, so that no retry makes a false sibling
 *   relayed     a get only, when nobody who counts can be reached from here: one other member is asked once, who may reach them. A newcomer
 *               has links to few at first
 *   answered    by whichever coordinator came first
 *
 * When nobody who counts can be reached, the node coordinates as a stand-in ("always writable"); that is the owner's decision, told by
 * `exhausted`. Limits: `requestsMax`; each ends after its time bound.
 */

import type { Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import type { ClientResult, ClientWrite } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

export type ForwardedRequest =
  | { readonly kind: "get"; readonly key: Key; readonly r: number | undefined }
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
  readonly sent: Map<RequestId, NodeId>;
  relayed: boolean;
}

export class Forwarding {
  readonly #in: Surroundings;
  readonly #do: ForwardingActions;
  readonly #requests = new Map<RequestId, Forwarded>();
  readonly #bySent = new Map<RequestId, Forwarded>();

  constructor(surroundings: Surroundings, actions: ForwardingActions) {
    this.#in = surroundings;
    this.#do = actions;
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
      relayed: false,
    };
    this.#requests.set(request, forwarded);
    this.#in.timers.set(`forward-timeout:${request}`, forwarded.deadline);
    this.#next(forwarded, prefer);
  }

  onReply(from: NodeId, sent: RequestId, result: ClientResult): void {
    const forwarded = this.#bySent.get(sent);
    if (forwarded?.sent.get(sent) !== from) return;
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
      for (const [sent, node] of forwarded.sent) {
        if (node !== peer) continue;
        forwarded.sent.delete(sent);
        this.#bySent.delete(sent);
        if (forwarded.sent.size === 0) this.#next(forwarded, undefined);
      }
  }

  /** The one asked last is slow: ask another beside it. */
  onSlow(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded !== undefined) this.#next(forwarded, undefined);
  }

  onTimeout(request: RequestId): void {
    const forwarded = this.#requests.get(request);
    if (forwarded === undefined) return;
    this.#end(forwarded);
    this.#do.answer(request, { outcome: "failed", failure: { code: "quorum" }, report: undefined });
  }

  #next(forwarded: Forwarded, prefer: NodeId | undefined): void {
    const counted = this.#in.listOf(forwarded.what.key)?.counted ?? [];
    const wanted = prefer !== undefined && counted.includes(prefer) ? [prefer, ...counted] : counted;
    // A coordinator is waited for: those that are slow or hidden are the last to be one.
    const inOrder = [...wanted.filter((node) => !this.#isSluggish(node)), ...wanted];
    for (const node of inOrder) if (this.#ask(forwarded, node)) return;
    if (forwarded.sent.size > 0) return;
    if (forwarded.what.kind === "get" && !forwarded.relayed) {
      forwarded.relayed = true;
      for (const { node } of this.#in.ring?.view.members ?? []) if (this.#ask(forwarded, node)) return;
    }
    this.#end(forwarded);
    this.#do.exhausted(forwarded.request, forwarded.what, Math.max(1, forwarded.deadline - this.#in.now));
  }

  #isSluggish(node: NodeId): boolean {
    const { ring } = this.#in;
    return this.#in.slow(node) || (ring !== undefined && memberOf(ring.view, node)?.hidden === true);
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
        ? { kind: "coordinate-get", ...addressed, r: what.r }
        : { kind: "coordinate-put", ...addressed, write: what.write },
      "foreground",
    );
    if (!sent) return false;
    this.#in.note({ what: "forwarded", key: what.key, to: node });
    forwarded.sent.set(request, node);
    this.#bySent.set(request, forwarded);
    // Later than the coordinator's own patience with a slow replica, so that one slow replica does not double the work.
    this.#in.timers.set(`forward-slow:${forwarded.request}`, now + 3 * config.slowReplyMs);
    return true;
  }

  #end(forwarded: Forwarded): void {
    for (const sent of forwarded.sent.keys()) this.#bySent.delete(sent);
    this.#requests.delete(forwarded.request);
    this.#in.timers.clear(`forward-timeout:${forwarded.request}`);
    this.#in.timers.clear(`forward-slow:${forwarded.request}`);
  }
}
