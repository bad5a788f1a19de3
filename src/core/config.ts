/**
 * What a host may tune. Cluster parameters are fixed when the cluster is founded and gossiped with the membership; the rest is each node's own.
 */

import type { Durability, Millis } from "./identifiers.ts";
import { PARTITIONS_MAX, TOKENS_MAX } from "./identifiers.ts";

/** The paper's three strategies of section 6.2; see `placement.ts`. */
export type PlacementStrategy = 1 | 2 | 3;

/** Fixed at founding; every member has the same. */
export interface ClusterParameters {
  /** Replicas of each key (paper: N, usually 3). Capped by the number of members, not lowered by unreachable ones. */
  readonly n: number;
  /** Default number of replies that a get waits for (paper: R). */
  readonly r: number;
  /** Default number of durable acknowledgements that a put waits for (paper: W). */
  readonly w: number;
  /** Equal parts of the ring (paper, section 6.2: Q); a power of two, at most 4,096. */
  readonly partitions: number;
  /** How tokens lie on the ring, and what they mean; see `placement.ts`. */
  readonly placement: PlacementStrategy;
  /** Placements 1 and 2: random tokens of a node of capacity 1 (paper: T), 1 to 256. Placement 3: 0, because there the partitions are the tokens. */
  readonly tokensPerNode: number;
}

export const defaultParameters: ClusterParameters = {
  n: 3,
  r: 2,
  w: 2,
  partitions: 256,
  placement: 3,
  tokensPerNode: 0,
};

const TOKENS_PER_NODE = 8;
const TOKENS_PER_NODE_MAX = 256;

/** What a founder asked for, the rest by default; `parametersFault` says whether it can be used. */
export function parametersFrom(asked: Partial<ClusterParameters>): ClusterParameters {
  const parameters = { ...defaultParameters, ...asked };
  const tokensPerNode = asked.tokensPerNode ?? (parameters.placement === 3 ? 0 : TOKENS_PER_NODE);
  return { ...parameters, tokensPerNode };
}

/** What is wrong with the parameters, in words; undefined when nothing is. */
export function parametersFault(parameters: ClusterParameters): string | undefined {
  const { n, r, w, partitions, placement, tokensPerNode } = parameters;
  if (!Number.isInteger(n) || n < 1 || n > 16) return `n is ${n}, but must be a whole number from 1 to 16`;
  if (!Number.isInteger(r) || r < 1 || r > n) return `r is ${r}, but must be a whole number from 1 to n = ${n}`;
  if (!Number.isInteger(w) || w < 1 || w > n) return `w is ${w}, but must be a whole number from 1 to n = ${n}`;
  if (!Number.isInteger(Math.log2(partitions)) || partitions < 1 || partitions > PARTITIONS_MAX)
    return `partitions is ${partitions}, but must be a power of two up to ${PARTITIONS_MAX}`;
  // It may come from outside, where no compiler has seen it.
  if (![1, 2, 3].includes(placement)) return `placement is ${placement}, but must be 1, 2 or 3`;
  if (placement === 3 && tokensPerNode !== 0)
    return `tokensPerNode is ${tokensPerNode}, but placement 3 has none: leave it out`;
  const tokensMax = placement === 1 ? Math.min(partitions, TOKENS_PER_NODE_MAX) : TOKENS_PER_NODE_MAX;
  if (placement !== 3 && (!Number.isInteger(tokensPerNode) || tokensPerNode < 1 || tokensPerNode > tokensMax))
    return `tokensPerNode is ${tokensPerNode}, but must be a whole number from 1 to ${tokensMax}`;
  return undefined;
}

/** Where a cluster differs from ours, or from what is asked of it, both values named; undefined when it does not. */
export function parametersDifference(ours: Partial<ClusterParameters>, theirs: ClusterParameters): string | undefined {
  const names = Object.keys(defaultParameters) as (keyof ClusterParameters)[];
  const differing = names.filter((name) => ours[name] !== undefined && ours[name] !== theirs[name]);
  if (differing.length === 0) return undefined;
  return differing.map((name) => `${name} is ${ours[name]} here and ${theirs[name]} there`).join(", ");
}

/** Tokens that a node of this capacity draws in placements 1 and 2. One that founds a cluster draws some in any case. */
export function tokensOf({ tokensPerNode }: ClusterParameters, capacity: number): number {
  return Math.min(TOKENS_MAX, tokensPerNode * capacity);
}

/** How a bucket keeps what was replaced. */
export interface HistoryPolicy {
  /** How far back one can look, wall clock. */
  readonly keepMs: Millis;
}

/** Times and bounds of one node. */
export interface Config {
  /** Share of the tokens relative to others (paper: heterogeneity); 0 for a seed without data. */
  readonly capacity: number;
  /** Failure domain (paper: data centre): 1 to 64 characters; by default one browser profile. */
  readonly zone: string;
  /**
   * How writes of callers are kept here that ask for nothing else. relaxed: as asked. strict: all of them strictly. buffered: those that do not ask to
   * be strict, in memory first (`write-buffer.ts`).
   */
  readonly durability: Durability;
  /** A node that belongs to no cluster yet joins none with other parameters than these. */
  readonly expects: Partial<ClusterParameters>;

