/**
 * Everything that somebody can do to a world of the lab, as plain data: so that a run is a list of them, a link can carry it, and a replay is the same run.
 * Nodes are named by their short names, messages by the ids of their flights. `run-text.ts` writes each kind down by its fields here.
 *
 * Durations are whole milliseconds. `actFault` knows what is never right, whatever the world; what is not right now the world says itself.
 */

import type { BucketPolicy } from "../core/buckets.ts";
import { KEY_BYTES_MAX, type Millis, PARTITIONS_MAX, type RingDigest } from "../core/identifiers.ts";
import type { TokenSwap } from "../core/load-plan.ts";
import type { Message } from "../core/message.ts";
import { LoneSurrogateError, utf8Length } from "../base/bytes.ts";
import { unreachable } from "../base/assert.ts";

export type LabAct =
  | /** A caller at a node. `context`: of the last get of the key there, of the last put there, or none. Undefined is the default of the bucket. */ {
      readonly do: "put";
      readonly node: string;
      readonly key: string;
      readonly value: string;
      readonly context: PutContext;
      readonly w?: number | undefined;
    }
  | {
      readonly do: "delete";
      readonly node: string;
      readonly key: string;
      readonly context: PutContext;
      readonly w?: number | undefined;
    }
  | { readonly do: "get"; readonly node: string; readonly key: string; readonly r?: number | undefined }
  | /** At this node, which tells the others. */ {
      readonly do: "bucket";
      readonly node: string;
      readonly bucket: string;
      readonly policy: BucketPolicy;
      readonly r?: number | undefined;
      readonly w?: number | undefined;
    }
  | /** A new node, or a light client, which has no capacity and no zone of its own; introduced by `via`. */ {
      readonly do: "join";
      readonly name: string;
      readonly capacity: number;
      readonly zone: string;
      readonly via: string;
      readonly light: boolean;
    }
  | /** `planned`: of the plan that was shown; refused when the ring is another by then. */ {
      readonly do: "leave";
      readonly node: string;
      readonly planned?: RingDigest | undefined;
    }
  | /** An operator at `node`. `force`: though copies go that nobody else has. */ {
      readonly do: "remove";
      readonly node: string;
      readonly target: string;
      readonly force: boolean;
      readonly planned?: RingDigest | undefined;
    }
  | /** Without a word. */ { readonly do: "crash"; readonly node: string }
  | /** With a goodbye. */ { readonly do: "close"; readonly node: string }
  | { readonly do: "restart"; readonly node: string }
  | { readonly do: "freeze"; readonly node: string; readonly forMs: Millis }
  | { readonly do: "thaw"; readonly node: string }
  | /** The node and its disk are lost; `successor` is a new node on that computer. */ {
      readonly do: "wipe";
      readonly node: string;
      readonly successor: string;
    }
  | /** Nothing passes between the two sides; earlier cuts stay. */ {
      readonly do: "cut";
      readonly side: readonly string[];
      readonly other: readonly string[];
    }
  | /** What one side sends to the other is lost, what it hears is not. */ {
      readonly do: "cut-one-way";
      readonly from: readonly string[];
      readonly to: readonly string[];
    }
  | { readonly do: "heal" }
  | /** The server, which keeps no data and introduces nodes to each other, stops, or is there again. */ {
      readonly do: "server";
      readonly down: boolean;
    }
  | /** All messages to and from it take so many times as long; 1 ends it. */ {
      readonly do: "slow";
      readonly node: string;
      readonly factor: number;
    }
  | /** All messages to and from these take so much longer; 0 ends it. */ {
      readonly do: "latency";
      readonly nodes: readonly string[];
      readonly byMs: Millis;
    }
  | /** It answers pings, but its answers to requests of its replica come so much later, or never (undefined); 0 ends it. */ {
      readonly do: "gray";
      readonly node: string;
      readonly byMs: Millis | undefined;
    }
  | /** Of so many in a thousand messages, anywhere. */ { readonly do: "loss"; readonly perMille: number }
  | /** Its wall clock is wrong by so much, from now on. */ {
      readonly do: "skew";
      readonly node: string;
      readonly byMs: Millis;
    }
  | { readonly do: "disk-full"; readonly node: string; readonly full: boolean }
  | /** A bit of the record of this key on its disk flips. */ {
      readonly do: "flip-bit";
      readonly node: string;
      readonly key: string;
    }
  | { readonly do: "disk-slow"; readonly node: string; readonly factor: number }
  | /** Its tab goes to the background, where timers fire at multiples of `throttleMs`. */ {
      readonly do: "hide";
      readonly node: string;
      readonly throttleMs: Millis;
    }
  | { readonly do: "unhide"; readonly node: string }
  | { readonly do: "drop"; readonly flight: number }
  | { readonly do: "delay"; readonly flight: number; readonly byMs: Millis }
  | { readonly do: "duplicate"; readonly flight: number }
  | /** The next message of this kind from one to the other, where a message is over before anybody could touch it. `byMs`: of a delay, else 0. */ {
      readonly do: "catch";
      readonly from: string;
      readonly to: string;
      readonly kind: CatchableKind;
      readonly how: Catch;
      readonly byMs: Millis;
    }
  | /** Callers at random nodes get and put keys of a bucket, so many times a second, for so long; 0 a second ends it. */ {
      readonly do: "load";
      readonly bucket: string;
      readonly perSecond: number;
      /** Of a hundred requests: gets. The rest are puts. */
      readonly readsPercent: number;
      readonly keys: number;
      /** The key of rank k is asked for in proportion to 1/k; otherwise all alike. */
      readonly zipf: boolean;
      readonly seed: number;
      readonly forMs: Millis;
    }
  | /** An operator at `node`: these tokens change owners. `planned`: of the plan that was shown. */ {
      readonly do: "move";
      readonly node: string;
      readonly swaps: readonly TokenSwap[];
      readonly planned: RingDigest;
    };

