/**
 * A node's disk in the browser: one IndexedDB database per identity, `tabring/<cluster>/<slot>`, which holds the identity, the records, the
 * hints and the membership together, so that they vanish together.
 *
 * States: new, open, then for good one of closed (by us), displaced (another tab upgrades or deletes the database: we close at once and say
 * so) or wiped (the browser deleted the data under us). In between the browser may cut the connection (disk trouble, site data cleared): then
 * calls wait in order while the database is opened again, once, and the store id that was drawn when it was made is compared. The same id:
 * they go on. Another or none: this node's memory is gone and its identity with it, so every further call is refused, and the host has to
 * start as a new node. Going on under the old id would let others take its new writes for old ones (riak_kv 679).
 *
 * A commit is acknowledged at the transaction's `complete`, never at a request's `success`. Every write transaction spans all stores: so the
 * browser runs them strictly in the order of the calls. A failed commit is never tried again by itself: a later one may have been applied.
 *
 * Limits: 1,024 calls under way or waiting (group commit in front of it needs a handful); an open that takes over 10 s
 * is refused; a transaction without an end after 30 s fails, and its connection is taken for dead.
 */

import { openDB, unwrap, type DBSchema, type IDBPDatabase, type IDBPTransaction } from "idb";
import { StorageError } from "../core/errors.ts";
import type { ScanPage, ScanRange } from "../driver/memory-storage.ts";
import type { Durability, Storage, StorageWrite, StoreName } from "../driver/ports.ts";

const SCHEMA_VERSION = 3;
const OPEN_TIMEOUT_MS = 10_000;
const TRANSACTION_TIMEOUT_MS = 30_000;
const CALLS_MAX = 1_024;
/** The first page of a scan, before the size of its values is known, and the largest page. */
const SCAN_PAGE_FIRST = 8;
const SCAN_PAGE_MAX = 256;

