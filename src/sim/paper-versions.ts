/**
 * How many versions reads of a shopping cart see, and why, as section 6.3 of the paper asks. Over a day of its cart 99.94% of the requests saw one version,
 * 0.00057% two, 0.00047% three and 0.00009% four; "the increase in the number of divergent versions is contributed not by failures but due to the increase in
 * number of concurrent writers", usually "busy robots (automated client programs) and rarely humans". It gives no shares of the causes.
 *
 * Here each cause stands alone, in a cluster of its own (POPULATIONS), and then they come together in one day:
 *
 *   people     a visit: the cart is read, looked at for a second or two, and written with the context of that read; then a pause. Every second visit only looks
 *   robots     the same without a pause: as fast as the answers come, several at one cart
 *   failures   a node crashes, and is back some seconds later; or two of six nodes are cut off from the others for a while
 *
 * **A cause is measured, not assumed.** For each pair of versions that a read saw it is known when their writers had read the cart and when they had their
 * answers. at once: each had read before the other's write was answered, so neither could know of the other. missed: the later one had read after the
 * earlier write was acknowledged, and the read did not show it. unanswered: one of the two writers was never told that its write was done. A read
 * counts under the last of these that any of its pairs has.
 *
 * What is chosen, and so proves nothing: how many robots there are and how often something fails. What can be compared with the paper is which cause
 * makes how much of it. Load is balanced at random over all nodes that run, during a cut over both sides: no worse can be done to a customer.
 *
 * Limits: a caller whose request fails begins anew with a read; a day takes minutes (`seconds`), so that an hour's outage is some seconds here.
 */

import { defaultConfig } from "../core/config.ts";
import type { Sibling } from "../core/dvvset.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { NO_STATISTICS, VERSIONS_SEEN, mergeStatistics } from "../core/statistics.ts";
import { alignedColumns } from "./paper-columns.ts";
import { type Got, Shop } from "./paper-shop.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const MEMBERS = 6;
/** Looking at what is in the cart; between two visits of a person; of a robot. Means. */
const LOOK_MS: Millis = 1_500;
const PAUSE_MS: Millis = 15_000;
const ROBOT_PAUSE_MS: Millis = 10;
const CRASH_EVERY_MS: Millis = 20_000;
const CRASHED_FOR_MS: Millis = 8_000;
const CUT_EVERY_MS: Millis = 30_000;
const CUT_FOR_MS: Millis = 5_000;
const CUT_OFF = 2;
/** After the last visit begins. */
const AFTERWARDS_MS: Millis = 8_000;

export interface Population {
  readonly name: string;
  /** How many times as long as the others it is watched. */
  readonly times: number;
  /** Carts of people, and how many have each. */
  readonly carts: number;
  readonly peopleEach: number;
  readonly robotCarts: number;
  readonly robotsEach: number;
  /** Robots come in the first such share of the time. */
  readonly robotShare: number;
  readonly fails: "nothing" | "a node, now and then" | "the network, now and then" | "a node once, the network once";
}

const NOBODY = {
  times: 1,
  carts: 0,
  peopleEach: 0,
  robotCarts: 0,
  robotsEach: 0,
  robotShare: 0,
  fails: "nothing",
} as const;
const PEOPLE = { ...NOBODY, carts: 1_000, peopleEach: 1 } as const;
const ROBOTS = { ...NOBODY, robotShare: 1 / 4 } as const;

export const POPULATIONS: readonly Population[] = [
  { ...PEOPLE, name: "one person to a cart" },
  { ...PEOPLE, name: "two people to a cart", carts: 500, peopleEach: 2 },
  { ...ROBOTS, name: "two robots to a cart", robotCarts: 4, robotsEach: 2 },
  { ...ROBOTS, name: "four robots to a cart", robotCarts: 2, robotsEach: 4 },
  { ...ROBOTS, name: "eight robots to a cart", robotCarts: 1, robotsEach: 8 },
  { ...PEOPLE, name: "one person to a cart; nodes fail", times: 2, fails: "a node, now and then" },
  { ...PEOPLE, name: "one person to a cart; the network is cut", times: 2, fails: "the network, now and then" },
  {
    ...PEOPLE,
    name: "a day of a shop",
    times: 3,
    robotCarts: 1,
    robotsEach: 4,
    robotShare: 1 / 200,
    fails: "a node once, the network once",
  },
];

export const causes = ["at once", "missed", "unanswered"] as const;
export type Cause = (typeof causes)[number];

