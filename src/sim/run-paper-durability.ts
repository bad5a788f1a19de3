/**
 * `npm run paper:durability -- [--json] [--seed 1] [--seconds 40] [--trials 10]`
 *
 * Put latencies with strict commits, with one strict commit of N and with a buffer in memory, as figure 5 of the paper draws them, and what a crash of all
 * tabs and a power failure lose in each; see `paper-durability.ts`. The same seed gives the same figures everywhere.
 */

import { formatDurability, measureDurability } from "./paper-durability.ts";
import { readFlags } from "./run-flags.ts";

const { json, numbers } = readFlags(
  "paper:durability",
  { seed: 1, seconds: 40, trials: 10 },
  { seed: 1_000_000, seconds: 1_000, trials: 1_000 },
);
const figures = measureDurability(numbers.seed, numbers.seconds, numbers.trials);
process.stdout.write(json ? `${JSON.stringify(figures)}\n` : `${formatDurability(figures)}\n`);
