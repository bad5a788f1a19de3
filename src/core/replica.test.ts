/** The replica against a disk that answers late, fails and forgets: acknowledgements, the actor rule, hints. */

import { describe, expect, test } from "vitest";
import type { Config } from "./config.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { StoredRecord } from "./effect.ts";
import { HintIndex } from "./hint-index.ts";
import { MerkleForest } from "./merkle-forest.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import type { ClientWrite } from "./message.ts";
import { Replica } from "./replica.ts";
import type { Origin } from "./surroundings.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const self = nodeNamed(1);
const other = nodeNamed(2);
const third = nodeNamed(3);
const key = "carts/ada" as Key;
const origin = (request: number): Origin => ({ kind: "put", request });
const operation = (n: number) => n.toString(16).padStart(32, "0") as OperationId;
const write = (n: number, change: Partial<ClientWrite> = {}): ClientWrite => ({
  value: new Uint8Array([n]),
  context: [],
  operation: operation(n),
  at: n,
  w: undefined,
  policy: "siblings",
  ...change,
});
const foreign = (n: number): DvvSet =>
  update(EMPTY, [], "f".repeat(48) as Actor, {
    operation: operation(n),
    at: n,
    value: new Uint8Array([n]),
    checksum: 0,
  }).set;

/** A replica on a disk whose every answer the test gives. */
class Fixture extends StubSurroundings {
  readonly index = new HintIndex();
  readonly disk = new Map<string, StoredRecord>();
  replica = this.#make();

  constructor(config: Partial<Config> = {}) {
    super(self, undefined, config);
  }

  #make(): Replica {
    return new Replica(this, this.index, new MerkleForest());
  }

  restart(): void {
    this.effects.length = 0;
    this.completions.length = 0;
    this.replica = this.#make();
  }

  /** Answers the oldest effect: well, or not. */
  answer(how: "well" | "lost" | "failed but written" = "well"): void {
    const effect = this.effects.shift();
    if (effect?.kind === "load") {
      const records = effect.reads.map(({ store, address }) => this.disk.get(`${store} ${address}`));
      this.replica.onLoaded(effect.ticket, how === "well" ? records : records.map(() => "failed"));
    } else if (effect?.kind === "store") {
      if (how !== "lost")
        for (const item of effect.writes) {
          if (item.store === "meta" || item.store === "leaves") continue;
          if (item.record === null) this.disk.delete(`${item.store} ${item.address}`);
          else this.disk.set(`${item.store} ${item.address}`, item.record);
        }
      if (how === "well") this.replica.onStored(effect.ticket);
      else this.replica.onStorageFailed(effect.ticket);
    } else throw new Error("nothing to answer");
  }

  settle(): void {
    while (this.effects.length > 0) this.answer();
  }

  take(): string[] {
    return this.completions
      .splice(0)
      .map((c) => `${c.kind}${c.kind === "read" ? `:${c.outcome}` : c.kind === "refused" ? `:${c.refusal}` : ""}`);
  }

  minted(): { actor: Actor; counter: number; fresh: boolean }[] {
    return this.notes.flatMap((note) => (note.what === "minted" ? [note] : []));
  }
}

