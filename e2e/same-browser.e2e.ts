/** A cluster without any server: the pages come from plain files, and the tabs of one browser find each other by themselves. */

import { expect, test } from "@playwright/test";
import { idsOf, inviteParts, openBrowser, openTabs, type Tab, type Tabs, waitUntil } from "./cluster.ts";
import { serveStaticFiles, type StaticFiles } from "./static-files.ts";

let files: StaticFiles;
let browser: Tabs;
test.beforeEach(async () => {
  files = await serveStaticFiles();
  browser = await openTabs();
});
test.afterEach(async () => {
  await browser.close();
  await files.close();
});

/** Starts a cluster by the start page's button; resolves with its first tab when that answers. */
async function founded(): Promise<Tab> {
  const founder = await browser.openTab(files.address);
  await expect(founder.page.getByTestId("no-server")).toBeVisible();
  await expect(founder.page.getByTestId("start-cluster")).toHaveCount(0);
  await founder.page.getByTestId("start-same-browser").click();
  await waitUntil(async () => (await founder.status())?.state === "online", { what: "the cluster is founded" });
  return founder;
}

test("four tabs: what one puts the others read; a conflict heals; one killed without a word comes back; all closed, and opened again", async () => {
  const founder = await founded();
  await expect(founder.page.getByTestId("same-browser")).toHaveText("This browser only: no server");
  const invite = await founder.page.getByTestId("invite-link").inputValue();
  expect(invite).toContain("&same-browser");
  await expect(founder.page.getByTestId("invite-reach")).toContainText("In another browser it finds nobody");
  await expect(founder.page.getByTestId("invite-code")).toHaveCount(0);
  // Opened at the same moment.
  await Promise.all([browser.openTab(invite), browser.openTab(invite), browser.openTab(invite)]);
  await browser.settled({ timeoutMs: 90_000 });
  for (const tab of browser.tabs) {
    expect((await tab.status())?.seed).toBe("same-browser");
    await expect(tab.page.getByTestId("same-browser")).toBeVisible();
    for (const { self, link } of await tab.nodes()) expect(link).toBe(self ? undefined : "webrtc");
  }

  const [ada, bela, chidi, dora] = browser.tabs as [Tab, Tab, Tab, Tab];
  await ada.put("carts/story", "tea");
  for (const tab of browser.tabs) expect((await tab.get("carts/story")).values).toEqual(["tea"]);

  await browser.partition([ada, bela], [chidi, dora]);
  const { context } = await ada.get("carts/story", { r: 1 });
  await ada.put("carts/story", "tea and milk", { context, w: 1 });
  await dora.put("carts/story", "tea and lemon", { context, w: 1 });
  await browser.heal();
  for (const tab of browser.tabs)
    await waitUntil(async () => (await tab.get("carts/story")).values.length === 2, {
      what: "both versions are everywhere",
      timeoutMs: 60_000,
    });
  const both = await bela.get("carts/story");
  await bela.put("carts/story", "tea with either", { context: both.context });
  for (const tab of browser.tabs) expect((await tab.get("carts/story")).values).toEqual(["tea with either"]);

  // Nobody said goodbye: the others write on, and the next tab at the link takes the same node up.
  const lost = await chidi.node();
  const ids = await idsOf(browser.tabs);
  await browser.killTab(chidi);
  await waitUntil(
    async () => (await ada.nodes()).some(({ node, reachability }) => node === lost && reachability === "down"),
    { what: "the killed tab is missed", timeoutMs: 60_000 },
  );
  await ada.put("carts/meanwhile", "kept");
  const back = await browser.openTab(invite);
  await browser.settled({ members: 4, timeoutMs: 90_000 });
  expect(await back.node()).toBe(lost);
  expect((await back.get("carts/meanwhile")).values).toEqual(["kept"]);

  for (const tab of [...browser.tabs]) await browser.closeTab(tab);
  const start = await browser.openTab(files.address);
  await expect(start.page.locator("[data-cluster]")).toContainText("this browser only");
  await start.page.getByRole("button", { name: /^Open / }).click();
  for (let i = 0; i < 3; i++) await browser.openTab(invite);
  await browser.settled({ members: 4, timeoutMs: 90_000 });
  expect(await idsOf(browser.tabs)).toEqual(ids);
  for (const tab of browser.tabs) {
    expect((await tab.get("carts/story")).values).toEqual(["tea with either"]);
    expect((await tab.get("carts/meanwhile")).values).toEqual(["kept"]);
    expect(tab.uncaught).toEqual([]);
  }
});

test("two tabs that mean to found at the same moment make one cluster; who is nobody's guest waits and says why", async () => {
  const secret = "s".repeat(43);
  const link = `${files.address}#/shop?cluster=twins&secret=${secret}&same-browser`;
  const waiting = await browser.openTab(link);
  await expect(waiting.page.getByTestId("cluster-waiting")).toContainText("the one browser where it was started");
  expect((await waiting.status())?.state).toBe("waiting");

  const twins = await Promise.all([browser.openTab(files.address), browser.openTab(files.address)]);
  for (const { page } of twins) await page.evaluate(() => sessionStorage.setItem("tabring-founding-twins", "yes"));
  await Promise.all(twins.map(({ page }) => page.evaluate((address) => void location.assign(address), link)));
  await browser.settled({ timeoutMs: 90_000 });
  await twins[0].put("carts/twins", "one cluster");
  for (const tab of browser.tabs) expect((await tab.get("carts/twins")).values).toEqual(["one cluster"]);
});

test("where there is a server it stays the default, and the choice is there", async () => {
  const cluster = await openBrowser();
  try {
    const tab = await cluster.openTab(cluster.server.address);
    await expect(tab.page.getByTestId("start-cluster")).toBeVisible();
    await expect(tab.page.getByTestId("no-server")).toHaveCount(0);
    await tab.page.getByTestId("start-same-browser").click();
    await waitUntil(async () => (await tab.status())?.state === "online", { what: "the cluster is founded" });
    await expect(tab.page.getByTestId("same-browser")).toBeVisible();
    expect(inviteParts(tab.page.url()).cluster).toMatch(/^shop-/);
  } finally {
    await cluster.close();
  }
});
