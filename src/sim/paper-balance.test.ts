/** Figure 8 on fixed seeds: what the paper states, where it is so. */

import { beforeAll, describe, expect, test } from "vitest";
import type { PlacementStrategy } from "../core/config.ts";
import { Ring } from "../core/ring.ts";
import {
  BYTES,
  ENTRIES,
  type Figure8,
  type Point,
  clusterOf,
  efficiencyOf,
  formatFigure8,
  formatImbalance,
  measureFigure8,
  measureImbalance,
  metadataBytes,
  outOfBalance,
  plotOf,
  verdictOf,
} from "./paper-balance.ts";

const SEEDS = 6;

describe("the measure", () => {
  test("efficiency is the mean load over the highest, each partition at its N owners", () => {
    for (const placement of [1, 2, 3] as const) {
      const view = clusterOf(placement, 128, placement === 3 ? 0 : 2, 7);
      const ring = new Ring(view);
      const loads = new Map(view.members.map((member) => [member.node, 0]));
      for (let p = 0; p < 128; p++)
        for (const owner of ring.preferenceList(p).owners) loads.set(owner, loads.get(owner)! + 1);
      const sum = [...loads.values()].reduce((a, b) => a + b);
      expect(sum).toBe(3 * 128);
      expect(efficiencyOf(view)).toBeCloseTo(sum / 30 / Math.max(...loads.values()), 12);
    }
  });

  test("metadata is the tokens, or the claims and their owners, and nothing else", () => {
    // 30 names, how many there are, and for each of 128 partitions which of them and a version.
    expect(metadataBytes(clusterOf(3, 128, 0, 1))).toBe(30 * 16 + 1 + 2 * 128);
    expect(metadataBytes(clusterOf(2, 128, 5, 1))).toBe(30 * 5 * 4);
    // The first of 32 slots lies below 128, and so do all gaps: a byte for each.
    expect(metadataBytes(clusterOf(1, 64, 2, 1))).toBe(30 * 2);
  });

  test("out of balance are those more than 15% from the mean", () => {
    expect(outOfBalance([100, 100, 100, 100])).toBe(0);
    expect(outOfBalance([116, 84, 100, 100])).toBe(0.5);
    expect(outOfBalance([114, 86, 100, 100])).toBe(0);
    expect(outOfBalance([400, 0, 0, 0])).toBe(1);
  });
});

describe("figure 8", () => {
  let figure: Figure8;
  beforeAll(() => {
    figure = measureFigure8(SEEDS);
  });
  const mean = (points: readonly Point[], size: number, placement: PlacementStrategy) =>
    points.find((point) => point.size === size && point.placement === placement)!.efficiency.mean;

  test("strategy 3 is the best at every number of entries, by far", () => {
    expect(verdictOf(figure.byEntries).sizes).toEqual([...ENTRIES]);
    expect(verdictOf(figure.byEntries).strategy3Best).toEqual([...ENTRIES]);
    for (const size of [128, 256, 512, 1_024])
      for (const other of [1, 2] as const)
        expect(mean(figure.byEntries, size, 3)).toBeGreaterThan(0.1 + mean(figure.byEntries, size, other));
  });

  test("strategy 2 is the worst where tokens are so many that they share partitions; else it is like strategy 1", () => {
    for (const size of [2_048, 4_096]) expect(verdictOf(figure.byEntries).strategy2Worst).toContain(size);
    for (const size of [128, 256, 512])
      expect(Math.abs(mean(figure.byEntries, size, 1) - mean(figure.byEntries, size, 2))).toBeLessThan(0.08);
  });

  test("in bytes strategy 2 is the worst and, with four partitions for each node, strategy 3 the best", () => {
    const { strategy2Worst, strategy3Best } = verdictOf(figure.byBytes);
    const enough = BYTES.filter((size) => size >= 768);
    expect(strategy3Best).toEqual(enough);
    for (const size of enough) expect(strategy2Worst).toContain(size);
  });

  test("nothing is larger than its size", () => {
    for (const point of figure.byEntries) expect(point.entries).toBeLessThanOrEqual(point.size);
    for (const point of figure.byBytes) expect(point.bytes).toBeLessThanOrEqual(point.size);
  });

  test("is told with its unit, its spread and the paper's words", () => {
    const text = formatFigure8(figure);
    expect(text).toContain("strategy 3 achieves the best load balancing efficiency");
    expect(text).toContain("strategy 3 is the best: yes, at every size");
    expect(text).toContain("strategy 3 is the best: at 6 of 8 sizes, not at 576, 640");
    expect(text).toMatch(/1024 +T=\d+ 0\.\d{3} \(0\.\d\d-0\.\d\d\)/);
    const plot = plotOf(figure.byBytes);
    expect(plot.join("").match(/3/g)!.length).toBeGreaterThanOrEqual(BYTES.length);
  });
});

test("nodes out of balance: none to speak of in placement 3 with even keys, many in 1 and 2, and most everywhere with skewed ones", () => {
  const rows = measureImbalance(3);
  const row = (placement: PlacementStrategy, keys: "uniform" | "zipf") =>
    rows.find((one) => one.placement === placement && one.keys === keys)!;
  const third = row(3, "uniform");
  expect(third.low.mean).toBeLessThan(0.1);
  // More requests, less chance.
  expect(third.high.mean).toBeLessThan(third.low.mean);
  for (const other of [1, 2] as const) expect(row(other, "uniform").high.mean).toBeGreaterThan(0.1);
  for (const placement of [1, 2, 3] as const) expect(row(placement, "zipf").high.mean).toBeGreaterThan(0.4);
  expect(formatImbalance(rows)).toContain("placement 3, Q=256");
});
