/**
 * The hints that are on the disks, from the trace: who keeps which write for whom, since when, and what was tried to give it over (paper, section 4.6).
 *
 * kept: on the keeper's disk; its target was never asked. tried: the target was asked, and the hint is still there: it did not answer, or has not yet. What has
 * left the disk, by an acknowledgement or with the disk, is no hint any more.
 *
 * Limits: those of the trace: what was kept before it began is not here, so there may be fewer than the nodes count.
 */

import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import type { LabNode, TraceRecord } from "./world.ts";

export interface OwedHint {
  readonly keeper: NodeId;
  readonly target: NodeId;
  readonly key: Key;
  /** Since then there has been one without a break. */
  readonly keptAt: Millis;
  /** How often it was sent to the target since, and when last. */
  readonly tries: number;
  readonly triedAt: Millis | undefined;
}

interface Kept extends OwedHint {
  tries: number;
  triedAt: Millis | undefined;
}

/** In the order in which they were kept. `nodes`: disks that are gone have no hints. */
export function hintsOwed(trace: readonly TraceRecord[], nodes: readonly LabNode[]): readonly OwedHint[] {
  const owed = new Map<string, Kept>();
  for (const { at, node, key, event } of trace) {
    if (node === undefined || key === undefined) continue;
    if (event.what === "stored" && event.store === "hints" && event.target !== undefined) {
      const place = `${node} ${event.target} ${key}`;
      if (event.set === undefined) owed.delete(place);
      else if (!owed.has(place))
        owed.set(place, { keeper: node, target: event.target, key, keptAt: at, tries: 0, triedAt: undefined });
    } else if (event.what === "sent" && event.role === "handoff") {
      const hint = owed.get(`${node} ${event.peer} ${key}`);
      if (hint === undefined) continue;
      hint.tries++;
      hint.triedAt = at;
    }
  }
  const lost = new Set(nodes.flatMap(({ id, state }) => (state === "wiped" || state === "gone" ? [id] : [])));
  return [...owed.values()].filter(({ keeper }) => !lost.has(keeper));
}
