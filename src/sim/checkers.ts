/**
 * The judges: DESIGN section 12, invariants 1, 2, 3 and 8, and what they rest on, against what callers did (`history.ts`) and what is on the
 * virtual disks. They watch every record that a node stores, sends or answers, every disk write and every acknowledgement, as it happens.
 *
 *   no-lost-write       every acknowledged put is at every owner, or was replaced by a put that had seen it                          (1)
 *   no-vanishing        a record covers a dot only if it has the operation, or something that had seen it                            (2)
 *   no-fabrication      values are only ones that somebody put, dots only ones that were minted, siblings only maximal ones          (2)
 *   unique-dots         no dot ever stands for two operations                                                                        (2)
 *   durable-before-ack  at the moment of the answer the put is on as many disks as were promised; what a node says that it keeps strictly is
 *                       flushed, and so is whatever somebody may let go of because of its answer                                     (1)
 *   copies-kept         no record or hint is let go while that leaves fewer copies of an acknowledged put than were promised         (1)
 *   disk-monotonic      a record on disk never loses knowledge                                                                       (1)
 *   no-resurrection     after all is settled nothing stands anywhere that an acknowledged put, or delete, had replaced; a tombstone is
 *                       reaped only when no disk has a value that it covers, and from then on nobody stores, sends or answers with one    (4)
 *   departure           whoever has departed leaves nothing behind on its disk; a leave or removal that was accepted stands (saboteur.ts); who
 *                       is silent for too long is removed by a majority alone (grace-judge.ts)      (1, 6)
 *   convergence         all owners hold identical records, no hint is owed to a living node, all see one ring                        (3)
 *   served              a healthy core answers every request without the others (healthy-core.ts)                                    (3)
 *   read-your-writes    with R + W > N and all owners up a read after an acknowledgement shows the put (workload.ts)                   (5)
 *   routing             requests go where they belong, and light clients stay what they are (routing.ts)
 *   protocol            nobody is sent what his build does not read (mixed-versions.ts)
 *   strict-quorum       a read of R holders that begins after W holders acknowledged a put shows it, if R + W > N; so does one of as many
 *                       owners (workload.ts); a stand-in that was asked early counts late (hedge-judge.ts)                            (5)
 *   placement           no partition is without a holder, nothing moves because of a failure (placement.ts); who says that it holds one
 *                       has it, and at rest no record lies where it does not belong (custody.ts)                                     (6)
 *   quiet               a cluster with nothing to do uses no disk and says little (quietness.ts)                                     (7)
 *   admission           background work gives way to callers, and is not starved (restraint.ts)
 *   accusation          nobody is blamed before others were asked (restraint.ts)
 *   insistence          a disk that refuses is not asked again at its own speed (restraint.ts)
 *   late-frame          what is addressed to an epoch that is over is dropped, and a start of a node gets answers only to what it asked  (1)
 *   archive             an export made at any time has all that was acknowledged before, and nothing else (archivist.ts)                   (1, 2)
 *   look-back           what a moment of the past had is found, where it is covered (archivist.ts)                                        (1, 2)
 *   statistics          what a node says that it has counted is what its callers saw (audit.ts)
 *   bounded, answered   tables stay within their limits, hedges within their budget (hedge-judge.ts); each request is answered once and in time; step never throws (simulator.ts) (8)
 */

import { bytesEqual } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import {
  hintAddress,
  keyOfRecord,
  parseHintAddress,
  parseHistoryAddress,
  partitionOf,
  positionOf,
  recordAddress,
} from "../core/address.ts";
import { type DvvSet, EMPTY, covers, descends, equal, isDeleted, sync } from "../core/dvvset.ts";
import { COVERED_ADDRESS } from "../core/history-ledger.ts";
import type { Config } from "../core/config.ts";
import type { Effect, RecordStore, StoredRecord } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Epoch, Key, Millis, NodeId, Position, RequestId, RingDigest } from "../core/identifiers.ts";
import { type View, belonging, isGone, memberOf } from "../core/membership.ts";
import type { Message, ReplicaPut, ReplicaPutReply } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { reads } from "../core/versions.ts";
import type { History, KeyHistory, Operation } from "./history.ts";
import { noted } from "./noted.ts";
import type { HostState } from "./simulator.ts";

/** What is durable on a disk now. */
export interface WatchedDisk {
  readonly commitsWaiting: number;
  get(store: RecordStore, address: string): StoredRecord | undefined;
  /** What would be left were the power to fail; the same where nobody cuts it. */
  flushed?(store: RecordStore, address: string): StoredRecord | undefined;
  count(store: RecordStore): number;
  /** Behind `after` and before `before`, in order. */
  addresses(store: RecordStore, after: string, before: string): Iterable<string>;
}

