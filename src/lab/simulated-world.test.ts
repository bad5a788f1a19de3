import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Key, NodeId } from "../core/identifiers.ts";
import { acts, aimed } from "./act-arbitraries.ts";
import type { LabAct } from "./acts.ts";
import { type CausalOrder, compareCausally } from "./causal-clock.ts";
import { type LabOptions, defaultLabOptions } from "./options.ts";
import { SimulatedWorld, nodeIdOf } from "./simulated-world.ts";
import { FLIGHTS_ENDED_MAX, LabError, TRACE_RECORDS_MAX, type TraceRecord } from "./world.ts";

const KEY = "carts/ada" as Key;
const world = (change: Partial<LabOptions> = {}): SimulatedWorld =>
  new SimulatedWorld({ ...defaultLabOptions, ...change });
const put = (node: string, value: string, context: "seen" | "own" | "none" = "seen"): LabAct => ({
  do: "put",
  node,
  key: KEY,
  value,
  context,
});
const get = (node: string): LabAct => ({ do: "get", node, key: KEY });

/** Acts, and lets so much time pass. */
function play(of: SimulatedWorld, act: LabAct, forMs = 1_000): void {
  of.act(act);
  of.runUntil(of.now + forMs);
}

function lastAnswer(of: SimulatedWorld): Extract<TraceRecord["event"], { what: "answered" }> {
  const found = of.trace.findLast(({ event }) => event.what === "answered")?.event;
  if (found?.what !== "answered") throw new Error("nobody was answered");
  return found;
}

const valuesAt = (of: SimulatedWorld, name: string): string[] =>
  (of.recordsOf(of.idOf(name), KEY).record?.siblings ?? []).map(({ value }) => new TextDecoder().decode(value!)).sort();

const stateOf = (of: SimulatedWorld, name: string): string => of.nodes.find((node) => node.name === name)!.state;

function codeOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LabError) return error.code;
    throw error;
  }
  return "done";
}

describe("a world", () => {
  test("stands at moment 0, with its nodes in agreement and nothing told yet", () => {
    const of = world();
    expect([of.now, of.trace.length]).toEqual([0, 0]);
    expect(of.nodes.map(({ name, state, zone, capacity }) => [name, state, zone, capacity])).toEqual(
      ["a", "b", "c", "d", "e"].map((name) => [name, "running", name, 1]),
    );
    expect(new Set(of.nodes.map(({ id }) => of.viewOf(id)?.ringDigest)).size).toBe(1);
    const list = of.preferenceListAt(of.idOf("a"), KEY)!;
    expect(list.owners).toHaveLength(3);
    expect(list.counted).toEqual(list.owners);
  });

  test("that is large stands as one that was formed: everybody owns and holds a share", () => {
    const nodes = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, capacity: 1, zone: `z${i % 4}` }));
    for (const parameters of [
      { ...defaultLabOptions.parameters, partitions: 64 },
      { ...defaultLabOptions.parameters, partitions: 64, placement: 1 as const, tokensPerNode: 8 },
      { ...defaultLabOptions.parameters, partitions: 64, placement: 2 as const, tokensPerNode: 4 },
    ]) {
      const of = world({ nodes, parameters });
      const views = of.nodes.map(({ id }) => of.viewOf(id)!);
      expect(new Set(views.map(({ ringDigest }) => ringDigest)).size).toBe(1);
      expect(views.map(({ phase, owed, unopened }) => [phase, owed, unopened])).toEqual(
        views.map(() => ["member", 0, 0]),
      );
      play(of, put("n3", "milk"));
      play(of, get("n17"));
      expect(lastAnswer(of)).toMatchObject({ outcome: "ok", values: ["milk"] });
      expect(of.trace.filter(({ event }) => event.what === "note" && event.note === "partition-held")).toEqual([]);
    }
  });

  test("tells what callers ask and get, siblings and deletes among it", () => {
    const of = world();
    play(of, put("a", "milk", "none"));
    play(of, put("d", "eggs", "none"));
    play(of, get("b"));
    expect([...lastAnswer(of).values].sort()).toEqual(["eggs", "milk"]);
    play(of, put("b", "both"));
    play(of, get("c"));
    expect(lastAnswer(of).values).toEqual(["both"]);
    play(of, { do: "delete", node: "c", key: KEY, context: "seen" });
    play(of, get("e"));
    expect(lastAnswer(of).values).toEqual([undefined]);
  });

  test("tells of each disk what a put brought to it, as part of that request", () => {
    const of = world();
    play(of, put("a", "milk"));
    const stored = of.trace.filter(({ event }) => event.what === "stored");
    expect(stored.map(({ node }) => node).sort()).toEqual([...of.preferenceListAt(of.idOf("a"), KEY)!.counted].sort());
    const asked = of.trace.find(({ event }) => event.what === "asked")!;
    expect(stored.map(({ key, request }) => [key, request])).toEqual(stored.map(() => [KEY, asked.request]));
  });

  test("refuses options that are none", () => {
    expect(codeOf(() => world({ nodes: [] }))).toBe("invalid");
    expect(codeOf(() => world({ parameters: { ...defaultLabOptions.parameters, partitions: 3 } }))).toBe("invalid");
  });
});

