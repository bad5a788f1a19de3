/**
 * Time in a seed of the swarm. To go back is to begin the seed anew and let it pass again; what is told then is what was in the last TOLD_MS before that moment and
 * all after it, because nobody can keep the millions of events of a large seed.
 */

import type { Millis } from "../core/identifiers.ts";
import type { SeedVariant } from "../sim/seed-link.ts";
import type { LabAct } from "./acts.ts";
import type { LabTime } from "./lab-time.ts";
import { SeedWorld } from "./seed-world.ts";

export const TOLD_MS: Millis = 30_000;

export class SeedTime implements LabTime {
  readonly beginsAt: Millis = 0;
  readonly upcoming: readonly never[] = [];
  readonly #seed: number;
  readonly #variant: SeedVariant;
  #world: SeedWorld;
  #endsAt: Millis = 0;

  /** Stands at the beginning. Throws `LabError` when there is no such seed. */
  constructor(seed: number, variant: SeedVariant) {
    this.#seed = seed;
    this.#variant = variant;
    this.#world = new SeedWorld(seed, variant);
  }

  get world(): SeedWorld {
    return this.#world;
  }

  get now(): Millis {
    return this.#world.now;
  }

  /** The latest moment that was ever reached. */
  get endsAt(): Millis {
    return Math.max(this.#endsAt, this.now);
  }

  playTo(at: Millis): void {
    this.#world.runUntil(at);
    this.#endsAt = this.endsAt;
  }

  seek(at: Millis): void {
    if (at < this.now || at > this.now + TOLD_MS) this.#world = new SeedWorld(this.#seed, this.#variant, at - TOLD_MS);
    this.playTo(at);
  }

  stepRecord(): boolean {
    const { traceCount } = this.#world;
    while (this.#world.traceCount === traceCount) if (!this.#world.step()) break;
    this.#endsAt = this.endsAt;
    return this.#world.traceCount > traceCount;
  }

  act(act: LabAct): void {
    this.#world.act(act);
  }
}
