/** What each mechanism does with a peer whose build does not read its messages: something sensible, at once, and not the same question again and again. */

import { describe, expect, test } from "vitest";
import { positionOf, recordAddress } from "./address.ts";
import { AntiEntropy } from "./anti-entropy.ts";
import { ArchiveGather } from "./archive-gather.ts";
import { type BucketEntry, bucketsDigest, mergeBuckets, sameProperties } from "./buckets.ts";
import { defaultConfig } from "./config.ts";
import type { DvvSet } from "./dvvset.ts";
import type { Effect } from "./effect.ts";
import type { NodeEvent } from "./event.ts";
import { ExchangePair, PairDisk } from "./exchange-pair.ts";
import { Forwarding } from "./forwarding.ts";
import type { Gathered } from "./gathering.ts";
import { Gossip } from "./gossip.ts";
import { Hedging } from "./hedging.ts";
import type { Actor, Key, NodeId, OperationId, Partition, RequestId } from "./identifiers.ts";
import { LightClient } from "./light-client.ts";
import type { Message } from "./message.ts";
import { DynamoNode } from "./node.ts";
import { Reaping } from "./reaping.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { PROTOCOL } from "./versions.ts";

const SHAPE = { nodes: 4, n: 3, r: 2, w: 2 };
const [A, B, C, D] = [1, 2, 3, 4].map(nodeNamed) as [NodeId, NodeId, NodeId, NodeId];
const OLD = { min: 1, max: 1 };

function surroundingsWith(older: readonly NodeId[], config = {}): StubSurroundings {
  const surroundings = new StubSurroundings(A, viewOf(SHAPE), config);
  for (const node of older) surroundings.olderPeers.set(node, 1);
  if (older.length > 0) surroundings.protocol = 1;
  return surroundings;
}

describe("the log of recent writes", () => {
  const everything: readonly Partition[] = [0, 1, 2, 3];

  test("is not asked for: catching up does not begin, and nothing is remembered of it", () => {
    const pair = new ExchangePair({ partitions: 4, here: new PairDisk(), there: new PairDisk() });
    const { here, there } = pair;
    here.surroundings.olderPeers.set(there.id, 1);
    here.surroundings.takeSent();
    expect(here.recent.start(there.id, everything, true)).toBe(false);
    expect(here.surroundings.takeSent()).toEqual([]);
    expect(here.surroundings.timers.has("catch-up")).toBe(false);
    expect(here.surroundings.notes).toContainEqual({ what: "older-peer", peer: there.id, message: "recent-request" });
    here.surroundings.olderPeers.clear();
    expect(here.recent.start(there.id, everything, true)).toBe(true);
  });

  test("a peer that is back has its trees compared in the same turn instead", () => {
    const surroundings = surroundingsWith([B], { antiEntropyMs: 10_000 });
    const compared: NodeId[] = [];
    const antiEntropy = new AntiEntropy(surroundings, {
      catchUp: (peer) => surroundings.reads(peer, "recent-request"),
      exchange: (peer) => compared.push(peer) > 0,
    });
    antiEntropy.onPeerUp(B);
    surroundings.pass(2_000);
    antiEntropy.onTimer();
    expect(compared).toEqual([B]);
  });
});

describe("reaping", () => {
  const key = "carts/ada" as Key;
  const actor = (A + "a".repeat(16)) as Actor;
  const operation = "0".repeat(32) as OperationId;
  const sibling = { dots: [{ actor, counter: 1 }], operation, at: 0, value: null, checksum: 0 };
  const deleted: DvvSet = { clock: [{ actor, counter: 1 }], siblings: [sibling] };

  function seen(surroundings: StubSurroundings): { reaping: Reaping; asked: NodeId[] } {
    const asked: NodeId[] = [];
    const reaping = new Reaping(surroundings, { ask: (to) => asked.push(to) });
    const list = surroundings.listOf(key)!;
    // Whoever is first proposes.
    Object.assign(surroundings, { self: list.counted[0] });
    reaping.onSeen([{ address: recordAddress(key, positionOf(key)), record: { set: deleted, minted: undefined } }]);
    for (const _ of surroundings.pass(0)) reaping.onTimer();
    return { reaping, asked };
  }

  test("stays off while one member's build knows nothing of it: nobody is asked", () => {
    const surroundings = surroundingsWith([D], { reapAfterMs: 0 });
    const { reaping, asked } = seen(surroundings);
    expect(asked).toEqual([]);
    expect(reaping.view.blockedBy).toEqual([{ node: D, why: "older" }]);
    expect(surroundings.notes).toEqual([{ what: "reap-blocked", by: D, why: "older" }]);
  });

  test("stays off while this node may not go by the version that has it", () => {
    const surroundings = surroundingsWith([], { reapAfterMs: 0 });
    surroundings.protocol = 1;
    const { reaping, asked } = seen(surroundings);
    expect(asked).toEqual([]);
    expect(reaping.view.blockedBy).toEqual([{ node: surroundings.self, why: "older" }]);
  });

  test("begins when all read it", () => {
    const { asked } = seen(surroundingsWith([], { reapAfterMs: 0 }));
    expect(asked).toEqual([A, B, C, D]);
  });
});

