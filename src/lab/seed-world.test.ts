import { describe, expect, test } from "vitest";
import type { Key } from "../core/identifiers.ts";
import { runSeed } from "../sim/swarm.ts";
import { SeedWorld } from "./seed-world.ts";
import { LabError } from "./world.ts";

/** A small one: some 2,500 events. */
const SEED = 5;

describe("a seed of the swarm in the lab", () => {
  test("is the seed that the simulator runs, to its verdict", () => {
    const outcome = runSeed(SEED);
    const world = new SeedWorld({ seed: SEED, without: [] });
    world.runUntil(Infinity);
    expect(world.isOver).toBe(true);
    expect(world.failure).toEqual(outcome.failure);
    expect(world.now).toBe(outcome.simulatedMs);
    expect(world.nodes.filter(({ isLight }) => !isLight)).toHaveLength(outcome.nodes);
    expect(world.trace.at(-1)).toMatchObject({ label: "the verdict: all invariants held", event: { what: "world" } });
    expect(world.step()).toBe(false);
    expect(world.nextAt).toBeUndefined();
  });

  test("is the same world by steps and by leaps, record for record", () => {
    const leaps = new SeedWorld({ seed: SEED, without: [] });
    for (let at = 0; at <= 30_000; at += 1_500) leaps.runUntil(at);
    const steps = new SeedWorld({ seed: SEED, without: [] });
    while ((steps.nextAt ?? Infinity) <= 30_000) steps.step();
    expect(steps.traceCount).toBe(leaps.traceCount);
    expect(steps.traceHash).toBe(leaps.traceHash);
    expect(leaps.trace.length).toBeGreaterThan(100);
  });

  test("that tells only of its end tells the same of it, but for what it cannot know", () => {
    const whole = new SeedWorld({ seed: SEED, without: [] });
    whole.runUntil(20_000);
    const end = new SeedWorld({ seed: SEED, without: [] }, 15_000);
    end.runUntil(20_000);
    const from = whole.trace.findIndex(({ at }) => at > 15_000);
    const told = (world: SeedWorld): string[] =>
      world.trace.flatMap(({ at, label }) => (at > 15_000 ? [`${at} ${label}`] : []));
    expect(from).toBeGreaterThan(0);
    expect(end.trace.every(({ at }) => at >= 15_000)).toBe(true);
    // What was sent before has no label here.
    const differing = told(whole).filter((line, i) => line !== told(end)[i]);
    expect(differing.every((line) => line.includes(" < "))).toBe(true);
    expect(differing.length).toBeLessThan(20);
  });

  test("shows callers' requests with their answers, and what is on the disks", () => {
    const world = new SeedWorld({ seed: SEED, without: [] });
    world.runUntil(Infinity);
    const asked = world.trace.flatMap(({ event, request }) => (event.what === "asked" ? [request] : []));
    const answered = new Set(world.trace.flatMap(({ event, request }) => (event.what === "answered" ? [request] : [])));
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((request) => !answered.has(request))).toEqual([]);
    const key = world.trace.find(({ event }) => event.what === "asked")!.key!;
    const list = world.preferenceListAt(world.nodes[0]!.id, key);
    expect(list?.owners.length).toBeGreaterThan(0);
    for (const owner of list!.owners) expect(world.recordsOf(owner, key).record?.siblings.length).toBeGreaterThan(0);
    expect(world.recordsOf(list!.owners[0]!, "nobody/has" as Key).record).toBeUndefined();
    expect(world.parameters.n).toBeGreaterThan(0);
  });

  test("takes no acts, and there is none without a number", () => {
    const world = new SeedWorld({ seed: SEED, without: [] });
    expect(() => world.act({ do: "heal" })).toThrow(LabError);
    for (const seed of [0, -1, 1.5, Number.NaN])
      expect(() => new SeedWorld({ seed, without: [] })).toThrow(/whole number from 1/);
  });
});
