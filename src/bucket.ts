/** Keys under one name with one type: encodes and decodes values, reconciles siblings, and writes with the context of the read. */

import type {
  Bucket,
  BucketGetResult,
  BucketOptions,
  Codec,
  GetOptions,
  Merge,
  PutOptions,
  PutResult,
  Store,
} from "./api.ts";
import { utf8Decode, utf8Encode } from "./base/bytes.ts";
import { type BucketPolicy, mergeNameOf } from "./core/buckets.ts";
import type { Sibling } from "./core/dvvset.ts";
import { UnknownMergeError } from "./core/errors.ts";

/** Values as JSON text in UTF-8; what does not parse throws a SyntaxError. */
export function json<Value>(): Codec<Value> {
  return {
    encode: (value) => utf8Encode(JSON.stringify(value)),
    decode: (bytes) => {
      const text = utf8Decode(bytes);
      if (text === undefined) throw new SyntaxError("The value is not UTF-8 and so not JSON.");
      return JSON.parse(text) as Value;
    },
  };
}

/** A merge of values, for `openStore({ merges })`. */
export function mergeOf<Value>(codec: Codec<Value>, reconcile: (siblings: readonly Value[]) => Value): Merge {
  return (siblings) => codec.encode(reconcile(siblings.map((bytes) => codec.decode(bytes))));
}

const WATCH_INTERVAL_MS = 1_000;

/** What a bucket is told from outside about its conflicts. */
export interface BucketRules {
  /** What is set for the bucket of this name, by what this node has heard. */
  policyOf(name: string): BucketPolicy | undefined;
  mergeNamed(merge: string): Merge | undefined;
}

/** See `Store.bucket`. */
export function makeBucket<Value>(
  store: Pick<Store, "get" | "put" | "delete">,
  name: string,
  options: BucketOptions<Value>,
  rules: BucketRules,
): Bucket<Value> {
  const { codec, reconcile, r, w, pr, pw, dw, policy } = options;
  const keyOf = (key: string) => `${name}/${key}`;
  const readDefaults = { ...(r === undefined ? {} : { r }), ...(pr === undefined ? {} : { pr }) };
  const writeDefaults = {
    ...(w === undefined ? {} : { w }),
    ...(pw === undefined ? {} : { pw }),
    ...(dw === undefined ? {} : { dw }),
    ...(policy === undefined ? {} : { policy }),
  };

  /** One value of several siblings. The caller's own word counts first, then what is set for the bucket. */
  const merged = (key: string, live: readonly Sibling[], values: readonly Value[]): Value => {
    const newest = () => values[live.indexOf(latestOf(live))]!;
    if (policy === "last-write-wins") return newest();
    if (reconcile !== undefined) return reconcile(values);
    const set = policy ?? rules.policyOf(name) ?? "siblings";
    if (set === "last-write-wins") return newest();
    const merge = mergeNameOf(set);
    const merging = merge === undefined ? undefined : rules.mergeNamed(merge);
    if (merging === undefined) throw new UnknownMergeError(keyOf(key), live.length, merge);
    return codec.decode(merging(live.map((sibling) => sibling.value!)));
  };

  const bucket: Bucket<Value> = {
    async get(key, given: GetOptions = {}) {
      const got = await store.get(keyOf(key), { ...readDefaults, ...given });
      const live = got.siblings.filter((sibling) => sibling.value !== null);
      const values = live.map((sibling) => codec.decode(sibling.value!));
      return { ...got, values, value: values.length > 1 ? merged(key, live, values) : values[0] };
    },
    put: (key, value, given: PutOptions = {}) =>
      store.put(keyOf(key), codec.encode(value), { ...writeDefaults, ...given }),
    delete: (key, given: PutOptions = {}): Promise<PutResult> =>
      store.delete(keyOf(key), { ...writeDefaults, ...given }),
    async update(key, change, given = {}) {
      const got = await bucket.get(key, given);
      const value = change(got.value);
      return { value, result: await bucket.put(key, value, { ...given, context: got.context }) };
    },
    async *watch(key, given = {}) {
      const { intervalMs = WATCH_INTERVAL_MS, signal } = given;
      let shown: string | undefined;
      const ended = () => signal?.aborted === true;
      while (!ended()) {
        const got: BucketGetResult<Value> | undefined = await bucket.get(key, given).catch((error: unknown) => {
          // That no later look would mend.
          if (error instanceof UnknownMergeError) throw error;
          return undefined;
        });
        if (ended()) return;
        // Nobody answers just now: the next look may find somebody.
        const state = got?.siblings.map((sibling) => sibling.operation).join(" ");
        if (got !== undefined && state !== shown) {
          shown = state;
          yield got;
        }
        await new Promise<void>((resolve) => {
          const end = () => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", end);
            resolve();
          };
          const timer = setTimeout(end, intervalMs);
          signal?.addEventListener("abort", end);
        });
      }
    },
  };
  return bucket;
}

function latestOf(siblings: readonly Sibling[]): Sibling {
  return siblings.reduce((best, s) =>
    s.at > best.at || (s.at === best.at && s.operation > best.operation) ? s : best,
  );
}
