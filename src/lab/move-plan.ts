/**
 * What an operator who moves tokens for the sake of load would do now: which tokens change places, what each node has to do before and after, and what has to
 * be copied (`core/load-plan.ts` finds the swaps). Pure: a world in, a plan out; nothing is sent, unlike a real operator's question to the holders.
 *
 * The demand is what callers have asked for in the last minute, as the trace tells it. Limit: what the trace has let go of is not counted.
 */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { type LoadPlan, planForLoad } from "../core/load-plan.ts";
import { type Plan, planOf } from "../core/membership-plan.ts";
import type { LabWorld } from "./world.ts";

const LOOKS_BACK_MS: Millis = 60_000;
const SPAN_MS_MIN: Millis = 1_000;

export interface MovePlan extends LoadPlan {
  readonly plan: Plan;
  /** Requests that were looked at. */
  readonly requests: number;
  /** In which they were asked. */
  readonly spanMs: Millis;
}

/** As `node` sees the ring, loads in requests a second; undefined when it does not run, or has met nobody. Without swaps where the load is even, and in placements 1 and 2. */
export function movePlanAt(world: LabWorld, node: NodeId): MovePlan | undefined {
  const seen = world.viewOf(node);
  if (seen?.view === undefined) return undefined;
  const { view } = seen;
  const from = Math.max(world.now - LOOKS_BACK_MS, world.trace[0]?.at ?? world.now);
  const demand = view.claims.map(() => 0);
  let requests = 0;
  for (const { at, key, event } of world.trace) {
    if (event.what !== "asked" || key === undefined || at < from) continue;
    demand[partitionOf(positionOf(key), demand.length)]! += 1;
    requests++;
  }
  const { swaps, load } = planForLoad(view, demand, new Set(seen.slowByMost));
  const spanMs = Math.max(SPAN_MS_MIN, world.now - from);
  const perSecond = (count: number): number => (1_000 * count) / spanMs;
  return {
    swaps,
    load: load.map((each) => ({ node: each.node, before: perSecond(each.before), after: perSecond(each.after) })),
    plan: planOf(view, { kind: "move", swaps }, Prng.fromNumber(0)),
    requests,
    spanMs,
  };
}
