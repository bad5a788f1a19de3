/**
 * Sizes of partitions, for the preview of a membership change: how many keys and bytes would move (paper, section 4.9). One node asks, for each partition,
 * one that holds it; whoever is asked counts its own records, and adds how often it was asked for them. States of each inquiry, in order:
 *
 *   asking     partitions are dealt to holders that can be reached, itself first; each counts
 *   told       all have answered, or the time is over: the caller gets the sizes that came. What nobody told is left out, not guessed
 *
 * and of each count: page by page through the partitions asked, one page at a time over all counts, then one answer.
 *
 * Counting reads the records themselves: its cost grows with what is stored, which is why nobody counts unless an operator asks. What is written meanwhile may
 * be counted or not: a preview is an estimate.
 *
 * Limits: INQUIRIES_MAX at once, beyond which nothing is told; COUNTS_MAX counts for others, the rest is told nothing.
 */

import { keyOfRecord, partitionRange } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Epoch, Millis, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import type { PartitionSize, SizesReply, SizesRequest } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const INQUIRIES_MAX = 8;
const COUNTS_MAX = 8;
const RECORDS_PER_PAGE = 256;
const BYTES_PER_PAGE = 1_048_576;

interface Inquiry {
  /** The caller's. */
  readonly request: RequestId;
  readonly waiting: Set<NodeId>;
  readonly sizes: PartitionSize[];
}

interface Count {
  /** "own": for an inquiry of this node; a peer's answer goes to the epoch in which it asked. */
  readonly to: "own" | { readonly node: NodeId; readonly epoch: Epoch };
  readonly request: RequestId;
  readonly partitions: readonly Partition[];
  /** Those done. */
  done: number;
  after: string;
  keys: number;
  bytes: number;
  readonly sizes: PartitionSize[];
}

export interface PartitionSizesActions {
  /** Requests of the partition that were served here in about a minute. */
  servedPerMinute(partition: Partition): number;
}

export class PartitionSizes {
  readonly #in: Surroundings;
  readonly #do: PartitionSizesActions;
  /** By the request id under which holders were asked. */
  readonly #inquiries = new Map<RequestId, Inquiry>();
  /** The first is the one at work. */
  readonly #counts: Count[] = [];
  #page: Ticket | undefined;

  constructor(surroundings: Surroundings, actions: PartitionSizesActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#inquiries.size + this.#counts.length;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { inquiries: this.#inquiries, counts: this.#counts, page: this.#page };
  }

