/**
 * What every transport must keep, as tests. They ask for nothing but a function that registers a test, so that the same suite runs under
 * vitest and inside a page of a real browser. Nothing sleeps: each test waits for a condition, and fails when it does not come in time.
 */

import type { Lane } from "../core/effect.ts";
import { WrongSecretError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import type { LinkInfo, Transport, TransportHandlers } from "./ports.ts";

/** Two transports that can reach each other, and a third that does not belong. None is open yet. */
export interface TransportPair {
  readonly a: Transport;
  readonly b: Transport;
  readonly aId: NodeId;
  readonly bId: NodeId;
  /** The same cluster's name, another secret. */
  readonly stranger: { readonly transport: Transport; readonly id: NodeId };
  /** The suite has closed the transports already. */
  cleanup(): Promise<void>;
}

/** A condition that takes longer has failed. Generous: it bounds a failure, not a success. */
const DEADLINE_MS = 20_000;
const LANES: readonly Lane[] = ["foreground", "background"];

/** Registers the suite; `make` is called anew for each test. */
export function describeTransportContract(
  name: string,
  test: (name: string, body: () => Promise<void>) => void,
  make: () => Promise<TransportPair>,
): void {
  const check = (what: string, body: (world: World) => Promise<void>): void =>
    test(`${name}: ${what}`, async () => {
      const world = await World.open(await make());
      try {
        await body(world);
      } finally {
        await world.close();
      }
      for (const end of [world.a, world.b, world.stranger]) end.checkLog();
    });

  check("a link comes up at both ends, exactly once", async (world) => {
    await world.connect();
    await world.exchange("hello");
    for (const end of [world.a, world.b]) equal(end.count("connected"), 1, "times connected");
    equal(world.a.log[0]?.peer, world.b.id, "the peer that a met");
    equal(world.b.log[0]?.peer, world.a.id, "the peer that b met");
    for (const [met] of [world.a.log, world.b.log])
      equal(
        met?.kind === "connected" ? met.link.protocol.max : undefined,
        PROTOCOL_VERSION,
        "what the other side reads",
      );
  });

  check("connect is idempotent, also when both sides call it at once", async (world) => {
    world.a.transport.connect(world.b.id);
    world.b.transport.connect(world.a.id);
    world.a.transport.connect(world.b.id);
    await world.until("a link", () => world.a.isUp(world.b) && world.b.isUp(world.a));
    world.a.transport.connect(world.b.id);
    world.b.transport.connect(world.a.id);
    await world.exchange("one");
    await world.exchange("two");
    for (const end of [world.a, world.b]) equal(end.count("connected"), 1, "times connected");
    for (const end of [world.a, world.b]) equal(end.count("lost"), 0, "times lost");
  });

  for (const lane of LANES)
    check(`messages of all sizes arrive whole and in order in the ${lane} lane, both ways at once`, async (world) => {
      await world.connect();
      const sizes = [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1_048_576, 2, 0];
      const sent = sizes.map((size, i) => pattern(size, i));
      for (const bytes of sent) {
        world.a.send(world.b, bytes, lane);
        world.b.send(world.a, bytes, lane);
      }
      for (const end of [world.a, world.b])
        await world.until(`${sizes.length} messages`, () => end.received.length >= sizes.length);
      for (const end of [world.a, world.b]) sameMessages(end.received, sent);
    });

  check("two thousand small messages of one turn all arrive, in order", async (world) => {
    await world.connect();
    const sent = Array.from({ length: 2_000 }, (_, i) => pattern(20 + (i % 50), i));
    for (const bytes of sent) world.a.send(world.b, bytes, "foreground");
    await world.until("2,000 messages", () => world.b.received.length >= sent.length);
    sameMessages(world.b.received, sent);
  });

  check("a foreground message overtakes a bulk transfer", async (world) => {
    await world.connect();
    const bulk = 64;
    const marker = text("please hurry");
    let hurried = false;
    world.b.onReceived = () => {
      if (hurried) return;
      hurried = true;
      world.a.send(world.b, marker, "foreground");
    };
    for (let i = 0; i < bulk; i++) world.a.send(world.b, pattern(65_536, i), "background");
    await world.until("all messages", () => world.b.received.length >= bulk + 1);
    const place = world.b.received.findIndex((bytes) => sameBytes(bytes, marker));
    if (place < 1 || place > bulk / 2) throw new Error(`the foreground message came as number ${place} of ${bulk}`);
    sameMessages(
      world.b.received.filter((_, i) => i !== place),
      Array.from({ length: bulk }, (_, i) => pattern(65_536, i)),
    );
  });

  check("what is sent without a link is dropped silently", async (world) => {
    world.a.send(world.b, text("nobody hears this"), "foreground");
    await world.connect();
    await world.exchange("this is heard");
    for (const end of [world.a, world.b]) equal(end.received.length, 1, "messages");
    equal(world.a.count("refused"), 0, "refusals");
  });

  check(
    "disconnect: lost once at both ends, nothing of the old link afterwards, and a new one works",
    async (world) => {
      await world.connect();
      let dropped = false;
      world.b.onReceived = () => {
        if (dropped) return;
        dropped = true;
        world.a.transport.disconnect(world.b.id);
      };
      for (let i = 0; i < 32; i++) world.a.send(world.b, pattern(65_536, i), "background");
      await world.until("both lost it", () => world.a.count("lost") > 0 && world.b.count("lost") > 0);
      for (const end of [world.a, world.b]) equal(end.count("lost"), 1, "times lost");

      const before = world.b.received.length;
      await world.connect();
      await world.exchange("a new link");
      equal(world.b.received.length, before + 1, "messages at b");
      equal(world.a.received.length, 1, "messages at a");
      for (const end of [world.a, world.b]) equal(end.count("connected"), 2, "times connected");
      for (const end of [world.a, world.b]) equal(end.count("lost"), 1, "times lost");
    },
  );

  check("a side that drops the link while it reads takes nothing more", async (world) => {
    await world.connect();
    world.b.onReceived = () => world.b.transport.disconnect(world.a.id);
    for (let i = 0; i < 100; i++) world.a.send(world.b, pattern(100, i), "foreground");
    await world.until("both lost it", () => world.a.count("lost") > 0 && world.b.count("lost") > 0);
    world.b.onReceived = () => {};
    await world.connect();
    await world.exchange("a new link");
    equal(world.b.received.length, 2, "messages at b");
  });

  check("disconnect without a link does nothing", async (world) => {
    world.a.transport.disconnect(world.b.id);
    await world.connect();
    await world.exchange("still works");
    equal(world.a.count("lost"), 0, "times lost");
  });

  check("close: the other side loses the link, and closing again does nothing", async (world) => {
    await world.connect();
    await world.a.transport.close();
    await world.until("b lost it", () => world.b.count("lost") > 0);
    await world.a.transport.close();
    world.a.send(world.b, text("too late"), "foreground");
    for (const end of [world.a, world.b]) equal(end.count("lost"), 1, "times lost");
    equal(world.b.received.length, 0, "messages at b");
  });

  check("a wrong secret is refused by name at both ends, and nobody is connected", async (world) => {
    const { a, stranger } = world;
    stranger.transport.connect(a.id);
    await world.until("both refused", () => a.count("refused") > 0 && stranger.count("refused") > 0);
    for (const end of [a, stranger]) {
      const refusal = end.log.find((entry) => entry.kind === "refused");
      if (refusal?.kind !== "refused" || !(refusal.error instanceof WrongSecretError))
        throw new Error(`a WrongSecretError was due, not ${JSON.stringify(refusal)}`);
      equal(end.count("connected"), 0, "times connected");
    }
    await world.connect();
    await world.exchange("members are not disturbed");
  });
}

type Entry =
  | { readonly kind: "connected"; readonly peer: NodeId; readonly link: LinkInfo }
  | { readonly kind: "lost"; readonly peer: NodeId; readonly reason: string }
  | { readonly kind: "received"; readonly peer: NodeId; readonly bytes: Uint8Array }
  | { readonly kind: "refused"; readonly peer: NodeId | undefined; readonly error: Error };

/** One transport and all that it reported. */
class End {
  readonly id: NodeId;
  readonly transport: Transport;
  readonly log: Entry[] = [];
  /** The messages of the log. */
  readonly received: Uint8Array[] = [];
  onReceived: () => void = () => {};
  onEntry: () => void = () => {};

  constructor(id: NodeId, transport: Transport) {
    this.id = id;
    this.transport = transport;
  }

  readonly handlers: TransportHandlers = {
    connected: (peer, link) => this.#note({ kind: "connected", peer, link }),
    lost: (peer, reason) => this.#note({ kind: "lost", peer, reason }),
    refused: (error, peer) => this.#note({ kind: "refused", peer, error }),
    received: (peer, bytes) => {
      this.received.push(bytes);
      this.#note({ kind: "received", peer, bytes });
      this.onReceived();
    },
  };

  send(to: End, bytes: Uint8Array, lane: Lane): void {
    this.transport.send(to.id, bytes, lane);
  }

  count(kind: Entry["kind"]): number {
    return this.log.filter((entry) => entry.kind === kind).length;
  }

  isUp(peer: End): boolean {
    const last = this.log.findLast(
      (entry) => (entry.kind === "connected" || entry.kind === "lost") && entry.peer === peer.id,
    );
    return last?.kind === "connected";
  }

  /** Per peer: connected, messages, lost, and so again; at the end nothing is left up. */
  checkLog(): void {
    const up = new Set<NodeId>();
    for (const entry of this.log) {
      if (entry.kind === "refused") continue;
      if (up.has(entry.peer) === (entry.kind === "connected"))
        throw new Error(`${entry.kind} came where it cannot: ${this.log.map(({ kind }) => kind).join(", ")}`);
      if (entry.kind === "connected") up.add(entry.peer);
      if (entry.kind === "lost") up.delete(entry.peer);
    }
    equal(up.size, 0, "links that were never reported lost");
  }

  #note(entry: Entry): void {
    this.log.push(entry);
    this.onEntry();
  }
}

