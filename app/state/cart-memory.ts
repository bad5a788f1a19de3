/**
 * What this page knows of one cart's record: the siblings and the context that the next put answers. A page that was cut off may read an older
 * state than it has seen itself (another replica, or none at all); editing that would throw the shopper's own change aside until the networks
 * meet again. So what a read gave is taken only when it can be news:
 *
 *  - nothing at all, or only versions that this page itself overwrote: stale, what is known stays;
 *  - a read that reached its quorum: taken;
 *  - a read of a single replica: taken when it has a version never met, or all that is known.
 *
 * Whatever is taken, the context taken with it is the one that came with it, so a wrong guess makes siblings and loses nothing.
 * Limit: {@link MET_MAX} operation ids remembered, the oldest go first.
 */

import type { Context } from "../../src/api.ts";
import type { Sibling } from "../../src/core/dvvset.ts";

export const MET_MAX = 4_096;

export type ReadSibling = Pick<Sibling, "operation" | "dots" | "at" | "value">;

export interface ReadState {
  readonly siblings: readonly ReadSibling[];
  readonly context: Context;
}

export class CartMemory {
  readonly #met = new Set<string>();
  readonly #overwritten = new Set<string>();
  #siblings: readonly ReadSibling[] = [];
  #context: Context | undefined;

  get siblings(): readonly ReadSibling[] {
    return this.#siblings;
  }

  /** Of the read or the put that gave the siblings; undefined before the first. */
  get context(): Context | undefined {
    return this.#context;
  }

  /** True when what was read is now what is known. */
  read(state: ReadState, quorum: boolean): boolean {
    const operations = state.siblings.map((sibling) => sibling.operation);
    if (this.#siblings.length > 0 && operations.every((operation) => this.#overwritten.has(operation))) return false;
    if (!quorum && this.#siblings.length > 0) {
      const news = operations.some((operation) => !this.#met.has(operation));
      const complete = this.#siblings.every((known) => operations.includes(known.operation));
      if (!news && !complete) return false;
    }
    for (const operation of operations) remember(this.#met, operation);
    this.#siblings = state.siblings;
    this.#context = state.context;
    return true;
  }

  /** A put by this page: its version stands for all that was known. `context` of its result; undefined when its outcome is unknown. */
  wrote(sibling: ReadSibling, context: Context | undefined): void {
    for (const { operation } of this.#siblings)
      if (operation !== sibling.operation) remember(this.#overwritten, operation);
    remember(this.#met, sibling.operation);
    this.#siblings = [sibling];
    this.#context = context ?? this.#context;
  }
}

function remember(set: Set<string>, operation: string): void {
  set.add(operation);
  if (set.size <= MET_MAX) return;
  for (const oldest of set) {
    set.delete(oldest);
    return;
  }
}
