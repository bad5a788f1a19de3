/**
 * Lessons about clocks, as data for `clock-lesson.ts`: each has a schedule, and the methods that are worth running it under, the harmed ones and then
 * the dots. `clock-lesson.test.ts` says what becomes of each.
 */

import { ENTRIES_USUAL } from "../core/vector-clock.ts";
import type { LessonStep, Method, Schedule } from "./clock-lesson.ts";

export interface ClockLesson extends Schedule {
  /** In lower case with hyphens; stays. */
  readonly name: string;
  readonly title: string;
  /** Where it comes from. */
  readonly source: string;
  /** What it shows, for a reader who has not run it. */
  readonly shows: string;
  /** Run it under each of these; the last one is what nodes do here. */
  readonly methods: readonly Method[];
}

export const dots: Method = { clocks: "dots", actors: "fresh" };
export const dotsUnderAKeptName: Method = { clocks: "dots", actors: "kept" };
const plain = { clocks: "plain", actors: "nodes", entriesMax: undefined } as const;
export const countOnContext: Method = { ...plain, handling: "count-on-context" };
export const countOnNode: Method = { ...plain, handling: "count-on-node" };
export const oneForTheRecord: Method = { ...plain, handling: "one-for-the-record" };
export const clientsCount: Method = { ...plain, handling: "count-on-context", actors: "clients" };

/** Plain clocks of at most so many entries. */
export function truncated(entriesMax: number): Method {
  return { ...plain, handling: "count-on-node", entriesMax };
}

/** Figure 3 of the paper. */
export const figure3: ClockLesson = {
  name: "figure-3",
  title: "How versions branch and merge",
  source: "paper, section 4.4, figure 3",
  shows:
    "D1 to D5 over Sx, Sy and Sz. Nobody writes unseen through one coordinator, so plain clocks and dots tell the same story.",
  nodes: ["Sx", "Sy", "Sz"],
  steps: [
    { does: "put", client: "ada", node: "Sx", write: "D1", says: "A client writes a new object through Sx." },
    { does: "get", client: "ada", node: "Sx" },
    { does: "put", client: "ada", node: "Sx", write: "D2", says: "It updates it, through Sx again: D1 is replaced." },
    { does: "replicate", from: "Sx", to: "Sy" },
    { does: "replicate", from: "Sx", to: "Sz" },
    { does: "get", client: "ada", node: "Sy" },
    { does: "get", client: "bob", node: "Sz" },
    { does: "put", client: "ada", node: "Sy", write: "D3", says: "It updates D2, now through Sy." },
    {
      does: "put",
      client: "bob",
      node: "Sz",
      write: "D4",
      says: "Another client, who read D2 as well, writes through Sz.",
    },
    { does: "replicate", from: "Sy", to: "Sx" },
    { does: "replicate", from: "Sz", to: "Sx", says: "Neither D3 nor D4 descends from the other: Sx keeps both." },
    { does: "get", client: "eve", node: "Sx", says: "A read gives both, and a context that covers both." },
    {
      does: "put",
      client: "eve",
      node: "Sx",
      write: "D5",
      says: "The client reconciles them, and Sx coordinates the write.",
    },
    { does: "replicate", from: "Sx", to: "Sy" },
    { does: "replicate", from: "Sx", to: "Sz", says: "D5 descends from all: one version is left." },
  ],
  methods: [countOnContext, countOnNode, oneForTheRecord, dots],
};

/** Two clients who have not seen each other write through one coordinator. */
export const oneCoordinator: ClockLesson = {
  name: "one-coordinator",
  title: "Two clients, one coordinator",
  source: "Preguiça, Baquero and others 2010; basho/riak_kv pull request 746",
  shows:
    "Ada and Bob both read an empty cart and write through Sx. Counting on from what was read gives both writes the clock [Sx:1]: one is taken for the other. " +
    "Counting on from what Sx has gives Bob's [Sx:2], as if he had seen Ada's. Either way hers is gone. A dot says which write is which. Clients " +
    "that count for themselves are told apart as well, but then every client that ever wrote is in the clock.",
  nodes: ["Sx", "Sy"],
  steps: [
    { does: "get", client: "ada", node: "Sx" },
    { does: "get", client: "bob", node: "Sx", says: "Both read: there is nothing yet." },
    { does: "put", client: "ada", node: "Sx", write: "milk" },
    { does: "put", client: "bob", node: "Sx", write: "rye", says: "Bob has not seen the milk." },
    { does: "exchange", between: ["Sx", "Sy"] },
  ],
  methods: [countOnContext, countOnNode, clientsCount, dots],
};

