/** The lab on real tabs: what it shows is what the tabs say themselves, what it does is done there, and one scenario ends the same in both of its worlds. */

import { type Page, expect, test } from "@playwright/test";
import type { Key, NodeId } from "../src/core/identifiers.ts";
import { type Cluster, type Tab, inviteParts, waitUntil } from "./cluster.ts";
import { demandAccessible } from "./lab-page.ts";
import { TabsLab, act, held } from "./tabs-lab.ts";

const CART = "carts/lab-tabs";

let tabsLab: TabsLab;
let cluster: Cluster;
let lab: Page;

test.beforeEach(async () => {
  tabsLab = await TabsLab.open(3);
  ({ cluster, lab } = tabsLab);
});
test.afterEach(() => tabsLab.close());

async function namesOfTabs(): Promise<[string, string, string]> {
  return (await tabsLab.names()) as [string, string, string];
}

function look(panel: string): Promise<void> {
  return tabsLab.look(panel);
}

test("the lab's owners are those of the tabs; a put in the lab is read in a tab, its messages were drawn, and the past can be seen again", async () => {
  const [first] = await namesOfTabs();
  for (const key of [CART, "carts/ada", "anything at all"]) {
    const lists = await Promise.all(cluster.tabs.map((tab) => tab.preferenceList(key)));
    const ids = await Promise.all(cluster.tabs.map((tab) => tab.node()));
    const seen = await lab.evaluate(
      ({ ids, key }) => ids.map((id) => window.tabringLab!.scene.world.preferenceListAt(id, key as Key)?.owners ?? []),
      { ids, key },
    );
    expect(seen).toEqual(lists.map((list) => list.filter(({ role }) => role === "owner").map(({ node }) => node)));
  }

  // Every message that is drawn in between is remembered.
  await lab.evaluate(() => {
    const drawn = new Set<number>();
    (window as unknown as { drawn: Set<number> }).drawn = drawn;
    const watch = (): void => {
      for (const each of document.querySelectorAll("[data-flight]"))
        drawn.add(Number(each.getAttribute("data-flight")));
      requestAnimationFrame(watch);
    };
    watch();
  });
  const before = await lab.evaluate(() => window.tabringLab!.scene.now);
  await lab.getByTestId("lab-key").fill(CART);
  await lab.getByTestId("lab-value").fill("from the lab");
  await lab.locator(`[data-node="${first}"]`).click();
  await lab.getByTestId("lab-put").click();
  await look("Request");
  await expect(lab.getByTestId("lab-outcome")).toHaveAttribute("data-outcome", "ok");
  await expect(lab.getByTestId("lab-outcome")).toContainText(`put ${CART}`);
  await waitUntil(async () => (await cluster.tabs[2]!.get(CART)).values.join() === "from the lab", {
    what: "a tab reads what the lab has put",
  });
  await waitUntil(async () => (await held(lab, await namesOfTabs(), CART)).every((values) => values?.length === 1), {
    what: "the lab sees the record on all three disks",
  });
  const drawn = await lab.evaluate((key) => {
    const { drawn } = window as unknown as { drawn: Set<number> };
    const { trace } = window.tabringLab!.scene.world;
    const sent = trace.flatMap(({ event, key: of }) =>
      of === key && event.what === "sent" && event.kind === "replica-put" ? [event.flight] : [],
    );
    return { sent: sent.length, all: sent.every((flight) => drawn.has(flight)) };
  }, CART);
  expect(drawn.sent).toBeGreaterThan(0);
  expect(drawn.all).toBe(true);

  // The recording: held, back before the put, and to the present again.
  await lab.getByTestId("lab-scrub").evaluate((range: HTMLInputElement, to) => {
    range.value = String(to);
    range.dispatchEvent(new Event("change", { bubbles: true }));
  }, Math.floor(before));
  await expect(lab.getByTestId("lab-behind")).toHaveAttribute("data-present", "false");
  expect(await held(lab, await namesOfTabs(), CART)).toEqual([undefined, undefined, undefined]);
  const heldAt = await lab.getByTestId("lab-clock").innerText();
  await cluster.tabs[1]!.put("carts/meanwhile", "x");
  await expect(lab.getByTestId("lab-clock")).toHaveText(heldAt);
  await lab.getByTestId("lab-present").click();
  await expect(lab.getByTestId("lab-behind")).toHaveAttribute("data-present", "true");
  await waitUntil(async () => (await held(lab, await namesOfTabs(), CART)).every((values) => values?.length === 1), {
    what: "the present is shown again",
  });
});

