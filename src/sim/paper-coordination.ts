/**
 * Client-driven against server-driven coordination, as table 2 of the paper compares them (section 6.4), with our own nodes on virtual time.
 *
 *   server-driven   a caller's request goes to a random member, as through a load balancer that costs nothing itself; that one coordinates it if it counts
 *                   for the key, and else hands it on
 *   client-driven   the caller is a light client and hands the request straight to a member that counts
 *
 * **Stated distributions.** Each message, between members and from and to callers alike, is on its way for 0.25 ms x 2^k x u, u uniform from 1 to 2 and k
 * geometric: it grows by one with probability 1/4, up to 8. So the mean is 0.56 ms, one message in a thousand takes 8 ms or more, and the tail falls
 * with the square: the queues and pauses of a data centre. A commit takes 0.5 to 1.5 ms, a read from disk 0.25 to 0.75 ms, uniform. Nothing
 * fails. Callers take turns in reading a random key and writing it with the context of that read, each waiting for its answer.
 *
 * What may be compared with the paper is the direction and the ratio; milliseconds are those of the distributions. Latency is what a caller waits.
 */

import { Prng } from "../base/prng.ts";
import { utf8Encode } from "../base/bytes.ts";
import { defaultConfig, parametersFrom } from "../core/config.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { LightClient } from "../core/light-client.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";

const MEMBERS = 12;
const CALLERS = 8;
const KEYS = 500;
const PARTITIONS = 64;
const SETTLE_MS: Millis = 90_000;
/** Between an answer and the next request, at most. */
const THINK_MS: Millis = 10;
const LEAST_MS = 0.25;
const DOUBLINGS_MAX = 8;

export type Coordination = "server-driven" | "client-driven";

export interface Latencies {
  readonly mean: Millis;
  readonly median: Millis;
  readonly p999: Millis;
}

export interface CoordinationFigures {
  readonly coordination: Coordination;
  readonly reads: Latencies;
  readonly writes: Latencies;
  /** Requests that were answered; none failed, or there are no figures. */
  readonly requests: number;
  /** Messages that members sent to each other or to callers for one request. */
  readonly messagesPerRequest: number;
}

/** Table 2 of the paper, in milliseconds. */
export const PAPER_TABLE_2: Readonly<Record<Coordination, { readonly reads: PaperRow; readonly writes: PaperRow }>> = {
  "server-driven": { reads: { mean: 3.9, p999: 68.9 }, writes: { mean: 4.02, p999: 68.5 } },
  "client-driven": { reads: { mean: 1.55, p999: 30.4 }, writes: { mean: 1.9, p999: 30.4 } },
};
interface PaperRow {
  readonly mean: Millis;
  readonly p999: Millis;
}

/** One way of one message; see above. Exact in binary. */
export function drawWay(prng: Prng): Millis {
  let ms = LEAST_MS;
  for (let k = 0; k < DOUBLINGS_MAX && prng.below(4) === 0; k++) ms *= 2;
  return ms * (1 + prng.below(1_024) / 1_024);
}

/** So many requests, half of them reads. The same seed gives the same figures. */
export function measureCoordination(coordination: Coordination, requests: number, seed: number): CoordinationFigures {
  return new Measurement(coordination, requests, seed).run();
}

class Measurement {
  readonly #coordination: Coordination;
  readonly #requests: number;
  readonly #prng: Prng;
  readonly #simulator: Simulator;
  readonly #members: NodeId[] = [];
  readonly #reads: Millis[] = [];
  readonly #writes: Millis[] = [];
  #begun = 0;
  #counting = false;
  #messages = 0;

