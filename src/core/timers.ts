/**
 * All deadlines of a node in one table, so that the host arms a single timer. A timer is a name with one deadline; setting it again moves it.
 * A binary heap with lazy deletion: an entry whose deadline is no longer the name's is skipped.
 */

import type { Millis } from "./identifiers.ts";

interface Entry {
  readonly at: Millis;
  readonly order: number;
  readonly name: string;
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export class TimerTable {
  readonly #heap: Entry[] = [];
  readonly #current = new Map<string, Entry>();
  #order = 0;

  get size(): number {
    return this.#current.size;
  }

  /** Everything that is set, in the order in which it expires, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    const live = [...this.#current.values()].sort((a, b) => (before(a, b) ? -1 : 1));
    return live.map(({ name, at }) => ({ name, at }));
  }

  set(name: string, at: Millis): void {
    const entry = { at, order: this.#order++, name };
    this.#current.set(name, entry);
    this.#push(entry);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#compact();
  }

  clear(name: string): void {
    this.#current.delete(name);
  }

  has(name: string): boolean {
    return this.#current.has(name);
  }

  /** The next deadline; undefined when none is set. */
  earliest(): Millis | undefined {
    let top = this.#heap[0];
    while (top !== undefined && this.#current.get(top.name) !== top) {
      this.#pop();
      top = this.#heap[0];
    }
    return top?.at;
  }

  /** Takes out one timer that is due by `now`; undefined when none is. */
  expire(now: Millis): string | undefined {
    const at = this.earliest();
    if (at === undefined || at > now) return undefined;
    const { name } = this.#heap[0]!;
    this.#pop();
    this.#current.delete(name);
    return name;
  }

  #compact(): void {
    const live = [...this.#current.values()];
    this.#heap.length = 0;
    for (const entry of live) this.#push(entry);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
