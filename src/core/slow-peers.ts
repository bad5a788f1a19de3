/**
 * Slow peers: who answers pings and leaves requests unanswered is worse than one that is down, because everybody waits for it (gray failure; DynamoDB,
 * ATC 2022, section 5.3). Pings cannot show it, the outcome of requests does. States of a peer, in order:
 *
 *   prompt   as far as this node knows
 *   slow     OVERDUE_SLOW of the last OUTCOMES requests were overdue: they were not answered within `slowReplyMs`, of which a coordinator gets three times as
 *            much. It is still asked, so that it loses nothing and can show that it is well, but a stand-in is asked at once beside it, and others
 *            coordinate before it does. Nobody calls it down, no data moves
 *   prompt   at most OVERDUE_PROMPT of the last OUTCOMES were overdue, or it was asked nothing for FORGIVEN_MS
 *
 * **Local health** (Lifeguard). An overdue request counts against a peer only when another peer has answered one in time since it was asked, or when no other
 * has been asked: where nobody answers the fault is probably here. The bound is stretched with the patience of the failure detector, and for a hidden tab.
 *
 * Limits: OUTSTANDING_MAX requests are watched for each peer, the others are not; one entry for each peer that was asked something.
 */

import type { Millis, NodeId, RequestId } from "./identifiers.ts";
import type { Message } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

export const OUTCOMES = 8;
export const OVERDUE_SLOW = 4;
export const OVERDUE_PROMPT = 1;
const FORGIVEN_MS = 10_000;
const OUTSTANDING_MAX = 32;
/** A coordinator waits for others itself. */
const COORDINATOR_SHARE = 3;

export interface SlowPeersActions {
  /** How many times longer than usual to wait for this peer; 1 or more. */
  patienceWith(peer: NodeId): number;
  /** A request to it is overdue. */
  overdue(peer: NodeId): void;
}

interface Peer {
  readonly node: NodeId;
  /** By request: when it was asked, and by when it should have been answered. In the order of asking. */
  readonly outstanding: Map<RequestId, { readonly askedAt: Millis; readonly until: Millis }>;
  /** The latest last; true: overdue. Those before the first that was overdue are left out: they make no difference. */
  outcomes: boolean[];
  outcomeAt: Millis;
  /** When a request was last answered in time. */
  answeredAt: Millis;
  slow: boolean;
}

export class SlowPeers {
  readonly #in: Surroundings;
  readonly #do: SlowPeersActions;
  readonly #peers = new Map<NodeId, Peer>();
  #dueAt: Millis = Number.POSITIVE_INFINITY;

  constructor(surroundings: Surroundings, actions: SlowPeersActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#peers;
  }

  slow(node: NodeId): boolean {
    const peer = this.#peers.get(node);
    return peer?.slow === true && !this.#isForgiven(peer);
  }

  /** A message was sent: if it is a request that a caller waits for, its answer is watched for. */
  onSent(to: NodeId, message: Message): void {
    const share = shareOf(message);
    if (share === undefined || !("request" in message)) return;
    const peer = this.#peer(to);
    if (peer.slow && this.#isForgiven(peer)) {
      peer.outcomes = [];
      this.#judge(peer);
    }
    if (peer.outstanding.size >= OUTSTANDING_MAX) return;
    const { now, config } = this.#in;
    const until = now + config.slowReplyMs * share * this.#do.patienceWith(to);
    peer.outstanding.set(message.request, { askedAt: now, until });
    this.#arm(until);
  }

  /** Something came that may be the answer to one of them. */
  onReceived(from: NodeId, message: Message): void {
    const peer = this.#peers.get(from);
    if (peer === undefined || !("request" in message) || !isReply(message)) return;
    // Overdue ones were counted and are not in it any more.
    if (!peer.outstanding.delete(message.request)) return;
    peer.answeredAt = this.#in.now;
    this.#count(peer, false);
  }

  /** What it was asked will not be answered, which says nothing new about it. */
  onPeerDown(node: NodeId): void {
    this.#peers.delete(node);
  }

  onTimer(): void {
    const { now } = this.#in;
    this.#dueAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values())
      for (const [request, { askedAt, until }] of [...peer.outstanding]) {
        if (until > now) {
          next = Math.min(next, until);
          continue;
        }
        peer.outstanding.delete(request);
        this.#do.overdue(peer.node);
        if (this.#isItsFault(peer, askedAt)) this.#count(peer, true);
      }
    this.#arm(next);
  }

  /** Wakes at the first bound that passes. */
  #arm(at: Millis): void {
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#in.timers.set("slow-peers", at);
  }

  #isForgiven({ outcomeAt }: Peer): boolean {
    return this.#in.now - outcomeAt >= FORGIVEN_MS;
  }

  #isItsFault(peer: Peer, askedAt: Millis): boolean {
    const others = [...this.#peers.values()].filter((other) => other !== peer);
    return others.length === 0 || others.some((other) => other.answeredAt >= askedAt);
  }

  #count(peer: Peer, overdue: boolean): void {
    const latest = [...peer.outcomes, overdue].slice(-OUTCOMES);
    peer.outcomes = latest.slice(latest.indexOf(true) < 0 ? OUTCOMES : latest.indexOf(true));
    peer.outcomeAt = this.#in.now;
    this.#judge(peer);
  }

  #judge(peer: Peer): void {
    const overdue = peer.outcomes.filter((each) => each).length;
    const slow = peer.slow ? overdue > OVERDUE_PROMPT : overdue >= OVERDUE_SLOW;
    if (slow === peer.slow) return;
    peer.slow = slow;
    this.#in.note({ what: slow ? "peer-slow" : "peer-prompt", peer: peer.node });
  }

  #peer(node: NodeId): Peer {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      peer = { node, outstanding: new Map(), outcomes: [], outcomeAt: never, answeredAt: never, slow: false };
      this.#peers.set(node, peer);
    }
    return peer;
  }
}

/** How many times `slowReplyMs` it may take; undefined when nobody waits for it. */
function shareOf(message: Message): number | undefined {
  switch (message.kind) {
    case "replica-get":
      return 1;
    case "replica-put":
      return message.purpose === "write" ? 1 : undefined;
    case "coordinate-get":
    case "coordinate-put":
      return COORDINATOR_SHARE;
    default:
      return undefined;
  }
}

function isReply({ kind }: Message): boolean {
  return kind === "replica-get-reply" || kind === "replica-put-reply" || kind === "coordinate-reply";
}
