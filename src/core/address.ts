/**
 * Where a key lies: on the ring and on disk. A storage address is the first 32 bits of the position and the key itself, so that addresses sort
 * by ring position and every partition is one contiguous range; a hint's address has the owed node behind it, so that a key's hints lie together.
 */

import { md5Of } from "../base/md5.ts";
import { toHex, utf8Encode } from "../base/bytes.ts";
import type { Key, Millis, NodeId, Partition, Position } from "./identifiers.ts";

const POSITION_DIGITS = 8;
const NODE_DIGITS = 32;

/** Positions worked out lately: one request asks for the same one several times. Cleared when full. */
const positions = new Map<Key, Position>();
const POSITIONS_KEPT_MAX = 65_536;

/** MD5 over the key, bucket included (paper, section 4.2). */
export function positionOf(key: Key): Position {
  let position = positions.get(key);
  if (position === undefined) {
    position = toHex(md5Of(utf8Encode(key))) as Position;
    if (positions.size >= POSITIONS_KEPT_MAX) positions.clear();
    positions.set(key, position);
  }
  return position;
}

/** The partition of a position, among `partitions` equal ones (a power of two up to 4,096). */
export function partitionOf(position: string, partitions: number): Partition {
  return Math.floor((Number.parseInt(position.slice(0, POSITION_DIGITS), 16) / 0x1_0000_0000) * partitions);
}

export function recordAddress(key: Key, position: Position): string {
  return position.slice(0, POSITION_DIGITS) + key;
}

export function hintAddress(key: Key, position: Position, target: NodeId): string {
  return position.slice(0, POSITION_DIGITS) + key + target;
}

export function keyOfRecord(address: string): Key {
  return address.slice(POSITION_DIGITS) as Key;
}

export function parseHintAddress(address: string): { key: Key; target: NodeId } {
  const end = address.length - NODE_DIGITS;
  return { key: address.slice(POSITION_DIGITS, end) as Key, target: address.slice(end) as NodeId };
}

/** The storage range of a partition: addresses from behind `after` and before `before`. */
export function partitionRange(partition: Partition, partitions: number): { after: string; before: string } {
  const bound = (p: number) =>
    p >= partitions
      ? "g"
      : Math.round((p / partitions) * 0x1_0000_0000)
          .toString(16)
          .padStart(POSITION_DIGITS, "0");
  return { after: bound(partition), before: bound(partition + 1) };
}

const UNTIL_DIGITS = 12;
const DIGEST_DIGITS = 13;

/** Where a record that was replaced is kept: behind the key, until when it was the state (wall clock), and its digest, so that no two share a place. */
export function historyAddress(key: Key, position: Position, until: Millis, digest: number): string {
  const hex = (number: number, digits: number) => number.toString(16).padStart(digits, "0").slice(-digits);
  return position.slice(0, POSITION_DIGITS) + key + hex(until, UNTIL_DIGITS) + hex(digest, DIGEST_DIGITS);
}

export function parseHistoryAddress(address: string): { key: Key; until: Millis } {
  const end = address.length - DIGEST_DIGITS - UNTIL_DIGITS;
  const until = Number.parseInt(address.slice(end, end + UNTIL_DIGITS), 16);
  return { key: address.slice(POSITION_DIGITS, end) as Key, until };
}
