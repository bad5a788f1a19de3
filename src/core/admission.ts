/**
 * Admission control (paper, section 6.5): background work takes slices, and how many it gets depends on how well callers are served. Hints, transfers,
 * tree exchanges, hand-overs, the scrub, and pages and listings read for peers ask before each piece; read repair belongs to its request and does not ask.
 *
 * States of the controller, judged every JUDGE_MS at most and only when a slice is asked for, so that an idle node does nothing:
 *
 *   idle          no caller for IDLE_MS: slices for everybody, without limit
 *   steady        the share grows by SHARE_STEP, up to 1: `backgroundPerSecond` slices a second
 *   backing off   a signal is bad: the share is halved, down to `backgroundPerSecondMin`, never to nothing: repair that never ends is no repair
 *
 * The signals: the 99th percentile, over the last minute, of how long requests took that were asked or coordinated here (requests), of reads and
 * writes of the disk (disk), and of how late timers came (queue: what comes to the node waits as long), each against `foregroundTargetMs`; and
 * storage that failed (failures). After each halving they begin anew: what came before does not speak of the new share. Growing in steps and shrinking
 * by halves is what lets several nodes that share one bottleneck come to equal shares (Chiu and Jain 1989).
 *
 * States of each kind of work: asks -> granted, or waiting -> resumed, in the order in which they began to wait, one slice at each turn while others
 * wait. So no kind starves another.
 *
 * Limits: the seven kinds wait once each; BURST_MS' worth of slices is kept for later; a minute of histograms; what the disk has not answered. With a target of Infinity nothing is
 * watched and nothing waits.
 */

import { Histogram } from "../base/histogram.ts";
import { RollingWindow } from "../base/rolling-window.ts";
import type { AdmissionReason } from "./effect.ts";
import type { Millis, Ticket } from "./identifiers.ts";
import type { BackgroundWork, Surroundings } from "./surroundings.ts";

const JUDGE_MS = 2_000;
const SHARE_STEP = 0.1;
/** Without a caller for so long there is nobody to give way to. */
export const IDLE_MS = 1_000;
/** Slices that were not asked for are kept for so long. */
const BURST_MS = 50;
/** The 99th percentile of fewer is the largest one, and chance: it is no reason to back off again. */
const SAMPLES_MIN = 20;
const SLICE_MS = 10_000;
/** A minute, and the slice under way. */
const SLICES = 7;

const SIGNALS = ["requests", "disk", "queue"] as const;
type Signal = (typeof SIGNALS)[number];

/** For status lines and checks. */
export interface AdmissionStatus {
  /** Of the full speed, 0 to 1. */
  readonly share: number;
  /** Slices a second that the share comes to; Infinity while idle. */
  readonly perSecond: number;
  readonly why: AdmissionReason;
  /** Kinds of work that wait for a slice, the next first. */
  readonly waiting: readonly BackgroundWork[];
  /** Slices granted while callers were served, and while idle. */
  readonly granted: number;
  readonly grantedIdle: number;
}

export interface AdmissionActions {
  /** This kind of work waited and may ask again. */
  resume(work: BackgroundWork): void;
}

export class Admission {
  readonly #in: Surroundings;
  readonly #do: AdmissionActions;
  #signals = freshSignals();
  /** What the disk has not answered yet. It answers everything once. */
  readonly #asked = new Map<Ticket, Millis>();
  /** When storage failed last, unless it was judged already. */
  #failedAt: Millis = Number.NEGATIVE_INFINITY;
  #share = 1;
  #why: AdmissionReason = "steady";
  #judgedAt: Millis = Number.NEGATIVE_INFINITY;
  #servedAt: Millis = Number.NEGATIVE_INFINITY;
  /** Slices that can be granted now, and since when. */
  #slices = 1;
  #filledAt: Millis = 0;
  readonly #waiting = new Set<BackgroundWork>();
  /** Whose turn it is among those that wait. */
  #turn: BackgroundWork | undefined;
  #granted = 0;
  #grantedIdle = 0;

