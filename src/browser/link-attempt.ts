/**
 * One attempt to get a link to a peer. Of two nodes the one with the lower id dials, always; the other asks to be dialled. So both never build
 * two connections that cross each other.
 *
 * The dialer's states, in order:
 *   knocking   the server does not know the peer: asks through members whether it is there, again every 2 s; a `want` ends it
 *   dialing    a WebRTC connection is being made; tried again after 3.5 s without an answer, or when it failed; given up after 7 s
 *   relaying   no connection could be made: the link goes through the server
 *   ended
 * The other one's: asking (a `want`, again every 2 s while nothing comes), answering (an offer or a relayed link came), ended.
 *
 * Every try has a session number of the dialer's, larger than all before; what belongs to another session is stale and ignored. An attempt ends
 * when a link is up, when the peer refuses, or after 12 s; and the next one is up to who wanted the link. Limits: 32 early candidates.
 */

import type { TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import type { Session } from "../wire/link-payload.ts";
import type { PeerLink } from "./peer-link.ts";
import type { RtcSignal } from "./signal-payload.ts";

export const ATTEMPT_MS_MAX = 12_000;
const ASK_AGAIN_MS = 2_000;
const TRY_MS = 3_500;
const RTC_MS_MAX = 7_000;
const RTC_TRIES_MAX = 2;
/** A `want` may have crossed our offer on its way; only after this time does it say that the offer was not heard. */
const OFFER_HEARD_MS = 1_000;
const EARLY_CANDIDATES_MAX = 32;

/** How signals reach the peer: by the server, or through members; `via` is the neighbour by which it was last heard. */
export type SignalPath = { readonly kind: "server" } | { readonly kind: "members"; readonly via: NodeId | undefined };

/** What an attempt needs of its transport. */
export interface AttemptHost {
  readonly clock: Clock;
  /** Larger with every call. */
  nextSession(): Session;
  /** True when the server is there and says that the peer is. */
  serverKnows(peer: NodeId): boolean;
  signal(
    peer: NodeId,
    session: Session,
    signal: RtcSignal | { readonly type: "knock" | "want" },
    path: SignalPath,
  ): void;
  /** undefined where no WebRTC connection can be had. */
  overRtc(peer: NodeId, session: Session, dialing: boolean, signal: (data: RtcSignal) => void): PeerLink | undefined;
  overRelay(peer: NodeId, session: Session, dialing: boolean): PeerLink;
  /** The attempt is over without a link. */
  attemptEnded(attempt: LinkAttempt): void;
}

const SERVER: SignalPath = { kind: "server" };
const ANY_MEMBER: SignalPath = { kind: "members", via: undefined };

type State = "idle" | "knocking" | "dialing" | "relaying" | "asking" | "answering" | "ended";

export class LinkAttempt {
  readonly peer: NodeId;
  readonly #host: AttemptHost;
  readonly #dials: boolean;
  readonly #isSeed: boolean;
  readonly #stopDeadline: () => void;
  #stopTimer: () => void = () => {};
  #state: State = "idle";
  #path: SignalPath = ANY_MEMBER;
  #link: PeerLink | undefined;
  #session: Session = 0;
  #tries = 0;
  #firstDialAtMs = 0;
  #dialledAtMs = 0;
  /** The peer has said something in this session. */
  #heard = false;
  #early: { session: Session; candidates: RtcSignal[] } = { session: 0, candidates: [] };

  constructor(host: AttemptHost, peer: NodeId, dials: boolean, isSeed: boolean) {
    this.#host = host;
    this.peer = peer;
    this.#dials = dials;
    this.#isSeed = isSeed;
    this.#stopDeadline = host.clock.after(ATTEMPT_MS_MAX, () => this.#end());
  }

  /** The link that is being made, if one is. */
  get link(): PeerLink | undefined {
    return this.#link;
  }

  /** Begins by itself; without it the attempt only answers what comes. */
  start(): void {
    if (this.#isSeed) this.#relay();
    else if (!this.#dials) this.#ask();
    else if (this.#host.serverKnows(this.peer)) this.#dial(SERVER);
    else this.#knock();
  }

  /** The peer asks to be dialled: it has no link. */
  onWant(path: SignalPath): void {
    if (!this.#dials || this.#isSeed) return;
    if (this.#state === "idle" || this.#state === "knocking") return this.#dial(path);
    const unheard = this.#host.clock.now() - this.#dialledAtMs >= OFFER_HEARD_MS && !this.#heard;
    if (this.#state !== "dialing" || !unheard) return;
    this.#tries--;
    this.#dial(path);
  }

  /** The peer asks whether this node is there. */
  onKnock(path: SignalPath): void {
    if (this.#dials || this.#state === "answering") return;
    this.#path = path;
    this.#ask();
  }

  onRtcSignal(session: Session, signal: RtcSignal, path: SignalPath): void {
    if (this.#state === "ended") return;
    if (signal.type === "offer") {
      if (!this.#dials && session > this.#session) this.#answer(session, signal, path);
      return;
    }
    if (signal.type === "candidate" && !this.#dials && session > this.#session) return this.#keepEarly(session, signal);
    if (session !== this.#session || ((signal.type === "answer") !== this.#dials && signal.type === "answer")) return;
    this.#heard = true;
    this.#path = path;
    this.#link?.signal(signal);
  }

  /** There is a new way by which the peer may be found. */
  onNewWay(): void {
    if (this.#state === "knocking") this.#knock();
    else if (this.#state === "asking") this.#ask();
  }

  /** The peer, who dials, opens a link through the server. */
  onRelayOpened(session: Session, frame: Uint8Array): void {
    if (this.#dials || session <= this.#session || this.#state === "ended") return;
    this.#dropLink();
    this.#state = "answering";
    this.#session = session;
    this.#link = this.#host.overRelay(this.peer, session, false);
    this.#link.receive(frame);
  }

  /** The server says that the peer is not there; the transport believes it from now on. */
  onUndeliverable(): void {
    if (this.#state === "relaying") this.#end();
    else if (this.#state === "asking") this.#ask();
    else if (this.#state === "dialing" && this.#path.kind === "server" && !this.#heard) {
      this.#dropLink();
      this.#knock();
    }
  }

  /** The link that was being made is dead. */
  onLinkEnded(error: TabringError | undefined): void {
    this.#link = undefined;
    // Whoever refuses will refuse again.
    if (error !== undefined || this.#state === "relaying") return this.#end();
    if (this.#state === "answering") {
      this.#state = "asking";
      this.#arm(ASK_AGAIN_MS, () => this.#ask());
    } else if (this.#state === "dialing") this.#dialAgain();
  }

  /** Ends it from outside: a link is up (which is then left alone), or none is wanted any more. */
  stop(): void {
    this.#state = "ended";
    this.#link = undefined;
    this.#stopTimer();
    this.#stopDeadline();
  }

  #knock(): void {
    this.#state = "knocking";
    if (this.#host.serverKnows(this.peer)) return this.#dial(SERVER);
    this.#host.signal(this.peer, 0, { type: "knock" }, ANY_MEMBER);
    this.#arm(ASK_AGAIN_MS, () => this.#knock());
  }

  #dial(path: SignalPath): void {
    this.#dropLink();
    this.#state = "dialing";
    this.#path = path;
    this.#session = this.#host.nextSession();
    this.#heard = false;
    this.#dialledAtMs = this.#host.clock.now();
    if (this.#tries++ === 0) this.#firstDialAtMs = this.#dialledAtMs;
    this.#link = this.#makeRtc(true);
    if (this.#link === undefined) return this.#relay();
    this.#arm(TRY_MS, () => {
      // Once the peer has answered, the same connection gets the rest of the time.
      if (!this.#heard) this.#dialAgain();
      else this.#arm(this.#firstDialAtMs + RTC_MS_MAX - this.#host.clock.now(), () => this.#relay());
    });
  }

  #dialAgain(): void {
    if (this.#tries < RTC_TRIES_MAX) this.#dial(this.#path);
    else this.#relay();
  }

  #relay(): void {
    this.#dropLink();
    this.#stopTimer();
    if (!this.#isSeed && !this.#host.serverKnows(this.peer)) return this.#end();
    this.#state = "relaying";
    this.#session = this.#host.nextSession();
    this.#link = this.#host.overRelay(this.peer, this.#session, true);
  }

  #ask(): void {
    this.#state = "asking";
    const byNeighbour = this.#path.kind === "members" && this.#path.via !== undefined;
    const path = byNeighbour ? this.#path : this.#host.serverKnows(this.peer) ? SERVER : ANY_MEMBER;
    this.#host.signal(this.peer, 0, { type: "want" }, path);
    // A neighbour that did not help once is not relied on again.
    this.#path = ANY_MEMBER;
    this.#arm(ASK_AGAIN_MS, () => this.#ask());
  }

  #answer(session: Session, offer: RtcSignal, path: SignalPath): void {
    this.#dropLink();
    this.#stopTimer();
    this.#state = "answering";
    this.#session = session;
    this.#path = path;
    this.#link = this.#makeRtc(false);
    this.#link?.signal(offer);
    if (this.#early.session === session) for (const candidate of this.#early.candidates) this.#link?.signal(candidate);
    this.#early = { session: 0, candidates: [] };
  }

  #keepEarly(session: Session, candidate: RtcSignal): void {
    if (session > this.#early.session) this.#early = { session, candidates: [] };
    if (session === this.#early.session && this.#early.candidates.length < EARLY_CANDIDATES_MAX)
      this.#early.candidates.push(candidate);
  }

  #makeRtc(dialing: boolean): PeerLink | undefined {
    const session = this.#session;
    return this.#host.overRtc(this.peer, session, dialing, (signal) => {
      if (this.#session === session && this.#state !== "ended")
        this.#host.signal(this.peer, session, signal, this.#path);
    });
  }

  #dropLink(): void {
    this.#link?.abandon();
    this.#link = undefined;
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#dropLink();
    this.stop();
    this.#host.attemptEnded(this);
  }

  #arm(delayMs: number, callback: () => void): void {
    this.#stopTimer();
    this.#stopTimer = this.#host.clock.after(Math.max(0, delayMs), callback);
  }
}
