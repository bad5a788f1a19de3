/**
 * `npm run paper -- [D22 …] [--json] [--check [--tabs]]`
 *
 * What became of every mechanism of the two papers, and what proves it; see `paper-rows.ts`. Rows that are named are told in full. `--json`: one entry for
 * each row, as one line. `--check` holds all names against the source and runs the named tests; with `--tabs` also those that need a browser. It fails
 * when one of them is not there, was left out, or does not pass. Rows that are missing are told; they do not fail it, for nothing is claimed of them.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type PaperRow, paperRows } from "./paper-rows.ts";
import {
  type NamedTest,
  type TestResult,
  ROW_IDS,
  Tree,
  entryOf,
  faultsOf,
  faultsOfRun,
  formatCounts,
  formatRow,
  formatTable,
  nameOf,
  needsBrowser,
  runsInTabs,
  testsOf,
} from "./paper-table.ts";
import { titlePattern } from "./test-titles.ts";

const USAGE = "usage: npm run paper -- [D22 ...] [--json] [--check [--tabs]]";
const root = fileURLToPath(new URL("../..", import.meta.url));
const MINUTE_MS = 60_000;

function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}\n`);
  process.exit(2);
}

function read(path: string): string | undefined {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined;
}

/** Runs a tool of node_modules and reads the report that it writes; undefined when it wrote none. */
function report(tool: string, args: readonly string[], file: string, timeout: number, env = {}): unknown {
  const { error } = spawnSync(process.execPath, [join(root, "node_modules", tool), ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    // What the tests say goes beside the verdict, not into it.
    stdio: ["ignore", 2, 2],
    timeout,
  });
  if (error !== undefined) process.stderr.write(`${tool}: ${error.message}\n`);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function fromRoot(path: string): string {
  return relative(root, path).split(sep).join("/");
}

/** A title without what joins its parts: what both runners filter by. */
function grepOf(tests: readonly NamedTest[]): string {
  return tests.map(({ title }) => titlePattern(title).source.slice(1, -1).replaceAll(" > ", " ")).join("|");
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

function runVitest(tests: readonly NamedTest[], folder: string): TestResult[] {
  const files = [...new Set(tests.map(({ file }) => file))];
  const projects = files.some(needsBrowser) ? [] : ["--project", "node"];
  const out = join(folder, "vitest.json");
  const args = ["run", ...projects, "--reporter=dot", "--reporter=json", `--outputFile.json=${out}`];
  const found = report("vitest/vitest.mjs", [...args, "-t", grepOf(tests), ...files], out, 20 * MINUTE_MS);
  return ((found as VitestReport | undefined)?.testResults ?? []).flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status }) => ({
      file: fromRoot(name),
      title: [...ancestorTitles, title].join(" > "),
      status: status === "passed" || status === "failed" ? status : "skipped",
    })),
  );
}

interface PlaywrightSuite {
  readonly title: string;
  readonly file: string;
  readonly suites?: readonly PlaywrightSuite[];
  readonly specs?: readonly {
    readonly title: string;
    readonly file: string;
    readonly ok: boolean;
    readonly tests: readonly { readonly status: string }[];
  }[];
}

function runTabs(tests: readonly NamedTest[], folder: string): TestResult[] {
  const files = [...new Set(tests.map(({ file }) => file))];
  const out = join(folder, "tabs.json");
  const args = ["test", "-c", "e2e", "--reporter=dot,json", "--grep", grepOf(tests)];
  const found = report("@playwright/test/cli.js", [...args, ...files], out, 20 * MINUTE_MS, {
    PLAYWRIGHT_JSON_OUTPUT_NAME: out,
  });
  const suites = (found as { readonly suites?: readonly PlaywrightSuite[] } | undefined)?.suites ?? [];
  const walk = (suite: PlaywrightSuite, trail: readonly string[]): TestResult[] => [
    ...(suite.specs ?? []).map(({ title, file, ok, tests: runs }): TestResult => {
      const skipped = runs.some(({ status }) => status === "skipped");
      return {
        file: `e2e/${file}`,
        title: [...trail, title].join(" > "),
        status: skipped ? "skipped" : ok ? "passed" : "failed",
      };
    }),
    ...(suite.suites ?? []).flatMap((inner) => walk(inner, [...trail, inner.title])),
  ];
  return suites.flatMap((suite) => walk(suite, []));
}

/** All that is wrong, a line each; what was run is told on the way. */
function check(rows: readonly PaperRow[], tabs: boolean, say: (line: string) => void): string[] {
  const { scripts } = JSON.parse(read("package.json") ?? "{}") as { scripts: Readonly<Record<string, string>> };
  const faults = faultsOf(paperRows, new Tree(read), Object.keys(scripts));
  const byName = new Map(rows.flatMap(testsOf).map((test) => [nameOf(test), test]));
  const named = [...byName.values()];
  const [inTabs, others] = [
    named.filter(({ file }) => runsInTabs(file)),
    named.filter(({ file }) => !runsInTabs(file)),
  ];
  const unit = tabs ? others : others.filter(({ file }) => !needsBrowser(file));
  const folder = mkdtempSync(join(tmpdir(), "tabring-paper-"));
  try {
    if (unit.length > 0) faults.push(...faultsOfRun(unit, runVitest(unit, folder)));
    if (tabs && inTabs.length > 0) faults.push(...faultsOfRun(inTabs, runTabs(inTabs, folder)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const run = unit.length + (tabs ? inTabs.length : 0);
  say(`${run} named tests were run.`);
  if (run < named.length)
    say(`${named.length - run} need a browser, and were not run: npm run build, then --check --tabs.`);
  return faults;
}

let json = false;
let checks = false;
let tabs = false;
const ids: string[] = [];
for (const word of process.argv.slice(2)) {
  if (word === "--json") json = true;
  else if (word === "--check") checks = true;
  else if (word === "--tabs") tabs = true;
  else if (ROW_IDS.includes(word.toUpperCase())) ids.push(word.toUpperCase());
  else
    usage(
      word.startsWith("-") ? `unknown option ${word}` : `there is no row ${word}; there are D1 to D51 and E1 to E22`,
    );
}
if (tabs && !checks) usage("--tabs says which tests --check runs");

const rows = ids.length === 0 ? paperRows : paperRows.filter(({ id }) => ids.includes(id));
const say = (text: string): void => void process.stdout.write(`${text}\n`);
if (!checks) {
  if (json) say(JSON.stringify(rows.map(entryOf)));
  else say(ids.length === 0 ? formatTable(rows) : rows.map(formatRow).join("\n\n"));
} else {
  const told: string[] = [];
  const faults = check(rows, tabs, (line) => void told.push(line));
  if (json) say(JSON.stringify({ rows: rows.map(entryOf), faults }));
  else {
    for (const line of told) say(line);
    for (const row of rows) if (row.verdict === "missing") say(`missing: ${row.id} ${row.title}`);
    say(formatCounts(rows));
    for (const fault of faults) say(fault);
    say(faults.length === 0 ? "All that is claimed is so." : `${faults.length} of the claims are not so.`);
  }
  process.exitCode = faults.length === 0 ? 0 : 1;
}
