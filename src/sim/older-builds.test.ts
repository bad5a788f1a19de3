/**
 * A recorded older build beside nodes of today, over bytes: each side encodes and decodes with its own codec, and whatever does not parse ends the test.
 * `older-builds/version-1.js` is the node as it was before version 2 of the protocol (core/versions.ts): it reads version 1 alone, and writes nothing else.
 */

import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { type Config, defaultConfig, parametersFrom } from "../core/config.ts";
import type { Effect, NodeMeta, Note } from "../core/effect.ts";
import { ProtocolVersionError } from "../core/errors.ts";
import type { Gathered } from "../core/gathering.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import { LightClient } from "../core/light-client.ts";
import { memberOf } from "../core/membership.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { PROTOCOL, PROTOCOL_VERSION } from "../core/versions.ts";
import { decodeMessage, encodeMessage } from "../wire/codec.ts";
import { Handshake, type HandshakeOptions } from "../wire/handshake.ts";
import { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "../wire/record.ts";
import * as recorded from "./older-builds/version-1.js";
import { Simulator } from "./simulator.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const quick: Partial<Config> = { antiEntropyMs: 2_000, scrubMs: 500, rebalanceAfterMs: 500 };
const older: Partial<Config> = { ...quick, protocolMax: 1 };

class World {
  readonly simulator: Simulator;
  readonly notes: { readonly node: NodeId; readonly note: Note }[] = [];
  readonly #prng = Prng.fromNumber(11);
  #hosts = 0;

  constructor() {
    this.simulator = new Simulator(3, {
      makeNode: (options, light) => {
        if (light) return new LightClient(options);
        if (!this.#isOlder(options.config)) return new DynamoNode(options);
        return new recorded.DynamoNode({ ...options, config: { ...recorded.defaultConfig, ...quick } });
      },
      network: { ...calmNetwork, latencyMs: { min: 1, max: 5 } },
      storage: calmStorage,
      codec: {
        encode: (message, epoch, protocol, from) =>
          this.#isOlder(this.simulator.configOf(from))
            ? recorded.encodeMessage(message, epoch)
            : encodeMessage(message, epoch, protocol),
        decode: (bytes, to) =>
          this.#isOlder(this.simulator.configOf(to)) ? recorded.decodeMessage(bytes) : decodeMessage(bytes),
      },
      observer: {
        stepped: (node, _, effects) => this.#watch(node, effects),
        unread: (node, from, kind) => {
          throw new Error(`${from} sent ${node} a ${kind}`);
        },
      },
    });
  }

  add(config: Partial<Config>, options: { readonly light?: boolean } = {}): NodeId {
    const first = this.simulator.nodes[0];
    const node = this.simulator.add({
      name: `n${this.#hosts++}`,
      config: { ...defaultConfig, ...config, zone: `zone-${this.#hosts}` },
      seeds: first === undefined ? [] : [first],
      ...(first === undefined ? { found: parametersFrom({ n: 3, r: 2, w: 2, partitions: 16 }) } : {}),
      ...options,
    });
    this.run(12_000);
    return node;
  }

  run(ms: Millis): void {
    this.simulator.runUntil(this.simulator.now + ms);
  }

  put(node: NodeId, key: string, value: string | null): ClientResult["outcome"] | undefined {
    let result: ClientResult | undefined;
    const write = {
      value: value === null ? null : utf8Encode(value),
      context: this.#contexts.get(key) ?? [],
      operation: this.#prng.hex(16) as OperationId,
      at: this.simulator.wallAt(node),
      w: undefined,
    };
    this.simulator.put(node, key as Key, write, {}, (answer) => (result = answer));
    this.run(1_000);
    if (result?.outcome === "put") this.#contexts.set(key, result.clock);
    return result?.outcome;
  }
  readonly #contexts = new Map<string, Extract<ClientResult, { outcome: "put" }>["clock"]>();

  get(node: NodeId, key: string): (string | null)[] | undefined {
    let result: ClientResult | undefined;
    this.simulator.get(node, key as Key, {}, (answer) => (result = answer));
    this.run(1_000);
    if (result?.outcome !== "got") return undefined;
    return result.set.siblings.map(({ value }) => (value === null ? null : (utf8Decode(value) ?? "?")));
  }

  upgrade(node: NodeId, config: Partial<Config>): void {
    this.simulator.close(node);
    this.simulator.reconfigure(node, { ...defaultConfig, ...config, zone: this.simulator.configOf(node).zone });
    this.simulator.restart(node);
    this.run(12_000);
  }

  noted(what: Note["what"], node?: NodeId): number {
    return this.notes.filter((each) => each.note.what === what && (node === undefined || each.node === node)).length;
  }

  records(node: NodeId): number {
    return this.simulator.diskOf(node).count("records");
  }

  phase(node: NodeId): string | undefined {
    return this.simulator.inspect(node)?.phase;
  }

  #watch(node: NodeId, effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.kind === "note") this.notes.push({ node, note: effect.note });
  }

  #isOlder(config: Config): boolean {
    return config.protocolMax < PROTOCOL_VERSION;
  }
}

