/**
 * Groups of nodes that cannot hear each other, as cuts make them, and the acts that make other groups. A one-way cut divides nobody: who can still be heard by
 * somebody of a group, or hears somebody of it, belongs to it. Cut-off groups stand on a shelf below the ring.
 */

import type { LabAct } from "../../src/lab/acts.ts";
import type { LabNode } from "../../src/lab/world.ts";
import { type Point, SIZE } from "./ring-geometry.ts";

export const SHELF_TOP = 628;
export const SHELF_HEIGHT = 112;
const EDGE = 12;

type Node = Pick<LabNode, "id" | "name">;
type Cut = { readonly from: string; readonly to: string };

/** The groups, the largest first (of equals the one with the first node), each in the order of the nodes. */
export function groupsOf<Each extends Node>(
  nodes: readonly Each[],
  cuts: readonly Cut[],
): readonly (readonly Each[])[] {
  const ways = new Set(cuts.map(({ from, to }) => `${from} ${to}`));
  const isApart = (a: Each, b: Each): boolean => ways.has(`${a.id} ${b.id}`) && ways.has(`${b.id} ${a.id}`);
  const left = new Set(nodes);
  const groups: Each[][] = [];
  for (const node of nodes) {
    if (!left.delete(node)) continue;
    const group = [node];
    for (const member of group)
      for (const other of [...left])
        if (!isApart(member, other)) {
          left.delete(other);
          group.push(other);
        }
    groups.push(group.sort((a, b) => nodes.indexOf(a) - nodes.indexOf(b)));
  }
  return groups.sort((a, b) => b.length - a.length || nodes.indexOf(a[0]!) - nodes.indexOf(b[0]!));
}

/**
 * What brings this node into another group: into the ring's, or among those that are cut off, into the group of this place or a new one. One-way cuts stay
 * as they are. Empty when it is there already, or when the ring would be left without a node.
 */
export function actsOfMove<Each extends Node>(
  nodes: readonly Each[],
  cuts: readonly Cut[],
  name: string,
  to: "ring" | number,
): readonly LabAct[] {
  const groups = groupsOf(nodes, cuts).map((group) => group.map((node) => node.name));
  const now = groups.findIndex((group) => group.includes(name));
  const [ring = [], ...shelved] = groups;
  const target = to === "ring" ? 0 : Math.min(to, shelved.length) + 1;
  if (now < 0 || now === target || (now === 0 && ring.length === 1)) return [];
  const next = [ring, ...shelved].map((group) => group.filter((each) => each !== name));
  (next[target] ??= []).push(name);
  const sides = next.filter((group) => group.length > 0);

  const acts: LabAct[] = cuts.length === 0 ? [] : [{ do: "heal" }];
  sides.forEach((side, i) => {
    if (i > 0) acts.push({ do: "cut", side, other: sides.slice(0, i).flat() });
  });
  const nameOf = new Map<string, string>(nodes.map(({ id, name: each }) => [id, each]));
  const sideOf = new Map(sides.flatMap((side, i) => side.map((each) => [each, i] as const)));
  const ways = new Set(cuts.map(({ from, to: heard }) => `${from} ${heard}`));
  for (const cut of cuts) {
    const [from, heard] = [nameOf.get(cut.from), nameOf.get(cut.to)];
    if (from === undefined || heard === undefined || ways.has(`${cut.to} ${cut.from}`)) continue;
    if (sideOf.get(from) === sideOf.get(heard)) acts.push({ do: "cut-one-way", from: [from], to: [heard] });
  }
  return acts;
}

export interface Island<Each> {
  readonly nodes: readonly Each[];
  readonly x: number;
  readonly width: number;
}

/** The shelf in parts: one for each cut-off group, wide as it has nodes; an empty one where there is none. */
export function islandsOf<Each>(groups: readonly (readonly Each[])[]): readonly Island<Each>[] {
  const room = SIZE - 2 * EDGE;
  if (groups.length === 0) return [{ nodes: [], x: EDGE, width: room }];
  const all = groups.reduce((sum, group) => sum + group.length, 0);
  const free = room - EDGE * (groups.length - 1);
  let x = EDGE;
  return groups.map((nodes) => {
    const width = (free * nodes.length) / all;
    const island = { nodes, x, width };
    x += width + EDGE;
    return island;
  });
}

/** Where the nodes of an island stand: in rows, as many as they need. */
export function placesOn<Each>({ nodes, x, width }: Island<Each>, radius: number): readonly Point[] {
  const top = SHELF_TOP + 26;
  const height = SHELF_HEIGHT - 34;
  const perRow = Math.max(1, Math.ceil(nodes.length / Math.max(1, Math.floor(height / (2 * radius + 4)))));
  const columns = Math.max(perRow, Math.min(nodes.length, Math.floor(width / (2 * radius + 12))));
  const rows = Math.max(1, Math.ceil(nodes.length / columns));
  return nodes.map((_, i) => ({
    x: x + (((i % columns) + 0.5) * width) / Math.min(columns, nodes.length),
    y: top + ((Math.floor(i / columns) + 0.5) * height) / rows,
  }));
}

/** Which island is at this place: a point above the shelf is in the ring. */
export function dropAt<Each>(islands: readonly Island<Each>[], { x, y }: Point): "ring" | number {
  if (y < SHELF_TOP) return "ring";
  const at = islands.findIndex((island) => x < island.x + island.width + EDGE / 2);
  return at < 0 ? islands.length - 1 : at;
}
