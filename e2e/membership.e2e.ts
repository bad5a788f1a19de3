/**
 * Who belongs changes while the cluster works: three tabs hold 10,000 keys; a fourth, fifth and sixth join, one leaves, one dies and is removed, and comes back.
 * Reads and writes go on all the time.
 */

import { expect, test } from "@playwright/test";
import type { NodeId } from "../src/core/identifiers.ts";
import { type Cluster, type Tab, openCluster, waitUntil } from "./cluster.ts";

const KEYS = 10_000;

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 3 });
});
test.afterEach(() => cluster.close());

declare global {
  interface Window {
    load?: { running: boolean; reads: number; written: number; failures: string[]; ended: Promise<void> } | undefined;
  }
}

/** Puts `count` keys from `first` on through this tab, 64 at a time; every one is acknowledged when it resolves. */
function fill(tab: Tab, first: number, count: number): Promise<void> {
  return tab.page.evaluate(
    async ({ first, count }) => {
      const { store } = window.tabring!;
      let next = first;
      const one = async (): Promise<void> => {
        while (next < first + count) {
          const n = next++;
          await store.put(`keys/${n}`, new TextEncoder().encode(`value ${n}`), { timeoutMs: 20_000 });
        }
      };
      await Promise.all(Array.from({ length: 64 }, one));
    },
    { first, count },
  );
}

/** Reads and writes on and on, and keeps what went wrong. What it has written is read at once by the same tab. */
function startLoad(tab: Tab, name: string): Promise<void> {
  return tab.page.evaluate(
    ({ name, keys }) => {
      const { store } = window.tabring!;
      const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? "" : new TextDecoder().decode(bytes));
      const load = { running: true, reads: 0, written: 0, failures: [] as string[], ended: Promise.resolve() };
      const round = async (): Promise<void> => {
        const n = Math.floor(Math.random() * keys);
        const { values } = await store.get(`keys/${n}`);
        load.reads++;
        if (values.length !== 1 || text(values[0]) !== `value ${n}`)
          load.failures.push(`keys/${n} gave ${values.length} values`);
        const written = `live/${name}-${load.written}`;
        await store.put(written, new TextEncoder().encode(written));
        load.written++;
        const back = await store.get(written);
        if (text(back.values[0]) !== written) load.failures.push(`${written} was not read back`);
      };
      load.ended = (async () => {
        // A caller thinks between its requests; the cluster's two cores are for the joins as well.
        const think = () => new Promise((resolve) => setTimeout(resolve, 150));
        while (load.running)
          await round()
            .catch((error: unknown) => void load.failures.push(String(error)))
            .then(think);
      })();
      window.load = load;
    },
    { name, keys: KEYS },
  );
}

async function stopLoad(tab: Tab): Promise<{ reads: number; written: number; failures: string[] }> {
  return tab.page.evaluate(async () => {
    const load = window.load!;
    load.running = false;
    await load.ended;
    return { reads: load.reads, written: load.written, failures: load.failures };
  });
}

/** Of these keys, those that this tab does not read as what was put. */
function missing(tab: Tab, keys: readonly (readonly [string, string])[]): Promise<string[]> {
  return tab.page.evaluate(async (keys) => {
    const { store } = window.tabring!;
    const wrong: string[] = [];
    const queue = keys.slice();
    const one = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const { values } = await store.get(next[0], { timeoutMs: 20_000 });
        if (values.length !== 1 || new TextDecoder().decode(values[0]) !== next[1]) wrong.push(next[0]);
      }
    };
    await Promise.all(Array.from({ length: 64 }, one));
    return wrong;
  }, keys);
}