const keys = Array.from({ length: 40 }, (_, i) => `carts/${i}`);

/** Three of today and the recorded one. */
function mixedRing(): { world: World; today: NodeId[]; old: NodeId } {
  const world = new World();
  const today = [world.add(quick), world.add(quick), world.add(quick)];
  for (const [i, key] of keys.entries()) expect(world.put(today[i % 3]!, key, `${i}`)).toBe("put");
  const old = world.add(older);
  return { world, today, old };
}

describe("a recorded build of version 1 in a ring of today's nodes", () => {
  test("joins, holds its share, reads what was there and is read", () => {
    const { world, today, old } = mixedRing();
    expect(world.phase(old)).toBe("member");
    // It is the recorded one: it knows of no versions.
    expect(world.simulator.inspect(old)).not.toHaveProperty("protocol");
    expect(world.records(old)).toBeGreaterThan(10);
    for (const [i, key] of keys.entries()) expect(world.get(old, key)).toEqual([`${i}`]);
    for (const [i, key] of keys.entries()) {
      expect(world.put(i % 2 === 0 ? old : today[i % 3]!, key, `again ${i}`)).toBe("put");
      expect(world.get(i % 2 === 0 ? today[i % 3]! : old, key)).toEqual([`again ${i}`]);
    }
    expect(world.noted("not-read")).toBe(0);
    for (const node of today) expect(world.simulator.inspect(node)?.protocol).toBe(1);
  });

  test("hints flow both ways, and trees even out the rest", () => {
    const { world, today, old } = mixedRing();
    for (const [away, asked] of [
      [old, today[0]!],
      [today[2]!, old],
    ] as const) {
      world.simulator.crash(away);
      world.run(8_000);
      for (const key of keys) expect(world.put(asked, key, `without ${away}`)).toBe("put");
      world.simulator.restart(away);
      const before = world.noted("hint-delivered");
      world.run(20_000);
      expect(world.noted("hint-delivered")).toBeGreaterThan(before);
      for (const key of keys) expect(world.get(away, key)).toEqual([`without ${away}`]);
    }
    expect(world.noted("older-peer", today[0])).toBeGreaterThan(0);
    expect(world.noted("caught-up", old)).toBe(0);
  });

  test("leaves, and everything is with the others", () => {
    const { world, today, old } = mixedRing();
    for (const key of keys) expect(world.put(old, key, "last words")).toBe("put");
    world.simulator.changeMembership(old, { kind: "leave", planned: undefined }, (refusal) =>
      expect(refusal).toBeUndefined(),
    );
    world.run(60_000);
    expect(world.simulator.stateOf(old)).toBe("wiped");
    for (const key of keys) expect(world.get(today[0]!, key)).toEqual(["last words"]);
    // Nobody who remains is older.
    for (const node of today) expect(world.simulator.inspect(node)?.protocol).toBe(2);
  });

  test("an export reads the others, and names the one whose build has none", () => {
    const { world, today, old } = mixedRing();
    let tookMs = 0;
    const gather = (w: number): Gathered | undefined => {
      let last: Gathered | undefined;
      const wanted = {
        partition: 3,
        stores: ["hints", "records"],
        prefix: "",
        moment: 0,
        w,
        timeoutMs: 20_000,
      } as const;
      const request = world.simulator.gather(today[1]!, wanted, (what) => {
        last = what;
        if (what?.outcome === "page") world.simulator.gatherMore(today[1]!, request);
      });
      const { now } = world.simulator;
      while (last?.outcome !== "done" && world.simulator.now < now + 30_000) world.run(100);
      tookMs = world.simulator.now - now;
      return last;
    };
    expect(gather(2)).toMatchObject({ outcome: "done", part: { unread: [old], coversW: 2, attempts: 1 } });
    expect(gather(1)).toMatchObject({ outcome: "done", part: { unread: [old], coversW: 2, attempts: 1 } });
    // Nor does it ask again and again, until the time is over.
    expect(tookMs).toBeLessThan(2_000);
  });

  test("a light client keeps to the others, and those are enough", () => {
    const { world, old } = mixedRing();
    const light = world.add(quick, { light: true });
    for (const [i, key] of keys.entries()) {
      expect(world.put(light, key, `light ${i}`)).toBe("put");
      expect(world.get(light, key)).toEqual([`light ${i}`]);
    }
    const linked = world.simulator.inspect(light)?.peers.filter((peer) => peer.linked) ?? [];
    expect(linked.length).toBe(3);
    expect(linked.map((peer) => peer.node)).not.toContain(old);
  });

  test("tombstones stay while it belongs, and go when it is upgraded", () => {
    const world = new World();
    const reaping = { ...quick, reapAfterMs: 1_000 };
    const today = [world.add(reaping), world.add(reaping)];
    const old = world.add(older);
    expect(world.put(today[0]!, "carts/gone", "milk")).toBe("put");
    expect(world.put(today[1]!, "carts/gone", null)).toBe("put");
    world.run(60_000);
    expect(world.get(old, "carts/gone")).toEqual([null]);
    expect(world.noted("tombstone-reaped")).toBe(0);
    const blocked = world.notes.filter(({ note }) => note.what === "reap-blocked");
    expect(blocked.length).toBeGreaterThan(0);
    for (const { note } of blocked) expect(note).toMatchObject({ by: old, why: "older" });
    world.upgrade(old, reaping);
    world.run(60_000);
    expect(world.noted("protocol-shared", today[0])).toBeGreaterThan(0);
    expect(world.get(old, "carts/gone")).toEqual([]);
    expect(world.noted("tombstone-reaped")).toBeGreaterThan(0);
  });
});

