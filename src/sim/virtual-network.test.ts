import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { EventQueue } from "./event-queue.ts";
import { type NetworkProfile, VirtualNetwork, calmNetwork } from "./virtual-network.ts";

const [A, B, C] = ["a", "b", "c"] as [NodeId, NodeId, NodeId];
const message = (sequence: number): Message => ({ kind: "ping", sequence, epoch: 1 });

/** A world of nodes that only write down what reaches them. */
function world(profile: Partial<NetworkProfile> = {}, seed = 1) {
  const queue = new EventQueue();
  const log: string[] = [];
  const asleep = new Set<NodeId>();
  let now = 0;
  const network = new VirtualNetwork(
    Prng.fromNumber(seed),
    { ...calmNetwork, ...profile },
    () => now,
    {
      schedule: (delayMs, run) => queue.push(now + delayMs, run),
      readsUpTo: () => PROTOCOL_VERSION,
      unread: () => undefined,
      isAwake: (node) => !asleep.has(node),
      connected: (node, peer) => log.push(`${node} connected ${peer}`),
      lost: (node, peer) => log.push(`${node} lost ${peer}`),
      received: (node, from, epoch, got) =>
        log.push(`${node} < ${from} ${epoch} ${got.kind === "ping" ? got.sequence : got.kind}`),
    },
    undefined,
  );
  const run = (durationMs = 100_000): string[] => {
    const until = now + durationMs;
    while ((queue.nextTime ?? Infinity) <= until) {
      const next = queue.pop()!;
      now = next.time;
      next.run();
    }
    now = until;
    return log.splice(0);
  };
  const linked = (): typeof network => {
    network.connect(A, B);
    run(100);
    return network;
  };
  return { network, run, linked, asleep };
}

describe("links", () => {
  test("connect brings both ends up once, however often it is asked for", () => {
    const { network, run } = world();
    network.connect(A, B);
    network.connect(B, A);
    expect(run()).toEqual(["a connected b", "b connected a"]);
    network.connect(A, B);
    expect(run()).toEqual([]);
  });

  test("a sleeping node or a cut in one direction lets no link come up", () => {
    const { network, run, asleep } = world();
    asleep.add(B);
    network.connect(A, B);
    expect(run()).toEqual([]);
    asleep.clear();
    network.mute([B], [A, B]);
    network.connect(A, B);
    expect(run()).toEqual([]);
  });

  test("disconnect is noticed at once here and later there; what was on its way is lost", () => {
    const { network, run, linked } = world();
    linked();
    network.send(B, A, 7, "foreground", message(1));
    network.disconnect(A, B);
    network.send(A, B, 7, "foreground", message(2));
    expect(run()).toEqual(["a lost b", "b lost a"]);
  });

  test("a crash that nobody notices leaves half a link; a new link replaces it with lost and connected", () => {
    const { network, run, linked } = world({ unnoticedProbability: 1 });
    linked();
    network.nodeCrashed(A);
    expect(run()).toEqual([]);
    expect(network.isLinked(B, A)).toBe(true);
    network.connect(A, B);
    expect(run()).toEqual(["b lost a", "a connected b", "b connected a"]);
  });
});

describe("messages", () => {
  test("arrive in order within a lane, whatever the jitter, with their epoch", () => {
    const { network, run, linked } = world({ jitterMs: 50 });
    linked();
    for (let i = 0; i < 50; i++) network.send(A, B, 3, "background", message(i));
    expect(run()).toEqual(Array.from({ length: 50 }, (_, i) => `b < a 3 ${i}`));
  });

  test("overtake each other when reordering is on", () => {
    const { network, run, linked } = world({ jitterMs: 50, reordering: true });
    linked();
    for (let i = 0; i < 50; i++) network.send(A, B, 3, "background", message(i));
    const got = run();
    expect(got).toHaveLength(50);
    expect(got).not.toEqual([...got].sort((a, b) => Number(a.split(" ")[4]) - Number(b.split(" ")[4])));
  });

  test("to and from a node that is far away take so much longer, however their way is drawn, until it is not", () => {
    for (const profile of [{}, { drawMs: () => 20 }]) {
      const { network, run, linked } = world(profile);
      linked();
      const usualMs = profile.drawMs === undefined ? 5 : 20;
      const takes = (from: NodeId, to: NodeId): number => {
        network.send(from, to, 1, "foreground", message(1));
        let ms = 0;
        while (run(1).length === 0) ms++;
        return ms + 1;
      };
      network.moveAway(A, 400);
      expect([takes(A, B), takes(B, A)]).toEqual([usualMs + 400, usualMs + 400]);
      network.moveAway(A, 0);
      expect([takes(A, B), takes(B, A)]).toEqual([usualMs, usualMs]);
    }
  });

  test("are lost and doubled in the drawn share", () => {
    const { network, run, linked } = world({ lossProbability: 0.5 });
    linked();
    for (let i = 0; i < 400; i++) network.send(A, B, 1, "foreground", message(i));
    const got = run().length;
    expect(got).toBeGreaterThan(140);
    expect(got).toBeLessThan(260);
    const doubled = world({ duplicationProbability: 1 });
    doubled.linked();
    doubled.network.send(A, B, 1, "foreground", message(1));
    expect(doubled.run()).toEqual(["b < a 1 1", "b < a 1 1"]);
  });

  test("wait behind a cut when they stall, and vanish when they do not", () => {
    for (const stallProbability of [0, 1]) {
      const { network, run, linked } = world({ stallProbability, unnoticedProbability: 1 });
      linked();
      network.partition([[A]], [A, B, C]);
      expect(network.isCut(A, B)).toBe(true);
      expect(network.isCut(B, C)).toBe(false);
      network.send(A, B, 1, "foreground", message(1));
      expect(run(60_000)).toEqual([]);
      network.heal();
      expect(run()).toEqual(stallProbability === 1 ? ["b < a 1 1"] : []);
    }
  });

  test("of an old link do not come out of a new one, unless they are late frames", () => {
    for (const late of [false, true]) {
      const { network, run, linked } = world(
        late ? { lateProbability: 1, lateMsMax: 30_000 } : { latencyMs: { min: 5_000, max: 5_000 } },
      );
      linked();
      network.send(A, B, 1, "foreground", message(1));
      network.disconnect(A, B);
      network.connect(A, B);
      const got = run(60_000);
      expect(got.includes("b < a 1 1")).toBe(late);
    }
  });

  test("kept back by hold come out at release", () => {
    const { network, run, linked } = world();
    linked();
    run();
    network.hold(A, B);
    network.send(A, B, 1, "foreground", message(1));
    network.send(B, A, 1, "foreground", message(2));
    expect(run()).toEqual(["a < b 1 2"]);
    network.release(A, B);
    expect(run()).toEqual(["b < a 1 1"]);
  });
});

test("a cut that is noticed costs each end one lost; one that ends in time costs nothing", () => {
  const { network, run, linked } = world();
  linked();
  network.partition([[A], [B]], [A, B]);
  expect(run(5_000)).toEqual(["a lost b", "b lost a"]);
  network.heal();
  network.connect(A, B);
  run(100);
  network.partition([[A], [B]], [A, B]);
  run(100);
  network.heal();
  expect(run(5_000)).toEqual([]);
});
