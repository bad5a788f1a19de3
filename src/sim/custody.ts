/**
 * Judges custody (DESIGN sections 3 and 5): who may let go of a copy, who may say that it holds a partition, and where copies lie when all is at
 * rest. `checkers.ts` counts whether enough copies are left of what was acknowledged; this one looks at the rules that make it so, because a rule
 * that is broken costs a copy at once, and a promise only when two things go wrong together.
 *
 *   a hint goes      when its target has all of it; when that owns the key no more, W of the owners; and they have said so to the one who kept it
 *                                                                                                            ("copies-kept")
 *   a record goes    when all owners have all of it                                                          ("copies-kept")
 *   a holder opens   a partition it has come to hold, when it has every put that a quorum of the others had then ("placement")
 *   at rest          no record lies with somebody who does not own its partition, and each node knows of every hint on its disk
 *
 * All by what is on the disks, and by the ring as the one who acts sees it. What a lying disk took is nobody's fault: puts that lost a copy so
 * (`budget.ts` writes it down) are left out, and a node that is gone for good is waited for.
 *
 * Limits: LISTS_KEPT lists and one set of nodes for each node and key that was sent on, one list of puts for each partition that is not open yet.
 */

import { keyOfRecord, parseHintAddress, partitionOf, positionOf, recordAddress } from "../core/address.ts";
import type { Effect, RecordStore, StoredRecord } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId, Partition, RequestId } from "../core/identifiers.ts";
import { type View, memberOf } from "../core/membership.ts";
import type { ReplicaPutReply } from "../core/message.ts";
import { quorumOf } from "../core/quorum.ts";
import { type PreferenceList, Ring } from "../core/ring.ts";
import { InvariantViolation, type Watched, setsOnDisk } from "./checkers.ts";
import type { History, KeyHistory, Operation } from "./history.ts";

/** What somebody who came to hold a partition must have when it answers for it. */
interface Begun {
  /** The others that counted. */
  readonly sources: ReadonlySet<NodeId>;
  readonly due: readonly { readonly history: KeyHistory; readonly operation: Operation }[];
}

/** Of each node and key. */
const LISTS_KEPT = 8;
/** Behind every address. */
const END = "g";

export class Custody {
  readonly #world: Watched;
  readonly #history: History;
  readonly #rings = new WeakMap<View, Ring>();
  /** Whose a key was whenever a node sent it on, to let go of it afterwards, the latest last. By node and key, or partition. */
  readonly #sentTo = new Map<string, readonly PreferenceList[]>();
  /** What each node has sent of the hints that it keeps and has no answer to, since it started. */
  readonly #delivering = new Map<NodeId, Map<RequestId, { readonly key: Key; readonly to: NodeId }>>();
  /** Who has told a node that it has stored what that sent of its hints. By node and key. */
  readonly #told = new Map<string, Set<NodeId>>();
  /** By copier and partition. */
  readonly #begun = new Map<string, Begun>();

  constructor(world: Watched, history: History) {
    this.#world = world;
    this.#history = history;
  }

  /** A node has taken a step; nothing of it is performed yet. */
  onStep(node: NodeId, effects: readonly Effect[], event?: NodeEvent): void {
    if (event?.kind === "started") this.#delivering.set(node, new Map());
    else if (event?.kind === "message-received" && event.message.kind === "replica-put-reply")
      this.#onAnswered(node, event.from, event.message);
    for (const effect of effects) {
      if (effect.kind === "send") {
        const { message } = effect;
        if (message.kind === "tree-request" && message.level === 0)
          for (const { index } of message.nodes) this.#onCompared(node, index);
        else if (message.kind === "replica-put" && (message.purpose === "hint" || message.purpose === "transfer"))
          this.#onSentOn(node, message.key);
        if (message.kind === "replica-put" && message.purpose === "hint")
          this.#delivering.get(node)?.set(message.request, { key: message.key, to: effect.to });
      } else if (effect.kind === "note" && effect.note.what === "merged" && effect.note.purpose === "hint")
        // It may have been its own hint, for itself: then nothing was sent.
        this.#onSentOn(node, effect.note.key);
      else if (effect.kind === "note" && effect.note.what === "hint-delivered")
        this.#onDelivered(node, effect.note.key, effect.note.target);
      else if (effect.kind === "note" && effect.note.what === "partition-held")
        this.#onHeld(node, effect.note.partition);
      else if (effect.kind === "note" && effect.note.what === "partition-opened")
        this.#onOpened(node, effect.note.partition);
    }
  }

