/** Real WebRTC, real simple-peer, in a real browser; only the signaling server is a room in memory, in the same page. */

import { expect, test } from "vitest";
import { toHex } from "../base/bytes.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock, TransportHandlers } from "../driver/ports.ts";
import { describeTransportContract } from "../driver/transport-contract.ts";
import { InMemoryRoom } from "./in-memory-room.ts";
import { type Binding, type RtcConnection, simplePeerFactory } from "./rtc-connection.ts";
import type { RtcSignal } from "./signal-payload.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "./webrtc-transport.ts";

const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const newId = () => toHex(random(16)) as NodeId;
const [secret, otherSecret] = [random(32), random(32)];

function tab(room: InMemoryRoom, self: NodeId, options: Partial<WebRtcTransportOptions> = {}): WebRtcTransport {
  const signaling = room.client(self);
  return new WebRtcTransport({
    self,
    cluster: "shop",
    secret,
    seeds: [],
    random,
    clock,
    greet: false,
    signaling,
    ...options,
  });
}

describeTransportContract("WebRTC", test, () => {
  const room = new InMemoryRoom(queueMicrotask);
  const [aId, bId, strangerId] = [newId(), newId(), newId()];
  return Promise.resolve({
    a: tab(room, aId),
    aId,
    b: tab(room, bId),
    bId,
    stranger: { id: strangerId, transport: tab(room, strangerId, { secret: otherSecret }) },
    cleanup: () => Promise.resolve(),
  });
});

/** Two connections that negotiate with each other; resolves with what each says of the certificates. */
async function connectedPair(): Promise<{
  connections: RtcConnection[];
  bindings: Binding[];
  closed: Promise<string>[];
}> {
  const connections: RtcConnection[] = [];
  const closed: Promise<string>[] = [];
  const bindings = [0, 1].map(
    (i) =>
      new Promise<Binding>((open) => {
        closed[i] = new Promise((closedBecause) => {
          connections[i] = simplePeerFactory()(i === 0, {
            signal: (data: RtcSignal) => connections[1 - i]?.signal(data),
            open,
            frame: () => {},
            drained: () => {},
            closed: closedBecause,
          });
        });
      }),
  );
  return { connections, bindings: await Promise.all(bindings), closed };
}

test("both ends see the same two certificates, the other way round", async () => {
  const { connections, bindings } = await connectedPair();
  const [one, two] = bindings.map(({ local, remote }) => [toHex(local), toHex(remote)]);
  expect(one).toEqual([two![1], two![0]]);
  expect(one![0]).toMatch(/^[0-9a-f]{64}$/);
  expect(one![0]).not.toBe(one![1]);
  for (const connection of connections) connection.destroy();
});

test("a frame too large for the channel ends the connection in our own words, without a throw", async () => {
  const { connections, closed } = await connectedPair();
  connections[0]!.send(new Uint8Array(300_000));
  expect(await closed[0]).toBe("the data channel takes nothing more");
  // At the far end the browser tells the error or the end first, as it comes.
  expect(["the connection was closed", "the data channel broke"]).toContain(await closed[1]);
});

test("without the server, two tabs get a link through a member that both are linked with", async () => {
  const room = new InMemoryRoom(queueMicrotask);
  const ids = [newId(), newId(), newId()] as const;
  const transports = ids.map((id) => tab(room, id));
  const [left, middle, right] = transports as [WebRtcTransport, WebRtcTransport, WebRtcTransport];
  let wake = () => {};
  const handlers: TransportHandlers = {
    connected: () => wake(),
    lost: () => wake(),
    received: () => {},
    refused: (error) => {
      throw error;
    },
  };
  for (const transport of transports) await transport.open(handlers);
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
  };
  left.connect(ids[1]);
  right.connect(ids[1]);
  await until(() => [ids[0], ids[2]].every((id) => middle.linkOf(id) === "webrtc"));
  room.takeDown();
  left.connect(ids[2]);
  await until(() => left.linkOf(ids[2]) === "webrtc" && right.linkOf(ids[0]) === "webrtc");
  expect(left.seedState).toBe("connecting");
  expect(middle.counters.signalsPassedOn).toBeGreaterThan(0);
  for (const transport of transports) await transport.close();
});
