/** Light clients beside real nodes on virtual time: one that is wrong about the owners, one whose members go, and fifty that all ask at once. */

import { describe, expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { utf8Encode } from "../base/bytes.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Epoch, Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { LightClient } from "../core/light-client.ts";
import type { ClientResult, Message } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { encodeMessage } from "../wire/codec.ts";
import { Routing } from "./routing.ts";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

interface Said {
  readonly at: Millis;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly epoch: Epoch;
  readonly message: Message;
}

class World {
  readonly simulator: Simulator;
  readonly members: NodeId[] = [];
  readonly lights: NodeId[] = [];
  readonly said: Said[] = [];
  readonly notes: { readonly node: NodeId; readonly what: string }[] = [];
  readonly #prng = Prng.fromNumber(5);

  constructor(members: number, config: Partial<Config> = {}) {
    const onStep = (node: NodeId, event: NodeEvent, effects: readonly Effect[]): void => {
      routing.onStep(node, event, effects);
      for (const effect of effects)
        if (effect.kind === "send")
          this.said.push({
            at: this.simulator.now,
            from: node,
            to: effect.to,
            epoch: effect.epoch,
            message: effect.message,
          });
        else if (effect.kind === "note") this.notes.push({ node, what: effect.note.what });
    };
    this.simulator = new Simulator(1, {
      makeNode: (options, light) => (light ? new LightClient(options) : new DynamoNode(options)),
      network: { ...calmNetwork, latencyMs: { min: 1, max: 5 } },
      storage: calmStorage,
      observer: { stepped: onStep },
    });
    const routing = new Routing(this.simulator);
    for (let i = 0; i < members; i++) this.join(config);
    this.simulator.runUntil(60_000);
  }

  join(config: Partial<Config> = {}): NodeId {
    const i = this.members.length;
    const options = {
      name: `n${i}`,
      config: { ...defaultConfig, ...config, zone: `zone-${i}` },
      seeds: this.members.slice(0, 1),
    };
    const found = parametersFrom({ n: 3, r: 2, w: 2, partitions: 32 });
    const node = this.simulator.add(i === 0 ? { ...options, found } : options);
    this.members.push(node);
    return node;
  }

  light(config: Partial<Config> = {}): NodeId {
    const options = { name: `light${this.lights.length}`, config: { ...defaultConfig, ...config }, light: true };
    const light = this.simulator.add({ ...options, seeds: this.members.slice(0, 1) });
    this.lights.push(light);
    return light;
  }

  get(node: NodeId, key: string): ClientResult | undefined {
    return this.#await((answer) => this.simulator.get(node, key as Key, {}, answer));
  }

  put(node: NodeId, key: string, text: string, before?: ClientResult, prefer?: NodeId): ClientResult | undefined {
    const write = {
      value: utf8Encode(text),
      context: before?.outcome === "got" ? before.set.clock : [],
      operation: this.#prng.hex(16) as OperationId,
      at: 1,
      w: undefined,
      policy: "siblings",
    } as const;
    const first = prefer ?? (before?.outcome === "got" ? before.first : undefined);
    return this.#await((answer) => this.simulator.put(node, key as Key, write, { prefer: first }, answer));
  }

  pass(ms: Millis): void {
    this.simulator.runUntil(this.simulator.now + ms);
  }

  #await(ask: (answer: (result: ClientResult | undefined) => void) => void): ClientResult | undefined {
    let result: ClientResult | undefined;
    let open = true;
    ask((answer) => {
      result = answer;
      open = false;
    });
    while (open) this.simulator.step();
    return result;
  }
}

const coordinatorOf = (result: ClientResult | undefined): NodeId | undefined => result?.report?.coordinator;
const texts = (result: ClientResult | undefined): string[] =>
  result?.outcome === "got"
    ? result.set.siblings.map(({ value }) => String.fromCharCode(...(value ?? [])))
    : [`${result?.outcome ?? "nothing"}`];

describe("the write coordinator", () => {
  test("is the node that answered the preceding read first, wherever the caller is", () => {
    const world = new World(5);
    const light = world.light();
    world.pass(5_000);
    for (const slow of world.members.slice(0, 2)) world.simulator.diskOf(slow).slow(50);
    let moved = 0;
    for (let i = 0; i < 30; i++) {
      const caller = [light, ...world.members][i % 6]!;
      const key = `carts/${i % 7}`;
      const read = world.get(caller, key);
      expect(read?.outcome).toBe("got");
      const first = read?.outcome === "got" ? read.first : undefined;
      if (first !== coordinatorOf(read)) moved++;
      expect(coordinatorOf(world.put(caller, key, `${i}`, read))).toBe(first);
    }
    // Not always the one that coordinated the read: its own disk may be slower than the way to another.
    expect(moved).toBeGreaterThan(0);
  });

  test("is another one when that node does not count or is gone", () => {
    const world = new World(5);
    const light = world.light();
    world.pass(5_000);
    const read = world.get(light, "carts/1");
    const holders = read?.report === undefined ? [] : [...read.report.answered, ...read.report.silent];
    const outsider = world.members.find((node) => !holders.includes(node))!;
    expect(holders).toContain(coordinatorOf(world.put(light, "carts/1", "a", read, outsider)));
    const first = read?.outcome === "got" ? read.first : world.members[0]!;
    world.simulator.crash(first);
    const put = world.put(light, "carts/1", "b", read);
    expect(put?.outcome).toBe("put");
    expect(coordinatorOf(put)).not.toBe(first);
  });
});

