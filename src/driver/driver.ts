/**
 * Runs one node on real time: feeds it events, performs its effects through the ports, arms its one timer, and settles its callers' promises.
 * It decides nothing of the protocol. States: new -> open -> closed; while it is open it can be frozen on purpose, and then the node
 * takes no event until it thaws.
 *
 * Storage: whatever the effects of some steps have to write goes through group commit; a scan waits for the stores that were emitted before it,
 * because the node relies on seeing them. Bytes that do not parse change nothing: the sender's link is given up and it is named.
 *
 * Limits: the ports' own; a promise for each request under way (`requestsMax` of the node).
 */

import type { Seed } from "../base/prng.ts";
import { unreachable } from "../base/assert.ts";
import { hintAddress, parseHintAddress, positionOf, recordAddress } from "../core/address.ts";
import type { BucketProperties } from "../core/buckets.ts";
import type { ClusterParameters, Config } from "../core/config.ts";
import type { BucketRefusal, Effect, NodeMeta, Note, ReadRecord, StoredRecord } from "../core/effect.ts";
import {
  InvalidBucketError,
  NotReadyError,
  OverloadedError,
  OversizedError,
  ParametersDifferError,
  QuorumError,
  StorageError,
  TabringError,
  TooManySiblingsError,
  UnknownMessageError,
} from "../core/errors.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Gathered, Gathering } from "../core/gathering.ts";
import {
  type Key,
  MEMBERS_MAX,
  type Millis,
  type NodeId,
  type Partition,
  type RequestId,
  type Ticket,
} from "../core/identifiers.ts";
import type { ClientResult, ClientWrite, PartitionSize } from "../core/message.ts";
import type { ChangeRefusal, MembershipChange } from "../core/membership-change.ts";
import type { View } from "../core/membership.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import { LightClient } from "../core/light-client.ts";
import { DynamoNode, type NodeView } from "../core/node.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "../wire/record.ts";
import { FrozenEvents, type Happening } from "./frozen-events.ts";
import { GroupCommit } from "./group-commit.ts";
import type { Clock, LinkInfo, Storage, StorageWrite, Transport } from "./ports.ts";

/** Where a node's memory of itself lies in the store `meta`. */
export const META_KEY = "node";
const HINTS_READ_BYTES_MAX = 16 * 1_048_576;
const NOT_MET = "This node has not met its cluster yet. Nothing was sent. Wait until it is a member (`ready()`).";

export interface DriverOptions {
  readonly id: NodeId;
  readonly config: Config;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Random bytes from the host's best source. */
  readonly random: (bytes: number) => Uint8Array;
  /** Node ids of seeds, as far as they are known. */
  readonly seeds?: readonly NodeId[];
  /** Runs a light client: it asks nothing of the storage. */
  readonly light?: boolean;
  readonly onNote?: (note: Note, atMs: Millis) => void;
  /** A refusal at the edge: wrong secret, wrong version, malformed bytes from a peer. */
  readonly onRefused?: (error: Error, peer: NodeId | undefined) => void;
  /** The node belongs to the cluster no more, and others have all that it had. */
  readonly onDeparted?: (standing: "left" | "removed", by: NodeId) => void;
  /** A link came or went. */
  readonly onLinks?: () => void;
}

/** Somebody who looks on, for tools. It is called while the node works: it keeps nothing up, and what it throws is thrown beside the node, not into it. */
export interface NodeObserver {
  /** The node took an event and answered with these effects, which are performed after this. `event.at` is of the driver's clock. Both are the node's own: do not change them. */
  stepped(event: NodeEvent, effects: readonly Effect[]): void;
  /** On its disk, durable: the record, or the hint, at this address is now this one; null: there is none any more. */
  stored(store: "records" | "hints", address: string, record: StoredRecord | null): void;
}

/** What a node's own disk has of a key. */
export interface DiskRecords {
  readonly record: StoredRecord | undefined;
  /** Its checksum is wrong. */
  readonly damaged: boolean;
  readonly hints: readonly { readonly target: NodeId; readonly record: StoredRecord }[];
}

/** Replies that a get waits for, and how many of them must come from owners that hold the partition. */
export interface ReadQuorum {
  readonly r?: number | undefined;
  readonly pr?: number | undefined;
}

