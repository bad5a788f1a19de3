/** Random messages, records and views for the tests: everything that the types and their comments allow, small sizes preferred. */

import fc from "fast-check";
import { utf8Length } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import type { BucketEntry, BucketPolicy } from "../core/buckets.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { Clock, Dot, DvvSet, Sibling } from "../core/dvvset.ts";
import type { NodeMeta, StoredRecord } from "../core/effect.ts";
import { type Actor, type Key, KEY_BYTES_MAX, type NodeId, type OperationId } from "../core/identifiers.ts";
import type { Claim, Member, View } from "../core/membership.ts";
import type { ClientResult, ClientWrite, Message, RequestFailure, RequestReport } from "../core/message.ts";

function hex(bytes: number): fc.Arbitrary<string> {
  return fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: 2 * bytes, maxLength: 2 * bytes })
    .map((d) => d.join(""));
}
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** With the ordinary prototype, so that strict equality with decoded objects holds. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

export const nodeId = hex(16) as fc.Arbitrary<NodeId>;
export const actor = hex(24) as fc.Arbitrary<Actor>;
const operationId = hex(16) as fc.Arbitrary<OperationId>;
export const key = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .filter((text) => utf8Length(text) <= KEY_BYTES_MAX) as fc.Arbitrary<Key>;
const uint = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const fromOne = uint.map((value) => Math.max(1, value));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const nodeIds = fc.array(nodeId, { maxLength: 5 });
const bytes = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ minLength: 500, maxLength: 600 }));

export const clock: fc.Arbitrary<Clock> = fc
  .uniqueArray(record({ actor, counter: fromOne }), { maxLength: 6, selector: (dot) => dot.actor })
  .map((dots) => dots.sort((a, b) => compare(a.actor, b.actor)));

const sibling = record({ operation: operationId, at: uint, value: fc.option(bytes) });

/** A clock, and siblings each with one or two dots of their own that it covers. */
export const dvvSet: fc.Arbitrary<DvvSet> = fc
  .tuple(clock, fc.uniqueArray(sibling, { maxLength: 3, selector: (version) => version.operation }), fc.nat())
  .map(([past, versions, salt]) => {
    const dots = past.flatMap(({ actor, counter }): Dot[] =>
      counter > 1
        ? [
            { actor, counter: counter - 1 },
            { actor, counter },
          ]
        : [{ actor, counter }],
    );
    const siblings = versions.flatMap((version, i): Sibling[] => {
      const own = dots.slice(2 * i, 2 * i + 1 + ((salt + i) % 2));
      const checksum = version.value === null ? 0 : crc32(version.value);
      return own.length === 0 ? [] : [{ ...version, dots: own, checksum }];
    });
    return { clock: past, siblings: siblings.sort((a, b) => compare(a.operation, b.operation)) };
  });

const parameters: fc.Arbitrary<ClusterParameters> = fc
  .tuple(fc.integer({ min: 1, max: 16 }), fc.nat(15), fc.nat(15), fc.nat(6))
  .map(([n, r, w, log]) => ({ n, r: 1 + (r % n), w: 1 + (w % n), partitions: 2 ** log }));

function members(partitions: number): fc.Arbitrary<Member[]> {
  const holderBytes = Math.max(1, partitions / 8);
  const member = record({
    node: nodeId,
    incarnation: fromOne,
    version: fromOne,
    capacity: fc.nat(1_000),
    zone: fc.string({ unit: "grapheme", minLength: 1, maxLength: 16 }).filter((zone) => zone.length <= 64),
    holders: fc
      .uint8Array({ minLength: holderBytes, maxLength: holderBytes })
      .map((bits) => (partitions < 8 ? bits.map((byte) => byte & (2 ** partitions - 1)) : bits)),
    protocolMin: fc.integer({ min: 1, max: 9 }),
    protocolMax: fc.integer({ min: 9, max: 255 }),
    hidden: fc.boolean(),
  });
  return fc
    .uniqueArray(member, { maxLength: 4, selector: ({ node }) => node })
    .map((list) => list.sort((a, b) => compare(a.node, b.node)));
}

