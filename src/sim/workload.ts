/**
 * Callers who read and write while things go wrong. Each waits for its answer before it asks again, at its own node or at a random one. A put
 * carries the context of the caller's last read of the key, or of its own last put, or none; one that was not acknowledged is sometimes tried
 * again under the same operation id at another node. Few keys are hot, so that puts meet.
 *
 * Limits: CALLERS_MAX callers with one request each.
 */

import type { Prng } from "../base/prng.ts";
import { utf8Encode } from "../base/bytes.ts";
import { bucketNameOf } from "../core/buckets.ts";
import type { Clock } from "../core/dvvset.ts";
import type { Key, Millis, NodeId, OperationId, RequestId } from "../core/identifiers.ts";
import type { BucketEntry } from "../core/buckets.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { ClientResult, ClientWrite, RequestReport } from "../core/message.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import type { View } from "../core/membership.ts";
import { quorumOf } from "../core/quorum.ts";
import { Ring } from "../core/ring.ts";
import { type Checkers, InvariantViolation } from "./checkers.ts";
import { type History, type Operation, type OperationBits, promisedOf } from "./history.ts";
import { isOlder } from "./mixed-versions.ts";
import { type Simulator, WALL_START } from "./simulator.ts";

export const CALLERS_MAX = 64;
/** An answer may come this much after the time bound of its request: timers fire late, and steps take turns. */
const ANSWER_SLACK_MS: Millis = 3_000;
const DEFAULT_TIMEOUT_MS: Millis = 5_000;
const rings = new WeakMap<View, Ring>();
/** Of each key, the latest. */
const STRICT_PUTS_LOOKED_AT = 32;

export interface Workload {
  readonly callers: number;
  /** Between an answer and the next question; drawn each time up to this. */
  readonly thinkMsMax: Millis;
  readonly hotKeys: readonly Key[];
  readonly coldKeys: readonly Key[];
  /** Last-write-wins keys. */
  readonly sessionKeys: readonly Key[];
  readonly hotProbability: number;
  readonly sessionProbability: number;
  /** Of a request: a get. The rest are puts. */
  readonly getProbability: number;
  /** Of a put: with no context; with the context of the caller's own last put of the key; else with that of its last read. */
  readonly blindProbability: number;
  readonly chainProbability: number;
  readonly deleteProbability: number;
  /** Of a request: r or w of its own, 1 to n. */
  readonly ownQuorumProbability: number;
  readonly retryProbability: number;
  readonly abandonProbability: number;
  /** Of a request: at the caller's own node; else at a random one. */
  readonly stickyProbability: number;
  readonly shortTimeoutProbability: number;
  /** Of a request: pr or pw, 0 to n. */
  readonly ownersProbability: number;
  /** Puts say nothing of a policy: their bucket does (`bucket-acts.ts`). */
  readonly leavesPolicyToBuckets: boolean;
}

/** Keys of the bucket in which the last write wins. */
export function isSessionKey(key: Key): boolean {
  return key.startsWith("sessions/");
}

/** `long`: for a long run, in which callers take their time. */
export function drawWorkload(prng: Prng, long = false): Workload {
  const keys = (bucket: string, count: number): Key[] =>
    Array.from({ length: count }, (_, i) => `${bucket}/${i}` as Key);
  const percent = (from: number, to: number): number => prng.between(from, to) / 100;
  return {
    callers: prng.between(1, 8),
    thinkMsMax: prng.pick(long ? [1_000, 5_000, 20_000] : [20, 100, 400, 1_000])!,
    hotKeys: keys("carts", prng.between(1, 4)),
    coldKeys: keys("catalogue", prng.between(0, 40)),
    sessionKeys: keys("sessions", prng.between(0, 2)),
    hotProbability: percent(40, 95),
    sessionProbability: percent(0, 10),
    getProbability: percent(20, 60),
    blindProbability: percent(0, 15),
    chainProbability: prng.chance(0.5) ? percent(1, 20) : 0,
    deleteProbability: percent(0, 15),
    ownQuorumProbability: prng.chance(0.5) ? percent(0, 50) : 0,
    retryProbability: percent(0, 100),
    abandonProbability: prng.chance(0.25) ? percent(0, 10) : 0,
    stickyProbability: percent(0, 100),
    shortTimeoutProbability: prng.chance(0.3) ? percent(0, 40) : 0,
    ownersProbability: prng.chance(0.5) ? percent(0, 40) : 0,
    leavesPolicyToBuckets: prng.chance(0.5),
  };
}

