/** Gossip among many, over links that lose, double and delay: everybody ends with the join of all views, and then they are quiet. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { BucketEntry } from "./buckets.ts";
import { defaultConfig, parametersFrom } from "./config.ts";
import type { Note } from "./effect.ts";
import { Gossip } from "./gossip.ts";
import { type Member, type View, mergeView, noHolders } from "./membership.ts";
import type { Message } from "./message.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed as id } from "./stub-surroundings.ts";

const member = (n: number, version: number): Member => ({
  node: id(n),
  incarnation: 1,
  version,
  capacity: 1,
  zone: `z${version}`,
  holders: noHolders(8),
  tokens: [],
  protocolMin: 1,
  protocolMax: 1,
  hidden: false,
});
const bucket = (name: string, version: number): BucketEntry => ({
  name,
  version,
  setBy: id(1),
  properties: { r: undefined, w: version, pr: undefined, pw: undefined, dw: undefined, policy: "siblings" },
});
const view = (members: readonly Member[], owner: number): View => ({
  parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: 8 }),
  members: [...members].sort((a, b) => (a.node < b.node ? -1 : 1)),
  claims: Array.from({ length: 8 }, (_, p) => ({ owner: id(owner), version: 1 + ((p + owner) % 3) })),
  buckets: [],
});

class Talk {
  readonly views: (View | undefined)[];
  readonly nodes: Gossip[];
  readonly way: { from: number; to: number; message: Message }[] = [];
  readonly prng: Prng;
  readonly #surroundings: readonly StubSurroundings[];
  sent = 0;
  peersOf: (n: number) => number[];
  seedsOf: (n: number) => number[] = () => [];

  constructor(views: (View | undefined)[], seed: number, config = defaultConfig) {
    this.views = views;
    this.prng = Prng.fromNumber(seed);
    this.peersOf = (n) => views.map((_, m) => m).filter((m) => m !== n);
    this.#surroundings = views.map((own, n) => new StubSurroundings(id(n), own, config, this.prng.fork()));
    this.nodes = this.#surroundings.map((surroundings, n) => this.#node(n, surroundings));
  }

  get notes(): Note[] {
    return this.#surroundings.flatMap(({ notes }) => notes);
  }

  #node(n: number, surroundings: StubSurroundings): Gossip {
    const { views } = this;
    return new Gossip(surroundings, {
      peers: () => this.peersOf(n).map(id),
      seeds: () => this.seedsOf(n).map(id),
      learn: (news) => {
        const own = views[n];
        const view = own === undefined ? news.view : mergeView(own, news.members, news.claims, news.buckets);
        views[n] = view;
        surroundings.ring = view === undefined ? undefined : new Ring(view);
      },
    });
  }

  /** What they have sent is on its way. */
  #collect(): void {
    for (const [from, surroundings] of this.#surroundings.entries())
      for (const { to, message } of surroundings.takeSent()) {
        this.sent++;
        this.way.push({ from, to: Number.parseInt(to, 16), message });
      }
  }

  /** The timer of everybody goes off; nothing arrives yet. */
  tick(): void {
    for (const node of this.nodes) node.onTimer();
    this.#collect();
  }

  deliver(loss: number): void {
    for (let i = 0; this.way.length > 0 && i < 10_000; i++) {
      const [next] = this.way.splice(this.prng.below(this.way.length), 1);
      if (this.prng.chance(loss)) continue;
      this.#receive(next!);
      if (this.prng.chance(loss)) this.#receive(next!);
      this.#collect();
    }
  }

  #receive({ from, to, message }: { from: number; to: number; message: Message }): void {
    if (message.kind === "gossip-digest") this.nodes[to]!.onDigest(id(from), message);
    else if (message.kind === "gossip-versions") this.nodes[to]!.onVersions(id(from), message);
    else if (message.kind === "gossip-news") this.nodes[to]!.onNews(id(from), message);
  }

  round(loss = 0): void {
    this.tick();
    this.deliver(loss);
  }
}

const differing = fc.record({
  seed: fc.integer(),
  loss: fc.constantFrom(0, 0.2, 0.5),
  views: fc.array(
    fc.option(
      fc.record({
        known: fc.array(fc.tuple(fc.nat(7), fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 8 }),
        owner: fc.nat(7),
        set: fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 3 })), { maxLength: 2 }),
      }),
      { freq: 5 },
    ),
    { minLength: 2, maxLength: 8 },
  ),
});

