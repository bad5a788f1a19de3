import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import type { StoredRecord, Write } from "../core/effect.ts";
import { EventQueue } from "./event-queue.ts";
import {
  FLUSHED_AFTER_MS,
  type StorageAnswer,
  type StorageProfile,
  VirtualStorage,
  calmStorage,
} from "./virtual-storage.ts";

const record = (text: string): StoredRecord => ({
  set: { clock: [], siblings: [] },
  minted: { actor: "", start: text } as never,
});
const nameOf = (stored: StoredRecord | undefined): string | undefined => stored?.minted?.start;

function disk(profile: Partial<StorageProfile> = {}, seed = 1) {
  const queue = new EventQueue();
  const answers: StorageAnswer[] = [];
  const applied: string[] = [];
  let now = 0;
  const storage = new VirtualStorage(
    Prng.fromNumber(seed),
    { ...calmStorage, ...profile },
    {
      get now() {
        return now;
      },
      schedule: (delayMs, run) => queue.push(now + delayMs, run),
      answer: (answer) => answers.push(answer),
      applied: (_store, address, before, after) =>
        applied.push(`${address}: ${nameOf(before ?? undefined) ?? "-"} to ${nameOf(after ?? undefined) ?? "-"}`),
    },
  );
  const run = (until = 1_000_000): StorageAnswer[] => {
    while ((queue.nextTime ?? Infinity) <= until) {
      const next = queue.pop()!;
      now = next.time;
      next.run();
    }
    return answers.splice(0);
  };
  const write = (ticket: number, address: string, text: string | null): void =>
    storage.commit(ticket, [{ store: "records", address, record: text === null ? null : record(text) }]);
  return { storage, run, write, applied };
}

