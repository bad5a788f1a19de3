/**
 * A store: one node of a cluster, run in this page, and what callers do with it. `openStore` puts the pieces together: the identity that this tab
 * claims, its IndexedDB database, its links, and the driver that runs the node on them. See `api.ts` for what each method promises.
 *
 * States: open -> closed. A closed store says why; the next `openStore` takes the same node up again, with its data.
 */

import { type RestoringStore, exportArchive, restoreArchive, verifyArchive } from "./archive.ts";
import type {
  ArchiveManifestInfo,
  ArchiveSource,
  Bucket,
  BucketOptions,
  BucketSettings,
  Canary,
  ClusterStatistics,
  ExportOptions,
  GetOptions,
  GetResult,
  Merge,
  MembershipPlan,
  NodeInfo,
  OpenStoreOptions,
  OperatorChange,
  PreferenceEntry,
  PutOptions,
  PutResult,
  RestoreOptions,
  RestoreReport,
  RewindOptions,
  RewindPreview,
  RewindReport,
  Store,
  StoreEvents,
  StoreInspector,
  StoreStatus,
} from "./api.ts";
import { partitionOf, positionOf } from "./core/address.ts";
import { type BucketEntry, bucketNamed } from "./core/buckets.ts";
import {
  type ClusterParameters,
  type Config,
  configFault,
  graceFault,
  defaultConfig,
  defaultParameters,
  parametersFault,
  parametersFrom,
} from "./core/config.ts";
import type { Note } from "./core/effect.ts";
import {
  InvalidKeyError,
  NotReadyError,
  ParametersDifferError,
  TabringError,
  WrongSecretError,
} from "./core/errors.ts";
import type { Durability, Key, Millis, NodeId, OperationId } from "./core/identifiers.ts";
import { holds, isGone, memberOf, stays } from "./core/membership.ts";
import { type MembershipChange, changeRefusal } from "./core/membership-change.ts";
import { perSecondOf } from "./core/load.ts";
import { planForLoad } from "./core/load-plan.ts";
import { NEWCOMER, type PlannedChange, planOf } from "./core/membership-plan.ts";
import type { NodeView } from "./core/node.ts";
import { Ring, tokenCounts } from "./core/ring.ts";
import { NO_STATISTICS, type StatisticsFigures, balanceOf, figuresOf, mergeStatistics } from "./core/statistics.ts";
import { makeBucket } from "./bucket.ts";
import {
  CANARY_BUCKET,
  CANARY_INTERVAL_MS,
  CANARY_INTERVAL_MS_MAX,
  CANARY_INTERVAL_MS_MIN,
  RunningCanary,
} from "./canary.ts";
import { DepartedError, MembershipChangeError, membershipPlan } from "./operator.ts";
import { PROTOCOL_MIN } from "./core/versions.ts";
import { toHex } from "./base/bytes.ts";
import { type RewindingStore, previewRewind, rewind } from "./rewind.ts";
import { StoreFaults } from "./store-faults.ts";
import { Prng } from "./base/prng.ts";
import { Driver } from "./driver/driver.ts";
import { MemoryStorage } from "./driver/memory-storage.ts";
import type { Clock, Storage, Transport } from "./driver/ports.ts";
import { checkQuorum, checkValue, parseKey, parseOperation } from "./driver/request.ts";
import { decodeContext, encodeContext } from "./wire/context.ts";
import { IndexedDbStorage } from "./browser/indexeddb-storage.ts";
import { claimFounding, claimIdentity, demandCluster, discardIdentity, profileZone } from "./browser/identity.ts";
import { watchPage } from "./browser/page-lifecycle.ts";
import { SAME_BROWSER } from "./browser/same-browser-room.ts";
import { type SeedState, WebRtcTransport } from "./browser/webrtc-transport.ts";

/** A cluster's parameters or secret cannot be used. Nothing was opened. */
export class InvalidClusterOptionsError extends TabringError {
  override readonly name: string = "InvalidClusterOptionsError";
  constructor(message: string) {
    super("invalid-cluster-options", message);
  }
}

/** Links that can be cut on purpose and know how the seed is doing. */
export interface StoreTransport extends Transport {
  setCut(cut: "all" | "none" | readonly NodeId[]): void;
  setServerCut(cut: boolean): void;
  readonly seedState: SeedState;
}

/** What a store is made of; `openStore` fills it in for a page, tests for a process. */
export interface StoreParts {
  readonly node: NodeId;
  readonly cluster: string;
  readonly storage: Storage;
  readonly transport: StoreTransport;
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly zone: string;
  readonly capacity?: number | undefined;
  /** See `Config`. */
  readonly expects?: Partial<ClusterParameters> | undefined;
  readonly durability?: Durability | undefined;
  /** A light client: asks nothing of the storage. */
  readonly light?: boolean | undefined;
  /** See `Config`. */
  readonly reapAfterMs?: number | undefined;
  /** See `Config`. */
  readonly removeAfterMs?: number | undefined;
  /** See `Config`. */
  readonly history?: Config["history"] | undefined;
  /** See `Config`. */
  readonly writesProtocol?: number | undefined;
  readonly merges?: Readonly<Record<string, Merge>> | undefined;
  /** Throws the node's data and identity away: it has departed. After the storage is closed, before `onClosed`. */
  readonly discard?: () => Promise<void>;
  /** Runs once when the store is closed, last. */
  readonly onClosed?: () => void | Promise<void>;
}

