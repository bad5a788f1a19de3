import { expect, test } from "vitest";
import { runInPool } from "./run-pool.ts";
import { runSeed } from "./swarm.ts";

/** Short ones. */
const SEEDS = [5, 25, 8];

test("seeds that run in processes of their own come out as they do in this one", async () => {
  const outcomes = new Map<number, unknown>();
  const orders = SEEDS.map((seed) => ({ seed, options: {}, twice: seed === 5 }));
  await runInPool(orders, 2, ({ outcome, same }) => {
    outcomes.set(outcome.seed, { ...outcome, transcriptHash: undefined });
    return same;
  });
  expect(new Set(outcomes.keys())).toEqual(new Set(SEEDS));
  expect(outcomes.get(5)).toEqual({ ...runSeed(5, { trace: true }), transcriptHash: undefined });
  expect(outcomes.get(8)).toEqual(runSeed(8));
});

test("when somebody has seen enough no more are begun", async () => {
  const seen: number[] = [];
  const orders = Array.from({ length: 50 }, () => ({ seed: 5, options: {}, twice: false }));
  await runInPool(orders, 2, ({ outcome }) => {
    seen.push(outcome.seed);
    return false;
  });
  expect(seen.length).toBeLessThanOrEqual(2);
});

test("a process that ends without an answer is told of", async () => {
  const orders = [{ seed: Number.NaN, options: { without: null as unknown as string[] }, twice: false }];
  await expect(runInPool(orders, 1, () => true)).rejects.toThrow("its process ended with 1");
});
