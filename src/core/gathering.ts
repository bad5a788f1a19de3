/** What a caller asks of a gathering, and what it gets; see `archive-gather.ts`. */

import type { DvvSet } from "./dvvset.ts";
import type { Key, Millis, NodeId, Partition } from "./identifiers.ts";
import type { ArchiveStore } from "./message.ts";

export interface Gathering {
  readonly partition: Partition;
  readonly stores: readonly ArchiveStore[];
  /** Only keys that begin so. */
  readonly prefix: string;
  /** Of the history; see `archive-request`. */
  readonly moment: Millis;
  /** Writes of this quorum and larger ones must not be missed; undefined: of the cluster's w. */
  readonly w: number | undefined;
  readonly timeoutMs: Millis;
}

/** How much of a partition was gathered. */
export interface GatheredPart {
  readonly partition: Partition;
  /** Members that were asked, all of them; and those that could not be read in full: ascending. */
  readonly members: readonly NodeId[];
  readonly unread: readonly NodeId[];
  /** Writes acknowledged by so many nodes before the last attempt began cannot be missing. */
  readonly coversW: number;
  readonly attempts: number;
  /** Since the last attempt began. */
  readonly elapsedMs: Millis;
  /** Of the history: from when on it covers what was asked, were that moment the only trouble. */
  readonly coveredFrom: Millis;
}

export type Gathered =
  | { readonly outcome: "page"; readonly records: readonly GatheredRecord[] }
  | { readonly outcome: "done"; readonly part: GatheredPart }
  | { readonly outcome: "failed"; readonly code: "not-ready" | "overloaded" };

export interface GatheredRecord {
  readonly key: Key;
  readonly set: DvvSet;
}
