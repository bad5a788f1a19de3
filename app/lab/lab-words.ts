/** Words of the lab for somebody who has never seen one. */

import type { Millis } from "../../src/core/identifiers.ts";
import type { Fate, NodeState, Role } from "../../src/lab/world.ts";

export const STATE_WORDS: Readonly<Record<NodeState, string>> = {
  running: "running",
  frozen: "frozen, gets no time",
  down: "down, its disk is intact",
  wiped: "lost with its disk",
  gone: "gone for good",
};

export const FATE_WORDS: Readonly<Record<Fate, string>> = {
  "under-way": "on its way",
  held: "kept back",
  arrived: "arrived",
  late: "arrived late",
  lost: "lost",
  dropped: "dropped by you",
  unseen: "sent; its receiver does not tell",
};

export const ROLE_WORDS: Readonly<Record<Role, string>> = {
  coordinator: "to coordinate",
  counted: "as a replica",
  joining: "as one that will own it",
  fallback: "in reserve",
  hint: "to keep a hint",
  repair: "to repair",
  handoff: "a hint comes home",
  reply: "answer",
};

/** Seconds with three digits behind the point: the clock of the lab. */
export function momentWords(at: Millis): string {
  return `${(at / 1_000).toFixed(3)} s`;
}

/** A span between two moments. */
export function spanWords(ms: Millis): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  return `${(ms / 1_000).toFixed(1)} s`;
}
