/** The known story in a world of real nodes, the end totals of each strategy in it, and what each loses and brings back against a naive model. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OperationId } from "../../../src/core/identifiers.ts";
import { VALUE_LENGTH_MAX } from "../../../src/lab/acts.ts";
import { defaultLabOptions } from "../../../src/lab/options.ts";
import { Timeline } from "../../../src/lab/timeline.ts";
import { CartWriter, EMPTY_CART, reconciledQuantities, setCopies } from "../../../src/reconcile/cart.ts";
import type { Move } from "../lessons/lesson.ts";
import {
  type ReadCart,
  boardOf,
  cartOf,
  chosen,
  edited,
  readCarts,
  reconciled,
  shown,
  strategies,
  textOf,
} from "./cart-board.ts";
import { BOTH_HAVE, LAPTOP_HAS, PHONE_HAS, rolesAmong, storyBegins, storyGoesOn } from "./cart-story.ts";
import { BOOKS, observedOf, plainCart, unionOf } from "./cart-text.ts";
import { inHandAt, latestOf, quorumAt, writesOf } from "./shoppers.ts";

const KEY = "carts/ada";
const NAMES = defaultLabOptions.nodes.map(({ name }) => name);

/** Ids that nobody else draws. */
function writerOf(letter: string): CartWriter {
  let drawn = 0;
  return new CartWriter(() => letter.repeat(15) + (drawn++ % 16).toString(16));
}

function play(timeline: Timeline, moves: readonly Move[]): void {
  for (const move of moves) {
    if (move.do === "wait") timeline.playTo(timeline.now + move.forMs);
    else timeline.act(move);
  }
}

function told(): Timeline {
  const timeline = new Timeline({ options: defaultLabOptions, acts: [] });
  play(timeline, [...storyBegins(NAMES, KEY), ...storyGoesOn(NAMES, KEY)]);
  return timeline;
}

function foundAt(timeline: Timeline, name: string): readonly ReadCart[] {
  const { world } = timeline;
  const { id } = world.nodes.find((node) => node.name === name)!;
  return readCarts(inHandAt(world.trace, id, KEY).texts, writesOf(world.trace, KEY));
}

describe("the story", () => {
  test("is told with carts as the shop makes them", () => {
    const writer = writerOf("a");
    const both = setCopies(setCopies(EMPTY_CART, "dune", 1, writer, "ada"), "emma", 1, writer, "ada");
    expect(BOTH_HAVE).toBe(textOf(both));
    expect(LAPTOP_HAS).toBe(edited([BOTH_HAVE], "ulysses", 1, writerOf("b"), "laptop"));
    expect(PHONE_HAS).toBe(edited([BOTH_HAVE], "emma", 0, writerOf("c"), "phone"));
    for (const text of [BOTH_HAVE, LAPTOP_HAS, PHONE_HAS]) expect(text.length).toBeLessThan(VALUE_LENGTH_MAX / 2);
  });

  test("ends in two versions, and each strategy in its own total", () => {
    const read = foundAt(told(), "a");
    expect(read.map(({ text }) => text).sort()).toEqual([LAPTOP_HAS, PHONE_HAS].sort());
    const { outcomes } = boardOf(read);
    const facts = outcomes.map(({ strategy, quantities, lost, broughtBack }) => [
      strategy,
      Object.fromEntries(quantities),
      lost.map(({ item }) => item),
      broughtBack.map(({ item }) => item),
    ]);
    expect(facts).toEqual([
      ["last-write-wins", { dune: 1 }, ["ulysses"], []],
      ["union", { dune: 1, emma: 1, ulysses: 1 }, [], ["emma"]],
      ["observed-remove", { dune: 1, ulysses: 1 }, [], []],
      ["yjs", { dune: 1, ulysses: 1 }, [], []],
    ]);
  });

  test.each(strategies)("written by %s with the context of the read, one cart is left", (strategy) => {
    const timeline = told();
    const read = foundAt(timeline, "a");
    const value = reconciled(read, strategy, writerOf("d"), "reader");
    play(timeline, [
      { do: "put", node: "a", key: KEY, value, context: "seen" },
      { do: "wait", forMs: 1_000 },
      { do: "get", node: "d", key: KEY },
      { do: "wait", forMs: 1_000 },
    ]);
    const after = foundAt(timeline, "d");
    expect(after.map(({ text }) => text)).toEqual([value]);
    expect(after[0]!.cart.items).toEqual(boardOf(read).outcomes.find((one) => one.strategy === strategy)!.quantities);
  });

  test("asked, somebody chooses, and that is what is left, whatever the versions had", () => {
    const wanted = new Map([["walden", 3]]);
    const cart = cartOf(chosen(foundAt(told(), "a"), wanted, writerOf("d"), "reader"))!;
    expect(cart.items).toEqual(wanted);
    expect(reconciledQuantities([cart, cartOf(LAPTOP_HAS)!, cartOf(PHONE_HAS)!], "observed-remove")).toEqual(wanted);
  });

  test("needs three nodes, and puts phone and laptop on two sides", () => {
    expect(rolesAmong(["a", "b"])).toBeUndefined();
    expect(storyBegins(["a", "b"], KEY)).toEqual([]);
    for (let count = 3; count < 12; count++) {
      const names = Array.from({ length: count }, (_, i) => `n${i}`);
      const { phone, laptop, reader, side, other } = rolesAmong(names)!;
      expect(side).toContain(phone);
      expect(other).toEqual(expect.arrayContaining([laptop, reader]));
      expect([...side, ...other].sort()).toEqual(names.sort());
    }
  });
});

