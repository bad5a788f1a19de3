/**
 * One key on a few replicas, and a schedule of what clients and replicas do with it, run under one way to keep versions apart: dotted version vector
 * sets as nodes here keep them, or the plain vector clocks of the paper (section 4.4). The same schedule run both ways shows what dots are for.
 * No node runs here, no time passes and nothing is sent: plain data in, plain data out, for the lab to draw. The schedules are in `clock-schedules.ts`.
 *
 * Every put is acknowledged. What is true is kept beside the replicas: what a client had got when it wrote, and what the writers of that had got
 * before. Judged by it, a write is **lost** when no replica has it and no put came from somebody who had seen it; a sibling is **false** when it
 * stands beside a write whose client had seen it.
 *
 * Plain clocks leave open who counts and how; `Method` names the ways that were tried. Limits: those of the schedule.
 */

import { unreachable } from "../base/assert.ts";
import { type Clock, type DvvSet, EMPTY, join, sync, update } from "../core/dvvset.ts";
import type { Actor, OperationId } from "../core/identifiers.ts";
import {
  type ClockEntry,
  type VectorClock,
  counterIn,
  increment,
  isAncestor,
  mergeClocks,
  orderOf,
  truncate,
} from "../core/vector-clock.ts";

/** How versions are kept apart. */
export type Method =
  | {
      readonly clocks: "dots";
      /** fresh: a replica that lost its disk counts under a new name (core/replica.ts). kept: under the old one (basho/riak_kv issue 679). */
      readonly actors: "fresh" | "kept";
    }
  | {
      readonly clocks: "plain";
      /**
       * count-on-context: one up from what the client had read. count-on-node: one up from what the coordinator has. one-for-the-record: all siblings
       * share one clock, and a put whose context does not cover it replaces none of them (Riak before dots).
       */
      readonly handling: "count-on-context" | "count-on-node" | "one-for-the-record";
      /** Whose counters a clock has: the coordinator's or the client's. */
      readonly actors: "nodes" | "clients";
      /** Entries that a clock may have; the oldest beyond it are cut when it is written. Undefined: never. */
      readonly entriesMax: number | undefined;
    };

export type LessonStep = {
  /** What happens, in words for a reader. */
  readonly says?: string;
} & (
  | /** The client takes what the node has, and its context in place of any earlier one. */ {
      readonly does: "get";
      readonly client: string;
      readonly node: string;
    }
  | /** The client writes with the context of its last get; a blind write if there was none. `write` names the version, and no other. */ {
      readonly does: "put";
      readonly client: string;
      readonly node: string;
      readonly write: string;
    }
  | /** A get, and if it finds siblings, a put that merges them. */ {
      readonly does: "reconcile";
      readonly client: string;
      readonly node: string;
      readonly write: string;
    }
  | /** `to` merges what `from` has into its own. */ {
      readonly does: "replicate";
      readonly from: string;
      readonly to: string;
    }
  | /** Both merge what the other had. */ { readonly does: "exchange"; readonly between: readonly [string, string] }
  | /** The node starts again with an empty disk. */ { readonly does: "lose-disk"; readonly node: string }
);

export interface Schedule {
  readonly nodes: readonly string[];
  readonly steps: readonly LessonStep[];
}

export interface ShownEntry {
  readonly who: string;
  readonly counter: number;
}

export interface ShownVersion {
  readonly write: string;
  /** Its own clock. Empty where the record has one for all. */
  readonly clock: readonly ShownEntry[];
  /** Which write it is; empty for plain clocks, which do not say so. */
  readonly dots: readonly ShownEntry[];
}

export interface ShownReplica {
  readonly node: string;
  /** All that it has seen. */
  readonly clock: readonly ShownEntry[];
  /** By name of the write; more than one are siblings. */
  readonly versions: readonly ShownVersion[];
}

