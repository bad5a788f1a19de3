/**
 * The paper's cart merge (section 4.4): the union of the items, each in the largest quantity that a sibling has. An "add to cart" is never lost
 * as a whole, but nobody can tell "removed here" from "not yet added here", so a removed item comes back, a lowered quantity goes up again,
 * and of two concurrent additions of the same item only the larger counts.
 */

import { sortedMap, type Quantities } from "./quantities.ts";
import { pairwise, type Reconcile } from "./strategy.ts";

export const unionCart: Reconcile<Quantities> = pairwise((a, b) => {
  const union = new Map(a);
  for (const [item, copies] of b) union.set(item, Math.max(copies, union.get(item) ?? 0));
  return sortedMap(union);
});
