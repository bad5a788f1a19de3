/**
 * The answering side of a comparison of Merkle trees (paper, section 4.7): says where this node's digests differ, lists the records of a leaf and
 * sends records. It keeps nothing of a comparison between two questions. States of a question, in order:
 *
 *   answered    a question about digests: they are in memory
 *   waiting     for a slice of background work
 *   listing     the records of a leaf are being read from the disk, to tell their digests
 *   fetching    records that were asked for are being read
 *
 * It answers for partitions that it holds, to any member, and says that something is equal only when it is durable here. While it lists a whole leaf it also sees whether the leaf's sum is
 * right, and sets it right.
 *
 * Limits: SCANS_MAX listings and FETCHES_MAX fetches at once, and WAITING_MAX of either that wait, beyond which it refuses or stays silent and the asker comes again; a listing takes up
 * to LISTED_MAX records, a fetch FETCHED_MAX keys and a page's bytes.
 */

import { partitionOf, partitionRange, positionOf } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Epoch, Key, NodeId, Partition, Ticket } from "./identifiers.ts";
import { type LeafActions, judgeLeaf, listedRecords } from "./leaf-reading.ts";
import { holds, memberOf } from "./membership.ts";
import {
  type Digest,
  FANOUT,
  LEAVES_PER_PARTITION,
  type MerkleForest,
  type Observation,
  partitionOfLeaf,
} from "./merkle-forest.ts";
import type { FetchReply, FetchRequest, LeafRequest, TreeRequest } from "./message.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

const SCANS_MAX = 64;
const FETCHES_MAX = 64;
const WAITING_MAX = 64;
export const LISTED_MAX = 256;
export const LISTED_BYTES_MAX = 1_048_576;
export const FETCHED_MAX = 64;

export interface TreeSourceActions extends LeafActions {
  readRecord(key: Key, ticket: Ticket): void;
}

interface Listing {
  readonly to: NodeId;
  readonly epoch: Epoch;
  readonly asked: LeafRequest;
  readonly observation: Observation;
}

/** A listing or a fetch for which there was no slice yet. */
interface Waiting {
  readonly to: NodeId;
  readonly epoch: Epoch;
  readonly asked: LeafRequest | FetchRequest;
}

interface Fetch {
  readonly to: NodeId;
  readonly epoch: Epoch;
  readonly asked: FetchRequest;
  readonly keys: readonly Key[];
  readonly found: Map<Key, FetchReply["records"][number]["set"] | undefined>;
}

export class TreeSource {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #do: TreeSourceActions;
  readonly #listings = new Map<Ticket, Listing>();
  readonly #fetches = new Map<Ticket, Fetch>();
  #waiting: Waiting[] = [];

  constructor(surroundings: Surroundings, forest: MerkleForest, actions: TreeSourceActions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }

  get size(): number {
    return this.#listings.size + this.#fetches.size + this.#waiting.length;
  }

