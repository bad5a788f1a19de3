/**
 * Versions of the protocol, and what each of them added. Old tabs live for days beside new ones, so a build reads more than one version, says which
 * (in the greeting of each link, and in its member's entry), and writes to nobody what he does not read: readers first, then writers (DynamoDB, ATC
 * 2022: read-write deployments).
 *
 *   1   records, hints, transfers, Merkle trees, buckets, departures, sizes, statistics: what the recorded build of `sim/older-builds` speaks
 *   2   the log of recent writes, reaping by proof, archives and looks back, light clients; requests that are handed on say how often; how a write is to be
 *       kept and is kept (dw, buffers); load in the gossip and beside sizes; one more count in the statistics
 *
 * **Two rules.** What goes over one link is in the newest form that both its ends read: `formOf`. What needs everybody (reaping), and what a disk keeps
 * that an older build could not read, is used only while all who belong read it: `sharedVersion`. So it is switched on when the last one has been
 * upgraded, and off again when an older one comes or comes back; nothing is remembered of it. `writesProtocol` of a node's config holds both down, until an
 * operator has seen that every node reads the new one and can be sure that nobody goes back.
 *
 * A build that gives up an old version raises PROTOCOL_MIN. Its links to builds that read nothing newer are refused, with both ranges named.
 */

import type { NodeId } from "./identifiers.ts";
import { type View, isGone, memberOf } from "./membership.ts";
import type { Message } from "./message.ts";

/** The newest version that this build reads and writes. */
export const PROTOCOL_VERSION = 2;
/** The oldest one. */
export const PROTOCOL_MIN = 1;

/** Versions that a build reads, lowest and highest. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

export const PROTOCOL: ProtocolRange = { min: PROTOCOL_MIN, max: PROTOCOL_VERSION };

/** The versions in which the body of each kind got a new form, ascending; the first one is that in which the kind came. A form is never changed. */
export const FORMS: Readonly<Record<Message["kind"], readonly [number, ...number[]]>> = {
  ping: [1],
  pong: [1],
  probe: [1],
  "probe-reply": [1],
  "gossip-digest": [1],
  "gossip-versions": [1],
  "load-news": [2],
  "gossip-news": [1, 2],
  "replica-put": [1, 2],
  "replica-put-reply": [1, 2],
  "replica-get": [1],
  "replica-get-reply": [1],
  "coordinate-get": [1, 2],
  "coordinate-put": [1, 2],
  "coordinate-reply": [1, 2],
  "transfer-request": [1],
  "transfer-page": [1],
  "release-request": [1],
  "release-reply": [1],
  "known-request": [1],
  "known-reply": [1],
  "tree-request": [1],
  "tree-reply": [1],
  "leaf-request": [1],
  "leaf-reply": [1],
  "fetch-request": [1],
  "fetch-reply": [1],
  "sizes-request": [1],
  "sizes-reply": [1, 2],
  "statistics-request": [1],
  "statistics-reply": [1, 2],
  "recent-request": [2],
  "recent-reply": [2],
  "reap-watch-request": [2],
  "reap-watch-reply": [2],
  "reap-proof-request": [2],
  "reap-proof-reply": [2],
  "reap-drop": [2],
  "archive-request": [2],
  "archive-page": [2],
  "light-hello": [2],
  "view-request": [2],
  "view-reply": [2],
};

/** In which form a message of this kind is written to somebody who reads up to `version`; undefined when he reads none. */
export function formOf(kind: Message["kind"], version: number): number | undefined {
  let form: number | undefined;
  for (const since of FORMS[kind]) if (since <= version) form = since;
  return form;
}

/** Whether somebody who reads up to `version` reads messages of this kind. */
export function reads(version: number, kind: Message["kind"]): boolean {
  return FORMS[kind][0] <= version;
}

/**
 * The newest version in which a node that knows versions up to `own` talks to a peer: as the peer's greeting said or, where there is no link, as it
 * gossips; with a stranger this build's own, and nothing can be sent to it anyway.
 */
export function versionBetween(own: number, greeted: number | undefined, view: View | undefined, peer: NodeId): number {
  const gossiped = view === undefined ? undefined : memberOf(view, peer)?.protocolMax;
  return Math.min(PROTOCOL_VERSION, own, greeted ?? gossiped ?? PROTOCOL_VERSION);
}

/** What a `send` says of the version where it is none of this build's own. */
export function olderProtocol(version: number): { readonly protocol?: number } {
  return version < PROTOCOL_VERSION ? { protocol: version } : {};
}

/** The newest version, up to `ceiling`, that all read who belong to the cluster, whether they can be reached or not. */
export function sharedVersion(view: View, ceiling: number): number {
  let shared = ceiling;
  for (const member of view.members) if (!isGone(member)) shared = Math.min(shared, member.protocolMax);
  return shared;
}
