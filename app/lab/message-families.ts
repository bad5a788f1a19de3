/** The messages of the protocol in families that a beginner can tell apart, each with a shape of its own and a word. */

import type { Flight } from "../../src/lab/world.ts";
import { unreachable } from "../../src/base/assert.ts";

export type Family = "request" | "write" | "read" | "hint" | "repair" | "tree" | "copy" | "gossip" | "ping";

export interface FamilyLook {
  readonly word: string;
  /** What it is for, in a sentence. */
  readonly meaning: string;
  /** An outline within 12 by 12, its middle at 0, 0. */
  readonly outline: string;
}

export const FAMILIES: Readonly<Record<Family, FamilyLook>> = {
  request: {
    word: "request",
    meaning: "what a caller wants, on its way to a coordinator, and the answer",
    outline: "M-6 -5H6V5H-6Z",
  },
  write: {
    word: "write",
    meaning: "a version on its way to a replica, and its acknowledgement",
    outline: "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
  },
  read: {
    word: "read",
    meaning: "a replica is asked what it has, and says so",
    outline: "M-5.5 0A5.5 5.5 0 1 1 5.5 0A5.5 5.5 0 1 1 -5.5 0Z",
  },
  hint: {
    word: "hint",
    meaning: "a write kept for somebody who is away, or handed to it",
    outline: "M0 -6.5L6.5 5.5H-6.5Z",
  },
  repair: {
    word: "repair",
    meaning: "a reader brings a replica up to date",
    outline: "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
  },
  tree: {
    word: "comparison",
    meaning: "two replicas compare what they have: Merkle trees, or the log of recent writes",
    outline: "M-3 -5.5H3L6 0L3 5.5H-3L-6 0Z",
  },
  copy: {
    word: "copy",
    meaning: "partitions on their way to those who come to own them",
    outline: "M-6.5 -3.5H6.5V3.5H-6.5Z",
  },
  gossip: {
    word: "gossip",
    meaning: "who is a member, and who owns what",
    outline: "M-3.5 0A3.5 3.5 0 1 1 3.5 0A3.5 3.5 0 1 1 -3.5 0Z",
  },
  ping: { word: "ping", meaning: "are you there?", outline: "M-1.8 0A1.8 1.8 0 1 1 1.8 0A1.8 1.8 0 1 1 -1.8 0Z" },
};

/** `role`: of a message in the course of a request. */
export function familyOf(kind: Flight["kind"], role: Flight["role"]): Family {
  switch (kind) {
    case "coordinate-get":
    case "coordinate-put":
    case "coordinate-reply":
      return "request";
    case "replica-put":
      return role === "hint" || role === "handoff" ? "hint" : role === "repair" ? "repair" : "write";
    case "replica-put-reply":
      return "write";
    case "replica-get":
    case "replica-get-reply":
      return "read";
    case "tree-request":
    case "tree-reply":
    case "leaf-request":
    case "leaf-reply":
    case "fetch-request":
    case "fetch-reply":
    case "recent-request":
    case "recent-reply":
    case "reap-watch-request":
    case "reap-watch-reply":
    case "reap-proof-request":
    case "reap-proof-reply":
    case "reap-drop":
      return "tree";
    case "transfer-request":
    case "transfer-page":
    case "release-request":
    case "release-reply":
    case "known-request":
    case "known-reply":
    case "sizes-request":
    case "sizes-reply":
    case "archive-request":
    case "archive-page":
      return "copy";
    case "gossip-digest":
    case "gossip-versions":
    case "gossip-news":
    case "load-news":
    case "light-hello":
    case "view-request":
    case "view-reply":
    case "statistics-request":
    case "statistics-reply":
      return "gossip";
    case "ping":
    case "pong":
    case "probe":
    case "probe-reply":
      return "ping";
    default:
      return unreachable(kind);
  }
}
