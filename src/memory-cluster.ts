/** For tests of stores: clusters on memory links and disks, with a clock that runs as fast as the test lets it. */

import { Prng } from "./base/prng.ts";
import { defaultParameters } from "./core/config.ts";
import type { ClusterParameters, Config } from "./core/config.ts";
import type { NodeId } from "./core/identifiers.ts";
import { MemoryDisk, MemoryStorage } from "./driver/memory-storage.ts";
import { MemoryHub, MemoryTransport } from "./driver/memory-transport.ts";
import { LeapingClock } from "./driver/leaping-clock.ts";
import { type StoreTransport, TabringStore } from "./store.ts";

export function nodeId(n: number): NodeId {
  return n.toString(16).padStart(32, "0") as NodeId;
}

export class MemoryCluster {
  readonly clock = new LeapingClock();
  readonly hub = new MemoryHub();
  readonly stores: TabringStore[] = [];
  readonly disks = new Map<number, MemoryDisk>();
  /** Nodes that have departed and thrown their data away, in that order. */
  readonly discarded: number[] = [];
  readonly #name: string;
  readonly #parameters: ClusterParameters;
  readonly #config: Partial<Pick<Config, "history" | "removeAfterMs">>;

  constructor(
    name: string,
    parameters: Partial<ClusterParameters> = {},
    config: Partial<Pick<Config, "history" | "removeAfterMs">> = {},
  ) {
    this.#name = name;
    this.#parameters = { ...defaultParameters, partitions: 16, ...parameters };
    this.#config = config;
  }

  /** Opens nodes 1 to `size`; node 1 founds. */
  static async of(
    size: number,
    name = "test",
    parameters: Partial<ClusterParameters> = {},
    config: Partial<Pick<Config, "history" | "removeAfterMs">> = {},
  ): Promise<MemoryCluster> {
    const cluster = new MemoryCluster(name, parameters, config);
    for (let n = 1; n <= size; n++) await cluster.open(n);
    await cluster.clock.pass(20_000);
    return cluster;
  }

  async open(n: number): Promise<TabringStore> {
    const prng = Prng.fromNumber(n);
    const random = (count: number) => Uint8Array.from({ length: count }, () => prng.below(256));
    const options = { self: nodeId(n), cluster: this.#name, secret: new Uint8Array(32), clock: this.clock, random };
    const memory = new MemoryTransport(this.hub, options);
    const transport: StoreTransport = Object.assign(memory, {
      setCut: () => undefined,
      setServerCut: () => undefined,
      seedState: "none" as const,
    });
    const disk = this.disks.get(n) ?? new MemoryDisk();
    this.disks.set(n, disk);
    const store = new TabringStore({
      node: nodeId(n),
      cluster: this.#name,
      storage: new MemoryStorage({ disk }),
      transport,
      clock: this.clock,
      random,
      zone: `zone-${n}`,
      discard: () => {
        this.discarded.push(n);
        return Promise.resolve();
      },
      ...this.#config,
    });
    this.stores.push(store);
    await store.open(n === 1 ? this.#parameters : undefined);
    if (n > 1) memory.connect(nodeId(1));
    await this.clock.pass(5_000);
    return store;
  }

  async close(): Promise<void> {
    await Promise.all(this.stores.map((store) => store.close()));
  }
}
