/**
 * An exchange: two holders compare their Merkle trees of some partitions and exchange what differs (paper, section 4.7). This is the asking side; it
 * decides everything, the answering side (`tree-source.ts`) keeps nothing. Background comparison, transfers and hand-overs all use it, each with its
 * direction: "both" evens both sides out, "pull" fetches what is missing or different here, "push" sends what is missing or different there.
 * States of an exchange, in order:
 *
 *   comparing   digests are asked for, from the roots down, only under nodes that differ
 *   listing     for each leaf that differs both sides tell the digests of its records
 *   exchanging  records that differ are fetched, merged here and, if the other side lacks something of the merged one, sent there
 *   ended       settled: everything that the other side had when it was looked at is merged and durable here (not for "push"), and everything that
 *               was here is durable there (not for "pull"). failed: something was refused for good, unreadable or silent; what was exchanged stays
 *
 * Each step takes a slice of background work; while there is none the exchange waits, and so does its time bound.
 *
 * The steps of one exchange overlap, deepest first, so that little is remembered at a time: bytes go with the difference, and so does memory.
 *
 * An exchange of keys that are known to differ, because the peer's log of recent writes told them, begins with exchanging.
 *
 * Limits: EXCHANGES_MAX at once; for each one question about digests of up to NODES_PER_QUESTION nodes, LISTINGS_MAX leaves, one fetch and PUSHES_MAX
 * records under way; an answer that takes longer than `transferTimeoutMs` ends it. Travels in the background lane.
 */

import { type DvvSet, EMPTY, equal } from "./dvvset.ts";
import { partitionRange } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Key, Millis, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import { type LeafActions, judgeLeaf, listedRecords } from "./leaf-reading.ts";
import {
  DEPTH,
  type Digest,
  FANOUT,
  LEAVES_PER_PARTITION,
  type Leaf,
  type MerkleForest,
  type Observation,
} from "./merkle-forest.ts";
import type { FetchReply, LeafReply, PutPurpose, TreeReply } from "./message.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

export const EXCHANGES_MAX = 32;
const NODES_PER_QUESTION = 256;
const LISTINGS_MAX = 4;
const PUSHES_MAX = 16;
/** A record that is refused is sent again after a while, unless as many were refused one after another. */
const PAUSE_MS = 250;
const REFUSALS_MAX = 16;
const KEYS_PER_FETCH = 64;
/** One record that is sent, not a page of them. */
const SLICES_PER_RECORD = 0.25;
const RECORDS_PER_SCAN = 256;
const BYTES_PER_SCAN = 1_048_576;

export type Direction = "both" | "pull" | "push";

/** Who wanted the exchange. */
export type Purpose =
  | { readonly kind: "anti-entropy" }
  | { readonly kind: "recent-writes" }
  | { readonly kind: "transfer" }
  | { readonly kind: "opening"; readonly serial: number }
  | { readonly kind: "hand-over"; readonly round: number };

export interface ExchangeEnd {
  readonly peer: NodeId;
  readonly purpose: Purpose;
  readonly partitions: readonly Partition[];
  readonly outcome: "settled" | "failed";
  /** Keys whose records were not the same on both sides. */
  readonly differing: number;
}

export interface ExchangeActions extends LeafActions {
  readRecord(key: Key, session: number): void;
  merge(key: Key, set: DvvSet, purpose: PutPurpose, session: number): void;
  ended(end: ExchangeEnd): void;
}

/** A leaf that differs: what both sides have of it. */
interface Listing {
  readonly leaf: Leaf;
  readonly observation: Observation;
  /** 0 for a record that is damaged. */
  readonly mine: Map<Key, Digest>;
  readonly theirs: Map<Key, Digest>;
  scan: Ticket | undefined;
  pages: number;
  request: RequestId | undefined;
}

