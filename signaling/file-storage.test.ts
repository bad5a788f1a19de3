import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  rmdir,
  stat,
  truncate,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StorageError } from "../src/core/errors.ts";
import type { StorageWrite } from "../src/driver/ports.ts";
import { describeStorageContract } from "../src/driver/storage-contract.ts";
import { FileStorage } from "./file-storage.ts";

describeStorageContract("a log file", {
  persistent: true,
  makeDisk: async () => {
    const folder = await mkdtemp(join(tmpdir(), "tabring-"));
    return { storage: () => new FileStorage({ folder }), remove: () => rm(folder, { recursive: true }) };
  },
});

let folder: string;
let log: string;
let lock: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tabring-"));
  log = join(folder, "tabring.log");
  lock = join(folder, "tabring.lock");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const put = (key: string, value: Uint8Array | string): StorageWrite[] => [
  { store: "records", key, value: typeof value === "string" ? new TextEncoder().encode(value) : value },
];
async function opened(
  options: { liveBytesMax?: number; onNotice?: (text: string) => void } = {},
): Promise<FileStorage> {
  const storage = new FileStorage({ folder, ...options });
  await storage.open();
  return storage;
}
async function valueOf(storage: FileStorage, key: string): Promise<string | undefined> {
  const [value] = await storage.read([{ store: "records", key }]);
  return value === undefined ? undefined : new TextDecoder().decode(value);
}
/** A log of three commits; gives the sizes of the file after each. */
async function threeCommits(): Promise<number[]> {
  const storage = await opened();
  const ends: number[] = [];
  for (const key of ["a", "b", "c"]) {
    await storage.commit(put(key, `value of ${key}`), "strict");
    ends.push(storage.sizes.logBytes);
  }
  await storage.close();
  return ends;
}

describe("FileStorage, the end of the log", () => {
  test("torn at every possible byte: the whole entries stay, the rest is cut off and can be written again", async () => {
    const [, second, third] = (await threeCommits()) as [number, number, number];
    const whole = await readFile(log);
    for (let size = second + 1; size < third; size++) {
      await writeFile(log, whole.subarray(0, size));
      const notices: string[] = [];
      const storage = await opened({ onNotice: (text) => notices.push(text) });
      expect(notices.join()).toContain(`cut ${size - second} bytes`);
      expect([await valueOf(storage, "b"), await valueOf(storage, "c")]).toEqual(["value of b", undefined]);
      await storage.commit(put("c", "again"), "relaxed");
      await storage.close();
      const next = await opened();
      expect([await valueOf(next, "b"), await valueOf(next, "c")]).toEqual(["value of b", "again"]);
      await next.close();
    }
  });

  test("room that was made but not filled is cut off", async () => {
    const [, , third] = (await threeCommits()) as [number, number, number];
    await truncate(log, third + 5_000);
    const storage = await opened();
    expect(await valueOf(storage, "c")).toBe("value of c");
    expect(storage.sizes.logBytes).toBe(third);
    await storage.close();
    expect((await stat(log)).size).toBe(third);
  });

  test("torn while the log was made: starts anew", async () => {
    await writeFile(log, "TAB");
    const storage = await opened();
    await storage.commit(put("a", "1"), "relaxed");
    await storage.close();
    const next = await opened();
    expect(await valueOf(next, "a")).toBe("1");
    await next.close();
  });
});

describe("FileStorage, damage in the middle", () => {
  test("any flipped bit in front of a whole entry is refused with its offset, and the file is left as it is", async () => {
    const [first, second] = (await threeCommits()) as [number, number];
    const whole = await readFile(log);
    for (let at = first; at < second; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      await writeFile(log, damaged);
      await expect(opened()).rejects.toThrow(
        new RegExp(`damaged at byte ${first}; the next whole entry is at byte ${second}`),
      );
      expect((await readFile(log)).equals(damaged)).toBe(true);
    }
    await writeFile(log, whole);
    const storage = await opened();
    expect(await valueOf(storage, "b")).toBe("value of b");
    await storage.close();
  });

  test("a missing or repeated piece is refused", async () => {
    const [first, second] = (await threeCommits()) as [number, number];
    const whole = await readFile(log);
    await writeFile(log, Buffer.concat([whole.subarray(0, first), whole.subarray(second)]));
    await expect(opened()).rejects.toBeInstanceOf(StorageError);
    await writeFile(log, Buffer.concat([whole.subarray(0, second), whole.subarray(first)]));
    await expect(opened()).rejects.toBeInstanceOf(StorageError);
  });

  test("a file of another kind or version is left as it is", async () => {
    await writeFile(log, "TABRING2 and whatever comes then");
    await expect(opened()).rejects.toThrow(/not a log that this version can read/);
    expect(await readFile(log, "utf8")).toBe("TABRING2 and whatever comes then");
  });
});

