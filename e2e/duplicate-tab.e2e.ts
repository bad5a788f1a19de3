/** A duplicated tab starts with a copy of the sessionStorage; it must become a node of its own, never the same one twice. */

import { expect, test } from "@playwright/test";
import { type Cluster, openCluster } from "./cluster.ts";

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 5 });
});
test.afterEach(() => cluster.close());

test("a duplicated tab gets an id of its own, and so does its original after a reload", async () => {
  const original = cluster.tabs[0]!;
  const node = await original.node();
  const slots = await original.page.evaluate(() => ({ ...sessionStorage }));
  expect(Object.keys(slots).length, "the identity leaves its mark in sessionStorage").toBeGreaterThan(0);

  const [page] = await Promise.all([
    cluster.context.waitForEvent("page"),
    // With an opener, as a browser's "duplicate tab" does it: sessionStorage is copied.
    original.page.evaluate(() => void window.open(location.href)),
  ]);
  const copied = await page.evaluate(() => ({ ...sessionStorage }));
  expect(copied, "the copy came along").toMatchObject(slots);

  const duplicate = cluster.adopt(page);
  await cluster.settled();
  const other = await duplicate.node();
  expect(other).not.toBe(node);
  expect(await original.node()).toBe(node);

  // Both write the same key, and both reload: still two nodes, and no write is lost.
  await Promise.all([original.put("carts/twins", "by the original"), duplicate.put("carts/twins", "by the duplicate")]);
  await Promise.all([original.reload(), duplicate.reload()]);
  await cluster.settled();
  expect(await original.node()).toBe(node);
  expect(await duplicate.node()).toBe(other);
  expect((await original.get("carts/twins")).values).toEqual(["by the duplicate", "by the original"]);
});
