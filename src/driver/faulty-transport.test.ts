import fc from "fast-check";
import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import { WAITING_BYTES_MAX } from "./delay-line.ts";
import { FaultyTransport } from "./faulty-transport.ts";
import { encodeMessage } from "../wire/codec.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { MemoryHub, MemoryTransport } from "./memory-transport.ts";
import type { Clock, Transport, TransportHandlers } from "./ports.ts";
import { describeTransportContract } from "./transport-contract.ts";

const idOf = (name: string) => name.repeat(32) as NodeId;
const [ada, bob, cat] = [idOf("a"), idOf("b"), idOf("c")];
const prng = Prng.fromNumber(11);
const random = (bytes: number) => Uint8Array.from({ length: bytes }, () => prng.below(256));

const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

describeTransportContract("in front of memory, without a fault", test, async () => {
  const hub = new MemoryHub();
  const make = (self: NodeId, fill: number) =>
    new FaultyTransport(
      new MemoryTransport(hub, {
        self,
        cluster: "shop",
        secret: new Uint8Array(32).fill(fill),
        clock: realClock,
        random,
      }),
      random,
      realClock,
      () => undefined,
    );
  return {
    a: make(ada, 1),
    b: make(bob, 1),
    aId: ada,
    bId: bob,
    stranger: { transport: make(cat, 2), id: cat },
    cleanup: async () => {},
  };
});

/** What reaches the transport behind, by peer, and a clock that the test moves. */
function recorded(): {
  readonly faulty: FaultyTransport;
  readonly passed: NodeId[];
  readonly sent: number[];
  readonly received: number[];
  readonly ended: NodeId[];
  readonly behind: () => TransportHandlers;
  readonly clock: LeapingClock;
  readonly caught: string[];
} {
  const [passed, sent, received, ended]: [NodeId[], number[], number[], NodeId[]] = [[], [], [], []];
  let handlers: TransportHandlers | undefined;
  const clock = new LeapingClock();
  const behind: Transport = {
    open: (given: TransportHandlers) => {
      handlers = given;
      return Promise.resolve();
    },
    connect: () => undefined,
    disconnect: (peer) => void ended.push(peer),
    send: (peer, bytes) => {
      passed.push(peer);
      sent.push(bytes[0]!);
    },
    close: () => Promise.resolve(),
  };
  const caught: string[] = [];
  const faulty = new FaultyTransport(behind, random, clock, ({ how }, { kind }) => caught.push(`${how} ${kind}`));
  void faulty.open({
    connected: () => undefined,
    lost: () => undefined,
    received: (_, bytes) => void received.push(bytes[0]!),
    refused: () => undefined,
  });
  return { faulty, passed, sent, received, ended, behind: () => handlers!, clock, caught };
}

test("what is sent to a muted peer is lost, what is sent to others is not, until it is muted no more", () => {
  const { faulty, passed } = recorded();
  faulty.muted = [bob];
  faulty.send(bob, new Uint8Array(1), "foreground");
  faulty.send(cat, new Uint8Array(1), "foreground");
  expect(passed).toEqual([cat]);
  faulty.muted = [];
  faulty.send(bob, new Uint8Array(1), "background");
  expect(passed).toEqual([cat, bob]);
});

test("of a thousand messages about as many are lost as was said, all of 1,000 and none of 0", () => {
  for (const [perMille, least, most] of [
    [0, 10_000, 10_000],
    [250, 7_200, 7_800],
    [1_000, 0, 0],
  ] as const) {
    const { faulty, passed } = recorded();
    faulty.perMilleLost = perMille;
    for (let i = 0; i < 10_000; i++) faulty.send(bob, new Uint8Array(1), "foreground");
    expect(passed.length, `${perMille}`).toBeGreaterThanOrEqual(least);
    expect(passed.length, `${perMille}`).toBeLessThanOrEqual(most);
  }
});

