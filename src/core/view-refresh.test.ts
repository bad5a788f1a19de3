/** A light client's view: what members tell of theirs, when it asks, and what it makes of the answers. */

import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { bucketsDigest } from "./buckets.ts";
import type { NodeId } from "./identifiers.ts";
import { type Member, type View, mergeView } from "./membership.ts";
import type { ViewReply, ViewRequest } from "./message.ts";
import { Ring, digestOf } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { viewReplyTo } from "./view-news.ts";
import { EXTRA_BURST, EXTRA_PER_SECOND, ViewRefresh } from "./view-refresh.ts";

const SHAPE = { n: 3, r: 2, w: 2 };
const founded = viewOf({ nodes: 3, ...SHAPE });
const LIGHT = nodeNamed(99);

/** The same view with a member's entry counted up. */
function changed(view: View, node: number): View {
  const entry = view.members[node]!;
  return mergeView(view, [{ ...entry, version: entry.version + 1, hidden: !entry.hidden }], undefined);
}

class Bench {
  readonly surroundings = new StubSurroundings(LIGHT);
  readonly refresh: ViewRefresh;
  readonly useless: NodeId[] = [];
  /** How often a member has answered by each view. */
  readonly answered = new Map<number, number>();
  /** What each member sees. */
  readonly views = new Map<NodeId, View>([1, 2, 3].map((n) => [nodeNamed(n), founded]));
  changes = 0;

  constructor() {
    this.refresh = new ViewRefresh(this.surroundings, {
      candidates: () => [...this.views.keys()].filter((node) => !this.surroundings.down.has(node)),
      changed: () => this.changes++,
      useless: (peer) => this.useless.push(peer),
    });
    this.refresh.start();
  }

  /** What it has asked since the last look. */
  questions(): { readonly to: NodeId; readonly message: ViewRequest }[] {
    return this.surroundings.takeSent().flatMap(({ to, message }) => {
      if (message.kind !== "view-request") return [];
      return [{ to, message }];
    });
  }

  answer({ to, message }: { readonly to: NodeId; readonly message: ViewRequest }, reply?: ViewReply["outcome"]): void {
    const view = this.views.get(to);
    if (view !== undefined) this.answered.set(digestOf(view), (this.answered.get(digestOf(view)) ?? 0) + 1);
    const told = viewReplyTo(view === undefined ? undefined : new Ring(view), message);
    this.refresh.onReply(to, reply === undefined ? told : { ...told, outcome: reply, news: undefined });
  }

  /** Answers until nothing more is asked; how many questions that were. */
  settle(): number {
    let questions = 0;
    for (let [asked] = this.questions(); asked !== undefined; [asked] = this.questions()) {
      questions++;
      this.answer(asked);
    }
    return questions;
  }

  pass(ms: number): void {
    for (const name of this.surroundings.pass(ms)) {
      if (name === "view-turn") this.refresh.onTurnTimer();
      else if (name === "view-again") this.refresh.onAgainTimer();
      else if (name === "view-overdue") this.refresh.onOverdueTimer();
    }
  }
}

/** One that has met the members. */
function acquainted(): Bench {
  const bench = new Bench();
  bench.refresh.onPeerUp(nodeNamed(1));
  bench.settle();
  expect(bench.refresh.ring?.digest).toBe(digestOf(founded));
  return bench;
}

describe("what a member tells of its view", () => {
  const ring = new Ring(founded);
  const versions = (view: View) => ({
    members: view.members.map(({ node, incarnation, version }) => ({ node, incarnation, version })),
    claims: 1,
    buckets: bucketsDigest(view.buckets),
  });

  test("that it is the same or another, and only then what is news", () => {
    const ask = { kind: "view-request", request: 7, digest: ring.digest, known: undefined } as const;
    expect(viewReplyTo(ring, ask)).toMatchObject({ request: 7, outcome: "same", digest: ring.digest, news: undefined });
    expect(viewReplyTo(ring, { ...ask, digest: 1 })).toMatchObject({ outcome: "differs", news: undefined });
    expect(viewReplyTo(undefined, ask)).toMatchObject({ outcome: "unknown" });
    const old = { ...founded, members: founded.members.map((member, i) => ({ ...member, version: i })) };
    const news = viewReplyTo(ring, { ...ask, digest: 1, known: versions(old) });
    expect(news.outcome).toBe("news");
    // Entry 1 is at version 1 on both sides, entry 2 later at the asker's.
    expect(news.news?.members).toEqual([founded.members[0]]);
    expect(news.news?.claims).toEqual(founded.claims);
    expect(news.news?.buckets).toBeUndefined();
  });
});

test("who has no view asks the first that comes up, for all of it", () => {
  const bench = new Bench();
  bench.refresh.onPeerUp(nodeNamed(2));
  const [first, ...more] = bench.questions();
  expect(more).toEqual([]);
  expect(first).toMatchObject({ to: nodeNamed(2), message: { digest: undefined, known: { members: [] } } });
  bench.refresh.onPeerUp(nodeNamed(3));
  expect(bench.questions()).toEqual([]);
  bench.answer(first!);
  expect(bench.refresh.ring?.view).toEqual(founded);
  expect(bench.changes).toBe(1);
});

