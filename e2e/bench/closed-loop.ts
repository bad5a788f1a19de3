/**
 * The load: YCSB's workloads A (half reads, half updates of whole items) and B (95 of 100 are reads), every key as likely as any other, in a closed loop. So many loops run side by
 * side, each with one request under way; when it is answered, the next leaves. The same seed draws the same requests for both systems.
 */

import { Prng } from "../../src/base/prng.ts";

export interface System {
  /** The value; undefined when there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, value: Uint8Array): Promise<void>;
}

export type Workload = "a" | "b";

export interface Round {
  readonly workload: Workload;
  readonly inFlight: number;
  readonly durationMs: number;
  readonly keys: number;
  readonly seed: number;
}

/** What one tab saw in a round. */
export interface Sample {
  /** From the first request to the last answer. */
  readonly elapsedMs: number;
  /** Milliseconds of each get and put, in the order of the answers. */
  readonly gets: readonly number[];
  readonly puts: readonly number[];
}

export const VALUE_BYTES = 900;
const READ_SHARE: Readonly<Record<Workload, number>> = { a: 0.5, b: 0.95 };
/** Different values that are written; random bytes, so that nothing on the way gets away with compressing them. */
const VALUES = 64;
const LOADS_IN_FLIGHT = 64;

export function keyOf(number: number): string {
  return `user${number}`;
}

function someValues(random: Prng): Uint8Array[] {
  return Array.from({ length: VALUES }, () => Uint8Array.from({ length: VALUE_BYTES }, () => random.below(256)));
}

/** Puts every key once. */
export async function load(system: System, keys: number): Promise<void> {
  const values = someValues(Prng.fromNumber(keys));
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < keys) {
      const key = next++;
      await system.put(keyOf(key), values[key % VALUES]!);
    }
  };
  await Promise.all(Array.from({ length: LOADS_IN_FLIGHT }, loop));
}

/** Rejects when a request fails or a get does not give an item: figures of a system that does not work mean nothing. */
export async function closedLoop(
  system: System,
  { workload, inFlight, durationMs, keys, seed }: Round,
): Promise<Sample> {
  const random = Prng.fromNumber(seed);
  const values = someValues(random);
  const gets: number[] = [];
  const puts: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  const loop = async (): Promise<void> => {
    for (let at = performance.now(); at < until;) {
      const key = keyOf(random.below(keys));
      const reads = random.chance(READ_SHARE[workload]);
      if (reads) {
        const value = await system.get(key);
        if (value?.length !== VALUE_BYTES) throw new Error(`A get of ${key} gave ${value?.length ?? "no"} bytes.`);
      } else await system.put(key, random.pick(values)!);
      const now = performance.now();
      (reads ? gets : puts).push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return { elapsedMs: performance.now() - startedAt, gets, puts };
}
