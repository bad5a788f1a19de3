import { expect, inject, test } from "vitest";
import type {} from "./seed-hashes.setup.ts";
import { runSeed } from "./swarm.ts";

test("a seed writes the same transcript in this browser as in Node", () => {
  const inNode = inject("seedHashes");
  expect(Object.keys(inNode).length).toBeGreaterThan(5);
  for (const [seed, hash] of Object.entries(inNode))
    expect([seed, runSeed(Number(seed), { trace: true }).transcriptHash]).toEqual([seed, hash]);
}, 60_000);
