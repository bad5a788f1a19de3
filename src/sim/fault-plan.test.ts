import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { describeFault, drawFaultPlan, faultClasses } from "./fault-plan.ts";

const plans = Array.from({ length: 400 }, (_, i) => drawFaultPlan(Prng.fromNumber(i + 1), 5_000, 60_000));

test("each class is on in about half of the seeds", () => {
  for (const name of faultClasses) {
    const on = plans.filter((plan) => plan.classes.has(name)).length;
    expect([name, on > 140 && on < 260]).toEqual([name, true]);
  }
});

test("faults come between the beginning and the end, in the order of time; the end waits for a sleeping computer", () => {
  for (const { actions, endsAt, classes } of plans) {
    expect(endsAt === 60_000).toBe(!classes.has("suspends"));
    let last = 5_000;
    for (const { at } of actions) {
      expect(at >= last && at < endsAt).toBe(true);
      last = at;
    }
  }
});

test("a class that is left out brings nothing, and changes nothing about the others", () => {
  const whole = drawFaultPlan(Prng.fromNumber(7), 5_000, 60_000);
  const lines = whole.actions.map(describeFault);
  expect(lines.length).toBeGreaterThan(3);
  for (const name of whole.classes) {
    if (name === "suspends") continue;
    const plan = drawFaultPlan(Prng.fromNumber(7), 5_000, 60_000, [name]);
    expect(plan.classes.has(name)).toBe(false);
    expect(lines).toEqual(expect.arrayContaining(plan.actions.map(describeFault)));
  }
});