describe("commits", () => {
  test("are acknowledged in their order, each with its changes on disk", () => {
    const { storage, run, write, applied } = disk({ commitMs: { min: 1, max: 50 } });
    for (let i = 0; i < 20; i++) write(i, "x", `${i}`);
    expect(storage.get("records", "x")).toBeUndefined();
    expect(run().map((answer) => answer.ticket)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(nameOf(storage.get("records", "x"))).toBe("19");
    expect(applied[19]).toBe("x: 18 to 19");
    write(99, "x", null);
    run();
    expect(storage.get("records", "x")).toBeUndefined();
  });

  test("of a slow disk are done in its usual time when it recovers, in their order, whether it was slow until then or not", () => {
    for (const before of [500, 1]) {
      const { storage, run, write } = disk({ commitMs: { min: 1, max: 50 } });
      storage.slow(500);
      for (let i = 0; i < 10; i++) write(i, `${i}`, "v");
      storage.slow(before);
      expect(run(60).length).toBeLessThan(10);
      for (let i = 10; i < 20; i++) write(i, `${i}`, "v");
      storage.recover();
      const done = run(120).map((answer) => answer.ticket);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(done.at(-1)).toBe(19);
      expect(run()).toEqual([]);
    }
  });

  test("that a crash meets are kept as a prefix and never acknowledged", () => {
    const kept = new Set<number>();
    for (let seed = 1; seed <= 60; seed++) {
      const { storage, run, write } = disk({ vanishProbability: 0.5 }, seed);
      for (let i = 0; i < 4; i++) write(i, `${i}`, "v");
      storage.crash();
      expect(run()).toEqual([]);
      const there = [0, 1, 2, 3].map((i) => storage.get("records", `${i}`) !== undefined);
      const count = there.indexOf(false) < 0 ? 4 : there.indexOf(false);
      expect(there).toEqual([0, 1, 2, 3].map((i) => i < count));
      kept.add(count);
    }
    expect(kept.size).toBeGreaterThan(2);
  });

  test("all vanish when the profile says so, and an acknowledged one never does", () => {
    const { storage, run, write } = disk();
    write(1, "old", "v");
    run();
    write(2, "new", "v");
    storage.crash();
    run();
    expect(storage.get("records", "old")).toBeDefined();
    expect(storage.get("records", "new")).toBeUndefined();
  });

  test("fail with and without being applied", () => {
    for (const failedButAppliedProbability of [0, 1]) {
      const { storage, run, write } = disk({ commitFailureProbability: 1, failedButAppliedProbability });
      write(1, "x", "v");
      expect(run()).toMatchObject([{ kind: "storage-failed", ticket: 1 }]);
      expect(storage.get("records", "x") !== undefined).toBe(failedButAppliedProbability === 1);
    }
  });

  test("that would put something on a full disk fail; removals and the node's own state go through", () => {
    const { storage, run, write } = disk();
    write(1, "x", "v");
    run();
    storage.full = true;
    write(2, "y", "w");
    write(3, "x", null);
    storage.commit(4, [{ store: "meta", meta: { incarnation: 2, view: undefined, unopened: [] } }]);
    expect(run().map((answer) => answer.kind)).toEqual(["storage-failed", "stored", "stored"]);
    expect([storage.get("records", "x"), storage.get("records", "y")]).toEqual([undefined, undefined]);
    storage.full = false;
    write(5, "y", "w");
    expect(run()).toMatchObject([{ kind: "stored" }]);
  });

  test("and reads of a closed disk fail until it is open again", () => {
    const { storage, run, write } = disk();
    write(1, "x", "v");
    run();
    storage.closed = true;
    write(2, "x", null);
    storage.load(3, [{ store: "records", address: "x" }]);
    storage.scan(4, { store: "records", after: "", before: "z", countMax: 1, bytesMax: 1 });
    const answers = run().sort((a, b) => a.ticket - b.ticket);
    expect(answers).toMatchObject([
      { kind: "storage-failed", ticket: 2 },
      { kind: "loaded", records: ["failed"] },
      { kind: "storage-failed", ticket: 4 },
    ]);
    storage.closed = false;
    expect(nameOf(storage.get("records", "x"))).toBe("v");
  });

  test("keep the meta record as the last one said", () => {
    const { storage, run } = disk();
    storage.commit(1, [{ store: "meta", meta: { incarnation: 4, view: undefined, unopened: [] } }]);
    expect(storage.meta).toBeUndefined();
    run();
    expect(storage.meta?.incarnation).toBe(4);
  });
});

describe("reads", () => {
  test("see what was acknowledged before; failures are failures", () => {
    for (const [profile, expected] of [
      [{}, "v"],
      [{ readFailureProbability: 1 }, "failed"],
    ] as const) {
      const { storage, run, write } = disk(profile);
      write(1, "x", "v");
      run();
      storage.load(2, [{ store: "records", address: "x" }]);
      const answer = run()[0];
      const got = answer?.kind === "loaded" ? answer.records[0] : "no answer";
      expect(typeof got === "object" ? nameOf(got) : got).toBe(expected);
    }
  });

  test("of ranges wait for the commits before them", () => {
    const { storage, run, write } = disk({ commitMs: { min: 100, max: 100 }, readMs: { min: 1, max: 1 } });
    write(1, "x", "v");
    storage.scan(2, { store: "records", after: "", before: "z", countMax: 9, bytesMax: 1_000 });
    expect(run()).toMatchObject([
      { kind: "stored", ticket: 1 },
      { kind: "scanned", ticket: 2, entries: [{ address: "x" }] },
    ]);
  });

  test("asked for before a crash are never answered", () => {
    const { storage, run } = disk();
    storage.load(1, [{ store: "records", address: "x" }]);
    storage.scan(2, { store: "records", after: "", before: "z", countMax: 1, bytesMax: 1 });
    storage.crash();
    expect(run()).toEqual([]);
  });

  test("scans go in order between their bounds, at least one at a time", () => {
    const { storage, run, write } = disk();
    ["d", "b", "a", "c", "e"].forEach((address, i) => write(i, address, address));
    run();
    const page = (after: string, countMax: number, bytesMax = 1_000_000) => {
      storage.scan(9, { store: "records", after, before: "e", countMax, bytesMax });
      const answer = run()[0];
      return answer?.kind === "scanned" ? [...answer.entries.map((entry) => entry.address), answer.done] : answer;
    };
    expect(page("a", 10)).toEqual(["b", "c", "d", true]);
    expect(page("a", 2)).toEqual(["b", "c", false]);
    expect(page("c", 1)).toEqual(["d", true]);
    expect(page("", 10, 0)).toEqual(["a", false]);
    expect(page("d", 10)).toEqual([true]);
  });
});

describe("a disk that lies", () => {
  const read = (storage: VirtualStorage, run: () => StorageAnswer[]): unknown => {
    storage.load(9, [{ store: "records", address: "x" }]);
    const answer = run()[0];
    const got = answer?.kind === "loaded" ? answer.records[0] : "no answer";
    return typeof got === "object" ? nameOf(got) : got;
  };

  test("has a damaged record until it is written anew, and never shows it as durable", () => {
    const { storage, run, write, applied } = disk();
    write(1, "x", "v");
    run();
    storage.damage("records", "x");
    expect(read(storage, run)).toBe("damaged");
    expect(storage.get("records", "x")).toBeUndefined();
    write(2, "x", "w");
    run();
    expect(read(storage, run)).toBe("w");
    expect(applied).toEqual(["x: - to v", "x: - to w"]);
    storage.damage("records", "nothing");
    expect(storage.count("records")).toBe(1);
  });

  test("loses a record as if it had never been there", () => {
    const { storage, run, write } = disk();
    write(1, "x", "v");
    run();
    storage.lose("records", "x");
    expect(read(storage, run)).toBeUndefined();
  });

  test("goes back to an earlier picture of itself", () => {
    const { storage, run, write } = disk();
    write(1, "x", "old");
    storage.commit(2, [{ store: "meta", meta: { incarnation: 1, view: undefined, unopened: [] } }]);
    run();
    const picture = storage.picture();
    write(3, "x", "new");
    write(4, "y", "new");
    storage.commit(5, [{ store: "meta", meta: { incarnation: 2, view: undefined, unopened: [] } }]);
    run();
    storage.damage("records", "x");
    storage.crash();
    storage.goBackTo(picture);
    expect(read(storage, run)).toBe("old");
    expect(storage.get("records", "y")).toBeUndefined();
    expect(storage.meta?.incarnation).toBe(1);
  });
});

describe("a power failure", () => {
  const keep = (text: string): Write => ({ store: "records", address: text[0]!, record: record(text) });
  const leaf = (digest: number): Write => ({ store: "leaves", leaf: 3, change: "add", digest });

  test("takes what is not flushed, the latest first, sums of leaves with it, and a crash alone takes nothing", () => {
    const { storage, run } = disk();
    storage.commit(1, [keep("a1"), leaf(10)], "strict");
    storage.commit(2, [keep("a2"), leaf(5)]);
    storage.commit(3, [keep("b1"), { store: "records", address: "a", record: null }, leaf(1)]);
    run();
    storage.crash();
    expect([nameOf(storage.get("records", "b")), storage.leaf(3)]).toEqual(["b1", 16]);
    expect(nameOf(storage.flushed("records", "a"))).toBe("a1");
    expect(storage.flushed("records", "b")).toBeUndefined();
    expect(storage.losePower(0.5)).toBe(1);
    expect([nameOf(storage.get("records", "a")), storage.get("records", "b"), storage.leaf(3)]).toEqual([
      "a2",
      undefined,
      15,
    ]);
    // What it has kept is there for good.
    expect(storage.losePower(0)).toBe(0);
  });

  test("takes nothing that came before a strict commit", () => {
    const { storage, run } = disk();
    storage.commit(1, [keep("a1")]);
    storage.commit(2, [keep("b1")], "strict");
    run();
    storage.commit(3, [keep("a2")]);
    run();
    expect(storage.losePower(0)).toBe(1);
    expect([storage.get("records", "a"), storage.get("records", "b")].map(nameOf)).toEqual(["a1", "b1"]);
  });

  test("takes nothing that is old", () => {
    const { storage, run, write } = disk();
    write(1, "a", "old");
    run();
    write(2, "b", "new");
    storage.crash();
    const later = disk({ commitMs: { min: FLUSHED_AFTER_MS + 1, max: FLUSHED_AFTER_MS + 1 } });
    later.write(1, "a", "old");
    later.run();
    later.write(2, "b", "new");
    later.run();
    expect(nameOf(later.storage.flushed("records", "a"))).toBe("old");
    expect(later.storage.losePower(0)).toBe(1);
    expect(nameOf(later.storage.get("records", "a"))).toBe("old");
  });

  test("leaves what it says it would leave, whatever was written how", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: fc.constantFrom("a", "b", "c"), gone: fc.boolean(), strict: fc.boolean() }), {
          maxLength: 30,
        }),
        (commits) => {
          const { storage, run } = disk();
          commits.forEach(({ name, gone, strict }, i) => {
            const kept = gone ? null : record(`${name}${i}`);
            storage.commit(i, [{ store: "records", address: name, record: kept }], strict ? "strict" : "relaxed");
          });
          run();
          const flushed = commits.findLastIndex(({ strict }) => strict);
          const naive = (name: string) => {
            const at = commits.slice(0, flushed + 1).findLastIndex((commit) => commit.name === name);
            return at < 0 || commits[at]!.gone ? undefined : `${name}${at}`;
          };
          for (const name of ["a", "b", "c"]) expect(nameOf(storage.flushed("records", name))).toBe(naive(name));
          storage.losePower(0);
          for (const name of ["a", "b", "c"]) expect(nameOf(storage.get("records", name))).toBe(naive(name));
        },
      ),
    );
  });
});

