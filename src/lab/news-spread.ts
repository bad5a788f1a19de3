/**
 * How the latest news of the ring went round (paper, section 4.8.1): from the first node that saw something new to the last one, in milliseconds, rounds of
 * gossip and messages. News is a wave: changes of views (members, claims or buckets) with no more than two rounds between them, told by the trace. Two changes
 * at the same time are one wave.
 *
 * Limits: those of the trace. Whether all have it now is for the ring digests to tell, not for this.
 */

import { defaultConfig } from "../core/config.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import type { TraceRecord } from "./world.ts";

const ROUND_MS = defaultConfig.gossipMs;
const GOSSIP: ReadonlySet<string> = new Set(["gossip-digest", "gossip-versions", "gossip-news"]);

export interface NewsSpread {
  /** Who saw something new first. */
  readonly from: NodeId;
  readonly beganAt: Millis;
  readonly endedAt: Millis;
  /** In the order in which they saw something new for the last time in this wave. */
  readonly nodes: readonly NodeId[];
  /** Begun rounds of gossip; 0 when it was one moment. */
  readonly rounds: number;
  /** Of gossip, sent meanwhile, by anybody about anything. */
  readonly messages: number;
}

/** Undefined when no view has changed since the trace began. */
export function newsSpread(trace: readonly TraceRecord[]): NewsSpread | undefined {
  const nodes: NodeId[] = [];
  let [beganAt, endedAt]: (Millis | undefined)[] = [];
  let from: NodeId | undefined;
  let [messages, since] = [0, 0];
  for (let i = trace.length - 1; i >= 0; i--) {
    const { at, node, event } = trace[i]!;
    if (beganAt !== undefined && beganAt - at > 2 * ROUND_MS) break;
    if (event.what === "sent" && GOSSIP.has(event.kind) && endedAt !== undefined) since++;
    if (event.what !== "note" || event.note !== "view" || node === undefined) continue;
    endedAt ??= at;
    beganAt = at;
    from = node;
    messages += since;
    since = 0;
    if (!nodes.includes(node)) nodes.unshift(node);
  }
  if (from === undefined || beganAt === undefined || endedAt === undefined) return undefined;
  return { from, beganAt, endedAt, nodes, rounds: Math.ceil((endedAt - beganAt) / ROUND_MS), messages };
}
