/** Whose acknowledgement makes a put, while the set of those who count changes under it. Node 1 coordinates; each answer is the test's. */

import { describe, expect, test } from "vitest";
import { partitionOf, positionOf } from "./address.ts";
import { EMPTY, update } from "./dvvset.ts";
import { Hedging } from "./hedging.ts";
import type { Actor, Key, NodeId, OperationId } from "./identifiers.ts";
import type { ClientResult, ClientWrite, ReplicaPutReply } from "./message.ts";
import { PutCoordinator } from "./put-coordinator.ts";
import { putQuorum } from "./request-defaults.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, type ViewOptions, nodeNamed, viewOf } from "./stub-surroundings.ts";

const PARTITIONS = 8;
const REQUEST = 1_000;
const TIMEOUT_MS = 5_000;
/** Its partition is 0, so that the walk goes node 1, 2, 3 and so on. */
const key = Array.from({ length: 100 }, (_, i) => `carts/${i}` as Key).find(
  (one) => partitionOf(positionOf(one), PARTITIONS) === 0,
)!;
const actor = "a".repeat(48) as Actor;
const operation = "1".repeat(32) as OperationId;
const value = new Uint8Array([1]);
const { set, dot } = update(EMPTY, [], actor, { operation, at: 1, value, checksum: 1 });
const write = (w?: number): ClientWrite => ({ value, context: [], operation, at: 1, w, policy: "siblings" });

const cluster: ViewOptions = { nodes: 5, n: 3, r: 2, w: 2, partitions: PARTITIONS };
const held = (...nodes: number[]): ViewOptions => ({ ...cluster, holds: (node) => nodes.includes(node) });

class Fixture {
  readonly surroundings: StubSurroundings;
  readonly coordinator: PutCoordinator;
  readonly answers: ClientResult[] = [];
  readonly hints: NodeId[] = [];
  readonly minted: (NodeId | "record")[] = [];
  /** Whom the write was sent to, and for whom. */
  readonly sent: { readonly to: number; readonly hintFor: number | undefined }[] = [];
  readonly #requests = new Map<number, number[]>();

  constructor(view: ViewOptions) {
    this.surroundings = new StubSurroundings(nodeNamed(1), viewOf(view));
    this.coordinator = new PutCoordinator(this.surroundings, new Hedging(false), {
      mint: (_key, _write, place) => this.minted.push(place),
      keepHint: (_key, target) => this.hints.push(target),
      answer: (_request, result) => this.answers.push(result),
    });
  }

  /** Begins, and has the dot minted. */
  start(w?: number): this {
    const list = this.surroundings.listOf(key)!;
    const quorum = putQuorum(this.surroundings.ring!.view, key, write(w));
    this.coordinator.start(REQUEST, key, write(w), list, quorum, TIMEOUT_MS);
    this.coordinator.onCompletion({ kind: "minted", origin: { kind: "put", request: REQUEST }, key, set, dot });
    this.#gather();
    return this;
  }

  /** The coordinator's own copy is durable. */
  stored(): this {
    this.coordinator.onCompletion({
      kind: "stored",
      origin: { kind: "put", request: REQUEST },
      key,
      durability: "relaxed",
    });
    this.#gather();
    return this;
  }

  /** Node `from` answers the oldest request that it has. */
  reply(from: number, outcome: ReplicaPutReply["outcome"] = "stored", counted: readonly number[] = []): this {
    const request = this.#requests.get(from)?.shift();
    if (request === undefined) throw new Error(`node ${from} was not asked`);
    const message = {
      kind: "replica-put-reply",
      request,
      ring: 0,
      outcome,
      owner: false,
      durability: "relaxed",
      counted: counted.map(nodeNamed),
    } as const;
    this.coordinator.onReply(nodeNamed(from), message);
    this.#gather();
    return this;
  }

  slow(): this {
    this.coordinator.onSlow(REQUEST);
    this.#gather();
    return this;
  }

  /** Another ring under way. */
  see(view: ViewOptions): this {
    this.surroundings.ring = new Ring(viewOf(view));
    this.coordinator.onRing(this.surroundings.ring, (one) => partitionOf(positionOf(one), PARTITIONS));
    this.#gather();
    return this;
  }

  /** The report of the answer; undefined until there is one. */
  get report() {
    const [answer] = this.answers;
    return answer?.outcome === "put" ? answer.report : undefined;
  }

