/** The coordinators among peers who answer when and what the test says: counting, owners, stand-ins, hedges. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { defaultConfig, parametersFrom } from "./config.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { Note } from "./effect.ts";
import { Forwarding } from "./forwarding.ts";
import { GetCoordinator } from "./get-coordinator.ts";
import { HEDGED_ONE_IN, Hedging } from "./hedging.ts";
import type { Actor, Durability, Key, NodeId, OperationId, RequestId } from "./identifiers.ts";
import type { ClientResult, ClientWrite, Message, ReplicaGetReply, ReplicaPutReply, RequestReport } from "./message.ts";
import { PutCoordinator } from "./put-coordinator.ts";
import type { Quorum } from "./request-defaults.ts";
import { type PreferenceList, Ring } from "./ring.ts";
import type { Surroundings } from "./surroundings.ts";
import { TimerTable } from "./timers.ts";
import { PROTOCOL_VERSION } from "./versions.ts";

const KEY = "carts/ada" as Key;
const REQUEST = 1;
const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const operation = (n: number) => n.toString(16).padStart(32, "0") as OperationId;
const [a, b, c, d, e] = [id(1), id(2), id(3), id(4), id(5)];
const version = (n: number): DvvSet =>
  update(EMPTY, [], n.toString(16).padStart(48, "0") as Actor, {
    operation: operation(n),
    at: n,
    value: new Uint8Array([n]),
    checksum: 0,
  }).set;
const write: ClientWrite = { value: null, context: [], operation: operation(1), at: 1, w: undefined };

/** a, b and c own the key and hold it; d and e can stand in. */
const usual: PreferenceList = { owners: [a, b, c], counted: [a, b, c], joining: [], fallbacks: [d, e] };
/** c has only just joined: d, a former owner, counts in its place. */
const joining: PreferenceList = { owners: [a, b, c], counted: [a, b, d], joining: [c], fallbacks: [e] };

interface Sent {
  readonly to: NodeId;
  readonly request: RequestId;
  readonly message: Message;
}

function putReply(request: RequestId, outcome: ReplicaPutReply["outcome"], owner: boolean): ReplicaPutReply {
  return { kind: "replica-put-reply", request, ring: 0, outcome, owner, durability: "relaxed", counted: [] };
}

function getReply(
  request: RequestId,
  outcome: ReplicaGetReply["outcome"],
  owner: boolean,
  set: DvvSet | undefined,
): ReplicaGetReply {
  return { kind: "replica-get-reply", request, ring: 0, outcome, owner, set, counted: [] };
}

class Bench {
  now = 0;
  readonly down = new Set<NodeId>();
  readonly sent: Sent[] = [];
  readonly notes: Note[] = [];
  readonly hinted: NodeId[] = [];
  readonly hintDurability: Durability[] = [];
  readonly minted: Durability[] = [];
  readonly hedging = new Hedging(true);
  readonly timers = new TimerTable();
  readonly list: PreferenceList;
  readonly puts: PutCoordinator;
  readonly gets: GetCoordinator;
  readonly forwarding: Forwarding;
  result: ClientResult | undefined;
  exhausted = false;

