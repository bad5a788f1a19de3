/**
 * The ledger of a small world: its nodes and scripts by number, and everything that is worked out once and looked up from then on: the steps of
 * nodes (`local-states.ts`), taken apart; parcels, contexts and histories, each equal one kept once under one number, so that states can be compared
 * by numbers. It only ever grows, and nothing that it says of a state changes.
 */

import { assert, unreachable } from "../base/assert.ts";
import { type Config, defaultConfig } from "../core/config.ts";
import type { Lane, NodeMeta } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId, OperationId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import type { NodeOptions } from "../core/node.ts";
import { Numbering, fingerprintOf } from "./fingerprint.ts";
import { History } from "./history.ts";
import { type LocalState, LocalStates, type LocalStep } from "./local-states.ts";
import { formatEffect, formatEvent, namesOf } from "./transcript.ts";
import {
  type ClientStep,
  type Deed,
  type Known,
  type Move,
  type Parcel,
  type Place,
  type Seen,
  type SmallWorldOptions,
  letterOf,
} from "./world-state.ts";

const LOCAL_STATES_MAX = 4_000_000;
/** Requests of one client are numbered within this. */
export const STEPS_PER_CLIENT_MAX = 64;
const NOTHING: readonly never[] = [];

function isMembership(message: Message): boolean {
  switch (message.kind) {
    case "ping":
    case "pong":
    case "probe":
    case "probe-reply":
    case "gossip-digest":
    case "gossip-versions":
    case "gossip-news":
      return true;
    default:
      return false;
  }
}

export class Ledger {
  /**
   * Time stands still, or nearly so: nothing would refill a bucket, so how often a peer has asked would make states of their own; and so would reply
   * times, without hedges to show for it, and the order of writes in a log on which nothing rests.
   */
  readonly config: Config = {
    ...defaultConfig,
    peerRequestsPerSecond: Number.POSITIVE_INFINITY,
    peerBackgroundPerSecond: Number.POSITIVE_INFINITY,
    recentWritesMax: 0,
    hedges: false,
    loadFromPerSecond: Number.POSITIVE_INFINITY,
    // What was measured would be part of every state, and hardly two ways would lead to one.
    foregroundTargetMs: Number.POSITIVE_INFINITY,
  };
  readonly #configs: readonly Config[];
  readonly ids: readonly NodeId[];
  readonly pairs: readonly (readonly [Place, Place])[];
  readonly keys: readonly Key[];
  readonly locals: LocalStates;
  readonly numbering = new Numbering();
  /** Called with each line of a story while one is told. */
  onLine: ((line: string) => void) | undefined;
  /** Scripts, the prepared one last. */
  readonly #scripts: readonly (readonly ClientStep[])[];
  readonly #operations = new Map<string, OperationId>();
  readonly #moves: Move[] = [];
  readonly #parcels = new Map<number, Parcel>();
  readonly #seen = new Map<string, Seen>();
  readonly #known = new Map<string, Known>();
  readonly #names = namesOf((node) => this.nameOf(node));

