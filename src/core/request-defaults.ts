/**
 * What a request asks for where its caller has not said: the defaults of the key's bucket, as the coordinating node has heard of it, then those of
 * the cluster. Applied where the request is coordinated, so that a put through any node follows the bucket.
 */

import { bucketOf } from "./buckets.ts";
import type { Key } from "./identifiers.ts";
import type { View } from "./membership.ts";
import type { ClientWrite } from "./message.ts";

/** The cluster's N, r or w, and pr or pw. */
export interface Quorum {
  readonly n: number;
  readonly replicas: number;
  readonly owners: number;
  /** Of a put: how many strict commits among the acknowledgements (dw); none by default. */
  readonly strict?: number;
  /** Of a put: copies may be acknowledged from memory. */
  readonly buffered?: boolean;
}

export function getQuorum(view: View, key: Key, r: number | undefined, pr: number | undefined): Quorum {
  const defaults = bucketOf(view.buckets, key)?.properties;
  return { n: view.parameters.n, replicas: r ?? defaults?.r ?? view.parameters.r, owners: pr ?? defaults?.pr ?? 0 };
}

export function putQuorum(view: View, key: Key, write: ClientWrite): Quorum {
  const defaults = bucketOf(view.buckets, key)?.properties;
  return {
    n: view.parameters.n,
    replicas: write.w ?? defaults?.w ?? view.parameters.w,
    owners: write.pw ?? defaults?.pw ?? 0,
    strict: write.dw ?? defaults?.dw ?? 0,
    buffered: defaults?.buffered ?? false,
  };
}

/** The write with the policy that it falls under. A named merge is the readers' business: the write keeps what it has not seen as siblings. */
export function underPolicy(view: View, key: Key, write: ClientWrite): ClientWrite {
  if (write.policy !== undefined) return write;
  const policy = bucketOf(view.buckets, key)?.properties.policy;
  return { ...write, policy: policy === "last-write-wins" ? policy : "siblings" };
}
