/** What a peer may ask, on a clock that the test moves. */

import { expect, test } from "vitest";
import fc from "fast-check";
import type { Config } from "./config.ts";
import { EMPTY } from "./dvvset.ts";
import { type Key, MEMBERS_MAX, type OperationId } from "./identifiers.ts";
import type { Message, PutPurpose } from "./message.ts";
import { PeerLimits, limitedWork } from "./peer-limits.ts";
import { NO_STATISTICS } from "./statistics.ts";
import { StubSurroundings, nodeNamed as id } from "./stub-surroundings.ts";

const header = { request: 1, ring: 0, ttlMs: 1_000, key: "a" as Key };
const get: Message = { kind: "coordinate-get", ...header, hops: 1, r: undefined };
const put: Message = {
  kind: "coordinate-put",
  ...header,
  hops: 1,
  write: { value: null, context: [], operation: "0" as OperationId, at: 0, w: undefined, policy: "siblings" },
};
const record = (purpose: PutPurpose): Message => ({
  kind: "replica-put",
  ...header,
  purpose,
  set: EMPTY,
  hintFor: undefined,
  durability: "strict",
});
const page: Message = { kind: "transfer-request", request: 1, partition: 0, after: "", bytesMax: 1 };

function limits(change: Partial<Config>) {
  const surroundings = new StubSurroundings(id(1), undefined, change);
  return { surroundings, notes: surroundings.notes, limits: new PeerLimits(surroundings) };
}
const small = {
  peerRequestsPerSecond: 2,
  peerRequestsBurst: 3,
  peerBackgroundPerSecond: 10,
  peerBackgroundBurst: 5,
};

test("a burst is admitted, then so many a second, and what is refused is noted", () => {
  const { surroundings, notes, limits: own } = limits(small);
  expect([get, put, get, put].map((message) => own.admits(id(2), message))).toEqual([true, true, true, false]);
  expect(notes).toEqual([{ what: "peer-limited", peer: id(2), message: "coordinate-put" }]);
  surroundings.now = 500;
  expect([get, get].map((message) => own.admits(id(2), message))).toEqual([true, false]);
  // What is left unused is kept up to the burst, and no longer.
  surroundings.now = 60_000;
  expect([get, get, get, get].map((message) => own.admits(id(2), message))).toEqual([true, true, true, false]);
});

test("each peer has its own, and requests are not refused for background work, nor the other way round", () => {
  const { limits: own } = limits(small);
  for (let i = 0; i < 5; i++) expect(own.admits(id(2), record("hint"))).toBe(true);
  for (const message of [record("hint"), record("repair"), record("transfer"), page])
    expect(own.admits(id(2), message)).toBe(false);
  for (let i = 0; i < 3; i++) expect(own.admits(id(2), get)).toBe(true);
  expect(own.admits(id(2), get)).toBe(false);
  expect(own.admits(id(3), get)).toBe(true);
  expect(own.admits(id(3), page)).toBe(true);
});

test("what a coordinator needs of a replica is never limited, and neither is what membership and liveness rest on", () => {
  const { limits: own, notes } = limits({ ...small, peerRequestsBurst: 0, peerBackgroundBurst: 0 });
  const never: Message[] = [
    record("write"),
    { kind: "replica-get", ...header, counts: true },
    { kind: "ping", sequence: 1, epoch: 1 },
    { kind: "gossip-digest", ring: 1 },
    { kind: "release-request", request: 1, claims: 0, partitions: [] },
    { kind: "statistics-reply", request: 1, statistics: NO_STATISTICS },
  ];
  for (const message of never) expect(own.admits(id(2), message), message.kind).toBe(true);
  expect(own.size).toBe(0);
  expect(limitedWork({ kind: "statistics-request", request: 1 })).toBe("background");
  expect(own.admits(id(2), get)).toBe(false);
  expect(notes).toHaveLength(1);
});

test("the defaults refuse nothing that a busy tab does, and Infinity keeps no account at all", () => {
  const { limits: own } = limits({});
  for (let i = 0; i < 50_000; i++) expect(own.admits(id(2), get)).toBe(true);
  const { limits: free } = limits({ peerRequestsPerSecond: Infinity, peerBackgroundPerSecond: Infinity });
  for (let i = 0; i < 10; i++) expect(free.admits(id(2), i % 2 === 0 ? get : page)).toBe(true);
  expect(free.memory).toEqual({ peers: [], views: undefined });
});

test("buckets are kept for so many peers and no more; those of the longest silent go", () => {
  const { limits: own } = limits({ ...small, peerRequestsBurst: 1 });
  for (let n = 1; n <= MEMBERS_MAX; n++) own.admits(id(n), get);
  own.admits(id(1), get);
  own.admits(id(MEMBERS_MAX + 1), get);
  expect(own.size).toBe(MEMBERS_MAX);
  // The second one's account is gone, and it begins anew; the first one's is not.
  expect(own.admits(id(1), get)).toBe(false);
  expect(own.admits(id(2), get)).toBe(true);
});

test("questions of light clients draw on a bucket of each and on one of all, whatever each of them does", () => {
  const ask: Message = { kind: "view-request", request: 1, digest: 1, known: undefined };
  fc.assert(
    fc.property(
      fc.array(fc.record({ peer: fc.integer({ min: 2, max: 6 }), ms: fc.nat(400) }), { maxLength: 200 }),
      (questions) => {
        const rates = { peerViewsPerSecond: 2, peerViewsBurst: 3, viewsPerSecond: 4, viewsBurst: 5 };
        const { surroundings, limits: own } = limits(rates);
        const served: { peer: number; at: number }[] = [];
        for (const { peer, ms } of questions) {
          surroundings.now += ms;
          if (own.admits(id(peer), ask)) served.push({ peer, at: surroundings.now });
        }
        // In no span of time more than the burst and what was refilled meanwhile.
        for (const first of served) {
          const later = served.filter((each) => each.at >= first.at);
          for (const last of later) {
            const within = later.filter((each) => each.at <= last.at);
            const seconds = (last.at - first.at) / 1_000;
            expect(within.length).toBeLessThanOrEqual(rates.viewsBurst + rates.viewsPerSecond * seconds + 1e-6);
            const ofPeer = within.filter((each) => each.peer === first.peer).length;
            expect(ofPeer).toBeLessThanOrEqual(rates.peerViewsBurst + rates.peerViewsPerSecond * seconds + 1e-6);
          }
        }
      },
    ),
    { numRuns: 30 },
  );
});
