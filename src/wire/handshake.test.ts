import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import {
  MalformedMessageError,
  OversizedError,
  ProtocolVersionError,
  TabringError,
  WrongSecretError,
} from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { FRAME_KIND } from "./frame.ts";
import { Handshake, type HandshakeOptions, refuseFrame, WrongPeerError } from "./handshake.ts";
import { PROTOCOL } from "../core/versions.ts";

const ada = "a".repeat(32) as NodeId;
const bob = "b".repeat(32) as NodeId;
const secret = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);
const filled = (byte: number) => new Uint8Array(32).fill(byte);

function initiator(given: Partial<HandshakeOptions> = {}): Handshake {
  return new Handshake({
    self: ada,
    peer: bob,
    cluster: "shop",
    secret,
    role: "initiator",
    nonce: filled(1),
    binding: { local: filled(10), remote: filled(11) },
    frameBytesMax: 65_536,
    protocol: PROTOCOL,
    ...given,
  });
}

function responder(given: Partial<HandshakeOptions> = {}): Handshake {
  return initiator({
    self: bob,
    peer: ada,
    role: "responder",
    nonce: filled(2),
    binding: { local: filled(11), remote: filled(10) },
    ...given,
  });
}

function proofOf(handshake: Handshake, hello: Uint8Array): Uint8Array {
  const step = handshake.receive(hello);
  if (step.kind !== "proving") throw new Error(`a proof was due, not ${step.kind}`);
  return step.proof;
}

/** Both ways through; the error of each side, or what it came to. */
function run(a: Handshake, b: Handshake) {
  const attempt = (body: () => unknown): unknown => {
    try {
      return body();
    } catch (error) {
      return error;
    }
  };
  const fromA = attempt(() => proofOf(a, b.hello));
  const fromB = attempt(() => proofOf(b, a.hello));
  return {
    a: fromA instanceof Error || fromB instanceof Error ? fromA : attempt(() => a.receive(fromB as Uint8Array)),
    b: fromA instanceof Error || fromB instanceof Error ? fromB : attempt(() => b.receive(fromA as Uint8Array)),
  };
}

test("two sides of one cluster come to know each other", () => {
  const { a, b } = run(initiator({ frameBytesMax: 20_000 }), responder({ peer: undefined }));
  expect(a).toEqual({ kind: "done", peer: bob, frameBytesMax: 20_000, protocol: PROTOCOL, keys: undefined });
  expect(b).toEqual({ kind: "done", peer: ada, frameBytesMax: 20_000, protocol: PROTOCOL, keys: undefined });
});

test("without DTLS they come to one key per direction, new with every link", () => {
  const keysOf = (nonce: number) => {
    const { a, b } = run(initiator({ binding: undefined, nonce: filled(nonce) }), responder({ binding: undefined }));
    expect(a).toMatchObject({ kind: "done" });
    expect(b).toMatchObject({ kind: "done" });
    const [of, other] = [a, b] as { keys: { send: Uint8Array; receive: Uint8Array } }[];
    expect(of!.keys.send).toEqual(other!.keys.receive);
    expect(of!.keys.receive).toEqual(other!.keys.send);
    return [toHex(of!.keys.send), toHex(of!.keys.receive)];
  };
  expect(new Set([...keysOf(1), ...keysOf(3)]).size).toBe(4);
});

describe("refused by both sides", () => {
  test.each([
    ["another secret", { secret: filled(9) }, WrongSecretError],
    ["another cluster", { cluster: "shop2" }, WrongSecretError],
    [
      "other fingerprints (somebody stands between)",
      { binding: { local: filled(11), remote: filled(66) } },
      WrongSecretError,
    ],
    ["no fingerprints at one side", { binding: undefined }, WrongSecretError],
    ["no protocol version in common", { protocol: { min: 3, max: 4 } }, ProtocolVersionError],
    ["the same role", { role: "initiator" as const }, MalformedMessageError],
    ["the same node", { self: ada }, WrongPeerError],
  ])("%s", (_, given, kind) => {
    const { a, b } = run(initiator({ peer: undefined }), responder({ peer: undefined, ...given }));
    expect(a).toBeInstanceOf(kind);
    expect(b).toBeInstanceOf(kind);
  });
});

test("another cluster is called so, not just a wrong proof", () => {
  expect(() => initiator().receive(responder({ cluster: "shop2" }).hello)).toThrow(/belongs to another cluster/);
});

test("another node than the one that was dialled is refused", () => {
  const { a } = run(initiator({ peer: "c".repeat(32) as NodeId }), responder());
  expect(a).toBeInstanceOf(WrongPeerError);
});

test("a hello that is sent back is refused, under another id too", () => {
  const handshake = initiator();
  expect(() => handshake.receive(handshake.hello)).toThrow(WrongPeerError);
  const other = initiator({ peer: undefined });
  expect(() => other.receive(responder({ nonce: filled(1) }).hello)).toThrow(WrongPeerError);
});

