/**
 * Whoever exports and looks back while things go wrong: gathers some partitions at drawn times at a node that runs, writes what comes into an archive, reads
 * it back, and judges it by what callers did (`history.ts`):
 *
 *   archive   every put that was acknowledged before the last attempt at its partition began is in the archive, or what replaced it, if as many nodes
 *             that the exporter has heard of had it as the part says that it covers; what is in it reads back as it was written; once all is at rest it
 *             is what the owners hold, and nothing but what can never answer is missing
 *
 *   look-back every put that had been acknowledged at the moment that is looked back at is in what is found, or what had replaced it by then, if the part
 *             says that it covers that moment; and nothing that was written later. Callers have right clocks there, whatever their nodes have
 *
 * That nothing in it is made up, that siblings are maximal and clocks cover only what was seen is judged as for any other record (`checkers.ts`).
 *
 * One gathering at each node at a time; a part that is not done when its node ends is left.
 */

import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { type DvvSet, equal, sync } from "../core/dvvset.ts";
import type { Effect } from "../core/effect.ts";
import type { GatheredPart, GatheredRecord, Gathering } from "../core/gathering.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import { stateAt } from "../core/look-back.ts";
import { Ring } from "../core/ring.ts";
import { isOlder } from "./mixed-versions.ts";
import { type ArchivePiece, ArchiveReader, ArchiveWriter } from "../wire/archive.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { type Checkers, InvariantViolation } from "./checkers.ts";
import type { History, Operation } from "./history.ts";
import { type Simulator, WALL_START } from "./simulator.ts";
import type { Sometimes } from "./sometimes.ts";

const PARTITIONS_MAX = 4;
const PARTITIONS_AT_REST_MAX = 12;
const PART_TIMEOUTS_MS: readonly Millis[] = [500, 3_000, 20_000];

interface Due {
  readonly operation: Operation;
  /** Nodes that had it when it was acknowledged, without those of whom the exporter has never heard: these it cannot ask. */
  readonly needed: number;
}

interface Export {
  readonly node: NodeId;
  /** Virtual time that is looked back at; undefined for an archive. */
  readonly moment: Millis | undefined;
  /** What came of each key of the part. */
  all: Map<Key, DvvSet[]>;
  readonly atRest: boolean;
  readonly partitions: Partition[];
  readonly writer: ArchiveWriter;
  readonly chunks: Uint8Array[];
  /** Of the part that is being gathered. */
  part: Partition;
  request: RequestId;
  due: readonly Due[];
  sets: Map<Key, DvvSet>;
  readonly written: Map<Key, DvvSet>;
}

export class Archivist {
  readonly #simulator: Simulator;
  readonly #history: History;
  readonly #checkers: Checkers;
  readonly #prng: Prng;
  readonly #sometimes: Sometimes;
  readonly #exports = new Map<NodeId, Export>();
  /** Whether nodes keep the past of carts. */
  readonly #keepsPast: boolean;

  constructor(
    simulator: Simulator,
    history: History,
    checkers: Checkers,
    prng: Prng,
    sometimes: Sometimes,
    keepsPast: boolean,
  ) {
    this.#keepsPast = keepsPast;
    this.#simulator = simulator;
    this.#history = history;
    this.#checkers = checkers;
    this.#prng = prng;
    this.#sometimes = sometimes;
  }

  get underWay(): number {
    return this.#exports.size;
  }

  /** Exports come at drawn times until then. */
  schedule(from: Millis, until: Millis): void {
    // A long run has about as many as three short ones.
    const meanMs = Math.floor(this.#prng.pick([500, 2_000, 8_000])! * Math.max(1, (until - from) / 100_000));
    for (let at = from + this.#prng.below(2 * meanMs); at < until; at += 1 + this.#prng.below(2 * meanMs))
      this.#simulator.after(at - this.#simulator.now, () => {
        const node = this.#prng.pick(this.#simulator.running);
        const looksBack = this.#keepsPast && this.#prng.chance(0.7);
        if (node !== undefined) this.#begin(node, PARTITIONS_MAX, false, looksBack);
      });
  }

  /** All is at rest: what is exported now is what the owners hold. */
  exportAtRest(node: NodeId): void {
    this.#exports.delete(node);
    this.#begin(node, PARTITIONS_AT_REST_MAX, true, false);
  }

