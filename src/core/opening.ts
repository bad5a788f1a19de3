/**
 * Opening: how a node that has come to hold a partition comes to answer for it. Its copy is from one source, and there may be writers who do not
 * know of it yet: what they were acknowledged must not be missed by those who ask it from now on. States of each partition, in order:
 *
 *   telling     this node takes writes and counts for them, but not alone, and does not answer reads. Those who count besides are asked whether they know, durably,
 *               that it holds the partition: from then on their answers tell every writer of it
 *   comparing   with each who knows trees are compared, and what is missing here is fetched
 *   open        enough of those who are open themselves have done both that every quorum of writers or readers has one of them: whatever was acknowledged
 *               before it knew, it had and is here now; whatever is acknowledged later, the writer has heard of this node, and so has every reader
 *
 * Those who are not open do not speak for the others: several who copied from each other would all lack what none of them had. Of the writers' quorum at most
 * N - W of those who count are missing, so that one more of the open ones is enough, or all of them where there are fewer.
 *
 * It is written down which partitions are not open yet, with the fact that they are held. Nobody else has to know: whoever asks too early is told
 * "moved", which counts for nothing.
 *
 * Limits: one question to each peer each ASK_MS while something is to be opened, one exchange with each peer at a time.
 */

import type { Millis, NodeId, Partition, RequestId } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import type { KnownReply } from "./message.ts";
import type { MerkleForest } from "./merkle-forest.ts";
import type { Surroundings } from "./surroundings.ts";

const ASK_MS = 150;

export interface OpeningActions {
  /** Held and not open yet, with the version of this node's entry that first told of each; Infinity until one has. */
  unopened(): ReadonlyMap<Partition, number>;
  /** Fetches what differs. False when it cannot begin now. */
  exchange(peer: NodeId, partitions: readonly Partition[], serial: number): boolean;
  /** From now on this node answers for them. */
  opened(partitions: readonly Partition[]): void;
}

interface Peer {
  /** The question that is not answered yet, and up to which version it asks. */
  asked: { readonly request: RequestId; readonly version: number; readonly at: Millis } | undefined;
  /** What it held and did not answer for when it last replied. */
  unopened: ReadonlySet<Partition>;
  /** Up to which version the peer knows this node's entry, durably. */
  known: number;
  /** What is being compared with it: stores begun and failures at the begin. */
  comparing: { readonly serial: number; readonly failures: ReadonlyMap<Partition, number> } | undefined;
  /** Compared, once all stores up to here are durable. */
  readonly compared: Map<Partition, { readonly store: number; readonly failures: number }>;
}

export class Opening {
  readonly #in: Surroundings;
  readonly #forest: MerkleForest;
  readonly #do: OpeningActions;
  readonly #peers = new Map<NodeId, Peer>();
  /** Of this node's entry, as its versions begin anew with each. */
  #incarnation = 0;
  #serials = 0;

  constructor(surroundings: Surroundings, forest: MerkleForest, actions: OpeningActions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }

  /** Peers that are asked or compared with. */
  get size(): number {
    return this.#peers.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { peers: this.#peers, incarnation: this.#incarnation, serials: this.#serials };
  }

