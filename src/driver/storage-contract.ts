/**
 * What every adapter of the Storage port has to pass, in Node and in the browser. Each test starts with an empty disk, and may open it more
 * than once, one storage after the other. The suite asks for behaviour only; how an adapter fails is tested beside the adapter.
 */

import { describe, expect, test } from "vitest";
import { StorageError } from "../core/errors.ts";
import { Prng } from "../base/prng.ts";
import type { Storage, StorageWrite, StoreName } from "./ports.ts";

/** One disk, empty at first. */
export interface ContractDisk {
  /** A new storage over this disk, not opened yet. Called again only after the one before was closed. */
  storage(): Storage;
  /** After the last storage was closed. */
  remove(): Promise<void>;
}

export interface StorageContractOptions {
  /** Whether a second storage over the same disk finds what the first one committed. */
  readonly persistent: boolean;
  readonly makeDisk: () => ContractDisk | Promise<ContractDisk>;
}

const text = new TextEncoder();
const EVERYTHING = { after: "", before: "\uffff\uffff", countMax: 1_000_000, bytesMax: 1e9 };

function bytes(content: string): Uint8Array {
  return text.encode(content);
}

function put(key: string, content: string | Uint8Array, store: StoreName = "records"): StorageWrite {
  return { store, key, value: typeof content === "string" ? bytes(content) : content };
}

function remove(key: string, store: StoreName = "records"): StorageWrite {
  return { store, key, value: null };
}

/** Reads `keys` of one store, as text. */
async function contents(storage: Storage, keys: readonly string[], store: StoreName = "records") {
  const values = await storage.read(keys.map((key) => ({ store, key })));
  return values.map((value) => (value === undefined ? undefined : new TextDecoder().decode(value)));
}

async function allKeys(storage: Storage, store: StoreName = "records"): Promise<string[]> {
  const page = await storage.scan(store, EVERYTHING);
  expect(page.done).toBe(true);
  return page.entries.map(([key]) => key);
}

