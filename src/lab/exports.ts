/**
 * A trace for other people's tools. ShiViz draws a space-time diagram from vector clocks: its file begins with the regular expression by which it is read, then
 * an empty line (one execution), then two lines for each event, which it wants numbered from 1 at each host (bestchai.bitbucket.io/shiviz). The Trace Event
 * Format of Chrome, which Perfetto reads as well, has requests as spans and messages as flows between short slices, all in microseconds.
 *
 * Clocks are made anew from the records given, so that a trace whose beginning was let go, or a part of it, is a whole one. What happened to the world and not at
 * a node is left out of ShiViz's file, which has no place for it.
 */

import type { NodeId } from "../core/identifiers.ts";
import { type CausalClock, tick } from "./causal-clock.ts";
import type { TraceRecord } from "./world.ts";

export const SHIVIZ_EXPRESSION = String.raw`(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`;

/** The clock of each record at a node, as if nothing had been before these. */
export function clocksOf(records: readonly TraceRecord[]): Map<number, { place: number; clock: CausalClock }> {
  const places = new Map<NodeId, number>();
  const latest = new Map<NodeId, CausalClock>();
  const sentWith = new Map<number, CausalClock>();
  const clocks = new Map<number, { place: number; clock: CausalClock }>();
  for (const { number, node, event } of records) {
    if (node === undefined) continue;
    let place = places.get(node);
    if (place === undefined) places.set(node, (place = places.size));
    const heard = event.what === "received" ? sentWith.get(event.sentRecord) : undefined;
    const clock = tick(latest.get(node) ?? [], place, heard);
    latest.set(node, clock);
    if (event.what === "sent") sentWith.set(number, clock);
    clocks.set(number, { place, clock });
  }
  return clocks;
}

/** `nameOf` must give each node a name of its own, without spaces. */
export function toShiViz(records: readonly TraceRecord[], nameOf: (node: NodeId) => string): string {
  const clocks = clocksOf(records);
  const hosts: string[] = [];
  const lines = [SHIVIZ_EXPRESSION, ""];
  for (const { number, node, at, label } of records) {
    const found = clocks.get(number);
    if (node === undefined || found === undefined) continue;
    hosts[found.place] ??= nameOf(node);
    const counts = found.clock.flatMap((count, place) => (count > 0 ? [[hosts[place]!, count] as const] : []));
    lines.push(
      `${at.toFixed(3)} ms ${oneLine(label)}`,
      `${nameOf(node)} ${JSON.stringify(Object.fromEntries(counts))}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function oneLine(label: string): string {
  return label.replace(/\s+/g, " ");
}

interface ChromeEvent {
  readonly name: string;
  readonly ph: "M" | "X" | "b" | "e" | "s" | "f" | "i";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: string;
  readonly bp?: "e";
  readonly s?: "g";
  readonly args?: Readonly<Record<string, unknown>>;
}

/** The process of what happens to the world. */
const WORLD = 0;
const MESSAGES = 1;
const EVENTS = 2;
/** A slice must last for a flow to have something to hold on to. */
const SLICE_US = 100;

/** JSON. Each node is a process, with a thread of messages and one of all else. */
export function toChromeTrace(records: readonly TraceRecord[], nameOf: (node: NodeId) => string): string {
  const processes = new Map<NodeId, number>();
  const events: ChromeEvent[] = [{ name: "process_name", ph: "M", pid: WORLD, tid: 0, args: { name: "world" } }];
  const processOf = (node: NodeId): number => {
    let pid = processes.get(node);
    if (pid === undefined) {
      processes.set(node, (pid = processes.size + 1));
      events.push({ name: "process_name", ph: "M", pid, tid: 0, args: { name: nameOf(node) } });
      events.push({ name: "thread_name", ph: "M", pid, tid: MESSAGES, args: { name: "messages" } });
      events.push({ name: "thread_name", ph: "M", pid, tid: EVENTS, args: { name: "events" } });
    }
    return pid;
  };
  const sent = new Set(records.flatMap(({ number, event }) => (event.what === "sent" ? [number] : [])));
  const flows = new Set(
    records.flatMap(({ event }) => (event.what === "received" && sent.has(event.sentRecord) ? [event.sentRecord] : [])),
  );
  const begun = new Set<number>();
  for (const record of records) {
    const { number, node, at, label, event, request, key } = record;
    const ts = Math.round(at * 1_000);
    if (node === undefined) {
      events.push({ name: label, ph: "i", pid: WORLD, tid: 0, ts, s: "g", cat: event.what });
      continue;
    }
    const pid = processOf(node);
    const args = {
      record: number,
      ...(key === undefined ? {} : { key }),
      ...(request === undefined ? {} : { request }),
    };
    switch (event.what) {
      case "sent":
        events.push({ name: label, ph: "X", pid, tid: MESSAGES, ts, dur: SLICE_US, cat: event.kind, args });
        if (flows.has(number))
          events.push({ name: event.kind, ph: "s", pid, tid: MESSAGES, ts, cat: "message", id: String(number) });
        break;
      case "received":
        events.push({ name: label, ph: "X", pid, tid: MESSAGES, ts, dur: SLICE_US, cat: event.kind, args });
        // A message that came twice has one flow, to where it came first.
        if (flows.delete(event.sentRecord))
          events.push({
            name: event.kind,
            ph: "f",
            bp: "e",
            pid,
            tid: MESSAGES,
            ts,
            cat: "message",
            id: String(event.sentRecord),
          });
        break;
      case "asked":
        begun.add(request!);
        events.push({ name: label, ph: "b", pid, tid: EVENTS, ts, cat: "request", id: String(request), args });
        break;
      case "answered":
        if (!begun.delete(request!)) break;
        events.push({
          name: "answered",
          ph: "e",
          pid,
          tid: EVENTS,
          ts,
          cat: "request",
          id: String(request),
          args: { ...args, outcome: event.outcome },
        });
        break;
      case "note":
      case "stored":
      case "lost":
      case "world":
        events.push({ name: label, ph: "X", pid, tid: EVENTS, ts, dur: SLICE_US, cat: event.what, args });
        break;
    }
  }
  return JSON.stringify({ displayTimeUnit: "ms", traceEvents: events });
}
