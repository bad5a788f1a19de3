/** The three placements against a naive walk, on small rings that can be checked by hand, and by what capacities and zones make of them. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { type Config, type PlacementStrategy, defaultConfig, parametersFrom } from "./config.ts";
import type { NodeMeta } from "./effect.ts";
import type { NodeEvent } from "./event.ts";
import type { GossipNews } from "./message.ts";
import { type NodeId, TOKENS_MAX } from "./identifiers.ts";
import { type Member, type View, mergeView, noHolders, unclaimed, withHolder } from "./membership.ts";
import { DynamoNode } from "./node.ts";
import { TOKEN_PLACES, drawTokens, placementOf } from "./placement.ts";
import { Ring, placementDigest, tokenCounts } from "./ring.ts";
import { claimsAfterJoin } from "./token-claims.ts";
import { copiesForOthers } from "./token-spacing.ts";

const node = (n: number) => n.toString(16).padStart(32, "0") as NodeId;
const member = (n: number, changes: Partial<Member> = {}): Member => ({
  node: node(n),
  incarnation: 1,
  version: 1,
  capacity: 1,
  zone: `zone ${n}`,
  holders: noHolders(64),
  tokens: [],
  protocolMin: 1,
  protocolMax: 1,
  hidden: false,
  ...changes,
});

interface Newcomer {
  readonly capacity: number;
  readonly zone: string;
}

/** A cluster into which these came one after the other, as `belonging.ts` lets them. */
function grown(
  placement: PlacementStrategy,
  newcomers: readonly Newcomer[],
  { partitions = 64, tokensPerNode = 8, n = 3, seed = 1 } = {},
): View {
  const asked = { n, r: 1, w: 1, partitions, placement };
  const parameters = parametersFrom(placement === 3 ? asked : { ...asked, tokensPerNode });
  const random = Prng.fromNumber(seed);
  const claims =
    placement === 3 ? unclaimed(partitions).map(() => ({ owner: node(1), version: 1 })) : unclaimed(partitions);
  let view: View = { parameters, members: [], claims, buckets: [] };
  newcomers.forEach(({ capacity, zone }, i) => {
    const tokens = drawTokens(parameters, capacity, view.members, random);
    view = mergeView(view, [member(i + 1, { capacity, zone, tokens })], undefined);
    if (placement === 3) view = { ...view, claims: claimsAfterJoin(view, node(i + 1)) };
  });
  return view;
}

/** All tokens with their places as fractions of the ring, sorted, and the walk from a partition's end (placement 2) or last slot (1) or own token (3). */
function naiveWalk(view: View, partition: number): NodeId[] {
  const { placement, partitions } = view.parameters;
  const all =
    placement === 3
      ? view.claims.map((claim, i) => ({ at: i / partitions, node: claim.owner }))
      : view.members.flatMap(({ node: id, capacity, tokens }) =>
          capacity === 0
            ? []
            : tokens.map((token) => ({ at: token / (placement === 1 ? partitions : TOKEN_PLACES), node: id })),
        );
  const from = placement === 2 ? (partition + 1) / partitions : partition / partitions;
  const turned = all.map(({ at, node: id }) => ({ far: (at - from + 2) % 1, node: id }));
  turned.sort((a, b) => a.far - b.far || (a.node < b.node ? -1 : 1));
  return [...new Set(turned.map((token) => token.node))];
}

const strategy = fc.constantFrom(1, 2, 3) as fc.Arbitrary<PlacementStrategy>;
const newcomers = fc.array(fc.record({ capacity: fc.nat(3), zone: fc.constantFrom("east", "west", "south") }), {
  maxLength: 12,
});
/** The founder has capacity: alone without any is another matter. */
const cluster = fc
  .record({ placement: strategy, rest: newcomers, tokensPerNode: fc.integer({ min: 1, max: 16 }), seed: fc.nat(1e6) })
  .map(({ placement, rest, tokensPerNode, seed }) =>
    grown(placement, [{ capacity: 1, zone: "east" }, ...rest], { tokensPerNode, seed, partitions: 32 }),
  );

