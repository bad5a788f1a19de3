import { describe, expect, test } from "vitest";
import { crc32 } from "../base/crc32.ts";
import { utf8Encode } from "../base/bytes.ts";
import { hintAddress, recordAddress, positionOf } from "../core/address.ts";
import type { DvvSet, Sibling } from "../core/dvvset.ts";
import type { Actor, Key, NodeId, OperationId } from "../core/identifiers.ts";
import type { Effect } from "../core/effect.ts";
import type { Message } from "../core/message.ts";
import { Checkers, type InvariantViolation, type Watched } from "./checkers.ts";
import { History } from "./history.ts";

const key = "carts/ada" as Key;
const node = "n" as NodeId;
const A = "a" as Actor;
const B = "b" as Actor;
const dot = (actor: Actor, counter: number) => ({ actor, counter });

/** Puts "one", then "two" without having seen it, then "three" having seen "one". */
function story() {
  const history = new History();
  const put = (name: string, context: DvvSet["clock"], seen: DvvSet | undefined) =>
    history.put(key, {
      operation: name as OperationId,
      value: utf8Encode(name),
      context,
      seen: seen === undefined ? undefined : history.of(key).seenIn(seen),
    });
  const sibling = (name: string, ...dots: Sibling["dots"]): Sibling => {
    const value = utf8Encode(name);
    return { dots, operation: name as OperationId, at: 0, value, checksum: crc32(value) };
  };
  const one: DvvSet = { clock: [dot(A, 1)], siblings: [sibling("one", dot(A, 1))] };
  put("one", [], undefined);
  put("two", [], undefined);
  put("three", one.clock, one);
  const checkers = new Checkers(history);
  const violation = (...sets: DvvSet[]): string | undefined => {
    try {
      for (const set of sets) checkers.judge(key, set, node, "stores");
      return undefined;
    } catch (error) {
      return (error as InvariantViolation).invariant;
    }
  };
  return { history, sibling, one, violation };
}

describe("judging records", () => {
  test("accepts what is right: concurrent siblings, and a put that replaces what it had seen", () => {
    const { sibling, one, violation } = story();
    const both: DvvSet = {
      clock: [dot(A, 1), dot(B, 1)],
      siblings: [sibling("one", dot(A, 1)), sibling("two", dot(B, 1))],
    };
    const after: DvvSet = {
      clock: [dot(A, 2), dot(B, 1)],
      siblings: [sibling("three", dot(A, 2)), sibling("two", dot(B, 1))],
    };
    expect(violation(one, both, after)).toBeUndefined();
  });

  test("a retry's two dots on one sibling are no second sibling", () => {
    const { sibling, violation } = story();
    expect(
      violation({ clock: [dot(A, 1), dot(B, 1)], siblings: [sibling("one", dot(A, 1), dot(B, 1))] }),
    ).toBeUndefined();
  });

  test("finds a version that vanished though nobody had seen it", () => {
    const { sibling, one, violation } = story();
    const both: DvvSet = {
      clock: [dot(A, 1), dot(B, 1)],
      siblings: [sibling("one", dot(A, 1)), sibling("two", dot(B, 1))],
    };
    expect(violation(one, both, { clock: [dot(A, 2), dot(B, 1)], siblings: [sibling("three", dot(A, 2))] })).toBe(
      "no-vanishing",
    );
  });

  test("finds one dot for two operations", () => {
    const { sibling, one, violation } = story();
    expect(violation(one, { clock: [dot(A, 1)], siblings: [sibling("two", dot(A, 1))] })).toBe("unique-dots");
  });

  test("finds values that nobody put, values that changed, and dots that nobody minted", () => {
    const { sibling, violation } = story();
    expect(violation({ clock: [dot(A, 1)], siblings: [sibling("four", dot(A, 1))] })).toBe("no-fabrication");
    const changed = { ...sibling("one", dot(A, 1)), value: utf8Encode("eno") };
    expect(violation({ clock: [dot(A, 1)], siblings: [changed] })).toBe("no-fabrication");
    const damaged = { ...sibling("one", dot(A, 1)), checksum: 1 };
    expect(violation({ clock: [dot(A, 1)], siblings: [damaged] })).toBe("no-fabrication");
    expect(violation({ clock: [dot(A, 3)], siblings: [sibling("one", dot(A, 1))] })).toBe("no-fabrication");
  });

  test("finds one operation twice, and a sibling that another one had replaced", () => {
    const { sibling, one, violation } = story();
    const twice = [sibling("one", dot(A, 1)), sibling("one", dot(B, 1))];
    expect(violation({ clock: [dot(A, 1), dot(B, 1)], siblings: twice })).toBe("no-fabrication");
    const zombie = [sibling("one", dot(A, 1)), sibling("three", dot(A, 2))];
    expect(violation(one, { clock: [dot(A, 2)], siblings: zombie })).toBe("no-fabrication");
  });

  test("finds a disk that forgets", () => {
    const { history, one } = story();
    const checkers = new Checkers(history);
    const address = recordAddress(key, positionOf(key));
    const stored = { set: one, minted: undefined };
    const empty = { set: { clock: [], siblings: [] }, minted: undefined };
    expect(() => checkers.onApplied(node, "records", address, empty, stored)).not.toThrow();
    expect(() => checkers.onApplied(node, "records", address, stored, empty)).toThrow(/disk-monotonic/);
  });
});

