/**
 * Judges where requests go, and that light clients stay what they are:
 *
 *   - a put whose context names who answered the read first goes to that one, if the node that is asked takes it for one who counts and can be reached
 *     (paper, section 5)
 *   - whoever is asked by a peer for a key that is not its own hands the request on, as long as it knows somebody who counts and the request has not
 *     been handed on HOPS_MAX times; each hop is counted
 *   - a light client uses no disk, says only what a client says, and never goes back behind what it knew of the members, unless it was answered by one
 *     and the same older view again and again; when it is answered by another view it takes notice, and it asks how the membership stands no more
 *     often than it may
 *   - no member takes a light client for a member: none is in a view, none is sent records, and none is gossiped with once it has said what it is
 */

import { partitionOf, positionOf } from "../core/address.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import { HOPS_MAX } from "../core/handing.ts";
import type { Key, Millis, NodeId, RingDigest } from "../core/identifiers.ts";
import { type View, mergeView } from "../core/membership.ts";
import type { Message } from "../core/message.ts";
import type { NodeView } from "../core/node.ts";
import { type PreferenceList, Ring, digestOf } from "../core/ring.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { EXTRA_BURST, EXTRA_PER_SECOND } from "../core/view-refresh.ts";
import { InvariantViolation } from "./checkers.ts";
import { isOlder } from "./mixed-versions.ts";
import { noted } from "./noted.ts";
import type { Simulator } from "./simulator.ts";

/** Turns of a light client come at least this share of their interval apart, and a question may take two messages. */
const TURN_SHARE = 0.75;
const MESSAGES_PER_QUESTION = 2;
/** Answers in a row by one view that a light client may take over, though it knew more. */
const LOST_ANSWERS = 3;

const LIGHT_SAYS: ReadonlySet<Message["kind"]> = new Set([
  "ping",
  "pong",
  "probe",
  "probe-reply",
  "light-hello",
  "view-request",
  "coordinate-get",
  "coordinate-put",
  "statistics-request",
]);
const LIGHT_HEARS: ReadonlySet<Message["kind"]> = new Set([
  "ping",
  "pong",
  "probe-reply",
  "view-reply",
  "coordinate-reply",
  "statistics-reply",
]);
/** Before a light client has said what it is. */
const STRANGER_HEARS: ReadonlySet<Message["kind"]> = new Set([
  ...LIGHT_HEARS,
  "light-hello",
  "probe",
  "gossip-digest",
  "gossip-versions",
  "gossip-news",
]);

const DISK: ReadonlySet<Effect["kind"]> = new Set(["load", "store", "scan", "load-leaves"]);

interface LightBook {
  /** Digests that members told it of when it asked. */
  readonly digests: Set<RingDigest>;
  /** Views by which its last questions were answered, when there was news or seemed to be. */
  answers: RingDigest[];
  view: View | undefined;
  questions: number;
  at: Millis;
}

