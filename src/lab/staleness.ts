/**
 * How often a read misses a write that was acknowledged before it began: as a model says, and as the nodes do.
 *
 * The model is in the manner of PBS (Bailis and others, "Probabilistically bounded staleness for practical partial quorums", 2012): a trial draws how long the
 * write takes to each of the N replicas and their acknowledgements back, and the read to each and back; the write is acknowledged with the W-th, the read is
 * answered with the R-th. It is stale when each of those R was asked before the write had come there. `coordinators` says where the two coordinators are:
 *
 *   apart    none of the N, as in the paper: every message takes its time, and callers sit at the coordinators
 *   owners   as here: among the N, and a coordinator's own copy is reached without a way. The callers are at nodes of the cluster, drawn; who is at an owner has
 *            his own coordinator, others ask the first owner of the walk, and that way takes time, too
 *
 * Ways are drawn from the same span as those of the world, anew in each trial; a world draws each way once, and keeps it. The model knows no patience: nobody
 * stands in for who is slow, and nothing is repaired.
 *
 * The measurement runs the shipped nodes, in worlds of their own: a put of a new key at one node, a wait from its acknowledgement on, a get at another; the get
 * is stale when it does not have the value. A new world after TRIALS_PER_WORLD of them, because a world has one draw of ways only.
 *
 * Limits: one trial after the other; who measures says how many.
 */

import { Prng } from "../base/prng.ts";
import type { Key, Millis } from "../core/identifiers.ts";
import { calmStorage } from "../sim/virtual-storage.ts";
import { SEED_MAX, type LabOptions } from "./options.ts";
import type { QuorumChoice } from "./quorum-math.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import type { TraceRecord } from "./world.ts";

export interface Surroundings {
  readonly latencyMs: { readonly min: Millis; readonly max: Millis };
  readonly jitterMs: Millis;
  /** By node, how many times longer messages to and from it take; as many as there are nodes. */
  readonly slowness: readonly number[];
}

export interface Prediction {
  readonly trials: number;
  readonly stale: number;
}

/** `waitMs`: from the acknowledgement of the write to the read. */
export function predict(
  { n, r, w }: QuorumChoice,
  { latencyMs, jitterMs, slowness }: Surroundings,
  {
    waitMs,
    trials,
    seed,
    coordinators,
  }: {
    readonly waitMs: Millis;
    readonly trials: number;
    readonly seed: number;
    readonly coordinators: "apart" | "owners";
  },
): Prediction {
  const random = Prng.fromNumber(seed);
  const copies = Math.min(n, slowness.length);
  const [reads, writes] = [Math.min(r, copies), Math.min(w, copies)];
  const nodes = slowness.map((_, node) => node);
  const tick = (span: Millis): Millis => random.below(span * 4 + 1) / 4;
  /** The same every time it is asked within a trial, but for what is added to each message. */
  let ways = new Map<number, Millis>();
  const way = (from: number, to: number): Millis => {
    if (from === to) return 0;
    const name = from * 1_024 + to;
    let latency = ways.get(name);
    if (latency === undefined) ways.set(name, (latency = latencyMs.min + tick(latencyMs.max - latencyMs.min)));
    return latency * (slowness[from] ?? 1) * (slowness[to] ?? 1) + tick(jitterMs);
  };
  const nth = (times: readonly Millis[], k: number): Millis => [...times].sort((a, b) => a - b)[k - 1]!;
  const commitMs = calmStorage.commitMs.min;
  const readMs = calmStorage.readMs.min;
  let stale = 0;
  for (let trial = 0; trial < trials; trial++) {
    ways = new Map();
    const walk = random.shuffled(nodes);
    const owners = walk.slice(0, copies);
    const [writer = 0, reader = 0] = random.shuffled(nodes);
    const at = (caller: number): number => (owners.includes(caller) ? caller : owners[0]!);
    // Two places where nobody else is: as far from everybody as anybody is.
    const apart = [slowness.length, slowness.length + 1] as const;
    const [put, get] = coordinators === "apart" ? apart : [at(writer), at(reader)];
    const toPut = coordinators === "apart" ? 0 : way(writer, put);
    // The dot is minted before anything is sent.
    const sent = toPut + (coordinators === "apart" ? 0 : readMs);
    const stored = owners.map((owner) => sent + way(put, owner) + (owner === put ? 0 : readMs) + commitMs);
    const acknowledged = nth(
      owners.map((owner, i) => stored[i]! + way(owner, put)),
      writes,
    );
    const begins = acknowledged + (coordinators === "apart" ? 0 : way(put, writer)) + waitMs;
    const asked = begins + (coordinators === "apart" ? 0 : way(reader, get));
    const looked = owners.map((owner) => asked + way(get, owner) + readMs);
    const answered = owners.map((owner, i) => ({
      missed: looked[i]! < stored[i]!,
      back: looked[i]! + way(owner, get),
    }));
    answered.sort((a, b) => a.back - b.back);
    if (answered.slice(0, reads).every(({ missed }) => missed)) stale++;
  }
  return { trials, stale };
}

