/** Requests that are handed over: who is asked first, who next, and when nobody is. */

import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { Forwarding } from "./forwarding.ts";
import type { ForwardedRequest, Handing } from "./handing.ts";
import { Hedging } from "./hedging.ts";
import type { Key, NodeId, OperationId, RequestId } from "./identifiers.ts";
import type { ClientResult } from "./message.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const KEY = "carts/ada" as Key;
const write = {
  value: null,
  context: [],
  operation: "1".repeat(32) as OperationId,
  at: 0,
  w: undefined,
  policy: "siblings",
} as const;
const put: ForwardedRequest = { kind: "put", key: KEY, write };
const get: ForwardedRequest = { kind: "get", key: KEY, r: undefined, pr: undefined };
const failed = (code: "quorum" | "not-ready" | "overloaded" | "storage"): ClientResult => ({
  outcome: "failed",
  failure: { code },
  report: undefined,
});
const stored: ClientResult = {
  outcome: "put",
  clock: [],
  siblings: 1,
  report: {
    coordinator: nodeNamed(1),
    needed: 1,
    counted: 3,
    answered: [],
    silent: [],
    hintedFor: [],
    elapsedMs: 0,
    ownersNeeded: 0,
    ownersAnswered: 0,
    strictNeeded: 0,
    strictAnswered: 0,
    inMemory: 0,
  },
};

class Bench {
  readonly surroundings: StubSurroundings;
  readonly forwarding: Forwarding;
  readonly answers: { request: RequestId; result: ClientResult }[] = [];
  readonly exhausted: RequestId[] = [];
  /** Who counts for the key, in order: three of the six members. */
  readonly counted: readonly NodeId[];
  readonly others: readonly NodeId[];

  constructor(options: { self?: number; light?: boolean } = {}) {
    const nodes = 6;
    const probe = new StubSurroundings(nodeNamed(1), viewOf({ nodes, n: 3, r: 2, w: 2 }));
    const { owners } = probe.listOf(KEY)!;
    const view = viewOf({ nodes, n: 3, r: 2, w: 2, holds: (node) => owners.includes(nodeNamed(node)) });
    this.counted = owners;
    this.others = view.members.map(({ node }) => node).filter((node) => !owners.includes(node));
    // A light client is in no view.
    this.surroundings = new StubSurroundings(options.light === true ? nodeNamed(99) : this.others[0]!, view);
    this.forwarding = new Forwarding(
      this.surroundings,
      new Hedging(true),
      {
        answer: (request, result) => this.answers.push({ request, result }),
        exhausted: (request) => this.exhausted.push(request),
      },
      options.light,
    );
  }

  start(what: ForwardedRequest, handing: Partial<Handing> = {}): void {
    this.forwarding.start(1, what, { hops: 1, ...handing }, 5_000);
  }

  /** Whom it has asked since the last look, with the request to be answered. */
  asked(): { to: NodeId; request: RequestId; hops: number; operation: string | undefined }[] {
    return this.surroundings.takeSent().flatMap(({ to, message }) => {
      if (message.kind !== "coordinate-get" && message.kind !== "coordinate-put") return [];
      const operation = message.kind === "coordinate-put" ? message.write.operation : undefined;
      return [{ to, request: message.request, hops: message.hops, operation }];
    });
  }

  pass(ms: number): void {
    for (const name of this.surroundings.pass(ms)) {
      if (name.startsWith("forward-slow")) this.forwarding.onSlow(1);
      else this.forwarding.onTimeout(1);
    }
  }
}

describe("the write coordinator of the context", () => {
  test("is asked first, whatever the order of the preference list", () => {
    const bench = new Bench();
    bench.start(put, { prefer: bench.counted[2] });
    expect(bench.asked().map(({ to }) => to)).toEqual([bench.counted[2]]);
    expect(bench.surroundings.notes).toContainEqual({
      what: "coordinator-preferred",
      key: KEY,
      node: bench.counted[2],
    });
  });

  test("is not asked when it does not count, or cannot be reached", () => {
    const bench = new Bench();
    bench.start(put, { prefer: bench.others[1] });
    expect(bench.asked().map(({ to }) => to)).toEqual([bench.counted[0]]);
    const cut = new Bench();
    cut.surroundings.down.add(cut.counted[2]!);
    cut.start(put, { prefer: cut.counted[2] });
    expect(cut.asked().map(({ to }) => to)).toEqual([cut.counted[0]]);
    expect(cut.surroundings.notes.map(({ what }) => what)).not.toContain("coordinator-preferred");
  });

  test("a node that counts as well coordinates itself when the other is lost, slow or refuses, and asks no third", () => {
    for (const fails of ["lost", "slow", "refuses"] as const) {
      const bench = new Bench();
      bench.start(put, { prefer: bench.counted[1], countsHere: true });
      const [asked] = bench.asked();
      expect(asked?.to).toBe(bench.counted[1]);
      if (fails === "lost") bench.forwarding.onPeerDown(bench.counted[1]!);
      else if (fails === "slow") bench.pass(1_200);
      else bench.forwarding.onReply(bench.counted[1]!, asked!.request, failed("not-ready"));
      expect(bench.exhausted).toEqual([1]);
      expect(bench.asked()).toEqual([]);
      expect(bench.forwarding.size).toBe(0);
      // Its late answer is nobody's.
      bench.forwarding.onReply(bench.counted[1]!, asked!.request, stored);
      expect(bench.answers).toEqual([]);
    }
  });
});