  constructor(surroundings: Surroundings, actions: AdmissionActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      signals: SIGNALS.map((signal) =>
        this.#signals[signal].recent(this.#in.now).map(({ age, slice }) => [age, slice.data]),
      ),
      asked: this.#asked,
      failedAt: this.#failedAt,
      share: this.#share,
      why: this.#why,
      judgedAt: this.#judgedAt,
      servedAt: this.#servedAt,
      slices: this.#slices,
      filledAt: this.#filledAt,
      waiting: this.#waiting,
      granted: this.#granted,
      grantedIdle: this.#grantedIdle,
    };
  }

  get status(): AdmissionStatus {
    const idle = this.#idle;
    return {
      share: this.#share,
      perSecond: idle ? Number.POSITIVE_INFINITY : this.#perSecond,
      why: idle ? "idle" : this.#why,
      waiting: [...this.#waiting],
      granted: this.#granted,
      grantedIdle: this.#grantedIdle,
    };
  }

  // What it watches

  /** A caller, here or at a peer, wants something of this node. */
  onForeground(): void {
    if (this.#watches) this.#servedAt = this.#in.now;
  }

  /** A request, a read or write of the disk, or a timer took so long. */
  onTook(signal: Signal, ms: Millis): void {
    if (this.#watches) this.#signals[signal].at(this.#in.now).add(ms * 1_000);
  }

  /** The disk was asked to read or write something that a caller may wait for. */
  onDiskAsked(ticket: Ticket): void {
    if (this.#watches) this.#asked.set(ticket, this.#in.now);
  }

  onDiskAnswered(ticket: Ticket, failed: boolean): void {
    const since = this.#asked.get(ticket);
    if (since === undefined) return;
    this.#asked.delete(ticket);
    if (failed) this.#failedAt = this.#in.now;
    else this.onTook("disk", this.#in.now - since);
  }

  // What it grants

  /** Whether a piece of background work may begin now; if not, `resume` follows. */
  mayWork(work: BackgroundWork, slices = 1): boolean {
    if (this.#idle) {
      this.#grantedIdle += slices;
      return true;
    }
    this.#judge();
    this.#fill();
    const otherFirst = this.#waiting.size > 0 && this.#turn !== work;
    if (otherFirst || this.#slices < Math.min(1, slices)) {
      this.#waiting.add(work);
      this.#arm();
      return false;
    }
    this.#turn = undefined;
    this.#slices -= slices;
    this.#granted += slices;
    return true;
  }

  onTimer(): void {
    this.#judge();
    this.#fill();
    for (const work of [...this.#waiting]) {
      if (!this.#idle && this.#slices < 1) break;
      this.#waiting.delete(work);
      this.#turn = work;
      this.#do.resume(work);
      this.#turn = undefined;
    }
    this.#arm();
  }

  get #watches(): boolean {
    return this.#in.config.foregroundTargetMs !== Number.POSITIVE_INFINITY;
  }

  get #idle(): boolean {
    return !this.#watches || this.#in.now - this.#servedAt >= IDLE_MS;
  }

  get #perSecond(): number {
    return this.#share * this.#in.config.backgroundPerSecond;
  }

  #fill(): void {
    const { now } = this.#in;
    const most = Math.max(1, (this.#perSecond * BURST_MS) / 1_000);
    this.#slices = Math.min(most, this.#slices + ((now - this.#filledAt) * this.#perSecond) / 1_000);
    this.#filledAt = now;
  }

  /** While somebody waits: when the next slice is there. */
  #arm(): void {
    if (this.#waiting.size === 0) return;
    const { now, timers } = this.#in;
    timers.set("admission", now + Math.max(1, ((1 - this.#slices) * 1_000) / this.#perSecond));
  }

  #judge(): void {
    const { now, config } = this.#in;
    if (now - this.#judgedAt < JUDGE_MS) return;
    this.#judgedAt = now;
    const why = this.#bad();
    this.#failedAt = Number.NEGATIVE_INFINITY;
    const least = Math.min(1, config.backgroundPerSecondMin / config.backgroundPerSecond);
    const before = this.#share;
    this.#share =
      why === "steady" ? Math.min(1, Math.round((before + SHARE_STEP) * 1_000) / 1_000) : Math.max(least, before / 2);
    this.#why = why;
    if (why !== "steady") this.#signals = freshSignals();
    if (this.#share !== before) this.#in.note({ what: "admission", share: this.#share, why });
  }

  #bad(): Signal | "failures" | "steady" {
    const { now, config } = this.#in;
    if (now - this.#failedAt < SLICE_MS) return "failures";
    for (const signal of SIGNALS) {
      const minute = new Histogram();
      for (const { slice } of this.#signals[signal].recent(now)) minute.include(slice.data);
      if (minute.count >= SAMPLES_MIN && minute.percentile(99) > config.foregroundTargetMs * 1_000) return signal;
    }
    return "steady";
  }
}

function freshSignals(): Record<Signal, RollingWindow<Histogram>> {
  const fresh = () => new RollingWindow(SLICE_MS, SLICES, () => new Histogram());
  return { requests: fresh(), disk: fresh(), queue: fresh() };
}