test("told by an answer that its view is stale, it asks that member at once, and learns what changed", () => {
  const bench = acquainted();
  const later = changed(founded, 1);
  bench.views.set(nodeNamed(3), later);
  bench.refresh.onAnswered(nodeNamed(3), digestOf(later));
  const [asked] = bench.questions();
  expect(asked).toMatchObject({ to: nodeNamed(3), message: { known: undefined } });
  bench.answer(asked!);
  expect(bench.settle()).toBe(1);
  expect(bench.refresh.ring?.digest).toBe(digestOf(later));
  expect(bench.refresh.figures).toMatchObject({ toldStale: 1, changes: 2, viewAgeMs: 0 });
  // Those that have not heard of it yet are the stale ones: asked about once, not each time they answer.
  for (let i = 0; i < 10; i++) {
    bench.refresh.onAnswered(nodeNamed(1), digestOf(founded));
    bench.settle();
  }
  expect(bench.refresh.figures).toMatchObject({ toldStale: 2, changes: 2 });
  expect(bench.refresh.ring?.digest).toBe(digestOf(later));
});

test("a member of another cluster, or one that has met nobody, is of no use", () => {
  const bench = acquainted();
  const other = changed(viewOf({ nodes: 3, n: 2, r: 1, w: 1 }), 0);
  bench.views.set(nodeNamed(1), other);
  bench.refresh.onAnswered(nodeNamed(1), digestOf(other));
  bench.settle();
  expect(bench.useless).toEqual([nodeNamed(1)]);
  expect(bench.surroundings.notes.map(({ what }) => what)).toContain("parameters-differ");
  expect(bench.refresh.ring?.digest).toBe(digestOf(founded));
  const waiting = new Bench();
  waiting.views.delete(nodeNamed(2));
  waiting.views.delete(nodeNamed(3));
  waiting.refresh.onPeerUp(nodeNamed(1));
  waiting.answer(waiting.questions()[0]!, "unknown");
  expect(waiting.useless).toEqual([nodeNamed(1)]);
});

test("one that is busy or silent is replaced by another, each time after a longer wait", () => {
  const bench = acquainted();
  bench.views.set(nodeNamed(1), changed(founded, 0));
  bench.refresh.onAnswered(nodeNamed(1), digestOf(bench.views.get(nodeNamed(1))!));
  let asked = bench.questions();
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    bench.answer(asked[0]!, "busy");
    expect(bench.questions()).toEqual([]);
    const since = bench.surroundings.now;
    for (asked = []; asked.length === 0; asked = bench.questions()) bench.pass(5);
    waits.push(bench.surroundings.now - since);
  }
  expect(waits[2]).toBeGreaterThan(waits[0]!);
  bench.answer(asked[0]!);
  bench.settle();
  expect(bench.refresh.ring?.digest).toBe(digestOf(bench.views.get(nodeNamed(1))!));
});

test("who was told of news and could not have them asks for nothing else the next time", () => {
  const bench = acquainted();
  bench.views.set(nodeNamed(1), changed(founded, 0));
  bench.refresh.onAnswered(nodeNamed(1), digestOf(bench.views.get(nodeNamed(1))!));
  const [first] = bench.questions();
  expect(first!.message.known).toBeUndefined();
  bench.answer(first!);
  const [second] = bench.questions();
  expect(second!.message.known).toBeDefined();
  bench.answer(second!, "busy");
  let asked: ReturnType<typeof bench.questions> = [];
  while (asked.length === 0) {
    bench.pass(5);
    asked = bench.questions();
  }
  expect(asked[0]!.message.known).toBeDefined();
  bench.answer(asked[0]!);
  bench.settle();
  expect(bench.refresh.ring?.digest).toBe(digestOf(bench.views.get(nodeNamed(1))!));
});

test("turns come at the same rate whether anything changes or not", () => {
  const count = (changes: boolean): number => {
    const bench = acquainted();
    let turns = 0;
    for (let s = 0; s < 6_000; s++) {
      bench.pass(100);
      if (changes && s % 7 === 0)
        for (const node of bench.views.keys()) bench.views.set(node, changed(bench.views.get(node)!, s % 3));
      turns += bench.questions().filter((asked) => {
        bench.answer(asked);
        return asked.message.known === undefined;
      }).length;
    }
    return turns;
  };
  // 600 seconds, one turn in 10.
  for (const changes of [false, true]) {
    expect(count(changes)).toBeGreaterThanOrEqual(54);
    expect(count(changes)).toBeLessThanOrEqual(66);
  }
});

/**
 * Against a model that knows only sets of versions: each member has a view of its own that changes and spreads, questions and answers are lost, doubled
 * or late. The light client has never more than members have told, loses nothing that it was told, unless it takes over a view by which it was answered
 * three times and more, asks one question at a time and within its rate, and when nothing fails any more it has all that any member it is sent to has.
 */
