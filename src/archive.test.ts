/** Export and restore on memory links and disks: from a cluster at work into another, another bucket, or itself. */

import { afterEach, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "./base/bytes.ts";
import {
  ChangedArchiveError,
  DamagedArchiveError,
  IncompleteGatheringError,
  InvalidKeyError,
  TruncatedArchiveError,
} from "./core/errors.ts";
import { MemoryCluster, nodeId } from "./memory-cluster.ts";
import type { ExportOptions } from "./api.ts";
import type { TabringStore } from "./store.ts";

const clusters: MemoryCluster[] = [];
async function cluster(...args: Parameters<typeof MemoryCluster.of>): Promise<MemoryCluster> {
  const made = await MemoryCluster.of(...args);
  clusters.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(clusters.splice(0).map((each) => each.close()));
});

const text = (bytes: Uint8Array): string => utf8Decode(bytes) ?? "?";
const bytes = utf8Encode;

async function exported(from: MemoryCluster, store: TabringStore, options?: ExportOptions): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const all = async () => {
    for await (const chunk of store.export(options)) chunks.push(chunk);
  };
  await from.clock.during(all());
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

async function valuesOf(of: MemoryCluster, store: TabringStore, key: string): Promise<string[]> {
  const { values } = await of.clock.during(store.get(key));
  return values.map(text).sort();
}

/** 30 carts, one of them deleted, one with two siblings. */
async function filled(of: MemoryCluster): Promise<void> {
  const [a, b] = of.stores;
  for (let n = 0; n < 30; n++) await of.clock.during(a!.put(`carts/${n}`, bytes(`cart ${n}`)));
  await of.clock.during(a!.put("books/1", bytes("a book")));
  const { context } = await of.clock.during(a!.get("carts/3"));
  await of.clock.during(a!.delete("carts/3", { context }));
  await of.clock.during(b!.put("carts/4", bytes("another")));
}

test("what a cluster has goes into another one, siblings as siblings, with other parameters, and once is as good as twice", async () => {
  const here = await cluster(4, "here");
  await filled(here);
  const archive = await exported(here, here.stores[2]!);
  const there = await cluster(3, "there", { n: 2, r: 1, w: 1, partitions: 32 });
  const [store] = there.stores;
  const info = await store!.verifyArchive(archive);
  expect(info).toMatchObject({ cluster: "here", exporter: nodeId(3), format: 1, prefix: "" });
  expect(info.parts.map(({ partition }) => partition)).toEqual(Array.from({ length: 16 }, (_, p) => p));
  expect(info.parts.every(({ coversW, unread }) => coversW === 1 && unread.length === 0)).toBe(true);
  expect(info.records).toBe(31);

  const first = await there.clock.during(store!.restore(archive));
  expect(first).toMatchObject({ keys: 31, written: 30, unchanged: 1, kept: 0, versions: 31 });
  expect(await valuesOf(there, store!, "carts/7")).toEqual(["cart 7"]);
  expect(await valuesOf(there, store!, "carts/4")).toEqual(["another", "cart 4"]);
  expect(await valuesOf(there, store!, "carts/3")).toEqual([]);
  const at = async (of: MemoryCluster) =>
    (await of.clock.during(of.stores[0]!.get("carts/4"))).siblings.map((sibling) => sibling.at).sort();
  expect(await at(there)).toEqual(await at(here));

  const again = await there.clock.during(there.stores[1]!.restore(archive));
  expect(again).toMatchObject({ keys: 31, written: 0, unchanged: 31, versions: 0 });
  expect(await valuesOf(there, store!, "carts/4")).toEqual(["another", "cart 4"]);
});

test("a restore that was broken off is made good by another", async () => {
  const here = await cluster(3, "here");
  await filled(here);
  const archive = await exported(here, here.stores[0]!);
  const there = await cluster(3, "there");
  const [store] = there.stores;
  const stop = new AbortController();
  const broken = store!.restore(archive, {
    signal: stop.signal,
    onProgress: ({ written }) => {
      if (written === 11) stop.abort(new Error("enough"));
    },
  });
  await expect(there.clock.during(broken)).rejects.toThrow("enough");
  // Somebody goes on with what is there.
  const carts = Array.from({ length: 30 }, (_, n) => n);
  const present = await Promise.all(carts.map((n) => valuesOf(there, store!, `carts/${n}`)));
  const mine = present.findIndex((values, n) => values.length === 1 && n !== 4);
  const { context } = await there.clock.during(store!.get(`carts/${mine}`));
  await there.clock.during(store!.put(`carts/${mine}`, bytes("newer"), { context }));
  const report = await there.clock.during(store!.restore(archive));
  expect(report.kept).toBe(1);
  for (const n of carts)
    expect(await valuesOf(there, store!, `carts/${n}`)).toEqual(
      n === mine ? ["newer"] : n === 3 ? [] : n === 4 ? ["another", "cart 4"] : [`cart ${n}`],
    );
});

test("into another bucket of the same cluster, and only that bucket", async () => {
  const here = await cluster(3, "here");
  await filled(here);
  const [store] = here.stores;
  const archive = await exported(here, store!, { bucket: "carts" });
  await here.clock.during(store!.put("old-carts/5", bytes("mine")));
  const report = await here.clock.during(store!.restore(archive, { bucket: "carts", into: "old-carts" }));
  expect(report).toMatchObject({ keys: 30, written: 28, unchanged: 1, kept: 1 });
  expect(await valuesOf(here, store!, "old-carts/4")).toEqual(["another", "cart 4"]);
  expect(await valuesOf(here, store!, "old-carts/5")).toEqual(["mine"]);
  expect(await valuesOf(here, store!, "old-carts/1")).toEqual(["cart 1"]);
  expect(await valuesOf(here, store!, "books/1")).toEqual(["a book"]);
  await expect(store!.restore(archive, { into: "old-carts" })).rejects.toThrow(InvalidKeyError);
  await expect(here.clock.during(store!.restore(archive, { bucket: "carts", into: "$canary" }))).rejects.toThrow(
    InvalidKeyError,
  );
});