  onRing(): void {
    if (this.#do.unopened().size > 0) this.#arm();
  }

  onTimer(): void {
    const { ring, self } = this.#in;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    const unopened = this.#do.unopened();
    if (own === undefined || unopened.size === 0) {
      this.#peers.clear();
      return;
    }
    if (own.incarnation !== this.#incarnation) this.#peers.clear();
    this.#incarnation = own.incarnation;
    this.#openWhatMayBe(unopened);
    for (const [node, partitions] of this.#byPeer(this.#do.unopened())) {
      if (!this.#in.reachable(node)) continue;
      const peer = this.#peer(node);
      this.#compare(node, peer, partitions);
      // Who was not open may be by now.
      const asks = [...partitions].some(
        ([partition, version]) => version <= own.version && (version > peer.known || peer.unopened.has(partition)),
      );
      if (asks) this.#ask(node, peer, own);
    }
    this.#arm();
  }

  onReply(from: NodeId, { request, known, unopened }: KnownReply): void {
    const peer = this.#peers.get(from);
    const asked = peer?.asked;
    if (peer === undefined || asked?.request !== request) return;
    peer.asked = undefined;
    peer.unopened = new Set(unopened);
    if (known) peer.known = Math.max(peer.known, asked.version);
    if (known) this.#in.timers.set("opening", this.#in.now);
  }

  onPeerDown(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.asked = undefined;
    peer.comparing = undefined;
  }

  /** What the peer had is merged and durable here, or not. */
  onExchanged(node: NodeId, serial: number, settled: boolean): void {
    const peer = this.#peers.get(node);
    const { comparing } = peer ?? {};
    if (peer === undefined || comparing?.serial !== serial) return;
    peer.comparing = undefined;
    const store = this.#forest.begun;
    if (!settled) return;
    for (const [partition, failures] of comparing.failures) peer.compared.set(partition, { store, failures });
    this.#in.timers.set("opening", this.#in.now);
  }

  #ask(
    node: NodeId,
    peer: Peer,
    { incarnation, version }: { readonly incarnation: number; readonly version: number },
  ): void {
    const { now, config } = this.#in;
    if (peer.asked !== undefined && now - peer.asked.at < config.transferTimeoutMs / 2) return;
    const request = this.#in.nextRequest();
    peer.asked = { request, version, at: now };
    this.#in.send(node, { kind: "known-request", request, incarnation, version }, "background");
  }

  /** Compares what the peer knows of and was not compared with yet. */
  #compare(node: NodeId, peer: Peer, partitions: ReadonlyMap<Partition, number>): void {
    if (peer.comparing !== undefined) return;
    const due = [...partitions].flatMap(([partition, version]) => {
      const compared = peer.compared.get(partition);
      const again = compared !== undefined && compared.failures !== this.#forest.failuresIn(partition);
      return version <= peer.known && (compared === undefined || again) ? [partition] : [];
    });
    if (due.length === 0) return;
    const serial = ++this.#serials;
    const failures = new Map(due.map((partition) => [partition, this.#forest.failuresIn(partition)]));
    peer.comparing = { serial, failures };
    if (!this.#do.exchange(node, due, serial)) peer.comparing = undefined;
  }

  #openWhatMayBe(unopened: ReadonlyMap<Partition, number>): void {
    const { ring, self } = this.#in;
    const open: Partition[] = [];
    for (const partition of unopened.keys()) {
      const others = (ring?.preferenceList(partition).counted ?? []).filter((node) => node !== self);
      const { n = 1, r = 1, w = 1 } = ring?.view.parameters ?? {};
      // Who has not answered yet is taken for open.
      const alreadyOpen = others.filter((node) => this.#peers.get(node)?.unopened.has(partition) !== true);
      const missed = n - Math.min(r, w, n);
      const needed = others.length === 0 ? 0 : Math.max(1, Math.min(missed + 1, alreadyOpen.length));
      const through = alreadyOpen.filter((node) => this.#isCompared(node, partition)).length;
      const busy = others.some((node) => this.#peers.get(node)?.comparing?.failures.has(partition) === true);
      if (through >= needed && !busy) open.push(partition);
    }
    if (open.length === 0) return;
    for (const peer of this.#peers.values()) for (const partition of open) peer.compared.delete(partition);
    this.#do.opened(open);
  }

  #isCompared(node: NodeId, partition: Partition): boolean {
    const compared = this.#peers.get(node)?.compared.get(partition);
    if (compared === undefined || compared.failures !== this.#forest.failuresIn(partition)) return false;
    // While a leaf is in doubt its digest may tell of what never came to the disk.
    return this.#forest.settledUpTo(compared.store) && !this.#forest.isDoubtful(partition);
  }

  /** What is to be opened, by those who count for it besides. */
  #byPeer(unopened: ReadonlyMap<Partition, number>): Map<NodeId, Map<Partition, number>> {
    const byPeer = new Map<NodeId, Map<Partition, number>>();
    for (const [partition, version] of unopened)
      for (const node of this.#in.ring?.preferenceList(partition).counted ?? [])
        if (node !== this.#in.self)
          (byPeer.get(node) ?? byPeer.set(node, new Map()).get(node)!).set(partition, version);
    return byPeer;
  }

  #peer(node: NodeId): Peer {
    const peer = this.#peers.get(node) ?? {
      asked: undefined,
      unopened: new Set<Partition>(),
      known: 0,
      comparing: undefined,
      compared: new Map(),
    };
    this.#peers.set(node, peer);
    return peer;
  }

  #arm(): void {
    if (!this.#in.timers.has("opening")) this.#in.timers.set("opening", this.#in.now + ASK_MS);
  }
}