test("property: it never goes back, never asks too often, and catches up", () => {
  const step = fc.record({
    do: fc.constantFrom("change", "spread", "told", "answer", "lose", "late", "pass", "down", "up"),
    a: fc.nat(2),
    b: fc.nat(2),
    ms: fc.nat(3_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const bench = acquainted();
      const { surroundings, refresh, views } = bench;
      const node = (n: number): NodeId => nodeNamed(n + 1);
      let open: ReturnType<Bench["questions"]> = [];
      const past: ReturnType<Bench["questions"]> = [];
      let tokens = EXTRA_BURST + 3;
      let at = surroundings.now;
      let known: readonly Member[] = refresh.ring!.view.members;
      const look = (): void => {
        const asked = bench.questions();
        const perMs = (EXTRA_PER_SECOND + 1_000 / (0.75 * surroundings.config.viewRefreshMs)) / 1_000;
        tokens = Math.min(EXTRA_BURST + 3, tokens + (surroundings.now - at) * perMs);
        at = surroundings.now;
        tokens -= asked.filter(({ message }) => message.known === undefined).length;
        expect(tokens).toBeGreaterThanOrEqual(0);
        expect(asked.length).toBeLessThanOrEqual(1);
        if (asked.length > 0) open = asked;
        const { view } = refresh.ring!;
        if ((bench.answered.get(digestOf(view)) ?? 0) <= 3) expect(mergeView(view, known, undefined)).toBe(view);
        known = view.members;
        const told = [...views.values()].reduce((all, each) => mergeView(all, each.members, undefined), founded);
        expect(mergeView(told, view.members, undefined)).toBe(told);
      };
      for (const { do: what, a, b, ms } of steps) {
        const peer = node(a);
        if (what === "change") views.set(peer, changed(views.get(peer)!, b));
        else if (what === "spread")
          views.set(peer, mergeView(views.get(peer)!, views.get(node(b))!.members, views.get(node(b))!.claims));
        else if (what === "told") refresh.onAnswered(peer, digestOf(views.get(peer)!));
        else if (what === "pass") bench.pass(ms);
        else if (what === "up") surroundings.down.delete(peer);
        else if (what === "down") {
          surroundings.down.add(peer);
          refresh.onPeerDown(peer);
        } else if (what === "late") past.forEach((asked) => bench.answer(asked));
        else {
          past.push(...open);
          if (what === "answer") open.forEach((asked) => bench.answer(asked));
          open = [];
        }
        look();
      }
      surroundings.down.clear();
      for (const peer of views.keys()) {
        for (let i = 0; i < 20 && refresh.ring?.digest !== digestOf(views.get(peer)!); i++) {
          refresh.onAnswered(peer, digestOf(views.get(peer)!));
          bench.settle();
          bench.pass(2_000);
          bench.settle();
        }
      }
      const { view } = refresh.ring!;
      for (const each of views.values()) expect(mergeView(view, each.members, each.claims)).toBe(view);
    }),
  );
});

describe("what no member knows any more", () => {
  /** The light client was told of a change by a member that ended before anybody else, or its disk, had it. */
  function alone(): Bench {
    const bench = acquainted();
    bench.views.set(nodeNamed(1), changed(founded, 0));
    bench.refresh.onAnswered(nodeNamed(1), digestOf(bench.views.get(nodeNamed(1))!));
    bench.settle();
    expect(bench.refresh.ring?.digest).toBe(digestOf(changed(founded, 0)));
    bench.views.set(nodeNamed(1), founded);
    return bench;
  }
  /** Turns that were answered. */
  function turns(bench: Bench, count: number): void {
    for (let i = 0; i < count;) {
      bench.pass(1_000);
      if (bench.settle() > 0) i++;
    }
  }

  test("is given up when all members have answered by one older view", () => {
    const bench = alone();
    turns(bench, 2);
    expect(bench.refresh.ring?.digest).toBe(digestOf(changed(founded, 0)));
    turns(bench, 2);
    expect(bench.refresh.ring?.digest).toBe(digestOf(founded));
    // And from there on it learns as ever.
    for (const node of bench.views.keys()) bench.views.set(node, changed(founded, 1));
    turns(bench, 1);
    expect(bench.refresh.ring?.digest).toBe(digestOf(changed(founded, 1)));
  });

  test("is kept while one member that can be reached knows it, or may", () => {
    const bench = alone();
    bench.views.set(nodeNamed(3), changed(founded, 0));
    turns(bench, 20);
    expect(bench.refresh.ring?.digest).toBe(digestOf(changed(founded, 0)));

    const other = alone();
    // Only one of the three ever answers.
    for (let answers = 0; answers < 8;) {
      other.pass(1_000);
      for (const asked of other.questions()) {
        if (asked.to !== nodeNamed(2)) continue;
        other.answer(asked);
        answers++;
      }
    }
    expect(other.refresh.ring?.digest).toBe(digestOf(changed(founded, 0)));
    other.surroundings.down.add(nodeNamed(1)).add(nodeNamed(3));
    turns(other, 2);
    expect(other.refresh.ring?.digest).toBe(digestOf(founded));
  });
});
