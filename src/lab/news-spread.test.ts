import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import { newsSpread } from "./news-spread.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import type { TraceRecord } from "./world.ts";

test("nothing before anything has changed", () => {
  expect(newsSpread(new SimulatedWorld(defaultLabOptions).trace)).toBeUndefined();
});

test("a bucket: from the node that was asked to the last one that has heard of it", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.constantFrom("a", "b", "c", "d", "e"), (seed, asked) => {
      const of = new SimulatedWorld({ ...defaultLabOptions, seed });
      of.act({ do: "bucket", node: asked, bucket: "carts", policy: "last-write-wins" });
      // The naive model: ask everybody after each event.
      const heard = new Map<NodeId, number>();
      const until = of.now + 8_000;
      while (of.now < until && of.step())
        for (const { id } of of.nodes)
          if (!heard.has(id) && (of.viewOf(id)?.view?.buckets.length ?? 0) > 0) heard.set(id, of.now);
      expect(heard.size).toBe(5);
      const spread = newsSpread(of.trace)!;
      expect(spread.from).toBe(of.idOf(asked));
      expect(spread.nodes).toEqual([...heard.keys()]);
      expect(spread.endedAt).toBe(Math.max(...heard.values()));
      // It is told of before it is durable, and heard of after that.
      expect(spread.beganAt).toBeLessThanOrEqual(heard.get(of.idOf(asked))!);
      expect(spread.beganAt).toBeGreaterThan(heard.get(of.idOf(asked))! - 100);
      expect(spread.rounds).toBe(Math.ceil((spread.endedAt - spread.beganAt) / 1_000));
      const between = ({ at, event }: TraceRecord): boolean =>
        at > spread.beganAt && at < spread.endedAt && event.what === "sent" && event.kind.startsWith("gossip-");
      expect(spread.messages).toBeGreaterThanOrEqual(of.trace.filter(between).length);
      expect(spread.messages).toBeGreaterThanOrEqual(4);
    }),
    { numRuns: 15 },
  );
});

test("a newcomer: all see it, and then all see the same ring", () => {
  const of = new SimulatedWorld(defaultLabOptions);
  of.act({ do: "join", name: "f", capacity: 1, zone: "f", via: "a", light: false });
  of.runUntil(of.now + 20_000);
  expect(new Set(newsSpread(of.trace)!.nodes)).toEqual(new Set(of.nodes.map(({ id }) => id)));
  expect(new Set(of.nodes.map(({ id }) => of.viewOf(id)?.ringDigest)).size).toBe(1);
});

test("two waves with a quiet time between them are two", () => {
  const of = new SimulatedWorld(defaultLabOptions);
  of.act({ do: "bucket", node: "a", bucket: "carts", policy: "last-write-wins" });
  of.runUntil(of.now + 10_000);
  const first = newsSpread(of.trace)!;
  of.act({ do: "bucket", node: "e", bucket: "x", policy: "last-write-wins" });
  of.runUntil(of.now + 10_000);
  const second = newsSpread(of.trace)!;
  expect(second.beganAt).toBeGreaterThan(first.endedAt);
  expect(second.from).toBe(of.idOf("e"));
});
