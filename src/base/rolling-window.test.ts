/** The rolling window against a list of everything that ever happened. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { RollingWindow } from "./rolling-window.ts";

test("has exactly what happened in its slices, newest first", () => {
  const happenings = fc.array(fc.record({ afterMs: fc.nat(40), counts: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(happenings, fc.integer({ min: 1, max: 5 }), (script, slicesMax) => {
      const window = new RollingWindow(10, slicesMax, () => ({ count: 0 }));
      const times: number[] = [];
      let now = 0;
      for (const { afterMs, counts } of script) {
        now += afterMs;
        if (counts) {
          window.at(now).count++;
          times.push(now);
        }
        const ages = times.map((time) => Math.floor(now / 10) - Math.floor(time / 10)).filter((age) => age < slicesMax);
        const expected = [...new Set(ages)]
          .sort((a, b) => a - b)
          .map((age) => ({ age, slice: { count: ages.filter((other) => other === age).length } }));
        expect(window.recent(now)).toEqual(expected);
      }
    }),
  );
});

test("covers no more than there was, and no more than its slices", () => {
  const window = new RollingWindow(60_000, 31, () => ({}));
  expect(window.coveredMs(5_000, 5_000)).toBe(0);
  expect(window.coveredMs(95_000, 5_000)).toBe(90_000);
  expect(window.coveredMs(100 * 60_000 + 1_000, 5_000)).toBe(30 * 60_000 + 1_000);
});
