/** The bucket by example, and against a list of everything that was ever taken. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

test("a burst is free, then each token costs its time", () => {
  const bucket = new TokenBucket(20, 3, 0);
  expect([bucket.take(1, 0), bucket.take(1, 0), bucket.take(1, 0)]).toEqual([0, 0, 0]);
  expect(bucket.take(1, 0)).toBe(50);
  expect(bucket.take(1, 0)).toBe(100);
  // The debt of two is paid after 100 ms; the next token is there 50 ms later.
  expect(bucket.take(1, 150)).toBe(0);
});

test("it never holds more than the burst, and time that goes back gives nothing", () => {
  const bucket = new TokenBucket(1_000, 2, 1_000);
  expect(bucket.tryTake(3, 9_000)).toBe(false);
  expect(bucket.tryTake(2, 9_000)).toBe(true);
  expect(bucket.tryTake(1, 5_000)).toBe(false);
});

/** Times in eighths of a second and rates in multiples of 8, so that the sums are exact. */
const takes = fc.array(fc.record({ afterMs: fc.nat(16).map((n) => 125 * n), cost: fc.integer({ min: 1, max: 6 }) }), {
  maxLength: 60,
});
const rate = fc.integer({ min: 1, max: 8 }).map((n) => 8 * n);
const burst = fc.integer({ min: 1, max: 20 });

test("in no stretch of time does it give more than the burst and what was refilled, and it refuses nothing less than that", () => {
  fc.assert(
    fc.property(takes, rate, burst, (script, perSecond, most) => {
      const bucket = new TokenBucket(perSecond, most, 0);
      const given: { readonly at: number; readonly cost: number }[] = [];
      /** By the fullest stretch that ends now: what was taken in it, and what may be. */
      const room = (at: number): number => {
        const starts = [0, ...given.map((take) => take.at)];
        return Math.min(
          ...starts.map((from) => {
            const taken = given.reduce((sum, take) => sum + (take.at >= from ? take.cost : 0), 0);
            return most + ((at - from) * perSecond) / 1_000 - taken;
          }),
          most,
        );
      };
      let at = 0;
      for (const { afterMs, cost } of script) {
        at += afterMs;
        const fits = room(at) >= cost;
        expect(bucket.tryTake(cost, at)).toBe(fits);
        if (fits) given.push({ at, cost });
        expect(bucket.memory).toEqual({ tokens: room(at), atMs: at });
      }
    }),
  );
});
