/** Keys under one name with one type: encodes and decodes values, reconciles siblings, and writes with the context of the read. */

import type { Bucket, BucketGetResult, BucketOptions, Codec, GetOptions, PutOptions, PutResult, Store } from "./api.ts";
import { utf8Decode, utf8Encode } from "./base/bytes.ts";

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

const WATCH_INTERVAL_MS = 1_000;

/** See `Store.bucket`. */
export function makeBucket<Value>(
  store: Pick<Store, "get" | "put" | "delete">,
  name: string,
  options: BucketOptions<Value>,
): Bucket<Value> {
  const { codec, reconcile, r, w, policy } = options;
  const keyOf = (key: string) => `${name}/${key}`;
  const readDefaults = r === undefined ? {} : { r };
  const writeDefaults = { ...(w === undefined ? {} : { w }), ...(policy === undefined ? {} : { policy }) };

  const bucket: Bucket<Value> = {
    async get(key, given: GetOptions = {}) {
      const got = await store.get(keyOf(key), { ...readDefaults, ...given });
      const live = got.siblings.filter((sibling) => sibling.value !== null);
      const values = live.map((sibling) => codec.decode(sibling.value!));
      let value: Value | undefined = values[0];
      if (values.length > 1) {
        if (policy === "last-write-wins") {
          const newest = live.reduce((best, s) =>
            s.at > best.at || (s.at === best.at && s.operation > best.operation) ? s : best,
          );
          value = values[live.indexOf(newest)];
        } else value = reconcile(values);
      }
      return { ...got, values, value };
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
        const got: BucketGetResult<Value> | undefined = await bucket.get(key, given).catch(() => undefined);
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
