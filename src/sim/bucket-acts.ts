/**
 * Buckets are set while everything goes wrong, at any node and by several at once: the paper's three usage patterns (section 6) for the keys that
 * callers use, and others that nobody uses, so that there is something to gossip. Judged in the end: all see the same entries, none that was
 * acknowledged has gone back to an earlier version, and a put that leaves everything to its bucket is treated as the bucket says, wherever it goes in.
 *
 * Limits: SETS_MAX acts and one more when all has settled.
 */

import type { Prng } from "../base/prng.ts";
import { type BucketEntry, type BucketProperties, bucketNamed, bucketsDigest } from "../core/buckets.ts";
import type { ClusterParameters } from "../core/config.ts";
import type { Millis, NodeId } from "../core/identifiers.ts";
import { InvariantViolation } from "./checkers.ts";
import type { Simulator } from "./simulator.ts";
import { PROTOCOL_VERSION } from "../core/versions.ts";

const SETS_MAX = 12;
const AGREE_MS_MAX: Millis = 60_000;
const OTHERS = ["reviews", "shelves", "talk"];

export class BucketActs {
  readonly #simulator: Simulator;
  readonly #prng: Prng;
  readonly #parameters: ClusterParameters;
  /** The latest version that was acknowledged of each, and who said so. */
  readonly #acknowledged = new Map<string, { readonly version: number; readonly by: NodeId }>();

  constructor(simulator: Simulator, prng: Prng, parameters: ClusterParameters) {
    this.#simulator = simulator;
    this.#prng = prng;
    this.#parameters = parameters;
  }

  /** The usage patterns first, then this and that. */
  schedule(from: Millis, until: Millis): void {
    const { n, r, w } = this.#parameters;
    const usage: readonly (readonly [string, Partial<BucketProperties>])[] = [
      ["carts", { r, w, buffered: this.#prng.chance(0.5) }],
      ["sessions", { policy: "last-write-wins" }],
      ["catalogue", { r: 1, w: n }],
    ];
    for (const [name, changes] of usage) this.#later(from, () => this.#set(name, changes));
    for (let i = this.#prng.below(SETS_MAX - usage.length); i > 0; i--)
      this.#later(from + this.#prng.below(until - from), () =>
        this.#prng.chance(0.3) ? this.#set(...this.#prng.pick(usage)!) : this.#setAnother(),
      );
  }

  /** To be called when all has settled: one more is set, and everybody must come to see it. */
  judge(): void {
    this.#checkNoneLost();
    this.#setAnother();
    const until = this.#simulator.now + AGREE_MS_MAX;
    while (this.#disagreeing() !== undefined) {
      if (this.#simulator.now >= until)
        throw new InvariantViolation("convergence", `${this.#disagreeing()!} sees other buckets than the first node`);
      this.#simulator.runUntil(this.#simulator.now + 1_000);
    }
    this.#checkNoneLost();
  }

  /** A disk has gone back to what it had long ago, and a bucket that was set there alone goes with it. */
  forgetPromises(): void {
    this.#acknowledged.clear();
  }

  /** What all see of a bucket. */
  entryOf(name: string): BucketEntry | undefined {
    const [first] = this.#simulator.running;
    return bucketNamed((first === undefined ? undefined : this.#simulator.viewOf(first))?.buckets ?? [], name);
  }

  #later(at: Millis, act: () => void): void {
    this.#simulator.after(Math.max(0, at - this.#simulator.now), act);
  }

  #setAnother(): void {
    const prng = this.#prng;
    const { n } = this.#parameters;
    const quorum = (least: number) => (prng.chance(0.5) ? undefined : prng.between(least, n));
    this.#set(prng.pick(OTHERS)!, {
      r: quorum(1),
      w: quorum(1),
      pr: quorum(0),
      pw: quorum(0),
      dw: quorum(0),
      policy: prng.pick(["siblings", "last-write-wins", "merge:union"] as const)!,
    });
  }

  #set(name: string, changes: Partial<BucketProperties>): void {
    const simulator = this.#simulator;
    const node = this.#prng.pick(simulator.running);
    if (node === undefined) return;
    // An older build knows no buffers, and refuses them to nobody: it has never heard of them.
    const mayBuffer = simulator.inspect(node)?.protocol === PROTOCOL_VERSION;
    const none = { r: undefined, w: undefined, pr: undefined, pw: undefined, dw: undefined };
    simulator.setBucket(
      node,
      name,
      { ...none, policy: "siblings", ...changes, ...(mayBuffer ? {} : { buffered: false }) },
      (refusal) => {
        if (refusal?.code === "invalid")
          throw new InvariantViolation("answered", `a bucket was refused: ${refusal.fault}`);
        const entry = bucketNamed(simulator.viewOf(node)?.buckets ?? [], name);
        const known = this.#acknowledged.get(name)?.version ?? 0;
        if (refusal === undefined && entry !== undefined && entry.version > known)
          this.#acknowledged.set(name, { version: entry.version, by: node });
      },
    );
  }

  #disagreeing(): string | undefined {
    const digests = this.#simulator.running.map((node) => bucketsDigest(this.#simulator.viewOf(node)?.buckets ?? []));
    const at = digests.findIndex((digest) => digest !== digests[0]);
    return at < 0 ? undefined : this.#simulator.nameOf(this.#simulator.running[at]!);
  }

  /** One disk has it when it is acknowledged: that disk alone may take it with it. */
  #checkNoneLost(): void {
    for (const [name, { version, by }] of this.#acknowledged) {
      if (this.#simulator.stateOf(by) === "wiped" || (this.entryOf(name)?.version ?? 0) >= version) continue;
      throw new InvariantViolation(
        "no-lost-write",
        `bucket ${name} was set to version ${version} at ${this.#simulator.nameOf(by)}, and now there is ${this.entryOf(name)?.version ?? "none"}`,
      );
    }
  }
}