interface Exchange {
  readonly session: number;
  readonly peer: NodeId;
  readonly direction: Direction;
  readonly purpose: Purpose;
  readonly partitions: readonly Partition[];
  readonly puts: PutPurpose;
  /** Nodes that are to be asked about, of one level each; the deepest last. */
  readonly open: { readonly level: number; readonly indexes: number[] }[];
  question: { readonly request: RequestId; readonly level: number } | undefined;
  readonly leaves: Leaf[];
  readonly listings: Map<Leaf, Listing>;
  /** Keys whose records are to be fetched, and those asked for. */
  readonly wanted: Key[];
  fetch: { readonly request: RequestId; readonly keys: readonly Key[] } | undefined;
  /** Fetched, and on their way into the replica. */
  readonly merging: Map<Key, DvvSet>;
  /** To be sent, unless it is the very record given. */
  readonly toSend: Map<Key, DvvSet>;
  /** Being read to be sent. */
  readonly reading: Map<Key, DvvSet>;
  readonly sent: Map<RequestId, { readonly key: Key; readonly theirs: DvvSet }>;
  /** Refusals of records sent since one was stored, and until when nothing more is sent because of them. */
  refusals: number;
  pausedUntil: Millis;
  /** A record of this node's that was to be sent could not be read. */
  unreadable: boolean;
  differing: number;
  lastAnswerAt: Millis;
  /** There was no slice of background work for the next step. */
  waits: boolean;
}

export class TreeExchange {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #do: ExchangeActions;
  readonly #exchanges = new Map<number, Exchange>();
  /** Which exchange a question, a listing, a fetch or a record that was sent belongs to. */
  readonly #byRequest = new Map<RequestId, Exchange>();
  readonly #byScan = new Map<Ticket, { readonly exchange: Exchange; readonly listing: Listing }>();
  #sessions = 0;

  constructor(surroundings: Surroundings, forest: MerkleForest, actions: ExchangeActions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }

  /** Exchanges under way. */
  get size(): number {
    return this.#exchanges.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { exchanges: [...this.#exchanges.values()], sessions: this.#sessions };
  }

  /** Begins an exchange of `partitions` with a peer that answers; `actions.ended` tells how it went. False when there are too many already. */
  start(peer: NodeId, partitions: readonly Partition[], direction: Direction, purpose: Purpose): boolean {
    const exchange = this.#begin(peer, partitions, direction, purpose);
    if (exchange === undefined) return false;
    this.#open(
      exchange,
      0,
      partitions.filter((partition) => direction !== "push" || this.#forest.root(partition) !== 0),
    );
    this.#advance(exchange);
    this.#arm();
    return true;
  }

  /** Begins an exchange of the records of these keys alone, which are known to differ; no tree is looked at. Else as `start`. */
  startWith(peer: NodeId, keys: readonly Key[], purpose: Purpose): boolean {
    const exchange = this.#begin(peer, [], "both", purpose);
    if (exchange === undefined) return false;
    exchange.wanted.push(...keys);
    exchange.differing = keys.length;
    this.#advance(exchange);
    this.#arm();
    return true;
  }

  #begin(peer: NodeId, partitions: readonly Partition[], direction: Direction, purpose: Purpose): Exchange | undefined {
    if (this.#exchanges.size >= EXCHANGES_MAX) return undefined;
    const exchange: Exchange = {
      session: ++this.#sessions,
      peer,
      direction,
      purpose,
      partitions,
      puts: purpose.kind === "anti-entropy" || purpose.kind === "recent-writes" ? "repair" : "transfer",
      open: [],
      question: undefined,
      leaves: [],
      listings: new Map(),
      wanted: [],
      fetch: undefined,
      merging: new Map(),
      toSend: new Map(),
      reading: new Map(),
      sent: new Map(),
      refusals: 0,
      pausedUntil: 0,
      unreadable: false,
      differing: 0,
      lastAnswerAt: this.#in.now,
      waits: false,
    };
    this.#exchanges.set(exchange.session, exchange);
    return exchange;
  }

