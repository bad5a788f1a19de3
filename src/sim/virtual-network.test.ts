import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { EventQueue } from "./event-queue.ts";
import { type FlightId, type LossReason, type NetworkProfile, VirtualNetwork, calmNetwork } from "./virtual-network.ts";

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
  return { network, run, linked, asleep, log };
}

/** Writes down what a watcher hears, as one line for each message on its way. */
function watched(of: ReturnType<typeof world>) {
  const flights = new Map<FlightId, string[]>();
  const told = (flight: FlightId, what: string): void => void flights.get(flight)?.push(what);
  of.network.watch({
    sent: (flight, from, to, got, _at, copyOf) =>
      flights.set(flight, [
        `${from}>${to} ${got.kind === "ping" ? got.sequence : got.kind}${copyOf === undefined ? "" : ` copy of ${copyOf}`}`,
      ]),
    waits: (flight) => told(flight, "waits"),
    goesOn: (flight) => told(flight, "goes on"),
    arrives: (flight, late) => {
      told(flight, late ? "late" : "arrives");
      // The very next thing that the world hears is this message.
      of.log.push(`flight ${flight}`);
    },
    lost: (flight, reason: LossReason) => told(flight, reason),
  });
  return { lines: () => [...flights.values()].map((line) => line.join(", ")), flights };
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

describe("who watches", () => {
  test("hears how each message ends, and why", () => {
    const of = world({ stallProbability: 1, unnoticedProbability: 1 });
    const { network, run, linked } = of;
    const { lines } = watched(of);
    linked();
    network.send(A, B, 1, "foreground", message(1));
    network.send(A, C, 1, "foreground", message(2));
    run(50);
    network.cutOneWay(A, B);
    expect(network.cuts).toEqual([{ from: A, to: B }]);
    network.send(A, B, 1, "foreground", message(3));
    network.send(B, A, 1, "foreground", message(4));
    run(50);
    network.heal();
    run();
    network.profile = { ...network.profile, lossProbability: 1 };
    network.send(A, B, 1, "foreground", message(5));
    network.profile = { ...network.profile, lossProbability: 0, stallProbability: 0 };
    network.cut(A, B);
    network.send(A, B, 1, "foreground", message(6));
    run();
    expect(lines()).toEqual([
      "a>b 1, arrives",
      "a>c 2, dead-link",
      "a>b 3, waits, goes on, arrives",
      "b>a 4, arrives",
      "a>b 5, loss",
      "a>b 6, cut",
    ]);
  });

  test("may drop, put off and double what is on its way, and nothing else", () => {
    const of = world();
    const { network, run, linked } = of;
    const { lines } = watched(of);
    linked();
    for (let i = 1; i <= 4; i++) network.send(A, B, 1, "foreground", message(i));
    expect(network.dropFlight(1)).toBe(true);
    expect(network.delayFlight(2, 1_000)).toBe(true);
    expect(network.duplicateFlight(3)).toBe(true);
    expect(network.dropFlight(9) || network.delayFlight(1, 5) || network.duplicateFlight(1)).toBe(false);
    expect(run().filter((line) => line.startsWith("b <"))).toEqual([
      "b < a 1 3",
      "b < a 1 4",
      "b < a 1 3",
      "b < a 1 2",
    ]);
    expect(network.dropFlight(4)).toBe(false);
    expect(lines()).toEqual([
      "a>b 1, dropped",
      "a>b 2, goes on, late",
      "a>b 3, arrives",
      "a>b 4, arrives",
      "a>b 3 copy of 3, arrives",
    ]);
  });

  test("what waits behind a cut can be dropped there", () => {
    const of = world({ stallProbability: 1, unnoticedProbability: 1 });
    const { network, run, linked } = of;
    const { lines } = watched(of);
    linked();
    network.cut(A, B);
    network.send(A, B, 1, "foreground", message(1));
    run(50);
    expect(network.delayFlight(1, 5)).toBe(false);
    expect(network.dropFlight(1)).toBe(true);
    network.heal();
    run();
    expect(lines()).toEqual(["a>b 1, waits, dropped"]);
  });

  const acts = fc.array(
    fc.record({
      what: fc.constantFrom("send", "send", "send", "cut", "heal", "break", "connect", "wait", "hold", "release"),
      from: fc.constantFrom(A, B, C),
      to: fc.constantFrom(A, B, C),
    }),
    { maxLength: 40 },
  );
  const wild = {
    jitterMs: 50,
    lossProbability: 0.1,
    duplicationProbability: 0.2,
    lateProbability: 0.1,
    lateMsMax: 500,
    stallProbability: 0.5,
  };

  test("changes nothing, and is told of exactly what arrives", () => {
    fc.assert(
      fc.property(acts, fc.nat(), (script, seed) => {
        const play = (watches: boolean) => {
          const of = world(wild, seed);
          const { network, run } = of;
          const told = watches ? watched(of) : undefined;
          const heard: string[] = [];
          network.connect(A, B);
          network.connect(B, C);
          heard.push(...run(30));
          let sent = 0;
          for (const { what, from, to } of script) {
            if (what === "send" && from !== to) network.send(from, to, 1, "foreground", message(++sent));
            else if (what === "cut" && from !== to) network.cut(from, to);
            else if (what === "heal") network.heal();
            else if (what === "break") network.breakLink(from, to);
            else if (what === "connect") network.connect(from, to);
            else if (what === "hold") network.hold(from, to);
            else if (what === "release") network.release(from, to);
            else heard.push(...run(7));
          }
          network.heal();
          for (const from of [A, B, C]) for (const to of [A, B, C]) network.release(from, to);
          heard.push(...run());
          return { heard, told, sent };
        };
        const { heard, told, sent } = play(true);
        expect(heard.filter((line) => !line.startsWith("flight"))).toEqual(play(false).heard);
        const flights = [...told!.flights];
        // Each ends, once.
        const ends = /^(arrives|late|loss|cut|dead-link|never|unread|full|dropped)$/;
        for (const [, line] of flights)
          expect(
            line.filter((what) => ends.test(what)),
            line.join(),
          ).toHaveLength(1);
        expect(flights.filter(([, [head]]) => !head!.includes("copy of"))).toHaveLength(sent);
        // What is said to arrive is what comes next, and nothing else comes.
        heard.forEach((line, i) => {
          const flight = /^flight (\d+)$/.exec(line);
          if (flight !== null) {
            const [head] = told!.flights.get(Number(flight[1]))!;
            const [, from, to, sequence] = /^(\w)>(\w) (\d+)/.exec(head!)!;
            expect(heard[i + 1]).toBe(`${to} < ${from} 1 ${sequence}`);
          } else if (line.includes("<")) expect(heard[i - 1]).toMatch(/^flight/);
        });
      }),
      { numRuns: 200 },
    );
  });
});
