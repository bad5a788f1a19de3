/**
 * Focused seeds: where every class of faults is on with probability one half, some twenty happen at once, and what needs three particular ones in
 * a row hardly ever does. So one seed in five is a small world with few keys, many callers and strict quorums, in which only the classes of one
 * theme may be on, and come often.
 *
 * Drawn apart, so that all other seeds are what they would be without.
 */

import { Prng } from "../base/prng.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Note } from "../core/effect.ts";
import type { Key, Millis } from "../core/identifiers.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import type { FaultClass } from "./fault-plan.ts";
import type { Workload } from "./workload.ts";

/** One seed in so many. */
const FOCUSED = 5;
const FOCUS = 0x0f_0c05;
const FAR_MS = 400;
const AWAY_FOR_MS = 30_000;
const FEW_KEYS = [1, 12] as const;

export type ThemeName =
  "joins" | "joins and disks" | "leaves" | "removals" | "crowds" | "one copy" | "deletes" | "sleep" | "catching up";

/** Which classes may be on, and the one that must be; and what the world is like, where that matters. */
export interface Theme {
  readonly name: ThemeName;
  readonly always: FaultClass | readonly FaultClass[];
  readonly maybe: readonly FaultClass[];
  /** One of these is N. */
  readonly copies?: readonly number[];
  /** At first there is the founder alone; then so many newcomers join within a second, and it may be cut off from them while they do. */
  readonly crowd?: readonly [min: number, max: number];
  /** Links are slow, and nodes take little from each other. */
  readonly sluggish?: boolean;
  /** One of these, in place of what would be drawn. */
  readonly reapAfterMs?: readonly Millis[];
  readonly removeAfterMs?: readonly Millis[];
  /** How many keys; few when undefined. */
  readonly keys?: readonly [min: number, max: number];
  /** What the theme is about is not left to chance. */
  readonly config?: Partial<Config>;
}

const network: readonly FaultClass[] = ["partitions", "partial-partitions", "one-way-cuts", "jitter", "stalls"];
const disks: readonly FaultClass[] = ["slow-disks", "failed-commits", "failed-reads"];

export const themes: readonly Theme[] = [
  { name: "joins", always: "newcomers", maybe: [...network, "crashes", "slow-nodes"] },
  { name: "joins and disks", always: "newcomers", maybe: [...disks, "crashes", "power-cuts", "partitions"] },
  { name: "leaves", always: "leaves", maybe: ["newcomers", "crashes", "full-disks", ...network] },
  { name: "removals", always: "removals", maybe: ["newcomers", "leaves", "crashes", ...network] },
  // Newcomers that find each other sooner than those who have the data.
  {
    name: "crowds",
    always: "newcomers",
    maybe: [...network, "long-delays", "crashes", "slow-disks"],
    copies: [3],
    crowd: [3, 4],
    keys: [4, 40],
    // Of so many puts there would be more of the past than can be read in time.
    config: { history: {} },
  },
  // Where there is one copy, whoever puts and whoever reads next have no second one in common; and a put that its owner is too busy for stays elsewhere.
  { name: "one copy", always: "newcomers", maybe: [...network, "crashes"], copies: [1], sluggish: true },
  // Every proof that a tombstone may go takes new epochs for all links: what is on its way meanwhile counts all the same.
  {
    name: "deletes",
    always: "jitter",
    maybe: ["long-delays", "crashes", "slow-nodes", "slow-disks", "newcomers"],
    copies: [2, 2, 3],
    reapAfterMs: [0, 500],
  },
  // A computer wakes up: nobody has heard of anybody for an hour.
  {
    name: "sleep",
    always: ["suspends", "long-absences"],
    maybe: [...network, "long-delays", "freezes", "slow-nodes", "crashes"],
    copies: [2, 3, 3, 5],
    removeAfterMs: [10_000, 20_000, 30_000],
  },
  // Disks that say no and have written all the same, where the log of recent writes is all that tells of what was missed.
  {
    name: "catching up",
    always: ["failed-commits", "partitions", "crashes"],
    maybe: ["broken-links", "failed-reads", "slow-disks"],
    keys: [100, 400],
    config: { hintsMax: 2, recentWritesMax: 65_536, antiEntropyMs: 10_000 },
  },
];

