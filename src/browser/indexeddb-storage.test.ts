/** In Node, over an IndexedDB in memory: the contract, and how a connection that dies is handled. The same contract runs in a real browser too. */

import "fake-indexeddb/auto";
import { describe, expect, test, vi } from "vitest";
import { StorageError } from "../core/errors.ts";
import type { StorageWrite } from "../driver/ports.ts";
import { describeStorageContract } from "../driver/storage-contract.ts";
import { IndexedDbStorage, openNodeDatabase, type ClosedReason } from "./indexeddb-storage.ts";

let disks = 0;
const freshName = () => `tabring/test/${disks++}`;

function whole<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("failed"));
  });
}

describeStorageContract("IndexedDB in memory", {
  persistent: true,
  makeDisk: () => {
    const databaseName = freshName();
    return {
      storage: () => new IndexedDbStorage({ databaseName }),
      remove: async () => void (await whole(indexedDB.deleteDatabase(databaseName))),
    };
  },
});

const put = (key: string, byte: number): StorageWrite[] => [{ store: "records", key, value: Uint8Array.of(byte) }];
const get = (key: string) => [{ store: "records", key }] as const;

/** Runs `body` and gives every connection that it opened: the tests cut them as a browser would. */
async function connectionsOf(body: () => Promise<unknown>): Promise<IDBDatabase[]> {
  const opened: IDBDatabase[] = [];
  const open = indexedDB.open.bind(indexedDB);
  indexedDB.open = (name, version) => {
    const request = open(name, version);
    request.addEventListener("success", () => opened.push(request.result));
    return request;
  };
  try {
    await body();
  } finally {
    indexedDB.open = open;
  }
  return opened;
}

describe("IndexedDbStorage, a connection that dies", () => {
  test("the same data is still there: all that waits goes on, in order", async () => {
    const databaseName = freshName();
    const storage = new IndexedDbStorage({ databaseName });
    const [connection] = await connectionsOf(() => storage.open());
    await storage.commit(put("a", 1), "relaxed");
    connection!.close();
    const calls = [
      storage.commit(put("a", 2), "relaxed"),
      storage.commit(put("a", 3), "strict"),
      storage.read(get("a")),
    ] as const;
    const late = storage.commit(put("a", 4), "relaxed");
    expect((await Promise.all(calls))[2]).toEqual([Uint8Array.of(3)]);
    await late;
    expect(await storage.read(get("a"))).toEqual([Uint8Array.of(4)]);
    await storage.close();
  });

  test("the data is gone: said once, and every further call is refused", async () => {
    const databaseName = freshName();
    let wiped = 0;
    const storage = new IndexedDbStorage({ databaseName, onWiped: () => wiped++ });
    const [connection] = await connectionsOf(() => storage.open());
    await storage.commit(put("a", 1), "relaxed");
    connection!.close();
    await whole(indexedDB.deleteDatabase(databaseName));
    const outcomes = await Promise.allSettled([storage.read(get("a")), storage.commit(put("a", 2), "relaxed")]);
    for (const outcome of outcomes)
      expect(outcome.status === "rejected" && outcome.reason).toBeInstanceOf(StorageError);
    await expect(storage.read(get("a"))).rejects.toThrow(/start as a new node/);
    expect(wiped).toBe(1);
    expect((await indexedDB.databases()).map(({ name }) => name)).not.toContain(databaseName);
    await storage.close();
  });

  test("the data is another's: refused as well", async () => {
    const databaseName = freshName();
    let wiped = 0;
    const storage = new IndexedDbStorage({ databaseName, onWiped: () => wiped++ });
    const [connection] = await connectionsOf(() => storage.open());
    connection!.close();
    await whole(indexedDB.deleteDatabase(databaseName));
    const other = new IndexedDbStorage({ databaseName });
    await other.open();
    await expect(storage.commit(put("a", 1), "relaxed")).rejects.toBeInstanceOf(StorageError);
    expect(wiped).toBe(1);
    expect(await other.read(get("a"))).toEqual([undefined]);
    await other.close();
  });

  test("a store id that was promised and is not found refuses the first open", async () => {
    const databaseName = freshName();
    const { database } = await openNodeDatabase(databaseName);
    database.close();
    let wiped = 0;
    const storage = new IndexedDbStorage({ databaseName, storeId: "another", onWiped: () => wiped++ });
    await expect(storage.open()).rejects.toBeInstanceOf(StorageError);
    await expect(storage.commit(put("a", 1), "relaxed")).rejects.toBeInstanceOf(StorageError);
    expect(wiped).toBe(1);
    await whole(indexedDB.deleteDatabase(databaseName));
  });

  test("it cannot be opened again: those who wait are refused, the next call tries again", async () => {
    const databaseName = freshName();
    const storage = new IndexedDbStorage({ databaseName });
    const [connection] = await connectionsOf(() => storage.open());
    connection!.close();
    const open = indexedDB.open.bind(indexedDB);
    indexedDB.open = () => {
      throw new DOMException("the disk is on fire", "UnknownError");
    };
    try {
      await expect(storage.commit(put("a", 1), "relaxed")).rejects.toThrow(/on fire/);
      await expect(storage.read(get("a"))).rejects.toBeInstanceOf(StorageError);
    } finally {
      indexedDB.open = open;
    }
    await storage.commit(put("a", 2), "relaxed");
    expect(await storage.read(get("a"))).toEqual([Uint8Array.of(2)]);
    await storage.close();
  });

  test("closed while it waits for the connection: refused, and nothing stays open", async () => {
    const databaseName = freshName();
    const storage = new IndexedDbStorage({ databaseName });
    const [connection] = await connectionsOf(() => storage.open());
    connection!.close();
    const waiting = storage.commit(put("a", 1), "relaxed");
    const refused = expect(waiting).rejects.toBeInstanceOf(StorageError);
    await storage.close();
    await refused;
    await whole(indexedDB.deleteDatabase(databaseName));
  });
});