test("into itself: what was seen and replaced stays replaced, unless it is to be put in place of it", async () => {
  const here = await cluster(3, "here");
  await filled(here);
  const [store] = here.stores;
  const archive = await exported(here, store!);
  const change = async (key: string, value: string | null) => {
    const { context } = await here.clock.during(store!.get(key));
    await here.clock.during(
      value === null ? store!.delete(key, { context }) : store!.put(key, bytes(value), { context }),
    );
  };
  await change("carts/1", "changed");
  await change("carts/2", null);
  await change("carts/4", "reconciled");
  await change("carts/3", "back again");
  for (const existing of ["keep", "beside"] as const) {
    const report = await here.clock.during(store!.restore(archive, { existing }));
    expect(report).toMatchObject({ written: 0, unchanged: 31 });
  }
  const replaced = await here.clock.during(store!.restore(archive, { existing: "replace" }));
  expect(replaced).toMatchObject({ written: 4, unchanged: 27 });
  expect(await valuesOf(here, store!, "carts/1")).toEqual(["cart 1"]);
  expect(await valuesOf(here, store!, "carts/2")).toEqual(["cart 2"]);
  expect(await valuesOf(here, store!, "carts/3")).toEqual([]);
  expect(await valuesOf(here, store!, "carts/4")).toEqual(["another", "cart 4"]);
  expect(await here.clock.during(store!.restore(archive, { existing: "replace" }))).toMatchObject({ written: 0 });
});

test("beside what another cluster has, as siblings", async () => {
  const here = await cluster(1, "here");
  await here.clock.during(here.stores[0]!.put("carts/1", bytes("theirs")));
  const archive = await exported(here, here.stores[0]!);
  const there = await cluster(1, "there");
  const [store] = there.stores;
  await there.clock.during(store!.put("carts/1", bytes("ours")));
  expect(await there.clock.during(store!.restore(archive))).toMatchObject({ kept: 1, written: 0 });
  expect(await there.clock.during(store!.restore(archive, { existing: "beside" }))).toMatchObject({ written: 1 });
  expect(await there.clock.during(store!.restore(archive, { existing: "beside" }))).toMatchObject({ unchanged: 1 });
  expect(await valuesOf(there, store!, "carts/1")).toEqual(["ours", "theirs"]);
});

test("nothing is restored from an archive that is not whole and sound", async () => {
  const here = await cluster(1, "here");
  await filled2(here);
  const archive = await exported(here, here.stores[0]!);
  const there = await cluster(1, "there");
  const [store] = there.stores;
  const flipped = archive.slice();
  flipped[Math.floor(archive.length * 0.9)]! ^= 4;
  await expect(store!.restore(flipped)).rejects.toThrow(DamagedArchiveError);
  await expect(store!.restore(archive.subarray(0, archive.length - 1))).rejects.toThrow(TruncatedArchiveError);
  expect(await valuesOf(there, store!, "carts/0")).toEqual([]);
  // A source that gives other bytes the second time.
  let times = 0;
  const fickle = async function* () {
    yield times++ === 0 ? archive : flipped;
  };
  await expect(there.clock.during(store!.restore(fickle))).rejects.toThrow(ChangedArchiveError);
});

async function filled2(of: MemoryCluster): Promise<void> {
  for (let n = 0; n < 10; n++) await of.clock.during(of.stores[0]!.put(`carts/${n}`, bytes(`cart ${n}`)));
}

test("with too few who answer it says which writes may be missing, or refuses", async () => {
  const here = await cluster(4, "here");
  await filled(here);
  await here.clock.during(here.stores[3]!.close());
  // One of four is away: writes acknowledged by two cannot be missing.
  const info = await here.stores[0]!.verifyArchive(await exported(here, here.stores[0]!));
  expect(info.records).toBe(31);
  expect(info.parts.every(({ coversW, unread }) => coversW === 2 && unread[0] === nodeId(4))).toBe(true);
  const strict = exported(here, here.stores[0]!, { w: 1, partTimeoutMs: 2_000 });
  await expect(strict).rejects.toThrow(IncompleteGatheringError);
  await here.clock.during(here.stores[2]!.close());
  await expect(exported(here, here.stores[0]!, { partTimeoutMs: 2_000 })).rejects.toThrow(
    /000000, 000000 did not answer/,
  );
  const told = await exported(here, here.stores[0]!, { partTimeoutMs: 2_000, incomplete: "tell" });
  const { parts } = await here.stores[0]!.verifyArchive(told);
  expect(parts.every(({ coversW }) => coversW === 3)).toBe(true);
});

test("large values come in many chunks, and a reader that stops ends the export", async () => {
  const here = await cluster(3, "here");
  const [store] = here.stores;
  for (let n = 0; n < 12; n++) await here.clock.during(store!.put(`carts/${n}`, new Uint8Array(100_000).fill(n)));
  const archive = await exported(here, store!);
  const there = await cluster(1, "there");
  await there.clock.during(there.stores[0]!.restore(new Blob([archive as Uint8Array<ArrayBuffer>])));
  const { values } = await there.clock.during(there.stores[0]!.get("carts/11"));
  expect(values).toEqual([new Uint8Array(100_000).fill(11)]);

  const stream = store!.export()[Symbol.asyncIterator]();
  await here.clock.during(stream.next());
  await here.clock.during(stream.next());
  await here.clock.during(stream.return!());
  const { records } = await store!.verifyArchive(await exported(here, store!));
  expect(records).toBe(12);
});
