/**
 * A class as a page of its cluster sees it: read every second, with one answer where no more come, so that it is seen wherever anybody can be reached. What was
 * seen once with a number is not undone by an older copy. Writing asks for the usual answers first, and is content with one.
 */

import type { Bucket, Store } from "../../src/api.ts";
import { QuorumError } from "../../src/core/errors.ts";
import { pause } from "../state/waiting.ts";
import {
  type Answer,
  type ClassNow,
  NOTHING_ON,
  allAnswers,
  answersCodec,
  latestNow,
  nowCodec,
  withAnswer,
} from "./class-record.ts";

const READ_MS = 1_000;
const TIMEOUT_MS = 2_500;

export class ClassState {
  readonly #now: Bucket<ClassNow>;
  readonly #answers: Bucket<readonly Answer[]>;
  readonly #signal: AbortSignal;

  now: ClassNow = $state.raw(NOTHING_ON);
  /** How many of what was read last were written without knowing of each other. */
  versions = $state(0);
  answers: readonly Answer[] = $state.raw([]);
  /** The last change could not be kept anywhere. */
  failed = $state(false);

  constructor(store: Store, signal: AbortSignal) {
    this.#signal = signal;
    this.#now = store.bucket("class", { codec: nowCodec, reconcile: latestNow });
    this.#answers = store.bucket("class", {
      codec: { encode: (answers) => answersCodec.encode([...answers]), decode: (bytes) => answersCodec.decode(bytes) },
      reconcile: allAnswers,
    });
  }

  /** Until the signal is aborted; never rejects. A page in the background looks too: it may be brought to the front frozen. */
  async follow(options: { readonly answers: boolean }): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const { value, values } = await this.#now.get("now", { r: 1, timeoutMs: TIMEOUT_MS, signal: this.#signal });
        this.versions = values.length;
        if (value !== undefined) this.#take(value);
        if (options.answers) {
          const answered = await this.#answers.get("answers", { r: 1, timeoutMs: TIMEOUT_MS, signal: this.#signal });
          this.answers = allAnswers([this.answers, answered.value ?? []]);
        }
      } catch {
        // Nobody answers just now, or it cannot be read: what was seen last stays.
      }
      await pause(READ_MS, this.#signal);
    }
  }

  /** The teacher's word. It replaces all that was read, and has the highest number. */
  async say(change: Partial<Omit<ClassNow, "n">>): Promise<void> {
    const next = (known: ClassNow | undefined): ClassNow => {
      const before = latestNow([this.now, ...(known === undefined ? [] : [known])]);
      const { on, frozen } = { ...before, ...change };
      return { n: before.n + 1, frozen, ...(on === undefined ? {} : { on }) };
    };
    await this.#keep(async (quorum) => this.#take((await this.#now.update("now", next, quorum)).value));
  }

  /** A pupil's answer; true when it is kept. */
  async answer(answer: Omit<Answer, "n">): Promise<boolean> {
    const next = (known: readonly Answer[] | undefined): readonly Answer[] => withAnswer(known ?? [], answer);
    return this.#keep(async (quorum) => {
      this.answers = (await this.#answers.update("answers", next, quorum)).value;
    });
  }

  async #keep(update: (quorum: { r?: number; w?: number; timeoutMs: number }) => Promise<void>): Promise<boolean> {
    try {
      await update({ timeoutMs: TIMEOUT_MS }).catch((error: unknown) => {
        if (!(error instanceof QuorumError)) throw error;
        return update({ r: 1, w: 1, timeoutMs: TIMEOUT_MS });
      });
      this.failed = false;
    } catch (error) {
      if (this.#signal.aborted) return false;
      console.warn("What the class is to do could not be kept.", error);
      this.failed = true;
    }
    return !this.failed;
  }

  #take(seen: ClassNow): void {
    const latest = latestNow([this.now, seen]);
    // What did not change draws nothing anew.
    if (JSON.stringify(latest) !== JSON.stringify(this.now)) this.now = latest;
  }
}
