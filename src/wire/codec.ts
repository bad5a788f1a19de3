/**
 * Messages between nodes as bytes: `version kind epoch body`. The body of each kind has a write and a read function, side by side, with its
 * grammar above (`*` a counted list, `?` a presence byte and perhaps the value); what it is made of stands in values.ts and primitives.ts.
 *
 * version: one byte, that of the form of the body (core/versions.ts): a body that has not changed since version 1 is written under 1 for ever. kind: one
 * byte, never used again for something else. epoch: the addressee's, so that it can drop what was sent to an earlier one of its own; 0 when the
 * sender knew none.
 *
 * Fixed schema and canonical: bytes that decode encode to the very same bytes. The decoder takes everything or throws MalformedMessageError,
 * UnknownMessageError, ProtocolVersionError or OversizedError, and nothing else, in time proportional to the bytes (but for a logarithm).
 * Limits: MESSAGE_BYTES_MAX of frame.ts, the rest in core/identifiers.ts. Evolution: a change of any body is a new kind or a new form;
 * readers ship before writers (Q: read-then-write upgrades), and whoever sends says what the receiver reads.
 */

import { assert, unreachable } from "../base/assert.ts";
import { OversizedError, ProtocolVersionError, UnknownMessageError } from "../core/errors.ts";
import type { DvvSet } from "../core/dvvset.ts";
import {
  type Durability,
  type Epoch,
  KEY_BYTES_MAX,
  MEMBERS_MAX,
  type NodeId,
  SIBLINGS_DECODED_MAX,
} from "../core/identifiers.ts";
import type {
  ClientResult,
  ClientWrite,
  CoordinateGet,
  CoordinatePut,
  CoordinateReply,
  GossipDigest,
  GossipNews,
  LoadNews,
  GossipVersions,
  KnownReply,
  KnownRequest,
  LightHello,
  Message,
  Ping,
  Pong,
  Probe,
  ProbeReply,
  PutPurpose,
  ReplicaGet,
  ReplicaGetReply,
  ReplicaPut,
  ReplicaPutReply,
  RequestFailure,
  RequestReport,
  ReleaseReply,
  ReleaseRequest,
  SizesReply,
  SizesRequest,
  StatisticsReply,
  StatisticsRequest,
  TransferPage,
  TransferRequest,
  ViewReply,
  ViewRequest,
} from "../core/message.ts";
import { formOf, FORMS, PROTOCOL_MIN, PROTOCOL_VERSION } from "../core/versions.ts";
import { readArchivePage, readArchiveRequest, writeArchivePage, writeArchiveRequest } from "./archive-messages.ts";
import { LOAD_LEVEL_MAX, SLOW_NAMED_MAX } from "../core/load.ts";
import { MESSAGE_BYTES_MAX } from "./frame.ts";
import {
  type Decoder,
  type Encoder,
  finishDecoding,
  finishEncoding,
  lengthOf,
  malformed,
  oversized,
  readBoolean,
  readByte,
  readChoice,
  readCount,
  readMillis,
  readOptional,
  readText,
  readUint,
  readUint32,
  startDecoding,
  startEncoding,
  writeBoolean,
  writeByte,
  writeChoice,
  writeCount,
  writeMillis,
  writeOptional,
  writeText,
  writeUint,
  writeUint32,
} from "./primitives.ts";
import { readRecentReply, readRecentRequest, writeRecentReply, writeRecentRequest } from "./recent-messages.ts";
import {
  readReapDrop,
  readReapProofReply,
  readReapProofRequest,
  readReapWatchReply,
  readReapWatchRequest,
  writeReapDrop,
  writeReapProofReply,
  writeReapProofRequest,
  writeReapWatchReply,
  writeReapWatchRequest,
} from "./reap-messages.ts";
import { readStatistics, writeStatistics } from "./statistics.ts";
import {
  demandNodeOrder,
  inNodeOrder,
  NODE_BYTES,
  readBuckets,
  readClaims,
  readClock,
  readDvvSet,
  readKey,
  readMembers,
  readNodeId,
  readNodeIds,
  readOperationId,
  readParameters,
  readPartition,
  readPartitions,
  readValue,
  writeBuckets,
  writeClaims,
  writeClock,
  writeDvvSet,
  writeKey,
  writeMembers,
  writeNodeId,
  writeNodeIds,
  writeOperationId,
  writeParameters,
  writePartitions,
  writeValue,
} from "./values.ts";
import {
  readFetchReply,
  readFetchRequest,
  readLeafReply,
  readLeafRequest,
  readTreeReply,
  readTreeRequest,
  writeFetchReply,
  writeFetchRequest,
  writeLeafReply,
  writeLeafRequest,
  writeTreeReply,
  writeTreeRequest,
} from "./tree-messages.ts";

/** What a form 1 does not say: such a request was handed on as often as any may be, and whoever reads it coordinates it. */
const HOPS_UNTOLD = 255;
/** Records of one transfer page. */
export const TRANSFER_RECORDS_MAX = 65_536;
/** A storage address: eight digits of the position and the key. */
const ADDRESS_BYTES_MAX = 8 + KEY_BYTES_MAX;
/** Bound of r, w, pr and pw in a request: no cluster has a larger n. */
const QUORUM_MAX = 16;
const VERSIONS_BYTES_MIN = NODE_BYTES + 2;
/** A node, a stamp, a level and nobody slow. */
const LOAD_BYTES_MIN = NODE_BYTES + 3;
const TRANSFERRED_BYTES_MIN = 4;

