/**
 * Catching up from the log of recent writes: who was away for a short while asks those who stayed what has changed on their disks since then, and fetches
 * that, before any tree is walked (DynamoDB, ATC 2022, section 5: log replicas; Aurora: segments healed from the log). What a peer tells is in its
 * `write-log.ts`; how far this node has got with each peer's log is remembered here.
 *
 * **A position** (peer, log, partition, p) claims: this node has durably whatever was durable at that peer in that partition when its log was at p. It is
 * remembered only after that, and written down with the next `meta`, which no disk makes durable before the stores that it follows; so it survives a reload
 * of the tab, and the log of whoever stayed does not need to. It advances
 *
 *   - by a catch-up: the keys told were the same here and durable, or were fetched, merged and stored
 *   - by a comparison of trees that settled: the peer's position is asked before its tree is looked at, so what the position claims is in the tree
 *
 * and is dropped when this node does not hold the partition any more or found its own records of it wrong, and when the peer has another log.
 *
 * **Nothing rests on it.** The log is there to be quick. Trees are compared after each catch-up, whatever it said, and in turn for ever, and openings and
 * hand-overs compare trees alone: were a position too high, the trees would find what is missing, and it would only cost what it should have saved.
 *
 * States of a catch-up, in order:
 *
 *   asking    a page of the peer's log is asked for, or, when only its position is wanted, none of it
 *   judging   the digests of this node's records of the keys told are looked up
 *   fetching  those that differ are exchanged, by the messages of an exchange of trees
 *   ended     covered: all of the partitions were caught up. uncovered: not all, or nothing was remembered. failed: silent, or something could not be
 *             had. The trees do the rest in any case
 *
 * Limits: one catch-up at a time; pages of PAGE_KEYS_MAX keys and PAGE_BYTES_MAX bytes of keys; positions in the logs of PEERS_MAX peers, one for each
 * partition held by both; what is told without progress for `transferTimeoutMs` ends it. Travels in the background lane.
 */

import { partitionOf, positionOf } from "./address.ts";
import type { CaughtUp } from "./effect.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "./identifiers.ts";
import { holds, memberOf } from "./membership.ts";
import { DEPTH, type Digest, type MerkleForest, leafOf, recordDigest } from "./merkle-forest.ts";
import type { RecentReply, RecentRequest } from "./message.ts";
import type { Completion, Surroundings } from "./surroundings.ts";
import type { LogPosition, WriteLog } from "./write-log.ts";

export const PAGE_KEYS_MAX = 512;
export const PAGE_BYTES_MAX = 32_768;
/** As many as there are links; the one that was compared with the longest ago goes first. */
const PEERS_MAX = 64;

export type CatchUpOutcome = "covered" | "uncovered" | "failed";

export interface RecentWritesActions {
  readRecord(key: Key): void;
  /** Exchanges the records of these keys; `onExchanged` is told how it went. False when it cannot begin now. */
  exchange(peer: NodeId, keys: readonly Key[]): boolean;
  /** How far this node has caught up is to be written down. */
  advanced(): void;
  /** The peer was told all that it asked for: it is about to catch up with this node. */
  served(peer: NodeId): void;
  ended(peer: NodeId, outcome: CatchUpOutcome): void;
}

interface Positions {
  readonly log: string;
  readonly at: Map<Partition, LogPosition>;
}

interface CatchUp {
  readonly peer: NodeId;
  readonly partitions: readonly Partition[];
  /** The log and the positions that are asked from; undefined when only the peer's position is wanted. */
  readonly from: { readonly log: string; readonly at: Map<Partition, LogPosition> } | undefined;
  request: RequestId | undefined;
  /** The page that is worked on. */
  page: { readonly upTo: LogPosition; readonly more: boolean } | undefined;
  /** Keys whose records are being looked up, with the digests that they had at the peer. */
  readonly judging: Map<Key, Digest>;
  readonly differing: Key[];
  fetching: boolean;
  keys: number;
  records: number;
  lastProgressAt: Millis;
}