/** Kinds of messages of which the next one can be caught. */
export const CATCHABLE_KINDS = [
  "replica-put",
  "replica-put-reply",
  "replica-get",
  "replica-get-reply",
  "coordinate-put",
  "coordinate-get",
  "coordinate-reply",
  "tree-request",
  "tree-reply",
  "recent-request",
  "recent-reply",
  "gossip-digest",
  "gossip-versions",
  "gossip-news",
  "ping",
  "pong",
] as const satisfies readonly Message["kind"][];
export type CatchableKind = (typeof CATCHABLE_KINDS)[number];
export const CATCHES = ["drop", "delay", "duplicate"] as const;
export type Catch = (typeof CATCHES)[number];

export type PutContext = "seen" | "own" | "none";

export const FACTOR_MAX = 10_000;
export const ADDED_LATENCY_MS_MAX: Millis = 60_000;
export const DURATION_MS_MAX: Millis = 24 * 3_600_000;
export const VALUE_LENGTH_MAX = 1_000;
export const NAME_LENGTH_MAX = 12;
export const ZONE_LENGTH_MAX = 32;
export const CAPACITY_MAX = 100;
export const LOAD_PER_SECOND_MAX = 500;
export const LOAD_KEYS_MAX = 10_000;
/** As many as one plan has. */
export const SWAPS_MAX = 64;
const SIDE_MAX = 256;
const QUORUM_MAX = 255;
const FLIGHT_MAX = 2 ** 50;
const DIGEST_MAX = 2 ** 32 - 1;
const LOAD_SEED_MAX = 2 ** 32 - 1;

/** The short name of a node: a lower-case letter, then letters and digits. */
export function isNodeName(text: string): boolean {
  return text.length <= NAME_LENGTH_MAX && /^[a-z][a-z0-9]*$/.test(text);
}

/** What is wrong with an act wherever it is done, in words; undefined when nothing is. */
export function actFault(act: LabAct): string | undefined {
  for (const name of namesIn(act)) if (!isNodeName(name)) return nameFault(name);
  return fieldsFault(act);
}

/** The nodes that it names. */
export function namesIn(act: LabAct): readonly string[] {
  const names: string[] = [];
  if ("node" in act) names.push(act.node);
  if (act.do === "remove") names.push(act.target);
  if (act.do === "join") names.push(act.name, act.via);
  if (act.do === "wipe") names.push(act.successor);
  if (act.do === "cut") names.push(...act.side, ...act.other);
  if (act.do === "catch") names.push(act.from, act.to);
  if (act.do === "latency") names.push(...act.nodes);
  if (act.do === "cut-one-way") names.push(...act.from, ...act.to);
  return names;
}

