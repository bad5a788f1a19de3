/** How a new owner gets its data: from whom, page by page, what becomes of it when a source falls away, and when the partition counts as held. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { positionOf } from "./address.ts";
import type { Config } from "./config.ts";
import { type DvvSet, EMPTY, equal, sync, update } from "./dvvset.ts";
import type { Effect } from "./effect.ts";
import { PairDisk } from "./exchange-pair.ts";
import { HintIndex } from "./hint-index.ts";
import type { Actor, Key, NodeId, OperationId, Partition, RequestId } from "./identifiers.ts";
import { MerkleForest, leafOf, partitionOfLeaf } from "./merkle-forest.ts";
import type { TransferPage, TransferRequest } from "./message.ts";
import { Replica } from "./replica.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { Transfer } from "./transfer.ts";
import { TransferSource } from "./transfer-source.ts";

const PARTITIONS = 8;
const SELF = nodeNamed(1);
/** What node 1 owns of a ring of four nodes with n = 3. */
const OWNED: readonly Partition[] = [0, 2, 3, 4, 6, 7];
const SOURCES = [2, 3, 4].map(nodeNamed);
const TIMEOUT_MS = 4_000;

const partitionOfKey = (key: Key): Partition => partitionOfLeaf(leafOf(positionOf(key), PARTITIONS));
const actor = "a".repeat(48) as Actor;
let operations = 0;
function put(set: DvvSet = EMPTY): DvvSet {
  const operation = (++operations).toString(16).padStart(32, "0") as OperationId;
  const version = { operation, at: operations, value: new Uint8Array(100), checksum: operations };
  return update(set, set.clock, actor, version).set;
}
const keys = Array.from({ length: 400 }, (_, i) => `carts/${i}` as Key);
const keysIn = (partition: Partition, count: number): Key[] =>
  keys.filter((key) => partitionOfKey(key) === partition).slice(0, count);

/** Nodes 2 to 4 hold everything, node 1 what `held` says. */
const viewWith = (held: ReadonlySet<Partition>, holds: (node: number, partition: Partition) => boolean = () => true) =>
  viewOf({ nodes: 4, n: 3, r: 2, w: 2, holds: (node, p) => (node === 1 ? held.has(p) : holds(node, p)) });

interface Asked extends TransferRequest {
  readonly to: NodeId;
}

/** A newcomer whose disk and sources the test plays. */
class Newcomer {
  readonly surroundings: StubSurroundings;
  readonly forest = new MerkleForest();
  readonly merged: { readonly key: Key; readonly request: RequestId }[] = [];
  readonly exchanges: { readonly peer: NodeId; readonly partition: Partition }[] = [];
  readonly told: (readonly Partition[])[] = [];
  readonly transfer: Transfer;
  /** False while no exchange can begin. */
  exchangesBegin = true;

  constructor(owed: readonly Partition[], config: Partial<Config> = {}) {
    const held = new Set(OWNED.filter((partition) => !owed.includes(partition)));
    this.surroundings = new StubSurroundings(SELF, viewWith(held), { transferTimeoutMs: TIMEOUT_MS, ...config });
    this.transfer = new Transfer(this.surroundings, this.forest, {
      merge: (key, _, request) => this.merged.push({ key, request }),
      exchange: (peer, partition) => {
        if (this.exchangesBegin) this.exchanges.push({ peer, partition });
        return this.exchangesBegin;
      },
      held: (partitions) => this.told.push(partitions),
    });
  }

  /** Pages that were asked for since this was last called. */
  asked(): Asked[] {
    return this.surroundings
      .takeSent()
      .flatMap(({ to, message }) => (message.kind === "transfer-request" ? [{ to, ...message }] : []));
  }

  /** The one page that was asked for. */
  askedOne(): Asked {
    const asked = this.asked();
    expect(asked).toHaveLength(1);
    return asked[0]!;
  }

