import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameOpener, FrameSealer, SEAL_BYTES } from "./seal.ts";

const key = new Uint8Array(32).fill(7);
const frame = new Uint8Array([1, 2, 3, 4]);

test("frames open in the order in which they were sealed", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (frames) => {
      const sealer = new FrameSealer(key);
      const opener = new FrameOpener(key);
      for (const each of frames) {
        const sealed = sealer.seal(each);
        expect(sealed.length).toBe(each.length + SEAL_BYTES);
        expect(opener.open(sealed)).toEqual(each);
      }
    }),
  );
});

test("equal frames are sealed differently", () => {
  const sealer = new FrameSealer(key);
  expect(sealer.seal(frame)).not.toEqual(sealer.seal(frame));
});

test("a flipped bit anywhere does not open", () => {
  const sealed = new FrameSealer(key).seal(frame);
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = sealed.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(new FrameOpener(key).open(flipped)).toBeUndefined();
  }
});

test("a repeated, skipped, short or foreign frame does not open", () => {
  const sealer = new FrameSealer(key);
  const [first, second] = [sealer.seal(frame), sealer.seal(frame)];
  const opener = new FrameOpener(key);
  expect(opener.open(first)).toEqual(frame);
  expect(opener.open(first)).toBeUndefined();
  expect(new FrameOpener(key).open(second)).toBeUndefined();
  expect(new FrameOpener(key).open(first.subarray(0, SEAL_BYTES - 1))).toBeUndefined();
  expect(new FrameOpener(new Uint8Array(32)).open(first)).toBeUndefined();
});
