/**
 * Carries out a fault plan on a running world, action by action, and keeps to the budget: what an action names is looked at when its time comes,
 * and left out when the protocol does not claim to survive it. Left out are
 *
 *   - the loss of a disk, of a record, or of what was written lately, that would take the last copy of an acknowledged put or the last holder of
 *     a partition
 *   - more than one lost disk, and any before the cluster has copied everything that it owes: its node stays a member until somebody removes it,
 *     and quorums must be possible without it
 *   - more than NEWCOMERS_MAX newcomers, and absences of more than half of the nodes
 *   - departures that leave fewer than N nodes with data, and that of the founder, through whom newcomers come; removals, which take a disk from all who
 *     count on it, where one copy is promised
 *
 * A node that was removed while it was away comes back with what it has. At the end an operator removes those whose disks are gone, if there are departures
 * in the run at all.
 *
 * Limits: one picture is kept for each `old-disk` under way.
 */

import { unreachable } from "../base/assert.ts";
import { Prng } from "../base/prng.ts";
import type { Config } from "../core/config.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import type { MembershipChange } from "../core/membership-change.ts";
import { isGone, memberOf, stays } from "../core/membership.ts";
import type { Budget } from "./budget.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import type { Ambush, Distance } from "./focus.ts";
import type { CutShape, FaultAction } from "./fault-plan.ts";
import type { Simulator } from "./simulator.ts";

export const NEWCOMERS_MAX = 3;
/** By then others have noticed that a node is away. */
/** No node has this id. */
const NOBODY = "f".repeat(32) as NodeId;
const REMOVE_AFTER_MS = 5_000;
/** How long a founder that is cut off as well stays down. */
const SHORT_MS = 300;
const SLOW_FACTOR = 20;

export interface SaboteurWorld {
  readonly simulator: Simulator;
  readonly budget: Budget;
  readonly plan: ClusterPlan;
  /** The founder, and the seed of all others. */
  readonly founder: NodeId;
  /** An action was carried out. */
  count(what: string): void;
}

export class Saboteur {
  readonly #world: SaboteurWorld;
  readonly #absent = new Set<NodeId>();
  /** Those who leave, and those who were removed. */
  readonly #departing = new Set<NodeId>();
  /** Whose going was accepted, by whom. */
  readonly #accepted = new Map<NodeId, NodeId>();
  #newcomers = 0;
  /** Nothing starts or ends while the computer sleeps. */
  #asleepUntil = 0;
  #wiped = false;
  #ended = false;

  constructor(world: SaboteurWorld) {
    this.#world = world;
  }

  /** A disk was lost for good. */
  get wiped(): boolean {
    return this.#wiped;
  }

  /** It is not away until the end, and the computer does not sleep: who ends now may start again. */
  mayStart(node: NodeId): boolean {
    return !this.#absent.has(node) && this.#world.simulator.now >= this.#asleepUntil;
  }

  /** Sees to it that these happen, each at its time. */
  schedule(actions: readonly FaultAction[]): void {
    const { simulator } = this.#world;
    for (const action of actions) {
      if (action.kind === "old-disk") this.#scheduleOldDisk(action);
      else simulator.after(action.at, () => this.#perform(action));
    }
  }

  /** From `from` to `until` the founder is far away from everybody. */
  moveFounderAway({ from, until, byMs }: Distance): void {
    const { simulator, founder } = this.#world;
    this.#later(from, () => simulator.network.moveAway(founder, byMs));
    this.#later(until, () => simulator.network.moveAway(founder, 0));
  }

  /** This node crashes in a moment, or it or the founder is cut off, or slow, or all fall into two halves. */
  ambush(node: NodeId, { how, afterMs, downMs }: Ambush, prng: Prng): void {
    const { simulator, founder } = this.#world;
    this.#later(afterMs, () => {
      if (how === "founder-slow") {
        simulator.network.slow(founder, SLOW_FACTOR);
        this.#later(downMs, () => simulator.network.slow(founder, 1));
        this.#world.count("ambush");
        return;
      }
      if (how !== "crash") {
        const one = how === "cut-off" ? node : founder;
        const cut =
          how === "halves"
            ? this.#shapeOf("groups", 0.5, prng)
            : (from: NodeId, to: NodeId) => (from === one) !== (to === one);
        simulator.cut(cut, how);
        if (how === "founder-crash" && simulator.stateOf(founder) === "running") this.#down(founder, SHORT_MS);
        this.#later(downMs + SHORT_MS, () => simulator.heal());
        this.#world.count("ambush");
        return;
      }
      const is = simulator.stateOf(node);
      if (is === "running" && this.#down(node, downMs)) this.#world.count("ambush");
    });
  }

