import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  EMPTY_OBSERVED,
  observedQuantities,
  observedRemoveCart,
  setObservedQuantity,
  type ObservedCart,
} from "./observed-remove-cart.ts";
import { Writer } from "./writer.ts";

const ITEMS = ["emma", "faust", "walden"];

function writers(count: number): Writer[] {
  let drawn = 0;
  return Array.from({ length: count }, () => new Writer(() => (++drawn).toString(16).padStart(16, "0")));
}

/** Plain data in a fixed order: equal only when the carts are equal to the last entry. */
function dump(cart: ObservedCart): unknown {
  return [[...cart.seen], [...cart.copies]];
}

/** Three shoppers with a cart each: they change their own, and now and then take over what another has. */
const steps = fc.array(
  fc.oneof(
    fc.record({ who: fc.nat(2), item: fc.constantFrom(...ITEMS), copies: fc.nat(4) }),
    fc.record({ who: fc.nat(2), from: fc.nat(2) }),
    fc.record({ who: fc.nat(2), backTo: fc.nat(20) }),
  ),
  { maxLength: 25 },
);

function play(history: typeof steps extends fc.Arbitrary<infer T> ? T : never): ObservedCart[] {
  const hands = writers(3);
  const carts: ObservedCart[] = [EMPTY_OBSERVED, EMPTY_OBSERVED, EMPTY_OBSERVED];
  const all: ObservedCart[] = [EMPTY_OBSERVED];
  for (const step of history) {
    const mine = carts[step.who]!;
    if ("item" in step) carts[step.who] = setObservedQuantity(mine, step.item, step.copies, hands[step.who]!);
    else if ("from" in step) carts[step.who] = observedRemoveCart([mine, carts[step.from]!]);
    else carts[step.who] = all[step.backTo % all.length]!; // an older version read back
    all.push(carts[step.who]!);
  }
  return carts;
}

describe("laws, over histories of three shoppers who also meet older versions", () => {
  test("commutative, associative, idempotent, to the last byte", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const [a, b, c] = play(history) as [ObservedCart, ObservedCart, ObservedCart];
        const merge = (x: ObservedCart, y: ObservedCart) => observedRemoveCart([x, y]);
        expect(dump(merge(a, b))).toEqual(dump(merge(b, a)));
        expect(dump(merge(merge(a, b), c))).toEqual(dump(merge(a, merge(b, c))));
        expect(dump(merge(a, a))).toEqual(dump(a));
      }),
      { numRuns: 500 },
    );
  });

  test("agrees with a naive model that tags every copy and keeps every removed tag", () => {
    interface Naive {
      readonly added: ReadonlyMap<string, string>;
      readonly removed: ReadonlySet<string>;
    }
    const count = (cart: Naive, item: string) => [...cart.added].filter(([, of]) => of === item).length;
    const edits = fc.array(
      fc.oneof(
        fc.record({ who: fc.nat(2), item: fc.constantFrom(...ITEMS), more: fc.integer({ min: 1, max: 3 }) }),
        fc.record({ who: fc.nat(2), item: fc.constantFrom(...ITEMS), none: fc.constant(true) }),
        fc.record({ who: fc.nat(2), from: fc.nat(2) }),
      ),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(edits, (history) => {
        const hands = writers(3);
        const carts = [EMPTY_OBSERVED, EMPTY_OBSERVED, EMPTY_OBSERVED];
        const naive: Naive[] = carts.map(() => ({ added: new Map(), removed: new Set() }));
        let tag = 0;
        for (const step of history) {
          const cart = carts[step.who]!;
          const model = naive[step.who]!;
          if ("from" in step) {
            carts[step.who] = observedRemoveCart([cart, carts[step.from]!]);
            const other = naive[step.from]!;
            const removed = new Set([...model.removed, ...other.removed]);
            const added = new Map([...model.added, ...other.added].filter(([t]) => !removed.has(t)));
            naive[step.who] = { added, removed };
          } else if ("more" in step) {
            const copies = (observedQuantities(cart).get(step.item) ?? 0) + step.more;
            carts[step.who] = setObservedQuantity(cart, step.item, copies, hands[step.who]!);
            const added = new Map(model.added);
            for (let i = 0; i < step.more; i++) added.set(`t${++tag}`, step.item);
            naive[step.who] = { ...model, added };
          } else {
            carts[step.who] = setObservedQuantity(cart, step.item, 0, hands[step.who]!);
            const gone = [...model.added].filter(([, of]) => of === step.item).map(([t]) => t);
            naive[step.who] = {
              added: new Map([...model.added].filter(([t]) => !gone.includes(t))),
              removed: new Set([...model.removed, ...gone]),
            };
          }
          for (const item of ITEMS)
            expect(observedQuantities(carts[step.who]!).get(item) ?? 0).toBe(count(naive[step.who]!, item));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the canonical conflict: one cart with a Walden, changed on two sides at once", () => {
  function start(): { base: ObservedCart; ada: Writer; bob: Writer } {
    const [ada, bob] = writers(2) as [Writer, Writer];
    return { base: setObservedQuantity(EMPTY_OBSERVED, "walden", 1, ada), ada, bob };
  }
  const after = (a: ObservedCart, b: ObservedCart, item: string) =>
    observedQuantities(observedRemoveCart([a, b])).get(item) ?? 0;

  test("what one side removed stays removed", () => {
    const { base, ada, bob } = start();
    expect(after(setObservedQuantity(base, "walden", 0, bob), base, "walden")).toBe(0);
    const other = setObservedQuantity(base, "emma", 1, ada);
    const merged = observedRemoveCart([setObservedQuantity(base, "walden", 0, bob), other]);
    expect([...observedQuantities(merged)]).toEqual([["emma", 1]]);
  });

  test("copies that the remover had not seen survive", () => {
    const { base, ada, bob } = start();
    expect(
      after(setObservedQuantity(base, "walden", 0, bob), setObservedQuantity(base, "walden", 3, ada), "walden"),
    ).toBe(2);
  });

  test("concurrent additions of one item add up and are not counted twice", () => {
    const { base, ada, bob } = start();
    const a = setObservedQuantity(base, "walden", 2, ada);
    const b = setObservedQuantity(base, "walden", 3, bob);
    expect(after(a, b, "walden")).toBe(4);
    expect(after(observedRemoveCart([a, b]), a, "walden")).toBe(4);
  });

  test("two who take the same copy out take one copy out", () => {
    const { base, ada, bob } = start();
    const three = setObservedQuantity(base, "walden", 3, ada);
    expect(
      after(setObservedQuantity(three, "walden", 2, ada), setObservedQuantity(three, "walden", 2, bob), "walden"),
    ).toBe(2);
  });

  test("an edit over an older version does not hide an earlier edit of unknown outcome", () => {
    const { base, ada } = start();
    const uncertain = setObservedQuantity(base, "emma", 1, ada);
    const later = setObservedQuantity(base, "faust", 1, ada);
    expect(after(uncertain, later, "emma")).toBe(1);
    expect(after(uncertain, later, "faust")).toBe(1);
  });
});
