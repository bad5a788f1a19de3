/**
 * Rewinding a bucket to a moment, as a store does it: gathers, partition after partition, what all members have of it and have kept of its past, works out
 * what each key had at that moment (`core/look-back.ts`), and puts it in place of what there is. A first pass over everything only looks, so that a moment
 * that is not covered, or a member that does not answer, stops it before the first write.
 *
 * A key whose values are those of that moment already is left alone: a rewind that was broken off is made good by another.
 *
 * Limits: what one partition has of the bucket, and of its past, in memory; WRITES_AT_ONCE keys at a time.
 */

import { atOnce, type RestoringStore, sameLiveValues } from "./archive.ts";
import type { RewindOptions, RewindPreview, RewindReport } from "./api.ts";
import { type DvvSet, EMPTY, sync } from "./core/dvvset.ts";
import { IncompleteGatheringError, MomentNotCoveredError, NotReadyError, OverloadedError } from "./core/errors.ts";
import type { Gathered, Gathering } from "./core/gathering.ts";
import type { Key, Millis, OperationId, Partition } from "./core/identifiers.ts";
import { stateAt } from "./core/look-back.ts";
import type { View } from "./core/membership.ts";

const PART_TIMEOUT_MS = 30_000;
const WRITES_AT_ONCE = 16;

/** What a rewind needs of its store. */
export interface RewindingStore extends Pick<RestoringStore, "parseKey" | "get" | "put"> {
  readonly view: View | undefined;
  /** Whether the bucket's past is kept. */
  keeps(bucket: string): boolean;
  wall(): Millis;
  operation(): OperationId;
  gather(wanted: Gathering): AsyncGenerator<Gathered>;
}

interface Look {
  readonly key: Key;
  readonly then: DvvSet;
  readonly now: DvvSet;
}

export async function previewRewind(
  store: RewindingStore,
  bucket: string,
  at: Millis,
  options: RewindOptions,
): Promise<RewindPreview> {
  const counts = { keys: 0, changed: 0, deleted: 0, broughtBack: 0, unchanged: 0, coveredFrom: 0 };
  for await (const { looks, coveredFrom } of looksOf(store, bucket, at, options)) {
    counts.coveredFrom = Math.max(counts.coveredFrom, coveredFrom);
    for (const look of looks) {
      counts.keys++;
      counts[changeOf(look)]++;
    }
  }
  return counts;
}

export async function rewind(
  store: RewindingStore,
  bucket: string,
  at: Millis,
  options: RewindOptions,
): Promise<RewindReport> {
  const preview = await previewRewind(store, bucket, at, options);
  let keys = 0;
  let written = 0;
  for await (const { looks } of looksOf(store, bucket, at, options))
    await atOnce(WRITES_AT_ONCE, looks, async (look) => {
      options.signal?.throwIfAborted();
      if (await bringBack(store, look, options.signal)) written++;
      options.onProgress?.({ keys: ++keys, written });
    });
  return { ...preview, written };
}

function changeOf({ then, now }: Look): "changed" | "deleted" | "broughtBack" | "unchanged" {
  if (sameLiveValues(then, now)) return "unchanged";
  const isLive = ({ siblings }: DvvSet) => siblings.some(({ value }) => value !== null);
  return !isLive(then) ? "deleted" : isLive(now) ? "changed" : "broughtBack";
}

/** What is there now is read anew: it may have been written since it was looked at. True when something was written. */
async function bringBack(
  store: RewindingStore,
  { key, then }: Look,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { set, first } = await store.get(key, signal);
  if (sameLiveValues(then, set)) return false;
  const live = then.siblings.flatMap(({ value }) => (value === null ? [] : [value]));
  // Each replaces what was read, and none of them another.
  for (const value of live.length === 0 ? [null] : live)
    await store.put(key, { value, context: set.clock, operation: store.operation(), at: store.wall() }, first, signal);
  return true;
}

/** Partition by partition, what each key of the bucket had and has. */
async function* looksOf(
  store: RewindingStore,
  bucket: string,
  at: Millis,
  options: RewindOptions,
): AsyncGenerator<{ readonly looks: readonly Look[]; readonly coveredFrom: Millis }> {
  const { view } = store;
  if (view === undefined)
    throw new NotReadyError(
      "This node has not met its cluster yet. Nothing was changed. Wait until it is a member (`ready()`).",
    );
  if (!store.keeps(bucket))
    throw new MomentNotCoveredError(bucket, at, undefined, "its past is not kept; give all nodes a `history` for it");
  if (!(at <= store.wall())) throw new MomentNotCoveredError(bucket, at, undefined, "that is no moment of the past");
  for (let partition = 0; partition < view.claims.length; partition++)
    yield await lookAt(store, bucket, at, partition, options.w ?? view.parameters.w, options);
}

async function lookAt(
  store: RewindingStore,
  bucket: string,
  at: Millis,
  partition: Partition,
  w: number,
  { partTimeoutMs = PART_TIMEOUT_MS, signal }: RewindOptions,
): Promise<{ readonly looks: readonly Look[]; readonly coveredFrom: Millis }> {
  const sets = new Map<Key, DvvSet[]>();
  const stores = ["hints", "records", "history"] as const;
  const wanted = { partition, stores, prefix: `${bucket}/`, moment: at, w, timeoutMs: partTimeoutMs };
  for await (const what of store.gather(wanted)) {
    signal?.throwIfAborted();
    if (what.outcome === "failed")
      throw what.code === "overloaded"
        ? new OverloadedError()
        : new NotReadyError("The gathering was given up. Nothing was changed by it. Rewind again.");
    if (what.outcome === "page") {
      for (const { key, set } of what.records) {
        const known = sets.get(key);
        if (known === undefined) sets.set(key, [set]);
        else known.push(set);
      }
      continue;
    }
    const { coversW, coveredFrom, unread } = what.part;
    if (coversW > w && coveredFrom > at)
      throw new MomentNotCoveredError(bucket, at, coveredFrom, `the earliest moment that is covered is ${coveredFrom}`);
    if (coversW > w) throw new IncompleteGatheringError(partition, w, unread);
    const looks = [...sets].map(([key, known]) => ({
      key,
      then: stateAt(known, at),
      now: known.reduce((all, set) => sync(all, set), EMPTY),
    }));
    return { looks, coveredFrom };
  }
  throw new NotReadyError("The gathering ended without a word. Nothing was changed by it. Rewind again.");
}
