/**
 * Belonging: how this node is a member, and what of that is written down (paper, section 4.8.1 and 4.9). It keeps the node's view of the cluster,
 * its own entry in it, and both on disk. States, in order:
 *
 *   starting   the incarnation is counted up and on its way to the disk; nothing is said before it is durable
 *   unknown    no view: the cluster was neither met nor founded. An empty newcomer that took itself for the whole ring would turn absence into
 *              "not found"
 *   member     has an entry of its own and, if it has capacity, tokens: claimed in placement 3, drawn by chance and for good in 1 and 2
 *   leaving    its entry says so; its tokens are dealt to others, and it counts for what it holds until they have that (`departure.ts`)
 *   gone       it has left, or an operator has removed it: for good. It answers for nothing, says nothing of itself any more, and gives what it still has to
 *              the owners
 *
 * An operator's changes are checked before they are made (`membership-change.ts`), against the view that is here. Tokens of those who are gone or going are
 * dealt by who made the change, and by anybody who finds some later: all deal alike.
 *
 * Rules of order. That a partition is held is written down first and told afterwards: others let go of what they take to be here. That one is held
 * no more is told first, and what is here may go when that is written down. What others say wrongly of this node is refuted by a higher incarnation.
 * A view is left to settle for `rebalanceAfterMs` before tokens that are too many are given away.
 *
 * Entries of buckets are set here, too, because they are part of the view and written down with it.
 *
 * Limits: one meta write for each step that changed something; what waits for it goes with the next try if it fails. At most BUCKETS_MAX callers who
 * have set a bucket wait, and one operator for each member, who goes but once.
 */

