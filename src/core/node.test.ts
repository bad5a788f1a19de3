/** The node as its host sees it: a handful of nodes joined by lossless instant links, to see each mechanism do its part. The simulator does the rest. */

import { describe, expect, test } from "vitest";
import { partitionOf, positionOf } from "./address.ts";
import { type Config, defaultConfig, defaultParameters } from "./config.ts";
import type { Effect, NodeMeta, Note, StoredRecord } from "./effect.ts";
import type { NodeEvent } from "./event.ts";
import type { Epoch, Key, NodeId, OperationId, RequestId } from "./identifiers.ts";
import type { ClientResult, Message } from "./message.ts";
import { DynamoNode } from "./node.ts";
import { Ring } from "./ring.ts";
import { viewOf } from "./stub-surroundings.ts";

type Bodies<Union> = Union extends unknown ? Omit<Union, "at"> : never;
type EventBody = Bodies<NodeEvent>;

const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const text = (value: string) => new Uint8Array([...value].map((c) => c.charCodeAt(0)));
const read = (value: Uint8Array | null) => (value === null ? "deleted" : String.fromCharCode(...value));

/** Nodes with instant links and disks, on one clock that only the test moves. */
class Bench {
  now = 1_000;
  readonly nodes = new Map<NodeId, DynamoNode>();
  readonly disks = new Map<
    NodeId,
    {
      records: Map<string, StoredRecord>;
      hints: Map<string, StoredRecord>;
      history: Map<string, StoredRecord>;
      meta: NodeMeta | undefined;
    }
  >();
  readonly results = new Map<RequestId, ClientResult>();
  readonly surveys = new Map<RequestId, Extract<Effect, { kind: "report-statistics" }>>();
  readonly notes: { node: NodeId; note: Note }[] = [];
  readonly cut = new Set<string>();
  /** Nodes whose disks never say that what they know of the cluster is written down. */
  readonly forgetful = new Set<NodeId>();
  #queue: { to: NodeId; event: EventBody }[] = [];
  #requests = 0;
  #seed = 1;

  start(node: NodeId, capacity = 1, limits: Partial<Config> = {}): void {
    const disk = this.disks.get(node) ?? { records: new Map(), hints: new Map(), history: new Map(), meta: undefined };
    this.disks.set(node, disk);
    const config = { ...defaultConfig, capacity, ...limits };
    this.nodes.set(
      node,
      new DynamoNode({ id: node, config, meta: disk.meta, seed: [this.#seed++, 2, 3, 4], seeds: [] }),
    );
    this.#step(node, { kind: "started" });
    this.#drain();
    for (const other of this.nodes.keys()) if (other !== node) this.link(node, other);
  }

  found(node: NodeId): void {
    this.#step(node, { kind: "found-cluster", parameters: { ...defaultParameters, partitions: 16 } });
    this.#drain();
  }

  link(a: NodeId, b: NodeId): void {
    this.#queue.push({ to: a, event: { kind: "peer-connected", peer: b } });
    this.#queue.push({ to: b, event: { kind: "peer-connected", peer: a } });
    this.#drain();
  }

  stop(node: NodeId): void {
    this.nodes.delete(node);
    for (const other of this.nodes.keys()) this.#queue.push({ to: other, event: { kind: "peer-lost", peer: node } });
    this.#drain();
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      let next = until;
      for (const node of this.nodes.values()) next = Math.min(next, Math.max(this.now, node.wakeAt() ?? until));
      this.now = next;
      for (const [node, machine] of [...this.nodes])
        if ((machine.wakeAt() ?? Infinity) <= this.now) this.#step(node, { kind: "wake" });
      this.#drain();
      if (this.now >= until) return;
    }
  }

  put(
    node: NodeId,
    key: string,
    value: string,
    context: ClientResult | undefined = undefined,
    operation = ++this.#requests,
    w?: number,
  ): ClientResult {
    const request = ++this.#requests;
    const clock = context?.outcome === "got" ? context.set.clock : context?.outcome === "put" ? context.clock : [];
    const write = {
      value: text(value),
      context: clock,
      operation: operation.toString(16).padStart(32, "f") as OperationId,
      at: this.now,
      w,
      policy: "siblings" as const,
    };
    this.#step(node, {
      kind: "client-put",
      request,
      key: key as Key,
      write,
      prefer: undefined,
      timeoutMs: undefined,
    });
    return this.#await(request);
  }

