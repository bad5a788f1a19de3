import { expect, test } from "vitest";
import { CHART_HEIGHT, CHART_WIDTH, lineOf, xOf, yOf } from "./chart.ts";

const linear = { least: 0, most: 10, isLogarithmic: false };
const logarithmic = { least: 1, most: 100, isLogarithmic: true };

test("more lies higher, later lies further right, and everything lies within", () => {
  for (const axis of [linear, logarithmic]) {
    expect(yOf(9, axis)).toBeLessThan(yOf(2, axis));
    for (const value of [0.001, 1, 5, 1_000]) {
      expect(yOf(value, axis)).toBeGreaterThanOrEqual(0);
      expect(yOf(value, axis)).toBeLessThanOrEqual(CHART_HEIGHT);
    }
  }
  expect(xOf(1, 3)).toBeLessThan(xOf(2, 3));
  expect(xOf(2, 3)).toBeLessThan(CHART_WIDTH);
});

test("on a logarithmic axis equal ratios are equal distances", () => {
  expect(yOf(1, logarithmic) - yOf(10, logarithmic)).toBeCloseTo(yOf(10, logarithmic) - yOf(100, logarithmic), 9);
});

test("a line has a gap where there is no value", () => {
  const path = lineOf({ name: "x", values: [1, 2, undefined, 3, 4] }, linear);
  expect([...path].filter((letter) => letter === "M")).toHaveLength(2);
  expect([...path].filter((letter) => letter === "L")).toHaveLength(2);
});
