/**
 * Gossip: how every node learns who belongs, who holds what, who claims which token and what buckets default to (paper, section 4.8). A round with
 * one random peer each second (or `gossipFanOut` of them: fewer rounds, more messages), and soon after each change. States of a round, in order:
 *
 *   digest      one number; a peer that sees the same stays silent, so that an idle cluster says next to nothing
 *   versions    the peer's versions of all entries           (1 of 3)
 *   news        what is newer here, and what is wanted        (2 of 3)
 *   news        what was wanted                               (3 of 3)
 *
 * Any message may be lost, doubled or late: merging is commutative and idempotent, and the next round starts from the digest again. A node that
 * has met nobody sends an empty list of versions and takes the whole view. What others say wrongly of this node itself is refuted by a higher
 * incarnation (`node.ts`).
 *
 * Limits: MEMBERS_MAX and BUCKETS_MAX entries; claims and buckets go as a whole where they differ, because they seldom do. One round a second and at most one burst of `EAGER_PEERS` rounds each `EAGER_MS` after changes.
 */

import { type BucketEntry, bucketsDigest, mergeBuckets } from "./buckets.ts";
import { parametersDifference } from "./config.ts";
import type { NodeId } from "./identifiers.ts";
import type { GossipDigest, GossipNews, GossipVersions } from "./message.ts";
import { type Claim, type Member, type View, memberOf, newer } from "./membership.ts";
import { claimsDigest } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";

/** Peers told at once of a change. */
const EAGER_PEERS = 3;
/** Changes within this time are told together. */
const EAGER_MS = 50;
/** The chance that a round goes to a seed, so that halves which grew apart meet again. */
const SEED_CHANCE = 0.1;

export interface GossipActions {
  /** Peers that can be reached now, seeds included. */
  peers(): readonly NodeId[];
  seeds(): readonly NodeId[];
  /** Takes in what came; the node decides what it means. */
  learn(news: {
    readonly view: View | undefined;
    readonly members: readonly Member[];
    readonly claims: readonly Claim[] | undefined;
    readonly buckets: readonly BucketEntry[];
  }): void;
}

export class Gossip {
  readonly #in: Surroundings;
  readonly #do: GossipActions;

  constructor(surroundings: Surroundings, actions: GossipActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  onTimer(): void {
    this.#in.timers.set("gossip", this.#in.now + this.#in.config.gossipMs);
    const seeds = this.#do.seeds();
    const peer =
      seeds.length > 0 && this.#in.random.chance(SEED_CHANCE)
        ? this.#in.random.pick(seeds)
        : this.#in.random.pick(this.#do.peers());
    if (peer !== undefined) this.greet(peer);
    if (this.#in.config.gossipFanOut === 1) return;
    const others = this.#do.peers().filter((other) => other !== peer);
    for (const other of this.#in.random.shuffled(others).slice(0, this.#in.config.gossipFanOut - 1)) this.greet(other);
  }

  /** The view changed here: tell a few peers soon. */
  onChange(): void {
    if (!this.#in.timers.has("gossip-soon")) this.#in.timers.set("gossip-soon", this.#in.now + EAGER_MS);
  }

  onSoonTimer(): void {
    for (const peer of this.#in.random.shuffled(this.#do.peers()).slice(0, EAGER_PEERS)) this.greet(peer);
  }

  /** Opens a round with a peer. */
  greet(peer: NodeId): void {
    this.#in.send(peer, { kind: "gossip-digest", ring: this.#in.ring?.digest }, "foreground");
  }

  onDigest(from: NodeId, message: GossipDigest): void {
    const { ring } = this.#in;
    if (ring?.digest === message.ring) return;
    this.#sendVersions(from);
  }

  onVersions(from: NodeId, message: GossipVersions): void {
    const { ring } = this.#in;
    if (ring === undefined) {
      if (message.claims !== undefined) this.#sendVersions(from);
      return;
    }
    const { view } = ring;
    const theirs = new Map(message.members.map((entry) => [entry.node, entry]));
    const news = view.members.filter((member) => {
      const known = theirs.get(member.node);
      return known === undefined || laterThan(member, known);
    });
    const wanted = message.members.flatMap((entry) => {
      const known = memberOf(view, entry.node);
      return known === undefined || laterThan(entry, known) ? [entry.node] : [];
    });
    const claimsDiffer = message.claims !== claimsDigest(view.claims);
    const bucketsDiffer = message.buckets !== bucketsDigest(view.buckets);
    if (news.length === 0 && wanted.length === 0 && !claimsDiffer && !bucketsDiffer) return;
    this.#send(from, {
      kind: "gossip-news",
      parameters: view.parameters,
      members: news,
      claims: claimsDiffer ? view.claims : undefined,
      buckets: bucketsDiffer ? view.buckets : undefined,
      wanted,
      wantsClaims: claimsDiffer && message.claims !== undefined,
      wantsBuckets: bucketsDiffer && message.buckets !== undefined,
    });
  }

  onNews(from: NodeId, message: GossipNews): void {
    const { members, claims, parameters } = message;
    const buckets = this.#wholeEntries(from, message.buckets ?? []);
    const whole = claims?.length === parameters.partitions;
    const own = this.#in.ring?.view;
    // Members of a cluster share its parameters from the founding; anything else is not ours to merge.
    const difference = parametersDifference(own?.parameters ?? this.#in.config.expects, parameters);
    if (difference !== undefined) {
      this.#in.note({ what: "parameters-differ", peer: from, difference });
      return;
    }
    this.#do.learn({
      view: whole ? { parameters, members: sorted(members), claims, buckets: mergeBuckets([], buckets) } : undefined,
      members,
      claims,
      buckets,
    });
    const view = this.#in.ring?.view;
    if (view === undefined || (message.wanted.length === 0 && !message.wantsClaims && !message.wantsBuckets)) return;
    this.#send(from, {
      kind: "gossip-news",
      parameters: view.parameters,
      members: message.wanted.flatMap((node) => memberOf(view, node) ?? []),
      claims: message.wantsClaims ? view.claims : undefined,
      buckets: message.wantsBuckets ? view.buckets : undefined,
      wanted: [],
      wantsClaims: false,
      wantsBuckets: false,
    });
  }

  /** A peer that reads version 1 alone does not know all of what newer builds have set: those tell it themselves. */
  #wholeEntries(from: NodeId, buckets: readonly BucketEntry[]): readonly BucketEntry[] {
    if (this.#in.reads(from, "recent-request")) return buckets;
    return buckets.filter(({ setBy }) => !this.#in.reads(setBy, "recent-request"));
  }

  #sendVersions(to: NodeId): void {
    const view = this.#in.ring?.view;
    const members = (view?.members ?? []).map(({ node, incarnation, version }) => ({ node, incarnation, version }));
    const claims = view === undefined ? undefined : claimsDigest(view.claims);
    const buckets = view === undefined ? undefined : bucketsDigest(view.buckets);
    this.#in.send(to, { kind: "gossip-versions", members, claims, buckets }, "foreground");
  }

  #send(to: NodeId, news: GossipNews): void {
    this.#in.send(to, news, "foreground");
  }
}

function laterThan(
  a: { readonly incarnation: number; readonly version: number },
  b: { readonly incarnation: number; readonly version: number },
): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);
}

/** One entry for each node, the newest, in the order of a view. */
function sorted(members: readonly Member[]): Member[] {
  const byNode = new Map<NodeId, Member>();
  for (const member of members) {
    const known = byNode.get(member.node);
    if (known === undefined || newer(member, known)) byNode.set(member.node, member);
  }
  return [...byNode.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}
