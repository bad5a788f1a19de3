import { describe, expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { hintAddress, partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Effect, StoredRecord, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import type { InvariantViolation } from "./checkers.ts";
import { Custody } from "./custody.ts";
import { History } from "./history.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const key = "carts/ada" as Key;
const position = positionOf(key);
const atRecord = recordAddress(key, position);

const violationOf = (check: () => void): string | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as InvariantViolation).invariant;
  }
};

/** Five members at rest, three of whom own the key and have one put of it. */
function world() {
  const simulator = new Simulator(1, {
    makeNode: (options) => new DynamoNode(options),
    network: calmNetwork,
    storage: calmStorage,
  });
  const parameters = parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 });
  const nodes: NodeId[] = [];
  for (let i = 0; i < 5; i++) {
    const config = { ...defaultConfig, zone: `zone-${i}` };
    const found = i === 0 ? parameters : undefined;
    nodes.push(simulator.add({ name: `n${i}`, config, found, seeds: nodes.slice(0, 1) }));
  }
  simulator.runUntil(30_000);
  const history = new History();
  const value = utf8Encode("milk");
  const { operation } = history.put(key, {
    operation: "milk" as OperationId,
    value,
    context: [],
    seen: undefined,
  });
  const write = { value, context: [], operation, at: 0, w: undefined, policy: "siblings" } as const;
  simulator.put(nodes[0]!, key, write, {}, () => undefined);
  simulator.runUntil(40_000);
  const ring = new Ring(simulator.inspect(nodes[0]!)!.view!);
  const partition = partitionOf(position, parameters.partitions);
  const { owners } = ring.preferenceList(partition);
  const strangers = nodes.filter((node) => !owners.includes(node));
  const onDisk = (node: NodeId, ...writes: Write[]): void => {
    simulator.diskOf(node).commit(-1, writes);
    simulator.runUntil(simulator.now + 100);
  };
  const record: StoredRecord = simulator.diskOf(owners[0]!).get("records", atRecord)!;
  return { simulator, history, custody: new Custody(simulator, history), partition, owners, strangers, record, onDisk };
}

const removal: Write = { store: "records", address: atRecord, record: null };

describe("a hint goes", () => {
  test("when its target has it", () => {
    const { custody, owners, strangers, record, onDisk } = world();
    const target = owners[0]!;
    const drop = () => custody.onRemoved(strangers[0]!, "hints", hintAddress(key, position, target), record);
    expect(violationOf(drop)).toBeUndefined();
    onDisk(target, removal);
    expect(violationOf(drop)).toBe("copies-kept");
  });

  test("when W of the owners have it, if its target is none of them", () => {
    const { custody, owners, strangers, record, onDisk } = world();
    const drop = () => custody.onRemoved(strangers[0]!, "hints", hintAddress(key, position, strangers[1]!), record);
    onDisk(owners[0]!, removal);
    expect(violationOf(drop)).toBeUndefined();
    onDisk(owners[1]!, removal);
    expect(violationOf(drop)).toBe("copies-kept");
  });
});

test("a hint is delivered when the one who keeps it was told so, whatever is on the disks", () => {
  const { custody, owners, strangers, record } = world();
  const [keeper, departed] = strangers as [NodeId, NodeId];
  const started = { kind: "started", at: 0 } as const;
  const sent = (to: NodeId, request: number): Effect => ({
    kind: "send",
    to,
    epoch: 1,
    lane: "background",
    message: {
      kind: "replica-put",
      request,
      ring: 0,
      ttlMs: 1,
      purpose: "hint",
      key,
      set: record.set,
      hintFor: undefined,
      durability: "strict",
    },
  });
  const told = (from: NodeId, request: number, outcome: "stored" | "refused"): NodeEvent => ({
    kind: "message-received",
    at: 0,
    from,
    epoch: 1,
    message: { kind: "replica-put-reply", request, ring: 0, outcome, owner: true, durability: "strict", counted: [] },
  });
  const delivered = (target: NodeId): Effect => ({ kind: "note", note: { what: "hint-delivered", key, target } });
  const lets = (target: NodeId, event: NodeEvent) =>
    violationOf(() => custody.onStep(keeper, [delivered(target)], event));
  const [first, second, third] = owners as [NodeId, NodeId, NodeId];
  custody.onStep(keeper, [sent(first, 1), sent(second, 2), sent(third, 3)], started);
  expect(lets(departed, told(first, 1, "stored"))).toBe("copies-kept");
  expect(lets(first, told(first, 1, "stored"))).toBeUndefined();
  expect(lets(departed, told(second, 2, "refused"))).toBe("copies-kept");
  expect(lets(departed, told(second, 3, "stored"))).toBe("copies-kept");
  expect(lets(departed, told(third, 3, "stored"))).toBeUndefined();
});

test("a record goes when all owners have it; what a disk lost by lying is nobody's fault", () => {
  const { custody, history, owners, strangers, record, onDisk } = world();
  const drop = () => custody.onRemoved(strangers[0]!, "records", atRecord, record);
  expect(violationOf(drop)).toBeUndefined();
  onDisk(owners[2]!, removal);
  expect(violationOf(drop)).toBe("copies-kept");
  history.of(key).operations[0]!.copiesLost = 1;
  expect(violationOf(drop)).toBeUndefined();
});

describe("a partition is opened", () => {
  const holds = (partition: number): Effect => ({ kind: "note", note: { what: "partition-held", partition } });
  const opens = (partition: number): Effect => ({ kind: "note", note: { what: "partition-opened", partition } });

  test("by one who has what a quorum of the others had when it came to hold it", () => {
    const { custody, strangers, partition, record, onDisk } = world();
    const copier = strangers[0]!;
    custody.onStep(copier, [holds(partition)]);
    expect(violationOf(() => custody.onStep(copier, [opens(partition)]))).toBe("placement");
    custody.onStep(copier, [holds(partition)]);
    onDisk(copier, { store: "records", address: atRecord, record });
    expect(violationOf(() => custody.onStep(copier, [opens(partition)]))).toBeUndefined();
  });

  test("by one who missed what fewer than W of them had", () => {
    const { custody, owners, strangers, partition, onDisk } = world();
    onDisk(owners[0]!, removal);
    onDisk(owners[1]!, removal);
    custody.onStep(strangers[0]!, [holds(partition)]);
    expect(violationOf(() => custody.onStep(strangers[0]!, [opens(partition)]))).toBeUndefined();
  });
});

test("at rest a record lies with its owners, unless one of them is waited for", () => {
  const { simulator, custody, owners, strangers, record, onDisk } = world();
  expect(custody.astray()).toBeUndefined();
  onDisk(strangers[0]!, { store: "records", address: atRecord, record });
  expect(custody.astray()).toContain("does not own");
  simulator.wipe(owners[0]!, "n5");
  expect(custody.astray()).toBeUndefined();
});

test("at rest a node knows of every hint on its disk", () => {
  const { custody, owners, strangers, record, onDisk } = world();
  const address = hintAddress(key, position, owners[0]!);
  onDisk(strangers[0]!, { store: "hints", address, record });
  expect(custody.astray()).toContain("1 hints on its disk and knows of 0");
  onDisk(strangers[0]!, { store: "hints", address, record: null });
  expect(custody.astray()).toBeUndefined();
});
