/**
 * What a member tells a light client of its view (paper, section 6.4). It keeps nothing of the one who asks, and an answer costs the same however long
 * that one was away, unless there is news: so that many who ask at once cost no more than their number (DynamoDB, ATC 2022, section 4.4: MemDS).
 *
 * Two questions. "Is yours another than mine?" is answered in a few bytes. Only who hears that it differs sends the versions that it has, and gets
 * what is newer.
 */

import { bucketsDigest } from "./buckets.ts";
import type { NodeId } from "./identifiers.ts";
import type { ViewReply, ViewRequest } from "./message.ts";
import { type Ring, claimsDigest } from "./ring.ts";

interface Version {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly version: number;
}

/** The answer of a node that sees this ring; undefined: it has met no member itself. */
export function viewReplyTo(ring: Ring | undefined, { request, digest, known }: ViewRequest): ViewReply {
  const reply = { kind: "view-reply", request, digest: ring?.digest ?? 0, news: undefined } as const;
  if (ring === undefined) return { ...reply, outcome: "unknown" };
  if (ring.digest === digest) return { ...reply, outcome: "same" };
  if (known === undefined) return { ...reply, outcome: "differs" };
  const { parameters, members, claims, buckets } = ring.view;
  const theirs = new Map(known.members.map((entry) => [entry.node, entry]));
  const news = {
    parameters,
    members: members.filter((member) => isLater(member, theirs.get(member.node))),
    claims: known.claims === claimsDigest(claims) ? undefined : claims,
    buckets: known.buckets === bucketsDigest(buckets) ? undefined : buckets,
  };
  return { ...reply, outcome: "news", news };
}

function isLater(a: Version, b: Version | undefined): boolean {
  return b === undefined || a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);
}
