/**
 * Latencies of reads and writes over days, as figure 4 of the paper draws them: mean and 99.9th percentile through a month of its peak season, ticks of 12 hours,
 * on a logarithmic axis. "The latencies exhibit a clear diurnal pattern", "write latencies are higher than read latencies", "the 99.9th percentile latencies are
 * around 200 ms and are an order of magnitude higher than the averages" (section 6.1).
 *
 * Here our nodes serve such days on virtual time. **What is compressed**: a day takes DAY_MS, so that an hour is 10 seconds, and there are three days, not thirty.
 * The rate follows the hour of the day (HOURS), up to BUSIEST requests a second; there are fewer requests in an hour than there would be, and the nodes' own
 * work for each other (gossip, comparisons, looking through the disk) goes at its usual pace, so that there is less of it in a day.
 *
 * **The disks** are drawn, as commodity disks of that time: one arm, which does one thing after the other, each in 5 to 15 ms, and one in 200 takes 60 to 180 ms.
 * Commits that wait together share a turn. A write goes strictly to the disk of each replica; a read finds what was read lately in memory. The wave is in the rate alone: what it does to latencies comes
 * of queues. Two controls show that: the same load spread evenly over the day, and a shop with a quarter of the customers, whose disks wait for work.
 *
 * A visit is a read and then a write with its context; visits come at their own pace, whether others have been answered or not. Popularity of carts: the one of
 * rank k in proportion to 1/k. A request counts where it began. Nothing fails.
 */

import { Histogram } from "../base/histogram.ts";
import type { Prng } from "../base/prng.ts";
import { type Config, defaultConfig } from "../core/config.ts";
import type { Key, Millis } from "../core/identifiers.ts";
import { alignedColumns } from "./paper-columns.ts";
import { Shop } from "./paper-shop.ts";
import { keyChooser } from "./popular-keys.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const MEMBERS = 6;
const CARTS = 2_000;
/** Of the thousand records that a node has. */
const CACHED_RECORDS = 64;
const DAY_MS: Millis = 240_000;
/** Requests a second in the busiest hour. */
const BUSIEST = 200;
/** Requests in each hour of the day, against the busiest: drawn up by hand, as a shop's customers sleep. */
export const HOURS = [
  0.35, 0.25, 0.2, 0.2, 0.2, 0.25, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1, 1, 0.95, 0.9, 0.9, 0.9, 0.9, 0.95, 1, 0.9, 0.7,
  0.5,
] as const;
/** The mean of a day. */
const EVEN = HOURS.reduce((sum, share) => sum + share, 0) / HOURS.length;
/** One point of the figure. */
export const PART_HOURS = 4;
export const PARTS_OF_DAY = HOURS.length / PART_HOURS;
const AFTERWARDS_MS: Millis = 6_000;

/** Milliseconds that one turn of the arm takes. */
export function armTurn(prng: Prng): Millis {
  return prng.below(200) === 0 ? 60 + prng.below(121) : 5 + prng.below(41) / 4;
}

const config: Config = {
  ...defaultConfig,
  durability: "strict",
  cachedRecordsMax: CACHED_RECORDS,
};

export const worlds = ["days and nights", "even load", "a quarter of the load"] as const;
export type World = (typeof worlds)[number];

/** Of the requests of one kind in one part of a day. */
export interface Waited {
  readonly requests: number;
  readonly meanMs: Millis;
  readonly p999Ms: Millis;
}

export interface PartOfDay {
  /** The first hour of it. */
  readonly fromHour: number;
  readonly perSecond: number;
  readonly reads: Waited;
  readonly writes: Waited;
}

export interface DaysServed {
  readonly world: World;
  readonly days: number;
  readonly failed: number;
  /** One after the other. */
  readonly parts: readonly PartOfDay[];
  /** The same parts of all days taken together. */
  readonly byHour: readonly PartOfDay[];
}

export interface LatencyFigures {
  readonly seed: number;
  readonly dayMs: Millis;
  readonly partHours: number;
  readonly served: DaysServed;
  /** One day of each. */
  readonly controls: readonly DaysServed[];
}

class Part {
  readonly reads = new Histogram();
  readonly writes = new Histogram();

  include({ reads, writes }: Part): this {
    this.reads.include(reads.data);
    this.writes.include(writes.data);
    return this;
  }

