/**
 * Records that were replaced, for buckets that keep them: what a look back to an earlier moment is made of. A value: `replica.ts` asks it what to write along
 * with each change of a record or hint, in the same transaction, and `history-keeper.ts` lets go of what is too old.
 *
 * A record was the state from the time of its latest version on (`at`, the wall clock of whoever wrote it), and until the latest version of what replaced
 * it. What the cluster had at a moment is the join of all records, kept or present, whose versions had all been written by then: what came later is in
 * none of them, and what had been acknowledged by then is in one of those that its replicas have kept. Two things besides changes are kept for that: a
 * record that arrives when it is replaced already, because its sender was told that it is safe here; and one that is handed over, because its new owners
 * may have got something newer first.
 *
 * It rests on clocks: a writer whose clock is wrong by some minutes is found that far from its place.
 *
 * **Covered.** `coveredFrom` is the moment from which on nothing is missing here: 0 in a node that has kept everything since it was made; else the latest
 * `until` of what was let go, could not be kept, or when keeping began. It lies on the disk as a row of its own, before all others.
 *
 * Limits: `historyBytesMax`; beyond it nothing more is kept, and `coveredFrom` goes on.
 */

import { toHex, utf8Encode } from "../base/bytes.ts";
import { md5Of } from "../base/md5.ts";
import { historyAddress } from "./address.ts";
import type { Config } from "./config.ts";
import type { DvvSet } from "./dvvset.ts";
import type { StoredRecord, Write } from "./effect.ts";
import type { Actor, Key, Millis, OperationId, Position } from "./identifiers.ts";
import { recordDigest } from "./merkle-forest.ts";

/** Sorts before every address: they begin with eight digits. */
export const COVERED_ADDRESS = "0";
/** What is handed over is kept as if it had stood for so long after: clocks differ, and its owners have all that it has. */
const CLOCKS_APART_MS = 60_000;
const NOBODY = "0".repeat(48) as Actor;

/** What a node has to remember of a record that was replaced. */
export interface Past {
  readonly writes: readonly Write[];
  /** Until when it was the state, at the latest. */
  readonly until: Millis;
}

export const NO_PAST: Past = { writes: [], until: 0 };

export class HistoryLedger {
  readonly #config: Config;
  /** Of what is kept, as far as it is known: what an earlier start left counts when it was walked through. */
  #bytes = 0;
  #coveredFrom: Millis = 0;
  #coveredRow: Millis | undefined;
  /** What has to be added to the time of an event to get the wall clock. */
  #wallOffset: Millis = 0;
  #incarnation = 1;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { bytes: this.#bytes, coveredFrom: this.#coveredFrom, row: this.#coveredRow };
  }

  /** Whether any bucket keeps history. */
  get isOn(): boolean {
    return Object.keys(this.#config.history).length > 0;
  }

  get bytes(): number {
    return this.#bytes;
  }
  set bytes(bytes: number) {
    this.#bytes = bytes;
  }

  /** The earliest moment of which nothing is missing here; infinity where nothing is kept. */
  get coveredFrom(): Millis {
    return this.isOn ? this.#coveredFrom : Number.MAX_SAFE_INTEGER;
  }

  /** Wall clock, from the one at the start of the node: it does not jump. */
  wall(now: Millis): Millis {
    return Math.floor(now + this.#wallOffset);
  }

  /** How long this key's past is kept; undefined when it is not. */
  keepMs(key: Key): Millis | undefined {
    return this.#config.history[bucketOf(key)]?.keepMs;
  }

  /** `row`: what an earlier start left. `newborn`: this node has never held anything. */
  start(now: Millis, wall: Millis, incarnation: number, newborn: boolean, row: StoredRecord | undefined): void {
    this.#wallOffset = wall - now;
    this.#incarnation = incarnation;
    const left = row?.set.siblings[0];
    // Since the row was written there was no start with other buckets, or without history.
    const unbroken = left?.operation === this.#policy && left.dots[0]?.counter === incarnation - 1;
    this.#coveredFrom = newborn ? 0 : unbroken ? left.at : this.wall(now);
    this.#coveredRow = undefined;
  }

  /** `before` was replaced by `after`, or is let go. */
  replaced(key: Key, position: Position, before: DvvSet, after: DvvSet | undefined, now: Millis): Past {
    const keepMs = this.keepMs(key);
    if (keepMs === undefined || before.siblings.length === 0) return NO_PAST;
    const until = after === undefined ? this.wall(now) + CLOCKS_APART_MS : madeAt(after);
    // There was no moment at which it was all that had been written.
    if (madeAt(before) >= until) return NO_PAST;
    const bytes = bytesOf(key, before);
    if (until < this.wall(now) - keepMs || this.#bytes + bytes > this.#config.historyBytesMax) {
      this.missing(until);
      return { writes: this.rowIfDue(), until };
    }
    this.#bytes += bytes;
    const address = historyAddress(key, position, until, recordDigest(key, before));
    return { writes: [{ store: "history", address, record: { set: before, minted: undefined } }], until };
  }

  /** Something that stood until then is not here. */
  missing(until: Millis): void {
    this.#coveredFrom = Math.max(this.#coveredFrom, until);
  }

  /** The row that says from when on nothing is missing, if the disk does not say it yet. */
  rowIfDue(): Write[] {
    if (!this.isOn || this.#coveredRow === this.#coveredFrom) return [];
    this.#coveredRow = this.#coveredFrom;
    const dot = { actor: NOBODY, counter: this.#incarnation };
    const sibling = { dots: [dot], operation: this.#policy, at: this.#coveredFrom, value: null, checksum: 0 };
    const record: StoredRecord = { set: { clock: [dot], siblings: [sibling] }, minted: undefined };
    return [{ store: "history", address: COVERED_ADDRESS, record }];
  }

  /** A record that stood until then may not have been kept, nor the row written that went with it. */
  failed(until: Millis): void {
    this.missing(until);
    this.rowFailed();
  }

  /** The row may not be on the disk. */
  rowFailed(): void {
    this.#coveredRow = undefined;
  }

  /** Names which buckets are kept: where others were, something is missing. */
  get #policy(): OperationId {
    const buckets = Object.keys(this.#config.history).sort();
    return toHex(md5Of(utf8Encode(JSON.stringify(buckets)))) as OperationId;
  }
}

function bucketOf(key: Key): string {
  const slash = key.indexOf("/");
  return slash < 0 ? "" : key.slice(0, slash);
}

/** When its latest version was written. */
function madeAt({ siblings }: DvvSet): Millis {
  return siblings.reduce((latest, { at }) => Math.max(latest, at), 0);
}

/** About what it takes on the disk. */
export function bytesOf(key: Key, { clock, siblings }: DvvSet): number {
  return siblings.reduce((sum, { value }) => sum + 100 + (value?.length ?? 0), 2 * key.length + 32 * clock.length + 80);
}
