import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { StorageError } from "../core/errors.ts";
import { MemoryDisk, MemoryStorage, SortedBytes } from "./memory-storage.ts";
import { describeStorageContract } from "./storage-contract.ts";

describeStorageContract("memory", {
  persistent: true,
  makeDisk: () => {
    const disk = new MemoryDisk();
    return { storage: () => new MemoryStorage({ disk }), remove: async () => {} };
  },
});

const one = (key: string, byte: number) => [{ store: "records", key, value: Uint8Array.of(byte) }] as const;

describe("MemoryStorage, the faults that tests ask for", () => {
  test("held commits are neither applied nor acknowledged until released, and keep their order", async () => {
    const storage = new MemoryStorage();
    await storage.open();
    storage.holdCommits();
    const settled: string[] = [];
    const first = storage.commit(one("a", 1), "relaxed").then(() => settled.push("first"));
    const second = storage.commit(one("a", 2), "strict").then(() => settled.push("second"));
    expect(await storage.read([{ store: "records", key: "a" }])).toEqual([undefined]);
    expect(storage.commitsWaiting).toBe(2);
    expect(settled).toEqual([]);
    storage.releaseCommits();
    await Promise.all([first, second]);
    expect(settled).toEqual(["first", "second"]);
    expect(await storage.read([{ store: "records", key: "a" }])).toEqual([Uint8Array.of(2)]);
    expect(storage.counts).toMatchObject({ commits: 2, strict: 1 });
  });

  test("closing while commits are held loses them, as a crash would", async () => {
    const disk = new MemoryDisk();
    const storage = new MemoryStorage({ disk });
    await storage.open();
    await storage.commit(one("a", 1), "relaxed");
    storage.holdCommits();
    const lost = storage.commit(one("a", 2), "relaxed");
    const refused = expect(lost).rejects.toBeInstanceOf(StorageError);
    await storage.close();
    await refused;
    const next = new MemoryStorage({ disk });
    await next.open();
    expect(await next.read([{ store: "records", key: "a" }])).toEqual([Uint8Array.of(1)]);
  });

  test("a failing commit may or may not have been applied; the next one goes on", async () => {
    const storage = new MemoryStorage();
    await storage.open();
    storage.failNextCommit("the disk is on fire");
    await expect(storage.commit(one("a", 1), "relaxed")).rejects.toThrow(/on fire.*not known/s);
    storage.failNextCommit("power lost", true);
    await expect(storage.commit(one("b", 1), "relaxed")).rejects.toBeInstanceOf(StorageError);
    await storage.commit(one("c", 1), "relaxed");
    const values = await storage.read(["a", "b", "c"].map((key) => ({ store: "records", key }) as const));
    expect(values).toEqual([undefined, Uint8Array.of(1), Uint8Array.of(1)]);
    storage.failNextRead();
    await expect(storage.read([{ store: "records", key: "c" }])).rejects.toBeInstanceOf(StorageError);
    expect(await storage.read([{ store: "records", key: "c" }])).toEqual([Uint8Array.of(1)]);
  });

  test("a full disk refuses what would make it grow, and takes it once there is room", async () => {
    const storage = new MemoryStorage({ bytesMax: 100 });
    await storage.open();
    const put = (key: string, length: number) =>
      storage.commit([{ store: "records", key, value: new Uint8Array(length) }], "relaxed");
    await put("a", 90);
    await expect(put("b", 50)).rejects.toThrow(/full/);
    await storage.commit([{ store: "records", key: "a", value: null }], "relaxed");
    await put("b", 50);
    expect(storage.disk.bytes).toBe(52);
  });
});

test("SortedBytes keeps order through any mix of sets, deletes and scans", () => {
  const step = fc.record({ key: fc.string({ maxLength: 3 }), kind: fc.constantFrom("set", "set", "delete", "keys") });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new SortedBytes();
      const model = new Set<string>();
      for (const { key, kind } of steps) {
        if (kind === "set") {
          map.set(key, new Uint8Array(0));
          model.add(key);
        } else if (kind === "delete") {
          map.delete(key);
          model.delete(key);
        } else expect(map.keys()).toEqual([...model].sort());
      }
      expect(map.keys()).toEqual([...model].sort());
    }),
  );
});
