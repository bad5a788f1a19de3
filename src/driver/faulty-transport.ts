/**
 * A transport in front of a transport with the faults of a network, for demonstrations and tests.
 *   - lost: everything to the muted peers, and so many in a thousand of all messages;
 *   - caught: the next message of a kind to a peer is dropped, delayed or doubled, once;
 *   - late: what is sent and what is received waits for the added latency, in order.
 * Links stay up, are made and answer each other's heartbeats as without it; whole messages are missing, as from a sender that never
 * sent them, or late. What waits for a link that is lost is lost with it. Cuts, which end links, are the transport's own.
 *
 * Limits: CAUGHT_MAX messages to be caught; those of the delay line; a link that has more on its way is given up.
 */

import type { Lane } from "../core/effect.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { decodeMessage } from "../wire/codec.ts";
import { DelayLine } from "./delay-line.ts";
import type { Clock, Transport, TransportHandlers } from "./ports.ts";

export const CAUGHT_MAX = 64;

/** What is to become of the next message of a kind to a peer. */
export interface MessageFault {
  readonly to: NodeId;
  readonly kind: Message["kind"];
  readonly how: "drop" | "delay" | "duplicate";
  /** Of a delay; those that are sent after it may come before it. */
  readonly byMs: Millis;
}

export class FaultyTransport implements Transport {
  readonly #transport: Transport;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #onCaught: (fault: MessageFault, message: Message) => void;
  /** By peer and lane; what was received is in a lane of its own, and so is each message that was delayed alone. */
  readonly #late: DelayLine<string>;
  /** What is sent to these is lost. */
  muted: readonly NodeId[] = [];
  /** 0 to 1,000. */
  perMilleLost = 0;
  /** Each way; what waits already is not hurried. */
  latencyMs: Millis = 0;
  /** Up to CAUGHT_MAX; the first that fits a message takes it, and is over. */
  toCatch: readonly MessageFault[] = [];
  #delayed = 0;

  constructor(
    transport: Transport,
    random: (bytes: number) => Uint8Array,
    clock: Clock,
    onCaught: (fault: MessageFault, message: Message) => void,
  ) {
    this.#transport = transport;
    this.#random = random;
    this.#onCaught = onCaught;
    this.#late = new DelayLine(clock);
  }

  open(handlers: TransportHandlers): Promise<void> {
    return this.#transport.open({
      connected: (peer, link) => handlers.connected(peer, link),
      lost: (peer, reason) => {
        this.#drop(peer);
        handlers.lost(peer, reason);
      },
      received: (peer, bytes) => this.#putOff(peer, "received", bytes, () => handlers.received(peer, bytes)),
      refused: (error, peer) => handlers.refused(error, peer),
    });
  }

  connect(peer: NodeId): void {
    this.#transport.connect(peer);
  }

  disconnect(peer: NodeId): void {
    this.#drop(peer);
    this.#transport.disconnect(peer);
  }

  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    if (this.muted.includes(peer)) return;
    const goOn = (): void => this.#transport.send(peer, bytes, lane);
    const fault = this.#caught(peer, bytes);
    if (fault?.how === "drop" || this.#loses()) return;
    if (fault?.how === "delay") this.#putOff(peer, `apart ${++this.#delayed}`, bytes, goOn, fault.byMs);
    else this.#putOff(peer, lane, bytes, goOn);
    if (fault?.how === "duplicate") this.#putOff(peer, lane, bytes, goOn);
  }

  close(): Promise<void> {
    this.#late.dropThose(() => true);
    return this.#transport.close();
  }

  #putOff(peer: NodeId, line: string, bytes: Uint8Array, goOn: () => void, moreMs: Millis = 0): void {
    if (!this.#late.put(`${peer} ${line}`, this.latencyMs + moreMs, bytes.length, goOn)) this.disconnect(peer);
  }

  #drop(peer: NodeId): void {
    this.#late.dropThose((line) => line.startsWith(peer));
  }

  /** The fault that this message meets. It is looked into only when there may be one. */
  #caught(peer: NodeId, bytes: Uint8Array): MessageFault | undefined {
    if (this.toCatch.every(({ to }) => to !== peer)) return undefined;
    const { message } = decodeMessage(bytes);
    const fault = this.toCatch.find(({ to, kind }) => to === peer && kind === message.kind);
    if (fault === undefined) return undefined;
    this.toCatch = this.toCatch.filter((each) => each !== fault);
    this.#onCaught(fault, message);
    return fault;
  }

  #loses(): boolean {
    if (this.perMilleLost <= 0) return false;
    const [high = 0, low = 0] = this.#random(2);
    return high * 256 + low < (this.perMilleLost * 65_536) / 1_000;
  }
}
