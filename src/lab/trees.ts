/**
 * Two Merkle trees of one partition side by side: where they differ, which keys are behind it, what it costs to even them out by walking the trees, and what it
 * would cost without trees (paper, section 4.7).
 *
 * The walk is the core's own: the cost comes from a rehearsal, in which the exchange of tree-exchange.ts asks and tree-source.ts answers, on copies of the two
 * disks, and each message is encoded as it would be sent. What nodes really said to each other is read from their flights.
 *
 * Limits: one partition (nodes compare all that they have in common at once); numbers of requests are small in a rehearsal, so that its messages may be a byte or
 * two shorter; for what was really said, the flights that the world still keeps.
 */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import { type DvvSet, EMPTY, equal, sync } from "../core/dvvset.ts";
import type { Effect, ReadRecord } from "../core/effect.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import {
  DEPTH,
  type Digest,
  FANOUT,
  type Leaf,
  MerkleForest,
  leafOf,
  recordDigest,
  subtractDigests,
} from "../core/merkle-forest.ts";
import type { Message } from "../core/message.ts";
import { Ring } from "../core/ring.ts";
import type { Completion, Surroundings } from "../core/surroundings.ts";
import { TimerTable } from "../core/timers.ts";
import { type Direction, TreeExchange } from "../core/tree-exchange.ts";
import { TreeSource } from "../core/tree-source.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { encodeMessage } from "../wire/codec.ts";
import type { LabAct } from "./acts.ts";
import { sizeOf } from "./field-map.ts";
import { standingView } from "./standing-start.ts";
import type { Flight, LabWorld, PartitionTree } from "./world.ts";

/** The same node of both trees. */
export interface Branch {
  /** 0 is the root, DEPTH a leaf. */
  readonly level: number;
  /** Among all of its level, of the whole ring. */
  readonly index: number;
  /** 0 where there is nothing. */
  readonly left: Digest;
  readonly right: Digest;
  /** Empty where both are equal, and of a leaf: nobody looks below. */
  readonly children: readonly Branch[];
}

/** lacks: it has no record. older: the other has all that it has, and more. diverged: each has something that the other has not. */
export type Standing = "has" | "lacks" | "older" | "diverged" | "damaged";

export interface KeyDifference {
  readonly key: Key;
  readonly leaf: Leaf;
  readonly left: Standing;
  readonly right: Standing;
}

export interface TreeComparison {
  readonly root: Branch;
  /** Leaves that differ, in order. */
  readonly leaves: readonly Leaf[];
  /** Keys below them whose records differ, by leaf and then by name. */
  readonly keys: readonly KeyDifference[];
}

export { DEPTH, FANOUT };

export function partitionOfKey(key: Key, partitions: number): Partition {
  return partitionOf(positionOf(key), partitions);
}

/** `count` keys of the partition, whose names begin alike. */
export function keysIn(partition: Partition, partitions: number, prefix: string, count: number): Key[] {
  const keys: Key[] = [];
  for (let i = 1; keys.length < count; i++) {
    const key = `${prefix}${i}` as Key;
    if (partitionOfKey(key, partitions) === partition) keys.push(key);
  }
  return keys;
}

/** An act, or time that passes before the next. */
export type TreeMove = LabAct | { readonly do: "wait"; readonly forMs: Millis };

/**
 * So that only trees can find it again: alone behind a cut, a node writes these keys with W = 1 and crashes before it has noted whom it owes them; back again,
 * its log of recent writes is a new one. The cut stays.
 */
export function lonelyWrites(node: string, others: readonly string[], keys: readonly Key[], value: string): TreeMove[] {
  return [
    { do: "cut", side: [node], other: others },
    ...keys.map((key) => ({ do: "put", node, key, value, context: "own", w: 1 }) as const),
    { do: "wait", forMs: 50 },
    { do: "crash", node },
    { do: "wait", forMs: 50 },
    { do: "restart", node },
    { do: "wait", forMs: 500 },
  ];
}

