/** The transport's own logic, in Node: who dials, sessions, routes, relays, cuts. Virtual time, and data channels that are two objects. */

import { describe, expect, test } from "vitest";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import type { NodeId } from "../core/identifiers.ts";
import { type Clock, MESSAGE_BYTES_MAX } from "../driver/ports.ts";
import { InMemoryRoom } from "./in-memory-room.ts";
import type { RtcConnection, RtcFactory, RtcHandlers } from "./rtc-connection.ts";
import { formatSignalPayload, type RtcSignal } from "./signal-payload.ts";
import type { Signaling } from "./signaling-client.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "./webrtc-transport.ts";

const ids = Array.from({ length: 6 }, (_, i) => `${i + 1}`.repeat(32)) as NodeId[];
const [n1, n2, n3] = ids as [NodeId, NodeId, NodeId];
const secret = sha256(utf8Encode("secret"));

/** Turns and timers in virtual time. */
class VirtualTime {
  nowMs = 1_000;
  #turns: (() => void)[] = [];
  #timers: { atMs: number; callback: () => void }[] = [];

  readonly post = (callback: () => void): void => void this.#turns.push(callback);
  readonly clock: Clock = {
    now: () => this.nowMs,
    wall: () => 1_700_000_000_000 + this.nowMs,
    after: (delayMs, callback) => {
      const timer = { atMs: this.nowMs + delayMs, callback };
      this.#timers.push(timer);
      return () => (this.#timers = this.#timers.filter((each) => each !== timer));
    },
  };

  /** Everything that happens within `forMs`; the promises' turns too. */
  async run(forMs = 100): Promise<void> {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      await Promise.resolve();
      const turn = this.#turns.shift();
      if (turn !== undefined) {
        turn();
        continue;
      }
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.shift();
      this.nowMs = next.atMs;
      next.callback();
    }
    this.nowMs = untilMs;
  }
}

/** Data channels between the nodes of one world. `blocked` never open; `intercepted` have somebody in between. */
class VirtualRtc {
  made = 0;
  open = 0;
  blocked = false;
  failsAtOnce = false;
  intercepted = false;
  readonly #connections = new Map<string, VirtualConnection>();
  readonly #post: (callback: () => void) => void;

  constructor(post: (callback: () => void) => void) {
    this.#post = post;
  }

  readonly factory: RtcFactory = (dialing, handlers) => {
    const connection: VirtualConnection = new VirtualConnection(`${++this.made}`, handlers, this.#post, (sdp) => {
      const other = this.#connections.get(sdp);
      if (other === undefined || this.blocked) return;
      connection.joinTo(other, this.intercepted);
      this.open++;
    });
    this.#connections.set(connection.name, connection);
    this.#post(() => {
      if (this.failsAtOnce) connection.fail();
      else if (dialing) handlers.signal({ type: "offer", sdp: connection.name });
    });
    return connection;
  };
}

class VirtualConnection implements RtcConnection {
  readonly name: string;
  readonly handlers: RtcHandlers;
  readonly bufferedBytes = 0;
  readonly #post: (callback: () => void) => void;
  readonly #answered: (sdp: string) => void;
  #other: VirtualConnection | undefined;
  #ended = false;

  constructor(
    name: string,
    handlers: RtcHandlers,
    post: (callback: () => void) => void,
    answered: (sdp: string) => void,
  ) {
    this.name = name;
    this.handlers = handlers;
    this.#post = post;
    this.#answered = answered;
  }

  signal(data: RtcSignal): void {
    if (data.type === "offer") this.handlers.signal({ type: "answer", sdp: `${this.name} ${data.sdp}` });
    // Half of the answer names the connection that it comes from.
    if (data.type === "answer") this.#answered(data.sdp.split(" ")[0] ?? "");
  }

