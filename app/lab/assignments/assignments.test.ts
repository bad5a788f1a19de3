/** Each assignment, at many seeds: its answer comes from its world, can be given, and differs from seed to seed. */

import { describe, expect, test } from "vitest";
import type { Key } from "../../../src/core/identifiers.ts";
import { actFault } from "../../../src/lab/acts.ts";
import { answerTo, answerWords, Draws, isRight, played } from "./assignment.ts";
import { assignmentNamed, assignments } from "./index.ts";

const SEEDS = Array.from({ length: 8 }, (_, i) => i);

test("there are at least four, and each is found by its name", () => {
  expect(assignments.length).toBeGreaterThanOrEqual(4);
  for (const assignment of assignments) expect(assignmentNamed(assignment.id)).toBe(assignment);
});

describe.each(assignments)("$id", (assignment) => {
  const all = SEEDS.map((seed) => {
    const posed = assignment.pose(seed);
    return { seed, posed, answer: answerTo(posed) };
  });

  test("has an answer at each seed, and it can be given", () => {
    for (const { seed, posed, answer } of all) {
      expect(answer.length, `seed ${seed}`).toBeGreaterThan(0);
      for (const move of [...posed.before, ...posed.task.moves])
        if (move.do !== "wait") expect(actFault(move)).toBeUndefined();
      if (posed.task.by === "doing") {
        expect(posed.task.isDone(played(posed.options, posed.before))).toBe(false);
        continue;
      }
      const ids = posed.task.choices.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const id of answer) expect(ids).toContain(id);
      if (!posed.task.several) expect(answer, `seed ${seed}: ${posed.question}`).toHaveLength(1);
      expect(answerWords(posed, answer)).not.toBe("");
    }
  });

  test("is the same for the same seed, and not for all", () => {
    expect(answerTo(assignment.pose(3))).toEqual(all[3]!.answer);
    expect(assignment.pose(3).question).toBe(all[3]!.posed.question);
    expect(new Set(all.map(({ posed, answer }) => answerWords(posed, answer))).size).toBeGreaterThan(1);
  });
});

test("the answers are what the sources have: hints with the first fallback, owners of the walk, sloppy quorums", () => {
  for (const seed of SEEDS.slice(0, 4)) {
    const hint = assignmentNamed("hint-keeper")!.pose(seed);
    const world = played(hint.options, []);
    const list = world.preferenceListAt(world.nodes[0]!.id, hint.key as Key)!;
    const nameOf = (id: string) => world.nodes.find((node) => node.id === id)!.name;
    expect(answerTo(hint)).toEqual([nameOf(list.fallbacks[0]!)]);

    const owners = assignmentNamed("owners")!.pose(seed);
    expect(answerTo(owners)).toHaveLength(owners.options.parameters.n);

    const acknowledged = assignmentNamed("acknowledged")!.pose(seed);
    const cut = acknowledged.task.moves.find((move) => move.do === "cut")!;
    const put = acknowledged.task.moves.find((move) => move.do === "put")!;
    expect(answerTo(acknowledged)).toEqual([cut.side.length >= put.w! ? "ok" : "failed"]);
  }
});

test("an answer is right when it is exactly the right one, in any order", () => {
  expect(isRight(["b", "a"], ["a", "b"])).toBe(true);
  expect(isRight(["a"], ["a", "b"])).toBe(false);
  expect(isRight([], [])).toBe(true);
});

test("draws depend on the seed and on what they are for", () => {
  const drawn = (name: string, seed: number) => {
    const draws = new Draws(name, seed);
    return Array.from({ length: 20 }, () => draws.below(10));
  };
  expect(drawn("a", 1)).toEqual(drawn("a", 1));
  expect(drawn("a", 1)).not.toEqual(drawn("a", 2));
  expect(drawn("a", 1)).not.toEqual(drawn("b", 1));
  expect(new Set(drawn("a", 1)).size).toBeGreaterThan(3);
  expect(new Draws("a", 1).some([1, 2, 3], 3).sort()).toEqual([1, 2, 3]);
});
