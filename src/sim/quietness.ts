/**
 * Judges that a cluster with nothing to do is quiet (DESIGN section 12, invariant 7): no disk is written, but that each node notes once how far it has caught
 * up with the log of each other one, none is read but for a page of the scrub each `scrubMs` and the keys that another's log tells it of for the first time
 * (it looks whether it has them so; the trees that were equal before told of no keys), and each node takes no more than
 * STEPS_PER_NODE_SECOND steps and sends no more than MESSAGES_PER_NODE_SECOND messages a second, however many keys and nodes there are: two wakes
 * of the failure detector, pings to at most eight peers and their pongs, pings from about as many, gossip of one digest, and now and then a comparison of roots.
 */

import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { InvariantViolation } from "./checkers.ts";

export const STEPS_PER_NODE_SECOND = 40;
export const MESSAGES_PER_NODE_SECOND = 24;

export class Quietness {
  #since: Millis | undefined;
  #steps = 0;
  #messages = 0;
  #scans = 0;
  #disk = 0;
  /** Commits of what a node must know at its next start. */
  #noted = 0;
  /** Who has been told what of whose log. */
  readonly #told = new Set<string>();

  start(now: Millis): void {
    this.#since = now;
    this.#told.clear();
    this.#steps = this.#messages = this.#scans = this.#disk = this.#noted = 0;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (this.#since === undefined) return;
    this.#steps++;
    let lookedUp = this.#toldFirst(node, event);
    for (const effect of effects) {
      if (effect.kind === "send") this.#messages++;
      // What is kept of the past is looked through for what is too old, in a bound of its own (history-keeper.ts).
      else if (effect.kind === "scan") this.#scans += effect.store === "history" ? 0 : 1;
      else if (effect.kind === "store" && effect.writes.every((write) => write.store === "meta")) this.#noted++;
      else if (effect.kind === "load") this.#disk += lookedUp-- > 0 ? 0 : 1;
      else if (effect.kind === "store") this.#disk += effect.writes.every(({ store }) => store === "history") ? 0 : 1;
    }
  }

  /** Of how many keys another's log tells for the first time. */
  #toldFirst(node: NodeId, event: NodeEvent): number {
    if (event.kind !== "message-received" || event.message.kind !== "recent-reply") return 0;
    const { changes, log, upTo } = event.message;
    const name = `${node} ${event.from} ${log} ${upTo}`;
    if (changes.length === 0 || this.#told.has(name)) return 0;
    this.#told.add(name);
    return changes.length;
  }

  judge(now: Millis, nodes: number, scrubMs: Millis): void {
    if (this.#since === undefined) return;
    const nodeSeconds = (nodes * (now - this.#since)) / 1_000;
    const pages = nodes * (1 + (now - this.#since) / scrubMs);
    this.#since = undefined;
    const told = `an idle cluster of ${nodes} nodes took ${this.#steps} steps, sent ${this.#messages} messages and used its disks ${this.#disk} times, noted ${this.#noted} times what to know at the next start, and read ${this.#scans} pages, in ${nodeSeconds} node seconds`;
    if (
      this.#disk > 0 ||
      this.#noted > nodes * (nodes - 1) ||
      this.#scans > pages ||
      this.#steps > STEPS_PER_NODE_SECOND * nodeSeconds ||
      this.#messages > MESSAGES_PER_NODE_SECOND * nodeSeconds
    )
      throw new InvariantViolation("quiet", told);
  }
}