function fieldsFault(act: LabAct): string | undefined {
  switch (act.do) {
    case "put":
      return (
        keyFault(act.key) ??
        textFault("the value", act.value, 0, VALUE_LENGTH_MAX) ??
        numberFault("w", act.w ?? 1, 1, QUORUM_MAX)
      );
    case "delete":
      return keyFault(act.key) ?? numberFault("w", act.w ?? 1, 1, QUORUM_MAX);
    case "get":
      return keyFault(act.key) ?? numberFault("r", act.r ?? 1, 1, QUORUM_MAX);
    case "bucket":
      return (
        textFault("the bucket", act.bucket, 1, 64) ??
        textFault("the policy", act.policy, 1, 64) ??
        (/^(siblings|last-write-wins|merge:.+)$/.test(act.policy) ? undefined : `${act.policy} is no policy`) ??
        numberFault("r", act.r ?? 1, 1, QUORUM_MAX) ??
        numberFault("w", act.w ?? 1, 1, QUORUM_MAX)
      );
    case "join":
      return (
        numberFault("capacity", act.capacity, 0, CAPACITY_MAX) ?? textFault("the zone", act.zone, 1, ZONE_LENGTH_MAX)
      );
    case "freeze":
      return numberFault("the time", act.forMs, 1, DURATION_MS_MAX);
    case "cut":
      return sideFault(act.side) ?? sideFault(act.other) ?? overlapFault(act.side, act.other);
    case "cut-one-way":
      return sideFault(act.from) ?? sideFault(act.to) ?? overlapFault(act.from, act.to);
    case "slow":
    case "disk-slow":
      return numberFault("the factor", act.factor, 1, FACTOR_MAX);
    case "latency":
      return sideFault(act.nodes) ?? numberFault("the added latency", act.byMs, 0, ADDED_LATENCY_MS_MAX);
    case "gray":
      return numberFault("the time", act.byMs ?? 0, 0, DURATION_MS_MAX);
    case "loss":
      return numberFault("the loss per thousand", act.perMille, 0, 1_000);
    case "skew":
      return numberFault("the skew", act.byMs, -DURATION_MS_MAX, DURATION_MS_MAX);
    case "flip-bit":
      return keyFault(act.key);
    case "hide":
      return numberFault("the time between timers", act.throttleMs, 1, DURATION_MS_MAX);
    case "delay":
      return (
        numberFault("the flight", act.flight, 1, FLIGHT_MAX) ?? numberFault("the time", act.byMs, 1, DURATION_MS_MAX)
      );
    case "catch":
      return (
        overlapFault([act.from], [act.to]) ??
        (CATCHABLE_KINDS.includes(act.kind) ? undefined : `no message of the kind ${act.kind} can be caught`) ??
        (CATCHES.includes(act.how) ? undefined : `${act.how} is nothing that can be done to a message`) ??
        numberFault("the time", act.byMs, act.how === "delay" ? 1 : 0, act.how === "delay" ? ADDED_LATENCY_MS_MAX : 0)
      );
    case "drop":
    case "duplicate":
      return numberFault("the flight", act.flight, 1, FLIGHT_MAX);
    case "load":
      return (
        textFault("the bucket", act.bucket, 1, 64) ??
        numberFault("the rate", act.perSecond, 0, LOAD_PER_SECOND_MAX) ??
        numberFault("the share of reads", act.readsPercent, 0, 100) ??
        numberFault("the number of keys", act.keys, 1, LOAD_KEYS_MAX) ??
        numberFault("the seed", act.seed, 0, LOAD_SEED_MAX) ??
        numberFault("the time", act.forMs, 1, DURATION_MS_MAX)
      );
    case "move":
      return swapsFault(act.swaps) ?? numberFault("the plan", act.planned, 0, DIGEST_MAX);
    case "leave":
    case "remove":
      return numberFault("the plan", act.planned ?? 0, 0, DIGEST_MAX);
    case "wipe":
    case "crash":
    case "close":
    case "restart":
    case "thaw":
    case "heal":
    case "server":
    case "disk-full":
    case "unhide":
      return undefined;
    default:
      return unreachable(act);
  }
}

function numberFault(what: string, given: number, min: number, max: number): string | undefined {
  return Number.isInteger(given) && given >= min && given <= max
    ? undefined
    : `${what} is ${given}, but must be a whole number from ${min} to ${max}`;
}

/** `min` and `max` in characters. */
export function textFault(what: string, text: string, min: number, max: number): string | undefined {
  if (text.length < min || text.length > max)
    return `${what} has ${text.length} characters, but must have ${min} to ${max}`;
  return lengthOf(text) === undefined ? `${what} is not text` : undefined;
}

