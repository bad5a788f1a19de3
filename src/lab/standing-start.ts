/**
 * The view of a cluster that stands already, as if its nodes had joined one after the other long ago and nothing had been written: so that a large world
 * need not be formed message by message. Made of the functions that the nodes use themselves; who owns, holds.
 */

import type { Prng } from "../base/prng.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { NodeId } from "../core/identifiers.ts";
import { type Member, type View, mergeView, noHolders, unclaimed, withHolder } from "../core/membership.ts";
import { drawTokens } from "../core/placement.ts";
import { Ring } from "../core/ring.ts";
import { claimsAfterJoin } from "../core/token-claims.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION } from "../core/versions.ts";

export interface StandingNode {
  readonly node: NodeId;
  readonly capacity: number;
  readonly zone: string;
}

/** In the order of joining. `random` draws the tokens of placements 1 and 2. */
export function standingView(parameters: ClusterParameters, nodes: readonly StandingNode[], random: Prng): View {
  const { partitions, placement } = parameters;
  const founder = nodes[0]!.node;
  const claims =
    placement === 3
      ? Array.from({ length: partitions }, () => ({ owner: founder, version: 1 }))
      : unclaimed(partitions);
  let view: View = { parameters, members: [], claims, buckets: [] };
  for (const { node, capacity, zone } of nodes) {
    const member: Member = {
      node,
      incarnation: 1,
      version: 1,
      capacity,
      zone,
      holders: noHolders(partitions),
      tokens: drawTokens(parameters, capacity, view.members, random),
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_VERSION,
      hidden: false,
    };
    view = mergeView(view, [member], undefined);
    if (placement === 3 && node !== founder) view = { ...view, claims: claimsAfterJoin(view, node) };
  }
  const ring = new Ring(view);
  const members = view.members.map((member) => {
    let { holders } = member;
    for (let partition = 0; partition < partitions; partition++)
      if (ring.owns(member.node, partition)) holders = withHolder(holders, partition, true);
    return { ...member, holders };
  });
  return { ...view, members };
}
