/** Lessons about where things are kept: partitioning, placements, replication and zones, adding and removing nodes. */

import { SimulatedWorld } from "../../../src/lab/simulated-world.ts";
import type { LabWorld } from "../../../src/lab/world.ts";
import { type Lesson, holdersOf, lastFound, answers, node, nodesNamed, optionsWith, round, wait } from "./lesson.ts";

const KEY = "carts/ada";

/** The most that a node is first owner of, as a share of what it would be if all had the same. */
function unevenness(world: LabWorld): number {
  const [first] = world.nodes;
  const lists = world.listsAt(first!.id);
  const counts = world.nodes.map(({ id }) => lists.filter(({ owners }) => owners[0] === id).length);
  return (Math.max(...counts) * world.nodes.length) / lists.length;
}

const partitioning: Lesson = {
  id: "partitioning",
  title: "A node more",
  idea: "Consistent hashing: who keeps a key follows from the key and the nodes, and a newcomer takes its share from all.",
  options: optionsWith({ nodes: nodesNamed(5), parameters: { partitions: 64 } }),
  before: [],
  key: KEY,
  panel: "plan",
  rounds: [
    round({
      question:
        "Five nodes keep three copies of everything. A sixth joins. Which part of all copies has to be made anew?",
      choices: {
        all: "Nearly all: with hash modulo six, almost every key belongs elsewhere",
        share: "About a sixth: what the newcomer will keep",
        none: "None: it begins empty and takes only new keys",
      },
      action: "We ask for the plan of a join, before anything is done.",
      moves: [],
      observe: (world) => {
        const plan = world.planAt(node(world, "a").id, { kind: "join", capacity: 1, zone: "new" })!;
        const share = plan.moves.length / (64 * 3);
        return {
          answer: share > 0.5 ? "all" : share < 0.02 ? "none" : "share",
          seen: `${plan.moves.length} of ${64 * 3} copies would be made: ${Math.round(share * 100)}%; a sixth is 17%.`,
        };
      },
      why: "The ring is cut into equal partitions, each the token of one node. A newcomer takes some tokens from everybody. Keys of all other partitions stay where they are.",
    }),
  ],
  simplified:
    "Keys are many here and equally large. In a real shop one key may be asked for more than a thousand others.",
  section: "4.2 Partitioning algorithm",
  file: "src/core/token-claims.ts",
};

const placements: Lesson = {
  id: "placements",
  title: "Three ways to deal the tokens",
  idea: "Random tokens leave some nodes with much more than others; equal shares of equal partitions do not (figure 8).",
  options: optionsWith({ nodes: nodesNamed(6), parameters: { partitions: 64, placement: 1, tokensPerNode: 10 } }),
  before: [],
  key: KEY,
  panel: "world",
  rounds: [
    round({
      question: "Six nodes, about ten tokens each. With which placement does the busiest node have least to do?",
      choices: {
        one: "1: random tokens, the ring split at them",
        two: "2: random tokens, equal partitions",
        three: "3: every node the same number of equal partitions",
      },
      action: "We build the same cluster three times, once with each placement, and count.",
      moves: [],
      observe: (world) => {
        const first = optionsWith({
          nodes: nodesNamed(6),
          parameters: { partitions: 64, placement: 2, tokensPerNode: 10 },
        });
        const third = optionsWith({
          nodes: nodesNamed(6),
          parameters: { partitions: 64, placement: 3, tokensPerNode: 0 },
        });
        const shares = [world, new SimulatedWorld(first), new SimulatedWorld(third)].map(unevenness);
        const least = shares.indexOf(Math.min(...shares));
        return {
          answer: (["one", "two", "three"] as const)[least]!,
          seen: `The busiest node has ${shares.map((share, i) => `${share.toFixed(2)} times its share with placement ${i + 1}`).join(", ")}.`,
        };
      },
      why: "Chance is uneven. Amazon began with random tokens, and ended with equal partitions and equal numbers of tokens: most even, and its tables are smallest.",
    }),
  ],
  simplified:
    "Counted are partitions, not requests, with six nodes and one seed. The figure of the paper is made again, with many nodes, by npm run paper:balance.",
  section: "6.2 Ensuring uniform load distribution",
  file: "src/core/placement.ts",
};

