/**
 * Gathering what the cluster knows of one partition, for an archive or a look back, while everybody goes on writing. A caller takes it page by page.
 * States of each part, in order, an attempt after the other until one is whole or the time is over:
 *
 *   hints      every member gives what it keeps for others
 *   records    those who count give their records. One leads, page by page, and the others are asked for what differs from its page
 *   history    every member gives records that were replaced, if they are wanted
 *   done       the caller is told who was not read, and from what quorum on nothing can be missing
 *   pausing    too many could not be read, or those who count have changed: after a while all is asked again, from the beginning
 *
 * **What is in a part.** Every write that was acknowledged by `w` nodes before the last attempt began, or what has replaced it, if fewer than `w` members
 * could not be read, and N - `w` + 1 of those who count were. For an acknowledgement stands for a replica of its own: a record of one who counts, or a hint for it; the hint is let go only when
 * its owner has it durably. So hints are read from everybody before the first record is: a hint that was gone already is in the record, and not the other
 * way round. In the same way records move into the history, and are read before it. A member that cannot be read hides one replica of a write, at most;
 * but where one of those who count is not read, there may be members of whom this node does not know yet. What it says then is what a get could say that
 * as many have answered: writes whose quorum meets with them are in. A stand-in of whom
 * nobody that was read has heard may keep a hint besides: that copy is not counted on.
 *
 * A write that comes while the part is gathered may or may not be in it. Each record is one that a replica held: its siblings and clock belong together.
 *
 * Pages are handed out as they come, those of an attempt that was given up as well: merging is idempotent.
 *
 * Limits: PARTS_MAX parts; of each, RECORDS_TOGETHER records or PAGES_TOGETHER pages, and one page from each member asked. A part whose caller asks for no more is forgotten when there is no room.
 */

import type { Gathered, GatheredRecord, Gathering } from "./gathering.ts";
import type { Key, Millis, NodeId, Partition, RequestId } from "./identifiers.ts";
import { type Digest, recordDigest } from "./merkle-forest.ts";
import { belonging, isGone } from "./membership.ts";
import type { ArchivePage, ArchiveRequest } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const PARTS_MAX = 64;
/** A caller that has asked for nothing for so long may be gone. */
const IDLE_MS = 600_000;
const TICK_MS = 250;
const AGAIN_MS = 400;
const PAUSE_MS = 1_000;
/** What is handed out at once. */
const RECORDS_TOGETHER = 1_024;
const PAGES_TOGETHER = 4;
/** Of one page, of one member. */
const TRIES_MAX = 3;

export interface ArchiveGatherActions {
  /** This node asks itself. */
  readOwn(asked: ArchiveRequest): void;
  gathered(request: RequestId, what: Gathered): void;
}

interface Ask {
  readonly request: RequestId;
  readonly after: string;
  readonly askedAt: Millis;
}

interface Part {
  /** The caller's. */
  readonly request: RequestId;
  readonly wanted: Gathering;
  readonly deadline: Millis;
  askedAt: Millis;
  /** The caller waits for a page. */
  hungry: boolean;
  attempts: number;
  beganAt: Millis;
  pausedUntil: Millis | undefined;
  /** Index in the stores that are wanted. */
  step: number;
  members: ReadonlySet<NodeId>;
  counted: ReadonlySet<NodeId>;
  /** Who is not asked any more, in this attempt, because it failed too often, or could not say everything. */
  readonly silent: Set<NodeId>;
  readonly partly: Set<NodeId>;
  /** Of the history: from when on each member that was read lacks nothing. */
  readonly coveredFrom: Map<NodeId, Millis>;
  /** The ring has changed since the attempt began. */
  stale: boolean;
  /** Who has more to give of this window, from where on. */
  readonly behind: Map<NodeId, string>;
  readonly asked: Map<NodeId, Ask>;
  readonly tries: Map<NodeId, number>;
  /** Whoever refused is asked again after a while: it may have given as much as it gives to one peer at a time. */
  readonly notBefore: Map<NodeId, Millis>;
  /** Whose pages are the windows for the others; undefined for hints and history, which everybody gives by himself. */
  lead: NodeId | undefined;
  /** The window: behind `from`, up to `through`; undefined: to the end. */
  from: string;
  through: string | undefined;
  known: readonly { readonly key: Key; readonly digest: Digest }[];
  records: GatheredRecord[];
}

export class ArchiveGather {
  readonly #in: Surroundings;
  readonly #do: ArchiveGatherActions;
  readonly #parts = new Map<RequestId, Part>();
  readonly #bySent = new Map<RequestId, { readonly part: Part; readonly node: NodeId }>();