describe("upgrades and the way back", () => {
  test("a ring of the recorded build is upgraded one by one, from the same disks, and nothing is lost", () => {
    const world = new World();
    const nodes = [world.add(older), world.add(older), world.add(older)];
    for (const [i, key] of keys.entries()) expect(world.put(nodes[i % 3]!, key, `${i}`)).toBe("put");
    for (const [round, node] of nodes.entries()) {
      world.upgrade(node, quick);
      for (const other of nodes)
        for (const [i, key] of keys.entries()) expect(world.get(other, key)).toEqual([round === 0 ? `${i}` : `r${i}`]);
      for (const [i, key] of keys.entries()) expect(world.put(nodes[i % 3]!, key, `r${i}`)).toBe("put");
    }
    for (const node of nodes) expect(world.simulator.inspect(node)?.protocol).toBe(2);
  });

  test("while not all read version 2 the state on a disk stays one that the recorded build reads; then no more", () => {
    const { world, today, old } = mixedRing();
    world.run(30_000);
    for (const node of today) {
      const meta = metaOf(world, node);
      expect(meta.caughtUp).toBeUndefined();
      expect(recorded.decodeMeta(encodeMeta(meta))).toEqual(meta);
    }
    world.upgrade(old, quick);
    world.run(60_000);
    const meta = metaOf(world, today[0]!);
    expect(meta.caughtUp).toBeDefined();
    expect(() => recorded.decodeMeta(encodeMeta(meta))).toThrow(/its format is 3, but this build reads 2/);
  });

  test("an operator who holds version 2 back keeps the way back open", () => {
    const world = new World();
    const held = { ...quick, writesProtocol: 1 };
    const nodes = [world.add(held), world.add(held), world.add(held)];
    for (const [i, key] of keys.entries()) expect(world.put(nodes[i % 3]!, key, `${i}`)).toBe("put");
    world.run(60_000);
    const [first] = nodes;
    const meta = metaOf(world, first!);
    expect(recorded.decodeMeta(encodeMeta(meta))).toEqual(meta);
    world.upgrade(first!, older);
    for (const [i, key] of keys.entries()) expect(world.get(first!, key)).toEqual([`${i}`]);
    expect(memberOf(world.simulator.viewOf(nodes[1]!)!, first!)?.protocolMax).toBe(1);
  });

  test("what the recorded build wrote to a disk is read by today's", () => {
    const world = new World();
    const node = world.add(older);
    for (const [i, key] of keys.entries()) expect(world.put(node, key, `${i}`)).toBe("put");
    const meta = metaOf(world, node);
    expect(decodeMeta(recorded.encodeMeta(meta))).toEqual(meta);
    const disk = world.simulator.diskOf(node);
    for (const [, record] of disk.all("records")) {
      expect(decodeRecord(recorded.encodeRecord(record))).toEqual(record);
      expect(recorded.decodeRecord(encodeRecord(record))).toEqual(record);
    }
  });
});

