import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32 } from "../base/crc32.ts";
import type { Clock } from "../core/dvvset.ts";
import { InvalidContextError, OversizedError } from "../core/errors.ts";
import type { Actor, Key, NodeId } from "../core/identifiers.ts";
import { CONTEXT_BYTES_MAX, decodeContext, encodeContext } from "./context.ts";
import * as arbitrary from "./message-arbitraries.ts";

const ada = "carts/ada" as Key;
const first = "f".repeat(32) as NodeId;
const clock: Clock = [{ actor: "1".repeat(48) as Actor, counter: 5 }];

test("a context comes back as it was read", () => {
  fc.assert(
    fc.property(arbitrary.key, arbitrary.clock, arbitrary.nodeId, (key, clock, first) => {
      expect(decodeContext(key, encodeContext({ key, clock, first }))).toStrictEqual({ clock, first });
    }),
  );
});

describe("refused", () => {
  const bytes = encodeContext({ key: ada, clock, first });

  test("of another key, in so many words", () => {
    expect(() => decodeContext("carts/bob" as Key, bytes)).toThrow(InvalidContextError);
    expect(() => decodeContext("carts/bob" as Key, bytes)).toThrow(/belongs to another key/);
  });

  test("every flipped bit, every truncation, every addition", () => {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeContext(ada, flipped)).toThrow(InvalidContextError);
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeContext(ada, bytes.subarray(0, end))).toThrow(InvalidContextError);
    }
    expect(() => decodeContext(ada, Uint8Array.of(...bytes, 0))).toThrow(InvalidContextError);
  });

  test("random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        expect(() => decodeContext(ada, random)).toThrow(InvalidContextError);
      }),
    );
  });

  test("an unsorted clock behind a matching checksum", () => {
    const forged = encodeContext({ key: ada, clock: [...clock, ...clock], first });
    expect(() => decodeContext(ada, forged)).toThrow(/does not parse/);
  });

  test("another format behind a matching checksum", () => {
    const other = bytes.slice();
    other[0] = 2;
    new DataView(other.buffer).setUint32(other.length - 4, crc32(other.subarray(0, -4)), true);
    expect(() => decodeContext(ada, other)).toThrow(/format is 2/);
  });

  test("what is no bytes, and what is too much", () => {
    expect(() => decodeContext(ada, "context" as unknown as Uint8Array)).toThrow(/not a Uint8Array/);
    expect(() => decodeContext(ada, new Uint8Array(CONTEXT_BYTES_MAX + 1))).toThrow(/over/);
  });

  test("a clock that is too long to hand out", () => {
    const long = Array.from({ length: 42_000 }, (_, i) => ({
      actor: i.toString(16).padStart(48, "0") as Actor,
      counter: 1,
    }));
    expect(() => encodeContext({ key: ada, clock: long, first })).toThrow(OversizedError);
  });
});