  /** `ofMs`: the days in which it came once each. */
  figures(fromHour: number, ofMs: Millis): PartOfDay {
    const seconds = ofMs / PARTS_OF_DAY / 1_000;
    const perSecond = tenths((this.reads.count + this.writes.count) / seconds);
    return { fromHour, perSecond, reads: waitedOf(this.reads), writes: waitedOf(this.writes) };
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
/** Counted in microseconds. */
function waitedOf(histogram: Histogram): Waited {
  const [meanMs, p999Ms] = [tenths(histogram.mean / 1_000), tenths(histogram.percentile(99.9) / 1_000)];
  return { requests: histogram.count, meanMs, p999Ms };
}

/** `dayMs`: a shorter day has fewer requests, at the same rates. */
export function serveDays(seed: number, world: World, days: number, dayMs: Millis = DAY_MS): DaysServed {
  const shop = new Shop(seed, {
    members: MEMBERS,
    config,
    network: { ...calmNetwork, latencyMs: { min: 1, max: 3 }, jitterMs: 1 },
    storage: { ...calmStorage, armMs: armTurn },
  });
  const { simulator } = shop;
  const carts = Array.from({ length: CARTS }, (_, i) => `carts/${i}` as Key);
  shop.fill(carts);
  const choose = keyChooser("zipf", CARTS, shop.prng.fork());
  const parts = Array.from({ length: days * PARTS_OF_DAY }, () => new Part());
  const from = simulator.now;
  const until = from + days * dayMs;
  let failed = 0;

  const perSecondAt = (at: Millis): number =>
    (world === "a quarter of the load" ? BUSIEST / 4 : BUSIEST) *
    (world === "even load" ? EVEN : HOURS[Math.floor(((at - from) * HOURS.length) / dayMs) % HOURS.length]!);
  const partAt = (at: Millis): Part | undefined => parts[Math.floor(((at - from) * PARTS_OF_DAY) / dayMs)];
  const visit = (): void => {
    const cart = carts[choose()]!;
    const read = partAt(simulator.now);
    shop.read(cart, (got, readMs) => {
      if (got === undefined) {
        failed++;
        return;
      }
      read?.reads.add(readMs * 1_000);
      const written = partAt(simulator.now);
      shop.write(cart, got, (put, writeMs) => {
        if (put === undefined) failed++;
        else written?.writes.add(writeMs * 1_000);
      });
    });
  };
  const next = (): void => {
    if (simulator.now >= until) return;
    visit();
    simulator.after(shop.gap(2_000 / perSecondAt(simulator.now)), next);
  };
  next();
  simulator.runUntil(until + AFTERWARDS_MS);

  const hours = Array.from({ length: PARTS_OF_DAY }, (_, i) => i * PART_HOURS);
  const byHour = hours.map((hour, i) =>
    parts
      .filter((_, at) => at % PARTS_OF_DAY === i)
      .reduce((sum, part) => sum.include(part), new Part())
      .figures(hour, days * dayMs),
  );
  const inOrder = parts.map((part, i) => part.figures(hours[i % PARTS_OF_DAY]!, dayMs));
  return { world, days, failed, parts: inOrder, byHour };
}

export function measureLatencies(seed: number, days: number): LatencyFigures {
  return {
    seed,
    dayMs: DAY_MS,
    partHours: PART_HOURS,
    served: serveDays(seed, "days and nights", days),
    controls: worlds.slice(1).map((world) => serveDays(seed, world, 1)),
  };
}

export function formatLatencies({ dayMs, partHours, served, controls }: LatencyFigures): string {
  const row = ({ fromHour, perSecond, reads, writes }: PartOfDay): string[] => [
    `${fromHour} to ${fromHour + partHours} h`,
    ...[perSecond, reads.meanMs, reads.p999Ms, writes.meanMs, writes.p999Ms].map((value) => value.toFixed(1)),
    `${reads.requests + writes.requests}`,
  ];
  const head = ["time of day", "per second", "mean get", "p99.9 get", "mean put", "p99.9 put", "requests"];
  const told = ({ world, days, failed, byHour }: DaysServed): string[] => [
    `${world}: ${days === 1 ? "one day" : `${days} days`}, ${failed} requests failed`,
    alignedColumns([head, ...byHour.map(row)]),
    "",
  ];
  return [
    `Latencies by the time of day, in milliseconds (${MEMBERS} nodes, N=3 R=2 W=2, a day in ${dayMs / 1_000} s, disks as in src/sim/paper-latencies.ts)`,
    "",
    ...told(served),
    ...controls.flatMap(told),
    "Figure 4 of the paper: by day and by night as here; p99.9 around 200 ms, an order of magnitude above the mean",
  ].join("\n");
}
