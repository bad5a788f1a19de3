import { expect, test } from "vitest";
import { SeedRun, runSeed } from "./swarm.ts";

test("seeds hold every invariant", () => {
  for (let seed = 1; seed <= 4; seed++) expect([seed, runSeed(seed).failure]).toEqual([seed, undefined]);
}, 120_000);

test("a seed writes the same transcript each time, and another seed another one", () => {
  const first = runSeed(5, { trace: true });
  expect(first.transcriptHash).toMatch(/^[0-9a-f]{8}$/);
  expect(runSeed(5, { trace: true }).transcriptHash).toBe(first.transcriptHash);
  expect(runSeed(6, { trace: true }).transcriptHash).not.toBe(first.transcriptHash);
  // Tracing itself must not change what happens.
  expect(runSeed(5).events).toBe(first.events);
}, 60_000);

test("what is left out of a fault plan does not happen", () => {
  const whole = runSeed(2);
  expect(whole.faultClasses).toContain("crashes");
  expect(whole.actions.some((action) => action.includes(" crash "))).toBe(true);
  const without = runSeed(2, { without: ["crashes"] });
  expect(without.faultClasses).not.toContain("crashes");
  expect(without.actions.some((action) => action.includes(" crash "))).toBe(false);
  expect(without.actions.length).toBeGreaterThan(0);
  expect(runSeed(2, { dropActions: [0, 1] }).actions).toEqual(whole.actions.slice(2));
}, 60_000);

test("a seed that is stopped now and then, or goes on event by event, is the same seed", () => {
  const whole = runSeed(5, { trace: true });
  const run = new SeedRun(5, { trace: true });
  for (let at = 0; at < 20_000; at += 333) run.runUntil(at);
  expect(run.simulator.now).toBeLessThanOrEqual(20_000);
  for (let i = 0; i < 1_000; i++) expect(run.step()).toBe(true);
  expect(run.isOver).toBe(false);
  expect(run.run()).toEqual(whole);
  expect(run.isOver).toBe(true);
  expect(run.step()).toBe(false);
}, 60_000);
