/**
 * What messages, stored records and contexts are made of, in bytes: names, clocks, records, members and claims. A write and a read function
 * each, side by side; the comment above a pair is its grammar (`*` a counted list, `?` a presence byte and perhaps the value).
 *
 * Canonical: equal values have equal bytes, and a reader refuses any other spelling, unsorted or repeated entries included. So records can be
 * compared by their bytes, and a decoded one keeps the order that dvvset.ts relies on.
 */

import { assert } from "../base/assert.ts";
import { crc32 } from "../base/crc32.ts";
import {
  BUCKETS_MAX,
  BUCKET_NAME_CHARACTERS_MAX,
  BUCKET_VERSION_MAX,
  type BucketEntry,
  type BucketPolicy,
  type BucketProperties,
  bucketFault,
  mergeNameOf,
} from "../core/buckets.ts";
import type { ClusterParameters } from "../core/config.ts";
import { type PlacementStrategy, parametersFault } from "../core/config.ts";
import type { Clock, Dot, DvvSet, Sibling } from "../core/dvvset.ts";
import {
  type Actor,
  CLOCK_ENTRIES_MAX,
  type Key,
  KEY_BYTES_MAX,
  MEMBERS_MAX,
  type NodeId,
  type OperationId,
  type Partition,
  PARTITIONS_MAX,
  SIBLINGS_DECODED_MAX,
  TOKENS_MAX,
  VALUE_BYTES_MAX,
} from "../core/identifiers.ts";
import { type Claim, type Departure, type Member, type View, unclaimed } from "../core/membership.ts";
import { tokensFault } from "../core/placement.ts";
import {
  damaged,
  type Decoder,
  type Encoder,
  enter,
  leave,
  malformed,
  readBoolean,
  readByte,
  readBytes,
  readChoice,
  readCount,
  readHex,
  readMillis,
  readOptional,
  readRaw,
  readRecurringHex,
  readText,
  readUint,
  readUint32,
  writeBoolean,
  writeByte,
  writeBytes,
  writeChoice,
  writeCount,
  writeHex,
  writeMillis,
  writeOptional,
  writeRaw,
  writeText,
  writeUint,
  writeUint32,
} from "./primitives.ts";

export const NODE_BYTES = 16;
const ACTOR_BYTES = 24;
const OPERATION_BYTES = 16;
/** Least bytes of one item: bounds how many a reader makes room for. */
const DOT_BYTES_MIN = ACTOR_BYTES + 1;
const SIBLING_BYTES_MIN = 1 + DOT_BYTES_MIN + OPERATION_BYTES + 2;
const MEMBER_BYTES_MIN = NODE_BYTES + 9;
const CLAIM_BYTES_MIN = 2;
const BUCKET_BYTES_MIN = 2 + 1 + NODE_BYTES + 6;
/** Dots of one sibling: one for each coordinator that a retry reached. */
const DOTS_MAX = MEMBERS_MAX;
const CAPACITY_MAX = 1_000;
const ZONE_CHARACTERS_MAX = 64;
/** Beside n, which is at most 16. */
const PLACEMENT_SHIFT = 5;

/** node: 16 bytes */
export function writeNodeId(encoder: Encoder, node: NodeId): void {
  writeHex(encoder, node, NODE_BYTES);
}
export function readNodeId(decoder: Decoder): NodeId {
  return readRecurringHex(decoder, "a node id", NODE_BYTES) as NodeId;
}

/** actor: 24 bytes */
export function writeActor(encoder: Encoder, actor: Actor): void {
  writeHex(encoder, actor, ACTOR_BYTES);
}
export function readActor(decoder: Decoder): Actor {
  return readRecurringHex(decoder, "an actor", ACTOR_BYTES) as Actor;
}

