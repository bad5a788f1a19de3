import { expect, test } from "vitest";
import { LatestMap } from "./latest-map.ts";

test("keeps what was set last, so many", () => {
  const map = new LatestMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect(["a", "b", "c"].map((name) => map.get(name))).toEqual([3, undefined, 4]);
  expect([map.size, [...map.values()]]).toEqual([2, [3, 4]]);
  map.delete("a");
  expect([...map.values()]).toEqual([4]);
});