test("a cut from the lab leaves a hint, and after the heal it comes home; a tab is closed and opened again", async () => {
  const names = await namesOfTabs();
  // With a fourth tab there is a stand-in.
  await cluster.openTab();
  await cluster.settled({ members: 4 });
  await expect(lab.getByTestId("lab-tabs-status")).toHaveAttribute("data-reporting", "4");
  const owners = (await cluster.tabs[0]!.preferenceList(CART)).flatMap(({ role, node }) =>
    role === "owner" ? [node] : [],
  );
  const nameOf = (id: NodeId): Promise<string> =>
    lab.evaluate((id) => window.tabringLab!.scene.nodes.find((node) => node.id === id)!.name, id);
  const away = await nameOf(owners[1]!);
  const writer = await nameOf(owners[0]!);
  const others = await lab.evaluate(
    (away) => window.tabringLab!.scene.nodes.map(({ name }) => name).filter((name) => name !== away),
    away,
  );
  expect(await act(lab, { do: "cut", side: [away], other: others })).toBe(true);
  const awayTab = await cluster.tabOf(owners[1]!);
  await waitUntil(() => awayTab.page.evaluate(() => window.tabring!.store.faults.current !== "none"), {
    what: "the tab is cut",
  });
  await waitUntil(() => lab.evaluate(() => window.tabringLab!.scene.cuts.length > 0), { what: "the cut is drawn" });
  const writerTab = await cluster.tabOf(owners[0]!);
  await waitUntil(
    async () => (await writerTab.nodes()).find(({ node }) => node === owners[1])?.reachability === "down",
    { what: "the others take it for down" },
  );
  await act(lab, { do: "put", node: writer, key: CART, value: "while away", context: "none" });
  await look("Hints");
  await expect(lab.getByTestId("lab-hints")).not.toHaveAttribute("data-count", "0", { timeout: 20_000 });
  expect(await cluster.hints()).toBeGreaterThan(0);
  await act(lab, { do: "heal" });
  await expect(lab.getByTestId("lab-hints")).toHaveAttribute("data-count", "0", { timeout: 60_000 });
  await waitUntil(async () => (await held(lab, [away], CART))[0]?.join() === "while away", {
    what: "the hint has come home",
    timeoutMs: 60_000,
  });

  // What cannot be done is grey, with a word why.
  await look("Node");
  await lab.locator(`[data-node="${names[0]}"]`).click();
  await expect(lab.locator('[data-act="crash"]')).toBeDisabled();
  await expect(lab.getByTestId("lab-limits")).toBeVisible();
  await lab.locator('[data-act="close"]').click();
  await expect(lab.locator(`[data-node="${names[0]}"]`)).toHaveAttribute("data-state", "down");
  await expect(cluster.tabs[0]!.page.getByTestId("node-closed")).toBeVisible();
  await lab.locator('[data-act="restart"]').click();
  await expect(lab.locator(`[data-node="${names[0]}"]`)).toHaveAttribute("data-state", "running");
  await cluster.settled({ members: 4 });
});

