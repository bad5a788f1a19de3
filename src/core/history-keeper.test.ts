/** The keeper of history, alone, over a disk that is a map. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { historyAddress, positionOf } from "./address.ts";
import { EMPTY, update } from "./dvvset.ts";
import type { ReadRecord, StoredRecord } from "./effect.ts";
import { HistoryKeeper } from "./history-keeper.ts";
import { HistoryLedger, bytesOf } from "./history-ledger.ts";
import type { Actor, Key, Millis, OperationId, Ticket } from "./identifiers.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";

const KEEP_MS = 60_000;
const WALL = 1_700_000_000_000;
const carts = (i: number): Key => `carts/${i}` as Key;

function recordAt(at: Millis): StoredRecord {
  const operation = at.toString(16).padStart(32, "0") as OperationId;
  const value = new Uint8Array(100);
  return {
    set: update(EMPTY, [], "a".repeat(48) as Actor, { operation, at, value, checksum: 1 }).set,
    minted: undefined,
  };
}

class Fixture {
  readonly surroundings: StubSurroundings;
  readonly ledger: HistoryLedger;
  readonly keeper: HistoryKeeper;
  readonly disk = new Map<string, ReadRecord>();
  scans = 0;
  stores = 0;
  fails = false;

  constructor(historyBytesMax = 64 * 1_048_576) {
    const history = { carts: { keepMs: KEEP_MS } };
    this.surroundings = new StubSurroundings(nodeNamed(1), undefined, { history, historyBytesMax });
    this.ledger = new HistoryLedger(this.surroundings.config);
    this.keeper = new HistoryKeeper(this.surroundings, this.ledger);
    this.keeper.start(WALL, 1, true);
    this.serve();
  }

  /** What stood until `ago` before now. */
  add(i: number, ago: Millis, damaged = false): string {
    const until = this.ledger.wall(this.surroundings.now) - ago;
    const record = recordAt(until);
    const address = historyAddress(carts(i), positionOf(carts(i)), until, i);
    this.disk.set(address, damaged ? "damaged" : record);
    this.ledger.bytes += bytesOf(carts(i), record.set);
    return address;
  }

  pass(spanMs: Millis): void {
    for (let end = this.surroundings.now + spanMs; this.surroundings.now < end;) {
      const step = Math.min(50, end - this.surroundings.now);
      for (const name of this.surroundings.pass(step)) if (name === "history") this.keeper.onTimer();
      this.keeper.persist();
      this.serve();
      // The node persists at the end of each step, and the answer of the disk is one.
      this.keeper.persist();
      this.serve();
    }
  }

  get bytes(): number {
    let sum = 0;
    for (const record of this.disk.values()) if (typeof record === "object") sum += bytesOf(carts(1), record.set);
    return sum;
  }

  serve(): void {
    for (
      let effect = this.surroundings.effects.shift();
      effect !== undefined;
      effect = this.surroundings.effects.shift()
    )
      switch (effect.kind) {
        case "load":
          this.keeper.onLoaded(effect.ticket, [undefined]);
          break;
        case "scan":
          this.scans++;
          this.#scan(effect.ticket, effect.after, effect.countMax);
          break;
        case "store":
          this.stores++;
          if (this.fails) this.keeper.onFailed(effect.ticket);
          else {
            for (const write of effect.writes)
              if (write.store === "history" && write.record === null) this.disk.delete(write.address);
            this.keeper.onStored(effect.ticket);
          }
          break;
        default:
          throw new Error(`no effect of the keeper: ${effect.kind}`);
      }
  }

  #scan(ticket: Ticket, after: string, countMax: number): void {
    const entries = [...this.disk]
      .filter(([address]) => address > after)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([address, record]) => ({ address, record }));
    this.keeper.onScanned(ticket, entries.slice(0, countMax), entries.length <= countMax);
  }
}

test("what no bucket keeps any more goes, the rest stays, and what a damaged record said is known to be missing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 2 * KEEP_MS }), fc.boolean()), { maxLength: 600 }),
      (records) => {
        const fixture = new Fixture();
        const added = records.map(([ago, damaged], i) => ({ ago, damaged, address: fixture.add(i, ago, damaged) }));
        // Far enough from either side of the bound.
        fixture.pass(35_000);
        for (const { ago, damaged, address } of added) {
          if (damaged || ago > KEEP_MS) expect(fixture.disk.has(address)).toBe(false);
          else if (ago < KEEP_MS - 35_000) expect(fixture.disk.has(address)).toBe(true);
        }
        const gone = added.filter(({ damaged, ago }) => damaged || ago > KEEP_MS).map(({ ago }) => WALL - ago);
        expect(fixture.ledger.coveredFrom).toBeGreaterThanOrEqual(Math.max(0, ...gone));
      },
    ),
    { numRuns: 30 },
  );
});

test("a busy hour leaves more than a page each ten seconds takes away: it goes all the same, and then the walk is slow again", () => {
  const fixture = new Fixture();
  for (let i = 0; i < 20_000; i++) fixture.add(i, KEEP_MS + 1_000);
  fixture.pass(60_000);
  expect(fixture.disk.size).toBe(0);
  fixture.scans = 0;
  for (let i = 0; i < 2_000; i++) fixture.add(i, 0);
  fixture.pass(40_000);
  expect(fixture.scans).toBeLessThanOrEqual(4);
});

test("with more than may be kept the oldest goes without delay, until three quarters are left", () => {
  const most = 1_000_000;
  const fixture = new Fixture(most);
  for (let i = 0; i < 4_000; i++) fixture.add(i, i * 10);
  expect(fixture.bytes).toBeGreaterThan(most);
  fixture.pass(35_000);
  expect(fixture.bytes).toBeLessThan(0.8 * most);
  expect(fixture.bytes).toBeGreaterThan(0.5 * most);
  expect(fixture.disk.has(fixture.add(0, 0))).toBe(true);
});

test("a removal that failed is met again", () => {
  const fixture = new Fixture();
  fixture.fails = true;
  const address = fixture.add(1, KEEP_MS + 1_000);
  for (let i = 0; i < 1_000; i++) fixture.add(i, KEEP_MS + 1_000);
  fixture.pass(15_000);
  expect(fixture.disk.has(address)).toBe(true);
  // A disk that refuses is not hurried.
  expect(fixture.scans).toBeLessThanOrEqual(2);
  fixture.fails = false;
  fixture.pass(15_000);
  expect(fixture.disk.has(address)).toBe(false);
});

test("a disk that refuses the row that says from when on nothing is missing is asked again in the next turn, and has it when it takes it", () => {
  const fixture = new Fixture();
  fixture.stores = 0;
  fixture.fails = true;
  fixture.ledger.missing(WALL);
  fixture.pass(60_000);
  expect(fixture.stores).toBeGreaterThanOrEqual(5);
  expect(fixture.stores).toBeLessThanOrEqual(7);
  fixture.fails = false;
  fixture.pass(11_000);
  expect(fixture.ledger.rowIfDue()).toEqual([]);
});
