import { expect, test } from "vitest";
import fc from "fast-check";
import { TabringError } from "../../src/core/errors.ts";
import { books, shelves } from "../books.ts";
import { bookCodec, markerCodec, sessionCodec, shelfCodec } from "./records.ts";

test("every book and shelf is read back as it was written", () => {
  for (const book of books) expect(bookCodec.decode(bookCodec.encode(book))).toEqual(book);
  for (const shelf of shelves)
    expect(shelfCodec.decode(shelfCodec.encode({ ...shelf, books: [...shelf.books] }))).toEqual(shelf);
  const session = { name: "ada", lastBook: "emma", at: 5 };
  expect(sessionCodec.decode(sessionCodec.encode(session))).toEqual(session);
});

test("anything else is refused by name", () => {
  const bad = ["", "{}", "[]", "null", '{"name":"<b>","at":1}', '{"name":"ada","at":1,"more":2}', '{"__proto__":{}}'];
  for (const codec of [bookCodec, shelfCodec, markerCodec, sessionCodec]) {
    for (const text of bad) expect(() => codec.decode(new TextEncoder().encode(text)), text).toThrow(TabringError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        expect(() => codec.decode(bytes)).toThrow(TabringError);
      }),
    );
  }
});
