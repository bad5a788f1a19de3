import { expect, test } from "vitest";
import { HintIndex } from "./hint-index.ts";
import type { Key, NodeId } from "./identifiers.ts";

const [milk, eggs] = ["carts/milk", "carts/eggs"] as Key[] as [Key, Key];
const [a, b] = ["a", "b"] as NodeId[] as [NodeId, NodeId];

test("hints are known by key and by whom they are owed to, in the order in which they came", () => {
  const index = new HintIndex();
  index.add(milk, a);
  index.add(eggs, a);
  index.add(milk, b);
  index.add(milk, a);
  expect(index.size).toBe(3);
  expect([...index.keysFor(a)]).toEqual([milk, eggs]);
  expect(index.targets()).toEqual([a, b]);
  expect([...index.targetsOf(milk)]).toEqual([a, b]);
});

test("one that leaves is not delivered again, but still counts until it is removed", () => {
  const index = new HintIndex();
  index.add(milk, a);
  index.leave(milk, a);
  expect([...index.keysFor(a)]).toEqual([]);
  expect(index.targets()).toEqual([]);
  expect([index.size, index.has(milk, a), [...index.targetsOf(milk)]]).toEqual([1, true, [a]]);
  index.remove(milk, a);
  expect([index.size, index.has(milk, a)]).toEqual([0, false]);
  index.remove(milk, a);
  expect(index.size).toBe(0);
});

test("one whose removal failed is owed as before, and counted once", () => {
  const index = new HintIndex();
  index.add(milk, a);
  index.leave(milk, a);
  index.add(milk, a);
  expect([index.size, index.count(a), [...index.keysFor(a)]]).toEqual([1, 1, [milk]]);
});
