/**
 * `tsx run-to-failure.ts FIRST COUNT [STEP]` or `tsx run-to-failure.ts --each SEED...`: runs these seeds one after another up to the first that fails, or,
 * with `--each`, all of them, and prints one line of JSON: how many were run, and those that failed. `run-mutants.ts` starts it in mutated trees.
 */

import { runSeed } from "./swarm.ts";

export interface FailedSeed {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly failed: readonly FailedSeed[];
}

/** A harness that throws has noticed something, too: its own assertions are checks of the contract between node and host. */
function failureOf(seed: number): FailedSeed | undefined {
  try {
    const { failure } = runSeed(seed);
    return failure === undefined ? undefined : { seed, ...failure };
  } catch (error) {
    return {
      seed,
      invariant: "harness",
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

const words = process.argv.slice(2);
const each = words[0] === "--each";
const [first = 1, count = 1, step = 1] = words.map(Number);
const seeds = each ? words.slice(1).map(Number) : Array.from({ length: count }, (_, i) => first + i * step);
const failed: FailedSeed[] = [];
let run = 0;
for (const seed of seeds) {
  run++;
  const failure = failureOf(seed);
  if (failure === undefined) continue;
  failed.push(failure);
  if (!each) break;
}
process.stdout.write(`${JSON.stringify({ seeds: run, failed } satisfies SeedsReport)}\n`);
