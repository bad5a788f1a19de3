import { expect, test } from "vitest";
import type { PutOptions, PutResult } from "../../src/api.ts";
import { QuorumError, StorageError } from "../../src/core/errors.ts";
import { keptPut } from "./kept-put.ts";

const OPTIONS = { context: undefined, operation: "ab".repeat(16), timeoutMs: 100 };
const RESULT = {} as PutResult;

function storeThat(answers: readonly (PutResult | Error)[]): { puts: PutOptions[]; put: () => Promise<PutResult> } {
  const puts: PutOptions[] = [];
  return {
    puts,
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

test("any other failure is told, and nothing is tried again", async () => {
  const store = storeThat([new StorageError("full")]);
  await expect(keptPut(store, "carts/ada", new Uint8Array(), OPTIONS)).rejects.toThrow(StorageError);
  expect(store.puts).toHaveLength(1);
});
