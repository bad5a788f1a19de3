/**
 * `npm run paper:coordination -- [--json] [--requests 20000] [--seed 1]`
 *
 * Compares client-driven with server-driven coordination as table 2 of the paper does; see `paper-coordination.ts`. The same seed gives the same figures
 * everywhere.
 */

import { PAPER_TABLE_2, formatCoordination, measureCoordination } from "./paper-coordination.ts";

const REQUESTS_MAX = 1_000_000;

function usage(problem: string): never {
  process.stderr.write(`${problem}\nusage: npm run paper:coordination -- [--json] [--requests 20000] [--seed 1]\n`);
  process.exit(2);
}

let json = false;
let requests = 20_000;
let seed = 1;
const words = process.argv.slice(2);
for (let i = 0; i < words.length; i++) {
  const number = (name: string, most: number): number => {
    const value = Number(words[++i]);
    if (!Number.isInteger(value) || value < 1 || value > most)
      usage(`${name} wants a whole number from 1 to ${most}, not ${words[i] ?? "nothing"}`);
    return value;
  };
  if (words[i] === "--json") json = true;
  else if (words[i] === "--requests") requests = number("--requests", REQUESTS_MAX);
  else if (words[i] === "--seed") seed = number("--seed", 2 ** 31);
  else usage(`unknown option ${words[i]!}`);
}

const figures = (["server-driven", "client-driven"] as const).map((coordination) =>
  measureCoordination(coordination, requests, seed),
);
process.stdout.write(
  json ? `${JSON.stringify({ figures, paper: PAPER_TABLE_2 })}\n` : `${formatCoordination(figures)}\n`,
);