  page({ request, partition }: Asked, of: readonly Key[], next?: string): TransferPage {
    const records = of.map((key) => ({ key, set: put() }));
    return { kind: "transfer-page", request, partition, outcome: "page", records, next };
  }

  refusal({ request, partition }: Asked): TransferPage {
    return { kind: "transfer-page", request, partition, outcome: "refused", records: [], next: undefined };
  }

  /** The oldest records that were merged are durable, or were refused. */
  complete(kind: "stored" | "refused", count = this.merged.length): void {
    for (const { key, request } of this.merged.splice(0, count)) {
      const origin = { kind: "transfer", request } as const;
      this.transfer.onCompletion(
        kind === "stored"
          ? { kind, origin, key, durability: "strict" }
          : { kind, origin, key, refusal: "storage", siblings: 0 },
      );
    }
  }

  pass(spanMs: number): void {
    for (const name of this.surroundings.pass(spanMs)) {
      if (name === "transfer") this.transfer.onTimer();
      if (name === "announce") this.transfer.onAnnounceTimer();
    }
  }

  get source(): NodeId | undefined {
    return this.transfer.progress[0]?.source;
  }
}

describe("copying", () => {
  test("is owed for what this node owns and does not hold, and for nothing else", () => {
    const newcomer = new Newcomer([2, 7]);
    expect(newcomer.transfer.owed()).toEqual([2, 7]);
    expect(new Newcomer([]).transfer.owed()).toEqual([]);
    newcomer.surroundings.ring = undefined;
    newcomer.transfer.onRing();
    expect([newcomer.transfer.owed(), newcomer.asked()]).toEqual([[], []]);
  });

  test("goes page by page, each asked for when the last one is durable, and tells when all of it is", () => {
    const newcomer = new Newcomer([0]);
    const [a, b, c] = keysIn(0, 3) as [Key, Key, Key];
    newcomer.transfer.onRing();
    const first = newcomer.askedOne();
    expect(first).toMatchObject({
      partition: 0,
      after: "",
      bytesMax: newcomer.surroundings.config.transferPageBytesMax,
    });
    newcomer.transfer.onPage(first.to, newcomer.page(first, [a, b], "later"));
    expect(newcomer.merged.map(({ key }) => key)).toEqual([a, b]);
    newcomer.complete("stored", 1);
    expect(newcomer.asked()).toEqual([]);
    newcomer.complete("stored", 1);
    const second = newcomer.askedOne();
    expect(second).toMatchObject({ to: first.to, partition: 0, after: "later" });
    newcomer.transfer.onPage(second.to, newcomer.page(second, [c]));
    newcomer.pass(0);
    expect(newcomer.told).toEqual([]);
    expect(newcomer.transfer.progress).toEqual([{ partition: 0, source: first.to, records: 3 }]);
    newcomer.complete("stored");
    newcomer.pass(0);
    expect(newcomer.told).toEqual([[0]]);
    expect(newcomer.transfer.progress).toEqual([]);
  });

  test("of an empty partition is done with its one empty page", () => {
    const newcomer = new Newcomer([0]);
    newcomer.transfer.onRing();
    const asked = newcomer.askedOne();
    newcomer.transfer.onPage(asked.to, newcomer.page(asked, []));
    newcomer.pass(0);
    expect(newcomer.told).toEqual([[0]]);
  });

  test("is of so many partitions at once, each from a source of its own turn, and the next begins when one is done", () => {
    const newcomer = new Newcomer(OWNED, { transfersInFlightMax: 4 });
    newcomer.transfer.onRing();
    const asked = newcomer.asked();
    expect(asked.map(({ partition }) => partition)).toEqual([0, 2, 3, 4]);
    expect(new Set(asked.map(({ to }) => to)).size).toBe(SOURCES.length);
    // Of those with the same sources, too.
    expect(asked[0]!.to).not.toBe(asked[3]!.to);
    const [first] = asked;
    newcomer.transfer.onPage(first!.to, newcomer.page(first!, []));
    expect(newcomer.askedOne().partition).toBe(6);
  });

  test("begins nowhere while no source answers, and by itself when one does again", () => {
    const newcomer = new Newcomer([3]);
    for (const source of SOURCES) newcomer.surroundings.down.add(source);
    newcomer.transfer.onRing();
    newcomer.pass(TIMEOUT_MS);
    expect(newcomer.asked()).toEqual([]);
    expect(newcomer.transfer.progress).toEqual([{ partition: 3, source: undefined, records: 0 }]);
    newcomer.surroundings.down.delete(nodeNamed(4));
    newcomer.pass(TIMEOUT_MS);
    expect(newcomer.askedOne().to).toBe(nodeNamed(4));
  });
});

