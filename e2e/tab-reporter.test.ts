/** Stores report to a lab, and do what it asks, over the forms of the channel but without a page: what `lab-tabs.e2e.ts` does with real tabs. */

import { afterEach, expect, test } from "vitest";
import { commonNow } from "../app/lab/tabs/shared-clock.ts";
import { type ReporterHost, TabReporter } from "../app/lab/tabs/tab-reporter.ts";
import type { Key } from "../src/core/identifiers.ts";
import type { LabAct } from "../src/lab/acts.ts";
import { defaultLabOptions } from "../src/lab/options.ts";
import { requestsIn, storyOf } from "../src/lab/request-story.ts";
import { SimulatedWorld } from "../src/lab/simulated-world.ts";
import { SpeechReader, sealCall } from "../src/lab/tab-reports.ts";
import { TabsRecording } from "../src/lab/tabs-recording.ts";
import type { Flight, LabNode, LabWorld } from "../src/lab/world.ts";
import { MemoryCluster, nodeId } from "../src/memory-cluster.ts";
import type { TabringStore } from "../src/store.ts";

const CART = "carts/ada" as Key;

/** A lab and the tabs that it hears. */
class Lab {
  readonly cluster: MemoryCluster;
  readonly recording: TabsRecording;
  readonly refusals: string[] = [];
  readonly reporters: TabReporter[] = [];
  readonly hosts: { store: TabringStore; phase: "open" | "closed" }[] = [];
  readonly #reader = new SpeechReader();

  constructor(cluster: MemoryCluster) {
    this.cluster = cluster;
    this.recording = new TabsRecording(commonNow(), {
      ask: (node, number, act) => this.#tell({ kind: "do", lab: "lab", number, node, act }),
      look: (key) => this.#tell({ kind: "look", lab: "lab", key }),
      refused: (message) => this.refusals.push(message),
    });
    for (const [i, store] of cluster.stores.entries()) {
      const host = { store, phase: "open" as "open" | "closed" };
      const whole: ReporterHost = {
        get store() {
          return host.store;
        },
        get phase() {
          return host.phase;
        },
        close: async () => {
          host.phase = "closed";
          await host.store.close();
        },
        open: async () => {
          host.store = await cluster.open(i + 1);
          host.phase = "open";
        },
      };
      this.hosts.push(host);
      this.reporters.push(
        new TabReporter(whole, (data) => {
          this.recording.take(this.#reader.read(structuredClone(data)), commonNow());
        }),
      );
    }
  }

  #tell(call: Parameters<typeof sealCall>[0]): void {
    for (const reporter of this.reporters) reporter.hear(structuredClone(sealCall(call)));
  }

  get world(): LabWorld {
    return this.recording.worldAt(this.recording.now);
  }

