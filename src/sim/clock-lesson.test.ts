/** The lessons about clocks: the harm that each schedule does to plain vector clocks, and that dots do not take it. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Clock, type DvvSet, EMPTY, join, sync, update } from "../core/dvvset.ts";
import type { Actor, OperationId } from "../core/identifiers.ts";
import { type LessonRun, type LessonStep, type Schedule, alike, runLesson } from "./clock-lesson.ts";
import {
  clientsCount,
  clockLessons,
  countOnContext,
  countOnNode,
  dots,
  dotsUnderAKeptName,
  explosion,
  figure3,
  lostDisk,
  oneClockTwoValues,
  oneCoordinator,
  oneForTheRecord,
  truncated,
  truncation,
} from "./clock-schedules.ts";

/** What each node has at the end: `D3|D4` for siblings. */
const atTheEnd = (run: LessonRun) =>
  run.frames.at(-1)!.replicas.map(({ versions }) => versions.map(({ write }) => write).join("|"));
const clockAt = (run: LessonRun, step: number, node: string, write: string) => {
  const replica = run.frames[step]!.replicas.find((each) => each.node === node)!;
  const version = replica.versions.find((each) => each.write === write)!;
  return version.clock.map(({ who, counter }) => `${who}:${counter}`).join(" ");
};
const unharmed = { lost: [], falseSiblings: [] };

describe("figure 3", () => {
  test("plain clocks and dots hold the same versions after every step", () => {
    const byDots = runLesson(figure3, dots);
    for (const method of figure3.methods) {
      const run = runLesson(figure3, method);
      expect(run).toMatchObject({ ...unharmed, siblingsMax: 2, agreed: true });
      expect(alike(run, byDots)).toBe(true);
    }
    expect(atTheEnd(byDots)).toEqual(["D5", "D5", "D5"]);
    expect(byDots.frames.find(({ step }) => step.does === "get" && step.client === "eve")?.got).toEqual(["D3", "D4"]);
  });

  test("the clocks are those of the paper", () => {
    for (const method of [countOnContext, countOnNode]) {
      const run = runLesson(figure3, method);
      const written = figure3.steps.flatMap((step, i) =>
        step.does === "put" ? [`${step.write} ${clockAt(run, i, step.node, step.write)}`] : [],
      );
      expect(written).toEqual(["D1 Sx:1", "D2 Sx:2", "D3 Sx:2 Sy:1", "D4 Sx:2 Sz:1", "D5 Sx:3 Sy:1 Sz:1"]);
    }
  });
});

describe("two clients, one coordinator", () => {
  test("plain clocks lose an acknowledged write, whichever way nodes count", () => {
    for (const method of [countOnContext, countOnNode]) {
      const run = runLesson(oneCoordinator, method);
      expect(run.lost).toEqual(["milk"]);
      expect(atTheEnd(run)).toEqual(["rye", "rye"]);
    }
    expect(clockAt(runLesson(oneCoordinator, countOnContext), 2, "Sx", "milk")).toBe("Sx:1");
    expect(clockAt(runLesson(oneCoordinator, countOnContext), 3, "Sx", "rye")).toBe("Sx:1");
    expect(clockAt(runLesson(oneCoordinator, countOnNode), 3, "Sx", "rye")).toBe("Sx:2");
  });

  test("dots keep both, and so do clients that count for themselves", () => {
    for (const method of [dots, clientsCount]) {
      const run = runLesson(oneCoordinator, method);
      expect(run).toMatchObject(unharmed);
      expect(atTheEnd(run)).toEqual(["milk|rye", "milk|rye"]);
    }
  });

  test("but where clients count, all that ever wrote are in the clock, and one that forgets what it wrote loses a write", () => {
    const clients = Array.from({ length: 40 }, (_, i) => `client-${String(i).padStart(2, "0")}`);
    const visits: Schedule = {
      nodes: ["Sx"],
      steps: clients.flatMap((client): LessonStep[] => [
        { does: "get", client, node: "Sx" },
        { does: "put", client, node: "Sx", write: `by ${client}` },
      ]),
    };
    expect(runLesson(visits, clientsCount).entriesMax).toBe(40);
    expect(runLesson(visits, dots).entriesMax).toBe(1);
    const forgetful: Schedule = {
      nodes: ["Sx", "Sy"],
      steps: [
        { does: "put", client: "ada", node: "Sx", write: "milk" },
        { does: "put", client: "ada", node: "Sx", write: "rye" },
      ],
    };
    expect(runLesson(forgetful, clientsCount).lost).toEqual(["milk"]);
    expect(runLesson(forgetful, dots)).toMatchObject({ ...unharmed, siblingsMax: 2 });
  });

  test("equal clocks hide that replicas differ, ordered ones carry the loss; dots agree and lose nothing", () => {
    const equal = runLesson(oneClockTwoValues, countOnContext);
    expect(equal.agreed).toBe(false);
    expect(equal.frames.slice(-2).map(({ changed }) => changed)).toEqual([[], []]);
    expect(runLesson(oneClockTwoValues, countOnNode)).toMatchObject({ lost: ["milk"], agreed: true });
    expect(runLesson(oneClockTwoValues, dots)).toMatchObject({ ...unharmed, agreed: true, siblingsMax: 2 });
  });
});

