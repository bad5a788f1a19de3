/**
 * The rows of the papers (`paper-rows.ts`) as a table, as data, and held against the source and against what a run of the tests said. Reads nothing itself:
 * files and results come in.
 */

import { type PaperRow, type Verdict, verdicts } from "./paper-rows.ts";
import { HOLE, type ReadText, testTitles, titlePattern } from "./test-titles.ts";

/** D1 to D51, E1 to E22. */
export const ROW_IDS: readonly string[] = [
  ...Array.from({ length: 51 }, (_, i) => `D${i + 1}`),
  ...Array.from({ length: 22 }, (_, i) => `E${i + 1}`),
];

const SCENARIO_TEST = "src/sim/scenario.test.ts";
const SCENARIOS = "src/sim/scenarios/";
const TITLE_COLUMNS = 100;

export interface NamedTest {
  readonly file: string;
  /** As the source has it: `describe > title`, placeholders included. */
  readonly title: string;
}

/** What a runner said of one test that it ran, or left out. */
export interface TestResult extends NamedTest {
  readonly status: "passed" | "failed" | "skipped";
}

export function nameOf({ file, title }: NamedTest): string {
  return `${file} > ${title}`;
}

/** The tests that prove a row, its scenarios among them. */
export function testsOf({ tests = {}, scenarios = [] }: PaperRow): NamedTest[] {
  return [
    ...Object.entries(tests).flatMap(([file, titles]) => titles.map((title) => ({ file, title }))),
    ...scenarios.map((name) => ({ file: SCENARIO_TEST, title: `scenario > ${name.replaceAll("-", " ")}` })),
  ];
}

/** Playwright's, in real tabs. */
export function runsInTabs(file: string): boolean {
  return file.endsWith(".e2e.ts");
}

export function needsBrowser(file: string): boolean {
  return runsInTabs(file) || file.endsWith(".browser.test.ts");
}

/** Why the verdict is what it is, where it is not that it works. */
export function reasonOf(row: PaperRow): string | undefined {
  switch (row.verdict) {
    case "works":
      return undefined;
    case "lesson":
      return row.lesson;
    case "out":
      return row.why;
    case "missing":
      return row.needs;
  }
}

export function countVerdicts(rows: readonly PaperRow[]): Record<Verdict, number> {
  const counts = { works: 0, lesson: 0, out: 0, missing: 0 };
  for (const { verdict } of rows) counts[verdict]++;
  return counts;
}

/** One row as data: what stands in it, and all tests in one list. */
export function entryOf(row: PaperRow): Readonly<Record<string, unknown>> {
  const { id, from, title, verdict, source = [], scenarios = [], points = [], invariants = [], faults = [] } = row;
  const { commands = [], limits } = row;
  const tests = testsOf(row).map(nameOf);
  return {
    id,
    from,
    title,
    verdict,
    reason: reasonOf(row),
    tests,
    scenarios,
    points,
    invariants,
    faults,
    commands: commands.map((command) => `npm run ${command}`),
    source,
    limits,
  };
}

export function formatTable(rows: readonly PaperRow[]): string {
  const lines = rows.map((row) => {
    const { id, verdict, from, title } = row;
    const tests = testsOf(row).length;
    const proof = tests === 0 ? "" : `${tests} ${tests === 1 ? "test" : "tests"}`;
    const [first = "", ...rest] = wrapped(title, TITLE_COLUMNS);
    const reason = reasonOf(row);
    return [
      `${id.padEnd(4)} ${verdict.padEnd(8)} ${proof.padStart(8)}  ${first}  [${from}]`,
      ...rest.map((line) => `${" ".repeat(24)}${line}`),
      ...(reason === undefined ? [] : wrapped(reason, TITLE_COLUMNS).map((line) => `${" ".repeat(26)}${line}`)),
    ].join("\n");
  });
  return [...lines, "", formatCounts(rows)].join("\n");
}

export function formatCounts(rows: readonly PaperRow[]): string {
  const counts = countVerdicts(rows);
  const tests = new Set(rows.flatMap((row) => testsOf(row).map(nameOf)));
  return `${rows.length} rows: ${verdicts.map((verdict) => `${counts[verdict]} ${verdict}`).join(", ")}; ${tests.size} tests`;
}

