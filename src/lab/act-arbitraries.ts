/** Random acts for tests: of every kind, mostly about nodes that there are. */

import fc from "fast-check";
import { CATCHABLE_KINDS, type LabAct } from "./acts.ts";
import type { LabWorld } from "./world.ts";

const node = fc.constantFrom("a", "b", "c", "d", "e", "f", "zz9");
const key = fc.constantFrom("carts/ada", "carts/bo", "x");
const context = fc.constantFrom("seen" as const, "own" as const, "none" as const);
const quorum = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
const value = fc.string({ maxLength: 12, unit: "grapheme" });
const factor = fc.constantFrom(1, 2, 50);
const timeMs = fc.integer({ min: 1, max: 5_000 });
const flight = fc.integer({ min: 1, max: 3_000 });
const sides = fc.constantFrom<[string[], string[]]>(
  [["a"], ["b", "c"]],
  [
    ["a", "b"],
    ["c", "d", "e"],
  ],
  [["e"], ["a"]],
);

export const acts: fc.Arbitrary<LabAct> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), node, key, value, context, w: quorum }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("get" as const), node, key, r: quorum }) },
  fc.record({ do: fc.constant("delete" as const), node, key, context, w: quorum }),
  fc.record({
    do: fc.constant("bucket" as const),
    node,
    bucket: fc.constant("carts"),
    policy: fc.constantFrom("siblings" as const, "last-write-wins" as const),
    r: quorum,
    w: quorum,
  }),
  fc.record({
    do: fc.constant("join" as const),
    name: fc.constantFrom("f", "g"),
    capacity: fc.integer({ min: 0, max: 3 }),
    zone: fc.constantFrom("east", "west"),
    via: node,
    light: fc.boolean(),
  }),
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("crash" as const, "close" as const), node }) },
  fc.record({ do: fc.constant("leave" as const), node, planned: fc.constantFrom(undefined, undefined, 4_000_000_000) }),
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("restart" as const, "restart" as const, "thaw" as const, "unhide" as const),
      node,
    }),
  },
  fc.record({ do: fc.constant("remove" as const), node, target: node, force: fc.boolean() }),
  fc.record({ do: fc.constant("freeze" as const), node, forMs: timeMs }),
  fc.record({ do: fc.constant("wipe" as const), node, successor: fc.constantFrom("h", "i") }),
  sides.map(([side, other]) => ({ do: "cut" as const, side, other })),
  sides.map(([from, to]) => ({ do: "cut-one-way" as const, from, to })),
  fc.constant({ do: "heal" as const }),
  fc.record({ do: fc.constantFrom("slow" as const, "disk-slow" as const), node, factor }),
  sides.map(([nodes]) => ({ do: "latency" as const, nodes, byMs: 200 * nodes.length - 200 })),
  fc.record({ do: fc.constant("gray" as const), node, byMs: fc.option(timeMs, { nil: undefined }) }),
  fc.record({ do: fc.constant("loss" as const), perMille: fc.constantFrom(0, 100, 1_000) }),
  fc.record({
    do: fc.constant("skew" as const),
    node,
    byMs: fc.integer({ min: 1, max: 100_000 }).map((ms) => ms - 50_000),
  }),
  fc.record({ do: fc.constant("disk-full" as const), node, full: fc.boolean() }),
  fc.record({ do: fc.constant("flip-bit" as const), node, key }),
  fc.record({ do: fc.constant("hide" as const), node, throttleMs: timeMs }),
  fc.record({ do: fc.constantFrom("drop" as const, "duplicate" as const), flight }),
  fc.record({ do: fc.constant("delay" as const), flight, byMs: timeMs }),
  fc.record({ do: fc.constant("server" as const), down: fc.boolean() }),
  fc.record({
    do: fc.constant("catch" as const),
    from: fc.constant("a"),
    to: fc.constantFrom("b", "c"),
    kind: fc.constantFrom(...CATCHABLE_KINDS),
    how: fc.constant("delay" as const),
    byMs: timeMs,
  }),
  fc.record({
    do: fc.constant("load" as const),
    bucket: fc.constantFrom("load", "carts"),
    perSecond: fc.constantFrom(0, 5, 60),
    readsPercent: fc.nat(100),
    keys: fc.integer({ min: 1, max: 20 }),
    zipf: fc.boolean(),
    seed: fc.nat(9),
    forMs: timeMs,
  }),
  fc.record({
    do: fc.constant("move" as const),
    node,
    swaps: fc.array(fc.tuple(fc.nat(15), fc.nat(15)), { minLength: 1, maxLength: 3 }),
    planned: fc.nat(2 ** 32 - 1),
  }),
);

/** An act on a message is turned to one that is on its way just now, if there is any. */
export function aimed(act: LabAct, { flights }: LabWorld): LabAct {
  if (!("flight" in act)) return act;
  const underWay = flights.filter(({ fate }) => fate === "under-way");
  return underWay.length === 0 ? act : { ...act, flight: underWay[act.flight % underWay.length]!.id };
}
