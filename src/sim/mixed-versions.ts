/**
 * Mixed versions in the swarm: in one seed of four about half of the nodes, or none, begin with an older build (core/versions.ts), and builds change during
 * the run: a node ends, and its computer starts it again from the same disk with the newer build, or with the older one. Some seeds end all new, some as mixed as
 * they are by then, and in some an operator keeps the new ones from writing what an older build could not read, until all are upgraded.
 *
 * An older build is the present one that is told to know no more than version 1, with what came since left out of its config. What the real one does is in
 * `older-builds.test.ts`. One that finds a state on its disk that it cannot read does not start: its computer goes back to the newer build. The founder is
 * never older where there are light clients, because it is their only way in.
 *
 * **The judge** ("protocol"): nobody is sent what he does not read, nobody asks a question that he would not be able to send, and nobody writes down what an
 * older build could not read while there is one that might have to.
 */

import type { Prng } from "../base/prng.ts";
import type { Config } from "../core/config.ts";
import type { Effect, NodeMeta } from "../core/effect.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { belonging } from "../core/membership.ts";
import type { Message } from "../core/message.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION } from "../core/versions.ts";
import { encodeMeta } from "../wire/record.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";
import type { Sometimes } from "./sometimes.ts";

/** The share of seeds with mixed versions. */
const MIXED = 0.25;
/** The share of nodes that begin with an older build; where none does, some are given one later. */
const OLDER = [0.5, 0.5, 0] as const;
/** The version that writes down how far a node has caught up with the logs of others. */
const LOGS_SINCE = 2;
/** The format of a node's state from which on it does. */
const LOGS_FORMAT = 3;
/** The last upgrades begin so long after the last fault, and are so far apart; rest comes later. */
const ROLLING_FROM_MS: Millis = 7_000;
const ROLLING_MS: Millis = 500;
/** What is asked of others. What answers it may meet a peer that has become older meanwhile. */
const ASKED: ReadonlySet<Message["kind"]> = new Set([
  "recent-request",
  "reap-watch-request",
  "reap-proof-request",
  "archive-request",
  "light-hello",
  "view-request",
]);

interface Change {
  readonly at: Millis;
  readonly pick: number;
  readonly to: "newer" | "older";
  /** With a goodbye, as by a reload. */
  readonly closes: boolean;
  readonly downMs: Millis;
}

export interface VersionPlan {
  readonly isMixed: boolean;
  /** By the order in which nodes come: whether each begins with an older build. */
  readonly older: readonly boolean[];
  readonly changes: readonly Change[];
  /** The newer ones may write version 1 alone, until all are upgraded. */
  readonly heldBack: boolean;
  readonly endsUpgraded: boolean;
}

export const ONE_VERSION: VersionPlan = {
  isMixed: false,
  older: [],
  changes: [],
  heldBack: false,
  endsUpgraded: false,
};

/** `nodes`: how many there will be, the founder first. `withLights`: there are light clients. */
export function drawVersions(prng: Prng, nodes: number, from: Millis, until: Millis, withLights: boolean): VersionPlan {
  if (!prng.chance(MIXED)) return ONE_VERSION;
  const share = prng.pick(OLDER)!;
  const older = Array.from({ length: nodes }, (_, i) => prng.chance(share) && !(withLights && i === 0));
  const meanMs = Math.floor((until - from) / prng.between(2, 12));
  const changes: Change[] = [];
  for (let at = from + prng.below(meanMs); at < until; at += 1 + prng.below(2 * meanMs))
    changes.push({
      at,
      pick: prng.uint32(),
      to: prng.chance(0.65) ? "newer" : "older",
      closes: prng.chance(0.5),
      downMs: prng.pick([50, 500, 3_000, 8_000])!,
    });
  return { isMixed: true, older, changes, heldBack: prng.chance(0.25), endsUpgraded: prng.chance(0.6) };
}

/** The same node with an older build. */
export function olderConfig(config: Config): Config {
  const unknown = { reapAfterMs: Number.POSITIVE_INFINITY, history: {}, recentWritesMax: 0 };
  return { ...config, ...unknown, protocolMax: PROTOCOL_MIN };
}

export function isOlder(config: Config): boolean {
  return config.protocolMax < PROTOCOL_VERSION;
}

/** Whether an older build reads what a newer one has left of itself. */
export function canGoBack(meta: NodeMeta | undefined): boolean {
  return meta === undefined || encodeMeta(meta)[0]! < LOGS_FORMAT;
}

export class MixedVersions {
  readonly #simulator: Simulator;
  readonly #plan: VersionPlan;
  readonly #newer: Config;
  readonly #sometimes: Sometimes;
  readonly #mayChange: (node: NodeId) => boolean;
  #ended = false;
  /** Nodes that have not had their turn in the last upgrade. */
  #outstanding = 0;

