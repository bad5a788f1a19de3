import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ScenarioError, runScenario } from "./scenario.ts";

const folder = fileURLToPath(new URL("./scenarios/", import.meta.url));
const RULE = "----";

// `UPDATE=1 npx vitest run src/sim/scenario.test.ts` writes the transcripts anew; read the difference before keeping it.
for (const file of readdirSync(folder).filter((name) => name.endsWith(".txt"))) {
  test(`scenario ${file.replace(".txt", "").replaceAll("-", " ")}`, () => {
    const text = readFileSync(folder + file, "utf8");
    const [script = "", expected = ""] = text.split(`\n${RULE}\n`);
    const transcript = runScenario(script);
    if (process.env["UPDATE"] === "1") writeFileSync(folder + file, `${script}\n${RULE}\n${transcript}`);
    else expect(transcript).toBe(expected);
  });
}

test("a line that is no command names its number", () => {
  expect(() => runScenario("cluster a\n\na dance")).toThrow(ScenarioError);
  expect(() => runScenario("cluster a\n\na dance")).toThrow(/^line 3: /);
  expect(() => runScenario("heal")).toThrow(/no cluster/);
  expect(() => runScenario("cluster a b\nwait 3")).toThrow(/no duration/);
});
