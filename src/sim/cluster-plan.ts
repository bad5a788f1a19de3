/**
 * The world of one seed: who founds, who joins when, with which parameters, capacities, zones and bounds. Mostly small and short, because small
 * worlds meet most dangers soonest; three in ten are large (LARGE_NODES_MIN nodes and more) and long (LONG_MS and more), for what only crowds
 * and time bring.
 */

import type { Prng } from "../base/prng.ts";
import { type ClusterParameters, type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Millis } from "../core/identifiers.ts";

export const LARGE_NODES_MIN = 12;
export const LONG_MS: Millis = 600_000;
/** The share of large seeds. */
const LARGE = 0.3;
/** The share of seeds in which tokens are drawn by chance, half in placement 1, half in 2. */
const RANDOM_TOKENS = 0.2;

export interface Joining {
  readonly at: Millis;
  readonly capacity: number;
  readonly zone: string;
}

export interface ClusterPlan {
  readonly parameters: ClusterParameters;
  readonly founderCapacity: number;
  /** When each further node joins. */
  readonly joins: readonly Joining[];
  readonly config: Config;
  readonly workloadFrom: Millis;
  /** Faults and requests come until then. */
  readonly faultsUntil: Millis;
  /** Messages and records travel as bytes. */
  readonly usesCodec: boolean;
  readonly large: boolean;
}

export function drawCluster(prng: Prng): ClusterPlan {
  const large = prng.chance(LARGE);
  const count = large ? prng.between(LARGE_NODES_MIN, 18) : prng.between(1, 11);
  const founderCapacity = prng.chance(0.25) ? 0 : 1;
  const usual = prng.chance(0.5);
  const n = usual ? 3 : prng.between(1, 5);
  const asked = {
    n,
    r: usual ? 2 : prng.between(1, n),
    w: usual ? 2 : prng.between(1, n),
    // Fewer than there are nodes would leave some without a token.
    partitions: prng.pick(large ? [32, 64] : [16, 32, 64, 128])!,
  };
  const workloadFrom = prng.pick([2_000, 6_000, 15_000])!;
  const faultsUntil = workloadFrom + (large ? LONG_MS + prng.between(0, 60_000) : prng.between(10_000, 45_000));
  const late = prng.chance(0.5);
  const zones = prng.chance(0.3) ? prng.between(1, 3) : undefined;
  const joins = Array.from({ length: Math.max(founderCapacity === 0 ? 1 : 0, count - 1) }, (_, i) => ({
    at: late && prng.chance(0.5) ? prng.below(faultsUntil) : prng.below(2_000),
    capacity: prng.chance(0.85) ? 1 : prng.between(0, 4),
    zone: zones === undefined ? `zone-${i + 1}` : `zone-${prng.below(zones)}`,
  }));
  if (founderCapacity === 0 && joins.every((join) => join.capacity === 0))
    joins[0] = { ...joins[0]!, at: 0, capacity: 1 };
  const config: Config = {
    ...defaultConfig,
    cachedRecordsMax: prng.pick([1, 8, 4_096])!,
    transferPageBytesMax: prng.pick([1_000, 65_536])!,
    transfersInFlightMax: prng.pick([1, 8])!,
    hintsMax: prng.chance(0.15) ? prng.between(1, 20) : defaultConfig.hintsMax,
    hintsInFlightMax: prng.pick([1, 16])!,
    rebalanceAfterMs: prng.pick([1_000, 5_000])!,
    antiEntropyMs: prng.pick([2_000, 10_000])!,
    scrubMs: prng.pick([2_000, 10_000])!,
  };
  const usesCodec = prng.chance(0.12);
  const parameters = prng.chance(RANDOM_TOKENS)
    ? parametersFrom({ ...asked, placement: prng.pick([1, 2] as const)!, tokensPerNode: prng.pick([1, 4, 8, 16])! })
    : parametersFrom(asked);
  const limited = {
    ...config,
    ...drawLimits(prng),
    ...drawAdmission(prng),
    ...drawLog(prng),
    ...drawViewLimits(prng),
    ...drawHistory(prng),
  };
  return { parameters, founderCapacity, joins, config: limited, workloadFrom, faultsUntil, usesCodec, large };
}

/** How far background work gives way to callers: in some worlds hardly ever, in others always. What is left must be enough. */
function drawAdmission(prng: Prng): Partial<Config> {
  return {
    foregroundTargetMs: prng.pick([2, 20, 50, 500])!,
    backgroundPerSecond: prng.pick([40, 1_000])!,
    backgroundPerSecondMin: prng.pick([4, 20])!,
  };
}

/** One world in six has nodes that take little from each other; background work still gets done within the time for it. */
function drawLimits(prng: Prng): Partial<Config> {
  if (!prng.chance(1 / 6)) return {};
  return {
    peerRequestsPerSecond: prng.between(1, 10),
    peerRequestsBurst: prng.between(1, 10),
    peerBackgroundPerSecond: prng.between(5, 30),
    peerBackgroundBurst: prng.between(1, 20),
  };
}

/** Without a log of recent writes, with one that soon overflows, often where few hints leave it something to tell, and mostly with one that holds all. */
function drawLog(prng: Prng): Partial<Config> {
  const recentWritesMax = prng.pick([0, 16, 65_536, 65_536])!;
  const fewHints = recentWritesMax === 16 && prng.chance(0.6);
  return { recentWritesMax, ...(fewHints ? { hintsMax: prng.between(1, 5) } : {}) };
}

/** Four worlds in ten have members that answer few questions of light clients. */
function drawViewLimits(prng: Prng): Partial<Config> {
  if (!prng.chance(0.4)) return {};
  return {
    peerViewsPerSecond: prng.between(1, 2),
    peerViewsBurst: prng.between(2, 4),
    viewsPerSecond: prng.between(1, 2),
    viewsBurst: prng.between(2, 4),
  };
}

/** Every other world keeps what is replaced in its carts, some of them for seconds only, or hardly any of it. */
function drawHistory(prng: Prng): Partial<Config> {
  if (!prng.chance(0.5)) return {};
  return {
    history: { carts: { keepMs: prng.pick([5_000, 60_000, 3_600_000])! } },
    historyBytesMax: prng.pick([20_000, 64 * 1_048_576, 64 * 1_048_576])!,
    historyWalkMs: prng.pick([2_000, 10_000])!,
  };
}
