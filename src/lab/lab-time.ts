/** Where a visit to the lab has its time from: a run in the simulated world, which can be made again from any moment, or a recording of real tabs. */

import type { Millis } from "../core/identifiers.ts";
import type { LabAct } from "./acts.ts";
import type { LabWorld } from "./world.ts";

export interface LabTime {
  /** As it is at `now`; another one after time was gone back in. */
  readonly world: LabWorld;
  readonly now: Millis;
  /** Nothing earlier can be looked at. */
  readonly beginsAt: Millis;
  readonly endsAt: Millis;
  /** Acts that are still to come, when this is the past of a run. */
  readonly upcoming: readonly unknown[];
  /** Forth up to this moment; one in the past is no time at all. */
  playTo(at: Millis): void;
  /** Goes to this moment, forth or back. */
  seek(at: Millis): void;
  /** To the next thing that the trace tells. False when there is none. */
  stepRecord(): boolean;
  /** Throws `LabError`, and then nothing was done. */
  act(act: LabAct): void;
}
