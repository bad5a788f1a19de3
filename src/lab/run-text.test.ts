import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acts } from "./act-arbitraries.ts";
import { type LabOptions, defaultLabOptions } from "./options.ts";
import { TEXT_LENGTH_MAX, decodeRun, encodeRun } from "./run-text.ts";
import { type Run, TICKS_PER_MS } from "./timeline.ts";
import { LabError } from "./world.ts";

const options: fc.Arbitrary<LabOptions> = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  nodes: fc.uniqueArray(fc.constantFrom("a", "b", "c", "n1", "longername"), { minLength: 1 }).chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({
          name: fc.constant(name),
          capacity: fc.integer({ min: 1, max: 9 }),
          zone: fc.constantFrom(name, "öst"),
        }),
      ),
    ),
  ),
  parameters: fc.constantFrom(defaultLabOptions.parameters, {
    n: 3,
    r: 1,
    w: 3,
    partitions: 64,
    placement: 1 as const,
    tokensPerNode: 8,
  }),
  latencyMs: fc.constantFrom({ min: 5, max: 5 }, { min: 20, max: 200 }),
  jitterMs: fc.nat(100),
  removeAfterMs: fc.constantFrom(undefined, 10_000),
  reapAfterMs: fc.constant(undefined),
});

const runs: fc.Arbitrary<Run> = fc
  .tuple(options, fc.array(fc.tuple(fc.nat(100_000), acts), { maxLength: 12 }))
  .map(([made, steps]) => {
    let ticks = 0;
    return { options: made, acts: steps.map(([wait, act]) => ({ at: (ticks += wait) / TICKS_PER_MS, act })) };
  });

function refusal(text: string): string | undefined {
  try {
    decodeRun(text);
    return undefined;
  } catch (error) {
    if (error instanceof LabError) return error.code;
    throw error;
  }
}

describe("a run as text", () => {
  test("comes back as it was, in characters that a fragment may have", () => {
    fc.assert(
      fc.property(runs, fc.nat(1_000_000), (run, ticks) => {
        const text = encodeRun({ run, position: ticks / TICKS_PER_MS });
        expect(text).toMatch(/^1\.[A-Za-z0-9_-]+$/);
        const back = decodeRun(text);
        expect(back).toEqual({ run, position: ticks / TICKS_PER_MS });
        expect(encodeRun(back)).toBe(text);
      }),
    );
  });

  test("is short: the usual world with a put and a crash fits into a hundred characters", () => {
    const run: Run = {
      options: defaultLabOptions,
      acts: [
        { at: 0, act: { do: "put", node: "a", key: "carts/ada", value: "milk", context: "seen" } },
        { at: 1_000, act: { do: "crash", node: "b" } },
      ],
    };
    expect(encodeRun({ run, position: 2_000 }).length).toBeLessThan(120);
  });

  test("is refused when any character of it was changed, taken or added", () => {
    fc.assert(
      fc.property(runs, fc.nat(), fc.constantFrom(..."Aa0_-.1z%é \u0000\ud800"), fc.nat(2), (run, place, by, how) => {
        const text = encodeRun({ run, position: 0 });
        const at = place % text.length;
        const changed = text.slice(0, at) + (how === 0 ? "" : by) + text.slice(at + (how === 2 ? 0 : 1));
        fc.pre(changed !== text);
        expect(refusal(changed)).toBe("bad-run");
      }),
      { numRuns: 500 },
    );
  });

  test("has one last character, though some of its bits belong to no byte", () => {
    for (const value of ["", "a", "ab", "abc"]) {
      const acts = [{ at: 0, act: { do: "put", node: "a", key: "k", value, context: "none" } as const }];
      const text = encodeRun({ run: { options: defaultLabOptions, acts }, position: 0 });
      for (const last of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        if (!text.endsWith(last)) expect(refusal(text.slice(0, -1) + last)).toBe("bad-run");
    }
  });

  test("rubbish, and what is too long, is refused by the same error", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(refusal(text)).toBe("bad-run");
      }),
    );
    fc.assert(
      fc.property(fc.base64String(), (text) => {
        expect(refusal(`1.${text}`)).toBe("bad-run");
      }),
    );
    expect(refusal(`1.${"A".repeat(TEXT_LENGTH_MAX)}`)).toBe("bad-run");
    expect(refusal("2.AAAA")).toBe("bad-run");
  });

  test("what is no run is not written", () => {
    const encode = (change: Partial<Run>, position = 0) =>
      encodeRun({ run: { options: defaultLabOptions, acts: [], ...change }, position });
    for (const bad of [
      () => encode({}, -1),
      () => encode({}, Number.NaN),
      () => encode({ options: { ...defaultLabOptions, nodes: [] } }),
      () => encode({ options: { ...defaultLabOptions, seed: 0.5 } }),
      () => encode({ acts: [{ at: 1 / 3, act: { do: "heal" } }] }),
      () => encode({ acts: [5, 4].map((at) => ({ at, act: { do: "heal" } })) }),
      () => encode({ acts: [{ at: 0, act: { do: "crash", node: "\ud800" } }] }),
      () => encode({ acts: [{ at: 0, act: { do: "get", node: "a", key: "\ud800" } }] }),
    ])
      expect(bad).toThrow(LabError);
  });
});
