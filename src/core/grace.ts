/**
 * Grace: whoever has not been reached for `removeAfterMs` is removed, as an operator would remove it (paper, section 4.8.1, where only an operator does). Off
 * by default. States of a member that is away, in order:
 *
 *   awaited   this node does not reach it. Its silence counts by rounds for which this node was awake, and anew from zero when it is reached once, when
 *             this node starts again, or when its clock has jumped: who was frozen itself knows nothing of others
 *   asked of  the time is over: all members that are reached are asked whether they hear it. Whoever does ends the matter; its silence counts from zero
 *   removed   those who do not hear it are, this node included, more than half of the members that mean to stay, so that of two halves at most one removes.
 *             What speaks against an operator's removal speaks against this one (`membership-change.ts`)
 *
 * Rules of order. Only a full member does it. Who has a lower id goes first, the next in line TURN_MS later. One at a time, and none for SETTLED_MS after a
 * change of who belongs: a majority counts only among those who know of whom. Members without capacity stay, because nothing waits for them, and so do
 * seeds: newcomers come through them.
 *
 * Limits: one silence for each member; one question at a time to each member that is reached.
 */

import type { Millis, NodeId } from "./identifiers.ts";
import { isGone, membersDigest, stays } from "./membership.ts";
import type { ChangeRefusal } from "./membership-change.ts";
import type { ProbeReply } from "./message.ts";
import type { Ring } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";

const ROUND_MS = 1_000;
const TURN_MS = 5_000;
const SETTLED_MS = 5_000;

export interface GraceActions {
  /** This node is a member, and has everything that it owns. */
  isFullMember(): boolean;
  /** This node knows it from outside. */
  isSeed(node: NodeId): boolean;
  /** What speaks against removing the node; undefined: nothing. */
  refusal(node: NodeId): ChangeRefusal | undefined;
  /** `at`: by the wall clock. */
  remove(node: NodeId, at: Millis): void;
}

/** All who are reached are asked whether they hear `node`. */
interface Question {
  readonly node: NodeId;
  readonly sequence: number;
  readonly asked: ReadonlySet<NodeId>;
  /** Those who do not. */
  readonly silent: Set<NodeId>;
  heard: boolean;
}

export class Grace {
  readonly #in: Surroundings;
  readonly #do: GraceActions;
  #silences = new Map<NodeId, Millis>();
  #question: Question | undefined;
  #roundAt: Millis = 0;
  /** The wall clock when this node's own was at zero. */
  #wall: Millis = 0;
  #ring: Ring | undefined;
  /** Who belongs, and since when. */
  #members = 0;
  #settlesAt: Millis = 0;

  constructor(surroundings: Surroundings, actions: GraceActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  /** Members that are awaited. */
  get size(): number {
    return this.#silences.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      silences: this.#silences,
      question: this.#question,
      roundAt: this.#roundAt,
      members: this.#members,
      settlesAt: this.#settlesAt,
    };
  }

  /** `wall`: the wall clock now. */
  start(wall: Millis): void {
    if (this.#in.config.removeAfterMs === Number.POSITIVE_INFINITY) return;
    this.#wall = wall - this.#in.now;
    this.#roundAt = this.#in.now;
    this.#in.timers.set("grace", this.#in.now + ROUND_MS);
  }

  onTimer(): void {
    const { now } = this.#in;
    const awakeMs = Math.min(ROUND_MS, now - this.#roundAt);
    this.#roundAt = now;
    this.#in.timers.set("grace", now + ROUND_MS);
    const { ring } = this.#in;
    if (ring === undefined) return;
    this.#lookAtMembers(ring);
    this.#count(ring, awakeMs);
    const asked = this.#question;
    this.#question = undefined;
    const [longest] = this.#overdue(ring);
    if (asked !== undefined) this.#conclude(ring, asked);
    else if (longest !== undefined) this.#ask(ring, longest);
  }

  onPeerUp(node: NodeId): void {
    this.#silences.delete(node);
  }

  /** This node was away itself. */
  onClockJump(): void {
    this.#silences.clear();
    this.#question = undefined;
  }

  onReply(from: NodeId, { sequence, target, alive }: ProbeReply): void {
    const question = this.#question;
    if (question?.sequence !== sequence || question.node !== target || !question.asked.has(from)) return;
    if (alive) question.heard = true;
    else question.silent.add(from);
  }

  #lookAtMembers(ring: Ring): void {
    if (ring === this.#ring) return;
    this.#ring = ring;
    const members = membersDigest(ring.view);
    if (members === this.#members) return;
    this.#members = members;
    this.#settlesAt = this.#in.now + SETTLED_MS;
  }

  #count({ view }: Ring, awakeMs: Millis): void {
    const silences = new Map<NodeId, Millis>();
    for (const member of view.members) {
      const { node } = member;
      if (isGone(member) || member.capacity === 0 || this.#do.isSeed(node) || this.#in.reachable(node)) continue;
      silences.set(node, (this.#silences.get(node) ?? 0) + awakeMs);
    }
    this.#silences = silences;
  }

  /** Those who may go now, who are silent for longest first. */
  #overdue(ring: Ring): NodeId[] {
    const { now, self, config } = this.#in;
    if (now < this.#settlesAt || !this.#do.isFullMember()) return [];
    const reached = this.#reached(ring);
    if (!isMajority(reached.length + 1, ring)) return [];
    const turn = reached.filter((node) => node < self).length;
    return [...this.#silences]
      .filter(([node, silentMs]) => silentMs >= config.removeAfterMs + turn * TURN_MS && !this.#do.refusal(node))
      .sort(([a, longer], [b, shorter]) => shorter - longer || (a < b ? -1 : 1))
      .map(([node]) => node);
  }

  #ask(ring: Ring, node: NodeId): void {
    const sequence = this.#in.nextRequest();
    const asked = this.#reached(ring).filter((peer) =>
      this.#in.send(peer, { kind: "probe", sequence, target: node }, "foreground"),
    );
    this.#question = { node, sequence, asked: new Set(asked), silent: new Set(), heard: false };
  }

  #conclude(ring: Ring, { node, silent, heard }: Question): void {
    if (heard) {
      this.#silences.delete(node);
      return;
    }
    const reached = this.#reached(ring);
    const agreed = reached.filter((peer) => silent.has(peer));
    if (!this.#overdue(ring).includes(node) || !isMajority(agreed.length + 1, ring)) return;
    this.#in.note({ what: "grace-over", node, silentMs: this.#silences.get(node) ?? 0 });
    this.#silences.delete(node);
    this.#do.remove(node, Math.max(1, Math.round(this.#wall + this.#in.now)));
  }

  /** Other members that mean to stay, and answer. */
  #reached({ view }: Ring): NodeId[] {
    const { self } = this.#in;
    return view.members
      .filter((member) => stays(member) && member.node !== self && this.#in.reachable(member.node))
      .map((member) => member.node);
  }
}

/** More than half of those who mean to stay. */
function isMajority(count: number, { view }: Ring): boolean {
  return 2 * count > view.members.filter(stays).length;
}
