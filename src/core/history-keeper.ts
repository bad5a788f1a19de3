/**
 * Keeps the history of a node within its bounds; what is in it, and why, stands in `history-ledger.ts`. States, in order:
 *
 *   starting   reads the row that says from when on nothing is missing; the node answers nobody before that
 *   walking    a page each `historyWalkMs`, round and round: what no bucket keeps any more is let go, and the row goes with it in one transaction
 *   clearing   a page each HURRY_MS, as long as each is full and much of it goes, or all of it is more than may be kept: a busy hour leaves more than
 *              walking takes away
 *
 * With more than `historyBytesMax` at the end of a round the oldest is let go in the next, until three quarters are left. A damaged record of the past is let
 * go, too, and told as missing.
 *
 * Nothing at all happens in a node whose buckets keep no history. Limits: one page at a time, SLOTS sums of bytes by age.
 */

import { COVERED_ADDRESS, type HistoryLedger, bytesOf } from "./history-ledger.ts";
import { parseHistoryAddress } from "./address.ts";
import type { ReadRecord, Write } from "./effect.ts";
import type { Millis, Ticket } from "./identifiers.ts";
import type { Surroundings } from "./surroundings.ts";

const RECORDS_PER_PAGE = 256;
const BYTES_PER_PAGE = 1_048_576;
/** Behind every address. */
const END = "g";
const SLOTS = 64;
const HURRY_MS = 250;
/** Of what may be kept: with more, the oldest goes. */
const FULL = 0.9;
/** Of a page. */
const MUCH = 1 / 4;

export class HistoryKeeper {
  readonly #in: Surroundings;
  readonly #ledger: HistoryLedger;
  #started: boolean;
  #load: Ticket | undefined;
  #scan: Ticket | undefined;
  /** Stores that may fail: of rows and removals. */
  readonly #stores = new Set<Ticket>();
  /** A disk that refused the row is not asked for it again before. */
  #restsUntil: Millis = -Infinity;
  #after = COVERED_ADDRESS;
  /** Of this round: bytes by the moment until which a record stood. */
  #ages = new Map<number, number>();
  #total = 0;
  #bytesAtStart = 0;
  /** What stood until then goes for want of room. */
  #horizon: Millis = 0;
  #wall: Millis = 0;
  #incarnation = 1;
  #newborn = false;

  constructor(surroundings: Surroundings, ledger: HistoryLedger) {
    this.#in = surroundings;
    this.#ledger = ledger;
    this.#started = !ledger.isOn;
  }

