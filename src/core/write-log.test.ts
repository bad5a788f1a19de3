import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Key, Partition } from "./identifiers.ts";
import { type LogPosition, WriteLog } from "./write-log.ts";

const ID = "0123456789abcdef";
const PARTITIONS = 4;
const EVERYTHING = Infinity;

const keyNamed = (n: number): Key => `carts/${n}` as Key;
const partitionOfKey = (n: number): Partition => n % PARTITIONS;

type Step =
  | { readonly do: "append" | "remove"; readonly key: number }
  | { readonly do: "break off"; readonly partition: Partition };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("append" as const), key: fc.nat(11) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), key: fc.nat(11) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break off" as const), partition: fc.nat(PARTITIONS - 1) }) },
);

/** All that ever happened, and nothing let go. */
class Everything {
  readonly happened: { readonly step: Step; readonly digest: number }[] = [];

  /** Keys of the partition that were changed, and not removed, since so many things had happened; undefined where one of them has no name. */
  since(partition: Partition, from: number): Map<Key, number> | undefined {
    const changed = new Map<Key, number>();
    for (const { step: one, digest } of this.happened.slice(from)) {
      if (one.do === "break off") {
        if (one.partition === partition) return undefined;
        continue;
      }
      const key = keyNamed(one.key);
      if (partitionOfKey(one.key) !== partition) continue;
      changed.delete(key);
      if (one.do === "append") changed.set(key, digest);
    }
    return changed;
  }
}

function run(steps: readonly Step[], log: WriteLog) {
  const everything = new Everything();
  /** How much had happened at each position that was ever the head. */
  const heads: { readonly position: LogPosition; readonly at: number }[] = [{ position: 0, at: 0 }];
  steps.forEach((one, i) => {
    everything.happened.push({ step: one, digest: i + 1 });
    if (one.do === "break off") log.breakOff(one.partition);
    else if (one.do === "append") log.append(partitionOfKey(one.key), PARTITIONS, keyNamed(one.key), i + 1);
    else log.remove(partitionOfKey(one.key), keyNamed(one.key));
    heads.push({ position: log.head, at: i + 1 });
  });
  return { everything, heads };
}

describe("whatever happens", () => {
  const worlds = [
    { name: "with room for everything", entriesMax: 1_000, bytesMax: 1_000_000 },
    { name: "with room for two keys of a partition", entriesMax: 2 * PARTITIONS, bytesMax: 1_000_000 },
    { name: "with room for some bytes", entriesMax: 1_000, bytesMax: 40 * PARTITIONS },
  ];
  test.each(worlds)("$name, the log tells all that changed since a position, or says that it cannot", (world) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, drawn) => {
        const log = new WriteLog(ID, world.entriesMax, world.bytesMax);
        const { everything, heads } = run(steps, log);
        const { position, at } = heads[drawn % heads.length]!;
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const { uncovered, changes, upTo, more } = log.since(
            new Map([[partition, position]]),
            EVERYTHING,
            EVERYTHING,
          );
          const changed = everything.since(partition, at);
          expect([upTo, more]).toEqual([log.head, false]);
          if (uncovered.length === 0) {
            expect([...(changed ?? [])]).toEqual(changes.map(({ key, digest }) => [key, digest]));
            expect(changed).toBeDefined();
          } else if (world.entriesMax === 1_000 && world.bytesMax === 1_000_000) expect(changed).toBeUndefined();
        }
        expect(log.size).toBeLessThanOrEqual(world.entriesMax);
      }),
    );
  });

  test("pages tell the same as one answer", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (steps, changesMax) => {
        const log = new WriteLog(ID, 1_000, 1_000_000);
        run(steps, log);
        const from = new Map<Partition, LogPosition>();
        for (let partition = 0; partition < PARTITIONS; partition++) from.set(partition, 0);
        const whole = log.since(from, EVERYTHING, EVERYTHING);
        for (const partition of whole.uncovered) from.delete(partition);
        const paged: unknown[] = [];
        for (let pages = 0; pages <= steps.length; pages++) {
          const page = log.since(from, changesMax, EVERYTHING);
          paged.push(...page.changes);
          for (const partition of from.keys()) from.set(partition, page.upTo);
          if (!page.more) break;
        }
        expect(paged).toEqual(whole.changes);
      }),
    );
  });
});

test("a key stands in it once, where it changed last", () => {
  const log = new WriteLog(ID, 8, 1_000);
  log.append(0, 1, "a" as Key, 1);
  log.append(0, 1, "b" as Key, 2);
  log.append(0, 1, "a" as Key, 3);
  const told = log.since(new Map([[0, 0]]), 10, 1_000).changes.map(({ key, digest }) => [key, digest]);
  expect(told).toEqual([
    ["b", 2],
    ["a", 3],
  ]);
  expect(log.size).toBe(2);
});

test("each partition has its share: one that is written all the time takes nothing from the others", () => {
  const log = new WriteLog(ID, 8, 100_000);
  log.append(1, 4, "quiet" as Key, 1);
  for (let i = 0; i < 100; i++) log.append(0, 4, keyNamed(i), i + 1);
  expect(log.size).toBe(3);
  const from = new Map([
    [0, 0],
    [1, 0],
  ]);
  expect(log.since(from, 10, 1_000)).toMatchObject({ uncovered: [0], changes: [{ key: "quiet" }] });
  expect(log.since(new Map([[0, 99]]), 10, 1_000)).toMatchObject({
    uncovered: [],
    changes: [{ digest: 99 }, { digest: 100 }],
  });
});

test("bytes of keys are bounded, and one key always has room", () => {
  const log = new WriteLog(ID, 1_000, 100);
  log.append(0, 1, "x".repeat(1_000) as Key, 1);
  expect(log.since(new Map([[0, 0]]), 10, 1_000).changes).toHaveLength(1);
  for (let i = 0; i < 100; i++) log.append(0, 1, keyNamed(i), i + 1);
  expect(log.size).toBe(6);
});

test("a position that this log never had is not covered", () => {
  const log = new WriteLog(ID, 8, 1_000);
  log.append(0, 1, "a" as Key, 1);
  expect(log.since(new Map([[0, 2]]), 10, 1_000).uncovered).toEqual([0]);
});

test("without room for anything there is no log", () => {
  const log = new WriteLog(ID, 0, 0);
  log.append(0, 1, "a" as Key, 1);
  expect([log.isKept, log.size, log.since(new Map([[0, 0]]), 10, 1_000).uncovered]).toEqual([false, 0, [0]]);
});