  joinTo(other: VirtualConnection, intercepted: boolean): void {
    this.#other = other;
    other.#other = this;
    const [mine, theirs] = [sha256(utf8Encode(this.name)), sha256(utf8Encode(other.name))];
    const between = sha256(utf8Encode("between"));
    this.#post(() => {
      this.handlers.open({ local: mine, remote: intercepted ? between : theirs });
      other.handlers.open({ local: theirs, remote: intercepted ? between : mine });
    });
  }

  send(frame: Uint8Array): void {
    const copy = frame.slice();
    this.#post(() => {
      if (this.#other !== undefined && !this.#other.#ended) this.#other.handlers.frame(copy);
    });
  }

  close(): void {
    this.#ended = true;
    const other = this.#other;
    this.#post(() => other?.fail());
  }

  destroy(): void {
    this.close();
  }

  fail(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.handlers.closed("the connection was closed");
  }
}

interface Tab {
  readonly id: NodeId;
  readonly transport: WebRtcTransport;
  readonly signaling: Signaling;
  readonly story: string[];
}

class World {
  readonly time = new VirtualTime();
  readonly room = new InMemoryRoom(this.time.post);
  readonly rtc = new VirtualRtc(this.time.post);
  readonly tabs = new Map<NodeId, Tab>();

  async add(id: NodeId, options: Partial<WebRtcTransportOptions> = {}): Promise<Tab> {
    const prng = Prng.fromNumber(this.tabs.size + 1);
    const signaling = this.room.client(id);
    const transport = new WebRtcTransport({
      self: id,
      cluster: "shop",
      secret,
      seeds: [],
      random: (count) => Uint8Array.from({ length: count }, () => prng.below(256)),
      clock: this.time.clock,
      greet: false,
      signaling,
      makeConnection: this.rtc.factory,
      scheduleTurn: this.time.post,
      ...options,
    });
    const story: string[] = [];
    const short = (node: NodeId | undefined) => node?.slice(0, 1) ?? "?";
    await transport.open({
      connected: (peer, { kind }) => story.push(`connected ${short(peer)} ${kind}`),
      lost: (peer, reason) => story.push(`lost ${short(peer)}: ${reason}`),
      received: (peer, bytes) => story.push(`${short(peer)}: ${String.fromCharCode(...bytes)}`),
      refused: (error, peer) => story.push(`refused ${short(peer)}: ${error.name}`),
    });
    const tab: Tab = { id, transport, signaling, story };
    this.tabs.set(id, tab);
    await this.time.run();
    return tab;
  }

  /** Links `a` and `b` and forgets the stories so far. */
  async linked(...pairs: (readonly [Tab, Tab])[]): Promise<void> {
    for (const [a, b] of pairs) {
      a.transport.connect(b.id);
      await this.time.run();
      expect(a.transport.linkOf(b.id)).toBe("webrtc");
    }
    for (const tab of this.tabs.values()) tab.story.length = 0;
  }

  say(from: Tab, to: Tab, text: string): void {
    from.transport.send(to.id, utf8Encode(text), "foreground");
  }
}

async function worldOf(count: number, options: Partial<WebRtcTransportOptions> = {}): Promise<[World, ...Tab[]]> {
  const world = new World();
  const tabs: Tab[] = [];
  for (const id of ids.slice(0, count)) tabs.push(await world.add(id, options));
  return [world, ...tabs];
}
type Two = [World, Tab, Tab];
type Three = [World, Tab, Tab, Tab];

