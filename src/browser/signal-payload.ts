/**
 * What two tabs say to each other while they negotiate a link, as the JSON payload of a signal.
 *
 *     knock      are you there? (from the one who dials)      want   please dial me (from the one who does not)
 *     offer, answer, candidate                                 what the browser says
 *
 * Each carries a sequence number that no other signal of its sender has, so that copies which came by several ways count once.
 * Everything that comes in is rebuilt field by field.
 */

import * as v from "valibot";

const description = v.pipe(v.string(), v.minLength(1), v.maxLength(12_000));
const rtcSignal = v.variant("type", [
  v.object({ type: v.literal("offer"), sdp: description }),
  v.object({ type: v.literal("answer"), sdp: description }),
  v.object({
    type: v.literal("candidate"),
    candidate: v.object({
      candidate: v.pipe(v.string(), v.maxLength(1_024)),
      sdpMLineIndex: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255))),
      sdpMid: v.nullable(v.pipe(v.string(), v.maxLength(64))),
    }),
  }),
]);
const signalPayload = v.object({
  sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  signal: v.variant("type", [
    v.object({ type: v.literal("knock") }),
    v.object({ type: v.literal("want") }),
    ...rtcSignal.options,
  ]),
});

/** What the browser itself has to say. */
export type RtcSignal = v.InferOutput<typeof rtcSignal>;
export type SignalPayload = v.InferOutput<typeof signalPayload>;

/** undefined: something else. */
export function parseRtcSignal(data: unknown): RtcSignal | undefined {
  const result = v.safeParse(rtcSignal, data);
  return result.success ? result.output : undefined;
}

/** undefined: something else. */
export function parseSignalPayload(text: string): SignalPayload | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = v.safeParse(signalPayload, parsed);
  return result.success ? result.output : undefined;
}

export function formatSignalPayload(payload: SignalPayload): string {
  return JSON.stringify(payload);
}
