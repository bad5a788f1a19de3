import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Lane } from "../core/effect.ts";
import { MalformedMessageError, OversizedError } from "../core/errors.ts";
import {
  controlFrame,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  FRAME_KIND,
  FrameReader,
  goodbyeFrame,
  LaneReceiver,
  LaneSender,
  MESSAGE_BYTES_MAX,
  NO_NOTES,
  type Notes,
  QUEUE_BYTES_MAX,
  readGoodbye,
  readNotes,
  uintBytes,
  WINDOW_BYTES,
  writeUint,
} from "./frame.ts";

function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff);
}

/** Feeds one data frame to a receiver, as a link does. */
function take(receiver: LaneReceiver, frame: Uint8Array): Uint8Array[] {
  const reader = new FrameReader(frame);
  reader.byte();
  readNotes(reader);
  return receiver.take(reader, frame.length, 0);
}

/** A data frame of the foreground lane from hand-written records. */
function dataFrame(sequence: number, records: readonly number[]): Uint8Array {
  return new Uint8Array([FRAME_KIND.foreground, 0, sequence, ...records]);
}

function uintOf(value: number): number[] {
  const bytes = new Uint8Array(uintBytes(value));
  writeUint(bytes, 0, value);
  return [...bytes];
}

describe("numbers", () => {
  test("survive the trip, in the length that was said", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = new Uint8Array(uintBytes(value));
        expect(writeUint(bytes, 0, value)).toBe(bytes.length);
        const reader = new FrameReader(bytes);
        expect(reader.uint()).toBe(value);
        reader.end();
      }),
    );
  });

  test.each([
    ["a longer form than needed", [0x80, 0x00]],
    ["more than 2^53 - 1", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["no end", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["cut off", [0x80]],
  ])("refuses %s", (_, bytes) => {
    expect(() => new FrameReader(new Uint8Array(bytes)).uint()).toThrow(MalformedMessageError);
  });
});

test("notes survive the trip", () => {
  const limit = fc.option(fc.maxSafeNat(), { nil: undefined });
  fc.assert(
    fc.property(
      fc.record({ ping: fc.boolean(), pong: fc.boolean(), foreground: limit, background: limit }),
      (notes: Notes) => {
        const reader = new FrameReader(controlFrame(notes));
        expect(reader.byte()).toBe(FRAME_KIND.control);
        expect(readNotes(reader)).toEqual(notes);
        reader.end();
      },
    ),
  );
});

test("a goodbye carries a short printable text and nothing else", () => {
  const told = (frame: Uint8Array) => readGoodbye(new FrameReader(frame.subarray(1)));
  expect(told(goodbyeFrame("tab closed"))).toBe("tab closed");
  expect(told(goodbyeFrame("tab\nclosed \ud800"))).toBe("tab?closed ?");
  expect(told(goodbyeFrame("x".repeat(1_000)))).toBe("x".repeat(100));
  expect(() => told(new Uint8Array([FRAME_KIND.goodbye, 10]))).toThrow(MalformedMessageError);
  expect(() => told(new Uint8Array(200).fill(0x61))).toThrow(MalformedMessageError);
});

