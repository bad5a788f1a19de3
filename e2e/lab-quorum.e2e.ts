/** Quorums, load and moved tokens in the lab: what the page says is what the pure functions say, what it measures is what the nodes do. */

import { type Page, expect } from "@playwright/test";
import { defaultLabOptions } from "../src/lab/options.ts";
import { verdictOf } from "../src/lab/quorum-math.ts";
import { Measurement } from "../src/lab/staleness.ts";
import { look, pass, test } from "./lab-page.ts";

let page: Page;
test.beforeEach(async ({ openLab }) => {
  page = await openLab();
});

async function slide(testId: string, to: number): Promise<void> {
  await page.getByTestId(testId).fill(String(to));
}
const asked = () =>
  page.evaluate(() => window.tabringLab!.scene.world.trace.filter(({ event }) => event.what === "asked").length);

test("the verdict on each N, R and W is that of counting", async () => {
  await look(page, "Quorum");
  for (const [n, r, w] of [
    [3, 2, 2],
    [3, 1, 1],
    [5, 1, 5],
    [5, 2, 3],
    [1, 1, 1],
    [7, 3, 3],
  ] as const) {
    await slide("lab-quorum-n", n);
    await slide("lab-quorum-r", r);
    await slide("lab-quorum-w", w);
    const verdict = verdictOf({ n, r, w }, defaultLabOptions.nodes.length);
    const card = page.getByTestId("lab-verdict");
    await expect(card).toHaveAttribute("data-overlaps", String(verdict.overlaps));
    await expect(card).toHaveAttribute("data-reads-stand", String(verdict.readsStand));
    await expect(card).toHaveAttribute("data-writes-stand", String(verdict.writesStand));
    await expect(card).toContainText(verdict.overlaps ? "reads meet writes" : "reads may miss writes");
    const counted = (await page.getByTestId("lab-stale-counted").innerText()).replace("%", "");
    expect(Math.abs(Number(counted) - 100 * verdict.missChance)).toBeLessThanOrEqual(0.5);
  }
  // Less than R owners cannot be asked for: R and W go down with N.
  await slide("lab-quorum-n", 2);
  await expect(page.getByTestId("lab-quorum-r")).toHaveValue("2");
  await expect(page.getByText("What R + W > N does not promise")).toBeVisible();
});

test("stale reads: the page measures what the nodes do, none where quorums overlap, and it can be stopped", async () => {
  await look(page, "Quorum");
  await page.getByTestId("lab-quorum-trials").selectOption("50");
  for (const [r, w] of [
    [2, 2],
    [1, 1],
  ] as const) {
    await slide("lab-quorum-r", r);
    await slide("lab-quorum-w", w);
    await page.getByTestId("lab-measure").click();
    const row = page.getByTestId("lab-stale-measured");
    await expect(row).toHaveAttribute("data-over", "true", { timeout: 30_000 });
    const options = { ...defaultLabOptions, parameters: { ...defaultLabOptions.parameters, r, w } };
    const measurement = new Measurement({ options, slowness: [], waitMs: 0, trials: 50 });
    while (measurement.next());
    await expect(row).toHaveAttribute("data-trials", String(measurement.measured.trials));
    await expect(row).toHaveAttribute("data-stale", String(measurement.measured.stale));
    if (r === 2) expect(measurement.measured.stale).toBe(0);
    else expect(measurement.measured.stale).toBeGreaterThan(0);
  }
  await page.getByTestId("lab-quorum-trials").selectOption("4000");
  await page.getByTestId("lab-measure").click();
  await page.getByTestId("lab-measure-stop").click();
  await expect(page.getByTestId("lab-stale-measured")).toHaveAttribute("data-over", "false");
  await expect(page.getByText(/^Stopped: /)).toBeVisible();
});

test("a world begins with the chosen N, R and W", async () => {
  await look(page, "Quorum");
  await slide("lab-quorum-n", 4);
  await slide("lab-quorum-r", 1);
  await slide("lab-quorum-w", 4);
  await page.getByTestId("lab-quorum-begin").click();
  const { n, r, w } = await page.evaluate(() => {
    const lab = window.tabringLab!;
    return lab.scene.world.viewOf(lab.idOf("a")!)!.view!.parameters;
  });
  expect([n, r, w]).toEqual([4, 1, 4]);
});

test("load: callers ask as long as they are told to, and what is counted is what the trace has", async () => {
  await look(page, "World");
  await page.getByTestId("lab-load-rate").fill("30");
  await page.getByTestId("lab-load-start").click();
  await pass(page, 4);
  const during = await asked();
  expect(during).toBeGreaterThan(80);
  expect(during).toBeLessThan(160);
  await expect(page.getByTestId("lab-load")).toHaveAttribute("data-asked", String(during));
  await page.getByTestId("lab-load-stop").click();
  await pass(page, 2);
  expect(await asked()).toBe(during);
  await look(page, "Trace");
  await page.getByTestId("lab-filter").fill("load: ");
  await expect(page.getByTestId("lab-trace")).toContainText(/load: (get|put) load\//);
});

test("tokens move off the hottest node as the plan said", async () => {
  await look(page, "World");
  await page.getByTestId("lab-size").fill("8");
  await page.getByLabel("Tokens, and partitions").selectOption("64");
  await page.getByTestId("lab-begin").click();
  await page.getByTestId("lab-load-rate").fill("60");
  await page.getByTestId("lab-load-hot").check();
  await page.getByTestId("lab-load-start").click();
  await pass(page, 8);
  await page.getByTestId("lab-load-stop").click();
  await look(page, "Plan");
  await page.getByTestId("lab-change").selectOption("move");
  await page.getByTestId("lab-preview").click();
  const plan = page.getByTestId("lab-plan");
  expect(Number(await plan.getAttribute("data-swaps"))).toBeGreaterThan(0);
  const planned = Number(await plan.getAttribute("data-moves"));
  const owners = () =>
    page.evaluate(() => {
      const lab = window.tabringLab!;
      return lab.scene.world.listsAt(lab.idOf("a")!).map(({ owners }) => [...owners]);
    });
  const before = await owners();
  await page.getByTestId("lab-commit").click();
  await pass(page, 2);
  const after = await owners();
  expect(after.flatMap((list, i) => list.filter((owner) => !before[i]!.includes(owner)))).toHaveLength(planned);
  await expect(page.getByTestId("lab-plan")).toHaveCount(0);
  expect(
    await page.evaluate(() =>
      window.tabringLab!.scene.world.trace.some(({ label }) => label === "tokens change owners"),
    ),
  ).toBe(true);
});
