/**
 * The figures of the paper that commands of this project regenerate, in one piece of plain data for the page that draws them: figure 4 (latencies through days),
 * figure 5 (durability against latency), figure 6 (nodes out of balance), the versions of section 6.3, figure 8 (placements) and table 2 (coordination). Everything is simulated, from seeds: the same parameters give the
 * same figures everywhere. Rounded, so that a file of them stays small.
 */

import { type CoordinationFigures, PAPER_TABLE_2, measureCoordination } from "./paper-coordination.ts";
import { type Imbalance, type Point, type Spread, measureFigure8, measureImbalance } from "./paper-balance.ts";
import { type Latency, type Loss, measureDurability } from "./paper-durability.ts";
import { type LatencyFigures, measureLatencies } from "./paper-latencies.ts";
import { PAPER_VERSIONS, type VersionFigures, measureVersions } from "./paper-versions.ts";

export interface PaperParameters {
  /** For figure 4. */
  readonly days: number;
  /** For the versions. */
  readonly watchedSeconds: number;
  /** Clusters of each placement. */
  readonly clusters: number;
  readonly seed: number;
  /** Of simulated load, for figure 5; and how often everything crashes. */
  readonly seconds: number;
  readonly trials: number;
  /** For table 2. */
  readonly requests: number;
}

export interface PaperResults {
  readonly command: string;
  readonly parameters: PaperParameters;
  readonly figure4: LatencyFigures;
  readonly versions: VersionFigures;
  readonly paperVersions: typeof PAPER_VERSIONS;
  readonly figure5: readonly Latency[];
  readonly losses: readonly Loss[];
  readonly figure6: readonly Imbalance[];
  readonly figure8: readonly Point[];
  readonly table2: readonly CoordinationFigures[];
  readonly paperTable2: typeof PAPER_TABLE_2;
}

export const paperParameters: PaperParameters = {
  days: 3,
  watchedSeconds: 60,
  clusters: 4,
  seed: 1,
  seconds: 10,
  trials: 2,
  requests: 4_000,
};

export function measurePaperResults(parameters: PaperParameters): PaperResults {
  const { days, watchedSeconds, clusters, seed, seconds, trials, requests } = parameters;
  const { latencies, losses } = measureDurability(seed, seconds, trials);
  return {
    command: "npm run paper:results",
    parameters,
    figure4: measureLatencies(seed, days),
    versions: measureVersions(seed, watchedSeconds),
    paperVersions: PAPER_VERSIONS,
    figure5: latencies.map(roundedLatency),
    losses,
    figure6: measureImbalance(clusters).map((row) => ({
      ...row,
      low: roundedSpread(row.low),
      high: roundedSpread(row.high),
    })),
    figure8: measureFigure8(clusters).byBytes.map(roundedPoint),
    table2: (["server-driven", "client-driven"] as const).map((coordination) =>
      roundedCoordination(measureCoordination(coordination, requests, seed)),
    ),
    paperTable2: PAPER_TABLE_2,
  };
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

export function roundedSpread({ mean, least, most }: Spread): Spread {
  return { mean: rounded(mean), least: rounded(least), most: rounded(most) };
}

function roundedPoint(point: Point): Point {
  return { ...point, efficiency: roundedSpread(point.efficiency) };
}

function roundedLatency(latency: Latency): Latency {
  const { p50Ms, p99Ms, p999Ms, series } = latency;
  return {
    ...latency,
    p50Ms: rounded(p50Ms),
    p99Ms: rounded(p99Ms),
    p999Ms: rounded(p999Ms),
    series: series.map(rounded),
  };
}

export function roundedCoordination(figures: CoordinationFigures): CoordinationFigures {
  const of = ({ mean, median, p999 }: CoordinationFigures["reads"]): CoordinationFigures["reads"] => ({
    mean: rounded(mean),
    median: rounded(median),
    p999: rounded(p999),
  });
  return {
    ...figures,
    reads: of(figures.reads),
    writes: of(figures.writes),
    messagesPerRequest: rounded(figures.messagesPerRequest),
  };
}
