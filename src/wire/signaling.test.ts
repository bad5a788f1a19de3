import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedMessageError, OversizedError, ProtocolVersionError, TabringError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import { mutated, nodeId } from "./message-arbitraries.ts";
import {
  type ClientMessage,
  decodeRelay,
  encodeRelay,
  formatMessage,
  parseClientMessage,
  parseRoomMessage,
  parseServerMessage,
  PAYLOAD_CHARACTERS_MAX,
  RELAY_BYTES_MAX,
  type RoomMessage,
  type ServerMessage,
  signalingErrorCodes,
  TEXT_BYTES_MAX,
} from "./signaling.ts";

const alice = "a".repeat(32) as NodeId;
const session = fc.string({ minLength: 1, maxLength: 64 });
const payload = fc.string({ maxLength: 300 });

const ofClient: { readonly [T in ClientMessage["type"]]: fc.Arbitrary<Extract<ClientMessage, { type: T }>> } = {
  join: fc.record(
    {
      type: fc.constant("join"),
      protocol: fc.constant(1),
      cluster: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      node: nodeId,
    },
    { noNullPrototype: true },
  ),
  signal: fc.record({ type: fc.constant("signal"), to: nodeId, session, payload }, { noNullPrototype: true }),
  leave: fc.record({ type: fc.constant("leave") }, { noNullPrototype: true }),
};
const ofServer: { readonly [T in ServerMessage["type"]]: fc.Arbitrary<Extract<ServerMessage, { type: T }>> } = {
  joined: fc.record(
    {
      type: fc.constant("joined"),
      node: nodeId,
      members: fc.array(nodeId, { maxLength: 64 }),
      seed: fc.option(nodeId),
    },
    { noNullPrototype: true },
  ),
  present: fc.record({ type: fc.constant("present"), node: nodeId }, { noNullPrototype: true }),
  absent: fc.record({ type: fc.constant("absent"), node: nodeId }, { noNullPrototype: true }),
  signal: fc.record({ type: fc.constant("signal"), from: nodeId, session, payload }, { noNullPrototype: true }),
  undeliverable: fc.record({ type: fc.constant("undeliverable"), to: nodeId, session }, { noNullPrototype: true }),
  error: fc.record(
    { type: fc.constant("error"), code: fc.constantFrom(...signalingErrorCodes), message: payload },
    { noNullPrototype: true },
  ),
};
const ofRoom: { readonly [T in RoomMessage["type"]]: fc.Arbitrary<Extract<RoomMessage, { type: T }>> } = {
  here: fc.record({ type: fc.constant("here"), protocol: fc.constant(1), node: nodeId }, { noNullPrototype: true }),
  signal: fc.record(
    { type: fc.constant("signal"), from: nodeId, to: nodeId, session, payload },
    { noNullPrototype: true },
  ),
};

describe("round trip", () => {
  for (const [type, arbitrary] of Object.entries<fc.Arbitrary<ClientMessage>>(ofClient)) {
    test(`${type} from a tab`, () => {
      fc.assert(fc.property(arbitrary, (m) => void expect(parseClientMessage(formatMessage(m))).toStrictEqual(m)));
    });
  }
  for (const [type, arbitrary] of Object.entries<fc.Arbitrary<RoomMessage>>(ofRoom)) {
    test(`${type} among the tabs of one browser`, () => {
      fc.assert(fc.property(arbitrary, (m) => void expect(parseRoomMessage(formatMessage(m))).toStrictEqual(m)));
    });
  }
  for (const [type, arbitrary] of Object.entries<fc.Arbitrary<ServerMessage>>(ofServer)) {
    test(`${type} from the server`, () => {
      fc.assert(fc.property(arbitrary, (m) => void expect(parseServerMessage(formatMessage(m))).toStrictEqual(m)));
    });
  }
});

