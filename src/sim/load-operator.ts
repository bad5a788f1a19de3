/**
 * An operator who evens out the load: now and then he asks some member how often each partition is asked for, plans which tokens change places, and commits
 * the plan (core/load-plan.ts). It is judged on the spot: everybody has as many tokens as before, each token that changed hands can win over what others know, and
 * every preference list is as long as it was.
 *
 * Limits: one plan each time; the last view for which one was made is kept.
 */

import type { Prng } from "../base/prng.ts";
import type { Effect } from "../core/effect.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { type View, claimWins } from "../core/membership.ts";
import { planForLoad } from "../core/load-plan.ts";
import { Ring, placementDigest, tokenCounts } from "../core/ring.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";

const ASKS_FOR_MS: Millis = 5_000;
const TIMES_MAX = 8;

export class LoadOperator {
  readonly #simulator: Simulator;
  readonly #prng: Prng;
  readonly #count: (what: string) => void;
  /** By node: the view of its last plan. */
  readonly #planned = new Map<NodeId, View>();

  constructor(simulator: Simulator, prng: Prng, count: (what: string) => void) {
    this.#simulator = simulator;
    this.#prng = prng;
    this.#count = count;
  }

  schedule(from: Millis, until: Millis): void {
    for (let i = this.#prng.between(2, TIMES_MAX); i > 0; i--)
      this.#simulator.after(from + this.#prng.below(until - from), () => this.#plan());
  }

  onStep(node: NodeId, effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.kind === "note" && effect.note.what === "tokens-swapped") this.#judge(node);
  }

  #plan(): void {
    const simulator = this.#simulator;
    const node = this.#prng.pick(simulator.running);
    const view = node === undefined ? undefined : simulator.viewOf(node);
    if (node === undefined || view === undefined) return;
    const partitions = [...view.claims.keys()];
    simulator.sizes(node, partitions, ASKS_FOR_MS, (sizes) => {
      const now = simulator.stateOf(node) === "running" ? simulator.viewOf(node) : undefined;
      if (now === undefined) return;
      const demand = new Array<number>(partitions.length).fill(0);
      for (const { partition, servedPerMinute } of sizes) demand[partition] = servedPerMinute;
      const { swaps } = planForLoad(now, demand, new Set(simulator.inspect(node)?.slowByMost));
      this.#count(swaps.length === 0 ? "load is even" : "plan for load");
      if (swaps.length === 0) return;
      this.#planned.set(node, now);
      simulator.changeMembership(node, { kind: "move", swaps, planned: placementDigest(now) }, (refusal) =>
        this.#count(refusal === undefined ? "tokens swapped" : `swap refused: ${refusal.code}`),
      );
    });
  }

  #judge(node: NodeId): void {
    const simulator = this.#simulator;
    const before = this.#planned.get(node);
    const after = simulator.viewOf(node);
    if (before === undefined || after === undefined) return;
    const demand = (holds: boolean, why: string): void => {
      if (!holds) throw new InvariantViolation("placement", `${simulator.nameOf(node)} swaps tokens, and ${why}`);
    };
    const counts = tokenCounts(before);
    for (const [owner, count] of tokenCounts(after))
      demand(count === (counts.get(owner) ?? 0), `${simulator.nameOf(owner)} has ${count} of them then`);
    const rings = [new Ring(before), new Ring(after)] as const;
    after.claims.forEach((claim, partition) => {
      const was = before.claims[partition]!;
      demand(
        claim.owner === was.owner || claimWins(claim, was),
        `others will not believe it of partition ${partition}`,
      );
      const [old, now] = rings.map((ring) => ring.preferenceList(partition).owners.length);
      demand(old === now, `partition ${partition} has ${now} owners then`);
    });
  }
}