/** operation: 16 bytes */
export function writeOperationId(encoder: Encoder, operation: OperationId): void {
  writeHex(encoder, operation, OPERATION_BYTES);
}
export function readOperationId(decoder: Decoder): OperationId {
  return readHex(decoder, "an operation id", OPERATION_BYTES) as OperationId;
}

/** key: text of 1 to 1,024 bytes */
export function writeKey(encoder: Encoder, key: Key): void {
  writeText(encoder, key);
}
export function readKey(decoder: Decoder): Key {
  return readText(decoder, "a key", 1, KEY_BYTES_MAX) as Key;
}

/** value: 0 for none (a delete), or 1 and at most 1 MiB of bytes */
export function writeValue(encoder: Encoder, value: Uint8Array | null): void {
  writeBoolean(encoder, value !== null);
  if (value !== null) writeBytes(encoder, value);
}
export function readValue(decoder: Decoder): Uint8Array | null {
  return readBoolean(decoder, "whether there is a value") ? readBytes(decoder, "a value", VALUE_BYTES_MAX) : null;
}

/** dot: actor counter */
function writeDot(encoder: Encoder, dot: Dot): void {
  writeActor(encoder, dot.actor);
  writeUint(encoder, dot.counter);
}
function readDot(decoder: Decoder): Dot {
  return { actor: readActor(decoder), counter: readUint(decoder, "a counter", 1) };
}

/** clock: dot*, actors ascending */
export function writeClock(encoder: Encoder, clock: Clock): void {
  writeCount(encoder, clock.length);
  for (const dot of clock) writeDot(encoder, dot);
}
export function readClock(decoder: Decoder): Clock {
  enter("clock");
  const count = readCount(decoder, "clock entries", CLOCK_ENTRIES_MAX, DOT_BYTES_MIN);
  const clock: Dot[] = [];
  for (let i = 0; i < count; i++) {
    const dot = readDot(decoder);
    if (i > 0 && dot.actor <= clock[i - 1]!.actor) throw malformed("a clock is unsorted or repeats an actor");
    clock.push(dot);
  }
  leave();
  return clock;
}

/** sibling: dot* (ascending, at least one), operation, at, value, and for a value its checksum */
function writeSibling(encoder: Encoder, sibling: Sibling): void {
  writeCount(encoder, sibling.dots.length);
  for (const dot of sibling.dots) writeDot(encoder, dot);
  writeOperationId(encoder, sibling.operation);
  writeMillis(encoder, sibling.at);
  writeValue(encoder, sibling.value);
  if (sibling.value !== null) writeUint32(encoder, sibling.checksum);
  else assert(sibling.checksum === 0, "a tombstone's checksum is 0");
}
function readSibling(decoder: Decoder): Sibling {
  const count = readCount(decoder, "dots", DOTS_MAX, DOT_BYTES_MIN);
  if (count === 0) throw malformed("a sibling has no dot");
  const dots: Dot[] = [];
  for (let i = 0; i < count; i++) {
    const dot = readDot(decoder);
    const before = dots[i - 1];
    if (
      before !== undefined &&
      !(before.actor < dot.actor || (before.actor === dot.actor && before.counter < dot.counter))
    )
      throw malformed("the dots of a sibling are unsorted or repeat");
    dots.push(dot);
  }
  const operation = readOperationId(decoder);
  const at = readMillis(decoder, "the time of a write");
  const value = readValue(decoder);
  if (value === null) return { dots, operation, at, value, checksum: 0 };
  const checksum = readUint32(decoder, "a checksum");
  if (crc32(value) !== checksum) throw damaged("a value does not match its checksum");
  return { dots, operation, at, value, checksum };
}

