/** What is concluded when a whole leaf was read, by itself and on both sides of an exchange: damage is mended from memory before anything is believed of the disk. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { positionOf, recordAddress } from "./address.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { ReadRecord } from "./effect.ts";
import { ExchangePair, PairDisk, type Side } from "./exchange-pair.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import { judgeLeaf, listedRecords } from "./leaf-reading.ts";
import { type Digest, type Leaf, MerkleForest, addDigests, leafOf, recordDigest } from "./merkle-forest.ts";
import type { Direction } from "./tree-exchange.ts";

const PARTITIONS = 4;
const EVERYTHING = [0, 1, 2, 3];
const REPAIR = { kind: "anti-entropy" } as const;
const DIRECTIONS: readonly Direction[] = ["both", "pull", "push"];

const actor = "a".repeat(48) as Actor;
let operations = 0;
function put(set: DvvSet = EMPTY): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  const version = { operation, at: operations, value: new Uint8Array(1), checksum: operations };
  return update(set, set.clock, actor, version).set;
}
/** Six keys of one leaf. */
const LEAF: Leaf = 9;
const keys = ((): readonly Key[] => {
  const found: Key[] = [];
  for (let i = 0; found.length < 6; i++)
    if (leafOf(positionOf(`carts/${i}` as Key), PARTITIONS) === LEAF) found.push(`carts/${i}` as Key);
  return found;
})();
const [first, second] = keys as [Key, Key];

describe("the records of a leaf that was read", () => {
  const entry = (key: Key, record: ReadRecord) => ({ address: recordAddress(key, positionOf(key)), record });
  const stored = (set: DvvSet): ReadRecord => ({ set, minted: undefined });

  test("are told with their digests, in the order of the disk; a damaged one has none", () => {
    const set = put();
    expect(listedRecords([entry(second, stored(set)), entry(first, "damaged")])).toEqual([
      { key: second, digest: recordDigest(second, set) },
      { key: first, digest: 0 },
    ]);
    expect(listedRecords([])).toEqual([]);
  });

  test("are not told at all when one of them could not be read: it is not missing", () => {
    expect(listedRecords([entry(first, stored(put())), entry(second, "failed")])).toBeUndefined();
  });
});

test("a leaf is set right when what was read is all there is, and only then", () => {
  type Found = "sound" | "damaged" | "damaged, sound in memory";
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<Found>("sound", "sound", "damaged", "damaged, sound in memory"), {
        maxLength: keys.length,
      }),
      fc.constantFrom("right", "wrong", "right, but in doubt"),
      fc.boolean(),
      (found, counted, storeUnderWay) => {
        const forest = new MerkleForest();
        const records = found.map((state, i) => {
          const key = keys[i]!;
          return { key, digest: state === "sound" ? recordDigest(key, put()) : 0 };
        });
        const sum = records.reduce<Digest>((all, { digest }) => addDigests(all, digest), 0);
        const thought = counted === "wrong" ? addDigests(sum, 5) : sum;
        forest.set(LEAF, thought);
        if (counted === "right, but in doubt") forest.doubt(LEAF);
        if (storeUnderWay) forest.begin(LEAF);
        const observation = forest.observe();
        const corrected: [Leaf, Digest][] = [];
        const mended: Key[] = [];
        judgeLeaf(forest, LEAF, records, observation, {
          corrected: (leaf, digest) => corrected.push([leaf, digest]),
          mendDamaged: (key) => {
            mended.push(key);
            // Nothing was concluded yet.
            expect([corrected, forest.digest(3, LEAF)]).toEqual([[], thought]);
            if (found[keys.indexOf(key)] === "damaged, sound in memory") forest.begin(LEAF);
          },
        });
        expect(mended).toEqual(keys.filter((_, i) => found[i]?.startsWith("damaged")));
        const disturbed = storeUnderWay || found.includes("damaged, sound in memory");
        const wrong = counted !== "right" && !disturbed;
        expect(corrected).toEqual(wrong ? [[LEAF, sum]] : []);
        expect(forest.digest(3, LEAF)).toBe(disturbed ? thought : sum);
        expect(forest.doubts).toBe(disturbed && counted === "right, but in doubt" ? 1 : 0);
      },
    ),
  );
});

