/** A bucket's view of its keys: whose word counts when there are siblings, and what is passed on to the store. */

import { describe, expect, test } from "vitest";
import type { BucketOptions, GetOptions, GetResult, Merge, PutOptions, PutResult } from "./api.ts";
import { json, makeBucket, mergeOf } from "./bucket.ts";
import { utf8Encode } from "./base/bytes.ts";
import type { BucketPolicy } from "./core/buckets.ts";
import type { Sibling } from "./core/dvvset.ts";
import { UnknownMergeError } from "./core/errors.ts";
import type { OperationId } from "./core/identifiers.ts";

type Numbers = number[];
const codec = json<Numbers>();
const union = (siblings: readonly Numbers[]): Numbers => [...new Set(siblings.flat())].sort((a, b) => a - b);
const first = (siblings: readonly Numbers[]): Numbers => siblings[0]!;

/** A store that has these values as siblings of every key, each later than the one before. */
function world(values: readonly (Numbers | null)[], set?: BucketPolicy, merges: Record<string, Merge> = {}) {
  const asked: { key: string; options: GetOptions | PutOptions }[] = [];
  const siblings = values.map((value, i): Sibling => ({
    dots: [],
    operation: String(i).padStart(32, "0") as OperationId,
    at: i,
    value: value === null ? null : codec.encode(value),
    checksum: 0,
  }));
  const context = utf8Encode("seen");
  const store = {
    get: async (key: string | Uint8Array, options: GetOptions = {}) => {
      asked.push({ key: String(key), options });
      return Promise.resolve({ siblings, context, clock: [], values: [] } as unknown as GetResult);
    },
    put: async (key: string | Uint8Array, _: Uint8Array, options: PutOptions = {}) => {
      asked.push({ key: String(key), options });
      return Promise.resolve({} as PutResult);
    },
    delete: async () => Promise.resolve({} as PutResult),
  };
  const bucket = (options: Partial<BucketOptions<Numbers>> = {}) =>
    makeBucket<Numbers>(
      store,
      "carts",
      { codec, ...options },
      { policyOf: () => set, mergeNamed: (name) => merges[name] },
    );
  return { asked, bucket };
}

describe("of several siblings the one value is", () => {
  const values = [[3], [1], [2], null];
  const value = async (set: BucketPolicy | undefined, options: Partial<BucketOptions<Numbers>> = {}) =>
    (
      await world(values, set, { union: mergeOf(codec, union) })
        .bucket(options)
        .get("ada")
    ).value;

  test("what the store's merge of the bucket's name makes of them", async () => {
    expect(await value("merge:union")).toEqual([1, 2, 3]);
  });

  test("the latest, where the last write wins", async () => {
    expect(await value("last-write-wins")).toEqual([2]);
    expect(await value(undefined, { policy: "last-write-wins", reconcile: first })).toEqual([2]);
  });

  test("what the caller's own reconciler says, whatever is set for the bucket", async () => {
    for (const set of [undefined, "siblings", "last-write-wins", "merge:union"] as const)
      expect(await value(set, { reconcile: first })).toEqual([3]);
  });

  test("none, by name, when nobody says how: and they can all still be read", async () => {
    const { bucket } = world(values, "merge:newest");
    const refused: unknown = await bucket()
      .get("ada")
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UnknownMergeError);
    expect(refused).toMatchObject({ code: "unknown-merge", merge: "newest" });
    expect((refused as Error).message).toMatch(
      /carts\/ada has 3 siblings.*"newest".*Nothing is lost.*merges: \{ "newest"/,
    );
    await expect(world(values, "siblings").bucket().get("ada")).rejects.toThrow(/give `bucket` a `reconcile`/);
    await expect(bucket().update("ada", () => [9])).rejects.toBeInstanceOf(UnknownMergeError);
    await expect(bucket().watch("ada")[Symbol.asyncIterator]().next()).rejects.toBeInstanceOf(UnknownMergeError);
  });

  test("no question, where there is one or none", async () => {
    expect(
      (
        await world([[7], null], "merge:newest")
          .bucket()
          .get("ada")
      ).value,
    ).toEqual([7]);
    expect((await world([null], "merge:newest").bucket().get("ada")).value).toBeUndefined();
  });
});

test("only what the caller has said goes along, so that the bucket's own defaults apply to the rest", async () => {
  const { asked, bucket } = world([[1]]);
  await bucket().get("ada");
  await bucket().put("ada", [2]);
  await bucket({ r: 1, pr: 1, w: 2, pw: 2, policy: "siblings" }).update("ada", () => [3]);
  expect(asked).toEqual([
    { key: "carts/ada", options: {} },
    { key: "carts/ada", options: {} },
    { key: "carts/ada", options: { r: 1, pr: 1 } },
    { key: "carts/ada", options: { w: 2, pw: 2, policy: "siblings", context: utf8Encode("seen") } },
  ]);
});
