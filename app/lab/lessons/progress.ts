/** How far somebody is with each lesson: what was predicted in the rounds that are done. Kept in this browser. */

import { KeptMap } from "../../kept-map.ts";

/** By lesson. */
export type Progress = Readonly<Record<string, readonly string[]>>;

const kept = new KeptMap<readonly string[]>("tabring-lab", "lessons");

export async function keptProgress(): Promise<Progress> {
  return Object.fromEntries(await kept.all());
}

/** `choices`: what was predicted, round by round. */
export function keepRounds(lesson: string, choices: readonly string[]): Promise<void> {
  return kept.keep(lesson, choices);
}

export function forgetLesson(lesson: string): Promise<void> {
  return kept.forget(lesson);
}