  #onAnswered(node: NodeId, from: NodeId, { request, outcome }: ReplicaPutReply): void {
    const sent = this.#delivering.get(node)?.get(request);
    if (sent?.to !== from) return;
    this.#delivering.get(node)?.delete(request);
    if (outcome !== "stored" && outcome !== "early") return;
    const name = `${node} ${sent.key}`;
    (this.#told.get(name) ?? this.#told.set(name, new Set()).get(name)!).add(from);
  }

  /** Whatever else brought it there: who lets go of a hint must have been told that enough of them have it. */
  #onDelivered(node: NodeId, key: Key, target: NodeId): void {
    const ring = this.#ringOf(node);
    const told = this.#told.get(`${node} ${key}`);
    if (ring === undefined) return;
    const lists = [...(this.#sentTo.get(`${node} ${key}`) ?? []), listOf(ring, key)];
    const isTold = this.#rules(node, ring, lists, target).some(({ nodes, needed }) => {
      return nodes.filter((keeper) => keeper === node || told?.has(keeper) === true).length >= needed;
    });
    if (isTold) return;
    throw new InvariantViolation(
      "copies-kept",
      `${this.#world.nameOf(node)} takes its hint of ${key} for ${this.#world.nameOf(target)} for delivered, though only ${told?.size ?? 0} have said that they have it`,
    );
  }

  /** A record or a hint has gone from a disk, because its node said so. */
  onRemoved(node: NodeId, store: RecordStore, address: string, before: StoredRecord): void {
    if (store === "history") return;
    const target = store === "records" ? undefined : parseHintAddress(address).target;
    const key = store === "records" ? keyOfRecord(address) : parseHintAddress(address).key;
    const history = this.#history.keys.get(key);
    const ring = this.#ringOf(node);
    if (history === undefined || history.lastWriteWins || ring === undefined) return;
    // Whose it was when it was sent, once or again, or whose it is: the ring may have changed in between.
    const partition = partitionOfKey(ring, key);
    const lists = [
      ...(this.#sentTo.get(`${node} ${key}`) ?? []),
      ...(this.#sentTo.get(`${node} ${partition}`) ?? []),
      ring.preferenceList(partition),
    ];
    const rules = this.#rules(node, ring, lists, target);
    for (const operation of history.operations) {
      if (operation.copiesLost > 0 || operation.reaped || !history.shows(before.set, operation)) continue;
      const isSafe = rules.some(
        ({ nodes, needed }) => nodes.filter((keeper) => this.#isSafeWith(keeper, history, operation)).length >= needed,
      );
      if (isSafe) continue;
      const what = target === undefined ? "record" : `hint for ${this.#world.nameOf(target)}`;
      throw new InvariantViolation(
        "copies-kept",
        `${this.#world.nameOf(node)} let go of its ${what} with put ${operation.index} of ${key}, which too few of those who should have it have`,
      );
    }
  }

  #rules(node: NodeId, ring: Ring, lists: readonly PreferenceList[], target: NodeId | undefined): Rule[] {
    const rules = lists.map((list) => keepers(list, target, ring.view.parameters.w));
    // Who goes for good may entrust a hint to another who had no copy.
    if (target !== undefined && memberOf(ring.view, node)?.departure !== undefined)
      rules.push(...lists.map((list) => ({ nodes: list.fallbacks.filter((other) => other !== node), needed: 1 })));
    return rules;
  }

  /** When all is at rest nothing lies where it does not belong; undefined when it is so. */
  astray(): string | undefined {
    for (const node of this.#world.running) {
      const ring = this.#ringOf(node);
      if (ring === undefined) continue;
      const hints = this.#world.diskOf(node).count("hints");
      const owed = this.#world.inspect(node)?.hintsOwed ?? hints;
      if (hints > owed) return `${this.#world.nameOf(node)} has ${hints} hints on its disk and knows of ${owed}`;
      for (const address of this.#world.diskOf(node).addresses("records", "", END)) {
        const key = keyOfRecord(address);
        const { owners } = listOf(ring, key);
        if (owners.includes(node) || owners.some((owner) => this.#isGone(owner))) continue;
        return `${this.#world.nameOf(node)} has a record of ${key}, which it does not own`;
      }
    }
    return undefined;
  }

  #onSentOn(node: NodeId, key: Key): void {
    const ring = this.#ringOf(node);
    if (ring === undefined) return;
    this.#remember(`${node} ${key}`, listOf(ring, key));
  }

  /** It compares its tree of a partition with somebody's: what it lets go of afterwards, the owners of now have. */
  #onCompared(node: NodeId, partition: Partition): void {
    const list = this.#ringOf(node)?.preferenceList(partition);
    if (list !== undefined) this.#remember(`${node} ${partition}`, list);
  }

  #remember(place: string, list: PreferenceList): void {
    const known = this.#sentTo.get(place) ?? [];
    if (known.at(-1) !== list) this.#sentTo.set(place, [...known.slice(1 - LISTS_KEPT), list]);
  }

  /** A newcomer counts from now on, and will answer reads later: what a quorum of the others has now, it must have then. */
  #onHeld(node: NodeId, partition: Partition): void {
    const ring = this.#ringOf(node);
    if (ring === undefined) return;
    const copy = `${node} ${partition}`;
    const sources = sourcesOf(ring, node, partition);
    const { n, w: asked } = ring.view.parameters;
    const w = quorumOf(asked, n, sources.size);
    const due = this.#putsOf(ring, partition).filter(({ history, operation }) => {
      const having = [...sources].filter((source) => this.#hasRecord(source, history, operation));
      // What newcomers alone have makes no quorum.
      return having.length >= w && having.some((source) => !this.#begun.has(`${source} ${partition}`));
    });
    this.#begun.set(copy, { sources, due });
  }

  #putsOf(ring: Ring, partition: Partition): Begun["due"] {
    return [...this.#history.keys.values()].flatMap((history) => {
      if (history.lastWriteWins || partitionOfKey(ring, history.key) !== partition) return [];
      return history.operations.map((operation) => ({ history, operation }));
    });
  }

  #onOpened(node: NodeId, partition: Partition): void {
    const copy = `${node} ${partition}`;
    const begun = this.#begun.get(copy);
    this.#begun.delete(copy);
    const ring = this.#ringOf(node);
    if (begun === undefined || ring === undefined || !areSame(begun.sources, sourcesOf(ring, node, partition))) return;
    for (const { history, operation } of begun.due) {
      if (operation.copiesLost > 0 || operation.reaped || this.#has(node, history, operation)) continue;
      throw new InvariantViolation(
        "placement",
        `${this.#world.nameOf(node)} answers for partition ${partition}, but has not copied put ${operation.index} of ${history.key}`,
      );
    }
  }

  /** Who owns it no more, by its own view, may have let go of it since, by the same rules. */
  #isSafeWith(node: NodeId, history: KeyHistory, operation: Operation): boolean {
    if (this.#isGone(node) || this.#has(node, history, operation)) return true;
    const ring = this.#ringOf(node);
    return ring === undefined || !listOf(ring, history.key).owners.includes(node);
  }

  /** As a record or as a hint. */
  #has(node: NodeId, history: KeyHistory, operation: Operation): boolean {
    return setsOnDisk(this.#world.diskOf(node), history.key).some((set) => history.shows(set, operation));
  }

  #hasRecord(node: NodeId, history: KeyHistory, operation: Operation): boolean {
    if (this.#isGone(node)) return false;
    const record = this.#world.diskOf(node).get("records", recordAddress(history.key, positionOf(history.key)));
    return record !== undefined && history.shows(record.set, operation);
  }

  #isGone(node: NodeId): boolean {
    return this.#world.stateOf(node) === "wiped";
  }

  #ringOf(node: NodeId): Ring | undefined {
    const view = this.#world.viewOf(node);
    if (view === undefined) return undefined;
    let ring = this.#rings.get(view);
    if (ring === undefined) this.#rings.set(view, (ring = new Ring(view)));
    return ring;
  }
}

function partitionOfKey(ring: Ring, key: Key): Partition {
  return partitionOf(positionOf(key), ring.view.claims.length);
}

function listOf(ring: Ring, key: Key): PreferenceList {
  return ring.preferenceList(partitionOfKey(ring, key));
}

interface Rule {
  readonly nodes: readonly NodeId[];
  readonly needed: number;
}

/** Who must have a record, or the hint for `target`, and how many of them, before it may go. */
function keepers(
  list: PreferenceList,
  target: NodeId | undefined,
  w: number,
): { readonly nodes: readonly NodeId[]; readonly needed: number } {
  if (target === undefined) return { nodes: list.owners, needed: list.owners.length };
  if (list.owners.includes(target) || list.counted.includes(target)) return { nodes: [target], needed: 1 };
  return { nodes: list.owners, needed: Math.min(w, list.owners.length) };
}

function sourcesOf(ring: Ring, node: NodeId, partition: Partition): ReadonlySet<NodeId> {
  return new Set(ring.preferenceList(partition).counted.filter((other) => other !== node));
}

function areSame(a: ReadonlySet<NodeId>, b: ReadonlySet<NodeId>): boolean {
  return a.size === b.size && [...a].every((node) => b.has(node));
}