  constructor(list: PreferenceList, self: NodeId) {
    this.list = list;
    let requests = 100;
    const now = () => this.now;
    const surroundings: Surroundings = {
      self,
      config: defaultConfig,
      random: Prng.fromNumber(1),
      timers: this.timers,
      get now() {
        return now();
      },
      ring: new Ring({
        parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: 1 }),
        members: [],
        claims: [{ owner: a, version: 1 }],
        buckets: [],
      }),
      reachable: (node) => !this.down.has(node),
      slow: () => false,
      reads: () => true,
      protocol: PROTOCOL_VERSION,
      mayWork: () => true,
      mayStore: () => true,
      mayAnswer: () => true,
      listOf: () => this.list,
      nextRequest: () => ++requests,
      nextTicket: () => 1,
      epochOf: () => 1,
      send: (to, message) => {
        if (this.down.has(to)) return false;
        this.sent.push({ to, request: requests, message });
        return true;
      },
      emit: () => {},
      store: () => {},
      complete: () => {},
      note: (note) => this.notes.push(note),
    };
    const answer = (_: RequestId, result: ClientResult) => (this.result = result);
    this.puts = new PutCoordinator(surroundings, this.hedging, {
      mint: (_key, _write, _place, _request, durability) => this.minted.push(durability),
      keepHint: (_key, target, _set, durability) => {
        this.hinted.push(target);
        this.hintDurability.push(durability);
      },
      answer,
    });
    this.gets = new GetCoordinator(surroundings, this.hedging, { read: () => {}, repair: () => {}, answer });
    this.forwarding = new Forwarding(surroundings, this.hedging, { answer, exhausted: () => (this.exhausted = true) });
  }

  put(quorum: Quorum): this {
    this.puts.start(REQUEST, KEY, write, this.list, quorum, 5_000);
    if (this.result === undefined)
      this.puts.onCompletion({ kind: "minted", origin: this.own, key: KEY, set: version(1), dot: undefined });
    return this;
  }

  get(quorum: Quorum): this {
    this.gets.start(REQUEST, KEY, quorum, this.list, 5_000);
    return this;
  }

  get own() {
    return { kind: "put", request: REQUEST } as const;
  }

  /** The coordinator's own disk has the put. */
  ownStored(): void {
    this.puts.onCompletion({ kind: "stored", origin: this.own, key: KEY, durability: "relaxed" });
  }

  ownRead(set: DvvSet | "failed" = EMPTY): void {
    const outcome = set === "failed" ? "failed" : set === EMPTY ? "missing" : "found";
    const origin = { kind: "get", request: REQUEST } as const;
    this.gets.onCompletion({ kind: "read", origin, key: KEY, outcome, set: set === "failed" ? EMPTY : set });
  }

  /** What was last asked of a node. */
  asked(node: NodeId): Sent | undefined {
    return this.sent.findLast(({ to }) => to === node);
  }

  stored(node: NodeId, owner = this.list.owners.includes(node) && this.list.counted.includes(node)): void {
    this.puts.onReply(node, putReply(this.asked(node)!.request, "stored", owner));
  }

  read(node: NodeId, set: DvvSet = EMPTY, owner = this.list.owners.includes(node)): void {
    this.gets.onReply(node, getReply(this.asked(node)!.request, set === EMPTY ? "missing" : "found", owner, set));
  }

  /** Lets time pass, and what is due happen. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const due = this.timers.earliest();
      if (due === undefined || due > until) break;
      this.now = Math.max(this.now, due);
      const [name = ""] = (this.timers.expire(this.now) ?? "").split(":");
      if (name === "put-slow") this.puts.onSlow(REQUEST);
      else if (name === "put-timeout") this.puts.onTimeout(REQUEST);
      else if (name === "get-slow") this.gets.onSlow(REQUEST);
      else if (name === "get-timeout") this.gets.onTimeout(REQUEST);
      else if (name === "forward-slow") this.forwarding.onSlow(REQUEST);
      else if (name === "forward-timeout") this.forwarding.onTimeout(REQUEST);
    }
    this.now = until;
  }

  /** As after some quiet minutes: replies took so long, and hedges were earned. */
  usedTo(ms: number, gets = 200): this {
    for (const kind of ["replica-get", "replica-put", "coordinate-get"] as const)
      for (let i = 0; i < 100; i++) this.hedging.record(kind, ms);
    for (let i = 0; i < gets; i++) this.hedging.earn();
    return this;
  }

  get report(): RequestReport {
    return this.result!.report!;
  }

  get hedged(): NodeId[] {
    return this.notes.flatMap((note) => (note.what === "hedged" ? [note.to] : []));
  }
}

const failed = { outcome: "failed", failure: { code: "quorum" } };

