/** The live figures: each bar, share and mark is what the nodes have counted. */

import { expect } from "@playwright/test";
import { demandAccessible, look, numbersOf, pass, test } from "./lab-page.ts";

const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);

test("latencies, versions, the share of background work and the balance are those of the nodes", async ({
  openLab,
}) => {
  const page = await openLab();
  await look(page, "Figures");
  await expect(page.getByTestId("lab-balance")).toContainText("No whole minute");
  await page.getByTestId("lab-figures-traffic").click();
  await expect(page.getByTestId("lab-latency-get")).toHaveAttribute("data-requests", "40");
  await expect(page.getByTestId("lab-latency-put")).toHaveAttribute("data-requests", "20");

  const counted = (name: string | undefined) =>
    page.evaluate((name) => {
      const { world, nodes } = window.tabringLab!.scene;
      const asked = nodes.filter((node) => name === undefined || node.name === name);
      return asked.map(({ id }) => {
        const { gets, puts, versionsSeen } = world.statisticsOf(id)!;
        return {
          get: gets.latencyMicros.buckets.map(({ count }) => count),
          put: puts.latencyMicros.buckets.map(({ count }) => count),
          longest: Math.max(gets.latencyMicros.max, puts.latencyMicros.max) / 1_000,
          versionsSeen,
        };
      });
    }, name);
  for (const name of [undefined, "b"]) {
    await page.getByTestId("lab-figures-of").selectOption(name ?? "");
    const nodes = await counted(name);
    for (const operation of ["get", "put"] as const) {
      const section = `[data-testid=lab-latency-${operation}]`;
      const requests = sum(nodes.flatMap((node) => node[operation]));
      await expect(page.locator(section)).toHaveAttribute("data-requests", String(requests));
      expect(sum(await numbersOf(page, `${section} rect[data-count]`, "data-count"))).toBe(requests);
      const [p50, p99, p999] = await numbersOf(page, `${section} [data-mark]`, "data-ms");
      expect(p50!).toBeGreaterThan(0);
      expect(p99!).toBeGreaterThanOrEqual(p50!);
      expect(p999!).toBeGreaterThanOrEqual(p99!);
      expect(p999!).toBeLessThanOrEqual(Math.max(...nodes.map(({ longest }) => longest)));
    }
    const seen = await numbersOf(page, "[data-testid=lab-versions-seen] tbody tr", "data-count");
    expect(seen).toEqual([0, 1, 2, 3, 4].map((versions) => sum(nodes.map((node) => node.versionsSeen[versions]!))));
  }

  const share = () =>
    page.evaluate(() => {
      const lab = window.tabringLab!;
      const { share, why } = lab.scene.world.viewOf(lab.idOf("b")!)!.background;
      return { share: String(share), why };
    });
  const admission = page.getByTestId("lab-admission");
  const before = await share();
  await expect(admission).toHaveAttribute("data-share", before.share);
  await expect(admission).toHaveAttribute("data-why", before.why);
  const [samples] = await numbersOf(page, "[data-testid=lab-share-line]", "data-samples");
  await pass(page, 2);
  await expect(admission).toHaveAttribute("data-why", (await share()).why);
  expect((await numbersOf(page, "[data-testid=lab-share-line]", "data-samples"))[0]).toBe(samples! + 2);

  for (let i = 0; i < 2; i++) await page.getByTestId("lab-figures-minute").click();
  await expect(page.getByTestId("lab-balance-table")).toBeVisible();
  const served = await page.evaluate(() => {
    const { world, nodes } = window.tabringLab!.scene;
    return nodes.map(({ id, name }) => {
      const { minutes, minutesMs } = world.statisticsOf(id)!;
      const whole = Math.floor(minutesMs / 60_000);
      return {
        name,
        whole,
        perMinute: minutes.slice(1, 1 + whole).reduce((all, { served }) => all + served, 0) / whole,
      };
    });
  });
  expect(new Set(served.map(({ whole }) => whole)).size).toBe(1);
  const mean = sum(served.map(({ perMinute }) => perMinute)) / served.length;
  expect(mean).toBeGreaterThan(0);
  for (const { name, perMinute } of served)
    await expect(page.locator(`[data-node-off="${name}"]`)).toHaveAttribute(
      "data-out",
      String(Math.abs(perMinute / mean - 1) > 0.15),
    );
  await demandAccessible(page);
});
