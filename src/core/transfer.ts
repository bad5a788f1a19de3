/**
 * Transfer: how a node that newly owns a partition gets its data (paper, sections 4.9 and 6.2). States of each partition, in order:
 *
 *   owed       the ring names this node an owner, its entry does not say that it holds the partition
 *   copying    from one of those who count: page by page while there is nothing here, else by comparing trees, so that what an earlier attempt
 *              brought is not copied again; every record is merged here and durable before the next page. When the source falls silent or refuses,
 *              another one goes on
 *   held       written down durably, then gossiped, together with others that were ready at the same time. Were it told before it is durable, a crash
 *              would leave a partition that everybody else has let go of and nobody knows to be here
 *
 * A copy from one source may lack writes that only others have: before this node answers for the partition, `opening.ts` compares with enough of
 * them. Until a source is through, the partition stays owed, visibly.
 *
 * Each page takes a slice of background work, here and again at the source.
 *
 * Limits: `transfersInFlightMax` partitions at once, one page of `transferPageBytesMax` from each source; a page without an answer is asked
 * again after `transferTimeoutMs`. Travels in the background lane.
 */

import type { Key, Millis, NodeId, Partition, RequestId } from "./identifiers.ts";
import type { TransferPage } from "./message.ts";
import { holds, memberOf } from "./membership.ts";
import type { MerkleForest } from "./merkle-forest.ts";
import type { DvvSet } from "./dvvset.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

/** Partitions that became ready within this time are announced together. */
const ANNOUNCE_MS = 100;

export interface TransferActions {
  merge(key: Key, set: DvvSet, request: RequestId): void;
  /** Fetches what differs. False when it cannot begin now. */
  exchange(peer: NodeId, partition: Partition): boolean;
  /** This node holds these partitions now. */
  held(partitions: readonly Partition[]): void;
}

interface Copy {
  readonly partition: Partition;
  /** Whom it was tried with; emptied, by the timer, when all were. */
  readonly tried: Set<NodeId>;
  source: NodeId | undefined;
  /** "idle": no source answers now. "waiting": for a slice of background work, to ask for the page behind `next`. */
  state: "idle" | "comparing" | "waiting" | "reading" | "merging";
  /** The page that was asked for and is not here yet, or not all durable. */
  request: RequestId | undefined;
  askedAt: Millis;
  /** Records of the page that are not durable yet. */
  pending: number;
  next: string | undefined;
  records: number;
}

export class Transfer {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #do: TransferActions;
  readonly #copies = new Map<Partition, Copy>();
  readonly #bySent = new Map<RequestId, Copy>();
  /** Copied; told to the node, or about to be; until its entry says that it holds them. */
  readonly #ready = new Map<Partition, "ready" | "told">();

  constructor(surroundings: Surroundings, forest: MerkleForest, actions: TransferActions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }

