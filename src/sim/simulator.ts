/**
 * Many nodes on virtual time. One seed decides everything: node ids, delays, what a crash leaves on disk, and the seeds of the nodes themselves.
 *
 * A computer (here called a host) has a disk and, while it runs, a node. States of a host: running, frozen (running, but events wait until it
 * thaws, as for a background tab), down (crashed, disk intact), wiped (gone for good, after a departure or with its disk; a successor is a new host with a new node id).
 *
 * The simulator performs the node's effects and keeps the host's side of the contract: one event at a time, `at` never back, each storage effect
 * answered once, `wakeAt` honoured after each step. Whoever wants to judge or to tell watches through `Observer`; nothing here judges, except
 * that a node which throws, or spins at one moment, ends the run with a `SimulationError`.
 *
 * Limits: HOSTS_MAX; STEPS_PER_MOMENT_MAX steps of one node at one moment; what waits for a frozen node is bounded by the network's own bounds
 * and the length of the run.
 */

import { assert, unreachable } from "../base/assert.ts";
import { Prng } from "../base/prng.ts";
import type { Seed } from "../base/prng.ts";
import type { BucketProperties } from "../core/buckets.ts";
import type { ClusterParameters, Config } from "../core/config.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { BucketRefusal, Effect, NodeMeta, RecordStore, StoredRecord } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Gathered, Gathering } from "../core/gathering.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import type { ClientResult, ClientWrite, Message, PartitionSize } from "../core/message.ts";
import type { ChangeRefusal, MembershipChange } from "../core/membership-change.ts";
import type { View } from "../core/membership.ts";
import type { NodeOptions, NodeView } from "../core/node.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION, type ProtocolRange } from "../core/versions.ts";
import { EventQueue } from "./event-queue.ts";
import { type MessageCodec, type NetworkProfile, VirtualNetwork } from "./virtual-network.ts";
import { type DiskPicture, type StorageCodec, type StorageProfile, VirtualStorage } from "./virtual-storage.ts";

export const HOSTS_MAX = 1_024;
export const STEPS_PER_MOMENT_MAX = 20_000;
/** A lost or refused link to a seed is dialled again. */
export const SEED_REDIAL_MS: Millis = 2_000;
const CUT_PAIRS_TOLD = 24;
/** Virtual wall-clock time at the start of every run. */
export const WALL_START: Millis = 1_700_000_000_000;

/** What the simulator needs of a node; `DynamoNode` is one. */
export interface SimulatedNode {
  step(event: NodeEvent): Effect[];
  wakeAt(): Millis | undefined;
  inspect(): NodeView;
  /** What it sees of the cluster; cheap, unlike `inspect`. */
  readonly view?: View | undefined;
  /** What it has counted. */
  readonly statistics?: StatisticsSnapshot;
  /** What it has acknowledged from memory and not on its disk yet. */
  buffered?(): Iterable<readonly [Key, DvvSet]>;
}

export type StatisticsReport = Extract<Effect, { kind: "report-statistics" }>;

/** A node broke its contract with its host. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
}

export interface Observer {
  /** A node took an event; these are the effects, before any of them is performed. */
  stepped?(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void;
  /** A record on a disk changes now; null is none. */
  applied?(
    node: NodeId,
    store: RecordStore,
    address: string,
    before: StoredRecord | null,
    after: StoredRecord | null,
  ): void;
  /** A message has arrived in a form that this node's build does not read. */
  unread?(node: NodeId, from: NodeId, kind: Message["kind"]): void;
  /** A node has ended, and this was in its memory alone. */
  ended?(node: NodeId, buffered: readonly (readonly [Key, DvvSet])[]): void;
  /** Something happens to the world: a crash, a partition. In words. */
  told?(what: string): void;
}

