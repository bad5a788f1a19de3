/** Whose answers make a get, while the set of those who count changes under it. Node 1 coordinates; each answer is the test's. */

import { describe, expect, test } from "vitest";
import { partitionOf, positionOf } from "./address.ts";
import { type DvvSet, EMPTY, sync, update } from "./dvvset.ts";
import { GetCoordinator } from "./get-coordinator.ts";
import { Hedging } from "./hedging.ts";
import type { Actor, Key, NodeId, OperationId } from "./identifiers.ts";
import type { ClientResult, ReplicaGetReply } from "./message.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, type ViewOptions, nodeNamed, viewOf } from "./stub-surroundings.ts";

const PARTITIONS = 8;
const REQUEST = 1_000;
/** Its partition is 0, so that the walk goes node 1, 2, 3 and so on. */
const key = keyIn(0);
/** Owned by nodes 2, 3 and 4. */
const elsewhere = keyIn(1);
function keyIn(partition: number): Key {
  const keys = Array.from({ length: 100 }, (_, i) => `carts/${i}` as Key);
  return keys.find((one) => partitionOf(positionOf(one), PARTITIONS) === partition)!;
}
const record = (n: number): DvvSet => {
  const operation = n.toString(16).padStart(32, "0") as OperationId;
  const version = { operation, at: n, value: new Uint8Array([n]), checksum: n };
  return update(EMPTY, [], String(n).repeat(48) as Actor, version).set;
};
const [one, two] = [record(1), record(2)];

const cluster: ViewOptions = { nodes: 5, n: 3, r: 2, w: 2, partitions: PARTITIONS };
const held = (...nodes: number[]): ViewOptions => ({ ...cluster, holds: (node) => nodes.includes(node) });

class Fixture {
  readonly surroundings: StubSurroundings;
  readonly coordinator: GetCoordinator;
  readonly answers: ClientResult[] = [];
  /** Whom it has asked, and whether as one who counts. */
  readonly asked: { readonly node: number; readonly counts: boolean }[] = [];
  /** Who was sent the merged record; 1 is the coordinator itself. */
  readonly repaired: { readonly node: number; readonly set: DvvSet }[] = [];
  readonly #requests = new Map<number, number>();

  constructor(view: ViewOptions) {
    this.surroundings = new StubSurroundings(nodeNamed(1), viewOf(view));
    this.coordinator = new GetCoordinator(this.surroundings, new Hedging(false), {
      read: () => this.asked.push({ node: 1, counts: true }),
      repair: (_key, set) => this.repaired.push({ node: 1, set }),
      answer: (_request, result) => this.answers.push(result),
    });
  }

  start(r = 2, pr = 0, of = key): this {
    const list = this.surroundings.listOf(of)!;
    this.coordinator.start(REQUEST, of, { n: 3, replicas: r, owners: pr }, list, 5_000);
    return this.#gathered();
  }

  /** What the coordinator's own replica has. */
  own(set: DvvSet | undefined, outcome: ReplicaGetReply["outcome"] = set === undefined ? "missing" : "found"): this {
    const origin = { kind: "get", request: REQUEST } as const;
    this.coordinator.onCompletion({ kind: "read", origin, key, outcome, set: set ?? EMPTY });
    return this.#gathered();
  }

  reply(
    from: number,
    outcome: DvvSet | Exclude<ReplicaGetReply["outcome"], "found">,
    counted: readonly number[] = [],
    owner = false,
  ): this {
    const request = this.#requests.get(from);
    if (request === undefined) throw new Error(`node ${from} was not asked`);
    const found = typeof outcome === "object";
    const message: ReplicaGetReply = {
      kind: "replica-get-reply",
      request,
      ring: 0,
      outcome: found ? "found" : outcome,
      owner,
      set: found ? outcome : undefined,
      counted: counted.map(nodeNamed),
    };
    this.coordinator.onReply(nodeNamed(from), message);
    return this.#gathered();
  }

  slow(): this {
    this.surroundings.now += this.surroundings.config.slowReplyMs;
    this.coordinator.onSlow(REQUEST);
    return this.#gathered();
  }

  see(view: ViewOptions): this {
    this.surroundings.ring = new Ring(viewOf(view));
    this.coordinator.onRing(this.surroundings.ring, (k) => partitionOf(positionOf(k), PARTITIONS));
    return this.#gathered();
  }

  down(...nodes: number[]): this {
    for (const node of nodes) this.surroundings.down.add(nodeNamed(node));
    return this;
  }

  get got() {
    const [answer] = this.answers;
    return answer?.outcome === "got" ? answer : undefined;
  }

  #gathered(): this {
    for (const { to, message } of this.surroundings.takeSent()) {
      const node = Number.parseInt(to, 16);
      if (message.kind === "replica-put") this.repaired.push({ node, set: message.set });
      if (message.kind !== "replica-get") continue;
      this.#requests.set(node, message.request);
      this.asked.push({ node, counts: message.counts });
    }
    return this;
  }
}

