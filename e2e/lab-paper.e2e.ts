/** The paper's results: what is drawn and what stands in the tables is what the committed figures say. */

import { readFileSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import { type Browser, chromium, expect, test } from "@playwright/test";
import type { PaperResults } from "../src/sim/paper-results.ts";
import { chromiumLaunch } from "./browser.ts";
import { type StaticFiles, serveStaticFiles } from "./static-files.ts";

let files: StaticFiles;
let browser: Browser;
const results = JSON.parse(
  readFileSync(new URL("../app/lab/paper-results.json", import.meta.url), "utf8"),
) as PaperResults;

test.beforeAll(async () => {
  files = await serveStaticFiles();
  browser = await chromium.launch(chromiumLaunch());
});
test.afterAll(async () => {
  await browser.close();
  await files.close();
});

for (const width of [360, 1280])
  test(`every figure that is there is drawn, with its numbers, at ${width} px`, async () => {
    const page = await (await browser.newContext({ viewport: { width, height: 900 } })).newPage();
    await page.goto(`${files.address}#/lab`);
    await page.getByRole("link", { name: "The paper's results" }).click();
    await expect(page.getByTestId("paper")).toBeVisible();
    const figure5 = page.getByTestId("paper-figure-5");
    for (const { mode, series, p999Ms } of results.figure5) {
      const drawn = await figure5
        .locator(`[data-series="${mode}"] [data-value]`)
        .evaluateAll((all) => all.map((each) => Number(each.getAttribute("data-value"))));
      expect(drawn).toEqual(series);
      await expect(figure5.locator(`[data-mode="${mode}"]`)).toHaveAttribute("data-tail", String(p999Ms));
    }
    const figure8 = page.getByTestId("paper-figure-8");
    for (const placement of [1, 2, 3]) {
      const drawn = await figure8
        .locator(`[data-series="placement ${placement}"] [data-value]`)
        .evaluateAll((all) => all.map((each) => Number(each.getAttribute("data-value"))));
      expect(drawn).toEqual(
        results.figure8.filter((point) => point.placement === placement).map(({ efficiency }) => efficiency.mean),
      );
    }
    for (const { placement, keys, low } of results.figure6)
      await expect(page.locator(`[data-placement="${placement}"][data-keys="${keys}"]`)).toHaveAttribute(
        "data-low",
        String(low.mean),
      );
    await expect(page.getByTestId("paper-table-2").locator("tbody tr")).toHaveCount(2);
    await expect(page.getByTestId("paper-missing")).toContainText("99.94%");
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.context().close();
  });
