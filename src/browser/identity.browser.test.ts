/** Identities under the browser's real locks and IndexedDB. Frames of this origin stand for other tabs: locks and databases are shared alike. */

import { deleteDB, openDB } from "idb";
import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../base/bytes.ts";
import { defaultParameters } from "../core/config.ts";
import type { NodeId } from "../core/identifiers.ts";
import { META_KEY } from "../driver/driver.ts";
import { encodeMeta } from "../wire/record.ts";
import {
  claimFounding,
  claimIdentity,
  forgetCluster,
  knownClusters,
  profileZone,
  slotDatabaseName,
  type Identity,
} from "./identity.ts";
import { IndexedDbStorage } from "./indexeddb-storage.ts";

/** The memory of one tab, apart from the one that runs the tests. */
function tabMemory(copyOf: Record<string, string> = {}) {
  const items = new Map(Object.entries(copyOf));
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    copy: () => tabMemory(Object.fromEntries(items)),
  };
}

const claims: Identity[] = [];
const clusters: string[] = [];
const freshCluster = () => {
  const cluster = `test-${crypto.randomUUID()}`;
  clusters.push(cluster);
  return cluster;
};
async function claim(cluster: string, session = tabMemory(), reloaded = false): Promise<Identity> {
  const identity = await claimIdentity({ cluster, session, reloaded });
  claims.push(identity);
  return identity;
}

afterEach(async () => {
  for (const identity of claims.splice(0)) await identity.release();
  for (const cluster of clusters.splice(0)) expect((await forgetCluster(cluster)).held).toEqual([]);
});

describe("claimIdentity", () => {
  test("the first claim is new; the id is the hash of a public key whose private key cannot be exported, and signs", async () => {
    const identity = await claim(freshCluster());
    expect(identity).toMatchObject({ slot: 0, origin: "new" });
    expect(identity.node).toMatch(/^[0-9a-f]{32}$/);
    const raw = await crypto.subtle.exportKey("raw", identity.keys.publicKey);
    expect(identity.node).toBe(toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw))).slice(0, 32));
    expect(identity.keys.privateKey.extractable).toBe(false);
    const said = new TextEncoder().encode("I am");
    const signature = await crypto.subtle.sign("Ed25519", identity.keys.privateKey, said);
    expect(await crypto.subtle.verify("Ed25519", identity.keys.publicKey, signature, said)).toBe(true);
  });

  test("claims at the same moment get different slots and ids", async () => {
    const cluster = freshCluster();
    const identities = await Promise.all(Array.from({ length: 4 }, () => claim(cluster)));
    expect(identities.map(({ slot }) => slot).sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(identities.map(({ node }) => node)).size).toBe(4);
  });

  test("a tab that comes back resumes its own slot, with its data, even when a lower one is free", async () => {
    const cluster = freshCluster();
    const first = await claim(cluster);
    const tab = tabMemory();
    const second = await claim(cluster, tab);
    const storage = new IndexedDbStorage(second);
    await storage.open();
    await storage.commit([{ store: "records", key: "k", value: Uint8Array.of(5) }], "relaxed");
    await storage.close();
    await first.release();
    await second.release();
    const again = await claim(cluster, tab);
    expect(again).toMatchObject({ origin: "resumed", slot: 1, node: second.node, storeId: second.storeId });
    const reopened = new IndexedDbStorage(again);
    await reopened.open();
    expect(await reopened.read([{ store: "records", key: "k" }])).toEqual([Uint8Array.of(5)]);
    await reopened.close();
  });

  test("a duplicated tab finds the lock held and becomes another node", async () => {
    const cluster = freshCluster();
    const tab = tabMemory();
    const original = await claim(cluster, tab);
    const copy = await claim(cluster, tab.copy(), true);
    expect(copy).toMatchObject({ origin: "new", slot: 1 });
    expect(copy.node).not.toBe(original.node);
  });

  test("a new tab takes up the lowest slot whose tab is gone", async () => {
    const cluster = freshCluster();
    const all = [await claim(cluster), await claim(cluster), await claim(cluster)];
    await all[2]!.release();
    await all[1]!.release();
    expect(await claim(cluster)).toMatchObject({ origin: "taken-up", slot: 1, node: all[1]!.node });
    expect(await claim(cluster)).toMatchObject({ origin: "taken-up", slot: 2, node: all[2]!.node });
    expect(await claim(cluster)).toMatchObject({ origin: "new", slot: 3 });
  });

  test("a reload waits for the old page to let go", async () => {
    const cluster = freshCluster();
    const tab = tabMemory();
    const before = await claim(cluster, tab);
    await before.release();
    // Another page holds the lock a little longer, as the page before a reload does.
    const frame = document.body.appendChild(document.createElement("iframe"));
    const name = slotDatabaseName(cluster, 0);
    let free = (): void => {};
    let held: Promise<unknown> = Promise.resolve();
    await new Promise<void>((taken) => {
      held = frame.contentWindow!.navigator.locks.request(name, () => {
        taken();
        return new Promise<void>((resolve) => (free = resolve));
      });
    });
    const resuming = claim(cluster, tab, true);
    for (let waiting = false; !waiting;)
      waiting = (await navigator.locks.query()).pending?.some((lock) => lock.name === name) ?? false;
    free();
    await held;
    expect(await resuming).toMatchObject({ origin: "resumed", slot: 0, node: before.node });
    frame.remove();
  });

  test("a tab that is gone without a word frees its slot; its data was there all the time", async () => {
    const cluster = freshCluster();
    const before = await claim(cluster);
    await before.release();
    const frame = document.body.appendChild(document.createElement("iframe"));
    const name = slotDatabaseName(cluster, 0);
    await new Promise<void>((held) => {
      void frame
        .contentWindow!.navigator.locks.request(name, () => {
          held();
          return new Promise<void>(() => {});
        })
        .catch(() => {});
    });
    expect((await claim(cluster)).slot).toBe(1);
    frame.remove();
    for (let gone = false; !gone;) gone = !(await navigator.locks.query()).held?.some((lock) => lock.name === name);
    expect(await claim(cluster)).toMatchObject({ slot: 0, origin: "taken-up", node: before.node });
  });

  test("when the data is wiped the identity is gone with it", async () => {
    const cluster = freshCluster();
    const tab = tabMemory();
    const before = await claim(cluster, tab);
    await before.release();
    await deleteDB(before.databaseName);
    const after = await claim(cluster, tab);
    expect(after).toMatchObject({ origin: "new", slot: 0 });
    expect(after.node).not.toBe(before.node);
  });

  test("a storage opened with an identity refuses a database that was wiped in between", async () => {
    const identity = await claim(freshCluster());
    await deleteDB(identity.databaseName);
    let wiped = 0;
    const storage = new IndexedDbStorage({ ...identity, onWiped: () => wiped++ });
    await expect(storage.open()).rejects.toThrow(/not there any more/);
    expect(wiped).toBe(1);
  });

  test("one damaged database does not keep a tab out", async () => {
    const cluster = freshCluster();
    (await openDB(slotDatabaseName(cluster, 0), 1)).close();
    expect(await claim(cluster)).toMatchObject({ origin: "new", slot: 1 });
  });

  test("two clusters share neither slot nor database", async () => {
    const [a, b] = [freshCluster(), freshCluster()];
    const tab = tabMemory();
    const inA = await claim(a, tab);
    const inB = await claim(b, tab);
    expect([inA.slot, inB.slot]).toEqual([0, 0]);
    expect(inA.node).not.toBe(inB.node);
    expect(inA.databaseName).not.toBe(inB.databaseName);
  });
});

