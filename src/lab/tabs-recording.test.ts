/** Simulated nodes report as tabs do, late, in batches and by clocks that are apart; the recording of that is compared with the simulation itself. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { hintAddress, partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { defaultConfig, defaultParameters } from "../core/config.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { LightClient } from "../core/light-client.ts";
import { Simulator } from "../sim/simulator.ts";
import { calmNetwork } from "../sim/virtual-network.ts";
import { calmStorage } from "../sim/virtual-storage.ts";
import { compareCausally } from "./causal-clock.ts";
import { storyOf, requestsIn } from "./request-story.ts";
import { nodeIdOf } from "./simulated-world.ts";
import {
  HappeningWriter,
  NO_FAULTS,
  REPORT_FORMAT,
  SpeechReader,
  type TabAct,
  type TabFaults,
  parseCall,
  sealAnswer,
  sealCall,
  sealDone,
  sealReport,
  snapshotForm,
  viewBytes,
} from "./tab-reports.ts";
import { HOLD_MS, LOST_MS, SILENT_MS, TabsRecording } from "./tabs-recording.ts";
import { type Flight, LabError, type LabWorld } from "./world.ts";

const ORIGIN = 1_000_000;
const LATENCY_MS_MAX = 3;
const key = (text: string) => text as Key;

/** Nodes a, b, c, ... of a simulator, each with a tab's reporter, and a lab that hears of them. */
class Tabs {
  readonly simulator: Simulator;
  readonly ids: readonly NodeId[];
  readonly recording: TabsRecording;
  readonly asked: { node: NodeId; number: number; act: TabAct }[] = [];
  readonly looks: Key[] = [];
  readonly refusals: string[] = [];
  readonly faults = new Map<NodeId, TabFaults>();
  readonly phases = new Map<NodeId, "open" | "closed" | "away">();
  readonly delivered: { from: NodeId; to: NodeId }[] = [];
  /** Received by now of what may have been sent before the recording began. */
  beforeItBegan = 0;
  /** These say nothing. */
  readonly mute = new Set<NodeId>();
  readonly #reader = new SpeechReader();
  readonly #writers = new Map<NodeId, HappeningWriter>();
  readonly #skew = new Map<NodeId, Millis>();
  #operations = 0;
  #beganAt: Millis = 0;

