/**
 * Merkle trees over this node's records: one for each partition that has any (paper, section 4.7). A tree has FANOUT children for each node and
 * DEPTH levels under its root; a leaf stands for an equal stretch of the ring, so that its records lie together on disk.
 *
 * A node's digest is the sum, modulo 2^52, of the digests of all records under it. So a write changes one number on each level and nothing is ever
 * rebuilt, and the sums of the leaves are all that a restart has to read. Against the hash of hashes of the paper this gives up resistance to
 * somebody who makes up records on purpose, and members are trusted with data anyway; two trees that differ look equal with a chance of 2^-52.
 *
 * The forest counts what is in memory, at once; the disk counts the same in the transaction of each record. The two can part when a store failed or
 * the disk lied about a record. Such a leaf is in doubt, and whoever reads all records of a leaf while none of its stores is under way (an
 * observation that was not disturbed) may set it right: `scrub.ts` does.
 *
 * Nodes are named by level and index: level 0 is the roots, index the partition; the children of index i are 8i to 8i + 7 on the next level.
 *
 * Limits: 585 numbers for each partition that has records; a few observations at a time.
 */

import { HASH52_END, hash52 } from "../base/hash52.ts";
import type { DvvSet } from "./dvvset.ts";
import { type Key, PARTITIONS_MAX, type Partition } from "./identifiers.ts";

/** 0 for nothing at all. */
export type Digest = number;
/** Index of a leaf among all leaves of the ring. */
export type Leaf = number;

export const FANOUT = 8;
/** Levels under the root; leaves are on this one. */
export const DEPTH = 3;
export const LEAVES_PER_PARTITION = FANOUT ** DEPTH;
export const LEAVES_MAX = PARTITIONS_MAX * LEAVES_PER_PARTITION;

/** Where each level begins in a tree's numbers. */
const OFFSETS = [0, 1, 1 + FANOUT, 1 + FANOUT + FANOUT ** 2] as const;
const NUMBERS = 1 + FANOUT + FANOUT ** 2 + FANOUT ** 3;

export function addDigests(a: Digest, b: Digest): Digest {
  const sum = a + b;
  return sum >= HASH52_END ? sum - HASH52_END : sum;
}

export function subtractDigests(a: Digest, b: Digest): Digest {
  return a >= b ? a - b : a - b + HASH52_END;
}

/** Worked out lately: sets never change, and the same one is counted, stored and listed. */
const digests = new WeakMap<DvvSet, { readonly key: Key; readonly digest: Digest }>();

/** Two records of one key have equal digests when they are equal as `dvvset.ts` has it: by dots and operations, which name their values. Never 0. */
export function recordDigest(key: Key, set: DvvSet): Digest {
  const known = digests.get(set);
  if (known?.key === key) return known.digest;
  const digest = digestOf(key, set);
  digests.set(set, { key, digest });
  return digest;
}

function digestOf(key: Key, set: DvvSet): Digest {
  let text: string = key;
  for (const { actor, counter } of set.clock) text += `\n${actor}${counter}`;
  for (const { dots, operation } of set.siblings) {
    text += `\n${operation}`;
    for (const { actor, counter } of dots) text += ` ${actor}${counter}`;
  }
  return hash52(text) || 1;
}

/** The leaf of a position among `partitions` equal partitions. */
export function leafOf(position: string, partitions: number): Leaf {
  return Math.floor((Number.parseInt(position.slice(0, 8), 16) / 0x1_0000_0000) * partitions * LEAVES_PER_PARTITION);
}

export function partitionOfLeaf(leaf: Leaf): Partition {
  return Math.floor(leaf / LEAVES_PER_PARTITION);
}

/** What was touched while somebody looked. */
export interface Observation {
  readonly disturbed: Set<Leaf>;
}

export class MerkleForest {
  readonly #trees = new Map<Partition, Float64Array>();
  /** Stores under way, in their order. */
  readonly #stores = new Map<number, Leaf>();
  #begun = 0;
  /** How many of them are in each leaf. */
  readonly #pending = new Map<Leaf, number>();
  /** How often something counted in a partition turned out not to be on the disk, since the start. */
  readonly #failures = new Map<Partition, number>();
  readonly #doubtful = new Set<Leaf>();
  readonly #observations = new Set<Observation>();

