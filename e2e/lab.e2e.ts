/** The lab on the simulated world, from static files alone: what is drawn is what happened, and what can be done is done. */

import { gzipSync } from "node:zlib";
import { type Page, expect } from "@playwright/test";
import type { Key, NodeId } from "../src/core/identifiers.ts";
import type { LabNode, LabWorld } from "../src/lab/world.ts";
import { look, pass, test } from "./lab-page.ts";

declare global {
  interface Window {
    /** The visit to the lab that is on the page. */
    tabringLab?: {
      readonly frame: { readonly now: number };
      readonly scene: {
        readonly world: LabWorld;
        readonly now: number;
        readonly nodes: readonly LabNode[];
        readonly cuts: readonly unknown[];
        readonly upcoming: number;
      };
      readonly hash: string;
      idOf(name: string): NodeId | undefined;
    };
  }
}

/** Gzipped, with the whole node and the simulator, which are more than half of it. */
const PAGE_BYTES_MAX = 160_000;

let page: Page;
test.beforeEach(async ({ openLab }) => {
  page = await openLab();
});

async function open(fragment: string): Promise<void> {
  await page.goto("about:blank");
  await page.goto(`/${fragment}`);
  await expect(page.getByTestId("lab-clock")).toBeVisible();
}
async function choose(node: string): Promise<void> {
  await page.locator(`[data-node="${node}"]`).click();
}
async function act(name: string): Promise<void> {
  await page.locator(`[data-act="${name}"]`).click();
}
const stateOf = (node: string) => page.locator(`[data-node="${node}"]`);

test("the ring: each token is drawn as its owner's, and the walk of a key is its preference list", async () => {
  for (const key of ["carts/ada", "carts/ben", "sessions/x", "anything at all"]) {
    await page.getByTestId("lab-key").fill(key);
    const { owners, list, nodes } = await page.evaluate((key) => {
      const lab = window.tabringLab!;
      const id = lab.idOf("a")!;
      const { world, nodes } = lab.scene;
      return {
        owners: world.listsAt(id).map(({ owners }) => owners[0]!),
        list: world.preferenceListAt(id, key as Key)!,
        nodes: nodes.map(({ id, name }) => [id, name] as const),
      };
    }, key);
    const names = new Map(nodes);
    const arcs = await page
      .locator("[data-testid=lab-ring] [data-owner]")
      .evaluateAll((all) => all.map((arc) => arc.getAttribute("data-owner")));
    expect(arcs).toEqual(owners.filter((owner, i) => owner !== owners[i - 1]));
    const walk = await page.locator("[data-testid=lab-walk] tbody tr td:nth-child(2)").allInnerTexts();
    expect(walk).toEqual([...list.owners, ...list.fallbacks].map((node) => names.get(node)));
    for (const [place, node] of [...list.owners, ...list.fallbacks].entries())
      await expect(page.locator(`[data-node="${names.get(node)!}"]`)).toHaveAccessibleName(
        new RegExp(`number ${place + 1} of the walk`),
      );
  }
});

