import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../core/errors.ts";
import type { LeafChange } from "../wire/leaf-row.ts";
import { GroupCommit } from "./group-commit.ts";
import { MemoryDisk, MemoryStorage } from "./memory-storage.ts";
import type { StorageWrite } from "./ports.ts";
import { describeStorageContract } from "./storage-contract.ts";

describeStorageContract("group commit over memory", {
  persistent: true,
  makeDisk: () => {
    const disk = new MemoryDisk();
    return { storage: () => new GroupCommit(new MemoryStorage({ disk })), remove: async () => {} };
  },
});

const put = (key: string, byte = 1): StorageWrite[] => [{ store: "records", key, value: Uint8Array.of(byte) }];
const get = (key: string) => [{ store: "records", key }] as const;

async function opened() {
  const memory = new MemoryStorage();
  const storage = new GroupCommit(memory);
  await storage.open();
  return { memory, storage };
}

/** Lets every microtask that is due run: a macrotask comes after all of them. */
const turn = () =>
  new Promise<void>((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(undefined);
  });

describe("GroupCommit", () => {
  test("what one turn commits is one transaction", async () => {
    const { memory, storage } = await opened();
    await Promise.all(Array.from({ length: 100 }, (_, i) => storage.commit(put(`k${i}`))));
    expect(memory.counts.commits).toBe(1);
    expect(storage.counts).toMatchObject({ commits: 100, transactions: 1 });
  });

  test("two transactions are under way at most; the rest waits and leaves as one", async () => {
    const { memory, storage } = await opened();
    memory.holdCommits();
    const settled: number[] = [];
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) {
      calls.push(storage.commit(put("same", i)).then(() => settled.push(i)));
      await turn();
    }
    expect(memory.commitsWaiting).toBe(2);
    memory.releaseCommits();
    await Promise.all(calls);
    expect(memory.counts.commits).toBe(3);
    expect(settled).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await storage.read(get("same"))).toEqual([Uint8Array.of(9)]);
  });

  test("a failed transaction fails all of its commits, and later ones go on", async () => {
    const { memory, storage } = await opened();
    memory.failNextCommit();
    const outcomes = await Promise.allSettled([storage.commit(put("a")), storage.commit(put("b"))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    for (const outcome of outcomes)
      expect(outcome.status === "rejected" && outcome.reason).toBeInstanceOf(StorageError);
    await storage.commit(put("c"));
    expect(await storage.read([...get("a"), ...get("b"), ...get("c")])).toEqual([
      undefined,
      undefined,
      Uint8Array.of(1),
    ]);
  });

  test("one strict commit makes its transaction strict, and no other", async () => {
    const { memory, storage } = await opened();
    await Promise.all([storage.commit(put("a")), storage.commit(put("b"), "strict"), storage.commit(put("c"))]);
    expect(memory.counts).toMatchObject({ commits: 1, strict: 1 });
    await storage.commit(put("d"));
    expect(memory.counts).toMatchObject({ commits: 2, strict: 1 });
  });

  test("a transaction is bounded in writes and bytes, but never splits a commit", async () => {
    const { memory, storage } = await opened();
    const many = (count: number): StorageWrite[] => Array.from({ length: count }, (_, i) => put(`k${i}`)[0]!);
    await Promise.all([storage.commit(many(600)), storage.commit(many(600)), storage.commit(many(3_000))]);
    expect(memory.counts.commits).toBe(3);
    const large = (): StorageWrite[] => [{ store: "records", key: "l", value: new Uint8Array(3 * 1_048_576) }];
    await Promise.all([storage.commit(large()), storage.commit(large()), storage.commit(large())]);
    expect(memory.counts.commits).toBe(5);
  });

  test("what waits is bounded, and more is refused at once without harm", async () => {
    const { memory, storage } = await opened();
    memory.holdCommits();
    const value = new Uint8Array(1_048_576);
    const calls = Array.from({ length: 70 }, (_, i) =>
      storage.commit([{ store: "records", key: String(i), value }]).then(
        () => "written",
        (error: unknown) => (error instanceof StorageError ? "refused" : error),
      ),
    );
    await turn();
    memory.releaseCommits();
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter((outcome) => outcome === "written").length).toBe(63);
    expect(outcomes.slice(63)).toEqual(Array.from({ length: 7 }, () => "refused"));
    await storage.commit(put("later"));
  });

  test("what one turn reads is one transaction, and each caller gets its own", async () => {
    const { memory, storage } = await opened();
    await storage.commit([...put("a", 1), ...put("b", 2)]);
    const [a, both, none] = await Promise.all([
      storage.read(get("a")),
      storage.read([...get("b"), ...get("a")]),
      storage.read(get("c")),
    ]);
    expect([a, both, none]).toEqual([[Uint8Array.of(1)], [Uint8Array.of(2), Uint8Array.of(1)], [undefined]]);
    expect(memory.counts.reads).toBe(1);
    memory.failNextRead();
    const failed = await Promise.allSettled([storage.read(get("a")), storage.read(get("b"))]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await storage.read(get("a"))).toEqual([Uint8Array.of(1)]);
  });

  test("closing refuses what comes after and lets what waits end", async () => {
    const { memory, storage } = await opened();
    memory.holdCommits();
    const calls: Promise<void>[] = [];
    for (let i = 0; i < 5; i++) {
      calls.push(storage.commit(put(`k${i}`)));
      await turn();
    }
    const closed = storage.close();
    await expect(storage.commit(put("late"))).rejects.toBeInstanceOf(StorageError);
    memory.releaseCommits();
    await closed;
    await Promise.all(calls);
    expect([...memory.disk.stores.records.keys()]).toEqual(["k0", "k1", "k2", "k3", "k4"]);
  });
});

