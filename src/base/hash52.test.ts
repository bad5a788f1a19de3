/** The digest of a text: where it lies, what it depends on, and how evenly it falls. Sums of digests stand for sets of records, so differences count as well. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HASH52_END, hash52 } from "./hash52.ts";

const units = fc.array(fc.nat(0xffff), { maxLength: 80 });
const textOf = (codes: readonly number[]): string => String.fromCharCode(...codes);

/** 200,000 texts that have almost everything in common, as records of one cluster have. */
function similar(): string[] {
  const node = "00112233445566778899aabbccddeeff0011223344556677";
  const texts: string[] = [];
  for (let i = 0; i < 80_000; i++) texts.push(`carts/${i}\n${node}1\noperation 1700000000000 77 ${node}1`);
  // Counters of two actors of one key: the same digits in other places.
  for (let i = 0; i < 200; i++)
    for (let k = 0; k < 200; k++) texts.push(`carts/ada\n${node}${i}\n${node.slice(1)}f${k}`);
  // One unit repeated, and one unit elsewhere in it.
  for (let i = 0; i < 400; i++) texts.push("a".repeat(i));
  for (let i = 1; i < 400; i++) texts.push(`${"a".repeat(i - 1)}b${"a".repeat(400 - i)}`);
  // Two units next to each other, which could undo each other.
  for (let a = 0; a < 282; a++) for (let b = 0; b < 282; b++) texts.push(textOf([0x7a, a, b, 0x7a]));
  return texts.slice(0, 200_000);
}

const texts = similar();
const digests = texts.map(hash52);
/** One of the 52 bits, the lowest is 0. */
const bitOf = (digest: number, bit: number): number => Math.floor(digest / 2 ** bit) % 2;

describe("hash52", () => {
  test("is a whole number from 0 to 2^52 - 1", () => {
    fc.assert(
      fc.property(units, (codes) => {
        const digest = hash52(textOf(codes));
        expect(Number.isSafeInteger(digest)).toBe(true);
        expect(digest).toBeGreaterThanOrEqual(0);
        expect(digest).toBeLessThan(HASH52_END);
      }),
    );
  });

  test("never changes: digests lie on disks and travel between builds", () => {
    expect(["", "a", "carts/ada", "\u{1f6d2} é", "0".repeat(1_000)].map(hash52)).toEqual([
      4_425_254_452_091_598, 2_073_385_533_310_826, 1_982_786_281_740_626, 1_072_131_007_758_964, 1_321_130_632_041_429,
    ]);
  });

  test("every unit, every bit of it and its place matter", () => {
    fc.assert(
      fc.property(units, fc.nat(), fc.nat(15), fc.nat(), (codes, place, bit, other) => {
        const digest = hash52(textOf(codes));
        expect(hash52(textOf([...codes, 0]))).not.toBe(digest);
        expect(hash52(textOf([0, ...codes]))).not.toBe(digest);
        if (codes.length === 0) return;
        const i = place % codes.length;
        const k = other % codes.length;
        expect(hash52(textOf(codes.with(i, codes[i]! ^ (1 << bit))))).not.toBe(digest);
        expect(hash52(textOf(codes.toSpliced(i, 1)))).not.toBe(digest);
        if (codes[i] !== codes[k]) expect(hash52(textOf(codes.with(i, codes[k]!).with(k, codes[i]!)))).not.toBe(digest);
      }),
      { numRuns: 2_000 },
    );
  });

  test("tells 200,000 similar texts apart", () => {
    expect(new Set(texts).size).toBe(200_000);
    expect(new Set(digests).size).toBe(200_000);
  });

  test("changes do not cancel: what one text adds to a sum in place of another, no other pair adds", () => {
    const changes = new Set<number>();
    for (let i = 0; i + 1 < 80_000; i += 2) {
      const change = digests[i + 1]! - digests[i]!;
      changes.add(change < 0 ? change + HASH52_END : change);
      changes.add(change < 0 ? -change : HASH52_END - change);
    }
    expect(changes.size).toBe(80_000);
  });

  test("each bit is set in half of all, and the first and last bits fill their boxes evenly", () => {
    // 200,000 fair draws stray from the half by 0.11% (one deviation); 1% is nine of them.
    for (let bit = 0; bit < 52; bit++) {
      const share = digests.reduce((sum, digest) => sum + bitOf(digest, bit), 0) / digests.length;
      expect(Math.abs(share - 0.5), `bit ${bit}`).toBeLessThan(0.01);
    }
    for (const [name, box] of [
      ["low", (digest: number) => digest % 256],
      ["middle", (digest: number) => Math.floor(digest / 2 ** 28) % 256],
      ["high", (digest: number) => Math.floor(digest / 2 ** 44)],
    ] as const) {
      const counts = new Array<number>(256).fill(0);
      for (const digest of digests) counts[box(digest)]!++;
      const mean = digests.length / 256;
      const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
      // 255 degrees of freedom: 255 on average, with a deviation of 22.6.
      expect(chiSquare, name).toBeLessThan(400);
      expect(chiSquare, name).toBeGreaterThan(120);
    }
  });

  test("one bit of the text changes each bit of the digest half of the time, wherever it stands", () => {
    for (const place of [0, 1, 40, 78, 79]) {
      const flips = new Array<number>(52).fill(0);
      const runs = 2_000;
      for (let run = 0; run < runs; run++) {
        const text = texts[run]!.padEnd(80, ".").slice(0, 80);
        const unit = text.charCodeAt(place) ^ (1 << (run % 16));
        const a = hash52(text);
        const b = hash52(text.slice(0, place) + String.fromCharCode(unit) + text.slice(place + 1));
        for (let bit = 0; bit < 52; bit++) if (bitOf(a, bit) !== bitOf(b, bit)) flips[bit]!++;
      }
      // A deviation is 1.1%.
      for (const [bit, count] of flips.entries())
        expect(Math.abs(count / runs - 0.5), `unit ${place}, bit ${bit}`).toBeLessThan(0.08);
    }
  });
});
