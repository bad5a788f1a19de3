/** The judge of idle clusters: what it lets pass, and what it does not, by steps that the test plays. */

import { beforeEach, expect, test } from "vitest";
import type { Effect, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId } from "../core/identifiers.ts";
import { viewOf } from "../core/stub-surroundings.ts";
import type { LoggedChange } from "../core/write-log.ts";
import { MESSAGES_PER_NODE_SECOND, Quietness, STEPS_PER_NODE_SECOND } from "./quietness.ts";

const [ADA, BEN] = ["ada", "ben"] as NodeId[] as [NodeId, NodeId];
const SCRUB_MS = 10_000;
const SECONDS = 20;
const WAKE: NodeEvent = { kind: "wake", at: 0 };
const question: Effect = {
  kind: "send",
  to: BEN,
  epoch: 1,
  lane: "foreground",
  message: { kind: "statistics-request", request: 1 },
};
const meta: Write = {
  store: "meta",
  meta: { incarnation: 1, view: viewOf({ nodes: 2, n: 2, r: 1, w: 1 }), unopened: [] },
};
const record: Write = { store: "records", address: "0", record: null };
const past: Write = { store: "history", address: "0", record: null };
const store = (...writes: Write[]): Effect => ({ kind: "store", ticket: 1, writes, durability: "strict" });
const load: Effect = { kind: "load", ticket: 1, reads: [] };
const scan = (of: "records" | "history"): Effect => ({
  kind: "scan",
  ticket: 1,
  store: of,
  after: "",
  before: "g",
  countMax: 1,
  bytesMax: 1,
});

let quietness: Quietness;
beforeEach(() => {
  quietness = new Quietness();
  quietness.start(0);
});

const step = (...effects: Effect[]): void => quietness.onStep(ADA, WAKE, effects);
const often = (count: number, ...effects: Effect[]): void => {
  for (let i = 0; i < count; i++) step(...effects);
};
/** Of two nodes, after so many seconds. */
const judge = (): void => quietness.judge(SECONDS * 1_000, 2, SCRUB_MS);
const told = (changes: number, upTo: number): NodeEvent => ({
  kind: "message-received",
  at: 0,
  from: BEN,
  epoch: 1,
  message: {
    kind: "recent-reply",
    request: 1,
    log: "log",
    uncovered: [],
    changes: new Array<LoggedChange>(changes).fill({ key: "carts/1" as Key, digest: 1 }),
    upTo,
    more: false,
  },
});

test("nothing at all is quiet, and so is as much as is allowed", () => {
  judge();
  quietness.start(0);
  often(2 * SECONDS * STEPS_PER_NODE_SECOND);
  judge();
  quietness.start(0);
  step(...new Array<Effect>(2 * SECONDS * MESSAGES_PER_NODE_SECOND).fill(question));
  judge();
});

test("more steps or messages than are allowed are not", () => {
  often(2 * SECONDS * STEPS_PER_NODE_SECOND + 1);
  expect(judge).toThrow(/quiet: an idle cluster of 2 nodes took 1601 steps/);
  quietness.start(0);
  step(...new Array<Effect>(2 * SECONDS * MESSAGES_PER_NODE_SECOND + 1).fill(question));
  expect(judge).toThrow(/quiet: .* sent 961 messages/);
});

test("a record that is written or read is not; what is kept of the past may be written", () => {
  step(store(past));
  judge();
  for (const effect of [store(record), store(past, record), load]) {
    quietness.start(0);
    step(effect);
    expect(judge).toThrow(/quiet: .* used its disks 1 times/);
  }
});

test("each node notes once about each other one", () => {
  often(2, store(meta));
  judge();
  quietness.start(0);
  often(3, store(meta));
  expect(judge).toThrow(/quiet: .* noted 3 times/);
});

test("the scrub reads a page in its time at each node; what is kept of the past may be looked through", () => {
  const pages = 2 * (1 + (SECONDS * 1_000) / SCRUB_MS);
  often(pages, scan("records"));
  often(10, scan("history"));
  judge();
  quietness.start(0);
  often(pages + 1, scan("records"));
  expect(judge).toThrow(/quiet: .* read 7 pages/);
});

test("keys that another's log tells of for the first time may be looked up, no more of them and no second time", () => {
  quietness.onStep(ADA, told(2, 7), [load, load]);
  quietness.onStep(ADA, told(1, 8), [load]);
  quietness.onStep(BEN, told(2, 7), [load, load]);
  judge();
  quietness.start(0);
  quietness.onStep(ADA, told(1, 7), [load, load]);
  expect(judge).toThrow(/used its disks 1 times/);
  quietness.start(0);
  quietness.onStep(ADA, told(1, 7), [load]);
  quietness.onStep(ADA, told(1, 7), [load]);
  expect(judge).toThrow(/used its disks 1 times/);
});

test("it looks from its start to its verdict, and counts anew each time", () => {
  step(load);
  expect(judge).toThrow();
  step(load);
  judge();
  quietness.start(0);
  judge();
});
