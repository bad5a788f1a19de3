/**
 * A light client's view of the members, and how it stays fresh (paper, section 6.4: every 10 seconds from a random node, and at once when it is told
 * that it is stale). One question at a time. States of a refresh, in order:
 *
 *   idle        until the next turn comes, or a member answers a request by another view than this one
 *   asking      a member was asked whether its view is another: a few bytes both ways, and mostly the end of it
 *   fetching    it is: the same member was sent the versions that are here, and answers with what is newer
 *   idle        the view is confirmed or renewed
 *
 * A member that is silent, busy or lost is replaced by another one, after a wait that doubles with each failure.
 *
 * **No surges** (DynamoDB, ATC 2022, section 4.4). Turns come at the same rate whether anything has changed or not, each light client's at moments of its
 * own, each at a random member. What is asked between the turns is drawn from a token bucket; whatever causes came while one question was under way
 * or waits for a token are one question. A view that was found to hold nothing new is not asked for again: who answers by it is the stale one.
 *
 * What is learned is merged: a member that is behind cannot take anything away. Nothing is written down, and nothing is said to anybody: what others are
 * told of the members comes from members alone. So a light client may know what no member knows any more, when all who did ended before it was on a
 * disk. When all members that it reaches, or LOST_MEMBERS of them, and no fewer than LOST_ANSWERS times in a row, answer by one and the same view that is
 * older than its own, it takes that one over.
 *
 * Limits: one question; CONTAINED_MAX digests.
 */

import { unreachable } from "../base/assert.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { bucketsDigest, mergeBuckets } from "./buckets.ts";
import { parametersDifference } from "./config.ts";
import type { Millis, NodeId, RequestId, RingDigest } from "./identifiers.ts";
import { type Member, mergeView, newer } from "./membership.ts";
import type { ViewReply } from "./message.ts";
import { Ring, claimsDigest } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";

/** A member that has not answered by then is asked no more. */
const ANSWER_MS: Millis = 2_000;
/** Between a failure and the next try: drawn from half of it up to it, and doubled with each failure. */
const AGAIN_MS: Millis = 250;
/** A turn comes up to this share earlier or later. */
const JITTER = 0.25;
/** Questions outside the turns. */
export const EXTRA_PER_SECOND = 1;
export const EXTRA_BURST = 4;
const CONTAINED_MAX = 64;
/** So many answers by one older view, of so many members, say that what it lacks is lost. */
const LOST_ANSWERS = 3;
const LOST_MEMBERS = 8;

export interface ViewRefreshActions {
  /** Members that can be reached now, or, before there is a view, whoever is linked. */
  candidates(): readonly NodeId[];
  /** The view is another. */
  changed(): void;
  /** The peer has no view itself, or one of another cluster: it is of no use. */
  useless(peer: NodeId): void;
}

interface Asking {
  readonly request: RequestId;
  readonly peer: NodeId;
  /** The whole view is wanted, to be taken over if it is the older one that was seen so often. */
  readonly whole: boolean;
}

export class ViewRefresh {
  readonly #in: Surroundings;
  readonly #do: ViewRefreshActions;
  #ring: Ring | undefined;
  #extra: TokenBucket | undefined;
  #asking: Asking | undefined;
  /** Who answered by another view while no question could be asked. */
  #told: { readonly peer: NodeId; readonly digest: RingDigest } | undefined;
  /** Somebody has another view, and its news has not come yet: the next question asks for it at once, or two would need a place where there is one. */
  #behind = false;
  #failures = 0;
  #confirmedAt: Millis | undefined;
  /** Digests of views in which nothing is new, oldest first. A view only grows, so they stay so. */
  readonly #contained = new Set<RingDigest>();
  /** The older view by which the last answers came, one after the other: how many, and whose they were. */
  #older: { readonly digest: RingDigest; readonly answers: number; readonly by: ReadonlySet<NodeId> } | undefined;
  #refreshes = 0;
  #changes = 0;
  #toldStale = 0;

