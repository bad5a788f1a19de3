/**
 * Runs one {@link Link} on a channel and the host's clock: feeds it frames, puts its frames on the channel once per turn, arms one timer.
 *
 * States: those of the link, then `ended`. After the `closed` callback, or after `close` or `abandon` (which give none), nothing more is called.
 * What is queued during one turn of the host goes out together at its end ({@link TurnFlusher}), never by a timer; when the channel is full it
 * goes on as soon as the owner of the channel says `drained`.
 */

import { unreachable } from "../base/assert.ts";
import type { Lane } from "../core/effect.ts";
import type { TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { ProtocolRange } from "../core/versions.ts";
import { Link, type LinkEvent, type LinkOptions, type LinkState } from "../wire/link.ts";
import type { Clock } from "./ports.ts";

/** What moves frames in order. None of its methods throws; a channel that broke says so to its owner. */
export interface FrameChannel {
  put(frame: Uint8Array): void;
  /** Put and not yet on the wire. */
  readonly bufferedBytes: number;
  /** Idempotent; tells nobody on this side. */
  close(): void;
}

export interface LinkRunnerHandlers {
  up(peer: NodeId, protocol: ProtocolRange): void;
  message(bytes: Uint8Array): void;
  /** Once and last; the channel is closed already. */
  closed(reason: string, error: TabringError | undefined): void;
}

/** Calls back at the end of the host's present turn. */
export type TurnScheduler = (callback: () => void) => void;

/** Collects who has something to say in this turn, and lets each say it once at the turn's end. */
export class TurnFlusher {
  readonly #schedule: TurnScheduler;
  #due = new Set<LinkRunner>();
  #scheduled = false;

  constructor(schedule: TurnScheduler) {
    // Browsers' own functions refuse to be called as a method.
    this.#schedule = (callback) => schedule(callback);
  }

  mark(runner: LinkRunner): void {
    this.#due.add(runner);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      const due = this.#due;
      this.#due = new Set();
      for (const each of due) each.flush();
    });
  }
}

export class LinkRunner {
  readonly #link: Link;
  readonly #channel: FrameChannel;
  readonly #clock: Clock;
  readonly #flusher: TurnFlusher;
  readonly #handlers: LinkRunnerHandlers;
  #ended = false;
  #armedFor = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};

  constructor(
    options: Omit<LinkOptions, "now">,
    channel: FrameChannel,
    clock: Clock,
    flusher: TurnFlusher,
    handlers: LinkRunnerHandlers,
  ) {
    this.#link = new Link({ ...options, now: clock.now() });
    this.#channel = channel;
    this.#clock = clock;
    this.#flusher = flusher;
    this.#handlers = handlers;
    this.#flusher.mark(this);
    this.#arm();
  }

  get state(): LinkState {
    return this.#link.state;
  }

  /** One frame came from the channel. */
  receive(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#act(this.#link.receive(frame, this.#clock.now()));
    if (!this.#ended) this.#flusher.mark(this);
  }

  /** False when the link cannot take it: its owner closes it then, because a transport delivers all or loses the link. */
  send(bytes: Uint8Array, lane: Lane): boolean {
    if (this.#ended || !this.#link.send(bytes, lane)) return false;
    this.#flusher.mark(this);
    return true;
  }

  /** The channel's buffer fell: what was held back may go on. */
  drained(): void {
    if (!this.#ended && this.#link.heldBack) this.flush();
  }

  /** Ends the link with a goodbye, at once: fit for a page that is about to go. */
  close(reason: string): void {
    if (this.#ended) return;
    for (const frame of this.#link.close(reason)) this.#channel.put(frame);
    this.#end();
  }

  /** Ends the link without a word: its channel is dead, or has lost frames. */
  abandon(): void {
    if (this.#ended) return;
    this.#link.close("abandoned");
    this.#end();
  }

  /** Puts on the channel what is due. Called by the flusher. */
  flush(): void {
    if (this.#ended) return;
    this.#put();
    this.#arm();
  }

  #put(): void {
    for (const frame of this.#link.poll(this.#clock.now(), this.#channel.bufferedBytes)) this.#channel.put(frame);
  }

  #act(events: readonly LinkEvent[]): void {
    for (const event of events) {
      // A handler may have ended this link while an earlier event was told.
      if (this.#ended) return;
      switch (event.kind) {
        case "up":
          this.#handlers.up(event.peer, event.protocol);
          break;
        case "message":
          this.#handlers.message(event.bytes);
          break;
        case "closed":
          this.#put();
          this.#end();
          this.#handlers.closed(event.reason, event.error);
          break;
        default:
          unreachable(event);
      }
    }
  }

  #end(): void {
    this.#ended = true;
    this.#disarm();
    this.#channel.close();
  }

  /** The deadline mostly moves later: an armed timer is left to fire early and looks again, instead of being set anew for every frame. */
  #arm(): void {
    const at = this.#link.wakeAt();
    if (at === undefined || at >= this.#armedFor) return;
    this.#disarm();
    this.#armedFor = at;
    this.#disarm = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      if (this.#ended) return;
      this.#act(this.#link.wake(this.#clock.now()));
      this.flush();
    });
  }
}