describe("who dials", () => {
  test.each([
    ["the lower id calls connect", [0]],
    ["the higher id calls connect", [1]],
    ["both do, at once", [0, 1]],
    ["both do, the other way round, and more than once", [1, 0, 1, 0]],
  ])("one pair of connections, one link: %s", async (_, callers) => {
    const [world, ...tabs] = await worldOf(2);
    for (const caller of callers) tabs[caller]!.transport.connect(tabs[1 - caller]!.id);
    await world.time.run(30_000);
    expect(tabs[0]!.story).toEqual(["connected 2 webrtc"]);
    expect(tabs[1]!.story).toEqual(["connected 1 webrtc"]);
    expect(world.rtc.made).toBe(2);
  });

  test("connect while a link is up does nothing", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    await world.linked([a, b]);
    a.transport.connect(b.id);
    b.transport.connect(a.id);
    await world.time.run(5_000);
    expect([a.story, b.story]).toEqual([[], []]);
  });

  test("a want that crossed the new link on its way means nothing; a later one says that the link is dead", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    await world.linked([a, b]);
    const want = (sequence: number) =>
      world.room.signal(b.id, a.id, "0", formatSignalPayload({ sequence, signal: { type: "want" } }));
    want(1);
    await world.time.run(1_000);
    expect(world.rtc.made).toBe(2);
    await world.time.run(1_000);
    want(2);
    await world.time.run(100);
    expect(world.rtc.made).toBe(4);
    expect(a.story).toEqual(["lost 2: replaced by a newer link", "connected 2 webrtc"]);
    expect(b.story).toEqual(["lost 1: replaced by a newer link", "connected 1 webrtc"]);
  });

  test("a node that reloaded replaces its old link: lost, then connected", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    await world.linked([a, b]);
    // Its page was killed: no goodbye, and nothing closes the connection.
    a.transport.setCut("all");
    const again = await world.add(a.id);
    await world.time.run(2_000);
    again.transport.connect(b.id);
    await world.time.run(500);
    expect(again.story).toEqual(["connected 2 webrtc"]);
    expect(b.story).toEqual(["lost 1: replaced by a newer link", "connected 1 webrtc"]);
  });
});

describe("sessions", () => {
  test("signals of an older session, copies, and rubbish are ignored", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    const signal = (session: string, payload: string) => world.room.signal(a.id, b.id, session, payload);
    const offer = formatSignalPayload({ sequence: 1, signal: { type: "offer", sdp: "x" } });
    signal("5", offer);
    await world.time.run(10);
    expect(world.rtc.made).toBe(1);
    for (const session of ["5", "4", "0", "-1", "1e9", "x", ""]) signal(session, offer);
    for (const payload of ["", "{", "null", '{"sequence":1}', '{"sequence":1,"signal":{"type":"offer","sdp":7}}'])
      signal("9", payload);
    // The higher id does not dial: an offer from it is against the rule.
    world.room.signal(b.id, a.id, "9", offer);
    await world.time.run(10);
    expect(world.rtc.made).toBe(1);
    signal("6", offer);
    await world.time.run(10);
    expect(world.rtc.made).toBe(2);
  });

  test("candidates that come before their offer are kept for it, and no more than 32", async () => {
    const [world, a] = (await worldOf(1)) as [World, Tab];
    const heard: RtcSignal[] = [];
    const b = await world.add(n2, {
      makeConnection: () => ({
        signal: (data) => heard.push(data),
        send: () => {},
        bufferedBytes: 0,
        close: () => {},
        destroy: () => {},
      }),
    });
    const candidate = (n: number): RtcSignal => ({
      type: "candidate",
      candidate: { candidate: `candidate ${n}`, sdpMLineIndex: 0, sdpMid: "0" },
    });
    const say = (sequence: number, signal: RtcSignal) =>
      world.room.signal(a.id, b.id, "7", formatSignalPayload({ sequence, signal }));
    world.room.signal(a.id, b.id, "6", formatSignalPayload({ sequence: 99, signal: candidate(99) }));
    for (let i = 0; i < 40; i++) say(i, candidate(i));
    say(40, { type: "offer", sdp: "x" });
    say(41, candidate(41));
    await world.time.run(10);
    expect(heard[0]).toEqual({ type: "offer", sdp: "x" });
    expect(heard.slice(1)).toEqual([...Array.from({ length: 32 }, (_, i) => candidate(i)), candidate(41)]);

    // Those of a session that is still to come are not for the one before it.
    heard.length = 0;
    world.room.signal(a.id, b.id, "9", formatSignalPayload({ sequence: 50, signal: candidate(50) }));
    world.room.signal(a.id, b.id, "8", formatSignalPayload({ sequence: 51, signal: { type: "offer", sdp: "y" } }));
    await world.time.run(10);
    expect(heard).toEqual([{ type: "offer", sdp: "y" }]);
  });
});

