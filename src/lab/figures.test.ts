import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram } from "../base/histogram.ts";
import type { AdmissionStatus } from "../core/admission.ts";
import {
  SHARES_BACK_MS,
  SHARE_SAMPLES_MAX,
  ShareRecord,
  balanceIn,
  latencyBars,
  liveFigures,
  placeAmong,
} from "./figures.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";

const micros = fc.array(fc.oneof(fc.nat(100), fc.nat(10_000_000)), { maxLength: 200 });
const counted = (values: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
};

describe("bars of latencies", () => {
  test("each number is counted in the bar around it, and bars follow one another", () => {
    fc.assert(
      fc.property(micros, (values) => {
        const bars = latencyBars(counted(values).data);
        for (const { fromMs, toMs, count } of bars)
          expect(count).toBe(values.filter((value) => value / 1_000 >= fromMs && value / 1_000 < toMs).length);
        for (let i = 1; i < bars.length; i++) expect(bars[i]!.fromMs).toBe(bars[i - 1]!.toMs);
        expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
        expect([bars[0]?.count, bars.at(-1)?.count].includes(0)).toBe(false);
      }),
    );
  });

  test("a percentile stands above the bar that it is in", () => {
    fc.assert(
      fc.property(
        micros.filter((values) => values.length > 0),
        fc.constantFrom(50, 99, 99.9),
        (values, percent) => {
          const histogram = counted(values);
          const bars = latencyBars(histogram.data);
          const ms = histogram.percentile(percent) / 1_000;
          const bar = bars[Math.min(bars.length - 1, Math.floor(placeAmong(bars, ms) * bars.length + 1e-9))]!;
          expect(ms).toBeGreaterThanOrEqual(bar.fromMs);
          expect(ms).toBeLessThan(bar.toMs);
        },
      ),
    );
  });
});

describe("a world's figures", () => {
  const world = new SimulatedWorld(defaultLabOptions);
  for (let i = 0; i < 40; i++) {
    const node = ["a", "b"][i % 2]!;
    world.act({ do: "put", node, key: `k/${i % 5}`, value: String(i), context: "none" });
    world.runUntil(world.now + 200);
    world.act({ do: "get", node: "a", key: `k/${i % 5}` });
    world.runUntil(world.now + 200);
  }
  world.runUntil(130_000);
  const answers = world.trace.flatMap(({ event, node }) =>
    event.what === "answered" ? [{ node: node!, values: event.values.length, isGet: event.values.length > 0 }] : [],
  );

  test("of all nodes: as many requests as the trace tells of, and as many versions", () => {
    const { figures, getBars, putBars, nodes } = liveFigures(world, undefined)!;
    expect(nodes).toHaveLength(5);
    expect([figures.gets.requests, figures.puts.requests]).toEqual([40, 40]);
    const total = (bars: readonly { readonly count: number }[]): number =>
      bars.reduce((sum, { count }) => sum + count, 0);
    expect([total(getBars), total(putBars)]).toEqual([40, 40]);
    const seen = [0, 1, 2, 3, 4].map(
      (versions) => answers.filter(({ isGet, values }) => isGet && Math.min(4, values) === versions).length,
    );
    expect(figures.versionsSeen).toEqual(seen);
    expect(seen[4]).toBeGreaterThan(0);
  });

  test("of one node: its own alone; of none that runs: nothing", () => {
    expect(liveFigures(world, world.idOf("b"))?.figures).toMatchObject({
      gets: { requests: 0 },
      puts: { requests: 20 },
    });
    world.act({ do: "crash", node: "e" });
    expect(liveFigures(world, world.idOf("e"))).toBeUndefined();
    expect(liveFigures(world, undefined)?.nodes).toHaveLength(4);
  });

  test("load against the mean: who is off by more than 15 percent", () => {
    const { nodes, outOfBalance } = balanceIn(world);
    const mean = nodes.reduce((sum, { perMinute }) => sum + perMinute, 0) / nodes.length;
    expect(mean).toBeGreaterThan(0);
    for (const { node, perMinute } of nodes)
      expect(outOfBalance.includes(node)).toBe(Math.abs(perMinute / mean - 1) > 0.15);
  });
});

describe("the record of a share", () => {
  const status = (share: number, waiting = 0): AdmissionStatus => ({
    share,
    perSecond: share,
    why: share < 1 ? "disk" : "steady",
    waiting: Array.from({ length: waiting }, () => "scrub" as const),
    granted: 0,
    grantedIdle: 0,
  });

  test("keeps a minute, and each change that was looked at; it is bounded, and goes back with the time", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3_000), fc.constantFrom(0.25, 0.5, 1), fc.nat(2)), { maxLength: 400 }),
        fc.nat(1_000_000),
        (steps, back) => {
          const record = new ShareRecord();
          const all: { at: number; share: number }[] = [];
          let at = 0;
          for (const [span, share, waiting] of steps) {
            at += span;
            record.add(at, status(share, waiting));
            all.push({ at, share });
            expect(record.samples.length).toBeLessThanOrEqual(SHARE_SAMPLES_MAX);
          }
          // At each moment of the last minute that was looked at the line is where the share was.
          if (record.samples.length < SHARE_SAMPLES_MAX)
            for (const { at: then } of all.filter((each) => each.at > at - SHARES_BACK_MS)) {
              const told = record.samples.filter((sample) => sample.at <= then).at(-1);
              expect(told?.share).toBe(all.filter((each) => each.at <= then).at(-1)!.share);
            }
          record.add(back, status(0.125));
          expect(record.samples.at(-1)).toMatchObject({ at: back, share: 0.125 });
          expect(record.samples.every((sample) => sample.at <= back)).toBe(true);
        },
      ),
    );
  });
});
