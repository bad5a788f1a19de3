/** One test for each claim of the paper ("Dynamo", SOSP 2007) that the core has to make true, by its section. Scenarios and the simulator show the rest. */

import { describe, expect, test } from "vitest";
import { parametersFrom } from "./config.ts";
import { md5Of } from "../base/md5.ts";
import { toHex, utf8Encode } from "../base/bytes.ts";
import { partitionOf, positionOf } from "./address.ts";
import type { BucketEntry, BucketProperties } from "./buckets.ts";
import { type Clock, EMPTY, descends, join, less, sync, update, values } from "./dvvset.ts";
import type { Actor, Key, NodeId, OperationId } from "./identifiers.ts";
import { allHolders, type Member, mergeView, noHolders, type View, withHolder } from "./membership.ts";
import { Tally } from "./quorum.ts";
import { getQuorum, putQuorum, underPolicy } from "./request-defaults.ts";
import { Ring } from "./ring.ts";
import { claimsAfterJoin, tokenTargets } from "./token-claims.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const server = (name: string) => name.padEnd(48, "0") as Actor;
const version = (n: number) => ({
  operation: n.toString(16).padStart(32, "0") as OperationId,
  at: n,
  value: utf8Encode(`D${n}`),
  checksum: 0,
});
const read = (clock: Clock) => clock.map((dot) => `${dot.actor.replace(/0+$/, "")}:${dot.counter}`).join(" ");

function member(n: number, change: Partial<Member> = {}): Member {
  return {
    node: node(n),
    incarnation: 1,
    version: 1,
    capacity: 1,
    zone: "z",
    holders: allHolders(256),
    tokens: [],
    protocolMin: 1,
    protocolMax: 1,
    hidden: false,
    ...change,
  };
}

/** A cluster to which nodes 1 to `size` have come one after another; all hold everything. */
function grown(size: number, members: (n: number) => Member = (n) => member(n)): View {
  let view: View = {
    parameters: parametersFrom({ n: 3, r: 2, w: 2, partitions: 256 }),
    members: [members(1)],
    claims: Array.from({ length: 256 }, () => ({ owner: node(1), version: 1 })),
    buckets: [],
  };
  for (let n = 2; n <= size; n++) {
    view = mergeView(view, [members(n)], undefined);
    view = { ...view, claims: claimsAfterJoin(view, node(n)) };
  }
  return view;
}

/** The same, when everybody holds what it owns and nothing else. */
function settled(view: View): View {
  const ring = new Ring(view);
  const members = view.members.map((entry) => {
    let holders = noHolders(256);
    for (let p = 0; p < 256; p++) if (ring.owns(entry.node, p)) holders = withHolder(holders, p, true);
    return { ...entry, holders };
  });
  return { ...view, members };
}

describe("section 4.2, partitioning", () => {
  test("MD5 of the key gives a position of 128 bits; the top bits name one of Q equal partitions", () => {
    expect(toHex(md5Of(utf8Encode("abc")))).toBe("900150983cd24fb0d6963f7d28e17f72");
    expect(positionOf("abc" as Key)).toBe("900150983cd24fb0d6963f7d28e17f72");
    expect(partitionOf("900150983cd24fb0d6963f7d28e17f72", 256)).toBe(0x90);
    expect(partitionOf("ffffffffffffffffffffffffffffffff", 4_096)).toBe(4_095);
    expect(partitionOf("ffffffffffffffffffffffffffffffff", 1)).toBe(0);
  });

  test("virtual nodes: tokens are dealt in proportion to capacity", () => {
    const targets = tokenTargets([member(1), member(2, { capacity: 3 }), member(3, { capacity: 0 })], 256);
    expect([...targets]).toEqual([
      [node(1), 64],
      [node(2), 192],
    ]);
  });
});

describe("section 4.3, replication", () => {
  test("the preference list has N distinct nodes for every partition, and skips virtual nodes of the same one", () => {
    const ring = new Ring(settled(grown(7)));
    for (let p = 0; p < 256; p++) {
      const { owners, counted, joining, fallbacks } = ring.preferenceList(p);
      expect(new Set(owners).size).toBe(3);
      expect(counted).toEqual(owners);
      expect(joining).toEqual([]);
      expect(new Set([...owners, ...fallbacks]).size).toBe(7);
      expect(owners[0]).toBe(ring.view.claims[p]!.owner);
    }
  });

  test("it is spread over zones first (the paper's data centres)", () => {
    const ring = new Ring(grown(9, (n) => member(n, { zone: `zone ${n % 3}` })));
    for (let p = 0; p < 256; p++) {
      const zones = ring.preferenceList(p).owners.map((owner) => Number.parseInt(owner, 16) % 3);
      expect(new Set(zones).size).toBe(3);
    }
  });
});