describe("when no data channel can be made", () => {
  test.each(["blocked", "failsAtOnce"] as const)("the link is relayed after two tries: %s", async (how) => {
    const [world, a, b] = (await worldOf(2)) as Two;
    world.rtc[how] = true;
    b.transport.connect(a.id);
    await world.time.run(how === "blocked" ? 8_000 : 1_000);
    expect(a.story).toEqual(["connected 2 relayed"]);
    expect(b.story).toEqual(["connected 1 relayed"]);
    expect(a.transport.counters.connectionsMade).toBe(how === "blocked" ? 1 : 2);
    world.say(a, b, "hello");
    world.say(b, a, "to you");
    await world.time.run();
    expect(a.story.at(-1)).toBe("2: to you");
    expect(b.story.at(-1)).toBe("1: hello");
    world.room.takeDown();
    await world.time.run();
    expect(a.story.at(-1)).toBe("lost 2: the server is gone");
    expect(b.story.at(-1)).toBe("lost 1: the server is gone");
  });

  test("a peer without WebRTC is dialled twice, and then relayed", async () => {
    const [world, a] = (await worldOf(1)) as [World, Tab];
    const b = await world.add(n2, {
      makeConnection: () => {
        throw new Error("no WebRTC here");
      },
    });
    b.transport.connect(a.id);
    await world.time.run(8_000);
    expect(a.story).toEqual(["connected 2 relayed"]);
    expect(b.story).toEqual(["connected 1 relayed"]);
    expect(a.transport.counters.connectionsMade).toBe(2);
  });

  test("an attempt ends after 12 s at the latest, and the next one works", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    world.rtc.blocked = true;
    world.room.relays = false;
    a.transport.connect(b.id);
    await world.time.run(12_000);
    world.rtc.blocked = false;
    a.transport.connect(b.id);
    await world.time.run(100);
    expect(a.story).toEqual(["connected 2 webrtc"]);
    expect(a.transport.counters.attempts).toBe(2);
  });

  test("a connect to nobody constructs no connection", async () => {
    const [world, a] = (await worldOf(1)) as [World, Tab];
    a.transport.connect(n2);
    await world.time.run(20_000);
    expect(world.rtc.made).toBe(0);
    expect(a.story).toEqual([]);
  });
});

describe("who is refused", () => {
  test("a wrong secret, by name at both ends, without a relayed try", async () => {
    const [world, a] = (await worldOf(1)) as [World, Tab];
    const stranger = await world.add(n2, { secret: sha256(utf8Encode("guess")) });
    a.transport.connect(stranger.id);
    await world.time.run(20_000);
    expect(a.story).toEqual(["refused 2: WrongSecretError"]);
    expect(stranger.story).toEqual(["refused 1: WrongSecretError"]);
    expect(world.rtc.made).toBe(2);
  });

  test("somebody in the middle of a data channel, though both ends know the secret", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    world.rtc.intercepted = true;
    a.transport.connect(b.id);
    await world.time.run(20_000);
    expect(a.story).toEqual(["refused 2: WrongSecretError"]);
    expect(b.story).toEqual(["refused 1: WrongSecretError"]);
  });
});

test("a message over the limit is refused by name and leaves the link as it is", async () => {
  const [world, a, b] = (await worldOf(2)) as Two;
  await world.linked([a, b]);
  a.transport.send(b.id, new Uint8Array(MESSAGE_BYTES_MAX), "foreground");
  await world.time.run();
  expect(a.story).toEqual(["refused 2: OversizedError"]);
  world.say(a, b, "still up");
  await world.time.run();
  expect(b.story).toEqual(["1: still up"]);
});

