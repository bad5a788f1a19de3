/**
 * `npm run sim:explore -- [--world NAME]... [--json] [--verify]`
 *
 * Goes through every state of the worlds of `explored-worlds.ts`, or of those named, and stops at the first invariant that does not hold: the shortest
 * schedule that leads there is printed, and the exit code is 1. So it is when a world is too large to be gone through. `--verify` takes each step of
 * a node from two ways as well, where two ways lead to it, and compares: it takes longer and shows that no two states are mistaken for one.
 */

import { DynamoNode } from "../core/node.ts";
import { type NamedWorld, exploredWorlds } from "./explored-worlds.ts";
import { explore } from "./explorer.ts";
import { SmallWorld } from "./small-world.ts";

const STATES_MAX = 16_000_000;
const LINE_CHARACTERS_MAX = 240;

interface Arguments {
  readonly worlds: readonly NamedWorld[];
  readonly json: boolean;
  readonly verify: boolean;
}

function parseArguments(words: readonly string[]): Arguments {
  const named: NamedWorld[] = [];
  let json = false;
  let verify = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--json") json = true;
    else if (word === "--verify") verify = true;
    else if (word === "--world") {
      const name = words[++i];
      const world = exploredWorlds.find((known) => known.name === name);
      if (world === undefined) usage(`--world wants one of ${exploredWorlds.map((known) => known.name).join(", ")}`);
      named.push(world);
    } else usage(`unknown option ${word}`);
  }
  return { worlds: named.length > 0 ? named : exploredWorlds, json, verify };
}

function usage(problem: string): never {
  process.stderr.write(`${problem}\nusage: npm run sim:explore -- [--world NAME]... [--json] [--verify]\n`);
  process.exit(2);
}

interface Row {
  readonly name: string;
  readonly states: number;
  readonly transitions: number;
  readonly finals: number;
  readonly depthMax: number;
  readonly complete: boolean;
  readonly violations: number;
  readonly seconds: number;
}

const words = parseArguments(process.argv.slice(2));
const out = (text: string): boolean => process.stdout.write(text);
const err = (text: string): boolean => process.stderr.write(text);

function run(named: NamedWorld): Row {
  const startedAt = performance.now();
  const world = new SmallWorld({
    ...named,
    verifiesMemory: words.verify,
    makeNode: (options) => new DynamoNode(options),
  });
  const { states, transitions, finals, depthMax, complete, overflowed, violation } = explore(world, STATES_MAX);
  const seconds = Number(((performance.now() - startedAt) / 1_000).toFixed(1));
  if (overflowed) err(`${named.name}: more states than there is room for; nothing is shown. Make the world smaller.\n`);
  if (violation !== undefined) {
    err(`${named.name}: ${named.about}\n`);
    for (const line of world.tell(violation.path))
      err(`${line.length > LINE_CHARACTERS_MAX ? `${line.slice(0, LINE_CHARACTERS_MAX - 3)}...` : line}\n`);
    const { error } = violation;
    err(`failed: ${error instanceof Error ? error.message : String(error)}\n`);
    err(`again: npm run sim:explore -- --world ${named.name}\n`);
  }
  const violations = violation === undefined ? 0 : 1;
  return { name: named.name, states, transitions, finals, depthMax, complete, violations, seconds };
}

const columns = ["states", "transitions", "finals", "depthMax", "seconds"] as const;
const line = (name: string, cells: readonly string[], end: string): string =>
  `${name.padEnd(34)}${cells.map((cell) => cell.padStart(13)).join("")}  ${end}\n`;

if (!words.json) out(line("world", columns, ""));
const rows: Row[] = [];
for (const named of words.worlds) {
  const row = run(named);
  rows.push(row);
  const end = row.complete ? "complete" : row.violations > 0 ? "VIOLATED" : "OVERFLOWED";
  if (!words.json)
    out(
      line(
        row.name,
        columns.map((column) => String(row[column])),
        end,
      ),
    );
}
const sum = (column: "states" | "transitions" | "finals" | "violations"): number =>
  rows.reduce((total, row) => total + row[column], 0);
const summary = {
  worlds: rows,
  states: sum("states"),
  complete: rows.every((row) => row.complete),
  violations: sum("violations"),
};
if (words.json) out(`${JSON.stringify(summary)}\n`);
else
  out(
    `${summary.states} distinct states, ${summary.complete ? "complete" : "NOT complete"}, ${summary.violations} violations\n`,
  );
process.exitCode = summary.complete && summary.violations === 0 ? 0 : 1;