  constructor(surroundings: Surroundings, actions: ArchiveGatherActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#parts.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#parts;
  }

  /** Begins, and gives the first page when there is one. */
  start(request: RequestId, wanted: Gathering): void {
    const { ring, now } = this.#in;
    if (this.#parts.size >= PARTS_MAX) this.#forgetIdle(IDLE_MS / 10);
    const ready = ring !== undefined && wanted.partition < ring.view.claims.length;
    if (!ready || this.#parts.size >= PARTS_MAX) {
      this.#do.gathered(request, { outcome: "failed", code: ready ? "overloaded" : "not-ready" });
      return;
    }
    const part: Part = {
      request,
      wanted,
      deadline: now + wanted.timeoutMs,
      askedAt: now,
      hungry: true,
      attempts: 0,
      beganAt: now,
      pausedUntil: undefined,
      step: 0,
      members: new Set(),
      counted: new Set(),
      silent: new Set(),
      partly: new Set(),
      coveredFrom: new Map(),
      stale: false,
      behind: new Map(),
      asked: new Map(),
      tries: new Map(),
      notBefore: new Map(),
      lead: undefined,
      from: "",
      through: undefined,
      known: [],
      records: [],
    };
    this.#parts.set(request, part);
    this.#begin(part);
    this.#advance(part);
  }

  /** The caller has worked on what it got, and wants the next page. */
  more(request: RequestId): void {
    const part = this.#parts.get(request);
    if (part === undefined) {
      this.#do.gathered(request, { outcome: "failed", code: "not-ready" });
      return;
    }
    part.hungry = true;
    part.askedAt = this.#in.now;
    this.#advance(part);
  }

  /** The caller is no longer interested. */
  onAbandoned(request: RequestId): void {
    const part = this.#parts.get(request);
    if (part !== undefined) this.#end(part);
  }

  onPage(from: NodeId, page: ArchivePage): void {
    const sent = this.#bySent.get(page.request);
    if (sent?.node !== from) return;
    const { part } = sent;
    const after = part.asked.get(from)?.after ?? "";
    this.#bySent.delete(page.request);
    part.asked.delete(from);
    if (page.counted.some((node) => !part.counted.has(node))) part.stale = true;
    if (page.outcome === "refused") this.#failed(part, from, after);
    else this.#take(part, from, page);
    this.#advance(part);
  }

  onTimer(): void {
    const { now, config } = this.#in;
    this.#forgetIdle(IDLE_MS);
    for (const part of [...this.#parts.values()]) {
      for (const [node, { request, askedAt, after }] of [...part.asked]) {
        if (now - askedAt < config.transferTimeoutMs) continue;
        part.asked.delete(node);
        this.#bySent.delete(request);
        this.#failed(part, node, after);
      }
      this.#advance(part);
    }
  }

  onPeerDown(peer: NodeId): void {
    for (const part of [...this.#parts.values()]) {
      const ask = part.asked.get(peer);
      if (ask === undefined) continue;
      part.asked.delete(peer);
      this.#bySent.delete(ask.request);
      this.#failed(part, peer, ask.after);
      this.#advance(part);
    }
  }

  onRing(): void {
    for (const part of this.#parts.values()) {
      const { members, counted } = this.#askable(part.wanted.partition);
      if (!isSubset(members, part.members) || !isSubset(counted, part.counted)) part.stale = true;
    }
  }

  #askable(partition: Partition): { readonly members: Set<NodeId>; readonly counted: Set<NodeId> } {
    const { ring } = this.#in;
    return {
      members: new Set(ring === undefined ? [] : belonging(ring.view).map(({ node }) => node)),
      counted: new Set(ring?.preferenceList(partition).counted),
    };
  }

  /** A new attempt, from the beginning. */
  #begin(part: Part): void {
    const { members, counted } = this.#askable(part.wanted.partition);
    part.attempts++;
    part.beganAt = this.#in.now;
    part.pausedUntil = undefined;
    part.members = members;
    part.counted = counted;
    part.silent.clear();
    part.partly.clear();
    part.coveredFrom.clear();
    part.stale = false;
    this.#in.note({ what: "gather-began", partition: part.wanted.partition, attempt: part.attempts });
    this.#enter(part, 0);
  }

  #enter(part: Part, step: number): void {
    part.step = step;
    part.lead = undefined;
    part.from = "";
    part.through = undefined;
    part.known = [];
    part.behind.clear();
    part.tries.clear();
    // Who counts leads or follows; hints and history everybody gives by himself.
    const store = part.wanted.stores[step];
    if (store === undefined) return;
    if (store === "records") this.#openWindow(part, "");
    else for (const node of this.#givers(part)) part.behind.set(node, "");
  }

  #givers(part: Part): NodeId[] {
    const nodes = part.wanted.stores[part.step] === "records" ? part.counted : part.members;
    return [...nodes].filter((node) => !part.silent.has(node));
  }

