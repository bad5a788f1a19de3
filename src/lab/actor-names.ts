/**
 * Short names of actors for labels: the node's name and a number, in the order in which the node's actors are met, as in `sim/transcript.ts`. A long run
 * meets more of them than anybody wants to remember. Limit: ACTORS_NAMED_MAX; then all are named anew.
 */

import type { Actor, NodeId } from "../core/identifiers.ts";
import { type Names, namesOf } from "../sim/transcript.ts";

export const ACTORS_NAMED_MAX = 10_000;

export function boundedNames(nodeName: (node: NodeId) => string): Names {
  let names = namesOf(nodeName);
  let named = new Set<Actor>();
  return {
    node: nodeName,
    actor: (actor) => {
      if (!named.has(actor) && named.size >= ACTORS_NAMED_MAX) {
        names = namesOf(nodeName);
        named = new Set();
      }
      named.add(actor);
      return names.actor(actor);
    },
  };
}
