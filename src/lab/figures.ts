/**
 * The figures of a world while it runs: how long requests took and how many versions reads saw, of one node or of all as if they were one; load against the
 * mean; and the share of background work over the last minute. Everything is what the nodes have counted themselves (core/statistics.ts), cut into bars here.
 *
 * Limits: what a node counted ends with it: a node that started again begins anew. SHARE_SAMPLES_MAX samples of a share.
 */

import { leastOf, type HistogramData } from "../base/histogram.ts";
import type { AdmissionStatus } from "../core/admission.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import {
  BALANCE_THRESHOLD,
  type Balance,
  NO_STATISTICS,
  type StatisticsFigures,
  type StatisticsSnapshot,
  balanceOf,
  figuresOf,
  mergeStatistics,
} from "../core/statistics.ts";
import type { LabWorld } from "./world.ts";

export { BALANCE_THRESHOLD };

/** Buckets of a histogram in one bar: four bars to a doubling. */
const BUCKETS_PER_BAR = 8;

export interface LatencyBar {
  /** Milliseconds, from this on, and to before that. */
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly count: number;
}

export interface LiveFigures {
  /** Whose counts these are. */
  readonly nodes: readonly NodeId[];
  readonly figures: StatisticsFigures;
  /** Of a logarithmic scale: each bar is as wide as any. From the first that is not empty to the last. */
  readonly getBars: readonly LatencyBar[];
  readonly putBars: readonly LatencyBar[];
}

/** Of one node, or of all that run; undefined when there is nobody to ask. */
export function liveFigures(world: LabWorld, node: NodeId | undefined): LiveFigures | undefined {
  const asked = node === undefined ? world.nodes.map(({ id }) => id) : [node];
  const found = asked.flatMap((id) => {
    const statistics = world.statisticsOf(id);
    return statistics === undefined ? [] : [{ id, statistics }];
  });
  if (found.length === 0) return undefined;
  const merged = found.reduce<StatisticsSnapshot>(
    (sum, { statistics }) => mergeStatistics(sum, statistics),
    NO_STATISTICS,
  );
  return {
    nodes: found.map(({ id }) => id),
    figures: figuresOf(merged),
    getBars: latencyBars(merged.gets.latencyMicros),
    putBars: latencyBars(merged.puts.latencyMicros),
  };
}

export function latencyBars({ buckets }: HistogramData): LatencyBar[] {
  const counts = new Map<number, number>();
  for (const { bucket, count } of buckets) {
    const bar = Math.floor(bucket / BUCKETS_PER_BAR);
    counts.set(bar, (counts.get(bar) ?? 0) + count);
  }
  const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())];
  const bars: LatencyBar[] = [];
  for (let bar = first; bar <= last; bar++)
    bars.push({
      fromMs: leastOf(bar * BUCKETS_PER_BAR) / 1_000,
      toMs: leastOf((bar + 1) * BUCKETS_PER_BAR) / 1_000,
      count: counts.get(bar) ?? 0,
    });
  return bars;
}

/** Where a moment stands among bars, 0 to 1; on their scale. */
export function placeAmong(bars: readonly LatencyBar[], ms: Millis): number {
  const at = bars.findIndex(({ toMs }) => ms < toMs);
  if (at < 0) return 1;
  const { fromMs, toMs } = bars[at]!;
  return (at + Math.max(0, (ms - fromMs) / (toMs - fromMs))) / bars.length;
}

/** Load against the mean, over whole minutes: empty before the first of them is over. */
export function balanceIn(world: LabWorld): Balance {
  return balanceOf(
    world.nodes.flatMap(({ id, capacity }) => {
      const statistics = world.statisticsOf(id);
      return statistics === undefined ? [] : [{ node: id, capacity, statistics }];
    }),
  );
}

/** As `sharesOver` looks back, and samples are taken. */
export const SHARES_BACK_MS: Millis = 60_000;
const SAMPLE_MS: Millis = 200;
export const SHARE_SAMPLES_MAX = SHARES_BACK_MS / SAMPLE_MS + 2;

export interface ShareSample extends Pick<AdmissionStatus, "share" | "why" | "granted"> {
  readonly at: Millis;
  /** Kinds of work that waited. */
  readonly waiting: number;
}

/** What admission control did at one node in the last minute: a sample now and then, as somebody looks. Going back in time forgets what came after. */
export class ShareRecord {
  readonly #samples: ShareSample[] = [];

  get samples(): readonly ShareSample[] {
    return this.#samples;
  }

  add(at: Millis, { share, why, granted, waiting }: AdmissionStatus): void {
    while (this.#samples.length > 0 && this.#samples.at(-1)!.at > at) this.#samples.pop();
    const last = this.#samples.at(-1);
    const isNew = last === undefined || last.share !== share || last.why !== why || last.waiting !== waiting.length;
    if (!isNew && at - last.at < SAMPLE_MS) return;
    this.#samples.push({ at, share, why, granted, waiting: waiting.length });
    const first = this.#samples.findIndex((each) => each.at > at - SHARES_BACK_MS);
    // One before the minute begins: from there the line comes.
    this.#samples.splice(0, Math.max(0, first - 1, this.#samples.length - SHARE_SAMPLES_MAX));
  }
}

/** The same for each node of a world. */
export class ShareRecords {
  readonly #records = new Map<NodeId, ShareRecord>();

  of(node: NodeId): ShareRecord {
    let record = this.#records.get(node);
    if (record === undefined) this.#records.set(node, (record = new ShareRecord()));
    return record;
  }
}