describe("without the server", () => {
  test("cut off from it on purpose: links stay, new ones go through members, and nobody comes back to it before that is undone", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([a, b], [b, c]);
    for (const tab of [a, b, c]) tab.transport.setServerCut(true);
    await world.time.run(30_000);
    expect([a, b, c].map((tab) => tab.transport.seedState)).toEqual(["connecting", "connecting", "connecting"]);
    a.transport.connect(c.id);
    await world.time.run(100);
    expect(a.story).toEqual(["connected 3 webrtc"]);
    // The end of another cut does not bring it back.
    a.transport.setCut("all");
    a.transport.setCut("none");
    await world.time.run(1_000);
    expect(a.transport.seedState).toBe("connecting");
    for (const tab of [a, b, c]) tab.transport.setServerCut(false);
    await world.time.run(1_000);
    expect([a, b, c].map((tab) => tab.transport.seedState)).toEqual(["connected", "connected", "connected"]);
  });

  test("links stay, and new ones are made through a common neighbour, whoever asks", async () => {
    for (const asker of [1, 3]) {
      const [world, a, b, c] = (await worldOf(3)) as Three;
      await world.linked([a, b], [b, c]);
      world.room.takeDown();
      await world.time.run(10_000);
      expect(a.transport.seedState).toBe("connecting");
      if (asker === 1) a.transport.connect(c.id);
      else c.transport.connect(a.id);
      await world.time.run(100);
      expect(a.story).toEqual(["connected 3 webrtc"]);
      expect(c.story).toEqual(["connected 1 webrtc"]);
      expect(b.story).toEqual([]);
      world.say(a, c, "hello");
      await world.time.run();
      expect(c.story.at(-1)).toBe("1: hello");
    }
  });

  test("through two members, but not three", async () => {
    const [world, ...tabs] = await worldOf(5);
    const [a, b, c, d, e] = tabs as [Tab, Tab, Tab, Tab, Tab];
    await world.linked([a, b], [b, c], [c, d], [d, e]);
    world.room.takeDown();
    await world.time.run(10);
    a.transport.connect(e.id);
    await world.time.run(15_000);
    expect(a.story).toEqual([]);
    a.transport.connect(d.id);
    await world.time.run(100);
    expect(a.story).toEqual(["connected 4 webrtc"]);
    expect(world.rtc.open).toBe(5);
  });

  test("also when the server is there but does not know the peer", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([a, b], [b, c]);
    c.signaling.close();
    await world.time.run(10);
    a.transport.connect(c.id);
    await world.time.run(100);
    expect(a.story).toEqual(["connected 3 webrtc"]);
  });

  test("a neighbour that comes up late is used at once", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([b, c]);
    c.signaling.close();
    await world.time.run(10);
    a.transport.connect(c.id);
    await world.time.run(100);
    a.transport.connect(b.id);
    await world.time.run(200);
    expect(a.story).toEqual(["connected 2 webrtc", "connected 3 webrtc"]);
  });
});

