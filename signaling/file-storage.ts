/**
 * A node's disk in Node.js, for a seed that keeps data: one append-only log in a folder, and all values in memory besides.
 *
 * The log begins with `TABRING1`. Each commit group is one entry: `TBR1`, the entry's number, the length and CRC-32 of its body, a CRC-32 over those, then the body. A group
 * is whatever waits while the disk is busy; it is written, flushed once (strict and relaxed alike), then applied to the memory, then
 * acknowledged. At most one group is under way, so a crash can tear only the end of the log.
 *
 * Opening takes the folder's lock, replays the log, and cuts a torn end off: bytes with no whole entry behind them. A bad entry in front of
 * a whole one is no torn end but damage, and acknowledged writes may be in it: that is refused with its offset. When the log holds more than
 * 4 times and 1 MiB more garbage than what is alive, a new log is written beside it and renamed over it.
 *
 * After a failed write the end of the log is cut back to the last whole group; where even that fails, or a flush does (the system may have
 * dropped what it could not write), every further call is refused until the folder is opened again, which looks at what is really there.
 *
 * Limits: 512 MiB of keys and values, held in memory, refused by a `StorageError`; 64 MiB and 65,536 commits waiting; 16 MiB a group unless
 * one commit alone is larger.
 */

import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { bytesEqual } from "../src/base/bytes.ts";
import { crc32 } from "../src/base/crc32.ts";
import { StorageError } from "../src/core/errors.ts";
import { MemoryDisk, storedBytes, STORE_NAMES, type ScanPage, type ScanRange } from "../src/driver/memory-storage.ts";
import type { Durability, Storage, StorageWrite, StoreName } from "../src/driver/ports.ts";

const LOG_START = new TextEncoder().encode("TABRING1");
const MAGIC = 0x31524254; // "TBR1", little-endian
const HEADER_BYTES = 20;
const LIVE_BYTES_MAX = 512 * 1_048_576;
const WAITING_BYTES_MAX = 64 * 1_048_576;
const WAITING_COMMITS_MAX = 65_536;
const GROUP_BYTES_MAX = 16 * 1_048_576;
const READ_CHUNK_BYTES = 1_048_576;
/** A snapshot's entries are cut at about this size. */
const SNAPSHOT_ENTRY_BYTES = 1_048_576;
const COMPACT_FACTOR = 4;
const COMPACT_BYTES_MIN = 1_048_576;
const REMOVED = 0xffff_ffff;

export interface FileStorageOptions {
  /** Made when it is not there. Belongs to one server at a time. */
  readonly folder: string;
  readonly liveBytesMax?: number;
  /** Told of what opening had to repair, and of compactions. */
  readonly onNotice?: (text: string) => void;
}

