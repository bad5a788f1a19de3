/**
 * 52 bits over a text: two 32-bit lanes of multiply and xor, mixed at the end. For digests that are compared and added up, not against attackers.
 * 52 bits, because sums of two stay exact in a JavaScript number.
 */

/** One more than the largest digest. */
export const HASH52_END = 2 ** 52;

const LANE_A = 0x85ebca6b;
const LANE_B = 0xc2b2ae35;

/** A whole number from 0 to 2^52 - 1 that depends on every UTF-16 unit of `text` and its place. */
export function hash52(text: string): number {
  let a = 0x9e3779b9 ^ text.length;
  let b = 0x27d4eb2f;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, LANE_A);
    b = Math.imul(b ^ unit, LANE_B);
    // Without it the low bits would never hear of the high ones.
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  a = finish(a ^ Math.imul(b, LANE_A));
  b = finish(b ^ Math.imul(a, LANE_B));
  return (a >>> 12) * 2 ** 32 + (b >>> 0);
}

function finish(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, LANE_B);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, LANE_A);
  return mixed ^ (mixed >>> 16);
}
