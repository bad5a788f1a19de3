/** What lies in the catalogue and sessions buckets, as bytes: JSON, checked field by field when read. */

import * as v from "valibot";
import type { Codec } from "../../src/api.ts";
import { MalformedMessageError } from "../../src/core/errors.ts";
import { isItemId, isShopperName } from "../../src/reconcile/cart-names.ts";
import type { Book } from "../books.ts";

const itemId = v.pipe(v.string(), v.check(isItemId));
const line = v.pipe(v.string(), v.minLength(1), v.maxLength(200));

const bookSchema = v.strictObject({
  id: itemId,
  title: line,
  author: line,
  year: v.pipe(v.number(), v.integer(), v.minValue(-3_000), v.maxValue(3_000)),
  cents: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000)),
});

const shelfSchema = v.strictObject({
  id: itemId,
  name: line,
  books: v.pipe(v.array(bookSchema), v.maxLength(200)),
});

const markerSchema = v.strictObject({ shelves: v.pipe(v.array(itemId), v.maxLength(50)), books: v.number() });

const sessionSchema = v.strictObject({
  name: v.pipe(v.string(), v.check(isShopperName)),
  /** The book last looked at. */
  lastBook: v.optional(itemId),
  /** Wall-clock time, milliseconds since 1970. */
  at: v.number(),
});

export type StoredShelf = v.InferOutput<typeof shelfSchema>;
export type Marker = v.InferOutput<typeof markerSchema>;
export type Session = v.InferOutput<typeof sessionSchema>;

/** `name` says in the error what could not be read. */
export function jsonOf<T>(name: string, schema: v.GenericSchema<unknown, T>): Codec<T> {
  return {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => {
      let parsed: unknown;
      try {
        parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
      } catch {
        parsed = undefined; // refused below, like anything else of the wrong shape
      }
      const checked = v.safeParse(schema, parsed);
      if (checked.success) return checked.output;
      throw new MalformedMessageError(
        `This ${name} in the store cannot be read. It was left as it is.`,
        "malformed-record",
      );
    },
  };
}

export const bookCodec: Codec<Book> = jsonOf("book", bookSchema);
export const shelfCodec: Codec<StoredShelf> = jsonOf("shelf", shelfSchema);
export const markerCodec: Codec<Marker> = jsonOf("catalogue marker", markerSchema);
export const sessionCodec: Codec<Session> = jsonOf("shopper's session", sessionSchema);
