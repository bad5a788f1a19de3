/**
 * Who waits for a request here: callers of this node, and peers that handed one on to it. States of each, in order: turned away, or taken; coordinated
 * here, or put to another node; tried once more elsewhere, when this node's own disk refused or the key has moved before anything was sent; answered, or
 * abandoned.
 *
 * A request is coordinated by one who counts for its key: by this node, or, for a put, by the one who answered the read before it (paper, section 5). A
 * light client coordinates nothing.
 *
 * Limits: `requestsMax` callers and peers.
 */

import { type ForwardedRequest, HOPS_MAX, type Handing } from "./handing.ts";
import type { Epoch, Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import type { ClientResult, CoordinateGet, CoordinatePut, CoordinateReply } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

/** A request of a caller that has ended. */
export interface EndedCall {
  readonly kind: "get" | "put";
  readonly startedAt: Millis;
  readonly deadline: Millis;
}

export interface CallersActions {
  /** Whether requests of this key can be taken at all. */
  isReady(key: Key): boolean;
  /** Whether it is coordinated here as by one who counts, and not as by a stand-in. */
  mayCoordinate(what: ForwardedRequest): boolean;
  coordinate(request: RequestId, what: ForwardedRequest, timeoutMs: Millis): void;
  forward(request: RequestId, what: ForwardedRequest, handing: Handing, timeoutMs: Millis): void;
  /** Nobody waits for what was put to another any more. */
  drop(request: RequestId): void;
  reply(request: RequestId, result: ClientResult): void;
  answerPeer(to: NodeId, message: CoordinateReply, asked: Epoch): void;
  /** For the statistics, and for those who give way to callers. */
  taken(): void;
  turnedAway(kind: "get" | "put", result: ClientResult): void;
  forwarded(): void;
  abandoned(): void;
  /** Not told of failures: how long one took says who was silent, not how busy this node is. */
  served(tookMs: Millis): void;
  ended(call: EndedCall, result: ClientResult): void;
}

type Caller =
  | {
      readonly kind: "client";
      readonly request: RequestId;
      readonly what: ForwardedRequest;
      readonly startedAt: Millis;
      readonly deadline: Millis;
      retried: boolean;
    }
  | {
      readonly kind: "peer";
      readonly from: NodeId;
      readonly epoch: Epoch;
      readonly request: RequestId;
      readonly startedAt: Millis;
    };

export class Callers {
  readonly #in: Surroundings;
  readonly #do: CallersActions;
  readonly #isLight: boolean;
  readonly #callers = new Map<RequestId, Caller>();

  constructor(surroundings: Surroundings, actions: CallersActions, isLight = false) {
    this.#in = surroundings;
    this.#do = actions;
    this.#isLight = isLight;
  }

  get size(): number {
    return this.#callers.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#callers;
  }

  /** `prefer`: who answered the read before it. */
  onClient(
    request: RequestId,
    what: ForwardedRequest,
    prefer: NodeId | undefined,
    timeoutMs = this.#in.config.requestTimeoutMs,
  ): void {
    const refusal = !this.#do.isReady(what.key) ? "not-ready" : this.#isFull() ? "overloaded" : undefined;
    if (refusal !== undefined) {
      const result = failure(refusal);
      this.#do.turnedAway(what.kind, result);
      this.#do.reply(request, result);
      return;
    }
    this.#do.taken();
    const own = this.#in.nextRequest();
    const startedAt = this.#in.now;
    const deadline = startedAt + timeoutMs;
    this.#callers.set(own, { kind: "client", request, what, startedAt, deadline, retried: false });
    const countsHere = !this.#isLight && this.#do.mayCoordinate(what);
    if (countsHere && !this.#isElsewhere(what.key, prefer)) {
      this.#do.coordinate(own, what, timeoutMs);
      return;
    }
    this.#do.forwarded();
    this.#do.forward(own, what, { prefer, countsHere, hops: this.#isLight ? 0 : 1 }, timeoutMs);
  }

  /** A peer hands a request on. */
  onCoordinate(from: NodeId, message: CoordinateGet | CoordinatePut): void {
    this.#do.taken();
    const { request, hops } = message;
    const what = requestIn(message);
    const timeoutMs = Math.min(message.ttlMs, this.#in.config.requestTimeoutMs);
    const own = this.#in.nextRequest();
    const isFull = this.#isFull();
    const epoch = this.#in.epochOf(from);
    this.#callers.set(own, { kind: "peer", from, epoch, request, startedAt: this.#in.now });
    const list = this.#in.listOf(what.key);
    if (isFull) this.onAnswer(own, failure("overloaded"));
    else if (list === undefined || hops >= HOPS_MAX || this.#do.mayCoordinate(what))
      this.#do.coordinate(own, what, timeoutMs);
    else {
      this.#in.note({ what: "handed-on", key: what.key, from });
      this.#do.forward(own, what, { tried: [from], hops: hops + 1 }, timeoutMs);
    }
  }

  onAnswer(request: RequestId, result: ClientResult): void {
    const caller = this.#callers.get(request);
    if (caller === undefined) return;
    const { now } = this.#in;
    if (result.outcome !== "failed") this.#do.served(now - caller.startedAt);
    if (caller.kind === "peer") {
      this.#callers.delete(request);
      const ring = this.#in.ring?.digest ?? 0;
      const reply = { kind: "coordinate-reply", request: caller.request, ring, result } as const;
      this.#do.answerPeer(caller.from, reply, caller.epoch);
      return;
    }
    if (!this.#isLight && mayTryElsewhere(result) && !caller.retried && now < caller.deadline) {
      caller.retried = true;
      this.#do.forward(request, caller.what, { hops: 1 }, caller.deadline - now);
      return;
    }
    this.#do.ended({ kind: caller.what.kind, startedAt: caller.startedAt, deadline: caller.deadline }, result);
    this.#callers.delete(request);
    this.#do.reply(caller.request, result);
  }

  /** The caller does not wait any more. What is coordinated here goes on. */
  onAbandoned(request: RequestId): void {
    for (const [own, caller] of this.#callers) {
      if (caller.kind !== "client" || caller.request !== request) continue;
      this.#callers.delete(own);
      this.#do.drop(own);
      this.#do.abandoned();
    }
  }

  #isFull(): boolean {
    return this.#callers.size >= this.#in.config.requestsMax;
  }

  /** Whether another one is to coordinate who counts and can be reached. */
  #isElsewhere(key: Key, prefer: NodeId | undefined): boolean {
    if (prefer === undefined || prefer === this.#in.self) return false;
    return this.#in.listOf(key)?.counted.includes(prefer) === true && this.#in.reachable(prefer);
  }
}

function failure(code: "not-ready" | "overloaded"): ClientResult & { readonly outcome: "failed" } {
  return { outcome: "failed", failure: { code }, report: undefined };
}

/** Our own disk refused, or the key has moved, before anything was sent: somebody else may coordinate. */
function mayTryElsewhere(result: ClientResult): boolean {
  return result.outcome === "failed" && (result.failure.code === "storage" || result.failure.code === "not-ready");
}

function requestIn(message: CoordinateGet | CoordinatePut): ForwardedRequest {
  return message.kind === "coordinate-get"
    ? { kind: "get", key: message.key, r: message.r, pr: message.pr }
    : { kind: "put", key: message.key, write: message.write };
}