/** The transports of one test. */
class World {
  readonly a: End;
  readonly b: End;
  readonly stranger: End;
  readonly #pair: TransportPair;
  readonly #waiting = new Set<() => void>();

  private constructor(pair: TransportPair) {
    this.#pair = pair;
    this.a = new End(pair.aId, pair.a);
    this.b = new End(pair.bId, pair.b);
    this.stranger = new End(pair.stranger.id, pair.stranger.transport);
  }

  static async open(pair: TransportPair): Promise<World> {
    const world = new World(pair);
    for (const end of world.#ends) {
      end.onEntry = () => {
        for (const look of [...world.#waiting]) look();
      };
      await end.transport.open(end.handlers);
    }
    return world;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) await end.transport.close();
    await this.#pair.cleanup();
  }

  /** Looks again whenever anything was reported. */
  until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(deadline);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        if (!condition()) return;
        done();
        resolve();
      };
      const deadline = setTimeout(() => {
        done();
        const story = this.#ends.map((end) => `${end.id.slice(0, 6)}: ${storyOf(end.log)}`).join("; ");
        reject(new Error(`waited ${DEADLINE_MS} ms in vain for: ${what} (${story})`));
      }, DEADLINE_MS);
      this.#waiting.add(look);
    });
  }

  /** A link between a and b. */
  async connect(): Promise<void> {
    this.a.transport.connect(this.b.id);
    await this.until("a link between a and b", () => this.a.isUp(this.b) && this.b.isUp(this.a));
  }

  /** The same message both ways: when it is there, all that was sent before it in its lane would be there too. */
  async exchange(message: string): Promise<void> {
    const bytes = text(message);
    this.a.send(this.b, bytes, "foreground");
    this.b.send(this.a, bytes, "foreground");
    const has = (end: End): boolean => end.received.some((received) => sameBytes(received, bytes));
    await this.until(`"${message}" both ways`, () => has(this.a) && has(this.b));
  }

  get #ends(): readonly End[] {
    return [this.a, this.b, this.stranger];
  }
}

function storyOf(log: readonly Entry[]): string {
  return log.length === 0
    ? "nothing"
    : log
        .slice(-10)
        .map(({ kind }) => kind)
        .join(", ");
}

/** Bytes that differ by length and seed, so that a message that was swapped or shifted shows. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed * 13) & 0xff);
}

function text(characters: string): Uint8Array {
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function sameMessages(received: readonly Uint8Array[], sent: readonly Uint8Array[]): void {
  equal(received.length, sent.length, "messages");
  received.forEach((bytes, i) => {
    if (!sameBytes(bytes, sent[i]!)) throw new Error(`message ${i} is not what was sent (${bytes.length} bytes)`);
  });
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw new Error(`${what}: ${String(found)}, not ${String(wanted)}`);
}