describe("pw", () => {
  test("a stand-in's hint counts towards w, and not towards pw", () => {
    const sloppy = new Bench(usual, a);
    sloppy.down.add(b);
    sloppy.put({ n: 3, replicas: 3, owners: 2 });
    sloppy.ownStored();
    sloppy.stored(d);
    expect(sloppy.result).toBeUndefined();
    sloppy.stored(c);
    expect(sloppy.result).toMatchObject({ outcome: "put", report: { needed: 3, ownersNeeded: 2, ownersAnswered: 2 } });

    const strict = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 3 });
    strict.ownStored();
    strict.stored(b);
    strict.pass(500);
    strict.stored(d);
    expect(strict.result).toBeUndefined();
    strict.puts.onPeerDown(c);
    expect(strict.result).toMatchObject(failed);
    expect(strict.report).toMatchObject({ ownersNeeded: 3, ownersAnswered: 2, answered: [a, b, d] });
  });

  test("that too few owners can meet is refused before anything is written, and said at once", () => {
    const bench = new Bench(usual, a);
    bench.down.add(b).add(c);
    bench.put({ n: 3, replicas: 2, owners: 2 });
    expect(bench.result).toMatchObject(failed);
    expect(bench.report).toMatchObject({ needed: 2, ownersNeeded: 2, ownersAnswered: 0, elapsedMs: 0 });
    expect([bench.sent, bench.hinted]).toEqual([[], []]);
    expect(bench.notes).toContainEqual({ what: "owners-unreachable", key: KEY });
    expect(bench.puts.size).toBe(0);
  });

  test("a coordinator that is no owner counts its own copy for nothing but w", () => {
    const standIn = new Bench(usual, d);
    standIn.down.add(c);
    standIn.put({ n: 3, replicas: 2, owners: 2 });
    standIn.ownStored();
    standIn.stored(a);
    expect(standIn.result).toBeUndefined();
    standIn.stored(b);
    expect(standIn.result).toMatchObject({ outcome: "put", report: { ownersAnswered: 2 } });
  });

  test("neither a former owner that counts nor a newcomer that does not is an owner that holds the partition", () => {
    const bench = new Bench(joining, d).put({ n: 3, replicas: 2, owners: 2 });
    bench.ownStored();
    bench.stored(c);
    bench.stored(a);
    expect(bench.result).toBeUndefined();
    bench.stored(b);
    expect(bench.result).toMatchObject({ outcome: "put", report: { ownersAnswered: 2 } });
    // Nor is it capped by who holds: three owners there are, two can answer for themselves.
    expect(new Bench(joining, d).put({ n: 3, replicas: 1, owners: 3 }).result).toMatchObject(failed);
  });

  test("is capped by the owners that there are, as n is", () => {
    const small = new Bench({ owners: [a, b], counted: [a, b], joining: [], fallbacks: [] }, a);
    small.put({ n: 3, replicas: 3, owners: 3 });
    small.ownStored();
    small.stored(b);
    expect(small.result).toMatchObject({ outcome: "put", report: { needed: 2, ownersNeeded: 2 } });
  });

  test("an owner that sees itself as none has kept a hint: it counts for w alone", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 2 });
    bench.ownStored();
    bench.stored(b, false);
    expect(bench.result).toBeUndefined();
    bench.stored(c, false);
    expect(bench.result).toMatchObject(failed);
    expect(bench.report).toMatchObject({ answered: [a, b, c], ownersAnswered: 1 });
  });

  test("one who does not answer reads yet counts as an owner, and a hint for itself does not", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 1, owners: 2 });
    bench.puts.onReply(b, putReply(bench.asked(b)!.request, "hinted", true));
    bench.ownStored();
    expect(bench.result).toBeUndefined();
    bench.puts.onReply(c, putReply(bench.asked(c)!.request, "early", true));
    expect(bench.result).toMatchObject({ outcome: "put", report: { answered: [b, a, c], ownersAnswered: 2 } });
  });

  test("is not met as long as w is not, by those who answer reads", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 2 });
    bench.puts.onReply(b, putReply(bench.asked(b)!.request, "early", true));
    bench.ownStored();
    expect(bench.result).toBeUndefined();
    bench.stored(c);
    expect(bench.result).toMatchObject({ outcome: "put", report: { ownersAnswered: 3 } });
  });

  test("an owner of whom another one tells counts when it has said so itself", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 3 });
    bench.ownStored();
    bench.puts.onReply(b, { ...putReply(bench.asked(b)!.request, "stored", true), counted: [a, b, d] });
    bench.stored(c, false);
    expect(bench.result).toBeUndefined();
    bench.stored(d, true);
    expect(bench.result).toMatchObject({ outcome: "put", report: { counted: 4, ownersAnswered: 3 } });
  });

  test("patience with puts is never less than slowReplyMs, and more when all are slow", () => {
    for (const [usual_, standsInAt] of [
      [5, 400],
      [600, 600],
      [4_000, 800],
    ] as const) {
      const bench = new Bench(usual, a).usedTo(usual_).put({ n: 3, replicas: 2, owners: 0 });
      bench.pass(standsInAt - 1);
      expect(bench.asked(d)).toBeUndefined();
      bench.pass(standsInAt * 0.2);
      expect(bench.asked(d)).toBeDefined();
    }
  });
});

