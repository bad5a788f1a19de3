/**
 * One end of a link, between a channel that moves frames in order (a data channel, a WebSocket, a relay) and the messages of a node.
 * No clock, no randomness, no waiting: the host passes bytes and the time in, and takes bytes and events out.
 *
 * States, in order: `greeting` (our hello waits for theirs), `proving` (both hellos are known, our proof waits for theirs), `up`, `closed`.
 *
 * The host's loop:
 * - channel open: make the link, `poll`, put the frames on the channel, arm a timer for `wakeAt()`;
 * - frame arrives: `receive`, act on the events, `poll`, arm the timer again;
 * - end of a turn in which `send` was called, or the channel's buffer fell to {@link LOW_WATER_BYTES}: `poll`;
 * - timer: `wake`, act on the events, `poll`, arm again;
 * - a `closed` event: `poll` once more (the frame that tells the other side why), then close the channel;
 * - the channel died: `close` and throw its frames away. `close` gives no event: the host knows.
 *
 * Limits: 5 s for the handshake; 3.5 s without any frame and the link is closed as silent (both sides ping when they heard nothing for 1 s,
 * and answer pings: an open channel proves nothing); 10 s for an unfinished message to get on; queues, windows and sizes as in `frame.ts`.
 * A host that comes 3 s late itself was frozen: it does not accuse the other side, but pings and waits anew.
 */

import { unreachable } from "../base/assert.ts";
import type { Lane } from "../core/effect.ts";
import { TabringError } from "../core/errors.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { PROTOCOL, type ProtocolRange } from "../core/versions.ts";
import {
  controlFrame,
  FRAME_BYTES_MIN,
  FRAME_KIND,
  FrameReader,
  goodbyeFrame,
  LaneReceiver,
  LaneSender,
  malformedFrame,
  type Notes,
  oversized,
  readGoodbye,
  readNotes,
} from "./frame.ts";
import { Handshake, refuseFrame } from "./handshake.ts";
import { FrameOpener, FrameSealer, SEAL_BYTES } from "./seal.ts";

/** Bytes in the channel's buffer from which on no frame is given to it (16 MiB unsent would kill a data channel). */
export const HIGH_WATER_BYTES = 1_048_576;
/** Bytes in the channel's buffer from which on no background frame is given to it, so that a request never waits behind more than that. */
export const BACKGROUND_WATER_BYTES = 65_536;
/** What a host sets as the channel's `bufferedAmountLowThreshold`; it then calls {@link Link.poll} again. */
export const LOW_WATER_BYTES = 32_768;

/** The handshake must be done by then. */
export const HANDSHAKE_MS_MAX = 5_000;
/** Nothing heard for so long: ask. */
export const PING_AFTER_MS = 1_000;
/** Nothing heard for so long: the link is closed. */
export const SILENT_AFTER_MS = 3_500;
/** The host came so much later than it was asked to: this side was frozen, not the other. */
export const FROZEN_AFTER_MS = 3_000;
/** An unfinished message must get on within this time. */
export const UNFINISHED_MS_MAX = 10_000;

export interface LinkOptions {
  readonly self: NodeId;
  /** Undefined where the other side is not known yet (an accepting seed). Where it is known, a handshake from another id is refused. */
  readonly peer: NodeId | undefined;
  /** 1 to 256 bytes of UTF-8. */
  readonly cluster: string;
  /** 32 bytes, from the invite link. */
  readonly secret: Uint8Array;
  /** Who asked for the channel. The two ends must differ in it. */
  readonly role: "initiator" | "responder";
  /** 32 random bytes, fresh for every link. */
  readonly nonce: Uint8Array;
  /**
   * SHA-256 fingerprints (32 bytes each) of this side's and the other side's DTLS certificate, as the connection itself knows them.
   * Undefined for a channel without DTLS (WebSocket, relay): then every frame after the handshake is sealed.
   */
  readonly binding: { readonly local: Uint8Array; readonly remote: Uint8Array } | undefined;
  /** Largest frame that this side takes, 16,384 to 65,536 bytes; the smaller of both sides' numbers holds. */
  readonly frameBytesMax: number;
  readonly now: Millis;
  /** What this build speaks; only tests give another. */
  readonly protocol?: ProtocolRange;
}

