/**
 * Who this tab is. On one origin each cluster has numbered slots, each with its own database `tabring/<cluster>/<slot>`; a tab is the node of a
 * slot only while it holds the exclusive Web Lock of the same name, so that two tabs can never be one node. The node id is the hash of a public
 * key that lies in the slot's database beside the data: when the browser evicts the data, the identity goes with it, and what starts there
 * next is a new node. A node that kept its id without its memory would hand out dots that others take for old ones (riak_kv 679).
 *
 * A claim goes through these, and takes the first slot whose lock it gets:
 *  1. resumed: the slot that this tab had before, by sessionStorage. After a reload the old page may hold the lock for some milliseconds more,
 *     so a reload waits for it, up to a second. A duplicated tab has a copy of the sessionStorage, but finds the lock held and goes on.
 *  2. taken-up: the lowest slot that has a database and no tab. Its data comes with it.
 *  3. new: the lowest slot without a database.
 * localStorage is never used: it outlives the database.
 *
 * Limits: 256 slots for each cluster on one origin.
 */

import { deleteDB, openDB, type DBSchema } from "idb";
import { toHex } from "../base/bytes.ts";
import { StorageError, TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { META_KEY } from "../driver/driver.ts";
import { decodeMeta } from "../wire/record.ts";
import { MissingDatabaseError, openNodeDatabase, type NodeDatabase } from "./indexeddb-storage.ts";

export const SLOTS_MAX = 256;
const RELOAD_WAIT_MS = 1_000;
const PREFIX = "tabring/";
const PROFILE_DATABASE = "tabring/profile";

/** The page may not use what a node needs: WebCrypto, Web Locks or IndexedDB. Nothing was stored. */
export class InsecureContextError extends TabringError {
  override readonly name: string = "InsecureContextError";
  constructor(missing: string) {
    super(
      "insecure-context",
      `This page cannot be a node: ${missing}. Nothing was stored or sent. Open it over https:// or from http://localhost, in an up-to-date browser that allows this site to store data (not every private window does).`,
    );
  }
}

/** The cluster's id is not 1 to 64 characters of a-z, A-Z, 0-9, `-` and `_`. Nothing was stored. */
export class InvalidClusterError extends TabringError {
  override readonly name: string = "InvalidClusterError";
  constructor(cluster: string) {
    super(
      "invalid-cluster",
      `${JSON.stringify(cluster.slice(0, 80))} cannot be a cluster's id: it must be 1 to 64 characters of a-z, A-Z, 0-9, - and _. Nothing was stored. Check the invite link.`,
    );
  }
}

export interface Identity {
  /** The first 128 bits of the SHA-256 of the raw public key. */
  readonly node: NodeId;
  /** Ed25519. The private key cannot leave the browser; it signs for this node. */
  readonly keys: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };
  readonly slot: number;
  readonly databaseName: string;
  /** Goes to the storage, which refuses a database that is not the one this identity was read from. */
  readonly storeId: string;
  readonly origin: "resumed" | "taken-up" | "new";
  /** Gives the slot up, for the next tab to take. Close the storage first. Idempotent; resolves when the lock is free. */
  release(): Promise<void>;
}

/** What of the page a claim looks at; all of it the browser's own by default. */
export interface IdentityHost {
  readonly locks?: LockManager | undefined;
  readonly subtle?: SubtleCrypto | undefined;
  /** Of this tab; remembers the slot over a reload. */
  readonly session?: Pick<Storage, "getItem" | "setItem"> | undefined;
  /** Whether this page came by a reload. */
  readonly reloaded?: boolean;
}

type Host = { readonly locks: LockManager; readonly subtle: SubtleCrypto } & IdentityHost;

/** Slots that this page holds itself: a second claim after a reload must not wait for the first one. */
const heldHere = new Set<string>();

export function slotDatabaseName(cluster: string, slot: number): string {
  return `${PREFIX}${cluster}/${slot}`;
}

