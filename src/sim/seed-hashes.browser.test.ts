import { expect, test } from "vitest";
import { commands } from "vitest/browser";
import type {} from "./run-seed-hashes.ts";
import { runSeed } from "./swarm.ts";

const SEEDS: readonly number[] = [1, 2, 3, 4, 5, 6, 8, 11];

test("a seed writes the same transcript in this browser as in Node", async () => {
  const inNode = commands.hashesInNode(SEEDS);
  const here = SEEDS.map((seed) => [seed, runSeed(seed, { trace: true }).transcriptHash] as const);
  expect(Object.fromEntries(here)).toStrictEqual(await inNode);
});