/** Of the same partition of the same ring. */
export function compareTrees(left: PartitionTree, right: PartitionTree): TreeComparison {
  const [mine, theirs] = [forestOf(left), forestOf(right)];
  const leaves: Leaf[] = [];
  const branch = (level: number, index: number): Branch => {
    const [own, other] = [mine.digest(level, index), theirs.digest(level, index)];
    const differs = own !== other;
    if (differs && level === DEPTH) leaves.push(index);
    const children =
      differs && level < DEPTH ? Array.from({ length: FANOUT }, (_, i) => branch(level + 1, index * FANOUT + i)) : [];
    return { level, index, left: own, right: other, children };
  };
  const root = branch(0, left.partition);
  const [here, there] = [byLeaf(left), byLeaf(right)];
  const keys = leaves.flatMap((leaf) => differences(leaf, here.get(leaf) ?? NO_RECORDS, there.get(leaf) ?? NO_RECORDS));
  return { root, leaves, keys };
}

type LeafRecords = ReadonlyMap<Key, DvvSet | undefined>;
const NO_RECORDS: LeafRecords = new Map();

function forestOf({ leaves }: PartitionTree): MerkleForest {
  const forest = new MerkleForest();
  for (const { leaf, digest } of leaves) forest.set(leaf, digest);
  return forest;
}

function byLeaf({ records, partitions }: PartitionTree): ReadonlyMap<Leaf, LeafRecords> {
  const leaves = new Map<Leaf, Map<Key, DvvSet | undefined>>();
  for (const { key, set } of records) {
    const leaf = leafOf(positionOf(key), partitions);
    let found = leaves.get(leaf);
    if (found === undefined) leaves.set(leaf, (found = new Map<Key, DvvSet | undefined>()));
    found.set(key, set);
  }
  return leaves;
}

function differences(leaf: Leaf, here: LeafRecords, there: LeafRecords): KeyDifference[] {
  return [...new Set([...here.keys(), ...there.keys()])].sort().flatMap((key) => {
    const [own, other] = [here.get(key), there.get(key)];
    // As an exchange has it: a damaged record counts as none, and is never equal to one.
    if (own !== undefined && other !== undefined && recordDigest(key, own) === recordDigest(key, other)) return [];
    return [{ key, leaf, left: standing(here, there, key), right: standing(there, here, key) }];
  });
}

function standing(of: LeafRecords, other: LeafRecords, key: Key): Standing {
  if (!of.has(key)) return "lacks";
  const [own, theirs] = [of.get(key), other.get(key)];
  if (own === undefined) return "damaged";
  if (theirs === undefined) return "has";
  const joined = sync(own, theirs);
  if (equal(joined, own)) return "has";
  return equal(joined, theirs) ? "older" : "diverged";
}

// What it costs

export interface Cost {
  readonly messages: number;
  readonly bytes: number;
}

export interface ExchangeCosts {
  /** Digests, from the root down. */
  readonly walking: Cost;
  /** The keys of the leaves that differ, with the digests of their records. */
  readonly listing: Cost;
  /** The records that differ. */
  readonly moving: Cost;
  /** In place of walking and listing: the keys of all leaves, with the digests of their records. */
  readonly listingAll: Cost;
  /** In place of everything: each sends the other all its records. */
  readonly sendingAll: Cost;
  readonly outcome: "settled" | "failed" | "unfinished";
  /** At its end both have the same. */
  readonly evened: boolean;
}

const ASKER = "1".repeat(32) as NodeId;
const ANSWERER = "2".repeat(32) as NodeId;
const EPOCH = 1;
/** Far beyond what one partition takes; an exchange that does not end is told of as such. */
const STEPS_MAX = 1_000_000;

type Part = "walking" | "listing" | "moving";
function partOf(kind: Message["kind"]): Part {
  if (kind === "tree-request" || kind === "tree-reply") return "walking";
  return kind === "leaf-request" || kind === "leaf-reply" ? "listing" : "moving";
}

/** What it takes that both have what either has, when the left one asks. */
export function costsOf(left: PartitionTree, right: PartitionTree): ExchangeCosts {
  const spent = {
    walking: { messages: 0, bytes: 0 },
    listing: { messages: 0, bytes: 0 },
    moving: { messages: 0, bytes: 0 },
  };
  const rehearsal = new Rehearsal(left, right, (message) => {
    const part = spent[partOf(message.kind)];
    part.messages++;
    part.bytes += encodeMessage(message, EPOCH).length;
  });
  const { outcome, evened } = rehearsal.run("both");
  return { ...spent, listingAll: costOfListing(left, right), sendingAll: costOfSending(left, right), outcome, evened };
}