  /** True when somebody is to get the key's record who has not got it yet. */
  concerns(key: Key): boolean {
    return [...this.#fetches.values()].some(({ keys }) => keys.includes(key));
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { listings: this.#listings, fetches: this.#fetches, waiting: this.#waiting };
  }

  onTreeRequest(from: NodeId, { request, level, nodes }: TreeRequest): void {
    const refused = new Set<Partition>();
    const differing: { index: number; children: readonly (Digest | undefined)[] }[] = [];
    for (const { index, digest } of nodes) {
      const partition = Math.floor(index / FANOUT ** level);
      if (!this.#answersFor(partition, from)) refused.add(partition);
      else if (this.#forest.digest(level, index) !== digest || !this.#forest.isSettled(level, index))
        differing.push({ index, children: this.#forest.children(level, index) });
    }
    const reply = {
      kind: "tree-reply",
      request,
      level,
      refused: [...refused].sort((a, b) => a - b),
      differing,
    } as const;
    this.#in.send(from, reply, "background");
  }

  /** A slice of background work is there. Fetches go first: what was listed is of no use until it is fetched. */
  onSlice(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const kind of ["fetch-request", "leaf-request"])
      for (const { to, epoch, asked } of waiting) {
        if (asked.kind !== kind || epoch !== this.#in.epochOf(to)) continue;
        if (asked.kind === "leaf-request") this.onLeafRequest(to, asked);
        else this.onFetchRequest(to, asked);
      }
  }

  onLeafRequest(from: NodeId, asked: LeafRequest): void {
    const partitions = this.#in.ring?.view.claims.length ?? 0;
    const full = this.#listings.size >= SCANS_MAX || this.#waiting.length >= WAITING_MAX;
    if (!this.#answersFor(partitionOfLeaf(asked.leaf), from) || full) {
      this.#refuse(from, asked, this.#in.epochOf(from));
      return;
    }
    if (!this.#in.mayWork("listings")) {
      this.#waiting.push({ to: from, epoch: this.#in.epochOf(from), asked });
      return;
    }
    const { after, before } = partitionRange(asked.leaf, partitions * LEAVES_PER_PARTITION);
    const ticket = this.#in.nextTicket();
    this.#listings.set(ticket, { to: from, epoch: this.#in.epochOf(from), asked, observation: this.#forest.observe() });
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: asked.after > after ? asked.after : after,
      before,
      countMax: LISTED_MAX,
      bytesMax: LISTED_BYTES_MAX,
    });
  }

  /** True when the scan was one of this mechanism's. */
  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const listing = this.#listings.get(ticket);
    if (listing === undefined) return false;
    const { to, epoch, asked, observation } = listing;
    const records = listedRecords(entries);
    if (records !== undefined && done && asked.after === "")
      judgeLeaf(this.#forest, asked.leaf, records, observation, this.#do);
    this.#take(ticket);
    if (records === undefined) {
      this.#refuse(to, asked, epoch);
      return true;
    }
    const next = done ? undefined : entries.at(-1)?.address;
    const reply = { kind: "leaf-reply", request: asked.request, outcome: "listed", records, next } as const;
    this.#in.send(to, reply, "background", epoch);
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    const listing = this.#take(ticket);
    if (listing === undefined) return false;
    this.#refuse(listing.to, listing.asked, listing.epoch);
    return true;
  }

  onFetchRequest(from: NodeId, asked: FetchRequest): void {
    const partitions = this.#in.ring?.view.claims.length ?? 0;
    if (this.#fetches.size >= FETCHES_MAX || this.#waiting.length >= WAITING_MAX || partitions === 0) return;
    const keys = [...new Set(asked.keys.slice(0, FETCHED_MAX))];
    if (!keys.every((key) => this.#answersFor(partitionOf(positionOf(key), partitions), from))) return;
    if (!this.#in.mayWork("listings")) {
      this.#waiting.push({ to: from, epoch: this.#in.epochOf(from), asked });
      return;
    }
    const ticket = this.#in.nextTicket();
    const fetch: Fetch = { to: from, epoch: this.#in.epochOf(from), asked, keys, found: new Map() };
    this.#fetches.set(ticket, fetch);
    for (const key of keys) this.#do.readRecord(key, ticket);
    this.#answer(ticket, fetch);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    if (origin.kind !== "fetch" || completion.kind !== "read") return;
    const fetch = this.#fetches.get(origin.ticket);
    if (fetch === undefined) return;
    fetch.found.set(origin.key, completion.outcome === "found" ? completion.set : undefined);
    this.#answer(origin.ticket, fetch);
  }

  #answersFor(partition: Partition, asker: NodeId): boolean {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined || partition >= ring.view.claims.length) return false;
    return holds(own, partition) && memberOf(ring.view, asker) !== undefined;
  }

  #answer(ticket: Ticket, { to, epoch, asked, keys, found }: Fetch): void {
    if (found.size < keys.length) return;
    this.#fetches.delete(ticket);
    const records: { key: Key; set: FetchReply["records"][number]["set"] }[] = [];
    let bytes = 0;
    let answered = 0;
    for (const key of keys) {
      const set = found.get(key);
      if (set !== undefined) {
        const size = set.siblings.reduce((sum, sibling) => sum + (sibling.value?.length ?? 0), 64);
        if (records.length > 0 && bytes + size > this.#in.config.transferPageBytesMax) break;
        bytes += size;
        records.push({ key, set });
      }
      answered++;
    }
    this.#in.send(to, { kind: "fetch-reply", request: asked.request, records, answered }, "background", epoch);
  }

  #take(ticket: Ticket): Listing | undefined {
    const listing = this.#listings.get(ticket);
    if (listing === undefined) return undefined;
    this.#listings.delete(ticket);
    this.#forest.close(listing.observation);
    return listing;
  }

  #refuse(to: NodeId, { request }: LeafRequest, epoch: Epoch): void {
    const reply = { kind: "leaf-reply", request, outcome: "refused", records: [], next: undefined } as const;
    this.#in.send(to, reply, "background", epoch);
  }
}
