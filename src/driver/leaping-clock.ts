/** For tests: a clock that runs as fast as the test lets it. */

import type { Clock } from "./ports.ts";

const WALL_START = 1_700_000_000_000;

/** The next alarm rings when nothing else is left to do. */
export class LeapingClock implements Clock {
  time = 1_000;
  readonly #alarms: { at: number; callback: () => void }[] = [];
  now = () => this.time;
  wall = () => WALL_START + this.time;
  after = (delayMs: number, callback: () => void) => {
    const alarm = { at: this.time + delayMs, callback };
    this.#alarms.push(alarm);
    return () => {
      const i = this.#alarms.indexOf(alarm);
      if (i >= 0) this.#alarms.splice(i, 1);
    };
  };
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
      this.#alarms.sort((a, b) => a.at - b.at);
      const next = this.#alarms[0];
      if (next === undefined || next.at > until) break;
      this.#alarms.shift();
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = until;
  }
  /** Until the promise has settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const done = promise.finally(() => (over = true));
    done.catch(() => undefined);
    for (let i = 0; i < 5_000 && !over; i++) await this.pass(100);
    return done;
  }
}
