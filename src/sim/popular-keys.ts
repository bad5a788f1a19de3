/** Which of a number of keys is asked for next: all alike, or the one of rank k in proportion to 1/k. Numbers from 0; the first is the most popular. */

import type { Prng } from "../base/prng.ts";

export function keyChooser(keys: "uniform" | "zipf", count: number, random: Prng): () => number {
  if (keys === "uniform") return () => random.below(count);
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sums.push((sum += 1 / rank));
  return () => {
    const drawn = (random.uint32() / 2 ** 32) * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! <= drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
