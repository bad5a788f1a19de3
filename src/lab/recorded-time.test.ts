import { expect, test } from "vitest";
import { toHex } from "../base/bytes.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import type { Ping } from "../core/message.ts";
import { RecordedTime, SHOWN_MS } from "./recorded-time.ts";
import { HappeningWriter, NO_FAULTS, SpeechReader, sealReport } from "./tab-reports.ts";
import { TabsRecording } from "./tabs-recording.ts";

const [A, B] = [1, 2].map((n) => toHex(new Uint8Array(16).fill(n)) as NodeId) as [NodeId, NodeId];

/** Two tabs of which one sends pings that the other receives two milliseconds later. */
class Pings {
  now: Millis = 1_000;
  readonly recording = new TabsRecording(this.now, {
    ask: () => undefined,
    look: () => undefined,
    refused: () => undefined,
  });
  readonly time = new RecordedTime(this.recording, () => this.now - 1_000);
  readonly #reader = new SpeechReader();
  readonly #writers = new Map([A, B].map((node) => [node, new HappeningWriter(() => this.now)] as const));
  #pings = 0;

  ping(): void {
    const message: Ping = { kind: "ping", sequence: ++this.#pings, epoch: 0 };
    this.#writers
      .get(A)!
      .stepped({ kind: "wake", at: 0 }, [{ kind: "send", to: B, epoch: 0, lane: "foreground", message }]);
    this.now += 2;
    this.#writers.get(B)!.stepped({ kind: "message-received", at: 0, from: A, epoch: 0, message }, []);
  }

  pass(ms: Millis): void {
    this.now += ms;
    for (const [node, writer] of this.#writers)
      this.recording.take(
        this.#reader.read(
          sealReport({
            node,
            at: this.now,
            phase: "open",
            isLight: false,
            faults: NO_FAULTS,
            snapshot: undefined,
            ...writer.take(),
          }),
        ),
        this.now,
      );
    this.recording.pump(this.now);
  }
}

test("followed it is the present, as far as it is recorded; held it stays, while the recording goes on", () => {
  const pings = new Pings();
  const { time } = pings;
  pings.pass(100);
  time.follow();
  expect([time.now, time.follows]).toEqual([100, true]);
  time.hold();
  pings.pass(400);
  expect([time.now, time.endsAt, time.follows]).toEqual([100, 500, false]);
  time.playTo(250);
  expect(time.now).toBe(250);
  time.playTo(100);
  expect(time.now).toBe(250);
  time.seek(100);
  expect([time.now, time.world.now]).toEqual([100, 100]);
  time.seek(9_999);
  expect(time.now).toBe(500);
  pings.now += 50;
  time.follow();
  // The last 50 ms were not told yet.
  expect(time.now).toBe(500);
});

test("step by step through what the trace tells, and no further", () => {
  const pings = new Pings();
  const { time } = pings;
  pings.pass(100);
  pings.ping();
  pings.pass(100);
  time.seek(0);
  expect(time.stepRecord()).toBe(true);
  expect([time.now, time.world.trace.map(({ event }) => event.what)]).toEqual([100, ["sent"]]);
  expect(time.stepRecord()).toBe(true);
  expect([time.now, time.world.trace.map(({ event }) => event.what)]).toEqual([102, ["sent", "received"]]);
  expect(time.stepRecord()).toBe(false);
  expect(time.now).toBe(102);
});

test("a message is drawn for a while in the present, and as long as it really took in the past", () => {
  const pings = new Pings();
  const { time } = pings;
  pings.pass(100);
  pings.ping();
  pings.pass(10);
  time.follow();
  expect(time.world.flights.map(({ fate, sentAt, endedAt }) => [fate, sentAt, endedAt])).toEqual([
    ["arrived", 100, 102],
  ]);
  expect(time.flightsShown(false).map(({ fate, arrivesAt }) => [fate, arrivesAt])).toEqual([
    ["under-way", 100 + SHOWN_MS],
  ]);
  expect(time.flightsShown(true).map(({ arrivesAt }) => arrivesAt)).toEqual([undefined]);
  time.seek(101);
  expect(time.flightsShown(false).map(({ fate, arrivesAt }) => [fate, arrivesAt])).toEqual([["under-way", 102]]);
  time.seek(103);
  expect(time.flightsShown(false)).toEqual([]);
  pings.pass(SHOWN_MS);
  time.follow();
  expect(time.flightsShown(false)).toEqual([]);
});
