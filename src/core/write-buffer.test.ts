/** The buffer by itself against a naive list, and behind a replica whose disk answers late, loses and forgets: what each acknowledgement promises. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { positionOf, recordAddress } from "./address.ts";
import type { Config } from "./config.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { StoredRecord } from "./effect.ts";
import { HintIndex } from "./hint-index.ts";
import { HistoryLedger } from "./history-ledger.ts";
import type { Actor, Durability, Key, OperationId } from "./identifiers.ts";
import { MerkleForest } from "./merkle-forest.ts";
import { Replica } from "./replica.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";
import { BUFFERED_BYTES_MAX, BUFFERED_OBJECTS_MAX, BUFFER_MS, WriteBuffer } from "./write-buffer.ts";
import { WriteLog } from "./write-log.ts";

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
const keys = ["a", "b", "c"] as Key[];
const operation = (n: number) => hex(n, 32) as OperationId;
/** Nobody else's, so that all of them end up side by side. */
const version = (n: number): DvvSet =>
  update(EMPTY, [], hex(n, 48) as Actor, { operation: operation(n), at: n, value: new Uint8Array(4), checksum: 0 }).set;
const shows = (set: DvvSet | undefined, n: number): boolean =>
  set?.siblings.some((sibling) => sibling.operation === operation(n)) === true;

describe("a buffer", () => {
  test("gives each write to the disk once, in order, and has room again when the disk has answered", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant("add"), fc.constant("take"), fc.constant("settle")), { maxLength: 60 }),
        (steps) => {
          const buffer = new WriteBuffer();
          const waiting: number[] = [];
          const underWay: number[] = [];
          let next = 0;
          for (const step of steps) {
            if (step === "add") {
              waiting.push(++next);
              buffer.add(next, [], 10);
            } else if (step === "take") {
              expect(buffer.take().map(([ticket]) => ticket)).toEqual(waiting);
              underWay.push(...waiting.splice(0));
            } else {
              const ticket = underWay.shift();
              if (ticket === undefined) expect(buffer.settle(next + 1)).toBe(false);
              else expect(buffer.settle(ticket)).toBe(true);
            }
            expect(buffer.size).toBe(waiting.length + underWay.length);
          }
        },
      ),
    );
  });

  test("has room for so many objects and bytes that the disk has not answered for, and is pressing from half of it on", () => {
    const many = new WriteBuffer();
    for (let i = 1; i <= BUFFERED_OBJECTS_MAX; i++) {
      expect(many.hasRoomFor(1)).toBe(true);
      many.add(i, [], 1);
      expect(many.pressing).toBe(i > BUFFERED_OBJECTS_MAX / 2);
    }
    expect(many.hasRoomFor(1)).toBe(false);
    many.take();
    expect(many.hasRoomFor(1)).toBe(false);
    many.settle(1);
    expect(many.hasRoomFor(1)).toBe(true);
    const large = new WriteBuffer();
    large.add(1, [], BUFFERED_BYTES_MAX - 10);
    expect([large.hasRoomFor(10), large.hasRoomFor(11), large.pressing]).toEqual([true, false, true]);
  });
});

/** A replica with a buffer, on a disk whose every answer the test gives. */
class Fixture extends StubSurroundings {
  readonly forest = new MerkleForest();
  /** What has been applied, in order; a power failure leaves what is up to `flushed`. */
  readonly log: { readonly address: string; readonly record: StoredRecord | null }[] = [];
  flushed = 0;
  marked = true;
  ended = 0;
  readonly replica: Replica;

  constructor(config: Partial<Config> = {}) {
    super(nodeNamed(1), undefined, config);
    this.replica = new Replica(
      this,
      new HintIndex(),
      this.forest,
      new WriteLog("", 0, 0),
      () => undefined,
      new HistoryLedger(this.config),
      { begin: () => this.marked, ended: () => this.ended++ },
    );
  }

  merge(key: Key, n: number, asked: Durability): void {
    this.replica.merge(key, version(n), "write", { kind: "put", request: n }, asked);
  }

  /** The disk answers the oldest effect. */
  answer(well = true): boolean {
    const effect = this.effects.shift();
    if (effect?.kind === "load") {
      const found = effect.reads.map(({ address }) => this.log.findLast((entry) => entry.address === address)?.record);
      this.replica.onLoaded(
        effect.ticket,
        well ? found.map((record) => record ?? undefined) : found.map(() => "failed"),
      );
    } else if (effect?.kind === "store") {
      if (well) {
        for (const item of effect.writes)
          if (item.store === "records") this.log.push({ address: item.address, record: item.record });
        if (effect.durability === "strict") this.flushed = this.log.length;
        this.replica.onStored(effect.ticket);
      } else this.replica.onStorageFailed(effect.ticket);
    } else return false;
    return true;
  }