describe("dw", () => {
  const kept = (bench: Bench, node: NodeId, durability: Durability) =>
    bench.puts.onReply(node, { ...putReply(bench.asked(node)!.request, "stored", true), durability });
  const askedOf = (bench: Bench) =>
    bench.sent.map(({ to, message }) => [to, message.kind === "replica-put" ? message.durability : ""]);

  test("without it one of N is strict, the last that can be reached, and nobody waits for it", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 0 });
    expect([bench.minted, askedOf(bench)]).toEqual([
      ["relaxed"],
      [
        [b, "relaxed"],
        [c, "strict"],
      ],
    ]);
    bench.ownStored();
    kept(bench, b, "relaxed");
    expect(bench.result).toMatchObject({ outcome: "put", report: { strictNeeded: 0, strictAnswered: 0 } });
    const without = new Bench(usual, a);
    without.down.add(c);
    without.put({ n: 3, replicas: 2, owners: 0 });
    expect(askedOf(without)).toEqual([
      [b, "strict"],
      [d, "relaxed"],
    ]);
    const alone = new Bench({ owners: [a], counted: [a], joining: [], fallbacks: [] }, a);
    expect(alone.put({ n: 3, replicas: 1, owners: 0 }).minted).toEqual(["strict"]);
  });

  test("who stands in for the one that is to be strict is strict, too; so is the coordinator's own hint", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 0 });
    bench.puts.onPeerDown(c);
    expect(askedOf(bench).at(-1)).toEqual([d, "strict"]);
    bench.puts.onPeerDown(d);
    bench.puts.onPeerDown(e);
    expect(bench.hintDurability.at(-1)).toBe("strict");
  });

  test("in a bucket with a buffer all others are in memory, and the report says how many answers are", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 0, buffered: true });
    expect([bench.minted, askedOf(bench)]).toEqual([
      ["buffered"],
      [
        [b, "buffered"],
        [c, "strict"],
      ],
    ]);
    bench.ownStored();
    kept(bench, b, "buffered");
    expect(bench.result).toMatchObject({ report: { answered: [a, b], inMemory: 1 } });
    const strict = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 0, buffered: true, strict: 1 });
    expect([strict.minted, askedOf(strict)]).toEqual([
      ["strict"],
      [
        [b, "strict"],
        [c, "strict"],
      ],
    ]);
  });

  test("waits for so many strict commits among those that count, whatever was acknowledged otherwise", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 1, owners: 0, strict: 2 });
    bench.ownStored();
    kept(bench, b, "strict");
    expect(bench.result).toBeUndefined();
    kept(bench, c, "strict");
    expect(bench.result).toMatchObject({ outcome: "put", report: { needed: 2, strictNeeded: 2, strictAnswered: 2 } });
  });

  test("fails when too few can still commit strictly", () => {
    const bench = new Bench(usual, a).put({ n: 3, replicas: 2, owners: 0, strict: 3 });
    bench.ownStored();
    expect(bench.result).toMatchObject(failed);
    const capped = new Bench({ owners: [a, b], counted: [a, b], joining: [], fallbacks: [] }, a);
    capped.put({ n: 3, replicas: 2, owners: 0, strict: 3 });
    capped.puts.onCompletion({ kind: "stored", origin: capped.own, key: KEY, durability: "strict" });
    kept(capped, b, "strict");
    expect(capped.result).toMatchObject({ outcome: "put", report: { strictNeeded: 2 } });
  });
});

