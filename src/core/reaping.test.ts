/**
 * Reaping: both sides of it, one node's rules first, then several nodes against a naive model in which anything that is on its way arrives late, twice,
 * out of order or never, and somebody may bring back what was deleted from it.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { recordAddress, positionOf } from "./address.ts";
import { type DvvSet, EMPTY } from "./dvvset.ts";
import type { Actor, Epoch, Key, NodeId, OperationId } from "./identifiers.ts";
import { membersDigest, type View } from "./membership.ts";
import { recordDigest } from "./merkle-forest.ts";
import type {
  ReapDrop,
  ReapProofReply,
  ReapProofRequest,
  ReapWatchReply,
  ReapWatchRequest,
  ReapedRecord,
} from "./message.ts";
import { ReapWatch } from "./reap-watch.ts";
import { Reaping } from "./reaping.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

type ReapMessage = ReapWatchRequest | ReapWatchReply | ReapProofRequest | ReapProofReply | ReapDrop;

const KEY = "carts/ada" as Key;
/** One of the first node that counts. */
const actor = (nodeNamed(1) + "a".repeat(16)) as Actor;
const sibling = (counter: number, value: Uint8Array | null) => ({
  dots: [{ actor, counter }],
  operation: counter.toString(16).padStart(32, "0") as OperationId,
  at: 0,
  value,
  checksum: 0,
});
const OLD: DvvSet = { clock: [{ actor, counter: 1 }], siblings: [sibling(1, new Uint8Array([1]))] };
const DELETED: DvvSet = { clock: [{ actor, counter: 2 }], siblings: [sibling(2, null)] };
const record: ReapedRecord = { key: KEY, digest: recordDigest(KEY, DELETED) };
const entriesOf = (set: DvvSet) => [
  { address: recordAddress(KEY, positionOf(KEY)), record: { set, minted: undefined } },
];

/** A node that has this record, and nothing under way. Whatever it wants done is written down or done at once. */
class Node {
  readonly in: StubSurroundings;
  readonly watch: ReapWatch;
  readonly reaping: Reaping;
  readonly sent: { to: NodeId; message: ReapMessage }[] = [];
  set: DvvSet;
  idle = true;
  renewals = 0;
  /** Renewals wait until somebody calls `onRenewed`. */
  renewsLate = false;
  readonly dropped: Key[] = [];
  /** The epochs of the peers by which they asked what was answered. */
  readonly askedBy: Epoch[] = [];

  constructor(self: NodeId, view: View, set: DvvSet, reapAfterMs = 0) {
    this.in = new StubSurroundings(self, view, { reapAfterMs });
    this.set = set;
    const send = (to: NodeId, message: ReapMessage): void => {
      if (to === self) this.take(self, message);
      else if (this.in.reachable(to)) this.sent.push({ to, message });
    };
    this.watch = new ReapWatch(this.in, {
      readRecord: (key, watch) => {
        const outcome = this.set === EMPTY ? "missing" : "found";
        this.watch.onCompletion({
          kind: "read",
          origin: { kind: "reap-watch", watch, key },
          key,
          outcome,
          set: this.set,
        });
      },
      isIdle: () => this.idle,
      renewEpochs: () => {
        this.renewals++;
        if (!this.renewsLate) this.watch.onRenewed();
      },
      reap: ({ key, digest }) => {
        if (recordDigest(key, this.set) !== digest) return;
        this.dropped.push(key);
        this.set = EMPTY;
      },
      answer: (to, message, asked) => {
        this.askedBy.push(asked);
        send(to, message);
      },
    });
    this.reaping = new Reaping(this.in, { ask: send });
  }

  take(from: NodeId, message: ReapMessage): void {
    switch (message.kind) {
      case "reap-watch-request":
        return this.watch.onWatchRequest(from, message);
      case "reap-proof-request":
        return this.watch.onProofRequest(from, message);
      case "reap-drop":
        return this.watch.onDrop(message);
      case "reap-watch-reply":
        return this.reaping.onWatchReply(from, message);
      case "reap-proof-reply":
        return this.reaping.onProofReply(from, message);
    }
  }

