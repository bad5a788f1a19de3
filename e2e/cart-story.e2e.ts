/** What the shop is for, by its own buttons: carts survive cut networks, conflicts are seen and reconciled, and adding to a cart never fails. */

import { expect, type Locator, test } from "@playwright/test";
import { type Cluster, openCluster, type Tab, waitUntil } from "./cluster.ts";
import { demandAccessible } from "./lab-page.ts";

const CART = "story";
const KEY = `carts/${CART}`;

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 5, cart: CART });
  for (const { page } of cluster.tabs) {
    await expect(page.getByTestId("catalogue")).toHaveAttribute("data-phase", "ready", { timeout: 60_000 });
    await expect(page.getByTestId("cart")).toHaveAttribute("data-opened", "true");
  }
});
test.afterEach(() => cluster.close());

/** The book's place in the cart of this tab. */
const inCart = (tab: Tab, book: string): Locator => tab.page.locator(`[data-testid=cart-item][data-book="${book}"]`);

/** In front, as a user has it: a tab behind others draws about once a second, and a click waits for two frames. */
async function click(tab: Tab, target: Locator): Promise<void> {
  await tab.page.bringToFront();
  await target.click();
}

async function add(tab: Tab, book: string): Promise<void> {
  await click(tab, tab.page.locator(`[data-testid=book][data-book="${book}"]`).getByTestId("add-to-cart"));
  await expect(inCart(tab, book)).toBeVisible();
}

/** Until the tab's last change is kept: by so many replicas as asked for, or by one. */
async function kept(tab: Tab, how: "confirmed" | "one"): Promise<void> {
  await expect(tab.page.getByTestId("cart")).toHaveAttribute("data-kept", how);
}

/** What the tab shows of the cart. */
async function shownCart(tab: Tab): Promise<Record<string, string>> {
  return Object.fromEntries(
    await tab.page
      .getByTestId("cart-item")
      .evaluateAll((items: HTMLElement[]) => items.map((item) => [item.dataset["book"], item.dataset["quantity"]])),
  ) as Record<string, string>;
}

test("cut 2 | 3, change one cart on both sides, heal: two siblings everywhere; one tab reconciles: one cart everywhere", async () => {
  test.setTimeout(180_000);
  const [ada, bela, chidi, dora, emil] = cluster.tabs as [Tab, Tab, Tab, Tab, Tab];
  const books = await ada.page
    .getByTestId("book")
    .evaluateAll((shown: HTMLElement[]) => shown.map((book) => book.dataset["book"] ?? ""));
  const [first, second, third] = books as [string, string, string];

  await add(ada, first);
  await kept(ada, "confirmed");
  for (const tab of cluster.tabs) await expect(inCart(tab, first)).toHaveAttribute("data-quantity", "1");

  // Ada and Bela here, the three others there; the server stays with the three.
  const here = [await ada.node(), await bela.node()];
  await click(ada, ada.page.getByTestId("fault-choose"));
  for (const side of await ada.page.getByTestId("side").all()) {
    const node = await side.getAttribute("data-node");
    await side.getByTestId(here.some((own) => own === node) ? "side-1" : "side-2").check();
  }
  await click(ada, ada.page.getByTestId("fault-split"));
  for (const tab of cluster.tabs) {
    await expect(tab.page.getByTestId("status-cuts")).toBeVisible();
    const reachable = tab === ada || tab === bela ? 2 : 3;
    await expect(tab.page.getByTestId("status-nodes")).toHaveAttribute("data-reachable", String(reachable));
  }

  await add(ada, second);
  await kept(ada, "confirmed");
  await add(chidi, third);
  await click(chidi, inCart(chidi, first).getByTestId("cart-remove"));
  await expect(inCart(chidi, first)).toHaveCount(0);
  await kept(chidi, "confirmed");
  await expect.poll(() => shownCart(bela)).toEqual({ [first]: "1", [second]: "1" });
  for (const tab of [dora, emil]) await expect.poll(() => shownCart(tab)).toEqual({ [third]: "1" });

  await click(dora, dora.page.getByTestId("fault-heal"));
  for (const tab of cluster.tabs) {
    await expect(tab.page.getByTestId("status-cuts")).toHaveCount(0);
    await expect(tab.page.getByTestId("siblings")).toHaveAttribute("data-count", "2", { timeout: 30_000 });
  }
  const { operations } = await ada.get(KEY);
  expect(operations).toHaveLength(2);
  for (const tab of cluster.tabs) {
    expect((await tab.get(KEY)).operations).toEqual(operations);
    const shown = await tab.page
      .getByTestId("sibling")
      .evaluateAll((siblings: HTMLElement[]) => siblings.map((sibling) => sibling.dataset["operation"]));
    expect(shown.sort()).toEqual(operations);
  }

  await emil.page.bringToFront();
  await demandAccessible(emil.page, "[data-testid=siblings]");

  // The paper's union brings the removed book back; the default does not.
  const outcome = (strategy: string): Locator =>
    emil.page.locator(`[data-testid=outcome][data-strategy=${strategy}] .items`);
  await expect(outcome("union").locator(`[data-book="${first}"]`)).toHaveCount(1);
  await expect(outcome("observed-remove").locator(`[data-book="${first}"]`)).toHaveCount(0);
  await expect(outcome("yjs").locator(`[data-book="${second}"]`)).toHaveCount(1);

  await click(emil, emil.page.getByTestId("reconcile-observed-remove"));
  const merged = { [second]: "1", [third]: "1" };
  for (const tab of cluster.tabs) {
    await expect(tab.page.getByTestId("siblings")).toHaveCount(0);
    await expect.poll(() => shownCart(tab)).toEqual(merged);
  }
  const after = await ada.get(KEY);
  expect(after.operations).toHaveLength(1);
  for (const tab of cluster.tabs) expect((await tab.get(KEY)).operations).toEqual(after.operations);
  await waitUntil(async () => (await cluster.hints()) === 0, { what: "no hint is left" });
  for (const tab of cluster.tabs) expect(tab.uncaught).toEqual([]);
});

test("a tab that is cut off keeps its cart with w = 1, says so, and spreads it after the heal; a closed node comes back", async () => {
  const [ada, bela] = cluster.tabs as [Tab, Tab, ...Tab[]];
  const [book, other] = (await ada.page
    .getByTestId("book")
    .evaluateAll((shown: HTMLElement[]) => shown.map((each) => each.dataset["book"] ?? ""))) as [string, string];

  await click(ada, ada.page.getByTestId("fault-cut-off"));
  await add(ada, book);
  await kept(ada, "one");
  await expect(ada.page.getByTestId("cart-error")).toHaveCount(0);
  await click(ada, ada.page.getByTestId("fault-heal"));
  await kept(ada, "confirmed");
  for (const tab of cluster.tabs) await expect(inCart(tab, book)).toBeVisible();

  const node = await bela.node();
  await click(bela, bela.page.getByTestId("fault-close"));
  await expect(bela.page.getByTestId("node-closed")).toBeVisible();
  await add(ada, other);
  await expect(ada.page.getByTestId("cart-error")).toHaveCount(0);
  await click(bela, bela.page.getByTestId("node-reopen"));
  await expect(inCart(bela, other)).toBeVisible();
  expect(await bela.node()).toBe(node);
  await waitUntil(async () => (await cluster.hints()) === 0, { what: "no hint is left" });
});
