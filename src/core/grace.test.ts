/** Who is silent for too long is removed: by those who are most, if nobody hears it, and by nobody who was away itself. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Grace } from "./grace.ts";
import type { NodeId } from "./identifiers.ts";
import { type View, goneEntry, isGone, memberOf, mergeView, stays } from "./membership.ts";
import { type ChangeRefusal, changeRefusal } from "./membership-change.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const GRACE_MS = 20_000;
const ROUND_MS = 1_000;
const WALL = 1_700_000_000_000;

/** One node, which asks nobody but those whom the test answers for. */
class Fixture {
  readonly surroundings: StubSurroundings;
  readonly grace: Grace;
  readonly removed: { readonly node: NodeId; readonly at: number }[] = [];
  readonly seeds = new Set<NodeId>();
  isFull = true;
  refused: ChangeRefusal | undefined;

  constructor(options: { readonly self?: number; readonly nodes?: number; readonly removeAfterMs?: number } = {}) {
    const { self = 1, nodes = 5, removeAfterMs = GRACE_MS } = options;
    const view = viewOf({ nodes, n: 3, r: 2, w: 2 });
    this.surroundings = new StubSurroundings(nodeNamed(self), view, { removeAfterMs });
    this.grace = new Grace(this.surroundings, {
      isFullMember: () => this.isFull,
      isSeed: (node) => this.seeds.has(node),
      refusal: () => this.refused,
      remove: (node, at) => {
        this.removed.push({ node, at });
        const { view: now } = this.surroundings.ring!;
        const gone = goneEntry(memberOf(now, node)!, "removed", this.surroundings.self, at);
        this.surroundings.ring = new Ring(mergeView(now, [gone], undefined));
      },
    });
    this.grace.start(WALL);
  }

  silence(...nodes: number[]): this {
    for (const node of nodes) this.surroundings.down.add(nodeNamed(node));
    return this;
  }

  /** So much time, in rounds; whoever is asked hears those that `hears` says, and `mute` ones do not answer. */
  pass(spanMs: number, hears: (node: number) => boolean = () => false, mute: readonly number[] = []): this {
    for (let past = 0; past < spanMs; past += ROUND_MS) {
      for (const name of this.surroundings.pass(ROUND_MS)) if (name === "grace") this.grace.onTimer();
      for (const { to, message } of this.surroundings.takeSent()) {
        if (message.kind !== "probe" || mute.includes(Number.parseInt(to, 16))) continue;
        const { sequence, target } = message;
        this.grace.onReply(to, { kind: "probe-reply", sequence, target, alive: hears(Number.parseInt(target, 16)) });
      }
    }
    return this;
  }

  get names(): number[] {
    return this.removed.map(({ node }) => Number.parseInt(node, 16));
  }
}

test("nothing is done, and no timer set, where no time is set", () => {
  const fixture = new Fixture({ removeAfterMs: Number.POSITIVE_INFINITY }).silence(4, 5).pass(3_600_000);
  expect(fixture.names).toEqual([]);
  expect(fixture.surroundings.timers.size).toBe(0);
});