/** The same, but the first write has reached the other replica before the second comes. */
export const oneClockTwoValues: ClockLesson = {
  name: "one-clock-two-values",
  title: "One clock, two values",
  source: "the same, with a replica between the two writes",
  shows:
    "Ada's write has reached Sy before Bob's comes to Sx. Where both have the clock [Sx:1], the replicas compare clocks, find them equal, and never find " +
    "out that they hold different values. Where Bob's is [Sx:2], the exchange carries the loss to Sy.",
  nodes: ["Sx", "Sy"],
  steps: [
    { does: "put", client: "ada", node: "Sx", write: "milk" },
    { does: "replicate", from: "Sx", to: "Sy" },
    { does: "put", client: "bob", node: "Sx", write: "rye", says: "Bob has not seen the milk." },
    { does: "exchange", between: ["Sx", "Sy"], says: "The replicas compare their clocks." },
    { does: "exchange", between: ["Sx", "Sy"] },
  ],
  methods: [countOnContext, countOnNode, dots],
};

/** Two clients in turn read and write through one coordinator, each always one write behind the other. */
export function explosion(rounds: number): ClockLesson {
  const turn = (client: string, round: number): LessonStep[] => [
    { does: "put", client, node: "Sx", write: `${client}-${String(round).padStart(3, "0")}` },
    { does: "get", client, node: "Sx" },
  ];
  return {
    name: "sibling-explosion",
    title: "Sibling explosion",
    source: "basho/riak_kv pull request 746; riak_cs issue 1006",
    shows:
      "Ada and Bob take turns; each reads after each own write, and the other writes before the next. One clock for the record cannot say which of its " +
      "siblings a writer had seen, so none goes: one more with each write, without any failure. With dots there are never more than two.",
    nodes: ["Sx"],
    steps: Array.from({ length: rounds }, (_, round) => [...turn("ada", round + 1), ...turn("bob", round + 1)]).flat(),
    methods: [oneForTheRecord, dots],
  };
}

/**
 * One more coordinator than a clock has room for, each writing what it read from the one before, while the first one is away with its old version.
 * `rounds` is how often replicas exchange and a client reconciles after its return.
 */
export function truncation(entriesMax = ENTRIES_USUAL, rounds = 5): ClockLesson {
  const nodes = Array.from({ length: entriesMax + 1 }, (_, i) => `S${String(i + 1).padStart(2, "0")}`);
  const first = nodes[0]!;
  const last = nodes.at(-1)!;
  const chain = nodes.slice(1).flatMap((node, i): LessonStep[] => [
    { does: "replicate", from: nodes[i]!, to: node },
    { does: "get", client: "ada", node },
    { does: "put", client: "ada", node, write: `D${String(i + 2).padStart(2, "0")}` },
  ]);
  const returned = Array.from({ length: rounds }, (_, i): LessonStep[] => [
    { does: "exchange", between: [first, last] },
    { does: "reconcile", client: "bob", node: last, write: `M${String(i + 1).padStart(2, "0")}` },
  ]).flat();
  return {
    name: "truncation",
    title: "A clock that was cut",
    source: "paper, section 4.4; basho/riak_core issue 613, riak_kv issue 1864",
    shows:
      `A value is written through ${entriesMax + 1} coordinators, one after another, each having read the last. A clock of at most ${entriesMax} entries forgets ${first}, the ` +
      `oldest. When ${first} comes back with D01 the clocks say that D01 and its own descendant are concurrent. A client merges them, the clock is too ` +
      "long again, the same entry is cut, and D01 is back at the next exchange: the repair never ends.",
    nodes,
    steps: [
      {
        does: "put",
        client: "ada",
        node: first,
        write: "D01",
        says: `${first} coordinates the first write, passes it on, and goes away.`,
      },
      ...chain,
      ...returned,
      { does: "exchange", between: [first, last] },
    ],
    methods: [truncated(entriesMax), countOnNode, dots],
  };
}

/** A node that lost its disk goes on under its old name. */
export const lostDisk: ClockLesson = {
  name: "lost-disk",
  title: "A name that outlived its memory",
  source: "basho/riak_kv issue 679",
  shows:
    "Sx has written twice, then loses its disk and counts from 1 again. Its new write, acknowledged, looks like an old one to Sy, which throws it away. " +
    "Dots alone do not help: the name must be new as well, whenever the memory may have been lost.",
  nodes: ["Sx", "Sy"],
  steps: [
    { does: "put", client: "ada", node: "Sx", write: "milk" },
    { does: "get", client: "ada", node: "Sx" },
    { does: "put", client: "ada", node: "Sx", write: "milk, rye" },
    { does: "replicate", from: "Sx", to: "Sy" },
    { does: "lose-disk", node: "Sx" },
    {
      does: "put",
      client: "bob",
      node: "Sx",
      write: "tea",
      says: "Sx has nothing, and counts its next write as its first.",
    },
    { does: "exchange", between: ["Sx", "Sy"] },
  ],
  methods: [countOnNode, dotsUnderAKeptName, dots],
};

export const clockLessons: readonly ClockLesson[] = [
  figure3,
  oneCoordinator,
  oneClockTwoValues,
  explosion(10),
  truncation(),
  lostDisk,
];