  #gather(): void {
    for (const { to, message } of this.surroundings.takeSent()) {
      if (message.kind !== "replica-put") continue;
      const node = Number.parseInt(to, 16);
      (this.#requests.get(node) ?? this.#requests.set(node, []).get(node)!).push(message.request);
      const { hintFor } = message;
      this.sent.push({ to: node, hintFor: hintFor === undefined ? undefined : Number.parseInt(hintFor, 16) });
    }
  }
}

const to = (...nodes: number[]) => nodes.map((node) => ({ to: node, hintFor: undefined }));

describe("with N who count", () => {
  test("W durable copies make a put, the coordinator's own among them", () => {
    const fixture = new Fixture(held(1, 2, 3)).start();
    expect([fixture.minted, fixture.sent]).toEqual([["record"], to(2, 3)]);
    fixture.stored();
    expect(fixture.answers).toEqual([]);
    fixture.reply(3);
    expect(fixture.report).toMatchObject({
      needed: 2,
      counted: 3,
      answered: [nodeNamed(1), nodeNamed(3)],
      hintedFor: [],
    });
    fixture.reply(2);
    expect([fixture.answers.length, fixture.coordinator.size, fixture.hints]).toEqual([1, 0, []]);
  });

  test("its own copy is one of them only when it is durable", () => {
    const fixture = new Fixture(held(1, 2, 3)).start();
    fixture.reply(2);
    expect(fixture.answers).toEqual([]);
    fixture.stored();
    expect(fixture.report).toMatchObject({ answered: [nodeNamed(2), nodeNamed(1)] });
  });

  test("owners who do not hold the partition yet are written to and do not count", () => {
    const fixture = new Fixture(held(1, 2, 4)).start();
    // Node 3 owns it and joins; node 4 holds it still.
    expect(fixture.sent).toEqual(to(2, 4, 3));
    fixture.stored().reply(3);
    expect(fixture.answers).toEqual([]);
    fixture.reply(4);
    expect(fixture.report).toMatchObject({ needed: 2, counted: 3 });
  });
});

describe("with more than N who count", () => {
  test("the quorum is larger by as many", () => {
    const fixture = new Fixture(held(1, 2, 3, 4)).start();
    fixture.stored().reply(4);
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ needed: 3, counted: 4 });
  });

  test("when so many cannot be reached, W have to do, and the others are owed hints", () => {
    const fixture = new Fixture({ ...held(1, 2, 3, 4), nodes: 4 });
    for (const node of [3, 4]) fixture.surroundings.down.add(nodeNamed(node));
    fixture.start().stored();
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ needed: 2, counted: 4, hintedFor: [nodeNamed(3), nodeNamed(4)] });
    expect(fixture.hints).toEqual([nodeNamed(3), nodeNamed(4)]);
  });
});

