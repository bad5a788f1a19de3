/** One node asks all others what they have counted: whom it asks, what it tells, and that it tells it once, whatever the others do. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId, RequestId } from "./identifiers.ts";
import type { View } from "./membership.ts";
import { NO_STATISTICS, type StatisticsSnapshot } from "./statistics.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { Survey } from "./survey.ts";

const SELF = nodeNamed(1);
const OTHERS = [2, 3, 4].map(nodeNamed) as [NodeId, NodeId, NodeId];
const TIMEOUT_MS = 1_000;
const SURVEYS_MAX = 8;
const view = viewOf({ nodes: 4, n: 3, r: 2, w: 2 });
/** Node 4 has left for good. */
const oneGone: View = {
  ...view,
  members: view.members.map((member) =>
    member.node === OTHERS[2] ? { ...member, departure: { standing: "left", by: OTHERS[2], at: 0 } } : member,
  ),
};
/** As one of them counted: told apart by how long it is up. */
const counted = (node: NodeId): StatisticsSnapshot => ({ ...NO_STATISTICS, upMs: Number.parseInt(node, 16) });

class Asker {
  readonly surroundings: StubSurroundings;
  readonly survey: Survey;

  constructor(of: View | undefined = view) {
    this.surroundings = new StubSurroundings(SELF, of);
    this.survey = new Survey(this.surroundings, { own: () => counted(SELF) });
  }

  /** Whom it asked, under which request. */
  asked(): { readonly to: NodeId; readonly request: RequestId }[] {
    return this.surroundings
      .takeSent()
      .flatMap(({ to, message }) => (message.kind === "statistics-request" ? [{ to, request: message.request }] : []));
  }

  answer({ to, request }: { readonly to: NodeId; readonly request: RequestId }, from = to): void {
    this.survey.onReply(from, { kind: "statistics-reply", request, statistics: counted(from) });
  }

  goDown(node: NodeId): void {
    this.surroundings.down.add(node);
    this.survey.onPeerDown(node);
  }

  pass(spanMs: number): void {
    for (const name of this.surroundings.pass(spanMs)) this.survey.onTimeout(Number(name.split(":")[1]));
  }

  /** What callers were told since this was last called. */
  told(): { readonly request: RequestId; readonly members: readonly NodeId[]; readonly silent: readonly NodeId[] }[] {
    return this.surroundings.effects.splice(0).flatMap((effect) => {
      if (effect.kind !== "report-statistics") return [];
      for (const { node, statistics } of effect.members) expect(statistics).toEqual(counted(node));
      return [{ request: effect.request, members: effect.members.map(({ node }) => node), silent: effect.silent }];
    });
  }
}

test("all members are asked, and the caller is told when all have answered: with its own, in their order", () => {
  const asker = new Asker();
  asker.survey.start(70, TIMEOUT_MS);
  const asked = asker.asked();
  expect(asked.map(({ to }) => to)).toEqual(OTHERS);
  for (const each of [...asked].reverse()) {
    expect(asker.told()).toEqual([]);
    asker.answer(each);
  }
  expect(asker.told()).toEqual([{ request: 70, members: [SELF, ...OTHERS], silent: [] }]);
  expect(asker.survey.size).toBe(0);
  expect(asker.surroundings.timers.earliest()).toBeUndefined();
});

test("who cannot be reached, is lost meanwhile or does not answer in time is silent", () => {
  const asker = new Asker();
  asker.goDown(OTHERS[0]);
  asker.survey.start(70, TIMEOUT_MS);
  asker.goDown(OTHERS[1]);
  asker.pass(TIMEOUT_MS - 1);
  expect(asker.told()).toEqual([]);
  asker.pass(1);
  expect(asker.told()).toEqual([{ request: 70, members: [SELF], silent: OTHERS }]);

  // With the last of them nobody is waited for any more.
  asker.survey.start(71, TIMEOUT_MS);
  expect(asker.told()).toEqual([]);
  asker.goDown(OTHERS[2]);
  expect(asker.told()).toEqual([{ request: 71, members: [SELF], silent: OTHERS }]);
});

test("who has gone for good is neither asked nor silent, and a node without a cluster tells of itself", () => {
  const asker = new Asker(oneGone);
  asker.survey.start(70, TIMEOUT_MS);
  for (const each of asker.asked()) asker.answer(each);
  expect(asker.told()).toEqual([{ request: 70, members: [SELF, OTHERS[0], OTHERS[1]], silent: [] }]);

  const alone = new Asker();
  alone.surroundings.ring = undefined;
  alone.survey.start(71, TIMEOUT_MS);
  expect(alone.told()).toEqual([{ request: 71, members: [SELF], silent: [] }]);
});

