/** Counting replies against a naive count, and which sizes of quorums meet: every set of holders and every quorum of it, by brute force. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import { Tally, quorumOf } from "./quorum.ts";

const nodes = Array.from({ length: 5 }, (_, n) => n.toString(16).padStart(32, "0") as NodeId);

describe("Tally", () => {
  type State = "waiting" | "answered" | "refused";
  interface Step {
    readonly what: "ask" | "answer" | "refuse" | "lower" | "raise";
    readonly node: NodeId;
    readonly needed: number;
  }
  const steps = fc.array(
    fc.record<Step>({
      what: fc.constantFrom("ask", "ask", "answer", "refuse", "lower", "raise"),
      node: fc.constantFrom(...nodes),
      needed: fc.nat(6),
    }),
    { maxLength: 40 },
  );

  /** From the whole story: the last thing that counted. Once a node has answered nothing takes that back. */
  function stateOf(story: readonly Step[], node: NodeId): State | undefined {
    let state: State | undefined;
    for (const { what } of story.filter((step) => step.node === node)) {
      if (state === "answered") return state;
      if (what === "ask") state = "waiting";
      else if (state !== undefined && what === "answer") state = "answered";
      else if (state === "waiting" && what === "refuse") state = "refused";
    }
    return state;
  }

  test("counts as somebody would who reads the whole story", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), steps, (first, story) => {
        const tally = new Tally(first);
        let needed = first;
        story.forEach((step, i) => {
          if (step.what === "lower") {
            tally.lower(step.needed);
            needed = Math.min(needed, step.needed);
          } else if (step.what === "raise") {
            tally.raise(step.needed);
            needed = Math.max(needed, step.needed);
          } else tally[step.what](step.node);

          const states = nodes.map((node) => stateOf(story.slice(0, i + 1), node));
          const count = (state: State) => states.filter((own) => own === state).length;
          expect(tally.needed).toBe(needed);
          expect(nodes.map((node) => tally.was(node))).toEqual(states);
          expect(tally.complete()).toBe(count("waiting") === 0);
          for (const state of ["waiting", "answered", "refused"] as const)
            expect(tally.in(state).sort()).toEqual(nodes.filter((_, n) => states[n] === state));
          expect(tally.outcome()).toBe(
            count("answered") >= needed
              ? "met"
              : count("answered") + count("waiting") >= needed
                ? "pending"
                : "unreachable",
          );
        });
      }),
      { numRuns: 500 },
    );
  });

  test("that was met is pending again when more are needed, and unreachable may become met when fewer are", () => {
    const tally = new Tally(1);
    tally.ask(nodes[0]!);
    tally.ask(nodes[1]!);
    tally.answer(nodes[0]!);
    expect(tally.outcome()).toBe("met");
    tally.raise(2);
    expect(tally.outcome()).toBe("pending");
    tally.refuse(nodes[1]!);
    expect(tally.outcome()).toBe("unreachable");
    tally.lower(1);
    expect(tally.outcome()).toBe("met");
  });
});

