/** Runs before the tests in a browser, in Node: what the transcripts of some seeds come to here, for the browser to agree. */

import type { TestProject } from "vitest/node";
import { runSeed } from "./swarm.ts";

const SEEDS: readonly number[] = [1, 2, 3, 4, 5, 6, 8, 11];

declare module "vitest" {
  interface ProvidedContext {
    /** By seed. */
    seedHashes: Readonly<Record<number, string>>;
  }
}

export function setup(project: TestProject): void {
  const hashes = SEEDS.map((seed) => [seed, runSeed(seed, { trace: true }).transcriptHash ?? ""] as const);
  project.provide("seedHashes", Object.fromEntries(hashes));
}
