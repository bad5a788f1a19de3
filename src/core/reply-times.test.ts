import fc from "fast-check";
import { expect, test } from "vitest";
import { ReplyTimes, SAMPLES_MIN, WEIGHT_MAX } from "./reply-times.ts";

const times = (samples: readonly number[]): ReplyTimes => {
  const made = new ReplyTimes();
  for (const sample of samples) made.record(sample);
  return made;
};

test("nothing is said of too few samples", () => {
  expect(times(Array<number>(SAMPLES_MIN - 1).fill(5)).percentile(0.99)).toBeUndefined();
  expect(times(Array<number>(SAMPLES_MIN).fill(5)).percentile(0.99)).toBeGreaterThanOrEqual(5);
});

test("a percentile is the one of the sorted samples, at most a fifth too high", () => {
  const samples = fc.array(fc.double({ min: 1, max: 40_000, noNaN: true }), {
    minLength: SAMPLES_MIN,
    maxLength: WEIGHT_MAX - 1,
  });
  fc.assert(
    fc.property(samples, fc.constantFrom(0.5, 0.9, 0.99, 1), (all, share) => {
      const naive = all.toSorted((a, b) => a - b)[Math.ceil(share * all.length) - 1]!;
      const found = times(all).percentile(share)!;
      expect(found).toBeGreaterThanOrEqual(naive);
      expect(found).toBeLessThan(1.2 * naive);
    }),
  );
});

test("what is older weighs less: a slow hour is forgotten after a few thousand replies", () => {
  const node = times(Array<number>(5_000).fill(900));
  expect(node.percentile(0.99)).toBeGreaterThanOrEqual(900);
  for (let i = 0; i < 10_000; i++) node.record(4);
  expect(node.percentile(0.99)).toBeLessThan(5);
  expect(node.weight).toBeLessThan(WEIGHT_MAX);
});

test("the memory does not grow, whatever is recorded", () => {
  const node = times([-3, 0, 1e9, Infinity, ...Array.from({ length: 3_000 }, (_, i) => i)]);
  expect(node.memory).toHaveLength(64);
  expect((node.memory as number[]).reduce((a, b) => a + b)).toBe(node.weight);
});