type Got = Extract<ClientResult, { outcome: "got" }>;
type Put = Extract<ClientResult, { outcome: "put" }>;
type StatisticsReport = Extract<Effect, { kind: "report-statistics" }>;

interface Pending {
  readonly operation: "get" | "put";
  resolve(result: Got | Put): void;
  reject(error: unknown): void;
  readonly unwatch: () => void;
}

interface Waiting<Answer> {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

interface PendingSurvey {
  resolve(report: StatisticsReport): void;
  reject(error: unknown): void;
  readonly unwatch: () => void;
}

export class Driver {
  readonly #options: DriverOptions;
  readonly #storage: GroupCommit;
  readonly #links = new Map<NodeId, LinkInfo["kind"]>();
  readonly #pending = new Map<RequestId, Pending>();
  /** Callers who have set a bucket. */
  readonly #setting = new Map<RequestId, { resolve: () => void; reject: (error: unknown) => void }>();
  readonly #surveys = new Map<RequestId, PendingSurvey>();
  readonly #sizes = new Map<RequestId, Waiting<readonly PartitionSize[]>>();
  readonly #changes = new Map<RequestId, Waiting<ChangeRefusal | undefined>>();
  readonly #gatherings = new Map<RequestId, Waiting<Gathered>>();
  readonly #commits = new Set<Promise<void>>();
  /** Linked peers that were refused for their parameters: each is named once. */
  readonly #strangers = new Set<NodeId>();
  readonly #observers = new Set<NodeObserver>();
  #node: DynamoNode | LightClient | undefined;
  /** What waits for it to thaw; undefined when it is not frozen. */
  #frozen: FrozenEvents | undefined;
  #closed = false;
  #requests = 0;
  #at: Millis = 0;
  #cancelTimer: (() => void) | undefined;
  #armedFor: Millis = Infinity;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#storage = new GroupCommit(options.storage);
  }

