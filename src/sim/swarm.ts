/**
 * One seed, from an empty world to a verdict. Phases, in order:
 *
 *   founding    one node founds the cluster, sometimes one of capacity 0; others join at drawn times, some of them during the workload
 *   faults      callers read and write while the fault plan is carried out
 *   healing     no more faults and no more requests; crashed nodes start again
 *   settling    the cluster must come to rest and agree within SETTLE_MS_MAX. Until the Merkle trees are there, a record that one owner missed is
 *               found by reads alone, so every key is read now and then
 *   verdict     nothing is lost; reads at every node give what the owners hold
 *
 * Mutants break the host's side of the contract on purpose; each must end in a violation.
 */

import { Prng } from "../base/prng.ts";
import { type ClusterParameters, type Config, defaultConfig } from "../core/config.ts";
import { equal } from "../core/dvvset.ts";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import type { Note } from "../core/effect.ts";
import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "../wire/record.ts";
import { Checkers, InvariantViolation } from "./checkers.ts";
import { type FaultAction, type FaultPlan, drawFaultPlan } from "./fault-plan.ts";
import { History } from "./history.ts";
import { SimulationError, Simulator } from "./simulator.ts";
import { Transcript, formatEffect, formatEvent, formatTime, namesOf } from "./transcript.ts";
import type { StorageCodec } from "./virtual-storage.ts";
import { calmNetwork } from "./virtual-network.ts";
import { Callers, drawWorkload, isSessionKey } from "./workload.ts";

export const mutants = ["acknowledge-before-durable", "actor-reused", "failed-load-reported-missing"] as const;
export type Mutant = (typeof mutants)[number];

/** From the healing to rest and agreement. */
export const SETTLE_MS_MAX: Millis = 180_000;
/** Rest is rest only if it lasts: tokens are given away some seconds after a view has changed. */
const REST_MS: Millis = 10_000;
const SWEEP_MS: Millis = 10_000;
const TIMELINE_LINES = 60;

export interface SeedOptions {
  readonly mutant?: Mutant | undefined;
  /** Fault classes to leave out, or "chained-puts", to see whether a failure needs them. */
  readonly without?: readonly string[];
  /** Writes a line for every event and effect; slow. */
  readonly trace?: boolean;
  readonly onLine?: (line: string) => void;
}

export interface SeedOutcome {
  readonly seed: number;
  /** Undefined when all invariants held. */
  readonly failure: { readonly invariant: string; readonly message: string } | undefined;
  readonly acknowledged: number;
  /** Acknowledged puts that are gone; the first one ends a run. */
  readonly lost: number;
  readonly simulatedMs: Millis;
  /** From the healing to rest; undefined when it was not reached. */
  readonly settledMs: Millis | undefined;
  readonly events: number;
  /** How often something rare happened: a fault of the plan, a note of a node, an outcome. */
  readonly sometimes: Readonly<Record<string, number>>;
  /** With `trace`: the checksum over all lines, and the last ones. */
  readonly transcriptHash: string | undefined;
  readonly timeline: readonly string[];
  /** The world in one line. */
  readonly shape: string;
}

interface ClusterPlan {
  readonly parameters: ClusterParameters;
  readonly founderCapacity: number;
  /** When each further node joins. */
  readonly joins: readonly { readonly at: Millis; readonly capacity: number; readonly zone: string }[];
  readonly config: Config;
  readonly workloadFrom: Millis;
  readonly healAt: Millis;
  readonly usesCodec: boolean;
}

function drawCluster(prng: Prng): ClusterPlan {
  const count = prng.between(1, 12);
  const founderCapacity = prng.chance(0.25) ? 0 : 1;
  const usual = prng.chance(0.5);
  const n = usual ? 3 : prng.between(1, 5);
  const parameters: ClusterParameters = {
    n,
    r: usual ? 2 : prng.between(1, n),
    w: usual ? 2 : prng.between(1, n),
    // Fewer than there are nodes would leave some without a token.
    partitions: prng.pick([16, 32, 64, 128])!,
  };
  const workloadFrom = prng.pick([2_000, 6_000, 15_000])!;
  const healAt = workloadFrom + prng.between(10_000, 45_000);
  const late = prng.chance(0.5);
  const zones = prng.chance(0.3) ? prng.between(1, 3) : undefined;
  const joins = Array.from({ length: Math.max(founderCapacity === 0 ? 1 : 0, count - 1) }, (_, i) => ({
    at: late && prng.chance(0.5) ? prng.below(healAt) : prng.below(2_000),
    capacity: prng.chance(0.85) ? 1 : prng.between(0, 4),
    zone: zones === undefined ? `zone-${i + 1}` : `zone-${prng.below(zones)}`,
  }));
  if (founderCapacity === 0 && joins.every((join) => join.capacity === 0))
    joins[0] = { ...joins[0]!, at: 0, capacity: 1 };
  const config: Config = {
    ...defaultConfig,
    cachedRecordsMax: prng.pick([1, 8, 4_096])!,
    transferPageBytesMax: prng.pick([1_000, 65_536])!,
    transfersInFlightMax: prng.pick([1, 8])!,
    hintsMax: prng.chance(0.15) ? prng.between(1, 20) : defaultConfig.hintsMax,
    hintsInFlightMax: prng.pick([1, 16])!,
    rebalanceAfterMs: prng.pick([1_000, 5_000])!,
  };
  return { parameters, founderCapacity, joins, config, workloadFrom, healAt, usesCodec: prng.chance(0.1) };
}