describe("walks", () => {
  test("meet the nodes that a walk over all sorted tokens meets, in its order", () => {
    fc.assert(
      fc.property(cluster, fc.nat(31), fc.integer({ min: 1, max: 5 }), (view, partition, nodesMax) => {
        const walk = placementOf(view).walk(partition);
        expect(walk).toEqual(naiveWalk(view, partition));
        expect(placementOf(view).walk(partition, nodesMax)).toEqual(walk.slice(0, nodesMax));
      }),
      { numRuns: 500 },
    );
  });

  test("are the same at nodes that heard of the members in another order", () => {
    fc.assert(
      fc.property(cluster, fc.nat(), (view, salt) => {
        const shuffled = Prng.fromNumber(salt).shuffled(view.members);
        let other: View = { ...view, members: [] };
        for (const entry of shuffled) other = mergeView(other, [{ ...entry, tokens: entry.tokens.slice() }], undefined);
        const [a, b] = [new Ring(view), new Ring(other)];
        expect(b.digest).toBe(a.digest);
        expect(placementDigest(other)).toBe(placementDigest(view));
        for (let p = 0; p < 32; p++) expect(b.preferenceList(p)).toEqual(a.preferenceList(p));
      }),
      { numRuns: 100 },
    );
  });

  test("in placement 1 a node is met first in the slots between the token before and its own", () => {
    const parameters = parametersFrom({ placement: 1, partitions: 8, tokensPerNode: 2 });
    const members = [member(1, { tokens: [1, 5] }), member(2, { tokens: [3] })];
    const placement = placementOf({ parameters, members, claims: unclaimed(8), buckets: [] });
    const first = Array.from({ length: 8 }, (_, slot) => placement.walk(slot)[0]);
    expect(first).toEqual([1, 1, 2, 2, 1, 1, 1, 1].map(node));
    expect([...placement.tokens]).toEqual([
      [node(1), 2],
      [node(2), 1],
    ]);
  });

  test("in placement 2 the walk begins at the end of the partition, not at its beginning", () => {
    const parameters = parametersFrom({ placement: 2, partitions: 4, tokensPerNode: 2 });
    const quarter = TOKEN_PLACES / 4;
    // Within partition 0, exactly at its end, and in the last partition.
    const members = [
      member(1, { tokens: [quarter - 1] }),
      member(2, { tokens: [quarter] }),
      member(3, { tokens: [TOKEN_PLACES - 1] }),
    ];
    const placement = placementOf({ parameters, members, claims: unclaimed(4), buckets: [] });
    expect(placement.walk(0)).toEqual([2, 3, 1].map(node));
    expect(placement.walk(1)).toEqual([3, 1, 2].map(node));
    // Its end is the beginning of the ring.
    expect(placement.walk(3)).toEqual([1, 2, 3].map(node));
  });

  test("two who drew the same slot at the same time are met by id, and both are met", () => {
    const parameters = parametersFrom({ placement: 1, partitions: 8, tokensPerNode: 1 });
    const members = [member(1, { tokens: [4] }), member(2, { tokens: [4] })];
    expect(placementOf({ parameters, members, claims: unclaimed(8), buckets: [] }).walk(2)).toEqual([1, 2].map(node));
  });
});

describe("tokens", () => {
  test("are T times the capacity, ascending and distinct, in placement 1 at slots that nobody has", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2),
        fc.nat(4),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        (placement, capacity, t, seed) => {
          const parameters = parametersFrom({ placement, partitions: 256, tokensPerNode: t });
          const random = Prng.fromNumber(seed);
          const other = member(9, { tokens: drawTokens(parameters, 8, [], random) });
          const tokens = drawTokens(parameters, capacity, [other], random);
          expect(tokens).toHaveLength(t * capacity);
          expect([...new Set(tokens)].sort((a, b) => a - b)).toEqual(tokens);
          if (placement === 1) for (const token of tokens) expect(other.tokens).not.toContain(token);
        },
      ),
    );
  });

  test("are none in placement 3, bounded, and some for a founder without capacity", () => {
    const random = Prng.fromNumber(1);
    expect(drawTokens(parametersFrom({}), 5, [], random)).toEqual([]);
    const second = parametersFrom({ placement: 2, tokensPerNode: 200 });
    expect(drawTokens(second, 1_000, [], random)).toHaveLength(TOKENS_MAX);
    expect(drawTokens(second, 0, [], random)).toHaveLength(200);
    expect(drawTokens(second, 0, [member(1)], random)).toEqual([]);
  });

  test("share slots when all are taken, so that nobody is left without one", () => {
    const first = parametersFrom({ placement: 1, partitions: 16, tokensPerNode: 8 });
    const random = Prng.fromNumber(1);
    const full = member(1, { tokens: [...Array(16).keys()] });
    expect(drawTokens(first, 1, [full], random)).toHaveLength(8);
  });

  test("of a node without capacity count as long as nobody else has any", () => {
    const founder = { capacity: 0, zone: "east" };
    const alone = grown(1, [founder, founder]);
    expect(placementOf(alone).walk(7)).toEqual([node(1)]);
    const joined = grown(1, [founder, founder, { capacity: 1, zone: "west" }]);
    for (let p = 0; p < 64; p++) expect(placementOf(joined).walk(p)).toEqual([node(3)]);
    expect([...tokenCounts(joined).values()]).toEqual([0, 0, 8]);
  });
});

