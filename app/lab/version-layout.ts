/** Places the versions of a key on a drawing: time goes down, what knows nothing of each other stands side by side. */

import type { Actor, OperationId } from "../../src/core/identifiers.ts";
import type { VersionGraph } from "../../src/lab/version-graph.ts";

export interface PlacedVersion {
  readonly operation: OperationId;
  readonly row: number;
  readonly column: number;
}

/** Each version is a row below all that it replaced, in the leftmost column that is free there. */
export function layOut({ versions, edges }: VersionGraph): readonly PlacedVersion[] {
  const parents = new Map<OperationId, OperationId[]>();
  for (const { from, to } of edges) parents.set(to, [...(parents.get(to) ?? []), from]);
  const placed = new Map<OperationId, PlacedVersion>();
  const taken = new Set<string>();
  const visit = (operation: OperationId): PlacedVersion => {
    const known = placed.get(operation);
    if (known !== undefined) return known;
    const above = (parents.get(operation) ?? []).map(visit);
    const row = above.reduce((lowest, parent) => Math.max(lowest, parent.row + 1), 0);
    let column = above.reduce((left, parent) => Math.min(left, parent.column), above.length === 0 ? 0 : Infinity);
    while (taken.has(`${row} ${column}`)) column++;
    taken.add(`${row} ${column}`);
    const place = { operation, row, column };
    placed.set(operation, place);
    return place;
  };
  return versions.map(({ operation }) => visit(operation));
}

/** Names of actors: their node's, and a prime more for each further one of the same node, in the order in which they are met. */
export function actorNames(actors: Iterable<Actor>, nodeName: (actor: Actor) => string): ReadonlyMap<Actor, string> {
  const names = new Map<Actor, string>();
  const met = new Map<string, number>();
  for (const actor of actors) {
    if (names.has(actor)) continue;
    const node = nodeName(actor);
    const before = met.get(node) ?? 0;
    met.set(node, before + 1);
    names.set(actor, node + "′".repeat(before));
  }
  return names;
}