  constructor(names: readonly string[], seed = 1, skews: readonly Millis[] = []) {
    this.ids = names.map(nodeIdOf);
    const writerOf = (node: NodeId): HappeningWriter => this.#writers.get(node)!;
    this.simulator = new Simulator(seed, {
      makeNode: (made, light) => (light ? new LightClient(made) : new DynamoNode(made)),
      network: { ...calmNetwork, latencyMs: { min: 1, max: LATENCY_MS_MAX }, jitterMs: 0 },
      storage: calmStorage,
      observer: {
        stepped: (node, event, effects) => {
          if (event.kind === "message-received") {
            this.delivered.push({ from: event.from, to: node });
            if (this.simulator.now <= this.#beganAt + LATENCY_MS_MAX) this.beforeItBegan++;
          }
          writerOf(node).stepped(event, effects);
        },
        applied: (node, store, address, _, after) => {
          if (store !== "history") writerOf(node).stored(store, address, after);
        },
        ended: () => undefined,
        told: () => undefined,
      },
    });
    names.forEach((name, i) => {
      const id = this.ids[i]!;
      this.#skew.set(id, skews[i] ?? 0);
      this.#writers.set(id, new HappeningWriter(() => this.clockOf(id)));
      const found = i === 0 ? { ...defaultParameters, partitions: 16 } : undefined;
      const seeds = i === 0 ? [] : [this.ids[0]!];
      this.simulator.add({ name, id, config: { ...defaultConfig, zone: name }, found, seeds });
      this.simulator.runUntil(this.simulator.now + 3_000);
    });
    this.simulator.runUntil(this.simulator.now + 10_000);
    for (const writer of this.#writers.values()) writer.take();
    this.delivered.length = 0;
    this.beforeItBegan = 0;
    this.#beganAt = this.simulator.now;
    this.recording = new TabsRecording(this.now, {
      ask: (node, number, act) => this.asked.push({ node, number, act }),
      look: (wanted) => this.looks.push(wanted),
      refused: (message) => this.refusals.push(message),
    });
  }

  get now(): Millis {
    return ORIGIN + this.simulator.now;
  }

  clockOf(node: NodeId): Millis {
    return this.now + this.#skew.get(node)!;
  }

  report(node: NodeId): void {
    const phase = this.phases.get(node) ?? "open";
    const view = this.simulator.inspect(node);
    const snapshot =
      view?.view === undefined
        ? undefined
        : snapshotForm(view, viewBytes(view.view), this.simulator.statisticsOf(node));
    const at = this.clockOf(node);
    const faults = this.faults.get(node) ?? NO_FAULTS;
    const taken = this.#writers.get(node)!.take();
    this.say(sealReport({ node, at, phase, isLight: false, faults, snapshot, ...taken }));
  }

  say(data: unknown): void {
    this.recording.take(this.#reader.read(structuredClone(data)), this.now);
  }

  /** Time passes; tabs report every so often, in another order each time. */
  pass(ms: Millis, everyMs: Millis = 150): void {
    const until = this.simulator.now + ms;
    for (let turn = 0; this.simulator.now < until; turn++) {
      this.simulator.runUntil(Math.min(until, this.simulator.now + everyMs));
      for (let i = 0; i < this.ids.length; i++) {
        const node = this.ids[(i + turn) % this.ids.length]!;
        if (!this.mute.has(node)) this.report(node);
      }
      this.recording.pump(this.now);
    }
  }

  put(node: NodeId, name: string, value: string): void {
    const operation = (++this.#operations).toString(16).padStart(32, "0") as OperationId;
    const write = { value: utf8Encode(value), context: [], operation, at: this.simulator.wallAt(node), w: undefined };
    this.simulator.put(node, key(name), write, {}, () => undefined);
  }

  get(node: NodeId, name: string): void {
    this.simulator.get(node, key(name), {}, () => undefined);
  }

  get world(): LabWorld {
    return this.recording.worldAt(this.recording.now);
  }

  answer(node: NodeId, name: string): void {
    const disk = this.simulator.diskOf(node);
    const position = positionOf(key(name));
    const hints = this.ids.flatMap((target) => {
      const record = disk.get("hints", hintAddress(key(name), position, target));
      return record === undefined ? [] : [{ target, record }];
    });
    const record = disk.get("records", recordAddress(key(name), position));
    this.say(sealAnswer(node, this.clockOf(node), name, { record, damaged: false, hints }));
  }

  onDisk(node: NodeId, name: string): DvvSet | undefined {
    return this.simulator.diskOf(node).get("records", recordAddress(key(name), positionOf(key(name))))?.set;
  }
}

test("a put and a get: the recording has their messages, their answers, what came to the disks, and who owns the key", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  tabs.pass(300);
  const [a, b, c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.put(a, "carts/ada", "one book");
  tabs.pass(300);
  tabs.get(b, "carts/ada");
  tabs.pass(1_000);
  const { world } = tabs;
  expect(world.nodes.map(({ id, name, state }) => [id, name, state])).toEqual([
    [a, "a", "running"],
    [b, "b", "running"],
    [c, "c", "running"],
  ]);
  const [put, get] = requestsIn(world.trace).map((request) => storyOf(world.trace, request));
  expect([put?.operation, put?.key, put?.node, put?.outcome]).toEqual(["put", "carts/ada", a, "ok"]);
  expect(put?.legs.map((leg) => [leg.from, leg.role]).filter(([, role]) => role === "counted")).toHaveLength(2);
  expect(put?.legs.every(({ arrivedAt, repliedAt }) => arrivedAt !== undefined && repliedAt !== undefined)).toBe(true);
  expect([get?.operation, get?.outcome, get?.values]).toEqual(["get", "ok", ["one book"]]);
  for (const node of tabs.ids) {
    expect(world.recordsOf(node, key("carts/ada")).record).toEqual(tabs.onDisk(node, "carts/ada"));
    const ring = new Ring(tabs.simulator.viewOf(node)!);
    expect(world.preferenceListAt(node, key("carts/ada"))).toEqual(
      ring.preferenceList(partitionOf(positionOf(key("carts/ada")), 16)),
    );
    expect(world.listsAt(node)).toEqual(ring.view.claims.map((_, partition) => ring.preferenceList(partition)));
    expect(world.statisticsOf(node)).toEqual(tabs.simulator.statisticsOf(node));
  }
  expect(world.planAt(a, { kind: "leave", node: c })?.moves).toEqual([]);
});

test("whatever the clocks and the batches, each message is received after its sending, once, and nobody's trace goes back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_000 }),
      fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 4, maxLength: 4 }),
      fc.integer({ min: 20, max: 700 }),
      fc.array(fc.tuple(fc.nat(3), fc.nat(2), fc.boolean()), { maxLength: 12 }),
      (seed, skews, everyMs, asks) => {
        const tabs = new Tabs(["a", "b", "c", "d"], seed, skews);
        tabs.pass(everyMs, everyMs);
        tabs.delivered.length = 0;
        const from = tabs.recording.trace.length;
        for (const [at, keyed, isPut] of asks) {
          if (isPut) tabs.put(tabs.ids[at]!, `carts/${keyed}`, "x");
          else tabs.get(tabs.ids[at]!, `carts/${keyed}`);
          tabs.pass(40, everyMs);
        }
        const count = tabs.delivered.length;
        tabs.pass(HOLD_MS + 100 + everyMs, everyMs);
        const { trace, flights } = tabs.recording;
        const records = new Map(trace.map((record) => [record.number, record]));
        const received = trace.filter(({ event }) => event.what === "received");
        expect(received.filter(({ number }) => number > from).length).toBeGreaterThanOrEqual(count);
        const sentBefore = received.filter(({ event }) => event.what === "received" && event.sentRecord === 0);
        expect(sentBefore.length).toBeLessThanOrEqual(tabs.beforeItBegan);
        for (const record of received) {
          if (record.event.what !== "received" || record.event.sentRecord === 0) continue;
          const sending = records.get(record.event.sentRecord);
          expect(sending?.event.what).toBe("sent");
          expect(compareCausally(sending!.clock, record.clock)).toBe("before");
        }
        trace.forEach(({ at }, i) => expect(at).toBeGreaterThanOrEqual(trace[i - 1]?.at ?? 0));
        expect(new Set(flights.map(({ id }) => id)).size).toBe(flights.length);
        expect(flights.filter(({ fate }) => fate === "lost")).toEqual([]);
        for (const ask of requestsIn(trace)) expect(storyOf(trace, ask)?.outcome).toBe("ok");
        for (const node of tabs.ids)
          for (const name of ["carts/0", "carts/1", "carts/2"])
            expect(tabs.world.recordsOf(node, key(name)).record).toEqual(tabs.onDisk(node, name));
      },
    ),
    { numRuns: 40 },
  );
});

