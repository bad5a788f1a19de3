/**
 * One seed, from an empty world to a verdict. Phases, in order:
 *
 *   founding    one node founds the cluster, sometimes one of capacity 0; others join at drawn times, some of them during the workload
 *   faults      callers read and write while the fault plan is carried out: safety
 *   core        a healthy core is chosen (`healthy-core.ts`); all others stay dead or cut off, and the core must serve and converge: liveness
 *   healing     all come back; no more faults and no more requests
 *   settling    the cluster must come to rest and agree within SETTLE_MS_MAX, and not before the last late frame has come out. Where
 *               nodes leave or are removed, an operator removes those that are lost for good
 *   verdict     nothing is lost and nothing comes back; reads at every node give what the owners hold; a put is read at once by everybody; a cluster
 *               that has nothing to do is quiet; nodes have counted what their callers saw; and a read mends an owner whose disk lost a record
 *
 * The same seed and options give the same outcome, to the last byte, everywhere.
 */

import { Prng } from "../base/prng.ts";
import { equal } from "../core/dvvset.ts";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { type ClusterParameters, defaultConfig } from "../core/config.ts";
import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { stays } from "../core/membership.ts";
import { LightClient } from "../core/light-client.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "../wire/record.ts";
import { Archivist } from "./archivist.ts";
import { bucketNameOf } from "../core/buckets.ts";
import { Audit } from "./audit.ts";
import { BucketActs } from "./bucket-acts.ts";
import { Budget } from "./budget.ts";
import { Checkers, InvariantViolation } from "./checkers.ts";
import { type ClusterPlan, drawCluster } from "./cluster-plan.ts";
import { Custody } from "./custody.ts";
import { type Ambush, type Distance, type Focus, drawFocus } from "./focus.ts";
import { type FaultPlan, describeFault, drawFaultPlan } from "./fault-plan.ts";
import { GraceJudge } from "./grace-judge.ts";
import { HealthyCore } from "./healthy-core.ts";
import { HedgeJudge } from "./hedge-judge.ts";
import { History } from "./history.ts";
import { LightCrowd, type LightPlan, drawLights } from "./light-crowd.ts";
import { MixedVersions, ONE_VERSION, type VersionPlan, drawVersions } from "./mixed-versions.ts";
import { PlacementChecker } from "./placement.ts";
import { LoadOperator } from "./load-operator.ts";
import { LogClaims } from "./log-claims.ts";
import { Quietness } from "./quietness.ts";
import { Restraint } from "./restraint.ts";
import { Routing } from "./routing.ts";
import { Saboteur } from "./saboteur.ts";
import { type Observer, SimulationError, Simulator } from "./simulator.ts";
import { Sometimes } from "./sometimes.ts";
import { Transcript, formatEffect, formatEvent, formatTime, isTelling, namesOf } from "./transcript.ts";
import type { StorageCodec } from "./virtual-storage.ts";
import { calmNetwork } from "./virtual-network.ts";
import { Callers, type Workload, drawWorkload, isSessionKey } from "./workload.ts";

/** From the healing to rest and agreement; twice that where nodes take little background work from each other. */
export const SETTLE_MS_MAX: Millis = 180_000;
/** Rest is rest only if it lasts: tokens are given away some seconds after a view has changed. */
const REST_MS: Millis = 10_000;
const BOUNDS_MS: Millis = 5_000;
/** A node that starts again is up for all others within this time. */
const RETURN_MS: Millis = 20_000;
/** A read has mended whoever was behind within this time, and within it little else mends. */
const MEND_MS: Millis = 2_500;
/** How long a cluster that has settled is watched for being quiet. */
const QUIET_MS: Millis = 10_000;
/** Keys that are written and read back at the end. */
const READ_BACK_KEYS = 12;
/** Where tombstones are reaped there should be some. */
const DELETES_WITH_REAPING = 0.4;
const ARCHIVES = 0x0a_2c_417e;
const GRACE = 0x6a_ace1;
const LOAD = 0x10_ad0e;
const AMBUSHES = 0x0a_3b_0537;
/** At rest each export and look back ends within this time, where members take little from each other, too. */
const ARCHIVE_MS_MAX: Millis = 300_000;
const VERSIONS = 0x0b_51_0ae3;
/** Moments that are looked back at when all is at rest. */
const LOOKS_BACK = 3;
const TIMELINE_LINES = 50;
const STORY_LINES = 5_000;

