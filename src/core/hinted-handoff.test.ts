/** What becomes of the hints that a node keeps: where they go, when they are let go of, and that none is before those who should have it do. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { hintAddress, partitionOf, positionOf } from "./address.ts";
import type { Config } from "./config.ts";
import { type DvvSet, EMPTY, equal, sync } from "./dvvset.ts";
import { HintIndex } from "./hint-index.ts";
import { HintedHandoff } from "./hinted-handoff.ts";
import type { Key, NodeId } from "./identifiers.ts";
import { type View, withHolder } from "./membership.ts";
import type { ReplicaPut } from "./message.ts";
import { type PreferenceList, Ring } from "./ring.ts";
import { StubSurroundings, freshWrite, nodeNamed, viewOf } from "./stub-surroundings.ts";

const PARTITIONS = 12;
const NODES = 6;
const W = 2;
/** It keeps the hints. Of partition 0 it is the last to stand in, of partition 3 an owner, as 4 and 5 are. */
const SELF = nodeNamed(6);
const OTHERS = [1, 2, 3, 4, 5].map(nodeNamed);
const [ONE, TWO, THREE, FOUR, FIVE] = OTHERS as [NodeId, NodeId, NodeId, NodeId, NodeId];
const SCAN_MS = 1_000;
const TIMEOUT_MS = 4_000;

const keyIn = (partition: number, skip = 0): Key =>
  Array.from({ length: 1_000 }, (_, i) => `carts/${i}` as Key).filter(
    (key) => partitionOf(positionOf(key), PARTITIONS) === partition,
  )[skip]!;
/** Owners are 1, 2 and 3; 4, 5 and 6 stand in. */
const KEY = keyIn(0);
/** Owners are 4, 5 and 6. */
const OWN_KEY = keyIn(3);

/** Who owns a partition holds it, and nobody else. */
const view = viewOf({
  nodes: NODES,
  n: 3,
  r: 2,
  w: W,
  partitions: PARTITIONS,
  holds: (node, partition) => (node - 1 - partition + 2 * NODES) % NODES < 3,
});
/** The same, and node 4 has not let go of partition 0 yet. */
const withFormerOwner: View = {
  ...view,
  members: view.members.map((member) =>
    member.node === FOUR ? { ...member, holders: withHolder(member.holders, 0, true) } : member,
  ),
};
/** The same, and this node has said that it is about to go for good. */
const going: View = {
  ...view,
  members: view.members.map((member) =>
    member.node === SELF ? { ...member, departure: { standing: "leaving", by: SELF, at: 0 } } : member,
  ),
};

interface Asked extends ReplicaPut {
  readonly to: NodeId;
}
interface Hint {
  readonly key: Key;
  readonly target: NodeId;
  readonly set: DvvSet;
}

/** A node that has hints; the test is its disk, and all other nodes. */
class Keeper {
  readonly surroundings: StubSurroundings;
  readonly index = new HintIndex();
  readonly handoff: HintedHandoff;
  /** By target, then key. */
  readonly disk = new Map<NodeId, Map<Key, DvvSet>>();
  /** What the disk is asked for, in order. */
  readonly reads: Omit<Hint, "set">[] = [];
  readonly keeps: (Hint & { readonly owner: NodeId })[] = [];
  readonly merges: Hint[] = [];
  readonly dropped: Hint[] = [];
  /** Called before a hint goes. */
  onDrop: (hint: Hint) => void = () => undefined;

  constructor(config: Partial<Config> = {}, of = view) {
    const times = { hintScanMs: SCAN_MS, transferTimeoutMs: TIMEOUT_MS };
    this.surroundings = new StubSurroundings(SELF, of, { ...times, ...config });
    this.handoff = new HintedHandoff(this.surroundings, this.index, {
      readHint: (key, target) => this.reads.push({ key, target }),
      keepHint: (key, target, set, owner) => this.keeps.push({ key, target, set, owner }),
      mergeHere: (key, target, set) => this.merges.push({ key, target, set }),
      dropHint: (key, target, set) => {
        this.onDrop({ key, target, set });
        this.dropped.push({ key, target, set });
        // As the replica does: what has changed since stays.
        if (!equal(this.kept(key, target), set)) return;
        this.disk.get(target)?.delete(key);
        this.index.remove(key, target);
      },
    });
  }

  kept(key: Key, target: NodeId): DvvSet {
    return this.disk.get(target)?.get(key) ?? EMPTY;
  }

