/**
 * A judge of manners: how nodes hold back for callers (core/admission.ts), whom they blame for what (core/failure-detector.ts), and how they bear it when
 * a disk refuses.
 *
 *   admission    no piece of background work is begun without a slice; no more slices are granted than the share allows, while there are callers;
 *                and what waits for a slice gets one in time: work that never ends is as bad as work that is in the way
 *   accusation   nobody is suspected before somebody else was asked, unless nobody else was there; and a node that hears nothing at all has become
 *                more patient when it suspects somebody
 *   insistence   what a node writes for itself alone, and the disk has refused, is written again a little later, not at once: else a full disk takes all
 *                of the time that the node has
 *
 * Counts what leaves the nodes, and compares it with what they say of themselves, once in a while. Limits: one account for each running node.
 */

import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Millis, NodeId, Ticket } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";

/** What waits gets its turn within this time, unless the node gets no time itself. */
const WAIT_MS_MAX: Millis = 15_000;
/** A probe is about the present doubt when it is no older. */
const PROBE_MS_MAX: Millis = 30_000;
/** Silence after which a node hears nothing, by any measure. */
const DEAF_MS: Millis = 2_500;
/** The share changes every two seconds at most. */
const LOOKED_AT_MS: Millis = 1_500;
/** Slices may be kept for a moment, and a turn may begin with less than it costs. */
const KEPT_MS: Millis = 50;
const KEPT = 3;
/** Clocks run up to a tenth faster. */
const CLOCK_RATE_MAX = 1.1;
/** How often in a second a disk may refuse what a node writes for itself alone. */
const REFUSALS_PER_SECOND = 20;

interface Account {
  /** Slices that what left the node must have cost. */
  spent: number;
  granted: number;
  perSecond: number;
  at: Millis;
  /** Since when something has waited and nothing was granted. */
  waitsSince: Millis | undefined;
  /** Peers that it takes for well. */
  readonly up: Set<NodeId>;
  /** When it last asked others about a peer. */
  readonly probed: Map<NodeId, Millis>;
  heardAt: Millis;
  /** Commits under way of what nobody has asked for. */
  readonly ownStores: Set<Ticket>;
  /** When those of the last second were refused. */
  refusals: Millis[];
}

export class Restraint {
  readonly #simulator: Simulator;
  readonly #accounts = new Map<NodeId, Account>();
  /** How often something was found waiting. */
  waits = 0;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    const { now } = this.#simulator;
    if (event.kind === "started") this.#accounts.set(node, newAccount(now));
    const account = this.#accounts.get(node);
    if (account === undefined) return;
    // What comes in the step in which its time bound has passed is heard before anybody is judged.
    // A link that comes about is a sign that this node is not the deaf one.
    if (event.kind === "message-received" || event.kind === "peer-connected") account.heardAt = now;
    if (event.kind === "stored") account.ownStores.delete(event.ticket);
    else if (event.kind === "storage-failed" && account.ownStores.delete(event.ticket))
      this.#judgeInsistence(node, account);
    for (const effect of effects) {
      if (effect.kind === "store") {
        if (effect.writes.every(({ store }) => store === "meta" || store === "history"))
          account.ownStores.add(effect.ticket);
      } else if (effect.kind === "send") {
        if (effect.message.kind === "probe") account.probed.set(effect.message.target, now);
        else if (effect.lane === "background") account.spent += slicesOf(effect.message);
      } else if (effect.kind === "note") {
        const { note } = effect;
        // Light clients are not asked about others.
        if (note.what === "peer-up" && !this.#simulator.isLight(note.peer)) account.up.add(note.peer);
        else if (note.what === "peer-down") account.up.delete(note.peer);
        else if (note.what === "peer-suspect") this.#judgeSuspicion(node, account, note.peer);
      }
    }
  }

