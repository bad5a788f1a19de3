/**
 * A shop on a cluster, for figures of the paper that count what callers see: members on virtual time, and callers who read a cart, change it and write it with
 * the context of that read. Each request goes to a member that runs, drawn for each anew, as through a load balancer that costs nothing; the write names the
 * node that answered the read first, as the paper has it (section 5).
 *
 * Limits: a failed request is not tried again; who asked is told.
 */

import { utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { type Config, parametersFrom } from "../core/config.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { Simulator } from "./simulator.ts";
import type { NetworkProfile } from "./virtual-network.ts";
import type { StorageProfile } from "./virtual-storage.ts";

const PARTITIONS = 64;
const SETTLE_MS: Millis = 30_000;
/** Carts are filled by so many callers at a time. */
const FILLERS = 4;

export type Got = Extract<ClientResult, { readonly outcome: "got" }>;
export type Put = Extract<ClientResult, { readonly outcome: "put" }>;

export interface ShopOptions {
  readonly members: number;
  readonly config: Config;
  readonly network: NetworkProfile;
  readonly storage: StorageProfile;
}

export class Shop {
  readonly simulator: Simulator;
  readonly members: readonly NodeId[];
  readonly prng: Prng;

  /** Members have met, and nobody has asked anything. */
  constructor(seed: number, { members, config, network, storage }: ShopOptions) {
    this.prng = Prng.fromNumber(seed);
    this.simulator = new Simulator(seed, { makeNode: (options) => new DynamoNode(options), network, storage });
    const found = parametersFrom({ n: 3, r: 2, w: 2, partitions: PARTITIONS });
    const founder = this.simulator.add({ name: "n0", config, found, seeds: [] });
    for (let i = 1; i < members; i++) this.simulator.add({ name: `n${i}`, config, seeds: [founder] });
    this.simulator.runUntil(SETTLE_MS);
    this.members = this.simulator.nodes;
  }

  /** Puts something into each of these carts, and comes back when all have been answered. */
  fill(carts: readonly Key[]): void {
    let [next, filled] = [0, 0];
    const fillOne = (): void => {
      const cart = carts[next++];
      if (cart === undefined) return;
      this.write(cart, undefined, (put) => {
        if (put === undefined) throw new Error(`${cart} could not be filled where nothing fails`);
        filled++;
        fillOne();
      });
    };
    for (let i = 0; i < FILLERS; i++) fillOne();
    while (filled < carts.length) this.simulator.step();
  }

  /** Answers once: undefined when it failed, or nobody runs. */
  read(cart: Key, answered: (got: Got | undefined, tookMs: Millis) => void): void {
    const from = this.simulator.now;
    const member = this.prng.pick(this.simulator.running);
    if (member === undefined) this.simulator.after(0, () => answered(undefined, 0));
    else
      this.simulator.get(member, cart, {}, (result) =>
        answered(result?.outcome === "got" ? result : undefined, this.simulator.now - from),
      );
  }

  /** Writes anew what was read; the same, and who it was. */
  write(cart: Key, seen: Got | undefined, answered: (put: Put | undefined, tookMs: Millis) => void): OperationId {
    const from = this.simulator.now;
    const operation = this.prng.hex(16) as OperationId;
    const member = this.prng.pick(this.simulator.running);
    if (member === undefined) {
      this.simulator.after(0, () => answered(undefined, 0));
      return operation;
    }
    const write = { value: utf8Encode(cart), context: seen?.set.clock ?? [], operation, at: 0, w: undefined };
    this.simulator.put(member, cart, write, { prefer: seen?.first }, (result) =>
      answered(result?.outcome === "put" ? result : undefined, this.simulator.now - from),
    );
    return operation;
  }

  /** Milliseconds from none to twice the mean, in sixteenths: exact everywhere. */
  gap(meanMs: Millis): Millis {
    return this.prng.below(2 * Math.round(meanMs * 16) + 1) / 16;
  }
}
