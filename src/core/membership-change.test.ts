/** What an operator may change: refused with the reason when it would cost what others need. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "./identifiers.ts";
import type { TokenSwap } from "./load-plan.ts";
import { goneEntry, memberOf, mergeView } from "./membership.ts";
import { type MembershipChange, changeRefusal } from "./membership-change.ts";
import { Ring, placementDigest } from "./ring.ts";
import { type ViewOptions, nodeNamed, viewOf } from "./stub-surroundings.ts";

const self = nodeNamed(1);
const cluster: ViewOptions = { nodes: 4, n: 3, r: 2, w: 2 };
const remove = (n: number, force = false): MembershipChange => ({
  kind: "remove",
  node: nodeNamed(n),
  force,
  planned: undefined,
});
const leave: MembershipChange = { kind: "leave", planned: undefined };
const nobody = () => false;

function judged(options: ViewOptions, change: MembershipChange, reachable: (node: NodeId) => boolean = nobody) {
  return changeRefusal(new Ring(viewOf(options)), self, change, reachable);
}

describe("removing", () => {
  test("a silent member of whose data enough others have copies", () => {
    expect(judged(cluster, remove(3))).toBeUndefined();
  });

  test("a node that nobody knows, or that is gone already", () => {
    expect(judged(cluster, remove(9))).toEqual({ code: "unknown-node", node: nodeNamed(9) });
    const view = viewOf(cluster);
    const gone = mergeView(view, [goneEntry(memberOf(view, nodeNamed(3))!, "removed", self, 5)], undefined);
    expect(changeRefusal(new Ring(gone), self, remove(3), nobody)).toEqual({
      code: "already-departed",
      node: nodeNamed(3),
    });
  });

  test("a node that answers: it can leave by itself; unless it is forced", () => {
    expect(judged(cluster, remove(3), () => true)).toEqual({ code: "still-reachable", node: nodeNamed(3) });
    expect(judged(cluster, remove(1))).toEqual({ code: "still-reachable", node: self });
    expect(judged(cluster, remove(3, true), () => true)).toBeUndefined();
  });

  test("the last copies; unless it is forced", () => {
    const alone: ViewOptions = { ...cluster, holds: (node, partition) => node === 3 || partition > 1 };
    expect(judged(alone, remove(3))).toEqual({ code: "too-few-copies", partitions: 2, holders: 0, needed: 2 });
    expect(judged(alone, remove(3, true))).toBeUndefined();
    expect(judged(alone, remove(4))).toBeUndefined();
  });

  test("what nobody could take over", () => {
    expect(judged({ ...cluster, nodes: 1 }, leave)).toEqual({ code: "last-member" });
  });

  test("by a plan for another ring", () => {
    const ring = new Ring(viewOf(cluster));
    const planned = placementDigest(ring.view);
    expect(changeRefusal(ring, self, { ...remove(3), planned }, nobody)).toBeUndefined();
    expect(changeRefusal(ring, self, { ...remove(3), planned: planned ^ 1 }, nobody)).toEqual({ code: "outdated" });
  });

  test("leaves W copies of every partition, or one with each other member, whenever it is not refused", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.boolean(), { minLength: 48, maxLength: 48 }),
        (nodes, w, bits) => {
          const holds = (node: number, partition: number) => bits[(node - 1) * 8 + partition]!;
          const options: ViewOptions = { nodes, n: 3, r: 1, w, holds };
          const refusal = judged(options, remove(2));
          const others = Array.from({ length: nodes }, (_, i) => i + 1).filter((node) => node !== 2);
          const fewest = (partition: number) => others.filter((node) => holds(node, partition)).length;
          const costs = [...Array(8).keys()].filter((p) => holds(2, p) && fewest(p) < Math.min(w, others.length));
          if (costs.length === 0) expect(refusal).toBeUndefined();
          else
            expect(refusal).toEqual({
              code: "too-few-copies",
              partitions: costs.length,
              holders: Math.min(...costs.map(fewest)),
              needed: Math.min(w, others.length),
            });
        },
      ),
    );
  });
});

describe("swapping tokens", () => {
  const move = (swaps: readonly TokenSwap[], planned?: number): MembershipChange => ({ kind: "move", swaps, planned });
  const planned = placementDigest(viewOf(cluster));

  test("is for the claims that it was planned for, and for tokens that there are", () => {
    expect(judged(cluster, move([[0, 1]], planned))).toBeUndefined();
    expect(judged(cluster, move([], planned))).toBeUndefined();
    expect(judged(cluster, move([[0, 1]]))).toEqual({ code: "outdated" });
    expect(judged(cluster, move([[0, 1]], planned ^ 1))).toEqual({ code: "outdated" });
    for (const strange of [8, -1, 0.5, Number.NaN])
      expect(judged(cluster, move([[0, strange]], planned))).toEqual({ code: "outdated" });
    expect(judged(cluster, move(new Array<TokenSwap>(1_000).fill([0, 1]), planned))).toEqual({ code: "outdated" });
  });

  test("is for placement 3", () => {
    const view = viewOf(cluster);
    const drawn = { ...view, parameters: { ...view.parameters, placement: 2 as const } };
    expect(changeRefusal(new Ring(drawn), self, move([], placementDigest(drawn)), nobody)).toEqual({
      code: "drawn-tokens",
    });
  });
});

describe("leaving", () => {
  test("is for members who have not said so yet, and have somebody to give to", () => {
    expect(judged(cluster, leave)).toBeUndefined();
    const view = viewOf(cluster);
    const own = memberOf(view, self)!;
    const departure = { standing: "leaving", by: self, at: 1 } as const;
    const leaving = mergeView(view, [{ ...own, version: own.version + 1, departure }], undefined);
    expect(changeRefusal(new Ring(leaving), self, leave, nobody)).toEqual({ code: "already-departed", node: self });
  });
});