describe("acknowledgements", () => {
  test("a minted dot shows at once and is acknowledged only when its store is durable", () => {
    const f = new Fixture();
    f.replica.mint(key, write(1), 0, "record", origin(1));
    expect(f.take()).toEqual([]);
    f.answer();
    expect(f.take()).toEqual(["minted"]);
    f.replica.read(key, origin(2));
    expect(f.take()).toEqual(["read:found"]);
    f.answer();
    expect(f.take()).toEqual(["stored"]);
  });

  test("a merge that changes nothing waits for what it relies on", () => {
    const f = new Fixture();
    f.replica.merge(key, foreign(1), "write", origin(1));
    f.answer();
    f.replica.merge(key, foreign(1), "repair", origin(2));
    expect(f.take()).toEqual([]);
    f.answer();
    expect(f.take()).toEqual(["stored", "stored"]);
    f.replica.merge(key, foreign(1), "repair", origin(3));
    expect(f.take()).toEqual(["stored"]);
  });

  test("when the store fails, everybody who relied on it is refused, and the disk is asked anew", () => {
    const f = new Fixture();
    f.replica.merge(key, foreign(1), "write", origin(1));
    f.answer();
    f.replica.merge(key, foreign(1), "repair", origin(2));
    f.answer("lost");
    expect(f.take()).toEqual(["refused:storage", "refused:storage"]);
    f.replica.read(key, origin(3));
    expect(f.effects[0]).toMatchObject({ kind: "load" });
    f.answer();
    expect(f.take()).toEqual(["read:missing"]);
  });

  test("a failed store that a later one replaces whole costs only its own acknowledgement", () => {
    const f = new Fixture();
    f.replica.mint(key, write(1), 0, "record", origin(1));
    f.answer();
    f.replica.mint(key, write(2), 0, "record", origin(2));
    f.take();
    f.answer("lost");
    expect(f.take()).toEqual(["refused:storage"]);
    f.answer();
    expect(f.take()).toEqual(["stored"]);
    expect([...f.disk.values()][0]!.set.siblings).toHaveLength(2);
  });

  test("a failed store of the record is not made good by a later store of a hint of the same key", () => {
    const f = new Fixture();
    f.replica.merge(key, foreign(1), "write", origin(1));
    f.answer();
    f.replica.keepHint(key, other, foreign(2), origin(2));
    f.answer("lost");
    f.take();
    f.replica.merge(key, foreign(1), "write", origin(3));
    expect(f.take()).toEqual([]);
    f.settle();
    expect(f.take().sort()).toEqual(["stored", "stored"]);
    expect([...f.disk.keys()].filter((address) => address.startsWith("records"))).toHaveLength(1);
  });

  test("a read that the disk does not answer is failed, never missing, and the next one asks again", () => {
    const f = new Fixture();
    f.replica.read(key, origin(1));
    f.replica.merge(key, foreign(1), "write", origin(2));
    f.answer("lost");
    expect(f.take()).toEqual(["read:failed", "refused:storage"]);
    f.replica.read(key, origin(3));
    f.answer();
    expect(f.take()).toEqual(["read:missing"]);
  });
});

describe("actors", () => {
  test("one actor counts on while the memory of the key is unbroken, whoever else writes meanwhile", () => {
    const f = new Fixture();
    for (const n of [1, 2]) f.replica.mint(key, write(n), 0, "record", origin(n));
    f.settle();
    f.replica.merge(key, foreign(9), "write", origin(3));
    f.replica.mint(key, write(4), 0, "record", origin(4));
    f.settle();
    expect(f.minted().map(({ counter, fresh }) => `${counter} ${fresh}`)).toEqual(["1 true", "2 false", "3 false"]);
  });

  test("a fresh one after a restart", () => {
    const f = new Fixture();
    f.replica.mint(key, write(1), 0, "record", origin(1));
    f.settle();
    f.restart();
    f.replica.mint(key, write(2), 0, "record", origin(2));
    f.settle();
    expect(f.minted().map(({ counter, fresh }) => `${counter} ${fresh}`)).toEqual(["1 true", "1 true"]);
  });

  test.each(["lost", "failed but written"] as const)("a fresh one for every key after a failed store (%s)", (how) => {
    const f = new Fixture();
    const second = "carts/bob" as Key;
    for (const k of [key, second]) f.replica.mint(k, write(1), 0, "record", origin(1));
    f.settle();
    f.replica.mint(key, write(2), 0, "record", origin(2));
    f.answer(how);
    f.replica.mint(key, write(3), 0, "record", origin(3));
    f.replica.mint(second, write(3), 0, "record", origin(4));
    f.settle();
    const actors = f.minted();
    expect(actors.map(({ fresh }) => fresh)).toEqual([true, true, false, true, true].slice(0, actors.length));
    expect(new Set(actors.map(({ actor, counter }) => `${actor} ${counter}`)).size).toBe(actors.length);
  });

  test("a fresh one when the record was dropped, when a context claims more than we know, and for each hint", () => {
    const f = new Fixture();
    f.replica.mint(key, write(1), 0, "record", origin(1));
    f.settle();
    const first = f.minted()[0]!;
    f.replica.dropRecord(key, [...f.disk.values()][0]!.set);
    f.settle();
    expect(f.disk.size).toBe(0);
    f.replica.mint(key, write(2), 0, "record", origin(2));
    f.settle();
    const mine = f.minted()[1]!;
    expect(mine.actor).not.toBe(first.actor);
    f.replica.mint(key, write(3, { context: [{ actor: mine.actor, counter: 7 }] }), 0, "record", origin(3));
    f.settle();
    expect(f.minted()[2]!.actor).not.toBe(mine.actor);
    f.replica.mint(key, write(4), 0, other, origin(4));
    f.settle();
    f.replica.mint(key, write(5), 0, third, origin(5));
    f.settle();
    expect(new Set(f.minted().map(({ actor }) => actor)).size).toBe(5);
  });
});

