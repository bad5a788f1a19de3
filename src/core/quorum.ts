/**
 * Counts replies towards a quorum: who was asked, who answered, and whether enough still can. Knows nothing of what the replies say.
 *
 * pending: not enough yet, but enough may still come. met: enough. unreachable: those that may still answer are too few.
 *
 * A request that asks for owners has two tallies: one of all replies that count, and one of the owners' own. Both must be met.
 */

import type { NodeId } from "./identifiers.ts";

/**
 * How many replies make a quorum of `asked` (R or W) when `holders` nodes hold the key and N are meant to. With fewer than N, what there is; with more,
 * because some are coming or going, as many more: so that quorums of two neighbouring sets of holders always meet, whoever sees which of them. When so
 * many cannot be reached, `asked` must do, as with any sloppy quorum.
 */
export function quorumOf(asked: number, n: number, holders: number): number {
  return holders <= n ? Math.min(asked, holders) : asked + holders - n;
}

export type Outcome = "pending" | "met" | "unreachable";

/** What two tallies together come to: either one out of reach is the end of it. */
export function bothOf(a: Outcome, b: Outcome): Outcome {
  if (a === "unreachable" || b === "unreachable") return "unreachable";
  return a === "met" && b === "met" ? "met" : "pending";
}

export class Tally {
  #needed: number;
  readonly #asked = new Map<NodeId, "waiting" | "answered" | "refused">();

  constructor(needed: number) {
    this.#needed = needed;
  }

  get needed(): number {
    return this.#needed;
  }

  /** Fewer have to do. */
  lower(needed: number): void {
    this.#needed = Math.min(this.#needed, needed);
  }

  /** More are needed than was thought. */
  raise(needed: number): void {
    this.#needed = Math.max(this.#needed, needed);
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { needed: this.needed, asked: this.#asked };
  }

  /** Counts `node` among those that may answer. Asking it again after a refusal gives it another chance. */
  ask(node: NodeId): void {
    if (this.#asked.get(node) !== "answered") this.#asked.set(node, "waiting");
  }

  answer(node: NodeId): void {
    if (this.#asked.has(node)) this.#asked.set(node, "answered");
  }

  refuse(node: NodeId): void {
    if (this.#asked.get(node) === "waiting") this.#asked.set(node, "refused");
  }

  /** As if it had never been asked, unless it has answered: where nobody can answer in its place, it makes no difference which. */
  withdraw(node: NodeId): void {
    if (this.#asked.get(node) !== "answered") this.#asked.delete(node);
  }

  /** As if it had never been asked, nor answered. */
  forget(node: NodeId): void {
    this.#asked.delete(node);
  }

  was(node: NodeId): "waiting" | "answered" | "refused" | undefined {
    return this.#asked.get(node);
  }

  outcome(): Outcome {
    let answered = 0;
    let waiting = 0;
    for (const state of this.#asked.values()) {
      if (state === "answered") answered++;
      else if (state === "waiting") waiting++;
    }
    return answered >= this.needed ? "met" : answered + waiting < this.needed ? "unreachable" : "pending";
  }

  /** True when nobody is left who may still answer. */
  complete(): boolean {
    for (const state of this.#asked.values()) if (state === "waiting") return false;
    return true;
  }

  in(state: "waiting" | "answered" | "refused"): NodeId[] {
    return [...this.#asked].filter(([, own]) => own === state).map(([node]) => node);
  }
}
