/** What every world over a simulator answers alike: what its watch knows. How time passes, and what can be done, is each world's own. */

import type { Key, Millis, NodeId, Partition } from "../core/identifiers.ts";
import type { Plan, PlannedChange } from "../core/membership-plan.ts";
import type { NodeView } from "../core/node.ts";
import type { PreferenceList } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { LabAct } from "./acts.ts";
import type { SimulationWatch } from "./simulation-watch.ts";
import type {
  Flight,
  LabNode,
  LabWorld,
  Letter,
  PartitionTree,
  RecordsOfKey,
  StoredKey,
  TraceRecord,
} from "./world.ts";

export abstract class WatchedWorld implements LabWorld {
  readonly kind = "simulated";
  abstract readonly abilities: ReadonlySet<LabAct["do"]>;
  protected readonly watch: SimulationWatch;

  constructor(watch: SimulationWatch) {
    this.watch = watch;
  }

  abstract act(act: LabAct): void;

  /** Of the whole ring. */
  protected abstract readonly partitions: number;

  get now(): Millis {
    return this.watch.now;
  }

  get nodes(): readonly LabNode[] {
    const { simulator } = this.watch;
    return simulator.hosts.map((id) => {
      const { zone, capacity } = simulator.configOf(id);
      const disk = simulator.diskOf(id);
      return {
        id,
        name: simulator.nameOf(id),
        state: this.watch.stateOf(id),
        zone,
        capacity: simulator.isLight(id) ? 0 : capacity,
        hidden: simulator.isThrottled(id),
        clockSkewMs: simulator.wallSkewOf(id),
        isLight: simulator.isLight(id),
        isServer: capacity === 0 && !simulator.isLight(id),
        diskFull: disk.full,
        diskSlowness: disk.slowness,
        networkSlowness: simulator.network.slownessOf(id),
        addedLatencyMs: simulator.network.distanceOf(id),
        grayMs: simulator.network.grayMsOf(id),
      };
    });
  }

  get cuts(): readonly { readonly from: NodeId; readonly to: NodeId }[] {
    return this.watch.simulator.network.cuts;
  }

  get serverDown(): boolean | undefined {
    const servers = this.nodes.filter(({ isServer }) => isServer);
    return servers.length === 0 ? undefined : servers.every(({ state }) => state !== "running" && state !== "frozen");
  }

  get flights(): readonly Flight[] {
    return this.watch.recorder.flights;
  }

  get flightsUnderWay(): readonly Flight[] {
    return this.watch.recorder.flightsUnderWay;
  }

  get trace(): readonly TraceRecord[] {
    return this.watch.recorder.trace;
  }

  /** How many records there ever were, and a hash over all of them: of equal runs they are equal. */
  get traceCount(): number {
    return this.watch.recorder.count;
  }
  get traceHash(): string {
    return this.watch.recorder.hash;
  }

  viewOf(node: NodeId): NodeView | undefined {
    return this.watch.viewOf(node);
  }

  statisticsOf(node: NodeId): StatisticsSnapshot | undefined {
    return this.watch.statisticsOf(node);
  }

  recordsOf(node: NodeId, key: Key): RecordsOfKey {
    return this.watch.recordsOf(node, key);
  }

  treeOf(node: NodeId, partition: Partition): PartitionTree | undefined {
    return this.watch.treeOf(node, partition, this.partitions);
  }

  storedAt(node: NodeId): readonly StoredKey[] {
    return this.watch.storedAt(node);
  }

  letterOf(flight: number): Letter | undefined {
    return this.watch.recorder.letter(flight);
  }

  preferenceListAt(node: NodeId, key: Key): PreferenceList | undefined {
    return this.watch.preferenceListAt(node, key);
  }

  listsAt(node: NodeId): readonly PreferenceList[] {
    return this.watch.listsAt(node);
  }

  planAt(node: NodeId, change: PlannedChange): Plan | undefined {
    return this.watch.planAt(node, change);
  }
}