describe("sibling explosion", () => {
  test.each([3, 10, 40])("%i rounds: one clock for the record keeps every write, dots keep two", (rounds) => {
    const lesson = explosion(rounds);
    const record = runLesson(lesson, oneForTheRecord);
    expect(record.siblingsMax).toBe(2 * rounds);
    expect(record.falseSiblings).toHaveLength(2 * rounds - 2);
    expect(runLesson(lesson, dots)).toMatchObject({ ...unharmed, siblingsMax: 2 });
  });
});

describe("truncation", () => {
  test.each([3, 10])(
    "a clock of at most %i entries: a version and its own descendant are siblings for ever",
    (most) => {
      const rounds = 6;
      const lesson = truncation(most, rounds);
      const cut = runLesson(lesson, truncated(most));
      expect(cut.entriesMax).toBe(most);
      // Each exchange changes something, each merge is undone by the next one, and what is cut is always the same.
      const exchanges = cut.frames.filter(({ step }) => step.does === "exchange");
      expect(exchanges).toHaveLength(rounds + 1);
      for (const { changed, falseSiblings } of exchanges) {
        expect(changed).not.toEqual([]);
        expect(falseSiblings.map(({ write }) => write)).toEqual(["D01", "D01"]);
      }
      const cuts = cut.frames.flatMap((frame) => frame.cut.map(({ who, counter }) => `${who}:${counter}`));
      expect(cuts).toEqual(Array.from({ length: rounds + 1 }, () => "S01:1"));
    },
  );

  test("dots, and plain clocks that are not cut, are done after one exchange", () => {
    const lesson = truncation(10, 6);
    for (const method of [dots, countOnNode]) {
      const run = runLesson(lesson, method);
      expect(run).toMatchObject({ ...unharmed, siblingsMax: 1, entriesMax: 11 });
      expect(run.frames.filter(({ step, changed }) => step.does === "exchange" && changed.length > 0)).toHaveLength(1);
      expect(run.frames.flatMap((frame) => frame.cut)).toEqual([]);
    }
  });

  test("a dotted set must not be cut either: what was overwritten comes back, and a new write can vanish", () => {
    const actor = "a".repeat(48) as Actor;
    const version = (n: number) => ({
      operation: String(n).padStart(32, "0") as OperationId,
      at: n,
      value: new Uint8Array([n]),
      checksum: 0,
    });
    const put = (set: DvvSet, context: Clock, n: number, by = actor) => update(set, context, by, version(n)).set;
    const times = (set: DvvSet) => set.siblings.map((sibling) => sibling.at);
    const old = put(EMPTY, [], 1);
    const whole = put(old, join(old), 2, "b".repeat(48) as Actor);
    const cut: DvvSet = { ...whole, clock: whole.clock.filter((dot) => dot.actor !== actor) };
    expect(times(sync(old, whole))).toEqual([2]);
    expect(times(sync(old, cut))).toEqual([1, 2]);
    // The actor counts on from the record that has forgotten it: its next dot is one that others take for known.
    expect(times(sync(whole, put(whole, [], 3)))).toEqual([2, 3]);
    expect(times(sync(whole, put(cut, [], 3)))).toEqual([2]);
  });
});

