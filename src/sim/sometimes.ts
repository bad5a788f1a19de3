/**
 * Points that a run must reach sometimes: a simulation that never meets a danger proves nothing about it. Counted over all seeds of a run; the
 * command line says which were not reached.
 */

import type { Effect, Note } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";
import { noted } from "./noted.ts";

/** All of these must be reached by a standard run. */
export const sometimesPoints = [
  "actor renewed",
  "archive finished",
  "background work slowed down",
  "background work sped up",
  "background work waited",
  "bucket heard of",
  "buffer lost in a crash",
  "call abandoned",
  "caught up from the log",
  "clock jumped",
  "core served alone",
  "damaged record found",
  "dot minted under a kept actor",
  "early answer",
  "get failed",
  "fell back for an older peer",
  "gathering begun again",
  "gathering left some unread",
  "get hedged",
  "gray failure",
  "departed after a removal",
  "departed by itself",
  "downgraded",
  "downgrade refused",
  "hint delivered",
  "hint entrusted",
  "hint kept",
  "hint refused",
  "hint re-routed",
  "late frame dropped",
  "leaf corrected",
  "light client answered",
  "light client learned what changed",
  "light client told that it is stale",
  "load told",
  "log did not cover",
  "log told what was missing",
  "looked back at an acknowledged put",
  "mixed ring served",
  "newcomer not known yet",
  "one operation under several dots",
  "owners out of reach",
  "page refused",
  "partition dropped",
  "partition dropped in placement 1",
  "partition dropped in placement 2",
  "partition held",
  "partition opened",
  "past not covered",
  "peer limited",
  "peer prompt again",
  "peer slow",
  "peer suspected",
  "protocol shared by all",
  "put failed",
  "put acknowledged from memory",
  "put forwarded",
  "put with strict commits",
  "quorum grown",
  "read mended",
  "read of one who does not count",
  "read repaired",
  "release refused",
  "removed after the grace time",
  "request handed on",
  "retry after a failure",
  "ring views differed",
  "siblings read",
  "sloppy quorum",
  "stale read",
  "stand-in coordinated",
  "storage failed",
  "three siblings merged",
  "reaping blocked",
  "tokens moved off a hot node",
  "reaping kept off by an older build",
  "tombstone read",
  "tombstone reaped",
  "tree exchange failed",
  "upgraded",
  "trees evened out",
  "write coordinator taken from the context",
  "write kept by one who does not count",
] as const;
export type SometimesPoint = (typeof sometimesPoints)[number];

/** Gets by how many versions their answer had: how far a run made replicas diverge (paper, section 6.3). */
export const versionsReadPoints = [
  "get saw 0 versions",
  "get saw 1 version",
  "get saw 2 versions",
  "get saw 3 versions",
  "get saw 4 or more versions",
] as const;

export class Sometimes {
  readonly #counts = new Map<string, number>();

  /** How often each point, fault and outcome came. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reached(point: SometimesPoint): void {
    this.count(point);
  }

  /** Faults and other things that are worth a number. */
  count(what: string, times = 1): void {
    if (times > 0) this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }

