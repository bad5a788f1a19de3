import { describe, expect, test } from "vitest";
import type { Key } from "../core/identifiers.ts";
import { runSeed } from "../sim/swarm.ts";
import { SeedTime } from "./seed-time.ts";
import { SeedWorld } from "./seed-world.ts";
import { LabError } from "./world.ts";

/** A small one: some 2,500 events. */
const SEED = 5;

describe("a seed of the swarm in the lab", () => {
  test("is the seed that the simulator runs, to its verdict", () => {
    const outcome = runSeed(SEED);
    const world = new SeedWorld(SEED);
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
    const leaps = new SeedWorld(SEED);
    for (let at = 0; at <= 30_000; at += 1_500) leaps.runUntil(at);
    const steps = new SeedWorld(SEED);
    while ((steps.nextAt ?? Infinity) <= 30_000) steps.step();
    expect(steps.traceCount).toBe(leaps.traceCount);
    expect(steps.traceHash).toBe(leaps.traceHash);
    expect(leaps.trace.length).toBeGreaterThan(100);
  });

  test("that tells only of its end tells the same of it, but for what it cannot know", () => {
    const whole = new SeedWorld(SEED);
    whole.runUntil(20_000);
    const end = new SeedWorld(SEED, {}, 15_000);
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
    const world = new SeedWorld(SEED);
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

  test("that leaves out faults is the seed without them", () => {
    const outcome = runSeed(2, { without: ["crashes"], dropActions: [0] });
    const world = new SeedWorld(2, { without: ["crashes"], dropActions: [0] });
    world.runUntil(Infinity);
    expect([world.shape, world.now]).toEqual([outcome.shape, outcome.simulatedMs]);
    expect(world.shape).not.toBe(new SeedWorld(2).shape);
  }, 60_000);

  test("going back in it is being there again", () => {
    const time = new SeedTime(SEED, {});
    time.playTo(40_000);
    const digests = (): unknown =>
      time.world.nodes.map(({ id, name, state }) => [name, state, time.world.viewOf(id)?.ringDigest]);
    const then = digests();
    const told = time.world.trace.at(-1);
    time.playTo(60_000);
    time.seek(40_000);
    expect([time.now, time.endsAt]).toEqual([40_000, 60_000]);
    expect(digests()).toEqual(then);
    expect(time.world.trace.at(-1)).toMatchObject({ at: told?.at, label: told?.label });
    expect(time.stepRecord()).toBe(true);
    time.seek(Infinity);
    expect(time.stepRecord()).toBe(false);
    expect(time.world.isOver).toBe(true);
  }, 60_000);

  test("takes no acts, and there is none without a number", () => {
    const world = new SeedWorld(SEED);
    expect(() => world.act({ do: "heal" })).toThrow(LabError);
    for (const seed of [0, -1, 1.5, Number.NaN]) expect(() => new SeedWorld(seed)).toThrow(/whole number from 1/);
  });
});
