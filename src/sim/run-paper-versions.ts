/**
 * `npm run paper:versions -- [--json] [--seed 1] [--seconds 60]`
 *
 * How many versions reads of a cart see, by who writes and what fails, as section 6.3 of the paper counts them; see `paper-versions.ts`. The same seed gives
 * the same figures everywhere.
 */

import { formatVersions, measureVersions } from "./paper-versions.ts";
import { readFlags } from "./run-flags.ts";

const { json, numbers } = readFlags("paper:versions", { seed: 1, seconds: 60 }, { seed: 1_000_000, seconds: 10_000 });
const figures = measureVersions(numbers.seed, numbers.seconds);
process.stdout.write(json ? `${JSON.stringify(figures)}\n` : `${formatVersions(figures)}\n`);