/**
 * Some notes of some nodes are followed by a crash of theirs, or one is cut off from all others, it or the founder, which may crash besides, or whose
 * links become slow, or all fall into two halves: what matters happens between two steps that come soon after each other.
 */
export interface Ambush {
  readonly how: "crash" | "cut-off" | "halves" | "founder-cut-off" | "founder-crash" | "founder-slow";
  readonly what: Note["what"];
  readonly chance: number;
  readonly afterMs: Millis;
  readonly downMs: Millis;
}

const ambushed: readonly Note["what"][] = [
  "partition-held",
  "partition-opened",
  "partition-dropped",
  "membership-changed",
  "hint-delivered",
  "phase",
];

const TO_ONE: readonly Ambush["how"][] = ["crash", "crash", "cut-off"];
const IN_CROWDS: readonly Ambush["how"][] = [
  "founder-slow",
  "founder-cut-off",
  "founder-crash",
  "halves",
  "halves",
  "cut-off",
  "cut-off",
];
const BY_CROWDS: readonly Note["what"][] = ["partition-held", "partition-opened", "phase"];

/** Newcomers hear of each other long before the founder hears of any. */
export interface Distance {
  readonly from: Millis;
  readonly until: Millis;
  readonly byMs: Millis;
}

export interface Focus {
  readonly theme: Theme;
  readonly ambush: Ambush | undefined;
  readonly founderAway: Distance | undefined;
  readonly classes: ReadonlySet<FaultClass>;
  /** Of the usual time between two faults of a class. */
  readonly hurry: number;
  readonly sluggish: boolean;
  readonly slowCommits: boolean;
  readonly plan: ClusterPlan;
  /** Where they are not drawn as usual. */
  readonly reapAfterMs: Millis | undefined;
  readonly removeAfterMs: Millis | undefined;
  narrow(workload: Workload): Workload;
}

export function alwaysOf({ always }: Theme): readonly FaultClass[] {
  return typeof always === "string" ? [always] : always;
}

/** The first focused seed from `from` that has this theme, and how far the next one is. */
export function seedsOfTheme(name: ThemeName, from: number): { readonly first: number; readonly step: number } {
  const step = FOCUSED * themes.length;
  const own = FOCUSED * themes.findIndex((theme) => theme.name === name) + FOCUSED - 1;
  return { first: own + step * Math.max(0, Math.ceil((from - own) / step)), step };
}

