/**
 * What goes wrong in one seed (swarm testing): each class of faults is on with probability one half, with a strength of its own, so that some
 * seeds have one fault often and others everything a little. Faults come at drawn times until `endsAt`; then none.
 *
 * The budget, within which the invariants must hold: any number of crashes with the disk intact; disks that lie or are lost only as long as every
 * acknowledged put stays on another one, and every partition has a holder. Whether a fault that the plan names is within the budget shows only
 * when its time comes: `saboteur.ts` looks, and leaves out what is not.
 *
 * Some classes are states of the whole run (loss on the network, drifting clocks), the others are actions at drawn times.
 */

import type { Prng } from "../base/prng.ts";
import type { Millis } from "../core/identifiers.ts";
import type { StorageProfile } from "./virtual-storage.ts";
import type { NetworkProfile } from "./virtual-network.ts";

export const faultClasses = [
  // The network
  "loss",
  "duplication",
  "reordering",
  "late-frames",
  "jitter",
  "long-delays",
  "unnoticed-cuts",
  "stalls",
  "partitions",
  "partial-partitions",
  "bridges",
  "one-way-cuts",
  "mutes",
  "broken-links",
  // Nodes
  "crashes",
  "power-cuts",
  "closed-tabs",
  "long-absences",
  "freezes",
  "suspends",
  "slow-nodes",
  "gray-nodes",
  "hidden-tabs",
  "late-timers",
  "newcomers",
  "leaves",
  "removals",
  "seed-outages",
  // Disks
  "failed-commits",
  "failed-reads",
  "surviving-commits",
  "full-disks",
  "closed-disks",
  "slow-disks",
  "wiped-disks",
  "old-disks",
  "lost-records",
  "flipped-bits",
  // Clocks
  "skewed-clocks",
  "drifting-clocks",
  "wall-clock-jumps",
] as const;
export type FaultClass = (typeof faultClasses)[number];

export type CutShape = "groups" | "partial" | "bridge" | "one-way";

/** `pick` chooses among whoever is there at that time. */
export type FaultAction = { readonly at: Millis; readonly pick: number } & (
  | /** `share`: of the nodes in the first group, or of the pairs that are cut. */ {
      readonly kind: "cut";
      readonly shape: CutShape;
      readonly share: number;
      readonly durationMs: Millis;
    }
  | { readonly kind: "mute"; readonly durationMs: Millis }
  | { readonly kind: "break-link" }
  | { readonly kind: "crash"; readonly downMs: Millis }
  | /** All nodes end at once; at most this share, in percent, of what their disks have not flushed is kept. */ {
      readonly kind: "power-cut";
      readonly downMs: Millis;
      readonly keeps: number;
    }
  | /** With a goodbye; a reload when it is short. */ { readonly kind: "close"; readonly downMs: Millis }
  | /** Without a word, until the end of all faults. */ { readonly kind: "absence" }
  | { readonly kind: "freeze"; readonly durationMs: Millis }
  | /** The computer sleeps: all nodes freeze. */ { readonly kind: "suspend"; readonly durationMs: Millis }
  | { readonly kind: "slow"; readonly factor: number; readonly durationMs: Millis }
  | /** Answers pings; what it replies to requests comes so much later, or never when it is 0. */ {
      readonly kind: "gray";
      readonly delayMs: Millis;
      readonly durationMs: Millis;
    }
  | /** Timers fire at whole multiples of `throttleMs` only. */ {
      readonly kind: "hide";
      readonly throttleMs: Millis;
      readonly durationMs: Millis;
    }
  | /** A tab is opened or duplicated: a new node, for a duplicate never gets the identity of its original. */ {
      readonly kind: "newcomer";
    }
  | /** A tab leaves the cluster for good, in order. */ { readonly kind: "leave" }
  | /** An operator removes a node: one whose disk was lost, or one that is away and comes back later, still with its data. */ {
      readonly kind: "remove";
      readonly downMs: Millis;
    }
  | { readonly kind: "seed-down"; readonly downMs: Millis }
  | { readonly kind: "full-disk"; readonly durationMs: Millis }
  | { readonly kind: "closed-disk"; readonly durationMs: Millis }
  | { readonly kind: "slow-disk"; readonly factor: number; readonly durationMs: Millis }
  | { readonly kind: "wipe" }
  | /** The node comes back with what was on its disk so long ago. */ {
      readonly kind: "old-disk";
      readonly ageMs: Millis;
      readonly downMs: Millis;
    }
  | /** With a crash: what a node has in memory would hide it. */ {
      readonly kind: "lose-record" | "flip-bit";
      readonly downMs: Millis;
    }
  | { readonly kind: "wall-clock-jump"; readonly byMs: Millis }
);

export interface FaultPlan {
  readonly classes: ReadonlySet<FaultClass>;
  readonly network: NetworkProfile;
  readonly storage: StorageProfile;
  readonly timerLatenessMs: Millis;
  readonly skewedClocks: boolean;
  readonly driftingClocks: boolean;
  /** By time. */
  readonly actions: readonly FaultAction[];
  /** No fault comes later: `until`, and what the computer slept meanwhile. */
  readonly endsAt: Millis;
}