describe("an answer that names more who count", () => {
  test("is heard before it is counted: they get the write, and the quorum grows by them", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.reply(2, "stored", [1, 2, 3, 4]);
    expect(fixture.answers).toEqual([]);
    expect(fixture.sent).toEqual(to(2, 3, 4));
    fixture.reply(4);
    expect(fixture.report).toMatchObject({ needed: 3, counted: 4 });
    fixture.reply(3);
    expect([fixture.coordinator.size, fixture.hints]).toEqual([0, []]);
  });

  test("counts even when it refuses, or comes from one who only keeps a hint", () => {
    for (const outcome of ["refused", "hinted"] as const) {
      const fixture = new Fixture(held(1, 2, 3)).start().stored();
      fixture.reply(2, outcome, [1, 3, 4, 5]);
      expect(fixture.sent.filter(({ hintFor }) => hintFor === undefined)).toEqual(to(2, 3, 4, 5));
      fixture.reply(3);
      // Five count by what both of them say: 4 make a quorum.
      expect(fixture.answers).toEqual([]);
    }
  });

  test("adds up with those before it, and takes none of them back", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.reply(2, "stored", [1, 2, 4]);
    fixture.reply(3, "stored", [5]);
    expect(fixture.sent).toEqual(to(2, 3, 4, 5));
    expect(fixture.answers).toEqual([]);
    fixture.reply(4, "stored", [1, 2]);
    // By the ring and by all of the answers: 1 to 5, so 4 of them.
    expect(fixture.report).toMatchObject({ needed: 4, counted: 5, silent: [nodeNamed(5)] });
  });

  test("changes nothing when it names the known, and never has the coordinator ask itself", () => {
    const fixture = new Fixture(held(2, 3, 4)).start();
    fixture.reply(2, "stored", [1, 2, 3, 4]);
    expect(fixture.sent.map((sent) => sent.to)).not.toContain(1);
    const plain = new Fixture(held(1, 2, 3)).start().stored();
    plain.reply(2, "stored", [3, 2, 1]);
    expect(plain.report).toMatchObject({ needed: 2, counted: 3 });
  });

  test("of whom one is down: somebody keeps a hint for it", () => {
    const fixture = new Fixture(held(1, 2, 3));
    fixture.surroundings.down.add(nodeNamed(4));
    fixture.start().stored();
    fixture.reply(2, "stored", [1, 2, 3, 4]);
    expect(fixture.answers).toEqual([]);
    // Node 5 stands in for node 4.
    expect(fixture.sent.at(-1)).toEqual({ to: 5, hintFor: 4 });
    fixture.reply(5, "stored");
    expect(fixture.report).toMatchObject({ needed: 3, counted: 4, hintedFor: [nodeNamed(4)] });
  });

  test("counts one that has stored it already as an owner who joins", () => {
    // Node 3 owns it and does not hold it, by the coordinator's ring.
    const fixture = new Fixture(held(1, 2, 4)).start().stored();
    fixture.reply(3);
    expect(fixture.answers).toEqual([]);
    fixture.reply(2, "stored", [1, 2, 3, 4]);
    expect(fixture.report).toMatchObject({
      needed: 3,
      counted: 4,
      answered: [nodeNamed(1), nodeNamed(3), nodeNamed(2)],
    });
    expect(fixture.sent).toEqual(to(2, 4, 3));
  });

  test("a ring that changes under way does the same", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.see(held(1, 2, 3, 4));
    expect(fixture.sent).toEqual(to(2, 3, 4));
    fixture.reply(2);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3);
    expect(fixture.report).toMatchObject({ needed: 3, counted: 4 });
  });

  test("that comes after the caller has its answer still gives them the write, or a hint", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.reply(2);
    expect(fixture.answers).toHaveLength(1);
    fixture.reply(3, "stored", [1, 2, 3, 4]);
    expect(fixture.sent).toEqual(to(2, 3, 4));
    expect(fixture.coordinator.size).toBe(1);
    fixture.coordinator.onTimeout(REQUEST);
    expect(fixture.hints).toEqual([nodeNamed(4)]);
    expect(fixture.answers).toHaveLength(1);
  });
});

describe("an early answer", () => {
  test("does not make a quorum alone: it takes one of those who answer reads as well", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.reply(3, "early");
    // Two of three have it, but of the two who answer reads only one.
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ needed: 2, counted: 3 });
  });

  test("counts beside a quorum of the others", () => {
    const fixture = new Fixture(held(1, 2, 3, 4)).start().stored();
    fixture.reply(4, "early");
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ needed: 3, answered: [nodeNamed(1), nodeNamed(4), nodeNamed(2)] });
  });

  test("of the coordinator itself is one, too", () => {
    const fixture = new Fixture(held(1, 2, 3));
    fixture.surroundings.mayAnswerAnything = false;
    fixture.start().stored().reply(2);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3);
    expect(fixture.report).toMatchObject({ needed: 2 });
  });

  test("is enough when nobody else is left to answer", () => {
    const fixture = new Fixture({ ...held(1, 2, 3), nodes: 3 }).start().stored();
    fixture.reply(3, "early");
    expect(fixture.answers).toEqual([]);
    fixture.reply(2, "refused");
    expect(fixture.report).toMatchObject({ needed: 2, hintedFor: [nodeNamed(2)] });
    expect(fixture.hints).toEqual([nodeNamed(2)]);
  });

  test("of W = 1 is none at all while others may answer", () => {
    const fixture = new Fixture(held(1, 2, 3));
    fixture.surroundings.mayAnswerAnything = false;
    fixture.start(1).stored();
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ needed: 1 });
  });
});

