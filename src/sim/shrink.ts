/**
 * Makes a failing seed smaller: leaves out whole classes of faults, the healthy core, callers, and then single actions, as long as the run still
 * breaks the same invariant. What is left is what the failure needs, or nearly so: leaving out one thing shifts chance for all others.
 *
 * Limits: each try is a whole run; `mayGoOn` is asked before each.
 */

import { type SeedOptions, type SeedOutcome, runSeed } from "./swarm.ts";

export interface Shrunk {
  readonly options: SeedOptions;
  readonly outcome: SeedOutcome;
  readonly runs: number;
}

/** `run` is `runSeed`, unless a test has something smaller to shrink. */
export function shrink(seed: number, options: SeedOptions, mayGoOn: () => boolean, run = runSeed): Shrunk {
  let best: Shrunk = { options, outcome: run(seed, options), runs: 1 };
  const invariant = best.outcome.failure?.invariant;
  if (invariant === undefined) return best;

  /** True when the run still fails in the same way; it is the best one then. */
  const fails = (change: SeedOptions): boolean => {
    if (!mayGoOn()) return false;
    const smaller = { ...best.options, ...change };
    const outcome = run(seed, smaller);
    const runs = best.runs + 1;
    const same = outcome.failure?.invariant === invariant;
    best = same ? { options: smaller, outcome, runs } : { ...best, runs };
    return same;
  };

  const without = (): readonly string[] => best.options.without ?? [];
  let before: number;
  do {
    before = without().length;
    for (const name of ["core", "ambush", "chained-puts", "older-versions", ...best.outcome.faultClasses])
      if (!without().includes(name)) fails({ without: [...without(), name] });
  } while (without().length > before);
  for (const callersMax of [1, 2, 3]) if (fails({ callersMax })) break;
  dropActions(() => best, fails);
  return best;
}

/** Halves first, then quarters, down to single actions. */
function dropActions(best: () => Shrunk, fails: (change: SeedOptions) => boolean): void {
  const all = best().outcome.actions.map((_, i) => i);
  for (let size = Math.ceil(all.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < all.length; from += size) {
      const dropped = best().options.dropActions ?? [];
      const chunk = all.slice(from, from + size).filter((i) => !dropped.includes(i));
      if (chunk.length > 0) fails({ dropActions: [...dropped, ...chunk] });
    }
  }
}

/** The options as they stand on the command line and in a scenario. */
export function describeOptions({ without = [], dropActions: dropped = [], callersMax }: SeedOptions): string {
  return [
    ...(without.length > 0 ? [`without=${without.join(",")}`] : []),
    ...(dropped.length > 0 ? [`drop=${dropped.join(",")}`] : []),
    ...(callersMax === undefined ? [] : [`callers=${callersMax}`]),
  ].join(" ");
}

/** The other way round; undefined when a word is none of these. */
export function parseOptions(words: readonly string[]): SeedOptions | undefined {
  let options: SeedOptions = {};
  for (const word of words) {
    const [name, text = ""] = word.split("=");
    const items = text.split(",").filter((item) => item !== "");
    const numbers = items.map(Number);
    if (name === "without") options = { ...options, without: items };
    else if (name === "drop" && numbers.every(Number.isInteger)) options = { ...options, dropActions: numbers };
    else if (name === "callers" && Number.isInteger(numbers[0])) options = { ...options, callersMax: numbers[0] };
    else return undefined;
  }
  return options;
}
