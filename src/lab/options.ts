/** What a simulated world of the lab is made of: its seed, its nodes at the beginning, the cluster's parameters, and its network. Plain data, for links. */

import { type ClusterParameters, parametersFault } from "../core/config.ts";
import type { Millis } from "../core/identifiers.ts";
import { CAPACITY_MAX, ZONE_LENGTH_MAX, isNodeName, textFault } from "./acts.ts";

export interface StartingNode {
  readonly name: string;
  /** 0 to CAPACITY_MAX; 0 is a seed without data: the server. */
  readonly capacity: number;
  readonly zone: string;
}

export interface LabOptions {
  /** 32 bits. */
  readonly seed: number;
  /** In the order of joining; the first founds. */
  readonly nodes: readonly StartingNode[];
  readonly parameters: ClusterParameters;
  /** One way, drawn once for each direction of each pair of nodes; and what is added to it at most, drawn for each message. */
  readonly latencyMs: { readonly min: Millis; readonly max: Millis };
  readonly jitterMs: Millis;
  /** Silent for so long, a node is removed; undefined: never. */
  readonly removeAfterMs: Millis | undefined;
  /** Tombstones are reaped after so long; undefined: never. */
  readonly reapAfterMs: Millis | undefined;
}

export const STARTING_NODES_MAX = 128;
export const LATENCY_MS_MAX: Millis = 60_000;
export const SEED_MAX = 2 ** 32 - 1;

export const defaultLabOptions: LabOptions = {
  seed: 1,
  nodes: ["a", "b", "c", "d", "e"].map((name) => ({ name, capacity: 1, zone: name })),
  parameters: { n: 3, r: 2, w: 2, partitions: 16, placement: 3, tokensPerNode: 0 },
  latencyMs: { min: 20, max: 60 },
  jitterMs: 10,
  removeAfterMs: undefined,
  reapAfterMs: undefined,
};

/** What is wrong with them, in words; undefined when nothing is. */
export function optionsFault(options: LabOptions): string | undefined {
  const { seed, nodes, parameters, latencyMs, jitterMs, removeAfterMs, reapAfterMs } = options;
  const isWhole = (number: number, max: number): boolean => Number.isInteger(number) && number >= 0 && number <= max;
  if (!isWhole(seed, SEED_MAX)) return `the seed is ${seed}, but must be a whole number from 0 to ${SEED_MAX}`;
  if (nodes.length < 1 || nodes.length > STARTING_NODES_MAX)
    return `there are ${nodes.length} nodes, but must be 1 to ${STARTING_NODES_MAX}`;
  const names = new Set<string>();
  for (const { name, capacity, zone } of nodes) {
    if (!isNodeName(name)) return `${name} is no name for a node`;
    if (names.has(name)) return `there are two nodes ${name}`;
    names.add(name);
    if (!isWhole(capacity, CAPACITY_MAX))
      return `the capacity of ${name} is ${capacity}, but must be 0 to ${CAPACITY_MAX}`;
    const zoneFault = textFault(`the zone of ${name}`, zone, 1, ZONE_LENGTH_MAX);
    if (zoneFault !== undefined) return zoneFault;
  }
  if (nodes.every(({ capacity }) => capacity === 0)) return "no node has capacity";
  const { min, max } = latencyMs;
  if (!isWhole(min, LATENCY_MS_MAX) || !isWhole(max, LATENCY_MS_MAX) || max < min || !isWhole(jitterMs, LATENCY_MS_MAX))
    return `latency and jitter must be whole milliseconds up to ${LATENCY_MS_MAX}`;
  for (const afterMs of [removeAfterMs, reapAfterMs])
    if (afterMs !== undefined && (!isWhole(afterMs, 10 ** 9) || afterMs < 5_000))
      return "nodes are removed, and tombstones reaped, after 5 seconds or more";
  if (removeAfterMs !== undefined && reapAfterMs !== undefined)
    return "a cluster that removes silent nodes cannot reap tombstones";
  return parametersFault(parameters);
}
