/**
 * Transfer: how a node that newly owns a partition comes to hold it (paper, section 4.9 and 6.2). States of each partition, in order:
 *
 *   owed       the ring names this node an owner, its entry does not say that it holds the partition
 *   copying    pages are asked of the present holders, one page at a time from each; every record is merged here and durable before the next page
 *   copied     at least N-W+1 holders are through, and none that still answers is left: with writes acknowledged by W of them, at least one of
 *              the copied has each acknowledged write; writes since the start came here directly
 *   held       written down durably, then gossiped, together with others that were ready at the same time: from now on this node counts. Were it told
 *              before it is durable, a crash would leave a partition that everybody else has let go of and nobody knows to be here
 *
 * A source that refuses or falls silent is left out; one that is back is asked again from where it stopped. Until enough are through, the partition
 * stays owed, visibly.
 *
 * Limits: `transfersInFlightMax` partitions at once, one page of `transferPageBytesMax` from each source; a page without an answer is asked
 * again after `transferTimeoutMs`. Travels in the background lane.
 */

import type { Key, Millis, NodeId, Partition, RequestId } from "./identifiers.ts";
import type { TransferPage } from "./message.ts";
import { holds, memberOf } from "./membership.ts";
import type { DvvSet } from "./dvvset.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

/** Partitions that became ready within this time are announced together. */
const ANNOUNCE_MS = 100;

export interface TransferActions {
  merge(key: Key, set: DvvSet, request: RequestId): void;
  /** This node holds these partitions now. */
  held(partitions: readonly Partition[]): void;
}

interface Source {
  readonly node: NodeId;
  after: string;
  /** The page that was asked for and is not here yet, or not all durable. */
  request: RequestId | undefined;
  askedAt: Millis;
  /** Records of the page that are not durable yet. */
  pending: number;
  next: string | undefined;
  state: "reading" | "merging" | "through" | "failed";
}

interface Copy {
  readonly partition: Partition;
  readonly sources: Map<NodeId, Source>;
}

export class Transfer {
  readonly #in: Surroundings;
  readonly #do: TransferActions;
  readonly #copies = new Map<Partition, Copy>();
  readonly #bySent = new Map<RequestId, { readonly copy: Copy; readonly source: Source }>();
  /** Copied; told to the node, or about to be; until its entry says that it holds them. */
  readonly #ready = new Map<Partition, "ready" | "told">();

  constructor(surroundings: Surroundings, actions: TransferActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get progress(): readonly { readonly partition: Partition; readonly sources: number; readonly done: number }[] {
    return [...this.#copies.values()].map(({ partition, sources }) => ({
      partition,
      sources: sources.size,
      done: [...sources.values()].filter((source) => source.state === "through").length,
    }));
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
    // A source refuses as long as it does not see this node among the owners: now it may.
    for (const copy of [...this.#copies.values()]) {
      this.#refresh(copy);
      for (const source of copy.sources.values()) if (source.state === "failed") this.#ask(copy, source);
      this.#judge(copy);
    }
    this.#begin();
  }