/** Registers the suite under `name`. */
export function describeStorageContract(name: string, { persistent, makeDisk }: StorageContractOptions): void {
  /** Runs `body` with an open storage over a fresh disk; `reopen` closes it and opens the next. */
  async function withStorage(body: (storage: Storage, reopen: () => Promise<Storage>) => Promise<void>): Promise<void> {
    const disk = await makeDisk();
    let storage = disk.storage();
    await storage.open();
    const reopen = async (): Promise<Storage> => {
      await storage.close();
      storage = disk.storage();
      await storage.open();
      return storage;
    };
    try {
      await body(storage, reopen);
    } finally {
      await storage.close();
      await disk.remove();
    }
  }
  const contract = (title: string, body: (storage: Storage, reopen: () => Promise<Storage>) => Promise<void>): void =>
    test(title, () => withStorage(body));

  describe(`storage contract: ${name}`, () => {
    contract("what is not there reads as undefined, and answers keep the order of the reads", async (storage) => {
      await storage.commit([put("a", "1"), put("c", "3")], "relaxed");
      expect(await contents(storage, ["c", "b", "a", "c"])).toEqual(["3", undefined, "1", "3"]);
      expect(await storage.read([])).toEqual([]);
    });

    contract("stores are apart, and one commit and one read may span them", async (storage) => {
      await storage.commit([put("k", "r"), put("k", "h", "hints"), put("k", "m", "meta")], "strict");
      const values = await storage.read([
        { store: "meta", key: "k" },
        { store: "records", key: "k" },
        { store: "hints", key: "k" },
      ]);
      expect(values).toEqual([bytes("m"), bytes("r"), bytes("h")]);
      await storage.commit([remove("k", "hints")], "relaxed");
      expect(await contents(storage, ["k"])).toEqual(["r"]);
      expect(await contents(storage, ["k"], "hints")).toEqual([undefined]);
      expect(await allKeys(storage, "meta")).toEqual(["k"]);
    });

    contract("an empty commit is durable too", async (storage) => {
      await storage.commit([], "relaxed");
      await storage.commit([], "strict");
    });

    contract("writes of one commit apply in order: the last one of a key wins", async (storage) => {
      await storage.commit([put("a", "1"), remove("a"), put("a", "2"), put("b", "1"), remove("b")], "relaxed");
      expect(await contents(storage, ["a", "b"])).toEqual(["2", undefined]);
      expect(await allKeys(storage)).toEqual(["a"]);
    });

    contract("commits take effect in the order of the calls, whatever their durability", async (storage) => {
      const settled: number[] = [];
      const calls = Array.from({ length: 40 }, (_, i) =>
        storage
          .commit([put("same", String(i)), put(`own-${i}`, "x")], i % 3 === 0 ? "strict" : "relaxed")
          .then(() => settled.push(i)),
      );
      await Promise.all(calls);
      expect(settled).toEqual(Array.from({ length: 40 }, (_, i) => i));
      expect(await contents(storage, ["same"])).toEqual(["39"]);
      expect((await allKeys(storage)).length).toBe(41);
    });

    contract("a read sees every commit that was resolved before it was called", async (storage) => {
      for (let i = 0; i < 20; i++) {
        await storage.commit([put("n", String(i))], "relaxed");
        expect(await contents(storage, ["n"])).toEqual([String(i)]);
      }
    });

    contract("a read never sees half of a commit", async (storage) => {
      await storage.commit([put("left", "0"), put("right", "0")], "relaxed");
      const writing = Array.from({ length: 30 }, (_, i) =>
        storage.commit([put("left", String(i + 1)), put("right", String(i + 1))], "relaxed"),
      );
      for (let i = 0; i < 30; i++) {
        const [left, right] = await contents(storage, ["left", "right"]);
        expect(left).toBe(right);
      }
      await Promise.all(writing);
      expect(await contents(storage, ["left", "right"])).toEqual(["30", "30"]);
    });

    contract("removing what is not there is no error", async (storage) => {
      await storage.commit([remove("nobody")], "relaxed");
      await storage.commit([put("a", "1")], "relaxed");
      await storage.commit([remove("a"), remove("a")], "relaxed");
      expect(await contents(storage, ["a", "nobody"])).toEqual([undefined, undefined]);
      expect(await allKeys(storage)).toEqual([]);
    });

    contract("an empty value is a value", async (storage, reopen) => {
      await storage.commit([put("empty", "")], "strict");
      expect(await storage.read([{ store: "records", key: "empty" }])).toEqual([new Uint8Array(0)]);
      expect(await allKeys(storage)).toEqual(["empty"]);
      if (persistent)
        expect(await (await reopen()).read([{ store: "records", key: "empty" }])).toEqual([new Uint8Array(0)]);
    });

    contract("values of 1 MiB come back whole", async (storage, reopen) => {
      const prng = Prng.fromNumber(7);
      const large = Uint8Array.from({ length: 1_048_576 }, () => prng.below(256));
      await storage.commit([put("large", large), put("small", "s")], "relaxed");
      const now = persistent ? await reopen() : storage;
      const [value] = await now.read([{ store: "records", key: "large" }]);
      expect(value?.length).toBe(large.length);
      expect(value?.every((byte, i) => byte === large[i])).toBe(true);
    });

    contract("a commit of 1,000 writes applies whole", async (storage) => {
      await storage.commit(
        Array.from({ length: 1_000 }, (_, i) => put(`key-${String(i).padStart(4, "0")}`, `value ${i}`)),
        "relaxed",
      );
      const page = await storage.scan("records", EVERYTHING);
      expect(page.entries.length).toBe(1_000);
      expect(page.entries[777]).toEqual(["key-0777", bytes("value 777")]);
      const read = await storage.read(
        Array.from({ length: 1_000 }, (_, i) => ({ store: "records", key: `key-${String(i).padStart(4, "0")}` })),
      );
      expect(read[123]).toEqual(bytes("value 123"));
    });

    contract("any text is a key; keys sort by UTF-16 code units", async (storage, reopen) => {
      // U+1F600 begins with the unit D83D and so sorts before U+FB01, although its code point is higher.
      const keys = [
        "\u0000",
        "\u0000\u0000",
        "\u0001\n",
        "\t",
        " ",
        "A",
        "A\u0000",
        "a",
        "a\u0000b",
        "ab",
        "é",
        "e\u0301",
        "€",
        "日本",
        "\u{1f600}",
        "\u{1f600}a",
        "\ufb01",
        "\uffff",
        "x".repeat(2_048),
      ];
      const sorted = [...keys].sort();
      expect(sorted.indexOf("\u{1f600}")).toBeLessThan(sorted.indexOf("\ufb01"));
      await storage.commit(
        keys.map((key, i) => put(key, String(i))),
        "strict",
      );
      expect(await contents(storage, keys)).toEqual(keys.map((_, i) => String(i)));
      expect(await allKeys(storage)).toEqual(sorted);
      if (persistent) expect(await allKeys(await reopen())).toEqual(sorted);
    });

    contract("scan: both bounds are exclusive, and need not exist", async (storage) => {
      await storage.commit(
        ["a", "b", "c", "d"].map((key) => put(key, key)),
        "relaxed",
      );
      const scan = async (after: string, before: string) => {
        const page = await storage.scan("records", { ...EVERYTHING, after, before });
        return [page.entries.map(([key]) => key).join(""), page.done];
      };
      expect(await scan("a", "d")).toEqual(["bc", true]);
      expect(await scan("a\u0000", "c\u0000")).toEqual(["bc", true]);
      expect(await scan("", "b")).toEqual(["a", true]);
      expect(await scan("d", "z")).toEqual(["", true]);
      expect(await scan("b", "b")).toEqual(["", true]);
      expect(await scan("c", "a")).toEqual(["", true]);
      const empty = await storage.scan("hints", EVERYTHING);
      expect(empty).toEqual({ entries: [], done: true });
    });

    contract("scan: countMax bounds a page, and done is said exactly when nothing is left", async (storage) => {
      await storage.commit(
        Array.from({ length: 10 }, (_, i) => put(String(i), "x")),
        "relaxed",
      );
      const scan = async (after: string, countMax: number) => {
        const page = await storage.scan("records", { ...EVERYTHING, after, countMax });
        return [page.entries.map(([key]) => key).join(""), page.done];
      };
      expect(await scan("", 4)).toEqual(["0123", false]);
      expect(await scan("3", 4)).toEqual(["4567", false]);
      expect(await scan("7", 4)).toEqual(["89", true]);
      expect(await scan("5", 4)).toEqual(["6789", true]);
      expect(await scan("", 10)).toEqual(["0123456789", true]);
      expect(await scan("", 1)).toEqual(["0", false]);
      expect(await scan("8", 1)).toEqual(["9", true]);
    });

    contract("scan: bytesMax bounds the values of a page, but a page has at least one entry", async (storage) => {
      await storage.commit(
        Array.from({ length: 30 }, (_, i) => put(String(i + 10), new Uint8Array(i === 20 ? 5_000 : 100))),
        "relaxed",
      );
      const scan = async (after: string, bytesMax: number) => {
        const page = await storage.scan("records", { ...EVERYTHING, after, bytesMax });
        return [page.entries.length, page.done];
      };
      expect(await scan("", 300)).toEqual([3, false]);
      expect(await scan("", 399)).toEqual([3, false]);
      expect(await scan("", 1)).toEqual([1, false]);
      expect(await scan("", 2_050)).toEqual([20, false]);
      // The large one alone is over the bound; and it ends the page before it.
      expect(await scan("29", 1_000)).toEqual([1, false]);
      expect(await scan("27", 1_000)).toEqual([2, false]);
      expect(await scan("30", 900)).toEqual([9, true]);
      expect(await scan("38", 1)).toEqual([1, true]);
    });

    contract("paging visits every key that stays once, while writes go on", async (storage) => {
      const stays = Array.from({ length: 300 }, (_, i) => `s${String(i).padStart(3, "0")}`);
      await storage.commit(
        stays.map((key) => put(key, "x".repeat(40))),
        "relaxed",
      );
      const prng = Prng.fromNumber(11);
      const seen: string[] = [];
      let after = "";
      for (let page = 0; ; page++) {
        const writes = Array.from({ length: 5 }, () => {
          const key = `s${String(prng.below(300)).padStart(3, "0")}-${prng.below(4)}`;
          return prng.chance(0.3) ? remove(key) : put(key, "y".repeat(prng.below(90)));
        });
        const writing = storage.commit([...writes, put(prng.pick(stays)!, "z".repeat(40))], "relaxed");
        const { entries, done } = await storage.scan("records", { after, before: "t", countMax: 17, bytesMax: 1_000 });
        await writing;
        seen.push(...entries.map(([key]) => key));
        if (done) break;
        expect(entries.length).toBeGreaterThan(0);
        expect(page).toBeLessThan(2_000);
        after = entries[entries.length - 1]![0];
      }
      expect(seen).toEqual([...new Set(seen)].sort());
      expect(seen.filter((key) => key.length === 4)).toEqual(stays);
    });

    contract("bytes are nobody's but the reader's", async (storage) => {
      const mine = bytes("abc");
      await storage.commit([put("k", mine)], "relaxed");
      mine[0] = 0;
      const key = { store: "records", key: "k" } as const;
      const [first] = await storage.read([key]);
      expect(first).toEqual(bytes("abc"));
      first!.fill(0);
      const [again, twice] = await storage.read([key, key]);
      expect(again).toEqual(bytes("abc"));
      again!.fill(0);
      expect(twice).toEqual(bytes("abc"));
      const page = await storage.scan("records", EVERYTHING);
      page.entries[0]![1].fill(0);
      expect((await storage.scan("records", EVERYTHING)).entries).toEqual([["k", bytes("abc")]]);
      await storage.commit([put("k", "xyz")], "relaxed");
      expect(twice).toEqual(bytes("abc"));
    });

    contract("a view into a large buffer is stored alone", async (storage) => {
      const large = new Uint8Array(65_536).fill(9);
      await storage.commit([put("k", large.subarray(100, 110))], "relaxed");
      const [value] = await storage.read([{ store: "records", key: "k" }]);
      expect(value).toEqual(new Uint8Array(10).fill(9));
      expect(value!.buffer.byteLength).toBe(10);
    });

    if (persistent)
      contract("what was committed is there when the disk is opened again", async (storage, reopen) => {
        await storage.commit([put("a", "1"), put("b", "1"), put("h", "1", "hints")], "relaxed");
        await storage.commit([put("a", "2"), remove("b")], "strict");
        // Not awaited: closing must let them end.
        const last = [storage.commit([put("c", "3")], "relaxed"), storage.commit([put("c", "4")], "relaxed")];
        let now = await reopen();
        await Promise.all(last);
        expect(await contents(now, ["a", "b", "c"])).toEqual(["2", undefined, "4"]);
        expect(await contents(now, ["h"], "hints")).toEqual(["1"]);
        await now.commit([remove("c")], "relaxed");
        now = await reopen();
        expect(await allKeys(now)).toEqual(["a"]);
      });

    test("closing is idempotent, and use after it is refused by name", async () => {
      const disk = await makeDisk();
      const storage = disk.storage();
      await storage.open();
      await storage.commit([put("a", "1")], "relaxed");
      await Promise.all([storage.close(), storage.close()]);
      await storage.close();
      await expect(storage.commit([put("a", "2")], "relaxed")).rejects.toBeInstanceOf(StorageError);
      await expect(storage.commit([], "strict")).rejects.toBeInstanceOf(StorageError);
      await expect(storage.read([{ store: "records", key: "a" }])).rejects.toBeInstanceOf(StorageError);
      await expect(storage.scan("records", EVERYTHING)).rejects.toBeInstanceOf(StorageError);
      await disk.remove();
    });

    test("use before open is refused by name", async () => {
      const disk = await makeDisk();
      const storage = disk.storage();
      await expect(storage.commit([put("a", "1")], "relaxed")).rejects.toBeInstanceOf(StorageError);
      await expect(storage.read([{ store: "records", key: "a" }])).rejects.toBeInstanceOf(StorageError);
      await storage.close();
      await disk.remove();
    });

    contract("agrees with a plain model over a random history", async (storage, reopen) => {
      const prng = Prng.fromNumber(2_007);
      const model = new Map<string, string>();
      let now = storage;
      for (let round = 0; round < 60; round++) {
        const writes = Array.from({ length: prng.between(1, 12) }, () => {
          const key = `k${prng.below(40)}`;
          return prng.chance(0.25) ? remove(key) : put(key, prng.hex(prng.below(30)));
        });
        for (const { key, value } of writes)
          if (value === null) model.delete(key);
          else model.set(key, new TextDecoder().decode(value));
        await now.commit(writes, prng.chance(0.1) ? "strict" : "relaxed");
        if (persistent && prng.chance(0.05)) now = await reopen();
        if (!prng.chance(0.3)) continue;
        const page = await now.scan("records", EVERYTHING);
        expect(page.entries.map(([key, value]) => [key, new TextDecoder().decode(value)])).toEqual(
          [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
        );
      }
    });
  });
}
