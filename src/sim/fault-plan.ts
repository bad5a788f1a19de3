/**
 * What goes wrong in one seed (swarm testing): each class of faults is on with probability one half, with a strength of its own, so that some
 * seeds have one fault often and others everything a little. Faults come at drawn times until the healing; then none.
 *
 * The budget, within which the invariants must hold: any number of crashes with the disk intact, but at most one wiped disk, and only when the
 * cluster has copied everything that it owes (`swarm.ts` looks).
 */

import type { Prng } from "../base/prng.ts";
import type { Millis } from "../core/identifiers.ts";
import type { StorageProfile } from "./virtual-storage.ts";
import type { NetworkProfile } from "./virtual-network.ts";

export const faultClasses = [
  "loss",
  "duplication",
  "reordering",
  "late-frames",
  "jitter",
  "unnoticed-cuts",
  "stalls",
  "partitions",
  "mutes",
  "broken-links",
  "crashes",
  "power-cuts",
  "wiped-disk",
  "freezes",
  "slow-nodes",
  "hidden-tabs",
  "failed-commits",
  "failed-reads",
  "surviving-commits",
  "skewed-clocks",
  "late-timers",
] as const;
export type FaultClass = (typeof faultClasses)[number];

/** `pick` chooses among whoever is there at that time. */
export type FaultAction = { readonly at: Millis; readonly pick: number } & (
  | { readonly kind: "partition"; readonly share: number; readonly durationMs: Millis }
  | { readonly kind: "mute"; readonly durationMs: Millis }
  | { readonly kind: "break-link" }
  | { readonly kind: "crash"; readonly downMs: Millis }
  | { readonly kind: "power-cut"; readonly downMs: Millis }
  | { readonly kind: "wipe" }
  | { readonly kind: "freeze"; readonly durationMs: Millis }
  | { readonly kind: "slow"; readonly factor: number; readonly durationMs: Millis }
  | { readonly kind: "hide"; readonly durationMs: Millis }
);

export interface FaultPlan {
  readonly classes: ReadonlySet<FaultClass>;
  readonly network: NetworkProfile;
  readonly storage: StorageProfile;
  readonly timerLatenessMs: Millis;
  readonly skewedClocks: boolean;
  /** By time. */
  readonly actions: readonly FaultAction[];
}

/** The faults of a run whose healing is at `healAt`; none comes before `from`, and none of the classes in `without`. */
export function drawFaultPlan(prng: Prng, from: Millis, healAt: Millis, without: readonly string[] = []): FaultPlan {
  const drawn = faultClasses.filter(() => prng.chance(0.5));
  const classes = new Set(drawn.filter((name) => !without.includes(name)));
  const share = (on: FaultClass, most: number): number => (classes.has(on) ? (most * prng.between(1, 100)) / 100 : 0);
  const slowest = prng.pick([2, 10, 40, 150])!;
  const network: NetworkProfile = {
    latencyMs: { min: prng.pick([0.25, 1, 5])!, max: slowest },
    jitterMs: classes.has("jitter") ? prng.between(1, 200) : 1,
    reordering: classes.has("reordering"),
    lossProbability: share("loss", 0.2),
    duplicationProbability: share("duplication", 0.2),
    lateProbability: share("late-frames", 0.02),
    lateMsMax: 30_000,
    connectMs: { min: 20, max: prng.pick([50, 500, 2_000])! },
    noticeMs: { min: 10, max: prng.pick([100, 1_000, 8_000])! },
    unnoticedProbability: share("unnoticed-cuts", 1),
    stallProbability: share("stalls", 1),
  };
  const storage: StorageProfile = {
    commitMs: { min: 0.25, max: prng.pick([2, 10, 50, 300])! },
    readMs: { min: 0.25, max: prng.pick([2, 10, 50])! },
    commitFailureProbability: share("failed-commits", 0.05),
    failedButAppliedProbability: prng.below(101) / 100,
    readFailureProbability: share("failed-reads", 0.1),
    vanishProbability: classes.has("surviving-commits") ? prng.between(80, 100) / 100 : 1,
    acknowledgesEarly: false,
    callsFailedReadsMissing: false,
  };

  const actions: FaultAction[] = [];
  const often = (on: FaultClass, meanMs: Millis, make: (at: Millis, pick: number) => FaultAction): void => {
    if (!classes.has(on)) return;
    const mean = Math.floor((meanMs * prng.between(50, 300)) / 100);
    for (let at = from + prng.below(mean); at < healAt; at += 1 + prng.below(2 * mean))
      actions.push(make(at, prng.uint32()));
  };
  const duration = (): Millis => prng.pick([200, 1_000, 3_000, 6_000, 12_000])! + prng.below(1_000);
  often("partitions", 8_000, (at, pick) => ({
    kind: "partition",
    at,
    pick,
    share: prng.below(100) / 100,
    durationMs: duration(),
  }));
  often("mutes", 10_000, (at, pick) => ({ kind: "mute", at, pick, durationMs: duration() }));
  often("broken-links", 3_000, (at, pick) => ({ kind: "break-link", at, pick }));
  often("crashes", 5_000, (at, pick) => ({ kind: "crash", at, pick, downMs: duration() - 150 }));
  often("power-cuts", 20_000, (at, pick) => ({ kind: "power-cut", at, pick, downMs: duration() }));
  often("freezes", 8_000, (at, pick) => ({ kind: "freeze", at, pick, durationMs: duration() }));
  often("slow-nodes", 8_000, (at, pick) => ({
    kind: "slow",
    at,
    pick,
    factor: prng.pick([2, 10, 50])!,
    durationMs: duration(),
  }));
  often("hidden-tabs", 8_000, (at, pick) => ({ kind: "hide", at, pick, durationMs: duration() }));
  if (classes.has("wiped-disk"))
    actions.push({ kind: "wipe", at: from + prng.below(Math.max(1, healAt - from)), pick: prng.uint32() });
  actions.sort((a, b) => a.at - b.at);
  return {
    classes,
    network,
    storage,
    timerLatenessMs: classes.has("late-timers") ? prng.pick([2, 20, 200, 1_000])! : 0,
    skewedClocks: classes.has("skewed-clocks"),
    actions,
  };
}