test("a proof that is sent back is refused", () => {
  const a = initiator();
  const proof = proofOf(a, responder().hello);
  expect(() => a.receive(proof)).toThrow(WrongSecretError);
});

test("a proof of another session is refused", () => {
  const earlier = responder();
  const recorded = proofOf(earlier, initiator().hello);
  const again = initiator({ nonce: filled(3) });
  proofOf(again, earlier.hello);
  expect(() => again.receive(recorded)).toThrow(WrongSecretError);
});

test("a hello that was changed on its way makes the proof wrong", () => {
  const [a, b] = [initiator(), responder()];
  const changed = b.hello.slice();
  // The largest frame, three bytes before the cluster's name and its length: 65,536 becomes 32,768.
  changed[changed.length - 6] = 2;
  proofOf(a, changed);
  const proof = proofOf(b, a.hello);
  expect(() => a.receive(proof)).toThrow(WrongSecretError);
});

test("builds that differ tell each other so even when they cannot read the rest of a hello", () => {
  const future = new Uint8Array([FRAME_KIND.hello, 7, 9, 255, 255, 255]);
  expect(() => initiator().receive(future)).toThrow(/protocol 7 to 9, this build 1 to 2\b/);
});

test("ranges that overlap are enough", () => {
  const { a, b } = run(initiator({ protocol: { min: 1, max: 3 } }), responder({ protocol: { min: 2, max: 5 } }));
  expect(a).toMatchObject({ kind: "done", protocol: { min: 2, max: 5 } });
  expect(b).toMatchObject({ kind: "done", protocol: { min: 1, max: 3 } });
});

test("a refusal keeps its name on the way", () => {
  for (const error of [
    new WrongSecretError("x"),
    new WrongPeerError("x"),
    new ProtocolVersionError("1", "2"),
    new MalformedMessageError("x"),
    new OversizedError("x"),
  ]) {
    const step = initiator().receive(refuseFrame(error));
    expect(step).toMatchObject({ kind: "refused", error: { code: error.code } });
    expect(step.kind === "refused" && step.error.constructor).toBe(error.constructor);
  }
});

test("frames out of place are malformed, too large ones oversized", () => {
  expect(() => initiator().receive(new Uint8Array())).toThrow(MalformedMessageError);
  expect(() => initiator().receive(new Uint8Array([FRAME_KIND.proof, ...filled(0)]))).toThrow(MalformedMessageError);
  expect(() => initiator().receive(new Uint8Array([FRAME_KIND.foreground, 0, 0, 0]))).toThrow(MalformedMessageError);
  expect(() => initiator().receive(new Uint8Array([FRAME_KIND.refuse, 99]))).toThrow(MalformedMessageError);
  expect(() => initiator().receive(new Uint8Array(1_025))).toThrow(OversizedError);
  const twice = initiator();
  proofOf(twice, responder().hello);
  expect(() => twice.receive(responder().hello)).toThrow(MalformedMessageError);
});

test("random and mutated frames never bring it to an end other than a named error, and never to done", () => {
  const good = responder();
  const goodProof = proofOf(good, initiator().hello);
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 150 }),
          fc
            .tuple(fc.constantFrom(good.hello, goodProof), fc.nat(), fc.integer({ min: 1, max: 255 }))
            .map(([frame, place, mask]) => {
              const mutated = frame.slice();
              mutated[place % frame.length]! ^= mask;
              return mutated;
            }),
          fc.constant(good.hello),
        ),
        { maxLength: 4 },
      ),
      (frames) => {
        const handshake = initiator();
        for (const frame of frames) {
          try {
            expect(handshake.receive(frame).kind).not.toBe("done");
          } catch (error) {
            if (!(error instanceof TabringError)) throw error;
            return;
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("no error and no frame shows the secret", () => {
  const shown: string[] = [];
  const secretText = toHex(secret);
  for (const given of [{ secret: filled(9) }, { cluster: "other" }, { protocol: { min: 3, max: 3 } }, { self: ada }]) {
    const [a, b] = [initiator(), responder(given)];
    const outcome = run(a, b);
    for (const error of [outcome.a, outcome.b])
      if (error instanceof TabringError)
        shown.push(JSON.stringify({ ...error, message: error.message, stack: error.stack }));
    shown.push(toHex(a.hello), toHex(b.hello));
  }
  for (const text of shown) {
    expect(text).not.toContain(secretText);
    expect(text).not.toContain(secretText.slice(0, 16));
  }
});

test("options that make no sense are a bug of the host", () => {
  expect(() => initiator({ secret: new Uint8Array(31) })).toThrow(AssertionError);
  expect(() => initiator({ nonce: new Uint8Array(16) })).toThrow(AssertionError);
  expect(() => initiator({ frameBytesMax: 1_024 })).toThrow(AssertionError);
  expect(() => initiator({ cluster: "" })).toThrow(AssertionError);
  expect(() => initiator({ binding: { local: filled(1), remote: new Uint8Array(20) } })).toThrow(AssertionError);
});