describe("gossip", () => {
  test("ends in the join of all views at everybody, whatever is lost or doubled on the way, and says nothing more then", () => {
    fc.assert(
      fc.property(differing, ({ seed, loss, views }) => {
        fc.pre(views.some((own) => own !== null));
        const made = views.map((own) =>
          own === null
            ? undefined
            : mergeView(
                view([], own.owner),
                own.known.map(([n, version]) => member(n, version)),
                undefined,
                own.set.map(([name, version]) => bucket(name, version)),
              ),
        );
        const known = made.filter((own) => own !== undefined);
        const all = known.reduce((a, b) => mergeView(a, b.members, b.claims, b.buckets));
        const talk = new Talk(made, seed);
        for (let i = 0; i < 10; i++) talk.round(loss);
        for (let i = 0; i < 60; i++) talk.round();
        for (const own of talk.views) expect(own).toEqual(all);
        talk.sent = 0;
        talk.round();
        // A digest each, and no answers.
        expect(talk.sent).toBe(views.length);
      }),
      { numRuns: 200 },
    );
  });

  test("two halves that grew apart merge when one link joins them", () => {
    const left = view([member(0, 1), member(1, 1)], 0);
    const right = view([member(2, 1), member(3, 1)], 3);
    const talk = new Talk([left, left, right, right], 1);
    const half = (n: number) => (n < 2 ? [0, 1] : [2, 3]).filter((m) => m !== n);
    talk.peersOf = half;
    for (let i = 0; i < 5; i++) talk.round();
    expect(talk.views[0]).toBe(left);
    talk.peersOf = (n) => (n === 1 ? [0, 2] : n === 2 ? [1, 3] : half(n));
    for (let i = 0; i < 30; i++) talk.round();
    for (const own of talk.views) expect(own!.members).toHaveLength(4);
    expect(new Set(talk.views.map((own) => new Ring(own!).digest)).size).toBe(1);
  });

  test("two halves that know nothing of each other meet at a seed", () => {
    const left = view([member(0, 1), member(1, 1)], 0);
    const right = view([member(2, 1), member(3, 1)], 3);
    const seed = 4;
    const talk = new Talk([left, left, right, right, undefined], 1);
    // Each knows of its other half, and all were told of the seed from outside.
    talk.peersOf = (n) => (n === seed ? [0, 1, 2, 3] : [...(n < 2 ? [0, 1] : [2, 3]), seed].filter((m) => m !== n));
    talk.seedsOf = (n) => (n === seed ? [] : [seed]);
    for (let i = 0; i < 30; i++) talk.round();
    for (const own of talk.views) expect(own!.members).toHaveLength(4);
    expect(new Set(talk.views.map((own) => new Ring(own!).digest)).size).toBe(1);
  });

  test("reaches a seed now and then, however many other peers there are", () => {
    const talk = new Talk(
      Array.from({ length: 60 }, () => undefined),
      1,
    );
    talk.seedsOf = (n) => (n === 0 ? [] : [0]);
    let greeted = 0;
    for (let i = 0; i < 50; i++) {
      talk.tick();
      greeted += talk.way.filter(({ to }) => to === 0).length;
      talk.way.length = 0;
    }
    // One in ten of 59 x 50 rounds, and the one in 59 that it would get as any other peer.
    expect(greeted).toBeGreaterThan(250);
    expect(greeted).toBeLessThan(450);
  });

  test("a rumour is everywhere after about log n rounds, after fewer with a larger fan-out, which costs more messages", () => {
    const told = (nodes: number, gossipFanOut: number, seed: number) => {
      const old = view(
        Array.from({ length: nodes }, (_, n) => member(n, 1)),
        0,
      );
      const news = mergeView(old, [member(1, 2)], undefined);
      const talk = new Talk([news, ...Array.from({ length: nodes - 1 }, () => old)], seed, {
        ...defaultConfig,
        gossipFanOut,
      });
      let rounds = 0;
      for (; talk.views.some((own) => own!.members[1]!.version < 2); rounds++) talk.round();
      talk.sent = 0;
      talk.round();
      return { rounds, idle: talk.sent };
    };
    const mean = (nodes: number, fanOut: number) =>
      [1, 2, 3, 4, 5].reduce((sum, seed) => sum + told(nodes, fanOut, seed).rounds, 0) / 5;
    const [few, many] = [mean(8, 1), mean(64, 1)];
    // Eight times the nodes: three doublings more, and some rounds until the last one is met.
    expect(many).toBeGreaterThan(few);
    expect(many).toBeLessThan(few + 6);
    expect(mean(64, 3)).toBeLessThan(many);
    for (const fanOut of [1, 2, 3]) expect(told(64, fanOut, 1).idle).toBe(64 * fanOut);
  });

  test("a cluster with other parameters is not merged", () => {
    const ours = view([member(0, 1)], 0);
    const theirs = { ...view([member(1, 1)], 1), parameters: parametersFrom({ n: 2, r: 1, w: 1, partitions: 8 }) };
    const talk = new Talk([ours, theirs], 1);
    for (let i = 0; i < 10; i++) talk.round();
    expect(talk.views).toEqual([ours, theirs]);
    expect(talk.notes).toContainEqual({
      what: "parameters-differ",
      peer: id(1),
      difference: "n is 3 here and 2 there, r is 2 here and 1 there, w is 2 here and 1 there",
    });
  });

  test("a newcomer that expects other parameters takes nothing in, and one that expects these does", () => {
    const ours = view([member(0, 1)], 0);
    const wary = new Talk([ours, undefined], 1, { ...defaultConfig, expects: { n: 5 } });
    for (let i = 0; i < 10; i++) wary.round();
    expect(wary.views[1]).toBeUndefined();
    expect(wary.notes).toContainEqual({
      what: "parameters-differ",
      peer: id(0),
      difference: "n is 5 here and 3 there",
    });
    const content = new Talk([ours, undefined], 1, { ...defaultConfig, expects: { n: 3, placement: 3 } });
    for (let i = 0; i < 10; i++) content.round();
    expect(content.views[1]).toEqual(ours);
    expect(content.notes).toEqual([]);
  });
});