/** What a caller keeps of a key: the context that it would send, and what that stands for. */
interface Seen {
  readonly context: Clock;
  readonly seen: OperationBits;
  readonly prefer: NodeId | undefined;
}

export type Counts = Record<
  "puts" | "putsFailed" | "gets" | "getsFailed" | "staleReads" | "retries" | "abandoned",
  number
>;

export class Callers {
  readonly counts: Counts = {
    puts: 0,
    putsFailed: 0,
    gets: 0,
    getsFailed: 0,
    staleReads: 0,
    retries: 0,
    abandoned: 0,
  };
  readonly #simulator: Simulator;
  readonly #history: History;
  readonly #checkers: Checkers;
  readonly #prng: Prng;
  readonly #workload: Workload;
  /** Default and most of r and w. */
  readonly #parameters: ClusterParameters;
  readonly #latenessMs: Millis;
  readonly #lightShare: number;
  readonly #keptBuckets: ReadonlySet<string>;
  #stopped = false;
  #underWay = 0;
  /** Whom callers ask; undefined: whoever runs. */
  #reach: readonly NodeId[] | undefined;
  #mustSucceed: ((kind: "get" | "put", key: Key) => boolean) | undefined;

  constructor(
    simulator: Simulator,
    history: History,
    checkers: Checkers,
    prng: Prng,
    workload: Workload,
    options: {
      readonly parameters: ClusterParameters;
      readonly timerLatenessMs: Millis;
      /** Of the requests: asked of a light client, while there is one. */
      readonly lightShare?: number;
      /** Buckets whose past is kept, by those whose build can. */
      readonly keptBuckets?: readonly string[];
    },
  ) {
    this.#simulator = simulator;
    this.#history = history;
    this.#checkers = checkers;
    this.#prng = prng;
    this.#workload = workload;
    this.#parameters = options.parameters;
    this.#latenessMs = options.timerLatenessMs;
    this.#lightShare = options.lightShare ?? 0;
    this.#keptBuckets = new Set(options.keptBuckets);
  }

  get underWay(): number {
    return this.#underWay;
  }