const KIND = {
  ping: 1,
  pong: 2,
  probe: 3,
  "probe-reply": 4,
  "gossip-digest": 5,
  "gossip-versions": 6,
  "gossip-news": 7,
  "replica-put": 8,
  "replica-put-reply": 9,
  "replica-get": 10,
  "replica-get-reply": 11,
  "coordinate-get": 12,
  "coordinate-put": 13,
  "coordinate-reply": 14,
  "transfer-request": 15,
  "transfer-page": 16,
  "release-request": 17,
  "release-reply": 18,
  "tree-request": 19,
  "tree-reply": 20,
  "leaf-request": 21,
  "leaf-reply": 22,
  "fetch-request": 23,
  "fetch-reply": 24,
  "recent-request": 36,
  "recent-reply": 37,
  "known-request": 25,
  "known-reply": 26,
  "light-hello": 40,
  "view-request": 41,
  "view-reply": 42,
  "load-news": 44,
  "sizes-request": 55,
  "sizes-reply": 56,
  "reap-watch-request": 50,
  "reap-watch-reply": 51,
  "reap-proof-request": 52,
  "reap-proof-reply": 53,
  "reap-drop": 54,
  "archive-request": 30,
  "archive-page": 31,
  "statistics-request": 48,
  "statistics-reply": 49,
} as const satisfies Record<Message["kind"], number>;

type PurposeOnWire = PutPurpose | "write-strict" | "write-buffered";
const PURPOSES: readonly PurposeOnWire[] = ["write", "repair", "hint", "transfer", "write-strict", "write-buffered"];
/** Form 1 does not say how a write is to be kept. */
const PURPOSES_BEFORE = PURPOSES.slice(0, 4);
/** Whatever is no write is kept strictly. */
const DURABILITY_OF: Record<PurposeOnWire, readonly [PutPurpose, Durability]> = {
  write: ["write", "relaxed"],
  repair: ["repair", "strict"],
  hint: ["hint", "strict"],
  transfer: ["transfer", "strict"],
  "write-strict": ["write", "strict"],
  "write-buffered": ["write", "buffered"],
};
const STORED: readonly ReplicaPutReply["outcome"][] = ["stored", "early", "hinted", "refused"];
const DURABILITIES: readonly Durability[] = ["relaxed", "strict", "buffered"];
const FOUND: readonly ReplicaGetReply["outcome"][] = ["found", "missing", "failed", "moved"];
const VIEWS: readonly ViewReply["outcome"][] = ["same", "differs", "news", "busy", "unknown"];
const PAGES: readonly TransferPage["outcome"][] = ["page", "refused"];
const POLICIES: readonly NonNullable<ClientWrite["policy"]>[] = ["siblings", "last-write-wins"];
const RESULTS: readonly ClientResult["outcome"][] = ["got", "put", "failed"];
const FAILURES: readonly RequestFailure["code"][] = [
  "quorum",
  "too-many-siblings",
  "not-ready",
  "overloaded",
  "storage",
];

/**
 * `message`, addressed to `epoch` of its receiver, who reads up to `version`, in a buffer of its own. Times lose their fractions (floor), so that no relay
 * adds to a time to live. Lists of members and of wanted nodes are put in the order of node ids.
 * @throws OversizedError over {@link MESSAGE_BYTES_MAX}.
 */
export function encodeMessage(message: Message, epoch: Epoch, version: number = PROTOCOL_VERSION): Uint8Array {
  const form = formOf(message.kind, version);
  assert(form !== undefined, `a ${message.kind} for somebody who reads up to version ${version}`);
  const encoder = startEncoding();
  writeByte(encoder, form);
  writeByte(encoder, KIND[message.kind]);
  writeUint(encoder, epoch);
  writeBody(encoder, message, form);
  const length = lengthOf(encoder);
  if (length > MESSAGE_BYTES_MAX) {
    throw new OversizedError(
      `A ${message.kind} would have ${length} bytes, over the protocol's limit of ${MESSAGE_BYTES_MAX}. It was not sent; what is stored is safe. ` +
        "Reconcile the siblings of its key, or store smaller values.",
    );
  }
  return finishEncoding(encoder);
}

/**
 * The message in `bytes`, sharing no memory with them.
 * @throws MalformedMessageError (code "damaged" when a value does not match its checksum), UnknownMessageError, ProtocolVersionError, OversizedError.
 */
export function decodeMessage(bytes: Uint8Array): { epoch: Epoch; message: Message } {
  if (bytes.length > MESSAGE_BYTES_MAX) throw oversized("A message", bytes.length, MESSAGE_BYTES_MAX);
  const decoder = startDecoding(bytes);
  const version = readByte(decoder, "the protocol version");
  if (version < PROTOCOL_MIN || version > PROTOCOL_VERSION) throw protocolVersionError(version);
  const kind = readByte(decoder, "the kind of the message");
  const epoch = readUint(decoder, "the epoch");
  const message = readBody(decoder, kind, version);
  if (!FORMS[message.kind].includes(version)) throw malformed(`a ${message.kind} has no form ${version}`);
  finishDecoding(decoder);
  return { epoch, message };
}

function protocolVersionError(theirs: number): ProtocolVersionError {
  const ours = PROTOCOL_MIN < PROTOCOL_VERSION ? `${PROTOCOL_MIN} to ${PROTOCOL_VERSION}` : `${PROTOCOL_VERSION}`;
  return new ProtocolVersionError(ours, `${theirs}`);
}

