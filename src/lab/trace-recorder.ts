/**
 * Writes down what happens in a world of the lab: records with their causal clocks, and the flights of messages. It knows nothing of how the world works;
 * whoever runs one tells it.
 *
 * A flight: sent, then perhaps kept back and let out, then at the far node (`arrived`), where it waits while that one is frozen, then taken (`received`); or
 * lost anywhere on its way. A node takes messages in the order in which they arrived at it.
 *
 * The hash goes over all records since the beginning, those that were let go included: equal hashes, equal runs.
 *
 * Limits: TRACE_RECORDS_MAX; FLIGHTS_ENDED_MAX, unless the world says otherwise. Flights under way are as many as the world has.
 */

import { hash52 } from "../base/hash52.ts";
import type { Key, Millis, NodeId, RequestId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { type CausalClock, tick } from "./causal-clock.ts";
import {
  FLIGHTS_ENDED_MAX,
  type Fate,
  type Flight,
  LABEL_LENGTH_MAX,
  type Letter,
  type Role,
  TRACE_RECORDS_MAX,
  type TraceEvent,
  type TraceRecord,
} from "./world.ts";

/** Records are let go so many at a time. */
const CHUNK = 5_000;

interface KeptFlight extends Flight {
  sentAt: Millis;
  arrivesAt: Millis | undefined;
  fate: Fate;
  endedAt: Millis | undefined;
  lostBy: string | undefined;
  request: RequestId | undefined;
  sentRecord: number;
  /** Of the sending record. */
  clock: CausalClock;
  late: boolean;
  readonly letter: Letter | undefined;
}

/** What can be told of a message beside its flight. */
export interface Telling {
  readonly label: string;
  readonly key: Key | undefined;
  readonly request: RequestId | undefined;
  readonly event: TraceEvent;
}

interface MessageFacts {
  readonly kind: Message["kind"];
  /** Undefined where only its label is known. */
  readonly letter: Letter | undefined;
  readonly label: string;
  readonly role: Role | undefined;
}

export class TraceRecorder {
  readonly #now: () => Millis;
  readonly #flightsEndedMax: number;
  readonly #places = new Map<NodeId, number>();
  readonly #clocks = new Map<NodeId, CausalClock>();
  readonly #underWay = new Map<number, KeptFlight>();
  readonly #ended = new Map<number, KeptFlight>();
  /** At each node: what has arrived and was not taken yet, in its order. */
  readonly #inbox = new Map<NodeId, number[]>();
  readonly #trace: TraceRecord[] = [];
  #number = 0;
  #hash = 0;
  #on = false;

  constructor(now: () => Millis, flightsEndedMax: number = FLIGHTS_ENDED_MAX) {
    this.#now = now;
    this.#flightsEndedMax = flightsEndedMax;
  }

  /** Nothing is recorded before; flights are followed all the same. What was the moment `at` until now is 0 from now on. */
  begin(at: Millis): void {
    this.#on = true;
    for (const kept of this.#underWay.values()) {
      kept.sentAt -= at;
      if (kept.arrivesAt !== undefined) kept.arrivesAt -= at;
    }
  }

  get isOn(): boolean {
    return this.#on;
  }

  get trace(): readonly TraceRecord[] {
    return this.#trace;
  }

  /** How many records there ever were. */
  get count(): number {
    return this.#number;
  }

  /** 13 hexadecimal digits over all records. */
  get hash(): string {
    return this.#hash.toString(16).padStart(13, "0");
  }

  get flights(): readonly Flight[] {
    return [...this.#ended.values(), ...this.#underWay.values()].map(plain);
  }

  get flightsUnderWay(): readonly Flight[] {
    return [...this.#underWay.values()].map(plain);
  }

  flight(id: number): Flight | undefined {
    return this.#underWay.get(id) ?? this.#ended.get(id);
  }

  /** What it carries; a copy carries the same. */
  letter(flight: number): Letter | undefined {
    return (this.#underWay.get(flight) ?? this.#ended.get(flight))?.letter;
  }

  record(node: NodeId | undefined, telling: Telling, heard?: CausalClock): TraceRecord | undefined {
    if (!this.#on) return undefined;
    const clock = node === undefined ? [] : tick(this.#clocks.get(node) ?? [], this.#placeOf(node), heard);
    if (node !== undefined) this.#clocks.set(node, clock);
    const { label, key, request, event } = telling;
    const at = this.#now();
    const line = shortened(label);
    const record: TraceRecord = { number: ++this.#number, at, node, label: line, clock, key, request, event };
    this.#hash = hash52(`${this.#hash} ${at} ${node ?? ""} ${event.what} ${line} ${clock.join()}`);
    this.#trace.push(record);
    if (this.#trace.length >= TRACE_RECORDS_MAX + CHUNK) this.#trace.splice(0, CHUNK);
    return record;
  }

  sent(flight: number, from: NodeId, to: NodeId, message: MessageFacts, arrivesAt: Millis, telling: Telling): void {
    const record = this.record(from, telling);
    this.#underWay.set(flight, {
      id: flight,
      from,
      to,
      kind: message.kind,
      key: telling.key,
      label: shortened(message.label),
      role: message.role,
      sentAt: this.#now(),
      arrivesAt: arrivesAt === Infinity ? undefined : arrivesAt,
      fate: "under-way",
      endedAt: undefined,
      lostBy: undefined,
      copyOf: undefined,
      request: telling.request,
      sentRecord: record?.number ?? 0,
      clock: record?.clock ?? [],
      late: false,
      letter: message.letter,
    });
  }

  /** The network has doubled a message: no node knows. */
  doubled(flight: number, copyOf: number, arrivesAt: Millis): void {
    const original = this.#underWay.get(copyOf) ?? this.#ended.get(copyOf);
    if (original === undefined) return;
    this.#underWay.set(flight, {
      ...original,
      id: flight,
      copyOf,
      arrivesAt: arrivesAt === Infinity ? undefined : arrivesAt,
      fate: "under-way",
      endedAt: undefined,
      lostBy: undefined,
      late: false,
    });
  }

  waits(flight: number): void {
    const kept = this.#underWay.get(flight);
    if (kept === undefined) return;
    kept.fate = "held";
    kept.arrivesAt = undefined;
  }

  goesOn(flight: number, arrivesAt: Millis): void {
    const kept = this.#underWay.get(flight);
    if (kept === undefined) return;
    kept.fate = "under-way";
    kept.arrivesAt = arrivesAt;
  }

  /** It is at the far node, which takes it when it can. */
  arrived(flight: number, late: boolean): void {
    const kept = this.#underWay.get(flight);
    if (kept === undefined) return;
    kept.fate = "held";
    kept.late = late;
    let inbox = this.#inbox.get(kept.to);
    if (inbox === undefined) this.#inbox.set(kept.to, (inbox = []));
    inbox.push(flight);
  }

  /** The node takes the next message that has arrived; `tell` says what of it is worth telling. */
  received(node: NodeId, tell: (flight: Flight) => Telling): void {
    const id = this.#inbox.get(node)?.shift();
    const kept = id === undefined ? undefined : this.#underWay.get(id);
    if (kept === undefined) return;
    if (this.#on) this.record(node, tell(kept), kept.clock);
    this.#end(kept, kept.late ? "late" : "arrived");
  }

  /** The node takes a message whose sending nobody has told of. */
  heard(
    flight: number,
    from: NodeId,
    to: NodeId,
    { kind, letter, label, role }: MessageFacts,
    tell: (flight: Flight) => Telling,
  ): void {
    const now = this.#now();
    const kept: KeptFlight = {
      id: flight,
      from,
      to,
      kind,
      key: undefined,
      label: shortened(label),
      role,
      sentAt: now,
      arrivesAt: now,
      fate: "held",
      endedAt: undefined,
      lostBy: undefined,
      copyOf: undefined,
      request: undefined,
      sentRecord: 0,
      clock: [],
      late: false,
      letter,
    };
    const telling = tell(kept);
    this.#underWay.set(flight, { ...kept, key: telling.key, request: telling.request });
    this.arrived(flight, false);
    this.received(to, () => telling);
  }

  /** Its receiver tells nobody what it receives: what became of it is not known. */
  unseen(flight: number): void {
    const kept = this.#underWay.get(flight);
    if (kept !== undefined) this.#end(kept, "unseen");
  }

  /** `why` in a word. Neither end knows of it: their clocks stay. */
  lost(flight: number, why: string, nameOf: (node: NodeId) => string): void {
    const kept = this.#underWay.get(flight);
    if (kept === undefined) return;
    kept.lostBy = why;
    this.#end(kept, why === "dropped" ? "dropped" : "lost");
    const { kind, key, request, from, to } = kept;
    this.record(undefined, {
      label: `lost (${why}): ${nameOf(from)} > ${nameOf(to)} ${kept.label}`,
      key,
      request,
      event: { what: "lost", kind, from, peer: to, flight, why },
    });
  }

  /** The node has ended: what it had not taken is lost. */
  ended(node: NodeId, nameOf: (node: NodeId) => string): void {
    for (const flight of this.#inbox.get(node)?.splice(0) ?? []) this.lost(flight, "ended", nameOf);
  }

  #end(kept: KeptFlight, fate: Fate): void {
    kept.fate = fate;
    kept.endedAt = this.#now();
    this.#underWay.delete(kept.id);
    if (!this.#on) return;
    this.#ended.set(kept.id, kept);
    if (this.#ended.size <= this.#flightsEndedMax) return;
    for (const first of this.#ended.keys()) {
      this.#ended.delete(first);
      return;
    }
  }

  /** In the order in which nodes come to the world. */
  added(node: NodeId): void {
    this.#placeOf(node);
  }

  #placeOf(node: NodeId): number {
    let place = this.#places.get(node);
    if (place === undefined) this.#places.set(node, (place = this.#places.size));
    return place;
  }
}

function shortened(label: string): string {
  return label.length > LABEL_LENGTH_MAX ? `${label.slice(0, LABEL_LENGTH_MAX - 1)}…` : label;
}

function plain({ clock: _, late: __, letter: ___, ...flight }: KeptFlight): Flight {
  return flight;
}
