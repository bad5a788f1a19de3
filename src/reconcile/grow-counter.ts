/**
 * A counter that only grows: each writer counts alone, the sum is the total, and merging takes the larger count of each writer. So concurrent
 * sales add up, and a sale that arrives twice counts once. (The sales rank; paper, section 6: business-logic specific reconciliation.)
 *
 * Limits: one entry per writer that ever counted; at most {@link COUNTER_BYTES_MAX} bytes, about 2,600 writers.
 */

import { TabringError } from "../core/errors.ts";
import { decodeJson, encodeJson, isCanonical, pairsOf, positiveOf, type Json } from "./canonical-json.ts";
import { sortedMap } from "./quantities.ts";
import { pairwise, type Reconcile } from "./strategy.ts";
import type { Writer } from "./writer.ts";

export const COUNTER_BYTES_MAX = 65_536;
const VERSION = 1;

/** Counts by writer; positive whole numbers, sorted by writer. */
export type GrowCounter = ReadonlyMap<string, number>;

export const ZERO: GrowCounter = new Map();

/** Bytes that are no counter, or a counter over its limit. */
export class MalformedCounterError extends TabringError {
  override readonly name: string = "MalformedCounterError";
  constructor(message: string) {
    super("malformed-counter", message);
  }
}

export function total(counter: GrowCounter): number {
  let sum = 0;
  for (const count of counter.values()) sum += count;
  return sum;
}

/** The counter, `by` larger (a positive whole number). */
export function increment(counter: GrowCounter, by: number, writer: Writer): GrowCounter {
  const id = writer.idOver((known) => counter.get(known) ?? 0);
  const count = (counter.get(id) ?? 0) + by;
  writer.wrote(count);
  return sortedMap(new Map(counter).set(id, count));
}

export const mergeGrowCounters: Reconcile<GrowCounter> = pairwise((a, b) => {
  const merged = new Map(a);
  for (const [writer, count] of b) merged.set(writer, Math.max(count, merged.get(writer) ?? 0));
  return sortedMap(merged);
});

function toJson(counter: GrowCounter): Json {
  return [VERSION, [...counter]];
}

/** Throws {@link MalformedCounterError} beyond the limit. */
export function encodeCounter(counter: GrowCounter): Uint8Array {
  const bytes = encodeJson(toJson(counter));
  if (bytes.length > COUNTER_BYTES_MAX)
    throw new MalformedCounterError(
      `The counter has ${counter.size} writers, more than fit into ${COUNTER_BYTES_MAX} bytes. Nothing was written. Count on under a new key.`,
    );
  return bytes;
}

/** Throws {@link MalformedCounterError} on anything that `encodeCounter` does not make. */
export function decodeCounter(bytes: Uint8Array): GrowCounter {
  const json = decodeJson(bytes, COUNTER_BYTES_MAX);
  const [version, list] = Array.isArray(json) ? (json as unknown[]) : [];
  const counts = pairsOf(list, positiveOf);
  if (version === VERSION && counts !== undefined) {
    const counter = sortedMap(counts);
    if (isCanonical(toJson(counter), bytes)) return counter;
  }
  throw new MalformedCounterError(
    "These bytes are no sales counter of this version. They were left as they are; count on from zero or look who wrote them.",
  );
}