test("a cut is drawn, what it takes is lost by it, and a hint is kept and comes home after the heal", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  tabs.pass(300);
  const [a, b, c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.recording.act({ do: "cut", side: ["c"], other: ["a", "b"] });
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([
    [c, { do: "cut", nodes: [a, b] }],
    [a, { do: "cut", nodes: [c] }],
    [b, { do: "cut", nodes: [c] }],
  ]);
  tabs.simulator.network.cut(a, c);
  tabs.simulator.network.cut(b, c);
  tabs.faults.set(c, { ...NO_FAULTS, cut: [a, b] });
  tabs.pass(500);
  expect(tabs.world.cuts).toHaveLength(4);
  tabs.pass(20_000);
  const before = tabs.recording.now;
  tabs.put(a, "carts/ada", "without c");
  tabs.pass(3_000);
  const lost = tabs.world.flights.filter(({ fate, to, from }) => fate === "lost" && (to === c || from === c));
  expect(lost.length).toBeGreaterThan(0);
  expect(new Set(lost.map(({ lostBy }) => lostBy))).toEqual(new Set(["cut"]));
  expect(tabs.world.recordsOf(c, key("carts/ada")).record).toBeUndefined();

  tabs.simulator.heal();
  tabs.faults.delete(c);
  tabs.pass(30_000);
  expect(tabs.world.cuts).toEqual([]);
  expect(tabs.world.recordsOf(c, key("carts/ada")).record).toEqual(tabs.onDisk(c, "carts/ada"));
  expect(tabs.onDisk(c, "carts/ada")).toBeDefined();
  // The past is still what it was.
  const then = tabs.recording.worldAt(before);
  expect(then.cuts).toHaveLength(4);
  expect(then.recordsOf(a, key("carts/ada")).record).toBeUndefined();
  expect(then.trace.at(-1)!.at).toBeLessThanOrEqual(before);
  expect(then.viewOf(a)?.peers.find(({ node }) => node === c)?.reachability).toBe("down");
  expect(tabs.world.viewOf(a)?.peers.find(({ node }) => node === c)?.reachability).toBe("up");
});

