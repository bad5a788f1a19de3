/**
 * What the records of a leaf tell about its sum, for everybody who reads a leaf as a whole: the scrub, who lists it for a peer, who compares it with a
 * peer's. A damaged record counts as none; a sound one of it in memory is written anew first, which is a store like any other: the leaf is disturbed
 * then, nothing is concluded, and what was counted stays right.
 */

import { keyOfRecord } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Key } from "./identifiers.ts";
import {
  type Digest,
  type Leaf,
  type MerkleForest,
  type Observation,
  addDigests,
  recordDigest,
} from "./merkle-forest.ts";

export interface LeafActions {
  /** The leaf's records on the disk add up to this, and not to what was counted: what is in memory of it may not be what is on the disk. */
  corrected(leaf: Leaf, digest: Digest): void;
  /** The disk has a damaged record of the key: write it anew, if a sound one is in memory. */
  mendDamaged(key: Key): void;
}

/** A record on the disk; digest 0 if it is damaged. */
export interface ListedRecord {
  readonly key: Key;
  readonly digest: Digest;
}

/** What a reading of the disk found, in its order; undefined when some of it could not be read. */
export function listedRecords(
  entries: readonly { readonly address: string; readonly record: ReadRecord }[],
): ListedRecord[] | undefined {
  if (entries.some(({ record }) => record === "failed")) return undefined;
  return entries.map(({ address, record }) => {
    const key = keyOfRecord(address);
    return { key, digest: typeof record === "string" ? 0 : recordDigest(key, record.set) };
  });
}

/** These are all records of the leaf. `observation` began when they were asked for and is still open. */
export function judgeLeaf(
  forest: MerkleForest,
  leaf: Leaf,
  records: Iterable<ListedRecord>,
  observation: Observation,
  actions: LeafActions,
): void {
  let sum: Digest = 0;
  for (const { key, digest } of records) {
    if (digest === 0) actions.mendDamaged(key);
    sum = addDigests(sum, digest);
  }
  if (forest.verify(leaf, sum, observation) === "wrong") actions.corrected(leaf, sum);
}