  /** A hint is durable here. */
  keep(key: Key, target: NodeId, set = freshWrite()): DvvSet {
    const merged = sync(this.kept(key, target), set);
    (this.disk.get(target) ?? this.disk.set(target, new Map()).get(target)!).set(key, merged);
    this.index.add(key, target);
    return merged;
  }

  up(...nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      this.surroundings.down.delete(node);
      this.handoff.onPeerUp(node);
    }
  }

  goDown(...nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      this.surroundings.down.add(node);
      this.handoff.onPeerDown(node);
    }
  }

  pass(spanMs: number): void {
    this.handoff.arm();
    for (const name of this.surroundings.pass(spanMs)) if (name === "hint-scan") this.handoff.onScanTimer();
  }

  /** The oldest question to the disk for a hint is answered. */
  read(outcome: "found" | "failed" = "found"): void {
    const { key, target } = this.reads.shift()!;
    const set = this.kept(key, target);
    const origin = { kind: "handoff", target, key } as const;
    this.handoff.onCompletion({ kind: "read", origin, key, outcome, set: outcome === "found" ? set : EMPTY });
  }

  /** The oldest hint for another owner is durable, or was refused. */
  completeKeep(stored = true): void {
    const { key, target, set, owner } = this.keeps.shift()!;
    if (stored) this.keep(key, owner, set);
    this.#complete(key, target, stored);
  }

  completeMerge(stored = true): Hint {
    const merge = this.merges.shift()!;
    this.#complete(merge.key, merge.target, stored);
    return merge;
  }

  #complete(key: Key, target: NodeId, stored: boolean): void {
    const origin = { kind: "handoff", target, key } as const;
    if (stored) this.handoff.onCompletion({ kind: "stored", origin, key, durability: "strict" });
    else this.handoff.onCompletion({ kind: "refused", origin, key, refusal: "storage", siblings: 0 });
  }

  sent(): Asked[] {
    return this.surroundings
      .takeSent()
      .flatMap(({ to, message }) => (message.kind === "replica-put" ? [{ to, ...message }] : []));
  }

  /** Whom the next hint that is read goes to. */
  deliver(): Asked[] {
    this.read();
    return this.sent();
  }

  answer({ to, request }: Asked, outcome: "stored" | "refused" = "stored"): void {
    this.handoff.onReply(to, request, outcome);
  }

  get idle(): boolean {
    return this.reads.length + this.keeps.length + this.merges.length + this.handoff.size === 0;
  }
}

test("it goes to its target when that is back, to its disk, and is let go of when it is durable there", () => {
  const keeper = new Keeper();
  keeper.goDown(ONE);
  const set = keeper.keep(KEY, ONE);
  keeper.pass(SCAN_MS);
  expect(keeper.idle).toBe(true);

  keeper.up(ONE);
  expect(keeper.handoff.concerns(KEY)).toBe(true);
  const [asked, ...others] = keeper.deliver();
  expect(others).toEqual([]);
  expect(asked).toMatchObject({ to: ONE, purpose: "hint", key: KEY, set, hintFor: undefined, durability: "strict" });
  expect(asked!.ttlMs).toBe(TIMEOUT_MS);
  expect(keeper.dropped).toEqual([]);

  keeper.answer(asked!);
  expect(keeper.dropped).toEqual([{ key: KEY, target: ONE, set }]);
  expect(keeper.surroundings.notes).toEqual([{ what: "hint-delivered", key: KEY, target: ONE }]);
  expect(keeper.handoff.concerns(KEY)).toBe(false);
  expect(keeper.idle).toBe(true);
});

test("what is refused, lost with its link, left without an answer or cannot be read is tried again with the next scan", () => {
  const keeper = new Keeper();
  const set = keeper.keep(KEY, ONE);
  const failures: (() => void)[] = [
    () => keeper.answer(keeper.deliver()[0]!, "refused"),
    () => {
      keeper.deliver();
      keeper.goDown(ONE);
      keeper.surroundings.down.delete(ONE);
    },
    () => {
      keeper.deliver();
      for (let i = 0; i < TIMEOUT_MS / SCAN_MS; i++) keeper.pass(SCAN_MS);
      expect(keeper.reads).toEqual([]);
    },
    () => keeper.read("failed"),
  ];
  for (const fail of failures) {
    keeper.pass(SCAN_MS);
    expect(keeper.reads).toHaveLength(1);
    fail();
    expect(keeper.dropped).toEqual([]);
  }
  keeper.pass(SCAN_MS);
  keeper.answer(keeper.deliver()[0]!);
  expect(keeper.dropped).toEqual([{ key: KEY, target: ONE, set }]);
});

