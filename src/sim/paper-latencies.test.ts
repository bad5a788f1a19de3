/** What figure 4 of the paper shows, on short days: latencies that follow the rate, because of queues and of nothing else. */

import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import {
  HOURS,
  PARTS_OF_DAY,
  PART_HOURS,
  type PartOfDay,
  armTurn,
  formatLatencies,
  serveDays,
  worlds,
} from "./paper-latencies.ts";

const DAY_MS = 60_000;
const [waved, even, quarter] = worlds.map((world) => serveDays(1, world, 1, DAY_MS));
const nights = HOURS.slice(0, PART_HOURS);
const noons = HOURS.slice(3 * PART_HOURS, 4 * PART_HOURS);
const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

/** How much longer requests of one kind take about noon than in the early morning, in the mean. Before that memory is cold. */
function wave(parts: readonly PartOfDay[], of: "reads" | "writes"): number {
  return parts[3]![of].meanMs / parts[1]![of].meanMs;
}

test("the rate follows the hour of the day, every request is answered and counts once", () => {
  const [night, noon] = [waved!.parts[0]!, waved!.parts[3]!];
  expect(noon.perSecond / night.perSecond).toBeCloseTo(sum(noons) / sum(nights), 0);
  const rates = even!.parts.map(({ perSecond }) => perSecond);
  expect(Math.max(...rates)).toBeLessThan(1.25 * Math.min(...rates));
  for (const { failed, parts, byHour } of [waved!, even!, quarter!]) {
    expect(failed).toBe(0);
    expect(parts).toHaveLength(PARTS_OF_DAY);
    // Of one day they are the same.
    expect(byHour).toEqual(parts);
    const [reads, writes] = [parts.map((part) => part.reads.requests), parts.map((part) => part.writes.requests)];
    expect(Math.abs(sum(reads) - sum(writes))).toBeLessThan(20);
  }
});

test("by day requests take longer than at night, writes longer than reads", () => {
  for (const of of ["reads", "writes"] as const) expect(wave(waved!.parts, of)).toBeGreaterThan(1.12);
  for (const { reads, writes } of waved!.parts) expect(writes.meanMs).toBeGreaterThan(reads.meanMs);
  for (const { p999Ms, meanMs } of [waved!.parts[3]!.reads, waved!.parts[3]!.writes])
    expect(p999Ms).toBeGreaterThan(3 * meanMs);
});

test("without a wave in the rate, or without work that waits, there is none in the latencies", () => {
  for (const of of ["reads", "writes"] as const)
    for (const { parts } of [even!, quarter!]) {
      expect(Math.abs(wave(parts, of) - 1)).toBeLessThan(0.1);
      expect(wave(parts, of)).toBeLessThan(wave(waved!.parts, of));
    }
});

test("the same hours of several days are taken together", () => {
  const { parts, byHour } = serveDays(1, "a quarter of the load", 2, DAY_MS);
  expect(parts).toHaveLength(2 * PARTS_OF_DAY);
  byHour.forEach(({ fromHour, reads, writes }, i) => {
    const same = parts.filter((part) => part.fromHour === fromHour);
    expect(same).toEqual([parts[i], parts[i + PARTS_OF_DAY]]);
    for (const [all, each] of [
      [reads, same.map((part) => part.reads)],
      [writes, same.map((part) => part.writes)],
    ] as const) {
      expect(all.requests).toBe(sum(each.map(({ requests }) => requests)));
      const means = each.map(({ meanMs }) => meanMs);
      expect(all.meanMs).toBeGreaterThanOrEqual(Math.min(...means) - 0.1);
      expect(all.meanMs).toBeLessThanOrEqual(Math.max(...means) + 0.1);
    }
  });
});

test("the same seed gives the same figures, another one others", () => {
  expect(serveDays(1, "a quarter of the load", 1, DAY_MS)).toEqual(quarter);
  expect(serveDays(2, "a quarter of the load", 1, DAY_MS)).not.toEqual(quarter);
  const told = formatLatencies({
    seed: 1,
    dayMs: DAY_MS,
    partHours: PART_HOURS,
    served: waved!,
    controls: [even!, quarter!],
  });
  expect(told.split("\n").filter((line) => line.startsWith("12 to 16 h"))).toHaveLength(3);
});

test("the arm of a disk is what is said of it", () => {
  const prng = Prng.fromNumber(1);
  const turns = Array.from({ length: 20_000 }, () => armTurn(prng));
  expect(Math.min(...turns)).toBeGreaterThanOrEqual(5);
  expect(Math.max(...turns)).toBeLessThanOrEqual(180);
  expect(turns.filter((ms) => ms > 15 && ms < 60)).toEqual([]);
  expect(turns.filter((ms) => ms >= 60).length / turns.length).toBeCloseTo(1 / 200, 2);
});
