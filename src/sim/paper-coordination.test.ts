import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { PAPER_TABLE_2, drawWay, formatCoordination, measureCoordination } from "./paper-coordination.ts";

const REQUESTS = 8_000;

test("client-driven coordination is better than server-driven, in the mean and in the tail, for reads and writes (table 2)", () => {
  const server = measureCoordination("server-driven", REQUESTS, 1);
  const client = measureCoordination("client-driven", REQUESTS, 1);
  for (const row of ["reads", "writes"] as const) {
    expect(client[row].mean).toBeLessThan(server[row].mean);
    expect(client[row].median).toBeLessThan(server[row].median);
    expect(client[row].p999).toBeLessThan(server[row].p999);
    expect(PAPER_TABLE_2["client-driven"][row].p999).toBeLessThan(PAPER_TABLE_2["server-driven"][row].p999);
  }
  // Three of four server-driven requests meet a member that does not count, and are handed on: one question and one answer more. A client-driven
  // one is asked and answered once.
  expect(client.messagesPerRequest - server.messagesPerRequest).toBeGreaterThan(0.3);
  expect(client.messagesPerRequest - server.messagesPerRequest).toBeLessThan(0.7);
  const told = formatCoordination([server, client]);
  expect(told).toContain("68.90");
  expect(told.split("\n")).toHaveLength(9);
});

test("the same seed gives the same figures, another one others", () => {
  const figures = measureCoordination("client-driven", 500, 7);
  expect(measureCoordination("client-driven", 500, 7)).toEqual(figures);
  expect(measureCoordination("client-driven", 500, 8)).not.toEqual(figures);
});

test("the ways of messages are distributed as stated", () => {
  const prng = Prng.fromNumber(1);
  const ways = Array.from({ length: 100_000 }, () => drawWay(prng)).sort((a, b) => a - b);
  const mean = ways.reduce((sum, ms) => sum + ms, 0) / ways.length;
  expect(ways[0]).toBeGreaterThanOrEqual(0.25);
  expect(ways.at(-1)).toBeLessThan(0.25 * 2 ** 9);
  expect(mean).toBeGreaterThan(0.54);
  expect(mean).toBeLessThan(0.58);
  expect(ways.filter((ms) => ms >= 8).length / ways.length).toBeCloseTo(1 / 1_024, 3);
});
