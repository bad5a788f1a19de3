import { expect, test } from "vitest";
import type { Actor, OperationId } from "../../src/core/identifiers.ts";
import type { Version } from "../../src/lab/version-graph.ts";
import { actorNames, layOut } from "./version-layout.ts";

const versions = (...names: string[]): Version[] =>
  names.map((name) => ({ operation: name as OperationId }) as unknown as Version);
const edge = (from: string, to: string) => ({ from: from as OperationId, to: to as OperationId });

test("a version stands below what it replaced, and beside what it knew nothing of", () => {
  const graph = {
    versions: versions("d1", "d2", "d3", "d4", "d5"),
    edges: [edge("d1", "d2"), edge("d2", "d3"), edge("d2", "d4"), edge("d3", "d5"), edge("d4", "d5")],
  };
  expect(layOut(graph).map(({ row, column }) => [row, column])).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [2, 1],
    [3, 0],
  ]);
});

test("no two stand in one place", () => {
  const graph = { versions: versions("a", "b", "c"), edges: [] };
  expect(layOut(graph).map(({ row, column }) => `${row} ${column}`)).toEqual(["0 0", "0 1", "0 2"]);
});

test("actors have their node's name, and the second of one node a prime", () => {
  const names = actorNames(["a1", "b1", "a1", "a2"] as Actor[], (actor) => actor[0]!);
  expect([...names.values()]).toEqual(["a", "b", "a′"]);
});
