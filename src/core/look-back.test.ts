/** The past of a key, kept by its replicas, against a model that remembers every state of every replica. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { positionOf } from "./address.ts";
import { defaultConfig } from "./config.ts";
import { type DvvSet, EMPTY, equal, sync, update } from "./dvvset.ts";
import { HistoryLedger } from "./history-ledger.ts";
import type { Actor, Key, Millis, OperationId } from "./identifiers.ts";
import { stateAt } from "./look-back.ts";

const KEY = "carts/ada" as Key;
const POSITION = positionOf(KEY);
const HOUR_MS = 3_600_000;
const REPLICAS = 3;
const config = { ...defaultConfig, history: { carts: { keepMs: HOUR_MS } } };

const step = fc.oneof(
  // Somebody who has read at one replica writes at another, or writes blindly.
  fc.record({
    kind: fc.constant("write" as const),
    at: fc.nat(REPLICAS - 1),
    readAt: fc.option(fc.nat(REPLICAS - 1), { nil: undefined }),
    passMs: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ kind: fc.constant("send" as const), from: fc.nat(REPLICAS - 1), to: fc.nat(REPLICAS - 1) }),
  // What was sent before arrives once more, or late.
  fc.record({ kind: fc.constant("late" as const), which: fc.nat(), to: fc.nat(REPLICAS - 1) }),
);

interface Replica {
  set: DvvSet;
  readonly ledger: HistoryLedger;
  readonly kept: DvvSet[];
  /** What it was, and from when on. */
  readonly was: { readonly from: Millis; readonly set: DvvSet }[];
}

function change(replica: Replica, set: DvvSet, now: Millis, came?: DvvSet): void {
  const pasts = [];
  if (came !== undefined && !equal(came, set)) pasts.push(replica.ledger.replaced(KEY, POSITION, came, set, now));
  if (set !== replica.set) pasts.push(replica.ledger.replaced(KEY, POSITION, replica.set, set, now));
  for (const write of pasts.flatMap(({ writes }) => writes))
    if (write.store === "history" && write.record !== null) replica.kept.push(write.record.set);
  replica.set = set;
  replica.was.push({ from: now, set });
}

test("what all replicas had together at any moment is what is found of it later", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(), (steps, drawn) => {
      const replicas = Array.from({ length: REPLICAS }, (): Replica => {
        const ledger = new HistoryLedger(config);
        ledger.start(0, 0, 1, true, undefined);
        return { set: EMPTY, ledger, kept: [], was: [] };
      });
      const sent: DvvSet[] = [];
      let now = 0;
      let operations = 0;
      for (const each of steps) {
        if (each.kind === "write") {
          now += each.passMs;
          const replica = replicas[each.at]!;
          const context = each.readAt === undefined ? [] : replicas[each.readAt]!.set.clock;
          const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
          const actor = operation.padStart(48, "0") as Actor;
          const version = { operation, at: now, value: new Uint8Array([operations]), checksum: 0 };
          change(replica, update(replica.set, context, actor, version).set, now);
        } else {
          const set = each.kind === "send" ? replicas[each.from]!.set : sent[each.which % Math.max(1, sent.length)];
          if (set === undefined || set === EMPTY) continue;
          if (each.kind === "send") sent.push(set);
          const replica = replicas[each.to]!;
          change(replica, sync(replica.set, set), now, set);
        }
      }
      const moment = drawn % (now + 1);
      const then = replicas.map(({ was }) => was.filter(({ from }) => from <= moment).at(-1)?.set ?? EMPTY);
      const found = stateAt(
        replicas.flatMap(({ set, kept }) => [...kept, set]),
        moment,
      );
      expect(
        equal(
          found,
          then.reduce((all, set) => sync(all, set), EMPTY),
        ),
      ).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("what cannot be kept is told as missing, and other buckets keep nothing", () => {
  const ledger = new HistoryLedger({ ...config, historyBytesMax: 300 });
  ledger.start(0, 0, 1, true, undefined);
  const version = (n: number) => ({
    operation: n.toString(16).padStart(32, "0") as OperationId,
    at: n,
    value: new Uint8Array(10),
    checksum: 0,
  });
  const actor = "a".repeat(48) as Actor;
  let set = update(EMPTY, [], actor, version(1)).set;
  const past = (n: number, key = KEY) => {
    const next = update(set, set.clock, actor, version(n)).set;
    const { writes } = ledger.replaced(key, POSITION, set, next, n);
    set = next;
    return writes.filter((write) => write.store === "history" && write.address.length > 1).length;
  };
  expect([past(2), past(3, "books/1" as Key), ledger.coveredFrom]).toEqual([1, 0, 0]);
  expect([past(4), ledger.coveredFrom]).toEqual([0, 4]);
});

test("a start finds out whether something may be missing", () => {
  const begun = (counter: number, row = true, buckets = config) => {
    const earlier = new HistoryLedger(config);
    earlier.start(0, 1_000, counter, true, undefined);
    earlier.missing(700);
    const [write] = earlier.rowIfDue();
    const left = write !== undefined && "record" in write ? (write.record ?? undefined) : undefined;
    const ledger = new HistoryLedger(buckets);
    ledger.start(0, 9_000, 5, false, row ? left : undefined);
    return ledger.coveredFrom;
  };
  expect(begun(4)).toBe(700);
  // There was a start in between that kept nothing; other buckets were kept; there was no row.
  expect(begun(3)).toBe(9_000);
  expect(begun(4, true, { ...config, history: { carts: { keepMs: 1 }, books: { keepMs: 1 } } as never })).toBe(9_000);
  expect(begun(4, false)).toBe(9_000);
});
