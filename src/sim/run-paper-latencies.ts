/**
 * `npm run paper:latencies -- [--json] [--seed 1] [--days 3]`
 *
 * Mean and 99.9th percentile of reads and writes through days and nights, as figure 4 of the paper draws them, and two controls; see `paper-latencies.ts`.
 * The same seed gives the same figures everywhere.
 */

import { formatLatencies, measureLatencies } from "./paper-latencies.ts";
import { readFlags } from "./run-flags.ts";

const { json, numbers } = readFlags("paper:latencies", { seed: 1, days: 3 }, { seed: 1_000_000, days: 30 });
const figures = measureLatencies(numbers.seed, numbers.days);
process.stdout.write(json ? `${JSON.stringify(figures)}\n` : `${formatLatencies(figures)}\n`);
