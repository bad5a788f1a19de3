import { expect, test } from "vitest";
import { LOAD_LEVEL_MAX, LoadMeter, levelOf, perSecondOf } from "./load.ts";

test("requests are counted by partition, and forgotten after about a minute", () => {
  const meter = new LoadMeter();
  expect(meter.perSecond(0)).toBe(0);
  for (let second = 0; second < 60; second++) for (let i = 0; i < 10; i++) meter.count(i < 9 ? 3 : 5, second * 1_000);
  expect(meter.perMinute(3, 60_000)).toBeCloseTo(540);
  expect(meter.perMinute(5, 60_000)).toBeCloseTo(60);
  expect(meter.perMinute(4, 60_000)).toBe(0);
  expect(meter.perSecond(60_000)).toBeCloseTo(10);
  expect(meter.perSecond(130_000)).toBe(0);
});

test("one request is no crowd", () => {
  const meter = new LoadMeter();
  meter.count(1, 5_000);
  expect(meter.perSecond(5_000)).toBeLessThanOrEqual(0.1);
});

test("a level stands for twice as much as the one before, and is not left for a little less", () => {
  expect([0, 15.9, 16, 31, 32, 1_000, 1_100].map((rate) => levelOf(rate, 16))).toEqual([0, 0, 1, 1, 2, 6, 7]);
  expect(perSecondOf(2, 16)).toBe(32);
  expect(levelOf(31, 16, 2)).toBe(2);
  expect(levelOf(22, 16, 2)).toBe(1);
  expect(levelOf(12, 16, 1)).toBe(1);
  expect(levelOf(11, 16, 1)).toBe(0);
  expect(levelOf(64, 16, 1)).toBe(3);
  expect(levelOf(Number.MAX_VALUE, 16)).toBe(LOAD_LEVEL_MAX);
});
