/**
 * Judges placement (DESIGN section 12, invariant 6): no partition is ever without a holder; nodes that see one ring see the same preference lists;
 * nothing moves because of a failure. Looked at once a second, from outside: by what is on the disks and what the nodes show.
 *
 * "Nothing moves" is judged from a moment of peace on: when all nodes that there are agree and have dealt their tokens evenly, the claims are
 * remembered, and from then on no claim may get a newer version until a node is added (or comes back from an older disk, and joins once more). The
 * tokens that nodes draw for themselves in placements 1 and 2 may not change either.
 */

import { bytesEqual } from "../base/bytes.ts";
import { bucketsDigest } from "../core/buckets.ts";
import { type Member, type View, isGone, memberOf, stays } from "../core/membership.ts";
import { claimsAfterDepartures, claimsAfterGiving } from "../core/token-claims.ts";
import { digestOf } from "../core/ring.ts";
import type { Budget } from "./budget.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";

export class PlacementChecker {
  readonly #simulator: Simulator;
  readonly #budget: Budget;
  #peace: { readonly nodes: number; readonly view: View } | undefined;

  constructor(simulator: Simulator, budget: Budget) {
    this.#simulator = simulator;
    this.#budget = budget;
  }

  /** Somebody may join once more, with what it knew long ago. */
  forgetPeace(): void {
    this.#peace = undefined;
  }

  check(): void {
    if (!this.#budget.everythingHeld())
      throw new InvariantViolation("placement", "a partition has no holder any more, by what is on all disks");
    this.#checkSameRings();
    const views = this.#views();
    if (this.#peace?.nodes !== this.#simulator.nodes.length) this.#peace = undefined;
    if (this.#peace === undefined) this.#lookForPeace(views);
    else for (const view of views) this.#checkUnmoved(view, this.#peace.view);
  }

  #views(): View[] {
    return this.#simulator.running.flatMap((node) => this.#simulator.viewOf(node) ?? []);
  }

  /** What nodes compare is a digest: behind equal ones there must be equal owners, holders and buckets. */
  #checkSameRings(): void {
    const byDigest = new Map<number, View>();
    for (const node of this.#simulator.running) {
      const view = this.#simulator.viewOf(node);
      if (view === undefined) continue;
      const digest = digestOf(view);
      const known = byDigest.get(digest);
      byDigest.set(digest, view);
      if (known === undefined || known === view) continue;
      const same =
        sameClaims(known, view) &&
        bucketsDigest(known.buckets) === bucketsDigest(view.buckets) &&
        known.members.every((member, i) => {
          const other = view.members[i];
          return (
            other?.node === member.node &&
            bytesEqual(other.holders, member.holders) &&
            sameTokens(other.tokens, member.tokens)
          );
        });
      if (!same) throw new InvariantViolation("placement", "two nodes with one ring digest see different rings");
    }
  }

  #lookForPeace(views: readonly View[]): void {
    const [first] = views;
    const { nodes } = this.#simulator;
    const living = nodes.filter((node) => this.#simulator.stateOf(node) !== "wiped");
    if (first === undefined || views.length < living.length) return;
    if (first.members.length < this.#simulator.nodes.length) return;
    // Who goes, or is gone and has not heard of it, may still know of other tokens; and so may whoever has not heard that somebody is gone.
    const standings = (view: View): string =>
      view.members.map(({ node, departure }) => `${node} ${departure?.standing ?? "stays"}`).join();
    const isUnrest = (member: Member): boolean =>
      !stays(member) && (!isGone(member) || this.#simulator.stateOf(member.node) !== "wiped");
    if (first.members.some(isUnrest) || views.some((view) => standings(view) !== standings(first))) return;
    if (views.some((view) => view.members.length !== first.members.length || !sameClaims(view, first))) return;
    const uneven =
      first.parameters.placement === 3 &&
      (claimsAfterDepartures(first) !== first.claims ||
        first.members.some((member) => claimsAfterGiving(first, member.node) !== first.claims));
    if (!uneven) this.#peace = { nodes: this.#simulator.nodes.length, view: first };
  }

  #checkUnmoved(view: View, peace: View): void {
    for (const { node, tokens } of view.members)
      if (!sameTokens(tokens, memberOf(peace, node)?.tokens ?? []))
        throw new InvariantViolation("placement", `the tokens of ${this.#simulator.nameOf(node)} changed`);
    view.claims.forEach((claim, p) => {
      if (claim.version > peace.claims[p]!.version)
        throw new InvariantViolation("placement", `the token of partition ${p} moved, though nobody joined or left`);
    });
  }
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}

function sameClaims(a: View, b: View): boolean {
  return a.claims.every((claim, p) => claim.owner === b.claims[p]!.owner && claim.version === b.claims[p]!.version);
}
