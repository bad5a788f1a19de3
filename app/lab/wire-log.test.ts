import fc from "fast-check";
import { expect, test } from "vitest";
import type { Key, NodeId } from "../../src/core/identifiers.ts";
import type { Fate, Flight } from "../../src/lab/world.ts";
import { FAMILIES, type Family } from "./message-families.ts";
import { OPEN_FILTER, WIRE_FATES, type WireFilter, setIn, wireLog } from "./wire-log.ts";

const NODES = ["a", "b", "c"] as NodeId[];
const KEYS = ["carts/ada", "carts/Adam", "views/7"] as Key[];
const FATES: readonly Fate[] = ["under-way", "held", "arrived", "late", "lost", "dropped", "unseen"];
const KINDS: readonly (readonly [Flight["kind"], Flight["role"]])[] = [
  ["replica-put", "counted"],
  ["replica-put", "hint"],
  ["replica-put", "repair"],
  ["replica-get", "counted"],
  ["replica-get-reply", "reply"],
  ["coordinate-put", "coordinator"],
  ["ping", undefined],
  ["gossip-digest", undefined],
  ["tree-request", undefined],
  ["transfer-page", undefined],
];

const arbFlight = fc
  .record({
    ends: fc.shuffledSubarray(NODES, { minLength: 2, maxLength: 2 }),
    kind: fc.constantFrom(...KINDS),
    key: fc.option(fc.constantFrom(...KEYS), { nil: undefined }),
    fate: fc.constantFrom(...FATES),
    sentAt: fc.nat(5),
  })
  .map(({ ends: [from, to], kind: [kind, role], key, fate, sentAt }) => (id: number): Flight => ({
    id,
    from: from!,
    to: to!,
    kind,
    key,
    label: kind,
    sentAt,
    arrivesAt: undefined,
    fate,
    endedAt: undefined,
    lostBy: undefined,
    copyOf: undefined,
    request: undefined,
    role,
    sentRecord: 0,
  }));
const arbFlights = fc.array(arbFlight, { maxLength: 40 }).map((made) => made.map((make, i) => make(i + 1)));
const arbFilter: fc.Arbitrary<WireFilter> = fc.record({
  families: fc.subarray(Object.keys(FAMILIES) as Family[]).map((families) => new Set(families)),
  from: fc.option(fc.constantFrom(...NODES), { nil: undefined }),
  to: fc.option(fc.constantFrom(...NODES), { nil: undefined }),
  eitherWay: fc.boolean(),
  key: fc.constantFrom("", " ", "carts", "ADA", "views/7", "nothing"),
  fate: fc.constantFrom(...WIRE_FATES),
});
const EVERYTHING: WireFilter = { ...OPEN_FILTER, families: new Set(Object.keys(FAMILIES) as Family[]), fate: "any" };

const idsOf = (flights: readonly Flight[], filter: WireFilter, quietToo = true): number[] =>
  wireLog(flights, filter, quietToo, Infinity).listed.map(({ flight }) => flight.id);

test("filters that are combined show what each of them shows alone, and all are counted", () => {
  fc.assert(
    fc.property(arbFlights, arbFilter, fc.boolean(), fc.nat(50), (flights, filter, quietToo, most) => {
      const { families, from, to, eitherWay, key, fate } = filter;
      const alone = [
        idsOf(flights, { ...EVERYTHING, families }, quietToo),
        idsOf(flights, { ...EVERYTHING, from, to, eitherWay }),
        idsOf(flights, { ...EVERYTHING, key }),
        idsOf(flights, { ...EVERYTHING, fate }),
      ];
      const { total, fitting, listed } = wireLog(flights, filter, quietToo, most);
      expect(total).toBe(flights.length);
      const inAll = flights.map(({ id }) => id).filter((id) => alone.every((ids) => ids.includes(id)));
      expect(idsOf(flights, filter, quietToo).sort((a, b) => a - b)).toEqual(inAll);
      expect(fitting).toBe(inAll.length);
      expect(listed).toHaveLength(Math.min(most, fitting));
    }),
  );
});

test("the latest comes first, and of one moment the last", () => {
  fc.assert(
    fc.property(arbFlights, (flights) => {
      const { listed } = wireLog(flights, EVERYTHING, true, Infinity);
      expect(listed).toHaveLength(flights.length);
      for (const [i, { flight }] of listed.slice(1).entries()) {
        const before = listed[i]!.flight;
        expect(before.sentAt > flight.sentAt || (before.sentAt === flight.sentAt && before.id > flight.id)).toBe(true);
      }
    }),
  );
});

test("each filter alone shows exactly what it names", () => {
  fc.assert(
    fc.property(arbFlights, fc.constantFrom(...NODES), fc.constantFrom(...NODES), (flights, a, b) => {
      const those = (fits: (flight: Flight) => boolean): Set<number> =>
        new Set(flights.filter(fits).map(({ id }) => id));
      const shown = (filter: Partial<WireFilter>): Set<number> => new Set(idsOf(flights, { ...EVERYTHING, ...filter }));
      expect(shown({})).toEqual(those(() => true));
      expect(shown({ from: a })).toEqual(those(({ from }) => from === a));
      expect(shown({ to: b })).toEqual(those(({ to }) => to === b));
      expect(shown({ from: a, eitherWay: true })).toEqual(those(({ from, to }) => from === a || to === a));
      expect(shown({ from: a, to: b, eitherWay: true })).toEqual(
        those(({ from, to }) => (from === a && to === b) || (from === b && to === a)),
      );
      expect(shown({ key: " ADA" })).toEqual(those(({ key }) => key === "carts/ada" || key === "carts/Adam"));
      for (const fate of ["arrived", "late", "lost", "dropped", "unseen"] as const)
        expect(shown({ fate })).toEqual(those((flight) => flight.fate === fate));
      expect(shown({ fate: "under way" })).toEqual(those(({ fate }) => fate === "under-way" || fate === "held"));
      expect(shown({ families: new Set(["hint"]) })).toEqual(those(({ role }) => role === "hint"));
      expect(shown({ families: new Set(["hint", "ping"]) })).toEqual(
        those(({ role, kind }) => role === "hint" || kind === "ping"),
      );
    }),
  );
});

test("with no kind chosen pings and gossip are left out, unless they are wanted", () => {
  fc.assert(
    fc.property(arbFlights, (flights) => {
      const none = { ...EVERYTHING, families: new Set<Family>() };
      const loud = flights.filter(({ kind }) => kind !== "ping" && kind !== "gossip-digest");
      expect(wireLog(flights, none, false, 0).fitting).toBe(loud.length);
      expect(wireLog(flights, none, true, 0).fitting).toBe(flights.length);
    }),
  );
});

test("what is set is told", () => {
  expect(setIn(OPEN_FILTER)).toEqual([]);
  expect(setIn({ ...OPEN_FILTER, key: "  " })).toEqual([]);
  expect(setIn({ ...EVERYTHING, to: NODES[0], key: "x" })).toEqual(["kind", "node", "key", "fate"]);
});
