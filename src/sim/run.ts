/**
 * `npm run sim -- --seeds 200 [--first 1] [--seed N] [--json] [--trace] [--all] [--without FAULT,...] [--mutant NAME]`
 *
 * Runs seeds one after another and stops at the first that fails: its timeline and the command that replays it are printed, and the exit code
 * is 1. One seed in a hundred runs twice, and both must write the same transcript.
 */

import { mutants, runSeed, type Mutant, type SeedOutcome } from "./swarm.ts";

interface Arguments {
  first: number;
  seeds: number;
  json: boolean;
  trace: boolean;
  /** Goes on after failures and lists them. */
  all: boolean;
  mutant: Mutant | undefined;
  without: readonly string[];
}

function parseArguments(words: readonly string[]): Arguments {
  const parsed: Arguments = {
    first: 1,
    seeds: 200,
    json: false,
    trace: false,
    all: false,
    mutant: undefined,
    without: [],
  };
  const number = (name: string, text: string | undefined): number => {
    const value = Number(text);
    if (text === undefined || !Number.isSafeInteger(value) || value < 0)
      usage(`${name} wants a whole number, not ${text ?? "nothing"}`);
    return value;
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--seeds") parsed.seeds = number(word, words[++i]);
    else if (word === "--first") parsed.first = number(word, words[++i]);
    else if (word === "--seed") {
      parsed.first = number(word, words[++i]);
      parsed.seeds = 1;
    } else if (word === "--json") parsed.json = true;
    else if (word === "--trace") parsed.trace = true;
    else if (word === "--all") parsed.all = true;
    else if (word === "--without") parsed.without = (words[++i] ?? "").split(",");
    else if (word === "--mutant") {
      const name = words[++i];
      const mutant = mutants.find((known) => known === name);
      if (mutant === undefined) usage(`--mutant wants one of ${mutants.join(", ")}`);
      parsed.mutant = mutant;
    } else usage(`unknown option ${word}`);
  }
  return parsed;
}

function usage(problem: string): never {
  process.stderr.write(
    `${problem}\nusage: npm run sim -- [--seeds 200] [--first 1] [--seed N] [--json] [--trace] [--all] [--without FAULT,...] [--mutant ${mutants.join("|")}]\n`,
  );
  process.exit(2);
}

function tell(outcome: SeedOutcome, words: Arguments, write: (text: string) => void): void {
  const { seed, failure, shape } = outcome;
  write(`seed ${seed} failed after ${(outcome.simulatedMs / 1_000).toFixed(1)} s\n  ${shape}\n`);
  const replay = runSeed(seed, { mutant: words.mutant, without: words.without, trace: true });
  for (const line of replay.timeline) write(`  ${line.length > 220 ? `${line.slice(0, 217)}...` : line}\n`);
  write(`failed: ${failure?.message ?? "the second run wrote another transcript"}\n`);
  const options = [
    ...(words.mutant === undefined ? [] : [`--mutant ${words.mutant}`]),
    ...(words.without.length === 0 ? [] : [`--without ${words.without.join(",")}`]),
  ];
  write(`replay: npm run sim -- ${[`--seed ${seed}`, ...options, "--trace"].join(" ")}\n`);
}

const words = parseArguments(process.argv.slice(2));
const out = (text: string): boolean => process.stdout.write(text);
const err = (text: string): boolean => process.stderr.write(text);
const totals = { seeds: 0, failed: 0, acknowledged: 0, lost: 0, simulatedMs: 0, events: 0 };
const sometimes: Record<string, number> = {};
const settled: number[] = [];
const startedAt = performance.now();

for (let seed = words.first; seed < words.first + words.seeds; seed++) {
  const trace = words.trace || seed % 100 === 0;
  const outcome = runSeed(seed, {
    mutant: words.mutant,
    without: words.without,
    trace,
    ...(words.trace ? { onLine: (line) => void out(`${line}\n`) } : {}),
  });
  totals.seeds++;
  totals.acknowledged += outcome.acknowledged;
  totals.lost += outcome.lost;
  totals.simulatedMs += outcome.simulatedMs;
  totals.events += outcome.events;
  if (outcome.settledMs !== undefined) settled.push(outcome.settledMs);
  for (const [name, count] of Object.entries(outcome.sometimes)) sometimes[name] = (sometimes[name] ?? 0) + count;
  const same =
    !trace ||
    words.trace ||
    runSeed(seed, { mutant: words.mutant, without: words.without, trace }).transcriptHash === outcome.transcriptHash;
  if (outcome.failure === undefined && same) continue;
  totals.failed++;
  if (words.all) err(`seed ${seed}: ${outcome.failure?.message ?? "two transcripts"}  [${outcome.shape}]\n`);
  else {
    tell(outcome, words, err);
    break;
  }
}

const seconds = (performance.now() - startedAt) / 1_000;
settled.sort((a, b) => a - b);
const summary = {
  seeds: totals.seeds,
  failed: totals.failed,
  acknowledged: totals.acknowledged,
  lost: totals.lost,
  simulatedHours: Number((totals.simulatedMs / 3_600_000).toFixed(3)),
  settledMsMax: settled.at(-1) ?? 0,
  events: totals.events,
  eventsPerSecond: Math.round(totals.events / seconds),
  sometimes: Object.fromEntries(Object.entries(sometimes).sort(([a], [b]) => (a < b ? -1 : 1))),
};
if (words.json) out(`${JSON.stringify(summary)}\n`);
else {
  out(
    `${summary.seeds} seeds, ${summary.failed} failed; ${summary.acknowledged} puts acknowledged, ${summary.lost} lost; ` +
      `${summary.simulatedHours} simulated hours in ${seconds.toFixed(1)} s, ${summary.eventsPerSecond} events a second; settled within ${summary.settledMsMax} ms\n`,
  );
  for (const [name, count] of Object.entries(summary.sometimes)) out(`  ${name}: ${count}\n`);
}
process.exitCode = totals.failed > 0 ? 1 : 0;
