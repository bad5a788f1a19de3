import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 } from "../base/crc32.ts";
import { EMPTY } from "../core/dvvset.ts";
import { MalformedMessageError, NewerFormatError } from "../core/errors.ts";
import type { Actor } from "../core/identifiers.ts";
import { meta, mutated, storedRecord } from "./message-arbitraries.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "./record.ts";

function expectDamaged(decode: () => unknown): void {
  let thrown: unknown;
  try {
    decode();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(MalformedMessageError);
  expect(thrown).toMatchObject({ code: "damaged" });
}

/** The same bytes with a checksum that matches, so that a fault behind it is met. */
function resealed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(1, crc32(copy.subarray(5)), true);
  return copy;
}

test("records survive", () => {
  fc.assert(
    fc.property(storedRecord, (record) => {
      const bytes = encodeRecord(record);
      expect(decodeRecord(bytes)).toStrictEqual(record);
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }),
  );
});

test("the node's own state survives", () => {
  fc.assert(fc.property(meta, (state) => void expect(decodeMeta(encodeMeta(state))).toStrictEqual(state)));
});

test("every flipped bit and every truncation is damage", () => {
  const minted = { actor: "1".repeat(48) as Actor, start: "s1" };
  const bytes = encodeRecord({ set: { clock: [{ actor: minted.actor, counter: 3 }], siblings: [] }, minted });
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expectDamaged(() => decodeRecord(flipped));
  }
  for (let end = 0; end < bytes.length; end++) expectDamaged(() => decodeRecord(bytes.subarray(0, end)));
});

test("changes behind a matching checksum are damage, or another record's very bytes", () => {
  const changed = storedRecord.chain((record) => mutated(encodeRecord(record))).filter((bytes) => bytes.length >= 5);
  fc.assert(
    fc.property(changed.map(resealed), (bytes) => {
      let record;
      try {
        record = decodeRecord(bytes);
      } catch {
        return expectDamaged(() => decodeRecord(bytes));
      }
      expect(encodeRecord(record)).toEqual(bytes);
    }),
    { numRuns: 1_000 },
  );
});

test("a record is no state of a node", () => {
  expectDamaged(() => decodeMeta(encodeRecord({ set: EMPTY, minted: undefined })));
  expectDamaged(() => decodeRecord(new Uint8Array(0)));
});

test("a state that was written before there were buckets is read as one without any", () => {
  fc.assert(
    fc.property(meta, ({ incarnation, view: some, unopened }) => {
      const view = some === undefined ? undefined : { ...some, buckets: [] };
      const state = { incarnation, view, unopened };
      const now = encodeMeta(state);
      // Then: the same without the count of no buckets, which stands before the count of partitions that are not open.
      const none =
        encodeMeta({ ...state, view: undefined }).length -
        encodeMeta({ ...state, view: undefined, unopened: [] }).length;
      const at = now.length - none - 2;
      const then = view === undefined ? now.slice() : Uint8Array.of(...now.subarray(0, at), ...now.subarray(at + 1));
      then[0] = 1;
      expect(decodeMeta(resealed(then))).toStrictEqual({ ...state, buffering: undefined });
    }),
  );
});

test("the older format is written as long as there is nothing that it could not say", () => {
  fc.assert(
    fc.property(meta, (state) => {
      const buffered = state.view?.buckets.some(({ properties }) => properties.buffered === true) === true;
      const isNew = state.caughtUp !== undefined || state.buffering === true || buffered;
      expect(encodeMeta(state)[0]).toBe(isNew ? 3 : 2);
      // Builds on the way to version 2 wrote the logs under format 2, and nothing of buffers.
      if (state.view !== undefined || state.caughtUp === undefined) return;
      const between = encodeMeta(state).slice(0, -1);
      between[0] = 2;
      expect(decodeMeta(resealed(between))).toStrictEqual({ ...state, buffering: undefined });
    }),
  );
});

test("a state of a newer build is refused by name, with both formats", () => {
  const bytes = encodeMeta({ incarnation: 1, view: undefined, unopened: [] });
  bytes[0] = 4;
  expect(() => decodeMeta(bytes)).toThrow(NewerFormatError);
  expect(() => decodeMeta(bytes)).toThrow(/format 4, and this build reads up to 3\. Nothing was touched/);
});