function writeBody(encoder: Encoder, message: Message, form: number): void {
  switch (message.kind) {
    case "ping":
    case "pong":
      return writePing(encoder, message);
    case "probe":
      return writeProbe(encoder, message);
    case "probe-reply":
      return writeProbeReply(encoder, message);
    case "gossip-digest":
      return writeGossipDigest(encoder, message);
    case "gossip-versions":
      return writeGossipVersions(encoder, message);
    case "gossip-news":
      return writeGossipNews(encoder, message, form);
    case "load-news":
      return writeLoadNews(encoder, message);
    case "light-hello":
      return;
    case "view-request":
      return writeViewRequest(encoder, message);
    case "view-reply":
      return writeViewReply(encoder, message);
    case "replica-put":
      return writeReplicaPut(encoder, message, form);
    case "replica-put-reply":
      return writeReplicaPutReply(encoder, message, form);
    case "replica-get":
      return writeReplicaGet(encoder, message);
    case "replica-get-reply":
      return writeReplicaGetReply(encoder, message);
    case "coordinate-get":
      return writeCoordinateGet(encoder, message, form);
    case "coordinate-put":
      return writeCoordinatePut(encoder, message, form);
    case "coordinate-reply":
      return writeCoordinateReply(encoder, message, form);
    case "transfer-request":
      return writeTransferRequest(encoder, message);
    case "transfer-page":
      return writeTransferPage(encoder, message);
    case "release-request":
      return writeReleaseRequest(encoder, message);
    case "release-reply":
      return writeReleaseReply(encoder, message);
    case "known-request":
      return writeKnownRequest(encoder, message);
    case "known-reply":
      return writeKnownReply(encoder, message);
    case "reap-watch-request":
      return writeReapWatchRequest(encoder, message);
    case "reap-watch-reply":
      return writeReapWatchReply(encoder, message);
    case "reap-proof-request":
      return writeReapProofRequest(encoder, message);
    case "reap-proof-reply":
      return writeReapProofReply(encoder, message);
    case "reap-drop":
      return writeReapDrop(encoder, message);
    case "tree-request":
      return writeTreeRequest(encoder, message);
    case "tree-reply":
      return writeTreeReply(encoder, message);
    case "leaf-request":
      return writeLeafRequest(encoder, message);
    case "leaf-reply":
      return writeLeafReply(encoder, message);
    case "fetch-request":
      return writeFetchRequest(encoder, message);
    case "fetch-reply":
      return writeFetchReply(encoder, message);
    case "sizes-request":
      return writeSizesRequest(encoder, message);
    case "sizes-reply":
      return writeSizesReply(encoder, message, form);
    case "recent-request":
      return writeRecentRequest(encoder, message);
    case "recent-reply":
      return writeRecentReply(encoder, message);
    case "archive-request":
      return writeArchiveRequest(encoder, message);
    case "archive-page":
      return writeArchivePage(encoder, message);
    case "statistics-request":
      return writeStatisticsRequest(encoder, message);
    case "statistics-reply":
      return writeStatisticsReply(encoder, message, form);
    default:
      return unreachable(message);
  }
}

function readBody(decoder: Decoder, kind: number, form: number): Message {
  switch (kind) {
    case KIND.ping:
      return { kind: "ping", ...readPing(decoder) };
    case KIND.pong:
      return { kind: "pong", ...readPing(decoder) };
    case KIND.probe:
      return readProbe(decoder);
    case KIND["probe-reply"]:
      return readProbeReply(decoder);
    case KIND["gossip-digest"]:
      return readGossipDigest(decoder);
    case KIND["gossip-versions"]:
      return readGossipVersions(decoder);
    case KIND["gossip-news"]:
      return readGossipNews(decoder, form);
    case KIND["load-news"]:
      return readLoadNews(decoder);
    case KIND["light-hello"]:
      return lightHello;
    case KIND["view-request"]:
      return readViewRequest(decoder);
    case KIND["view-reply"]:
      return readViewReply(decoder);
    case KIND["replica-put"]:
      return readReplicaPut(decoder, form);
    case KIND["replica-put-reply"]:
      return readReplicaPutReply(decoder, form);
    case KIND["replica-get"]:
      return readReplicaGet(decoder);
    case KIND["replica-get-reply"]:
      return readReplicaGetReply(decoder);
    case KIND["coordinate-get"]:
      return readCoordinateGet(decoder, form);
    case KIND["coordinate-put"]:
      return readCoordinatePut(decoder, form);
    case KIND["coordinate-reply"]:
      return readCoordinateReply(decoder, form);
    case KIND["transfer-request"]:
      return readTransferRequest(decoder);
    case KIND["transfer-page"]:
      return readTransferPage(decoder);
    case KIND["release-request"]:
      return readReleaseRequest(decoder);
    case KIND["release-reply"]:
      return readReleaseReply(decoder);
    case KIND["known-request"]:
      return readKnownRequest(decoder);
    case KIND["known-reply"]:
      return readKnownReply(decoder);
    case KIND["reap-watch-request"]:
      return readReapWatchRequest(decoder);
    case KIND["reap-watch-reply"]:
      return readReapWatchReply(decoder);
    case KIND["reap-proof-request"]:
      return readReapProofRequest(decoder);
    case KIND["reap-proof-reply"]:
      return readReapProofReply(decoder);
    case KIND["reap-drop"]:
      return readReapDrop(decoder);
    case KIND["tree-request"]:
      return readTreeRequest(decoder);
    case KIND["tree-reply"]:
      return readTreeReply(decoder);
    case KIND["leaf-request"]:
      return readLeafRequest(decoder);
    case KIND["leaf-reply"]:
      return readLeafReply(decoder);
    case KIND["fetch-request"]:
      return readFetchRequest(decoder);
    case KIND["fetch-reply"]:
      return readFetchReply(decoder);
    case KIND["sizes-request"]:
      return readSizesRequest(decoder);
    case KIND["sizes-reply"]:
      return readSizesReply(decoder, form);
    case KIND["recent-request"]:
      return readRecentRequest(decoder);
    case KIND["recent-reply"]:
      return readRecentReply(decoder);
    case KIND["archive-request"]:
      return readArchiveRequest(decoder);
    case KIND["archive-page"]:
      return readArchivePage(decoder);
    case KIND["statistics-request"]:
      return readStatisticsRequest(decoder);
    case KIND["statistics-reply"]:
      return readStatisticsReply(decoder, form);
    default:
      throw new UnknownMessageError(kind);
  }
}