  /** Reads its records, and does what is due. */
  scrub(): void {
    this.reaping.onSeen(entriesOf(this.set));
    this.pass(0);
  }

  pass(ms: number): void {
    if (this.in.pass(ms).includes("reap")) this.reaping.onTimer();
  }

  bring(set: DvvSet): void {
    this.watch.touched(KEY);
    this.set = this.set === EMPTY ? set : this.set;
  }
}

const view = viewOf({ nodes: 3, n: 3, r: 2, w: 2 });
const first = (own: View): NodeId => new StubSurroundings(nodeNamed(1), own).listOf(KEY)!.counted[0]!;

function clusterOf(sets: readonly DvvSet[], own: View = view): { asker: Node; others: Node[]; all: Map<NodeId, Node> } {
  const all = new Map(own.members.map(({ node }, i) => [node, new Node(node, own, sets[i] ?? DELETED)]));
  const asker = all.get(first(own))!;
  return { asker, others: [...all.values()].filter((node) => node !== asker), all };
}

/** Everything arrives, in order, until nothing is on its way. */
function deliver(all: ReadonlyMap<NodeId, Node>): void {
  for (let moved = true; moved;) {
    moved = false;
    for (const [id, node] of all)
      for (const { to, message } of node.sent.splice(0)) {
        all.get(to)?.take(id, message);
        moved = true;
      }
  }
}

describe("the one who asks", () => {
  test("reaps what all have and nobody touches", () => {
    const { asker, all } = clusterOf([]);
    asker.scrub();
    deliver(all);
    for (const node of all.values()) expect(node.dropped).toEqual([KEY]);
    for (const node of all.values()) expect(node.renewals).toBe(1);
    expect(asker.reaping.view).toEqual({ tombstones: 0, blockedBy: [] });
  });

  test("some who have nothing of it do not stand in the way", () => {
    const { asker, all } = clusterOf(
      [DELETED, EMPTY, DELETED].map((set, i) => (nodeNamed(i + 1) === first(view) ? DELETED : set)),
    );
    asker.scrub();
    deliver(all);
    expect([...all.values()].filter((node) => node.set !== EMPTY)).toEqual([]);
  });

  test("waits until it has seen the same for long enough, and leaves alone what has a value, or is another's to reap", () => {
    const node = new Node(first(view), view, DELETED, 1_000);
    node.scrub();
    expect(node.reaping.view.tombstones).toBe(1);
    node.pass(999);
    expect(node.sent).toEqual([]);
    node.pass(1);
    expect(node.sent.map(({ message }) => message.kind)).toEqual(["reap-watch-request", "reap-watch-request"]);
    const other = new Node(view.members.find((member) => member.node !== first(view))!.node, view, DELETED);
    other.scrub();
    expect(other.reaping.view.tombstones).toBe(0);
    const value = new Node(first(view), view, OLD);
    value.scrub();
    expect(value.reaping.view.tombstones).toBe(0);
  });

  test("is off by default: tombstones are counted and kept", () => {
    const node = new Node(first(view), view, DELETED, Number.POSITIVE_INFINITY);
    node.scrub();
    node.pass(1e9);
    expect([node.sent, node.reaping.view.tombstones]).toEqual([[], 1]);
  });

  test("one whose put was deleted, and of whom nobody has heard, stands in the way until somebody has", () => {
    const stranger = nodeNamed(9);
    const written = { actor: (stranger + "b".repeat(16)) as Actor, counter: 1 };
    const beyond: DvvSet = { clock: [...DELETED.clock, written], siblings: DELETED.siblings };
    const { asker, all } = clusterOf([beyond, beyond, beyond]);
    asker.scrub();
    deliver(all);
    expect(asker.dropped).toEqual([]);
    expect(asker.reaping.view).toEqual({ tombstones: 1, blockedBy: [{ node: stranger, why: "unknown" }] });
  });

  test("one who cannot be asked stands in the way, is named, and is asked again later", () => {
    const { asker, others, all } = clusterOf([]);
    asker.in.down.add(others[1]!.in.self);
    asker.scrub();
    deliver(all);
    expect(asker.reaping.view).toEqual({
      tombstones: 1,
      blockedBy: [{ node: others[1]!.in.self, why: "unreachable" }],
    });
    expect(asker.sent).toEqual([]);
    asker.in.down.clear();
    asker.pass(1_000);
    deliver(all);
    expect(asker.dropped).toEqual([KEY]);
  });

  test("one who says nothing is asked three times more", () => {
    const { asker, others } = clusterOf([]);
    asker.scrub();
    for (let i = 0; i < 4; i++) asker.pass(1_000);
    expect(asker.sent).toHaveLength(2 * 4);
    expect(asker.reaping.view.blockedBy).toEqual(others.map((node) => ({ node: node.in.self, why: "silent" })));
  });

  test.each([
    ["has the value", (node: Node) => (node.set = OLD)],
    ["has something under way", (node: Node) => (node.idle = false)],
  ])("one who %s stands in the way", (_, spoil) => {
    const { asker, others, all } = clusterOf([]);
    spoil(others[0]!);
    asker.scrub();
    deliver(all);
    expect(asker.reaping.view.blockedBy).toEqual([{ node: others[0]!.in.self, why: "not-quiet" }]);
    expect(asker.dropped).toEqual([]);
  });

  test("so does one who knows of a member that is not asked", () => {
    const { asker, others, all } = clusterOf([]);
    const more = viewOf({ nodes: 4, n: 3, r: 2, w: 2 });
    const knowing = new Node(others[0]!.in.self, more, DELETED);
    all.set(knowing.in.self, knowing);
    asker.scrub();
    deliver(all);
    expect(asker.dropped).toEqual([]);
  });
});

