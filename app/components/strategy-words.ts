/** The three ways to make one cart of several, and what each would do to these versions, in words. */

import type { Comparison, Difference, Outcome } from "../../src/reconcile/cart-comparison.ts";
import type { Quantities } from "../../src/reconcile/quantities.ts";
import type { CartStrategy } from "../../src/reconcile/cart-names.ts";
import { unreachable } from "../../src/base/assert.ts";
import { listed, versionName } from "../words.ts";

export function strategyName(strategy: CartStrategy): string {
  switch (strategy) {
    case "union":
      return "union of all versions";
    case "observed-remove":
      return "observed-remove";
    case "yjs":
      return "Yjs";
    default:
      return unreachable(strategy);
  }
}

export function strategyIdea(strategy: CartStrategy): string {
  switch (strategy) {
    case "union":
      return "The paper’s way: every book of every version, each in the largest number seen.";
    case "observed-remove":
      return "Every copy has a tag of its own. A removal takes out the tags that it saw, and nothing else.";
    case "yjs":
      return "A ready-made library for shared documents. The number of copies is one field; the last to set it wins.";
    default:
      return unreachable(strategy);
  }
}

/**
 * Sentences for one outcome: "Brings back Walden (removed in version B)." Never empty.
 * @param nameOf index of a sibling that can be read, to its name
 */
export function outcomeWords(
  outcome: Omit<Outcome, "strategy">,
  comparison: Comparison,
  titleOf: (item: string) => string,
  nameOf: (index: number) => string,
): readonly string[] {
  const faithful = comparison.outcomes.find((one) => one.strategy === "observed-remove")?.quantities;
  const who = (difference: Difference): string => listed(difference.versions.map(nameOf));
  /** The book alone when all of it comes or goes, else how many copies. */
  const told = ({ item, copies }: Difference, rest: Quantities | undefined): string =>
    rest?.has(item) === true ? `${copies === 1 ? "1 copy" : `${copies} copies`} of ${titleOf(item)}` : titleOf(item);
  const sentences = [
    ...outcome.broughtBack.map((back) => `Brings back ${told(back, faithful)} (removed in ${who(back)}).`),
    ...outcome.lost.map((lost) => `Loses ${told(lost, outcome.quantities)} (added in ${who(lost)}).`),
  ];
  const respected = comparison.removed.filter((one) => !outcome.broughtBack.some((back) => back.item === one.item));
  for (const one of respected) sentences.push(`Leaves out ${told(one, outcome.quantities)}, as ${who(one)} did.`);
  if (outcome.broughtBack.length === 0 && outcome.lost.length === 0)
    sentences.push(respected.length === 0 ? "Loses nothing." : "Loses nothing that was added.");
  return sentences;
}

/** "version B", for an index among the siblings that can be read. */
export function namedAmong(readable: readonly number[]): (index: number) => string {
  return (index) => `version ${versionName(readable[index] ?? index)}`;
}
