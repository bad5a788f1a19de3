/**
 * Scrub: this node reads its own records in the background, page by page and round and round, to find what the disk has damaged or lost before
 * anybody asks for it (DESIGN, section 5; DynamoDB's continuous verification of data at rest). States, in order:
 *
 *   waiting    the next page is due in `scrubMs`; besides, and sooner, a look at a leaf whose sum is in doubt
 *   reading    a page of records, or one leaf as a whole: one that is in doubt, or is larger than a page
 *   judging    the digests of each leaf that was read whole are added up: where they are not what the forest counts, and nothing was written there
 *              meanwhile, the sum is set right. So the tree says what is truly there, differs from those of others, and anti-entropy brings what is
 *              missing. A record that is damaged counts as none; if a sound one is in memory it is written anew
 *
 * It also reads the sums at the start of the node, and writes those that were corrected.
 *
 * Limits: one page of RECORDS_PER_PAGE, or one leaf, at a time: what it costs in a second does not grow with the number of keys, only a round takes
 * longer.
 */

import { partitionRange } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Ticket } from "./identifiers.ts";
import { type LeafActions, judgeLeaf, listedRecords } from "./leaf-reading.ts";
import {
  type Digest,
  LEAVES_PER_PARTITION,
  type Leaf,
  type MerkleForest,
  type Observation,
  leafOf,
} from "./merkle-forest.ts";
import type { Surroundings } from "./surroundings.ts";

const RECORDS_PER_PAGE = 256;
const BYTES_PER_PAGE = 262_144;
/** How soon a leaf in doubt is looked at. */
const DOUBT_MS = 500;
const LOAD_AGAIN_MS = 1_000;

interface Page {
  readonly ticket: Ticket;
  readonly observation: Observation;
  /** The first and the last leaf that it was asked for. */
  readonly first: Leaf;
  readonly last: Leaf;
  /** Belongs to the round, and is not a look aside at a leaf in doubt. */
  readonly inRound: boolean;
}

export class Scrub {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #do: LeafActions;
  #page: Page | undefined;
  /** The leaf at which the round goes on. */
  #cursor: Leaf = 0;
  /** The leaf at the cursor is larger than a page. */
  #large = false;
  #rounds = 0;
  /** The sums that an earlier start left are being read. */
  #loading: Ticket | undefined;
  /** Corrected sums on their way to the disk. */
  readonly #corrections = new Map<Ticket, Leaf>();

  constructor(surroundings: Surroundings, forest: MerkleForest, actions: LeafActions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    const { first, last, inRound } = this.#page ?? {};
    return {
      page: this.#page?.ticket,
      of: [first, last, inRound],
      cursor: this.#cursor,
      large: this.#large,
      rounds: this.#rounds,
      loading: this.#loading,
      corrections: this.#corrections,
    };
  }

  get size(): number {
    return this.#corrections.size;
  }

  /** True when the sums that an earlier start left are known. */
  get started(): boolean {
    return this.#loading === undefined;
  }

  start(): void {
    this.#loading = this.#in.nextTicket();
    this.#in.emit({ kind: "load-leaves", ticket: this.#loading });
  }