/** ping, pong: sequence epoch (the sender's) */
function writePing(encoder: Encoder, message: Ping | Pong): void {
  writeUint(encoder, message.sequence);
  writeUint(encoder, message.epoch);
}
function readPing(decoder: Decoder): Omit<Ping, "kind"> {
  return { sequence: readUint(decoder, "a sequence number"), epoch: readUint(decoder, "the sender's epoch") };
}

/** probe: sequence target */
function writeProbe(encoder: Encoder, message: Probe): void {
  writeUint(encoder, message.sequence);
  writeNodeId(encoder, message.target);
}
function readProbe(decoder: Decoder): Probe {
  return { kind: "probe", sequence: readUint(decoder, "a sequence number"), target: readNodeId(decoder) };
}

/** probe-reply: sequence target alive */
function writeProbeReply(encoder: Encoder, message: ProbeReply): void {
  writeUint(encoder, message.sequence);
  writeNodeId(encoder, message.target);
  writeBoolean(encoder, message.alive);
}
function readProbeReply(decoder: Decoder): ProbeReply {
  const sequence = readUint(decoder, "a sequence number");
  const target = readNodeId(decoder);
  return { kind: "probe-reply", sequence, target, alive: readBoolean(decoder, "whether a node is alive") };
}

/** gossip-digest: ring? */
function writeGossipDigest(encoder: Encoder, message: GossipDigest): void {
  writeOptional(encoder, message.ring, writeUint32);
}
function readGossipDigest(decoder: Decoder): GossipDigest {
  return { kind: "gossip-digest", ring: readOptional(decoder, "whether there is a ring", readRing) };
}

/** gossip-versions: (node incarnation version)* with node ids ascending, claims? buckets? (their digests) */
function writeGossipVersions(encoder: Encoder, message: Omit<GossipVersions, "kind">): void {
  writeCount(encoder, message.members.length);
  for (const member of inNodeOrder(message.members)) {
    writeNodeId(encoder, member.node);
    writeUint(encoder, member.incarnation);
    writeUint(encoder, member.version);
  }
  writeOptional(encoder, message.claims, writeUint32);
  writeOptional(encoder, message.buckets, writeUint32);
}
function readGossipVersions(decoder: Decoder): GossipVersions {
  const count = readCount(decoder, "members", MEMBERS_MAX, VERSIONS_BYTES_MIN);
  const members: { node: NodeId; incarnation: number; version: number }[] = [];
  for (let i = 0; i < count; i++) {
    const node = readNodeId(decoder);
    const incarnation = readUint(decoder, "an incarnation", 1);
    members.push({ node, incarnation, version: readUint(decoder, "the version of a member", 1) });
  }
  demandNodeOrder(members);
  const claims = readOptional(decoder, "whether there are claims", readClaimsDigest);
  const buckets = readOptional(decoder, "whether there are buckets", readBucketsDigest);
  return { kind: "gossip-versions", members, claims, buckets };
}
function readClaimsDigest(decoder: Decoder): number {
  return readUint32(decoder, "the digest of the claims");
}
function readBucketsDigest(decoder: Decoder): number {
  return readUint32(decoder, "the digest of the buckets");
}

/** gossip-news: parameters members (present, claims)? buckets? wanted* with node ids ascending, wantsClaims wantsBuckets */
function writeGossipNews(encoder: Encoder, message: GossipNews, form: number): void {
  const { parameters, members, claims } = message;
  writeParameters(encoder, parameters);
  writeMembers(encoder, members, parameters);
  writeBoolean(encoder, claims !== undefined);
  if (claims !== undefined) writeClaims(encoder, claims, parameters);
  writeOptional(encoder, message.buckets, (own, buckets) => writeBuckets(own, buckets, form));
  writeNodeIds(encoder, message.wanted.slice().sort());
  writeBoolean(encoder, message.wantsClaims);
  writeBoolean(encoder, message.wantsBuckets);
}
function readGossipNews(decoder: Decoder, form: number): GossipNews {
  const parameters = readParameters(decoder);
  const members = readMembers(decoder, parameters);
  const hasClaims = readBoolean(decoder, "whether there are claims");
  const claims = hasClaims ? readClaims(decoder, parameters) : undefined;
  const buckets = readOptional(decoder, "whether there are buckets", () => readBuckets(decoder, parameters.n, form));
  const wanted = readNodeIds(decoder, "wanted nodes");
  demandNodeOrder(wanted.map((node) => ({ node })));
  const wantsClaims = readBoolean(decoder, "whether claims are wanted");
  const wantsBuckets = readBoolean(decoder, "whether buckets are wanted");
  return { kind: "gossip-news", parameters, members, claims, buckets, wanted, wantsClaims, wantsBuckets };
}

