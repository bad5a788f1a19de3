import { expect, test } from "vitest";
import { describeOptions, parseOptions, shrink } from "./shrink.ts";
import { type SeedOptions, type SeedOutcome, runSeed } from "./swarm.ts";

test("options are written and read back", () => {
  const options = { without: ["loss", "core"], dropActions: [1, 3], callersMax: 2 };
  expect(describeOptions(options)).toBe("without=loss,core drop=1,3 callers=2");
  expect(parseOptions(describeOptions(options).split(" "))).toEqual(options);
  expect(parseOptions([])).toEqual({});
  expect(parseOptions(["weather=fine"])).toBeUndefined();
});

const real = runSeed(64, { callersMax: 1 });

/** Fails as long as there are crashes, the third action of five, and two callers. */
function fake(seed: number, options: SeedOptions = {}): SeedOutcome {
  const { without = [], dropActions = [], callersMax = 8 } = options;
  const fails = !without.includes("crashes") && !dropActions.includes(2) && callersMax >= 2;
  return {
    ...real,
    seed,
    failure: fails ? { invariant: "no-lost-write", message: "gone" } : undefined,
    faultClasses: ["loss", "crashes", "jitter"].filter((name) => !without.includes(name)),
    actions: ["0", "1", "2", "3", "4"],
  };
}

test("what a failure does not need is left out", () => {
  const { options, outcome } = shrink(7, {}, () => true, fake);
  expect(options.without).toEqual(["core", "ambush", "chained-puts", "older-versions", "loss", "jitter"]);
  expect([...(options.dropActions ?? [])].sort()).toEqual([0, 1, 3, 4]);
  expect(options.callersMax).toBe(2);
  expect(outcome.failure?.message).toBe("gone");
});

test("nothing is tried any more when time is up, and a seed that holds is left alone", () => {
  expect(shrink(7, {}, () => false, fake)).toMatchObject({ options: {}, runs: 1 });
  const { options, runs } = shrink(7, { without: ["crashes"] }, () => true, fake);
  expect([options, runs]).toEqual([{ without: ["crashes"] }, 1]);
});
