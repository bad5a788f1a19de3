/**
 * One WebSocket to the signaling server: joins a cluster's room, says who is there, passes signals and relay envelopes.
 *
 * States:
 *   - connecting: 5 s for the socket and the answer to `join` together;
 *   - joined;
 *   - waiting for the next try: 250 ms, doubling to 10 s, each with up to a quarter more by chance;
 *   - suspended: without a socket on purpose, until it is restarted (a demonstration of a server that is down);
 *   - closed.
 * Several addresses are tried in turn. A server that refuses by name is told to the host and left alone for the longest wait. Nothing is
 * queued while not joined: the caller is told, and tries another way.
 */

import { unreachable } from "../base/assert.ts";
import { TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import { LOW_WATER_BYTES } from "../wire/link.ts";
import {
  decodeRelay,
  encodeRelay,
  formatMessage,
  parseServerMessage,
  type ClientMessage,
  SIGNALING_PROTOCOL,
} from "../wire/signaling.ts";

/** The server, or the room of this browser, refused by name. Nothing of this node's data was involved. */
export class SignalingError extends TabringError {
  override readonly name: string = "SignalingError";
  constructor(code: string, message: string, who = "The signaling server") {
    super(code, `${who} refused: ${message} Links that are up stay up.`);
  }
}

export interface SignalingHandlers {
  /** The room as it is now: replaces all that was known of it. May come again. */
  joined(members: readonly NodeId[], seed: NodeId | undefined): void;
  present(node: NodeId): void;
  absent(node: NodeId): void;
  signal(from: NodeId, session: string, payload: string): void;
  /** The target of a signal, or of a relay envelope, is not in the room. */
  undeliverable(to: NodeId, session: string): void;
  relay(from: NodeId, payload: Uint8Array): void;
  /** The socket's buffer fell to LOW_WATER_BYTES. */
  drained(): void;
  refused(error: TabringError): void;
  /** No longer joined. */
  down(): void;
}

/** What the transport needs of signaling. None of its methods throws. */
export interface Signaling {
  readonly place: "server" | "same-browser";
  start(handlers: SignalingHandlers): void;
  /** False: nothing was sent, because this node is not joined, or because the target is known not to be there. */
  signal(to: NodeId, session: string, payload: string): boolean;
  relay(to: NodeId, payload: Uint8Array): boolean;
  readonly bufferedBytes: number;
  /** Leaves whatever connection there is and makes a new one at once. */
  restart(): void;
  /** Leaves whatever connection there is and makes none, until `restart`. */
  suspend(): void;
  /** Says goodbye; idempotent. */
  close(): void;
}

/** What is used of a WebSocket: the browser's own, or that of `ws`. */
export interface SocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}
export type SocketConstructor = new (address: string) => SocketLike;

export interface SignalingClientOptions {
  readonly self: NodeId;
  readonly cluster: string;
  /** WebSocket addresses, tried in turn. */
  readonly seeds: readonly string[];
  readonly random: (count: number) => Uint8Array;
  readonly clock: Clock;
  /** The browser's own by default. */
  readonly socket?: SocketConstructor;
}

const JOIN_WITHIN_MS = 5_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
/** A WebSocket does not say when its buffer falls, so it is looked at this often while something waits for it. */
const BUFFER_LOOK_MS = 20;
/** Beyond it nothing more is put on the socket: links hold back long before. */
const BUFFERED_BYTES_MAX = 16 * 1_048_576;

export class SignalingClient implements Signaling {
  readonly place = "server";
  readonly #options: SignalingClientOptions;
  #handlers: SignalingHandlers | undefined;
  #socket: SocketLike | undefined;
  #joined = false;
  #tries = 0;
  #retryMs = RETRY_MS_MIN;
  #stopTimer: () => void = () => {};
  #looking = false;

  constructor(options: SignalingClientOptions) {
    this.#options = options;
  }

  get bufferedBytes(): number {
    const bytes = this.#socket?.bufferedAmount ?? 0;
    if (bytes > LOW_WATER_BYTES) this.#look();
    return bytes;
  }

  start(handlers: SignalingHandlers): void {
    this.#handlers = handlers;
    this.#connect();
  }

  signal(to: NodeId, session: string, payload: string): boolean {
    return this.#say({ type: "signal", to, session, payload });
  }

  relay(to: NodeId, payload: Uint8Array): boolean {
    return this.#joined && this.#put(encodeRelay(to, payload));
  }

