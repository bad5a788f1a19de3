/**
 * Export and restore, as a store does them.
 *
 * **Export** gathers partition after partition (`core/archive-gather.ts`) and writes what comes into an archive (`wire/archive.ts`), while everybody goes on
 * writing; whoever reads the stream slowly holds it up. A few parts are gathered ahead. Consistent means, for each partition: every write that was
 * acknowledged before its part began is in it, or what replaced it; causality within a key is whole, siblings as siblings; nothing is half. Between
 * partitions it means nothing.
 *
 * **Restore** verifies the whole archive first and then writes what is in it with ordinary puts: fresh dots under fresh actors. So nothing has to be
 * proved about actors of a cluster that is gone, a tombstone that was let go cannot be undermined by a clock from before it, and what a restore does can
 * be undone like any write. Siblings come back as siblings, with the times of their writes. Run twice, or again after it was broken off, it leaves the
 * same: the operation of each put is made of archive, key and version.
 *
 * Limits: an export keeps PARTS_AHEAD parts with a page each in memory; a restore the records of one partition, of which it writes WRITES_AT_ONCE keys at
 * a time.
 */

import { bytesEqual, toHex } from "./base/bytes.ts";
import { type Clock, type DvvSet, type Sibling, covers, sync } from "./core/dvvset.ts";
import { CANARY_BUCKET } from "./canary.ts";
import {
  ArchiveError,
  ChangedArchiveError,
  IncompleteGatheringError,
  InvalidKeyError,
  NotReadyError,
  OverloadedError,
} from "./core/errors.ts";
import type { Gathered, Gathering } from "./core/gathering.ts";
import type { Key, Millis, NodeId, OperationId, Partition } from "./core/identifiers.ts";
import type { View } from "./core/membership.ts";
import type { ArchiveManifestInfo, ArchiveSource, ExportOptions, RestoreOptions, RestoreReport } from "./api.ts";
import { PROTOCOL_VERSION } from "./core/versions.ts";
import {
  type ArchivePiece,
  ArchiveReader,
  type ArchiveRecord,
  ArchiveWriter,
  restoredOperation,
} from "./wire/archive.ts";

const PARTS_AHEAD = 4;
const PART_TIMEOUT_MS = 30_000;
const WRITES_AT_ONCE = 16;

/** What an export needs of its store. */
export interface ExportingStore {
  readonly node: NodeId;
  readonly cluster: string;
  readonly view: View | undefined;
  wall(): Millis;
  random(bytes: number): Uint8Array;
  gather(wanted: Gathering): AsyncGenerator<Gathered>;
}

/** The archive as a stream. Stopping early ends the gathering. */
export async function* exportArchive(store: ExportingStore, options: ExportOptions): AsyncGenerator<Uint8Array> {
  const { view } = store;
  if (view === undefined)
    throw new NotReadyError(
      "This node has not met its cluster yet. Nothing was exported. Wait until it is a member (`ready()`).",
    );
  const writer = new ArchiveWriter(toHex(store.random(16)));
  const prefix = options.bucket === undefined ? "" : `${options.bucket}/`;
  const partitions = view.claims.length;
  const w = options.w ?? view.parameters.w;
  const ahead: Ahead[] = [];
  const begin = (partition: Partition): Ahead => {
    const wanted: Gathering = {
      partition,
      stores: ["hints", "records"],
      prefix,
      moment: 0,
      w,
      timeoutMs: options.partTimeoutMs ?? PART_TIMEOUT_MS,
    };
    const pages = store.gather(wanted);
    const first = pages.next();
    // It is looked at when its turn comes.
    first.catch(() => undefined);
    return { partition, pages, first };
  };
  try {
    yield writer.head({
      protocol: PROTOCOL_VERSION,
      cluster: store.cluster,
      parameters: view.parameters,
      exporter: store.node,
      beganAt: store.wall(),
      prefix,
    });
    for (let partition = 0; partition < partitions; partition++) {
      for (let next = partition + ahead.length; ahead.length < PARTS_AHEAD && next < partitions; next++)
        ahead.push(begin(next));
      const { pages, first } = ahead[0]!;
      options.signal?.throwIfAborted();
      for (let got = await first; got.done !== true; got = await pages.next()) {
        const what = got.value;
        options.signal?.throwIfAborted();
        if (what.outcome === "failed")
          throw what.code === "overloaded"
            ? new OverloadedError()
            : new NotReadyError(
                "The gathering was given up: nobody asked for its next page for a long time. Export again.",
              );
        if (what.outcome === "page") yield* writer.recordsOf(partition, mergedByKey(what.records));
        else {
          const { part } = what;
          if (part.coversW > w && options.incomplete !== "tell")
            throw new IncompleteGatheringError(partition, w, part.unread);
          const endedAt = store.wall();
          const { coversW, attempts, members, unread } = part;
          writer.part({ partition, beganAt: endedAt - part.elapsedMs, endedAt, coversW, attempts, members, unread });
        }
      }
      ahead.shift();
      options.onProgress?.({ partitions: partition + 1, of: partitions, records: writer.records, bytes: writer.bytes });
    }
    yield writer.manifest(store.wall()).bytes;
  } finally {
    await Promise.allSettled(ahead.map(({ pages }) => pages.return(undefined)));
  }
}