export const TRIALS_PER_WORLD = 50;

export interface MeasurementPlan {
  /** With the N, R and W that are measured. */
  readonly options: LabOptions;
  /** By name, of nodes that are slow. */
  readonly slowness: readonly { readonly node: string; readonly factor: number }[];
  readonly waitMs: Millis;
  readonly trials: number;
}

export interface Measured {
  /** Done so far: of those that were acknowledged and answered. */
  readonly trials: number;
  readonly stale: number;
  /** Not acknowledged, or not answered: left out. */
  readonly failed: number;
  readonly isOver: boolean;
}

type Answer = Extract<TraceRecord["event"], { what: "answered" }>;

/** States: under way, over. Each `next` is one trial, so that whoever runs it can do other things between. */
export class Measurement {
  readonly #plan: MeasurementPlan;
  readonly #random: Prng;
  #world: SimulatedWorld | undefined;
  #begun = 0;
  #stale = 0;
  #failed = 0;

  constructor(plan: MeasurementPlan) {
    this.#plan = plan;
    this.#random = Prng.fromNumber(plan.options.seed);
  }

  get measured(): Measured {
    return {
      trials: this.#begun - this.#failed,
      stale: this.#stale,
      failed: this.#failed,
      isOver: this.#begun >= this.#plan.trials,
    };
  }

  /** One more trial; false when all are done. */
  next(): boolean {
    const { trials, waitMs } = this.#plan;
    if (this.#begun >= trials) return false;
    if (this.#begun % TRIALS_PER_WORLD === 0) this.#world = this.#newWorld();
    const world = this.#world!;
    const names = world.nodes.map(({ name }) => name);
    const [writer, reader = writer] = this.#random.shuffled(names);
    const trial = this.#begun++;
    const key = `trials/${trial}` as Key;
    const value = `${trial}`;
    const put = answerTo(world, () => world.act({ do: "put", node: writer!, key, value, context: "none" }));
    if (put?.outcome !== "ok") {
      this.#failed++;
      return true;
    }
    world.runUntil(world.now + waitMs);
    const got = answerTo(world, () => world.act({ do: "get", node: reader!, key }));
    if (got?.outcome !== "ok") this.#failed++;
    else if (!got.values.includes(value)) this.#stale++;
    return true;
  }

  #newWorld(): SimulatedWorld {
    const { options, slowness } = this.#plan;
    const seed = (options.seed + this.#begun / TRIALS_PER_WORLD) % (SEED_MAX + 1);
    const world = new SimulatedWorld({ ...options, seed });
    for (const { node, factor } of slowness) world.act({ do: "slow", node, factor });
    return world;
  }
}

/** Lets a caller ask, and time pass until he has his answer. */
function answerTo(world: SimulatedWorld, ask: () => void): Answer | undefined {
  let told = world.traceCount;
  ask();
  let request: number | undefined;
  do {
    const { trace, traceCount } = world;
    for (; told < traceCount; told++) {
      const record = trace[trace.length - (traceCount - told)]!;
      if (record.event.what === "asked") request ??= record.request;
      else if (record.event.what === "answered" && record.request === request) return record.event;
    }
  } while (world.step());
  return undefined;
}
