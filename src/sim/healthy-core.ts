/**
 * Liveness after the faults: a healthy core is fixed, all others stay dead or cut off, and the core must serve and converge without them. States,
 * in order:
 *
 *   choosing    at least N members that hold all that they own, living for good from now on; when there are not so many, the phase is left out
 *   grace       GRACE_MS in which the core may notice who is gone, finish what it can and fail requests
 *   serving     for SERVING_MS every request at a core node must succeed, but gets of keys for which nobody in the core counts
 *   agreeing    no more requests; within AGREE_MS_MAX the core sees one ring, nothing is under way in it, and its owners hold identical records
 *
 * What the others have and the core has not cannot be asked for: "nothing is lost" is judged when all are back.
 */

import type { Prng } from "../base/prng.ts";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { EMPTY, equal } from "../core/dvvset.ts";
import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import { isGone, memberOf } from "../core/membership.ts";
import { Ring } from "../core/ring.ts";
import { InvariantViolation } from "./checkers.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import type { History } from "./history.ts";
import type { Simulator } from "./simulator.ts";
import { type Span, calmNetwork } from "./virtual-network.ts";
import type { Callers } from "./workload.ts";

const WAKE_MS: Millis = 15_000;
const GRACE_MS: Millis = 40_000;
const SERVING_MS: Millis = 10_000;
const AGREE_MS_MAX: Millis = 120_000;
const HINTS_ENOUGH = 1_000;

export interface CoreWorld {
  readonly simulator: Simulator;
  readonly history: History;
  readonly callers: Callers;
  readonly plan: ClusterPlan;
  readonly latencyMs: Span;
  readonly prng: Prng;
  checkPlacement(): void;
}

export class HealthyCore {
  readonly #in: CoreWorld;

  constructor(world: CoreWorld) {
    this.#in = world;
  }

  /** Yields moments up to which time is to pass. False when the phase was left out. */
  *run(): Generator<Millis, boolean> {
    const { simulator, callers } = this.#in;
    const candidates = this.#candidates();
    if (candidates.length < this.#in.plan.parameters.n) return false;
    this.#isolate(candidates);
    yield* this.#wait(WAKE_MS);
    const core = candidates.filter((node) => this.#isWhole(node) && !this.#isGoneFor(candidates, node));
    if (core.length < this.#in.plan.parameters.n) return false;
    callers.reach(core);
    yield* this.#wait(GRACE_MS);
    callers.mustSucceed((kind, key) => this.#owes(core, kind, key));
    yield* this.#wait(SERVING_MS);
    callers.mustSucceed(undefined);
    callers.stop();
    yield* this.#agree(core);
    callers.reach(simulator.nodes);
    return true;
  }

  /** Who may keep only a few hints must refuse some writes; and what a key is can be said only while somebody who counts for it can read its record. */
  #owes(core: readonly NodeId[], kind: "get" | "put", key: Key): boolean {
    if (kind === "put") return this.#in.plan.config.hintsMax >= HINTS_ENOUGH;
    const view = this.#in.simulator.inspect(core[0]!)?.view;
    if (view === undefined) return false;
    const { counted } = new Ring(view).preferenceList(partitionOf(positionOf(key), view.claims.length));
    const address = recordAddress(key, positionOf(key));
    return counted.some(
      (node) => core.includes(node) && !this.#in.simulator.diskOf(node).isDamaged("records", address),
    );
  }

  /** Some of those that are members and have a disk. */
  #candidates(): NodeId[] {
    const { simulator, prng, plan } = this.#in;
    const able = simulator.nodes.filter(
      (node) => simulator.stateOf(node) !== "wiped" && simulator.configOf(node).capacity > 0,
    );
    const shuffled = prng.shuffled(able);
    return shuffled.slice(0, prng.between(Math.min(plan.parameters.n, shuffled.length), shuffled.length));
  }

  /** The core recovers; of the others each is dead or cut off from the core, for good. */
  #isolate(core: readonly NodeId[]): void {
    const { simulator, prng, latencyMs } = this.#in;
    simulator.network.profile = { ...calmNetwork, latencyMs };
    simulator.setStorageProfile((profile) => ({ ...profile, commitFailureProbability: 0, readFailureProbability: 0 }));
    // Light clients reach the core and nobody else: it serves them, too.
    const inCore = new Set([...core, ...simulator.lights]);
    simulator.cut((from, to) => inCore.has(from) !== inCore.has(to), "core");
    for (const node of simulator.nodes) {
      if (inCore.has(node)) simulator.recover(node);
      else if (prng.chance(0.5)) simulator.crash(node);
    }
  }

  #isWhole(node: NodeId): boolean {
    return this.#in.simulator.inspect(node)?.phase === "member";
  }

  /** Who was removed while it was away, and has met nobody since who knows it, takes itself for a member; and those who came meanwhile do not dial it. */
  #isGoneFor(others: readonly NodeId[], node: NodeId): boolean {
    return others.some((other) => {
      const view = this.#in.simulator.inspect(other)?.view;
      const member = view === undefined ? undefined : memberOf(view, node);
      return member !== undefined && isGone(member);
    });
  }

  *#wait(ms: Millis): Generator<Millis, void> {
    const { simulator } = this.#in;
    const until = simulator.now + ms;
    while (simulator.now < until) {
      yield Math.min(until, simulator.now + 1_000);
      this.#in.checkPlacement();
    }
  }

  *#agree(core: readonly NodeId[]): Generator<Millis, void> {
    const { simulator } = this.#in;
    const until = simulator.now + AGREE_MS_MAX;
    for (;;) {
      const missing = this.#missing(core);
      if (missing === undefined) return;
      if (simulator.now >= until)
        throw new InvariantViolation("convergence", `a healthy core has not converged without the others: ${missing}`);
      yield* this.#wait(1_000);
    }
  }

  #missing(core: readonly NodeId[]): string | undefined {
    const { simulator, history } = this.#in;
    const names = (nodes: readonly NodeId[]): string => nodes.map((node) => simulator.nameOf(node)).join(" ");
    const views = core.map((node) => simulator.inspect(node));
    const view = views[0]?.view;
    if (view === undefined || views.some((other) => other?.ringDigest !== views[0]?.ringDigest))
      return `${names(core)} see different rings`;
    const ring = new Ring(view);
    for (const key of history.keys.keys()) {
      const { counted } = ring.preferenceList(partitionOf(positionOf(key), view.claims.length));
      const holders = counted.filter((node) => core.includes(node));
      const sets = holders.map(
        (node) => simulator.diskOf(node).get("records", recordAddress(key, positionOf(key)))?.set ?? EMPTY,
      );
      if (sets.some((set) => !equal(set, sets[0]!))) return `${names(holders)} hold different records of ${key}`;
    }
    return undefined;
  }
}
