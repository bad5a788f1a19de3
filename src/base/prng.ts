/**
 * Seeded random numbers (xoshiro128**, Blackman and Vigna 2018): 128 bits of state, so that different seeds are different runs.
 * The only source of chance below the driver. Not for secrets.
 */

/** Four unsigned 32-bit words, not all zero. */
export type Seed = readonly [number, number, number, number];

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: Seed) {
    [this.#a, this.#b, this.#c, this.#d] = seed.map((word) => word | 0) as [number, number, number, number];
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#d = 1;
  }

  /** Where it stands: equal ones draw equal numbers from here on. */
  get memory(): Seed {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  /** A generator from one number, spread over the whole state by splitmix32. */
  static fromNumber(seed: number): Prng {
    let state = (seed ^ (Math.floor(seed / 2 ** 32) * 0x9e3779b9)) | 0;
    const word = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    };
    return new Prng([word(), word(), word(), word()]);
  }

  /** Uniform over the unsigned 32-bit integers. */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** Uniform over 0 (inclusive) to `below` (exclusive); `below` at most 2^32. */
  below(below: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * below);
  }

  /** Uniform over `from` to `to`, both inclusive. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.uint32() / 0x1_0000_0000 < probability;
  }

  /** One of the items; undefined when there are none. */
  pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.below(items.length)];
  }

  /** A new array with the same items in random order (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const result = items.slice();
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  /** `bytes` random bytes as lower-case hexadecimal. */
  hex(bytes: number): string {
    let text = "";
    for (let i = 0; i < bytes; i++) text += (this.uint32() & 0xff).toString(16).padStart(2, "0");
    return text;
  }

  /** An independent generator, so that one consumer's draws do not shift another's. */
  fork(): Prng {
    return new Prng([this.uint32(), this.uint32(), this.uint32(), this.uint32()]);
  }
}