describe("when a source does not do, another one goes on", () => {
  const ways: Readonly<Record<string, (newcomer: Newcomer, asked: Asked) => void>> = {
    "it refuses": (newcomer, asked) => newcomer.transfer.onPage(asked.to, newcomer.refusal(asked)),
    "it goes down": (newcomer, asked) => {
      newcomer.surroundings.down.add(asked.to);
      newcomer.transfer.onPeerDown(asked.to);
    },
    "it falls silent": (newcomer) => {
      newcomer.pass(TIMEOUT_MS / 2);
      newcomer.pass(TIMEOUT_MS / 2);
    },
    "a record of its page could not be stored here": (newcomer, asked) => {
      newcomer.transfer.onPage(asked.to, newcomer.page(asked, keysIn(0, 2)));
      newcomer.complete("refused", 1);
      newcomer.pass(TIMEOUT_MS / 2);
    },
    "it counts no more": (newcomer) => {
      const { source } = newcomer;
      newcomer.surroundings.ring = new Ring(viewWith(new Set(OWNED.slice(1)), (node) => nodeNamed(node) !== source));
      newcomer.transfer.onRing();
    },
  };

  test.each(Object.keys(ways))("%s", (way) => {
    const newcomer = new Newcomer([0], { transfersInFlightMax: 1 });
    newcomer.transfer.onRing();
    const first = newcomer.askedOne();
    ways[way]!(newcomer, first);
    const second = newcomer.askedOne();
    expect(second.to).not.toBe(first.to);
    expect([second.partition, second.after]).toEqual([0, ""]);
    // What the first one says now, and what was under way of its page, is heard no more.
    newcomer.transfer.onPage(first.to, newcomer.page(first, []));
    newcomer.complete("stored");
    newcomer.pass(0);
    expect([newcomer.told, newcomer.asked()]).toEqual([[], []]);
    newcomer.transfer.onPage(second.to, newcomer.page(second, []));
    newcomer.pass(0);
    expect(newcomer.told).toEqual([[0]]);
  });

  test("each is asked once before one of them is asked again, which the timer does", () => {
    const newcomer = new Newcomer([0]);
    newcomer.transfer.onRing();
    const refusing: NodeId[] = [];
    for (let asked = newcomer.asked(); asked.length > 0; asked = newcomer.asked()) {
      refusing.push(asked[0]!.to);
      newcomer.transfer.onPage(asked[0]!.to, newcomer.refusal(asked[0]!));
    }
    expect([...refusing].sort()).toEqual(SOURCES);
    newcomer.pass(TIMEOUT_MS / 2);
    expect(newcomer.askedOne().to).toBe(refusing[0]);
  });

  test("one that is back is asked again at once, also where it had failed", () => {
    const newcomer = new Newcomer([0]);
    newcomer.surroundings.down.add(nodeNamed(2)).add(nodeNamed(3));
    newcomer.transfer.onRing();
    const only = newcomer.askedOne();
    newcomer.transfer.onPage(only.to, newcomer.refusal(only));
    expect(newcomer.asked()).toEqual([]);
    newcomer.transfer.onPeerUp(only.to);
    expect(newcomer.askedOne().to).toBe(only.to);
  });

  test("one that did not see this node among the owners is asked again when the ring changes", () => {
    const newcomer = new Newcomer([0]);
    newcomer.surroundings.down.add(nodeNamed(2)).add(nodeNamed(3));
    newcomer.transfer.onRing();
    const only = newcomer.askedOne();
    newcomer.transfer.onPage(only.to, newcomer.refusal(only));
    newcomer.transfer.onRing();
    expect(newcomer.askedOne().to).toBe(only.to);
  });
});