describe("client writes", () => {
  test("an operation that is here already mints nothing", () => {
    const f = new Fixture();
    f.replica.mint(key, write(1), 0, "record", origin(1));
    f.replica.mint(key, write(1), 0, "record", origin(2));
    f.settle();
    expect(f.take()).toEqual(["minted", "minted", "stored", "stored"]);
    expect(f.minted()).toHaveLength(1);
  });

  test("the 101st sibling is refused, and repair is not", () => {
    const f = new Fixture();
    for (let n = 1; n <= 101; n++) f.replica.mint(key, write(n), 0, "record", origin(n));
    f.settle();
    expect(f.take().filter((kind) => kind.startsWith("refused"))).toEqual(["refused:too-many-siblings"]);
    f.replica.merge(key, foreign(200), "repair", origin(200));
    f.settle();
    expect([...f.disk.values()][0]!.set.siblings).toHaveLength(101);
  });

  test("the 25th sibling is noted, the 24th is not, and the 100th is still taken", () => {
    const f = new Fixture();
    const warned = () => f.notes.flatMap((note) => (note.what === "many-siblings" ? [note.siblings] : []));
    for (let n = 1; n <= 24; n++) f.replica.mint(key, write(n), 0, "record", origin(n));
    f.settle();
    expect(warned()).toEqual([]);
    for (let n = 25; n <= 100; n++) f.replica.mint(key, write(n), 0, "record", origin(n));
    f.settle();
    expect(warned()).toEqual(Array.from({ length: 76 }, (_, i) => i + 25));
    expect([...f.disk.values()][0]!.set.siblings).toHaveLength(100);
    expect(f.take().filter((kind) => kind.startsWith("refused"))).toEqual([]);
  });

  test("the 64th entry of a clock is noted, the 63rd is not, and none is ever cut", () => {
    const f = new Fixture();
    const warned = () => f.notes.flatMap((note) => (note.what === "long-clock" ? [note.entries] : []));
    for (let n = 1; n <= 65; n++) {
      const seen = [...f.disk.values()][0]?.set.clock ?? [];
      f.restart();
      f.replica.mint(key, write(n, { context: seen }), 0, "record", origin(n));
      f.settle();
      expect([...f.disk.values()][0]!.set.clock).toHaveLength(n);
      expect(warned()).toEqual([64, 65].filter((entries) => entries <= n));
    }
    expect([...f.disk.values()][0]!.set.siblings).toHaveLength(1);
  });

  test("last write wins by wall clock, blind writes included", () => {
    const f = new Fixture();
    for (const at of [5, 9, 7]) f.replica.mint(key, write(at, { policy: "last-write-wins" }), 0, "record", origin(at));
    f.settle();
    expect([...f.disk.values()][0]!.set.siblings.map((sibling) => sibling.at)).toEqual([9]);
  });
});

