import { describe, expect, test } from "vitest";
import { parametersFrom } from "../core/config.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import { DynamoNode, type NodeOptions } from "../core/node.ts";
import { exploredWorlds } from "./explored-worlds.ts";
import { explore } from "./explorer.ts";
import type { ExploredNode } from "./local-states.ts";
import { SmallWorld } from "./small-world.ts";
import type { ClientStep, SmallWorldOptions } from "./world-state.ts";

const STATES_MAX = 200_000;
const put = (at: number, key = "carts/ada"): ClientStep => ({ do: "put", at, key });
const shipped = (options: NodeOptions): ExploredNode => new DynamoNode(options);
/** One owner for each key: a for carts/ada, b for carts/bob. */
const apart = { members: 2, parameters: parametersFrom({ n: 1, r: 1, w: 1, partitions: 2 }), makeNode: shipped };
/** a and b own carts/ada, c stands in for them. */
const pair = { members: 3, parameters: parametersFrom({ n: 2, r: 1, w: 2, partitions: 4 }), makeNode: shipped };

function named(name: string): Omit<SmallWorldOptions, "makeNode"> {
  const found = exploredWorlds.find((world) => world.name === name);
  if (found === undefined) throw new Error(`no world ${name}`);
  return found;
}

/** A shipped node whose steps somebody meddles with. */
function meddledWith(
  meddle: (node: DynamoNode, event: NodeEvent, effects: Effect[]) => Effect[],
): SmallWorldOptions["makeNode"] {
  return (options) => {
    const node = new DynamoNode(options);
    return {
      step: (event) => meddle(node, event, node.step(event)),
      wakeAt: () => node.wakeAt(),
      inspect: () => node.inspect(),
      get memory() {
        return node.memory;
      },
    };
  };
}

function violationOf(options: SmallWorldOptions): string {
  const { violation } = explore(new SmallWorld(options), STATES_MAX);
  return violation === undefined ? "none" : String((violation.error as Error).message);
}

describe("the states of a world", () => {
  test("one put at its only owner: before, loading, storing, acknowledged", () => {
    const world = new SmallWorld({ ...apart, clients: [[put(0)]] });
    expect(explore(world, STATES_MAX)).toMatchObject({ states: 4, transitions: 3, finals: 1, complete: true });
  });

  test("two puts that have nothing in common: every state of the one with every state of the other", () => {
    const world = new SmallWorld({ ...apart, clients: [[put(0)], [put(1, "carts/bob")]] });
    expect(explore(world, STATES_MAX)).toMatchObject({
      states: 4 * 4,
      transitions: 2 * 3 * 4,
      finals: 1,
      depthMax: 6,
      complete: true,
    });
  });

  test("one put and one crash of its owner", () => {
    const world = new SmallWorld({ ...apart, members: 1, clients: [[put(0)]], faults: [{ kind: "crash", node: 0 }] });
    // Four without a crash. After one, down and started again each: before the put; while it loads; while it is stored, and lost, though its dot is
    // known by now; so, and kept; after it. In the first of these the put is still to come: loading, storing, acknowledged.
    expect(explore(world, STATES_MAX)).toMatchObject({ states: 4 + 2 * 5 + 3, finals: 6, complete: true });
  });

  test("clients with the same script are one another's mirror images", () => {
    const clients = [[put(0)], [put(0)]];
    const alike = explore(new SmallWorld({ ...apart, clients }), STATES_MAX);
    const labelled = clients.map((script, i) => script.map((step) => ({ ...step, operation: `put ${i}` })));
    const different = explore(new SmallWorld({ ...apart, clients: labelled }), STATES_MAX);
    expect(alike.states).toBeLessThan(different.states);
    expect(2 * alike.states).toBeGreaterThan(different.states);
  });

  test("are the same in every run", () => {
    const run = () => {
      const world = new SmallWorld({ ...named("two-puts"), makeNode: shipped });
      return { ...explore(world, STATES_MAX), locals: world.localStates };
    };
    expect(run()).toEqual(run());
  });

  test("do not depend on which nodes were kept: every step is the same from a second way", () => {
    const world = new SmallWorld({ ...named("two-puts"), makeNode: shipped, verifiesMemory: true });
    expect(explore(world, STATES_MAX)).toMatchObject({ complete: true, violation: undefined });
  });

  test("more states of nodes than there is room for are told", () => {
    const world = new SmallWorld({ ...named("two-puts"), makeNode: shipped, localStatesMax: 60 });
    expect(explore(world, STATES_MAX)).toMatchObject({ complete: false, overflowed: true, violation: undefined });
  });
});

