/**
 * Reaping: a record that is nothing but tombstones goes, once there is proof that nothing older of the key is left anywhere that could bring back what
 * was deleted (DESIGN section 2; TRAPS T16 and T17: dropped by time, or without asking everybody, deleted values return). The first node that counts
 * for a key proposes it. States of a round, for some keys at a time, in order:
 *
 *   seen       the scrub has read such a record, and reads it again `reapAfterMs` later: that is for economy, and no part of the proof
 *   watching   every member, whether it owns the key or not, is asked to watch it (`reap-watch.ts`): it has this very record, durably, or none, no
 *              hint, and nothing under way; and it notices what is brought from now on. One who cannot be asked, or says no, ends the round
 *   proving    all watch at this moment. Each takes new epochs for its links, so that it believes nothing that was sent before, and says whether
 *              anything was touched since it began to watch
 *   dropped    all have said no: whoever has the record still, drops it. The actor goes with it (`replica.ts`)
 *
 * **Why that is a proof.** Call a copy old if it has a value that the tombstone covers. When all watch, and nothing was touched, no member has an old
 * copy on disk or in memory. What is on its way was sent before; a member that takes it before its new epochs is touched, and one that takes
 * new epochs drops it. What is sent afterwards is sent by somebody who has no old copy. So none exists, and none ever comes to be: it does not matter any
 * more who drops the record when, or that some do not hear of it. A tombstone that one of these brings back is harmless, and is reaped again. Nothing
 * rests on a clock, on the order of messages or on how late one is.
 *
 * Newcomers: a member watches only if it knows the very members that are asked, and gives records only to members that it will not have forgotten after
 * a crash. So one who is not asked has got nothing from anybody who watches, and gets nothing old later. But a caller may have read at a node that
 * nobody has heard of yet what that one alone has, and have deleted it elsewhere: therefore all whose puts the tombstone covers must be known. A node that starts anew does not know its watches: the round comes to nothing.
 *
 * **What it rests on.** That no disk goes back in time. A member whose profile is restored from an older copy has its old records, believes in them, and
 * nobody is left who could say that they were deleted. That a member which was removed never comes back under its name. And that who is no member keeps and
 * sends no records. The first cannot be known, therefore `reapAfterMs` is Infinity by default, and tombstones are kept.
 *
 * Limits: CANDIDATES_MAX records remembered; one round at a time, of up to RECORDS_MAX; an answer is asked for TRIES times, RESEND_MS apart; what came
 * to nothing is tried again after AGAIN_MS, doubled up to AGAIN_MS_MAX. All members must be linked, so in clusters of more than `linksMax` nothing goes.
 * A tombstone that covers puts of a node whose departure is forgotten by now (`membership.ts`) stays.
 */