describe("pr", () => {
  test("asks for answers of owners, whoever else answers", () => {
    const bench = new Bench(usual, a);
    bench.down.add(c);
    bench.get({ n: 3, replicas: 2, owners: 2 });
    bench.ownRead(version(1));
    bench.read(d);
    expect(bench.result).toBeUndefined();
    bench.read(b);
    expect(bench.result).toMatchObject({ outcome: "got", report: { needed: 2, ownersNeeded: 2, ownersAnswered: 2 } });
  });

  test("that too few can meet fails at once, and does not go through all stand-ins in vain", () => {
    const bench = new Bench(usual, d);
    bench.down.add(a).add(b);
    bench.get({ n: 3, replicas: 1, owners: 2 });
    expect(bench.result).toMatchObject(failed);
    expect(bench.report).toMatchObject({ needed: 2, ownersNeeded: 2, ownersAnswered: 0 });
    const later = new Bench(usual, a).get({ n: 3, replicas: 2, owners: 3 });
    later.ownRead(version(1));
    later.read(b);
    later.gets.onPeerDown(c);
    expect(later.result).toMatchObject(failed);
    expect(later.report).toMatchObject({ needed: 3, ownersNeeded: 3, ownersAnswered: 2 });
    expect(later.asked(e)).toBeUndefined();
  });

  test("more than r is a larger r", () => {
    const bench = new Bench(usual, a).get({ n: 3, replicas: 1, owners: 2 });
    bench.ownRead();
    expect(bench.result).toBeUndefined();
    bench.read(b);
    expect(bench.report).toMatchObject({ needed: 2, ownersNeeded: 2, answered: [a, b] });
  });

  test("an owner whose disk failed, or that is none by its own word, does not count", () => {
    const bench = new Bench(usual, a).get({ n: 3, replicas: 1, owners: 3 });
    bench.ownRead("failed");
    expect(bench.result).toMatchObject(failed);
    const stale = new Bench(usual, a).get({ n: 3, replicas: 2, owners: 3 });
    stale.ownRead();
    stale.read(b, EMPTY, false);
    expect(stale.result).toMatchObject(failed);
  });
});

describe("a hedged get", () => {
  const slow = () => {
    const bench = new Bench(usual, a).usedTo(40).get({ n: 3, replicas: 2, owners: 0 });
    bench.ownRead(version(1));
    return bench;
  };

  test("asks a stand-in after the 99th percentile of recent replies, no sooner", () => {
    const bench = slow();
    bench.pass(39);
    expect(bench.hedged).toEqual([]);
    bench.pass(10);
    expect(bench.hedged).toEqual([d]);
  });

  test("counts it when one for whom it stands in is given up, and not before", () => {
    const bench = slow();
    bench.pass(50);
    bench.read(d, version(2));
    expect(bench.result).toBeUndefined();
    bench.gets.onPeerDown(b);
    expect(bench.result).toMatchObject({ outcome: "got", report: { answered: [a, d], elapsedMs: 50 } });
    const patient = slow();
    patient.pass(50);
    patient.read(d);
    patient.pass(349);
    expect(patient.result).toBeUndefined();
    patient.pass(1);
    expect(patient.result).toMatchObject({ outcome: "got", report: { answered: [a, d], elapsedMs: 400 } });
    expect(patient.asked(e)).toBeUndefined();
  });

  test("gives what it says to the answer, whoever makes the quorum", () => {
    const bench = slow();
    bench.pass(50);
    bench.read(d, version(2));
    bench.read(c);
    expect(bench.report.answered).toEqual([a, c]);
    expect(bench.result).toMatchObject({ set: { siblings: { length: 2 } } });
  });

  test("is none without samples, without a budget, or when the quorum is there", () => {
    const fresh = new Bench(usual, a).get({ n: 3, replicas: 2, owners: 0 });
    fresh.pass(399);
    expect(fresh.sent).toHaveLength(2);
    const poor = new Bench(usual, a).usedTo(40, 0).get({ n: 3, replicas: 2, owners: 0 });
    poor.pass(399);
    expect([poor.hedged, poor.sent.length]).toEqual([[], 2]);
    poor.pass(1);
    expect(poor.asked(d)).toBeDefined();
    const quick = slow();
    quick.read(b);
    quick.pass(399);
    expect(quick.hedged).toEqual([]);
  });

  test("whose stand-in fails or goes down takes the next one when patience ends", () => {
    const bench = slow();
    bench.pass(50);
    bench.gets.onReply(d, getReply(bench.asked(d)!.request, "failed", false, undefined));
    bench.pass(350);
    expect(bench.asked(e)).toBeDefined();
    bench.read(e, version(2));
    expect(bench.report.answered).toEqual([a, e]);
    const lost = slow();
    lost.pass(50);
    lost.gets.onPeerDown(d);
    lost.pass(350);
    lost.read(e);
    expect(lost.report.answered).toEqual([a, e]);
  });
});