describe("refused", () => {
  const join = { type: "join", protocol: 1, cluster: "shop", node: alice };
  const signal = { type: "signal", to: alice, session: "s", payload: "{}" };
  const malformed: Record<string, string> = {
    "no JSON": "{",
    nothing: "",
    null: "null",
    "a number": "7",
    "a list": "[]",
    "deep nesting": "[".repeat(60_000),
    "no type": "{}",
    "an unknown type": '{"type":"shout"}',
    "a server's message from a tab": JSON.stringify({ type: "present", node: alice }),
    "a missing field": JSON.stringify({ ...join, node: undefined }),
    "an unknown field": JSON.stringify({ ...join, admin: true }),
    "a node id in upper case": JSON.stringify({ ...join, node: alice.toUpperCase() }),
    "a node id that is a list": JSON.stringify({ ...join, node: [alice] }),
    "an empty cluster": JSON.stringify({ ...join, cluster: "" }),
    "a cluster of 65 characters": JSON.stringify({ ...join, cluster: "c".repeat(65) }),
    "a cluster with a slash": JSON.stringify({ ...join, cluster: "a/b" }),
    "a cluster with a line end": JSON.stringify({ ...join, cluster: "shop\n" }),
    "a protocol that is text": JSON.stringify({ ...join, protocol: "1" }),
    "an empty session": JSON.stringify({ ...signal, session: "" }),
    "a payload that is no text": JSON.stringify({ ...signal, payload: {} }),
    "half a character": '{"type":"\ud800"}',
  };
  for (const [name, text] of Object.entries(malformed)) {
    test(name, () => {
      expect(() => parseClientMessage(text)).toThrow(MalformedMessageError);
      expect(() => parseClientMessage(text)).not.toThrow(OversizedError);
    });
  }

  test("among the tabs of one browser: what is for the server, half of a message, another protocol", () => {
    expect(() => parseRoomMessage(JSON.stringify(join))).toThrow(MalformedMessageError);
    expect(() => parseRoomMessage(JSON.stringify(signal))).toThrow(MalformedMessageError);
    expect(() => parseRoomMessage(JSON.stringify({ type: "here", protocol: 2, name: "x" }))).toThrow(
      ProtocolVersionError,
    );
    const long = { ...signal, from: alice, payload: "x".repeat(PAYLOAD_CHARACTERS_MAX + 1) };
    expect(() => parseRoomMessage(JSON.stringify(long))).toThrow(OversizedError);
  });

  test("what is too long", () => {
    expect(() => parseClientMessage(" ".repeat(TEXT_BYTES_MAX + 1))).toThrow(OversizedError);
    expect(() => parseClientMessage(`"${"é".repeat(TEXT_BYTES_MAX / 2)}"`)).toThrow(OversizedError);
    const long = JSON.stringify({ ...signal, payload: "x".repeat(PAYLOAD_CHARACTERS_MAX + 1) });
    expect(() => parseClientMessage(long)).toThrow(OversizedError);
    expect(() => parseClientMessage(JSON.stringify({ ...signal, session: "s".repeat(65) }))).toThrow(OversizedError);
    const crowd = { type: "joined", node: alice, members: Array<NodeId>(65).fill(alice), seed: null };
    expect(() => parseServerMessage(JSON.stringify(crowd))).toThrow(OversizedError);
    const quotes: ClientMessage = { type: "signal", to: alice, session: "s", payload: '"'.repeat(40_000) };
    expect(() => formatMessage(quotes)).toThrow(OversizedError);
  });

  test("the longest payload passes", () => {
    const longest: ClientMessage = {
      type: "signal",
      to: alice,
      session: "s",
      payload: "x".repeat(PAYLOAD_CHARACTERS_MAX),
    };
    expect(parseClientMessage(formatMessage(longest))).toStrictEqual(longest);
  });

  test("another protocol, whatever its join looks like", () => {
    const later = { type: "join", protocol: 2, rooms: ["shop"] };
    expect(() => parseClientMessage(JSON.stringify(later))).toThrow(ProtocolVersionError);
  });

  test("an error code that is none", () => {
    const error = { type: "error", code: "teapot", message: "" };
    expect(() => parseServerMessage(JSON.stringify(error))).toThrow(MalformedMessageError);
  });

  test("prototypes: strange keys are refused and nothing is polluted", () => {
    for (const key of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      const text = `{"type":"leave","${key}":{"polluted":true}}`;
      expect(() => parseClientMessage(text)).toThrow(MalformedMessageError);
    }
    expect(() => parseClientMessage('{"__proto__":{"type":"leave"}}')).toThrow(MalformedMessageError);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("changed messages are refused by name", () => {
    const texts = fc.oneof(...Object.values<fc.Arbitrary<ClientMessage>>(ofClient)).map(formatMessage);
    const changed = texts
      .chain((text) => mutated(Buffer.from(text)))
      .map((bytes) => Buffer.from(bytes).toString("utf8"));
    fc.assert(
      fc.property(changed, (text) => {
        try {
          parseClientMessage(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TabringError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("relay envelopes", () => {
  test("round trip", () => {
    fc.assert(
      fc.property(nodeId, fc.uint8Array({ maxLength: 900 }), (node, bytes) => {
        const envelope = encodeRelay(node, bytes);
        expect(envelope.length).toBe(17 + bytes.length);
        expect(decodeRelay(envelope)).toStrictEqual({ node, bytes });
        expect(decodeRelay(Buffer.from(envelope))).toStrictEqual({ node, bytes });
      }),
    );
  });

  test("the largest passes, a larger one does not", () => {
    const largest = encodeRelay(alice, new Uint8Array(RELAY_BYTES_MAX));
    expect(decodeRelay(largest).bytes.length).toBe(RELAY_BYTES_MAX);
    expect(() => encodeRelay(alice, new Uint8Array(RELAY_BYTES_MAX + 1))).toThrow(OversizedError);
    expect(() => decodeRelay(Uint8Array.of(...largest, 0))).toThrow(OversizedError);
  });

  test("short ones and other versions are refused", () => {
    const envelope = encodeRelay(alice, new Uint8Array(0));
    for (let end = 0; end < envelope.length; end++) {
      expect(() => decodeRelay(envelope.subarray(0, end))).toThrow(MalformedMessageError);
    }
    envelope[0] = 2;
    expect(() => decodeRelay(envelope)).toThrow(ProtocolVersionError);
  });
});
