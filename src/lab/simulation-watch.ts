/**
 * Follows a simulator for a world of the lab: writes down what its nodes are told, do, send and store, and answers what a view asks of them. It changes
 * nothing of what happens.
 *
 * The simulator is made with this watch's `observer`, and then handed to `attach`; `begin` makes the present moment 0 and starts the trace.
 */

import { assert } from "../base/assert.ts";
import {
  hintAddress,
  keyOfRecord,
  parseHintAddress,
  partitionRange,
  positionOf,
  recordAddress,
} from "../core/address.ts";
import type { Effect, RecordStore, StoredRecord } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import type { Plan, PlannedChange } from "../core/membership-plan.ts";
import { LEAVES_PER_PARTITION } from "../core/merkle-forest.ts";
import type { ClientResult } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import type { PreferenceList } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { Observer, Simulator } from "../sim/simulator.ts";
import { type Names, formatMessage } from "../sim/transcript.ts";
import { boundedNames } from "./actor-names.ts";
import { LatestMap } from "./latest-map.ts";
import { RequestThreads } from "./request-threads.ts";
import { listIn, listsIn, planIn } from "./rings.ts";
import {
  isTold,
  roleOf,
  tellingOfAnswer,
  tellingOfAsked,
  tellingOfNote,
  tellingOfReceived,
  tellingOfSent,
  tellingOfStored,
  textOf,
} from "./tellings.ts";
import { type Telling, TraceRecorder } from "./trace-recorder.ts";
import type { Letter, NodeState, PartitionTree, RecordsOfKey, StoredKey, TraceRecord } from "./world.ts";

/** Requests that callers wait for are remembered so often. */
const REQUESTS_MAX = 10_000;

/** A request of a caller under way. */
interface UnderWay {
  readonly node: NodeId;
  readonly key: Key;
  /** What its records begin with. */
  readonly by: string;
}

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
  readonly #asked = new LatestMap<RequestId, UnderWay>(REQUESTS_MAX);
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

  storedAt(node: NodeId): readonly StoredKey[] {
    if (this.stateOf(node) === "wiped" || this.#gone.has(node)) return [];
    return [...this.simulator.diskOf(node).all("records")].map(([address, { set }]) => {
      const key = keyOfRecord(address);
      return { key, bytes: set.siblings.reduce((sum, { value }) => sum + (value?.length ?? 0), key.length) };
    });
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
    return listIn(this.simulator.viewOf(node), key);
  }

  listsAt(node: NodeId): readonly PreferenceList[] {
    return listsIn(this.simulator.viewOf(node));
  }

  planAt(node: NodeId, change: PlannedChange): Plan | undefined {
    return planIn(this.simulator.viewOf(node), change);
  }

  // Telling

  tellWorld(label: string): void {
    this.recorder.record(undefined, { label, key: undefined, request: undefined, event: { what: "world" } });
  }

  /** Before the node has the request: that may answer within the same call. */
  tellAsked(node: NodeId, request: RequestId, key: Key, { operation, write }: Asked, by = ""): void {
    this.#threads.began(request, node, operation, key, write?.operation);
    this.#asked.set(request, { node, key, by });
    this.recorder.record(node, said(by, tellingOfAsked(key, request, operation, write)));
  }

  /** Nothing when it was answered before. `result`: undefined when there will be none, for the reason `why`. */
  #tellAnswer(request: RequestId, result: ClientResult | undefined, why?: string): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) return;
    this.#asked.delete(request);
    this.#threads.answered(request);
    const { node, key, by } = asked;
    this.recorder.record(node, said(by, tellingOfAnswer(key, request, result, this.#names, why)));
  }

  #ended(node: NodeId): void {
    for (const [request, asked] of this.#asked.entries()) if (asked.node === node) this.#tellAnswer(request, undefined);
    this.recorder.ended(node, this.#nameOf);
  }

  #stepped(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (this.#findsRequests && (event.kind === "client-get" || event.kind === "client-put"))
      this.tellAsked(node, event.request, event.key, askedIn(event));
    this.#threads.stepped(node, event, effects);
    if (event.kind === "client-abandoned") this.#tellAnswer(event.request, undefined, "the caller waits no more");
    if (event.kind === "message-received") {
      const { message, from } = event;
      this.recorder.received(node, (flight) => tellingOfReceived(from, message, flight, this.#names));
    }
    for (const effect of effects) {
      if (effect.kind === "departed") this.#gone.add(node);
      else if (effect.kind === "reply") this.#tellAnswer(effect.request, effect.result);
      else if (effect.kind === "note" && this.recorder.isOn && isTold(effect.note))
        this.recorder.record(
          node,
          tellingOfNote(effect.note, this.#threads.ofNote(node, event, effect.note), this.#names),
        );
    }
  }

  #tellSent(from: NodeId, to: NodeId, flight: number, letter: Letter, arrivesAt: Millis): void {
    const { message } = letter;
    const request = this.#threads.ofSent(message);
    const role = request === undefined ? undefined : roleOf(message, to, (key) => this.preferenceListAt(from, key));
    const label = this.recorder.isOn ? formatMessage(message, this.#names) : "";
    const telling = tellingOfSent({ to, flight, message, request, role, label }, this.#names);
    this.recorder.sent(flight, from, to, { kind: message.kind, letter, label, role }, arrivesAt, telling);
  }

  #applied(
    node: NodeId,
    store: RecordStore,
    address: string,
    before: StoredRecord | null,
    after: StoredRecord | null,
  ): void {
    if (store === "history" || !this.recorder.isOn) return;
    const request = this.#threads.ofStored(before?.set, after?.set);
    this.recorder.record(node, tellingOfStored(store, address, after?.set, request, this.#names));
  }
}

function said(by: string, telling: Telling): Telling {
  return by === "" ? telling : { ...telling, label: `${by}${telling.label}` };
}

function askedIn(event: Extract<NodeEvent, { kind: "client-get" | "client-put" }>): Asked {
  if (event.kind === "client-get") return { operation: "get", write: undefined };
  const { value, context, operation } = event.write;
  return { operation: "put", write: { value: textOf(value), context, operation } };
}