/** What is there after a step. */
export interface Frame {
  readonly step: LessonStep;
  /** In the order of the schedule's nodes. */
  readonly replicas: readonly ShownReplica[];
  /** What the client got, if it read. */
  readonly got: readonly string[] | undefined;
  /** Nodes that have something else than before. */
  readonly changed: readonly string[];
  /** Entries that truncation took from a clock in this step, oldest first. */
  readonly cut: readonly ShownEntry[];
  /** Acknowledged writes that are gone by now, unseen by whoever overwrote them. */
  readonly lost: readonly string[];
  /** Siblings that a write beside them had replaced. */
  readonly falseSiblings: readonly { readonly node: string; readonly write: string; readonly replacedBy: string }[];
}

export interface LessonRun {
  readonly method: Method;
  readonly frames: readonly Frame[];
  /** At the end; see `Frame`. */
  readonly lost: readonly string[];
  readonly falseSiblings: Frame["falseSiblings"];
  /** The most versions that a replica ever had. */
  readonly siblingsMax: number;
  /** The most entries that a clock ever had. */
  readonly entriesMax: number;
  /** Replications and exchanges that changed anything. */
  readonly repairs: number;
  /** True when all replicas have the same writes at the end. */
  readonly agreed: boolean;
}

/** Who writes what, and when: the number of the step. */
interface Writing {
  readonly write: string;
  readonly node: string;
  /** How often the node has lost its disk. */
  readonly losses: number;
  readonly client: string;
  readonly at: number;
}

/** What a replica keeps of the key under one method. Values are immutable. */
interface Keeping<Held, Context> {
  readonly empty: Held;
  readonly blind: Context;
  put(held: Held, context: Context, writing: Writing): { readonly held: Held; readonly cut: readonly ClockEntry[] };
  merge(held: Held, other: Held): { readonly held: Held; readonly cut: readonly ClockEntry[] };
  contextOf(held: Held): Context;
  show(held: Held): Omit<ShownReplica, "node">;
}

type Plain = Extract<Method, { clocks: "plain" }>;

/** Runs the schedule under the method. */
export function runLesson(schedule: Schedule, method: Method): LessonRun {
  if (method.clocks === "dots") return follow(schedule, method, dotted(method.actors === "fresh"));
  return method.handling === "one-for-the-record"
    ? follow(schedule, method, oneForTheRecord(method))
    : follow(schedule, method, oneForEachVersion(method));
}

/** True when two runs of one schedule hold the same writes at every node after every step. */
export function alike(a: LessonRun, b: LessonRun): boolean {
  const writes = (run: LessonRun) => run.frames.map(({ replicas }) => replicas.map(writesOf));
  return JSON.stringify(writes(a)) === JSON.stringify(writes(b));
}

function writesOf(replica: Pick<ShownReplica, "versions">): readonly string[] {
  return replica.versions.map((version) => version.write);
}