test("whatever the latency is set to in between, each message comes once, in order, and not before its latency is over", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ latencyMs: fc.constantFrom(0, 1, 30, 500), passMs: fc.nat(60), comes: fc.boolean() }), {
        maxLength: 25,
      }),
      async (turns) => {
        const { faulty, sent, received, behind, clock } = recorded();
        const due: { readonly list: number[]; readonly number: number; readonly at: number }[] = [];
        for (const [number, { latencyMs, passMs, comes }] of turns.entries()) {
          faulty.latencyMs = latencyMs;
          due.push({ list: comes ? received : sent, number, at: clock.now() + latencyMs });
          if (comes) behind().received(bob, new Uint8Array([number]));
          else faulty.send(bob, new Uint8Array([number]), "foreground");
          await clock.pass(passMs);
          for (const { list, number, at } of due)
            if (list.includes(number)) expect(clock.now()).toBeGreaterThanOrEqual(at);
        }
        await clock.pass(1_000);
        for (const list of [sent, received])
          expect(list).toEqual(due.filter((each) => each.list === list).map(({ number }) => number));
      },
    ),
    { numRuns: 60 },
  );
});

test("what waits for a link that is lost, or was given up, is lost with it; the other links' is not", async () => {
  const { faulty, passed, received, behind, clock } = recorded();
  faulty.latencyMs = 100;
  for (const peer of [bob, cat, ada]) {
    faulty.send(peer, new Uint8Array(1), "foreground");
    faulty.send(peer, new Uint8Array(1), "background");
    behind().received(peer, new Uint8Array([peer === cat ? 2 : 1]));
  }
  behind().lost(bob, "silent");
  faulty.disconnect(ada);
  await clock.pass(200);
  expect(passed).toEqual([cat, cat]);
  expect(received).toEqual([2]);
});

test("more than the line takes ends the link, and what waits in it goes with it", async () => {
  const { faulty, passed, ended, clock } = recorded();
  faulty.latencyMs = 100;
  const large = new Uint8Array(WAITING_BYTES_MAX / 4);
  for (let i = 0; i < 4; i++) faulty.send(bob, large, "background");
  expect(ended).toEqual([]);
  faulty.send(bob, large, "foreground");
  expect(ended).toEqual([bob]);
  await clock.pass(200);
  expect(passed).toEqual([]);
  faulty.send(bob, large, "foreground");
  await clock.pass(200);
  expect(passed).toEqual([bob]);
});

const pingOf = (sequence: number) => encodeMessage({ kind: "ping", sequence, epoch: 1 }, 1);
const pongOf = (sequence: number) => encodeMessage({ kind: "pong", sequence, epoch: 1 }, 1);

test("of a kind to a peer the next message is caught, once: dropped, doubled, or delayed past those after it", async () => {
  const { faulty, passed, clock, caught } = recorded();
  const fault = { to: bob, kind: "ping", byMs: 0 } as const;
  faulty.toCatch = [{ ...fault, how: "drop" }];
  faulty.send(bob, pongOf(1), "foreground");
  faulty.send(cat, pingOf(1), "foreground");
  expect([passed, caught]).toEqual([[bob, cat], []]);
  faulty.send(bob, pingOf(2), "foreground");
  expect([passed, caught]).toEqual([[bob, cat], ["drop ping"]]);
  faulty.send(bob, pingOf(3), "foreground");
  expect([passed.length, faulty.toCatch]).toEqual([3, []]);

  faulty.toCatch = [
    { ...fault, how: "duplicate" },
    { ...fault, how: "delay", byMs: 200 },
  ];
  faulty.send(bob, pingOf(4), "foreground");
  expect(passed.length).toBe(5);
  faulty.send(bob, pingOf(5), "foreground");
  faulty.send(bob, pingOf(6), "foreground");
  expect(passed.length).toBe(6);
  await clock.pass(199);
  expect(passed.length).toBe(6);
  await clock.pass(1);
  expect(passed.length).toBe(7);
  expect(caught.slice(1)).toEqual(["duplicate ping", "delay ping"]);
});

test("what was delayed alone is lost with its link", async () => {
  const { faulty, passed, behind, clock } = recorded();
  faulty.toCatch = [{ to: bob, kind: "ping", how: "delay", byMs: 200 }];
  faulty.send(bob, pingOf(1), "foreground");
  behind().lost(bob, "silent");
  await clock.pass(500);
  expect(passed).toEqual([]);
});