test("an answer counts of the one who was asked, to what it was asked, once", () => {
  const keeper = new Keeper();
  keeper.keep(KEY, ONE);
  keeper.up(ONE);
  const asked = keeper.deliver()[0]!;
  keeper.handoff.onReply(TWO, asked.request, "stored");
  keeper.handoff.onReply(ONE, asked.request + 1, "stored");
  expect(keeper.dropped).toEqual([]);
  keeper.goDown(ONE);
  keeper.answer(asked);
  expect(keeper.dropped).toEqual([]);
});

test("what has changed since it was sent stays", () => {
  const keeper = new Keeper();
  const before = keeper.keep(KEY, ONE);
  keeper.up(ONE);
  const asked = keeper.deliver()[0]!;
  const after = keeper.keep(KEY, ONE, freshWrite(before));
  keeper.answer(asked);
  // It is the replica that compares: it is told what was sent.
  expect(keeper.dropped).toEqual([{ key: KEY, target: ONE, set: before }]);
  expect(equal(keeper.kept(KEY, ONE), after)).toBe(true);
  expect(keeper.deliver()[0]!.set).toBe(keeper.kept(KEY, ONE));
});

test("no more are under way to a target than it is set to, and each that is let go of makes room for the next", () => {
  const keeper = new Keeper({ hintsInFlightMax: 2 });
  const keys = [0, 1, 2, 3, 4].map((skip) => keyIn(0, skip));
  for (const key of keys) for (const target of [ONE, TWO]) keeper.keep(key, target);
  keeper.up(ONE);
  keeper.up(TWO);
  expect(keeper.reads).toHaveLength(4);
  const delivered: Key[] = [];
  while (keeper.reads.length > 0) {
    const asked = keeper.deliver()[0]!;
    delivered.push(asked.key);
    keeper.answer(asked);
    expect(keeper.reads.filter(({ target }) => target === asked.to).length).toBeLessThanOrEqual(2);
  }
  expect(delivered.sort()).toEqual([...keys, ...keys].sort());
  expect(keeper.index.size).toBe(0);
});

test("without a slice of background work it waits where it is", () => {
  const keeper = new Keeper();
  keeper.surroundings.slices = 0;
  keeper.keep(KEY, ONE);
  keeper.up(ONE);
  keeper.pass(SCAN_MS);
  expect(keeper.reads).toEqual([]);
  keeper.surroundings.slices = 1;
  keeper.handoff.onSlice();
  expect(keeper.reads).toHaveLength(1);
  expect(keeper.surroundings.slices).toBeGreaterThan(0);
});

test("who owns the key no more gets nothing: it goes to all who do, and those who do not take it get a hint before it is let go of", () => {
  const keeper = new Keeper();
  const set = keeper.keep(KEY, FIVE);
  keeper.up(FIVE);
  const asked = keeper.deliver();
  expect(asked.map(({ to }) => to)).toEqual([ONE, TWO, THREE]);
  keeper.answer(asked[0]!);
  keeper.answer(asked[1]!);
  // So many would do, but the third may have it, too.
  expect(keeper.dropped).toEqual([]);
  keeper.answer(asked[2]!, "refused");
  expect(keeper.keeps).toEqual([{ key: KEY, target: FIVE, set, owner: THREE }]);
  expect(keeper.dropped).toEqual([]);
  keeper.completeKeep();
  expect(keeper.dropped).toEqual([{ key: KEY, target: FIVE, set }]);
  expect([...keeper.index.targetsOf(KEY)]).toEqual([THREE]);
});

test("a former owner that still counts gets what it is owed", () => {
  const keeper = new Keeper({}, withFormerOwner);
  keeper.keep(KEY, FOUR);
  keeper.up(FOUR);
  expect(keeper.deliver().map(({ to }) => to)).toEqual([FOUR]);
});

test("an answer is waited for from the sending on, however long the disk took to read it", () => {
  const keeper = new Keeper();
  keeper.keep(KEY, ONE);
  keeper.up(ONE);
  keeper.pass(TIMEOUT_MS);
  const asked = keeper.deliver()[0]!;
  keeper.pass(SCAN_MS);
  expect(keeper.reads).toEqual([]);
  keeper.answer(asked);
  expect(keeper.dropped).toHaveLength(1);
});