  get(node: NodeId, key: string, r?: number): ClientResult {
    const request = ++this.#requests;
    this.#step(node, { kind: "client-get", request, key: key as Key, r, timeoutMs: undefined });
    return this.#await(request);
  }

  /** Asks all members what they have counted; undefined as long as some are waited for. */
  survey(node: NodeId, timeoutMs?: number): RequestId {
    const request = ++this.#requests;
    this.#step(node, { kind: "client-statistics", request, timeoutMs });
    this.#drain();
    return request;
  }

  /** A get whose caller gives up at once. */
  abandoned(node: NodeId, key: string): void {
    const request = ++this.#requests;
    this.#step(node, { kind: "client-get", request, key: key as Key, r: 3, timeoutMs: undefined });
    this.#step(node, { kind: "client-abandoned", request });
    this.run(10_000);
  }

  #await(request: RequestId): ClientResult {
    this.#drain();
    for (let i = 0; i < 100 && !this.results.has(request); i++) this.run(100);
    return this.results.get(request)!;
  }

  #step(node: NodeId, event: EventBody): void {
    const machine = this.nodes.get(node);
    if (machine === undefined) return;
    for (const effect of machine.step({ ...event, at: this.now })) this.#perform(node, effect);
  }

  #drain(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      this.#step(next.to, next.event);
  }

  #later(to: NodeId, event: EventBody): void {
    this.#queue.push({ to, event: event });
  }

  #perform(node: NodeId, effect: Effect): void {
    const disk = this.disks.get(node)!;
    switch (effect.kind) {
      case "send":
        if (!this.cut.has(`${node} ${effect.to}`))
          this.#later(effect.to, {
            kind: "message-received",
            from: node,
            epoch: effect.epoch,
            message: effect.message,
          });
        break;
      case "connect":
        if (this.nodes.has(effect.peer) && !this.cut.has(`${node} ${effect.peer}`)) {
          this.#later(node, { kind: "peer-connected", peer: effect.peer });
          this.#later(effect.peer, { kind: "peer-connected", peer: node });
        }
        break;
      case "disconnect":
        this.#later(effect.peer, { kind: "peer-lost", peer: node });
        break;
      case "load":
        this.#later(node, {
          kind: "loaded",
          ticket: effect.ticket,
          records: effect.reads.map(({ store, address }) => disk[store].get(address)),
        });
        break;
      case "store":
        for (const write of effect.writes) {
          if (write.store === "meta") disk.meta = write.meta;
          else if (write.store === "leaves") continue;
          else if (write.record === null) disk[write.store].delete(write.address);
          else disk[write.store].set(write.address, write.record);
        }
        if (!this.forgetful.has(node) || effect.writes.every(({ store }) => store !== "meta"))
          this.#later(node, { kind: "stored", ticket: effect.ticket });
        break;
      case "load-leaves":
        this.#later(node, { kind: "leaves-loaded", ticket: effect.ticket, leaves: [] });
        break;
      case "scan": {
        const found = [...disk[effect.store]]
          .filter(([address]) => address > effect.after && address < effect.before)
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const entries = found.slice(0, effect.countMax).map(([address, record]) => ({ address, record }));
        this.#later(node, { kind: "scanned", ticket: effect.ticket, entries, done: found.length <= effect.countMax });
        break;
      }
      case "reply":
        this.results.set(effect.request, effect.result);
        break;
      case "report-statistics":
        this.surveys.set(effect.request, effect);
        break;
      case "note":
        this.notes.push({ node, note: effect.note });
        break;
      case "bucket-set":
      case "report-change":
      case "gathered":
      case "report-sizes":
      case "departed":
        break;
    }
  }
}

