/** A seed of the simulator in the lab: it is opened by its link, runs to the verdict that the simulator gives, and can be gone back in. */

import { type Page, expect } from "@playwright/test";
import { runSeed } from "../src/sim/swarm.ts";
import { linkOfSeed } from "../src/sim/seed-link.ts";
import { demandAccessible, look, type OpenPage, test } from "./lab-page.ts";

/** A small one. */
const SEED = 5;

async function openSeed(openPage: OpenPage, link: string): Promise<Page> {
  const page = await openPage(link, { reducedMotion: "reduce" });
  await expect(page.getByTestId("lab-seed-status")).toBeVisible();
  return page;
}

test("a seed opens by its link, runs to the simulator's own verdict, and can be gone back in", async ({ openPage }) => {
  const outcome = runSeed(SEED);
  const page = await openSeed(openPage, linkOfSeed({ seed: SEED, variant: {}, at: 20_000 }));
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
  await look(page, "World");
  await expect(page.getByTestId("lab-no-run")).toBeVisible();
  await expect(page.getByTestId("lab-cut")).toHaveCount(0);
  await look(page, "Key");
  await expect(page.getByTestId("lab-put")).toHaveCount(0);
  await demandAccessible(page);
});

test("what a link leaves out of a seed is left out", async ({ openPage }) => {
  const variant = { without: ["crashes"], dropActions: [0] };
  const page = await openSeed(openPage, linkOfSeed({ seed: 2, variant, at: 0 }));
  const [, faults = ""] = runSeed(2, variant).shape.split("; ");
  expect(faults).not.toBe(runSeed(2).shape.split("; ")[1]);
  await expect(page.getByTestId("lab-seed-status")).toContainText(faults);
});