  onLeavesLoaded(ticket: Ticket, leaves: readonly { readonly leaf: Leaf; readonly digest: Digest }[]): void {
    if (ticket !== this.#loading) return;
    this.#loading = undefined;
    for (const { leaf, digest } of leaves) this.#forest.set(leaf, digest);
  }

  /** Writes down what the records of the leaf add up to. */
  correct(leaf: Leaf, digest: Digest): void {
    const ticket = this.#in.nextTicket();
    this.#corrections.set(ticket, leaf);
    this.#in.note({ what: "leaf-corrected", leaf });
    this.#in.store(ticket, [{ store: "leaves", leaf, change: "set", digest }], "relaxed");
  }

  onStored(ticket: Ticket): void {
    this.#corrections.delete(ticket);
  }

  /** How often all records were read since the start. */
  get rounds(): number {
    return this.#rounds;
  }

  onTimer(): void {
    this.#in.timers.set("scrub", this.#in.now + this.#in.config.scrubMs);
    this.#readPage();
  }

  /** A slice of background work is there: for a leaf in doubt, if there is one. */
  onSlice(): void {
    if (this.#forest.doubts > 0) this.onDoubtTimer();
    else this.#readPage();
  }

  #readPage(): void {
    const last = this.#leaves - 1;
    if (this.#page !== undefined || last < 0 || !this.#in.mayWork("scrub")) return;
    this.#read(this.#cursor, this.#large ? this.#cursor : last, true);
  }

  /** Looks at a leaf in doubt. */
  onDoubtTimer(): void {
    const leaf = this.#forest.doubtful;
    if (leaf === undefined || this.#page !== undefined || this.#leaves === 0 || !this.#in.mayWork("scrub")) return;
    // Should it stay in doubt, because it cannot be read or is written all the time, the others have their turn first.
    this.#forest.doubt(leaf);
    this.#read(leaf, leaf, false);
  }

  /** Some leaf is in doubt: do not wait for the round. */
  arm(): void {
    const { timers, now } = this.#in;
    if (!timers.has("scrub-doubt")) timers.set("scrub-doubt", now + DOUBT_MS);
  }

  /** True when the scan was one of this mechanism's. */
  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const page = this.#page;
    if (page?.ticket !== ticket) return false;
    this.#page = undefined;
    this.#judge(page, entries, done);
    this.#forest.close(page.observation);
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    if (ticket === this.#loading) {
      this.#in.timers.set("start", this.#in.now + LOAD_AGAIN_MS);
      return true;
    }
    const corrected = this.#corrections.get(ticket);
    if (corrected !== undefined) {
      this.#corrections.delete(ticket);
      this.#forest.doubt(corrected);
      return true;
    }
    if (this.#page?.ticket !== ticket) return false;
    this.#forest.close(this.#page.observation);
    this.#page = undefined;
    return true;
  }

  get #leaves(): number {
    return (this.#in.ring?.view.claims.length ?? 0) * LEAVES_PER_PARTITION;
  }

  #read(first: Leaf, last: Leaf, inRound: boolean): void {
    const ticket = this.#in.nextTicket();
    this.#page = { ticket, observation: this.#forest.observe(), first, last, inRound };
    const { after } = partitionRange(first, this.#leaves);
    const { before } = partitionRange(last, this.#leaves);
    const whole = first === last;
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after,
      before,
      countMax: whole ? Number.MAX_SAFE_INTEGER : RECORDS_PER_PAGE,
      bytesMax: whole ? Number.MAX_SAFE_INTEGER : BYTES_PER_PAGE,
    });
  }

  #judge(
    { observation, first, last, inRound }: Page,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): void {
    const partitions = this.#leaves / LEAVES_PER_PARTITION;
    const byLeaf = new Map<Leaf, (typeof entries)[number][]>();
    for (const entry of entries) {
      const leaf = leafOf(entry.address, partitions);
      (byLeaf.get(leaf) ?? byLeaf.set(leaf, []).get(leaf)!).push(entry);
    }
    // The leaf in which a page ends may go on behind it.
    const end = done ? last + 1 : leafOf(entries.at(-1)!.address, partitions);
    for (const leaf of first === last ? [first] : this.#between(first, end, byLeaf.keys())) {
      const records = listedRecords(byLeaf.get(leaf) ?? []);
      if (records !== undefined) judgeLeaf(this.#forest, leaf, records, observation, this.#do);
    }
    if (!inRound) return;
    this.#large = !done && end === first;
    this.#cursor = end < this.#leaves ? end : 0;
    if (this.#cursor === 0) this.#rounds++;
  }

  /** Leaves from `first` up to, and without, `end` that have records or are thought to have some. */
  #between(first: Leaf, end: Leaf, read: Iterable<Leaf>): Leaf[] {
    const leaves = new Set(read);
    for (let p = Math.floor(first / LEAVES_PER_PARTITION); p * LEAVES_PER_PARTITION < end; p++)
      for (const { leaf } of this.#forest.leavesOf(p)) leaves.add(leaf);
    return [...leaves].filter((leaf) => leaf >= first && leaf < end).sort((a, b) => a - b);
  }
}
