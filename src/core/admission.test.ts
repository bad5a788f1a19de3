/** Admission control on a clock of the test's: what it watches, how the share moves, that nobody starves and that nothing passes it. */

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { Admission, IDLE_MS } from "./admission.ts";
import type { Config } from "./config.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";
import type { BackgroundWork } from "./surroundings.ts";

const JUDGE_MS = 2_000;

class Fixture {
  readonly in: StubSurroundings;
  readonly resumed: BackgroundWork[] = [];
  /** What each kind does when its turn comes. */
  onTurn: (work: BackgroundWork) => void = () => undefined;
  readonly admission: Admission;

  constructor(config: Partial<Config> = {}) {
    this.in = new StubSurroundings(nodeNamed(1), undefined, {
      foregroundTargetMs: 50,
      backgroundPerSecond: 100,
      backgroundPerSecondMin: 10,
      ...config,
    });
    this.in.now = 1_000_000;
    this.admission = new Admission(this.in, {
      resume: (work) => {
        this.resumed.push(work);
        this.onTurn(work);
      },
    });
  }

  /** Lets time pass in small steps, with a caller in each if `busy`, each of whose requests takes `tookMs`. */
  pass(ms: number, busy: boolean, tookMs = 1): void {
    for (let left = ms; left > 0; left -= 10) {
      if (busy) {
        this.admission.onForeground();
        this.admission.onTook("requests", tookMs);
      }
      for (const name of this.in.pass(Math.min(10, left))) if (name === "admission") this.admission.onTimer();
    }
  }

  get shares(): [number, string][] {
    return this.in.notes.flatMap((note) =>
      note.what === "admission" ? [[note.share, note.why] as [number, string]] : [],
    );
  }
}

let f: Fixture;
beforeEach(() => {
  f = new Fixture();
});