/** load-news: (node stamp level slow*)*, with node ids ascending */
function writeLoadNews(encoder: Encoder, message: LoadNews): void {
  writeCount(encoder, message.entries.length);
  for (const { node, stamp, level, slow } of message.entries) {
    writeNodeId(encoder, node);
    writeUint(encoder, stamp);
    writeByte(encoder, level);
    writeNodeIds(encoder, slow);
  }
}
function readLoadNews(decoder: Decoder): LoadNews {
  const count = readCount(decoder, "loads of members", MEMBERS_MAX, LOAD_BYTES_MIN);
  const entries = Array.from({ length: count }, () => {
    const node = readNodeId(decoder);
    const stamp = readUint(decoder, "the stamp of a load", 1);
    const level = readByte(decoder, "a level of load");
    if (level > LOAD_LEVEL_MAX) throw malformed(`a level of load is ${level}`);
    const slow = readNodeIds(decoder, "slow nodes");
    if (slow.length > SLOW_NAMED_MAX) throw malformed(`more than ${SLOW_NAMED_MAX} slow nodes`);
    demandNodeOrder(slow.map((each) => ({ node: each })));
    return { node, stamp, level, slow };
  });
  demandNodeOrder(entries);
  return { kind: "load-news", entries };
}

/** light-hello: nothing */
const lightHello: LightHello = { kind: "light-hello" };

/** view-request: request digest? known? (the body of gossip-versions) */
function writeViewRequest(encoder: Encoder, message: ViewRequest): void {
  writeUint(encoder, message.request);
  writeOptional(encoder, message.digest, writeUint32);
  writeOptional(encoder, message.known, writeGossipVersions);
}
function readViewRequest(decoder: Decoder): ViewRequest {
  const request = readRequest(decoder);
  const digest = readOptional(decoder, "whether there is a ring", readRing);
  return {
    kind: "view-request",
    request,
    digest,
    known: readOptional(decoder, "whether there are versions", (own) => {
      const { members, claims, buckets } = readGossipVersions(own);
      return { members, claims, buckets };
    }),
  };
}

/** view-reply: request digest outcome, and for "news" parameters members (present, claims)? buckets? */
function writeViewReply(encoder: Encoder, message: ViewReply): void {
  const { news } = message;
  assert((message.outcome === "news") === (news !== undefined), "news goes with its outcome");
  writeUint(encoder, message.request);
  writeUint32(encoder, message.digest);
  writeChoice(encoder, VIEWS, message.outcome);
  if (news === undefined) return;
  writeParameters(encoder, news.parameters);
  writeMembers(encoder, news.members, news.parameters);
  writeBoolean(encoder, news.claims !== undefined);
  if (news.claims !== undefined) writeClaims(encoder, news.claims, news.parameters);
  writeOptional(encoder, news.buckets, (own, buckets) => writeBuckets(own, buckets, 2));
}
function readViewReply(decoder: Decoder): ViewReply {
  const request = readRequest(decoder);
  const digest = readRing(decoder);
  const outcome = readChoice(decoder, "the outcome of a question about the view", VIEWS);
  if (outcome !== "news") return { kind: "view-reply", request, digest, outcome, news: undefined };
  const parameters = readParameters(decoder);
  const members = readMembers(decoder, parameters);
  const hasClaims = readBoolean(decoder, "whether there are claims");
  const claims = hasClaims ? readClaims(decoder, parameters) : undefined;
  const buckets = readOptional(decoder, "whether there are buckets", () => readBuckets(decoder, parameters.n, 2));
  return { kind: "view-reply", request, digest, outcome, news: { parameters, members, claims, buckets } };
}

/** replica-put: request ring ttlMs purpose (that of a write with how it is kept, not in form 1) key set hintFor? */
function writeReplicaPut(encoder: Encoder, message: ReplicaPut, form: number): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  const { purpose, durability } = message;
  const isPlain = form < 2 || purpose !== "write" || durability === "relaxed";
  writeChoice(encoder, PURPOSES, isPlain ? purpose : `write-${durability}`);
  writeKey(encoder, message.key);
  writeDvvSet(encoder, message.set);
  writeOptional(encoder, message.hintFor, writeNodeId);
}
function readReplicaPut(decoder: Decoder, form: number): ReplicaPut {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const choice = readChoice(decoder, "the purpose of a put", form < 2 ? PURPOSES_BEFORE : PURPOSES);
  const key = readKey(decoder);
  const set = readDvvSet(decoder);
  const hintFor = readOptional(decoder, "whether it is a hint", readNodeId);
  const [purpose, durability] = DURABILITY_OF[choice];
  return { kind: "replica-put", request, ring, ttlMs, purpose, key, set, hintFor, durability };
}

/** replica-put-reply: request ring outcome (plus 4 where it is strict, 8 where it is in memory; not in form 1) owner counted* */
function writeReplicaPutReply(encoder: Encoder, message: ReplicaPutReply, form: number): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  const kept = form < 2 ? 0 : DURABILITIES.indexOf(message.durability);
  writeByte(encoder, STORED.indexOf(message.outcome) + STORED.length * kept);
  writeBoolean(encoder, message.owner);
  writeNodeIds(encoder, message.counted);
}
function readReplicaPutReply(decoder: Decoder, form: number): ReplicaPutReply {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const kept = readUint(decoder, "the outcome of a put", 0, STORED.length * (form < 2 ? 1 : DURABILITIES.length) - 1);
  const outcome = STORED[kept % STORED.length]!;
  const owner = readBoolean(decoder, "whether it is an owner");
  return {
    kind: "replica-put-reply",
    request,
    ring,
    outcome,
    owner,
    durability: DURABILITIES[Math.floor(kept / STORED.length)]!,
    counted: readNodeIds(decoder, "nodes that count"),
  };
}

