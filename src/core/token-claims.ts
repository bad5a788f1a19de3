/**
 * Who takes which tokens when a node joins, and who gives some away when concurrent joins left the counts uneven (paper, section 6.2,
 * placement 3: a joiner steals tokens from those who have most). Pure: a view in, new claims out.
 *
 * A node's *share* is the part of the tokens that its capacity is of all; once there are more nodes than N, at most 15/16 of one N-th: no node can hold
 * a partition twice, and beyond that nothing but crowds would come of it (`token-spacing.ts`).
 *
 * Bounds, after any joins one after the other: every count is within one of the share, or a little more where shares are a handful of tokens. Once there
 * are more nodes than N, any N consecutive tokens are on distinct nodes, but for a place or two where several nodes have nearly all that they may. Besides
 * what the newcomer itself takes, no more than a quarter of that is copied, or one token where its share is a handful. While there are no more nodes
 * than N every node holds everything, so tokens are dealt anew in turn, which moves no data; so they may be with the first beyond N, for whom nobody
 * else copies anything either.
 *
 * Joins at the same moment know nothing of each other: what they leave uneven, `claimsAfterGiving` evens out; what they leave crowded, later joins mend.
 */

import type { NodeId } from "./identifiers.ts";
import { type Claim, type View, stays } from "./membership.ts";
import { tokenCounts } from "./ring.ts";
import { crowds, dealSpaced, mendSpacing, spaced } from "./token-spacing.ts";

/** Beside the newcomer's own, at most so many copies for each of its own. */
const COPIES_FOR_OTHERS = 0.25;
/** A node that had all of one N-th would leave no room to place the tokens of others. */
const ROOM = 15 / 16;
/** Two counts that differ by less are alike. */
const ROUNDING = 1e-9;

interface Taker {
  readonly node: NodeId;
  readonly capacity: number;
}

/** What each member ought to have of `total` tokens, with fractions: by capacity, and once there are more than `n` bounded as said above. Members of capacity 0 are left out. */
export function tokenShares(members: readonly Taker[], total: number, n = Infinity): Map<NodeId, number> {
  const shares = new Map<NodeId, number>();
  let open = members.filter((member) => member.capacity > 0);
  // With n = 1 nothing can be crowded.
  const bounded = n > 1 && open.length > n;
  const most = bounded ? Math.max(Math.ceil(total / (n + 1)), Math.floor((ROOM * total) / n)) : total;
  let left = total;
  for (;;) {
    const capacity = open.reduce((sum, member) => sum + member.capacity, 0);
    const share = (member: Taker) => (left * member.capacity) / capacity;
    const over = open.filter((member) => share(member) > most);
    if (over.length === 0) {
      for (const member of open) shares.set(member.node, share(member));
      return shares;
    }
    for (const { node } of over) shares.set(node, most);
    left -= over.length * most;
    open = open.filter((member) => !over.includes(member));
  }
}

/** The shares in whole tokens, largest remainder first, ties by node id. */
export function tokenTargets(members: readonly Taker[], total: number, n = Infinity): Map<NodeId, number> {
  const shares = [...tokenShares(members, total, n)].map(([node, exact]) => {
    return { node, whole: Math.floor(exact), rest: exact - Math.floor(exact) };
  });
  let left = total - shares.reduce((sum, share) => sum + share.whole, 0);
  shares.sort((a, b) => b.rest - a.rest || (a.node < b.node ? -1 : 1));
  return new Map(shares.map((share) => [share.node, share.whole + (left-- > 0 ? 1 : 0)]));
}

function changed(view: View, owners: readonly NodeId[]): Claim[] {
  return view.claims.map((claim, i) =>
    claim.owner === owners[i] ? claim : { owner: owners[i]!, version: claim.version + 1 },
  );
}

/** The claims after `joiner`, who is a member in `view` already, has taken its share. */
export function claimsAfterJoin(view: View, joiner: NodeId): Claim[] {
  const { n } = view.parameters;
  const total = view.claims.length;
  const takers = view.members.filter(stays);
  const targets = tokenTargets(takers, total, n);
  if ((targets.get(joiner) ?? 0) === 0) return [...view.claims];
  if (targets.size <= n) return changed(view, dealInTurn(targets, total, n));
  const shares = tokenShares(takers, total, n);
  const before = view.claims.map((claim) => claim.owner);

  // Mostly it is enough to take what others have beyond their targets.
  const now = tokenCounts(view);
  const kept = [...targets].map(([node, target]) => [
    node,
    node === joiner ? target : Math.min(target, now.get(node)!),
  ]);
  const plain = steal(before, new Map(kept as [NodeId, number][]), joiner, n);
  if (isEven(plain, shares) && crowds(plain, n) === 0) return changed(view, plain);

  const counts = countsAfterJoin(view, joiner, shares);
  const copiesMax = Math.floor(COPIES_FOR_OTHERS * n * counts.get(joiner)!);
  const mended = mendSpacing(before, steal(before, counts, joiner, n), joiner, n, copiesMax);
  const good = targets.size > n + 1 || (isEven(mended, shares) && crowds(mended, n) === 0);
  // The first beyond N: those who are here hold everything, so a new deal moves no more than any other.
  return changed(view, good ? mended : (dealSpaced(targets, total, n) ?? mended));
}

