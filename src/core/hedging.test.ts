import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HEDGED_ONE_IN, Hedging, SAVED_MAX } from "./hedging.ts";

describe("the budget", () => {
  test("is never more than one hedge in HEDGED_ONE_IN gets, over any stretch, but for what was saved", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 2_000 }), fc.nat(2_000), (wishes, from) => {
        const hedging = new Hedging(true);
        const hedged = wishes.map((wish) => {
          hedging.earn();
          if (!wish || !hedging.open) return 0;
          hedging.spend();
          return 1;
        });
        const sum = (some: readonly number[]) => some.reduce<number>((a, b) => a + b, 0);
        expect(sum(hedged)).toBeLessThanOrEqual(wishes.length / HEDGED_ONE_IN);
        const later = hedged.slice(from);
        expect(sum(later)).toBeLessThanOrEqual(later.length / HEDGED_ONE_IN + SAVED_MAX);
      }),
    );
  });

  test("is spent when it can be: one in HEDGED_ONE_IN where every get would be hedged", () => {
    const hedging = new Hedging(true);
    let hedged = 0;
    for (let i = 0; i < 100 * HEDGED_ONE_IN; i++) {
      hedging.earn();
      if (!hedging.open) continue;
      hedging.spend();
      hedged++;
    }
    expect(hedged).toBe(100);
  });
});

test("patience is the 99th percentile of its kind, within bounds, and what is asked for as long as too little is known", () => {
  const hedging = new Hedging(true);
  const patience = () => hedging.patienceMs("replica-get", 10, 400, 300);
  expect(patience()).toBe(300);
  for (let i = 0; i < 200; i++) hedging.record("replica-get", 2);
  for (let i = 0; i < 200; i++) hedging.record("replica-put", 5_000);
  expect(patience()).toBe(10);
  for (let i = 0; i < 20; i++) hedging.record("replica-get", 80);
  expect(patience()).toBeGreaterThanOrEqual(80);
  expect(patience()).toBeLessThan(100);
  for (let i = 0; i < 20; i++) hedging.record("replica-get", 3_000);
  expect(patience()).toBe(400);
  expect(hedging.patienceMs("replica-put", 400, 800, 400)).toBe(800);
});
