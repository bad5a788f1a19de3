/** For the tests of one mechanism: surroundings that keep what the mechanism leaves in them and answer nothing by themselves. And views to put it into. */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "./address.ts";
import { type Config, defaultConfig, parametersFrom } from "./config.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { Effect, Lane, Note, Write } from "./effect.ts";
import type { Actor, Epoch, Key, Millis, NodeId, OperationId, Partition, RequestId, Ticket } from "./identifiers.ts";
import { type Member, type View, noHolders, withHolder } from "./membership.ts";
import type { Message } from "./message.ts";
import { type PreferenceList, Ring } from "./ring.ts";
import type { BackgroundWork, Completion, Surroundings } from "./surroundings.ts";
import { TimerTable } from "./timers.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION, reads } from "./versions.ts";

/** Node 1, 2, 3 and so on. */
export function nodeNamed(n: number): NodeId {
  return n.toString(16).padStart(32, "0") as NodeId;
}

export interface ViewOptions {
  /** Members are the nodes 1 to `nodes`, and each claims every so many-th token: node 1 that of partition 0, node 2 that of partition 1. */
  readonly nodes: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  /** Default 8. */
  readonly partitions?: number;
  /** Default: everybody, everything. */
  readonly holds?: (node: number, partition: Partition) => boolean;
  /** The version of all entries. Default 1. */
  readonly version?: number;
}

export function viewOf({ nodes, n, r, w, partitions = 8, holds = () => true, version = 1 }: ViewOptions): View {
  const members = Array.from({ length: nodes }, (_, i): Member => {
    let holders = noHolders(partitions);
    for (let p = 0; p < partitions; p++) holders = withHolder(holders, p, holds(i + 1, p));
    const node = nodeNamed(i + 1);
    return {
      node,
      incarnation: 1,
      version,
      capacity: 1,
      zone: node,
      holders,
      tokens: [],
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_VERSION,
      hidden: false,
    };
  });
  const claims = Array.from({ length: partitions }, (_, p) => ({ owner: nodeNamed(1 + (p % nodes)), version: 1 }));
  return { parameters: parametersFrom({ n, r, w, partitions }), members, claims, buckets: [] };
}

let writes = 0;
/** A record with one more write, by an actor of its own: it replaces what it has seen, and nothing else. `at`: its wall-clock time. */
export function freshWrite(seen: DvvSet = EMPTY, at: Millis = 0): DvvSet {
  const operation = (++writes).toString(16).padStart(32, "0") as OperationId;
  const actor = operation.padStart(48, "a") as Actor;
  return update(seen, seen.clock, actor, { operation, at, value: new Uint8Array(8), checksum: writes }).set;
}

type Sent = Extract<Effect, { kind: "send" }>;

export class StubSurroundings implements Surroundings {
  readonly self: NodeId;
  readonly config: Config;
  readonly random: Prng;
  readonly timers = new TimerTable();
  now: Millis = 0;
  ring: Ring | undefined;
  /** Peers that cannot be reached. */
  readonly down = new Set<NodeId>();
  /** Peers that do not answer requests in time. */
  readonly slowPeers = new Set<NodeId>();
  /** Peers with an older build, and what they read. */
  readonly olderPeers = new Map<NodeId, number>();
  protocol: number = PROTOCOL_VERSION;
  /** How many more slices background work gets. */
  slices = Number.POSITIVE_INFINITY;
  /** What was emitted, stored and sent, in order. */
  readonly effects: Effect[] = [];
  readonly completions: Completion[] = [];
  readonly notes: Note[] = [];
  mayStoreAnything = true;
  mayAnswerAnything = true;
  #requests = 0;
  #tickets = 0;

  constructor(self: NodeId, view?: View, config: Partial<Config> = {}, random = Prng.fromNumber(1)) {
    this.self = self;
    this.random = random;
    this.config = { ...defaultConfig, ...config };
    this.ring = view === undefined ? undefined : new Ring(view);
  }

  /** The messages that were sent, in order; they are taken out. */
  takeSent(): Sent[] {
    const sent = this.effects.filter((effect): effect is Sent => effect.kind === "send");
    const others = this.effects.filter((effect) => effect.kind !== "send");
    this.effects.splice(0, this.effects.length, ...others);
    return sent;
  }

  /** Names of the timers that are due when so much time has passed, in their order; they are taken out. */
  pass(spanMs: Millis): string[] {
    this.now += spanMs;
    const names: string[] = [];
    for (let name = this.timers.expire(this.now); name !== undefined; name = this.timers.expire(this.now))
      names.push(name);
    return names;
  }

  reachable(node: NodeId): boolean {
    return !this.down.has(node);
  }
  slow(node: NodeId): boolean {
    return this.slowPeers.has(node);
  }
  reads(node: NodeId, kind: Message["kind"]): boolean {
    return reads(this.olderPeers.get(node) ?? PROTOCOL_VERSION, kind);
  }
  mayWork(_work: BackgroundWork, slices = 1): boolean {
    if (this.slices < slices) return false;
    this.slices -= slices;
    return true;
  }
  mayStore(): boolean {
    return this.mayStoreAnything;
  }
  mayAnswer(): boolean {
    return this.mayAnswerAnything;
  }
  listOf(key: Key): PreferenceList | undefined {
    return this.ring?.preferenceList(partitionOf(positionOf(key), this.ring.view.claims.length));
  }
  nextRequest(): RequestId {
    return ++this.#requests;
  }
  nextTicket(): Ticket {
    return ++this.#tickets;
  }
  epochOf(peer: NodeId): Epoch {
    return this.down.has(peer) ? 0 : 1;
  }
  send(to: NodeId, message: Message, lane: Lane): boolean {
    if (this.down.has(to)) return false;
    this.effects.push({ kind: "send", to, epoch: 1, lane, message });
    return true;
  }
  emit(effect: Effect): void {
    this.effects.push(effect);
  }
  store(ticket: Ticket, writes: readonly Write[], durability: "relaxed" | "strict"): void {
    this.effects.push({ kind: "store", ticket, writes, durability });
  }
  complete(completion: Completion): void {
    this.completions.push(completion);
  }
  note(note: Note): void {
    this.notes.push(note);
  }
}