describe("every explored world", () => {
  test("has a name of its own, and asks something", () => {
    expect(new Set(exploredWorlds.map((world) => world.name)).size).toBe(exploredWorlds.length);
    for (const world of exploredWorlds) expect(world.about).not.toBe("");
  });

  test.each(["deleted-stays-deleted", "failed-load", "wipe-beside-a-put"])(
    "%s is gone through, and all is well",
    (name) => {
      const world = new SmallWorld({ ...named(name), makeNode: shipped });
      expect(explore(world, STATES_MAX)).toMatchObject({ complete: true, violation: undefined });
    },
  );
});

describe("a planted bug is found", () => {
  test("acknowledged before it is durable", () => {
    const makeNode = meddledWith((node, { at }, effects) =>
      effects.flatMap((effect) =>
        effect.kind === "store" ? [effect, ...node.step({ at, kind: "stored", ticket: effect.ticket })] : [effect],
      ),
    );
    expect(violationOf({ ...named("two-puts"), makeNode })).toContain("durable-before-ack");
  });

  test("in what is prepared already", () => {
    const makeNode = meddledWith((_, event, effects) => {
      if (event.kind === "client-put") throw new Error("broken");
      return effects;
    });
    const world = new SmallWorld({ ...apart, prepared: [put(0)], clients: [[put(0)]], makeNode });
    const { violation, complete } = explore(world, STATES_MAX);
    expect({ complete, path: violation?.path }).toEqual({ complete: false, path: [] });
    expect(world.tell([]).at(-1)).toContain("threw out of step on client-put");
  });

  test("a hint that is acknowledged and not kept", () => {
    const makeNode = meddledWith((_, __, effects) =>
      effects.map((effect) =>
        effect.kind === "store"
          ? { ...effect, writes: effect.writes.filter((write) => write.store !== "hints") }
          : effect,
      ),
    );
    const world = { ...pair, clients: [[put(0)]], faults: [{ kind: "cut", links: [[0, 1]] }] } as const;
    expect(violationOf(world)).toBe("none");
    expect(violationOf({ ...world, makeNode })).toContain("durable-before-ack");
  });

  test("a write that another one had not seen is gone", () => {
    const makeNode = meddledWith((_, __, effects) =>
      effects.map((effect) =>
        effect.kind === "send" && effect.message.kind === "replica-put" && effect.message.set.siblings.length > 1
          ? {
              ...effect,
              message: {
                ...effect.message,
                set: { ...effect.message.set, siblings: effect.message.set.siblings.slice(1) },
              },
            }
          : effect,
      ),
    );
    expect(violationOf({ ...named("two-puts"), makeNode })).toContain("no-vanishing");
  });

  test("an answer that never comes, and the story of how", () => {
    const makeNode = meddledWith((_, __, effects) => effects.filter((effect) => effect.kind !== "reply"));
    const world = new SmallWorld({ ...apart, clients: [[put(0)]], makeNode });
    const { violation } = explore(world, STATES_MAX);
    expect(String((violation?.error as Error).message)).toContain("client 1 has no answer");
    const story = world.tell(violation?.path ?? []);
    expect(story[0]).toBe("1. client 1 begins its next step");
    expect(story[1]).toContain("client-put");
    expect(story.join("\n")).toContain("At rest.");
    expect(story.at(-1)).toContain("client 1 has no answer");
  });

  test("a node that throws out of step", () => {
    const makeNode = meddledWith((_, event, effects) => {
      if (event.kind === "client-put") throw new Error("broken");
      return effects;
    });
    expect(violationOf({ ...apart, clients: [[put(0)]], makeNode })).toContain("threw out of step on client-put");
  });
});