export interface SimulatorOptions {
  /** `light`: a light client. */
  makeNode(options: NodeOptions, light: boolean): SimulatedNode;
  readonly network: NetworkProfile;
  readonly storage: StorageProfile;
  /** Messages travel as bytes. */
  readonly codec?: MessageCodec | undefined;
  /** Records lie on disk as bytes. */
  readonly storageCodec?: StorageCodec | undefined;
  /** Timers fire up to this much late. */
  readonly timerLatenessMs?: Millis;
  /** Nodes start with clocks of drawn origins; otherwise all at 0. */
  readonly skewedClocks?: boolean;
  /** Clocks run up to a tenth faster or slower than virtual time. */
  readonly driftingClocks?: boolean;
  readonly observer?: Observer;
}

export interface HostOptions {
  readonly name: string;
  /** Drawn when it is undefined; scenarios make it of the name, so that their rings do not change with what else is drawn. */
  readonly id?: NodeId | undefined;
  readonly config: Config;
  /** Founds the cluster at its first start. */
  readonly found?: ClusterParameters | undefined;
  readonly seeds: readonly NodeId[];
  /** What is on its disk before its first start; nothing when it is undefined. */
  readonly disk?: DiskPicture | undefined;
  /** Runs a light client, which is none of the `nodes`; see `lights`. */
  readonly light?: boolean;
}

export type HostState = "running" | "frozen" | "down" | "wiped";

type Distribute<Event> = Event extends NodeEvent ? Omit<Event, "at"> : never;
type Happening = Distribute<NodeEvent>;

interface Host {
  readonly id: NodeId;
  options: HostOptions;
  readonly storage: VirtualStorage;
  wallSkewMs: Millis;
  /** How much of the node's time passes in one millisecond of virtual time; a fraction of 128, so that products are exact. */
  readonly clockRate: number;
  node: SimulatedNode | undefined;
  /** The node's clock at virtual time 0. */
  clockOrigin: Millis;
  /** The earliest wake that is scheduled; undefined when none is. */
  armedAt: Millis | undefined;
  /** Timers fire at whole multiples of it. */
  throttleMs: Millis;
  /** While frozen: what happened meanwhile. */
  held: Happening[] | undefined;
  frozenUntil: Millis;
  thawedAt: Millis;
  wiped: boolean;
  readonly requests: Map<RequestId, (result: ClientResult | undefined) => void>;
  /** Callers who have set a bucket. */
  readonly setting: Map<RequestId, (refusal: BucketRefusal | undefined) => void>;
  readonly surveys: Map<RequestId, (report: StatisticsReport) => void>;
  readonly sizes: Map<RequestId, (sizes: readonly PartitionSize[]) => void>;
  readonly changes: Map<RequestId, (refusal: ChangeRefusal | undefined) => void>;
  readonly gatherings: Map<RequestId, (what: Gathered | undefined) => void>;
  steppedAt: Millis;
  stepsThen: number;
  /** What there was to look at since its last step: many judges look at the same node at the same moment. */
  inspected: NodeView | undefined;
}

export class Simulator {
  readonly network: VirtualNetwork;
  readonly #options: SimulatorOptions;
  readonly #prng: Prng;
  readonly #queue = new EventQueue();
  readonly #hosts = new Map<NodeId, Host>();
  /** Another list with each that is added: it is asked for all the time. */
  #nodes: readonly NodeId[] = [];
  #now: Millis = 0;
  #nextRequest = 1;
  #steps = 0;

  constructor(seed: number, options: SimulatorOptions) {
    this.#options = options;
    this.#prng = Prng.fromNumber(seed);
    this.network = new VirtualNetwork(
      this.#prng.fork(),
      options.network,
      () => this.#now,
      {
        schedule: (delayMs, run) => this.after(delayMs, run),
        isAwake: (node) => {
          const host = this.#hosts.get(node);
          return host?.node !== undefined && host.held === undefined;
        },
        connected: (node, peer) => this.#happens(node, { kind: "peer-connected", peer, ...this.#greetingOf(peer) }),
        lost: (node, peer) => this.#happens(node, { kind: "peer-lost", peer }),
        received: (node, from, epoch, message) =>
          this.#happens(node, { kind: "message-received", from, epoch, message }),
        readsUpTo: (node) => this.#host(node).options.config.protocolMax,
        unread: (node, from, kind) => this.#options.observer?.unread?.(node, from, kind),
      },
      options.codec,
    );
  }

