/**
 * Which losses of data the protocol claims to survive (DESIGN section 12, invariant 1: fewer than W replicas of a write are lost before repair).
 * Whoever is about to take something from a disk asks here first; what is allowed is written off in the history, so that the checkers do not
 * blame the nodes for it.
 *
 * A loss is within the budget when afterwards fewer than W copies of every acknowledged put have gone, one of it is still on another disk, and every
 * partition still has a node whose disk says that it holds it. Puts acknowledged with one copy alone are promised no more than that one disk; a wiped disk may take them, and they are
 * counted as forgiven.
 */

import { keyOfRecord } from "../core/address.ts";
import type { NodeId } from "../core/identifiers.ts";
import { memberOf } from "../core/membership.ts";
import { type Checkers, setsOnDisk } from "./checkers.ts";
import type { History, KeyHistory, Operation } from "./history.ts";
import type { Simulator } from "./simulator.ts";
import type { DiskPicture, VirtualStorage } from "./virtual-storage.ts";

export class Budget {
  readonly #simulator: Simulator;
  readonly #history: History;
  readonly #checkers: Checkers;
  /** Some disk has known of a cluster once. */
  #founded = false;

  constructor(simulator: Simulator, history: History, checkers: Checkers) {
    this.#simulator = simulator;
    this.#history = history;
    this.#checkers = checkers;
  }

  /** The whole disk is to go. Returns how many acknowledged puts that forgives; undefined when it must not be. */
  loseDisk(node: NodeId): number | undefined {
    for (const { history, operation } of this.#promisedAt(node))
      if (operation.acknowledged!.needed > 1 && !this.#mayLose(history, operation)) return undefined;
    return this.everythingHeld(node) ? this.#checkers.onWipe(node) : undefined;
  }

  /** One record is to go, or to be damaged. False when it must not be. */
  loseRecord(node: NodeId, address: string): boolean {
    const history = this.#history.keys.get(keyOfRecord(address));
    if (history === undefined) return true;
    if (history.lastWriteWins) return false;
    const set = this.#simulator.diskOf(node).get("records", address)?.set;
    const gone = history.operations.filter((operation) => set !== undefined && history.shows(set, operation));
    if (gone.some((operation) => !this.#mayLose(history, operation))) return false;
    for (const operation of gone) operation.copiesLost++;
    return true;
  }

  /** The disk of a node that is down goes back to an earlier picture. False when it must not, and has not. */
  turnBack(node: NodeId, picture: DiskPicture): boolean {
    const disk = this.#simulator.diskOf(node);
    const now = disk.picture();
    const before = this.#shownAt(disk);
    disk.goBackTo(picture);
    const after = new Set(this.#shownAt(disk).map(({ operation }) => operation));
    const gone = before.filter(({ operation }) => !after.has(operation));
    const lost = gone.some(({ history, operation }) => isPromised(operation) && !this.#mayLose(history, operation, 1));
    if (lost || !this.everythingHeld()) {
      disk.goBackTo(now);
      return false;
    }
    for (const { operation } of gone) operation.copiesLost++;
    this.#checkers.onOldDisk(node);
    return true;
  }

  /**
   * The power of these fails, all at once: of what their disks have not flushed at most this share is kept. That may be more than any budget; what was
   * acknowledged without a strict commit is forgiven when its last copy goes so, and the checkers see to it that nothing else goes.
   */
  losePower(nodes: readonly NodeId[], share: number, count: (what: string) => void): void {
    const gone = nodes.map((node) => {
      const disk = this.#simulator.diskOf(node);
      if (this.#simulator.stateOf(node) !== "down") return { node, operations: [] };
      const before = this.#shownAt(disk);
      if (disk.losePower(share) > 0) count("commits lost with the power");
      const after = new Set(this.#shownAt(disk).map(({ operation }) => operation));
      return {
        node,
        operations: before.map(({ operation }) => operation).filter((operation) => !after.has(operation)),
      };
    });
    for (const { node, operations } of gone)
      for (let lost = this.#checkers.onPowerLost(node, operations); lost > 0; lost--) count("put lost with the power");
  }

  /** True when each partition has a node, other than `but`, whose disk says that it holds it. True until some disk knows of any. */
  everythingHeld(but?: NodeId): boolean {
    let held: Uint8Array | undefined;
    for (const node of this.#simulator.nodes) {
      if (node === but || this.#simulator.stateOf(node) === "wiped") continue;
      const view = this.#simulator.diskOf(node).meta?.view;
      const own = view === undefined ? undefined : memberOf(view, node);
      if (view === undefined || own === undefined) continue;
      held ??= new Uint8Array(own.holders.length);
      for (let i = 0; i < held.length; i++) held[i]! |= own.holders[i]!;
    }
    if (held === undefined) return !this.#founded;
    this.#founded = true;
    const partitions = this.#partitions();
    for (let p = 0; p < partitions; p++) if ((held[p >> 3]! & (1 << (p & 7))) === 0) return false;
    return true;
  }

  #partitions(): number {
    for (const node of this.#simulator.nodes) {
      const view = this.#simulator.diskOf(node).meta?.view;
      if (view !== undefined) return view.claims.length;
    }
    return 0;
  }

  /**
   * Fewer than W of the copies that were promised may go, and another one must be there. That holds even for what nobody was promised: were every
   * copy damaged, nobody could ever say again what the key is.
   */
  #mayLose(history: KeyHistory, operation: Operation, copiesMin = 2): boolean {
    const { acknowledged, copiesLost } = operation;
    if (isPromised(operation) && copiesLost + 1 >= (acknowledged?.needed ?? 0)) return false;
    return this.#copies(history, operation) >= copiesMin;
  }

  #copies(history: KeyHistory, operation: Operation): number {
    return history.lastWriteWins ? Infinity : this.#checkers.copies(operation);
  }

  #shownAt(disk: VirtualStorage): { readonly history: KeyHistory; readonly operation: Operation }[] {
    return [...this.#history.keys.values()].flatMap((history) => {
      if (history.lastWriteWins) return [];
      const sets = setsOnDisk(disk, history.key);
      if (sets.length === 0) return [];
      return history.operations.flatMap((operation) =>
        sets.some((set) => history.shows(set, operation)) ? [{ history, operation }] : [],
      );
    });
  }

  #promisedAt(node: NodeId): { readonly history: KeyHistory; readonly operation: Operation }[] {
    return this.#shownAt(this.#simulator.diskOf(node)).filter(({ operation }) => isPromised(operation));
  }
}

function isPromised(operation: Operation): boolean {
  return operation.acknowledged !== undefined && !operation.forgiven && !operation.reaped;
}
