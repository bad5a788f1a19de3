/** What a view of the members says of keys and partitions, in either world. A ring is made once for each view. */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import type { Key } from "../core/identifiers.ts";
import { type Plan, type PlannedChange, planOf } from "../core/membership-plan.ts";
import type { View } from "../core/membership.ts";
import { type PreferenceList, Ring } from "../core/ring.ts";

const rings = new WeakMap<View, Ring>();

function ringOf(view: View): Ring {
  let ring = rings.get(view);
  if (ring === undefined) rings.set(view, (ring = new Ring(view)));
  return ring;
}

export function listIn(view: View | undefined, key: Key): PreferenceList | undefined {
  return view === undefined ? undefined : ringOf(view).preferenceList(partitionOf(positionOf(key), view.claims.length));
}

/** For each partition, in their order; empty without a view. */
export function listsIn(view: View | undefined): readonly PreferenceList[] {
  return view === undefined ? [] : view.claims.map((_, partition) => ringOf(view).preferenceList(partition));
}

/** A newcomer's tokens in placements 1 and 2 are drawn here; it will draw others. */
export function planIn(view: View | undefined, change: PlannedChange): Plan | undefined {
  return view === undefined ? undefined : planOf(view, change, Prng.fromNumber(1));
}
