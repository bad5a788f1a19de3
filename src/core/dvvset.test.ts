/** The laws of the dotted version vector set, against a naive model: causal histories as plain sets of dots. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Clock,
  type DvvSet,
  EMPTY,
  counterOf,
  covers,
  descends,
  equal,
  join,
  joinClocks,
  less,
  sync,
  update,
  values,
} from "./dvvset.ts";
import type { Actor, OperationId } from "./identifiers.ts";

const actors = ["a", "b", "c"].map((letter) => letter.repeat(48) as Actor);
const operation = (n: number) => n.toString(16).padStart(32, "0") as OperationId;
const version = (n: number) => ({ operation: operation(n), at: n, value: new Uint8Array([n]), checksum: n });

/**
 * A random run over three replicas: each coordinates puts under an actor of its own, with the context of some earlier read of any replica, and
 * replicas merge with each other at random. The model keeps, for each replica, the set of all events it has seen, and for each event what its
 * writer had seen: a version is alive where it was seen and nothing seen there had seen it.
 */
interface Step {
  readonly kind: "put" | "merge" | "read";
  readonly at: number;
  readonly other: number;
}

const steps = fc.array(
  fc.record<Step>({ kind: fc.constantFrom("put", "merge", "read"), at: fc.nat(2), other: fc.nat(2) }),
  { minLength: 1, maxLength: 40 },
);

function run(script: readonly Step[]) {
  const replicas: DvvSet[] = [EMPTY, EMPTY, EMPTY];
  const seen: Set<number>[] = [new Set(), new Set(), new Set()];
  const hadSeen = new Map<number, Set<number>>();
  let context: { clock: Clock; events: Set<number> } = { clock: [], events: new Set() };
  let events = 0;
  for (const { kind, at, other } of script) {
    if (kind === "read") context = { clock: join(replicas[at]!), events: new Set(seen[at]) };
    else if (kind === "merge") {
      replicas[at] = sync(replicas[at]!, replicas[other]!);
      for (const event of seen[other]!) seen[at]!.add(event);
    } else {
      const event = ++events;
      hadSeen.set(event, context.events);
      replicas[at] = update(replicas[at]!, context.clock, actors[at]!, version(event)).set;
      for (const known of context.events) seen[at]!.add(known);
      seen[at]!.add(event);
    }
  }
  const alive = seen.map((known) =>
    [...known].filter((event) => ![...known].some((later) => hadSeen.get(later)!.has(event))).sort((x, y) => x - y),
  );
  return { replicas, alive };
}

const sets = fc.tuple(steps, fc.nat(2)).map(([script, at]) => run(script).replicas[at]!);
/** Records of one key that could meet: replicas of one run. */
const related = steps.map((script) => run(script).replicas as [DvvSet, DvvSet, DvvSet]);

describe("dvvset", () => {
  test("keeps exactly the versions that the causal histories keep", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { replicas, alive } = run(script);
        replicas.forEach((set, at) => {
          expect(set.siblings.map((sibling) => sibling.at).sort((x, y) => x - y)).toEqual(alive[at]);
        });
      }),
      { numRuns: 2_000 },
    );
  });

  test("sync is commutative, associative and idempotent", () => {
    fc.assert(
      fc.property(related, ([a, b, c]) => {
        expect(sync(a, b)).toEqual(sync(b, a));
        expect(sync(sync(a, b), c)).toEqual(sync(a, sync(b, c)));
        expect(sync(a, a)).toEqual(a);
        expect(sync(sync(a, b), b)).toEqual(sync(a, b));
      }),
      { numRuns: 1_000 },
    );
  });

  test("less is the order that sync joins", () => {
    fc.assert(
      fc.property(related, ([a, b]) => {
        const both = sync(a, b);
        expect(less(a, both) || equal(a, both)).toBe(true);
        expect(less(both, a)).toBe(false);
        expect(less(a, b) && less(b, a)).toBe(false);
      }),
    );
  });

  test("a put with the context of a read replaces all that was read", () => {
    fc.assert(
      fc.property(sets, (set) => {
        const { set: after, dot } = update(set, join(set), actors[0]!, version(99));
        expect(after.siblings.map((sibling) => sibling.operation)).toEqual([operation(99)]);
        expect(covers(set.clock, dot)).toBe(false);
        expect(descends(after.clock, set.clock)).toBe(true);
      }),
    );
  });

  test("a blind put overwrites nothing", () => {
    fc.assert(
      fc.property(sets, (set) => {
        expect(update(set, [], actors[1]!, version(99)).set.siblings).toHaveLength(set.siblings.length + 1);
      }),
    );
  });

  test("two concurrent clients through one coordinator: siblings, where a plain vector clock would lose one (riak_kv 746)", () => {
    const first = update(EMPTY, [], actors[0]!, version(1)).set;
    const context = join(first);
    const second = update(first, context, actors[0]!, version(2)).set;
    const third = update(second, context, actors[0]!, version(3)).set;
    expect(values(third)).toEqual([new Uint8Array([2]), new Uint8Array([3])]);
    // And no explosion: each goes on with what it has read.
    const fourth = update(third, join(third), actors[0]!, version(4)).set;
    expect(values(fourth)).toEqual([new Uint8Array([4])]);
  });

  test("one operation minted by two coordinators is one sibling, and whoever has seen either dot replaces that dot only", () => {
    const viaA = update(EMPTY, [], actors[0]!, version(1)).set;
    const viaB = update(EMPTY, [], actors[1]!, version(1)).set;
    const both = sync(viaA, viaB);
    expect(both.siblings).toHaveLength(1);
    expect(both.siblings[0]!.dots).toHaveLength(2);
    const next = update(both, join(both), actors[2]!, version(2)).set;
    expect(sync(next, both).siblings.map((sibling) => sibling.operation)).toEqual([operation(2)]);
    const onlyA = update(viaA, join(viaA), actors[2]!, version(2)).set;
    expect(sync(onlyA, viaB)).toEqual(sync(viaB, onlyA));
    expect(sync(sync(viaA, viaB), onlyA)).toEqual(sync(viaA, sync(viaB, onlyA)));
  });

  test("clocks join to the larger counter of each actor", () => {
    fc.assert(
      fc.property(related, ([a, b]) => {
        const joined = joinClocks(a.clock, b.clock);
        for (const actor of actors)
          expect(counterOf(joined, actor)).toBe(Math.max(counterOf(a.clock, actor), counterOf(b.clock, actor)));
        expect(joined.map((dot) => dot.actor)).toEqual([...joined.map((dot) => dot.actor)].sort());
      }),
    );
  });
});