describe("the one who is asked", () => {
  const ask = (node: Node, request = 7): string => {
    const members = membersDigest(view);
    node.take(nodeNamed(2), { kind: "reap-watch-request", request, members, records: [record] });
    const reply = node.sent.pop()!.message as ReapWatchReply;
    expect(reply.request).toBe(request);
    return reply.quiet.length === 0 ? "" : reply.watch;
  };
  const prove = (node: Node, watch: string): readonly number[] | undefined => {
    node.take(nodeNamed(2), { kind: "reap-proof-request", request: 7, watch });
    return (node.sent.pop()?.message as ReapProofReply | undefined)?.quiet;
  };

  test("swears only when its epochs are new, and then stands by it", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    node.renewsLate = true;
    const watch = ask(node);
    expect(prove(node, watch)).toBeUndefined();
    node.watch.onRenewed();
    expect((node.sent.pop()!.message as ReapProofReply).quiet).toEqual([0]);
    node.bring(OLD);
    expect(prove(node, watch)).toEqual([0]);
    expect(node.renewals).toBe(1);
  });

  test("answers the start of the node that asked, whichever is there when it can answer", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    node.renewsLate = true;
    prove(node, ask(node));
    expect(node.in.epochOf(nodeNamed(2))).toBe(1);
    node.in.down.add(nodeNamed(2));
    node.watch.onRenewed();
    expect(node.askedBy).toEqual([1, 1]);
  });

  test("what is brought while it watches, until its epochs are new, it does not swear to", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    node.renewsLate = true;
    const watch = ask(node);
    prove(node, watch);
    node.bring(OLD);
    node.watch.onRenewed();
    expect((node.sent.pop()!.message as ReapProofReply).quiet).toEqual([]);
  });

  test("a node that has started anew knows no watch; asked once more about the same, it tells of the same", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    const watch = ask(node);
    expect(ask(node)).toBe(watch);
    const again = new Node(nodeNamed(1), view, DELETED);
    expect(prove(again, watch)).toEqual([]);
    expect(prove(again, "")).toEqual([]);
  });

  test("says nothing more to one whose link was lost: its next start has not asked", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    node.renewsLate = true;
    const watch = ask(node);
    expect(prove(node, watch)).toBeUndefined();
    node.watch.onPeerDown(nodeNamed(3));
    expect(node.watch.size).toBe(1);
    node.watch.onPeerDown(nodeNamed(2));
    node.watch.onRenewed();
    expect(node.sent).toEqual([]);
    expect(prove(node, watch)).toEqual([]);
  });

  test("watches a bounded number at a time, and forgets old ones for new", () => {
    const node = new Node(nodeNamed(1), view, DELETED);
    for (let i = 1; i <= 64; i++) expect(ask(node, i)).not.toBe("");
    expect(ask(node, 65)).toBe("");
    node.in.now += 30_000;
    expect(ask(node, 66)).not.toBe("");
    expect(node.watch.size).toBe(1);
  });
});

