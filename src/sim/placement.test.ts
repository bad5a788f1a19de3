import { describe, expect, test } from "vitest";
import { type ClusterParameters, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Effect } from "../core/effect.ts";
import type { Key, NodeId } from "../core/identifiers.ts";
import { holds } from "../core/membership.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { Budget } from "./budget.ts";
import { Checkers, type InvariantViolation } from "./checkers.ts";
import { History } from "./history.ts";
import { PlacementChecker } from "./placement.ts";
import { Quietness } from "./quietness.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const violationOf = (check: () => void): string | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as InvariantViolation).invariant;
  }
};

/** `count` members that have come to rest. */
function cluster(count: number, asked: Partial<ClusterParameters> = {}) {
  const quietness = new Quietness();
  const simulator = new Simulator(1, {
    makeNode: (options) => new DynamoNode(options),
    network: calmNetwork,
    storage: calmStorage,
    observer: { stepped: (node, event, effects) => quietness.onStep(node, event, effects) },
  });
  const history = new History();
  const checkers = new Checkers(history);
  checkers.watch(simulator);
  const parameters = parametersFrom({ n: 3, r: 2, w: 2, partitions: 16, ...asked });
  const nodes: NodeId[] = [];
  for (let i = 0; i < count; i++) {
    const config = { ...defaultConfig, zone: `zone-${i}` };
    nodes.push(
      simulator.add({ name: `n${i}`, config, found: i === 0 ? parameters : undefined, seeds: nodes.slice(0, 1) }),
    );
  }
  simulator.runUntil(30_000);
  const budget = new Budget(simulator, history, checkers);
  return { simulator, nodes, budget, placement: new PlacementChecker(simulator, budget), quietness };
}

describe("placement", () => {
  test("a cluster at rest passes, and goes on to when a node crashes for long", () => {
    const { simulator, nodes, placement } = cluster(4);
    placement.check();
    simulator.crash(nodes[1]!);
    for (let i = 0; i < 60; i++) {
      simulator.runUntil(simulator.now + 1_000);
      placement.check();
    }
  });

  test("a partition that no disk says to hold is a violation", () => {
    const { simulator, nodes, budget, placement } = cluster(1);
    expect(budget.everythingHeld()).toBe(true);
    expect(budget.everythingHeld(nodes[0])).toBe(false);
    const meta = simulator.diskOf(nodes[0]!).meta!;
    const own = meta.view!.members[0]!;
    const members = [{ ...own, holders: own.holders.map((byte, i) => (i === 0 ? byte & ~1 : byte)) }];
    simulator.diskOf(nodes[0]!).commit(999, [{ store: "meta", meta: { ...meta, view: { ...meta.view!, members } } }]);
    simulator.runUntil(simulator.now + 10);
    expect(budget.everythingHeld()).toBe(false);
    expect(violationOf(() => placement.check())).toBe("placement");
  });

  test("a token that moves in peace is a violation, unless somebody came", () => {
    const { simulator, nodes, placement } = cluster(4);
    placement.check();
    const viewOf = simulator.viewOf.bind(simulator);
    simulator.viewOf = (node: NodeId) => {
      const view = viewOf(node);
      if (node !== nodes[2] || view === undefined) return view;
      const claims = view.claims.map((claim, p) => (p === 3 ? { ...claim, version: claim.version + 1 } : claim));
      return { ...view, claims };
    };
    expect(violationOf(() => placement.check())).toBe("placement");
    placement.forgetPeace();
    expect(violationOf(() => placement.check())).toBeUndefined();
  });

  test("a token of its own that a node draws anew is a violation", () => {
    const { simulator, nodes, placement } = cluster(4, { placement: 2, tokensPerNode: 4 });
    placement.check();
    const viewOf = simulator.viewOf.bind(simulator);
    simulator.viewOf = (node: NodeId) => {
      const view = viewOf(node)!;
      const other = view.members.map((member) =>
        member.node === nodes[1] ? { ...member, version: member.version + 1, tokens: [1, 2, 3, 4] } : member,
      );
      return { ...view, members: other };
    };
    expect(violationOf(() => placement.check())).toBe("placement");
  });

  test.each([1, 2] as const)(
    "in placement %i, too, data follows the ring: only owners hold a partition, and all of them",
    (strategy) => {
      const { simulator, nodes, placement } = cluster(7, { placement: strategy, tokensPerNode: 6, partitions: 64 });
      simulator.crash(nodes[3]!);
      simulator.runUntil(simulator.now + 5_000);
      simulator.restart(nodes[3]!);
      simulator.runUntil(simulator.now + 30_000);
      placement.check();
      const view = simulator.viewOf(nodes[3]!)!;
      expect(view.members.map(({ tokens }) => tokens.length)).toEqual(Array(7).fill(6));
      const ring = new Ring(view);
      for (let p = 0; p < 64; p++) {
        const holding = view.members.filter((member) => holds(member, p)).map((member) => member.node);
        expect(new Set(holding)).toEqual(new Set(ring.preferenceList(p).owners));
        expect(ring.preferenceList(p).owners).toHaveLength(3);
      }
      // Not one owner for all: data has moved.
      for (const node of nodes) expect(simulator.inspect(node)!.owed).toBe(0);
      expect(new Set(view.claims.map((_, p) => ring.preferenceList(p).owners[0])).size).toBe(7);
    },
  );

  test("two rings behind one digest are a violation", () => {
    const { simulator, nodes, placement } = cluster(2);
    const viewOf = simulator.viewOf.bind(simulator);
    simulator.viewOf = (node: NodeId) => {
      const view = viewOf(node);
      if (node !== nodes[1] || view === undefined) return view;
      // The digest is made of versions alone: a node that changes what it holds without a new version deceives everybody.
      const members = view.members.map((member) => ({ ...member, holders: member.holders.map((byte) => byte ^ 1) }));
      return { ...view, members };
    };
    expect(violationOf(() => placement.check())).toBe("placement");
  });
});

