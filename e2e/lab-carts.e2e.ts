/** Carts side by side in the lab: what is drawn is what the strategies make of the versions that the nodes hold, and what is chosen replaces them. */

import { type Page, expect } from "@playwright/test";
import type { Key } from "../src/core/identifiers.ts";
import { demandAccessible, look, pass, test } from "./lab-page.ts";

let page: Page;
test.beforeEach(async ({ openLab }) => {
  page = await openLab();
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
  const isLoaded = () =>
    page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => name.includes("CartsPanel")));
  expect(await isLoaded()).toBe(false);
  await look(page, "Carts");
  await expect(page.getByTestId("lab-carts")).toBeVisible();
  expect(await isLoaded()).toBe(true);

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

  await demandAccessible(page);

  await outcome("ask-me").locator("input[data-book=walden]").fill("2");
  await outcome("ask-me").locator("input[data-book=walden]").blur();
  await outcome("ask-me").getByTestId("lab-cart-use").click();
  await expect(found()).toHaveAttribute("data-found", "1");
  await expect(found()).toHaveAttribute("data-versions", "1");
  await pass(page, 1);
  expect(await onDisks()).toEqual(["dune:1 ulysses:1 walden:2"]);
});

test("by hand: two shoppers on two sides of a cut, and the union that writes the removed book back", async () => {
  await look(page, "Carts");
  const step = (by: string, book: string, by1: 1 | -1) =>
    shopper(by).locator(`[data-book="${book}"] [data-step="${by1}"]`).click();
  await shopper("phone").getByTestId("lab-shopper-read").click();
  await step("phone", "emma", 1);
  await shopper("laptop").getByTestId("lab-shopper-read").click();
  await expect(shopper("laptop").locator("[data-items]")).toHaveAttribute("data-items", "emma:1");
  await look(page, "World");
  for (const name of ["b", "c"]) await page.getByRole("button", { name, exact: true }).last().click();
  await page.getByTestId("lab-cut").click();
  await pass(page, 3);
  await look(page, "Carts");
  await step("phone", "emma", -1);
  await step("laptop", "dune", 1);
  await look(page, "World");
  await page.getByTestId("lab-heal").click();
  await pass(page, 20);
  await look(page, "Carts");
  await page.getByTestId("lab-carts-read").click();
  await expect(found()).toHaveAttribute("data-found", "2");
  await outcome("union").getByTestId("lab-cart-use").click();
  await expect(found()).toHaveAttribute("data-found", "1");
  await pass(page, 1);
  expect(await onDisks()).toEqual(["dune:1 emma:1"]);
});
