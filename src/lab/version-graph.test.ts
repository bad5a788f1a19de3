import { describe, expect, test } from "vitest";
import type { Key, NodeId } from "../core/identifiers.ts";
import type { LabAct } from "./acts.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { type VersionGraph, versionGraph } from "./version-graph.ts";

const KEY = "carts/ada" as Key;
const put = (node: string, value: string, context: "seen" | "own" | "none" = "seen"): LabAct => ({
  do: "put",
  node,
  key: KEY,
  value,
  context,
});
const get = (node: string): LabAct => ({ do: "get", node, key: KEY });

/** Three replicas of everything, so that each node coordinates what comes to it; each act has its effect before the next. */
function lived(acts: readonly LabAct[]): SimulatedWorld {
  const nodes = ["sx", "sy", "sz"].map((name) => ({ name, capacity: 1, zone: name }));
  const of = new SimulatedWorld({ ...defaultLabOptions, nodes });
  for (const act of acts) {
    of.act(act);
    of.runUntil(of.now + 1_000);
  }
  return of;
}

function graphOf(of: SimulatedWorld, trace = of.trace): VersionGraph {
  const sets = of.nodes.flatMap(({ id }) => {
    const { record, hints } = of.recordsOf(id, KEY);
    return [...(record === undefined ? [] : [record]), ...hints.map(({ set }) => set)];
  });
  return versionGraph(trace, KEY, sets);
}

/** Values for versions, names for nodes: as the paper draws it. */
function drawn(of: SimulatedWorld, { versions, edges }: VersionGraph) {
  const nameOf = (node: string): string => of.nodes.find(({ id }) => id === (node as NodeId))!.name;
  const valueOf = (operation: string): string =>
    versions.find((one) => one.operation === operation)!.value ?? "deleted";
  const clocks = versions.map(({ value, clock }) => [
    value ?? "deleted",
    (clock ?? []).map(({ actor, counter }) => `${nameOf(actor.slice(0, 32))},${counter}`).sort(),
  ]);
  return {
    clocks: Object.fromEntries(clocks) as Record<string, string[]>,
    edges: edges.map(({ from, to }) => `${valueOf(from)}>${valueOf(to)}`).sort(),
    siblings: versions.filter(({ isSibling }) => isSibling).map(({ operation }) => valueOf(operation)),
    joins: versions.filter(({ isJoin }) => isJoin).map(({ operation }) => valueOf(operation)),
    writers: versions.map(({ writer }) => nameOf(writer)),
  };
}

describe("the graph of a key's versions", () => {
  const beforeD5 = [
    put("sx", "D1", "none"),
    get("sx"),
    put("sx", "D2"),
    // Two clients have read D2, and write over it through two nodes.
    get("sy"),
    get("sz"),
    put("sy", "D3"),
    put("sz", "D4"),
  ];

  test("is figure 3 of the paper, exactly", () => {
    const of = lived([...beforeD5, get("sx"), put("sx", "D5")]);
    expect(drawn(of, graphOf(of))).toEqual({
      clocks: {
        D1: ["sx,1"],
        D2: ["sx,2"],
        D3: ["sx,2", "sy,1"],
        D4: ["sx,2", "sz,1"],
        D5: ["sx,3", "sy,1", "sz,1"],
      },
      edges: ["D1>D2", "D2>D3", "D2>D4", "D3>D5", "D4>D5"],
      siblings: ["D5"],
      joins: ["D5"],
      writers: ["sx", "sx", "sy", "sz", "sx"],
    });
  });

  test("before anybody reconciles there are two siblings", () => {
    const of = lived(beforeD5);
    const { siblings, joins, edges } = drawn(of, graphOf(of));
    expect([siblings, joins, edges]).toEqual([["D3", "D4"], [], ["D1>D2", "D2>D3", "D2>D4"]]);
  });

  test("blind puts stand beside each other; a delete is a version as well", () => {
    const of = lived([
      put("sx", "A", "none"),
      put("sx", "B", "none"),
      get("sy"),
      { do: "delete", node: "sy", key: KEY, context: "seen" },
    ]);
    const { siblings, joins, edges } = drawn(of, graphOf(of));
    expect([siblings, joins, edges]).toEqual([["deleted"], ["deleted"], ["A>deleted", "B>deleted"]]);
  });

  test("where the last write wins, the later replaces the earlier though it knew nothing of it", () => {
    const of = lived([
      { do: "bucket", node: "sx", bucket: "carts", policy: "last-write-wins" },
      { do: "heal" },
      { do: "heal" },
      put("sx", "A", "none"),
      put("sy", "B", "none"),
    ]);
    const { siblings, edges } = drawn(of, graphOf(of));
    expect([siblings, edges]).toEqual([["B"], ["A>B"]]);
  });

  test("of a trace that does not reach back has what the records say", () => {
    const of = lived(beforeD5);
    const { versions, edges } = graphOf(of, []);
    expect(versions.map(({ value, isSibling, clock }) => [value, isSibling, clock])).toEqual(
      [
        ["D3", true, undefined],
        ["D4", true, undefined],
      ].sort(),
    );
    expect(edges).toEqual([]);
    expect(versionGraph(of.trace, "other" as Key, []).versions).toEqual([]);
  });
});