/** What the `identity` store holds under `node`. The private key cannot be exported; it can only sign. */
export interface StoredIdentity {
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

/** The object stores of a node's database, for everybody who opens one. Values of the first five are bytes under out-of-line keys. */
export interface NodeSchema extends DBSchema {
  records: { key: string; value: Uint8Array };
  hints: { key: string; value: Uint8Array };
  meta: { key: string; value: Uint8Array };
  leaves: { key: string; value: Uint8Array };
  /** From schema 3 on. */
  history: { key: string; value: Uint8Array };
  /** Not reachable through the Storage port: `storeId`, a random id drawn when the database is made, and `node`, the key pair. */
  identity: { key: "storeId" | "node"; value: string | StoredIdentity };
}
export type NodeDatabase = IDBPDatabase<NodeSchema>;

const DATA_STORES: readonly StoreName[] = ["records", "hints", "meta", "leaves", "history"];

export interface OpenNodeDatabaseOptions {
  /** Another connection wants to change or delete the database (`deleted` tells which): close at once, or it blocks that tab. */
  readonly onVersionChange?: (deleted: boolean) => void;
  /** The browser cut the connection. */
  readonly onTerminated?: () => void;
  /** Refuse a database that is not there, instead of making an empty one: {@link MissingDatabaseError}. */
  readonly mustExist?: boolean;
  readonly version?: number;
  readonly timeoutMs?: number;
}

/** The database that was to be opened does not exist (any more). */
export class MissingDatabaseError extends StorageError {
  override readonly name: string = "MissingDatabaseError";
  constructor(databaseName: string) {
    super(
      `The browser's database ${databaseName} is not there any more. Its data and the identity of this node are gone; other nodes keep their copies. Reload the page to start as a new node.`,
    );
  }
}

/** Opens a node's database, making its stores when it is new. Rejects with a `StorageError`; never hangs on another tab. */
export async function openNodeDatabase(
  databaseName: string,
  options: OpenNodeDatabaseOptions = {},
): Promise<{ database: NodeDatabase; storeId: string }> {
  let missing = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let opening: Promise<NodeDatabase> | undefined;
  try {
    const database = await new Promise<NodeDatabase>((resolve, reject) => {
      opening = openDB<NodeSchema>(databaseName, options.version ?? SCHEMA_VERSION, {
        upgrade(upgraded, oldVersion, _newVersion, transaction) {
          if (oldVersion === 0 && options.mustExist === true) {
            missing = true;
            transaction.done.catch(() => {});
            transaction.abort();
            return;
          }
          // A later version may only add stores, so that what an older build wrote stays readable.
          for (const store of DATA_STORES)
            if (!upgraded.objectStoreNames.contains(store)) upgraded.createObjectStore(store);
          if (oldVersion >= 1) return;
          void upgraded.createObjectStore("identity");
          void transaction.objectStore("identity").add(crypto.randomUUID(), "storeId");
        },
        blocked() {
          reject(
            new StorageError(
              `Another tab holds an older version of the database ${databaseName} open. Nothing was changed. Close or reload the other tabs of this site, then reload this one.`,
            ),
          );
        },
        blocking(_current, blockedVersion, event) {
          (event.target as IDBDatabase).close();
          options.onVersionChange?.(blockedVersion === null);
        },
        terminated() {
          options.onTerminated?.();
        },
      });
      opening.then(resolve, reject);
      // An open behind a deletion that some tab holds up gets no `blocked` event: only time tells.
      timer = setTimeout(() => {
        reject(
          new StorageError(
            `The database ${databaseName} could not be opened in time: another tab is deleting it or holds it. Nothing was changed. Close the other tabs of this site, then reload this one.`,
          ),
        );
      }, options.timeoutMs ?? OPEN_TIMEOUT_MS);
    });
    const storeId = database.objectStoreNames.contains("identity") && (await database.get("identity", "storeId"));
    if (typeof storeId !== "string")
      throw new StorageError(
        `The database ${databaseName} was not made by this application. It was left as it is. Clear this site's data, or choose another cluster id.`,
      );
    return { database, storeId };
  } catch (error) {
    // It may still open later; nobody would close it then.
    void opening?.then(
      (late) => late.close(),
      () => {},
    );
    throw missing
      ? new MissingDatabaseError(databaseName)
      : storageErrorOf(error, `opening the database ${databaseName}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Any failure of IndexedDB as a `StorageError` that says what to do. */
function storageErrorOf(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  const name = error instanceof Error || error instanceof DOMException ? error.name : "unknown";
  if (name === "QuotaExceededError")
    return new StorageError(
      `The browser's quota for this site is used up (${what}). Whether this was stored is not known; what was acknowledged before is safe, and reading goes on. Free disk space, clear other data of this site, or allow it persistent storage.`,
    );
  if (name === "VersionError")
    return new StorageError(
      `The database was made by a newer version of this page (${what}). It was left as it is. Reload the page to get that version.`,
    );
  return new StorageError(
    `The browser's database failed while ${what} (${name}: ${error instanceof Error ? error.message : String(error)}). Whether a write was stored is not known; what was acknowledged before is safe. If it lasts, reload the page.`,
  );
}

/**
 * Resolves at the transaction's `complete`. Rejects with the reason of its abort, which idb's `done` does not know: it rejects when a request's
 * error passes by, before the transaction has one.
 */
function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("abort", () =>
      reject(transaction.error ?? new DOMException("The transaction was aborted.", "AbortError")),
    );
  });
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Errors that may mean that the connection is dead or the database gone. */
function isConnectionTrouble(error: unknown): boolean {
  return error instanceof DOMException && ["AbortError", "InvalidStateError", "UnknownError"].includes(error.name);
}

/** `value` in a buffer of its own: IndexedDB stores the whole buffer behind a view. */
function alone(value: Uint8Array): Uint8Array {
  return value.buffer instanceof ArrayBuffer && value.buffer.byteLength === value.byteLength
    ? value
    : new Uint8Array(value);
}

/** Why a storage closed without being asked: another tab upgrades or deletes the database. */
export type ClosedReason = "upgraded" | "deleted";

