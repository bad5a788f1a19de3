import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { OversizedError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { MESSAGE_BYTES_MAX, QUEUE_BYTES_MAX } from "../wire/frame.ts";
import { HANDSHAKE_MS_MAX, SILENT_AFTER_MS } from "../wire/link.ts";
import { MemoryHub, MemoryTransport } from "./memory-transport.ts";
import type { Clock, TransportHandlers } from "./ports.ts";
import { describeTransportContract } from "./transport-contract.ts";

const idOf = (name: string) => name.repeat(32) as NodeId;
const [ada, bob, cat] = [idOf("a"), idOf("b"), idOf("c")];
const filled = (byte: number) => new Uint8Array(32).fill(byte);
const prng = Prng.fromNumber(7);
const random = (bytes: number) => Uint8Array.from({ length: bytes }, () => prng.uint32());

const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

describeTransportContract("memory", test, async () => {
  const hub = new MemoryHub();
  const make = (self: NodeId, secret: Uint8Array) =>
    new MemoryTransport(hub, { self, cluster: "shop", secret, clock: realClock, random });
  return {
    a: make(ada, filled(1)),
    b: make(bob, filled(1)),
    aId: ada,
    bId: bob,
    stranger: { transport: make(cat, filled(2)), id: cat },
    cleanup: async () => {},
  };
});

describeTransportContract("memory, each delivery 1 ms later", test, async () => {
  const hub = new MemoryHub((task) => void realClock.after(1, task));
  const make = (self: NodeId, secret: Uint8Array) =>
    new MemoryTransport(hub, { self, cluster: "shop", secret, clock: realClock, random });
  // The lower id answers here, where it dialled above.
  return {
    a: make(bob, filled(1)),
    b: make(ada, filled(1)),
    aId: bob,
    bId: ada,
    stranger: { transport: make(cat, filled(2)), id: cat },
    cleanup: async () => {},
  };
});

/** A hub, two members and a clock that the test turns. */
class HandCranked {
  nowMs = 0;
  readonly #tasks: (() => void)[] = [];
  #alarms: { readonly at: number; readonly callback: () => void }[] = [];
  readonly hub = new MemoryHub((task) => this.#tasks.push(task));
  readonly clock: Clock = {
    now: () => this.nowMs,
    wall: () => this.nowMs,
    after: (delayMs, callback) => {
      const alarm = { at: this.nowMs + delayMs, callback };
      this.#alarms.push(alarm);
      return () => {
        this.#alarms = this.#alarms.filter((each) => each !== alarm);
      };
    },
  };

  get alarms(): number {
    return this.#alarms.length;
  }

  run(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }

  /** Deliveries take no time; alarms ring in their order. */
  pass(ms: number): void {
    const until = this.nowMs + ms;
    this.run();
    for (;;) {
      const next = this.#alarms.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      this.#alarms = this.#alarms.filter((each) => each !== next);
      this.nowMs = next.at;
      next.callback();
      this.run();
    }
    this.nowMs = until;
  }

  /** A member whose reports are lines of text. */
  async join(self: NodeId): Promise<{ transport: MemoryTransport; log: string[]; errors: Error[] }> {
    const log: string[] = [];
    const errors: Error[] = [];
    const transport = new MemoryTransport(this.hub, {
      self,
      cluster: "shop",
      secret: filled(1),
      clock: this.clock,
      random,
    });
    const handlers: TransportHandlers = {
      connected: (peer, link) => log.push(`connected ${peer[0]} ${link.kind}`),
      lost: (peer, reason) => log.push(`lost ${peer[0]}: ${reason}`),
      received: (peer, bytes) => log.push(`received ${peer[0]}: ${bytes.join(" ")}`),
      refused: (error) => errors.push(error),
    };
    await transport.open(handlers);
    return { transport, log, errors };
  }
}

describe("by hand", () => {
  test("nothing happens inside send, connect or disconnect", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    expect([...a.log, ...b.log]).toEqual([]);
    world.run();
    expect([a.log, b.log]).toEqual([["connected b memory"], ["connected a memory"]]);
    a.transport.send(bob, new Uint8Array([1, 2]), "foreground");
    expect(b.log).toHaveLength(1);
    world.run();
    expect(b.log.at(-1)).toBe("received a: 1 2");
    a.transport.disconnect(bob);
    a.transport.connect(bob);
    expect(a.log).toHaveLength(1);
    world.run();
    expect(a.log).toEqual(["connected b memory", "lost b: disconnected", "connected b memory"]);
    expect(b.log.slice(2)).toEqual(["lost a: goodbye: disconnected", "connected a memory"]);
  });

  test("an idle link lives, and a closed one leaves no alarm behind", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    world.pass(60_000);
    expect([a.log.length, b.log.length]).toEqual([1, 1]);
    expect(world.alarms).toBe(2);
    a.transport.disconnect(bob);
    world.run();
    expect(world.alarms).toBe(0);
  });

  test("a short cut delays, a long one loses the link at both ends, and a healed pair meets again", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    world.run();
    world.hub.cut(bob, ada);
    a.transport.send(bob, new Uint8Array([1]), "foreground");
    world.pass(2_000);
    expect(b.log).toHaveLength(1);
    world.hub.heal();
    world.run();
    expect(b.log.at(-1)).toBe("received a: 1");

    world.hub.cut(ada, bob);
    a.transport.send(bob, new Uint8Array([2]), "foreground");
    world.pass(SILENT_AFTER_MS);
    expect(a.log.at(-1)).toBe("lost b: silent");
    expect(b.log.at(-1)).toBe("lost a: silent");
    a.transport.connect(bob);
    world.pass(HANDSHAKE_MS_MAX);
    b.transport.connect(ada);
    world.hub.heal();
    world.run();
    expect(a.log.slice(1)).toEqual(["lost b: silent", "connected b memory"]);
    expect(b.log.slice(1)).toEqual(["received a: 1", "lost a: silent", "connected a memory"]);
  });

  test("a cut keeps only its own two apart", async () => {
    const world = new HandCranked();
    const [a, b, c] = [await world.join(ada), await world.join(bob), await world.join(cat)];
    world.hub.cut(ada, bob);
    for (const peer of [bob, cat]) a.transport.connect(peer);
    b.transport.connect(cat);
    world.pass(HANDSHAKE_MS_MAX);
    expect(a.log).toEqual(["connected c memory"]);
    expect(b.log).toEqual(["connected c memory"]);
    expect(c.log.toSorted()).toEqual(["connected a memory", "connected b memory"]);
  });

  test("a dial to nobody, or to itself, is over at once and can be made again", async () => {
    const world = new HandCranked();
    const a = await world.join(ada);
    a.transport.connect(ada);
    a.transport.connect(bob);
    world.run();
    expect(world.alarms).toBe(0);
    await world.join(bob);
    a.transport.connect(bob);
    world.run();
    expect(a.log).toEqual(["connected b memory"]);
  });

  test("a message over the limit is refused by name, and the link stays", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    world.run();
    a.transport.send(bob, new Uint8Array(MESSAGE_BYTES_MAX + 1), "foreground");
    a.transport.send(bob, new Uint8Array([1]), "foreground");
    world.run();
    expect(a.errors).toEqual([expect.any(OversizedError)]);
    expect(b.log.at(-1)).toBe("received a: 1");
  });

  test("what waited for the channel to drain goes out when it does, without waiting for time", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    world.run();
    a.transport.send(bob, new Uint8Array(70_000), "foreground");
    a.transport.send(bob, new Uint8Array([5]), "background");
    world.run();
    expect(b.log.at(-1)).toBe("received a: 5");
  });

  test("a peer that leaves a full queue unread is lost", async () => {
    const world = new HandCranked();
    const [a] = [await world.join(ada), await world.join(bob)];
    a.transport.connect(bob);
    world.run();
    world.hub.cut(ada, bob);
    const message = new Uint8Array(1_000_000);
    for (let bytes = 0; bytes <= QUEUE_BYTES_MAX.background; bytes += message.length)
      a.transport.send(bob, message, "background");
    world.run();
    expect(a.log).toEqual(["connected b memory", "lost b: the background queue is full"]);
  });

  test("a node that died without a word is found out, and its next life is taken at once", async () => {
    const world = new HandCranked();
    const [a, b] = [await world.join(ada), await world.join(bob)];
    b.transport.connect(ada);
    world.run();
    // Its goodbye never arrives.
    world.hub.cut(ada, bob);
    await b.transport.close();
    world.run();
    const again = await world.join(bob);
    world.hub.heal();
    again.transport.connect(ada);
    world.run();
    expect(a.log).toEqual(["connected b memory", "lost b: goodbye: closed", "connected b memory"]);
    expect(again.log).toEqual(["connected a memory"]);
  });
});