test("one that does not report is known from hearsay, what it is sent is unseen, and what it says is heard all the same", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  const [a, , c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.mute.add(c);
  tabs.pass(2_000);
  tabs.put(a, "carts/ada", "one");
  tabs.pass(3_000);
  const { world } = tabs;
  expect(world.nodes.map(({ name, state }) => [name, state])).toEqual([
    ["a", "running"],
    ["b", "running"],
    ["c", "running"],
  ]);
  expect(tabs.recording.reports(c)).toBe(false);
  expect(world.viewOf(c)).toBeUndefined();
  const toC = world.flights.filter(({ to, endedAt }) => to === c && endedAt !== undefined);
  expect(new Set(toC.map(({ fate }) => fate))).toEqual(new Set(["unseen"]));
  const fromC = world.flights.filter(({ from }) => from === c);
  expect(fromC.length).toBeGreaterThan(0);
  expect(new Set(fromC.map(({ fate }) => fate))).toEqual(new Set(["arrived"]));
  tabs.simulator.crash(c);
  tabs.pass(30_000);
  expect(tabs.world.nodes.at(-1)?.state).toBe("down");
  expect(() => tabs.recording.act({ do: "get", node: "c", key: "carts/ada" })).toThrow(/reports/);
});

test("a tab that falls silent is silent, one that says that it goes is down, and one that left is gone", () => {
  const tabs = new Tabs(["a", "b", "c", "d"]);
  const [, b, c, d] = tabs.ids as [NodeId, NodeId, NodeId, NodeId];
  tabs.pass(500);
  tabs.phases.set(b, "away");
  tabs.mute.add(c);
  tabs.pass(SILENT_MS + 1_000);
  expect(tabs.world.nodes.map(({ state }) => state)).toEqual(["running", "down", "running", "running"]);
  expect([b, c, d].map((node) => tabs.recording.reports(node))).toEqual([false, false, true]);
  tabs.phases.set(b, "open");
  tabs.mute.delete(c);
  tabs.pass(1_000);
  expect([b, c, d].map((node) => tabs.recording.reports(node))).toEqual([true, true, true]);
  tabs.simulator.changeMembership(d, { kind: "leave", planned: undefined }, () => undefined);
  tabs.pass(60_000);
  expect(tabs.world.nodes.map(({ state }) => state)).toEqual(["running", "running", "running", "gone"]);
});

test("what is lost on its way without a cut is lost after a while, and the recording says so", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  tabs.pass(300);
  tabs.simulator.network.profile = { ...calmNetwork, lossProbability: 1 };
  tabs.put(tabs.ids[0]!, "carts/ada", "one");
  tabs.pass(1_000);
  const sent = tabs.world.flightsUnderWay.filter(({ kind }) => kind === "replica-put").map(({ id }) => id);
  expect(sent.length).toBeGreaterThan(0);
  tabs.pass(LOST_MS + 500);
  for (const id of sent)
    expect(tabs.world.flights.find((flight) => flight.id === id)).toMatchObject({
      fate: "lost",
      lostBy: "not received",
    });
});

