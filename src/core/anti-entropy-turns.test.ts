/** When trees are compared and with whom: each peer in turn, one at a time, and whoever is back first. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AntiEntropy } from "./anti-entropy.ts";
import type { NodeId, Partition } from "./identifiers.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, type ViewOptions, nodeNamed, viewOf } from "./stub-surroundings.ts";

const EVERY_MS = 60_000;
const AFTER_LINK_UP_MS = 2_000;
const EVERYTHING: readonly Partition[] = [0, 1, 2, 3, 4, 5, 6, 7];

/** Node 1 among `nodes`, in a cluster where all hold everything unless `holds` says otherwise. */
function world(nodes: number, holds?: ViewOptions["holds"]) {
  const view = viewOf({ nodes, n: 3, r: 2, w: 2, ...(holds === undefined ? {} : { holds }) });
  const surroundings = new StubSurroundings(nodeNamed(1), view, { antiEntropyMs: EVERY_MS });
  const begun: { readonly peer: NodeId; readonly partitions: readonly Partition[] }[] = [];
  /** With whom no exchange can begin. */
  const busy = new Set<NodeId>();
  const tried: NodeId[] = [];
  const antiEntropy = new AntiEntropy(surroundings, {
    // Without logs trees are compared at once.
    catchUp: () => false,
    exchange: (peer, partitions) => {
      tried.push(peer);
      if (busy.has(peer)) return false;
      begun.push({ peer, partitions });
      return true;
    },
  });
  /** Time passes; what is due is done. */
  const pass = (spanMs: number): void => {
    const until = surroundings.now + spanMs;
    for (let due = surroundings.timers.earliest(); due !== undefined && due <= until;) {
      for (const name of surroundings.pass(due - surroundings.now)) {
        expect(name).toBe("anti-entropy");
        antiEntropy.onTimer();
      }
      due = surroundings.timers.earliest();
    }
    surroundings.now = until;
  };
  const peers = (): NodeId[] => begun.map(({ peer }) => peer);
  return { surroundings, antiEntropy, begun, busy, tried, pass, peers };
}

describe("comparing", () => {
  test("begins within the first interval, and not at the same time everywhere", () => {
    const { surroundings, antiEntropy } = world(2);
    const dues = new Set<number>();
    for (let start = 0; start < 20; start++) {
      antiEntropy.start();
      dues.add(surroundings.timers.earliest()!);
    }
    expect(Math.max(...dues)).toBeLessThan(EVERY_MS);
    expect(dues.size).toBeGreaterThan(10);
  });

  test("goes on with each peer in turn, over everything that both hold", () => {
    const { antiEntropy, pass, peers, begun } = world(4);
    antiEntropy.start();
    for (let turn = 0; turn < 6; turn++) {
      pass(EVERY_MS);
      antiEntropy.onEnded(begun.at(-1)!.peer);
    }
    expect(peers()).toEqual([2, 3, 4, 2, 3, 4].map(nodeNamed));
    for (const { partitions } of begun) expect(partitions).toEqual(EVERYTHING);
  });

  test("leaves out what one of the two does not hold, and whoever holds nothing that this node holds", () => {
    const { antiEntropy, pass, begun } = world(
      4,
      (node, partition) => node === 1 || (node === 2 && partition > 5) || (node === 3 && partition === 0),
    );
    antiEntropy.start();
    for (let turn = 0; turn < 3; turn++) {
      pass(EVERY_MS);
      antiEntropy.onEnded(begun.at(-1)!.peer);
    }
    expect(begun).toEqual([
      { peer: nodeNamed(2), partitions: [6, 7] },
      { peer: nodeNamed(3), partitions: [0] },
      { peer: nodeNamed(2), partitions: [6, 7] },
    ]);
  });

  test("waits for the end of the last comparison, and takes nobody else's for it", () => {
    const { antiEntropy, pass, peers } = world(4);
    antiEntropy.start();
    pass(3 * EVERY_MS);
    expect(peers()).toEqual([nodeNamed(2)]);
    antiEntropy.onEnded(nodeNamed(3));
    pass(EVERY_MS);
    expect(peers()).toEqual([nodeNamed(2)]);
    antiEntropy.onEnded(nodeNamed(2));
    pass(EVERY_MS);
    expect(peers()).toEqual([2, 3].map(nodeNamed));
  });

  test("goes to the next one when it cannot begin, and to nobody when it can begin with nobody", () => {
    const { antiEntropy, busy, pass, peers, tried } = world(3);
    busy.add(nodeNamed(2));
    antiEntropy.start();
    pass(EVERY_MS);
    expect(peers()).toEqual([nodeNamed(3)]);
    antiEntropy.onEnded(nodeNamed(3));
    busy.add(nodeNamed(3));
    pass(EVERY_MS);
    expect([peers().length, tried.length]).toEqual([1, 4]);
    // It does not wait for the end of what has not begun.
    busy.clear();
    pass(EVERY_MS);
    expect(peers()).toHaveLength(2);
  });

  test("is with nobody while nobody answers, or before the cluster was met, and goes on by itself afterwards", () => {
    const { surroundings, antiEntropy, pass, peers } = world(2);
    const { ring } = surroundings;
    surroundings.ring = undefined;
    antiEntropy.start();
    pass(2 * EVERY_MS);
    surroundings.ring = ring;
    surroundings.down.add(nodeNamed(2));
    pass(2 * EVERY_MS);
    expect(peers()).toEqual([]);
    surroundings.down.clear();
    pass(EVERY_MS);
    expect(peers()).toEqual([nodeNamed(2)]);
  });

  test("is with nobody when this node is no member", () => {
    const { surroundings, antiEntropy, pass, peers } = world(3);
    const { members, ...view } = surroundings.ring!.view;
    surroundings.ring = new Ring({ ...view, members: members.filter(({ node }) => node !== nodeNamed(1)) });
    antiEntropy.start();
    pass(3 * EVERY_MS);
    expect(peers()).toEqual([]);
  });
});

