import fc from "fast-check";
import { expect, test } from "vitest";
import { type CausalClock, compareCausally, tick } from "./causal-clock.ts";

const NODES = 4;

/** Each step is a record of `node`; `hears`, taken modulo what there is, names an earlier record that it learns of. */
const histories = fc.array(fc.record({ node: fc.nat(NODES - 1), hears: fc.option(fc.nat(50), { nil: undefined }) }), {
  minLength: 1,
  maxLength: 40,
});

test("clocks are ordered exactly as what happened before what", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const latest: CausalClock[] = Array.from({ length: NODES }, () => []);
      const clocks: CausalClock[] = [];
      /** The naive model: of each record the set of those before it. */
      const pasts: Set<number>[] = [];
      const last = new Map<number, number>();
      steps.forEach(({ node, hears }, i) => {
        const heard = hears === undefined || i === 0 ? undefined : hears % i;
        const past = new Set<number>();
        for (const earlier of [last.get(node), heard])
          if (earlier !== undefined) for (const one of [earlier, ...pasts[earlier]!]) past.add(one);
        pasts.push(past);
        last.set(node, i);
        const clock = tick(latest[node]!, node, heard === undefined ? undefined : clocks[heard]);
        latest[node] = clock;
        clocks.push(clock);
      });
      for (let a = 0; a < steps.length; a++)
        for (let b = 0; b < steps.length; b++) {
          const expected = a === b ? "same" : pasts[b]!.has(a) ? "before" : pasts[a]!.has(b) ? "after" : "concurrent";
          expect(compareCausally(clocks[a]!, clocks[b]!)).toBe(expected);
        }
    }),
  );
});
