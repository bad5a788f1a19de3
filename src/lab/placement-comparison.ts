/**
 * The three placements side by side for the nodes of one cluster (paper, section 6.2 and figure 8): whose each partition would be, how even that is, what a
 * newcomer would move, and what every node has to know of it. Made of the functions that the nodes use themselves. Pure: a view, keys and a newcomer in, plain
 * data out.
 *
 * The placement that the cluster has is the view as it is; the other two stand as if the same nodes had joined one after the other, tokens drawn from a seed. They
 * are of one size: where placement 3 has Q tokens for S nodes, 1 and 2 have Q/S for each capacity, on SLOTS_FOR_A_TOKEN times as many slots, so that
 * whole slots do not make ranges more even than they are (`core/placement.ts`).
 *
 * Limits: SLOTS_MAX partitions. A newcomer's tokens in placements 1 and 2 are drawn: a real one draws others.
 */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import type { ClusterParameters, PlacementStrategy } from "../core/config.ts";
import type { Key, NodeId, Partition } from "../core/identifiers.ts";
import { type View, stays } from "../core/membership.ts";
import { type Plan, planOf } from "../core/membership-plan.ts";
import { Ring, tokenCounts } from "../core/ring.ts";
import { metadataBytes } from "../sim/paper-balance.ts";
import { standingView } from "./standing-start.ts";
import type { StoredKey } from "./world.ts";

export const PLACEMENTS = [1, 2, 3] as const;
export const SLOTS_FOR_A_TOKEN = 16;
export const SLOTS_MAX = 1_024;
/** The paper's: out of balance with more than this above or below what is fair. */
export const BALANCE_RULE = 0.15;
/** `world.planAt` draws from it, too. */
const NEWCOMER_SEED = 1;
const EVEN_KEYS_MAX = 100_000;

export interface NodeShare {
  readonly node: NodeId;
  readonly tokens: number;
  /** Of the ring: first on the list. All nodes' add up to 1. */
  readonly first: number;
  /** Of all copies: one of the N owners. All nodes' add up to 1. */
  readonly held: number;
  /** What it ought to hold by its capacity. */
  readonly fair: number;
}

export interface NewcomerMoves {
  readonly plan: Plan;
  /** Partitions, keys and bytes that have to be copied; a key once for each copy. */
  readonly copies: number;
  readonly keys: number;
  readonly bytes: number;
  /** Of the copies: those that somebody else than the newcomer makes. */
  readonly forOthers: number;
}

export interface ComparedPlacement {
  readonly placement: PlacementStrategy;
  readonly parameters: ClusterParameters;
  /** The cluster has this one. */
  readonly isPresent: boolean;
  /** By partition: who is first on its list. */
  readonly firsts: readonly NodeId[];
  /** In the order of the members. */
  readonly shares: readonly NodeShare[];
  /** By how much the one who holds most for its capacity is above what is fair; 0.2 is a fifth. */
  readonly worst: number;
  /** Mean over most, by capacity: the paper's efficiency, 1 at best. */
  readonly efficiency: number;
  /** Nodes that are out of balance by BALANCE_RULE. */
  readonly outOfBalance: number;
  readonly newcomer: NewcomerMoves;
  /** What every node keeps and gossips of it: tokens (1, 2) or claims (3), and their bytes on the wire. */
  readonly entries: number;
  readonly metadataBytes: number;
}

export interface Compared {
  /** As some node of the cluster has it. */
  readonly view: View;
  readonly keys: readonly StoredKey[];
  readonly newcomer: { readonly capacity: number; readonly zone: string };
  /** Draws the tokens of placements 1 and 2. */
  readonly seed: number;
}

/** Empty when nobody in the view has capacity. */
export function comparePlacements(compared: Compared): ComparedPlacement[] {
  const { view } = compared;
  if (!view.members.some((member) => stays(member) && member.capacity > 0)) return [];
  return PLACEMENTS.map((placement) => {
    const isPresent = view.parameters.placement === placement;
    return lookedAt(isPresent ? view : viewWith(view, placement, compared.seed), isPresent, compared);
  });
}

/** What a cluster of the same nodes with this placement is made of. */
export function parametersWith({ parameters, members }: View, placement: PlacementStrategy): ClusterParameters {
  if (parameters.placement === placement) return parameters;
  const capacity = members.reduce((sum, member) => sum + (stays(member) ? member.capacity : 0), 0);
  const isDrawn = parameters.placement !== 3;
  if (isDrawn && placement !== 3) return { ...parameters, placement };
  if (placement === 3)
    return { ...parameters, placement, tokensPerNode: 0, partitions: powerOfTwo(parameters.tokensPerNode * capacity) };
  const tokensPerNode = Math.max(1, Math.round(parameters.partitions / Math.max(1, capacity)));
  const slots = Math.max(parameters.partitions, SLOTS_FOR_A_TOKEN * tokensPerNode * capacity);
  return { ...parameters, placement, tokensPerNode, partitions: powerOfTwo(slots) };
}