describe("the share", () => {
  test("is of no account while nobody asks for anything: everybody works at once", () => {
    for (let i = 0; i < 10_000; i++) expect(f.admission.mayWork("transfer")).toBe(true);
    expect(f.admission.status).toMatchObject({ why: "idle", perSecond: Infinity, granted: 0, grantedIdle: 10_000 });
  });

  test("is halved as long as requests are late, down to the least, and grows in steps when they are not", () => {
    for (let i = 0; i < 6; i++) {
      f.pass(JUDGE_MS, true, 80);
      f.admission.mayWork("scrub");
    }
    expect(f.shares).toEqual([
      [0.5, "requests"],
      [0.25, "requests"],
      [0.125, "requests"],
      [0.1, "requests"],
    ]);
    expect(f.admission.status).toMatchObject({ share: 0.1, perSecond: 10, why: "requests" });
    f.in.notes.length = 0;
    for (let i = 0; i < 12; i++) {
      f.pass(JUDGE_MS, true, 1);
      f.admission.mayWork("scrub");
    }
    expect(f.shares.map(([share]) => Math.round(share * 10))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(f.admission.status).toMatchObject({ why: "steady", perSecond: 100 });
  });

  test("goes by the 99th percentile: one late request in two hundred is none", () => {
    for (let i = 0; i < 200; i++) f.pass(10, true, i === 77 ? 5_000 : 1);
    f.admission.mayWork("scrub");
    expect(f.shares).toEqual([]);
  });

  test("goes by the last minute", () => {
    f.pass(1_000, true, 80);
    f.pass(70_000, true, 1);
    f.admission.mayWork("scrub");
    expect(f.shares).toEqual([]);
  });

  test.each(["disk", "queue"] as const)("gives way to a slow %s, too", (signal) => {
    f.pass(500, true);
    for (let i = 0; i < 30; i++) f.admission.onTook(signal, 60);
    f.admission.mayWork("hints");
    expect(f.shares).toEqual([[0.5, signal]]);
  });

  test("gives way to a disk that fails, once for each failure", () => {
    f.pass(500, true);
    f.admission.onDiskAsked(7);
    f.admission.onDiskAnswered(7, true);
    f.admission.mayWork("hints");
    f.pass(JUDGE_MS, true);
    f.admission.mayWork("hints");
    expect(f.shares).toEqual([
      [0.5, "failures"],
      [0.6, "steady"],
    ]);
  });

  test("times the disk from asking to answering", () => {
    f.pass(500, true);
    for (let ticket = 0; ticket < 30; ticket++) f.admission.onDiskAsked(ticket);
    f.pass(100, true);
    for (let ticket = 0; ticket < 30; ticket++) f.admission.onDiskAnswered(ticket, false);
    f.admission.mayWork("hints");
    expect(f.shares).toEqual([[0.5, "disk"]]);
  });

  test("without a target nothing is watched and nothing waits", () => {
    f = new Fixture({ foregroundTargetMs: Infinity });
    const before = JSON.stringify(f.admission.memory);
    f.pass(5_000, true, 10_000);
    f.admission.onDiskAsked(1);
    expect(JSON.stringify(f.admission.memory)).toBe(before);
    for (let i = 0; i < 1_000; i++) expect(f.admission.mayWork("exchange")).toBe(true);
  });
});

describe("slices", () => {
  test("who is refused is called when there is one, and then gets it", () => {
    f.pass(500, true);
    while (f.admission.mayWork("transfer"));
    let got = 0;
    f.onTurn = (work) => {
      if (f.admission.mayWork(work)) got++;
    };
    f.pass(100, true);
    expect(f.resumed).toEqual(["transfer"]);
    expect(got).toBe(1);
  });

  test("who comes later does not go first", () => {
    f.pass(500, true);
    while (f.admission.mayWork("transfer"));
    f.in.now += 200;
    expect(f.admission.mayWork("hints")).toBe(false);
    expect(f.admission.status.waiting).toEqual(["transfer", "hints"]);
  });

  test("a turn that is not taken goes to the next", () => {
    f.pass(500, true);
    while (f.admission.mayWork("transfer"));
    f.admission.mayWork("scrub");
    f.admission.mayWork("hints");
    const got: BackgroundWork[] = [];
    f.onTurn = (work) => {
      if (work === "hints" && f.admission.mayWork(work)) got.push(work);
    };
    f.pass(30, true);
    expect(f.resumed).toEqual(["transfer", "scrub", "hints"]);
    expect(got).toEqual(["hints"]);
  });

  test("kinds of work that always want more get the same number of turns, however late requests are", () => {
    const kinds: BackgroundWork[] = ["hints", "transfer", "exchange", "hand-over", "scrub", "pages", "listings"];
    const got = new Map(kinds.map((kind) => [kind, 0]));
    f.onTurn = (work) => {
      while (f.admission.mayWork(work)) got.set(work, got.get(work)! + 1);
    };
    f.pass(500, true, 500);
    for (const kind of kinds) f.onTurn(kind);
    f.pass(60_000, true, 500);
    const counts = [...got.values()];
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(60);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(10);
  });

  test("whatever comes, never more than the share allows, never a wait without end, and the share stays within its bounds", () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("serve" as const), ms: fc.integer({ min: 0, max: 200 }) }) },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant("ask" as const),
          work: fc.constantFrom<BackgroundWork>("hints", "transfer", "scrub", "pages"),
          times: fc.integer({ min: 1, max: 30 }),
          slices: fc.constantFrom(0.25, 1),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        f = new Fixture();
        // The plainest account: as many slices as the highest rate that there was gives in the time, and what may be kept.
        let allowed = 1 + 100 * 0.05;
        let servedAt = -Infinity;
        const waiting = new Set<BackgroundWork>();
        f.onTurn = (work) => {
          waiting.delete(work);
          if (!f.admission.mayWork(work)) waiting.add(work);
        };
        for (const each of steps) {
          const before = f.admission.status.granted;
          if (each.do === "pass") {
            const from = f.in.now;
            // A host wakes in time; the rate may change at each judgement.
            for (let left = each.ms; left > 0; left -= 50) {
              const share = f.admission.status.share;
              for (const name of f.in.pass(Math.min(50, left))) if (name === "admission") f.admission.onTimer();
              allowed +=
                (Math.max(10, Math.min(1, Math.max(share, f.admission.status.share) + 0.1) * 100) *
                  Math.min(50, left)) /
                1_000;
            }
            if (waiting.size > 0 && f.in.now - from > 1_000) throw new Error(`waits since ${f.in.now - from} ms`);
          } else if (each.do === "serve") {
            servedAt = f.in.now;
            f.admission.onForeground();
            for (let i = 0; i < 25; i++) f.admission.onTook("requests", each.ms);
          } else
            for (let i = 0; i < each.times; i++) {
              const idle = f.in.now - servedAt >= IDLE_MS;
              const granted = f.admission.mayWork(each.work, each.slices);
              if (idle && !granted) throw new Error("refused, and nobody was there to give way to");
              if (!granted) waiting.add(each.work);
            }
          allowed -= f.admission.status.granted - before;
          const { share, waiting: told } = f.admission.status;
          expect(share).toBeGreaterThanOrEqual(0.1);
          expect(share).toBeLessThanOrEqual(1);
          for (const work of waiting) expect(told).toContain(work);
        }
        expect(allowed).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300 },
    );
  });
});
