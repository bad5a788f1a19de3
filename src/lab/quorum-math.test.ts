import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choose, shareOf, verdictOf } from "./quorum-math.ts";

/** All subsets of 0..n-1 with k elements, as bit masks. */
function subsets(n: number, k: number): number[] {
  const bits = (mask: number): number => {
    let count = 0;
    for (let left = mask; left > 0; left >>= 1) count += left & 1;
    return count;
  };
  return Array.from({ length: 2 ** n }, (_, mask) => mask).filter((mask) => bits(mask) === k);
}

const choices = fc
  .integer({ min: 1, max: 7 })
  .chain((n) => fc.record({ n: fc.constant(n), r: fc.integer({ min: 1, max: n }), w: fc.integer({ min: 1, max: n }) }));

describe("a verdict is what counting every case says:", () => {
  test("the chance to miss a write, and whether quorums overlap", () => {
    fc.assert(
      fc.property(choices, (choice) => {
        const { n, r, w } = choice;
        const [reads, writes] = [subsets(n, r), subsets(n, w)];
        let missed = 0;
        for (const read of reads) for (const write of writes) if ((read & write) === 0) missed++;
        const { missChance, overlaps } = verdictOf(choice, n);
        expect(missChance).toBeCloseTo(missed / (reads.length * writes.length), 12);
        expect(overlaps).toBe(missed === 0);
      }),
    );
  });

  test("how many owners may be down", () => {
    fc.assert(
      fc.property(choices, (choice) => {
        const { n, r, w } = choice;
        // Whichever `down` of them are down: some `needed` of the others must be left.
        const stands = (needed: number, among: number): number => {
          let most = -1;
          for (let down = 0; down <= among; down++)
            if (subsets(among, down).every((gone) => subsets(among, needed).some((quorum) => (quorum & gone) === 0)))
              most = down;
          return most;
        };
        const verdict = verdictOf(choice, n);
        expect([verdict.readsStand, verdict.writesStand]).toEqual([stands(r, n), stands(w, n)]);
        const wider = verdictOf(choice, 8);
        expect([wider.sloppy.readsStand, wider.sloppy.writesStand]).toEqual([stands(r, 8), stands(w, 8)]);
        // Whichever W acknowledged, and whichever disks are lost: one of the W is left.
        const lost = verdict.disksStand;
        for (const [disks, survives] of [
          [lost, true],
          [lost + 1, false],
        ] as const)
          expect(subsets(n, w).every((kept) => subsets(n, disks).every((gone) => (kept & ~gone) !== 0))).toBe(survives);
      }),
    );
  });
});

test("with fewer nodes than N, a quorum is what there is", () => {
  expect(verdictOf({ n: 5, r: 3, w: 3 }, 2)).toMatchObject({
    copies: 2,
    overlaps: true,
    readsStand: 0,
    writesStand: 0,
    missChance: 0,
  });
});

test("ways to draw are those of Pascal's triangle", () => {
  for (let n = 1; n <= 16; n++)
    for (let k = -1; k <= n + 1; k++)
      expect(choose(n, k)).toBe(n === 0 ? 1 : k === 0 ? 1 : choose(n - 1, k - 1) + choose(n - 1, k));
});

test("a measured share lies within its bounds, which grow narrower with more trials", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(), (of, drawn) => {
      const hits = drawn % (of + 1);
      const { share, from, to } = shareOf(hits, of);
      expect(from).toBeLessThanOrEqual(share + 1e-12);
      expect(to).toBeGreaterThanOrEqual(share - 1e-12);
      const more = shareOf(4 * hits, 4 * of);
      expect(more.to - more.from).toBeLessThan(to - from);
    }),
  );
  expect(shareOf(0, 0)).toEqual({ share: 0, from: 0, to: 1 });
});
