/** A tab that owns a cart dies without a word; the others write on, keep hints, and hand them over when it is back (paper, section 4.6). */

import { expect, test } from "@playwright/test";
import { type Cluster, keysOwnedBy, openCluster, type Tab, waitUntil } from "./cluster.ts";

const KEYS = 12;

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 5 });
});
test.afterEach(() => cluster.close());

/** What the tab itself holds: it reads cut off from everybody, so that only its own replica can answer. */
async function ownReplica(tab: Tab, keys: readonly string[]): Promise<Map<string, readonly string[]>> {
  await tab.cutOff();
  const held = new Map<string, readonly string[]>();
  for (const key of keys) held.set(key, (await tab.get(key, { r: 1 })).values);
  await tab.heal();
  return held;
}

test("kill an owner, write on, bring it back: hints drain, it holds the newest, nothing is missing", async () => {
  const [victim, ...others] = cluster.tabs as [Tab, ...Tab[]];
  const writer = others[0]!;
  const dead = await victim.node();
  const keys = await keysOwnedBy(writer, dead, KEYS, "carts/handoff-");

  const contexts = new Map<string, readonly number[]>();
  for (const key of keys) contexts.set(key, (await writer.put(key, "first")).context);

  await cluster.killTab(victim);

  const acknowledged: string[] = [];
  for (const [at, key] of keys.entries()) {
    const tab = others[at % others.length]!;
    await tab.put(key, "newest", { context: contexts.get(key)! });
    acknowledged.push(key);
  }
  // Written while it was away; never seen by it before.
  const [fresh] = await keysOwnedBy(writer, dead, 1, "carts/while-away-");
  await writer.put(fresh!, "newest");
  acknowledged.push(fresh!);
  await waitUntil(async () => (await cluster.hints()) > 0, { what: "somebody keeps hints for the dead owner" });
  // Unreachable, yet still a member: nothing moves because of a failure (paper, section 4.8.1).
  await waitUntil(async () => (await writer.nodes()).find((info) => info.node === dead)?.reachability === "down", {
    what: "the others take it for down",
  });
  expect((await writer.status())?.members).toBe(5);

  const back = await cluster.openTab();
  await cluster.settled();
  expect(await back.node(), "the new tab takes up the identity whose tab is gone").toBe(dead);

  await waitUntil(async () => (await cluster.hints()) === 0, { what: "all hints are handed over" });
  const held = await ownReplica(back, acknowledged);
  for (const key of acknowledged) expect(held.get(key), key).toEqual(["newest"]);
  await cluster.settled();
  for (const tab of cluster.tabs)
    for (const key of acknowledged) expect((await tab.get(key)).values, key).toEqual(["newest"]);
});