describe("a name that outlived its memory", () => {
  test("loses an acknowledged write, with plain clocks and with dots; a fresh name does not", () => {
    for (const method of [countOnNode, countOnContext, dotsUnderAKeptName]) {
      const run = runLesson(lostDisk, method);
      expect(run.lost).toEqual(["tea"]);
      expect(atTheEnd(run)).toEqual(["milk, rye", "milk, rye"]);
    }
    const run = runLesson(lostDisk, dots);
    expect(run).toMatchObject({ ...unharmed, agreed: true });
    expect(atTheEnd(run)).toEqual(["milk, rye|tea", "milk, rye|tea"]);
  });
});

test("each lesson ends with dots, which take no harm, and has a name of its own", () => {
  for (const lesson of clockLessons) {
    expect(lesson.methods.at(-1)).toEqual(dots);
    expect(runLesson(lesson, dots)).toMatchObject(unharmed);
  }
  expect(new Set(clockLessons.map(({ name }) => name)).size).toBe(clockLessons.length);
});

test("a schedule that names a node that it does not have is refused", () => {
  const schedule: Schedule = { nodes: ["Sx"], steps: [{ does: "get", client: "ada", node: "Sy" }] };
  expect(() => runLesson(schedule, dots)).toThrow("no node Sy");
});

describe("whatever the schedule", () => {
  const nodes = ["Sx", "Sy", "Sz"];
  const node = fc.constantFrom(...nodes);
  const client = fc.constantFrom("ada", "bob");
  type Drawn = {
    readonly does: LessonStep["does"];
    readonly node: string;
    readonly other: string;
    readonly client: string;
  };
  const drawn = fc.array(
    fc.record<Drawn>({
      does: fc.constantFrom("get", "put", "put", "reconcile", "replicate", "exchange", "lose-disk"),
      node,
      other: node,
      client,
    }),
    { maxLength: 40 },
  );
  const asSteps = ({ does, node: at, other, client: by }: Drawn, i: number): LessonStep[] => {
    const write = `w${String(i).padStart(2, "0")}`;
    switch (does) {
      case "get":
        return [{ does, client: by, node: at }];
      case "put":
      case "reconcile":
        return [{ does, client: by, node: at, write }];
      case "replicate":
        return [{ does, from: at, to: other }];
      case "exchange":
        return [{ does, between: [at, other] }];
      case "lose-disk": {
        // What is on one disk alone is lost with it, whatever the clocks.
        const heir = nodes[(nodes.indexOf(at) + 1) % nodes.length]!;
        return [
          { does: "replicate", from: at, to: heir },
          { does, node: at },
        ];
      }
    }
  };

  test("dots lose nothing and make no false sibling, and exchanges with all bring agreement", () => {
    fc.assert(
      fc.property(drawn, (script) => {
        const steps = script.flatMap(asSteps);
        const meet: LessonStep[] = [...nodes, ...nodes].map((from, i) => ({
          does: "exchange",
          between: [from, nodes[(i + 1) % nodes.length]!],
        }));
        const run = runLesson({ nodes, steps: [...steps, ...meet] }, dots);
        expect(run).toMatchObject({ ...unharmed, agreed: true });
        for (const frame of run.frames) expect(frame).toMatchObject(unharmed);
      }),
      { numRuns: 300 },
    );
  });
});
