/**
 * Departure: how a node goes for good without taking anything with it (paper, sections 4.9 and 6.2: what was stolen at the join is given back). States, in
 * order; a removed node that comes back begins at the second:
 *
 *   leaving       its entry says that it leaves, its tokens are others'. It goes on counting for what it holds
 *   handing over  partition by partition the owners get what they lack, and this node lets go (`hand-over.ts`)
 *   passing on    hints go to those to whom they are owed, or, when these do not answer, to others who have no copy yet (`hinted-handoff.ts`)
 *   left          nothing is here any more: its entry says that it has left, and when: whoever looks back at an earlier moment misses the past that it
 *                 took with it. Not for a removed node, of whom others have said it
 *   telling       some other member knows that, durably, or nobody would ever believe it
 *   departed      the host is told: it may throw away what is on the disk. Told once in each start
 *
 * Nothing here has a deadline. While an owner, or somebody to whom the only hint is owed, cannot be reached, the node waits, visibly: its going
 * must not cost a copy.
 *
 * Limits: one question to each reachable member each `ASK_MS`.
 */

import type { NodeId, RequestId } from "./identifiers.ts";
import { isGone, memberOf, stays } from "./membership.ts";
import type { KnownReply } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const ASK_MS = 500;

export interface DepartureActions {
  /** Partitions of which something may still be here, and hints that are still kept here. */
  remaining(): { readonly partitions: number; readonly hints: number };
  /** True when the view that is here is on the disk, too. */
  isDurable(): boolean;
  /** Says of this node that it has left. */
  left(): void;
  departed(standing: "left" | "removed", by: NodeId): void;
}

export interface DepartureProgress {
  readonly standing: "leaving" | "left" | "removed";
  readonly by: NodeId;
  readonly partitions: number;
  readonly hints: number;
  /** Everything is done; the host was told. */
  readonly departed: boolean;
}

export class Departure {
  readonly #in: Surroundings;
  readonly #do: DepartureActions;
  readonly #asked = new Map<RequestId, NodeId>();
  #departed = false;

  constructor(surroundings: Surroundings, actions: DepartureActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Undefined while this node means to stay. */
  get progress(): DepartureProgress | undefined {
    const { ring, self } = this.#in;
    const departure = ring === undefined ? undefined : memberOf(ring.view, self)?.departure;
    if (departure === undefined) return undefined;
    const { standing, by } = departure;
    return { standing, by, ...this.#do.remaining(), departed: this.#departed };
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { asked: this.#asked, departed: this.#departed };
  }

  onRing(): void {
    this.#arm();
  }

  onTimer(): void {
    this.#advance();
    this.#arm();
  }

  onReply(from: NodeId, { request, known }: KnownReply): void {
    if (this.#asked.get(request) !== from) return;
    this.#asked.delete(request);
    if (known) this.#depart();
  }

  #advance(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own?.departure === undefined || this.#departed) return;
    const { partitions, hints } = this.#do.remaining();
    if (partitions > 0 || hints > 0 || !this.#do.isDurable()) return;
    if (!isGone(own)) {
      this.#do.left();
      return;
    }
    // What others have said of this node they know.
    if (own.departure.standing === "removed") {
      this.#depart();
      return;
    }
    this.#asked.clear();
    const { incarnation, version } = own;
    for (const { node } of ring.view.members.filter((member) => member !== own && stays(member))) {
      const request = this.#in.nextRequest();
      if (this.#in.send(node, { kind: "known-request", request, incarnation, version }, "background"))
        this.#asked.set(request, node);
    }
  }

  #depart(): void {
    const { progress } = this;
    if (progress === undefined || progress.standing === "leaving" || this.#departed) return;
    this.#departed = true;
    this.#asked.clear();
    this.#do.departed(progress.standing, progress.by);
  }

  #arm(): void {
    const { progress } = this;
    if (progress === undefined || progress.departed || this.#in.timers.has("departure")) return;
    this.#in.timers.set("departure", this.#in.now + ASK_MS);
  }
}
