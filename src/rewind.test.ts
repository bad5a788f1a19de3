/** Rewinding a bucket on memory links and disks. */

import { afterEach, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "./base/bytes.ts";
import { IncompleteGatheringError, MomentNotCoveredError } from "./core/errors.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const HOUR_MS = 3_600_000;
const clusters: MemoryCluster[] = [];
async function cluster(size: number, keepMs: number | undefined = HOUR_MS): Promise<MemoryCluster> {
  const history = { carts: { keepMs } };
  const made = await MemoryCluster.of(size, "test", {}, { history });
  clusters.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(clusters.splice(0).map((each) => each.close()));
});

const bytes = utf8Encode;

async function valuesOf(of: MemoryCluster, key: string): Promise<(string | undefined)[]> {
  const { values } = await of.clock.during(of.stores[1]!.get(key));
  return values.map(utf8Decode).sort();
}

async function change(of: MemoryCluster, key: string, value: string | null, store = of.stores[0]!): Promise<void> {
  const { context } = await of.clock.during(store.get(key));
  await of.clock.during(value === null ? store.delete(key, { context }) : store.put(key, bytes(value), { context }));
  await of.clock.pass(50);
}

test("what was changed goes back, what was deleted comes back, what is younger goes, and that can be rewound", async () => {
  const here = await cluster(4);
  const [store] = here.stores;
  for (let n = 0; n < 8; n++) await change(here, `carts/${n}`, `old ${n}`);
  await change(here, "books/1", "old");
  await here.clock.during(store!.put("carts/7", bytes("beside")));
  await here.clock.pass(1_000);
  const then = here.clock.wall();
  await here.clock.pass(1_000);
  await change(here, "carts/0", "newer");
  await change(here, "carts/0", "newest");
  await change(here, "carts/1", null);
  await change(here, "carts/7", "reconciled");
  await change(here, "carts/99", "young");
  await change(here, "books/1", "new");
  await here.clock.pass(1_000);
  const before = here.clock.wall();
  await here.clock.pass(1_000);

  const preview = await here.clock.during(store!.previewRewind("carts", then));
  expect(preview).toEqual({ keys: 9, changed: 2, deleted: 1, broughtBack: 1, unchanged: 5, coveredFrom: 0 });
  expect(await valuesOf(here, "carts/0")).toEqual(["newest"]);
  const report = await here.clock.during(here.stores[2]!.rewind("carts", then));
  expect(report).toEqual({ ...preview, written: 4 });
  expect(await valuesOf(here, "carts/0")).toEqual(["old 0"]);
  expect(await valuesOf(here, "carts/1")).toEqual(["old 1"]);
  expect(await valuesOf(here, "carts/2")).toEqual(["old 2"]);
  expect(await valuesOf(here, "carts/7")).toEqual(["beside", "old 7"]);
  expect(await valuesOf(here, "carts/99")).toEqual([]);
  expect(await valuesOf(here, "books/1")).toEqual(["new"]);

  expect(await here.clock.during(store!.rewind("carts", then))).toMatchObject({ unchanged: 9, written: 0 });
  await here.clock.during(store!.rewind("carts", before));
  expect(await valuesOf(here, "carts/0")).toEqual(["newest"]);
  expect(await valuesOf(here, "carts/1")).toEqual([]);
  expect(await valuesOf(here, "carts/7")).toEqual(["reconciled"]);
  expect(await valuesOf(here, "carts/99")).toEqual(["young"]);
});

test("one member may be away, and the past outlives restarts", async () => {
  const here = await cluster(3);
  const [store] = here.stores;
  await change(here, "carts/a", "old");
  const then = here.clock.wall();
  await here.clock.pass(1_000);
  await change(here, "carts/a", "new");
  for (const n of [1, 2]) {
    await here.clock.during(here.stores[n]!.close());
    await here.clock.pass(3_000);
    here.stores[n] = await here.open(n + 1);
    await here.clock.pass(20_000);
  }
  await here.clock.during(here.stores[2]!.close());
  const report = await here.clock.during(store!.rewind("carts", then));
  expect(report).toMatchObject({ changed: 1, written: 1, coveredFrom: 0 });
  expect(await valuesOf(here, "carts/a")).toEqual(["old"]);
  await here.clock.during(here.stores[1]!.close());
  await expect(here.clock.during(store!.rewind("carts", then, { partTimeoutMs: 2_000 }))).rejects.toThrow(
    IncompleteGatheringError,
  );
});

test("a moment that is not covered is refused, with the earliest that is", async () => {
  const here = await cluster(3, 60_000);
  const [store] = here.stores;
  await change(here, "carts/a", "first");
  const first = here.clock.wall();
  await here.clock.pass(5_000);
  await change(here, "carts/a", "second");
  await here.clock.pass(1_000);
  const second = here.clock.wall();
  // Long enough for what stood until a minute ago to be let go.
  await here.clock.pass(50_000);
  await change(here, "carts/a", "third");
  await here.clock.pass(40_000);
  const refused = await here.clock.during(store!.rewind("carts", first).catch((error: unknown) => error));
  expect(refused).toBeInstanceOf(MomentNotCoveredError);
  const { coveredFrom } = refused as MomentNotCoveredError;
  expect(coveredFrom).toBeGreaterThan(first);
  expect(coveredFrom).toBeLessThanOrEqual(second);
  expect(await valuesOf(here, "carts/a")).toEqual(["third"]);
  await here.clock.during(store!.rewind("carts", coveredFrom!));
  expect(await valuesOf(here, "carts/a")).toEqual(["second"]);

  await expect(here.clock.during(store!.rewind("books", second))).rejects.toThrow(/its past is not kept/);
  await expect(here.clock.during(store!.rewind("carts", here.clock.wall() + 1_000))).rejects.toThrow(
    /no moment of the past/,
  );
});

test("a write that comes while it rewinds is not overwritten unseen", async () => {
  const here = await cluster(3);
  const [store, other] = here.stores;
  await change(here, "carts/a", "old");
  await here.clock.pass(100);
  const then = here.clock.wall();
  await here.clock.pass(100);
  await change(here, "carts/a", "new");
  const { context } = await here.clock.during(other!.get("carts/a"));
  await here.clock.during(store!.rewind("carts", then));
  await here.clock.during(other!.put("carts/a", bytes("meanwhile"), { context }));
  expect(await valuesOf(here, "carts/a")).toEqual(["meanwhile", "old"]);
});