/** So many keys of such a size, spread over the ring as any keys are. */
export function evenKeys(count: number, bytes: number): StoredKey[] {
  return Array.from({ length: Math.min(EVEN_KEYS_MAX, Math.max(0, count)) }, (_, i) => ({
    key: `keys/${i}` as Key,
    bytes,
  }));
}

/** Of several disks each key once, with the most bytes that any of them has of it. */
export function keysOf(disks: readonly (readonly StoredKey[])[]): StoredKey[] {
  const bytes = new Map<Key, number>();
  for (const disk of disks)
    for (const stored of disk) bytes.set(stored.key, Math.max(stored.bytes, bytes.get(stored.key) ?? 0));
  return [...bytes].map(([key, most]) => ({ key, bytes: most }));
}

function viewWith(view: View, placement: PlacementStrategy, seed: number): View {
  const nodes = view.members.filter(stays).map(({ node, capacity, zone }) => ({ node, capacity, zone }));
  return standingView(parametersWith(view, placement), nodes, Prng.fromNumber(seed));
}

function lookedAt(view: View, isPresent: boolean, { keys, newcomer }: Compared): ComparedPlacement {
  const { parameters } = view;
  const ring = new Ring(view);
  const lists = view.claims.map((_, partition) => ring.preferenceList(partition).owners);
  const firsts = lists.map((owners) => owners[0]!);
  const copies = lists.reduce((sum, owners) => sum + owners.length, 0);
  const members = view.members.filter(stays);
  const capacity = members.reduce((sum, member) => sum + member.capacity, 0);
  const tokens = tokenCounts(view);
  const [first, held] = [timesOf(firsts), timesOf(lists.flat())];
  const shares = members.map((member) => ({
    node: member.node,
    tokens: tokens.get(member.node) ?? 0,
    first: (first.get(member.node) ?? 0) / firsts.length,
    held: (held.get(member.node) ?? 0) / copies,
    fair: member.capacity / capacity,
  }));
  const ratios = shares.flatMap((share) => (share.fair > 0 ? [share.held / share.fair] : []));
  const most = Math.max(...ratios);
  return {
    placement: parameters.placement,
    parameters,
    isPresent,
    firsts,
    shares,
    worst: most - 1,
    efficiency: 1 / most,
    outOfBalance: ratios.filter((ratio) => Math.abs(ratio - 1) > BALANCE_RULE).length,
    newcomer: movesOf(view, keys, newcomer),
    entries:
      parameters.placement === 3 ? parameters.partitions : [...tokens.values()].reduce((sum, each) => sum + each, 0),
    metadataBytes: metadataBytes(view),
  };
}

function movesOf(view: View, keys: readonly StoredKey[], newcomer: Compared["newcomer"]): NewcomerMoves {
  const plan = planOf(view, { kind: "join", ...newcomer }, Prng.fromNumber(NEWCOMER_SEED));
  const inPartition = new Map<Partition, { keys: number; bytes: number }>();
  for (const { key, bytes } of keys) {
    const partition = partitionOf(positionOf(key), view.claims.length);
    const sum = inPartition.get(partition) ?? { keys: 0, bytes: 0 };
    inPartition.set(partition, { keys: sum.keys + 1, bytes: sum.bytes + bytes });
  }
  const here = new Set(view.members.map((member) => member.node));
  let [moved, bytes, forOthers] = [0, 0, 0];
  for (const { partition, to } of plan.moves) {
    const sum = inPartition.get(partition);
    moved += sum?.keys ?? 0;
    bytes += sum?.bytes ?? 0;
    if (here.has(to)) forOthers++;
  }
  return { plan, copies: plan.moves.length, keys: moved, bytes, forOthers };
}

function timesOf(nodes: readonly NodeId[]): Map<NodeId, number> {
  const times = new Map<NodeId, number>();
  for (const node of nodes) times.set(node, (times.get(node) ?? 0) + 1);
  return times;
}

/** The first that is not less; at most SLOTS_MAX. */
function powerOfTwo(atLeast: number): number {
  let power = 1;
  while (power < atLeast && power < SLOTS_MAX) power *= 2;
  return power;
}
