/** A seed of the simulator in the lab: it is opened by its link, runs to the verdict that the simulator gives, and can be gone back in. */

import { type Browser, type Page, chromium, expect, test } from "@playwright/test";
import { runSeed } from "../src/sim/swarm.ts";
import { linkOfSeed } from "../src/sim/seed-link.ts";
import { chromiumLaunch } from "./browser.ts";
import { demandAccessible } from "./lab-page.ts";
import { type StaticFiles, serveStaticFiles } from "./static-files.ts";

/** A small one. */
const SEED = 5;

let files: StaticFiles;
let browser: Browser;
test.beforeAll(async () => {
  files = await serveStaticFiles();
  browser = await chromium.launch(chromiumLaunch());
});
test.afterAll(async () => {
  await browser.close();
  await files.close();
});

async function opened(link: string): Promise<Page> {
  const page = await (await browser.newContext({ reducedMotion: "reduce" })).newPage();
  await page.goto(`${files.address}${link}`);
  await expect(page.getByTestId("lab-seed-status")).toBeVisible();
  return page;
}

test("a seed opens by its link, runs to the simulator's own verdict, and can be gone back in", async () => {
  const outcome = runSeed(SEED);
  const page = await opened(linkOfSeed({ seed: SEED, variant: {}, at: 20_000 }));
  expect(await page.evaluate(() => window.tabringLab!.scene.now)).toBe(20_000);
  const then = await page.evaluate(() => window.tabringLab!.scene.world.trace.at(-1)!.label);
  await page.getByTestId("lab-seed-run").click();
  await expect(page.getByTestId("lab-seed-verdict")).toContainText("all invariants held");
  await expect(page.getByTestId("lab-seed-status")).toContainText(outcome.shape);
  expect(await page.evaluate(() => window.tabringLab!.scene.now)).toBe(outcome.simulatedMs);
  expect(await page.evaluate(() => window.tabringLab!.scene.nodes.filter(({ isLight }) => !isLight).length)).toBe(
    outcome.nodes,
  );
  await page.getByTestId("lab-scrub").fill("20000");
  await expect(page.getByTestId("lab-seed-verdict")).toHaveCount(0);
  expect(await page.evaluate(() => window.tabringLab!.scene.world.trace.at(-1)!.label)).toBe(then);
  // Nobody acts in it.
  await page.getByRole("tab", { name: "World" }).click();
  await expect(page.getByTestId("lab-no-run")).toBeVisible();
  await expect(page.getByTestId("lab-cut")).toHaveCount(0);
  await page.getByRole("tab", { name: "Key" }).click();
  await expect(page.getByTestId("lab-put")).toHaveCount(0);
  await demandAccessible(page);
  await page.context().close();
});

test("what a link leaves out of a seed is left out", async () => {
  const variant = { without: ["crashes"], dropActions: [0] };
  const page = await opened(linkOfSeed({ seed: 2, variant, at: 0 }));
  const [, faults = ""] = runSeed(2, variant).shape.split("; ");
  expect(faults).not.toBe(runSeed(2).shape.split("; ")[1]);
  await expect(page.getByTestId("lab-seed-status")).toContainText(faults);
  await page.context().close();
});