function costOf(messages: readonly Message[]): Cost {
  return {
    messages: messages.length,
    bytes: messages.reduce((sum, message) => sum + encodeMessage(message, EPOCH).length, 0),
  };
}

/** A question for each leaf that either has something in, and what the right one says. */
function costOfListing(left: PartitionTree, right: PartitionTree): Cost {
  const [here, there] = [byLeaf(left), byLeaf(right)];
  const leaves = [...new Set([...here.keys(), ...there.keys()])];
  return costOf(
    leaves.flatMap((leaf, i): Message[] => {
      const records = [...(there.get(leaf) ?? NO_RECORDS)].map(([key, set]) => ({ key, digest: digestOf(key, set) }));
      return [
        { kind: "leaf-request", request: i + 1, leaf, after: "" },
        { kind: "leaf-reply", request: i + 1, outcome: "listed", records, next: undefined },
      ];
    }),
  );
}

/** As a transfer does it, page by page, both ways. */
function costOfSending(left: PartitionTree, right: PartitionTree): Cost {
  return costOf([left, right].flatMap(pagesOf));
}

function pagesOf({ partition, records }: PartitionTree): Message[] {
  const bytesMax = defaultConfig.transferPageBytesMax;
  const sound = records.flatMap(({ key, set }) => (set === undefined ? [] : [{ key, set }]));
  const messages: Message[] = [];
  let after = "";
  let at = 0;
  do {
    const request = messages.length / 2 + 1;
    messages.push({ kind: "transfer-request", request, partition, after, bytesMax });
    const page: (typeof sound)[number][] = [];
    for (let bytes = 0; at < sound.length && (page.length === 0 || bytes < bytesMax); at++) {
      const record = sound[at]!;
      page.push(record);
      bytes += record.set.siblings.reduce((sum, { value }) => sum + (value?.length ?? 0), 64);
    }
    const last = page.at(-1);
    const next = at < sound.length && last !== undefined ? recordAddress(last.key, positionOf(last.key)) : undefined;
    messages.push({ kind: "transfer-page", request, partition, outcome: "page", records: page, next });
    after = next ?? "";
  } while (after !== "");
  return messages;
}

function digestOf(key: Key, set: DvvSet | undefined): Digest {
  return set === undefined ? 0 : recordDigest(key, set);
}

// The rehearsal

/** One of the two: its part of a node, on a copy of its disk. */
class Side implements Surroundings {
  readonly self: NodeId;
  readonly config: Config = defaultConfig;
  readonly random = Prng.fromNumber(1);
  readonly timers = new TimerTable();
  readonly now: Millis = 0;
  readonly ring: Ring;
  readonly protocol = PROTOCOL_VERSION;
  readonly records: Map<Key, DvvSet | undefined>;
  readonly exchange: TreeExchange;
  readonly source: TreeSource;
  outcome: "settled" | "failed" | "unfinished" = "unfinished";
  readonly #tree: PartitionTree;
  readonly #forest: MerkleForest;
  readonly #later: (run: () => void) => void;
  readonly #deliver: (message: Message) => void;
  #requests = 0;
  #tickets = 0;

