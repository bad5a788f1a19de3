/** A seed of the simulator as a visit of the lab looks at it. */

import type { Millis } from "../../../src/core/identifiers.ts";
import { defaultLabOptions, type LabOptions } from "../../../src/lab/options.ts";
import { SeedTime } from "../../../src/lab/seed-time.ts";
import type { SeedPlace } from "../../../src/sim/seed-link.ts";

/** A first look is at a world that has begun. */
const FIRST_LOOK_MS: Millis = 1_000;

export class SeedVisit {
  readonly place: SeedPlace;
  readonly seedTime: SeedTime;
  /** Of the keys that callers of seeds use. */
  readonly key = "carts/0";

  constructor(place: SeedPlace) {
    this.place = place;
    this.seedTime = new SeedTime(place.seed, place.variant);
    this.seedTime.seek(Math.max(FIRST_LOOK_MS, place.at));
  }

  /** What can be said of it in the terms of a run: the parameters above all. */
  get options(): LabOptions {
    const { parameters, seed } = this.seedTime.world;
    return { ...defaultLabOptions, seed, parameters };
  }
}