test("messages: what is drawn is on its way, and one can be dropped, delayed and doubled", async () => {
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-step").click();
  const underWay = () =>
    page.evaluate(() =>
      window.tabringLab!.scene.world.flightsUnderWay.map(({ id, kind, fate }) => ({ id, kind, fate })),
    );
  const drawn = () =>
    page.locator("[data-flight]").evaluateAll((all) => all.map((each) => Number(each.getAttribute("data-flight"))));
  const writes = (await underWay()).filter(({ kind }) => kind === "replica-put").map(({ id }) => id);
  expect(writes).toHaveLength(2);
  expect((await drawn()).sort()).toEqual(writes.sort());
  await look(page, "Messages");
  await page.locator(`[data-flight="${writes[0]!}"]`).click();
  await expect(page.getByTestId("lab-flight")).toHaveAttribute("data-fate", "under-way");
  const arrival = () =>
    page.evaluate(
      (id) => window.tabringLab!.scene.world.flights.find((flight) => flight.id === id)!.arrivesAt!,
      writes[0]!,
    );
  const before = await arrival();
  await act("delay");
  expect(await arrival()).toBe(before + 1_000);
  await act("duplicate");
  expect(
    await page.evaluate(
      (id) => window.tabringLab!.scene.world.flights.filter(({ copyOf }) => copyOf === id).length,
      writes[0]!,
    ),
  ).toBe(1);
  await act("drop");
  await expect(page.getByTestId("lab-flight")).toHaveAttribute("data-fate", "dropped");
  expect(await drawn()).not.toContain(writes[0]);
  await page.getByTestId("lab-draw-all").check();
  await pass(page, 1);
  for (let i = 0; i < 3; i++) await page.getByTestId("lab-step").click();
  expect((await drawn()).sort()).toEqual((await underWay()).map(({ id }) => id).sort());
});

test("a request is a waterfall: who was asked, who answered, when enough had; and a later answer is said to be late", async () => {
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Request");
  await expect(page.getByTestId("lab-outcome")).toHaveAttribute("data-outcome", "ok");
  const legs = page.getByTestId("lab-waterfall").locator("li");
  await expect(legs).toHaveCount(2);
  await expect(page.getByTestId("lab-waterfall")).toContainText("too late to count");
  const asked = await page.evaluate(() => {
    const { world } = window.tabringLab!.scene;
    return world.trace.filter(
      ({ event }) => event.what === "sent" && event.kind === "replica-put" && event.role === "counted",
    ).length;
  });
  expect(asked).toBe(await legs.count());
});

test("versions: two writers who know nothing of each other stand side by side, one who knows both joins them", async () => {
  const put = async (node: string, value: string, context: string) => {
    await choose(node);
    await look(page, "Key");
    await page.getByTestId("lab-value").fill(value);
    await page.getByTestId("lab-context").selectOption(context);
    await page.getByTestId("lab-put").click();
    await pass(page, 1);
  };
  await put("c", "left", "none");
  await put("d", "right", "none");
  await look(page, "Versions");
  await expect(page.getByTestId("lab-siblings")).toHaveAttribute("data-count", "2");
  await expect(page.locator("[data-sibling=true]")).toHaveCount(2);
  await look(page, "Key");
  await choose("a");
  await page.getByTestId("lab-get").click();
  await pass(page, 1);
  await put("a", "both", "seen");
  await look(page, "Versions");
  await expect(page.getByTestId("lab-siblings")).toHaveAttribute("data-count", "1");
  await expect(page.locator("[data-version=both]")).toHaveAttribute("data-sibling", "true");
  await expect(page.getByTestId("lab-versions").locator(".edge")).toHaveCount(2);
});

