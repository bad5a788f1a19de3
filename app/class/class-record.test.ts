import fc from "fast-check";
import { expect, test } from "vitest";
import { type Answer, allAnswers, answerIn, answersCodec, latestNow, nowCodec, withAnswer } from "./class-record.ts";

const on = fc.constantFrom({ place: "#/lab/lesson/cart", title: "Carts" }, { place: "#/lab", title: "The lab" });
const now = fc.oneof(
  fc.record({ n: fc.nat(5), frozen: fc.boolean() }),
  fc.record({ n: fc.nat(5), frozen: fc.boolean(), on }),
);
const answer: fc.Arbitrary<Answer> = fc.record({
  pupil: fc.constantFrom("ada", "ben"),
  assignment: fc.constantFrom("owners", "hint-keeper"),
  seed: fc.nat(2),
  answer: fc.subarray(["a", "b", "c"]),
  n: fc.nat(3),
});

test("what is on comes back from the store, and what is none does not", () => {
  fc.assert(
    fc.property(now, (one) => {
      expect(nowCodec.decode(nowCodec.encode(one))).toEqual(one);
    }),
  );
  for (const bad of [
    {},
    { n: -1, frozen: false },
    { n: 1, frozen: "yes" },
    { n: 1, frozen: false, on: { place: "https://example.org", title: "x" } },
    { n: 1, frozen: false, on: { place: "javascript:alert(1)", title: "x" } },
    { n: 1, frozen: false, more: 1 },
  ])
    expect(() => nowCodec.decode(new TextEncoder().encode(JSON.stringify(bad)))).toThrow("cannot be read");
});

test("siblings: the highest number stands, whatever the order", () => {
  fc.assert(
    fc.property(fc.array(now, { minLength: 1, maxLength: 4 }), (siblings) => {
      const latest = latestNow(siblings);
      expect(latest.n).toBe(Math.max(...siblings.map(({ n }) => n)));
      expect(latestNow([...siblings].reverse())).toEqual(latest);
      expect(latestNow([...siblings, latest])).toEqual(latest);
    }),
  );
});

test("answers: no pupil's is lost, and the latest of each stands, whatever the order", () => {
  fc.assert(
    fc.property(fc.array(fc.array(answer, { maxLength: 4 }), { minLength: 1, maxLength: 3 }), (lists) => {
      const all = allAnswers(lists);
      const keys = (answers: readonly Answer[]) =>
        new Set(answers.map(({ pupil, assignment, seed }) => `${pupil} ${assignment} ${seed}`));
      expect(keys(all)).toEqual(keys(lists.flat()));
      expect(all).toHaveLength(keys(all).size);
      for (const one of all)
        for (const other of lists.flat())
          if (keys([one]).has([...keys([other])][0]!)) expect(one.n).toBeGreaterThanOrEqual(other.n);
      expect(allAnswers([...lists].reverse())).toEqual(all);
      expect(allAnswers([all, ...lists])).toEqual(all);
      expect(answersCodec.decode(answersCodec.encode([...all]))).toEqual(all);
    }),
  );
});

test("who answers again has the later answer", () => {
  const first = withAnswer([], { pupil: "ada", assignment: "owners", seed: 1, answer: ["a"] });
  const again = withAnswer(first, { pupil: "ada", assignment: "owners", seed: 1, answer: ["b"] });
  expect(again).toEqual([{ pupil: "ada", assignment: "owners", seed: 1, answer: ["b"], n: 2 }]);
  expect(allAnswers([again, first])).toEqual(again);
});

test("what another page tells is checked", () => {
  expect(answerIn({ assignment: "owners", seed: 1, answer: ["a"] })).toEqual({
    assignment: "owners",
    seed: 1,
    answer: ["a"],
  });
  for (const bad of [
    undefined,
    "x",
    {},
    { assignment: "A B", seed: 1, answer: [] },
    { assignment: "owners", seed: 1, answer: [1] },
  ])
    expect(answerIn(bad)).toBeUndefined();
});
