/**
 * What a short absence costs on the wire: 100,000 keys, 10 seconds away, 50 of them changed meanwhile. Once caught up from the log of recent writes of
 * who stayed, once by walking trees alone. Every message is encoded as it would be sent.
 */

import { expect, test } from "vitest";
import { crc32 } from "../base/crc32.ts";
import { Prng } from "../base/prng.ts";
import type { Config } from "../core/config.ts";
import { type DvvSet, EMPTY, update } from "../core/dvvset.ts";
import { ExchangePair, PairDisk } from "../core/exchange-pair.ts";
import type { Actor, Key, OperationId } from "../core/identifiers.ts";
import { encodeMessage } from "./codec.ts";

const KEYS = 100_000;
const CHANGED = 50;
const PARTITIONS = 256;
const VALUE = new Uint8Array(100).fill(7);

const prng = Prng.fromNumber(2_022);
const actor = prng.hex(24) as Actor;

function put(set: DvvSet): DvvSet {
  const version = {
    operation: prng.hex(16) as OperationId,
    at: 1_700_000_000_000,
    value: VALUE,
    checksum: crc32(VALUE),
  };
  return update(set, set.clock, actor, version).set;
}

const keys = Array.from({ length: KEYS }, (_, i) => `carts/${i}` as Key);
const before = new Map(keys.map((key) => [key, put(EMPTY)] as const));
const everything = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/** Away from the last comparison on, and back. `by` brings up to date whoever was away; what it took is given back. */
function absence(
  by: (pair: ExchangePair) => void,
  config: Partial<Config> = {},
  changed = CHANGED,
): { readonly bytes: number; readonly messages: number } {
  const sent = { bytes: 0, messages: 0 };
  const [here, there] = [new PairDisk(), new PairDisk()];
  for (const disk of [here, there]) disk.fill(before);
  const pair = new ExchangePair({
    partitions: PARTITIONS,
    here,
    there,
    config,
    passes: (_, message) => {
      sent.bytes += encodeMessage(message, 1).length;
      sent.messages++;
      return true;
    },
  });
  pair.here.recent.start(pair.there.id, everything, false);
  pair.run();
  compare(pair);
  const written = prng.shuffled(keys).slice(0, changed);
  for (const key of written) pair.there.merge(key, put(before.get(key)!));
  pair.run();
  const { caughtUp = [] } = pair.here.recent;
  pair.restart("here", caughtUp);
  sent.bytes = sent.messages = 0;
  by(pair);
  for (const key of written) expect(pair.here.disk.get(key)).toEqual(pair.there.disk.get(key));
  return { ...sent };
}

function compare(pair: ExchangePair): void {
  pair.here.exchange.start(pair.there.id, everything, "both", { kind: "anti-entropy" });
  pair.run();
}

test("an absence of 10 s with 50 changed keys of 100,000 costs less by the log than by the trees", () => {
  const byLog = absence((pair) => {
    pair.here.recent.start(pair.there.id, everything, true);
    pair.run();
    expect(pair.here.caughtUp).toEqual(["covered"]);
    compare(pair);
    expect(pair.here.ended).toMatchObject([{ outcome: "settled", differing: 0 }]);
  });
  const byTrees = absence((pair) => {
    compare(pair);
    expect(pair.here.ended).toMatchObject([{ outcome: "settled", differing: CHANGED }]);
  });
  const set = put(before.get(keys[0]!)!);
  const records = keys.slice(0, CHANGED).map((key) => ({ key, set }));
  const recordBytes = encodeMessage({ kind: "fetch-reply", request: 1, records, answered: CHANGED }, 1).length;
  // A question and an answer each: what has changed, the records, and whether the roots are the same now.
  expect(byLog.messages).toBe(6);
  expect(byTrees.messages).toBeGreaterThan(20 * byLog.messages);
  // Apart from the records themselves and the roots, a key and its digest for each change.
  const rootBytes = 10 * PARTITIONS;
  expect(byLog.bytes - recordBytes - rootBytes).toBeLessThan(CHANGED * 50);
  expect(byTrees.bytes - recordBytes - rootBytes).toBeGreaterThan(4 * (byLog.bytes - recordBytes - rootBytes));
});

test("whoever was away long enough for the log to overflow is told so, and the trees do it", () => {
  const cost = absence(
    (pair) => {
      pair.here.recent.start(pair.there.id, everything, true);
      pair.run();
      expect(pair.here.caughtUp).toEqual(["uncovered"]);
      compare(pair);
      expect(pair.here.ended).toMatchObject([{ outcome: "settled" }]);
    },
    { recentWritesMax: 1 },
    2 * PARTITIONS,
  );
  expect(cost.messages).toBeGreaterThan(100);
});
