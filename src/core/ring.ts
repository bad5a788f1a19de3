/**
 * The ring: from the gossiped view to the preference list of each partition (paper, sections 4.2, 4.3 and 6.2). A pure function of the view, so
 * that nodes which agree on the view agree on every list.
 *
 * The walk goes clockwise over the tokens and skips nodes that it has met; where it begins is the placement's business (`placement.ts`). The first
 * N of it are the owners, those in a new zone first. Whoever holds the partition counts, owner or not: an owner that does not hold it yet is written
 * to but not counted, and a former owner counts until it has let go. So a join never makes a quorum of nodes that have not got the data, and who
 * counts does not depend on tokens.
 */

import type { NodeId, Partition, RingDigest } from "./identifiers.ts";
import { crc32 } from "../base/crc32.ts";
import { utf8Encode } from "../base/bytes.ts";
import { bucketsDigest } from "./buckets.ts";
import { type Claim, type Member, type View, holds, stays } from "./membership.ts";
import { type Placement, placementOf } from "./placement.ts";

/** Who is asked for the keys of a partition. All lists are in the order of the walk; no node is in two of counted, joining and fallbacks. */
export interface PreferenceList {
  /** The first N nodes: where the partition belongs. */
  readonly owners: readonly NodeId[];
  /** Whose replies make a quorum: all who hold the partition, owners first. More than N while some are coming or going: see `quorumOf`. */
  readonly counted: readonly NodeId[];
  /** Owners that do not hold the partition yet: written to, not counted, not asked. */
  readonly joining: readonly NodeId[];
  /** Who stands in, in this order, when one of the counted is down. */
  readonly fallbacks: readonly NodeId[];
}

export class Ring {
  readonly view: View;
  readonly digest: RingDigest;
  /** From the view alone. */
  readonly placement: Placement;
  readonly #members: ReadonlyMap<NodeId, Member>;
  readonly #lists: (PreferenceList | undefined)[];

  /** `before`: the ring that this one follows; lists that cannot differ are taken over. */
  constructor(view: View, before?: Ring) {
    this.view = view;
    this.digest = digestOf(view);
    this.#members = new Map(view.members.map((member) => [member.node, member]));
    const same = before !== undefined && sameTokens(before.view, view);
    this.placement = same ? before.placement : placementOf(view);
    this.#lists = same ? this.#taken(before) : new Array<undefined>(view.claims.length);
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
    if (before.#members.size !== members.length) return new Array<undefined>(claims.length);
    const lists = before.#lists.slice();
    for (const member of members) {
      const old = before.#members.get(member.node);
      if (old === member) continue;
      if (old?.zone !== member.zone || old.capacity > 0 !== member.capacity > 0 || stays(old) !== stays(member))
        return new Array<undefined>(claims.length);
      for (let p = 0; p < claims.length; p++) if (holds(old, p) !== holds(member, p)) lists[p] = undefined;
    }
    return lists;
  }

  #holds(node: NodeId, partition: Partition): boolean {
    const member = this.#members.get(node);
    return member !== undefined && holds(member, partition);
  }

  #list(partition: Partition): PreferenceList {
    const met = this.placement.walk(partition);
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
      if (this.#holds(node, partition)) present.push(node);
    // Nobody claims to hold it: better the owners than nobody.
    const counted = present.length > 0 ? present : owners;
    const joining = owners.filter((node) => !counted.includes(node));
    // Newcomers without a token yet, because those who have too many are down, can stand in as well; a node without capacity never does.
    const willing = tokenless.filter((member) => member.capacity > 0 && stays(member)).map((member) => member.node);
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

/**
 * 32 bits over all that says who is responsible for what. In placement 3 that is the claims; in 1 and 2 the tokens in the members' entries, and which
 * entries are here at all.
 */
export function placementDigest(view: View): number {
  const claims = claimsDigest(view.claims);
  const going = view.members.filter((member) => !stays(member)).map((member) => member.node);
  if (view.parameters.placement === 3)
    return going.length === 0 ? claims : crc32(utf8Encode(JSON.stringify([claims, going])));
  const tokens = view.members.map(({ node, capacity, zone, tokens }) => [node, capacity > 0, zone, tokens]);
  return crc32(utf8Encode(JSON.stringify([claims, tokens, going])));
}

/** How many tokens of each member count; members without any are in it with 0. */
export function tokenCounts(view: View): Map<NodeId, number> {
  const counts = new Map<NodeId, number>(view.members.map((member) => [member.node, 0]));
  for (const [node, tokens] of placementOf(view).tokens) counts.set(node, tokens);
  return counts;
}

/** Whether the tokens of two views of one cluster lie alike and belong to the same. */
function sameTokens(a: View, b: View): boolean {
  if (a.claims !== b.claims) return false;
  if (a.members === b.members) return true;
  if (b.parameters.placement === 3) {
    const going = ({ members }: View) => members.filter((member) => !stays(member)).map((member) => member.node);
    return going(a).join() === going(b).join();
  }
  return (
    a.members.length === b.members.length &&
    b.members.every((member, i) => {
      const other = a.members[i]!;
      if (other === member) return true;
      return (
        other.node === member.node &&
        other.capacity > 0 === member.capacity > 0 &&
        stays(other) === stays(member) &&
        (other.tokens === member.tokens || other.tokens.join() === member.tokens.join())
      );
    })
  );
}
