/**
 * Load in the gossip (notes on the paper, section 6.2): counts what is asked of this node, says in a few bytes how busy it is and whom it sees answer late, and
 * passes on what others say. States of a piece of news, in order:
 *
 *   made      the own level or the own opinion of who is slow is another: twice as much, or half, once in CHANGE_MS at most
 *   told      to one random peer in each round of gossip, TOLD_AT_LEAST times and twice for each doubling of the members, by everybody who hears it: a rumour
 *   known     silence. A member that comes up is told everything once
 *
 * It is an opinion about now: no disk ever sees it, no view of the members becomes another by it, and nothing but plans for people rests on it. Who says nothing
 * has hardly anything to do; so where nobody has, nothing is said.
 *
 * Limits: one entry for each member, ENTRIES_PER_MESSAGE in a message, one message a round.
 */

import type { NodeId, Partition } from "./identifiers.ts";
import { type LoadEntry, LoadMeter, SLOW_NAMED_MAX, levelOf } from "./load.ts";
import { memberOf, stays } from "./membership.ts";
import type { LoadNews } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const CHANGE_MS = 10_000;
const TOLD_AT_LEAST = 3;
const ENTRIES_PER_MESSAGE = 256;
/** Stamps of one start lie within so many. */
const STAMPS_PER_INCARNATION = 2 ** 20;

export interface LoadGossipActions {
  /** Members that answer. */
  peers(): readonly NodeId[];
  incarnation(): number;
}

export class LoadGossip {
  readonly #in: Surroundings;
  readonly #do: LoadGossipActions;
  readonly #meter = new LoadMeter();
  readonly #entries = new Map<NodeId, LoadEntry>();
  /** Peers that were told everything since they came up. */
  readonly #greeted = new Set<NodeId>();
  /** How often each is still to be told. */
  readonly #news = new Map<NodeId, number>();
  #changesAt = 0;

  constructor(surroundings: Surroundings, actions: LoadGossipActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What members say of themselves, by node. */
  get entries(): readonly LoadEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** Members that at least half of the others, of those that answer, see answer late. */
  get slow(): readonly NodeId[] {
    const { ring, self } = this.#in;
    if (this.#entries.size === 0) return [];
    const members = (ring?.view.members ?? []).filter(stays).map((member) => member.node);
    const voters = new Set(members.filter((node) => node === self || this.#in.reachable(node)));
    const votes = new Map<NodeId, number>();
    for (const voter of voters)
      for (const node of this.#entries.get(voter)?.slow ?? [])
        if (node !== voter) votes.set(node, (votes.get(node) ?? 0) + 1);
    const others = (node: NodeId): number => voters.size - (voters.has(node) ? 1 : 0);
    return members.filter((node) => 2 * (votes.get(node) ?? 0) >= Math.max(1, others(node)));
  }

  /** Everything that it remembers, as plain data. Counts are left out: how often it was asked is no state of the protocol. */
  get memory(): unknown {
    return { entries: this.#entries, news: this.#news, greeted: this.#greeted, changesAt: this.#changesAt };
  }

  /** A request for this partition was served here. */
  onServed(partition: Partition): void {
    if (this.#isOn) this.#meter.count(partition, this.#in.now);
  }

  /** Requests of a partition that were served here in about a minute. */
  servedPerMinute(partition: Partition): number {
    return Math.round(this.#meter.perMinute(partition, this.#in.now));
  }

  /** A round of gossip. */
  onRound(): void {
    if (!this.#isOn || this.#in.ring === undefined) return;
    this.#lookAtSelf();
    if (this.#entries.size === 0) return;
    const { view } = this.#in.ring;
    const peers = this.#do
      .peers()
      .filter((peer) => memberOf(view, peer) !== undefined && this.#in.reads(peer, "load-news"));
    const stranger = peers.find((peer) => !this.#greeted.has(peer));
    if (stranger !== undefined) {
      this.#greeted.add(stranger);
      this.#tell(stranger, [...this.#entries.keys()].slice(0, ENTRIES_PER_MESSAGE));
      return;
    }
    if (this.#news.size === 0) return;
    const peer = this.#in.random.pick(peers);
    if (peer === undefined) return;
    const nodes = [...this.#news.keys()].slice(0, ENTRIES_PER_MESSAGE);
    if (!this.#tell(peer, nodes)) return;
    for (const node of nodes) {
      const left = this.#news.get(node)! - 1;
      if (left > 0) this.#news.set(node, left);
      else this.#news.delete(node);
    }
  }

  onPeerDown(peer: NodeId): void {
    this.#greeted.delete(peer);
  }

  onNews({ entries }: LoadNews): void {
    const { ring, self } = this.#in;
    if (!this.#isOn || ring === undefined) return;
    for (const entry of entries) {
      const member = memberOf(ring.view, entry.node);
      if (member === undefined || !stays(member)) continue;
      if (entry.stamp <= (this.#entries.get(entry.node)?.stamp ?? 0)) continue;
      // An earlier start of ours said so, on a disk that went back in time.
      const own = this.#entries.get(self) ?? { node: self, level: 0, slow: [] };
      this.#learn(entry.node === self ? { ...own, stamp: entry.stamp + 1 } : entry);
    }
  }

  get #isOn(): boolean {
    return this.#in.config.loadFromPerSecond < Number.POSITIVE_INFINITY;
  }

  #lookAtSelf(): void {
    const { now, self, ring, config } = this.#in;
    if (now < this.#changesAt || ring === undefined) return;
    for (const node of this.#entries.keys()) {
      const member = memberOf(ring.view, node);
      if (member !== undefined && stays(member)) continue;
      this.#entries.delete(node);
      this.#news.delete(node);
    }
    const before = this.#entries.get(self);
    const level = levelOf(this.#meter.perSecond(now), config.loadFromPerSecond, before?.level);
    const slow = ring.view.members
      .filter((member) => stays(member) && member.node !== self && this.#in.slow(member.node))
      .map((member) => member.node)
      .slice(0, SLOW_NAMED_MAX);
    if (level === (before?.level ?? 0) && slow.join() === (before?.slow ?? []).join()) return;
    this.#changesAt = now + CHANGE_MS;
    const stamp = Math.max(before?.stamp ?? 0, this.#do.incarnation() * STAMPS_PER_INCARNATION) + 1;
    this.#learn({ node: self, stamp, level, slow });
    this.#in.note({ what: "load", level, slow });
  }

  #learn(entry: LoadEntry): void {
    this.#entries.set(entry.node, entry);
    const members = this.#in.ring?.view.members.length ?? 1;
    let times = TOLD_AT_LEAST;
    for (let reached = 1; reached < members; reached *= 2) times += 2;
    this.#news.set(entry.node, times);
  }

  #tell(peer: NodeId, nodes: readonly NodeId[]): boolean {
    const entries = nodes.flatMap((node) => this.#entries.get(node) ?? []).sort((a, b) => (a.node < b.node ? -1 : 1));
    return this.#in.send(peer, { kind: "load-news", entries }, "background");
  }
}
