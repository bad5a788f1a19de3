import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { PROTOCOL_VERSION, formOf } from "../core/versions.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { messageOfKind, storedRecord } from "../wire/message-arbitraries.ts";
import { encodeRecord } from "../wire/record.ts";
import { type Field, mapOfLetter, mapOfMessage, mapOfRecord, sizeOf } from "./field-map.ts";

/** Each byte belongs to one field, and they come in the order of the bytes. */
function demandAll(fields: readonly Field[], bytes: Uint8Array): void {
  let at = 0;
  for (const { start, length, name } of fields) {
    expect([start, length > 0, name !== ""]).toEqual([at, true, true]);
    at += length;
  }
  expect(at).toBe(bytes.length);
}

describe("each kind of message: its fields are all of its bytes, and the bytes are the message", () => {
  for (const [kind, arbitrary] of Object.entries(messageOfKind))
    test(kind, () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<Message>, fc.nat(2 ** 31), (message, epoch) => {
          const letter = { message, epoch, protocol: undefined };
          const { bytes, fields, content } = mapOfLetter(letter);
          expect(bytes).toEqual(encodeMessage(message, epoch));
          demandAll(fields, bytes);
          expect(content).toEqual({ epoch, message });
          // As without anybody looking.
          expect(decodeMessage(bytes)).toEqual(content);
          expect(sizeOf(letter)).toBe(bytes.length);
          expect(fields[1]!.value).toContain(kind);
        }),
        { numRuns: 40 },
      );
    });
});

test("in the form that an older receiver reads", () => {
  const letter = {
    message: { kind: "replica-get", request: 7, ring: 1, ttlMs: 300, key: "k", counts: true } as Message,
    epoch: 2,
    protocol: 1,
  };
  expect(formOf("replica-get", 1)).toBe(1);
  const { bytes, fields } = mapOfLetter(letter);
  expect(bytes).toEqual(encodeMessage(letter.message, 2, 1));
  demandAll(fields, bytes);
  expect(PROTOCOL_VERSION).toBeGreaterThan(1);
});

test("a record: the same, and what it is made of has names", () => {
  fc.assert(
    fc.property(storedRecord, (record) => {
      const { bytes, fields, content } = mapOfRecord(record);
      expect(bytes).toEqual(encodeRecord(record));
      demandAll(fields, bytes);
      expect(content).toEqual(record);
      const siblings = new Set(fields.flatMap(({ within }) => within.filter((name) => name.startsWith("sibling"))));
      expect([...siblings]).toEqual(record.set.siblings.map((_, i) => `sibling ${i + 1}`));
    }),
  );
});

test("what fields say: names of nodes, kinds, choices, texts, spans of time and yes or no", () => {
  const hintFor = "a1".repeat(16) as NodeId;
  const message = {
    kind: "replica-put",
    request: 300,
    ring: 0xdeadbeef,
    ttlMs: 1_500,
    purpose: "hint",
    key: "carts/ada",
    set: { clock: [], siblings: [] },
    hintFor,
    durability: "strict",
  } as unknown as Message;
  const said = mapOfMessage(encodeMessage(message, 9)).fields.map(({ name, value }) => `${name} = ${value}`);
  expect(said).toEqual([
    "the protocol version = 2",
    "the kind of the message = 8: replica-put",
    "the epoch = 9",
    "a request id = 300",
    "the digest of a ring = 3735928559",
    "a time to live = 1500 ms",
    "the purpose of a put = hint",
    "the length of a key = 9",
    "a key = carts/ada",
    "the number of clock entries = 0",
    "the number of siblings = 0",
    "whether it is a hint = yes",
    `a node id = ${hintFor}`,
  ]);
});

test("an empty text has a length and nothing else, and its length stays a number", () => {
  const { fields } = mapOfLetter({
    message: { kind: "leaf-request", request: 1, leaf: 2, after: "" },
    epoch: 1,
    protocol: undefined,
  });
  expect(fields.at(-1)).toMatchObject({ name: "the length of a storage address", value: "0", length: 1 });
});
