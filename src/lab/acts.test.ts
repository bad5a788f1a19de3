import fc from "fast-check";
import { expect, test } from "vitest";
import { acts } from "./act-arbitraries.ts";
import { type LabAct, actFault, describeAct, isNodeName, namesIn } from "./acts.ts";

test("acts that can be done have no fault, and words", () => {
  fc.assert(
    fc.property(acts, (act) => {
      expect(actFault(act)).toBeUndefined();
      expect(describeAct(act)).not.toBe("");
      expect(namesIn(act).every(isNodeName)).toBe(true);
    }),
  );
});

const load = {
  do: "load",
  bucket: "load",
  perSecond: 10,
  readsPercent: 50,
  keys: 5,
  zipf: false,
  seed: 1,
  forMs: 1_000,
} as const;

test("what is never right is told in words", () => {
  const faults: readonly (readonly [LabAct, RegExp])[] = [
    [{ do: "crash", node: "A b" }, /no name/],
    [{ do: "get", node: "a", key: "" }, /key/],
    [{ do: "get", node: "a", key: "k".repeat(1_025) }, /key/],
    [{ do: "get", node: "a", key: "\ud800" }, /key/],
    [{ do: "get", node: "a", key: "k", r: 0 }, /r is 0/],
    [{ do: "put", node: "a", key: "k", value: "v".repeat(1_001), context: "none" }, /value/],
    [{ do: "put", node: "a", key: "k", value: "v", context: "none", w: 1.5 }, /w is 1.5/],
    [{ do: "freeze", node: "a", forMs: 0 }, /time/],
    [{ do: "freeze", node: "a", forMs: Number.NaN }, /time/],
    [{ do: "slow", node: "a", factor: 0 }, /factor/],
    [{ do: "loss", perMille: -1 }, /loss/],
    [{ do: "cut", side: [], other: ["a"] }, /side/],
    [{ do: "cut-one-way", from: ["a", "b"], to: ["b"] }, /both sides/],
    [{ do: "join", name: "f", capacity: -1, zone: "x", via: "a", light: false }, /capacity/],
    [{ do: "join", name: "f", capacity: 1, zone: "", via: "a", light: false }, /zone/],
    [{ do: "delay", flight: 0, byMs: 5 }, /flight/],
    [{ do: "bucket", node: "a", bucket: "carts", policy: "merge:" }, /policy/],
    [{ do: "leave", node: "a", planned: -1 }, /plan/],
    [{ ...load, perSecond: 501 }, /rate/],
    [{ ...load, readsPercent: 101 }, /share of reads/],
    [{ ...load, keys: 0 }, /number of keys/],
    [{ ...load, bucket: "" }, /bucket/],
    [{ ...load, forMs: 0 }, /time/],
    [{ ...load, seed: -1 }, /seed/],
    [{ do: "move", node: "a", swaps: [], planned: 1 }, /1 to 64 pairs/],
    [{ do: "move", node: "a", swaps: [[0, 4_096]], planned: 1 }, /token/],
    [{ do: "move", node: "a", swaps: [[0, 1]], planned: 0.5 }, /plan/],
  ];
  for (const [act, fault] of faults) expect(actFault(act), JSON.stringify(act)).toMatch(fault);
});
