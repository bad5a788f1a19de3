/** The committed figures: whole, in their shape, and those that are cheap to make come out the same again. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { clusterOf, efficiencyOf, metadataBytes } from "./paper-balance.ts";
import { PAPER_TABLE_2 } from "./paper-coordination.ts";
import { modes } from "./paper-durability.ts";
import { type PaperResults, paperParameters, roundedSpread } from "./paper-results.ts";

const results = JSON.parse(
  readFileSync(new URL("../../app/lab/paper-results.json", import.meta.url), "utf8"),
) as PaperResults;

test("the file is of the command and the parameters of this build, and has every figure", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    scripts: Readonly<Record<string, string>>;
  };
  expect(scripts[results.command.replace("npm run ", "")]).toBeDefined();
  expect(results.parameters).toEqual(paperParameters);
  expect(results.paperTable2).toEqual(PAPER_TABLE_2);
  expect(results.figure5.map(({ mode }) => mode)).toEqual([...modes]);
  for (const { series, p50Ms, p99Ms, p999Ms, failed } of results.figure5) {
    expect(series).toHaveLength(10);
    expect([...series, p50Ms, p99Ms, p999Ms].every((each) => Number.isFinite(each) && each > 0)).toBe(true);
    expect(failed).toBe(0);
  }
  expect(results.losses).toHaveLength(2 * modes.length);
  expect(results.figure6.map(({ placement, keys }) => `${placement} ${keys}`)).toEqual(
    [1, 2, 3].flatMap((placement) => [`${placement} uniform`, `${placement} zipf`]),
  );
  expect(results.table2.map(({ coordination }) => coordination)).toEqual(["server-driven", "client-driven"]);
  expect(new Set(results.figure8.map(({ placement }) => placement))).toEqual(new Set([1, 2, 3]));
});

test("points of figure 8 come out the same again", () => {
  for (const placement of [1, 2, 3] as const) {
    const point = results.figure8.find((each) => each.placement === placement && each.size === 1_024)!;
    const { partitions, tokensPerNode } = point;
    const found = Array.from({ length: results.parameters.clusters }, (_, i) =>
      efficiencyOf(clusterOf(placement, partitions, tokensPerNode, i + 1)),
    );
    const mean = found.reduce((sum, each) => sum + each, 0) / found.length;
    expect(roundedSpread({ mean, least: Math.min(...found), most: Math.max(...found) })).toEqual(point.efficiency);
    expect(metadataBytes(clusterOf(placement, partitions, tokensPerNode, 1))).toBe(point.bytes);
  }
});

test("what the page says of them is so", () => {
  const tail = new Map(results.figure5.map(({ mode, p999Ms }) => [mode, p999Ms]));
  expect(tail.get("write-through")!).toBeGreaterThan(5 * tail.get("buffered")!);
  const [server, client] = results.table2;
  for (const of of ["reads", "writes"] as const) {
    expect(client![of].mean).toBeLessThan(server![of].mean);
    expect(client![of].p999).toBeLessThan(server![of].p999);
  }
  // Few hot keys: more of a load evens nothing out.
  for (const { keys, low, high } of results.figure6)
    if (keys === "zipf") expect(high.mean).toBeGreaterThan(low.mean - 0.1);
});