test("a request keeps its operation id through all who are asked, and says how often it was handed on", () => {
  const bench = new Bench();
  bench.start(put, { hops: 2 });
  const asked = bench.asked();
  for (let i = 0; i < 2; i++) {
    const last = asked.at(-1)!;
    bench.forwarding.onReply(last.to, last.request, failed("overloaded"));
    asked.push(...bench.asked());
  }
  expect(asked.map(({ to }) => to)).toEqual(bench.counted);
  expect(new Set(asked.map(({ operation }) => operation))).toEqual(new Set([write.operation]));
  expect(new Set(asked.map(({ hops }) => hops))).toEqual(new Set([2]));
  const last = asked.at(-1)!;
  bench.forwarding.onReply(last.to, last.request, failed("overloaded"));
  expect(bench.exhausted).toEqual([1]);
});

describe("a light client", () => {
  test("turns to members that do not count when none that does can be reached, for gets and puts, and never coordinates", () => {
    for (const what of [get, put]) {
      const bench = new Bench({ light: true });
      for (const node of bench.counted) bench.surroundings.down.add(node);
      bench.start(what, { hops: 0 });
      const [first] = bench.asked();
      expect(bench.others).toContain(first?.to);
      expect(first?.hops).toBe(0);
      bench.forwarding.onPeerDown(first!.to);
      const [second] = bench.asked();
      expect(bench.others).toContain(second?.to);
      expect(second?.to).not.toBe(first?.to);
      bench.forwarding.onReply(second!.to, second!.request, stored);
      expect(bench.answers).toEqual([{ request: 1, result: stored }]);
      expect(bench.exhausted).toEqual([]);
    }
  });

  test("waits when it reaches nobody, asks who comes up, and fails when its time is over", () => {
    const bench = new Bench({ light: true });
    const everybody = [...bench.counted, ...bench.others];
    for (const node of everybody) bench.surroundings.down.add(node);
    bench.start(put, { hops: 0 });
    bench.pass(2_000);
    expect(bench.asked()).toEqual([]);
    bench.surroundings.down.delete(bench.counted[1]!);
    bench.forwarding.onPeerUp(bench.counted[1]!);
    expect(bench.asked().map(({ to }) => to)).toEqual([bench.counted[1]]);
    bench.surroundings.down.add(bench.counted[1]!);
    bench.forwarding.onPeerDown(bench.counted[1]!);
    bench.pass(4_000);
    expect(bench.answers).toEqual([{ request: 1, result: failed("quorum") }]);
    expect(bench.forwarding.size).toBe(0);
  });

  test("asks again soon when all were not ready, and tells its caller at once when all have too much to do", () => {
    const refuseAll = (bench: Bench, code: "not-ready" | "overloaded"): number => {
      let refused = 0;
      for (let [asked] = bench.asked(); asked !== undefined; [asked] = bench.asked(), refused++)
        bench.forwarding.onReply(asked.to, asked.request, failed(code));
      return refused;
    };
    const bench = new Bench({ light: true });
    bench.start(put, { hops: 0 });
    expect(refuseAll(bench, "not-ready")).toBe(6);
    bench.pass(250);
    expect(bench.asked()).toHaveLength(1);
    const busy = new Bench({ light: true });
    busy.start(put, { hops: 0 });
    expect(refuseAll(busy, "overloaded")).toBe(6);
    expect(busy.answers).toEqual([{ request: 1, result: failed("overloaded") }]);
  });
});

/** The plainest telling: a caller is told once, in time; nobody is asked twice on one link; a member counts before one that does not. */
test("whatever is lost, slow, refused or comes up, a light client's caller is told once and within the time", () => {
  const step = fc.record({
    do: fc.constantFrom("down", "up", "answer", "refuse", "pass"),
    node: fc.nat(5),
    ms: fc.nat(1_500),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = new Bench({ light: true });
      const everybody = [...bench.counted, ...bench.others];
      const open = new Map<NodeId, RequestId>();
      const look = (): void => {
        for (const { to, request } of bench.asked()) {
          expect(bench.surroundings.down.has(to)).toBe(false);
          const unasked = bench.counted.filter((node) => !bench.surroundings.down.has(node) && !asked.has(node));
          if (!bench.counted.includes(to)) expect(unasked).toEqual([]);
          asked.add(to);
          open.set(to, request);
        }
      };
      const asked = new Set<NodeId>();
      bench.start(put, { hops: 0 });
      look();
      for (const { do: what, node, ms } of steps) {
        const peer = everybody[node]!;
        const request = open.get(peer);
        if (what === "down") {
          bench.surroundings.down.add(peer);
          open.delete(peer);
          bench.forwarding.onPeerDown(peer);
        } else if (what === "up" && bench.surroundings.down.delete(peer)) {
          asked.delete(peer);
          bench.forwarding.onPeerUp(peer);
        } else if (what === "answer" && request !== undefined) bench.forwarding.onReply(peer, request, stored);
        else if (what === "refuse" && request !== undefined) {
          open.delete(peer);
          bench.forwarding.onReply(peer, request, failed("not-ready"));
        } else if (what === "pass") {
          bench.pass(ms);
          // All may have been asked, and be asked anew.
          if (open.size === 0) asked.clear();
        }
        if (bench.answers.length === 0) look();
      }
      bench.pass(5_000);
      expect(bench.answers).toHaveLength(1);
      expect(bench.exhausted).toEqual([]);
      expect(bench.forwarding.size).toBe(0);
    }),
  );
});