describe("what is in hand", () => {
  test("is what was read or written last, and the put that follows replaces just that", () => {
    const timeline = new Timeline({ options: defaultLabOptions, acts: [] });
    const { id } = timeline.world.nodes[1]!;
    const hand = () => inHandAt(timeline.world.trace, id, KEY);
    expect(hand()).toEqual({ texts: [], how: "nothing", context: "none", waits: false, failed: undefined });
    play(timeline, [{ do: "get", node: "b", key: KEY }]);
    expect(hand().waits).toBe(true);
    play(timeline, [{ do: "wait", forMs: 1_000 }]);
    expect(hand()).toMatchObject({ texts: [], how: "read", context: "seen", waits: false });
    play(timeline, [
      { do: "put", node: "b", key: KEY, value: BOTH_HAVE, context: "seen" },
      { do: "wait", forMs: 1_000 },
    ]);
    expect(hand()).toMatchObject({ texts: [BOTH_HAVE], how: "written", context: "own" });
    play(timeline, [
      { do: "cut", side: ["b"], other: ["a", "c", "d", "e"] },
      { do: "get", node: "b", key: KEY, r: 3 },
      { do: "wait", forMs: 20_000 },
    ]);
    expect(hand()).toMatchObject({ texts: [BOTH_HAVE], how: "written", waits: false });
    expect(hand().failed).toBeDefined();
    const { nodes, cuts } = timeline.world;
    expect(quorumAt(2, id, nodes, cuts)).toBe(1);
    expect(quorumAt(2, nodes[0]!.id, nodes, cuts)).toBe(2);
  });

  test("several versions are merged as the shop does it; what is no cart is left out", () => {
    const texts = [LAPTOP_HAS, "one book", PHONE_HAS];
    expect(cartOf(edited(texts, "walden", 1, writerOf("d"), "phone"))!.items).toEqual(
      new Map([...shown(texts), ["walden", 1]]),
    );
    expect(shown(texts)).toEqual(
      new Map([
        ["dune", 1],
        ["ulysses", 1],
      ]),
    );
    expect(shown(["one book"]).size).toBe(0);
    expect(plainCart("one book")).toBeUndefined();
    expect(plainCart('{"a":1}')).toBeUndefined();
    expect(readCarts(["one book"], new Map())).toEqual([]);
  });
});

test("against a naive model of every copy: what each strategy has too much and too little", () => {
  const books = BOOKS.map(({ id }) => id);
  const edit = fc.record({ book: fc.constantFrom(...books), adds: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(edit, { maxLength: 4 }),
      fc.array(fc.array(edit, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      (before, after) => {
        let copy = 0;
        /** Copies as things of their own; who empties a book takes out those that he sees. */
        const shop = (edits: typeof before, text: string, had: ReadonlySet<string>, letter: string) => {
          const has = new Set(had);
          const writer = writerOf(letter);
          let cart = text;
          for (const { book, adds } of edits) {
            const there = [...has].filter((one) => one.startsWith(book));
            if (adds) has.add(`${book} ${copy++}`);
            else for (const one of there) has.delete(one);
            cart = edited([cart], book, adds ? there.length + 1 : 0, writer, "ada");
          }
          return { text: cart, has };
        };
        const base = shop(before, textOf({ ...EMPTY_CART, by: "ada" }), new Set(), "a");
        const sides = after.map((edits, i) => shop(edits, base.text, base.has, "bcd"[i]!));
        const wanted = new Set<string>();
        for (const { has } of sides)
          for (const one of has) if (!base.has.has(one) || sides.every((side) => side.has.has(one))) wanted.add(one);
        const countOf = (has: ReadonlySet<string>, book: string) =>
          [...has].filter((one) => one.startsWith(book)).length;

        const read = sides.map(({ text }, i): ReadCart => {
          const cart = cartOf(text)!;
          return { text, cart, at: 100 - i, operation: String(i) as OperationId };
        });
        const texts = sides.map(({ text }) => text);
        const naive: Record<string, (book: string) => number> = {
          "last-write-wins": (book) => countOf(sides[0]!.has, book),
          union: (book) => Math.max(...sides.map(({ has }) => countOf(has, book))),
          "observed-remove": (book) => countOf(wanted, book),
        };
        const board = boardOf(read);
        for (const { strategy, quantities, lost, broughtBack } of board.outcomes)
          for (const book of books) {
            const copies = quantities.get(book) ?? 0;
            if (strategy !== "yjs") expect(copies, `${strategy} ${book}`).toBe(naive[strategy]!(book));
            const surplus = copies - countOf(wanted, book);
            expect(lost.find(({ item }) => item === book)?.copies ?? 0).toBe(Math.max(0, -surplus));
            expect(broughtBack.find(({ item }) => item === book)?.copies ?? 0).toBe(Math.max(0, surplus));
          }
        // Without Yjs the same comes out.
        const faithful = board.outcomes.find(({ strategy }) => strategy === "observed-remove")!.quantities;
        expect(observedOf(texts)).toEqual(faithful);
        expect(unionOf(texts)).toEqual(board.outcomes.find(({ strategy }) => strategy === "union")!.quantities);
      },
    ),
    { numRuns: 150 },
  );
});

test("the last write is the one with the highest time, and among equals the highest operation", () => {
  const written = (at: number, operation: string) => ({ at, operation: operation as OperationId });
  const writes = new Map([
    ["x", written(5, "aa")],
    ["y", written(7, "aa")],
    ["z", written(7, "bb")],
  ]);
  expect(latestOf(["x", "y", "z"], writes)).toBe("z");
  expect(latestOf(["y", "x", "unknown"], writes)).toBe("y");
  expect(latestOf(["unknown"], writes)).toBeUndefined();
});
