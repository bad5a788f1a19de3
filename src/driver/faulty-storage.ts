/**
 * A disk in front of a disk that can be full, for demonstrations and tests: then whatever would put a record, a hint or a page of history on it is refused as by
 * a browser whose quota is used up, and nothing of that commit is stored. Reading goes on, removing goes on, and so do a node's notes of itself, which are small.
 */

import { StorageError } from "../core/errors.ts";
import type { Durability, Storage, StorageWrite, StoreName } from "./ports.ts";

const TAKES_ROOM: ReadonlySet<StoreName> = new Set(["records", "hints", "history"]);

export class FaultyStorage implements Storage {
  readonly #storage: Storage;
  isFull = false;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  open(): Promise<void> {
    return this.#storage.open();
  }

  read(...given: Parameters<Storage["read"]>): ReturnType<Storage["read"]> {
    return this.#storage.read(...given);
  }

  commit(writes: readonly StorageWrite[], durability: Durability): Promise<void> {
    if (this.isFull && writes.some(({ store, value }) => value !== null && TAKES_ROOM.has(store)))
      return Promise.reject(
        new StorageError(
          "This disk is full, because somebody has asked for that fault. This was not stored; what was acknowledged before is safe, and reading goes on. End the fault.",
        ),
      );
    return this.#storage.commit(writes, durability);
  }

  scan(...given: Parameters<Storage["scan"]>): ReturnType<Storage["scan"]> {
    return this.#storage.scan(...given);
  }

  close(): Promise<void> {
    return this.#storage.close();
  }
}
