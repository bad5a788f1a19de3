/** All assignments, the easier ones first. */

import type { Key } from "../../../src/core/identifiers.ts";
import type { LabWorld } from "../../../src/lab/world.ts";
import type { LabOptions } from "../../../src/lab/options.ts";
import { type Move, answers, holdersOf, lastFound, nodesNamed, optionsWith, wait } from "../lessons/lesson.ts";
import { type Assignment, type Posed, Draws, played } from "./assignment.ts";

const SHOPPERS = ["ada", "ben", "chidi", "dora", "emil", "fatma", "goran", "hana", "ines", "jonas"] as const;

function drawnWorld(assignment: string, seed: number) {
  const draws = new Draws(assignment, seed);
  const count = 5 + draws.below(3);
  const options: LabOptions = optionsWith({ seed: draws.below(1_000_000), nodes: nodesNamed(count) });
  const names = options.nodes.map(({ name }) => name);
  const key = `carts/${draws.one(SHOPPERS)}`;
  return { draws, options, names, key };
}

function asChoices(names: readonly string[]): readonly { readonly id: string; readonly words: string }[] {
  return names.map((name) => ({ id: name, words: name }));
}

/** In a cluster that stands already: the names of the owners, and of those after them, in the order of the walk. */
function walkOf(world: LabWorld, key: string): { readonly owners: string[]; readonly fallbacks: string[] } {
  const list = world.preferenceListAt(world.nodes[0]!.id, key as Key);
  const nameOf = (id: string): string => world.nodes.find((node) => node.id === id)?.name ?? id;
  return { owners: (list?.owners ?? []).map(nameOf), fallbacks: (list?.fallbacks ?? []).map(nameOf) };
}

/** Who keeps a hint for this node, by name. */
function hintKeepers(world: LabWorld, key: string, forName: string): string[] {
  const target = world.nodes.find(({ name }) => name === forName)?.id;
  return world.nodes
    .filter(({ id }) => world.recordsOf(id, key as Key).hints.some((hint) => hint.target === target))
    .map(({ name }) => name);
}

const owners: Assignment = {
  id: "owners",
  title: "Whose key is it?",
  pose(seed): Posed {
    const { options, names, key } = drawnWorld("owners", seed);
    return {
      options,
      before: [],
      // Not the key of the question: that one the pupil looks up, or counts out on the ring.
      key: "carts/nobody",
      panel: "key",
      question: `Which nodes own ${key}?`,
      task: {
        by: "choosing",
        choices: asChoices(names),
        several: true,
        moves: [],
        read: (world) => walkOf(world, key).owners,
      },
      why: "The walk begins at the token of the key’s hash and goes clockwise to the next nodes that differ, N of them. Write the key into the Key panel to see it.",
    };
  },
};

const hintKeeper: Assignment = {
  id: "hint-keeper",
  title: "Who keeps the hint?",
  pose(seed): Posed {
    const { draws, options, names, key } = drawnWorld("hint-keeper", seed);
    const walk = walkOf(played(options, []), key);
    const away = draws.one(walk.owners);
    const caller = draws.one(names.filter((name) => name !== away));
    return {
      options,
      before: [],
      key,
      panel: "key",
      question: `Node ${away} crashes. Fifteen seconds later, when all have noticed, somebody writes ${key} at ${caller}. Which node keeps the hint for ${away}?`,
      task: {
        by: "choosing",
        choices: [...asChoices(names), { id: "none", words: "nobody: the write fails" }],
        several: false,
        moves: [
          { do: "crash", node: away },
          wait(15_000),
          { do: "put", node: caller, key, value: "one book", context: "none" },
          wait(3_000),
        ],
        read: (world) => {
          const keepers = hintKeepers(world, key, away);
          return keepers.length === 0 ? ["none"] : keepers;
        },
      },
      why: "The first node behind the owners in the walk takes the place of the one that is away, and keeps the write with a note whom it is for. Who was asked to write does not matter.",
    };
  },
};

const lacking: Assignment = {
  id: "lacking-owner",
  title: "Who has not got it yet?",
  pose(seed): Posed {
    const { draws, options, names, key } = drawnWorld("lacking-owner", seed);
    const walk = walkOf(played(options, []), key);
    const away = draws.one(walk.owners);
    const caller = draws.one(names.filter((name) => name !== away));
    const backFor = draws.one([0, 500, 20_000]);
    return {
      options,
      before: [
        { do: "put", node: caller, key, value: "first", context: "none" },
        wait(2_000),
        { do: "crash", node: away },
        wait(12_000),
        { do: "put", node: caller, key, value: "last", context: "own" },
        wait(2_000),
        ...(backFor === 0 ? [] : [{ do: "restart", node: away } as const, wait(backFor)]),
      ],
      key: "carts/nobody",
      panel: "trace",
      question: `${key} was written, then ${away} crashed, and ${key} was written again${backFor === 0 ? "" : `; ${away} came back ${backFor / 1_000} seconds ago`}. Which owners lack the last write now?`,
      task: {
        by: "choosing",
        choices: [...asChoices(walk.owners), { id: "none", words: "none of them" }],
        several: true,
        moves: [],
        read: (world) => {
          const lack = walk.owners.filter((name) => {
            const { id } = world.nodes.find((node) => node.name === name)!;
            return !valuesAt(world, id, key).includes("last");
          });
          return lack.length === 0 ? ["none"] : lack;
        },
      },
      why: "A hint waits at another node until its owner is back, and is handed over then: not at once, and not before it is noticed that it is back.",
    };
  },
};

