/**
 * The callers of a load: at random nodes they get and put the keys of one bucket, so many times a second, from a seed. They run on the simulator's own queue,
 * so that a replay has the same requests at the same moments.
 *
 * They share what they know: a put carries the context of all answers of its key to any of them, so that most puts replace what was there, and those that
 * meet leave siblings for a moment. After a put that was told of siblings the key is read, whatever the share of reads: only a read may replace them all. A
 * request that fails is counted and not tried again.
 *
 * Gaps between requests are drawn evenly between none and twice the mean, in sixteenths of a millisecond: exact everywhere, unlike logarithms.
 *
 * Limits: those of the act; requests under way are as many as the cluster leaves unanswered within their time bound.
 */

import { Prng } from "../base/prng.ts";
import { type Clock, joinClocks } from "../core/dvvset.ts";
import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { keyChooser } from "../sim/popular-keys.ts";
import type { LabAct } from "./acts.ts";

export type Load = Extract<LabAct, { do: "load" }>;

const TICKS_PER_MS = 16;

/** What callers need of their world. */
export interface LoadSurroundings {
  after(delayMs: Millis, run: () => void): void;
  /** Whom they can ask. */
  callers(): readonly NodeId[];
  get(node: NodeId, key: Key, answer: (result: ClientResult | undefined) => void): void;
  put(node: NodeId, key: Key, value: string, context: Clock, answer: (result: ClientResult | undefined) => void): void;
  /** The time is over. */
  over(): void;
}

export interface LoadCounts {
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
}

export class LoadCallers {
  readonly load: Load;
  readonly #in: LoadSurroundings;
  readonly #random: Prng;
  readonly #choose: () => number;
  /** By key; no more than the load has keys. */
  readonly #contexts = new Map<Key, Clock>();
  /** Keys whose siblings nobody has read yet. */
  readonly #unread = new Set<Key>();
  #passedMs: Millis = 0;
  #stopped = false;
  #asked = 0;
  #answered = 0;
  #failed = 0;

  /** The first request comes after a gap. */
  constructor(load: Load, surroundings: LoadSurroundings) {
    this.load = load;
    this.#in = surroundings;
    this.#random = Prng.fromNumber(load.seed);
    this.#choose = keyChooser(load.zipf ? "zipf" : "uniform", load.keys, this.#random.fork());
    this.#next();
  }

  get counts(): LoadCounts {
    return { asked: this.#asked, answered: this.#answered, failed: this.#failed };
  }

  /** No new requests; those under way end. */
  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    const meanTicks = Math.round((1_000 * TICKS_PER_MS) / this.load.perSecond);
    const gapMs = this.#random.below(2 * meanTicks + 1) / TICKS_PER_MS;
    const leftMs = this.load.forMs - this.#passedMs;
    this.#passedMs += gapMs;
    this.#in.after(Math.min(gapMs, leftMs), () => {
      if (this.#stopped) return;
      if (gapMs >= leftMs) {
        this.#stopped = true;
        this.#in.over();
        return;
      }
      this.#ask();
      this.#next();
    });
  }

  #ask(): void {
    const node = this.#random.pick(this.#in.callers());
    const key = `${this.load.bucket}/${this.#choose()}` as Key;
    const reads = this.#random.below(100) < this.load.readsPercent || this.#unread.has(key);
    if (node === undefined) return;
    this.#asked++;
    const answer = (result: ClientResult | undefined): void => this.#learn(key, result);
    if (reads) this.#in.get(node, key, answer);
    else this.#in.put(node, key, `${this.#asked}`, this.#contexts.get(key) ?? [], answer);
  }

  #learn(key: Key, result: ClientResult | undefined): void {
    const learnt = result?.outcome === "got" ? result.set.clock : result?.outcome === "put" ? result.clock : undefined;
    if (learnt === undefined) {
      this.#failed++;
      return;
    }
    this.#answered++;
    if (result?.outcome === "got") this.#unread.delete(key);
    else if (result?.outcome === "put" && result.siblings > 1) this.#unread.add(key);
    this.#contexts.set(key, joinClocks(this.#contexts.get(key) ?? [], learnt));
  }
}
