/** Lessons about failures: quorums, hints, repair, gossip, gray failures, lost disks, slow disks. */

import type { Millis } from "../../../src/core/identifiers.ts";
import type { LabWorld } from "../../../src/lab/world.ts";
import {
  type Lesson,
  type Observation,
  answers,
  hintsKept,
  holdersOf,
  lastFound,
  node,
  nodesNamed,
  optionsWith,
  percentiles,
  round,
  wait,
} from "./lesson.ts";

/** Its owners are c, a and d, in this order. */
const KEY = "carts/ada";
const five = optionsWith({ nodes: nodesNamed(5) });
const strict = optionsWith({ nodes: nodesNamed(3) });

/** How long callers of this operation waited for answers that came out well. */
function waited(world: LabWorld, operation: "get" | "put"): readonly Millis[] {
  return answers(world).flatMap(({ event, request, at }) => {
    const asked = world.trace.find((record) => record.request === request && record.event.what === "asked");
    return event.outcome === "ok" && asked?.event.what === "asked" && asked.event.operation === operation
      ? [at - asked.at]
      : [];
  });
}

const quorums: Lesson = {
  id: "quorums",
  title: "A put that failed",
  idea: "R + W > N makes reads meet writes. It does not make a failed write undone.",
  options: strict,
  before: [
    { do: "put", node: "a", key: KEY, value: "old", context: "none", w: 3 },
    wait(1_000),
    { do: "get", node: "a", key: KEY },
    wait(500),
    { do: "cut", side: ["a"], other: ["b", "c"] },
    wait(500),
  ],
  key: KEY,
  panel: "request",
  rounds: [
    round({
      question:
        "Three nodes, N = 3, R = W = 2. a is cut off from the others, and somebody writes “new” at a. What does the caller hear?",
      choices: { ok: "It is written", failed: "It failed" },
      action: "We write at a, which nobody hears.",
      moves: [{ do: "put", node: "a", key: KEY, value: "new", context: "seen" }, wait(8_000)],
      observe: (world) => {
        const outcome = answers(world, KEY).at(-1)?.event.outcome ?? "none";
        return { answer: outcome === "ok" ? "ok" : "failed", seen: `The caller heard: ${outcome}.` };
      },
      why: "Only one of the two acknowledgements that W asks for could come.",
    }),
    round({
      question: "The network heals, and somebody reads at b. What is found?",
      choices: { before: "old: the put had failed", after: "new", both: "Both" },
      action: "We heal the cut, wait, and read.",
      moves: [{ do: "heal" }, wait(30_000), { do: "get", node: "b", key: KEY }, wait(1_000)],
      observe: (world) => {
        const found = lastFound(world, KEY);
        return {
          answer: found.length > 1 ? "both" : found[0] === "new" ? "after" : "before",
          seen: `The read found ${found.join(" and ") || "nothing"}.`,
        };
      },
      why: "“Failed” means: not enough have confirmed it. a has it on its disk, and passes it on. A caller who hears that a put failed knows nothing, and should read, or write again.",
    }),
  ],
  simplified:
    "With a sloppy quorum and more nodes a stand-in would have taken the write, and the put would have succeeded.",
  section: "4.5 Execution of get and put operations",
  file: "src/core/put-coordinator.ts",
};

const hints: Lesson = {
  id: "hinted-handoff",
  title: "Somebody else keeps it for you",
  idea: "When an owner is away, a stand-in takes the write as a hint, and hands it over when the owner is back.",
  options: five,
  before: [{ do: "crash", node: "c" }, wait(15_000)],
  key: KEY,
  panel: "hints",
  rounds: [
    round({
      question: "The first owner, c, is down. Somebody writes with W = 3. Does the put succeed?",
      choices: { yes: "Yes", no: "No: an owner is missing" },
      action: "We write at b.",
      moves: [{ do: "put", node: "b", key: KEY, value: "two books", context: "none", w: 3 }, wait(3_000)],
      observe: (world) => {
        const last = answers(world, KEY).at(-1);
        const names = (last?.event.report?.answered ?? []).map(
          (id) => world.nodes.find((each) => each.id === id)?.name,
        );
        return {
          answer: last?.event.outcome === "ok" ? "yes" : "no",
          seen: `The caller heard ${last?.event.outcome ?? "nothing"}; acknowledged by ${names.join(", ")}. ${hintsKept(world)} hint is kept.`,
        };
      },
      why: "A sloppy quorum: the next node of the walk stands in, and keeps the write beside its own records, with the name of the one whose it is.",
    }),
    round({
      question: "c starts again. How many hints are left after half a minute?",
      choices: { none: "None", same: "As many as before" },
      action: "We start c, and wait.",
      moves: [{ do: "restart", node: "c" }, wait(30_000)],
      observe: (world) => {
        const left = hintsKept(world);
        const has = holdersOf(world, KEY).some(({ name }) => name === "c");
        return {
          answer: left === 0 ? "none" : "same",
          seen: `${left} hints are left; c ${has ? "has" : "does not have"} the key on its disk.`,
        };
      },
      why: "The stand-in hears c again, delivers, and lets its hint go only when c says that it is on its disk. Owner and stand-in together are one copy at every moment.",
    }),
  ],
  simplified:
    "A hint is kept for hours here at most in your patience. In life its keeper may crash, too; that is why it is on its disk.",
  section: "4.6 Handling failures: hinted handoff",
  file: "src/core/hinted-handoff.ts",
};

