/**
 * A small world of shipped nodes under full control: a few members, a few clients with a script each, a few faults that each may happen once, and
 * whoever explores it decides what happens next. A state of it is an immutable value, so that the explorer can go on from it in every direction.
 *
 * **What may happen at any point**, each a choice of its own: a client begins the next step of its script (when the one before was answered, or its
 * node ended); the first message of a lane of a link is delivered; the first commit in a disk's line becomes durable and is acknowledged; a load
 * completes; an end of a dead link notices; a link comes up; a node that is down starts again; a fault that is left happens. So lanes keep their
 * order, as the transport promises, and nothing else does.
 *
 * **What is not explored.** Time stands still, so no timer fires: a peer that is silent shows by its link going down. (The fault "time-passes" lets
 * the slow-reply timers and the like fire, once.) Membership messages (ping, pong, probe, gossip) are delivered at once, in a fixed order, as part
 * of what caused them, and a restarted node looks through its disk at once. A commit that holds membership alone is durable as soon as it is the
 * first in line, unless the world asks for more.
 *
 * **Links.** Each end has its own opinion. A dead link takes no more messages; those on their way arrive until the receiving end notices.
 *
 * **Disks.** A crash leaves any number of the commits in line, counted from the first, and acknowledges none of them.
 *
 * **Symmetry.** Of two clients with the same script only the former begins first: what happens in the other order is the mirror image, with two
 * names exchanged. No judge looks at more of an operation's name than whether it is the same; a node sorts siblings by it, and does nothing else.
 *
 * **Equal states.** Tables of a node that it goes through count in their order, request ids, tickets and epochs as they are. So states that differ in
 * names alone count as two: that costs time and hides nothing.
 *
 * **Judges.** The checkers of `checkers.ts` see every step, every change of a disk and every answer. At each state at rest the world is led to its
 * end, always the same way: what is down starts, links come up, everything is delivered, each key is read at each node; then no acknowledged put
 * may be lost, no request unanswered, and all owners must hold identical records.
 */

