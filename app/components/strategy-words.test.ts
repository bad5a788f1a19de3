import { expect, test } from "vitest";
import { compareStrategies } from "../../src/reconcile/cart-comparison.ts";
import type { CartStrategy } from "../../src/reconcile/cart-names.ts";
import { CartWriter, EMPTY_CART, setCopies, type Cart } from "../../src/reconcile/cart.ts";
import { namedAmong, outcomeWords } from "./strategy-words.ts";

let drawn = 0;
const hand = () => new CartWriter(() => (++drawn).toString(16).padStart(8, "0").padEnd(16, "0"));
const titles: Readonly<Record<string, string>> = { walden: "Walden", emma: "Emma" };

function words(carts: readonly Cart[], strategy: CartStrategy): string {
  const comparison = compareStrategies(carts);
  const outcome = comparison.outcomes.find((one) => one.strategy === strategy)!;
  return outcomeWords(outcome, comparison, (item) => titles[item] ?? item, namedAmong(carts.map((_, i) => i))).join(
    " ",
  );
}

test("says what comes back, from which version, and who respects the removal", () => {
  const [ada, bob] = [hand(), hand()];
  const base = setCopies(EMPTY_CART, "walden", 1, ada, "ada");
  const carts = [setCopies(base, "emma", 1, ada, "ada"), setCopies(base, "walden", 0, bob, "bob")];
  expect(words(carts, "union")).toBe("Brings back Walden (removed in version B).");
  expect(words(carts, "observed-remove")).toBe("Leaves out Walden, as version B did. Loses nothing that was added.");
  expect(words(carts, "yjs")).toBe("Leaves out Walden, as version B did. Loses nothing that was added.");
});

test("says what is lost when both added", () => {
  const [ada, bob] = [hand(), hand()];
  const base = setCopies(EMPTY_CART, "emma", 1, ada, "ada");
  const carts = [setCopies(base, "emma", 3, ada, "ada"), setCopies(base, "emma", 4, bob, "bob")];
  expect(words(carts, "union")).toBe("Loses 2 copies of Emma (added in version A and version B).");
  expect(words(carts, "observed-remove")).toBe("Loses nothing.");
});

test("a version that cannot be read keeps its letter", () => {
  expect(namedAmong([0, 2])(1)).toBe("version C");
});