  /** Partitions that are being copied, from whom, and how many records have come. */
  get progress(): readonly {
    readonly partition: Partition;
    readonly source: NodeId | undefined;
    readonly records: number;
  }[] {
    return [...this.#copies.values()].map(({ partition, source, records }) => ({ partition, source, records }));
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { copies: this.#copies, ready: this.#ready };
  }

  /** Partitions that this node owns and does not hold. */
  owed(): Partition[] {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return [];
    const owed: Partition[] = [];
    for (let p = 0; p < ring.view.claims.length; p++) if (!holds(own, p) && ring.owns(self, p)) owed.push(p);
    return owed;
  }

  /** The ring changed: what is not owed any more is given up, what is newly owed begins. */
  onRing(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    if (ring === undefined || own === undefined) return;
    for (const partition of [...this.#copies.keys()]) if (!ring.owns(self, partition)) this.#end(partition);
    for (const partition of [...this.#ready.keys()])
      if (!ring.owns(self, partition) || holds(own, partition)) this.#ready.delete(partition);
    for (const copy of this.#copies.values()) {
      // A source refuses as long as it does not see this node among the owners: now it may.
      copy.tried.clear();
      if (copy.source !== undefined && !this.#sources(copy.partition).includes(copy.source)) this.#failed(copy);
      if (copy.state === "idle") this.#ask(copy);
    }
    this.#begin();
  }

  onTimer(): void {
    const { now, config } = this.#in;
    for (const copy of this.#copies.values()) {
      if (copy.state === "reading" && now - copy.askedAt >= config.transferTimeoutMs) this.#failed(copy);
      if (copy.state !== "idle") continue;
      // All have had their turn: from the first again.
      if (this.#sources(copy.partition).every((node) => copy.tried.has(node))) copy.tried.clear();
      this.#ask(copy);
    }
    this.#begin();
  }

  onPeerDown(peer: NodeId): void {
    for (const copy of this.#copies.values()) {
      if (copy.source !== peer || copy.state !== "reading") continue;
      this.#failed(copy);
      this.#ask(copy);
    }
  }

  onPeerUp(peer: NodeId): void {
    for (const copy of this.#copies.values()) {
      copy.tried.delete(peer);
      if (copy.state === "idle") this.#ask(copy);
    }
  }

  /** A slice of background work is there for a page. */
  onSlice(): void {
    for (const copy of this.#copies.values()) {
      if (copy.state !== "waiting" || this.#askPage(copy, copy.next ?? "")) continue;
      this.#failed(copy);
      this.#ask(copy);
    }
  }

  onPage(from: NodeId, page: TransferPage): void {
    const copy = this.#bySent.get(page.request);
    if (copy?.source !== from || copy.state !== "reading" || copy.partition !== page.partition) return;
    if (page.outcome === "refused") {
      this.#failed(copy);
      this.#ask(copy);
      return;
    }
    copy.state = "merging";
    copy.pending = page.records.length;
    copy.next = page.next;
    copy.records += page.records.length;
    for (const { key, set } of page.records) this.#do.merge(key, set, page.request);
    if (copy.pending === 0) this.#pageDone(copy);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const copy = origin.kind === "transfer" ? this.#bySent.get(origin.request) : undefined;
    if (copy?.state !== "merging") return;
    if (completion.kind === "refused") this.#failed(copy);
    else if (completion.kind === "stored" && --copy.pending === 0) this.#pageDone(copy);
  }

  /** What the source had is here, or not. */
  onExchanged(peer: NodeId, partition: Partition, settled: boolean, records: number): void {
    const copy = this.#copies.get(partition);
    if (copy?.source !== peer || copy.state !== "comparing") return;
    copy.records += records;
    if (settled) this.#copied(copy);
    else {
      this.#failed(copy);
      this.#ask(copy);
    }
  }

  /** Announces what is ready. */
  onAnnounceTimer(): void {
    const partitions = [...this.#ready].flatMap(([partition, state]) => (state === "ready" ? [partition] : []));
    if (partitions.length === 0) return;
    for (const partition of partitions) this.#ready.set(partition, "told");
    this.#do.held(partitions.sort((a, b) => a - b));
  }

  #begin(): void {
    for (const partition of this.owed()) {
      if (this.#copies.size >= this.#in.config.transfersInFlightMax) break;
      if (this.#copies.has(partition) || this.#ready.has(partition)) continue;
      const copy: Copy = {
        partition,
        tried: new Set(),
        source: undefined,
        state: "idle",
        request: undefined,
        askedAt: 0,
        pending: 0,
        next: undefined,
        records: 0,
      };
      this.#copies.set(partition, copy);
      this.#ask(copy);
    }
    if (this.#copies.size > 0 && !this.#in.timers.has("transfer"))
      this.#in.timers.set("transfer", this.#in.now + this.#in.config.transferTimeoutMs / 2);
  }

  /** Those who count; a newcomer begins with a different one for each partition. */
  #sources(partition: Partition): NodeId[] {
    const { ring, self } = this.#in;
    const nodes = (ring?.preferenceList(partition).counted ?? []).filter((node) => node !== self);
    const first = nodes.length === 0 ? 0 : partition % nodes.length;
    return [...nodes.slice(first), ...nodes.slice(0, first)];
  }

  /** Begins with the next source that answers. */
  #ask(copy: Copy): void {
    const { partition, tried } = copy;
    const sources = this.#sources(partition);
    for (const source of sources) {
      if (tried.has(source) || !this.#in.reachable(source)) continue;
      tried.add(source);
      copy.source = source;
      if (this.#forest.root(partition) === 0) {
        if (this.#askPage(copy, "")) return;
      } else {
        copy.state = "comparing";
        if (this.#do.exchange(source, partition)) return;
        copy.state = "idle";
      }
    }
    copy.source = undefined;
  }

  #askPage(copy: Copy, after: string): boolean {
    const { partition, source } = copy;
    if (source === undefined || !this.#in.reachable(source)) return false;
    if (!this.#in.mayWork("transfer")) {
      copy.state = "waiting";
      copy.next = after;
      return true;
    }
    const request = this.#in.nextRequest();
    const bytesMax = this.#in.config.transferPageBytesMax;
    const asked = { kind: "transfer-request", request, partition, after, bytesMax } as const;
    if (!this.#in.send(source, asked, "background")) return false;
    copy.request = request;
    copy.askedAt = this.#in.now;
    copy.state = "reading";
    this.#bySent.set(request, copy);
    return true;
  }

  #pageDone(copy: Copy): void {
    const { next } = copy;
    this.#forget(copy);
    if (next === undefined) this.#copied(copy);
    else if (!this.#askPage(copy, next)) this.#failed(copy);
  }

  #copied({ partition }: Copy): void {
    this.#end(partition);
    this.#ready.set(partition, "ready");
    this.#begin();
    this.#in.timers.set("announce", this.#in.now + (this.#copies.size === 0 ? 0 : ANNOUNCE_MS));
  }

  #failed(copy: Copy): void {
    this.#forget(copy);
    copy.state = "idle";
    copy.source = undefined;
  }

  #forget(copy: Copy): void {
    if (copy.request !== undefined) this.#bySent.delete(copy.request);
    copy.request = undefined;
  }

  #end(partition: Partition): void {
    const copy = this.#copies.get(partition);
    if (copy !== undefined) this.#forget(copy);
    this.#copies.delete(partition);
  }
}
