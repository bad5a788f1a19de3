/**
 * The sales in the store: a growing counter for each book (`sales/<book>`) and a set of the books that were ever sold (`sales/index`: a counter
 * per book that only ever says one), so that the list of bestsellers reads only those. Concurrent sales add up, because each page counts under a
 * name of its own.
 *
 * Limits: {@link READS_AT_ONCE} reads under way; a writer for each book sold from this page.
 */

import type { Context, Store } from "../../src/api.ts";
import { QuorumError } from "../../src/core/errors.ts";
import {
  decodeCounter,
  encodeCounter,
  increment,
  mergeGrowCounters,
  total,
  ZERO,
  type GrowCounter,
} from "../../src/reconcile/grow-counter.ts";
import { sortedMap } from "../../src/reconcile/quantities.ts";
import { Writer } from "../../src/reconcile/writer.ts";
import { randomHex } from "./hash.ts";
import { keptPut } from "./kept-put.ts";
import { overAll } from "./waiting.ts";

const READS_AT_ONCE = 4;
const TIMEOUT_MS = 2_500;
const INDEX = "index";

export const NOTHING_SOLD: ReadonlyMap<string, number> = new Map();

export class SalesRecords {
  readonly #store: Pick<Store, "get" | "put" | "status">;
  readonly #signal: AbortSignal;
  readonly #writers = new Map<string, Writer>();

  constructor(store: Pick<Store, "get" | "put" | "status">, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Copies sold, by book. */
  async all(): Promise<ReadonlyMap<string, number>> {
    const index = (await this.#read(INDEX)).counter;
    const sold = new Map<string, number>();
    await overAll([...index.keys()], READS_AT_ONCE, this.#signal, async (book) => {
      sold.set(book, total((await this.#read(book)).counter));
    });
    return sold;
  }

  async add(book: string, copies: number): Promise<void> {
    let writer = this.#writers.get(book);
    if (writer === undefined) this.#writers.set(book, (writer = new Writer(() => randomHex(8))));
    const counting = writer;
    await this.#change(book, (counter) => increment(counter, copies, counting));
    await this.#change(INDEX, (index) => (index.has(book) ? index : sortedMap(new Map(index).set(book, 1))));
  }

  async #read(name: string): Promise<{ counter: GrowCounter; context: Context }> {
    const key = `sales/${name}`;
    const options = { timeoutMs: TIMEOUT_MS, signal: this.#signal };
    const result = await this.#store.get(key, options).catch((error: unknown) => {
      if (error instanceof QuorumError) return this.#store.get(key, { ...options, r: 1 });
      throw error;
    });
    return { counter: mergeGrowCounters([ZERO, ...result.values.map(decodeCounter)]), context: result.context };
  }

  async #change(name: string, change: (counter: GrowCounter) => GrowCounter): Promise<void> {
    const { counter, context } = await this.#read(name);
    const next = change(counter);
    if (next === counter) return;
    const options = { context, operation: randomHex(16), timeoutMs: TIMEOUT_MS };
    await keptPut(this.#store, `sales/${name}`, encodeCounter(next), options);
  }
}
