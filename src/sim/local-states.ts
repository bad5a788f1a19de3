/**
 * The shipped node as a table: what one node remembers is a local state, and an event leads from it to another, with effects. A node can neither be
 * copied nor set back, but it is deterministic, and in a small world its local states are few: a hundred thousand of them make up many millions of
 * states of the world. So each step is taken once by a real node and written down; from then on it is looked up.
 *
 * A local state is known by the fingerprint of the node's whole `memory`. The node itself is kept for the latest KEPT_MAX of them; for another one
 * it is made again by repeating the events that first led there. Two ways into one local state are one only if the node behaves the same after
 * both: that is what `memory` promises, and `verify` checks it, by taking each new step from the second way as well and comparing.
 *
 * Limits: KEPT_MAX nodes; `statesMax` local states.
 */

import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { NodeOptions, NodeView } from "../core/node.ts";
import { SearchOverflowError } from "./explorer.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { type SimulatedNode, SimulationError } from "./simulator.ts";

const KEPT_MAX = 2_048;

/** What the explorer needs of a node; `DynamoNode` is one. */
export interface ExploredNode extends SimulatedNode {
  /** Everything that it remembers, as plain data. */
  readonly memory: unknown;
}

export interface LocalState {
  /** From 0, in the order in which they were found. */
  readonly number: number;
  readonly options: NodeOptions;
  /** How it was reached first; undefined for a node that was just made. */
  readonly before: { readonly state: LocalState; readonly event: NodeEvent } | undefined;
}

/** A step that was taken. */
export interface LocalStep {
  /** From 0, in the order in which they were taken first. */
  readonly number: number;
  readonly event: NodeEvent;
  readonly effects: readonly Effect[];
  readonly after: LocalState;
}

interface Entry extends LocalState {
  node: ExploredNode | undefined;
  view: NodeView | undefined;
  /** A second way that led here, for `verify`. */
  other: { readonly state: LocalState; readonly event: NodeEvent } | undefined;
  readonly steps: Map<number, LocalStep>;
}

/** A node did not do what a node that remembers the same did. */
export class IncompleteMemoryError extends Error {
  override readonly name = "IncompleteMemoryError";
}

export class LocalStates {
  readonly #makeNode: (options: NodeOptions) => ExploredNode;
  readonly #statesMax: number;
  readonly #verify: boolean;
  readonly #entries: Entry[] = [];
  readonly #byMemory = new Map<string, Entry>();
  readonly #steps: LocalStep[] = [];
  /** Those that have their node, longest known first; some have lost it since. */
  #kept: Entry[] = [];

  constructor(makeNode: (options: NodeOptions) => ExploredNode, statesMax: number, verify: boolean) {
    this.#makeNode = makeNode;
    this.#statesMax = statesMax;
    this.#verify = verify;
  }

  /** Local states found so far. */
  get size(): number {
    return this.#entries.length;
  }

  /** A new node. */
  start(options: NodeOptions): LocalState {
    return this.#enter(this.#makeNode(options), options, undefined);
  }

  /** What happens to a node in this state. `name` tells the event from all others; `event` is called when nobody has seen it happen yet. */
  step(state: LocalState, name: number, event: () => NodeEvent): LocalStep {
    const entry = state as Entry;
    let step = entry.steps.get(name);
    if (step === undefined) entry.steps.set(name, (step = this.#take(entry, event())));
    return step;
  }

  /** What there is to look at in this state. */
  viewOf(state: LocalState): NodeView {
    const entry = state as Entry;
    if (entry.view === undefined) {
      if (entry.node === undefined) {
        entry.node = this.#remade(entry);
        this.#keep(entry);
      }
      entry.view = entry.node.inspect();
    }
    return entry.view;
  }

  #take(entry: Entry, event: NodeEvent): LocalStep {
    const node = this.#remade(entry);
    entry.node = undefined;
    const effects = stepped(node, event);
    const after = this.#enter(node, entry.options, { state: entry, event });
    if (this.#verify && entry.other !== undefined) this.#compare(entry.other, event, effects, after);
    const step: LocalStep = { number: this.#steps.length, event, effects, after };
    this.#steps.push(step);
    return step;
  }

  #enter(node: ExploredNode, options: NodeOptions, before: LocalState["before"]): Entry {
    const name = fingerprintOf([options.id, node.memory]);
    let entry = this.#byMemory.get(name);
    if (entry === undefined) {
      if (this.#entries.length >= this.#statesMax)
        throw new SearchOverflowError(`There are more than ${this.#statesMax} states of single nodes.`);
      const number = this.#entries.length;
      entry = { number, options, before, node: undefined, view: undefined, other: undefined, steps: new Map() };
      this.#entries.push(entry);
      this.#byMemory.set(name, entry);
    } else entry.other ??= before;
    if (entry.node === undefined) {
      entry.node = node;
      this.#keep(entry);
    }
    return entry;
  }

  /** A node in this state, made by repeating what happened since the nearest state that still has its own, which it loses. */
  #remade(entry: Entry): ExploredNode {
    const events: NodeEvent[] = [];
    let at: Entry = entry;
    while (at.node === undefined && at.before !== undefined) {
      events.push(at.before.event);
      at = at.before.state as Entry;
    }
    const node = at.node ?? this.#makeNode(at.options);
    at.node = undefined;
    for (let i = events.length - 1; i >= 0; i--) node.step(events[i]!);
    return node;
  }

  #keep(entry: Entry): void {
    this.#kept.push(entry);
    if (this.#kept.length < 2 * KEPT_MAX) return;
    const older = this.#kept.slice(0, -KEPT_MAX);
    this.#kept = this.#kept.slice(-KEPT_MAX);
    const stay = new Set(this.#kept);
    for (const old of older) if (!stay.has(old)) old.node = undefined;
  }

  #compare(
    way: { readonly state: LocalState; readonly event: NodeEvent },
    event: NodeEvent,
    effects: readonly Effect[],
    after: Entry,
  ): void {
    const events = [event, way.event];
    let at = way.state;
    for (; at.before !== undefined; at = at.before.state) events.push(at.before.event);
    const node = this.#makeNode(at.options);
    let did: readonly Effect[] = [];
    for (let i = events.length - 1; i >= 0; i--) did = node.step(events[i]!);
    const same =
      fingerprintOf(did) === fingerprintOf(effects) &&
      this.#byMemory.get(fingerprintOf([at.options.id, node.memory])) === after;
    if (!same)
      throw new IncompleteMemoryError(
        `two nodes that remember the same differ after ${event.kind}: the memory that they show leaves something out`,
      );
  }
}

function stepped(node: ExploredNode, event: NodeEvent): readonly Effect[] {
  try {
    return node.step(event);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationError(`a node threw out of step on ${event.kind}: ${text}`);
  }
}