function keyFault(key: string): string | undefined {
  const bytes = lengthOf(key);
  return bytes === undefined || bytes < 1 || bytes > KEY_BYTES_MAX
    ? `a key must be text of 1 to ${KEY_BYTES_MAX} bytes`
    : undefined;
}

function nameFault(name: string): string {
  return `${name} is no name for a node: a lower-case letter, then letters and digits, ${NAME_LENGTH_MAX} at most`;
}

function sideFault(side: readonly string[]): string | undefined {
  return side.length >= 1 && side.length <= SIDE_MAX ? undefined : `a side must have 1 to ${SIDE_MAX} nodes`;
}

function swapsFault(swaps: readonly TokenSwap[]): string | undefined {
  if (swaps.length < 1 || swaps.length > SWAPS_MAX) return `a plan must swap 1 to ${SWAPS_MAX} pairs of tokens`;
  for (const token of swaps.flat()) {
    const fault = numberFault("a token", token, 0, PARTITIONS_MAX - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function overlapFault(side: readonly string[], other: readonly string[]): string | undefined {
  const both = side.find((node) => other.includes(node));
  return both === undefined ? undefined : `${both} is on both sides`;
}

/** In bytes; undefined when it has no UTF-8. */
function lengthOf(text: string): number | undefined {
  try {
    return utf8Length(text);
  } catch (error) {
    if (error instanceof LoneSurrogateError) return undefined;
    throw error;
  }
}

/** In words, for the trace. */
export function describeAct(act: LabAct): string {
  switch (act.do) {
    case "put":
      return `${act.node} put ${act.key} ${act.value}`;
    case "delete":
    case "get":
      return `${act.node} ${act.do} ${act.key}`;
    case "bucket":
      return `${act.node} bucket ${act.bucket} ${act.policy}`;
    case "join":
      return `${act.name} joins${act.light ? " as a light client" : ""} via ${act.via}`;
    case "leave":
      return `${act.node} is told to leave`;
    case "remove":
      return `${act.node} is told to remove ${act.target}${act.force ? " by force" : ""}`;
    case "crash":
    case "close":
    case "restart":
    case "thaw":
    case "unhide":
      return `${act.do} ${act.node}`;
    case "freeze":
      return `freeze ${act.node} for ${act.forMs} ms`;
    case "wipe":
      return `${act.node} is lost with its disk; ${act.successor} takes its place`;
    case "cut":
      return `cut ${act.side.join(" ")} | ${act.other.join(" ")}`;
    case "cut-one-way":
      return `cut ${act.from.join(" ")} > ${act.to.join(" ")}`;
    case "heal":
      return "heal";
    case "server":
      return act.down ? "the server stops" : "the server starts again";
    case "slow":
      return `slow ${act.node} ${act.factor}x`;
    case "latency":
      return act.byMs === 0
        ? `no latency is added to ${act.nodes.join(" ")} any more`
        : `${act.byMs} ms of latency are added to ${act.nodes.join(" ")}`;
    case "gray":
      return `gray ${act.node} ${act.byMs === undefined ? "never" : `${act.byMs} ms`}`;
    case "loss":
      return `loss ${act.perMille / 10}%`;
    case "skew":
      return `the clock of ${act.node} is wrong by ${act.byMs} ms`;
    case "disk-full":
      return `the disk of ${act.node} ${act.full ? "is full" : "has room"}`;
    case "flip-bit":
      return `a bit of ${act.key} flips on the disk of ${act.node}`;
    case "disk-slow":
      return `the disk of ${act.node} ${act.factor}x`;
    case "hide":
      return `hide ${act.node}, timers every ${act.throttleMs} ms`;
    case "drop":
    case "duplicate":
      return `${act.do} message ${act.flight}`;
    case "delay":
      return `delay message ${act.flight} by ${act.byMs} ms`;
    case "catch":
      return `${act.how} the next ${act.kind} ${act.from} > ${act.to}${act.how === "delay" ? ` by ${act.byMs} ms` : ""}`;
    case "load":
      return act.perSecond === 0
        ? "the load is ended"
        : `load on ${act.bucket}: ${act.perSecond} a second, ${act.readsPercent}% gets, of ${act.keys} keys${act.zipf ? ", few of them hot" : ""}, for ${act.forMs} ms`;
    case "move":
      return `${act.node} is told to swap tokens: ${act.swaps.map((swap) => swap.join("-")).join(", ")}`;
    default:
      return unreachable(act);
  }
}