describe("gathering", () => {
  function gathered(older: readonly NodeId[], w: number): { given: Gathered[]; asked: NodeId[]; notes: unknown[] } {
    const surroundings = surroundingsWith(older);
    const given: Gathered[] = [];
    const asked: NodeId[] = [];
    const gather = new ArchiveGather(surroundings, {
      readOwn: (own) => answers.push({ from: A, request: own.request, ring: own.ring }),
      gathered: (_, what) => given.push(what),
    });
    const answers: { from: NodeId; request: number; ring: number }[] = [];
    const wanted = { partition: 0, stores: ["hints", "records"], prefix: "", moment: 0, w, timeoutMs: 10_000 } as const;
    gather.start(7, wanted);
    for (let rounds = 0; rounds < 20; rounds++) {
      for (const { to, message } of surroundings.takeSent()) {
        if (message.kind !== "archive-request") throw new Error(message.kind);
        asked.push(to);
        answers.push({ from: to, request: message.request, ring: message.ring });
      }
      for (const { from, request, ring } of answers.splice(0))
        gather.onPage(from, {
          kind: "archive-page",
          request,
          ring,
          outcome: "page",
          counted: [],
          records: [],
          damaged: 0,
          next: undefined,
          coveredFrom: 0,
        });
    }
    return { given, asked, notes: surroundings.notes };
  }

  test("asks the others, and names the one whose build has no archive", () => {
    const { given, asked, notes } = gathered([C], 2);
    expect(asked).not.toContain(C);
    expect(given).toEqual([
      { outcome: "done", part: expect.objectContaining({ unread: [C], coversW: 2, attempts: 1 }) as unknown },
    ]);
    expect(notes).toContainEqual({ what: "older-peer", peer: C, message: "archive-request" });
  });

  test("with too many of them it ends at once and says so, instead of asking until its time is over", () => {
    const { given } = gathered([B, C], 2);
    expect(given).toEqual([
      { outcome: "done", part: expect.objectContaining({ unread: [B, C], coversW: 3, attempts: 1 }) as unknown },
    ]);
  });
});