describe("claimFounding", () => {
  const claims = Array.from({ length: defaultParameters.partitions }, () => ({
    owner: "a".repeat(32) as NodeId,
    version: 1,
  }));
  const view = { parameters: defaultParameters, members: [], claims, buckets: [] };

  async function remember(identity: Identity, value: Uint8Array): Promise<void> {
    const storage = new IndexedDbStorage(identity);
    await storage.open();
    await storage.commit([{ store: "meta", key: META_KEY, value }], "strict");
    await storage.close();
  }

  test("of those who mean to at the same moment one is to found, and the next one when it has let go", async () => {
    const cluster = freshCluster();
    const tabs = [await claim(cluster), await claim(cluster), await claim(cluster)];
    const foundings = await Promise.all(tabs.map((tab) => claimFounding(cluster, tab)));
    const granted = foundings.flatMap((release) => release ?? []);
    expect(granted).toHaveLength(1);
    expect(await claimFounding(cluster, tabs[0]!)).toBeUndefined();
    await granted[0]!();
    const next = await claimFounding(cluster, tabs[2]!);
    expect(next).toBeDefined();
    await next!();
  });

  test("nobody founds where another node of this browser is a member; one that has met nobody yet does not count", async () => {
    const cluster = freshCluster();
    const [member, other] = [await claim(cluster), await claim(cluster)];
    await remember(member, encodeMeta({ incarnation: 1, view: undefined, unopened: [] }));
    const release = await claimFounding(cluster, other);
    expect(release).toBeDefined();
    await release!();
    await remember(member, encodeMeta({ incarnation: 1, view, unopened: [] }));
    expect(await claimFounding(cluster, other)).toBeUndefined();
    // Its own membership does not stand in its way: founding again is nothing then.
    await (await claimFounding(cluster, member))!();
    await remember(member, Uint8Array.of(1, 2, 3));
    expect(await claimFounding(cluster, other)).toBeUndefined();
  });
});

test("known clusters are those with databases; forgetting one spares the slots in use and the other clusters", async () => {
  const [kept, forgotten] = [freshCluster(), freshCluster()];
  await (await claim(kept)).release();
  const inUse = await claim(forgotten);
  await (await claim(forgotten)).release();
  expect(await knownClusters()).toEqual(expect.arrayContaining([kept, forgotten]));
  expect(await forgetCluster(forgotten)).toEqual({ deleted: [1], held: [0] });
  await inUse.release();
  expect(await forgetCluster(forgotten)).toEqual({ deleted: [0], held: [] });
  const known = await knownClusters();
  expect(known).toContain(kept);
  expect(known).not.toContain(forgotten);
});

test("the profile's zone is drawn once, also when tabs start together", async () => {
  const zones = await Promise.all([profileZone(), profileZone(), profileZone()]);
  expect(zones[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set([...zones, await profileZone()]).size).toBe(1);
});
