import { describe, expect, test } from "vitest";
import { encodeMessage } from "../../src/wire/codec.ts";
import { controlFrame, FRAME_BYTES_MAX, LaneSender, NO_NOTES } from "../../src/wire/frame.ts";
import { type Figures, figuresOf, groupingOf, median, percentile, ratios, rounded } from "./figures.ts";
import { FRAME_BYTES, type FloorMessage, FrameWriter, readFrame } from "./floor.ts";
import { messagesIn } from "./traffic.ts";

describe("figures", () => {
  test("the median is the middle, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 10])).toBe(3);
    expect(median([])).toBeNaN();
  });

  test("percentiles are values that were seen", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });

  test("of a round add up what the tabs saw", () => {
    const samples = [
      { elapsedMs: 1_000, gets: [1, 2, 3], puts: [10] },
      { elapsedMs: 2_000, gets: [4], puts: [20, 30, 40] },
    ];
    expect(figuresOf(samples, 0.008)).toEqual({
      throughput: 6,
      getP50Ms: 2,
      getP99Ms: 4,
      putP50Ms: 20,
      putP99Ms: 40,
      cpuMicrosPerRequest: 1_000,
    });
  });

  test("a ratio compares within each round, so that a slow round of both changes nothing", () => {
    const all = (value: number): Figures => ({
      throughput: value,
      getP50Ms: value,
      getP99Ms: value,
      putP50Ms: value,
      putP99Ms: value,
      cpuMicrosPerRequest: value,
    });
    expect(ratios([all(200), all(20), all(90)], [all(100), all(10), all(100)])).toEqual(all(2));
  });

  test("grouping is told for all tabs together", () => {
    const tab = {
      writeTransactions: 2,
      recordsWritten: 20,
      readTransactions: 0,
      recordsRead: 0,
      frames: 5,
      frameBytes: 5_000,
      messages: 15,
    };
    const grouping = groupingOf([tab, { ...tab, frames: 10 }], 10);
    expect(grouping).toMatchObject({ recordsPerTransaction: 10, transactionsPerRequest: 0.4, messagesPerFrame: 2 });
    expect(rounded(grouping.readsPerTransaction)).toBeNull();
    expect(rounded(1_234.5)).toBe(1_230);
  });
});

describe("the floor's frames", () => {
  const messages: FloorMessage[] = [
    { kind: "put", request: 1, key: "user1", value: Uint8Array.of(1, 2, 3) },
    { kind: "get", request: 2, key: "user22" },
    { kind: "found", request: 0xffff_ffff, value: new Uint8Array(900).fill(7) },
    { kind: "stored", request: 4 },
    { kind: "missing", request: 5 },
  ];

  test("carry what was put in, and values of their own", () => {
    const writer = new FrameWriter();
    for (const message of messages) expect(writer.add(message)).toBe(true);
    const frame = writer.take().slice();
    const read = readFrame(frame);
    expect(read).toEqual(messages);
    const [put] = read;
    expect(put?.kind === "put" && put.value.buffer.byteLength).toBe(3);
    expect(writer.take()).toHaveLength(0);
  });

  test("end at 16 KiB", () => {
    const writer = new FrameWriter();
    const message: FloorMessage = { kind: "found", request: 1, value: new Uint8Array(900) };
    let added = 0;
    while (writer.add(message)) added++;
    expect(added).toBe(Math.floor(FRAME_BYTES / 907));
    expect(readFrame(writer.take())).toHaveLength(added);
  });
});

test("messages in a frame of a link are counted, whole ones and parts", () => {
  const sender = new LaneSender("foreground");
  const ping = encodeMessage({ kind: "ping", sequence: 1, epoch: 1 }, 1);
  for (let i = 0; i < 5; i++) sender.enqueue(ping);
  expect(messagesIn(sender.frame(NO_NOTES, FRAME_BYTES_MAX))).toBe(5);
  sender.enqueue(new Uint8Array(100_000));
  expect(messagesIn(sender.frame(NO_NOTES, FRAME_BYTES_MAX))).toBe(1);
  expect(messagesIn(sender.frame(NO_NOTES, FRAME_BYTES_MAX))).toBe(1);
  expect(messagesIn(controlFrame(NO_NOTES))).toBe(0);
});