describe("buckets", () => {
  const entry = (name: string, setBy: NodeId): BucketEntry => ({
    name,
    version: 1,
    setBy,
    properties: {
      r: 1,
      w: undefined,
      pr: undefined,
      pw: undefined,
      dw: undefined,
      buffered: false,
      policy: "siblings",
    },
  });

  test("that a newer build has set are learned from newer builds, who know all of them", () => {
    const learned: (readonly BucketEntry[])[] = [];
    const surroundings = surroundingsWith([B]);
    const gossip = new Gossip(surroundings, {
      peers: () => [],
      seeds: () => [],
      learn: (news) => learned.push(news.buckets),
    });
    const { parameters } = viewOf(SHAPE);
    const empty = { members: [], claims: undefined, wanted: [], wantsClaims: false, wantsBuckets: false } as const;
    const buckets = [entry("carts", C), entry("sessions", B)];
    gossip.onNews(B, { kind: "gossip-news", parameters, buckets, ...empty });
    gossip.onNews(D, { kind: "gossip-news", parameters, buckets, ...empty });
    expect(learned).toEqual([[entry("sessions", B)], buckets]);
  });

  test("with a buffer are equal for every version but in what only some know", () => {
    const plain = [entry("carts", C)];
    const buffered = [{ ...plain[0]!, properties: { ...plain[0]!.properties, buffered: true } }];
    expect(bucketsDigest(buffered)).toBe(bucketsDigest(plain));
    expect(sameProperties(buffered[0]!.properties, plain[0]!.properties)).toBe(false);
    expect(mergeBuckets(plain, buffered)).toEqual(buffered);
    expect(mergeBuckets(buffered, plain)).toEqual(buffered);
  });

  test("with a buffer are refused while not all members know of buffers", () => {
    const bench = new Bench(new DynamoNode({ ...options, id: nodeNamed(9) }));
    const { members, claims, parameters } = viewOf(SHAPE);
    const told = {
      kind: "gossip-news",
      parameters,
      buckets: [],
      wanted: [],
      wantsClaims: false,
      wantsBuckets: false,
    } as const;
    const older = members.map((member) => (member.node === C ? { ...member, protocolMax: 1 } : member));
    bench.greet(B, PROTOCOL);
    bench.hear(B, { ...told, members: older, claims });
    const properties = { ...entry("carts", A).properties, buffered: true };
    bench.step({ kind: "set-bucket", request: 1, name: "carts", properties });
    const upgraded = older.map((member) => ({ ...member, version: 2, protocolMax: 2 }));
    bench.hear(B, { ...told, members: upgraded, claims: undefined });
    bench.step({ kind: "set-bucket", request: 2, name: "carts", properties });
    expect(bench.effects.filter(({ kind }) => kind === "bucket-set")).toEqual([
      {
        kind: "bucket-set",
        request: 1,
        refusal: { code: "invalid", fault: expect.stringMatching(/not all members/) as unknown },
      },
      { kind: "bucket-set", request: 2, refusal: undefined },
    ]);
  });
});

test("a put that needs strict commits is not handed to a build that knows none", () => {
  const surroundings = surroundingsWith([]);
  const key = "carts/ada" as Key;
  const [first, second] = surroundings.listOf(key)!.counted.filter((node) => node !== A);
  for (const [dw, asked] of [
    [0, first],
    [1, second],
  ] as const) {
    surroundings.olderPeers.set(first!, 1);
    const answered: RequestId[] = [];
    const forwarding = new Forwarding(surroundings, new Hedging(false), {
      answer: (request) => answered.push(request),
      exhausted: () => undefined,
    });
    const write = { value: null, context: [], operation: "0".repeat(32) as OperationId, at: 0, w: undefined, dw };
    forwarding.start(1, { kind: "put", key, write }, { hops: 1 }, 5_000);
    expect(surroundings.takeSent().map(({ to }) => to)).toEqual([asked]);
  }
});

/** One node or light client, and what it says to a peer that greeted as `protocol`. */
class Bench {
  readonly node: DynamoNode | LightClient;
  readonly said: (Effect & { kind: "send" })[] = [];
  readonly effects: Effect[] = [];
  #at = 0;

  constructor(node: DynamoNode | LightClient) {
    this.node = node;
    this.step({ kind: "started" });
  }