/**
 * The claims after those of nodes that are gone or going were dealt to those who have least; the very same array when there are none. A pure function of the
 * view: whoever sees the same deals the same, so anybody may publish them. While no more than N stay, all are dealt anew, for everybody holds
 * everything then.
 */
export function claimsAfterDepartures(view: View): readonly Claim[] {
  const { n } = view.parameters;
  const total = view.claims.length;
  const members = new Map(view.members.map((member) => [member.node, member]));
  const isOrphan = (owner: NodeId) => {
    const member = members.get(owner);
    return member !== undefined && !stays(member);
  };
  if (!view.claims.some(({ owner }) => isOrphan(owner))) return view.claims;
  const takers = view.members.filter(stays);
  const targets = tokenTargets(takers, total, n);
  if (targets.size === 0) return view.claims;
  if (targets.size <= n) return changed(view, dealInTurn(targets, total, n));
  const shares = tokenShares(takers, total, n);
  const owners = view.claims.map((claim) => claim.owner);
  const counts = tokenCounts(view);
  const lacks = (node: NodeId) => shares.get(node)! - (counts.get(node) ?? 0);
  const nodes = [...shares.keys()].sort();
  const most = (among: readonly NodeId[]) =>
    among.reduce<NodeId | undefined>(
      (best, node) => (best === undefined || lacks(node) > lacks(best) + ROUNDING ? node : best),
      undefined,
    );
  owners.forEach((owner, place) => {
    if (!isOrphan(owner)) return;
    const apart = nodes.filter((node) => spaced(owners, node, place, n));
    const taker = most(apart.filter((node) => lacks(node) > ROUNDING)) ?? most(nodes)!;
    owners[place] = taker;
    counts.set(taker, (counts.get(taker) ?? 0) + 1);
  });
  return changed(view, owners);
}

/** True when everybody has its share, rounded up or down. */
function isEven(owners: readonly NodeId[], shares: ReadonlyMap<NodeId, number>): boolean {
  const counts = new Map<NodeId, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return [...new Set([...owners, ...shares.keys()])].every(
    (node) => Math.abs((counts.get(node) ?? 0) - (shares.get(node) ?? 0)) < 1,
  );
}

/** How many tokens each is to have: the newcomer takes from whoever is most over its share, and who is still a whole token off gives or gets one. */
function countsAfterJoin(view: View, joiner: NodeId, shares: ReadonlyMap<NodeId, number>): Map<NodeId, number> {
  const own = shares.get(joiner)!;
  const plans = [Math.floor(own), Math.ceil(own)].filter((count) => count > 0).map(planFor);
  return plans.reduce((a, b) =>
    b.gifts < a.gifts || (b.gifts === a.gifts && Math.abs(b.own - own) < Math.abs(a.own - own)) ? b : a,
  ).counts;

  function planFor(count: number) {
    const counts = tokenCounts(view);
    const before = counts.get(joiner) ?? 0;
    counts.delete(joiner);
    const over = (node: NodeId) => counts.get(node)! - (shares.get(node) ?? 0);
    const add = (node: NodeId, tokens: number) => counts.set(node, counts.get(node)! + tokens);
    const nodes = [...counts.keys()].sort();
    const most = () => nodes.reduce((best, node) => (over(node) > over(best) + ROUNDING ? node : best));
    const least = () =>
      nodes
        .filter((node) => shares.has(node))
        .reduce((best, node) => (over(node) < over(best) - ROUNDING ? node : best));
    for (let i = before; i < count; i++) add(most(), -1);
    let gifts = 0;
    for (; gifts < Math.max(1, COPIES_FOR_OTHERS * count); gifts++) {
      const [from, to] = [most(), least()];
      if (over(from) < 1 - ROUNDING && over(to) > ROUNDING - 1) break;
      add(from, -1);
      add(to, 1);
    }
    counts.set(joiner, count);
    return { counts, gifts, own: count };
  }
}

