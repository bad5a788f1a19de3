/** Values that hold from a moment on until the next one, in the order of their moments. */

import type { Millis } from "../core/identifiers.ts";

export interface Moment<Value> {
  readonly at: Millis;
  readonly what: Value;
}

/** `at` is not before the last one. */
export function addMoment<Value>(moments: Moment<Value>[], at: Millis, what: Value): void {
  moments.push({ at, what });
}

/** What held at this moment; undefined before the first one. */
export function momentAt<Value>(moments: readonly Moment<Value>[], at: Millis): Value | undefined {
  const count = countUpTo(moments, at);
  return count === 0 ? undefined : moments[count - 1]!.what;
}

/** How many of them, in the order of their moments, are not after this one. */
export function countUpTo(moments: readonly { readonly at: Millis }[], at: Millis): number {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (moments[middle]!.at <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lets go of what held no more at this moment. */
export function forgetBefore<Value>(moments: Moment<Value>[], at: Millis): void {
  const over = countUpTo(moments, at) - 1;
  if (over > 0) moments.splice(0, over);
}