/** Throws {@link InvalidClusterError} when this cannot be a cluster's id. */
export function demandCluster(cluster: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(cluster)) throw new InvalidClusterError(cluster);
}

/** Claims a slot of `cluster` for this tab. Rejects with {@link InsecureContextError}, {@link InvalidClusterError} or a `StorageError`. */
export async function claimIdentity(options: { readonly cluster: string } & IdentityHost): Promise<Identity> {
  const { cluster } = options;
  demandCluster(cluster);
  const host = usable(options);

  const remembered = rememberedSlot(host, cluster);
  const existing = (await clusterSlots()).get(cluster) ?? [];
  const absent = Array.from({ length: SLOTS_MAX }, (_, slot) => slot).filter((slot) => !existing.includes(slot));
  const candidates = [...existing, ...absent];
  if (remembered !== undefined) candidates.unshift(remembered);

  let unreadable: StorageError | undefined;
  for (const [i, slot] of candidates.entries()) {
    const waitMs = i === 0 && slot === remembered && host.reloaded === true ? RELOAD_WAIT_MS : 0;
    const release = await takeLock(host, slotDatabaseName(cluster, slot), waitMs);
    if (release === undefined) continue;
    try {
      const found = await readIdentity(host, slotDatabaseName(cluster, slot));
      rememberSlot(host, cluster, slot);
      const origin = found.fresh ? "new" : slot === remembered ? "resumed" : "taken-up";
      return { ...found.identity, slot, databaseName: slotDatabaseName(cluster, slot), origin, release };
    } catch (error) {
      await release();
      // One damaged database must not keep the tab out, but if even a new one cannot be made, the disk is the trouble.
      if (unreadable !== undefined && !existing.includes(slot)) throw unreadable;
      if (!(error instanceof StorageError)) throw error;
      unreadable = error;
    }
  }
  throw (
    unreadable ??
    new StorageError(
      `All ${SLOTS_MAX} slots of the cluster ${cluster} on this site are held by other tabs. Nothing was stored. Close some of them.`,
    )
  );
}

/**
 * For clusters of this browser alone: whether this node is the one to make its cluster. Of tabs that mean to at the same moment one is, and none is where a
 * node of this browser belongs to the cluster already, or cannot be read. Undefined: it is not; else it is until the given function is called.
 */
export async function claimFounding(
  cluster: string,
  { databaseName }: Pick<Identity, "databaseName">,
  options: IdentityHost = {},
): Promise<(() => Promise<void>) | undefined> {
  const release = await takeLock(usable(options), `${PREFIX}${cluster}/founding`, 0);
  if (release === undefined) return undefined;
  for (const slot of (await clusterSlots()).get(cluster) ?? []) {
    const other = slotDatabaseName(cluster, slot);
    if (other === databaseName || !(await isMember(other))) continue;
    await release();
    return undefined;
  }
  return release;
}

async function isMember(databaseName: string): Promise<boolean> {
  try {
    const { database } = await openNodeDatabase(databaseName, { mustExist: true });
    try {
      const meta = await database.get("meta", META_KEY);
      return meta !== undefined && decodeMeta(meta).view !== undefined;
    } finally {
      database.close();
    }
  } catch (error) {
    // What cannot be read may be one.
    return !(error instanceof MissingDatabaseError);
  }
}

/** The node has departed: its database goes, and its identity with it. Close the storage first; the slot is still held. Rejects with a `StorageError`. */
export async function discardIdentity({ databaseName }: Pick<Identity, "databaseName">): Promise<void> {
  try {
    await deleteDB(databaseName);
  } catch (error) {
    throw new StorageError(
      `The database ${databaseName} of a node that has departed could not be deleted (${error instanceof Error ? error.message : String(error)}). Nothing is lost: others have all of it. Delete it in the browser's settings.`,
    );
  }
}

