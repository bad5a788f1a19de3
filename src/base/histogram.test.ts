/** Histograms against a sorted list of all numbers. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BUCKETS_MAX,
  EMPTY_HISTOGRAM,
  Histogram,
  type HistogramData,
  PERCENTILE_ERROR_MAX,
  VALUE_MAX,
} from "./histogram.ts";

const of = (values: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
};
const merged = (...parts: readonly HistogramData[]): HistogramData =>
  parts.reduce((sum, part) => sum.include(part), new Histogram()).data;

/** Small ones, large ones, and powers of two with their neighbours, where buckets begin and end. */
const value = fc.oneof(
  fc.nat(100),
  fc.integer({ min: 0, max: VALUE_MAX }),
  fc
    .tuple(fc.nat(32), fc.integer({ min: -1, max: 1 }))
    .map(([bits, off]) => Math.min(VALUE_MAX, Math.max(0, 2 ** bits + off))),
);
const values = fc.array(value, { maxLength: 200 });

describe("a percentile", () => {
  test("is that of the sorted list, to within the error", () => {
    fc.assert(
      fc.property(values, fc.constantFrom(0, 10, 50, 90, 99, 99.9, 99.99, 100), (list, percent) => {
        const sorted = list.slice().sort((a, b) => a - b);
        const rank = Math.max(1, Math.ceil((Math.round(percent * 1_000) * list.length) / 100_000));
        const exact = sorted[rank - 1] ?? 0;
        const told = of(list).percentile(percent);
        expect(Math.abs(told - exact)).toBeLessThanOrEqual(PERCENTILE_ERROR_MAX * exact);
      }),
    );
  });

  test("the 99.9th of a thousand is the 999th, not the largest", () => {
    const list = Array.from({ length: 1_000 }, (_, i) => (i < 998 ? 10 : i === 998 ? 20 : 30));
    expect(of(list).percentile(99.9)).toBe(20);
    expect(of(list).percentile(99.8)).toBe(10);
    expect(of(list).percentile(100)).toBe(30);
  });

  test("of nothing is 0", () => {
    expect(new Histogram().percentile(99)).toBe(0);
    expect(new Histogram().mean).toBe(0);
  });
});

test("count, sum, mean and maximum are exact", () => {
  fc.assert(
    fc.property(values, (list) => {
      const histogram = of(list);
      const sum = list.reduce((a, b) => a + b, 0);
      expect(histogram.count).toBe(list.length);
      expect(histogram.sum).toBe(sum);
      expect(histogram.max).toBe(Math.max(0, ...list));
      if (list.length > 0) expect(histogram.mean).toBe(sum / list.length);
    }),
  );
});

test("merging is commutative and associative, and the same as counting everything in one", () => {
  fc.assert(
    fc.property(values, values, values, (a, b, c) => {
      const [x, y, z] = [of(a).data, of(b).data, of(c).data];
      expect(merged(x, y)).toEqual(merged(y, x));
      expect(merged(merged(x, y), z)).toEqual(merged(x, merged(y, z)));
      expect(merged(x, y, z)).toEqual(of([...a, ...b, ...c]).data);
      expect(merged(x, EMPTY_HISTOGRAM)).toEqual(x);
    }),
  );
});

test("buckets are bounded and in order, whatever is counted", () => {
  const histogram = of([-5, 0.9, VALUE_MAX, 2 ** 40, Number.POSITIVE_INFINITY]);
  expect(histogram.data).toEqual({
    sum: 3 * VALUE_MAX,
    max: VALUE_MAX,
    buckets: [
      { bucket: 0, count: 2 },
      { bucket: BUCKETS_MAX - 1, count: 3 },
    ],
  });
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map((one) => of([one]).data.buckets[0]!.bucket);
      expect(low).toBeLessThanOrEqual(high!);
      expect(high).toBeLessThan(BUCKETS_MAX);
    }),
  );
});
