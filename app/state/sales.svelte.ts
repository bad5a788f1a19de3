/** The sales rank as the page shows it. Counting never stands in the way of a purchase: what could not be counted is told in the console. */

import type { Store } from "../../src/api.ts";
import type { Quantities } from "../../src/reconcile/quantities.ts";
import { NOTHING_SOLD, SalesRecords } from "./sales-records.ts";
import { pause } from "./waiting.ts";

const REFRESH_MS = 5_000;
const BESTSELLERS_MAX = 10;

export class SalesState {
  readonly #records: SalesRecords;
  readonly #signal: AbortSignal;

  /** Copies sold, by book; only books that were sold. */
  sold: ReadonlyMap<string, number> = $state.raw(NOTHING_SOLD);
  readonly bestsellers = $derived(
    [...this.sold].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, BESTSELLERS_MAX),
  );

  constructor(store: Store, signal: AbortSignal) {
    this.#records = new SalesRecords(store, signal);
    this.#signal = signal;
  }

  /** Reads the rank again and again until the signal is aborted; never rejects. */
  async follow(): Promise<void> {
    while (!this.#signal.aborted) {
      if (!document.hidden) await this.#refresh();
      await pause(REFRESH_MS, this.#signal);
    }
  }

  /** Counts what was bought; never rejects. */
  async add(bought: Quantities): Promise<void> {
    for (const [book, copies] of bought) {
      try {
        await this.#records.add(book, copies);
      } catch (error) {
        console.warn(`The sale of ${book} could not be counted.`, error);
      }
    }
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    try {
      this.sold = await this.#records.all();
    } catch {
      // Too few nodes answer for now: the rank stays as it was.
    }
  }
}
