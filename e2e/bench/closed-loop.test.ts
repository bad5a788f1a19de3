/** The load itself, on a system that answers at once. */

import { describe, expect, test } from "vitest";
import { type Sample, type System, VALUE_BYTES, type Workload, closedLoop, keyOf, load } from "./closed-loop.ts";

const KEYS = 20;

class Table implements System {
  readonly items = new Map<string, Uint8Array>();
  readonly touched = new Map<string, number>();
  underWay = 0;
  underWayMost = 0;

  async get(key: string): Promise<Uint8Array | undefined> {
    await this.#answer(key);
    return this.items.get(key);
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#answer(key);
    this.items.set(key, value);
  }

  async #answer(key: string): Promise<void> {
    this.touched.set(key, (this.touched.get(key) ?? 0) + 1);
    this.underWayMost = Math.max(this.underWayMost, ++this.underWay);
    await Promise.resolve();
    this.underWay--;
  }
}

/** Many requests, however slow the machine is: as often as it takes. */
async function requests(table: Table, workload: Workload, inFlight = 1): Promise<Sample> {
  const gets: number[] = [];
  const puts: number[] = [];
  for (let seed = 1; gets.length + puts.length < 10_000; seed++) {
    const sample = await closedLoop(table, { workload, inFlight, durationMs: 20, keys: KEYS, seed });
    for (const ms of sample.gets) gets.push(ms);
    for (const ms of sample.puts) puts.push(ms);
  }
  return { elapsedMs: 0, gets, puts };
}

async function loaded(): Promise<Table> {
  const table = new Table();
  await load(table, KEYS);
  return table;
}

describe("the load", () => {
  test("half of workload A are reads, 95 of 100 of workload B", async () => {
    for (const [workload, share] of [
      ["a", 0.5],
      ["b", 0.95],
    ] as const) {
      const { gets, puts } = await requests(await loaded(), workload);
      expect(gets.length / (gets.length + puts.length)).toBeCloseTo(share, 1);
      expect(puts.length).toBeGreaterThan(0);
    }
  });

  test("an update writes a whole item of 900 bytes, and every key is as likely as any other", async () => {
    const table = await loaded();
    expect([...table.items.keys()]).toEqual(Array.from({ length: KEYS }, (_, i) => keyOf(i)));
    table.touched.clear();
    await requests(table, "a");
    expect([...table.items.values()].every((value) => value.length === VALUE_BYTES)).toBe(true);
    const all = [...table.touched.values()].reduce((a, b) => a + b);
    expect(table.touched.size).toBe(KEYS);
    for (const times of table.touched.values()) expect((times / all) * KEYS).toBeCloseTo(1, 0);
  });

  test("so many requests are under way at a time, and no more", async () => {
    const table = await loaded();
    table.underWayMost = 0;
    await requests(table, "a", 7);
    expect(table.underWayMost).toBe(7);
  });

  test("a get that gives nothing ends it: figures of a system that does not work mean nothing", async () => {
    const empty = new Table();
    empty.put = () => Promise.resolve();
    await expect(
      closedLoop(empty, { workload: "b", inFlight: 1, durationMs: 20, keys: KEYS, seed: 1 }),
    ).rejects.toThrow(/gave no bytes/);
  });
});
