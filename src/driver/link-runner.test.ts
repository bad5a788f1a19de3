import { expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import { type FrameChannel, LinkRunner, TurnFlusher } from "./link-runner.ts";
import type { Clock } from "./ports.ts";

const [ada, bob] = ["a", "b"].map((digit) => digit.repeat(32)) as [NodeId, NodeId];
const secret = new Uint8Array(32);

/** Two runners on two channels, in virtual time; turns and frames go on only when told. */
class Pair {
  nowMs = 0;
  timersSet = 0;
  #timers: { atMs: number; callback: () => void }[] = [];
  readonly #turns: (() => void)[] = [];
  readonly story: string[] = [];
  readonly put: { to: "a" | "b"; bytes: number }[] = [];
  /** What the channel of `a` claims to hold. */
  buffered = 0;
  onMessage: (text: string) => void = () => {};
  readonly a: LinkRunner;
  readonly b: LinkRunner;

  readonly #clock: Clock = {
    now: () => this.nowMs,
    wall: () => this.nowMs,
    after: (delayMs, callback) => {
      this.timersSet++;
      const timer = { atMs: this.nowMs + delayMs, callback };
      this.#timers.push(timer);
      return () => (this.#timers = this.#timers.filter((each) => each !== timer));
    },
  };

  constructor() {
    const flusher = new TurnFlusher((callback) => this.#turns.push(callback));
    const make = (name: "a" | "b"): LinkRunner => {
      const [self, peer] = name === "a" ? [ada, bob] : [bob, ada];
      const pair = () => (name === "a" ? this.b : this.a);
      const channel: FrameChannel = {
        put: (frame) => {
          this.put.push({ to: name === "a" ? "b" : "a", bytes: frame.length });
          const copy = frame.slice();
          this.#turns.push(() => pair().receive(copy));
        },
        bufferedBytes: 0,
        close: () => this.story.push(`${name} closes its channel`),
      };
      if (name === "a") Object.defineProperty(channel, "bufferedBytes", { get: () => this.buffered });
      return new LinkRunner(
        {
          self,
          peer,
          cluster: "shop",
          secret,
          role: name === "a" ? "initiator" : "responder",
          nonce: new Uint8Array(32).fill(name === "a" ? 1 : 2),
          binding: undefined,
          frameBytesMax: 65_536,
        },
        channel,
        this.#clock,
        flusher,
        {
          up: (other) => this.story.push(`${name} up with ${other.slice(0, 1)}`),
          message: (bytes) => {
            const text = String.fromCharCode(...bytes.subarray(0, 20));
            this.story.push(`${name} got ${text}`);
            this.onMessage(text);
          },
          closed: (reason) => this.story.push(`${name} closed: ${reason}`),
        },
      );
    };
    this.a = make("a");
    this.b = make("b");
    this.run();
  }

  run(forMs = 0): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      const turn = this.#turns.shift();
      if (turn !== undefined) {
        turn();
        continue;
      }
      this.#timers.sort((x, y) => x.atMs - y.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.shift();
      this.nowMs = next.atMs;
      next.callback();
    }
    this.nowMs = untilMs;
  }

  say(text: string): boolean {
    return this.a.send(
      Uint8Array.from(text, (character) => character.charCodeAt(0)),
      "foreground",
    );
  }
}

test("the handshake runs by itself, then messages pass", () => {
  const pair = new Pair();
  expect(pair.story).toEqual(["a up with b", "b up with a"]);
  expect(pair.say("hello")).toBe(true);
  pair.run();
  expect(pair.story.at(-1)).toBe("b got hello");
});

test("all that one turn has to say goes out as one frame, at the end of the turn", () => {
  const pair = new Pair();
  pair.put.length = 0;
  for (let i = 0; i < 100; i++) pair.say(`message ${i}`);
  expect(pair.put).toEqual([]);
  pair.run();
  expect(pair.put.filter(({ to }) => to === "b")).toHaveLength(1);
  expect(pair.story.at(-1)).toBe("b got message 99");
});

test("a timer is not set anew for every frame", () => {
  const pair = new Pair();
  const before = pair.timersSet;
  for (let i = 0; i < 200; i++) {
    pair.say("again");
    pair.run(10);
  }
  // Two seconds at two ends: about one look a second each, and not 200.
  expect(pair.timersSet - before).toBeLessThan(12);
});

test("a full channel holds frames back until it has drained", () => {
  const pair = new Pair();
  pair.put.length = 0;
  pair.buffered = 2_000_000;
  pair.say("later");
  pair.run();
  expect(pair.put).toEqual([]);
  pair.buffered = 0;
  pair.a.drained();
  pair.run();
  expect(pair.story.at(-1)).toBe("b got later");
});

test("a link that is ended while a frame is read gives nothing more of that frame", () => {
  const pair = new Pair();
  pair.story.length = 0;
  pair.onMessage = () => pair.b.close("enough");
  for (const text of ["one", "two", "three"]) pair.say(text);
  pair.run();
  expect(pair.story).toEqual([
    "b got one",
    "b closes its channel",
    "a closes its channel",
    "a closed: goodbye: enough",
  ]);
  expect(pair.say("more")).toBe(false);
});

test("an abandoned link says nothing, and the other side finds out by silence", () => {
  const pair = new Pair();
  pair.story.length = 0;
  pair.a.abandon();
  pair.run(3_000);
  expect(pair.story).toEqual(["a closes its channel"]);
  pair.run(1_000);
  expect(pair.story.slice(1)).toEqual(["b closes its channel", "b closed: silent"]);
});
