import { deleteDB, openDB } from "idb";
import { afterEach, expect, test } from "vitest";
import { KeptMap } from "./kept-map.ts";

const DATABASE = "kept-map-test";
const OTHER = "kept-map-test-other";
const STORE = "values";

afterEach(async () => {
  await deleteDB(DATABASE);
  await deleteDB(OTHER);
});

test("what one keeps, the next one finds, in the order of the names, until it is forgotten", async () => {
  const first = new KeptMap<{ at: number }>(DATABASE, STORE);
  await first.keep("b", { at: 1 });
  await first.keep("a", { at: 2 });
  await first.keep("b", { at: 3 });

  const next = new KeptMap<{ at: number }>(DATABASE, STORE);
  expect(await next.all()).toEqual([
    ["a", { at: 2 }],
    ["b", { at: 3 }],
  ]);
  await next.forget("a");
  await next.forget("never kept");
  expect(await first.all()).toEqual([["b", { at: 3 }]]);
});

test("databases do not see each other", async () => {
  await new KeptMap<number>(DATABASE, STORE).keep("a", 1);
  expect(await new KeptMap<number>(OTHER, STORE).all()).toEqual([]);
});

test("many at once are all kept", async () => {
  const map = new KeptMap<number>(DATABASE, STORE);
  await Promise.all([1, 2, 3, 4, 5].map((value) => map.keep(`name ${value}`, value)));
  expect((await map.all()).map(([, value]) => value)).toEqual([1, 2, 3, 4, 5]);
});

test("it is in nobody's way: the database can be deleted while a map is there", async () => {
  const map = new KeptMap<number>(DATABASE, STORE);
  await map.keep("a", 1);
  const blocked = await new Promise((resolve) => {
    void deleteDB(DATABASE, { blocked: () => resolve(true) }).then(() => resolve(false));
  });
  expect(blocked).toBe(false);
  expect(await map.all()).toEqual([]);
});

test("what the browser refuses is not kept, and nothing fails or is lost", async () => {
  const map = new KeptMap<unknown>(DATABASE, STORE);
  await map.keep("a", 1);
  await map.keep("a", () => "a function cannot be stored");
  expect(await map.all()).toEqual([["a", 1]]);

  // Storage that cannot be opened, as where the browser blocks it: here, because a newer page has been there.
  (await openDB(OTHER, 2)).close();
  const shut = new KeptMap<number>(OTHER, STORE);
  await shut.keep("a", 1);
  await shut.forget("a");
  expect(await shut.all()).toEqual([]);
});