describe("a stale view", () => {
  test("is served: who owns the key no more hands the request on, and the light client learns of it and asks the right one", () => {
    const world = new World(3);
    // It would not ask by itself.
    const light = world.light({ viewRefreshMs: 10_000_000 });
    world.pass(5_000);
    for (let i = 0; i < 20; i++) expect(world.put(light, `carts/${i}`, `${i}`)?.outcome).toBe("put");
    world.simulator.freeze(light, 120_000);
    for (let i = 0; i < 4; i++) world.join();
    world.pass(125_000);
    const before = world.simulator.inspect(light)!;
    expect(before.view?.members).toHaveLength(3);
    world.notes.length = 0;
    for (let i = 0; i < 20; i++) expect(texts(world.get(light, `carts/${i}`))).toEqual([`${i}`]);
    world.pass(2_000);
    const what = world.notes.map((note) => note.what);
    expect(what).toContain("handed-on");
    expect(what).toContain("view-stale");
    const after = world.simulator.inspect(light)!;
    expect(after.view?.members).toHaveLength(7);
    expect(after.ringDigest).toBe(world.simulator.inspect(world.members[0]!)?.ringDigest);
    // Told of it once by each view that it did not know, and not again.
    expect(after.light!.toldStale).toBeLessThanOrEqual(4);

    world.pass(5_000);
    world.notes.length = 0;
    for (let i = 0; i < 20; i++) world.get(light, `carts/${i}`);
    expect(world.notes.map((note) => note.what)).not.toContain("handed-on");
  });

  test("of two nodes that take each other for the owner would end their quarrel: each hop is counted, and the last one coordinates", () => {
    const world = new World(5);
    const read = world.get(world.members[0]!, "carts/1");
    const holders = read?.report === undefined ? [] : [...read.report.answered, ...read.report.silent];
    const [asked, asking] = world.members.filter((node) => !holders.includes(node)) as [NodeId, NodeId];
    const { ringDigest } = world.simulator.inspect(asked)!;
    for (const hops of [0, 1, 2]) {
      const { epoch } = world.said.findLast(({ from, to }) => from === asking && to === asked)!;
      world.said.length = 0;
      world.simulator.network.send(asking, asked, epoch, "foreground", {
        kind: "coordinate-get",
        request: 1_000 + hops,
        ring: ringDigest!,
        ttlMs: 5_000,
        key: "carts/1" as Key,
        r: undefined,
        hops,
      });
      world.pass(2_000);
      const handedOn = world.said.flatMap(({ from, message }) =>
        from === asked && message.kind === "coordinate-get" ? [message.hops] : [],
      );
      expect(handedOn).toEqual(hops < 2 ? [hops + 1] : []);
      const reads = world.said.filter(({ from, message }) => from === asked && message.kind === "replica-get");
      expect(reads.length > 0).toBe(hops === 2);
      const told = world.said.filter(({ from, message }) => from === asked && message.kind === "coordinate-reply");
      expect(told.map(({ message }) => "result" in message && message.result.outcome)).toEqual(["got"]);
    }
  });
});

test("members die and come back, and a light client with two links finds others", () => {
  const world = new World(6);
  const light = world.light({ linksMax: 2 });
  world.pass(10_000);
  for (let round = 0; round < 6; round++) {
    const victim = world.members[round]!;
    world.simulator.crash(victim);
    for (let i = 0; i < 5; i++) {
      expect(world.put(light, `carts/${round}-${i}`, "x")?.outcome).toBe("put");
      expect(texts(world.get(light, `carts/${round}-${i}`))).toContain("x");
    }
    world.simulator.restart(victim);
    world.pass(20_000);
  }
  expect(world.simulator.inspect(light)?.sizes["forwarded"]).toBe(0);
});

