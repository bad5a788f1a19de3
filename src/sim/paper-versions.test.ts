/** Versions that reads see: what callers saw is what the nodes counted, and every cause makes what it can make and no more. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  POPULATIONS,
  type Population,
  type VersionCounts,
  causeOf,
  causes,
  countVersions,
  formatVersions,
} from "./paper-versions.ts";

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
const several = ({ saw }: VersionCounts): number => sum(saw.slice(1));
const shareOf = (counts: VersionCounts): number => several(counts) / sum(counts.saw);

const arbPopulation: fc.Arbitrary<Population> = fc.record({
  name: fc.constant("drawn"),
  times: fc.constant(1),
  carts: fc.integer({ min: 0, max: 40 }),
  peopleEach: fc.integer({ min: 1, max: 3 }),
  robotCarts: fc.integer({ min: 0, max: 2 }),
  robotsEach: fc.integer({ min: 1, max: 5 }),
  robotShare: fc.constant(1 / 8),
  fails: fc.constantFrom(...POPULATIONS.map(({ fails }) => fails)),
});

test("for any population callers saw what the nodes counted, each read has one cause, and without failures versions come of writers at once alone", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), arbPopulation, (seed, population) => {
      const counts = countVersions(seed, population, 30);
      const { requests, failed, saw, counted, because, ofRobots } = counts;
      expect(counted).toEqual(saw);
      expect(sum(Object.values(because))).toBe(several(counts));
      expect(ofRobots).toBeLessThanOrEqual(several(counts));
      expect(sum(saw)).toBeLessThanOrEqual(requests);
      if (population.fails !== "nothing") return;
      expect(failed).toBe(0);
      expect(because).toEqual({ "at once": several(counts), missed: 0, unanswered: 0 });
      const isAlone = (carts: number, each: number): boolean => carts === 0 || each === 1;
      if (isAlone(population.carts, population.peopleEach)) expect(ofRobots).toBe(several(counts));
      if (isAlone(population.robotCarts, population.robotsEach)) expect(ofRobots).toBe(0);
    }),
    { numRuns: 12 },
  );
});

describe("the populations", () => {
  const of = new Map(POPULATIONS.map((each) => [each.name, countVersions(1, { ...each, times: 1 }, 30)]));
  const [alone, pairs, two, four, eight, crashes, cuts, day] = POPULATIONS.map(({ name }) => of.get(name)!);

  test("who writes alone sees one version, two people rarely two", () => {
    expect(shareOf(alone!)).toBe(0);
    expect(shareOf(pairs!)).toBeGreaterThan(0.005);
    expect(shareOf(pairs!)).toBeLessThan(0.1);
    expect(pairs!.saw.slice(2)).toEqual([0, 0]);
  });

  test("the more robots write a cart at once, the more versions there are", () => {
    const mean = ({ saw }: VersionCounts): number => sum(saw.map((count, i) => count * (i + 1))) / sum(saw);
    expect(shareOf(two!)).toBeGreaterThan(0.2);
    expect(mean(four!)).toBeGreaterThan(mean(two!) + 0.2);
    expect(mean(eight!)).toBeGreaterThan(mean(four!) + 0.2);
    expect(two!.saw.slice(2)).toEqual([0, 0]);
    expect(four!.saw[3]!).toBeGreaterThan(0);
  });

  test("failures make far fewer than robots do, as the paper says", () => {
    for (const failing of [crashes!, cuts!]) {
      expect(failing.because["at once"]).toBe(0);
      expect(shareOf(failing)).toBeLessThan(shareOf(two!) / 20);
    }
    expect(day!.ofRobots).toBeGreaterThan(0);
    expect(day!.saw[0]! / sum(day!.saw)).toBeGreaterThan(0.9);
  });

  test("the same seed gives the same figures", () => {
    expect(countVersions(1, { ...POPULATIONS[1]!, times: 1 }, 30)).toEqual(pairs);
    const told = formatVersions({ seed: 1, seconds: 30, counts: [...of.values()] });
    for (const { name } of POPULATIONS) expect(told).toContain(name);
  });
});

test("a cause is told by when writers had read and when they had their answers", () => {
  const written = (readAt: number, doneAt: number | undefined) => ({ readAt, doneAt });
  expect(causeOf(written(0, 10), written(5, 15))).toBe("at once");
  expect(causeOf(written(0, 10), written(2, 4))).toBe("at once");
  expect(causeOf(written(0, 10), written(11, 15))).toBe("missed");
  expect(causeOf(written(0, 10), written(5, undefined))).toBe("unanswered");
  fc.assert(
    fc.property(fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(20), (a, b, c, d) => {
      const [one, other] = [written(a, a + b + 1), written(c, c + d + 1)];
      expect(causeOf(one, other)).toBe(causeOf(other, one));
      const overlap = Math.min(one.doneAt!, other.doneAt!) > Math.max(a, c);
      expect(causeOf(one, other)).toBe(overlap ? "at once" : "missed");
      expect(causes).toContain(causeOf(one, other));
    }),
  );
});
