/**
 * Light clients in the swarm: half of the seeds have some. Each is opened at a drawn time and, now and then, closed, crashed or frozen; the network's
 * faults meet them like any other. A light client that ended never comes back: the tab that is opened in its place is another one, under a name of its
 * own. Some have links to few members and ask seldom how the membership stands, so that they are wrong about it and others must hand on what they ask.
 *
 * Limits: LIGHTS_MAX at a time.
 */

import type { Prng } from "../base/prng.ts";
import type { Config } from "../core/config.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import type { Simulator } from "./simulator.ts";

export const LIGHTS_MAX = 3;
/** The share of seeds with light clients. */
const WITH_LIGHTS = 0.5;

export type LightFault = { readonly at: Millis; readonly pick: number } & (
  { readonly kind: "close" } | { readonly kind: "crash" } | { readonly kind: "freeze"; readonly durationMs: Millis }
);

export interface LightPlan {
  /** When each is opened. */
  readonly opens: readonly Millis[];
  readonly config: Partial<Config>;
  readonly faults: readonly LightFault[];
  /** Of the requests: asked of a light client. */
  readonly share: number;
}

export function drawLights(prng: Prng, until: Millis): LightPlan {
  if (!prng.chance(WITH_LIGHTS)) return { opens: [], config: {}, faults: [], share: 0 };
  const opens = Array.from({ length: prng.between(1, LIGHTS_MAX) }, () => prng.below(prng.chance(0.5) ? 3_000 : until));
  const config = { linksMax: prng.pick([1, 2, 64])!, viewRefreshMs: prng.pick([2_000, 10_000, 60_000])! };
  const faults: LightFault[] = [];
  const meanMs = Math.floor((until * prng.between(20, 200)) / 1_000);
  for (let at = prng.below(meanMs); at < until; at += 1 + prng.below(2 * meanMs)) {
    const pick = prng.uint32();
    const kind = prng.pick(["close", "crash", "freeze"] as const)!;
    if (kind === "freeze") faults.push({ at, pick, kind, durationMs: prng.pick([500, 5_000, 40_000])! });
    else faults.push({ at, pick, kind });
  }
  return { opens, config, faults, share: prng.between(10, 60) / 100 };
}

export class LightCrowd {
  readonly #simulator: Simulator;
  readonly #plan: LightPlan;
  readonly #config: Config;
  readonly #seeds: readonly NodeId[];
  readonly #count: (what: string) => void;
  #opened = 0;
  #ended = false;

  /** `config` and `seeds` are those of the members; `count` hears of each fault that was carried out. */
  constructor(
    simulator: Simulator,
    plan: LightPlan,
    options: { readonly config: Config; readonly seeds: readonly NodeId[]; readonly count: (what: string) => void },
  ) {
    this.#simulator = simulator;
    this.#plan = plan;
    this.#config = { ...options.config, ...plan.config };
    this.#seeds = options.seeds;
    this.#count = options.count;
  }

  /** Sees to it that all happens, each at its time. */
  schedule(): void {
    for (const at of this.#plan.opens) this.#simulator.after(at, () => this.#open());
    for (const fault of this.#plan.faults) this.#simulator.after(fault.at, () => this.#perform(fault));
  }

  /** No more faults. Whoever is frozen thaws. */
  end(): void {
    this.#ended = true;
    for (const light of this.#simulator.lights) this.#simulator.thaw(light);
  }

  #open(): void {
    const name = `light${++this.#opened}`;
    this.#simulator.add({ name, config: this.#config, seeds: this.#seeds, light: true });
  }

  #perform(fault: LightFault): void {
    const { lights } = this.#simulator;
    const light = lights[fault.pick % Math.max(1, lights.length)];
    if (light === undefined || this.#ended) return;
    this.#count(`fault light ${fault.kind}`);
    if (fault.kind === "freeze") this.#simulator.freeze(light, fault.durationMs);
    else {
      if (fault.kind === "close") this.#simulator.close(light);
      else this.#simulator.crash(light);
      this.#open();
    }
  }
}