  /** `newer`: what all nodes with the present build have in common. */
  constructor(
    simulator: Simulator,
    plan: VersionPlan,
    options: { readonly newer: Config; readonly sometimes: Sometimes; readonly mayChange: (node: NodeId) => boolean },
  ) {
    this.#simulator = simulator;
    this.#plan = plan;
    this.#newer = options.newer;
    this.#sometimes = options.sometimes;
    this.#mayChange = options.mayChange;
  }

  /** With which config the `index`-th node begins. */
  configOf(index: number, config: Config): Config {
    if (this.#plan.older[index] === true) return olderConfig(config);
    return this.#plan.heldBack ? { ...config, writesProtocol: PROTOCOL_MIN } : config;
  }

  schedule(): void {
    for (const change of this.#plan.changes) this.#simulator.after(change.at, () => this.#perform(change));
  }

  /** No more changes, but for the last upgrades. */
  end(): void {
    this.#ended = true;
  }

  /** After the last fault: one node after the other, when nobody waits for an answer any more. Then the operator lets all write what all read. */
  upgradeAll(): void {
    if (!this.#plan.isMixed || !this.#plan.endsUpgraded) return;
    this.#outstanding = this.#simulator.nodes.length;
    this.#simulator.nodes.forEach((node, i) =>
      this.#simulator.after(ROLLING_FROM_MS + i * ROLLING_MS, () => {
        this.#outstanding--;
        const config = this.#simulator.configOf(node);
        if (!isOlder(config) && config.writesProtocol >= PROTOCOL_VERSION) return;
        this.#simulator.close(node);
        this.#simulator.reconfigure(node, { ...this.#newerLike(config), writesProtocol: Number.POSITIVE_INFINITY });
        this.#simulator.restart(node);
      }),
    );
  }

  /** What is still to be upgraded, in words; undefined when nothing is. */
  get outstanding(): string | undefined {
    return this.#outstanding > 0 ? `${this.#outstanding} nodes are to be looked at for an upgrade` : undefined;
  }

  onStep(node: NodeId, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "reply" && effect.result.outcome !== "failed" && this.#isMixedNow())
        this.#sometimes.reached("mixed ring served");
      if (effect.kind === "store")
        for (const write of effect.writes) if (write.store === "meta") this.#judgeMeta(node, write.meta);
      if (effect.kind !== "note") continue;
      const { note } = effect;
      if (note.what === "not-read" && ASKED.has(note.message))
        throw new InvariantViolation(
          "protocol",
          `${this.#name(node)} wanted to send ${this.#name(note.by)} a ${note.message}, and had not looked whether it is read there`,
        );
    }
  }

  /** A message arrived whole, and is not read there. */
  onUnread(from: NodeId, to: NodeId, kind: Message["kind"]): never {
    throw new InvariantViolation(
      "protocol",
      `${this.#name(from)} sent ${this.#name(to)} a ${kind} in a form that it does not read`,
    );
  }

  #judgeMeta(node: NodeId, { view, caughtUp }: NodeMeta): void {
    if (caughtUp === undefined) return;
    const older = view === undefined ? undefined : belonging(view).find((member) => member.protocolMax < LOGS_SINCE);
    const held = this.#simulator.configOf(node).writesProtocol < LOGS_SINCE;
    if (older === undefined && !held) return;
    const why = older === undefined ? "though its operator holds that back" : `while ${this.#name(older.node)} belongs`;
    throw new InvariantViolation("protocol", `${this.#name(node)} wrote down what version 1 does not read, ${why}`);
  }

  #perform({ pick, to, closes, downMs }: Change): void {
    if (this.#ended) return;
    const simulator = this.#simulator;
    const [founder] = simulator.nodes;
    const able = simulator.running.filter(
      (node) =>
        isOlder(simulator.configOf(node)) === (to === "newer") &&
        this.#mayChange(node) &&
        !(to === "older" && node === founder),
    );
    const node = able[pick % Math.max(1, able.length)];
    if (node === undefined) return;
    if (closes) simulator.close(node);
    else simulator.crash(node);
    const config = simulator.configOf(node);
    if (to === "newer") simulator.reconfigure(node, this.#newerLike(config));
    // A format that the older build does not know is refused before anything is touched.
    else if (canGoBack(simulator.diskOf(node).meta)) simulator.reconfigure(node, olderConfig(config));
    else this.#sometimes.reached("downgrade refused");
    if (to === "newer") this.#sometimes.reached("upgraded");
    else if (isOlder(simulator.configOf(node))) this.#sometimes.reached("downgraded");
    simulator.after(downMs, () => {
      if (!this.#ended) simulator.restart(node);
    });
  }

  #newerLike({ capacity, zone }: Config): Config {
    const writesProtocol = this.#plan.heldBack ? PROTOCOL_MIN : Number.POSITIVE_INFINITY;
    return { ...this.#newer, capacity, zone, writesProtocol };
  }

  #isMixedNow(): boolean {
    if (!this.#plan.isMixed) return false;
    const older = this.#simulator.running.filter((node) => isOlder(this.#simulator.configOf(node))).length;
    return older > 0 && older < this.#simulator.running.length;
  }

  #name(node: NodeId): string {
    return this.#simulator.nameOf(node);
  }
}