  /** A caller wants the sizes of these. */
  start(request: RequestId, partitions: readonly Partition[], timeoutMs: Millis): void {
    const own = this.#in.nextRequest();
    const inquiry: Inquiry = { request, waiting: new Set(), sizes: [] };
    if (this.#inquiries.size < INQUIRIES_MAX) {
      for (const [node, asked] of this.#byHolder(partitions)) {
        if (node === this.#in.self) this.#counts.push(newCount("own", own, asked));
        else if (!this.#in.send(node, { kind: "sizes-request", request: own, partitions: asked }, "background"))
          continue;
        inquiry.waiting.add(node);
      }
    }
    this.#inquiries.set(own, inquiry);
    this.#in.timers.set(`sizes-timeout:${own}`, this.#in.now + timeoutMs);
    this.#nextPage();
    this.#judge(own, inquiry);
  }

  onRequest(from: NodeId, { request, partitions }: SizesRequest): void {
    const epoch = this.#in.epochOf(from);
    const known = partitions.filter((partition) => partition < (this.#in.ring?.view.claims.length ?? 0));
    if (this.#counts.length >= COUNTS_MAX)
      this.#in.send(from, { kind: "sizes-reply", request, sizes: [] }, "background");
    else this.#counts.push(newCount({ node: from, epoch }, request, known));
    this.#nextPage();
  }

  onReply(from: NodeId, { request, sizes }: SizesReply): void {
    const inquiry = this.#inquiries.get(request);
    if (inquiry?.waiting.delete(from) !== true) return;
    inquiry.sizes.push(...sizes);
    this.#judge(request, inquiry);
  }

  onPeerDown(peer: NodeId): void {
    for (const [own, inquiry] of this.#inquiries) if (inquiry.waiting.delete(peer)) this.#judge(own, inquiry);
  }

  onTimeout(own: RequestId): void {
    const inquiry = this.#inquiries.get(own);
    inquiry?.waiting.clear();
    if (inquiry !== undefined) this.#judge(own, inquiry);
  }

  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const [count] = this.#counts;
    if (ticket !== this.#page || count === undefined) return false;
    this.#page = undefined;
    for (const { address, record } of entries) {
      count.after = address;
      if (typeof record === "string") continue;
      count.keys++;
      count.bytes += keyOfRecord(address).length;
      for (const { value } of record.set.siblings) count.bytes += value?.length ?? 0;
    }
    if (done) {
      const { keys, bytes } = count;
      const partition = count.partitions[count.done]!;
      count.sizes.push({ partition, keys, bytes, servedPerMinute: this.#do.servedPerMinute(partition) });
      this.#nextPartition(count);
    }
    this.#nextPage();
    return true;
  }

  /** True when it was a page of this mechanism's. What could not be read is told as nothing. */
  onFailed(ticket: Ticket): boolean {
    const [count] = this.#counts;
    if (ticket !== this.#page || count === undefined) return false;
    this.#page = undefined;
    this.#nextPartition(count);
    this.#nextPage();
    return true;
  }

  /** Each partition with one that holds it, this node before others. */
  #byHolder(partitions: readonly Partition[]): Map<NodeId, Partition[]> {
    const { ring, self } = this.#in;
    const byHolder = new Map<NodeId, Partition[]>();
    for (const partition of partitions) {
      const counted = ring?.preferenceList(partition).counted ?? [];
      const holder = counted.includes(self) ? self : counted.find((node) => this.#in.reachable(node));
      if (holder !== undefined) (byHolder.get(holder) ?? byHolder.set(holder, []).get(holder)!).push(partition);
    }
    return byHolder;
  }

  #nextPartition(count: Count): void {
    count.done++;
    count.after = "";
    count.keys = 0;
    count.bytes = 0;
  }

  #nextPage(): void {
    const { ring } = this.#in;
    while (this.#page === undefined) {
      const [count] = this.#counts;
      if (count === undefined) return;
      const partition = count.partitions[count.done];
      if (partition === undefined || ring === undefined) {
        this.#counts.shift();
        this.#tell(count);
        continue;
      }
      const { after, before } = partitionRange(partition, ring.view.claims.length);
      this.#page = this.#in.nextTicket();
      this.#in.emit({
        kind: "scan",
        ticket: this.#page,
        store: "records",
        after: count.after === "" ? after : count.after,
        before,
        countMax: RECORDS_PER_PAGE,
        bytesMax: BYTES_PER_PAGE,
      });
    }
  }

  #tell({ to, request, sizes }: Count): void {
    if (to !== "own") {
      this.#in.send(to.node, { kind: "sizes-reply", request, sizes }, "background", to.epoch);
      return;
    }
    this.onReply(this.#in.self, { kind: "sizes-reply", request, sizes });
  }

  #judge(own: RequestId, { request, waiting, sizes }: Inquiry): void {
    if (waiting.size > 0 || !this.#inquiries.delete(own)) return;
    this.#in.timers.clear(`sizes-timeout:${own}`);
    const told = sizes.slice().sort((a, b) => a.partition - b.partition);
    this.#in.emit({ kind: "report-sizes", request, sizes: told });
  }
}

function newCount(to: Count["to"], request: RequestId, partitions: readonly Partition[]): Count {
  return { to, request, partitions, done: 0, after: "", keys: 0, bytes: 0, sizes: [] };
}