describe("one arm", () => {
  const tickets = (answers: readonly StorageAnswer[]): number[] => answers.map(({ ticket }) => ticket);
  const arm = () => disk({ armMs: () => 10 });

  test("does one thing after the other, reads as well as commits", () => {
    const { storage, run, write } = arm();
    storage.load(1, [{ store: "records", address: "x" }]);
    write(2, "x", "v");
    storage.load(3, [{ store: "records", address: "x" }]);
    expect(tickets(run(9))).toEqual([]);
    expect(tickets(run(19))).toEqual([1]);
    expect(tickets(run(29))).toEqual([2]);
    expect(tickets(run(30))).toEqual([3]);
  });

  test("commits that wait together share a turn, those that come during it wait for the next", () => {
    const { storage, run, write } = arm();
    storage.load(1, [{ store: "records", address: "x" }]);
    for (let ticket = 2; ticket < 6; ticket++) write(ticket, "x", `${ticket}`);
    expect(tickets(run(10))).toEqual([1]);
    expect(nameOf(storage.get("records", "x"))).toBeUndefined();
    write(6, "x", "6");
    expect(tickets(run(20))).toEqual([2, 3, 4, 5]);
    expect(nameOf(storage.get("records", "x"))).toBe("5");
    expect(tickets(run(30))).toEqual([6]);
  });

  test("is free again after a crash, and when the disk recovers; a slow one takes longer turns", () => {
    for (const begin of ["crash", "recover"] as const) {
      const { storage, run } = arm();
      storage.slow(100);
      storage.load(1, [{ store: "records", address: "x" }]);
      expect(run(500)).toEqual([]);
      storage.slow(1);
      storage[begin]();
      storage.load(2, [{ store: "records", address: "x" }]);
      expect(tickets(run(510))).toEqual([2]);
    }
  });
});