describe("a node", () => {
  const config = { ...defaultConfig, capacity: 2 };
  const parameters = parametersFrom({ placement: 2, tokensPerNode: 4, partitions: 16 });

  /** Runs a node from its start to where all that it had to write is written; gives its entry and what is on its disk. `news` comes from a peer. */
  function start(own: Config, meta: NodeMeta | undefined, then: readonly NodeEvent[], news?: GossipNews) {
    const subject = new DynamoNode({ id: node(5), config: own, meta, seed: [1, 2, 3, own.capacity], seeds: [] });
    let disk = meta;
    let epoch = 0;
    const step = (event: NodeEvent): void => {
      for (const effect of subject.step(event)) {
        if (effect.kind === "scan") step({ kind: "scanned", ticket: effect.ticket, entries: [], done: true, at: 0 });
        if (effect.kind === "load-leaves") step({ kind: "leaves-loaded", ticket: effect.ticket, leaves: [], at: 0 });
        if (effect.kind === "send" && effect.message.kind === "ping") epoch = effect.message.epoch;
        if (effect.kind !== "store") continue;
        for (const write of effect.writes) if (write.store === "meta") disk = write.meta;
        step({ kind: "stored", ticket: effect.ticket, at: 0 });
      }
    };
    for (const event of [{ kind: "started", at: 0 } as const, ...then]) step(event);
    if (news !== undefined) {
      step({ kind: "peer-connected", peer: node(1), at: 0 });
      step({ kind: "message-received", from: node(1), epoch, message: news, at: 0 });
    }
    return { meta: disk!, entry: subject.view?.members.find((entry) => entry.node === node(5)) };
  }
  const founded = start(config, undefined, [{ kind: "found-cluster", parameters, at: 0 }]);

  test("that founds draws its tokens, holds everything, and claims nothing", () => {
    expect(founded.entry!.tokens).toHaveLength(8);
    expect(founded.entry!.holders).toEqual(Uint8Array.of(255, 255));
    expect(founded.meta.view!.claims).toEqual(unclaimed(16));
    const third = start(config, undefined, [{ kind: "found-cluster", parameters: parametersFrom({}), at: 0 }]);
    expect(third.entry!.tokens).toEqual([]);
    expect(new Set(third.meta.view!.claims.map((claim) => claim.owner))).toEqual(new Set([node(5)]));
  });

  test("keeps its tokens over restarts, with another capacity too", () => {
    const again = start(config, founded.meta, []);
    expect(again.entry!.incarnation).toBe(2);
    expect(again.entry!.tokens).toEqual(founded.entry!.tokens);
    const larger = start({ ...config, capacity: 9 }, again.meta, []);
    expect(larger.entry!).toMatchObject({ capacity: 9, tokens: founded.entry!.tokens });
  });

  test("that comes back with a disk from before it joined takes up the tokens that others know of", () => {
    const view = { ...founded.meta.view!, members: [member(1, { tokens: [7] }), founded.entry!] };
    const news = { kind: "gossip-news", ...view, wanted: [], wantsClaims: false, wantsBuckets: false } as const;
    const back = start(config, { incarnation: 1, view: undefined, unopened: [] }, [], news);
    expect(back.entry!.tokens).toEqual(founded.entry!.tokens);
    expect(back.entry!.incarnation).toBeGreaterThan(founded.entry!.incarnation);
  });

  test("draws tokens when it has capacity for the first time", () => {
    const seed = { ...founded.entry!, capacity: 0, tokens: [] };
    const meta = {
      incarnation: 1,
      view: { ...founded.meta.view!, members: [member(1, { tokens: [7] }), seed] },
      unopened: [],
    };
    expect(start({ ...config, capacity: 0 }, meta, []).entry!.tokens).toEqual([]);
    expect(start({ ...config, capacity: 1 }, meta, []).entry!.tokens).toHaveLength(4);
  });
});

