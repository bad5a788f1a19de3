/**
 * What an operator may change of who belongs, and what speaks against it (paper, section 4.8.1: membership changes by an explicit act). A pure function of the
 * view, so that a preview and the change itself say the same.
 *
 * A removal is the loss of a disk, whether that disk is lost or not: until the removed node comes back and gives what it has, nobody counts on it. So a
 * change is refused when it would leave a partition with fewer holders than the acknowledged writes need to survive; `force` is for disks that are lost for good.
 */

import type { NodeId, RingDigest } from "./identifiers.ts";
import { type TokenSwap, areSwaps } from "./load-plan.ts";
import { type Member, holds, isGone, memberOf, stays } from "./membership.ts";
import { type Ring, placementDigest } from "./ring.ts";

export type MembershipChange = {
  /** `placementDigest` of the view for which the change was planned; undefined: whatever is the view. */
  readonly planned: RingDigest | undefined;
} & (
  | { readonly kind: "leave" }
  | /** These tokens change owners, for the sake of load; see `load-plan.ts`. */ {
      readonly kind: "move";
      readonly swaps: readonly TokenSwap[];
    }
  | {
      readonly kind: "remove";
      readonly node: NodeId;
      /** Though it answers, or though copies go that nobody else has: these are given up. */
      readonly force: boolean;
    }
);

export type ChangeRefusal =
  | { readonly code: "not-ready" }
  | { readonly code: "unknown-node"; readonly node: NodeId }
  | { readonly code: "already-departed"; readonly node: NodeId }
  | /** Placements 1 and 2: nobody can give them away. */ { readonly code: "drawn-tokens" }
  | /** Others are to take over, and there is nobody. */ { readonly code: "last-member" }
  | /** Of these many partitions too few others have a copy: `holders` of the one worst off, where `needed` are. */ {
      readonly code: "too-few-copies";
      readonly partitions: number;
      readonly holders: number;
      readonly needed: number;
    }
  | /** A node that answers can leave by itself, and lose nothing. */ {
      readonly code: "still-reachable";
      readonly node: NodeId;
    }
  | /** The ring is not the one for which the change was planned. */ { readonly code: "outdated" };

/** What speaks against the change; undefined: nothing. */
export function changeRefusal(
  ring: Ring,
  self: NodeId,
  change: MembershipChange,
  reachable: (node: NodeId) => boolean,
): ChangeRefusal | undefined {
  if (change.kind === "move") return moveRefusal(ring, change.swaps, change.planned);
  const node = change.kind === "leave" ? self : change.node;
  const member = memberOf(ring.view, node);
  if (member === undefined) return { code: "unknown-node", node };
  if (isGone(member) || (change.kind === "leave" && !stays(member))) return { code: "already-departed", node };
  if (change.planned !== undefined && change.planned !== placementDigest(ring.view)) return { code: "outdated" };
  const takers = ring.view.members.filter((other) => other !== member && stays(other) && other.capacity > 0);
  if (takers.length === 0) return { code: "last-member" };
  // Who leaves gives what it has before it goes.
  if (change.kind === "leave" || change.force) return undefined;
  if (node === self || reachable(node)) return { code: "still-reachable", node };
  return copiesRefusal(ring, member);
}

/** A plan for tokens is one for the claims that it was made for, or it could give tokens of anybody to anybody. */
function moveRefusal(
  { view }: Ring,
  swaps: readonly TokenSwap[],
  planned: RingDigest | undefined,
): ChangeRefusal | undefined {
  if (view.parameters.placement !== 3) return { code: "drawn-tokens" };
  return planned === placementDigest(view) && areSwaps(view.claims, swaps) ? undefined : { code: "outdated" };
}

/** Without this node's copy, what acknowledged writes need to survive must still be there: W copies, or, in a cluster that is smaller, one with each of the others. */
function copiesRefusal(ring: Ring, leaver: Member): ChangeRefusal | undefined {
  const { parameters, claims } = ring.view;
  const others = ring.view.members.filter((member) => member !== leaver && !isGone(member));
  const takers = others.filter((member) => stays(member) && member.capacity > 0).length;
  const needed = Math.min(parameters.w, takers);
  let partitions = 0;
  let fewest = Infinity;
  for (let partition = 0; partition < claims.length; partition++) {
    if (!holds(leaver, partition)) continue;
    const holders = others.filter((member) => holds(member, partition)).length;
    if (holders >= needed) continue;
    partitions++;
    fewest = Math.min(fewest, holders);
  }
  return partitions === 0 ? undefined : { code: "too-few-copies", partitions, holders: fewest, needed };
}
