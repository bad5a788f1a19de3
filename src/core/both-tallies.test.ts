import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import { type Outcome, Tally, bothOf } from "./quorum.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;

/** What is known of each node, as a list that is searched from behind. */
class NaiveTally {
  readonly needed: number;
  states: { node: NodeId; state: "waiting" | "answered" | "refused" | undefined }[] = [];

  constructor(needed: number) {
    this.needed = needed;
  }

  of(id: NodeId) {
    return this.states.findLast((entry) => entry.node === id)?.state;
  }

  set(id: NodeId, state: "waiting" | "answered" | "refused" | undefined): void {
    this.states.push({ node: id, state });
  }

  get outcome(): Outcome {
    const all = [...new Set(this.states.map((entry) => entry.node))].map((id) => this.of(id));
    const answered = all.filter((state) => state === "answered").length;
    const possible = all.filter((state) => state === "answered" || state === "waiting").length;
    return answered >= this.needed ? "met" : possible >= this.needed ? "pending" : "unreachable";
  }

  do(what: "ask" | "answer" | "refuse" | "withdraw", id: NodeId): void {
    const before = this.of(id);
    if (what === "ask" && before !== "answered") this.set(id, "waiting");
    if (what === "answer" && before !== undefined) this.set(id, "answered");
    if (what === "refuse" && before === "waiting") this.set(id, "refused");
    if (what === "withdraw" && before !== "answered") this.set(id, undefined);
  }
}

const steps = fc.array(fc.tuple(fc.constantFrom("ask", "answer", "refuse", "withdraw"), fc.nat(4)), { maxLength: 30 });

describe("a tally", () => {
  test("says what a list of all that was ever said of each node says", () => {
    fc.assert(
      fc.property(fc.nat(5), steps, (needed, history) => {
        const tally = new Tally(needed);
        const naive = new NaiveTally(needed);
        for (const [what, n] of history) {
          tally[what](node(n));
          naive.do(what, node(n));
          expect(tally.outcome()).toBe(naive.outcome);
          for (let m = 0; m < 5; m++) expect(tally.was(node(m))).toBe(naive.of(node(m)));
        }
        const waiting = [0, 1, 2, 3, 4].some((m) => naive.of(node(m)) === "waiting");
        expect(tally.complete()).toBe(!waiting);
      }),
    );
  });

  test("two of them are met when both are, and out of reach when one is", () => {
    const outcomes: Outcome[] = ["pending", "met", "unreachable"];
    for (const a of outcomes)
      for (const b of outcomes) {
        const both = a === "met" && b === "met" ? "met" : [a, b].includes("unreachable") ? "unreachable" : "pending";
        expect(bothOf(a, b)).toBe(both);
      }
  });
});
