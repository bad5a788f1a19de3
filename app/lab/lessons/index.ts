/** All lessons, in the order in which they build on each other. */

import { lessons as failures } from "./failures.ts";
import type { Lesson } from "./lesson.ts";
import { lessons as placing } from "./placing.ts";
import { lessons as versions } from "./versions.ts";

const ORDER = [
  "partitioning",
  "placements",
  "zones",
  "quorums",
  "vector-clocks",
  "dots",
  "cart",
  "last-write-wins",
  "hinted-handoff",
  "read-repair",
  "gossip",
  "gray-failure",
  "amnesia",
  "durability",
  "leaving",
];

const all = [...placing, ...versions, ...failures];

export const lessons: readonly Lesson[] = ORDER.map((id) => all.find((lesson) => lesson.id === id)!);

export function lessonNamed(id: string): Lesson | undefined {
  return lessons.find((lesson) => lesson.id === id);
}