/** What the judges look at; a `Simulator` is one. */
export interface Watched {
  readonly now: Millis;
  /** All nodes that there ever were. */
  readonly nodes: readonly NodeId[];
  readonly running: readonly NodeId[];
  /** Light clients that run, and how many there ever were. */
  readonly lights?: readonly NodeId[];
  readonly lightsEver?: number;
  nameOf(node: NodeId): string;
  stateOf(node: NodeId): HostState;
  configOf(node: NodeId): Config;
  diskOf(node: NodeId): WatchedDisk;
  inspect(node: NodeId): NodeView | undefined;
  /** What it sees of the cluster; cheap, unlike `inspect`. */
  viewOf(node: NodeId): View | undefined;
  /** What a running node has acknowledged and has in its memory alone. */
  buffered?(node: NodeId): readonly (readonly [Key, DvvSet])[];
}

export type Invariant =
  | "no-lost-write"
  | "no-vanishing"
  | "no-fabrication"
  | "unique-dots"
  | "durable-before-ack"
  | "copies-kept"
  | "disk-monotonic"
  | "no-resurrection"
  | "convergence"
  | "served"
  | "read-your-writes"
  | "departure"
  | "strict-quorum"
  | "routing"
  | "protocol"
  | "placement"
  | "quiet"
  | "admission"
  | "accusation"
  | "insistence"
  | "catch-up"
  | "late-frame"
  | "statistics"
  | "archive"
  | "look-back"
  | "bounded"
  | "answered";

/** An invariant does not hold: the run ends here. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly invariant: Invariant;
  constructor(invariant: Invariant, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

/** An operation in a message to people: `put 12 of carts/ada (3f9a0c)`. */
function named(operation: Operation): string {
  return `put ${operation.index} of ${operation.key} (${operation.operation.slice(0, 6)})`;
}

const positions = new Map<Key, Position>();
const POSITIONS_MAX = 10_000;

function positionFor(key: Key): Position {
  let position = positions.get(key);
  if (position === undefined) {
    if (positions.size >= POSITIONS_MAX) positions.clear();
    positions.set(key, (position = positionOf(key)));
  }
  return position;
}

const TO_KEEP_MAX = 10_000;

/** These know, all together, what the other one knows. */
function holdTogether(sets: readonly DvvSet[], other: DvvSet): boolean {
  const all = sets.reduce(sync, EMPTY);
  return equal(sync(all, other), all);
}

function isAnswer({ kind }: Message): boolean {
  return kind.endsWith("-reply") || kind === "transfer-page" || kind === "archive-page";
}

function keyAt(store: RecordStore, address: string): Key {
  if (store === "records") return keyOfRecord(address);
  return store === "hints" ? parseHintAddress(address).key : parseHistoryAddress(address).key;
}

/** The record and all hints of a key that are durable on this disk; `flushed`: that a power failure would leave there. */
export function setsOnDisk(disk: WatchedDisk, key: Key, flushed = false): DvvSet[] {
  const record = readerOf(disk, flushed)("records", recordAddress(key, positionFor(key)));
  const hints = hintsOnDisk(disk, key, flushed);
  return record === undefined ? hints : [record.set, ...hints];
}

function readerOf(
  disk: WatchedDisk,
  flushed: boolean,
): (store: RecordStore, address: string) => StoredRecord | undefined {
  return (store, address) =>
    flushed && disk.flushed !== undefined ? disk.flushed(store, address) : disk.get(store, address);
}

/** All hints of a key that are durable on this disk. */
function hintsOnDisk(disk: WatchedDisk, key: Key, flushed = false): DvvSet[] {
  const read = readerOf(disk, flushed);
  const sets: DvvSet[] = [];
  if (disk.count("hints") === 0) return sets;
  const lowest = hintAddress(key, positionFor(key), "" as NodeId);
  for (const address of disk.addresses("hints", lowest, `${lowest}g`)) {
    if (parseHintAddress(address).key !== key) continue;
    const hint = read("hints", address);
    if (hint !== undefined) sets.push(hint.set);
  }
  return sets;
}

export class Checkers {
  readonly #history: History;
  readonly #judged = new WeakSet<DvvSet>();
  readonly #answered = new Set<string>();
  /** Store and address of what each node has asked its disk to remove. */
  readonly #lettingGo = new Map<NodeId, Set<string>>();
  /** Who has lost with its memory what it had acknowledged, and must say so when it starts again. */
  readonly #mustReport = new Set<NodeId>();
  /** By which epoch each node last asked each peer to address it, and which epochs before that are over: when it asks gently, those that the peer still uses are not. */
  readonly #told = new Map<NodeId, Map<NodeId, { asked: Epoch; oldest: Epoch }>>();
  /** What each node has asked others since it started, and by which epochs it asked to be addressed. */
  readonly #asked = new Map<NodeId, { readonly requests: Set<RequestId>; readonly epochs: Set<Epoch> }>();
  /** What each node had acknowledged from memory after its last step, and every record that was ever given to a disk. */
  readonly #inMemory = new Map<NodeId, readonly (readonly [Key, DvvSet])[]>();
  readonly #givenToDisk = new WeakSet<DvvSet>();
  /** What each node is to keep and has not answered, by who asks and the number of the request; the latest last. */
  readonly #toKeep = new Map<NodeId, Map<string, ReplicaPut>>();
  #simulator: Watched | undefined;
  #restSince: Millis | undefined;
  #restDigest: RingDigest | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  /** To be called once, before anything is checked. */
  watch(simulator: Watched): void {
    this.#simulator = simulator;
  }

