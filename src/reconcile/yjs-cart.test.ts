import { describe, expect, test } from "vitest";
import fc from "fast-check";
import * as Y from "yjs";
import { EMPTY_YJS, mergeYjsCarts, setYjsQuantities, yjsQuantities } from "./yjs-cart.ts";
import { Writer } from "./writer.ts";

function writers(count: number): Writer[] {
  let drawn = 0;
  return Array.from(
    { length: count },
    () => new Writer(() => (++drawn).toString(16).padStart(12, "0").padEnd(16, "0")),
  );
}
const quantities = (bytes: Uint8Array) => [...(yjsQuantities(bytes) ?? [["not", "readable"]])];

test("commutative, associative, idempotent in what they hold, over histories of three shoppers", () => {
  const target = fc.dictionary(fc.constantFrom("emma", "faust", "walden"), fc.integer({ min: 1, max: 4 }));
  const steps = fc.array(
    fc.oneof(fc.record({ who: fc.nat(2), target }), fc.record({ who: fc.nat(2), from: fc.nat(2) })),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(steps, (history) => {
      const hands = writers(3);
      const docs = [EMPTY_YJS, EMPTY_YJS, EMPTY_YJS];
      for (const step of history) {
        const mine = docs[step.who]!;
        docs[step.who] =
          "target" in step
            ? setYjsQuantities(mine, new Map(Object.entries(step.target)), hands[step.who]!)
            : mergeYjsCarts([mine, docs[step.from]!]);
        if ("target" in step)
          expect(new Map(quantities(docs[step.who]!) as never)).toEqual(new Map(Object.entries(step.target)));
      }
      const [a, b, c] = docs as [Uint8Array, Uint8Array, Uint8Array];
      expect(quantities(mergeYjsCarts([a, b]))).toEqual(quantities(mergeYjsCarts([b, a])));
      expect(quantities(mergeYjsCarts([mergeYjsCarts([a, b]), c]))).toEqual(
        quantities(mergeYjsCarts([a, mergeYjsCarts([b, c])])),
      );
      expect(quantities(mergeYjsCarts([a, a]))).toEqual(quantities(a));
      expect(quantities(mergeYjsCarts([mergeYjsCarts([a, b]), a]))).toEqual(quantities(mergeYjsCarts([a, b])));
    }),
    { numRuns: 200 },
  );
});

describe("the canonical conflict", () => {
  const base = setYjsQuantities(EMPTY_YJS, new Map([["walden", 1]]), writers(1)[0]!);
  const [, ada, bob] = writers(3) as [Writer, Writer, Writer];

  test("additions of different items all stay, a removed item stays removed", () => {
    const a = setYjsQuantities(base, new Map([["walden", 1], ["emma", 1]]), ada); // prettier-ignore
    const b = setYjsQuantities(base, new Map([["faust", 1]]), bob);
    expect(quantities(mergeYjsCarts([a, b]))).toEqual([
      ["emma", 1],
      ["faust", 1],
    ]);
  });

  test("of two concurrent changes of one quantity one is lost", () => {
    const a = setYjsQuantities(base, new Map([["walden", 2]]), ada);
    const b = setYjsQuantities(base, new Map([["walden", 3]]), bob);
    expect([2, 3]).toContain(yjsQuantities(mergeYjsCarts([a, b]))?.get("walden"));
  });

  test("a change of the quantity brings back what was removed at the same time", () => {
    const a = setYjsQuantities(base, new Map([["walden", 2]]), ada);
    const b = setYjsQuantities(base, new Map(), bob);
    expect(quantities(mergeYjsCarts([a, b]))).toEqual([["walden", 2]]);
  });

  test("two edits from one version by one page do not clash", () => {
    const page = writers(5)[4]!;
    const first = setYjsQuantities(base, new Map([["walden", 1], ["emma", 1]]), page); // prettier-ignore
    const second = setYjsQuantities(base, new Map([["walden", 1], ["faust", 1]]), page); // prettier-ignore
    expect(quantities(mergeYjsCarts([first, second]))).toEqual([
      ["emma", 1],
      ["faust", 1],
      ["walden", 1],
    ]);
  });
});

describe("bytes that are no cart document", () => {
  test("any bytes are read or refused, never a crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        yjsQuantities(bytes);
      }),
      { numRuns: 2_000 },
    );
    expect(yjsQuantities(new Uint8Array([1, 2, 3]))).toBeUndefined();
  });

  test("a document of another shape, or one that lacks a part, is refused", () => {
    const foreign = new Y.Doc();
    foreign.getText("title").insert(0, "not a cart");
    expect(yjsQuantities(Y.encodeStateAsUpdate(foreign))).toBeUndefined();

    const words = new Y.Doc();
    words.getMap("items").set("walden", "many");
    expect(yjsQuantities(Y.encodeStateAsUpdate(words))).toBeUndefined();

    const gap = new Y.Doc();
    gap.getMap("items").set("walden", 1);
    const before = Y.encodeStateVector(gap);
    gap.getMap("items").set("emma", 1);
    expect(yjsQuantities(Y.encodeStateAsUpdate(gap, before))).toBeUndefined();
  });
});
