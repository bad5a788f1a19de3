/** Random messages, records and views for the tests: everything that the types and their comments allow, small sizes preferred. */

import fc from "fast-check";
import { utf8Length } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { BUCKETS_MAX, type HistogramData } from "../base/histogram.ts";
import type { BucketEntry, BucketPolicy } from "../core/buckets.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { Clock, Dot, DvvSet, Sibling } from "../core/dvvset.ts";
import type { NodeMeta, StoredRecord } from "../core/effect.ts";
import {
  type Actor,
  type Durability,
  type Key,
  KEY_BYTES_MAX,
  type NodeId,
  type OperationId,
} from "../core/identifiers.ts";
import { LOAD_LEVEL_MAX, SLOW_NAMED_MAX } from "../core/load.ts";
import { LEAVES_MAX } from "../core/merkle-forest.ts";
import { type Claim, type Member, type View, unclaimed } from "../core/membership.ts";
import { TOKEN_PLACES } from "../core/placement.ts";
import type { ClientResult, ClientWrite, Message, RequestFailure, RequestReport } from "../core/message.ts";
import {
  COUNTED,
  FAILURE_CODES,
  type OperationStatistics,
  type StatisticsSnapshot,
  VERSIONS_SEEN,
} from "../core/statistics.ts";

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
  .chain(([n, r, w, log]) => {
    const common = { n, r: 1 + (r % n), w: 1 + (w % n), partitions: 2 ** log };
    return fc.oneof(
      fc.constant({ ...common, placement: 3, tokensPerNode: 0 } as const),
      fc
        .integer({ min: 1, max: 2 ** log })
        .map((tokensPerNode) => ({ ...common, placement: 1, tokensPerNode }) as const),
      fc.integer({ min: 1, max: 256 }).map((tokensPerNode) => ({ ...common, placement: 2, tokensPerNode }) as const),
    );
  });

function tokens({ placement, partitions }: ClusterParameters): fc.Arbitrary<number[]> {
  const token = fc.nat(placement === 1 ? partitions - 1 : TOKEN_PLACES - 1);
  return fc.uniqueArray(token, { maxLength: placement === 3 ? 0 : 6 }).map((places) => places.sort((a, b) => a - b));
}

function members(fixed: ClusterParameters): fc.Arbitrary<Member[]> {
  const { partitions } = fixed;
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
    tokens: tokens(fixed),
    protocolMin: fc.integer({ min: 1, max: 9 }),
    protocolMax: fc.integer({ min: 9, max: 255 }),
    hidden: fc.boolean(),
  }).chain((fixed) =>
    fc
      .option(record({ standing: fc.constantFrom("leaving", "left", "removed"), by: nodeId, at: uint }), {
        nil: undefined,
      })
      .map((departure): Member => (departure === undefined ? fixed : { ...fixed, departure })),
  );
  return fc
    .uniqueArray(member, { maxLength: 4, selector: ({ node }) => node })
    .map((list) => list.sort((a, b) => compare(a.node, b.node)));
}

function claims({ partitions, placement }: ClusterParameters): fc.Arbitrary<Claim[]> {
  if (placement !== 3) return fc.constant(unclaimed(partitions));
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
    properties: record({
      r: quorum(1),
      w: quorum(1),
      pr: quorum(0),
      pw: quorum(0),
      dw: quorum(0),
      buffered: fc.boolean(),
      policy,
    }),
  });
  return fc
    .uniqueArray(entry, { maxLength: 4, selector: ({ name }) => name })
    .map((list) => list.sort((a, b) => compare(a.name, b.name)));
}

export const view: fc.Arbitrary<View> = parameters.chain((fixed) =>
  record({
    parameters: fc.constant(fixed),
    members: members(fixed),
    claims: claims(fixed),
    buckets: buckets(fixed.n),
  }),
);

const partitions = fc.uniqueArray(fc.nat(4_095), { maxLength: 8 }).map((some) => some.sort((a, b) => a - b));

const logId = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((id) => Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join(""));
/** Positions in a log, each with partitions of its own. */
const since = fc
  .uniqueArray(uint, { maxLength: 3 })
  .map((positions) =>
    positions
      .sort((a, b) => a - b)
      .map((position, i) => ({ position, partitions: [i, 100 + 7 * i, 4_000 + i].slice(0, 1 + (position % 3)) })),
  );
