/**
 * What a system puts on disk and wire, counted where the browser takes it: by standing in front of IndexedDB's and the data channel's own methods. So
 * it needs no counter inside of what is measured, and counts both systems alike. A message of the floor is counted by the floor.
 */

import { FRAME_KIND, FrameReader, readNotes } from "../../src/wire/frame.ts";

export interface Traffic {
  readonly writeTransactions: number;
  readonly recordsWritten: number;
  readonly readTransactions: number;
  readonly recordsRead: number;
  readonly frames: number;
  readonly frameBytes: number;
  readonly messages: number;
}

/** Counts this page's database and channels of `name` until `stop`. */
export function startCounting(name: "tabring" | "floor"): { stop(): Traffic } {
  const counts = {
    writeTransactions: 0,
    recordsWritten: 0,
    readTransactions: 0,
    recordsRead: 0,
    frames: 0,
    frameBytes: 0,
    messages: 0,
  };
  const isOurs = (database: IDBDatabase): boolean => database.name.split("/")[0] === name;
  const undo = [
    standBefore(IDBDatabase.prototype, "transaction", (database, [, mode]) => {
      if (!isOurs(database)) return;
      if (mode === "readwrite") counts.writeTransactions++;
      else counts.readTransactions++;
    }),
    standBefore(IDBObjectStore.prototype, "put", (store) => {
      if (isOurs(store.transaction.db)) counts.recordsWritten++;
    }),
    standBefore(IDBObjectStore.prototype, "get", (store) => {
      if (isOurs(store.transaction.db)) counts.recordsRead++;
    }),
    standBefore(RTCDataChannel.prototype, "send", (channel, [data]) => {
      // One end of a link of tabring has no name for its channel.
      if ((channel.label === "floor") !== (name === "floor")) return;
      const frame = data as Uint8Array;
      counts.frames++;
      counts.frameBytes += frame.length;
      if (name === "tabring") counts.messages += messagesIn(frame);
    }),
  ];
  return {
    stop: () => {
      for (const each of undo) each();
      return counts;
    },
  };
}

/** Lets `look` see each call of a method before it happens. The returned function takes it away again. */
function standBefore<Host extends object, Name extends keyof Host>(
  prototype: Host,
  name: Name,
  look: (host: Host, parameters: readonly unknown[]) => void,
): () => void {
  const method = prototype[name] as (...parameters: unknown[]) => unknown;
  function standIn(this: Host, ...parameters: unknown[]): unknown {
    look(this, parameters);
    return method.apply(this, parameters);
  }
  prototype[name] = standIn as Host[Name];
  return () => (prototype[name] = method as Host[Name]);
}

/** Messages and parts of messages in a frame of a link that is not sealed. */
export function messagesIn(frame: Uint8Array): number {
  const reader = new FrameReader(frame);
  const kind = reader.byte();
  if (kind !== FRAME_KIND.foreground && kind !== FRAME_KIND.background) return 0;
  readNotes(reader);
  reader.uint();
  let messages = 0;
  while (reader.left > 0) {
    const head = reader.uint();
    // The first part of a cut message tells the length of the whole.
    if (head % 4 === 1) reader.uint();
    reader.view(Math.floor(head / 4));
    messages++;
  }
  return messages;
}
