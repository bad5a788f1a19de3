/**
 * The server: one process and one port for the built demo (static files), signaling (WebSocket at `/signal`) and the way to the seed.
 *
 * A socket's states, in order: open (5 s to join), joined, closed. It only introduces and relays: nothing is kept on disk, payloads are passed
 * on and never looked into or logged. Limits: a frame 128 KiB (a relay envelope of 64 KiB and its head), a text 64 KiB, 20 texts a second
 * after a burst of 200, 8 MiB a second of relayed bytes after a burst of 16. Who says more is read more slowly (the socket is paused, so that
 * nothing is lost and TCP holds the sender back), and closed when the debt is hopeless. A socket that lets 4 MiB pile up towards it is
 * closed, as is one that does not answer pings for 30 s, or sends rubbish three times.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { assert, unreachable } from "../src/base/assert.ts";
import { TokenBucket } from "../src/base/token-bucket.ts";
import { TabringError } from "../src/core/errors.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import {
  decodeRelay,
  encodeRelay,
  formatMessage,
  parseClientMessage,
  type ServerMessage,
  type SignalingErrorCode,
} from "../src/wire/signaling.ts";
import { defaultRoomLimits, type RoomLimits, Rooms, type RoomSend, type SocketId } from "./room.ts";
import { answerText, requestedPath, serveStatic } from "./static-files.ts";

/** The port is in use. Nothing was started. */
export class PortTakenError extends TabringError {
  override readonly name: string = "PortTakenError";
  constructor(port: number) {
    super(
      "port-taken",
      `Port ${port} is in use by another program. Nothing was started. Stop that program, or choose another port (0 takes any that is free).`,
    );
  }
}

export interface ServerLimits extends RoomLimits {
  readonly socketsMax: number;
  readonly joinWithinMs: number;
  readonly pingMs: number;
  /** Pings without an answer until the socket is given up. */
  readonly pingsUnansweredMax: number;
  readonly bufferedBytesMax: number;
  readonly strikesMax: number;
  readonly textsPerSecond: number;
  readonly textsBurst: number;
  readonly relayedBytesPerSecond: number;
  readonly relayedBytesBurst: number;
  /** A socket that would have to be paused for longer is closed. */
  readonly pauseMsMax: number;
}

export const defaultLimits: ServerLimits = {
  ...defaultRoomLimits,
  socketsMax: 2_048,
  joinWithinMs: 5_000,
  pingMs: 15_000,
  pingsUnansweredMax: 2,
  bufferedBytesMax: 4 * 1_048_576,
  strikesMax: 3,
  textsPerSecond: 20,
  textsBurst: 200,
  relayedBytesPerSecond: 8 * 1_048_576,
  relayedBytesBurst: 16 * 1_048_576,
  pauseMsMax: 10_000,
};

const FRAME_BYTES_MAX = 131_072;

export interface ServerOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** The address to listen on; by default every one of this machine. */
  readonly host?: string;
  /** The built demo. Without it only `/health` and `/signal` answer. */
  readonly staticFolder?: string;
  /** False: relay envelopes between tabs are dropped. Those to and from the seed always pass. */
  readonly relay?: boolean;
  readonly limits?: Partial<ServerLimits>;
}

/** What the server's own node sees of its cluster's room. */
export interface SeedRoom {
  readonly seed: NodeId;
  /** At most one listener of each kind. */
  listen(listeners: {
    readonly present: (node: NodeId) => void;
    readonly absent: (node: NodeId) => void;
    readonly relay: (from: NodeId, payload: Uint8Array) => void;
    readonly drained: (node: NodeId) => void;
  }): void;
  /** False when that node is not in the room. */
  send(to: NodeId, payload: Uint8Array): boolean;
  bufferedBytes(to: NodeId): number;
  isPresent(node: NodeId): boolean;
  detach(): void;
}

export interface RunningServer {
  readonly port: number;
  /** For a browser on this machine: `http://localhost:port/`. */
  readonly address: string;
  /** For a tab's list of seeds: `ws://localhost:port/signal`. */
  readonly signalAddress: string;
  /** Names the server's own node of a cluster: tabs that join the room are told of it. One per cluster. */
  attachSeed(cluster: string, seed: NodeId): SeedRoom;
  /** Ends every connection at once, then resolves. Idempotent. */
  close(): Promise<void>;
}

interface Connection {
  readonly id: SocketId;
  readonly socket: WebSocket;
  readonly texts: TokenBucket;
  readonly relayed: TokenBucket;
  strikes: number;
  pingsUnanswered: number;
  joinTimer: NodeJS.Timeout;
  pauseTimer: NodeJS.Timeout | undefined;
}