describe("cuts", () => {
  test("cut off from all: nothing passes, links die of silence at both ends, connect fails; healed, it works again", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([a, b], [b, c]);
    a.transport.setCut("all");
    expect(a.transport.seedState).toBe("connecting");
    world.say(a, b, "lost");
    world.say(b, a, "lost");
    await world.time.run(3_000);
    expect([a.story, b.story]).toEqual([[], []]);
    await world.time.run(2_000);
    expect(a.story).toEqual(["lost 2: silent"]);
    expect(b.story).toEqual(["lost 1: silent"]);
    const { made } = world.rtc;
    a.transport.connect(b.id);
    b.transport.connect(a.id);
    const d = await world.add("9".repeat(32) as NodeId);
    await world.time.run(5_000);
    expect(a.story).toHaveLength(1);
    expect(b.story).toHaveLength(1);
    // a has not answered, nor even thought of it.
    expect(world.rtc.made).toBe(made);
    expect(a.transport.present).toEqual([b.id, c.id]);

    a.transport.setCut("none");
    await world.time.run(10);
    expect(a.transport.seedState).toBe("connected");
    expect(a.transport.present).toEqual([b.id, c.id, d.id]);
    a.transport.connect(b.id);
    await world.time.run(2_500);
    expect(a.story.at(-1)).toBe("connected 2 webrtc");
    expect(b.story.at(-1)).toBe("connected 1 webrtc");
    expect(b.transport.linkOf(c.id)).toBe("webrtc");
  });

  test("cut from one peer: the others are not touched, and members do not carry signals across", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([a, b], [b, c], [a, c]);
    a.transport.setCut([c.id]);
    await world.time.run(6_000);
    expect(a.story).toEqual(["lost 3: silent"]);
    expect(c.story).toEqual(["lost 1: silent"]);
    c.transport.connect(a.id);
    a.transport.connect(c.id);
    world.say(a, b, "still here");
    await world.time.run(15_000);
    expect(b.story).toEqual(["1: still here"]);
    expect(a.story).toHaveLength(1);
    a.transport.setCut("none");
    c.transport.connect(a.id);
    await world.time.run(100);
    expect(a.story.at(-1)).toBe("connected 3 webrtc");
  });

  test("a short cut that lost frames costs the link, quietly: nothing is delivered with a hole in it", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    await world.linked([a, b]);
    a.transport.setCut([b.id]);
    world.say(a, b, "lost");
    await world.time.run(500);
    a.transport.setCut("none");
    world.say(a, b, "after");
    await world.time.run(500);
    expect(a.story).toEqual(["lost 2: frames were lost in a cut"]);
    expect(b.story).toEqual(["lost 1: the connection was closed"]);
  });

  test("that the other side closed is not heard through a cut either", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    await world.linked([a, b]);
    a.transport.setCut([b.id]);
    await b.transport.close();
    await world.time.run(3_000);
    expect(a.story).toEqual([]);
    await world.time.run(1_000);
    expect(a.story).toEqual(["lost 2: silent"]);
  });

  test("a relayed link is cut as well", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    world.rtc.failsAtOnce = true;
    a.transport.connect(b.id);
    await world.time.run(1_000);
    a.transport.setCut([b.id]);
    world.say(b, a, "lost");
    await world.time.run(5_000);
    expect(a.story).toEqual(["connected 2 relayed", "lost 2: silent"]);
    expect(b.story).toEqual(["connected 1 relayed", "lost 1: silent"]);
  });
});

describe("the room", () => {
  test("who is present is told, also to a listener that comes late", async () => {
    const [world, a, b] = (await worldOf(2)) as Two;
    const met: NodeId[] = [];
    a.transport.onPresent((node) => met.push(node));
    expect(met).toEqual([b.id]);
    const c = await world.add(n3);
    expect(met).toEqual([b.id, c.id]);
    expect(a.transport.present).toEqual([b.id, c.id]);
  });

  test("without a seed a node greets up to three, and goes on until it has a link; refused ones are left alone", async () => {
    const world = new World();
    const strangers = [await world.add(n2, { secret: sha256(utf8Encode("guess")) })];
    const a = await world.add(n1, { greet: true });
    await world.time.run(1_000);
    expect(a.story).toEqual(["refused 2: WrongSecretError"]);
    await world.time.run(60_000);
    expect(strangers[0]!.story).toHaveLength(1);
    const c = await world.add(n3);
    await world.time.run(10_000);
    expect(a.story.slice(1)).toEqual(["connected 3 webrtc"]);
    expect(c.story).toEqual(["connected 1 webrtc"]);
  });

  test("close says goodbye to all, once; then nothing more is said or done", async () => {
    const [world, a, b, c] = (await worldOf(3)) as Three;
    await world.linked([a, b], [a, c]);
    void a.transport.close();
    // All of it happens within the call: a page that is left gets no other turn.
    expect(a.story).toEqual(["lost 2: closed", "lost 3: closed"]);
    await world.time.run(100);
    expect(b.story).toEqual(["lost 1: goodbye: closed"]);
    expect(c.story).toEqual(["lost 1: goodbye: closed"]);
    expect(b.transport.present).toEqual([c.id]);
    b.transport.connect(a.id);
    a.transport.connect(b.id);
    await world.time.run(20_000);
    expect(a.story).toHaveLength(2);
  });
});
