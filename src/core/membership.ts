/**
 * Who belongs to the cluster and who claims which token: the gossiped view. A join-semilattice: merging views is commutative, associative and
 * idempotent, so that any order of gossip ends in the same view (paper, section 4.8; TRAPS T19 to T21).
 *
 * A member's entry is written by that member alone; the higher (incarnation, version) wins. One thing others may write of it: that it was removed. That
 * is final, like its own word that it has left; such entries stay in the view, the last DEPARTED_MAX of them, as the history of the cluster. A token's claim
 * is a versioned entry of its own; the higher (version, node id) wins; so it is with a bucket's entry (`buckets.ts`). Unreachable is not departed: nothing
 * here changes because somebody does not answer (section 4.8.1).
 */

import { hash52 } from "../base/hash52.ts";
import { type BucketEntry, mergeBuckets } from "./buckets.ts";
import type { ClusterParameters } from "./config.ts";
import { DEPARTED_MAX, type Millis, type NodeId, type Partition } from "./identifiers.ts";

/**
 * A member that goes, or is gone. "leaving": it owns nothing any more and counts for what it still holds, until others have that. "left" and "removed" are
 * for good: whoever had this id comes back only as a new node, without its data.
 */
export interface Departure {
  readonly standing: "leaving" | "left" | "removed";
  /** Who decided it: the node itself, or the one at which an operator removed it. */
  readonly by: NodeId;
  /**
   * Milliseconds since 1970 by the decider's wall clock: when it was decided or, of one that has left, when it was done. What it kept of the past was
   * there until then.
   */
  readonly at: Millis;
}

export interface Member {
  readonly node: NodeId;
  /** Counted up, durably, at each start of the node and whenever it refutes what others say of it. From 1. */
  readonly incarnation: number;
  /** Counted up at each change within an incarnation. From 1. */
  readonly version: number;
  /** Share of the tokens; 0 for a seed without data. 0 to 1,000. */
  readonly capacity: number;
  /** Failure domain: 1 to 64 characters. */
  readonly zone: string;
  /** One bit per partition, lowest bit of byte 0 first: which ones this node holds completely. */
  readonly holders: Uint8Array;
  /** Placements 1 and 2: the node's tokens, ascending; drawn by the node at its first join and never changed. Empty in placement 3. See `placement.ts`. */
  readonly tokens: readonly number[];
  /** Protocol versions that the node reads. */
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** The node's tab is in the background and may be slow. */
  readonly hidden: boolean;
  /** Not there while the node means to stay. */
  readonly departure?: Departure;
}

/** Incarnations of entries that say that a node is gone: above all that a node ever reaches, so that nothing brings it back. Removed beats left. */
const LEFT_INCARNATION = 2 ** 50;
const REMOVED_INCARNATION = 2 ** 51;

/** Placement 3: who owns the token at the start of a partition, and how often that was decided. */
export interface Claim {
  readonly owner: NodeId;
  readonly version: number;
}

export interface View {
  readonly parameters: ClusterParameters;
  /** Sorted by node id. */
  readonly members: readonly Member[];
  /** One claim for each partition; in placements 1 and 2 nobody's, see `unclaimed`. */
  readonly claims: readonly Claim[];
  /** Sorted by name. */
  readonly buckets: readonly BucketEntry[];
}

/** The owner of a claim that nobody made. No node has this id. */
export const NOBODY = "0".repeat(32) as NodeId;

/** The claims of placements 1 and 2, where tokens are the members' own. */
export function unclaimed(partitions: number): Claim[] {
  return new Array<Claim>(partitions).fill({ owner: NOBODY, version: 0 });
}

export function newer(a: Member, b: Member): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);
}

export function claimWins(a: Claim, b: Claim): boolean {
  return a.version > b.version || (a.version === b.version && a.owner > b.owner);
}

export function memberOf(view: View, node: NodeId): Member | undefined {
  let low = 0;
  let high = view.members.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const member = view.members[middle]!;
    if (member.node === node) return member;
    if (member.node < node) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** Belongs to the cluster, and means to. */
export function stays(member: Member): boolean {
  return member.departure === undefined;
}

/** Has left or was removed. */
export function isGone({ departure }: Member): boolean {
  return departure !== undefined && departure.standing !== "leaving";
}

/** The entry of one who is gone. Whatever was said of it, this is newer; of two removals the later. */
export function goneEntry(member: Member, standing: "left" | "removed", by: NodeId, at: Millis): Member {
  return {
    ...member,
    incarnation: standing === "left" ? LEFT_INCARNATION : REMOVED_INCARNATION,
    version: Math.max(1, at),
    holders: new Uint8Array(member.holders.length),
    tokens: [],
    departure: { standing, by, at },
  };
}

/** Those who belong, going or not. */
export function belonging({ members }: View): readonly Member[] {
  return members.filter((member) => !isGone(member));
}

/** Equal for views in which the same nodes belong, and, but for chance (2^-52), only for them. */
export function membersDigest(view: View): number {
  return hash52(
    belonging(view)
      .map((member) => member.node)
      .join(),
  );
}

export function holds(member: Member, partition: Partition): boolean {
  return ((member.holders[partition >> 3] ?? 0) & (1 << (partition & 7))) !== 0;
}

export function noHolders(partitions: number): Uint8Array {
  return new Uint8Array(Math.max(1, partitions >> 3));
}

export function allHolders(partitions: number): Uint8Array {
  const holders = noHolders(partitions);
  for (let p = 0; p < partitions; p++) holders[p >> 3]! |= 1 << (p & 7);
  return holders;
}

/** A copy of `holders` with one bit changed. */
export function withHolder(holders: Uint8Array, partition: Partition, held: boolean): Uint8Array {
  const copy = holders.slice();
  if (held) copy[partition >> 3]! |= 1 << (partition & 7);
  else copy[partition >> 3]! &= ~(1 << (partition & 7));
  return copy;
}

/** What of `members`, `claims` and `buckets` is news to `view`, merged in. The very same view when nothing is. */
export function mergeView(
  view: View,
  members: readonly Member[],
  claims: readonly Claim[] | undefined,
  buckets: readonly BucketEntry[] = [],
): View {
  let changed = false;
  const merged = new Map(view.members.map((member) => [member.node, member]));
  for (const member of members) {
    const known = merged.get(member.node);
    if (known !== undefined && !newer(member, known)) continue;
    merged.set(member.node, member);
    changed = true;
  }
  let mergedClaims = view.claims;
  if (claims?.length === view.claims.length) {
    claims.forEach((claim, partition) => {
      if (!claimWins(claim, mergedClaims[partition]!)) return;
      if (mergedClaims === view.claims) mergedClaims = view.claims.slice();
      (mergedClaims as Claim[])[partition] = claim;
      changed = true;
    });
  }
  const mergedBuckets = mergeBuckets(view.buckets, buckets);
  if (!changed && mergedBuckets === view.buckets) return view;
  return {
    parameters: view.parameters,
    members: withoutLongGone([...merged.values()]).sort((a, b) => (a.node < b.node ? -1 : 1)),
    claims: mergedClaims,
    buckets: mergedBuckets,
  };
}

/** Only the latest departures are remembered: the same ones by whatever way they came. */
function withoutLongGone(members: Member[]): Member[] {
  const gone = members.filter(isGone);
  if (gone.length <= DEPARTED_MAX) return members;
  gone.sort((a, b) => b.version - a.version || (a.node < b.node ? -1 : 1));
  const forgotten = new Set(gone.slice(DEPARTED_MAX));
  return members.filter((member) => !forgotten.has(member));
}
