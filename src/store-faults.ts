/**
 * The faults of one store: what stands between its node and its links, its disk and its clock, and how it is set. Each part is as it was given as long as
 * nothing is set. See `FaultControls` for what each fault does.
 */

import type { FaultControls, FaultName, MessageFault } from "./api.ts";
import { TabringError } from "./core/errors.ts";
import type { Millis, NodeId } from "./core/identifiers.ts";
import type { Message } from "./core/message.ts";
import { FaultyStorage } from "./driver/faulty-storage.ts";
import { CAUGHT_MAX, FaultyTransport } from "./driver/faulty-transport.ts";
import type { Clock, Storage, Transport } from "./driver/ports.ts";

const LATENCY_MS_MAX: Millis = 60_000;
const DAY_MS: Millis = 24 * 3_600_000;

/** A fault was asked for with a number that is none. Nothing was changed. */
export class InvalidFaultError extends TabringError {
  override readonly name: string = "InvalidFaultError";
  constructor(what: string, given: unknown, min: number, max: number) {
    super(
      "invalid-fault",
      `The ${what} is ${String(given)}, but must be a whole number from ${min} to ${max}. The faults are what they were.`,
    );
  }
}

/** Links that can be cut on purpose. */
interface CuttableTransport extends Transport {
  setCut(cut: "all" | "none" | readonly NodeId[]): void;
  setServerCut(cut: boolean): void;
}

/** What runs the node. */
interface Freezable {
  freeze(): void;
  thaw(): void;
  readonly isFrozen: boolean;
}

export class StoreFaults implements FaultControls {
  /** What the node is to be run on. */
  readonly transport: FaultyTransport;
  readonly storage: FaultyStorage;
  readonly clock: Clock;
  readonly #links: CuttableTransport;
  readonly #node: () => Freezable;
  readonly #changed: () => void;
  #serverCut = false;
  #skewMs: Millis = 0;
  #stopThawing: () => void = () => undefined;
  #cut: "all" | "none" | readonly NodeId[] = "none";

  /** `node`: asked when it is to be frozen, not before. `changed`: something was set, or has ended. `caught`: a message has met what was set for it. */
  constructor(
    parts: {
      readonly transport: CuttableTransport;
      readonly storage: Storage;
      readonly clock: Clock;
      readonly random: (bytes: number) => Uint8Array;
    },
    node: () => Freezable,
    changed: () => void,
    caught: (fault: MessageFault, message: Message) => void,
  ) {
    const { clock } = parts;
    this.#links = parts.transport;
    this.transport = new FaultyTransport(parts.transport, parts.random, clock, (fault, message) => {
      caught(fault, message);
      changed();
    });
    this.storage = new FaultyStorage(parts.storage);
    this.clock = {
      now: () => clock.now(),
      wall: () => clock.wall() + this.#skewMs,
      after: (delayMs, callback) => clock.after(delayMs, callback),
    };
    this.#node = node;
    this.#changed = changed;
  }

  cutOff(): void {
    this.#setCut("all");
  }

  cut(nodes: readonly NodeId[]): void {
    this.#setCut([...nodes]);
  }

  cutServer(cut: boolean): void {
    this.#serverCut = cut;
    this.#links.setServerCut(cut);
    this.#changed();
  }

  mute(towards: readonly NodeId[]): void {
    this.transport.muted = [...towards];
    this.#changed();
  }

  lose(perMille: number): void {
    this.transport.perMilleLost = demand("loss per thousand", perMille, 0, 1_000);
    this.#changed();
  }

  addLatency(byMs: Millis): void {
    this.transport.latencyMs = demand("added latency", byMs, 0, LATENCY_MS_MAX);
    this.#changed();
  }

  catchNext({ to, kind, how, byMs }: MessageFault): void {
    const { toCatch } = this.transport;
    demand("number of messages to be caught", toCatch.length + 1, 1, CAUGHT_MAX);
    demand("delay", byMs, 0, LATENCY_MS_MAX);
    this.transport.toCatch = [...toCatch, { to, kind, how, byMs }];
    this.#changed();
  }

  freeze(forMs?: Millis): void {
    const thawAfter = forMs === undefined ? undefined : demand("time of the freeze", forMs, 1, DAY_MS);
    this.#stopThawing();
    this.#stopThawing = thawAfter === undefined ? () => undefined : this.clock.after(thawAfter, () => this.thaw());
    this.#node().freeze();
    this.#changed();
  }

  thaw(): void {
    this.#stopThawing();
    this.#node().thaw();
    this.#changed();
  }

  fillDisk(full: boolean): void {
    this.storage.isFull = full;
    this.#changed();
  }

  skewClock(byMs: Millis): void {
    this.#skewMs = demand("skew of the clock", byMs, -DAY_MS, DAY_MS);
    this.#changed();
  }

  heal(): void {
    this.transport.muted = [];
    this.transport.toCatch = [];
    this.#setCut("none");
  }

  endAll(): void {
    this.transport.perMilleLost = 0;
    this.transport.latencyMs = 0;
    this.storage.isFull = false;
    this.#skewMs = 0;
    this.heal();
    this.cutServer(false);
    this.thaw();
  }

  get on(): readonly FaultName[] {
    const isOn: Readonly<Record<FaultName, boolean>> = {
      cut: this.#cut === "all" || (this.#cut !== "none" && this.#cut.length > 0),
      server: this.serverCut,
      muted: this.muted.length > 0,
      loss: this.perMilleLost > 0,
      latency: this.addedLatencyMs > 0,
      message: this.toCatch.length > 0,
      frozen: this.frozen,
      "disk-full": this.diskFull,
      clock: this.clockSkewMs !== 0,
    };
    return (Object.keys(isOn) as FaultName[]).filter((name) => isOn[name]);
  }

  get current(): "all" | "none" | readonly NodeId[] {
    return this.#cut;
  }

  get serverCut(): boolean {
    return this.#serverCut;
  }

  get muted(): readonly NodeId[] {
    return this.transport.muted;
  }

  get perMilleLost(): number {
    return this.transport.perMilleLost;
  }

  get addedLatencyMs(): Millis {
    return this.transport.latencyMs;
  }

  get toCatch(): readonly MessageFault[] {
    return this.transport.toCatch;
  }

  get frozen(): boolean {
    return this.#node().isFrozen;
  }

  get diskFull(): boolean {
    return this.storage.isFull;
  }

  get clockSkewMs(): Millis {
    return this.#skewMs;
  }

  #setCut(cut: "all" | "none" | readonly NodeId[]): void {
    this.#cut = cut;
    this.#links.setCut(cut);
    this.#changed();
  }
}

function demand(what: string, given: number, min: number, max: number): number {
  if (!Number.isInteger(given) || given < min || given > max) throw new InvalidFaultError(what, given, min, max);
  return given;
}