test("faults: each button does what it says, and hints are kept while an owner is away and drain when it is back", async () => {
  await look(page, "Node");
  await choose("c");
  await act("crash");
  await expect(stateOf("c")).toHaveAttribute("data-state", "down");
  await pass(page, 12);
  await choose("b");
  await look(page, "Key");
  await page.getByTestId("lab-put").click();
  await pass(page, 2);
  await look(page, "Hints");
  await expect(page.getByTestId("lab-hints")).toHaveAttribute("data-count", "1");
  // Its box: who keeps it for whom, since when, and that c was not asked yet; no more of it when c has it.
  const box = page.locator("[data-hint]");
  await expect(box).toHaveCount(1);
  await expect(box).toHaveAttribute("data-hint", /^[a-z] c carts\/ada$/);
  await expect(box).toHaveAttribute("data-tries", "0");
  await expect(box).toContainText(/for \d/);
  await look(page, "Node");
  await choose("c");
  await act("restart");
  await expect(stateOf("c")).toHaveAttribute("data-state", "running");
  await pass(page, 20);
  await look(page, "Hints");
  await expect(page.getByTestId("lab-hints")).toHaveAttribute("data-count", "0");
  await expect(box).toHaveCount(0);

  await look(page, "Node");
  await choose("d");
  await act("freeze");
  await expect(stateOf("d")).toHaveAttribute("data-state", "frozen");
  await act("thaw");
  await expect(stateOf("d")).toHaveAttribute("data-state", "running");
  const node = () => page.evaluate(() => window.tabringLab!.scene.nodes.find(({ name }) => name === "d")!);
  for (const [button, field, sick, well] of [
    ["hide", "hidden", true, false],
    ["slow", "networkSlowness", 20, 1],
    ["gray", "grayMs", Infinity, 0],
    ["disk-full", "diskFull", true, false],
    ["disk-slow", "diskSlowness", 50, 1],
    ["skew", "clockSkewMs", -3_600_000, 0],
  ] as const) {
    await act(button);
    expect((await node())[field]).toBe(sick);
    await act(button === "hide" ? "unhide" : button);
    expect((await node())[field]).toBe(well);
  }
  await act("cut");
  expect(await page.evaluate(() => window.tabringLab!.scene.cuts.length)).toBe(8);
  await act("heal");
  await act("cut-one-way");
  expect(await page.evaluate(() => window.tabringLab!.scene.cuts.length)).toBe(4);
  await act("heal");
  await act("flip-bit");
  await look(page, "Key");
  await expect(page.getByTestId("lab-walk")).toContainText("damaged");
  await look(page, "Node");
  await act("join");
  await expect(stateOf("n1")).toHaveAttribute("data-state", "running");
  await choose("d");
  await act("wipe");
  await expect(stateOf("d")).toHaveCount(0);
  await expect(stateOf("n2")).toBeVisible();
});

test("gossip: while the network is cut a node of one side leaves, and the two sides see two rings; healed, they see one", async () => {
  await look(page, "World");
  for (const name of ["a", "b"]) await page.getByRole("button", { name, exact: true }).last().click();
  await page.getByTestId("lab-cut").click();
  await look(page, "Plan");
  await page.getByTestId("lab-change-node").selectOption("b");
  await page.getByTestId("lab-preview").click();
  await page.getByTestId("lab-commit").click();
  await pass(page, 8);
  await look(page, "Gossip");
  await expect(page.getByTestId("lab-views")).not.toHaveAttribute("data-views", "1");
  await look(page, "World");
  await page.getByTestId("lab-heal").click();
  await pass(page, 60);
  await look(page, "Gossip");
  await expect(page.getByTestId("lab-views")).toHaveAttribute("data-views", "1");
  // All that stay have heard of it; b may have told so itself.
  await expect(page.getByTestId("lab-spread")).toHaveAttribute("data-nodes", /^[45]$/);
  await expect(page.getByTestId("lab-spread")).toContainText(/\d rounds? of gossip, \d+ messages/);
  expect(await page.evaluate(() => window.tabringLab!.scene.nodes.find(({ name }) => name === "b")!.state)).toBe(
    "gone",
  );
});

test("a plan shows what would move before it is made, and then that is what moves", async () => {
  await choose("a");
  await look(page, "Plan");
  await page.getByTestId("lab-change-node").selectOption("e");
  await page.getByTestId("lab-preview").click();
  const planned = Number(await page.getByTestId("lab-plan").getAttribute("data-moves"));
  const owned = () =>
    page.evaluate(() => {
      const lab = window.tabringLab!;
      return lab.scene.world.listsAt(lab.idOf("a")!).map(({ owners }) => owners.join());
    });
  const before = await owned();
  await page.getByTestId("lab-commit").click();
  await pass(page, 60);
  const after = await owned();
  const moved = after.flatMap((owners, i) => owners.split(",").filter((owner) => !before[i]!.includes(owner))).length;
  expect(moved).toBe(planned);
  expect(planned).toBeGreaterThan(0);
  expect(await page.evaluate(() => window.tabringLab!.scene.nodes.find(({ name }) => name === "e")!.state)).toBe(
    "gone",
  );
});