describe("sums of leaves", () => {
  const add = (leaf: number, digest: number): LeafChange => ({ leaf, change: "add", digest });
  const set = (leaf: number, digest: number): LeafChange => ({ leaf, change: "set", digest });
  const rows = (memory: MemoryStorage): number => memory.disk.stores.leaves.size;
  async function loaded(disk: MemoryDisk) {
    const storage = new GroupCommit(new MemoryStorage({ disk }));
    await storage.open();
    const sums = await storage.loadLeaves();
    await storage.close();
    return sums.sort((a, b) => a.leaf - b.leaf);
  }

  test("go with the commits that change them: one row for each transaction, however many commits it has", async () => {
    const { memory, storage } = await opened();
    await Promise.all(Array.from({ length: 100 }, (_, i) => storage.commit(put(`k${i}`), "relaxed", [add(i % 3, 1)])));
    expect([memory.counts.commits, rows(memory)]).toEqual([1, 1]);
    await storage.commit(put("a"), "relaxed", [add(0, 1), set(7, 70)]);
    expect([memory.counts.commits, rows(memory)]).toEqual([2, 2]);
    expect(await loaded(memory.disk)).toEqual([
      { leaf: 0, digest: 35 },
      { leaf: 1, digest: 33 },
      { leaf: 2, digest: 33 },
      { leaf: 7, digest: 70 },
    ]);
  });

  test("cost a commit that changes none nothing", async () => {
    const { memory, storage } = await opened();
    await storage.commit(put("a"));
    await storage.commit([{ store: "meta", key: "node", value: Uint8Array.of(1) }], "strict");
    expect(rows(memory)).toBe(0);
  });

  test("keep the order of the commits within a transaction and over several", async () => {
    const { memory, storage } = await opened();
    const commits = [add(1, 5), set(1, 100), add(1, 1)].map((change, i) =>
      storage.commit(put(`${i}`), "relaxed", [change]),
    );
    await Promise.all(commits);
    expect(await loaded(memory.disk)).toEqual([{ leaf: 1, digest: 101 }]);
    memory.holdCommits();
    const calls: Promise<void>[] = [];
    for (const change of [add(1, 1), add(1, 1), set(1, 7), add(1, 2)]) {
      calls.push(storage.commit(put("same"), "relaxed", [change]));
      await turn();
    }
    memory.releaseCommits();
    await Promise.all(calls);
    expect(await loaded(memory.disk)).toEqual([{ leaf: 1, digest: 9 }]);
  });

  test("change with the records or not at all", async () => {
    for (const applied of [true, false]) {
      const { memory, storage } = await opened();
      await storage.commit(put("before"), "relaxed", [add(1, 1)]);
      memory.failNextCommit("asked for", applied);
      await expect(storage.commit(put("a"), "relaxed", [add(1, 10)])).rejects.toBeInstanceOf(StorageError);
      await storage.commit(put("b"), "relaxed", [add(1, 100)]);
      expect(memory.disk.stores.records.get("a") !== undefined).toBe(applied);
      expect(await loaded(memory.disk)).toEqual([{ leaf: 1, digest: applied ? 111 : 101 }]);
    }
  });

  test("are folded after 1,024 transactions, and closing waits for a fold", async () => {
    const { memory, storage } = await opened();
    for (let i = 0; i < 1_023; i++) await storage.commit([], "relaxed", [add(i % 5, 1)]);
    expect(rows(memory)).toBe(1_023);
    await storage.commit([], "relaxed", [add(9_999, 9)]);
    await storage.close();
    expect(memory.disk.stores.leaves.keys().map((key) => key.split(" ")[0])).toEqual(["stretch", "stretch"]);
    expect((await loaded(memory.disk)).map(({ leaf, digest }) => [leaf, digest])).toEqual([
      [0, 205],
      [1, 205],
      [2, 205],
      [3, 204],
      [4, 204],
      [9_999, 9],
    ]);
  });

  test("are what the table says after any commits, failures and restarts", async () => {
    const commit = fc.record({
      leaf: fc.nat(5),
      change: fc.constantFrom("add", "set"),
      digest: fc.nat(2 ** 40),
      fate: fc.constantFrom("stored", "stored", "lost", "kept", "restart"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(commit, { maxLength: 40, size: "max" }), async (list) => {
        const disk = new MemoryDisk();
        const table = new Map<number, number>();
        let memory = new MemoryStorage({ disk });
        let storage = new GroupCommit(memory);
        await storage.open();
        for (const { leaf, change, digest, fate } of list) {
          if (fate === "restart") {
            await storage.close();
            memory = new MemoryStorage({ disk });
            storage = new GroupCommit(memory);
            await storage.open();
            expect(Object.fromEntries((await storage.loadLeaves()).map((sum) => [sum.leaf, sum.digest]))).toEqual(
              Object.fromEntries(table),
            );
            continue;
          }
          if (fate !== "stored") memory.failNextCommit("asked for", fate === "kept");
          await storage.commit(put("k"), "relaxed", [{ leaf, change, digest }]).catch(() => undefined);
          if (fate === "lost") continue;
          const sum = change === "set" ? digest : (table.get(leaf) ?? 0) + digest;
          if (sum === 0) table.delete(leaf);
          else table.set(leaf, sum);
        }
        await storage.close();
        expect(await loaded(disk)).toEqual(
          [...table].map(([leaf, digest]) => ({ leaf, digest })).sort((a, b) => a.leaf - b.leaf),
        );
      }),
      { numRuns: 100 },
    );
  });

  test("are not read from a storage that is closed", async () => {
    const { storage } = await opened();
    await storage.close();
    await expect(storage.loadLeaves()).rejects.toBeInstanceOf(StorageError);
  });
});