describe("a member that is not reached", () => {
  test("is removed when the time is over, not before; at a time by the wall clock", () => {
    const fixture = new Fixture().silence(5).pass(GRACE_MS - ROUND_MS);
    expect(fixture.names).toEqual([]);
    fixture.pass(3 * ROUND_MS);
    expect(fixture.names).toEqual([5]);
    expect(fixture.removed[0]!.at).toBe(WALL + GRACE_MS + ROUND_MS);
    expect(fixture.surroundings.notes).toContainEqual({
      what: "grace-over",
      node: nodeNamed(5),
      silentMs: GRACE_MS + ROUND_MS,
    });
  });

  test("stays when it was reached for a moment: its time counts anew", () => {
    const fixture = new Fixture().silence(5).pass(GRACE_MS - ROUND_MS);
    fixture.surroundings.down.clear();
    fixture
      .pass(ROUND_MS)
      .silence(5)
      .pass(GRACE_MS - ROUND_MS);
    expect(fixture.names).toEqual([]);
    expect(fixture.pass(3 * ROUND_MS).names).toEqual([5]);
  });

  test("stays when it was reached between two rounds", () => {
    const fixture = new Fixture().silence(5).pass(GRACE_MS - ROUND_MS);
    fixture.grace.onPeerUp(nodeNamed(5));
    expect(fixture.pass(GRACE_MS - ROUND_MS).names).toEqual([]);
  });

  test("stays while somebody hears it", () => {
    const fixture = new Fixture().silence(5).pass(10 * GRACE_MS, (node) => node === 5);
    expect(fixture.names).toEqual([]);
    expect(fixture.pass(2 * GRACE_MS).names).toEqual([5]);
  });

  test("stays while too few say that they do not hear it", () => {
    const fixture = new Fixture().silence(5).pass(10 * GRACE_MS, undefined, [2, 3]);
    expect(fixture.names).toEqual([]);
    expect(fixture.pass(5 * ROUND_MS, undefined, [2]).names).toEqual([5]);
  });

  test("stays when something speaks against it, or this node is no full member", () => {
    const fixture = new Fixture().silence(5);
    fixture.refused = { code: "too-few-copies", partitions: 1, holders: 1, needed: 2 };
    expect(fixture.pass(2 * GRACE_MS).names).toEqual([]);
    fixture.refused = undefined;
    fixture.isFull = false;
    expect(fixture.pass(2 * GRACE_MS).names).toEqual([]);
    fixture.isFull = true;
    expect(fixture.pass(2 * ROUND_MS).names).toEqual([5]);
  });

  test("stays when it is a seed", () => {
    const fixture = new Fixture().silence(5);
    fixture.seeds.add(nodeNamed(5));
    expect(fixture.pass(3 * GRACE_MS).names).toEqual([]);
  });

  test("is one of several: they go one after another, with time for all to hear of it, as long as those who are left are most", () => {
    expect(new Fixture().silence(4, 5).pass(GRACE_MS + 3_000).names).toEqual([4]);
    expect(new Fixture().silence(4, 5).pass(GRACE_MS + 10_000).names).toEqual([4, 5]);
    expect(new Fixture().silence(3, 4, 5).pass(100 * GRACE_MS).names).toEqual([]);
    expect(new Fixture({ nodes: 4 }).silence(3, 4).pass(100 * GRACE_MS).names).toEqual([]);
  });
});

describe("who waits", () => {
  test("lets those with lower ids go first, and takes over when they do not", () => {
    const fixture = new Fixture({ self: 3 }).silence(5).pass(GRACE_MS + 9_000);
    expect(fixture.names).toEqual([]);
    expect(fixture.pass(4_000).names).toEqual([5]);
  });

  test("knows nothing of the time for which it was away itself", () => {
    const fixture = new Fixture().silence(5).pass(GRACE_MS - ROUND_MS);
    fixture.surroundings.now += 10 * GRACE_MS;
    fixture.grace.onClockJump();
    expect(fixture.pass(GRACE_MS - ROUND_MS).names).toEqual([]);
    expect(fixture.pass(3 * ROUND_MS).names).toEqual([5]);
  });

  test("counts rounds, however late they come", () => {
    const fixture = new Fixture().silence(5);
    for (let round = 0; round < 10; round++) {
      fixture.surroundings.now += 2_000;
      fixture.pass(ROUND_MS);
    }
    expect(fixture.surroundings.now).toBeGreaterThan(GRACE_MS);
    expect(fixture.names).toEqual([]);
  });

  test("believes no answer to another question", () => {
    const fixture = new Fixture().silence(5).pass(GRACE_MS - ROUND_MS);
    for (const name of fixture.surroundings.pass(ROUND_MS)) if (name === "grace") fixture.grace.onTimer();
    const questions = fixture.surroundings.takeSent().map(({ to, message }) => ({ to, message }));
    expect(questions.map(({ to }) => to)).toEqual([2, 3, 4].map(nodeNamed));
    for (const { to, message } of questions)
      if (message.kind === "probe")
        fixture.grace.onReply(to, {
          kind: "probe-reply",
          sequence: message.sequence + 1,
          target: message.target,
          alive: false,
        });
    for (const name of fixture.surroundings.pass(ROUND_MS)) if (name === "grace") fixture.grace.onTimer();
    expect(fixture.names).toEqual([]);
  });
});

/**
 * A whole cluster of them, in groups that cannot reach each other and change at random; within a group news travels at once. The naive model: who was how
 * long together with whom.
 */
class World {
  readonly graces = new Map<NodeId, { readonly grace: Grace; readonly surroundings: StubSurroundings }>();
  readonly group = new Map<NodeId, number>();
  /** When two were together last, by both names. */
  readonly together = new Map<string, number>();
  readonly removals: {
    readonly by: NodeId;
    readonly node: NodeId;
    readonly silentMs: number;
    readonly of: number;
    readonly withIt: number;
  }[] = [];
  now = 0;

