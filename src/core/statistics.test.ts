/** The figures against plain counting, and the laws of merging. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram } from "../base/histogram.ts";
import type { NodeId } from "./identifiers.ts";
import {
  COUNTED,
  FAILURE_CODES,
  NO_OPERATIONS,
  NO_STATISTICS,
  type OperationStatistics,
  type StatisticsSnapshot,
  VERSIONS_SEEN,
  answeredShare,
  balanceOf,
  figuresOf,
  inTimeShare,
  latencySummary,
  mergeStatistics,
  noCounts,
  versionShares,
} from "./statistics.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const histogram = (values: readonly number[]) => {
  const counted = new Histogram();
  for (const value of values) counted.add(value);
  return counted.data;
};

const count = fc.nat(1_000);
function counts<Name extends string>(names: readonly Name[]): fc.Arbitrary<Record<Name, number>> {
  return fc.array(count, { minLength: names.length, maxLength: names.length }).map((list) => {
    const counted = noCounts(names);
    names.forEach((name, i) => (counted[name] = list[i]!));
    return counted;
  });
}
const operations: fc.Arbitrary<OperationStatistics> = fc.record({
  answered: count,
  failed: counts(FAILURE_CODES),
  timedOut: count,
  latencyMicros: fc.array(fc.nat(10_000_000), { maxLength: 5 }).map(histogram),
  recentMicros: fc.array(fc.nat(10_000_000), { maxLength: 5 }).map(histogram),
});
const snapshot: fc.Arbitrary<StatisticsSnapshot> = fc.record({
  upMs: count,
  gets: operations,
  puts: operations,
  versionsSeen: fc.array(count, { minLength: VERSIONS_SEEN, maxLength: VERSIONS_SEEN }),
  counts: counts(COUNTED),
  minutes: fc.array(fc.record({ requests: count, answered: count, served: count }), { maxLength: 4 }),
  minutesMs: count,
});

test("merging is commutative and associative, and nothing is its neutral", () => {
  fc.assert(
    fc.property(snapshot, snapshot, snapshot, (a, b, c) => {
      expect(mergeStatistics(a, b)).toEqual(mergeStatistics(b, a));
      expect(mergeStatistics(mergeStatistics(a, b), c)).toEqual(mergeStatistics(a, mergeStatistics(b, c)));
      expect(mergeStatistics(a, NO_STATISTICS)).toEqual(a);
      expect(figuresOf(mergeStatistics(a, b)).gets.requests).toBe(
        figuresOf(a).gets.requests + figuresOf(b).gets.requests,
      );
      expect(figuresOf(mergeStatistics(a, b)).gets.latency.count).toBe(
        figuresOf(a).gets.latency.count + figuresOf(b).gets.latency.count,
      );
    }),
  );
});

describe("figures", () => {
  const some = (change: Partial<OperationStatistics>): OperationStatistics => ({ ...NO_OPERATIONS, ...change });
  const failed = (change: Partial<OperationStatistics["failed"]>) => ({ ...NO_OPERATIONS.failed, ...change });

  test("a time-out is not in time, a refusal for too many siblings is an answer", () => {
    const gets = some({ answered: 90, failed: failed({ quorum: 10 }), timedOut: 4 });
    const puts = some({ answered: 95, failed: failed({ "too-many-siblings": 5 }) });
    expect(answeredShare(gets, puts)).toBe(0.95);
    expect(inTimeShare(gets, puts)).toBe(0.98);
    expect(answeredShare(NO_OPERATIONS)).toBeUndefined();
    expect(inTimeShare(NO_OPERATIONS)).toBeUndefined();
  });

  test("shares of gets by the versions that they saw", () => {
    expect(versionShares({ ...NO_STATISTICS, versionsSeen: [1, 97, 1, 1, 0] })).toEqual([0.01, 0.97, 0.01, 0.01, 0]);
    expect(versionShares(NO_STATISTICS)).toEqual([0, 0, 0, 0, 0]);
  });

  test("latencies are told in milliseconds, the slowest thousandth too", () => {
    const summary = latencySummary(histogram(Array.from({ length: 10_000 }, (_, i) => (i < 9_980 ? 2_000 : 300_000))));
    expect(summary.count).toBe(10_000);
    expect(summary.p50Ms).toBeCloseTo(2, 1);
    expect(summary.p99Ms).toBeCloseTo(2, 1);
    expect(Math.abs(summary.p999Ms - 300)).toBeLessThan(0.016 * 300);
    expect(summary.maxMs).toBe(300);
    expect(summary.meanMs).toBeCloseTo(2.596, 9);
  });
});

describe("balance", () => {
  /** Served a minute, in each of the whole minutes that it has run; and something in the minute under way. */
  const load = (n: number, served: number, capacity = 1, minutes = 30) => ({
    node: node(n),
    capacity,
    statistics: {
      ...NO_STATISTICS,
      minutes: Array.from({ length: 1 + minutes }, (_, age) => ({
        requests: 0,
        answered: 0,
        served: age === 0 ? n : served,
      })),
      minutesMs: minutes * 60_000 + 1_000 * n,
    },
  });

  test("a node more than 15 percent off its share is out of it", () => {
    const { nodes, outOfBalance } = balanceOf([load(1, 100), load(2, 114), load(3, 86), load(4, 100)]);
    expect(nodes.map(({ sharePerMinute }) => sharePerMinute)).toEqual([100, 100, 100, 100]);
    expect(nodes.map(({ off }) => Math.round(off * 100))).toEqual([0, 14, -14, 0]);
    expect(outOfBalance).toEqual([]);
    expect(balanceOf([load(1, 100), load(2, 116), load(3, 84), load(4, 100)]).outOfBalance).toEqual([node(2), node(3)]);
  });

  test("a share is by capacity, and a node without capacity has none", () => {
    expect(balanceOf([load(1, 100), load(2, 300, 3), load(3, 900, 0)])).toMatchObject({
      nodes: [
        { perMinute: 100, sharePerMinute: 100 },
        { perMinute: 300, sharePerMinute: 300 },
      ],
      outOfBalance: [],
    });
    expect(balanceOf([load(1, 100), load(2, 100, 3)]).outOfBalance).toEqual([node(1), node(2)]);
  });

  test("a newcomer is measured by the minutes since it came, others by all of theirs; one younger than a minute is not", () => {
    const old = load(1, 10);
    // Before the newcomer came there was little to do.
    const busy = {
      ...old.statistics,
      minutes: old.statistics.minutes.map((m, age) => ({ ...m, served: age < 3 ? 60 : 3 })),
    };
    const { nodes, outOfBalance } = balanceOf([{ ...old, statistics: busy }, load(2, 60, 1, 2), load(3, 999, 1, 0)]);
    expect(nodes).toMatchObject([
      { node: node(1), minutes: 30, perMinute: (2 * 60 + 28 * 3) / 30, off: 0 },
      { node: node(2), minutes: 2, perMinute: 60, sharePerMinute: 60, off: 0 },
    ]);
    expect(outOfBalance).toEqual([]);
  });

  test("where nothing is asked nobody is out of it", () => {
    expect(balanceOf([load(1, 0), load(2, 0)])).toMatchObject({ nodes: [{ off: 0 }, { off: 0 }], outOfBalance: [] });
    expect(balanceOf([])).toEqual({ nodes: [], outOfBalance: [] });
  });
});
