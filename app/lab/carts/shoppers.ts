/**
 * What a shopper at a node goes by: what it read or wrote last there, as the trace tells. The world keeps the context of each caller's last get and last put
 * of a key (`PutContext`), so what is in hand here is what the next put there will replace.
 */

import type { Millis, NodeId, OperationId, RequestId } from "../../../src/core/identifiers.ts";
import type { PutContext } from "../../../src/lab/acts.ts";
import type { LabNode, TraceRecord } from "../../../src/lab/world.ts";

export interface InHand {
  /** Empty when it found nothing, or deleted it. */
  readonly texts: readonly string[];
  /** nothing: it has not read yet. */
  readonly how: "nothing" | "read" | "written";
  readonly context: PutContext;
  /** It waits for an answer. */
  readonly waits: boolean;
  /** How its last request failed; undefined when it did not. */
  readonly failed: string | undefined;
}

export function inHandAt(trace: readonly TraceRecord[], node: NodeId, key: string): InHand {
  const written = new Map<RequestId, string | undefined>();
  const open = new Set<RequestId>();
  let hand: Omit<InHand, "waits"> = { texts: [], how: "nothing", context: "none", failed: undefined };
  for (const record of trace) {
    const { request, event } = record;
    if (record.node !== node || record.key !== key || request === undefined) continue;
    if (event.what === "asked") {
      open.add(request);
      if (event.write !== undefined) written.set(request, event.write.value);
    } else if (event.what === "answered") {
      open.delete(request);
      if (event.outcome !== "ok") hand = { ...hand, failed: event.outcome };
      else if (written.has(request)) {
        const text = written.get(request);
        hand = { texts: text === undefined ? [] : [text], how: "written", context: "own", failed: undefined };
      } else {
        const texts = event.values.filter((value) => value !== undefined);
        hand = { texts, how: "read", context: "seen", failed: undefined };
      }
    }
  }
  return { ...hand, waits: open.size > 0 };
}

export interface Written {
  readonly at: Millis;
  readonly operation: OperationId;
}

/** When each value of a key was written, by the wall clock of its writer's node, and by which operation: as disks were told. */
export function writesOf(trace: readonly TraceRecord[], key: string): ReadonlyMap<string, Written> {
  const decoder = new TextDecoder();
  const writes = new Map<string, Written>();
  const known = new Set<OperationId>();
  for (const { key: of, event } of trace) {
    if (of !== key || event.what !== "stored") continue;
    for (const { operation, at, value } of event.set?.siblings ?? []) {
      if (value === null || known.has(operation)) continue;
      known.add(operation);
      writes.set(decoder.decode(value), { at, operation });
    }
  }
  return writes;
}

/** Of these texts the one that the last write wins; undefined when none of them was stored. */
export function latestOf(texts: readonly string[], writes: ReadonlyMap<string, Written>): string | undefined {
  let best: (Written & { readonly text: string }) | undefined;
  for (const text of texts) {
    const write = writes.get(text);
    if (write === undefined) continue;
    if (best === undefined || write.at > best.at || (write.at === best.at && write.operation > best.operation))
      best = { ...write, text };
  }
  return best?.text;
}

/** How many answers to wait for: as usual, or as many nodes as this one can reach, itself included. */
export function quorumAt(
  usual: number,
  node: NodeId,
  nodes: readonly LabNode[],
  cuts: readonly { readonly from: NodeId; readonly to: NodeId }[],
): number {
  const reached = nodes.filter(
    ({ id, state, isLight }) =>
      id === node ||
      (state === "running" &&
        !isLight &&
        !cuts.some(({ from, to }) => (from === id && to === node) || (from === node && to === id))),
  );
  return Math.max(1, Math.min(usual, reached.length));
}
