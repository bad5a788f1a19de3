import { expect, test, vi } from "vitest";
import type { BucketEntry, BucketSettings, StoreStatus } from "../../src/api.ts";
import { setShopBuckets, shopBuckets } from "./shop-buckets.ts";

function storeOf(n: number | undefined, known: readonly string[] = [], failure?: Error) {
  const set: [string, BucketSettings][] = [];
  return {
    set,
    status: { parameters: n === undefined ? undefined : { n, r: 1, w: 1, partitions: 256 } } as StoreStatus,
    buckets: () => known.map((name) => ({ name }) as BucketEntry),
    setBucket: (name: string, settings: BucketSettings) => {
      set.push([name, settings]);
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
  };
}

test("the first tab sets the paper's three usage patterns, whatever n is", async () => {
  for (const n of [1, 2, 3, 5]) {
    const store = storeOf(n);
    await setShopBuckets(store);
    expect(Object.fromEntries(store.set)).toEqual(shopBuckets(n));
    for (const [, { r = 1, w = 1 }] of store.set) expect(Math.max(r, w)).toBeLessThanOrEqual(n);
  }
});

test("what somebody has set stays as it is", async () => {
  const store = storeOf(3, ["carts", "catalogue"]);
  await setShopBuckets(store);
  expect(store.set.map(([name]) => name)).toEqual(["sessions"]);
});

test("a shop without buckets is a shop", async () => {
  const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
  await setShopBuckets(storeOf(3, [], new Error("closed")));
  expect(warned).toHaveBeenCalledTimes(1);
  warned.mockRestore();
  const early = storeOf(undefined);
  await setShopBuckets(early);
  expect(early.set).toEqual([]);
});