describe("a hedged get while those who count change", () => {
  const moved = () => {
    const bench = new Bench(usual, a).usedTo(40).get({ n: 3, replicas: 3, owners: 0 });
    bench.ownRead(version(1));
    bench.read(b, version(1));
    return bench;
  };

  test("one in reserve is no replacement for one who counts no more, before slowReplyMs", () => {
    const bench = moved();
    bench.pass(50);
    bench.read(d, version(2));
    bench.gets.onReply(c, getReply(bench.asked(c)!.request, "moved", false, undefined));
    expect(bench.result).toBeUndefined();
    bench.pass(349);
    expect(bench.result).toBeUndefined();
    bench.pass(1);
    expect(bench.result).toMatchObject({ outcome: "got", report: { answered: [a, b, d], elapsedMs: 400 } });
  });

  test("one in reserve that comes to count is asked anew, as one who does", () => {
    const bench = moved();
    bench.pass(50);
    expect(bench.asked(d)?.message).toMatchObject({ counts: false });
    const early = bench.asked(d)!;
    bench.gets.onReply(c, { ...getReply(bench.asked(c)!.request, "missing", true, undefined), counted: [a, b, c, d] });
    expect(bench.asked(d)?.message).toMatchObject({ counts: true });
    bench.gets.onReply(d, getReply(early.request, "missing", false, undefined));
    expect(bench.result).toBeUndefined();
    bench.read(d, version(2), true);
    expect(bench.result).toMatchObject({ outcome: "got", report: { needed: 4, counted: 4 } });
  });

  test("a stand-in that turns out to count has not answered yet as one who does", () => {
    const bench = new Bench(usual, a);
    bench.down.add(c);
    bench.get({ n: 3, replicas: 3, owners: 0 });
    bench.ownRead(version(1));
    bench.read(d, version(2));
    expect(bench.result).toBeUndefined();
    bench.gets.onReply(b, { ...getReply(bench.asked(b)!.request, "missing", true, undefined), counted: [a, b, d] });
    expect([bench.result, bench.asked(d)?.message]).toMatchObject([undefined, { counts: true }]);
    bench.gets.onReply(d, getReply(bench.asked(d)!.request, "moved", false, undefined));
    expect(bench.result).toBeUndefined();
  });

  test("pr waits to hear who owns it now", () => {
    const bench = new Bench(usual, a).get({ n: 3, replicas: 1, owners: 3 });
    bench.ownRead(version(1));
    bench.read(b);
    bench.gets.onReply(c, { ...getReply(bench.asked(c)!.request, "moved", false, undefined), counted: [a, b, d] });
    expect(bench.result).toBeUndefined();
    bench.read(d, version(2), true);
    expect(bench.result).toMatchObject({ outcome: "got", report: { ownersAnswered: 3 } });
    const alone = new Bench(usual, a).get({ n: 3, replicas: 1, owners: 3 });
    alone.gets.onReply(c, getReply(alone.asked(c)!.request, "moved", false, undefined));
    expect(alone.result).toBeUndefined();
    alone.pass(400);
    expect(alone.result).toMatchObject(failed);
  });
});