const HOUR_MS: Millis = 3_600_000;
const SLUGGISH_MS = { min: 50, max: 150 };
const SLOW_COMMIT_MS = { min: 100, max: 1_000 };

/** These classes and no others, and how much of the usual time passes between two actions of one. */
export interface FaultFocus {
  readonly classes: ReadonlySet<FaultClass>;
  readonly hurry: number;
  /** Links are slow. */
  readonly sluggish?: boolean;
  /** What a node has heard it may forget for long: commits take their time. */
  readonly slowCommits?: boolean;
}

/** The faults of a run from `from` to `until`, without the classes in `without`. */
export function drawFaultPlan(
  prng: Prng,
  from: Millis,
  until: Millis,
  without: readonly string[] = [],
  focus?: FaultFocus,
): FaultPlan {
  const drawn = faultClasses.filter(() => prng.chance(0.5));
  const chosen = focus === undefined ? drawn : [...focus.classes];
  const classes = new Set(chosen.filter((name) => !without.includes(name)));
  const { actions, endsAt } = drawActions(prng.fork(), classes, from, until, focus?.hurry ?? 1);
  const network = drawNetwork(prng.fork(), classes);
  const storage = drawStorage(prng.fork(), classes);
  return {
    classes,
    network: focus?.sluggish === true ? { ...network, latencyMs: SLUGGISH_MS } : network,
    storage: focus?.slowCommits === true ? { ...storage, commitMs: SLOW_COMMIT_MS } : storage,
    timerLatenessMs: classes.has("late-timers") ? prng.pick([2, 20, 200, 1_000])! : 0,
    skewedClocks: classes.has("skewed-clocks"),
    driftingClocks: classes.has("drifting-clocks"),
    actions,
    endsAt,
  };
}

type Classes = ReadonlySet<FaultClass>;

function share(prng: Prng, classes: Classes, on: FaultClass, most: number): number {
  const strength = prng.between(1, 100);
  return classes.has(on) ? (most * strength) / 100 : 0;
}

function drawNetwork(prng: Prng, classes: Classes): NetworkProfile {
  const jitterMs = classes.has("jitter") ? prng.between(1, 200) : 1;
  return {
    latencyMs: { min: prng.pick([0.25, 1, 5])!, max: prng.pick([2, 10, 40, 150])! },
    jitterMs: classes.has("long-delays") ? prng.between(200, 2_000) : jitterMs,
    reordering: classes.has("reordering"),
    lossProbability: share(prng, classes, "loss", 0.2),
    duplicationProbability: share(prng, classes, "duplication", 0.2),
    lateProbability: share(prng, classes, "late-frames", 0.02),
    lateMsMax: 30_000,
    connectMs: { min: 20, max: prng.pick([50, 500, 2_000])! },
    noticeMs: { min: 10, max: prng.pick([100, 1_000, 8_000])! },
    unnoticedProbability: share(prng, classes, "unnoticed-cuts", 1),
    stallProbability: share(prng, classes, "stalls", 1),
  };
}

function drawStorage(prng: Prng, classes: Classes): StorageProfile {
  return {
    commitMs: { min: 0.25, max: prng.pick([2, 10, 50, 300])! },
    readMs: { min: 0.25, max: prng.pick([2, 10, 50])! },
    commitFailureProbability: share(prng, classes, "failed-commits", 0.05),
    failedButAppliedProbability: prng.below(101) / 100,
    readFailureProbability: share(prng, classes, "failed-reads", 0.1),
    vanishProbability: classes.has("surviving-commits") ? prng.between(80, 100) / 100 : 1,
  };
}

/** How a class of actions comes: the mean time between two of them before its strength is drawn, and what one is. */
interface Recurring {
  readonly on: FaultClass;
  readonly meanMs: Millis;
  readonly draw: (prng: Prng, durationMs: Millis) => Undated;
}

type Distributed<Action> = Action extends FaultAction ? Omit<Action, "at" | "pick"> : never;
type Undated = Distributed<FaultAction>;

const cut =
  (shape: CutShape) =>
  (prng: Prng, durationMs: Millis): Undated => ({ kind: "cut", shape, share: prng.below(100) / 100, durationMs });

