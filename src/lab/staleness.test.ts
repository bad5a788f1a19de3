import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultLabOptions } from "./options.ts";
import { verdictOf } from "./quorum-math.ts";
import { type MeasurementPlan, Measurement, type Surroundings, predict } from "./staleness.ts";

const even = (nodes: number): Surroundings => ({
  latencyMs: { min: 20, max: 60 },
  jitterMs: 10,
  slowness: new Array<number>(nodes).fill(1),
});
const choices = fc
  .integer({ min: 1, max: 5 })
  .chain((n) => fc.record({ n: fc.constant(n), r: fc.integer({ min: 1, max: n }), w: fc.integer({ min: 1, max: n }) }));
const places = fc.constantFrom("apart" as const, "owners" as const);

describe("the model", () => {
  test("never misses a write where reads and writes overlap, whatever the delays", () => {
    fc.assert(
      fc.property(
        choices,
        places,
        fc.nat(),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 5, maxLength: 7 }),
        (choice, coordinators, seed, slowness) => {
          fc.pre(verdictOf(choice, slowness.length).overlaps);
          const { stale } = predict(choice, { ...even(5), slowness }, { waitMs: 0, trials: 200, seed, coordinators });
          expect(stale).toBe(0);
        },
      ),
    );
  });

  test("misses less the longer one waits, and nothing once every message is there", () => {
    const wide = { ...even(5), latencyMs: { min: 1, max: 100 } };
    for (const coordinators of ["apart", "owners"] as const) {
      const rates = [0, 10, 25, 60, 200].map(
        (waitMs) => predict({ n: 3, r: 1, w: 1 }, wide, { waitMs, trials: 20_000, seed: 4, coordinators }).stale,
      );
      expect(rates[0]).toBeGreaterThan(0);
      for (let i = 1; i < rates.length; i++) expect(rates[i]!).toBeLessThanOrEqual(rates[i - 1]! + 100);
      expect(rates.at(-1)).toBe(0);
    }
  });

  test("with coordinators apart, no delays make more of it than the chance by counting", () => {
    fc.assert(
      fc.property(choices, fc.nat(), (choice, seed) => {
        const { stale, trials } = predict(choice, even(7), { waitMs: 0, trials: 2_000, seed, coordinators: "apart" });
        // Three standard deviations of 2000 trials.
        expect(stale / trials).toBeLessThanOrEqual(verdictOf(choice, 7).missChance + 0.034);
      }),
    );
  });

  test("with coordinators among the owners it may be more: two callers at two owners each ask themselves first", () => {
    const options = { waitMs: 0, trials: 500, seed: 2, coordinators: "owners" } as const;
    const choice = { n: 3, r: 1, w: 1 };
    expect(predict(choice, even(3), options).stale).toBe(500);
    expect(verdictOf(choice, 3).missChance).toBeCloseTo(2 / 3, 12);
  });

  test("an equal seed predicts equally", () => {
    const once = () =>
      predict({ n: 3, r: 1, w: 1 }, even(5), { waitMs: 5, trials: 500, seed: 9, coordinators: "apart" });
    expect(once()).toEqual(once());
  });
});

function measure(change: Partial<MeasurementPlan>, { r, w }: { readonly r: number; readonly w: number }) {
  const options = { ...defaultLabOptions, parameters: { ...defaultLabOptions.parameters, n: 3, r, w } };
  const measurement = new Measurement({ options, slowness: [], waitMs: 0, trials: 60, ...change });
  while (measurement.next());
  return measurement.measured;
}

describe("the measurement", () => {
  test("of overlapping quorums on a healthy network finds no stale read", () => {
    for (const [r, w] of [
      [2, 2],
      [1, 3],
      [3, 1],
    ] as const)
      expect(measure({}, { r, w })).toEqual({ trials: 60, stale: 0, failed: 0, isOver: true });
  });

  test("of R = W = 1 with slow replicas finds some, and none after a long wait", () => {
    const slowness = ["b", "d"].map((node) => ({ node, factor: 3 }));
    const found = measure({ slowness }, { r: 1, w: 1 });
    expect(found.stale).toBeGreaterThan(5);
    expect(found.stale).toBeLessThan(found.trials);
    expect(measure({ slowness, waitMs: 3_000, trials: 30 }, { r: 1, w: 1 }).stale).toBe(0);
  });

  test("on a healthy network comes near what the model says of coordinators among the owners", () => {
    const trials = 400;
    const found = measure({ trials }, { r: 1, w: 1 });
    const said = predict({ n: 3, r: 1, w: 1 }, even(5), { waitMs: 0, trials: 20_000, seed: 1, coordinators: "owners" });
    expect(found.failed).toBe(0);
    expect(Math.abs(found.stale / found.trials - said.stale / said.trials)).toBeLessThan(0.1);
    expect(found.stale).toBeGreaterThan(0);
  });

  test("is the same again from the same seed, and trials that nobody answered are left out", () => {
    expect(measure({}, { r: 1, w: 1 })).toEqual(measure({}, { r: 1, w: 1 }));
    // With messages that take far longer than a request may, nobody can make a quorum of three.
    const slowness = ["a", "b", "c", "d", "e"].map((node) => ({ node, factor: 1_000 }));
    const { failed, trials } = measure({ slowness, trials: 5 }, { r: 3, w: 3 });
    expect([failed > 0, failed + trials]).toEqual([true, 5]);
  });
});
