/**
 * The faults of one store: what stands between its node and its links, its disk and its clock, and how it is set. Each part is as it was given as long as
 * nothing is set. See `FaultControls` for what each fault does.
 */

import type { FaultControls, FaultName } from "./api.ts";
import { TabringError } from "./core/errors.ts";
import type { Millis, NodeId } from "./core/identifiers.ts";
import { FaultyTransport } from "./driver/faulty-transport.ts";
import type { Clock, Transport } from "./driver/ports.ts";

export const LATENCY_MS_MAX: Millis = 60_000;

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
}

export class StoreFaults implements FaultControls {
  /** What the node is to be run on. */
  readonly transport: FaultyTransport;
  readonly #links: CuttableTransport;
  readonly #changed: () => void;
  #cut: "all" | "none" | readonly NodeId[] = "none";

  /** `changed`: something was set, or has ended. */
  constructor(
    parts: {
      readonly transport: CuttableTransport;
      readonly clock: Clock;
      readonly random: (bytes: number) => Uint8Array;
    },
    changed: () => void,
  ) {
    this.#links = parts.transport;
    this.transport = new FaultyTransport(parts.transport, parts.random, parts.clock);
    this.#changed = changed;
  }

  cutOff(): void {
    this.#setCut("all");
  }

  cut(nodes: readonly NodeId[]): void {
    this.#setCut([...nodes]);
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

  heal(): void {
    this.transport.muted = [];
    this.#setCut("none");
  }

  endAll(): void {
    this.transport.perMilleLost = 0;
    this.transport.latencyMs = 0;
    this.heal();
  }

  get on(): readonly FaultName[] {
    const isOn: Readonly<Record<FaultName, boolean>> = {
      cut: this.#cut === "all" || (this.#cut !== "none" && this.#cut.length > 0),
      muted: this.muted.length > 0,
      loss: this.perMilleLost > 0,
      latency: this.addedLatencyMs > 0,
    };
    return (Object.keys(isOn) as FaultName[]).filter((name) => isOn[name]);
  }

  get current(): "all" | "none" | readonly NodeId[] {
    return this.#cut;
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
