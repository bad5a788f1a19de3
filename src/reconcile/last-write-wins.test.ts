import { expect, test } from "vitest";
import fc from "fast-check";
import { lastWriteWins } from "./last-write-wins.ts";

interface Stamped {
  readonly at: number;
  readonly text: string;
}
const reconcile = lastWriteWins<Stamped>(
  (value) => value.at,
  (value) => value.text,
);
const stamped = fc.record({ at: fc.integer({ min: 0, max: 5 }), text: fc.string({ maxLength: 2 }) });

test("the order and the number of siblings do not matter", () => {
  fc.assert(
    fc.property(stamped, stamped, stamped, (a, b, c) => {
      expect(reconcile([a, b])).toEqual(reconcile([b, a]));
      expect(reconcile([reconcile([a, b]), c])).toEqual(reconcile([a, reconcile([b, c])]));
      expect(reconcile([a, a])).toEqual(a);
    }),
  );
});

test("the later write stays and the other one, made at the same time elsewhere, is lost", () => {
  const milk = { at: 10, text: "milk" };
  const eggs = { at: 11, text: "eggs" };
  expect(reconcile([eggs, milk])).toBe(eggs);
});

test("a clock that runs ahead wins over a write made later", () => {
  const early = { at: 99, text: "written first, by a clock that is ahead" };
  const late = { at: 12, text: "written second" };
  expect(reconcile([late, early])).toBe(early);
});
