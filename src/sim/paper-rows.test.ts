/** Every name that stands in the rows of the papers is the name of something, and a wrong one is found. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { faultClasses } from "./fault-plan.ts";
import { type PaperRow, paperRows, rowsKnownToBeMissing } from "./paper-rows.ts";
import {
  ROW_IDS,
  Tree,
  countVerdicts,
  entryOf,
  faultsOf,
  faultsOfRun,
  formatRow,
  formatTable,
  nameOf,
  testsOf,
} from "./paper-table.ts";
import { sometimesPoints, versionsReadPoints } from "./sometimes.ts";
import { testTitles, titlePattern } from "./test-titles.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tree = new Tree((path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined));
const scripts = Object.keys((JSON.parse(tree.read("package.json")!) as { scripts: Record<string, string> }).scripts);

describe("the rows", () => {
  test("are D1 to D51 and E1 to E22, in this order, each once, with what their verdict rests on, and name only what is there", () => {
    expect(paperRows.map(({ id }) => id)).toEqual(ROW_IDS);
    expect(faultsOf(paperRows, tree, scripts)).toEqual([]);
  });

  test("that are missing are those that are known to be", () => {
    expect(paperRows.filter(({ verdict }) => verdict === "missing").map(({ id }) => id)).toEqual(rowsKnownToBeMissing);
  });

  test("that are out are consensus, transactions and indexes, and what is provisioned", () => {
    expect(paperRows.filter(({ verdict }) => verdict === "out").map(({ id }) => id)).toEqual(["E1", "E2", "E3", "E8"]);
  });

  // Invariants are known to the compiler alone.
  test("name faults and points of the simulator", () => {
    for (const { id, points = [], faults = [] } of paperRows) {
      for (const point of points) expect([...sometimesPoints, ...versionsReadPoints], id).toContain(point);
      for (const fault of faults) expect(faultClasses, id).toContain(fault);
    }
  });

  test("that work are mostly shown by more than one test, and each of them by one that needs no browser", () => {
    for (const row of paperRows) {
      if (row.verdict !== "works") continue;
      const here = testsOf(row).filter(({ file }) => !/\.(e2e|browser\.test)\.ts$/.test(file));
      expect(here.length, row.id).toBeGreaterThan(0);
    }
  });
});

describe("a slip in the rows is found:", () => {
  const changed = (id: string, change: object): PaperRow[] =>
    paperRows.map((row) => (row.id === id ? { ...row, ...change } : row));
  const slips: Readonly<Record<string, [PaperRow[], string]>> = {
    "a row that is not there": [paperRows.filter(({ id }) => id !== "E9"), "E9 is there 0 times"],
    "a row twice": [[...paperRows, paperRows[0]!], "D1 is there 2 times"],
    "a row of no list": [changed("D1", { id: "D52" }), "D52: there is no such row"],
    "a test under another title": [
      changed("D3", {
        tests: { "src/core/gossip.test.ts": ["gossip > two halves that grew apart merge when one link joins"] },
      }),
      "D3: there is no test src/core/gossip.test.ts > gossip > two halves that grew apart merge when one link joins",
    ],
    "a test outside of its describe": [
      changed("D3", { tests: { "src/core/gossip.test.ts": ["a cluster with other parameters is not merged"] } }),
      "D3: there is no test src/core/gossip.test.ts > a cluster with other parameters is not merged",
    ],
    "a test of which only a run knows the title": [
      changed("D3", { tests: { "src/sim/scenario.test.ts": ["scenario > *"] } }),
      "D3: there is no test src/sim/scenario.test.ts > scenario > *",
    ],
    "a test file that is gone": [
      changed("D3", { tests: { "src/core/gone.test.ts": [] } }),
      "D3: there is no file src/core/gone.test.ts",
    ],
    "a source file that is gone": [
      changed("D3", { source: ["src/base/sha1.ts"] }),
      "D3: there is no file src/base/sha1.ts",
    ],
    "a scenario that is gone": [changed("D3", { scenarios: ["figure-4"] }), "D3: there is no scenario figure-4"],
    "a command that is gone": [changed("D3", { commands: ["paper:costs"] }), "D3: there is no npm run paper:costs"],
    "nothing that proves it": [changed("D3", { tests: {} }), "D3: works, and nothing proves it"],
    "no reason": [changed("E1", { why: "" }), "E1: is out, and nobody says why"],
    "another verdict": [changed("E1", { verdict: "nearly" }), "E1: nearly is no verdict"],
  };
  for (const [name, [rows, fault]] of Object.entries(slips))
    test(name, () => {
      expect(faultsOf(rows, tree, scripts)).toContain(fault);
    });
});

describe("titles of tests", () => {
  const titles = (source: string, others: Readonly<Record<string, string>> = {}) =>
    testTitles("src/a/x.test.ts", (path) => (path === "src/a/x.test.ts" ? source : others[path]));

  test("are joined with those of what they stand in, whatever form they have", () => {
    expect(
      titles(`
        describe("a", () => {
          test("b", () => { expect(test).toBe(test("no test", 1) || "in a test"); });
          describe.each([1, 2])("c %i", () => { it(\`d\`, async () => {}, 5_000); });
          for (const [name, run] of all) test(name, run);
          test.each([{ n: 1 }])("e $n", ({ n }) => {});
          test.each\`x\`("f", () => {});
        });
        test.describe("g", () => { test("h", async ({ page }) => {}); test.skip("i", () => {}); });
        test.beforeEach(async () => {}); test.use({}); "test('j', f)"; // test("k", () => {})
      `),
    ).toEqual(["a > b", "a > c %i > d", "a > *", "a > e $n", "a > f", "g > h", "g > i"]);
  });

  test("of a suite that another file exports are those of whoever calls it", () => {
    const suite = `
      export function describeWaterContract(name, { make }) {
        const contract = (title, body) => test(title, () => body(make()));
        describe(\`water: \${name}\`, () => { contract("is wet", () => {}); test(\`\${name} flows\`, () => {}); });
      }`;
    expect(
      titles(`import { describeWaterContract } from "../b/water.ts"; describeWaterContract("rain", { make });`, {
        "src/b/water.ts": suite,
      }),
    ).toEqual(["water: rain > is wet", "water: rain > rain flows"]);
    expect(titles(`import { describeWaterContract } from "../b/water.ts";`, { "src/b/water.ts": suite })).toEqual([]);
  });

  test("with placeholders fit what a run calls them", () => {
    const fits = (title: string, called: string) => titlePattern(title).test(called);
    expect(fits("in %i of $name.first (a+b)", "in 3 of Ada (a+b)")).toBe(true);
    expect(fits("in %i of $name.first (a+b)", "in 3 of Ada (aab)")).toBe(false);
    expect(fits("more than 15% off", "more than 15% off")).toBe(true);
    expect(fits("a > b", "a > b and more")).toBe(false);
  });
});

describe("a run of the named tests", () => {
  const file = "x.test.ts";
  const named = [
    { file, title: "a" },
    { file, title: "b %i" },
  ];
  const result = (title: string, status: "passed" | "failed" | "skipped", where = file) => ({
    file: where,
    title,
    status,
  });

  test("is fine when all of them passed, all that a placeholder stands for", () => {
    expect(faultsOfRun(named, [result("a", "passed"), result("b 1", "passed"), result("b 2", "passed")])).toEqual([]);
    expect(faultsOfRun(named, [result("c", "failed"), result("a", "passed"), result("b 1", "passed")])).toEqual([]);
  });

  test("is not when one failed, was left out, or is not there", () => {
    expect(faultsOfRun(named, [result("a", "failed"), result("b 1", "passed"), result("b 2", "skipped")])).toEqual([
      "failed: x.test.ts > a",
      "skipped: x.test.ts > b 2",
    ]);
    expect(faultsOfRun(named, [result("a", "passed", "y.test.ts")])).toEqual([
      "not found: x.test.ts > a",
      "not found: x.test.ts > b %i",
    ]);
    expect(faultsOfRun(named, [])).toHaveLength(2);
  });
});

test("the table has a line for each row, reasons, and counts; as data all names are in one list", () => {
  const table = formatTable(paperRows);
  for (const id of ROW_IDS) expect(table).toMatch(new RegExp(`^${id} +(works|lesson|out|missing) `, "m"));
  expect(table).toContain("Consensus is what Dynamo does without");
  const counts = countVerdicts(paperRows);
  expect(Object.values(counts).reduce((a, b) => a + b)).toBe(73);
  const d22 = paperRows.find(({ id }) => id === "D22")!;
  const names = testsOf(d22).map(nameOf);
  expect(names).toContain("src/sim/scenario.test.ts > scenario > hinted handoff");
  expect(entryOf(d22)).toMatchObject({ id: "D22", verdict: "works", tests: names, scenarios: d22.scenarios });
  for (const name of names) expect(formatRow(d22)).toContain(name);
});
