/**
 * The signaling server for tests of the transport, in one process: one room, no sockets. It can be taken down, and can lose sight of a node.
 * What is said arrives in a later turn, in order.
 */

import type { NodeId } from "../core/identifiers.ts";
import type { Signaling, SignalingHandlers } from "./signaling-client.ts";

export class InMemoryRoom {
  readonly #post: (callback: () => void) => void;
  readonly #clients = new Map<NodeId, RoomClient>();
  #isDown = false;
  /** Envelopes pass; if not, they are dropped. */
  relays = true;

  /** `post` runs a callback in a later turn, first posted first. */
  constructor(post: (callback: () => void) => void) {
    // Browsers' own functions refuse to be called as a method.
    this.#post = (callback) => post(callback);
  }

  client(node: NodeId): Signaling {
    return new RoomClient(this, node);
  }

  takeDown(): void {
    this.#isDown = true;
    for (const client of this.#clients.values()) this.#post(() => client.handlers?.down());
    this.#clients.clear();
  }

  bringBack(clients: readonly Signaling[]): void {
    this.#isDown = false;
    for (const client of clients) client.restart();
  }

  join(client: RoomClient): void {
    if (this.#isDown) return;
    const members = [...this.#clients.keys()].filter((node) => node !== client.node);
    this.#clients.set(client.node, client);
    this.#post(() => client.handlers?.joined(members, undefined));
    for (const node of members) this.#tell(node, (handlers) => handlers.present(client.node));
  }

  leave(client: RoomClient): void {
    if (this.#clients.get(client.node) !== client) return;
    this.#clients.delete(client.node);
    for (const node of this.#clients.keys()) this.#tell(node, (handlers) => handlers.absent(client.node));
  }

  isJoined(client: RoomClient): boolean {
    return this.#clients.get(client.node) === client;
  }

  signal(from: NodeId, to: NodeId, session: string, payload: string): void {
    if (this.#clients.has(to)) this.#tell(to, (handlers) => handlers.signal(from, session, payload));
    else this.#tell(from, (handlers) => handlers.undeliverable(to, session));
  }

  relay(from: NodeId, to: NodeId, payload: Uint8Array): void {
    const copy = payload.slice();
    if (!this.#clients.has(to)) this.#tell(from, (handlers) => handlers.undeliverable(to, "relay"));
    else if (this.relays) this.#tell(to, (handlers) => handlers.relay(from, copy));
  }

  #tell(node: NodeId, say: (handlers: SignalingHandlers) => void): void {
    const client = this.#clients.get(node);
    this.#post(() => {
      if (client?.handlers !== undefined && this.#clients.get(node) === client) say(client.handlers);
    });
  }
}

class RoomClient implements Signaling {
  readonly place = "server";
  readonly node: NodeId;
  readonly #room: InMemoryRoom;
  handlers: SignalingHandlers | undefined;
  readonly bufferedBytes = 0;

  constructor(room: InMemoryRoom, node: NodeId) {
    this.#room = room;
    this.node = node;
  }

  start(handlers: SignalingHandlers): void {
    this.handlers = handlers;
    this.#room.join(this);
  }

  signal(to: NodeId, session: string, payload: string): boolean {
    if (!this.#room.isJoined(this)) return false;
    this.#room.signal(this.node, to, session, payload);
    return true;
  }

  relay(to: NodeId, payload: Uint8Array): boolean {
    if (!this.#room.isJoined(this)) return false;
    this.#room.relay(this.node, to, payload);
    return true;
  }

  restart(): void {
    this.suspend();
    this.#room.join(this);
  }

  suspend(): void {
    if (this.#room.isJoined(this)) this.handlers?.down();
    this.#room.leave(this);
  }

  close(): void {
    this.#room.leave(this);
    this.handlers = undefined;
  }
}