const caughtUp: fc.Arbitrary<NonNullable<NodeMeta["caughtUp"]>> = fc
  .uniqueArray(record({ peer: nodeId, log: logId, since }), {
    minLength: 1,
    maxLength: 3,
    selector: ({ peer }) => peer,
  })
  .map((some) => some.sort((a, b) => compare(a.peer, b.peer)));

const metaBefore = record({
  incarnation: fc.integer({ min: 1, max: 2 ** 40 }),
  view: fc.option(view, { nil: undefined }),
  unopened: partitions,
  buffering: fc.constantFrom(true, undefined),
});
export const meta: fc.Arbitrary<NodeMeta> = fc.oneof(
  metaBefore,
  fc.tuple(metaBefore, caughtUp).map(([before, some]) => ({ ...before, caughtUp: some })),
);

export const storedRecord: fc.Arbitrary<StoredRecord> = record({
  set: dvvSet,
  minted: fc.option(record({ actor, start: fc.string({ maxLength: 64 }) }), { nil: undefined }),
});

const quorum = fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined });
const ownersQuorum = fc.option(fc.nat(16), { nil: undefined });

const durability = fc.constantFrom<Durability[]>("relaxed", "strict", "buffered");

const clientWrite: fc.Arbitrary<ClientWrite> = record({
  value: fc.option(bytes),
  context: clock,
  operation: operationId,
  at: uint,
  w: quorum,
  pw: ownersQuorum,
  dw: ownersQuorum,
  policy: fc.constantFrom("siblings", "last-write-wins", undefined),
});