  get started(): boolean {
    return this.#started;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      started: this.#started,
      load: this.#load,
      scan: this.#scan,
      stores: this.#stores,
      restsUntil: this.#restsUntil,
      after: this.#after,
      ages: this.#ages,
      total: this.#total,
      bytesAtStart: this.#bytesAtStart,
      horizon: this.#horizon,
    };
  }

  start(wall: Millis, incarnation: number, newborn: boolean): void {
    if (this.#started || this.#load !== undefined) return;
    this.#wall = wall - this.#in.now;
    this.#incarnation = incarnation;
    this.#newborn = newborn;
    this.#load = this.#in.nextTicket();
    this.#in.emit({ kind: "load", ticket: this.#load, reads: [{ store: "history", address: COVERED_ADDRESS }] });
  }

  /** True when the load was this mechanism's. */
  onLoaded(ticket: Ticket, records: readonly (ReadRecord | undefined)[]): boolean {
    if (ticket !== this.#load) return false;
    this.#load = undefined;
    const [row] = records;
    const { now, config } = this.#in;
    // A row that cannot be read is as good as none: something may be missing up to now.
    const found = typeof row === "string" ? undefined : row;
    this.#ledger.start(now, this.#wall + now, this.#incarnation, this.#newborn && row === undefined, found);
    this.#started = true;
    this.#in.timers.set("history", now + config.historyWalkMs);
    this.persist();
    return true;
  }

  /** Writes down from when on nothing is missing, if that has changed. To be called at the end of each step. */
  persist(): void {
    if (this.#started && this.#in.now >= this.#restsUntil) this.#store(this.#ledger.rowIfDue());
  }

  onTimer(): void {
    if (this.#scan !== undefined) return;
    if (this.#after === COVERED_ADDRESS) {
      this.#bytesAtStart = this.#ledger.bytes;
      this.#total = 0;
      this.#ages = new Map();
    }
    this.#scan = this.#in.nextTicket();
    this.#in.emit({
      kind: "scan",
      ticket: this.#scan,
      store: "history",
      after: this.#after,
      before: END,
      countMax: RECORDS_PER_PAGE,
      bytesMax: BYTES_PER_PAGE,
    });
  }

  /** True when the scan was this mechanism's. */
  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    if (ticket !== this.#scan) return false;
    this.#scan = undefined;
    const removals: Write[] = [];
    const now = this.#ledger.wall(this.#in.now);
    for (const { address, record } of entries) {
      if (record === "failed") continue;
      const { key, until } = parseHistoryAddress(address);
      const keepMs = this.#ledger.keepMs(key) ?? 0;
      const bytes = record === "damaged" ? 0 : bytesOf(key, record.set);
      if (record === "damaged" || until < now - keepMs || until <= this.#horizon) {
        this.#ledger.missing(until);
        this.#ledger.bytes = Math.max(0, this.#ledger.bytes - bytes);
        removals.push({ store: "history", address, record: null });
        continue;
      }
      this.#total += bytes;
      const slot = this.#slotOf(until);
      this.#ages.set(slot, (this.#ages.get(slot) ?? 0) + bytes);
    }
    if (removals.length > 0) this.#store([...removals, ...this.#ledger.rowIfDue()]);
    this.#after = done ? COVERED_ADDRESS : (entries.at(-1)?.address ?? COVERED_ADDRESS);
    if (done) this.#endRound();
    const { historyBytesMax, historyWalkMs } = this.#in.config;
    const hurries = this.#ledger.bytes > historyBytesMax * FULL || (!done && removals.length >= entries.length * MUCH);
    this.#in.timers.set("history", this.#in.now + (hurries ? Math.min(HURRY_MS, historyWalkMs) : historyWalkMs));
    return true;
  }

  onStored(ticket: Ticket): void {
    this.#stores.delete(ticket);
  }

  /** True when the scan or store was this mechanism's. What was to be removed is met again in the next round. */
  onFailed(ticket: Ticket): boolean {
    if (this.#stores.delete(ticket)) {
      this.#ledger.rowFailed();
      // A disk that refuses is not hurried.
      this.#restsUntil = this.#in.now + this.#in.config.historyWalkMs;
      this.#in.timers.set("history", this.#restsUntil);
      return true;
    }
    if (ticket !== this.#scan) return false;
    this.#scan = undefined;
    this.#in.timers.set("history", this.#in.now + this.#in.config.historyWalkMs);
    return true;
  }

  #store(writes: readonly Write[]): void {
    if (writes.length === 0) return;
    const ticket = this.#in.nextTicket();
    this.#stores.add(ticket);
    this.#in.store(ticket, writes, "relaxed");
  }

  #slotOf(until: Millis): number {
    const keepMs = Math.max(1, ...Object.values(this.#in.config.history).map((policy) => policy.keepMs));
    return Math.floor((until * SLOTS) / keepMs);
  }

  /** What is here is known now; with too much of it, the oldest goes in the next round. */
  #endRound(): void {
    const { historyBytesMax, history } = this.#in.config;
    // What came meanwhile may or may not have been met: it counts.
    this.#ledger.bytes = this.#total + Math.max(0, this.#ledger.bytes - this.#bytesAtStart);
    if (this.#total <= historyBytesMax * FULL) return;
    const keepMs = Math.max(1, ...Object.values(history).map((policy) => policy.keepMs));
    let left = this.#total;
    for (const [slot, bytes] of [...this.#ages].sort(([a], [b]) => a - b)) {
      if (left <= historyBytesMax * 0.75) break;
      left -= bytes;
      this.#horizon = Math.max(this.#horizon, Math.floor(((slot + 1) * keepMs) / SLOTS));
    }
  }
}