  /** From now on nothing that was scheduled has any effect. */
  end(): void {
    this.#ended = true;
  }

  #perform(action: Exclude<FaultAction, { kind: "old-disk" }>): void {
    if (this.#ended) return;
    if (this.#did(action)) this.#world.count(`fault ${action.kind === "cut" ? `cut ${action.shape}` : action.kind}`);
  }

  /** False when there was nobody to do it to, or it was not within the budget. */
  #did(action: Exclude<FaultAction, { kind: "old-disk" }>): boolean {
    const { simulator, budget } = this.#world;
    const { running } = simulator;
    if (action.kind === "suspend") {
      this.#asleepUntil = simulator.now + action.durationMs;
      for (const each of running) simulator.freeze(each, action.durationMs);
      return true;
    }
    const node = this.#pick(action, running);
    if (node === undefined) return false;
    switch (action.kind) {
      case "cut":
        simulator.cut(this.#shapeOf(action.shape, action.share, Prng.fromNumber(action.pick)), action.shape);
        this.#later(action.durationMs, () => simulator.heal());
        return true;
      case "mute":
        simulator.mute([node]);
        this.#later(action.durationMs, () => simulator.heal());
        return true;
      case "break-link": {
        const peer = running[(action.pick >>> 8) % running.length]!;
        if (node === peer) return false;
        simulator.network.breakLink(node, peer);
        return true;
      }
      case "crash":
        return this.#down(node, action.downMs);
      case "power-cut":
        for (const each of running) this.#down(each, action.downMs);
        if (action.keeps < 100)
          this.#world.budget.losePower(running, action.keeps / 100, (what) => this.#world.count(what));
        return true;
      case "close":
        simulator.close(node);
        this.#later(action.downMs, () => simulator.restart(node));
        return true;
      case "absence":
        if (this.#absent.size + 1 > simulator.nodes.length / 2) return false;
        this.#absent.add(node);
        simulator.crash(node);
        return true;
      case "freeze":
        simulator.freeze(node, action.durationMs);
        return true;
      case "slow": {
        const slow = (factor: number): void => {
          simulator.network.slow(node, factor);
          simulator.diskOf(node).slow(factor);
        };
        slow(action.factor);
        this.#later(action.durationMs, () => slow(1));
        return true;
      }
      case "hide":
        simulator.setVisibility(node, true, action.throttleMs);
        this.#later(action.durationMs, () => simulator.setVisibility(node, false));
        return true;
      case "gray":
        simulator.network.makeGray(node, action.delayMs === 0 ? Infinity : action.delayMs);
        this.#later(action.durationMs, () => simulator.network.makeGray(node, 0));
        return true;
      case "newcomer": {
        if (this.#newcomers >= NEWCOMERS_MAX) return false;
        const { config, joins } = this.#world.plan;
        const like: Config = {
          ...config,
          capacity: 1,
          zone: joins[action.pick % Math.max(1, joins.length)]?.zone ?? "zone-0",
        };
        simulator.add({ name: `m${++this.#newcomers}`, config: like, seeds: [this.#world.founder] });
        return true;
      }
      case "leave": {
        const leaver = this.#pick(action, this.#dispensable(running));
        if (leaver === undefined) return false;
        this.#departing.add(leaver);
        this.#change(leaver, { kind: "leave", planned: undefined });
        return true;
      }
      case "remove":
        return this.#remove(action);
      case "seed-down":
        return this.#down(this.#world.founder, action.downMs);
      case "full-disk": {
        const disk = simulator.diskOf(node);
        disk.full = true;
        this.#later(action.durationMs, () => (disk.full = false));
        return true;
      }
      case "closed-disk": {
        const disk = simulator.diskOf(node);
        disk.closed = true;
        this.#later(action.durationMs, () => (disk.closed = false));
        return true;
      }
      case "slow-disk": {
        const disk = simulator.diskOf(node);
        disk.slow(action.factor);
        this.#later(action.durationMs, () => disk.slow(1));
        return true;
      }
      case "wipe": {
        const victim = this.#pick(
          action,
          running.filter((other) => other !== this.#world.founder),
        );
        const forgiven = victim !== undefined && this.#mayWipe() ? budget.loseDisk(victim) : undefined;
        if (victim === undefined || forgiven === undefined) return false;
        this.#wiped = true;
        for (let i = 0; i < forgiven; i++) this.#world.count("forgiven");
        simulator.wipe(victim, `${simulator.nameOf(victim)}b`);
        return true;
      }
      case "lose-record":
      case "flip-bit": {
        const disk = simulator.diskOf(node);
        const addresses = [...disk.all("records")].map(([address]) => address);
        const address = addresses[(action.pick >>> 8) % Math.max(1, addresses.length)];
        if (address === undefined || !budget.loseRecord(node, address)) return false;
        this.#down(node, action.downMs);
        if (action.kind === "flip-bit") disk.damage("records", address);
        else disk.lose("records", address);
        return true;
      }
      case "wall-clock-jump":
        simulator.jumpWallClock(node, action.byMs);
        return true;
      default:
        return unreachable(action);
    }
  }

  #scheduleOldDisk(action: FaultAction & { readonly kind: "old-disk" }): void {
    const { simulator, budget } = this.#world;
    simulator.after(Math.max(0, action.at - action.ageMs), () => {
      const node = this.#pick(action, simulator.running);
      if (node === undefined || this.#ended) return;
      const picture = simulator.diskOf(node).picture();
      simulator.after(action.ageMs, () => {
        const state = simulator.stateOf(node);
        if (this.#ended || state === "wiped" || picture.meta === undefined) return;
        simulator.crash(node);
        if (budget.turnBack(node, picture)) this.#turnedBack(node);
        if (!this.#absent.has(node)) this.#later(action.downMs, () => simulator.restart(node));
      });
    });
  }

  /** What was decided there may be undone: the disk was the only one that knew. */
  #turnedBack(node: NodeId): void {
    this.#world.count("fault old-disk");
    for (const [who, by] of [...this.#accepted]) if (by === node) this.#accepted.delete(who);
  }

  /** To be called when all has healed: an operator removes those who will never come back. False when there is nobody to remove. */
  removeLost(): boolean {
    const { simulator } = this.#world;
    if (this.#departing.size === 0) return false;
    const [operator] = simulator.running.filter((node) => simulator.inspect(node)?.phase === "member");
    const members = operator === undefined ? [] : (simulator.viewOf(operator)?.members ?? []);
    const lost = members.filter((member) => !isGone(member) && simulator.stateOf(member.node) === "wiped");
    for (const { node } of lost)
      simulator.changeMembership(operator!, { kind: "remove", node, force: true, planned: undefined }, () => undefined);
    return lost.length > 0;
  }

  /** To be called when all is settled: a member whose going was accepted, and who stays. */
  stayed(): NodeId | undefined {
    const { simulator } = this.#world;
    for (const [node, by] of this.#accepted) if (simulator.stateOf(by) !== "wiped" && !this.#isGone(node)) return node;
    return undefined;
  }

  #remove({ pick, downMs }: FaultAction & { readonly kind: "remove" }): boolean {
    const { simulator, budget, plan } = this.#world;
    if (plan.parameters.w < 2) return false;
    const wiped = simulator.nodes.filter((node) => simulator.stateOf(node) === "wiped" && !this.#departing.has(node));
    const [lost] = wiped.filter((node) => this.#isMember(node));
    const victim = lost ?? nodeAt(this.#dispensable(simulator.nodes), pick);
    const operators = simulator.running.filter((node) => node !== victim && this.#isMember(node, node));
    const operator = nodeAt(operators, pick >>> 8);
    if (victim === undefined || operator === undefined) return false;
    if (lost === undefined) {
      const forgiven = budget.loseDisk(victim);
      if (forgiven === undefined) return false;
      for (let i = 0; i < forgiven; i++) this.#world.count("forgiven");
      this.#down(victim, downMs);
    }
    this.#departing.add(victim);
    const ask = (node: NodeId): void =>
      simulator.changeMembership(operator, { kind: "remove", node, force: false, planned: undefined }, (refusal) => {
        this.#world.count(refusal === undefined ? "removed" : `removal refused: ${refusal.code}`);
        if (refusal === undefined) this.#accepted.set(node, operator);
      });
    // Somebody else may take it for reachable for a while.
    const remove = (): void => {
      if (simulator.stateOf(operator) !== "running") return;
      // Operators mistype: these two are refused, whatever goes on.
      ask(NOBODY);
      ask(operator);
      ask(victim);
    };
    this.#later(Math.min(downMs, REMOVE_AFTER_MS), remove);
    return true;
  }

  #change(node: NodeId, change: MembershipChange): void {
    this.#world.simulator.changeMembership(node, change, (refusal) => {
      this.#world.count(refusal === undefined ? "left" : `leave refused: ${refusal.code}`);
      if (refusal === undefined) this.#accepted.set(node, node);
    });
  }

  /** Members with data that the cluster can do without. */
  #dispensable(nodes: readonly NodeId[]): NodeId[] {
    const { simulator, plan, founder } = this.#world;
    const takers = simulator.nodes.filter(
      (node) =>
        simulator.stateOf(node) !== "wiped" &&
        simulator.configOf(node).capacity > 0 &&
        !this.#departing.has(node) &&
        this.#isMember(node),
    );
    if (takers.length <= plan.parameters.n) return [];
    return nodes.filter((node) => node !== founder && takers.includes(node));
  }

  /** By the view of `by`, or of anybody. */
  #isMember(node: NodeId, by?: NodeId): boolean {
    const { simulator } = this.#world;
    return (by === undefined ? simulator.running : [by]).some((other) => {
      const view = simulator.viewOf(other);
      const member = view === undefined ? undefined : memberOf(view, node);
      return member !== undefined && stays(member);
    });
  }

  /** By every view. */
  #isGone(node: NodeId): boolean {
    const { simulator } = this.#world;
    return simulator.running.every((other) => {
      const view = simulator.viewOf(other);
      const member = view === undefined ? undefined : memberOf(view, node);
      return member === undefined || isGone(member);
    });
  }

  #down(node: NodeId, downMs: Millis): boolean {
    const { simulator } = this.#world;
    if (this.#absent.has(node)) return false;
    simulator.crash(node);
    this.#later(downMs, () => simulator.restart(node));
    return true;
  }

  /** What ends by itself; not before the end of all faults, which ends everything anyway. */
  #later(delayMs: Millis, run: () => void): void {
    const { simulator } = this.#world;
    simulator.after(delayMs, () => {
      if (this.#ended) return;
      if (simulator.now < this.#asleepUntil) this.#later(this.#asleepUntil - simulator.now, run);
      else run();
    });
  }

  #pick(action: FaultAction, nodes: readonly NodeId[]): NodeId | undefined {
    return nodeAt(nodes, action.pick);
  }

  #shapeOf(shape: CutShape, share: number, prng: Prng): (from: NodeId, to: NodeId) => boolean {
    const { nodes } = this.#world.simulator;
    switch (shape) {
      case "groups":
      case "bridge": {
        const inside = new Set(nodes.filter(() => prng.chance(share)));
        // One node reaches both sides, as a tab does that is linked to two halves of a house.
        const bridge = shape === "bridge" ? prng.pick(nodes) : undefined;
        return (from, to) => from !== bridge && to !== bridge && inside.has(from) !== inside.has(to);
      }
      case "partial":
      case "one-way": {
        const cut = new Set<string>();
        for (const from of nodes)
          for (const to of nodes) {
            if (from >= to || !prng.chance(share)) continue;
            const forth = shape === "partial" || prng.chance(0.5);
            if (forth) cut.add(`${from} ${to}`);
            if (shape === "partial" || !forth) cut.add(`${to} ${from}`);
          }
        return (from, to) => cut.has(`${from} ${to}`);
      }
      default:
        return unreachable(shape);
    }
  }

  /** With w = 1 a transfer would wait for the dead member as a source, with w = n a hint for a former owner would. */
  #mayWipe(): boolean {
    const { simulator, plan } = this.#world;
    const { n, w } = plan.parameters;
    if (this.#wiped || w < 2 || w >= n || this.#departing.size > 0) return false;
    if (plan.joins.some((join) => join.at >= simulator.now)) return false;
    const digests = new Set<number | undefined>();
    for (const node of simulator.nodes) {
      const view = simulator.inspect(node);
      if (view?.phase !== "member" || view.transfers.length > 0) return false;
      digests.add(view.ringDigest);
    }
    return digests.size === 1 && simulator.nodes.length > n;
  }
}

function nodeAt(nodes: readonly NodeId[], pick: number): NodeId | undefined {
  return nodes[pick % Math.max(1, nodes.length)];
}
