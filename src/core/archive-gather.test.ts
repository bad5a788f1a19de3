/** Whom a gathering asks, in which order, and what it says of those who do not answer. */

import { expect, test } from "vitest";
import { ArchiveGather } from "./archive-gather.ts";
import { type DvvSet, EMPTY, update } from "./dvvset.ts";
import type { Gathered, Gathering } from "./gathering.ts";
import type { Actor, Key, NodeId, OperationId } from "./identifiers.ts";
import { recordDigest } from "./merkle-forest.ts";
import type { ArchivePage, ArchiveRequest } from "./message.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const SHAPE = { nodes: 4, n: 3, r: 2, w: 2, holds: (node: number) => node <= 3 };
const [A, B, C, D] = [1, 2, 3, 4].map(nodeNamed) as [NodeId, NodeId, NodeId, NodeId];
const WANTED: Gathering = {
  partition: 0,
  stores: ["hints", "records"],
  prefix: "",
  moment: 0,
  w: undefined,
  timeoutMs: 10_000,
};
const key = (n: number) => `carts/${n}` as Key;
const record = (n: number): { key: Key; set: DvvSet } => ({
  key: key(n),
  set: update(EMPTY, [], "a".repeat(48) as Actor, {
    operation: n.toString(16).padStart(32, "0") as OperationId,
    at: n,
    value: null,
    checksum: 0,
  }).set,
});

class Fixture {
  readonly surroundings = new StubSurroundings(A, viewOf(SHAPE));
  readonly given: Gathered[] = [];
  /** Questions that have no answer yet. */
  open: { readonly to: NodeId; readonly asked: ArchiveRequest }[] = [];
  readonly #own: ArchiveRequest[] = [];
  readonly gather = new ArchiveGather(this.surroundings, {
    readOwn: (asked) => this.#own.push(asked),
    gathered: (_, what) => this.given.push(what),
  });

  constructor(wanted: Partial<Gathering> = {}, ring = this.surroundings.ring) {
    this.surroundings.ring = ring;
    this.gather.start(7, { ...WANTED, ...wanted });
    this.look();
  }

