/**
 * What a membership change would do, before it is made (paper, sections 4.9 and 6.2): whose each partition would be, and what has to be copied to whom. Pure:
 * a view and a change in, a plan out; the change itself is made of the same functions, so that a plan that is committed before anything else changes does what
 * it says. `token-claims.ts` has the deals.
 */

import type { NodeId, Partition, RingDigest } from "./identifiers.ts";
import { type Member, type View, memberOf, mergeView, noHolders, stays } from "./membership.ts";
import { type TokenSwap, claimsAfterSwaps } from "./load-plan.ts";
import { drawTokens } from "./placement.ts";
import type { Prng } from "../base/prng.ts";
import { Ring, placementDigest, tokenCounts } from "./ring.ts";
import { claimsAfterDepartures, claimsAfterJoin } from "./token-claims.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION } from "./versions.ts";

export type PlannedChange =
  | { readonly kind: "leave" | "remove"; readonly node: NodeId }
  | { readonly kind: "move"; readonly swaps: readonly TokenSwap[] }
  | { readonly kind: "join"; readonly capacity: number; readonly zone: string };

/** A copy of a partition that somebody will have to make. */
export interface PlannedMove {
  readonly partition: Partition;
  readonly to: NodeId;
}

export interface Plan {
  /** `placementDigest` of the view: a change is refused when it is another by then. */
  readonly planned: RingDigest;
  /** By partition, then node. */
  readonly moves: readonly PlannedMove[];
  /** By node: tokens before and after. */
  readonly tokens: readonly { readonly node: NodeId; readonly before: number; readonly after: number }[];
}

/** A newcomer has no id yet. No node has this one. */
export const NEWCOMER = "f".repeat(32) as NodeId;

/** `random` draws a newcomer's tokens in placements 1 and 2: it will draw others. */
export function planOf(view: View, change: PlannedChange, random: Prng): Plan {
  const after = changedView(view, change, random);
  const [ringBefore, ringAfter] = [new Ring(view), new Ring(after)];
  const moves: PlannedMove[] = [];
  for (let partition = 0; partition < view.claims.length; partition++) {
    const { owners } = ringBefore.preferenceList(partition);
    for (const to of ringAfter
      .preferenceList(partition)
      .owners.filter((node) => !owners.includes(node))
      .sort())
      moves.push({ partition, to });
  }
  const [before, now] = [tokenCounts(view), tokenCounts(after)];
  const nodes = [...new Set([...before.keys(), ...now.keys()])].sort();
  const tokens = nodes.map((node) => ({ node, before: before.get(node) ?? 0, after: now.get(node) ?? 0 }));
  return { planned: placementDigest(view), moves, tokens: tokens.filter((each) => each.before + each.after > 0) };
}

function changedView(view: View, change: PlannedChange, random: Prng): View {
  if (change.kind === "move") return { ...view, claims: claimsAfterSwaps(view.claims, change.swaps) };
  if (change.kind !== "join") {
    const member = memberOf(view, change.node);
    if (member === undefined || !stays(member)) return view;
    const departure = { standing: "leaving", by: change.node, at: 0 } as const;
    const going = mergeView(view, [{ ...member, version: member.version + 1, departure }], undefined, undefined);
    return view.parameters.placement === 3 ? { ...going, claims: claimsAfterDepartures(going) } : going;
  }
  const { capacity, zone } = change;
  const newcomer: Member = {
    node: NEWCOMER,
    incarnation: 1,
    version: 1,
    capacity,
    zone,
    holders: noHolders(view.parameters.partitions),
    tokens: drawTokens(view.parameters, capacity, view.members.filter(stays), random),
    protocolMin: PROTOCOL_MIN,
    protocolMax: PROTOCOL_VERSION,
    hidden: false,
  };
  const joined = mergeView(view, [newcomer], undefined, undefined);
  return view.parameters.placement === 3 ? { ...joined, claims: claimsAfterJoin(joined, NEWCOMER) } : joined;
}
