/**
 * A seed of the swarm as a world of the lab: the cluster, the faults, the callers and the judges that `npm run sim` runs, message for message, so that a seed
 * that fails there can be looked at here. Nobody acts in it: what happens is the seed's.
 *
 * States: under way, then over (the verdict: `failure` is what broke, if anything did); time stands still from then on. `runUntil` and `step` let it pass.
 *
 * Limits: nothing is told of what was before `recordsFrom`, because a large seed is millions of events; flights are followed from the start. What the judges do
 * last (a survey, a look at buckets) happens in one step.
 */

import type { ClusterParameters } from "../core/config.ts";
import type { Millis } from "../core/identifiers.ts";
import type { SeedVariant } from "../sim/seed-link.ts";
import { SeedRun } from "../sim/swarm.ts";
import type { LabAct } from "./acts.ts";
import { SimulationWatch } from "./simulation-watch.ts";
import { WatchedWorld } from "./watched-world.ts";
import { LabError } from "./world.ts";

export const SWARM_SEED_MAX = Number.MAX_SAFE_INTEGER;

export class SeedWorld extends WatchedWorld {
  readonly abilities: ReadonlySet<LabAct["do"]> = new Set();
  readonly #run: SeedRun;
  readonly #recordsFrom: Millis;

  /** Throws `LabError` when there is no such seed. */
  constructor(seed: number, variant: SeedVariant = {}, recordsFrom: Millis = 0) {
    if (!Number.isInteger(seed) || seed < 1 || seed > SWARM_SEED_MAX)
      throw new LabError("invalid", `The seed is ${seed}, but must be a whole number from 1. No world was made.`);
    const watch = new SimulationWatch(true);
    super(watch);
    this.#run = new SeedRun(seed, { ...variant, observer: watch.observer });
    watch.attach(this.#run.simulator);
    this.#recordsFrom = recordsFrom;
    this.#beginWhenDue();
  }

  get seed(): number {
    return this.#run.seed;
  }

  /** The cluster and its faults in a line. */
  get shape(): string {
    return this.#run.shape;
  }

  get parameters(): ClusterParameters {
    return this.#run.parameters;
  }

  /** What broke, in which invariant; undefined so far, or for good when it is over. */
  get failure(): SeedRun["failure"] {
    return this.#run.failure;
  }

  get isOver(): boolean {
    return this.#run.isOver;
  }

  /** When the next thing happens; undefined when it is over. */
  get nextAt(): Millis | undefined {
    return this.isOver ? undefined : this.watch.nextAt;
  }

  protected get partitions(): number {
    return this.parameters.partitions;
  }

  /** Lets everything happen up to and including this moment, if it lasts so long. */
  runUntil(at: Millis): void {
    if (!this.watch.recorder.isOn && at >= this.#recordsFrom) {
      this.#pass(() => this.#run.runUntil(this.#recordsFrom));
      this.#beginWhenDue();
    }
    this.#pass(() => this.#run.runUntil(at));
  }

  /** Lets the next thing happen. False when it is over. */
  step(): boolean {
    let goesOn = false;
    this.#pass(() => (goesOn = this.#run.step()));
    this.#beginWhenDue();
    return goesOn;
  }

  act(_: LabAct): void {
    throw new LabError("not-able", "This is a seed of the simulator: what happens in it is decided. Nothing was done.");
  }

  #beginWhenDue(): void {
    if (!this.watch.recorder.isOn && this.now >= this.#recordsFrom) this.watch.begin(0);
  }

  /** The verdict is a record of the trace. */
  #pass(time: () => void): void {
    const wasOver = this.isOver;
    time();
    if (wasOver || !this.isOver) return;
    const { failure } = this;
    this.watch.tellWorld(failure === undefined ? "the verdict: all invariants held" : `broken: ${failure.message}`);
  }
}
