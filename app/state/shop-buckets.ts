/**
 * The shop's three buckets are the paper's three usage patterns (section 6): carts are reconciled by the business (N, R, W = 3, 2, 2), of sessions the
 * latest by its time stands, and the catalogue is a read engine (R = 1, W = N).
 *
 * Whoever comes first and finds none set sets them for all: the founder may be the server, which knows nothing of shops. Two who come at the same time
 * set the same.
 */

import type { BucketSettings, Store } from "../../src/api.ts";

/** By name, for a cluster with so many replicas. */
export function shopBuckets(n: number): Readonly<Record<string, BucketSettings>> {
  const two = Math.min(2, n);
  return {
    carts: { policy: "siblings", r: two, w: two },
    sessions: { policy: "last-write-wins" },
    catalogue: { policy: "last-write-wins", r: 1, w: n },
  };
}

/** Never rejects: without them the cluster's own defaults apply, and nothing is lost. */
export async function setShopBuckets(store: Pick<Store, "buckets" | "setBucket" | "status">): Promise<void> {
  const n = store.status.parameters?.n;
  if (n === undefined) return;
  const known = new Set(store.buckets().map((bucket) => bucket.name));
  try {
    for (const [name, settings] of Object.entries(shopBuckets(n)))
      if (!known.has(name)) await store.setBucket(name, settings);
  } catch (error) {
    console.warn("The shop's buckets could not be set; the cluster's defaults apply.", error);
  }
}
