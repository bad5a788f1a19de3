/**
 * How much one peer may ask of this node: a token bucket for what its callers ask, and another for its background work, refilled here by the clock, so
 * that nobody has to be asked and a restart starts full (DynamoDB, ATC 2022, sections 4.1 to 4.3: partition and node buckets with burst, global
 * admission control by tokens held locally). What comes when a bucket is empty is refused at once and not queued: the peer's callers wait for nothing,
 * and one runaway tab does not take this node from the others. States of a bucket: full -> drawn on -> empty -> refilling -> full.
 *
 *   requests     a caller's request that the peer wants coordinated here. Answered "overloaded"; the peer tries the next node, and coordinates itself
 *                when all refuse, so that the work goes back to where it comes from and no write is turned away
 *   background   repaired, handed-over and hinted records, pages of a transfer or an archive, questions about statistics. All are tried again by whoever sent them
 *
 *   views        what light clients ask about the membership: a bucket for each, and one for all of them together, so that many who find their view
 *               stale at the same moment cost a member no more than so much a second (ATC 2022, section 4.4: the cost of a router's cache must not
 *               depend on how it is hit). Answered "busy"; the light client asks somebody else, later
 *
 * **What is never limited**, and why. Reads and writes of a replica for a request that has a coordinator: it was admitted there, and to refuse one part
 * of it makes more work than it saves, a hint and its delivery for a write, another node asked for a read; and a put that needs this node for its
 * W must not fail for the sake of a limit, least of all of one that background work has used up. Pings, probes, gossip and releases: membership and the
 * opinion who is alive rest on them, and silence would be taken for death. Answers: they were asked for.
 *
 * The defaults are several times what a tab was ever seen to do: who behaves meets no limit. Limits: three buckets for each of PEERS_MAX peers.
 */

import { unreachable } from "../base/assert.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { MEMBERS_MAX, type NodeId } from "./identifiers.ts";
import type { Message } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

/** The buckets of one that has asked nothing for longest go first; it may be full again. */
const PEERS_MAX = MEMBERS_MAX;

export type LimitedWork = "requests" | "background" | "views";

/** Which bucket a message draws on; undefined when it is never limited. */
export function limitedWork(message: Message): LimitedWork | undefined {
  switch (message.kind) {
    case "coordinate-get":
    case "coordinate-put":
      return "requests";
    case "replica-put":
      return message.purpose === "write" ? undefined : "background";
    case "transfer-request":
    case "archive-request":
    case "statistics-request":
    case "sizes-request":
      return "background";
    case "view-request":
      return "views";
    default:
      return undefined;
  }
}

export class PeerLimits {
  readonly #in: Surroundings;
  /** Least recently heard first. */
  readonly #peers = new Map<NodeId, Partial<Record<LimitedWork, TokenBucket>>>();
  /** Of all light clients together; undefined before the first asks. */
  #views: TokenBucket | undefined;

  constructor(surroundings: Surroundings) {
    this.#in = surroundings;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    const peers = [...this.#peers].map(([peer, { requests, background, views }]) => ({
      peer,
      requests: requests?.memory,
      background: background?.memory,
      views: views?.memory,
    }));
    return { peers, views: this.#views?.memory };
  }

  /** False when the peer has asked for too much: to be refused. */
  admits(peer: NodeId, message: Message): boolean {
    const work = limitedWork(message);
    if (work === undefined) return true;
    const { perSecond, burst } = this.#limitOf(work);
    if (perSecond === Number.POSITIVE_INFINITY) return true;
    const buckets = this.#peers.get(peer) ?? {};
    this.#peers.delete(peer);
    this.#peers.set(peer, buckets);
    const [longestSilent] = this.#peers.keys();
    if (this.#peers.size > PEERS_MAX && longestSilent !== undefined) this.#peers.delete(longestSilent);
    const bucket = (buckets[work] ??= new TokenBucket(perSecond, burst, this.#in.now));
    if (bucket.tryTake(1, this.#in.now) && (work !== "views" || this.#takesView())) return true;
    this.#in.note({ what: "peer-limited", peer, message: message.kind });
    return false;
  }

  #takesView(): boolean {
    const { config, now } = this.#in;
    this.#views ??= new TokenBucket(config.viewsPerSecond, config.viewsBurst, now);
    return this.#views.tryTake(1, now);
  }

  #limitOf(work: LimitedWork): { readonly perSecond: number; readonly burst: number } {
    const { config } = this.#in;
    switch (work) {
      case "requests":
        return { perSecond: config.peerRequestsPerSecond, burst: config.peerRequestsBurst };
      case "background":
        return { perSecond: config.peerBackgroundPerSecond, burst: config.peerBackgroundBurst };
      case "views":
        return { perSecond: config.peerViewsPerSecond, burst: config.peerViewsBurst };
      default:
        return unreachable(work);
    }
  }
}