import { assert, unreachable } from "../base/assert.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import { type Member, type View, noHolders, withHolder } from "../core/membership.ts";
import { Ring } from "../core/ring.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Explorable } from "./explorer.ts";
import { Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { History } from "./history.ts";
import { SmallDisk } from "./small-disk.ts";
import { Ledger } from "./world-ledger.ts";
import {
  type Action,
  type ClientState,
  HIGHER_END,
  LANES,
  LOWER_END,
  type SmallWorldOptions,
  WHOLE,
  type WorldState,
  describe,
} from "./world-state.ts";
import { Turn } from "./world-turn.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION } from "../core/versions.ts";

/** The end of the world, if it does not settle: a minute. */
const SETTLE_STEP_MS = 500;
const SETTLE_STEPS_MAX = 120;
const NOTHING: readonly never[] = [];

export class SmallWorld implements Explorable<WorldState, Action> {
  readonly options: SmallWorldOptions;
  readonly #ledger: Ledger;
  /** Prints of states on the way to the end that were led there already. */
  readonly #ended = new Set<string>();
  #initial: WorldState | undefined;
  #actionsOf: { readonly state: WorldState; readonly due: Action[]; readonly all: Action[] } | undefined;

  constructor(options: SmallWorldOptions) {
    const { members, faults } = options;
    assert(members >= 1 && members <= 8, "a small world has 1 to 8 members");
    assert((faults?.length ?? 0) <= 30, "a small world has up to 30 faults");
    this.options = options;
    this.#ledger = new Ledger(options);
  }

  /** How many states of single nodes were met so far. */
  get localStates(): number {
    return this.#ledger.locals.size;
  }

  // What the explorer asks

  initial(): WorldState {
    return (this.#initial ??= this.#prepare());
  }

  actions(state: WorldState): readonly Action[] {
    return this.#look(state).all;
  }

  atRest(state: WorldState): boolean {
    return this.#look(state).due.length === 0;
  }

  apply(state: WorldState, action: Action): WorldState {
    const turn = new Turn(this.#ledger, this.options, state);
    turn.act(action);
    return turn.done();
  }

  judgeRest(state: WorldState): void {
    const turn = new Turn(this.#ledger, this.options, state);
    turn.reunite();
    for (let step = 0; ; step++) {
      // Not every state on the way is worth remembering; this one is reached by many.
      const print = this.#print(turn.done());
      if (this.#ended.has(print)) return;
      this.#ended.add(print);
      turn.drain();
      this.#ledger.keys.forEach((_, key) => this.#ledger.ids.forEach((__, place) => turn.read(place, key)));
      const missing = turn.unsettled();
      if (missing === undefined && !turn.receiveLate()) break;
      if (missing === undefined) continue;
      if (step === SETTLE_STEPS_MAX) throw new InvariantViolation("convergence", missing);
      turn.pass(SETTLE_STEP_MS);
    }
    turn.checkNothingLost();
  }

  mark(state: WorldState, into: Fingerprint): void {
    const { numbering } = this.#ledger;
    into.word(state.now);
    into.word(state.wiped);
    into.word(state.faultsUsed);
    into.word(state.known.number);
    for (const node of state.nodes) into.word(node?.number ?? -1);
    for (const starts of state.starts) into.word(starts);
    for (const disk of state.disks) disk.mark(into, numbering);
    for (const link of state.links) into.word(link);
    for (const lane of state.lanes) {
      into.word(lane.length);
      for (const parcel of lane) into.word(parcel.number);
    }
    into.word(state.late.length);
    for (const parcel of state.late) into.word(parcel.number);
    for (const { step, waits, seen, mustSee } of state.clients) {
      into.word(2 * step + (waits ? 1 : 0));
      into.word(seen?.number ?? -1);
      into.word(mustSee.length === 0 ? -1 : numbering.ofText(mustSee.join()));
    }
  }

  // For people

  /**
   * The story of a way through this world, line by line, with all that nodes take in and put out. When it ends at rest, it goes on to the end of the
   * world.
   */
  tell(path: readonly Action[]): string[] {
    const lines: string[] = [];
    const ledger = this.#ledger;
    try {
      // What was prepared is told only if it went wrong.
      ledger.onLine = this.#initial === undefined ? (line) => lines.push(`    ${line}`) : undefined;
      let state = this.initial();
      ledger.onLine = (line) => lines.push(`    ${line}`);
      path.forEach((action, i) => {
        lines.push(`${i + 1}. ${describe(action)}`);
        state = this.apply(state, action);
      });
      if (this.atRest(state)) {
        lines.push("At rest. Now whatever can run runs, all links are made anew, and each key is read at each node.");
        this.#ended.clear();
        this.judgeRest(state);
      }
    } catch (error) {
      lines.push(error instanceof Error ? error.message : String(error));
    } finally {
      ledger.onLine = undefined;
    }
    return lines;
  }

  // The inside

  /** Each holds what it owns; what a node owns that is joining is held by all others, one of whom owned it before. */
  #hold(view: View & { members: Member[] }, joining: readonly number[]): void {
    const ring = new Ring(view);
    const { ids, keys } = this.#ledger;
    const ofKeys = new Set(keys.map((key) => partitionOf(positionOf(key), view.claims.length)));
    view.members = view.members.map((member, place) => {
      let { holders } = member;
      for (let p = 0; p < view.claims.length; p++) {
        const comes = (at: number): boolean => ofKeys.has(p) && joining.includes(at) && ring.owns(ids[at]!, p);
        const replaces = joining.some(comes);
        if (!comes(place) && (replaces || ring.owns(member.node, p))) holders = withHolder(holders, p, true);
      }
      return { ...member, holders };
    });
  }

  #prepare(): WorldState {
    const { members, parameters, joining = [], restarted = [], clients, prepared = [] } = this.options;
    const view = {
      parameters,
      members: this.#ledger.ids.map((node): Member => {
        const { capacity, zone } = this.#ledger.config;
        const holders = noHolders(parameters.partitions);
        return {
          node,
          incarnation: 1,
          version: 1,
          capacity,
          zone,
          holders,
          tokens: [],
          protocolMin: PROTOCOL_MIN,
          protocolMax: PROTOCOL_VERSION,
          hidden: false,
        };
      }),
      claims: Array.from({ length: parameters.partitions }, (_, p) => ({
        owner: this.#ledger.ids[p % members]!,
        version: 1,
      })),
      buckets: [],
    };
    this.#hold(view, joining);
    const client: ClientState = { step: 0, waits: false, seen: undefined, mustSee: NOTHING };
    const turn = new Turn(this.#ledger, this.options, {
      now: 0,
      nodes: this.#ledger.ids.map(() => undefined),
      starts: this.#ledger.ids.map(() => 0),
      disks: this.#ledger.ids.map(() => SmallDisk.fresh({ incarnation: 1, view, unopened: NOTHING })),
      wiped: 0,
      faultsUsed: 0,
      links: this.#ledger.pairs.map(() => 0),
      lanes: Array.from({ length: members * members * 2 }, () => NOTHING),
      late: NOTHING,
      clients: [...clients, prepared].map(() => client),
      known: this.#ledger.knownAs(new History()),
    });
    turn.reunite(joining);
    turn.drain();
    prepared.forEach(() => {
      turn.act({ kind: "begin", client: clients.length });
      turn.drain();
    });
    for (const place of restarted) turn.end(place);
    if (joining.length + restarted.length > 0) turn.reunite();
    return { ...turn.done(), faultsUsed: 0 };
  }

  /** What has to happen, and what may. */
  #look(state: WorldState): { readonly due: Action[]; readonly all: Action[] } {
    if (this.#actionsOf?.state === state) return this.#actionsOf;
    const due = this.#due(state);
    const looked = { state, due, all: [...due, ...this.#possible(state)] };
    this.#actionsOf = looked;
    return looked;
  }

  #due(state: WorldState): Action[] {
    const due: Action[] = [];
    const { options } = this;
    const { pairs } = this.#ledger;
    options.clients.forEach((script, client) => {
      const { step, waits } = state.clients[client]!;
      const next = script[step];
      if (next === undefined || waits || state.nodes[next.at] === undefined) return;
      if (step === 0 && this.#hasUnbegunTwin(state, client)) return;
      due.push({ kind: "begin", client });
    });
    state.nodes.forEach((local, node) => {
      const disk = state.disks[node]!;
      if (local === undefined) {
        if ((state.wiped & (1 << node)) === 0) due.push({ kind: "restart", node });
        return;
      }
      if (disk.line.length > 0) due.push({ kind: "commit", node });
      for (let load = 0; load < disk.loads.length; load++) due.push({ kind: "load", node, load });
    });
    pairs.forEach((between, pair) => {
      const link = state.links[pair]!;
      const [lower, higher] = between;
      for (const [from, to] of [between, [higher, lower] as const])
        for (const lane of LANES)
          if (state.lanes[this.#ledger.laneOf(from, to, lane)]!.length > 0)
            due.push({ kind: "deliver", from, to, lane });
      if ((link & WHOLE) !== 0) return;
      if ((link & LOWER_END) !== 0) due.push({ kind: "notice", node: lower, peer: higher });
      if ((link & HIGHER_END) !== 0) due.push({ kind: "notice", node: higher, peer: lower });
      if (state.nodes[lower] !== undefined && state.nodes[higher] !== undefined) due.push({ kind: "link", between });
    });
    return due;
  }

  #possible(state: WorldState): Action[] {
    const possible: Action[] = [];
    this.options.faults?.forEach((fault, number) => {
      if ((state.faultsUsed & (1 << number)) !== 0) return;
      switch (fault.kind) {
        case "crash": {
          if (state.nodes[fault.node] === undefined) return;
          const { commitsWaiting } = state.disks[fault.node]!;
          for (let kept = 0; kept <= commitsWaiting; kept++)
            possible.push({ kind: "crash", fault: number, node: fault.node, kept });
          break;
        }
        case "wipe":
          if ((state.wiped & (1 << fault.node)) === 0) possible.push({ ...fault, fault: number });
          break;
        case "cut":
          if (fault.links.some((between) => (state.links[this.#ledger.pairOf(...between)]! & WHOLE) !== 0))
            possible.push({ ...fault, fault: number });
          break;
        case "fail-commit":
          if (state.disks[fault.node]!.line[0]?.kind !== "store") return;
          for (const applied of [false, true]) possible.push({ ...fault, fault: number, applied });
          break;
        case "fail-load":
          for (let load = 0; load < state.disks[fault.node]!.loads.length; load++)
            possible.push({ ...fault, fault: number, load });
          break;
        case "repeat":
          for (const lane of LANES)
            if (state.lanes[this.#ledger.laneOf(fault.from, fault.to, lane)]!.length > 0)
              possible.push({ ...fault, fault: number, lane });
          break;
        case "time-passes":
          possible.push({ ...fault, fault: number });
          break;
        default:
          unreachable(fault);
      }
    });
    for (let late = 0; late < state.late.length; late++)
      if (state.nodes[state.late[late]!.to] !== undefined) possible.push({ kind: "deliver-late", late });
    return possible;
  }

  /** A client before it has the same script and has not begun either. */
  #hasUnbegunTwin(state: WorldState, client: number): boolean {
    const before = client - 1;
    const other = this.options.clients[before];
    if (other === undefined || state.clients[before]!.step > 0 || state.clients[before]!.waits) return false;
    return fingerprintOf(other) === fingerprintOf(this.options.clients[client]);
  }

  #print(state: WorldState): string {
    const print = new Fingerprint().reset();
    this.mark(state, print);
    return print.name;
  }
}