  constructor(options: SmallWorldOptions) {
    const { members, clients, prepared } = options;
    this.#scripts = [...clients, prepared ?? []];
    this.#scripts.forEach((script, client) => {
      assert(script.length < STEPS_PER_CLIENT_MAX, "a script is too long");
      script.forEach((_, step) => this.operationOf(client, step));
    });
    this.keys = [...new Set(this.#scripts.flat().map((step) => step.key as Key))];
    this.#configs = Array.from({ length: members }, (_, place) => ({ ...this.config, ...options.configOf?.(place) }));
    this.ids = Array.from({ length: members }, (_, place) => String(place + 1).repeat(32) as NodeId);
    this.pairs = this.ids.flatMap((_, lower) =>
      this.ids.slice(lower + 1).map((__, i) => [lower, lower + 1 + i] as const),
    );
    const statesMax = options.localStatesMax ?? LOCAL_STATES_MAX;
    this.locals = new LocalStates((node) => options.makeNode(node), statesMax, options.verifiesMemory ?? false);
  }

  nameOf(node: NodeId): string {
    return letterOf(this.ids.indexOf(node));
  }

  scriptOf(client: number): readonly ClientStep[] {
    return this.#scripts[client] ?? NOTHING;
  }

  configOf(place: Place): Config {
    return this.#configs[place] ?? this.config;
  }

  pairOf(a: Place, b: Place): number {
    const [lower, higher] = a < b ? [a, b] : [b, a];
    return this.pairs.findIndex((pair) => pair[0] === lower && pair[1] === higher);
  }

  laneOf(from: Place, to: Place, lane: Lane): number {
    return (from * this.ids.length + to) * 2 + (lane === "foreground" ? 0 : 1);
  }

  operationOf(client: number, step: number): OperationId {
    const label = this.scriptOf(client)[step]?.operation ?? `${client} ${step}`;
    let operation = this.#operations.get(label);
    if (operation === undefined) {
      operation = (this.#operations.size + 1).toString(16).padStart(2, "0").padEnd(32, "0") as OperationId;
      this.#operations.set(label, operation);
    }
    return operation;
  }

  start(place: Place, start: number, meta: NodeMeta | undefined): LocalState {
    const options: NodeOptions = {
      id: this.ids[place]!,
      config: this.configOf(place),
      meta,
      seed: [place + 1, start, 0x9e3779b9, 0x7f4a7c15],
      seeds: [],
    };
    return this.locals.start(options);
  }

  move(place: Place, state: LocalState, name: number, event: () => NodeEvent): Move {
    const step: LocalStep = this.locals.step(state, name, event);
    const move = (this.#moves[step.number] ??= this.#takenApart(place, step));
    this.#trace(place, step);
    return move;
  }

  /** What is known after a change to a copy. `name` tells this change from all others that may lead elsewhere. */
  knownAfter(known: Known, name: string | number, change: (history: History) => void): Known {
    let after = known.after.get(name);
    if (after === undefined) {
      const history = copyOf(known.history);
      change(history);
      known.after.set(name, (after = this.knownAs(history)));
    }
    return after;
  }

  seenAs(seen: Omit<Seen, "number">): Seen {
    const name = fingerprintOf(seen);
    let known = this.#seen.get(name);
    if (known === undefined) this.#seen.set(name, (known = { ...seen, number: this.#seen.size }));
    return known;
  }

  #takenApart(place: Place, step: LocalStep): Move {
    const deeds: Deed[] = [];
    let shows = false;
    for (const effect of step.effects) {
      switch (effect.kind) {
        case "send": {
          const { epoch, lane, message } = effect;
          const to = this.ids.indexOf(effect.to);
          const parcel = this.#parcelAs({ from: place, to, lane, epoch, message });
          if (message.kind === "replica-put" || message.kind === "transfer-page" || message.kind === "fetch-reply")
            shows = true;
          deeds.push({ kind: isMembership(message) ? "tell" : "post", parcel });
          break;
        }
        case "store":
          shows ||= effect.writes.some((write) => "record" in write && write.record !== null);
          deeds.push({ kind: "ask-disk", operation: effect });
          break;
        case "load":
        case "scan":
        case "load-leaves":
          deeds.push({ kind: "ask-disk", operation: effect });
          break;
        case "reply":
          deeds.push({ kind: "reply", request: effect.request, result: effect.result });
          break;
        case "disconnect":
          deeds.push({ kind: "hang-up", peer: this.ids.indexOf(effect.peer) });
          break;
        case "note":
          shows ||= effect.note.what === "tombstone-reaped";
          break;
        case "connect":
        case "bucket-set":
        case "report-statistics":
        case "report-change":
        case "report-sizes":
        case "departed":
        case "gathered":
          break;
        default:
          unreachable(effect);
      }
    }
    return { step, deeds, shows };
  }

  #parcelAs(parcel: Omit<Parcel, "number">): Parcel {
    const number = this.numbering.of(parcel);
    let known = this.#parcels.get(number);
    if (known === undefined) this.#parcels.set(number, (known = { ...parcel, number }));
    return known;
  }

  knownAs(history: History): Known {
    const name = nameOfHistory(history);
    let known = this.#known.get(name);
    if (known === undefined) this.#known.set(name, (known = { number: this.#known.size, history, after: new Map() }));
    return known;
  }

  #trace(place: Place, step: LocalStep): void {
    if (this.onLine === undefined) return;
    this.onLine(`${letterOf(place)}  ${formatEvent(step.event, this.#names)}`);
    for (const effect of step.effects) this.onLine(`${letterOf(place)}      ${formatEffect(effect, this.#names)}`);
  }
}

/** A history to be changed. */
export function copyOf(history: History): History {
  const copy = new History();
  for (const [key, ofKey] of history.keys) {
    const fresh = copy.of(key);
    for (const operation of ofKey.operations) {
      const own = { ...operation };
      fresh.operations.push(own);
      fresh.byId.set(own.operation, own);
    }
    fresh.reapedClock = ofKey.reapedClock;
    for (const [actor, dots] of ofKey.dots)
      fresh.dots.set(
        actor,
        dots.map((operation) => operation && fresh.byId.get(operation.operation)),
      );
  }
  return copy;
}

/** Histories with the same puts, whatever the order in which they began, have the same name. */
function nameOfHistory(history: History): string {
  return fingerprintOf(
    [...history.keys.values()]
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ key, operations, dots, reapedClock }) => ({
        key,
        reapedClock,
        operations: [...operations]
          .sort((a, b) => (a.operation < b.operation ? -1 : 1))
          .map(({ operation, context, past, acknowledged, forgiven, copiesLost, recordsLost, reaped }) => ({
            operation,
            context,
            past: operations
              .filter(({ index }) => past.has(index))
              .map((other) => other.operation)
              .sort(),
            acknowledged,
            forgiven,
            copiesLost,
            recordsLost,
            reaped,
          })),
        dots: [...dots]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([actor, minted]) => ({ actor, minted: minted.map((operation) => operation?.operation) })),
      })),
  );
}
