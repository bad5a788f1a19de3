import { describe, expect, test } from "vitest";
import { defaultConfig } from "../core/config.ts";
import type { NodeEvent } from "../core/event.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { NodeOptions, NodeView } from "../core/node.ts";
import { SearchOverflowError } from "./explorer.ts";
import { type ExploredNode, IncompleteMemoryError, LocalStates } from "./local-states.ts";

const options: NodeOptions = {
  id: "1".repeat(32) as NodeId,
  config: defaultConfig,
  meta: undefined,
  seed: [1, 2, 3, 4],
  seeds: [],
};
const connected: NodeEvent = { at: 0, kind: "peer-connected", peer: "2".repeat(32) as NodeId };
const lost: NodeEvent = { at: 0, kind: "peer-lost", peer: "2".repeat(32) as NodeId };
const wake: NodeEvent = { at: 0, kind: "wake" };

/** Counts events, says how many there were, and whether the last one was a connection; shows the latter only if it is honest. */
function counting(honest: boolean, made: { count: number }): () => ExploredNode {
  return () => {
    made.count++;
    let count = 0;
    let last = "";
    return {
      step: (event) => {
        const told = last;
        last = event.kind;
        return [{ kind: "note", note: { what: "storage-failed", reason: `${++count} ${told}` } }];
      },
      wakeAt: () => undefined,
      inspect: () => ({ requests: count }) as NodeView,
      get memory() {
        return honest ? { count, last } : { count };
      },
    };
  };
}

function stepsOf(honest: boolean, verify: boolean) {
  const made = { count: 0 };
  const states = new LocalStates(counting(honest, made), 100, verify);
  const start = states.start(options);
  const step = (from: typeof start, event: NodeEvent) =>
    states.step(from, [connected, lost, wake].indexOf(event), () => event);
  return { states, start, step, made };
}

describe("local states", () => {
  test("are one where the memory is one", () => {
    const { start, step, states } = stepsOf(true, false);
    expect(step(start, connected).after).not.toBe(step(start, lost).after);
    expect(step(step(start, connected).after, wake).after).toBe(step(step(start, lost).after, wake).after);
    expect(states.size).toBe(4);
  });

  test("a step is taken once and looked up from then on", () => {
    const { start, step, states } = stepsOf(true, false);
    const first = step(start, connected);
    expect(
      states.step(start, 0, () => {
        throw new Error("taken again");
      }),
    ).toBe(first);
  });

  test("a node that has gone on is made again from its events", () => {
    const { start, step, states, made } = stepsOf(true, false);
    const { after } = step(start, connected);
    step(after, wake);
    expect(made.count).toBe(1);
    expect(step(after, lost).effects).toEqual([
      { kind: "note", note: { what: "storage-failed", reason: "2 peer-connected" } },
    ]);
    expect(made.count).toBe(2);
    expect(states.viewOf(start).requests).toBe(0);
    expect(states.viewOf(after).requests).toBe(1);
  });

  test("a memory that leaves something out is found out", () => {
    const hidden = stepsOf(false, true);
    const { after } = hidden.step(hidden.start, connected);
    expect(hidden.step(hidden.start, lost).after).toBe(after);
    expect(() => hidden.step(after, wake)).toThrow(IncompleteMemoryError);

    const shown = stepsOf(true, true);
    const either = [connected, lost].map((event) => shown.step(shown.step(shown.start, event).after, wake).after);
    expect(either[0]).toBe(either[1]);
    expect(() => shown.step(either[0]!, wake)).not.toThrow();
  });

  test("end at their limit", () => {
    const states = new LocalStates(counting(true, { count: 0 }), 2, false);
    const start = states.start(options);
    const { after } = states.step(start, 0, () => connected);
    expect(() => states.step(after, 1, () => wake)).toThrow(SearchOverflowError);
  });
});
