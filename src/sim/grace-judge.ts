/**
 * Judges removals after the time of grace (core/grace.ts) from outside, by what nodes note: who removes was awake for the whole time, by its own clock, did not
 * reach the one who goes in all of it, and reaches more than half of those who mean to stay.
 *
 * Limits: one row for each pair of nodes that were once linked.
 */

import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { memberOf, stays } from "../core/membership.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";

/** What one start of a node has seen, by its own clock. */
interface Row {
  /** Since its start, or the last jump of its clock. */
  awakeSince: Millis;
  /** When it last reached whom; Infinity: it does. */
  readonly reachedAt: Map<NodeId, Millis>;
}

export class GraceJudge {
  readonly #simulator: Simulator;
  readonly #rows = new Map<NodeId, Row>();

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    const { at } = event;
    if (event.kind === "started") this.#rows.set(node, { awakeSince: at, reachedAt: new Map() });
    const row = this.#rows.get(node);
    if (row === undefined) return;
    for (const effect of effects) {
      if (effect.kind !== "note") continue;
      const { note } = effect;
      if (note.what === "clock-jump") row.awakeSince = at;
      else if (note.what === "peer-up") row.reachedAt.set(note.peer, Infinity);
      else if (note.what === "peer-suspect") row.reachedAt.set(note.peer, at);
      else if (note.what === "peer-down" && row.reachedAt.get(note.peer) === Infinity) row.reachedAt.set(note.peer, at);
      else if (note.what === "grace-over") this.#judge(node, note.node, row, at);
    }
  }

  #judge(by: NodeId, node: NodeId, { awakeSince, reachedAt }: Row, at: Millis): void {
    const simulator = this.#simulator;
    const { removeAfterMs } = simulator.configOf(by);
    const name = `${simulator.nameOf(by)} removes ${simulator.nameOf(node)}`;
    const demand = (holds: boolean, why: string): void => {
      if (!holds) throw new InvariantViolation("departure", `${name} ${why}`);
    };
    demand(at - awakeSince >= removeAfterMs, `though it was awake for ${at - awakeSince} ms`);
    const silentMs = at - (reachedAt.get(node) ?? -Infinity);
    demand(silentMs >= removeAfterMs, `after ${silentMs} ms of silence`);
    const staying = (simulator.viewOf(by)?.members ?? []).filter(stays);
    const up = staying.filter((member) => member.node === by || reachedAt.get(member.node) === Infinity).length;
    // One who was leaving already was none of those who stay.
    const known = simulator.diskOf(by).meta?.view;
    const before = known === undefined ? undefined : memberOf(known, node);
    const of = staying.length + (before === undefined || stays(before) ? 1 : 0);
    demand(2 * up > of, `with ${up} of ${of} members`);
  }
}