const counting = (...nodes: number[]) => nodes.map((node) => ({ node, counts: true }));
const names = (...nodes: number[]): NodeId[] => nodes.map(nodeNamed);

describe("with N who count", () => {
  test("R answers make a get, and what they have is merged", () => {
    const fixture = new Fixture(held(1, 2, 3)).start();
    expect(fixture.asked).toEqual(counting(1, 2, 3));
    fixture.own(one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, two);
    expect(fixture.got).toMatchObject({ set: sync(one, two), first: nodeNamed(1) });
    expect(fixture.got?.report).toMatchObject({ needed: 2, counted: 3, answered: names(1, 3), silent: names(2) });
    // The third is looked at as well, and whoever is behind gets the merged record.
    fixture.reply(2, "missing");
    expect(fixture.repaired.map(({ node }) => node)).toEqual([1, 3, 2]);
    for (const { set } of fixture.repaired) expect(set).toEqual(sync(one, two));
    expect(fixture.coordinator.size).toBe(0);
  });

  test("a disk that did not answer is no answer", () => {
    const fixture = new Fixture({ ...held(1, 2, 3), nodes: 3 }).start().own(undefined).reply(2, "failed");
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, one);
    expect(fixture.got?.report).toMatchObject({ needed: 2, answered: names(1, 3) });
  });

  test("one that is down is replaced by the next on the walk, who is not asked as one who counts", () => {
    const fixture = new Fixture(held(1, 2, 3)).down(2).start();
    expect(fixture.asked).toEqual([...counting(1), { node: 4, counts: false }, ...counting(3)]);
    fixture.own(one).reply(4, two);
    expect(fixture.got).toMatchObject({ set: sync(one, two) });
    fixture.reply(3, one);
    // Read repair is for those who count.
    expect(fixture.repaired.map(({ node }) => node)).toEqual([1, 3]);
  });

  test("stand-ins alone cannot say that there is nothing", () => {
    const fixture = new Fixture(held(2, 3)).down(2, 3).start();
    expect(fixture.asked.filter(({ counts }) => counts).map(({ node }) => node)).not.toContain(2);
    for (const { node } of fixture.asked) if (node !== 1) fixture.reply(node, "missing");
    if (fixture.asked.some(({ node }) => node === 1)) fixture.own(undefined);
    expect(fixture.answers).toMatchObject([{ outcome: "failed", failure: { code: "quorum" } }]);
  });
});

