import { describe, expect, test } from "vitest";
import { type Explorable, SearchOverflowError, explore } from "./explorer.ts";

type Pair = readonly [number, number];

/** Two counters that know nothing of each other: all orders of `m` and `n` steps. */
function counters(m: number, n: number, forbidden?: Pair): Explorable<Pair, 0 | 1> {
  return {
    initial: () => [0, 0],
    actions: ([i, j]) => [...(i < m ? [0 as const] : []), ...(j < n ? [1 as const] : [])],
    apply: ([i, j], action) => {
      const next: Pair = action === 0 ? [i + 1, j] : [i, j + 1];
      if (next[0] === forbidden?.[0] && next[1] === forbidden[1]) throw new Error("forbidden");
      return next;
    },
    mark: ([i, j], into) => {
      into.word(i);
      into.word(j);
    },
    atRest: ([i, j]) => i === m && j === n,
    judgeRest: ([i]) => {
      if (i === 7) throw new Error("seven");
    },
  };
}

describe("a search", () => {
  test("visits each state once, whatever the ways to it", () => {
    const { states, transitions, finals, depthMax, complete, violation } = explore(counters(3, 5), 100);
    expect({ states, transitions, finals, depthMax, complete, violation }).toEqual({
      states: 4 * 6,
      transitions: 3 * 6 + 5 * 4,
      finals: 1,
      depthMax: 8,
      complete: true,
      violation: undefined,
    });
  });

  test("goes on when its table has to grow", () => {
    expect(explore(counters(99, 99), 20_000)).toMatchObject({ states: 10_000, complete: true });
  });

  test("tells that there is more than there is room for", () => {
    expect(explore(counters(3, 5), 24)).toMatchObject({ states: 24, complete: true, overflowed: false });
    expect(explore(counters(3, 5), 23)).toMatchObject({ states: 23, complete: false, overflowed: true });
  });

  test("takes a world's own tables for the same", () => {
    const world = counters(2, 2);
    const full: typeof world = {
      ...world,
      apply: () => {
        throw new SearchOverflowError("full");
      },
    };
    expect(explore(full, 100)).toMatchObject({ complete: false, overflowed: true, violation: undefined });
  });

  test("ends at a violation and tells one of the shortest ways to it", () => {
    const { complete, violation } = explore(counters(5, 5, [2, 1]), 100);
    expect(complete).toBe(false);
    expect((violation?.error as Error).message).toBe("forbidden");
    expect([...(violation?.path ?? [])].sort()).toEqual([0, 0, 1]);
  });

  test("judges the states at rest", () => {
    const { violation } = explore(counters(7, 1), 100);
    expect((violation?.error as Error).message).toBe("seven");
    expect(violation?.path).toHaveLength(8);
  });
});