export type LinkEvent =
  | /** Both sides proved that they know the secret; `send` works from now on. Once. */ {
      readonly kind: "up";
      readonly peer: NodeId;
      /** What the other side reads. */
      readonly protocol: ProtocolRange;
    }
  | /** One whole message, in order within its lane; the bytes are the receiver's own. */ {
      readonly kind: "message";
      readonly bytes: Uint8Array;
    }
  | /** Once, and last. `error` is there where somebody should see it (a refusal, a malformed frame); `reason` is a few words, always. */ {
      readonly kind: "closed";
      readonly error: TabringError | undefined;
      readonly reason: string;
    };

export type LinkState = "greeting" | "proving" | "up" | "closed";

export class Link {
  readonly #expectedPeer: NodeId | undefined;
  readonly #handshake: Handshake;
  readonly #handshakeUntil: Millis;
  #state: LinkState = "greeting";
  #peer: NodeId | undefined;
  #frameBytesMax: number;
  #sealer: FrameSealer | undefined;
  #opener: FrameOpener | undefined;

  /** Frames of the handshake and last words: they go first, and were sealed already where that is due. */
  #ready: Uint8Array[];
  readonly #senders = { foreground: new LaneSender("foreground"), background: new LaneSender("background") };
  readonly #receivers = { foreground: new LaneReceiver("foreground"), background: new LaneReceiver("background") };
  #pingDue = false;
  #pongDue = false;
  #heldBack = false;

  /** The last time that the host passed in: time does not go back here. */
  #now: Millis;
  #heardAt: Millis;
  #pingedAt: Millis;
  /** This side was frozen and nothing was heard since. */
  #excused = false;