  /** Opens the disk and the links and starts the node. Rejects with a named error if the disk cannot be opened or its memory of itself is damaged. */
  async open(): Promise<void> {
    const { transport, id, config, seeds } = this.#options;
    await this.#storage.open();
    const [bytes] = await this.#storage.read([{ store: "meta", key: META_KEY }]);
    const meta: NodeMeta | undefined = bytes === undefined ? undefined : decodeMeta(bytes);
    const options = { id, config, meta, seed: this.#seed(), seeds: seeds ?? [] };
    this.#node = this.#options.light === true ? new LightClient(options) : new DynamoNode(options);
    this.#step({ kind: "started", wall: this.#options.clock.wall() });
    await transport.open({
      connected: (peer, link) => {
        this.#links.set(peer, link.kind);
        this.#step({ kind: "peer-connected", peer, protocol: link.protocol });
        this.#options.onLinks?.();
      },
      lost: (peer) => {
        this.#links.delete(peer);
        this.#strangers.delete(peer);
        this.#step({ kind: "peer-lost", peer });
        this.#options.onLinks?.();
      },
      received: (peer, received) => this.#onReceived(peer, received),
      refused: (error, peer) => this.#options.onRefused?.(error, peer),
    });
  }

  /** Makes the cluster; see the event `found-cluster`. */
  found(parameters: ClusterParameters): void {
    this.#step({ kind: "found-cluster", parameters });
  }

  setHidden(hidden: boolean): void {
    this.#step({ kind: "visibility", hidden });
  }

  get(key: Key, quorum: ReadQuorum = {}, timeoutMs?: Millis, signal?: AbortSignal): Promise<Got> {
    const { r, pr } = quorum;
    return this.#request<Got>("get", signal, (request) => ({ kind: "client-get", request, key, r, pr, timeoutMs }));
  }

  put(
    key: Key,
    write: ClientWrite,
    prefer: NodeId | undefined,
    timeoutMs: Millis | undefined,
    signal?: AbortSignal,
  ): Promise<Put> {
    return this.#request<Put>("put", signal, (request) => ({
      kind: "client-put",
      request,
      key,
      write,
      prefer,
      timeoutMs,
    }));
  }

  /** Resolves when the entry is durable here; rejects with InvalidBucketError, NotReadyError or OverloadedError when it was refused. */
  setBucket(name: string, properties: BucketProperties): Promise<void> {
    if (this.#closed || this.#node === undefined) return Promise.reject(notOpen());
    const request = ++this.#requests;
    return new Promise<void>((resolve, reject) => {
      this.#setting.set(request, { resolve, reject });
      this.#step({ kind: "set-bucket", request, name, properties });
    });
  }

  /** What all members have counted, and who was silent. */
  survey(timeoutMs: Millis | undefined, signal?: AbortSignal): Promise<StatisticsReport> {
    if (this.#closed || this.#node === undefined) return Promise.reject(notOpen());
    if (signal?.aborted === true) return Promise.reject(asError(signal.reason));
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#surveys.delete(request);
        this.#step({ kind: "client-abandoned", request });
        reject(asError(signal?.reason));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#surveys.set(request, { resolve, reject, unwatch: () => signal?.removeEventListener("abort", onAbort) });
      this.#step({ kind: "client-statistics", request, timeoutMs });
    });
  }

  /** How much is in these partitions, ascending, of those of which somebody tells in time. */
  sizes(partitions: readonly Partition[], timeoutMs: Millis): Promise<readonly PartitionSize[]> {
    if (this.#closed || this.#node === undefined) return Promise.reject(notOpen());
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      this.#sizes.set(request, { resolve, reject });
      this.#step({ kind: "client-sizes", request, partitions, timeoutMs });
    });
  }

  /** An operator's act. Resolves with what speaks against it; with undefined when it is durable here, and about to be told. Rejects when the node is closed before. */
  changeMembership(change: MembershipChange): Promise<ChangeRefusal | undefined> {
    if (this.#closed || this.#node === undefined) return Promise.reject(notOpen());
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      this.#changes.set(request, { resolve, reject });
      this.#step({ kind: "change-membership", request, change, wallMs: this.#options.clock.wall() });
    });
  }

  /**
   * What the cluster knows of a partition, page by page: the last thing that it gives is "done" or "failed". Whoever stops before that ends the gathering.
   */
  async *gather(wanted: Gathering): AsyncGenerator<Gathered> {
    if (this.#closed || this.#node === undefined) throw notOpen();
    const request = ++this.#requests;
    let over: boolean | undefined;
    try {
      for (let first = true; ; first = false) {
        const next = new Promise<Gathered>((resolve, reject) => this.#gatherings.set(request, { resolve, reject }));
        this.#step(first ? { kind: "client-gather", request, wanted } : { kind: "client-gather-more", request });
        const what = await next;
        over = what.outcome !== "page";
        yield what;
        if (over) return;
        // It may have been closed while the caller worked on the page.
        if (this.#isClosed()) throw notOpen();
      }
    } finally {
      this.#gatherings.delete(request);
      if (over !== true) this.#step({ kind: "client-abandoned", request });
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  /** Until it thaws the node takes no event: it answers nobody, its timers do not fire, and its callers wait. Its links stay up, because they answer for themselves. */
  freeze(): void {
    this.#frozen ??= new FrozenEvents();
  }

  /** The node takes all at once what came meanwhile, in its order, as a tab does that was frozen. */
  thaw(): void {
    const frozen = this.#frozen;
    this.#frozen = undefined;
    for (const happening of frozen?.all ?? []) this.#step(happening);
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  /** What this node has counted since it was opened; undefined before that. */
  get statistics(): StatisticsSnapshot | undefined {
    return this.#node?.statistics;
  }

  /** Plain data to look at; undefined before the disk is open. */
  inspect(): NodeView | undefined {
    return this.#node?.inspect();
  }

  /** What the node sees of the cluster; cheap, unlike `inspect`. */
  get view(): View | undefined {
    return this.#node?.view;
  }

  /** Until the returned function is called. */
  observe(observer: NodeObserver): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Reads the disk; rejects when it does not answer, or the node is closed. */
  async recordsOf(key: Key): Promise<DiskRecords> {
    const position = positionOf(key);
    const lowest = hintAddress(key, position, "" as NodeId);
    const [[bytes], page] = await Promise.all([
      this.#storage.read([{ store: "records", key: recordAddress(key, position) }]),
      this.#storage.scan("hints", {
        after: lowest,
        before: `${lowest}g`,
        countMax: MEMBERS_MAX,
        bytesMax: HINTS_READ_BYTES_MAX,
      }),
    ]);
    const read = bytes === undefined ? undefined : this.#decode(bytes);
    const hints = page.entries.flatMap(([address, hint]) => {
      const at = parseHintAddress(address);
      const record = at.key === key ? this.#decode(hint) : "failed";
      return typeof record === "string" ? [] : [{ target: at.target, record }];
    });
    return { record: typeof read === "string" ? undefined : read, damaged: read === "damaged", hints };
  }

  linkOf(peer: NodeId): LinkInfo["kind"] | undefined {
    return this.#links.get(peer);
  }

  /** What grouping is worth: commits and reads asked, transactions made of them. */
  get storageCounts(): GroupCommit["counts"] {
    return this.#storage.counts;
  }

  /** Stops the node; what was acknowledged stays on the disk. Callers under way are told. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.thaw();
    if (this.#node !== undefined) this.#step({ kind: "closing" });
    this.#closed = true;
    this.#cancelTimer?.();
    const told = new NotReadyError(
      "This node was closed while the request was under way. A put may still take effect; what was acknowledged is safe.",
    );
    for (const pending of [...this.#pending.values(), ...this.#surveys.values()]) {
      pending.unwatch();
      pending.reject(told);
    }
    for (const waiting of [...this.#gatherings.values(), ...this.#sizes.values()]) waiting.reject(told);
    for (const waiting of this.#changes.values())
      waiting.reject(
        new NotReadyError(
          "This node was closed while a change of the membership was being written down. It may be made or not: look at the members. The data is safe.",
        ),
      );
    this.#pending.clear();
    for (const { reject } of this.#setting.values())
      reject(
        new NotReadyError(
          "This node was closed while a bucket was being set. It may be set or not; set it again to be sure. The data is safe.",
        ),
      );
    this.#setting.clear();
    this.#surveys.clear();
    this.#gatherings.clear();
    this.#sizes.clear();
    this.#changes.clear();
    await this.#options.transport.close();
    await Promise.allSettled(this.#commits);
    await this.#storage.close();
  }

  #seed(): Seed {
    const words = new DataView(Uint8Array.from(this.#options.random(16)).buffer);
    return [words.getUint32(0), words.getUint32(4), words.getUint32(8), words.getUint32(12)];
  }

  #request<Result extends Got | Put>(
    operation: "get" | "put",
    signal: AbortSignal | undefined,
    event: (request: RequestId) => Happening,
  ): Promise<Result> {
    if (this.#closed || this.#node === undefined) return Promise.reject(notOpen());
    if (signal?.aborted === true) return Promise.reject(asError(signal.reason));
    const request = ++this.#requests;
    return new Promise<Result>((resolve, reject) => {
      const onAbort = () => {
        this.#pending.delete(request);
        this.#step({ kind: "client-abandoned", request });
        reject(asError(signal?.reason));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const unwatch = () => signal?.removeEventListener("abort", onAbort);
      this.#pending.set(request, { operation, resolve: resolve as Pending["resolve"], reject, unwatch });
      this.#step(event(request));
    });
  }

  #onReceived(peer: NodeId, bytes: Uint8Array): void {
    let decoded: ReturnType<typeof decodeMessage>;
    try {
      decoded = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      this.#options.onRefused?.(error, peer);
      // A newer build may say what this one does not know; anything else that does not parse ends the link.
      if (!(error instanceof UnknownMessageError)) this.#options.transport.disconnect(peer);
      return;
    }
    if (this.#frozen?.hasRoom(bytes.length) === false) this.#options.transport.disconnect(peer);
    else this.#step({ kind: "message-received", from: peer, ...decoded }, bytes.length);
  }

  /** `bytes`: of the message that it brings. */
  #step(event: Happening, bytes = 0): void {
    const node = this.#node;
    if (node === undefined || this.#closed) return;
    if (this.#frozen !== undefined) {
      this.#frozen.hold(event, bytes);
      return;
    }
    this.#at = Math.max(this.#at, this.#options.clock.now());
    const timed: NodeEvent = { ...event, at: this.#at };
    const effects = node.step(timed);
    this.#tell((observer) => observer.stepped(timed, effects));
    for (const effect of effects) this.#perform(effect);
    this.#arm(node.wakeAt());
  }

  #tell(what: (observer: NodeObserver) => void): void {
    for (const observer of this.#observers)
      try {
        what(observer);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
  }

  #arm(wakeAt: Millis | undefined): void {
    if (this.#closed || wakeAt === undefined || wakeAt >= this.#armedFor) return;
    this.#cancelTimer?.();
    this.#armedFor = wakeAt;
    this.#cancelTimer = this.#options.clock.after(Math.max(0, wakeAt - this.#options.clock.now()), () => {
      this.#armedFor = Infinity;
      this.#cancelTimer = undefined;
      this.#step({ kind: "wake" });
    });
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "send":
        this.#send(effect);
        break;
      case "connect":
        this.#options.transport.connect(effect.peer);
        break;
      case "disconnect":
        this.#options.transport.disconnect(effect.peer);
        break;
      case "load":
        void this.#load(effect);
        break;
      case "store":
        void this.#store(effect);
        break;
      case "scan":
        void this.#scan(effect);
        break;
      case "load-leaves":
        void this.#loadLeaves(effect.ticket);
        break;
      case "reply":
        this.#reply(effect.request, effect.result);
        break;
      case "gathered": {
        const gathering = this.#gatherings.get(effect.request);
        this.#gatherings.delete(effect.request);
        gathering?.resolve(effect.what);
        break;
      }
      case "bucket-set":
        this.#bucketSet(effect.request, effect.refusal);
        break;
      case "report-statistics": {
        const survey = this.#surveys.get(effect.request);
        this.#surveys.delete(effect.request);
        survey?.unwatch();
        survey?.resolve(effect);
        break;
      }
      case "report-sizes": {
        const told = this.#sizes.get(effect.request);
        this.#sizes.delete(effect.request);
        told?.resolve(effect.sizes);
        break;
      }
      case "report-change": {
        const change = this.#changes.get(effect.request);
        this.#changes.delete(effect.request);
        change?.resolve(effect.refusal);
        break;
      }
      case "departed":
        this.#options.onDeparted?.(effect.standing, effect.by);
        break;
      case "note":
        if (effect.note.what === "parameters-differ") this.#onStranger(effect.note.peer, effect.note.difference);
        this.#options.onNote?.(effect.note, this.#at);
        break;
      default:
        unreachable(effect);
    }
  }

  #onStranger(peer: NodeId, difference: string): void {
    if (this.#strangers.has(peer)) return;
    this.#strangers.add(peer);
    this.#options.onRefused?.(new ParametersDifferError(difference), peer);
  }

  /** A record that grew beyond what a message takes stays where it is; whoever waits for it runs into its time bound. */
  #send({ to, epoch, lane, message, protocol }: Effect & { kind: "send" }): void {
    try {
      this.#options.transport.send(to, encodeMessage(message, epoch, protocol), lane);
    } catch (error) {
      if (!(error instanceof OversizedError)) throw error;
      this.#options.onRefused?.(error, to);
    }
  }

  async #load({ ticket, reads }: Effect & { kind: "load" }): Promise<void> {
    let records: (ReadRecord | undefined)[];
    try {
      const values = await this.#storage.read(reads.map(({ store, address }) => ({ store, key: address })));
      records = values.map((value) => (value === undefined ? undefined : this.#decode(value)));
    } catch {
      records = reads.map(() => "failed");
    }
    this.#step({ kind: "loaded", ticket, records });
  }

  async #store({ ticket, writes, durability }: Effect & { kind: "store" }): Promise<void> {
    const leaves = writes.filter((write) => write.store === "leaves");
    const commit = this.#storage.commit(writes.flatMap(asStorageWrite), durability, leaves);
    this.#commits.add(commit);
    try {
      await commit;
      this.#tellStored(writes);
      this.#step({ kind: "stored", ticket });
    } catch (error) {
      this.#step({ kind: "storage-failed", ticket, reason: asError(error).message });
    } finally {
      this.#commits.delete(commit);
    }
  }

  #tellStored(writes: (Effect & { kind: "store" })["writes"]): void {
    if (this.#observers.size === 0) return;
    for (const write of writes) {
      if (write.store !== "records" && write.store !== "hints") continue;
      const { store, address, record } = write;
      this.#tell((observer) => observer.stored(store, address, record));
    }
  }

  async #scan({ ticket, store, after, before, countMax, bytesMax }: Effect & { kind: "scan" }): Promise<void> {
    try {
      await Promise.allSettled(this.#commits);
      const page = await this.#storage.scan(store, { after, before, countMax, bytesMax });
      const entries = page.entries.map(([address, bytes]) => ({ address, record: this.#decode(bytes) }));
      this.#step({ kind: "scanned", ticket, entries, done: page.done });
    } catch (error) {
      this.#step({ kind: "storage-failed", ticket, reason: asError(error).message });
    }
  }

  async #loadLeaves(ticket: Ticket): Promise<void> {
    try {
      const leaves = await this.#storage.loadLeaves();
      this.#step({ kind: "leaves-loaded", ticket, leaves });
    } catch (error) {
      this.#step({ kind: "storage-failed", ticket, reason: asError(error).message });
    }
  }

  #decode(bytes: Uint8Array): ReadRecord {
    try {
      return decodeRecord(bytes);
    } catch (error) {
      if (error instanceof TabringError) return "damaged";
      throw error;
    }
  }

  #bucketSet(request: RequestId, refusal: BucketRefusal | undefined): void {
    const caller = this.#setting.get(request);
    this.#setting.delete(request);
    if (refusal === undefined) caller?.resolve();
    else caller?.reject(bucketErrorOf(refusal));
  }

  #reply(request: RequestId, result: ClientResult): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#pending.delete(request);
    pending.unwatch();
    if (result.outcome === "failed") pending.reject(failureOf(pending.operation, result));
    else pending.resolve(result);
  }
}

