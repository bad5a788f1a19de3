/** Each lesson, played without a page: what turns out right, and what is said of it. */

import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Timeline } from "../../../src/lab/timeline.ts";
import { lessonNamed, lessons } from "./index.ts";
import { type Lesson, type Move, lastFound } from "./lesson.ts";

/** What each round turns out to be, as the sources have it: a lesson that teaches something else is wrong, or the node is. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  partitioning: ["share"],
  placements: ["three"],
  zones: ["three", "yes"],
  quorums: ["failed", "after"],
  "vector-clocks": ["both", "one"],
  dots: ["both"],
  cart: ["both", "ulysses", "yes", "wanted"],
  "last-write-wins": ["stale"],
  "hinted-handoff": ["yes", "none"],
  "read-repair": ["right"],
  gossip: ["seconds"],
  "gray-failure": ["stand"],
  amnesia: ["value"],
  durability: ["little", "much"],
  leaving: ["three"],
};

function play(timeline: Timeline, moves: readonly Move[]): void {
  for (const move of moves) {
    if (move.do === "wait") timeline.playTo(timeline.now + move.forMs);
    else timeline.act(move);
  }
}

function observed(lesson: Lesson) {
  const timeline = new Timeline({ options: lesson.options, acts: [] });
  play(timeline, lesson.before);
  return lesson.rounds.map((round) => {
    play(timeline, round.moves);
    return round.observe(timeline.world);
  });
}

test("there are at least twelve, and each is found by its name", () => {
  expect(lessons.length).toBeGreaterThanOrEqual(12);
  for (const lesson of lessons) expect(lessonNamed(lesson.id)).toBe(lesson);
  expect(Object.keys(RIGHT)).toEqual(lessons.map(({ id }) => id));
});

describe.each(lessons)("$id", (lesson) => {
  test("turns out as the sources have it, seen in the world", () => {
    const seen = observed(lesson);
    expect(
      seen.map(({ answer }) => answer),
      JSON.stringify(seen),
    ).toEqual(RIGHT[lesson.id]);
  });

  test("names a choice that can be made, and a file that there is", () => {
    for (const { choices } of lesson.rounds) expect(Object.keys(choices).length).toBeGreaterThanOrEqual(2);
    expect(existsSync(new URL(`../../../${lesson.file}`, import.meta.url)), lesson.file).toBe(true);
  });
});

test("a read that failed has found nothing, whatever one before it found", () => {
  const timeline = new Timeline({ options: lessons[0]!.options, acts: [] });
  const key = "carts/ada";
  play(timeline, [
    { do: "put", node: "a", key, value: "milk", context: "none" },
    { do: "wait", forMs: 1_000 },
    { do: "get", node: "a", key },
    { do: "wait", forMs: 1_000 },
  ]);
  expect(lastFound(timeline.world, key)).toEqual(["milk"]);
  play(timeline, [
    { do: "cut", side: ["a"], other: ["b", "c", "d", "e"] },
    { do: "get", node: "a", key, r: 3 },
  ]);
  expect(lastFound(timeline.world, key)).toEqual([]);
  timeline.playTo(timeline.now + 20_000);
  expect(lastFound(timeline.world, key)).toEqual([]);
});