/** Runs one seed to its verdict. The same seed and options give the same outcome, everywhere. */
export function runSeed(seed: number, options: SeedOptions = {}): SeedOutcome {
  return new SeedRun(seed, options).run();
}

class SeedRun {
  readonly #seed: number;
  readonly #options: SeedOptions;
  readonly #prng: Prng;
  readonly #plan: ClusterPlan;
  readonly #faults: FaultPlan;
  readonly #history = new History(isSessionKey);
  readonly #checkers = new Checkers(this.#history);
  readonly #simulator: Simulator;
  readonly #callers: Callers;
  readonly #transcript = new Transcript(TIMELINE_LINES);
  readonly #sometimes: Record<string, number> = {};
  readonly #founder: NodeId;
  #wiped = false;
  #healed = false;
  #settledMs: Millis | undefined;

  constructor(seed: number, options: SeedOptions) {
    this.#seed = seed;
    this.#options = options;
    this.#prng = Prng.fromNumber(seed).fork();
    this.#plan = drawCluster(this.#prng.fork());
    const { workloadFrom, healAt, parameters, config } = this.#plan;
    const { mutant, without = [] } = options;
    const faults = drawFaultPlan(this.#prng.fork(), workloadFrom, healAt, without);
    this.#faults = {
      ...faults,
      storage: {
        ...faults.storage,
        acknowledgesEarly: mutant === "acknowledge-before-durable",
        callsFailedReadsMissing: mutant === "failed-load-reported-missing",
      },
    };
    const names = namesOf((node) => this.#simulator.nameOf(node));
    this.#simulator = new Simulator(this.#prng.uint32(), {
      makeNode: (nodeOptions) => new DynamoNode(nodeOptions),
      network: this.#faults.network,
      storage: this.#faults.storage,
      codec: this.#plan.usesCodec ? { encode: encodeMessage, decode: decodeMessage } : undefined,
      storageCodec: this.#plan.usesCodec ? asBytes : undefined,
      timerLatenessMs: this.#faults.timerLatenessMs,
      skewedClocks: this.#faults.skewedClocks,
      repeatsNodeSeeds: mutant === "actor-reused",
      observer: {
        stepped: (node, event, effects) => {
          if (options.trace === true) {
            const head = `${formatTime(this.#simulator.now)} ${this.#simulator.nameOf(node)}`;
            this.#line(`${head} < ${formatEvent(event, names)}`);
            for (const effect of effects) this.#line(`${head} > ${formatEffect(effect, names)}`);
          }
          for (const effect of effects) if (effect.kind === "note") this.#count(nameOfNote(effect.note));
          this.#checkers.onStep(node, event, effects);
        },
        applied: (node, store, address, before, after) => this.#checkers.onApplied(node, store, address, before, after),
        told: (what) => {
          if (options.trace === true) this.#line(`${formatTime(this.#simulator.now)} -- ${what}`);
        },
      },
    });
    this.#checkers.watch(this.#simulator);
    const drawn = drawWorkload(this.#prng.fork());
    const workload = without.includes("chained-puts") ? { ...drawn, chainProbability: 0 } : drawn;
    this.#callers = new Callers(this.#simulator, this.#history, this.#checkers, this.#prng.fork(), workload, {
      n: parameters.n,
      timerLatenessMs: this.#faults.timerLatenessMs,
    });
    this.#founder = this.#simulator.add({
      name: "n0",
      config: { ...config, capacity: this.#plan.founderCapacity, zone: "zone-0" },
      found: parameters,
      seeds: [],
    });
  }

  run(): SeedOutcome {
    let failure: SeedOutcome["failure"];
    try {
      this.#live();
      this.#heal();
      this.#settle();
      this.#judge();
    } catch (error) {
      if (error instanceof InvariantViolation) failure = { invariant: error.invariant, message: error.message };
      else if (error instanceof SimulationError) failure = { invariant: "step", message: error.message };
      else throw error;
      if (this.#options.trace === true) this.#line(`${formatTime(this.#simulator.now)} !! ${failure.message}`);
    }
    const { counts } = this.#callers;
    for (const [name, count] of Object.entries(counts)) this.#sometimes[`calls ${name}`] = count;
    return {
      seed: this.#seed,
      failure,
      acknowledged: this.#history.acknowledged,
      lost: failure?.invariant === "no-lost-write" ? 1 : 0,
      simulatedMs: this.#simulator.now,
      settledMs: this.#settledMs,
      events: this.#simulator.steps,
      sometimes: this.#sometimes,
      transcriptHash: this.#options.trace === true ? this.#transcript.hash : undefined,
      timeline: this.#transcript.lines,
      shape: this.#shape(),
    };
  }

  #live(): void {
    const simulator = this.#simulator;
    this.#plan.joins.forEach((join, i) => {
      const { capacity, zone } = join;
      simulator.after(join.at, () => {
        this.#count("fault join");
        const config = { ...this.#plan.config, capacity, zone };
        simulator.add({ name: `n${i + 1}`, config, seeds: [this.#founder] });
      });
    });
    simulator.after(this.#plan.workloadFrom, () => this.#callers.start());
    for (const action of this.#faults.actions) simulator.after(action.at, () => this.#perform(action));
    for (let at = 1_000; at < this.#plan.healAt; at += 1_000) simulator.after(at, () => this.#checkers.checkBounds());
    simulator.runUntil(this.#plan.healAt);
  }

  #perform(action: FaultAction): void {
    const simulator = this.#simulator;
    const pick = (nodes: readonly NodeId[]): NodeId | undefined => nodes[action.pick % Math.max(1, nodes.length)];
    const { running } = simulator;
    switch (action.kind) {
      case "partition": {
        const prng = Prng.fromNumber(action.pick);
        const inside = simulator.nodes.filter(() => prng.chance(action.share));
        simulator.partition([inside]);
        simulator.after(action.durationMs, () => simulator.heal());
        break;
      }
      case "mute": {
        const node = pick(running);
        if (node === undefined) return;
        simulator.mute([node]);
        simulator.after(action.durationMs, () => simulator.heal());
        break;
      }
      case "break-link": {
        const node = pick(running);
        const peer = running[(action.pick >>> 8) % Math.max(1, running.length)];
        if (node !== undefined && peer !== undefined && node !== peer) simulator.network.breakLink(node, peer);
        break;
      }
      case "crash": {
        const node = pick(running);
        if (node === undefined) return;
        simulator.crash(node);
        simulator.after(action.downMs, () => simulator.restart(node));
        break;
      }
      case "power-cut":
        for (const node of running) {
          simulator.crash(node);
          simulator.after(action.downMs, () => simulator.restart(node));
        }
        break;
      case "wipe": {
        const node = pick(running.filter((other) => other !== this.#founder));
        if (node === undefined || !this.#mayWipe()) return;
        this.#wiped = true;
        this.#sometimes["forgiven"] = this.#checkers.onWipe(node);
        simulator.wipe(node, `${simulator.nameOf(node)}b`);
        break;
      }
      case "freeze": {
        const node = pick(running);
        if (node !== undefined) simulator.freeze(node, action.durationMs);
        break;
      }
      case "slow": {
        const node = pick(running);
        if (node === undefined) return;
        const slow = (factor: number): void => {
          simulator.network.slow(node, factor);
          simulator.diskOf(node).slow(factor);
        };
        slow(action.factor);
        simulator.after(action.durationMs, () => slow(1));
        break;
      }
      case "hide": {
        const node = pick(running);
        if (node === undefined) return;
        simulator.setVisibility(node, true);
        simulator.after(action.durationMs, () => simulator.setVisibility(node, false));
        break;
      }
    }
    this.#count(`fault ${action.kind}`);
  }

  /**
   * Within the budget: one disk, while everybody runs and has copied all that it owes. The dead member stays an owner until somebody removes it, so
   * quorums must be possible without it: with w = 1 a transfer would wait for it as a source, with w = n a hint for a former owner would.
   */
  #mayWipe(): boolean {
    const simulator = this.#simulator;
    const { n, w } = this.#plan.parameters;
    if (this.#wiped || w < 2 || w >= n) return false;
    if (this.#plan.joins.some((join) => join.at >= simulator.now)) return false;
    const digests = new Set<number | undefined>();
    for (const node of simulator.nodes) {
      const view = simulator.inspect(node);
      if (view?.phase !== "member" || view.transfers.length > 0) return false;
      digests.add(view.ringDigest);
    }
    return digests.size === 1 && simulator.nodes.length > n;
  }

  #heal(): void {
    const simulator = this.#simulator;
    this.#healed = true;
    this.#callers.stop();
    simulator.heal();
    simulator.network.profile = { ...calmNetwork, latencyMs: this.#faults.network.latencyMs };
    simulator.setStorageProfile((profile) => ({ ...profile, commitFailureProbability: 0, readFailureProbability: 0 }));
    for (const node of simulator.nodes) {
      simulator.network.slow(node, 1);
      simulator.diskOf(node).slow(1);
      simulator.thaw(node);
      if (simulator.stateOf(node) === "down") simulator.restart(node);
    }
  }

  #settle(): void {
    const simulator = this.#simulator;
    const from = simulator.now;
    let nextSweep = from + SWEEP_MS;
    for (;;) {
      simulator.runUntil(simulator.now + 1_000);
      this.#checkers.checkBounds();
      const { sinceMs, missing } = this.#checkers.rest();
      if (sinceMs >= REST_MS && this.#callers.underWay === 0) {
        this.#settledMs = simulator.now - sinceMs - from;
        return;
      }
      if (simulator.now - from > SETTLE_MS_MAX)
        throw new InvariantViolation(
          "convergence",
          `${SETTLE_MS_MAX} ms after the last fault ${missing ?? "there is no rest"}`,
        );
      if (missing === undefined) continue;
      if (simulator.now < nextSweep) continue;
      nextSweep = simulator.now + SWEEP_MS;
      for (const key of this.#history.keys.keys()) {
        const node = this.#prng.pick(simulator.running);
        if (node !== undefined) this.#callers.get(node, key, () => undefined);
      }
    }
  }

  #judge(): void {
    const simulator = this.#simulator;
    this.#checkers.checkNothingLost();
    const first = simulator.running[0];
    const view = first === undefined ? undefined : simulator.inspect(first)?.view;
    if (view === undefined) return;
    const ring = new Ring(view);
    const takers = view.members.filter((member) => member.capacity > 0).length;
    for (const key of this.#history.keys.keys()) {
      const { owners, counted } = ring.preferenceList(partitionOf(positionOf(key), view.claims.length));
      if (owners.length !== Math.min(view.parameters.n, Math.max(1, takers)) || counted.length < owners.length)
        throw new InvariantViolation(
          "convergence",
          `${key} has ${owners.length} owners of whom ${counted.length} count`,
        );
      const allLive = owners.every((owner) => simulator.stateOf(owner) !== "wiped");
      const node = this.#prng.pick(simulator.running)!;
      this.#callers.get(node, key, (result) => this.#judgeRead(key, owners[0]!, allLive, result));
    }
    simulator.runUntil(simulator.now + 20_000);
    const missing = this.#checkers.unsettled();
    if (missing !== undefined) throw new InvariantViolation("convergence", `settled, but then ${missing}`);
  }

  #judgeRead(key: Key, owner: NodeId, allLive: boolean, result: Parameters<Parameters<Callers["get"]>[2]>[0]): void {
    const simulator = this.#simulator;
    if (result?.outcome !== "got") {
      if (!allLive) return;
      throw new InvariantViolation(
        "answered",
        `after all has healed a get of ${key} gave ${result === undefined ? "nothing" : JSON.stringify(result)}`,
      );
    }
    const record = simulator.diskOf(owner).get("records", recordAddress(key, positionOf(key)));
    if (allLive && !equal(result.set, record?.set ?? { clock: [], siblings: [] }))
      throw new InvariantViolation("convergence", `a get of ${key} gave something else than its owners hold`);
  }

  #count(name: string): void {
    this.#sometimes[name] = (this.#sometimes[name] ?? 0) + 1;
  }

  #line(line: string): void {
    this.#transcript.add(line);
    this.#options.onLine?.(line);
  }

  #shape(): string {
    const { parameters, joins, founderCapacity, usesCodec } = this.#plan;
    const { n, r, w, partitions } = parameters;
    const extra = `${founderCapacity === 0 ? " capacity-0 founder" : ""}${usesCodec ? " bytes" : ""}${this.#wiped ? " wiped" : ""}${this.#healed ? " healed" : ""}`;
    return `${joins.length + 1} nodes n=${n} r=${r} w=${w} partitions=${partitions}${extra}; faults: ${[...this.#faults.classes].join(" ")}`;
  }
}

const asBytes: StorageCodec = {
  roundTrip: (record) => decodeRecord(encodeRecord(record)),
  roundTripMeta: (meta) => decodeMeta(encodeMeta(meta)),
};

function nameOfNote(note: Note): string {
  return note.what === "minted" && note.fresh ? "note minted-fresh" : `note ${note.what}`;
}
