/** From what the tabs saw to the figures that are told: medians of rounds, and ratios of one round's two systems, which a shared machine disturbs least. */

import type { Sample } from "./closed-loop.ts";
import type { Traffic } from "./traffic.ts";

/** One system in one round, or the medians of several. */
export interface Figures {
  /** Requests answered in a second, by all tabs together. */
  readonly throughput: number;
  readonly getP50Ms: number;
  readonly getP99Ms: number;
  readonly putP50Ms: number;
  readonly putP99Ms: number;
  /** Processor time of all processes of the browser for one request. */
  readonly cpuMicrosPerRequest: number;
}

/** What a request costs on disk and wire, and what grouping makes of it; over all tabs. */
export interface Grouping {
  readonly recordsPerTransaction: number;
  readonly readsPerTransaction: number;
  readonly transactionsPerRequest: number;
  readonly messagesPerFrame: number;
  readonly framesPerRequest: number;
  readonly bytesPerRequest: number;
}

const FIGURES = ["throughput", "getP50Ms", "getP99Ms", "putP50Ms", "putP99Ms", "cpuMicrosPerRequest"] as const;

/** The middle value; between the two middle ones when their number is even. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** The least value that a `share` of all values do not exceed (nearest rank). NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** One round, from the samples of the tabs that loaded and the processor time that it took. */
export function figuresOf(samples: readonly Sample[], cpuSeconds: number): Figures {
  const gets = samples.flatMap((sample) => sample.gets);
  const puts = samples.flatMap((sample) => sample.puts);
  const requests = gets.length + puts.length;
  return {
    throughput: samples.reduce(
      (sum, each) => sum + (each.gets.length + each.puts.length) / (each.elapsedMs / 1_000),
      0,
    ),
    getP50Ms: percentile(gets, 0.5),
    getP99Ms: percentile(gets, 0.99),
    putP50Ms: percentile(puts, 0.5),
    putP99Ms: percentile(puts, 0.99),
    cpuMicrosPerRequest: (cpuSeconds * 1_000_000) / requests,
  };
}

function ofEach(figure: (name: keyof Figures) => number): Figures {
  return Object.fromEntries(FIGURES.map((name) => [name, figure(name)])) as unknown as Figures;
}

export function medians(rounds: readonly Figures[]): Figures {
  return ofEach((name) => median(rounds.map((round) => round[name])));
}

/** `ours` over `base`, the same rounds of two systems. The median of each round's quotient, because what disturbs a round disturbs both. */
export function ratios(ours: readonly Figures[], base: readonly Figures[]): Figures {
  return ofEach((name) => median(ours.map((figures, round) => figures[name] / base[round]![name])));
}

export function groupingOf(tabs: readonly Traffic[], requests: number): Grouping {
  const sum = (name: keyof Traffic): number => tabs.reduce((total, tab) => total + tab[name], 0);
  return {
    recordsPerTransaction: sum("recordsWritten") / sum("writeTransactions"),
    readsPerTransaction: sum("recordsRead") / sum("readTransactions"),
    transactionsPerRequest: (sum("writeTransactions") + sum("readTransactions")) / requests,
    messagesPerFrame: sum("messages") / sum("frames"),
    framesPerRequest: sum("frames") / requests,
    bytesPerRequest: sum("frameBytes") / requests,
  };
}

/** Three significant digits, for people and for a short line of JSON; what there was none of stays `null`. */
export function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : null;
}
