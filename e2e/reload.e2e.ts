/** A reload is a restart of the node: the same id, and the data from its own IndexedDB. */

import { expect, test } from "@playwright/test";
import { type Cluster, idsOf, keysOwnedBy, openCluster } from "./cluster.ts";

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 5 });
});
test.afterEach(() => cluster.close());

test("a reloaded tab is the same node and reads its own disk", async () => {
  // Not the first: with all others gone, a tab that forgot who it was would take up the first one's identity.
  const tab = cluster.tabs[4]!;
  const others = cluster.tabs.slice(0, 4);
  const node = await tab.node();
  const keys = await keysOwnedBy(tab, node, 10, "carts/reload-");
  for (const key of keys) await others[0]!.put(key, `of ${key}`, { w: 3 });

  // Nobody is left to copy from: the server keeps no data.
  for (const other of others) await cluster.closeTab(other);
  await tab.reload();
  expect(await tab.node()).toBe(node);
  await tab.page.evaluate(() => window.tabring!.store.ready());
  for (const key of keys) expect((await tab.get(key, { r: 1 })).values, key).toEqual([`of ${key}`]);
});

test("all tabs reload at once: the same five nodes, nothing acknowledged is missing", async () => {
  const ids = await idsOf(cluster.tabs);
  const keys = Array.from({ length: 20 }, (_, i) => `carts/together-${i}`);
  for (const [at, key] of keys.entries()) await cluster.tabs[at % 5]!.put(key, `of ${key}`);

  await Promise.all(cluster.tabs.map((tab) => tab.reload()));
  await cluster.settled();
  expect(await idsOf(cluster.tabs)).toEqual(ids);
  for (const key of keys) expect((await cluster.tabs[0]!.get(key)).values, key).toEqual([`of ${key}`]);
});