function values(result: ClientResult): string[] {
  if (result.outcome !== "got") throw new Error(JSON.stringify(result));
  return result.set.siblings.map((sibling) => read(sibling.value)).sort();
}

function cluster(size: number, limits: Partial<Config> = {}): { bench: Bench; ids: NodeId[] } {
  const bench = new Bench();
  const ids = Array.from({ length: size }, (_, i) => id(i + 1));
  bench.start(ids[0]!, 1, limits);
  bench.found(ids[0]!);
  for (const node of ids.slice(1)) {
    bench.start(node, 1, limits);
    bench.run(3_000);
  }
  bench.run(15_000);
  return { bench, ids };
}

function phases(bench: Bench): string[] {
  return [...bench.nodes.values()].map((node) => node.inspect().phase);
}

describe("a cluster of one", () => {
  test("takes a put and gives it back", () => {
    const bench = new Bench();
    bench.start(id(1));
    expect(bench.put(id(1), "a", "1")).toMatchObject({ outcome: "failed", failure: { code: "not-ready" } });
    bench.found(id(1));
    const put = bench.put(id(1), "a", "1");
    expect(put.outcome).toBe("put");
    expect(values(bench.get(id(1), "a"))).toEqual(["1"]);
  });
});

describe("a cluster of five", () => {
  test("joins, agrees on the ring, and every node serves every key", () => {
    const { bench, ids } = cluster(5);
    expect(phases(bench)).toEqual(ids.map(() => "member"));
    expect(new Set([...bench.nodes.values()].map((node) => node.inspect().ringDigest)).size).toBe(1);
    for (let i = 0; i < 20; i++) {
      expect(bench.put(ids[i % 5]!, `k${i}`, `v${i}`).outcome).toBe("put");
      expect(values(bench.get(ids[(i + 2) % 5]!, `k${i}`))).toEqual([`v${i}`]);
    }
  });

  test("where tombstones are reaped nobody gets records from one who might forget it after a crash", () => {
    for (const reapAfterMs of [0, Number.POSITIVE_INFINITY]) {
      const bench = new Bench();
      bench.start(id(1), 1, { reapAfterMs });
      bench.found(id(1));
      bench.run(1_000);
      expect(bench.put(id(1), "k", "v").outcome).toBe("put");
      bench.forgetful.add(id(1));
      bench.start(id(2), 1, { reapAfterMs });
      bench.run(20_000);
      bench.put(id(1), "k2", "v");
      const { records, hints } = bench.disks.get(id(2))!;
      expect(records.size + hints.size > 0).toBe(reapAfterMs > 0);
    }
  });

  test("data written before the joins is held by all owners after them, and by nobody else", () => {
    const bench = new Bench();
    bench.start(id(1));
    bench.found(id(1));
    for (let i = 0; i < 40; i++) bench.put(id(1), `k${i}`, `v${i}`);
    for (let n = 2; n <= 5; n++) {
      bench.start(id(n));
      bench.run(10_000);
    }
    bench.run(60_000);
    for (let i = 0; i < 40; i++) {
      const holders = [...bench.disks].filter(([, disk]) =>
        [...disk.records.keys()].some((address) => address.slice(8) === `k${i}`),
      );
      expect(holders).toHaveLength(3);
      for (let n = 1; n <= 5; n++) expect(values(bench.get(id(n), `k${i}`))).toEqual([`v${i}`]);
    }
  });

  test("an owner that is away gets what it missed from hints, and they drain to 0", () => {
    const { bench, ids } = cluster(5);
    bench.stop(ids[2]!);
    for (let i = 0; i < 30; i++) expect(bench.put(ids[0]!, `k${i}`, `v${i}`).outcome).toBe("put");
    const owed = () => [...bench.nodes.values()].reduce((sum, node) => sum + node.inspect().hintsOwed, 0);
    expect(owed()).toBeGreaterThan(5);
    bench.start(ids[2]!);
    bench.run(30_000);
    expect(owed()).toBe(0);
    for (let i = 0; i < 30; i++) {
      const holders = [...bench.disks].filter(([, disk]) =>
        [...disk.records.keys()].some((address) => address.slice(8) === `k${i}`),
      );
      expect(holders).toHaveLength(3);
    }
  });

  test("a partition makes siblings, and a put with the joined context supersedes both", () => {
    const { bench, ids } = cluster(5);
    const before = bench.put(ids[0]!, "cart", "milk");
    bench.run(1_000);
    for (const a of ids.slice(0, 2))
      for (const b of ids.slice(2)) for (const link of [`${a} ${b}`, `${b} ${a}`]) bench.cut.add(link);
    bench.run(10_000);
    expect(bench.put(ids[0]!, "cart", "milk eggs", before).outcome).toBe("put");
    expect(bench.put(ids[4]!, "cart", "milk bread", before).outcome).toBe("put");
    bench.cut.clear();
    bench.run(60_000);
    for (const node of ids) expect(values(bench.get(node, "cart"))).toEqual(["milk bread", "milk eggs"]);
    const both = bench.get(ids[3]!, "cart");
    expect(bench.put(ids[3]!, "cart", "milk eggs bread", both).outcome).toBe("put");
    bench.run(5_000);
    for (const node of ids) expect(values(bench.get(node, "cart"))).toEqual(["milk eggs bread"]);
  });

  test("the context of a put covers the caller's own write, and never a sibling that its caller has not read", () => {
    const { bench, ids } = cluster(5);
    bench.put(ids[0]!, "cart", "milk");
    const second = bench.put(ids[1]!, "cart", "eggs");
    expect(second).toMatchObject({ outcome: "put", siblings: 2 });
    bench.put(ids[1]!, "cart", "bread", second);
    expect(values(bench.get(ids[2]!, "cart"))).toEqual(["bread", "milk"]);
  });

  test("a replica does not answer past the request's time to live", () => {
    const node = new DynamoNode({ id: id(1), config: defaultConfig, meta: undefined, seed: [1, 2, 3, 4], seeds: [] });
    const started = node.step({ kind: "started", at: 0 });
    for (const effect of started) {
      if (effect.kind === "store") node.step({ kind: "stored", ticket: effect.ticket, at: 0 });
      if (effect.kind === "scan") node.step({ kind: "scanned", ticket: effect.ticket, entries: [], done: true, at: 0 });
      if (effect.kind === "load-leaves") node.step({ kind: "leaves-loaded", ticket: effect.ticket, leaves: [], at: 0 });
    }
    node.step({ kind: "found-cluster", parameters: { ...defaultParameters, partitions: 16 }, at: 0 });
    const greeting = node.step({ kind: "peer-connected", peer: id(2), at: 0 }).find((effect) => effect.kind === "send");
    const epoch = greeting?.kind === "send" && greeting.message.kind === "ping" ? greeting.message.epoch : 0;
    node.step({
      kind: "message-received",
      from: id(2),
      epoch: 0,
      message: { kind: "ping", sequence: 1, epoch: 9 },
      at: 0,
    });
    const answered = (ttlMs: number, delayMs: number, key: string, at: number): boolean => {
      const message = { kind: "replica-get", request: 1, ring: 0, ttlMs, key: key as Key, counts: true } as const;
      const load = node
        .step({ kind: "message-received", from: id(2), epoch, message, at })
        .find((effect) => effect.kind === "load");
      const ticket = load?.kind === "load" ? load.ticket : 0;
      const effects = node.step({ kind: "loaded", ticket, records: [undefined], at: at + delayMs });
      return effects.some((effect) => effect.kind === "send" && effect.message.kind === "replica-get-reply");
    };
    expect(answered(100, 50, "a", 10)).toBe(true);
    expect(answered(100, 150, "b", 100)).toBe(false);
  });

  test("a retry under the same operation id makes no sibling", () => {
    const { bench, ids } = cluster(5);
    expect(bench.put(ids[0]!, "cart", "milk", undefined, 77).outcome).toBe("put");
    expect(bench.put(ids[3]!, "cart", "milk", undefined, 77).outcome).toBe("put");
    bench.run(5_000);
    expect(values(bench.get(ids[1]!, "cart"))).toEqual(["milk"]);
  });

  test("after a restart a node mints under a fresh actor", () => {
    const { bench, ids } = cluster(1);
    const first = bench.put(ids[0]!, "cart", "milk");
    bench.stop(ids[0]!);
    bench.start(ids[0]!);
    bench.put(ids[0]!, "cart", "eggs", first);
    const minted = bench.notes.flatMap(({ note }) => (note.what === "minted" ? [note] : []));
    expect(minted.map((note) => note.fresh)).toEqual([true, true]);
    expect(minted[0]!.actor).not.toBe(minted[1]!.actor);
  });
});

