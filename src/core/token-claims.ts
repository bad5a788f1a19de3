/**
 * Who takes which tokens when a node joins, and who gives some away when concurrent joins left the counts uneven (paper, section 6.2,
 * placement 3: a joiner steals tokens from those who have most). Pure: a view in, new claims out.
 *
 * Bounds: after a join every count is within one of the share by capacity, and no N consecutive tokens have the same node twice as long as the
 * shares allow it, which makes the preference lists even too. While there are no more nodes than N every node holds everything, so tokens are dealt
 * anew in turn, which moves no data; from then on a join takes tokens only for the newcomer, which moves the newcomer's share and nothing else.
 */

import type { NodeId } from "./identifiers.ts";
import type { Claim, View } from "./membership.ts";
import { tokenCounts } from "./ring.ts";

/** Each member's share of `total` tokens by capacity, largest remainder first, ties by node id. Members of capacity 0 get none. */
export function tokenTargets(
  members: readonly { readonly node: NodeId; readonly capacity: number }[],
  total: number,
): Map<NodeId, number> {
  const takers = members.filter((member) => member.capacity > 0);
  const capacity = takers.reduce((sum, member) => sum + member.capacity, 0);
  const shares = takers.map(({ node, capacity: own }) => {
    const exact = (total * own) / capacity;
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

/** True when `node` has no other token within `n - 1` places of `position`. */
function spaced(owners: readonly NodeId[], node: NodeId, position: number, n: number): boolean {
  for (let d = 1; d < n; d++) {
    const q = owners.length;
    if (owners[(position + d) % q] === node || owners[(position - d + q) % q] === node) return false;
  }
  return true;
}

/** The claims after `joiner`, who is a member in `view` already, has taken its share. */
export function claimsAfterJoin(view: View, joiner: NodeId): Claim[] {
  const { n } = view.parameters;
  const total = view.claims.length;
  const targets = tokenTargets(view.members, total);
  const owners = view.claims.map((claim) => claim.owner);
  if ((targets.get(joiner) ?? 0) === 0) return [...view.claims];
  return changed(view, targets.size <= n ? dealInTurn(targets, total, n) : steal(owners, targets, joiner, n));
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

/** Takes the joiner's share, evenly spread over the ring, from the nodes that have more than theirs. */
function steal(owners: NodeId[], targets: ReadonlyMap<NodeId, number>, joiner: NodeId, n: number): NodeId[] {
  const total = owners.length;
  const surplus = new Map<NodeId, number>();
  for (const owner of owners) surplus.set(owner, (surplus.get(owner) ?? 0) + 1);
  let wanted = targets.get(joiner)! - (surplus.get(joiner) ?? 0);
  for (const [node, count] of surplus) surplus.set(node, count - (targets.get(node) ?? 0));
  const stride = total / Math.max(1, wanted);

  const take = (position: number): void => {
    surplus.set(owners[position]!, surplus.get(owners[position]!)! - 1);
    owners[position] = joiner;
    wanted--;
  };
  const best = (candidates: readonly number[]): number | undefined =>
    candidates
      .filter((position) => owners[position] !== joiner && (surplus.get(owners[position]!) ?? 0) > 0)
      .reduce<number | undefined>(
        (chosen, position) =>
          chosen === undefined || surplus.get(owners[position]!)! > surplus.get(owners[chosen]!)! ? position : chosen,
        undefined,
      );

  // First near the ideal places, then anywhere that keeps the spacing, then anywhere.
  const slack = Math.max(0, Math.floor((stride - n) / 2));
  const places = wanted;
  for (let k = 0; k < places; k++) {
    const ideal = Math.floor(k * stride);
    const near: number[] = [];
    for (let d = -slack; d <= slack; d++) near.push((ideal + d + total) % total);
    const position = best(near.filter((place) => spaced(owners, joiner, place, n)));
    if (position !== undefined) take(position);
  }
  const everywhere = owners.map((_, i) => i);
  while (wanted > 0) {
    const position = best(everywhere.filter((place) => spaced(owners, joiner, place, n))) ?? best(everywhere);
    if (position === undefined) break;
    take(position);
  }
  return owners;
}

/**
 * The claims after `giver` has given away what it has too many; the very same array when there is nothing to give. Only the giver may publish
 * them. It gives when it has more than its share rounded up, or the most while somebody has less than its share rounded down.
 */
export function claimsAfterGiving(view: View, giver: NodeId): readonly Claim[] {
  const total = view.claims.length;
  const takers = view.members.filter((member) => member.capacity > 0);
  const capacity = takers.reduce((sum, member) => sum + member.capacity, 0);
  if (takers.length === 0) return view.claims;
  const share = new Map(takers.map((member) => [member.node, (total * member.capacity) / capacity]));
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
