import { describe, expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import { compareCausally } from "./causal-clock.ts";
import { clocksOf, toChromeTrace, toShiViz } from "./exports.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";

/** A world with a request, a crash and a doubled message in it. */
function lived(): { readonly of: SimulatedWorld; readonly nameOf: (node: NodeId) => string } {
  const of = new SimulatedWorld(defaultLabOptions);
  of.act({ do: "put", node: "a", key: "carts/ada", value: "milk\nand eggs", context: "none" });
  of.runUntil(3);
  of.act({
    do: "duplicate",
    flight: of.flights.find(({ kind, fate }) => kind === "replica-put" && fate === "under-way")!.id,
  });
  of.runUntil(1_000);
  of.act({ do: "crash", node: "b" });
  of.act({ do: "get", node: "e", key: "carts/ada" });
  of.runUntil(4_000);
  return { of, nameOf: (node) => of.nodes.find(({ id }) => id === node)!.name };
}

test("clocks made anew are those of the trace, when it is whole", () => {
  const { of } = lived();
  const clocks = clocksOf(of.trace);
  const there = of.trace.filter(({ node }) => node !== undefined);
  const order = (a: number, b: number) =>
    compareCausally(clocks.get(there[a]!.number)!.clock, clocks.get(there[b]!.number)!.clock);
  for (let a = 0; a < there.length; a += 7)
    for (let b = 0; b < there.length; b += 11)
      expect(order(a, b)).toBe(compareCausally(there[a]!.clock, there[b]!.clock));
});

describe("ShiViz", () => {
  /** Reads a file as ShiViz does: the expression of the first line over all that follows the second. */
  function read(
    file: string,
  ): { readonly event: string; readonly host: string; readonly clock: Record<string, number> }[] {
    const [expression = "", delimiter = "", ...rest] = file.split("\n");
    expect(delimiter).toBe("");
    return [...rest.join("\n").matchAll(new RegExp(expression, "g"))].map(({ groups }) => ({
      event: groups!["event"]!,
      host: groups!["host"]!,
      clock: JSON.parse(groups!["clock"]!) as Record<string, number>,
    }));
  }

  test.each([0, 40])("reads every record back, from the one at %i on, numbered from 1 at each host", (from) => {
    const { of, nameOf } = lived();
    const records = of.trace.slice(from);
    const events = read(toShiViz(records, nameOf));
    const there = records.filter(({ node }) => node !== undefined);
    expect(events).toHaveLength(there.length);
    const counts = new Map<string, number>();
    events.forEach(({ event, host, clock }, i) => {
      expect(host).toBe(nameOf(there[i]!.node!));
      expect(event).toContain(there[i]!.label.replace(/\s+/g, " "));
      counts.set(host, (counts.get(host) ?? 0) + 1);
      // Its own count is its number; of others it knows no more than there was.
      expect(clock[host]).toBe(counts.get(host));
      for (const [other, count] of Object.entries(clock)) expect(count).toBeLessThanOrEqual(counts.get(other) ?? 0);
    });
    // A message that was received is known of.
    const sentAs = new Map(there.map(({ number }, i) => [number, events[i]!]));
    const received = there.flatMap(({ event }, i) =>
      event.what === "received" ? [{ i, from: event.sentRecord }] : [],
    );
    expect(received.length).toBeGreaterThan(50);
    for (const { i, from: number } of received) {
      const sending = sentAs.get(number);
      if (sending !== undefined)
        expect(events[i]!.clock[sending.host]).toBeGreaterThanOrEqual(sending.clock[sending.host]!);
    }
  });
});

describe("Chrome's trace", () => {
  interface Event {
    readonly ph: string;
    readonly pid: number;
    readonly tid: number;
    readonly ts: number;
    readonly dur?: number;
    readonly id: string;
    readonly cat: string;
    readonly name: string;
    readonly args?: Record<string, unknown>;
  }

  test("has each node as a process, each request as a span, each message that came as a flow between two slices", () => {
    const { of, nameOf } = lived();
    const { traceEvents: events } = JSON.parse(toChromeTrace(of.trace, nameOf)) as { traceEvents: Event[] };
    const names = events
      .filter(({ ph, name }) => ph === "M" && name === "process_name")
      .map(({ args }) => args!["name"]);
    expect([...names].sort()).toEqual(["a", "b", "c", "d", "e", "world"]);
    const asked = of.trace.filter(({ event }) => event.what === "asked");
    expect(events.filter(({ ph }) => ph === "b").map(({ id, ts }) => [id, ts])).toEqual(
      asked.map(({ request, at }) => [String(request), at * 1_000]),
    );
    expect(
      events
        .filter(({ ph }) => ph === "e")
        .map(({ id }) => id)
        .sort(),
    ).toEqual(asked.map(({ request }) => String(request)));
    const starts = new Map(events.filter(({ ph }) => ph === "s").map((event) => [event.id, event]));
    const ends = events.filter(({ ph }) => ph === "f");
    const sent = new Set(of.trace.flatMap(({ number, event }) => (event.what === "sent" ? [number] : [])));
    const came = new Set(
      of.trace.flatMap(({ event }) =>
        event.what === "received" && sent.has(event.sentRecord) ? [event.sentRecord] : [],
      ),
    );
    expect(ends).toHaveLength(came.size);
    expect(starts.size).toBe(came.size);
    const slices = events.filter(({ ph, dur }) => ph === "X" && dur! > 0);
    for (const end of ends) {
      const start = starts.get(end.id)!;
      expect(start.ts).toBeLessThan(end.ts);
      // Both hold on to a slice of their thread.
      for (const { pid, tid, ts } of [start, end])
        expect(slices.some((slice) => slice.pid === pid && slice.tid === tid && slice.ts === ts)).toBe(true);
    }
    expect(events.some(({ ph, name }) => ph === "i" && name.includes("crash b"))).toBe(true);
  });

  test("of a part of a run has no end without its beginning", () => {
    const { of, nameOf } = lived();
    const { traceEvents: events } = JSON.parse(toChromeTrace(of.trace.slice(10), nameOf)) as { traceEvents: Event[] };
    const begun = new Set(events.filter(({ ph }) => ph === "b" || ph === "s").map(({ cat, id }) => `${cat} ${id}`));
    for (const { ph, cat, id } of events) if (ph === "e" || ph === "f") expect(begun.has(`${cat} ${id}`)).toBe(true);
  });
});
