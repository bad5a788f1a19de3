import { expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { positionOf, recordAddress } from "../core/address.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { Budget } from "./budget.ts";
import { Checkers } from "./checkers.ts";
import { History } from "./history.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const key = "carts/ada" as Key;
const address = recordAddress(key, positionOf(key));

/** Three members, each with every record, and one acknowledged put. */
function cluster() {
  const simulator = new Simulator(1, {
    makeNode: (options) => new DynamoNode(options),
    network: calmNetwork,
    storage: calmStorage,
  });
  const history = new History();
  const checkers = new Checkers(history);
  checkers.watch(simulator);
  const nodes: NodeId[] = [];
  for (const name of ["a", "b", "c"]) {
    const config = { ...defaultConfig, zone: name };
    const found = name === "a" ? parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 }) : undefined;
    nodes.push(simulator.add({ name, config, found, seeds: nodes.slice(0, 1) }));
  }
  simulator.runUntil(30_000);
  const before = nodes.map((node) => simulator.diskOf(node).picture());
  const value = utf8Encode("milk");
  const operation = history.put(key, {
    operation: "00000000000000000000000000000001" as OperationId,
    value,
    context: [],
    seen: undefined,
  });
  const write = {
    value,
    context: [],
    operation: operation.operation,
    at: 0,
    w: undefined,
    policy: "siblings",
  } as const;
  simulator.put(nodes[0]!, key, write, {}, (result) => {
    if (result?.outcome === "put")
      operation.acknowledged = { needed: result.report.needed, at: simulator.now, coordinator: nodes[0]! };
  });
  simulator.runUntil(simulator.now + 5_000);
  expect(operation.acknowledged?.needed).toBe(2);
  return { simulator, history, checkers, operation, nodes, before, budget: new Budget(simulator, history, checkers) };
}

test("fewer than W copies of an acknowledged put may be lost", () => {
  const { simulator, checkers, operation, nodes, budget } = cluster();
  expect(checkers.copies(operation)).toBe(3);
  expect(budget.loseRecord(nodes[0]!, address)).toBe(true);
  simulator.diskOf(nodes[0]!).lose("records", address);
  expect(checkers.copies(operation)).toBe(2);
  expect(operation.copiesLost).toBe(1);
  for (const node of nodes.slice(1)) {
    expect(budget.loseRecord(node, address)).toBe(false);
    expect(budget.loseDisk(node)).toBeUndefined();
  }
  expect(budget.loseDisk(nodes[0]!)).toBe(0);
});

test("what nobody was promised may lose all copies but one", () => {
  const { simulator, operation, nodes, budget } = cluster();
  operation.acknowledged = undefined;
  for (const node of nodes) {
    const last = node === nodes[2];
    expect(budget.loseRecord(node, address)).toBe(!last);
    if (!last) simulator.diskOf(node).damage("records", address);
  }
});

test("a put that was promised one copy is forgiven when its disk goes", () => {
  const { operation, nodes, budget } = cluster();
  operation.acknowledged = { needed: 1, at: 0, coordinator: nodes[0]! };
  expect(budget.loseRecord(nodes[0]!, address)).toBe(false);
  expect(budget.loseDisk(nodes[0]!)).toBe(1);
  expect(operation.forgiven).toBe(true);
});

test("a disk goes back in time only within the budget; else it stays as it is", () => {
  const { simulator, checkers, operation, nodes, before, budget } = cluster();
  for (const [i, node] of nodes.entries()) {
    simulator.crash(node);
    expect(budget.turnBack(node, before[i]!)).toBe(i === 0);
  }
  expect(checkers.copies(operation)).toBe(2);
  expect(operation.copiesLost).toBe(1);
});

test("the last holder of a partition is not to be lost, even if it is empty", () => {
  const { simulator, operation, nodes, before, budget } = cluster();
  operation.acknowledged = undefined;
  expect(budget.everythingHeld()).toBe(true);
  const nothing = {
    meta: { incarnation: 1, view: undefined, unopened: [] },
    shelves: { records: [], hints: [], history: [] },
    leaves: [],
  };
  for (const [i, node] of nodes.entries()) {
    simulator.crash(node);
    expect(before[i]!.meta?.view).toBeDefined();
  }
  expect(budget.turnBack(nodes[0]!, nothing)).toBe(true);
  expect(budget.turnBack(nodes[1]!, nothing)).toBe(true);
  expect(budget.turnBack(nodes[2]!, nothing)).toBe(false);
});
