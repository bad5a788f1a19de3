/**
 * `npm run paper:coordination -- [--json] [--requests 20000] [--seed 1]`
 *
 * Compares client-driven with server-driven coordination as table 2 of the paper does; see `paper-coordination.ts`. The same seed gives the same figures
 * everywhere.
 */

import { PAPER_TABLE_2, formatCoordination, measureCoordination } from "./paper-coordination.ts";
import { readFlags } from "./run-flags.ts";

const { json, numbers } = readFlags(
  "paper:coordination",
  { requests: 20_000, seed: 1 },
  { requests: 1_000_000, seed: 2 ** 31 },
);
const figures = (["server-driven", "client-driven"] as const).map((coordination) =>
  measureCoordination(coordination, numbers.requests, numbers.seed),
);
process.stdout.write(
  json ? `${JSON.stringify({ figures, paper: PAPER_TABLE_2 })}\n` : `${formatCoordination(figures)}\n`,
);