export interface IndexedDbStorageOptions {
  readonly databaseName: string;
  /** The store id that `claimIdentity` saw; the storage refuses any other. Without it, what is found at the first open counts. */
  readonly storeId?: string;
  /** Another tab took the database; all further calls are refused. */
  readonly onClosed?: (reason: ClosedReason) => void;
  /** The data vanished under us, and this identity with it; all further calls are refused. */
  readonly onWiped?: () => void;
  readonly openTimeoutMs?: number;
  readonly transactionTimeoutMs?: number;
  /** Of the schema; for tests of an upgrade. */
  readonly version?: number;
}

interface Scope {
  readonly stores: readonly StoreName[];
  readonly mode: "readonly" | "readwrite";
  readonly durability?: Durability;
}
type NodeTransaction = IDBPTransaction<NodeSchema, StoreName[], "readonly" | "readwrite">;
type Body<Result> = (transaction: NodeTransaction) => Promise<Result>;

/** Attempts to open a database again that are made without a call, and the time between them. */
const REOPEN_TRIES_MAX = 20;
const REOPEN_AGAIN_MS = 250;

export class IndexedDbStorage implements Storage {
  readonly #options: IndexedDbStorageOptions;
  #storeId: string | undefined;
  #state: "new" | "open" | "refusing" | "closed" = "new";
  /** Why every call is refused, in the states refusing and closed. */
  #refusal: StorageError = new StorageError("The storage is not open yet. Nothing was written. Wait for open().");
  #database: NodeDatabase | undefined;
  #reopening = false;
  #reopenTries = 0;
  /** Calls that wait for the database to be open again, in order. */
  readonly #waiting: { readonly go: (database: NodeDatabase) => void; readonly refuse: (error: unknown) => void }[] =
    [];
  /** Calls with a transaction, by the connection that it is on. */
  readonly #started = new Set<{ readonly database: NodeDatabase; readonly reject: (error: unknown) => void }>();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: IndexedDbStorageOptions) {
    this.#options = options;
    this.#storeId = options.storeId;
  }

  async open(): Promise<void> {
    if (this.#state === "open") return;
    if (this.#state === "new") await this.#connect();
    // Meanwhile it may have been closed, by us or by another tab.
    if (this.#database === undefined) throw this.#refusal;
    this.#state = "open";
  }

  read(reads: readonly { readonly store: StoreName; readonly key: string }[]): Promise<(Uint8Array | undefined)[]> {
    const stores = DATA_STORES.filter((name) => reads.some(({ store }) => store === name));
    return this.#perform(
      "reading",
      { stores: stores.length > 0 ? stores : DATA_STORES, mode: "readonly" },
      async (transaction) => {
        const values = reads.map(({ store, key }) => transaction.objectStore(store).get(key));
        const [result] = await Promise.all([Promise.all(values), transaction.done]);
        return result;
      },
    );
  }

  commit(writes: readonly StorageWrite[], durability: Durability): Promise<void> {
    return this.#perform("writing", { stores: DATA_STORES, mode: "readwrite", durability }, async (transaction) => {
      // The plain request interface: a write needs no answer of its own, since the transaction's end tells of all of them.
      transaction.done.catch(() => {});
      const plain: IDBTransaction = unwrap(transaction);
      const durable = completed(plain);
      try {
        for (const { store, key, value } of writes) {
          if (value === null) plain.objectStore(store).delete(key);
          else plain.objectStore(store).put(alone(value), key);
        }
        // Commits without waiting for the last request's event.
        plain.commit();
      } catch (error) {
        durable.catch(() => {});
        plain.abort();
        throw error;
      }
      await durable;
    });
  }

  async scan(store: StoreName, range: ScanRange): Promise<ScanPage> {
    return this.#perform("scanning", { stores: [store], mode: "readonly" }, async (transaction) => {
      transaction.done.catch(() => {});
      const entries: [string, Uint8Array][] = [];
      if (range.after >= range.before) return { entries, done: true };
      const source = transaction.objectStore(store);
      const countMax = Math.max(1, range.countMax);
      let bytes = 0;
      let after = range.after;
      let page = Math.min(SCAN_PAGE_FIRST, countMax);
      for (;;) {
        const keyRange = IDBKeyRange.bound(after, range.before, true, true);
        // One key more than values: whether anything is left, without reading it.
        const [keys, values] = await Promise.all([
          source.getAllKeys(keyRange, page + 1),
          source.getAll(keyRange, page),
        ]);
        for (const [i, value] of values.entries()) {
          if (entries.length > 0 && bytes + value.length > range.bytesMax) return { entries, done: false };
          entries.push([keys[i]!, value]);
          bytes += value.length;
        }
        if (keys.length === values.length) return { entries, done: true };
        if (entries.length >= countMax || bytes >= range.bytesMax) return { entries, done: false };
        after = keys[values.length - 1]!;
        // The next page is as large as what is left of the bound, for values of the size seen so far.
        const fitting = Math.ceil((range.bytesMax - bytes) / Math.max(1, bytes / entries.length));
        page = Math.min(fitting, SCAN_PAGE_MAX, countMax - entries.length);
      }
    });
  }

  async close(): Promise<void> {
    this.#refuseFromNow(
      "closed",
      new StorageError(
        "The storage is closed. Nothing was written; what was acknowledged before is safe. Open the store again.",
      ),
    );
    await Promise.allSettled(this.#underWay);
  }

  /** Performs one call in one transaction, and turns what goes wrong into a `StorageError`. Reads are tried once more on a new connection. */
  #perform<Result>(what: string, scope: Scope, body: Body<Result>): Promise<Result> {
    if (this.#state !== "open") return Promise.reject(this.#refusal);
    if (this.#underWay.size >= CALLS_MAX)
      return Promise.reject(
        new StorageError(
          `${CALLS_MAX} calls are already under way. This one changed nothing. Wait for some of them to end.`,
        ),
      );
    const outcome = this.#attempt(scope, body)
      .catch((error: unknown) => {
        if (scope.mode === "readwrite" || !isConnectionTrouble(error) || this.#state !== "open") throw error;
        return this.#attempt(scope, body);
      })
      .catch((error: unknown) => {
        throw storageErrorOf(error, what);
      });
    this.#underWay.add(outcome);
    const settled = (): void => void this.#underWay.delete(outcome);
    outcome.then(settled, settled);
    return outcome;
  }

  /**
   * Starts the transaction at once, or puts it in line when the connection is cut. Whether it is cut shows when the transaction is made,
   * synchronously, so that calls keep their order; and then nothing of it was done, so that waiting is safe for writes too.
   */
  #attempt<Result>({ stores, mode, durability }: Scope, body: Body<Result>): Promise<Result> {
    const start = (database: NodeDatabase): Promise<Result> => {
      const transaction = database.transaction(stores, mode, durability === undefined ? {} : { durability });
      return new Promise<Result>((resolve, reject) => {
        const call = { database, reject };
        this.#started.add(call);
        const timer = setTimeout(
          () => this.#cut(database),
          this.#options.transactionTimeoutMs ?? TRANSACTION_TIMEOUT_MS,
        );
        const settled = (): void => {
          clearTimeout(timer);
          this.#started.delete(call);
        };
        body(transaction as NodeTransaction).then(
          (result) => {
            settled();
            resolve(result);
          },
          (error: unknown) => {
            settled();
            if (isConnectionTrouble(error)) this.#dropConnection(database);
            reject(errorOf(error));
          },
        );
      });
    };
    if (this.#database !== undefined) {
      try {
        return start(this.#database);
      } catch (error) {
        if (!isConnectionTrouble(error)) return Promise.reject(errorOf(error));
        this.#dropConnection(this.#database);
      }
    }
    return new Promise<Result>((resolve, reject) => {
      const go = (database: NodeDatabase): void => {
        try {
          start(database).then(resolve, reject);
        } catch (error) {
          reject(errorOf(error));
        }
      };
      this.#waiting.push({ go, refuse: reject });
      void this.#reopen();
    });
  }

  async #connect(): Promise<void> {
    const { databaseName, openTimeoutMs, version } = this.#options;
    try {
      let mine: NodeDatabase | undefined = undefined;
      const { database, storeId } = await openNodeDatabase(databaseName, {
        mustExist: this.#storeId !== undefined,
        onVersionChange: (deleted) => this.#displaced(deleted),
        onTerminated: () => this.#cut(mine),
        ...(openTimeoutMs === undefined ? {} : { timeoutMs: openTimeoutMs }),
        ...(version === undefined ? {} : { version }),
      });
      mine = database;
      const foreign = this.#storeId !== undefined && this.#storeId !== storeId;
      if (foreign || this.#ended) database.close();
      if (foreign) throw new MissingDatabaseError(databaseName);
      if (this.#ended) return;
      this.#storeId = storeId;
      this.#database = database;
    } catch (error) {
      if (error instanceof MissingDatabaseError && !this.#ended) {
        this.#refuseFromNow("refusing", error);
        this.#options.onWiped?.();
      }
      throw error;
    }
  }

  /**
   * One attempt for all who wait; if it fails they are refused, and the next call makes the next attempt. Some are made without a call: an attempt
   * that collides with a deletion fails, and whether the database was wiped must show even if nobody calls.
   */
  async #reopen(): Promise<void> {
    if (this.#reopening || this.#state !== "open" || this.#database !== undefined) return;
    this.#reopening = true;
    try {
      await this.#connect();
      // In one go, so that no later call slips in between.
      const database = this.#database;
      this.#reopenTries = 0;
      if (database !== undefined) for (const { go } of this.#waiting.splice(0)) go(database);
    } catch (error) {
      for (const { refuse } of this.#waiting.splice(0)) refuse(error);
      if (this.#reopenTries++ < REOPEN_TRIES_MAX) setTimeout(() => void this.#reopen(), REOPEN_AGAIN_MS);
    } finally {
      this.#reopening = false;
    }
  }

  /**
   * This connection is dead. Chromium was seen to leave a transaction that was just starting without any end when it cut the connection, so
   * whatever was under way on it fails here: whether it was applied is not known.
   */
  #cut(database: NodeDatabase | undefined): void {
    this.#dropConnection(database);
    for (const call of this.#started) {
      if (call.database !== database) continue;
      this.#started.delete(call);
      call.reject(new DOMException("The connection to the database was cut.", "AbortError"));
    }
  }

  /** This connection is dead or suspect: lets go of it, and looks at once whether the data is still there. */
  #dropConnection(database: NodeDatabase | undefined): void {
    if (database === undefined || this.#database !== database) return;
    database.close();
    this.#database = undefined;
    void this.#reopen();
  }

  get #ended(): boolean {
    return this.#state === "refusing" || this.#state === "closed";
  }

  #displaced(deleted: boolean): void {
    if (this.#ended) return;
    this.#refuseFromNow(
      "refusing",
      new StorageError(
        deleted
          ? "Another tab deletes this node's database, so it was closed. What other nodes hold is safe. Reload the page to start as a new node."
          : "Another tab runs a newer version of this page and upgrades the database, so it was closed. What was acknowledged is safe. Reload this page.",
      ),
    );
    this.#options.onClosed?.(deleted ? "deleted" : "upgraded");
  }

  #refuseFromNow(state: "refusing" | "closed", refusal: StorageError): void {
    if (this.#state === "closed") return;
    this.#state = state;
    this.#refusal = refusal;
    for (const { refuse } of this.#waiting.splice(0)) refuse(refusal);
    // Transactions that were started still run to their end.
    this.#database?.close();
    this.#database = undefined;
  }
}

/** What the browser says of its disk; predicts little: best-effort data may be evicted at any time. Undefined where it says nothing. */
export async function storageEstimate(): Promise<
  { readonly usageBytes: number; readonly quotaBytes: number; readonly persisted: boolean } | undefined
> {
  const manager = (navigator as { storage?: StorageManager }).storage;
  if (manager === undefined) return undefined;
  const [{ usage, quota }, persisted] = await Promise.all([manager.estimate(), manager.persisted()]);
  return usage === undefined || quota === undefined ? undefined : { usageBytes: usage, quotaBytes: quota, persisted };
}
