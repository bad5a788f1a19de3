/**
 * Small values as JSON text in UTF-8, readable in any inspector. Canonical: arrays in a fixed order, no objects, no spaces; bytes that do not
 * come out the same when encoded again are refused by the callers, so that equal values are equal bytes.
 */

import { bytesEqual, LoneSurrogateError, utf8Decode, utf8Encode } from "../base/bytes.ts";

export type Json = string | number | readonly Json[];

export function encodeJson(value: Json): Uint8Array {
  return utf8Encode(JSON.stringify(value));
}

/** What the bytes say; undefined when they are over `bytesMax` or not JSON. */
export function decodeJson(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) return undefined;
  const text = utf8Decode(bytes);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** True when `value` encodes to exactly these bytes. */
export function isCanonical(value: Json, bytes: Uint8Array): boolean {
  try {
    return bytesEqual(encodeJson(value), bytes);
  } catch (error) {
    if (error instanceof LoneSurrogateError) return false; // JSON can escape one, UTF-8 cannot hold it
    throw error;
  }
}

/** The list as pairs of a text and something; undefined when it is not that. */
export function pairsOf<T>(list: unknown, valueOf: (value: unknown) => T | undefined): [string, T][] | undefined {
  if (!Array.isArray(list)) return undefined;
  const pairs: [string, T][] = [];
  for (const entry of list as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 2) return undefined;
    const [name, raw] = entry as [unknown, unknown];
    const value = valueOf(raw);
    if (typeof name !== "string" || value === undefined) return undefined;
    pairs.push([name, value]);
  }
  return pairs;
}

/** A whole number from 1 on; undefined when it is not that. */
export function positiveOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}