  /** To be called now and then. */
  check(): void {
    for (const node of this.#simulator.running) this.#checkSlices(node);
  }

  #checkSlices(node: NodeId): void {
    const { now } = this.#simulator;
    const account = this.#accounts.get(node);
    const status = this.#simulator.inspect(node)?.background;
    if (account === undefined || status === undefined) return;
    const { spent } = account;
    const name = this.#simulator.nameOf(node);
    if (spent > status.granted + status.grantedIdle)
      throw new InvariantViolation(
        "admission",
        `${name} did background work of ${spent} slices, and had ${status.granted + status.grantedIdle}`,
      );
    const granted = status.granted - account.granted;
    const perSecond = status.share * this.#simulator.configOf(node).backgroundPerSecond;
    const rate = Math.max(perSecond, account.perSecond) / 1_000;
    const most = rate * ((now - account.at) * CLOCK_RATE_MAX + KEPT_MS) + KEPT;
    // Over a longer time the share may have been higher meanwhile.
    if (now - account.at <= LOOKED_AT_MS && granted > most)
      throw new InvariantViolation(
        "admission",
        `${name} granted ${granted} slices in ${now - account.at} ms at ${perSecond} a second`,
      );
    const held = this.#simulator.stateOf(node) !== "running" || this.#simulator.isThrottled(node);
    const waits = status.waiting.length > 0;
    if (waits) this.waits++;
    if (!waits || held || granted > 0) account.waitsSince = undefined;
    else account.waitsSince ??= now;
    if (account.waitsSince !== undefined && now - account.waitsSince > WAIT_MS_MAX)
      throw new InvariantViolation(
        "admission",
        `at ${name} ${status.waiting.join(", ")} got no slice for ${now - account.waitsSince} ms`,
      );
    account.granted = status.granted;
    account.perSecond = perSecond;
    account.at = now;
  }

  #judgeInsistence(node: NodeId, account: Account): void {
    const { now } = this.#simulator;
    account.refusals = [...account.refusals.filter((at) => now - at < 1_000), now];
    if (account.refusals.length > REFUSALS_PER_SECOND)
      throw new InvariantViolation(
        "insistence",
        `the disk of ${this.#simulator.nameOf(node)} has refused ${account.refusals.length} times in a second what it writes for itself`,
      );
  }

  #judgeSuspicion(node: NodeId, account: Account, peer: NodeId): void {
    const { now } = this.#simulator;
    const name = this.#simulator.nameOf(node);
    account.up.delete(peer);
    const asked = account.probed.get(peer);
    if (account.up.size > 0 && (asked === undefined || now - asked > PROBE_MS_MAX))
      throw new InvariantViolation(
        "accusation",
        `${name} suspects ${this.#simulator.nameOf(peer)} and has asked nobody, though ${account.up.size} were there to ask`,
      );
    const patience = this.#simulator.inspect(node)?.patience ?? 1;
    if (now - account.heardAt > DEAF_MS && patience <= 1)
      throw new InvariantViolation(
        "accusation",
        `${name} has heard nothing for ${now - account.heardAt} ms, suspects ${this.#simulator.nameOf(peer)}, and is no more patient for it`,
      );
  }
}

function newAccount(now: Millis): Account {
  return {
    spent: 0,
    granted: 0,
    perSecond: 0,
    at: now,
    waitsSince: undefined,
    up: new Set(),
    probed: new Map(),
    heardAt: now,
    ownStores: new Set(),
    refusals: [],
  };
}

/** The least that it must have cost to say this. */
function slicesOf(message: Message): number {
  switch (message.kind) {
    case "transfer-request":
    case "tree-request":
    case "fetch-request":
      return 1;
    case "leaf-request":
      return message.after === "" ? 1 : 0;
    case "transfer-page":
      return message.outcome === "page" ? 1 : 0;
    case "leaf-reply":
      return message.outcome === "listed" ? 1 : 0;
    case "fetch-reply":
      return 1;
    case "replica-put":
      // A hint for several owners is one piece. Repair may be that of a read.
      return message.purpose === "transfer" ? 0.25 : message.purpose === "hint" ? 0.05 : 0;
    default:
      return 0;
  }
}
