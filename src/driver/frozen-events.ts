/**
 * What comes to a node while it is frozen, in its order, for when it thaws: messages, the ends of reads and writes, its one timer, links that came and went, and
 * what callers asked.
 *
 * Limits: HELD_MAX messages and HELD_BYTES_MAX of them; the link that brings more is given up, as one that nobody reads from.
 */

import type { NodeEvent } from "../core/event.ts";

export const HELD_MAX = 20_000;
export const HELD_BYTES_MAX = 64 * 1_048_576;

type DistributedOmit<Union, Field extends PropertyKey> = Union extends unknown ? Omit<Union, Field> : never;
/** An event that has no time yet. */
export type Happening = DistributedOmit<NodeEvent, "at">;

export class FrozenEvents {
  readonly #held: Happening[] = [];
  #messages = 0;
  #bytes = 0;

  /** False when one more message of so many bytes is too much. */
  hasRoom(bytes: number): boolean {
    return this.#messages < HELD_MAX && this.#bytes + bytes <= HELD_BYTES_MAX;
  }

  /** `bytes`: of a message. */
  hold(happening: Happening, bytes: number): void {
    if (happening.kind === "message-received") this.#messages++;
    this.#bytes += bytes;
    this.#held.push(happening);
  }

  get all(): readonly Happening[] {
    return this.#held;
  }
}
