/**
 * `npm run sim -- --seeds 200 [--first 1] [--seed N] [--jobs N] [--json] [--trace] [--all] [--shrink]`
 * `                [--without FAULT,...] [--drop ACTION,...] [--callers N] [--mutant NAME]`
 *
 * Runs seeds, `jobs` at a time (by default as many as there are cores), and stops at the first that fails: seed, commit, the faults that the failure needs, what led to it in at most 50
 * lines, and the command that replays it are printed, and the exit code is 1. One seed in a hundred runs twice, and both must write the same
 * transcript. A run of STANDARD_SEEDS or more must also reach every point of `sometimes.ts`. `--shrink` makes a scenario file of the failure.
 * `--mutant` does all of this with a deliberate slip in the source (`mutants.ts`).
 */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { runMutated } from "./run-mutated.ts";
import { type SeedReport, runInPool } from "./run-pool.ts";
import { describeOptions, shrink } from "./shrink.ts";
import { sometimesPoints, versionsReadPoints } from "./sometimes.ts";
import { linkOfSeed } from "./seed-link.ts";
import { type SeedOptions, type SeedOutcome, runSeed } from "./swarm.ts";

/** From this many seeds on every `sometimes` point must have been reached. */
const STANDARD_SEEDS = 50;
const SHRINK_SECONDS = 60;
const LINE_CHARACTERS = 220;

interface Arguments {
  first: number;
  seeds: number;
  jobs: number;
  json: boolean;
  trace: boolean;
  /** Goes on after failures and lists them. */
  all: boolean;
  shrink: boolean;
  options: SeedOptions;
}

const USAGE =
  "usage: npm run sim -- [--seeds 200] [--first 1] [--seed N] [--jobs N] [--json] [--trace] [--all] [--shrink] [--without FAULT,...] [--drop ACTION,...] [--callers N] [--mutant NAME]";

function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}\n`);
  process.exit(2);
}

function parseArguments(words: readonly string[]): Arguments {
  const jobs = availableParallelism();
  const parsed: Arguments = {
    first: 1,
    seeds: 200,
    jobs,
    json: false,
    trace: false,
    all: false,
    shrink: false,
    options: {},
  };
  const number = (name: string, text: string | undefined): number => {
    const value = Number(text);
    if (text === undefined || !Number.isSafeInteger(value) || value < 0)
      usage(`${name} wants a whole number, not ${text ?? "nothing"}`);
    return value;
  };
  const list = (text: string | undefined): string[] => (text ?? "").split(",").filter((item) => item !== "");
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--seeds") parsed.seeds = number(word, words[++i]);
    else if (word === "--first") parsed.first = number(word, words[++i]);
    else if (word === "--seed") {
      parsed.first = number(word, words[++i]);
      parsed.seeds = 1;
    } else if (word === "--jobs") parsed.jobs = Math.max(1, number(word, words[++i]));
    else if (word === "--json") parsed.json = true;
    else if (word === "--trace") parsed.trace = true;
    else if (word === "--all") parsed.all = true;
    else if (word === "--shrink") parsed.shrink = true;
    else if (word === "--without") parsed.options = { ...parsed.options, without: list(words[++i]) };
    else if (word === "--drop")
      parsed.options = { ...parsed.options, dropActions: list(words[++i]).map((text) => number(word, text)) };
    else if (word === "--callers") parsed.options = { ...parsed.options, callersMax: number(word, words[++i]) };
    else usage(`unknown option ${word}`);
  }
  return parsed;
}

/** The commit that is checked out, and whether there is more than that. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with changes"}`;
  } catch {
    return "unknown";
  }
}

/** The same options as words of a command. */
function asFlags(options: SeedOptions): string {
  return describeOptions(options)
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => `--${word.replace("=", " ")}`)
    .join(" ");
}

function tell(seed: number, options: SeedOptions, write: (text: string) => void): SeedOptions {
  const until = performance.now() + SHRINK_SECONDS * 1_000;
  const shrunk = shrink(seed, options, () => performance.now() < until);
  const replay = runSeed(seed, { ...shrunk.options, trace: true });
  const { failure, shape, actions } = replay;
  write(`seed ${seed} failed after ${(replay.simulatedMs / 1_000).toFixed(1)} s, at commit ${commit()}\n  ${shape}\n`);
  write(`faults that it needs, after ${shrunk.runs} runs without others:\n`);
  const name = process.env["TABRING_MUTANT"] ?? "";
  const mutant = name === "" ? [] : [`--mutant ${name}`];
  const dropped = new Set(shrunk.options.dropActions);
  if (replay.faultClasses.length === 0) write("  none\n");
  else write(`  ${replay.faultClasses.join(" ")}\n`);
  for (const action of actions) write(`  ${action}\n`);
  write(`what led to it (${dropped.size} actions left out):\n`);
  for (const line of replay.timeline)
    write(`  ${line.length > LINE_CHARACTERS ? `${line.slice(0, LINE_CHARACTERS - 3)}...` : line}\n`);
  write(`failed: ${failure?.message ?? "the second run wrote another transcript"}\n`);
  write(
    `replay: npm run sim -- ${[`--seed ${seed}`, ...mutant, asFlags(shrunk.options), "--trace"].filter((word) => word !== "").join(" ")}\n`,
  );
  const { without = [], dropActions = [], callersMax } = shrunk.options;
  // A mutant's seed is another run there.
  if (name === "")
    write(
      `in the lab: ${linkOfSeed({ seed, variant: { without, dropActions, callersMax }, at: replay.simulatedMs })}\n`,
    );
  return shrunk.options;
}

