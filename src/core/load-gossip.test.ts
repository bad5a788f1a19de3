/** What members say of how busy they are comes to everybody, costs nothing when nothing changes, and rests when all know. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LoadGossip } from "./load-gossip.ts";
import type { NodeId } from "./identifiers.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const ROUND_MS = 1_000;

interface Host {
  readonly load: LoadGossip;
  readonly surroundings: StubSurroundings;
}

class World {
  readonly hosts = new Map<NodeId, Host>();
  messages = 0;

  constructor(nodes: number, loadFromPerSecond = 16) {
    const view = viewOf({ nodes, n: 2, r: 1, w: 1 });
    for (const { node } of view.members) {
      const surroundings = new StubSurroundings(node, view, { loadFromPerSecond });
      // Each draws otherwise than the others.
      for (let i = 0; i < 97 * this.hosts.size; i++) surroundings.random.uint32();
      const peers = () => view.members.flatMap((member) => (member.node === node ? [] : [member.node]));
      const load = new LoadGossip(surroundings, {
        peers: () => peers().filter((peer) => surroundings.reachable(peer)),
        incarnation: () => 3,
      });
      this.hosts.set(node, { load, surroundings });
    }
  }

  at(node: number): Host {
    return this.hosts.get(nodeNamed(node))!;
  }

  serve(node: number, perSecond: number, seconds: number): this {
    for (let s = 0; s < seconds; s++) {
      for (let i = 0; i < perSecond; i++) this.at(node).load.onServed(i % 8);
      this.pass(1);
    }
    return this;
  }

  pass(rounds: number, isLost: () => boolean = () => false): this {
    for (let round = 0; round < rounds; round++)
      for (const { load, surroundings } of this.hosts.values()) {
        surroundings.pass(ROUND_MS);
        load.onRound();
        for (const { to, message } of surroundings.takeSent()) {
          this.messages++;
          if (message.kind === "load-news" && !isLost()) this.hosts.get(to)!.load.onNews(message);
        }
      }
    return this;
  }

  /** What each says that the node is at. */
  levels(node: number): (number | undefined)[] {
    return [...this.hosts.values()].map(
      ({ load }) => load.entries.find((entry) => entry.node === nodeNamed(node))?.level,
    );
  }
}

describe("load", () => {
  test("comes to everybody, and then nobody says anything", () => {
    const world = new World(7).serve(2, 40, 60);
    expect(new Set(world.levels(2)).size).toBe(1);
    expect(world.levels(2)[0]).toBeGreaterThan(0);
    world.pass(300);
    expect(new Set(world.levels(2))).toEqual(new Set([0]));
    world.messages = 0;
    world.pass(100);
    expect(world.messages).toBe(0);
  });

  test("is news when it has doubled, every ten seconds at most", () => {
    const world = new World(3);
    const notes = () => world.at(1).surroundings.notes.filter((note) => note.what === "load").length;
    world.serve(1, 24, 120);
    const settled = notes();
    expect(settled).toBeLessThanOrEqual(2);
    world.serve(1, 30, 60).serve(1, 24, 60);
    expect(notes()).toBe(settled);
    world.serve(1, 200, 15);
    expect(notes()).toBeGreaterThan(settled);
    expect(notes()).toBeLessThanOrEqual(settled + 2);
  });

  test("is never said where hardly anybody asks, nor where it is off", () => {
    const idle = new World(4).serve(1, 5, 120);
    expect(idle.messages).toBe(0);
    const off = new World(4, Number.POSITIVE_INFINITY).serve(1, 1_000, 20);
    expect(off.messages).toBe(0);
    expect(off.at(1).load.servedPerMinute(0)).toBe(0);
  });

  test("names who answers late; half of the others make it slow for everybody", () => {
    const world = new World(5).serve(1, 40, 20);
    for (const node of [1, 2]) world.at(node).surroundings.slowPeers.add(nodeNamed(4));
    world.at(1).surroundings.slowPeers.add(nodeNamed(5));
    world.pass(40);
    for (const { load } of world.hosts.values()) expect(load.slow).toEqual([nodeNamed(4)]);
    for (const node of [1, 2]) world.at(node).surroundings.slowPeers.clear();
    world.pass(40);
    for (const { load } of world.hosts.values()) expect(load.slow).toEqual([]);
  });

  test("is told to who comes later, and forgotten of who is no member", () => {
    const world = new World(4);
    for (const { surroundings } of world.hosts.values()) surroundings.down.add(nodeNamed(4));
    for (const node of [1, 2, 3]) world.at(4).surroundings.down.add(nodeNamed(node));
    world.serve(1, 40, 60);
    expect(world.levels(1)[3]).toBeUndefined();
    for (const { surroundings } of world.hosts.values()) surroundings.down.clear();
    world.serve(1, 40, 3);
    expect(world.levels(1)[3]).toBeGreaterThan(0);
    world.at(2).load.onNews({
      kind: "load-news",
      entries: [{ node: nodeNamed(9), stamp: 5, level: 3, slow: [] }],
    });
    expect(world.at(2).load.size).toBe(world.at(3).load.size);
  });

  test("said by an earlier start of this node is outdone", () => {
    const world = new World(3).serve(1, 40, 20).pass(20);
    const stamp = 2 ** 40;
    world.at(1).load.onNews({ kind: "load-news", entries: [{ node: nodeNamed(1), stamp, level: 9, slow: [] }] });
    world.pass(20);
    const known = world.at(2).load.entries.find(({ node }) => node === nodeNamed(1))!;
    expect(known.stamp).toBe(stamp + 1);
    expect(known.level).toBeLessThan(9);
  });

  test("ends in the highest stamp of each at everybody who hears, in whatever order it comes", () => {
    const entry = fc.record({
      node: fc.integer({ min: 2, max: 5 }).map(nodeNamed),
      stamp: fc.integer({ min: 1, max: 20 }),
      level: fc.constant(0),
      slow: fc.constant([]),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const { load } = new World(5).at(1);
        for (const one of entries) load.onNews({ kind: "load-news", entries: [one] });
        const highest = new Map<NodeId, number>();
        for (const { node, stamp } of entries) highest.set(node, Math.max(stamp, highest.get(node) ?? 0));
        expect(new Map(load.entries.map(({ node, stamp }) => [node, stamp]))).toEqual(highest);
      }),
    );
  });
});
