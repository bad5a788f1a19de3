/**
 * The catalogue as the page sees it.
 *
 * States in order: looking (for the marker), then either ready, or loading (this tab writes it) or waiting (another tab of this browser does), then
 * ready. Loading can be left at any point and taken up by any tab: shelves whose index is there are done. It never gives up; what fails is
 * tried again.
 *
 * Limits: {@link AT_ONCE} requests under way.
 */

import type { Store } from "../../src/api.ts";
import { NotReadyError, OverloadedError, QuorumError } from "../../src/core/errors.ts";
import { books, shelves, type Book } from "../books.ts";
import { CatalogueRecords, indexed } from "./catalogue-records.ts";
import type { Marker, StoredShelf } from "./records.ts";
import { overAll, pause } from "./waiting.ts";

const AT_ONCE = 6;
const RETRY_MS = 1_000;

export type CataloguePhase = "looking" | "waiting" | "loading" | "ready";

export class CatalogueState {
  readonly #records: CatalogueRecords;
  readonly #cluster: string;
  readonly #signal: AbortSignal;

  phase: CataloguePhase = $state("looking");
  shelves: readonly StoredShelf[] = $state.raw([]);
  /** While loading: how many books are written, of how many. */
  written = $state(0);
  readonly total = books.length;
  readonly #index = $derived(indexed(this.shelves));

  constructor(store: Store, cluster: string, signal: AbortSignal) {
    this.#records = new CatalogueRecords(store, signal);
    this.#cluster = cluster;
    this.#signal = signal;
  }

  /** Reads the catalogue, writing it first if nobody has. Goes on until it is there or the signal is aborted; never rejects. */
  async open(): Promise<void> {
    while (!this.#signal.aborted && this.phase !== "ready") {
      try {
        const marker = await this.#records.marker();
        if (marker === undefined) await this.#loadOrWait();
        else await this.#show(marker);
      } catch (error) {
        if (!passes(error) && !this.#signal.aborted) console.warn("The catalogue: trying again after", error);
        await pause(RETRY_MS, this.#signal);
      }
    }
  }

  /** As listed on its shelf; undefined while it is not known. */
  listed(id: string): Book | undefined {
    return this.#index.get(id)?.book;
  }

  /** The place of the book's shelf; 0 while it is not known. */
  shelfOf(id: string): number {
    return this.#index.get(id)?.shelf ?? 0;
  }

  titleOf(id: string): string {
    return this.listed(id)?.title ?? id.replaceAll("-", " ");
  }

  /** The book's own record. */
  book(id: string): Promise<Book | undefined> {
    return this.#records.book(id);
  }

  async #show(marker: Marker): Promise<void> {
    const found: StoredShelf[] = [];
    await overAll(marker.shelves, AT_ONCE, this.#signal, async (id) => {
      const shelf = await this.#records.shelf(id);
      if (shelf === undefined) throw new NotReadyError(`The shelf ${id} has not arrived yet.`);
      found.push(shelf);
    });
    if (this.#signal.aborted) return;
    this.shelves = marker.shelves.flatMap((id) => found.find((shelf) => shelf.id === id) ?? []);
    this.phase = "ready";
  }

  /** One tab of a browser loads, under a lock that its end frees; the others look for the marker meanwhile. */
  async #loadOrWait(): Promise<void> {
    await navigator.locks.request(`tabring-catalogue-${this.#cluster}`, { ifAvailable: true }, async (lock) => {
      if (lock === null) {
        this.phase = "waiting";
        await pause(RETRY_MS, this.#signal);
      } else if ((await this.#records.marker()) === undefined) {
        this.phase = "loading";
        await this.#load();
      }
    });
  }

  async #load(): Promise<void> {
    this.written = 0;
    for (const shelf of shelves) {
      if ((await this.#records.shelf(shelf.id)) === undefined) {
        await overAll(shelf.books, AT_ONCE, this.#signal, async (book) => {
          await this.#patiently(() => this.#records.putBook(book));
          this.written += 1;
        });
        if (this.#signal.aborted) return;
        await this.#patiently(() => this.#records.putShelf({ ...shelf, books: [...shelf.books] }));
      } else this.written += shelf.books.length;
    }
    const ids = shelves.map((shelf) => shelf.id);
    await this.#patiently(() => this.#records.putMarker({ shelves: ids, books: books.length }));
  }

  async #patiently(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!passes(error) || this.#signal.aborted) throw error;
        await pause(RETRY_MS, this.#signal);
      }
    }
  }
}

/** True for what a little patience mends. */
function passes(error: unknown): boolean {
  return error instanceof QuorumError || error instanceof NotReadyError || error instanceof OverloadedError;
}