describe("the trace", () => {
  const scripts = fc.array(fc.tuple(acts, fc.nat(600)), { minLength: 3, maxLength: 12 });
  const playAll = (script: readonly (readonly [LabAct, number])[], seed: number): SimulatedWorld => {
    const of = world({ seed });
    for (const [act, forMs] of script) {
      try {
        of.act(aimed(act, of));
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
      }
      of.runUntil(of.now + forMs);
    }
    of.runUntil(of.now + 100);
    return of;
  };

  test("its clocks say what happened before what, over the flights", () => {
    fc.assert(
      fc.property(
        scripts,
        fc.nat(100),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 200, maxLength: 200 }),
        (script, seed, pairs) => {
          const of = playAll(script, seed);
          const records = of.trace.filter(({ node }) => node !== undefined);
          // The naive model: what happened before is reached by going back at one node, and from a receiving to its sending.
          const sentBy = new Map<number, number>();
          const copies = new Map(of.flights.map(({ id, copyOf }) => [id, copyOf ?? id]));
          const pasts: Set<number>[] = [];
          const last = new Map<NodeId, number>();
          records.forEach((record, i) => {
            const past = new Set<number>();
            const { event } = record;
            if (event.what === "sent") sentBy.set(event.flight, i);
            const from = event.what === "received" ? sentBy.get(copies.get(event.flight) ?? event.flight) : undefined;
            for (const earlier of [last.get(record.node!), from])
              if (earlier !== undefined) for (const one of [earlier, ...pasts[earlier]!]) past.add(one);
            pasts.push(past);
            last.set(record.node!, i);
          });
          for (const [x, y] of pairs) {
            const [a, b] = [x % records.length, y % records.length];
            const expected: CausalOrder =
              a === b ? "same" : pasts[b]!.has(a) ? "before" : pasts[a]!.has(b) ? "after" : "concurrent";
            expect(compareCausally(records[a]!.clock, records[b]!.clock), `${a} ${b}`).toBe(expected);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  test("each message is sent before it is received, once for each flight; what ended otherwise was lost", () => {
    fc.assert(
      fc.property(scripts, fc.nat(100), (script, seed) => {
        const of = playAll(script, seed);
        const received = new Map<number, TraceRecord>();
        const lost = new Set<number>();
        for (const record of of.trace) {
          const { event } = record;
          if (event.what === "lost") lost.add(event.flight);
          if (event.what !== "received") continue;
          expect(received.has(event.flight)).toBe(false);
          received.set(event.flight, record);
        }
        for (const flight of of.flights) {
          const record = received.get(flight.id);
          expect(record !== undefined, flight.fate).toBe(flight.fate === "arrived" || flight.fate === "late");
          expect(lost.has(flight.id), flight.fate).toBe(flight.fate === "lost" || flight.fate === "dropped");
          if (record === undefined) continue;
          expect([record.at, record.node, record.key]).toEqual([flight.endedAt, flight.to, flight.key]);
          const sent = of.trace.find(({ number }) => number === flight.sentRecord);
          if (sent !== undefined) expect([sent.node, sent.at]).toEqual([flight.from, flight.sentAt]);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("numbers its records without gaps, and keeps no more than it says", () => {
    const nodes = Array.from({ length: 40 }, (_, i) => ({ name: `n${i}`, capacity: 1, zone: "z" }));
    const of = world({ nodes, parameters: { ...defaultLabOptions.parameters, partitions: 64 } });
    while (of.traceCount < 1.3 * TRACE_RECORDS_MAX) of.runUntil(of.now + 1_000);
    expect(of.trace.length).toBeGreaterThanOrEqual(TRACE_RECORDS_MAX);
    expect(of.trace.length).toBeLessThanOrEqual(1.1 * TRACE_RECORDS_MAX);
    const first = of.trace[0]!.number;
    expect(of.trace.every(({ number }, i) => number === first + i)).toBe(true);
    expect(of.trace.at(-1)!.number).toBe(of.traceCount);
    expect(of.flights.filter(({ endedAt }) => endedAt !== undefined)).toHaveLength(FLIGHTS_ENDED_MAX);
  });
});

describe("an act", () => {
  test("that cannot be done is refused by name, and nothing is done", () => {
    const of = world();
    const { traceHash } = of;
    const codes = (
      [
        { do: "crash", node: "zz" },
        { do: "crash", node: "!" },
        { do: "restart", node: "a" },
        { do: "thaw", node: "a" },
        { do: "drop", flight: 10 ** 9 },
        { do: "join", name: "b", capacity: 1, zone: "x", via: "a", light: false },
        { do: "flip-bit", node: "a", key: "nothing/here" },
        { do: "loss", perMille: 1_001 },
        { do: "cut", side: ["a"], other: ["a"] },
      ] as const
    ).map((act) => codeOf(() => of.act(act)));
    expect(codes).toEqual([
      "unknown-node",
      "invalid",
      "not-so",
      "not-so",
      "unknown-flight",
      "invalid",
      "not-so",
      "invalid",
      "invalid",
    ]);
    expect(of.traceHash).toBe(traceHash);
    expect(codeOf(() => of.act({ do: "catch", from: "a", to: "b", kind: "ping", how: "drop", byMs: 0 }))).toBe(
      "not-able",
    );
    play(of, { do: "crash", node: "a" });
    expect(codeOf(() => of.act(get("a")))).toBe("not-so");
  });

  test("added latency counts at both ends, and ends when it is set to 0", () => {
    const tookMs = (byMs: number): number => {
      const of = world();
      of.act({ do: "latency", nodes: ["a", "b"], byMs: 300 });
      of.act({ do: "latency", nodes: ["b"], byMs });
      of.act({ do: "get", node: "a", key: KEY, r: 3 });
      of.runUntil(of.now + 3_000);
      const [from, to] = [of.idOf("a"), of.idOf("b")];
      const flight = of.flights.find((each) => each.from === from && each.to === to && each.kind === "replica-get");
      return flight!.endedAt! - flight!.sentAt;
    };
    expect(tookMs(0)).toBeGreaterThanOrEqual(300);
    // Jitter is drawn anew.
    expect(Math.abs(tookMs(500) - tookMs(0) - 500)).toBeLessThanOrEqual(defaultLabOptions.jitterMs);
  });

  test("with the server down nothing that runs stops; who knows the server alone joins when it is back, who knows a member at once", () => {
    const of = world({ nodes: [...defaultLabOptions.nodes, { name: "srv", capacity: 0, zone: "srv" }] });
    const without = world();
    expect([without.serverDown, codeOf(() => without.act({ do: "server", down: true }))]).toEqual([
      undefined,
      "not-able",
    ]);
    expect(of.nodes.map(({ isServer }) => isServer)).toEqual([false, false, false, false, false, true]);
    // It is outside of the ring.
    const ownersIn = (one: SimulatedWorld) => one.listsAt(one.idOf("a")).map(({ owners }) => owners);
    expect(ownersIn(of)).toEqual(ownersIn(without));
    expect([of.abilities.has("server"), of.serverDown]).toEqual([true, false]);
    expect(codeOf(() => of.act({ do: "server", down: false }))).toBe("not-so");

    play(of, { do: "server", down: true });
    expect([of.serverDown, stateOf(of, "srv")]).toEqual([true, "down"]);
    play(of, put("a", "milk"));
    of.act(get("d"));
    of.act({ do: "join", name: "f", capacity: 1, zone: "f", via: "srv", light: false });
    of.act({ do: "join", name: "g", capacity: 1, zone: "g", via: "b", light: false });
    of.runUntil(of.now + 30_000);
    const failed = of.trace.filter(({ event }) => event.what === "answered" && event.outcome !== "ok");
    expect(failed).toEqual([]);
    const isMember = (name: string): boolean => of.viewOf(of.idOf(name))?.phase === "member";
    expect([isMember("f"), isMember("g")]).toEqual([false, true]);
    play(of, { do: "server", down: false });
    of.runUntil(of.now + 30_000);
    expect([of.serverDown, isMember("f")]).toEqual([false, true]);
  });

  test("every kind of act is an ability of this world, and can be done", () => {
    const of = world();
    const node = "a";
    const script: readonly LabAct[] = [
      put("a", "milk"),
      get("b"),
      { do: "drop", flight: 0 },
      { do: "delay", flight: 0, byMs: 5 },
      { do: "duplicate", flight: 0 },
      { do: "delete", node, key: KEY, context: "own", w: 1 },
      { do: "bucket", node, bucket: "carts", policy: "siblings", r: 1 },
      { do: "flip-bit", node: "c", key: KEY },
      { do: "slow", node, factor: 2 },
      { do: "latency", nodes: [node], byMs: 50 },
      { do: "gray", node, byMs: 0 },
      { do: "loss", perMille: 1 },
      { do: "skew", node, byMs: 60_000 },
      { do: "disk-slow", node, factor: 2 },
      { do: "disk-full", node, full: true },
      { do: "hide", node, throttleMs: 1_000 },
      { do: "unhide", node },
      { do: "cut", side: ["a"], other: ["b"] },
      { do: "cut-one-way", from: ["b"], to: ["c"] },
      { do: "heal" },
      { do: "freeze", node, forMs: 5_000 },
      { do: "thaw", node },
      { do: "crash", node },
      { do: "restart", node },
      { do: "close", node },
      { do: "wipe", node, successor: "f" },
      { do: "join", name: "g", capacity: 1, zone: "x", via: "b", light: false },
      { do: "remove", node: "b", target: "a", force: true },
      { do: "leave", node: "d" },
      { do: "load", bucket: "load", perSecond: 20, readsPercent: 50, keys: 3, zipf: false, seed: 1, forMs: 300 },
      { do: "move", node: "c", swaps: [[0, 1]], planned: 0 },
    ];
    for (const act of script) {
      const recordsBefore = of.traceCount;
      expect(
        codeOf(() => of.act(aimed(act, of))),
        act.do,
      ).toBe("done");
      expect(of.traceCount, act.do).toBeGreaterThan(recordsBefore);
      of.runUntil(of.now + (act.do === "get" || "flight" in act ? 5 : 400));
    }
    expect(new Set(script.map((act) => act.do))).toEqual(of.abilities);
  });

  test("crash, restart, freeze, thaw, close, wipe: states of nodes", () => {
    const of = world();
    play(of, { do: "freeze", node: "a", forMs: 5_000 });
    play(of, { do: "crash", node: "b" });
    play(of, { do: "close", node: "c" });
    play(of, { do: "wipe", node: "d", successor: "f" });
    expect(of.nodes.map(({ name, state }) => name + state)).toEqual([
      "afrozen",
      "bdown",
      "cdown",
      "dwiped",
      "erunning",
      "frunning",
    ]);
    play(of, { do: "thaw", node: "a" });
    play(of, { do: "restart", node: "b" });
    expect([stateOf(of, "a"), stateOf(of, "b")]).toEqual(["running", "running"]);
    play(of, { do: "freeze", node: "a", forMs: 200 });
    expect(stateOf(of, "a")).toBe("running");
    // Each is told once, and so is what comes of it by itself.
    expect(of.trace.filter(({ event }) => event.what === "world").map(({ label }) => label)).toEqual([
      "freeze a for 5000 ms",
      "crash b",
      "close c",
      "d is lost with its disk; f takes its place",
      "thaw a",
      "restart b",
      "freeze a for 200 ms",
      "thaw a",
    ]);
  });

  test("a frozen node gets its messages when it thaws; they are held until then", () => {
    const of = world();
    const [owner] = of.preferenceListAt(of.idOf("a"), KEY)!.owners;
    const name = of.nodes.find(({ id }) => id === owner)!.name;
    of.act({ do: "freeze", node: name, forMs: 3_000 });
    play(of, put(of.nodes.find(({ id }) => id !== owner)!.name, "milk"));
    const held = of.flights.filter(({ to, fate }) => to === owner && fate === "held");
    expect(held.some(({ kind }) => kind === "replica-put")).toBe(true);
    of.runUntil(3_000);
    expect(of.flights.filter(({ id, fate }) => fate !== "arrived" && held.some((flight) => flight.id === id))).toEqual(
      [],
    );
  });

  test("what a frozen node has not taken when it ends is lost, and its next start takes none of it", () => {
    const of = world();
    of.act({ do: "freeze", node: "b", forMs: 60_000 });
    of.runUntil(of.now + 1_500);
    const held = new Set(
      of.flights.filter(({ to, fate }) => to === of.idOf("b") && fate === "held").map(({ id }) => id),
    );
    expect(held.size).toBeGreaterThan(3);
    play(of, { do: "crash", node: "b" }, 1);
    expect(of.flights.filter(({ id }) => held.has(id)).map(({ lostBy }) => lostBy)).toEqual(
      [...held].map(() => "ended"),
    );
    play(of, { do: "restart", node: "b" }, 3_000);
    const taken = of.trace.filter(({ node, event }) => node === of.idOf("b") && event.what === "received");
    expect(taken.length).toBeGreaterThan(3);
    // Each record is of the message that its flight is.
    for (const { event } of taken)
      if (event.what === "received") {
        expect(held.has(event.flight)).toBe(false);
        const flight = of.flights.find(({ id }) => id === event.flight);
        expect(flight === undefined || (flight.kind === event.kind && flight.from === event.peer)).toBe(true);
      }
  });

  test("leave, remove and join change who belongs; the plan says what moves", () => {
    const of = world();
    const plan = of.planAt(of.idOf("a"), { kind: "leave", node: of.idOf("b") })!;
    expect(plan.tokens.find(({ node }) => node === of.idOf("b"))?.after).toBe(0);
    play(of, { do: "leave", node: "b" }, 20_000);
    expect(stateOf(of, "b")).toBe("gone");
    play(of, { do: "crash", node: "c" }, 10_000);
    play(of, { do: "remove", node: "a", target: "c", force: true }, 10_000);
    expect(
      of
        .viewOf(of.idOf("a"))!
        .view!.members.filter(({ departure }) => departure !== undefined)
        .map(({ node }) => node),
    ).toEqual([of.idOf("b"), of.idOf("c")]);
    play(of, { do: "join", name: "f", capacity: 2, zone: "east", via: "a", light: false }, 20_000);
    expect(of.viewOf(of.idOf("f"))?.phase).toBe("member");
    play(of, { do: "join", name: "g", capacity: 0, zone: "west", via: "a", light: true }, 5_000);
    expect(of.viewOf(of.idOf("g"))?.phase).toBe("light");
    play(of, put("g", "milk"));
    expect(lastAnswer(of).outcome).toBe("ok");
    expect(of.nodes.at(-1)).toMatchObject({ name: "g", isLight: true });
  });

  test("a change goes by the plan that was shown, or not at all", () => {
    const of = world();
    const { planned } = of.planAt(of.idOf("a"), { kind: "leave", node: of.idOf("b") })!;
    play(of, { do: "join", name: "f", capacity: 1, zone: "east", via: "a", light: false }, 20_000);
    play(of, { do: "leave", node: "b", planned }, 20_000);
    expect(of.trace.some(({ label }) => label === "b does not leave: outdated")).toBe(true);
    const again = of.planAt(of.idOf("a"), { kind: "leave", node: of.idOf("b") })!;
    const before = of.viewOf(of.idOf("a"))!.view!.claims;
    play(of, { do: "leave", node: "b", planned: again.planned }, 20_000);
    expect(stateOf(of, "b")).toBe("gone");
    const after = of.viewOf(of.idOf("a"))!.view!.claims;
    const tokens = (claims: typeof before, node: NodeId): number => claims.filter(({ owner }) => owner === node).length;
    for (const { node, before: were, after: are } of again.tokens)
      expect([tokens(before, node), tokens(after, node)]).toEqual([were, are]);
  });

  test("a cut keeps sides apart until it is healed, one way or both", () => {
    const of = world();
    play(of, { do: "cut-one-way", from: ["a"], to: ["b"] });
    expect(of.cuts).toEqual([{ from: nodeIdOf("a"), to: nodeIdOf("b") }]);
    play(of, { do: "cut", side: ["c"], other: ["d", "e"] });
    expect(of.cuts).toHaveLength(5);
    expect(of.flights.some(({ lostBy }) => lostBy === "cut")).toBe(true);
    play(of, { do: "heal" });
    expect(of.cuts).toEqual([]);
  });

  test("gray, slow, hidden, wrong clock, full and slow disk are told of nodes", () => {
    const of = world();
    play(of, { do: "gray", node: "a", byMs: undefined }, 1);
    play(of, { do: "slow", node: "b", factor: 5 }, 1);
    play(of, { do: "hide", node: "c", throttleMs: 1_000 }, 1);
    play(of, { do: "skew", node: "d", byMs: -3_600_000 }, 1);
    play(of, { do: "disk-full", node: "e", full: true }, 1);
    play(of, { do: "disk-slow", node: "e", factor: 9 }, 1);
    expect(of.nodes).toMatchObject([
      { grayMs: Infinity },
      { networkSlowness: 5 },
      { hidden: true },
      { clockSkewMs: -3_600_000 },
      { diskFull: true, diskSlowness: 9 },
    ]);
    play(of, put("d", "milk"));
    expect(of.recordsOf(of.idOf("d"), KEY).record?.siblings[0]?.at ?? 0).toBeLessThan(1_700_000_000_000);
  });

  test("a flipped bit is told, and mended once the scrub or a read finds it", () => {
    const of = world();
    play(of, put("a", "milk"), 3_000);
    const owner = of.nodes.find(({ id }) => id === of.preferenceListAt(of.idOf("a"), KEY)!.owners[0])!.name;
    play(of, { do: "flip-bit", node: owner, key: KEY }, 1);
    expect(of.recordsOf(of.idOf(owner), KEY)).toMatchObject({ damaged: true, record: undefined });
    of.runUntil(of.now + 30_000);
    expect(of.recordsOf(of.idOf(owner), KEY).damaged).toBe(false);
    expect(valuesAt(of, owner)).toEqual(["milk"]);
  });

  test("a message can be dropped, put off and doubled on its way", () => {
    const of = world();
    of.act(put("a", "milk"));
    of.runUntil(of.now + 3);
    const writes = of.flights.filter(({ kind, fate }) => kind === "replica-put" && fate === "under-way");
    expect(writes.length).toBeGreaterThanOrEqual(2);
    of.act({ do: "drop", flight: writes[0]!.id });
    of.act({ do: "delay", flight: writes[1]!.id, byMs: 200 });
    of.act({ do: "duplicate", flight: writes[1]!.id });
    of.runUntil(of.now + 400);
    const fates = of.flights.filter(
      ({ id, copyOf }) => id === writes[0]!.id || id === writes[1]!.id || copyOf === writes[1]!.id,
    );
    expect(fates.map(({ fate }) => fate).sort()).toEqual(["dropped", "late", "late"]);
    expect(fates.find(({ id }) => id === writes[1]!.id)!.endedAt).toBe(writes[1]!.arrivesAt! + 200);
  });

  test("with a bucket of last-write-wins there are no siblings", () => {
    const of = world();
    play(of, { do: "bucket", node: "a", bucket: "carts", policy: "last-write-wins" }, 5_000);
    play(of, put("a", "milk", "none"));
    play(of, put("d", "eggs", "none"));
    play(of, get("b"));
    expect(lastAnswer(of).values).toEqual(["eggs"]);
  });
});
