/**
 * What a node has counted, as plain data; how several nodes' counts make one; and the figures that the paper gives: percentiles up to the 99.9th
 * (section 6.1), the share of reads that saw one, two, three or more versions (6.3), nodes out of balance (figure 6), and requests answered without
 * a time-out (7). `bookkeeping.ts` counts, `survey.ts` asks the other members.
 *
 * Merging adds: it is commutative and associative, but for `upMs`, of which the longest stays. Limits: STATISTICS_MINUTES entries of minutes, and of the
 * histograms those of base/histogram.ts.
 */

import { EMPTY_HISTOGRAM, Histogram, type HistogramData } from "../base/histogram.ts";
import type { Millis, NodeId } from "./identifiers.ts";

/** Whole minutes that the figures over time reach back (paper, figure 6), and the one under way. */
export const STATISTICS_MINUTES = 31;
/** A node is out of balance when its load is off the mean by more than this (paper, section 6.2). */
export const BALANCE_THRESHOLD = 0.15;
/** Gets that were answered with 0, 1, 2, 3, and 4 or more versions. */
export const VERSIONS_SEEN = 5;

/** What else is counted, since the start of the node. */
export const COUNTED = [
  /** Requests coordinated here, for callers of this node and for others. */
  "coordinated",
  /** Requests of this node's callers that were handed to another node to coordinate. */
  "forwarded",
  /** Of those coordinated: for a key that this node neither owns nor counts for. */
  "stood-in",
  /** Requests that their callers gave up; counted nowhere else. */
  "abandoned",
  /** Reads and writes of this node's own records for callers, its own and others'. Its load, as the placement deals it out. */
  "served",
  "hints-kept",
  "hints-delivered",
  "hints-refused",
  "read-repairs",
  "damaged-records",
  /** Writes that were acknowledged from memory; that waited for the disk because the buffer was full; crashes and failures that may have taken some. */
  "buffered",
  "buffer-full",
  "buffer-lost",
  "late-messages",
  /** Records that were nothing but tombstones, dropped here by proof; see `reaping.ts`. */
  "tombstones-reaped",
  /** Requests and background work of peers that asked for too much; see `peer-limits.ts`. */
  "limited",
] as const;
export type Counted = (typeof COUNTED)[number];

/** All that `RequestFailure` of message.ts can say. */
export const FAILURE_CODES = ["quorum", "too-many-siblings", "not-ready", "overloaded", "storage"] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** The gets, or the puts, that callers asked of this node itself. */
export interface OperationStatistics {
  readonly answered: number;
  /** By why they failed. */
  readonly failed: Readonly<Record<FailureCode, number>>;
  /** Of those that failed: because their time was over. */
  readonly timedOut: number;
  /** Microseconds from the request to its answer, failures included, but not those that were turned away at once. */
  readonly latencyMicros: HistogramData;
  /** The same of those answered in the last 60 to 70 seconds. */
  readonly recentMicros: HistogramData;
}

export interface MinuteStatistics {
  /** Gets and puts of callers that ended in this minute. */
  readonly requests: number;
  /** Of those: answered; see `answeredShare`. */
  readonly answered: number;
  /** See COUNTED. */
  readonly served: number;
}

export interface StatisticsSnapshot {
  /** How long this start of the node has counted. */
  readonly upMs: Millis;
  readonly gets: OperationStatistics;
  readonly puts: OperationStatistics;
  /** VERSIONS_SEEN numbers: gets by how many versions, deletes among them, their answer had; the last one is "or more". */
  readonly versionsSeen: readonly number[];
  readonly counts: Readonly<Record<Counted, number>>;
  /** Newest first; the first is the minute under way. At most STATISTICS_MINUTES. */
  readonly minutes: readonly MinuteStatistics[];
  /** How much time `minutes` cover. */
  readonly minutesMs: Millis;
}

export function noCounts<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

export const NO_OPERATIONS: OperationStatistics = {
  answered: 0,
  failed: noCounts(FAILURE_CODES),
  timedOut: 0,
  latencyMicros: EMPTY_HISTOGRAM,
  recentMicros: EMPTY_HISTOGRAM,
};

