/** Links that go through the real server, in Node: a tab and the seed, and two tabs that have no WebRTC. */

import { describe, expect, test } from "vitest";
import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import { WebRtcTransport, type WebRtcTransportOptions } from "../src/browser/webrtc-transport.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import type { Clock, TransportHandlers } from "../src/driver/ports.ts";
import { describeTransportContract } from "../src/driver/transport-contract.ts";
import { SeedTransport } from "../signaling/seed-transport.ts";
import { type RunningServer, startServer } from "../signaling/server.ts";

const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
const random = (count: number) => new Uint8Array(randomBytes(count));
const newId = () => randomBytes(16).toString("hex") as NodeId;
const secret = random(32);
const otherSecret = random(32);
const cluster = "shop";

/** A tab without WebRTC: all its links go through the server. */
function tab(server: RunningServer, self: NodeId, options: Partial<WebRtcTransportOptions> = {}): WebRtcTransport {
  return new WebRtcTransport({
    self,
    cluster,
    secret,
    seeds: [server.signalAddress],
    random,
    clock,
    greet: false,
    socket: WebSocket,
    makeConnection: () => {
      throw new Error("no WebRTC here");
    },
    scheduleTurn: queueMicrotask,
    ...options,
  });
}

/** Resolves when the tab has joined the room and sees these nodes there. */
function meets(transport: WebRtcTransport, nodes: readonly NodeId[]): Promise<void> {
  const missing = new Set(nodes);
  return new Promise((resolve) =>
    transport.onPresent((node) => {
      missing.delete(node);
      if (missing.size === 0) resolve();
    }),
  );
}

/** The contract opens all three and goes on at once; real tabs have met the server by the time they call `connect`. */
function openWhenMet(transport: WebRtcTransport, nodes: readonly NodeId[]): WebRtcTransport {
  const open = transport.open.bind(transport);
  transport.open = async (handlers) => {
    const met = meets(transport, nodes);
    await open(handlers);
    await met;
  };
  return transport;
}

describe("the seed", () => {
  describeTransportContract("seed transport", test, async () => {
    const server = await startServer({ port: 0 });
    const [aId, bId, strangerId] = [newId(), newId(), newId()];
    const room = server.attachSeed(cluster, aId);
    return {
      a: new SeedTransport({ self: aId, cluster, secret, room, clock, random }),
      aId,
      b: openWhenMet(tab(server, bId), [aId]),
      bId,
      stranger: {
        id: strangerId,
        transport: openWhenMet(tab(server, strangerId, { secret: otherSecret }), [aId]),
      },
      cleanup: () => server.close(),
    };
  });

  test("is linked by itself when a tab joins, as a websocket link; and the tab says so", async () => {
    const server = await startServer({ port: 0 });
    const [seedId, tabId] = [newId(), newId()];
    const seed = new SeedTransport({
      self: seedId,
      cluster,
      secret,
      room: server.attachSeed(cluster, seedId),
      clock,
      random,
    });
    await seed.open(silent);
    const transport = tab(server, tabId, { greet: true });
    expect(transport.seedState).toBe("connecting");
    const up = new Promise((resolve) => {
      void transport.open({ ...silent, connected: (peer, { kind }) => resolve([peer, kind]) });
    });
    expect(await up).toEqual([seedId, "websocket"]);
    expect(transport.seedState).toBe("connected");
    expect(transport.linkOf(seedId)).toBe("websocket");
    await transport.close();
    await seed.close();
    await server.close();
  });

  test("a tab that comes again with the same id replaces its old link: lost, then connected", async () => {
    const server = await startServer({ port: 0 });
    const [seedId, tabId] = [newId(), newId()];
    const room = server.attachSeed(cluster, seedId);
    const seed = new SeedTransport({ self: seedId, cluster, secret, room, clock, random });
    const story: string[] = [];
    let wake = () => {};
    const note = (line: string) => {
      story.push(line);
      wake();
    };
    await seed.open({
      ...silent,
      connected: () => note("connected"),
      lost: (_, reason) => note(`lost: ${reason}`),
    });
    const tabs = [tab(server, tabId, { greet: true }), tab(server, tabId, { greet: true })];
    for (const [i, each] of tabs.entries()) {
      await each.open(silent);
      while (story.filter((line) => line === "connected").length <= i)
        await new Promise<void>((resolve) => (wake = resolve));
    }
    expect(story).toEqual(["connected", "lost: replaced", "connected"]);
    for (const each of tabs) await each.close();
    await seed.close();
    await server.close();
  });

  test("dies with its server: the tab loses the link at once, and gets it again from the next server", async () => {
    const first = await startServer({ port: 0 });
    const [seedId, tabId] = [newId(), newId()];
    const attach = async (server: RunningServer) => {
      const room = server.attachSeed(cluster, seedId);
      await new SeedTransport({ self: seedId, cluster, secret, room, clock, random }).open(silent);
    };
    await attach(first);
    const transport = tab(first, tabId, { greet: true });
    const story: string[] = [];
    let wake = () => {};
    const note = (line: string) => {
      story.push(line);
      wake();
    };
    await transport.open({
      ...silent,
      connected: () => note("connected"),
      lost: (_, reason) => note(`lost: ${reason}`),
    });
    const until = async (count: number) => {
      while (story.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    await until(1);
    await first.close();
    await until(2);
    expect(transport.seedState).toBe("connecting");
    const second = await startServer({ port: first.port });
    await attach(second);
    await until(3);
    expect(story).toEqual(["connected", "lost: the server is gone", "connected"]);
    await transport.close();
    await second.close();
  });
});

describe("two tabs that cannot reach each other", () => {
  describeTransportContract("relayed link", test, async () => {
    const server = await startServer({ port: 0 });
    const [aId, bId, strangerId] = [newId(), newId(), newId()];
    const all = [aId, bId, strangerId];
    const others = (self: NodeId) => all.filter((id) => id !== self);
    // The last to open sees all; the first two do by the time that it does.
    return {
      a: tab(server, aId),
      aId,
      b: openWhenMet(tab(server, bId), [aId]),
      bId,
      stranger: {
        id: strangerId,
        transport: openWhenMet(tab(server, strangerId, { secret: otherSecret }), others(strangerId)),
      },
      cleanup: () => server.close(),
    };
  });
});

const silent: TransportHandlers = { connected: () => {}, lost: () => {}, received: () => {}, refused: () => {} };