describe("a page that was not asked for changes nothing", () => {
  test("from somebody else, of another partition, to another question, or the same one twice", () => {
    const newcomer = new Newcomer([0]);
    newcomer.transfer.onRing();
    const asked = newcomer.askedOne();
    const page = newcomer.page(asked, keysIn(0, 1));
    const other = SOURCES.find((source) => source !== asked.to)!;
    newcomer.transfer.onPage(other, page);
    newcomer.transfer.onPage(asked.to, { ...page, partition: 2 });
    newcomer.transfer.onPage(asked.to, { ...page, request: asked.request + 1 });
    expect(newcomer.merged).toEqual([]);
    newcomer.transfer.onPage(asked.to, page);
    newcomer.transfer.onPage(asked.to, page);
    expect(newcomer.merged).toHaveLength(1);
  });
});

describe("what is here already", () => {
  /** Something of the partition came in an earlier attempt. */
  function begun(): Newcomer {
    const newcomer = new Newcomer([0]);
    newcomer.forest.set(5, 77);
    newcomer.transfer.onRing();
    expect(newcomer.asked()).toEqual([]);
    return newcomer;
  }

  test("is not copied again: trees are compared", () => {
    const newcomer = begun();
    const { peer } = newcomer.exchanges[0]!;
    expect(newcomer.exchanges).toEqual([{ peer, partition: 0 }]);
    newcomer.transfer.onExchanged(
      SOURCES.find((source) => source !== peer)!,
      0,
      true,
      3,
    );
    newcomer.transfer.onExchanged(peer, 2, true, 3);
    newcomer.pass(0);
    expect(newcomer.told).toEqual([]);
    newcomer.transfer.onExchanged(peer, 0, true, 3);
    newcomer.pass(0);
    expect(newcomer.told).toEqual([[0]]);
  });

  test("is compared with the next source when an exchange fails", () => {
    const newcomer = begun();
    newcomer.transfer.onExchanged(newcomer.exchanges[0]!.peer, 0, false, 3);
    newcomer.pass(0);
    expect(newcomer.told).toEqual([]);
    expect(newcomer.exchanges).toHaveLength(2);
    expect(newcomer.exchanges[1]!.peer).not.toBe(newcomer.exchanges[0]!.peer);
    expect(newcomer.transfer.progress).toMatchObject([{ records: 3 }]);
  });

  test("is compared later when no exchange can begin now", () => {
    const newcomer = new Newcomer([0]);
    newcomer.forest.set(5, 77);
    newcomer.exchangesBegin = false;
    newcomer.transfer.onRing();
    expect(newcomer.source).toBeUndefined();
    newcomer.exchangesBegin = true;
    newcomer.pass(TIMEOUT_MS / 2);
    expect(newcomer.exchanges).toHaveLength(1);
  });

  test("a page that was broken off: the next attempt compares", () => {
    const newcomer = new Newcomer([0]);
    newcomer.transfer.onRing();
    const asked = newcomer.askedOne();
    newcomer.forest.set(5, 77);
    newcomer.surroundings.down.add(asked.to);
    newcomer.transfer.onPeerDown(asked.to);
    expect([newcomer.asked(), newcomer.exchanges.length]).toEqual([[], 1]);
  });
});

