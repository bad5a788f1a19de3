/**
 * A room without a server: the tabs of one browser that know the same cluster meet on a BroadcastChannel of their origin and pass each other signals there. It
 * stands in the place of the WebSocket to the server. Links are WebRTC as ever, with the same proofs of the secret; nothing is relayed.
 *
 * Who is there the browser knows: a tab that is in the room holds a Web Lock in its node's name. A newcomer takes its own, asks the browser for those
 * of others (so it misses nobody who was there before it), and says `here` (so nobody who was there misses it). Each queues for the locks of all others; who
 * gets one knows that its tab has gone, with a word or without. So no timer can be late in a hidden tab, and a frozen one is still there.
 *
 * States: entering (after a reload the old page may hold this node's lock for a moment), joined, waiting (10 s, when the room was full or the browser refused its
 * locks), suspended (on purpose, until it is restarted), closed. Limits: ROOM_MEMBERS_MAX in the room; texts and fields as at the server; of each other 20
 * signals a second after a burst of 200, of newcomers as many. What is more, or is nothing that is known here, is dropped; the first such is told.
 */

import { unreachable } from "../base/assert.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { TabringError } from "../core/errors.ts";
import { isNodeId, type NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import {
  formatMessage,
  parseRoomMessage,
  ROOM_MEMBERS_MAX,
  type RoomMessage,
  SIGNALING_PROTOCOL,
} from "../wire/signaling.ts";
import { InsecureContextError } from "./identity.ts";
import { type Signaling, SignalingError, type SignalingHandlers } from "./signaling-client.ts";

/** In the place of a server's address. */
export const SAME_BROWSER = "same-browser";

const RETRY_MS = 10_000;
const PER_SECOND = 20;
const BURST = 200;

/** What is used of a BroadcastChannel. */
export interface RoomChannel {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  postMessage(text: string): void;
  close(): void;
}

export interface SameBrowserRoomOptions {
  readonly self: NodeId;
  readonly cluster: string;
  readonly clock: Clock;
  /** The browser's own by default. */
  readonly locks?: Pick<LockManager, "request" | "query">;
  readonly makeChannel?: (name: string) => RoomChannel;
}

/** One stay in the room: what is asked for in it ends with it. */
interface Stay {
  readonly channel: RoomChannel;
  readonly ended: AbortController;
  readonly others: Map<NodeId, TokenBucket>;
  readonly newcomers: TokenBucket;
  joined: boolean;
  toldOfRubbish: boolean;
}

export class SameBrowserRoom implements Signaling {
  readonly place = "same-browser";
  /** A BroadcastChannel does not say what it holds; signals are few. */
  readonly bufferedBytes = 0;
  readonly #options: SameBrowserRoomOptions;
  readonly #locks: Pick<LockManager, "request" | "query">;
  #handlers: SignalingHandlers | undefined;
  #stay: Stay | undefined;
  #stopTimer: () => void = () => {};

  /** Throws {@link InsecureContextError} where the browser has no locks. */
  constructor(options: SameBrowserRoomOptions) {
    this.#options = options;
    // The library's types promise what an insecure origin does not have.
    const page = globalThis as { navigator?: { locks?: LockManager } };
    const locks = options.locks ?? page.navigator?.locks;
    if (locks === undefined) throw new InsecureContextError("it has no Web Locks (navigator.locks)");
    this.#locks = locks;
  }

  start(handlers: SignalingHandlers): void {
    this.#handlers = handlers;
    this.#enter();
  }

  signal(to: NodeId, session: string, payload: string): boolean {
    const stay = this.#stay;
    if (stay?.joined !== true || !stay.others.has(to)) return false;
    return this.#say(stay, { type: "signal", from: this.#options.self, to, session, payload });
  }

  /** What would have to be relayed cannot be sent here. */
  relay(): boolean {
    return false;
  }

  restart(): void {
    if (this.#handlers === undefined) return;
    this.#leave();
    this.#enter();
  }

  suspend(): void {
    this.#leave();
  }

  close(): void {
    this.#leave();
    this.#handlers = undefined;
  }

  #enter(): void {
    const { self, cluster, clock, makeChannel = (name) => new BroadcastChannel(name) } = this.#options;
    const stay: Stay = {
      channel: makeChannel(`tabring-room-${cluster}`),
      ended: new AbortController(),
      others: new Map(),
      newcomers: new TokenBucket(PER_SECOND, BURST, clock.now()),
      joined: false,
      toldOfRubbish: false,
    };
    this.#stay = stay;
    // It listens before it is seen: who enters in between is heard.
    stay.channel.onmessage = ({ data }) => this.#onMessage(stay, data);
    const { signal } = stay.ended;
    const inRoom = this.#locks.request(this.#lockOf(self), { signal }, async () => {
      const { held = [] } = await this.#locks.query();
      if (signal.aborted) return;
      this.#join(
        stay,
        held.flatMap(({ name = "" }) => this.#nodeOf(name) ?? []),
      );
      await endOf(signal);
    });
    inRoom.catch(() => {
      if (!signal.aborted) this.#tryLater();
    });
  }

  #join(stay: Stay, present: readonly NodeId[]): void {
    const { self } = this.#options;
    if (present.filter((node) => node !== self).length >= ROOM_MEMBERS_MAX) {
      const message = `${ROOM_MEMBERS_MAX} tabs of this cluster are open in this browser already, as many as may be. Close one of them.`;
      this.#handlers?.refused(new SignalingError("room-full", message, "The room of this browser"));
      this.#tryLater();
      return;
    }
    for (const node of present) this.#meet(stay, node);
    stay.joined = true;
    this.#say(stay, { type: "here", protocol: SIGNALING_PROTOCOL, node: self });
    this.#handlers?.joined([...stay.others.keys()], undefined);
  }

  /** Notes who is there, until its lock is free. */
  #meet(stay: Stay, node: NodeId): void {
    const { others, ended } = stay;
    if (node === this.#options.self || others.has(node) || others.size >= ROOM_MEMBERS_MAX) return;
    others.set(node, new TokenBucket(PER_SECOND, BURST, this.#options.clock.now()));
    if (stay.joined) this.#handlers?.present(node);
    const gone = this.#locks.request(this.#lockOf(node), { mode: "shared", signal: ended.signal }, () => {
      if (!others.delete(node) || !stay.joined || ended.signal.aborted) return;
      this.#handlers?.absent(node);
    });
    // This stay is over, or the browser refuses; then a link to it fails by itself.
    gone.catch(() => {});
  }

  #onMessage(stay: Stay, data: unknown): void {
    let message: RoomMessage;
    try {
      message = parseRoomMessage(typeof data === "string" ? data : "");
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      if (!stay.toldOfRubbish) this.#handlers?.refused(error);
      stay.toldOfRubbish = true;
      return;
    }
    const now = this.#options.clock.now();
    switch (message.type) {
      case "here":
        if (stay.newcomers.tryTake(1, now)) this.#meet(stay, message.node);
        return;
      case "signal": {
        const { from, to, session, payload } = message;
        if (to !== this.#options.self || !stay.joined) return;
        // Its `here` was one too many, or had no room.
        if (!stay.others.has(from) && stay.newcomers.tryTake(1, now)) this.#meet(stay, from);
        if (stay.others.get(from)?.tryTake(1, now) === true) this.#handlers?.signal(from, session, payload);
        return;
      }
      default:
        unreachable(message);
    }
  }

  #say({ channel }: Stay, message: RoomMessage): boolean {
    channel.postMessage(formatMessage(message));
    return true;
  }

  #tryLater(): void {
    this.#leave();
    this.#stopTimer = this.#options.clock.after(RETRY_MS, () => this.#enter());
  }

  #leave(): void {
    this.#stopTimer();
    const stay = this.#stay;
    this.#stay = undefined;
    if (stay === undefined) return;
    stay.ended.abort();
    stay.channel.onmessage = null;
    stay.channel.close();
    if (stay.joined) this.#handlers?.down();
  }

  #lockOf(node: string): string {
    return `tabring-room/${this.#options.cluster}/${node}`;
  }

  #nodeOf(lock: string): NodeId | undefined {
    const start = this.#lockOf("");
    const node = lock.startsWith(start) ? lock.slice(start.length) : "";
    return isNodeId(node) ? node : undefined;
  }
}

function endOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
