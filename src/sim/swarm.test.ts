import { describe, expect, test } from "vitest";
import { mutants, runSeed } from "./swarm.ts";

test("seeds hold every invariant", () => {
  for (let seed = 1; seed <= 25; seed++) expect([seed, runSeed(seed).failure]).toEqual([seed, undefined]);
}, 120_000);

test("a seed writes the same transcript each time, and another seed another one", () => {
  const first = runSeed(5, { trace: true });
  expect(first.transcriptHash).toMatch(/^[0-9a-f]{8}$/);
  expect(runSeed(5, { trace: true }).transcriptHash).toBe(first.transcriptHash);
  expect(runSeed(6, { trace: true }).transcriptHash).not.toBe(first.transcriptHash);
  // Tracing itself must not change what happens.
  expect(runSeed(5).events).toBe(first.events);
}, 60_000);

describe("a broken host is caught within 200 seeds", () => {
  const caughtBy = {
    "acknowledge-before-durable": ["durable-before-ack", "no-lost-write", "copies-kept", "unique-dots"],
    "actor-reused": ["unique-dots"],
    "failed-load-reported-missing": ["disk-monotonic", "no-lost-write", "copies-kept", "durable-before-ack"],
  };
  for (const mutant of mutants) {
    test(
      mutant,
      () => {
        let seed = 0;
        let caught = false;
        while (!caught && seed < 200) {
          const { failure } = runSeed(++seed, { mutant });
          caught = caughtBy[mutant].includes(failure?.invariant ?? "");
        }
        expect(caught).toBe(true);
        // Not by a fault of the node itself.
        expect(runSeed(seed).failure).toBeUndefined();
      },
      120_000,
    );
  }
});