  /** A store is applied, and said to have failed. */
  answerUnsure(): void {
    const effect = this.effects.shift();
    if (effect?.kind !== "store") throw new Error("nothing was stored");
    for (const item of effect.writes)
      if (item.store === "records") this.log.push({ address: item.address, record: item.record });
    this.replica.onStorageFailed(effect.ticket);
  }

  /** The kinds of acknowledgement so far, by request. */
  take(): (readonly [number, string])[] {
    return this.completions
      .splice(0)
      .map((one) => [
        one.origin.kind === "put" ? one.origin.request : 0,
        one.kind === "stored" ? one.durability : one.kind,
      ]);
  }
}

/** With the keys in memory. */
function ready(config: Partial<Config> = {}): Fixture {
  const f = new Fixture(config);
  for (const key of keys) f.replica.read(key, { kind: "nobody" });
  while (f.answer());
  f.completions.length = 0;
  return f;
}

describe("a replica", () => {
  test("acknowledges from memory what may be buffered, shows it to reads, and writes it down in time", () => {
    const f = ready();
    f.merge(keys[0]!, 1, "buffered");
    expect([f.take(), f.effects.length]).toEqual([[[1, "buffered"]], 0]);
    expect([...f.replica.buffered()].map(([key]) => key)).toEqual([keys[0]]);
    f.replica.read(keys[0]!, { kind: "put", request: 2 });
    expect(f.completions.pop()).toMatchObject({ outcome: "found", set: version(1) });
    expect(f.timers.earliest()).toBe(BUFFER_MS);
    f.replica.flush();
    expect(f.effects).toMatchObject([{ kind: "store", durability: "relaxed" }]);
    expect(f.ended).toBe(0);
    f.answer();
    expect([[...f.replica.buffered()], f.ended, f.take()]).toEqual([[], 1, []]);
  });

  test("waits for the disk as long as it is not written down that there is a buffer", () => {
    const f = ready();
    f.marked = false;
    f.merge(keys[0]!, 1, "buffered");
    expect(f.take()).toEqual([]);
    f.answer();
    expect(f.take()).toEqual([[1, "relaxed"]]);
  });

  test("asks the disk itself when the buffer is full, and says so", () => {
    const f = ready();
    for (let n = 1; n <= BUFFERED_OBJECTS_MAX; n++) f.merge(keys[0]!, n, "buffered");
    expect(f.take()).toHaveLength(BUFFERED_OBJECTS_MAX);
    f.merge(keys[1]!, 5_000, "buffered");
    expect(f.take()).toEqual([]);
    expect(f.notes.at(-1)).toEqual({ what: "buffer-full", key: keys[1] });
    expect([...f.replica.buffered()]).toHaveLength(BUFFERED_OBJECTS_MAX);
    while (f.answer());
    expect(f.take()).toEqual([[5_000, "relaxed"]]);
  });

  test("a strict write overtakes nothing that is in the buffer", () => {
    const f = ready();
    f.merge(keys[0]!, 1, "buffered");
    f.merge(keys[0]!, 2, "strict");
    f.take();
    while (f.answer());
    expect(f.take()).toEqual([[2, "strict"]]);
    expect(f.log.at(-1)?.record?.set.siblings).toHaveLength(2);
    expect(f.flushed).toBe(f.log.length);
  });

  test("what it has already, but not flushed, is flushed when that is asked for", () => {
    for (const first of ["buffered", "relaxed"] as const) {
      const f = ready();
      f.merge(keys[0]!, 1, first);
      f.merge(keys[0]!, 1, "strict");
      f.take();
      while (f.answer());
      expect(f.take()).toContainEqual([1, "strict"]);
      expect(f.flushed).toBe(f.log.length);
      // Now it is, and nothing is to be done.
      f.merge(keys[0]!, 1, "strict");
      expect([f.take(), f.effects]).toEqual([[[1, "strict"]], []]);
    }
  });

  test("what was loaded is flushed unless it was written since the start", () => {
    const f = ready({ cachedRecordsMax: 1 });
    f.merge(keys[0]!, 1, "relaxed");
    while (f.answer());
    for (const key of keys.slice(1)) f.replica.read(key, { kind: "nobody" });
    while (f.answer());
    f.take();
    f.merge(keys[0]!, 1, "strict");
    f.answer();
    expect(f.take()).toEqual([]);
    f.answer();
    expect(f.take()).toEqual([[1, "strict"]]);
  });

  test("what a strict store has left there that failed is not flushed", () => {
    const f = ready();
    f.merge(keys[0]!, 1, "strict");
    f.answerUnsure();
    f.merge(keys[0]!, 1, "strict");
    f.answer();
    f.take();
    expect(f.effects).toMatchObject([{ kind: "store", durability: "strict" }]);
    f.answer();
    expect(f.take()).toEqual([[1, "strict"]]);
  });

  test("a write of the buffer that the disk refuses is tried once more, and then said to be lost", () => {
    const f = ready();
    f.merge(keys[0]!, 1, "buffered");
    f.replica.flush();
    f.take();
    f.answer(false);
    expect([...f.replica.buffered()].map(([key]) => key)).toEqual([keys[0]]);
    f.answer();
    f.answer();
    expect(shows(f.log.at(-1)?.record?.set, 1)).toBe(true);
    expect(f.completions).toMatchObject([{ kind: "stored", origin: { kind: "buffer" } }]);
    const g = ready();
    g.merge(keys[0]!, 1, "buffered");
    g.replica.flush();
    g.answer(false);
    g.answer();
    g.take();
    g.answer(false);
    expect(g.completions).toMatchObject([{ kind: "refused", origin: { kind: "buffer" }, key: keys[0] }]);
  });

  test("keeps to what the host says: strict throughout, or buffered where nothing else is asked for", () => {
    const strict = ready({ durability: "strict" });
    strict.merge(keys[0]!, 1, "buffered");
    strict.answer();
    expect([strict.take(), strict.flushed]).toEqual([[[1, "strict"]], 1]);
    const buffered = ready({ durability: "buffered" });
    buffered.merge(keys[0]!, 1, "relaxed");
    expect(buffered.take()).toEqual([[1, "buffered"]]);
    buffered.merge(keys[0]!, 2, "strict");
    expect(buffered.take()).toEqual([]);
  });

  test("what others want kept is never in the buffer", () => {
    const f = ready({ durability: "buffered" });
    for (const purpose of ["hint", "repair", "transfer"] as const)
      f.replica.merge(keys[0]!, version(purpose.length), purpose, { kind: "put", request: 1 }, "relaxed");
    expect(f.effects.map((effect) => effect.kind === "store" && effect.durability)).toEqual([
      "strict",
      "strict",
      "strict",
    ]);
  });

  test("each acknowledgement is worth what it says, in whatever order things come", () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("write" as const),
          key: fc.constantFrom(...keys),
          n: fc.integer({ min: 1, max: 12 }),
          asked: fc.constantFrom<Durability[]>("buffered", "relaxed", "strict"),
        }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("answer" as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constantFrom("flush" as const, "fail" as const, "unsure" as const, "mark" as const),
        }),
      },
    );
    const addresses = new Map(keys.map((key) => [key, recordAddress(key, positionOf(key))]));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const f = ready({ cachedRecordsMax: 1 });
        const written = new Map<number, Key>();
        const refused = new Set<number>();
        const judge = (): void => {
          for (const one of f.completions.splice(0)) {
            const n = one.origin.kind === "put" ? one.origin.request : 0;
            if (one.kind === "refused" && n === 0)
              for (const [other, key] of written) if (key === one.key) refused.add(other);
            if (one.kind !== "stored" || n === 0) continue;
            written.set(n, one.key);
            const last = (log: Fixture["log"]) =>
              log.findLast(({ address }) => address === addresses.get(one.key))?.record?.set;
            const inMemory = [...f.replica.buffered()].some(([key, set]) => key === one.key && shows(set, n));
            if (one.durability === "strict") expect(shows(last(f.log.slice(0, f.flushed)), n)).toBe(true);
            else if (one.durability === "relaxed") expect(shows(last(f.log), n)).toBe(true);
            else expect(inMemory || shows(last(f.log), n)).toBe(true);
          }
        };
        for (const each of steps) {
          if (each.do === "write") f.merge(each.key, each.n + 100 * keys.indexOf(each.key), each.asked);
          else if (each.do === "flush") f.replica.flush();
          else if (each.do === "mark") f.marked = !f.marked;
          else if (each.do === "unsure" && f.effects[0]?.kind === "store") f.answerUnsure();
          else f.answer(each.do !== "fail");
          judge();
        }
        f.replica.flush();
        while (f.answer()) {
          judge();
          f.replica.flush();
        }
        // Whatever was acknowledged in any way is on the disk in the end, unless it was said to be lost.
        for (const [n, key] of written) {
          const set = f.log.findLast(({ address }) => address === addresses.get(key))?.record?.set;
          if (!refused.has(n)) expect(shows(set, n)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