describe("capacities", () => {
  /** How many partitions the first `n` of whose walk the node is among, over some clusters. */
  const owned = (placement: PlacementStrategy, capacity: number): number => {
    let sum = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const nodes = [{ capacity, zone: "z" }, ...Array.from({ length: 11 }, () => ({ capacity: 1, zone: "z" }))];
      const ring = new Ring(grown(placement, nodes, { partitions: 512, tokensPerNode: 16, seed }));
      for (let p = 0; p < 512; p++) if (ring.owns(node(1), p)) sum++;
    }
    return sum;
  };

  test.each([1, 2, 3] as const)(
    "twice the capacity has twice the tokens and about twice the partitions in placement %i",
    (placement) => {
      const tokens = (capacity: number) => {
        const nodes = [capacity, 1, 1, 1, 1, 1].map((own) => ({ capacity: own, zone: "z" }));
        return tokenCounts(grown(placement, nodes, { partitions: 512 }));
      };
      const counts = tokens(2);
      expect(Math.abs(counts.get(node(1))! / counts.get(node(2))! - 2)).toBeLessThan(0.05);
      // 12 nodes of 1, or one of 2 beside 11: the share grows from 1/12 to 2/13.
      const ratio = owned(placement, 2) / owned(placement, 1);
      expect(ratio).toBeGreaterThan(0.9 * (24 / 13));
      expect(ratio).toBeLessThan(1.1 * (24 / 13));
    },
  );
});

describe("a join", () => {
  test.each([1, 2] as const)("in placement %i moves what the newcomer takes and nothing else", (placement) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(1e6),
        (size, capacity, seed) => {
          const nodes = Array.from({ length: size }, () => ({ capacity: 1, zone: "z" }));
          const options = { seed, tokensPerNode: 4, partitions: 128 };
          const before = new Ring(grown(placement, nodes, options));
          const after = new Ring(grown(placement, [...nodes, { capacity, zone: "z" }], options));
          const lists = (ring: Ring) => Array.from({ length: 128 }, (_, p) => [...ring.preferenceList(p).owners]);
          expect(copiesForOthers(lists(before), lists(after), node(size + 1))).toBe(0);
          expect(lists(after).some((list) => list.includes(node(size + 1)))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("a node that is down", () => {
  test.each([1, 2, 3] as const)(
    "in placement %i leaves its load to many others, and to none of them much of it",
    (placement) => {
      const partitions = 1_024;
      const peers = Array.from({ length: 30 }, (_, i) => ({ capacity: 1, zone: `zone ${i}` }));
      const view = grown(placement, peers, { partitions, tokensPerNode: 16 });
      const owned = new Ring(view);
      const members = view.members.map((entry) => {
        let holders = noHolders(partitions);
        for (let p = 0; p < partitions; p++) if (owned.owns(entry.node, p)) holders = withHolder(holders, p, true);
        return { ...entry, holders };
      });
      const ring = new Ring({ ...view, members });
      for (const { node: down } of members) {
        const heirs = new Map<NodeId, number>();
        let load = 0;
        for (let p = 0; p < partitions; p++) {
          const { owners, fallbacks } = ring.preferenceList(p);
          if (!owners.includes(down)) continue;
          load++;
          heirs.set(fallbacks[0]!, (heirs.get(fallbacks[0]!) ?? 0) + 1);
        }
        expect(heirs.size).toBeGreaterThan(10);
        expect(Math.max(...heirs.values())).toBeLessThan(load / 4);
      }
    },
  );
});

describe("zones", () => {
  test("the first N of a list are in as many zones as there are, in the order of the walk", () => {
    fc.assert(
      fc.property(cluster, (view) => {
        const ring = new Ring(view);
        const zoneOf = new Map(view.members.map((entry) => [entry.node, entry.zone]));
        for (let p = 0; p < 32; p++) {
          const walk = ring.placement.walk(p);
          const { owners } = ring.preferenceList(p);
          expect(owners).toHaveLength(Math.min(3, walk.length));
          const zones = new Set(walk.map((id) => zoneOf.get(id)));
          expect(new Set(owners.map((id) => zoneOf.get(id))).size).toBe(Math.min(3, zones.size));
          // The first of each zone that the walk comes by.
          const firsts = [...zones].slice(0, 3).map((zone) => walk.find((id) => zoneOf.get(id) === zone));
          expect(owners.slice(0, firsts.length)).toEqual(firsts);
        }
      }),
      { numRuns: 200 },
    );
  });
});
