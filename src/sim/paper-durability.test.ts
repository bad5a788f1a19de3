/** What the paper states of durability, on a fixed seed: where it is so, and what each mode may lose. */

import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { commitDelay, formatDurability, measureLatency, measureLoss, modes } from "./paper-durability.ts";

const [through, one, dw, buffered] = modes;

describe("latencies", () => {
  const of = new Map(modes.map((mode) => [mode, measureLatency(1, mode, 4)]));
  const tail = (mode: (typeof modes)[number]) => of.get(mode)!.p999Ms;

  test("all puts are answered, and counted once", () => {
    const puts = [...of.values()].map((latency) => latency.puts);
    expect(new Set(puts).size).toBe(1);
    expect(puts[0]).toBeGreaterThan(1_500);
    expect([...of.values()].every(({ failed }) => failed === 0)).toBe(true);
  });

  test("a buffer lowers the 99.9th percentile several times over, as figure 5 has it", () => {
    expect(tail(through)).toBeGreaterThan(5 * tail(buffered));
    expect(tail(one)).toBeGreaterThan(tail(buffered));
  });

  test("one strict commit of N costs its callers less than strict commits everywhere", () => {
    expect(of.get(one)!.p50Ms).toBeLessThan(of.get(through)!.p50Ms);
    expect(of.get(dw)!.p50Ms).toBeGreaterThan(of.get(one)!.p50Ms);
  });

  test("the same seed gives the same figures", () => {
    expect(measureLatency(1, buffered, 4)).toEqual(of.get(buffered));
    expect(formatDurability({ seed: 1, latencies: [...of.values()], losses: [] })).toContain("figure 5");
  });
});

describe("losses", () => {
  test("strict commits that were waited for survive a power failure, relaxed ones a crash", () => {
    for (const mode of [through, dw]) expect(measureLoss(1, mode, "power fails", 3).lost).toBe(0);
    expect(measureLoss(1, one, "all tabs crash", 3)).toMatchObject({ lost: 0, reported: 0 });
  });

  test("what was acknowledged from memory may be lost, and every node says so", () => {
    const loss = measureLoss(1, buffered, "all tabs crash", 4);
    expect(loss.lost).toBeGreaterThan(0);
    expect(loss.lost).toBeLessThan(loss.acknowledged / 10);
    expect(loss.reported).toBe(4 * 5);
  });
});

test("the disks are what is said of them", () => {
  const prng = Prng.fromNumber(1);
  for (const [strict, least, most, stall] of [
    [false, 0.5, 60, 20],
    [true, 4, 200, 40],
  ] as const) {
    const drawn = Array.from({ length: 5_000 }, () => commitDelay(prng, strict));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(most);
    const stalls = drawn.filter((ms) => ms >= stall).length / drawn.length;
    expect(stalls).toBeGreaterThan(0.005);
    expect(stalls).toBeLessThan(0.03);
  }
});