/** set: clock sibling*, operations ascending, every dot covered by the clock and on one sibling only */
export function writeDvvSet(encoder: Encoder, set: DvvSet): void {
  writeClock(encoder, set.clock);
  writeCount(encoder, set.siblings.length);
  for (const sibling of set.siblings) writeSibling(encoder, sibling);
}
export function readDvvSet(decoder: Decoder): DvvSet {
  enter("set");
  const clock = readClock(decoder);
  const count = readCount(decoder, "siblings", SIBLINGS_DECODED_MAX, SIBLING_BYTES_MIN);
  const siblings: Sibling[] = [];
  for (let i = 0; i < count; i++) {
    enter("sibling");
    const sibling = readSibling(decoder);
    leave();
    if (i > 0 && sibling.operation <= siblings[i - 1]!.operation)
      throw malformed("siblings are unsorted or repeat an operation");
    for (const dot of sibling.dots) if (!clockCovers(clock, dot)) throw malformed("the clock does not cover a dot");
    siblings.push(sibling);
  }
  if (count > 1) {
    const dots = siblings.flatMap((sibling) => sibling.dots.map((dot) => `${dot.actor} ${dot.counter}`));
    if (new Set(dots).size < dots.length) throw malformed("two siblings carry the same dot");
  }
  leave();
  return { clock, siblings };
}

/** As `covers` of dvvset.ts, by halving: a hostile clock and as many dots must not cost their product. */
function clockCovers(clock: Clock, dot: Dot): boolean {
  let low = 0;
  let high = clock.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const entry = clock[middle]!;
    if (entry.actor === dot.actor) return entry.counter >= dot.counter;
    if (entry.actor < dot.actor) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}

/**
 * parameters: n r w (a byte each) partitions, and in placements 1 and 2 tokensPerNode. The placement stands in the upper three bits of n's byte, placement
 * 3 as 0: to a build that knows no other it is what it always was, and of 1 and 2 such a build refuses the n.
 */
export function writeParameters(encoder: Encoder, parameters: ClusterParameters): void {
  const { n, r, w, partitions, placement, tokensPerNode } = parameters;
  writeByte(encoder, n | ((placement === 3 ? 0 : placement) << PLACEMENT_SHIFT));
  writeByte(encoder, r);
  writeByte(encoder, w);
  writeUint(encoder, partitions);
  if (placement !== 3) writeUint(encoder, tokensPerNode);
}
export function readParameters(decoder: Decoder): ClusterParameters {
  const first = readByte(decoder, "n and the placement");
  const n = first & ((1 << PLACEMENT_SHIFT) - 1);
  const written = first >> PLACEMENT_SHIFT;
  if (written > 2) throw malformed(`placement is written as ${written}`);
  const placement = (written === 0 ? 3 : written) as PlacementStrategy;
  const r = readByte(decoder, "r");
  const w = readByte(decoder, "w");
  const partitions = readUint(decoder, "the number of partitions", 1, PARTITIONS_MAX);
  const tokensPerNode = placement === 3 ? 0 : readUint(decoder, "the tokens of a node", 1, TOKENS_MAX);
  const parameters = { n, r, w, partitions, placement, tokensPerNode };
  const fault = parametersFault(parameters);
  if (fault !== undefined) throw malformed(fault);
  return parameters;
}

/** node list: node*, ascending unless their order means something */
export function writeNodeIds(encoder: Encoder, nodes: readonly NodeId[]): void {
  writeCount(encoder, nodes.length);
  for (const node of nodes) writeNodeId(encoder, node);
}
export function readNodeIds(decoder: Decoder, what: string): NodeId[] {
  const count = readCount(decoder, what, MEMBERS_MAX, NODE_BYTES);
  const nodes: NodeId[] = [];
  for (let i = 0; i < count; i++) nodes.push(readNodeId(decoder));
  return nodes;
}

/**
 * member: node incarnation version capacity zone holders protocolMin protocolMax hidden departure, and in placements 1 and 2 tokens; the partitions fix
 * the length of the holders
 */
