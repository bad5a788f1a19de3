/** What peers ask of a node's replica, alone: node 1 of four, where N is 3 and key's owners are nodes 1, 2 and 3; the replica is the test. */

import { describe, expect, test } from "vitest";
import { partitionOf, positionOf } from "./address.ts";
import { EMPTY } from "./dvvset.ts";
import type { Key, NodeId } from "./identifiers.ts";
import type { Message, ReplicaGet, ReplicaPut } from "./message.ts";
import { ReplicaAnswers } from "./replica-answers.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import type { Origin } from "./surroundings.ts";

const PARTITIONS = 8;
const key = Array.from({ length: 100 }, (_, i) => `carts/${i}` as Key).find(
  (one) => partitionOf(positionOf(one), PARTITIONS) === 0,
)!;
const [self, second, third, fourth] = [1, 2, 3, 4].map(nodeNamed) as [NodeId, NodeId, NodeId, NodeId];
const SHAPE = { nodes: 4, n: 3, r: 2, w: 2, partitions: PARTITIONS, holds: (node: number) => node <= 3 };

function setUp(reapAfterMs = Number.POSITIVE_INFINITY) {
  const around = new StubSurroundings(self, viewOf(SHAPE), { reapAfterMs });
  const told = {
    merged: [] as Origin[],
    hints: [] as { readonly target: NodeId; readonly origin: Origin }[],
    read: [] as Origin[],
    replies: [] as Message[],
    hasHints: false,
    unopened: false,
    forgotten: new Set<NodeId>(),
  };
  const answers = new ReplicaAnswers(around, {
    merge: (_key, _set, _purpose, origin) => told.merged.push(origin),
    keepHint: (_key, target, _set, origin) => told.hints.push({ target, origin }),
    read: (_key, origin) => told.read.push(origin),
    hasHints: () => told.hasHints,
    isUnopened: () => told.unopened,
    remembers: (node) => !told.forgotten.has(node),
    answer: (_to, message) => told.replies.push(message),
  });
  return { around, answers, told };
}

function put(around: StubSurroundings, changes: Partial<ReplicaPut> = {}): ReplicaPut {
  const ring = around.ring?.digest ?? 0;
  const base = { kind: "replica-put", request: 5, ring, ttlMs: 100, purpose: "write", key, set: EMPTY } as const;
  return { ...base, hintFor: undefined, durability: "relaxed", ...changes };
}

const get = (counts: boolean): ReplicaGet => ({ kind: "replica-get", request: 6, ring: 0, ttlMs: 100, key, counts });

