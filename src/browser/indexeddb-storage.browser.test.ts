/** The contract on the browser's real IndexedDB, alone and behind group commit; and a full disk, which only a real one has. */

import { deleteDB } from "idb";
import { describe, expect, test } from "vitest";
import { cdp } from "vitest/browser";
import { StorageError } from "../core/errors.ts";
import { GroupCommit } from "../driver/group-commit.ts";
import type { StorageWrite } from "../driver/ports.ts";
import { describeStorageContract } from "../driver/storage-contract.ts";
import { IndexedDbStorage, storageEstimate } from "./indexeddb-storage.ts";

const freshName = () => `tabring/test-${crypto.randomUUID()}/0`;
const put = (key: string, value: Uint8Array): StorageWrite[] => [{ store: "records", key, value }];

for (const [name, wrap] of [
  ["IndexedDB", (storage: IndexedDbStorage) => storage],
  ["group commit over IndexedDB", (storage: IndexedDbStorage) => new GroupCommit(storage)],
] as const)
  describeStorageContract(name, {
    persistent: true,
    makeDisk: () => {
      const databaseName = freshName();
      return {
        storage: () => wrap(new IndexedDbStorage({ databaseName })),
        remove: () => deleteDB(databaseName),
      };
    },
  });

/** Browsers compress what they store, and what is empty takes no room. */
function incompressible(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

describe("a real browser", () => {
  const session = (): { send(method: string, parameters: object): Promise<unknown> } => cdp();
  const clearSiteData = () =>
    session().send("Storage.clearDataForOrigin", { origin: location.origin, storageTypes: "indexeddb" });

  test("site data cleared under an open storage: said, and refused from then on", async () => {
    let tellWiped = (): void => {};
    const wiped = new Promise<void>((resolve) => (tellWiped = resolve));
    const storage = new IndexedDbStorage({ databaseName: freshName(), onWiped: () => tellWiped() });
    await storage.open();
    await storage.commit(put("a", Uint8Array.of(1)), "relaxed");
    await clearSiteData();
    await expect(storage.commit(put("a", Uint8Array.of(2)), "relaxed")).rejects.toBeInstanceOf(StorageError);
    await wiped;
    await expect(storage.read([{ store: "records", key: "a" }])).rejects.toThrow(/start as a new node/);
    await storage.close();
    expect(await indexedDB.databases()).toEqual([]);
  });

  test("a full quota refuses by name, keeps what was acknowledged, and takes small writes still", async () => {
    const databaseName = freshName();
    // The browser remembers for a while how much room there was; it forgets that with the data.
    await clearSiteData();
    await session().send("Storage.overrideQuotaForOrigin", { origin: location.origin, quotaSize: 3 * 1_048_576 });
    const storage = new IndexedDbStorage({ databaseName });
    try {
      await storage.open();
      await storage.commit(put("kept", Uint8Array.of(7)), "strict");
      const failure = await storage.commit(put("large", incompressible(8 * 1_048_576)), "relaxed").then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(StorageError);
      expect((failure as StorageError).message).toMatch(/quota/);
      expect((failure as StorageError).code).toBe("storage");
      expect(await storage.read([{ store: "records", key: "kept" }])).toEqual([Uint8Array.of(7)]);
      await storage.commit(put("small", Uint8Array.of(8)), "relaxed");
    } finally {
      await session().send("Storage.overrideQuotaForOrigin", { origin: location.origin });
      await storage.close();
      await deleteDB(databaseName);
    }
  });

  test("another connection's deletion is not blocked", async () => {
    const databaseName = freshName();
    const reasons: string[] = [];
    const storage = new IndexedDbStorage({ databaseName, onClosed: (reason) => reasons.push(reason) });
    await storage.open();
    await deleteDB(databaseName);
    expect(reasons).toEqual(["deleted"]);
    await expect(storage.read([{ store: "records", key: "a" }])).rejects.toBeInstanceOf(StorageError);
    await storage.close();
  });

  test("says how much it may use", async () => {
    const estimate = await storageEstimate();
    expect(estimate?.quotaBytes).toBeGreaterThan(0);
    expect(typeof estimate?.persisted).toBe("boolean");
  });
});
