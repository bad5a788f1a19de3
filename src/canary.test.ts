/** The canary against a store that answers late, fails, and forgets, on a clock that the test moves. */

import { expect, test } from "vitest";
import type { Context } from "./api.ts";
import { utf8Decode } from "./base/bytes.ts";
import { type CanaryPerch, RunningCanary } from "./canary.ts";
import { QuorumError } from "./core/errors.ts";

const context = (n: number): Context => new Uint8Array([n]);

class Perch implements CanaryPerch {
  time = 1_000;
  alarm: { at: number; callback: () => void } | undefined;
  member = true;
  /** What the next call does: nothing special, fail, or not show what was put. */
  next: ("well" | "fails" | "stale")[] = [];
  readonly calls: string[] = [];
  #values: Uint8Array[] = [];
  #version = 0;

  readonly clock = {
    now: () => this.time,
    wall: () => 1_700_000_000_000 + this.time,
    after: (delayMs: number, callback: () => void) => {
      const alarm = { at: this.time + delayMs, callback };
      this.alarm = alarm;
      return () => {
        if (this.alarm === alarm) this.alarm = undefined;
      };
    },
  };

  answers = () => this.member;

  get = async () => {
    const how = await this.#takes(3);
    this.calls.push("get");
    if (how === "fails") throw new QuorumError("get", 2, [], []);
    return how === "stale"
      ? { values: [], context: context(0) }
      : { values: [...this.#values], context: context(this.#version) };
  };

  put = async (value: Uint8Array, seen: Context) => {
    const how = await this.#takes(7);
    this.calls.push(`put after ${seen[0]}`);
    if (how === "fails") throw new QuorumError("put", 2, [], []);
    this.#values = [value];
    return { context: context(++this.#version) };
  };

  async #takes(ms: number): Promise<"well" | "fails" | "stale"> {
    this.time += ms;
    await Promise.resolve();
    return this.next.shift() ?? "well";
  }

  get value(): string {
    return this.#values.map((value) => utf8Decode(value)).join();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }

  /** The next round, run to its end. */
  async round(): Promise<void> {
    const alarm = this.alarm!;
    this.alarm = undefined;
    this.time = alarm.at;
    alarm.callback();
    await this.settle();
  }
}

test("each round puts over what the last one left and gets it back", async () => {
  const perch = new Perch();
  const canary = new RunningCanary(perch, 5_000);
  await perch.settle();
  await perch.round();
  expect(perch.calls).toEqual(["get", "put after 0", "get", "put after 1", "get"]);
  expect(canary.report).toMatchObject({ rounds: 2, succeeded: 2, stale: 0, availability: 1 });
  expect(canary.report.put).toMatchObject({ count: 2, maxMs: 7 });
  expect(canary.report.get).toMatchObject({ count: 2, maxMs: 3 });
  expect(canary.report.recent.map(({ error }) => error)).toEqual([undefined, undefined]);
  expect(perch.value).toMatch(/^\d+ 1$/);
});

test("rounds begin an interval apart, however long one takes", async () => {
  const perch = new Perch();
  new RunningCanary(perch, 5_000);
  await perch.settle();
  expect(perch.alarm?.at).toBe(6_000);
  await perch.round();
  expect(perch.alarm?.at).toBe(11_000);
});

test("a failure counts against availability, whichever half fails, and the next round goes on", async () => {
  const perch = new Perch();
  perch.next = ["fails"];
  const canary = new RunningCanary(perch, 5_000);
  await perch.settle();
  perch.next = ["well", "fails"];
  await perch.round();
  perch.next = ["well", "fails"];
  await perch.round();
  await perch.round();
  expect(perch.calls.at(-2)).toBe("put after 1");
  expect(canary.report).toMatchObject({ rounds: 4, succeeded: 1, stale: 0, availability: 0.25 });
  expect(canary.report.recent.map(({ error }) => error)).toEqual([undefined, "quorum", "quorum", "quorum"]);
});

test("a get that does not show the put is stale, and its context is not used", async () => {
  const perch = new Perch();
  perch.next = ["well", "well", "stale"];
  const canary = new RunningCanary(perch, 5_000);
  await perch.settle();
  expect(canary.report).toMatchObject({ rounds: 1, succeeded: 1, stale: 1, availability: 1 });
  await perch.round();
  expect(perch.calls).toContain("put after 1");
  expect(canary.report).toMatchObject({ rounds: 2, succeeded: 2, stale: 1 });
  expect(canary.report.recent.map(({ stale }) => stale)).toEqual([false, true]);
});

test("a node that has met nobody tries nothing and counts nothing", async () => {
  const perch = new Perch();
  perch.member = false;
  const canary = new RunningCanary(perch, 5_000);
  await perch.settle();
  await perch.round();
  expect(perch.calls).toEqual([]);
  expect(canary.report).toMatchObject({ rounds: 0, availability: undefined });
  perch.member = true;
  await perch.round();
  expect(canary.report.rounds).toBe(1);
});

test("once stopped it counts nothing more, not even the round under way", async () => {
  const perch = new Perch();
  const canary = new RunningCanary(perch, 5_000);
  canary.stop();
  await perch.settle();
  expect(canary.report.rounds).toBe(0);
  expect(perch.alarm).toBeUndefined();
});

test("it remembers the last 60 rounds and no more", async () => {
  const perch = new Perch();
  const canary = new RunningCanary(perch, 5_000);
  await perch.settle();
  for (let i = 0; i < 70; i++) await perch.round();
  expect(canary.report.rounds).toBe(71);
  expect(canary.report.recent).toHaveLength(60);
});