  /** The next window of records, behind `from`: its lead says how far it goes. */
  #openWindow(part: Part, from: string): void {
    const { self } = this.#in;
    const givers = this.#givers(part);
    const lead = givers.includes(part.lead ?? self) ? (part.lead ?? self) : givers[0];
    part.lead = lead;
    part.from = from;
    part.through = undefined;
    part.known = [];
    if (lead !== undefined) part.behind.set(lead, from);
  }

  #take(part: Part, from: NodeId, page: ArchivePage): void {
    part.tries.delete(from);
    if (page.damaged > 0) part.partly.add(from);
    const store = part.wanted.stores[part.step];
    if (store === "history") part.coveredFrom.set(from, page.coveredFrom);
    // A page need not hold all that is known to be there: what does not fit in stays, and is never taken twice.
    part.records.push(...page.records);
    if (part.lead !== from || store !== "records") {
      if (page.next !== undefined) part.behind.set(from, page.next);
      return;
    }
    part.through = page.next;
    part.known = page.records.map(({ key, set }) => ({ key, digest: recordDigest(key, set) }));
    for (const node of this.#givers(part)) if (node !== from) part.behind.set(node, part.from);
  }

  #failed(part: Part, node: NodeId, after: string): void {
    const tries = (part.tries.get(node) ?? 0) + 1;
    part.tries.set(node, tries);
    part.notBefore.set(node, this.#in.now + tries * AGAIN_MS);
    if (tries >= TRIES_MAX || !this.#in.reachable(node)) this.#silence(part, node);
    else part.behind.set(node, after);
  }

  #silence(part: Part, node: NodeId): void {
    part.silent.add(node);
    part.behind.delete(node);
    // Its window was not opened: another leads. If it was, the others go on with it.
    if (part.lead === node) part.lead = undefined;
  }

  /** Does what can be done now, until answers or the caller are waited for. */
  #advance(part: Part): void {
    for (;;) {
      if (!this.#parts.has(part.request)) return;
      if (part.pausedUntil !== undefined) {
        if (part.pausedUntil > this.#in.now) break;
        this.#begin(part);
      }
      if (part.asked.size > 0) break;
      if (this.#isInVain(part)) {
        part.behind.clear();
        part.pausedUntil = this.#in.now + PAUSE_MS;
        continue;
      }
      const store = part.wanted.stores[part.step];
      // The whole window together, so that what several replicas gave of a key comes together, unless that grows too large.
      if (part.records.length > 0 && (part.behind.size === 0 || this.#isLarge(part))) {
        if (!part.hungry) break;
        part.hungry = false;
        const { records } = part;
        part.records = [];
        this.#do.gathered(part.request, { outcome: "page", records });
        break;
      }
      if (!part.hungry) break;
      if (part.behind.size > 0) {
        const due = [...part.behind].filter(([node]) => (part.notBefore.get(node) ?? 0) <= this.#in.now);
        if (due.length === 0) break;
        for (const [node, after] of due) this.#ask(part, node, after);
      } else if (store === undefined) {
        this.#finish(part);
        return;
      } else if (store === "records" && part.lead === undefined && this.#givers(part).length > 0)
        this.#openWindow(part, part.from);
      else if (store === "records" && part.through !== undefined) this.#openWindow(part, part.through);
      else this.#enter(part, part.step + 1);
    }
    if (this.#parts.size > 0 && !this.#in.timers.has("gather")) this.#in.timers.set("gather", this.#in.now + TICK_MS);
  }

  #isLarge({ records }: Part): boolean {
    if (records.length >= RECORDS_TOGETHER) return true;
    let bytes = 0;
    for (const { set } of records) for (const { value } of set.siblings) bytes += value?.length ?? 0;
    return bytes >= PAGES_TOGETHER * this.#in.config.transferPageBytesMax;
  }

  /** This attempt cannot become whole, and there is time for another. */
  #isInVain(part: Part): boolean {
    // That a member has let go of the past is for good, and so is for now that its build gives none.
    const unread = this.#unreadNow(part);
    const unable = [...unread].filter((node) => !this.#in.reads(node, "archive-request"));
    const isInVain = part.stale || this.#covers(part, unread) > this.#demanded(part);
    const isHopeless = this.#covers(part, new Set(unable)) > this.#demanded(part);
    return isInVain && !isHopeless && this.#in.now < part.deadline;
  }

  /** From what quorum on no write can be missing, when these could not be read in full. */
  #covers({ counted }: Part, unread: ReadonlySet<NodeId>): number {
    const { n = 1 } = this.#in.ring?.view.parameters ?? {};
    const read = [...counted].filter((node) => !unread.has(node)).length;
    const byQuorum = read === counted.size ? 1 : Math.max(n, counted.size) - read + 1;
    return Math.max(unread.size + 1, byQuorum);
  }

  #demanded({ wanted }: Part): number {
    return wanted.w ?? this.#in.ring?.view.parameters.w ?? 1;
  }

  /** Who may be read in full another time. */
  #unreadNow(part: Part): Set<NodeId> {
    const { members, counted } = this.#askable(part.wanted.partition);
    const unknown = [...members, ...counted].filter((node) => !part.members.has(node) && !part.counted.has(node));
    return new Set([...part.silent, ...part.partly, ...unknown]);
  }

  #unread(part: Part): Set<NodeId> {
    const late = [...part.coveredFrom].filter(([, from]) => from > part.wanted.moment).map(([node]) => node);
    return new Set([...this.#unreadNow(part), ...late, ...this.#departed(part).keys()]);
  }

  /** Who has gone since the moment that is looked back at, and when: what it kept of the past went with it. */
  #departed({ wanted }: Part): Map<NodeId, Millis> {
    const departed = new Map<NodeId, Millis>();
    if (!wanted.stores.includes("history")) return departed;
    for (const member of this.#in.ring?.view.members ?? []) {
      const { at = 0 } = member.departure ?? {};
      if (isGone(member) && at >= wanted.moment) departed.set(member.node, at);
    }
    return departed;
  }

  #ask(part: Part, node: NodeId, after: string): void {
    const { ring, self, config, now } = this.#in;
    const { partition, stores, prefix, moment } = part.wanted;
    const store = stores[part.step];
    part.behind.delete(node);
    if (ring === undefined || store === undefined) return;
    const request = this.#in.nextRequest();
    const { through, known } = part;
    const bytesMax = config.transferPageBytesMax;
    const asked: ArchiveRequest = {
      kind: "archive-request",
      request,
      ring: ring.digest,
      partition,
      store,
      prefix,
      moment,
      after,
      through: part.lead === node ? undefined : through,
      bytesMax,
      known: part.lead === node ? [] : known,
    };
    part.asked.set(node, { request, after, askedAt: now });
    this.#bySent.set(request, { part, node });
    if (node === self) this.#do.readOwn(asked);
    else if (!this.#isAsked(node, asked)) {
      part.asked.delete(node);
      this.#bySent.delete(request);
      this.#silence(part, node);
    }
  }

  #isAsked(node: NodeId, asked: ArchiveRequest): boolean {
    if (this.#in.reads(node, "archive-request")) return this.#in.send(node, asked, "background");
    this.#in.note({ what: "older-peer", peer: node, message: "archive-request" });
    return false;
  }

  #finish(part: Part): void {
    const { wanted, members, counted, attempts, beganAt } = part;
    const unread = this.#unread(part);
    const gone = [...this.#departed(part).values()].map((at) => at + 1);
    const late = [...part.coveredFrom.values(), ...gone].sort((a, b) => b - a);
    // So many of those who were read may be late; the one behind them says from when on it would do.
    const spare = Math.max(0, this.#demanded(part) - 1 - this.#unreadNow(part).size);
    const coversW = this.#covers(part, unread);
    this.#end(part);
    this.#do.gathered(part.request, {
      outcome: "done",
      part: {
        partition: wanted.partition,
        members: [...new Set([...members, ...counted])].sort(),
        unread: [...unread].sort(),
        coversW,
        attempts,
        elapsedMs: this.#in.now - beganAt,
        coveredFrom: late[spare] ?? 0,
      },
    });
  }

  #forgetIdle(idleMs: Millis): void {
    for (const part of [...this.#parts.values()])
      if (!part.hungry && this.#in.now - part.askedAt > idleMs) this.#end(part);
  }

  #end(part: Part): void {
    for (const { request } of part.asked.values()) this.#bySent.delete(request);
    this.#parts.delete(part.request);
    if (this.#parts.size === 0) this.#in.timers.clear("gather");
  }
}

function isSubset<T>(some: ReadonlySet<T>, all: ReadonlySet<T>): boolean {
  for (const item of some) if (!all.has(item)) return false;
  return true;
}
