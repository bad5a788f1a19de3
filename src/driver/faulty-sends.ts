/**
 * A transport in front of a transport that loses some of what is sent, for demonstrations and tests: everything to the muted peers, and so many in a thousand
 * of all messages. Links stay up and what arrives is in order: whole messages are missing, as from a sender that never sent them. Cuts, which end links, are the
 * transport's own.
 */

import type { Lane } from "../core/effect.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Transport, TransportHandlers } from "./ports.ts";

export class FaultySends implements Transport {
  readonly #transport: Transport;
  readonly #random: (bytes: number) => Uint8Array;
  /** What is sent to these is lost. */
  muted: readonly NodeId[] = [];
  /** 0 to 1,000. */
  perMilleLost = 0;

  constructor(transport: Transport, random: (bytes: number) => Uint8Array) {
    this.#transport = transport;
    this.#random = random;
  }

  open(handlers: TransportHandlers): Promise<void> {
    return this.#transport.open(handlers);
  }

  connect(peer: NodeId): void {
    this.#transport.connect(peer);
  }

  disconnect(peer: NodeId): void {
    this.#transport.disconnect(peer);
  }

  send(peer: NodeId, bytes: Uint8Array, lane: Lane): void {
    if (this.muted.includes(peer) || this.#loses()) return;
    this.#transport.send(peer, bytes, lane);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #loses(): boolean {
    if (this.perMilleLost <= 0) return false;
    const [high = 0, low = 0] = this.#random(2);
    return high * 256 + low < (this.perMilleLost * 65_536) / 1_000;
  }
}
