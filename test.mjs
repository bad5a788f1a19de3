/**
 * `npm test`: installs what is missing, the browser too, then runs every check there is, and ends with one line,
 * `N passed, N failed`, over everything. A part that fails does not keep the others from running; one that ran nothing has failed.
 *
 * `npm test -- check` (or unit, sim, e2e; several are fine) runs only that part.
 */

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { installPackages, requireNode, root, run, runTool } from "./tool/packages.mjs";

const REPORTS = join(root, "test-results");
/** A minute or two; from fifty on every `sometimes` point must be reached. Seed 100 is among them, which runs twice to compare. */
const SIMULATOR_SEEDS = 50;
const FIRST_SEED = 70;
const MINUTE_MS = 60_000;

/** What a part that went well came to; anything else is a failure. */
const count = (passed, failed) => ({ passed, failed });

/** One command that passes or fails as a whole. */
async function check(script, args) {
  const { code } = await runTool(script, args, { timeoutMs: 5 * MINUTE_MS });
  return code === 0 ? count(1, 0) : count(0, 1);
}

/** The report that a runner wrote, or undefined when it did not come that far. */
function readReport(name) {
  const path = join(REPORTS, name);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** A runner that failed without a failed test (a file that does not load, an error outside of any test) failed once. */
function withExitCode({ passed, failed }, code) {
  return count(passed, failed === 0 && (code !== 0 || passed === 0) ? 1 : failed);
}

/** Tests that were left out count as failed: there is no reason to have one. */
async function vitest() {
  const report = "unit.json";
  rmSync(join(REPORTS, report), { force: true });
  const { code } = await runTool(
    "vitest/vitest.mjs",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${join(REPORTS, report)}`],
    { timeoutMs: 12 * MINUTE_MS },
  );
  const result = readReport(report);
  if (result === undefined) return count(0, 1);
  const unloaded = result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  return withExitCode(
    count(result.numPassedTests, result.numTotalTests - result.numPassedTests + unloaded.length),
    code,
  );
}

async function simulator() {
  const { code, output } = await runTool(
    "tsx/dist/cli.mjs",
    ["src/sim/run.ts", "--first", String(FIRST_SEED), "--seeds", String(SIMULATOR_SEEDS), "--json"],
    { capture: true, timeoutMs: 10 * MINUTE_MS },
  );
  const line = output
    .trim()
    .split("\n")
    .findLast((text) => text.startsWith("{"));
  if (line === undefined) return count(0, 1);
  const { seeds, failed, acknowledged, lost } = JSON.parse(line);
  // Seeds in which nothing was ever acknowledged have shown nothing.
  const sound = acknowledged > 0 && lost === 0;
  return withExitCode(count(seeds - failed, sound ? failed : Math.max(1, failed)), code);
}

async function playwright(...projects) {
  const report = "e2e.json";
  rmSync(join(REPORTS, report), { force: true });
  const { code } = await runTool(
    "@playwright/test/cli.js",
    ["test", "-c", "e2e", ...projects.map((name) => `--project=${name}`)],
    { timeoutMs: 22 * MINUTE_MS },
  );
  const result = readReport(report);
  if (result === undefined) return count(0, 1);
  const { expected, unexpected, flaky, skipped } = result.stats;
  return withExitCode(count(expected, unexpected + flaky + skipped), code);
}

const PARTS = [
  ["check", "prettier", () => check("prettier/bin/prettier.cjs", ["--check", "--log-level", "warn", "."])],
  ["check", "eslint", () => check("eslint/bin/eslint.js", ["--max-warnings", "0", "."])],
  ["check", "types", () => check("typescript/bin/tsc", ["-p", "tsconfig.json"])],
  [
    "check",
    "types below the driver: no DOM, no Node",
    () => check("typescript/bin/tsc", ["-p", "src/core/tsconfig.json"]),
  ],
  [
    "check",
    "types of the pages",
    () => check("svelte-check/bin/svelte-check", ["--tsconfig", "app/tsconfig.json", "--fail-on-warnings"]),
  ],
  ["unit", "unit, property, contract and fence tests", vitest],
  ["sim", `simulator, ${SIMULATOR_SEEDS} seeds`, simulator],
  ["e2e", "build of the demo", () => check("vite/bin/vite.js", ["build", "app", "--logLevel", "warn"])],
  ["e2e", "tabs under load", () => playwright("load")],
  ["e2e", "tests in real tabs", () => playwright("tabs", "pages")],
];

/** Finds a browser, or installs one; ends the process when neither works. */
async function installBrowser() {
  const { tsImport } = await import("tsx/esm/api");
  const { findChromium } = await tsImport("./e2e/browser.ts", import.meta.url);
  let found;
  try {
    found = findChromium();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  const rootOnDebian = process.platform === "linux" && process.getuid() === 0 && existsSync("/etc/debian_version");
  if (found === undefined && rootOnDebian) {
    console.log("No Chromium was found. Installing Debian's package (apt-get install chromium) …");
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    await run("apt-get", ["install", "-y", "-q", "chromium"], { env });
    found = findChromium();
  }
  if (found === undefined) {
    const libraries = rootOnDebian ? ", and the system libraries that it needs, by apt-get (--with-deps)" : "";
    console.log(`No Chromium was found. Downloading Playwright's (playwright install chromium)${libraries} …`);
    await runTool("@playwright/test/cli.js", ["install", ...(rootOnDebian ? ["--with-deps"] : []), "chromium"]);
    found = findChromium();
  }
  if (found === undefined) {
    console.error("There is no Chromium for the tests in real tabs, and none could be installed. One of these helps:");
    console.error(
      "  - install Chromium, Chrome or Edge where the system keeps its programs (Debian: apt-get install chromium);",
    );
    console.error("  - npx playwright install chromium;");
    console.error("  - set CHROMIUM_PATH to the program file of one.");
    process.exit(1);
  }
  console.log(`Chromium, ${found.source}`);
}

requireNode();
const chosen = process.argv.slice(2);
const names = [...new Set(PARTS.map(([part]) => part))];
const unknown = chosen.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(", ")}. Parts: ${names.join(", ")}; without any, all run.`);
  process.exit(1);
}
await installPackages();
const parts = PARTS.filter(([part]) => chosen.length === 0 || chosen.includes(part));
if (parts.some(([part]) => part === "unit" || part === "e2e")) await installBrowser();
mkdirSync(REPORTS, { recursive: true });

const summary = [];

async function runPart([part, title, go], place) {
  console.log(`\n── ${part}: ${title}`);
  const startedMs = performance.now();
  let result;
  try {
    result = await go();
  } catch (error) {
    console.error(error);
    result = count(0, 1);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  summary[place] = {
    ...result,
    line: `${result.failed === 0 ? "ok    " : "FAILED"} ${part}: ${title} (${result.passed} passed, ${result.failed} failed, ${seconds} s)`,
  };
  console.log(summary[place].line);
}

// Each check runs on one core, so they run beside each other; the other parts take all cores for themselves.
const waiting = [...parts.entries()];
const isCheck = ([, [part]]) => part === "check";
async function runWhile(fits) {
  while (waiting.length > 0 && fits(waiting[0])) {
    const [place, part] = waiting.shift();
    await runPart(part, place);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, () => runWhile(isCheck)));
await runWhile(() => true);

console.log(`\n${summary.map(({ line }) => line).join("\n")}`);
const passed = summary.reduce((sum, result) => sum + result.passed, 0);
const failed = summary.reduce((sum, result) => sum + result.failed, 0);
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);
