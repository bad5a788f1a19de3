/**
 * What durability costs, and what its lack loses, as the paper weighs them (section 6.1 and figure 5: a buffer in memory lowers the 99.9th percentile of
 * latencies fivefold at peak traffic, and "a server crash can result in missing writes that were queued up in the buffer"; "the coordinator choose one out
 * of the N replicas to perform a durable write"). Four modes, each on the same simulated disks:
 *
 *   write-through    every replica commits strictly before it acknowledges
 *   one strict of N  ours by default: relaxed commits, of which one of N is strict, and the caller does not wait for it
 *   dw = 1           the same, but all replicas commit strictly and the caller waits until one of the W has
 *   buffered         acknowledged from memory, one of N strictly
 *
 * **The disks** are drawn, not measured: a commit takes 0.5 to 2 ms, one in 100 stalls for 20 to 60 ms; a strict one 4 to 12 ms, and one in 50 stalls for
 * 40 to 200 ms. Commits of one disk complete in their order, so that one that stalls holds up those behind it, as with one log. They share as group
 * commit does: many at once cost no more than one. Latencies of links are 1 to 3 ms. Figures of real disks and browsers are elsewhere (`bench`).
 *
 * **Loss** is looked at after a crash of all tabs at once and after a power failure of all machines at once, under load, over many trials: puts that had
 * been acknowledged and are on no disk afterwards. One tab that crashes alone loses nothing that the others have.
 */

import { utf8Encode } from "../base/bytes.ts";
import { Histogram } from "../base/histogram.ts";
import { Prng } from "../base/prng.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Durability, Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { setsOnDisk } from "./checkers.ts";
import { alignedColumns } from "./paper-columns.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { type StorageProfile, calmStorage } from "./virtual-storage.ts";

const NODES = 5;
const WARM_UP_MS: Millis = 6_000;
/** Between two puts of the whole cluster: open loop, as customers do not wait for each other. */
const PUT_EVERY_MS: Millis = 2;
/** Of the series that figure 5 draws over time. */
const INTERVALS = 10;

export const modes = ["write-through", "one strict of N", "dw = 1", "buffered"] as const;
export type Mode = (typeof modes)[number];

const MODE_OF: Record<Mode, { readonly durability: Durability; readonly dw: number }> = {
  "write-through": { durability: "strict", dw: 0 },
  "one strict of N": { durability: "relaxed", dw: 0 },
  "dw = 1": { durability: "relaxed", dw: 1 },
  buffered: { durability: "buffered", dw: 0 },
};

/** Milliseconds that a commit takes. */
export function commitDelay(prng: Prng, strict: boolean): Millis {
  const span = (least: number, most: number): Millis => least + prng.below((most - least) * 4 + 1) / 4;
  if (strict) return prng.below(50) === 0 ? span(40, 200) : span(4, 12);
  return prng.below(100) === 0 ? span(20, 60) : span(0.5, 2);
}

const storage: StorageProfile = { ...calmStorage, commitDelay };

export interface Latency {
  readonly mode: Mode;
  readonly puts: number;
  readonly failed: number;
  /** Milliseconds from the call to the answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** The 99.9th percentile in each tenth of the run. */
  readonly series: readonly number[];
}

export interface Loss {
  readonly mode: Mode;
  readonly fault: "all tabs crash" | "power fails";
  readonly trials: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** The most of one trial. */
  readonly lostMax: number;
  /** Nodes that said at their next start that they may have lost some. */
  readonly reported: number;
}

class Cluster {
  readonly simulator: Simulator;
  readonly acknowledged: Key[] = [];
  /** Starts of nodes that said so. */
  reported = 0;
  readonly #prng: Prng;
  readonly #mode: Mode;
  readonly #onPut: (startedAt: Millis, elapsedMs: Millis | undefined) => void;
  #puts = 0;

  constructor(seed: number, mode: Mode, onPut: (startedAt: Millis, elapsedMs: Millis | undefined) => void) {
    this.#prng = Prng.fromNumber(seed);
    this.#mode = mode;
    this.#onPut = onPut;
    this.simulator = new Simulator(seed, {
      makeNode: (options) => new DynamoNode(options),
      network: { ...calmNetwork, latencyMs: { min: 1, max: 3 } },
      storage,
      observer: {
        stepped: (_, __, effects) => {
          for (const effect of effects)
            if (effect.kind === "note" && effect.note.what === "buffer-lost") this.reported++;
        },
      },
    });
    const config: Config = {
      ...defaultConfig,
      durability: MODE_OF[mode].durability,
      peerRequestsPerSecond: Infinity,
      peerBackgroundPerSecond: Infinity,
    };
    const founder = this.simulator.add({
      name: "n0",
      config,
      found: parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 }),
      seeds: [],
    });
    for (let i = 1; i < NODES; i++) this.simulator.add({ name: `n${i}`, config, seeds: [founder] });
    this.simulator.runUntil(WARM_UP_MS);
    // The first write of a node that buffers only has it written down that it does.
    for (let i = 0; i < 50; i++) this.#put(() => {});
    this.simulator.runUntil(WARM_UP_MS + 1_000);
  }

  /** Puts come at their own pace for so long. */
  load(forMs: Millis): void {
    const until = this.simulator.now + forMs;
    const next = (): void => {
      if (this.simulator.now >= until) return;
      const startedAt = this.simulator.now;
      this.#put((elapsedMs) => this.#onPut(startedAt, elapsedMs));
      this.simulator.after(this.#prng.below(PUT_EVERY_MS * 8) / 4, next);
    };
    next();
  }

  #put(done: (elapsedMs: Millis | undefined) => void): void {
    const node = this.#prng.pick(this.simulator.running);
    if (node === undefined) return;
    const key = `k${this.#puts++}` as Key;
    const { dw } = MODE_OF[this.#mode];
    const startedAt = this.simulator.now;
    const write = {
      value: utf8Encode(key),
      context: [],
      operation: this.#prng.hex(16) as OperationId,
      at: 0,
      w: undefined,
      dw,
    };
    this.simulator.put(node, key, write, {}, (result) => {
      const isPut = result?.outcome === "put";
      if (isPut) this.acknowledged.push(key);
      done(isPut ? this.simulator.now - startedAt : undefined);
    });
  }

  /** Everything ends at once. */
  end(powerFails: boolean): void {
    const nodes: readonly NodeId[] = [...this.simulator.running];
    for (const node of nodes) this.simulator.crash(node);
    if (powerFails) for (const node of nodes) this.simulator.diskOf(node).losePower(0);
  }

  /** Acknowledged puts that are on no disk. */
  get lost(): number {
    const disks = this.simulator.nodes.map((node) => this.simulator.diskOf(node));
    return this.acknowledged.filter((key) => disks.every((disk) => setsOnDisk(disk, key).length === 0)).length;
  }
}

