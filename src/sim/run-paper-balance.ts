/**
 * `npm run paper:balance -- [--json] [--seeds 16]`
 *
 * Reproduces figure 8 of the paper with our own placements, and its measure of nodes out of balance; see `paper-balance.ts`. The same seeds give the same
 * figures everywhere.
 */

import { formatFigure8, formatImbalance, measureFigure8, measureImbalance, verdictOf } from "./paper-balance.ts";
import { readFlags } from "./run-flags.ts";

const {
  json,
  numbers: { seeds },
} = readFlags("paper:balance", { seeds: 16 }, { seeds: 1_000 });
const figure8 = measureFigure8(seeds);
const imbalance = measureImbalance(seeds);
if (json) {
  const verdict = { bytes: verdictOf(figure8.byBytes), entries: verdictOf(figure8.byEntries) };
  process.stdout.write(`${JSON.stringify({ figure8, verdict, imbalance })}\n`);
} else process.stdout.write(`${formatFigure8(figure8)}\n\n${formatImbalance(imbalance)}\n`);