describe("a put", () => {
  test("is merged where it belongs, and its answer says how", () => {
    const { around, answers, told } = setUp();
    answers.onPut(second, put(around));
    const origin = told.merged[0] as Origin & { kind: "peer" };
    const done = { kind: "stored", origin, key, durability: "strict" } as const;
    answers.onCompletion(origin, done);
    told.unopened = true;
    answers.onCompletion(origin, done);
    answers.onCompletion({ ...origin, hints: { left: 1 } }, done);
    expect(told.replies).toMatchObject([
      { kind: "replica-put-reply", request: 5, outcome: "stored", owner: true, durability: "strict", counted: [] },
      { outcome: "early" },
      { outcome: "hinted" },
    ]);
    around.now += 101;
    answers.onCompletion(origin, done);
    expect(told.replies).toHaveLength(3);
  });

  test("for another is kept as a hint; from one who goes for good only by one who has no copy", () => {
    const { around, answers, told } = setUp();
    answers.onPut(second, put(around, { hintFor: third }));
    expect(told.hints).toMatchObject([{ target: third }]);
    answers.onPut(second, put(around, { hintFor: third, purpose: "hint" }));
    expect(told.replies).toMatchObject([{ outcome: "refused" }]);
    around.mayStoreAnything = false;
    answers.onPut(second, put(around, { hintFor: third, purpose: "hint" }));
    expect(told.hints).toHaveLength(2);
    told.hasHints = true;
    answers.onPut(second, put(around, { hintFor: third, purpose: "hint" }));
    expect(told.replies).toHaveLength(2);
  });

  test("that belongs elsewhere is kept for all whose it is, if a caller wrote it, and else refused", () => {
    const { around, answers, told } = setUp();
    around.mayStoreAnything = false;
    answers.onPut(fourth, put(around));
    expect(told.hints.map(({ target }) => target)).toEqual([self, second, third]);
    answers.onPut(fourth, put(around, { purpose: "transfer" }));
    expect(told.replies).toMatchObject([{ outcome: "refused" }]);
  });

  test("that belongs elsewhere is acknowledged once, when the hints for all are durable, and refused once when one is: each alone ends where another copy is", () => {
    for (const refused of [[], [0], [1], [2], [0, 2]]) {
      const { around, answers, told } = setUp();
      around.mayStoreAnything = false;
      answers.onPut(fourth, put(around));
      told.hints.forEach(({ origin }, i) => {
        if (refused.length === 0) expect(told.replies).toEqual([]);
        const completion = refused.includes(i)
          ? ({ kind: "refused", origin, key, refusal: "hints-full", siblings: 0 } as const)
          : ({ kind: "stored", origin, key, durability: "strict" } as const);
        answers.onCompletion(origin as Origin & { kind: "peer" }, completion);
      });
      expect(told.replies).toMatchObject([{ outcome: refused.length === 0 ? "hinted" : "refused" }]);
    }
  });

  test("by one who sees another ring is passed on to those who are joining, and answered with all who count", () => {
    const { around, answers, told } = setUp();
    around.ring = new Ring(viewOf({ ...SHAPE, holds: (node) => node <= 2 }));
    answers.onPut(second, put(around));
    expect(around.takeSent()).toEqual([]);
    answers.onPut(second, put(around, { ring: 1 }));
    expect(around.takeSent()).toMatchObject([
      { to: third, message: { kind: "replica-put", purpose: "transfer", durability: "strict" } },
    ]);
    const origin = told.merged[1] as Origin & { kind: "peer" };
    answers.onCompletion(origin, { kind: "stored", origin, key, durability: "relaxed" });
    expect(told.replies).toMatchObject([{ counted: [self, second] }]);
  });
});

describe("a get", () => {
  test("of one who does not answer for the key yet is told so, unless it is not to count", () => {
    const { around, answers, told } = setUp();
    around.mayAnswerAnything = false;
    answers.onGet(second, get(true));
    answers.readOwn(key, 77);
    expect(around.completions).toMatchObject([
      { kind: "read", origin: { kind: "peer", request: 6 }, outcome: "moved" },
      { kind: "read", origin: { kind: "get", request: 77 }, outcome: "moved" },
    ]);
    answers.onGet(second, get(false));
    expect(told.read).toHaveLength(1);
    const origin = told.read[0] as Origin & { kind: "peer" };
    answers.onCompletion(origin, { kind: "read", origin, key, outcome: "found", set: EMPTY });
    expect(told.replies).toMatchObject([{ kind: "replica-get-reply", outcome: "found", owner: false, set: EMPTY }]);
  });
});

describe("where tombstones are reaped", () => {
  test("nothing is told to one who might be forgotten", () => {
    const { around, answers, told } = setUp(0);
    told.forgotten.add(fourth);
    answers.onGet(fourth, get(false));
    expect(told.read).toEqual([]);
    expect(around.completions).toMatchObject([{ outcome: "moved" }]);
    expect([answers.isStranger(fourth), answers.isStranger(second)]).toEqual([true, false]);
    expect(setUp().answers.isStranger(fourth)).toBe(false);
  });

  test("nothing is believed of one who is gone", () => {
    const { around, answers, told } = setUp(0);
    const view = viewOf(SHAPE);
    const departure = { standing: "removed", by: self, at: 1 } as const;
    const members = view.members.map((member) => (member.node === fourth ? { ...member, departure } : member));
    around.ring = new Ring({ ...view, members });
    answers.onPut(fourth, put(around));
    answers.onGet(fourth, get(false));
    expect(told.merged).toEqual([]);
    expect(told.replies).toMatchObject([{ outcome: "refused" }]);
    expect(told.read).toEqual([]);
  });
});
