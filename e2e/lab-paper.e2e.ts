/** The paper's results: what is drawn and what stands in the tables is what the committed figures say. */

import { readFileSync } from "node:fs";
import { type Page, expect } from "@playwright/test";
import type { PaperResults } from "../src/sim/paper-results.ts";
import { demandAccessible, demandWidth, numbersOf, test } from "./lab-page.ts";

const results = JSON.parse(
  readFileSync(new URL("../app/lab/paper-results.json", import.meta.url), "utf8"),
) as PaperResults;

/** Figure 4: each point, each number by the time of day, and the controls, which have no wave. */
async function demandLatencies(page: Page): Promise<void> {
  const { served, controls } = results.figure4;
  const drawn = (name: string) =>
    numbersOf(page, `[data-testid=paper-figure-4] [data-series="${name}"] [data-value]`, "data-value");
  for (const of of ["reads", "writes"] as const) {
    expect(await drawn(`${of}, mean`)).toEqual(served.parts.map((part) => part[of].meanMs));
    expect(await drawn(`${of}, 99.9%`)).toEqual(served.parts.map((part) => part[of].p999Ms));
  }
  expect(await drawn("requests a second")).toEqual(served.parts.map(({ perSecond }) => perSecond));
  const rows = await page.getByTestId("paper-hours").locator("tbody tr").allInnerTexts();
  expect(rows.map((row) => row.trim().split(/\t/).slice(1).map(Number))).toEqual(
    served.byHour.map(({ perSecond, reads, writes }) => [
      perSecond,
      reads.meanMs,
      reads.p999Ms,
      writes.meanMs,
      writes.p999Ms,
    ]),
  );
  for (const { world, byHour } of controls)
    await expect(page.locator(`[data-world="${world}"]`)).toContainText(byHour[3]!.writes.meanMs.toFixed(1));
  await expect(page.getByTestId("paper-figure-4")).toContainText("30 days became 3, and a day 4 minutes");
}

/** Section 6.3: the paper's shares, then every population with its own. */
async function demandVersions(page: Page): Promise<void> {
  const section = page.getByTestId("paper-versions");
  for (const share of results.paperVersions)
    await expect(section.locator('[data-population="the paper"]')).toContainText(`${share}%`);
  await expect(section.locator("tbody tr")).toHaveCount(1 + results.versions.counts.length);
  for (const { population, saw, because } of results.versions.counts) {
    const row = section.locator(`[data-population="${population}"]`);
    await expect(row).toHaveAttribute("data-saw", saw.join(" "));
    const reads = saw.reduce((sum, count) => sum + count, 0);
    const cells = await row.locator("td").allInnerTexts();
    expect(cells.slice(-4).map(Number)).toEqual([reads, because["at once"], because.missed, because.unanswered]);
    for (const [i, count] of saw.entries())
      expect(Math.abs(Number.parseFloat(cells[i]!) - (100 * count) / reads)).toBeLessThanOrEqual(0.0501);
  }
}

for (const width of [360, 1280])
  test(`every figure that is there is drawn, with its numbers, at ${width} px`, async ({ openLab }) => {
    const page = await openLab({ viewport: { width, height: 900 } });
    await page.getByRole("link", { name: "The paper's results" }).click();
    await expect(page.getByTestId("paper")).toBeVisible();
    await demandLatencies(page);
    await demandVersions(page);
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
    await demandWidth(page, width);
  });

test("axe finds nothing on them", async ({ openPage }) => {
  const page = await openPage("#/lab/paper");
  await expect(page.getByTestId("paper")).toBeVisible();
  await demandAccessible(page);
});
