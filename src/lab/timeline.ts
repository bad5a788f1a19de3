/**
 * Time travel in a simulated world. A run is its options and what was done in it when, so that every moment of it can be made again: to go back is to begin
 * anew and play up to there. What is done in the past makes a fork: what came after is forgotten, and the run goes on from here.
 *
 * An act takes place at a whole sixteenth of a millisecond, when everything due by then has happened; so the moment of an act says all, and a replay is the
 * same record for record. `hash` proves it.
 *
 * Going back makes a new `world`: whoever draws asks for it again. An act of a run that the world refuses (only a run from a crooked link has one) is passed over.
 *
 * Limits: ACTS_MAX acts; RUN_MS_MAX of virtual time.
 */

import type { Millis } from "../core/identifiers.ts";
import type { LabAct } from "./acts.ts";
import type { LabTime } from "./lab-time.ts";
import type { LabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { LabError } from "./world.ts";

export const ACTS_MAX = 2_000;
export const RUN_MS_MAX: Millis = 24 * 3_600_000;
/** Of a millisecond: exact in binary, as the simulator's own times are. */
export const TICKS_PER_MS = 16;

export interface DoneAct {
  /** A whole number of ticks. */
  readonly at: Millis;
  readonly act: LabAct;
}

/** Acts are in the order in which they were done. */
export interface Run {
  readonly options: LabOptions;
  readonly acts: readonly DoneAct[];
}

/** The first tick that is not before this moment. */
export function tickAt(at: Millis): Millis {
  return Math.ceil(at * TICKS_PER_MS) / TICKS_PER_MS;
}

export class Timeline implements LabTime {
  readonly beginsAt: Millis = 0;
  readonly #options: LabOptions;
  #acts: DoneAct[];
  /** How many of them were done by now. */
  #done = 0;
  #world: SimulatedWorld;
  /** The latest moment that was ever reached on this fork. */
  #endsAt: Millis = 0;

  /** Stands at the beginning. Throws `LabError` when the options are none. */
  constructor({ options, acts }: Run) {
    if (acts.length > ACTS_MAX) throw new LabError("too-many", `A run has ${ACTS_MAX} acts at most. Nothing was done.`);
    if (acts.some(({ at }, i) => at < (acts[i - 1]?.at ?? 0) || at > RUN_MS_MAX || tickAt(at) !== at))
      throw new LabError("invalid", "The acts of this run are in no order. Nothing was done.");
    this.#options = options;
    this.#acts = [...acts];
    this.#world = new SimulatedWorld(options);
    this.#doDue();
    this.#endsAt = acts.at(-1)?.at ?? 0;
  }

  get world(): SimulatedWorld {
    return this.#world;
  }

  get now(): Millis {
    return this.#world.now;
  }

  get endsAt(): Millis {
    return Math.max(this.#endsAt, this.now);
  }

  get run(): Run {
    return { options: this.#options, acts: this.#acts };
  }

  /** Acts that are still to come, when this is the past. */
  get upcoming(): readonly DoneAct[] {
    return this.#acts.slice(this.#done);
  }

  /** Equal at equal moments of equal runs. */
  get hash(): string {
    return this.#world.traceHash;
  }

  /** Lets time pass up to and including this moment; one in the past is no time at all. */
  playTo(at: Millis): void {
    const until = Math.min(at, RUN_MS_MAX);
    for (let next = this.#next(); next !== undefined && next.at <= until; next = this.#next()) {
      this.#world.runUntil(next.at);
      this.#doDue();
    }
    this.#world.runUntil(until);
    this.#endsAt = Math.max(this.#endsAt, this.now);
  }

  /** One thing happens: an event of the simulator, or the acts of one moment. False at the end of time. */
  step(): boolean {
    const next = this.#next();
    const nextAt = this.#world.nextAt;
    if ((next?.at ?? nextAt ?? Infinity) > RUN_MS_MAX) return false;
    if (next !== undefined && (nextAt === undefined || next.at < nextAt)) {
      this.#world.runUntil(next.at);
      this.#doDue();
    } else if (nextAt === undefined || nextAt > RUN_MS_MAX || !this.#world.step()) return false;
    this.#endsAt = Math.max(this.#endsAt, this.now);
    return true;
  }

  /** As many of them as it takes for the trace to tell something new. False when nothing came within `withinMs`. */
  stepRecord(withinMs: Millis = 60_000): boolean {
    const { traceCount } = this.#world;
    const until = this.now + withinMs;
    while (this.#world.traceCount === traceCount) if (this.now >= until || !this.step()) return false;
    return true;
  }

  /** Goes to this moment, forth or back. */
  seek(at: Millis): void {
    if (at < this.now) {
      this.#endsAt = this.endsAt;
      this.#world = new SimulatedWorld(this.#options);
      this.#done = 0;
      this.#doDue();
    }
    this.playTo(at);
  }

  /** Forgets what was still to come. */
  fork(): void {
    this.#acts = this.#acts.slice(0, this.#done);
    this.#endsAt = this.now;
  }

  /** Does it at the next tick, and forks. Throws `LabError`, and then nothing was done and nothing forgotten. */
  act(act: LabAct): void {
    const at = tickAt(this.now);
    if (this.#done >= ACTS_MAX || at > RUN_MS_MAX)
      throw new LabError("too-many", "This run is full. Nothing was done. Begin a new one, or go back.");
    this.#world.runUntil(at);
    this.#world.act(act);
    this.fork();
    this.#acts.push({ at, act });
    this.#done++;
  }

  #next(): DoneAct | undefined {
    return this.#acts[this.#done];
  }

  #doDue(): void {
    for (let next = this.#next(); next !== undefined && next.at <= this.now; next = this.#next()) {
      // What the one before has left for this very moment comes first, as when it was done.
      this.#world.runUntil(next.at);
      this.#done++;
      try {
        this.#world.act(next.act);
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
      }
    }
  }
}