function writeMember(encoder: Encoder, member: Member, parameters: ClusterParameters): void {
  assert(member.holders.length === holderBytes(parameters.partitions), "holders have a bit for each partition");
  writeNodeId(encoder, member.node);
  writeUint(encoder, member.incarnation);
  writeUint(encoder, member.version);
  writeUint(encoder, member.capacity);
  writeText(encoder, member.zone);
  writeRaw(encoder, member.holders);
  writeByte(encoder, member.protocolMin);
  writeByte(encoder, member.protocolMax);
  writeBoolean(encoder, member.hidden);
  writeDeparture(encoder, member.departure);
  writeTokens(encoder, member.tokens, parameters);
}
function readMember(decoder: Decoder, parameters: ClusterParameters): Member {
  const { partitions } = parameters;
  const node = readNodeId(decoder);
  const incarnation = readUint(decoder, "an incarnation", 1);
  const version = readUint(decoder, "the version of a member", 1);
  const capacity = readUint(decoder, "a capacity", 0, CAPACITY_MAX);
  const zone = readText(decoder, "a zone", 1, 3 * ZONE_CHARACTERS_MAX);
  if (zone.length > ZONE_CHARACTERS_MAX) throw malformed(`a zone has more than ${ZONE_CHARACTERS_MAX} characters`);
  const holders = readRaw(decoder, "the holders", holderBytes(partitions));
  if (partitions < 8 && holders[0]! >> partitions !== 0) throw malformed("a holder's bit stands for no partition");
  const protocolMin = readByte(decoder, "a protocol version");
  const protocolMax = readByte(decoder, "a protocol version");
  if (protocolMin < 1 || protocolMin > protocolMax) throw malformed("the protocol versions of a member are no range");
  const hidden = readBoolean(decoder, "whether a member is hidden");
  const departure = readDeparture(decoder);
  const tokens = readTokens(decoder, parameters);
  const member = { node, incarnation, version, capacity, zone, holders, tokens, protocolMin, protocolMax, hidden };
  return departure === undefined ? member : { ...member, departure };
}

/** departure: 0 when there is none; else 1 leaving, 2 left, 3 removed, and by whom and when */
const STANDINGS = ["leaving", "left", "removed"] as const;
function writeDeparture(encoder: Encoder, departure: Departure | undefined): void {
  writeByte(encoder, departure === undefined ? 0 : 1 + STANDINGS.indexOf(departure.standing));
  if (departure === undefined) return;
  writeNodeId(encoder, departure.by);
  writeUint(encoder, departure.at);
}
function readDeparture(decoder: Decoder): Departure | undefined {
  const code = readByte(decoder, "a departure");
  if (code === 0) return undefined;
  const standing = STANDINGS[code - 1];
  if (standing === undefined) throw malformed(`a departure of kind ${code}`);
  return { standing, by: readNodeId(decoder), at: readUint(decoder, "the time of a departure", 0) };
}
function holderBytes(partitions: number): number {
  return Math.max(1, partitions >> 3);
}

/** tokens: in placement 1 each as what lies between it and the one before, in 2 four bytes each, in 3 nothing at all */
function writeTokens(encoder: Encoder, tokens: readonly number[], parameters: ClusterParameters): void {
  assert(parameters.placement !== 3 || tokens.length === 0, "in placement 3 nobody has tokens of its own");
  if (parameters.placement === 3) return;
  writeCount(encoder, tokens.length);
  tokens.forEach((token, i) => {
    if (parameters.placement === 1) writeUint(encoder, i === 0 ? token : token - tokens[i - 1]! - 1);
    else writeUint32(encoder, token);
  });
}
function readTokens(decoder: Decoder, parameters: ClusterParameters): number[] {
  if (parameters.placement === 3) return [];
  const count = readCount(decoder, "tokens", TOKENS_MAX, parameters.placement === 1 ? 1 : 4);
  const tokens: number[] = [];
  for (let i = 0; i < count; i++) {
    if (parameters.placement === 2) tokens.push(readUint32(decoder, "a token"));
    else tokens.push(readUint(decoder, "a token", 0, PARTITIONS_MAX) + (i === 0 ? 0 : tokens[i - 1]! + 1));
  }
  const fault = tokensFault(tokens, parameters);
  if (fault !== undefined) throw malformed(fault);
  return tokens;
}