export const NO_STATISTICS: StatisticsSnapshot = {
  upMs: 0,
  gets: NO_OPERATIONS,
  puts: NO_OPERATIONS,
  versionsSeen: Array.from({ length: VERSIONS_SEEN }, () => 0),
  counts: noCounts(COUNTED),
  minutes: [],
  minutesMs: 0,
};

// Merging

function added<Name extends string>(
  names: readonly Name[],
  a: Readonly<Record<Name, number>>,
  b: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const sum = noCounts(names);
  for (const name of names) sum[name] = a[name] + b[name];
  return sum;
}

function mergedHistogram(a: HistogramData, b: HistogramData): HistogramData {
  return new Histogram().include(a).include(b).data;
}

function mergedOperations(a: OperationStatistics, b: OperationStatistics): OperationStatistics {
  return {
    answered: a.answered + b.answered,
    failed: added(FAILURE_CODES, a.failed, b.failed),
    timedOut: a.timedOut + b.timedOut,
    latencyMicros: mergedHistogram(a.latencyMicros, b.latencyMicros),
    recentMicros: mergedHistogram(a.recentMicros, b.recentMicros),
  };
}

/** Two nodes as if they were one. Minutes are matched by their age; nodes' minutes do not begin together, so that a minute is off by up to one. */
export function mergeStatistics(a: StatisticsSnapshot, b: StatisticsSnapshot): StatisticsSnapshot {
  const longer = Math.max(a.minutes.length, b.minutes.length);
  return {
    upMs: Math.max(a.upMs, b.upMs),
    gets: mergedOperations(a.gets, b.gets),
    puts: mergedOperations(a.puts, b.puts),
    versionsSeen: a.versionsSeen.map((count, i) => count + (b.versionsSeen[i] ?? 0)),
    counts: added(COUNTED, a.counts, b.counts),
    minutes: Array.from({ length: longer }, (_, age) => {
      const [one, other] = [a.minutes[age], b.minutes[age]];
      return {
        requests: (one?.requests ?? 0) + (other?.requests ?? 0),
        answered: (one?.answered ?? 0) + (other?.answered ?? 0),
        served: (one?.served ?? 0) + (other?.served ?? 0),
      };
    }),
    minutesMs: Math.max(a.minutesMs, b.minutesMs),
  };
}

// Figures

/** Milliseconds, to within base/histogram.ts's error; mean and maximum are exact. All 0 when `count` is. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: Millis;
  readonly p50Ms: Millis;
  readonly p90Ms: Millis;
  readonly p99Ms: Millis;
  readonly p999Ms: Millis;
  readonly maxMs: Millis;
}

export function latencySummary(micros: HistogramData): LatencySummary {
  const histogram = new Histogram().include(micros);
  const ms = (percent: number) => histogram.percentile(percent) / 1_000;
  return {
    count: histogram.count,
    meanMs: histogram.mean / 1_000,
    p50Ms: ms(50),
    p90Ms: ms(90),
    p99Ms: ms(99),
    p999Ms: ms(99.9),
    maxMs: histogram.max / 1_000,
  };
}

/** Requests that ended, however they did. */
export function requestsOf({ answered, failed }: OperationStatistics): number {
  return FAILURE_CODES.reduce((sum, code) => sum + failed[code], answered);
}

/**
 * The share of requests that were answered, 0 to 1; undefined when there were none. A put that is refused because its key has too many siblings is
 * answered: the store works, and says what to do.
 */
export function answeredShare(...operations: readonly OperationStatistics[]): number | undefined {
  const requests = operations.reduce((sum, each) => sum + requestsOf(each), 0);
  const answered = operations.reduce((sum, each) => sum + each.answered + each.failed["too-many-siblings"], 0);
  return requests === 0 ? undefined : answered / requests;
}

/** The share of requests that did not run out of time, 0 to 1 (paper, section 7: 99.9995 percent); undefined when there were none. */
export function inTimeShare(...operations: readonly OperationStatistics[]): number | undefined {
  const requests = operations.reduce((sum, each) => sum + requestsOf(each), 0);
  const timedOut = operations.reduce((sum, each) => sum + each.timedOut, 0);
  return requests === 0 ? undefined : 1 - timedOut / requests;
}

/** The share of gets by the number of versions that they saw (paper, section 6.3), in the order of `versionsSeen`; all 0 when there were none. */
export function versionShares({ versionsSeen }: StatisticsSnapshot): readonly number[] {
  const gets = versionsSeen.reduce((sum, count) => sum + count, 0);
  return versionsSeen.map((count) => (gets === 0 ? 0 : count / gets));
}