describe("an answer", () => {
  const asker = "asker" as NodeId;
  const started = { kind: "started", at: 0 } as const;
  const send = (to: NodeId, epoch: number, message: Message): Effect => ({
    kind: "send",
    to,
    epoch,
    lane: "foreground",
    message,
  });
  const ping = (epoch: number): Effect => send(node, 0, { kind: "ping", sequence: 1, epoch });
  const question = (request: number): Effect =>
    send(node, 7, { kind: "known-request", request, incarnation: 1, version: 1 });
  const answer = (epoch: number, request: number): Effect =>
    send(asker, epoch, { kind: "known-reply", request, known: true, unopened: [] });

  test("belongs to the start of a node that asked: a later one may count its requests alike", () => {
    const checkers = new Checkers(new History());
    checkers.watch({ nameOf: (name: NodeId) => name } as unknown as Watched);
    checkers.onStep(asker, started, [ping(11), question(1), question(2)]);
    checkers.onStep(node, started, [answer(11, 1)]);
    checkers.onStep(asker, started, [ping(21), question(9)]);
    // To the old epoch: nobody takes it.
    checkers.onStep(node, started, [answer(11, 2), answer(21, 9)]);
    expect(() => checkers.onStep(node, started, [answer(21, 2)])).toThrow(/late-frame: n answers asker/);
  });
});

test("what a reader has seen goes on through what it answers with", () => {
  const { history, sibling } = story();
  const after: DvvSet = { clock: [dot(A, 2)], siblings: [sibling("three", dot(A, 2))] };
  const own = history.of(key);
  const seen = own.seenIn(after);
  expect([0, 1, 2].map((index) => seen.has(index))).toEqual([true, false, true]);
  expect(own.shows(after, own.operations[0]!)).toBe(true);
  expect(own.shows(after, own.operations[1]!)).toBe(false);
});

test("a record that a disk refused after it was acknowledged from memory was an owner's, though a hint has the put still", () => {
  const { history, one } = story();
  const operation = history.of(key).operations[0]!;
  const owner = "b".repeat(32) as NodeId;
  const absent = "c".repeat(32) as NodeId;
  const stored = { set: one, minted: undefined };
  const record = recordAddress(key, positionOf(key));
  const hint = hintAddress(key, positionOf(key), absent);
  const disks = new Map<NodeId, Map<string, typeof stored>>([
    [node, new Map([[record, stored]])],
    [owner, new Map([[hint, stored]])],
  ]);
  let buffered: readonly (readonly [Key, DvvSet])[] = [[key, one]];
  const checkers = new Checkers(history);
  checkers.watch({
    nodes: [node, owner],
    nameOf: (name: NodeId) => name,
    stateOf: () => "running",
    buffered: (of: NodeId) => (of === owner ? buffered : []),
    diskOf: (of: NodeId) => {
      const rows = [...disks.get(of)!.keys()];
      return {
        get: (_: unknown, address: string) => disks.get(of)!.get(address),
        count: (store: string) => (store === "hints" ? rows.filter((row) => row === hint).length : 0),
        addresses: () => rows.filter((row) => row === hint),
      };
    },
  } as unknown as Watched);
  checkers.onStep(owner, { kind: "wake", at: 0 }, []);
  expect(() => checkers.onAcknowledged(operation, 2, 2)).not.toThrow();
  buffered = [];
  expect(() => checkers.onAcknowledged(operation, 2, 2)).toThrow(/durable-before-ack/);
  checkers.onBufferLost(owner, key);
  expect(operation).toMatchObject({ copiesLost: 0, recordsLost: 1, forgiven: false });
  expect(() => checkers.onAcknowledged(operation, 2, 2)).not.toThrow();
  // Of what it never had in its memory nothing was lost.
  expect(
    history
      .of(key)
      .operations.slice(1)
      .map(({ copiesLost, recordsLost }) => copiesLost + recordsLost),
  ).toEqual([0, 0]);
});
