import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedMessageError } from "../core/errors.ts";
import type { NodeId } from "../core/identifiers.ts";
import {
  decodeLinkPayload,
  decodeRelayPayload,
  encodeRelayPayload,
  encodeRoute,
  type RelayPayload,
  type Route,
  ROUTE_PAYLOAD_BYTES_MAX,
  wrapNodeMessage,
} from "./link-payload.ts";

const nodes = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex") as NodeId);
const numbers = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const routes: fc.Arbitrary<Route> = fc.record({
  to: nodes,
  from: nodes,
  session: numbers,
  sequence: numbers,
  hops: fc.nat({ max: 2 }),
  payload: fc.string({ minLength: 1, maxLength: 200, unit: "grapheme" }),
});
const relayPayloads: fc.Arbitrary<RelayPayload> = fc.record({
  kind: fc.constantFrom("open", "frame", "closed", "ask"),
  session: numbers,
  frame: fc.uint8Array({ maxLength: 2_000 }),
});

test("a node's message comes back as it was", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
      expect(decodeLinkPayload(wrapNodeMessage(bytes))).toEqual({ kind: "node", bytes });
    }),
  );
});

test("routes and relay payloads come back as they were", () => {
  fc.assert(
    fc.property(routes, relayPayloads, (route, payload) => {
      expect(decodeLinkPayload(encodeRoute(route))).toEqual({ kind: "route", route });
      expect(decodeRelayPayload(encodeRelayPayload(payload))).toEqual(payload);
    }),
  );
});

describe("anything else is refused by name", () => {
  const refused = (decode: () => unknown) => expect(decode).toThrow(MalformedMessageError);
  const [valid] = fc.sample(routes, { numRuns: 1, seed: 1 });

  test.each([
    ["nothing", new Uint8Array()],
    ["an unknown kind", new Uint8Array([2, 0, 0])],
    ["three hops", encodeRoute({ ...valid!, hops: 3 })],
    ["no payload", encodeRoute({ ...valid!, payload: "" })],
    ["a payload over the limit", encodeRoute({ ...valid!, payload: "x".repeat(ROUTE_PAYLOAD_BYTES_MAX + 1) })],
    ["more than a route", new Uint8Array([...encodeRoute(valid!), 0])],
  ])("%s", (_, bytes) => refused(() => decodeLinkPayload(bytes)));

  test("every route that is cut short", () => {
    const bytes = encodeRoute(valid!);
    for (let length = 0; length < bytes.length; length++) refused(() => decodeLinkPayload(bytes.subarray(0, length)));
  });

  test("random bytes are decoded or refused, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        for (const decode of [decodeLinkPayload, decodeRelayPayload])
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMessageError);
          }
      }),
    );
  });
});