test("a frozen tab is drawn frozen; what it is sent waits there, is not taken for lost, and arrives when it thaws", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  const [a, , c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.pass(300);
  expect(() => tabs.recording.act({ do: "thaw", node: "c" })).toThrow("not frozen");
  tabs.recording.act({ do: "freeze", node: "c", forMs: 60_000 });
  tabs.simulator.freeze(c, 60_000);
  tabs.faults.set(c, { ...NO_FAULTS, frozen: true });
  tabs.pass(500);
  expect(tabs.world.nodes.map(({ state }) => state)).toEqual(["running", "running", "frozen"]);
  tabs.put(a, "carts/ada", "while it is frozen");
  tabs.pass(500);
  const isTo = ({ to, kind }: Flight): boolean => to === c && kind === "replica-put";
  const [waiting] = tabs.world.flightsUnderWay.filter(isTo);
  expect(waiting?.fate).toBe("held");
  tabs.pass(2 * LOST_MS);
  expect(tabs.world.flights.find(({ id }) => id === waiting!.id)?.fate).toBe("held");
  const frozenAt = tabs.recording.now - 1;
  tabs.recording.act({ do: "thaw", node: "c" });
  tabs.simulator.thaw(c);
  tabs.faults.delete(c);
  tabs.pass(2 * LOST_MS);
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([
    [c, { do: "freeze", forMs: 60_000 }],
    [c, { do: "thaw" }],
  ]);
  expect(tabs.world.flights.find(({ id }) => id === waiting!.id)?.fate).toBe("arrived");
  expect(tabs.world.nodes.at(-1)?.state).toBe("running");
  // The past is still what it was.
  const then = tabs.recording.worldAt(frozenAt);
  expect([then.nodes.at(-1)?.state, then.flights.find(({ id }) => id === waiting!.id)?.fate]).toEqual([
    "frozen",
    "held",
  ]);
});

test("a full disk and a wrong clock are asked of their tab, and told of by it", () => {
  const tabs = new Tabs(["a", "b"]);
  const [, b] = tabs.ids as [NodeId, NodeId];
  tabs.pass(300);
  tabs.recording.act({ do: "disk-full", node: "b", full: true });
  tabs.recording.act({ do: "skew", node: "b", byMs: -3_600_000 });
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([
    [b, { do: "disk-full", full: true }],
    [b, { do: "skew", byMs: -3_600_000 }],
  ]);
  for (const { act, number } of tabs.asked)
    expect(parseCall(sealCall({ kind: "do", lab: "lab", number, node: b, act }))).toMatchObject({ act });
  tabs.faults.set(b, { ...NO_FAULTS, diskFull: true, clockSkewMs: -3_600_000 });
  tabs.pass(300);
  expect(tabs.world.nodes.map(({ diskFull, clockSkewMs }) => [diskFull, clockSkewMs])).toEqual([
    [false, 0],
    [true, -3_600_000],
  ]);
});

test("as if the server were down: every tab that reports stays away from it, and the world says so", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  const [a, b, c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.mute.add(c);
  tabs.pass(500);
  expect(tabs.world.serverDown).toBe(false);
  tabs.recording.act({ do: "server", down: true });
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([
    [a, { do: "server", down: true }],
    [b, { do: "server", down: true }],
  ]);
  for (const node of [a, b]) tabs.faults.set(node, { ...NO_FAULTS, serverCut: true });
  tabs.pass(500);
  expect(tabs.world.serverDown).toBe(true);
});

test("with added latency a message may be long on its way: it is not taken for lost, and the node tells of its latency", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  const [a, b, c] = tabs.ids as [NodeId, NodeId, NodeId];
  tabs.pass(300);
  const byMs = LOST_MS + 3_000;
  tabs.recording.act({ do: "latency", nodes: ["a"], byMs });
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([[a, { do: "latency", byMs }]]);
  tabs.faults.set(a, { ...NO_FAULTS, addedLatencyMs: byMs });
  tabs.simulator.network.profile = { ...calmNetwork, lossProbability: 1 };
  tabs.pass(300);
  expect(tabs.world.nodes.map(({ addedLatencyMs }) => addedLatencyMs)).toEqual([byMs, 0, 0]);
  tabs.put(b, "carts/ada", "slow");
  tabs.pass(500);
  const sent = tabs.world.flightsUnderWay
    .filter(({ kind }) => kind === "replica-put")
    .map(({ id, to }) => ({ id, to }));
  const fates = (): unknown =>
    sent.map(({ id, to }) => [to, tabs.world.flights.find((flight) => flight.id === id)?.fate]);
  tabs.pass(LOST_MS + 500);
  expect(fates()).toEqual([
    [c, "lost"],
    [a, "under-way"],
  ]);
  tabs.pass(byMs);
  expect(fates()).toEqual([
    [c, "lost"],
    [a, "lost"],
  ]);
});

