import { expect, test } from "vitest";
import type { GetResult, PutOptions, PutResult, Store, StoreStatus } from "../../src/api.ts";
import { SalesRecords } from "./sales-records.ts";

/** A store of one replica that keeps a value beside others unless the put has seen them: the context is the list of what was read. */
class OneReplica implements Pick<Store, "get" | "put" | "status"> {
  readonly status = { members: 1, reachable: 1 } as StoreStatus;
  readonly #values = new Map<string, readonly Uint8Array[]>();
  #contexts: (readonly Uint8Array[])[] = [];

  get(key: string): Promise<GetResult> {
    const values = this.#values.get(key) ?? [];
    this.#contexts.push(values);
    return Promise.resolve({ values, context: new Uint8Array([this.#contexts.length - 1]) } as unknown as GetResult);
  }

  put(key: string, value: Uint8Array, { context }: PutOptions = {}): Promise<PutResult> {
    const seen = this.#contexts[context?.[0] ?? -1] ?? [];
    const kept = (this.#values.get(key) ?? []).filter((one) => !seen.includes(one));
    this.#values.set(key, [...kept, value]);
    return Promise.resolve({} as PutResult);
  }
}

test("concurrent sales of two pages add up, and the list has what was sold", async () => {
  const store = new OneReplica();
  const { signal } = new AbortController();
  const [ada, bob] = [new SalesRecords(store, signal), new SalesRecords(store, signal)];
  await Promise.all([ada.add("emma", 2), bob.add("emma", 3), bob.add("walden", 1)]);
  await ada.add("emma", 1);
  expect(new Map(await bob.all())).toEqual(new Map([["emma", 6], ["walden", 1]])); // prettier-ignore
});