/** Where a peer's log was before its trees are compared with, and what was known to be wrong here then. */
interface Told {
  readonly log: string;
  readonly position: LogPosition;
  readonly failures: ReadonlyMap<Partition, number>;
}

export class RecentWrites {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #log: WriteLog;
  readonly #do: RecentWritesActions;
  /** By peer, the one that was compared with the longest ago first. */
  readonly #positions = new Map<NodeId, Positions>();
  #catchUp: CatchUp | undefined;
  #told: { readonly peer: NodeId; readonly told: Told } | undefined;

  constructor(
    surroundings: Surroundings,
    forest: MerkleForest,
    log: WriteLog,
    caughtUp: readonly CaughtUp[],
    actions: RecentWritesActions,
  ) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#log = log;
    this.#do = actions;
    for (const { peer, log: id, since } of caughtUp) {
      const at = since.flatMap(({ position, partitions }) => partitions.map((p) => [p, position] as const));
      this.#positions.set(peer, { log: id, at: new Map(at) });
    }
  }

  /** Positions remembered. */
  get size(): number {
    let size = 0;
    for (const { at } of this.#positions.values()) size += at.size;
    return size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { log: this.#log.memory, positions: this.#positions, catchUp: this.#catchUp, told: this.#told };
  }

  /** What the next start should know; undefined when there is nothing. */
  get caughtUp(): readonly CaughtUp[] | undefined {
    const peers = [...this.#positions].filter(([, { at }]) => at.size > 0).sort(([a], [b]) => (a < b ? -1 : 1));
    return peers.length === 0 ? undefined : peers.map(([peer, { log, at }]) => ({ peer, log, since: grouped(at) }));
  }

  /**
   * Asks a peer that answers for the position of its log and, with `changes`, first catches up from it as far as it goes; `actions.ended` tells how that went.
   * False when nothing can be asked now, or the peer's build has no log.
   */
  start(peer: NodeId, partitions: readonly Partition[], changes: boolean): boolean {
    if (!this.#log.isKept || this.#catchUp !== undefined) return false;
    if (!this.#in.reads(peer, "recent-request")) {
      if (changes) this.#in.note({ what: "older-peer", peer, message: "recent-request" });
      return false;
    }
    const known = this.#positions.get(peer);
    const at = new Map<Partition, LogPosition>();
    for (const partition of changes ? partitions : []) {
      const position = known?.at.get(partition);
      if (position !== undefined) at.set(partition, position);
    }
    const from = known === undefined || at.size === 0 ? undefined : { log: known.log, at };
    this.#told = undefined;
    this.#catchUp = {
      peer,
      partitions,
      from,
      request: undefined,
      page: undefined,
      judging: new Map(),
      differing: [],
      fetching: false,
      keys: 0,
      records: 0,
      lastProgressAt: this.#in.now,
    };
    if (!this.#ask(this.#catchUp)) {
      this.#catchUp = undefined;
      return false;
    }
    this.#arm();
    return true;
  }

  onTimer(): void {
    const catchUp = this.#catchUp;
    if (catchUp === undefined) return;
    // The disk and the exchange end by themselves.
    const waits = catchUp.request !== undefined;
    if (waits && this.#in.now - catchUp.lastProgressAt >= this.#in.config.transferTimeoutMs)
      this.#end(catchUp, "failed");
    else this.#arm();
  }

  onPeerDown(peer: NodeId): void {
    if (this.#told?.peer === peer) this.#told = undefined;
    if (this.#catchUp?.peer === peer) this.#end(this.#catchUp, "failed");
  }

  /** Another view: what this node or a peer holds no more is not caught up with. */
  onRing(): void {
    const { ring } = this.#in;
    if (ring === undefined) return;
    for (const [peer, { at }] of [...this.#positions])
      if (memberOf(ring.view, peer) === undefined) this.#positions.delete(peer);
      else for (const partition of [...at.keys()]) if (!this.#holds(partition)) at.delete(partition);
  }

  /** This node's own records of the partition were not what it took them for. */
  forget(partition: Partition): void {
    for (const { at } of this.#positions.values()) at.delete(partition);
    this.#catchUp?.from?.at.delete(partition);
  }

  onRequest(from: NodeId, { request, log, since }: RecentRequest): void {
    const { ring } = this.#in;
    if (ring === undefined || memberOf(ring.view, from) === undefined) return;
    const asked = new Map<Partition, LogPosition>();
    const strange: Partition[] = [];
    for (const { position, partitions } of since)
      for (const partition of partitions)
        if (log === this.#log.id && this.#holds(partition)) asked.set(partition, position);
        else strange.push(partition);
    const excerpt = this.#log.since(asked, PAGE_KEYS_MAX, PAGE_BYTES_MAX);
    const uncovered = [...strange, ...excerpt.uncovered].sort((a, b) => a - b);
    const { upTo, more } = excerpt;
    const changes = excerpt.changes.map(({ key, digest }) => ({ key, digest }));
    const reply = { kind: "recent-reply", request, log: this.#log.id, uncovered, changes, upTo, more } as const;
    if (this.#in.send(from, reply, "background") && since.length > 0 && uncovered.length === 0) this.#do.served(from);
  }

  onReply(from: NodeId, { request, log, uncovered, changes, upTo, more }: RecentReply): void {
    const catchUp = this.#catchUp;
    const { ring } = this.#in;
    if (catchUp?.peer !== from || catchUp.request !== request || ring === undefined) return;
    catchUp.request = undefined;
    catchUp.lastProgressAt = this.#in.now;
    this.#told = { peer: from, told: { log, position: upTo, failures: this.#failures(catchUp.partitions) } };
    const { at } = catchUp.from ?? {};
    if (at === undefined) {
      this.#end(catchUp, "uncovered");
      return;
    }
    const lost = log === catchUp.from?.log ? uncovered.filter((partition) => at.has(partition)) : [...at.keys()];
    for (const partition of lost) at.delete(partition);
    if (lost.length > 0) this.#in.note({ what: "log-gap", peer: from, partitions: lost.length });
    catchUp.page = { upTo, more };
    for (const { key, digest } of changes)
      if (at.has(partitionOf(positionOf(key), ring.view.claims.length))) catchUp.judging.set(key, digest);
    catchUp.keys += catchUp.judging.size;
    for (const key of [...catchUp.judging.keys()]) this.#do.readRecord(key);
    this.#advance(catchUp);
  }

  onCompletion(completion: Completion): void {
    const { origin, key } = completion;
    const catchUp = this.#catchUp;
    const theirs = origin.kind === "recent" ? catchUp?.judging.get(key) : undefined;
    if (catchUp === undefined || theirs === undefined || completion.kind !== "read") return;
    catchUp.judging.delete(key);
    const mine = completion.outcome === "found" ? recordDigest(key, completion.set) : 0;
    // The same, but perhaps on its way to the disk: whoever fetches and merges it waits for that.
    if (mine !== theirs || !this.#isDurable(key)) catchUp.differing.push(key);
    this.#advance(catchUp);
  }

  /** The exchange of what differed is over. */
  onExchanged(peer: NodeId, settled: boolean): void {
    const catchUp = this.#catchUp;
    if (catchUp?.peer !== peer || !catchUp.fetching) return;
    catchUp.fetching = false;
    if (!settled) this.#end(catchUp, "failed");
    else {
      catchUp.records += catchUp.differing.length;
      catchUp.differing.length = 0;
      this.#advance(catchUp);
    }
  }

  /** A comparison of the trees of these partitions with the peer is over. */
  onCompared(peer: NodeId, partitions: readonly Partition[], settled: boolean): void {
    const told = this.#told?.peer === peer ? this.#told.told : undefined;
    this.#told = undefined;
    if (!settled || told === undefined) return;
    // What made a tree equal may not be on the disk yet, or have failed to get there.
    const sound = partitions.filter(
      (partition) =>
        told.failures.get(partition) === this.#forest.failuresIn(partition) && this.#forest.isSettled(0, partition),
    );
    this.#remember(peer, told.log, sound, told.position);
  }

  #ask(catchUp: CatchUp): boolean {
    const { peer, from } = catchUp;
    const request = this.#in.nextRequest();
    catchUp.request = request;
    catchUp.page = undefined;
    const since = from === undefined ? [] : grouped(from.at);
    return this.#in.send(peer, { kind: "recent-request", request, log: from?.log, since }, "background");
  }

  /** Goes on when the page's keys are looked up, and again when what differs is here. */
  #advance(catchUp: CatchUp): void {
    const { peer, from, page, judging, differing, fetching } = catchUp;
    if (this.#catchUp !== catchUp || page === undefined || from === undefined || judging.size > 0 || fetching) return;
    catchUp.lastProgressAt = this.#in.now;
    if (differing.length > 0) {
      catchUp.fetching = true;
      if (!this.#do.exchange(peer, [...differing])) this.#end(catchUp, "failed");
      return;
    }
    for (const [partition, position] of from.at) if (position < page.upTo) from.at.set(partition, page.upTo);
    this.#remember(peer, from.log, [...from.at.keys()], page.upTo);
    if (!page.more) this.#end(catchUp, from.at.size === catchUp.partitions.length ? "covered" : "uncovered");
    else if (!this.#ask(catchUp)) this.#end(catchUp, "failed");
  }

  #end(catchUp: CatchUp, outcome: CatchUpOutcome): void {
    if (this.#catchUp !== catchUp) return;
    this.#catchUp = undefined;
    this.#in.timers.clear("catch-up");
    const { peer, keys, records, from } = catchUp;
    if (outcome !== "failed" && from !== undefined && from.at.size > 0)
      this.#in.note({ what: "caught-up", peer, keys, records });
    this.#do.ended(peer, outcome);
  }

  /** Positions never go back within a log. */
  #remember(peer: NodeId, log: string, partitions: readonly Partition[], position: LogPosition): void {
    const known = this.#positions.get(peer);
    const positions = known?.log === log ? known : { log, at: new Map<Partition, LogPosition>() };
    this.#positions.delete(peer);
    this.#positions.set(peer, positions);
    const [longestAgo] = this.#positions.keys();
    if (this.#positions.size > PEERS_MAX && longestAgo !== undefined) this.#positions.delete(longestAgo);
    let advanced = false;
    for (const partition of partitions) {
      if ((positions.at.get(partition) ?? -1) >= position || !this.#holds(partition)) continue;
      positions.at.set(partition, position);
      advanced = true;
    }
    if (advanced) this.#do.advanced();
  }

  #failures(partitions: readonly Partition[]): Map<Partition, number> {
    return new Map(partitions.map((partition) => [partition, this.#forest.failuresIn(partition)]));
  }

  #holds(partition: Partition): boolean {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    return ring !== undefined && own !== undefined && partition < ring.view.claims.length && holds(own, partition);
  }

  #isDurable(key: Key): boolean {
    const { ring } = this.#in;
    return ring !== undefined && this.#forest.isSettled(DEPTH, leafOf(positionOf(key), ring.view.claims.length));
  }

  #arm(): void {
    if (!this.#in.timers.has("catch-up"))
      this.#in.timers.set("catch-up", this.#in.now + this.#in.config.transferTimeoutMs);
  }
}

/** Ascending by position, partitions ascending in each. */
function grouped(at: ReadonlyMap<Partition, LogPosition>): { position: LogPosition; partitions: Partition[] }[] {
  const groups = new Map<LogPosition, Partition[]>();
  for (const [partition, position] of [...at].sort(([a], [b]) => a - b))
    (groups.get(position) ?? groups.set(position, []).get(position)!).push(partition);
  return [...groups].sort(([a], [b]) => a - b).map(([position, partitions]) => ({ position, partitions }));
}
