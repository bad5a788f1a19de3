/**
 * The floor: what replicated put and get cost at least when somebody writes nothing but them by hand, on the browser's own WebRTC and IndexedDB.
 * Binary frames of 16 KiB, what one turn sends to a peer in one frame, a map of pending requests, group commit with two transactions in flight, one
 * record per key, replica reads from IndexedDB. Every tab keeps every key. No clocks, ring, hints, time bounds, trees, checksums or repair.
 *
 *   put: own commit and the first remote acknowledgement (W=2), both remotes asked.   get: the first two of three replies (R=2), all asked.
 *
 * On the wire, one after the other until the frame ends: kind, a byte; request, 4 bytes; put and get: length of the key, a byte, and the key (ASCII);
 * put and found: length of the value, 2 bytes, and the value.
 *
 * Limits: a message fits into one frame. Nothing else is bounded: its only caller is a closed loop.
 */

export const FRAME_BYTES = 16_384;
const TRANSACTIONS_MAX = 2;
const HEAD_BYTES = 5;
const KIND = { put: 1, stored: 2, get: 3, found: 4, missing: 5 } as const;

export type FloorMessage =
  | { readonly kind: "put"; readonly request: number; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "get"; readonly request: number; readonly key: string }
  | { readonly kind: "found"; readonly request: number; readonly value: Uint8Array }
  | { readonly kind: "stored" | "missing"; readonly request: number };

/** One frame being filled, again and again. */
export class FrameWriter {
  readonly #bytes = new Uint8Array(FRAME_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** False when it does not fit any more; then nothing was written. */
  add(message: FloorMessage): boolean {
    const keyBytes = "key" in message ? 1 + message.key.length : 0;
    const valueBytes = "value" in message ? 2 + message.value.length : 0;
    if (this.#length + HEAD_BYTES + keyBytes + valueBytes > FRAME_BYTES) return false;
    let at = this.#length;
    this.#bytes[at] = KIND[message.kind];
    this.#view.setUint32(at + 1, message.request);
    at += HEAD_BYTES;
    if ("key" in message) {
      this.#bytes[at++] = message.key.length;
      for (let i = 0; i < message.key.length; i++) this.#bytes[at++] = message.key.charCodeAt(i);
    }
    if ("value" in message) {
      this.#view.setUint16(at, message.value.length);
      this.#bytes.set(message.value, at + 2);
      at += valueBytes;
    }
    this.#length = at;
    return true;
  }

  /** A view of what was written; good until the next `add`. Empty when nothing was. */
  take(): Uint8Array<ArrayBuffer> {
    const frame = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return frame;
  }
}

/** The messages of one frame. Values are copies, because IndexedDB stores the whole buffer behind a view. */
export function readFrame(frame: Uint8Array): FloorMessage[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const messages: FloorMessage[] = [];
  let at = 0;
  const key = (): string => {
    const end = at + 1 + frame[at]!;
    const text = String.fromCharCode(...frame.subarray(at + 1, end));
    at = end;
    return text;
  };
  const value = (): Uint8Array => {
    const end = at + 2 + view.getUint16(at);
    const bytes = frame.slice(at + 2, end);
    at = end;
    return bytes;
  };
  while (at < frame.length) {
    const kind = frame[at];
    const request = view.getUint32(at + 1);
    at += HEAD_BYTES;
    if (kind === KIND.put) messages.push({ kind: "put", request, key: key(), value: value() });
    else if (kind === KIND.get) messages.push({ kind: "get", request, key: key() });
    else if (kind === KIND.found) messages.push({ kind: "found", request, value: value() });
    else if (kind === KIND.stored) messages.push({ kind: "stored", request });
    else if (kind === KIND.missing) messages.push({ kind: "missing", request });
    else throw new Error(`The floor's frames know no kind ${kind}.`);
  }
  return messages;
}

/** One object store. Writes that wait share a transaction, and so do the reads of one turn. */
class FloorStorage {
  readonly #database: IDBDatabase;
  #writes: { readonly key: string; readonly value: Uint8Array; readonly done: () => void }[] = [];
  #reads: { readonly key: string; readonly done: (value: Uint8Array | undefined) => void }[] = [];
  #transactions = 0;
  #writeTurn = false;

  constructor(database: IDBDatabase) {
    this.#database = database;
  }

  static open(): Promise<FloorStorage> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open("floor", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("items");
      request.onsuccess = () => resolve(new FloorStorage(request.result));
      request.onerror = () => reject(request.error ?? new Error("The floor's database does not open."));
    });
  }

  write(key: string, value: Uint8Array, done: () => void): void {
    this.#writes.push({ key, value, done });
    if (this.#writeTurn) return;
    this.#writeTurn = true;
    queueMicrotask(() => {
      this.#writeTurn = false;
      this.#commit();
    });
  }

  read(key: string, done: (value: Uint8Array | undefined) => void): void {
    this.#reads.push({ key, done });
    if (this.#reads.length === 1) queueMicrotask(() => this.#readTogether());
  }

  #commit(): void {
    if (this.#transactions >= TRANSACTIONS_MAX || this.#writes.length === 0) return;
    const writes = this.#writes;
    this.#writes = [];
    this.#transactions++;
    const transaction = this.#database.transaction("items", "readwrite", { durability: "relaxed" });
    const items = transaction.objectStore("items");
    for (const { key, value } of writes) items.put(value, key);
    transaction.oncomplete = () => {
      this.#transactions--;
      for (const { done } of writes) done();
      this.#commit();
    };
    transaction.commit();
  }

  #readTogether(): void {
    const reads = this.#reads;
    this.#reads = [];
    const items = this.#database.transaction("items", "readonly").objectStore("items");
    for (const { key, done } of reads) {
      const request = items.get(key) as IDBRequest<Uint8Array | undefined>;
      request.onsuccess = () => done(request.result);
    }
  }
}

