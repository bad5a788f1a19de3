import { expect, test } from "vitest";
import { defaultConfig, defaultParameters } from "../core/config.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Millis } from "../core/identifiers.ts";
import type { NodeOptions, NodeView } from "../core/node.ts";
import { type SimulatedNode, SimulationError, Simulator, type SimulatorOptions } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

type Behaviour = (event: NodeEvent, node: Stub) => Effect[];

/** A node that does as it is told and writes down what it sees. */
class Stub implements SimulatedNode {
  readonly seen: string[] = [];
  wake: Millis | undefined;
  readonly options: NodeOptions;
  readonly #behaviour: Behaviour;
  constructor(options: NodeOptions, behaviour: Behaviour) {
    this.options = options;
    this.#behaviour = behaviour;
  }
  step(event: NodeEvent): Effect[] {
    this.seen.push(`${event.at} ${event.kind}`);
    return this.#behaviour(event, this);
  }
  wakeAt(): Millis | undefined {
    return this.wake;
  }
  inspect(): NodeView {
    throw new Error("not used");
  }
}

function world(behaviour: Behaviour, options: Partial<SimulatorOptions> = {}) {
  const nodes: Stub[] = [];
  const simulator = new Simulator(1, {
    makeNode: (nodeOptions) => {
      const stub = new Stub(nodeOptions, behaviour);
      nodes.push(stub);
      return stub;
    },
    network: calmNetwork,
    storage: calmStorage,
    ...options,
  });
  return { simulator, nodes };
}
const host = { name: "a", config: defaultConfig, seeds: [] };

test("a node starts, founds if it is told to, and is woken at the time that it names and not before", () => {
  const { simulator, nodes } = world((event, node) => {
    if (event.kind === "started") node.wake = 100.3;
    if (event.kind === "wake") node.wake = event.at >= 100.3 && event.at < 200 ? 250 : undefined;
    return [];
  });
  simulator.add({ ...host, found: defaultParameters });
  simulator.runUntil(1_000);
  expect(nodes[0]!.seen).toEqual(["0 started", "0 found-cluster", "100.3125 wake", "250 wake"]);
});

test("effects come back as events: storage, links, messages, disconnect", () => {
  const { simulator, nodes } = world((event, node) => {
    const [peer] = simulator.nodes.filter((other) => other !== node.options.id);
    switch (event.kind) {
      case "started":
        return [
          {
            kind: "store",
            ticket: 1,
            durability: "relaxed",
            writes: [{ store: "meta", meta: { incarnation: 1, view: undefined, unopened: [] } }],
          },
        ];
      case "stored":
        return peer === undefined ? [] : [{ kind: "connect", peer }];
      case "peer-connected":
        return [
          {
            kind: "send",
            to: event.peer,
            epoch: 5,
            lane: "foreground",
            message: { kind: "ping", sequence: 1, epoch: 1 },
          },
        ];
      case "message-received":
        return nodes[0] === node ? [{ kind: "disconnect", peer: event.from }] : [];
      default:
        return [];
    }
  });
  simulator.add(host);
  simulator.add({ ...host, name: "b" });
  simulator.runUntil(5_000);
  expect(nodes[0]!.seen).toEqual(["0 started", "2 stored", "22 peer-connected", "27 message-received", "27 peer-lost"]);
  expect(nodes[1]!.seen).toEqual([
    "0 started",
    "2 stored",
    "22 peer-connected",
    "27 message-received",
    "1027 peer-lost",
  ]);
});

test("a crash ends callers' hopes, keeps what was durable, and loses what was not; a restart reads it", () => {
  const { simulator, nodes } = world((event) =>
    event.kind === "started" || event.kind === "client-get"
      ? [
          {
            kind: "store",
            ticket: 1,
            durability: "relaxed",
            writes: [
              { store: "meta", meta: { incarnation: event.kind === "started" ? 1 : 2, view: undefined, unopened: [] } },
            ],
          },
        ]
      : [],
  );
  const node = simulator.add(host);
  simulator.runUntil(100);
  const results: unknown[] = [];
  simulator.get(node, "k" as never, {}, (result) => results.push(result));
  simulator.crash(node);
  expect(results).toEqual([undefined]);
  expect(simulator.stateOf(node)).toBe("down");
  simulator.runUntil(200);
  simulator.restart(node);
  expect(nodes[1]!.options.meta?.incarnation).toBe(1);
  expect(nodes[1]!.options.id).toBe(nodes[0]!.options.id);
  expect(nodes[1]!.options.seed).not.toEqual(nodes[0]!.options.seed);
  const successor = simulator.wipe(node, "b");
  expect(simulator.stateOf(node)).toBe("wiped");
  expect(successor).not.toBe(node);
  expect(nodes[2]!.options.meta).toBeUndefined();
});

test("a frozen node takes nothing; when it thaws, everything in order", () => {
  const { simulator, nodes } = world((event, node) => {
    if (event.kind === "started") node.wake = 50;
    if (event.kind === "wake") node.wake = undefined;
    return [];
  });
  const node = simulator.add(host);
  simulator.freeze(node, 1_000);
  simulator.get(node, "k" as never, {}, () => undefined);
  simulator.runUntil(2_000);
  expect(nodes[0]!.seen).toEqual(["0 started", "1000 client-get", "1000 wake"]);
});

test("a node that throws, or spins at one moment, ends the run and is named", () => {
  const throwing = world(() => {
    throw new Error("oops");
  });
  expect(() => throwing.simulator.add(host)).toThrow(SimulationError);
  const spinning = world((event, node) => {
    node.wake = event.at;
    return [];
  });
  spinning.simulator.add(host);
  expect(() => spinning.simulator.runUntil(10)).toThrow(/it spins/);
});

test("a clock that starts anywhere never wakes a node early", () => {
  const early: number[] = [];
  const { simulator } = world(
    (event, node) => {
      if (event.kind === "wake" && event.at < node.wake!) early.push(event.at);
      node.wake = event.at + 0.1;
      return [];
    },
    { skewedClocks: true, timerLatenessMs: 2 },
  );
  simulator.add(host);
  simulator.runUntil(500);
  expect(simulator.steps).toBeGreaterThan(100);
  expect(early).toEqual([]);
});