export interface VersionCounts {
  readonly population: string;
  readonly requests: number;
  readonly failed: number;
  /** Reads by how many versions they saw: one, two, three, four or more. Carts are filled before. */
  readonly saw: readonly number[];
  /** The same as the nodes have counted it. */
  readonly counted: readonly number[];
  /** Reads that saw more than one, by why. */
  readonly because: Readonly<Record<Cause, number>>;
  /** Of those: of carts that robots write. */
  readonly ofRobots: number;
}

export interface VersionFigures {
  readonly seed: number;
  readonly seconds: number;
  readonly counts: readonly VersionCounts[];
}

/** Section 6.3 of the paper, in percent of the requests: one, two, three, four versions. They add up to 99.94113. */
export const PAPER_VERSIONS = [99.94, 0.00057, 0.00047, 0.00009] as const;

/** A write of which somebody may come to see a version. */
interface Written {
  /** When its writer began to read. */
  readonly readAt: Millis;
  /** When it was told that it is done; undefined: never. */
  doneAt: Millis | undefined;
}

export function causeOf(a: Written, b: Written): Cause {
  if (a.doneAt === undefined || b.doneAt === undefined) return "unanswered";
  return a.readAt < b.doneAt && b.readAt < a.doneAt ? "at once" : "missed";
}

/** The last of the causes that any pair has. */
function causeOfAll(versions: readonly Written[]): Cause {
  const found = new Set(versions.flatMap((a, i) => versions.slice(i + 1).map((b) => causeOf(a, b))));
  return found.has("unanswered") ? "unanswered" : found.has("missed") ? "missed" : "at once";
}

class Crowd {
  readonly #shop: Shop;
  readonly #population: Population;
  readonly #written = new Map<OperationId, Written>();
  readonly #saw = Array.from({ length: VERSIONS_SEEN }, () => 0);
  /** What each read saw that saw more than one version: who will have had an answer is known in the end. */
  readonly #several: (readonly Written[])[] = [];
  /** What nodes had counted that have crashed since. */
  #ended = NO_STATISTICS;
  #requests = 0;
  #failed = 0;
  #ofRobots = 0;
  #until: Millis = 0;