interface Ahead {
  readonly partition: Partition;
  readonly pages: AsyncGenerator<Gathered>;
  readonly first: Promise<IteratorResult<Gathered>>;
}

/** What several replicas gave of a key, as one record. */
export function mergedByKey(records: readonly ArchiveRecord[]): ArchiveRecord[] {
  const merged = new Map<Key, DvvSet>();
  for (const { key, set } of records) {
    const known = merged.get(key);
    merged.set(key, known === undefined ? set : sync(known, set));
  }
  return [...merged].map(([key, set]) => ({ key, set }));
}

async function* bytesOf(source: ArchiveSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) yield source;
  else if (typeof source === "function") yield* source();
  else {
    const reader = source.stream().getReader();
    try {
      for (let got = await reader.read(); !got.done; got = await reader.read()) yield got.value;
    } finally {
      reader.releaseLock();
    }
  }
}

/** Every piece of an archive in order, each checked; ends only with a whole archive. */
async function* piecesOf(source: ArchiveSource, signal: AbortSignal | undefined): AsyncGenerator<ArchivePiece> {
  const reader = new ArchiveReader();
  for await (const bytes of bytesOf(source)) {
    signal?.throwIfAborted();
    yield* reader.push(bytes);
  }
  reader.end();
}

/** Reads all of it and says what is in it, or throws what is wrong with it. */
export async function verifyArchive(source: ArchiveSource, signal?: AbortSignal): Promise<ArchiveManifestInfo> {
  let info: Partial<ArchiveManifestInfo> = {};
  let records = 0;
  for await (const piece of piecesOf(source, signal)) {
    if (piece.kind === "head") info = { ...piece.head };
    else if (piece.kind === "records") records += piece.records.length;
    else info = { ...info, ...piece.manifest };
  }
  return { ...(info as ArchiveManifestInfo), records };
}

/** What a restore needs of its store. */
export interface RestoringStore {
  readonly cluster: string;
  parseKey(key: string): Key;
  get(key: Key, signal: AbortSignal | undefined): Promise<{ readonly set: DvvSet; readonly first: NodeId }>;
  put(key: Key, write: RestoredWrite, prefer: NodeId | undefined, signal: AbortSignal | undefined): Promise<void>;
}

export interface RestoredWrite {
  readonly value: Uint8Array | null;
  readonly context: Clock;
  readonly operation: OperationId;
  readonly at: Millis;
}

export async function restoreArchive(
  store: RestoringStore,
  source: ArchiveSource,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const verified = await verifyArchive(source, options.signal);
  const restorer = new Restorer(store, verified, options);
  const rename = renamer(options);
  // Entries of one key lie in one part and merge: what an earlier page had may have been replaced in a later one.
  let partition: Partition | undefined;
  let entries: ArchiveRecord[] = [];
  const flush = async (): Promise<void> => {
    const records = mergedByKey(entries);
    entries = [];
    await atOnce(WRITES_AT_ONCE, records, async ({ key, set }) => {
      const target = rename(key);
      options.signal?.throwIfAborted();
      if (target !== undefined) await restorer.restore(key, store.parseKey(target), set);
    });
  };
  try {
    for await (const piece of piecesOf(source, options.signal)) {
      if (piece.kind === "head" && piece.head.id !== verified.id) throw new ChangedArchiveError(0);
      if (piece.kind !== "records") continue;
      if (piece.partition !== partition) await flush();
      partition = piece.partition;
      entries.push(...piece.records);
    }
  } catch (error) {
    throw error instanceof ArchiveError ? new ChangedArchiveError(restorer.counts.written) : error;
  }
  await flush();
  return { ...restorer.counts, archive: verified };
}