test("whatever the network does, a tombstone is dropped only when no node has the value and none is on its way that would be believed", () => {
  const happenings = fc.array(
    fc.tuple(
      fc.oneof(
        { weight: 12, arbitrary: fc.constant("deliver" as const) },
        { weight: 5, arbitrary: fc.constant("renew" as const) },
        { weight: 2, arbitrary: fc.constantFrom("scrub" as const, "mend" as const) },
        {
          weight: 1,
          arbitrary: fc.constantFrom("pass" as const, "bring" as const, "copy" as const, "repeat" as const),
        },
      ),
      fc.nat(1_000),
    ),
    { minLength: 20, maxLength: 120 },
  );
  let reaped = 0;
  fc.assert(
    fc.property(happenings, fc.nat(3), (steps, spoiled) => {
      const { asker, all } = clusterOf([]);
      const nodes = [...all.values()];
      // One of them may have missed the delete.
      if (spoiled < 3) nodes[spoiled]!.set = nodes[spoiled] === asker ? DELETED : OLD;
      const epochs = new Map(nodes.map((node) => [node, 0]));
      const flying: { from: NodeId; to: Node; message: ReapMessage }[] = [];
      /** Copies of the value, sent to somebody's epoch of then. */
      const values: { to: Node; epoch: number }[] = nodes.map((to) => ({ to, epoch: 0 }));
      for (const node of nodes) node.renewsLate = true;
      const post = (): void => {
        for (const node of nodes)
          for (const { to, message } of node.sent.splice(0))
            flying.push({ from: node.in.self, to: all.get(to)!, message });
      };
      let renewals = 0;
      const old = (node: Node): boolean => node.set === OLD;
      for (const [what, pick] of steps) {
        const node = nodes[pick % nodes.length]!;
        if (what === "scrub") asker.scrub();
        else if (what === "pass") asker.pass(1_000);
        else if (what === "bring" && values.length > 0) {
          const value = values[pick % values.length]!;
          if (value.epoch < epochs.get(value.to)!) continue;
          const before = value.to.set;
          value.to.bring(OLD);
          // After a drop nothing may bring it back.
          if (before === EMPTY) expect(value.to.dropped).toEqual([]);
        } else if (what === "copy" && old(node)) {
          const to = nodes[(pick >> 3) % nodes.length]!;
          values.push({ to, epoch: epochs.get(to)! });
        } else if (what === "mend" && old(node)) {
          node.watch.touched(KEY);
          node.set = DELETED;
        } else if (what === "renew" && node.renewals > 0) {
          epochs.set(node, ++renewals);
          node.watch.onRenewed();
        } else if ((what === "deliver" || what === "repeat") && flying.length > 0) {
          const i = pick % flying.length;
          const { from, to, message } = what === "repeat" ? flying[i]! : flying.splice(i, 1)[0]!;
          to.take(from, message);
        }
        post();
        if (nodes.some((each) => each.dropped.length > 0)) {
          reaped++;
          expect(nodes.filter(old)).toEqual([]);
          expect(values.filter(({ to, epoch }) => to.set === EMPTY && epoch >= epochs.get(to)!)).toEqual([]);
        }
      }
    }),
    { numRuns: 3_000, seed: 7 },
  );
  expect(reaped).toBeGreaterThan(100);
});