  /** Time passes, and the lab says that it listens. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.#tell({ kind: "listening", lab: "lab" });
      this.recording.pump(commonNow());
      await this.cluster.clock.pass(Math.min(500, ms - passed));
    }
    this.#tell({ kind: "listening", lab: "lab" });
    this.recording.pump(commonNow());
  }

  async act(act: LabAct): Promise<void> {
    this.recording.act(act);
    await this.pass(1_000);
  }
}

let cluster: MemoryCluster | undefined;
afterEach(() => cluster?.close());

async function labOf(size: number): Promise<Lab> {
  cluster = await MemoryCluster.of(size);
  const lab = new Lab(cluster);
  await lab.pass(1_000);
  return lab;
}

test("the lab's owners are those of the stores, and what the lab puts is read from a store", async () => {
  const lab = await labOf(4);
  const { stores } = cluster!;
  expect(lab.world.nodes.map(({ id, name, state }) => [id, name, state])).toEqual(
    stores.map((_, i) => [nodeId(i + 1), "abcd"[i], "running"]),
  );
  for (const [i, store] of stores.entries())
    for (const key of ["carts/ada", "carts/ben", "anything"]) {
      const owners = store.preferenceList(key).filter(({ role }) => role === "owner");
      expect(lab.world.preferenceListAt(nodeId(i + 1), key as Key)?.owners).toEqual(owners.map(({ node }) => node));
    }
  await lab.act({ do: "put", node: "b", key: CART, value: "from the lab", context: "none" });
  const { values } = await cluster!.clock.during(stores[3]!.get(CART));
  expect(values.map((value) => new TextDecoder().decode(value))).toEqual(["from the lab"]);
  const { trace } = lab.world;
  const put = requestsIn(trace)
    .map((request) => storyOf(trace, request))
    .find((story) => story?.operation === "put");
  expect([put?.node, put?.key, put?.outcome]).toEqual([nodeId(2), CART, "ok"]);
  expect(put?.legs.length).toBeGreaterThan(0);

  // With the context of what was read it replaces, without any it stands beside.
  await lab.act({ do: "get", node: "d", key: CART });
  await lab.act({ do: "put", node: "d", key: CART, value: "replaced", context: "seen" });
  await lab.act({ do: "put", node: "c", key: CART, value: "beside", context: "none" });
  const after = await cluster!.clock.during(stores[0]!.get(CART));
  expect(after.values.map((value) => new TextDecoder().decode(value)).sort()).toEqual(["beside", "replaced"]);
});

test("each node counts its own requests, and the lab takes none for another's", async () => {
  const lab = await labOf(3);
  for (const node of ["a", "b", "c", "a", "b", "c"]) await lab.act({ do: "get", node, key: CART });
  const { trace } = lab.world;
  const gets = requestsIn(trace).flatMap((request) => {
    const story = storyOf(trace, request);
    return story?.key === CART ? [story] : [];
  });
  expect(gets.map(({ node }) => node)).toEqual([1, 2, 3, 1, 2, 3].map(nodeId));
  for (const { node, legs } of gets) {
    expect(legs.length).toBeGreaterThan(0);
    expect(new Set(legs.map(({ from }) => from))).toEqual(new Set([node]));
  }
});

test("closed by the lab a tab is down and its disk is known; opened again it runs; one that leaves is gone", async () => {
  const lab = await labOf(4);
  await lab.act({ do: "put", node: "a", key: CART, value: "x", context: "none", w: 3 });
  await lab.act({ do: "close", node: "c" });
  expect(lab.world.nodes.map(({ state }) => state)).toEqual(["running", "running", "down", "running"]);
  expect(() => lab.recording.act({ do: "get", node: "c", key: CART })).toThrow("closed");
  lab.recording.act({ do: "restart", node: "c" });
  await lab.pass(20_000);
  expect(lab.world.nodes.map(({ state }) => state)).toEqual(["running", "running", "running", "running"]);
  lab.recording.act({ do: "leave", node: "d" });
  await lab.pass(60_000);
  expect(lab.world.nodes.at(-1)?.state).toBe("gone");
  // The canary is the store's own, whoever asks.
  await lab.act({ do: "put", node: "a", key: "$canary/x", value: "x", context: "none" });
  expect(lab.refusals.join()).toContain("$canary");
});

test("a tab whose page goes says so", async () => {
  const lab = await labOf(2);
  lab.reporters.pop()!.leave();
  await lab.pass(500);
  expect(lab.world.nodes.map(({ state }) => state)).toEqual(["running", "down"]);
});

test("each fault is set by the lab, told of by the tab, and ended by the lab", async () => {
  const lab = await labOf(3);
  const { faults } = cluster!.stores[1]!;
  const b = (): LabNode => lab.world.nodes[1]!;
  await lab.act({ do: "latency", nodes: ["a", "b"], byMs: 40 });
  await lab.act({ do: "disk-full", node: "b", full: true });
  await lab.act({ do: "skew", node: "b", byMs: 5_000 });
  await lab.act({ do: "freeze", node: "b", forMs: 3_600_000 });
  expect(faults.on).toEqual(["latency", "frozen", "disk-full", "clock"]);
  expect(b()).toMatchObject({ addedLatencyMs: 40, diskFull: true, clockSkewMs: 5_000, state: "frozen" });
  await lab.act({ do: "thaw", node: "b" });
  await lab.act({ do: "latency", nodes: ["a", "b"], byMs: 0 });
  await lab.act({ do: "disk-full", node: "b", full: false });
  await lab.act({ do: "skew", node: "b", byMs: 0 });
  expect(faults.on).toEqual([]);
  expect(b()).toMatchObject({ addedLatencyMs: 0, diskFull: false, clockSkewMs: 0, state: "running" });
});

test("the next message of a kind is dropped, delayed or doubled by the lab, and the recording tells what became of it", async () => {
  const lab = await labOf(3);
  const [a, b] = [nodeId(1), nodeId(2)];
  const sentNow = (): Flight[] =>
    lab.world.flights
      .filter(({ kind, from, to }) => kind === "replica-put" && from === a && to === b)
      .sort((one, other) => one.id - other.id);
  const catchNext = (how: "drop" | "delay" | "duplicate"): Promise<void> =>
    lab.act({ do: "catch", from: "a", to: "b", kind: "replica-put", how, byMs: how === "delay" ? 2_000 : 0 });
  const put = (key: string): Promise<void> => lab.act({ do: "put", node: "a", key, value: key, context: "none", w: 1 });

  await catchNext("drop");
  expect(lab.recording.tabs[0]!.faults.at(-1)?.what.toCatch).toMatchObject([{ to: b, how: "drop" }]);
  await put("carts/dropped");
  const [dropped] = sentNow().filter(({ key }) => key === "carts/dropped");
  expect(dropped).toMatchObject({ fate: "dropped", lostBy: "dropped" });
  expect(lab.recording.tabs[0]!.faults.at(-1)?.what.toCatch).toEqual([]);
  expect(lab.world.recordsOf(b, "carts/dropped" as Key).record).toBeUndefined();

  await catchNext("duplicate");
  await put("carts/doubled");
  const doubled = sentNow().filter(({ key }) => key === "carts/doubled");
  expect(doubled.map(({ fate }) => fate)).toEqual(["arrived", "arrived"]);
  expect(doubled[1]?.copyOf).toBe(doubled[0]?.id);

  await catchNext("delay");
  await put("carts/delayed");
  const delayed = (): Flight | undefined => sentNow().find(({ key }) => key === "carts/delayed");
  await lab.pass(4_000);
  expect(delayed()).toMatchObject({ fate: "late" });
  const told = lab.world.trace.filter(({ event }) => event.what === "world").map(({ label }) => label);
  expect(told.filter((label) => label.startsWith("drop the next replica-put a > b"))).toHaveLength(1);
  expect(told.filter((label) => label.startsWith("doubled: a > b replica-put"))).toHaveLength(1);
  expect(told.filter((label) => label.startsWith("delayed by 2000 ms: a > b replica-put"))).toHaveLength(1);
  expect(lab.world.trace.some(({ label }) => label.startsWith("lost (dropped): a > b"))).toBe(true);
  // None is left over, and none was taken for what it is not.
  expect(lab.world.flights.filter(({ fate }) => fate === "lost")).toEqual([]);

  expect(() => lab.recording.act({ do: "catch", from: "a", to: "a", kind: "ping", how: "drop", byMs: 0 })).toThrow(
    "a is on both sides",
  );
});

/** Write, cut c off, write on both sides, heal. What each node has in the end, as values, and what the lab's callers read. */
const SCENARIO: readonly (LabAct | { readonly do: "wait"; readonly forMs: number })[] = [
  { do: "put", node: "a", key: CART, value: "before", context: "none", w: 3 },
  { do: "wait", forMs: 2_000 },
  { do: "get", node: "a", key: CART },
  { do: "get", node: "c", key: CART },
  { do: "wait", forMs: 2_000 },
  { do: "cut-one-way", from: ["a", "b"], to: ["c"] },
  { do: "cut-one-way", from: ["c"], to: ["a", "b"] },
  { do: "wait", forMs: 20_000 },
  { do: "put", node: "a", key: CART, value: "left", context: "seen", w: 1 },
  { do: "put", node: "c", key: CART, value: "right", context: "seen", w: 1 },
  { do: "wait", forMs: 5_000 },
  { do: "heal" },
  { do: "wait", forMs: 90_000 },
];

function held(world: LabWorld): unknown {
  const text = (bytes: Uint8Array | null): string => (bytes === null ? "" : new TextDecoder().decode(bytes));
  return world.nodes.map(({ id, name }) => {
    const { record, hints, damaged } = world.recordsOf(id, CART);
    const owners = world.preferenceListAt(id, CART)?.owners.length;
    const values = record?.siblings.map(({ value }) => text(value)).sort();
    return { name, owners, values, clock: record?.clock.length, hints: hints.length, damaged };
  });
}

test("the same scenario leaves the same siblings and the same owners' records in both worlds", async () => {
  const simulated = new SimulatedWorld({
    ...defaultLabOptions,
    nodes: ["a", "b", "c"].map((name) => ({ name, capacity: 1, zone: name })),
  });
  const apart: unknown[] = [];
  for (const act of SCENARIO) {
    if (act.do === "heal") apart.push(held(simulated));
    if (act.do === "wait") simulated.runUntil(simulated.now + act.forMs);
    else simulated.act(act);
  }
  const lab = await labOf(3);
  for (const act of SCENARIO) {
    if (act.do === "heal") apart.push(held(lab.world));
    if (act.do === "wait") await lab.pass(act.forMs);
    else await lab.act(act);
  }
  // While it was cut each side had its own.
  expect(apart[1]).toEqual(apart[0]);
  expect(apart[0]).toMatchObject([{ values: ["left"] }, { values: ["left"] }, { values: ["right"] }]);
  expect(held(lab.world)).toEqual(held(simulated));
  expect(held(simulated)).toEqual(
    ["a", "b", "c"].map((name) => ({
      name,
      owners: 3,
      values: ["left", "right"],
      clock: expect.any(Number) as number,
      hints: 0,
      damaged: false,
    })),
  );
});