/** Two sides: one has the first record, the other the second. */
function pairWith(firstAt: "here" | "there"): { pair: ExchangePair; one: Side; other: Side; sets: [DvvSet, DvvSet] } {
  const sets: [DvvSet, DvvSet] = [put(), put()];
  const [disk, otherDisk] = [new PairDisk(), new PairDisk()];
  disk.fill([[first, sets[0]]]);
  otherDisk.fill([[second, sets[1]]]);
  const [here, there] = firstAt === "here" ? [disk, otherDisk] : [otherDisk, disk];
  const pair = new ExchangePair({ partitions: PARTITIONS, here, there });
  const [one, other] = firstAt === "here" ? [pair.here, pair.there] : [pair.there, pair.here];
  return { pair, one, other, sets };
}
const expectCountedRight = (side: Side): void => {
  expect(side.counted()).toEqual(side.sums());
  expect([...side.disk.leaves].filter(([, digest]) => digest !== 0)).toEqual(
    side.sums().map(({ leaf, digest }) => [leaf, digest]),
  );
};

describe("a record that is damaged on the disk and sound in memory", () => {
  test.each(["here", "there"] as const)(
    "%s: is written anew when its leaf is listed, and nothing of it is lost",
    (at) => {
      for (const direction of DIRECTIONS) {
        const { pair, one, other, sets } = pairWith(at);
        one.replica.read(first, { kind: "nobody" });
        pair.run();
        one.disk.replace(first, "damaged");
        // What is not sent for now may be sent by the next exchange.
        for (let round = 0; round < 2; round++) {
          pair.here.exchange.start(pair.there.id, EVERYTHING, direction, REPAIR);
          pair.run();
        }
        expect(one.disk.get(first), direction).toMatchObject({ set: sets[0] });
        const brings = direction === "both" || (direction === "push") === (at === "here");
        if (brings) expect(other.disk.get(first), direction).toMatchObject({ set: sets[0] });
        else expect(other.disk.get(first), direction).toBeUndefined();
        for (const side of [pair.here, pair.there]) expectCountedRight(side);
      }
    },
  );

  test.each(["here", "there"] as const)("%s: when no sound one is in memory either, it counts as none", (at) => {
    const { pair, one } = pairWith(at);
    one.disk.replace(first, "damaged");
    pair.here.exchange.start(pair.there.id, EVERYTHING, "both", REPAIR);
    pair.run();
    expect(one.disk.get(first)).toBe("damaged");
    for (const side of [pair.here, pair.there]) expectCountedRight(side);
  });
});

describe("an exchange in which an own record could not be read has failed", () => {
  /** Here is an older one, so that every direction has something to do with it. */
  function older(direction: Direction): ExchangePair {
    const [here, there] = [new PairDisk(), new PairDisk()];
    const base = put();
    here.fill([[first, direction === "push" ? put(base) : base]]);
    there.fill([[first, direction === "push" ? base : put(base)]]);
    return new ExchangePair({ partitions: PARTITIONS, here, there, config: { cachedRecordsMax: 0 } });
  }

  test.each(DIRECTIONS)("%s: when its leaf was listed", (direction) => {
    const pair = older(direction);
    const { here, there } = pair;
    const scan = here.disk.scan.bind(here.disk);
    here.disk.scan = (asked) => {
      const { entries, done } = scan(asked);
      return { entries: entries.map((entry) => ({ ...entry, record: "failed" as const })), done };
    };
    here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "failed" }]);
  });

  test.each(DIRECTIONS)("%s: when it was to be sent or merged into", (direction) => {
    const pair = older(direction);
    const { here, there } = pair;
    here.failsRead = (read) => read.kind === "load";
    here.exchange.start(there.id, EVERYTHING, direction, REPAIR);
    pair.run();
    expect(here.ended).toMatchObject([{ outcome: "failed" }]);
  });

  test.each(["both", "push"] as const)(
    "%s: when it was listed as sound and is damaged when it is sent",
    (direction) => {
      const [here, there] = [new PairDisk(), new PairDisk()];
      here.fill([[first, put()]]);
      const pair: ExchangePair = new ExchangePair({
        partitions: PARTITIONS,
        here,
        there,
        config: { cachedRecordsMax: 0 },
        passes: (from, message) => {
          if (message.kind === "leaf-reply" && from === pair.there) here.replace(first, "damaged");
          return true;
        },
      });
      pair.here.exchange.start(pair.there.id, EVERYTHING, direction, REPAIR);
      pair.run();
      expect(pair.here.ended).toMatchObject([{ outcome: "failed" }]);
      expect(there.all()).toEqual([]);
    },
  );
});