  constructor(surroundings: Surroundings, actions: ViewRefreshActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get ring(): Ring | undefined {
    return this.#ring;
  }

  get figures(): { viewAgeMs: Millis | undefined; refreshes: number; changes: number; toldStale: number } {
    const confirmed = this.#confirmedAt;
    return {
      viewAgeMs: confirmed === undefined ? undefined : this.#in.now - confirmed,
      refreshes: this.#refreshes,
      changes: this.#changes,
      toldStale: this.#toldStale,
    };
  }

  get size(): number {
    return this.#contained.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      view: this.#ring?.view,
      extra: this.#extra?.memory,
      asking: this.#asking,
      told: this.#told,
      behind: this.#behind,
      failures: this.#failures,
      confirmedAt: this.#confirmedAt,
      contained: [...this.#contained],
      older: this.#older,
      figures: this.figures,
    };
  }

  start(): void {
    this.#extra = new TokenBucket(EXTRA_PER_SECOND, EXTRA_BURST, this.#in.now);
    // Those that were opened at the same moment take their turns at different ones.
    this.#in.timers.set("view-turn", this.#in.now + this.#in.random.below(this.#in.config.viewRefreshMs));
  }

  onPeerUp(peer: NodeId): void {
    if (this.#ring === undefined) this.#wish(peer);
  }

  onPeerDown(peer: NodeId): void {
    if (this.#asking?.peer === peer) this.#onFailure();
  }

  /** The member answered a request by a view with this digest. */
  onAnswered(peer: NodeId, digest: RingDigest): void {
    if (digest === this.#ring?.digest || this.#contained.has(digest)) return;
    this.#toldStale++;
    this.#in.note({ what: "view-stale", peer });
    this.#told = { peer, digest };
    this.#wish(peer);
  }

  onTurnTimer(): void {
    const { timers, now, config, random } = this.#in;
    timers.set("view-turn", now + config.viewRefreshMs * (1 - JITTER + (2 * JITTER * random.below(1_001)) / 1_000));
    if (this.#asking === undefined) this.#ask(undefined);
  }

  /** A token is there, or the wait after a failure is over. */
  onAgainTimer(): void {
    if (this.#asking === undefined && (this.#told !== undefined || this.#failures > 0 || this.#ring === undefined))
      this.#wish(this.#told?.peer);
  }

  onOverdueTimer(): void {
    if (this.#asking !== undefined) this.#onFailure();
  }

  onReply(from: NodeId, { request, digest, outcome, news }: ViewReply): void {
    if (this.#asking?.request !== request || this.#asking.peer !== from) return;
    switch (outcome) {
      case "same":
        this.#older = undefined;
        this.#settle(from, false);
        return;
      case "differs":
        this.#behind = true;
        this.#send(from, true);
        return;
      case "news":
        if (news !== undefined) this.#learn(from, digest, news);
        return;
      case "unknown":
        this.#do.useless(from);
        this.#onFailure();
        return;
      case "busy":
        this.#onFailure();
        return;
      default:
        unreachable(outcome);
    }
  }

  /** One question, now or when there is a token for it. Whatever waits already is the same question. */
  #wish(peer: NodeId | undefined): void {
    const { timers, now, random } = this.#in;
    if (this.#asking !== undefined || timers.has("view-again")) return;
    if (this.#extra?.tryTake(1, now) === true) this.#ask(peer);
    else timers.set("view-again", now + (500 + random.below(500)) / EXTRA_PER_SECOND);
  }

  #ask(preferred: NodeId | undefined): void {
    const candidates = this.#do.candidates();
    // Who has not said yet that it sees the older one, first; but not again and again one that does not answer.
    const others = this.#failures > 0 ? [] : candidates.filter((node) => this.#older?.by.has(node) !== true);
    const peer =
      preferred !== undefined && candidates.includes(preferred)
        ? preferred
        : this.#in.random.pick(others.length > 0 ? others : candidates);
    // Nobody is there: who comes up is asked.
    if (peer === undefined) return;
    this.#in.timers.clear("view-again");
    this.#send(peer, this.#behind || this.#ring === undefined);
  }

  /** `whole`: as if nothing were here. */
  #send(peer: NodeId, withVersions: boolean, whole = false): void {
    const { timers, now } = this.#in;
    const view = whole ? undefined : this.#ring?.view;
    const request = this.#in.nextRequest();
    const known = {
      members: (view?.members ?? []).map(({ node, incarnation, version }) => ({ node, incarnation, version })),
      claims: view === undefined ? undefined : claimsDigest(view.claims),
      buckets: view === undefined ? undefined : bucketsDigest(view.buckets),
    };
    this.#asking = { request, peer, whole };
    timers.set("view-overdue", now + ANSWER_MS);
    const digest = this.#ring?.digest;
    const message = { kind: "view-request", request, digest, known: withVersions ? known : undefined } as const;
    if (!this.#in.send(peer, message, "foreground")) this.#onFailure();
  }

  #learn(from: NodeId, digest: RingDigest, news: NonNullable<ViewReply["news"]>): void {
    const { parameters, members, claims, buckets = [] } = news;
    const before = this.#ring;
    const difference = parametersDifference(before?.view.parameters ?? this.#in.config.expects, parameters);
    const whole = claims?.length === parameters.partitions;
    if (difference !== undefined || (before === undefined && !whole)) {
      if (difference !== undefined) this.#in.note({ what: "parameters-differ", peer: from, difference });
      this.#do.useless(from);
      this.#onFailure();
      return;
    }
    const takesOver = this.#asking?.whole === true && whole && digest === this.#older?.digest;
    const view =
      before === undefined || takesOver
        ? { parameters, members: newest(members), claims: claims ?? [], buckets: mergeBuckets([], buckets) }
        : mergeView(before.view, members, claims, buckets);
    const isNew = view !== before?.view;
    if (isNew) {
      this.#ring = new Ring(view, takesOver ? undefined : before);
      this.#older = undefined;
      if (takesOver) this.#contained.clear();
      this.#changes++;
      this.#do.changed();
    }
    if (digest !== this.#ring?.digest) this.#noteContained(digest);
    if (!isNew && this.#isLost(from, digest)) this.#send(from, true, true);
    else this.#settle(from, isNew);
  }

  /** What is here and not in the view with this digest is nobody's any more, by this answer and those before it. */
  #isLost(from: NodeId, digest: RingDigest): boolean {
    const isOlder = digest !== this.#ring?.digest && this.#asking?.whole !== true;
    const before = this.#older?.digest === digest ? this.#older : undefined;
    const by = new Set([...(before?.by ?? []), from].slice(-LOST_MEMBERS));
    const answers = Math.min(LOST_ANSWERS, (before?.answers ?? 0) + 1);
    this.#older = isOlder ? { digest, answers, by } : undefined;
    if (!isOlder || answers < LOST_ANSWERS) return false;
    return by.size >= LOST_MEMBERS || this.#do.candidates().every((node) => by.has(node));
  }

  #settle(peer: NodeId, news: boolean): void {
    this.#forget();
    this.#behind = false;
    this.#failures = 0;
    this.#refreshes++;
    this.#confirmedAt = this.#in.now;
    this.#in.note({ what: "view-refreshed", peer, news });
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined || told.digest === this.#ring?.digest || this.#contained.has(told.digest)) return;
    if (told.peer === peer) return;
    this.#told = told;
    this.#wish(told.peer);
  }

  #onFailure(): void {
    const { timers, now, random, config } = this.#in;
    this.#forget();
    const waitMs = Math.min(AGAIN_MS * 2 ** this.#failures, config.viewRefreshMs);
    this.#failures++;
    timers.set("view-again", now + waitMs / 2 + random.below(Math.ceil(waitMs / 2)));
  }

  #forget(): void {
    this.#asking = undefined;
    this.#in.timers.clear("view-overdue");
  }

  #noteContained(digest: RingDigest): void {
    this.#contained.add(digest);
    const [oldest] = this.#contained;
    if (this.#contained.size > CONTAINED_MAX && oldest !== undefined) this.#contained.delete(oldest);
  }
}

/** One entry for each node, the newest, in the order of a view. */
function newest(members: readonly Member[]): Member[] {
  const byNode = new Map<NodeId, Member>();
  for (const member of members) {
    const known = byNode.get(member.node);
    if (known === undefined || newer(member, known)) byNode.set(member.node, member);
  }
  return [...byNode.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}