function claims(partitions: number): fc.Arbitrary<Claim[]> {
  return fc.array(nodeId, { minLength: 1, maxLength: 4 }).chain((owners) =>
    fc.array(record({ owner: fc.constantFrom(...owners), version: uint }), {
      minLength: partitions,
      maxLength: partitions,
    }),
  );
}

const policy: fc.Arbitrary<BucketPolicy> = fc.oneof(
  fc.constantFrom<BucketPolicy[]>("siblings", "last-write-wins"),
  fc.stringMatching(/^[a-z0-9-]{1,32}$/).map((name) => `merge:${name}` as const),
);

export function buckets(n: number): fc.Arbitrary<BucketEntry[]> {
  const quorum = (least: number) => fc.option(fc.integer({ min: least, max: n }), { nil: undefined });
  const entry: fc.Arbitrary<BucketEntry> = record({
    name: fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 16 })
      .filter((name) => name.length <= 64 && !name.includes("/")),
    version: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(2 ** 32)),
    setBy: nodeId,
    properties: record({ r: quorum(1), w: quorum(1), pr: quorum(0), pw: quorum(0), dw: quorum(0), policy }),
  });
  return fc
    .uniqueArray(entry, { maxLength: 4, selector: ({ name }) => name })
    .map((list) => list.sort((a, b) => compare(a.name, b.name)));
}

export const view: fc.Arbitrary<View> = parameters.chain((fixed) =>
  record({
    parameters: fc.constant(fixed),
    members: members(fixed.partitions),
    claims: claims(fixed.partitions),
    buckets: buckets(fixed.n),
  }),
);

export const meta: fc.Arbitrary<NodeMeta> = record({ incarnation: uint, view: fc.option(view, { nil: undefined }) });

export const storedRecord: fc.Arbitrary<StoredRecord> = record({
  set: dvvSet,
  minted: fc.option(record({ actor, start: fc.string({ maxLength: 64 }) }), { nil: undefined }),
});

const quorum = fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined });
const ownersQuorum = fc.option(fc.nat(16), { nil: undefined });

const clientWrite: fc.Arbitrary<ClientWrite> = record({
  value: fc.option(bytes),
  context: clock,
  operation: operationId,
  at: uint,
  w: quorum,
  pw: ownersQuorum,
  policy: fc.constantFrom("siblings", "last-write-wins", undefined),
});

const report: fc.Arbitrary<RequestReport> = record({
  coordinator: nodeId,
  needed: fc.nat(16),
  counted: fc.nat(16),
  ownersNeeded: fc.nat(16),
  ownersAnswered: fc.nat(16),
  answered: nodeIds,
  silent: nodeIds,
  hintedFor: nodeIds,
  elapsedMs: uint,
});

const failure: fc.Arbitrary<RequestFailure> = fc.oneof(
  record({ code: fc.constantFrom("quorum", "not-ready", "overloaded", "storage") }),
  record({ code: fc.constant("too-many-siblings"), siblings: fc.nat(4_096) }),
);

const clientResult: fc.Arbitrary<ClientResult> = fc.oneof(
  record({ outcome: fc.constant("got"), set: dvvSet, first: nodeId, report }),
  record({ outcome: fc.constant("put"), clock, siblings: fc.nat(4_096), report }),
  record({ outcome: fc.constant("failed"), failure, report: fc.option(report, { nil: undefined }) }),
);

const header = { request: uint, ring: uint32 };
const timed = { ...header, ttlMs: uint, key };
const address = fc.string({ maxLength: 40 });

/** One arbitrary for each kind: the compiler asks for a new one when the union grows. */
const partitions = fc.uniqueArray(fc.nat(4_095), { maxLength: 8 }).map((some) => some.sort((a, b) => a - b));

