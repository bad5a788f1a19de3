import fc from "fast-check";
import { expect, test } from "vitest";
import { AssertionError } from "../base/assert.ts";
import { MalformedMessageError } from "../core/errors.ts";
import {
  finishEncoding,
  lengthOf,
  readBytes,
  readHex,
  readRecurringHex,
  readText,
  readUint,
  startDecoding,
  startEncoding,
  writeByte,
  writeBytes,
  writeHex,
  writeText,
  writeUint,
} from "./primitives.ts";

test("numbers up to 2^53 - 1 have one form each", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const encoder = startEncoding();
      writeUint(encoder, value);
      const bytes = finishEncoding(encoder);
      expect(readUint(startDecoding(bytes), "a number")).toBe(value);
      const longer = Uint8Array.from([...bytes.subarray(0, -1), bytes.at(-1)! | 0x80, 0]);
      expect(() => readUint(startDecoding(longer), "a number")).toThrow(MalformedMessageError);
    }),
  );
});

test("text and bytes of any length, over several buffers", () => {
  const lengths = fc.oneof(
    fc.nat(300),
    fc.integer({ min: 4_000, max: 4_200 }),
    fc.integer({ min: 16_000, max: 40_000 }),
  );
  const parts = fc.array(fc.tuple(lengths, fc.constantFrom("x", "é", "€", "😀")), { maxLength: 6 });
  fc.assert(
    fc.property(parts, (given) => {
      const texts = given.map(([length, character]) => character.repeat(length));
      const encoder = startEncoding();
      for (const text of texts) {
        writeText(encoder, text);
        writeBytes(encoder, new TextEncoder().encode(text));
      }
      const length = lengthOf(encoder);
      const bytes = finishEncoding(encoder);
      expect(bytes.length).toBe(length);
      expect(bytes.buffer.byteLength).toBe(length);
      const decoder = startDecoding(bytes);
      for (const text of texts) {
        expect(readText(decoder, "a text", 0, 1_000_000)).toBe(text);
        expect(new TextDecoder().decode(readBytes(decoder, "bytes", 1_000_000))).toBe(text);
      }
    }),
    { numRuns: 30 },
  );
});

test("names are told apart, also where they take each other's place in the table", () => {
  const digits = fc.array(fc.constantFrom("0", "a"), { minLength: 48, maxLength: 48 }).map((list) => list.join(""));
  fc.assert(
    fc.property(fc.array(fc.tuple(digits, fc.constantFrom(16, 24)), { minLength: 1, maxLength: 20 }), (given) => {
      for (const [text, length] of given) {
        const name = text.slice(0, 2 * length);
        const encoder = startEncoding();
        writeHex(encoder, name, length);
        const bytes = finishEncoding(encoder);
        expect(readRecurringHex(startDecoding(bytes), "a name", length)).toBe(name);
        expect(readHex(startDecoding(bytes), "a name", length)).toBe(name);
      }
    }),
  );
  const repeated = Uint8Array.from({ length: 24 }, () => 0xaa);
  expect(readRecurringHex(startDecoding(repeated), "a name", 24)).toBe("aa".repeat(24));
  expect(readRecurringHex(startDecoding(repeated), "a name", 16)).toBe("aa".repeat(16));
});

test("a name of the wrong length or digits is a bug of ours, and spoils nothing that is written later", () => {
  for (const name of ["abc", "AB", "zz", "é1"]) {
    const encoder = startEncoding();
    writeByte(encoder, 9);
    expect(() => writeHex(encoder, name, 1)).toThrow(AssertionError);
  }
  const encoder = startEncoding();
  writeHex(encoder, "ab", 1);
  expect(finishEncoding(encoder)).toEqual(Uint8Array.of(0xab));
});

test("two encoders at once do not mix", () => {
  const first = startEncoding();
  const second = startEncoding();
  writeByte(first, 1);
  writeByte(second, 2);
  expect(finishEncoding(second)).toEqual(Uint8Array.of(2));
  writeByte(first, 3);
  expect(finishEncoding(first)).toEqual(Uint8Array.of(1, 3));
});
