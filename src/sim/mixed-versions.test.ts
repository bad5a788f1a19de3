/** Builds that change at random, against a naive model: who reads what is what its host says, and all else follows from that. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import { memberOf } from "../core/membership.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { InvariantViolation } from "./checkers.ts";
import { MixedVersions, ONE_VERSION, canGoBack, drawVersions, isOlder, olderConfig } from "./mixed-versions.ts";
import { Simulator } from "./simulator.ts";
import { Sometimes } from "./sometimes.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

describe("the plan", () => {
  test("is mixed in about one seed of four, with about half of the nodes older in two of three of those", () => {
    const plans = Array.from({ length: 2_000 }, (_, seed) =>
      drawVersions(Prng.fromNumber(seed), 10, 0, 60_000, seed % 2 === 0),
    );
    const mixed = plans.filter((plan) => plan.isMixed);
    expect(mixed.length / plans.length).toBeCloseTo(0.25, 1);
    const withOlder = mixed.filter((plan) => plan.older.includes(true));
    expect(withOlder.length / mixed.length).toBeCloseTo(2 / 3, 1);
    const share = withOlder.flatMap((plan) => plan.older).filter(Boolean).length / (10 * withOlder.length);
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
    for (const plan of plans) if (!plan.isMixed) expect(plan).toEqual(ONE_VERSION);
  });

  test("never makes the only way in of light clients older", () => {
    for (let seed = 0; seed < 500; seed++)
      expect(drawVersions(Prng.fromNumber(seed), 5, 0, 60_000, true).older[0]).not.toBe(true);
  });
});

const operations = fc.array(
  fc.record({ node: fc.nat(3), what: fc.constantFrom("put", "upgrade", "downgrade", "crash"), held: fc.boolean() }),
  { minLength: 4, maxLength: 10 },
);

test("whatever build comes when: all see the newest that all may write, nobody is sent what he does not read, and nothing is lost", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), operations, (older, acts) => {
      const { simulator } = world();
      const base = { ...defaultConfig, antiEntropyMs: 2_000, rebalanceAfterMs: 500 };
      const nodes: NodeId[] = [];
      for (const [i, isOld] of older.entries()) {
        const config = { ...base, zone: `zone-${i}` };
        const found = i === 0 ? { found: parametersFrom({ n: 3, r: 2, w: 2, partitions: 8 }) } : {};
        const seeds = nodes.slice(0, 1);
        nodes.push(simulator.add({ name: `n${i}`, config: isOld ? olderConfig(config) : config, seeds, ...found }));
      }
      simulator.runUntil(20_000);
      const written: string[] = [];
      for (const [i, { node: index, what, held }] of acts.entries()) {
        const node = nodes[index]!;
        const { zone } = simulator.configOf(node);
        if (what === "put") {
          const key = `carts/${i}`;
          let result: ClientResult | undefined;
          const operation = i.toString(16).padStart(32, "0") as OperationId;
          const write = { value: utf8Encode(key), context: [], operation, at: i, w: undefined };
          simulator.put(node, key as Key, write, {}, (answer) => (result = answer));
          simulator.runUntil(simulator.now + 1_000);
          expect(result?.outcome).toBe("put");
          written.push(key);
        } else {
          simulator.crash(node);
          const newer = { ...base, zone, writesProtocol: held ? 1 : Infinity };
          const readable = canGoBack(simulator.diskOf(node).meta);
          if (what === "upgrade") simulator.reconfigure(node, newer);
          else if (what === "downgrade" && readable) simulator.reconfigure(node, olderConfig({ ...base, zone }));
          simulator.restart(node);
          simulator.runUntil(simulator.now + 12_000);
        }
        const readBy = (each: NodeId): number => Math.min(PROTOCOL_VERSION, simulator.configOf(each).protocolMax);
        const shared = Math.min(...nodes.map(readBy));
        for (const each of nodes) {
          const view = simulator.viewOf(each)!;
          for (const other of nodes) expect(memberOf(view, other)?.protocolMax).toBe(readBy(other));
          const { writesProtocol } = simulator.configOf(each);
          expect(simulator.inspect(each)?.protocol).toBe(Math.min(shared, writesProtocol));
        }
      }
      for (const key of written)
        for (const node of nodes) {
          let result: ClientResult | undefined;
          simulator.get(node, key as Key, {}, (answer) => (result = answer));
          simulator.runUntil(simulator.now + 1_000);
          expect(result?.outcome === "got" && result.set.siblings.length).toBe(1);
        }
    }),
    { numRuns: 12 },
  );
});

describe("the judge", () => {
  const node = "a".repeat(32) as NodeId;

  test("sees what is not read, and questions that were not to be asked", () => {
    const { judge } = world();
    expect(() => judge.onUnread(node, node, "recent-request")).toThrow(InvariantViolation);
    const note = { what: "not-read", by: node, message: "recent-request" } as const;
    expect(() => judge.onStep(node, [{ kind: "note", note }])).toThrow(/had not looked/);
    // The peer may have become older since it asked.
    judge.onStep(node, [{ kind: "note", note: { ...note, message: "recent-reply" } }]);
  });

  test("an older config is one that knows less", () => {
    expect(isOlder(defaultConfig)).toBe(false);
    expect(isOlder(olderConfig(defaultConfig))).toBe(true);
  });
});

function world(): { readonly simulator: Simulator; readonly judge: MixedVersions } {
  const simulator = new Simulator(7, {
    makeNode: (options) => new DynamoNode(options),
    network: { ...calmNetwork, latencyMs: { min: 1, max: 5 } },
    storage: calmStorage,
    codec: { encode: encodeMessage, decode: decodeMessage },
    observer: {
      stepped: (stepped, _, effects) => judge.onStep(stepped, effects),
      unread: (to, from, kind) => judge.onUnread(from, to, kind),
    },
  });
  const options = { newer: defaultConfig, sometimes: new Sometimes(), mayChange: () => true };
  const judge = new MixedVersions(simulator, { ...ONE_VERSION, isMixed: true }, options);
  return { simulator, judge };
}
