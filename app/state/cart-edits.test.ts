import { expect, test } from "vitest";
import { withEdits } from "./cart-edits.ts";

test("edits act in order, on what the ones before left", () => {
  const items = new Map([["emma", 2]]);
  const edits = [
    { book: "emma", change: (copies: number) => copies + 1 },
    { book: "walden", change: (copies: number) => copies + 1 },
    { book: "emma", change: () => 0 },
    { book: "emma", change: (copies: number) => copies + 1 },
  ];
  expect(new Map(withEdits(items, edits))).toEqual(new Map([["emma", 1], ["walden", 1]])); // prettier-ignore
  expect(items.get("emma")).toBe(2);
});