  onTimer(): void {
    const { now, config } = this.#in;
    for (const copy of this.#copies.values()) {
      for (const source of copy.sources.values()) {
        if (source.state === "reading" && now - source.askedAt >= config.transferTimeoutMs) this.#failed(source);
        if (source.state === "failed" && this.#in.reachable(source.node)) this.#ask(copy, source);
      }
      this.#refresh(copy);
      this.#judge(copy);
    }
    this.#begin();
  }

  onPeerDown(peer: NodeId): void {
    for (const copy of [...this.#copies.values()]) {
      const source = copy.sources.get(peer);
      if (source?.state !== "reading") continue;
      this.#failed(source);
      this.#judge(copy);
    }
  }

  onPeerUp(peer: NodeId): void {
    for (const copy of this.#copies.values()) {
      this.#refresh(copy);
      const source = copy.sources.get(peer);
      if (source?.state === "failed") this.#ask(copy, source);
    }
  }

  onPage(from: NodeId, page: TransferPage): void {
    const found = this.#bySent.get(page.request);
    if (found?.source.node !== from || found.source.state !== "reading" || found.copy.partition !== page.partition)
      return;
    const { copy, source } = found;
    if (page.outcome === "refused") {
      this.#failed(source);
      this.#judge(copy);
      return;
    }
    source.state = "merging";
    source.pending = page.records.length;
    source.next = page.next;
    for (const { key, set } of page.records) this.#do.merge(key, set, page.request);
    if (source.pending === 0) this.#pageDone(copy, source);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    const found = origin.kind === "transfer" ? this.#bySent.get(origin.request) : undefined;
    if (found?.source.state !== "merging") return;
    if (completion.kind === "refused") {
      this.#failed(found.source);
      this.#judge(found.copy);
    } else if (completion.kind === "stored" && --found.source.pending === 0) this.#pageDone(found.copy, found.source);
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
      const copy: Copy = { partition, sources: new Map() };
      this.#copies.set(partition, copy);
      this.#refresh(copy);
      this.#judge(copy);
    }
    if (this.#copies.size > 0 && !this.#in.timers.has("transfer"))
      this.#in.timers.set("transfer", this.#in.now + this.#in.config.transferTimeoutMs / 2);
  }

  /** The present holders that count, and how many of them must be through: the ring may change while a copy is under way. */
  #holders(partition: Partition): { nodes: readonly NodeId[]; needed: number } {
    const { ring, self } = this.#in;
    if (ring === undefined) return { nodes: [], needed: Infinity };
    const nodes = ring.preferenceList(partition).counted.filter((node) => node !== self);
    const w = Math.min(ring.view.parameters.w, nodes.length);
    return { nodes, needed: Math.max(1, nodes.length - w + 1) };
  }

  /** Asks holders that are not asked yet, and leaves out who has let go of the partition meanwhile. */
  #refresh(copy: Copy): void {
    const { nodes } = this.#holders(copy.partition);
    for (const [node, source] of copy.sources) {
      if (nodes.includes(node)) continue;
      this.#forget(source);
      copy.sources.delete(node);
    }
    for (const node of nodes) {
      if (copy.sources.has(node)) continue;
      const source: Source = {
        node,
        after: "",
        request: undefined,
        askedAt: 0,
        pending: 0,
        next: undefined,
        state: "failed",
      };
      copy.sources.set(node, source);
      this.#ask(copy, source);
    }
  }

  #ask(copy: Copy, source: Source): void {
    const request = this.#in.nextRequest();
    const { partition } = copy;
    const bytesMax = this.#in.config.transferPageBytesMax;
    if (
      !this.#in.send(
        source.node,
        { kind: "transfer-request", request, partition, after: source.after, bytesMax },
        "background",
      )
    )
      return;
    source.request = request;
    source.askedAt = this.#in.now;
    source.state = "reading";
    this.#bySent.set(request, { copy, source });
  }

  #pageDone(copy: Copy, source: Source): void {
    this.#forget(source);
    if (source.next === undefined) source.state = "through";
    else {
      source.after = source.next;
      source.state = "failed";
      this.#ask(copy, source);
    }
    this.#judge(copy);
  }

  #failed(source: Source): void {
    this.#forget(source);
    source.state = "failed";
  }

  #judge(copy: Copy): void {
    if (this.#copies.get(copy.partition) !== copy) return;
    const sources = [...copy.sources.values()];
    const through = sources.filter((source) => source.state === "through").length;
    const busy = sources.some((source) => source.state === "reading" || source.state === "merging");
    if (busy || through < this.#holders(copy.partition).needed) return;
    this.#end(copy.partition);
    this.#ready.set(copy.partition, "ready");
    this.#begin();
    this.#in.timers.set("announce", this.#in.now + (this.#copies.size === 0 ? 0 : ANNOUNCE_MS));
  }

  #forget(source: Source): void {
    if (source.request !== undefined) this.#bySent.delete(source.request);
    source.request = undefined;
  }

  #end(partition: Partition): void {
    for (const source of this.#copies.get(partition)?.sources.values() ?? []) this.#forget(source);
    this.#copies.delete(partition);
  }
}