  onStep(event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "message-received") {
      const { message } = event;
      if (message.kind === "transfer-page" && message.outcome === "refused") this.reached("page refused");
      if (message.kind === "release-reply" && message.partitions.length === 0) this.reached("release refused");
      if (message.kind === "gossip-news" && noted(effects, "bucket")) this.reached("bucket heard of");
      if (message.kind === "replica-put-reply" && message.outcome === "early") this.reached("early answer");
      if (message.kind === "replica-put-reply" && message.outcome === "hinted")
        this.reached("write kept by one who does not count");
      if (message.kind === "replica-get-reply" && message.outcome === "moved")
        this.reached("read of one who does not count");
      if (message.kind === "known-reply" && !message.known) this.reached("newcomer not known yet");
      if (
        (message.kind === "leaf-reply" && message.outcome === "refused") ||
        (message.kind === "tree-reply" && message.refused.length > 0)
      )
        this.reached("tree exchange failed");
    }
    for (const effect of effects) {
      if (effect.kind === "departed")
        this.reached(effect.standing === "left" ? "departed by itself" : "departed after a removal");
      else if (effect.kind === "note") this.#onNote(effect.note);
      else if (effect.kind === "send" && effect.message.kind === "replica-put")
        this.#onSet(effect.message.set.siblings);
      else if (effect.kind === "reply") this.#onReply(effect.result);
    }
  }

  #onSet(siblings: readonly { readonly dots: readonly unknown[] }[]): void {
    if (siblings.some((sibling) => sibling.dots.length > 1)) this.reached("one operation under several dots");
  }

  #onReply(result: (Effect & { kind: "reply" })["result"]): void {
    if (result.outcome === "put" && result.report.hintedFor.length > 0) this.reached("sloppy quorum");
    if (result.outcome === "put" && result.report.counted > 3 && result.report.needed > 3) this.reached("quorum grown");
    if (result.outcome === "put" && result.report.inMemory > 0) this.reached("put acknowledged from memory");
    if (result.outcome === "put" && result.report.strictNeeded > 0) this.reached("put with strict commits");
    if (result.outcome !== "got") return;
    this.count(versionsReadPoints[Math.min(result.set.siblings.length, versionsReadPoints.length - 1)]!);
    if (result.set.siblings.length > 1) this.reached("siblings read");
    if (result.set.siblings.some((sibling) => sibling.value === null)) this.reached("tombstone read");
  }

  #onNote(note: Note): void {
    const point = pointOf(note);
    if (point !== undefined) this.reached(point);
  }
}

/** What a note alone says; some points need more than that and are counted where it is known. */
function pointOf(note: Note): SometimesPoint | undefined {
  switch (note.what) {
    case "minted":
      return note.fresh ? undefined : "dot minted under a kept actor";
    case "merged":
      return note.siblings >= 3 && note.changed ? "three siblings merged" : undefined;
    case "read-repair":
      return "read repaired";
    case "tokens-swapped":
      return note.tokens > 0 ? "tokens moved off a hot node" : undefined;
    case "load":
      return note.level > 0 ? "load told" : undefined;
    case "grace-over":
      return "removed after the grace time";
    case "hint-kept":
      return "hint kept";
    case "hint-entrusted":
      return "hint entrusted";
    case "hint-delivered":
      return "hint delivered";
    case "hint-refused":
      return "hint refused";
    case "forwarded":
      return "put forwarded";
    case "handed-on":
      return "request handed on";
    case "coordinator-preferred":
      return "write coordinator taken from the context";
    case "view-stale":
      return "light client told that it is stale";
    case "view-refreshed":
      return note.news ? "light client learned what changed" : undefined;
    case "hedged":
      return "get hedged";
    case "owners-unreachable":
      return "owners out of reach";
    case "stand-in":
      return "stand-in coordinated";
    case "admission":
      return note.why === "steady" ? "background work sped up" : "background work slowed down";
    case "peer-slow":
      return "peer slow";
    case "peer-prompt":
      return "peer prompt again";
    case "peer-suspect":
      return "peer suspected";
    case "peer-gray":
      return "gray failure";
    case "peer-limited":
      return "peer limited";
    case "late-dropped":
      return "late frame dropped";
    case "clock-jump":
      return "clock jumped";
    case "rings-differ":
      return "ring views differed";
    case "caught-up":
      return note.records > 0 ? "log told what was missing" : "caught up from the log";
    case "log-gap":
      return "log did not cover";
    case "exchanged":
      return "trees evened out";
    case "tombstone-reaped":
      return "tombstone reaped";
    case "protocol-shared":
      return note.version === PROTOCOL_VERSION ? "protocol shared by all" : undefined;
    case "older-peer":
      return "fell back for an older peer";
    case "reap-blocked":
      return note.why === "older" ? "reaping kept off by an older build" : "reaping blocked";
    case "leaf-corrected":
      return "leaf corrected";
    case "partition-opened":
      return "partition opened";
    case "partition-held":
      return "partition held";
    case "partition-dropped":
      return "partition dropped";
    case "storage-failed":
      return "storage failed";
    case "damaged":
      return "damaged record found";
    default:
      return undefined;
  }
}