describe("a get that was handed on", () => {
  const get = { kind: "get", key: KEY, r: 2, pr: 1 } as const;
  const start = (gets = 200) => {
    const bench = new Bench(usual, e).usedTo(40, gets);
    bench.forwarding.start(REQUEST, get, { hops: 1 }, 5_000);
    return bench;
  };
  const answered = (bench: Bench, node: NodeId) =>
    bench.forwarding.onReply(node, bench.asked(node)!.request, {
      outcome: "got",
      set: EMPTY,
      first: node,
      report: {} as RequestReport,
    });

  test("takes its quorum along", () => {
    expect(start().asked(a)?.message).toMatchObject({ kind: "coordinate-get", r: 2, pr: 1 });
  });

  test("is handed to the next one too after the 99th percentile, and ends with whoever is first", () => {
    const bench = start();
    bench.pass(39);
    expect(bench.sent).toHaveLength(1);
    bench.pass(10);
    expect(bench.hedged).toEqual([b]);
    answered(bench, b);
    expect(bench.result).toMatchObject({ outcome: "got", first: b });
    answered(bench, a);
    expect(bench.forwarding.size).toBe(0);
  });

  test("is hedged once; who is slow after that is given up at 3 x slowReplyMs", () => {
    const bench = start();
    bench.pass(1_240);
    expect(bench.sent.map(({ to }) => to)).toEqual([a, b]);
    bench.pass(20);
    expect(bench.sent.map(({ to }) => to)).toEqual([a, b, c]);
    expect(bench.hedged).toEqual([b]);
  });

  test("waits without a budget, and so does a put", () => {
    const poor = start(HEDGED_ONE_IN - 2);
    poor.pass(1_199);
    expect(poor.sent).toHaveLength(1);
    poor.pass(1);
    expect(poor.asked(b)).toBeDefined();
    const put = new Bench(usual, e).usedTo(40);
    put.forwarding.start(REQUEST, { kind: "put", key: KEY, write }, { hops: 1 }, 5_000);
    put.pass(1_199);
    expect(put.sent).toHaveLength(1);
  });
});

