/** The room under the browser's real locks and channels. Frames of this origin stand for other tabs: locks and channels are shared alike. */

import { afterEach, expect, test } from "vitest";
import { toHex } from "../base/bytes.ts";
import type { NodeId } from "../core/identifiers.ts";
import type { Clock } from "../driver/ports.ts";
import { describeTransportContract } from "../driver/transport-contract.ts";
import { formatMessage, ROOM_MEMBERS_MAX } from "../wire/signaling.ts";
import { SAME_BROWSER, SameBrowserRoom } from "./same-browser-room.ts";
import type { SignalingHandlers } from "./signaling-client.ts";
import { WebRtcTransport } from "./webrtc-transport.ts";

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
const newCluster = () => `test-${crypto.randomUUID()}`;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** One who is in the room, and what he was told, in order. */
class Guest {
  readonly node: NodeId;
  readonly room: SameBrowserRoom;
  readonly told: string[] = [];
  #wake = () => {};

  constructor(cluster: string, options: Partial<ConstructorParameters<typeof SameBrowserRoom>[0]> = {}) {
    this.node = options.self ?? newId();
    this.room = new SameBrowserRoom({ self: this.node, cluster, clock, ...options });
    ends.push(() => this.room.close());
    const tell = (what: string) => {
      this.told.push(what);
      this.#wake();
    };
    const handlers: SignalingHandlers = {
      joined: (members, seed) =>
        tell(["joined", ...[...members].sort(), ...(seed === undefined ? [] : [seed])].join(" ")),
      present: (node) => tell(`present ${node}`),
      absent: (node) => tell(`absent ${node}`),
      signal: (from, session, payload) => tell(`signal ${from} ${session} ${payload}`),
      undeliverable: (to) => tell(`undeliverable ${to}`),
      relay: (from) => tell(`relay ${from}`),
      drained: () => tell("drained"),
      refused: (error) => tell(`refused ${error.code}`),
      down: () => tell("down"),
    };
    this.room.start(handlers);
  }