describe("section 4.4, figure 3", () => {
  test("D1 to D5: version evolution with clocks of Sx, Sy and Sz", () => {
    const [sx, sy, sz] = [server("a"), server("b"), server("c")];
    // A client writes a new object through Sx.
    const d1 = update(EMPTY, [], sx, version(1)).set;
    expect(read(d1.clock)).toBe("a:1");
    // The same client updates it through Sx again: D2 descends from D1 and overwrites it.
    const d2 = update(d1, join(d1), sx, version(2)).set;
    expect(read(d2.clock)).toBe("a:2");
    expect(less(d1, d2)).toBe(true);
    expect(values(d2)).toEqual([utf8Encode("D2")]);
    // Two clients read D2 and write through Sy and Sz.
    const d3 = update(d2, join(d2), sy, version(3)).set;
    const d4 = update(d2, join(d2), sz, version(4)).set;
    expect(read(d3.clock)).toBe("a:2 b:1");
    expect(read(d4.clock)).toBe("a:2 c:1");
    expect(less(d3, d4) || less(d4, d3)).toBe(false);
    // A node with D1 or D2 that receives D4 can throw its own away.
    expect(sync(d1, d4)).toEqual(d4);
    expect(sync(d2, d4)).toEqual(d4);
    // Somebody reads both: the context is the summary of their clocks.
    const both = sync(d3, d4);
    expect(values(both)).toEqual([utf8Encode("D3"), utf8Encode("D4")]);
    expect(read(join(both))).toBe("a:2 b:1 c:1");
    // The client reconciles and Sx coordinates the write: its counter goes up, both branches are gone.
    const d5 = update(both, join(both), sx, version(5)).set;
    expect(read(d5.clock)).toBe("a:3 b:1 c:1");
    expect(values(d5)).toEqual([utf8Encode("D5")]);
    expect(less(d3, d5) && less(d4, d5)).toBe(true);
    expect(descends(d5.clock, d3.clock) && descends(d5.clock, d4.clock)).toBe(true);
  });
});

describe("section 4.5, quorums", () => {
  test("a request succeeds with its R or W replies, whoever they come from, and fails when they can no longer come", () => {
    const tally = new Tally(2);
    for (const n of [1, 2, 3]) tally.ask(node(n));
    expect(tally.outcome()).toBe("pending");
    tally.answer(node(3));
    tally.refuse(node(1));
    expect(tally.outcome()).toBe("pending");
    tally.answer(node(3));
    expect(tally.outcome()).toBe("pending");
    tally.refuse(node(2));
    expect(tally.outcome()).toBe("unreachable");
    tally.ask(node(4));
    tally.answer(node(4));
    expect(tally.outcome()).toBe("met");
  });

  test.each([
    { n: 3, r: 2, w: 2, overlap: true, name: "the usual" },
    { n: 3, r: 1, w: 3, overlap: true, name: "the read engine" },
    { n: 3, r: 3, w: 1, overlap: true, name: "always accepts writes" },
    { n: 3, r: 1, w: 1, overlap: false, name: "the fastest" },
  ])(
    "$name, ($n,$r,$w), is as fast as its R-th and W-th reply, and sees the last write when R+W>N",
    ({ n, r, w, overlap }) => {
      const nodes = [1, 2, 3].map(node);
      /** Who had answered when as many as asked for had, in this order of replies. */
      const quorum = (order: readonly NodeId[], replicas: number) => {
        const tally = new Tally(replicas);
        for (const one of nodes) tally.ask(one);
        const answered: NodeId[] = [];
        for (const one of order) {
          if (tally.outcome() === "met") break;
          tally.answer(one);
          answered.push(one);
        }
        expect(tally.outcome()).toBe("met");
        return answered;
      };
      const orders = nodes
        .flatMap((a) => nodes.flatMap((b) => nodes.map((c) => [a, b, c])))
        .filter((o) => new Set(o).size === n);
      let missed = 0;
      for (const writes of orders)
        for (const reads of orders) {
          const [written, read] = [quorum(writes, w), quorum(reads, r)];
          expect([written.length, read.length]).toEqual([w, r]);
          if (!read.some((one) => written.includes(one))) missed++;
        }
      expect(missed === 0).toBe(overlap);
    },
  );
});

describe("section 6, usage patterns", () => {
  test("are three buckets: business logic reconciles carts, of sessions the latest stands, the catalogue is a read engine", () => {
    const none = { r: undefined, w: undefined, pr: undefined, pw: undefined, dw: undefined };
    const set = (name: string, properties: Partial<BucketProperties>): BucketEntry => ({
      name,
      version: 1,
      setBy: node(1),
      properties: { ...none, policy: "siblings", ...properties },
    });
    const view = mergeView(grown(3), [], undefined, [
      set("carts", { r: 2, w: 2 }),
      set("sessions", { policy: "last-write-wins" }),
      set("catalogue", { r: 1, w: 3 }),
    ]);
    const write = { value: null, context: [], operation: version(1).operation, at: 1, w: undefined };
    const patterns = (["carts/ada", "sessions/ada", "catalogue/7"] as Key[]).map((key) => {
      const { replicas: r } = getQuorum(view, key, undefined, undefined);
      const { replicas: w } = putQuorum(view, key, write);
      return [view.parameters.n, r, w, underPolicy(view, key, write).policy];
    });
    expect(patterns).toEqual([
      [3, 2, 2, "siblings"],
      [3, 2, 2, "last-write-wins"],
      [3, 1, 3, "siblings"],
    ]);
  });
});

describe("section 6.2, placement 3", () => {
  test("a join moves only the newcomer's share, and leaves all counts within one of theirs", () => {
    for (let size = 4; size <= 30; size++) {
      const before = grown(size - 1);
      const after = grown(size);
      let moved = 0;
      for (let p = 0; p < 256; p++) {
        const old = new Ring(before).preferenceList(p).owners;
        for (const owner of new Ring(after).preferenceList(p).owners) if (!old.includes(owner)) moved++;
      }
      expect(moved).toBeLessThanOrEqual(1.25 * ((256 * 3) / size));
      const counts = new Map<string, number>();
      for (const { owner } of after.claims) counts.set(owner, (counts.get(owner) ?? 0) + 1);
      for (const count of counts.values()) expect(Math.abs(count - 256 / size)).toBeLessThan(1);
    }
  }, 60_000);
});
