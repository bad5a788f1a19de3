/** For the tests in a browser: what the transcripts of seeds come to in Node, in a process of its own, so that no other test has to wait for it. */

import type { BrowserCommand } from "vitest/node";
import { runInPool } from "./run-pool.ts";

declare module "vitest/browser" {
  interface BrowserCommands {
    /** By seed. */
    hashesInNode(seeds: readonly number[]): Promise<Readonly<Record<number, string>>>;
  }
}

export const hashesInNode: BrowserCommand<[seeds: readonly number[]]> = async (_, seeds) => {
  const hashes: Record<number, string> = {};
  const orders = seeds.map((seed) => ({ seed, options: { trace: true }, twice: false }));
  await runInPool(orders, 1, ({ outcome: { seed, transcriptHash } }) => {
    if (transcriptHash !== undefined) hashes[seed] = transcriptHash;
    return true;
  });
  return hashes;
};
