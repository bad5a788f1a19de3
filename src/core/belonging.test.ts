/** What of a membership is durable, alone; who belongs when, and why, is tested with the node. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Belonging } from "./belonging.ts";
import type { Effect, NodeMeta, Write } from "./effect.ts";
import { type View, memberOf, noHolders } from "./membership.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const SELF = nodeNamed(1);
const view = viewOf({ nodes: 3, n: 3, r: 2, w: 2 });

type Store = Extract<Effect, { kind: "store" }>;

class Fixture {
  readonly surroundings = new StubSurroundings(SELF);
  readonly belonging: Belonging;
  meta: NodeMeta | undefined;

  constructor(meta: NodeMeta | undefined) {
    this.meta = meta;
    this.belonging = new Belonging(this.surroundings, meta, {
      changed: () => undefined,
      countedOut: () => undefined,
      caughtUp: () => [],
      bucketSet: () => undefined,
      changeMade: () => undefined,
    });
    this.belonging.start();
  }

  get waiting(): Store[] {
    return this.surroundings.effects.filter((effect): effect is Store => effect.kind === "store");
  }

  /** The oldest commit ends: on the disk, or not. */
  commit(succeeds: boolean): void {
    const store = this.waiting[0];
    if (store === undefined) return;
    this.surroundings.effects.splice(this.surroundings.effects.indexOf(store), 1);
    if (succeeds) {
      for (const write of store.writes) if (isMeta(write)) this.meta = write.meta;
      this.belonging.onStored(store.ticket);
    } else this.belonging.onFailed(store.ticket);
    for (const name of this.surroundings.pass(2_000)) {
      if (name === "start") this.belonging.start();
      if (name === "persist") this.belonging.onPersistTimer();
    }
    this.belonging.persist();
  }
}

function isMeta(write: Write): write is Extract<Write, { store: "meta" }> {
  return write.store === "meta";
}

function metaOf(from: View): NodeMeta {
  const fixture = new Fixture(undefined);
  fixture.commit(true);
  return { ...fixture.meta!, view: from };
}

test("a start writes down the view, this node's new entry in it: from then on it is durable, though nothing changes any more", () => {
  const fixture = new Fixture(metaOf(view));
  expect(fixture.belonging.durable).toBe(false);
  fixture.commit(false);
  expect(fixture.belonging.durable).toBe(false);
  fixture.commit(true);
  expect(memberOf(fixture.meta!.view!, SELF)?.incarnation).toBeGreaterThan(1);
  expect(fixture.belonging.durable).toBe(true);
  expect(fixture.belonging.remembers(nodeNamed(2))).toBe(true);
});

test("what is durable is what is on the disk, whatever is said and written in between", () => {
  const news = fc.record({
    what: fc.constant("news" as const),
    node: fc.integer({ min: 2, max: 3 }),
    version: fc.integer({ min: 2, max: 9 }),
  });
  const ends = fc.record({ what: fc.constant("commit" as const), succeeds: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.oneof(news, ends), { maxLength: 30 }), (steps) => {
      const fixture = new Fixture(metaOf(view));
      for (const step of steps) {
        if (step.what === "news") {
          const member = memberOf(view, nodeNamed(step.node))!;
          const told = { ...member, version: step.version, holders: noHolders(8) };
          fixture.belonging.learn(undefined, [told], undefined, []);
          fixture.belonging.persist();
        } else fixture.commit(step.succeeds);
        if (fixture.belonging.durable) expect(fixture.meta?.view).toEqual(fixture.belonging.ring!.view);
      }
      for (let i = 0; i < 40 && fixture.waiting.length > 0; i++) fixture.commit(true);
      expect(fixture.belonging.durable).toBe(true);
      expect(fixture.meta?.view).toEqual(fixture.belonging.ring!.view);
    }),
  );
});

test("one that has left says when it was done, not when it was decided", () => {
  const fixture = new Fixture(metaOf(view));
  fixture.commit(true);
  fixture.belonging.change(1, { kind: "leave", planned: undefined }, 1_000);
  expect(fixture.belonging.self?.departure).toMatchObject({ standing: "leaving", at: 1_000 });
  fixture.belonging.left(61_000);
  const gone = memberOf(fixture.belonging.ring!.view, SELF);
  expect(gone?.departure).toEqual({ standing: "left", by: SELF, at: 61_000 });
});