/** A whole new deal: always the one who is furthest behind its share and not among the last few. */
function dealInTurn(targets: ReadonlyMap<NodeId, number>, total: number, n: number): NodeId[] {
  const dealt = new Map<NodeId, number>();
  const owners: NodeId[] = [];
  const nodes = [...targets.keys()].sort();
  const apart = Math.min(nodes.length, n) - 1;
  for (let i = 0; i < total; i++) {
    const recent = owners.slice(Math.max(0, i - apart));
    const behind = (node: NodeId) => (targets.get(node)! * (i + 1)) / total - (dealt.get(node) ?? 0);
    const open = nodes.filter((node) => (dealt.get(node) ?? 0) < targets.get(node)!);
    const free = open.filter((node) => !recent.includes(node));
    const next = (free.length > 0 ? free : open).reduce((best, node) =>
      behind(node) > behind(best) + 1e-9 ? node : best,
    );
    owners.push(next);
    dealt.set(next, (dealt.get(next) ?? 0) + 1);
  }
  return owners;
}

/** Makes the counts what they are to be: the joiner's tokens evenly spread over the ring, from the nodes that have more than they are to have. */
function steal(before: readonly NodeId[], counts: ReadonlyMap<NodeId, number>, joiner: NodeId, n: number): NodeId[] {
  const owners = before.slice();
  const total = owners.length;
  const surplus = new Map<NodeId, number>();
  for (const owner of owners) surplus.set(owner, (surplus.get(owner) ?? 0) + 1);
  for (const [node, count] of counts) surplus.set(node, (surplus.get(node) ?? 0) - count);

  const take = (position: number, taker: NodeId): void => {
    const owner = owners[position]!;
    surplus.set(owner, surplus.get(owner)! - 1);
    surplus.set(taker, surplus.get(taker)! + 1);
    owners[position] = taker;
  };
  const best = (candidates: readonly number[]): number | undefined =>
    candidates
      .filter((position) => surplus.get(owners[position]!)! > 0)
      .reduce<number | undefined>(
        (chosen, position) =>
          chosen === undefined || surplus.get(owners[position]!)! > surplus.get(owners[chosen]!)! ? position : chosen,
        undefined,
      );

  // First near the ideal places, then anywhere that keeps the spacing, then anywhere.
  const places = -surplus.get(joiner)!;
  const stride = total / Math.max(1, places);
  const slack = Math.max(0, Math.floor((stride - n) / 2));
  for (let k = 0; k < places; k++) {
    const ideal = Math.floor(k * stride);
    const near: number[] = [];
    for (let d = -slack; d <= slack; d++) near.push((ideal + d + total) % total);
    const position = best(near.filter((place) => spaced(owners, joiner, place, n)));
    if (position !== undefined) take(position, joiner);
  }
  const everywhere = owners.map((_, i) => i);
  for (const taker of [joiner, ...counts.keys()]) {
    while (surplus.get(taker)! < 0) {
      const position = best(everywhere.filter((place) => spaced(owners, taker, place, n))) ?? best(everywhere);
      if (position === undefined) break;
      take(position, taker);
    }
  }
  return owners;
}

/**
 * The claims after `giver` has given away what it has too many; the very same array when there is nothing to give. Only the giver may publish
 * them. It gives when it has more than its share rounded up, or the most while somebody has less than its share rounded down.
 */
export function claimsAfterGiving(view: View, giver: NodeId): readonly Claim[] {
  const share = tokenShares(view.members.filter(stays), view.claims.length, view.parameters.n);
  if (share.size === 0) return view.claims;
  const counts = tokenCounts(view);
  const owners = view.claims.map((claim) => claim.owner);
  const over = (node: NodeId) => (counts.get(node) ?? 0) - (share.get(node) ?? 0);
  let given = false;
  for (;;) {
    const nodes = [...counts.keys()].filter((node) => share.has(node) || counts.get(node)! > 0).sort();
    const most = nodes.reduce((best, node) => (over(node) > over(best) ? node : best));
    const least = nodes
      .filter((node) => share.has(node))
      .reduce((best, node) => (over(node) < over(best) ? node : best));
    const tooMany = over(giver) > 0 && counts.get(giver)! > Math.ceil(share.get(giver) ?? 0);
    const tooFew = giver === most && counts.get(least)! < Math.floor(share.get(least)!);
    if (least === giver || !(tooMany || tooFew)) break;
    const own = owners.flatMap((owner, i) => (owner === giver ? [i] : []));
    const place =
      own.find((i) => !spaced(owners, giver, i, view.parameters.n) && spaced(owners, least, i, view.parameters.n)) ??
      own.find((i) => spaced(owners, least, i, view.parameters.n)) ??
      own[0]!;
    owners[place] = least;
    counts.set(giver, counts.get(giver)! - 1);
    counts.set(least, counts.get(least)! + 1);
    given = true;
  }
  return given ? changed(view, owners) : view.claims;
}