/** members: member*, node ids ascending */
export function writeMembers(encoder: Encoder, members: readonly Member[], parameters: ClusterParameters): void {
  writeCount(encoder, members.length);
  for (const member of inNodeOrder(members)) writeMember(encoder, member, parameters);
}
export function readMembers(decoder: Decoder, parameters: ClusterParameters): Member[] {
  const count = readCount(decoder, "members", MEMBERS_MAX, MEMBER_BYTES_MIN + holderBytes(parameters.partitions) - 1);
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    enter("member");
    members.push(readMember(decoder, parameters));
    leave();
  }
  demandNodeOrder(members);
  return members;
}

/** What names a node once, in the order of the names. A view has that order already; anything else is sorted here. */
export function inNodeOrder<T extends { readonly node: NodeId }>(items: readonly T[]): readonly T[] {
  return isInNodeOrder(items) ? items : items.slice().sort((a, b) => (a.node < b.node ? -1 : 1));
}
export function demandNodeOrder(items: readonly { readonly node: NodeId }[]): void {
  if (!isInNodeOrder(items)) throw malformed("a list of nodes is unsorted or repeats one");
}
function isInNodeOrder(items: readonly { readonly node: NodeId }[]): boolean {
  return items.every((item, i) => i === 0 || items[i - 1]!.node < item.node);
}

/** claims: node* (the owners, each once, in order of their first claim), then for each partition: which of them, version. In placements 1 and 2 nothing. */
export function writeClaims(
  encoder: Encoder,
  claims: readonly Claim[],
  { partitions, placement }: ClusterParameters,
): void {
  assert(claims.length === partitions, "there is a claim for each partition");
  if (placement !== 3) return;
  const places = new Map<NodeId, number>();
  for (const claim of claims) if (!places.has(claim.owner)) places.set(claim.owner, places.size);
  writeNodeIds(encoder, [...places.keys()]);
  for (const claim of claims) {
    writeUint(encoder, places.get(claim.owner)!);
    writeUint(encoder, claim.version);
  }
}
export function readClaims(decoder: Decoder, { partitions, placement }: ClusterParameters): Claim[] {
  if (placement !== 3) return unclaimed(partitions);
  const ownersCount = readCount(decoder, "owners", Math.min(partitions, MEMBERS_MAX), NODE_BYTES + CLAIM_BYTES_MIN);
  const owners: NodeId[] = [];
  for (let i = 0; i < ownersCount; i++) owners.push(readNodeId(decoder));
  if (new Set(owners).size < owners.length) throw malformed("an owner is listed twice");
  const claims: Claim[] = [];
  let named = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const place = readUint(decoder, "the owner of a claim");
    const owner = owners[place];
    if (owner === undefined || place > named) throw malformed("a claim names an owner out of order");
    if (place === named) named++;
    claims.push({ owner, version: readUint(decoder, "the version of a claim") });
  }
  if (named < owners.length) throw malformed("an owner has no claim");
  return claims;
}

const POLICIES: readonly ("siblings" | "last-write-wins" | "merge")[] = ["siblings", "last-write-wins", "merge"];
const MERGE_NAME_BYTES_MAX = 32;

