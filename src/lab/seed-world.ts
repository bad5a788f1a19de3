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
import type { Key, Millis, NodeId, Partition } from "../core/identifiers.ts";
import type { Plan, PlannedChange } from "../core/membership-plan.ts";
import type { NodeView } from "../core/node.ts";
import type { PreferenceList } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { SeedVariant } from "../sim/seed-link.ts";
import { SeedRun } from "../sim/swarm.ts";
import type { LabAct } from "./acts.ts";
import { SimulationWatch } from "./simulation-watch.ts";
import {
  type Flight,
  LabError,
  type LabNode,
  type LabWorld,
  type Letter,
  type PartitionTree,
  type RecordsOfKey,
  type StoredKey,
  type TraceRecord,
} from "./world.ts";

export const SWARM_SEED_MAX = Number.MAX_SAFE_INTEGER;

export class SeedWorld implements LabWorld {
  readonly kind = "simulated";
  readonly abilities: ReadonlySet<LabAct["do"]> = new Set();
  readonly #watch = new SimulationWatch(true);
  readonly #run: SeedRun;
  readonly #recordsFrom: Millis;

  /** Throws `LabError` when there is no such seed. */
  constructor(seed: number, variant: SeedVariant = {}, recordsFrom: Millis = 0) {
    if (!Number.isInteger(seed) || seed < 1 || seed > SWARM_SEED_MAX)
      throw new LabError("invalid", `The seed is ${seed}, but must be a whole number from 1. No world was made.`);
    this.#run = new SeedRun(seed, { ...variant, observer: this.#watch.observer });
    this.#watch.attach(this.#run.simulator);
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

  get now(): Millis {
    return this.#watch.now;
  }

  /** When the next thing happens; undefined when it is over. */
  get nextAt(): Millis | undefined {
    return this.isOver ? undefined : this.#watch.nextAt;
  }

  get nodes(): readonly LabNode[] {
    const { simulator } = this.#watch;
    return simulator.hosts.map((id) => {
      const { zone, capacity } = simulator.configOf(id);
      const disk = simulator.diskOf(id);
      return {
        id,
        name: simulator.nameOf(id),
        state: this.#watch.stateOf(id),
        zone,
        capacity: simulator.isLight(id) ? 0 : capacity,
        hidden: simulator.isThrottled(id),
        clockSkewMs: simulator.wallSkewOf(id),
        isLight: simulator.isLight(id),
        diskFull: disk.full,
        diskSlowness: disk.slowness,
        networkSlowness: simulator.network.slownessOf(id),
        grayMs: simulator.network.grayMsOf(id),
      };
    });
  }

  get cuts(): readonly { readonly from: NodeId; readonly to: NodeId }[] {
    return this.#watch.simulator.network.cuts;
  }

  get flights(): readonly Flight[] {
    return this.#watch.recorder.flights;
  }

  get flightsUnderWay(): readonly Flight[] {
    return this.#watch.recorder.flightsUnderWay;
  }

  get trace(): readonly TraceRecord[] {
    return this.#watch.recorder.trace;
  }

  get traceCount(): number {
    return this.#watch.recorder.count;
  }
  get traceHash(): string {
    return this.#watch.recorder.hash;
  }

  viewOf(node: NodeId): NodeView | undefined {
    return this.#watch.viewOf(node);
  }

  statisticsOf(node: NodeId): StatisticsSnapshot | undefined {
    return this.#watch.statisticsOf(node);
  }

  recordsOf(node: NodeId, key: Key): RecordsOfKey {
    return this.#watch.recordsOf(node, key);
  }

  treeOf(node: NodeId, partition: Partition): PartitionTree | undefined {
    return this.#watch.treeOf(node, partition, this.parameters.partitions);
  }

  storedAt(node: NodeId): readonly StoredKey[] {
    return this.#watch.storedAt(node);
  }

  letterOf(flight: number): Letter | undefined {
    return this.#watch.recorder.letter(flight);
  }

  preferenceListAt(node: NodeId, key: Key): PreferenceList | undefined {
    return this.#watch.preferenceListAt(node, key);
  }

  listsAt(node: NodeId): readonly PreferenceList[] {
    return this.#watch.listsAt(node);
  }

  planAt(node: NodeId, change: PlannedChange): Plan | undefined {
    return this.#watch.planAt(node, change);
  }

  /** Lets everything happen up to and including this moment, if it lasts so long. */
  runUntil(at: Millis): void {
    if (!this.#watch.recorder.isOn && at >= this.#recordsFrom) {
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
    if (!this.#watch.recorder.isOn && this.now >= this.#recordsFrom) this.#watch.begin(0);
  }

  /** The verdict is a record of the trace. */
  #pass(time: () => void): void {
    const wasOver = this.isOver;
    time();
    if (wasOver || !this.isOver) return;
    const { failure } = this;
    this.#watch.tellWorld(failure === undefined ? "the verdict: all invariants held" : `broken: ${failure.message}`);
  }
}
