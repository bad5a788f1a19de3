/**
 * A light client: takes callers' requests and hands them straight to the owners of their keys (client-driven coordination: paper, section 6.4). It is
 * no member: it owns no token, holds no record, keeps no hint, is gossiped to nobody, and writes nothing to any disk. So it mints no dot either,
 * for a dot needs an unbroken memory of the key (`replica.ts`): gets and puts are coordinated by a member that counts for the key, and the light
 * client's part is to know which. Where it is wrong the member hands the request on, and its answer tells by its digest that the view is stale.
 *
 * Calling contract as in `node.ts`, but that no storage effect ever comes. An identity is for one opening: it starts with nothing, and under a new id.
 *
 * **Phases.** starting. waiting: knows no member. light: knows the members, though it may reach none of them.
 *
 * It is linked to `linksMax` members at most, which ones by a draw of its own, so that many light clients spread over the members. A link to another light
 * client, or to one who has met no member yet, is of no use and is given up; so is one to a member whose build knows nothing of light clients.
 */

import { AssertionError, unreachable } from "../base/assert.ts";
import { crc32 } from "../base/crc32.ts";
import { utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "./address.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import { Callers } from "./callers.ts";
import type { Config } from "./config.ts";
import type { Effect, Lane, NodePhase, Note } from "./effect.ts";
import type { NodeEvent } from "./event.ts";
import { FailureDetector } from "./failure-detector.ts";
import { Forwarding } from "./forwarding.ts";
import { Hedging } from "./hedging.ts";
import type { Epoch, Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import { type Member, type View, isGone } from "./membership.ts";
import type { Message } from "./message.ts";
import type { NodeOptions, NodeView } from "./node.ts";
import type { PreferenceList } from "./ring.ts";
import type { StatisticsSnapshot } from "./statistics.ts";
import type { Surroundings } from "./surroundings.ts";
import { Survey } from "./survey.ts";
import { TimerTable } from "./timers.ts";
import { PROTOCOL_MIN, olderProtocol, reads, versionBetween } from "./versions.ts";
import { ViewRefresh } from "./view-refresh.ts";

const REQUESTS_FROM = 2 ** 32;
/** A member of an older build, which does not know light clients, is tried again after so long. */
const OLDER_AGAIN_MS = 2_000;

function coordinatesNothing(): never {
  throw new AssertionError("a light client does not coordinate");
}

function noDisk(): never {
  throw new AssertionError("a light client has no disk");
}

const NO_BACKGROUND_WORK: NodeView["background"] = {
  share: 1,
  perSecond: Infinity,
  why: "idle",
  waiting: [],
  granted: 0,
  grantedIdle: 0,
};

export class LightClient {
  readonly #id: NodeId;
  readonly #config: Config;
  readonly #random: Prng;
  readonly #timers = new TimerTable();
  readonly #detector: FailureDetector;
  readonly #refresh: ViewRefresh;
  readonly #forwarding: Forwarding;
  readonly #hedging: Hedging;
  readonly #bookkeeping: Bookkeeping;
  readonly #survey: Survey;
  readonly #callers: Callers;
  #now: Millis = 0;
  #phase: NodePhase = "starting";
  #effects: Effect[] = [];
  #requests: RequestId;
  /** Members in the order in which links to them are wanted. */
  #wanted: readonly NodeId[] = [];

  /** `meta` is not looked at: nothing is kept from one opening to the next. */
  constructor(options: NodeOptions) {
    this.#id = options.id;
    this.#config = options.config;
    this.#random = new Prng(options.seed);
    this.#requests = this.#random.below(REQUESTS_FROM);
    const surroundings = this.#surroundings();
    this.#bookkeeping = new Bookkeeping(surroundings);
    this.#survey = new Survey(surroundings, { own: () => this.#bookkeeping.snapshot() });
    this.#detector = new FailureDetector(surroundings, 1, {
      up: (peer) => this.#peerUp(peer),
      down: (peer) => this.#peerDown(peer),
      wanted: () => this.#wanted,
      renewed: () => undefined,
    });
    this.#refresh = new ViewRefresh(surroundings, {
      candidates: () => this.#candidates(),
      changed: () => this.#onView(),
      useless: (peer) => this.#detector.turnAway(peer),
    });
    this.#hedging = new Hedging(options.config.hedges);
    this.#callers = new Callers(
      surroundings,
      {
        isReady: () => this.#refresh.ring !== undefined,
        mayCoordinate: () => false,
        coordinate: coordinatesNothing,
        forward: (request, what, handing, timeoutMs) => this.#forwarding.start(request, what, handing, timeoutMs),
        drop: (request) => this.#forwarding.drop(request),
        reply: (request, result) => this.#effects.push({ kind: "reply", request, result }),
        answerPeer: coordinatesNothing,
        taken: () => undefined,
        turnedAway: (kind, result) => this.#bookkeeping.onTurnedAway(kind, result),
        forwarded: () => this.#bookkeeping.count("forwarded"),
        abandoned: () => this.#bookkeeping.count("abandoned"),
        served: () => undefined,
        ended: (call, result) => this.#bookkeeping.onEnded(call, result),
      },
      true,
    );
    this.#forwarding = new Forwarding(
      surroundings,
      this.#hedging,
      {
        answer: (request, result) => this.#callers.onAnswer(request, result),
        exhausted: coordinatesNothing,
      },
      true,
    );
  }

  /** Takes in one event and returns what is to be done, in order. */
  step(event: NodeEvent): Effect[] {
    this.#beginStep(event.at);
    this.#onEvent(event);
    for (let name = this.#timers.expire(this.#now); name !== undefined; name = this.#timers.expire(this.#now))
      this.#onTimer(name);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** When the host must call `step` at the latest; undefined before `started`. */
  wakeAt(): Millis | undefined {
    return this.#timers.earliest();
  }

  /** What it knows of the cluster; undefined until it has met it. */
  get view(): View | undefined {
    return this.#refresh.ring?.view;
  }

  /** What this opening has counted; made anew at each call. */
  get statistics(): StatisticsSnapshot {
    return this.#bookkeeping.snapshot();
  }

  inspect(): NodeView {
    const { ring, figures } = this.#refresh;
    return {
      id: this.#id,
      phase: this.#phase,
      view: ring?.view,
      ringDigest: ring?.digest,
      peers: this.#detector.peers().map((peer) => ({ ...peer, slow: false, protocol: this.#versionWith(peer.node) })),
      hints: [],
      hintsOwed: 0,
      transfers: [],
      owed: 0,
      unopened: 0,
      departure: undefined,
      protocol: PROTOCOL_MIN,
      requests: this.#callers.size,
      background: NO_BACKGROUND_WORK,
      patience: this.#detector.patience,
      reaping: { tombstones: 0, blockedBy: [] },
      loads: [],
      slowByMost: [],
      light: figures,
      sizes: {
        peers: this.#detector.size,
        forwarded: this.#forwarding.size,
        surveys: this.#survey.size,
        contained: this.#refresh.size,
        timers: this.#timers.size,
      },
    };
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      now: this.#now,
      phase: this.#phase,
      requests: this.#requests,
      callers: this.#callers.memory,
      random: this.#random.memory,
      timers: this.#timers.memory,
      detector: this.#detector.memory,
      refresh: this.#refresh.memory,
      forwarding: this.#forwarding.memory,
      hedging: this.#hedging.memory,
      survey: this.#survey.memory,
    };
  }

  #surroundings(): Surroundings {
    const now = () => this.#now;
    const ring = () => this.#refresh.ring;
    return {
      self: this.#id,
      config: this.#config,
      random: this.#random,
      timers: this.#timers,
      get now() {
        return now();
      },
      get ring() {
        return ring();
      },
      reachable: (peer) => this.#detector.reachable(peer),
      slow: () => false,
      reads: (peer, kind) => reads(this.#versionWith(peer), kind),
      protocol: PROTOCOL_MIN,
      mayWork: () => true,
      mayStore: () => false,
      mayAnswer: () => false,
      listOf: (key) => this.#listOf(key),
      nextRequest: () => ++this.#requests,
      nextTicket: () => noDisk(),
      epochOf: (peer) => this.#detector.epochOf(peer) ?? 0,
      send: (to, message, lane, asked) => this.#send(to, message, lane, asked),
      emit: (effect) => this.#effects.push(effect),
      store: () => noDisk(),
      complete: () => noDisk(),
      note: (note) => this.#note(note),
    };
  }

  #beginStep(at: Millis): void {
    const due = this.#timers.earliest();
    this.#now = Math.max(this.#now, at);
    const gapMs = due === undefined ? 0 : this.#now - due;
    if (gapMs <= this.#config.clockJumpMs) return;
    this.#note({ what: "clock-jump", gapMs });
    this.#detector.onClockJump();
  }

  #onEvent(event: NodeEvent): void {
    switch (event.kind) {
      case "started":
        if (this.#phase !== "starting") return;
        this.#bookkeeping.start();
        this.#refresh.start();
        this.#timers.set("detector", this.#now);
        this.#setPhase("waiting");
        break;
      case "client-get":
        this.#callers.onClient(
          event.request,
          { kind: "get", key: event.key, r: event.r, pr: event.pr },
          undefined,
          event.timeoutMs,
        );
        break;
      case "client-put":
        this.#callers.onClient(
          event.request,
          { kind: "put", key: event.key, write: event.write },
          event.prefer,
          event.timeoutMs,
        );
        break;
      case "set-bucket": {
        const fault = "a light client keeps nothing and cannot vouch for it: set it at a member";
        const { request } = event;
        this.#effects.push({ kind: "bucket-set", request, refusal: { code: "invalid", fault } });
        break;
      }
      case "change-membership":
        this.#effects.push({ kind: "report-change", request: event.request, refusal: { code: "not-ready" } });
        break;
      case "client-gather":
      case "client-gather-more":
        this.#effects.push({
          kind: "gathered",
          request: event.request,
          what: { outcome: "failed", code: "not-ready" },
        });
        break;
      case "client-sizes":
        this.#effects.push({ kind: "report-sizes", request: event.request, sizes: [] });
        break;
      case "client-statistics":
        this.#survey.start(event.request, event.timeoutMs ?? this.#config.requestTimeoutMs);
        break;
      case "client-abandoned":
        this.#callers.onAbandoned(event.request);
        this.#survey.onAbandoned(event.request);
        break;
      case "message-received":
        this.#onMessage(event.from, event.epoch, event.message);
        break;
      case "peer-connected":
        if (event.peer !== this.#id) this.#detector.onConnected(event.peer, event.protocol);
        break;
      case "peer-lost":
        this.#detector.onLost(event.peer);
        break;
      case "wake":
      case "visibility":
        break;
      case "found-cluster":
      case "closing":
      case "loaded":
      case "stored":
      case "storage-failed":
      case "scanned":
      case "leaves-loaded":
        // It founds nothing and has no disk.
        break;
      default:
        unreachable(event);
    }
  }

  #onTimer(name: string): void {
    const colon = name.indexOf(":");
    const request = colon < 0 ? 0 : Number(name.slice(colon + 1));
    switch (colon < 0 ? name : name.slice(0, colon)) {
      case "detector":
        return this.#detector.onTimer();
      case "view-turn":
        return this.#refresh.onTurnTimer();
      case "view-again":
        return this.#refresh.onAgainTimer();
      case "view-overdue":
        return this.#refresh.onOverdueTimer();
      case "forward-timeout":
        return this.#forwarding.onTimeout(request);
      case "forward-slow":
        return this.#forwarding.onSlow(request);
      case "survey-timeout":
        return this.#survey.onTimeout(request);
    }
  }

  // Peers

  #onMessage(from: NodeId, epoch: Epoch, message: Message): void {
    if (message.kind === "ping") {
      this.#detector.onPing(from, epoch, message);
      return;
    }
    if (message.kind === "pong") {
      this.#detector.onPong(from, epoch, message);
      return;
    }
    if (!this.#detector.accepts(from, epoch)) {
      this.#note({ what: "late-dropped", from, message: message.kind });
      return;
    }
    this.#detector.heard(from);
    switch (message.kind) {
      case "view-reply":
        this.#refresh.onReply(from, message);
        break;
      case "coordinate-reply":
        this.#forwarding.onReply(from, message.request, message.result);
        this.#refresh.onAnswered(from, message.ring);
        break;
      case "statistics-reply":
        this.#survey.onReply(from, message);
        break;
      case "probe":
        this.#detector.onProbe(from, message);
        break;
      case "probe-reply":
        this.#detector.onProbeReply(message);
        break;
      case "light-hello":
        this.#detector.turnAway(from);
        break;
      case "gossip-digest":
        // One that has met nobody learns nothing here; a member has missed what this is.
        if (message.ring === undefined) this.#detector.turnAway(from);
        else this.#hello(from);
        break;
      case "gossip-versions":
      case "gossip-news":
        this.#hello(from);
        break;
      default:
        // Said to members.
        break;
    }
  }

  #hello(peer: NodeId): void {
    this.#send(peer, { kind: "light-hello" }, "foreground");
  }

  #peerUp(peer: NodeId): void {
    if (!reads(this.#versionWith(peer), "light-hello")) {
      this.#note({ what: "older-peer", peer, message: "light-hello" });
      this.#detector.turnAway(peer, OLDER_AGAIN_MS);
      return;
    }
    this.#hello(peer);
    this.#refresh.onPeerUp(peer);
    this.#forwarding.onPeerUp(peer);
  }

  #peerDown(peer: NodeId): void {
    this.#forwarding.onPeerDown(peer);
    this.#refresh.onPeerDown(peer);
    this.#survey.onPeerDown(peer);
  }

  #candidates(): NodeId[] {
    const members = this.#refresh.ring?.view.members;
    return members === undefined
      ? this.#detector.up()
      : members.map(({ node }) => node).filter((node) => this.#detector.reachable(node));
  }

  #onView(): void {
    const members = this.#refresh.ring?.view.members ?? [];
    const draw = ({ node }: { readonly node: NodeId }): number => crc32(utf8Encode(`${this.#id} ${node}`));
    const isOlder = (member: Member): number => (reads(member.protocolMax, "light-hello") ? 0 : 1);
    // One that was older when this was heard may have got a newer build since.
    this.#wanted = members
      .filter((member) => !isGone(member))
      .sort((a, b) => isOlder(a) - isOlder(b) || draw(a) - draw(b))
      .map(({ node }) => node);
    this.#note({ what: "view", members: members.length });
    this.#setPhase("light");
  }

  #setPhase(phase: NodePhase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#note({ what: "phase", phase });
  }

  #send(to: NodeId, message: Message, lane: Lane, asked?: Epoch): boolean {
    const epoch = this.#detector.epochOf(to);
    if (epoch === undefined || !this.#detector.reachable(to) || (asked !== undefined && asked !== epoch)) return false;
    const version = this.#versionWith(to);
    if (!reads(version, message.kind)) {
      this.#note({ what: "not-read", by: to, message: message.kind });
      return false;
    }
    this.#effects.push({ kind: "send", to, epoch, lane, message, ...olderProtocol(version) });
    return true;
  }

  #versionWith(peer: NodeId): number {
    return versionBetween(this.#config.protocolMax, this.#detector.readsOf(peer), this.#refresh.ring?.view, peer);
  }

  #listOf(key: Key): PreferenceList | undefined {
    const { ring } = this.#refresh;
    return ring?.preferenceList(partitionOf(positionOf(key), ring.view.claims.length));
  }

  #note(note: Note): void {
    this.#bookkeeping.onNote(note);
    this.#effects.push({ kind: "note", note });
  }
}