import { unreachable } from "../base/assert.ts";
import {
  BUCKETS_MAX,
  BUCKET_VERSION_MAX,
  type BucketEntry,
  type BucketProperties,
  bucketFault,
  bucketNamed,
  sameProperties,
} from "./buckets.ts";
import { type ClusterParameters, parametersFault } from "./config.ts";
import type { BucketRefusal, NodeMeta } from "./effect.ts";
import type { Millis, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import {
  type Claim,
  type Member,
  type View,
  allHolders,
  goneEntry,
  isGone,
  memberOf,
  mergeView,
  newer,
  noHolders,
  unclaimed,
  withHolder,
} from "./membership.ts";
import { drawTokens } from "./placement.ts";
import { Ring } from "./ring.ts";
import { claimsAfterSwaps } from "./load-plan.ts";
import type { Surroundings } from "./surroundings.ts";
import { type MembershipChange, type ChangeRefusal, changeRefusal } from "./membership-change.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION, sharedVersion } from "./versions.ts";
import { claimsAfterDepartures, claimsAfterGiving, claimsAfterJoin } from "./token-claims.ts";

/** An incarnation's first version lies below this: should the disk ever go back in time, no version comes again with another meaning. */
const FIRST_VERSIONS = 2 ** 20;
/** What could not be written is tried again. */
const WRITE_AGAIN_MS = 1_000;

export interface BelongingActions {
  /** The view is another. May come in the middle of anything: look at it later. */
  changed(): void;
  /** It is durable that this node does not hold these. */
  countedOut(partitions: readonly Partition[]): void;
  /** What of the logs of others goes with the rest; see `recent-writes.ts`. */
  caughtUp(): NodeMeta["caughtUp"];
  /** Answers whoever has set a bucket: it is durable here, or refused. */
  bucketSet(request: RequestId, refusal: BucketRefusal | undefined): void;
  /** Answers an operator: the change is durable here, or refused. */
  changeMade(request: RequestId, refusal: ChangeRefusal | undefined): void;
}

/** What is told once it is durable: that these partitions are held now, that they are not counted on any more, that a caller's change is made, or that writes may be acknowledged from memory. */
type Announcement =
  | { readonly what: "held" | "counted-out"; readonly partitions: readonly Partition[] }
  | { readonly what: "bucket-set"; readonly request: RequestId }
  | { readonly what: "change-made"; readonly request: RequestId }
  | { readonly what: "buffering" };

/** A meta write under way. */
interface Writing {
  readonly announcements: Announcement[];
  readonly view: View | undefined;
}

export class Belonging {
  readonly #in: Surroundings;
  readonly #do: BelongingActions;
  #incarnation: number;
  #ring: Ring | undefined;
  #hidden = false;
  #changed = false;
  /** The first write of this start, until it is durable. */
  #startStore: { readonly ticket: Ticket; readonly view: View | undefined } | undefined;
  /** What is to be done when the next meta write is durable, and what waits for those under way. */
  readonly #onceDurable: Announcement[] = [];
  readonly #stores = new Map<Ticket, Writing>();
  /** The view as it is on the disk. */
  #durableView: View | undefined;
  /** Held, but not to be answered for yet, with the version of the own entry that first told of each; Infinity until one has. */
  readonly #unopened = new Map<Partition, number>();
  /** Partitions whose copy is complete, but not written down yet. */
  readonly #holding = new Set<Partition>();
  /** Callers who have set a bucket that is not durable yet. */
  #settingBuckets = 0;
  /** Whether it is written down that writes may be acknowledged from memory. */
  #buffering: "no" | "soon" | "yes" = "no";
  /** It was, when the node ended that this one goes on from. */
  #mayHaveLost: boolean;

  constructor(surroundings: Surroundings, meta: NodeMeta | undefined, actions: BelongingActions) {
    this.#in = surroundings;
    this.#do = actions;
    const view = meta?.view;
    const before = view === undefined ? undefined : memberOf(view, surroundings.self);
    this.#mayHaveLost = meta?.buffering === true;
    const known = before === undefined || isGone(before) ? 0 : before.incarnation;
    this.#incarnation = Math.max(meta?.incarnation ?? 0, known) + 1;
    if (view === undefined) return;
    this.#durableView = view;
    if (before !== undefined && isGone(before)) {
      this.#ring = new Ring(view);
      return;
    }
    const departure = before?.departure;
    const kept = { holders: before?.holders ?? noHolders(view.parameters.partitions), ...(departure && { departure }) };
    const entry = before === undefined ? [] : [{ ...this.#newEntry(view), ...kept }];
    this.#ring = new Ring(mergeView(view, entry, undefined));
    for (const partition of meta?.unopened ?? []) this.#unopened.set(partition, this.self?.version ?? Infinity);
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The newest version of the protocol that all who belong read, and that this node may write. */
  get protocol(): number {
    const { protocolMax, writesProtocol } = this.#in.config;
    const view = this.#ring?.view;
    const ceiling = Math.max(PROTOCOL_MIN, Math.min(PROTOCOL_VERSION, protocolMax, writesProtocol));
    return view === undefined ? PROTOCOL_MIN : sharedVersion(view, ceiling);
  }

  /** This node's entry; undefined until it is a member, and when it is one no more. */
  get self(): Member | undefined {
    const own = this.#ring === undefined ? undefined : memberOf(this.#ring.view, this.#in.self);
    return own === undefined || isGone(own) ? undefined : own;
  }

  /** True when this node's meta write with this view's entries is on the disk. */
  get durable(): boolean {
    return !this.#changed && this.#stores.size === 0 && this.#durableView === this.#ring?.view;
  }

  /** Partitions that this node holds and does not answer for yet, with the version of its entry that first told of each. */
  get unopened(): ReadonlyMap<Partition, number> {
    return this.#unopened;
  }

  /** True when this node will know of that one after a crash, too. */
  remembers(node: NodeId): boolean {
    return this.#durableView !== undefined && memberOf(this.#durableView, node) !== undefined;
  }

  /** True when what `node` says of itself up to this version is on this node's disk. */
  knows(node: NodeId, incarnation: number, version: number): boolean {
    const known = this.#durableView === undefined ? undefined : memberOf(this.#durableView, node);
    return (
      known !== undefined &&
      (known.incarnation > incarnation || (known.incarnation === incarnation && known.version >= version))
    );
  }

  /** Meta writes under way. */
  get size(): number {
    return this.#stores.size;
  }

  /** True when the incarnation of this start is durable. */
  get started(): boolean {
    return this.#startStore === undefined;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return {
      incarnation: this.#incarnation,
      view: this.#ring?.view,
      hidden: this.#hidden,
      changed: this.#changed,
      startStore: this.#startStore,
      onceDurable: this.#onceDurable,
      stores: this.#stores,
      holding: this.#holding,
      durableView: this.#durableView,
      unopened: this.#unopened,
      settingBuckets: this.#settingBuckets,
      buffering: this.#buffering,
    };
  }

  /** Whether writes may be acknowledged from memory: it must be written down before, so that a crash takes nothing silently. If not, soon. */
  beginBuffering(): boolean {
    if (this.#buffering === "no" && this.started) {
      this.#buffering = "soon";
      this.#changed = true;
      this.#onceDurable.push({ what: "buffering" });
    }
    return this.#buffering === "yes";
  }

  /** Nothing is in the buffer any more, and has not been for a while. */
  endBuffering(): void {
    if (this.#buffering !== "yes") return;
    this.#buffering = "no";
    this.#changed = true;
  }

  /** Writes down that this is another start. */
  start(): void {
    if (this.#mayHaveLost) this.#in.note({ what: "buffer-lost", key: undefined });
    this.#mayHaveLost = false;
    this.#startStore = { ticket: this.#in.nextTicket(), view: this.#ring?.view };
    this.#in.store(this.#startStore.ticket, [{ store: "meta", meta: this.#meta() }], "strict");
  }

  found(parameters: ClusterParameters): void {
    if (this.#ring !== undefined || parametersFault(parameters) !== undefined) return;
    const { partitions, placement } = parameters;
    const claims =
      placement === 3
        ? Array.from({ length: partitions }, () => ({ owner: this.#in.self, version: 1 }))
        : unclaimed(partitions);
    const founded = { parameters, members: [], claims, buckets: [] };
    this.#setView({ ...founded, members: [{ ...this.#newEntry(founded), holders: allHolders(partitions) }] });
  }

  /** Sets a bucket's entry; see `set-bucket`. The same as is known makes no new version, but is answered only when it is durable, too. */
  setBucket(request: RequestId, name: string, properties: BucketProperties): void {
    const view = this.#ring?.view;
    const refuse = (refusal: BucketRefusal) => this.#do.bucketSet(request, refusal);
    if (view === undefined || this.self === undefined || !this.started) return refuse({ code: "not-ready" });
    if (this.#settingBuckets >= BUCKETS_MAX) return refuse({ code: "overloaded" });
    const fault =
      bucketFault(name, properties, view.parameters.n) ??
      roomFault(view.buckets, name) ??
      (properties.buffered === true && this.protocol < 2
        ? "it is buffered, which not all members' builds know of yet: upgrade them first"
        : undefined);
    if (fault !== undefined) return refuse({ code: "invalid", fault });
    const known = bucketNamed(view.buckets, name);
    const { r, w, pr, pw, dw, buffered = false, policy } = properties;
    const entry: BucketEntry = {
      name,
      version: (known?.version ?? 0) + 1,
      setBy: this.#in.self,
      properties: { r, w, pr, pw, dw, buffered, policy },
    };
    if (known === undefined || !sameProperties(known.properties, properties))
      this.#setView(mergeView(view, [], undefined, [entry]));
    this.#changed = true;
    this.#settingBuckets++;
    this.#onceDurable.push({ what: "bucket-set", request });
  }

  /** News from gossip; `whole` when it is a complete view, which makes a newcomer join. */
  learn(
    whole: View | undefined,
    members: readonly Member[],
    claims: readonly Claim[] | undefined,
    buckets: readonly BucketEntry[],
  ): void {
    const view = this.#ring?.view;
    if (view === undefined) {
      if (whole !== undefined && this.started) this.#join(whole);
      return;
    }
    const own = this.self;
    const rumour = members.find((member) => member.node === this.#in.self);
    const others = members.filter((member) => member !== rumour || isGone(member));
    this.#setView(mergeView(view, others, claims, buckets));
    if (rumour !== undefined && isGone(rumour)) {
      this.#unopened.clear();
      return;
    }
    if (rumour === undefined || own === undefined || !newer(rumour, own)) return;
    // Somebody has a later word on us than ours: only an earlier start of ours could have said it. Refute it.
    this.#incarnation = rumour.incarnation + 1;
    this.#updateSelf({ incarnation: this.#incarnation, version: 0 });
    const version = this.self?.version ?? Infinity;
    for (const [partition, told] of this.#unopened) if (told < Infinity) this.#unopened.set(partition, version);
  }

  /** An operator's act, answered when it is durable, or a crash would take it back. `at`: by the wall clock. */
  change(request: RequestId, change: MembershipChange, at: Millis): void {
    const refusal = this.refusal(change);
    if (refusal !== undefined) return this.#do.changeMade(request, refusal);
    this.#make(change, at);
    this.#changed = true;
    this.#onceDurable.push({ what: "change-made", request });
  }

  /** The grace time of `node` is over. Nothing may speak against its removal. `at`: by the wall clock. */
  removeSilent(node: NodeId, at: Millis): void {
    this.#make({ kind: "remove", node, force: false, planned: undefined }, at);
  }

  /** What speaks against the change; undefined: nothing. */
  refusal(change: MembershipChange): ChangeRefusal | undefined {
    if (this.#ring === undefined || this.self === undefined) return { code: "not-ready" };
    return changeRefusal(this.#ring, this.#in.self, change, (node) => this.#in.reachable(node));
  }

  #make(change: MembershipChange, at: Millis): void {
    const ring = this.#ring;
    if (ring === undefined) return;
    const { self } = this.#in;
    if (change.kind !== "move") {
      const node = change.kind === "leave" ? self : change.node;
      this.#in.note({ what: "membership-changed", change: change.kind, node });
    }
    switch (change.kind) {
      case "leave":
        this.#updateSelf({ departure: { standing: "leaving", by: self, at } });
        break;
      case "remove": {
        const member = memberOf(ring.view, change.node);
        if (member !== undefined)
          this.#setView(mergeView(ring.view, [goneEntry(member, "removed", self, at)], undefined));
        break;
      }
      case "move":
        this.#in.note({ what: "tokens-swapped", tokens: new Set(change.swaps.flat()).size });
        if (change.swaps.length > 0)
          this.#setView({ ...ring.view, claims: claimsAfterSwaps(ring.view.claims, change.swaps) });
        break;
      default:
        unreachable(change);
    }
    this.#dealOrphans();
  }

  /** All that was here is with others: this node is a member no more. `at`: by the wall clock. */
  left(at: Millis): void {
    const own = this.self;
    const { ring } = this;
    if (ring === undefined || own?.departure === undefined) return;
    this.#setView(
      mergeView(ring.view, [goneEntry(own, "left", this.#in.self, Math.max(at, own.departure.at))], undefined),
    );
  }

  /** This node's tab is in the background. */
  get hidden(): boolean {
    return this.#hidden;
  }

  setHidden(hidden: boolean): void {
    this.#hidden = hidden;
    this.#updateSelf({ hidden });
  }

  /** All data of these partitions is here. */
  hold(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      this.#holding.add(partition);
      this.#unopened.set(partition, Infinity);
    }
    this.#changed = true;
    this.#onceDurable.push({ what: "held", partitions });
  }

  /** This node answers for these from now on. */
  opened(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      this.#unopened.delete(partition);
      this.#in.note({ what: "partition-opened", partition });
    }
    this.#changed = true;
    this.#do.changed();
  }

  /** These partitions belong to others now, who have all of them. */
  countOut(partitions: readonly Partition[]): void {
    for (const partition of partitions) this.#unopened.delete(partition);
    this.#setHolders(partitions, false);
    this.#onceDurable.push({ what: "counted-out", partitions });
  }

  /** The view has settled: give away what is too much. */
  onRebalanceTimer(): void {
    this.#dealOrphans();
    const view = this.#ring?.view;
    if (view === undefined || this.self === undefined || view.parameters.placement !== 3) return;
    const claims = claimsAfterGiving(view, this.#in.self);
    if (claims !== view.claims) this.#setView({ ...view, claims });
  }

  onPersistTimer(): void {
    this.#changed = true;
  }

  /** What goes with the rest has changed. */
  onCaughtUp(): void {
    if (this.protocol >= 2) this.#changed = true;
  }

  /** At the end of each step: writes down what changed in it. */
  persist(): void {
    if (!this.#changed) return;
    this.#changed = false;
    const ticket = this.#in.nextTicket();
    this.#stores.set(ticket, { announcements: this.#onceDurable.splice(0), view: this.#ring?.view });
    // Strictly, as others rely on what is told of it; and whatever came before it, copies of partitions above all, is flushed with it.
    this.#in.store(ticket, [{ store: "meta", meta: this.#meta() }], "strict");
  }

  onStored(ticket: Ticket): void {
    if (ticket === this.#startStore?.ticket) {
      this.#durableView = this.#startStore.view;
      this.#startStore = undefined;
    }
    const writing = this.#stores.get(ticket);
    if (writing === undefined) return;
    this.#stores.delete(ticket);
    this.#durableView = writing.view;
    for (const announcement of writing.announcements) this.#announce(announcement);
  }

  /** True when the write was one of this mechanism's. */
  onFailed(ticket: Ticket): boolean {
    if (ticket === this.#startStore?.ticket) {
      this.#in.timers.set("start", this.#in.now + WRITE_AGAIN_MS);
      return true;
    }
    const writing = this.#stores.get(ticket);
    if (writing === undefined) return false;
    this.#stores.delete(ticket);
    this.#onceDurable.unshift(...writing.announcements);
    this.#in.timers.set("persist", this.#in.now + WRITE_AGAIN_MS);
    return true;
  }

  #announce(announcement: Announcement): void {
    if (announcement.what === "bucket-set") {
      this.#settingBuckets--;
      this.#do.bucketSet(announcement.request, undefined);
      return;
    }
    if (announcement.what === "change-made") {
      this.#do.changeMade(announcement.request, undefined);
      return;
    }
    if (announcement.what === "buffering") {
      this.#buffering = "yes";
      return;
    }
    const { partitions } = announcement;
    if (announcement.what === "counted-out") {
      this.#do.countedOut(partitions);
      return;
    }
    for (const partition of partitions) {
      this.#holding.delete(partition);
      this.#in.note({ what: "partition-held", partition });
    }
    this.#setHolders(partitions, true);
    const version = this.self?.version ?? Infinity;
    for (const partition of partitions) if (this.#unopened.has(partition)) this.#unopened.set(partition, version);
  }

  /** An entry for this start, as it is before anything is held. Tokens that were ever drawn are drawn for good. */
  #newEntry(view: View): Member {
    const { capacity, zone } = this.#in.config;
    const { parameters } = view;
    const before = memberOf(view, this.#in.self)?.tokens ?? [];
    const others = view.members.filter((member) => member.node !== this.#in.self);
    return {
      node: this.#in.self,
      incarnation: this.#incarnation,
      version: 1 + this.#in.random.below(FIRST_VERSIONS),
      capacity,
      zone,
      holders: noHolders(parameters.partitions),
      tokens: before.length > 0 ? before : drawTokens(parameters, capacity, others, this.#in.random),
      protocolMin: PROTOCOL_MIN,
      protocolMax: Math.min(PROTOCOL_VERSION, this.#in.config.protocolMax),
      hidden: this.#hidden,
    };
  }

  #join(view: View): void {
    const before = memberOf(view, this.#in.self);
    if (before !== undefined && isGone(before)) {
      this.#setView(view);
      return;
    }
    if (before !== undefined && before.incarnation >= this.#incarnation) this.#incarnation = before.incarnation + 1;
    const joined = mergeView(view, [this.#newEntry(view)], undefined);
    this.#setView(
      view.parameters.placement === 3 ? { ...joined, claims: claimsAfterJoin(joined, this.#in.self) } : joined,
    );
  }

  /** Tokens of those who are gone or going get other owners. */
  #dealOrphans(): void {
    const view = this.#ring?.view;
    if (view === undefined || this.self === undefined || view.parameters.placement !== 3) return;
    const claims = claimsAfterDepartures(view);
    if (claims !== view.claims) this.#setView({ ...view, claims });
  }

  #updateSelf(change: Partial<Member>): void {
    const view = this.#ring?.view;
    const own = this.self;
    if (view === undefined || own === undefined) return;
    const entry = { ...own, ...change };
    this.#setView(mergeView(view, [{ ...entry, version: entry.version + 1 }], undefined));
  }

  #setHolders(partitions: readonly Partition[], held: boolean): void {
    const own = this.self;
    if (own !== undefined) this.#updateSelf({ holders: holdersWith(own.holders, partitions, held) });
  }

  #setView(view: View): void {
    const before = this.#ring?.view;
    if (view === before) return;
    if (view.buckets !== before?.buckets)
      for (const entry of view.buckets)
        if (before === undefined || bucketNamed(before.buckets, entry.name) !== entry)
          this.#in.note({ what: "bucket", bucket: entry.name, version: entry.version, setBy: entry.setBy });
    this.#ring = new Ring(view, this.#ring);
    this.#changed = true;
    this.#do.changed();
  }

  /** What the next start must know. */
  #meta(): NodeMeta {
    // Version 1 does not read it.
    const caughtUp = this.protocol >= 2 ? this.#do.caughtUp() : undefined;
    return caughtUp === undefined ? this.#membership() : { ...this.#membership(), caughtUp };
  }

  /** As it is told, and what is about to be. */
  #membership(): NodeMeta {
    const view = this.#ring?.view;
    const own = this.self;
    const incarnation = this.#incarnation;
    const unopened = [...this.#unopened.keys()].sort((a, b) => a - b);
    const buffering = this.#buffering === "no" ? undefined : true;
    if (view === undefined || own === undefined || this.#holding.size === 0)
      return { incarnation, view, unopened, buffering };
    const entry = { ...own, holders: holdersWith(own.holders, [...this.#holding], true) };
    const members = view.members.map((member) => (member === own ? entry : member));
    return { incarnation, view: { ...view, members }, unopened, buffering };
  }
}

/** Why the bucket cannot get another entry, if it cannot. */
function roomFault(buckets: readonly BucketEntry[], name: string): string | undefined {
  const known = bucketNamed(buckets, name);
  if (known === undefined && buckets.length >= BUCKETS_MAX)
    return `there are ${BUCKETS_MAX} buckets with an entry already, the most that a cluster keeps`;
  if (known !== undefined && known.version >= BUCKET_VERSION_MAX)
    return `it was set ${BUCKET_VERSION_MAX} times already, the most that can be counted`;
  return undefined;
}

function holdersWith(holders: Uint8Array, partitions: readonly Partition[], held: boolean): Uint8Array {
  return partitions.reduce((bits, partition) => withHolder(bits, partition, held), holders);
}
