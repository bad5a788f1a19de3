/** The address of a seed in the lab, behind the page's own: `#/lab/seed/337?without=crashes&drop=1,2&callers=3&at=12000`. A failing seed is told of with it. */

import type { Millis } from "../core/identifiers.ts";
import type { SeedOptions } from "./swarm.ts";

/** What of the options changes the run. */
export type SeedVariant = Pick<SeedOptions, "without" | "dropActions" | "callersMax">;

export interface SeedPlace {
  /** From 1. */
  readonly seed: number;
  readonly variant: SeedVariant;
  /** Where to stand. */
  readonly at: Millis;
}

export function linkOfSeed({ seed, variant, at }: SeedPlace): string {
  const { without = [], dropActions = [], callersMax } = variant;
  const fields = [
    ...(without.length === 0 ? [] : [`without=${without.join(",")}`]),
    ...(dropActions.length === 0 ? [] : [`drop=${dropActions.join(",")}`]),
    ...(callersMax === undefined ? [] : [`callers=${callersMax}`]),
    ...(at === 0 ? [] : [`at=${Math.floor(at)}`]),
  ];
  return `#/lab/seed/${seed}${fields.length === 0 ? "" : `?${fields.join("&")}`}`;
}

/** Undefined when it is none. */
export function seedOfLink(fragment: string): SeedPlace | undefined {
  const [, digits, query = ""] = /^#\/lab\/seed\/([1-9][0-9]{0,14})(?:\?(.*))?$/.exec(fragment) ?? [];
  if (digits === undefined) return undefined;
  const fields = new Map(
    query.split("&").map((field) => {
      const [name = "", value = ""] = field.split("=");
      return [name, value] as const;
    }),
  );
  const list = (name: string): string[] => (fields.get(name) ?? "").split(",").filter((word) => word !== "");
  const number = (text: string): number => (/^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN);
  const without = list("without");
  const dropActions = list("drop").map(number);
  const callersMax = fields.has("callers") ? number(fields.get("callers") ?? "") : undefined;
  const at = number(fields.get("at") ?? "0");
  if (!without.every((word) => /^[a-z-]{1,40}$/.test(word))) return undefined;
  if ([...dropActions, callersMax ?? 0, at].some((value) => Number.isNaN(value))) return undefined;
  return { seed: Number(digits), variant: { without, dropActions, callersMax }, at };
}
