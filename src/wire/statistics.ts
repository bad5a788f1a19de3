/** What a node has counted (core/statistics.ts), as bytes: a write and a read function side by side, with the grammar above; `*` is a counted list. */

import { BUCKETS_MAX, type HistogramData, VALUE_MAX } from "../base/histogram.ts";
import {
  COUNTED,
  type Counted,
  FAILURE_CODES,
  type MinuteStatistics,
  type OperationStatistics,
  STATISTICS_MINUTES,
  type StatisticsSnapshot,
  VERSIONS_SEEN,
  noCounts,
} from "../core/statistics.ts";
import {
  type Decoder,
  type Encoder,
  readCount,
  readMillis,
  readUint,
  writeCount,
  writeMillis,
  writeUint,
} from "./primitives.ts";

/** What is counted since version 2. */
const COUNTED_SINCE_2: readonly Counted[] = ["tombstones-reaped"];

function countedIn(form: number): readonly Counted[] {
  return form >= 2 ? COUNTED : COUNTED.filter((name) => !COUNTED_SINCE_2.includes(name));
}

/** statistics: upMs gets puts versionsSeen (five numbers) counts (one for each name of the form, in the order of COUNTED) minute* minutesMs */
export function writeStatistics(encoder: Encoder, statistics: StatisticsSnapshot, form: number): void {
  writeMillis(encoder, statistics.upMs);
  writeOperations(encoder, statistics.gets);
  writeOperations(encoder, statistics.puts);
  for (let versions = 0; versions < VERSIONS_SEEN; versions++)
    writeTotal(encoder, statistics.versionsSeen[versions] ?? 0);
  writeCounts(encoder, countedIn(form), statistics.counts);
  writeCount(encoder, statistics.minutes.length);
  for (const minute of statistics.minutes) writeMinute(encoder, minute);
  writeMillis(encoder, statistics.minutesMs);
}
export function readStatistics(decoder: Decoder, form: number): StatisticsSnapshot {
  const upMs = readMillis(decoder, "the time since a start");
  const gets = readOperations(decoder);
  const puts = readOperations(decoder);
  const versionsSeen = Array.from({ length: VERSIONS_SEEN }, () => readUint(decoder, "gets by their versions"));
  const counts = { ...noCounts(COUNTED), ...readCounts(decoder, countedIn(form)) };
  const length = readCount(decoder, "minutes", STATISTICS_MINUTES, 3);
  const minutes = Array.from({ length }, () => readMinute(decoder));
  return { upMs, gets, puts, versionsSeen, counts, minutes, minutesMs: readMillis(decoder, "the time of all minutes") };
}

/** operations: answered failed (one for each code, in the order of FAILURE_CODES) timedOut latencyMicros recentMicros */
function writeOperations(encoder: Encoder, operations: OperationStatistics): void {
  writeTotal(encoder, operations.answered);
  writeCounts(encoder, FAILURE_CODES, operations.failed);
  writeTotal(encoder, operations.timedOut);
  writeHistogram(encoder, operations.latencyMicros);
  writeHistogram(encoder, operations.recentMicros);
}
function readOperations(decoder: Decoder): OperationStatistics {
  const answered = readUint(decoder, "requests answered");
  const failed = readCounts(decoder, FAILURE_CODES);
  const timedOut = readUint(decoder, "requests out of time");
  const latencyMicros = readHistogram(decoder);
  return { answered, failed, timedOut, latencyMicros, recentMicros: readHistogram(decoder) };
}

/** histogram: sum max (bucket count)*, each bucket as its distance from the one before */
function writeHistogram(encoder: Encoder, { sum, max, buckets }: HistogramData): void {
  writeTotal(encoder, sum);
  writeUint(encoder, max);
  writeCount(encoder, buckets.length);
  let from = 0;
  for (const { bucket, count } of buckets) {
    writeUint(encoder, bucket - from);
    writeTotal(encoder, count);
    from = bucket + 1;
  }
}
function readHistogram(decoder: Decoder): HistogramData {
  const sum = readUint(decoder, "a sum");
  const max = readUint(decoder, "a maximum", 0, VALUE_MAX);
  const length = readCount(decoder, "buckets", BUCKETS_MAX, 2);
  let from = 0;
  const buckets = Array.from({ length }, () => {
    const bucket = from + readUint(decoder, "a bucket", 0, BUCKETS_MAX - 1 - from);
    from = bucket + 1;
    return { bucket, count: readUint(decoder, "the count of a bucket", 1) };
  });
  return { sum, max, buckets };
}

/** minute: requests answered served */
function writeMinute(encoder: Encoder, { requests, answered, served }: MinuteStatistics): void {
  for (const total of [requests, answered, served]) writeTotal(encoder, total);
}
function readMinute(decoder: Decoder): MinuteStatistics {
  const requests = readUint(decoder, "the requests of a minute");
  const answered = readUint(decoder, "the answers of a minute");
  return { requests, answered, served: readUint(decoder, "what was served in a minute") };
}

function writeCounts<Name extends string>(
  encoder: Encoder,
  names: readonly Name[],
  counts: Readonly<Record<Name, number>>,
): void {
  for (const name of names) writeTotal(encoder, counts[name]);
}
function readCounts<Name extends string>(decoder: Decoder, names: readonly Name[]): Record<Name, number> {
  const counts = noCounts(names);
  for (const name of names) counts[name] = readUint(decoder, `the number of ${name}`);
  return counts;
}

/** Whatever was added up: no sum of a long life may be too large to be told. */
function writeTotal(encoder: Encoder, total: number): void {
  writeUint(encoder, Math.min(total, Number.MAX_SAFE_INTEGER));
}
