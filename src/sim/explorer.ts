/**
 * Goes through every state that a small world can reach, breadth first, and has each judged. Breadth first because the schedule that leads to a
 * fault is then one of the shortest there are, and nobody has to shrink it.
 *
 * A state is visited once: it is known by 64 bits of fingerprint (`fingerprint.ts` says how seldom two are confused). Kept are the fingerprints, for
 * each state the one that it was first reached from and by which of its actions, and the states themselves only of the two layers at work.
 *
 * States of a search, in order: searching; then complete (every state was visited), or overflowed (more than `statesMax`), or violated (an
 * invariant does not hold; the search ends there and tells the way to it). Only the first is a proof.
 */

import { Fingerprint } from "./fingerprint.ts";

/** A world whose states are immutable values. */
export interface Explorable<State, Action> {
  initial(): State;
  /** Everything that may happen next, always in the same order. */
  actions(state: State): readonly Action[];
  /** What becomes of the state. Throws when an invariant does not hold. */
  apply(state: State, action: Action): State;
  /** Feeds whatever tells this state from others. */
  mark(state: State, into: Fingerprint): void;
  /** Nothing has to happen any more: what may still happen is only what need not. */
  atRest(state: State): boolean;
  /** Called for each state at rest. Throws when an invariant does not hold. */
  judgeRest(state: State): void;
}

/** There is more than there is room for: thrown by a world whose own tables are full. */
export class SearchOverflowError extends Error {
  override readonly name = "SearchOverflowError";
}

export interface SearchOutcome<Action> {
  /** Distinct states visited. */
  readonly states: number;
  /** Actions taken, those that led to known states included. */
  readonly transitions: number;
  /** States at rest. */
  readonly finals: number;
  /** Actions on the shortest way to the state that is farthest from the start. */
  readonly depthMax: number;
  /** Every state was visited and judged. */
  readonly complete: boolean;
  readonly overflowed: boolean;
  /** The first that was found, and a shortest way to it. */
  readonly violation: { readonly error: unknown; readonly path: readonly Action[] } | undefined;
}

/** Fingerprints of states in the order in which they were found, in an open-addressing table that doubles until it may not. */
class StateTable {
  readonly #statesMax: number;
  #size = 0;
  #high = new Uint32Array(1_024);
  #low = new Uint32Array(1_024);
  #parents = new Uint32Array(1_024);
  #actions = new Uint16Array(1_024);
  /** State numbers plus one; 0 is empty. At most half full. */
  #slots = new Uint32Array(2_048);

  constructor(statesMax: number) {
    this.#statesMax = statesMax;
  }

  get size(): number {
    return this.#size;
  }

  /** "new" when it was not there before; "full" when it is new and there is no room for it. */
  add(high: number, low: number, parent: number, action: number): "new" | "known" | "full" {
    let slot = this.#find(high, low);
    if (this.#slots[slot] !== 0) return "known";
    if (this.#size >= this.#statesMax) return "full";
    if (this.#size === this.#high.length) {
      this.#grow();
      slot = this.#find(high, low);
    }
    this.#high[this.#size] = high;
    this.#low[this.#size] = low;
    this.#parents[this.#size] = parent;
    this.#actions[this.#size] = action;
    this.#slots[slot] = ++this.#size;
    return "new";
  }

  /** The actions, by their numbers, on the way to a state. */
  pathTo(state: number): number[] {
    const path: number[] = [];
    for (let at = state; at !== 0; at = this.#parents[at]!) path.push(this.#actions[at]!);
    return path.reverse();
  }

  #find(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (;;) {
      const state = this.#slots[slot]!;
      if (state === 0 || (this.#low[state - 1] === low && this.#high[state - 1] === high)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const size = 2 * this.#size;
    const enlarged = <T extends Uint32Array | Uint16Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.#high = enlarged(this.#high, new Uint32Array(size));
    this.#low = enlarged(this.#low, new Uint32Array(size));
    this.#parents = enlarged(this.#parents, new Uint32Array(size));
    this.#actions = enlarged(this.#actions, new Uint16Array(size));
    this.#slots = new Uint32Array(2 * size);
    for (let state = 0; state < this.#size; state++)
      this.#slots[this.#find(this.#high[state]!, this.#low[state]!)] = state + 1;
  }
}

/** Visits every state. */
export function explore<State, Action>(world: Explorable<State, Action>, statesMax: number): SearchOutcome<Action> {
  const table = new StateTable(statesMax);
  const print = new Fingerprint();
  let transitions = 0;
  let finals = 0;
  let depthMax = 0;

  const add = (state: State, parent: number, action: number): "new" | "known" | "full" => {
    world.mark(state, print.reset());
    return table.add(print.high, print.low, parent, action);
  };
  const pathTo = (start: State, number: number): Action[] => {
    let at = start;
    return table.pathTo(number).map((choice) => {
      const action = world.actions(at)[choice]!;
      at = world.apply(at, action);
      return action;
    });
  };
  const outcome = (end: "complete" | "overflowed" | SearchOutcome<Action>["violation"]): SearchOutcome<Action> => ({
    states: table.size,
    transitions,
    finals,
    depthMax,
    complete: end === "complete",
    overflowed: end === "overflowed",
    violation: typeof end === "string" ? undefined : end,
  });
  const failed = (error: unknown, path: () => Action[]): SearchOutcome<Action> =>
    outcome(error instanceof SearchOverflowError ? "overflowed" : { error, path: path() });

  let start: State;
  try {
    start = world.initial();
  } catch (error) {
    return failed(error, () => []);
  }
  if (add(start, 0, 0) === "full") return outcome("overflowed");
  let layer = [start];
  /** The number of the layer's first state. */
  let first = 0;
  for (;;) {
    const next: State[] = [];
    for (let i = 0; i < layer.length; i++) {
      const state = layer[i]!;
      const number = first + i;
      if (world.atRest(state)) {
        finals++;
        try {
          world.judgeRest(state);
        } catch (error) {
          return failed(error, () => pathTo(start, number));
        }
      }
      const actions = world.actions(state);
      for (let choice = 0; choice < actions.length; choice++) {
        const action = actions[choice]!;
        transitions++;
        let after: State;
        try {
          after = world.apply(state, action);
        } catch (error) {
          return failed(error, () => [...pathTo(start, number), action]);
        }
        const found = add(after, number, choice);
        if (found === "new") next.push(after);
        else if (found === "full") return outcome("overflowed");
      }
    }
    if (next.length === 0) return outcome("complete");
    first += layer.length;
    layer = next;
    depthMax++;
  }
}