const versions: Assignment = {
  id: "versions-found",
  title: "How many versions?",
  pose(seed): Posed {
    const { draws, options, names, key } = drawnWorld("versions-found", seed);
    const [reader] = draws.some(names, 1);
    const before: Move[] = [];
    const told: string[] = [];
    const writes = 2 + draws.below(3);
    for (let i = 0; i < writes; i++) {
      const node = draws.one(names);
      const value = `V${i + 1}`;
      const reads = i > 0 && draws.below(2) === 0;
      if (reads) before.push({ do: "get", node, key }, wait(1_000));
      before.push({ do: "put", node, key, value, context: reads ? "seen" : "none" }, wait(1_000));
      told.push(`${node} ${reads ? "reads, and writes" : "writes without having read"} ${value}`);
    }
    return {
      options,
      before: [],
      key,
      panel: "versions",
      question: `One after the other: ${told.join("; ")}. How many versions of ${key} does a read at ${reader!} find then?`,
      task: {
        by: "choosing",
        choices: Array.from({ length: writes }, (_, i) => ({ id: String(i + 1), words: String(i + 1) })),
        several: false,
        moves: [...before, { do: "get", node: reader!, key }, wait(1_000)],
        read: (world) => [String(lastFound(world, key).length)],
      },
      why: "A write replaces what its writer had seen, and stands beside everything else, however late it comes.",
    };
  },
};

const quorum: Assignment = {
  id: "acknowledged",
  title: "Is it acknowledged?",
  pose(seed): Posed {
    const { draws, options, names, key } = drawnWorld("acknowledged", seed);
    const size = 1 + draws.below(3);
    const side = draws.some(names, size);
    const caller = side[0]!;
    const w = 1 + draws.below(3);
    return {
      options,
      before: [],
      key,
      panel: "request",
      question: `The network is cut: ${[...side].sort().join(", ")} on one side, all others on the other. When both sides have noticed, somebody writes ${key} at ${caller} and waits for ${w} of N = 3 answers. What comes of it?`,
      task: {
        by: "choosing",
        choices: [
          { id: "ok", words: "It is acknowledged" },
          { id: "failed", words: "It fails: too few answer" },
        ],
        several: false,
        moves: [
          { do: "cut", side, other: names.filter((name) => !side.includes(name)) },
          wait(15_000),
          { do: "put", node: caller, key, value: "one book", context: "none", w },
          wait(20_000),
        ],
        read: (world) => [answers(world, key).at(-1)?.event.outcome === "ok" ? "ok" : "failed"],
      },
      why: "A sloppy quorum counts the first nodes of the walk that can be reached, owners or not. So it is enough that as many are on this side, whoever they are.",
    };
  },
};

const makeVersions: Assignment = {
  id: "make-versions",
  title: "Make them stand side by side",
  pose(seed): Posed {
    const { draws, options, names, key } = drawnWorld("make-versions", seed);
    const wanted = 2 + draws.below(3);
    return {
      options,
      before: [{ do: "put", node: names[0]!, key, value: "the first", context: "none" }, wait(1_000)],
      key,
      panel: "key",
      question: `There is one version of ${key}. Bring the cluster to where every disk that has the key holds exactly ${wanted} versions, side by side.`,
      task: {
        by: "doing",
        isDone: (world) => {
          const holders = holdersOf(world, key);
          return holders.length > 0 && holders.every(({ id }) => valuesAt(world, id, key).length === wanted);
        },
        tell: (world) => {
          const counts = holdersOf(world, key).map(({ id, name }) => `${name} has ${valuesAt(world, id, key).length}`);
          return `${counts.join(", ")} of ${wanted}.`;
        },
        moves: Array.from({ length: wanted - 1 }, (_, i): Move[] => [
          { do: "put", node: names[i + 1]!, key, value: `number ${i + 2}`, context: "none" },
          wait(2_000),
        ]).flat(),
        words: `${wanted - 1} blind ${wanted === 2 ? "write" : "writes"}, and a second for each to arrive everywhere`,
      },
      why: "A write that knows of nothing replaces nothing.",
    };
  },
};

function valuesAt(world: LabWorld, id: LabWorld["nodes"][number]["id"], key: string): readonly string[] {
  const decoder = new TextDecoder();
  const { record } = world.recordsOf(id, key as Key);
  return (record?.siblings ?? []).flatMap(({ value }) => (value === null ? [] : [decoder.decode(value)]));
}

export const assignments: readonly Assignment[] = [owners, quorum, hintKeeper, lacking, versions, makeVersions];

export function assignmentNamed(id: string): Assignment | undefined {
  return assignments.find((assignment) => assignment.id === id);
}