describe("whatever comes in whatever order", () => {
  const lists = fc.constantFrom(usual, joining, { owners: [a, b], counted: [a, b], joining: [], fallbacks: [c, d] });
  const nodes = fc.constantFrom(a, b, c, d, e);
  const worlds = fc.record({
    list: lists,
    self: nodes,
    quorum: fc.record({ n: fc.constant(3), replicas: fc.integer({ min: 1, max: 3 }), owners: fc.nat(3) }),
    down: fc.array(nodes, { maxLength: 3 }),
    events: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constantFrom("reply", "no-owner", "refuse", "lost"), node: nodes }),
        fc.record({ kind: fc.constantFrom("own", "slow"), node: fc.constant(a) }),
      ),
      { maxLength: 16 },
    ),
  });

  test("a put is answered when w replicas and pw owners have it, and fails when they can no longer", () => {
    fc.assert(
      fc.property(worlds, ({ list, self, quorum, down, events }) => {
        const bench = new Bench(list, self);
        for (const node of down) if (node !== self) bench.down.add(node);
        bench.put(quorum);
        const owners = list.owners.filter((node) => list.counted.includes(node));
        const pw = Math.min(quorum.owners, list.owners.length);
        const w = Math.min(quorum.replicas, list.counted.length);
        // Naive: who has said that it is durable there, and for whom; who may still say so.
        const said: { node: NodeId; for: NodeId; owner: boolean }[] = [];
        const mayStill = () => bench.sent.filter((one) => !settled.has(one));
        const settled = new Set<Sent>();
        const ownFor = list.counted.includes(self)
          ? self
          : list.owners.includes(self)
            ? undefined
            : (list.counted.find((node) => bench.down.has(node)) ?? list.counted[0]!);
        let ownStored = false;
        const ownersOf = () =>
          new Set(
            said
              .filter(({ node, for: whose, owner }) => node === whose && owner && owners.includes(node))
              .map(({ node }) => node),
          );
        const judge = () => {
          // One node is one copy, whomever it stands for besides.
          const counting = said.filter((one) => list.counted.includes(one.for));
          const firsts = counting.filter((one, i) => counting.findIndex(({ node }) => node === one.node) === i);
          const replicas = new Set(firsts.map((one) => one.for));
          const met = replicas.size >= w && ownersOf().size >= pw;
          if (bench.result?.outcome === "put") {
            expect(met).toBe(true);
            return;
          }
          expect(met).toBe(false);
          if (bench.result !== undefined) {
            // At once and not too soon: those who may still answer are too few.
            const hopes = mayStill().flatMap(({ to, message }) => {
              const target = message.kind === "replica-put" ? (message.hintFor ?? to) : to;
              return list.counted.includes(target) ? [{ to, target }] : [];
            });
            const own = !ownStored && ownFor !== undefined ? [{ to: self, target: ownFor }] : [];
            const all = [...hopes, ...own];
            const possible = new Set([...replicas, ...all.map(({ target }) => target)]).size;
            const possibleOwners = new Set([
              ...ownersOf(),
              ...all.flatMap(({ to, target }) => (to === target && owners.includes(to) ? [to] : [])),
            ]).size;
            if (bench.sent.length > 0) expect(possible < w || possibleOwners < pw).toBe(true);
            else expect(owners.filter((node) => !bench.down.has(node)).length < pw || possible < w).toBe(true);
          }
        };
        judge();
        for (const { kind, node } of events) {
          if (bench.result !== undefined) break;
          const open = mayStill().find(({ to }) => to === node);
          if (kind === "slow") bench.puts.onSlow(REQUEST);
          else if (kind === "own" && !ownStored) {
            ownStored = true;
            if (ownFor !== undefined) said.push({ node: self, for: ownFor, owner: true });
            bench.ownStored();
          } else if (kind === "lost") {
            if (node === self) continue;
            bench.down.add(node);
            for (const one of mayStill()) if (one.to === node) settled.add(one);
            bench.puts.onPeerDown(node);
          } else if (open !== undefined && open.message.kind === "replica-put") {
            settled.add(open);
            const owner = kind === "reply";
            if (kind !== "refuse") said.push({ node, for: open.message.hintFor ?? node, owner });
            bench.puts.onReply(node, putReply(open.request, kind === "refuse" ? "refused" : "stored", owner));
          }
          judge();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("a get is answered when r have answered and pr of them are owners, and never by stand-ins in reserve", () => {
    fc.assert(
      fc.property(worlds, ({ list, self, quorum, down, events }) => {
        const bench = new Bench(list, self).usedTo(40);
        for (const node of down) if (node !== self) bench.down.add(node);
        bench.get(quorum);
        const pr = Math.min(quorum.owners, list.owners.length);
        const r = Math.min(quorum.replicas, list.counted.length);
        const replied = new Set<Sent>();
        const byOwners = new Set<NodeId>();
        const answers = new Set<NodeId>();
        let lost = 0;
        let ownRead = false;
        for (const { kind, node } of events) {
          if (bench.result !== undefined) break;
          const open = bench.sent.find((one) => one.to === node && !replied.has(one));
          if (kind === "slow") bench.pass(45);
          else if (kind === "own") {
            // Nobody has asked our own disk unless it counts or stands in; a completion that nobody waits for changes nothing.
            if (ownRead || !list.counted.includes(self)) continue;
            ownRead = true;
            answers.add(self);
            if (list.owners.includes(self)) byOwners.add(self);
            bench.ownRead(version(1));
          } else if (kind === "lost") {
            if (node === self) continue;
            lost++;
            bench.down.add(node);
            for (const one of bench.sent) if (one.to === node) replied.add(one);
            bench.gets.onPeerDown(node);
          } else if (open?.message.kind === "replica-get") {
            replied.add(open);
            if (kind === "refuse") {
              lost++;
              bench.gets.onReply(node, getReply(open.request, "failed", false, undefined));
            } else {
              answers.add(node);
              if (kind === "reply" && list.owners.includes(node) && list.counted.includes(node)) byOwners.add(node);
              bench.gets.onReply(node, getReply(open.request, "found", kind === "reply", version(2)));
            }
          }
        }
        const result = bench.result;
        if (result?.outcome !== "got") {
          const counted = [...answers].filter((node) => list.counted.includes(node));
          if (result === undefined && bench.now < 400) expect(counted.length >= r && byOwners.size >= pr).toBe(false);
          return;
        }
        expect(result.report.answered.length).toBeGreaterThanOrEqual(r);
        expect(byOwners.size).toBeGreaterThanOrEqual(pr);
        expect(result.report.ownersAnswered).toBe(byOwners.size);
        for (const node of result.report.answered) expect(answers.has(node)).toBe(true);
        const standIns = result.report.answered.filter((node) => !list.counted.includes(node));
        // One stand-in for each who was given up: lost before or since, or silent for all the patience there is.
        if (bench.now < 400) expect(standIns.length).toBeLessThanOrEqual(lost + down.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