export interface NodeLoad {
  readonly node: NodeId;
  readonly capacity: number;
  readonly statistics: StatisticsSnapshot;
}

export interface NodeBalance {
  readonly node: NodeId;
  /** Whole minutes that were looked at: 30, or as many as the node has run. */
  readonly minutes: number;
  /** Requests that it served, a minute. */
  readonly perMinute: number;
  /** What it would have served by its capacity in the same minutes, had all who ran for so long served alike. */
  readonly sharePerMinute: number;
  /** How far the former is off the latter: 0.2 is a fifth above, -1 is nothing at all. */
  readonly off: number;
}

export interface Balance {
  /** All that have capacity and have run for a minute or more. */
  readonly nodes: readonly NodeBalance[];
  /** Those off by more than BALANCE_THRESHOLD. */
  readonly outOfBalance: readonly NodeId[];
}

/**
 * Who is out of balance, over half an hour (paper, figure 6). A node of capacity 0 has no share of the load, and no say. The minute under way is left
 * out: nodes' minutes do not begin together.
 */
export function balanceOf(loads: readonly NodeLoad[]): Balance {
  const minutesOf = ({ statistics }: NodeLoad) =>
    Math.min(STATISTICS_MINUTES - 1, Math.floor(statistics.minutesMs / 60_000));
  const servedIn = ({ statistics }: NodeLoad, minutes: number) =>
    statistics.minutes.slice(1, 1 + minutes).reduce((sum, minute) => sum + minute.served, 0);
  const able = loads.filter((load) => load.capacity > 0 && minutesOf(load) > 0);
  const nodes = able.map((load) => {
    const minutes = minutesOf(load);
    const alike = able.filter((other) => minutesOf(other) >= minutes);
    const capacity = alike.reduce((sum, other) => sum + other.capacity, 0);
    const served = alike.reduce((sum, other) => sum + servedIn(other, minutes), 0);
    const perMinute = servedIn(load, minutes) / minutes;
    const sharePerMinute = (served * load.capacity) / (capacity * minutes);
    return {
      node: load.node,
      minutes,
      perMinute,
      sharePerMinute,
      off: sharePerMinute === 0 ? 0 : perMinute / sharePerMinute - 1,
    };
  });
  return { nodes, outOfBalance: nodes.filter(({ off }) => Math.abs(off) > BALANCE_THRESHOLD).map(({ node }) => node) };
}

export interface OperationFigures {
  readonly requests: number;
  readonly answered: number;
  readonly failed: Readonly<Record<FailureCode, number>>;
  readonly timedOut: number;
  /** Since the start of the node. */
  readonly latency: LatencySummary;
  /** Of the last 60 to 70 seconds. */
  readonly lastMinute: LatencySummary;
}

/** A snapshot in the figures of the paper. */
export interface StatisticsFigures {
  readonly upMs: Millis;
  readonly gets: OperationFigures;
  readonly puts: OperationFigures;
  readonly answeredShare: number | undefined;
  readonly inTimeShare: number | undefined;
  /** Gets that saw 0, 1, 2, 3, and 4 or more versions, and their shares of all. */
  readonly versionsSeen: readonly number[];
  readonly versionShares: readonly number[];
  readonly counts: StatisticsSnapshot["counts"];
  /** Newest first; the first is the minute under way. */
  readonly minutes: readonly MinuteStatistics[];
}

function operationFigures(operations: OperationStatistics): OperationFigures {
  const { answered, failed, timedOut, latencyMicros, recentMicros } = operations;
  return {
    requests: requestsOf(operations),
    answered,
    failed,
    timedOut,
    latency: latencySummary(latencyMicros),
    lastMinute: latencySummary(recentMicros),
  };
}

export function figuresOf(snapshot: StatisticsSnapshot): StatisticsFigures {
  const { upMs, gets, puts, versionsSeen, counts, minutes } = snapshot;
  return {
    upMs,
    gets: operationFigures(gets),
    puts: operationFigures(puts),
    answeredShare: answeredShare(gets, puts),
    inTimeShare: inTimeShare(gets, puts),
    versionsSeen,
    versionShares: versionShares(snapshot),
    counts,
    minutes,
  };
}
