/**
 * What an exchange costs on the wire: with 100,000 keys of which d differ, at most 4 times the size of the differing records and 64 KiB. Every message is
 * encoded as it would be sent. A differing record is measured as both sides have it in the end, with its key, as it stands in a message. Small
 * values are the hard case: what is spent on finding a record does not grow with it.
 */

import { expect, test } from "vitest";
import { crc32 } from "../base/crc32.ts";
import { Prng } from "../base/prng.ts";
import { type DvvSet, EMPTY, sync, update } from "../core/dvvset.ts";
import { ExchangePair, PairDisk, type Side } from "../core/exchange-pair.ts";
import type { Actor, Key, OperationId } from "../core/identifiers.ts";
import { recordDigest, subtractDigests } from "../core/merkle-forest.ts";
import { encodeMessage } from "./codec.ts";

const KEYS = 100_000;
const DIFFERING = [0, 1, 10, 100, 1_000, 10_000];
const SLACK_BYTES = 65_536;
const VALUE_BYTES = 16;

const prng = Prng.fromNumber(2_007);
const actors = Array.from({ length: 6 }, () => prng.hex(24) as Actor);
const values = Array.from({ length: 16 }, (_, i) => new Uint8Array(VALUE_BYTES).fill(i));
const checksums = values.map((value) => crc32(value));

function put(set: DvvSet, actor: number): DvvSet {
  const i = prng.below(values.length);
  const at = 1_700_000_000_000 + prng.below(1_000_000_000);
  const version = { operation: prng.hex(16) as OperationId, at, value: values[i]!, checksum: checksums[i]! };
  return update(set, set.clock, actors[actor]!, version).set;
}

/** What the two sides have of a key, instead of the same. */
const differences: Record<string, (record: DvvSet) => { readonly mine?: DvvSet; readonly theirs?: DvvSet }> = {
  "missing here": (record) => ({ theirs: record }),
  "missing there": (record) => ({ mine: record }),
  "older here": (record) => ({ mine: record, theirs: put(record, 4) }),
  diverged: (record) => ({ mine: put(record, 4), theirs: put(record, 5) }),
};

const keys = Array.from({ length: KEYS }, (_, i) => `carts/${i}` as Key);
const records = new Map(keys.map((key, i) => [key, put(EMPTY, i % 4)] as const));
const here = new PairDisk();
const there = new PairDisk();
for (const disk of [here, there]) disk.fill(records);

/** As if it had always been so: the trees count it. */
function setRecord(side: Side, key: Key, set: DvvSet | undefined): void {
  const found = side.disk.get(key);
  const before = typeof found === "object" ? recordDigest(key, found.set) : 0;
  const after = set === undefined ? 0 : recordDigest(key, set);
  side.forest.add(side.leafOfKey(key), subtractDigests(after, before));
  side.disk.replace(key, set);
}

const encodedBytes = (...some: { readonly key: Key; readonly set: DvvSet }[]): number =>
  encodeMessage({ kind: "fetch-reply", request: 1, records: some, answered: some.length }, 1).length;

test.each([256, 64])("an exchange of %i partitions costs what differs", (partitions) => {
  let bytes = 0;
  let messages = 0;
  const pair = new ExchangePair({
    partitions,
    here,
    there,
    // Nothing is remembered from one exchange to the next.
    config: { cachedRecordsMax: 0 },
    passes: (_, message) => {
      bytes += encodeMessage(message, 1).length;
      messages++;
      return true;
    },
  });
  const sides = [pair.here, pair.there] as const;
  const everything = Array.from({ length: partitions }, (_, p) => p);
  for (const [name, differ] of Object.entries(differences))
    for (const count of DIFFERING) {
      const differing = prng.shuffled(keys).slice(0, count);
      let differingBytes = 0;
      for (const key of differing) {
        const { mine, theirs } = differ(records.get(key)!);
        const joined = sync(mine ?? EMPTY, theirs ?? EMPTY);
        differingBytes += encodedBytes({ key, set: joined }) - encodedBytes();
        setRecord(pair.here, key, mine);
        setRecord(pair.there, key, theirs);
      }
      bytes = 0;
      messages = 0;
      pair.here.exchange.start(pair.there.id, everything, "both", { kind: "anti-entropy" });
      pair.run();
      const what = `${count} ${name}`;
      expect(pair.here.ended.splice(0), what).toMatchObject([{ outcome: "settled", differing: count }]);
      for (const partition of everything)
        expect(pair.here.forest.root(partition)).toBe(pair.there.forest.root(partition));
      expect(bytes, what).toBeLessThanOrEqual(4 * differingBytes + SLACK_BYTES);
      // Nothing differs: a question and its answer, with one digest for each partition, however many keys there are.
      if (count === 0) expect([messages, Math.ceil(bytes / partitions)]).toEqual([2, 10]);
      for (const key of differing) for (const side of sides) setRecord(side, key, records.get(key));
    }
});
