import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exploredMutants } from "./explored-mutants.ts";
import { exploredWorlds } from "./explored-worlds.ts";
import { mutants as seedMutants, patched, patchesOf } from "./mutants.ts";
import { makeTree, mutantNamed, removeTree, runSeeds, sourceOf } from "./run-mutated.ts";

const mutants = [...seedMutants, ...exploredMutants];

/** Breaks at the first puts of the first seeds. */
const QUICK = "put-replaces-unseen-siblings";

describe("a patch", () => {
  const patch = { file: "a.ts", find: "b > a", replace: "b >= a" };

  test("changes the one place that it names", () => {
    expect(patched("if (b > a) c();", patch)).toBe("if (b >= a) c();");
  });

  test("that fits nowhere, twice, or changes nothing is refused", () => {
    expect(() => patched("if (a < b) c();", patch)).toThrow("does not contain");
    expect(() => patched("b > a || b > a", patch)).toThrow("contains 2 times");
    expect(() => patched("b > a", { ...patch, replace: patch.find })).toThrow("stays as it is");
  });
});

describe("the list", () => {
  test("has a mutant for each of at least 24 slips, under names of their own", () => {
    expect(mutants.length).toBeGreaterThanOrEqual(24);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const { name, trap, bug, caughtBy } of mutants) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
      expect(trap).not.toBe("");
      expect(bug).not.toBe("");
      expect(caughtBy).not.toEqual([]);
    }
  });

  test.each(mutants)("$name fits the source as it is today", (mutant) => {
    const texts = new Map<string, string>();
    for (const patch of patchesOf(mutant))
      texts.set(patch.file, patched(texts.get(patch.file) ?? sourceOf(patch.file), patch));
    for (const [file, text] of texts) expect(text).not.toBe(sourceOf(file));
  });

  test("those for the exploration name a world that there is", () => {
    const worlds = exploredWorlds.map(({ name }) => name);
    expect(exploredMutants.filter(({ world }) => !worlds.includes(world))).toEqual([]);
  });

  test("those that no seed meets name a scenario that there is", () => {
    for (const { scenario } of seedMutants)
      if (scenario !== undefined)
        expect(existsSync(new URL(`scenarios/${scenario}.txt`, import.meta.url)), scenario).toBe(true);
  });

  test("no two are the same slip", () => {
    const slips = mutants.map((mutant) => JSON.stringify(patchesOf(mutant)));
    expect(new Set(slips).size).toBe(slips.length);
  });
});

describe("a mutated tree", () => {
  test("has the slip and nothing else, and goes when it is not needed", () => {
    const mutant = mutantNamed(QUICK);
    const tree = makeTree(mutant);
    expect(readFileSync(join(tree, mutant.file), "utf8")).toBe(patched(sourceOf(mutant.file), mutant));
    expect(readFileSync(join(tree, "core/node.ts"), "utf8")).toBe(sourceOf("core/node.ts"));
    removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  });

  test("is made of a known mutant only", () => {
    expect(() => mutantNamed("nobody")).toThrow("no mutant is called nobody");
  });
});

test("a mutant is caught where the source as it is passes", async () => {
  const caught = await runSeeds(mutantNamed(QUICK), ["1", "20"]);
  expect(caught.failed).toMatchObject([{ invariant: "no-vanishing" }]);
  expect(await runSeeds(undefined, ["--each", String(caught.seeds)])).toEqual({ seeds: 1, failed: [] });
});

test("one that only its scenario meets is caught there, where the source as it is passes", async () => {
  const mutant = seedMutants.find(({ scenario }) => scenario !== undefined)!;
  const words = ["--scenario", mutant.scenario!];
  expect((await runSeeds(mutant, words)).failed).toMatchObject([{ invariant: "scenario" }]);
  expect(await runSeeds(undefined, words)).toEqual({ seeds: 1, failed: [] });
});