export interface SeedOptions {
  /** Fault classes to leave out, or "ambush", "chained-puts", "core", "exports", "grace", "lights", "load", "older-versions" or "reaping", to see whether a failure needs them. */
  readonly without?: readonly string[];
  /** Actions of the fault plan to leave out, by their place in it. */
  readonly dropActions?: readonly number[];
  /** No more callers than these; drawn when undefined. */
  readonly callersMax?: number | undefined;
  /** Writes a line for every event and effect; slow. */
  readonly trace?: boolean;
  readonly onLine?: (line: string) => void;
  /** Looks on. It is told after the judges, and must not change anything. */
  readonly observer?: Observer;
}

export interface SeedOutcome {
  readonly seed: number;
  /** Undefined when all invariants held. */
  readonly failure: { readonly invariant: string; readonly message: string } | undefined;
  readonly acknowledged: number;
  /** Acknowledged puts that are gone; the first one ends a run. */
  readonly lost: number;
  readonly nodes: number;
  readonly simulatedMs: Millis;
  /** From the healing to rest; undefined when it was not reached. */
  readonly settledMs: Millis | undefined;
  readonly events: number;
  readonly usedCodec: boolean;
  /** How often something rare happened; see `sometimes.ts`. */
  readonly sometimes: Readonly<Record<string, number>>;
  /** With `trace`: the checksum over all lines. */
  readonly transcriptHash: string | undefined;
  /** What led to the failure: faults, requests and answers, and what nodes noted, at most TIMELINE_LINES; about one key, if the failure is. */
  readonly timeline: readonly string[];
  /** The world in one line. */
  readonly shape: string;
  readonly faultClasses: readonly string[];
  /** The fault plan, one line for each action. */
  readonly actions: readonly string[];
}

/** Runs one seed to its verdict. */
export function runSeed(seed: number, options: SeedOptions = {}): SeedOutcome {
  return new SeedRun(seed, options).run();
}

/** Yields moments up to which time is to pass before it goes on. */
type Phase<Result = void> = Generator<Millis, Result>;

/** A seed under way: it can be stopped at any moment, looked at, and let go on; what becomes of it is the same. */
export class SeedRun {
  readonly #seed: number;
  readonly #options: SeedOptions;
  readonly #prng: Prng;
  readonly #plan: ClusterPlan;
  readonly #faults: FaultPlan;
  readonly #history = new History(isSessionKey);
  readonly #checkers = new Checkers(this.#history);
  readonly #simulator: Simulator;
  readonly #custody: Custody;
  readonly #budget: Budget;
  readonly #placement: PlacementChecker;
  readonly #saboteur: Saboteur;
  readonly #callers: Callers;
  /** Undefined when nobody sets any. */
  readonly #buckets: BucketActs | undefined;
  readonly #core: HealthyCore;
  readonly #hedgeJudge = new HedgeJudge();
  readonly #graceJudge: GraceJudge;
  /** Undefined where nobody evens out the load. */
  readonly #loadOperator: LoadOperator | undefined;
  readonly #quietness = new Quietness();
  readonly #audit: Audit;
  readonly #restraint: Restraint;
  readonly #logClaims: LogClaims;
  readonly #routing: Routing;
  readonly #lights: LightPlan;
  readonly #crowd: LightCrowd;
  readonly #archivist: Archivist;
  readonly #versionPlan: VersionPlan;
  readonly #versions: MixedVersions;
  readonly #transcript = new Transcript(TIMELINE_LINES);
  readonly #story = new Transcript(STORY_LINES);
  readonly #sometimes = new Sometimes();
  readonly #founder: NodeId;
  readonly #ambush: Ambush | undefined;
  readonly #founderAway: Distance | undefined;
  readonly #ambushes: Prng;
  readonly #phases: Phase = this.#live();
  /** The moment at which the phase wants to look again; before all others at first, Infinity when all is over. */
  #stop: Millis = -1;
  #failure: SeedOutcome["failure"];
  #settledMs: Millis | undefined;