/** replica-get: request ring ttlMs key counts */
function writeReplicaGet(encoder: Encoder, message: ReplicaGet): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  writeKey(encoder, message.key);
  writeBoolean(encoder, message.counts);
}
function readReplicaGet(decoder: Decoder): ReplicaGet {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const key = readKey(decoder);
  return { kind: "replica-get", request, ring, ttlMs, key, counts: readBoolean(decoder, "whether it counts") };
}

/** replica-get-reply: request ring outcome owner counted*, and for "found" the set */
function writeReplicaGetReply(encoder: Encoder, message: ReplicaGetReply): void {
  assert((message.outcome === "found") === (message.set !== undefined), "a set goes with what was found");
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeChoice(encoder, FOUND, message.outcome);
  writeBoolean(encoder, message.owner);
  writeNodeIds(encoder, message.counted);
  if (message.set !== undefined) writeDvvSet(encoder, message.set);
}
function readReplicaGetReply(decoder: Decoder): ReplicaGetReply {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const outcome = readChoice(decoder, "the outcome of a get", FOUND);
  const owner = readBoolean(decoder, "whether it is an owner");
  const counted = readNodeIds(decoder, "nodes that count");
  return {
    kind: "replica-get-reply",
    request,
    ring,
    outcome,
    owner,
    counted,
    set: outcome === "found" ? readDvvSet(decoder) : undefined,
  };
}

/** coordinate-get: request ring ttlMs hops (not in form 1) key r? pr? */
function writeCoordinateGet(encoder: Encoder, message: CoordinateGet, form: number): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  if (form >= 2) writeByte(encoder, message.hops);
  writeKey(encoder, message.key);
  writeOptional(encoder, message.r, writeUint);
  writeOptional(encoder, message.pr, writeUint);
}
function readCoordinateGet(decoder: Decoder, form: number): CoordinateGet {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const hops = form >= 2 ? readByte(decoder, "how often it was handed on") : HOPS_UNTOLD;
  const key = readKey(decoder);
  return {
    kind: "coordinate-get",
    request,
    ring,
    ttlMs,
    hops,
    key,
    r: readOptional(decoder, "whether there is an r", readQuorum),
    pr: readOptional(decoder, "whether there is a pr", readOwnersQuorum),
  };
}

/** coordinate-put: request ring ttlMs hops (not in form 1) key write */
function writeCoordinatePut(encoder: Encoder, message: CoordinatePut, form: number): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  if (form >= 2) writeByte(encoder, message.hops);
  writeKey(encoder, message.key);
  writeClientWrite(encoder, message.write, form);
}
function readCoordinatePut(decoder: Decoder, form: number): CoordinatePut {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const hops = form >= 2 ? readByte(decoder, "how often it was handed on") : HOPS_UNTOLD;
  const key = readKey(decoder);
  return { kind: "coordinate-put", request, ring, ttlMs, hops, key, write: readClientWrite(decoder, form) };
}

/** coordinate-reply: request ring result */
function writeCoordinateReply(encoder: Encoder, message: CoordinateReply, form: number): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.ring);
  writeClientResult(encoder, message.result, form);
}
function readCoordinateReply(decoder: Decoder, form: number): CoordinateReply {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  return { kind: "coordinate-reply", request, ring, result: readClientResult(decoder, form) };
}

/** transfer-request: request partition after bytesMax */
function writeTransferRequest(encoder: Encoder, message: TransferRequest): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.partition);
  writeText(encoder, message.after);
  writeUint(encoder, message.bytesMax);
}
function readTransferRequest(decoder: Decoder): TransferRequest {
  const request = readRequest(decoder);
  const partition = readPartition(decoder);
  const after = readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX);
  const bytesMax = readUint(decoder, "the size of a page", 1, MESSAGE_BYTES_MAX);
  return { kind: "transfer-request", request, partition, after, bytesMax };
}

/** transfer-page: request partition outcome, and for "page" (key set)* next? */
function writeTransferPage(encoder: Encoder, message: TransferPage): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.partition);
  writeChoice(encoder, PAGES, message.outcome);
  if (message.outcome === "refused") {
    return assert(message.records.length === 0 && message.next === undefined, "a refused page is empty");
  }
  assert(message.records.length <= TRANSFER_RECORDS_MAX, "a page has too many records");
  writeCount(encoder, message.records.length);
  for (const record of message.records) {
    writeKey(encoder, record.key);
    writeDvvSet(encoder, record.set);
  }
  writeOptional(encoder, message.next, writeText);
}
function readTransferPage(decoder: Decoder): TransferPage {
  const request = readRequest(decoder);
  const partition = readPartition(decoder);
  const outcome = readChoice(decoder, "the outcome of a transfer", PAGES);
  if (outcome === "refused")
    return { kind: "transfer-page", request, partition, outcome, records: [], next: undefined };
  const count = readCount(decoder, "records", TRANSFER_RECORDS_MAX, TRANSFERRED_BYTES_MIN);
  const records: { key: TransferPage["records"][number]["key"]; set: DvvSet }[] = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  const next = readOptional(decoder, "whether there is a next page", readAddress);
  return { kind: "transfer-page", request, partition, outcome, records, next };
}

