/**
 * Deliberate bugs, as in `mutants.ts`, in what only few orders of events can show: seeds meet these too seldom, the exhaustive exploration meets all of
 * them. Each names the explored world that must catch it; `npm run sim:explore:mutants` says whether it does.
 */

import type { Mutant } from "./mutants.ts";

export interface ExploredMutant extends Mutant {
  /** Of `explored-worlds.ts`. */
  readonly world: string;
}

export const exploredMutants: readonly ExploredMutant[] = [
  {
    world: "reap-and-late-frame",
    name: "reaped-by-time",
    trap: "T17",
    bug: "a tombstone that is old enough is dropped, and nobody is asked",
    caughtBy: ["no-resurrection", "copies-kept"],
    file: "core/reaping.ts",
    find: "    for (const node of members) this.#ask(round, node);\n",
    replace: '    for (const node of members) this.#do.ask(node, { kind: "reap-drop", watch: "", records });\n',
  },
  {
    world: "reap-and-crash-of-the-asker",
    name: "reaped-without-the-absent",
    trap: "T17",
    bug: "only members that answer now are asked: one that is away has the value still",
    caughtBy: ["no-resurrection"],
    file: "core/reaping.ts",
    find: "const members = belonging(ring.view).map((member) => member.node);",
    replace:
      "const members = ring.view.members.map((member) => member.node).filter((node) => this.#in.reachable(node));",
  },
  {
    world: "reap-and-join",
    name: "reaped-without-those-who-do-not-own",
    trap: "T16",
    bug: "only those who count for the key are asked: a stand-in keeps a hint of the value",
    caughtBy: ["no-resurrection"],
    file: "core/reaping.ts",
    find: "const members = belonging(ring.view).map((member) => member.node);",
    replace: "const members = this.#in.listOf(records[0]!.key)!.counted;",
  },
  {
    world: "reap-and-hint",
    name: "reaped-though-a-hint-is-owed",
    trap: "T16",
    bug: "a member that keeps a hint of the key says that it has nothing of it",
    caughtBy: ["no-resurrection"],
    file: "core/replica.ts",
    find: "    if (this.#hints.targetsOf(key).size > 0) return false;\n",
    replace: "",
  },
  {
    world: "reap-and-join",
    name: "reaped-though-records-differ",
    trap: "T17",
    bug: "a member that has another record of the key, one with the value, does not object",
    caughtBy: ["no-resurrection"],
    file: "core/reap-watch.ts",
    find: "    if (!isAsAsked(record, completion.outcome, completion.set)) watch.touched.add(record.key);\n",
    replace: "",
  },
  {
    world: "reap-beside-a-slow-put",
    name: "reaped-though-a-put-is-under-way",
    trap: "T17",
    bug: "a coordinator that still has the value in hand, for owners that did not answer, says that it has nothing of the key",
    caughtBy: ["no-resurrection"],
    file: "core/node.ts",
    find: "      !this.#puts.concerns(key) &&\n",
    replace: "",
  },
  {
    world: "reap-and-late-hint",
    name: "reaped-though-somebody-brought-it",
    trap: "T17",
    bug: "a record that is brought while the key is watched is not noticed",
    caughtBy: ["no-resurrection"],
    file: "core/replica.ts",
    find: '    if (work.kind === "merge" || work.kind === "mint") this.#touched(key);\n',
    replace: "",
  },
  {
    world: "reap-and-late-frame",
    name: "reaped-without-proof",
    trap: "T17",
    bug: "that all had nothing of the key, each at its own time, is taken for proof",
    caughtBy: ["no-resurrection"],
    file: "core/reap-watch.ts",
    find: "      watch.renewing = true;\n      this.#do.renewEpochs();\n",
    replace: "      watch.renewing = true;\n      this.onRenewed();\n",
  },
  {
    world: "reap-and-crash",
    name: "actor-kept-after-a-reap",
    trap: "T1",
    bug: "the actor outlives the tombstone, and counts from 1 again",
    caughtBy: ["unique-dots", "no-vanishing", "no-fabrication"],
    file: "core/replica.ts",
    find: '        this.#in.note({ what: "tombstone-reaped", key: state.key, clock: set.clock });\n        this.#write(state, "record", null, undefined, "strict");\n',
    replace:
      '        this.#in.note({ what: "tombstone-reaped", key: state.key, clock: set.clock });\n        this.#write(state, "record", { set: EMPTY, minted: state.record?.minted }, undefined, "strict");\n',
  },
  {
    world: "reap-beside-old-contexts",
    name: "whatever-is-there-is-reaped",
    trap: "T17",
    bug: "who is told to drop a tombstone drops what it has, be it newer",
    caughtBy: ["copies-kept", "no-lost-write"],
    file: "core/replica.ts",
    find: "        if (set === undefined || !isDeleted(set) || recordDigest(state.key, set) !== work.digest) break;\n",
    replace: "        if (set === undefined) break;\n",
  },
];