/** Does this for each, so many at a time. Ends with the first failure, when what had begun is over. */
export async function atOnce<T>(most: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const item = items[next++]!;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, run));
  if (failures.length > 0) throw failures[0];
}

/** The key that a key becomes; undefined when it is not wanted. */
function renamer({ bucket, into }: RestoreOptions): (key: Key) => string | undefined {
  if (into !== undefined && bucket === undefined)
    throw new InvalidKeyError(
      "`into` names another bucket, but `bucket` does not say which one goes there. Nothing was restored. Name both.",
    );
  return (key) => {
    // Each node's own.
    if (key.startsWith(`${CANARY_BUCKET}/`)) return undefined;
    if (bucket === undefined) return key;
    if (!key.startsWith(`${bucket}/`)) return undefined;
    return into === undefined ? key : `${into}${key.slice(bucket.length)}`;
  };
}

class Restorer {
  readonly counts = { keys: 0, written: 0, unchanged: 0, kept: 0, versions: 0 };
  readonly #store: RestoringStore;
  readonly #archive: ArchiveManifestInfo;
  readonly #options: RestoreOptions;

  constructor(store: RestoringStore, archive: ArchiveManifestInfo, options: RestoreOptions) {
    this.#store = store;
    this.#archive = archive;
    this.#options = options;
  }

  async restore(key: Key, target: Key, set: DvvSet): Promise<void> {
    const { signal, existing = "keep" } = this.#options;
    const { set: there, first } = await this.#store.get(target, signal);
    // A clock means something only to the key and the cluster that it comes from.
    const knows = this.#archive.cluster === this.#store.cluster && target === key && existing !== "replace";
    // A delete is written where it replaces something.
    const versions = set.siblings.filter(
      ({ value }) => value !== null || ((knows || existing === "replace") && there.siblings.length > 0),
    );
    const own = new Map(versions.map((sibling) => [this.#operationOf(target, sibling, knows), sibling]));
    const present = there.siblings.filter(({ operation }) => own.has(operation));
    const missing = [...own].filter(
      ([operation, { dots }]) =>
        !present.some((sibling) => sibling.operation === operation) &&
        !(knows && dots.every((dot) => covers(there.clock, dot))),
    );
    const foreign = there.siblings.length > present.length;
    if (missing.length === 0 || (existing === "replace" && sameLiveValues(there, set))) return this.#count("unchanged");
    if (existing === "keep" && foreign) return this.#count("kept");
    // What an earlier run has brought back stays beside what this one brings.
    const replaced = present.length > 0 ? [] : there.clock;
    const context = knows ? set.clock : existing === "replace" ? replaced : [];
    for (const [operation, { value, at }] of missing) {
      await this.#store.put(target, { value, context, operation, at }, first, signal);
      this.counts.versions++;
    }
    this.#count("written");
  }

  #count(outcome: "written" | "unchanged" | "kept"): void {
    this.counts.keys++;
    this.counts[outcome]++;
    this.#options.onProgress?.({ ...this.counts, of: this.#archive.records });
  }

  /** Where clocks are understood the version is the very one that the archive has; elsewhere it is a new one, the same at each run. */
  #operationOf(target: Key, { operation }: Sibling, knows: boolean): OperationId {
    return knows ? operation : (restoredOperation(this.#archive.id, target, operation) as OperationId);
  }
}

/** Whether both show the same values, in whatever order. */
export function sameLiveValues(a: DvvSet, b: DvvSet): boolean {
  const live = ({ siblings }: DvvSet) => siblings.flatMap(({ value }) => (value === null ? [] : [value]));
  const left = live(b);
  const mine = live(a);
  if (mine.length !== left.length) return false;
  return mine.every((value) => {
    const at = left.findIndex((other) => bytesEqual(value, other));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}
