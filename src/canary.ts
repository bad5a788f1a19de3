/**
 * A canary: a caller that does nothing but put a small value and get it again, every so often, and keeps book of how that went (DynamoDB, ATC 2022:
 * availability is what clients see). States: running -> stopped. One round at a time; each is a put, with the context of the round before, and a get,
 * which should show it. The first round reads first, because an earlier start of this node may have left its last value. A node that has not met its
 * cluster yet tries nothing.
 *
 * Its key is this node's own, in a bucket that callers are refused: nobody else writes it, and its data is one small value for each node.
 *
 * Limits: RECENT_MAX rounds and two histograms.
 */

import type { Canary, CanaryReport, Context } from "./api.ts";
import { bytesEqual, utf8Encode } from "./base/bytes.ts";
import { Histogram } from "./base/histogram.ts";
import { TabringError } from "./core/errors.ts";
import { latencySummary } from "./core/statistics.ts";
import type { Clock } from "./driver/ports.ts";

/** Callers may not use keys of this bucket. */
export const CANARY_BUCKET = "$canary";
export const CANARY_INTERVAL_MS = 10_000;
export const CANARY_INTERVAL_MS_MIN = 1_000;
export const CANARY_INTERVAL_MS_MAX = 3_600_000;
const RECENT_MAX = 60;

/** The canary's one key, and the time. */
export interface CanaryPerch {
  get(): Promise<{ readonly values: readonly Uint8Array[]; readonly context: Context }>;
  put(value: Uint8Array, context: Context): Promise<{ readonly context: Context }>;
  /** False while this node has not met its cluster: there is nothing to try yet. */
  answers(): boolean;
  readonly clock: Clock;
}

export class RunningCanary implements Canary {
  readonly #perch: CanaryPerch;
  readonly #intervalMs: number;
  readonly #putMicros = new Histogram();
  readonly #getMicros = new Histogram();
  #recent: CanaryReport["recent"] = [];
  #context: Context | undefined;
  #rounds = 0;
  #succeeded = 0;
  #stale = 0;
  #stopped = false;
  #cancel: (() => void) | undefined;

  /** Its first round begins at once. */
  constructor(perch: CanaryPerch, intervalMs: number) {
    this.#perch = perch;
    this.#intervalMs = intervalMs;
    void this.#live();
  }

  get report(): CanaryReport {
    return {
      rounds: this.#rounds,
      succeeded: this.#succeeded,
      stale: this.#stale,
      availability: this.#rounds === 0 ? undefined : this.#succeeded / this.#rounds,
      put: latencySummary(this.#putMicros.data),
      get: latencySummary(this.#getMicros.data),
      recent: this.#recent,
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #live(): Promise<void> {
    const { clock } = this.#perch;
    if (!this.#perch.answers()) {
      this.#again(this.#intervalMs);
      return;
    }
    const startedAt = clock.now();
    let stale = false;
    let error: string | undefined;
    try {
      stale = await this.#round();
    } catch (thrown) {
      error = thrown instanceof TabringError ? thrown.code : "unexpected";
    }
    if (this.#stopped) return;
    this.#rounds++;
    if (error === undefined) this.#succeeded++;
    if (stale) this.#stale++;
    this.#recent = [{ atMs: clock.wall(), error, stale }, ...this.#recent].slice(0, RECENT_MAX);
    this.#again(Math.max(0, this.#intervalMs - (clock.now() - startedAt)));
  }

  #again(afterMs: number): void {
    this.#cancel = this.#perch.clock.after(afterMs, () => void this.#live());
  }

  /** True when the get did not show the put. */
  async #round(): Promise<boolean> {
    const { clock } = this.#perch;
    this.#context ??= (await this.#perch.get()).context;
    const value = utf8Encode(`${clock.wall()} ${this.#rounds}`);
    const putAt = clock.now();
    // What a put that failed may still write is a sibling of this one, and seen by the next get.
    this.#context = (await this.#perch.put(value, this.#context)).context;
    const gotAt = clock.now();
    this.#putMicros.add((gotAt - putAt) * 1_000);
    const { values, context } = await this.#perch.get();
    this.#getMicros.add((clock.now() - gotAt) * 1_000);
    const stale = !values.some((got) => bytesEqual(got, value));
    // The context of a get that did not see the put would make the next one its sibling.
    if (!stale) this.#context = context;
    return stale;
  }
}
