/**
 * The log of recent writes: which keys of each partition changed last on this node's disk, in their order, with the digests of their records and without
 * their values (Aurora and DynamoDB heal a replica from the recent log before they copy a whole tree: ATC 2022, section 5). A value, asked and fed by
 * others; `recent-writes.ts` says what it is for.
 *
 * A position is a number that grows with each change, one count for all partitions. "Up to position p" claims every change that was durable when p was
 * the head. A change enters when it is durable, so it comes behind every position that was told before.
 *
 * **The log never hides a hole.** Each partition has a floor: from a position below it on, the log does not cover the partition, and says so. The floor rises
 * to the position of what is let go of because there are too many, and above all positions when a store failed, because nobody knows what of it is on
 * the disk. The whole log has an id, drawn by chance at each start of the node: a restart forgets it, and a disk that goes back in time cannot bring
 * it back. It is not kept on disk, for that would cost each write another; who comes back asks those who stayed, and they have theirs.
 *
 * Limits: `entriesMax` keys and `bytesMax` bytes of keys (two for each character, as they lie in memory), of which each partition has an equal share, at least
 * one key. A key stands in it once, with its latest change.
 */

import type { Key, Partition } from "./identifiers.ts";
import type { Digest } from "./merkle-forest.ts";

/** 0 before the first change. */
export type LogPosition = number;

export interface LoggedChange {
  readonly key: Key;
  readonly digest: Digest;
}

/** What changed since some positions. */
export interface LogExcerpt {
  /** Partitions asked of whose changes the log has not all any more; ascending. */
  readonly uncovered: readonly Partition[];
  /** Of the partitions that are covered, in order. */
  readonly changes: readonly LoggedChange[];
  /** The changes are all up to here. */
  readonly upTo: LogPosition;
  /** There are others behind. */
  readonly more: boolean;
}

interface Entry extends LoggedChange {
  readonly position: LogPosition;
}

interface Stretch {
  /** In the order of their positions. */
  readonly entries: Map<Key, Entry>;
  bytes: number;
}

export class WriteLog {
  /** 16 lower-case hexadecimal digits. */
  readonly id: string;
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #stretches = new Map<Partition, Stretch>();
  readonly #floors = new Map<Partition, LogPosition>();
  #head: LogPosition = 0;
  #size = 0;

  /** With `entriesMax` 0 there is no log: it keeps nothing and covers nothing. */
  constructor(id: string, entriesMax: number, bytesMax: number) {
    this.id = id;
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
  }

  get isKept(): boolean {
    return this.#entriesMax > 0;
  }

  /** The position of the latest change. */
  get head(): LogPosition {
    return this.#head;
  }

  /** Keys in it. */
  get size(): number {
    return this.#size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { id: this.id, head: this.#head, stretches: this.#stretches, floors: this.#floors };
  }

  /** The record of the key is durable, with this digest. `partitions`: how many there are. */
  append(partition: Partition, partitions: number, key: Key, digest: Digest): void {
    if (!this.isKept) return;
    const stretch = this.#stretches.get(partition) ?? { entries: new Map<Key, Entry>(), bytes: 0 };
    this.#stretches.set(partition, stretch);
    this.#take(stretch, key);
    stretch.entries.set(key, { key, digest, position: ++this.#head });
    stretch.bytes += bytesOf(key);
    this.#size++;
    const entriesMax = Math.max(1, Math.floor(this.#entriesMax / partitions));
    const bytesMax = this.#bytesMax / partitions;
    for (const { key: oldest, position } of stretch.entries.values()) {
      if (stretch.entries.size <= entriesMax && (stretch.bytes <= bytesMax || stretch.entries.size === 1)) break;
      this.#take(stretch, oldest);
      this.#floors.set(partition, position);
    }
  }

  /** The record of the key is gone, and was given up on purpose: there is nothing to catch up with. */
  remove(partition: Partition, key: Key): void {
    const stretch = this.#stretches.get(partition);
    if (stretch === undefined) return;
    this.#take(stretch, key);
    if (stretch.entries.size === 0) this.#stretches.delete(partition);
  }

  /** Something may have changed in the partition that nobody can name: no position told so far covers it. */
  breakOff(partition: Partition): void {
    if (!this.isKept) return;
    this.#size -= this.#stretches.get(partition)?.entries.size ?? 0;
    this.#stretches.delete(partition);
    this.#floors.set(partition, ++this.#head);
  }

  /** What changed in each partition since the position given for it, the oldest `changesMax` of it, up to `bytesMax` bytes of keys, one key at least. */
  since(from: ReadonlyMap<Partition, LogPosition>, changesMax: number, bytesMax: number): LogExcerpt {
    const uncovered: Partition[] = [];
    const found: Entry[] = [];
    for (const [partition, position] of from)
      if (!this.isKept || position > this.#head || position < (this.#floors.get(partition) ?? 0))
        uncovered.push(partition);
      else
        for (const entry of this.#stretches.get(partition)?.entries.values() ?? [])
          if (entry.position > position) found.push(entry);
    uncovered.sort((a, b) => a - b);
    found.sort((a, b) => a.position - b.position);
    const changes: Entry[] = [];
    let bytes = 0;
    for (const entry of found) {
      bytes += bytesOf(entry.key);
      if (changes.length >= changesMax || (changes.length > 0 && bytes > bytesMax)) break;
      changes.push(entry);
    }
    const more = changes.length < found.length;
    return { uncovered, changes, upTo: more ? changes.at(-1)!.position : this.#head, more };
  }

  #take(stretch: Stretch, key: Key): void {
    if (!stretch.entries.delete(key)) return;
    stretch.bytes -= bytesOf(key);
    this.#size--;
  }
}

function bytesOf(key: Key): number {
  return 2 * key.length;
}
