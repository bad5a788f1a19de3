/** The lab on a page of its own, for the tests of its panels: opened on a new world, and looked at on a phone and on a desk. */

import AxeBuilder from "@axe-core/playwright";
import { type Browser, type Page, expect } from "@playwright/test";
import type { StaticFiles } from "./static-files.ts";

export interface LabPage {
  readonly page: Page;
  /** Errors and warnings of the page. */
  readonly troubles: readonly string[];
}

export async function openLab(browser: Browser, files: StaticFiles): Promise<LabPage> {
  const page = await (await browser.newContext()).newPage();
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") troubles.push(message.text());
  });
  await page.goto(`${files.address}#/lab`);
  await expect(page.getByTestId("lab-clock")).toBeVisible();
  return { page, troubles };
}

/** Opens a panel. */
export async function look(page: Page, panel: string): Promise<void> {
  await page.getByRole("tab", { name: panel, exact: true }).click();
}

/** Lets seconds of the world pass. */
export async function pass(page: Page, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) await page.getByTestId("lab-skip").click();
}

/** As it stands now, in both themes and at both widths: axe finds nothing, and nothing sticks out. */
export async function demandAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const)
    for (const width of [360, 1280]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 900 });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const found = violations.map(({ id, nodes }) => `${colorScheme} ${width}: ${id}: ${nodes[0]?.html ?? ""}`);
      expect(found).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
}

export async function numbersOf(page: Page, selector: string, attribute: string): Promise<number[]> {
  return page
    .locator(selector)
    .evaluateAll((all, name) => all.map((each) => Number(each.getAttribute(name))), attribute);
}
