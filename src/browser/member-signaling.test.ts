import { expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import { decodeLinkPayload, type Route } from "../wire/link-payload.ts";
import { MemberSignaling } from "./member-signaling.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const self = node(1);
let nowMs = 0;
const clock: Clock = { now: () => nowMs, wall: () => nowMs, after: () => () => {} };

/** A node with these neighbours, and what it has sent to whom and taken in itself. */
function member(neighbours: readonly NodeId[]) {
  const sent: { to: NodeId; route: Route }[] = [];
  const arrived: { route: Route; via: NodeId }[] = [];
  const signaling = new MemberSignaling({
    self,
    clock,
    random: (count) => new Uint8Array(count),
    neighbours: () => [...neighbours],
    send: (to, message) => {
      const payload = decodeLinkPayload(message);
      if (payload.kind === "route") sent.push({ to, route: payload.route });
    },
    arrived: (route, via) => arrived.push({ route, via }),
  });
  return { signaling, sent, arrived };
}
const route = (more: Partial<Route> = {}): Route => ({
  to: node(9),
  from: node(5),
  session: 7,
  sequence: 1,
  hops: 2,
  payload: "signal",
  ...more,
});

test("ours goes by the neighbour that brought the peer's, else by all, at most 16", () => {
  const few = member([node(2), node(3)]);
  few.signaling.send(node(9), 7, 1, "signal", node(3));
  expect(few.sent).toEqual([{ to: node(3), route: route({ from: self }) }]);
  few.signaling.send(node(9), 7, 2, "signal", node(8));
  expect(few.sent.slice(1).map(({ to }) => to)).toEqual([node(2), node(3)]);
  const many = member(Array.from({ length: 60 }, (_, i) => node(i + 2)));
  many.signaling.send(node(100), 7, 1, "signal", undefined);
  expect(new Set(many.sent.map(({ to }) => to)).size).toBe(16);
});

test("one for this node arrives once, however many copies come", () => {
  const { signaling, arrived, sent } = member([node(2), node(3)]);
  for (const via of [node(2), node(3)]) signaling.receive(route({ to: self }), via);
  expect(arrived).toEqual([{ route: route({ to: self }), via: node(2) }]);
  signaling.receive(route({ to: self, sequence: 2 }), node(3));
  expect(arrived).toHaveLength(2);
  // Its own that came round is none.
  signaling.receive(route({ to: self, from: self, sequence: 3 }), node(3));
  expect(arrived).toHaveLength(2);
  expect(sent).toEqual([]);
});

test("one for a neighbour is passed on to it alone, with one hop less", () => {
  const { signaling, sent } = member([node(2), node(3), node(9)]);
  signaling.receive(route(), node(2));
  expect(sent).toEqual([{ to: node(9), route: route({ hops: 1 }) }]);
  signaling.receive(route(), node(3));
  expect(sent).toHaveLength(1);
});

test("one for somebody unknown goes once further, never back, and not without hops", () => {
  const { signaling, sent } = member([node(2), node(3), node(4), node(5)]);
  signaling.receive(route(), node(2));
  // Neither to who brought it nor to who sent it.
  expect(sent.map(({ to }) => to)).toEqual([node(3), node(4)]);
  signaling.receive(route({ sequence: 2, hops: 1 }), node(2));
  expect(sent).toHaveLength(2);
});

test("a neighbour that floods is bounded, the others are not touched, and it gets its share again later", () => {
  const { signaling, sent } = member([node(2), node(3), node(9)]);
  for (let i = 0; i < 1_000; i++) signaling.receive(route({ sequence: i }), node(2));
  expect(sent).toHaveLength(200);
  expect(signaling.dropped).toBe(800);
  signaling.receive(route({ sequence: 5_000 }), node(3));
  expect(sent).toHaveLength(201);
  nowMs += 1_000;
  for (let i = 0; i < 100; i++) signaling.receive(route({ sequence: 6_000 + i }), node(2));
  expect(sent).toHaveLength(251);
});
