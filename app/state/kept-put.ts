/**
 * A put that is kept even when the network is not there. First it waits for the cluster's w; if fewer answer, the same operation is put again and
 * one durable copy is enough. One operation id for both, so that the store takes them for the one write that they are, wherever they arrive.
 */

import type { Context, PutResult, Store, StoreStatus } from "../../src/api.ts";
import { QuorumError } from "../../src/core/errors.ts";

export interface Kept {
  readonly result: PutResult;
  /** False: fewer than w confirmed; one copy is kept, and it spreads when others are back. */
  readonly confirmed: boolean;
}

export interface KeptPutOptions {
  readonly context: Context | undefined;
  readonly operation: string;
  /** How long to wait for w; a second time for the one. */
  readonly timeoutMs: number;
  /** The cluster's own w by default. */
  readonly w?: number | undefined;
}

export async function keptPut(
  store: Pick<Store, "put" | "status">,
  key: string,
  value: Uint8Array,
  options: KeptPutOptions,
): Promise<Kept> {
  const { context, operation, timeoutMs, w } = options;
  const common = { context, operation, timeoutMs };
  if (enoughAnswer(store.status, w ?? store.status.parameters?.w ?? 1)) {
    try {
      return { result: await store.put(key, value, w === undefined ? common : { ...common, w }), confirmed: true };
    } catch (error) {
      if (!(error instanceof QuorumError)) throw error;
    }
  }
  return { result: await store.put(key, value, { ...common, w: 1 }), confirmed: false };
}

/** False when it is known beforehand that fewer than `replicas` will answer, so that waiting for them is idle. A small cluster has fewer by right. */
export function enoughAnswer(status: StoreStatus, replicas: number): boolean {
  return status.reachable >= Math.min(replicas, status.members);
}
