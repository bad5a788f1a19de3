import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { optionsWith, nodesNamed } from "./lessons/lesson.ts";
import { SimulatedWorld } from "../../src/lab/simulated-world.ts";
import { SHELF_HEIGHT, SHELF_TOP, actsOfMove, dropAt, groupsOf, islandsOf, placesOn } from "./node-groups.ts";
import { SIZE } from "./ring-geometry.ts";

const names = (groups: readonly (readonly { readonly name: string }[])[]) =>
  groups.map((group) => group.map(({ name }) => name).join(""));
const worldOf = (count: number) => new SimulatedWorld(optionsWith({ nodes: nodesNamed(count) }));
const groupsIn = (world: SimulatedWorld) => groupsOf(world.nodes, world.cuts);
function move(world: SimulatedWorld, name: string, to: "ring" | number): void {
  for (const act of actsOfMove(world.nodes, world.cuts, name, to)) world.act(act);
}

describe("groups", () => {
  test("one node out, another beside it, and both back", () => {
    const world = worldOf(5);
    expect(names(groupsIn(world))).toEqual(["abcde"]);
    move(world, "b", 0);
    expect(names(groupsIn(world))).toEqual(["acde", "b"]);
    move(world, "d", 0);
    // The two hear each other.
    expect(names(groupsIn(world))).toEqual(["ace", "bd"]);
    expect(world.cuts).toHaveLength(12);
    move(world, "b", "ring");
    expect(names(groupsIn(world))).toEqual(["abce", "d"]);
    move(world, "d", "ring");
    expect(world.cuts).toEqual([]);
  });

  test("who is there already stays, and the ring keeps a node", () => {
    const world = worldOf(2);
    expect(actsOfMove(world.nodes, world.cuts, "a", "ring")).toEqual([]);
    move(world, "b", 0);
    expect(actsOfMove(world.nodes, world.cuts, "b", 0)).toEqual([]);
    expect(actsOfMove(world.nodes, world.cuts, "a", 0)).toEqual([]);
    expect(actsOfMove(world.nodes, world.cuts, "nobody", 0)).toEqual([]);
  });

  test("a one-way cut divides nobody, and stays when somebody is moved", () => {
    const world = worldOf(4);
    world.act({ do: "cut-one-way", from: ["a"], to: ["b"] });
    expect(names(groupsIn(world))).toEqual(["abcd"]);
    move(world, "d", 0);
    expect(names(groupsIn(world))).toEqual(["abc", "d"]);
    expect(world.cuts).toHaveLength(7);
    move(world, "d", "ring");
    expect(world.cuts).toEqual([{ from: world.nodes[0]!.id, to: world.nodes[1]!.id }]);
  });

  test("whatever is moved where: the world's cuts are those between the groups of a naive picture", () => {
    const step = fc.record({ node: fc.nat(4), to: fc.oneof(fc.constant("ring" as const), fc.nat(2)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const world = worldOf(5);
        for (const { node, to } of steps) {
          const { name } = world.nodes[node]!;
          const before = groupsIn(world).map((group) => group.map((each) => each.name));
          const now = before.findIndex((group) => group.includes(name));
          const target = to === "ring" ? 0 : Math.min(to + 1, before.length);
          move(world, name, to);
          const isMoved = now !== target && !(now === 0 && before[0]!.length === 1);
          const picture = before.map((group) => group.filter((each) => !isMoved || each !== name));
          if (isMoved) (picture[target] ??= []).push(name);
          const groupOf = (each: string) => picture.findIndex((group) => group.includes(each));
          for (const a of world.nodes)
            for (const b of world.nodes) {
              const isCut = world.cuts.some(({ from, to: heard }) => from === a.id && heard === b.id);
              expect(isCut).toBe(groupOf(a.name) !== groupOf(b.name));
            }
        }
      }),
      { numRuns: 25 },
    );
  });
});

test("the shelf has room for all, and each place on it is in the island of its group", () => {
  for (const sizes of [[1], [2], [2, 1], [60], [20, 20, 24]]) {
    const groups = sizes.map((size, g) => Array.from({ length: size }, (_, i) => `${g} ${i}`));
    const radius = sizes.reduce((sum, size) => sum + size, 0) > 12 ? 11 : 36;
    const islands = islandsOf(groups);
    islands.forEach((island, at) => {
      for (const place of placesOn(island, radius)) {
        expect(place.x).toBeGreaterThan(0);
        expect(place.x).toBeLessThan(SIZE);
        expect(place.y).toBeGreaterThan(SHELF_TOP);
        expect(place.y).toBeLessThan(SHELF_TOP + SHELF_HEIGHT);
        expect(dropAt(islands, place)).toBe(at);
      }
      expect(new Set(placesOn(island, radius).map(({ x, y }) => `${x} ${y}`)).size).toBe(island.nodes.length);
    });
    expect(dropAt(islands, { x: 300, y: 300 })).toBe("ring");
  }
  expect(dropAt(islandsOf([]), { x: 600, y: 700 })).toBe(0);
});