describe("one node is one copy", () => {
  test("whomever it stands in for besides", () => {
    const fixture = new Fixture(held(1, 2, 3));
    fixture.surroundings.down.add(nodeNamed(2));
    fixture.start().stored();
    // Node 4 stands in for node 2; then somebody says that it counts itself.
    expect(fixture.sent).toEqual([{ to: 4, hintFor: 2 }, ...to(3)]);
    fixture.surroundings.ring = new Ring(viewOf(held(1, 2, 3, 4)));
    fixture.see(held(1, 2, 3, 4));
    expect(fixture.sent).toEqual([{ to: 4, hintFor: 2 }, ...to(3, 4)]);
    fixture.reply(4).reply(4);
    // Three of four are needed: the coordinator and node 4 are two, though node 4 has answered for two owners.
    expect(fixture.answers).toEqual([]);
    fixture.reply(3);
    expect(fixture.report).toMatchObject({
      needed: 3,
      counted: 4,
      answered: [nodeNamed(1), nodeNamed(4), nodeNamed(3)],
    });
  });

  test("an owner and its stand-in are one between them", () => {
    const fixture = new Fixture(held(1, 2, 3)).start(3).stored();
    fixture.slow();
    expect(fixture.sent.slice(2)).toEqual([
      { to: 4, hintFor: 2 },
      { to: 5, hintFor: 3 },
    ]);
    fixture.reply(4).reply(2);
    expect(fixture.answers).toEqual([]);
    fixture.reply(5);
    expect(fixture.report).toMatchObject({ needed: 3 });
  });
});

describe("a hinted answer", () => {
  test("counts for the one who was asked, and shows as a hint", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().stored();
    fixture.reply(2, "hinted");
    expect(fixture.report).toMatchObject({
      needed: 2,
      answered: [nodeNamed(1), nodeNamed(2)],
      hintedFor: [nodeNamed(2)],
    });
    fixture.coordinator.onTimeout(REQUEST);
    // Only node 3 was silent.
    expect(fixture.hints).toEqual([nodeNamed(3)]);
  });

  test("of one that is named later does not stand for a copy of its own", () => {
    // Node 3 owns it and does not hold it yet, by the coordinator's ring; it is no owner by its own.
    const fixture = new Fixture(held(1, 2, 4)).start().stored();
    fixture.reply(3, "hinted");
    fixture.reply(2, "stored", [1, 2, 3, 4]);
    expect(fixture.answers).toEqual([]);
    expect(fixture.sent).toEqual(to(2, 4, 3, 3));
    fixture.reply(4);
    expect(fixture.report).toMatchObject({ needed: 3, counted: 4 });
  });
});

describe("a coordinator that does not count", () => {
  const elsewhere = (): Fixture => {
    const fixture = new Fixture({ ...held(2, 3, 4), nodes: 5 });
    fixture.surroundings.ring = new Ring({
      ...fixture.surroundings.ring!.view,
      claims: Array.from({ length: PARTITIONS }, (_, p) => ({ owner: nodeNamed(2 + (p % 4)), version: 1 })),
    });
    return fixture;
  };

  test("keeps its copy as a hint, and says so", () => {
    const fixture = elsewhere().start().stored();
    expect(fixture.minted).toEqual([nodeNamed(2)]);
    fixture.reply(3);
    fixture.reply(2);
    expect(fixture.report).toMatchObject({ hintedFor: [nodeNamed(2)], needed: 2 });
  });

  test.each(["refused", "silent", "refused before the copy is durable"])(
    "counts its copy for an owner that can be reached only when that one is %s",
    (how) => {
      const fixture = elsewhere().start();
      if (how !== "refused before the copy is durable") fixture.stored();
      fixture.reply(3);
      expect(fixture.report).toBeUndefined();
      if (how === "silent") fixture.slow();
      else fixture.reply(2, "refused");
      if (how === "refused before the copy is durable") fixture.stored();
      expect(fixture.report?.hintedFor).toContain(nodeNamed(2));
      expect(fixture.report?.needed).toBe(2);
    },
  );

  test("because it is closing mints into its record no more, and does not count itself", () => {
    const fixture = new Fixture(held(1, 2, 3));
    fixture.surroundings.mayStoreAnything = false;
    fixture.start();
    const refusal = {
      kind: "refused",
      origin: { kind: "put", request: REQUEST },
      key,
      refusal: "moved",
      siblings: 0,
    } as const;
    const fresh = new Fixture(held(1, 2, 3));
    fresh.surroundings.mayStoreAnything = false;
    const quorum = { n: 3, replicas: 2, owners: 0 };
    fresh.coordinator.start(REQUEST, key, write(), fresh.surroundings.listOf(key)!, quorum, TIMEOUT_MS);
    fresh.coordinator.onCompletion(refusal);
    expect(fresh.answers).toMatchObject([{ outcome: "failed", failure: { code: "not-ready" } }]);
    expect(fresh.coordinator.size).toBe(0);
    fixture.stored();
    expect(fixture.answers).toEqual([]);
    fixture.reply(2);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3);
    expect(fixture.report).toMatchObject({ needed: 2, answered: [nodeNamed(2), nodeNamed(3)] });
  });
});
