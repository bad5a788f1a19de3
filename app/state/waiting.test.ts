import { expect, test } from "vitest";
import { overAll, pause } from "./waiting.ts";

test("works on all, never on more at once than allowed", async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await overAll([1, 2, 3, 4, 5, 6, 7], 3, new AbortController().signal, async (item) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    done.push(item);
  });
  expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
});

test("stops after a failure, and tells it", async () => {
  const started: number[] = [];
  const working = overAll([1, 2, 3, 4], 1, new AbortController().signal, (item) => {
    started.push(item);
    return item === 2 ? Promise.reject(new Error("two")) : Promise.resolve();
  });
  await expect(working).rejects.toThrow("two");
  expect(started).toEqual([1, 2]);
});

test("stops when told to, and a pause ends at once", async () => {
  const stop = new AbortController();
  const started: number[] = [];
  await overAll([1, 2, 3], 1, stop.signal, (item) => {
    started.push(item);
    stop.abort();
    return Promise.resolve();
  });
  expect(started).toEqual([1]);
  await pause(1_000_000, stop.signal);
});