test("an answer counts of one who was asked, once, to the survey that it is to", () => {
  const asker = new Asker();
  asker.survey.start(70, TIMEOUT_MS);
  asker.survey.start(71, TIMEOUT_MS);
  const asked = asker.asked();
  expect(new Set(asked.map(({ request }) => request)).size).toBe(2);
  asker.answer(asked[0]!);
  asker.answer(asked[0]!);
  asker.answer(asked[0]!, nodeNamed(9));
  asker.answer({ to: OTHERS[1], request: 999 });
  expect(asker.told()).toEqual([]);
  for (const each of asked.slice(3)) asker.answer(each);
  expect(asker.told()).toEqual([{ request: 71, members: [SELF, ...OTHERS], silent: [] }]);
  for (const each of asked.slice(1, 3)) asker.answer(each);
  expect(asker.told()).toEqual([{ request: 70, members: [SELF, ...OTHERS], silent: [] }]);
});

test("beyond so many at once nobody is asked, and the caller is told so at once", () => {
  const asker = new Asker();
  for (let i = 0; i < SURVEYS_MAX; i++) asker.survey.start(i, TIMEOUT_MS);
  expect(asker.asked()).toHaveLength(SURVEYS_MAX * OTHERS.length);
  asker.survey.start(70, TIMEOUT_MS);
  expect(asker.asked()).toEqual([]);
  expect(asker.told()).toEqual([{ request: 70, members: [SELF], silent: OTHERS }]);
  expect(asker.survey.size).toBe(SURVEYS_MAX);
});

test("who is no longer interested is told nothing", () => {
  const asker = new Asker();
  asker.survey.start(70, TIMEOUT_MS);
  asker.survey.start(71, TIMEOUT_MS);
  asker.survey.onAbandoned(70);
  expect(asker.survey.size).toBe(1);
  asker.pass(TIMEOUT_MS);
  expect(asker.told().map(({ request }) => request)).toEqual([71]);
});

test("whatever the others do, each caller is told once, by its time bound, of every member, as having answered or as silent", () => {
  const act = fc.oneof(
    fc.record({ do: fc.constantFrom("answer", "down", "up"), which: fc.nat(30) }),
    fc.record({ do: fc.constantFrom("start", "abandon"), which: fc.nat(3) }),
    fc.record({ do: fc.constant("pass"), which: fc.constantFrom(1, 300, 700) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120, size: "max" }), (acts) => {
      const asker = new Asker();
      let asked: ReturnType<Asker["asked"]> = [];
      let requests = 0;
      /** When each is over at the latest, and who has answered it, by the caller's request. */
      const open = new Map<RequestId, { readonly until: number; readonly answered: Set<NodeId> }>();
      const callers = new Map<RequestId, RequestId>();
      const look = (): void => {
        for (const { request, members, silent } of asker.told()) {
          const { answered } = open.get(request)!;
          expect(new Set(members)).toEqual(new Set([SELF, ...answered]));
          expect([...members, ...silent].sort()).toEqual([SELF, ...OTHERS]);
          open.delete(request);
        }
        for (const { until } of open.values()) expect(until).toBeGreaterThan(asker.surroundings.now);
        expect(asker.survey.size).toBe(open.size);
      };
      for (const { do: what, which } of acts) {
        if (what === "start") {
          const request = 100 + ++requests;
          open.set(request, { until: asker.surroundings.now + TIMEOUT_MS, answered: new Set() });
          asker.survey.start(request, TIMEOUT_MS);
          const now = asker.asked();
          for (const each of now) callers.set(each.request, request);
          asked.push(...now);
        } else if (what === "abandon") {
          const request = [...open.keys()][which];
          if (request === undefined) continue;
          asker.survey.onAbandoned(request);
          open.delete(request);
        } else if (what === "answer" && asked.length > 0) {
          const each = asked[which % asked.length]!;
          open.get(callers.get(each.request)!)?.answered.add(each.to);
          asker.answer(each);
        } else if (what === "down") {
          const node = OTHERS[which % OTHERS.length]!;
          asker.goDown(node);
          asked = asked.filter(({ to }) => to !== node);
        } else if (what === "up") asker.surroundings.down.delete(OTHERS[which % OTHERS.length]!);
        else if (what === "pass") asker.pass(which);
        look();
      }
      asker.pass(TIMEOUT_MS);
      look();
      expect(open.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});
