/** The giving side of a transfer alone: node 1 gives pages of partition 0, which node 2 owns now. */

import { expect, test } from "vitest";
import { positionOf, recordAddress } from "./address.ts";
import { EMPTY } from "./dvvset.ts";
import type { Effect } from "./effect.ts";
import type { Key } from "./identifiers.ts";
import type { TransferRequest } from "./message.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { TransferSource } from "./transfer-source.ts";

const PAGES_MAX = 64;
const ADA = "carts/ada" as Key;
const [self, other] = [nodeNamed(1), nodeNamed(2)];

function setUp() {
  const around = new StubSurroundings(self, viewOf({ nodes: 2, n: 2, r: 1, w: 1 }));
  const source = new TransferSource(around);
  const scans = () =>
    around.effects.filter((effect): effect is Extract<Effect, { kind: "scan" }> => effect.kind === "scan");
  const replies = () =>
    around.takeSent().map(({ to, message }) => (message.kind === "transfer-page" ? { to, ...message } : message));
  return { around, source, scans, replies };
}

const asked = (request: number, partition = 0): TransferRequest => ({
  kind: "transfer-request",
  request,
  partition,
  after: "",
  bytesMax: 1_000,
});

test("a page is read and given, and the next one begins where it ended", () => {
  const { source, scans, replies } = setUp();
  source.onRequest(other, asked(7));
  expect(source.concerns(0)).toBe(true);
  const address = recordAddress(ADA, positionOf(ADA));
  const entry = { address, record: { set: EMPTY, minted: undefined } };
  expect(source.onScanned(scans()[0]!.ticket, [entry], false)).toBe(true);
  const records = [{ key: "carts/ada", set: EMPTY }];
  expect(replies()).toMatchObject([{ to: other, request: 7, outcome: "page", records, next: address }]);
  expect(source.size).toBe(0);
  expect(source.onScanned(scans()[0]!.ticket, [entry], true)).toBe(false);
});

test("a page waits for a slice, and is read when there is one", () => {
  const { around, source, scans, replies } = setUp();
  around.slices = 0;
  source.onRequest(other, asked(1));
  source.onRequest(other, asked(2));
  expect(scans()).toEqual([]);
  around.slices = 1;
  source.onSlice();
  expect(scans()).toHaveLength(1);
  around.slices = 1;
  source.onSlice();
  expect(scans()).toHaveLength(2);
  expect(replies()).toEqual([]);
});

test("who has waited for too long, or has started anew since, has asked another one by now", () => {
  const { around, source, scans } = setUp();
  around.slices = 0;
  source.onRequest(other, asked(1));
  around.now += around.config.transferTimeoutMs;
  around.slices = 1;
  source.onSlice();
  expect(scans()).toEqual([]);
  around.slices = 0;
  source.onRequest(other, asked(2));
  around.down.add(other);
  around.slices = 1;
  source.onSlice();
  expect(scans()).toEqual([]);
  expect(source.size).toBe(0);
});

test("what is not here, not the asker's, cannot be read, or is one page too many is refused", () => {
  const { source, scans, replies } = setUp();
  source.onRequest(nodeNamed(3), asked(1));
  source.onRequest(other, asked(2, 8));
  source.onRequest(other, asked(3));
  expect(source.onFailed(scans()[0]!.ticket)).toBe(true);
  source.onRequest(other, asked(4));
  const unread = { address: recordAddress(ADA, positionOf(ADA)), record: "failed" as const };
  source.onScanned(scans()[1]!.ticket, [unread], true);
  for (let i = 0; i <= PAGES_MAX; i++) source.onRequest(other, asked(10 + i));
  expect(replies()).toMatchObject(
    [1, 2, 3, 4, 10 + PAGES_MAX].map((request) => ({ request, outcome: "refused", records: [] })),
  );
});
