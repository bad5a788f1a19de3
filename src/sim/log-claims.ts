/**
 * Judges what nodes write down about the logs of others (core/recent-writes.ts). "Of these partitions I have durably what was durable at that peer when its
 * log was here": nothing rests on it, trees find what is missing all the same, so a wrong claim loses no data and no other judge would ever see it. It would
 * only make the log useless, quietly. So it is compared with the disks, whenever it has become durable.
 *
 * What a peer has durably is what it was told is stored, or has on its disk after a store that failed, as it was when it told its position first. Left out is what its disk has lost since or what it
 * gave away, and what the claimant's own disk has lost: it had it once.
 *
 * Limits: all that was ever stored is remembered; a run is short.
 */

import { partitionOf } from "../core/address.ts";
import { type DvvSet, equal, sync } from "../core/dvvset.ts";
import type { CaughtUp, Effect, RecordStore, StoredRecord, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { NodeId, Ticket } from "../core/identifiers.ts";
import { InvariantViolation, type Watched, type WatchedDisk } from "./checkers.ts";

interface Told {
  readonly set: DvvSet;
  /** How many stores of records the node was told of before. */
  readonly at: number;
}

interface Watching {
  /** Stores under way. */
  readonly stores: Map<Ticket, readonly Write[]>;
  /** What the node was told is stored, by address, in order. */
  readonly told: Map<string, Told[]>;
  toldCount: number;
  /** How many stores it was told of when it first told this position, by log and position. */
  readonly positions: Map<string, number>;
  /** All that was ever on its disk, joined, by address. */
  readonly had: Map<string, DvvSet>;
  /** Claims that were looked at, by peer: log and position of each partition. */
  readonly judged: Map<NodeId, Map<number, string>>;
}

/** What it looks at; a `Simulator` is one. */
export interface WatchedRecords extends Pick<Watched, "nameOf"> {
  diskOf(node: NodeId): Pick<WatchedDisk, "get">;
}

export class LogClaims {
  readonly #world: WatchedRecords;
  readonly #nodes = new Map<NodeId, Watching>();

  constructor(world: WatchedRecords) {
    this.#world = world;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    const watching = this.#of(node);
    if (event.kind === "started") this.#onStarted(node, watching);
    else if (event.kind === "stored") this.#onStored(node, watching, event.ticket);
    else if (event.kind === "storage-failed") this.#onFailed(node, watching, event.ticket);
    for (const effect of effects)
      if (effect.kind === "store") watching.stores.set(effect.ticket, effect.writes);
      else if (effect.kind === "send" && effect.message.kind === "recent-reply" && !effect.message.more) {
        const position = `${effect.message.log} ${effect.message.upTo}`;
        if (!watching.positions.has(position)) watching.positions.set(position, watching.toldCount);
      }
  }

  /** A record on a disk changes. */
  onApplied(node: NodeId, store: RecordStore, address: string, after: StoredRecord | null): void {
    if (store !== "records" || after === null) return;
    const { had } = this.#of(node);
    const before = had.get(address);
    had.set(address, before === undefined ? after.set : sync(before, after.set));
  }

  #of(node: NodeId): Watching {
    let watching = this.#nodes.get(node);
    if (watching === undefined) {
      watching = {
        stores: new Map(),
        told: new Map(),
        toldCount: 0,
        positions: new Map(),
        had: new Map(),
        judged: new Map(),
      };
      this.#nodes.set(node, watching);
    }
    return watching;
  }

  /** What the disk has lost meanwhile, to a power failure or with an earlier picture of it, is not what the node has now, even if it gets it again. */
  #onStarted(node: NodeId, { stores, told }: Watching): void {
    stores.clear();
    const disk = this.#world.diskOf(node);
    for (const [address, versions] of told) {
      const present = disk.get("records", address)?.set;
      const left = versions.filter(({ set }) => present !== undefined && has(present, set));
      if (left.length > 0) told.set(address, left);
      else told.delete(address);
    }
  }

  #onStored(node: NodeId, watching: Watching, ticket: Ticket): void {
    const { stores } = watching;
    for (const write of stores.get(ticket) ?? [])
      if (write.store === "meta") {
        const partitions = write.meta.view?.claims.length ?? 0;
        for (const claim of write.meta.caughtUp ?? []) this.#judge(node, watching, claim, partitions);
      } else if (write.store === "records" && write.record !== null)
        this.#tell(watching, write.address, write.record.set);
    stores.delete(ticket);
  }

  /** A store that failed and is on the disk: the node must take it for possible, so no log of it may be silent about it. */
  #onFailed(node: NodeId, watching: Watching, ticket: Ticket): void {
    const disk = this.#world.diskOf(node);
    for (const write of watching.stores.get(ticket) ?? []) {
      if (write.store !== "records" || write.record === null) continue;
      const present = disk.get("records", write.address)?.set;
      if (present !== undefined && has(present, write.record.set))
        this.#tell(watching, write.address, write.record.set);
    }
    watching.stores.delete(ticket);
  }

  #tell(watching: Watching, address: string, set: DvvSet): void {
    const versions = watching.told.get(address) ?? [];
    watching.told.set(address, versions);
    versions.push({ set, at: watching.toldCount++ });
  }

  #judge(node: NodeId, { had, judged }: Watching, { peer, log, since }: CaughtUp, count: number): void {
    const theirs = this.#nodes.get(peer);
    if (theirs === undefined || count === 0) return;
    const before = judged.get(peer);
    const now = new Map<number, string>();
    judged.set(peer, now);
    const claimed = new Map<number, number>();
    for (const { position, partitions } of since)
      for (const partition of partitions) {
        const name = `${log} ${position}`;
        now.set(partition, name);
        const upTo = theirs.positions.get(name);
        if (upTo !== undefined && before?.get(partition) !== name) claimed.set(partition, upTo);
      }
    if (claimed.size === 0) return;
    const disk = this.#world.diskOf(peer);
    for (const [address, versions] of theirs.told) {
      const upTo = claimed.get(partitionOf(address, count));
      const last = upTo === undefined ? undefined : versions.filter(({ at }) => at < upTo).at(-1);
      if (last === undefined) continue;
      const present = disk.get("records", address)?.set;
      if (present === undefined || !has(present, last.set)) continue;
      const mine = had.get(address);
      if (mine !== undefined && has(mine, last.set)) continue;
      throw new InvariantViolation(
        "catch-up",
        `${this.#world.nameOf(node)} says that it has caught up with the log of ${this.#world.nameOf(peer)}, and never had its ${address.slice(8)}`,
      );
    }
  }
}

function has(all: DvvSet, some: DvvSet): boolean {
  return equal(sync(all, some), all);
}
