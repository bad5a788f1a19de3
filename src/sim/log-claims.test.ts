/** The judge of what nodes claim to have caught up with: two nodes, whose steps and disks the test plays. */

import { beforeEach, expect, test } from "vitest";
import { partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { type DvvSet, sync } from "../core/dvvset.ts";
import type { CaughtUp, NodeMeta, StoredRecord, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId, Partition } from "../core/identifiers.ts";
import { freshWrite, viewOf } from "../core/stub-surroundings.ts";
import { LogClaims } from "./log-claims.ts";

const [ADA, BEN] = ["ada", "ben"] as NodeId[] as [NodeId, NodeId];
const LOG = "log of ben";
const view = viewOf({ nodes: 3, n: 3, r: 2, w: 2 });
const KEY = "carts/1" as Key;
const at = (key: Key): string => recordAddress(key, positionOf(key));
const partitionOfKey = (key: Key): Partition => partitionOf(at(key), view.claims.length);
const partition = partitionOfKey(KEY);
/** Of two other partitions. */
const [elsewhere, nowhere] = Array.from({ length: 50 }, (_, i) => `carts/${i}` as Key).filter(
  (key, i, all) =>
    partitionOfKey(key) !== partition && all.findIndex((one) => partitionOfKey(one) === partitionOfKey(key)) === i,
) as [Key, Key];

const WAKE: NodeEvent = { kind: "wake", at: 0 };
const recordOf = (set: DvvSet): StoredRecord => ({ set, minted: undefined });
const writeOf = (set: DvvSet, key = KEY): Write => ({ store: "records", address: at(key), record: recordOf(set) });

class TwoNodes {
  readonly #disks = new Map<NodeId, Map<string, StoredRecord>>([
    [ADA, new Map()],
    [BEN, new Map()],
  ]);
  readonly #claims = new LogClaims({
    nameOf: (node) => node,
    diskOf: (node) => ({ get: (_, address) => this.#disks.get(node)!.get(address) }),
  });
  #tickets = 0;

  start(node: NodeId): void {
    this.#claims.onStep(node, { kind: "started", at: 0 }, []);
  }

  /** It is on the disk, whatever the node knows of it. */
  apply(node: NodeId, set: DvvSet | null, key = KEY): void {
    const disk = this.#disks.get(node)!;
    const record = set === null ? null : recordOf(set);
    if (record === null) disk.delete(at(key));
    else disk.set(at(key), record);
    this.#claims.onApplied(node, "records", at(key), record);
  }

  /** The node wants it stored, and is told that it is, or that it may be. */
  store(node: NodeId, outcome: "stored" | "storage-failed", ...writes: Write[]): void {
    const ticket = ++this.#tickets;
    this.#claims.onStep(node, WAKE, [{ kind: "store", ticket, writes, durability: "strict" }]);
    this.#claims.onStep(node, { kind: outcome, at: 0, ticket, reason: "" }, []);
  }

  keep(node: NodeId, set: DvvSet, key = KEY): void {
    this.apply(node, set, key);
    this.store(node, "stored", writeOf(set, key));
  }

  /** Ben tells how far his log goes. */
  tell(upTo: number, more = false): void {
    const message = { kind: "recent-reply", request: 1, log: LOG, uncovered: [], changes: [], upTo, more } as const;
    this.#claims.onStep(BEN, WAKE, [{ kind: "send", to: ADA, epoch: 1, lane: "background", message }]);
  }

  /** Ada has written down that she has caught up with it. */
  claim(position: number, ...claimed: number[]): void {
    const caughtUp: CaughtUp[] = [{ peer: BEN, log: LOG, since: [{ position, partitions: claimed }] }];
    const meta: NodeMeta = { incarnation: 1, view, unopened: [], caughtUp };
    this.store(ADA, "stored", { store: "meta", meta });
  }
}

const WRONG = /catch-up: ada says that it has caught up with the log of ben, and never had its carts/;
let two: TwoNodes;
beforeEach(() => {
  two = new TwoNodes();
});

test("who has what the peer was told is stored before it told its position may say so; who has not may not", () => {
  const milk = freshWrite();
  two.keep(BEN, milk);
  two.tell(7);
  expect(() => two.claim(7, partition)).toThrow(WRONG);

  two = new TwoNodes();
  two.keep(BEN, milk);
  two.tell(7);
  two.keep(ADA, milk);
  two.claim(7, partition);
});

test("it must be all of the record", () => {
  const milk = freshWrite();
  const both = sync(milk, freshWrite());
  two.keep(BEN, both);
  two.tell(7);
  two.keep(ADA, milk);
  expect(() => two.claim(7, partition)).toThrow(WRONG);
});

test("what the peer stored after it had told its position is not claimed, nor what is in other partitions", () => {
  two.tell(7);
  two.keep(BEN, freshWrite());
  two.claim(7, partition);
  two.keep(BEN, freshWrite(), elsewhere);
  two.tell(8);
  two.claim(8, partitionOfKey(nowhere));
  expect(() => two.claim(8, partition)).toThrow(WRONG);
});

test("a position counts from when it was told first", () => {
  two.tell(8);
  two.keep(BEN, freshWrite());
  two.tell(8);
  two.claim(8, partition);
});

test("one of a page that others follow does not count", () => {
  two.keep(BEN, freshWrite());
  two.tell(7, true);
  two.claim(7, partition);
});

test("what the peer's disk has not any more, and what the claimant had once, is no reason to complain", () => {
  two.keep(BEN, freshWrite());
  two.tell(7);
  two.apply(BEN, null);
  two.claim(7, partition);

  two = new TwoNodes();
  const milk = freshWrite();
  two.keep(BEN, milk);
  two.tell(7);
  two.apply(ADA, milk);
  two.apply(ADA, null);
  two.apply(ADA, freshWrite());
  two.claim(7, partition);
});

test("what a power failure took and a repair brought back was not there all the time", () => {
  const milk = freshWrite();
  two.keep(BEN, milk);
  two.apply(BEN, null);
  two.start(BEN);
  two.tell(7);
  two.apply(BEN, milk);
  two.claim(7, partition);
});

test("what was left after a start is still claimed", () => {
  two.keep(BEN, freshWrite());
  two.start(BEN);
  two.tell(7);
  expect(() => two.claim(7, partition)).toThrow(WRONG);
});

test("a store that failed is claimed where it is on the disk", () => {
  const milk = freshWrite();
  two.store(BEN, "storage-failed", writeOf(milk));
  two.tell(7);
  two.claim(7, partition);
  two.apply(BEN, milk);
  two.store(BEN, "storage-failed", writeOf(milk));
  two.tell(8);
  expect(() => two.claim(8, partition)).toThrow(WRONG);

  // And where it is not, what was there before still is.
  two = new TwoNodes();
  two.keep(BEN, milk);
  two.store(BEN, "storage-failed", writeOf(freshWrite(milk)));
  two.tell(7);
  expect(() => two.claim(7, partition)).toThrow(WRONG);
});