describe("FileStorage, groups, limits and compaction", () => {
  test("what waits is written and flushed together", async () => {
    const storage = await opened();
    await Promise.all(Array.from({ length: 100 }, (_, i) => storage.commit(put(`k${i}`, "x"), "strict")));
    expect(storage.counts).toMatchObject({ commits: 100, flushes: 1 });
    await storage.close();
  });

  test("a full store refuses by name and goes on with what fits", async () => {
    const storage = await opened({ liveBytesMax: 1_000 });
    await storage.commit(put("a", new Uint8Array(900)), "relaxed");
    await expect(storage.commit(put("b", new Uint8Array(900)), "relaxed")).rejects.toThrow(
      /full: the limit is 1000 bytes/,
    );
    await storage.commit([{ store: "records", key: "a", value: null }], "relaxed");
    await storage.commit(put("b", new Uint8Array(900)), "relaxed");
    await storage.close();
    await expect(opened({ liveBytesMax: 500 })).rejects.toThrow(/more than the limit of 500 bytes/);
    await (await opened()).close();
  });

  test("garbage is compacted away; everything alive stays, also over a restart", async () => {
    const storage = await opened();
    for (let i = 0; i < 30; i++) {
      await storage.commit([...put("hot", new Uint8Array(100_000).fill(i)), ...put(`k${i}`, String(i))], "relaxed");
    }
    await storage.commit([{ store: "records", key: "k3", value: null }], "relaxed");
    expect(storage.counts.compactions).toBeGreaterThan(0);
    expect(storage.sizes.logBytes).toBeLessThan(5 * storage.sizes.liveBytes + 1_048_576 + 100_000);
    expect((await stat(log)).size).toBe(storage.sizes.logBytes);
    await storage.close();
    const next = await opened();
    expect((await next.read([{ store: "records", key: "hot" }]))[0]).toEqual(new Uint8Array(100_000).fill(29));
    for (let i = 0; i < 30; i++) expect(await valueOf(next, `k${i}`)).toBe(i === 3 ? undefined : String(i));
    await next.close();
    expect(await readdir(folder)).toEqual(["tabring.log"]);
  });

  test("a compaction that a crash cut short leaves the old log in force", async () => {
    await threeCommits();
    await writeFile(join(folder, "tabring.log.next"), "TABRING1 half a log");
    const storage = await opened();
    expect(await valueOf(storage, "c")).toBe("value of c");
    await storage.close();
    expect(await readdir(folder)).toEqual(["tabring.log"]);
  });
});