interface WaitingCommit {
  readonly writes: readonly StorageWrite[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export class FileStorage implements Storage {
  readonly #folder: string;
  readonly #liveBytesMax: number;
  readonly #notice: (text: string) => void;
  #state: "new" | "opening" | "open" | "broken" | "closed" = "new";
  #refusal = new StorageError("The storage is not open yet. Nothing was written. Wait for open().");
  #unlock: (() => Promise<void>) | undefined;
  #log: FileHandle | undefined;
  #disk = new MemoryDisk();
  /** Where the next entry goes, and its number. */
  #end = LOG_START.length;
  #number = 0;
  /** A compaction that failed is not tried again before the log has grown to this. */
  #compactFrom = 0;
  #waiting: WaitingCommit[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly counts = { commits: 0, flushes: 0, compactions: 0 };

  constructor(options: FileStorageOptions) {
    this.#folder = options.folder;
    this.#liveBytesMax = options.liveBytesMax ?? LIVE_BYTES_MAX;
    this.#notice = options.onNotice ?? (() => {});
  }

  /** Bytes of the log, and of the keys and values in it that are alive. */
  get sizes(): { readonly logBytes: number; readonly liveBytes: number } {
    return { logBytes: this.#end, liveBytes: this.#disk.bytes };
  }

  async open(): Promise<void> {
    if (this.#state === "open") return;
    if (this.#state !== "new") throw this.#refusal;
    this.#state = "opening";
    try {
      await mkdir(this.#folder, { recursive: true });
      this.#unlock = await lockFolder(this.#folder);
      // A crash may have left a half-written compaction behind: the log itself is whole.
      await rm(this.#nextPath, { force: true });
      this.#log = await openOrCreate(this.#logPath);
      await syncFolder(this.#folder);
      await this.#replay(this.#log);
      this.#state = "open";
    } catch (error) {
      await this.#letGo();
      this.#disk = new MemoryDisk();
      this.#state = "new";
      throw storageErrorOf(error, `opening ${this.#folder}`);
    }
  }

  async read(
    reads: readonly { readonly store: StoreName; readonly key: string }[],
  ): Promise<(Uint8Array | undefined)[]> {
    if (this.#state !== "open") throw this.#refusal;
    return reads.map(({ store, key }) => this.#disk.stores[store].get(key)?.slice());
  }

  commit(writes: readonly StorageWrite[], _durability: Durability): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#refusal);
    let bytes = 0;
    for (const { key, value } of writes) bytes += storedBytes(key, value ?? undefined);
    if (
      this.#waiting.length >= WAITING_COMMITS_MAX ||
      (this.#waitingBytes > 0 && this.#waitingBytes + bytes > WAITING_BYTES_MAX)
    )
      return Promise.reject(
        new StorageError(
          `The disk is behind: ${this.#waiting.length} commits wait for it. This one was not written; what was acknowledged before is safe. Write more slowly.`,
        ),
      );
    const copies = writes.map((write) => ({
      ...write,
      value: write.value === null ? null : new Uint8Array(write.value),
    }));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writes: copies, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#writing ??= this.#writeGroups();
    });
  }

  async scan(store: StoreName, range: ScanRange): Promise<ScanPage> {
    if (this.#state !== "open") throw this.#refusal;
    const page = this.#disk.stores[store].scan(range);
    return { entries: page.entries.map(([key, value]) => [key, value.slice()] as const), done: page.done };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#state = "closed";
      this.#refusal = new StorageError(
        "The storage is closed. Nothing was written; what was acknowledged before is safe. Open the folder again.",
      );
      await this.#writing;
      await this.#letGo();
      this.#disk = new MemoryDisk();
    })();
    return this.#closing;
  }

  get #logPath(): string {
    return join(this.#folder, "tabring.log");
  }
  get #nextPath(): string {
    return join(this.#folder, "tabring.log.next");
  }

  async #letGo(): Promise<void> {
    await this.#log?.close().catch(() => {});
    this.#log = undefined;
    await this.#unlock?.();
    this.#unlock = undefined;
  }

  /** Writes until nobody waits. Never throws: what fails is told to those who wait. */
  async #writeGroups(): Promise<void> {
    // What the rest of this turn commits goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#writeGroup(group.flatMap(({ writes }) => writes));
        this.counts.commits += group.length;
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(storageErrorOf(error, "writing"));
      }
    }
    this.#writing = undefined;
  }

  #takeGroup(): readonly WaitingCommit[] {
    let count = 0;
    let bytes = 0;
    for (const commit of this.#waiting) {
      if (count > 0 && bytes + commit.bytes > GROUP_BYTES_MAX) break;
      count++;
      bytes += commit.bytes;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #writeGroup(writes: readonly StorageWrite[]): Promise<void> {
    if (this.#state === "broken") throw this.#refusal;
    const log = this.#log!;
    if (this.#disk.bytesAfter(writes) > this.#liveBytesMax)
      throw new StorageError(
        `The store is full: the limit is ${this.#liveBytesMax} bytes, which are held in memory. This was not written; what was acknowledged before is safe. Give the server a larger limit, or add nodes.`,
      );
    if (writes.length > 0) {
      const entry = encodeEntry(this.#number, writes);
      try {
        await writeAll(log, entry, this.#end);
      } catch (error) {
        // Nothing was flushed: without its end the log is as before.
        await log.truncate(this.#end).catch(() => this.#break(error));
        throw error;
      }
      try {
        await log.datasync();
      } catch (error) {
        this.#break(error);
        throw error;
      }
      this.counts.flushes++;
      this.#number++;
      this.#end += entry.length;
      this.#disk.apply(writes);
    }
    const garbage = this.#end - this.#disk.bytes;
    const worthIt = garbage > COMPACT_FACTOR * this.#disk.bytes && garbage > COMPACT_BYTES_MIN;
    if (worthIt && this.#end >= this.#compactFrom)
      await this.#compact().catch((error: unknown) => {
        this.#compactFrom = this.#end + COMPACT_BYTES_MIN;
        this.#notice(`compacting ${this.#logPath} failed, it goes on as it is: ${String(error)}`);
      });
  }

  #break(error: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "broken";
    this.#refusal = new StorageError(
      `The disk under ${this.#logPath} failed (${String(error)}), so nothing more is written to it. What was acknowledged before is safe. Look at the disk, then start the server again.`,
    );
  }

  /** Writes what is alive to a new log and puts it in the place of the old one. Commits wait meanwhile. */
  async #compact(): Promise<void> {
    const before = this.#end;
    const next = await open(this.#nextPath, "w+");
    let end = LOG_START.length;
    let number = 0;
    try {
      await writeAll(next, LOG_START, 0);
      for (const writes of snapshot(this.#disk)) {
        const entry = encodeEntry(number++, writes);
        await writeAll(next, entry, end);
        end += entry.length;
      }
      await next.datasync();
      await rename(this.#nextPath, this.#logPath);
    } catch (error) {
      await next.close().catch(() => {});
      await rm(this.#nextPath, { force: true }).catch(() => {});
      throw error;
    }
    await this.#log?.close().catch(() => {});
    this.#log = next;
    this.#end = end;
    this.#number = number;
    this.counts.compactions++;
    // Until the folder is flushed a power cut may bring the old log back, which has the same contents but no later commit.
    await syncFolder(this.#folder).catch((error: unknown) => this.#break(error));
    this.#notice(`compacted ${this.#logPath} from ${before} to ${end} bytes`);
  }

  async #replay(log: FileHandle): Promise<void> {
    const { size } = await log.stat();
    if (size < LOG_START.length) {
      // New, or torn while it was made: nothing was acknowledged yet.
      await writeAll(log, LOG_START, 0);
      await log.datasync();
      return;
    }
    const reader = new LogReader(log, size);
    if (!bytesEqual(await reader.bytes(0, LOG_START.length), LOG_START))
      throw new StorageError(
        `${this.#logPath} is not a log that this version can read. It was left as it is. Use the version that wrote it, or another folder.`,
      );
    let offset = LOG_START.length;
    while (offset < size) {
      const body = await reader.entryAt(offset, this.#number);
      if (body === undefined) break;
      const writes = decodeBody(body);
      if (writes === undefined)
        throw new StorageError(
          `${this.#logPath} has an entry at byte ${offset} that is whole but not understood. It was left as it is. Use the version that wrote it.`,
        );
      this.#disk.apply(writes);
      this.#number++;
      offset += HEADER_BYTES + body.length;
      if (this.#disk.bytes > this.#liveBytesMax)
        throw new StorageError(
          `${this.#logPath} holds more than the limit of ${this.#liveBytesMax} bytes, which would be held in memory. It was left as it is. Start the server with a larger limit.`,
        );
    }
    if (offset < size) {
      const whole = await reader.wholeEntryFrom(offset, this.#number);
      if (whole !== undefined)
        throw new StorageError(
          `${this.#logPath} is damaged at byte ${offset}; the next whole entry is at byte ${whole}. Acknowledged writes may be in between, so it was left as it is. ` +
            `Move the folder away (keep it) and start the server again: it becomes a new node and gets its data from the others. Or restore the file from a copy.`,
        );
      await log.truncate(offset);
      await log.datasync();
      this.#notice(`cut ${size - offset} bytes of an unfinished write off the end of ${this.#logPath}`);
    }
    this.#end = offset;
  }
}

/** Reads entries of a log through one buffer that grows to the largest entry and no further than the file. */
class LogReader {
  readonly #file: FileHandle;
  readonly #size: number;
  #buffer = new Uint8Array(0);
  #start = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** The body of the whole entry at `offset` with at least this number, or undefined. */
  async entryAt(offset: number, number: number, exactly = true): Promise<Uint8Array | undefined> {
    if (offset + HEADER_BYTES > this.#size) return undefined;
    const header = await this.bytes(offset, HEADER_BYTES);
    const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
    if (view.getUint32(0, true) !== MAGIC || view.getUint32(16, true) !== crc32(header.subarray(0, 16)))
      return undefined;
    const found = view.getUint32(4, true);
    if (exactly ? found !== number >>> 0 : found < number) return undefined;
    const length = view.getUint32(8, true);
    const sum = view.getUint32(12, true);
    if (offset + HEADER_BYTES + length > this.#size) return undefined;
    const body = await this.bytes(offset + HEADER_BYTES, length);
    return crc32(body) === sum ? body : undefined;
  }

  /** Where the first whole entry at or behind a bad place begins, if there is one with this number or a higher one: then that place is not the torn end. */
  async wholeEntryFrom(offset: number, number: number): Promise<number | undefined> {
    for (let at = offset; at + HEADER_BYTES <= this.#size; at++) {
      const window = await this.bytes(at, Math.min(READ_CHUNK_BYTES, this.#size - at));
      const found = Buffer.from(window.buffer, window.byteOffset, window.length).indexOf("TBR1", 0, "latin1");
      if (found < 0) {
        at += Math.max(0, window.length - 4);
        continue;
      }
      at += found;
      if ((await this.entryAt(at, number, false)) !== undefined) return at;
    }
    return undefined;
  }

  /** A view that is valid until the next call. */
  async bytes(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#start || offset + length > this.#start + this.#buffer.length) {
      const wanted = Math.min(Math.max(length, READ_CHUNK_BYTES), this.#size - offset);
      const buffer = new Uint8Array(wanted);
      for (let filled = 0; filled < wanted;) {
        const { bytesRead } = await this.#file.read(buffer, filled, wanted - filled, offset + filled);
        if (bytesRead === 0)
          throw new StorageError("The log became shorter while it was read. Is another server using the folder?");
        filled += bytesRead;
      }
      this.#buffer = buffer;
      this.#start = offset;
    }
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length);
  }
}

/** One entry: header and body. In the body each write is its store, the length and UTF-16 units of its key, the length and bytes of its value. */
function encodeEntry(number: number, writes: readonly StorageWrite[]): Uint8Array {
  let length = 0;
  for (const { key, value } of writes) length += 7 + 2 * key.length + (value?.length ?? 0);
  const entry = new Uint8Array(HEADER_BYTES + length);
  const view = new DataView(entry.buffer);
  let at = HEADER_BYTES;
  for (const { store, key, value } of writes) {
    view.setUint8(at, STORE_NAMES.indexOf(store));
    view.setUint16(at + 1, key.length, true);
    view.setUint32(at + 3, value === null ? REMOVED : value.length, true);
    at += 7;
    for (let i = 0; i < key.length; i++, at += 2) view.setUint16(at, key.charCodeAt(i), true);
    if (value === null) continue;
    entry.set(value, at);
    at += value.length;
  }
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, number, true);
  view.setUint32(8, length, true);
  view.setUint32(12, crc32(entry.subarray(HEADER_BYTES)), true);
  view.setUint32(16, crc32(entry.subarray(0, 16)), true);
  return entry;
}

/** The writes of a body, with copies of the values; undefined when it does not parse. */
function decodeBody(body: Uint8Array): StorageWrite[] | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const writes: StorageWrite[] = [];
  for (let at = 0; at < body.length;) {
    if (at + 7 > body.length) return undefined;
    const store = STORE_NAMES[view.getUint8(at)];
    const keyBytes = 2 * view.getUint16(at + 1, true);
    const valueLength = view.getUint32(at + 3, true);
    const valueBytes = valueLength === REMOVED ? 0 : valueLength;
    at += 7;
    if (store === undefined || at + keyBytes + valueBytes > body.length) return undefined;
    const key = Buffer.from(body.buffer, body.byteOffset + at, keyBytes).toString("utf16le");
    at += keyBytes;
    writes.push({ store, key, value: valueLength === REMOVED ? null : body.slice(at, at + valueBytes) });
    at += valueBytes;
  }
  return writes;
}

/** All that is alive, in commits of bounded size. */
function* snapshot(disk: MemoryDisk): Generator<StorageWrite[]> {
  let writes: StorageWrite[] = [];
  let bytes = 0;
  for (const store of STORE_NAMES)
    for (const key of disk.stores[store].keys()) {
      const value = disk.stores[store].get(key)!;
      writes.push({ store, key, value });
      bytes += storedBytes(key, value);
      if (bytes < SNAPSHOT_ENTRY_BYTES) continue;
      yield writes;
      writes = [];
      bytes = 0;
    }
  if (writes.length > 0) yield writes;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, offset + written);
    written += bytesWritten;
  }
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return open(path, "wx+");
  }
}

/** Makes a new or renamed file's name durable. Systems that cannot flush a folder do so by themselves. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Takes the folder for this process: a lock file, made exclusively, that names the process and when it started (process ids are used again,
 * above all in containers). A lock whose process is gone is taken over, under a second file so that two servers cannot take it over at once.
 */
async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "tabring.lock");
  const takeover = `${path}.takeover`;
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid), token: randomUUID() });
  const unlock = async (): Promise<void> => {
    if ((await readFile(path, "utf8").catch(() => undefined)) === mine) await rm(path, { force: true });
  };
  if (await createExclusively(path, mine)) return held(mine, unlock);
  if (!(await createExclusively(takeover, mine)))
    throw new StorageError(
      `Another server is just taking over the folder ${folder}. Nothing was changed. Try again; if no server is running, delete ${takeover}.`,
    );
  try {
    const holder = await readFile(path, "utf8").catch(() => "");
    const pid = await livingHolder(holder);
    if (pid !== undefined)
      throw new StorageError(
        `The folder ${folder} is used by another server (process ${pid}). Nothing was changed. Stop that server or choose another folder; if it is certain that none runs, delete ${path}.`,
      );
    await rm(path, { force: true });
    if (!(await createExclusively(path, mine)))
      throw new StorageError(`Another server took the folder ${folder} at the same moment. Nothing was changed.`);
    return held(mine, unlock);
  } finally {
    await rm(takeover, { force: true });
  }
}

/** The locks that this process holds: the same process id in any other lock is that of an earlier life. */
const heldLocks = new Set<string>();

function held(lock: string, unlock: () => Promise<void>): () => Promise<void> {
  heldLocks.add(lock);
  return async () => {
    heldLocks.delete(lock);
    await unlock();
  };
}

/** The process that holds this lock, or undefined when it is gone. An unreadable one was torn by a power cut: nobody holds it. */
async function livingHolder(lock: string): Promise<number | undefined> {
  let holder: { pid?: unknown; started?: unknown };
  try {
    holder = JSON.parse(lock) as typeof holder;
  } catch {
    return undefined;
  }
  const pid = typeof holder?.pid === "number" ? holder.pid : 0;
  if (pid <= 0) return undefined;
  if (pid === process.pid) return heldLocks.has(lock) ? pid : undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!hasCode(error, "EPERM")) return undefined;
  }
  const started = await startOf(pid);
  return started !== undefined && typeof holder.started === "string" && started !== holder.started ? undefined : pid;
}

/** When a process started, in a form that only compares equal; undefined where the system does not say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    // The 22nd field; the second, the name, may contain anything but ends with the last parenthesis.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return ticks === undefined ? undefined : `${boot.trim()}/${ticks}`;
  } catch {
    return undefined;
  }
}

/** Makes `path` with its whole content at once, or gives false when it is there already. */
async function createExclusively(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

function storageErrorOf(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  if (hasCode(error, "ENOSPC"))
    return new StorageError(
      `The disk is full (${what}). This was not written; what was acknowledged before is safe, and reading goes on. Free some space.`,
    );
  return new StorageError(
    `The disk failed while ${what} (${error instanceof Error ? error.message : String(error)}). Whether a write was stored is not known; what was acknowledged before is safe. Look at the disk and the folder's permissions.`,
  );
}
