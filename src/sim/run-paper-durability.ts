/**
 * `npm run paper:durability -- [--json] [--seed 1] [--seconds 40] [--trials 10]`
 *
 * Put latencies with strict commits, with one strict commit of N and with a buffer in memory, as figure 5 of the paper draws them, and what a crash of all
 * tabs and a power failure lose in each; see `paper-durability.ts`. The same seed gives the same figures everywhere.
 */

import { formatDurability, measureDurability } from "./paper-durability.ts";

const LIMITS = { "--seed": 1_000_000, "--seconds": 1_000, "--trials": 1_000 } as const;

function usage(problem: string): never {
  process.stderr.write(
    `${problem}\nusage: npm run paper:durability -- [--json] [--seed 1] [--seconds 40] [--trials 10]\n`,
  );
  process.exit(2);
}

let json = false;
const given = { "--seed": 1, "--seconds": 40, "--trials": 10 };
const words = process.argv.slice(2);
for (let i = 0; i < words.length; i++) {
  const word = words[i]!;
  if (word === "--json") json = true;
  else if (word === "--seed" || word === "--seconds" || word === "--trials") {
    const value = Number(words[++i]);
    if (!Number.isInteger(value) || value < 1 || value > LIMITS[word])
      usage(`${word} wants a whole number from 1 to ${LIMITS[word]}, not ${words[i] ?? "nothing"}`);
    given[word] = value;
  } else usage(`unknown option ${word}`);
}

const figures = measureDurability(given["--seed"], given["--seconds"], given["--trials"]);
process.stdout.write(json ? `${JSON.stringify(figures)}\n` : `${formatDurability(figures)}\n`);