describe("a founder without capacity", () => {
  test("hands everything to the first node with capacity and keeps nothing", () => {
    const bench = new Bench();
    bench.start(id(9), 0);
    bench.found(id(9));
    for (const n of [1, 2, 3, 4]) bench.start(id(n));
    bench.run(60_000);
    expect(bench.put(id(1), "a", "1").outcome).toBe("put");
    bench.run(10_000);
    expect(values(bench.get(id(3), "a"))).toEqual(["1"]);
    expect(bench.disks.get(id(9))!.records.size).toBe(0);
    const view = bench.nodes.get(id(1))!.inspect().view!;
    expect(view.claims.every((claim) => claim.owner !== id(9))).toBe(true);
    const counts = [1, 2, 3, 4].map((n) => view.claims.filter((claim) => claim.owner === id(n)).length);
    expect(counts).toEqual([4, 4, 4, 4]);
  });
});

describe("what a node has counted", () => {
  test("is asked of all members; who cannot be reached is named", () => {
    const { bench, ids } = cluster(5);
    for (let i = 0; i < 30; i++) {
      bench.put(ids[i % 5]!, `k${i}`, "1");
      bench.get(ids[(i + 1) % 5]!, `k${i}`);
    }
    const all = bench.surveys.get(bench.survey(ids[0]!))!;
    expect(all.members.map(({ node }) => node)).toEqual(ids);
    expect(all.silent).toEqual([]);
    const sum = (count: (statistics: (typeof all.members)[0]["statistics"]) => number) =>
      all.members.reduce((total, { statistics }) => total + count(statistics), 0);
    expect(sum(({ gets }) => gets.answered)).toBe(30);
    expect(sum(({ puts }) => puts.answered)).toBe(30);
    expect(sum(({ counts }) => counts.coordinated)).toBe(60);
    // Each put and each get is served by the three owners.
    expect(sum(({ counts }) => counts.served)).toBe(180);
    expect(sum(({ counts }) => counts.forwarded)).toBeGreaterThan(0);
    expect(sum(({ counts }) => counts["stood-in"])).toBe(0);
    for (const { statistics } of all.members) expect(statistics.versionsSeen).toEqual([0, 6, 0, 0, 0]);

    bench.stop(ids[4]!);
    const fewer = bench.surveys.get(bench.survey(ids[1]!))!;
    expect(fewer.members.map(({ node }) => node)).toEqual(ids.slice(0, 4));
    expect(fewer.silent).toEqual([ids[4]]);
  });

  test("does not wait for ever, nor for one that goes away, and not for more than a few callers", () => {
    const { bench, ids } = cluster(3);
    const mute = () => bench.cut.add(`${ids[2]} ${ids[0]}`);
    mute();
    const slow = bench.survey(ids[0]!, 700);
    expect(bench.surveys.has(slow)).toBe(false);
    bench.run(699);
    expect(bench.surveys.has(slow)).toBe(false);
    bench.run(1);
    expect(bench.surveys.get(slow)).toMatchObject({ silent: [ids[2]] });
    const cutShort = bench.survey(ids[0]!, 60_000);
    bench.stop(ids[2]!);
    expect(bench.surveys.get(cutShort)).toMatchObject({ silent: [ids[2]] });
    expect(bench.surveys.get(cutShort)!.members).toHaveLength(2);
    expect(bench.nodes.get(ids[0]!)!.inspect().sizes["surveys"]).toBe(0);

    bench.start(ids[2]!);
    bench.cut.clear();
    bench.run(10_000);
    mute();
    const many = Array.from({ length: 9 }, () => bench.survey(ids[0]!, 2_000));
    expect(many.map((request) => bench.surveys.get(request)?.silent.length)).toEqual([
      ...Array.from({ length: 8 }, () => undefined),
      2,
    ]);
    bench.run(2_000);
    expect(many.every((request) => bench.surveys.has(request))).toBe(true);
  });

  test("a node that has met nobody tells of itself", () => {
    const bench = new Bench();
    bench.start(id(1));
    bench.put(id(1), "a", "1");
    const alone = bench.surveys.get(bench.survey(id(1)))!;
    expect(alone.members).toHaveLength(1);
    expect(alone.members[0]!.statistics.puts).toMatchObject({ answered: 0, failed: { "not-ready": 1 } });
    expect(alone.silent).toEqual([]);
  });

  test("a stand-in's work is counted as such, and a caller who gave up is no failure", () => {
    const { bench, ids } = cluster(5);
    const owners = () => {
      const view = bench.nodes.get(ids[0]!)!.inspect().view!;
      return new Ring(view).preferenceList(partitionOf(positionOf("cart" as Key), view.claims.length)).owners;
    };
    const far = ids.find((node) => !owners().includes(node))!;
    for (const owner of owners()) bench.stop(owner);
    bench.run(10_000);
    expect(bench.put(far, "cart", "milk", undefined, 5, 1).outcome).toBe("put");
    expect(bench.nodes.get(far)!.statistics.counts).toMatchObject({ "stood-in": 1, coordinated: 1 });
    const before = bench.nodes.get(far)!.statistics;
    bench.abandoned(far, "cart");
    const { counts, gets } = bench.nodes.get(far)!.statistics;
    expect(counts.abandoned).toBe(before.counts.abandoned + 1);
    expect(gets).toEqual(before.gets);
  });
});

