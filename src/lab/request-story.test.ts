import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Key, NodeId } from "../core/identifiers.ts";
import { acts, aimed } from "./act-arbitraries.ts";
import type { LabAct } from "./acts.ts";
import { defaultLabOptions } from "./options.ts";
import { type RequestStory, requestsIn, storyOf } from "./request-story.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import { LabError, type Role } from "./world.ts";

const KEY = "carts/ada" as Key;
const NAMES = ["a", "b", "c", "d", "e"];

function play(of: SimulatedWorld, act: LabAct, forMs: number): void {
  of.act(act);
  of.runUntil(of.now + forMs);
}

/** Two gets of one key at one node, handed to a slow one, and from there to the same other one. */
const TWO_AT_ONCE: [LabAct, number][] = [
  [{ do: "load", bucket: "load", perSecond: 60, readsPercent: 0, keys: 8, zipf: true, seed: 8, forMs: 844 }, 0],
  [{ do: "put", node: "a", key: KEY, value: "", context: "seen", w: undefined }, 256],
  [{ do: "slow", node: "b", factor: 50 }, 0],
];

const keysOf = new WeakMap<SimulatedWorld, Map<number, Key>>();

function storyKeys(of: SimulatedWorld): Map<number, Key> {
  let keys = keysOf.get(of);
  if (keys === undefined) keysOf.set(of, (keys = new Map(stories(of).map(({ request, key }) => [request, key]))));
  return keys;
}

function stories(of: SimulatedWorld): RequestStory[] {
  return requestsIn(of.trace).map((request) => storyOf(of.trace, request)!);
}

/** A world in which the lists are told by names. */
function cluster(seed = 1) {
  const of = new SimulatedWorld({ ...defaultLabOptions, seed });
  const named = (node: NodeId): string => of.nodes.find(({ id }) => id === node)!.name;
  const list = (key: Key = KEY) => {
    const { counted, fallbacks } = of.preferenceListAt(of.idOf("a"), key)!;
    return { counted: counted.map(named), fallbacks: fallbacks.map(named) };
  };
  const askedAs = (story: RequestStory, ...roles: Role[]): string[] =>
    story.legs.filter(({ role }) => roles.includes(role)).map(({ to }) => named(to));
  return { of, named, list, askedAs };
}