const report: fc.Arbitrary<RequestReport> = record({
  coordinator: nodeId,
  needed: fc.nat(16),
  counted: fc.nat(16),
  ownersNeeded: fc.nat(16),
  ownersAnswered: fc.nat(16),
  strictNeeded: fc.nat(16),
  strictAnswered: fc.nat(16),
  inMemory: fc.nat(16),
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
const hops = fc.nat(255);
const address = fc.string({ maxLength: 40 });

const digest = fc.integer({ min: 0, max: 2 ** 52 - 1 });
const places = fc.uniqueArray(fc.nat(63), { maxLength: 8 }).map((some) => some.sort((a, b) => a - b));
const treeIndex = fc.nat(4_096 * 64 - 1);
const byIndex = <T extends { readonly index: number }>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc
    .uniqueArray(one, { maxLength: 8, selector: ({ index }) => index })
    .map((some) => some.sort((a, b) => a.index - b.index));
const histogram: fc.Arbitrary<HistogramData> = record({
  sum: uint,
  max: uint32,
  buckets: fc
    .uniqueArray(record({ bucket: fc.nat(BUCKETS_MAX - 1), count: fromOne }), {
      maxLength: 6,
      selector: ({ bucket }) => bucket,
    })
    .map((buckets) => buckets.sort((a, b) => a.bucket - b.bucket)),
});
function counts<Name extends string>(names: readonly Name[]): fc.Arbitrary<Record<Name, number>> {
  return fc
    .array(uint, { minLength: names.length, maxLength: names.length })
    .map((list) => Object.fromEntries(names.map((name, i) => [name, list[i]!])) as Record<Name, number>);
}
const operations: fc.Arbitrary<OperationStatistics> = record({
  answered: uint,
  failed: counts(FAILURE_CODES),
  timedOut: uint,
  latencyMicros: histogram,
  recentMicros: histogram,
});
const statistics: fc.Arbitrary<StatisticsSnapshot> = record({
  upMs: uint,
  gets: operations,
  puts: operations,
  versionsSeen: fc.array(uint, { minLength: VERSIONS_SEEN, maxLength: VERSIONS_SEEN }),
  counts: counts(COUNTED),
  minutes: fc.array(record({ requests: uint, answered: uint, served: uint }), { maxLength: 4 }),
  minutesMs: uint,
});

/** One arbitrary for each kind: the compiler asks for a new one when the union grows. */

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
  "load-news": record({
    kind: fc.constant("load-news"),
    entries: fc
      .uniqueArray(
        record({
          node: nodeId,
          stamp: fromOne,
          level: fc.nat(LOAD_LEVEL_MAX),
          slow: fc.uniqueArray(nodeId, { maxLength: SLOW_NAMED_MAX }).map((nodes) => nodes.sort(compare)),
        }),
        { selector: ({ node }) => node, maxLength: 4 },
      )
      .map((list) => list.sort((a, b) => compare(a.node, b.node))),
  }),
  "gossip-news": parameters.chain((fixed) =>
    record({
      kind: fc.constant("gossip-news"),
      parameters: fc.constant(fixed),
      members: members(fixed),
      claims: fc.option(claims(fixed), { nil: undefined }),
      buckets: fc.option(buckets(fixed.n), { nil: undefined }),
      wanted: fc.uniqueArray(nodeId, { maxLength: 5 }).map((list) => list.sort()),
      wantsClaims: fc.boolean(),
      wantsBuckets: fc.boolean(),
    }),
  ),
  "light-hello": record({ kind: fc.constant("light-hello") }),
  "view-request": record({
    kind: fc.constant("view-request"),
    request: uint,
    digest: fc.option(uint32, { nil: undefined }),
    known: fc.option(
      record({
        members: fc
          .uniqueArray(record({ node: nodeId, incarnation: fromOne, version: fromOne }), {
            selector: ({ node }) => node,
          })
          .map((list) => list.sort((a, b) => compare(a.node, b.node))),
        claims: fc.option(uint32, { nil: undefined }),
        buckets: fc.option(uint32, { nil: undefined }),
      }),
      { nil: undefined },
    ),
  }),
  "view-reply": fc.oneof(
    record({
      kind: fc.constant("view-reply"),
      request: uint,
      digest: uint32,
      outcome: fc.constantFrom("same", "differs", "busy", "unknown"),
      news: fc.constant(undefined),
    }),
    parameters.chain((fixed) =>
      record({
        kind: fc.constant("view-reply"),
        request: uint,
        digest: uint32,
        outcome: fc.constant("news"),
        news: record({
          parameters: fc.constant(fixed),
          members: members(fixed),
          claims: fc.option(claims(fixed), { nil: undefined }),
          buckets: fc.option(buckets(fixed.n), { nil: undefined }),
        }),
      }),
    ),
  ),
  "replica-put": record({
    kind: fc.constant("replica-put"),
    ...timed,
    purpose: fc.constantFrom("write", "repair", "hint", "transfer"),
    set: dvvSet,
    hintFor: fc.option(nodeId, { nil: undefined }),
    durability,
  }).map((message) => (message.purpose === "write" ? message : { ...message, durability: "strict" as const })),
  "replica-put-reply": record({
    kind: fc.constant("replica-put-reply"),
    ...header,
    outcome: fc.constantFrom("stored", "early", "hinted", "refused"),
    owner: fc.boolean(),
    durability,
    counted: nodeIds,
  }),
  "replica-get": record({ kind: fc.constant("replica-get"), ...timed, counts: fc.boolean() }),
  "replica-get-reply": fc.oneof(
    record({
      kind: fc.constant("replica-get-reply"),
      ...header,
      outcome: fc.constant("found"),
      owner: fc.boolean(),
      counted: nodeIds,
      set: dvvSet,
    }),
    record({
      kind: fc.constant("replica-get-reply"),
      ...header,
      outcome: fc.constantFrom("missing", "failed", "moved"),
      owner: fc.boolean(),
      counted: nodeIds,
      set: fc.constant(undefined),
    }),
  ),
  "coordinate-get": record({ kind: fc.constant("coordinate-get"), ...timed, hops, r: quorum, pr: ownersQuorum }),
  "coordinate-put": record({ kind: fc.constant("coordinate-put"), ...timed, hops, write: clientWrite }),
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
  "known-request": record({
    kind: fc.constant("known-request"),
    request: uint,
    incarnation: fc.integer({ min: 1, max: 2 ** 40 }),
    version: fc.integer({ min: 1, max: 2 ** 40 }),
  }),
  "known-reply": record({ kind: fc.constant("known-reply"), request: uint, known: fc.boolean(), unopened: partitions }),
  "reap-watch-request": record({
    kind: fc.constant("reap-watch-request"),
    request: uint,
    members: digest,
    records: fc.array(record({ key, digest }), { maxLength: 5 }),
  }),
  "reap-watch-reply": record({
    kind: fc.constant("reap-watch-reply"),
    request: uint,
    watch: fc.constantFrom("", "0123456789abcdef"),
    quiet: places,
  }),
  "reap-proof-request": record({
    kind: fc.constant("reap-proof-request"),
    request: uint,
    watch: fc.constantFrom("", "0123456789abcdef"),
  }),
  "reap-proof-reply": record({ kind: fc.constant("reap-proof-reply"), request: uint, quiet: places }),
  "reap-drop": record({
    kind: fc.constant("reap-drop"),
    watch: fc.constantFrom("", "0123456789abcdef"),
    records: fc.array(record({ key, digest }), { maxLength: 5 }),
  }),
  "tree-request": record({
    kind: fc.constant("tree-request"),
    request: uint,
    level: fc.constant(2),
    nodes: byIndex(record({ index: treeIndex, digest })),
  }),
  "tree-reply": record({
    kind: fc.constant("tree-reply"),
    request: uint,
    level: fc.constant(2),
    refused: partitions,
    differing: byIndex(record({ index: treeIndex, children: fc.array(digest, { minLength: 8, maxLength: 8 }) })),
  }),
  "leaf-request": record({
    kind: fc.constant("leaf-request"),
    request: uint,
    leaf: fc.nat(LEAVES_MAX - 1),
    after: address,
  }),
  "leaf-reply": fc.oneof(
    record({
      kind: fc.constant("leaf-reply"),
      request: uint,
      outcome: fc.constant("listed"),
      records: fc.array(record({ key, digest }), { maxLength: 4 }),
      next: fc.option(address, { nil: undefined }),
    }),
    record({
      kind: fc.constant("leaf-reply"),
      request: uint,
      outcome: fc.constant("refused"),
      records: fc.constant([]),
      next: fc.constant(undefined),
    }),
  ),
  "fetch-request": record({
    kind: fc.constant("fetch-request"),
    request: uint,
    keys: fc.array(key, { maxLength: 4 }),
  }),
  "fetch-reply": record({
    kind: fc.constant("fetch-reply"),
    request: uint,
    records: fc.array(record({ key, set: dvvSet }), { maxLength: 4 }),
    answered: fc.nat(64),
  }),
  "sizes-request": record({ kind: fc.constant("sizes-request"), request: uint, partitions }),
  "sizes-reply": record({
    kind: fc.constant("sizes-reply"),
    request: uint,
    sizes: partitions.chain((told) =>
      fc.tuple(
        ...told.map((partition) =>
          record({ partition: fc.constant(partition), keys: uint, bytes: uint, servedPerMinute: uint }),
        ),
      ),
    ),
  }),
  "recent-request": fc.oneof(
    record({
      kind: fc.constant("recent-request"),
      request: uint,
      log: fc.constant(undefined),
      since: fc.constant([]),
    }),
    record({ kind: fc.constant("recent-request"), request: uint, log: logId, since }),
  ),
  "recent-reply": record({
    kind: fc.constant("recent-reply"),
    request: uint,
    log: logId,
    uncovered: partitions,
    changes: fc.array(record({ key, digest: digest.map((some) => some || 1) }), { maxLength: 4 }),
    upTo: uint,
    more: fc.boolean(),
  }),
  "archive-request": record({
    kind: fc.constant("archive-request"),
    ...header,
    partition: fc.nat(4_095),
    store: fc.constantFrom("hints", "records", "history"),
    prefix: fc.constantFrom("", "carts/", "ä/"),
    moment: uint,
    after: address,
    through: fc.option(address, { nil: undefined }),
    bytesMax: fc.integer({ min: 1, max: 16 * 1_048_576 }),
    known: fc.array(record({ key, digest }), { maxLength: 4 }),
  }),
  "archive-page": record({
    kind: fc.constant("archive-page"),
    ...header,
    outcome: fc.constantFrom("page", "refused"),
    counted: nodeIds,
    records: fc.array(record({ key, set: dvvSet }), { maxLength: 4 }),
    damaged: fc.nat(256),
    next: fc.option(address, { nil: undefined }),
    coveredFrom: uint,
  }),
  "statistics-request": record({ kind: fc.constant("statistics-request"), request: uint }),
  "statistics-reply": record({ kind: fc.constant("statistics-reply"), request: uint, statistics }),
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
