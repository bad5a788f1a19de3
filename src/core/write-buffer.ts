/**
 * The write buffer of a node (paper, section 6.1: "each storage node maintains an object buffer in its main memory"): writes of records that are
 * acknowledged from memory and go to the disk a little later. It trades durability for the tail of put latencies; a crash takes what is in it. So it
 * is off unless a bucket or the host asks for it, and of N copies of a put one is written strictly nevertheless.
 *
 * States of each write, in order:
 *
 *   waiting    acknowledged, not yet given to the disk
 *   under way  the writer has given it to the disk: after BUFFER_MS, when half of the room is taken, or before anything else that goes to the disk
 *   settled    the disk has answered
 *
 * What the replica has in memory of a key stays there as long as a write of it is not settled, so that reads see it. The sums of Merkle leaves are
 * written with the records that they count. Scans come after everything that is waiting (`node.ts`).
 *
 * Limits: BUFFERED_OBJECTS_MAX writes and BUFFERED_BYTES_MAX that are not settled. One that finds no room waits for the disk like any other: so a
 * disk that cannot follow slows its writers down.
 */

import type { Write } from "./effect.ts";
import type { Ticket } from "./identifiers.ts";

/** The paper's buffer has thousands of objects. */
export const BUFFERED_OBJECTS_MAX = 1_000;
export const BUFFERED_BYTES_MAX = 8 * 1_048_576;
/** A write waits in memory no longer than this. */
export const BUFFER_MS = 100;

interface Buffered {
  readonly writes: readonly Write[];
  readonly bytes: number;
}

export class WriteBuffer {
  /** In the order of their tickets. */
  #waiting = new Map<Ticket, Buffered>();
  readonly #underWay = new Map<Ticket, number>();
  #bytes = 0;

  /** Writes that are not settled. */
  get size(): number {
    return this.#waiting.size + this.#underWay.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { waiting: this.#waiting, underWay: this.#underWay };
  }

  hasRoomFor(bytes: number): boolean {
    return this.size < BUFFERED_OBJECTS_MAX && this.#bytes + bytes <= BUFFERED_BYTES_MAX;
  }

  add(ticket: Ticket, writes: readonly Write[], bytes: number): void {
    this.#waiting.set(ticket, { writes, bytes });
    this.#bytes += bytes;
  }

  /** Half of the room is taken by what waits: the writer should not wait any longer. */
  get pressing(): boolean {
    return this.#waiting.size > BUFFERED_OBJECTS_MAX / 2 || this.#bytes > BUFFERED_BYTES_MAX / 2;
  }

  /** What the disk is to get now, in this order. */
  take(): readonly (readonly [Ticket, readonly Write[]])[] {
    if (this.#waiting.size === 0) return [];
    const taken = [...this.#waiting];
    this.#waiting = new Map();
    for (const [ticket, { bytes }] of taken) this.#underWay.set(ticket, bytes);
    return taken.map(([ticket, { writes }]) => [ticket, writes]);
  }

  /** The disk has answered. True when it is a write of the buffer's. */
  settle(ticket: Ticket): boolean {
    const bytes = this.#underWay.get(ticket);
    if (bytes === undefined) return false;
    this.#underWay.delete(ticket);
    this.#bytes -= bytes;
    return true;
  }
}