  constructor(coordination: Coordination, requests: number, seed: number) {
    this.#coordination = coordination;
    this.#requests = requests;
    this.#prng = Prng.fromNumber(seed);
    this.#simulator = new Simulator(seed, {
      makeNode: (options, light) => (light ? new LightClient(options) : new DynamoNode(options)),
      network: { ...calmNetwork, reordering: true, drawMs: drawWay },
      storage: {
        commitMs: { min: 0.5, max: 1.5 },
        readMs: { min: 0.25, max: 0.75 },
        commitFailureProbability: 0,
        failedButAppliedProbability: 0,
        readFailureProbability: 0,
        vanishProbability: 1,
      },
      observer: {
        stepped: (_, __, effects) => {
          if (!this.#counting) return;
          for (const effect of effects)
            if (effect.kind === "send" && /^(replica|coordinate)-/.test(effect.message.kind)) this.#messages++;
        },
      },
    });
  }

  run(): CoordinationFigures {
    const simulator = this.#simulator;
    const config = { ...defaultConfig, capacity: 1 };
    const found = parametersFrom({ n: 3, r: 2, w: 2, partitions: PARTITIONS });
    for (let i = 0; i < MEMBERS; i++) {
      const seeds = this.#members.slice(0, 1);
      const options = { name: `n${i}`, config: { ...config, zone: `zone-${i}` }, seeds };
      this.#members.push(simulator.add(i === 0 ? { ...options, found } : options));
    }
    simulator.runUntil(SETTLE_MS);
    const seeds = this.#members.slice(0, 1);
    const callers = Array.from({ length: this.#coordination === "client-driven" ? CALLERS : 0 }, (_, i) =>
      simulator.add({ name: `caller${i}`, config, seeds, light: true }),
    );
    simulator.runUntil(2 * SETTLE_MS);
    this.#counting = true;
    for (let i = 0; i < CALLERS; i++) this.#think(callers[i]);
    while (this.#reads.length + this.#writes.length < this.#requests) simulator.step();
    return {
      coordination: this.#coordination,
      reads: latenciesOf(this.#reads),
      writes: latenciesOf(this.#writes),
      requests: this.#requests,
      messagesPerRequest: this.#messages / this.#requests,
    };
  }

  #think(light: NodeId | undefined): void {
    if (this.#begun >= this.#requests) return;
    this.#begun += 2;
    this.#simulator.after((this.#prng.below(THINK_MS * 4) + 1) / 4, () => this.#readAndWrite(light));
  }

  #readAndWrite(light: NodeId | undefined): void {
    const simulator = this.#simulator;
    const key = `carts/${this.#prng.below(KEYS)}` as Key;
    this.#ask(
      light,
      this.#reads,
      (node, answer) => simulator.get(node, key, {}, answer),
      (got) => {
        if (got.outcome !== "got") throw new Error(`a get of ${key} failed where nothing fails`);
        const write = {
          value: utf8Encode(`${this.#begun}`),
          context: got.set.clock,
          operation: this.#prng.hex(16) as OperationId,
          at: simulator.now,
          w: undefined,
          policy: "siblings",
        } as const;
        this.#ask(
          light,
          this.#writes,
          (node, answer) => simulator.put(node, key, write, { prefer: got.first }, answer),
          () => this.#think(light),
        );
      },
    );
  }

  /** Asks the light client, or a random member over a way there and back; notes what the caller waited. */
  #ask(
    light: NodeId | undefined,
    waited: Millis[],
    ask: (node: NodeId, answer: (result: ClientResult | undefined) => void) => void,
    done: (result: ClientResult) => void,
  ): void {
    const simulator = this.#simulator;
    const from = simulator.now;
    const answered = (result: ClientResult | undefined): void => {
      if (result === undefined || result.outcome === "failed")
        throw new Error(`a request failed where nothing fails: ${JSON.stringify(result)}`);
      waited.push(simulator.now - from);
      done(result);
    };
    if (light !== undefined) {
      ask(light, answered);
      return;
    }
    const member = this.#prng.pick(this.#members)!;
    simulator.after(drawWay(this.#prng), () =>
      ask(member, (result) => simulator.after(drawWay(this.#prng), () => answered(result))),
    );
  }
}

function latenciesOf(waited: readonly Millis[]): Latencies {
  const sorted = [...waited].sort((a, b) => a - b);
  const at = (share: number): Millis => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return {
    mean: waited.reduce((sum, ms) => sum + ms, 0) / waited.length,
    median: at(0.5),
    p999: at(0.999),
  };
}

export function formatCoordination(figures: readonly CoordinationFigures[]): string {
  const ms = (value: Millis): string => value.toFixed(2).padStart(11);
  const lines = figures.map(
    ({ coordination, reads, writes }) =>
      `${coordination.padEnd(14)}${[reads.p999, writes.p999, reads.mean, writes.mean, reads.median, writes.median].map(ms).join("")}`,
  );
  const paper = figures.map(({ coordination }) => {
    const { reads, writes } = PAPER_TABLE_2[coordination];
    return `${coordination.padEnd(14)}${[reads.p999, writes.p999, reads.mean, writes.mean].map(ms).join("")}`;
  });
  const head = `${"".padEnd(14)}${["p99.9 get", "p99.9 put", "mean get", "mean put"].map((word) => word.padStart(11)).join("")}`;
  return [
    `Latency as callers see it, in milliseconds of virtual time: ${MEMBERS} members, N=3 R=2 W=2, ${figures[0]?.requests ?? 0} requests each`,
    `${head}${["p50 get", "p50 put"].map((word) => word.padStart(11)).join("")}`,
    ...lines,
    "",
    "Table 2 of the paper, for the direction and the ratio; its milliseconds are those of another network",
    head,
    ...paper,
  ].join("\n");
}
