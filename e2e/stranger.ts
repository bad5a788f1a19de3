/**
 * Somebody who speaks the protocol and is no tab: joins a room at the server by a plain WebSocket, and opens a relayed link to a node there.
 * The tests use it to say what no honest node says.
 */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";
import type { TabringError } from "../src/core/errors.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import { FRAME_BYTES_MIN } from "../src/wire/frame.ts";
import type { ProtocolRange } from "../src/core/versions.ts";
import { Link } from "../src/wire/link.ts";
import { decodeRelayPayload, encodeRelayPayload, wrapNodeMessage } from "../src/wire/link-payload.ts";
import {
  decodeRelay,
  encodeRelay,
  parseServerMessage,
  type ServerMessage,
  SIGNALING_PROTOCOL,
} from "../src/wire/signaling.ts";
import { waitUntil } from "./cluster.ts";

/** A WebSocket at the server's signaling address. */
export class Stranger {
  /** Lower than any tab's, as good as surely: of two nodes the one with the lower id dials. */
  readonly node = `00000000${randomBytes(12).toString("hex")}` as NodeId;
  /** All that the server said in text. */
  readonly heard: ServerMessage[] = [];
  readonly #socket: WebSocket;
  readonly #links = new Map<NodeId, StrangerLink>();
  #sessions = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (!isBinary) this.heard.push(parseServerMessage(data.toString()));
      else {
        const { node, bytes } = decodeRelay(new Uint8Array(data));
        this.#links.get(node)?.onPayload(bytes);
      }
    });
  }

  static async connect(port: number): Promise<Stranger> {
    const socket = new WebSocket(`ws://localhost:${port}/signal`);
    const stranger = new Stranger(socket);
    await once(socket, "open");
    return stranger;
  }

  get closed(): boolean {
    return this.#socket.readyState === WebSocket.CLOSED;
  }

  say(text: string | Uint8Array): void {
    this.#socket.send(text);
  }

  /** Until the server has said so. */
  async hear<Type extends ServerMessage["type"]>(type: Type): Promise<Extract<ServerMessage, { type: Type }>> {
    const found = () => this.heard.find((message) => message.type === type);
    await waitUntil(() => found() !== undefined, { what: `the server says ${type}` });
    return found() as Extract<ServerMessage, { type: Type }>;
  }

  /** Enters the room as a node of its own. */
  async join(cluster: string): Promise<Extract<ServerMessage, { type: "joined" }>> {
    this.say(JSON.stringify({ type: "join", protocol: SIGNALING_PROTOCOL, cluster, node: this.node }));
    return this.hear("joined");
  }

  /** Dials a node of the room, through the server. See {@link StrangerLink}: it may come up or be refused. */
  dial(options: { to: NodeId; cluster: string; secret: string; protocol?: ProtocolRange }): StrangerLink {
    const session = ++this.#sessions;
    const link = new StrangerLink({ ...options, self: this.node }, (kind, frame) =>
      this.say(encodeRelay(options.to, encodeRelayPayload({ kind, session, frame }))),
    );
    this.#links.set(options.to, link);
    link.start();
    return link;
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** One relayed link of a stranger: first the handshake, then messages, honest or not. */
export class StrangerLink {
  /** How it ended; undefined while it has not. */
  ended: { readonly reason: string; readonly error: TabringError | undefined } | undefined;
  readonly #link: Link;
  readonly #put: (kind: "open" | "frame", frame: Uint8Array) => void;
  #opened = false;

  constructor(
    options: { self: NodeId; to: NodeId; cluster: string; secret: string; protocol?: ProtocolRange },
    put: (kind: "open" | "frame", frame: Uint8Array) => void,
  ) {
    this.#put = put;
    this.#link = new Link({
      self: options.self,
      peer: options.to,
      cluster: options.cluster,
      secret: new Uint8Array(Buffer.from(options.secret, "base64url")),
      role: "initiator",
      nonce: new Uint8Array(randomBytes(32)),
      binding: undefined,
      // Small, so that an oversized frame still fits into a relay envelope.
      frameBytesMax: FRAME_BYTES_MIN,
      now: performance.now(),
      ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
    });
  }

  get up(): boolean {
    return this.#link.state === "up";
  }

  start(): void {
    this.#flush();
  }

  onPayload(payload: Uint8Array): void {
    const { kind, frame } = decodeRelayPayload(payload);
    if (kind === "closed") this.ended ??= { reason: "closed by the other side", error: undefined };
    if (kind !== "frame") return;
    for (const event of this.#link.receive(frame, performance.now()))
      if (event.kind === "closed") this.ended ??= { reason: event.reason, error: event.error };
    this.#flush();
  }

  /** Bytes in the place of a node's message, in a frame as it should be. */
  sendMessage(bytes: Uint8Array): void {
    this.#link.send(wrapNodeMessage(bytes), "foreground");
    this.#flush();
  }

  /** Bytes in the place of a frame. */
  sendFrame(frame: Uint8Array): void {
    this.#put("frame", frame);
  }

  #flush(): void {
    for (const frame of this.#link.poll(performance.now(), 0)) {
      this.#put(this.#opened ? "frame" : "open", frame);
      this.#opened = true;
    }
  }
}
