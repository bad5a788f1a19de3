/**
 * A transport in front of a transport with the faults of a network, for demonstrations and tests. Lost: everything to the muted peers, and so many in a thousand
 * of all messages. Late: what is sent and what is received waits for the added latency, in order. Links stay up, are made and answer each other's heartbeats as
 * without it; whole messages are missing, as from a sender that never sent them, or late. What waits for a link that is lost is lost with it. Cuts, which end
 * links, are the transport's own.
 *
 * Limits: those of the delay line; a link that has more on its way is given up.
 */

import type { Lane } from "../core/effect.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { DelayLine } from "./delay-line.ts";
import type { Clock, Transport, TransportHandlers } from "./ports.ts";

const LANES: readonly Lane[] = ["foreground", "background"];

export class FaultyTransport implements Transport {
  readonly #transport: Transport;
  readonly #random: (bytes: number) => Uint8Array;
  /** By peer and lane; what was received is in a lane of its own. */
  readonly #late: DelayLine<string>;
  /** What is sent to these is lost. */
  muted: readonly NodeId[] = [];
  /** 0 to 1,000. */
  perMilleLost = 0;
  /** Each way; what waits already is not hurried. */
  latencyMs: Millis = 0;

  constructor(transport: Transport, random: (bytes: number) => Uint8Array, clock: Clock) {
    this.#transport = transport;
    this.#random = random;
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
    if (this.muted.includes(peer) || this.#loses()) return;
    this.#putOff(peer, lane, bytes, () => this.#transport.send(peer, bytes, lane));
  }

  close(): Promise<void> {
    this.#late.dropAll();
    return this.#transport.close();
  }

  #putOff(peer: NodeId, line: Lane | "received", bytes: Uint8Array, goOn: () => void): void {
    if (!this.#late.put(`${peer} ${line}`, this.latencyMs, bytes.length, goOn)) this.disconnect(peer);
  }

  #drop(peer: NodeId): void {
    for (const line of [...LANES, "received"]) this.#late.drop(`${peer} ${line}`);
  }

  #loses(): boolean {
    if (this.perMilleLost <= 0) return false;
    const [high = 0, low = 0] = this.#random(2);
    return high * 256 + low < (this.perMilleLost * 65_536) / 1_000;
  }
}