describe("IndexedDbStorage, a transaction without an end", () => {
  /** Another tab's transaction that keeps every later one waiting until it is freed. */
  async function stall(databaseName: string): Promise<() => Promise<void>> {
    const { database } = await openNodeDatabase(databaseName);
    const transaction = database.transaction(["records", "hints", "meta"], "readwrite");
    let free = false;
    const spin = async (): Promise<void> => {
      while (!free) await transaction.objectStore("records").get("x");
    };
    const spinning = spin();
    return async () => {
      free = true;
      await spinning;
      await transaction.done;
      database.close();
    };
  }

  test("fails as soon as the browser cuts the connection; the next call goes on with a new one", async () => {
    const databaseName = freshName();
    const storage = new IndexedDbStorage({ databaseName });
    const [connection] = await connectionsOf(() => storage.open());
    const free = await stall(databaseName);
    const hanging = storage.commit(put("a", 1), "relaxed");
    const refused = expect(hanging).rejects.toThrow(/not known/);
    // The browser's event, in the shape that the IndexedDB in memory dispatches; its own forced close waits for transactions to end.
    const phases = { CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };
    connection!.dispatchEvent({ type: "close", initialized: true, eventPath: [], ...phases } as unknown as Event);
    await refused;
    await free();
    await storage.commit(put("b", 2), "relaxed");
    expect(await storage.read(get("b"))).toEqual([Uint8Array.of(2)]);
    await storage.close();
  });

  test("fails after a while even if the browser says nothing", async () => {
    const databaseName = freshName();
    const storage = new IndexedDbStorage({ databaseName, transactionTimeoutMs: 20 });
    await storage.open();
    const free = await stall(databaseName);
    await expect(storage.commit(put("a", 1), "relaxed")).rejects.toBeInstanceOf(StorageError);
    await free();
    await storage.close();
  });
});

