/**
 * `tsx run-to-failure.ts FIRST COUNT [STEP]` or `tsx run-to-failure.ts --each SEED...`: runs these seeds one after another up to the first that fails, or,
 * with `--each`, all of them, and prints one line of JSON: how many were run, and those that failed. `--scenario NAME` runs that scenario, as seed 0: it
 * fails when a check of it is not true or an invariant breaks, whatever its transcript says. `run-mutants.ts` starts it in mutated trees.
 */

import { readFileSync } from "node:fs";
import { partsOf, runScenario } from "./scenario.ts";
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

function failureOfScenario(name: string): FailedSeed | undefined {
  try {
    runScenario(partsOf(readFileSync(new URL(`scenarios/${name}.txt`, import.meta.url), "utf8")).script);
    return undefined;
  } catch (error) {
    return { seed: 0, invariant: "scenario", message: error instanceof Error ? error.message : String(error) };
  }
}

const words = process.argv.slice(2);
const [scenario] = words[0] === "--scenario" ? words.slice(1) : [];
const each = words[0] === "--each";
const [first = 1, count = 1, step = 1] = words.map(Number);
const seeds =
  scenario !== undefined
    ? [0]
    : each
      ? words.slice(1).map(Number)
      : Array.from({ length: count }, (_, i) => first + i * step);
const failed: FailedSeed[] = [];
let run = 0;
for (const seed of seeds) {
  run++;
  const failure = scenario === undefined ? failureOf(seed) : failureOfScenario(scenario);
  if (failure === undefined) continue;
  failed.push(failure);
  if (!each) break;
}
process.stdout.write(`${JSON.stringify({ seeds: run, failed } satisfies SeedsReport)}\n`);