  /** All is at rest: what was at some moment of the run is found still, as far as it is covered. */
  lookBackAtRest(node: NodeId): void {
    this.#exports.delete(node);
    if (this.#keepsPast) this.#begin(node, PARTITIONS_AT_REST_MAX, true, true);
  }

  onStep(node: NodeId, effects: readonly Effect[]): void {
    const own = this.#exports.get(node);
    for (const effect of effects) {
      if (effect.kind !== "note" || effect.note.what !== "gather-began" || effect.note.partition !== own?.part)
        continue;
      own.due = this.#acknowledgedIn(own.part, node);
      own.sets = new Map();
      if (effect.note.attempt > 1) this.#sometimes.reached("gathering begun again");
    }
  }

  #begin(node: NodeId, most: number, atRest: boolean, looksBack: boolean): void {
    const parameters = this.#simulator.viewOf(node)?.parameters;
    // An older build has no exports.
    if (parameters === undefined || this.#exports.has(node) || isOlder(this.#simulator.configOf(node))) return;
    const keys = [...this.#history.keys.keys()].filter((key) => !looksBack || key.startsWith("carts/"));
    const known = keys.map((key) => partitionOf(positionOf(key), parameters.partitions));
    const partitions = this.#prng.shuffled([...new Set(known)]).slice(0, most);
    const writer = new ArchiveWriter(this.#prng.hex(16));
    const head = { protocol: PROTOCOL_VERSION, cluster: "sim", parameters, exporter: node, beganAt: 0, prefix: "" };
    const chunks = [writer.head(head)];
    const { now } = this.#simulator;
    const own: Export = {
      node,
      moment: looksBack
        ? now - this.#prng.below(Math.min(now, this.#prng.pick([2_000, 20_000, 200_000, 400_000])!))
        : undefined,
      all: new Map(),
      atRest,
      partitions,
      writer,
      chunks,
      part: -1,
      request: 0,
      due: [],
      sets: new Map(),
      written: new Map(),
    };
    this.#exports.set(node, own);
    this.#next(own);
  }

  #next(own: Export): void {
    const { node } = own;
    const partition = own.partitions.shift();
    if (partition === undefined) {
      this.#exports.delete(node);
      this.#judgeArchive(own);
      this.#sometimes.reached("archive finished");
      return;
    }
    own.part = partition;
    own.due = [];
    own.sets = new Map();
    own.all = new Map();
    const timeoutMs = own.atRest ? 20_000 : this.#prng.pick(PART_TIMEOUTS_MS)!;
    const w = own.atRest || this.#prng.chance(0.7) ? undefined : 1;
    const wanted: Gathering =
      own.moment === undefined
        ? { partition, stores: ["hints", "records"], prefix: "", moment: 0, w, timeoutMs }
        : {
            partition,
            stores: ["hints", "records", "history"],
            prefix: "carts/",
            moment: WALL_START + Math.floor(own.moment),
            w,
            timeoutMs,
          };
    own.request = this.#simulator.gather(node, wanted, (what) => {
      if (this.#exports.get(node) !== own) return;
      if (what === undefined || what.outcome === "failed") {
        this.#exports.delete(node);
        return;
      }
      if (what.outcome === "page") {
        this.#take(own, what.records);
        // Sometimes a caller that takes its time.
        const pauseMs = this.#prng.chance(0.1) ? this.#prng.below(3_000) : 0;
        const { request } = own;
        this.#simulator.after(pauseMs, () => this.#simulator.gatherMore(node, request));
        return;
      }
      this.#judgePart(own, what.part);
      this.#next(own);
    });
  }

  #take(own: Export, records: readonly GatheredRecord[]): void {
    own.chunks.push(...own.writer.recordsOf(own.part, records));
    for (const { key, set } of records) {
      this.#checkers.judge(key, set, own.node, "gathers", true);
      own.all.set(key, [...(own.all.get(key) ?? []), set]);
      merge(own.sets, key, set);
      merge(own.written, key, set);
    }
  }

  #judgePart(own: Export, part: GatheredPart): void {
    const name = this.#simulator.nameOf(own.node);
    const { partition, coversW, members, attempts, unread } = part;
    assert(partition === own.part, "the part that was asked for");
    own.writer.part({ partition, beganAt: 0, endedAt: 0, coversW, attempts, members, unread });
    const w = this.#simulator.viewOf(own.node)?.parameters.w ?? 1;
    if (coversW > w) this.#sometimes.reached("gathering left some unread");
    if (own.moment !== undefined) {
      this.#judgeLookBack(own, own.moment, part, w);
      return;
    }
    for (const { operation, needed } of own.due) {
      if (operation.forgiven || operation.reaped || operation.copiesLost > 0 || needed < coversW) continue;
      const set = own.sets.get(operation.key);
      if (set !== undefined && this.#history.of(operation.key).shows(set, operation)) continue;
      throw new InvariantViolation(
        "archive",
        `an archive of ${name} with all that ${coversW} or more nodes had of partition ${partition} misses put ${operation.index} of ${operation.key} (${operation.operation.slice(0, 6)}), acknowledged before by ${needed}`,
      );
    }
    if (own.atRest) this.#judgeRest(own, part, w);
  }

  /** How many have it who were not known to be members: these nobody could ask. */
  #unheardOf(operation: Operation, members: readonly NodeId[]): number {
    const strangers = this.#simulator.nodes.filter((node) => !members.includes(node));
    return strangers.filter((node) => this.#checkers.hasCopy(node, operation)).length;
  }