describe("IndexedDbStorage, other tabs", () => {
  test("another tab's upgrade closes it cleanly, says so, and refuses what comes after", async () => {
    const databaseName = freshName();
    const reasons: ClosedReason[] = [];
    const old = new IndexedDbStorage({ databaseName, onClosed: (reason) => reasons.push(reason) });
    await old.open();
    const last = old.commit(put("a", 1), "relaxed");
    const upgraded = new IndexedDbStorage({ databaseName, version: 4 });
    await upgraded.open();
    await last;
    expect(reasons).toEqual(["upgraded"]);
    await expect(old.commit(put("a", 2), "relaxed")).rejects.toThrow(/[Rr]eload this page/);
    expect(await upgraded.read(get("a"))).toEqual([Uint8Array.of(1)]);
    await upgraded.close();
    await old.close();
    const late = new IndexedDbStorage({ databaseName });
    await expect(late.open()).rejects.toThrow(/newer version of this page/);
  });

  test("another tab's deletion closes it and says so", async () => {
    const databaseName = freshName();
    const reasons: ClosedReason[] = [];
    const storage = new IndexedDbStorage({ databaseName, onClosed: (reason) => reasons.push(reason) });
    await storage.open();
    await whole(indexedDB.deleteDatabase(databaseName));
    expect(reasons).toEqual(["deleted"]);
    await expect(storage.read(get("a"))).rejects.toBeInstanceOf(StorageError);
    await storage.close();
  });

  test("a database that is merely open, for its identity, blocks nobody either", async () => {
    const databaseName = freshName();
    await openNodeDatabase(databaseName);
    await whole(indexedDB.deleteDatabase(databaseName));
  });

  test("an upgrade that another tab blocks is an error, not a hang", async () => {
    const databaseName = freshName();
    const { database } = await openNodeDatabase(databaseName);
    database.close();
    const stubborn = await whole(indexedDB.open(databaseName));
    const storage = new IndexedDbStorage({ databaseName, version: 4 });
    await expect(storage.open()).rejects.toThrow(/Close or reload the other tabs/);
    stubborn.close();
    // The refused open did go through in the end, and let go: it blocks nobody.
    await whole(indexedDB.deleteDatabase(databaseName));
  });

  test("an open behind a blocked deletion gives up in time", async () => {
    const databaseName = freshName();
    const stubborn = await whole(indexedDB.open(databaseName));
    const deleted = whole(indexedDB.deleteDatabase(databaseName));
    const storage = new IndexedDbStorage({ databaseName, openTimeoutMs: 20 });
    await expect(storage.open()).rejects.toThrow(/could not be opened in time/);
    stubborn.close();
    await deleted;
  });

  test("a database of somebody else is left alone", async () => {
    const databaseName = freshName();
    (await whole(indexedDB.open(databaseName, 1))).close();
    await expect(new IndexedDbStorage({ databaseName }).open()).rejects.toThrow(/not made by this application/);
    await whole(indexedDB.deleteDatabase(databaseName));
  });
});

test("a failing write fails its whole commit, by name, and later ones go on", async () => {
  const databaseName = freshName();
  const storage = new IndexedDbStorage({ databaseName });
  await storage.open();
  const bad = { toString: () => "no key" } as unknown as string;
  const commit = storage.commit([...put("a", 1), { store: "records", key: bad, value: Uint8Array.of(1) }], "relaxed");
  await expect(commit).rejects.toThrow(/DataError/);
  await storage.commit(put("b", 1), "relaxed");
  expect(await storage.read([...get("a"), ...get("b")])).toEqual([undefined, Uint8Array.of(1)]);
  await storage.close();
});

test("a scan reads no further than one small page beyond its bound", async () => {
  const databaseName = freshName();
  const storage = new IndexedDbStorage({ databaseName });
  await storage.open();
  await storage.commit(
    Array.from({ length: 200 }, (_, i) => ({
      store: "records",
      key: String(i).padStart(3, "0"),
      value: new Uint8Array(1_000),
    })),
    "relaxed",
  );
  const getAll = vi.spyOn(IDBObjectStore.prototype, "getAll");
  const page = await storage.scan("records", { after: "", before: "x", countMax: 10_000, bytesMax: 50_000 });
  expect([page.entries.length, page.done]).toEqual([50, false]);
  const asked = getAll.mock.calls.map((call) => Number((call as unknown[])[1] ?? Infinity));
  expect(asked.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(51);
  getAll.mockRestore();
  await storage.close();
});