describe("a peer whose link comes up", () => {
  test("is compared with next, when its hints have had some time", () => {
    const { surroundings, antiEntropy, pass, peers } = world(4);
    surroundings.timers.set("anti-entropy", EVERY_MS);
    antiEntropy.onPeerUp(nodeNamed(4));
    pass(AFTER_LINK_UP_MS - 1);
    expect(peers()).toEqual([]);
    pass(1);
    expect(peers()).toEqual([nodeNamed(4)]);
    antiEntropy.onEnded(nodeNamed(4));
    pass(EVERY_MS);
    expect(peers()).toEqual([4, 2].map(nodeNamed));
  });

  test("does not put off what is due sooner", () => {
    const { surroundings, antiEntropy, pass, peers } = world(3);
    antiEntropy.onPeerUp(nodeNamed(2));
    expect(surroundings.timers.earliest()).toBe(AFTER_LINK_UP_MS);
    pass(AFTER_LINK_UP_MS / 2);
    antiEntropy.onPeerUp(nodeNamed(3));
    expect(surroundings.timers.earliest()).toBe(AFTER_LINK_UP_MS);
    pass(AFTER_LINK_UP_MS / 2);
    expect(peers()).toEqual([nodeNamed(3)]);
  });
});

test("whoever answers has its turn, whatever links do: as a queue has it", () => {
  type Step = readonly ["up" | "down", number] | readonly ["tick"] | readonly ["end"];
  const peer = fc.integer({ min: 2, max: 6 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(fc.constantFrom("up" as const, "down" as const), peer),
    fc.constant(["tick"] as const),
    fc.constant(["tick"] as const),
    fc.constant(["end"] as const),
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.uniqueArray(peer, { maxLength: 3 }),
      fc.uniqueArray(peer, { maxLength: 2 }),
      (script, empty, busy) => {
        const { surroundings, antiEntropy, begun, ...rest } = world(6, (node) => !empty.includes(node));
        for (const node of busy) rest.busy.add(nodeNamed(node));
        let queue: number[] = [];
        let comparing: number | undefined;
        for (const [what, node = 0] of script)
          switch (what) {
            case "up":
              surroundings.down.delete(nodeNamed(node));
              antiEntropy.onPeerUp(nodeNamed(node));
              queue = [node, ...queue.filter((other) => other !== node)];
              break;
            case "down":
              surroundings.down.add(nodeNamed(node));
              antiEntropy.onPeerDown(nodeNamed(node));
              queue = queue.filter((other) => other !== node);
              break;
            case "end":
              if (comparing !== undefined) antiEntropy.onEnded(nodeNamed(comparing));
              comparing = undefined;
              break;
            case "tick": {
              const before = begun.length;
              surroundings.now += EVERY_MS;
              antiEntropy.onTimer();
              if (comparing !== undefined) {
                expect(begun.length).toBe(before);
                break;
              }
              for (const one of [2, 3, 4, 5, 6])
                if (!queue.includes(one) && surroundings.reachable(nodeNamed(one))) queue.push(one);
              const first = queue.findIndex((one) => !empty.includes(one) && !busy.includes(one));
              // Those in front of it have had their turn as well, in vain.
              const passed = first < 0 ? queue.length : first + 1;
              queue = [...queue.slice(passed), ...queue.slice(0, passed)];
              comparing = first < 0 ? undefined : queue.at(-1);
              expect(begun.slice(before).map((one) => one.peer)).toEqual(
                comparing === undefined ? [] : [nodeNamed(comparing)],
              );
              break;
            }
          }
        expect(antiEntropy.size).toBe(queue.length);
      },
    ),
  );
});