  #judgeLookBack({ node, part, all }: Export, moment: Millis, { coversW, members }: GatheredPart, w: number): void {
    const { parameters } = this.#simulator.viewOf(node) ?? {};
    const at = WALL_START + Math.floor(moment);
    if (coversW > w) this.#sometimes.reached("past not covered");
    for (const history of this.#history.keys.values()) {
      const { key, operations } = history;
      if (!key.startsWith("carts/") || partitionOf(positionOf(key), parameters?.partitions ?? 1) !== part) continue;
      const state = stateAt(all.get(key) ?? [], at);
      this.#checkers.judge(key, state, node, "finds in the past", true);
      if (state.siblings.some((sibling) => sibling.at > at))
        throw new InvariantViolation("look-back", `a look back at ${key} found what was written later`);
      for (const operation of operations) {
        const { acknowledged, forgiven, reaped, copiesLost } = operation;
        if (acknowledged === undefined || Math.ceil(acknowledged.at) > moment - 1) continue;
        if (forgiven || reaped || copiesLost > 0) continue;
        if (acknowledged.needed - this.#unheardOf(operation, members) < coversW) continue;
        this.#sometimes.reached("looked back at an acknowledged put");
        if (history.shows(state, operation)) continue;
        throw new InvariantViolation(
          "look-back",
          `a look back of ${this.#simulator.nameOf(node)} to ${moment}, with all that ${coversW} or more nodes had, misses put ${operation.index} of ${key} (${operation.operation.slice(0, 6)}), acknowledged at ${acknowledged.at} by ${acknowledged.needed}`,
        );
      }
    }
  }

  /** Whoever runs answers, and all have the same. */
  #judgeRest(own: Export, { partition, members, unread }: GatheredPart, w: number): void {
    const simulator = this.#simulator;
    const older = new Set(simulator.running.filter((node) => isOlder(simulator.configOf(node))));
    const silent = unread.filter((node) => simulator.stateOf(node) === "running" && !older.has(node));
    const lost = unread.length - silent.length;
    const forgotten = [...older].find((node) => members.includes(node) && !unread.includes(node));
    if (forgotten !== undefined)
      throw new InvariantViolation(
        "archive",
        `${simulator.nameOf(own.node)} says that it has read ${simulator.nameOf(forgotten)}, whose build gives no archive`,
      );
    // With so many unread something may be missing, and it says so.
    if (unread.length >= w && unread.some((node) => older.has(node))) return;
    if (silent.length > 0 && lost < w)
      throw new InvariantViolation(
        "archive",
        `at rest ${silent.map((node) => simulator.nameOf(node)).join(" ")} gave ${simulator.nameOf(own.node)} not all of partition ${partition}`,
      );
    const view = simulator.viewOf(own.node);
    if (view === undefined) return;
    const { owners, counted } = new Ring(view).preferenceList(partition);
    if (counted.every((node) => unread.includes(node))) return;
    const owner = owners.find((each) => simulator.stateOf(each) !== "wiped");
    for (const key of this.#history.keys.keys()) {
      if (owner === undefined || partitionOf(positionOf(key), view.claims.length) !== partition) continue;
      const held = simulator.diskOf(owner).get("records", recordAddress(key, positionOf(key)))?.set;
      const set = own.sets.get(key);
      if (held === set || (held !== undefined && set !== undefined && equal(held, set))) continue;
      throw new InvariantViolation(
        "archive",
        `at rest an archive of ${simulator.nameOf(own.node)} has something else of ${key} than its owners`,
      );
    }
  }

  /** What was written is what is read. */
  #judgeArchive(own: Export): void {
    own.chunks.push(own.writer.manifest(0).bytes);
    const reader = new ArchiveReader();
    const pieces: ArchivePiece[] = own.chunks.flatMap((chunk) => reader.push(chunk));
    reader.end();
    const read = new Map<Key, DvvSet>();
    for (const piece of pieces)
      if (piece.kind === "records") for (const { key, set } of piece.records) merge(read, key, set);
    const same =
      read.size === own.written.size &&
      [...own.written].every(([key, set]) => {
        const other = read.get(key);
        return other !== undefined && equal(other, set);
      });
    if (!same) throw new InvariantViolation("archive", "an archive reads back otherwise than it was written");
  }

  #acknowledgedIn(partition: Partition, node: NodeId): Due[] {
    const view = this.#simulator.viewOf(node);
    const partitions = view?.parameters.partitions ?? 1;
    const known = new Set(view?.members.map((member) => member.node));
    // A newcomer that went before anybody who is there now had heard of it took writes alone.
    const strangers = this.#simulator.nodes.filter((other) => !known.has(other));
    const due: Due[] = [];
    for (const { key, lastWriteWins, operations } of this.#history.keys.values()) {
      if (lastWriteWins || partitionOf(positionOf(key), partitions) !== partition) continue;
      for (const operation of operations) {
        if (operation.acknowledged === undefined) continue;
        const beyond = strangers.filter((other) => this.#checkers.hasCopy(other, operation)).length;
        due.push({ operation, needed: operation.acknowledged.needed - beyond });
      }
    }
    return due;
  }
}

function merge(sets: Map<Key, DvvSet>, key: Key, set: DvvSet): void {
  const known = sets.get(key);
  sets.set(key, known === undefined ? set : sync(known, set));
}
