/**
 * Tells the other tabs of this browser which links to cut. A cut is local to a tab (its own transport loses what it should carry), so a cut between
 * two groups takes every tab's help. One channel for each cluster; tabs of other browsers are not reached by it, but a link that is cut at
 * one end is cut.
 */

import { isNodeId, MEMBERS_MAX, type NodeId } from "../../src/core/identifiers.ts";

export type Sides = readonly [readonly NodeId[], readonly NodeId[]];

type FaultMessage = { readonly kind: "split"; readonly sides: Sides } | { readonly kind: "heal" };

export interface FaultListener {
  split(sides: Sides): void;
  heal(): void;
}

export class FaultChannel {
  readonly #channel: BroadcastChannel;

  constructor(cluster: string, listener: FaultListener) {
    this.#channel = new BroadcastChannel(`tabring-faults-${cluster}`);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const message = parseFaultMessage(data);
      if (message?.kind === "split") listener.split(message.sides);
      if (message?.kind === "heal") listener.heal();
    };
  }

  split(sides: Sides): void {
    this.#post({ kind: "split", sides });
  }

  heal(): void {
    this.#post({ kind: "heal" });
  }

  close(): void {
    this.#channel.close();
  }

  #post(message: FaultMessage): void {
    this.#channel.postMessage(message);
  }
}

/** What a tab may have said; undefined when it is nothing that this page knows. */
export function parseFaultMessage(data: unknown): FaultMessage | undefined {
  if (typeof data !== "object" || data === null || !("kind" in data)) return undefined;
  if (data.kind === "heal") return { kind: "heal" };
  if (data.kind !== "split" || !("sides" in data) || !Array.isArray(data.sides)) return undefined;
  const [one, other, ...more] = (data.sides as unknown[]).map(nodesOf);
  return one !== undefined && other !== undefined && more.length === 0
    ? { kind: "split", sides: [one, other] }
    : undefined;
}

function nodesOf(list: unknown): readonly NodeId[] | undefined {
  if (!Array.isArray(list) || list.length > MEMBERS_MAX) return undefined;
  const nodes = (list as unknown[]).filter((node): node is NodeId => typeof node === "string" && isNodeId(node));
  return nodes.length === list.length ? nodes : undefined;
}