  /**
   * What needs everybody, and what a disk keeps, goes by no newer version of the protocol than this, even when all read one: so the way back to an older
   * build stays open until an operator raises it (`versions.ts`). Infinity, the default: by the newest one that all read.
   */
  readonly writesProtocol: number;
  /** The newest version of the protocol that this node knows at all. Infinity: its build's own. A lower one stands for an older build, in simulations. */
  readonly protocolMax: number;

  /** A request that has no answer by then fails. */
  readonly requestTimeoutMs: Millis;
  /** An owner that has not answered by then is asked beside the next node on the list. */
  readonly slowReplyMs: Millis;
  /**
   * Whether reply times are kept, gets hedged and patience with puts fitted to them (`hedging.ts`). Off: patience is fixed, and a state of the node
   * does not depend on how quick replies were.
   */
  readonly hedges: boolean;
  /** How long a get lives on after its answer, to see who is behind. */
  readonly readRepairMs: Millis;
  /** A gossip round with one random peer (paper, section 4.8: every second). */
  readonly gossipMs: Millis;
  /** Peers of a round (paper: 1; other gossip takes up to 3). From 1. */
  readonly gossipFanOut: number;
  /** From so many requests a second on a node says in the gossip how busy it is; see `load-gossip.ts`. Infinity: it counts nothing and says nothing. */
  readonly loadFromPerSecond: number;
  /** A ping to every linked peer. */
  readonly pingMs: Millis;
  /** Without a sign of life for this long, ask others; DESIGN section 8. */
  readonly suspectAfterMs: Millis;
  /** Without a sign of life for this long, the peer is down for us and the link is given up. */
  readonly downAfterMs: Millis;
  /** Others asked before a peer is called down (Lifeguard, SWIM: k). */
  readonly indirectProbes: number;
  /** A gap in our own time beyond which peers are greeted anew before they are answered. */
  readonly clockJumpMs: Millis;
  /** First wait before a lost link is dialled again; doubles up to `redialMaxMs`. */
  readonly redialMs: Millis;
  readonly redialMaxMs: Millis;
  /** Hints owed are looked through this often, and when the link to their owner comes up. */
  readonly hintScanMs: Millis;
  /** Hints under way to one owner at a time. */
  readonly hintsInFlightMax: number;
  /** Hints kept for others; beyond it writes that would need one are refused. */
  readonly hintsMax: number;
  /** How long a transfer waits for one page before it asks again. */
  readonly transferTimeoutMs: Millis;
  readonly transferPageBytesMax: number;
  /** Partitions copied at once. */
  readonly transfersInFlightMax: number;
  /** A view is left to settle this long before tokens are given away; those who joined at the same moment may have too few until then. */
  readonly rebalanceAfterMs: Millis;
  /**
   * A member that has not been reached for so long is removed, as an operator would remove it; see `grace.ts`. Infinity, the default: nobody is but by an
   * operator. Not together with `reapAfterMs`, with which nobody believes what a removed node brings back.
   */
  readonly removeAfterMs: Millis;
  /** Merkle trees are compared with one other holder this often, each in turn (paper, section 4.7). */
  readonly antiEntropyMs: Millis;
  /** Keys that changed last, kept to catch up those who were away for a short while, and bytes of them; 0 keys: none, trees alone. See `write-log.ts`. */
  readonly recentWritesMax: number;
  readonly recentWriteBytesMax: number;
  /** A page of this node's own records is read this often, to see whether they are sound and counted right. */
  readonly scrubMs: Millis;
  /**
   * Background work gives way to callers (`admission.ts`; paper, section 6.5): requests, reads of the disk and late timers are each held against this at
   * the 99th percentile. Infinity: it never gives way.
   */
  readonly foregroundTargetMs: Millis;
  /** Slices of background work a second while callers are served, at the full share; and those that it is never kept from. A slice is about a page. */
  readonly backgroundPerSecond: number;
  readonly backgroundPerSecondMin: number;
  /**
   * A record that this node has seen to be nothing but tombstones for so long is reaped once there is proof that nothing older of the key is left; see
   * `reaping.ts`, which says what that rests on. Infinity, the default: tombstones are kept. All members must have it on, or nothing is reaped.
   */
  readonly reapAfterMs: Millis;
  /**
   * Buckets whose replaced records are kept, and how long, so that they can be looked back at and rewound. Every node of a cluster must be given the same.
   * See `history-ledger.ts`.
   */
  readonly history: Readonly<Record<string, HistoryPolicy>>;
  /** Bytes of the past that are kept; beyond it the oldest goes, and how far back one can look with it. */
  readonly historyBytesMax: number;
  /** A page of the past is looked through this often. */
  readonly historyWalkMs: Millis;
  /** Links kept by wish of the node. */
  readonly linksMax: number;
  /** Requests that one node coordinates or forwards at a time; beyond it `OverloadedError`. */
  readonly requestsMax: number;
  /** Requests of its callers that one peer may have coordinated here, a second; what it leaves unused is kept up to the burst. Infinity: no limit. */
  readonly peerRequestsPerSecond: number;
  readonly peerRequestsBurst: number;
  /** The same for its background work: repaired, handed-over and hinted records, pages. See `peer-limits.ts`. */
  readonly peerBackgroundPerSecond: number;
  readonly peerBackgroundBurst: number;
  /** A light client asks a random member for news of the membership this often, give or take a quarter (paper, section 6.4: 10 s). */
  readonly viewRefreshMs: Millis;
  /** Light clients that a member is linked to at a time; the next one is turned away after a second. */
  readonly lightPeersMax: number;
  /** Questions of one light client about the membership that are answered, a second; and of all light clients together. Beyond: "busy". */
  readonly peerViewsPerSecond: number;
  readonly peerViewsBurst: number;
  readonly viewsPerSecond: number;
  readonly viewsBurst: number;
  /** Records kept in memory in front of the disk. */
  readonly cachedRecordsMax: number;
  /** Bytes of values kept in memory in front of the disk. */
  readonly cachedBytesMax: number;
}

