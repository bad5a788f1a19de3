/**
 * The catalogue in the store, as records: one key for each book, one index for each shelf so that browsing takes few reads, and a marker that says
 * that all of it is there. Read with r = 1 and written with w = n, as its bucket says (`shop-buckets.ts`). Every put has an operation id
 * made from its key, so that two tabs that write the same book write it once.
 *
 * What was read is kept: a catalogue does not change. Limit: as many books in memory as the catalogue has.
 */

import type { Bucket, Codec, Store } from "../../src/api.ts";
import { lastWriteWins } from "../../src/reconcile/last-write-wins.ts";
import type { Book } from "../books.ts";
import { md5Hex } from "./hash.ts";
import { keptPut } from "./kept-put.ts";
import { bookCodec, markerCodec, shelfCodec, type Marker, type StoredShelf } from "./records.ts";

const PUT_TIMEOUT_MS = 3_000;
/** A new edition of the list in `books.ts` needs a new marker, or it would never be written. */
const EDITION = "1";
const MARKER = `edition-${EDITION}`;

export class CatalogueRecords {
  readonly #store: Store;
  readonly #signal: AbortSignal;
  readonly #books: Bucket<Book>;
  readonly #shelves: Bucket<StoredShelf>;
  readonly #markers: Bucket<Marker>;
  readonly #read = new Map<string, Book>();

  constructor(store: Store, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
    this.#books = bucketOf(store, bookCodec);
    this.#shelves = bucketOf(store, shelfCodec);
    this.#markers = bucketOf(store, markerCodec);
  }

  marker(): Promise<Marker | undefined> {
    return this.#nearOrAll(this.#markers, MARKER);
  }

  shelf(id: string): Promise<StoredShelf | undefined> {
    return this.#nearOrAll(this.#shelves, shelfKey(id));
  }

  async book(id: string): Promise<Book | undefined> {
    const known = this.#read.get(id);
    if (known !== undefined) return known;
    const value = await this.#nearOrAll(this.#books, id);
    if (value !== undefined) this.#read.set(id, value);
    return value;
  }

  putBook(book: Book): Promise<void> {
    return this.#put(book.id, bookCodec.encode(book));
  }

  putShelf(shelf: StoredShelf): Promise<void> {
    return this.#put(shelfKey(shelf.id), shelfCodec.encode(shelf));
  }

  putMarker(marker: Marker): Promise<void> {
    return this.#put(MARKER, markerCodec.encode(marker));
  }

  /** One replica may be behind; before a record is taken for missing, as many are asked as the cluster usually does. */
  async #nearOrAll<Value>(bucket: Bucket<Value>, key: string): Promise<Value | undefined> {
    const near = (await bucket.get(key, { signal: this.#signal })).value;
    const r = this.#store.status.parameters?.r;
    if (near !== undefined || r === undefined) return near;
    return (await bucket.get(key, { r, signal: this.#signal })).value;
  }

  /** Where not all replicas are there, one is enough, and repair brings it to the others. */
  async #put(name: string, value: Uint8Array): Promise<void> {
    const key = `catalogue/${name}`;
    await keptPut(this.#store, key, value, {
      context: undefined,
      operation: md5Hex(`${EDITION} ${key}`),
      timeoutMs: PUT_TIMEOUT_MS,
      w: this.#store.status.parameters?.n,
    });
  }
}

function shelfKey(id: string): string {
  return `shelf-${id}`;
}

/** All copies of a catalogue record are the same; should two ever differ, any rule that is the same everywhere will do. */
function bucketOf<Value>(store: Store, codec: Codec<Value>): Bucket<Value> {
  const reconcile = lastWriteWins<Value>(
    () => 0,
    (value) => JSON.stringify(value),
  );
  return store.bucket("catalogue", { codec, reconcile });
}

/** The books of all shelves by their ids, each with the place of its shelf. */
export function indexed(shelves: readonly StoredShelf[]): ReadonlyMap<string, { book: Book; shelf: number }> {
  return new Map(shelves.flatMap(({ books }, shelf) => books.map((book) => [book.id, { book, shelf }] as const)));
}
