/**
 * Group commit: a Storage in front of a Storage that puts whatever waits into one transaction. One IndexedDB transaction costs about as much
 * as ten puts inside it, so this is what write throughput is made of. It adds no timer: a lone commit leaves in the microtask after its call.
 *
 * A commit is waiting (in order of the calls), then under way in one transaction with its neighbours, then settled. At most two transactions
 * are under way: one that the disk works on and one that is ready behind it; what arrives meanwhile waits and so forms the next group. If a
 * transaction fails, all commits in it fail (whether they were applied is not known) and later ones go on. One strict commit makes its
 * whole transaction strict. A commit is never split over two transactions, so it stays atomic.
 *
 * What commits change of the sums of Merkle leaves goes with them, as one row for each transaction (`leaf-journal.ts`).
 *
 * Reads are grouped likewise: what one turn asks leaves as one read, at most four at a time. The promise is the port's and no more: a read
 * sees the commits that were resolved before it was called. A node needs no more, because it serialises its keys and never reads one that it
 * is writing. Written values belong to the storage until their commit is settled: they are not copied while they wait.
 *
 * Limits: a transaction takes up to 1,024 writes or 8 MiB (a single larger commit goes alone); 64 MiB, 65,536 commits and 65,536 reads may
 * wait, and what would go beyond is refused with a `StorageError` at once.
 */

import { StorageError } from "../core/errors.ts";
import type { LeafChange } from "../wire/leaf-row.ts";
import { LeafJournal } from "./leaf-journal.ts";
import type { Durability, Storage, StorageWrite, StoreName } from "./ports.ts";
import { storedBytes, type ScanPage, type ScanRange } from "./memory-storage.ts";

const TRANSACTIONS_MAX = 2;
const GROUP_WRITES_MAX = 1_024;
const GROUP_BYTES_MAX = 8 * 1_048_576;
const WAITING_BYTES_MAX = 64 * 1_048_576;
const WAITING_COMMITS_MAX = 65_536;
const READ_GROUPS_MAX = 4;
const GROUP_READS_MAX = 1_024;
const WAITING_READS_MAX = 65_536;

type Read = { readonly store: StoreName; readonly key: string };