/** What is wrong with a node's own share and zone, in words; undefined when nothing is. */
export function configFault({ capacity, zone }: Pick<Config, "capacity" | "zone">): string | undefined {
  if (!Number.isInteger(capacity) || capacity < 0 || capacity > 1_000)
    return `capacity is ${capacity}, but must be a whole number from 0 to 1,000`;
  if (zone.length < 1 || zone.length > 64) return `zone has ${zone.length} characters, but must have 1 to 64`;
  return undefined;
}

/** A reload, or a laptop that is carried into the next room, must not cost a member. */
export const REMOVE_AFTER_MS_MIN: Millis = 5_000;

/** What is wrong with a node's time of grace, in words; undefined when nothing is. */
export function graceFault({
  removeAfterMs,
  reapAfterMs,
}: Pick<Config, "removeAfterMs" | "reapAfterMs">): string | undefined {
  if (!(removeAfterMs >= REMOVE_AFTER_MS_MIN))
    return `removeAfterMs is ${removeAfterMs}, but must be ${REMOVE_AFTER_MS_MIN} or more`;
  if (removeAfterMs < Number.POSITIVE_INFINITY && reapAfterMs < Number.POSITIVE_INFINITY)
    return "removeAfterMs and reapAfterMs exclude each other: where tombstones are reaped nobody believes what a removed node brings back";
  return undefined;
}

export const defaultConfig: Config = {
  capacity: 1,
  zone: "default",
  durability: "relaxed",
  expects: {},
  writesProtocol: Number.POSITIVE_INFINITY,
  protocolMax: Number.POSITIVE_INFINITY,
  requestTimeoutMs: 5_000,
  slowReplyMs: 400,
  hedges: true,
  readRepairMs: 2_000,
  gossipMs: 1_000,
  gossipFanOut: 1,
  loadFromPerSecond: 16,
  pingMs: 1_000,
  suspectAfterMs: 2_000,
  downAfterMs: 3_500,
  indirectProbes: 3,
  clockJumpMs: 3_000,
  redialMs: 1_000,
  redialMaxMs: 30_000,
  hintScanMs: 5_000,
  hintsInFlightMax: 16,
  hintsMax: 50_000,
  transferTimeoutMs: 4_000,
  transferPageBytesMax: 65_536,
  transfersInFlightMax: 8,
  rebalanceAfterMs: 1_000,
  removeAfterMs: Number.POSITIVE_INFINITY,
  antiEntropyMs: 10_000,
  recentWritesMax: 65_536,
  recentWriteBytesMax: 4 * 1_048_576,
  scrubMs: 10_000,
  foregroundTargetMs: 50,
  backgroundPerSecond: 1_000,
  backgroundPerSecondMin: 20,
  reapAfterMs: Number.POSITIVE_INFINITY,
  history: {},
  historyBytesMax: 64 * 1_048_576,
  historyWalkMs: 10_000,
  linksMax: 64,
  requestsMax: 10_000,
  peerRequestsPerSecond: 10_000,
  peerRequestsBurst: 50_000,
  peerBackgroundPerSecond: 5_000,
  peerBackgroundBurst: 50_000,
  viewRefreshMs: 10_000,
  lightPeersMax: 48,
  peerViewsPerSecond: 2,
  peerViewsBurst: 10,
  viewsPerSecond: 50,
  viewsBurst: 100,
  cachedRecordsMax: 65_536,
  cachedBytesMax: 64 * 1_048_576,
};

/** How writes are kept here. Reaping rests on disks that never go back in time. */
export function durabilityOf({ durability, reapAfterMs }: Config): Durability {
  return reapAfterMs < Number.POSITIVE_INFINITY ? "strict" : durability;
}