describe("hints", () => {
  test("a hint is not kept by one who has left: nobody would look for it there", () => {
    const view = viewOf({ nodes: 3, n: 3, r: 2, w: 2 });
    const departed = (standing: "leaving" | "left" | "removed") =>
      new Ring({
        ...view,
        members: view.members.map((member) =>
          member.node === self ? { ...member, departure: { standing, by: other, at: 1 } } : member,
        ),
      });
    for (const standing of ["leaving", "left", "removed"] as const) {
      const f = new Fixture();
      f.replica.keepHint(key, other, foreign(1), origin(1));
      f.settle();
      expect(f.take()).toEqual(["stored"]);
      f.ring = departed(standing);
      const isKept = standing === "leaving";
      f.replica.keepHint(key, third, foreign(2), origin(2));
      f.replica.keepHint(key, other, foreign(2), origin(3));
      f.replica.mint(key, write(4), 0, third, origin(4));
      f.settle();
      expect(f.take().filter((kind) => kind !== "minted")).toEqual(Array(3).fill(isKept ? "stored" : "refused:moved"));
      // It goes between the question and the answer of the disk.
      const fresh = new Fixture();
      fresh.replica.keepHint(key, other, foreign(1), origin(1));
      fresh.ring = departed(standing);
      fresh.settle();
      expect(fresh.take()).toEqual([isKept ? "stored" : "refused:moved"]);
    }
  });

  test("a key is its record joined with its hints, over a restart too", () => {
    const f = new Fixture();
    f.replica.keepHint(key, other, foreign(1), origin(1));
    f.replica.mint(key, write(2), 0, "record", origin(2));
    f.settle();
    f.restart();
    f.replica.read(key, origin(3));
    f.settle();
    const read = f.completions.find((completion) => completion.kind === "read");
    expect(read?.kind === "read" ? read.set.siblings.map((sibling) => sibling.at) : []).toEqual([1, 2]);
  });

  test("a hint that changed since it was sent stays", () => {
    const f = new Fixture();
    f.replica.keepHint(key, other, foreign(1), origin(1));
    f.replica.mint(key, write(2), 0, other, origin(2));
    f.settle();
    f.replica.dropHint(key, other, foreign(1));
    f.settle();
    expect(f.index.count(other)).toBe(1);
    f.replica.dropHint(key, other, [...f.disk.values()][0]!.set);
    f.settle();
    expect(f.index.size).toBe(0);
    expect(f.disk.size).toBe(0);
  });

  test("a hint is known until its removal is durable, though an earlier store of it ends meanwhile", () => {
    const f = new Fixture();
    f.replica.keepHint(key, other, foreign(1), origin(1));
    f.answer();
    // It is delivered while it is still on its way to the disk.
    f.replica.dropHint(key, other, foreign(1));
    f.answer();
    expect(f.take()).toEqual(["stored"]);
    expect(f.index.has(key, other)).toBe(true);
    f.answer("lost");
    expect(f.index.targets()).toEqual([other]);
    // It is still there, to be looked at again: what comes to it is merged with it.
    f.replica.readHint(key, other, origin(2));
    f.settle();
    expect(f.completions).toMatchObject([{ kind: "read", outcome: "found", set: foreign(1) }]);
    expect(f.index.size).toBe(1);
  });

  test("beyond hintsMax a hint is refused by name, and those kept may still grow", () => {
    const f = new Fixture({ hintsMax: 1 });
    f.replica.keepHint(key, other, foreign(1), origin(1));
    f.replica.keepHint(key, third, foreign(1), origin(2));
    f.replica.keepHint(key, other, foreign(2), origin(3));
    f.settle();
    expect(f.take()).toEqual(["refused:hints-full", "stored", "stored"]);
  });
});

test("memory is bounded, and what was forgotten is read from the disk again", () => {
  const f = new Fixture({ cachedRecordsMax: 10 });
  for (let n = 0; n < 100; n++) {
    f.replica.mint(`k${n}` as Key, write(n), 0, "record", origin(n));
    f.settle();
  }
  expect(f.replica.sizes.keys).toBeLessThanOrEqual(10);
  f.take();
  f.replica.read("k3" as Key, origin(1));
  expect(f.effects).toHaveLength(1);
  f.settle();
  expect(f.take()).toEqual(["read:found"]);
});