  constructor(
    self: NodeId,
    tree: PartitionTree,
    ring: Ring,
    later: (run: () => void) => void,
    deliver: (message: Message) => void,
  ) {
    this.self = self;
    this.ring = ring;
    this.#tree = tree;
    this.#later = later;
    this.#deliver = deliver;
    this.#forest = forestOf(tree);
    this.records = new Map(tree.records.map(({ key, set }) => [key, set]));
    const ofLeaves = { corrected: () => undefined, mendDamaged: () => undefined };
    this.exchange = new TreeExchange(this, this.#forest, {
      ...ofLeaves,
      readRecord: (key, session) => this.#read(key, { kind: "exchange", session, key }),
      merge: (key, set, _, session) => {
        this.merge(key, set);
        this.complete({ kind: "stored", origin: { kind: "exchange", session, key }, key, durability: "strict" });
      },
      ended: ({ outcome }) => (this.outcome = outcome),
    });
    this.source = new TreeSource(this, this.#forest, {
      ...ofLeaves,
      readRecord: (key, ticket) => this.#read(key, { kind: "fetch", ticket, key }),
    });
  }

  merge(key: Key, set: DvvSet): void {
    const own = this.records.get(key);
    const joined = sync(own ?? EMPTY, set);
    this.records.set(key, joined);
    const leaf = leafOf(positionOf(key), this.#tree.partitions);
    this.#forest.add(leaf, subtractDigests(recordDigest(key, joined), digestOf(key, own)));
  }

  #read(key: Key, origin: Completion["origin"]): void {
    const set = this.records.get(key);
    const outcome = set !== undefined ? "found" : this.records.has(key) ? "failed" : "missing";
    this.complete({ kind: "read", origin, key, outcome, set: set ?? EMPTY });
  }

  complete(completion: Completion): void {
    this.#later(() => {
      if (completion.origin.kind === "fetch") this.source.onCompletion(completion);
      else this.exchange.onCompletion(completion);
    });
  }

  emit(effect: Effect): void {
    if (effect.kind !== "scan") return;
    this.#later(() => {
      const found = [...this.records]
        .map(([key, set]) => ({ address: recordAddress(key, positionOf(key)), set }))
        .filter(({ address }) => address > effect.after && address < effect.before)
        .sort((a, b) => (a.address < b.address ? -1 : 1));
      const entries = found.slice(0, effect.countMax).map(({ address, set }) => ({ address, record: readOf(set) }));
      const done = entries.length === found.length;
      if (!this.exchange.onScanned(effect.ticket, entries, done)) this.source.onScanned(effect.ticket, entries, done);
    });
  }

  send(_: NodeId, message: Message): boolean {
    this.#later(() => this.#deliver(message));
    return true;
  }

  nextRequest(): RequestId {
    return ++this.#requests;
  }
  nextTicket(): number {
    return ++this.#tickets;
  }
  epochOf(): number {
    return EPOCH;
  }
  mayWork(): boolean {
    return true;
  }
  reachable(): boolean {
    return true;
  }
  slow(): boolean {
    return false;
  }
  reads(): boolean {
    return true;
  }
  mayStore(): boolean {
    return true;
  }
  mayAnswer(): boolean {
    return true;
  }
  listOf(key: Key): ReturnType<Ring["preferenceList"]> {
    return this.ring.preferenceList(partitionOfKey(key, this.#tree.partitions));
  }
  store(): void {
    // Sums of leaves are not kept here.
  }
  note(): void {
    // Nobody reads it.
  }
}

function readOf(set: DvvSet | undefined): ReadRecord {
  return set === undefined ? "damaged" : { set, minted: undefined };
}

/** An exchange of one partition between two who have nothing else to do. Messages and disks keep their order, and each takes the next moment. */
class Rehearsal {
  readonly #asker: Side;
  readonly #answerer: Side;
  readonly #partition: Partition;
  readonly #queue: (() => void)[] = [];

  constructor(left: PartitionTree, right: PartitionTree, heard: (message: Message) => void) {
    this.#partition = left.partition;
    const parameters = parametersFrom({ n: 2, r: 1, w: 1, partitions: left.partitions });
    const members = [ASKER, ANSWERER].map((node) => ({ node, capacity: 1, zone: node }));
    const ring = new Ring(standingView(parameters, members, Prng.fromNumber(1)));
    const later = (run: () => void): void => void this.#queue.push(run);
    this.#asker = new Side(ASKER, left, ring, later, (message) => {
      heard(message);
      this.#atAnswerer(message);
    });
    this.#answerer = new Side(ANSWERER, right, ring, later, (message) => {
      heard(message);
      this.#atAsker(message);
    });
  }

  run(direction: Direction): { readonly outcome: Side["outcome"]; readonly evened: boolean } {
    this.#asker.exchange.start(ANSWERER, [this.#partition], direction, { kind: "anti-entropy" });
    let at = 0;
    for (; at < this.#queue.length && at < STEPS_MAX; at++) this.#queue[at]!();
    const [here, there] = [this.#asker.records, this.#answerer.records];
    const evened =
      here.size === there.size &&
      [...here].every(([key, set]) => {
        const other = there.get(key);
        return set !== undefined && other !== undefined && equal(set, other);
      });
    return { outcome: this.#asker.outcome, evened };
  }

  #atAnswerer(message: Message): void {
    const { source } = this.#answerer;
    if (message.kind === "tree-request") source.onTreeRequest(ASKER, message);
    else if (message.kind === "leaf-request") source.onLeafRequest(ASKER, message);
    else if (message.kind === "fetch-request") source.onFetchRequest(ASKER, message);
    else if (message.kind === "replica-put") {
      const { request, key, set, ring } = message;
      this.#answerer.merge(key, set);
      const outcome = "stored";
      this.#answerer.send(ASKER, {
        kind: "replica-put-reply",
        request,
        ring,
        outcome,
        owner: true,
        durability: "strict",
        counted: [],
      });
    }
  }

  #atAsker(message: Message): void {
    const { exchange } = this.#asker;
    if (message.kind === "tree-reply") exchange.onTreeReply(ANSWERER, message);
    else if (message.kind === "leaf-reply") exchange.onLeafReply(ANSWERER, message);
    else if (message.kind === "fetch-reply") exchange.onFetchReply(ANSWERER, message);
    else if (message.kind === "replica-put-reply") exchange.onReply(ANSWERER, message.request, "stored");
  }
}