  constructor(seed: number, options: SeedOptions = {}) {
    this.#seed = seed;
    this.#options = options;
    const prng = Prng.fromNumber(seed).fork();
    this.#prng = prng;
    const usual = drawCluster(prng.fork());
    const focus = drawFocus(seed, usual);
    const plan = focus?.plan ?? usual;
    const { workloadFrom, faultsUntil, parameters } = plan;
    const { without = [], dropActions = [] } = options;
    const faults = drawFaultPlan(prng.fork(), workloadFrom, faultsUntil, without, focus);
    this.#ambush = without.includes("ambush") ? undefined : focus?.ambush;
    this.#founderAway = without.includes("ambush") ? undefined : focus?.founderAway;
    this.#ambushes = Prng.fromNumber(seed ^ AMBUSHES);
    const removeAfterMs = drawGrace(seed, plan, without, focus);
    const reapAfterMs = removeAfterMs < Infinity ? Infinity : drawReaping(seed, faults, without, focus);
    const loadFromPerSecond = drawLoad(seed, plan, without);
    const config = { ...plan.config, removeAfterMs, reapAfterMs, loadFromPerSecond };
    this.#plan = { ...plan, config };
    this.#faults = { ...faults, actions: faults.actions.filter((_, i) => !dropActions.includes(i)) };
    // Drawn apart, so that a world without light clients is what it was before there were any.
    const lights = drawLights(Prng.fromNumber(seed + 0x11_0000_0000).fork(), faultsUntil);
    this.#lights = without.includes("lights") ? { ...lights, opens: [], faults: [], share: 0 } : lights;
    // Apart for the same reason.
    const mixed = drawVersions(
      Prng.fromNumber(seed ^ VERSIONS),
      1 + plan.joins.length,
      1_000,
      faultsUntil,
      this.#lights.opens.length > 0,
    );
    const versions = without.includes("older-versions") ? ONE_VERSION : mixed;
    this.#plan = { ...this.#plan, usesCodec: plan.usesCodec || versions.isMixed };
    this.#versionPlan = versions;
    this.#simulator = this.#makeSimulator(prng.uint32());
    this.#versions = new MixedVersions(this.#simulator, versions, {
      newer: config,
      sometimes: this.#sometimes,
      mayChange: (node) => this.#saboteur.mayStart(node),
    });
    this.#checkers.watch(this.#simulator);
    this.#audit = new Audit(this.#simulator);
    this.#graceJudge = new GraceJudge(this.#simulator);
    this.#loadOperator =
      loadFromPerSecond === Infinity
        ? undefined
        : new LoadOperator(this.#simulator, Prng.fromNumber(seed ^ LOAD).fork(), (what) => this.#sometimes.count(what));
    this.#restraint = new Restraint(this.#simulator);
    this.#logClaims = new LogClaims(this.#simulator);
    this.#routing = new Routing(this.#simulator);
    // Draws of its own, so that what else a seed does stays what it was.
    const keepsPast = Object.keys(config.history).length > 0;
    const archives = Prng.fromNumber(seed ^ ARCHIVES);
    this.#archivist = new Archivist(
      this.#simulator,
      this.#history,
      this.#checkers,
      archives,
      this.#sometimes,
      keepsPast,
    );
    this.#custody = new Custody(this.#simulator, this.#history);
    this.#budget = new Budget(this.#simulator, this.#history, this.#checkers);
    this.#placement = new PlacementChecker(this.#simulator, this.#budget);
    const workload = this.#drawnWorkload(prng.fork(), focus);
    this.#callers = this.#makeCallers(prng.fork(), workload);
    this.#founder = this.#simulator.add({
      name: "n0",
      config: this.#versions.configOf(0, { ...config, capacity: this.#plan.founderCapacity, zone: "zone-0" }),
      found: parameters,
      seeds: [],
    });
    this.#crowd = new LightCrowd(this.#simulator, this.#lights, {
      config: { ...config, capacity: 0 },
      seeds: [this.#founder],
      count: (what) => this.#sometimes.count(what),
    });
    this.#saboteur = new Saboteur({
      simulator: this.#simulator,
      budget: this.#budget,
      plan: this.#plan,
      founder: this.#founder,
      count: (what) => {
        this.#sometimes.count(what);
        if (what !== "fault old-disk") return;
        this.#placement.forgetPeace();
        this.#buckets?.forgetPromises();
      },
    });
    this.#core = new HealthyCore({
      simulator: this.#simulator,
      history: this.#history,
      callers: this.#callers,
      plan: this.#plan,
      latencyMs: this.#faults.network.latencyMs,
      prng: prng.fork(),
      checkPlacement: () => {
        this.#restraint.check();
        this.#placement.check();
      },
    });
    const buckets = prng.fork();
    this.#buckets = workload.leavesPolicyToBuckets ? new BucketActs(this.#simulator, buckets, parameters) : undefined;
  }

  #makeSimulator(seed: number): Simulator {
    const { usesCodec } = this.#plan;
    const { observer: onlooker } = this.#options;
    const { network, storage, timerLatenessMs, skewedClocks, driftingClocks } = this.#faults;
    const names = namesOf((node) => this.#simulator.nameOf(node));
    return new Simulator(seed, {
      makeNode: (nodeOptions, light) => (light ? new LightClient(nodeOptions) : new DynamoNode(nodeOptions)),
      network,
      storage,
      codec: usesCodec ? { encode: encodeMessage, decode: decodeMessage } : undefined,
      storageCodec: usesCodec ? asBytes : undefined,
      timerLatenessMs,
      skewedClocks,
      driftingClocks,
      observer: {
        stepped: (node, event, effects) => {
          if (this.#options.trace === true) {
            const head = `${formatTime(this.#simulator.now)} ${this.#simulator.nameOf(node)}`;
            const lines = [
              `< ${formatEvent(event, names)}`,
              ...effects.map((effect) => `> ${formatEffect(effect, names)}`),
            ];
            for (const line of lines) this.#line(`${head} ${line}`);
            if (event.kind === "client-get" || event.kind === "client-put") this.#story.add(`${head} ${lines[0]!}`);
            effects.forEach((effect, i) => {
              if (effect.kind === "reply" || (effect.kind === "note" && isTelling(effect.note)))
                this.#story.add(`${head} ${lines[i + 1]!}`);
            });
          }
          this.#quietness.onStep(node, event, effects);
          this.#sometimes.onStep(event, effects);
          for (const effect of effects) {
            if (effect.kind !== "note") continue;
            if (effect.note.what === this.#ambush?.what && this.#ambushes.chance(this.#ambush.chance))
              this.#saboteur.ambush(node, this.#ambush, this.#ambushes);
            if (effect.note.what === "minted" && effect.note.fresh) this.#onFreshActor(node, effect.note.key);
            else if (effect.note.what === "hint-delivered")
              this.#onHintDelivered(node, effect.note.key, effect.note.target);
            else if (effect.note.what === "partition-dropped") this.#onPartitionDropped();
            else if (effect.note.what === "membership-changed" || effect.note.what === "tokens-swapped")
              this.#placement.forgetPeace();
            else if (effect.note.what === "buffer-lost" && effect.note.key !== undefined)
              this.#checkers.onBufferLost(node, effect.note.key);
            else if (effect.note.what === "phase" && effect.note.phase === "gone") this.#placement.forgetPeace();
          }
          this.#checkers.onStep(node, event, effects);
          this.#custody.onStep(node, effects, event);
          const { slowReplyMs } = this.#plan.config;
          this.#hedgeJudge.onStep(node, event, effects, slowReplyMs, this.#simulator.nameOf(node));
          this.#graceJudge.onStep(node, event, effects);
          this.#loadOperator?.onStep(node, effects);
          this.#audit.onStep(node, event, effects);
          this.#restraint.onStep(node, event, effects);
          this.#logClaims.onStep(node, event, effects);
          this.#routing.onStep(node, event, effects);
          if (this.#simulator.isLight(node))
            for (const effect of effects)
              if (effect.kind === "reply" && effect.result.outcome !== "failed")
                this.#sometimes.reached("light client answered");
          this.#archivist.onStep(node, effects);
          this.#versions.onStep(node, effects);
          onlooker?.stepped?.(node, event, effects);
        },
        unread: (node, from, kind) => this.#versions.onUnread(from, node, kind),
        applied: (node, store, address, before, after) => {
          this.#checkers.onApplied(node, store, address, before, after);
          this.#logClaims.onApplied(node, store, address, after);
          if (before !== null && after === null) this.#custody.onRemoved(node, store, address, before);
          onlooker?.applied?.(node, store, address, before, after);
        },
        ended: (node, buffered) => {
          if (buffered.length > 0) this.#sometimes.reached("buffer lost in a crash");
          this.#checkers.onEnded(node, buffered);
          onlooker?.ended?.(node, buffered);
        },
        told: (what) => {
          this.#tell(what);
          onlooker?.told?.(what);
        },
      },
    });
  }

  #drawnWorkload(prng: Prng, focus: Focus | undefined): Workload {
    const { without = [], callersMax = Infinity } = this.#options;
    const usual = drawWorkload(prng, this.#plan.large);
    const drawn = focus?.narrow(usual) ?? usual;
    const reaps = this.#plan.config.reapAfterMs < Number.POSITIVE_INFINITY;
    return {
      ...drawn,
      callers: Math.min(drawn.callers, callersMax),
      chainProbability: without.includes("chained-puts") ? 0 : drawn.chainProbability,
      deleteProbability: reaps ? Math.max(drawn.deleteProbability, DELETES_WITH_REAPING) : drawn.deleteProbability,
    };
  }

  #makeCallers(prng: Prng, workload: Workload): Callers {
    const { parameters, config } = this.#plan;
    const { timerLatenessMs } = this.#faults;
    const keptBuckets = Object.keys(config.history);
    const options = { parameters, timerLatenessMs, lightShare: this.#lights.share, keptBuckets };
    return new Callers(this.#simulator, this.#history, this.#checkers, prng, workload, options);
  }

  get simulator(): Simulator {
    return this.#simulator;
  }

  get seed(): number {
    return this.#seed;
  }

  get parameters(): ClusterParameters {
    return this.#plan.parameters;
  }

  /** What broke; undefined so far, or for good when it is over. */
  get failure(): SeedOutcome["failure"] {
    return this.#failure;
  }

  /** The verdict is there, and time stands still. */
  get isOver(): boolean {
    return this.#stop === Infinity;
  }

  /** Goes to the verdict. */
  run(): SeedOutcome {
    this.runUntil(Infinity);
    return this.#outcome();
  }

  /** Lets everything happen up to and including this moment, if it lasts so long. */
  runUntil(at: Millis): void {
    while (!this.isOver && this.#stop <= at) this.#guard(() => this.#goOn());
    if (!this.isOver && this.#simulator.now < at) this.#guard(() => this.#simulator.runUntil(at));
  }

  /** Lets the next thing happen. False when it is over. */
  step(): boolean {
    while (!this.isOver && (this.#simulator.nextTime ?? Infinity) > this.#stop) this.#guard(() => this.#goOn());
    if (this.isOver) return false;
    this.#guard(() => this.#simulator.step());
    return true;
  }

  /** Time passes up to where the phase wants to look again, and it looks. */
  #goOn(): void {
    this.#simulator.runUntil(this.#stop);
    const { done, value } = this.#phases.next();
    this.#stop = done === true ? Infinity : value;
  }

  /** A judge ends the run, whoever let time pass. */
  #guard(pass: () => void): void {
    try {
      pass();
    } catch (error) {
      if (error instanceof InvariantViolation) this.#failure = { invariant: error.invariant, message: error.message };
      else if (error instanceof SimulationError) this.#failure = { invariant: "step", message: error.message };
      else throw error;
      this.#stop = Infinity;
      if (this.#options.trace === true) this.#line(`${formatTime(this.#simulator.now)} !! ${error.message}`);
    }
  }

  *#live(): Phase {
    yield* this.#endure();
    if (!(this.#options.without ?? []).includes("core") && (yield* this.#core.run()))
      this.#sometimes.reached("core served alone");
    this.#heal();
    yield* this.#settle();
    yield* this.#judge();
  }

  #outcome(): SeedOutcome {
    const failure = this.#failure;
    const { counts } = this.#callers;
    for (const [name, count] of Object.entries(counts)) this.#sometimes.count(`calls ${name}`, count);
    if (this.#restraint.waits > 0) this.#sometimes.reached("background work waited");
    this.#sometimes.count("put failed", counts.putsFailed);
    this.#sometimes.count("get failed", counts.getsFailed);
    this.#sometimes.count("retry after a failure", counts.retries);
    this.#sometimes.count("call abandoned", counts.abandoned);
    this.#sometimes.count("stale read", counts.staleReads);
    return {
      seed: this.#seed,
      failure,
      acknowledged: this.#history.acknowledged,
      lost: failure?.invariant === "no-lost-write" ? 1 : 0,
      nodes: this.#simulator.nodes.length,
      simulatedMs: this.#simulator.now,
      settledMs: this.#settledMs,
      events: this.#simulator.steps,
      usedCodec: this.#plan.usesCodec,
      sometimes: this.#sometimes.counts,
      transcriptHash: this.#options.trace === true ? this.#transcript.hash : undefined,
      timeline: failure === undefined ? [] : this.#timelineOf(failure.message),
      shape: this.shape,
      faultClasses: [...this.#faults.classes],
      actions: this.#faults.actions.map(describeFault),
    };
  }

  *#endure(): Phase {
    const simulator = this.#simulator;
    const { workloadFrom, joins, config } = this.#plan;
    joins.forEach(({ at, capacity, zone }, i) => {
      simulator.after(at, () => {
        this.#sometimes.count("fault join");
        const own = this.#versions.configOf(i + 1, { ...config, capacity, zone });
        simulator.add({ name: `n${i + 1}`, config: own, seeds: [this.#founder] });
      });
    });
    simulator.after(workloadFrom, () => this.#callers.start());
    this.#buckets?.schedule(workloadFrom, this.#faults.endsAt);
    this.#loadOperator?.schedule(workloadFrom, this.#faults.endsAt);
    this.#saboteur.schedule(this.#faults.actions);
    if (this.#founderAway !== undefined) this.#saboteur.moveFounderAway(this.#founderAway);
    this.#crowd.schedule();
    this.#versions.schedule();
    if (!(this.#options.without ?? []).includes("exports")) this.#archivist.schedule(workloadFrom, this.#faults.endsAt);
    for (let at = 1_000; at < this.#faults.endsAt; at += 1_000) {
      yield at;
      this.#restraint.check();
      if (at % BOUNDS_MS === 0) this.#checkers.checkBounds();
      this.#placement.check();
      this.#routing.check();
    }
    yield this.#faults.endsAt;
    this.#saboteur.end();
    this.#crowd.end();
    this.#versions.end();
  }

  #heal(): void {
    const simulator = this.#simulator;
    this.#audit.check();
    this.#callers.stop();
    simulator.heal();
    simulator.network.profile = { ...calmNetwork, latencyMs: this.#faults.network.latencyMs };
    simulator.setStorageProfile((profile) => ({ ...profile, commitFailureProbability: 0, readFailureProbability: 0 }));
    for (const node of simulator.nodes) simulator.recover(node);
    this.#versions.upgradeAll();
  }

  *#settle(): Phase {
    const simulator = this.#simulator;
    const { network } = this.#faults;
    const isLimited = this.#plan.config.peerBackgroundPerSecond < defaultConfig.peerBackgroundPerSecond;
    const allowedMs = isLimited ? 2 * SETTLE_MS_MAX : SETTLE_MS_MAX;
    const from = simulator.now;
    let waitsFor: string | undefined;
    for (;;) {
      if (this.#saboteur.removeLost()) this.#placement.forgetPeace();
      yield simulator.now + 1_000;
      this.#restraint.check();
      this.#checkers.checkBounds();
      this.#placement.check();
      this.#routing.check();
      const rest = this.#checkers.rest();
      const { sinceMs } = rest;
      const missing = rest.missing ?? this.#custody.astray() ?? this.#versions.outstanding;
      if (missing !== waitsFor) this.#tell(`no rest yet: ${missing ?? "it must last"}`);
      waitsFor = missing;
      const noneOnItsWay = simulator.now - from >= (network.lateProbability > 0 ? network.lateMsMax : 0);
      if (sinceMs >= REST_MS && missing === undefined && noneOnItsWay && this.#callers.underWay === 0) {
        this.#settledMs = simulator.now - sinceMs - from;
        return;
      }
      if (simulator.now - from > allowedMs)
        throw new InvariantViolation(
          "convergence",
          `${allowedMs} ms after the last fault ${missing ?? "there is no rest"}`,
        );
    }
  }

  *#judge(): Phase {
    const simulator = this.#simulator;
    this.#checkers.checkNothingLost();
    this.#routing.checkFreshness();
    yield* this.#endArchives();
    this.#quietness.start(simulator.now);
    yield simulator.now + QUIET_MS;
    this.#quietness.judge(simulator.now, simulator.running.length + simulator.lights.length, this.#plan.config.scrubMs);

    const stayed = this.#saboteur.stayed();
    if (stayed !== undefined)
      throw new InvariantViolation("departure", `${simulator.nameOf(stayed)} stays, though its going was accepted`);

    const ring = this.#ring();
    if (ring === undefined) return;
    const { view } = ring;
    const takers = view.members.filter((member) => member.capacity > 0 && stays(member)).length;
    let readBack = 0;
    for (const key of this.#history.keys.keys()) {
      const { owners, counted } = ring.preferenceList(partitionOf(positionOf(key), view.claims.length));
      if (owners.length !== Math.min(view.parameters.n, Math.max(1, takers)) || counted.length < owners.length)
        throw new InvariantViolation(
          "convergence",
          `${key} has ${owners.length} owners of whom ${counted.length} count`,
        );
      const allLive = owners.every((owner) => simulator.stateOf(owner) !== "wiped");
      const node = this.#prng.pick(this.#everybody())!;
      const then = readBack++ < READ_BACK_KEYS && allLive ? () => this.#readBack(key) : () => undefined;
      this.#callers.get(node, key, (result) => {
        this.#judgeRead(key, owners[0]!, allLive, result);
        then();
      });
    }
    const until = simulator.now + 60_000;
    let missing: string | undefined;
    do {
      yield simulator.now + 5_000;
      missing = this.#callers.underWay > 0 ? "requests are under way" : this.#checkers.unsettled();
    } while (missing !== undefined && simulator.now < until);
    if (missing !== undefined) throw new InvariantViolation("convergence", `settled, but then ${missing}`);
    if (!(this.#options.without ?? []).includes("exports")) yield* this.#exportAtRest();
    yield* this.#judgeBuckets();
    this.#audit.check();
    this.#audit.checkSurvey(this.#prng.pick(simulator.running)!);
    yield* this.#checkReadRepair(ring);
  }

  /** The disk of an owner has lost a record, and nothing but a read tells: its sums still count it. */
  *#checkReadRepair(ring: Ring): Phase {
    const simulator = this.#simulator;
    const key = this.#prng.pick([...this.#history.keys.keys()]);
    if (key === undefined) return;
    const { owners } = ring.preferenceList(partitionOf(positionOf(key), ring.view.claims.length));
    const [victim, other] = this.#prng.shuffled(owners);
    const address = recordAddress(key, positionOf(key));
    if (victim === undefined || other === undefined || owners.some((owner) => simulator.stateOf(owner) === "wiped"))
      return;
    const kept = simulator.diskOf(other).get("records", address);
    if (kept === undefined || !this.#budget.loseRecord(victim, address)) return;
    simulator.crash(victim);
    simulator.diskOf(victim).lose("records", address);
    simulator.restart(victim);
    if (!(yield* this.#isBack(victim)))
      throw new InvariantViolation("convergence", `${simulator.nameOf(victim)} did not come back`);
    let result: ClientResult | undefined;
    this.#callers.get(other, key, (answer) => (result = answer));
    const until = simulator.now + RETURN_MS;
    while (result === undefined && simulator.now < until) yield simulator.now + 100;
    yield simulator.now + MEND_MS + this.#faults.timerLatenessMs;
    const mended = simulator.diskOf(victim).get("records", address);
    if (result?.outcome === "got" && mended !== undefined && equal(mended.set, kept.set))
      this.#sometimes.reached("read mended");
    else
      throw new InvariantViolation(
        "convergence",
        `a get of ${key} did not mend ${simulator.nameOf(victim)}, whose disk had lost it`,
      );
  }

  *#isBack(node: NodeId): Phase<boolean> {
    const simulator = this.#simulator;
    const until = simulator.now + RETURN_MS;
    const sees = (one: NodeId, other: NodeId): boolean =>
      simulator.inspect(one)?.peers.some((peer) => peer.node === other && peer.reachability === "up") === true;
    const isUp = (other: NodeId): boolean => sees(other, node) && sees(node, other);
    while (simulator.now < until) {
      yield simulator.now + 250;
      const others = simulator.running.filter((other) => other !== node);
      if (simulator.inspect(node)?.phase === "member" && others.every(isUp)) return true;
    }
    return false;
  }

  /** Whoever runs can export what all hold. */
  *#exportAtRest(): Phase {
    const simulator = this.#simulator;
    this.#archivist.exportAtRest(this.#prng.pick(simulator.running)!);
    yield* this.#endArchives();
    for (let i = 0; i < LOOKS_BACK; i++) {
      this.#archivist.lookBackAtRest(this.#prng.pick(simulator.running)!);
      yield* this.#endArchives();
    }
  }

  *#endArchives(): Phase {
    const simulator = this.#simulator;
    const until = simulator.now + ARCHIVE_MS_MAX;
    while (this.#archivist.underWay > 0 && simulator.now < until) yield simulator.now + 1_000;
    if (this.#archivist.underWay > 0) throw new InvariantViolation("archive", "at rest an export does not end");
  }

  /** All have heard of the buckets, and each goes by them. */
  *#judgeBuckets(): Phase {
    const simulator = this.#simulator;
    if (this.#buckets === undefined || simulator.nodes.some((node) => simulator.stateOf(node) === "wiped")) return;
    this.#buckets.judge();
    const tried = new Set<string>();
    for (const key of this.#history.keys.keys()) {
      const name = bucketNameOf(key) ?? "";
      const entry = this.#buckets.entryOf(name);
      if (entry === undefined || tried.has(name)) continue;
      tried.add(name);
      this.#callers.putByBucket(this.#prng.pick(simulator.running)!, key, entry);
    }
    yield simulator.now + 15_000;
  }

  /** With R + W > N and all owners up, whoever reads after an acknowledgement reads the put. */
  #readBack(key: Key): void {
    const { n, r, w } = this.#plan.parameters;
    if (r + w <= n || isSessionKey(key)) return;
    const everybody = this.#everybody();
    this.#callers.putThenGet(this.#prng.pick(everybody)!, this.#prng.pick(everybody)!, key);
  }

  /** Whoever must serve at rest: a light client whose members take little from one peer need not. */
  #everybody(): readonly NodeId[] {
    const { running, lights } = this.#simulator;
    return this.#plan.config.peerRequestsPerSecond < defaultConfig.peerRequestsPerSecond
      ? running
      : [...running, ...lights];
  }

  #judgeRead(key: Key, owner: NodeId, allLive: boolean, result: ClientResult | undefined): void {
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

  #ring(node: NodeId | undefined = this.#simulator.running[0]): Ring | undefined {
    const view = node === undefined ? undefined : this.#simulator.inspect(node)?.view;
    return view === undefined ? undefined : new Ring(view);
  }

  #onFreshActor(node: NodeId, key: Key): void {
    if (this.#simulator.diskOf(node).get("records", recordAddress(key, positionOf(key))) !== undefined)
      this.#sometimes.reached("actor renewed");
  }

  #onHintDelivered(node: NodeId, key: Key, target: NodeId): void {
    const ring = this.#ring(node);
    const partition = partitionOf(positionOf(key), ring?.view.claims.length ?? 1);
    if (ring?.owns(target, partition) === false) this.#sometimes.reached("hint re-routed");
  }

  /** Data has moved from a former owner to another, to the end. */
  #onPartitionDropped(): void {
    const { placement } = this.#plan.parameters;
    if (placement !== 3) this.#sometimes.reached(`partition dropped in placement ${placement}`);
  }

  /** Something about the world as a whole, for traces and timelines. */
  #tell(what: string): void {
    if (this.#options.trace !== true) return;
    const line = `${formatTime(this.#simulator.now)} -- ${what}`;
    this.#line(line);
    this.#story.add(line);
  }

  #line(line: string): void {
    this.#transcript.add(line);
    this.#options.onLine?.(line);
  }

  #timelineOf(message: string): readonly string[] {
    const key = /\b(?:carts|catalogue|sessions)\/\d+/.exec(message)?.[0];
    const isAbout = (line: string): boolean =>
      key === undefined ||
      line.includes(" -- ") ||
      line.includes(`${key} `) ||
      !/(?:carts|catalogue|sessions)\//.test(line);
    return this.#story.lines.filter(isAbout).slice(-TIMELINE_LINES);
  }

  /** The world in one line. */
  get shape(): string {
    const { parameters, founderCapacity, usesCodec } = this.#plan;
    const { n, r, w, partitions, placement, tokensPerNode } = parameters;
    const tokens = placement === 3 ? "" : ` placement=${placement} tokens=${tokensPerNode}`;
    const extra = `${founderCapacity === 0 ? " capacity-0 founder" : ""}${usesCodec ? " bytes" : ""}${this.#saboteur.wiped ? " wiped" : ""}${this.#lights.opens.length > 0 ? ` ${this.#lights.opens.length} light clients` : ""}${this.#versionPlan.isMixed ? " mixed versions" : ""}`;
    return `${this.#simulator.nodes.length} nodes n=${n} r=${r} w=${w} partitions=${partitions}${tokens}${extra}; faults: ${[...this.#faults.classes].join(" ")}`;
  }
}

/**
 * In three seeds out of four tombstones are reaped, but not where disks go back in time: that no disk does is what reaping rests on; nor where
 * somebody who was removed comes back to give what it has, because then that is refused. Drawn apart, so
 * that nothing else of a seed changes with it.
 */
function drawReaping(
  seed: number,
  { classes }: FaultPlan,
  without: readonly string[],
  focus: Focus | undefined,
): Millis {
  const usual = Prng.fromNumber(seed ^ 0x7ea9).pick([0, 500, 4_000, Number.POSITIVE_INFINITY])!;
  return classes.has("old-disks") || classes.has("removals") || without.includes("reaping")
    ? Number.POSITIVE_INFINITY
    : (focus?.reapAfterMs ?? usual);
}

/**
 * In one seed of six who is silent for some seconds is removed; not where one copy is promised, which a removal would take from all who count on it. Drawn
 * apart.
 */
function drawGrace(
  seed: number,
  { parameters }: ClusterPlan,
  without: readonly string[],
  focus: Focus | undefined,
): Millis {
  if (without.includes("grace") || parameters.w < 2 || focus?.reapAfterMs !== undefined)
    return Number.POSITIVE_INFINITY;
  // Where the founder is alone for long, one copy is promised whatever W is.
  if (focus?.theme.crowd !== undefined) return Number.POSITIVE_INFINITY;
  if (focus?.removeAfterMs !== undefined) return focus.removeAfterMs;
  const prng = Prng.fromNumber(seed ^ GRACE);
  return prng.chance(1 / 6) ? prng.between(5_000, 20_000) : Number.POSITIVE_INFINITY;
}

/** In one seed of five, in placement 3, nodes tell how busy they are, and an operator evens out the load now and then. Drawn apart. */
function drawLoad(seed: number, { parameters }: ClusterPlan, without: readonly string[]): number {
  const evens = Prng.fromNumber(seed ^ LOAD).chance(1 / 5) && parameters.placement === 3 && !without.includes("load");
  return evens ? 0.1 : Number.POSITIVE_INFINITY;
}

const asBytes: StorageCodec = {
  roundTrip: (record) => decodeRecord(encodeRecord(record)),
  roundTripMeta: (meta) => decodeMeta(encodeMeta(meta)),
};