/** Of these keys, those that do not lie on exactly the disks of their owners, by what is in the databases of these nodes. */
function misplaced(tab: Tab, keys: readonly string[], nodes: readonly NodeId[]): Promise<string[]> {
  return tab.page.evaluate(
    async ({ keys, nodes }) => {
      const done = <T>(request: IDBRequest<T>): Promise<T> =>
        new Promise((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error ?? new Error("the database refused"));
        });
      const { store } = window.tabring!;
      const holders = new Map<string, string[]>();
      for (const { name } of await indexedDB.databases()) {
        if (name?.startsWith(`tabring/${store.status.cluster}/`) !== true) continue;
        const database = await done(indexedDB.open(name));
        const stores = database.transaction(["identity", "records"]);
        const { publicKey } = (await done(stores.objectStore("identity").get("node"))) as { publicKey: CryptoKey };
        const addresses = (await done(database.transaction("records").objectStore("records").getAllKeys())) as string[];
        database.close();
        const hash = await crypto.subtle.digest("SHA-256", await crypto.subtle.exportKey("raw", publicKey));
        const node = [...new Uint8Array(hash, 0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        if (!nodes.includes(node as (typeof nodes)[number])) continue;
        for (const address of addresses) {
          const key = address.slice(8);
          holders.set(key, [...(holders.get(key) ?? []), node]);
        }
      }
      return keys.filter((key) => {
        const owners = store.preferenceList(key).filter((entry) => entry.role === "owner");
        const expected = owners.map((entry) => String(entry.node)).sort();
        return (holders.get(key) ?? []).sort().join() !== expected.join();
      });
    },
    { keys, nodes },
  );
}

test("tabs join, leave and are removed under load: no read fails, nothing acknowledged is missing, every key is on exactly its owners", async () => {
  // Copying gives way to callers, down to a fiftieth of its speed where the disk is slow: that takes minutes, and nothing is wrong.
  test.setTimeout(1_080_000);
  const [first, second, third] = cluster.tabs as [Tab, Tab, Tab];
  const share = Math.ceil(KEYS / 3);
  await Promise.all(cluster.tabs.map((tab, at) => fill(tab, at * share, Math.min(share, KEYS - at * share))));

  const loaded = [first, second];
  for (const [at, tab] of loaded.entries()) await startLoad(tab, `tab${at}`);
  const others: Tab[] = [];
  for (let i = 0; i < 3; i++) others.push(await cluster.openTab());
  await cluster.settled({ members: 6, timeoutMs: 420_000 });

  // One leaves, and says what that will move before it does.
  const plan = await third.page.evaluate(async () => {
    const { moves: _, ...plan } = await window.tabring!.store.plan({ kind: "leave" });
    return { keys: plan.keys, bytes: plan.bytes, partitions: plan.partitions, refused: plan.refusal !== undefined };
  });
  expect(plan.refused).toBe(false);
  expect(plan.keys).toBeGreaterThan(KEYS / 10);
  const leaver = await third.node();
  await third.page.evaluate(() => window.tabring!.store.leave());
  await cluster.closeTab(third);
  await cluster.settled({ members: 5, timeoutMs: 420_000 });

  // One dies without a word, and is removed.
  const dead = others[1]!;
  const deadNode = await dead.node();
  const refused = await first.page.evaluate(
    (node) =>
      window.tabring!.store.remove(node).then(
        () => "",
        (error: unknown) => String(error),
      ),
    deadNode,
  );
  expect(refused).toContain("it can leave by itself");
  await cluster.killTab(dead);
  await waitUntil(async () => (await first.nodes()).find(({ node }) => node === deadNode)?.reachability === "down", {
    what: "the dead tab is missed",
  });
  await first.page.evaluate((node) => window.tabring!.store.remove(node), deadNode);
  await cluster.settled({ members: 4, timeoutMs: 420_000 });

  const unknown = await first.page.evaluate(
    (node) =>
      window.tabring!.store.remove(node).then(
        () => "",
        (error: unknown) => String(error),
      ),
    leaver,
  );
  expect(unknown).toContain("has left already");

  const loads = await Promise.all(loaded.map(stopLoad));
  for (const load of loads) {
    expect(load.failures).toEqual([]);
    expect(load.reads).toBeGreaterThan(0);
  }
  const keys: [string, string][] = Array.from({ length: KEYS }, (_, n) => [`keys/${n}`, `value ${n}`]);
  for (const [at, { written }] of loads.entries())
    for (let n = 0; n < written; n++) keys.push([`live/tab${at}-${n}`, `live/tab${at}-${n}`]);
  expect(await missing(others[2]!, keys)).toEqual([]);
  const members = await Promise.all(cluster.tabs.map((tab) => tab.node()));
  const names = keys.map(([key]) => key);
  let astray: string[] = [];
  await waitUntil(
    async () => {
      astray = await misplaced(first, names, members);
      return astray.length === 0;
    },
    { what: "every key is on exactly its owners", timeoutMs: 60_000 },
  );
  console.log(
    `${keys.length} keys, ${loads.reduce((sum, load) => sum + load.reads, 0)} reads and ${loads.reduce((sum, load) => sum + load.written, 0)} puts meanwhile; the leaver had ${plan.keys} keys to give (${plan.bytes} bytes)`,
  );

  // The dead one's tab is opened again: it hears that it was removed, gives what it has, and goes; its next start is a new node.
  const back = await cluster.openTab();
  await waitUntil(async () => (await back.status())?.reason.includes("it was removed from the cluster") === true, {
    what: "the removed node hears of it and has given what it had",
    timeoutMs: 60_000,
  });
  await back.page.reload();
  await cluster.settled({ members: 5, timeoutMs: 420_000 });
  expect(await back.node()).not.toBe(deadNode);
  expect((await back.get("keys/7")).values).toEqual(["value 7"]);
});