  async until(what: string): Promise<void> {
    while (!this.told.includes(what)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  count(what: string): number {
    return this.told.filter((each) => each.startsWith(what)).length;
  }
}

/** A tab that holds the lock of a node in the room, and says `here`; gone without a word when its frame is removed. */
async function stranger(cluster: string, node: NodeId): Promise<{ leave(): void }> {
  const frame = document.body.appendChild(document.createElement("iframe"));
  const { navigator } = frame.contentWindow!;
  await new Promise<void>((held) => {
    void navigator.locks
      .request(`tabring-room/${cluster}/${node}`, () => {
        held();
        return new Promise<void>(() => {});
      })
      .catch(() => {});
  });
  const channel = openChannel(cluster);
  channel.postMessage(formatMessage({ type: "here", protocol: 1, node }));
  return { leave: () => frame.remove() };
}

function openChannel(cluster: string): BroadcastChannel {
  const channel = new BroadcastChannel(`tabring-room-${cluster}`);
  ends.push(() => channel.close());
  return channel;
}

test("who was there is known from the start, who comes is told, and a signal goes to one alone", async () => {
  const cluster = newCluster();
  const ada = new Guest(cluster);
  expect(ada.room.signal(newId(), "1", "too early")).toBe(false);
  await ada.until("joined");
  const bob = new Guest(cluster);
  await bob.until(`joined ${ada.node}`);
  await ada.until(`present ${bob.node}`);
  const eve = new Guest(cluster);
  await eve.until(`joined ${[ada.node, bob.node].sort().join(" ")}`);
  await bob.until(`present ${eve.node}`);

  expect(ada.room.signal(bob.node, "7", "offer")).toBe(true);
  await bob.until(`signal ${ada.node} 7 offer`);
  expect(bob.room.signal(ada.node, "7", "answer")).toBe(true);
  await ada.until(`signal ${bob.node} 7 answer`);
  expect(eve.count("signal")).toBe(0);
  expect(ada.room.signal(newId(), "7", "to nobody")).toBe(false);
  expect(ada.room.relay()).toBe(false);
});

test("those who come at the same moment meet all", async () => {
  const cluster = newCluster();
  const guests = Array.from({ length: 8 }, () => new Guest(cluster));
  for (const guest of guests) {
    const met = () =>
      new Set(guest.told.flatMap((what) => (/^(?:joined|present)/.test(what) ? what.split(" ").slice(1) : []))).size;
    while (met() < guests.length - 1) await new Promise((resolve) => setTimeout(resolve));
    expect(guest.count("absent")).toBe(0);
  }
});

test("who leaves is told of, also who is gone without a word, and who comes back", async () => {
  const cluster = newCluster();
  const ada = new Guest(cluster);
  await ada.until("joined");
  const bob = new Guest(cluster);
  await ada.until(`present ${bob.node}`);
  bob.room.close();
  await ada.until(`absent ${bob.node}`);
  const back = new Guest(cluster, { self: bob.node });
  ada.told.length = 0;
  await back.until(`joined ${ada.node}`);
  await ada.until(`present ${bob.node}`);
  ada.told.length = 0;
  back.room.restart();
  await ada.until(`present ${bob.node}`);
  expect(ada.told).toEqual([`absent ${bob.node}`, `present ${bob.node}`]);
  expect(back.told).toEqual([`joined ${ada.node}`, "down", `joined ${ada.node}`]);

  const lost = newId();
  const tab = await stranger(cluster, lost);
  await ada.until(`present ${lost}`);
  expect(ada.told).not.toContain(`absent ${lost}`);
  tab.leave();
  await ada.until(`absent ${lost}`);
});

test("who is away on purpose is not there, and comes back when he is to", async () => {
  const cluster = newCluster();
  const ada = new Guest(cluster);
  await ada.until("joined");
  const bob = new Guest(cluster);
  await ada.until(`present ${bob.node}`);
  bob.room.suspend();
  await ada.until(`absent ${bob.node}`);
  expect(bob.room.signal(ada.node, "1", "from outside")).toBe(false);
  bob.told.length = 0;
  ada.told.length = 0;
  bob.room.restart();
  await ada.until(`present ${bob.node}`);
  await bob.until(`joined ${ada.node}`);
});

test("a reload waits until the old page has let go of the node", async () => {
  const cluster = newCluster();
  const node = newId();
  const old = await stranger(cluster, node);
  const fresh = new Guest(cluster, { self: node });
  const ada = new Guest(cluster);
  await ada.until(`joined ${node}`);
  expect(fresh.told).toEqual([]);
  old.leave();
  await fresh.until(`joined ${ada.node}`);
});

test("one who says to be there and holds no lock is told as gone", async () => {
  const cluster = newCluster();
  const ada = new Guest(cluster);
  await ada.until("joined");
  const nobody = newId();
  openChannel(cluster).postMessage(formatMessage({ type: "here", protocol: 1, node: nobody }));
  await ada.until(`absent ${nobody}`);
});

test("clusters do not hear each other", async () => {
  const [ada, bob] = [new Guest(newCluster()), new Guest(newCluster())];
  await ada.until("joined");
  await bob.until("joined");
  expect(ada.room.signal(bob.node, "1", "x")).toBe(false);
});

test("rubbish changes nothing, and is told of once", async () => {
  const cluster = newCluster();
  const ada = new Guest(cluster);
  await ada.until("joined");
  const bob = new Guest(cluster);
  await bob.until(`joined ${ada.node}`);
  const channel = openChannel(cluster);
  for (const rubbish of [7, null, { type: "here" }, "{", "x".repeat(70_000), '{"type":"here","protocol":9}'])
    channel.postMessage(rubbish);
  bob.room.signal(ada.node, "1", "after it");
  await ada.until(`signal ${bob.node} 1 after it`);
  expect(ada.count("refused")).toBe(1);
});

test("of one who floods the room only so many signals are heard", async () => {
  const cluster = newCluster();
  const frozen: Clock = { ...clock, now: () => 0 };
  const ada = new Guest(cluster, { clock: frozen });
  await ada.until("joined");
  const loud = new Guest(cluster);
  await loud.until(`joined ${ada.node}`);
  const quiet = new Guest(cluster);
  await quiet.until(`joined ${[ada.node, loud.node].sort().join(" ")}`);
  for (let i = 0; i < 1_000; i++) loud.room.signal(ada.node, `${i}`, "x");
  // Channels keep the order of all that a page says.
  quiet.room.signal(ada.node, "1", "still heard");
  await ada.until(`signal ${quiet.node} 1 still heard`);
  expect(ada.count(`signal ${loud.node}`)).toBe(200);
});

test("a full room refuses by name and is tried again", async () => {
  const cluster = newCluster();
  const freed = new AbortController();
  ends.push(() => freed.abort());
  for (let i = 0; i < ROOM_MEMBERS_MAX; i++)
    await new Promise<void>((held) => {
      void navigator.locks.request(`tabring-room/${cluster}/${newId()}`, () => {
        held();
        return new Promise<void>((free) => freed.signal.addEventListener("abort", () => free()));
      });
    });
  let again = () => {};
  const waiting: Clock = {
    ...clock,
    after: (_, callback) => {
      again = callback;
      return () => {};
    },
  };
  const late = new Guest(cluster, { clock: waiting });
  await late.until("refused room-full");
  expect(late.room.signal(newId(), "1", "x")).toBe(false);
  freed.abort();
  again();
  await late.until("joined");
});

const [secret, otherSecret] = [random(32), random(32)];
function tab(cluster: string, self: NodeId, own = secret): WebRtcTransport {
  return new WebRtcTransport({ self, cluster, secret: own, seeds: [SAME_BROWSER], random, clock, greet: false });
}

describeTransportContract("WebRTC without a server", test, () => {
  const cluster = newCluster();
  const [aId, bId, strangerId] = [newId(), newId(), newId()];
  const [a, b] = [tab(cluster, aId), tab(cluster, bId)];
  expect(a.seedState).toBe("same-browser");
  return Promise.resolve({
    a,
    aId,
    b,
    bId,
    stranger: { id: strangerId, transport: tab(cluster, strangerId, otherSecret) },
    cleanup: () => Promise.resolve(),
  });
});
