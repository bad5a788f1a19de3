/**
 * Follows a simulator for a world of the lab: writes down what its nodes are told, do, send and store, and answers what a view asks of them. It changes
 * nothing of what happens.
 *
 * The simulator is made with this watch's `observer`, and then handed to `attach`; `begin` makes the present moment 0 and starts the trace.
 */

import { assert } from "../base/assert.ts";
import { utf8Decode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import {
  hintAddress,
  keyOfRecord,
  parseHintAddress,
  partitionOf,
  partitionRange,
  positionOf,
  recordAddress,
} from "../core/address.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { Effect, Note, RecordStore, StoredRecord } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import { type Plan, type PlannedChange, planOf } from "../core/membership-plan.ts";
import type { View } from "../core/membership.ts";
import { LEAVES_PER_PARTITION } from "../core/merkle-forest.ts";
import type { ClientResult, Message } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import { type PreferenceList, Ring } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { Observer, Simulator } from "../sim/simulator.ts";
import { type Names, formatMessage, formatNote, formatResult, formatSet } from "../sim/transcript.ts";
import { boundedNames } from "./actor-names.ts";
import { LatestMap } from "./latest-map.ts";
import { RequestThreads, answerTo, questionOf } from "./request-threads.ts";
import { TraceRecorder } from "./trace-recorder.ts";
import type { Letter, NodeState, PartitionTree, RecordsOfKey, Role, TraceRecord } from "./world.ts";

/** Requests that callers wait for are remembered so often. */
const REQUESTS_MAX = 10_000;

type Asked = Omit<Extract<TraceRecord["event"], { what: "asked" }>, "what">;

export class SimulationWatch {
  readonly observer: Observer = {
    stepped: (node, event, effects) => this.#stepped(node, event, effects),
    applied: (node, store, address, before, after) => this.#applied(node, store, address, before, after),
    ended: (node) => this.#ended(node),
    told: (what) => this.tellWorld(what),
  };
  readonly recorder: TraceRecorder;
  readonly #findsRequests: boolean;
  readonly #threads = new RequestThreads();
  readonly #nameOf = (node: NodeId): string => this.simulator.nameOf(node);
  readonly #names: Names;
  readonly #gone = new Set<NodeId>();
  /** Requests of callers that are under way. */
  readonly #asked = new LatestMap<RequestId, { readonly node: NodeId; readonly key: Key }>(REQUESTS_MAX);
  readonly #rings = new WeakMap<View, Ring>();
  #simulator: Simulator | undefined;
  #beganAt: Millis = 0;

  /** `findsRequests`: callers come from elsewhere, and their requests are told of when a node hears them; else `tellAsked` is told before. */
  constructor(findsRequests: boolean) {
    this.#findsRequests = findsRequests;
    this.recorder = new TraceRecorder(() => this.now);
    this.#names = boundedNames(this.#nameOf);
  }

  /** Before anything is sent in it. */
  attach(simulator: Simulator): void {
    this.#simulator = simulator;
    simulator.network.watch({
      sent: (flight, from, to, message, arrivesAt, copyOf, epoch, protocol) => {
        const at = arrivesAt - this.#beganAt;
        if (copyOf === undefined) this.#tellSent(from, to, flight, { message, epoch, protocol }, at);
        else this.recorder.doubled(flight, copyOf, at);
      },
      waits: (flight) => this.recorder.waits(flight),
      goesOn: (flight, arrivesAt) => this.recorder.goesOn(flight, arrivesAt - this.#beganAt),
      arrives: (flight, late) => this.recorder.arrived(flight, late),
      lost: (flight, reason) => this.recorder.lost(flight, reason, this.#nameOf),
    });
  }

  /** From now on there is a trace; `at` is the moment of the simulator that is called 0. */
  begin(at: Millis): void {
    this.#beganAt = at;
    this.recorder.begin(at);
  }

  get simulator(): Simulator {
    assert(this.#simulator !== undefined, "the watch is attached");
    return this.#simulator;
  }

  get beganAt(): Millis {
    return this.#beganAt;
  }

  get now(): Millis {
    return this.simulator.now - this.#beganAt;
  }

  /** When the next thing happens; undefined when nothing does. */
  get nextAt(): Millis | undefined {
    const next = this.simulator.nextTime;
    return next === undefined ? undefined : next - this.#beganAt;
  }

  stateOf(node: NodeId): NodeState {
    return this.#gone.has(node) ? "gone" : this.simulator.stateOf(node);
  }

  viewOf(node: NodeId): NodeView | undefined {
    return this.simulator.inspect(node);
  }

  statisticsOf(node: NodeId): StatisticsSnapshot | undefined {
    return this.simulator.statisticsOf(node);
  }

  recordsOf(node: NodeId, key: Key): RecordsOfKey {
    const disk = this.simulator.diskOf(node);
    if (this.stateOf(node) === "wiped" || this.#gone.has(node)) return { record: undefined, damaged: false, hints: [] };
    const position = positionOf(key);
    const address = recordAddress(key, position);
    const lowest = hintAddress(key, position, "" as NodeId);
    const hints = [...disk.addresses("hints", lowest, `${lowest}g`)].flatMap((at) => {
      const hint = parseHintAddress(at);
      const record = hint.key === key ? disk.get("hints", at) : undefined;
      return record === undefined ? [] : [{ target: hint.target, set: record.set }];
    });
    const stored = disk.get("records", address);
    const damaged = disk.isDamaged("records", address);
    return { record: stored?.set, damaged, hints, minted: stored?.minted };
  }

  /** `partitions`: of the whole ring. */
  treeOf(node: NodeId, partition: Partition, partitions: number): PartitionTree | undefined {
    if (this.stateOf(node) === "wiped" || this.#gone.has(node) || partition >= partitions) return undefined;
    const disk = this.simulator.diskOf(node);
    const leaves = Array.from({ length: LEAVES_PER_PARTITION }, (_, i) => {
      const leaf = partition * LEAVES_PER_PARTITION + i;
      return { leaf, digest: disk.leaf(leaf) };
    }).filter(({ digest }) => digest !== 0);
    const { after, before } = partitionRange(partition, partitions);
    const records = [...disk.addresses("records", after, before)].map((address) => ({
      key: keyOfRecord(address),
      set: disk.get("records", address)?.set,
    }));
    return { partition, partitions, leaves, records };
  }

  preferenceListAt(node: NodeId, key: Key): PreferenceList | undefined {
    const ring = this.#ringAt(node);
    return ring?.preferenceList(partitionOf(positionOf(key), ring.view.claims.length));
  }

  listsAt(node: NodeId): readonly PreferenceList[] {
    const ring = this.#ringAt(node);
    return ring === undefined ? [] : ring.view.claims.map((_, partition) => ring.preferenceList(partition));
  }

  #ringAt(node: NodeId): Ring | undefined {
    const view = this.simulator.viewOf(node);
    if (view === undefined) return undefined;
    let ring = this.#rings.get(view);
    if (ring === undefined) this.#rings.set(view, (ring = new Ring(view)));
    return ring;
  }

  /** A newcomer's tokens in placements 1 and 2 are drawn here; it will draw others. */
  planAt(node: NodeId, change: PlannedChange): Plan | undefined {
    const view = this.simulator.viewOf(node);
    return view === undefined ? undefined : planOf(view, change, Prng.fromNumber(1));
  }

  // Telling

  tellWorld(label: string): void {
    this.recorder.record(undefined, { label, key: undefined, request: undefined, event: { what: "world" } });
  }

  /** Before the node has the request: that may answer within the same call. */
  tellAsked(node: NodeId, request: RequestId, key: Key, { operation, write }: Asked): void {
    this.#threads.began(request, node, operation, key, write?.operation);
    this.#asked.set(request, { node, key });
    const value = write === undefined ? "" : ` ${write.value ?? "(delete)"}`;
    this.recorder.record(node, {
      label: `${operation} ${key}${value}`,
      key,
      request,
      event: { what: "asked", operation, write },
    });
  }

  /** Nothing when it was answered before. `result`: undefined when there will be none, for the reason `why`. */
  #tellAnswer(request: RequestId, result: ClientResult | undefined, why = ""): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) return;
    this.#asked.delete(request);
    this.#threads.answered(request);
    const outcome = result === undefined ? "none" : result.outcome === "failed" ? result.failure.code : "ok";
    this.recorder.record(asked.node, {
      label: `= ${result === undefined ? `no answer: ${why}` : formatResult(result, this.#names)}`,
      key: asked.key,
      request,
      event: {
        what: "answered",
        outcome,
        values: result?.outcome === "got" ? valuesOf(result.set) : [],
        report: result?.report,
      },
    });
  }

  #ended(node: NodeId): void {
    for (const [request, asked] of [...this.#asked.entries()])
      if (asked.node === node) this.#tellAnswer(request, undefined, "the node has ended");
    this.recorder.ended(node, this.#nameOf);
  }

  #stepped(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (this.#findsRequests && (event.kind === "client-get" || event.kind === "client-put"))
      this.tellAsked(node, event.request, event.key, askedIn(event));
    this.#threads.stepped(node, event, effects);
    if (event.kind === "client-abandoned") this.#tellAnswer(event.request, undefined, "the caller waits no more");
    if (event.kind === "message-received") {
      const { message, from } = event;
      this.recorder.received(node, (flight) => ({
        label: `< ${this.#names.node(from)}: ${flight.label}`,
        key: flight.key,
        request: flight.request,
        event: {
          what: "received",
          kind: message.kind,
          peer: from,
          flight: flight.id,
          ...factsOf(message),
          role: flight.role,
          sentRecord: flight.sentRecord,
        },
      }));
    }
    for (const effect of effects) {
      if (effect.kind === "departed") this.#gone.add(node);
      else if (effect.kind === "reply") this.#tellAnswer(effect.request, effect.result);
      else if (effect.kind === "note" && this.recorder.isOn) this.#tellNote(node, event, effect.note);
    }
  }

  #tellNote(node: NodeId, event: NodeEvent, note: Note): void {
    if (note.what === "merged" || note.what === "view") return;
    this.recorder.record(node, {
      label: `* ${formatNote(note, this.#names)}`,
      key: "key" in note ? note.key : undefined,
      request: this.#threads.ofNote(node, event, note),
      event: { what: "note", note: note.what, peer: peerOf(note) },
    });
  }

  #tellSent(from: NodeId, to: NodeId, flight: number, letter: Letter, arrivesAt: Millis): void {
    const { message } = letter;
    const request = this.#threads.ofSent(message);
    const role = request === undefined ? undefined : this.#roleOf(from, to, message);
    const { kind } = message;
    const label = this.recorder.isOn ? formatMessage(message, this.#names) : "";
    this.recorder.sent(flight, from, to, { letter, label, role }, arrivesAt, {
      label: `> ${this.#names.node(to)}: ${label}`,
      key: "key" in message ? message.key : undefined,
      request,
      event: { what: "sent", kind, peer: to, flight, ...factsOf(message), role },
    });
  }

  #roleOf(from: NodeId, to: NodeId, message: Message): Role {
    switch (message.kind) {
      case "coordinate-get":
      case "coordinate-put":
        return "coordinator";
      case "replica-get":
        return message.counts ? "counted" : "fallback";
      case "replica-put":
        if (message.purpose !== "write") return message.purpose === "repair" ? "repair" : "handoff";
        if (message.hintFor !== undefined) return "hint";
        return this.preferenceListAt(from, message.key)?.joining.includes(to) === true ? "joining" : "counted";
      default:
        return "reply";
    }
  }

  #applied(
    node: NodeId,
    store: RecordStore,
    address: string,
    before: StoredRecord | null,
    after: StoredRecord | null,
  ): void {
    if (store === "history" || !this.recorder.isOn) return;
    const { key, target } =
      store === "records" ? { key: keyOfRecord(address), target: undefined } : parseHintAddress(address);
    const set = after?.set;
    const what = store === "records" ? "" : ` as a hint for ${this.#names.node(target!)}`;
    this.recorder.record(node, {
      label: `stored ${key}${what} ${set === undefined ? "no more" : formatSet(set, this.#names)}`,
      key,
      request: this.#threads.ofStored(before?.set, set),
      event: { what: "stored", store, target, set },
    });
  }
}

/** What siblings say; undefined is a tombstone. */
function valuesOf(set: DvvSet): (string | undefined)[] {
  return set.siblings.map(({ value }) => textOf(value));
}

function textOf(value: Uint8Array | null): string | undefined {
  return value === null ? undefined : (utf8Decode(value) ?? `${value.length} bytes`);
}

function askedIn(event: Extract<NodeEvent, { kind: "client-get" | "client-put" }>): Asked {
  if (event.kind === "client-get") return { operation: "get", write: undefined };
  const { value, context, operation } = event.write;
  return { operation: "put", write: { value: textOf(value), context, operation } };
}

function peerOf(note: Note): NodeId | undefined {
  if ("to" in note) return note.to;
  if ("target" in note) return note.target;
  if ("peer" in note) return note.peer;
  return undefined;
}

/** What the trace keeps of a message besides its label. */
function factsOf(message: Message): {
  readonly hintFor: NodeId | undefined;
  readonly exchange: RequestId | undefined;
  readonly outcome: string | undefined;
} {
  return {
    hintFor: message.kind === "replica-put" ? message.hintFor : undefined,
    exchange: questionOf(message) ?? answerTo(message),
    outcome:
      message.kind === "coordinate-reply"
        ? message.result.outcome
        : message.kind === "replica-put-reply" || message.kind === "replica-get-reply"
          ? message.outcome
          : undefined,
  };
}
