/**
 * How far somebody is with each lesson: what was predicted in the rounds that are done. Kept in this browser, in IndexedDB; where storage is blocked or full
 * nothing is kept, and nothing fails.
 */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

/** By lesson. */
export type Progress = Readonly<Record<string, readonly string[]>>;

interface LessonSchema extends DBSchema {
  lessons: { key: string; value: readonly string[] };
}

async function withLessons<T>(work: (database: IDBPDatabase<LessonSchema>) => Promise<T>, otherwise: T): Promise<T> {
  try {
    const database = await openDB<LessonSchema>("tabring-lab", 1, {
      upgrade(upgraded) {
        upgraded.createObjectStore("lessons");
      },
    });
    try {
      return await work(database);
    } finally {
      database.close();
    }
  } catch {
    return otherwise; // storage is blocked or full
  }
}

export function keptProgress(): Promise<Progress> {
  return withLessons(async (database) => {
    const [names, rounds] = await Promise.all([database.getAllKeys("lessons"), database.getAll("lessons")]);
    return Object.fromEntries(names.map((name, i) => [name, rounds[i] ?? []]));
  }, {});
}

/** `choices`: what was predicted, round by round. */
export async function keepRounds(lesson: string, choices: readonly string[]): Promise<void> {
  await withLessons((database) => database.put("lessons", choices, lesson), undefined);
}

export async function forgetLesson(lesson: string): Promise<void> {
  await withLessons((database) => database.delete("lessons", lesson), undefined);
}
