/** When a newcomer begins to answer: only after enough others durably know of it and were compared with since, and nothing that was concluded has become void. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId, Partition, RequestId } from "./identifiers.ts";
import { type Member, type View, memberOf } from "./membership.ts";
import { LEAVES_PER_PARTITION, MerkleForest } from "./merkle-forest.ts";
import { Opening } from "./opening.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, type ViewOptions, nodeNamed, viewOf } from "./stub-surroundings.ts";

/** How often it looks, and asks. */
const TICK_MS = 150;

type Cluster = Pick<ViewOptions, "n" | "r" | "w"> & { readonly others: number };

/** The newcomer is the last of the members. */
class Fixture {
  readonly surroundings: StubSurroundings;
  readonly forest = new MerkleForest();
  readonly unopened = new Map<Partition, number>();
  readonly exchanges: { readonly peer: NodeId; readonly partitions: readonly Partition[]; readonly serial: number }[] =
    [];
  readonly opened: Partition[] = [];
  /** Whether an exchange can begin. */
  room = true;
  opening: Opening;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const { others, n, r, w } = cluster;
    this.surroundings = new StubSurroundings(nodeNamed(others + 1), viewOf({ nodes: others + 1, n, r, w }));
    this.opening = this.#make();
  }

  #make(): Opening {
    return new Opening(this.surroundings, this.forest, {
      unopened: () => this.unopened,
      exchange: (peer, partitions, serial) => {
        if (this.room) this.exchanges.push({ peer, partitions, serial });
        return this.room;
      },
      opened: (partitions) => {
        for (const partition of partitions) this.unopened.delete(partition);
        this.opened.push(...partitions);
      },
    });
  }

  get others(): NodeId[] {
    return Array.from({ length: this.#cluster.others }, (_, i) => nodeNamed(i + 1));
  }

  /** How many others it takes that every quorum among them has one that is through. */
  get needed(): number {
    const { n, r, w, others } = this.#cluster;
    return Math.min(others, n - Math.min(r, w, n) + 1);
  }

  /** The own entry as it is told, and which partitions it first tells of. */
  tell(version: number, partitions: readonly Partition[], change: Partial<Member> = {}): void {
    const { view } = this.surroundings.ring!;
    const members = view.members.map((member) =>
      member.node === this.surroundings.self ? { ...member, version, ...change } : member,
    );
    for (const partition of partitions) this.unopened.set(partition, version);
    this.see({ ...view, members });
  }

  see(view: View): void {
    this.surroundings.ring = new Ring(view);
    this.opening.onRing();
  }

  /** Time passes, and the timer fires if it is set. */
  tick(spanMs = TICK_MS): void {
    if (this.surroundings.pass(spanMs).includes("opening")) this.opening.onTimer();
  }

  /** Questions that were asked since the last call. */
  questions(): { to: NodeId; request: RequestId; incarnation: number; version: number }[] {
    return this.surroundings.takeSent().flatMap(({ to, message }) => {
      if (message.kind !== "known-request") return [];
      const { request, incarnation, version } = message;
      return [{ to, request, incarnation, version }];
    });
  }

  answer(from: NodeId, request: RequestId, known = true, unopened: readonly Partition[] = []): void {
    this.opening.onReply(from, { kind: "known-reply", request, known, unopened });
  }

  /** Everybody who was asked knows, and what is to be compared with them begins. */
  allKnow(): void {
    this.tick();
    for (const { to, request } of this.questions()) this.answer(to, request);
    this.tick(0);
  }

  /** The exchanges that have begun since the last call. */
  begun(): typeof this.exchanges {
    return this.exchanges.splice(0);
  }

  restart(): void {
    this.surroundings.timers.clear("opening");
    this.opening = this.#make();
    this.opening.onRing();
  }
}

const three: Cluster = { n: 3, r: 2, w: 2, others: 3 };

describe("opening", () => {
  test("waits until enough others know and were compared with, and no longer", () => {
    const fixture = new Fixture(three);
    fixture.tell(5, [0, 1]);
    expect(fixture.needed).toBe(2);
    fixture.tick();
    const questions = fixture.questions();
    expect(questions.map(({ to }) => to).sort()).toEqual(fixture.others);
    expect(fixture.begun()).toEqual([]);
    for (const { to, request } of questions.slice(0, 2)) fixture.answer(to, request);
    fixture.tick(0);
    const [one, two, ...more] = fixture.begun();
    expect(more).toEqual([]);
    expect([one?.partitions, two?.partitions]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    fixture.opening.onExchanged(one!.peer, one!.serial, true);
    fixture.opening.onExchanged(two!.peer, two!.serial, false);
    fixture.tick(0);
    expect(fixture.opened).toEqual([]);
    const [again] = fixture.begun();
    expect(again?.peer).toBe(two!.peer);
    fixture.opening.onExchanged(again!.peer, again!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0, 1]);
  });

  test("those who are not open themselves do not count, until they are", () => {
    const fixture = new Fixture(three);
    const [a, b, c] = fixture.others as [NodeId, NodeId, NodeId];
    fixture.tell(5, [0, 1]);
    fixture.tick();
    for (const { to, request } of fixture.questions()) fixture.answer(to, request, true, to === a ? [] : [0]);
    fixture.surroundings.down.add(a);
    fixture.tick(0);
    for (const { peer, serial } of fixture.begun()) fixture.opening.onExchanged(peer, serial, true);
    fixture.tick(0);
    // Of partition 0 only a is open, of partition 1 all are: b and c are enough there.
    expect(fixture.opened).toEqual([1]);
    fixture.tick();
    const again = fixture.questions();
    expect(again.map(({ to }) => to).sort()).toEqual([b, c]);
    for (const { to, request } of again) fixture.answer(to, request);
    fixture.tick(0);
    expect(fixture.opened).toEqual([1, 0]);
  });

  test("where one who could be asked is gone for good all the others are needed", () => {
    const fixture = new Fixture({ ...three, others: 2 });
    fixture.tell(5, [0]);
    fixture.allKnow();
    const [one, two] = fixture.begun();
    fixture.opening.onExchanged(one!.peer, one!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([]);
    fixture.opening.onExchanged(two!.peer, two!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
  });

  test("asks for the version that first told of the partition, and not before it was told", () => {
    const fixture = new Fixture(three);
    fixture.unopened.set(0, Infinity);
    fixture.opening.onRing();
    fixture.tick();
    expect(fixture.questions()).toEqual([]);
    fixture.tell(7, [0], { incarnation: 3 });
    fixture.tick();
    expect(fixture.questions().map(({ incarnation, version }) => [incarnation, version])).toEqual([
      [3, 7],
      [3, 7],
      [3, 7],
    ]);
  });

  test("asks again when a peer does not know yet, when its answer is overdue, and not before", () => {
    const fixture = new Fixture(three);
    const [first, second, third] = fixture.others;
    fixture.tell(5, [0]);
    fixture.tick();
    const before = new Map(fixture.questions().map((question) => [question.to, question]));
    fixture.answer(first!, before.get(first!)!.request, false);
    // Neither somebody else's answer, nor one to another question.
    fixture.answer(second!, before.get(third!)!.request);
    fixture.tick();
    const [again, ...more] = fixture.questions();
    expect([again?.to, more]).toEqual([first, []]);
    fixture.tick(fixture.surroundings.config.transferTimeoutMs / 2);
    expect(
      fixture
        .questions()
        .map(({ to }) => to)
        .sort(),
    ).toEqual(fixture.others);
    // The answer to the question before the last: it was true once, but of which version?
    fixture.answer(second!, before.get(second!)!.request);
    fixture.tick(0);
    expect(fixture.begun()).toEqual([]);
  });

  test("a later partition needs a later answer, and a comparison that began after it", () => {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    fixture.tell(5, [0]);
    fixture.allKnow();
    const [first] = fixture.begun();
    expect(first?.partitions).toEqual([0]);
    // While that one goes on, another partition is told of and known.
    fixture.tell(6, [1]);
    fixture.allKnow();
    expect(fixture.begun()).toEqual([]);
    fixture.opening.onExchanged(first!.peer, first!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
    const [second] = fixture.begun();
    expect(second?.partitions).toEqual([1]);
    fixture.opening.onExchanged(first!.peer, first!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
    fixture.opening.onExchanged(second!.peer, second!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0, 1]);
  });

  test("an answer to an earlier question does not stand for what was told after it", () => {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    fixture.tell(5, [0]);
    fixture.tick();
    const [question] = fixture.questions();
    fixture.tell(6, [1]);
    fixture.answer(question!.to, question!.request);
    fixture.tick(0);
    expect(fixture.begun().map(({ partitions }) => partitions)).toEqual([[0]]);
    expect(fixture.questions().map(({ version }) => version)).toEqual([6]);
  });

  test("of a node that is alone, or where one copy is all there is, takes what it takes", () => {
    const alone = new Fixture({ n: 3, r: 2, w: 2, others: 0 });
    alone.tell(1, [0, 3]);
    alone.tick();
    expect(alone.opened).toEqual([0, 3]);
    expect(alone.questions()).toEqual([]);

    // With N = 1 the former owner has everything, and must know before it is asked no more.
    const single = new Fixture({ n: 1, r: 1, w: 1, others: 1 });
    single.tell(1, [0]);
    single.tick();
    expect(single.opened).toEqual([]);
    single.allKnow();
    const [exchange] = single.begun();
    single.opening.onExchanged(exchange!.peer, exchange!.serial, true);
    single.tick(0);
    expect(single.opened).toEqual([0]);
  });

  test("a former owner that has let go is not waited for", () => {
    const fixture = new Fixture(three);
    fixture.tell(5, [0]);
    fixture.allKnow();
    const [one] = fixture.begun();
    fixture.opening.onExchanged(one!.peer, one!.serial, true);
    for (const { peer, serial } of fixture.begun()) fixture.opening.onExchanged(peer, serial, false);
    fixture.tick(0);
    expect(fixture.opened).toEqual([]);
    // The other two hold it no more: one is left who counts besides, and it was compared with.
    const left = Number.parseInt(one!.peer, 16);
    const newcomer = three.others + 1;
    const { n, r, w } = three;
    fixture.see(viewOf({ nodes: newcomer, n, r, w, version: 5, holds: (node) => node === newcomer || node === left }));
    fixture.tick();
    fixture.tick();
    expect(fixture.opened).toEqual([0]);
  });

  test("an exchange that failed, or could not begin, is tried again", () => {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    fixture.tell(5, [0]);
    fixture.room = false;
    fixture.allKnow();
    fixture.tick();
    expect(fixture.begun()).toEqual([]);
    fixture.room = true;
    for (const settled of [false, false, true]) {
      fixture.tick();
      const [exchange, ...more] = fixture.begun();
      expect(more).toEqual([]);
      expect(fixture.opened).toEqual([]);
      fixture.opening.onExchanged(exchange!.peer, exchange!.serial, settled);
    }
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
  });

  test("a peer that goes down in the middle is compared with anew, and what it was asked is asked anew", () => {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    const [peer] = fixture.others;
    fixture.tell(5, [0]);
    fixture.tick();
    fixture.opening.onPeerDown(peer!);
    const [lost] = fixture.questions();
    fixture.answer(peer!, lost!.request);
    fixture.tick();
    const [question] = fixture.questions();
    fixture.answer(peer!, question!.request);
    fixture.tick(0);
    const [cut] = fixture.begun();
    fixture.opening.onPeerDown(peer!);
    fixture.surroundings.down.add(peer!);
    fixture.opening.onExchanged(peer!, cut!.serial, true);
    fixture.tick();
    expect(fixture.opened).toEqual([]);
    expect(fixture.begun()).toEqual([]);
    fixture.surroundings.down.clear();
    fixture.tick();
    const [whole] = fixture.begun();
    fixture.opening.onExchanged(peer!, whole!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
  });

  test("under a new incarnation everybody is asked and compared with anew: versions begin anew with it", () => {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    fixture.tell(500, [0]);
    fixture.allKnow();
    const [before] = fixture.begun();
    fixture.tell(7, [0], { incarnation: 2 });
    fixture.tick();
    fixture.opening.onExchanged(before!.peer, before!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([]);
    const [question] = fixture.questions();
    expect([question?.incarnation, question?.version]).toEqual([2, 7]);
    fixture.answer(question!.to, question!.request);
    fixture.tick(0);
    const [after] = fixture.begun();
    fixture.opening.onExchanged(after!.peer, after!.serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0]);
  });

  test("a restart begins anew with what is written down as not open", () => {
    const fixture = new Fixture(three);
    fixture.tell(5, [0, 2]);
    fixture.allKnow();
    for (const { peer, serial } of fixture.begun().slice(0, 1)) fixture.opening.onExchanged(peer, serial, true);
    fixture.restart();
    expect(fixture.opening.size).toBe(0);
    fixture.allKnow();
    const exchanges = fixture.begun();
    expect(exchanges.map(({ partitions }) => partitions)).toEqual([
      [0, 2],
      [0, 2],
      [0, 2],
    ]);
    expect(fixture.opened).toEqual([]);
    for (const { peer, serial } of exchanges) fixture.opening.onExchanged(peer, serial, true);
    fixture.tick(0);
    expect(fixture.opened).toEqual([0, 2]);
  });

  test("with nothing to open costs nothing and remembers nobody", () => {
    const fixture = new Fixture(three);
    fixture.opening.onRing();
    expect(fixture.surroundings.timers.size).toBe(0);
    fixture.tell(5, [0]);
    fixture.allKnow();
    for (const { peer, serial } of fixture.begun()) fixture.opening.onExchanged(peer, serial, true);
    for (let i = 0; i < 3; i++) fixture.tick();
    expect(fixture.opened).toEqual([0]);
    expect([fixture.opening.size, fixture.surroundings.timers.size]).toEqual([0, 0]);
    expect(fixture.questions()).toEqual([]);
  });
});

describe("what voids a comparison", () => {
  /** Compared with all who are needed, and one tick away from opening. */
  function ready(): Fixture {
    const fixture = new Fixture({ n: 2, r: 1, w: 2, others: 1 });
    fixture.tell(5, [0]);
    fixture.allKnow();
    return fixture;
  }
  function settle(fixture: Fixture): void {
    for (const { peer, serial } of fixture.begun()) fixture.opening.onExchanged(peer, serial, true);
    fixture.tick(0);
  }
  const leaf = 77;

  test("nothing, and it opens", () => {
    const fixture = ready();
    settle(fixture);
    expect(fixture.opened).toEqual([0]);
  });

  test("a store that began before its end is waited for, one that began later is not", () => {
    const fixture = ready();
    const store = fixture.forest.begin(leaf);
    settle(fixture);
    expect(fixture.opened).toEqual([]);
    const later = fixture.forest.begin(leaf);
    fixture.forest.end(store, "stored");
    fixture.tick();
    expect(fixture.opened).toEqual([0]);
    fixture.forest.end(later, "stored");
  });

  test.each(["before it ends", "after it"])(
    "a store that fails %s: what was taken for equal was not on the disk",
    (when) => {
      const fixture = ready();
      const store = fixture.forest.begin(leaf);
      if (when === "before it ends") fixture.forest.end(store, "failed");
      settle(fixture);
      if (when === "after it") fixture.forest.end(store, "failed");
      fixture.tick();
      expect(fixture.opened).toEqual([]);
      // Somebody has looked; the comparison is made again, and stands.
      expect(fixture.forest.verify(leaf, 0, fixture.forest.observe())).toBe("wrong");
      fixture.tick();
      settle(fixture);
      expect(fixture.opened).toEqual([0]);
    },
  );

  test("a record that is found not to be there", () => {
    const fixture = ready();
    fixture.forest.recount(leaf, 5, 0);
    settle(fixture);
    expect(fixture.opened).toEqual([]);
    fixture.tick();
    settle(fixture);
    expect(fixture.opened).toEqual([0]);
  });

  test("a doubt, as long as there is one", () => {
    const fixture = ready();
    fixture.forest.doubt(leaf);
    settle(fixture);
    expect(fixture.opened).toEqual([]);
    fixture.forest.verify(leaf, 0, fixture.forest.observe());
    fixture.tick();
    expect(fixture.opened).toEqual([0]);
  });

  test("what happens in another partition does not", () => {
    const fixture = ready();
    const store = fixture.forest.begin(LEAVES_PER_PARTITION);
    fixture.forest.end(store, "failed");
    settle(fixture);
    expect(fixture.opened).toEqual([0]);
  });
});

describe("at random", () => {
  type Step =
    | { readonly what: "tick" }
    | { readonly what: "answer" | "end"; readonly which: number; readonly good: boolean }
    | { readonly what: "down" | "up"; readonly which: number }
    | { readonly what: "tell"; readonly which: number }
    | { readonly what: "begin" | "doubt" | "look" | "recount"; readonly which: number }
    | { readonly what: "end store"; readonly which: number; readonly good: boolean };
  const which = fc.nat(20);
  const good = fc.integer({ min: 0, max: 3 }).map((n) => n > 0);
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ what: fc.constant("tick") }) },
      { weight: 6, arbitrary: fc.record({ what: fc.constantFrom("answer", "end"), which, good }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constantFrom("down", "up", "tell"), which }) },
      {
        weight: 2,
        arbitrary: fc.record({ what: fc.constantFrom("begin", "doubt", "look", "look", "recount"), which }),
      },
      { weight: 2, arbitrary: fc.record({ what: fc.constant("end store"), which, good }) },
    ),
    { maxLength: 120, size: "max" },
  );
  const clusters: fc.Arbitrary<Cluster> = fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.nat(), fc.nat(), fc.integer({ min: 1, max: 4 }))
    .map(([n, a, b, others]) => {
      const r = 1 + (a % n);
      return { n, r, w: n - r + 1 + (b % r), others };
    });

  const PARTITIONS: readonly Partition[] = [0, 1, 2];
  const leafIn = (partition: Partition): number => partition * LEAVES_PER_PARTITION + 3;

  /** What has happened, with the time at which it did. */
  interface Story {
    readonly told: { readonly partition: Partition; readonly version: number }[];
    readonly known: { readonly node: NodeId; readonly version: number; readonly at: number }[];
    readonly compared: {
      readonly node: NodeId;
      readonly partitions: readonly Partition[];
      readonly from: number;
      readonly to: number;
    }[];
    readonly failed: { readonly partition: Partition; readonly at: number }[];
    readonly stores: { readonly number: number; readonly partition: Partition; readonly at: number; ended: boolean }[];
  }

  /** How many others are through with a partition now. */
  function through(fixture: Fixture, story: Story, partition: Partition): number {
    const version = story.told.findLast((told) => told.partition === partition)?.version ?? Infinity;
    if (fixture.forest.isDoubtful(partition)) return 0;
    return fixture.others.filter((node) =>
      story.compared.some(({ node: peer, partitions, from, to }) => {
        const knew = story.known.some((known) => known.node === node && known.version >= version && known.at < from);
        const sound = !story.failed.some((failure) => failure.partition === partition && failure.at > from);
        const durable = story.stores.every((store) => store.at > to || store.ended);
        return peer === node && partitions.includes(partition) && knew && sound && durable;
      }),
    ).length;
  }

  test("nothing opens before its time, and all opens in the end", () => {
    let early = 0;
    fc.assert(
      fc.property(clusters, steps, (cluster, list) => {
        const fixture = new Fixture(cluster);
        const story: Story = { told: [], known: [], compared: [], failed: [], stores: [] };
        const questions = new Map<NodeId, { request: RequestId; version: number }[]>();
        const running = new Map<number, { peer: NodeId; partitions: readonly Partition[]; from: number }>();
        let now = 0;
        let version = 1;
        const gather = (): void => {
          for (const { to, request, version: asked } of fixture.questions())
            (questions.get(to) ?? questions.set(to, []).get(to)!).push({ request, version: asked });
          for (const { peer, partitions, serial } of fixture.begun())
            running.set(serial, { peer, partitions, from: ++now });
        };
        const tick = (spanMs?: number): void => {
          // Judged by what is so before: opening is what the tick does first.
          const ready = new Set(PARTITIONS.filter((p) => through(fixture, story, p) >= fixture.needed));
          const before = fixture.opened.length;
          fixture.tick(spanMs);
          for (const partition of fixture.opened.slice(before)) expect(ready).toContain(partition);
          gather();
        };
        const tell = (partition: Partition): void => {
          if (story.told.some((told) => told.partition === partition)) return;
          fixture.tell(++version, [partition]);
          story.told.push({ partition, version });
        };
        const answer = (node: NodeId, good: boolean): void => {
          const question = questions.get(node)?.shift();
          if (question === undefined) return;
          fixture.answer(node, question.request, good);
          if (good) story.known.push({ node, version: question.version, at: ++now });
        };
        const end = (serial: number | undefined, good: boolean): void => {
          const exchange = running.get(serial ?? -1);
          if (serial === undefined || exchange === undefined) return;
          running.delete(serial);
          const { peer: node, partitions, from } = exchange;
          // Everything that is under way now has begun before this end.
          if (good) story.compared.push({ node, partitions, from, to: ++now });
          fixture.opening.onExchanged(node, serial, good);
        };
        tell(0);
        for (const step of list) {
          now++;
          const node = fixture.others["which" in step ? step.which % fixture.others.length : 0]!;
          const partition = "which" in step ? step.which % PARTITIONS.length : 0;
          const leaf = leafIn(partition);
          switch (step.what) {
            case "tick":
              tick();
              break;
            case "answer":
              answer(node, step.good);
              break;
            case "end":
              end([...running.keys()][step.which % Math.max(1, running.size)], step.good);
              break;
            case "down":
              fixture.surroundings.down.add(node);
              fixture.opening.onPeerDown(node);
              // What it was asked is lost, and its exchanges end as failed or are not believed.
              questions.delete(node);
              for (const [serial, { peer }] of running) if (peer === node) running.delete(serial);
              break;
            case "up":
              fixture.surroundings.down.delete(node);
              break;
            case "tell":
              tell(partition);
              break;
            case "begin":
              story.stores.push({ number: fixture.forest.begin(leaf), partition, at: now, ended: false });
              break;
            case "end store": {
              const store = story.stores.find(({ ended }) => !ended);
              if (store === undefined) break;
              store.ended = true;
              fixture.forest.end(store.number, step.good ? "stored" : "failed");
              if (!step.good) story.failed.push({ partition: store.partition, at: now });
              break;
            }
            case "doubt":
              fixture.forest.doubt(leaf);
              break;
            case "look":
              fixture.forest.verify(leaf, 0, fixture.forest.observe());
              break;
            case "recount":
              fixture.forest.recount(leaf, 1, 2);
              story.failed.push({ partition, at: now });
              fixture.forest.set(leaf, 0);
              break;
          }
          gather();
        }
        early += fixture.opened.length;
        // From here on all goes well.
        fixture.surroundings.down.clear();
        for (const partition of PARTITIONS) tell(partition);
        for (const store of story.stores) fixture.forest.end(store.number, "stored");
        for (const store of story.stores) store.ended = true;
        for (let i = 0; i < 12; i++) {
          for (const partition of PARTITIONS) fixture.forest.verify(leafIn(partition), 0, fixture.forest.observe());
          tick(2_000);
          for (const node of fixture.others) while (questions.get(node)?.length) answer(node, true);
          tick(0);
          for (const serial of [...running.keys()]) end(serial, true);
        }
        expect(fixture.opened.toSorted((a, b) => a - b)).toEqual(PARTITIONS);
        expect(memberOf(fixture.surroundings.ring!.view, fixture.surroundings.self)?.version).toBe(version);
      }),
      { numRuns: 800 },
    );
    // The draws reach both sides of the line.
    expect(early).toBeGreaterThan(200);
  });
});