test("what a disk had before this began is asked for when somebody looks, and then known, for the past too", () => {
  const tabs = new Tabs(["a", "b", "c"]);
  const [a] = tabs.ids as [NodeId];
  tabs.put(a, "carts/old", "older than the lab");
  tabs.simulator.runUntil(tabs.simulator.now + 1_000);
  for (const node of tabs.ids) tabs.report(node);
  const late = new Tabs(["a", "b", "c"]);
  late.put(a, "carts/old", "older than the lab");
  late.simulator.runUntil(late.simulator.now + 1_000);
  // A lab that opens only now hears nothing of that put.
  const recording = new TabsRecording(late.now, {
    ask: () => undefined,
    look: (wanted) => late.looks.push(wanted),
    refused: () => undefined,
  });
  const reader = new SpeechReader();
  const writer = new HappeningWriter(() => late.now);
  const say = (data: unknown): void => recording.take(reader.read(structuredClone(data)), late.now);
  const report = (): void => {
    const view = late.simulator.inspect(a)!;
    const snapshot = snapshotForm(view, viewBytes(view.view!), undefined);
    say(
      sealReport({
        node: a,
        at: late.now,
        phase: "open",
        isLight: false,
        faults: NO_FAULTS,
        snapshot,
        ...writer.take(),
      }),
    );
    recording.pump(late.now);
  };
  report();
  late.simulator.runUntil(late.simulator.now + 500);
  report();
  expect(recording.worldAt(recording.now).recordsOf(a, key("carts/old")).record).toBeUndefined();
  report();
  expect(late.looks).toEqual(["carts/old"]);
  const disk = late.simulator.diskOf(a);
  const record = disk.get("records", recordAddress(key("carts/old"), positionOf(key("carts/old"))));
  say(sealAnswer(a, late.now, "carts/old", { record, damaged: false, hints: [] }));
  late.simulator.runUntil(late.simulator.now + 500);
  report();
  expect(recording.worldAt(recording.now).recordsOf(a, key("carts/old")).record).toEqual(record?.set);
  expect(recording.worldAt(1).recordsOf(a, key("carts/old")).record).toEqual(record?.set);
  expect(record).toBeDefined();
});

test("acts: what cannot be done is refused with a reason, what can goes to the tab that it concerns, and its fault comes back", () => {
  const tabs = new Tabs(["a", "b"]);
  const [a, b] = tabs.ids as [NodeId, NodeId];
  tabs.pass(500);
  const refused = (act: Parameters<TabsRecording["act"]>[0]): string => {
    try {
      tabs.recording.act(act);
    } catch (error) {
      if (error instanceof LabError) return error.code;
      throw error;
    }
    return "";
  };
  expect(refused({ do: "crash", node: "a" })).toBe("not-able");
  expect(refused({ do: "join", name: "n1", capacity: 1, zone: "z", via: "a", light: false })).toBe("not-able");
  expect(refused({ do: "put", node: "x", key: "k", value: "v", context: "none" })).toBe("unknown-node");
  expect(refused({ do: "put", node: "a", key: "", value: "v", context: "none" })).toBe("invalid");
  expect(refused({ do: "restart", node: "a" })).toBe("not-so");
  expect(tabs.asked).toEqual([]);
  tabs.recording.act({ do: "put", node: "b", key: "k", value: "v", context: "seen", w: 2 });
  tabs.recording.act({ do: "cut-one-way", from: ["a"], to: ["b"] });
  tabs.recording.act({ do: "loss", perMille: 100 });
  tabs.recording.act({ do: "remove", node: "a", target: "b", force: false });
  tabs.recording.act({ do: "heal" });
  expect(tabs.asked.map(({ node, act }) => [node, act])).toEqual([
    [b, { do: "put", key: "k", value: "v", context: "seen", w: 2 }],
    [a, { do: "mute", nodes: [b] }],
    [a, { do: "lose", perMille: 100 }],
    [b, { do: "lose", perMille: 100 }],
    [a, { do: "remove", target: b, force: false, planned: undefined }],
    [a, { do: "heal" }],
    [b, { do: "heal" }],
  ]);
  const fault = { code: "membership", message: "It answers." };
  tabs.say(sealDone(a, "lab", tabs.asked.find(({ act }) => act.do === "remove")!.number, fault));
  expect(tabs.refusals).toEqual(["a is told to remove b: It answers."]);
  expect(tabs.recording.trace.at(-1)?.label).toBe("a is told to remove b: It answers.");
});