/** Changes of the status within this time are told together. */
const STATUS_MS = 30;

/** How long `ready` hopes for a first link to another member, or for one who does not refuse. */
const READY_PATIENCE_MS = 4_000;

/** Links of a light client to members; requests for keys of others are handed on by those. */
const LIGHT_LINKS_MAX = 16;

/** Notes after which the status may read otherwise. */
const STATUS_NOTES: ReadonlySet<Note["what"]> = new Set([
  "phase",
  "view",
  "peer-up",
  "peer-suspect",
  "peer-gray",
  "peer-down",
  "peer-slow",
  "peer-prompt",
  "admission",
  "hint-kept",
  "hint-delivered",
  "membership-changed",
  "grace-over",
  "tombstone-reaped",
  "reap-blocked",
  "protocol-shared",
  "partition-held",
  "partition-dropped",
  "storage-failed",
  "view-stale",
  "view-refreshed",
]);

export class TabringStore implements Store {
  readonly faults: StoreFaults;
  readonly inspector: StoreInspector;
  readonly #parts: StoreParts;
  readonly #driver: Driver;
  /** Of plans for newcomers. */
  readonly #random: Prng;
  readonly #listeners = new Map<keyof StoreEvents, Set<(event: never) => void>>();
  #closing: Promise<void> | undefined;
  #closedWhy = "";
  #refusal: Error | undefined;
  #statusQueued = false;
  #ring: Ring | undefined;
  #canary: Canary | undefined;
  #departure: StoreEvents["departed"] | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    const config = {
      ...defaultConfig,
      zone: parts.zone,
      capacity: parts.capacity ?? defaultConfig.capacity,
      expects: parts.expects ?? defaultConfig.expects,
      durability: parts.durability ?? defaultConfig.durability,
      linksMax: parts.light === true ? LIGHT_LINKS_MAX : defaultConfig.linksMax,
      reapAfterMs: parts.reapAfterMs ?? defaultConfig.reapAfterMs,
      removeAfterMs: parts.removeAfterMs ?? defaultConfig.removeAfterMs,
      history: parts.history ?? defaultConfig.history,
      writesProtocol: parts.writesProtocol ?? defaultConfig.writesProtocol,
    };
    this.faults = new StoreFaults(
      parts,
      () => this.#driver,
      () => this.#queueStatus(),
      (fault, message) => this.#emit("caught", { fault, message }),
    );
    // What was told to be on the disk must never be taken back by a power cut, or what was reaped may return.
    this.#driver = new Driver({
      id: parts.node,
      config,
      storage: this.faults.storage,
      transport: this.faults.transport,
      clock: this.faults.clock,
      random: parts.random,
      light: parts.light === true,
      onNote: (note, atMs) => {
        this.#emit("trace", { atMs, note });
        if (note.what === "many-siblings")
          this.#emit("warning", { kind: note.what, key: note.key, count: note.siblings });
        else if (note.what === "long-clock")
          this.#emit("warning", { kind: note.what, key: note.key, count: note.entries });
        if (STATUS_NOTES.has(note.what)) this.#queueStatus();
      },
      onRefused: (error, peer) => {
        if (error instanceof WrongSecretError || error instanceof ParametersDifferError) this.#refusal = error;
        this.#emit("refused", { error, peer });
        this.#queueStatus();
      },
      onLinks: () => this.#queueStatus(),
      onDeparted: (standing, by) => {
        this.#departure = { standing, by };
        this.#emit("departed", { standing, by });
        void this.closeBecause(
          standing === "left" ? "it has left the cluster" : `it was removed from the cluster by ${by.slice(0, 6)}`,
        );
      },
    });
    this.#random = Prng.fromNumber(new DataView(Uint8Array.from(parts.random(4)).buffer).getUint32(0));
    const driver = this.#driver;
    this.inspector = {
      observe: (observer) => driver.observe(observer),
      get view() {
        return driver.inspect();
      },
      get statistics() {
        return driver.statistics;
      },
      recordsOf: async (key) => driver.recordsOf(parseKey(key)),
    };
  }

  /** Opens disk and links. With `found`, makes the cluster, unless this node belongs to it already. */
  async open(found: ClusterParameters | undefined): Promise<void> {
    await this.#driver.open();
    if (found !== undefined) this.#driver.found(found);
  }

  get status(): StoreStatus {
    return statusOf(
      this.#view(),
      this.#parts,
      this.#closing === undefined ? undefined : this.#closedWhy,
      this.#refusal,
      this.faults.on,
    );
  }

  get(key: string | Uint8Array, options: GetOptions = {}): Promise<GetResult> {
    return this.#get(key, options);
  }

  async #get(key: string | Uint8Array, options: GetOptions, whose = callersKey): Promise<GetResult> {
    const parsed = whose(key);
    const quorum = {
      r: checkQuorum("r", options.r, this.#n()),
      pr: checkQuorum("pr", options.pr, this.#n()),
    };
    this.#demandOpen();
    const { set, first, report } = await this.#driver.get(parsed, quorum, options.timeoutMs, options.signal);
    const context = encodeContext({ key: parsed, clock: set.clock, first });
    if (set.siblings.length > 1) this.#emit("siblings", { key: parsed, siblings: set.siblings.length });
    const values = set.siblings.flatMap(({ value }) => (value === null ? [] : [value]));
    return { values, siblings: set.siblings, clock: set.clock, context, report };
  }

  put(key: string | Uint8Array, value: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    return this.#put(key, value, options);
  }

  delete(key: string | Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    return this.#put(key, null, options);
  }

  bucket<Value>(name: string, options: BucketOptions<Value>): Bucket<Value> {
    return makeBucket(this, name, options, {
      policyOf: (bucket) => bucketNamed(this.buckets(), bucket)?.properties.policy,
      mergeNamed: (merge) => {
        const { merges = {} } = this.#parts;
        return Object.hasOwn(merges, merge) ? merges[merge] : undefined;
      },
    });
  }

  async setBucket(name: string, settings: BucketSettings): Promise<void> {
    this.#demandOpen();
    const { r, w, pr, pw, dw, buffered = false, policy = "siblings" } = settings;
    await this.#driver.setBucket(name, { r, w, pr, pw, dw, buffered, policy });
  }

  buckets(): readonly BucketEntry[] {
    return this.#driver.view?.buckets ?? [];
  }

  nodes(): readonly NodeInfo[] {
    const node = this.#view();
    return node === undefined ? [] : nodesOf(node, (peer) => this.#driver.linkOf(peer));
  }

  preferenceList(key: string | Uint8Array): readonly PreferenceEntry[] {
    const parsed = parseKey(key);
    const node = this.#view();
    const ring = this.#ringOf(node?.view);
    if (node === undefined || ring === undefined) return [];
    const list = ring.preferenceList(partitionOf(positionOf(parsed), ring.view.claims.length));
    const up = new Set(node.peers.filter((peer) => peer.reachability === "up").map((peer) => peer.node)).add(node.id);
    const entry = (role: PreferenceEntry["role"]) => (id: NodeId) => ({ node: id, role, reachable: up.has(id) });
    return [
      ...list.owners.map((id) => entry(list.joining.includes(id) ? "joining" : "owner")(id)),
      ...list.counted.filter((id) => !list.owners.includes(id)).map(entry("holder")),
      ...list.fallbacks.map(entry("fallback")),
    ];
  }

  ring(): ReturnType<Store["ring"]> {
    const { view } = this.#driver;
    const ring = this.#ringOf(view);
    return {
      owners: view?.claims.flatMap((_, partition) => ring?.placement.walk(partition, 1) ?? []) ?? [],
      holds: (node, partition) => {
        const member = view === undefined ? undefined : memberOf(view, node);
        return member !== undefined && holds(member, partition);
      },
    };
  }

  statistics(): StatisticsFigures {
    return figuresOf(this.#driver.statistics ?? NO_STATISTICS);
  }

  async clusterStatistics(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<ClusterStatistics> {
    this.#demandOpen();
    const { members, silent } = await this.#driver.survey(options.timeoutMs, options.signal);
    const { view } = this.#driver;
    const capacityOf = (node: NodeId) => (view === undefined ? 0 : (memberOf(view, node)?.capacity ?? 0));
    return {
      members: members.map(({ node, statistics }) => ({ node, figures: figuresOf(statistics) })),
      silent,
      merged: figuresOf(members.map(({ statistics }) => statistics).reduce(mergeStatistics, NO_STATISTICS)),
      balance: balanceOf(members.map((member) => ({ ...member, capacity: capacityOf(member.node) }))),
    };
  }

  async plan(change: OperatorChange, options: { timeoutMs?: number } = {}): Promise<MembershipPlan> {
    this.#demandOpen();
    const { view } = this.#driver;
    if (view === undefined) throw new MembershipChangeError({ code: "not-ready" });
    if (change.kind === "move") return this.#planMove(view.claims.length, options.timeoutMs ?? PLAN_TIMEOUT_MS);
    const plan = planOf(view, plannedChange(change, this.#parts.node), this.#random);
    const partitions = [...new Set(plan.moves.map((move) => move.partition))];
    const sizes = await this.#driver.sizes(partitions, options.timeoutMs ?? PLAN_TIMEOUT_MS);
    const ring = this.#ringOf(this.#driver.view);
    const up = new Set(this.#view()?.peers.flatMap((peer) => (peer.reachability === "up" ? [peer.node] : [])));
    const refusal =
      change.kind === "join" || ring === undefined
        ? undefined
        : changeRefusal(ring, this.#parts.node, asked(change, plan.planned, false), (node) => up.has(node));
    return membershipPlan(change, plan, sizes, refusal);
  }

  /** By what holders served in the last minute. */
  async #planMove(partitions: number, timeoutMs: Millis): Promise<MembershipPlan> {
    const sizes = await this.#driver.sizes([...Array(partitions).keys()], timeoutMs);
    const { view } = this.#driver;
    const ring = this.#ringOf(view);
    if (view === undefined || ring === undefined) throw new MembershipChangeError({ code: "not-ready" });
    const demand = new Array<number>(partitions).fill(0);
    for (const { partition, servedPerMinute } of sizes) demand[partition] = servedPerMinute;
    const { swaps, load } = planForLoad(view, demand, new Set(this.#view()?.slowByMost));
    const plan = planOf(view, { kind: "move", swaps }, this.#random);
    const refusal = changeRefusal(ring, this.#parts.node, { kind: "move", swaps, planned: plan.planned }, () => true);
    const perSecond = load.map(({ node, before, after }) => ({ node, before: before / 60, after: after / 60 }));
    return membershipPlan({ kind: "move" }, plan, sizes, refusal, { swaps, load: perSecond });
  }

  async commit({ change, planned, swaps }: MembershipPlan, options: { force?: boolean } = {}): Promise<void> {
    this.#demandOpen();
    if (change.kind === "move") return this.#change({ kind: "move", planned, swaps });
    if (change.kind === "join") throw new MembershipChangeError({ code: "unknown-node", node: NEWCOMER });
    await this.#change(asked(change, planned, options.force === true));
    if (change.kind === "leave") await this.#gone(undefined);
  }

  async leave(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#demandOpen();
    options.signal?.throwIfAborted();
    await this.#change({ kind: "leave", planned: undefined });
    await this.#gone(options.signal);
  }

  async remove(node: string, options: { force?: boolean } = {}): Promise<void> {
    this.#demandOpen();
    await this.#change(asked({ kind: "remove", node }, undefined, options.force === true));
  }

  async #change(change: MembershipChange): Promise<void> {
    const refusal = await this.#driver.changeMembership(change);
    if (refusal !== undefined) throw new MembershipChangeError(refusal);
    this.#queueStatus();
  }

  /** When all that was here is with others, and this store is closed. */
  #gone(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = new AbortController();
      const end = () => {
        if (this.#closing === undefined) return;
        ended.abort();
        this.#closing.then(
          () =>
            this.#departure === undefined
              ? reject(
                  new NotReadyError(
                    `This node was closed before it had left: ${this.#closedWhy}. It goes on leaving when the store is opened again.`,
                  ),
                )
              : resolve(),
          reject,
        );
      };
      this.on("status", end, { signal: ended.signal });
      signal?.addEventListener(
        "abort",
        () => {
          ended.abort();
          reject(
            signal.reason instanceof Error
              ? signal.reason
              : new NotReadyError("The wait was given up. The node goes on leaving."),
          );
        },
        { once: true },
      );
      end();
    });
  }

  export(options: ExportOptions = {}): AsyncIterable<Uint8Array> {
    const w = checkQuorum("w", options.w, this.#n());
    this.#demandOpen();
    const view = () => this.#driver.view;
    return exportArchive(
      {
        node: this.#parts.node,
        cluster: this.#parts.cluster,
        get view() {
          return view();
        },
        wall: () => this.faults.clock.wall(),
        random: this.#parts.random,
        gather: (wanted) => this.#driver.gather(wanted),
      },
      w === undefined ? options : { ...options, w },
    );
  }

  verifyArchive(source: ArchiveSource, options: { signal?: AbortSignal } = {}): Promise<ArchiveManifestInfo> {
    return verifyArchive(source, options.signal);
  }

  async restore(source: ArchiveSource, options: RestoreOptions = {}): Promise<RestoreReport> {
    const w = checkQuorum("w", options.w, this.#n());
    this.#demandOpen();
    return restoreArchive(this.#writing(w), source, options);
  }

  previewRewind(bucket: string, at: number, options: RewindOptions = {}): Promise<RewindPreview> {
    return previewRewind(this.#rewinding(options), bucket, at, options);
  }

  rewind(bucket: string, at: number, options: RewindOptions = {}): Promise<RewindReport> {
    return rewind(this.#rewinding(options), bucket, at, options);
  }

  #rewinding(options: RewindOptions): RewindingStore {
    checkQuorum("w", options.w, this.#n());
    this.#demandOpen();
    return {
      ...this.#writing(undefined),
      view: this.#driver.view,
      keeps: (bucket) => this.#parts.history?.[bucket] !== undefined,
      wall: () => this.faults.clock.wall(),
      operation: () => toHex(this.#parts.random(16)) as OperationId,
      gather: (wanted) => this.#driver.gather(wanted),
    };
  }

  /** Reads and writes of what is brought back. */
  #writing(w: number | undefined): RestoringStore {
    return {
      cluster: this.#parts.cluster,
      parseKey: callersKey,
      get: (key, signal) => this.#driver.get(key, undefined, undefined, signal),
      put: async (key, write, prefer, signal) => {
        this.#demandOpen();
        await this.#driver.put(key, { ...write, w }, prefer, undefined, signal);
      },
    };
  }

  startCanary(options: { intervalMs?: number } = {}): Canary {
    const { intervalMs = CANARY_INTERVAL_MS } = options;
    const fault = this.#parts.light === true ? LIGHT_CANARY : canaryFault(intervalMs);
    if (fault !== undefined) throw new InvalidClusterOptionsError(`${fault}. No canary was started.`);
    this.#demandOpen();
    if (this.#canary !== undefined) return this.#canary;
    const key = `${CANARY_BUCKET}/${this.#parts.node}`;
    const running = new RunningCanary(
      {
        get: () => this.#get(key, {}, parseKey),
        put: (value, context) => this.#put(key, value, { context }, parseKey),
        answers: () => this.#driver.view !== undefined,
        clock: this.#parts.clock,
      },
      intervalMs,
    );
    const canary: Canary = {
      get report() {
        return running.report;
      },
      stop: () => {
        running.stop();
        if (this.#canary === canary) this.#canary = undefined;
      },
    };
    this.#canary = canary;
    return canary;
  }

  on<Name extends keyof StoreEvents>(
    name: Name,
    listener: (event: StoreEvents[Name]) => void,
    options: { signal?: AbortSignal } = {},
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    const off = () => {
      listeners.delete(listener);
    };
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  ready(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      let patient = true;
      const settled = (): boolean => {
        const { state, role, members, reachable } = this.status;
        const others = role === "light" ? reachable : reachable - 1;
        if (state === "closed") reject(new NotReadyError(`This node is closed: ${this.#closedWhy}.`));
        else if (signal?.aborted === true)
          reject(signal.reason instanceof Error ? signal.reason : new NotReadyError("The wait was given up."));
        else if (state === "starting" || state === "waiting") {
          // One stranger in the room must not turn a newcomer away whom others would take in.
          if (patient || this.#refusal === undefined) return false;
          reject(this.#refusal);
        } else if (patient && (members > 1 || role === "light") && others < 1) return false;
        else resolve();
        return true;
      };
      if (settled()) return;
      const end = () => {
        if (!settled()) return;
        off();
        cancel();
        signal?.removeEventListener("abort", end);
      };
      const off = this.on("status", end);
      const cancel = this.#parts.clock.after(READY_PATIENCE_MS, () => {
        patient = false;
        end();
      });
      signal?.addEventListener("abort", end);
    });
  }

  close(): Promise<void> {
    return this.closeBecause("it was closed by the page");
  }

  /** The same, with what is told to whoever asks later. */
  closeBecause(why: string): Promise<void> {
    this.#closing ??= (async () => {
      this.#closedWhy = why;
      this.#canary?.stop();
      await this.#driver.close();
      if (this.#departure !== undefined) await this.#parts.discard?.();
      await this.#parts.onClosed?.();
      this.#queueStatus();
    })();
    this.#queueStatus();
    return this.#closing;
  }

  setHidden(hidden: boolean): void {
    this.#driver.setHidden(hidden);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #put(
    key: string | Uint8Array,
    value: Uint8Array | null,
    options: PutOptions,
    whose = callersKey,
  ): Promise<PutResult> {
    const parsed = whose(key);
    checkValue(value);
    const w = checkQuorum("w", options.w, this.#n());
    const pw = checkQuorum("pw", options.pw, this.#n());
    const dw = checkQuorum("dw", options.dw, this.#n());
    const operation =
      options.operation === undefined
        ? (toHex(this.#parts.random(16)) as OperationId)
        : parseOperation(options.operation);
    const context = options.context === undefined ? undefined : decodeContext(parsed, options.context);
    this.#demandOpen();
    const { clock, siblings, report } = await this.#driver.put(
      parsed,
      // The caller may go on to change its bytes.
      {
        value: value?.slice() ?? null,
        context: context?.clock ?? [],
        operation,
        at: this.faults.clock.wall(),
        w,
        pw,
        dw,
        policy: options.policy,
      },
      context?.first,
      options.timeoutMs,
      options.signal,
    );
    return { context: encodeContext({ key: parsed, clock, first: report.coordinator }), siblings, report };
  }

  #n(): number {
    return this.#driver.view?.parameters.n ?? defaultParameters.n;
  }

  #demandOpen(): void {
    if (this.#departure !== undefined) throw new DepartedError(this.#closedWhy);
    if (this.#closing !== undefined)
      throw new NotReadyError(`This node is closed: ${this.#closedWhy}. Nothing was sent. Open the store again.`);
  }

  #view(): NodeView | undefined {
    return this.#driver.inspect();
  }

  #ringOf(view: NodeView["view"]): Ring | undefined {
    if (view === undefined) return undefined;
    if (this.#ring?.view !== view) this.#ring = new Ring(view);
    return this.#ring;
  }

  #queueStatus(): void {
    if (this.#statusQueued) return;
    this.#statusQueued = true;
    this.#parts.clock.after(STATUS_MS, () => {
      this.#statusQueued = false;
      this.#emit("status", this.status);
      this.#emit("membership", this.nodes());
    });
  }

  #emit<Name extends keyof StoreEvents>(name: Name, event: StoreEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as (event: StoreEvents[Name]) => void)(event);
  }
}

const PLAN_TIMEOUT_MS: Millis = 10_000;

function plannedChange(change: Exclude<OperatorChange, { kind: "move" }>, self: NodeId): PlannedChange {
  if (change.kind === "join") {
    const { capacity = 1, zone = "a new zone" } = change;
    const fault = configFault({ capacity, zone });
    if (fault !== undefined)
      throw new InvalidClusterOptionsError(`The plan cannot be made: ${fault}. Nothing was changed.`);
    return { kind: "join", capacity, zone };
  }
  return change.kind === "leave" ? { kind: "leave", node: self } : { kind: "remove", node: change.node as NodeId };
}

/** Ids that nobody has are refused by the node itself. */
function asked(
  change: Exclude<OperatorChange, { kind: "join" | "move" }>,
  planned: number | undefined,
  force: boolean,
): MembershipChange {
  return change.kind === "leave"
    ? { kind: "leave", planned }
    : { kind: "remove", node: change.node as NodeId, force, planned };
}

/** A key that callers may use; throws {@link InvalidKeyError}. */
function callersKey(key: unknown): Key {
  const parsed = parseKey(key);
  if (parsed.startsWith(`${CANARY_BUCKET}/`))
    throw new InvalidKeyError(
      `Keys of the bucket ${CANARY_BUCKET} are the store's own. Nothing was sent. Give the bucket another name.`,
    );
  return parsed;
}

const LIGHT_CANARY = "A light client has another name at each opening and would leave a key behind each time";

/** What is wrong with a canary's interval, in words; undefined when nothing is. */
function canaryFault(intervalMs: number): string | undefined {
  return intervalMs >= CANARY_INTERVAL_MS_MIN && intervalMs <= CANARY_INTERVAL_MS_MAX
    ? undefined
    : `The canary's interval is ${intervalMs} ms, but must be from ${CANARY_INTERVAL_MS_MIN} to ${CANARY_INTERVAL_MS_MAX}`;
}

function nodesOf(node: NodeView, linkOf: (peer: NodeId) => NodeInfo["link"]): NodeInfo[] {
  const { view } = node;
  if (view === undefined) return [];
  const tokens = tokenCounts(view);
  const peers = new Map(node.peers.map((peer) => [peer.node, peer]));
  const hints = new Map(node.hints.map((hint) => [hint.target, hint.count]));
  const levels = new Map(node.loads.map((load) => [load.node, load.level]));
  return view.members
    .filter((member) => !isGone(member))
    .map((member) => ({
      node: member.node,
      self: member.node === node.id,
      capacity: member.capacity,
      zone: member.zone,
      hidden: member.hidden,
      protocol: member.protocolMax,
      leaving: !stays(member),
      reachability: member.node === node.id ? "up" : (peers.get(member.node)?.reachability ?? "down"),
      slow: peers.get(member.node)?.slow ?? false,
      slowByMost: node.slowByMost.includes(member.node),
      servedPerSecond: perSecondOf(levels.get(member.node) ?? 0, defaultConfig.loadFromPerSecond),
      link: linkOf(member.node),
      tokens: tokens.get(member.node) ?? 0,
      partitionsHeld: view.claims.reduce((sum, _, p) => sum + (holds(member, p) ? 1 : 0), 0),
      hintsOwed: hints.get(member.node) ?? 0,
    }));
}

function statusOf(
  node: NodeView | undefined,
  parts: StoreParts,
  closedWhy: string | undefined,
  refusal: Error | undefined,
  faults: StoreStatus["faults"],
): StoreStatus {
  const view = node?.view;
  const nodes = node === undefined ? [] : nodesOf(node, () => undefined);
  const keepers = nodes.filter((info) => info.capacity > 0);
  const reachable = keepers.filter((info) => info.reachability === "up").length;
  const self = nodes.find((info) => info.self);
  const owed = node?.owed ?? 0;
  const isLight = parts.light === true;
  const others = isLight ? reachable : reachable - 1;
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;

  let state: StoreStatus["state"];
  let reason: string;
  if (closedWhy !== undefined)
    [state, reason] = ["closed", `This node is stopped: ${closedWhy}.${isLight ? "" : " Its data is kept."}`];
  else if (node === undefined || node.phase === "starting")
    [state, reason] = ["starting", "Opening this node's storage."];
  else if (node.departure !== undefined) [state, reason] = ["leaving", departureWords(node.departure, count)];
  else if ((isLight ? view : self) === undefined && refusal !== undefined)
    [state, reason] = ["waiting", refusal.message];
  else if ((isLight ? view : self) === undefined)
    [state, reason] = ["waiting", "Has met no member of its cluster yet, and does not answer for it until it has."];
  else if (owed > 0) [state, reason] = ["joining", `Copying ${count(owed, "partition")} to this node.`];
  else if ((isLight || keepers.length > 1) && others < 1)
    [state, reason] = [
      "alone",
      isLight
        ? `None of ${count(keepers.length, "node")} answers this light client.`
        : `None of the ${keepers.length - 1} other nodes answers.`,
    ];
  else if (reachable < keepers.length)
    [state, reason] = ["degraded", `${reachable} of ${count(keepers.length, "node")} answer.`];
  else [state, reason] = ["online", keepers.length === 1 ? "A cluster of one." : `All ${keepers.length} nodes answer.`];

  return {
    role: isLight ? "light" : "member",
    light: node?.light,
    state,
    reason,
    node: parts.node,
    cluster: parts.cluster,
    parameters: view?.parameters,
    members: keepers.length,
    reachable,
    hintsOwed: node?.hintsOwed ?? 0,
    tombstones: node?.reaping.tombstones ?? 0,
    tombstonesKeptBy: node?.reaping.blockedBy ?? [],
    protocol: node?.protocol ?? PROTOCOL_MIN,
    partitionsOwned: self === undefined || view === undefined ? 0 : listsOf(view, parts.node).owned,
    partitionsHeld: self?.partitionsHeld ?? 0,
    partitionsJoining: owed,
    background: {
      share: node?.background.share ?? 1,
      why: node?.background.why ?? "idle",
      waiting: node?.background.waiting ?? [],
    },
    patience: node?.patience ?? 1,
    seed: parts.transport.seedState,
    oneZone: keepers.length > 0 && new Set(keepers.map((info) => info.zone)).size === 1,
    zonesOfKeys: view === undefined ? 0 : listsOf(view, parts.node).zones,
    faults,
  };
}

function departureWords(
  { partitions, hints }: NonNullable<NodeView["departure"]>,
  count: (n: number, what: string) => string,
): string {
  if (partitions + hints === 0) return "Leaving: others have all that it had, and hear of it now.";
  const what = [partitions > 0 ? count(partitions, "partition") : "", hints > 0 ? count(hints, "hint") : ""].filter(
    (text) => text !== "",
  );
  return `Leaving: gives ${what.join(" and ")} to others. It waits for owners that do not answer.`;
}

interface Lists {
  /** Partitions that the node is an owner of. */
  readonly owned: number;
  /** Zones of the owners of a partition, of the partition with the fewest. */
  readonly zones: number;
}

const listsOfViews = new WeakMap<NonNullable<NodeView["view"]>, Lists>();

function listsOf(view: NonNullable<NodeView["view"]>, node: NodeId): Lists {
  let lists = listsOfViews.get(view);
  if (lists === undefined) {
    const ring = new Ring(view);
    const owners = view.claims.map((_, partition) => ring.preferenceList(partition).owners);
    const zones = owners.map((nodes) => new Set(nodes.map((owner) => memberOf(view, owner)?.zone)).size);
    lists = { owned: owners.filter((nodes) => nodes.includes(node)).length, zones: Math.min(...zones) };
    listsOfViews.set(view, lists);
  }
  return lists;
}

/** The 32 bytes of a secret in base64url; undefined when it is not that. */
export function parseSecret(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** A fresh cluster: an id and a secret for its invite link. */
export function newCluster(): { cluster: string; secret: string } {
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  const secret = btoa(String.fromCharCode(...random(32)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
  return { cluster: toHex(random(8)), secret };
}

const pageClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delayMs: Millis, callback: () => void) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/**
 * Opens this tab's node of a cluster. Resolves when its storage is open and its links are being made; `ready()` tells when it answers. Rejects with
 * a named error when this page cannot be a node (no secure context, no storage) or the options cannot be used.
 */
export async function openStore(options: OpenStoreOptions): Promise<TabringStore> {
  const secret = parseSecret(options.secret);
  if (secret === undefined)
    throw new WrongSecretError(
      "The cluster's secret is missing or is not 32 bytes in base64url. Nothing was opened or sent. Ask for the whole invite link again.",
    );
  const parameters = parametersFrom(options.quorum ?? {});
  const fault =
    parametersFault(parameters) ??
    configFault({ capacity: options.capacity ?? 1, zone: options.zone ?? "default" }) ??
    graceFault({
      removeAfterMs: options.removeAfterMs ?? defaultConfig.removeAfterMs,
      reapAfterMs: options.reapAfterMs ?? defaultConfig.reapAfterMs,
    });
  if (fault !== undefined)
    throw new InvalidClusterOptionsError(`The options cannot be used: ${fault}. Nothing was opened.`);
  if (options.light === true && (options.found === true || options.canaryMs !== undefined))
    throw new InvalidClusterOptionsError(
      options.found === true
        ? "A light client keeps nothing and cannot found a cluster. Nothing was opened. Leave out `light` or `found`."
        : `${LIGHT_CANARY}: no canary there. Nothing was opened. Leave out \`light\` or \`canaryMs\`.`,
    );
  const isAlone = options.seeds.includes(SAME_BROWSER);
  if (isAlone && options.seeds.length > 1)
    throw new InvalidClusterOptionsError(
      `"${SAME_BROWSER}" stands for no server at all, but there are other seeds beside it. Nothing was opened. Give it alone, or only addresses.`,
    );
  const canaryWrong = options.canaryMs === undefined ? undefined : canaryFault(options.canaryMs);
  if (canaryWrong !== undefined) throw new InvalidClusterOptionsError(`${canaryWrong}. Nothing was opened.`);

  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  if (options.light === true) return openLightStore(options, secret, random);
  const identity = await claimIdentity({ cluster: options.cluster });
  const stopping = new AbortController();
  let founding: (() => Promise<void>) | undefined;
  try {
    if (isAlone && options.found === true) founding = await claimFounding(options.cluster, identity);
    const founds = options.found === true && (!isAlone || founding !== undefined);
    const zone = options.zone ?? (await profileZone());
    const storage = new IndexedDbStorage({
      databaseName: identity.databaseName,
      storeId: identity.storeId,
      onClosed: (why) => void store.closeBecause(`another tab ${why} its database; reload this tab`),
      onWiped: () =>
        void store.closeBecause("the browser has deleted its database; reload this tab to start as a new node"),
    });
    const transport = new WebRtcTransport({
      self: identity.node,
      cluster: options.cluster,
      secret,
      seeds: [...options.seeds],
      random,
      clock: pageClock,
    });
    const store = new TabringStore({
      node: identity.node,
      cluster: options.cluster,
      storage,
      transport,
      clock: pageClock,
      random,
      zone,
      capacity: options.capacity,
      expects: founds ? undefined : options.quorum,
      durability: options.durability,
      reapAfterMs: options.reapAfterMs,
      removeAfterMs: options.removeAfterMs,
      history: options.history,
      writesProtocol: options.writesProtocol,
      merges: options.merges,
      discard: () => discardIdentity(identity),
      onClosed: async () => {
        stopping.abort();
        await founding?.();
        await identity.release();
      },
    });
    await store.open(founds ? parameters : undefined);
    if (options.canaryMs !== undefined) store.startCanary({ intervalMs: options.canaryMs });
    const unwatch = watchPage({
      onHidden: (hidden) => store.setHidden(hidden),
      onLeaving: () => void store.closeBecause("its page was left"),
      // Back from the browser's cache its links and lock are gone; after a mere freeze the node greets its peers anew by itself.
      onResumed: (from) => {
        if (from === "restored") location.reload();
      },
    });
    stopping.signal.addEventListener("abort", unwatch);
    return store;
  } catch (error) {
    await founding?.();
    await identity.release();
    throw error;
  }
}

/** A node id of its own for each opening, links, and nothing else: no database, no lock, no zone. */
async function openLightStore(
  options: OpenStoreOptions,
  secret: Uint8Array,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<TabringStore> {
  demandCluster(options.cluster);
  const node = toHex(random(16)) as NodeId;
  const { cluster } = options;
  const transport = new WebRtcTransport({
    self: node,
    cluster,
    secret,
    seeds: [...options.seeds],
    random,
    clock: pageClock,
  });
  const stopping = new AbortController();
  const store = new TabringStore({
    node,
    cluster,
    storage: new MemoryStorage(),
    transport,
    clock: pageClock,
    random,
    zone: "light",
    expects: options.quorum,
    light: true,
    onClosed: () => stopping.abort(),
  });
  await store.open(undefined);
  const unwatch = watchPage({
    onHidden: () => undefined,
    onLeaving: () => void store.closeBecause("its page was left"),
    onResumed: (from) => {
      if (from === "restored") location.reload();
    },
  });
  stopping.signal.addEventListener("abort", unwatch);
  return store;
}