  /** A slice of background work is there: to whoever has waited longest. */
  onSlice(): void {
    for (const exchange of [...this.#exchanges.values()]) {
      if (!exchange.waits) continue;
      exchange.waits = false;
      // The silence was this node's own.
      if (!isAsking(exchange)) exchange.lastAnswerAt = this.#in.now;
      // Behind the others, whose turn is next.
      this.#exchanges.delete(exchange.session);
      this.#exchanges.set(exchange.session, exchange);
      this.#advance(exchange);
    }
  }

  onTimer(): void {
    for (const exchange of [...this.#exchanges.values()]) {
      if (exchange.waits && !isAsking(exchange)) continue;
      if (exchange.toSend.size > 0) this.#advance(exchange);
      const silent = this.#in.now - exchange.lastAnswerAt >= this.#in.config.transferTimeoutMs;
      if (silent && exchange.merging.size === 0 && exchange.reading.size === 0) this.#end(exchange, "failed");
    }
    this.#arm();
  }

  onPeerDown(peer: NodeId): void {
    for (const exchange of [...this.#exchanges.values()]) if (exchange.peer === peer) this.#end(exchange, "failed");
  }

  onTreeReply(from: NodeId, { request, level, refused, differing }: TreeReply): void {
    const exchange = this.#answered(from, request);
    if (exchange?.question?.request !== request || exchange.question.level !== level) return;
    exchange.question = undefined;
    if (refused.length > 0) {
      this.#end(exchange, "failed");
      return;
    }
    const below: number[] = [];
    for (const { index, children } of differing)
      children.forEach((digest, i) => {
        const child = index * FANOUT + i;
        const own = this.#forest.digest(level + 1, child);
        // Nothing there is nothing to fetch, nothing here nothing to send.
        const idle = (exchange.direction === "pull" && digest === 0) || (exchange.direction === "push" && own === 0);
        if (digest !== own && !idle) below.push(child);
      });
    if (level + 1 < DEPTH) this.#open(exchange, level + 1, below);
    else exchange.leaves.push(...below);
    this.#advance(exchange);
  }

  onLeafReply(from: NodeId, { request, outcome, records, next }: LeafReply): void {
    const exchange = this.#answered(from, request);
    if (exchange === undefined) return;
    const listing = [...exchange.listings.values()].find((one) => one.request === request);
    if (listing === undefined) return;
    listing.request = undefined;
    if (outcome === "refused") {
      this.#end(exchange, "failed");
      return;
    }
    for (const { key, digest } of records) listing.theirs.set(key, digest);
    if (next !== undefined && !this.#askLeaf(exchange, listing, next)) this.#end(exchange, "failed");
    else this.#listed(exchange, listing);
  }

  onFetchReply(from: NodeId, { request, records, answered }: FetchReply): void {
    const exchange = this.#answered(from, request);
    const { fetch } = exchange ?? {};
    if (exchange === undefined || fetch?.request !== request) return;
    exchange.fetch = undefined;
    const asked = fetch.keys.slice(0, answered);
    const found = new Map(records.map(({ key, set }) => [key, set]));
    exchange.wanted.push(...fetch.keys.slice(asked.length));
    if (asked.length === 0 || asked.some((key) => !found.has(key))) {
      // Listed there, and now it cannot be read or is gone: the next exchange will see.
      this.#end(exchange, "failed");
      return;
    }
    for (const key of asked) exchange.merging.set(key, found.get(key)!);
    for (const key of asked) this.#do.merge(key, found.get(key)!, exchange.puts, exchange.session);
    this.#advance(exchange);
  }

  /** The answer to a record that was sent. */
  onReply(from: NodeId, request: RequestId, outcome: "stored" | "refused"): void {
    const exchange = this.#answered(from, request);
    const sent = exchange?.sent.get(request);
    if (exchange === undefined || sent === undefined) return;
    exchange.sent.delete(request);
    if (outcome === "stored") exchange.refusals = 0;
    else if (++exchange.refusals > REFUSALS_MAX) {
      this.#end(exchange, "failed");
      return;
    } else {
      // It may be too much at once: one record at a time, after a while.
      exchange.toSend.set(sent.key, sent.theirs);
      exchange.pausedUntil = this.#in.now + PAUSE_MS;
      this.#in.timers.set("exchange", exchange.pausedUntil);
    }
    this.#advance(exchange);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const exchange = origin.kind === "exchange" ? this.#exchanges.get(origin.session) : undefined;
    if (exchange === undefined) return;
    const { key } = completion;
    switch (completion.kind) {
      case "read":
        this.#read(exchange, key, completion.outcome, completion.set);
        break;
      case "stored": {
        const theirs = exchange.merging.get(key);
        if (theirs === undefined) return;
        exchange.merging.delete(key);
        if (exchange.direction !== "pull") exchange.toSend.set(key, theirs);
        exchange.lastAnswerAt = this.#in.now;
        this.#advance(exchange);
        break;
      }
      case "refused":
        this.#end(exchange, "failed");
        break;
      case "minted":
        break;
    }
  }

  /** True when the scan was one of this mechanism's. */
  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const found = this.#byScan.get(ticket);
    if (found === undefined) return false;
    this.#byScan.delete(ticket);
    const { exchange, listing } = found;
    listing.scan = undefined;
    const records = listedRecords(entries);
    if (records === undefined) {
      this.#end(exchange, "failed");
      return true;
    }
    for (const { key, digest } of records) listing.mine.set(key, digest);
    const last = entries.at(-1);
    if (!done && last !== undefined) this.#scan(exchange, listing, last.address);
    else {
      // What was read in one piece tells whether the leaf's sum is right.
      if (listing.pages === 1) judgeLeaf(this.#forest, listing.leaf, records, listing.observation, this.#do);
      this.#forest.close(listing.observation);
    }
    this.#listed(exchange, listing);
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    const found = this.#byScan.get(ticket);
    if (found === undefined) return false;
    this.#end(found.exchange, "failed");
    return true;
  }

  /** An exchange that the peer's answer belongs to. */
  #answered(from: NodeId, request: RequestId): Exchange | undefined {
    const exchange = this.#byRequest.get(request);
    if (exchange?.peer !== from) return undefined;
    this.#byRequest.delete(request);
    exchange.lastAnswerAt = this.#in.now;
    return exchange;
  }

  #open(exchange: Exchange, level: number, indexes: readonly number[]): void {
    const sorted = [...indexes].sort((a, b) => a - b);
    for (let i = 0; i < sorted.length; i += NODES_PER_QUESTION)
      exchange.open.push({ level, indexes: sorted.slice(i, i + NODES_PER_QUESTION) });
  }

  /** Does whatever can be done now, deepest first. */
  #advance(exchange: Exchange): void {
    if (this.#exchanges.get(exchange.session) !== exchange) return;
    const going =
      this.#sendRecords(exchange) &&
      this.#fetchRecords(exchange) &&
      this.#listLeaves(exchange) &&
      this.#askDigests(exchange);
    if (!going) {
      this.#end(exchange, "failed");
      return;
    }
    const { open, question, leaves, listings, wanted, fetch, merging, toSend, reading, sent } = exchange;
    const idle =
      open.length === 0 &&
      question === undefined &&
      leaves.length === 0 &&
      listings.size === 0 &&
      wanted.length === 0 &&
      fetch === undefined &&
      merging.size === 0 &&
      toSend.size === 0 &&
      reading.size === 0 &&
      sent.size === 0;
    if (idle) this.#end(exchange, exchange.unreadable ? "failed" : "settled");
  }

  /** Each of these is false when the peer cannot be reached any more. */
  #askDigests(exchange: Exchange): boolean {
    const full = exchange.leaves.length > 0 || exchange.wanted.length > 0 || exchange.toSend.size > 0;
    if (exchange.question !== undefined || full) return true;
    if (exchange.open.length === 0 || !this.#mayWork(exchange)) return true;
    const next = exchange.open.pop()!;
    const { level, indexes } = next;
    const request = this.#in.nextRequest();
    const nodes = indexes.map((index) => ({ index, digest: this.#forest.digest(level, index) }));
    exchange.question = { request, level };
    return this.#ask(exchange, request, { kind: "tree-request", request, level, nodes });
  }

  #listLeaves(exchange: Exchange): boolean {
    const full = (): boolean =>
      exchange.listings.size >= LISTINGS_MAX || exchange.wanted.length > 0 || exchange.toSend.size > 0;
    while (!full()) {
      if (exchange.leaves.length === 0 || !this.#mayWork(exchange)) break;
      const leaf = exchange.leaves.pop()!;
      const listing: Listing = {
        leaf,
        observation: this.#forest.observe(),
        mine: new Map(),
        theirs: new Map(),
        scan: undefined,
        pages: 0,
        request: undefined,
      };
      exchange.listings.set(leaf, listing);
      this.#scan(exchange, listing, "");
      if (!this.#askLeaf(exchange, listing, "")) return false;
    }
    return true;
  }

  #askLeaf(exchange: Exchange, listing: Listing, after: string): boolean {
    const request = this.#in.nextRequest();
    listing.request = request;
    return this.#ask(exchange, request, { kind: "leaf-request", request, leaf: listing.leaf, after });
  }

  #scan(exchange: Exchange, listing: Listing, from: string): void {
    const partitions = this.#in.ring?.view.claims.length ?? 1;
    const { after, before } = partitionRange(listing.leaf, partitions * LEAVES_PER_PARTITION);
    const ticket = this.#in.nextTicket();
    listing.scan = ticket;
    listing.pages++;
    this.#byScan.set(ticket, { exchange, listing });
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: from === "" ? after : from,
      before,
      countMax: RECORDS_PER_SCAN,
      bytesMax: BYTES_PER_SCAN,
    });
  }

  /** When both sides have told all of a leaf: what differs? */
  #listed(exchange: Exchange, listing: Listing): void {
    if (listing.scan !== undefined || listing.request !== undefined) {
      this.#advance(exchange);
      return;
    }
    exchange.listings.delete(listing.leaf);
    const { mine, theirs } = listing;
    for (const key of new Set([...mine.keys(), ...theirs.keys()])) {
      const here = mine.get(key) ?? 0;
      const there = theirs.get(key) ?? 0;
      if (here === there && here !== 0) continue;
      exchange.differing++;
      if (there !== 0 && exchange.direction !== "push") exchange.wanted.push(key);
      else if (here !== 0 && exchange.direction !== "pull") exchange.toSend.set(key, EMPTY);
    }
    this.#advance(exchange);
  }

  #fetchRecords(exchange: Exchange): boolean {
    if (exchange.fetch !== undefined || exchange.wanted.length === 0 || exchange.merging.size > 0) return true;
    if (!this.#mayWork(exchange)) return true;
    const request = this.#in.nextRequest();
    const keys = exchange.wanted.splice(0, KEYS_PER_FETCH);
    exchange.fetch = { request, keys };
    return this.#ask(exchange, request, { kind: "fetch-request", request, keys });
  }

  #sendRecords(exchange: Exchange): boolean {
    if (this.#in.now < exchange.pausedUntil) return true;
    const atOnce = exchange.refusals > 0 ? 1 : PUSHES_MAX;
    for (const [key, theirs] of [...exchange.toSend]) {
      if (exchange.reading.size + exchange.sent.size >= atOnce || !this.#mayWork(exchange, SLICES_PER_RECORD)) break;
      exchange.toSend.delete(key);
      exchange.reading.set(key, theirs);
      this.#do.readRecord(key, exchange.session);
    }
    return true;
  }

  #read(exchange: Exchange, key: Key, outcome: "found" | "missing" | "failed" | "moved", set: DvvSet): void {
    const theirs = exchange.reading.get(key);
    const { ring } = this.#in;
    if (theirs === undefined) return;
    exchange.reading.delete(key);
    if (outcome === "failed") exchange.unreadable = true;
    if (outcome === "found" && ring !== undefined && !equal(set, theirs)) {
      const request = this.#in.nextRequest();
      const ttlMs = this.#in.config.transferTimeoutMs;
      const { puts: purpose } = exchange;
      const message = {
        request,
        ring: ring.digest,
        ttlMs,
        purpose,
        key,
        set,
        hintFor: undefined,
        durability: "strict",
      } as const;
      exchange.sent.set(request, { key, theirs });
      if (!this.#ask(exchange, request, { kind: "replica-put", ...message })) {
        this.#end(exchange, "failed");
        return;
      }
    }
    this.#advance(exchange);
  }

  #mayWork(exchange: Exchange, slices?: number): boolean {
    if (this.#in.mayWork("exchange", slices)) return true;
    exchange.waits = true;
    return false;
  }

  #ask(exchange: Exchange, request: RequestId, message: Parameters<Surroundings["send"]>[1]): boolean {
    if (!this.#in.send(exchange.peer, message, "background")) return false;
    this.#byRequest.set(request, exchange);
    return true;
  }

  #end(exchange: Exchange, outcome: "settled" | "failed"): void {
    if (this.#exchanges.get(exchange.session) !== exchange) return;
    this.#forget(exchange);
    const { peer, purpose, partitions, differing } = exchange;
    // What a log told is noted by who asked for it.
    if (differing > 0 && purpose.kind !== "recent-writes")
      this.#in.note({ what: "exchanged", peer, records: differing });
    this.#do.ended({ peer, purpose, partitions, outcome, differing });
  }

  #forget(exchange: Exchange): void {
    this.#exchanges.delete(exchange.session);
    for (const [request, other] of this.#byRequest) if (other === exchange) this.#byRequest.delete(request);
    for (const [ticket, { exchange: other }] of this.#byScan) if (other === exchange) this.#byScan.delete(ticket);
    for (const listing of exchange.listings.values()) this.#forest.close(listing.observation);
  }

  #arm(): void {
    if (this.#exchanges.size > 0 && !this.#in.timers.has("exchange"))
      this.#in.timers.set("exchange", this.#in.now + this.#in.config.transferTimeoutMs / 2);
  }
}

/** True while the peer owes an answer, or this node's own disk does. */
function isAsking({ question, fetch, listings, sent, merging, reading }: Exchange): boolean {
  const owed = question !== undefined || fetch !== undefined || sent.size > 0 || merging.size > 0 || reading.size > 0;
  return owed || [...listings.values()].some(({ scan, request }) => scan !== undefined || request !== undefined);
}