describe("quietness", () => {
  test("a cluster with nothing to do is quiet; one that writes is not", () => {
    const { simulator, nodes, quietness } = cluster(4);
    quietness.start(simulator.now);
    simulator.runUntil(simulator.now + 10_000);
    quietness.judge(simulator.now, 4, 10_000);
    quietness.start(simulator.now);
    const write = { value: new Uint8Array(1), context: [], operation: "0".repeat(32), at: 0, w: undefined } as const;
    simulator.put(nodes[0]!, "carts/ada" as never, { ...write, policy: "siblings" } as never, {}, () => undefined);
    simulator.runUntil(simulator.now + 10_000);
    expect(violationOf(() => quietness.judge(simulator.now, 4, 10_000))).toBe("quiet");
  });

  test("a node looks up once what another's log tells of, and not again", () => {
    const [a, b] = ["a".repeat(32), "b".repeat(32)] as NodeId[];
    const changes = [{ key: "carts/ada" as Key, digest: 1 }];
    const message = {
      kind: "recent-reply",
      request: 1,
      log: "",
      uncovered: [],
      changes,
      upTo: 7,
      more: false,
    } as const;
    const told = { at: 0, kind: "message-received", from: b!, epoch: 1, message } as const;
    const load = { kind: "load", ticket: 1, reads: [] } as const;
    const quietness = new Quietness();
    const judged = (...steps: readonly (readonly Effect[])[]) => {
      quietness.start(0);
      for (const effects of steps) quietness.onStep(a!, told, effects);
      return violationOf(() => quietness.judge(10_000, 2, 10_000));
    };
    expect(judged([load])).toBeUndefined();
    expect(judged([load, load])).toBe("quiet");
    expect(judged([load], [load])).toBe("quiet");
  });
});