test("it stays where the hint for the owner who did not take it cannot be kept, and where fewer than W take it", () => {
  const keeper = new Keeper();
  keeper.keep(KEY, FIVE);
  keeper.up(FIVE);
  let asked = keeper.deliver();
  for (const [i, outcome] of (["stored", "stored", "refused"] as const).entries()) keeper.answer(asked[i]!, outcome);
  keeper.completeKeep(false);
  expect([keeper.dropped, keeper.idle]).toEqual([[], true]);

  keeper.pass(SCAN_MS);
  asked = keeper.deliver();
  for (const [i, outcome] of (["stored", "refused", "refused"] as const).entries()) keeper.answer(asked[i]!, outcome);
  expect([keeper.dropped, keeper.keeps, keeper.idle]).toEqual([[], [], true]);

  // Fewer than W can be reached: nobody is asked.
  keeper.goDown(ONE, TWO);
  keeper.pass(SCAN_MS);
  expect(keeper.reads).toEqual([]);
});

test("this node's own copy is made when it is one of the owners, and counts when it is durable", () => {
  const keeper = new Keeper();
  const set = keeper.keep(OWN_KEY, ONE);
  keeper.up(ONE);
  const asked = keeper.deliver();
  expect(asked.map(({ to }) => to)).toEqual([FOUR, FIVE]);
  expect(keeper.merges).toEqual([{ key: OWN_KEY, target: ONE, set }]);
  for (const each of asked) keeper.answer(each);
  expect(keeper.dropped).toEqual([]);
  keeper.completeMerge();
  expect(keeper.dropped).toEqual([{ key: OWN_KEY, target: ONE, set }]);

  keeper.keep(OWN_KEY, ONE);
  keeper.pass(SCAN_MS);
  for (const each of keeper.deliver()) keeper.answer(each);
  keeper.completeMerge(false);
  expect(keeper.keeps.map(({ owner }) => owner)).toEqual([SELF]);
});

test("a late answer of the own disk is not taken for one to the next delivery", () => {
  const keeper = new Keeper();
  keeper.keep(OWN_KEY, ONE);
  keeper.up(ONE);
  keeper.deliver();
  for (let i = 0; i < 2 * (TIMEOUT_MS / SCAN_MS); i++) keeper.pass(SCAN_MS);
  // The answers of the others are too late. The next delivery waits until the own disk has answered, be it well or not.
  expect([keeper.reads, keeper.handoff.size, keeper.handoff.concerns(OWN_KEY)]).toEqual([[], 0, true]);
  keeper.completeMerge(false);
  expect(keeper.handoff.concerns(OWN_KEY)).toBe(false);

  // The same of a hint for another owner, however long it takes.
  const slow = new Keeper();
  const set = slow.keep(KEY, FIVE);
  slow.goDown(THREE);
  slow.up(FIVE);
  for (const asked of slow.deliver()) slow.answer(asked);
  expect(slow.keeps.map(({ owner }) => owner)).toEqual([THREE]);
  for (let i = 0; i < 2 * (TIMEOUT_MS / SCAN_MS); i++) slow.pass(SCAN_MS);
  expect([slow.reads, slow.dropped]).toEqual([[], []]);
  slow.completeKeep();
  expect(slow.dropped).toEqual([{ key: KEY, target: FIVE, set }]);
});

test("who is about to go entrusts it to another who has no copy, where its target is away", () => {
  const keeper = new Keeper({}, going);
  keeper.goDown(ONE);
  keeper.keep(KEY, ONE);
  keeper.pass(SCAN_MS);
  const [asked, ...others] = keeper.deliver();
  expect(others).toEqual([]);
  expect([FOUR, FIVE]).toContain(asked!.to);
  expect(asked).toMatchObject({ hintFor: ONE, durability: "strict" });
  expect(keeper.surroundings.notes).toEqual([{ what: "hint-entrusted", key: KEY, target: ONE, to: asked!.to }]);
  keeper.answer(asked!);
  expect(keeper.dropped).toHaveLength(1);

  // Only to one who is there.
  keeper.goDown(FOUR);
  for (const key of [1, 2, 3, 4, 5, 6].map((skip) => keyIn(0, skip))) keeper.keep(key, ONE);
  keeper.pass(SCAN_MS);
  while (keeper.reads.length > 0) for (const each of keeper.deliver()) expect(each.to).toBe(FIVE);
  keeper.up(ONE);
  keeper.keep(KEY, ONE);
  keeper.pass(SCAN_MS);
  expect(keeper.deliver().map(({ to }) => to)).toEqual([ONE]);
  keeper.goDown(ONE);

  // With nobody to entrust it to it waits for the target itself; and goes there when it is back.
  keeper.goDown(FOUR, FIVE);
  keeper.keep(KEY, ONE);
  keeper.pass(SCAN_MS);
  expect(keeper.reads).toEqual([]);
  keeper.up(ONE);
  expect(keeper.deliver()[0]).toMatchObject({ to: ONE, hintFor: undefined });
});

