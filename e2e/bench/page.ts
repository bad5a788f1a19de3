/** One tab of the benchmark: a replica of both systems, and the load on either when it is asked for it. Driven by run.ts from outside. */

import { openStore, type OpenStoreOptions, type Store } from "../../src/index.ts";
import { closedLoop, load, type Round, type Sample, type System } from "./closed-loop.ts";
import { Floor } from "./floor.ts";
import { startCounting, type Traffic } from "./traffic.ts";

export type SystemName = "tabring" | "floor";

class BenchPage {
  floor: Floor | undefined;
  store: Store | undefined;
  #traffic: { stop(): Traffic } | undefined;
  #messagesBefore = 0;

  async openFloor(): Promise<void> {
    this.floor = await Floor.open();
  }

  async openTabring(options: OpenStoreOptions): Promise<void> {
    this.store = await openStore(options);
  }

  /** Sees so many members up, each with a copy of every partition, and is linked to them directly. */
  settled(members: number): boolean {
    const { store } = this;
    const partitions = store?.status.parameters?.partitions;
    if (store?.status.state !== "online") return false;
    const keepers = store.nodes().filter((node) => node.capacity > 0);
    return (
      keepers.length === members &&
      keepers.every((node) => node.partitionsHeld === partitions && (node.self || node.link === "webrtc"))
    );
  }

  load(name: SystemName, keys: number): Promise<void> {
    return load(this.#system(name), keys);
  }

  run(name: SystemName, round: Round): Promise<Sample> {
    return closedLoop(this.#system(name), round);
  }

  /** From now on what `name` puts on disk and wire is counted; it costs time, so not in a round that is measured. */
  count(name: SystemName): void {
    this.#messagesBefore = this.floor?.messagesSent ?? 0;
    this.#traffic = startCounting(name);
  }

  counted(name: SystemName): Traffic {
    const traffic = this.#traffic!.stop();
    const floorMessages = (this.floor?.messagesSent ?? 0) - this.#messagesBefore;
    return name === "floor" ? { ...traffic, messages: floorMessages } : traffic;
  }

  async close(): Promise<void> {
    await this.store?.close();
  }

  #system(name: SystemName): System {
    const { floor, store } = this;
    if (floor === undefined || store === undefined) throw new Error("Open both systems first.");
    switch (name) {
      case "floor":
        return floor;
      case "tabring":
        return {
          get: async (key) => (await store.get(key)).values[0],
          // An update of YCSB has not read what it replaces. A blind put would pile up siblings; the floor keeps the last write, too.
          put: async (key, value) => void (await store.put(key, value, { policy: "last-write-wins" })),
        };
    }
  }
}

declare global {
  interface Window {
    bench: BenchPage;
  }
}
window.bench = new BenchPage();