test("faults and acts that are none are not read, whichever of their fields is wrong", () => {
  const node = nodeIdOf("a");
  const report = {
    node,
    at: 5,
    phase: "open" as const,
    isLight: false,
    happenings: [],
    untold: 0,
    snapshot: undefined,
  };
  const caught = { to: nodeIdOf("b"), kind: "replica-put", how: "delay", byMs: 5 } as const;
  const faults: TabFaults = { ...NO_FAULTS, clockSkewMs: -5, toCatch: [caught] };
  const readFaults = (given: unknown): unknown =>
    new SpeechReader().read(sealReport({ ...report, faults: given as TabFaults }));
  expect(readFaults(faults)).toMatchObject({ faults });
  const junk = [undefined, null, "x", 1.5, {}, ["x"], NaN];
  for (const field of Object.keys(NO_FAULTS))
    for (const value of junk)
      expect(readFaults({ ...faults, [field]: value }), `${field} ${JSON.stringify(value)}`).toBeUndefined();
  for (const [field, value] of Object.entries({ to: "b", kind: "load-news", how: "eat", byMs: -1 }))
    expect(readFaults({ ...faults, toCatch: [{ ...caught, [field]: value }] }), field).toBeUndefined();
  expect(readFaults({ ...faults, toCatch: Array.from({ length: 65 }, () => caught) })).toBeUndefined();

  const acts: readonly TabAct[] = [
    { do: "latency", byMs: 5 },
    { do: "skew", byMs: -5 },
    { do: "freeze", forMs: 5 },
    { do: "disk-full", full: true },
    { do: "server", down: true },
    { do: "catch", ...caught },
  ];
  const readAct = (act: unknown): unknown =>
    parseCall(sealCall({ kind: "do", lab: "lab", number: 1, node, act: act as TabAct }));
  for (const act of acts) {
    expect(readAct(act)).toMatchObject({ act });
    for (const field of Object.keys(act))
      for (const value of junk)
        expect(readAct({ ...act, [field]: value }), `${field} ${JSON.stringify(value)}`).toBeUndefined();
  }
});

test("pages of other builds are counted and not read; what is nothing is nothing", () => {
  const tabs = new Tabs(["a"]);
  const [a] = tabs.ids as [NodeId];
  tabs.say({ format: 99, kind: "report", node: a });
  expect(tabs.recording.missing).toEqual({ strange: 1, untold: 0 });
  const reader = new SpeechReader();
  fc.assert(fc.property(fc.anything(), (data) => reader.read(data) === undefined));
  const report = { node: a, at: 5, phase: "open", isLight: false, faults: NO_FAULTS, untold: 0, snapshot: undefined };
  const happenings = [
    { what: "step", at: 1, sent: [{ to: a, message: new Uint8Array([250, 1]) }], replies: [], notes: [] },
    { what: "stored", at: 1, store: "records", address: "00000000k", record: new Uint8Array([1, 2, 3]) },
    { what: "step", at: 2, sent: [], replies: [], notes: [{ what: "a note of tomorrow" }], cause: undefined },
    7,
  ];
  tabs.say({ format: REPORT_FORMAT, kind: "report", ...report, happenings });
  tabs.recording.pump(tabs.now);
  // Three could not be read; the note was, and nobody here knows how to say it.
  expect(tabs.recording.missing).toEqual({ strange: 1, untold: 4 });
});