/** The failure domain of this browser: 32 random hexadecimal digits, drawn once for each profile and origin. */
export async function profileZone(options: IdentityHost = {}): Promise<string> {
  usable(options);
  interface ProfileSchema extends DBSchema {
    profile: { key: "zone"; value: string };
  }
  try {
    const database = await openDB<ProfileSchema>(PROFILE_DATABASE, 1, {
      upgrade(upgraded) {
        upgraded.createObjectStore("profile");
      },
    });
    try {
      // Read and drawn in one transaction: tabs that start together agree.
      const transaction = database.transaction("profile", "readwrite", { durability: "strict" });
      let zone = await transaction.store.get("zone");
      if (zone === undefined) {
        zone = toHex(crypto.getRandomValues(new Uint8Array(16)));
        await transaction.store.put(zone, "zone");
      }
      await transaction.done;
      return zone;
    } finally {
      database.close();
    }
  } catch (error) {
    throw new StorageError(
      `The browser's database failed while reading this profile's id (${String(error)}). Nothing was lost. Allow this site to store data, or name a zone.`,
    );
  }
}

/** The clusters that have databases on this origin, sorted. Empty where the browser cannot list its databases. */
export async function knownClusters(options: IdentityHost = {}): Promise<string[]> {
  usable(options);
  return [...(await clusterSlots()).keys()].sort();
}

/** Deletes this browser's data of a cluster, except slots that a tab holds now; those are named. What other browsers hold stays. */
export async function forgetCluster(
  cluster: string,
  options: IdentityHost = {},
): Promise<{ readonly deleted: readonly number[]; readonly held: readonly number[] }> {
  const host = usable(options);
  const deleted: number[] = [];
  const held: number[] = [];
  for (const slot of (await clusterSlots()).get(cluster) ?? []) {
    const name = slotDatabaseName(cluster, slot);
    const release = await takeLock(host, name, 0);
    if (release === undefined) {
      held.push(slot);
      continue;
    }
    try {
      // Whoever has it open without the lock is on its way out; if not, the deletion waits for it and this call does not.
      await new Promise<void>((resolve, reject) => {
        deleteDB(name, { blocked: () => reject(new Error("blocked")) }).then(resolve, reject);
      });
      deleted.push(slot);
    } catch {
      held.push(slot);
    } finally {
      await release();
    }
  }
  return { deleted, held };
}

/** The host's means, the browser's own where none are given; {@link InsecureContextError} where there are none. */
function usable(options: IdentityHost): Host {
  // The library's types promise what an insecure origin does not have.
  const page = globalThis as { crypto?: Crypto; navigator?: { locks?: LockManager }; indexedDB?: IDBFactory };
  const subtle = "subtle" in options ? options.subtle : page.crypto?.subtle;
  const locks = "locks" in options ? options.locks : page.navigator?.locks;
  if (subtle === undefined) throw new InsecureContextError("it has no WebCrypto (crypto.subtle)");
  if (locks === undefined) throw new InsecureContextError("it has no Web Locks (navigator.locks)");
  if (page.indexedDB === undefined || page.indexedDB === null) throw new InsecureContextError("it has no IndexedDB");
  return {
    subtle,
    locks,
    session: "session" in options ? options.session : pageSession(),
    reloaded: options.reloaded ?? pageWasReloaded(),
  };
}

function pageSession(): IdentityHost["session"] {
  try {
    return globalThis.sessionStorage;
  } catch {
    // Forbidden by a setting: then a reload takes a free slot, which is mostly its own.
    return undefined;
  }
}

function pageWasReloaded(): boolean {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation !== undefined && (navigation as PerformanceNavigationTiming).type === "reload";
}

function rememberedSlot(host: Host, cluster: string): number | undefined {
  const text = host.session?.getItem(`${PREFIX}${cluster}/slot`);
  const slot = text !== undefined && text !== null && /^[0-9]{1,3}$/.test(text) ? Number(text) : SLOTS_MAX;
  return slot < SLOTS_MAX ? slot : undefined;
}

