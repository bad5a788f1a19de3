/**
 * What callers did and were told, kept outside all nodes: every put with what it had seen, and whether it was acknowledged. The checkers judge
 * the nodes by this, never by their own bookkeeping.
 *
 * What a put had seen is counted in operations, not in clocks: the versions that the read before it returned, and whatever those had seen in
 * turn. A put may make exactly these vanish. Only dots are learned from the nodes, from the records that they send and store: a sibling carries
 * both its dots and its operation.
 *
 * Limits: OPERATIONS_MAX for each key.
 */

import { assert } from "../base/assert.ts";
import { type Clock, type DvvSet, covers, joinClocks } from "../core/dvvset.ts";
import type { Actor, Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";

export const OPERATIONS_MAX = 65_536;

/** A set of operations of one key, by their index: one bit each. */
export class OperationBits {
  #words: Uint32Array;

  constructor(words = new Uint32Array(1)) {
    this.#words = words;
  }

  has(index: number): boolean {
    return ((this.#words[index >> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  add(index: number): void {
    this.#grow((index >> 5) + 1);
    this.#words[index >> 5]! |= 1 << (index & 31);
  }

  addAll(other: OperationBits): void {
    this.#grow(other.#words.length);
    for (let i = 0; i < other.#words.length; i++) this.#words[i]! |= other.#words[i]!;
  }

  copy(): OperationBits {
    return new OperationBits(this.#words.slice());
  }

  #grow(words: number): void {
    if (words <= this.#words.length) return;
    const grown = new Uint32Array(Math.max(words, 2 * this.#words.length));
    grown.set(this.#words);
    this.#words = grown;
  }
}

export interface Acknowledgement {
  /** Durable copies that the answer promised. */
  readonly needed: number;
  readonly at: Millis;
  readonly coordinator: NodeId;
  /** Strict commits that were asked for (dw): a power failure does not take these. */
  readonly flushed?: number | undefined;
  /** Copies, all N of whom count and none of them a stand-in: a read of R > N - W such nodes must meet one. */
  readonly strict?: number | undefined;
  /** Who owned the key then, and how many of them had acknowledged it themselves: an answer of more than N less so many owners must meet one. */
  readonly byOwners?: { readonly owners: string; readonly answered: number } | undefined;
}

export interface Operation {
  readonly index: number;
  readonly operation: OperationId;
  readonly key: Key;
  readonly value: Uint8Array | null;
  readonly context: Clock;
  /** Everything that its caller had seen, directly or through what it had seen. */
  readonly past: OperationBits;
  /** The first acknowledgement; undefined while there is none. */
  acknowledged: Acknowledgement | undefined;
  /** All its copies went with a disk that the budget allows to lose. */
  forgiven: boolean;
  /** Copies that went with lost disks. */
  copiesLost: number;
  /** Records of owners that were lost, where a hint has it still. */
  recordsLost: number;
  /** A delete that was reaped, or what it had replaced: it is nowhere any more, and must never be seen again. */
  reaped: boolean;
}

export class KeyHistory {
  readonly key: Key;
  /** Puts may replace what they have not seen, and may be replaced at once: only fabrication and convergence are judged. */
  readonly lastWriteWins: boolean;
  readonly operations: Operation[] = [];
  readonly byId = new Map<OperationId, Operation>();
  /** By actor and counter - 1: whose dot it is. */
  readonly dots = new Map<Actor, (Operation | undefined)[]>();
  /** All dots that tombstones covered which were reaped. */
  reapedClock: Clock = [];

  constructor(key: Key, lastWriteWins: boolean) {
    this.key = key;
    this.lastWriteWins = lastWriteWins;
  }

  /** What somebody has seen who holds this record: its siblings and their pasts. Operations that nobody put are left out. */
  seenIn(set: DvvSet): OperationBits {
    const seen = new OperationBits();
    for (const sibling of set.siblings) {
      const operation = this.byId.get(sibling.operation);
      if (operation === undefined) continue;
      seen.add(operation.index);
      seen.addAll(operation.past);
    }
    return seen;
  }

  /** A record that was nothing but tombstones, and had seen so much, goes from the world. */
  onReaped(clock: Clock): void {
    this.reapedClock = joinClocks(this.reapedClock, clock);
    for (const { actor, counter } of clock)
      for (const operation of (this.dots.get(actor) ?? []).slice(0, counter)) if (operation) operation.reaped = true;
  }

  /** A value in the record that a reaped tombstone had covered; undefined when there is none. */
  backFromTheDead(set: DvvSet): Operation | undefined {
    if (this.reapedClock.length === 0) return undefined;
    const back = set.siblings.find(
      ({ value, dots }) => value !== null && dots.some((dot) => covers(this.reapedClock, dot)),
    );
    return back === undefined ? undefined : this.byId.get(back.operation);
  }

  /** True when the record has the operation or something that replaced it. */
  shows(set: DvvSet, operation: Operation): boolean {
    return set.siblings.some((sibling) => {
      const own = this.byId.get(sibling.operation);
      return own === operation || own?.past.has(operation.index) === true;
    });
  }
}

export class History {
  readonly keys = new Map<Key, KeyHistory>();
  readonly #isLastWriteWins: (key: Key) => boolean;

  constructor(isLastWriteWins: (key: Key) => boolean = () => false) {
    this.#isLastWriteWins = isLastWriteWins;
  }

  of(key: Key): KeyHistory {
    let history = this.keys.get(key);
    if (history === undefined) this.keys.set(key, (history = new KeyHistory(key, this.#isLastWriteWins(key))));
    return history;
  }

  /** A caller is about to put. `seen` is what its context stands for; undefined for a blind put. */
  put(
    key: Key,
    put: {
      readonly operation: OperationId;
      readonly value: Uint8Array | null;
      readonly context: Clock;
      readonly seen: OperationBits | undefined;
    },
  ): Operation {
    const history = this.of(key);
    assert(history.operations.length < OPERATIONS_MAX, `more than ${OPERATIONS_MAX} puts to one key`);
    assert(!history.byId.has(put.operation), "two puts of one operation id");
    const operation: Operation = {
      index: history.operations.length,
      operation: put.operation,
      key,
      value: put.value,
      context: put.context,
      past: put.seen?.copy() ?? new OperationBits(),
      acknowledged: undefined,
      forgiven: false,
      copiesLost: 0,
      recordsLost: 0,
      reaped: false,
    };
    history.operations.push(operation);
    history.byId.set(operation.operation, operation);
    return operation;
  }

  get acknowledged(): number {
    let count = 0;
    for (const { operations } of this.keys.values())
      for (const operation of operations) if (operation.acknowledged) count++;
    return count;
  }
}

/** Copies that an acknowledgement promises for good: while more than N count, some of those waited for are about to let go. */
export function promisedOf(report: { readonly needed: number; readonly counted: number }, n: number): number {
  return Math.max(1, report.needed - Math.max(0, report.counted - n));
}