type WriteOf<E> = E extends { readonly kind: "store"; readonly writes: readonly (infer W)[] } ? W : never;

/** Leaves go another way. */
function asStorageWrite(write: WriteOf<Effect>): StorageWrite[] {
  if (write.store === "leaves") return [];
  if (write.store === "meta") return [{ store: "meta", key: META_KEY, value: encodeMeta(write.meta) }];
  return [{ store: write.store, key: write.address, value: write.record === null ? null : encodeRecord(write.record) }];
}

function notOpen(): NotReadyError {
  return new NotReadyError("This node is closed or not open yet. Nothing was sent. Open the store first.");
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function bucketErrorOf(refusal: BucketRefusal): TabringError {
  switch (refusal.code) {
    case "not-ready":
      return new NotReadyError(NOT_MET);
    case "overloaded":
      return new OverloadedError();
    case "invalid":
      return new InvalidBucketError(refusal.fault);
    default:
      return unreachable(refusal);
  }
}

/** The error that a caller sees for a request that failed. */
function failureOf(
  operation: "get" | "put",
  { failure, report }: Extract<ClientResult, { outcome: "failed" }>,
): TabringError {
  switch (failure.code) {
    case "quorum":
      return new QuorumError(
        operation,
        report?.needed ?? 1,
        report?.answered ?? [],
        report?.silent ?? [],
        { needed: report?.ownersNeeded ?? 0, answered: report?.ownersAnswered ?? 0 },
        { needed: report?.strictNeeded ?? 0, answered: report?.strictAnswered ?? 0 },
      );
    case "too-many-siblings":
      return new TooManySiblingsError(failure.siblings);
    case "not-ready":
      return new NotReadyError(NOT_MET);
    case "overloaded":
      return new OverloadedError();
    case "storage":
      return new StorageError(
        operation === "get"
          ? "The local disk did not answer and no other replica could be asked. Nothing was changed."
          : "The local disk refused the write and no other replica took it. It may still take effect; what was acknowledged before is safe. Free some space and retry with the same operation id.",
      );
    default:
      return unreachable(failure);
  }
}