/** All that is known of one row. */
export function formatRow(row: PaperRow): string {
  const list = (head: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [`  ${head}`, ...items.map((item) => `    ${item}`)];
  const reason = reasonOf(row);
  return [
    `${row.id}  ${row.verdict}  ${row.title}  [${row.from}]`,
    ...(reason === undefined ? [] : wrapped(reason, TITLE_COLUMNS).map((line) => `  ${line}`)),
    ...(row.limits === undefined ? [] : wrapped(`Limits: ${row.limits}`, TITLE_COLUMNS).map((line) => `  ${line}`)),
    ...list("where", row.source ?? []),
    ...list("tests", testsOf(row).map(nameOf)),
    ...list("the simulator judges", row.invariants ?? []),
    ...list("the simulator must reach", row.points ?? []),
    ...list("the simulator does", row.faults ?? []),
    ...list(
      "see it",
      (row.commands ?? []).map((command) => `npm run ${command}`),
    ),
  ].join("\n");
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Files of the repository, read once. */
export class Tree {
  readonly read: ReadText;
  readonly #titles = new Map<string, ReadonlySet<string>>();

  constructor(read: ReadText) {
    const texts = new Map<string, string | undefined>();
    this.read = (path) => {
      if (!texts.has(path)) texts.set(path, read(path));
      return texts.get(path);
    };
  }

  titles(file: string): ReadonlySet<string> {
    let known = this.#titles.get(file);
    if (known === undefined) this.#titles.set(file, (known = new Set(testTitles(file, this.read))));
    return known;
  }
}

/** What of the rows is not so: rows that are missing or doubled, names of nothing, verdicts without what they rest on. */
export function faultsOf(rows: readonly PaperRow[], tree: Tree, scripts: readonly string[]): string[] {
  const faults: string[] = [];
  for (const id of ROW_IDS) {
    const times = rows.filter((row) => row.id === id).length;
    if (times !== 1) faults.push(`${id} is there ${times} times`);
  }
  for (const row of rows) {
    const fault = (what: string): void => void faults.push(`${row.id}: ${what}`);
    if (!ROW_IDS.includes(row.id)) fault("there is no such row");
    if (!verdicts.includes(row.verdict)) fault(`${String(row.verdict)} is no verdict`);
    if (row.title === "" || row.from === "") fault("has no title, or comes from nowhere");
    if (row.verdict !== "works" && (reasonOf(row) ?? "") === "") fault(`is ${row.verdict}, and nobody says why`);
    if (row.verdict === "works" && testsOf(row).length === 0) fault("works, and nothing proves it");
    if (row.verdict === "works" && (row.source ?? []).length === 0) fault("works, and is nowhere");
    for (const file of row.source ?? []) if (tree.read(file) === undefined) fault(`there is no file ${file}`);
    for (const name of row.scenarios ?? [])
      if (tree.read(`${SCENARIOS}${name}.txt`) === undefined) fault(`there is no scenario ${name}`);
    for (const [file, named] of Object.entries(row.tests ?? {})) {
      if (tree.read(file) === undefined) fault(`there is no file ${file}`);
      for (const title of named)
        if (title.endsWith(` > ${HOLE}`) || !tree.titles(file).has(title)) fault(`there is no test ${file} > ${title}`);
    }
    for (const command of row.commands ?? []) if (!scripts.includes(command)) fault(`there is no npm run ${command}`);
    const names = testsOf(row).map(nameOf);
    if (new Set(names).size < names.length) fault("names a test twice");
  }
  return faults;
}

/** What a run said of the tests that were to be run: one line for each that did not pass, was left out, or was not found. A title with placeholders stands for all that fit it. */
export function faultsOfRun(named: readonly NamedTest[], results: readonly TestResult[]): string[] {
  const byFile = new Map<string, TestResult[]>();
  for (const result of results) byFile.set(result.file, [...(byFile.get(result.file) ?? []), result]);
  return named.flatMap((test) => {
    const pattern = titlePattern(test.title);
    const there = byFile.get(test.file) ?? [];
    const exact = there.filter(({ title }) => title === test.title);
    const found = exact.length > 0 ? exact : there.filter(({ title }) => pattern.test(title));
    if (found.length === 0) return [`not found: ${nameOf(test)}`];
    return found.filter(({ status }) => status !== "passed").map((result) => `${result.status}: ${nameOf(result)}`);
  });
}