  /** Trees, stores under way, leaves in doubt and observations. */
  get size(): number {
    return this.#trees.size + this.#stores.size + this.#doubtful.size + this.#observations.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    const leaves = [...this.#trees.keys()].sort((a, b) => a - b).flatMap((partition) => this.leavesOf(partition));
    return {
      leaves,
      stores: [...this.#stores.values()],
      failures: this.#failures,
      doubtful: this.#doubtful,
      observations: this.#observations,
    };
  }

  digest(level: number, index: number): Digest {
    const partition = Math.floor(index / FANOUT ** level);
    return this.#trees.get(partition)?.[place(level, index, partition)] ?? 0;
  }

  root(partition: Partition): Digest {
    return this.digest(0, partition);
  }

  /** The digests of a node's children, in order; undefined for one under which not all is settled. */
  children(level: number, index: number): (Digest | undefined)[] {
    return Array.from({ length: FANOUT }, (_, i) => {
      const child = index * FANOUT + i;
      return this.isSettled(level + 1, child) ? this.digest(level + 1, child) : undefined;
    });
  }

  /** True when no store is under way under the node and no leaf is in doubt there: what its digest says is durable. */
  isSettled(level: number, index: number): boolean {
    const width = FANOUT ** (DEPTH - level);
    for (const leaf of this.#pending.keys()) if (Math.floor(leaf / width) === index) return false;
    for (const leaf of this.#doubtful) if (Math.floor(leaf / width) === index) return false;
    return true;
  }

  /** The leaves of a partition that are not 0, with their digests, in order. */
  leavesOf(partition: Partition): { readonly leaf: Leaf; readonly digest: Digest }[] {
    const tree = this.#trees.get(partition);
    if (tree === undefined) return [];
    const leaves: { leaf: Leaf; digest: Digest }[] = [];
    for (let i = 0; i < LEAVES_PER_PARTITION; i++) {
      const digest = tree[OFFSETS[DEPTH] + i]!;
      if (digest !== 0) leaves.push({ leaf: partition * LEAVES_PER_PARTITION + i, digest });
    }
    return leaves;
  }

  /** A record of the leaf came, went or changed: `delta` is the new digest less the old. */
  add(leaf: Leaf, delta: Digest): void {
    if (delta === 0) return;
    const partition = partitionOfLeaf(leaf);
    let tree = this.#trees.get(partition);
    if (tree === undefined) {
      tree = new Float64Array(NUMBERS);
      this.#trees.set(partition, tree);
    }
    let index = leaf;
    for (let level = DEPTH; level >= 0; level--) {
      const at = place(level, index, partition);
      tree[at] = addDigests(tree[at]!, delta);
      index = Math.floor(index / FANOUT);
    }
    if (tree[0] === 0 && tree.every((digest) => digest === 0)) this.#trees.delete(partition);
  }

  /** The leaf's digest is this, whatever was thought. */
  set(leaf: Leaf, digest: Digest): void {
    this.add(leaf, subtractDigests(digest, this.digest(DEPTH, leaf)));
  }

  /** A store of a record of the leaf is under way; returns its number, for `end`. */
  begin(leaf: Leaf): number {
    this.#stores.set(++this.#begun, leaf);
    this.#pending.set(leaf, (this.#pending.get(leaf) ?? 0) + 1);
    for (const { disturbed } of this.#observations) disturbed.add(leaf);
    return this.#begun;
  }

  /** The store is durable, or nobody knows what became of it. */
  end(store: number, outcome: "stored" | "failed"): void {
    const leaf = this.#stores.get(store);
    if (leaf === undefined) return;
    this.#stores.delete(store);
    const left = this.#pending.get(leaf)! - 1;
    if (left > 0) this.#pending.set(leaf, left);
    else this.#pending.delete(leaf);
    if (outcome === "stored") return;
    this.#fail(leaf);
    this.doubt(leaf);
  }

  /** A record was read again, and what was counted for it is not there. */
  recount(leaf: Leaf, counted: Digest, actual: Digest): void {
    if (counted === actual) return;
    this.add(leaf, subtractDigests(actual, counted));
    this.#fail(leaf);
  }

  #fail(leaf: Leaf): void {
    const partition = partitionOfLeaf(leaf);
    this.#failures.set(partition, this.failuresIn(partition) + 1);
  }

  /** The number of the latest store that has begun. */
  get begun(): number {
    return this.#begun;
  }

  /** True when this store and all before it have ended. */
  settledUpTo(store: number): boolean {
    for (const oldest of this.#stores.keys()) return oldest > store;
    return true;
  }

  /** Changes whenever something that was counted in the partition turns out not to be on the disk: what was concluded from the digests is void. */
  failuresIn(partition: Partition): number {
    return this.#failures.get(partition) ?? 0;
  }

  /** Memory, disk and the disk's sums may have parted here. */
  doubt(leaf: Leaf): void {
    this.#doubtful.delete(leaf);
    this.#doubtful.add(leaf);
  }

  /** A leaf in doubt with no store under way, if there is one: the one that was last called so the longest ago. */
  get doubtful(): Leaf | undefined {
    for (const leaf of this.#doubtful) if (!this.#pending.has(leaf)) return leaf;
    return undefined;
  }

  /** True when a leaf of the partition is in doubt. */
  isDoubtful(partition: Partition): boolean {
    for (const leaf of this.#doubtful) if (partitionOfLeaf(leaf) === partition) return true;
    return false;
  }

  get doubts(): number {
    return this.#doubtful.size;
  }

  /** Begins to look: from now on it is remembered which leaves change. Call it when the reading of the disk is asked for, `close` when it is over. */
  observe(): Observation {
    const observation = { disturbed: new Set(this.#pending.keys()) };
    this.#observations.add(observation);
    return observation;
  }

  close(observation: Observation): void {
    this.#observations.delete(observation);
  }

  /**
   * All records of the leaf were read, and their digests add up to `actual`. "right": as counted, and not in doubt. "wrong": it is set right here, and the disk's
   * sum has to be set. "disturbed": something was under way meanwhile, nothing can be said.
   */
  verify(leaf: Leaf, actual: Digest, observation: Observation): "right" | "wrong" | "disturbed" {
    if (observation.disturbed.has(leaf)) return "disturbed";
    const counted = this.digest(DEPTH, leaf);
    const right = counted === actual && !this.#doubtful.has(leaf);
    this.#doubtful.delete(leaf);
    if (right) return "right";
    this.recount(leaf, counted, actual);
    return "wrong";
  }
}

function place(level: number, index: number, partition: Partition): number {
  return OFFSETS[level]! + index - partition * FANOUT ** level;
}
