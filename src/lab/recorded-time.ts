/**
 * Time in the world of tabs: a recording that grows. Either it is followed, and what is shown is the present as far as it is recorded, or it is held at a moment
 * from which it can be played on, slowly or step by step; the tabs go on meanwhile. There is no fork: an act is done now, and then the present is shown again.
 */

import type { Millis } from "../core/identifiers.ts";
import type { LabAct } from "./acts.ts";
import type { LabTime } from "./lab-time.ts";
import { countUpTo } from "./moments.ts";
import type { RecordedWorld } from "./recorded-world.ts";
import type { TabsRecording } from "./tabs-recording.ts";
import type { Flight } from "./world.ts";

/** While the present is shown each message is drawn for so long: between real tabs it takes a millisecond or two. */
export const SHOWN_MS: Millis = 500;

export class RecordedTime implements LabTime {
  readonly upcoming: readonly unknown[] = [];
  readonly #recording: TabsRecording;
  readonly #present: () => Millis;
  #follows = true;
  #now: Millis = 0;
  #made: { readonly world: RecordedWorld; readonly version: number } | undefined;

  /** `present`: the moment that should be shown now; what is not recorded yet is not shown. */
  constructor(recording: TabsRecording, present: () => Millis) {
    this.#recording = recording;
    this.#present = present;
  }

  get now(): Millis {
    return Math.max(this.#now, this.#follows ? 0 : this.beginsAt);
  }

  get beginsAt(): Millis {
    return this.#recording.beginsAt;
  }

  get endsAt(): Millis {
    return Math.max(this.now, this.#edge());
  }

  get follows(): boolean {
    return this.#follows;
  }

  get world(): RecordedWorld {
    const { version } = this.#recording;
    if (this.#made === undefined || this.#made.version !== version || this.#made.world.now !== this.now)
      this.#made = { world: this.#recording.worldAt(this.now), version };
    return this.#made.world;
  }

  /** Shows the present, now and from now on, at each call of this. */
  follow(): void {
    this.#follows = true;
    this.#now = Math.max(this.#now, this.#edge());
  }

  /** Stays where it is. */
  hold(): void {
    this.#follows = false;
  }

  playTo(at: Millis): void {
    this.seek(Math.max(at, this.now));
  }

  seek(at: Millis): void {
    this.hold();
    this.#now = Math.max(this.beginsAt, Math.min(at, this.#edge()));
  }

  stepRecord(): boolean {
    const { trace } = this.#recording;
    const next = trace[countUpTo(trace, this.now)];
    if (next === undefined || next.at > this.#edge()) return false;
    this.seek(next.at);
    return true;
  }

  act(act: LabAct): void {
    this.#recording.act(act);
  }

  /** What is to be drawn on its way: as it was at a moment that is held, each for SHOWN_MS while the present is followed. `still`: in the middle of its way. */
  flightsShown(still: boolean): readonly Flight[] {
    if (!this.#follows) return this.world.flightsUnderWay;
    const { now } = this;
    return this.world.flights.flatMap((flight): Flight[] => {
      if (flight.endedAt !== undefined && flight.sentAt + SHOWN_MS <= now) return [];
      const arrives = flight.arrivesAt !== undefined || flight.fate === "arrived" || flight.fate === "late";
      const arrivesAt = arrives && !still ? flight.sentAt + SHOWN_MS : undefined;
      // At a frozen node it comes to stand.
      const stands = flight.fate === "held" && flight.sentAt + SHOWN_MS <= now;
      return [{ ...flight, fate: stands ? "held" : "under-way", arrivesAt, endedAt: undefined, lostBy: undefined }];
    });
  }

  #edge(): Millis {
    return Math.min(this.#recording.now, this.#present());
  }
}