describe("FileStorage, a disk that fails", () => {
  /** What all file handles share, so that a test can make one of its calls fail once. */
  async function handles(): Promise<FileHandle> {
    const handle = await open(join(folder, "probe"), "w");
    await handle.close();
    return Object.getPrototypeOf(handle) as FileHandle;
  }
  const failure = (code: string) => Object.assign(new Error(`${code}: the disk is on fire`), { code });

  test("a write that fails half-way leaves no trace; later ones go on", async () => {
    const storage = await opened();
    await storage.commit(put("a", "1"), "strict");
    const { logBytes } = storage.sizes;
    const file = await handles();
    vi.spyOn(file, "write").mockImplementationOnce(async function (this: FileHandle) {
      await this.truncate(logBytes + 30);
      throw failure("ENOSPC");
    });
    await expect(storage.commit(put("b", "2"), "strict")).rejects.toThrow(/disk is full/);
    expect((await stat(log)).size).toBe(logBytes);
    expect(await valueOf(storage, "b")).toBe(undefined);
    await storage.commit(put("c", "3"), "strict");
    await storage.close();
    const next = await opened();
    expect([await valueOf(next, "a"), await valueOf(next, "b"), await valueOf(next, "c")]).toEqual([
      "1",
      undefined,
      "3",
    ]);
    await next.close();
  });

  test("a flush that fails acknowledges nothing, and nothing is written before the folder is opened again", async () => {
    const storage = await opened();
    await storage.commit(put("a", "1"), "strict");
    vi.spyOn(await handles(), "datasync").mockRejectedValueOnce(failure("EIO"));
    const behind = storage.commit(put("b", "2"), "relaxed");
    await expect(behind).rejects.toBeInstanceOf(StorageError);
    expect(storage.sizes.liveBytes).toBe(3);
    await expect(storage.commit(put("c", "3"), "relaxed")).rejects.toThrow(/nothing more is written/);
    await expect(storage.read([{ store: "records", key: "a" }])).rejects.toBeInstanceOf(StorageError);
    await storage.close();
    const next = await opened();
    expect([await valueOf(next, "a"), await valueOf(next, "c")]).toEqual(["1", undefined]);
    await next.close();
  });

  test("nothing is acknowledged or seen before it is flushed", async () => {
    const storage = await opened();
    const file = await handles();
    let seen: string | undefined = "not looked";
    vi.spyOn(file, "datasync").mockImplementationOnce(async function (this: FileHandle) {
      seen = await valueOf(storage, "a");
      await this.sync();
      settled.push("flushed");
    });
    const settled: string[] = [];
    await storage.commit(put("a", "1"), "relaxed").then(() => settled.push("acknowledged"));
    expect(settled).toEqual(["flushed", "acknowledged"]);
    expect(seen).toBe(undefined);
    await storage.close();
  });

  test("a compaction that fails costs nothing but the room", async () => {
    const notices: string[] = [];
    const storage = await opened({ onNotice: (text) => notices.push(text) });
    await mkdir(join(folder, "tabring.log.next"));
    for (let i = 0; i < 16; i++) await storage.commit(put("hot", new Uint8Array(100_000).fill(i)), "relaxed");
    expect(storage.counts.compactions).toBe(0);
    expect(notices.join()).toMatch(/compacting .* failed/);
    await rmdir(join(folder, "tabring.log.next"));
    await storage.close();
    const next = await opened();
    expect((await next.read([{ store: "records", key: "hot" }]))[0]).toEqual(new Uint8Array(100_000).fill(15));
    await next.close();
  });
});

describe("FileStorage, one server for each folder", () => {
  test("a second storage is refused by name until the first is closed", async () => {
    const first = await opened();
    await expect(opened()).rejects.toThrow(/used by another server.*choose another folder/s);
    await first.commit(put("a", "1"), "relaxed");
    await first.close();
    await (await opened()).close();
  });

  test("several at once: exactly one gets it", async () => {
    await writeFile(lock, JSON.stringify({ pid: process.pid, started: "before", token: "an earlier life" }));
    const storages = Array.from({ length: 6 }, () => new FileStorage({ folder }));
    const outcomes = await Promise.allSettled(storages.map((storage) => storage.open()));
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(StorageError);
    for (const storage of storages) await storage.close();
    await (await opened()).close();
    expect(await readdir(folder)).toEqual(["tabring.log"]);
  });

  test("the lock of a living process holds, that of a dead one does not, nor one whose process id was given away again", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    await once(child, "spawn");
    await writeFile(lock, JSON.stringify({ pid: child.pid, token: "x" }));
    await expect(opened()).rejects.toThrow(new RegExp(`process ${child.pid}`));
    if (process.platform === "linux") {
      await writeFile(lock, JSON.stringify({ pid: child.pid, started: "another start", token: "x" }));
      await (await opened()).close();
      await writeFile(lock, JSON.stringify({ pid: child.pid, token: "x" }));
    }
    child.stdin.end();
    await once(child, "exit");
    await (await opened()).close();
  });

  test("a lock that was torn by a power cut does not hold", async () => {
    await writeFile(lock, "");
    await (await opened()).close();
  });
});

test("a folder that cannot be made is refused by name", async () => {
  await writeFile(join(folder, "file"), "");
  const storage = new FileStorage({ folder: join(folder, "file", "inside") });
  await expect(storage.open()).rejects.toBeInstanceOf(StorageError);
});
