/** Slow peers, by the outcome of requests: who is blamed, who is not, and how a peer comes back. */

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { Key, NodeId } from "./identifiers.ts";
import type { Message } from "./message.ts";
import { OUTCOMES, OVERDUE_PROMPT, OVERDUE_SLOW, SlowPeers } from "./slow-peers.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";

const [gray, well, other] = [nodeNamed(2), nodeNamed(3), nodeNamed(4)];
const BOUND_MS = 400;

class Fixture {
  readonly in = new StubSurroundings(nodeNamed(1), undefined, { slowReplyMs: BOUND_MS });
  patience = 1;
  readonly overdue: NodeId[] = [];
  readonly peers = new SlowPeers(this.in, {
    patienceWith: () => this.patience,
    overdue: (peer) => this.overdue.push(peer),
  });
  #request = 0;

  ask(to: NodeId, kind: "replica-get" | "coordinate-get" = "replica-get"): number {
    const request = ++this.#request;
    const addressed = { request, ring: 0, ttlMs: 5_000, key: "k" as Key };
    const message: Message =
      kind === "replica-get" ? { kind, ...addressed, counts: true } : { kind, ...addressed, r: undefined, hops: 1 };
    this.peers.onSent(to, message);
    return request;
  }

  answer(from: NodeId, request: number): void {
    this.peers.onReceived(from, {
      kind: "replica-get-reply",
      request,
      ring: 0,
      outcome: "missing",
      owner: true,
      set: undefined,
      counted: [],
    });
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50)
      for (const name of this.in.pass(Math.min(50, left))) if (name === "slow-peers") this.peers.onTimer();
  }

  /** One request to each; the gray one leaves it, the other answers. */
  round(): void {
    this.ask(gray);
    const request = this.ask(well);
    this.pass(20);
    this.answer(well, request);
    this.pass(BOUND_MS);
  }
}

let f: Fixture;
beforeEach(() => {
  f = new Fixture();
});

describe("a peer", () => {
  test("that leaves requests unanswered while others answer is slow, and is pinged", () => {
    for (let i = 0; i < OVERDUE_SLOW - 1; i++) f.round();
    expect(f.peers.slow(gray)).toBe(false);
    f.round();
    expect(f.peers.slow(gray)).toBe(true);
    expect(f.peers.slow(well)).toBe(false);
    expect(f.overdue).toEqual([gray, gray, gray, gray]);
    expect(f.in.notes).toEqual([{ what: "peer-slow", peer: gray }]);
  });

  test("that answers too late is no better", () => {
    for (let i = 0; i < OVERDUE_SLOW; i++) {
      const late = f.ask(gray);
      f.answer(well, f.ask(well));
      f.pass(BOUND_MS + 100);
      f.answer(gray, late);
    }
    expect(f.peers.slow(gray)).toBe(true);
  });

  test("is prompt again when it answers in time", () => {
    for (let i = 0; i < OVERDUE_SLOW; i++) f.round();
    for (let i = 0; i < OUTCOMES - OVERDUE_PROMPT; i++) f.answer(gray, f.ask(gray));
    expect(f.peers.slow(gray)).toBe(false);
    expect(f.in.notes.at(-1)).toEqual({ what: "peer-prompt", peer: gray });
  });

  test("of whom nothing was asked for a while gets another chance", () => {
    for (let i = 0; i < OVERDUE_SLOW; i++) f.round();
    f.pass(10_000);
    expect(f.peers.slow(gray)).toBe(false);
    f.round();
    expect(f.peers.slow(gray)).toBe(false);
    expect(f.in.notes.at(-1)).toEqual({ what: "peer-prompt", peer: gray });
  });

  test("that coordinates may take three times as long", () => {
    for (let i = 0; i < OVERDUE_SLOW; i++) f.ask(gray, "coordinate-get");
    f.pass(2.9 * BOUND_MS);
    expect(f.overdue).toEqual([]);
    f.pass(BOUND_MS);
    expect(f.overdue).toHaveLength(OVERDUE_SLOW);
  });

  test("that is down is forgotten", () => {
    for (let i = 0; i < OVERDUE_SLOW; i++) f.round();
    f.peers.onPeerDown(gray);
    expect(f.peers.slow(gray)).toBe(false);
    expect(f.peers.size).toBe(1);
  });
});

describe("local health", () => {
  test("where nobody answers nobody is blamed", () => {
    for (let i = 0; i < 3 * OVERDUE_SLOW; i++) {
      for (const node of [gray, well, other]) f.ask(node);
      f.pass(BOUND_MS + 50);
    }
    for (const node of [gray, well, other]) expect(f.peers.slow(node)).toBe(false);
    expect(f.in.notes).toEqual([]);
  });

  test("an impatient node waits longer before it blames", () => {
    f.patience = 3;
    for (let i = 0; i < OVERDUE_SLOW; i++) f.round();
    expect(f.overdue.length).toBeLessThan(OVERDUE_SLOW);
    expect(f.peers.slow(gray)).toBe(false);
  });
});

test("is what the plainest account of the last outcomes says", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (outcomes) => {
      f = new Fixture();
      const all: boolean[] = [];
      let slow = false;
      for (const overdue of outcomes) {
        const request = f.ask(gray);
        f.answer(well, f.ask(well));
        if (overdue) f.pass(BOUND_MS + 50);
        else f.answer(gray, request);
        all.push(overdue);
        const bad = all.slice(-OUTCOMES).filter((each) => each).length;
        slow = slow ? bad > OVERDUE_PROMPT : bad >= OVERDUE_SLOW;
        expect(f.peers.slow(gray)).toBe(slow);
      }
    }),
  );
});

test("what is watched is bounded", () => {
  for (let i = 0; i < 1_000; i++) f.ask(gray);
  const [peer] = [...(f.peers.memory as Map<NodeId, { outstanding: Map<number, unknown> }>).values()];
  expect(peer!.outstanding.size).toBeLessThanOrEqual(32);
});
