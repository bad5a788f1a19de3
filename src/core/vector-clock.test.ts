/** Plain vector clocks against a naive model: each event knows the set of events behind it. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ENTRIES_USUAL,
  type VectorClock,
  increment,
  isAncestor,
  mergeClocks,
  orderOf,
  truncate,
} from "./vector-clock.ts";

const nodes = ["a", "b", "c", "d"];

/** Processes that write, and take over what another has: clocks and sets of events grow side by side. */
const script = fc.array(
  fc.record({ writes: fc.boolean(), at: fc.nat(nodes.length - 1), other: fc.nat(nodes.length - 1) }),
  { maxLength: 40 },
);

function history(steps: readonly { writes: boolean; at: number; other: number }[]) {
  const now = nodes.map((): { clock: VectorClock; events: ReadonlySet<number> } => ({ clock: [], events: new Set() }));
  const all = [...now];
  steps.forEach(({ writes, at, other }, event) => {
    const { clock, events } = now[at]!;
    now[at] = writes
      ? { clock: increment(clock, nodes[at]!, event), events: new Set([...events, event]) }
      : {
          clock: mergeClocks(clock, now[other]!.clock),
          events: new Set([...events, ...now[other]!.events]),
        };
    all.push(now[at]);
  });
  return all;
}

test("one clock is an ancestor of another exactly when all events behind it are behind the other", () => {
  fc.assert(
    fc.property(script, (steps) => {
      const states = history(steps);
      for (const a of states)
        for (const b of states) {
          const within = [...a.events].every((event) => b.events.has(event));
          const around = [...b.events].every((event) => a.events.has(event));
          expect(isAncestor(a.clock, b.clock)).toBe(within);
          expect(orderOf(a.clock, b.clock)).toBe(
            within ? (around ? "equal" : "before") : around ? "after" : "concurrent",
          );
        }
    }),
    { numRuns: 60 },
  );
});

describe("merging", () => {
  const clock = fc
    .uniqueArray(
      fc.record({ node: fc.constantFrom(...nodes), counter: fc.integer({ min: 1, max: 5 }), at: fc.nat(9) }),
      { selector: ({ node }) => node },
    )
    .map((entries): VectorClock => entries.sort((a, b) => (a.node < b.node ? -1 : 1)));

  test("is commutative, associative and idempotent, and the least that both are ancestors of", () => {
    fc.assert(
      fc.property(clock, clock, clock, (a, b, c) => {
        expect(mergeClocks(a, b)).toEqual(mergeClocks(b, a));
        expect(mergeClocks(mergeClocks(a, b), c)).toEqual(mergeClocks(a, mergeClocks(b, c)));
        expect(mergeClocks(a, a)).toEqual(a);
        const merged = mergeClocks(a, b);
        expect(isAncestor(a, merged) && isAncestor(b, merged)).toBe(true);
        if (isAncestor(a, c) && isAncestor(b, c)) expect(isAncestor(merged, c)).toBe(true);
      }),
    );
  });

  test("what is cut is the oldest, and no more than must go", () => {
    fc.assert(
      fc.property(clock, fc.nat(5), (whole, most) => {
        const { clock: left, cut } = truncate(whole, most);
        expect(left).toHaveLength(Math.min(whole.length, most));
        expect([...left, ...cut].sort((a, b) => (a.node < b.node ? -1 : 1))).toEqual(whole);
        for (const gone of cut) for (const kept of left) expect(gone.at).toBeLessThanOrEqual(kept.at);
      }),
    );
  });
});

test("an eleventh entry costs the oldest; writing again keeps a node young", () => {
  let clock: VectorClock = [];
  for (let i = 1; i <= 10; i++) clock = increment(clock, `n${String(i).padStart(2, "0")}`, i);
  expect(truncate(clock, ENTRIES_USUAL).cut).toEqual([]);
  clock = increment(clock, "n01", 11);
  expect(clock[0]).toEqual({ node: "n01", counter: 2, at: 11 });
  expect(truncate(increment(clock, "n11", 12), ENTRIES_USUAL).cut).toEqual([{ node: "n02", counter: 1, at: 2 }]);
});