  restart(): void {
    if (this.#handlers === undefined) return;
    this.#leave();
    this.#retryMs = RETRY_MS_MIN;
    this.#connect();
  }

  suspend(): void {
    if (this.#handlers !== undefined) this.#leave();
  }

  close(): void {
    if (this.#handlers === undefined) return;
    this.#say({ type: "leave" });
    this.#leave();
    this.#handlers = undefined;
  }

  #connect(): void {
    const { seeds, socket: Socket = WebSocket } = this.#options;
    const address = seeds[this.#tries++ % seeds.length];
    if (address === undefined) return;
    let socket: SocketLike;
    try {
      socket = new Socket(address);
    } catch {
      this.#handlers?.refused(new SignalingError("bad-address", `${address} is no WebSocket address.`));
      this.#retryMs = RETRY_MS_MAX;
      this.#retry();
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const isCurrent = (): boolean => this.#socket === socket;
    socket.addEventListener("open", () => {
      const { self, cluster } = this.#options;
      if (isCurrent()) this.#put(formatMessage({ type: "join", protocol: SIGNALING_PROTOCOL, cluster, node: self }));
    });
    socket.addEventListener("message", ({ data }) => {
      if (isCurrent()) this.#onMessage(data);
    });
    socket.addEventListener("close", () => {
      if (isCurrent()) this.#lost();
    });
    // A failed socket closes, too; but nobody else must hear of the error.
    socket.addEventListener("error", () => {});
    this.#arm(JOIN_WITHIN_MS, () => this.#lost());
  }

  #onMessage(data: unknown): void {
    try {
      if (typeof data === "string") this.#onText(data);
      else if (data instanceof ArrayBuffer) {
        const { node, bytes } = decodeRelay(new Uint8Array(data));
        this.#handlers?.relay(node, bytes);
      }
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      this.#retryMs = RETRY_MS_MAX;
      this.#handlers?.refused(error);
      this.#lost();
    }
  }

  #onText(text: string): void {
    const message = parseServerMessage(text);
    switch (message.type) {
      case "joined":
        this.#stopTimer();
        this.#joined = true;
        this.#retryMs = RETRY_MS_MIN;
        this.#handlers?.joined(message.members, message.seed ?? undefined);
        return;
      case "present":
        this.#handlers?.present(message.node);
        return;
      case "absent":
        this.#handlers?.absent(message.node);
        return;
      case "signal":
        this.#handlers?.signal(message.from, message.session, message.payload);
        return;
      case "undeliverable":
        this.#handlers?.undeliverable(message.to, message.session);
        return;
      case "error":
        // Whoever was refused, or replaced by a newer connection of the same node, does not come back at once.
        this.#retryMs = RETRY_MS_MAX;
        this.#handlers?.refused(new SignalingError(message.code, message.message));
        return;
      default:
        unreachable(message);
    }
  }

  #say(message: ClientMessage): boolean {
    return this.#joined && this.#put(formatMessage(message));
  }

  #put(data: string | Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.bufferedAmount > BUFFERED_BYTES_MAX) return false;
    try {
      // A view of a shared buffer would be refused; ours never are.
      socket.send(data as string | Uint8Array<ArrayBuffer>);
      return true;
    } catch {
      return false;
    }
  }

  /** The connection is gone, or useless: another is made after a while. */
  #lost(): void {
    this.#leave();
    this.#retry();
  }

  #leave(): void {
    this.#stopTimer();
    const socket = this.#socket;
    const wasJoined = this.#joined;
    this.#socket = undefined;
    this.#joined = false;
    try {
      socket?.close();
    } catch {
      // It was closing already.
    }
    if (wasJoined) this.#handlers?.down();
  }

  #retry(): void {
    if (this.#handlers === undefined) return;
    const [chance = 0] = this.#options.random(1);
    this.#arm(this.#retryMs * (1 + chance / 1_024), () => this.#connect());
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }

  #arm(delayMs: number, callback: () => void): void {
    this.#stopTimer();
    this.#stopTimer = this.#options.clock.after(delayMs, callback);
  }

  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#options.clock.after(BUFFER_LOOK_MS, () => {
      this.#looking = false;
      if (this.#socket === undefined || this.#handlers === undefined) return;
      if (this.#socket.bufferedAmount > LOW_WATER_BYTES) this.#look();
      else this.#handlers.drained();
    });
  }
}
