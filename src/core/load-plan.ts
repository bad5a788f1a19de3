/**
 * Which tokens change places so that a hot or slow node has less to do (notes on the paper, section 6.2: nodes move on the ring to shed keys or to take some).
 * Tokens are swapped, two at a time: each node keeps as many as its capacity gives it, so that nobody gives any back (`token-claims.ts`). Pure: a view and
 * what is asked of each partition in, swaps out. Placement 3 alone; in 1 and 2 tokens are drawn for good.
 *
 * Every owner of a partition serves each of its requests, so the load of a node is the demand of all partitions that it owns; what is fair goes by capacity,
 * half of it for a slow node. A node with more than IMBALANCED of that is hot. Each swap is the one, of all with a token of the hottest node, that evens out
 * most, among those that make no crowd (`token-spacing.ts`) and let no node become hotter than the hottest is. Zones need no care: the walk goes on until
 * it has met as many as it can.
 *
 * Limits: SWAPS_MAX swaps, SWAPS_LOOKED_AT looked at.
 */

import type { NodeId, Partition } from "./identifiers.ts";
import { type Claim, type View, stays } from "./membership.ts";
import { crowdsAt } from "./token-spacing.ts";

/** More than so much of its share is too much (paper, section 6.2: out of balance by more than 15 percent). */
const IMBALANCED = 1.15;
const SLOW_SHARE = 0.5;
const SWAPS_MAX = 64;
const SWAPS_LOOKED_AT = 2 ** 17;
/** A swap that takes away less of the unevenness is not worth copying data for. */
const GAIN_MIN = 0.02;

/** The tokens at the starts of these two partitions change owners. */
export type TokenSwap = readonly [Partition, Partition];

export interface LoadPlan {
  /** In this order. */
  readonly swaps: readonly TokenSwap[];
  /** By node: what it has to do before and after, in the unit of the demand. */
  readonly load: readonly { readonly node: NodeId; readonly before: number; readonly after: number }[];
}

/** The claims after the swaps. */
export function claimsAfterSwaps(claims: readonly Claim[], swaps: readonly TokenSwap[]): readonly Claim[] {
  const owners = claims.map(({ owner }) => owner);
  for (const [a, b] of swaps) [owners[a], owners[b]] = [owners[b]!, owners[a]!];
  return claims.map((claim, i) =>
    claim.owner === owners[i] ? claim : { owner: owners[i]!, version: claim.version + 1 },
  );
}

/** True when all of these are tokens, and no more than one plan has. */
export function areSwaps(claims: readonly Claim[], swaps: readonly TokenSwap[]): boolean {
  return swaps.length <= SWAPS_MAX && swaps.flat().every((token) => claims[token] !== undefined);
}

/** `demand`: requests of each partition in some time; `slow`: nodes that others wait for. */
export function planForLoad(view: View, demand: readonly number[], slow: ReadonlySet<NodeId>): LoadPlan {
  const takers = view.members.filter((member) => stays(member) && member.capacity > 0);
  const known = new Set(takers.map((member) => member.node));
  // Tokens of somebody who goes are dealt first, and drawn ones are for good.
  if (view.parameters.placement !== 3 || view.claims.some(({ owner }) => !known.has(owner)))
    return { swaps: [], load: [] };
  const weights = takers.map(({ node, capacity }) => capacity * (slow.has(node) ? SLOW_SHARE : 1));
  const deal = new Deal(view, takers, weights, demand);
  const before = deal.load;
  const swaps: TokenSwap[] = [];
  let budget = SWAPS_LOOKED_AT;
  while (swaps.length < SWAPS_MAX && budget > 0) {
    const hottest = deal.hottest();
    if (hottest === undefined) break;
    let best: { readonly swap: TokenSwap; readonly unevenness: number } | undefined;
    for (const own of deal.tokensOf(hottest)) {
      for (let other = 0; other < view.claims.length && budget > 0; other++) {
        if (!deal.maySwap(own, other)) continue;
        budget--;
        const unevenness = deal.unevennessAfter(own, other);
        if (unevenness < (best?.unevenness ?? deal.unevenness * (1 - GAIN_MIN)))
          best = { swap: [own, other], unevenness };
      }
    }
    if (best === undefined) break;
    deal.swap(...best.swap);
    swaps.push(best.swap);
  }
  const after = deal.load;
  return { swaps, load: takers.map(({ node }, i) => ({ node, before: before[i]!, after: after[i]! })) };
}

/** A deal of tokens, with what it gives each node to do. Nodes and zones are numbers here. */
class Deal {
  readonly #owners: Int32Array;
  readonly #zones: readonly number[];
  readonly #weights: readonly number[];
  readonly #demand: readonly number[];
  readonly #n: number;
  /** As many zones and nodes as a walk can meet. */
  readonly #zonesMet: number;
  readonly #nodesMet: number;
  /** By partition: its owners, and how many tokens the walk looked at. */
  readonly #lists: { readonly owners: readonly number[]; readonly steps: number }[];
  #load: Float64Array;
  readonly #evenness: number;
  #stepsMax: number;

