/** Archives: what goes in comes out, and whatever happens to the bytes on the way is noticed. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultParameters } from "../core/config.ts";
import {
  ArchiveError,
  DamagedArchiveError,
  NewerArchiveError,
  NotAnArchiveError,
  TruncatedArchiveError,
} from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { md5Of } from "../base/md5.ts";
import { addDigests, recordDigest } from "../core/merkle-forest.ts";
import { type ArchivePiece, ArchiveReader, type ArchiveRecord, ArchiveWriter } from "./archive.ts";
import { dvvSet, key } from "./message-arbitraries.ts";

const NODE = "1".repeat(32) as NodeId;
const HEAD = {
  protocol: 1,
  cluster: "shop",
  parameters: defaultParameters,
  exporter: NODE,
  beganAt: 1_000,
  prefix: "",
};
const FACTS = { beganAt: 1, endedAt: 2, coversW: 1, attempts: 1, members: [NODE], unread: [] };
const ID = "a".repeat(32);

const parts = fc.uniqueArray(
  fc.record({ partition: fc.nat(255), records: fc.array(fc.record({ key, set: dvvSet }), { maxLength: 4 }) }),
  { selector: ({ partition }) => partition, maxLength: 4 },
);
type Parts = readonly { readonly partition: number; readonly records: readonly ArchiveRecord[] }[];

/** Chunk by chunk; the first has the magic in front. */
function written(content: Parts, id = ID): Uint8Array[] {
  const writer = new ArchiveWriter(id);
  const chunks = [writer.head(HEAD)];
  for (const { partition, records } of content) {
    chunks.push(...writer.recordsOf(partition, records));
    writer.part({ ...FACTS, partition });
  }
  chunks.push(writer.manifest(3_000).bytes);
  return chunks;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

/** `cuts`: how long the pieces are in which the bytes come. */
function read(bytes: Uint8Array, cuts: readonly number[] = []): ArchivePiece[] {
  const reader = new ArchiveReader();
  const pieces: ArchivePiece[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = cuts.length === 0 ? bytes.length : cuts[i % cuts.length]!;
    pieces.push(...reader.push(bytes.subarray(at, at + length)));
    at += length;
  }
  reader.end();
  return pieces;
}

test("what was written is read, however it is cut, and the manifest adds it up", () => {
  fc.assert(
    fc.property(parts, fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 5 }), (content, cuts) => {
      const pieces = read(joined(written(content)), cuts);
      const found = pieces.flatMap((piece) =>
        piece.kind === "records" ? piece.records.map((record) => ({ ...record, partition: piece.partition })) : [],
      );
      expect(found).toEqual(
        content.flatMap(({ partition, records }) => records.map((record) => ({ ...record, partition }))),
      );
      const last = pieces.at(-1);
      expect(pieces[0]).toMatchObject({ kind: "head", head: { ...HEAD, format: 1, id: ID } });
      expect(last?.kind === "manifest" ? last.manifest.parts : undefined).toEqual(
        [...content]
          .sort((a, b) => a.partition - b.partition)
          .map(({ partition, records }) => ({
            ...FACTS,
            partition,
            records: records.length,
            bytes: expect.any(Number) as number,
            digest: records.reduce((sum, record) => addDigests(sum, recordDigest(record.key, record.set)), 0),
          })),
      );
    }),
    { numRuns: 60 },
  );
});

test("a flipped bit anywhere is noticed", () => {
  fc.assert(
    fc.property(parts, fc.nat(), fc.nat(7), (content, place, bit) => {
      const bytes = joined(written(content));
      bytes[place % bytes.length]! ^= 1 << bit;
      expect(() => read(bytes)).toThrow(ArchiveError);
    }),
    { numRuns: 300 },
  );
});

test("an archive that ends anywhere before its end is noticed, and so is what follows it", () => {
  fc.assert(
    fc.property(parts, fc.nat(), (content, place) => {
      const bytes = joined(written(content));
      const length = place % bytes.length;
      expect(() => read(bytes.subarray(0, length))).toThrow(length < 16 ? NotAnArchiveError : TruncatedArchiveError);
      expect(() => read(joined([bytes, new Uint8Array(1 + (place % 40))]))).toThrow(DamagedArchiveError);
    }),
    { numRuns: 100 },
  );
});

test("chunks that are left out, repeated, moved, or of another archive are noticed", () => {
  const content = [0, 1, 2].map((partition) => ({
    partition,
    records: [{ key: `carts/${partition}` as ArchiveRecord["key"], set: { clock: [], siblings: [] } }],
  }));
  const chunks = written(content);
  const other = written(content, "b".repeat(32));
  for (let i = 1; i < chunks.length; i++) {
    expect(() => read(joined(chunks.filter((_, at) => at !== i)))).toThrow(ArchiveError);
    expect(() => read(joined([...chunks.slice(0, i), ...chunks.slice(i - 1)]))).toThrow(ArchiveError);
    expect(() => read(joined(chunks.map((chunk, at) => (at === i ? other[at]! : chunk))))).toThrow(DamagedArchiveError);
    for (let k = 1; k < i; k++) {
      const swapped = chunks.slice();
      [swapped[i], swapped[k]] = [swapped[k]!, swapped[i]!];
      expect(() => read(joined(swapped))).toThrow(DamagedArchiveError);
    }
  }
  expect(read(joined(chunks))).toHaveLength(5);
});

test("nothing of a chunk is given out before it is checked", () => {
  const chunks = written([
    { partition: 3, records: [{ key: "carts/a" as ArchiveRecord["key"], set: { clock: [], siblings: [] } }] },
  ]);
  chunks[1]![30]! ^= 1;
  const reader = new ArchiveReader();
  expect(reader.push(chunks[0]!)).toHaveLength(1);
  expect(() => reader.push(chunks[1]!)).toThrow(DamagedArchiveError);
});

test("a newer format is refused with both numbers, and other bytes as no archive", () => {
  const writer = new ArchiveWriter(ID);
  // What a build to come might write: the frame stays, the head begins with another number.
  const newer = writer.head({ ...HEAD });
  const body = newer.subarray(16 + 20).slice();
  body[2] = 9;
  expect(() => read(rechecked(newer, body))).toThrow(NewerArchiveError);
  expect(() => read(rechecked(newer, body))).toThrow(/format 9, and this build reads up to 1/);
  expect(() => read(new Uint8Array(100))).toThrow(NotAnArchiveError);
  expect(() => read(new Uint8Array(0))).toThrow(NotAnArchiveError);
});

/** The first chunk with another body, and a check that fits. */
function rechecked(first: Uint8Array, body: Uint8Array): Uint8Array {
  const magic = first.subarray(0, 16);
  const check = md5Of(joined([md5Of(magic), body]));
  return joined([magic, first.subarray(16, 20), check, body]);
}

test("a manifest that does not add up is noticed, though its checks are right", () => {
  const content = [
    { partition: 3, records: [{ key: "carts/a" as ArchiveRecord["key"], set: { clock: [], siblings: [] } }] },
  ];
  const writer = new ArchiveWriter(ID);
  const bytes = [
    writer.head(HEAD),
    ...content.flatMap(({ partition, records }) => [...writer.recordsOf(partition, records)]),
  ];
  // The part was never told to be done.
  expect(() => read(joined([...bytes, writer.manifest(1).bytes]))).toThrow(
    /partitions that its manifest does not name/,
  );
});
