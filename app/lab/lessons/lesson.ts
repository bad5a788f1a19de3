/**
 * A lesson: one idea, in rounds. In each the learner predicts, then it is done in a world of real nodes, then what happened is compared with the prediction.
 * What happened is read from the world and its trace, never written down beforehand: `observe` names the choice that turned out right.
 */

import type { Key, Millis } from "../../../src/core/identifiers.ts";
import type { LabAct } from "../../../src/lab/acts.ts";
import { defaultLabOptions, type LabOptions } from "../../../src/lab/options.ts";
import type { LabNode, LabWorld, TraceRecord } from "../../../src/lab/world.ts";

export type Move = LabAct | { readonly do: "wait"; readonly forMs: Millis };

export interface Observation<Choice extends string = string> {
  /** The choice that turned out right. */
  readonly answer: Choice;
  /** What was seen, with its figures. */
  readonly seen: string;
}

export interface Round<Choice extends string = string> {
  readonly question: string;
  readonly choices: Readonly<Record<Choice, string>>;
  /** What is about to be done, in words. */
  readonly action: string;
  readonly moves: readonly Move[];
  /** Asked when all moves are done. */
  observe(world: LabWorld): Observation<Choice>;
  readonly why: string;
}

export interface Lesson {
  readonly id: string;
  readonly title: string;
  readonly idea: string;
  readonly options: LabOptions;
  /** Done before the learner comes. */
  readonly before: readonly Move[];
  readonly key: string;
  /** The panel of the lab that shows it best. */
  readonly panel: string;
  readonly rounds: readonly Round[];
  readonly simplified: string;
  /** Of the paper of 2007. */
  readonly section: string;
  /** Where we do it. */
  readonly file: string;
}

/** Lets `observe` name no choice that there is not. */
export function round<Choice extends string>(one: Round<Choice>): Round {
  return one;
}

export function optionsWith(
  changes: Partial<Omit<LabOptions, "parameters">> & { readonly parameters?: Partial<LabOptions["parameters"]> },
): LabOptions {
  return { ...defaultLabOptions, ...changes, parameters: { ...defaultLabOptions.parameters, ...changes.parameters } };
}

/** Nodes a, b, c, …; `zoneOf` names the zone of each by its place. */
export function nodesNamed(
  count: number,
  zoneOf: (place: number) => string = (place) => `z${place}`,
): LabOptions["nodes"] {
  return Array.from({ length: count }, (_, i) => ({ name: String.fromCharCode(97 + i), capacity: 1, zone: zoneOf(i) }));
}

export const wait = (forMs: Millis): Move => ({ do: "wait", forMs });

type Answered = TraceRecord & { readonly event: Extract<TraceRecord["event"], { what: "answered" }> };

/** All answers that callers got, in their order. */
export function answers(world: LabWorld, key?: string): readonly Answered[] {
  return world.trace.filter(
    (record): record is Answered => record.event.what === "answered" && (key === undefined || record.key === key),
  );
}

/** What the last get of this key that anybody asked for found, "a delete" for a tombstone; empty when it found nothing, failed, or is under way. */
export function lastFound(world: LabWorld, key: string): readonly string[] {
  const asked = world.trace.findLast((record) => record.key === key && isGet(record));
  const answer = answers(world, key).find(({ request }) => request === asked?.request);
  return (answer?.event.values ?? []).map((value) => value ?? "a delete").sort();
}

function isGet({ event }: TraceRecord): boolean {
  return event.what === "asked" && event.operation === "get";
}

export function node(world: LabWorld, name: string): LabNode {
  return world.nodes.find((each) => each.name === name)!;
}

/** The nodes whose disks have a record of this key now. */
export function holdersOf(world: LabWorld, key: string): readonly LabNode[] {
  return world.nodes.filter(({ id }) => world.recordsOf(id, key as Key).record !== undefined);
}

/** Hints kept anywhere. */
export function hintsKept(world: LabWorld): number {
  return world.nodes.reduce((sum, { id }) => sum + (world.viewOf(id)?.hintsOwed ?? 0), 0);
}

/** Of so many spans: the middle one and the longest. */
export function percentiles(spans: readonly Millis[]): { readonly median: Millis; readonly worst: Millis } {
  const sorted = [...spans].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, worst: sorted.at(-1) ?? 0 };
}
