/** What a node costs that nobody asks for anything: the same for few keys as for many. Counted, not timed. */

import { expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Effect } from "../core/effect.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { encodeMessage } from "../wire/codec.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const NODES = 4;
const IDLE_MS = 120_000;

interface Cost {
  readonly steps: number;
  readonly messages: number;
  readonly bytes: number;
  readonly stores: number;
  readonly entriesRead: number;
}

/** What all nodes together do in `IDLE_MS`, in a cluster that holds so many keys and has come to rest. */
function idleCost(keys: number): Cost {
  const cost = { steps: 0, messages: 0, bytes: 0, stores: 0, entriesRead: 0 };
  let counts = false;
  const onEffect = (effect: Effect): void => {
    if (effect.kind === "store") cost.stores++;
    else if (effect.kind === "send") {
      cost.messages++;
      cost.bytes += encodeMessage(effect.message, effect.epoch).length;
    }
  };
  const simulator = new Simulator(1, {
    makeNode: (options) => new DynamoNode(options),
    network: calmNetwork,
    storage: calmStorage,
    observer: {
      stepped: (_node, event, effects) => {
        if (!counts) return;
        cost.steps++;
        if (event.kind === "scanned") cost.entriesRead += event.entries.length;
        effects.forEach(onEffect);
      },
    },
  });
  const parameters = parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 });
  const nodes: NodeId[] = [];
  for (let i = 0; i < NODES; i++)
    nodes.push(
      simulator.add({
        name: `n${i}`,
        config: { ...defaultConfig, zone: `zone-${i}` },
        found: i === 0 ? parameters : undefined,
        seeds: nodes.slice(0, 1),
      }),
    );
  simulator.runUntil(20_000);
  let acknowledged = 0;
  for (let i = 0; i < keys; i++) {
    const operation = i.toString(16).padStart(32, "0") as OperationId;
    const write = { value: utf8Encode(`value ${i}`), context: [], operation, at: simulator.now, w: undefined };
    simulator.put(nodes[i % NODES]!, `keys/${i}` as Key, write, {}, (result) => {
      if (result?.outcome === "put") acknowledged++;
    });
    if (i % 50 === 0) simulator.runUntil(simulator.now + 20);
  }
  simulator.runUntil(simulator.now + 180_000);
  expect(acknowledged).toBe(keys);
  counts = true;
  simulator.runUntil(simulator.now + IDLE_MS);
  return cost;
}

test("an idle node costs no more with many keys than with few", () => {
  const [few, many] = [idleCost(2_000), idleCost(20_000)];
  expect(many.messages).toBeLessThanOrEqual(1.1 * few.messages);
  expect(many.bytes).toBeLessThanOrEqual(1.1 * few.bytes);
  expect(many.steps).toBeLessThanOrEqual(1.1 * few.steps);
  expect(many.stores).toBeLessThanOrEqual(1.1 * few.stores + 2);
  // The scrub reads a page at a time, however many there are.
  expect(many.entriesRead).toBeLessThanOrEqual(1.1 * few.entriesRead);
  // And it is little: a gossip message and a ping for each link, some dozens of bytes each.
  expect(many.bytes / NODES / (IDLE_MS / 1_000)).toBeLessThan(100);
}, 120_000);
