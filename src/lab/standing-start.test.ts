import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import { Ring, tokenCounts } from "../core/ring.ts";
import { standingView } from "./standing-start.ts";

test("a standing cluster has even shares by capacity, and all owners hold and count", () => {
  const nodes = Array.from({ length: 12 }, (_, i) => ({
    node: (i + 1).toString(16).padEnd(32, "0") as NodeId,
    capacity: i === 0 ? 0 : i % 3 === 0 ? 2 : 1,
    zone: `z${i % 4}`,
  }));
  const parameters = { n: 3, r: 2, w: 2, partitions: 64, placement: 3 as const, tokensPerNode: 0 };
  const view = standingView(parameters, nodes, Prng.fromNumber(1));
  const counts = tokenCounts(view);
  const total = nodes.reduce((sum, { capacity }) => sum + capacity, 0);
  for (const { node, capacity } of nodes) expect(Math.abs(counts.get(node)! - (64 * capacity) / total)).toBeLessThan(2);
  const ring = new Ring(view);
  for (let partition = 0; partition < 64; partition++) {
    const { owners, counted, joining } = ring.preferenceList(partition);
    expect([owners.length, joining]).toEqual([3, []]);
    expect(counted).toEqual(owners);
  }
});