import { keyOfRecord } from "./address.ts";
import { type Clock, isDeleted } from "./dvvset.ts";
import type { ReadRecord } from "./effect.ts";
import type { Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import { belonging, memberOf, membersDigest } from "./membership.ts";
import { type Digest, recordDigest } from "./merkle-forest.ts";
import type {
  ReapDrop,
  ReapProofReply,
  ReapProofRequest,
  ReapWatchReply,
  ReapWatchRequest,
  ReapedRecord,
} from "./message.ts";
import type { Surroundings } from "./surroundings.ts";
import { reads } from "./versions.ts";

const CANDIDATES_MAX = 4_096;
export const REAPED_RECORDS_MAX = 64;
const KEY_CHARACTERS_MAX = 8_192;
const RESEND_MS = 1_000;
const TRIES = 3;
const NODE_ID_CHARACTERS = 32;
const AGAIN_MS = 1_000;
const AGAIN_MS_MAX = 30_000;

/** "older": its build knows nothing of reaping, or not all may go by the version that does (`versions.ts`). "unknown": it wrote something that was deleted, and is no member. */
export type ReapObstacle = "unreachable" | "silent" | "not-quiet" | "older" | "unknown";

export interface ReapingActions {
  /** This node itself may be meant. */
  ask(to: NodeId, message: ReapWatchRequest | ReapProofRequest | ReapDrop): void;
}

/** What there is to look at. */
export interface ReapingView {
  /** Records that are nothing but tombstones, as far as they were seen, for which this node is the first that counts. At most CANDIDATES_MAX. */
  readonly tombstones: number;
  /** Who stood in the way of the last round, and why. */
  readonly blockedBy: readonly { readonly node: NodeId; readonly why: ReapObstacle }[];
}

interface Candidate {
  readonly digest: Digest;
  /** Whose puts the tombstone covers. */
  readonly writers: readonly NodeId[];
  dueAt: Millis;
  againMs: Millis;
}

interface Round {
  readonly request: RequestId;
  readonly members: readonly NodeId[];
  /** Of these very members, whoever joins meanwhile. */
  readonly membersDigest: number;
  readonly records: readonly ReapedRecord[];
  /** The places of those to which nobody has said no. */
  quiet: readonly number[];
  readonly watches: Map<NodeId, string>;
  /** Who has not answered yet. */
  readonly missing: Set<NodeId>;
  phase: "watching" | "proving";
  tries: number;
}

export class Reaping {
  readonly #in: Surroundings;
  readonly #do: ReapingActions;
  readonly #candidates = new Map<Key, Candidate>();
  readonly #blockedBy = new Map<NodeId, ReapObstacle>();
  #round: Round | undefined;

  constructor(surroundings: Surroundings, actions: ReapingActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#candidates.size;
  }

  get view(): ReapingView {
    return {
      tombstones: this.#candidates.size,
      blockedBy: [...this.#blockedBy].map(([node, why]) => ({ node, why })),
    };
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { candidates: this.#candidates, blockedBy: this.#blockedBy, round: this.#round };
  }

  /** Records on this node's disk, as the scrub reads them. */
  onSeen(entries: readonly { readonly address: string; readonly record: ReadRecord }[]): void {
    for (const { address, record } of entries) {
      const key = keyOfRecord(address);
      if (typeof record === "string" || !isDeleted(record.set) || !this.#isFirst(key)) {
        this.#candidates.delete(key);
        continue;
      }
      const digest = recordDigest(key, record.set);
      const known = this.#candidates.get(key);
      if (known?.digest === digest || (known === undefined && this.#candidates.size >= CANDIDATES_MAX)) continue;
      const dueAt = this.#in.now + this.#in.config.reapAfterMs;
      this.#candidates.set(key, { digest, writers: writersOf(record.set.clock), dueAt, againMs: AGAIN_MS });
    }
    this.#arm();
  }

  onTimer(): void {
    const round = this.#round;
    if (round === undefined) this.#begin();
    else if (++round.tries <= TRIES) for (const node of round.missing) this.#ask(round, node);
    else for (const node of [...round.missing]) this.#stop(node, "silent");
    this.#arm();
  }

  onPeerDown(peer: NodeId): void {
    if (this.#round?.missing.has(peer) === true) this.#stop(peer, "unreachable");
    this.#arm();
  }

  onWatchReply(from: NodeId, { request, watch, quiet }: ReapWatchReply): void {
    const round = this.#round;
    if (round?.request !== request || round.phase !== "watching" || !round.missing.has(from)) return;
    round.watches.set(from, watch);
    this.#answered(round, from, quiet);
    if (this.#round !== round || round.missing.size > 0) return;
    // Now, and from now on, all watch.
    round.phase = "proving";
    round.tries = 0;
    for (const node of round.members) round.missing.add(node);
    for (const node of round.members) this.#ask(round, node);
    this.#in.timers.set("reap", this.#in.now + RESEND_MS);
  }

  onProofReply(from: NodeId, { request, quiet }: ReapProofReply): void {
    const round = this.#round;
    if (round?.request !== request || round.phase !== "proving" || !round.missing.has(from)) return;
    this.#answered(round, from, quiet);
    if (this.#round !== round) return;
    const { self } = this.#in;
    // Its own epochs last: the answers of the others are still addressed to the present ones.
    if (round.missing.size === 1 && round.missing.has(self)) this.#ask(round, self);
    if (round.missing.size > 0) return;
    const records = round.quiet.map((i) => round.records[i]!);
    for (const { key } of records) this.#candidates.delete(key);
    this.#end(round);
    for (const node of round.members)
      this.#do.ask(node, { kind: "reap-drop", watch: round.watches.get(node) ?? "", records });
  }

  #begin(): void {
    const { ring, now, config } = this.#in;
    if (ring === undefined || config.reapAfterMs === Number.POSITIVE_INFINITY) return;
    const records: ReapedRecord[] = [];
    let characters = 0;
    this.#blockedBy.clear();
    for (const [key, candidate] of this.#candidates) {
      const { digest, writers, dueAt } = candidate;
      if (dueAt > now) continue;
      if (!this.#isFirst(key)) {
        this.#candidates.delete(key);
        continue;
      }
      const stranger = writers.find((writer) => memberOf(ring.view, writer) === undefined);
      if (stranger !== undefined) {
        this.#blocked(stranger, "unknown");
        this.#again(candidate);
        continue;
      }
      characters += key.length;
      if (records.length === REAPED_RECORDS_MAX || characters > KEY_CHARACTERS_MAX) break;
      records.push({ key, digest });
    }
    if (records.length === 0) return;
    const members = belonging(ring.view).map((member) => member.node);
    const round: Round = {
      request: this.#in.nextRequest(),
      members,
      membersDigest: membersDigest(ring.view),
      records,
      quiet: records.map((_, i) => i),
      watches: new Map(),
      missing: new Set(members),
      phase: "watching",
      tries: 0,
    };
    this.#round = round;
    for (const node of members)
      if (!this.#in.reads(node, "reap-watch-request")) this.#stop(node, "older");
      else if (!this.#in.reachable(node)) this.#stop(node, "unreachable");
    if (this.#round === round && !reads(this.#in.protocol, "reap-watch-request")) this.#stop(this.#in.self, "older");
    for (const node of members) this.#ask(round, node);
  }

  #ask(round: Round, node: NodeId): void {
    const { request, records, phase, missing } = round;
    if (this.#round !== round) return;
    if (phase === "watching")
      this.#do.ask(node, { kind: "reap-watch-request", request, members: round.membersDigest, records });
    else if (node !== this.#in.self || missing.size === 1)
      this.#do.ask(node, { kind: "reap-proof-request", request, watch: round.watches.get(node) ?? "" });
  }

  #answered(round: Round, from: NodeId, quiet: readonly number[]): void {
    round.missing.delete(from);
    const left = round.quiet.filter((i) => quiet.includes(i));
    if (left.length < round.quiet.length) this.#blocked(from, "not-quiet");
    round.quiet = left;
    if (left.length === 0) this.#end(round);
  }

  /** The round comes to nothing. */
  #stop(by: NodeId, why: ReapObstacle): void {
    this.#blocked(by, why);
    if (this.#round !== undefined) this.#end(this.#round);
  }

  /** What is left of it is tried again. */
  #end({ records }: Round): void {
    this.#round = undefined;
    for (const { key } of records) {
      const candidate = this.#candidates.get(key);
      if (candidate !== undefined) this.#again(candidate);
    }
    this.#arm();
  }

  #again(candidate: Candidate): void {
    candidate.dueAt = this.#in.now + candidate.againMs;
    candidate.againMs = Math.min(2 * candidate.againMs, AGAIN_MS_MAX);
  }

  #blocked(by: NodeId, why: ReapObstacle): void {
    this.#blockedBy.set(by, why);
    this.#in.note({ what: "reap-blocked", by, why });
  }

  #isFirst(key: Key): boolean {
    return this.#in.listOf(key)?.counted[0] === this.#in.self;
  }

  #arm(): void {
    const { timers, now, config } = this.#in;
    if (config.reapAfterMs === Number.POSITIVE_INFINITY) return;
    if (this.#round !== undefined) {
      if (!timers.has("reap")) timers.set("reap", now + RESEND_MS);
    } else if (this.#candidates.size === 0) timers.clear("reap");
    else timers.set("reap", Math.max(now, Math.min(...[...this.#candidates.values()].map(({ dueAt }) => dueAt))));
  }
}

/** An actor is of the node whose name it begins with (`replica.ts`). */
function writersOf(clock: Clock): NodeId[] {
  return [...new Set(clock.map(({ actor }) => actor.slice(0, NODE_ID_CHARACTERS) as NodeId))];
}