  constructor(
    view: View,
    takers: readonly { readonly node: NodeId; readonly zone: string }[],
    weights: readonly number[],
    demand: readonly number[],
  ) {
    const numbers = new Map(takers.map(({ node }, i) => [node, i]));
    const zones = [...new Set(takers.map(({ zone }) => zone))];
    this.#owners = Int32Array.from(view.claims, ({ owner }) => numbers.get(owner)!);
    this.#zones = takers.map(({ zone }) => zones.indexOf(zone));
    this.#weights = weights;
    this.#demand = demand;
    const met = [...new Set(this.#owners)];
    this.#nodesMet = Math.min(view.parameters.n, met.length);
    this.#zonesMet = Math.min(view.parameters.n, new Set(met.map((node) => this.#zones[node])).size);
    this.#n = view.parameters.n;
    this.#lists = view.claims.map((_, partition) => this.#walk(partition));
    this.#load = new Float64Array(takers.length);
    for (const [partition, { owners }] of this.#lists.entries())
      for (const node of owners) this.#load[node]! += this.#asked(partition);
    this.#evenness = sum(this.#load) ** 2 / sum(weights);
    this.#stepsMax = Math.max(...this.#lists.map(({ steps }) => steps));
  }

  get load(): readonly number[] {
    return [...this.#load];
  }

  /** The sum of squares of load by weight, above what it is when all have what is fair. */
  get unevenness(): number {
    return this.#unevennessOf(this.#load);
  }

  /** The node that has most beyond what is fair; undefined when nobody has too much. */
  hottest(): number | undefined {
    const fair = sum(this.#load) / sum(this.#weights);
    const ratio = (node: number): number => this.#load[node]! / this.#weights[node]!;
    let hottest = 0;
    this.#weights.forEach((_, node) => {
      if (ratio(node) > ratio(hottest)) hottest = node;
    });
    return fair > 0 && ratio(hottest) > IMBALANCED * fair ? hottest : undefined;
  }

  tokensOf(node: number): number[] {
    return [...this.#owners.keys()].filter((place) => this.#owners[place] === node);
  }

  /** Tokens of two nodes, and no crowd comes of it. */
  maySwap(a: number, b: number): boolean {
    const owners = this.#owners;
    const [own, its] = [owners[a]!, owners[b]!];
    if (own === its) return false;
    const before = crowdsAt(owners, a, own, this.#n) + crowdsAt(owners, b, its, this.#n);
    return crowdsAt(owners, a, its, this.#n, b) + crowdsAt(owners, b, own, this.#n, a) <= before;
  }

  /** Infinity where a node would become hotter than the hottest is. */
  unevennessAfter(a: number, b: number): number {
    const load = this.#loadAfter(a, b);
    const most = (loads: Float64Array): number =>
      loads.reduce((max, one, i) => Math.max(max, one / this.#weights[i]!), 0);
    return most(load) > most(this.#load) ? Infinity : this.#unevennessOf(load);
  }

  swap(a: number, b: number): void {
    this.#load = this.#loadAfter(a, b);
    const touched = this.#touchedBy(a, b);
    this.#exchange(a, b);
    for (const partition of touched) this.#lists[partition] = this.#walk(partition);
    this.#stepsMax = Math.max(...this.#lists.map(({ steps }) => steps));
  }

  #loadAfter(a: number, b: number): Float64Array {
    const load = this.#load.slice();
    const touched = this.#touchedBy(a, b);
    this.#exchange(a, b);
    for (const partition of touched) {
      const asked = this.#asked(partition);
      for (const node of this.#lists[partition]!.owners) load[node]! -= asked;
      for (const node of this.#walk(partition).owners) load[node]! += asked;
    }
    this.#exchange(a, b);
    return load;
  }

  #unevennessOf(load: Float64Array): number {
    return load.reduce((sum, one, i) => sum + (one * one) / this.#weights[i]!, -this.#evenness);
  }

  #asked(partition: Partition): number {
    return this.#demand[partition] ?? 0;
  }

  #exchange(a: number, b: number): void {
    const owner = this.#owners[a]!;
    this.#owners[a] = this.#owners[b]!;
    this.#owners[b] = owner;
  }

  /** Partitions whose walk looks at one of these tokens. */
  #touchedBy(a: number, b: number): ReadonlySet<number> {
    const total = this.#owners.length;
    const touched = new Set<number>();
    for (const token of [a, b])
      for (let back = 0; back < this.#stepsMax; back++) {
        const partition = (token - back + total) % total;
        if (back < this.#lists[partition]!.steps) touched.add(partition);
      }
    return touched;
  }

  /** As `ring.ts` does: the first nodes of new zones, then the first others. */
  #walk(partition: Partition): { readonly owners: readonly number[]; readonly steps: number } {
    const total = this.#owners.length;
    const met: number[] = [];
    const owners: number[] = [];
    const zones: number[] = [];
    let steps = 0;
    while (steps < total && (owners.length < this.#zonesMet || met.length < this.#nodesMet)) {
      const node = this.#owners[(partition + steps++) % total]!;
      if (met.includes(node)) continue;
      met.push(node);
      const zone = this.#zones[node]!;
      if (owners.length >= this.#zonesMet || zones.includes(zone)) continue;
      zones.push(zone);
      owners.push(node);
    }
    for (const node of met) if (owners.length < this.#nodesMet && !owners.includes(node)) owners.push(node);
    return { owners, steps };
  }
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((all, value) => all + value, 0);
}
