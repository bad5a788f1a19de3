import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { Lane } from "../core/effect.ts";
import { PROTOCOL } from "../core/versions.ts";
import { MalformedMessageError, OversizedError, ProtocolVersionError, WrongSecretError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { FRAME_BYTES_MIN, FRAME_KIND, MESSAGE_BYTES_MAX, QUEUE_BYTES_MAX, WINDOW_BYTES } from "./frame.ts";
import {
  BACKGROUND_WATER_BYTES,
  FROZEN_AFTER_MS,
  HANDSHAKE_MS_MAX,
  HIGH_WATER_BYTES,
  Link,
  type LinkEvent,
  type LinkOptions,
  PING_AFTER_MS,
  SILENT_AFTER_MS,
  UNFINISHED_MS_MAX,
} from "./link.ts";

const ada = "a".repeat(32) as NodeId;
const bob = "b".repeat(32) as NodeId;
const filled = (byte: number) => new Uint8Array(32).fill(byte);
const bound = { a: { local: filled(10), remote: filled(11) }, b: { local: filled(11), remote: filled(10) } };

function linkA(given: Partial<LinkOptions> = {}): Link {
  return new Link({
    self: ada,
    peer: bob,
    cluster: "shop",
    secret: filled(42),
    role: "initiator",
    nonce: filled(1),
    binding: bound.a,
    frameBytesMax: 65_536,
    now: 0,
    ...given,
  });
}

function linkB(given: Partial<LinkOptions> = {}): Link {
  return linkA({ self: bob, peer: undefined, role: "responder", nonce: filled(2), binding: bound.b, ...given });
}

type Closed = Extract<LinkEvent, { kind: "closed" }>;

/** One end with its link, what it reported and what the channel still holds of its frames. */
class End {
  readonly link: Link;
  readonly events: LinkEvent[] = [];
  readonly channel: Uint8Array[] = [];

  constructor(link: Link) {
    this.link = link;
  }

  get bufferedBytes(): number {
    return this.channel.reduce((sum, frame) => sum + frame.length, 0);
  }

  get messages(): Uint8Array[] {
    return this.events.flatMap((event) => (event.kind === "message" ? [event.bytes] : []));
  }

  get closed(): Closed | undefined {
    return this.events.find((event) => event.kind === "closed");
  }

  poll(now = 0, bufferedBytes = this.bufferedBytes): Uint8Array[] {
    const frames = this.link.poll(now, bufferedBytes);
    this.channel.push(...frames);
    return frames;
  }

  /** The channel gives the next frame to the other side. */
  deliver(to: End, now = 0): boolean {
    const frame = this.channel.shift();
    if (frame === undefined) return false;
    to.events.push(...to.link.receive(frame, now));
    return true;
  }
}

/** Until neither side has anything to say. */
function settle(a: End, b: End, now = 0): void {
  for (;;) {
    a.poll(now);
    b.poll(now);
    const fromA = a.deliver(b, now);
    const fromB = b.deliver(a, now);
    if (!fromA && !fromB) return;
  }
}

function pair(a: Partial<LinkOptions> = {}, b: Partial<LinkOptions> = {}): { a: End; b: End } {
  const ends = { a: new End(linkA(a)), b: new End(linkB(b)) };
  settle(ends.a, ends.b);
  return ends;
}

function upPair(sealed = false): { a: End; b: End } {
  const { a, b } = sealed ? pair({ binding: undefined }, { binding: undefined }) : pair();
  expect(a.events).toEqual([{ kind: "up", peer: bob, protocol: PROTOCOL }]);
  expect(b.events).toEqual([{ kind: "up", peer: ada, protocol: PROTOCOL }]);
  return { a, b };
}

describe("coming up", () => {
  test("both ends once, and not before the other's proof", () => {
    const [a, b] = [new End(linkA()), new End(linkB())];
    expect(b.link.peer).toBeUndefined();
    expect(a.link.send(filled(1), "foreground")).toBe(false);
    a.poll();
    b.poll();
    a.deliver(b);
    expect(b.link.state).toBe("proving");
    expect(b.events).toEqual([]);
    settle(a, b);
    expect([a.link.state, b.link.state]).toEqual(["up", "up"]);
    expect([a.events.length, b.events.length]).toEqual([1, 1]);
    expect(b.link.peer).toBe(ada);
  });

  test("messages may follow in the very same turn", () => {
    const [a, b] = [new End(linkA()), new End(linkB())];
    b.poll();
    a.poll();
    a.deliver(b);
    b.poll();
    while (b.deliver(a));
    expect(a.link.state).toBe("up");
    expect(a.link.send(filled(7), "foreground")).toBe(true);
    settle(a, b);
    expect(b.messages).toEqual([filled(7)]);
  });

  test.each([
    ["a wrong secret", { secret: filled(9) }, WrongSecretError],
    ["another cluster", { cluster: "other" }, WrongSecretError],
    ["a man in the middle", { binding: { local: filled(11), remote: filled(99) } }, WrongSecretError],
    ["other versions", { protocol: { min: 3, max: 3 } }, ProtocolVersionError],
  ])("%s is named at both ends, and nothing is delivered", (_, given, kind) => {
    const { a, b } = pair({}, given);
    for (const end of [a, b]) {
      expect(end.events).toHaveLength(1);
      expect(end.closed?.error).toBeInstanceOf(kind);
      expect(end.link.state).toBe("closed");
      expect(end.link.send(filled(1), "foreground")).toBe(false);
      expect(end.link.wakeAt()).toBeUndefined();
    }
  });

  test("the side that could not see the fault itself is told", () => {
    const [a, b] = [new End(linkA({ peer: "c".repeat(32) as NodeId })), new End(linkB())];
    settle(a, b);
    expect(a.closed?.error).toMatchObject({ code: "wrong-peer" });
    expect(b.closed).toMatchObject({ error: { code: "wrong-peer" }, reason: "refused: wrong-peer" });
  });

  test("a refusal is believed before the link is up, and never after", () => {
    const { a, b } = upPair();
    b.channel.push(new Uint8Array([FRAME_KIND.refuse, 1]));
    b.deliver(a);
    expect(a.closed?.error).toBeInstanceOf(MalformedMessageError);
  });

  test("data before the proof closes, and is not delivered", () => {
    const a = new End(linkA());
    a.events.push(...a.link.receive(new Uint8Array([FRAME_KIND.foreground, 0, 0, 4, 9]), 0));
    expect(a.events).toHaveLength(1);
    expect(a.closed?.error).toBeInstanceOf(MalformedMessageError);
    expect(a.poll().at(-1)?.[0]).toBe(FRAME_KIND.refuse);
  });

  test("it has 5 seconds", () => {
    const a = new End(linkA({ now: 1_000 }));
    expect(a.link.wakeAt()).toBe(1_000 + HANDSHAKE_MS_MAX);
    expect(a.link.wake(1_000 + HANDSHAKE_MS_MAX - 1)).toEqual([]);
    expect(a.link.wake(1_000 + HANDSHAKE_MS_MAX)).toEqual([
      { kind: "closed", error: undefined, reason: "handshake timed out" },
    ]);
    expect(a.link.wake(99_000)).toEqual([]);
  });
});

describe("messages", () => {
  test("arrive whole and in order per lane, however frames, polls and buffers interleave", () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant("send" as const),
        from: fc.boolean(),
        lane: fc.constantFrom<Lane>("foreground", "background"),
        length: fc.oneof(fc.nat(200), fc.nat(40_000), fc.constantFrom(16_384, 65_536, 150_000, 400_000)),
      }),
      fc.record({
        kind: fc.constant("poll" as const),
        from: fc.boolean(),
        bufferedBytes: fc.constantFrom(0, BACKGROUND_WATER_BYTES - 1, BACKGROUND_WATER_BYTES, HIGH_WATER_BYTES),
      }),
      fc.record({ kind: fc.constant("deliver" as const), from: fc.boolean() }),
    );
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.integer({ min: 16_384, max: 65_536 }),
        fc.array(action, { maxLength: 60 }),
        (sealed, frameBytesMax, actions) => {
          const given = sealed ? { binding: undefined } : {};
          const { a, b } = pair({ ...given, frameBytesMax }, given);
          const sent = { a: [] as Uint8Array[], b: [] as Uint8Array[] };
          let serial = 0;
          for (const each of actions) {
            const [from, to] = each.from ? [a, b] : [b, a];
            if (each.kind === "poll") from.poll(0, each.bufferedBytes);
            else if (each.kind === "deliver") from.deliver(to);
            else {
              const prng = Prng.fromNumber(serial);
              const bytes = Uint8Array.from({ length: each.length + 5 }, () => prng.uint32());
              bytes[0] = each.lane === "foreground" ? 0 : 1;
              new DataView(bytes.buffer).setUint32(1, serial++);
              expect(from.link.send(bytes, each.lane)).toBe(true);
              sent[each.from ? "a" : "b"].push(bytes);
            }
          }
          settle(a, b);
          for (const [messages, got] of [
            [sent.a, b.messages],
            [sent.b, a.messages],
          ] as const)
            for (const lane of [0, 1]) {
              const wanted = messages.filter((bytes) => bytes[0] === lane);
              const found = got.filter((bytes) => bytes[0] === lane);
              expect(found.length).toBe(wanted.length);
              found.forEach((bytes, i) => expect(Buffer.compare(bytes, wanted[i]!)).toBe(0));
            }
          expect([a.link.state, b.link.state]).toEqual(["up", "up"]);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("what one turn says to a peer goes out as one frame", () => {
    const { a, b } = upPair();
    for (let i = 0; i < 30; i++) a.link.send(filled(i), "foreground");
    expect(a.poll()).toHaveLength(1);
    a.deliver(b);
    expect(b.messages).toHaveLength(30);
  });

  test("the largest one passes in both lanes, one byte more is refused", () => {
    const { a, b } = upPair();
    expect(a.link.send(new Uint8Array(MESSAGE_BYTES_MAX + 1), "foreground")).toBe(false);
    for (const lane of ["foreground", "background"] as const)
      expect(a.link.send(new Uint8Array(MESSAGE_BYTES_MAX), lane)).toBe(true);
    settle(a, b);
    expect(b.messages.map((bytes) => bytes.length)).toEqual([MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX]);
  });

  test("are the receiver's own, also where a channel gives Node's Buffer", () => {
    const { a, b } = upPair();
    a.link.send(new Uint8Array([1, 2, 3]), "foreground");
    const frame = Buffer.from(a.poll()[0]!);
    b.events.push(...b.link.receive(frame, 0));
    frame.fill(0);
    expect(b.messages).toEqual([new Uint8Array([1, 2, 3])]);
    expect(b.messages[0]!.buffer.byteLength).toBe(3);
  });

  test("foreground goes before background, background frames are small, and wait for a channel that is nearly empty", () => {
    const { a } = upPair();
    a.link.send(new Uint8Array(200_000), "background");
    a.link.send(new Uint8Array(100_000), "foreground");
    const frames = a.poll(0, 0);
    const kinds = frames.map((frame) => frame[0]);
    expect(kinds).toEqual([FRAME_KIND.foreground, FRAME_KIND.foreground]);
    expect(a.link.heldBack).toBe(true);
    expect(a.poll(0, BACKGROUND_WATER_BYTES)).toEqual([]);
    const background = a.poll(0, BACKGROUND_WATER_BYTES - 1);
    expect(background.map((frame) => frame[0])).toEqual([FRAME_KIND.background]);
    expect(background[0]!.length).toBeLessThanOrEqual(FRAME_BYTES_MIN);
  });

  test("nothing goes out above the high water mark, and the host is told to come again", () => {
    const { a, b } = upPair();
    a.link.send(filled(1), "foreground");
    expect(a.poll(0, HIGH_WATER_BYTES)).toEqual([]);
    expect(a.link.heldBack).toBe(true);
    settle(a, b);
    expect(a.link.heldBack).toBe(false);
    expect(b.messages).toHaveLength(1);
  });

  test("one poll fills the channel up to the high water mark and not further than a frame beyond", () => {
    const { a } = upPair();
    a.link.send(new Uint8Array(4_000_000), "foreground");
    const frames = a.poll(0, 500_000);
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 500_000);
    expect(bytes).toBeGreaterThanOrEqual(HIGH_WATER_BYTES);
    expect(bytes).toBeLessThan(HIGH_WATER_BYTES + 65_536);
  });

  test("a peer that does not read is sent a window and no more, then the queue fills and refuses", () => {
    const { a } = upPair();
    let queued = 0;
    while (a.link.send(new Uint8Array(100_000), "background")) queued++;
    expect(queued * 100_000).toBeLessThanOrEqual(QUEUE_BYTES_MAX.background);
    let bytes = 0;
    for (let i = 0; i < 1_000; i++) bytes += a.poll(0, 0).reduce((sum, frame) => sum + frame.length, 0);
    expect(bytes).toBeLessThanOrEqual(WINDOW_BYTES.background);
    expect(a.link.heldBack).toBe(false);
  });

  test("a peer that sends beyond its credit is dropped and named", () => {
    const { a } = upPair();
    for (let sequence = 0; a.closed === undefined; sequence++) {
      const frame = new Uint8Array(16_000);
      const body = 16_000 - (sequence < 128 ? 6 : 7);
      frame.set([FRAME_KIND.background, 0, ...(sequence < 128 ? [sequence] : [(sequence & 127) | 128, sequence >> 7])]);
      frame.set([((body * 4) & 127) | 128, (((body * 4) >> 7) & 127) | 128, (body * 4) >> 14], 16_000 - body - 3);
      // Never polled: so no credit is given back, as by a tab that is busy.
      a.events.push(...a.link.receive(frame, 0));
    }
    expect(a.closed.error).toBeInstanceOf(OversizedError);
    expect(a.closed.error?.message).toContain("credit");
    expect(a.messages).toHaveLength(Math.floor(WINDOW_BYTES.background / 16_000));
  });
});

