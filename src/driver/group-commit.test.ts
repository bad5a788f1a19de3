import { describe, expect, test } from "vitest";
import { StorageError } from "../core/errors.ts";
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