  /** Every record that this step stores, sends or answers with. */
  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "started") {
      this.#lettingGo.set(node, new Set());
      this.#told.set(node, new Map());
      this.#asked.set(node, { requests: new Set(), epochs: new Set() });
      this.#toKeep.set(node, new Map());
      this.#inMemory.delete(node);
      this.#checkReport(node, effects);
    } else if (event.kind === "message-received") {
      this.#checkLateness(node, event, effects);
      if (event.message.kind === "replica-put") this.#onToKeep(node, event.from, event.message);
    }
    const gently = noted(effects, "epochs-renewed");
    for (const effect of effects) {
      switch (effect.kind) {
        case "store":
          for (const write of effect.writes) {
            if (write.store === "meta" || write.store === "leaves" || write.address === COVERED_ADDRESS) continue;
            if (write.record === null) {
              this.#lettingGo.get(node)?.add(`${write.store} ${write.address}`);
              continue;
            }
            const key = keyAt(write.store, write.address);
            this.judge(key, write.record.set, node, "stores");
            this.#givenToDisk.add(write.record.set);
          }
          break;
        case "send": {
          const { message } = effect;
          this.#checkAnswer(node, effect);
          if (message.kind === "ping" || message.kind === "pong") this.#onTold(node, effect.to, message.epoch, gently);
          else if (message.kind === "replica-put") this.judge(message.key, message.set, node, "sends");
          else if (message.kind === "replica-put-reply") this.#checkKept(node, effect.to, message);
          else if (message.kind === "transfer-page" || message.kind === "fetch-reply")
            for (const record of message.records) this.judge(record.key, record.set, node, "copies");
          else if (message.kind === "archive-page")
            for (const record of message.records) this.judge(record.key, record.set, node, "copies", true);
          break;
        }
        case "reply": {
          const request = `${node} ${effect.request}`;
          if (this.#answered.has(request))
            throw new InvariantViolation("answered", `${this.#name(node)} answered request ${effect.request} twice`);
          this.#answered.add(request);
          break;
        }
        case "note":
          if (effect.note.what === "tombstone-reaped")
            this.#history.keys.get(effect.note.key)?.onReaped(effect.note.clock);
          break;
        case "scan":
          if (effect.store === "records") this.#checkScan(node, effect);
          break;
        case "connect":
        case "disconnect":
        case "load":
        case "bucket-set":
        case "load-leaves":
        case "report-statistics":
        case "report-change":
        case "report-sizes":
        case "gathered":
          break;
        case "departed":
          this.#checkLeftBehind(node);
          break;
      }
    }
    this.#inMemory.set(node, this.#watched().buffered?.(node) ?? []);
  }

  /** Its host may throw the disk away from now on. */
  #checkLeftBehind(node: NodeId): void {
    const disk = this.#disk(node);
    const records = disk.count("records");
    const hints = disk.count("hints");
    if (records + hints > 0)
      throw new InvariantViolation(
        "departure",
        `${this.#name(node)} has departed with ${records} records and ${hints} hints on its disk`,
      );
  }

  /** An answer to an earlier start of the asker must not reach the present one, which may count its requests alike. */
  #checkAnswer(node: NodeId, { to, epoch, message }: Effect & { kind: "send" }): void {
    if (message.kind === "ping" || message.kind === "pong") this.#asked.get(node)?.epochs.add(message.epoch);
    else if ("request" in message && !isAnswer(message)) this.#asked.get(node)?.requests.add(message.request);
    else if ("request" in message) {
      const asked = this.#asked.get(to);
      if (asked?.epochs.has(epoch) !== true || asked.requests.has(message.request)) return;
      throw new InvariantViolation(
        "late-frame",
        `${this.#name(node)} answers ${this.#name(to)} with a ${message.kind} to request ${message.request}, which an earlier start of it asked`,
      );
    }
  }

  /** A scan sees what was given to the disk before it: that must be all that the node had acknowledged from memory before this step. */
  #checkScan(node: NodeId, { after, before }: Effect & { kind: "scan" }): void {
    for (const [key, set] of this.#inMemory.get(node) ?? []) {
      const address = recordAddress(key, positionFor(key));
      if (address <= after || address >= before || this.#givenToDisk.has(set)) continue;
      throw new InvariantViolation(
        "durable-before-ack",
        `${this.#name(node)} looks through its records, and will not see ${key}, which it has acknowledged from memory`,
      );
    }
  }

  #onToKeep(node: NodeId, from: NodeId, put: ReplicaPut): void {
    const toKeep = this.#toKeep.get(node);
    if (toKeep === undefined) return;
    toKeep.delete(`${from} ${put.request}`);
    toKeep.set(`${from} ${put.request}`, put);
    const [oldest] = toKeep.keys();
    if (toKeep.size > TO_KEEP_MAX && oldest !== undefined) toKeep.delete(oldest);
  }

  /** What has gone from its disk without its knowledge is not its fault: what is there must be flushed. */
  #checkKept(node: NodeId, to: NodeId, { request, outcome, durability }: ReplicaPutReply): void {
    const put = this.#toKeep.get(node)?.get(`${to} ${request}`);
    if (put === undefined || outcome === "refused") return;
    this.#toKeep.get(node)?.delete(`${to} ${request}`);
    const { key, set, purpose } = put;
    const kept = `${this.#name(node)} keeps a ${purpose} of ${key} for ${this.#name(to)}`;
    if (purpose !== "write" && durability !== "strict")
      throw new InvariantViolation("durable-before-ack", `${kept} ${durability}, so that a power failure may take it`);
    if (durability !== "strict") return;
    const [there, flushed] = [setsOnDisk(this.#disk(node), key), setsOnDisk(this.#disk(node), key, true)];
    const same = there.length === flushed.length && there.every((each, i) => each === flushed[i]);
    if (same || !holdTogether(there, set) || holdTogether(flushed, set)) return;
    throw new InvariantViolation("durable-before-ack", `${kept} strictly, but a power failure would take it`);
  }

  #onTold(node: NodeId, peer: NodeId, epoch: Epoch, gently: boolean): void {
    const told = this.#told.get(node);
    const known = told?.get(peer);
    if (known === undefined || (epoch > known.asked && !gently)) told?.set(peer, { asked: epoch, oldest: epoch });
    else known.asked = Math.max(known.asked, epoch);
  }

  /** What is addressed to an epoch that is over by the node's own word must be dropped, whatever it says. */
  #checkLateness(
    node: NodeId,
    { from, epoch, message }: NodeEvent & { kind: "message-received" },
    effects: readonly Effect[],
  ): void {
    const told = this.#told.get(node)?.get(from);
    if (told !== undefined && epoch >= told.asked) told.oldest = told.asked;
    if (message.kind === "ping" || message.kind === "pong") return;
    // Who is still starting answers nobody and drops everything, without a word.
    if (told === undefined || epoch >= told.oldest || this.#watched().inspect(node)?.phase === "starting") return;
    const dropped = effects.some(
      (effect) => effect.kind === "note" && effect.note.what === "late-dropped" && effect.note.from === from,
    );
    if (!dropped)
      throw new InvariantViolation(
        "late-frame",
        `${this.#name(node)} believed a ${message.kind} of ${this.#name(from)} to its epoch ${epoch}, having asked for ${told.asked}`,
      );
  }

  /** A record changes on a disk. */
  onApplied(
    node: NodeId,
    store: RecordStore,
    address: string,
    before: StoredRecord | null,
    after: StoredRecord | null,
  ): void {
    // What was replaced may be forgotten: `archivist.ts` judges what a look back shows.
    if (store === "history") return;
    const lettingGo = this.#lettingGo.get(node)?.delete(`${store} ${address}`) === true;
    if (before === null || (after !== null && descends(after.set.clock, before.set.clock))) return;
    // A removal that failed is made good by the next write there, which begins anew.
    if (after !== null && !lettingGo)
      throw new InvariantViolation(
        "disk-monotonic",
        `${this.#name(node)} overwrote ${store} ${address} with a record that knows less`,
      );
    const key = store === "records" ? keyOfRecord(address) : parseHintAddress(address).key;
    const history = this.#history.keys.get(key);
    if (history !== undefined && store === "records" && after === null) this.#checkReaped(history, node, before.set);
    if (history === undefined || history.lastWriteWins) return;
    for (const operation of history.operations) {
      if (
        operation.reaped ||
        operation.acknowledged === undefined ||
        operation.forgiven ||
        !history.shows(before.set, operation)
      )
        continue;
      // The disk has let go already: what is left is what counts.
      const left = this.copies(operation);
      const most = this.#ownersOf(node, key);
      if (left + operation.copiesLost >= Math.min(operation.acknowledged.needed, most)) continue;
      throw new InvariantViolation(
        "copies-kept",
        `${this.#name(node)} let go of its ${store === "hints" ? `hint for ${this.#name(parseHintAddress(address).target)}` : "record"} and left ${left} copies of ${named(operation)}, ${operation.acknowledged.needed} were promised`,
      );
    }
  }

  /** A tombstone goes: no disk has anything that it covers. */
  #checkReaped(history: KeyHistory, node: NodeId, set: DvvSet): void {
    if (!isDeleted(set) || !descends(history.reapedClock, set.clock)) return;
    const simulator = this.#watched();
    for (const other of simulator.nodes) {
      if (simulator.stateOf(other) === "wiped") continue;
      for (const left of setsOnDisk(simulator.diskOf(other), history.key)) {
        const back = history.backFromTheDead(left);
        if (back === undefined) continue;
        throw new InvariantViolation(
          "no-resurrection",
          `${this.#name(node)} reaped a tombstone of ${history.key}, while ${named(back)}, which it covers, is still on the disk of ${this.#name(other)}`,
        );
      }
    }
  }

  /** A disk is about to be lost: what the budget forgives is written off now. Returns how many acknowledged puts that were. */
  onWipe(node: NodeId): number {
    let forgiven = 0;
    for (const history of this.#history.keys.values()) {
      if (history.lastWriteWins) continue;
      for (const operation of history.operations) {
        if (!this.#shows(history, node, operation)) continue;
        operation.copiesLost++;
        if (operation.acknowledged === undefined || operation.acknowledged.needed > 1) continue;
        operation.forgiven = true;
        forgiven++;
      }
    }
    return forgiven;
  }

  /** A node has ended, and its memory with what was in it alone. Such copies were promised no better; but nobody may keep quiet about them. */
  onEnded(node: NodeId, buffered: readonly (readonly [Key, DvvSet])[]): void {
    const how = `${this.#name(node)} had it in its memory alone and ended`;
    for (const [key, set] of buffered) if (this.#lostFromMemory(node, key, set, how)) this.#mustReport.add(node);
  }

  /** Its disk is an earlier one: it may not know that it acknowledged anything from memory since. */
  onOldDisk(node: NodeId): void {
    this.#mustReport.delete(node);
  }

  /** The disk of a node has refused what it had acknowledged from memory. To be called before the step in which it says so. */
  onBufferLost(node: NodeId, key: Key): void {
    const how = `${this.#name(node)} had it in its memory alone, and its disk refused it`;
    for (const [held, set] of this.#inMemory.get(node) ?? [])
      if (held === key) this.#lostFromMemory(node, key, set, how);
  }

  /** What was in this record, and in no other at the node, is lost there. True when anything was. */
  #lostFromMemory(node: NodeId, key: Key, set: DvvSet, how: string): boolean {
    const history = this.#history.keys.get(key);
    if (history === undefined || history.lastWriteWins) return false;
    let lost = false;
    for (const operation of history.operations) {
      if (!history.shows(set, operation) || this.#records(operation, [node]) > 0) continue;
      lost = true;
      // A hint for another may have it still: a copy, but not one of an owner.
      if (this.hasCopy(node, operation)) operation.recordsLost++;
      else this.#lostCopy(operation, how);
    }
    return lost;
  }

  /** The power has failed: of these there is a copy less now. Returns how many acknowledged puts that forgives. */
  onPowerLost(node: NodeId, operations: readonly Operation[]): number {
    return operations.filter((operation) =>
      this.#lostCopy(operation, `the power failed before ${this.#name(node)} had flushed it`),
    ).length;
  }

  /** True when it was the last copy of something promised that may be lost so. */
  #lostCopy(operation: Operation, how: string): boolean {
    operation.copiesLost++;
    const { acknowledged, forgiven } = operation;
    if (acknowledged === undefined || forgiven || this.copies(operation) > 0) return false;
    if ((acknowledged.flushed ?? 0) > 0)
      throw new InvariantViolation(
        "no-lost-write",
        `${named(operation)} was acknowledged with ${acknowledged.flushed} strict commits, and is gone: ${how}`,
      );
    operation.forgiven = true;
    return true;
  }

  #checkReport(node: NodeId, effects: readonly Effect[]): void {
    if (!this.#mustReport.delete(node)) return;
    if (noted(effects, "buffer-lost")) return;
    throw new InvariantViolation(
      "no-lost-write",
      `${this.#name(node)} has lost what it had acknowledged from memory, and does not say so`,
    );
  }

  /**
   * A caller was told that its put succeeded; `owners`: with how many acknowledgements of owners that hold the partition, `strict`: of strict commits.
   */
  onAcknowledged(operation: Operation, needed: number, owners = 0, strict = 0): void {
    // Its answer was on its way when everything that it deleted was gone for good, and it with that.
    if (operation.reaped || this.#history.of(operation.key).lastWriteWins) return;
    const copies = this.copies(operation);
    if (copies + operation.copiesLost < needed)
      throw new InvariantViolation(
        "durable-before-ack",
        `${named(operation)} was acknowledged with ${needed} promised copies, but is on ${copies} disks`,
      );
    const records = owners === 0 ? 0 : this.#records(operation);
    if (records + operation.copiesLost + operation.recordsLost < owners)
      throw new InvariantViolation(
        "durable-before-ack",
        `${named(operation)} was acknowledged by ${owners} owners, but is in ${records} records, hints left out`,
      );
    const flushed = strict === 0 ? 0 : this.#flushed(operation);
    if (flushed + operation.copiesLost < strict)
      throw new InvariantViolation(
        "durable-before-ack",
        `${named(operation)} was acknowledged with ${strict} strict commits, but a power failure would leave ${flushed}`,
      );
    // The answer was on its way when what it promised was lost.
    if (operation.copiesLost >= needed) operation.forgiven = true;
  }

  /** On how many disks it would be left were the power to fail now. */
  #flushed(operation: Operation): number {
    const simulator = this.#watched();
    const history = this.#history.of(operation.key);
    return simulator.nodes.filter((node) => {
      if (simulator.stateOf(node) === "wiped") return false;
      return setsOnDisk(this.#disk(node), operation.key, true).some((set) => history.shows(set, operation));
    }).length;
  }

  /** On how many disks, lost ones not counted, the operation or something that replaced it is durable; or in whose memory, if it has been acknowledged so. */
  copies(operation: Operation): number {
    return this.#watched().nodes.filter((node) => this.hasCopy(node, operation)).length;
  }

  hasCopy(node: NodeId, operation: Operation): boolean {
    if (this.#watched().stateOf(node) === "wiped") return false;
    const history = this.#history.of(operation.key);
    return this.#shows(history, node, operation) || this.#buffers(history, node, operation);
  }

  /** The same of records alone, without hints. */
  #records(operation: Operation, nodes = this.#watched().nodes): number {
    const simulator = this.#watched();
    const history = this.#history.of(operation.key);
    const address = recordAddress(operation.key, positionFor(operation.key));
    return nodes.filter((node) => {
      if (simulator.stateOf(node) === "wiped") return false;
      const record = this.#disk(node).get("records", address);
      return (record !== undefined && history.shows(record.set, operation)) || this.#buffers(history, node, operation);
    }).length;
  }

  /** How many nodes own a key as this one sees it: a founder without capacity lets go when the only other node has all. */
  #ownersOf(node: NodeId, key: Key): number {
    const view = this.#watched().viewOf(node);
    if (view === undefined) return Infinity;
    return new Ring(view).preferenceList(partitionOf(positionFor(key), view.claims.length)).owners.length;
  }

  /** A record that a node stores, sends or answers with. `past`: as what has been, which may be told when it is deleted and reaped. */
  judge(key: Key, set: DvvSet, node: NodeId, does: string, past = false): void {
    const history = this.#history.keys.get(key);
    const where = `${this.#name(node)} ${does} a record of ${key}`;
    const back = past ? undefined : history?.backFromTheDead(set);
    if (back !== undefined)
      throw new InvariantViolation("no-resurrection", `${where} with ${named(back)}, whose tombstone was reaped`);
    if (this.#judged.has(set)) return;
    this.#judged.add(set);
    if (history === undefined) {
      if (set.siblings.length === 0) return;
      throw new InvariantViolation("no-fabrication", `${where}, which nobody wrote`);
    }
    this.#judgeSiblings(history, set, where);
    if (history.lastWriteWins) return;
    this.#judgeClock(history, set, where);
    this.#judgeMaximality(history, set, where);
  }

  /** Each sibling is something that somebody put, under dots that are its own. */
  #judgeSiblings(history: KeyHistory, set: DvvSet, where: string): void {
    let previous = "";
    for (const sibling of set.siblings) {
      const operation = history.byId.get(sibling.operation);
      if (operation === undefined)
        throw new InvariantViolation("no-fabrication", `${where} with an operation that nobody put`);
      if (sibling.operation <= previous)
        throw new InvariantViolation(
          "no-fabrication",
          `${where} in which ${named(operation)} stands twice or out of order`,
        );
      previous = sibling.operation;
      const same =
        sibling.value === operation.value ||
        (sibling.value !== null && operation.value !== null && bytesEqual(sibling.value, operation.value));
      if (!same || sibling.checksum !== (sibling.value === null ? 0 : crc32(sibling.value)))
        throw new InvariantViolation("no-fabrication", `${where} in which ${named(operation)} has another value`);
      if (sibling.dots.length === 0)
        throw new InvariantViolation("no-fabrication", `${where} in which ${named(operation)} has no dot`);
      for (const dot of sibling.dots) {
        if (!covers(set.clock, dot))
          throw new InvariantViolation("no-fabrication", `${where} whose clock does not cover ${named(operation)}`);
        let dots = history.dots.get(dot.actor);
        if (dots === undefined) history.dots.set(dot.actor, (dots = []));
        const known = dots[dot.counter - 1];
        if (known !== undefined && known !== operation)
          throw new InvariantViolation(
            "unique-dots",
            `${where} in which dot ${dot.actor.slice(0, 6)}…${dot.actor.slice(-4)}:${dot.counter} is ${named(operation)}, but it was ${named(known)}`,
          );
        dots[dot.counter - 1] = operation;
      }
    }
  }

  /** Each dot that the clock covers was minted, and its operation is here or was seen by what is here. */
  #judgeClock(history: KeyHistory, set: DvvSet, where: string): void {
    const seen = history.seenIn(set);
    for (const { actor, counter } of set.clock) {
      const dots = history.dots.get(actor);
      for (let i = 0; i < counter; i++) {
        const operation = dots?.[i];
        if (operation === undefined)
          throw new InvariantViolation(
            "no-fabrication",
            `${where} whose clock covers dot ${actor.slice(0, 6)}…${actor.slice(-4)}:${i + 1}, which nobody minted`,
          );
        if (!seen.has(operation.index))
          throw new InvariantViolation(
            "no-vanishing",
            `${where} in which ${named(operation)} is gone, though nothing in it had seen that put`,
          );
      }
    }
  }

  /** No sibling was replaced by a context that another one carried. */
  #judgeMaximality(history: KeyHistory, set: DvvSet, where: string): void {
    if (set.siblings.length < 2) return;
    for (const sibling of set.siblings) {
      for (const other of set.siblings) {
        if (other === sibling) continue;
        const replacing = history.byId.get(other.operation)!;
        if (!sibling.dots.every((dot) => covers(replacing.context, dot))) continue;
        const replaced = history.byId.get(sibling.operation)!;
        throw new InvariantViolation(
          "no-fabrication",
          `${where} in which ${named(replaced)} stands beside ${named(replacing)}, which replaced it`,
        );
      }
    }
  }

  /** Undefined when the cluster has come to rest and agrees; else what is missing. */
  unsettled(): string | undefined {
    const simulator = this.#watched();
    let ring: Ring | undefined;
    for (const node of simulator.running) {
      const name = this.#name(node);
      const view = simulator.inspect(node);
      if (view?.view === undefined || view.phase !== "member") return `${name} is ${view?.phase ?? "down"}`;
      ring ??= new Ring(view.view);
      if (view.ringDigest !== ring.digest) return `${name} sees another ring`;
      const up = new Set(view.peers.flatMap((peer) => (peer.reachability === "up" ? [peer.node] : [])));
      const unseen = simulator.running.find((other) => other !== node && !up.has(other));
      if (unseen !== undefined) return `${name} does not reach ${this.#name(unseen)}`;
      if (view.transfers.length > 0) return `${name} copies ${view.transfers.length} partitions`;
      if (view.requests > 0) return `${name} has ${view.requests} requests under way`;
      const { puts = 0, gets = 0, handOvers = 0 } = view.sizes;
      if (puts + gets + handOvers > 0)
        return `${name} still works on ${puts} puts, ${gets} gets and ${handOvers} hand-overs`;
      for (const { target, count } of view.hints) {
        const entry = memberOf(view.view, target);
        const isOver = entry !== undefined && isGone(entry);
        if (isOver || simulator.stateOf(target) !== "wiped")
          return `${name} owes ${count} hints to ${this.#name(target)}`;
      }
      if (simulator.diskOf(node).commitsWaiting > 0) return `${name} still writes`;
    }
    if (ring === undefined) return undefined;
    for (const light of simulator.lights ?? []) {
      const view = simulator.inspect(light);
      if (view?.ringDigest !== ring.digest) return `${this.#name(light)}, a light client, sees another ring`;
      if (view.requests > 0) return `${this.#name(light)} has ${view.requests} requests under way`;
    }
    for (const key of this.#history.keys.keys()) {
      const different = this.#different(ring, key) ?? this.#unreaped(ring, key);
      if (different !== undefined) return different;
    }
    return undefined;
  }

  /** How long the cluster has been at rest without a break, by what is seen at each call; and what is missing, if anything. */
  rest(): { readonly sinceMs: number; readonly missing: string | undefined } {
    const simulator = this.#watched();
    const missing = this.unsettled();
    const first = simulator.running[0];
    const digest = first === undefined ? undefined : simulator.inspect(first)?.ringDigest;
    if (missing !== undefined || digest !== this.#restDigest) this.#restSince = undefined;
    this.#restDigest = digest;
    if (missing === undefined) this.#restSince ??= simulator.now;
    return { sinceMs: simulator.now - (this.#restSince ?? simulator.now), missing };
  }

  /** No acknowledged write is lost: to be called when all is settled. */
  checkNothingLost(): void {
    const simulator = this.#watched();
    const first = simulator.running[0];
    const view = first === undefined ? undefined : simulator.inspect(first)?.view;
    if (view === undefined) return;
    const ring = new Ring(view);
    for (const history of this.#history.keys.values()) {
      if (history.lastWriteWins) continue;
      const owners = this.#livingOwners(ring, history.key);
      for (const operation of history.operations) {
        if (operation.acknowledged === undefined || operation.forgiven || operation.reaped) continue;
        this.#checkNothingBack(history, owners, operation);
        const without = owners.filter((owner) => !this.#shows(history, owner, operation));
        if (owners.length > 0 ? without.length === 0 : this.copies(operation) > 0) continue;
        throw new InvariantViolation(
          "no-lost-write",
          `${named(operation)}, acknowledged at ${operation.acknowledged.at} by ${this.#name(operation.acknowledged.coordinator)}, is not at ${without.map((node) => this.#name(node)).join(" ")} (${this.copies(operation)} copies are left)`,
        );
      }
    }
  }

  /**
   * What an acknowledged put or delete has replaced is not to be seen again: no dot that its context covered. A retry that comes after its first
   * attempt was replaced is another matter: it has a dot of its own, which nobody had seen.
   */
  #checkNothingBack(history: KeyHistory, owners: readonly NodeId[], operation: Operation): void {
    for (const owner of owners) {
      const set = this.#disk(owner).get("records", recordAddress(history.key, positionFor(history.key)))?.set;
      const back = set?.siblings.find((sibling) => {
        const own = history.byId.get(sibling.operation);
        return own !== operation && sibling.dots.some((dot) => covers(operation.context, dot));
      });
      if (back === undefined) continue;
      throw new InvariantViolation(
        "no-resurrection",
        `${named(history.byId.get(back.operation)!)} is back at ${this.#name(owner)}, though ${named(operation)}${operation.value === null ? ", a delete," : ""} had replaced it`,
      );
    }
  }

  /** Tables of all running nodes are within their limits. */
  checkBounds(): void {
    const simulator = this.#watched();
    const peersMax = simulator.nodes.length + (simulator.lightsEver ?? 0);
    for (const node of [...simulator.running, ...(simulator.lights ?? [])]) {
      const config = simulator.configOf(node);
      const view = simulator.inspect(node);
      if (view === undefined) continue;
      const members = view.view?.members.length ?? 1;
      const partitions = view.view?.claims.length ?? 1;
      const {
        hints = 0,
        peers = 0,
        puts = 0,
        gets = 0,
        forwarded = 0,
        greeted = 0,
        timers = 0,
        limited = 0,
        recentWrites = 0,
        positions = 0,
        gatherings = 0,
        archivePages = 0,
      } = view.sizes;
      const limits: readonly (readonly [string, number, number])[] = [
        ["requests", view.requests, config.requestsMax + members],
        ["hints", hints, config.hintsMax],
        ["hints owed", view.hintsOwed, config.hintsMax],
        ["transfers", view.transfers.length, config.transfersInFlightMax],
        ["peers", peers, peersMax],
        ["greeted", greeted, peersMax],
        ["limited", limited, peersMax],
        ["recent writes", recentWrites, Math.max(config.recentWritesMax, partitions)],
        ["positions in logs", positions, 64 * partitions],
        ["gatherings", gatherings, 64],
        ["archive pages", archivePages, 64],
        ["puts", puts, config.requestsMax],
        ["gets", gets, 2 * config.requestsMax],
        ["forwarded", forwarded, config.requestsMax],
        ["timers", timers, 4 * config.requestsMax + 1_000],
      ];
      for (const [name, size, most] of limits) {
        if (size > most)
          throw new InvariantViolation(
            "bounded",
            `${this.#name(node)} has ${size} ${name}, at most ${most} are allowed`,
          );
      }
    }
  }

  #different(ring: Ring, key: Key): string | undefined {
    const simulator = this.#watched();
    const address = recordAddress(key, positionFor(key));
    let first: DvvSet | undefined;
    let firstOwner: NodeId | undefined;
    for (const owner of this.#livingOwners(ring, key)) {
      const set = simulator.diskOf(owner).get("records", address)?.set ?? { clock: [], siblings: [] };
      if (firstOwner === undefined) {
        first = set;
        firstOwner = owner;
      } else if (!equal(first!, set))
        return `${this.#name(firstOwner)} and ${this.#name(owner)} hold different records of ${key}`;
    }
    return undefined;
  }

  /** Where tombstones are reaped, all are in the end, when every member can be asked. */
  #unreaped(ring: Ring, key: Key): string | undefined {
    const simulator = this.#watched();
    const members = belonging(ring.view);
    const isOn = members.every(({ node }) => {
      const { reapAfterMs, protocolMax, writesProtocol } = simulator.configOf(node);
      return reapAfterMs < Number.POSITIVE_INFINITY && reads(Math.min(protocolMax, writesProtocol), "reap-drop");
    });
    if (!isOn || members.some(({ node }) => simulator.stateOf(node) !== "running")) return undefined;
    const address = recordAddress(key, positionFor(key));
    const having = members.find(({ node }) => {
      const record = simulator.diskOf(node).get("records", address);
      return record !== undefined && isDeleted(record.set);
    });
    return having === undefined ? undefined : `${this.#name(having.node)} has a tombstone of ${key}`;
  }

  #livingOwners(ring: Ring, key: Key): NodeId[] {
    const simulator = this.#watched();
    const partition = partitionOf(positionFor(key), ring.view.claims.length);
    return ring.preferenceList(partition).owners.filter((owner) => simulator.stateOf(owner) !== "wiped");
  }

  #shows(history: KeyHistory, node: NodeId, operation: Operation): boolean {
    return setsOnDisk(this.#disk(node), history.key).some((set) => history.shows(set, operation));
  }

  #buffers(history: KeyHistory, node: NodeId, operation: Operation): boolean {
    const buffered = this.#watched().buffered?.(node) ?? [];
    return buffered.some(([key, set]) => key === history.key && history.shows(set, operation));
  }

  #disk(node: NodeId): WatchedDisk {
    return this.#watched().diskOf(node);
  }

  #name(node: NodeId): string {
    return this.#simulator?.nameOf(node) ?? node.slice(0, 6);
  }

  #watched(): Watched {
    if (this.#simulator === undefined) throw new Error("nothing is watched");
    return this.#simulator;
  }
}