describe("a peer that asks for too much", () => {
  const limited = (bench: Bench) => bench.notes.flatMap(({ note }) => (note.what === "peer-limited" ? [note] : []));

  test("is refused at once, goes on to the next node, and at last does the work itself: no request fails", () => {
    const { bench, ids } = cluster(5, { peerRequestsPerSecond: 1, peerRequestsBurst: 2 });
    const far = ids.find((node) => {
      const view = bench.nodes.get(node)!.inspect().view!;
      return !new Ring(view).preferenceList(partitionOf(positionOf("cart" as Key), 16)).owners.includes(node);
    })!;
    const before = bench.now;
    let seen: ClientResult | undefined;
    for (let i = 0; i < 12; i++) {
      seen = bench.put(far, "cart", `item ${i}`, seen);
      expect(seen).toMatchObject({ outcome: "put", siblings: 1 });
    }
    expect(bench.now).toBe(before);
    expect(bench.nodes.get(far)!.statistics.puts).toMatchObject({ answered: 12 });
    // Three owners took two each: the second was asked when the first refused, and for the last six each of them refused.
    expect(limited(bench)).toHaveLength(2 * 1 + 2 * 2 + 6 * 3);
    expect(bench.nodes.get(far)!.statistics.counts["stood-in"]).toBe(6);
    expect(values(bench.get(ids[0]!, "cart"))).toEqual(["item 11"]);
    bench.run(30_000);
    expect(bench.nodes.get(far)!.inspect().hintsOwed).toBe(0);
  });

  test("delays its background work, and nothing of it is lost", () => {
    const { bench, ids } = cluster(5, { peerBackgroundPerSecond: 4, peerBackgroundBurst: 2 });
    bench.stop(ids[2]!);
    for (let i = 0; i < 60; i++) expect(bench.put(ids[i % 2]!, `k${i}`, `v${i}`).outcome).toBe("put");
    bench.notes.length = 0;
    bench.start(ids[2]!, 1, { peerBackgroundPerSecond: 4, peerBackgroundBurst: 2 });
    bench.run(120_000);
    expect(limited(bench).filter(({ message }) => message === "replica-put").length).toBeGreaterThan(0);
    expect([...bench.nodes.values()].map((node) => node.inspect().hintsOwed)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("what a peer waits for", () => {
  const START = 2 ** 20;
  const key = "cart" as Key;
  const [self, peer] = [id(1), id(2)];
  const questions = [
    { kind: "replica-get", request: 7, ring: 0, ttlMs: 5_000, key, counts: true },
    { kind: "coordinate-get", request: 7, ring: 0, ttlMs: 5_000, key, r: 1, hops: 1 },
  ] as const;

  /** A member whose disk takes its time over this question, while its peer asks to be addressed by another epoch. */
  const answersTo = (question: (typeof questions)[number], asked: Epoch, then: Epoch): Epoch[] => {
    const meta = { incarnation: 1, view: viewOf({ nodes: 2, n: 2, r: 1, w: 1 }), unopened: [] };
    const node = new DynamoNode({ id: self, config: defaultConfig, meta, seed: [1, 2, 3, 4], seeds: [] });
    const effects: Effect[] = [];
    let now = 0;
    const step = (event: EventBody): void => {
      for (const effect of node.step({ ...event, at: ++now })) {
        effects.push(effect);
        if (effect.kind === "store") step({ kind: "stored", ticket: effect.ticket });
        else if (effect.kind === "scan") step({ kind: "scanned", ticket: effect.ticket, entries: [], done: true });
        else if (effect.kind === "load-leaves") step({ kind: "leaves-loaded", ticket: effect.ticket, leaves: [] });
      }
    };
    const hear = (message: Message): void => {
      const told = effects.flatMap((each) =>
        each.kind === "send" && each.message.kind === "ping" ? [each.message] : [],
      );
      step({ kind: "message-received", from: peer, epoch: told.at(-1)?.epoch ?? 0, message });
    };
    step({ kind: "started" });
    step({ kind: "peer-connected", peer });
    hear({ kind: "ping", sequence: 1, epoch: asked });
    hear(question);
    const load = effects.findLast((effect) => effect.kind === "load")!;
    hear({ kind: "ping", sequence: 2, epoch: then });
    step({ kind: "loaded", ticket: load.ticket, records: load.reads.map(() => undefined) });
    return effects.flatMap((effect) =>
      effect.kind === "send" &&
      "request" in effect.message &&
      effect.message.request === 7 &&
      effect.message.kind.endsWith("-reply")
        ? [effect.epoch]
        : [],
    );
  };

  test.each(questions)(
    "$kind: it gets, though it has renewed its epochs; the next start of it does not",
    (question) => {
      expect(answersTo(question, 5 * START + 1, 5 * START + 1)).toEqual([5 * START + 1]);
      expect(answersTo(question, 5 * START + 1, 5 * START + 9)).toEqual([5 * START + 9]);
      expect(answersTo(question, 5 * START + 1, 6 * START + 1)).toEqual([]);
    },
  );
});
