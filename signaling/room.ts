/**
 * Rooms: who is present in which cluster, and to whom a message goes. Pure: an event in, what to send out; the server does the sending.
 *
 * A socket is in no room, then (after `join`) in one, then gone. A second socket that joins as the same node replaces the first: a tab that
 * reloads races its own old socket, and the newer one is right. A cluster may have a seed: the server's own node, which is in the room without
 * a socket. Limits: 64 members a room, 1,000 rooms; a room goes with its last member, unless a seed is in it.
 */

import type { NodeId } from "../src/core/identifiers.ts";
import type { ServerMessage, SignalingErrorCode } from "../src/wire/signaling.ts";
import { ROOM_MEMBERS_MAX } from "../src/wire/signaling.ts";

/** The server's own number for a socket. */
export type SocketId = number;

export type RoomSend =
  | { readonly kind: "message"; readonly socket: SocketId; readonly message: ServerMessage }
  | /** A relay envelope; its source is stamped here. */ {
      readonly kind: "relay";
      readonly socket: SocketId;
      readonly from: NodeId;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "relay-to-seed";
      readonly cluster: string;
      readonly from: NodeId;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "seed-present" | "seed-absent"; readonly cluster: string; readonly node: NodeId }
  | /** After everything before it was sent. */ { readonly kind: "close"; readonly socket: SocketId };

export interface RoomLimits {
  readonly membersMax: number;
  readonly roomsMax: number;
}

export const defaultRoomLimits: RoomLimits = { membersMax: ROOM_MEMBERS_MAX, roomsMax: 1_000 };

/** The session of an `undeliverable` that answers a relay envelope: those have none that the server could read. */
export const RELAY_SESSION = "relay";

interface Room {
  readonly cluster: string;
  readonly members: Map<NodeId, SocketId>;
  seed: NodeId | undefined;
}

export class Rooms {
  readonly #limits: RoomLimits;
  readonly #rooms = new Map<string, Room>();
  readonly #places = new Map<SocketId, { readonly room: Room; readonly node: NodeId }>();

  constructor(limits: RoomLimits = defaultRoomLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#rooms.size;
  }

  isIn(socket: SocketId): boolean {
    return this.#places.has(socket);
  }

  join(socket: SocketId, cluster: string, node: NodeId): RoomSend[] {
    const existing = this.#rooms.get(cluster);
    const replaced = existing?.members.get(node);
    if (existing === undefined && this.#rooms.size >= this.#limits.roomsMax)
      return refusal(socket, "too-many-rooms", "This server holds as many rooms as it may. Try again later.");
    if (existing?.seed === node)
      return refusal(
        socket,
        "duplicate-node",
        "This node id is the server's own. Start this tab with an identity of its own.",
      );
    if (existing !== undefined && replaced === undefined && existing.members.size >= this.#limits.membersMax)
      return refusal(
        socket,
        "room-full",
        `This cluster's room has ${this.#limits.membersMax} nodes already, as many as it may. Close a tab of this cluster first.`,
      );

    const sends: RoomSend[] = [];
    const room = existing ?? this.#make(cluster);
    if (replaced !== undefined) {
      this.#places.delete(replaced);
      sends.push(
        ...refusal(replaced, "duplicate-node", "Another connection joined as this same node and replaces this one."),
      );
    }
    room.members.set(node, socket);
    this.#places.set(socket, { room, node });
    sends.push(this.#joined(room, node, socket));
    for (const other of this.#others(room, node))
      sends.push({ kind: "message", socket: other, message: { type: "present", node } });
    if (room.seed !== undefined) sends.push({ kind: "seed-present", cluster, node });
    return sends;
  }

  /** `from` is who the socket joined as, whatever its message says. */
  signal(socket: SocketId, to: NodeId, session: string, payload: string): RoomSend[] {
    const place = this.#places.get(socket);
    if (place === undefined) return [notJoined(socket)];
    const target = place.room.members.get(to);
    return [
      target === undefined
        ? { kind: "message", socket, message: { type: "undeliverable", to, session } }
        : { kind: "message", socket: target, message: { type: "signal", from: place.node, session, payload } },
    ];
  }

  relay(socket: SocketId, to: NodeId, bytes: Uint8Array): RoomSend[] {
    const place = this.#places.get(socket);
    if (place === undefined) return [notJoined(socket)];
    const { room, node: from } = place;
    if (to === room.seed) return [{ kind: "relay-to-seed", cluster: room.cluster, from, bytes }];
    const target = room.members.get(to);
    return [
      target === undefined
        ? { kind: "message", socket, message: { type: "undeliverable", to, session: RELAY_SESSION } }
        : { kind: "relay", socket: target, from, bytes },
    ];
  }

  /** The socket left or is gone. Harmless for one that is in no room. */
  left(socket: SocketId): RoomSend[] {
    const place = this.#places.get(socket);
    if (place === undefined) return [];
    const { room, node } = place;
    this.#places.delete(socket);
    room.members.delete(node);
    if (room.members.size === 0 && room.seed === undefined) this.#rooms.delete(room.cluster);
    const sends: RoomSend[] = this.#others(room, node).map((other) => ({
      kind: "message",
      socket: other,
      message: { type: "absent", node },
    }));
    if (room.seed !== undefined) sends.push({ kind: "seed-absent", cluster: room.cluster, node });
    return sends;
  }

  /** The server's own node enters the room. Those already there are told by a fresh `joined`. */
  attachSeed(cluster: string, seed: NodeId): RoomSend[] {
    const room = this.#rooms.get(cluster) ?? this.#make(cluster);
    room.seed = seed;
    return [...room.members].map(([node, socket]) => this.#joined(room, node, socket));
  }

  detachSeed(cluster: string): RoomSend[] {
    const room = this.#rooms.get(cluster);
    if (room === undefined) return [];
    room.seed = undefined;
    if (room.members.size === 0) this.#rooms.delete(cluster);
    return [...room.members].map(([node, socket]) => this.#joined(room, node, socket));
  }

  socketOf(cluster: string, node: NodeId): SocketId | undefined {
    return this.#rooms.get(cluster)?.members.get(node);
  }

  #make(cluster: string): Room {
    const room: Room = { cluster, members: new Map(), seed: undefined };
    this.#rooms.set(cluster, room);
    return room;
  }

  #joined(room: Room, node: NodeId, socket: SocketId): RoomSend {
    const members = [...room.members.keys()].filter((member) => member !== node);
    return { kind: "message", socket, message: { type: "joined", node, members, seed: room.seed ?? null } };
  }

  #others(room: Room, node: NodeId): SocketId[] {
    return [...room.members].filter(([member]) => member !== node).map(([, socket]) => socket);
  }
}

function refusal(socket: SocketId, code: SignalingErrorCode, message: string): RoomSend[] {
  return [
    { kind: "message", socket, message: { type: "error", code, message } },
    { kind: "close", socket },
  ];
}

function notJoined(socket: SocketId): RoomSend {
  const message = "Join a cluster's room before anything else. The message was dropped.";
  return { kind: "message", socket, message: { type: "error", code: "not-joined", message } };
}