const repair: Lesson = {
  id: "read-repair",
  title: "A bit flips",
  idea: "Copies drift apart. Whoever reads notices and mends it; and what nobody reads is compared by Merkle trees.",
  options: five,
  before: [
    { do: "put", node: "a", key: KEY, value: "two books", context: "none", w: 3 },
    wait(1_000),
    { do: "crash", node: "d" },
    wait(1_000),
    { do: "flip-bit", node: "d", key: KEY },
    { do: "restart", node: "d" },
    wait(3_000),
  ],
  key: KEY,
  panel: "key",
  rounds: [
    round({
      question: "On the disk of d a bit of the key has flipped. Somebody reads with R = 3. What does the reader get?",
      choices: { right: "The right value", wrong: "The wrong value", error: "An error" },
      action: "We read at a, and wait a moment.",
      moves: [{ do: "get", node: "a", key: KEY, r: 3 }, wait(5_000)],
      observe: (world) => {
        const last = answers(world, KEY).at(-1);
        const found = lastFound(world, KEY);
        const id = node(world, "d").id;
        const { damaged, record } = world.recordsOf(id, KEY as never);
        return {
          answer: last?.event.outcome !== "ok" ? "error" : found[0] === "two books" ? "right" : "wrong",
          seen: `The reader got ${found.join(" and ") || "nothing"}. The record of d is ${damaged ? "still damaged" : record === undefined ? "missing" : "sound again"}.`,
        };
      },
      why: "Each record has a checksum. What does not fit is not an answer; the two others are; and d is given the record anew.",
    }),
  ],
  simplified:
    "One flipped bit of one record. Whole lost disks take the longer way: comparing trees with each neighbour.",
  section: "4.7 Handling permanent failures: replica synchronization",
  file: "src/core/get-coordinator.ts",
};

const gossip: Lesson = {
  id: "gossip",
  title: "How the news goes round",
  idea: "Nobody is in charge of the list of members. Each tells another one, every second.",
  options: optionsWith({ nodes: nodesNamed(12), parameters: { partitions: 64 } }),
  before: [],
  key: KEY,
  panel: "beliefs",
  rounds: [
    round({
      question: "A thirteenth node joins at a. How long until all thirteen know it?",
      choices: {
        once: "At once: a tells all of them",
        seconds: "Some seconds",
        minutes: "Minutes: a dozen rounds, one node each",
      },
      action: "It joins, and we look every half a second when all have it in their list.",
      moves: [{ do: "join", name: "m", capacity: 1, zone: "zm", via: "a", light: false }, wait(30_000)],
      observe: (world) => {
        const joined = world.trace.find(({ event, label }) => event.what === "world" && label.includes("joins"))!;
        const id = node(world, "m").id;
        const heard = new Map<string, Millis>();
        for (const record of world.trace)
          if (
            record.node !== undefined &&
            record.event.what === "received" &&
            record.event.kind === "gossip-news" &&
            !heard.has(record.node)
          )
            heard.set(record.node, record.at);
        const all = world.nodes.every(
          (each) =>
            each.id === id || world.viewOf(each.id)?.view?.members.some((member) => member.node === id) === true,
        );
        const last = Math.max(...[...heard.values()].map((at) => at - joined.at));
        const answer = !all || last > 30_000 ? "minutes" : last < 300 ? "once" : "seconds";
        return {
          answer,
          seen: all
            ? `All knew it; the last of them had its first news ${(last / 1_000).toFixed(1)} s after the join.`
            : "Not all know it yet.",
        };
      },
      why: "Who knows it tells another one each second, and that one too: the number doubles each round, so thirteen need about four, and a thousand ten.",
    }),
  ],
  simplified: "Gossip here is of the whole list; with many thousands of members it would have to be of pieces.",
  section: "4.8.1 Ring membership",
  file: "src/core/gossip.ts",
};

