/**
 * How smoothly the lab draws: 60 simulated nodes with gossip and callers, played at several speeds in headless Chromium; the times between frames are
 * reported, and nothing is asserted. Pages are those of the last build (npx vite build app).
 *
 *   npm run bench:lab -- [--nodes 60] [--seconds 10] [--json]
 */

import { parseArgs } from "node:util";
import { chromium } from "@playwright/test";
import type { LabAct } from "../../src/lab/acts.ts";
import { defaultLabOptions } from "../../src/lab/options.ts";
import { encodeRun } from "../../src/lab/run-text.ts";
import { chromiumLaunch } from "../browser.ts";
import { serveStaticFiles } from "../static-files.ts";

/** Of real time; as the page offers them. */
const SPEEDS = [0.05, 0.2, 1] as const;
const LOAD: LabAct = {
  do: "load",
  bucket: "load",
  perSecond: 20,
  readsPercent: 50,
  keys: 200,
  zipf: true,
  seed: 1,
  forMs: 600_000,
};
const FRAME_MS_OF_30 = 1_000 / 30;

interface Frames {
  readonly speed: number;
  readonly frames: number;
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Of the frames, those that came within a thirtieth of a second. */
  readonly inTime: number;
  /** How many of the world's milliseconds passed. */
  readonly worldMs: number;
}

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "60" },
    seconds: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  },
});
const [nodes, seconds] = [Number(values.nodes), Number(values.seconds)];
const options = {
  ...defaultLabOptions,
  nodes: Array.from({ length: nodes }, (_, i) => ({ name: `n${i}`, capacity: 1, zone: `z${i % 6}` })),
  parameters: { ...defaultLabOptions.parameters, partitions: 256 },
};
const run = encodeRun({ run: { options, acts: [{ at: 0, act: LOAD }] }, position: 0 });

const files = await serveStaticFiles();
const browser = await chromium.launch(chromiumLaunch());
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const openedAt = performance.now();
await page.goto(`${files.address}#/lab?run=${run}`);
await page.getByTestId("lab-clock").waitFor({ timeout: 120_000 });
const openedMs = Math.round(performance.now() - openedAt);

const measured: Frames[] = [];
for (const speed of SPEEDS) {
  await page.getByTestId("lab-speed").selectOption(String(speed));
  const before = await page.evaluate(() => window.tabringLab?.frame.now ?? 0);
  await page.getByTestId("lab-play").click();
  const times = await page.evaluate(async (forMs) => {
    const frames: number[] = [];
    const begun = performance.now();
    while (performance.now() - begun < forMs) frames.push(await new Promise<number>(requestAnimationFrame));
    return frames;
  }, seconds * 1_000);
  await page.getByTestId("lab-play").click();
  const after = await page.evaluate(() => window.tabringLab?.frame.now ?? 0);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  const sorted = gaps.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1));
  measured.push({
    speed,
    frames: gaps.length,
    perSecond: Number((gaps.length / seconds).toFixed(1)),
    medianMs: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    inTime: Number((gaps.filter((gap) => gap <= FRAME_MS_OF_30 + 1).length / gaps.length).toFixed(3)),
    worldMs: Math.round(after - before),
  });
}
await browser.close();
await files.close();

if (values.json) console.log(JSON.stringify({ nodes, openedMs, measured }));
else {
  console.log(`${nodes} nodes, opened in ${openedMs} ms`);
  console.table(measured);
}