describe("bad frames", () => {
  test.each([false, true])("too large (sealed: %s)", (sealed) => {
    const { a } = upPair(sealed);
    a.events.push(...a.link.receive(new Uint8Array(65_537), 0));
    expect(a.closed?.error).toBeInstanceOf(OversizedError);
  });

  test("an oversized declaration closes before it is allocated", () => {
    const { a } = upPair();
    a.events.push(...a.link.receive(new Uint8Array([FRAME_KIND.foreground, 0, 0, 5, 255, 255, 255, 255, 127, 1]), 0));
    expect(a.closed?.error).toBeInstanceOf(OversizedError);
  });

  test("a sealed frame with a flipped bit closes the link, and nothing of it is delivered", () => {
    fc.assert(
      fc.property(fc.nat(), (place) => {
        const { a, b } = upPair(true);
        a.link.send(filled(3), "foreground");
        const [frame] = a.poll();
        frame![(place >> 3) % frame!.length]! ^= 1 << (place & 7);
        a.deliver(b);
        expect(b.messages).toEqual([]);
        expect(b.closed?.error).toBeInstanceOf(MalformedMessageError);
      }),
    );
  });

  test("sealed frames that are repeated, dropped or exchanged close the link", () => {
    for (const tamper of [
      (frames: Uint8Array[]) => [frames[0]!, frames[0]!],
      (frames: Uint8Array[]) => [frames[1]!],
      (frames: Uint8Array[]) => [frames[1]!, frames[0]!],
    ]) {
      const { a, b } = upPair(true);
      a.link.send(filled(3), "foreground");
      a.poll();
      a.link.send(filled(4), "foreground");
      a.poll();
      a.channel.splice(0, 2, ...tamper(a.channel.slice()));
      while (a.deliver(b));
      expect(b.closed?.error).toBeInstanceOf(MalformedMessageError);
      expect(b.messages.length).toBeLessThan(2);
    }
  });

  test("what is sealed cannot be read", () => {
    const { a } = upPair(true);
    a.link.send(filled(3), "foreground");
    expect(Buffer.from(a.poll()[0]!).includes(Buffer.from(filled(3).subarray(0, 4)))).toBe(false);
  });

  test("one bad record spoils its frame: nothing of it is delivered", () => {
    const { a } = upPair();
    a.events.push(...a.link.receive(new Uint8Array([FRAME_KIND.foreground, 0, 0, 4, 9, 4 + 3, 9]), 0));
    expect(a.messages).toEqual([]);
    expect(a.closed?.reason).toBe("malformed-message");
  });

  test("the other side is told with a goodbye", () => {
    const { a, b } = upPair();
    a.events.push(...a.link.receive(new Uint8Array([77]), 0));
    settle(a, b);
    expect(b.closed).toEqual({ kind: "closed", error: undefined, reason: "goodbye: malformed-message" });
  });

  test("random frames never throw, at any point, and close at most once", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("greeting", "proving", "up", "sealed"),
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 120 }),
            fc
              .tuple(fc.integer({ min: 1, max: 8 }), fc.nat(15), fc.nat(2), fc.uint8Array({ maxLength: 60 }))
              .map(([kind, flags, sequence, rest]) => new Uint8Array([kind, flags, sequence, ...rest])),
          ),
          { maxLength: 8 },
        ),
        (point, frames) => {
          const given = point === "sealed" ? { binding: undefined } : {};
          const [a, b] = [new End(linkA(given)), new End(linkB(given))];
          b.poll();
          if (point === "proving") b.deliver(a);
          if (point === "up" || point === "sealed") settle(a, b);
          frames.forEach((frame, i) => {
            a.events.push(...a.link.receive(frame, i));
            a.poll(i);
            a.events.push(...a.link.wake(i));
          });
          const last = a.events.at(-1);
          const closings = a.events.filter((event) => event.kind === "closed");
          expect(closings.length).toBeLessThanOrEqual(1);
          if (closings.length === 1) expect(last).toBe(closings[0]);
          expect(a.link.state === "closed").toBe(closings.length === 1);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("heartbeat", () => {
  test("a quiet link pings after a second, is answered, and lives on", () => {
    const { a, b } = upPair();
    for (let now = PING_AFTER_MS; now <= 60_000; now += PING_AFTER_MS) {
      expect(a.link.wakeAt()).toBe(now);
      for (const end of [a, b]) end.events.push(...end.link.wake(now));
      settle(a, b, now);
    }
    expect([a.events.length, b.events.length]).toEqual([1, 1]);
  });

  test("an idle second costs one small frame each way, if that", () => {
    const { a, b } = upPair();
    expect(a.poll(10)).toEqual([]);
    a.link.wake(PING_AFTER_MS);
    expect(a.poll(PING_AFTER_MS).map((frame) => frame.length)).toEqual([2]);
    a.deliver(b, PING_AFTER_MS);
    expect(b.link.wake(PING_AFTER_MS + 1)).toEqual([]);
    expect(b.poll(PING_AFTER_MS + 1).map((frame) => frame.length)).toEqual([2]);
    b.deliver(a, PING_AFTER_MS + 2);
    expect(a.poll(PING_AFTER_MS + 2)).toEqual([]);
  });

  test("no ping is put on a channel that is full", () => {
    const { a } = upPair();
    a.link.wake(PING_AFTER_MS);
    expect(a.poll(PING_AFTER_MS, HIGH_WATER_BYTES)).toEqual([]);
    expect(a.link.heldBack).toBe(true);
    expect(a.poll(PING_AFTER_MS, 0)).toHaveLength(1);
  });

  test("a link on which nothing comes is closed as silent, after three questions", () => {
    const { a } = upPair();
    let questions = 0;
    let now = 0;
    while (a.closed === undefined) {
      now = a.link.wakeAt()!;
      a.events.push(...a.link.wake(now));
      if (a.closed === undefined) questions += a.poll(now, 0).length;
    }
    expect(now).toBe(SILENT_AFTER_MS);
    expect(questions).toBe(3);
    expect(a.closed).toEqual({ kind: "closed", error: undefined, reason: "silent" });
  });

  test("a tab that was frozen asks before it accuses, once", () => {
    const { a } = upPair();
    const late = a.link.wakeAt()! + FROZEN_AFTER_MS + 30_000;
    expect(a.link.wake(late)).toEqual([]);
    expect(a.link.state).toBe("up");
    expect(a.poll(late).map((frame) => frame[0])).toEqual([FRAME_KIND.control]);
    expect(a.link.wakeAt()).toBe(late + PING_AFTER_MS);
    // Late again, and still not a word from the other side: it is gone.
    expect(a.link.wake(late + 60_000)).toMatchObject([{ kind: "closed", reason: "silent" }]);
  });

  test("one that was answered since may be frozen again", () => {
    const { a, b } = upPair();
    for (const now of [30_000, 60_000, 90_000]) {
      for (const end of [a, b]) expect(end.link.wake(now)).toEqual([]);
      settle(a, b, now);
    }
    expect([a.link.state, b.link.state]).toEqual(["up", "up"]);
  });

  test("a message that was begun must get on", () => {
    const { a, b } = upPair();
    b.link.send(new Uint8Array(100_000), "foreground");
    b.poll();
    b.deliver(a);
    let now = 0;
    while (a.closed === undefined) {
      now += 500;
      // Something else is heard all the time.
      a.link.receive(new Uint8Array([FRAME_KIND.control, 0]), now);
      a.events.push(...a.link.wake(now));
    }
    expect(now).toBe(UNFINISHED_MS_MAX);
    expect(a.closed.error).toBeInstanceOf(MalformedMessageError);
    expect(a.messages).toEqual([]);
  });

  test("a background message may be kept waiting by the foreground", () => {
    const { a, b } = upPair();
    b.link.send(new Uint8Array(100_000), "background");
    b.link.send(filled(1), "foreground");
    b.poll(0, 0);
    b.deliver(a);
    b.deliver(a);
    b.channel.length = 0;
    for (let now = 500; now <= 3 * UNFINISHED_MS_MAX; now += 500) {
      b.link.send(filled(1), "foreground");
      const frames = b.link.poll(now, BACKGROUND_WATER_BYTES);
      expect(frames).toHaveLength(1);
      a.events.push(...a.link.receive(frames[0]!, now), ...a.link.wake(now));
    }
    expect(a.closed).toBeUndefined();
  });
});

describe("the end", () => {
  test.each([false, true])("a goodbye tells the other side why (sealed: %s)", (sealed) => {
    const { a, b } = upPair(sealed);
    a.link.send(filled(1), "foreground");
    a.channel.push(...a.link.close("leaving"));
    expect(a.channel).toHaveLength(1);
    expect(a.link.state).toBe("closed");
    expect(a.link.close("again")).toEqual([]);
    a.deliver(b);
    expect(b.closed).toEqual({ kind: "closed", error: undefined, reason: "goodbye: leaving" });
    expect(b.messages).toEqual([]);
    expect(b.link.receive(new Uint8Array([1, 2]), 0)).toEqual([]);
  });

  test("what the other side sent is not taken any more", () => {
    const { a, b } = upPair();
    b.link.send(filled(1), "foreground");
    b.poll();
    a.link.close("leaving");
    b.deliver(a);
    expect(a.messages).toEqual([]);
  });
});
