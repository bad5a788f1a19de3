import fc from "fast-check";
import { expect, test } from "vitest";
import { linkOfSeed, seedOfLink } from "./seed-link.ts";

test("a link leads back to the seed and all that changes its run", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 999_999_999 }),
        variant: fc.record({
          without: fc.array(fc.constantFrom("crashes", "one-way-cuts", "exports"), { maxLength: 3 }),
          dropActions: fc.array(fc.nat(500), { maxLength: 5 }),
          callersMax: fc.option(fc.nat(20), { nil: undefined }),
        }),
        at: fc.nat(600_000),
      }),
      (place) => {
        expect(seedOfLink(linkOfSeed(place))).toEqual(place);
      },
    ),
  );
  expect(linkOfSeed({ seed: 7, variant: {}, at: 0 })).toBe("#/lab/seed/7");
});

test("other addresses are no seeds", () => {
  for (const fragment of [
    "#/lab/seed/",
    "#/lab/seed/0",
    "#/lab/seed/x",
    "#/lab/seed/1?drop=a",
    "#/lab/seed/1?callers=-1",
    "#/lab/seed/1?at=soon",
    "#/lab/seed/1?without=A%20b",
    "#/lab",
  ])
    expect(seedOfLink(fragment)).toBeUndefined();
});
