/** Lessons about versions: vector clocks, dots, carts that merge, clocks that are wrong. */

import type { LabWorld } from "../../../src/lab/world.ts";
import { NO_QUANTITIES } from "../../../src/reconcile/quantities.ts";
import { PHONE_HAS, storyBegins, storyGoesOn } from "../carts/cart-story.ts";
import { observedOf, plainCart, quantitiesWords, unionOf } from "../carts/cart-text.ts";
import { latestOf, writesOf } from "../carts/shoppers.ts";
import { type Lesson, lastFound, nodesNamed, optionsWith, round, wait } from "./lesson.ts";

const KEY = "carts/ada";
const five = optionsWith({ nodes: nodesNamed(5) });

const clocks: Lesson = {
  id: "vector-clocks",
  title: "Who knew of whom",
  idea: "A version carries what its writer had seen. That says which versions it replaces, and which stand beside it (figure 3).",
  options: five,
  before: [
    { do: "put", node: "a", key: KEY, value: "D1", context: "none" },
    wait(500),
    { do: "get", node: "a", key: KEY },
    wait(500),
    { do: "put", node: "a", key: KEY, value: "D2", context: "seen" },
    wait(500),
  ],
  key: KEY,
  panel: "versions",
  rounds: [
    round({
      question:
        "Two people read D2. One writes D3 at c, the other D4 at d, without seeing each other's. What does the next read find?",
      choices: { last: "The one that was written last", both: "Both, D3 and D4", d2: "D2: neither was accepted" },
      action: "Both read, both write, then somebody reads.",
      moves: [
        { do: "get", node: "c", key: KEY },
        { do: "get", node: "d", key: KEY },
        wait(500),
        { do: "put", node: "c", key: KEY, value: "D3", context: "seen" },
        { do: "put", node: "d", key: KEY, value: "D4", context: "seen" },
        wait(1_000),
        { do: "get", node: "a", key: KEY },
        wait(500),
      ],
      observe: (world) => {
        const found = lastFound(world, KEY);
        return {
          answer: found.length > 1 ? "both" : found[0] === "D2" ? "d2" : "last",
          seen: `The read found ${found.join(" and ") || "nothing"}.`,
        };
      },
      why: "Neither writer had seen the other's version, so neither replaces the other. The store keeps both and shows both: only the shop knows what to make of them.",
    }),
    round({
      question: "The reader, who has seen both, writes D5. What is there now?",
      choices: { three: "D3, D4 and D5", one: "D5 alone", two: "D5 and one of the others" },
      action: "The same reader writes, and reads again.",
      moves: [
        { do: "put", node: "a", key: KEY, value: "D5", context: "seen" },
        wait(1_000),
        { do: "get", node: "b", key: KEY },
        wait(500),
      ],
      observe: (world) => {
        const found = lastFound(world, KEY);
        return {
          answer: (["one", "two", "three"] as const)[found.length - 1] ?? "one",
          seen: `The read found ${found.join(" and ") || "nothing"}.`,
        };
      },
      why: "Its context covers both. A write replaces exactly what its writer had seen.",
    }),
  ],
  simplified:
    "The clocks name nodes and their starts, not the people who write. A caller who loses its context writes blindly, and makes a sibling.",
  section: "4.4 Data versioning, figure 3",
  file: "src/core/dvvset.ts",
};

const dots: Lesson = {
  id: "dots",
  title: "Two blind writes at one node",
  idea: "One counter for each node is not enough: each version needs a dot of its own.",
  options: five,
  before: [],
  key: KEY,
  panel: "versions",
  rounds: [
    round({
      question: "Two people who have read nothing write at the same node, one after the other. What is kept?",
      choices: { second: "The second: its counter is higher, so it covers the first", both: "Both" },
      action: "Two blind writes at c, then a read.",
      moves: [
        { do: "put", node: "c", key: KEY, value: "of Ada", context: "none" },
        wait(500),
        { do: "put", node: "c", key: KEY, value: "of Ben", context: "none" },
        wait(500),
        { do: "get", node: "a", key: KEY },
        wait(500),
      ],
      observe: (world) => {
        const found = lastFound(world, KEY);
        return {
          answer: found.length === 2 ? "both" : "second",
          seen: `The read found ${found.join(" and ") || "nothing"}.`,
        };
      },
      why: "By the clocks of the paper, [c:2] would cover [c:1], and a write that was acknowledged would be lost, though nobody had seen it. A dot says which write a version is; the clock says what it had seen. Ben's had seen nothing.",
    }),
  ],
  simplified: "The paper does not say this. Riak lost writes so, and found dotted version vectors.",
  section: "4.4 Data versioning; and where it is wrong",
  file: "src/core/dvvset.ts",
};

const FIVE = five.nodes.map(({ name }) => name);

/** What the last read found, as carts. */
function cartsFound(world: LabWorld): string {
  const carts = lastFound(world, KEY).map((text) => plainCart(text)?.items ?? NO_QUANTITIES);
  return carts.map((items) => `“${quantitiesWords(items)}”`).join(" and ");
}