  constructor(nodes: number) {
    const view = viewOf({ nodes, n: 3, r: 2, w: 2 });
    for (const { node } of view.members) {
      const surroundings = new StubSurroundings(node, view, { removeAfterMs: GRACE_MS });
      const grace = new Grace(surroundings, {
        isFullMember: () => {
          const own = memberOf(surroundings.ring!.view, node);
          return own !== undefined && stays(own);
        },
        isSeed: () => false,
        refusal: (other) =>
          changeRefusal(
            surroundings.ring!,
            node,
            { kind: "remove", node: other, force: false, planned: undefined },
            (peer) => surroundings.reachable(peer),
          ),
        remove: (other, at) => this.#remove(node, other, at),
      });
      grace.start(0);
      this.graces.set(node, { grace, surroundings });
      this.group.set(node, 0);
    }
  }

  split(groups: readonly number[]): void {
    [...this.graces.keys()].forEach((node, i) => this.group.set(node, groups[i % groups.length]!));
  }

  pass(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      this.now += ROUND_MS;
      for (const [node, { surroundings }] of this.graces) {
        for (const other of this.graces.keys()) {
          const isNear = this.group.get(node) === this.group.get(other);
          if (isNear) this.together.set(pair(node, other), this.now);
          if (isNear) surroundings.down.delete(other);
          else surroundings.down.add(other);
        }
      }
      this.#gossip();
      for (const { grace, surroundings } of this.graces.values())
        for (const name of surroundings.pass(ROUND_MS)) if (name === "grace") grace.onTimer();
      for (const [from, { surroundings }] of this.graces)
        for (const { to, message } of surroundings.takeSent()) {
          if (message.kind !== "probe") continue;
          const { sequence, target } = message;
          const alive = this.group.get(to) === this.group.get(target);
          this.graces.get(from)!.grace.onReply(to, { kind: "probe-reply", sequence, target, alive });
        }
    }
  }

  viewOf(node: NodeId): View {
    return this.graces.get(node)!.surroundings.ring!.view;
  }

  #gossip(): void {
    for (const [node, { surroundings }] of this.graces)
      for (const [other, { surroundings: theirs }] of this.graces) {
        if (this.group.get(node) !== this.group.get(other)) continue;
        const merged = mergeView(surroundings.ring!.view, theirs.ring!.view.members, undefined);
        if (merged !== surroundings.ring!.view) surroundings.ring = new Ring(merged);
      }
  }

  #remove(by: NodeId, node: NodeId, at: number): void {
    const { surroundings } = this.graces.get(by)!;
    const { view } = surroundings.ring!;
    const staying = view.members.filter(stays).map((member) => member.node);
    const withIt = staying.filter((other) => this.group.get(other) === this.group.get(by)).length;
    const silentMs = this.now - (this.together.get(pair(by, node)) ?? 0);
    this.removals.push({ by, node, silentMs, of: staying.length, withIt });
    surroundings.ring = new Ring(mergeView(view, [goneEntry(memberOf(view, node)!, "removed", by, at)], undefined));
  }
}

function pair(a: NodeId, b: NodeId): string {
  return [a, b].sort().join();
}

const splits = fc.array(
  fc.record({
    groups: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 7, maxLength: 7 }),
    rounds: fc.integer({ min: 1, max: 60 }),
  }),
  { minLength: 1, maxLength: 8 },
);

describe("in any cluster whose members come together and part", () => {
  test("only a majority removes, and nobody whom it has met within the time; of two groups only one removes, and somebody stays", () => {
    let removed = 0;
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 7 }), splits, (nodes, phases) => {
        const world = new World(nodes);
        world.pass(6);
        for (const { groups, rounds } of phases) {
          const before = world.removals.length;
          world.split(groups);
          world.pass(rounds);
          const news = world.removals.slice(before);
          // Of the groups of one time at most one removes.
          expect(new Set(news.map(({ by }) => world.group.get(by))).size).toBeLessThanOrEqual(1);
        }
        for (const { silentMs, of, withIt } of world.removals) {
          expect(2 * withIt).toBeGreaterThan(of);
          expect(silentMs).toBeGreaterThanOrEqual(GRACE_MS);
        }
        removed += world.removals.length;
        // All heal: those who were removed hear it, and are removed for everybody.
        world.split([0]);
        world.pass(2);
        const gone = new Set(world.removals.map(({ node }) => node));
        for (const node of world.graces.keys())
          expect(
            new Set(
              world
                .viewOf(node)
                .members.filter(isGone)
                .map((member) => member.node),
            ),
          ).toEqual(gone);
        expect(gone.size).toBeLessThan(nodes);
      }),
      { numRuns: 300 },
    );
    expect(removed).toBeGreaterThan(10);
  });
});
