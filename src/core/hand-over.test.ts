/** Letting go of a partition: only on the word of all owners, and only while both sides see the same claims. */

import { expect, test } from "vitest";
import { parametersFrom } from "./config.ts";
import { HandOver } from "./hand-over.ts";
import type { NodeId } from "./identifiers.ts";
import { type Member, type View, allHolders } from "./membership.ts";
import { Ring, claimsDigest } from "./ring.ts";
import { StubSurroundings, nodeNamed as id } from "./stub-surroundings.ts";

const member = (n: number): Member => ({
  node: id(n),
  incarnation: 1,
  version: 1,
  capacity: 1,
  zone: "z",
  holders: allHolders(8),
  tokens: [],
  protocolMin: 1,
  protocolMax: 1,
  hidden: false,
});
/** Nodes 1 to 3 hold everything; with n = 2, two of them own all. */
const view = (owners: readonly [number, number], version: number): View => ({
  parameters: parametersFrom({ n: 2, r: 1, w: 1, partitions: 8 }),
  members: [member(1), member(2), member(3)],
  claims: Array.from({ length: 8 }, (_, p) => ({ owner: id(owners[p % 2]!), version })),
  buckets: [],
});
const former = view([2, 3], 2);
const other = view([1, 2], 3);

function handOver(start: View) {
  const surroundings = new StubSurroundings(id(1), start);
  const world = {
    set view(view: View) {
      surroundings.ring = new Ring(view);
    },
    out: [] as number[],
    unopened: new Set<number>(),
    effects: surroundings.effects,
    exchanges: [] as { owner: NodeId; partitions: readonly number[]; round: number }[],
  };
  const mechanism = new HandOver(surroundings, {
    isOpen: (partition) => !world.unopened.has(partition),
    countOut: (partitions) => world.out.push(...partitions),
    exchange: (owner, partitions, round) => {
      world.exchanges.push({ owner, partitions, round });
      return true;
    },
    dropRecord: () => {},
    dropDamaged: () => {},
  });
  const questions = () =>
    world.effects.flatMap((effect) =>
      effect.kind === "send" && effect.message.kind === "release-request" ? [{ to: effect.to, ...effect.message }] : [],
    );
  return { world, mechanism, questions };
}

test("a former owner counts itself out when all owners have said yes and have all that it had, not before", () => {
  const { world, mechanism, questions } = handOver(former);
  mechanism.onTimer();
  const asked = questions();
  expect(asked.map(({ to }) => to)).toEqual([id(2), id(3)]);
  const [first, second] = asked;
  mechanism.onReleaseReply(id(2), { kind: "release-reply", request: first!.request, partitions: first!.partitions });
  expect(world.out).toEqual([]);
  mechanism.onReleaseReply(id(3), { kind: "release-reply", request: second!.request, partitions: [0, 5] });
  expect(world.out).toEqual([]);
  // It answers as one who does not count any more, and gives both all that it has.
  expect([0, 1, 5].map((partition) => mechanism.isClosing(partition))).toEqual([true, false, true]);
  const [one, other] = world.exchanges;
  expect(world.exchanges.map(({ owner, partitions }) => [owner, partitions])).toEqual([
    [id(2), [0, 5]],
    [id(3), [0, 5]],
  ]);
  mechanism.onExchanged(id(2), one!.partitions, one!.round, true);
  expect(world.out).toEqual([]);
  mechanism.onExchanged(id(3), other!.partitions, other!.round + 1, true);
  expect(world.out).toEqual([]);
  mechanism.onExchanged(id(3), other!.partitions, other!.round, true);
  expect(world.out).toEqual([0, 5]);
});

test("an exchange that fails ends the closing: the node counts as before", () => {
  const { world, mechanism, questions } = handOver(former);
  mechanism.onTimer();
  for (const { to, request } of questions())
    mechanism.onReleaseReply(to, { kind: "release-reply", request, partitions: [3] });
  expect(mechanism.isClosing(3)).toBe(true);
  const [one, two] = world.exchanges;
  mechanism.onExchanged(id(2), one!.partitions, one!.round, true);
  mechanism.onExchanged(id(3), two!.partitions, two!.round, false);
  expect(mechanism.isClosing(3)).toBe(false);
  expect(world.out).toEqual([]);
});

test("answers that come after the claims have changed do not count", () => {
  const { world, mechanism, questions } = handOver(former);
  mechanism.onTimer();
  const asked = questions();
  world.view = view([2, 3], 4);
  for (const { to, request, partitions } of asked)
    mechanism.onReleaseReply(to, { kind: "release-reply", request, partitions });
  expect(world.out).toEqual([]);
});

test("an owner says yes only to what it owns, holds and answers for, and only by the same claims", () => {
  const { world, mechanism } = handOver(other);
  const reply = (claims: number) => {
    mechanism.onRequest(id(3), { kind: "release-request", request: 9, claims, partitions: [0, 1] });
    const last = world.effects.at(-1);
    return last?.kind === "send" && last.message.kind === "release-reply" ? last.message.partitions : undefined;
  };
  expect(reply(claimsDigest(other.claims))).toEqual([0, 1]);
  world.unopened.add(0);
  expect(reply(claimsDigest(other.claims))).toEqual([1]);
  expect(reply(claimsDigest(former.claims))).toEqual([]);
  world.view = former;
  expect(reply(claimsDigest(former.claims))).toEqual([]);
});

test("what a node lost before it had all of it is cleared, unless it comes to be held after all: then it is counted out first", () => {
  const holdingNothing = (at: View): View => ({
    ...at,
    members: at.members.map((each) => (each.node === id(1) ? { ...each, holders: new Uint8Array(1) } : each)),
  });
  for (const holdsAfterAll of [false, true]) {
    const { world, mechanism, questions } = handOver(holdingNothing(other));
    mechanism.onRing();
    world.view = holdingNothing(view([2, 3], 4));
    mechanism.onRing();
    mechanism.onTimer();
    const all = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(world.exchanges.map(({ owner, partitions }) => [owner, partitions])).toEqual([
      [id(2), all],
      [id(3), all],
    ]);
    if (holdsAfterAll) world.view = view([2, 3], 4);
    mechanism.onRing();
    for (const { owner, partitions, round } of world.exchanges.slice(0, 2))
      mechanism.onExchanged(owner, partitions, round, true);
    expect(world.effects.some(({ kind }) => kind === "scan")).toBe(!holdsAfterAll);
    mechanism.onTimer();
    expect(questions().length).toBe(holdsAfterAll ? 2 : 0);
  }
});
