import { expect, test } from "vitest";
import { type SheetHeight, heightAt, steppedHeight } from "./sheet-height.ts";

test("a sheet that is let go stays at the nearest of its heights", () => {
  expect([0, 0.29, 0.3, 0.5, 0.59, 0.6, 1].map(heightAt)).toEqual([
    "low",
    "low",
    "half",
    "half",
    "half",
    "full",
    "full",
  ]);
});

test("step by step it comes from one end to the other, and stays there", () => {
  let height: SheetHeight = "low";
  const seen = [1, 1, 1, -1, -1, -1].map((step) => (height = steppedHeight(height, step as 1 | -1)));
  expect(seen).toEqual(["half", "full", "full", "half", "low", "low"]);
});