const zones: Lesson = {
  id: "zones",
  title: "A whole zone goes dark",
  idea: "The copies of a key are kept in different zones, so that no single power cut takes all.",
  options: optionsWith({ nodes: nodesNamed(6, (place) => `z${(place % 3) + 1}`) }),
  before: [{ do: "put", node: "a", key: KEY, value: "two books", context: "none" }, wait(500)],
  key: KEY,
  panel: "key",
  rounds: [
    round({
      question: "Six nodes in three zones, three copies. How many different zones keep this key?",
      choices: { one: "One", two: "Two", three: "Three" },
      action: "We look at the disks.",
      moves: [],
      observe: (world) => {
        const zonesWith = [...new Set(holdersOf(world, KEY).map(({ zone }) => zone))].sort();
        return {
          answer: (["one", "two", "three"] as const)[zonesWith.length - 1] ?? "one",
          seen: `Its copies are at ${holdersOf(world, KEY)
            .map(({ name, zone }) => `${name} in ${zone}`)
            .join(", ")}.`,
        };
      },
      why: "The walk around the ring takes the first N nodes, those in a zone that it has not met yet first.",
    }),
    round({
      question: "Both nodes of zone z1 lose power at once. Can the key still be read with R = 2?",
      choices: { yes: "Yes", no: "No: too few answer" },
      action: "We crash a and d, and read at b.",
      moves: [
        { do: "crash", node: "a" },
        { do: "crash", node: "d" },
        wait(500),
        { do: "get", node: "b", key: KEY },
        wait(3_000),
      ],
      observe: (world) => {
        const found = lastFound(world, KEY);
        const last = answers(world, KEY).at(-1);
        return {
          answer: last?.event.outcome === "ok" && found.length > 0 ? "yes" : "no",
          seen: `The read ended with ${last?.event.outcome ?? "no answer"} and found ${found.join(", ") || "nothing"}; ${last?.event.report?.answered.length ?? 0} nodes answered.`,
        };
      },
      why: "One copy was in the dark zone. The two others are a quorum.",
    }),
  ],
  simplified:
    "A zone here is a word in a node's settings. Nobody checks that the nodes are really in different places.",
  section: "4.6 Handling failures: hinted handoff, last paragraph",
  file: "src/core/ring.ts",
};

const leaving: Lesson = {
  id: "leaving",
  title: "A node goes for good",
  idea: "To leave is not to crash: the node gives away what it has, and only then goes.",
  options: optionsWith({ nodes: nodesNamed(5) }),
  before: [{ do: "put", node: "a", key: KEY, value: "two books", context: "none" }, wait(500)],
  key: KEY,
  panel: "plan",
  rounds: [
    round({
      question: "An owner of the key leaves. How many copies of the key are there when it has gone?",
      choices: { two: "Two, until somebody repairs it", three: "Three, as before", four: "Four" },
      action: "We tell the first owner to leave, and wait until it has gone.",
      moves: [{ do: "leave", node: "c" }, wait(60_000)],
      observe: (world) => {
        const holders = holdersOf(world, KEY);
        const state = node(world, "c").state;
        return {
          answer: holders.length <= 2 ? "two" : holders.length === 3 ? "three" : "four",
          seen: `c is ${state}; the key is on the disks of ${holders.map(({ name }) => name).join(", ")}.`,
        };
      },
      why: "The leaver stays an owner that counts until the new owners have copied its partitions and have said so. Then it clears its disk.",
    }),
  ],
  simplified: "Here it takes some seconds. With much data it takes as long as the copying.",
  section: "4.9 Adding and removing storage nodes",
  file: "src/core/departure.ts",
};

export const lessons = [partitioning, placements, zones, leaving];
