import { expect, test } from "vitest";
import { SIZE, arcsOf, onTheWay, pairsOf, pointAt, sector } from "./ring-geometry.ts";

test("a turn begins at the top and goes clockwise", () => {
  const [top, right] = [pointAt(0, 100), pointAt(0.25, 100)];
  expect([top.x, top.y].map(Math.round)).toEqual([SIZE / 2, SIZE / 2 - 100]);
  expect([right.x, right.y].map(Math.round)).toEqual([SIZE / 2 + 100, SIZE / 2]);
});

test("neighbouring tokens of one owner are one arc, and every token is in one", () => {
  expect(arcsOf(["a", "a", "b", "a"])).toEqual([
    { owner: "a", from: 0, to: 2 },
    { owner: "b", from: 2, to: 3 },
    { owner: "a", from: 3, to: 4 },
  ]);
  expect(arcsOf([])).toEqual([]);
});

test("a whole turn is drawn, too", () => {
  expect(sector(0, 1, 10, 20)).not.toBe(sector(0, 0, 10, 20));
});

test("there and back are two ways between the same ends", () => {
  const [a, b] = [pointAt(0.1, 200), pointAt(0.6, 200)];
  expect(onTheWay(a, b, 0)).toEqual(a);
  expect(onTheWay(a, b, 1)).toEqual(b);
  const [there, back] = [onTheWay(a, b, 0.5), onTheWay(b, a, 0.5)];
  expect(Math.hypot(there.x - back.x, there.y - back.y)).toBeGreaterThan(20);
});

test("a pair that is cut both ways is one, and one way is told from both", () => {
  const ways = [
    { from: "a", to: "b" },
    { from: "b", to: "a" },
    { from: "c", to: "a" },
  ];
  expect(pairsOf(ways)).toEqual([
    { from: "a", to: "b", both: true },
    { from: "c", to: "a", both: false },
  ]);
});