/** @throws PortTakenError */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const http = createServer((request, response) => {
    const path = requestedPath(request.url ?? "/");
    if (path === "/health") return answerText(response, 200, "ok");
    if (options.staticFolder === undefined) return answerText(response, 404, "Only /health and /signal answer here.");
    serveStatic(options.staticFolder, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else answerText(response, 500, "The file could not be read.");
    });
    return;
  });
  const signaling = new Signaling({ ...defaultLimits, ...options.limits }, options.relay ?? true);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_BYTES_MAX,
    maxFragments: 16,
    maxBufferedChunks: 256,
    perMessageDeflate: false,
    clientTracking: false,
  });
  http.on("upgrade", (request, stream, head) => {
    if (requestedPath(request.url ?? "/") !== "/signal" || signaling.isFull) {
      stream.end(
        `HTTP/1.1 ${signaling.isFull ? "503 Service Unavailable" : "404 Not Found"}\r\nConnection: close\r\n\r\n`,
      );
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => signaling.accept(socket));
  });

  await listen(http, options.port, options.host);
  const { port } = http.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    port,
    address: `http://localhost:${port}/`,
    signalAddress: `ws://localhost:${port}/signal`,
    attachSeed: (cluster, seed) => signaling.attachSeed(cluster, seed),
    close: () =>
      (closed ??= new Promise((resolve) => {
        signaling.close();
        http.close(() => resolve());
        http.closeAllConnections();
      })),
  };
}

function listen(http: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new PortTakenError(port) : error);
    });
    http.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
}

interface AttachedSeed {
  readonly listeners: Parameters<SeedRoom["listen"]>[0];
}

const SILENT_SEED: AttachedSeed = {
  listeners: { present: () => {}, absent: () => {}, relay: () => {}, drained: () => {} },
};

class Signaling {
  readonly #limits: ServerLimits;
  readonly #relay: boolean;
  readonly #rooms: Rooms;
  readonly #connections = new Map<SocketId, Connection>();
  /** By cluster; at most one each, made by the host and not by strangers. */
  readonly #seeds = new Map<string, AttachedSeed>();
  readonly #pingTimer: NodeJS.Timeout;
  #lastId = 0;

  constructor(limits: ServerLimits, relay: boolean) {
    this.#limits = limits;
    this.#relay = relay;
    this.#rooms = new Rooms(limits);
    this.#pingTimer = setInterval(() => this.#ping(), limits.pingMs);
  }

  get isFull(): boolean {
    return this.#connections.size >= this.#limits.socketsMax;
  }