describe("the greeting", () => {
  const secret = new Uint8Array(32).fill(5);
  const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const options = (given: Partial<HandshakeOptions>): HandshakeOptions => ({
    self: "a".repeat(32) as NodeId,
    peer: undefined,
    cluster: "shop",
    secret,
    role: "initiator",
    nonce: filled(1),
    binding: undefined,
    frameBytesMax: 65_536,
    protocol: PROTOCOL,
    ...given,
  });
  const theirs = { self: "b".repeat(32) as NodeId, role: "responder", nonce: filled(2) } as const;

  test("of the two builds succeeds, and says what the older one reads", () => {
    const mine = new Handshake(options({}));
    const old = new recorded.Handshake(options({ ...theirs, protocol: recorded.LINK_PROTOCOL }));
    const proofOfMine = mine.receive(old.hello);
    const proofOfOld = old.receive(mine.hello);
    if (proofOfMine.kind !== "proving" || proofOfOld.kind !== "proving") throw new Error("no proofs");
    expect(mine.receive(proofOfOld.proof)).toMatchObject({ kind: "done", protocol: { min: 1, max: 1 } });
    expect(old.receive(proofOfMine.proof)).toMatchObject({ kind: "done" });
  });

  test("of a build that has given up version 1 is refused by both, with both ranges named", () => {
    const later = new Handshake(options({ protocol: { min: 2, max: 3 } }));
    const old = new recorded.Handshake(options({ ...theirs, protocol: recorded.LINK_PROTOCOL }));
    expect(() => later.receive(old.hello)).toThrow(ProtocolVersionError);
    expect(() => later.receive(old.hello)).toThrow(/speaks protocol 1, this build 2 to 3/);
    expect(() => old.receive(later.hello)).toThrow(/speaks protocol 2 to 3, this build 1/);
  });
});

function metaOf(world: World, node: NodeId): NodeMeta {
  const { meta } = world.simulator.diskOf(node);
  if (meta === undefined) throw new Error("it has not written anything down");
  return meta;
}
