/** Who waits for a request, alone: node 1 of three, where the test decides what it may coordinate and what becomes of it. */

import { describe, expect, test } from "vitest";
import { Callers, type EndedCall } from "./callers.ts";
import { type ForwardedRequest, HOPS_MAX, type Handing } from "./handing.ts";
import type { Key, NodeId } from "./identifiers.ts";
import type { ClientResult, CoordinateGet, CoordinateReply } from "./message.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const KEY = "carts/ada" as Key;
const [self, other, third] = [1, 2, 3].map(nodeNamed) as [NodeId, NodeId, NodeId];
const what: ForwardedRequest = { kind: "get", key: KEY, r: undefined, pr: undefined };
const failed = (code: "storage" | "not-ready" | "quorum"): ClientResult => ({
  outcome: "failed",
  failure: { code },
  report: undefined,
});

function setUp({ isLight = false, requestsMax = 10 } = {}) {
  const around = new StubSurroundings(self, viewOf({ nodes: 3, n: 3, r: 2, w: 2 }), { requestsMax });
  const told = {
    ready: true,
    counts: true,
    coordinated: [] as number[],
    forwarded: [] as { readonly request: number; readonly handing: Handing; readonly timeoutMs: number }[],
    dropped: [] as number[],
    replies: [] as { readonly request: number; readonly result: ClientResult }[],
    answers: [] as { readonly to: NodeId; readonly message: CoordinateReply; readonly asked: number }[],
    turnedAway: 0,
    abandoned: 0,
    served: [] as number[],
    ended: [] as EndedCall[],
  };
  const callers = new Callers(
    around,
    {
      isReady: () => told.ready,
      mayCoordinate: () => told.counts,
      coordinate: (request) => told.coordinated.push(request),
      forward: (request, _, handing, timeoutMs) => told.forwarded.push({ request, handing, timeoutMs }),
      drop: (request) => told.dropped.push(request),
      reply: (request, result) => told.replies.push({ request, result }),
      answerPeer: (to, message, asked) => told.answers.push({ to, message, asked }),
      taken: () => undefined,
      turnedAway: () => told.turnedAway++,
      forwarded: () => undefined,
      abandoned: () => told.abandoned++,
      served: (tookMs) => told.served.push(tookMs),
      ended: (call) => told.ended.push(call),
    },
    isLight,
  );
  return { around, callers, told };
}

const codeOf = (result: ClientResult | undefined) => (result?.outcome === "failed" ? result.failure.code : undefined);

describe("a caller of this node", () => {
  test("is turned away while nothing can be taken, and when too many wait", () => {
    const { callers, told } = setUp({ requestsMax: 1 });
    told.ready = false;
    callers.onClient(70, what, undefined);
    told.ready = true;
    callers.onClient(71, what, undefined);
    callers.onClient(72, what, undefined);
    expect(told.replies.map(({ request, result }) => [request, codeOf(result)])).toEqual([
      [70, "not-ready"],
      [72, "overloaded"],
    ]);
    expect(told.turnedAway).toBe(2);
    expect(callers.size).toBe(1);
  });

  test("is served here by one who counts, else by another, and by the one that its context names if that can be reached", () => {
    const { around, callers, told } = setUp();
    callers.onClient(1, what, undefined);
    callers.onClient(2, what, self);
    expect(told.coordinated).toHaveLength(2);
    callers.onClient(3, what, other);
    expect(told.forwarded[0]).toMatchObject({ handing: { prefer: other, countsHere: true, hops: 1 } });
    around.down.add(other);
    callers.onClient(4, what, other);
    expect(told.coordinated).toHaveLength(3);
    told.counts = false;
    callers.onClient(5, what, undefined, 700);
    expect(told.forwarded[1]).toMatchObject({ handing: { countsHere: false, hops: 1 }, timeoutMs: 700 });
  });

  test.each(["storage", "not-ready"] as const)(
    "whose request fails with %s is served elsewhere, once and in time",
    (code) => {
      const { around, callers, told } = setUp();
      callers.onClient(1, what, undefined, 1_000);
      const [request] = told.coordinated as [number];
      around.now += 400;
      callers.onAnswer(request, failed(code));
      expect(told.forwarded).toEqual([{ request, handing: { hops: 1 }, timeoutMs: 600 }]);
      callers.onAnswer(request, failed(code));
      expect(told.replies.map(({ result }) => codeOf(result))).toEqual([code]);
      expect(told.ended).toEqual([{ kind: "get", startedAt: 0, deadline: 1_000 }]);
      expect(told.served).toEqual([]);
      callers.onAnswer(request, failed(code));
      expect(told.replies).toHaveLength(1);
      callers.onClient(2, what, undefined, 1_000);
      around.now += 1_000;
      callers.onAnswer(told.coordinated[1]!, failed(code));
      expect(told.replies).toHaveLength(2);
      expect(callers.size).toBe(0);
    },
  );

  test("that lost interest hears nothing", () => {
    const { callers, told } = setUp();
    callers.onClient(1, what, undefined);
    callers.onAbandoned(1);
    callers.onAnswer(told.coordinated[0]!, failed("quorum"));
    expect([told.replies, told.dropped, told.abandoned]).toEqual([[], told.coordinated, 1]);
  });

  test("of a light client is handed to a member that counts no hop yet, and not tried twice", () => {
    const { callers, told } = setUp({ isLight: true });
    callers.onClient(1, what, undefined);
    expect(told.coordinated).toEqual([]);
    expect(told.forwarded[0]).toMatchObject({ handing: { countsHere: false, hops: 0 } });
    callers.onAnswer(told.forwarded[0]!.request, failed("storage"));
    expect(told.forwarded).toHaveLength(1);
    expect(told.replies.map(({ result }) => codeOf(result))).toEqual(["storage"]);
  });
});

describe("a peer that hands on", () => {
  const asked = (hops: number): CoordinateGet => ({
    kind: "coordinate-get",
    request: 9,
    ring: 0,
    ttlMs: 300,
    key: KEY,
    r: undefined,
    hops,
  });

  test("is answered by this node if it counts, if it knows nobody who does, or if it is the last", () => {
    const { around, callers, told } = setUp();
    callers.onCoordinate(third, asked(1));
    told.counts = false;
    callers.onCoordinate(third, asked(HOPS_MAX));
    around.ring = undefined;
    callers.onCoordinate(third, asked(1));
    expect(told.coordinated).toHaveLength(3);
    callers.onAnswer(told.coordinated[0]!, failed("storage"));
    expect(told.answers).toMatchObject([{ to: third, message: { kind: "coordinate-reply", request: 9 }, asked: 1 }]);
    expect(told.forwarded).toEqual([]);
    expect(callers.size).toBe(2);
  });

  test("is handed on to another one, and each hop is counted", () => {
    const { around, callers, told } = setUp();
    told.counts = false;
    callers.onCoordinate(third, asked(1));
    expect(told.forwarded).toMatchObject([{ handing: { tried: [third], hops: 2 }, timeoutMs: 300 }]);
    expect(around.notes).toEqual([{ what: "handed-on", key: KEY, from: third }]);
  });

  test("is told so when too many wait", () => {
    const { callers, told } = setUp({ requestsMax: 0 });
    callers.onCoordinate(third, asked(0));
    expect(told.answers.map(({ message }) => codeOf(message.result))).toEqual(["overloaded"]);
    expect(callers.size).toBe(0);
  });
});
