/**
 * Judges hedges from outside, by what goes into nodes and comes out:
 *
 *   the budget      of the gets that a node begins, no more than one in HEDGED_ONE_IN is hedged, from its start on
 *   the reserve     a stand-in that was asked beside slow owners does not count before `slowReplyMs`, unless something went wrong at this node since
 *                   the get began (a link, a disk, or the ring itself), or one who counts could not even be asked
 *
 * Limits: the requests under way, and the keys that there are.
 */

import type { Effect, Note } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import { HOPS_MAX } from "../core/handing.ts";
import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { InvariantViolation } from "./checkers.ts";

const HEDGED_ONE_IN = 20;
const TROUBLE: ReadonlySet<Note["what"]> = new Set([
  "peer-suspect",
  "peer-gray",
  "peer-down",
  "view",
  "damaged",
  "clock-jump",
]);

/** One start of a node. */
interface Watched {
  /** At most: one that nobody could be found for is handed on first, and coordinated then. */
  gets: number;
  hedges: number;
  /** By its own clock. */
  troubleAt: Millis;
  /** Stand-ins asked early, by key. */
  readonly asked: Map<Key, { readonly node: NodeId; readonly at: Millis }[]>;
  /** When who was last asked for a key. */
  readonly sent: Map<Key, Map<NodeId, Millis>>;
  /** Keys of gets under way here: of callers by their number, of peers by peer and number. */
  readonly keys: Map<string, Key>;
}

export class HedgeJudge {
  readonly #nodes = new Map<NodeId, Watched>();

  /** `slowReplyMs`: of this node's config. `name`: for people. */
  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[], slowReplyMs: Millis, name: string): void {
    if (event.kind === "started")
      this.#nodes.set(node, {
        gets: 0,
        hedges: 0,
        troubleAt: event.at,
        asked: new Map(),
        sent: new Map(),
        keys: new Map(),
      });
    const watched = this.#nodes.get(node);
    if (watched === undefined) return;
    this.#onEvent(watched, event);
    for (const effect of effects) {
      if (effect.kind === "note") this.#onNote(watched, effect.note, effects, event.at, name);
      else if (effect.kind === "reply")
        this.#onResult(watched, node, `${effect.request}`, effect.result, event.at, slowReplyMs, name);
      else if (effect.kind === "send" && effect.message.kind === "coordinate-reply") {
        const { request, result } = effect.message;
        this.#onResult(watched, node, `${effect.to} ${request}`, result, event.at, slowReplyMs, name);
      } else if (effect.kind === "send" && effect.message.kind === "replica-get") {
        const { key } = effect.message;
        const sent = watched.sent.get(key) ?? new Map<NodeId, Millis>();
        watched.sent.set(key, sent.set(effect.to, event.at));
      }
    }
  }

  #onEvent(watched: Watched, event: NodeEvent): void {
    if (event.kind === "peer-lost" || event.kind === "storage-failed") watched.troubleAt = event.at;
    else if (event.kind === "loaded" && event.records.some((record) => typeof record === "string"))
      watched.troubleAt = event.at;
    else if (event.kind === "client-get") {
      watched.gets += 2;
      watched.keys.set(`${event.request}`, event.key);
    } else if (event.kind === "message-received") {
      const { message, from } = event;
      const tellsWhoCounts = message.kind === "replica-get-reply" && message.counted.length > 0;
      if (tellsWhoCounts) watched.troubleAt = event.at;
      if (message.kind === "replica-get-reply" && message.outcome === "failed") watched.troubleAt = event.at;
      else if (message.kind === "coordinate-get") {
        watched.gets += message.hops < HOPS_MAX ? 2 : 1;
        watched.keys.set(`${from} ${message.request}`, message.key);
      }
    }
  }

  #onNote(watched: Watched, note: Note, effects: readonly Effect[], at: Millis, name: string): void {
    if (TROUBLE.has(note.what)) watched.troubleAt = at;
    if (note.what !== "hedged") return;
    watched.hedges++;
    if (watched.hedges * HEDGED_ONE_IN > watched.gets)
      throw new InvariantViolation(
        "bounded",
        `${name} has hedged ${watched.hedges} of at most ${watched.gets} gets, over one in ${HEDGED_ONE_IN}`,
      );
    const handedOn = effects.some(
      (effect) => effect.kind === "send" && effect.to === note.to && effect.message.kind === "coordinate-get",
    );
    if (handedOn) return;
    const asked = watched.asked.get(note.key) ?? [];
    watched.asked.set(note.key, [...asked, { node: note.to, at }]);
  }

  #onResult(
    watched: Watched,
    node: NodeId,
    request: string,
    result: ClientResult,
    at: Millis,
    slowReplyMs: Millis,
    name: string,
  ): void {
    const key = watched.keys.get(request);
    watched.keys.delete(request);
    if (key === undefined || result.outcome !== "got" || result.report.coordinator !== node) return;
    const { answered, silent, elapsedMs } = result.report;
    const asked = watched.asked.get(key) ?? [];
    const begun = at - elapsedMs;
    const wasAsked = (peer: NodeId): boolean =>
      peer === node || (watched.sent.get(key)?.get(peer) ?? -Infinity) >= begun;
    const early = asked.find((hedge) => hedge.at >= begun && answered.includes(hedge.node));
    if (early !== undefined && elapsedMs < slowReplyMs && watched.troubleAt < begun && silent.every(wasAsked))
      throw new InvariantViolation(
        "strict-quorum",
        `${name} answered a get of ${key} after ${elapsedMs} ms by a stand-in that it had asked beside slow owners, though nobody was given up`,
      );
    watched.asked.delete(key);
  }
}
