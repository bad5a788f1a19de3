import { expect, test } from "vitest";
import type { PutOptions, PutResult, StoreStatus } from "../../src/api.ts";
import { QuorumError, StorageError } from "../../src/core/errors.ts";
import { enoughAnswer, keptPut } from "./kept-put.ts";

const OPTIONS = { context: undefined, operation: "ab".repeat(16), timeoutMs: 100 };
const RESULT = {} as PutResult;

function storeThat(
  answers: readonly (PutResult | Error)[],
  reachable = 3,
): { puts: PutOptions[]; status: StoreStatus; put: () => Promise<PutResult> } {
  const puts: PutOptions[] = [];
  return {
    puts,
    status: { members: 3, reachable, parameters: { n: 3, r: 2, w: 2, partitions: 256 } } as StoreStatus,
    put: (...[, , options]: [string?, Uint8Array?, PutOptions?]) => {
      const answer = answers[puts.length]!;
      puts.push(options ?? {});
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

test("a confirmed put is put once, with the cluster's w", async () => {
  const store = storeThat([RESULT]);
  expect(await keptPut(store, "carts/ada", new Uint8Array(), OPTIONS)).toEqual({ result: RESULT, confirmed: true });
  expect(store.puts).toHaveLength(1);
  expect(store.puts[0]).not.toHaveProperty("w");
});

test("when fewer than w answer it is put again with w = 1, as the same operation", async () => {
  const store = storeThat([new QuorumError("put", 2, ["a"], ["b"]), RESULT]);
  expect(await keptPut(store, "carts/ada", new Uint8Array(), OPTIONS)).toEqual({ result: RESULT, confirmed: false });
  expect(store.puts[1]).toMatchObject({ w: 1, operation: OPTIONS.operation });
  expect(store.puts[0]?.operation).toBe(OPTIONS.operation);
});

test("a node that knows itself to be alone does not wait for others first", async () => {
  const store = storeThat([RESULT], 1);
  expect((await keptPut(store, "carts/ada", new Uint8Array(), OPTIONS)).confirmed).toBe(false);
  expect(store.puts).toHaveLength(1);
  expect(store.puts[0]).toMatchObject({ w: 1 });
});

test("in a cluster of one, one is as many as there are", () => {
  const status = { members: 1, reachable: 1 } as StoreStatus;
  expect(enoughAnswer(status, 2)).toBe(true);
  expect(enoughAnswer({ ...status, members: 3 }, 2)).toBe(false);
});

test("any other failure is told, and nothing is tried again", async () => {
  const store = storeThat([new StorageError("full")]);
  await expect(keptPut(store, "carts/ada", new Uint8Array(), OPTIONS)).rejects.toThrow(StorageError);
  expect(store.puts).toHaveLength(1);
});
