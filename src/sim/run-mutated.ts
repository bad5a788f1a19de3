/**
 * A tree with a bug in it: copies what a simulated node consists of into a scratch folder that the tools ignore, patches it (`mutants.ts`), and
 * runs a command line of this folder there, in a process of its own.
 *
 * `npm run sim -- --mutant NAME ...` goes through `runMutated`: whatever the simulator can do, it can do with a mutant. In the process that runs
 * in such a tree the environment variable TABRING_MUTANT names the mutant.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutant, mutants, patched, patchesOf } from "./mutants.ts";
import type { SeedsReport } from "./run-to-failure.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCE = join(PROJECT, "src");
/** What the simulator imports, directly or not. */
const FOLDERS = ["base", "core", "wire", "sim"];
/** Inside the project, so that packages are found from there; ignored by git, the formatter, the lint and the fences. */
const SCRATCH = join(PROJECT, "test-results", "mutants");

/** @throws Error when there is none of this name. */
export function mutantNamed(name: string): Mutant {
  const mutant = mutants.find((known) => known.name === name);
  if (mutant === undefined)
    throw new Error(`no mutant is called ${name}; there are ${mutants.map((known) => known.name).join(", ")}`);
  return mutant;
}

/** A mutant that neither fails nor ends: it spins within a step. */
const MINUTES_MAX = 60;

/** Text of a source file as it is shipped. */
export function sourceOf(file: string): string {
  return readFileSync(join(SOURCE, file), "utf8");
}

/**
 * A fresh copy of the source, with the mutant's patches; undefined leaves it as it is. Returns its folder, which `removeTree` takes away.
 *
 * @throws Error when a patch does not fit the source any more.
 */
export function makeTree(mutant: Mutant | undefined): string {
  // Before anything is copied: a patch that does not fit leaves nothing behind.
  const texts = new Map<string, string>();
  if (mutant !== undefined)
    for (const patch of patchesOf(mutant))
      texts.set(patch.file, patched(texts.get(patch.file) ?? sourceOf(patch.file), patch));
  mkdirSync(SCRATCH, { recursive: true });
  const tree = mkdtempSync(join(SCRATCH, `${mutant?.name ?? "control"}-`));
  for (const folder of FOLDERS)
    cpSync(join(SOURCE, folder), join(tree, folder), { recursive: true, filter: (path) => !path.endsWith(".test.ts") });
  for (const [file, text] of texts) writeFileSync(join(tree, file), text);
  return tree;
}

export function removeTree(tree: string): void {
  rmSync(tree, { recursive: true, force: true });
}

/** Those that run; they end with this process when it is told to end, and take their trees with them. */
const running = new Map<ChildProcess, string>();

function endAll(): never {
  for (const [child, tree] of running) {
    child.kill("SIGKILL");
    removeTree(tree);
  }
  process.exit(1);
}

/** Starts a command line of the simulator in a tree; what it prints goes to us or, with "pipe", to whoever reads it. */
function startIn(
  tree: string,
  mutant: Mutant | undefined,
  script: string,
  words: readonly string[],
  output: "inherit" | "pipe",
): ChildProcess {
  const child = spawn(process.execPath, ["--import", "tsx", join(tree, "sim", script), ...words], {
    cwd: PROJECT,
    // The trees are used once: what tsx would remember of them only fills the disk.
    env: { ...process.env, TABRING_MUTANT: mutant?.name ?? "", TSX_DISABLE_CACHE: "1" },
    stdio: ["ignore", output, "inherit"],
  });
  if (process.listenerCount("SIGTERM", endAll) === 0) {
    process.once("SIGTERM", endAll);
    process.once("SIGINT", endAll);
  }
  running.set(child, tree);
  child.once("close", () => running.delete(child));
  return child;
}

/**
 * Runs seeds in a tree of its own; `words` as `run-to-failure.ts` takes them.
 *
 * @throws Error when the mutant does not fit, or its process printed no report.
 */
export async function runSeeds(mutant: Mutant | undefined, words: readonly string[]): Promise<SeedsReport> {
  const tree = makeTree(mutant);
  try {
    const child = startIn(tree, mutant, "run-to-failure.ts", words, "pipe");
    const overdue = setTimeout(() => child.kill("SIGKILL"), MINUTES_MAX * 60_000);
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
    const signal = await new Promise<string | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (_code, by) => resolve(by));
    });
    clearTimeout(overdue);
    const line = output.trim().split("\n").at(-1) ?? "";
    if (line.startsWith("{")) return JSON.parse(line) as SeedsReport;
    throw new Error(signal === "SIGKILL" ? `it did not end within ${MINUTES_MAX} minutes` : "it printed no report");
  } finally {
    removeTree(tree);
  }
}

/** `npm run sim` with these words in the tree of a mutant. Resolves to the exit code, 2 when there is no such mutant or it does not fit. */
export async function runMutated(name: string, words: readonly string[]): Promise<number> {
  let tree: string | undefined;
  try {
    const mutant = mutantNamed(name);
    tree = makeTree(mutant);
    const child = startIn(tree, mutant, "run.ts", words, "inherit");
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? 1));
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  } finally {
    if (tree !== undefined) removeTree(tree);
  }
}