  constructor(seed: number, population: Population) {
    this.#population = population;
    this.#shop = new Shop(seed, {
      members: MEMBERS,
      config: defaultConfig,
      network: { ...calmNetwork, latencyMs: { min: 1, max: 3 }, jitterMs: 1 },
      storage: calmStorage,
    });
  }

  run(seconds: number): VersionCounts {
    const { times, carts, peopleEach, robotCarts, robotsEach, robotShare } = this.#population;
    const runMs = seconds * 1_000 * times;
    const { simulator } = this.#shop;
    const peoples = Array.from({ length: carts }, (_, i) => `people/${i}` as Key);
    const robots = Array.from({ length: robotCarts }, (_, i) => `robots/${i}` as Key);
    this.#shop.fill([...peoples, ...robots]);
    const from = simulator.now;
    this.#until = from + runMs;
    const robotsUntil = from + runMs * robotShare;
    for (const cart of peoples) for (let i = 0; i < peopleEach; i++) this.#visit(cart, PAUSE_MS, LOOK_MS, this.#until);
    for (const cart of robots) for (let i = 0; i < robotsEach; i++) this.#visit(cart, ROBOT_PAUSE_MS, 0, robotsUntil);
    this.#fail(runMs);
    simulator.runUntil(this.#until + AFTERWARDS_MS);
    const counted = simulator.running.reduce(
      (sum, node) => mergeStatistics(sum, simulator.statisticsOf(node) ?? NO_STATISTICS),
      this.#ended,
    );
    const because: Record<Cause, number> = { "at once": 0, missed: 0, unanswered: 0 };
    for (const versions of this.#several) because[causeOfAll(versions)]++;
    return {
      population: this.#population.name,
      requests: this.#requests,
      failed: this.#failed,
      saw: this.#saw.slice(1),
      counted: counted.versionsSeen.slice(1),
      because,
      ofRobots: this.#ofRobots,
    };
  }

  /** After a pause the cart is read, looked at and, but for every second time of a person, written; again and again. */
  #visit(cart: Key, pauseMs: Millis, lookMs: Millis, until: Millis): void {
    const { simulator } = this.#shop;
    simulator.after(this.#shop.gap(pauseMs), () => {
      if (simulator.now >= until) return;
      const readAt = simulator.now;
      const again = (): void => this.#visit(cart, pauseMs, lookMs, until);
      this.#requests++;
      this.#shop.read(cart, (got) => {
        if (got === undefined) this.#failed++;
        else this.#look(cart, got);
        const onlyLooks = lookMs > 0 && this.#shop.prng.below(2) === 0;
        if (got === undefined || onlyLooks) again();
        else simulator.after(this.#shop.gap(lookMs), () => this.#write(cart, got, readAt, again));
      });
    });
  }

  #write(cart: Key, got: Got, readAt: Millis, again: () => void): void {
    const { simulator } = this.#shop;
    const written: Written = { readAt, doneAt: undefined };
    this.#requests++;
    const operation = this.#shop.write(cart, got, (put) => {
      if (put === undefined) this.#failed++;
      else written.doneAt = simulator.now;
      again();
    });
    this.#written.set(operation, written);
  }

  #look(cart: Key, { set: { siblings } }: Got): void {
    this.#saw[Math.min(siblings.length, VERSIONS_SEEN - 1)]!++;
    if (siblings.length < 2) return;
    this.#several.push(siblings.map((sibling) => this.#writtenBy(sibling)));
    if (cart.startsWith("robots/")) this.#ofRobots++;
  }

  /** What filled the carts was done before anybody read. */
  #writtenBy({ operation }: Sibling): Written {
    return this.#written.get(operation) ?? { readAt: 0, doneAt: 0 };
  }

  #fail(runMs: Millis): void {
    switch (this.#population.fails) {
      case "nothing":
        return;
      case "a node, now and then":
        this.#nowAndThen(CRASH_EVERY_MS, () => this.#crashOne());
        return;
      case "the network, now and then":
        this.#nowAndThen(CUT_EVERY_MS, () => this.#cutSome());
        return;
      case "a node once, the network once":
        this.#shop.simulator.after(runMs / 3, () => this.#crashOne());
        this.#shop.simulator.after((2 * runMs) / 3, () => this.#cutSome());
    }
  }

  #nowAndThen(everyMs: Millis, fail: () => void): void {
    this.#shop.simulator.after(everyMs, () => {
      if (this.#shop.simulator.now >= this.#until) return;
      fail();
      this.#nowAndThen(everyMs, fail);
    });
  }

  #crashOne(): void {
    const { simulator } = this.#shop;
    const node = this.#shop.prng.pick(simulator.running);
    if (node === undefined) return;
    this.#ended = mergeStatistics(this.#ended, simulator.statisticsOf(node) ?? NO_STATISTICS);
    simulator.crash(node);
    simulator.after(CRASHED_FOR_MS, () => simulator.restart(node));
  }

  #cutSome(): void {
    const { simulator, prng } = this.#shop;
    const others: NodeId[] = [...simulator.nodes];
    const off = Array.from({ length: CUT_OFF }, () => others.splice(prng.below(others.length), 1)[0]!);
    simulator.partition([off, others]);
    simulator.after(CUT_FOR_MS, () => simulator.heal());
  }
}

/** So long, or so many times as long as the population says. */
export function countVersions(seed: number, population: Population, seconds: number): VersionCounts {
  return new Crowd(seed, population).run(seconds);
}

export function measureVersions(seed: number, seconds: number): VersionFigures {
  return { seed, seconds, counts: POPULATIONS.map((population) => countVersions(seed, population, seconds)) };
}

export function formatVersions({ counts, seconds }: VersionFigures): string {
  const head = ["reads that saw", "one", "two", "three", "more", "of reads", "failed", ...causes];
  const rows = counts.map(({ population, saw, failed, because }) => {
    const reads = saw.reduce((sum, count) => sum + count, 0);
    const shares = saw.map((count) => `${((100 * count) / reads).toFixed(2)}%`);
    return [population, ...shares, `${reads}`, `${failed}`, ...causes.map((cause) => `${because[cause]}`)];
  });
  return [
    `Versions that reads of a cart saw, and why there were several (${seconds} s of virtual time, ${MEMBERS} nodes, N=3 R=2 W=2)`,
    alignedColumns([head, ...rows]),
    "",
    "at once: both had read before the other was done. missed: the later read did not show a finished write. unanswered: a writer never heard that it was done.",
    `Section 6.3 of the paper: ${PAPER_VERSIONS.map((share) => `${share}%`).join(", ")}, from many writers at once and not from failures`,
  ].join("\n");
}