interface WaitingCommit {
  readonly writes: readonly StorageWrite[];
  readonly leaves: readonly LeafChange[];
  readonly strict: boolean;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface WaitingRead {
  readonly reads: readonly Read[];
  readonly resolve: (values: (Uint8Array | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit implements Storage {
  readonly #storage: Storage;
  #closing: Promise<void> | undefined;

  /** One row for all changes of leaves in a transaction. */
  readonly #journal: LeafJournal;

  #commits: WaitingCommit[] = [];
  #waitingBytes = 0;
  #transactions = 0;
  #commitTurn = false;

  #reads: WaitingRead[] = [];
  #readGroups = 0;
  #readTurn = false;

  #drained: (() => void) | undefined;
  /** How many commits and reads were asked, and in how many transactions they left: what grouping is worth. */
  readonly counts = { commits: 0, transactions: 0, reads: 0, readTransactions: 0 };

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#journal = new LeafJournal(storage);
  }

  open(): Promise<void> {
    return this.#storage.open();
  }

  /** The sums of all leaves. Before the first commit. */
  loadLeaves(): ReturnType<LeafJournal["load"]> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    return this.#journal.load();
  }

  /** As the port says; `leaves` change in the same transaction. */
  commit(
    writes: readonly StorageWrite[],
    durability: Durability = "relaxed",
    leaves: readonly LeafChange[] = [],
  ): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    let bytes = 0;
    for (const { key, value } of writes) bytes += storedBytes(key, value ?? undefined);
    if (
      this.#commits.length >= WAITING_COMMITS_MAX ||
      (this.#waitingBytes > 0 && this.#waitingBytes + bytes > WAITING_BYTES_MAX)
    )
      return Promise.reject(
        new StorageError(
          `The disk is behind: ${this.#commits.length} commits with ${this.#waitingBytes} bytes wait for it. This one was not written; what was acknowledged before is safe. Write more slowly.`,
        ),
      );
    return new Promise((resolve, reject) => {
      this.counts.commits++;
      this.#commits.push({ writes, leaves, strict: durability === "strict", bytes, resolve, reject });
      this.#waitingBytes += bytes;
      if (this.#commitTurn) return;
      this.#commitTurn = true;
      queueMicrotask(() => {
        this.#commitTurn = false;
        this.#startTransactions();
      });
    });
  }

  read(reads: readonly Read[]): Promise<(Uint8Array | undefined)[]> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    if (this.#reads.length >= WAITING_READS_MAX)
      return Promise.reject(
        new StorageError(
          `The disk is behind: ${WAITING_READS_MAX} reads wait for it. Nothing was changed. Read more slowly.`,
        ),
      );
    return new Promise((resolve, reject) => {
      this.counts.reads++;
      this.#reads.push({ reads, resolve, reject });
      if (this.#readTurn) return;
      this.#readTurn = true;
      queueMicrotask(() => {
        this.#readTurn = false;
        this.#startReads();
      });
    });
  }

  /** Not grouped: a scan is a transaction of its own. */
  scan(store: StoreName, range: ScanRange): Promise<ScanPage> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    return this.#storage.scan(store, range);
  }

  /** Refuses what comes after, lets what waits end, then closes the storage behind. */
  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#drained = resolve;
      this.#tellDrained();
    })
      .then(() => this.#journal.idle())
      .then(() => this.#storage.close());
    return this.#closing;
  }

  #startTransactions(): void {
    while (this.#transactions < TRANSACTIONS_MAX && this.#commits.length > 0) {
      let count = 0;
      let writes = 0;
      let bytes = 0;
      for (const commit of this.#commits) {
        if (count > 0 && (writes + commit.writes.length > GROUP_WRITES_MAX || bytes + commit.bytes > GROUP_BYTES_MAX))
          break;
        count++;
        writes += commit.writes.length;
        bytes += commit.bytes;
      }
      const group = this.#commits.splice(0, count);
      this.#waitingBytes -= bytes;
      this.#transactions++;
      this.counts.transactions++;
      void this.#runTransaction(group);
    }
    this.#tellDrained();
  }

  async #runTransaction(group: readonly WaitingCommit[]): Promise<void> {
    try {
      const leaves = group.flatMap((commit) => commit.leaves);
      const writes = group.flatMap((commit) => commit.writes);
      if (leaves.length > 0) writes.push(this.#journal.row(leaves));
      await this.#storage.commit(writes, group.some((commit) => commit.strict) ? "strict" : "relaxed");
      for (const commit of group) commit.resolve();
      this.#journal.tidy();
    } catch (error) {
      for (const commit of group) commit.reject(error);
    } finally {
      this.#transactions--;
      this.#startTransactions();
    }
  }

  #startReads(): void {
    while (this.#readGroups < READ_GROUPS_MAX && this.#reads.length > 0) {
      let count = 0;
      let reads = 0;
      for (const read of this.#reads) {
        if (count > 0 && reads + read.reads.length > GROUP_READS_MAX) break;
        count++;
        reads += read.reads.length;
      }
      this.#readGroups++;
      this.counts.readTransactions++;
      void this.#runReads(this.#reads.splice(0, count));
    }
    this.#tellDrained();
  }

  async #runReads(group: readonly WaitingRead[]): Promise<void> {
    try {
      const values = await this.#storage.read(
        group.length === 1 ? group[0]!.reads : group.flatMap((read) => read.reads),
      );
      let at = 0;
      for (const { reads, resolve } of group) {
        resolve(values.slice(at, at + reads.length));
        at += reads.length;
      }
    } catch (error) {
      for (const read of group) read.reject(error);
    } finally {
      this.#readGroups--;
      this.#startReads();
    }
  }

  #tellDrained(): void {
    const idle =
      this.#commits.length === 0 && this.#transactions === 0 && this.#reads.length === 0 && this.#readGroups === 0;
    if (idle) this.#drained?.();
  }
}

function closedError(): StorageError {
  return new StorageError(
    "The storage is closed. Nothing was written; what was acknowledged before is safe. Open the store again.",
  );
}
