import fc from "fast-check";
import { expect, test } from "vitest";
import type { Key } from "../core/identifiers.ts";
import { acts, aimed } from "./act-arbitraries.ts";
import { hintsOwed } from "./hints-owed.ts";
import { defaultLabOptions } from "./options.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { LabError } from "./world.ts";

const KEYS = ["carts/ada", "carts/bo", "x"] as Key[];

test("whatever is done, they are those on the disks", () => {
  let most = 0;
  fc.assert(
    fc.property(
      fc.nat(100),
      fc.array(fc.tuple(acts, fc.integer({ min: 0, max: 3_000 })), { minLength: 5, maxLength: 25 }),
      (seed, script) => {
        const of = new SimulatedWorld({ ...defaultLabOptions, seed });
        of.act({ do: "cut", side: ["a"], other: ["b", "c"] });
        for (const [act, forMs] of script) {
          try {
            of.act(aimed(act, of));
          } catch (error) {
            if (!(error instanceof LabError)) throw error;
          }
          of.runUntil(of.now + forMs);
          const onDisks = of.nodes
            .filter(({ state }) => state !== "wiped" && state !== "gone")
            .flatMap(({ id }) =>
              KEYS.flatMap((key) => of.recordsOf(id, key).hints.map(({ target }) => `${id} ${target} ${key}`)),
            );
          const owed = hintsOwed(of.trace, of.nodes).filter(({ key }) => KEYS.includes(key));
          most = Math.max(most, owed.length);
          expect(owed.map(({ keeper, target, key }) => `${keeper} ${target} ${key}`).sort()).toEqual(onDisks.sort());
        }
      },
    ),
    { numRuns: 30 },
  );
  expect(most).toBeGreaterThan(0);
});

test("since when, and what was tried: nothing while its target is away, and a try that is answered ends it", () => {
  const of = new SimulatedWorld(defaultLabOptions);
  const [key] = KEYS as [Key];
  const owner = of.preferenceListAt(of.idOf("a"), key)!.owners[1]!;
  const { name } = of.nodes.find(({ id }) => id === owner)!;
  const others = of.nodes.flatMap((node) => (node.id === owner ? [] : [node.name]));
  of.act({ do: "cut", side: [name], other: others });
  of.runUntil(of.now + 20_000);
  const putAt = of.now;
  of.act({ do: "put", node: others[0]!, key, value: "a book", context: "none" });
  of.runUntil(of.now + 2_000);
  const [hint, ...more] = hintsOwed(of.trace, of.nodes);
  expect(more).toEqual([]);
  expect(hint).toMatchObject({ target: owner, key, tries: 0, triedAt: undefined });
  expect(hint!.keptAt).toBeGreaterThan(putAt);
  expect(hint!.keptAt).toBeLessThan(putAt + 1_000);
  // More for the same target and key is the same hint, and as old as it was.
  of.act({ do: "put", node: others[0]!, key, value: "another book", context: "none" });
  of.runUntil(of.now + 2_000);
  expect(hintsOwed(of.trace, of.nodes)).toEqual([hint]);
  // While its delivery is on the way it is still there; lost on the way, it is tried again.
  for (const tries of [1, 2]) {
    of.act({ do: "heal" });
    let tried = hint;
    const healedAt = of.now;
    while (tried?.tries !== tries) {
      expect(of.now).toBeLessThan(healedAt + 10_000);
      of.runUntil(of.now + 1);
      [tried] = hintsOwed(of.trace, of.nodes);
    }
    expect(tried).toEqual({ ...hint, tries, triedAt: tried.triedAt });
    expect(tried.triedAt).toBeGreaterThan(of.now - 1);
    if (tries === 2) break;
    of.act({ do: "cut", side: [name], other: others });
    of.runUntil(of.now + 20_000);
  }
  of.runUntil(of.now + 5_000);
  expect(hintsOwed(of.trace, of.nodes)).toEqual([]);
});

test("a disk that is lost takes its hints with it", () => {
  const of = new SimulatedWorld(defaultLabOptions);
  const [key] = KEYS as [Key];
  const owner = of.preferenceListAt(of.idOf("a"), key)!.owners[1]!;
  const { name } = of.nodes.find(({ id }) => id === owner)!;
  of.act({ do: "cut", side: [name], other: of.nodes.flatMap((node) => (node.id === owner ? [] : [node.name])) });
  of.runUntil(of.now + 20_000);
  const asked = of.nodes.find(({ id }) => id !== owner)!;
  of.act({ do: "put", node: asked.name, key, value: "a book", context: "none" });
  of.runUntil(of.now + 2_000);
  const [hint] = hintsOwed(of.trace, of.nodes);
  of.act({ do: "wipe", node: of.nodes.find(({ id }) => id === hint!.keeper)!.name, successor: "f" });
  expect(hintsOwed(of.trace, of.nodes)).toEqual([]);
});