  /** Takes up what was asked: `1 hints` for the hints of node 1. */
  look(): string[] {
    const sent = this.surroundings.takeSent().map(({ to, message }) => ({ to, asked: message as ArchiveRequest }));
    this.open.push(...this.#own.splice(0).map((asked) => ({ to: A, asked })), ...sent);
    return this.open.map(({ to, asked }) => `${Number.parseInt(to, 16)} ${asked.store}`).sort();
  }

  answer(from: NodeId, page: Partial<ArchivePage> = {}): ArchiveRequest {
    this.look();
    const found = this.open.find(({ to }) => to === from)!;
    this.open = this.open.filter((each) => each !== found);
    const { request, ring } = found.asked;
    this.gather.onPage(from, {
      kind: "archive-page",
      request,
      ring,
      outcome: "page",
      counted: [],
      records: [],
      damaged: 0,
      next: undefined,
      coveredFrom: 0,
      ...page,
    });
    return found.asked;
  }

  pass(ms: number): void {
    for (const _ of this.surroundings.pass(ms)) this.gather.onTimer();
    this.look();
  }
}

test("hints of everybody first, then the records of one who counts, then what others have otherwise", () => {
  const f = new Fixture();
  expect(f.look()).toEqual(["1 hints", "2 hints", "3 hints", "4 hints"]);
  for (const node of [A, B, C]) f.answer(node);
  expect(f.look()).toEqual(["4 hints"]);
  f.answer(D, { records: [record(1)] });
  // A page has come: nothing more is asked until the caller wants more.
  expect(f.given).toEqual([{ outcome: "page", records: [record(1)] }]);
  expect(f.look()).toEqual([]);
  f.gather.more(7);
  expect(f.look()).toEqual(["1 records"]);
  f.answer(A, { records: [record(2), record(3)], next: "00000003carts/3" });
  expect(f.look()).toEqual(["2 records", "3 records"]);
  const { after, through, known } = f.answer(B);
  expect({ after, through, known }).toEqual({
    after: "",
    through: "00000003carts/3",
    known: [record(2), record(3)].map(({ key: name, set }) => ({ key: name, digest: recordDigest(name, set) })),
  });
  f.answer(C, { records: [record(4)] });
  expect(f.given.at(-1)).toEqual({ outcome: "page", records: [record(2), record(3), record(4)] });
  f.gather.more(7);
  expect(f.look()).toEqual(["1 records"]);
  expect(f.answer(A).after).toBe("00000003carts/3");
  f.answer(B);
  f.answer(C);
  expect(f.given.at(-1)).toMatchObject({
    outcome: "done",
    part: { members: [A, B, C, D], unread: [], coversW: 1, attempts: 1 },
  });
  expect(f.gather.size).toBe(0);
});

test("fewer than w may be silent; with more it begins again, and tells when the time is over", () => {
  const f = new Fixture();
  f.surroundings.down.add(D);
  f.gather.onPeerDown(D);
  for (const node of [A, B, C]) f.answer(node);
  for (const node of [A, B, C]) f.answer(node);
  expect(f.given.at(-1)).toMatchObject({ outcome: "done", part: { unread: [D], coversW: 2 } });

  const g = new Fixture();
  for (const node of [C, D]) {
    g.surroundings.down.add(node);
    g.gather.onPeerDown(node);
  }
  g.open = g.open.filter(({ to }) => to === A || to === B);
  for (const node of [A, B]) g.answer(node);
  expect(g.look()).toEqual([]);
  g.pass(1_000);
  expect(g.look()).toEqual(["1 hints", "2 hints"]);
  g.pass(12_000);
  for (let i = 0; i < 8; i++) {
    g.pass(500);
    for (const node of [A, B]) if (g.look().some((asked) => asked.startsWith(String(Number(node))))) g.answer(node);
  }
  for (const { what } of [...g.surroundings.notes]) expect(what).toBe("gather-began");
  expect(g.given.at(-1)).toMatchObject({ outcome: "done", part: { unread: [C, D], coversW: 3 } });
});

test("a view in which few count may be an old one: with one of those unread no more is claimed than that the read ones meet with", () => {
  // Three of the five that are meant to keep each key; the others may have come since, and one acknowledgement alone says nothing of them.
  const old = new Ring(viewOf({ ...SHAPE, nodes: 3, n: 5, r: 3, w: 3 }));
  const f = new Fixture({ timeoutMs: 2_000 }, old);
  for (const node of [B, C]) f.surroundings.down.add(node);
  for (let i = 0; i < 100 && f.given.length === 0; i++) {
    while (f.open.some(({ to }) => to === A)) f.answer(A);
    f.pass(100);
  }
  expect(f.given.at(-1)).toMatchObject({ outcome: "done", part: { unread: [B, C], coversW: 5 } });
});

test("one who refuses is asked again after a while, then another leads", () => {
  const f = new Fixture();
  for (const node of [A, B, C, D]) f.answer(node);
  for (let i = 0; i < 3; i++) {
    f.answer(A, { outcome: "refused" });
    if (i === 2) break;
    expect(f.look()).toEqual([]);
    f.pass(1_000);
    expect(f.look()).toEqual(["1 records"]);
  }
  expect(f.look()).toEqual(["2 records"]);
  f.answer(B, { records: [record(1)] });
  expect(f.look()).toEqual(["3 records"]);
  f.answer(C);
  f.gather.more(7);
  expect(f.given.at(-1)).toMatchObject({ outcome: "done", part: { unread: [A], coversW: 2 } });
});

test("with a damaged record somebody has not given all", () => {
  const f = new Fixture({ w: 1, timeoutMs: 0 });
  for (const node of [A, B, C, D]) f.answer(node, node === D ? { damaged: 1 } : {});
  for (const node of [A, B, C]) f.answer(node);
  expect(f.given.at(-1)).toMatchObject({ outcome: "done", part: { unread: [D], coversW: 2 } });
});

test("when others count, known or told, it begins again", () => {
  const f = new Fixture();
  for (const node of [A, B, C, D]) f.answer(node);
  f.surroundings.ring = new Ring(viewOf({ ...SHAPE, nodes: 5, version: 2 }));
  f.gather.onRing();
  for (const node of [A]) f.answer(node);
  f.pass(1_000);
  expect(f.look()).toEqual(["1 hints", "2 hints", "3 hints", "4 hints", "5 hints"]);

  const g = new Fixture();
  g.answer(B, { counted: [A, B, C, D] });
  for (const node of [A, C, D]) g.answer(node);
  expect(g.look()).toEqual([]);
  g.pass(1_000);
  expect(g.look()).toEqual(["1 hints", "2 hints", "3 hints", "4 hints"]);
});

test("the past is read after the records, and who does not go back far enough is told", () => {
  const f = new Fixture({ stores: ["hints", "records", "history"], moment: 500 });
  for (const node of [A, B, C, D]) f.answer(node);
  for (const node of [A, B, C]) f.answer(node);
  expect(f.look()).toEqual(["1 history", "2 history", "3 history", "4 history"]);
  for (const node of [A, B, C, D]) f.answer(node, { coveredFrom: node === A ? 900 : node === B ? 700 : 0 });
  expect(f.given.at(-1)).toMatchObject({ part: { unread: [A, B], coversW: 3, coveredFrom: 700, attempts: 1 } });
});

test("what is answered late, twice, or by another changes nothing, and one who stops asking is forgotten", () => {
  const f = new Fixture();
  const [first] = f.open;
  f.answer(A);
  f.gather.onPage(B, { ...page(first!.asked.request), records: [record(9)] });
  f.gather.onPage(A, { ...page(first!.asked.request), records: [record(9)] });
  for (const node of [B, C, D]) f.answer(node);
  f.answer(A, { records: [record(1)] });
  for (const node of [B, C]) f.answer(node);
  expect(f.given).toEqual([{ outcome: "page", records: [record(1)] }]);
  f.pass(700_000);
  expect(f.gather.size).toBe(0);
  f.gather.more(7);
  expect(f.given.at(-1)).toEqual({ outcome: "failed", code: "not-ready" });
});

function page(request: number): ArchivePage {
  const rest = { counted: [], records: [], damaged: 0, next: undefined, coveredFrom: 0 };
  return { kind: "archive-page", request, ring: 0, outcome: "page", ...rest };
}