/** properties: r? w? pr? pw? dw? buffered (not in form 1) policy (0 siblings | 1 last-write-wins | 2 the name of a merge) */
function writeBucketProperties(encoder: Encoder, properties: BucketProperties, form: number): void {
  const { r, w, pr, pw, dw, buffered = false, policy } = properties;
  for (const quorum of [r, w, pr, pw, dw]) writeOptional(encoder, quorum, writeByte);
  if (form >= 2) writeBoolean(encoder, buffered);
  const merge = mergeNameOf(policy);
  writeChoice(encoder, POLICIES, merge === undefined ? (policy as "siblings" | "last-write-wins") : "merge");
  if (merge !== undefined) writeText(encoder, merge);
}
function readBucketProperties(decoder: Decoder, form: number): BucketProperties {
  const quorum = (what: string) => readOptional(decoder, `whether there is a ${what}`, () => readByte(decoder, what));
  const [r, w, pr, pw, dw] = [quorum("r"), quorum("w"), quorum("pr"), quorum("pw"), quorum("dw")];
  const buffered = form >= 2 && readBoolean(decoder, "whether it has a buffer");
  const choice = readChoice(decoder, "a conflict policy", POLICIES);
  const policy: BucketPolicy =
    choice === "merge" ? `merge:${readText(decoder, "the name of a merge", 1, MERGE_NAME_BYTES_MAX)}` : choice;
  return { r, w, pr, pw, dw, buffered, policy };
}

/** buckets: (name version setBy properties)*, names ascending; n bounds their quorums. `form`: the version of the protocol. */
export function writeBuckets(encoder: Encoder, buckets: readonly BucketEntry[], form: number): void {
  writeCount(encoder, buckets.length);
  for (const { name, version, setBy, properties } of buckets) {
    writeText(encoder, name);
    writeUint(encoder, version);
    writeNodeId(encoder, setBy);
    writeBucketProperties(encoder, properties, form);
  }
}
export function readBuckets(decoder: Decoder, n: number, form: number): BucketEntry[] {
  const count = readCount(decoder, "buckets", BUCKETS_MAX, BUCKET_BYTES_MIN);
  const buckets: BucketEntry[] = [];
  for (let i = 0; i < count; i++) {
    const name = readText(decoder, "the name of a bucket", 1, 3 * BUCKET_NAME_CHARACTERS_MAX);
    const version = readUint(decoder, "the version of a bucket", 1, BUCKET_VERSION_MAX);
    const setBy = readNodeId(decoder);
    const properties = readBucketProperties(decoder, form);
    const fault = bucketFault(name, properties, n);
    if (fault !== undefined) throw malformed(`a bucket cannot be: ${fault}`);
    if (i > 0 && name <= buckets[i - 1]!.name) throw malformed("buckets are unsorted or one is repeated");
    buckets.push({ name, version, setBy, properties });
  }
  return buckets;
}

/** view: parameters members claims buckets. `form`: the version of the protocol. */
export function writeView(encoder: Encoder, view: View, form: number): void {
  writeParameters(encoder, view.parameters);
  writeMembers(encoder, view.members, view.parameters);
  writeClaims(encoder, view.claims, view.parameters);
  writeBuckets(encoder, view.buckets, form);
}
/** `form`: 0 for a view that was written down before there were buckets. */
export function readView(decoder: Decoder, form: number): View {
  const parameters = readParameters(decoder);
  const members = readMembers(decoder, parameters);
  const claims = readClaims(decoder, parameters);
  return { parameters, members, claims, buckets: form > 0 ? readBuckets(decoder, parameters.n, form) : [] };
}

/** partition*: ascending, so that there is one way to say it. */
export function writePartitions(encoder: Encoder, partitions: readonly Partition[]): void {
  writeCount(encoder, partitions.length);
  for (const partition of partitions) writeUint(encoder, partition);
}
export function readPartitions(decoder: Decoder): Partition[] {
  const count = readCount(decoder, "partitions", PARTITIONS_MAX, 1);
  const partitions: Partition[] = [];
  for (let i = 0; i < count; i++) {
    const partition = readPartition(decoder);
    if (i > 0 && partition <= partitions[i - 1]!) throw malformed("the partitions are not in order");
    partitions.push(partition);
  }
  return partitions;
}

export function readPartition(decoder: Decoder): Partition {
  return readUint(decoder, "a partition", 0, PARTITIONS_MAX - 1);
}
