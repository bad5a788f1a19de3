/** What a node counts, on a clock that the test moves. The simulator's audit compares with what callers saw. */

import { describe, expect, test } from "vitest";
import { Histogram } from "../base/histogram.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import { EMPTY, type Sibling } from "./dvvset.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import type { ClientResult, RequestFailure, RequestReport } from "./message.ts";
import { STATISTICS_MINUTES } from "./statistics.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";

const report = {} as RequestReport;
const got = (versions: number): ClientResult => {
  const sibling = (n: number): Sibling => ({
    dots: [{ actor: "a".repeat(48) as Actor, counter: n + 1 }],
    operation: String(n).padStart(32, "0") as OperationId,
    at: 0,
    value: null,
    checksum: 0,
  });
  const siblings = Array.from({ length: versions }, (_, n) => sibling(n));
  return { outcome: "got", set: { ...EMPTY, siblings }, first: nodeNamed(1), report };
};
const put: ClientResult = { outcome: "put", clock: [], siblings: 1, report };
const failed = (failure: RequestFailure): ClientResult => ({ outcome: "failed", failure, report: undefined });

function kept() {
  const surroundings = new StubSurroundings(nodeNamed(1));
  surroundings.now = 1_000;
  const bookkeeping = new Bookkeeping(surroundings);
  bookkeeping.start();
  const ended = (kind: "get" | "put", elapsedMs: number, result: ClientResult, timeoutMs = 5_000): void =>
    bookkeeping.onEnded(
      { kind, startedAt: surroundings.now - elapsedMs, deadline: surroundings.now - elapsedMs + timeoutMs },
      result,
    );
  return { surroundings, bookkeeping, ended };
}

test("answers, failures by code, and time-outs are kept apart", () => {
  const { bookkeeping, ended } = kept();
  ended("get", 3, got(1));
  ended("get", 20, failed({ code: "quorum" }));
  ended("get", 5_000, failed({ code: "quorum" }));
  ended("put", 7, put);
  ended("put", 1, failed({ code: "too-many-siblings", siblings: 100 }));
  bookkeeping.onTurnedAway("put", failed({ code: "overloaded" }));
  const { gets, puts, minutes } = bookkeeping.snapshot();
  expect(gets).toMatchObject({ answered: 1, timedOut: 1, failed: { quorum: 2, overloaded: 0 } });
  expect(puts).toMatchObject({ answered: 1, timedOut: 0, failed: { "too-many-siblings": 1, overloaded: 1 } });
  expect(minutes).toEqual([{ requests: 6, answered: 3, served: 0 }]);
});

test("latencies have failures in them, and none of those turned away at once", () => {
  const { bookkeeping, ended } = kept();
  ended("put", 2.5, put);
  ended("put", 5_000, failed({ code: "quorum" }));
  bookkeeping.onTurnedAway("put", failed({ code: "not-ready" }));
  expect(bookkeeping.snapshot().puts.latencyMicros).toMatchObject({ sum: 5_002_500, max: 5_000_000 });
  expect(new Histogram().include(bookkeeping.snapshot().puts.latencyMicros).count).toBe(2);
  expect(bookkeeping.snapshot().gets.latencyMicros.buckets).toEqual([]);
});

test("gets by the versions that they saw: none, one, two, three, four or more", () => {
  const { bookkeeping, ended } = kept();
  for (const versions of [0, 1, 1, 2, 3, 4, 5, 100]) ended("get", 1, got(versions));
  ended("put", 1, put);
  expect(bookkeeping.snapshot().versionsSeen).toEqual([1, 2, 1, 1, 3]);
});

describe("over time", () => {
  const recent = (bookkeeping: Bookkeeping) => new Histogram().include(bookkeeping.snapshot().gets.recentMicros).count;

  test("what is older than a minute leaves the last minute, and nothing sooner", () => {
    const { surroundings, bookkeeping, ended } = kept();
    surroundings.now = 120_001;
    ended("get", 1, got(1));
    surroundings.now += 30_000;
    ended("get", 1, got(1));
    expect(recent(bookkeeping)).toBe(2);
    surroundings.now = 120_001 + 60_000;
    expect(recent(bookkeeping)).toBe(2);
    surroundings.now = 120_001 + 70_000;
    expect(recent(bookkeeping)).toBe(1);
    surroundings.now += 40_000;
    expect(recent(bookkeeping)).toBe(0);
    expect(new Histogram().include(bookkeeping.snapshot().gets.latencyMicros).count).toBe(2);
  });

  test("minutes are told newest first, quiet ones as well, for half an hour and the one under way", () => {
    const { surroundings, bookkeeping, ended } = kept();
    bookkeeping.onServed();
    surroundings.now += 3 * 60_000;
    ended("put", 1, put);
    const busy = { requests: 1, answered: 1, served: 0 };
    const quiet = { requests: 0, answered: 0, served: 0 };
    const served = { ...quiet, served: 1 };
    expect(bookkeeping.snapshot()).toMatchObject({ minutes: [busy, quiet, quiet, served], minutesMs: 180_000 });
    for (let minute = 0; minute < 100; minute++) {
      surroundings.now += 60_000;
      bookkeeping.onServed();
      expect(bookkeeping.snapshot().minutes.length).toBeLessThanOrEqual(STATISTICS_MINUTES);
    }
    expect(bookkeeping.snapshot().minutes).toEqual(Array.from({ length: STATISTICS_MINUTES }, () => served));
    expect(bookkeeping.snapshot()).toMatchObject({ upMs: 103 * 60_000, minutesMs: 30 * 60_000 + 1_000 });
    expect(bookkeeping.snapshot().counts.served).toBe(101);
  });
});

test("notes of the trace are counted, others are not", () => {
  const { bookkeeping } = kept();
  const key = "a" as Key;
  const target = nodeNamed(1);
  for (const what of ["hint-kept", "hint-delivered", "hint-refused"] as const)
    bookkeeping.onNote({ what, key, target });
  bookkeeping.onNote({ what: "read-repair", key, to: target });
  bookkeeping.onNote({ what: "damaged", key });
  bookkeeping.onNote({ what: "late-dropped", from: target, message: "gossip-digest" });
  bookkeeping.onNote({ what: "peer-limited", peer: target, message: "coordinate-get" });
  bookkeeping.onNote({ what: "stand-in", key });
  expect(bookkeeping.snapshot().counts).toMatchObject({
    "hints-kept": 1,
    "hints-delivered": 1,
    "hints-refused": 1,
    "read-repairs": 1,
    "damaged-records": 1,
    "late-messages": 1,
    limited: 1,
    "stood-in": 0,
  });
});
