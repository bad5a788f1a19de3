/** The committed figures: whole, in their shape, and those that are cheap to make come out the same again. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { clusterOf, efficiencyOf, metadataBytes } from "./paper-balance.ts";
import { PAPER_TABLE_2 } from "./paper-coordination.ts";
import { modes } from "./paper-durability.ts";
import { PARTS_OF_DAY, worlds } from "./paper-latencies.ts";
import { type PaperResults, paperParameters, roundedSpread } from "./paper-results.ts";
import { PAPER_VERSIONS, POPULATIONS, countVersions } from "./paper-versions.ts";

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
  const { served, controls } = results.figure4;
  expect([served, ...controls].map(({ world }) => world)).toEqual([...worlds]);
  expect([served, ...controls].map(({ failed }) => failed)).toEqual([0, 0, 0]);
  expect(served.parts).toHaveLength(results.parameters.days * PARTS_OF_DAY);
  expect(results.paperVersions).toEqual([...PAPER_VERSIONS]);
  expect(results.versions.counts.map(({ population }) => population)).toEqual(POPULATIONS.map(({ name }) => name));
  for (const { saw, counted } of results.versions.counts) expect(counted).toEqual(saw);
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

test("versions of the smallest population come out the same again", () => {
  const [{ seed, seconds, counts }, two] = [results.versions, POPULATIONS[2]!];
  expect(countVersions(seed, two, seconds)).toEqual(counts[2]);
});

test("what the page says of them is so", () => {
  const [early, noon] = [1, 3].map((part) => results.figure4.served.byHour[part]!);
  for (const of of ["reads", "writes"] as const) {
    expect(noon![of].meanMs).toBeGreaterThan(1.2 * early![of].meanMs);
    expect(noon![of].p999Ms).toBeGreaterThan(2 * early![of].p999Ms);
    for (const { byHour } of results.figure4.controls)
      expect(Math.abs(byHour[3]![of].meanMs / byHour[1]![of].meanMs - 1)).toBeLessThan(0.1);
  }
  const [alone, , robots, , , crashes, cuts, day] = results.versions.counts.map(
    ({ saw }) => 1 - saw[0]! / saw.reduce((sum, each) => sum + each, 0),
  );
  expect(alone).toBe(0);
  expect(Math.max(crashes!, cuts!)).toBeLessThan(robots! / 100);
  expect(day).toBeLessThan(0.02);
  const { because } = results.versions.counts.at(-1)!;
  expect(because["at once"]).toBeGreaterThan(5 * (because.missed + because.unanswered));
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