describe("telling that it is held", () => {
  const copied = (newcomer: Newcomer): void => {
    for (const asked of newcomer.asked()) newcomer.transfer.onPage(asked.to, newcomer.page(asked, []));
  };

  test("is done for several at once, and once for each", () => {
    const newcomer = new Newcomer(OWNED, { transfersInFlightMax: 4 });
    newcomer.transfer.onRing();
    copied(newcomer);
    // The other two are under way: it may wait a little for them.
    newcomer.pass(0);
    expect(newcomer.told).toEqual([]);
    newcomer.pass(100);
    expect(newcomer.told).toEqual([[0, 2, 3, 4]]);
    copied(newcomer);
    newcomer.pass(0);
    expect(newcomer.told).toEqual([
      [0, 2, 3, 4],
      [6, 7],
    ]);
    newcomer.transfer.onAnnounceTimer();
    newcomer.pass(10 * TIMEOUT_MS);
    expect(newcomer.told).toHaveLength(2);
    expect(newcomer.asked()).toEqual([]);
  });

  test("and what is held is owed no more; what is lost again is copied again", () => {
    const newcomer = new Newcomer([0]);
    newcomer.transfer.onRing();
    copied(newcomer);
    newcomer.pass(0);
    newcomer.surroundings.ring = new Ring(viewWith(new Set(OWNED)));
    newcomer.transfer.onRing();
    expect(newcomer.transfer.owed()).toEqual([]);
    newcomer.surroundings.ring = new Ring(viewWith(new Set(OWNED.slice(1))));
    newcomer.transfer.onRing();
    expect(newcomer.askedOne().partition).toBe(0);
  });

  test("is not done for what somebody else owns by then", () => {
    for (const when of ["while it is copied", "before it is told"]) {
      const newcomer = new Newcomer([0]);
      newcomer.transfer.onRing();
      const asked = newcomer.askedOne();
      const page = newcomer.page(asked, []);
      if (when !== "while it is copied") newcomer.transfer.onPage(asked.to, page);
      const { claims, ...view } = viewWith(new Set(OWNED.slice(1)));
      const others = [{ owner: nodeNamed(4), version: 2 }, ...claims.slice(1)];
      newcomer.surroundings.ring = new Ring({ ...view, claims: others });
      newcomer.transfer.onRing();
      newcomer.transfer.onPage(asked.to, page);
      newcomer.pass(TIMEOUT_MS);
      expect(newcomer.told, when).toEqual([]);
      expect(newcomer.transfer.progress, when).toEqual([]);
    }
  });
});

