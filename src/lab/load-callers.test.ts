import { expect, test } from "vitest";
import type { Load } from "./load-callers.ts";
import { type LabOptions, defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { Timeline } from "./timeline.ts";
import { LOAD_LABEL, type TraceRecord } from "./world.ts";

const load: Load = {
  do: "load",
  bucket: "load",
  perSecond: 40,
  readsPercent: 70,
  keys: 10,
  zipf: false,
  seed: 3,
  forMs: 10_000,
};
const end: Load = { ...load, perSecond: 0 };
const world = (change: Partial<LabOptions> = {}): SimulatedWorld =>
  new SimulatedWorld({ ...defaultLabOptions, ...change });
const asked = ({ trace }: SimulatedWorld): TraceRecord[] => trace.filter(({ event }) => event.what === "asked");

test("a load asks at its rate and in its shares, at all nodes, for its keys alone, and then it is over", () => {
  const of = world();
  of.act(load);
  of.runUntil(20_000);
  const all = asked(of);
  expect(all.length).toBeGreaterThan(0.85 * 400);
  expect(all.length).toBeLessThan(1.15 * 400);
  expect(Math.max(...all.map(({ at }) => at))).toBeLessThan(10_000);
  const reads = all.filter(({ event }) => event.what === "asked" && event.operation === "get").length;
  expect(reads / all.length).toBeCloseTo(0.7, 0.8);
  expect(new Set(all.map(({ node }) => node)).size).toBe(5);
  expect(new Set(all.map(({ key }) => key))).toEqual(new Set(Array.from({ length: 10 }, (_, i) => `load/${i}`)));
  const answered = of.trace.filter(({ event }) => event.what === "answered");
  expect(answered.map(({ event }) => event.what === "answered" && event.outcome)).toEqual(all.map(() => "ok"));
  for (const { label } of [...all, ...answered]) expect(label.startsWith(LOAD_LABEL)).toBe(true);
  expect(
    of.trace.some(({ label }) => label === `the load is over: ${all.length} requests, 0 of them failed so far`),
  ).toBe(true);
  expect(of.load).toBeUndefined();
});

test("it counts toward the statistics of the nodes", () => {
  const of = world();
  const answered = (): number =>
    of.nodes.reduce((sum, { id }) => {
      const { gets, puts } = of.statisticsOf(id)!;
      return sum + gets.answered + puts.answered;
    }, 0);
  expect(answered()).toBe(0);
  of.act(load);
  of.runUntil(5_000);
  expect(of.load!.answered).toBeGreaterThan(150);
  expect(answered()).toBe(of.load!.answered);
});

test("a rate of 0 ends it, another load takes its place, and callers by hand are not mixed up with it", () => {
  const of = world();
  of.act(load);
  of.runUntil(1_000);
  expect(of.load?.asked).toBe(asked(of).length);
  of.act(end);
  expect(of.load).toBeUndefined();
  const before = asked(of).length;
  of.runUntil(3_000);
  expect(asked(of)).toHaveLength(before);
  of.act({ ...load, bucket: "other" });
  of.act({ ...load, bucket: "third" });
  of.act({ do: "get", node: "a", key: "carts/ada" });
  of.runUntil(4_000);
  const later = asked(of).slice(before);
  expect(new Set(later.map(({ key }) => key!.split("/")[0]))).toEqual(new Set(["third", "carts"]));
  expect(later.find(({ key }) => key === "carts/ada")!.label).toBe("get carts/ada");
});

test("few keys are hot when it says so", () => {
  const of = world();
  of.act({ ...load, zipf: true, perSecond: 100 });
  of.runUntil(8_000);
  const times = (key: string): number => asked(of).filter((record) => record.key === key).length;
  expect(times("load/0")).toBeGreaterThan(3 * times("load/9"));
});

test("nobody asks at a node that does not run; with none that does, nobody asks at all", () => {
  const of = world();
  of.act({ do: "crash", node: "a" });
  of.act({ do: "freeze", node: "b", forMs: 60_000 });
  of.act(load);
  of.runUntil(2_000);
  expect(new Set(asked(of).map(({ node }) => node))).toEqual(new Set(["c", "d", "e"].map((name) => of.idOf(name))));
  for (const node of ["c", "d", "e"]) of.act({ do: "crash", node });
  const before = asked(of).length;
  of.runUntil(4_000);
  expect(asked(of)).toHaveLength(before);
});

test("its puts mostly replace each other: siblings do not pile up", () => {
  const of = world();
  of.act({ ...load, readsPercent: 0, keys: 2, perSecond: 100 });
  of.runUntil(12_000);
  const siblings = of.nodes.flatMap(({ id }) =>
    of.storedAt(id).map(({ key }) => of.recordsOf(id, key).record!.siblings.length),
  );
  expect(siblings.length).toBeGreaterThanOrEqual(6);
  expect(Math.max(...siblings)).toBeLessThan(20);
});

test("a run with a load is the same run when it is gone back in", () => {
  const timeline = new Timeline({ options: defaultLabOptions, acts: [] });
  timeline.act(load);
  timeline.playTo(1_500);
  timeline.act({ do: "crash", node: "b" });
  timeline.playTo(4_000);
  const then = timeline.hash;
  timeline.seek(1_000);
  expect(timeline.hash).not.toBe(then);
  timeline.seek(4_000);
  expect(timeline.hash).toBe(then);
  const again = new Timeline(timeline.run);
  while (again.now < 4_000) again.playTo(again.now + 37);
  again.seek(4_000);
  expect(again.hash).toBe(then);
});