function rememberSlot(host: Host, cluster: string, slot: number): void {
  try {
    host.session?.setItem(`${PREFIX}${cluster}/slot`, String(slot));
  } catch {
    // Full or forbidden: as above.
  }
}

/** The slots with a database of every cluster, in order. */
async function clusterSlots(): Promise<Map<string, number[]>> {
  const slots = new Map<string, number[]>();
  const factory = indexedDB as Partial<IDBFactory>;
  // Older browsers cannot list: then slots are tried from 0 on, and opening one tells whether it had data.
  const databases = (await factory.databases?.().catch(() => undefined)) ?? [];
  for (const { name } of databases) {
    const [, cluster, slot] = /^tabring\/([A-Za-z0-9_-]{1,64})\/([0-9]{1,3})$/.exec(name ?? "") ?? [];
    if (cluster === undefined || Number(slot) >= SLOTS_MAX) continue;
    slots.set(cluster, [...(slots.get(cluster) ?? []), Number(slot)]);
  }
  for (const list of slots.values()) list.sort((a, b) => a - b);
  return slots;
}

/** Takes the exclusive lock `name`, waiting up to `waitMs`; gives the function that frees it, or undefined when somebody else holds it. */
async function takeLock(host: Host, name: string, waitMs: number): Promise<(() => Promise<void>) | undefined> {
  if (heldHere.has(name)) return undefined;
  const options: LockOptions = waitMs === 0 ? { ifAvailable: true } : { signal: AbortSignal.timeout(waitMs) };
  let free = (): void => {};
  let request: Promise<unknown> = Promise.resolve();
  const taken = await new Promise<boolean>((settle) => {
    request = host.locks.request(name, options, (lock) => {
      settle(lock !== null);
      if (lock === null) return undefined;
      heldHere.add(name);
      // The browser holds the lock as long as this is pending: until the release, or the end of the page.
      return new Promise<void>((resolve) => {
        free = resolve;
      });
    });
    // The wait was over.
    request.catch(() => settle(false));
  });
  if (!taken) return undefined;
  return async () => {
    free();
    heldHere.delete(name);
    await request.catch(() => {});
  };
}

/** Opens the slot's database under its lock and reads the identity in it, making one if there is none. */
async function readIdentity(
  host: Host,
  databaseName: string,
): Promise<{ identity: Pick<Identity, "node" | "keys" | "storeId">; fresh: boolean }> {
  const { database, storeId } = await openNodeDatabase(databaseName);
  try {
    const stored = await database.get("identity", "node");
    const fresh = stored === undefined;
    const keys = fresh ? await makeKeys(host, database) : stored;
    if (typeof keys === "string")
      throw new StorageError(`The database ${databaseName} was not made by this application. It was left as it is.`);
    const hash = await host.subtle.digest("SHA-256", await host.subtle.exportKey("raw", keys.publicKey));
    return { identity: { node: toHex(new Uint8Array(hash, 0, 16)) as NodeId, keys, storeId }, fresh };
  } catch (error) {
    if (error instanceof TabringError) throw error;
    throw new StorageError(
      `The identity in the database ${databaseName} could not be read or stored (${String(error)}). Nothing was lost. Free disk space or reload the page.`,
    );
  } finally {
    database.close();
  }
}

async function makeKeys(host: Host, database: NodeDatabase): Promise<Identity["keys"]> {
  let pair: CryptoKeyPair;
  try {
    pair = await host.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  } catch {
    throw new InsecureContextError("its WebCrypto does not know Ed25519");
  }
  const keys = { publicKey: pair.publicKey, privateKey: pair.privateKey };
  // Others will know this node by its id: it must be as durable as anything that it acknowledges.
  const transaction = database.transaction("identity", "readwrite", { durability: "strict" });
  await Promise.all([transaction.store.add(keys, "node"), transaction.done]);
  return keys;
}