interface Peer {
  readonly connection: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly open: Promise<void>;
  readonly frame: FrameWriter;
}

interface PendingPut {
  own: boolean;
  remote: boolean;
  readonly resolve: () => void;
}
interface PendingGet {
  replies: number;
  value: Uint8Array | undefined;
  readonly resolve: (value: Uint8Array | undefined) => void;
}

export class Floor {
  readonly #storage: FloorStorage;
  readonly #peers: Peer[] = [];
  readonly #puts = new Map<number, PendingPut>();
  readonly #gets = new Map<number, PendingGet>();
  readonly #turn = new MessageChannel();
  #turnDue = false;
  #requests = 0;
  /** Messages given to all peers together. */
  messagesSent = 0;

  private constructor(storage: FloorStorage) {
    this.#storage = storage;
    this.#turn.port1.onmessage = () => {
      this.#turnDue = false;
      for (const peer of this.#peers) this.#flush(peer);
    };
  }

  static async open(): Promise<Floor> {
    return new Floor(await FloorStorage.open());
  }

  // Signaling: whoever runs the benchmark carries the descriptions, complete with all candidates, from tab to tab.

  /** The first step, on the one side. */
  async offer(): Promise<{ peer: number; sdp: string }> {
    const peer = this.#addPeer();
    const { connection } = this.#peers[peer]!;
    await connection.setLocalDescription(await connection.createOffer());
    return { peer, sdp: await gathered(connection) };
  }

  /** The second step, on the other side. */
  async answer(sdp: string): Promise<{ peer: number; sdp: string }> {
    const peer = this.#addPeer();
    const { connection } = this.#peers[peer]!;
    await connection.setRemoteDescription({ type: "offer", sdp });
    await connection.setLocalDescription(await connection.createAnswer());
    return { peer, sdp: await gathered(connection) };
  }

  /** The third step, on the side that offered. */
  accept(peer: number, sdp: string): Promise<void> {
    return this.#peers[peer]!.connection.setRemoteDescription({ type: "answer", sdp });
  }

  /** Resolves when the channels to all peers are open. */
  async linked(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.open));
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      const request = ++this.#requests;
      const put: PendingPut = { own: false, remote: false, resolve };
      this.#puts.set(request, put);
      this.#storage.write(key, value, () => {
        put.own = true;
        this.#judge(request, put);
      });
      for (const peer of this.#peers) this.#send(peer, { kind: "put", request, key, value });
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const request = ++this.#requests;
      this.#gets.set(request, { replies: 0, value: undefined, resolve });
      this.#storage.read(key, (value) => this.#replied(request, value));
      for (const peer of this.#peers) this.#send(peer, { kind: "get", request, key });
    });
  }

  #addPeer(): number {
    const connection = new RTCPeerConnection();
    const channel = connection.createDataChannel("floor", { negotiated: true, id: 0 });
    channel.binaryType = "arraybuffer";
    const open = new Promise<void>((resolve) => channel.addEventListener("open", () => resolve(), { once: true }));
    const peer: Peer = { connection, channel, open, frame: new FrameWriter() };
    channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      for (const message of readFrame(new Uint8Array(data))) this.#received(peer, message);
    };
    return this.#peers.push(peer) - 1;
  }

  #received(from: Peer, message: FloorMessage): void {
    const { request } = message;
    switch (message.kind) {
      case "put":
        this.#storage.write(message.key, message.value, () => this.#send(from, { kind: "stored", request }));
        break;
      case "get":
        this.#storage.read(message.key, (value) =>
          this.#send(from, value === undefined ? { kind: "missing", request } : { kind: "found", request, value }),
        );
        break;
      case "stored": {
        const put = this.#puts.get(request);
        if (put === undefined) return;
        put.remote = true;
        this.#judge(request, put);
        break;
      }
      case "found":
        this.#replied(request, message.value);
        break;
      case "missing":
        this.#replied(request, undefined);
        break;
    }
  }

  #judge(request: number, put: PendingPut): void {
    if (!put.own || !put.remote) return;
    this.#puts.delete(request);
    put.resolve();
  }

  #replied(request: number, value: Uint8Array | undefined): void {
    const get = this.#gets.get(request);
    if (get === undefined) return;
    get.replies++;
    get.value ??= value;
    if (get.replies < 2) return;
    this.#gets.delete(request);
    get.resolve(get.value);
  }

  #send(to: Peer, message: FloorMessage): void {
    this.messagesSent++;
    if (!to.frame.add(message)) {
      this.#flush(to);
      if (!to.frame.add(message)) throw new Error("A message of the floor must fit into one frame.");
    }
    if (this.#turnDue) return;
    this.#turnDue = true;
    this.#turn.port2.postMessage(null);
  }

  #flush(peer: Peer): void {
    const frame = peer.frame.take();
    if (frame.length > 0) peer.channel.send(frame);
  }
}

/** The local description when all candidates are in it. */
async function gathered(connection: RTCPeerConnection): Promise<string> {
  if (connection.iceGatheringState !== "complete")
    await new Promise<void>((resolve) => {
      connection.addEventListener("icegatheringstatechange", () => {
        if (connection.iceGatheringState === "complete") resolve();
      });
    });
  return connection.localDescription?.sdp ?? "";
}
