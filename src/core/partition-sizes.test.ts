/** How much is in some partitions: each is asked of one who holds it, and what nobody tells is left out. */

import { expect, test } from "vitest";
import type { ReadRecord } from "./effect.ts";
import { recordAddress } from "./address.ts";
import type { Key, Partition, Position, RequestId } from "./identifiers.ts";
import { PartitionSizes } from "./partition-sizes.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const [self, b, c] = [nodeNamed(1), nodeNamed(2), nodeNamed(3)];

/** Node 1 holds partition 0, node 2 partitions 1 and 2, node 3 partition 3. */
function world() {
  const holder = [1, 2, 2, 3];
  const view = viewOf({ nodes: 3, n: 1, r: 1, w: 1, partitions: 4, holds: (node, p) => holder[p] === node });
  const surroundings = new StubSurroundings(self, view);
  const sizes = new PartitionSizes(surroundings, { servedPerMinute: () => 9 });
  const asked = () =>
    new Map(
      surroundings.takeSent().flatMap(({ to, message }) => {
        return message.kind === "sizes-request" ? [[to, message] as const] : [];
      }),
    );
  const scan = () => surroundings.effects.flatMap((effect) => (effect.kind === "scan" ? [effect] : [])).at(-1)!;
  const told = () => surroundings.effects.flatMap((effect) => (effect.kind === "report-sizes" ? [effect] : []));
  return { surroundings, sizes, asked, scan, told };
}

function record(key: string, ...bytes: (number | null)[]): { address: string; record: ReadRecord } {
  const siblings = bytes.map((length) => ({ value: length === null ? null : new Uint8Array(length) }));
  const stored = { set: { clock: [], siblings }, minted: undefined } as unknown as ReadRecord;
  return { address: recordAddress(key as Key, "00000000" as Position), record: stored };
}

function reply(request: RequestId, ...sizes: [Partition, number, number][]) {
  return {
    kind: "sizes-reply",
    request,
    sizes: sizes.map(([partition, keys, bytes]) => ({ partition, keys, bytes, servedPerMinute: 9 })),
  } as const;
}

test("holders are asked, the own disk is counted page by page, and the caller hears once", () => {
  const { sizes, asked, scan, told } = world();
  sizes.start(7, [0, 1, 2, 3], 1_000);
  const requests = asked();
  expect(requests.get(b)?.partitions).toEqual([1, 2]);
  expect(requests.get(c)?.partitions).toEqual([3]);
  sizes.onScanned(scan().ticket, [record("ab", 10), record("cd", 1, 2)], false);
  expect(scan().after).toBe(record("cd").address);
  sizes.onScanned(scan().ticket, [record("ef", null), { address: "00000000gh", record: "damaged" }], true);
  sizes.onReply(b, reply(requests.get(b)!.request, [1, 5, 50], [2, 6, 60]));
  // Nobody else may answer for it, and nobody twice.
  sizes.onReply(b, reply(requests.get(b)!.request, [3, 9, 90]));
  expect(told()).toEqual([]);
  sizes.onReply(c, reply(requests.get(c)!.request, [3, 1, 2]));
  expect(told()).toMatchObject([
    {
      request: 7,
      sizes: [
        { partition: 0, keys: 3, bytes: 6 + 13 },
        { partition: 1, keys: 5, bytes: 50 },
        { partition: 2, keys: 6, bytes: 60 },
        { partition: 3, keys: 1, bytes: 2 },
      ],
    },
  ]);
  expect(sizes.size).toBe(0);
});

test("who is silent, goes down, or cannot read is left out", () => {
  const { surroundings, sizes, scan, told } = world();
  surroundings.down.add(c);
  sizes.start(7, [0, 1, 3], 1_000);
  sizes.onFailed(scan().ticket);
  expect(told()).toEqual([]);
  sizes.onPeerDown(b);
  expect(told()).toMatchObject([{ request: 7, sizes: [] }]);

  sizes.start(8, [1], 1_000);
  const [name] = surroundings.pass(1_000);
  sizes.onTimeout(Number(name!.split(":")[1]));
  expect(told().at(-1)).toMatchObject({ request: 8, sizes: [] });
});

test("what a peer asks is counted and told to it, one count after the other", () => {
  const { surroundings, sizes, scan } = world();
  sizes.onRequest(b, { kind: "sizes-request", request: 1, partitions: [0, 9] });
  sizes.onRequest(c, { kind: "sizes-request", request: 2, partitions: [0] });
  sizes.onScanned(scan().ticket, [record("ab", 1)], true);
  sizes.onScanned(scan().ticket, [], true);
  const answers = surroundings.takeSent().map(({ to, message }) => ({ to, message }));
  expect(answers).toEqual([
    { to: b, message: reply(1, [0, 1, 3]) },
    { to: c, message: reply(2, [0, 0, 0]) },
  ]);
});