export const messageOfKind: { readonly [Kind in Message["kind"]]: fc.Arbitrary<Extract<Message, { kind: Kind }>> } = {
  ping: record({ kind: fc.constant("ping"), sequence: uint, epoch: uint }),
  pong: record({ kind: fc.constant("pong"), sequence: uint, epoch: uint }),
  probe: record({ kind: fc.constant("probe"), sequence: uint, target: nodeId }),
  "probe-reply": record({ kind: fc.constant("probe-reply"), sequence: uint, target: nodeId, alive: fc.boolean() }),
  "gossip-digest": record({ kind: fc.constant("gossip-digest"), ring: fc.option(uint32, { nil: undefined }) }),
  "gossip-versions": record({
    kind: fc.constant("gossip-versions"),
    members: fc
      .uniqueArray(record({ node: nodeId, incarnation: fromOne, version: fromOne }), {
        selector: ({ node }) => node,
      })
      .map((list) => list.sort((a, b) => compare(a.node, b.node))),
    claims: fc.option(uint32, { nil: undefined }),
    buckets: fc.option(uint32, { nil: undefined }),
  }),
  "gossip-news": parameters.chain((fixed) =>
    record({
      kind: fc.constant("gossip-news"),
      parameters: fc.constant(fixed),
      members: members(fixed.partitions),
      claims: fc.option(claims(fixed.partitions), { nil: undefined }),
      buckets: fc.option(buckets(fixed.n), { nil: undefined }),
      wanted: fc.uniqueArray(nodeId, { maxLength: 5 }).map((list) => list.sort()),
      wantsClaims: fc.boolean(),
      wantsBuckets: fc.boolean(),
    }),
  ),
  "replica-put": record({
    kind: fc.constant("replica-put"),
    ...timed,
    purpose: fc.constantFrom("write", "repair", "hint", "transfer"),
    set: dvvSet,
    hintFor: fc.option(nodeId, { nil: undefined }),
  }),
  "replica-put-reply": record({
    kind: fc.constant("replica-put-reply"),
    ...header,
    outcome: fc.constantFrom("stored", "refused"),
    owner: fc.boolean(),
  }),
  "replica-get": record({ kind: fc.constant("replica-get"), ...timed }),
  "replica-get-reply": fc.oneof(
    record({
      kind: fc.constant("replica-get-reply"),
      ...header,
      outcome: fc.constant("found"),
      owner: fc.boolean(),
      set: dvvSet,
    }),
    record({
      kind: fc.constant("replica-get-reply"),
      ...header,
      outcome: fc.constantFrom("missing", "failed"),
      owner: fc.boolean(),
      set: fc.constant(undefined),
    }),
  ),
  "coordinate-get": record({ kind: fc.constant("coordinate-get"), ...timed, r: quorum, pr: ownersQuorum }),
  "coordinate-put": record({ kind: fc.constant("coordinate-put"), ...timed, write: clientWrite }),
  "coordinate-reply": record({ kind: fc.constant("coordinate-reply"), ...header, result: clientResult }),
  "transfer-request": record({
    kind: fc.constant("transfer-request"),
    request: uint,
    partition: fc.nat(4_095),
    after: address,
    bytesMax: fc.integer({ min: 1, max: 16 * 1_048_576 }),
  }),
  "transfer-page": fc.oneof(
    record({
      kind: fc.constant("transfer-page"),
      request: uint,
      partition: fc.nat(4_095),
      outcome: fc.constant("page"),
      records: fc.array(record({ key, set: dvvSet }), { maxLength: 4 }),
      next: fc.option(address, { nil: undefined }),
    }),
    record({
      kind: fc.constant("transfer-page"),
      request: uint,
      partition: fc.nat(4_095),
      outcome: fc.constant("refused"),
      records: fc.constant([]),
      next: fc.constant(undefined),
    }),
  ),
  "release-request": record({
    kind: fc.constant("release-request"),
    request: uint,
    claims: fc.nat(0xffff_ffff),
    partitions,
  }),
  "release-reply": record({ kind: fc.constant("release-reply"), request: uint, partitions }),
};

export const message: fc.Arbitrary<Message> = fc.oneof(...Object.values(messageOfKind));

/** `original` with one to four bytes changed, cut off, or put in. */
export function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = record({ at: fc.nat(), how: fc.constantFrom("flip", "set", "cut", "insert"), byte: fc.nat(255) });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    let bytes = Array.from(original);
    for (const { at, how, byte } of changes) {
      const place = bytes.length === 0 ? 0 : at % bytes.length;
      if (how === "flip" && bytes.length > 0) bytes[place]! ^= 1 << (byte & 7);
      else if (how === "set" && bytes.length > 0) bytes[place] = byte;
      else if (how === "cut") bytes = bytes.slice(0, place);
      else bytes.splice(place, 0, byte);
    }
    return Uint8Array.from(bytes);
  });
}