  step(event: DistributedOmit<NodeEvent, "at">): void {
    for (const effect of this.node.step({ ...event, at: (this.#at += 1) })) {
      this.effects.push(effect);
      if (effect.kind === "send") this.said.push(effect);
      // A disk that has nothing and keeps everything.
      if (effect.kind === "store") this.step({ kind: "stored", ticket: effect.ticket });
      if (effect.kind === "scan") this.step({ kind: "scanned", ticket: effect.ticket, entries: [], done: true });
      if (effect.kind === "load-leaves") this.step({ kind: "leaves-loaded", ticket: effect.ticket, leaves: [] });
      if (effect.kind === "load")
        this.step({ kind: "loaded", ticket: effect.ticket, records: effect.reads.map(() => undefined) });
    }
  }

  greet(peer: NodeId, protocol: typeof PROTOCOL): void {
    this.step({ kind: "peer-connected", peer, protocol });
    this.hear(peer, { kind: "ping", sequence: 1, epoch: 5 });
  }

  hear(from: NodeId, message: Message): void {
    const greeting = this.said.find(({ to, message: { kind } }) => to === from && kind === "ping")?.message;
    this.step({
      kind: "message-received",
      from,
      epoch: greeting?.kind === "ping" ? greeting.epoch : 0,
      message,
    });
  }

  notes(): unknown[] {
    return this.effects.flatMap((effect) => (effect.kind === "note" ? [effect.note] : []));
  }
}

type DistributedOmit<Union, Field extends PropertyKey> = Union extends unknown ? Omit<Union, Field> : never;

const options = { id: A, config: defaultConfig, meta: undefined, seed: [1, 2, 3, 4] as const, seeds: [] };

describe("what is sent", () => {
  const view = viewOf(SHAPE);
  const { members, claims, parameters, buckets } = view;
  const whole = {
    kind: "gossip-news",
    parameters,
    members,
    claims,
    buckets,
    wanted: [],
    wantsClaims: false,
    wantsBuckets: false,
  } as const;

  test("says what the greeting said that the peer reads, and nothing where that is all", () => {
    for (const [protocol, said] of [
      [OLD, 1],
      [PROTOCOL, undefined],
      [{ min: 1, max: 9 }, undefined],
    ] as const) {
      const bench = new Bench(new DynamoNode({ ...options, id: nodeNamed(9) }));
      bench.greet(B, protocol);
      bench.hear(B, whole);
      const others = bench.said.filter(({ message }) => message.kind !== "ping" && message.kind !== "pong");
      expect(others.length).toBeGreaterThan(0);
      for (const effect of others) expect(effect.protocol).toBe(said);
    }
  });

  test("is nothing that the peer does not read, whoever wants it sent", () => {
    const bench = new Bench(new DynamoNode({ ...options, id: nodeNamed(9) }));
    bench.greet(B, OLD);
    bench.hear(B, whole);
    // It could not have asked, had it been what it says.
    bench.hear(B, { kind: "view-request", request: 3, digest: undefined, known: undefined });
    expect(bench.said.some(({ message }) => message.kind === "view-reply")).toBe(false);
    expect(bench.notes()).toContainEqual({ what: "not-read", by: B, message: "view-reply" });
  });

  test("a member that becomes older makes all step back, and one that is upgraded lets all go on", () => {
    const bench = new Bench(new DynamoNode({ ...options, id: nodeNamed(9) }));
    bench.greet(B, PROTOCOL);
    bench.hear(B, whole);
    const told = (version: number, protocolMax: number): void =>
      bench.hear(B, { ...whole, members: [{ ...members[2]!, version, protocolMax }], claims: undefined });
    const shared = (): unknown[] =>
      bench.notes().filter((note) => (note as { what: string }).what === "protocol-shared");
    expect(shared()).toEqual([]);
    told(2, 1);
    told(3, 2);
    told(4, 3);
    expect(shared()).toEqual([1, 2].map((version) => ({ what: "protocol-shared", version })));
  });
});

describe("a light client", () => {
  const meet = (protocol: typeof PROTOCOL): Bench => {
    const bench = new Bench(new LightClient({ ...options, id: nodeNamed(77) }));
    bench.greet(B, protocol);
    return bench;
  };

  test("asks nothing of a member whose build knows no light clients, and gives the link up", () => {
    const bench = meet(OLD);
    expect(bench.said.map(({ message }) => message.kind).filter((kind) => !/ping|pong/.test(kind))).toEqual([]);
    expect(bench.effects).toContainEqual({ kind: "disconnect", peer: B });
    expect(bench.notes()).toContainEqual({ what: "older-peer", peer: B, message: "light-hello" });
    const newer = meet(PROTOCOL);
    expect(newer.said.map(({ message }) => message.kind)).toContain("light-hello");
    expect(newer.effects).not.toContainEqual({ kind: "disconnect", peer: B });
  });

  test("wants a link to such a member after all others: it may have got a newer build since", () => {
    const bench = meet(PROTOCOL);
    const { members, claims, parameters, buckets } = viewOf(SHAPE);
    const mixed = members.map((member) => (member.node === C ? { ...member, protocolMax: 1 } : member));
    const asked = bench.said.flatMap(({ message }) => (message.kind === "view-request" ? [message.request] : []));
    const news = { parameters, members: mixed, claims, buckets };
    bench.hear(B, { kind: "view-reply", request: asked[0]!, digest: 1, outcome: "news", news });
    for (let i = 0; i < 3_000; i++) bench.step({ kind: "wake" });
    const wanted = bench.effects.flatMap((effect) => (effect.kind === "connect" ? [effect.peer] : []));
    expect(new Set(wanted.slice(0, 2))).toEqual(new Set([A, D]));
    expect(wanted[2]).toBe(C);
  });
});
