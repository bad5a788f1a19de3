/**
 * Lets messages wait, for demonstrations and tests: each line is in order, whatever is changed meanwhile, so that what is put in it with a shorter delay stays
 * behind what is there already. What comes to an empty line with no delay goes on at once.
 *
 * Limits: WAITING_BYTES_MAX over all lines; what is more is refused, and its owner gives up the link.
 */

import type { Millis } from "../core/identifiers.ts";
import type { Clock } from "./ports.ts";

export const WAITING_BYTES_MAX = 64 * 1_048_576;

interface Waiting {
  /** Not before this; nor before those that stand before it. */
  readonly dueAt: Millis;
  readonly bytes: number;
  readonly goOn: () => void;
}

interface Line {
  readonly queue: Waiting[];
  disarm: () => void;
}

export class DelayLine<Name> {
  readonly #clock: Clock;
  readonly #lines = new Map<Name, Line>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False when there is no room for it; then it is not done. */
  put(name: Name, delayMs: Millis, bytes: number, goOn: () => void): boolean {
    let line = this.#lines.get(name);
    if (line === undefined && delayMs <= 0) {
      goOn();
      return true;
    }
    if (this.#bytes + bytes > WAITING_BYTES_MAX) return false;
    if (line === undefined) this.#lines.set(name, (line = { queue: [], disarm: () => undefined }));
    line.queue.push({ dueAt: this.#clock.now() + delayMs, bytes, goOn });
    this.#bytes += bytes;
    if (line.queue.length === 1) this.#arm(name, line);
    return true;
  }

  /** What waits in these lines is never done. */
  dropThose(isOne: (name: Name) => boolean): void {
    for (const name of [...this.#lines.keys()]) if (isOne(name)) this.#drop(name);
  }

  #drop(name: Name): void {
    const line = this.#lines.get(name);
    if (line === undefined) return;
    line.disarm();
    this.#lines.delete(name);
    for (const { bytes } of line.queue) this.#bytes -= bytes;
  }

  #arm(name: Name, line: Line): void {
    const [first] = line.queue;
    if (first === undefined) {
      this.#lines.delete(name);
      return;
    }
    line.disarm = this.#clock.after(Math.max(0, first.dueAt - this.#clock.now()), () => this.#release(name, line));
  }

  #release(name: Name, line: Line): void {
    const now = this.#clock.now();
    for (let next = line.queue[0]; next !== undefined && next.dueAt <= now; next = line.queue[0]) {
      line.queue.shift();
      this.#bytes -= next.bytes;
      next.goOn();
      // It may have ended the link that it belongs to.
      if (this.#lines.get(name) !== line) return;
    }
    this.#arm(name, line);
  }
}
