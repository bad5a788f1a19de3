/**
 * The world of tabs at one moment of its recording: what was known then, and of messages also what became of them later, so that one that is drawn on its way
 * has an end. Nothing here changes; another moment is another world. Acts are done now, whatever moment is looked at.
 *
 * A node that does not report is known from hearsay: down when all who report take it for down, gone when it was a member and is none any more.
 */

import type { Key, Millis, NodeId } from "../core/identifiers.ts";
import { type Member, isGone, memberOf } from "../core/membership.ts";
import type { Plan, PlannedChange } from "../core/membership-plan.ts";
import type { NodeView } from "../core/node.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { PreferenceList } from "../core/ring.ts";
import type { StatisticsSnapshot } from "../core/statistics.ts";
import type { LabAct } from "./acts.ts";
import { type Moment, countUpTo, momentAt } from "./moments.ts";
import { listIn, listsIn, planIn } from "./rings.ts";
import { NO_FAULTS, type Snapshot, type TabFaults, type TabPhase } from "./tab-reports.ts";
import type { Flight, LabNode, LabWorld, NodeState, RecordsOfKey, TraceRecord } from "./world.ts";

export interface KeyState extends Omit<RecordsOfKey, "hints"> {
  readonly hints: ReadonlyMap<NodeId, DvvSet>;
}

/** A node that was met, by its own word or by hearsay. */
export interface KnownTab {
  readonly id: NodeId;
  readonly name: string;
  readonly metAt: Millis;
  /** Empty: it has never reported. silent: it did, and does no more. */
  readonly phases: Moment<TabPhase | "silent">[];
  readonly snapshots: Moment<Snapshot>[];
  readonly faults: Moment<TabFaults>[];
  isLight: boolean;
}

/** All that is kept of the cluster, from its beginning to now. */
export interface Recording {
  readonly abilities: ReadonlySet<LabAct["do"]>;
  readonly tabs: readonly KnownTab[];
  readonly trace: readonly TraceRecord[];
  readonly flights: readonly Flight[];
  isCut(from: NodeId, to: NodeId, at: Millis): boolean;
  stateAt(node: NodeId, key: Key, at: Millis): KeyState | undefined;
  act(act: LabAct): void;
}

export class RecordedWorld implements LabWorld {
  readonly kind = "tabs";
  readonly now: Millis;
  readonly #recording: Recording;
  readonly #tabs: ReadonlyMap<NodeId, KnownTab>;
  #nodes: readonly LabNode[] | undefined;
  #trace: readonly TraceRecord[] | undefined;
  #flights: readonly Flight[] | undefined;

  constructor(recording: Recording, at: Millis) {
    this.#recording = recording;
    this.now = at;
    this.#tabs = new Map(recording.tabs.filter(({ metAt }) => metAt <= at).map((tab) => [tab.id, tab]));
  }

  get nodes(): readonly LabNode[] {
    this.#nodes ??= [...this.#tabs.values()].map((tab) => this.#nodeOf(tab));
    return this.#nodes;
  }

  get abilities(): ReadonlySet<LabAct["do"]> {
    return this.#recording.abilities;
  }