  start(): void {
    for (let i = 0; i < Math.min(this.#workload.callers, CALLERS_MAX); i++)
      this.#think({ home: undefined, read: new Map(), put: new Map() });
  }

  /** No new requests; those under way end. */
  stop(): void {
    this.#stopped = true;
  }

  /** From now on callers ask only these. */
  reach(nodes: readonly NodeId[]): void {
    this.#reach = nodes;
  }

  /** From now on requests that begin with the cluster's defaults must succeed, if this says so; undefined: none must. */
  mustSucceed(which: ((kind: "get" | "put", key: Key) => boolean) | undefined): void {
    this.#mustSucceed = which;
  }

  /** Puts at one node and, once that is acknowledged, reads at another, which must show the put. */
  putThenGet(writer: NodeId, reader: NodeId, key: Key): void {
    this.#get(writer, key, {}, (before) => {
      if (before?.outcome !== "got") return;
      const { set, first } = before;
      const operation = this.#history.put(key, {
        operation: this.#prng.hex(16) as OperationId,
        value: utf8Encode(`${key} read back`),
        context: set.clock,
        seen: this.#history.of(key).seenIn(set),
      });
      const write: ClientWrite = {
        value: operation.value,
        context: operation.context,
        operation: operation.operation,
        at: this.#wallOf(writer, key),
        w: undefined,
        policy: "siblings",
      };
      this.#ask(
        writer,
        undefined,
        (answer) => this.#simulator.put(writer, key, write, { prefer: first }, answer),
        (result) => {
          if (result?.outcome !== "put")
            throw new InvariantViolation("answered", `after all has healed a put of ${key} did not succeed`);
          this.#acknowledged(writer, operation, result, write);
          this.#get(reader, key, {}, (after) => {
            if (after?.outcome === "got" && this.#history.of(key).shows(after.set, operation)) return;
            throw new InvariantViolation(
              "read-your-writes",
              `a get of ${key} at ${this.#simulator.nameOf(reader)} did not show what had just been acknowledged at ${this.#simulator.nameOf(writer)}`,
            );
          });
        },
      );
    });
  }

  /** A blind put that leaves everything to its bucket, which all nodes have heard of: it must be treated as the bucket says. */
  putByBucket(node: NodeId, key: Key, { name, properties }: BucketEntry): void {
    const operation = this.#history.put(key, {
      operation: this.#prng.hex(16) as OperationId,
      value: utf8Encode(`${key} by its bucket`),
      context: [],
      seen: undefined,
    });
    const { value, context } = operation;
    const write: ClientWrite = {
      value,
      context,
      operation: operation.operation,
      at: this.#wallOf(node, key),
      w: undefined,
    };
    this.#ask(
      node,
      undefined,
      (answer) => this.#simulator.put(node, key, write, {}, answer),
      (result) => {
        if (result?.outcome === "failed" && result.failure.code === "too-many-siblings") return;
        if (result?.outcome !== "put")
          throw new InvariantViolation("answered", `after all has healed a put of ${key} did not succeed`);
        this.#acknowledged(node, operation, result, write);
        const { needed, counted } = result.report;
        const w = quorumOf(properties.w ?? this.#parameters.w, this.#parameters.n, counted);
        const alone = properties.policy !== "last-write-wins" || result.siblings === 1;
        if (needed !== w || !alone)
          throw new InvariantViolation(
            "answered",
            `a put of ${key} at ${this.#simulator.nameOf(node)} needed ${needed} and left ${result.siblings} siblings, but bucket ${name} says w=${w} and ${properties.policy}`,
          );
      },
    );
  }

  /** One get with the cluster's defaults, judged like any other. */
  get(node: NodeId, key: Key, done: (result: ClientResult | undefined) => void): void {
    this.#get(node, key, {}, done);
  }

  #think(caller: Caller): void {
    this.#simulator.after(1 + this.#prng.below(this.#workload.thinkMsMax * 4) / 4, () => {
      if (!this.#stopped) this.#act(caller);
    });
  }

  #act(caller: Caller): void {
    const prng = this.#prng;
    const running = this.#askable();
    const home =
      caller.home !== undefined && running.includes(caller.home) && prng.chance(this.#workload.stickyProbability);
    const node = home ? caller.home! : this.#pickNode();
    if (node === undefined) {
      this.#think(caller);
      return;
    }
    caller.home = node;
    const key = this.#pickKey();
    if (prng.chance(this.#workload.getProbability)) {
      const own = { r: this.#ownQuorum(), pr: this.#ownOwners(), timeoutMs: this.#ownTimeout() };
      this.#get(node, key, own, (result) => {
        if (result?.outcome === "got") {
          const seen = this.#history.of(key).seenIn(result.set);
          caller.read.set(key, { context: result.set.clock, seen, prefer: result.first });
        }
        this.#think(caller);
      });
    } else this.#put(caller, node, key);
  }

  /** Members that callers may ask, and all light clients. */
  #askable(): readonly NodeId[] {
    return [...this.#members(), ...this.#simulator.lights];
  }

  #members(): readonly NodeId[] {
    const { running } = this.#simulator;
    return this.#reach === undefined ? running : running.filter((node) => this.#reach?.includes(node));
  }

  #pickNode(): NodeId | undefined {
    const { lights } = this.#simulator;
    const light = lights.length > 0 && this.#prng.chance(this.#lightShare);
    return this.#prng.pick(light ? lights : this.#members());
  }

  /** A request that began while everything must succeed has failed. */
  #demand(strict: boolean, what: string, node: NodeId, result: ClientResult | undefined): void {
    if (!strict || result?.outcome === "got" || result?.outcome === "put") return;
    const code = result?.outcome === "failed" ? result.failure.code : undefined;
    if (code === "too-many-siblings") return;
    // A member does itself what others refuse to take from it; a light client cannot.
    if (code === "overloaded" && this.#simulator.isLight(node)) return;
    throw new InvariantViolation(
      "served",
      `a healthy core did not serve a ${what} at ${this.#simulator.nameOf(node)}: ${JSON.stringify(result ?? "no answer")}`,
    );
  }

  /** A light client that has heard of no member that may be asked, or only of older builds, which do not know what it is, cannot be served. */
  #knowsSomebody(node: NodeId): boolean {
    if (!this.#simulator.isLight(node)) return true;
    const known = this.#simulator.viewOf(node)?.members ?? [];
    return known.some((member) => {
      const may = this.#members().includes(member.node);
      return may && !isOlder(this.#simulator.configOf(member.node));
    });
  }

  #pickKey(): Key {
    const { hotKeys, coldKeys, sessionKeys, hotProbability, sessionProbability } = this.#workload;
    const prng = this.#prng;
    if (sessionKeys.length > 0 && prng.chance(sessionProbability)) return prng.pick(sessionKeys)!;
    return coldKeys.length === 0 || prng.chance(hotProbability) ? prng.pick(hotKeys)! : prng.pick(coldKeys)!;
  }

  #ownQuorum(): number | undefined {
    if (this.#mustSucceed !== undefined || !this.#prng.chance(this.#workload.ownQuorumProbability)) return undefined;
    return this.#prng.chance(0.5) ? 1 : this.#prng.between(1, this.#parameters.n);
  }

  #ownOwners(): number | undefined {
    if (this.#mustSucceed !== undefined || !this.#prng.chance(this.#workload.ownersProbability)) return undefined;
    return this.#prng.between(0, this.#parameters.n);
  }

  #ownTimeout(): Millis | undefined {
    return this.#mustSucceed === undefined && this.#prng.chance(this.#workload.shortTimeoutProbability)
      ? this.#prng.between(50, 2_000)
      : undefined;
  }

  #get(
    node: NodeId,
    key: Key,
    options: {
      readonly r?: number | undefined;
      readonly pr?: number | undefined;
      readonly timeoutMs?: Millis | undefined;
    },
    done: (result: ClientResult | undefined) => void,
  ): void {
    this.counts.gets++;
    const defaults = options.r === undefined && options.pr === undefined && options.timeoutMs === undefined;
    const strict = defaults && this.#mustSucceed?.("get", key) === true && this.#knowsSomebody(node);
    const due = this.#acknowledgedNow(key);
    const strictlyDue = this.#strictlyAcknowledged(key);
    const owners = strictlyDue.length === 0 ? undefined : this.#peacefulOwners(key);
    this.#ask(
      node,
      options.timeoutMs,
      (answer) => this.#simulator.get(node, key, options, answer),
      (result) => {
        if (result?.outcome === "got") {
          this.#checkers.judge(key, result.set, node, "answers with");
          this.#checkOwners("get", options.pr, result.report);
          this.#checkStrictRead(node, key, options.r, result, strictlyDue, owners);
          if (due?.reaped === false && !this.#history.of(key).shows(result.set, due)) this.counts.staleReads++;
        } else this.counts.getsFailed++;
        this.#demand(strict, `get of ${key}`, node, result);
        done(result);
      },
    );
  }

  /** The last acknowledged put of a key: what a read that begins now would show, were quorums strict. */
  #acknowledgedNow(key: Key): Operation | undefined {
    const history = this.#history.of(key);
    if (history.lastWriteWins) return undefined;
    for (let i = history.operations.length - 1; i >= 0; i--) {
      const operation = history.operations[i]!;
      if (operation.acknowledged !== undefined && !operation.forgiven && !operation.reaped) return operation;
    }
    return undefined;
  }

  /** Where the past is kept callers have right clocks, so that a look back can be judged; elsewhere they have those of their nodes. */
  #wallOf(node: NodeId, key: Key): Millis {
    const kept = this.#keptBuckets.has(bucketNameOf(key) ?? "");
    return kept ? WALL_START + Math.floor(this.#simulator.now) : this.#simulator.wallAt(node);
  }

  #put(caller: Caller, node: NodeId, key: Key): void {
    const prng = this.#prng;
    const workload = this.#workload;
    const history = this.#history.of(key);
    const base = prng.chance(workload.blindProbability)
      ? undefined
      : prng.chance(workload.chainProbability)
        ? (caller.put.get(key) ?? caller.read.get(key))
        : caller.read.get(key);
    const text = `${key} ${history.operations.length}${prng.chance(0.05) ? " ".repeat(prng.below(3_000)) : ""}`;
    const value = prng.chance(workload.deleteProbability) ? null : utf8Encode(text);
    const operation = this.#history.put(key, {
      operation: prng.hex(16) as OperationId,
      value,
      context: base?.context ?? [],
      seen: base?.seen,
    });
    const write: ClientWrite = {
      value,
      context: operation.context,
      operation: operation.operation,
      at: this.#wallOf(node, key),
      w: this.#ownQuorum(),
      pw: this.#ownOwners(),
      dw: this.#ownOwners(),
      policy: workload.leavesPolicyToBuckets ? undefined : history.lastWriteWins ? "last-write-wins" : "siblings",
    };
    this.counts.puts++;
    this.#attempt(caller, operation, write, node, base?.prefer, 1);
  }

  #attempt(
    caller: Caller,
    operation: Operation,
    write: ClientWrite,
    node: NodeId,
    prefer: NodeId | undefined,
    attempt: number,
  ): void {
    const simulator = this.#simulator;
    const prng = this.#prng;
    const timeoutMs = this.#ownTimeout();
    const strict =
      write.w === undefined &&
      write.pw === undefined &&
      write.dw === undefined &&
      timeoutMs === undefined &&
      this.#mustSucceed?.("put", operation.key) === true &&
      this.#knowsSomebody(node);
    this.#ask(
      node,
      timeoutMs,
      (answer) => simulator.put(node, operation.key, write, { prefer, timeoutMs }, answer),
      (result) => {
        if (result?.outcome === "put") {
          this.#acknowledged(node, operation, result, write);
          const seen = operation.past.copy();
          seen.add(operation.index);
          caller.put.set(operation.key, { context: result.clock, seen, prefer: undefined });
          this.#think(caller);
          return;
        }
        this.#demand(strict, `put of ${operation.key}`, node, result);
        if (attempt < 4 && !this.#stopped && prng.chance(this.#workload.retryProbability)) {
          const next = prng.pick(this.#askable().filter((other) => other !== node)) ?? node;
          this.counts.retries++;
          simulator.after(prng.below(500), () => this.#attempt(caller, operation, write, next, undefined, attempt + 1));
          return;
        }
        this.counts.putsFailed++;
        this.#think(caller);
      },
    );
  }

  /** `node`: the one that was asked. */
  #acknowledged(
    node: NodeId,
    operation: Operation,
    result: ClientResult & { readonly outcome: "put" },
    { w, pw, dw }: Pick<ClientWrite, "w" | "pw" | "dw">,
  ): void {
    const { needed, counted, ownersNeeded, ownersAnswered, coordinator, answered, hintedFor } = result.report;
    const { strictNeeded, strictAnswered, inMemory } = result.report;
    this.#checkOwners("put", pw, result.report);
    const capped = dw === undefined ? strictNeeded : Math.min(dw, counted);
    if (strictAnswered < strictNeeded || strictNeeded > capped || (capped > 0 && strictNeeded === 0))
      throw new InvariantViolation(
        "answered",
        `a put with dw=${dw} was answered after ${strictAnswered} of ${strictNeeded} strict commits`,
      );
    if (strictNeeded > 0 && inMemory > 0)
      throw new InvariantViolation("answered", `a put with dw=${dw} was acknowledged from memory`);
    const asked = w ?? this.#defaultOf(this.#parameters.w, result.report);
    const enough = quorumOf(asked, this.#parameters.n, counted);
    const known = w !== undefined || !this.#workload.leavesPolicyToBuckets;
    const possible = [enough, Math.min(asked, counted)].map((replicas) =>
      Math.max(ownersNeeded, strictNeeded, replicas),
    );
    if (known && !possible.includes(needed))
      throw new InvariantViolation(
        "answered",
        `a put with w=${w} was answered after ${needed} of ${counted} that count`,
      );
    if (answered.length < needed)
      throw new InvariantViolation("answered", `a put that needed ${needed} was answered after ${answered.length}`);
    // While the answer was on its way from another node, one that counted only for a while may have let go.
    const now = coordinator === node ? needed : promisedOf(result.report, this.#parameters.n);
    const strictNow = Math.min(strictAnswered, now);
    this.#checkers.onAcknowledged(operation, now, ownersAnswered, strictNow);
    // A retry may be acknowledged with more copies than the first attempt: the promise grows.
    // With fewer nodes that keep data than W, a copy at one that is about to let go of it is no promise.
    const members = this.#simulator.viewOf(coordinator)?.members ?? [];
    const takers = members.filter((member) => member.capacity > 0).length;
    const promised = Math.max(1, Math.min(asked, counted, takers));
    if (operation.acknowledged !== undefined && operation.acknowledged.needed >= promised) return;
    const strict = hintedFor.length === 0 && needed === enough ? asked : undefined;
    const owners = this.#peacefulOwners(operation.key);
    const byOwners = owners === undefined ? undefined : { owners, answered: ownersAnswered };
    const flushed = strictNeeded;
    operation.acknowledged = { needed: promised, at: this.#simulator.now, coordinator, strict, byOwners, flushed };
  }

  /** What a request asked for that left it to its bucket, of which each node may see another entry: at least this much, by what it needed. */
  #defaultOf(ofCluster: number, { needed, counted, ownersNeeded, strictNeeded }: RequestReport): number {
    if (!this.#workload.leavesPolicyToBuckets) return ofCluster;
    if (ownersNeeded === needed || strictNeeded === needed) return 1;
    return Math.max(1, needed - Math.max(0, counted - this.#parameters.n));
  }

  /** pr and pw are what they say, wherever the request was handed to. */
  #checkOwners(what: string, asked: number | undefined, { ownersNeeded, ownersAnswered }: RequestReport): void {
    if (
      ownersAnswered < ownersNeeded ||
      (asked !== undefined && (ownersNeeded > asked || (asked > 0 && ownersNeeded === 0)))
    )
      throw new InvariantViolation(
        "answered",
        `a ${what} that asked for ${asked ?? "no"} owners was answered after ${ownersAnswered} of ${ownersNeeded}`,
      );
  }

  /** The owners of the key, when all see the same and none of these is still joining; undefined otherwise. */
  #peacefulOwners(key: Key): string | undefined {
    const position = positionOf(key);
    let owners: string | undefined;
    for (const node of this.#simulator.running) {
      const view = this.#simulator.viewOf(node);
      if (view === undefined) continue;
      let ring = rings.get(view);
      if (ring === undefined) rings.set(view, (ring = new Ring(view)));
      const list = ring.preferenceList(partitionOf(position, view.claims.length));
      owners ??= list.owners.join();
      if (list.joining.length > 0 || list.owners.join() !== owners) return undefined;
    }
    return owners;
  }

  /** What a read of the key that begins now must meet if it asks a strict quorum. */
  #strictlyAcknowledged(key: Key): readonly Operation[] {
    const { lastWriteWins, operations } = this.#history.of(key);
    if (lastWriteWins) return [];
    return operations
      .slice(-STRICT_PUTS_LOOKED_AT)
      .filter(({ acknowledged }) => acknowledged?.strict !== undefined || acknowledged?.byOwners !== undefined);
  }

  /**
   * Reads and writes of strict quorums meet, whatever joins, moves or fails before, meanwhile and afterwards (DESIGN, section 3: holders).
   *
   * What owners say themselves meets whatever stand-ins do meanwhile, as long as the owners are the same: with pr and pw for every read and write.
   */
  #checkStrictRead(
    node: NodeId,
    key: Key,
    r: number | undefined,
    result: ClientResult & { readonly outcome: "got" },
    due: readonly Operation[],
    owners: string | undefined,
  ): void {
    const { needed, counted, ownersAnswered, answered, silent } = result.report;
    const { n } = this.#parameters;
    const asked = r ?? this.#defaultOf(this.#parameters.r, result.report);
    const strict = needed === quorumOf(asked, n, counted) && answered.length + silent.length === counted;
    const history = this.#history.of(key);
    const missed = due.find(
      ({ acknowledged, copiesLost, forgiven, reaped }, i) =>
        !forgiven &&
        !reaped &&
        copiesLost === 0 &&
        ((strict && (acknowledged?.strict ?? 0) + asked > n) ||
          (owners !== undefined &&
            owners === acknowledged?.byOwners?.owners &&
            acknowledged.byOwners.answered + ownersAnswered > n)) &&
        !history.shows(result.set, due[i]!),
    );
    if (missed === undefined) return;
    throw new InvariantViolation(
      "strict-quorum",
      `a get of ${key} at ${this.#simulator.nameOf(node)} with r=${needed} of ${counted} that count and ${ownersAnswered} owners misses put ${missed.index} (${missed.operation.slice(0, 6)}), acknowledged before with w=${missed.acknowledged?.strict ?? 0} and by ${missed.acknowledged?.byOwners?.answered ?? 0} owners`,
    );
  }

  /** Asks, and sees to it that the answer comes in time, unless the node crashed or froze or the caller lost interest. */
  #ask(
    node: NodeId,
    timeoutMs: Millis | undefined,
    ask: (answer: (result: ClientResult | undefined) => void) => RequestId,
    done: (result: ClientResult | undefined) => void,
  ): void {
    const simulator = this.#simulator;
    let open = true;
    this.#underWay++;
    const close = (result: ClientResult | undefined): void => {
      if (!open) return;
      open = false;
      this.#underWay--;
      done(result);
    };
    const request = ask(close);
    const patience = (timeoutMs ?? DEFAULT_TIMEOUT_MS) + ANSWER_SLACK_MS + this.#latenessMs;
    if (!this.#stopped && this.#mustSucceed === undefined && this.#prng.chance(this.#workload.abandonProbability)) {
      simulator.after(this.#prng.below(200), () => {
        if (!open) return;
        this.counts.abandoned++;
        simulator.abandon(node, request);
        close(undefined);
      });
    }
    const due = (): void => {
      if (!open) return;
      // What a frozen node is asked it hears of when it thaws.
      if (simulator.stateOf(node) === "frozen" || simulator.now - simulator.thawedAt(node) <= patience)
        simulator.after(ANSWER_SLACK_MS, due);
      else throw new InvariantViolation("answered", `${simulator.nameOf(node)} never answered request ${request}`);
    };
    simulator.after(patience, due);
  }
}

interface Caller {
  home: NodeId | undefined;
  readonly read: Map<Key, Seen>;
  readonly put: Map<Key, Seen>;
}
