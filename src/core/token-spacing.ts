/**
 * Spacing: any N consecutive tokens of placement 3 on distinct nodes. Then the first N of a walk are N consecutive tokens, every node is in as many
 * preference lists as it has tokens, N times, and even counts make even load; else the walk skips, and loads are uneven though counts are not.
 *
 * A pair of tokens of one node that lie nearer than N is a *crowd*. There need be none once there are more than N nodes and none of them has more than
 * one N-th of the tokens. `dealSpaced` deals anew without any, whatever it moves; `mendSpacing` takes crowds out of a deal, moving little.
 *
 * Limits: mending looks at SWAPS_LOOKED_AT swaps at most, a fraction of a second, and may leave a crowd or two where nodes have nearly one N-th each.
 */

import type { NodeId } from "./identifiers.ts";

const SWAPS_LOOKED_AT = 2 ** 20;
/** For so many swaps a token that was moved without gain stays where it is, so that the search does not go round in circles. */
const REST_SWAPS = 10;

/** How many tokens of `node`, but for the one at `except`, lie nearer than `n` to `position`. */
export function crowdsAt<Node>(owners: ArrayLike<Node>, position: number, node: Node, n: number, except = -1): number {
  const total = owners.length;
  let crowds = 0;
  for (let d = 1; d < n; d++) {
    const ahead = position + d < total ? position + d : position + d - total;
    const behind = position < d ? position - d + total : position - d;
    if (ahead !== except && owners[ahead] === node) crowds++;
    if (behind !== ahead && behind !== except && owners[behind] === node) crowds++;
  }
  return crowds;
}

/** Pairs of tokens of one node that lie nearer than `n`. */
export function crowds(owners: readonly NodeId[], n: number): number {
  return owners.reduce((sum, node, position) => sum + crowdsAt(owners, position, node, n), 0) / 2;
}

/** True when `node` has no other token nearer than `n` to `position`. */
export function spaced(owners: readonly NodeId[], node: NodeId, position: number, n: number): boolean {
  return crowdsAt(owners, position, node, n) === 0;
}

/** The first `n` distinct nodes from each token on, fewer where there are fewer. */
export function listsOf(owners: readonly NodeId[], n: number): NodeId[][] {
  const size = Math.min(n, new Set(owners).size);
  return owners.map((_, first) => {
    const list: NodeId[] = [];
    for (let step = 0; list.length < size; step++) {
      const node = owners[(first + step) % owners.length]!;
      if (!list.includes(node)) list.push(node);
    }
    return list;
  });
}

/** Copies of partitions that have to be made for nodes other than `joiner` when lists become others. */
export function copiesForOthers(before: readonly NodeId[][], after: readonly NodeId[][], joiner: NodeId): number {
  const gained = (list: readonly NodeId[], p: number) =>
    list.filter((node) => node !== joiner && !before[p]!.includes(node)).length;
  return after.reduce((sum, list, p) => sum + gained(list, p), 0);
}

/**
 * A deal without any crowd; undefined when there is none, because a node has more than one n-th of the tokens. As many groups of neighbours as the
 * richest node has tokens, the larger groups first; the first place of each group is dealt group after group, then the second of each, and so on, the
 * richest node first. No node comes round to a group again, and where its tokens go over from one place to the next, nearly a whole round lies between.
 */
export function dealSpaced(targets: ReadonlyMap<NodeId, number>, total: number, n: number): NodeId[] | undefined {
  const nodes = [...targets].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const groups = nodes[0]?.[1] ?? 0;
  if (groups === 0 || groups > Math.floor(total / n)) return undefined;
  const size = Math.floor(total / groups);
  const larger = total % groups;
  const owners = new Array<NodeId>(total);
  let group = 0;
  let place = 0;
  for (const [node, count] of nodes) {
    for (let i = 0; i < count; i++) {
      owners[group * size + Math.min(group, larger) + place] = node;
      if (++group < groups) continue;
      group = 0;
      place++;
    }
  }
  return owners;
}

/**
 * `dealt` with as few crowds as could be found by swapping tokens, `joiner` being the one for whom `before` became `dealt`. Swaps that help are made,
 * cheap ones first; when none helps, one that does no harm, in the hope of others. Of all deals that it comes by it returns the one with the fewest
 * crowds for which others than `joiner` need no more than `copiesMax` copies, or no more than for `dealt`.
 */
export function mendSpacing(
  before: readonly NodeId[],
  dealt: readonly NodeId[],
  joiner: NodeId,
  n: number,
  copiesMax: number,
): readonly NodeId[] {
  let left = crowds(dealt, n);
  if (left === 0) return dealt;
  const total = dealt.length;
  const names = [...new Set([...before, ...dealt])];
  const numbers = new Map(names.map((name, i) => [name, i]));
  const was = before.map((name) => numbers.get(name)!);
  const owners = Int32Array.from(dealt, (name) => numbers.get(name)!);
  const newcomer = numbers.get(joiner);
  const named = () => Array.from(owners, (owner) => names[owner]!);

  const lists = listsOf(before, n);
  const copies = (deal: readonly NodeId[]) => copiesForOthers(lists, listsOf(deal, n), joiner);
  const copiesAllowed = Math.max(copiesMax, copies(dealt));
  let best = { crowds: left, deal: dealt };

  /** 1 when a token there would have to be copied to a node that did not have it. */
  const strange = (owner: number, position: number) => (owner === newcomer || owner === was[position] ? 0 : 1);
  const restsUntil = new Int32Array(total);
  let position = 0;
  for (let round = 0; round < SWAPS_LOOKED_AT / total && left > 0; round++) {
    while (crowdsAt(owners, position, owners[position]!, n) === 0) position = (position + 1) % total;
    const own = owners[position]!;
    const here = crowdsAt(owners, position, own, n);
    let chosen:
      { readonly other: number; readonly gain: number; readonly cost: number; readonly far: number } | undefined;
    for (let other = 0; other < total; other++) {
      const its = owners[other]!;
      if (its === own) continue;
      const most = here + crowdsAt(owners, other, its, n) - crowdsAt(owners, position, its, n, other);
      if (most < (chosen?.gain ?? 0)) continue;
      const gain = most - crowdsAt(owners, other, own, n, position);
      if (gain < 0 || (gain === 0 && Math.max(restsUntil[other]!, restsUntil[position]!) > round)) continue;
      if (chosen !== undefined && gain < chosen.gain) continue;
      const cost = strange(its, position) + strange(own, other) - strange(own, position) - strange(its, other);
      const apart = Math.abs(position - other);
      const far = Math.min(apart, total - apart);
      if (
        chosen === undefined ||
        gain > chosen.gain ||
        cost < chosen.cost ||
        (cost === chosen.cost && far < chosen.far)
      )
        chosen = { other, gain, cost, far };
    }
    if (chosen !== undefined) {
      owners[position] = owners[chosen.other]!;
      owners[chosen.other] = own;
      left -= chosen.gain;
      restsUntil[position] = restsUntil[chosen.other] = round + REST_SWAPS;
      if (left < best.crowds) {
        const deal = named();
        if (copies(deal) <= copiesAllowed) best = { crowds: left, deal };
      }
    }
    if (chosen === undefined || chosen.gain === 0) position = (position + 1) % total;
  }
  return best.deal;
}
