import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { drawCluster } from "./cluster-plan.ts";
import { faultClasses, drawFaultPlan } from "./fault-plan.ts";
import { alwaysOf, drawFocus, seedsOfTheme, themes } from "./focus.ts";
import { drawWorkload } from "./workload.ts";

function focusOf(seed: number) {
  return drawFocus(seed, drawCluster(Prng.fromNumber(seed)));
}

const focused = Array.from({ length: 500 }, (_, i) => i + 1).flatMap((seed) => focusOf(seed) ?? []);

test("one seed in five is focused, and every theme, with and without an ambush, comes", () => {
  expect(focused).toHaveLength(100);
  for (const theme of themes) {
    const own = focused.filter((focus) => focus.theme === theme);
    expect(own.length).toBeGreaterThan(10);
    expect(own.some((focus) => focus.ambush !== undefined)).toBe(true);
    expect(own.some((focus) => focus.ambush === undefined)).toBe(true);
  }
});

test("a focused world has classes of its theme alone, the first of them always, quorums that meet, and few keys where it needs no more", () => {
  for (const focus of focused) {
    const { theme, classes, plan, hurry } = focus;
    for (const name of alwaysOf(theme)) expect(classes.has(name)).toBe(true);
    for (const name of classes) expect([...alwaysOf(theme), ...theme.maybe]).toContain(name);
    const { n, r, w, partitions } = plan.parameters;
    expect(r + w).toBeGreaterThan(n);
    expect(partitions).toBeGreaterThan(plan.joins.length + 1);
    const workload = focus.narrow(drawWorkload(Prng.fromNumber(n)));
    expect(workload.hotKeys.length + workload.coldKeys.length + workload.sessionKeys.length).toBeLessThanOrEqual(
      theme.keys?.[1] ?? 12,
    );
    const faults = drawFaultPlan(Prng.fromNumber(partitions), 0, 60_000, [], { classes, hurry });
    expect([...faults.classes].sort()).toEqual([...classes].sort());
  }
});

test("in a hurry the same classes come more often", () => {
  const classes = new Set(faultClasses);
  const count = (hurry: number): number =>
    drawFaultPlan(Prng.fromNumber(7), 0, 60_000, [], { classes, hurry }).actions.length;
  expect(count(0.25)).toBeGreaterThan(2 * count(1));
});

test("the same seed has the same focus", () => {
  const [a, b] = [focusOf(4), focusOf(4)];
  expect(a?.theme).toBe(b?.theme);
  expect(a?.plan).toEqual(b?.plan);
  expect(a?.ambush).toEqual(b?.ambush);
});

test("the seeds of a theme are found without drawing any", () => {
  for (const theme of themes) {
    const { first, step } = seedsOfTheme(theme.name, 300);
    expect(first).toBeGreaterThanOrEqual(300);
    expect(first - step).toBeLessThan(300);
    for (const seed of [first, first + step, first + 7 * step]) expect(focusOf(seed)?.theme).toBe(theme);
  }
  expect(seedsOfTheme("joins", 1)).toEqual({ first: 4, step: 45 });
});