test("write, cut, write on both sides, heal: the same siblings and the same records of the owners in both worlds", async () => {
  test.setTimeout(180_000);
  const real = await namesOfTabs();
  const simulated = await cluster.context.newPage();
  await simulated.goto(`${cluster.server.address}#/lab`);
  await expect(simulated.getByTestId("lab-clock")).toBeVisible();
  // Three nodes, all of them owners, as the three tabs are.
  await simulated.getByRole("tab", { name: "World", exact: true }).click();
  await simulated.getByTestId("lab-size").fill("3");
  await simulated.getByTestId("lab-begin").click();
  await expect(simulated.locator("[data-node]")).toHaveCount(3);

  /** The same acts; `settled` waits for what the next one needs. */
  const play = async (
    page: Page,
    names: readonly string[],
    pass: (until: () => Promise<boolean>, what: string) => Promise<void>,
  ) => {
    const [a, b, c] = names as [string, string, string];
    const all = await page.evaluate(() => window.tabringLab!.scene.nodes.map(({ name }) => name));
    const rest = all.filter((name) => name !== c);
    const everywhere = async (count: number): Promise<boolean> =>
      (await held(page, names, CART)).every((values) => values?.length === count);
    const answered = (count: number) => (): Promise<boolean> =>
      page.evaluate(
        ({ key, count }) =>
          window.tabringLab!.scene.world.trace.filter(
            ({ event, key: of }) => of === key && event.what === "answered" && event.outcome === "ok",
          ).length >= count,
        { key: CART, count },
      );
    await act(page, { do: "put", node: a, key: CART, value: "before", context: "none", w: 3 });
    await pass(() => everywhere(1), "the first write is everywhere");
    await act(page, { do: "get", node: a, key: CART });
    await act(page, { do: "get", node: c, key: CART });
    await pass(answered(3), "both have read it");
    await act(page, { do: "cut", side: [c], other: rest });
    await pass(() => page.evaluate(() => window.tabringLab!.scene.cuts.length > 0), "the cut is there");
    await act(page, { do: "put", node: a, key: CART, value: "left", context: "seen", w: 1 });
    await act(page, { do: "put", node: c, key: CART, value: "right", context: "seen", w: 1 });
    await pass(answered(5), "both sides have written");
    const apart = async (): Promise<boolean> => (await held(page, [a, b, c], CART)).join("|") === "left|left|right";
    await pass(apart, "each side has its own");
    await act(page, { do: "heal" });
    await pass(() => everywhere(2), "both writes are everywhere");
    return { values: await held(page, [a, b, c], CART) };
  };

  const inTabs = await play(lab, real, (until, what) => waitUntil(until, { what, timeoutMs: 90_000 }));
  const inSimulation = await play(simulated, ["a", "b", "c"], async (until, what) => {
    for (let seconds = 0; seconds < 300 && !(await until()); seconds++) await simulated.getByTestId("lab-skip").click();
    expect(await until(), what).toBe(true);
  });
  expect(inTabs).toEqual(inSimulation);
  expect(inTabs.values).toEqual(Array.from({ length: 3 }, () => ["left", "right"]));
  await look("Versions");
  await lab.getByRole("tab", { name: "Key", exact: true }).click();
  await lab.getByTestId("lab-key").fill(CART);
  await look("Versions");
  await expect(lab.getByTestId("lab-siblings")).toHaveAttribute("data-count", "2");
});

test("from the shop to its lab and over to the other world; the chooser lists what this browser knows; a tab that goes is told", async () => {
  const { cluster: name } = inviteParts(cluster.server.invite);
  const shop = cluster.tabs[0] as Tab;
  const [opened] = await Promise.all([
    cluster.context.waitForEvent("page"),
    shop.page.getByTestId("to-tabs-lab").click(),
  ]);
  await expect(opened.getByTestId("lab-tabs-status")).toContainText(name);
  await opened.getByTestId("lab-worlds").getByRole("link", { name: "Simulated" }).click();
  await expect(opened.getByTestId("lab-share")).toHaveCount(0);
  await expect(opened.getByTestId("lab-skip")).toBeVisible();
  await opened.getByTestId("lab-worlds").getByRole("link", { name: "Tabs" }).click();
  await opened.locator(`[data-cluster="${name}"]`).click();
  await expect(opened.getByTestId("lab-tabs-status")).toHaveAttribute("data-reporting", "3");
  await opened.close();

  const [more] = await Promise.all([cluster.context.waitForEvent("page"), lab.getByTestId("lab-open-tab").click()]);
  cluster.adopt(more);
  await expect(lab.getByTestId("lab-tabs-status")).toHaveAttribute("data-reporting", "4", { timeout: 30_000 });
  await cluster.closeTab(cluster.tabs[3]!);
  await expect(lab.getByTestId("lab-tabs-status")).toHaveAttribute("data-reporting", "3", { timeout: 30_000 });
});

test("axe finds nothing on it, and nothing sticks out", async () => {
  test.setTimeout(180_000);
  await lab.getByTestId("lab-put").click();
  for (const panel of ["Key", "Node", "Messages", "World"]) {
    await look(panel);
    await demandAccessible(lab);
  }
  await lab.goto(`${cluster.server.address}#/lab/tabs`);
  await expect(lab.getByTestId("lab-tabs-chooser")).toBeVisible();
  await demandAccessible(lab);
});
