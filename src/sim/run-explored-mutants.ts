/**
 * `npm run sim:explore:mutants -- [NAME]...`
 *
 * Proves the explored worlds: each mutant of `explored-mutants.ts` is put into a tree of its own, and the world that must catch it is gone through there.
 * The exit code is 1 if one is missed.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { exploredMutants } from "./explored-mutants.ts";
import { makeTree, removeTree } from "./run-mutated.ts";

const MINUTES_MAX = 10;
const names = process.argv.slice(2);
let missed = 0;
for (const mutant of exploredMutants) {
  if (names.length > 0 && !names.includes(mutant.name)) continue;
  const tree = makeTree(mutant);
  try {
    const words = ["--import", "tsx", join(tree, "sim", "run-explore.ts"), "--world", mutant.world];
    const { stderr } = spawnSync(process.execPath, words, {
      encoding: "utf8",
      env: { ...process.env, TSX_DISABLE_CACHE: "1" },
      timeout: MINUTES_MAX * 60_000,
      maxBuffer: 2 ** 28,
    });
    const found = /^failed: (.*)$/m.exec(stderr)?.[1];
    if (found === undefined) missed++;
    process.stdout.write(`${mutant.name.padEnd(40)}${mutant.world.padEnd(34)}${found ?? "NOT CAUGHT"}\n`);
  } finally {
    removeTree(tree);
  }
}
process.stdout.write(missed === 0 ? "all caught\n" : `${missed} not caught\n`);
process.exitCode = missed === 0 ? 0 : 1;
