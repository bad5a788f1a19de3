/** The failure detector on a clock of the test's: opinions, epochs, gray failures, local health. */

import { beforeEach, describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { defaultConfig } from "./config.ts";
import type { Effect, Note } from "./effect.ts";
import { FailureDetector, ofOneStart } from "./failure-detector.ts";
import type { NodeId } from "./identifiers.ts";
import type { Message } from "./message.ts";
import { Ring } from "./ring.ts";
import { viewOf } from "./stub-surroundings.ts";
import type { Surroundings } from "./surroundings.ts";
import { TimerTable } from "./timers.ts";
import { PROTOCOL_VERSION } from "./versions.ts";

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const [self, peer, friend] = [id(1), id(2), id(3)];

class Fixture {
  now = 1_000;
  readonly effects: Effect[] = [];
  readonly notes: Note["what"][] = [];
  readonly events: string[] = [];
  wanted: NodeId[] = [];
  ring: Ring | undefined;
  readonly timers = new TimerTable();
  readonly detector: FailureDetector;

  constructor(incarnation = 3) {
    const now = () => this.now;
    const ring = () => this.ring;
    const surroundings: Surroundings = {
      self,
      config: defaultConfig,
      random: Prng.fromNumber(1),
      timers: this.timers,
      get now() {
        return now();
      },
      get ring() {
        return ring();
      },
      reachable: (node) => this.detector.reachable(node),
      slow: () => false,
      reads: () => true,
      protocol: PROTOCOL_VERSION,
      mayWork: () => true,
      mayStore: () => true,
      mayAnswer: () => true,
      listOf: () => undefined,
      nextRequest: () => 1,
      nextTicket: () => 1,
      epochOf: () => 1,
      send: (to, message, lane) => {
        const epoch = this.detector.epochOf(to);
        if (epoch === undefined || !this.detector.reachable(to)) return false;
        this.effects.push({ kind: "send", to, epoch, lane, message });
        return true;
      },
      emit: (effect) => this.effects.push(effect),
      store: () => {},
      complete: () => {},
      note: (note) => this.notes.push(note.what),
    };
    this.detector = new FailureDetector(surroundings, incarnation, {
      up: (node) => this.events.push(`up ${Number.parseInt(node, 16)}`),
      down: (node) => this.events.push(`down ${Number.parseInt(node, 16)}`),
      renewed: () => this.events.push("renewed"),
      wanted: () => this.wanted,
    });
    this.detector.onTimer();
  }

  pass(ms: number, answering: readonly NodeId[] = []): void {
    const until = this.now + ms;
    while (this.now < until) {
      this.now = Math.min(until, this.timers.earliest() ?? until);
      while (this.timers.expire(this.now) !== undefined) this.detector.onTimer();
      for (const [to, message] of this.sent("ping"))
        if (answering.includes(to))
          this.detector.onPong(to, 0, { kind: "pong", sequence: message.sequence, epoch: 77 });
      if (this.probed === undefined) continue;
      for (const [to, { sequence, target }] of this.sent("probe"))
        if (answering.includes(to))
          this.detector.onProbeReply({ kind: "probe-reply", sequence, target, alive: this.probed === "alive" });
    }
  }

  /** What those say that are asked about another; nothing when undefined. */
  probed: "alive" | "silent" | undefined;

  sent<Kind extends Message["kind"]>(kind: Kind): [NodeId, Extract<Message, { kind: Kind }>][] {
    const found: [NodeId, Extract<Message, { kind: Kind }>][] = [];
    for (let i = 0; i < this.effects.length; i++) {
      const effect = this.effects[i]!;
      if (effect.kind !== "send" || effect.message.kind !== kind) continue;
      found.push([effect.to, effect.message as Extract<Message, { kind: Kind }>]);
      this.effects.splice(i--, 1);
    }
    return found;
  }

  up(node: NodeId, epoch = 77): void {
    this.detector.onConnected(node);
    this.detector.onPing(node, 0, { kind: "ping", sequence: 1, epoch });
  }

  epochSentTo(node: NodeId): number {
    const pings = this.sent("ping").filter(([to]) => to === node);
    return pings.at(-1)![1].epoch;
  }
}

let f: Fixture;
beforeEach(() => {
  f = new Fixture();
});

describe("opinions", () => {
  test("a link alone is not up; a greeting makes it so", () => {
    f.detector.onConnected(peer);
    expect(f.detector.reachable(peer)).toBe(false);
    f.detector.onPing(peer, 0, { kind: "ping", sequence: 1, epoch: 5 });
    expect(f.detector.reachable(peer)).toBe(true);
    expect(f.detector.epochOf(peer)).toBe(5);
    expect(f.events).toEqual(["up 2"]);
  });

  test("silence makes a suspect, others are asked, and then the link is given up", () => {
    f.up(peer);
    f.up(friend);
    f.pass(3_500, [friend]);
    expect(f.detector.reachable(peer)).toBe(false);
    expect(f.events).toContain("down 2");
    expect(f.sent("probe")).toEqual([[friend, expect.objectContaining({ target: peer })]]);
    expect(f.effects.filter((effect) => effect.kind === "disconnect")).toEqual([]);
    f.pass(3_000, [friend]);
    expect(f.effects.filter((effect) => effect.kind === "disconnect")).toEqual([{ kind: "disconnect", peer }]);
    expect(f.events.filter((event) => event === "down 2")).toHaveLength(1);
    expect(f.detector.reachable(friend)).toBe(true);
  });

  test("a suspect that is heard again is up again", () => {
    f.up(peer);
    f.pass(3_400);
    expect(f.notes).toContain("peer-suspect");
    f.detector.heard(peer);
    expect(f.detector.reachable(peer)).toBe(true);
  });

  test("a peer that others hear is a gray failure: its link is dialled anew at once", () => {
    f.wanted = [peer];
    f.up(peer);
    f.up(friend);
    f.probed = "alive";
    f.pass(3_000, [friend]);
    expect(f.notes).toContain("peer-gray");
    f.pass(2_500, [friend]);
    expect(f.effects.map((effect) => effect.kind).slice(-2)).toEqual(["disconnect", "connect"]);
  });

  test("nobody is suspected before those asked have answered, or had their time", () => {
    f.up(peer);
    f.up(friend);
    const other = id(4);
    f.up(other);
    f.pass(2_600, [friend]);
    expect(f.sent("probe").filter(([to]) => to === friend)).toHaveLength(2);
    f.detector.onProbeReply({ kind: "probe-reply", sequence: 1, target: peer, alive: false });
    f.detector.onProbeReply({ kind: "probe-reply", sequence: 1, target: peer, alive: false });
    f.pass(500, [friend]);
    expect([f.detector.reachable(peer), f.detector.reachable(other)]).toEqual([false, true]);
    f.pass(500, [friend]);
    expect(f.detector.reachable(other)).toBe(false);
    expect(f.notes).not.toContain("peer-gray");
  });

  test("who is there only later is asked then, before anybody is suspected", () => {
    f.up(peer);
    f.pass(2_700);
    f.up(friend);
    f.pass(400, [friend]);
    expect(f.notes).not.toContain("peer-suspect");
    expect(f.sent("probe")).toEqual([[friend, expect.objectContaining({ target: peer })]]);
  });

  test("one that is heard, though it does not hear, is not suspected; the deaf end gives up the link", () => {
    f.up(peer);
    for (let i = 0; i < 20; i++) {
      f.pass(500);
      f.detector.heard(peer);
    }
    expect(f.detector.reachable(peer)).toBe(true);
    f.detector.onLost(peer);
    expect(f.detector.reachable(peer)).toBe(false);
  });

  test("asked about another, it says what it has heard itself", () => {
    f.up(peer);
    f.up(friend);
    f.detector.onProbe(friend, { kind: "probe", sequence: 9, target: peer });
    f.detector.onProbe(friend, { kind: "probe", sequence: 10, target: id(9) });
    expect(f.sent("probe-reply").map(([, reply]) => reply.alive)).toEqual([true, false]);
  });
});

describe("epochs", () => {
  test("what is addressed to the present epoch is accepted, to any earlier one is not", () => {
    f.up(peer);
    const first = f.epochSentTo(peer);
    expect(f.detector.accepts(peer, first)).toBe(true);
    expect(f.detector.accepts(peer, first - 1)).toBe(false);
    f.detector.onLost(peer);
    expect(f.detector.accepts(peer, first)).toBe(false);
    f.up(peer, 78);
    const second = f.epochSentTo(peer);
    expect(second).toBeGreaterThan(first);
    expect(f.detector.accepts(peer, first)).toBe(false);
    expect(f.detector.accepts(peer, second)).toBe(true);
  });

  test("epochs are renewed gently: the one before is over when the peer uses the new one, and then it is told", () => {
    f.up(peer);
    const before = f.epochSentTo(peer);
    f.events.length = 0;
    f.detector.renewEpochs();
    const renewed = f.epochSentTo(peer);
    expect(renewed).toBeGreaterThan(before);
    expect(f.detector.accepts(peer, before)).toBe(true);
    expect(f.events).toEqual([]);
    f.detector.onPong(peer, renewed, { kind: "pong", sequence: 9, epoch: 77 });
    expect(f.events).toEqual(["renewed"]);
    expect(f.detector.accepts(peer, before)).toBe(false);
    expect(f.detector.accepts(peer, renewed)).toBe(true);
  });

  test("renewed epochs are of the same start, those of the next start are not", () => {
    f.up(peer);
    const before = f.epochSentTo(peer);
    f.detector.renewEpochs();
    f.detector.onLost(peer);
    f.up(peer, 78);
    const later = f.epochSentTo(peer);
    expect(later).not.toBe(before);
    expect(ofOneStart(later, before)).toBe(true);
    const again = new Fixture(4);
    again.up(peer);
    expect(ofOneStart(again.epochSentTo(peer), before)).toBe(false);
    expect(ofOneStart(0, before)).toBe(false);
  });

  test("a link that is lost is no hindrance to a renewal, nor is there one without links", () => {
    f.detector.renewEpochs();
    expect(f.events).toEqual(["renewed"]);
    f.up(peer);
    f.events.length = 0;
    f.detector.renewEpochs();
    expect(f.events).toEqual([]);
    f.detector.onLost(peer);
    expect(f.events).toContain("renewed");
  });

  test("a late ping does not take back a newer greeting", () => {
    f.up(peer, 80);
    f.detector.onPing(peer, 0, { kind: "ping", sequence: 1, epoch: 79 });
    expect(f.detector.epochOf(peer)).toBe(80);
  });

  test("after a jump of our own clock everybody is greeted anew, and nobody is blamed for the silence", () => {
    f.up(peer);
    const before = f.epochSentTo(peer);
    f.now += 60_000;
    f.detector.onClockJump();
    expect(f.epochSentTo(peer)).toBeGreaterThan(before);
    expect(f.detector.accepts(peer, before)).toBe(false);
    expect(f.detector.reachable(peer)).toBe(true);
    expect(f.events).toEqual(["up 2"]);
  });
});

test("a node that hears others is not the sick one, however many it loses", () => {
  for (let n = 2; n <= 6; n++) f.up(id(n));
  f.pass(30_000, [friend]);
  expect(f.notes.filter((what) => what === "peer-suspect")).toHaveLength(4);
  expect(f.detector.patience).toBe(1);
});

describe("hidden tabs", () => {
  test("are given twice the time", () => {
    f.ring = new Ring({
      ...viewOf({ nodes: 3, n: 3, r: 2, w: 2 }),
      members: viewOf({ nodes: 3, n: 3, r: 2, w: 2 }).members.map((member) => ({
        ...member,
        hidden: member.node === peer,
      })),
    });
    f.probed = "silent";
    for (const node of [peer, friend, id(4)]) f.up(node);
    f.pass(4_000, [friend]);
    expect(f.detector.reachable(id(4))).toBe(false);
    expect(f.detector.reachable(peer)).toBe(true);
    expect(f.detector.patienceWith(peer)).toBe(2);
    f.pass(2_000, [friend]);
    expect(f.detector.reachable(peer)).toBe(false);
  });

  test("a node that wakes once a minute blames nobody at first, and still finds out who is gone", () => {
    f.up(peer);
    f.up(friend);
    for (let minute = 0; minute < 10; minute++) {
      f.now += 60_000;
      f.detector.onClockJump();
      f.detector.heard(friend);
      if (minute < 3) expect(f.detector.reachable(peer)).toBe(true);
    }
    expect(f.detector.reachable(peer)).toBe(false);
    expect(f.detector.reachable(friend)).toBe(true);
  });
});

test("a node whom nobody answers stretches its own patience, up to three times", () => {
  expect(f.detector.patience).toBe(1);
  for (let n = 2; n <= 6; n++) f.up(id(n));
  f.pass(30_000);
  expect(f.detector.patience).toBeGreaterThan(1);
  expect(f.detector.patience).toBeLessThanOrEqual(3);
});

test("one that is turned away for some time is not dialled before", () => {
  f.wanted = [peer];
  f.up(peer);
  f.detector.turnAway(peer, 5_000);
  f.pass(4_000);
  expect(f.effects.filter((effect) => effect.kind === "connect")).toEqual([]);
  f.pass(2_000);
  expect(f.effects.filter((effect) => effect.kind === "connect")).toEqual([{ kind: "connect", peer }]);
});

test("lost members are dialled with growing waits, and never more than linksMax at a time", () => {
  f.wanted = Array.from({ length: 100 }, (_, i) => id(i + 10));
  f.pass(600);
  const dialled = f.effects.filter((effect) => effect.kind === "connect").length;
  expect(dialled).toBe(defaultConfig.linksMax);
  f.effects.length = 0;
  f.wanted = [peer];
  f.pass(120_000);
  const dials = f.effects.filter((effect) => effect.kind === "connect" && effect.peer === peer).length;
  expect(dials).toBeGreaterThan(3);
  expect(dials).toBeLessThan(12);
});

test("beyond eight links only some are pinged each round", () => {
  const many = Array.from({ length: 30 }, (_, i) => id(i + 10));
  for (const node of many) f.up(node);
  f.pass(1_500, many);
  f.effects.length = 0;
  f.now += 1_500;
  f.detector.onTimer();
  expect(f.sent("ping").length).toBeLessThanOrEqual(8);
});

describe("light clients", () => {
  /** Linked, greeted, and known for what it is. */
  function light(fixture: Fixture, node: NodeId): void {
    fixture.detector.onConnected(node);
    fixture.detector.onPong(node, 0, { kind: "pong", sequence: 1, epoch: 77 });
    fixture.detector.onLightHello(node);
  }

  test("are reached, but are nobody to gossip with or to ask about others, and are pinged only after a long silence", () => {
    const fixture = new Fixture();
    light(fixture, peer);
    expect(fixture.detector.reachable(peer)).toBe(true);
    expect(fixture.detector.isLight(peer)).toBe(true);
    expect(fixture.detector.up()).toEqual([]);
    fixture.sent("ping");
    fixture.pass(14_000);
    expect(fixture.detector.reachable(peer)).toBe(true);
    let pings = 0;
    for (let i = 0; i < 10 && pings === 0; i++) {
      fixture.now += 500;
      fixture.detector.onTimer();
      pings += fixture.sent("ping").length;
    }
    expect(pings).toBe(1);
  });

  test("are forgotten with their link: they come back under another name", () => {
    const fixture = new Fixture();
    for (let n = 10; n < 40; n++) {
      light(fixture, id(n));
      fixture.detector.onLost(id(n));
    }
    expect(fixture.detector.size).toBe(0);
    light(fixture, peer);
    fixture.detector.turnAway(peer);
    expect(fixture.effects).toContainEqual({ kind: "disconnect", peer });
    expect(fixture.detector.size).toBe(0);
  });

  test("are so many and no more: the next one is turned away, after a second in which it may ask", () => {
    const fixture = new Fixture();
    const nodes = Array.from({ length: defaultConfig.lightPeersMax + 1 }, (_, i) => id(100 + i));
    for (const node of nodes) light(fixture, node);
    const last = nodes.at(-1)!;
    expect(fixture.detector.reachable(last)).toBe(true);
    fixture.pass(2_000, nodes);
    expect(fixture.detector.reachable(last)).toBe(false);
    expect(fixture.detector.lights).toBe(defaultConfig.lightPeersMax);
    expect(nodes.slice(0, -1).every((node) => fixture.detector.reachable(node))).toBe(true);
  });

  test("do not use up the links that a node wants to members", () => {
    const fixture = new Fixture();
    for (let n = 100; n < 100 + defaultConfig.lightPeersMax; n++) light(fixture, id(n));
    fixture.wanted = Array.from({ length: defaultConfig.linksMax }, (_, i) => id(1_000 + i));
    fixture.pass(1_000);
    const dialled = fixture.effects.filter((effect) => effect.kind === "connect");
    expect(new Set(dialled.map((effect) => effect.kind === "connect" && effect.peer)).size).toBe(
      defaultConfig.linksMax,
    );
  });
});
