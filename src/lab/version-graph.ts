/**
 * The versions of one key and what each replaced (paper, section 4.4 and figure 3), from the trace and from the records that are there now. A version is a write;
 * it has a dot from each coordinator that took it, mostly one. An edge goes from a version to one that was written in its knowledge: by a caller whose context
 * covered it, or, in a bucket where the last write wins, by a coordinator that put the new one in its place. Edges that follow from others are left out.
 *
 * What the trace does not tell any more is told by the records alone: then a version may stand without its past. Limit: VERSIONS_MAX, the latest.
 */

import { utf8Decode } from "../base/bytes.ts";
import { type Clock, type Dot, type DvvSet, EMPTY, type Sibling, covers, joinClocks, sync } from "../core/dvvset.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import type { TraceRecord } from "./world.ts";

export const VERSIONS_MAX = 200;

export interface Version {
  readonly operation: OperationId;
  readonly dots: readonly Dot[];
  /** Who minted the first of them. */
  readonly writer: NodeId;
  /** Undefined is a tombstone. */
  readonly value: string | undefined;
  /** When the caller asked for it; undefined when the trace does not tell any more. */
  readonly askedAt: Millis | undefined;
  /** What its writer knew, itself included: the clock that the paper's figure writes beside it. Undefined as above. */
  readonly clock: Clock | undefined;
  /** Nothing that is there now has replaced it. */
  readonly isSibling: boolean;
  /** It replaced two or more that knew nothing of each other. */
  readonly isJoin: boolean;
}

export interface VersionGraph {
  /** In the order in which they were written, as far as that is known. */
  readonly versions: readonly Version[];
  readonly edges: readonly { readonly from: OperationId; readonly to: OperationId }[];
}

interface Draft {
  sibling: Sibling;
  askedAt: Millis | undefined;
  context: Clock | undefined;
  readonly replaces: Set<OperationId>;
}

/** `sets`: all records and hints of the key that there are now. */
export function versionGraph(trace: readonly TraceRecord[], key: Key, sets: readonly DvvSet[]): VersionGraph {
  const asked = new Map<OperationId, { readonly at: Millis; readonly context: Clock }>();
  const drafts = new Map<OperationId, Draft>();
  const meet = (set: DvvSet): void => {
    for (const sibling of set.siblings) {
      const known = drafts.get(sibling.operation);
      if (known !== undefined) {
        if (sibling.dots.length > known.sibling.dots.length) known.sibling = sibling;
        continue;
      }
      const { at, context } = asked.get(sibling.operation) ?? {};
      drafts.set(sibling.operation, { sibling, askedAt: at, context, replaces: new Set() });
    }
  };
  /** By node: what it had. */
  const before = new Map<string, DvvSet>();
  for (const { key: of, event, at, node } of trace) {
    if (of !== key) continue;
    if (event.what === "asked" && event.write !== undefined)
      asked.set(event.write.operation, { at, context: event.write.context });
    if (event.what !== "stored" || event.set === undefined) continue;
    const place = `${node ?? ""} ${event.target ?? ""}`;
    const old = before.get(place) ?? EMPTY;
    before.set(place, event.set);
    const fresh = event.set.siblings.filter(({ operation }) => !drafts.has(operation));
    meet(event.set);
    // The first time that a version is seen, alone: what it does not stand beside any more it has replaced.
    if (fresh.length !== 1) continue;
    const kept = new Set(event.set.siblings.map(({ operation }) => operation));
    for (const { operation } of old.siblings)
      if (!kept.has(operation)) drafts.get(fresh[0]!.operation)!.replaces.add(operation);
  }
  sets.forEach(meet);
  const now = new Set(sets.reduce(sync, EMPTY).siblings.map(({ operation }) => operation));
  const latest = [...drafts].slice(-VERSIONS_MAX);
  const known = new Map(latest);

  for (const [operation, draft] of latest)
    for (const [other, { sibling }] of latest)
      if (other !== operation && sibling.dots.every((dot) => covers(draft.context ?? [], dot)))
        draft.replaces.add(other);
  const pasts = new Map<OperationId, Set<OperationId>>();
  const pastOf = (operation: OperationId): Set<OperationId> => {
    let past = pasts.get(operation);
    if (past !== undefined) return past;
    pasts.set(operation, (past = new Set()));
    for (const one of known.get(operation)?.replaces ?? []) {
      past.add(one);
      for (const further of pastOf(one)) past.add(further);
    }
    return past;
  };
  const edges = latest.flatMap(([operation, { replaces }]) => {
    const direct = [...replaces].filter(
      (one) => known.has(one) && ![...replaces].some((other) => other !== one && pastOf(other).has(one)),
    );
    return direct.map((from) => ({ from, to: operation }));
  });
  const versions = latest.map(([operation, { sibling, askedAt, context }]): Version => {
    const { dots, value } = sibling;
    return {
      operation,
      dots,
      writer: dots[0]!.actor.slice(0, 32) as NodeId,
      value: value === null ? undefined : (utf8Decode(value) ?? `${value.length} bytes`),
      askedAt,
      clock: context === undefined ? undefined : dots.reduce<Clock>((clock, dot) => joinClocks(clock, [dot]), context),
      isSibling: now.has(operation),
      isJoin: edges.filter(({ to }) => to === operation).length > 1,
    };
  });
  return { versions, edges };
}
