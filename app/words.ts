/** What happened, in words for somebody who has never heard of a preference list. */

import { QuorumError, TabringError } from "../src/core/errors.ts";
import type { AdmissionReason, Note } from "../src/core/effect.ts";
import type { Message } from "../src/core/message.ts";
import type { FaultName, StoreStatus } from "../src/api.ts";
import { unreachable } from "../src/base/assert.ts";

const EUROS = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
const CLOCK_TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function price(cents: number): string {
  return EUROS.format(cents / 100);
}

export function timeOfDay(atMs: number): string {
  return CLOCK_TIME.format(atMs);
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** "a", "a and b", "a, b and c". */
export function listed(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}`;
}

/** The first digits of a node id: enough to tell the nodes of one cluster apart. */
export function shortNode(node: string): string {
  return node.slice(0, 6);
}

/** Version A, version B, … of a conflict. */
export function versionName(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1);
}

/** A fault that somebody has given this tab on purpose. */
export function faultWord(fault: FaultName): string {
  switch (fault) {
    case "cut":
      return "links cut";
    case "server":
      return "away from the server";
    case "muted":
      return "not heard by some";
    case "loss":
      return "loses messages";
    case "latency":
      return "slow messages";
    case "message":
      return "waits for a message to spoil";
    case "frozen":
      return "frozen";
    case "disk-full":
      return "full disk";
    case "clock":
      return "wrong clock";
    default:
      return unreachable(fault);
  }
}

export function stateWord(state: StoreStatus["state"]): string {
  switch (state) {
    case "starting":
      return "Starting";
    case "waiting":
      return "Waiting";
    case "joining":
      return "Joining";
    case "leaving":
      return "Leaving";
    case "online":
      return "Online";
    case "degraded":
      return "Some are away";
    case "alone":
      return "Alone";
    case "closed":
      return "Stopped";
    default:
      return unreachable(state);
  }
}

const BY_CODE: Readonly<Record<string, string>> = {
  "wrong-secret":
    "This link does not belong to the cluster: the secret in it is wrong. Nothing was exchanged. Ask for the link again.",
  "not-ready":
    "This node has not met the rest of its cluster yet. Nothing was sent. It goes on by itself once another tab answers.",
  overloaded: "This node has too much to do right now. Nothing was sent. Try again in a moment.",
  storage: "The browser’s storage refused to keep it. What was kept before is safe. Free some space, then try again.",
  "value-too-large": "That is too large to keep. Nothing was written.",
  "invalid-key": "That name cannot be used as a key. Nothing was written.",
  "too-many-siblings": "This cart has too many versions side by side. Nothing is lost: choose one below, then go on.",
  "newer-format":
    "A newer version of this page has kept this data. It is safe and was not touched. Reload to get that version.",
  "protocol-version": "The other tabs run another version of this page. Reload all of them.",
  "cart-too-large":
    "This cart has been changed so often that it is full. What is in it is safe. Go on with a new cart.",
};

/** An error as a sentence: what happened, what is safe, what to do. */
export function errorWords(error: unknown): string {
  if (error instanceof QuorumError) {
    const few =
      error.answered.length < error.needed
        ? `${count(error.answered.length, "node")} of ${error.needed}`
        : `${count(error.ownersAnswered, "owner")} of ${error.ownersNeeded}`;
    return error.operation === "put"
      ? `Only ${few} confirmed in time. The change may still arrive; what was kept before is safe.`
      : `Only ${few} answered in time. Nothing was changed.`;
  }
  if (error instanceof TabringError) return BY_CODE[error.code] ?? error.message;
  if (error instanceof Error) return `Something unexpected happened: ${error.message}`;
  return "Something unexpected happened.";
}

/** What happened at the door: somebody else was turned away, and this node goes on. */
export function refusalWords(error: unknown): string {
  switch (errorCode(error)) {
    case "wrong-secret":
      return "Somebody tried to link to this tab without knowing the cluster’s secret, and was turned away. No data was exchanged.";
    case "protocol-version":
      return "A tab that runs another version of this page tried to link to this one, and was turned away. Reload both.";
    default:
      return "Another tab said something that this one could not understand, and was turned away. It changed nothing.";
  }
}

export function errorCode(error: unknown): string {
  return error instanceof TabringError ? error.code : "unexpected";
}

/** Why background work has the share that it has. */
export const ADMISSION_WORDS: Readonly<Record<AdmissionReason, string>> = {
  requests: "their requests take too long",
  disk: "the disk is slow",
  queue: "the node comes late to its work",
  failures: "the disk refuses",
  steady: "they are served in time",
  idle: "nobody asks for anything",
};

const REAP_WORDS: Readonly<Record<Extract<Note, { what: "reap-blocked" }>["why"], string>> = {
  unreachable: "did not answer",
  silent: "did not answer",
  "not-quiet": "still has something of them under way",
  older: "runs an older build of this page",
  unknown: "has written some of them, and nobody has heard of it yet",
};

const OLDER_WORDS: Partial<Record<Message["kind"], string>> = {
  "recent-request": "the log of its recent writes; trees are compared instead",
  "archive-request": "its part of the archive",
  "light-hello": "it: a light client asks others",
};

/** One line of the trace. */
export function noteWords(note: Note): string {
  switch (note.what) {
    case "phase":
      return `This node is now: ${note.phase}.`;
    case "view":
      return `The membership changed: ${count(note.members, "member")}.`;
    case "minted":
      return `Wrote a new version of ${note.key} (number ${note.counter}${note.fresh ? ", as a fresh writer" : ""}).`;
    case "merged":
      return note.changed
        ? `Took in ${note.key} from a ${note.purpose === "write" ? "put" : note.purpose}${note.siblings > 1 ? `; it has ${note.siblings} versions now` : ""}.`
        : `Was sent ${note.key} again; nothing new in it.`;
    case "read-repair":
      return `Repaired ${note.key} at ${shortNode(note.to)}, which was behind.`;
    case "membership-changed":
      return note.change === "leave"
        ? "Leaves the cluster: gives all that it has to others first."
        : `Removed ${shortNode(note.node)} from the cluster.`;
    case "grace-over":
      return `Has not reached ${shortNode(note.node)} for ${Math.round(note.silentMs / 1_000)} s, nor have most others: removes it.`;
    case "hint-entrusted":
      return `Passes the hint of ${note.key} for ${shortNode(note.target)} on to ${shortNode(note.to)}, because it leaves.`;
    case "hint-kept":
      return `Keeps ${note.key} as a hint for ${shortNode(note.target)}, which is away.`;
    case "hint-delivered":
      return `Delivered the hint for ${note.key} to ${shortNode(note.target)}.`;
    case "hint-refused":
      return `Has no room for another hint (${note.key} for ${shortNode(note.target)}).`;
    case "forwarded":
      return `Handed a request for ${note.key} to ${shortNode(note.to)}.`;
    case "coordinator-preferred":
      return `${shortNode(note.node)} answered the read first, so it coordinates the write of ${note.key}.`;
    case "handed-on":
      return `Was asked by ${shortNode(note.from)} for ${note.key}, which is not this node’s, and hands the request on.`;
    case "hedged":
      return `${note.key} takes longer than usual: asked ${shortNode(note.to)}, too.`;
    case "owners-unreachable":
      return `Too few owners of ${note.key} can be reached for what was asked.`;
    case "bucket":
      return `Heard what bucket ${note.bucket} defaults to (version ${note.version}, set by ${shortNode(note.setBy)}).`;
    case "buffer-full":
      return `Has no room in its buffer: ${note.key} waits for the disk.`;
    case "buffer-lost":
      return note.key === undefined
        ? "Ended while writes were in its memory alone: some may be gone from here."
        : `Could not write down ${note.key}, which it had acknowledged from memory.`;
    case "stand-in":
      return `No owner of ${note.key} can be reached: this node stands in.`;
    case "many-siblings":
      return `${note.key} has ${note.siblings} versions side by side.`;
    case "long-clock":
      return `${note.key} was written by ${note.entries} writers so far; its clock is getting long.`;
    case "peer-up":
      return `Hears ${shortNode(note.peer)}.`;
    case "peer-suspect":
      return `Has not heard ${shortNode(note.peer)} for a while; asks others.`;
    case "load":
      return `Says how busy it is: level ${note.level}${note.slow.length > 0 ? `; sees ${note.slow.map(shortNode).join(", ")} answer late` : ""}.`;
    case "tokens-swapped":
      return `Gave ${count(note.tokens, "token")} other owners, to even out the load.`;
    case "peer-gray":
      return `Others hear ${shortNode(note.peer)}, this node does not.`;
    case "peer-down":
      return `Takes ${shortNode(note.peer)} for down.`;
    case "peer-slow":
      return `${shortNode(note.peer)} answers pings, but not requests: it is asked on, and not waited for.`;
    case "peer-prompt":
      return `${shortNode(note.peer)} answers requests in time again.`;
    case "admission":
      return `Background work has ${Math.max(1, Math.round(note.share * 100))}% of its speed while people use this node: ${ADMISSION_WORDS[note.why]}.`;
    case "late-dropped":
      return `Dropped a late message from ${shortNode(note.from)}.`;
    case "peer-limited":
      return `Refused what ${shortNode(note.peer)} asked: it asks for too much at once.`;
    case "clock-jump":
      return `Was asleep for ${Math.round(note.gapMs / 1_000)} s; greets everybody anew.`;
    case "rings-differ":
      return `Sees the ring differently from ${shortNode(note.peer)}; they compare.`;
    case "light-client":
      return `${shortNode(note.peer)} is a light client: it asks, and keeps nothing.`;
    case "view-stale":
      return `${shortNode(note.peer)} sees other members than this light client; it asks for news.`;
    case "view-refreshed":
      return note.news
        ? `Learned from ${shortNode(note.peer)} what changed among the members.`
        : `Heard from ${shortNode(note.peer)} that its view of the members is right.`;
    case "parameters-differ":
      return `${shortNode(note.peer)} belongs to another cluster: ${note.difference}.`;
    case "partition-held":
      return `Holds partition ${note.partition} completely now.`;
    case "partition-opened":
      return `Answers for partition ${note.partition} now.`;
    case "partition-dropped":
      return `Gave partition ${note.partition} away.`;
    case "tombstone-reaped":
      return `Forgot that ${note.key} was deleted: nothing of it is left anywhere that could come back.`;
    case "epochs-renewed":
      return "Believes nothing any more that was sent before now.";
    case "reap-blocked":
      return `Keeps its tombstones: ${shortNode(note.by)} ${REAP_WORDS[note.why]}.`;
    case "protocol-shared":
      return `All members read version ${note.version} of the protocol now, and none a newer one: they go by it.`;
    case "older-peer":
      return `${shortNode(note.peer)} runs an older build of this page: done without ${OLDER_WORDS[note.message] ?? "what it does not know"}.`;
    case "not-read":
      return `${shortNode(note.by)} runs an older build of this page, which does not read a ${note.message}: not sent.`;
    case "damaged":
      return `What the disk has of ${note.key} is damaged; the others still have it.`;
    case "gather-began":
      return `Gathers what the cluster knows of partition ${note.partition}${note.attempt > 1 ? `, attempt ${note.attempt}` : ""}.`;
    case "exchanged":
      return `Compared trees with ${shortNode(note.peer)}: ${note.records} ${note.records === 1 ? "record" : "records"} differed and were exchanged.`;
    case "caught-up":
      return note.keys === 0
        ? `Asked ${shortNode(note.peer)} what had changed while one of them was away: nothing.`
        : `Caught up from the recent writes of ${shortNode(note.peer)}: it named ${count(note.keys, "key")}, and ${count(note.records, "record")} had to be fetched.`;
    case "log-gap":
      return `The recent writes of ${shortNode(note.peer)} do not reach back far enough; their trees are compared instead.`;
    case "leaf-corrected":
      return "Read its own records again and found a sum that was not theirs; it is right now.";
    case "storage-failed":
      return `The storage refused: ${note.reason}`;
    default:
      return unreachable(note);
  }
}
