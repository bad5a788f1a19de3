/**
 * The simulated world of the lab: real nodes on virtual time, in one page, from one seed. The same options and the same acts at the same times give the same
 * world, record for record.
 *
 * States: forming (within the constructor: the nodes join, and nothing is recorded), then standing, from moment 0 on. Time passes only by `runUntil` and
 * `step`. An act happens at once; what a node answers to it comes in virtual time, as a record of the trace.
 *
 * The first of the nodes founds; the others join one after the other, so that who owns what is a matter of names alone. Where they are more than
 * JOIN_IN_TURN_MAX the cluster stands already when its nodes start (`standing-start.ts`). Each knows two of the first nodes as its seeds. The disk of a node that was lost is not given back: its successor is a new node.
 *
 * Limits: NODES_EVER_MAX; FORMING_MS_MAX of virtual time until the cluster stands.
 */

import { unreachable } from "../base/assert.ts";
import { toHex, utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { positionOf, recordAddress } from "../core/address.ts";
import { type Config, defaultConfig } from "../core/config.ts";
import type { Clock } from "../core/dvvset.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { LightClient } from "../core/light-client.ts";
import type { View } from "../core/membership.ts";
import { DynamoNode } from "../core/node.ts";
import type { ClientResult } from "../core/message.ts";
import { Simulator } from "../sim/simulator.ts";
import { type NetworkProfile, calmNetwork } from "../sim/virtual-network.ts";
import { calmStorage } from "../sim/virtual-storage.ts";
import { type LabAct, type PutContext, actFault, describeAct } from "./acts.ts";
import { LatestMap } from "./latest-map.ts";
import { LoadCallers, type LoadSurroundings } from "./load-callers.ts";
import { type LabOptions, type StartingNode, optionsFault } from "./options.ts";
import { SimulationWatch } from "./simulation-watch.ts";
import { standingView } from "./standing-start.ts";
import { WatchedWorld } from "./watched-world.ts";
import { LOAD_LABEL, LabError, type LoadStatus } from "./world.ts";

export const NODES_EVER_MAX = 512;
const FORMING_MS_MAX: Millis = 600_000;
const FORMING_STEP_MS: Millis = 250;
/** Tokens are dealt some time after a view has changed: so long nothing may have changed. */
const REST_MS: Millis = 4_000;
/** Where they are dealt already. */
const REST_AT_START_MS: Millis = 1_000;
export const JOIN_IN_TURN_MAX = 8;
/** What callers have read and written is remembered so often. */
const CONTEXTS_MAX = 10_000;
const OPERATIONS_SEED = 0x1ab;

const ABILITIES: readonly LabAct["do"][] = [
  "put",
  "delete",
  "get",
  "bucket",
  "join",
  "leave",
  "remove",
  "crash",
  "close",
  "restart",
  "freeze",
  "thaw",
  "wipe",
  "cut",
  "cut-one-way",
  "heal",
  "slow",
  "latency",
  "gray",
  "loss",
  "skew",
  "disk-full",
  "flip-bit",
  "disk-slow",
  "hide",
  "unhide",
  "drop",
  "delay",
  "duplicate",
  "load",
  "move",
];

/** What a caller at a node last got, or last wrote, of a key. */
interface Seen {
  readonly context: Clock;
  readonly prefer: NodeId | undefined;
}

export class SimulatedWorld extends WatchedWorld {
  /** Those of a world with a server, where there is one. */
  readonly abilities: ReadonlySet<LabAct["do"]>;
  readonly #simulator: Simulator;
  readonly #config: Config;
  readonly #network: NetworkProfile;
  readonly #operations: Prng;
  protected readonly partitions: number;
  readonly #nodes = new Map<string, NodeId>();
  readonly #servers: readonly NodeId[];
  /** By node and key. */
  readonly #got = new LatestMap<string, Seen>(CONTEXTS_MAX);
  readonly #put = new LatestMap<string, Seen>(CONTEXTS_MAX);
  #perMilleLost = 0;
  #acting = false;
  #load: LoadCallers | undefined;

  /** Throws `LabError` when the options are none. */
  constructor(options: LabOptions) {
    const fault = optionsFault(options);
    if (fault !== undefined) throw new LabError("invalid", `No such world can be made: ${fault}.`);
    const { latencyMs, jitterMs } = options;
    super(new SimulationWatch(false));
    this.#network = { ...calmNetwork, latencyMs, jitterMs };
    this.#config = {
      ...defaultConfig,
      removeAfterMs: options.removeAfterMs ?? Infinity,
      reapAfterMs: options.reapAfterMs ?? Infinity,
    };
    this.abilities = new Set(options.nodes.some(isServer) ? [...ABILITIES, "server"] : ABILITIES);
    this.#servers = options.nodes.filter(isServer).map(({ name }) => nodeIdOf(name));
    this.partitions = options.parameters.partitions;
    this.#operations = Prng.fromNumber(options.seed ^ OPERATIONS_SEED);
    const { observer } = this.watch;
    this.#simulator = new Simulator(options.seed, {
      makeNode: (made, light) => (light ? new LightClient(made) : new DynamoNode(made)),
      network: this.#network,
      storage: calmStorage,
      observer: {
        ...observer,
        told: (what) => {
          if (!this.#acting) observer.told?.(what);
        },
      },
    });
    this.watch.attach(this.#simulator);
    this.#form(options);
    this.watch.begin(this.#simulator.now);
  }

  /** When the next thing happens; undefined when nothing does. */
  get nextAt(): Millis | undefined {
    return this.watch.nextAt;
  }

  /** Of a thousand messages so many are lost. */
  get perMilleLost(): number {
    return this.#perMilleLost;
  }

  /** The id behind a short name. */
  idOf(name: string): NodeId {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new LabError("unknown-node", `There is no node ${name}. Nothing was done.`);
    return node;
  }

  get load(): LoadStatus | undefined {
    return this.#load && { act: this.#load.load, ...this.#load.counts };
  }

  /** Lets everything happen up to and including this moment. */
  runUntil(at: Millis): void {
    this.#simulator.runUntil(at + this.watch.beganAt);
  }

  /** Lets the next thing happen. False when there is none. */
  step(): boolean {
    return this.#simulator.step();
  }

  act(act: LabAct): void {
    const fault = actFault(act);
    if (fault !== undefined) throw new LabError("invalid", `This cannot be done: ${fault}. Nothing was done.`);
    const perform = this.#prepared(act);
    if (act.do !== "put" && act.do !== "get" && act.do !== "delete") this.watch.tellWorld(describeAct(act));
    this.#acting = true;
    try {
      perform();
    } finally {
      this.#acting = false;
    }
  }

  // Forming

  #form({ seed, nodes, parameters }: LabOptions): void {
    const ids = nodes.map(({ name }) => nodeIdOf(name));
    const isLarge = nodes.length > JOIN_IN_TURN_MAX;
    const members = nodes.map(({ capacity, zone }, i) => ({ node: ids[i]!, capacity, zone }));
    const view = isLarge ? standingView(parameters, members, Prng.fromNumber(seed)) : undefined;
    nodes.forEach(({ name, capacity, zone }, i) => {
      const seeds = ids.slice(0, 3).filter((id) => id !== ids[i]);
      const config = { ...this.#config, capacity, zone };
      this.#add(name, config, seeds.slice(0, 2), false, i === 0 ? parameters : undefined, view);
      if (!isLarge) this.#settle(REST_MS);
    });
    if (isLarge) this.#settle(REST_AT_START_MS);
  }

  #settle(restMs: Millis): void {
    const simulator = this.#simulator;
    const until = simulator.now + FORMING_MS_MAX;
    let calmSince = simulator.now;
    let before = "";
    while (simulator.now < until && simulator.now - calmSince < restMs) {
      simulator.runUntil(simulator.now + FORMING_STEP_MS);
      const views = simulator.nodes.map((node) => simulator.inspect(node));
      const digests = new Set(views.map((view) => view?.ringDigest));
      const isCalm =
        digests.size === 1 && views.every((view) => view?.phase === "member" && view.owed === 0 && view.unopened === 0);
      const digest = [...digests].join();
      if (!isCalm || digest !== before) calmSince = simulator.now;
      before = digest;
    }
  }

  #add(
    name: string,
    config: Config,
    seeds: readonly NodeId[],
    light: boolean,
    found?: LabOptions["parameters"],
    view?: View,
  ): void {
    // Known before its first step is told of.
    const id = nodeIdOf(name);
    this.#nodes.set(name, id);
    this.watch.recorder.added(id);
    const shelves = { records: [], hints: [], history: [] };
    const disk = view && { meta: { incarnation: 1, view, unopened: [] }, shelves, leaves: [] };
    this.#simulator.add({ name, id, config, found, seeds, light, disk });
  }

  // Acts

  /** Everything that can speak against an act has spoken; what is left is to do it. */
  #prepared(act: LabAct): () => void {
    const simulator = this.#simulator;
    const { network } = simulator;
    switch (act.do) {
      case "put":
      case "delete": {
        const node = this.#alive(act.node);
        const value = act.do === "put" ? act.value : undefined;
        return () => this.#write(node, act.key as Key, value, act.context, act.w);
      }
      case "get": {
        const node = this.#alive(act.node);
        return () => this.#read(node, act.key as Key, act.r);
      }
      case "bucket": {
        const node = this.#member(act.node);
        const { bucket, policy, r, w } = act;
        const properties = { policy, r, w, pr: undefined, pw: undefined, dw: undefined, buffered: false };
        return () =>
          simulator.setBucket(node, bucket, properties, (refusal) => {
            const fault = refusal?.code === "invalid" ? refusal.fault : refusal?.code;
            this.watch.tellWorld(`bucket ${bucket} ${fault === undefined ? "is set" : `is not set: ${fault}`}`);
          });
      }
      case "join": {
        const via = this.idOf(act.via);
        this.#demandNew(act.name);
        const { name, capacity, zone, light } = act;
        return () => this.#add(name, { ...this.#config, capacity, zone }, [via], light);
      }
      case "leave": {
        const node = this.#member(act.node);
        return () =>
          simulator.changeMembership(node, { kind: "leave", planned: act.planned }, (refusal) =>
            this.watch.tellWorld(`${act.node} ${refusal === undefined ? "leaves" : `does not leave: ${refusal.code}`}`),
          );
      }
      case "remove": {
        const node = this.#member(act.node);
        const change = { kind: "remove", node: this.idOf(act.target), force: act.force, planned: act.planned } as const;
        return () =>
          simulator.changeMembership(node, change, (refusal) =>
            this.watch.tellWorld(
              `${act.target} ${refusal === undefined ? "is removed" : `is not removed: ${refusal.code}`}`,
            ),
          );
      }
      case "crash":
      case "close": {
        const node = this.#alive(act.node);
        return () => {
          if (act.do === "crash") simulator.crash(node);
          else simulator.close(node);
        };
      }
      case "restart": {
        const node = this.idOf(act.node);
        const state = this.watch.stateOf(node);
        if (state !== "down" || this.#simulator.isLight(node))
          throw notSo(act.node, "is not down, or cannot come back");
        return () => simulator.restart(node);
      }
      case "freeze": {
        const node = this.#alive(act.node);
        return () => simulator.freeze(node, act.forMs);
      }
      case "thaw": {
        const node = this.idOf(act.node);
        if (this.watch.stateOf(node) !== "frozen") throw notSo(act.node, "is not frozen");
        return () => simulator.thaw(node);
      }
      case "wipe": {
        const node = this.idOf(act.node);
        const state = this.watch.stateOf(node);
        if (state === "wiped" || state === "gone" || this.#simulator.isLight(node))
          throw notSo(act.node, "has no disk");
        this.#demandNew(act.successor);
        const id = nodeIdOf(act.successor);
        return () => {
          this.#nodes.set(act.successor, id);
          this.watch.recorder.added(id);
          simulator.wipe(node, act.successor, id);
        };
      }
      case "cut": {
        const [side, other] = [this.#several(act.side), this.#several(act.other)];
        return () => side.forEach((a) => other.forEach((b) => network.cut(a, b)));
      }
      case "cut-one-way": {
        const [from, to] = [this.#several(act.from), this.#several(act.to)];
        return () => from.forEach((a) => to.forEach((b) => network.cutOneWay(a, b)));
      }
      case "heal":
        return () => simulator.heal();
      case "server": {
        const isUp = (node: NodeId): boolean => ["running", "frozen"].includes(this.watch.stateOf(node));
        const wanted = this.#servers.filter((node) => (act.down ? isUp(node) : this.watch.stateOf(node) === "down"));
        if (this.#servers.length === 0)
          throw new LabError("not-able", "This world has no server. Nothing was done. Begin one with a server.");
        if (wanted.length === 0) throw notSo("the server", act.down ? "is down" : "is up");
        return () => wanted.forEach((node) => (act.down ? simulator.crash(node) : simulator.restart(node)));
      }
      case "slow": {
        const node = this.idOf(act.node);
        return () => {
          network.slow(node, act.factor);
        };
      }
      case "latency": {
        const nodes = this.#several(act.nodes);
        return () => nodes.forEach((node) => network.moveAway(node, act.byMs));
      }
      case "gray": {
        const node = this.idOf(act.node);
        const grayMs = act.byMs ?? Infinity;
        return () => {
          network.makeGray(node, grayMs);
        };
      }
      case "loss":
        return () => {
          this.#perMilleLost = act.perMille;
          network.profile = { ...this.#network, lossProbability: act.perMille / 1_000 };
        };
      case "skew": {
        const node = this.idOf(act.node);
        return () => {
          simulator.jumpWallClock(node, act.byMs - simulator.wallSkewOf(node));
        };
      }
      case "disk-full": {
        const node = this.idOf(act.node);
        return () => {
          simulator.diskOf(node).full = act.full;
        };
      }
      case "flip-bit": {
        const node = this.idOf(act.node);
        const address = recordAddress(act.key as Key, positionOf(act.key as Key));
        if (simulator.diskOf(node).get("records", address) === undefined)
          throw notSo(act.node, `has no sound record of ${act.key}`);
        return () => simulator.diskOf(node).damage("records", address);
      }
      case "disk-slow": {
        const node = this.idOf(act.node);
        return () => {
          const disk = simulator.diskOf(node);
          if (act.factor === 1) disk.recover();
          else disk.slow(act.factor);
        };
      }
      case "hide":
      case "unhide": {
        const node = this.#alive(act.node);
        return () => {
          simulator.setVisibility(node, act.do === "hide", act.do === "hide" ? act.throttleMs : 1);
        };
      }
      case "drop": {
        this.#underWay(act.flight);
        return () => network.dropFlight(act.flight);
      }
      case "delay": {
        this.#underWay(act.flight, true);
        return () => network.delayFlight(act.flight, act.byMs);
      }
      case "duplicate": {
        this.#underWay(act.flight, true);
        return () => network.duplicateFlight(act.flight);
      }
      case "catch":
        throw new LabError(
          "not-able",
          "In this world a message can be touched on its way: choose it. Nothing was done.",
        );
      case "load":
        return () => {
          this.#load?.stop();
          this.#load = act.perSecond === 0 ? undefined : new LoadCallers(act, this.#loadSurroundings());
        };
      case "move": {
        const node = this.#member(act.node);
        const { swaps, planned } = act;
        return () =>
          simulator.changeMembership(node, { kind: "move", swaps, planned }, (refusal) =>
            this.watch.tellWorld(
              `tokens ${refusal === undefined ? "change owners" : `stay where they are: ${refusal.code}`}`,
            ),
          );
      }
      default:
        return unreachable(act);
    }
  }

  #loadSurroundings(): LoadSurroundings {
    const simulator = this.#simulator;
    return {
      after: (delayMs, run) => simulator.after(delayMs, run),
      callers: () => simulator.running.filter((node) => simulator.stateOf(node) === "running"),
      get: (node, key, answer) => this.#askToGet(node, key, undefined, LOAD_LABEL, answer),
      put: (node, key, value, context, answer) =>
        this.#askToPut(node, key, value, { context, prefer: undefined }, undefined, LOAD_LABEL, answer),
      over: () => {
        const { asked = 0, failed = 0 } = this.#load?.counts ?? {};
        this.#load = undefined;
        this.watch.tellWorld(`the load is over: ${asked} requests, ${failed} of them failed so far`);
      },
    };
  }

  #several(names: readonly string[]): NodeId[] {
    return names.map((name) => this.idOf(name));
  }

  /** Runs, frozen or not. */
  #alive(name: string): NodeId {
    const node = this.idOf(name);
    const state = this.watch.stateOf(node);
    if (state !== "running" && state !== "frozen") throw notSo(name, `is ${state}`);
    return node;
  }

  #member(name: string): NodeId {
    const node = this.#alive(name);
    if (this.#simulator.isLight(node)) throw notSo(name, "is a light client");
    return node;
  }

  #demandNew(name: string): void {
    if (this.#nodes.has(name)) throw new LabError("invalid", `There is a node ${name} already. Nothing was done.`);
    if (this.#nodes.size >= NODES_EVER_MAX)
      throw new LabError(
        "too-many",
        `A world has ${NODES_EVER_MAX} nodes at most, over all its time. Nothing was done.`,
      );
  }

  /** `moving`: not one that is kept back. */
  #underWay(flight: number, moving = false): void {
    const found = this.watch.recorder.flight(flight);
    if (found === undefined || found.endedAt !== undefined)
      throw new LabError("unknown-flight", `Message ${flight} is not on its way, or not any more. Nothing was done.`);
    const isThere = found.fate === "held" && found.arrivesAt !== undefined;
    if (isThere || (moving && found.fate === "held"))
      throw new LabError("not-so", `Message ${flight} is kept back, or waits at its receiver. Nothing was done.`);
  }

  // Callers

  #read(node: NodeId, key: Key, r: number | undefined): void {
    this.#askToGet(node, key, r, "", (result) => {
      if (result?.outcome === "got")
        this.#got.set(`${node} ${key}`, { context: result.set.clock, prefer: result.first });
    });
  }

  #write(node: NodeId, key: Key, value: string | undefined, context: PutContext, w: number | undefined): void {
    const seen = context === "none" ? undefined : (context === "seen" ? this.#got : this.#put).get(`${node} ${key}`);
    this.#askToPut(node, key, value, seen, w, "", (result) => {
      if (result?.outcome === "put") this.#put.set(`${node} ${key}`, { context: result.clock, prefer: undefined });
    });
  }

  #askToGet(
    node: NodeId,
    key: Key,
    r: number | undefined,
    by: string,
    answer: (result: ClientResult | undefined) => void,
  ): void {
    // Before the node has it: that may answer within the same call.
    this.watch.tellAsked(node, this.#simulator.nextRequest, key, { operation: "get", write: undefined }, by);
    this.#simulator.get(node, key, { r }, answer);
  }

  #askToPut(
    node: NodeId,
    key: Key,
    value: string | undefined,
    seen: Seen | undefined,
    w: number | undefined,
    by: string,
    answer: (result: ClientResult | undefined) => void,
  ): void {
    const operation = this.#operations.hex(16) as OperationId;
    const write = {
      value: value === undefined ? null : utf8Encode(value),
      context: seen?.context ?? [],
      operation,
      at: this.#simulator.wallAt(node),
      w,
    };
    const asked = { value, context: write.context, operation };
    this.watch.tellAsked(node, this.#simulator.nextRequest, key, { operation: "put", write: asked }, by);
    this.#simulator.put(node, key, write, { prefer: seen?.prefer }, answer);
  }
}

/** A node without capacity at the beginning: a member that keeps nothing, as the server is. */
function isServer({ capacity }: StartingNode): boolean {
  return capacity === 0;
}

/** The name, in hexadecimal: nodes are in the order of their names, and the ring is the same whatever else is drawn. */
export function nodeIdOf(name: string): NodeId {
  return toHex(utf8Encode(name)).padEnd(32, "0") as NodeId;
}

function notSo(name: string, why: string): LabError {
  return new LabError("not-so", `${name} ${why}. Nothing was done.`);
}
