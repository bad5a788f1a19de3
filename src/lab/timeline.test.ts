import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acts, aimed } from "./act-arbitraries.ts";
import type { LabAct } from "./acts.ts";
import { type LabOptions, defaultLabOptions } from "./options.ts";
import { decodeRun, encodeRun } from "./run-text.ts";
import { Timeline, tickAt } from "./timeline.ts";
import { LabError } from "./world.ts";

const options: LabOptions = {
  ...defaultLabOptions,
  nodes: ["a", "b", "c"].map((name) => ({ name, capacity: 1, zone: name })),
};
const begin = (seed = 1): Timeline => new Timeline({ options: { ...options, seed }, acts: [] });
const put = (node: string, value: string): LabAct => ({ do: "put", node, key: "carts/ada", value, context: "seen" });

/** Does it, or sees that the world will not. */
function attempt(timeline: Timeline, act: LabAct): void {
  try {
    timeline.act(act);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
  }
}

describe("a replay", () => {
  test("is the same run, record for record, however it is played", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(acts, fc.constantFrom("wait", "step", "record", "now"), fc.nat(700)), { maxLength: 25 }),
        fc.nat(1_000),
        (script, seed) => {
          const first = begin(seed);
          for (const [act, how, much] of script) {
            if (how === "wait") first.playTo(first.now + much / 0.7);
            else if (how === "step") for (let i = 0; i < much % 20; i++) first.step();
            else if (how === "record") first.stepRecord();
            attempt(first, aimed(act, first.world));
          }
          first.playTo(tickAt(first.now) + 500);
          const { now, hash } = first;
          // Another one, from its link, all at once.
          const { run, position } = decodeRun(encodeRun({ run: first.run, position: now }));
          const second = new Timeline(run);
          second.playTo(position);
          expect(second.hash).toBe(hash);
          expect(second.world.trace).toEqual(first.world.trace);
          expect(second.world.flights).toEqual(first.world.flights);
          // Back and forth.
          second.seek(now / 3);
          second.seek(now);
          expect(second.hash).toBe(hash);
          // Step by step.
          const third = new Timeline(run);
          while ((third.world.nextAt ?? Infinity) <= now || third.upcoming.length > 0) third.step();
          third.playTo(now);
          expect(third.hash).toBe(hash);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("does what one act leaves for its own moment before the next act of that moment", () => {
    const timeline = begin();
    // A bucket that no cluster of this size can have is refused at once, but in an event of its own.
    timeline.act({ do: "bucket", node: "a", bucket: "carts", policy: "siblings", w: 200 });
    timeline.act({ do: "heal" });
    timeline.playTo(10);
    const told = timeline.world.trace.filter(({ event }) => event.what === "world").map(({ label }) => label);
    expect(told).toEqual(["a bucket carts siblings", expect.stringContaining("is not set"), "heal"]);
    const again = new Timeline(timeline.run);
    again.playTo(10);
    expect(again.hash).toBe(timeline.hash);
  });

  test("another seed, or another act, is another run", () => {
    const hashOf = (seed: number, value: string): string => {
      const timeline = begin(seed);
      timeline.act(put("a", value));
      timeline.playTo(2_000);
      return timeline.hash;
    };
    expect(hashOf(1, "milk")).toBe(hashOf(1, "milk"));
    expect(hashOf(1, "milk")).not.toBe(hashOf(2, "milk"));
    expect(hashOf(1, "milk")).not.toBe(hashOf(1, "eggs"));
  });
});

describe("time", () => {
  test("a step is one event, a step of the trace one or more records", () => {
    const timeline = begin();
    const before = timeline.world.nextAt!;
    expect(timeline.step()).toBe(true);
    expect(timeline.now).toBe(before);
    const { traceCount } = timeline.world;
    expect(timeline.stepRecord()).toBe(true);
    expect(timeline.world.traceCount).toBeGreaterThan(traceCount);
  });

  test("back, the future is still known; what is done there makes a fork", () => {
    const timeline = begin();
    timeline.act(put("a", "milk"));
    timeline.playTo(1_000);
    timeline.act({ do: "crash", node: "b" });
    timeline.playTo(2_000);
    const { hash } = timeline;
    timeline.seek(500);
    expect([timeline.now, timeline.endsAt]).toEqual([500, 2_000]);
    expect(timeline.upcoming).toEqual([{ at: 1_000, act: { do: "crash", node: "b" } }]);
    expect(timeline.world.nodes[1]!.state).toBe("running");
    timeline.playTo(2_000);
    expect(timeline.hash).toBe(hash);
    timeline.seek(500);
    timeline.act({ do: "freeze", node: "b", forMs: 100 });
    expect([timeline.endsAt, timeline.upcoming]).toEqual([500, []]);
    timeline.playTo(2_000);
    expect(timeline.hash).not.toBe(hash);
    expect(timeline.run.acts.map(({ act }) => act.do)).toEqual(["put", "freeze"]);
  });

  test("what the world refuses is not done, and forgets nothing", () => {
    const timeline = begin();
    timeline.playTo(100);
    timeline.act({ do: "crash", node: "b" });
    timeline.seek(50);
    const { hash } = timeline;
    expect(() => timeline.act({ do: "restart", node: "b" })).toThrow(LabError);
    expect(timeline.hash).toBe(hash);
    expect(timeline.upcoming).toHaveLength(1);
  });

  test("a run of a crooked link is played without what cannot be", () => {
    const crooked = new Timeline({ options, acts: [{ at: 0, act: { do: "thaw", node: "zz" } }] });
    const straight = new Timeline({ options, acts: [] });
    for (const timeline of [crooked, straight]) timeline.playTo(100);
    expect(crooked.hash).toBe(straight.hash);
    expect(() => new Timeline({ options, acts: [2, 1].map((at) => ({ at, act: { do: "heal" } })) })).toThrow(LabError);
  });
});