  accept(socket: WebSocket): void {
    const now = performance.now();
    const { textsPerSecond, textsBurst, relayedBytesPerSecond, relayedBytesBurst, joinWithinMs } = this.#limits;
    const connection: Connection = {
      id: ++this.#lastId,
      socket,
      texts: new TokenBucket(textsPerSecond, textsBurst, now),
      relayed: new TokenBucket(relayedBytesPerSecond, relayedBytesBurst, now),
      strikes: 0,
      pingsUnanswered: 0,
      joinTimer: setTimeout(() => this.#refuse(connection, "not-joined", "No join came in time."), joinWithinMs),
      pauseTimer: undefined,
    };
    this.#connections.set(connection.id, connection);
    socket.on("message", (data, isBinary) => this.#onMessage(connection, data, isBinary));
    socket.on("pong", () => (connection.pingsUnanswered = 0));
    // What is wrong with a frame is told to the other side by its close code; here only the end matters.
    socket.on("error", () => socket.terminate());
    socket.on("close", () => this.#onClose(connection));
  }

  attachSeed(cluster: string, seed: NodeId): SeedRoom {
    assert(!this.#seeds.has(cluster), `cluster ${cluster} has a seed already`);
    this.#seeds.set(cluster, SILENT_SEED);
    this.#perform(this.#rooms.attachSeed(cluster, seed));
    const connectionOf = (node: NodeId): Connection | undefined => {
      const id = this.#rooms.socketOf(cluster, node);
      return id === undefined ? undefined : this.#connections.get(id);
    };
    return {
      seed,
      listen: (listeners) => this.#seeds.set(cluster, { listeners }),
      send: (to, payload) => {
        const connection = connectionOf(to);
        if (connection === undefined) return false;
        this.#send(connection, encodeRelay(seed, payload), () => this.#seeds.get(cluster)?.listeners.drained(to));
        return true;
      },
      bufferedBytes: (to) => connectionOf(to)?.socket.bufferedAmount ?? 0,
      isPresent: (node) => connectionOf(node) !== undefined,
      detach: () => {
        if (this.#seeds.delete(cluster)) this.#perform(this.#rooms.detachSeed(cluster));
      },
    };
  }

  close(): void {
    clearInterval(this.#pingTimer);
    for (const connection of this.#connections.values()) connection.socket.terminate();
  }

  #onMessage(connection: Connection, data: RawData, isBinary: boolean): void {
    if (!this.#connections.has(connection.id) || connection.socket.readyState !== connection.socket.OPEN) return;
    const bytes = bytesOf(data);
    const pauseMs = isBinary
      ? connection.relayed.take(bytes.length, performance.now())
      : connection.texts.take(1, performance.now());
    if (pauseMs > this.#limits.pauseMsMax)
      return this.#refuse(connection, "rate-limited", "Far more was sent than a node needs. Slow down.");
    if (pauseMs > 0) this.#pause(connection, pauseMs);
    try {
      if (isBinary) this.#onRelay(connection, bytes);
      else this.#onText(connection, bytes);
    } catch (error) {
      if (!(error instanceof TabringError)) throw error;
      const code = errorCode(error);
      if (code === "protocol-version") this.#refuse(connection, code, error.message);
      else this.#strike(connection, code, error.message);
    }
  }

  #onText(connection: Connection, bytes: Uint8Array): void {
    const message = parseClientMessage(new TextDecoder().decode(bytes));
    switch (message.type) {
      case "join":
        if (this.#rooms.isIn(connection.id))
          return this.#strike(connection, "malformed", "This socket has joined a room already.");
        clearTimeout(connection.joinTimer);
        return this.#perform(this.#rooms.join(connection.id, message.cluster, message.node));
      case "signal":
        return this.#perform(this.#rooms.signal(connection.id, message.to, message.session, message.payload));
      case "leave":
        this.#perform(this.#rooms.left(connection.id));
        return connection.socket.close(1000);
      default:
        return unreachable(message);
    }
  }

  #onRelay(connection: Connection, envelope: Uint8Array): void {
    const { node, bytes } = decodeRelay(envelope);
    const sends = this.#rooms.relay(connection.id, node, bytes);
    this.#perform(this.#relay ? sends : sends.filter((send) => send.kind !== "relay"));
  }

  #perform(sends: readonly RoomSend[]): void {
    for (const send of sends) {
      switch (send.kind) {
        case "message":
          this.#tell(this.#connections.get(send.socket), send.message);
          if (send.message.type === "error" && send.message.code === "not-joined") this.#count(send.socket);
          break;
        case "relay": {
          const connection = this.#connections.get(send.socket);
          if (connection !== undefined) this.#send(connection, encodeRelay(send.from, send.bytes));
          break;
        }
        case "relay-to-seed":
          this.#seeds.get(send.cluster)?.listeners.relay(send.from, send.bytes);
          break;
        case "seed-present":
          this.#seeds.get(send.cluster)?.listeners.present(send.node);
          break;
        case "seed-absent":
          this.#seeds.get(send.cluster)?.listeners.absent(send.node);
          break;
        case "close":
          this.#connections.get(send.socket)?.socket.close(1008);
          break;
        default:
          unreachable(send);
      }
    }
  }

  #tell(connection: Connection | undefined, message: ServerMessage): void {
    if (connection !== undefined) this.#send(connection, formatMessage(message));
  }

  #send(connection: Connection, data: string | Uint8Array, sent: () => void = () => {}): void {
    const { socket } = connection;
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > this.#limits.bufferedBytesMax) socket.terminate();
    else
      socket.send(data, (error) => {
        if (!(error instanceof Error)) sent();
      });
  }

  /** Rubbish: told, counted, and closed after the third time. */
  #strike(connection: Connection, code: SignalingErrorCode, message: string): void {
    this.#tell(connection, { type: "error", code, message });
    this.#count(connection.id);
  }

  #count(id: SocketId): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined && ++connection.strikes >= this.#limits.strikesMax) connection.socket.close(1008);
  }

  #refuse(connection: Connection, code: SignalingErrorCode, message: string): void {
    this.#tell(connection, { type: "error", code, message });
    connection.socket.close(1008);
    // A paused socket would never read the other side's answer to the close.
    this.#resume(connection);
  }

  #pause(connection: Connection, pauseMs: number): void {
    clearTimeout(connection.pauseTimer);
    connection.socket.pause();
    connection.pauseTimer = setTimeout(() => this.#resume(connection), pauseMs);
  }

  #resume(connection: Connection): void {
    clearTimeout(connection.pauseTimer);
    connection.pauseTimer = undefined;
    connection.socket.resume();
  }

  #ping(): void {
    for (const connection of this.#connections.values()) {
      if (connection.pingsUnanswered >= this.#limits.pingsUnansweredMax) connection.socket.terminate();
      // A socket that is paused by our own will cannot answer.
      else if (connection.pauseTimer === undefined) {
        connection.pingsUnanswered++;
        connection.socket.ping();
      }
    }
  }

  #onClose(connection: Connection): void {
    clearTimeout(connection.joinTimer);
    clearTimeout(connection.pauseTimer);
    this.#connections.delete(connection.id);
    this.#perform(this.#rooms.left(connection.id));
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

function errorCode(error: TabringError): SignalingErrorCode {
  return error.code === "protocol-version" || error.code === "oversized" ? error.code : "malformed";
}