// What was really said

/** What two nodes said to each other about what they have, without a longer pause than TALK_PAUSE_MS. */
export interface Talk {
  readonly from: Millis;
  readonly to: Millis;
  readonly messages: number;
  readonly bytes: number;
  /** Of them, those that did not arrive. */
  readonly lost: number;
  /** By kind, the most frequent first. */
  readonly kinds: readonly { readonly kind: Message["kind"]; readonly count: number }[];
  /** Records that were moved. */
  readonly records: number;
}

const TALK_PAUSE_MS: Millis = 1_000;
const ABOUT_TREES: ReadonlySet<Message["kind"]> = new Set([
  "tree-request",
  "tree-reply",
  "leaf-request",
  "leaf-reply",
  "fetch-request",
  "fetch-reply",
  "recent-request",
  "recent-reply",
]);

/** The latest first: exchanges of trees and catch-ups from the log of recent writes, with the records that they moved. */
export function talksBetween(world: LabWorld, one: NodeId, other: NodeId): Talk[] {
  const between = world.flights.filter(
    ({ from, to }) => (from === one && to === other) || (from === other && to === one),
  );
  const pushed = new Set<string>();
  const said = between
    .map((flight) => ({ flight, letter: world.letterOf(flight.id) }))
    .sort((a, b) => a.flight.sentAt - b.flight.sentAt || a.flight.id - b.flight.id)
    .filter(({ flight, letter }) => belongs(flight, letter?.message, pushed));
  const talks: (typeof said)[] = [];
  for (const each of said) {
    const before = talks.at(-1)?.at(-1);
    if (before !== undefined && each.flight.sentAt - before.flight.sentAt <= TALK_PAUSE_MS) talks.at(-1)!.push(each);
    else talks.push([each]);
  }
  return talks.reverse().map((talk) => {
    const kinds = new Map<Message["kind"], number>();
    let records = 0;
    for (const { flight, letter } of talk) {
      kinds.set(flight.kind, (kinds.get(flight.kind) ?? 0) + 1);
      const { message } = letter ?? {};
      if (message?.kind === "fetch-reply") records += message.records.length;
      else if (message?.kind === "replica-put") records++;
    }
    return {
      from: talk[0]!.flight.sentAt,
      to: talk.at(-1)!.flight.sentAt,
      messages: talk.length,
      bytes: talk.reduce((sum, { letter }) => sum + (letter === undefined ? 0 : sizeOf(letter)), 0),
      lost: talk.filter(({ flight }) => flight.fate === "lost" || flight.fate === "dropped").length,
      kinds: [...kinds].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count),
      records,
    };
  });
}

/** `pushed`: records that an exchange sent, by who sent them and their request, so that their answers are known. */
function belongs(flight: Flight, message: Message | undefined, pushed: Set<string>): boolean {
  if (ABOUT_TREES.has(flight.kind)) return true;
  // What serves a caller's request is no exchange.
  if (flight.request !== undefined) return false;
  if (message?.kind === "replica-put" && (message.purpose === "repair" || message.purpose === "transfer")) {
    pushed.add(`${flight.from} ${message.request}`);
    return true;
  }
  return message?.kind === "replica-put-reply" && pushed.has(`${flight.to} ${message.request}`);
}