describe("fifty light clients", () => {
  const LIGHTS = 50;
  const MEMBERS = 5;

  const questionsTo = (world: World, from: Millis, spanMs: Millis): Map<NodeId, Said[]> => {
    const asked = new Map<NodeId, Said[]>(world.members.map((node) => [node, []]));
    for (const said of world.said)
      if (said.message.kind === "view-request" && said.at >= from && said.at < from + spanMs)
        asked.get(said.to)?.push(said);
    return asked;
  };

  /** The most in any second. */
  const peak = (questions: readonly Said[]): number => {
    const seconds = new Map<number, number>();
    for (const { at } of questions) seconds.set(Math.floor(at / 1_000), 1 + (seconds.get(Math.floor(at / 1_000)) ?? 0));
    return Math.max(0, ...seconds.values());
  };

  test("ask at a constant rate, spread over the members and over time, in a few bytes, whatever they are asked", () => {
    const world = new World(MEMBERS, { lightPeersMax: LIGHTS });
    for (let i = 0; i < LIGHTS; i++) world.light();
    world.pass(60_000);
    const quietFrom = world.simulator.now;
    world.pass(100_000);
    const busyFrom = world.simulator.now;
    for (let round = 0; round < 10; round++) {
      for (const light of world.lights) world.simulator.get(light, `carts/${round}` as Key, {}, () => undefined);
      world.pass(10_000);
    }
    for (const from of [quietFrom, busyFrom]) {
      const asked = questionsTo(world, from, 100_000);
      const total = [...asked.values()].reduce((sum, questions) => sum + questions.length, 0);
      // 50 light clients, 10 turns each; a fifth of them at each member.
      expect(total).toBeGreaterThanOrEqual(450);
      expect(total).toBeLessThanOrEqual(550);
      for (const questions of asked.values()) {
        expect(questions.length).toBeGreaterThanOrEqual(60);
        expect(questions.length).toBeLessThanOrEqual(145);
        expect(peak(questions)).toBeLessThanOrEqual(8);
      }
    }
    const sizes = world.said
      .filter(({ at, message }) => at >= quietFrom && /^view-/.test(message.kind))
      .map(({ message }) => encodeMessage(message, 2 ** 40).length);
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32);
    // And members say nothing to them of their own accord.
    const told = world.said.filter(({ at, to }) => at >= quietFrom && world.lights.includes(to));
    expect(new Set(told.map(({ message }) => message.kind))).toEqual(
      new Set(["pong", "view-reply", "coordinate-reply"]),
    );
  });

  test("who all find their view stale at one moment ask no member more than its bucket holds, and all catch up", () => {
    const limits = { lightPeersMax: LIGHTS, viewsPerSecond: 5, viewsBurst: 10 };
    const world = new World(MEMBERS, limits);
    for (let i = 0; i < LIGHTS; i++) world.light();
    world.pass(120_000);
    for (const light of world.lights) expect(world.simulator.inspect(light)?.view?.members).toHaveLength(MEMBERS);
    // A member changes its entry, and before any turn comes every light client asks all members something.
    world.simulator.setVisibility(world.members[2]!, true);
    world.pass(1_500);
    const from = world.simulator.now;
    for (const light of world.lights)
      for (let i = 0; i < 20; i++) world.simulator.get(light, `carts/${i}` as Key, {}, () => undefined);
    const spanMs = 30_000;
    world.pass(spanMs);
    const stampede = world.notes.filter(({ what }) => what === "view-stale").length;
    expect(stampede).toBeGreaterThanOrEqual(LIGHTS);
    for (const [member, questions] of questionsTo(world, from, spanMs)) {
      const served = world.said.filter(
        ({ at, from: node, message }) =>
          at >= from && node === member && message.kind === "view-reply" && message.outcome !== "busy",
      );
      expect(served.length).toBeLessThanOrEqual(limits.viewsBurst + (limits.viewsPerSecond * spanMs) / 1_000);
      const news = served.filter(({ message }) => message.kind === "view-reply" && message.outcome === "news");
      expect(news.length).toBeLessThanOrEqual(served.length / 2 + 1);
      // Those that were turned away come back later, and not all to one.
      expect(questions.length).toBeLessThanOrEqual(4 * LIGHTS);
    }
    const digest = world.simulator.inspect(world.members[0]!)?.ringDigest;
    for (const light of world.lights) expect(world.simulator.inspect(light)?.ringDigest).toBe(digest);
  });

  test("are more than a member is linked to: the rest is turned away, and served by others", () => {
    const world = new World(MEMBERS, { lightPeersMax: 12 });
    for (let i = 0; i < LIGHTS; i++) world.light({ linksMax: 1 });
    world.pass(240_000);
    for (const member of world.members.slice(1)) {
      const linked = world.lights.filter((light) => world.simulator.network.isLinked(member, light));
      expect(linked.length).toBeLessThanOrEqual(14);
    }
    for (const light of world.lights) expect(world.get(light, "carts/1")?.outcome).toBe("got");
  });
});