const gray: Lesson = {
  id: "gray-failure",
  title: "It says that it is well",
  idea: "A frozen or overloaded tab may answer pings and nothing else. Whoever waits for it waits with it.",
  options: five,
  before: [
    { do: "put", node: "a", key: KEY, value: "two books", context: "none", w: 3 },
    wait(1_000),
    { do: "gray", node: "d", byMs: undefined },
  ],
  key: KEY,
  panel: "request",
  rounds: [
    round({
      question: "d answers pings, but no requests any more. Somebody reads at a with R = 3. When does the answer come?",
      choices: {
        never: "Never: d does not answer",
        stand: "Soon: somebody else is asked in d's place",
        error: "At once, as an error",
      },
      action: "We read at a.",
      moves: [{ do: "get", node: "a", key: KEY, r: 3 }, wait(6_000)],
      observe: (world) => {
        const last = answers(world, KEY).at(-1);
        const asked = world.trace.findLast(({ event }) => event.what === "asked");
        const ms = last !== undefined && asked !== undefined && last.at >= asked.at ? last.at - asked.at : Infinity;
        const answer = last?.event.outcome === "ok" && ms < 6_000 ? "stand" : ms < 6_000 ? "error" : "never";
        return {
          answer,
          seen:
            ms === Infinity
              ? "No answer came."
              : `The answer (${last?.event.outcome ?? ""}) came after ${Math.round(ms)} ms.`,
        };
      },
      why: "A node that answers pings is not known to be down. So the coordinator does not wait for a verdict: when a reply takes longer than usual, it asks the next node of the walk.",
    }),
  ],
  simplified: "d answers nothing here. In life it answers some, late; the rule is the same.",
  section: "4.6; and what the paper leaves out",
  file: "src/core/get-coordinator.ts",
};

const amnesia: Lesson = {
  id: "amnesia",
  title: "A disk that has forgotten",
  idea: "A node that has lost its disk must not say “there is nothing”. It comes back as another node.",
  options: five,
  before: [
    { do: "put", node: "a", key: KEY, value: "two books", context: "none", w: 3 },
    wait(1_000),
    { do: "wipe", node: "c", successor: "x" },
    wait(2_000),
  ],
  key: KEY,
  panel: "key",
  rounds: [
    round({
      question:
        "Somebody clears the browser data of c, the first owner. On that computer a new node, x, starts. Somebody reads at x. What is found?",
      choices: { nothing: "Nothing: its disk is empty", value: "The two books" },
      action: "We read at x.",
      moves: [{ do: "get", node: "x", key: KEY }, wait(5_000)],
      observe: (world) => {
        const found = lastFound(world, KEY);
        const lastAnswer = answers(world, KEY).at(-1);
        const isFound = lastAnswer?.event.outcome === "ok" && lastAnswer.event.values.length > 0;
        return {
          answer: isFound ? "value" : "nothing",
          seen: isFound ? `The read found ${found.join(" and ")}.` : "The read found nothing.",
        };
      },
      why: "Who a node is lies on its disk. With an empty one it is somebody new, owns nothing yet, and asks those who have it. Had it kept the old name, its “nothing” would count as an answer, and its counters would begin anew.",
    }),
  ],
  simplified: "The old c is still in the list of members: somebody has to remove it.",
  section: "4.9; and what the paper leaves out",
  file: "src/browser/identity.ts",
};

/** Whether callers noticed the slow disk. */
function lastTwentyPuts(world: LabWorld): Observation<"little" | "much"> {
  const { median, worst } = percentiles(waited(world, "put").slice(-20));
  return {
    answer: median < 200 ? "little" : "much",
    seen: `Half of the callers waited less than ${Math.round(median)} ms, the last ${Math.round(worst)} ms.`,
  };
}

const durability: Lesson = {
  id: "durability",
  title: "The slowest of three",
  idea: "W is a price: each further copy that a put waits for is the slowest so far. The tail pays.",
  options: strict,
  before: [{ do: "disk-slow", node: "c", factor: 400 }, wait(500)],
  key: KEY,
  panel: "request",
  rounds: [
    round({
      question:
        "Three nodes, and no other to stand in. The disk of c is 400 times slower than usual. How does it change what callers wait with W = 2?",
      choices: { little: "Hardly", much: "They all wait for c" },
      action: "Twenty puts with W = 2.",
      moves: Array.from({ length: 20 }, (_, i) => [
        { do: "put", node: "a", key: KEY, value: `${i}`, context: "own", w: 2 } as const,
        wait(400),
      ]).flat(),
      observe: lastTwentyPuts,
      why: "Two of three are enough, and the two quick ones come first.",
    }),
    round({
      question: "And with W = 3?",
      choices: { little: "Hardly", much: "They all wait for c" },
      action: "Twenty puts with W = 3.",
      moves: Array.from({ length: 20 }, (_, i) => [
        { do: "put", node: "a", key: KEY, value: `more ${i}`, context: "own", w: 3 } as const,
        wait(1_500),
      ]).flat(),
      observe: lastTwentyPuts,
      why: "All three must have it on disk, so each put is as slow as the slowest of them. With more nodes a stand-in would take the place of c after a moment. Amazon measures the 99.9th percentile for that reason.",
    }),
  ],
  simplified: "Twenty puts are no measurement: npm run paper:durability makes thousands.",
  section: "6.1 Balancing performance and durability",
  file: "src/core/put-coordinator.ts",
};

export const lessons = [quorums, hints, repair, gossip, gray, amnesia, durability];