/** release-request: request claims partition* */
function writeReleaseRequest(encoder: Encoder, message: ReleaseRequest): void {
  writeUint(encoder, message.request);
  writeUint32(encoder, message.claims);
  writePartitions(encoder, message.partitions);
}
function readReleaseRequest(decoder: Decoder): ReleaseRequest {
  const request = readRequest(decoder);
  const claims = readUint32(decoder, "a digest of claims");
  return { kind: "release-request", request, claims, partitions: readPartitions(decoder) };
}

/** release-reply: request partition* */
function writeReleaseReply(encoder: Encoder, message: ReleaseReply): void {
  writeUint(encoder, message.request);
  writePartitions(encoder, message.partitions);
}
function readReleaseReply(decoder: Decoder): ReleaseReply {
  const request = readRequest(decoder);
  return { kind: "release-reply", request, partitions: readPartitions(decoder) };
}

/** known-request: request incarnation version */
function writeKnownRequest(encoder: Encoder, message: KnownRequest): void {
  writeUint(encoder, message.request);
  writeUint(encoder, message.incarnation);
  writeUint(encoder, message.version);
}
function readKnownRequest(decoder: Decoder): KnownRequest {
  const request = readRequest(decoder);
  const incarnation = readUint(decoder, "an incarnation", 1);
  return { kind: "known-request", request, incarnation, version: readUint(decoder, "the version of a member", 1) };
}

/** known-reply: request known partition* */
function writeKnownReply(encoder: Encoder, message: KnownReply): void {
  writeUint(encoder, message.request);
  writeBoolean(encoder, message.known);
  writePartitions(encoder, message.unopened);
}
function readKnownReply(decoder: Decoder): KnownReply {
  const request = readRequest(decoder);
  const known = readBoolean(decoder, "whether something is known");
  return { kind: "known-reply", request, known, unopened: readPartitions(decoder) };
}

/** write: value context operation at w? pw? dw? (not in form 1) policy? */
function writeClientWrite(encoder: Encoder, write: ClientWrite, form: number): void {
  writeValue(encoder, write.value);
  writeClock(encoder, write.context);
  writeOperationId(encoder, write.operation);
  writeMillis(encoder, write.at);
  writeOptional(encoder, write.w, writeUint);
  writeOptional(encoder, write.pw, writeUint);
  if (form >= 2) writeOptional(encoder, write.dw, writeUint);
  writeOptional(encoder, write.policy, writePolicy);
}
function readClientWrite(decoder: Decoder, form: number): ClientWrite {
  const value = readValue(decoder);
  const context = readClock(decoder);
  const operation = readOperationId(decoder);
  const at = readMillis(decoder, "the time of a write");
  const w = readOptional(decoder, "whether there is a w", readQuorum);
  const pw = readOptional(decoder, "whether there is a pw", readOwnersQuorum);
  const dw = form >= 2 ? readOptional(decoder, "whether there is a dw", readStrictQuorum) : undefined;
  return {
    value,
    context,
    operation,
    at,
    w,
    pw,
    dw,
    policy: readOptional(decoder, "whether there is a policy", readPolicy),
  };
}
function writePolicy(encoder: Encoder, policy: NonNullable<ClientWrite["policy"]>): void {
  writeChoice(encoder, POLICIES, policy);
}
function readPolicy(decoder: Decoder): NonNullable<ClientWrite["policy"]> {
  return readChoice(decoder, "a conflict policy", POLICIES);
}

/** result: 0 set first report | 1 clock siblings report | 2 failure report? */
function writeClientResult(encoder: Encoder, result: ClientResult, form: number): void {
  writeChoice(encoder, RESULTS, result.outcome);
  switch (result.outcome) {
    case "got":
      writeDvvSet(encoder, result.set);
      writeNodeId(encoder, result.first);
      return writeReport(encoder, result.report, form);
    case "put":
      writeClock(encoder, result.clock);
      writeUint(encoder, result.siblings);
      return writeReport(encoder, result.report, form);
    case "failed":
      writeFailure(encoder, result.failure);
      return writeOptional(encoder, result.report, (own, report) => writeReport(own, report, form));
    default:
      return unreachable(result);
  }
}
function readClientResult(decoder: Decoder, form: number): ClientResult {
  const outcome = readChoice(decoder, "the outcome of a request", RESULTS);
  switch (outcome) {
    case "got": {
      const set = readDvvSet(decoder);
      const first = readNodeId(decoder);
      return { outcome, set, first, report: readReport(decoder, form) };
    }
    case "put": {
      const clock = readClock(decoder);
      const siblings = readSiblings(decoder);
      return { outcome, clock, siblings, report: readReport(decoder, form) };
    }
    case "failed": {
      const failure = readFailure(decoder);
      return {
        outcome,
        failure,
        report: readOptional(decoder, "whether there is a report", (own) => readReport(own, form)),
      };
    }
    default:
      return unreachable(outcome);
  }
}

/** failure: code, and for "too-many-siblings" their number */
function writeFailure(encoder: Encoder, failure: RequestFailure): void {
  writeChoice(encoder, FAILURES, failure.code);
  if (failure.code === "too-many-siblings") writeUint(encoder, failure.siblings);
}
function readFailure(decoder: Decoder): RequestFailure {
  const code = readChoice(decoder, "the code of a failure", FAILURES);
  return code === "too-many-siblings" ? { code, siblings: readSiblings(decoder) } : { code };
}

