/** What a store shows to tools: every step of its node, what came to its disk, and its faults. */

import { afterEach, expect, test } from "vitest";
import { keyOfRecord } from "./core/address.ts";
import type { Effect } from "./core/effect.ts";
import type { NodeEvent } from "./core/event.ts";
import type { StoredRecord } from "./core/effect.ts";
import { MemoryCluster, nodeId } from "./memory-cluster.ts";
import type { TabringStore } from "./store.ts";

let cluster: MemoryCluster | undefined;
afterEach(() => cluster?.close());

const text = (value: string) => new TextEncoder().encode(value);

interface Seen {
  readonly events: NodeEvent[];
  readonly effects: Effect[];
  readonly stored: { store: "records" | "hints"; address: string; record: StoredRecord | null }[];
  readonly stop: () => void;
}

function watch(store: TabringStore): Seen {
  const seen: Omit<Seen, "stop"> = { events: [], effects: [], stored: [] };
  const stop = store.inspector.observe({
    stepped: (event, effects) => {
      seen.events.push(event);
      seen.effects.push(...effects);
    },
    stored: (store, address, record) => seen.stored.push({ store, address, record }),
  });
  return { ...seen, stop };
}

test("an observer hears of the caller's request, the messages and what came to the disk, and of nothing after it has stopped", async () => {
  cluster = await MemoryCluster.of(3);
  const { clock, stores } = cluster;
  const seen = stores.map(watch);
  await clock.during(stores[0]!.put("carts/ada", text("one book"), { w: 3 }));

  const [here, ...there] = seen;
  expect(here!.events.some((event) => event.kind === "client-put" && event.key === "carts/ada")).toBe(true);
  expect(here!.effects.filter((effect) => effect.kind === "reply")).toHaveLength(1);
  const sent = seen.flatMap(({ effects }) =>
    effects.filter((effect) => effect.kind === "send" && effect.message.kind === "replica-put"),
  );
  expect(sent).toHaveLength(2);
  for (const each of there)
    expect(each.events.some((event) => event.kind === "message-received" && event.message.kind === "replica-put")).toBe(
      true,
    );
  for (const [i, each] of seen.entries()) {
    const last = each.stored.filter(
      ({ store, address }) => store === "records" && keyOfRecord(address) === "carts/ada",
    );
    const { record, damaged, hints } = await stores[i]!.inspector.recordsOf("carts/ada");
    expect(last.at(-1)?.record?.set).toEqual(record?.set);
    expect(record?.set.siblings.map(({ value }) => value)).toEqual([text("one book")]);
    expect([damaged, hints]).toEqual([false, []]);
    expect(each.events.every((event, at) => event.at >= (each.events[at - 1]?.at ?? 0))).toBe(true);
  }
  expect(stores[0]!.inspector.view?.id).toBe(nodeId(1));
  expect(stores[0]!.inspector.statistics?.puts.answered).toBe(1);

  here!.stop();
  const heard = here!.events.length;
  await clock.during(stores[0]!.get("carts/ada"));
  expect(here!.events).toHaveLength(heard);
});

test("an observer that throws harms nobody but itself", async () => {
  cluster = await MemoryCluster.of(1);
  const { clock, stores } = cluster;
  const thrown: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error));
  try {
    const stop = stores[0]!.inspector.observe({
      stepped: () => {
        throw new Error("a fault of the tool");
      },
      stored: () => undefined,
    });
    await clock.during(stores[0]!.put("carts/ada", text("one")));
    stop();
    expect(thrown.map(String)).toContain("Error: a fault of the tool");
    expect((await clock.during(stores[0]!.get("carts/ada"))).values).toEqual([text("one")]);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  }
});

test("the hints on a disk are told with whom they are for", async () => {
  cluster = await MemoryCluster.of(4);
  const { clock, stores } = cluster;
  const key = Array.from({ length: 200 }, (_, i) => `carts/${i}`).find((each) => {
    const owners = stores[0]!.preferenceList(each).filter(({ role }) => role === "owner");
    return owners.every(({ node }) => node !== nodeId(1)) && owners.some(({ node }) => node === nodeId(4));
  });
  if (key === undefined) throw new Error("no key has its place outside of node 1");
  await stores[3]!.close();
  await clock.pass(30_000);
  await clock.during(stores[1]!.put(key, text("for the absent"), { w: 2 }));
  await clock.pass(1_000);
  const kept = await Promise.all(stores.slice(0, 3).map((store) => store.inspector.recordsOf(key)));
  const hints = kept.flatMap((records) => records.hints);
  expect(hints.map(({ target }) => target)).toEqual([nodeId(4)]);
  expect(hints[0]?.record.set.siblings.map(({ value }) => value)).toEqual([text("for the absent")]);
  await expect(stores[3]!.inspector.recordsOf(key)).rejects.toMatchObject({ code: "storage" });
});

test("muted towards the others a node hears and is not heard; healed, it is; and loss is counted by itself", async () => {
  cluster = await MemoryCluster.of(3);
  const { clock, stores } = cluster;
  const [muted, ...others] = stores as [TabringStore, TabringStore, TabringStore];
  muted.faults.mute([nodeId(2), nodeId(3)]);
  expect(muted.faults.muted).toEqual([nodeId(2), nodeId(3)]);
  await clock.pass(30_000);
  const seesOthers = () => muted.nodes().filter(({ self, reachability }) => !self && reachability === "up").length;
  expect(others.map((store) => store.nodes().find(({ node }) => node === nodeId(1))?.reachability)).toEqual([
    "down",
    "down",
  ]);
  muted.faults.lose(20);
  muted.faults.heal();
  expect([muted.faults.muted, muted.faults.perMilleLost]).toEqual([[], 20]);
  muted.faults.lose(0);
  await clock.pass(30_000);
  expect(seesOthers()).toBe(2);
  expect(others.map((store) => store.nodes().find(({ node }) => node === nodeId(1))?.reachability)).toEqual([
    "up",
    "up",
  ]);
});