/** Undefined for four seeds in five. */
export function drawFocus(seed: number, usual: ClusterPlan): Focus | undefined {
  if (seed % FOCUSED !== FOCUSED - 1) return undefined;
  const prng = Prng.fromNumber(seed ^ FOCUS);
  // In turn, so that none is missing for long.
  const theme = themes[Math.floor(seed / FOCUSED) % themes.length]!;
  const classes = new Set([...alwaysOf(theme), ...theme.maybe.filter(() => prng.chance(0.5))]);
  // Where one of many nodes is cut off, few would still be asking it.
  const callers = theme.crowd === undefined ? prng.between(2, 8) : prng.between(8, 30);
  const keys = Array.from({ length: prng.between(...(theme.keys ?? FEW_KEYS)) }, (_, i) => `carts/${i}` as Key);
  const getProbability = prng.between(30, 70) / 100;
  const isAway = theme.crowd !== undefined && prng.chance(0.6);
  const { plan, crowdAt = 0 } = drawPlan(prng, usual, theme, isAway);
  const ambush = {
    how: prng.pick(theme.crowd === undefined ? TO_ONE : IN_CROWDS)!,
    what: prng.pick(theme.crowd === undefined ? ambushed : BY_CROWDS)!,
    chance: prng.pick([0.05, 0.5])!,
    afterMs: prng.pick([0, 5, 100, 1_000])!,
    downMs: prng.pick([200, 1_000, 5_000])!,
  };
  // While what tells it of the first that holds something is on its way.
  const whenAway: Ambush = {
    how: "founder-cut-off",
    what: "partition-held",
    chance: prng.pick([0.1, 0.5])!,
    afterMs: prng.pick([FAR_MS / 4, (FAR_MS * 5) / 8, (FAR_MS * 7) / 8])!,
    downMs: 5_000,
  };
  return {
    theme,
    ambush: isAway ? whenAway : prng.chance(0.5) ? ambush : undefined,
    founderAway: isAway
      ? { from: crowdAt, until: Math.min(crowdAt + AWAY_FOR_MS, plan.faultsUntil), byMs: FAR_MS }
      : undefined,
    classes,
    hurry: prng.pick([0.25, 0.5, 1])!,
    sluggish: theme.sluggish === true,
    plan,
    reapAfterMs: prng.pick(theme.reapAfterMs ?? []),
    removeAfterMs: prng.pick(theme.removeAfterMs ?? []),
    slowCommits: theme.crowd !== undefined && prng.chance(0.5),
    narrow: (workload) => ({
      ...workload,
      callers,
      thinkMsMax: 50,
      hotKeys: keys,
      coldKeys: [],
      sessionKeys: [],
      getProbability,
      ownQuorumProbability: 0,
      shortTimeoutProbability: 0,
      // A put that answers a read goes to whoever answered that one: the founder, as long as newcomers are not open.
      ...(theme.crowd === undefined ? {} : { blindProbability: 0.5 }),
    }),
  };
}

function drawPlan(
  prng: Prng,
  usual: ClusterPlan,
  { copies = [2, 3, 3, 3, 5], crowd, sluggish = false, config: own = {} }: Theme,
  isAway: boolean,
): { readonly plan: ClusterPlan; readonly crowdAt: Millis | undefined } {
  const n = prng.pick(copies)!;
  const strict = Math.floor(n / 2) + 1;
  const partitions = prng.pick([16, 32])!;
  const parameters = parametersFrom({ n, r: strict, w: strict, partitions });
  const count = crowd === undefined ? prng.between(n, n + 3) : 1;
  const workloadFrom = 4_000;
  const faultsUntil = workloadFrom + prng.between(20_000, 60_000);
  const joins = Array.from({ length: count - 1 }, (_, i) => ({
    at: prng.chance(0.7) ? prng.below(1_000) : prng.below(faultsUntil),
    capacity: 1,
    zone: `zone-${i + 1}`,
  }));
  const crowdAt = crowd === undefined ? undefined : prng.between(workloadFrom + 1_000, workloadFrom + 6_000);
  const together = crowd === undefined ? 0 : prng.between(...crowd);
  // In the same instant they hold a partition before anybody else has heard that any of them does.
  const spread = isAway ? 20 : prng.pick([20, 100, 1_000])!;
  for (let i = 0; i < together; i++)
    joins.push({ at: (crowdAt ?? 0) + prng.below(spread), capacity: 1, zone: `zone-${count + i}` });
  const { peerRequestsPerSecond, peerRequestsBurst, peerBackgroundPerSecond, peerBackgroundBurst } = defaultConfig;
  const config = {
    ...usual.config,
    rebalanceAfterMs: 1_000,
    transferPageBytesMax: prng.pick([1_000, 65_536])!,
    ...{ peerRequestsPerSecond, peerRequestsBurst, peerBackgroundPerSecond, peerBackgroundBurst },
    ...own,
    ...(sluggish ? { peerRequestsPerSecond: prng.between(1, 10), peerRequestsBurst: prng.between(1, 10) } : {}),
  };
  const plan = { ...usual, parameters, founderCapacity: 1, joins, config, workloadFrom, faultsUntil, large: false };
  return { plan, crowdAt };
}