describe("with more than N who count", () => {
  test("the quorum is larger by as many", () => {
    const fixture = new Fixture(held(1, 2, 3, 4)).start();
    expect(fixture.asked).toEqual(counting(1, 2, 3, 4));
    fixture.own(one).reply(4, one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(2, two);
    expect(fixture.got?.report).toMatchObject({ needed: 3, counted: 4 });
    expect(new Fixture(held(1, 2, 3, 4)).start(1).own(one).answers).toEqual([]);
  });

  test("when so many cannot be reached, R have to do", () => {
    const fixture = new Fixture({ ...held(1, 2, 3, 4), nodes: 4 }).down(3, 4).start().own(one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(2, two);
    expect(fixture.got?.report).toMatchObject({ needed: 2, counted: 4 });
  });
});

describe("an answer that names more who count", () => {
  test("is heard before it is counted: they are asked, and the quorum grows by them", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().own(one);
    fixture.reply(2, one, [1, 2, 3, 4]);
    expect(fixture.answers).toEqual([]);
    expect(fixture.asked).toEqual(counting(1, 2, 3, 4));
    fixture.reply(4, two);
    expect(fixture.got).toMatchObject({ set: sync(one, two), report: { needed: 3, counted: 4 } });
  });

  test("counts whatever else it says, and adds up with those before it", () => {
    for (const outcome of ["missing", "failed", "moved"] as const) {
      const fixture = new Fixture(held(1, 2, 3)).start().own(one);
      fixture.reply(2, outcome, [4]);
      fixture.reply(3, one, [5]);
      // Node 5 may have been asked in the place of node 2 before: then it is asked anew, as one who counts.
      expect(new Set(fixture.asked.map(({ node }) => node))).toEqual(new Set([1, 2, 3, 4, 5]));
      expect(fixture.asked.at(-1)).toEqual({ node: 5, counts: true });
      fixture.reply(4, two);
      // Five count by what all say: 4 are needed.
      expect(fixture.answers).toHaveLength(outcome === "missing" ? 1 : 0);
      fixture.reply(5, one);
      expect(fixture.got).toMatchObject({ set: sync(one, two), report: { needed: 4, counted: 5 } });
    }
  });

  test("and the coordinator is one of them, but owns nothing: its own replica is no owner's", () => {
    const fixture = new Fixture(held(2, 3, 4)).start(1, 2, elsewhere);
    fixture.reply(2, one, [1, 2, 3, 4], true).own(one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, two, [], true);
    expect(fixture.got?.report).toMatchObject({ ownersNeeded: 2, ownersAnswered: 2 });
  });

  test("of whom one cannot be reached: the next on the walk is asked in its place", () => {
    const fixture = new Fixture(held(1, 2, 3)).down(4).start().own(one);
    fixture.reply(2, one, [1, 2, 3, 4]);
    expect(fixture.asked.slice(3)).toEqual([{ node: 5, counts: false }]);
    fixture.reply(5, two);
    expect(fixture.got?.report).toMatchObject({ needed: 3, counted: 4 });
  });

  test("that comes after the caller has its answer asks nobody any more", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().own(one).reply(2, one);
    expect(fixture.answers).toHaveLength(1);
    fixture.reply(3, one, [4, 5]);
    expect(fixture.asked).toEqual(counting(1, 2, 3));
    expect(fixture.coordinator.size).toBe(0);
  });

  test("a ring that changes under way does the same", () => {
    const fixture = new Fixture(held(1, 2, 3))
      .start()
      .own(one)
      .see(held(1, 2, 3, 4));
    expect(fixture.asked).toEqual(counting(1, 2, 3, 4));
    fixture.reply(2, one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(4, two);
    expect(fixture.got?.report).toMatchObject({ needed: 3, counted: 4 });
  });
});

describe("somebody who was asked counts no more, or not yet", () => {
  /** Nobody beside those who count. */
  const three: ViewOptions = { ...held(1, 2, 3), nodes: 3 };

  test("that is no answer; the next on the walk is asked only when nobody tells who counts instead", () => {
    const fixture = new Fixture(held(1, 2, 3)).start().own(one).reply(2, "moved");
    expect(fixture.answers).toEqual([]);
    expect(fixture.asked.slice(3)).toEqual([]);
    fixture.slow();
    expect(fixture.asked.slice(3)).toEqual([{ node: 4, counts: false }]);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, two);
    expect(fixture.got).toMatchObject({ set: sync(one, two), report: { answered: names(1, 3) } });
  });

  test("the coordinator's own replica is asked like any other", () => {
    const fixture = new Fixture(three).start().own(undefined, "moved").reply(2, one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, two);
    expect(fixture.got).toMatchObject({ first: nodeNamed(2), report: { answered: names(2, 3) } });
    // What was not told is not behind.
    expect(fixture.repaired.map(({ node }) => node)).toEqual([2, 3]);
  });

  test("too few are left: it waits for the ring that says who counts now, and asks them", () => {
    const fixture = new Fixture({ ...three, nodes: 5, holds: (node) => node <= 3 });
    fixture.down(4, 5).start().own(one).reply(2, "moved").reply(3, "moved");
    expect(fixture.answers).toEqual([]);
    fixture.surroundings.down.clear();
    fixture.see({ ...cluster, holds: (node) => node === 1 || node >= 4 });
    expect(fixture.asked.slice(3)).toEqual(counting(4, 5));
    fixture.reply(4, two);
    expect(fixture.answers).toEqual([]);
    fixture.reply(5, two);
    // Whoever counted by either ring is still counted: 4 of 5 are needed, and two of them count no more.
    expect(fixture.answers).toEqual([]);
    fixture.slow();
    expect(fixture.got).toMatchObject({ set: sync(one, two), report: { answered: names(1, 4, 5) } });
  });

  test("too few are left and no other ring comes: it fails when it is slow, not before", () => {
    const fixture = new Fixture(three).start();
    expect(fixture.surroundings.timers.has(`get-slow:${REQUEST}`)).toBe(true);
    fixture.own(one).reply(2, "moved").reply(3, "moved");
    expect(fixture.answers).toEqual([]);
    expect(fixture.surroundings.pass(fixture.surroundings.config.slowReplyMs - 1)).toEqual([]);
    expect(fixture.surroundings.pass(1)).toEqual([`get-slow:${REQUEST}`]);
    fixture.slow();
    expect(fixture.answers).toMatchObject([{ outcome: "failed", failure: { code: "quorum" } }]);
    expect(fixture.coordinator.size).toBe(0);
  });

  test("enough others answer: it does not wait", () => {
    const fixture = new Fixture(three).start().reply(2, "moved").own(one);
    expect(fixture.answers).toEqual([]);
    fixture.reply(3, one);
    expect(fixture.got?.report).toMatchObject({ needed: 2, answered: names(1, 3) });
  });

  test("a larger quorum is not made smaller because of it, as long as it may hear of another ring", () => {
    const fixture = new Fixture({ ...held(1, 2, 3, 4), nodes: 4 }).start();
    fixture.own(one).reply(2, one).reply(3, "moved").reply(4, "moved");
    expect(fixture.answers).toEqual([]);
    fixture.slow();
    // Nothing came: as many as R are here, and have to do.
    expect(fixture.got?.report).toMatchObject({ needed: 2, counted: 4 });
  });
});
