import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import { FaultySends } from "./faulty-sends.ts";
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
    new FaultySends(
      new MemoryTransport(hub, {
        self,
        cluster: "shop",
        secret: new Uint8Array(32).fill(fill),
        clock: realClock,
        random,
      }),
      random,
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

/** What reaches the transport behind, by peer. */
function recorded(): { readonly sends: FaultySends; readonly passed: NodeId[] } {
  const passed: NodeId[] = [];
  const behind: Transport = {
    open: (_handlers: TransportHandlers) => Promise.resolve(),
    connect: () => undefined,
    disconnect: () => undefined,
    send: (peer) => void passed.push(peer),
    close: () => Promise.resolve(),
  };
  return { sends: new FaultySends(behind, random), passed };
}

test("what is sent to a muted peer is lost, what is sent to others is not, until it is muted no more", () => {
  const { sends, passed } = recorded();
  sends.muted = [bob];
  sends.send(bob, new Uint8Array(1), "foreground");
  sends.send(cat, new Uint8Array(1), "foreground");
  expect(passed).toEqual([cat]);
  sends.muted = [];
  sends.send(bob, new Uint8Array(1), "background");
  expect(passed).toEqual([cat, bob]);
});

test("of a thousand messages about as many are lost as was said, all of 1,000 and none of 0", () => {
  for (const [perMille, least, most] of [
    [0, 10_000, 10_000],
    [250, 7_200, 7_800],
    [1_000, 0, 0],
  ] as const) {
    const { sends, passed } = recorded();
    sends.perMilleLost = perMille;
    for (let i = 0; i < 10_000; i++) sends.send(bob, new Uint8Array(1), "foreground");
    expect(passed.length, `${perMille}`).toBeGreaterThanOrEqual(least);
    expect(passed.length, `${perMille}`).toBeLessThanOrEqual(most);
  }
});