export class Routing {
  readonly #simulator: Simulator;
  readonly #books = new Map<NodeId, LightBook>();
  /** By member: peers that said on their present link that they are light clients. */
  readonly #introduced = new Map<NodeId, Set<NodeId>>();

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "client-put" && event.prefer !== undefined)
      this.#checkCoordinator(node, event.key, event.prefer, effects);
    if (this.#simulator.isLight(node)) this.#onLight(node, event, effects);
    else this.#onMember(node, event, effects);
  }

  /** Looked at once a second. */
  check(): void {
    const { running } = this.#simulator;
    if (this.#simulator.lightsEver > 0)
      for (const node of running)
        for (const member of this.#simulator.viewOf(node)?.members ?? [])
          if (this.#simulator.isLight(member.node))
            this.#complain(node, `takes ${this.#name(member.node)}, a light client, for a member`);
  }

  /** To be called at rest: each light client has asked within its turn. */
  checkFreshness(): void {
    for (const light of this.#simulator.lights) {
      const { viewRefreshMs } = this.#simulator.configOf(light);
      const ageMs = this.#simulator.inspect(light)?.light?.viewAgeMs;
      // Clocks drift by a tenth, timers are late, and one question may have to be asked again.
      if (ageMs === undefined || ageMs > 2 * viewRefreshMs + 10_000)
        this.#complain(light, `has a view that was confirmed ${String(ageMs)} ms ago`);
    }
  }

  #onLight(light: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "started")
      this.#books.set(light, { digests: new Set(), answers: [], view: undefined, questions: 0, at: event.at });
    const book = this.#books.get(light)!;
    for (const effect of effects) {
      if (effect.kind === "send") {
        const { message } = effect;
        if (!LIGHT_SAYS.has(message.kind)) this.#complain(light, `is a light client and sent a ${message.kind}`);
        if ("hops" in message && message.hops !== 0)
          this.#complain(light, `is no member and counted itself among the ${message.hops} that handed on`);
        if (message.kind === "view-request") this.#onQuestion(light, book, event.at);
      } else if (DISK.has(effect.kind)) this.#complain(light, `is a light client and asked for a ${effect.kind}`);
    }
    if (event.kind !== "message-received") return;
    const { message } = event;
    if (message.kind === "view-reply") {
      book.digests.add(message.digest);
      if (message.outcome === "news") book.answers = [...book.answers, message.digest].slice(-LOST_ANSWERS);
      else if (message.outcome === "same") book.answers = [];
    }
    this.#checkMemory(light, book);
    if (message.kind !== "coordinate-reply" || noted(effects, "late-dropped")) return;
    const view = this.#simulator.viewOf(light);
    if (view === undefined || digestOf(view) === message.ring || book.digests.has(message.ring)) return;
    if (!noted(effects, "view-stale"))
      this.#complain(light, `took no notice that ${this.#name(event.from)} answered by another view`);
  }

  /** What it knew it knows, unless nobody else did, by all the answers that it got. */
  #checkMemory(light: NodeId, book: LightBook): void {
    const view = this.#simulator.viewOf(light);
    const { view: before, answers } = book;
    book.view = view;
    if (view === undefined || before === undefined || view === before) return;
    if (mergeView(view, before.members, before.claims, before.buckets) === view) return;
    const digest = digestOf(view);
    if (answers.length < LOST_ANSWERS || answers.some((answer) => answer !== digest))
      this.#complain(light, "has forgotten what it knew of the members");
  }

  /** A bucket that holds what it may ask at once, and is refilled as it may ask; the same rate whatever has happened. */
  #onQuestion(light: NodeId, book: LightBook, at: Millis): void {
    const { viewRefreshMs } = this.#simulator.configOf(light);
    const perSecond = MESSAGES_PER_QUESTION * (EXTRA_PER_SECOND + 1_000 / (TURN_SHARE * viewRefreshMs));
    const most = MESSAGES_PER_QUESTION * (EXTRA_BURST + 2);
    book.questions = Math.max(0, book.questions - ((at - book.at) * perSecond) / 1_000) + 1;
    book.at = at;
    if (book.questions > most) this.#complain(light, "asks too often how the membership stands");
  }

  #onMember(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "started") this.#introduced.set(node, new Set());
    const introduced = this.#introduced.get(node)!;
    if (event.kind === "peer-connected" || event.kind === "peer-lost") introduced.delete(event.peer);
    for (const effect of effects) {
      if (effect.kind === "disconnect") introduced.delete(effect.peer);
      if (effect.kind !== "send" || !this.#simulator.isLight(effect.to)) continue;
      const { kind } = effect.message;
      if (!(introduced.has(effect.to) ? LIGHT_HEARS : STRANGER_HEARS).has(kind))
        this.#complain(node, `sent a ${kind} to ${this.#name(effect.to)}, a light client`);
    }
    if (event.kind !== "message-received") return;
    const { from, message } = event;
    if (message.kind === "light-hello" && noted(effects, "light-client")) introduced.add(from);
    if (message.kind !== "coordinate-put" && message.kind !== "coordinate-get") return;
    if (noted(effects, "handed-on")) {
      // Others of the same key may be put to another in the same step, because their time has come.
      const asked = effects.flatMap((effect) =>
        effect.kind === "send" && "hops" in effect.message && effect.message.key === message.key
          ? [effect.message.hops]
          : [],
      );
      if (message.hops >= HOPS_MAX || (asked.length > 0 && !asked.includes(message.hops + 1)))
        this.#complain(node, `handed on a request as one of ${asked.join(", ")}, which came as ${message.hops}`);
    }
    if (message.hops >= HOPS_MAX || !noted(effects, "stand-in")) return;
    const view = this.#simulator.inspect(node);
    const { counted = [] } = listOf(view, message.key) ?? {};
    const other = counted.find((each) => each !== node && each !== from && reaches(view, each));
    // It may have asked that one already, and stand in because it lost it in this very step.
    if (other !== undefined && !noted(effects, "handed-on") && !noted(effects, "peer-down"))
      this.#complain(node, `stood in for a put of ${message.key} though it reaches ${this.#name(other)}, who counts`);
  }

  #checkCoordinator(node: NodeId, key: Key, prefer: NodeId, effects: readonly Effect[]): void {
    // A put that needs strict commits is handed to nobody whose build knows none.
    if ([node, prefer].some((each) => this.#simulator.nodes.includes(each) && isOlder(this.#simulator.configOf(each))))
      return;
    const view = this.#simulator.inspect(node);
    // One that got a newer build just now is still known by the older one.
    if (view?.peers.some((peer) => peer.node === prefer && peer.protocol < PROTOCOL_VERSION) === true) return;
    const counts = listOf(view, key)?.counted.includes(prefer) === true;
    const refused = effects.some((effect) => effect.kind === "reply");
    if (!counts || refused || (prefer !== node && !reaches(view, prefer))) return;
    // One that is about to let go of the key counts, but does not coordinate.
    if (prefer === node) return;
    const asked = effects.some(
      (effect) => effect.kind === "send" && effect.to === prefer && effect.message.kind === "coordinate-put",
    );
    if (!asked)
      this.#complain(node, `did not let ${this.#name(prefer)} coordinate a put of ${key}, who answered the read first`);
  }

  #name(node: NodeId): string {
    return this.#simulator.nameOf(node);
  }

  #complain(node: NodeId, what: string): never {
    throw new InvariantViolation("routing", `${this.#name(node)} ${what}`);
  }
}

const rings = new WeakMap<View, Ring>();

function listOf(node: NodeView | undefined, key: Key): PreferenceList | undefined {
  const view = node?.view;
  if (view === undefined) return undefined;
  let ring = rings.get(view);
  if (ring === undefined) rings.set(view, (ring = new Ring(view)));
  return ring.preferenceList(partitionOf(positionOf(key), view.claims.length));
}

function reaches(view: NodeView | undefined, node: NodeId): boolean {
  return view?.peers.some((peer) => peer.node === node && peer.reachability === "up") === true;
}