  get cuts(): readonly { readonly from: NodeId; readonly to: NodeId }[] {
    const ids = [...this.#tabs.keys()];
    return ids.flatMap((from) =>
      ids.flatMap((to) => (from !== to && this.#recording.isCut(from, to, this.now) ? [{ from, to }] : [])),
    );
  }

  get serverDown(): boolean {
    return [...this.#tabs.values()].some((tab) => momentAt(tab.faults, this.now)?.serverCut === true);
  }

  get flights(): readonly Flight[] {
    this.#flights ??= this.#recording.flights
      .filter(({ sentAt }) => sentAt <= this.now)
      .map((flight) => this.#heldBack(flightAt(flight, this.now)));
    return this.#flights;
  }

  get flightsUnderWay(): readonly Flight[] {
    return this.flights.filter(({ endedAt }) => endedAt === undefined);
  }

  get trace(): readonly TraceRecord[] {
    const { trace } = this.#recording;
    this.#trace ??= trace.slice(0, countUpTo(trace, this.now));
    return this.#trace;
  }

  /** Reported of itself at this moment, whatever its node did. */
  reports(node: NodeId): boolean {
    const phase = momentAt(this.#tabs.get(node)?.phases ?? [], this.now);
    return phase === "opening" || phase === "open" || phase === "closed";
  }

  viewOf(node: NodeId): NodeView | undefined {
    const tab = this.#tabs.get(node);
    if (tab === undefined || momentAt(tab.phases, this.now) !== "open") return undefined;
    return momentAt(tab.snapshots, this.now)?.view;
  }

  statisticsOf(node: NodeId): StatisticsSnapshot | undefined {
    const tab = this.#tabs.get(node);
    return tab === undefined ? undefined : momentAt(tab.snapshots, this.now)?.statistics;
  }

  recordsOf(node: NodeId, key: Key): RecordsOfKey {
    const state = this.#recording.stateAt(node, key, this.now);
    const tab = this.#tabs.get(node);
    if (state === undefined || tab === undefined || this.#stateOf(tab) === "gone")
      return { record: undefined, damaged: false, hints: [] };
    return {
      record: state.record,
      damaged: state.damaged,
      hints: [...state.hints].map(([target, set]) => ({ target, set })),
    };
  }

  /** Nobody tells of the whole disk of a tab. */
  treeOf(): undefined {
    return undefined;
  }

  /** Nor of what was needed to write the bytes of a message. */
  letterOf(): undefined {
    return undefined;
  }

  preferenceListAt(node: NodeId, key: Key): PreferenceList | undefined {
    return listIn(this.viewOf(node)?.view, key);
  }

  listsAt(node: NodeId): readonly PreferenceList[] {
    return listsIn(this.viewOf(node)?.view);
  }

  planAt(node: NodeId, change: PlannedChange): Plan | undefined {
    return planIn(this.viewOf(node)?.view, change);
  }

  act(act: LabAct): void {
    this.#recording.act(act);
  }

  #nodeOf(tab: KnownTab): LabNode {
    const member = this.#entryOf(tab);
    const faults = momentAt(tab.faults, this.now) ?? NO_FAULTS;
    return {
      id: tab.id,
      name: tab.name,
      state: this.#stateOf(tab),
      zone: member?.zone ?? "not known",
      capacity: member?.capacity ?? 0,
      hidden: member?.hidden ?? false,
      clockSkewMs: faults.clockSkewMs,
      isLight: tab.isLight,
      isServer: member?.capacity === 0 && !tab.isLight,
      diskFull: faults.diskFull,
      diskSlowness: 1,
      networkSlowness: 1,
      addedLatencyMs: faults.addedLatencyMs,
      grayMs: 0,
    };
  }

  /** What comes to a frozen node waits there. */
  #heldBack(flight: Flight): Flight {
    const to = this.#tabs.get(flight.to);
    if (flight.endedAt !== undefined || to === undefined || this.#stateOf(to) !== "frozen") return flight;
    return { ...flight, fate: "held", arrivesAt: flight.sentAt };
  }

  /** By its own word, else the newest of what others have. */
  #entryOf(tab: KnownTab): Member | undefined {
    let newest: Member | undefined;
    for (const other of [tab, ...this.#tabs.values()]) {
      const view = momentAt(other.snapshots, this.now)?.view.view;
      const member = view === undefined ? undefined : memberOf(view, tab.id);
      if (member === undefined) continue;
      if (
        newest === undefined ||
        member.incarnation > newest.incarnation ||
        (member.incarnation === newest.incarnation && member.version > newest.version)
      )
        newest = member;
    }
    return newest;
  }

  #stateOf(tab: KnownTab): NodeState {
    const phase = momentAt(tab.phases, this.now);
    if (phase === "gone") return "gone";
    if (phase === "open" && momentAt(tab.faults, this.now)?.frozen === true) return "frozen";
    if (phase === "open" || phase === "opening") return "running";
    if (phase === "closed" || phase === "away") return "down";
    const entry = this.#entryOf(tab);
    if (entry !== undefined && isGone(entry)) return "gone";
    const beliefs = [...this.#tabs.keys()].flatMap((node) =>
      this.reports(node) ? (this.viewOf(node)?.peers.filter((peer) => peer.node === tab.id) ?? []) : [],
    );
    return beliefs.length > 0 && beliefs.every(({ reachability }) => reachability === "down") ? "down" : "running";
  }
}

/** As it was at a moment after its sending. When it is known to have arrived later, that is said. */
export function flightAt(flight: Flight, at: Millis): Flight {
  const { endedAt } = flight;
  if (endedAt === undefined) return flight;
  if (endedAt <= at) return flight;
  const arrivesAt = flight.fate === "arrived" || flight.fate === "late" ? endedAt : undefined;
  return { ...flight, fate: "under-way", arrivesAt, endedAt: undefined, lostBy: undefined };
}
