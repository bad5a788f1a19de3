/**
 * An assignment: a world that comes from a seed, and a question to which the world itself gives the answer. Nothing is written down beforehand: the answer is
 * read from a world of the same seed in which what the question tells of has been done.
 */

import type { LabOptions } from "../../../src/lab/options.ts";
import type { LabWorld } from "../../../src/lab/world.ts";
import { Timeline } from "../../../src/lab/timeline.ts";
import { md5Hex } from "../../state/hash.ts";
import type { Move } from "../lessons/lesson.ts";

export interface Posed {
  readonly options: LabOptions;
  /** Done before the pupil comes. */
  readonly before: readonly Move[];
  readonly key: string;
  /** The panel of the lab that helps. */
  readonly panel: string;
  readonly question: string;
  readonly task: Choosing | Doing;
  readonly why: string;
}

/** The pupil chooses; what is chosen is right when it is exactly what the world says. */
export interface Choosing {
  readonly by: "choosing";
  readonly choices: readonly { readonly id: string; readonly words: string }[];
  /** Several may be right. */
  readonly several: boolean;
  /** What the question tells of, and what happens then. */
  readonly moves: readonly Move[];
  read(world: LabWorld): readonly string[];
}

/** The pupil brings the world there. */
export interface Doing {
  readonly by: "doing";
  isDone(world: LabWorld): boolean;
  /** What there is now, in words. */
  tell(world: LabWorld): string;
  /** One way there, for the teacher; and in words. */
  readonly moves: readonly Move[];
  readonly words: string;
}

export interface Assignment {
  readonly id: string;
  readonly title: string;
  pose(seed: number): Posed;
}

/** Draws that depend on the seed and on what they are for alone. */
export class Draws {
  readonly #name: string;
  #drawn = 0;

  constructor(assignment: string, seed: number) {
    this.#name = `${assignment} ${seed}`;
  }

  /** From 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor((Number.parseInt(md5Hex(`${this.#name} ${this.#drawn++}`).slice(0, 8), 16) / 2 ** 32) * count);
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** So many of them, in a drawn order. */
  some<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]!);
  }
}

export function played(options: LabOptions, moves: readonly Move[]): LabWorld {
  const timeline = new Timeline({ options, acts: [] });
  for (const move of moves) {
    if (move.do === "wait") timeline.playTo(timeline.now + move.forMs);
    else timeline.act(move);
  }
  return timeline.world;
}

/** The ids of the right choices, sorted; of a doing, nothing but "done", if its own way leads there. */
export function answerTo({ options, before, task }: Posed): readonly string[] {
  const world = played(options, [...before, ...task.moves]);
  if (task.by === "choosing") return [...task.read(world)].sort();
  return task.isDone(world) ? ["done"] : [];
}

/** The answer in words. */
export function answerWords({ task }: Posed, answer: readonly string[]): string {
  if (task.by === "doing") return task.words;
  return (
    task.choices
      .filter(({ id }) => answer.includes(id))
      .map(({ words }) => words)
      .join(", ") || "none of them"
  );
}

export function isRight(chosen: readonly string[], answer: readonly string[]): boolean {
  return [...chosen].sort().join(" ") === [...answer].sort().join(" ");
}