describe("the waterfall of a request", () => {
  test("asks those on the preference list, by whatever node it came", () => {
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom("x/1", "x/2", "x/3", "x/4"), fc.boolean()), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.boolean(),
        (seed, requests, together) => {
          const { of, named, list, askedAs } = cluster(seed);
          for (const [node, key, isPut] of requests) {
            of.act(isPut ? { do: "put", node, key, value: "v", context: "none" } : { do: "get", node, key });
            if (!together) of.runUntil(of.now + 1_000);
          }
          of.runUntil(of.now + 4_000);
          const told = stories(of);
          expect(told).toHaveLength(requests.length);
          told.forEach((story, i) => {
            const [node, key, isPut] = requests[i]!;
            expect([named(story.node), story.key, story.operation, story.outcome]).toEqual([
              node,
              key,
              isPut ? "put" : "get",
              "ok",
            ]);
            const { counted } = list(key as Key);
            const coordinator = named(story.report!.coordinator);
            expect(story.coordinators.map(named)).toEqual([coordinator]);
            expect([coordinator, ...askedAs(story, "counted")].sort()).toEqual([...counted].sort());
            expect(askedAs(story, "coordinator")).toEqual(counted.includes(node) ? [] : [coordinator]);
            expect(askedAs(story, "fallback", "hint", "joining", "handoff")).toEqual([]);
            // Whom the report says to have answered in time, and nobody else, did.
            const inTime = story.legs.filter(
              (leg) => leg.role === "counted" && leg.repliedAt !== undefined && !leg.isLate,
            );
            const answered = story.report!.answered.filter((one) => one !== story.report!.coordinator);
            expect(inTime.map(({ to }) => to).sort()).toEqual([...answered].sort());
            expect(inTime.every(({ repliedAt }) => repliedAt! <= story.quorumAt!)).toBe(true);
            expect(
              story.legs.filter(({ isLate }) => isLate).every(({ repliedAt }) => repliedAt! >= story.quorumAt!),
            ).toBe(true);
            expect(story.quorumAt!).toBeLessThanOrEqual(story.answeredAt!);
            if (isPut) {
              expect(story.ownCopies.map((copy) => named(copy.node))).toEqual([coordinator]);
              for (const { role, storedAt, arrivedAt, replySentAt } of story.legs) {
                if (role !== "counted") continue;
                // Together with others it may have come in the record of another.
                if (!together) expect(storedAt).toBeDefined();
                const times = [arrivedAt, storedAt, replySentAt].filter((time) => time !== undefined);
                expect(times).toEqual([...times].sort((x, y) => x - y));
              }
            }
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  test("an owner that is down is stood in for by the first fallback, which keeps a hint and delivers it", () => {
    const { of, named, list, askedAs } = cluster();
    const { counted, fallbacks } = list();
    const [first, , last] = counted;
    play(of, { do: "crash", node: last! }, 6_000);
    play(of, { do: "put", node: first!, key: KEY, value: "milk", context: "none" }, 2_000);
    play(of, { do: "restart", node: last! }, 10_000);
    const [story] = stories(of);
    expect(story!.legs.filter(({ role }) => role === "hint")).toMatchObject([
      { to: of.idOf(fallbacks[0]!), hintFor: of.idOf(last!), outcome: "stored" },
    ]);
    expect(story!.hints.map(({ keeper, target }) => [named(keeper), named(target)])).toEqual([[fallbacks[0], last]]);
    expect(story!.hints[0]!.deliveredAt).toBeGreaterThan(story!.answeredAt!);
    expect(askedAs(story!, "handoff")).toEqual([last]);
  });

  test("an owner that has died unnoticed loses its message, and the hint comes when it is slow", () => {
    const { of, list } = cluster();
    const { counted } = list();
    of.act({ do: "crash", node: counted[2]! });
    play(of, { do: "put", node: counted[0]!, key: KEY, value: "milk", context: "none" }, 2_000);
    const [story] = stories(of);
    const toDead = story!.legs.find(({ role, to }) => role === "counted" && to === of.idOf(counted[2]!));
    expect(toDead).toMatchObject({ lostBy: "dead-link", arrivedAt: undefined, repliedAt: undefined });
    const hint = story!.legs.find(({ role }) => role === "hint")!;
    expect(hint.hintFor).toBe(of.idOf(counted[2]!));
    expect(hint.sentAt - story!.askedAt).toBeGreaterThanOrEqual(400);
    expect(hint.isLate).toBe(true);
  });

  test("a get that finds somebody behind repairs it", () => {
    const { of, list, askedAs } = cluster();
    const { counted } = list();
    const [first, second, third] = counted;
    of.act({ do: "put", node: first!, key: KEY, value: "milk", context: "none" });
    of.runUntil(of.now + 3);
    const toThird = of.flights.find(({ kind, to }) => kind === "replica-put" && to === of.idOf(third!))!;
    play(of, { do: "drop", flight: toThird.id }, 200);
    play(of, { do: "get", node: second!, key: KEY }, 2_000);
    const [, story] = stories(of);
    expect(askedAs(story!, "repair")).toEqual([third]);
    expect(story!.legs.find(({ role }) => role === "repair")!.sentAt).toBeGreaterThanOrEqual(story!.quorumAt!);
    expect(story!.notes.some(({ label }) => label.includes("read-repair"))).toBe(true);
    const [write] = stories(of);
    expect(write!.legs.find(({ to }) => to === of.idOf(third!))!.lostBy).toBe("dropped");
  });

  test("a slow owner's acknowledgement comes late, after the caller was answered", () => {
    const { of, list } = cluster();
    const { counted } = list();
    of.act({ do: "slow", node: counted[2]!, factor: 4 });
    play(of, { do: "put", node: counted[0]!, key: KEY, value: "milk", context: "none" }, 2_000);
    const [story] = stories(of);
    expect(story!.legs.find(({ to, role }) => role === "counted" && to === of.idOf(counted[2]!))!.isLate).toBe(true);
    expect(story!.legs.find(({ to, role }) => role === "counted" && to === of.idOf(counted[1]!))!.isLate).toBe(false);
  });

  test("two puts of one key at one time through one coordinator are kept apart", () => {
    const { of, list } = cluster();
    const { counted } = list();
    for (const value of ["milk", "eggs", "tea"])
      of.act({ do: "put", node: counted[0]!, key: KEY, value, context: "none" });
    of.runUntil(of.now + 3_000);
    for (const story of stories(of)) {
      expect(
        story.legs
          .filter(({ role }) => role === "counted")
          .map(({ to }) => to)
          .sort(),
      ).toEqual(
        counted
          .slice(1)
          .map((name) => of.idOf(name))
          .sort(),
      );
      expect(story.ownCopies).toHaveLength(1);
    }
  });

  test("two gets of one key whose owner is silent ask a fallback each", () => {
    const { of, named, list, askedAs } = cluster();
    const { counted, fallbacks } = list();
    const [first, second, third] = counted;
    of.act({ do: "put", node: first!, key: KEY, value: "milk", context: "none" });
    of.runUntil(of.now + 1_000);
    for (const node of [second!, third!]) of.act({ do: "crash", node });
    for (let i = 0; i < 2; i++) of.act({ do: "get", node: first!, key: KEY });
    of.runUntil(of.now + 3_000);
    for (const story of stories(of).slice(1)) {
      expect([named(story.node), story.outcome]).toEqual([first, "ok"]);
      expect(askedAs(story, "fallback").sort()).toEqual([...fallbacks].sort());
    }
  });

  test("whatever happens, a request has its own messages and no others, and one answer at most", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(acts, fc.nat(300)), { maxLength: 20 }), fc.nat(100), (script, seed) => {
        const { of } = cluster(seed);
        for (const [act, forMs] of script) {
          try {
            of.act(aimed(act, of));
          } catch (error) {
            if (!(error instanceof LabError)) throw error;
          }
          of.runUntil(of.now + forMs);
        }
        of.act({ do: "heal" });
        of.runUntil(of.now + 8_000);
        const requests = new Set(requestsIn(of.trace));
        const operations = new Map<number, string>();
        for (const { request, event, key } of of.trace) {
          if (event.what === "asked" && event.write !== undefined) operations.set(request!, event.write.operation);
          if (request === undefined) continue;
          expect(requests.has(request)).toBe(true);
          // What a put has brought to a disk has its operation in it.
          if (event.what === "stored" && event.set !== undefined)
            expect(event.set.siblings.some(({ operation }) => operation === operations.get(request))).toBe(true);
          expect(key === undefined || key === storyKeys(of).get(request)).toBe(true);
        }
        const all = stories(of);
        for (const story of all) {
          // Two gets of one key at one node and at one time may be taken for each other: then one of them has messages of the other.
          const isAlone = !all.some(
            (other) =>
              other !== story &&
              other.key === story.key &&
              other.operation === "get" &&
              other.askedAt <= (story.answeredAt ?? of.now) &&
              story.askedAt <= (other.answeredAt ?? of.now),
          );
          const answers = of.trace.filter(
            ({ request, event }) => request === story.request && event.what === "answered",
          );
          // A node that runs answers within its time; one that ended, or is frozen, need not.
          expect(answers.length).toBeLessThanOrEqual(1);
          const questions = story.legs.filter(
            ({ role }) => role === "counted" || role === "hint" || role === "fallback",
          );
          if (story.outcome === "ok" && questions.length > 0 && (story.operation === "put" || isAlone))
            expect(story.quorumAt).toBeDefined();
          for (const leg of story.legs) {
            const times = [leg.sentAt, leg.arrivedAt, leg.replySentAt, leg.repliedAt].filter((at) => at !== undefined);
            expect(times).toEqual([...times].sort((a, b) => a - b));
            // Of an operation of its own, for the purpose that its role says.
            expect(
              story.operation === "get"
                ? leg.role !== "hint" && leg.role !== "joining"
                : leg.role !== "fallback" && leg.role !== "repair",
            ).toBe(true);
          }
        }
      }),
      { numRuns: 40, examples: [[TWO_AT_ONCE, 28]] },
    );
  });

  test("is none when the trace does not tell of its beginning", () => {
    const { of } = cluster();
    play(of, { do: "get", node: "a", key: KEY }, 1_000);
    expect(storyOf(of.trace, 99)).toBeUndefined();
    expect(storyOf(of.trace.slice(5), requestsIn(of.trace)[0]!)).toBeUndefined();
  });
});
