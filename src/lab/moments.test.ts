import fc from "fast-check";
import { expect, test } from "vitest";
import { type Moment, countUpTo, forgetBefore, momentAt } from "./moments.ts";

const moments = fc
  .array(fc.nat(50))
  .map((times) => times.sort((a, b) => a - b).map((at, what): Moment<number> => ({ at, what })));

test("what holds at a moment is the last that began by then, as a search from the end finds it", () => {
  fc.assert(
    fc.property(moments, fc.integer({ min: -5, max: 60 }), (list, at) => {
      const until = list.filter((moment) => moment.at <= at);
      expect(momentAt(list, at)).toBe(until[until.length - 1]?.what);
      expect(countUpTo(list, at)).toBe(until.length);
    }),
  );
});

test("letting go of the past changes nothing from then on", () => {
  fc.assert(
    fc.property(moments, fc.nat(50), fc.nat(50), (list, at, laterMs) => {
      const kept = [...list];
      forgetBefore(kept, at);
      expect(momentAt(kept, at + laterMs)).toBe(momentAt(list, at + laterMs));
      expect(kept.filter((moment) => moment.at < at).length).toBeLessThanOrEqual(
        1 + list.filter(({ at: t }) => t === (kept[0]?.at ?? -1)).length,
      );
    }),
  );
});