/** Open-loop puts for `seconds` of simulated time. */
export function measureLatency(seed: number, mode: Mode, seconds: number): Latency {
  const all = new Histogram();
  const parts = Array.from({ length: INTERVALS }, () => new Histogram());
  let failed = 0;
  const runMs = seconds * 1_000;
  let from = 0;
  const cluster = new Cluster(seed, mode, (startedAt, elapsedMs) => {
    if (elapsedMs === undefined) {
      failed++;
      return;
    }
    const micros = elapsedMs * 1_000;
    all.add(micros);
    parts[Math.min(INTERVALS - 1, Math.floor(((startedAt - from) * INTERVALS) / runMs))]!.add(micros);
  });
  from = cluster.simulator.now;
  cluster.load(runMs);
  cluster.simulator.runUntil(from + runMs + 6_000);
  const ms = (histogram: Histogram, percent: number): number => Math.round(histogram.percentile(percent) / 100) / 10;
  return {
    mode,
    puts: all.count,
    failed,
    p50Ms: ms(all, 50),
    p99Ms: ms(all, 99),
    p999Ms: ms(all, 99.9),
    series: parts.map((part) => ms(part, 99.9)),
  };
}

/** Under load everything ends at once, again and again in clusters of their own. */
export function measureLoss(seed: number, mode: Mode, fault: Loss["fault"], trials: number): Loss {
  let acknowledged = 0;
  let lost = 0;
  let lostMax = 0;
  let reported = 0;
  for (let trial = 0; trial < trials; trial++) {
    const cluster = new Cluster(seed + trial, mode, () => {});
    cluster.load(10_000);
    cluster.simulator.runUntil(cluster.simulator.now + 500 + 37 * trial);
    cluster.end(fault === "power fails");
    acknowledged += cluster.acknowledged.length;
    lost += cluster.lost;
    lostMax = Math.max(lostMax, cluster.lost);
    for (const node of cluster.simulator.nodes) cluster.simulator.restart(node);
    cluster.simulator.runUntil(cluster.simulator.now + 100);
    reported += cluster.reported;
  }
  return { mode, fault, trials, acknowledged, lost, lostMax, reported };
}

export interface DurabilityFigures {
  readonly seed: number;
  readonly latencies: readonly Latency[];
  readonly losses: readonly Loss[];
}

export function measureDurability(seed: number, seconds: number, trials: number): DurabilityFigures {
  return {
    seed,
    latencies: modes.map((mode) => measureLatency(seed, mode, seconds)),
    losses: modes.flatMap((mode) =>
      (["all tabs crash", "power fails"] as const).map((fault) => measureLoss(seed, mode, fault, trials)),
    ),
  };
}

export function formatDurability({ latencies, losses }: DurabilityFigures): string {
  const speed = latencies.map(({ mode, puts, failed, p50Ms, p99Ms, p999Ms }) =>
    [mode, puts, failed, p50Ms, p99Ms, p999Ms].map(String),
  );
  const safety = losses.map(({ mode, fault, trials, acknowledged, lost, lostMax, reported }) =>
    [mode, fault, trials, acknowledged, lost, lostMax, reported].map(String),
  );
  const series = latencies.map(({ mode, series: points }) => [mode, ...points.map(String)]);
  return [
    "Put latencies in ms (n = 3, w = 2, disks as in src/sim/paper-durability.ts)",
    alignedColumns([["mode", "puts", "failed", "p50", "p99", "p99.9"], ...speed]),
    "",
    "The 99.9th percentile in each tenth of the run (figure 5)",
    alignedColumns([["mode", ...Array.from({ length: INTERVALS }, (_, i) => `${i + 1}`)], ...series]),
    "",
    "Acknowledged puts that were on no disk after everything ended at once",
    alignedColumns([
      ["mode", "fault", "trials", "acknowledged", "lost", "most in one", "nodes that said so"],
      ...safety,
    ]),
  ].join("\n");
}
