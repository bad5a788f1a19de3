/**
 * The log of messages under filters that are combined: kinds (each family of messages is one), who sent, who was to receive, the key, and what became of it.
 * Plain data in, plain data out; the latest message first.
 *
 * With no kind chosen pings and gossip are left out, unless somebody wants to see them: they are most of what is said. A message that is of no key fits no
 * filter of keys.
 */

import type { NodeId } from "../../src/core/identifiers.ts";
import type { Fate, Flight } from "../../src/lab/world.ts";
import { type Family, familyOf } from "./message-families.ts";

/** Under way is what has not ended: what is kept back, too. */
export const WIRE_FATES = ["under way", "any", "arrived", "late", "lost", "dropped", "unseen"] as const;
export type WireFate = (typeof WIRE_FATES)[number];

export interface WireFilter {
  /** None: all but pings and gossip. */
  readonly families: ReadonlySet<Family>;
  /** Undefined: anybody. */
  readonly from: NodeId | undefined;
  readonly to: NodeId | undefined;
  /** `from` and `to` may be the other way round. */
  readonly eitherWay: boolean;
  /** Part of the key, in whatever case; empty: every key, and none. */
  readonly key: string;
  readonly fate: WireFate;
}

/** What is on its way, as the ring draws it. */
export const OPEN_FILTER: WireFilter = {
  families: new Set(),
  from: undefined,
  to: undefined,
  eitherWay: false,
  key: "",
  fate: "under way",
};

export interface LoggedFlight {
  readonly flight: Flight;
  readonly family: Family;
}

export interface WireLog {
  /** All that are kept. */
  readonly total: number;
  /** Of those: that fit the filter. */
  readonly fitting: number;
  /** The latest of those, the latest first. */
  readonly listed: readonly LoggedFlight[];
}

/** `quietToo`: pings and gossip count like all others. */
export function wireLog(flights: readonly Flight[], filter: WireFilter, quietToo: boolean, listedMax: number): WireLog {
  const fitting = flights
    .map((flight) => ({ flight, family: familyOf(flight.kind, flight.role) }))
    .filter((logged) => fits(logged, filter, quietToo));
  const listed = fitting.sort((a, b) => b.flight.sentAt - a.flight.sentAt || b.flight.id - a.flight.id);
  return { total: flights.length, fitting: fitting.length, listed: listed.slice(0, listedMax) };
}

function fits({ flight, family }: LoggedFlight, filter: WireFilter, quietToo: boolean): boolean {
  const { families, from, to, eitherWay, key, fate } = filter;
  if (families.size > 0 ? !families.has(family) : !quietToo && isQuiet(family)) return false;
  const wanted = key.trim().toLowerCase();
  if (wanted !== "" && flight.key?.toLowerCase().includes(wanted) !== true) return false;
  const goes = (a: NodeId, b: NodeId): boolean => (from ?? a) === a && (to ?? b) === b;
  if (!goes(flight.from, flight.to) && !(eitherWay && goes(flight.to, flight.from))) return false;
  return fate === "any" || fateOf(flight.fate) === fate;
}

function isQuiet(family: Family): boolean {
  return family === "ping" || family === "gossip";
}

function fateOf(fate: Fate): Exclude<WireFate, "any"> {
  return fate === "under-way" || fate === "held" ? "under way" : fate;
}

/** What is set, in words for a summary; empty when the filter is open. */
export function setIn({ families, from, to, key, fate }: WireFilter): string[] {
  return [
    ...(families.size > 0 ? ["kind"] : []),
    ...(from !== undefined || to !== undefined ? ["node"] : []),
    ...(key.trim() === "" ? [] : ["key"]),
    ...(fate === OPEN_FILTER.fate ? [] : ["fate"]),
  ];
}
