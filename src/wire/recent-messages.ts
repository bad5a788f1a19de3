/**
 * The messages by which a node catches up from a peer's log of recent writes, as bytes: a write and a read function each, its grammar above; see codec.ts.
 * And how far it has caught up, as it lies on disk (record.ts).
 */

import { assert } from "../base/assert.ts";
import { HASH52_END } from "../base/hash52.ts";
import type { CaughtUp } from "../core/effect.ts";
import { MEMBERS_MAX, PARTITIONS_MAX } from "../core/identifiers.ts";
import type { RecentReply, RecentRequest } from "../core/message.ts";
import type { LoggedChange } from "../core/write-log.ts";
import {
  type Decoder,
  type Encoder,
  malformed,
  readBoolean,
  readCount,
  readHex,
  readOptional,
  readUint,
  writeBoolean,
  writeCount,
  writeHex,
  writeOptional,
  writeUint,
} from "./primitives.ts";
import {
  NODE_BYTES,
  demandNodeOrder,
  readKey,
  readNodeId,
  readPartitions,
  writeKey,
  writeNodeId,
  writePartitions,
} from "./values.ts";

/** Keys in one page of a log. */
export const LOGGED_CHANGES_MAX = 4_096;
const LOG_ID_BYTES = 8;
const CHANGE_BYTES_MIN = 3;
const SINCE_BYTES_MIN = 3;
const CAUGHT_UP_BYTES_MIN = NODE_BYTES + LOG_ID_BYTES + 1;

type Since = RecentRequest["since"];

/** recent-request: request log? (position partition*)*, positions ascending; none of them without log */
export function writeRecentRequest(encoder: Encoder, message: RecentRequest): void {
  assert(message.log !== undefined || message.since.length === 0, "a position is one of a log");
  writeUint(encoder, message.request);
  writeOptional(encoder, message.log, writeLogId);
  if (message.log !== undefined) writeSince(encoder, message.since);
}
export function readRecentRequest(decoder: Decoder): RecentRequest {
  const request = readUint(decoder, "a request id");
  const log = readOptional(decoder, "whether a log is asked", readLogId);
  return { kind: "recent-request", request, log, since: log === undefined ? [] : readSince(decoder) };
}

/** recent-reply: request log uncovered-partition* (key digest)* position more */
export function writeRecentReply(encoder: Encoder, message: RecentReply): void {
  assert(message.changes.length <= LOGGED_CHANGES_MAX, "a log is told in pages");
  writeUint(encoder, message.request);
  writeLogId(encoder, message.log);
  writePartitions(encoder, message.uncovered);
  writeCount(encoder, message.changes.length);
  for (const { key, digest } of message.changes) {
    writeKey(encoder, key);
    writeUint(encoder, digest);
  }
  writeUint(encoder, message.upTo);
  writeBoolean(encoder, message.more);
}
export function readRecentReply(decoder: Decoder): RecentReply {
  const request = readUint(decoder, "a request id");
  const log = readLogId(decoder);
  const uncovered = readPartitions(decoder);
  const count = readCount(decoder, "changes", LOGGED_CHANGES_MAX, CHANGE_BYTES_MIN);
  const changes: LoggedChange[] = [];
  for (let i = 0; i < count; i++)
    changes.push({ key: readKey(decoder), digest: readUint(decoder, "a digest", 1, HASH52_END - 1) });
  const upTo = readUint(decoder, "a position");
  return {
    kind: "recent-reply",
    request,
    log,
    uncovered,
    changes,
    upTo,
    more: readBoolean(decoder, "whether there are more"),
  };
}

/** caught-up: (peer log (position partition*)*)*, peers ascending */
export function writeCaughtUp(encoder: Encoder, caughtUp: readonly CaughtUp[]): void {
  writeCount(encoder, caughtUp.length);
  for (const { peer, log, since } of caughtUp) {
    writeNodeId(encoder, peer);
    writeLogId(encoder, log);
    writeSince(encoder, since);
  }
}
export function readCaughtUp(decoder: Decoder): CaughtUp[] {
  const count = readCount(decoder, "logs", MEMBERS_MAX, CAUGHT_UP_BYTES_MIN);
  const caughtUp: CaughtUp[] = [];
  for (let i = 0; i < count; i++)
    caughtUp.push({ peer: readNodeId(decoder), log: readLogId(decoder), since: readSince(decoder) });
  demandNodeOrder(caughtUp.map(({ peer }) => ({ node: peer })));
  return caughtUp;
}

function writeLogId(encoder: Encoder, log: string): void {
  writeHex(encoder, log, LOG_ID_BYTES);
}
function readLogId(decoder: Decoder): string {
  return readHex(decoder, "a log's id", LOG_ID_BYTES);
}

function writeSince(encoder: Encoder, since: Since): void {
  writeCount(encoder, since.length);
  for (const { position, partitions } of since) {
    writeUint(encoder, position);
    writePartitions(encoder, partitions);
  }
}
function readSince(decoder: Decoder): Since {
  const count = readCount(decoder, "positions", PARTITIONS_MAX, SINCE_BYTES_MIN);
  const since: { position: number; partitions: number[] }[] = [];
  const told = new Set<number>();
  for (let i = 0; i < count; i++) {
    const position = readUint(decoder, "a position");
    if (i > 0 && position <= since[i - 1]!.position) throw malformed("the positions are not in order");
    const partitions = readPartitions(decoder);
    if (partitions.length === 0) throw malformed("a position is of no partition");
    for (const partition of partitions) {
      if (told.has(partition)) throw malformed("a partition has two positions");
      told.add(partition);
    }
    since.push({ position, partitions });
  }
  return since;
}