function follow<Held, Context>(schedule: Schedule, method: Method, keeping: Keeping<Held, Context>): LessonRun {
  const held = new Map(schedule.nodes.map((node) => [node, keeping.empty]));
  const losses = new Map<string, number>();
  const contexts = new Map<string, { readonly context: Context; readonly seen: ReadonlySet<string> }>();
  /** What the client of each write had seen, directly or through what it saw. */
  const seenBy = new Map<string, ReadonlySet<string>>();
  const frames: Frame[] = [];
  let shown = showAll();

  function at(node: string): Held {
    const own = held.get(node);
    if (own === undefined) throw new Error(`the schedule has no node ${node}`);
    return own;
  }

  function showAll(): ShownReplica[] {
    return [...held].map(([node, own]) => ({ node, ...keeping.show(own) }));
  }

  function get(client: string, node: string): readonly string[] {
    const own = at(node);
    const writes = writesOf(keeping.show(own));
    const seen = new Set(writes.flatMap((write) => [write, ...(seenBy.get(write) ?? [])]));
    contexts.set(client, { context: keeping.contextOf(own), seen });
    return writes;
  }

  function put(client: string, node: string, write: string, step: number): readonly ClockEntry[] {
    const known = contexts.get(client);
    seenBy.set(write, known?.seen ?? new Set());
    const writing = { write, node, client, at: step, losses: losses.get(node) ?? 0 };
    const done = keeping.put(at(node), known?.context ?? keeping.blind, writing);
    held.set(node, done.held);
    return done.cut;
  }

  function perform(step: LessonStep, number: number): Pick<Frame, "got" | "cut"> {
    switch (step.does) {
      case "get":
        return { got: get(step.client, step.node), cut: [] };
      case "put":
        return { got: undefined, cut: put(step.client, step.node, step.write, number).map(shownEntry) };
      case "reconcile": {
        const got = get(step.client, step.node);
        const cut = got.length > 1 ? put(step.client, step.node, step.write, number) : [];
        return { got, cut: cut.map(shownEntry) };
      }
      case "replicate": {
        const merged = keeping.merge(at(step.to), at(step.from));
        held.set(step.to, merged.held);
        return { got: undefined, cut: merged.cut.map(shownEntry) };
      }
      case "exchange": {
        const [one, other] = step.between;
        const atOne = keeping.merge(at(one), at(other));
        const atOther = keeping.merge(at(other), at(one));
        held.set(one, atOne.held);
        held.set(other, atOther.held);
        return { got: undefined, cut: [...atOne.cut, ...atOther.cut].map(shownEntry) };
      }
      case "lose-disk":
        held.set(step.node, keeping.empty);
        losses.set(step.node, (losses.get(step.node) ?? 0) + 1);
        return { got: undefined, cut: [] };
      default:
        return unreachable(step);
    }
  }

  schedule.steps.forEach((step, number) => {
    const done = perform(step, number);
    const before = shown;
    shown = showAll();
    const present = new Set(shown.flatMap(writesOf));
    const replaced = new Set([...seenBy.values()].flatMap((seen) => [...seen]));
    frames.push({
      step,
      replicas: shown,
      ...done,
      changed: shown.flatMap((replica, i) =>
        JSON.stringify(replica) === JSON.stringify(before[i]) ? [] : [replica.node],
      ),
      lost: [...seenBy.keys()].filter((write) => !present.has(write) && !replaced.has(write)),
      falseSiblings: shown.flatMap((replica) => falseIn(replica, seenBy)),
    });
  });

  const last = frames.at(-1);
  const clocks = frames.flatMap(({ replicas }) =>
    replicas.flatMap(({ clock, versions }) =>
      versions.some((version) => version.clock.length > 0) ? versions.map((version) => version.clock) : [clock],
    ),
  );
  return {
    method,
    frames,
    lost: last?.lost ?? [],
    falseSiblings: last?.falseSiblings ?? [],
    siblingsMax: Math.max(0, ...frames.flatMap((frame) => frame.replicas.map(({ versions }) => versions.length))),
    entriesMax: Math.max(0, ...clocks.map((clock) => clock.length)),
    repairs: frames.filter(
      ({ step, changed }) => (step.does === "replicate" || step.does === "exchange") && changed.length > 0,
    ).length,
    agreed: new Set(shown.map((replica) => JSON.stringify(writesOf(replica)))).size <= 1,
  };
}

function falseIn(
  { node, versions }: ShownReplica,
  seenBy: ReadonlyMap<string, ReadonlySet<string>>,
): Frame["falseSiblings"] {
  return versions.flatMap(({ write }) => {
    const by = versions.find((other) => seenBy.get(other.write)?.has(write) === true);
    return by === undefined ? [] : [{ node, write, replacedBy: by.write }];
  });
}

function shownEntry({ node, counter }: ClockEntry): ShownEntry {
  return { who: node, counter };
}

function shownClock(clock: VectorClock): readonly ShownEntry[] {
  return clock.map(shownEntry);
}

// ---------------------------------------------------------------------------------------------------------------- dots

