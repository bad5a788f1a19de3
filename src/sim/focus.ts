/**
 * Focused seeds: where every class of faults is on with probability one half, some twenty happen at once, and what needs three particular ones in
 * a row hardly ever does. So one seed in five is a small world with few keys, many callers and strict quorums, in which only the classes of one
 * theme may be on, and come often.
 *
 * Drawn apart, so that all other seeds are what they would be without.
 */

import { Prng } from "../base/prng.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Note } from "../core/effect.ts";
import type { Key, Millis } from "../core/identifiers.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import type { FaultClass } from "./fault-plan.ts";
import type { Workload } from "./workload.ts";

/** One seed in so many. */
const FOCUSED = 5;
const FOCUS = 0x0f_0c05;

/** Which classes may be on, and the one that must be. */
export interface Theme {
  readonly name: string;
  readonly always: FaultClass;
  readonly maybe: readonly FaultClass[];
}

const network: readonly FaultClass[] = ["partitions", "partial-partitions", "one-way-cuts", "jitter", "stalls"];
const disks: readonly FaultClass[] = ["slow-disks", "failed-commits", "failed-reads"];

export const themes: readonly Theme[] = [
  { name: "joins", always: "newcomers", maybe: [...network, "crashes", "slow-nodes"] },
  { name: "joins and disks", always: "newcomers", maybe: [...disks, "crashes", "power-cuts", "partitions"] },
  { name: "leaves", always: "leaves", maybe: ["newcomers", "crashes", "full-disks", ...network] },
  { name: "removals", always: "removals", maybe: ["newcomers", "leaves", "crashes", ...network] },
];

/** Some notes of some nodes are followed by a crash of theirs: what matters happens between two steps that come soon after each other. */
export interface Ambush {
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
];

export interface Focus {
  readonly theme: Theme;
  readonly ambush: Ambush | undefined;
  readonly classes: ReadonlySet<FaultClass>;
  /** Of the usual time between two faults of a class. */
  readonly hurry: number;
  readonly plan: ClusterPlan;
  narrow(workload: Workload): Workload;
}

/** Undefined for four seeds in five. */
export function drawFocus(seed: number, usual: ClusterPlan): Focus | undefined {
  if (seed % FOCUSED !== FOCUSED - 1) return undefined;
  const prng = Prng.fromNumber(seed ^ FOCUS);
  const theme = prng.pick(themes)!;
  const classes = new Set([theme.always, ...theme.maybe.filter(() => prng.chance(0.5))]);
  const callers = prng.between(2, 8);
  const keys = Array.from({ length: prng.between(1, 12) }, (_, i) => `carts/${i}` as Key);
  const getProbability = prng.between(30, 70) / 100;
  const ambush = {
    what: prng.pick(ambushed)!,
    chance: prng.pick([0.05, 0.5])!,
    afterMs: prng.pick([0, 5, 100, 1_000])!,
    downMs: prng.pick([200, 1_000, 5_000])!,
  };
  return {
    theme,
    ambush: prng.chance(0.5) ? ambush : undefined,
    classes,
    hurry: prng.pick([0.25, 0.5, 1])!,
    plan: drawPlan(prng, usual),
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
    }),
  };
}

function drawPlan(prng: Prng, usual: ClusterPlan): ClusterPlan {
  const n = prng.pick([2, 3, 3, 3, 5])!;
  const strict = Math.floor(n / 2) + 1;
  const partitions = prng.pick([16, 32])!;
  const parameters = parametersFrom({ n, r: strict, w: strict, partitions });
  const count = prng.between(n, n + 3);
  const workloadFrom = 4_000;
  const faultsUntil = workloadFrom + prng.between(20_000, 60_000);
  const joins = Array.from({ length: count - 1 }, (_, i) => ({
    at: prng.chance(0.7) ? prng.below(1_000) : prng.below(faultsUntil),
    capacity: 1,
    zone: `zone-${i + 1}`,
  }));
  const { peerRequestsPerSecond, peerRequestsBurst, peerBackgroundPerSecond, peerBackgroundBurst } = defaultConfig;
  const config = {
    ...usual.config,
    rebalanceAfterMs: 1_000,
    transferPageBytesMax: prng.pick([1_000, 65_536])!,
    ...{ peerRequestsPerSecond, peerRequestsBurst, peerBackgroundPerSecond, peerBackgroundBurst },
  };
  return { ...usual, parameters, founderCapacity: 1, joins, config, workloadFrom, faultsUntil, large: false };
}
