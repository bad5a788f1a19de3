import fc from "fast-check";
import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { keyChooser } from "./popular-keys.ts";

test("every choice is one of the keys, and an equal seed chooses equally", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("uniform" as const, "zipf" as const),
      fc.integer({ min: 1, max: 50 }),
      fc.nat(),
      (keys, count, seed) => {
        const [one, other] = [
          keyChooser(keys, count, Prng.fromNumber(seed)),
          keyChooser(keys, count, Prng.fromNumber(seed)),
        ];
        for (let i = 0; i < 20; i++) {
          const chosen = one();
          expect(chosen).toBe(other());
          expect(Number.isInteger(chosen) && chosen >= 0 && chosen < count).toBe(true);
        }
      },
    ),
  );
});

test("popular keys are asked for in proportion to one by their rank, alike ones alike", () => {
  const shares = (keys: "uniform" | "zipf"): number[] => {
    const choose = keyChooser(keys, 4, Prng.fromNumber(7));
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[choose()]!++;
    return counts.map((each) => each / 20_000);
  };
  const sum = 1 + 1 / 2 + 1 / 3 + 1 / 4;
  shares("zipf").forEach((share, i) => expect(share).toBeCloseTo(1 / (i + 1) / sum, 1.5));
  for (const share of shares("uniform")) expect(share).toBeCloseTo(0.25, 1.5);
});