  /** Virtual milliseconds since the start. */
  get now(): Millis {
    return this.#now;
  }

  /** When the next thing is due; undefined when nothing is. */
  get nextTime(): Millis | undefined {
    return this.#queue.nextTime;
  }

  /** The number that the next request of a caller gets. */
  get nextRequest(): RequestId {
    return this.#nextRequest;
  }

  /** Steps that nodes took so far. */
  get steps(): number {
    return this.#steps;
  }

  /** All hosts ever added, in that order, but for light clients. */
  get nodes(): readonly NodeId[] {
    return this.#nodes;
  }

  /** All hosts ever added, in that order, light clients among them. */
  get hosts(): readonly NodeId[] {
    return [...this.#hosts.keys()];
  }

  /** Nodes that run, frozen or not, in the order of their hosts. */
  get running(): readonly NodeId[] {
    return this.nodes.filter((node) => this.#host(node).node !== undefined);
  }

  /** Light clients that run, frozen or not, in that order. One that ended is gone for good. */
  get lights(): readonly NodeId[] {
    const lights = [...this.#hosts.values()].filter((host) => host.options.light === true);
    return lights.flatMap((host) => (host.node === undefined ? [] : [host.id]));
  }

  /** How many light clients there ever were. */
  get lightsEver(): number {
    return this.#hosts.size - this.nodes.length;
  }

  isLight(node: NodeId): boolean {
    return this.#hosts.get(node)?.options.light === true;
  }

  nameOf(node: NodeId): string {
    return this.#hosts.get(node)?.options.name ?? String(node).slice(0, 6);
  }

  stateOf(node: NodeId): HostState {
    const host = this.#host(node);
    if (host.wiped) return "wiped";
    if (host.node === undefined) return "down";
    return host.held === undefined ? "running" : "frozen";
  }

  /** When the node last thawed; minus infinity when it never froze. */
  thawedAt(node: NodeId): Millis {
    return this.#host(node).thawedAt;
  }

  /** True while it is hidden and its timers come at multiples of a second or more. */
  isThrottled(node: NodeId): boolean {
    return this.#host(node).throttleMs > 1;
  }

  configOf(node: NodeId): Config {
    return this.#host(node).options.config;
  }

  diskOf(node: NodeId): VirtualStorage {
    return this.#host(node).storage;
  }

  /** By how much its wall clock is wrong. */
  wallSkewOf(node: NodeId): Millis {
    return this.#host(node).wallSkewMs;
  }

  /** Wall-clock time at this node, skewed. */
  wallAt(node: NodeId): Millis {
    return WALL_START + Math.floor(this.#now) + this.#host(node).wallSkewMs;
  }

  inspect(node: NodeId): NodeView | undefined {
    const host = this.#hosts.get(node);
    if (host?.node === undefined) return undefined;
    return (host.inspected ??= host.node.inspect());
  }

  viewOf(node: NodeId): View | undefined {
    return this.#hosts.get(node)?.node?.view;
  }

  statisticsOf(node: NodeId): StatisticsSnapshot | undefined {
    return this.#hosts.get(node)?.node?.statistics;
  }

  /** Puts a new host there and starts its node now. */
  add(options: HostOptions): NodeId {
    assert(this.#hosts.size < HOSTS_MAX, `more than ${HOSTS_MAX} hosts`);
    const prng = this.#prng.fork();
    const drawn = prng.hex(16) as NodeId;
    const id = options.id ?? drawn;
    const now = (): Millis => this.#now;
    const storage: VirtualStorage = new VirtualStorage(
      prng.fork(),
      this.#options.storage,
      {
        get now() {
          return now();
        },
        schedule: (delayMs, run) => this.after(delayMs, run),
        answer: (answer) => this.#happens(id, answer),
        applied: (store, address, before, after) =>
          this.#options.observer?.applied?.(id, store, address, before, after),
      },
      this.#options.storageCodec,
    );
    const host: Host = {
      id,
      options,
      storage,
      wallSkewMs: this.#options.skewedClocks === true ? prng.between(-60_000, 60_000) : 0,
      clockRate: this.#options.driftingClocks === true ? 1 + prng.between(-12, 12) / 128 : 1,
      node: undefined,
      clockOrigin: 0,
      armedAt: undefined,
      throttleMs: 1,
      held: undefined,
      frozenUntil: 0,
      thawedAt: Number.NEGATIVE_INFINITY,
      wiped: false,
      requests: new Map(),
      setting: new Map(),
      surveys: new Map(),
      sizes: new Map(),
      changes: new Map(),
      gatherings: new Map(),
      steppedAt: -1,
      stepsThen: 0,
      inspected: undefined,
    };
    if (options.disk !== undefined) storage.goBackTo(options.disk);
    this.#hosts.set(id, host);
    if (options.light !== true) this.#nodes = [...this.#nodes, id];
    this.#start(host);
    return id;
  }

  /** The node ends at this moment; its disk keeps what was durable, and perhaps some of what was under way. */
  crash(node: NodeId): void {
    if (this.#host(node).node === undefined) return;
    this.#tell(`crash ${this.nameOf(node)}`);
    this.#end(node);
    this.network.nodeCrashed(node);
  }

  /** The tab is closed as a user does it: like a crash, but peers hear a goodbye. */
  close(node: NodeId): void {
    if (this.#host(node).node === undefined) return;
    this.#tell(`close ${this.nameOf(node)}`);
    this.#end(node);
    this.network.nodeLeft(node);
  }

  /** What a running node has in its memory alone, and has acknowledged. */
  buffered(node: NodeId): readonly (readonly [Key, DvvSet])[] {
    return [...(this.#host(node).node?.buffered?.() ?? [])];
  }

  #end(node: NodeId): void {
    const host = this.#host(node);
    const buffered = this.buffered(node);
    host.node = undefined;
    host.inspected = undefined;
    host.armedAt = undefined;
    host.throttleMs = 1;
    host.held = undefined;
    host.storage.crash();
    this.#options.observer?.ended?.(node, buffered);
    const callers = [...host.requests.values()];
    host.requests.clear();
    host.setting.clear();
    host.surveys.clear();
    host.changes.clear();
    host.sizes.clear();
    const gatherers = [...host.gatherings.values()];
    host.gatherings.clear();
    for (const answer of callers) answer(undefined);
    for (const answer of gatherers) answer(undefined);
  }

  /** From its next start on the node runs with this config: another build, say. */
  reconfigure(node: NodeId, config: Config): void {
    const host = this.#host(node);
    const { protocolMax } = config;
    if (protocolMax !== host.options.config.protocolMax)
      this.#tell(
        `${host.options.name} gets a build that reads up to version ${Math.min(protocolMax, PROTOCOL_VERSION)}`,
      );
    host.options = { ...host.options, config };
  }

  /** What the greeting of a link to it says, where its build is none of the present ones. */
  #greetingOf(node: NodeId): { readonly protocol?: ProtocolRange } {
    const { protocolMax } = this.#host(node).options.config;
    return protocolMax < PROTOCOL_VERSION ? { protocol: { min: PROTOCOL_MIN, max: protocolMax } } : {};
  }

  /** Starts a crashed node again, from its disk. */
  restart(node: NodeId): void {
    const host = this.#host(node);
    if (host.node !== undefined || host.wiped) return;
    this.#tell(`restart ${host.options.name}`);
    this.#start(host);
  }

  /** The node and its disk are gone for good. Returns the id of its successor, a new node without data. */
  wipe(node: NodeId, successor: string, id?: NodeId): NodeId {
    const host = this.#host(node);
    this.crash(node);
    this.#tell(`wipe ${host.options.name}`);
    host.wiped = true;
    return this.add({ ...host.options, name: successor, id, found: undefined, disk: undefined });
  }

  /** It has given all that it had to others and belongs to the cluster no more: its tab throws its data away. */
  #depart(node: NodeId, standing: "left" | "removed"): void {
    const host = this.#host(node);
    if (host.node === undefined) return;
    this.#end(node);
    this.network.nodeLeft(node);
    this.#tell(`${host.options.name} has departed (${standing})`);
    host.wiped = true;
    for (const store of ["records", "hints"] as const)
      for (const [address, record] of [...host.storage.all(store)])
        this.#options.observer?.applied?.(node, store, address, record, null);
  }

  /** The node takes no event for so long, or until an earlier freeze ends, if that is later; then all at once. */
  freeze(node: NodeId, durationMs: Millis): void {
    const host = this.#host(node);
    if (host.node === undefined) return;
    this.#tell(`freeze ${host.options.name} for ${durationMs} ms`);
    const held = host.held ?? [];
    host.frozenUntil = Math.max(host.held === undefined ? 0 : host.frozenUntil, this.#now + durationMs);
    host.held = held;
    this.after(durationMs, () => {
      if (host.held === held && this.#now >= host.frozenUntil) this.thaw(node);
    });
  }

  thaw(node: NodeId): void {
    const host = this.#host(node);
    const held = host.held;
    if (held === undefined) return;
    this.#tell(`thaw ${host.options.name}`);
    host.held = undefined;
    host.thawedAt = this.#now;
    for (const happening of held) this.#step(host, happening);
  }

  /** Whatever ails this computer ends: it runs, awake, with an open disk that has room, at its usual speed. A wiped one stays wiped. */
  recover(node: NodeId): void {
    const { storage } = this.#host(node);
    this.network.slow(node, 1);
    this.network.moveAway(node, 0);
    this.network.makeGray(node, 0);
    if (this.#host(node).throttleMs > 1) this.setVisibility(node, false);
    storage.recover();
    storage.full = false;
    storage.closed = false;
    this.thaw(node);
    if (this.stateOf(node) === "down") this.restart(node);
  }

  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#tell(`partition ${groups.map((group) => group.map((node) => this.nameOf(node)).join(" ")).join(" | ")}`);
    this.network.partition(groups, [...this.#hosts.keys()]);
  }

  /** Cuts exactly the directions for which `isCut` says so; `shape` in a word. */
  cut(isCut: (from: NodeId, to: NodeId) => boolean, shape: string): void {
    const pairs: string[] = [];
    const everybody = [...this.#hosts.keys()];
    for (const from of everybody)
      for (const to of everybody)
        if (from !== to && isCut(from, to)) pairs.push(`${this.nameOf(from)}>${this.nameOf(to)}`);
    this.#tell(
      `cut (${shape}) ${pairs.slice(0, CUT_PAIRS_TOLD).join(" ")}${pairs.length > CUT_PAIRS_TOLD ? " …" : ""}`,
    );
    this.network.cutWhere(everybody, isCut);
  }

  mute(nodes: readonly NodeId[]): void {
    this.#tell(`mute ${nodes.map((node) => this.nameOf(node)).join(" ")}`);
    this.network.mute(nodes, [...this.#hosts.keys()]);
  }

  heal(): void {
    this.#tell("heal");
    this.network.heal();
  }

  /** Answers once, with undefined when the node ended first. */
  get(
    node: NodeId,
    key: Key,
    options: {
      readonly r?: number | undefined;
      readonly pr?: number | undefined;
      readonly timeoutMs?: Millis | undefined;
    },
    answer: (result: ClientResult | undefined) => void,
  ): RequestId {
    const request = this.#nextRequest++;
    const { r, pr, timeoutMs } = options;
    this.#ask(node, request, answer, { kind: "client-get", request, key, r, pr, timeoutMs });
    return request;
  }

  /** Answers once, with undefined when the node ended first. */
  put(
    node: NodeId,
    key: Key,
    write: ClientWrite,
    options: { readonly prefer?: NodeId | undefined; readonly timeoutMs?: Millis | undefined },
    answer: (result: ClientResult | undefined) => void,
  ): RequestId {
    const request = this.#nextRequest++;
    const { prefer, timeoutMs } = options;
    this.#ask(node, request, answer, { kind: "client-put", request, key, write, prefer, timeoutMs });
    return request;
  }

  /** Answers once: with why not, or undefined when it is durable; never when the node ended first. */
  setBucket(
    node: NodeId,
    name: string,
    properties: BucketProperties,
    answer: (refusal: BucketRefusal | undefined) => void,
  ): void {
    const host = this.#host(node);
    if (host.node === undefined) return;
    const request = this.#nextRequest++;
    host.setting.set(request, answer);
    this.#happens(node, { kind: "set-bucket", request, name, properties });
  }

  /** Asks a node what all members have counted. Answers once, or not at all when the node ends first. */
  survey(node: NodeId, answer: (report: StatisticsReport) => void): void {
    const request = this.#nextRequest++;
    this.#host(node).surveys.set(request, answer);
    this.#happens(node, { kind: "client-statistics", request, timeoutMs: undefined });
  }

  /** Asks a node how much is in some partitions. Answers once, or not at all when the node ends first. */
  sizes(
    node: NodeId,
    partitions: readonly Partition[],
    timeoutMs: Millis,
    answer: (sizes: readonly PartitionSize[]) => void,
  ): void {
    const request = this.#nextRequest++;
    this.#host(node).sizes.set(request, answer);
    this.#happens(node, { kind: "client-sizes", request, partitions, timeoutMs });
  }

  /** An operator changes who belongs, at this node. Answers once, or not at all when the node ends first. */
  changeMembership(node: NodeId, change: MembershipChange, answer: (refusal: ChangeRefusal | undefined) => void): void {
    const request = this.#nextRequest++;
    this.#host(node).changes.set(request, answer);
    this.#happens(node, { kind: "change-membership", request, change, wallMs: this.wallAt(node) });
  }

  /** Gathers what the cluster knows of a partition: `answer` once for each page, with undefined when the node ended first; `gatherMore` for the next. */
  gather(node: NodeId, wanted: Gathering, answer: (what: Gathered | undefined) => void): RequestId {
    const request = this.#nextRequest++;
    if (this.#host(node).node === undefined) {
      this.after(0, () => answer(undefined));
      return request;
    }
    this.#host(node).gatherings.set(request, answer);
    this.#happens(node, { kind: "client-gather", request, wanted });
    return request;
  }

  gatherMore(node: NodeId, request: RequestId): void {
    this.#happens(node, { kind: "client-gather-more", request });
  }

  /** The caller loses interest: it gets no answer. */
  abandon(node: NodeId, request: RequestId): void {
    if (this.#host(node).requests.delete(request)) this.#happens(node, { kind: "client-abandoned", request });
  }

  /** The wall clock of this node's computer is set; nothing that orders events may notice. */
  jumpWallClock(node: NodeId, byMs: Millis): void {
    this.#host(node).wallSkewMs += byMs;
  }

  /** Its tab goes to the background, where timers fire at whole multiples of `throttleMs` only, or comes back. */
  setVisibility(node: NodeId, hidden: boolean, throttleMs: Millis = 1): void {
    const host = this.#host(node);
    if (hidden) this.#tell(`hide ${host.options.name}, timers every ${throttleMs} ms`);
    host.throttleMs = hidden ? throttleMs : 1;
    // What was put off comes at once.
    host.armedAt = undefined;
    this.#happens(node, { kind: "visibility", hidden });
    if (host.node !== undefined) this.#arm(host, host.node);
  }

  /** From now on all disks, and those to come, follow this profile. */
  setStorageProfile(change: (profile: StorageProfile) => StorageProfile): void {
    for (const host of this.#hosts.values()) host.storage.profile = change(host.storage.profile);
  }

  /** Calls back at virtual time now + `delayMs`. */
  after(delayMs: Millis, run: () => void): void {
    this.#queue.push(this.#now + Math.max(0, delayMs), run);
  }

  /** Lets the next thing happen; false when nothing is scheduled. */
  step(): boolean {
    const next = this.#queue.pop();
    if (next === undefined) return false;
    this.#now = next.time;
    next.run();
    return true;
  }

  /** Lets everything happen up to and including this time. */
  runUntil(time: Millis): void {
    for (let next = this.#queue.nextTime; next !== undefined && next <= time; next = this.#queue.nextTime) this.step();
    this.#now = Math.max(this.#now, time);
  }

  #start(host: Host): void {
    const { options, storage } = host;
    const { prng, skewed } = { prng: this.#prng, skewed: this.#options.skewedClocks === true };
    const seed: Seed = [prng.uint32(), prng.uint32(), prng.uint32(), prng.uint32()];
    const meta: NodeMeta | undefined = storage.meta;
    host.clockOrigin = skewed ? prng.below(1_000_000) : 0;
    host.steppedAt = -1;
    host.node = this.#options.makeNode(
      { id: host.id, config: options.config, meta, seed, seeds: options.seeds },
      options.light === true,
    );
    const start = host.node;
    this.#step(host, { kind: "started", wall: this.wallAt(host.id) });
    if (meta?.view === undefined && options.found !== undefined && host.node === start)
      this.#step(host, { kind: "found-cluster", parameters: options.found });
    this.#dialSeeds(host, start);
  }

  /** Seeds are the host's business: it knows them from outside and keeps a link to each, as a tab does to its server. */
  #dialSeeds(host: Host, start: SimulatedNode): void {
    if (host.node !== start || host.options.seeds.length === 0) return;
    for (const seed of host.options.seeds) this.network.connect(host.id, seed);
    this.after(SEED_REDIAL_MS, () => this.#dialSeeds(host, start));
  }

  #ask(
    node: NodeId,
    request: RequestId,
    answer: (result: ClientResult | undefined) => void,
    happening: Happening,
  ): void {
    const host = this.#host(node);
    if (host.node === undefined) {
      this.after(0, () => answer(undefined));
      return;
    }
    host.requests.set(request, answer);
    this.#happens(node, happening);
  }

  #happens(node: NodeId, happening: Happening): void {
    const host = this.#hosts.get(node);
    if (host?.node === undefined) return;
    if (host.held !== undefined) host.held.push(happening);
    // Never within a step: what a node causes comes back to it as an event of its own.
    else if (this.#stepping) this.after(0, () => this.#happens(node, happening));
    else this.#step(host, happening);
  }

  #stepping = false;

  #step(host: Host, happening: Happening): void {
    const { node } = host;
    if (node === undefined) return;
    if (host.steppedAt !== this.#now) {
      host.steppedAt = this.#now;
      host.stepsThen = 0;
    }
    if (++host.stepsThen > STEPS_PER_MOMENT_MAX)
      throw new SimulationError(`${host.options.name} took ${STEPS_PER_MOMENT_MAX} steps at one moment: it spins`);
    this.#steps++;
    host.inspected = undefined;
    const event = { ...happening, at: host.clockOrigin + this.#now * host.clockRate } as NodeEvent;
    let effects: readonly Effect[];
    try {
      effects = node.step(event);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new SimulationError(`${host.options.name} threw out of step on ${event.kind}: ${text}`);
    }
    this.#options.observer?.stepped?.(host.id, event, effects);
    this.#stepping = true;
    for (const effect of effects) this.#perform(host, effect);
    this.#stepping = false;
    this.#arm(host, node);
  }

  #perform(host: Host, effect: Effect): void {
    switch (effect.kind) {
      case "send": {
        // A build of old says nothing of versions: it has only one.
        const protocol = Math.min(effect.protocol ?? PROTOCOL_VERSION, host.options.config.protocolMax);
        const said = protocol < PROTOCOL_VERSION ? protocol : undefined;
        this.network.send(host.id, effect.to, effect.epoch, effect.lane, effect.message, said);
        break;
      }
      case "connect":
        this.network.connect(host.id, effect.peer);
        break;
      case "disconnect":
        this.network.disconnect(host.id, effect.peer);
        break;
      case "load":
        host.storage.load(effect.ticket, effect.reads);
        break;
      case "store":
        host.storage.commit(effect.ticket, effect.writes, effect.durability);
        break;
      case "scan":
        host.storage.scan(effect.ticket, effect);
        break;
      case "load-leaves":
        host.storage.loadLeaves(effect.ticket);
        break;
      case "reply": {
        const answer = host.requests.get(effect.request);
        host.requests.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(effect.result));
        break;
      }
      case "gathered": {
        const { what } = effect;
        const answer = host.gatherings.get(effect.request);
        if (what.outcome !== "page") host.gatherings.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(what));
        break;
      }
      case "bucket-set": {
        const answer = host.setting.get(effect.request);
        host.setting.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(effect.refusal));
        break;
      }
      case "report-statistics": {
        const answer = host.surveys.get(effect.request);
        host.surveys.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(effect));
        break;
      }
      case "report-sizes": {
        const answer = host.sizes.get(effect.request);
        host.sizes.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(effect.sizes));
        break;
      }
      case "report-change": {
        const answer = host.changes.get(effect.request);
        host.changes.delete(effect.request);
        if (answer !== undefined) this.after(0, () => answer(effect.refusal));
        break;
      }
      case "departed":
        this.after(0, () => this.#depart(host.id, effect.standing));
        break;
      case "note":
        break;
      default:
        unreachable(effect);
    }
  }

  /** One wake is scheduled at a time, unless the node names an earlier one. A wake that comes before its time is scheduled again, unseen. */
  #arm(host: Host, node: SimulatedNode): void {
    const local = node.wakeAt();
    if (local === undefined) return;
    // Rounded up to sixteenths, exact in binary: a wake must not come before its time by a rounding error.
    let due = Math.max(this.#now, Math.ceil(((local - host.clockOrigin) / host.clockRate) * 16) / 16);
    if (due * host.clockRate < local - host.clockOrigin) due += 1 / 16;
    if (host.throttleMs > 1) due = Math.ceil(due / host.throttleMs) * host.throttleMs;
    if (host.armedAt !== undefined && host.armedAt <= due) return;
    host.armedAt = due;
    const lateness = this.#options.timerLatenessMs ?? 0;
    const late = lateness > 0 ? this.#prng.below(lateness * 4) / 4 : 0;
    this.#queue.push(due + late, () => {
      if (host.node !== node || host.armedAt !== due) return;
      host.armedAt = undefined;
      const wanted = node.wakeAt();
      if (wanted === undefined) return;
      if (wanted - host.clockOrigin > this.#now * host.clockRate) this.#arm(host, node);
      else this.#happens(host.id, { kind: "wake" });
    });
  }

  #tell(what: string): void {
    this.#options.observer?.told?.(what);
  }

  #host(node: NodeId): Host {
    const host = this.#hosts.get(node);
    assert(host !== undefined, `no host ${node}`);
    return host;
  }
}
