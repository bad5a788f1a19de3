import { expect, test } from "vitest";
import { type LabOptions, defaultLabOptions, optionsFault } from "./options.ts";

test("options that no world can be made of are told in words", () => {
  expect(optionsFault(defaultLabOptions)).toBeUndefined();
  const node = { name: "a", capacity: 1, zone: "a" };
  const faults: readonly (readonly [Partial<LabOptions>, RegExp])[] = [
    [{ seed: -1 }, /seed/],
    [{ seed: 2 ** 32 }, /seed/],
    [{ nodes: [] }, /0 nodes/],
    [{ nodes: [node, node] }, /two nodes a/],
    [{ nodes: [{ ...node, name: "Ä" }] }, /no name/],
    [{ nodes: [{ ...node, capacity: 0 }] }, /no node has capacity/],
    [{ nodes: [{ ...node, zone: "\ud800" }] }, /zone/],
    [{ latencyMs: { min: 5, max: 4 } }, /latency/],
    [{ jitterMs: 0.5 }, /jitter/],
    [{ removeAfterMs: 1 }, /5 seconds/],
    [{ removeAfterMs: 10_000, reapAfterMs: 10_000 }, /cannot reap/],
    [{ parameters: { ...defaultLabOptions.parameters, n: 0 } }, /n is 0/],
  ];
  for (const [change, fault] of faults)
    expect(optionsFault({ ...defaultLabOptions, ...change }), JSON.stringify(change)).toMatch(fault);
});