const given = process.argv.slice(2);
const mutantAt = given.indexOf("--mutant");
if (mutantAt >= 0)
  process.exit(
    await runMutated(
      given[mutantAt + 1] ?? "",
      given.filter((_, i) => i !== mutantAt && i !== mutantAt + 1),
    ),
  );
const words = parseArguments(given);
const out = (text: string): boolean => process.stdout.write(text);
const err = (text: string): boolean => process.stderr.write(text);
const totals = { seeds: 0, failed: 0, acknowledged: 0, lost: 0, simulatedMs: 0, events: 0, large: 0, asBytes: 0 };
const sometimes: Record<string, number> = {};
/** The seed that took longest to come to rest after its last fault. */
let slowest = { seed: 0, ms: 0 };
const startedAt = performance.now();

function add(outcome: SeedOutcome): void {
  totals.seeds++;
  totals.acknowledged += outcome.acknowledged;
  totals.lost += outcome.lost;
  totals.simulatedMs += outcome.simulatedMs;
  totals.events += outcome.events;
  if (outcome.nodes >= 12 && outcome.simulatedMs >= 600_000) totals.large++;
  if (outcome.usedCodec) totals.asBytes++;
  const { seed, settledMs: ms = 0 } = outcome;
  if (ms > slowest.ms) slowest = { seed, ms };
  for (const [name, count] of Object.entries(outcome.sometimes)) sometimes[name] = (sometimes[name] ?? 0) + count;
}

const failures = new Map<number, SeedOutcome>();

/** Whether to go on. */
function onReport({ outcome, same }: SeedReport): boolean {
  add(outcome);
  if (outcome.failure === undefined && same) return true;
  failures.set(outcome.seed, outcome);
  totals.failed++;
  if (words.all) err(`seed ${outcome.seed}: ${outcome.failure?.message ?? "two transcripts"}  [${outcome.shape}]\n`);
  return words.all;
}

const orders = Array.from({ length: words.seeds }, (_, i) => {
  const seed = words.first + i;
  return { seed, options: words.options, twice: seed % 100 === 0 };
});
if (words.trace)
  orders.every(({ seed, options }) => {
    const onLine = (line: string): void => void out(`${line}\n`);
    return onReport({ outcome: runSeed(seed, { ...options, trace: true, onLine }), same: true });
  });
else await runInPool(orders, Math.min(words.jobs, words.seeds), onReport);

const firstFailed = Math.min(...failures.keys());
const failed = words.all ? undefined : failures.get(firstFailed);
if (failed !== undefined) {
  const { seed } = failed;
  const needed = tell(seed, words.options, err);
  if (words.shrink) {
    const path = `src/sim/scenarios/seed-${seed}.txt`;
    writeFileSync(path, `# Seed ${seed}: ${failed.failure?.message ?? ""}\nseed ${seed} ${describeOptions(needed)}\n`);
    err(`scenario: ${path}; its transcript comes with UPDATE=1 npx vitest run src/sim/scenario.test.ts\n`);
  }
}

const seconds = (performance.now() - startedAt) / 1_000;
const neverReached =
  totals.seeds >= STANDARD_SEEDS ? sometimesPoints.filter((point) => (sometimes[point] ?? 0) === 0) : [];
const versionsRead = versionsReadPoints.map((point) => sometimes[point] ?? 0);
const reads = Math.max(
  1,
  versionsRead.reduce((sum, count) => sum + count, 0),
);
const summary = {
  seeds: totals.seeds,
  failed: totals.failed,
  acknowledged: totals.acknowledged,
  lost: totals.lost,
  simulatedHours: Number((totals.simulatedMs / 3_600_000).toFixed(3)),
  largeSeeds: totals.large,
  seedsAsBytes: totals.asBytes,
  settledMsMax: slowest.ms,
  settledMsMaxSeed: slowest.seed,
  processes: Math.min(words.jobs, words.seeds),
  events: totals.events,
  eventsPerSecond: Math.round(totals.events / seconds),
  neverReached,
  /** Shares of all gets that were answered with 0, 1, 2, 3, and 4 or more versions. */
  divergence: versionsRead.map((count) => Number((count / reads).toFixed(6))),
  sometimes: Object.fromEntries(Object.entries(sometimes).sort(([a], [b]) => (a < b ? -1 : 1))),
};
if (words.json) out(`${JSON.stringify(summary)}\n`);
else {
  out(
    `${summary.seeds} seeds, ${summary.failed} failed; ${summary.acknowledged} puts acknowledged, ${summary.lost} lost; ` +
      `${summary.simulatedHours} simulated hours in ${seconds.toFixed(1)} s, ${summary.eventsPerSecond} events a second; settled within ${summary.settledMsMax} ms (seed ${summary.settledMsMaxSeed})\n`,
  );
  for (const [name, count] of Object.entries(summary.sometimes)) out(`  ${name}: ${count}\n`);
  if (neverReached.length > 0) out(`  never reached: ${neverReached.join(", ")}\n`);
}
process.exitCode = totals.failed > 0 || neverReached.length > 0 ? 1 : 0;
