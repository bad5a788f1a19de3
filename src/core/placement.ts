/**
 * Placements: where the tokens of the nodes lie, and from where the walk for a partition begins (paper, section 6.2). Three of them, each a pure
 * function of the gossiped view, so that nodes which agree on the view agree on every walk:
 *
 *   1  T random tokens per node, ranges by token. The paper's first: a node is responsible for the range between its token and the one before.
 *   2  Q equal partitions, T random tokens per node. The tokens only place the partitions: the walk begins at the end of the partition.
 *   3  Q equal partitions, Q/S tokens per node. Every partition has one token at its beginning; who takes which is in `token-claims.ts`.
 *
 * In all three a node's unit of holding, transfer and comparison is one of Q equal slots, the partitions. So a token of placement 1 lies at the end
 * of a slot, and a range is a run of whole slots. Against the paper's 128 bits that is a resolution of 1/Q: two nodes rarely draw the same place, since
 * each avoids those that it knows to be taken; ranges cannot be smaller than a slot, so that with nearly as many tokens as slots they are almost
 * equal, and placement 1 balances better than it should; and what hurt the paper's authors is gone: a join moves whole slots, no node scans its
 * store for the keys of a split range, and no Merkle tree is made anew. Choose Q well above S * T to see the paper's placement 1 and 2.
 *
 * Tokens of 1 and 2 are drawn by the node itself, once, T times its capacity, and stand in its entry; a capacity that is changed later does not change
 * them. Those of a node without capacity count only as long as nobody else has any: a founder that only introduces others.
 */

import type { Prng } from "../base/prng.ts";
import { unreachable } from "../base/assert.ts";
import { type ClusterParameters, tokensOf } from "./config.ts";
import { type NodeId, type Partition, TOKENS_MAX } from "./identifiers.ts";
import { type Member, type View, stays } from "./membership.ts";

/** Tokens of placement 2 are places on a ring of so many. */
export const TOKEN_PLACES = 2 ** 32;

/** Nodes that are gone or going have no tokens, whatever the claims still say. */
export interface Placement {
  /** Tokens of each node that the walk can meet. */
  readonly tokens: ReadonlyMap<NodeId, number>;
  /** The nodes met clockwise from where the partition's walk begins, each once, at most `nodesMax`. */
  walk(partition: Partition, nodesMax?: number): NodeId[];
}

export function placementOf(view: View): Placement {
  const { placement, partitions } = view.parameters;
  switch (placement) {
    case 1:
      return new RandomTokens(view.members, (partition) => partition);
    case 2:
      return new RandomTokens(
        view.members,
        (partition) => (((partition + 1) % partitions) * TOKEN_PLACES) / partitions,
      );
    case 3:
      return new ClaimedTokens(view);
    default:
      return unreachable(placement);
  }
}

/** Placement 3: the walk begins at the partition's own token. A claimant whose entry is not here yet is met like any other. */
class ClaimedTokens implements Placement {
  readonly tokens: ReadonlyMap<NodeId, number>;
  readonly #owners: readonly (NodeId | undefined)[];

  constructor({ claims, members }: View) {
    const going = new Set(members.filter((member) => !stays(member)).map((member) => member.node));
    this.#owners = claims.map(({ owner }) => (going.has(owner) ? undefined : owner));
    this.tokens = counted(this.#owners);
  }

  walk(partition: Partition, nodesMax = Infinity): NodeId[] {
    return walkFrom(this.#owners, partition, Math.min(nodesMax, this.tokens.size));
  }
}

/** Placements 1 and 2: the walk begins at the first token at or behind the partition's place. */
class RandomTokens implements Placement {
  readonly tokens: ReadonlyMap<NodeId, number>;
  readonly #owners: readonly NodeId[];
  readonly #places: readonly number[];
  readonly #placeOf: (partition: Partition) => number;

  constructor(members: readonly Member[], placeOf: (partition: Partition) => number) {
    const having = members.filter((member) => member.tokens.length > 0 && stays(member));
    const willing = having.filter((member) => member.capacity > 0);
    const all = (willing.length > 0 ? willing : having).flatMap(({ node, tokens }) =>
      tokens.map((place) => ({ place, node })),
    );
    // Where two drew one place at the same time, the lower id comes first, as it does in the view.
    all.sort((a, b) => a.place - b.place);
    this.#owners = all.map((token) => token.node);
    this.#places = all.map((token) => token.place);
    this.#placeOf = placeOf;
    this.tokens = counted(this.#owners);
  }

  walk(partition: Partition, nodesMax = Infinity): NodeId[] {
    const first = firstFrom(this.#places, this.#placeOf(partition));
    return walkFrom(this.#owners, first, Math.min(nodesMax, this.tokens.size));
  }
}

function counted(owners: readonly (NodeId | undefined)[]): Map<NodeId, number> {
  const counts = new Map<NodeId, number>();
  for (const owner of owners) if (owner !== undefined) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

/** The first `nodes` nodes clockwise from a token, skipping those met before, and tokens that are nobody's. */
function walkFrom(owners: readonly (NodeId | undefined)[], first: number, nodes: number): NodeId[] {
  const met = new Set<NodeId>();
  for (let step = 0; met.size < nodes; step++) {
    const owner = owners[(first + step) % owners.length];
    if (owner !== undefined) met.add(owner);
  }
  return [...met];
}

/** Which of the ascending places is the first that is `from` or more; how many there are when none is. */
function firstFrom(places: readonly number[], from: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Tokens for a node of this capacity that joins `others`, ascending; a founder, who is alone, gets some without capacity, too. Empty in placement 3. */
export function drawTokens(
  parameters: ClusterParameters,
  capacity: number,
  others: readonly Member[],
  random: Prng,
): readonly number[] {
  const { placement, partitions } = parameters;
  const count = tokensOf(parameters, others.length === 0 ? Math.max(1, capacity) : capacity);
  const drawn = new Set<number>();
  switch (placement) {
    case 1: {
      const taken = new Set(others.flatMap((member) => member.tokens));
      const slots = Array.from({ length: partitions }, (_, slot) => slot);
      const free = slots.filter((slot) => !taken.has(slot));
      // With every slot taken there is no place of its own left for a newcomer: it shares some.
      for (const slot of random.shuffled(free.length > 0 ? free : slots).slice(0, count)) drawn.add(slot);
      break;
    }
    case 2:
      while (drawn.size < count) drawn.add(random.uint32());
      break;
    case 3:
      break;
    default:
      return unreachable(placement);
  }
  return [...drawn].sort((a, b) => a - b);
}

/** What is wrong with a member's tokens, in words; undefined when nothing is. */
export function tokensFault(
  tokens: readonly number[],
  { placement, partitions }: ClusterParameters,
): string | undefined {
  if (placement === 3 && tokens.length > 0) return "a member has tokens of its own in placement 3";
  if (tokens.length > TOKENS_MAX) return `a member has ${tokens.length} tokens, over the limit of ${TOKENS_MAX}`;
  const places = placement === 1 ? partitions : TOKEN_PLACES;
  for (const [i, token] of tokens.entries()) {
    if (!(Number.isInteger(token) && token >= 0 && token < places)) return `a token lies at ${token}, off the ring`;
    if (i > 0 && token <= tokens[i - 1]!) return "the tokens of a member are unsorted or repeat";
  }
  return undefined;
}