const cart: Lesson = {
  id: "cart",
  title: "The book that came back",
  idea: "The store keeps both carts, and the shop must make one of them. How it does that decides what is lost, and what comes back.",
  options: five,
  before: storyBegins(FIVE, KEY),
  key: KEY,
  panel: "carts",
  rounds: [
    round({
      question:
        "The cart has Dune and Emma, and the network is cut. Ada’s laptop, on one side, adds Ulysses. Then her phone, on the other, takes Emma out. The network heals. Which carts are there?",
      choices: {
        phone: "The phone’s: Dune",
        laptop: "The laptop’s: Dune, Emma, Ulysses",
        both: "Both",
      },
      action: "Both write, the network heals, and the cart is read.",
      moves: storyGoesOn(FIVE, KEY),
      observe: (world) => {
        const found = lastFound(world, KEY);
        const answer = found.length > 1 ? "both" : found[0] === PHONE_HAS ? "phone" : "laptop";
        return { answer, seen: `The read found ${cartsFound(world)}.` };
      },
      why: "Both sides took writes, as a shop wants it. Neither was lost.",
    }),
    round({
      question: "A first way to make one cart of them: the last write wins. What is lost?",
      choices: { nothing: "Nothing", ulysses: "Ulysses, which the laptop added", emma: "Emma alone, as Ada wanted it" },
      action: "We take the one that was written last, by the clocks of the nodes.",
      moves: [],
      observe: (world) => {
        const latest = latestOf(lastFound(world, KEY), writesOf(world.trace, KEY)) ?? "";
        const items = plainCart(latest)?.items ?? NO_QUANTITIES;
        const answer = items.has("ulysses") ? "nothing" : items.has("emma") ? "emma" : "ulysses";
        return { answer, seen: `The last write has ${quantitiesWords(items)}.` };
      },
      why: "The phone wrote last, and had never seen Ulysses. A book that somebody put into the cart is gone, and nobody is told.",
    }),
    round({
      question: "The paper’s shop takes all books of all versions. Is Emma, which Ada took out, in the cart?",
      choices: { yes: "Yes: it is back", no: "No" },
      action: "We take the union of what was read.",
      moves: [],
      observe: (world) => {
        const union = unionOf(lastFound(world, KEY));
        return { answer: union.has("emma") ? "yes" : "no", seen: `The union is ${quantitiesWords(union)}.` };
      },
      why: "A book that is missing in one version and there in another was either taken out or added: a union cannot tell, and takes it for added.",
    }),
    round({
      question:
        "A third way: each copy has a tag of its own, and a cart remembers which tags it has ever seen. What do the two carts make now?",
      choices: {
        wanted: "Dune and Ulysses, as Ada wanted it",
        back: "Emma is back here, too",
        lost: "Ulysses is lost here, too",
      },
      action: "We merge the tags of what was read. The panel beside this shows all ways, Yjs among them.",
      moves: [],
      observe: (world) => {
        const items = observedOf(lastFound(world, KEY));
        const answer = items.has("emma") ? "back" : items.has("ulysses") ? "wanted" : "lost";
        return { answer, seen: `The merge has ${quantitiesWords(items)}.` };
      },
      why: "The phone’s cart has seen Emma’s tag and lacks it: taken out. It has never seen the tag of Ulysses: added. It is the rule by which the store itself merges versions, one floor up. Yjs comes to the same here; it counts a number of copies as one field, and there it differs.",
    }),
  ],
  simplified:
    "The carts are the shop’s own, three forms in one value, so that the same conflict can be settled each way.",
  section: "4.4 Data versioning: “deleted items can resurface”",
  file: "src/reconcile/",
};

const lastWrite: Lesson = {
  id: "last-write-wins",
  title: "The last write, by a wrong clock",
  idea: "“Last write wins” means: the highest timestamp wins. A wrong clock decides, and nobody is told what was lost.",
  options: five,
  before: [
    { do: "bucket", node: "a", bucket: "sessions", policy: "last-write-wins" },
    wait(5_000),
    { do: "skew", node: "b", byMs: 3_600_000 },
  ],
  key: "sessions/ada",
  panel: "versions",
  rounds: [
    round({
      question:
        "The clock of b is an hour fast. Somebody writes “old” at b, and ten seconds later somebody else writes “new” at d. What does a read find?",
      choices: { fresh: "new: it was written last", stale: "old", both: "Both" },
      action: "Both write blindly, and somebody reads.",
      moves: [
        { do: "put", node: "b", key: "sessions/ada", value: "old", context: "none" },
        wait(10_000),
        { do: "put", node: "d", key: "sessions/ada", value: "new", context: "none" },
        wait(1_000),
        { do: "get", node: "a", key: "sessions/ada" },
        wait(1_000),
      ],
      observe: (world) => {
        const found = lastFound(world, "sessions/ada");
        return {
          answer: found.length > 1 ? "both" : found[0] === "new" ? "fresh" : "stale",
          seen: `The read found ${found.join(" and ") || "nothing"}.`,
        };
      },
      why: "Both writes were acknowledged. One is gone without a word, for an hour it will win against everybody, and no log shows it. That is why it is off by default here.",
    }),
  ],
  simplified: "An hour is a lot. Some milliseconds are enough when two people write at once.",
  section: "6 Experiences: timestamp based reconciliation",
  file: "src/core/replica.ts",
};

export const lessons = [clocks, dots, cart, lastWrite];
