/** Carts side by side in the lab: what is drawn is what the strategies make of the versions that the nodes hold, and what is chosen replaces them. */

import AxeBuilder from "@axe-core/playwright";
import { type Browser, type Page, chromium, expect, test } from "@playwright/test";
import type { Key } from "../src/core/identifiers.ts";
import { chromiumLaunch } from "./browser.ts";
import { type StaticFiles, serveStaticFiles } from "./static-files.ts";

let files: StaticFiles;
let browser: Browser;
let page: Page;
const troubles: string[] = [];
test.beforeAll(async () => {
  files = await serveStaticFiles();
  browser = await chromium.launch(chromiumLaunch());
});
test.afterAll(async () => {
  await browser.close();
  await files.close();
});
test.beforeEach(async () => {
  troubles.length = 0;
  page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => troubles.push(String(error)));
  await page.goto(`${files.address}#/lab`);
});
test.afterEach(async () => {
  await page.context().close();
  expect(troubles).toEqual([]);
});

const outcome = (strategy: string) => page.locator(`[data-testid=lab-cart-outcome][data-strategy="${strategy}"]`);
const itemsOf = (strategy: string) => outcome(strategy).locator("[data-items]").getAttribute("data-items");
const shopper = (by: string) => page.locator(`[data-shopper="${by}"]`);
const found = () => page.getByTestId("lab-carts-found");

/** The books of each version that the disks of the nodes have, "emma:1" and so on, sorted. */
function onDisks(): Promise<string[]> {
  return page.evaluate(() => {
    const { world, nodes } = window.tabringLab!.scene;
    const carts = new Set<string>();
    for (const { id } of nodes)
      for (const { value } of world.recordsOf(id, "carts/ada" as Key).record?.siblings ?? []) {
        if (value === null) continue;
        const [, , items] = JSON.parse(new TextDecoder().decode(value)) as [number, string, [string, number][]];
        carts.add(items.map((item) => item.join(":")).join(" "));
      }
    return [...carts].sort();
  });
}

test("the story: two versions, four ways and one more, what each loses and brings back, and a choice that replaces both", async () => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(request.url()));
  await expect(page.getByTestId("lab-clock")).toBeVisible();
  expect(loaded.filter((url) => url.includes("CartsPanel"))).toEqual([]);
  await page.getByRole("tab", { name: "Carts", exact: true }).click();
  await expect(page.getByTestId("lab-carts")).toBeVisible();
  expect(loaded.filter((url) => url.includes("CartsPanel"))).not.toEqual([]);

  await page.getByTestId("lab-carts-story").click();
  await page.getByTestId("lab-carts-finish").click();
  await expect(found()).toHaveAttribute("data-found", "2");
  expect(await onDisks()).toEqual(["dune:1", "dune:1 emma:1 ulysses:1"]);
  expect(await itemsOf("last-write-wins")).toBe("dune:1");
  expect(await itemsOf("union")).toBe("dune:1 emma:1 ulysses:1");
  expect(await itemsOf("observed-remove")).toBe("dune:1 ulysses:1");
  expect(await itemsOf("yjs")).toBe("dune:1 ulysses:1");
  await expect(outcome("last-write-wins").getByTestId("lab-cart-effects")).toContainText("Loses Ulysses");
  await expect(outcome("union").getByTestId("lab-cart-effects")).toContainText("Brings back Emma");
  for (const strategy of ["observed-remove", "yjs"])
    await expect(outcome(strategy).getByTestId("lab-cart-effects")).toContainText("Loses nothing");

  for (const scheme of ["light", "dark"] as const)
    for (const width of [360, 1280]) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 900 });
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }

  await outcome("ask-me").locator("input[data-book=walden]").fill("2");
  await outcome("ask-me").locator("input[data-book=walden]").blur();
  await outcome("ask-me").getByTestId("lab-cart-use").click();
  await expect(found()).toHaveAttribute("data-found", "1");
  await expect(found()).toHaveAttribute("data-versions", "1");
  await page.getByTestId("lab-skip").click();
  expect(await onDisks()).toEqual(["dune:1 ulysses:1 walden:2"]);
});

test("by hand: two shoppers on two sides of a cut, and the union that writes the removed book back", async () => {
  await page.getByRole("tab", { name: "Carts", exact: true }).click();
  const step = (by: string, book: string, by1: 1 | -1) =>
    shopper(by).locator(`[data-book="${book}"] [data-step="${by1}"]`).click();
  await shopper("phone").getByTestId("lab-shopper-read").click();
  await step("phone", "emma", 1);
  await shopper("laptop").getByTestId("lab-shopper-read").click();
  await expect(shopper("laptop").locator("[data-items]")).toHaveAttribute("data-items", "emma:1");
  await page.getByRole("tab", { name: "World", exact: true }).click();
  for (const name of ["b", "c"]) await page.getByRole("button", { name, exact: true }).last().click();
  await page.getByTestId("lab-cut").click();
  for (let i = 0; i < 3; i++) await page.getByTestId("lab-skip").click();
  await page.getByRole("tab", { name: "Carts", exact: true }).click();
  await step("phone", "emma", -1);
  await step("laptop", "dune", 1);
  await page.getByRole("tab", { name: "World", exact: true }).click();
  await page.getByTestId("lab-heal").click();
  for (let i = 0; i < 20; i++) await page.getByTestId("lab-skip").click();
  await page.getByRole("tab", { name: "Carts", exact: true }).click();
  await page.getByTestId("lab-carts-read").click();
  await expect(found()).toHaveAttribute("data-found", "2");
  await outcome("union").getByTestId("lab-cart-use").click();
  await expect(found()).toHaveAttribute("data-found", "1");
  await page.getByTestId("lab-skip").click();
  expect(await onDisks()).toEqual(["dune:1 emma:1"]);
});