test("time: back and forth is the same run; a fork forgets what came; a link brings the run and the moment to another page", async ({
  openPage,
}) => {
  await page.getByTestId("lab-put").click();
  await pass(page, 3);
  const hash = () => page.evaluate(() => window.tabringLab!.hash);
  const scrub = (to: number) =>
    page.getByTestId("lab-scrub").evaluate((range: HTMLInputElement, to) => {
      range.value = String(to);
      range.dispatchEvent(new Event("change", { bubbles: true }));
    }, to);
  const end = await page.evaluate(() => window.tabringLab!.scene.now);
  const then = await hash();
  await scrub(0);
  expect(await hash()).not.toBe(then);
  await scrub(end);
  expect(await hash()).toBe(then);

  await look(page, "World");
  await page.getByTestId("lab-share").click();
  await expect(page.getByText(/^Copied|address bar/)).toBeVisible();
  const link = page.url();
  const other = await openPage(new URL(link).hash);
  await expect(other.getByTestId("lab-clock")).toHaveText(await page.getByTestId("lab-clock").innerText());
  expect(await other.evaluate(() => window.tabringLab!.hash)).toBe(then);

  await scrub(500);
  await look(page, "Key");
  await page.getByTestId("lab-get").click();
  expect(await page.evaluate(() => window.tabringLab!.scene.upcoming)).toBe(0);
  await pass(page, 3);
  expect(await hash()).not.toBe(then);
});

test("a broken link is said to be one, and a world that cannot be is refused", async () => {
  await open("#/lab?run=1.AAAA");
  await expect(page.getByTestId("lab-broken")).toContainText("Nothing was changed");
  await look(page, "World");
  await page.getByTestId("lab-n").fill("9");
  await page.getByTestId("lab-r").fill("8");
  await page.getByTestId("lab-w").fill("1");
  await page.getByTestId("lab-size").fill("0");
  await page.getByTestId("lab-begin").click();
  // The form itself refuses what is out of its bounds.
  expect(await page.getByTestId("lab-size").evaluate((field: HTMLInputElement) => field.checkValidity())).toBe(false);
  await page.getByTestId("lab-size").fill("6");
  await page.getByTestId("lab-begin").click();
  expect(await page.evaluate(() => window.tabringLab!.scene.nodes.length)).toBe(6);
  await expect(page.locator("[data-node]")).toHaveCount(6);
});

test("playing: time passes and messages move, and it stops when told to", async () => {
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-play").click();
  await expect.poll(() => page.evaluate(() => window.tabringLab!.frame.now)).toBeGreaterThan(20);
  await page.getByTestId("lab-play").click();
  const stopped = await page.getByTestId("lab-clock").innerText();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await expect(page.getByTestId("lab-clock")).toHaveText(stopped);
});

test("the page loads no more than it needs: the node, the simulator and the bench, and no Yjs", async ({
  browser,
  files,
}) => {
  const fresh = await browser.newPage();
  const loaded: Promise<Buffer>[] = [];
  fresh.on("response", (response) => loaded.push(response.body()));
  await fresh.goto(`${files.address}#/lab`);
  await expect(fresh.getByTestId("lab-clock")).toBeVisible();
  await expect(fresh.getByTestId("lab-key")).toBeVisible();
  const bodies = await Promise.all(loaded);
  const bytes = bodies.reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0);
  console.log(`the lab's page: ${(bytes / 1_000).toFixed(1)} kB gzipped, in ${bodies.length} files`);
  expect(bytes).toBeLessThan(PAGE_BYTES_MAX);
  expect(bodies.some((body) => body.includes("Yjs was already imported"))).toBe(false);
  await fresh.close();
});