const recurring: readonly Recurring[] = [
  { on: "partitions", meanMs: 8_000, draw: cut("groups") },
  { on: "partial-partitions", meanMs: 8_000, draw: cut("partial") },
  { on: "bridges", meanMs: 10_000, draw: cut("bridge") },
  { on: "one-way-cuts", meanMs: 10_000, draw: cut("one-way") },
  { on: "mutes", meanMs: 10_000, draw: (_, durationMs) => ({ kind: "mute", durationMs }) },
  { on: "broken-links", meanMs: 3_000, draw: () => ({ kind: "break-link" }) },
  { on: "crashes", meanMs: 5_000, draw: (_, downMs) => ({ kind: "crash", downMs: downMs - 150 }) },
  {
    on: "power-cuts",
    meanMs: 20_000,
    draw: (prng, downMs) => ({ kind: "power-cut", downMs, keeps: prng.pick([100, 100, 50, 0])! }),
  },
  { on: "closed-tabs", meanMs: 6_000, draw: (_, downMs) => ({ kind: "close", downMs: downMs - 150 }) },
  { on: "long-absences", meanMs: 20_000, draw: () => ({ kind: "absence" }) },
  {
    on: "freezes",
    meanMs: 8_000,
    draw: (prng, durationMs) => ({ kind: "freeze", durationMs: durationMs * prng.pick([1, 1, 1, 10, 200])! }),
  },
  {
    on: "slow-nodes",
    meanMs: 8_000,
    draw: (prng, durationMs) => ({ kind: "slow", factor: prng.pick([2, 10, 50])!, durationMs }),
  },
  {
    on: "gray-nodes",
    meanMs: 10_000,
    draw: (prng, durationMs) => ({ kind: "gray", delayMs: prng.pick([0, 600, 3_000])!, durationMs }),
  },
  {
    on: "hidden-tabs",
    meanMs: 8_000,
    draw: (prng, durationMs) => {
      const throttleMs = prng.pick([1, 1_000, 1_000, 60_000])!;
      return { kind: "hide", throttleMs, durationMs: throttleMs > 1_000 ? 20 * durationMs : durationMs };
    },
  },
  { on: "newcomers", meanMs: 20_000, draw: () => ({ kind: "newcomer" }) },
  { on: "leaves", meanMs: 15_000, draw: () => ({ kind: "leave" }) },
  { on: "removals", meanMs: 15_000, draw: (_, downMs) => ({ kind: "remove", downMs: 3 * downMs }) },
  { on: "seed-outages", meanMs: 15_000, draw: (_, downMs) => ({ kind: "seed-down", downMs: 2 * downMs }) },
  { on: "full-disks", meanMs: 12_000, draw: (_, durationMs) => ({ kind: "full-disk", durationMs }) },
  { on: "closed-disks", meanMs: 12_000, draw: (_, durationMs) => ({ kind: "closed-disk", durationMs }) },
  {
    on: "slow-disks",
    meanMs: 10_000,
    draw: (prng, durationMs) => ({ kind: "slow-disk", factor: prng.pick([5, 50, 500])!, durationMs }),
  },
  { on: "wiped-disks", meanMs: 20_000, draw: () => ({ kind: "wipe" }) },
  {
    on: "old-disks",
    meanMs: 15_000,
    draw: (prng, downMs) => ({ kind: "old-disk", ageMs: prng.between(500, 30_000), downMs }),
  },
  { on: "lost-records", meanMs: 4_000, draw: (_, downMs) => ({ kind: "lose-record", downMs }) },
  { on: "flipped-bits", meanMs: 4_000, draw: (_, downMs) => ({ kind: "flip-bit", downMs }) },
  {
    on: "wall-clock-jumps",
    meanMs: 8_000,
    draw: (prng) => ({ kind: "wall-clock-jump", byMs: prng.between(-24, 24) * HOUR_MS }),
  },
];

function drawActions(
  prng: Prng,
  classes: Classes,
  from: Millis,
  until: Millis,
  hurry: number,
): { readonly actions: readonly FaultAction[]; readonly endsAt: Millis } {
  // A long run has about as many faults of a class as three short ones, or it would be nothing but faults.
  const stretch = hurry * Math.max(1, (until - from) / 100_000);
  const actions: FaultAction[] = [];
  for (const { on, meanMs, draw } of recurring) {
    const own = prng.fork();
    if (!classes.has(on)) continue;
    const mean = Math.floor((meanMs * stretch * own.between(50, 300)) / 100);
    for (let at = from + own.below(mean); at < until; at += 1 + own.below(2 * mean)) {
      const durationMs = own.pick([200, 1_000, 3_000, 6_000, 12_000])! + own.below(1_000);
      actions.push({ at, pick: own.uint32(), ...draw(own, durationMs) });
    }
  }
  actions.sort((a, b) => a.at - b.at);
  if (!classes.has("suspends")) return { actions, endsAt: until };
  // Once: everything that comes later comes later by the time slept.
  const at = from + prng.below(until - from);
  const durationMs = prng.pick([60_000, 600_000, 2 * HOUR_MS])!;
  const suspend: FaultAction = { kind: "suspend", at, pick: 0, durationMs };
  const before = actions.filter((action) => action.at < at);
  const after = actions
    .filter((action) => action.at >= at)
    .map((action) => ({ ...action, at: action.at + durationMs }));
  return { actions: [...before, suspend, ...after], endsAt: until + durationMs };
}

/** One line for people: `12.250 cut bridge 50% for 3.0 s`. */
export function describeFault(action: FaultAction): string {
  const { at, pick: _, kind, ...rest } = action;
  const details = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
  return [`${(at / 1_000).toFixed(3)} ${kind}`, ...details].join(" ");
}
