/**
 * Signals that go through members, for when the server is gone or does not know the peer: sends ours out, takes in those for us, and passes on
 * those of others: to the target if it is a neighbour, else once further to other neighbours.
 *
 * Limits: two members on the way; 16 neighbours asked at a time; each neighbour may have 50 signals a second passed on after a burst of 200;
 * the last 4,096 signals seen are remembered, so that copies end here.
 */

import { TokenBucket } from "../base/token-bucket.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import { encodeRoute, HOPS_MAX, ROUTE_PAYLOAD_BYTES_MAX, type Route, type Session } from "../wire/link-payload.ts";

const NEIGHBOURS_MAX = 16;
const PASSED_PER_SECOND = 50;
const PASSED_BURST = 200;
const SEEN_MAX = 4_096;

export interface MemberSignalingOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: (count: number) => Uint8Array;
  /** Members with a link that is up. */
  neighbours(): NodeId[];
  /** Puts a message on the link of a neighbour. */
  send(neighbour: NodeId, message: Uint8Array): void;
  /** A signal for this node; `via`: the neighbour that brought it. */
  arrived(route: Route, via: NodeId): void;
}

export class MemberSignaling {
  readonly #options: MemberSignalingOptions;
  readonly #buckets = new Map<NodeId, TokenBucket>();
  readonly #seen = new Set<string>();
  /** Signals of others that were passed on, and that were not because their bringer had too many. */
  passedOn = 0;
  dropped = 0;

  constructor(options: MemberSignalingOptions) {
    this.#options = options;
  }

  /** By `via` alone if that is a neighbour still, else by several. */
  send(to: NodeId, session: Session, sequence: number, payload: string, via: NodeId | undefined): void {
    if (payload.length > ROUTE_PAYLOAD_BYTES_MAX) return;
    const route: Route = { to, from: this.#options.self, session, sequence, hops: HOPS_MAX, payload };
    const neighbours = this.#options.neighbours();
    const targets = via !== undefined && neighbours.includes(via) ? [via] : this.#some(neighbours);
    for (const target of targets) this.#options.send(target, encodeRoute(route));
  }

  /** A route came from a neighbour. */
  receive(route: Route, via: NodeId): void {
    const { self } = this.#options;
    if (route.from === self || !this.#isNew(route)) return;
    if (route.to === self) return this.#options.arrived(route, via);
    if (!this.#bucketOf(via).tryTake(1, this.#options.clock.now())) {
      this.dropped++;
      return;
    }
    const neighbours = this.#options.neighbours().filter((node) => node !== via && node !== route.from);
    const targets = neighbours.includes(route.to) ? [route.to] : route.hops > 1 ? this.#some(neighbours) : [];
    for (const target of targets) this.#options.send(target, encodeRoute({ ...route, hops: route.hops - 1 }));
    if (targets.length > 0) this.passedOn++;
  }

  /** The link to this neighbour is gone. */
  forget(neighbour: NodeId): void {
    this.#buckets.delete(neighbour);
  }

  /** A random few, so that another try asks others. */
  #some(neighbours: readonly NodeId[]): NodeId[] {
    const rest = [...neighbours];
    const chosen: NodeId[] = [];
    for (const chance of this.#options.random(Math.min(NEIGHBOURS_MAX, rest.length)))
      chosen.push(...rest.splice(chance % rest.length, 1));
    return chosen;
  }

  #isNew(route: Route): boolean {
    const name = `${route.from} ${route.session} ${route.sequence}`;
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    if (this.#seen.size > SEEN_MAX) for (const oldest of this.#seen) return this.#seen.delete(oldest);
    return true;
  }

  #bucketOf(neighbour: NodeId): TokenBucket {
    let bucket = this.#buckets.get(neighbour);
    if (bucket === undefined) {
      bucket = new TokenBucket(PASSED_PER_SECOND, PASSED_BURST, this.#options.clock.now());
      this.#buckets.set(neighbour, bucket);
    }
    return bucket;
  }
}