describe("a lane", () => {
  test("what one turn says is one frame", () => {
    const sender = new LaneSender("foreground");
    for (let i = 0; i < 40; i++) sender.enqueue(pattern(1_000, i));
    const frame = sender.frame(NO_NOTES, FRAME_BYTES_MAX);
    expect(sender.ready).toBe(false);
    expect(take(new LaneReceiver("foreground"), frame)).toEqual(
      Array.from({ length: 40 }, (_, i) => pattern(1_000, i)),
    );
  });

  test("what fits into a frame is not cut", () => {
    const sender = new LaneSender("foreground");
    const receiver = new LaneReceiver("foreground");
    sender.enqueue(pattern(40_000));
    sender.enqueue(pattern(40_000, 1));
    for (let i = 0; i < 2; i++) {
      const frame = sender.frame(NO_NOTES, FRAME_BYTES_MAX);
      expect(frame.length).toBeLessThan(40_010);
      expect(take(receiver, frame)).toHaveLength(1);
    }
  });

  test("any messages arrive whole and in order, in frames within their limit", () => {
    const size = fc.oneof(
      fc.nat(300),
      fc.constantFrom(0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537),
      fc.nat(200_000),
    );
    fc.assert(
      fc.property(
        fc.constantFrom<Lane>("foreground", "background"),
        fc.array(size, { maxLength: 12 }),
        fc.integer({ min: FRAME_BYTES_MIN - 16, max: FRAME_BYTES_MAX }),
        (lane, sizes, frameBytesMax) => {
          const sender = new LaneSender(lane);
          const receiver = new LaneReceiver(lane);
          const messages = sizes.map((length, i) => pattern(length, i));
          for (const message of messages) expect(sender.enqueue(message)).toBe(true);
          const received: Uint8Array[] = [];
          while (sender.ready) {
            const frame = sender.frame(NO_NOTES, frameBytesMax);
            expect(frame.length).toBeLessThanOrEqual(frameBytesMax);
            received.push(...take(receiver, frame));
            if (receiver.grantDue !== undefined) {
              sender.grant(receiver.grantDue);
              receiver.granted(receiver.grantDue);
            }
          }
          expect(received.length).toBe(messages.length);
          received.forEach((bytes, i) => expect(Buffer.compare(bytes, messages[i]!)).toBe(0));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("the largest message passes, one byte more does not", () => {
    const sender = new LaneSender("background");
    expect(sender.enqueue(new Uint8Array(MESSAGE_BYTES_MAX + 1))).toBe(false);
    expect(sender.enqueue(new Uint8Array(MESSAGE_BYTES_MAX))).toBe(true);
  });

  test.each(["foreground", "background"] as const)("the %s queue is bounded, for empty messages too", (lane) => {
    for (const length of [0, 100_000]) {
      const sender = new LaneSender(lane);
      let count = 0;
      while (sender.enqueue(new Uint8Array(length))) count++;
      expect(count).toBe(Math.floor(QUEUE_BYTES_MAX[lane] / (length + 64)));
    }
  });

  test("a sender without credit waits for it", () => {
    const sender = new LaneSender("background");
    sender.enqueue(new Uint8Array(2 * WINDOW_BYTES.background));
    let sent = 0;
    while (sender.ready) sent += sender.frame(NO_NOTES, FRAME_BYTES_MIN).length;
    expect(sent).toBeLessThanOrEqual(WINDOW_BYTES.background);
    expect(sent).toBeGreaterThan(WINDOW_BYTES.background - FRAME_BYTES_MAX - FRAME_BYTES_MIN);
    sender.grant(WINDOW_BYTES.background + 100_000);
    expect(sender.ready).toBe(true);
  });

  test("a grant that takes credit back, or grants what was never sent, is malformed", () => {
    const sender = new LaneSender("background");
    expect(() => sender.grant(WINDOW_BYTES.background - 1)).toThrow(MalformedMessageError);
    expect(() => sender.grant(WINDOW_BYTES.background + 1)).toThrow(MalformedMessageError);
  });

  test("a sender beyond its credit is named", () => {
    const sender = new LaneSender("background");
    const receiver = new LaneReceiver("background");
    sender.enqueue(new Uint8Array(2 * WINDOW_BYTES.background));
    expect(() => {
      for (;;) take(receiver, sender.frame(NO_NOTES, FRAME_BYTES_MIN));
    }).toThrow(/OversizedError|beyond its credit/);
  });

  test("a repeated or missing frame is malformed", () => {
    const receiver = new LaneReceiver("foreground");
    take(receiver, dataFrame(0, [0]));
    expect(() => take(receiver, dataFrame(0, [0]))).toThrow(MalformedMessageError);
    expect(() => take(receiver, dataFrame(2, [0]))).toThrow(MalformedMessageError);
  });

  test("an oversized declaration is refused before anything is allocated for it", () => {
    for (const total of [MESSAGE_BYTES_MAX + 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const frame = dataFrame(0, [4 + 1, ...uintOf(total), 7]);
      expect(() => take(new LaneReceiver("foreground"), frame)).toThrow(OversizedError);
    }
  });

  test.each([
    ["no records", []],
    ["a record of unknown kind", [4 + 3, 9]],
    ["a record longer than the frame", [5 * 4, 1, 2]],
    ["a part of nothing", [4 + 2, 1]],
    ["an empty first part", [1, 10]],
    ["a first part that is all", [4 + 1, 1, 9]],
    ["a message inside another", [4 + 1, 10, 9, 4, 9]],
    ["a beginning inside another", [4 + 1, 10, 9, 4 + 1, 10, 9]],
    ["an empty next part", [4 + 1, 10, 9, 2]],
    ["a next part beyond the total", [4 + 1, 2, 9, 8 + 2, 9, 9]],
  ])("refuses %s", (_, records) => {
    expect(() => take(new LaneReceiver("foreground"), dataFrame(0, records))).toThrow(MalformedMessageError);
  });

  test("a message is delivered only when it is whole", () => {
    const receiver = new LaneReceiver("foreground");
    expect(take(receiver, dataFrame(0, [4 + 1, 3, 7]))).toEqual([]);
    expect(receiver.waitsSince).toBe(0);
    expect(take(receiver, dataFrame(1, [4 + 2, 8]))).toEqual([]);
    expect(take(receiver, dataFrame(2, [4 + 2, 9, 0]))).toEqual([new Uint8Array([7, 8, 9]), new Uint8Array()]);
    expect(receiver.waitsSince).toBeUndefined();
  });
});
