import { expect, test } from "vitest";
import type { Key } from "./identifiers.ts";
import type { Message } from "./message.ts";
import { refusalOf } from "./refusals.ts";

const key = "carts/ada" as Key;

test("who waits for an answer is told so, with its own request", () => {
  const get = { kind: "coordinate-get", request: 4, ring: 1, ttlMs: 100, key, r: undefined, hops: 0 } as const;
  expect(refusalOf(get, 7)).toMatchObject({
    lane: "foreground",
    message: { kind: "coordinate-reply", request: 4, ring: 7, result: { failure: { code: "overloaded" } } },
  });
  const page = { kind: "transfer-request", request: 5, partition: 3, after: "", bytesMax: 1 } as const;
  expect(refusalOf(page, 7)).toEqual({
    lane: "background",
    message: { kind: "transfer-page", request: 5, partition: 3, outcome: "refused", records: [], next: undefined },
  });
});

test("what nobody waits for is not answered", () => {
  const quiet: Message[] = [
    { kind: "light-hello" },
    { kind: "known-request", request: 1, incarnation: 1, version: 1 },
    { kind: "statistics-request", request: 1 },
  ];
  expect(quiet.map((message) => refusalOf(message, 7))).toEqual(quiet.map(() => undefined));
});
