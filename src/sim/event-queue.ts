/**
 * What is still to happen in virtual time: a binary heap ordered by (time, sequence). Two things due at one moment happen in the order in
 * which they were scheduled, so that a seed decides everything. Limit: SCHEDULED_MAX; more is a runaway, and a runaway is a bug.
 */

import { assert } from "../base/assert.ts";
import type { Millis } from "../core/identifiers.ts";

export const SCHEDULED_MAX = 4_000_000;

interface Scheduled {
  readonly time: Millis;
  readonly sequence: number;
  readonly run: () => void;
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

export class EventQueue {
  readonly #heap: Scheduled[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** When the next one is due; undefined when nothing is. */
  get nextTime(): Millis | undefined {
    return this.#heap[0]?.time;
  }

  push(time: Millis, run: () => void): void {
    const heap = this.#heap;
    assert(heap.length < SCHEDULED_MAX, `more than ${SCHEDULED_MAX} things are scheduled`);
    const item: Scheduled = { time, sequence: this.#sequence++, run };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