test("at its start it looks for all hints that there are, and until then has not started", () => {
  const keeper = new Keeper();
  const scan = () => keeper.surroundings.effects.splice(0).find((effect) => effect.kind === "scan")!;
  keeper.handoff.start();
  expect(keeper.handoff.started).toBe(false);
  const first = scan();
  expect(first).toMatchObject({ store: "hints", after: "" });
  const entry = (key: Key, target: NodeId) => ({ address: hintAddress(key, positionOf(key), target) });
  expect(keeper.handoff.onScanned(first.ticket + 1, [entry(KEY, ONE)], true)).toBe(false);
  expect(keeper.handoff.onScanFailed(first.ticket + 1)).toBe(false);
  expect(keeper.index.size).toBe(0);

  expect(keeper.handoff.onScanFailed(first.ticket)).toBe(true);
  expect(keeper.surroundings.pass(1_000)).toEqual(["start"]);
  keeper.handoff.start();
  const again = scan();
  expect(keeper.handoff.onScanned(first.ticket, [entry(KEY, ONE)], true)).toBe(false);
  expect(keeper.handoff.onScanned(again.ticket, [entry(KEY, ONE), entry(KEY, TWO)], false)).toBe(true);
  expect(keeper.handoff.started).toBe(false);
  const rest = scan();
  expect(rest).toMatchObject({ after: entry(KEY, TWO).address });
  expect(keeper.handoff.onScanned(rest.ticket, [entry(OWN_KEY, ONE)], true)).toBe(true);
  expect(keeper.handoff.started).toBe(true);
  expect([...keeper.index.keysFor(ONE)]).toEqual([KEY, OWN_KEY]);
  expect([...keeper.index.keysFor(TWO)]).toEqual([KEY]);
});

/** What the test plays at once: hints that come, nodes that come and go, answers in any order, a disk that refuses, a ring that changes. */
type Act =
  | { readonly do: "keep"; readonly key: Key; readonly target: NodeId }
  | { readonly do: "read" | "complete-keep" | "complete-merge"; readonly well: boolean }
  | { readonly do: "answer"; readonly which: number; readonly from: NodeId | undefined; readonly stored: boolean }
  | { readonly do: "up" | "down"; readonly node: NodeId }
  | { readonly do: "pass"; readonly spanMs: number }
  | { readonly do: "slices"; readonly count: number }
  | { readonly do: "view"; readonly going: boolean };

const other = fc.constantFrom(...OTHERS);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    do: fc.constant("keep" as const),
    key: fc.constantFrom(KEY, keyIn(0, 1), OWN_KEY, keyIn(3, 1)),
    target: other,
  }),
  fc.record({ do: fc.constantFrom("read", "complete-keep", "complete-merge"), well: fc.boolean() }),
  fc.record({
    do: fc.constant("answer" as const),
    which: fc.nat(20),
    from: fc.option(other, { nil: undefined, freq: 5 }),
    stored: fc.boolean(),
  }),
  fc.record({ do: fc.constantFrom("up", "down"), node: other }),
  fc.record({ do: fc.constant("pass" as const), spanMs: fc.constantFrom(100, SCAN_MS, TIMEOUT_MS + 1) }),
  fc.record({ do: fc.constant("slices" as const), count: fc.constantFrom(0, 1, Number.POSITIVE_INFINITY) }),
  fc.record({ do: fc.constant("view" as const), going: fc.boolean() }),
);

/** Who has what for certain, in the plainest way: all versions that ever became durable somewhere. */
class Copies {
  readonly #durable = new Set<string>();

  add(node: NodeId, key: Key, set: DvvSet): void {
    for (const { operation } of set.siblings) this.#durable.add(`${node} ${key} ${operation}`);
  }