function dotted(fresh: boolean): Keeping<DvvSet, Clock> {
  const shownDots = (dots: Clock) => dots.map(({ actor, counter }) => ({ who: actor, counter }));
  return {
    empty: EMPTY,
    blind: [],
    put(held, context, { write, node, losses, at }) {
      const actor = (fresh && losses > 0 ? `${node}'${losses + 1}` : node) as Actor;
      const version = { operation: write as OperationId, at, value: new Uint8Array(0), checksum: 0 };
      return { held: update(held, context, actor, version).set, cut: [] };
    },
    merge: (held, other) => ({ held: sync(held, other), cut: [] }),
    contextOf: join,
    show: ({ clock, siblings }) => ({
      clock: shownDots(clock),
      versions: siblings.map(({ operation, dots }) => ({ write: operation, clock: [], dots: shownDots(dots) })),
    }),
  };
}

// ---------------------------------------------------------------------------------------------------------------- plain clocks

interface Version {
  readonly write: string;
  readonly clock: VectorClock;
}

function byWrite(a: { readonly write: string }, b: { readonly write: string }): number {
  return a.write < b.write ? -1 : 1;
}

function contextOf(versions: readonly Version[]): VectorClock {
  return versions.reduce<VectorClock>((clock, version) => mergeClocks(clock, version.clock), []);
}

/** The paper's way: each version has a clock of its own. Who has two with one clock takes the later put, or at a merge the one that it has, for both. */
function oneForEachVersion({ handling, actors, entriesMax }: Plain): Keeping<readonly Version[], VectorClock> {
  return {
    empty: [],
    blind: [],
    put(held, context, { write, node, client, at }) {
      const actor = actors === "nodes" ? node : client;
      const known = handling === "count-on-node" ? mergeClocks(context, contextOf(held)) : context;
      const whole = increment(context, actor, at, counterIn(known, actor) + 1);
      // The coordinator still knows what it cuts; nobody else will.
      const kept = held.filter((version) => !isAncestor(version.clock, whole));
      const { clock, cut } = truncate(whole, entriesMax ?? Number.POSITIVE_INFINITY);
      return { held: [...kept, { write, clock }].sort(byWrite), cut };
    },
    merge(held, other) {
      const news = other.filter(
        ({ write, clock }) => !held.some((own) => own.write === write || isAncestor(clock, own.clock)),
      );
      const kept = held.filter((own) => !news.some((version) => orderOf(own.clock, version.clock) === "before"));
      return { held: [...kept, ...news].sort(byWrite), cut: [] };
    },
    contextOf,
    show: (held) => ({
      clock: shownClock(contextOf(held)),
      versions: held.map(({ write, clock }) => ({ write, clock: shownClock(clock), dots: [] })),
    }),
  };
}

interface Lump {
  readonly clock: VectorClock;
  readonly writes: readonly string[];
}

/** Riak's way before dots: one clock for all siblings together, which cannot say which of them a context has seen. */
function oneForTheRecord({ actors, entriesMax }: Plain): Keeping<Lump, VectorClock> {
  const shortened = (clock: VectorClock) => truncate(clock, entriesMax ?? Number.POSITIVE_INFINITY);
  return {
    empty: { clock: [], writes: [] },
    blind: [],
    put(held, context, { write, node, client, at }) {
      const known = mergeClocks(held.clock, context);
      const { clock, cut } = shortened(increment(known, actors === "nodes" ? node : client, at));
      const kept = isAncestor(held.clock, context) ? [] : held.writes;
      return { held: { clock, writes: [...kept, write].sort() }, cut };
    },
    merge(held, other) {
      const order = orderOf(held.clock, other.clock);
      if (order !== "concurrent") return { held: order === "before" ? other : held, cut: [] };
      const { clock, cut } = shortened(mergeClocks(held.clock, other.clock));
      return { held: { clock, writes: [...new Set([...held.writes, ...other.writes])].sort() }, cut };
    },
    contextOf: (held) => held.clock,
    show: ({ clock, writes }) => ({
      clock: shownClock(clock),
      versions: writes.map((write) => ({ write, clock: [], dots: [] })),
    }),
  };
}