  constructor(options: LinkOptions) {
    this.#expectedPeer = options.peer;
    this.#frameBytesMax = options.frameBytesMax;
    this.#handshake = new Handshake({ ...options, protocol: options.protocol ?? PROTOCOL });
    this.#ready = [this.#handshake.hello];
    this.#now = options.now;
    this.#heardAt = options.now;
    this.#pingedAt = options.now;
    this.#handshakeUntil = options.now + HANDSHAKE_MS_MAX;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The other side: as it proved itself; before that, as it was given. */
  get peer(): NodeId | undefined {
    return this.#peer ?? this.#expectedPeer;
  }

  /** True when the last `poll` kept frames back because of the channel's buffer: poll again when it drains. */
  get heldBack(): boolean {
    return this.#heldBack;
  }

  /** One frame came from the channel. Never throws, whatever the bytes are; after a `closed` event it gives nothing. */
  receive(frame: Uint8Array, now: Millis): LinkEvent[] {
    if (this.#state === "closed") return [];
    this.#advance(now);
    // A plain view: where the channel gives Node's Buffer, `slice` would not copy.
    const plain = new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
    try {
      return this.#state === "up" ? this.#onFrame(plain) : this.#onHandshakeFrame(plain);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      return this.#closed(error, error.code, error);
    }
  }

  /**
   * Queues one message; the caller leaves the bytes alone afterwards. False, and nothing is queued: the link is not up, the message is over
   * MESSAGE_BYTES_MAX, or the lane's queue is full (32 MiB foreground, 8 MiB background): the other side has not been reading, and the
   * host drops the link, because a transport delivers all or loses the link.
   */
  send(bytes: Uint8Array, lane: Lane): boolean {
    return this.#state === "up" && this.#senders[lane].enqueue(bytes);
  }

  /** Frames to put on the channel now, in order. `bufferedBytes` is the channel's `bufferedAmount`. */
  poll(now: Millis, bufferedBytes: number): Uint8Array[] {
    this.#advance(now);
    const frames = this.#ready;
    this.#ready = [];
    this.#heldBack = false;
    if (this.#state !== "up") return frames;

    let buffered = frames.reduce((sum, frame) => sum + frame.length, bufferedBytes);
    const put = (frame: Uint8Array): void => {
      frames.push(this.#seal(frame));
      buffered += frame.length;
    };
    for (const lane of ["foreground", "background"] as const) {
      const sender = this.#senders[lane];
      while (sender.ready) {
        if (buffered >= (lane === "foreground" ? HIGH_WATER_BYTES : BACKGROUND_WATER_BYTES)) {
          this.#heldBack = true;
          break;
        }
        put(sender.frame(this.#takeNotes(), this.#plainBytesMax(lane)));
      }
    }
    if (this.#notesDue()) {
      if (buffered >= HIGH_WATER_BYTES) this.#heldBack = true;
      else put(controlFrame(this.#takeNotes()));
    }
    return frames;
  }

  /** When `wake` is due; undefined once closed. It moves with every call, later as well as earlier. */
  wakeAt(): Millis | undefined {
    if (this.#state === "closed") return undefined;
    if (this.#state !== "up") return this.#handshakeUntil;
    let at = Math.min(this.#pingAt(), this.#heardAt + SILENT_AFTER_MS);
    for (const receiver of [this.#receivers.foreground, this.#receivers.background])
      if (receiver.waitsSince !== undefined) at = Math.min(at, receiver.waitsSince + UNFINISHED_MS_MAX);
    return at;
  }

  /** Time passed: pings, and closes what is silent. Harmless before it is due. */
  wake(now: Millis): LinkEvent[] {
    this.#advance(now);
    if (this.#state === "closed") return [];
    if (this.#state !== "up")
      return this.#now >= this.#handshakeUntil ? this.#closed(undefined, "handshake timed out", undefined) : [];
    if (this.#now >= this.#heardAt + SILENT_AFTER_MS) return this.#closed(undefined, "silent", undefined);
    for (const receiver of [this.#receivers.foreground, this.#receivers.background])
      if (receiver.waitsSince !== undefined && this.#now >= receiver.waitsSince + UNFINISHED_MS_MAX) {
        const error = malformedFrame("a message was begun and not finished in time");
        return this.#closed(error, error.code, error);
      }
    if (this.#now >= this.#pingAt()) this.#ping();
    return [];
  }

  /** Ends the link from this side, without an event; drops what was queued. Gives last words to put on the channel before it is closed. */
  close(reason: string): Uint8Array[] {
    if (this.#state === "closed") return [];
    this.#closed(undefined, reason, undefined);
    return this.poll(this.#now, 0);
  }

  #onHandshakeFrame(frame: Uint8Array): LinkEvent[] {
    const step = this.#handshake.receive(frame);
    switch (step.kind) {
      case "proving":
        this.#state = "proving";
        this.#ready.push(step.proof);
        return [];
      case "done":
        this.#state = "up";
        this.#peer = step.peer;
        this.#frameBytesMax = step.frameBytesMax;
        this.#heardAt = this.#now;
        this.#pingedAt = this.#now;
        if (step.keys !== undefined) {
          this.#sealer = new FrameSealer(step.keys.send);
          this.#opener = new FrameOpener(step.keys.receive);
        }
        return [{ kind: "up", peer: step.peer, protocol: step.protocol }];
      case "refused":
        return this.#closed(step.error, `refused: ${step.error.code}`, undefined);
      default:
        return unreachable(step);
    }
  }

  #onFrame(received: Uint8Array): LinkEvent[] {
    if (received.length > this.#frameBytesMax) throw oversized(`a frame of ${received.length} bytes`);
    const frame = this.#opener === undefined ? received : this.#opener.open(received);
    if (frame === undefined) throw malformedFrame("it does not open with the key of this link");
    this.#heardAt = this.#now;
    this.#excused = false;
    const reader = new FrameReader(frame);
    const kind = reader.byte();
    switch (kind) {
      case FRAME_KIND.foreground:
        this.#onNotes(readNotes(reader));
        // Foreground goes first, so that a background message may have to wait for it.
        this.#receivers.background.excuse(this.#now);
        return this.#messages("foreground", reader, frame.length);
      case FRAME_KIND.background:
        if (received.length > FRAME_BYTES_MIN) throw oversized(`a background frame of ${received.length} bytes`);
        this.#onNotes(readNotes(reader));
        return this.#messages("background", reader, frame.length);
      case FRAME_KIND.control:
        this.#onNotes(readNotes(reader));
        reader.end();
        return [];
      case FRAME_KIND.goodbye:
        return this.#closed(undefined, `goodbye: ${readGoodbye(reader)}`, undefined);
      default:
        throw malformedFrame(`kind ${kind} has no place on a link that is up`);
    }
  }

  #messages(lane: Lane, reader: FrameReader, frameBytes: number): LinkEvent[] {
    return this.#receivers[lane].take(reader, frameBytes, this.#now).map((bytes) => ({ kind: "message", bytes }));
  }

  #onNotes(notes: Notes): void {
    if (notes.ping) this.#pongDue = true;
    if (notes.foreground !== undefined) this.#senders.foreground.grant(notes.foreground);
    if (notes.background !== undefined) this.#senders.background.grant(notes.background);
  }

  #notesDue(): boolean {
    const { foreground, background } = this.#receivers;
    return this.#pingDue || this.#pongDue || foreground.grantDue !== undefined || background.grantDue !== undefined;
  }

  /** What is due to be said beside the data, once. */
  #takeNotes(): Notes {
    const notes: Notes = {
      ping: this.#pingDue,
      pong: this.#pongDue,
      foreground: this.#receivers.foreground.grantDue,
      background: this.#receivers.background.grantDue,
    };
    this.#pingDue = false;
    this.#pongDue = false;
    if (notes.foreground !== undefined) this.#receivers.foreground.granted(notes.foreground);
    if (notes.background !== undefined) this.#receivers.background.granted(notes.background);
    return notes;
  }

  #plainBytesMax(lane: Lane): number {
    const channelBytesMax = lane === "foreground" ? this.#frameBytesMax : FRAME_BYTES_MIN;
    return this.#sealer === undefined ? channelBytesMax : channelBytesMax - SEAL_BYTES;
  }

  #seal(frame: Uint8Array): Uint8Array {
    return this.#sealer === undefined ? frame : this.#sealer.seal(frame);
  }

  #pingAt(): Millis {
    return Math.max(this.#heardAt, this.#pingedAt) + PING_AFTER_MS;
  }

  #ping(): void {
    this.#pingDue = true;
    this.#pingedAt = this.#now;
  }

  /**
   * Takes the time in, and notices when this side was frozen: then what it did not hear is nobody's fault. Once, until something is heard:
   * a hidden tab whose timers come once a minute is late every time, and must still find out that the other side is gone.
   */
  #advance(now: Millis): void {
    const due = this.wakeAt();
    this.#now = Math.max(this.#now, now);
    if (this.#state !== "up" || due === undefined || this.#now <= due + FROZEN_AFTER_MS || this.#excused) return;
    this.#excused = true;
    this.#heardAt = this.#now;
    this.#receivers.foreground.excuse(this.#now);
    this.#receivers.background.excuse(this.#now);
    this.#ping();
  }

  /** The end. `told` is what the other side is refused with, where this side was the one to refuse. */
  #closed(error: TabringError | undefined, reason: string, told: TabringError | undefined): LinkEvent[] {
    if (this.#state === "up") this.#ready.push(this.#seal(goodbyeFrame(reason)));
    else if (told !== undefined) this.#ready.push(refuseFrame(told));
    this.#state = "closed";
    this.#heldBack = false;
    for (const lane of ["foreground", "background"] as const) {
      this.#senders[lane].clear();
      this.#receivers[lane].clear();
    }
    return [{ kind: "closed", error, reason }];
  }
}