  has(node: NodeId, key: Key, set: DvvSet): boolean {
    return set.siblings.every(({ operation }) => this.#durable.has(`${node} ${key} ${operation}`));
  }
}

test("whatever fails on the way, none is let go of before those who should have it do, and in the end all are let go of", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200, size: "max" }), (acts) => {
      const keeper = new Keeper({ hintsInFlightMax: 3 });
      const { surroundings } = keeper;
      const records = new Copies();
      /** Hints with others, for anybody. */
      const entrusted = new Copies();
      /** Where what a hint is of belonged as it was sent, by target and key, and whether this node was about to go. */
      const asSent = new Map<string, { readonly list: PreferenceList; readonly going: boolean }>();
      let isGoing = false;
      let asked: Asked[] = [];
      keeper.onDrop = ({ key, target, set }) => {
        const { list, going } = asSent.get(`${target} ${key}`)!;
        const { owners, counted } = list;
        const missing = owners.filter((node) => !records.has(node, key, set));
        const isPassedOn = going && OTHERS.some((node) => !owners.includes(node) && entrusted.has(node, key, set));
        const areHintsHere = missing.every((node) => covers(keeper.kept(key, node), set));
        const isSafe = [...owners, ...counted].includes(target)
          ? records.has(target, key, set) || isPassedOn
          : owners.length - missing.length >= W && areHintsHere;
        expect([key, target, isSafe]).toEqual([key, target, true]);
      };
      const gather = (): void => {
        asked.push(...keeper.sent());
        asked = asked.filter(({ to }) => !surroundings.down.has(to));
      };
      const answer = (which: Asked, stored: boolean, from = which.to): void => {
        if (stored && from === which.to)
          (which.hintFor === undefined ? records : entrusted).add(which.to, which.key, which.set);
        asked = asked.filter((each) => each !== which || from !== which.to);
        keeper.handoff.onReply(from, which.request, stored ? "stored" : "refused");
      };
      const perform = (each: Act): void => {
        if (each.do === "keep") keeper.keep(each.key, each.target);
        else if (each.do === "read" && keeper.reads.length > 0) {
          const { key, target } = keeper.reads[0]!;
          const merges = keeper.merges.length;
          keeper.read(each.well ? "found" : "failed");
          const sent = keeper.sent();
          asked.push(...sent);
          // Else the read was one of before: the hint is on its way, or nobody waits for it any more.
          if (sent.length + keeper.merges.length > merges)
            asSent.set(`${target} ${key}`, { list: surroundings.listOf(key)!, going: isGoing });
        } else if (each.do === "complete-keep" && keeper.keeps.length > 0) keeper.completeKeep(each.well);
        else if (each.do === "complete-merge" && keeper.merges.length > 0) {
          const { key, set } = keeper.merges[0]!;
          if (each.well) records.add(SELF, key, set);
          keeper.completeMerge(each.well);
        } else if (each.do === "answer" && asked.length > 0)
          answer(asked[each.which % asked.length]!, each.stored, each.from);
        else if (each.do === "up") keeper.up(each.node);
        else if (each.do === "down") keeper.goDown(each.node);
        else if (each.do === "pass") keeper.pass(each.spanMs);
        else if (each.do === "slices") {
          surroundings.slices = each.count;
          keeper.handoff.onSlice();
        } else if (each.do === "view") {
          isGoing = each.going;
          surroundings.ring = new Ring(each.going ? going : view);
        }
        gather();
      };
      for (const each of acts) perform(each);

      surroundings.slices = Number.POSITIVE_INFINITY;
      keeper.up(...OTHERS);
      gather();
      for (let round = 0; keeper.index.size > 0; round++) {
        expect(round).toBeLessThan(50);
        keeper.pass(TIMEOUT_MS + 1);
        for (gather(); !keeper.idle; gather()) {
          while (keeper.reads.length > 0) perform({ do: "read", well: true });
          while (keeper.keeps.length > 0) perform({ do: "complete-keep", well: true });
          while (keeper.merges.length > 0) perform({ do: "complete-merge", well: true });
          for (const each of [...asked]) answer(each, true);
        }
      }
      for (const hints of keeper.disk.values()) expect(hints.size).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});

/** True when all of the one is in the other. */
function covers(set: DvvSet, other: DvvSet): boolean {
  return other.siblings.every(({ operation }) => set.siblings.some((own) => own.operation === operation));
}
