/**
 * `npm run paper:balance -- [--json] [--seeds 16]`
 *
 * Reproduces figure 8 of the paper with our own placements, and its measure of nodes out of balance; see `paper-balance.ts`. The same seeds give the same
 * figures everywhere.
 */

import { formatFigure8, formatImbalance, measureFigure8, measureImbalance, verdictOf } from "./paper-balance.ts";

const SEEDS_MAX = 1_000;

function usage(problem: string): never {
  process.stderr.write(`${problem}\nusage: npm run paper:balance -- [--json] [--seeds 16]\n`);
  process.exit(2);
}

let json = false;
let seeds = 16;
const words = process.argv.slice(2);
for (let i = 0; i < words.length; i++) {
  if (words[i] === "--json") json = true;
  else if (words[i] === "--seeds") {
    seeds = Number(words[++i]);
    if (!Number.isInteger(seeds) || seeds < 1 || seeds > SEEDS_MAX)
      usage(`--seeds wants a whole number from 1 to ${SEEDS_MAX}, not ${words[i] ?? "nothing"}`);
  } else usage(`unknown option ${words[i]!}`);
}

const figure8 = measureFigure8(seeds);
const imbalance = measureImbalance(seeds);
if (json) {
  const verdict = { bytes: verdictOf(figure8.byBytes), entries: verdictOf(figure8.byEntries) };
  process.stdout.write(`${JSON.stringify({ figure8, verdict, imbalance })}\n`);
} else process.stdout.write(`${formatFigure8(figure8)}\n\n${formatImbalance(imbalance)}\n`);