/** report: coordinator needed counted ownersNeeded ownersAnswered strictNeeded strictAnswered inMemory (these three not in form 1) answered* silent* hintedFor* elapsedMs */
function writeReport(encoder: Encoder, report: RequestReport, form: number): void {
  writeNodeId(encoder, report.coordinator);
  writeUint(encoder, report.needed);
  writeUint(encoder, report.counted);
  writeUint(encoder, report.ownersNeeded);
  writeUint(encoder, report.ownersAnswered);
  if (form >= 2) writeUint(encoder, report.strictNeeded);
  if (form >= 2) writeUint(encoder, report.strictAnswered);
  if (form >= 2) writeUint(encoder, report.inMemory);
  writeNodeIds(encoder, report.answered);
  writeNodeIds(encoder, report.silent);
  writeNodeIds(encoder, report.hintedFor);
  writeMillis(encoder, report.elapsedMs);
}
function readReport(decoder: Decoder, form: number): RequestReport {
  const coordinator = readNodeId(decoder);
  const needed = readUint(decoder, "the replies needed", 0, MEMBERS_MAX);
  const counted = readUint(decoder, "the nodes that count", 0, MEMBERS_MAX);
  const ownersNeeded = readUint(decoder, "the owners needed", 0, MEMBERS_MAX);
  const ownersAnswered = readUint(decoder, "the owners that answered", 0, MEMBERS_MAX);
  const strictNeeded = form >= 2 ? readUint(decoder, "the strict commits needed", 0, MEMBERS_MAX) : 0;
  const strictAnswered = form >= 2 ? readUint(decoder, "the strict commits", 0, MEMBERS_MAX) : 0;
  const inMemory = form >= 2 ? readUint(decoder, "the answers from memory", 0, MEMBERS_MAX) : 0;
  const answered = readNodeIds(decoder, "nodes that answered");
  const silent = readNodeIds(decoder, "silent nodes");
  const hintedFor = readNodeIds(decoder, "nodes hinted for");
  const elapsedMs = readMillis(decoder, "the time elapsed");
  return {
    coordinator,
    needed,
    counted,
    ownersNeeded,
    ownersAnswered,
    strictNeeded,
    strictAnswered,
    inMemory,
    answered,
    silent,
    hintedFor,
    elapsedMs,
  };
}

/** sizes-request: request partition* */
function writeSizesRequest(encoder: Encoder, message: SizesRequest): void {
  writeUint(encoder, message.request);
  writePartitions(encoder, message.partitions);
}
function readSizesRequest(decoder: Decoder): SizesRequest {
  return { kind: "sizes-request", request: readRequest(decoder), partitions: readPartitions(decoder) };
}

/** sizes-reply: request partition* (keys bytes servedPerMinute)*, without the last before version 2, as many as there are partitions */
function writeSizesReply(encoder: Encoder, message: SizesReply, form: number): void {
  writeUint(encoder, message.request);
  writePartitions(
    encoder,
    message.sizes.map(({ partition }) => partition),
  );
  for (const { keys, bytes, servedPerMinute } of message.sizes) {
    writeUint(encoder, keys);
    writeUint(encoder, bytes);
    if (form >= 2) writeUint(encoder, servedPerMinute);
  }
}
function readSizesReply(decoder: Decoder, form: number): SizesReply {
  const request = readRequest(decoder);
  const sizes = readPartitions(decoder).map((partition) => ({
    partition,
    keys: readUint(decoder, "a number of keys"),
    bytes: readUint(decoder, "a number of bytes"),
    servedPerMinute: form >= 2 ? readUint(decoder, "a number of requests") : 0,
  }));
  return { kind: "sizes-reply", request, sizes };
}

/** statistics-request: request */
function writeStatisticsRequest(encoder: Encoder, message: StatisticsRequest): void {
  writeUint(encoder, message.request);
}
function readStatisticsRequest(decoder: Decoder): StatisticsRequest {
  return { kind: "statistics-request", request: readRequest(decoder) };
}

/** statistics-reply: request statistics (statistics.ts, in the same form) */
function writeStatisticsReply(encoder: Encoder, message: StatisticsReply, form: number): void {
  writeUint(encoder, message.request);
  writeStatistics(encoder, message.statistics, form);
}
function readStatisticsReply(decoder: Decoder, form: number): StatisticsReply {
  const request = readRequest(decoder);
  return { kind: "statistics-reply", request, statistics: readStatistics(decoder, form) };
}

function readRequest(decoder: Decoder): number {
  return readUint(decoder, "a request id");
}
function readRing(decoder: Decoder): number {
  return readUint32(decoder, "the digest of a ring");
}
function readTtl(decoder: Decoder): number {
  return readMillis(decoder, "a time to live");
}
function readQuorum(decoder: Decoder): number {
  return readUint(decoder, "a quorum", 1, QUORUM_MAX);
}
function readStrictQuorum(decoder: Decoder): number {
  return readUint(decoder, "a quorum of strict commits", 0, QUORUM_MAX);
}
function readOwnersQuorum(decoder: Decoder): number {
  return readUint(decoder, "a quorum of owners", 0, QUORUM_MAX);
}
function readAddress(decoder: Decoder): string {
  return readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX);
}
function readSiblings(decoder: Decoder): number {
  return readUint(decoder, "the number of siblings", 0, SIBLINGS_DECODED_MAX);
}
