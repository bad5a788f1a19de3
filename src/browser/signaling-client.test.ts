import { expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import { encodeRelay } from "../wire/signaling.ts";
import { SignalingClient, type SignalingHandlers, type SocketLike } from "./signaling-client.ts";

const [ada, bob, seed] = ["a", "b", "5"].map((digit) => digit.repeat(32)) as [NodeId, NodeId, NodeId];

type Listener = (event: { readonly data: unknown }) => void;

/** A socket whose other side is the test. */
class FakeSocket implements SocketLike {
  binaryType = "blob";
  bufferedAmount = 0;
  closed = false;
  readonly sent: unknown[] = [];
  readonly #listeners = new Map<string, Listener>();

  addEventListener(type: string, listener: Listener | (() => void)): void {
    this.#listeners.set(type, listener);
  }
  send(data: string | Uint8Array): void {
    this.sent.push(typeof data === "string" ? JSON.parse(data) : data);
  }
  close(): void {
    this.closed = true;
  }
  happens(type: "open" | "message" | "close" | "error", data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
  says(message: unknown): void {
    this.happens("message", JSON.stringify(message));
  }
}

/** A client, the sockets that it made, what it told, and a clock that goes on by hand. */
function world(seeds: readonly string[] = ["ws://one"]) {
  const sockets: (FakeSocket & { readonly address: string })[] = [];
  const told: unknown[] = [];
  let nowMs = 0;
  let timers: { atMs: number; callback: () => void }[] = [];
  const clock: Clock = {
    now: () => nowMs,
    wall: () => nowMs,
    after: (delayMs, callback) => {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => (timers = timers.filter((each) => each !== timer));
    },
  };
  const client = new SignalingClient({
    self: ada,
    cluster: "shop",
    seeds,
    random: (count) => new Uint8Array(count),
    clock,
    socket: class extends FakeSocket {
      readonly address: string;
      constructor(address: string) {
        super();
        this.address = address;
        if (address === "bad") throw new SyntaxError("no address");
        sockets.push(this);
      }
    },
  });
  const tell =
    (name: string) =>
    (...facts: unknown[]): void =>
      void told.push([name, ...facts]);
  const handlers: SignalingHandlers = {
    joined: tell("joined"),
    present: tell("present"),
    absent: tell("absent"),
    signal: tell("signal"),
    undeliverable: tell("undeliverable"),
    relay: tell("relay"),
    drained: tell("drained"),
    refused: (error) => told.push(["refused", error.code]),
    down: tell("down"),
  };
  client.start(handlers);
  return {
    client,
    sockets,
    told,
    latest: () => sockets.at(-1)!,
    join: () => {
      sockets.at(-1)!.happens("open");
      sockets.at(-1)!.says({ type: "joined", node: ada, members: [], seed: null });
    },
    pass: (ms: number) => {
      const untilMs = nowMs + ms;
      for (;;) {
        const next = timers.sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        timers.shift();
        nowMs = next.atMs;
        next.callback();
      }
      nowMs = untilMs;
    },
  };
}

test("it joins on open and tells what the server says", () => {
  const { client, latest, told } = world();
  expect(client.signal(bob, "1", "too early")).toBe(false);
  latest().happens("open");
  expect(latest().sent).toEqual([{ type: "join", protocol: 1, cluster: "shop", node: ada }]);
  expect(client.relay(bob, new Uint8Array(1))).toBe(false);
  latest().says({ type: "joined", node: ada, members: [bob], seed });
  latest().says({ type: "present", node: bob });
  latest().says({ type: "absent", node: bob });
  latest().says({ type: "signal", from: bob, session: "7", payload: "offer" });
  latest().says({ type: "undeliverable", to: bob, session: "7" });
  latest().happens("message", encodeRelay(bob, new Uint8Array([1, 2])).slice().buffer);
  expect(told).toEqual([
    ["joined", [bob], seed],
    ["present", bob],
    ["absent", bob],
    ["signal", bob, "7", "offer"],
    ["undeliverable", bob, "7"],
    ["relay", bob, new Uint8Array([1, 2])],
  ]);
  expect(client.signal(bob, "8", "x")).toBe(true);
  expect(latest().sent.at(-1)).toEqual({ type: "signal", to: bob, session: "8", payload: "x" });
});

test("a lost server is tried again after 250 ms, doubling to 10 s; joining starts over", () => {
  const { sockets, latest, told, join, pass, client } = world();
  join();
  latest().happens("close");
  expect(told.at(-1)).toEqual(["down"]);
  expect(client.signal(bob, "1", "x")).toBe(false);
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const before = sockets.length;
    let waited = 0;
    while (sockets.length === before) {
      pass(250);
      waited += 250;
    }
    waits.push(waited);
    latest().happens("error");
    latest().happens("close");
  }
  expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  pass(10_000);
  join();
  latest().happens("close");
  pass(250);
  expect(sockets).toHaveLength(11);
});

test("a server that takes the socket and never answers is given up after 5 s; the next address is tried", () => {
  const { sockets, pass } = world(["ws://one", "ws://two"]);
  sockets[0]!.happens("open");
  pass(5_000);
  expect(sockets[0]!.closed).toBe(true);
  pass(250);
  expect(sockets.map(({ address }) => address)).toEqual(["ws://one", "ws://two"]);
  // What the first says now is nobody's business.
  sockets[0]!.says({ type: "joined", node: ada, members: [], seed: null });
  sockets[0]!.happens("close");
  pass(4_000);
  expect(sockets).toHaveLength(2);
});

test("a refusal by name is told, and not answered by hammering", () => {
  const { sockets, latest, told, pass } = world();
  latest().happens("open");
  latest().says({ type: "error", code: "room-full", message: "The room is full." });
  latest().happens("close");
  expect(told).toEqual([["refused", "room-full"]]);
  pass(9_999);
  expect(sockets).toHaveLength(1);
  pass(1);
  expect(sockets).toHaveLength(2);
});

test("rubbish from the server ends the connection, by name; a bad address too", () => {
  const { latest, told, join } = world();
  join();
  latest().says({ type: "joined", members: "all" });
  expect(told.slice(1)).toEqual([["refused", "malformed-message"], ["down"]]);
  expect(latest().closed).toBe(true);
  expect(world(["bad"]).told).toEqual([["refused", "bad-address"]]);
});

test("restart makes a new connection at once; close says goodbye and makes none", () => {
  const { client, sockets, latest, told, join, pass } = world();
  join();
  client.restart();
  expect(told.at(-1)).toEqual(["down"]);
  expect(sockets[0]!.closed).toBe(true);
  expect(sockets).toHaveLength(2);
  join();
  client.close();
  client.close();
  expect(latest().sent.at(-1)).toEqual({ type: "leave" });
  expect(latest().closed).toBe(true);
  latest().happens("close");
  client.restart();
  pass(60_000);
  expect(sockets).toHaveLength(2);
});

test("suspended it leaves without a goodbye and stays away, however it was under way, until it is restarted", () => {
  const { client, sockets, latest, told, join, pass } = world();
  join();
  client.suspend();
  expect(told.at(-1)).toEqual(["down"]);
  expect([latest().closed, latest().sent.length]).toEqual([true, 1]);
  latest().happens("close");
  pass(60_000);
  expect(sockets).toHaveLength(1);
  client.restart();
  expect(sockets).toHaveLength(2);
  // While it waits for its next try.
  latest().happens("close");
  client.suspend();
  pass(60_000);
  expect(sockets).toHaveLength(2);
  client.restart();
  join();
  expect(told.at(-1)).toEqual(["joined", [], undefined]);
});

test("who asked for the buffer while it was full hears when it has drained", () => {
  const { client, latest, told, join, pass } = world();
  join();
  latest().bufferedAmount = 2_000_000;
  expect(client.bufferedBytes).toBe(2_000_000);
  pass(1_000);
  expect(told).toHaveLength(1);
  latest().bufferedAmount = 0;
  pass(20);
  expect(told.at(-1)).toEqual(["drained"]);
  pass(1_000);
  expect(told).toHaveLength(2);
});