describe("quorumOf", () => {
  interface Case {
    readonly n: number;
    readonly r: number;
    readonly w: number;
  }
  /** All that are strict: R + W > N. */
  const cases: readonly Case[] = [1, 2, 3, 4, 5].flatMap((n) =>
    Array.from({ length: n }, (_, i) => i + 1).flatMap((r) =>
      Array.from({ length: n }, (_, i) => i + 1).flatMap((w) => (r + w > n ? [{ n, r, w }] : [])),
    ),
  );

  /** All sets of `size` of the first `holders` nodes, as bits. */
  const quorums = (size: number, holders: number): number[] =>
    Array.from({ length: 2 ** holders }, (_, set) => set).filter((set) => bits(set) === size);
  function bits(set: number): number {
    let count = 0;
    for (let rest = set; rest > 0; rest >>= 1) count += rest & 1;
    return count;
  }
  const met = new Map<string, boolean>();
  /** True when each set of `a` of the first `holdersA` nodes has a node in common with each set of `b` of the first `holdersB`. */
  function allMeet(a: number, holdersA: number, b: number, holdersB: number): boolean {
    const name = [a, holdersA, b, holdersB].join();
    let answer = met.get(name);
    if (answer === undefined) {
      const others = quorums(b, holdersB);
      answer = quorums(a, holdersA).every((one) => others.every((other) => (one & other) !== 0));
      met.set(name, answer);
    }
    return answer;
  }

  test("is what was asked while N hold the key, all that there are with fewer, and grows with those above N", () => {
    expect([1, 2, 3, 4, 5, 6].map((holders) => quorumOf(2, 3, holders))).toEqual([1, 2, 2, 3, 4, 5]);
    for (const { n, r } of cases)
      for (let holders = 1; holders <= 2 * n; holders++) {
        expect(quorumOf(r, n, holders)).toBeGreaterThanOrEqual(1);
        expect(quorumOf(r, n, holders)).toBeLessThanOrEqual(holders);
        // One holder more asks for one more at most, and never for fewer.
        expect([0, 1]).toContain(quorumOf(r, n, holders + 1) - quorumOf(r, n, holders));
      }
  });

  test("a write quorum and a read quorum of the same holders always meet", () => {
    for (const { n, r, w } of cases)
      for (let holders = 1; holders <= n + 2; holders++)
        expect(
          allMeet(quorumOf(w, n, holders), holders, quorumOf(r, n, holders), holders),
          JSON.stringify({ n, r, w, holders }),
        ).toBe(true);
  });

  test("with N holders or more they meet also when one side knows of one holder more than the other", () => {
    for (const { n, r, w } of cases)
      for (let holders = n; holders <= n + 2; holders++) {
        const more = holders + 1;
        const what = JSON.stringify({ n, r, w, holders });
        expect(allMeet(quorumOf(w, n, holders), holders, quorumOf(r, n, more), more), what).toBe(true);
        expect(allMeet(quorumOf(w, n, more), more, quorumOf(r, n, holders), holders), what).toBe(true);
      }
  });

  test("with fewer than N they do not when all must write and one may read, or the reverse: there the newcomer stays shut", () => {
    for (const { n, r, w } of cases)
      for (let holders = 1; holders < n; holders++) {
        const more = holders + 1;
        const what = JSON.stringify({ n, r, w, holders });
        // All of the holders have it, and the one who is read knows himself to be one more: `opening.ts` keeps him from answering.
        expect(allMeet(quorumOf(w, n, holders), holders, quorumOf(r, n, more), more), what).toBe(
          !(r === 1 && w >= holders),
        );
        // The newcomer alone has it, and all of the others are read: `opening.ts` keeps it from counting alone.
        expect(allMeet(quorumOf(w, n, more), more, quorumOf(r, n, holders), holders), what).toBe(
          !(w === 1 && r >= holders),
        );
      }
  });

  test("without a quorum that grows, neighbouring sets of holders would miss each other: that is why it does", () => {
    // N = 3, R = W = 2: the newcomer and one old holder are written to, the two others are read.
    expect(allMeet(2, 4, 2, 4)).toBe(false);
    expect(allMeet(quorumOf(2, 3, 4), 4, quorumOf(2, 3, 4), 4)).toBe(true);
  });

  test("a newcomer that was compared with as many as `opening.ts` asks for has met every quorum of the others", () => {
    for (const { n, r, w } of cases)
      for (let others = 1; others <= n + 2; others++) {
        const through = others - quorumOf(Math.min(r, w), n, others) + 1;
        for (const quorum of [quorumOf(r, n, others), quorumOf(w, n, others)])
          expect(allMeet(through, others, quorum, others), JSON.stringify({ n, r, w, others })).toBe(true);
        // One less would not do for the smaller of the two.
        if (through > 1) expect(allMeet(through - 1, others, quorumOf(Math.min(r, w), n, others), others)).toBe(false);
      }
  });
});
