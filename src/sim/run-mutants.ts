/**
 * `npm run sim:mutants -- [--json] [--only NAME,...] [--first 1] [--seeds-max 2000] [--jobs N] [--control 10]`
 *
 * Proves the judges: runs each mutant until a seed fails, each in a tree and a process of its own, `jobs` at a time (by default as many as there
 * are cores). The exit code is 1 if one is missed.
 *
 * Most are hunted in all seeds from `first`; the few that have a theme in those of that theme (`focus.ts`), those that name a scenario in that one.
 * `seeds-max` counts seeds that were run.
 *
 * The source as it is runs first, over the first `control` seeds, and then over every seed that caught a mutant, because a seed that fails anyway has
 * caught nobody: the hunt goes on behind it, and the exit code is 1.
 */

import { availableParallelism } from "node:os";
import { type ThemeName, seedsOfTheme } from "./focus.ts";
import { type Mutant, mutants } from "./mutants.ts";
import { mutantNamed, runSeeds } from "./run-mutated.ts";
import type { FailedSeed } from "./run-to-failure.ts";

interface Arguments {
  json: boolean;
  first: number;
  seedsMax: number;
  jobs: number;
  control: number;
  chosen: readonly Mutant[];
}

interface Finding {
  readonly name: string;
  readonly trap: string;
  /** It was hunted in the focused seeds of this theme alone. */
  readonly theme: ThemeName | undefined;
  /** It was put to this scenario alone. */
  readonly scenario: string | undefined;
  readonly caught: boolean;
  /** The first seed that failed. */
  readonly seed: number | undefined;
  /** How many seeds were run. */
  readonly seeds: number;
  readonly invariant: string | undefined;
  readonly message: string | undefined;
  readonly seconds: number;
}

function parseArguments(words: readonly string[]): Arguments {
  const parsed: Arguments = {
    json: false,
    first: 1,
    seedsMax: 2_000,
    jobs: availableParallelism(),
    control: 10,
    chosen: mutants,
  };
  const number = (name: string, text: string | undefined): number => {
    const value = Number(text);
    if (text === undefined || !Number.isSafeInteger(value) || value < 1)
      usage(`${name} wants a whole number from 1, not ${text ?? "nothing"}`);
    return value;
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--json") parsed.json = true;
    else if (word === "--first") parsed.first = number(word, words[++i]);
    else if (word === "--seeds-max") parsed.seedsMax = number(word, words[++i]);
    else if (word === "--jobs") parsed.jobs = number(word, words[++i]);
    else if (word === "--control") parsed.control = number(word, words[++i]);
    else if (word === "--only") {
      try {
        parsed.chosen = (words[++i] ?? "").split(",").map(mutantNamed);
      } catch (error) {
        usage((error as Error).message);
      }
    } else usage(`unknown option ${word}`);
  }
  return parsed;
}

function usage(problem: string): never {
  process.stderr.write(
    `${problem}\nusage: npm run sim:mutants -- [--json] [--only NAME,...] [--first 1] [--seeds-max 2000] [--jobs N] [--control 10]\n`,
  );
  process.exit(2);
}

/** Seeds that were run over the source as it is: true where it passed. */
const controls = new Map<number, Promise<boolean>>();

function passesAnyway(seed: number): Promise<boolean> {
  let passes = controls.get(seed);
  if (passes === undefined) {
    passes = runSeeds(undefined, [String(seed), "1"]).then(({ failed: [failed] }) => {
      if (failed !== undefined) noteUnfit(seed, failed.message);
      return failed === undefined;
    });
    controls.set(seed, passes);
  }
  return passes;
}

async function hunt({ name, trap, theme, scenario }: Mutant, { first: from, seedsMax }: Arguments): Promise<Finding> {
  const { first, step } = theme === undefined ? { first: from, step: 1 } : seedsOfTheme(theme, from);
  const startedAt = performance.now();
  const finding = (seeds: number, failed: FailedSeed | undefined, message: string | undefined): Finding => ({
    name,
    trap,
    theme,
    scenario,
    caught: failed !== undefined,
    seed: failed?.seed,
    seeds,
    invariant: failed?.invariant,
    message,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  });
  let seeds = 0;
  try {
    if (scenario !== undefined) {
      const [unfit] = (await runSeeds(undefined, ["--scenario", scenario])).failed;
      const [failed] = (await runSeeds(mutantNamed(name), ["--scenario", scenario])).failed;
      if (unfit !== undefined)
        return finding(0, undefined, `the source without any mutant fails it: ${firstLine(unfit.message)}`);
      return finding(0, failed, failed && firstLine(failed.message));
    }
    while (seeds < seedsMax) {
      const report = await runSeeds(mutantNamed(name), [first + seeds * step, seedsMax - seeds, step].map(String));
      seeds += report.seeds;
      const [failed] = report.failed;
      if (failed !== undefined && (await passesAnyway(failed.seed)))
        return finding(seeds, failed, firstLine(failed.message));
    }
    return finding(seeds, undefined, undefined);
  } catch (error) {
    return finding(seeds, undefined, error instanceof Error ? error.message : String(error));
  }
}

function noteUnfit(seed: number, message: string): void {
  process.stderr.write(`the source without any mutant fails at seed ${seed}: ${firstLine(message)}\n`);
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

/** Does `work` for all items, `jobs` at a time; the results are in the order of the items. */
async function inTurn<Item, Result>(
  items: readonly Item[],
  jobs: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker));
  return results;
}

function row({ name, scenario, caught, seeds, seed, invariant, message, seconds }: Finding): string {
  const what = caught
    ? `${scenario === undefined ? `seed ${seed}` : `scenario ${scenario}`}: ${message}`
    : (message ?? "nobody noticed");
  const unforeseen =
    invariant === undefined || (mutantNamed(name).caughtBy as readonly string[]).includes(invariant)
      ? ""
      : " (not foreseen)";
  return `${caught ? "caught" : "MISSED"}  ${name.padEnd(40)} ${String(seeds).padStart(5)} seeds ${String(seconds).padStart(6)} s  ${what.slice(0, 150)}${unforeseen}\n`;
}

const words = parseArguments(process.argv.slice(2));
const unfit = (await runSeeds(undefined, [String(words.first), String(words.control)])).failed;
for (const { seed, message } of unfit) noteUnfit(seed, message);
if (unfit.length > 0) process.exit(1);
const findings = await inTurn(words.chosen, words.jobs, async (mutant) => {
  const finding = await hunt(mutant, words);
  if (!words.json) process.stdout.write(row(finding));
  return finding;
});
const sound = (await Promise.all(controls.values())).every((passed) => passed);
const found = findings.filter((finding) => finding.caught);
const caught = found.length;
const missed = findings.length - caught;
const counts = found.flatMap(({ scenario, seeds }) => (scenario === undefined ? [seeds] : [])).sort((a, b) => a - b);
const medianSeeds = counts[(counts.length - 1) >> 1] ?? 0;
const maxSeeds = counts.at(-1) ?? 0;
process.stdout.write(
  words.json
    ? `${JSON.stringify({ mutants: findings, caught, missed, medianSeeds, maxSeeds })}\n`
    : `${caught} of ${findings.length} mutants caught, ${caught - counts.length} by their scenario, the others within ${medianSeeds} seeds (median), ${maxSeeds} at most\n`,
);
process.exitCode = missed > 0 || !sound ? 1 : 0;
