/**
 * The ring: from the gossiped view to the preference list of each partition (paper, sections 4.2, 4.3 and 6.2, placement 3). A pure function of
 * the view, so that nodes which agree on the view agree on every list.
 *
 * The walk goes clockwise over the tokens from the partition's own and skips nodes that it has met. The first N of it are the owners, those in
 * a new zone first. An owner that does not hold the partition completely yet is written to but not counted; the walk goes on to a node that does
 * hold it, which counts in its place. So a join never makes a quorum of nodes that have not got the data.
 */

import type { NodeId, Partition, RingDigest } from "./identifiers.ts";
import { crc32 } from "../base/crc32.ts";
import { utf8Encode } from "../base/bytes.ts";
import { bucketsDigest } from "./buckets.ts";
import { type Claim, type Member, type View, holds } from "./membership.ts";

/** Who is asked for the keys of a partition. All lists are in the order of the walk; no node is in two of counted, joining and fallbacks. */
export interface PreferenceList {
  /** The first N nodes: where the partition belongs. */
  readonly owners: readonly NodeId[];
  /** Whose replies make a quorum: owners that hold the partition, then present holders in place of those that do not yet. */
  readonly counted: readonly NodeId[];
  /** Owners that do not hold the partition yet: written to, not counted, not asked. */
  readonly joining: readonly NodeId[];
  /** Who stands in, in this order, when one of the counted is down. */
  readonly fallbacks: readonly NodeId[];
}

export class Ring {
  readonly view: View;
  readonly digest: RingDigest;
  readonly #members: ReadonlyMap<NodeId, Member>;
  readonly #lists: (PreferenceList | undefined)[];
  /** How many nodes claim tokens: where the walk can end. */
  readonly #claimants: number;

  /** `before`: the ring that this one follows; lists that cannot differ are taken over. */
  constructor(view: View, before?: Ring) {
    this.view = view;
    this.digest = digestOf(view);
    this.#members = new Map(view.members.map((member) => [member.node, member]));
    this.#claimants =
      before?.view.claims === view.claims ? before.#claimants : new Set(view.claims.map((claim) => claim.owner)).size;
    this.#lists = before === undefined ? new Array<undefined>(view.claims.length) : this.#taken(before);
  }

  preferenceList(partition: Partition): PreferenceList {
    return (this.#lists[partition] ??= this.#list(partition));
  }

  /** True when the node is one of the partition's first N. */
  owns(node: NodeId, partition: Partition): boolean {
    return this.preferenceList(partition).owners.includes(node);
  }

  #taken(before: Ring): (PreferenceList | undefined)[] {
    const { claims, members } = this.view;
    if (before.view.claims !== claims || before.#members.size !== members.length)
      return new Array<undefined>(claims.length);
    const lists = before.#lists.slice();
    for (const member of members) {
      const old = before.#members.get(member.node);
      if (old === member) continue;
      if (old?.zone !== member.zone || old.capacity > 0 !== member.capacity > 0)
        return new Array<undefined>(claims.length);
      for (let p = 0; p < claims.length; p++) if (holds(old, p) !== holds(member, p)) lists[p] = undefined;
    }
    return lists;
  }

  #holds(node: NodeId, partition: Partition): boolean {
    const member = this.#members.get(node);
    return member !== undefined && holds(member, partition);
  }

  /** All nodes met on the walk from a partition's token, each once. One that claims a token before its entry came here is met like any other. */
  #walk(partition: Partition): NodeId[] {
    const { claims } = this.view;
    const met = new Set<NodeId>();
    for (let step = 0; met.size < this.#claimants; step++) met.add(claims[(partition + step) % claims.length]!.owner);
    return [...met];
  }

  #list(partition: Partition): PreferenceList {
    const met = this.#walk(partition);
    const n = Math.min(this.view.parameters.n, met.length);
    const owners: NodeId[] = [];
    const zones = new Set<string>();
    for (const node of met) {
      // Until its entry comes a claimant is taken for a zone of its own.
      const zone = this.#members.get(node)?.zone ?? node;
      if (owners.length >= n || zones.has(zone)) continue;
      zones.add(zone);
      owners.push(node);
    }
    for (const node of met) if (owners.length < n && !owners.includes(node)) owners.push(node);

    const others = met.filter((node) => !owners.includes(node));
    const tokenless = this.view.members.filter((member) => !met.includes(member.node));
    const present = owners.filter((node) => this.#holds(node, partition));
    for (const node of [...others, ...tokenless.map((member) => member.node)])
      if (present.length < n && this.#holds(node, partition)) present.push(node);
    // Nobody claims to hold it: better the owners than nobody.
    const counted = present.length > 0 ? present : owners;
    const joining = owners.filter((node) => !counted.includes(node));
    // Newcomers without a token yet, because those who have too many are down, can stand in as well; a node without capacity never does.
    const willing = tokenless.filter((member) => member.capacity > 0).map((member) => member.node);
    const fallbacks = [...others, ...willing].filter((node) => !counted.includes(node));
    return { owners, counted, joining, fallbacks };
  }
}

const memberDigests = new WeakMap<Member, number>();
const claimsDigests = new WeakMap<readonly Claim[], number>();

function memberDigest(member: Member): number {
  let digest = memberDigests.get(member);
  if (digest === undefined) {
    digest = crc32(utf8Encode(`${member.node} ${member.incarnation} ${member.version}`));
    memberDigests.set(member, digest);
  }
  return digest;
}

/** 32 bits over all claims. */
export function claimsDigest(claims: readonly Claim[]): number {
  let digest = claimsDigests.get(claims);
  if (digest === undefined) {
    digest = crc32(utf8Encode(claims.map((claim) => `${claim.owner} ${claim.version}`).join("\n")));
    claimsDigests.set(claims, digest);
  }
  return digest;
}

/** 32 bits over all bucket entries and the versions of all members and claims: equal views have equal digests. */
export function digestOf(view: View): RingDigest {
  let sum = (claimsDigest(view.claims) ^ bucketsDigest(view.buckets)) >>> 0;
  for (const member of view.members) sum = (Math.imul(sum, 0x01000193) + memberDigest(member)) >>> 0;
  return sum;
}

/** How many tokens each member claims; members without any are in it with 0. */
export function tokenCounts(view: View): Map<NodeId, number> {
  const counts = new Map<NodeId, number>(view.members.map((member) => [member.node, 0]));
  for (const { owner } of view.claims) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}