test("whatever fails on the way, what is told to be held is durable here, all of it, and in the end everything is", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 400 }),
      fc.constantFrom(0, 0.1, 0.3),
      (seed, count, failing) => {
        const prng = Prng.fromNumber(seed);
        let faulty = failing > 0;
        const fails = (): boolean => faulty && prng.chance(failing);

        const records = keys.slice(0, count).map((key) => [key, put()] as const);
        const surroundings = new StubSurroundings(SELF, viewWith(new Set()), {
          transferTimeoutMs: TIMEOUT_MS,
          transferPageBytesMax: 1_000,
          transfersInFlightMax: 3,
        });
        const forest = new MerkleForest();
        const disk = new PairDisk();
        const replica = new Replica(surroundings, new HintIndex(), forest);
        const sources = new Map(
          SOURCES.map((node) => {
            const own = new StubSurroundings(node, viewWith(new Set()));
            const theirs = new PairDisk();
            theirs.fill(records);
            return [node, { surroundings: own, disk: theirs, source: new TransferSource(own) }];
          }),
        );
        const missing = (partition: Partition): Key[] =>
          records.flatMap(([key, set]) => {
            const here = partitionOfKey(key) === partition ? disk.get(key) : { set };
            return here !== undefined && typeof here !== "string" && equal(sync(here.set, set), here.set) ? [] : [key];
          });
        const held = new Set<Partition>();
        const exchanges: { readonly peer: NodeId; readonly partition: Partition }[] = [];
        const transfer = new Transfer(surroundings, forest, {
          merge: (key, set, request) => replica.merge(key, set, "transfer", { kind: "transfer", request }),
          exchange: (peer, partition) => {
            if (!fails()) exchanges.push({ peer, partition });
            return exchanges.at(-1)?.partition === partition;
          },
          held: (partitions) => {
            for (const partition of partitions) {
              expect(missing(partition)).toEqual([]);
              expect(held.has(partition)).toBe(false);
              held.add(partition);
            }
            surroundings.ring = new Ring(viewWith(held));
            transfer.onRing();
          },
        });

        const performHere = (effect: Effect): void => {
          if (effect.kind === "load") replica.onLoaded(effect.ticket, fails() ? ["failed"] : disk.load(effect));
          else if (effect.kind === "store") {
            const failed = fails();
            if (!failed || prng.chance(0.5)) disk.write(effect.writes);
            if (failed) replica.onStorageFailed(effect.ticket);
            else replica.onStored(effect.ticket);
          } else if (effect.kind === "send" && effect.message.kind === "transfer-request") {
            if (!fails()) sources.get(effect.to)!.source.onRequest(SELF, effect.message);
          } else expect.unreachable(effect.kind);
        };
        const performThere = (node: NodeId, effect: Effect): void => {
          const { source, disk: theirs } = sources.get(node)!;
          if (effect.kind === "scan") {
            const { entries, done } = theirs.scan(effect);
            const unreadable = fails() ? prng.pick(entries) : undefined;
            const read = entries.map((entry) =>
              entry === unreadable ? { ...entry, record: "failed" as const } : entry,
            );
            if (fails()) source.onFailed(effect.ticket);
            else source.onScanned(effect.ticket, read, done);
          } else if (effect.kind === "send" && effect.message.kind === "transfer-page" && !fails())
            transfer.onPage(node, effect.message);
        };
        /** What the exchange of trees would do: everything, or a part of it. */
        const exchanged = ({ peer, partition }: { readonly peer: NodeId; readonly partition: Partition }): void => {
          const settles = !fails();
          const lacking = missing(partition);
          for (const [key, set] of records)
            if (lacking.includes(key) && (settles || prng.chance(0.5))) disk.replace(key, set);
          transfer.onExchanged(peer, partition, settles, lacking.length);
        };

        transfer.onRing();
        for (let turn = 0; turn < 20_000 && held.size < OWNED.length; turn++) {
          if (turn > 2_000) faulty = false;
          for (let done = surroundings.completions.shift(); done !== undefined; done = surroundings.completions.shift())
            transfer.onCompletion(done);
          const ready = [SELF, ...SOURCES].filter(
            (node) => (node === SELF ? surroundings : sources.get(node)!.surroundings).effects.length > 0,
          );
          if (ready.length > 0) {
            const node = prng.pick(ready)!;
            const effect = (node === SELF ? surroundings : sources.get(node)!.surroundings).effects.shift()!;
            if (node === SELF) performHere(effect);
            else performThere(node, effect);
          } else if (exchanges.length > 0) exchanged(exchanges.shift()!);
          else {
            const peer = prng.pick(SOURCES)!;
            if (surroundings.down.delete(peer)) transfer.onPeerUp(peer);
            else if (fails()) {
              surroundings.down.add(peer);
              transfer.onPeerDown(peer);
            }
            for (const name of surroundings.pass(500)) {
              if (name === "transfer") transfer.onTimer();
              if (name === "announce") transfer.onAnnounceTimer();
            }
          }
          expect(transfer.progress.length).toBeLessThanOrEqual(3);
        }
        expect([...held].sort((a, b) => a - b)).toEqual(OWNED);
      },
    ),
    { numRuns: 100 },
  );
});
