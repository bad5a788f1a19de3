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
